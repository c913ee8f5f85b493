#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Functions that are never right here, marks of unfinished work, and conditional compilation.
set -u

findings=$(mktemp) || exit 1
trap 'rm -f "$findings"' EXIT
code=$(find src tests bench -name '*.[ch]' -o -name '*.def' | LC_ALL=C sort)
text=$(find src tests bench conf deploy README.md Makefile -type f ! -path 'tests/lint/*' \
    ! -path 'tests/fuzz/c*' ! -name '*.pem' ! -name '*.der' ! -name '*.bin' 2>/dev/null |
    LC_ALL=C sort)

# report TEXT : turns FILE:LINE:content on standard input into findings.
report() {
    sed "s/^\\([^:]*:[0-9]*\\):.*/\\1: $1/" >>"$findings"
}

unsafe='strcpy|strcat|strncpy|strncat|sprintf|vsprintf|strtok|gets|atoi|atol|atoll|atof'
unsafe="$unsafe|gmtime|localtime|asctime|ctime|alloca|mktemp|tmpnam|rand|srand|system|popen"
# shellcheck disable=SC2086 # file names of this tree have no spaces
for word in $(echo "$unsafe" | tr '|' ' '); do
    grep -nE "(^|[^A-Za-z0-9_.>\"])$word *\\(" $code /dev/null | report "$word is banned"
done
# shellcheck disable=SC2086
grep -nwE 'TODO|FIXME|XXX|HACK|WIP' $text /dev/null | report 'mark of unfinished work'
# shellcheck disable=SC2086
grep -nwE '[Ss]tub|[Ss]tubs|stubbed|[Ff]or now|not implemented|unimplemented' $text /dev/null |
    report 'words of unfinished work'
# shellcheck disable=SC2046
grep -nE '^[ \t]*#[ \t]*(if|ifdef|ifndef|elif)\b' $(find src -name '*.c') /dev/null |
    report 'conditional compilation; make it a file of its own'
# shellcheck disable=SC2046
grep -nE '^typedef (struct|union|enum)' $(find src -name '*.h') /dev/null |
    report 'typedef of a struct, union or enum'
cat "$findings"
[ ! -s "$findings" ]
