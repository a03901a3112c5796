"""Idempotency records: which key was seen with which body, kept for hours and within a number of rows.

Kept in generations. A new one begins after a share of the hours or of the rows; the oldest is then forgotten as a
whole. So hours and rows count together: a key goes when its shares of both make up one. Two reasons: age is counted in
running time (monotonic), so a wrong wall clock cannot make the appliance forget early; and random keys land in a small
part of the tree, so few pages are written per commit. Time switched off does not count: a restart begins a full share
again, which keeps keys longer, never shorter.
"""

import hashlib
import sqlite3

GENERATIONS = 16
_DIGEST = 16  # bytes; 128 bits: nobody finds a second body for a given key
_HOUR_MS = 3_600_000


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:_DIGEST]


def scope_of(client: str, stream: str, key: str) -> bytes:
    """The parts with their lengths, so that no two triples give the same bytes."""
    parts = [part.encode() for part in (client, stream, key)]
    return digest(b"".join(len(part).to_bytes(4, "big") + part for part in parts))


class Keys:
    """Call only inside a transaction of `outbox_db.Database`; after a rollback call `load` again."""

    def __init__(self, hours: int, rows: int) -> None:
        self._generations = min(GENERATIONS, max(rows, 1))
        self._rows_each = max(rows // self._generations, 1)
        self._each_ms = hours * _HOUR_MS // max(self._generations - 1, 1)
        self._current = 1
        self._rows = 0
        self._opened_ms: int | None = None

    def load(self, database: sqlite3.Connection) -> None:
        self._current = database.execute("SELECT coalesce(max(gen), 1) FROM idempotency").fetchone()[0]
        self._rows = database.execute("SELECT count(*) FROM idempotency WHERE gen = ?", (self._current,)).fetchone()[0]

    def seen(self, database: sqlite3.Connection, scope: bytes, now_ms: int) -> tuple[str, bytes] | None:
        """-> (seq, digest of the body) of the first message under this key, or None."""
        self._turn(database, now_ms, rows=0)  # keys age also where none is new
        generations = range(max(self._current - self._generations + 1, 1), self._current + 1)
        marks = ",".join("?" * len(generations))
        row = database.execute(
            f"SELECT seq, body FROM idempotency WHERE scope = ? AND gen IN ({marks})",  # noqa: S608  # only "?"
            (scope, *generations),
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def add(self, database: sqlite3.Connection, scope: bytes, body: bytes, seq: str, now_ms: int) -> None:
        self._turn(database, now_ms, rows=self._rows)
        database.execute("INSERT INTO idempotency VALUES(?, ?, ?, ?)", (self._current, scope, body, seq))
        self._rows += 1

    def _turn(self, database: sqlite3.Connection, now_ms: int, *, rows: int) -> None:
        """Begin a new generation when it is due, and forget what is out of both bounds."""
        if self._opened_ms is None:
            self._opened_ms = now_ms
        turns = (now_ms - self._opened_ms) // self._each_ms
        if turns == 0 and rows < self._rows_each:
            return
        self._current += max(turns, 1)
        self._rows = 0
        whole = turns and self._generations > 1  # a single one begins with its key
        self._opened_ms = self._opened_ms + turns * self._each_ms if whole else now_ms
        database.execute("DELETE FROM idempotency WHERE gen <= ?", (self._current - self._generations,))
