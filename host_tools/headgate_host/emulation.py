"""Programs of another machine run on this one: qemu-user, which the kernel calls for them (binfmt_misc)."""

import os
import platform
import subprocess
from pathlib import Path

from headgate import errors
from headgate.errors import CommandError

BINFMT = Path("/proc/sys/fs/binfmt_misc")
# Where packages put the lines that the kernel wants (binfmt.d(5)); Debian's have flag F: it works inside a root, too.
LINES = Path("/usr/lib/binfmt.d")
# Debian's word -> (the emulator, the processor it is to be). AArch64: with qemu's default, which signs pointers, Python
# is ten times slower than with the processor of a Raspberry Pi 3. ARMv7: the processor of a Raspberry Pi 2.
EMULATORS = {"arm64": ("qemu-aarch64", "cortex-a53"), "armhf": ("qemu-arm", "cortex-a7")}
MACHINES = {"amd64": ("x86_64",), "arm64": ("aarch64",), "armhf": ("armv7l",)}


def is_native(architecture: str) -> bool:
    return platform.machine() in MACHINES[architecture]


def variables(architecture: str) -> dict[str, str]:
    """What the environment of every emulated program must have."""
    return {} if is_native(architecture) else {"QEMU_CPU": EMULATORS[architecture][1]}


def prepare(architecture: str) -> None:
    """Makes the kernel start programs of `architecture`. Needs root, once after each boot. Raises CommandError."""
    if is_native(architecture):
        return
    emulator = EMULATORS[architecture][0]
    if not (BINFMT / "register").exists():
        mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)]
        subprocess.run(mount, capture_output=True, check=False)  # noqa: S603 - our own words
    if (BINFMT / emulator).exists() or (BINFMT / f"{emulator}-static").exists():  # the second: Fedora's name
        return
    next_step = f"As root: apt-get install qemu-user-static; then cat {LINES}/{emulator}.conf > {BINFMT}/register"
    files = [LINES / f"{emulator}.conf", LINES / f"{emulator}-static.conf"]
    line = next((file.read_bytes().strip() for file in files if file.is_file()), b"")
    if not line:
        raise CommandError(errors.MISSING, f"no {emulator} on this machine", next_step)
    try:
        file = os.open(BINFMT / "register", os.O_WRONLY)
        try:
            os.write(file, line)  # one write: that is how the kernel reads it
        finally:
            os.close(file)
    except FileExistsError:  # another process was quicker
        pass
    except OSError as error:
        cause = f"the kernel does not take {emulator} for programs of {architecture}: {error.strerror}"
        raise CommandError(errors.MISSING, cause, next_step) from None
