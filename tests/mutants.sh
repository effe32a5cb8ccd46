#!/usr/bin/env bash
# Bugs, each compiled in by the feature `mutants` alone, must each be caught: by the swarm within 60
# worlds, or by the test that is named. Writes the table protocol/docs/MUTANTS.md when all are;
# protocol/src/mutant.rs has the rules. Names as arguments: only these, and no table.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=target/mutants
export RUST_BACKTRACE=0
table=target/mutants/table.md
only=" $* "
missed=0
count=0

# One choice of packages and features for all, so that nothing is built twice.
build="--release --features karez-sim/mutants,karez-host/mutants"
for package in protocol quic host sender receiver sim; do build="$build -p karez-$package"; done

swarm() { target/mutants/release/karez-sim swarm --seeds 1..60 "$@"; }
# shellcheck disable=SC2086
tests() { cargo test -q $build "$@"; }

# What a bug breaks, from the comment above it.
rule() {
    local name
    name=$(sed -E 's/(^|-)(.)/\U\2/g' <<<"$1")
    awk -v name="    $name," '$0 == name { print text; exit }
        /^    \/\/\/ / { text = text (text ? " " : "") substr($0, 9); next } { text = "" }' \
        protocol/src/mutant.rs
}

# Name, then what must fail with it.
caught() {
    local name=$1 began=$SECONDS status=0 how
    shift
    [ "$only" = "  " ] || [[ $only == *" $name "* ]] || return 0
    KAREZ_MUTANT=$name timeout 900 bash -c "build='$build'; $(declare -f swarm tests)"'; "$@"' _ "$@" \
        >target/mutants/out 2>&1 || status=$?
    # A test that found it says so; a build that failed or a time that ran out did not.
    how=$(grep -m 1 -oE '^seed [0-9]+ FAILS|^test .* FAILED|^---- .* stdout' target/mutants/out || true)
    how=$(sed -E 's/^seed ([0-9]+) FAILS/the swarm, seed \1/; s/^(test|----) ([^ ]+) .*/`\2`/; s/^`(.*)`$/`\1`/' <<<"$how")
    count=$((count + 1))
    if [ "$status" = 0 ] || [ "$status" = 124 ] || [ -z "$how" ]; then
        how="**not caught**"
        missed=$((missed + 1))
    fi
    printf '| `%s` | %s | %s |\n' "$name" "$(rule "$name")" "$how" | tee -a "$table"
    printf '    %s s\n' $((SECONDS - began))
}

# shellcheck disable=SC2086
nice -n 5 cargo build $build --bins
cat >"$table" <<'EOF'
# Bugs that must be caught

Made by `tests/mutants.sh`, which builds each of these bugs in (the feature `mutants`, in no shipped build)
and runs the first 60 worlds of the swarm, or one of the ordinary tests. The last column says what failed.
Where it is the swarm, any seed below 61 would do; the first that failed is named.

| bug | with it | found by |
|---|---|---|
EOF
if [ "$only" = "  " ]; then
    # Without a bug all of them pass.
    swarm
fi

for bug in ack-before-sync forgetful ledger-first release-by-have doubt-nothing epoch-ignored \
    have-before-durable not-stored-kept no-question \
    segment-again unreleased-evicted; do
    caught "$bug" swarm --first
done
caught root-unchecked tests --test source_restart
caught foreign-receipt tests --test source_restart
caught any-purpose tests --lib a_signature_holds
caught chunk-unproved tests --test source_and_sink
caught tag-anywhere tests --test source_and_sink
caught bit-greased tests --test silence every_packet
caught chain-unlinked tests --test audit
caught key-written tests --test secrets
caught accept-before-sync tests --test power
caught delete-before-sync tests --test power
caught epoch-kept tests --test custody half_sent
caught burnt-for-good tests --test custody
caught revoked-stays tests --test custody
caught stored-anywhere tests --test targets
caught repeat-unopened tests --test targets
caught claims-uncounted tests --test quota_and_scrub
caught fingerprint-unproved tests --test hostile_peer
caught other-bytes-ours tests --test pacs t10
caught evict-forgets tests --test evicts

echo "$count bugs, $missed not caught"
[ "$only" != "  " ] || [ "$missed" != 0 ] || cp "$table" protocol/docs/MUTANTS.md
[ "$missed" = 0 ]
