#!/usr/bin/env bash
# Counts the instructions of each case of benches/instructions.rs with callgrind, and compares them with those of
# benches/instructions.txt: ends with 1 when a case takes a tenth more. --save writes that file anew instead.
# Needs valgrind. Another compiler or another processor gives other figures: save first, then change, then compare.
set -euo pipefail
cd "$(dirname "$0")/.."

saved=benches/instructions.txt
folder=target/instructions
export CARGO_PROFILE_BENCH_STRIP=none CARGO_TARGET_DIR=$folder
program=$(cargo bench --locked --no-default-features --bench instructions --no-run --message-format json 2>/dev/null |
    sed -n 's/.*"name":"instructions".*"executable":"\([^"]*\)".*/\1/p' | tail -1)

counted=$folder/counted.txt
: >"$counted"
"$program" | while IFS= read -r name; do
    # The work is done four times.
    total=$(valgrind --tool=callgrind --collect-atstart=no --toggle-collect='instructions::measured*' \
        --callgrind-out-file=/dev/null "$program" "$name" 2>&1 | sed -n 's/.*Collected : \([0-9]*\).*/\1/p')
    printf '%12d  %s\n' $((total / 4)) "$name" | tee -a "$counted"
done

if [ "${1:-}" = --save ]; then
    cp "$counted" "$saved"
    exit
fi
awk '
    { n = $1; sub(/^ *[0-9]+  /, ""); name = $0 }
    FNR == NR { saved[name] = n; next }
    name in saved && n > saved[name] * 1.1 { printf "%+.1f%%  %s: %d, saved %d\n", (n / saved[name] - 1) * 100, name, n, saved[name]; worse = 1 }
    END { exit worse }
' "$saved" "$counted"
