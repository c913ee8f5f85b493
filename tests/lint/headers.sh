#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Each header compiles alone: it includes what its own declarations need.
set -u

failed=0
for header in $(find src tests bench -name '*.h' | LC_ALL=C sort); do
    # tests/support headers name src headers as the tests do.
    text=$(${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -Isrc -Itests -I. -Wall -Wextra -Werror \
        -Wno-unused-function -fsyntax-only -x c "$header" 2>&1) && continue
    printf '%s:1: does not compile alone\n%s\n' "$header" "$text" | head -n 6
    failed=1
done
exit $failed
