#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run-tests.sh TIER PROGRAM... [TIER PROGRAM...]
#
# Runs test programs one after the other and adds up what they say. A word without a slash names
# the tier of the programs that follow. A C program prints TAP (cmocka does when asked), one test
# a line; a shell script that prints no TAP is one test, passed when it exits 0. One line a
# program, the output of those that failed, and last `N passed, N failed`. Exit 1 if any failed.
#
# BROKEN_BUILD not empty counts as a failure: what runs may be older than its source.
# TEST_TIMEOUT is the limit of one program in seconds, 300.
set -u

limit=${TEST_TIMEOUT:-300}
passed=0
failed=0
skipped=0
tier=tests
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# Sanitizers end the program at the first finding, and so fail its test.
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0:strict_string_checks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1}"
export CMOCKA_MESSAGE_OUTPUT=TAP

now() {
    date +%s.%N
}

# What a replay program is given beside its name: the folders of its target.
arguments_of() {
    case $1 in
    */replay/fuzz_*)
        name=${1##*/fuzz_}
        printf 'tests/fuzz/corpus/%s tests/fuzz/crashes/%s' "$name" "$name"
        ;;
    esac
}

run_program() {
    [ -e "$1" ] || { echo "not built: $1"; return 127; }
    # shellcheck disable=SC2046 # two words
    case $1 in
    *.sh) timeout -k 10 "$limit" sh "$1" ;;
    *) timeout -k 10 "$limit" "$1" $(arguments_of "$1") ;;
    esac
}

# Reads TAP; prints "passed failed skipped". Tests that the plan announced and that never came
# count as failed, and so does a program that fails without naming a test.
count() {
    awk -v status="$1" '
        /^1\.\.[0-9]+/ { plan += substr($0, 4); has_plan = 1; next }
        /^(not )?ok .*# SKIP/ { skip++; next }
        /^ok / { ok++; next }
        /^not ok / { bad++; next }
        END {
            if (!has_plan && ok + bad + skip == 0) {
                if (status == 0) ok = 1; else bad = 1
            } else if (plan > ok + bad + skip) {
                bad = plan - ok - skip
            }
            if (status != 0 && bad == 0) bad = 1
            print ok + 0, bad + 0, skip + 0
        }' "$work/out"
}

run_one() {
    begin=$(now)
    run_program "$1" >"$work/out" 2>&1 </dev/null
    status=$?
    end=$(now)
    # shellcheck disable=SC2046 # three words
    set -- "$1" $(count $status)
    passed=$((passed + $2))
    failed=$((failed + $3))
    skipped=$((skipped + $4))
    label=${1##*/}
    note=
    [ "$4" = 0 ] || note=", $4 skipped"
    [ $status != 124 ] || note="$note, timed out after $limit s"
    [ $status -lt 128 ] || note="$note, killed by signal $((status - 128))"
    verdict=ok
    [ "$3" = 0 ] || verdict=FAIL
    printf '%-4s %-9s %-32s %4d passed %3d failed %7.2f s%s\n' "$verdict" "$tier" "${label%.sh}" \
        "$2" "$3" "$(echo "$end $begin" | awk '{ print $1 - $2 }')" "$note"
    [ "$3" = 0 ] && [ "$4" = 0 ] && return
    if [ "$3" = 0 ]; then
        grep '# SKIP' "$work/out" | head -n 5 | sed 's/^/     /'
    else
        # cmocka says in comments what failed; passed tests are of no interest.
        grep -v '^ok ' "$work/out" | head -n 200 | sed 's/^/     /'
    fi
}

for word in "$@"; do
    case $word in
    */*) run_one "$word" ;;
    *) tier=$word ;;
    esac
done
if [ -n "${BROKEN_BUILD:-}" ]; then
    echo "FAIL build     not all programs could be built, see above"
    failed=$((failed + 1))
fi
[ "$skipped" = 0 ] || printf '%d skipped\n' "$skipped"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
