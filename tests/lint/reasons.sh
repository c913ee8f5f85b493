#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Every reason for a refusal is named by a test, by its constant or by its log token: a reason
# that nothing produces is no reason.
set -u

table=src/cert/reason.def
[ -f $table ] || exit 0
awk -F '[(, ]+' '/^X\(/ { gsub(/"/, "", $3); print FNR, $2, $3 }' $table | {
    failed=0
    while read -r line name token; do
        grep -rqE --include='*.[ch]' --include='*.sh' "REASON_$name\\b|\\b$token\\b" tests \
            --exclude-dir=lint && continue
        [ "$token" = - ] && continue
        printf '%s:%s: no test names the reason %s (%s)\n' $table "$line" "$name" "$token"
        failed=1
    done
    exit $failed
}
