#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The demo of `make run`: certificates in build/demo, the execute-api emulator on 127.0.0.1:9443,
# the gateway with conf/demo.yaml in front of it. Ready with the line that begins
# `sallyport: ready`; Ctrl-C ends both.
set -u

build=${BUILD:-build}
demo=$build/demo
emulator_pid=
gateway_pid=
tail_pid=

# die TEXT [FILE] : FILE is what the program said.
die() {
    printf 'demo: %s\n' "$1" >&2
    if [ -n "${2:-}" ]; then
        sed 's/^/  /' "$2" >&2
        if grep -q 'Address already in use' "$2"; then
            echo 'demo: a port of the demo is taken, by another make run? end that first' >&2
        fi
    fi
    exit 1
}

# Ends what this script started, by pid. The gateway drains, a second Ctrl-C does not wait.
finish() {
    trap - EXIT
    trap 'kill -KILL $gateway_pid $emulator_pid 2>/dev/null' INT TERM
    for pid in $gateway_pid $emulator_pid $tail_pid; do
        kill -TERM "$pid" 2>/dev/null
    done
    for pid in $gateway_pid $emulator_pid $tail_pid; do
        wait "$pid" 2>/dev/null
    done
    trap - INT TERM
}

# wait_for PID FILE TEXT NAME : until FILE has a line that begins with TEXT.
wait_for() {
    tries=0
    until grep -q "^$3" "$2" 2>/dev/null; do
        kill -0 "$1" 2>/dev/null || die "$4 ended before it was ready" "$2"
        tries=$((tries + 1))
        [ $tries -lt 300 ] || die "$4 was not ready within 30 s" "$2"
        sleep 0.1
    done
}

# try COMMENT NAME PORT PATH : one command to copy.
try() {
    printf '  # %s\n  curl --cacert %s' "$1" "$demo/server-ca.pem"
    [ -z "$2" ] || printf ' --cert %s --key %s' "$demo/$2.pem" "$demo/$2.key"
    printf ' https://localhost:%s%s\n' "$3" "$4"
}

print_commands() {
    printf '\nTo try from another terminal, in %s:\n\n' "$PWD"
    try 'a good certificate: 200 from the API' client 8443 /widgets
    try 'what the API is told about the client' client2 8443 /echo
    try 'passthrough mode: any certificate, handed to the API' untrusted 8444 /echo
    printf '\n  # turned away in the handshake, each for its own reason\n'
    try 'revoked: on the list of its issuer' revoked 8443 /widgets
    try 'expired' expired 8443 /widgets
    try 'not valid yet' not-yet-valid 8443 /widgets
    try 'issued by an authority that is not in the trust store' untrusted 8443 /widgets
    try 'a certificate for servers' server-only 8443 /widgets
    try 'no certificate' '' 8443 /widgets
    printf '\n  # why, step by step and without a connection\n'
    printf '  %s explain -c conf/demo.yaml --listener verify --cert %s\n' \
        "$build/sallyport" "$demo/revoked.pem"
    printf '\n  # is it well; what does it do (or in a browser: http://127.0.0.1:9901/status)\n'
    printf '  curl http://127.0.0.1:9901/healthz\n  %s status -c conf/demo.yaml\n' \
        "$build/sallyport"
    printf '\n  # one line a connection, refused ones too; and one line a request\n'
    printf '  cat %s\n  cat %s\n\n' "$demo/connection.log" "$demo/access.log"
}

for program in sallyport execute-api mkpki; do
    [ -x "$build/$program" ] || die "$build/$program is not there; run make"
done
# Its files and its ports are in use.
if "$build/sallyport" status -c conf/demo.yaml >/dev/null 2>&1; then
    die 'runs already, in this folder; end it with Ctrl-C first'
fi
trap finish EXIT
trap 'exit 0' INT
trap 'exit 143' TERM HUP

"$build/mkpki" demo "$demo" || die 'the certificates could not be made'

"$build/execute-api" --listen 127.0.0.1:9443 --cert "$demo/emulator.pem" \
    --key "$demo/emulator.key" >"$demo/execute-api.out" 2>&1 &
emulator_pid=$!
wait_for "$emulator_pid" "$demo/execute-api.out" 'execute-api: ready' 'the emulator'

# A writer that appends keeps its place when the file is cut.
: >"$demo/sallyport.out"
"$build/sallyport" run -c conf/demo.yaml >>"$demo/sallyport.out" 2>&1 &
gateway_pid=$!
wait_for "$gateway_pid" "$demo/sallyport.out" 'sallyport: ready' 'the gateway'

print_commands
grep '^sallyport: ready' "$demo/sallyport.out" | head -n 1

# From here on what the gateway says is shown as it says it.
tail -n 0 -f "$demo/sallyport.out" &
tail_pid=$!
wait "$gateway_pid"
status=$?
gateway_pid=
[ $status = 0 ] || die "the gateway ended with status $status" "$demo/sallyport.out"
