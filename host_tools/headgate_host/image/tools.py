"""The programs that make an image: from a root file system of the image's own Debian, not from this machine.

So the same programs in the same version are used wherever an image is made, Python's byte code is that of the image's
Python, and nothing but mmdebstrap must be installed here. They run in that root with a mount namespace of their own,
which leaves nothing behind.
"""

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from headgate.errors import FINDING, MISSING, CommandError
from headgate_host import rootfs

PACKAGES = (
    *("busybox", "coreutils", "cpio", "device-tree-compiler", "dosfstools", "e2fsprogs", "findutils", "genimage"),
    *("kmod", "mtools", "python3", "squashfs-tools", "u-boot-tools", "zstd"),
)
# $0: the root, $1: the folder of work, which is /mnt there. Mounts end with the namespace. --rbind: a user namespace
# may not look below what is mounted in /dev.
_INSIDE = """set -e
mount --make-rprivate /
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
mount -t tmpfs tmp "$0/tmp"
mount --bind "$1" "$0/mnt"
root=$0
shift
exec chroot "$root" /usr/bin/env -C /mnt "$@"
"""


@dataclass(frozen=True, slots=True)
class Tools:
    root: Path
    epoch: int  # SOURCE_DATE_EPOCH of all that is made

    def run(self, folder: Path, *command: str, feed: str = "") -> str:
        """What `command`, started in `folder`, prints; `feed` is its input. Paths are relative to the folder."""
        environment = {
            "PATH": "/usr/sbin:/usr/bin",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "HOME": "/tmp",  # noqa: S108 - a tmpfs of its own
            "SOURCE_DATE_EPOCH": str(self.epoch),
            "E2FSPROGS_FAKE_TIME": str(self.epoch),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        try:
            done = subprocess.run(  # noqa: S603 - our own words
                [*inside(self.root, folder), *command],
                input=feed,
                capture_output=True,
                text=True,
                env=environment,
                check=False,
            )
        except FileNotFoundError:
            raise CommandError(MISSING, "no unshare on this machine", "apt-get install util-linux") from None
        if done.returncode:
            output = (done.stdout + done.stderr).strip().splitlines() or ["no reason given"]
            causes = [line for line in output if "ERROR" in line] or output[-1:]
            cause = f"{shlex.join(command[:3])} ended with {done.returncode}: {causes[0]}"
            if os.environ.get("HEADGATE_TRACEBACK"):
                cause = "\n".join([*output, cause])
            raise CommandError(FINDING, cause, "HEADGATE_TRACEBACK=1 shows all it said")
        return done.stdout


def inside(root: Path, folder: Path) -> list[str]:
    """The words that start a command below `root`, in `folder`. The process becomes the command."""
    return ["unshare", "--mount", "sh", "-c", _INSIDE, str(root), str(folder)]


def make(suite: str, folder: Path, epoch: int) -> Tools:
    """Those of `suite`, kept in `folder`. Raises CommandError."""
    root = rootfs.make(rootfs.own_architecture(), PACKAGES, folder, rootfs.Archive(suite), byte_code=False)
    (root / "mnt").mkdir(exist_ok=True)
    return Tools(root, epoch)
