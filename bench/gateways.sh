# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
#
# Starts and stops what the benchmark measures, for run.sh and crl.sh, which source this file.
# Everything lies in $work; what runs there is in NAME.pid and NAME.port.

build=${BUILD:-build}
program=${SALLYPORT_BIN:-$build/sallyport}
bench=$(dirname "$0")
work=$(mktemp -d) && chmod 755 "$work" || exit 1
pki=$work/pki
gateway_core=0
load_core=1
log_level=warn # of Sallyport
api_header='x-apigw-api-id: abc123'
started=

# shellcheck disable=SC3045 # dash and bash have it
ulimit -n "$(ulimit -Hn)"

die() {
    printf 'bench: %s\n' "$1" >&2
    [ -z "${2:-}" ] || sed 's/^/  /' "$2" >&2
    exit 1
}

say() {
    printf '%s\n' "$*" >&2
}

# field KEY FILE : the first number behind that key.
field() {
    sed -n "s/.*\"$1\": *\\([0-9.]*\\).*/\\1/p" "$2" | head -n 1
}

# median : of the numbers on standard input, one a line.
median() {
    sort -n | awk '
        { v[NR] = $1 }
        END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# The commit that is measured; "-changed" when src is not as committed.
commit_name() {
    commit=$(git -C "$bench" rev-parse --short HEAD 2>/dev/null || echo unknown)
    [ -z "$(git -C "$bench" status --porcelain -uno -- ../src 2>/dev/null)" ] ||
        commit=$commit-changed
    printf '%s' "$commit"
}

# is_listening PORT
is_listening() {
    awk -v port=":$(printf '%04X' "$1")" '
        $4 == "0A" && substr($2, length($2) - 4) == port { found = 1 }
        END { exit !found }' /proc/net/tcp
}

# A port below those that the kernel gives to clients, which nobody was given before.
port_pick() {
    while :; do
        port=$((10000 + $(od -An -N2 -tu2 /dev/urandom) % 20000))
        is_listening $port && continue
        grep -qsx $port "$work/ports" || break
    done
    echo "$port" >>"$work/ports"
    printf "%s" "$port"
}

# wait_listening NAME : until it accepts, or says why not.
wait_listening() {
    tries=0
    until is_listening "$(cat "$work/$1.port")"; do
        kill -0 "$(cat "$work/$1.pid")" 2>/dev/null || die "$1 ended" "$work/$1.out"
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || die "$1 was not ready within 60 s" "$work/$1.out"
        sleep 0.05
    done
}

# start NAME CORE COMMAND... : in the background, on that processor alone.
start() {
    name=$1
    core=$2
    shift 2
    taskset -c "$core" "$@" >"$work/$name.out" 2>&1 &
    echo $! >"$work/$name.pid"
    started="$started $name"
    wait_listening "$name"
}

# stop NAME
stop() {
    [ -f "$work/$1.pid" ] || return 0
    pid=$(cat "$work/$1.pid")
    kill -TERM "$pid" 2>/dev/null
    tries=0
    while kill -0 "$pid" 2>/dev/null && [ $tries -lt 40 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
    # Nobody waits for connections to drain here.
    for each in $(pids_of "$pid"); do
        kill -KILL "$each" 2>/dev/null
    done
    wait "$pid" 2>/dev/null
    rm -f "$work/$1.pid"
}

stop_all() {
    for each_started in $started; do
        stop "$each_started"
    done
}

# pids_of PID : with its children and theirs, in one line.
pids_of() {
    [ -d "/proc/$1" ] || return 0
    printf '%s ' "$1"
    # shellcheck disable=SC2013 # numbers
    for child in $(cat "/proc/$1/task/"*/children 2>/dev/null); do
        pids_of "$child"
    done
}

# A root, an intermediate, a server and the clients, all on P-256; lists for the revocation rows.
pki_make() {
    mkdir -p "$pki" || die 'no folder for the certificates'
    {
        "$build/mkpki" ca --out "$pki" --name root &&
            "$build/mkpki" ca --out "$pki" --name inter --ca "$pki/root.pem" &&
            "$build/mkpki" server --ca "$pki/inter.pem" --names localhost --out "$pki" &&
            "$build/mkpki" clients --ca "$pki/inter.pem" --count "$1" --out "$pki/clients"
    } || die 'the certificates could not be made'
    cat "$pki/root.pem" "$pki/inter.pem" >"$pki/bundle.pem"
    cat "$pki/server.pem" "$pki/server.key" >"$pki/server.both.pem"
}

# lists_make ENTRIES NUMBER
lists_make() {
    "$build/mkpki" crl --ca "$pki/inter.pem" --out "$pki/inter.crl.new" --entries "$1" \
        --number "$2" || die 'the list could not be made'
    mv "$pki/inter.crl.new" "$pki/inter.crl.pem"
    [ -f "$pki/root.crl.pem" ] || "$build/mkpki" crl --ca "$pki/root.pem" --out "$pki/root.crl.pem"
    cat "$pki/inter.crl.pem" "$pki/root.crl.pem" >"$pki/all.crl.pem"
}

origin_start() {
    port_pick >"$work/origin.port"
    start origin $load_core "$build/execute-api" --plain --no-payload-limit \
        --listen "127.0.0.1:$(cat "$work/origin.port")"
}

# conf_make NAME PEER CRL : the template of the peer with its values; CRL "crl" turns lists on.
conf_make() {
    crl=
    bundle=$pki/root.pem
    unless='s/ *@CRL@//'
    if [ "$3" = crl ]; then
        bundle=$pki/bundle.pem
        crl="s|#crl ||"
        unless="s|@CRL@|crl-file $pki/all.crl.pem|"
    fi
    log=
    case $1 in *+log) log='s|#log ||' ;; esac
    sed -e "$crl" -e "$log" -e "$unless" -e "s|@PORT@|$(cat "$work/$1.port")|g" \
        -e "s|@ORIGIN@|$(cat "$work/origin.port")|g" -e "s|@ADMIN@|$(port_pick)|g" \
        -e "s|@BUNDLE@|$bundle|g" -e "s|@NAME@|$1|g" -e "s|@PKI@|$pki|g" \
        -e "s|@DIR@|$work|g" -e "s|@LEVEL@|$log_level|" "$bench/peers/$2.conf" \
        >"$work/$1.conf"
}

# gateway_start NAME CRL : NAME is a peer, behind a plus what sets it apart.
gateway_start() {
    port_pick >"$work/$1.port"
    [ "$1" = bare ] || conf_make "$1" "${1%%+*}" "$2"
    case $1 in
    bare) start bare $gateway_core "$build/execute-api" --no-payload-limit --cert \
        "$pki/server.pem" --key "$pki/server.key" --client-ca "$pki/root.pem" \
        --listen "127.0.0.1:$(cat "$work/bare.port")" ;;
    nginx) start nginx $gateway_core "$(command -v nginx || echo /usr/sbin/nginx)" \
        -e "$work/nginx.log" -p "$work" -c "$work/nginx.conf" ;;
    haproxy) start haproxy $gateway_core "$(command -v haproxy || echo /usr/sbin/haproxy)" \
        -db -f "$work/haproxy.conf" ;;
    nghttpx) start nghttpx $gateway_core nghttpx --conf="$work/nghttpx.conf" ;;
    sallyport*) start "$1" $gateway_core "$program" run -c "$work/$1.conf" ;;
    *) die "there is no gateway $1" ;;
    esac
}

# load NAME URL_PATH OPTION... : loadgen on the gateway; its JSON on standard output.
load() {
    name=$1
    url_path=$2
    shift 2
    taskset -c $load_core "$build/loadgen" --ca "$pki/root.pem" --header "$api_header" --tls 1.3 \
        --watch "$(pids_of "$(cat "$work/$name.pid")" | sed 's/ *$//; s/ /,/g')" "$@" \
        "https://localhost:$(cat "$work/$name.port")$url_path"
}

# section_write NAME FILE : FILE takes the place of what stands between the marks NAME.
section_write() {
    awk -v section="$2" -v name="$1" '
        index($0, "<!-- " name " end -->") { inside = 0 }
        !inside { print }
        index($0, "<!-- " name " begin -->") {
            inside = 1
            while ((getline line < section) > 0)
                print line
        }' "$bench/README.md" >"$work/README.md" && cat "$work/README.md" >"$bench/README.md"
}
