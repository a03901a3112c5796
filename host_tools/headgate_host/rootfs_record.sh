#!/bin/sh
# Hook of mmdebstrap, $1: the root. Writes down what was unpacked as dpkg would, while the packages are there: mmdebstrap
# removes them, and unpacking is not installing.
set -eu

cd "$1/var/lib/dpkg"
mkdir -p info
for package in ../../cache/apt/archives/*.deb; do
    dpkg-deb --field "$package" | sed '/^Package:/a Status: install ok unpacked' >>status
    echo >>status
    dpkg-deb --fsys-tarfile "$package" | tar --list | sed 's,^\.,,' >"info/$(dpkg-deb --field "$package" Package).list"
done
