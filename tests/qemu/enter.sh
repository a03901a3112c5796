#!/bin/sh
# A command in a root file system, in mount and process namespaces of its own: nothing is left mounted or running.
#
#   tests/qemu/enter.sh ROOT FOLDER COMMAND...     FOLDER: in the root, where the command starts
#
# /dev, /proc, /sys, /tmp and the environment are its own; what the network needs (PIP_*, proxies) goes along. The
# network is this machine's. Needs root.
set -eu

if [ "$1" != --inside ]; then
    root=$1 folder=$2
    shift 2
    # The shell inside stays process 1: a test that is number 1 itself meets rules made for init.
    # shellcheck disable=SC2046,SC2016 # values with blanks are left out; $0 and $@ are for the shell inside
    exec unshare --mount --pid --fork --kill-child sh "$0" --inside "$root" /usr/bin/env -i \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        $(env | grep -iE '^(PIP_[A-Z_]+|https?_proxy|no_proxy|all_proxy)=[^[:space:]]+$' || true) \
        sh -c 'cd "$0" && "$@"; exit $?' "$folder" "$@"
fi

# As process 1 of the namespace.
root=$2
shift 2
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys" 2>/dev/null || true
mount -t tmpfs -o mode=755 dev "$root/dev"
for node in null zero full random urandom tty; do
    : >"$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs shm "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
for place in ${PIP_FIND_LINKS:-}; do
    [ -d "$place" ] || continue
    mkdir -p "$root$place"
    mount --bind -o ro "$place" "$root$place"
done
exec chroot "$root" "$@"
