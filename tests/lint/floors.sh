#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Includes go downwards only, as src/FLOORS says; a third-party header is included by its owner
# only; an include names "folder/file.h"; a .c file includes its own header first.
set -u

# shellcheck disable=SC2046 # file names of this tree have no spaces
awk '
function fail(text) {
    printf "%s:%d: %s\n", FILENAME, FNR, text
    failed = 1
}

# Is there a grant of library header lib for this file? Unowned headers are everybodys.
function is_owned(lib,    i, n, parts, is_known, path_parts, base) {
    n = split(FILENAME, path_parts, "/")
    base = path_parts[n]
    is_known = 0
    for (i = 1; i <= owner_count; i++) {
        split(owner_prefix[i], parts, "@")
        if (index(lib, parts[1]) != 1)
            continue
        is_known = 1
        if (owner_folder[i] == folder && (parts[2] == "" || index(base, parts[2]) == 1))
            return 1
    }
    return !is_known
}

FILENAME == "src/FLOORS" {
    sub(/#.*/, "")
    if (split($0, column, ":") < 3)
        next
    gsub(/ /, "", column[1])
    known[column[1]] = 1
    n = split(column[2], granted, " ")
    for (i = 1; i <= n; i++)
        grant[column[1], granted[i]] = 1
    n = split(column[3], prefixes, " ")
    for (i = 1; i <= n; i++) {
        owner_folder[++owner_count] = column[1]
        sub(/\*$/, "", prefixes[i])
        owner_prefix[owner_count] = prefixes[i]
    }
    next
}

FNR == 1 {
    n = split(FILENAME, path, "/")
    folder = n == 3 ? path[2] : "main"
    own = FILENAME
    sub(/^src\//, "", own)
    sub(/\.c$/, ".h", own)
    has_own = FILENAME ~ /\.c$/ && n == 3 && (getline line < ("src/" own)) >= 0
    close("src/" own)
    is_first = 1
    if (!(folder in known))
        fail("folder " folder " is not in src/FLOORS")
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, quoted, "\"")
    name = quoted[2]
    if (is_first && has_own && name != own)
        fail("the first include is \"" name "\"; a file includes its own header first")
    is_first = 0
    if (split(name, part, "/") != 2)
        fail("include \"" name "\" is not of the form \"folder/file.h\"")
    else if (part[1] != folder && !((folder, part[1]) in grant))
        fail(folder " may not include " part[1] " (\"" name "\"), see src/FLOORS")
}

/^[ \t]*#[ \t]*include[ \t]*</ {
    name = $0
    sub(/^[^<]*</, "", name)
    sub(/>.*/, "", name)
    if (is_first && has_own)
        fail("the first include is <" name ">; a file includes its own header first")
    is_first = 0
    if (!is_owned(name))
        fail(folder " may not include <" name ">, which another folder owns, see src/FLOORS")
}

END { exit failed }
' src/FLOORS $(find src -name '*.[ch]' -o -name '*.def' | LC_ALL=C sort)
