#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The program as it is linked has the defences that deploy/HARDENING.md promises: a flag that is
# lost in the Makefile is seen in the file, not in a review.
set -u

program=${BUILD:-build}/sallyport
failed=0
if [ ! -x "$program" ] || ! command -v readelf >/dev/null 2>&1; then
    echo 'ok 1 - hardening # SKIP build/sallyport is not built, or there is no readelf'
    exit 0
fi
facts=$(readelf -W --file-header --program-headers --dynamic "$program") || exit 1
symbols=$(readelf -W --dyn-syms "$program") || exit 1

# must TEXT PATTERN WHAT : a line of TEXT has the pattern.
must() {
    printf '%s\n' "$1" | grep -Eq "$2" && return
    printf 'Makefile:1: %s has no %s\n' "$program" "$3"
    failed=1
}

# must_not TEXT PATTERN WHAT
must_not() {
    printf '%s\n' "$1" | grep -Eq "$2" || return
    printf 'Makefile:1: %s has %s\n' "$program" "$3"
    failed=1
}

must "$facts" '^ *Type: *DYN' 'random base address (PIE)'
must "$facts" 'FLAGS_1.*PIE' 'random base address (PIE)'
must "$facts" '^ *GNU_RELRO ' 'read-only relocations (RELRO)'
must "$facts" 'FLAGS_1.*NOW' 'immediate binding (BIND_NOW)'
must "$facts" '^ *GNU_STACK .* RW ' 'stack without execution'
must_not "$facts" 'TEXTREL' 'relocations in its code'
must_not "$facts" 'RPATH|RUNPATH' 'a search path for libraries'
must "$symbols" '__stack_chk_fail' 'stack protector'
must "$symbols" '__(mem|str|vsn|sn|f|vf|read|recv)[a-z]*_chk' 'checked functions (FORTIFY)'
# The linker keeps the mark only when the start files of the C library have it too.
object=${BUILD:-build}/release/obj/src/main.o
if [ "$(uname -m)" = x86_64 ] && [ -f "$object" ]; then
    must "$(readelf -W --notes "$object")" 'IBT.*SHSTK' 'control flow protection'
fi
exit $failed
