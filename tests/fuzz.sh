#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh FOLDER SECONDS TARGET... : runs each fuzz target that long from its corpus. New
# interesting inputs stay in build/fuzz/new/<target>; a crash goes to tests/fuzz/crashes/<target>,
# where `make replay` finds it from then on. Exit 1 when there was one.
set -u

folder=$1
seconds=$2
shift 2
failed=0
for target in "$@"; do
    name=${target#fuzz_}
    new=$folder/new/$name
    crashes=tests/fuzz/crashes/$name
    options=
    [ ! -f "tests/fuzz/$name.dict" ] || options="-dict=tests/fuzz/$name.dict"
    mkdir -p "$new" "$crashes"
    printf '%s: %s s\n' "$target" "$seconds"
    # shellcheck disable=SC2046,SC2086 # options may be empty
    "$folder/$target" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$crashes/" $options "$new" \
        $([ ! -d "tests/fuzz/corpus/$name" ] || echo "tests/fuzz/corpus/$name") \
        >"$folder/$target.log" 2>&1 || failed=1
    grep -E '^stat::number_of_executed_units|^SUMMARY|^Test unit written' "$folder/$target.log"
    rmdir "$crashes" 2>/dev/null
done
exit $failed
