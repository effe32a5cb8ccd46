#!/usr/bin/env bash
# The image codec must write the same streams whatever it was built with: builds it without
# optimisation, with it, for this processor, and with fused multiply-add, each in a target folder of
# its own, lets each prove its known answers, packs the files given (a few small ones: the build without
# optimisation is slow) with each, and compares.
set -euo pipefail
cd "$(dirname "$0")/.."

streams() { # NAME RUSTFLAGS OPT-LEVEL FILES...
    local name=$1 flags=$2 level=$3
    shift 3
    RUSTFLAGS="$flags" CARGO_TARGET_DIR="target/streams/$name" cargo run -q --release \
        --config "profile.release.opt-level=$level" -p karez-imaging --example streams -- "$@"
}

expected=$(streams plain "" 3 "$@")
echo "$expected"
for build in "none||0" "native|-C target-cpu=native|3" "fma|-C target-feature=+fma,+avx2|3"; do
    IFS='|' read -r name flags level <<<"$build"
    found=$(streams "$name" "$flags" "$level" "$@")
    [ "$found" = "$expected" ] || { echo "other streams with $name: $found"; exit 1; }
    echo "the same with $name"
done
