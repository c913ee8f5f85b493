#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# report.sh RESULTS : the table and the plots of bench/README.md, from the newest run of each row
# in that file. Without gnuplot the plots stay as they are.
set -u

# shellcheck source=bench/gateways.sh
. "$(dirname "$0")/gateways.sh"

results=$1
trap 'rm -rf "$work"' EXIT

awk -f "$bench/cell.awk" "$results" >"$work/cells" || exit 1
awk -f "$bench/table.awk" -v ratios="$work/ratios" -v memory="$work/memory" "$work/cells" \
    >"$work/table" || exit 1

version_of() {
    "$@" 2>&1 | head -n 1
}

{
    printf 'Commit %s, %s, %s with %s processors, Linux %s, %s.\n' \
        "$(basename "$results" .jsonl)" "$(date -u +%Y-%m-%d)" \
        "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
        "$(uname -r | cut -d - -f 1)" "$(version_of openssl version | cut -d ' ' -f 1,2)"
    printf '%s; %s; %s.\n\n' "$(version_of nginx -v | sed 's/.*nginx\//nginx /')" \
        "$(version_of haproxy -v | sed 's/ version//; s/-.*//')" \
        "$(version_of nghttpx --version | sed 's/nghttp2.//')"
    cat "$work/table"
    printf '\n![CPU time as a ratio to nginx](plots/ratios.svg)\n'
    printf '![memory of an idle connection](plots/memory.svg)\n'
} >"$work/section"

section_write results "$work/section"

if command -v gnuplot >/dev/null 2>&1; then
    mkdir -p "$bench/plots"
    gnuplot -e "ratios='$work/ratios'; memory='$work/memory'; out='$bench/plots'" "$bench/plot.gp"
else
    printf 'bench: gnuplot is not installed, the plots stay as they are\n' >&2
fi
cat "$work/table"
