#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The example configurations are valid: `sallyport check` loads each with all its files.
set -u

program=${BUILD:-build}/sallyport
failed=0
if [ ! -x "$program" ]; then
    echo 'ok 1 - examples # SKIP build/sallyport is not built'
    exit 0
fi
if [ -x "${BUILD:-build}/mkpki" ]; then
    "${BUILD:-build}/mkpki" demo "${BUILD:-build}/demo" >/dev/null || failed=1
fi
for example in conf/*.yaml; do
    [ -f "$example" ] || continue
    "$program" check -c "$example" && continue
    printf '%s:1: sallyport check refuses it\n' "$example"
    failed=1
done
exit $failed
