#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The Markdown files are true where a machine can tell: links lead somewhere, a YAML block after
# `<!-- example: FILE -->` is that file without its first comment, the program has every figure
# that they name, and `make help` knows every target that users are promised.
set -u

TARGETS='run test demo-pki bench asan tsan fuzz cover tidy format install help'
failed=0

report() {
    printf '%s\n' "$1"
    failed=1
}

documents=$(find . -name '*.md' ! -path './build/*' ! -path './.git/*' | sed 's|^\./||' |
    LC_ALL=C sort)
# FILE LINE TARGET of each link, those in fenced blocks left out.
# shellcheck disable=SC2086 # file names of this tree have no spaces
links=$(awk '
    FNR == 1 { fenced = 0 }
    /^ *```/ { fenced = !fenced; next }
    fenced { next }
    {
        rest = $0
        gsub(/`[^`]*`/, "", rest)
        while (match(rest, /\]\([^)]*\)/)) {
            print FILENAME, FNR, substr(rest, RSTART + 2, RLENGTH - 3)
            rest = substr(rest, RSTART + RLENGTH)
        }
    }' $documents /dev/null)
while read -r file line target; do
    case $target in '' | http://* | https://* | '#'*) continue ;; esac
    [ -e "$(dirname "$file")/${target%%#*}" ] ||
        report "$file:$line: the link to $target leads nowhere"
done <<EOF
$links
EOF

# shellcheck disable=SC2086
marks=$(awk '/^<!-- example: .* -->$/ { print FILENAME, $3 }' $documents /dev/null)
while read -r file example; do
    [ -n "$file" ] || continue
    block=$(awk -v mark="<!-- example: $example -->" '
        $0 == mark { found = 1; next }
        found && /^```/ { if (inside) exit; inside = 1; next }
        inside' "$file")
    body=$(awk 'started || !/^(#.*)?$/ { started = 1; print }' "$example")
    [ "$block" = "$body" ] || report "$file:1: its block is not $example as it stands"
done <<EOF
$marks
EOF

# shellcheck disable=SC2086
figures=$(grep -ano 'sallyport_[a-z_]*[a-z]' $documents /dev/null)
while IFS=: read -r file line name; do
    [ -n "$name" ] || continue
    grep -rqw "$name" src || report "$file:$line: the program has no figure $name"
done <<EOF
$figures
EOF

if [ -f Makefile ]; then
    known=$(make -s help | awk '{ print $1 }')
    for target in $TARGETS; do
        echo "$known" | grep -qx "$target" || report "Makefile:1: make help lacks $target"
    done
fi
exit $failed
