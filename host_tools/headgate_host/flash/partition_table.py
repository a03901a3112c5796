"""Reads the partition table of an image: GPT (UEFI specification 2.10, section 5.3), or an MBR."""

import binascii
import struct
from typing import BinaryIO

from headgate.errors import FINDING, CommandError
from headgate.linux.image_format import Partition

SECTOR = 512  # bytes; images have no other
_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")
_MBR_ENTRY = struct.Struct("<B3sB3sII")
_MBR_FIRST, _MBR_COUNT, _MBR_END = 446, 4, b"\x55\xaa"
_ENTRIES_MAX = 128
_PROTECTIVE = 0xEE


def read(file: BinaryIO, size: int) -> tuple[Partition, ...]:
    """The partitions of the `size` bytes in `file`, in their order; () without a table. CommandError: damaged."""
    file.seek(0)
    start = file.read(2 * SECTOR)
    if start[SECTOR : SECTOR + 8] == b"EFI PART":
        found = _gpt(file, start[SECTOR:], size)
    elif start[SECTOR - 2 : SECTOR] == _MBR_END:
        found = _mbr(start[:SECTOR])
    else:
        return ()
    found.sort(key=lambda part: part.start)
    position = 0
    for part in found:
        if part.start < position or part.start + part.size > size:
            raise _damaged(f"partition {part.name!r} overlaps another one or reaches beyond the image")
        position = part.start + part.size
    return tuple(found)


def _damaged(what: str) -> CommandError:
    return CommandError(FINDING, f"the partition table is damaged: {what}", "Make the raw image again")


def _gpt(file: BinaryIO, sector: bytes, size: int) -> list[Partition]:
    fields = _HEADER.unpack_from(sector)
    length, checksum = fields[2], fields[3]
    table, count, entry_size, table_checksum = fields[10:14]
    if not _HEADER.size <= length <= SECTOR:
        raise _damaged("its header has an impossible length")
    if binascii.crc32(sector[:16] + bytes(4) + sector[20:length]) != checksum:
        raise _damaged("the checksum of its header does not fit")
    if count > _ENTRIES_MAX or entry_size != _ENTRY.size:
        raise _damaged(f"{count} entries of {entry_size} bytes")
    if table * SECTOR + count * entry_size > size:
        raise _damaged("its entries lie beyond the image")
    file.seek(table * SECTOR)
    entries = file.read(count * entry_size)
    if len(entries) != count * entry_size or binascii.crc32(entries) != table_checksum:
        raise _damaged("the checksum of its entries does not fit")
    found = []
    for kind, _, first, last, _, name in _ENTRY.iter_unpack(entries):
        if any(kind):
            if not 0 < first <= last:
                raise _damaged("an entry ends before it starts")
            text = name.decode("utf-16-le", "replace").split("\0", maxsplit=1)[0]
            found.append(Partition(text, first * SECTOR, (last - first + 1) * SECTOR))
    return found


def _mbr(sector: bytes) -> list[Partition]:
    found = []
    for number in range(_MBR_COUNT):
        _, _, kind, _, first, count = _MBR_ENTRY.unpack_from(sector, _MBR_FIRST + number * _MBR_ENTRY.size)
        if kind and count and kind != _PROTECTIVE:
            found.append(Partition(str(number + 1), first * SECTOR, count * SECTOR))
    return found
