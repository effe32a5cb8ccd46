#!/usr/bin/env bash
# Three bugs, each compiled in by the feature `mutants` alone, must each be caught by the swarm.
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO_TARGET_DIR=target/mutants cargo build --release -p karez-sim --features mutants
sim=target/mutants/release/karez-sim
"$sim" swarm --seeds 1..60
for bug in ack-before-sync forgetful ledger-first; do
    if caught=$("$sim" swarm --seeds 1..60 --mutant "$bug" 2>&1); then
        echo "the bug $bug went through 60 worlds unseen" >&2
        exit 1
    fi
    echo "$bug: $(tail -n 1 <<<"$caught")"
done
