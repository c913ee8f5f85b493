#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The lints find what they are for: each is run on a toy tree, clean first and then with one
# mistake planted. A lint that finds nothing because it looks at nothing is caught here.
set -u

root=$PWD
toy=$(mktemp -d) || exit 1
trap 'rm -rf "$toy"' EXIT
failed=0
licence='/* SPDX-License-Identifier: Apache-2.0 */'

make_toy() {
    rm -rf "$toy/t"
    mkdir -p "$toy/t/src/base" "$toy/t/src/cert" "$toy/t/tests/lint" "$toy/t/tests/unit" \
        "$toy/t/bench" \
        "$toy/t/build/release/obj/src/base" "$toy/t/deploy" "$toy/t/conf"
    cd "$toy/t" || exit 1
    cp "$root/src/FLOORS" src/
    : >tests/lint/functions.allow
    : >tests/lint/globals.allow
    : >tests/lint/units.allow
    printf '%s\n' "$licence" >src/cert/c.h
    printf '%s\n#ifndef BASE_A_H\n#define BASE_A_H\n\nint a_one(void);\n\n#endif\n' "$licence" \
        >src/base/a.h
    printf '%s\n#include "base/a.h"\n\nint\na_one(void)\n{\n    return 1;\n}\n' "$licence" \
        >src/base/a.c
    printf '%s\n' "$licence" >tests/unit/test_a.c
    cp "$root/.clang-format" .
}

# expect LINT TEXT : the lint fails and says TEXT; with no TEXT it passes.
expect() {
    out=$(sh "$root/tests/lint/$1.sh" 2>&1)
    status=$?
    case $out in *'# SKIP'*) return ;; esac
    if [ -z "${2:-}" ]; then
        [ $status = 0 ] && return
        printf 'tests/lint/%s.sh:1: fails on a clean tree: %s\n' "$1" "$out"
    else
        [ $status != 0 ] && case $out in *"$2"*) return ;; esac
        printf 'tests/lint/%s.sh:1: does not find "%s": %s\n' "$1" "$2" "$out"
    fi
    failed=1
}

# plant LINT TEXT FILE CONTENT... : CONTENT, lines of FILE, makes the lint say TEXT.
plant() {
    make_toy
    lint=$1
    text=$2
    file=$3
    shift 3
    mkdir -p "$(dirname "$file")"
    printf '%s\n' "$@" >>"$file"
    expect "$lint" "$text"
}

repeat() {
    awk -v n="$1" -v line="$2" 'BEGIN { while (n-- > 0) print line }'
}

for lint in docs files floors format functions headers reasons units words; do
    make_toy
    expect $lint
done
plant floors 'base may not include cert' src/base/a.h '#include "cert/b.h"'
plant floors 'not of the form' src/base/a.h '#include "a.h"'
plant floors 'another folder owns' src/base/a.h '#include <openssl/ssl.h>'
plant floors 'another folder owns' src/cert/b.h '#include <openssl/ssl.h>'
plant floors 'own header first' src/cert/c.c '#include "base/a.h"'
plant floors 'not in src/FLOORS' src/odd/x.c ''
plant headers 'does not compile alone' src/base/a.h 'size_t a_two(void);'
plant files 'wider than 100' src/base/a.h "/* $(repeat 1 "$(printf '%0100d' 0)") */"
plant files 'tab' src/base/a.h "$(printf '\tx')"
plant files 'white space' src/base/a.h 'int x; '
plant files 'licence' src/base/b.c 'int' 'x;' 'int y;'
plant files 'lines, 800' src/base/a.c "$(repeat 800 'int x;')"
plant files 'lines, 250' src/base/a.h "$(repeat 250 'int x;')"
plant functions 'lines, 70' src/base/a.c 'int' 'a_two(void)' '{' "$(repeat 68 '    a_one();')" '}'
plant functions 'parameters' src/base/a.c \
    'int' 'a_two(int a, int b, int c, int d, int e, int f)' '{' '}'
plant functions 'nested' src/base/a.c '                if (x) {'
plant words 'sprintf is banned' src/base/a.c '    sprintf(x, "a");'
plant words 'unfinished' src/base/a.c '/* TODO: more */'
plant words 'unfinished' src/base/a.c '/* Good enough for now. */'
plant words 'conditional' src/base/a.c '#ifdef X'
plant words 'typedef' src/base/a.h 'typedef struct a a;'
plant units 'has no tests/unit' src/base/b.c ''
plant format 'not as clang-format' src/base/a.c 'int x( int a );'
plant docs 'leads nowhere' README.md '[x](nowhere.md)'
plant docs 'has no figure sallyport_odd_total' README.md 'Watch sallyport_odd_total.'
plant reasons 'no test names' src/cert/reason.def \
    'X(ODD, "ClientCertOdd", "ClientCertOdd", 42, "odd")'
# shellcheck disable=SC2016 # the planted script is at fault, not this one
plant shell 'SC' deploy/x.sh '#!/bin/sh' 'echo $1'

make_toy
printf 'static int counter;\nint\na_two(void)\n{\n    return counter++;\n}\n' >>src/base/a.c
BUILD=build
export BUILD
${CC:-gcc} -Isrc -c src/base/a.c -o build/release/obj/src/base/a.o
expect globals 'mutable variable counter'
echo 'src/base/a.c counter for the toy' >tests/lint/globals.allow
expect globals
exit $failed
