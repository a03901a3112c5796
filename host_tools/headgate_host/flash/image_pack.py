"""Raw disk image -> container: block map, hashes, one zstd frame for each piece, signed manifest. Bounded memory."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, BinaryIO

import zstandard

from headgate.errors import MISSING, USAGE, CommandError
from headgate.linux import atomic_file, image_format
from headgate.linux.image_format import (
    BLOCK,
    FIRST,
    MANIFEST_MAX,
    RANGE_MAX,
    BadImage,
    Extent,
    Manifest,
    Partition,
    Range,
)
from headgate_host.flash import partition_table

PROVISION = "provision"  # the partition that `headgate flash` fills
SMALL_HOLE = 65536  # bytes; a smaller one is written: a range of its own costs more than it saves
_ZEROS = bytes(1 << 20)
_NO_HASH = "0" * 64
_SIGNATURE_MAX = 256  # bytes before the manifest in its frame


@dataclass(frozen=True, slots=True)
class Facts:
    """What the raw image does not say of itself. `created`: Unix time; `required_size`: 0 is the image's own size."""

    board: str
    name: str
    version: str
    created: int
    required_size: int = 0
    sparse: Collection[str] = field(default=())  # partitions whose holes may hold anything


def source_date_epoch() -> int | None:
    """$SOURCE_DATE_EPOCH (reproducible-builds.org), if it is given. Raises CommandError(USAGE)."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not given:
        return None
    if not re.fullmatch("[0-9]{1,11}", given):  # what a manifest's `created` may be
        raise CommandError(USAGE, f"SOURCE_DATE_EPOCH is {given!r}", "Seconds since 1970")
    return int(given)


def check(facts: Facts) -> None:
    """Whether an image can say this of itself. Raises CommandError."""
    piece = Range(0, BLOCK, _NO_HASH, 0, 1)
    sizes = BLOCK, max(BLOCK, facts.required_size), _NO_HASH, 1, _NO_HASH
    _check(Manifest(facts.board, facts.name, facts.version, facts.created, *sizes, (), None, (piece,)))


def pack(raw: Path, target: Path, facts: Facts, seed: bytes | None, *, level: int = 19) -> Manifest:
    """Write `target`; the same inputs give the same bytes (with the same zstd). `seed`: Ed25519 private key.

    A hole of `raw` (SEEK_HOLE) outside all partitions, or in one of `facts.sparse`, is not written to a disk: whatever
    was there stays. Elsewhere a hole is zeros like any others. Raises CommandError.
    """
    try:
        atomic_file.check(target)
        if raw.exists() and not raw.is_file():  # before it is opened, which waits for ever where it is a pipe
            raise CommandError(USAGE, f"{raw} is a device, not a file", f"Type: cp --sparse=always {raw} disk.img")
        with raw.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            if size == 0 or size % BLOCK:
                cause = f"{raw} has {size} bytes, not a multiple of {BLOCK}"
                raise CommandError(USAGE, cause, f"Type: truncate -s %{BLOCK} {raw}")
            partitions = partition_table.read(source, size)
            pieces = block_map(source, size, partitions, facts.sparse)
            manifest = Manifest(
                facts.board,
                facts.name,
                facts.version,
                facts.created,
                size,
                max(size, facts.required_size),
                _NO_HASH,
                max(len(pieces), 1),
                _NO_HASH,
                partitions,
                provisioning_area(partitions),
                tuple(Range(piece.start, piece.size, _NO_HASH, n, 1) for n, piece in enumerate(pieces)),
            )
            _check(manifest)  # before the hour that compressing takes
            with tempfile.TemporaryFile(dir=target.parent) as file:
                payload = _Payload(file)
                whole, ranges = _compress(source, size, pieces, payload, level)
                manifest = replace(
                    manifest,
                    sha256=whole,
                    payload_size=payload.size,
                    payload_sha256=payload.sha256(),
                    ranges=tuple(ranges),
                )
                _check(manifest)
                _assemble(target, image_format.header(manifest.encode(), seed), file)
    except OSError as error:
        raise CommandError(MISSING, f"cannot make {target}: {error.strerror}", f"Check {raw} and {target}") from None
    return manifest


def _check(manifest: Manifest) -> None:
    """An image that every reader would refuse is not made. Raises CommandError."""
    encoded = manifest.encode()
    cause = f"its manifest has {len(encoded)} bytes, and {MANIFEST_MAX} are allowed: too many ranges"
    try:
        if len(encoded) + _SIGNATURE_MAX <= MANIFEST_MAX:
            image_format.decode(encoded)
            return
    except BadImage as bad:
        cause = bad.cause
    next_step = "See --name, --version, the size of the disk, the partitions' names (ASCII), --sparse"
    raise CommandError(USAGE, f"nobody could use this image: {cause}", next_step)


def block_map(source: BinaryIO, size: int, partitions: tuple[Partition, ...], sparse: Collection[str]) -> list[Extent]:
    """The mapped extents of a raw image, on blocks, in order, none longer than RANGE_MAX."""
    absent = set(sparse) - {part.name for part in partitions}
    if absent:
        raise CommandError(USAGE, f"there is no partition {', '.join(sorted(absent))}", "Names are those of the GPT")
    wanted = [*_data(source, size)]
    wanted += [Extent(part.start, part.size) for part in partitions if part.name not in (PROVISION, *sparse)]
    mapped = _merge(wanted)
    area = provisioning_area(partitions)
    return [*_cut(mapped if area is None else _without(mapped, area))]


def provisioning_area(partitions: tuple[Partition, ...]) -> Extent | None:
    """The partition that stays empty in an image. Raises CommandError when it does not lie on blocks."""
    for part in partitions:
        if part.name == PROVISION:
            if part.start % BLOCK or part.size % BLOCK or not part.size or part.start < FIRST:
                cause = f"partition {PROVISION} does not lie on blocks of {BLOCK} bytes behind the first MiB"
                raise CommandError(USAGE, cause, "Align partitions to 1 MiB")
            return Extent(part.start, part.size)
    return None


def _data(source: BinaryIO, size: int) -> Iterator[Extent]:
    position = 0
    while position < size:
        try:
            start = os.lseek(source.fileno(), position, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nothing but a hole from here on
                raise
            return
        position = os.lseek(source.fileno(), start, os.SEEK_HOLE)
        yield Extent(start, position - start)


def _merge(extents: list[Extent]) -> Iterator[Extent]:
    """On blocks, in order, with small holes filled."""
    start = end = -1
    for extent in sorted(extents, key=lambda e: e.start):
        first, last = extent.start // BLOCK * BLOCK, -(-extent.end // BLOCK) * BLOCK
        if start >= 0 and first <= end + SMALL_HOLE:
            end = max(end, last)
            continue
        if start >= 0:
            yield Extent(start, end - start)
        start, end = first, last
    if start >= 0:
        yield Extent(start, end - start)


def _without(extents: Iterable[Extent], hole: Extent) -> Iterator[Extent]:
    for extent in extents:
        for first, last in ((extent.start, min(extent.end, hole.start)), (max(extent.start, hole.end), extent.end)):
            if first < last:
                yield Extent(first, last - first)


def _cut(extents: Iterable[Extent]) -> Iterator[Extent]:
    """On a grid of RANGE_MAX, and at the end of the first MiB, which is written last."""
    for extent in extents:
        position = extent.start
        while position < extent.end:
            grid = FIRST if position < FIRST else (position // RANGE_MAX + 1) * RANGE_MAX
            end = min(extent.end, grid)
            yield Extent(position, end - position)
            position = end


class _Payload:
    """The file of frames on its way, hashed as it grows."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def add(self, frame: bytes) -> None:
        self._file.write(frame)
        self._hash.update(frame)
        self.size += len(frame)

    def sha256(self) -> str:
        return self._hash.hexdigest()


def _compress(
    source: BinaryIO, size: int, pieces: list[Extent], payload: _Payload, level: int
) -> tuple[str, list[Range]]:
    """-> (SHA-256 of the whole raw image, the ranges). What lies between pieces counts as zeros."""
    whole = hashlib.sha256()
    compress = zstandard.ZstdCompressor(level=level).compress
    ranges = []
    position = 0
    for piece in pieces:
        _hole(piece.start - position, payload.add, whole.update)
        data = os.pread(source.fileno(), piece.size, piece.start)
        if len(data) != piece.size:
            raise OSError(errno.EIO, "the raw image became shorter")
        whole.update(data)
        start, frame = payload.size, compress(data)
        payload.add(frame)
        ranges.append(Range(piece.start, piece.size, hashlib.sha256(data).hexdigest(), start, len(frame)))
        position = piece.end
    _hole(size - position, payload.add, whole.update)
    return whole.hexdigest(), ranges


def _hole(size: int, add: Callable[[bytes], None], update: Callable[[bytes], None]) -> None:
    """A frame of zeros, if there are any: holes exist for `zstd -dc` only."""
    if not size:
        return
    packer = zstandard.ZstdCompressor(level=1).compressobj(size=size)
    while size:
        zeros = _ZEROS[: min(size, len(_ZEROS))]
        update(zeros)
        add(packer.compress(zeros))
        size -= len(zeros)
    add(packer.flush())


def _assemble(target: Path, header: bytes, payload: IO[bytes]) -> None:
    new = atomic_file.NewFile(target)
    with contextlib.ExitStack() as undo:
        undo.callback(new.abandon)
        new.file.write(header)
        payload.seek(0)
        shutil.copyfileobj(payload, new.file, 1 << 20)
        undo.pop_all()
    new.commit()
