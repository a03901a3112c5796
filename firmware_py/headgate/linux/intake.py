"""Accepted messages on their way to the disk: a bounded queue of rows, taken in batches, released after the commit.

Twin of native_ext/core/intake.c; `headgate._accel` chooses. The native server fills the native one without Python, so
whoever takes from it pays for batches, not for messages. One thread adds, takes, releases and gives back; a batch,
once taken, may be read by another.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from headgate import limits
from headgate.core import cbor
from headgate.linux.batch import MESSAGE_MAX

DURABLE = 1  # flags of a row: the stream's durability is fsync
PROMISED = 2  # its receipt was given out: it may not fail any more
CBOR = 4  # application/cbor, otherwise application/json
_COUNT_MAX = 2**32 - 1


class _Row(NamedTuple):
    seq: int
    stream: str
    client: str
    body: bytes
    ts_ms: int | None
    at_ms: int
    flags: int
    key: str | None
    trace: str | None
    size: int


class Intake:
    """`boot`: of all its messages; `max_rows`: queued; `max_bytes`: queued and taken but not released."""

    def __init__(self, boot: int, max_rows: int, max_bytes: int) -> None:
        if not (0 < boot <= MESSAGE_MAX and 0 < max_rows <= _COUNT_MAX and 0 < max_bytes <= _COUNT_MAX):
            raise ValueError("boot, max_rows or max_bytes is out of range")
        self.boot = boot
        self.closing = False  # everything is refused
        self.refuse_until_ms = 0  # monotonic; storing fails: what is not promised is refused until then
        self.room: int | None = None  # bytes the disk budget has left beyond `bytes`; None: no bound
        self.overfull = 0  # rows refused for want of room
        self.bytes = 0  # charged, queued and taken
        self.gathered = False  # everybody whom the last commit answered waits again: only the native server knows that
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._sequence = 0
        self._queue: deque[_Row] = deque()
        self._waiting = 0  # queued and not promised

    @property
    def rows(self) -> int:
        """Queued."""
        return len(self._queue)

    @property
    def crowded(self) -> bool:
        """Three quarters full: the disk is behind. Nothing more is promised then: whoever sends waits for the commit,
        which slows him down and leaves the last quarter to those who wait; and the commit is due."""
        rows, size = self._max_rows - self._max_rows // 4, self._max_bytes - self._max_bytes // 4
        return len(self._queue) >= rows or self.bytes >= size

    @property
    def oldest_ms(self) -> int | None:
        """`at_ms` of the first row queued."""
        return self._queue[0].at_ms if self._queue else None

    @property
    def oldest_waiting_ms(self) -> int | None:
        """`at_ms` of the first row queued that is not promised."""
        if self._waiting == 0:
            return None
        return next(row.at_ms for row in self._queue if not row.flags & PROMISED)

    def add(  # noqa: PLR0913, PLR0917 - a row has as many fields as it has
        self,
        stream: str,
        client: str,
        body: bytes,
        ts_ms: int | None,
        at_ms: int,
        flags: int,
        key: str | None = None,
        trace: str | None = None,
    ) -> int | tuple[str, str, int]:
        """-> the message's number; or why it is refused: (code of the 503, detail, Retry-After in s).

        `ts_ms`: Unix ms of arrival, None while the clock is unset; `at_ms`: the same moment, monotonic."""
        if (ts_ms is not None and not 0 <= ts_ms <= limits.TIME_MS) or not 0 <= at_ms <= limits.TIME_MS:
            raise ValueError("ts_ms or at_ms is out of range")
        size = len(body) + len(stream.encode()) + len(client.encode()) + limits.ROW_OVERHEAD
        f"{key}{trace}".encode()  # a text that has no UTF-8 must fail here: later it would fail the whole batch
        refusal = self._refusal(size, at_ms, flags)
        if refusal is not None:
            return refusal
        self._sequence += 1
        self._queue.append(_Row(self._sequence, stream, client, body, ts_ms, at_ms, flags, key, trace, size))
        self._waiting += not flags & PROMISED
        self.bytes += size
        return self._sequence

    def _refusal(self, size: int, at_ms: int, flags: int) -> tuple[str, str, int] | None:
        if self.closing:
            return "draining", "shutting down", 5
        if not flags & PROMISED and at_ms < self.refuse_until_ms:
            wait_s = (self.refuse_until_ms - at_ms + 999) // 1000
            return "storage_failed", "the disk is full or failing; the message was not stored", min(wait_s, 3600)
        if len(self._queue) >= self._max_rows or self.bytes + size > self._max_bytes:
            return "outbox_full", "too many messages wait for the disk", 1
        if self.room is not None and self.bytes + size > self.room:
            self.overfull += 1
            return "outbox_full", "the budget for undelivered messages is used up", 30
        return None

    def take(self, max_rows: int, max_bytes: int) -> "Batch":
        """The oldest rows: at least one unless there is none or `max_rows` is 0, then as many as both limits allow."""
        rows: list[_Row] = []
        size = 0
        while self._queue and len(rows) < max_rows and (not rows or size + self._queue[0].size <= max_bytes):
            size += self._queue[0].size
            self._waiting -= not self._queue[0].flags & PROMISED
            rows.append(self._queue.popleft())
        return Batch(self, rows)

    def take_waiting(self) -> "Batch":
        """All that are not promised."""
        waiting = [row for row in self._queue if not row.flags & PROMISED]
        self._queue = deque(row for row in self._queue if row.flags & PROMISED)
        self._waiting = 0
        return Batch(self, waiting)

    def _put_back(self, rows: list[_Row]) -> None:
        """Promised ones."""
        self._queue.extendleft(reversed(rows))


def _charge(rows: list[_Row]) -> int:
    return sum(row.size for row in rows)


class Batch:
    """Rows taken together, in the order of their numbers. Made by `Intake.take`; empty once released or given back.

    Rows are known by their index. `skip`: indices of rows to leave out."""

    def __init__(self, intake: Intake, rows: list[_Row]) -> None:
        self._intake = intake
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def seqs(self) -> list[int]:
        return [row.seq for row in self._rows]

    def keyed(self) -> list[tuple[int, int, bytes, bytes]]:
        """Of the rows with a key: (index, number, outbox_keys.scope_of(...), outbox_keys.digest(body))."""
        from headgate.linux.outbox_keys import digest, scope_of

        return [
            (index, row.seq, scope_of(row.client, row.stream, row.key), digest(row.body))
            for index, row in enumerate(self._rows)
            if row.key is not None
        ]

    def totals(self, skip: Iterable[int] = ()) -> tuple[int, dict[str, int]]:
        """-> (bytes of all bodies, number of rows by stream)."""
        payload, streams = 0, dict[str, int]()
        for row in self._kept(skip):
            payload += len(row.body)
            streams[row.stream] = streams.get(row.stream, 0) + 1
        return payload, streams

    def cbor(self, head: bytes, skip: Iterable[int] = (), into: bytearray | None = None) -> bytes | bytearray:
        """`head`, then the rows as elements of the array of linux/batch.py; in place of what `into` holds, whose memory
        then serves again."""
        parts = [head]
        for row in self._kept(skip):
            media_type = "application/cbor" if row.flags & CBOR else "application/json"
            parts.append(cbor.dumps([row.seq, row.stream, row.client, row.ts_ms, media_type, row.body, row.trace]))
        if into is None:
            return b"".join(parts)
        into[:] = b"".join(parts)
        return into

    def _kept(self, skip: Iterable[int]) -> list[_Row]:
        left_out = frozenset(skip)
        if any(not 0 <= index < len(self._rows) for index in left_out):
            raise IndexError("no such row in the batch")
        return [row for index, row in enumerate(self._rows) if index not in left_out]

    def release(self) -> None:
        """Forget the rows: they are stored, or whoever waits was told."""
        self._intake.bytes -= _charge(self._rows)
        self._rows = []

    def give_back(self) -> None:
        """The commit failed: promised rows go back to the front of the queue, all others are released."""
        kept = [row for row in self._rows if row.flags & PROMISED]
        self._intake.bytes -= _charge(self._rows) - _charge(kept)
        self._intake._put_back(kept)  # its other half
        self._rows = []
