#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# All shell scripts pass shellcheck.
set -u

if ! command -v shellcheck >/dev/null 2>&1; then
    echo 'ok 1 - shell # SKIP shellcheck is not installed'
    exit 0
fi
# shellcheck disable=SC2046 # file names of this tree have no spaces
shellcheck -f gcc $(find tests bench deploy conf .ci \( -name '*.sh' -o -path .ci/run \) \
    2>/dev/null |
    LC_ALL=C sort)
