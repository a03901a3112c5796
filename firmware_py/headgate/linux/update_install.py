"""Writes an update to the slot that does not run: stream -> signature -> whose it is -> range by range, each checked.

A bundle (.hgu, docs/update.md) is an image without what a running board keeps: the image's signed first frame as it is,
then the frames of all ranges that touch `boot_a` or `root_a`, in the order of the manifest. So what is flashed and what
updates is signed once. Nothing is believed before the signature is checked, and nothing is written before the manifest
says that it is for this board and not older than what runs. One range of at most 4 MiB is held at a time.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from headgate.core.jwt import EDDSA
from headgate.errors import DEVICE, MISSING, CommandError
from headgate.linux import image_format, keys
from headgate.linux.image_format import FRAME, RANGE_MAX, BadImage, Manifest, Partition, Range

PARTS = ("boot", "root")  # of a slot; with "_a" or "_b" behind it the name of a partition
SOURCE = "a"  # the slot that is filled in an image
PARTITIONS = Path("/dev/disk/by-partlabel")
IDENTITY = Path("/usr/lib/headgate/image.json")  # what `headgate image build` says of the image, inside it
TRUST = Path("/etc/headgate/trust")
CMDLINE = Path("/proc/cmdline")
_SLOT_WORD = "headgate.slot="

Read = Callable[[int], bytes]  # so many bytes, fewer only at the end


@dataclass(frozen=True, slots=True)
class Running:
    """What runs here."""

    slot: str
    board: str
    version: str
    created: int  # Unix time


def running() -> Running:
    """Raises CommandError: this is no image of ours."""
    try:
        words = CMDLINE.read_text().split()
        document = json.loads(IDENTITY.read_text())
        slot = next(word.removeprefix(_SLOT_WORD) for word in words if word.startswith(_SLOT_WORD))
        return Running(slot, document["board"], document["version"], document["created"])
    except (OSError, StopIteration, ValueError, KeyError, TypeError):
        raise CommandError(MISSING, "this system has no slots to update", "docs/update.md says which have") from None


def trusted_keys(folder: Path = TRUST) -> dict[str, bytes]:
    """Whose updates this image takes: thumbprint -> public key."""
    found = [keys.load_eddsa_public(file).secret for file in sorted(folder.glob("*.pub"))]
    return {keys.thumbprint(EDDSA, key): key for key in found}


def wanted(manifest: Manifest) -> Iterator[tuple[Range, list[tuple[Partition, str]]]]:
    """The ranges of a bundle, in order, each with the partitions of the slot that it touches and their parts' names.

    Raises BadImage: this image has no slots.
    """
    named = {part.name: part for part in manifest.partitions}
    sources = [(named.get(f"{part}_{SOURCE}"), part) for part in PARTS]
    found = [(partition, part) for partition, part in sources if partition is not None]
    if len(found) != len(PARTS):
        raise BadImage("no-slots", "this image has no slots to update from", "Flash the board instead")
    for piece in manifest.ranges:
        touched = [(p, part) for p, part in found if p.start < piece.end and piece.start < p.start + p.size]
        if touched:
            yield piece, touched


def bundle_size(header: int, manifest: Manifest) -> int:
    """Bytes of the bundle whose first frame has `header` bytes."""
    return header + sum(piece.frame_size for piece, _ in wanted(manifest))


def read_manifest(read: Read, trusted: dict[str, bytes]) -> tuple[Manifest, str, bytes]:
    """-> (believed manifest, its signer, the first frame as it came). Raises BadImage."""
    start = read(FRAME.size)
    content = read(size := image_format.content_size(start))
    if len(content) != size:
        raise BadImage("truncated", "the update ends in its manifest")
    signer, signature, document = image_format.split(content)
    image_format.check_signature(signer, signature, document, trusted)
    return image_format.decode(document), signer, start + content


def check(manifest: Manifest, here: Running, *, downgrade: bool) -> None:
    """Raises BadImage: not for this board, or older than what runs."""
    if manifest.board != here.board:
        cause = f"the update is for {manifest.board}, and this is {here.board}"
        raise BadImage("wrong-board", cause, f"Get the one for {here.board}")
    if manifest.created < here.created and not downgrade:
        cause = f"the update, version {manifest.version}, is older than {here.version}, which runs"
        raise BadImage("older", cause, "If that is meant: --downgrade, with a token that has update:downgrade")


class Slot:
    """The partitions of the slot that is written."""

    def __init__(self, slot: str, folder: Path) -> None:
        """Raises CommandError(DEVICE): it is not there, or in use."""
        self._files: dict[str, int] = {}
        try:
            for part in PARTS:
                # O_EXCL: the kernel refuses a partition that is mounted.
                flags = os.O_RDWR | os.O_EXCL | os.O_CLOEXEC
                self._files[part] = os.open(folder / f"{part}_{slot}", flags)
        except OSError as error:
            self.close()
            cause = f"slot {slot} cannot be written: {error.strerror}"
            raise CommandError(DEVICE, cause, "'headgate doctor' on the board says more") from None

    def close(self) -> None:
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()

    def check_room(self, manifest: Manifest) -> None:
        for partition in manifest.partitions:
            part, _, slot = partition.name.partition("_")
            if slot == SOURCE and part in self._files:
                room = os.lseek(self._files[part], 0, os.SEEK_END)
                if partition.size > room:
                    cause = f"{part} of the update has {partition.size} bytes, and the slot has room for {room}"
                    raise BadImage("no-room", cause, "Flash the board with the new image instead")

    def write(self, part: str, offset: int, data: bytes) -> None:
        """On the medium, and read back from it, when it returns. Raises CommandError(DEVICE)."""
        descriptor = self._files[part]
        try:
            view = memoryview(data)
            while view:
                written = os.pwrite(descriptor, view, offset + len(data) - len(view))
                view = view[written:]
            os.fsync(descriptor)
            # What is on the medium, not what is in memory; and memory is for the appliance.
            os.posix_fadvise(descriptor, offset, len(data), os.POSIX_FADV_DONTNEED)
            same = os.pread(descriptor, len(data), offset) == data
            os.posix_fadvise(descriptor, offset, len(data), os.POSIX_FADV_DONTNEED)
        except OSError as error:
            cause = f"writing the slot failed at byte {offset} of {part}: {error.strerror}"
            raise CommandError(DEVICE, cause, "The card is failing: replace it soon") from None
        if not same:
            cause = f"the slot kept something else at byte {offset} of {part}"
            raise CommandError(DEVICE, cause, "The card is failing: replace it soon")


def write(read: Read, manifest: Manifest, slot: Slot) -> None:
    """All ranges. Raises BadImage: not what was signed; CommandError(DEVICE): the disk fails."""
    slot.check_room(manifest)
    unpacker = zstandard.ZstdDecompressor(max_window_size=RANGE_MAX)
    for piece, touched in wanted(manifest):
        data = _unpacked(read(piece.frame_size), piece, unpacker)
        for partition, part in touched:
            first = max(piece.start, partition.start)
            last = min(piece.end, partition.start + partition.size)
            slot.write(part, first - partition.start, data[first - piece.start : last - piece.start])


def _unpacked(frame: bytes, piece: Range, unpacker: zstandard.ZstdDecompressor) -> bytes:
    if len(frame) != piece.frame_size:
        raise BadImage("truncated", "the update is cut short")
    try:
        # The frame says how much will be allocated: it is asked before it is believed.
        data = unpacker.decompress(frame) if zstandard.frame_content_size(frame) == piece.size else b""
    except zstandard.ZstdError:
        data = b""
    if hashlib.sha256(data).hexdigest() != piece.sha256:
        raise BadImage("altered", f"the update does not hold what was signed, at byte {piece.start} of the image")
    return data
