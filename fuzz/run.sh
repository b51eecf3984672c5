#!/usr/bin/env bash
# Fuzzes each target for so many seconds, one after another: fuzz/run.sh SECONDS [TARGET...]
# Needs cargo-fuzz (`cargo install cargo-fuzz`) and no nightly toolchain. What it learns is kept in fuzz/target/corpus/,
# a finding in fuzz/artifacts/TARGET/; it ends at the first target that has one.
set -euo pipefail
cd "$(dirname "$0")"
export RUSTC_BOOTSTRAP=1

folder=${CARGO_TARGET_DIR:-target}
seconds=$1
shift
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    mapfile -t targets < <(cd fuzz_targets && ls | sed 's/\.rs$//')
fi

for target in "${targets[@]}"; do
    cargo-fuzz build --fuzz-dir . --features libfuzzer --release --sanitizer none "$target" 2>&1 | grep -E '^(warning|error)' || true
    mkdir -p "$folder/corpus/$target" "artifacts/$target"
    printf '\n== %s, %s s\n' "$target" "$seconds"
    # The first folder takes what is new, the second is what is checked in.
    TIMEFORMAT='%U s of CPU'
    time "$folder/x86_64-unknown-linux-gnu/release/$target" "$folder/corpus/$target" "corpus/$target" \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -artifact_prefix="artifacts/$target/" -print_final_stats=1 2>&1 |
        grep -E '^(==|SUMMARY|stat::|panicked|thread|.*DONE|[0-9.]+ s of CPU)|BINGO|crash-|timeout-|oom-' || true
    if [ -n "$(ls -A "artifacts/$target")" ]; then
        echo "$target found something: fuzz/artifacts/$target"
        exit 1
    fi
done
