#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# cover.sh FOLDER : line and branch coverage of src/, by file and by floor, from the gcov notes
# and counts in FOLDER/obj. A line or branch counts as run when any test program ran it.
set -u

folder=$1

for notes in $(find "$folder/obj/src" -name '*.gcno' | LC_ALL=C sort); do
    [ -f "${notes%.gcno}.gcda" ] || printf 'not run: %s\n' "${notes#"$folder"/obj/}" >&2
    # The text form, one file after the other: lines and their branches.
    gcov -b -c -t "$notes" 2>/dev/null
done | awk '
    # "        -:    0:Source:src/base/str.c" begins a file.
    $0 ~ /^ *-: *0:Source:/ {
        sub(/.*0:Source:/, "")
        file = $0
        is_ours = file ~ /^src\/.*\.c$/
        if (is_ours) name_of[++files] = file
        split(file, part, "/")
        floor = part[3] != "" ? part[2] : "main"
        next
    }
    !is_ours { next }
    /^ *(-|#####|=====|[0-9]+\*?): *[0-9]+:/ {
        split($0, column, ":")
        gsub(/ /, "", column[1])
        if (column[1] == "-") next
        lines[floor]++
        file_lines[file]++
        if (column[1] !~ /^[#=]/) { lines_run[floor]++; file_lines_run[file]++ }
        next
    }
    /^branch / {
        branches[floor]++
        file_branches[file]++
        if ($0 !~ /never executed|taken 0( |$)/) {
            branches_run[floor]++
            file_branches_run[file]++
        }
    }
    function percent(part, whole) { return whole > 0 ? 100 * part / whole : 100 }
    function row(name, a, b, c, d) {
        printf "%-28s %6d lines %6.1f %%  %6d branches %6.1f %%\n", name, b, percent(a, b), d,
            percent(c, d)
    }
    END {
        for (i = 1; i <= files; i++) {
            f = name_of[i]
            row(f, file_lines_run[f], file_lines[f], file_branches_run[f], file_branches[f])
        }
        print ""
        n = split("base http cert net policy tls obs conf proxy ctl main", order, " ")
        for (i = 1; i <= n; i++) {
            f = order[i]
            if (!(f in lines)) continue
            row(f, lines_run[f], lines[f], branches_run[f], branches[f])
            a += lines_run[f]; b += lines[f]; c += branches_run[f]; d += branches[f]
        }
        row("all", a, b, c, d)
    }'
