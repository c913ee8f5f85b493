#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Lengths of files and lines, the licence line, and clean line ends.
set -u

# shellcheck disable=SC2046 # file names of this tree have no spaces
LC_ALL=C awk '
function fail(line, text) {
    printf "%s:%d: %s\n", FILENAME, line, text
    failed = 1
}

# Characters, not bytes: continuation bytes of UTF-8 have no width.
function width(s,    copy) {
    copy = s
    gsub(/[\200-\277]/, "", copy)
    return length(copy)
}

function finish(name, count) {
    limit = name ~ /\.c$/ ? 800 : name ~ /^src\/.*\.h$/ ? 250 : 0
    if (limit > 0 && count > limit) {
        printf "%s:%d: the file has %d lines, %d are allowed\n", name, count, count, limit
        failed = 1
    }
}

FNR == 1 {
    if (last != "")
        finish(last, last_count)
    last = FILENAME
    has_licence = 0
    is_code = FILENAME ~ /\.(c|h|def|sh|awk)$/ || FILENAME == "Makefile" || FILENAME == ".ci/run"
}
{ last_count = FNR }
FNR <= 3 && /SPDX-License-Identifier: Apache-2\.0/ { has_licence = 1 }
FNR == 3 && is_code && !has_licence { fail(1, "the SPDX licence line is missing") }
/[ \t]+$/ { fail(FNR, "white space at the end of the line") }
/\r/ { fail(FNR, "carriage return") }
/\t/ && FILENAME ~ /\.(c|h|def|sh|yaml)$/ { fail(FNR, "tab; this tree indents by spaces") }
is_code && width($0) > 100 { fail(FNR, "wider than 100 columns") }
END {
    finish(last, last_count)
    exit failed
}' $(find src tests bench conf deploy .ci Makefile README.md -type f \
    \( -name '*.[ch]' -o -name '*.def' \
    -o -name '*.sh' -o -name '*.yaml' -o -name '*.md' -o -name Makefile -o -path .ci/run \) \
    ! -path 'tests/fuzz/c*' 2>/dev/null | LC_ALL=C sort)
