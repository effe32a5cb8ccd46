#!/usr/bin/env bash
# The image codec must write the same streams whatever it was built with: builds it without
# optimisation, with it, for this processor, and with fused multiply-add, each in a target folder of
# its own, lets each prove its known answers, packs the files given with each, and compares. Without
# arguments: a few small files of the corpus (KAREZ_CORPUS or ../shared/corpus; the build without
# optimisation is slow), among them JPEG by its coefficients and 32-bit samples; without a corpus, the
# known answers alone.
set -euo pipefail
cd "$(dirname "$0")/.."

corpus=${KAREZ_CORPUS:-../shared/corpus}
if [ $# -eq 0 ] && [ -d "$corpus" ]; then
    small=("$corpus"/pydicom_tests/{examples_ybr_color,SC_rgb_jpeg,rtdose}.dcm)
    for folder in ct_sinus_series made_ct_cranium mr us pydicom_tests; do
        mapfile -t all < <(find "$corpus/$folder" -type f -size -600k | sort)
        small+=("${all[@]:0:2}")
    done
    set -- "${small[@]}"
fi

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
