#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# No mutable variable of file or function scope, except those that globals.allow names with the
# reason. Read from the release objects: what the linker would put into .data or .bss.
set -u

objects=${BUILD:-build}/release/obj
failed=0

for source in $(find src -name '*.c' | LC_ALL=C sort); do
    object=$objects/${source%.c}.o
    if [ ! -f "$object" ]; then
        printf '%s:1: not compiled yet (%s)\n' "$source" "$object"
        failed=1
        continue
    fi
    nm -f sysv "$object" | awk -F '|' -v source="$source" '
        function clean(s) { gsub(/ /, "", s); return s }
        FILENAME == "tests/lint/globals.allow" {
            split($0, word, " ")
            allowed[word[1], word[2]] = 1
            next
        }
        clean($4) ~ /^(OBJECT|TLS)$/ {
            section = clean($7)
            name = clean($1)
            sub(/\.[0-9]+$/, "", name)
            if (section ~ /^\.data\.rel\.ro/ || section !~ /^\.t?(data|bss)|COM/)
                next
            if ((source, name) in allowed)
                next
            printf "%s:1: mutable variable %s in %s\n", source, name, section
            failed = 1
        }
        END { exit failed }' tests/lint/globals.allow - || failed=1
done
exit $failed
