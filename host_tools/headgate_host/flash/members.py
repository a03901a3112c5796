"""Does a disk belong to something larger? Looks for signatures (LVM, LUKS, md, bcache, ZFS) and changes nothing.

udev's record of the device is asked first: it knows what blkid found and can be read by everybody.
"""

import os
from dataclasses import dataclass
from pathlib import Path

UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Signature:
    """`offset`: bytes from the start of the device."""

    name: str
    offset: int
    magic: bytes


_MD = b"\xfc\x4e\x2b\xa9"  # 0xa92b4efc, little-endian
_BCACHE = bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")
_ZFS_UBERBLOCK = b"\x0c\xb1\xba\x00\x00\x00\x00\x00"
SIGNATURES = (
    *(Signature("LVM", sector * 512, b"LABELONE") for sector in range(4)),
    Signature("LUKS", 0, b"LUKS\xba\xbe"),
    Signature("md RAID", 0, _MD),  # version 1.1
    Signature("md RAID", 4096, _MD),  # 1.2
    Signature("bcache", 4096 + 24, _BCACHE),
    *(Signature("ZFS", (128 + number) * 1024, _ZFS_UBERBLOCK) for number in range(128)),  # first label's ring
)
_HEAD = max(s.offset + len(s.magic) for s in SIGNATURES)

# What blkid calls them (ID_FS_TYPE of udev).
MEMBER_TYPES = {
    "LVM2_member": "LVM",
    "LVM1_member": "LVM",
    "crypto_LUKS": "LUKS",
    "linux_raid_member": "md RAID",
    "ddf_raid_member": "RAID",
    "isw_raid_member": "RAID",
    "bcache": "bcache",
    "zfs_member": "ZFS",
    "drbd": "DRBD",
    "ceph_bluestore": "Ceph",
    "VMFS_volume_member": "VMFS",
}


def tail_places(size: int) -> tuple[int, int]:
    """Where md keeps its superblock at a device's end: versions 1.0 and 0.90 (md(4))."""
    return (size // 512 - 16) // 8 * 8 * 512, size // 65536 * 65536 - 65536


def member_of(device: Path, size: int, udev: dict[str, str]) -> str:
    """What it belongs to: a name, "" for nothing known, or UNREADABLE when nobody could look."""
    known = MEMBER_TYPES.get(udev.get("ID_FS_TYPE", ""))
    if known:
        return known
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return "" if "ID_FS_TYPE" in udev or "ID_PART_TABLE_TYPE" in udev else UNREADABLE
    try:
        head = os.pread(descriptor, _HEAD, 0)
        for signature in SIGNATURES:
            if head.startswith(signature.magic, signature.offset):
                return signature.name
        for place in tail_places(size):
            if place > 0 and os.pread(descriptor, len(_MD), place) == _MD:
                return "md RAID"
    except OSError:
        return UNREADABLE
    finally:
        os.close(descriptor)
    return ""
