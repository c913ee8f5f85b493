#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# lists.sh : what a revocation list of BENCH_CRL_ENTRIES (1000000) entries costs Sallyport: to
# load, in a handshake, while it is replaced under load, and after BENCH_RELOADS (100) of that.
# Writes bench/results/COMMIT.lists.json and its table in bench/README.md.
set -u

# shellcheck source=bench/gateways.sh
. "$(dirname "$0")/gateways.sh"

entries=${BENCH_CRL_ENTRIES:-1000000}
seconds=${BENCH_SECONDS:-3}
rounds=${BENCH_ROUNDS:-3}
reloads=${BENCH_RELOADS:-100}
probed=20
probe_rate=1000
results=$bench/results/$(commit_name).lists.json

resident() {
    awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/$1/status"
}

# handshakes NAME : CPU microseconds of one.
handshakes() {
    load "$1" /bytes/1024 --cert "$pki/clients/client00000.pem" \
        --key "$pki/clients/client00000.key" --handshake full --connections 16 --warmup 0.7 \
        --duration "$seconds" >"$work/load.json" || die "no figures of $1"
    sed 's/.*"watched":{"cpu_us":\([0-9]*\).*/\1/' "$work/load.json" |
        awk -v requests="$(field requests "$work/load.json")" '{ printf "%.1f\n", $1 / requests }'
}

# The same gateway without and with the list, in turns.
compare_handshakes() {
    gateway_start sallyport+without ''
    gateway_start sallyport+with crl
    round=1
    while [ $round -le "$rounds" ]; do
        for each in without with; do
            handshakes "sallyport+$each" >>"$work/$each"
            say "  handshake $each the list $round/$rounds  $(tail -n 1 "$work/$each") us"
        done
        round=$((round + 1))
    done
    stop sallyport+without
    stop sallyport+with
}

# reload NUMBER : another list of that number takes the place of the last.
reload() {
    cp "$work/next/$1.pem" "$pki/inter.crl.new" && mv "$pki/inter.crl.new" "$pki/inter.crl.pem"
    "$program" reload -c "$work/sallyport.conf" >"$work/reload.out" 2>&1 ||
        die 'a reload was refused' "$work/reload.out"
}

# list_next NUMBER
list_next() {
    mkdir -p "$work/next"
    "$build/mkpki" crl --ca "$pki/inter.pem" --entries "$entries" --number "$1" --seed "$1" \
        --out "$work/next/$1.pem" || die 'the list could not be made'
}

# probe FILE : requests at a fixed rate until probe_end; processor of the load.
probe_begin() {
    taskset -c $load_core "$build/loadgen" --ca "$pki/root.pem" --tls 1.3 \
        --header "$api_header" --cert "$pki/clients/client00000.pem" \
        --key "$pki/clients/client00000.key" --connections 4 --rate $probe_rate --warmup 1 \
        --duration 3600 --timeout 60000 \
        "https://localhost:$(cat "$work/sallyport.port")/bytes/16" >"$1" 2>"$work/probe.err" &
    probe=$!
    started_probe=yes
}

probe_end() {
    kill -TERM "$probe" 2>/dev/null
    wait "$probe" 2>/dev/null
    started_probe=
}

# turns_begin : from now on the longest turn of an event loop is kept (count_preload.h: two numbers
# of 64 bits behind six others, processor time and time).
turns_begin() {
    dd if=/dev/zero of="$work/turns" bs=8 seek=6 count=2 conv=notrunc 2>/dev/null
}

# turn_ms INDEX
turn_ms() {
    od -An -tu8 -j $((48 + 8 * $1)) -N 8 "$work/turns" | awk '{ printf "%.2f", $1 / 1e6 }'
}

# slowest FILE
slowest() {
    sed 's/.*"latency_us":{[^}]*"max":\([0-9]*\).*/\1/' "$1"
}

# Requests at a fixed rate while lists are replaced, then the rest of the reloads. Lists are read
# on a thread of their own, so the gateway gets both processors here.
reload_under_load() {
    say "bench: making $probed lists"
    i=2
    while [ $i -le $((probed + 1)) ]; do
        list_next $i
        i=$((i + 1))
    done
    dd if=/dev/zero of="$work/turns" bs=8 count=8 2>/dev/null
    LD_PRELOAD=$PWD/$build/count_preload.so COUNT_FILE=$work/turns
    export LD_PRELOAD COUNT_FILE
    gateway_start sallyport crl
    unset LD_PRELOAD COUNT_FILE
    pid=$(cat "$work/sallyport.pid")
    taskset -a -cp "$gateway_core,$load_core" "$pid" >"$work/taskset.out"
    probe_begin "$work/quiet.json"
    sleep 1.5
    turns_begin
    sleep "$seconds"
    quiet_turn=$(turn_ms 0) quiet_turn_wall=$(turn_ms 1)
    probe_end
    before=$(resident "$pid")
    probe_begin "$work/busy.json"
    sleep 1.5
    turns_begin
    i=2
    while [ $i -le $((probed + 1)) ]; do
        reload $i
        i=$((i + 1))
    done
    busy_turn=$(turn_ms 0) busy_turn_wall=$(turn_ms 1)
    probe_end
    say "  $probed reloads: slowest request $(slowest "$work/busy.json") us, without" \
        "$(slowest "$work/quiet.json") us; longest turn $busy_turn ms of processor time," \
        "without $quiet_turn ms"
    while [ $i -le $((reloads + 1)) ]; do
        list_next $i
        reload $i
        rm -f "$work/next/$i.pem"
        i=$((i + 1))
    done
    sleep 2 # the watch on files reads the last list once more
    after=$(resident "$pid")
    stop sallyport
}

report() {
    cat <<END
| a list of $entries entries | |
|---|---|
| to read, check and index | $(field load_seconds "$work/load_once.json") s |
| an unchanged list again | $(field reload_unchanged_seconds "$work/load_once.json") s |
| resident growth by it | $(field resident_growth_bytes "$work/load_once.json") bytes, \
$(field bytes_per_entry "$work/load_once.json") per entry; at the peak \
$(field peak_growth_bytes "$work/load_once.json") |
| one lookup, listed and not | $(field lookup_listed_ns "$work/load_once.json") ns, \
$(field lookup_unlisted_ns "$work/load_once.json") ns |
| CPU time of a full handshake + one GET without and with it | $without us, $with us |
| slowest of $(field requests "$work/busy.json") requests at $probe_rate/s during $probed \
reloads | $(slowest "$work/busy.json") us ($(slowest "$work/quiet.json") us of \
$(field requests "$work/quiet.json") without reloads) |
| longest turn of the event loop meanwhile | $busy_turn ms of processor time, $busy_turn_wall ms \
($quiet_turn and $quiet_turn_wall without reloads) |
| requests that failed meanwhile | $(field failed "$work/busy.json") |
| resident growth after $reloads reloads, each of another list | $((after - before)) bytes |
END
}

trap '[ -z "$started_probe" ] || probe_end; stop_all; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
started_probe=
for each in sallyport loadgen mkpki execute-api crl_load count_preload.so; do
    [ -x "$build/$each" ] || die "$build/$each is not there; run make bench-lists"
done
mkdir -p "$bench/results"
say "bench: a list of $entries entries"
taskset -c $gateway_core "$build/crl_load" "$entries" >"$work/load_once.json" ||
    die 'the list was not loaded'
pki_make 1
lists_make "$entries" 1
origin_start
compare_handshakes
reload_under_load
without=$(median <"$work/without")
with=$(median <"$work/with")
report >"$work/section"
{
    printf '{"commit":"%s","load":%s,' "$(commit_name)" "$(cat "$work/load_once.json")"
    printf '"handshake_us_without":%s,"handshake_us_with":%s,' "$without" "$with"
    printf '"quiet":%s,' "$(cat "$work/quiet.json")"
    printf '"during_reloads":%s,' "$(cat "$work/busy.json")"
    printf '"quiet_turn_ms":%s,"turn_ms":%s,' "$quiet_turn" "$busy_turn"
    printf '"quiet_turn_wall_ms":%s,"turn_wall_ms":%s,' "$quiet_turn_wall" "$busy_turn_wall"
    printf '"reloads":%s,"resident_growth_bytes":%s}\n' "$reloads" $((after - before))
} >"$results"
section_write lists "$work/section"
cat "$work/section"
