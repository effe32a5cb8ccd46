#!/usr/bin/env bash
# What is too long for every commit. Run it before an issue is called resolved, and quote its
# figures. Needs what tests/all.sh installs.
set -euo pipefail
cd "$(dirname "$0")/.."

KAREZ_LONG=1 cargo test --release -p karez-tests -- --nocapture
PROPTEST_CASES=20000 cargo test --release -p karez-protocol
