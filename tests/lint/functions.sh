#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Functions have at most 70 lines, 5 parameters, and 3 levels of nesting. The main() of a test
# program is a list of its tests and may be longer.
set -u

LINES_MAX=70
PARAMETERS_MAX=5 # not counted: "...", outputs (ret_x, diag)
sources=$(find src tests bench -name '*.[ch]' | LC_ALL=C sort)

if ! command -v ctags >/dev/null 2>&1; then
    echo 'ok 1 - functions # SKIP universal-ctags is not installed'
    exit 0
fi
failed=0
# shellcheck disable=SC2086 # file names of this tree have no spaces
ctags --quiet=yes -f - --sort=no --languages=C,C++ --langmap=C:.c.h --kinds-C=f --fields=+neS \
    $sources |
    awk -F '\t' -v lines_max=$LINES_MAX -v parameters_max=$PARAMETERS_MAX '
    FILENAME == "tests/lint/functions.allow" {
        split($0, word, " ")
        allowed[word[1], word[2]] = 1
        next
    }
    {
        start = finish = 0
        signature = ""
        for (i = 4; i <= NF; i++) {
            if ($i ~ /^line:/) start = substr($i, 6)
            if ($i ~ /^end:/) finish = substr($i, 5)
            if ($i ~ /^signature:/) signature = substr($i, 11)
        }
        # The return type stands on the line above.
        lines = finish - start + 2
        if (lines > lines_max && !($1 == "main" && $2 ~ /^tests\//)) {
            printf "%s:%d: %s has %d lines, %d are allowed\n", $2, start, $1, lines, lines_max
            failed = 1
        }
        # Commas inside the parentheses of a function pointer separate no parameters.
        sub(/^\(/, "", signature)
        while (gsub(/\([^()]*\)/, "", signature)) ;
        parameters = 0
        # A callback on_x has the parameters that its library wants.
        n = split(signature, each, ",")
        for (i = 1; i <= n; i++)
            if (each[i] !~ /\.\.\.|struct diag \*|[ *]ret(_[a-z0-9_]+)?\)?$/) parameters++
        if (parameters > parameters_max && $2 ~ /^src\// && !(($2, $1) in allowed) &&
            $1 !~ /^on_/) {
            printf "%s:%d: %s has %d parameters, %d are allowed\n", $2, start, $1, parameters,
                parameters_max
            failed = 1
        }
    }
    END { exit failed }' tests/lint/functions.allow - || failed=1
# Statements of a function start at column 5; a fourth level of control starts at column 17.
# shellcheck disable=SC2046,SC2086
grep -nE '^ {16,}(if|for|while|switch|do) ?[({]' $(echo "$sources" | grep '^src/') /dev/null |
    sed 's/:\([0-9]*\):.*/:\1: nested more than 3 levels deep/' | grep . && failed=1
exit $failed
