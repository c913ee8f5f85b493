#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# sweep.sh : one client is revoked while BENCH_IDLE (1000) connections of as many clients are idle
# and BENCH_BUSY (100) ask without end; then the same at BENCH_MANY (10000); then BENCH_HUPS (100)
# signals in ten seconds. Writes bench/results/COMMIT.sweep.json and its table in bench/README.md.
set -u

# shellcheck source=bench/gateways.sh
. "$(dirname "$0")/gateways.sh"

idle=${BENCH_IDLE:-1000}
many=${BENCH_MANY:-10000}
busy=${BENCH_BUSY:-100}
hups=${BENCH_HUPS:-100}
rounds=${BENCH_ROUNDS:-3}
results=$bench/results/$(commit_name).sweep.json
number=1
loads=
log_level=info

# list_revoke CERTIFICATE... : the next list of the intermediate, with these on it.
list_revoke() {
    number=$((number + 1))
    revoked=
    for each in "$@"; do
        revoked="$revoked --revoke $each"
    done
    # shellcheck disable=SC2086 # several options
    "$build/mkpki" crl --ca "$pki/inter.pem" --out "$pki/inter.crl.new" --entries 1000 \
        --number $number $revoked || die 'the list could not be made'
    mv "$pki/inter.crl.new" "$pki/inter.crl.pem"
}

# generation : the number of the one in use.
generation() {
    sed -n 's/.*generation \([0-9]*\) in use after.*/\1/p' "$work/sallyport.out" | tail -n 1
}

# generation_wait NUMBER
generation_wait() {
    tries=0
    until [ "$(generation)" -ge "$1" ] 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || die "generation $1 did not come within 60 s" "$work/sallyport.out"
        sleep 0.05
    done
}

# load_begin NAME OPTION... : loadgen in the background, its JSON in NAME.json.
load_begin() {
    name=$1
    shift
    rm -f "$work/$name.err"
    taskset -c $load_core "$build/loadgen" --ca "$pki/root.pem" --header "$api_header" --tls 1.3 \
        --duration 3600 --timeout 60000 "$@" \
        "https://localhost:$(cat "$work/sallyport.port")/bytes/1024" \
        >"$work/$name.json" 2>"$work/$name.err" &
    echo $! >"$work/$name.load"
    loads="$loads $name"
}

load_end() {
    [ -f "$work/$1.load" ] || return 0
    kill -TERM "$(cat "$work/$1.load")" 2>/dev/null
    wait "$(cat "$work/$1.load")" 2>/dev/null
    rm -f "$work/$1.load"
}

loads_end() {
    for each_load in $loads; do
        load_end "$each_load"
    done
    loads=
}

# open_wait NAME : until all its connections are there.
open_wait() {
    tries=0
    until grep -qs 'connections open' "$work/$1.err"; do
        kill -0 "$(cat "$work/$1.load")" 2>/dev/null || die "$1 ended" "$work/$1.err"
        tries=$((tries + 1))
        [ $tries -lt 2400 ] || die "$1 was not open within 120 s" "$work/$1.err"
        sleep 0.05
    done
}

# Lists are read on a thread of their own, so the gateway gets both processors.
sallyport_start() {
    list_revoke
    gateway_start sallyport crl
    taskset -a -cp "$gateway_core,$load_core" "$(cat "$work/sallyport.pid")" >"$work/taskset.out"
    generation_wait 1
}

# revoke_one NAME CONNECTIONS : the client of the newest connection is revoked, which the sweep
# comes to last. Into NAME.ms the milliseconds from the signal to its last close, into NAME.after
# those from the end of the reload, into NAME.touched how many others lost a connection.
revoke_one() {
    victim=$(printf 'client%05d' $(($2 - 1)))
    sallyport_start
    load_begin idle --idle --connections "$2" --cert-dir "$pki/clients"
    load_begin busy --connections "$busy" --cert "$pki/clients/client00001.pem" \
        --key "$pki/clients/client00001.key"
    open_wait idle
    sleep 2
    list_revoke "$pki/clients/$victim.pem"
    before=$(generation)
    signalled=$(date +%s%3N)
    kill -HUP "$(cat "$work/sallyport.pid")"
    generation_wait $((before + 1))
    sleep 1
    loads_end
    stop sallyport
    closed=$(field last_close_ms "$work/idle.json")
    [ "$closed" -gt 0 ] || die 'the revoked client was not closed' "$work/sallyport.out"
    echo $((closed - signalled)) >>"$work/$1.ms"
    ended=$(sed -n "s/^ *\([^ ]*\) info reload: generation $((before + 1)) in use after.*/\1/p" \
        "$work/sallyport.out")
    echo $((closed - $(date -d "$ended" +%s%3N))) >>"$work/$1.after"
    awk -v all="$(field closed_by_peer "$work/idle.json")" \
        -v own="$(sed -n "s/.*\"$victim\",\"count\":\([0-9]*\).*/\1/p" "$work/idle.json")" \
        -v failed="$(field failed "$work/busy.json")" \
        'BEGIN { print all - own + failed }' >>"$work/$1.touched"
    say "  $2 idle, $busy busy: closed after $(tail -n 1 "$work/$1.ms") ms," \
        "$(tail -n 1 "$work/$1.after") ms from the reload's end," \
        "$(tail -n 1 "$work/$1.touched") others touched;" \
        "$(sed -n 's/.*\(generation [0-9]* in use after.*\)/\1/p' "$work/sallyport.out" |
            sed -n "$((before + 1))p")"
}

# Signals at an even pace, each to a gateway under load.
many_signals() {
    sallyport_start
    load_begin h1 --connections "$busy" --cert-dir "$pki/clients"
    load_begin h2 --http 2 --connections 10 --streams 10 --cert-dir "$pki/clients"
    sleep 2
    sent=0
    while [ $sent -lt "$hups" ]; do
        kill -HUP "$(cat "$work/sallyport.pid")"
        sent=$((sent + 1))
        sleep 0.1
    done
    sleep 1
    generations=$(generation)
    loads_end
    stop sallyport
    failed=$(($(field failed "$work/h1.json") + $(field failed "$work/h2.json")))
    asked=$(($(field requests "$work/h1.json") + $(field requests "$work/h2.json")))
    say "  $sent signals: $generations generations, $failed of $asked requests failed"
}

report() {
    cat <<END
| one client is revoked | |
|---|---|
| $idle idle and $busy busy connections: from the signal to its last close | $idle_ms ms |
| other connections closed, requests failed | $idle_touched |
| $many idle and $busy busy: from the signal to its last close | $many_ms ms |
| the same from the end of the reload, as the log has it | $many_after ms |
| other connections closed, requests failed | $many_touched |
| $hups signals in ten seconds: requests that failed | $failed of $asked |
END
}

trap 'loads_end; stop_all; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
for each in sallyport loadgen mkpki execute-api; do
    [ -x "$build/$each" ] || die "$build/$each is not there; run make bench-sweep"
done
mkdir -p "$bench/results"
say "bench: one client is revoked"
pki_make "$many"
"$build/mkpki" crl --ca "$pki/root.pem" --out "$pki/root.crl.pem" || die 'no list of the root'
origin_start
round=1
while [ $round -le "$rounds" ]; do
    revoke_one idle "$idle"
    revoke_one many "$many"
    round=$((round + 1))
done
many_signals
idle_ms=$(median <"$work/idle.ms")
many_ms=$(median <"$work/many.ms")
many_after=$(median <"$work/many.after")
idle_touched=$(awk '{ n += $1 } END { print n }' "$work/idle.touched")
many_touched=$(awk '{ n += $1 } END { print n }' "$work/many.touched")
report >"$work/section"
printf '{"commit":"%s","idle":%s,"busy":%s,"closed_ms":%s,"touched":%s,' "$(commit_name)" \
    "$idle" "$busy" "$idle_ms" "$idle_touched" >"$results"
printf '"many":%s,"many_closed_ms":%s,"many_after_ms":%s,"many_touched":%s,' "$many" "$many_ms" \
    "$many_after" "$many_touched" >>"$results"
printf '"signals":%s,"signal_requests":%s,"signal_failed":%s}\n' "$hups" "$asked" "$failed" \
    >>"$results"
section_write sweep "$work/section"
cat "$work/section"
