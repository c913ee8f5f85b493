#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [ROW...] : Sallyport beside nginx, HAProxy and nghttpx, each with one worker on one
# processor, the load and the origin on another. Every round measures the gateways in turn, so
# that a slow moment of the machine hits all of them. Writes bench/results/COMMIT.jsonl, one line
# a cell, and the tables and plots of bench/README.md.
#
# BENCH_SECONDS (3) of a cell, BENCH_ROUNDS (3), BENCH_GATEWAYS, BENCH_CLIENTS (1000 certificates),
# BENCH_COLD (6000 more), BENCH_CRL_ENTRIES (1000000), BENCH_IDLE (2000 connections), BENCH_REPORT
# (yes; no: only measure).
set -u

# shellcheck source=bench/gateways.sh
. "$(dirname "$0")/gateways.sh"

seconds=${BENCH_SECONDS:-3}
rounds=${BENCH_ROUNDS:-3}
gateways=${BENCH_GATEWAYS:-nginx haproxy nghttpx sallyport sallyport+log bare}
client_count=${BENCH_CLIENTS:-1000}
all_rows='handshake clients cold crl resumed h1 h2 download upload latency idle'
rows=${*:-$all_rows}
body_bytes=10485760
run=$(date +%s)
commit=$(commit_name)
results=$bench/results/$commit.jsonl

# measure ROW GATEWAY : one cell.
measure() {
    one="--cert $pki/clients/client00000.pem --key $pki/clients/client00000.key"
    timed="--warmup 0.7 --duration $seconds"
    many="--cert-dir $pki/clients"
    # shellcheck disable=SC2086 # lists of options
    case $1 in
    handshake) load "$2" /bytes/1024 $one $timed --handshake full --connections 16 ;;
    crl) load "$2" /bytes/1024 $one $timed --handshake full --connections 4 ;;
    cold) load "$2" /bytes/1024 --cert-dir "$pki/cold" $timed --handshake full --connections 16 ;;
    clients) load "$2" /bytes/1024 $many $timed --handshake full --connections 16 ;;
    resumed) load "$2" /bytes/1024 $one $timed --handshake resumed --connections 16 ;;
    h1) load "$2" /bytes/1024 $one $timed --connections 64 ;;
    h2) load "$2" /bytes/1024 $one $timed --http 2 --connections 10 --streams 32 ;;
    download) load "$2" /bytes/$body_bytes $one $timed --connections 4 ;;
    upload) load "$2" /sink $one $timed --connections 4 --body $body_bytes ;;
    latency) load "$2" /bytes/1024 $one $timed --connections 64 --rate 2000 ;;
    idle) load "$2" /bytes/1024 $one --idle --connections "${BENCH_IDLE:-2000}" --hold 1 \
        --duration 120 --timeout 60000 ;;
    *) die "there is no row $1; there are $all_rows" ;;
    esac
}

# More clients than the cache remembers, one after the other: it never knows the next one.
cold_make() {
    "$build/mkpki" clients --ca "$pki/inter.pem" --count "${BENCH_COLD:-6000}" --out "$pki/cold" ||
        die 'the certificates could not be made'
}

# can ROW GATEWAY
can() {
    case $1-$2 in
    crl-nghttpx | crl-bare | h2-bare | latency-bare) return 1 ;;
    esac
    return 0
}

# cell ROW GATEWAY ROUND
cell() {
    measure "$1" "$2" >"$work/cell.json" 2>"$work/cell.err" ||
        die "no figures of $2 in $1" "$work/cell.err"
    printf '{"run":%s,"commit":"%s","row":"%s","gateway":"%s","round":%s,"load":%s}\n' \
        "$run" "$commit" "$1" "$2" "$3" "$(cat "$work/cell.json")" >"$work/cell.line"
    cat "$work/cell.line" >>"$results"
    awk -f "$bench/cell.awk" "$work/cell.line" | awk -F "\t" -v of="$4" '{
        printf "  %-10s %d/%d  %-14s %10.2f %-8s  p50 %7d us  p99 %7d us  %8.0f/s", \
            $2, $4, of, $3, $5, $6, $7, $8, $9
        printf "%s  %s\n", ($10 > 0 ? "  " $10 " failed" : ""), $11 }' >&2
}

# row ROW : every gateway anew, then the rounds.
row() {
    lists=
    row_rounds=$rounds
    [ "$1" = crl ] && lists=crl && lists_make "${BENCH_CRL_ENTRIES:-1000000}" 1
    [ "$1" = idle ] && row_rounds=1
    # A moment in which the machine did something else decides a round's 99th percentile.
    [ "$1" = latency ] && row_rounds=$((rounds * 5))
    [ "$1" = cold ] && cold_make
    for gateway in $gateways; do
        can "$1" "$gateway" && gateway_start "$gateway" "$lists"
    done
    round=1
    while [ $round -le "$row_rounds" ]; do
        for gateway in $gateways; do
            can "$1" "$gateway" && cell "$1" "$gateway" $round "$row_rounds"
        done
        round=$((round + 1))
    done
    for gateway in $gateways; do
        stop "$gateway"
    done
}

[ "$(nproc)" -ge 2 ] || die 'two processors are needed: one for the gateway, one for the load'
for each in sallyport loadgen mkpki execute-api; do
    [ -x "$build/$each" ] || die "$build/$each is not there; run make"
done
for row in $rows; do
    case " $all_rows " in *" $row "*) ;; *) die "there is no row $row; there are $all_rows" ;; esac
done
trap 'stop_all; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$bench/results"
say 'bench: making certificates'
pki_make "$client_count"
origin_start
say "bench: $gateways; $rounds rounds of $seconds s; results in $results"
for row in $rows; do
    row "$row"
done
[ "${BENCH_REPORT:-yes}" = no ] || sh "$bench/report.sh" "$results"
