#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The other compiler has nothing to say: clang reads every C file with the warnings of the
# Makefile. A file that passed is not read again until it, a header or the Makefile changes.
set -u

if ! command -v clang >/dev/null 2>&1; then
    echo 'ok 1 - clang # SKIP clang is not installed'
    exit 0
fi
passed=${BUILD:-build}/lint/clang
mkdir -p "$passed" || exit 1
newest=$(find src tests bench Makefile \( -name '*.h' -o -name '*.def' -o -name Makefile \) \
    -exec ls -t {} + | head -n 1)
warnings=$(sed -n '/^WARNINGS :=/,/[^\\]$/p' Makefile | sed 's/^WARNINGS :=//; s/\\$//' |
    tr '\n' ' ')
flags="-D_GNU_SOURCE -DSALLYPORT_VERSION=\"0\" -Isrc -Itests -std=gnu11 $warnings"

# shellcheck disable=SC2016 # for the shell that xargs starts
find src tests bench -name '*.c' | LC_ALL=C sort | while read -r file; do
    stamp=$passed/$(printf '%s' "$file" | tr / _)
    [ -e "$stamp" ] && [ -z "$(find "$file" "$newest" -newer "$stamp")" ] && continue
    printf '%s %s\n' "$file" "$stamp"
done | xargs -P 2 -L 1 sh -c \
    'clang -fsyntax-only $1 "$2" && touch "$3"' clang "$flags" 2>&1 |
    grep -E '^[^ ]*:[0-9]+:[0-9]+: (warning|error)' >"$passed.found"
sed 's/^\([^:]*:[0-9]*\):[0-9]*:/\1:/' "$passed.found"
[ ! -s "$passed.found" ]
