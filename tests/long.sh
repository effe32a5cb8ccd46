#!/usr/bin/env bash
# What is too long for every commit. Run it before an issue is called resolved, and quote its
# figures. Needs what tests/all.sh installs.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Peers of the bench `peers`: the Debian package nncp, and tus from npm, whose versions are those of
# the first measurement. What cannot be installed is named by the bench and left out.
command -v nncp-call >/dev/null || as_root apt-get install -y -qq --no-install-recommends nncp >/dev/null || true
if command -v npm >/dev/null && [ ! -d target/tools/tus/node_modules/@tus/server ]; then
    mkdir -p target/tools/tus
    (cd target/tools/tus && npm install --silent --no-audit --no-fund \
        @tus/server@1.10.2 @tus/file-store@1.5.1 tus-js-client@4.3.1) || true
fi

# The Debian packages in a clean Debian (as root; two minutes).
[ "$(id -u)" != 0 ] || tests/packages.sh
# A build of everything once more, as static programs.
[ "$(id -u)" != 0 ] || tests/static.sh

# With the bench of peers over `karez-sim link` (as root; half an hour; KAREZ_PEERS=P3,P6 picks rows).
KAREZ_LONG=1 cargo test --release -p karez-tests -- --nocapture
# With the model of custody, explored with three mishaps in one life.
KAREZ_LONG=1 PROPTEST_CASES=20000 cargo test --release -p karez-protocol
# Ten files at 1,000 lengths each, 10,000 mutations.
KAREZ_LONG=1 cargo test --release -p karez-imaging --test round_trip
# The same streams from builds that may compute differently.
tests/same_streams.sh

# Every decoder of outside bytes under libFuzzer, KAREZ_FUZZ_SECONDS each (600). Findings go to
# tests/fuzz/artifacts; put their input into tests/fuzz/corpus/BODY, where tests/decoders.rs replays it.
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --root target/tools
export PATH="$PWD/target/tools/bin:$PATH"
for corpus in tests/fuzz/corpus/*; do
    mkdir -p "target/fuzz-$(basename "$corpus")"
    KAREZ_BODY=$(basename "$corpus") cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none decoder \
        "target/fuzz-$(basename "$corpus")" "$corpus" -- \
        -max_total_time="${KAREZ_FUZZ_SECONDS:-600}" -max_len=8192 -timeout=20 -rss_limit_mb=2048
done
# Every figure of the link engine; a crowd of clinics; loopback beside a bare quinn stream.
cargo run --release -q -p karez-sim -- bench --table
cargo run --release -q -p karez-sim -- bench --link rate_kbit=64,rtt_ms=700,loss=0.02,queue_ms=2000 \
    --clinics 1000 --warm 60s --for 120s
cargo test --release -p karez-quic --lib loopback -- --nocapture
# Worlds in virtual time: every profile for a week, 1,000 drawn worlds, bugs that must be caught.
KAREZ_LONG=1 cargo test --release -p karez-sim --test world -- --nocapture
# A disk fault at every call of either side, with an error and for want of room.
KAREZ_LONG=1 cargo test --release -p karez-sim --test faults -- --nocapture
target/release/karez-sim swarm --seeds 1..1000
tests/mutants.sh
# The 30 days of the shutdown, six sites: T1 thinned, and T2 in full (23 GB; less than 20 minutes).
target/release/karez-sim run --scenario province-shutdown-30d --workload T1 --thin 2 --seed 1 --json
timeout 1200 target/release/karez-sim run --scenario province-shutdown-30d --workload T2 --seed 1 --json
target/release/karez-sim run --profile rural-edge --days 30 --workload T2 --thin 4 --seed 7 --json
