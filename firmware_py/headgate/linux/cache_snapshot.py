"""The cache on disk, so that it survives a restart: written every so often if it has changed, and at a clean stop.

    file    a CBOR sequence (RFC 8742): head, entries, end
    head    {"headgate": "cache", "v": 1, "t": Unix seconds, or null while the clock is not trusted}
    entry   [key, value, media type, max-age in s (0: none), age in ms, ms left to live (0: for ever)]
    end     the CRC-32 of all bytes before it, as an integer of four bytes

An entry that comes back is a new version with a new ETag: what was put after the snapshot is lost, but its ETags are
known to clients, and must not come to mean something else. Time in which the appliance did not run counts for age and
time to live if the clock was trusted both when the snapshot was taken and when it is read; otherwise it counts as none.
"""

import asyncio
import errno
import logging
import os
from binascii import crc32
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from headgate import limits
from headgate.core import cbor
from headgate.core.problem import Problem
from headgate.core.records import CBORSeqSplitter
from headgate.linux import atomic_file
from headgate.linux.worker import Worker

log = logging.getLogger("headgate.cache")

FILE = "cache.snapshot"
DAMAGED = "cache.snapshot.damaged"
VERSION = 1
CHUNK = 256  # entries handed to the worker thread at a time
_END = 5  # bytes
_READ = 65536
# An entry at its largest: the parts, and their heads.
_RECORD = limits.HTTP_BODY + limits.CACHE_KEY + limits.CACHE_META + 64

Entry = tuple[bytes, bytes, bytes, int, int]  # of Store.scan


class Store(Protocol):
    """Of core/store.py."""

    def put(self, key: bytes, value: bytes, meta: bytes, ttl_ms: int, now_ms: int) -> int: ...
    def delete(self, key: bytes, now_ms: int) -> bool: ...
    def scan(self, restart: bool, most: int, now_ms: int) -> list[Entry]: ...
    def stats(self) -> dict[str, int]: ...


class DamagedError(Exception):
    """Not a snapshot of this version, or not all of it. The message ends a sentence."""


class Writer:
    """A snapshot on its way to the disk; to be used in the worker thread. Raises OSError; then it is abandoned."""

    def __init__(self, path: Path, now_s: int | None, expected: int) -> None:
        """`expected`: about how many bytes it will have. They must not take what the outbox needs to go on."""
        room = os.statvfs(path.parent)
        if room.f_bavail * room.f_frsize < expected + limits.OUTBOX_RESERVE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._new = atomic_file.NewFile(path, 0o600)
        self._crc = 0
        self._write(cbor.dumps({"headgate": "cache", "v": VERSION, "t": now_s}))

    def add(self, entries: list[Entry], now_ms: int) -> None:
        for key, value, meta, _, left_ms in entries:
            max_age, stored_ms, media_type = meta.split(b" ", 2)
            age_ms = max(0, now_ms - int(stored_ms))
            self._write(cbor.dumps([key, value, media_type, int(max_age), age_ms, left_ms]))

    def commit(self) -> int:
        """-> its bytes."""
        self._write(b"\x1a" + self._crc.to_bytes(4, "big"))
        size = self._new.file.tell()
        self._new.commit()
        return size

    def _write(self, data: bytes) -> None:
        self._crc = crc32(data, self._crc)
        try:
            self._new.file.write(data)
        except OSError:
            self._new.abandon()
            raise

    def abandon(self) -> None:
        self._new.abandon()


def read(path: Path, progress: Callable[[], None]) -> Iterator[object]:
    """The items but the end, one after the other; the file is known to be whole then. `progress`: of `restore`. Raises
    DamagedError, OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size - _END
        if size < 0:
            raise DamagedError("it is too short")
        crc = 0
        for piece in _pieces(file, size, progress):
            crc = crc32(piece, crc)
        if file.read() != b"\x1a" + crc.to_bytes(4, "big"):
            raise DamagedError("its checksum is wrong")
        file.seek(0)
        splitter = CBORSeqSplitter(_RECORD)
        try:
            for piece in _pieces(file, size, progress):
                for record in splitter.feed(piece):
                    yield cbor.loads(record)
            splitter.close()
        except (Problem, cbor.CBORError):
            raise DamagedError("it is not of this version") from None


def _pieces(file: BinaryIO, size: int, progress: Callable[[], None]) -> Iterator[bytes]:
    while size > 0:
        progress()
        piece = file.read(min(_READ, size))
        if not piece:
            raise DamagedError("it is too short")
        size -= len(piece)
        yield piece


def _no_progress() -> None:
    """Nobody waits for signs of it."""


def restore(
    path: Path, store: Store, now_ms: int, now_s: int | None, progress: Callable[[], None] = _no_progress
) -> int:
    """Put what is in the file into an empty store -> entries. `progress`: called for each piece of it that is read,
    for a small board may take half a minute. Raises DamagedError (the store may have some then) and OSError."""
    items = read(path, progress)
    head = next(items, None)
    if not isinstance(head, dict) or head.get("headgate") != "cache" or head.get("v") != VERSION:
        raise DamagedError("it is not of this version")
    then_s = head.get("t")  # None: the clock was not trusted
    if then_s is not None and not (type(then_s) is int and then_s >= 0):
        raise DamagedError("it is not of this version")
    away_ms = max(0, now_s - then_s) * 1000 if then_s is not None and now_s is not None else 0
    count = 0
    for item in items:
        match item:
            case [bytes(key), bytes(value), bytes(media_type), int(max_age), int(age_ms), int(left_ms)] if (
                0 <= max_age <= limits.TIME_MS and 0 <= age_ms <= limits.TIME_MS and 0 <= left_ms <= limits.CACHE_TTL_MS
            ):
                pass
            case _:
                raise DamagedError("it is not of this version")
        if left_ms and left_ms <= away_ms:
            continue
        meta = b"%d %d %b" % (max_age, now_ms - age_ms - away_ms, media_type)
        if store.put(key, value, meta, left_ms - away_ms if left_ms else 0, now_ms):
            count += 1
    return count


def remove(directory: Path) -> None:
    """Also what was left of one that was not finished. Raises OSError."""
    path = directory / FILE
    atomic_file.sweep(path)
    path.unlink(missing_ok=True)


class Snapshot:
    """Of one store, in one directory. `reading`: TrustedClock.reading; `now_ms`: monotonic."""

    def __init__(
        self,
        directory: Path,
        store: Store,
        every_ms: int,
        *,
        reading: Callable[[], tuple[int, str, int]],
        now_ms: Callable[[], int],
    ) -> None:
        self._path = directory / FILE
        self._store = store
        self._every_s = every_ms / 1000
        self._reading = reading
        self._now_ms = now_ms
        self._worker: Worker | None = None
        self._kept: tuple[int, int] | None = None  # what the store's counters were
        self._failing = False
        self._counts = {"restored": 0, "written": 0, "failed": 0, "bytes": 0}

    def stats(self) -> dict[str, int]:
        """For /metrics: entries restored at the start; snapshots written and failed since; bytes of the last one."""
        return dict(self._counts)

    def load(self, progress: Callable[[], None] = _no_progress) -> None:
        """At the start, into an empty store; `progress`: of `restore`. What cannot be used is put aside, with one line
        in the log."""
        try:
            atomic_file.sweep(self._path)
            self._counts["restored"] = restore(self._path, self._store, self._now_ms(), self._now_s(), progress)
            log.info("%d entries of the cache are back", self._counts["restored"])
        except FileNotFoundError:
            pass
        except DamagedError as damage:
            self._put_aside(str(damage))
        except OSError as error:
            log.warning("cannot read %s: %s; the cache starts empty", self._path, error.strerror)
        self._kept = self._state()

    def _put_aside(self, reason: str) -> None:
        for entry in iter(lambda: self._store.scan(True, 1, self._now_ms()), []):
            self._store.delete(entry[0][0], self._now_ms())
        try:
            self._path.replace(self._path.with_name(DAMAGED))
        except OSError as error:
            log.warning("%s cannot be used: %s; it cannot be put aside either: %s", self._path, reason, error.strerror)
        else:
            log.warning("%s cannot be used: %s; it is %s now, and the cache starts empty", self._path, reason, DAMAGED)

    async def run(self) -> None:
        """Write it every so often, for ever."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.save()

    async def save(self) -> None:
        """Write the cache if it has changed. A failure is counted, and logged once until it works again."""
        state = self._state()
        if state == self._kept:
            return
        try:
            self._counts["bytes"] = await self._write()
        except OSError as error:
            self._counts["failed"] += 1
            if not self._failing:
                log.error("cannot write %s: %s; the old one stays", self._path, error.strerror)
            self._failing = True
            return
        if self._failing:
            log.warning("%s is written again", self._path)
        self._failing = False
        self._counts["written"] += 1
        self._kept = state

    async def close(self) -> None:
        """A last time: ages and times to live go on from here, so an unchanged cache is written as well."""
        if self._store.stats()["entries"]:
            self._kept = None
        await self.save()
        if self._worker is not None:
            self._worker.stop()

    async def _write(self) -> int:
        """-> bytes. The loop only looks at a chunk of the store at a time. Raises OSError."""
        if self._worker is None:
            self._worker = Worker("cache")
        call = self._worker.call
        stats = self._store.stats()
        writer = await call(Writer, self._path, self._now_s(), stats["bytes"])
        try:
            # So many entries are there now: later ones come at the end, and wait for the next snapshot.
            left = stats["entries"]
            restart = True
            while left > 0:
                now_ms = self._now_ms()
                entries = self._store.scan(restart, min(CHUNK, left), now_ms)
                if not entries:
                    break
                await call(writer.add, entries, now_ms)
                left -= len(entries)
                restart = False
            return await call(writer.commit)
        except asyncio.CancelledError:
            call(writer.abandon)  # after the call that runs
            raise

    def _state(self) -> tuple[int, int]:
        """Differs when the store has changed: whatever goes without a write makes it smaller."""
        stats = self._store.stats()
        return stats["writes"], stats["entries"]

    def _now_s(self) -> int | None:
        now_s, state, _ = self._reading()
        return now_s if state == "trusted" else None
