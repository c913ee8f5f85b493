#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# systemd finds nothing wrong with the units, and rates the service's exposure below 2.0 of 10.
set -u

TENTHS_MAX=19
if ! systemd-analyze security --help 2>/dev/null | grep -q -e --offline; then
    echo 'ok 1 - systemd # SKIP systemd-analyze (250 or newer) is not installed'
    exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# The program is not installed here; another one that is stands in for it.
sed 's|/usr/local/sbin/sallyport|/bin/true|' deploy/sallyport.service >"$work/sallyport.service"
cp deploy/sallyport.socket "$work/"
failed=0
found=$(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify "$work/sallyport.service" \
    "$work/sallyport.socket" 2>&1) || failed=1
if [ $failed != 0 ] || echo "$found" | grep -q sallyport; then
    printf 'deploy/sallyport.service:1: %s\n' "$found"
    failed=1
fi
if ! systemd-analyze security --offline=true --threshold=$TENTHS_MAX \
    "$work/sallyport.service" >"$work/rating" 2>&1; then
    printf 'deploy/sallyport.service:1: %s\n' "$(tail -n 1 "$work/rating")"
    failed=1
fi
exit $failed
