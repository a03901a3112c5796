#!/bin/sh
# Proof that two commands do everything: makes a minimal Debian root filesystem with nothing but git and python3 added,
# clones this repository at HEAD into it (only what is committed counts), and types `./dev run` and `./dev test` there.
#
#   tests/qemu/bare_rootfs.sh [--suite bookworm|trixie|…] [--only setup|run|test|ci] [--keep] [--work DIR]
#
# Needs root, mmdebstrap and git. Packages come from the mirror that this machine's apt uses, or HEADGATE_DEBIAN_MIRROR.
# The machine's CA bundle, resolv.conf, pip configuration, PIP_* and proxy variables go along, because the network may
# need them. Everything runs in mount and process namespaces of its own: nothing is left mounted or running.
# The last line is `PASS` or `FAIL`; the exit code is 0 or 1.

# shellcheck disable=SC2317 # functions that timed and the traps call
set -eu

die() {
    printf 'bare_rootfs: %s\n' "$*" >&2
    exit 1
}

suite=bookworm only='' keep=no work=''
while [ $# -gt 0 ]; do
    case $1 in
        --suite) suite=$2 && shift ;;
        --only) only=$2 && shift ;;
        --work) work=$2 && shift ;;
        --keep) keep=yes ;;
        -h | --help) sed -n '2,/^$/s/^# \{0,1\}//p' "$0" && exit 0 ;;
        *) die "there is no option $1; --help shows them" ;;
    esac
    shift
done
[ "$(id -u)" = 0 ] || die 'needs root'
for program in mmdebstrap git unshare chroot; do
    command -v "$program" >/dev/null || die "needs $program (apt-get install mmdebstrap git util-linux coreutils)"
done

repository=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
[ -n "$work" ] || work=$(mktemp -d "${TMPDIR:-/var/tmp}/headgate-bare.XXXXXX")
mkdir -p "$work"
root=$work/root
[ ! -e "$root" ] || die "$root exists; name another --work"

cleanup() {
    [ "$keep" = no ] || { printf 'kept: %s\n' "$work" && return; }
    # Mounts live in the namespaces that are gone by now; should one not be, its contents are not ours to delete.
    if grep -q " $root/" /proc/self/mounts; then
        printf 'not deleted, something is still mounted there: %s\n' "$root" >&2
    else
        rm -rf --one-file-system "$work"
    fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

mirror() {
    if [ -n "${HEADGATE_DEBIAN_MIRROR:-}" ]; then
        printf '%s\n' "$HEADGATE_DEBIAN_MIRROR"
        return
    fi
    # The URI of this suite's own main archive; else of any Debian main archive.
    # shellcheck disable=SC2016 # apt's variables, not the shell's
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(ORIGIN)/$(LABEL)' 'Created-By: Packages' 'Component: main' |
        awk -v suite="$suite" '
            $2 == suite && !exact { exact = $1 }
            $3 == "Debian/Debian" && !debian { debian = $1 }
            END { print exact ? exact : debian }'
}

results=''
# timed NAME COMMAND...: runs it with its output shown and kept, and notes seconds and outcome.
timed() {
    name=$1
    shift
    printf '\n##### %s\n' "$name"
    began=$(date +%s)
    status=0
    { "$@" 2>&1 || echo $? >"$work/status"; } | tee "$work/output"
    if [ -e "$work/status" ]; then
        status=$(cat "$work/status")
        rm "$work/status"
    fi
    outcome=passed
    [ "$status" = 0 ] || outcome="FAILED (exit $status)"
    results="$results$(printf '%6d s  %-28s %s' $(($(date +%s) - began)) "$name" "$outcome")
"
    [ "$status" = 0 ] || finish FAIL
}

finish() {
    printf '\n%s, %s\n%s%s\n' "$suite" "$(git -C "$repository" rev-parse --short HEAD)" "$results" "$1"
    [ "$1" = PASS ] && exit 0
    exit 1
}

# inside COMMAND...: in the root file system's copy of the repository.
inside() {
    sh "$repository/tests/qemu/enter.sh" "$root" /root/headgate "$@" </dev/null
}

make_root() {
    uri=$(mirror)
    [ -n "$uri" ] || die 'no Debian mirror in the apt sources; name one in HEADGATE_DEBIAN_MIRROR'
    # In a mount namespace of its own, as all below: nothing stays mounted in what is deleted.
    unshare --mount mmdebstrap --variant=apt --include=git,python3 --quiet "$suite" "$root" "deb $uri $suite main"
    bundle=/etc/ssl/certs/ca-certificates.crt
    if [ -e "$bundle" ]; then # a second time where the package ca-certificates, which ./dev may bring, collects from
        install -D -m 644 "$bundle" "$root$bundle"
        install -D -m 644 "$bundle" "$root/usr/local/share/ca-certificates/host.crt"
    fi
    [ -e "$root/etc/hosts" ] || echo '127.0.0.1 localhost' >"$root/etc/hosts" # as every installer leaves it
    for file in /etc/resolv.conf /etc/pip.conf; do
        if [ -e "$file" ]; then
            rm -f "$root$file"
            cp -L "$file" "$root$file"
        fi
    done
    git clone --quiet --no-local "$repository" "$root/root/headgate"
    # Whoever owns the checkout outside, inside it is root's.
    chown -R 0:0 "$root/root/headgate"
}

quick() { # the set-up of the second time
    inside ./dev setup "$1"
}

timed "make the $suite root" make_root
if [ "$only" = setup ]; then
    timed './dev setup run' inside ./dev setup run
    timed '... the second time' quick run
    finish PASS
fi
if [ "$only" = ci ]; then
    timed '.ci/run' inside .ci/run
    finish PASS
fi
if [ "$only" != test ]; then
    timed './dev run (20 s of demo)' inside ./dev run --demo-seconds 20
    grep -q 'Everything adds up' "$work/output" || { results="$results  the summary does not add up
" && finish FAIL; }
    timed '... its set-up, 2nd time' quick run
fi
if [ "$only" != run ]; then
    timed './dev test' inside ./dev test
    timed '... its set-up, 2nd time' quick test
fi
finish PASS
