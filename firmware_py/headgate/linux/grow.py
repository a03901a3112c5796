"""The last partition and its mounted ext4 grow to the end of the disk: an image is smaller than the card it goes to."""

import ctypes
import fcntl
import os
import subprocess
from pathlib import Path

from headgate.errors import DEVICE, CommandError

_SECTOR = 512  # bytes; what /sys counts in, whatever the disk's own is
_BLKPG, _RESIZE = 0x1269, 3  # linux/blkpg.h
_ROUND = 1 << 20  # bytes: less is not worth it, and the second partition table needs some of it
_LIMIT_S = 300


class _Partition(ctypes.Structure):
    """struct blkpg_partition"""

    _fields_ = (
        ("start", ctypes.c_longlong),
        ("length", ctypes.c_longlong),
        ("number", ctypes.c_int),
        ("names", ctypes.c_char * 128),
    )


class _Request(ctypes.Structure):
    """struct blkpg_ioctl_arg"""

    _fields_ = (
        ("operation", ctypes.c_int),
        ("flags", ctypes.c_int),
        ("length", ctypes.c_int),
        ("data", ctypes.c_void_p),
    )


def grow(partition: Path) -> bool:
    """True if it grew. `partition` is mounted. Raises CommandError, OSError; may be tried again after a power cut."""
    node = Path("/sys/class/block") / partition.resolve().name
    disk = node.resolve().parent
    start, size, whole = (_number(path) * _SECTOR for path in (node / "start", node / "size", disk / "size"))
    if whole - start - size < 2 * _ROUND:
        return False
    number = _number(node / "partition")
    device = Path("/dev") / disk.name
    # Up to the end of the disk, where the second table goes. sfdisk itself cannot tell the kernel: the disk is in use.
    _run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "-N", str(number), str(device), words=", +\n")
    _tell_kernel(device, number, start, _size_in_table(device, number))
    _run("resize2fs", str(partition.resolve()))
    return True


def _size_in_table(device: Path, number: int) -> int:
    listed = _run("sfdisk", "--dump", str(device))
    name = f"{device}p{number}" if device.name[-1:].isdigit() else f"{device}{number}"
    for line in listed.splitlines():
        if line.split(":")[0].strip() == name:
            fields = dict(part.strip().partition("=")[::2] for part in line.split(":", 1)[1].split(","))
            return int(fields["size"]) * _SECTOR
    raise CommandError(DEVICE, f"{name} is not in the partition table", "Flash the board again")


def _tell_kernel(device: Path, number: int, start: int, size: int) -> None:
    place = _Partition(start, size, number)
    request = _Request(_RESIZE, 0, ctypes.sizeof(place), ctypes.addressof(place))
    descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _BLKPG, request)
    finally:
        os.close(descriptor)


def _number(path: Path) -> int:
    return int(path.read_text())


def _run(program: str, *arguments: str, words: str = "") -> str:
    done = subprocess.run(  # noqa: S603 - our own words
        [program, *arguments], input=words, capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    if done.returncode:
        cause = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise CommandError(DEVICE, f"the data partition did not grow: {program}: {cause}", "Flash the board again")
    return done.stdout
