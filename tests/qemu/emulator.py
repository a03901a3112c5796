"""The emulator that a board needs: this machine's, or where that is too old or missing, Debian 13's, unpacked into a
folder of its own as the tools of an image are, and run there."""

import re
import shutil
import subprocess
from pathlib import Path

from headgate_host import rootfs
from headgate_host.image import tools

DEBIAN = rootfs.Archive("trixie")  # with QEMU 10
PACKAGES = ("coreutils", "qemu-system-arm")  # with the programs for both kinds of ARM


def words(program: str, version: int, folder: Path, kept: Path) -> list[str]:
    """What starts `program`, of this major `version` or a newer one, in `folder`; the process becomes the emulator.

    `kept`: where one that must be unpacked is kept. Raises CommandError.
    """
    if version_of(program) >= max(version, 1):
        return [program]
    root = rootfs.make(rootfs.own_architecture(), PACKAGES, kept, DEBIAN, byte_code=False)
    (root / "mnt").mkdir(exist_ok=True)
    return [*tools.inside(root, folder), program]


def version_of(program: str) -> int:
    """The major version of this machine's `program`; 0: there is none."""
    if shutil.which(program) is None:
        return 0
    text = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = re.search(r"version (\d+)\.", text)
    return int(found[1]) if found else 0
