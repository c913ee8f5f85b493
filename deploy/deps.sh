#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# deps.sh GROUP...          installs what the groups need: build, test, bench, fuzz
# deps.sh --check COMPILER  says what building lacks, exit 1; changes nothing
#
# Debian and Ubuntu, by apt, with sudo when not root. Only missing packages are installed. The
# libraries that face the network are raised to the newest version that apt offers. When all is
# there and current it does nothing, and without a network it leaves an outdated library be.
set -u

MODULES='openssl libnghttp2 libcurl libevent yaml-0.1 cmocka'
BUILD='gcc libc6-dev make pkg-config libssl-dev libnghttp2-dev libcurl4-openssl-dev libevent-dev
    libyaml-dev libcmocka-dev curl ca-certificates'
TEST='clang-format-14 universal-ctags shellcheck'
BENCH='nginx haproxy nghttp2-proxy gnuplot-nox'
FUZZ='clang clang-tidy'
# Each of these pins the library of its own version, so raising it raises the library.
FRESH='libssl-dev libnghttp2-dev libcurl4-openssl-dev libevent-dev'
# Without these a check is skipped, which is said; releases of Debian name them differently.
OPTIONAL='clang-format-14 universal-ctags shellcheck libclang-rt-14-dev'
LISTS_FRESH_MINUTES=1440
LOG=

say() {
    printf 'deps: %s\n' "$*"
}

die() {
    say "$*" >&2
    exit 1
}

# ------------------------------------------------------------------ --check

check() {
    missing=
    for tool in "$1" ar pkg-config; do
        command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
    done
    if command -v pkg-config >/dev/null 2>&1; then
        for module in $MODULES; do
            pkg-config --exists "$module" 2>/dev/null || missing="$missing $module"
        done
    fi
    [ -z "$missing" ] && return 0
    printf 'Missing for the build:%s\nRun "make deps" to install it.\n' "$missing" >&2
    return 1
}

# ------------------------------------------------------------------ apt

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

is_optional() {
    case " $OPTIONAL " in *" $1 "*) return 0 ;; esac
    return 1
}

# Prints nothing when apt knows no such package.
candidate() {
    LC_ALL=C apt-cache policy "$1" 2>/dev/null |
        awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

missing_of() {
    for package in "$@"; do
        is_installed "$package" || printf '%s ' "$package"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Root, or sudo that asks nothing: what may be done without somebody at the keyboard.
is_silent_root() {
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -y -q \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Acquire::Retries=1 \
        -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@" >"$LOG" 2>&1
}

are_lists_fresh() {
    [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mmin -$LISTS_FRESH_MINUTES \
        2>/dev/null | head -n 1)" ]
}

# A source that fails is no reason to stop: the install says what it lacks.
update_lists() {
    say 'reading package lists'
    apt update || say 'some package lists could not be read'
}

# A server that a package would start is not wanted here, only its program.
hold_services() {
    [ -e /usr/sbin/policy-rc.d ] && return 1
    printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null &&
        as_root chmod 0755 /usr/sbin/policy-rc.d
}

install_packages() {
    say "installing: $*"
    held=
    case " $* " in
    *' nginx '* | *' haproxy '* | *' nghttp2-proxy '*) hold_services && held=yes ;;
    esac
    apt install --no-install-recommends "$@"
    status=$?
    if [ $status != 0 ] && [ -z "$updated" ]; then
        update_lists
        updated=yes
        apt install --no-install-recommends "$@"
        status=$?
    fi
    if [ -n "$held" ]; then
        as_root rm -f /usr/sbin/policy-rc.d
        for service in nginx haproxy nghttpx; do
            package=$service
            [ $service = nghttpx ] && package=nghttp2-proxy
            case " $* " in
            *" $package "*) as_root systemctl disable "$service" >/dev/null 2>&1 ;;
            esac
        done
    fi
    [ $status = 0 ] && return 0
    tail -n 20 "$LOG" >&2
    die "apt could not install: $*"
}

# Prints those of FRESH for which apt offers something newer.
outdated() {
    # shellcheck disable=SC2086 # a list of words
    LC_ALL=C apt-cache policy $FRESH 2>/dev/null | awk '
        /^[^ ]/ { name = $1; sub(":$", "", name) }
        $1 == "Installed:" { old = $2 }
        $1 == "Candidate:" && $2 != "(none)" && old != "(none)" { print name, old, $2 }
    ' | while read -r name old new; do
        if dpkg --compare-versions "$new" gt "$old"; then printf '%s ' "$name"; fi
    done
}

upgrade() {
    if ! are_lists_fresh && [ -z "$updated" ]; then
        is_silent_root || return 0
        update_lists
    fi
    old=$(outdated)
    [ -z "$old" ] && return 0
    is_silent_root || { say "newer versions are offered: $old"; return 0; }
    say "upgrading: $old"
    # shellcheck disable=SC2086 # a list of words
    apt install --no-install-recommends $old ||
        say 'not upgraded (apt failed); going on with what is installed'
}

print_versions() {
    line=
    for module in openssl libnghttp2 libcurl libevent; do
        line="$line$module $(pkg-config --modversion "$module" 2>/dev/null || echo '?'), "
    done
    say "${line%, }"
}

main() {
    wanted=
    for group in "$@"; do
        case $group in
        build) wanted="$wanted $BUILD" ;;
        test) wanted="$wanted $TEST" ;;
        bench) wanted="$wanted $BENCH" ;;
        fuzz) wanted="$wanted $FUZZ libclang-rt-14-dev" ;;
        *) die "no such group: $group (build, test, bench, fuzz)" ;;
        esac
    done
    if ! command -v apt-get >/dev/null 2>&1; then
        check gcc && return 0
        die 'this script knows apt only; install the above with your package manager'
    fi
    LOG=$(mktemp) || exit 1
    trap 'rm -f "$LOG"' EXIT
    updated=
    # shellcheck disable=SC2086 # lists of words from here on
    missing=$(missing_of $wanted)
    # An optional package that apt does not offer never becomes anything but missing.
    needed=
    for package in $missing; do
        is_optional "$package" && are_lists_fresh && [ -z "$(candidate "$package")" ] && continue
        needed="$needed $package"
    done
    if [ -n "$needed" ] && [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null 2>&1; then
        for package in $needed; do
            is_optional "$package" ||
                die "missing:$needed; neither root nor sudo is at hand to install it"
        done
        say "cannot be installed without root, their checks are skipped:$needed"
        needed=
    fi
    if [ -n "$needed" ]; then
        are_lists_fresh || { update_lists; updated=yes; }
        found=
        for package in $needed; do
            if is_optional "$package" && [ -z "$(candidate "$package")" ]; then
                say "not offered here, its check is skipped: $package"
            else
                found="$found $package"
            fi
        done
        # shellcheck disable=SC2086
        [ -z "$found" ] || install_packages $found
    fi
    upgrade
    print_versions
}

if [ "${1:-}" = --check ]; then
    check "${2:-gcc}"
else
    main "$@"
fi
