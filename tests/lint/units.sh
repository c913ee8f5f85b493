#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Each src/<floor>/x.c has its tests/unit/test_x.c. A file x_y.c that was split off
# x.c may be tested with it; for others units.allow names the test that covers it.
set -u

failed=0
for source in $(find src -mindepth 2 -name '*.c' | LC_ALL=C sort); do
    name=${source##*/}
    stem=${name%.c}
    while [ ! -f "tests/unit/test_$stem.c" ] && [ "$stem" != "${stem%_*}" ]; do
        stem=${stem%_*}
    done
    [ -f "tests/unit/test_$stem.c" ] && continue
    covering=$(awk -v source="$source" '$1 == source { print $2 }' tests/lint/units.allow)
    [ -n "$covering" ] && [ -f "$covering" ] && continue
    printf '%s:1: has no tests/unit/test_%s, nor a line in tests/lint/units.allow\n' \
        "$source" "$name"
    failed=1
done
exit $failed
