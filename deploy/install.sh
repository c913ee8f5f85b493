#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# install.sh DESTDIR PREFIX : what `make install` installs beside the program. The units name the
# program by PREFIX; files below /etc that exist already are left as they are.
set -eu

dest=$1
prefix=$2
units=$dest$prefix/lib/systemd/system
examples=$dest$prefix/share/doc/sallyport/examples

install -d -m 0755 "$units" "$examples" "$dest$prefix/lib/sysusers.d" "$dest/etc/logrotate.d" \
    "$dest/etc/sallyport"
sed "s|/usr/local/sbin/|$prefix/sbin/|" deploy/sallyport.service >"$units/sallyport.service"
chmod 0644 "$units/sallyport.service"
install -m 0644 deploy/sallyport.socket "$units/sallyport.socket"
install -m 0644 deploy/sallyport.sysusers "$dest$prefix/lib/sysusers.d/sallyport.conf"
install -m 0644 conf/minimal.yaml conf/alb.yaml conf/sallyport.yaml "$examples"
install -m 0644 deploy/sallyport.yaml "$examples/systemd.yaml"
if [ ! -e "$dest/etc/logrotate.d/sallyport" ]; then
    install -m 0644 deploy/sallyport.logrotate "$dest/etc/logrotate.d/sallyport"
fi
