"""Writes an image and reads it back. A disk that boots is a disk that was verified:

    1  the first and the last MiB become zeros: what was there does not boot any more
    2  marks across the disk are written, then read: a card that claims more than it has is found out in seconds
    3  the mapped ranges behind the first MiB, flushed now and then; the board's own data
    4  all of that is read back and compared; the first MiB must still be zeros (a card whose addresses wrap spoils it)
    5  the first MiB, flushed, read back

Interrupted anywhere, it is left with zeros in its first MiB. A range that reads back wrong is written again.
"""

import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from headgate.errors import DEVICE, CommandError
from headgate.linux.image_format import BLOCK, FIRST, RANGE_MAX, Extent, Range, verify_hash
from headgate_host.flash.disks import readable_size
from headgate_host.flash.image_open import Image
from headgate_host.flash.progress import Progress
from headgate_host.flash.target import Target

TRIES = 3  # for each range, in writing and in verifying
FLUSH = 32 << 20  # bytes between two flushes
_MARK = FIRST // 2  # where the first mark is put
_FAKE = "Likely a failing or fake card: try another one, then another reader"


@dataclass(slots=True)
class Result:
    """`verify_hash`: over what was read back, see image_format.verify_hash. `retries`: ranges that needed one."""

    verify_hash: str = ""
    retries: int = 0
    written: int = 0  # bytes
    digests: dict[int, str] = field(default_factory=dict)


class Writer:
    """One image on its way to one target. `record`: the bytes of the provisioning area, or none."""

    def __init__(self, image: Image, target: Target, record: bytes, progress: Progress) -> None:
        self._image = image
        self._target = target
        self._progress = progress
        self._result = Result()
        ranges = image.manifest.ranges
        self._head = [piece for piece in ranges if piece.start < FIRST]
        self._body = [piece for piece in ranges if piece.start >= FIRST]
        self._record = list(_chunks(image.manifest.provisioning, record))

    def run(self, too_late: Callable[[], None] = lambda: None) -> Result:
        """Raises CommandError(DEVICE) with the offset. Whatever goes wrong, the first MiB is zeros then.

        `too_late` ends interruptions: one either comes before it, and erases, or does nothing.
        """
        try:
            self._run()
            digests = [self._result.digests[piece.start] for piece in self._image.manifest.ranges]
            self._result.verify_hash = verify_hash(digests)
            too_late()
        except BaseException:
            self._erase_head()
            raise
        return self._result

    def _run(self) -> None:
        own = sum(len(data) for _, data in self._record)
        self._progress.begin(2 * (self._image.manifest.mapped_size + own))
        if not self._target.fresh:
            self._progress.phase("erasing")
            self._erase()
            self._progress.phase("probing")
            self._probe()
        self._progress.phase("writing")
        self._write_body()
        self._progress.phase("verifying")
        for piece in self._body:
            self._verify(piece)
        for start, data in self._record:
            self._compare(Extent(start, len(data)), partial(bytes, data))
            self._progress.advance(len(data))
        self._compare(Extent(0, min(FIRST, self._target.size)), self._zeros_of_head, again=False)
        self._progress.phase("finishing")
        self._write_head()

    # --- erasing and probing

    def _erase(self) -> None:
        """An old table at the end would make a disk with an empty start bootable (GPT keeps a second one there)."""
        size = self._target.size  # to its last sector, where the header of that table stands
        places = [Extent(start, min(FIRST, size - start)) for start in sorted({0, max(0, size - FIRST)})]
        for place in places:
            self._put(place.start, bytes(place.size))
        self._sync()
        for place in places:
            self._compare(place, partial(bytes, place.size))

    def _probe(self) -> None:
        """Marks, each with content of its own, at the end and at one place plus each power of two.

        A card that drops the upper bits of addresses (they wrap at a power of two) puts the later ones of them where
        the first one is; one that forgets what is beyond its true end loses the last ones.
        """
        salt = os.urandom(16)
        end = self._target.size // BLOCK * BLOCK - BLOCK
        steps = [1 << exponent for exponent in range(FIRST.bit_length() - 1, end.bit_length())]
        places = [_MARK, *(_MARK + step for step in steps if _MARK + step < end), end]
        marks = {place: hashlib.sha256(salt + place.to_bytes(8, "little")).digest() * (BLOCK // 32) for place in places}
        for place, mark in marks.items():
            self._put(place, mark)
        self._sync()
        for place, mark in marks.items():
            if self._get(place, BLOCK) != mark:
                claimed = readable_size(self._target.size)
                cause = f"{self._target.name} claims {claimed} and does not keep what is written at byte {place}"
                raise CommandError(DEVICE, f"{cause}; it will not boot", _FAKE)
        for place in marks:
            self._put(place, bytes(BLOCK))

    def _zeros_of_head(self) -> bytes:
        return bytes(min(FIRST, self._target.size))

    # --- writing

    def _write_body(self) -> None:
        unflushed = 0
        for piece in self._body:
            data = self._source(piece)
            self._put(piece.start, data)
            self._progress.advance(piece.size)
            unflushed += piece.size
            if unflushed >= FLUSH:
                self._sync()
                unflushed = 0
        for start, data in self._record:
            self._put(start, data)
            self._progress.advance(len(data))
        self._sync()

    def _write_head(self) -> None:
        for piece in self._head:
            self._put(piece.start, self._source(piece))
            self._progress.advance(piece.size)
        self._sync()
        for piece in self._head:
            self._verify(piece)

    def _source(self, piece: Range) -> bytes:
        """Of the image, which was found right; if it has changed since, the disk has been written to all the same."""
        try:
            return self._image.read(piece)
        except CommandError as bad:
            cause = f"{bad.cause}; as for {self._target.name}, {self._target.remains}"
            raise CommandError(DEVICE, cause, bad.next_step) from None

    def _erase_head(self) -> None:
        """As well as it can be done on a disk that fails; a second Ctrl-C waits for it."""
        held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            self._target.write(0, self._zeros_of_head())
            self._target.sync()
        except OSError:
            self._progress.say(f"{self._target.name} could not even be erased: do not use it")
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def _put(self, start: int, data: bytes) -> None:
        """Write, and write again; then find out where exactly it fails."""
        for _ in range(TRIES):
            try:
                self._target.write(start, data)
            except OSError as error:
                failed = error
                self._retried(start)
            else:
                self._result.written += len(data)
                return
        offset = start
        try:
            for offset in range(start, start + len(data), BLOCK):
                self._target.write(offset, data[offset - start :][:BLOCK])
        except OSError as error:
            raise self._target.failure(error, "write to", offset) from None
        raise self._target.failure(failed, "write to", start)  # only in large pieces: nothing to rely on

    def _sync(self) -> None:
        try:
            self._target.sync()
        except OSError as error:  # what was not written is not known: the kernel may have forgotten it
            raise self._target.failure(error, "flush what was written to") from None

    # --- verifying

    def _verify(self, piece: Range) -> None:
        data = self._compare(piece, lambda: self._source(piece), piece.sha256)
        self._result.digests[piece.start] = hashlib.sha256(data).hexdigest()
        self._progress.advance(piece.size)

    def _compare(self, place: Extent, wanted: Callable[[], bytes], sha256: str = "", *, again: bool = True) -> bytes:
        """-> what stands there, equal to `wanted()`, after writing it again if needed. `sha256`: spares `wanted()`."""
        found = self._get(place.start, place.size)
        for _ in range(TRIES):
            if sha256 and hashlib.sha256(found).hexdigest() == sha256:
                return found
            right = wanted()
            if found == right:
                return found
            if not again:
                break
            self._retried(place.start)
            self._put(place.start, right)
            self._sync()
            found = self._get(place.start, place.size)
        right = wanted()
        if found == right:
            return found
        offset = place.start + first_difference(found, right)
        cause = f"{self._target.name} reads back something else at byte {offset}; it will not boot"
        raise CommandError(DEVICE, cause, _FAKE)

    def _get(self, start: int, size: int) -> bytes:
        for _ in range(TRIES):
            try:
                return self._target.read(start, size)
            except OSError as error:
                failed = error
                self._retried(start)
        raise self._target.failure(failed, "read back", start)

    def _retried(self, start: int) -> None:
        self._result.retries += 1
        self._progress.event("retry", offset=start)


def _chunks(area: Extent | None, record: bytes) -> Iterator[tuple[int, bytes]]:
    """The record and zeros behind it, so that nothing of an earlier board's stays."""
    if area is None:
        return
    for start in range(0, area.size, RANGE_MAX):
        size = min(RANGE_MAX, area.size - start)
        yield area.start + start, record[start : start + size].ljust(size, b"\0")


def first_difference(found: bytes, wanted: bytes) -> int:
    """Offset of the first byte that differs."""
    low, high = 0, len(wanted)
    while high - low > 1:  # the halves are compared by memcmp
        middle = (low + high) // 2
        if found[low:middle] != wanted[low:middle]:
            high = middle
        else:
            low = middle
    return low
