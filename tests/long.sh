#!/usr/bin/env bash
# What is too long for every commit. Run it before an issue is called resolved, and quote its
# figures. Needs what tests/all.sh installs.
set -euo pipefail
cd "$(dirname "$0")/.."

KAREZ_LONG=1 cargo test --release -p karez-tests -- --nocapture
PROPTEST_CASES=20000 cargo test --release -p karez-protocol
# Ten files at 1,000 lengths each, 10,000 mutations.
KAREZ_LONG=1 cargo test --release -p karez-imaging --test round_trip
# The same streams from builds that may compute differently.
tests/same_streams.sh
