#!/usr/bin/env bash
# Bugs, each compiled in by the feature `mutants` alone, must each be caught: by the swarm within 60
# worlds, or by the test that is named. Prints a table; protocol/src/mutant.rs has the rules.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=target/mutants
export RUST_BACKTRACE=0
cargo build --release -p karez-sim --features mutants
sim=$CARGO_TARGET_DIR/release/karez-sim
receiver="cargo test --release -q -p karez-receiver --features mutants --test"
protocol="cargo test --release -q -p karez-protocol --features mutants"
"$sim" swarm --seeds 1..60

missed=0
# Name, then what must fail with it.
caught() {
    local name=$1 began=$SECONDS status=0
    shift
    KAREZ_MUTANT=$name timeout 600 "$@" >target/mutants/out 2>&1 || status=$?
    local how
    how=$(grep -m 1 -oE '^seed [0-9]+ FAILS|^test .* FAILED|panicked at [^ ]+' target/mutants/out || true)
    if [ "$status" = 0 ] || [ "$status" = 124 ] || [ -z "$how" ]; then
        how="NOT CAUGHT"
        missed=$((missed + 1))
    fi
    printf '%-22s %-44s %4d s\n' "$name" "$how" $((SECONDS - began))
}

for bug in ack-before-sync forgetful ledger-first release-by-have doubt-nothing epoch-ignored \
    have-before-durable not-stored-kept no-question delete-before-sync accept-before-sync; do
    caught "$bug" "$sim" swarm --seeds 1..60 --first
done
# shellcheck disable=SC2086
{
    caught root-unchecked $protocol
    caught foreign-receipt $protocol
    caught epoch-kept $receiver custody
    caught stored-anywhere $receiver targets
    caught burnt-for-good $receiver custody
    caught evict-forgets $receiver evicts
}
exit "$missed"
