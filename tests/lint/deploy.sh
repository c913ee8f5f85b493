#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What deploy/ promises without a machine to deploy to: the image is made of files that exist,
# the socket unit has the addresses of the configuration, and `make install` puts each file where
# its reader looks, names the right program, and leaves files of the operator alone.
set -u

failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

report() {
    printf '%s\n' "$1"
    failed=1
}

awk '$1 == "COPY" && $2 !~ /^--from/ { for (i = 2; i < NF; i++) print $i }' \
    deploy/Containerfile >"$work/sources"
while read -r source; do
    [ -e "$source" ] || report "deploy/Containerfile:1: COPY of $source, which is not there"
done <"$work/sources"
grep -q '^USER [1-9]' deploy/Containerfile || report 'deploy/Containerfile:1: runs as root'

listens=$(sed -n 's/^ListenStream=//p' deploy/sallyport.socket)
binds=$(sed -n 's/^ *bind: \[\(.*\)\]$/\1/p' deploy/sallyport.yaml | tr -d '" ' | tr , '\n')
[ "$listens" = "$binds" ] ||
    report "deploy/sallyport.socket:1: its addresses are not those of deploy/sallyport.yaml"

mkdir -p "$work/etc/logrotate.d"
echo mine >"$work/etc/logrotate.d/sallyport"
sh deploy/install.sh "$work" /opt/sallyport || report 'deploy/install.sh:1: fails'
lib=$work/opt/sallyport/lib
for file in "$lib/systemd/system/sallyport.service" "$lib/systemd/system/sallyport.socket" \
    "$lib/sysusers.d/sallyport.conf" \
    "$work/opt/sallyport/share/doc/sallyport/examples/systemd.yaml"; do
    [ -s "$file" ] || report "deploy/install.sh:1: does not install ${file#"$work"}"
done
grep -q '^ExecStart=/opt/sallyport/sbin/sallyport ' "$lib/systemd/system/sallyport.service" ||
    report 'deploy/install.sh:1: the unit does not start the program of its PREFIX'
grep -q '/usr/local' "$lib/systemd/system/sallyport.service" &&
    report 'deploy/install.sh:1: the unit still names /usr/local'
[ "$(cat "$work/etc/logrotate.d/sallyport")" = mine ] ||
    report 'deploy/install.sh:1: overwrites a file of the operator'
exit $failed
