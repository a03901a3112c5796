"""When the database file is damaged: keep it for whoever wants to look, save what can be read, go on with a fresh one.

The fresh file is filled under another name while the damaged one is still in its place; then the damaged one is
renamed, then the fresh one takes its name. A power cut at any point leaves a state the next start completes or repeats.
"""

import contextlib
import errno
import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from headgate import limits
from headgate.linux import atomic_file
from headgate.linux import outbox_schema as schema
from headgate.linux.batch import BatchError, checksum, decode

NEW = schema.FILE + ".new"
_SIDE_FILES = ("-wal", "-shm", "-journal")
_NUMBERED = re.compile(re.escape(schema.FILE) + r"\.corrupt-(\d+)(-batch)?\Z")
_COUNTERS = ("accepted", "delivered", "expired", "dropped", "stored_bytes", "payload_bytes", "written_bytes")
_CHUNK, _CHUNK_BYTES = 64, 1 << 20  # batches per transaction, at most; bytes of them, from which on there are no more
_COPY_STEPS = 20  # of SQLite, from one sign of progress to the next: it copies a batch in five


def quarantined(directory: Path) -> list[Path]:
    """The files put aside, oldest first."""
    found = [(int(match[1]), path) for path in directory.iterdir() if (match := _NUMBERED.match(path.name))]
    return [path for _, path in sorted(found)]


def next_number(directory: Path, known: int) -> int:
    found = [int(match[1]) for path in directory.iterdir() if (match := _NUMBERED.match(path.name))]
    return max([known, *found]) + 1


def prune(directory: Path) -> None:
    """Keep the newest few: a failing disk must not fill itself with copies."""
    for path in quarantined(directory)[: -limits.OUTBOX_QUARANTINE]:
        _remove(path)


def give_up_oldest(directory: Path, *, keep: int = 0) -> bool:
    """What was put aside makes room for messages. Whether there was any but the newest `keep`. Raises OSError."""
    found = quarantined(directory)
    if len(found) <= keep:
        return False
    _remove(found[0])
    return True


def put_aside(path: Path, number: int) -> None:
    """Rename the file and what belongs to it; a file that is not there is fine. Raises OSError."""
    for suffix in ("", *_SIDE_FILES):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{path}.corrupt-{number}{suffix}")
    atomic_file.sync(path.parent)
    prune(path.parent)


def finish_replacement(path: Path) -> None:
    """Give the fresh file its name; what was left half made is removed. Raises OSError."""
    new = path.with_name(NEW)
    if new.exists() and not path.exists():
        new.rename(path)
        atomic_file.sync(path.parent)
    else:
        _remove(new)


def copy_out(database: sqlite3.Connection, path: Path, progress: Callable[[], None]) -> None:
    """The file of an open database lost its name: write all of it to a fresh file. `progress`: called now and then.
    Raises sqlite3.Error, OSError."""
    new = path.with_name(NEW)
    _remove(new)
    database.set_progress_handler(progress, _COPY_STEPS)
    try:
        database.execute("VACUUM INTO ?", (str(new),))
    except sqlite3.Error:
        _remove(new)
        raise
    finally:
        database.set_progress_handler(None, 0)
    progress()
    atomic_file.sync(new)  # VACUUM INTO does not


def rebuild(path: Path, known: tuple[int, ...] | None, number: int, progress: Callable[[], None]) -> str:
    """Make the fresh file from what can be read of the damaged one; -> one line for the log.

    `known`: the ledger in memory (outbox_types.Ledger), or None when this is the start and the file's own has to do;
    `progress`: called now and then, for it may take minutes.
    What the ledger says was stored and cannot be read is counted as dropped. Raises sqlite3.Error, OSError: also where
    there is no room for what can be read, which is saved when there is.
    """
    new = path.with_name(NEW)
    _remove(new)
    with contextlib.ExitStack() as stack:
        source: sqlite3.Connection | None = None
        with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
            source = stack.enter_context(contextlib.closing(schema.connect_read_only(path)))
            source.execute("PRAGMA cell_size_check=ON")
        ledger, identity = _old_ledger(source)
        if known is not None:
            ledger = dict(zip(_COUNTERS, known, strict=False))
        _require_room(path, ledger["stored_bytes"])
        try:
            saved = _fill(new, source, ledger, identity, number, progress)
        except (sqlite3.Error, OSError, schema.Damaged) as error:
            _remove(new)
            if isinstance(error, OSError) or (
                isinstance(error, sqlite3.OperationalError) and not schema.is_damage(error)
            ):  # the disk will not have it; no reason to give up what is there
                raise
            _fill(new, None, ledger, identity, number, progress)
            return f"nothing could be saved from it ({error}); the file is kept"
    lost = max(_stored(ledger) - saved, 0)
    return f"{saved} waiting messages saved from it, {lost} could not be read"


def _require_room(path: Path, stored_bytes: int) -> None:
    """Not written over and over for nothing. The ledger may be damaged too: no more can be saved than the file has."""
    there = sum(file.stat().st_size for file in (path, Path(f"{path}-wal")) if file.exists())
    size = min(stored_bytes, there)
    space = os.statvfs(path.parent)
    if space.f_bavail * space.f_frsize < size:
        raise OSError(errno.ENOSPC, f"{size} bytes of messages can be saved, and the disk has no room for them")


def _stored(ledger: dict[str, int]) -> int:
    return ledger["accepted"] - ledger["delivered"] - ledger["expired"] - ledger["dropped"]


def _old_ledger(source: sqlite3.Connection | None) -> tuple[dict[str, int], tuple[str, int]]:
    """Counters and (appliance, boot) of the damaged file; zeros when they make no sense."""
    nothing = dict.fromkeys(_COUNTERS, 0), ("", 0)
    if source is None:
        return nothing
    try:
        row = source.execute(f"SELECT appliance, boot, {', '.join(_COUNTERS)} FROM ledger").fetchone()  # noqa: S608
    except (sqlite3.Error, UnicodeDecodeError):  # error texts quote the damage
        return nothing
    if (
        row is None
        or not isinstance(row[0], str)
        or not all(isinstance(value, int) and value >= 0 for value in row[1:])
    ):
        return nothing
    ledger = dict(zip(_COUNTERS, row[2:], strict=True))
    return (ledger if _stored(ledger) >= 0 else nothing[0]), (row[0], row[1])


def _fill(  # noqa: PLR0913, PLR0917 - all that is in a fresh file
    new: Path,
    source: sqlite3.Connection | None,
    ledger: dict[str, int],
    identity: tuple[str, int],
    number: int,
    progress: Callable[[], None],
) -> int:
    """-> messages saved. The ledger balances at every commit, so also after a power cut."""
    saved = 0
    with contextlib.closing(schema.connect(new)) as target:
        target.execute("PRAGMA journal_mode=OFF").fetchone()  # nobody trusts it before it has its name
        target.execute(
            "UPDATE ledger SET appliance = ?, boot = ?, delivered = ?, expired = ?, dropped = ?, accepted = ?, "
            "payload_bytes = ?, written_bytes = ?, quarantined = ?",
            (
                *identity,
                ledger["delivered"],
                ledger["expired"],
                ledger["dropped"],
                ledger["delivered"] + ledger["expired"] + ledger["dropped"],
                ledger["payload_bytes"],
                ledger["written_bytes"],
                number,
            ),
        )
        chunk: list[tuple[Any, ...]] = []
        size = 0
        for row in _batches(source):
            chunk.append(row)
            size += len(row[6])
            if len(chunk) == _CHUNK or size >= _CHUNK_BYTES:
                saved += _write(target, chunk)
                chunk.clear()
                size = 0
                progress()
        saved += _write(target, chunk)
        target.execute("BEGIN IMMEDIATE")
        for index, key in enumerate(_rows(source, "SELECT gen, scope, body, seq FROM idempotency")):
            if index % _CHUNK == 0:
                progress()
            target.execute("INSERT OR IGNORE INTO idempotency VALUES(?, ?, ?, ?)", key)
        lost = _stored(ledger) - saved
        if lost > 0:
            target.execute("UPDATE ledger SET accepted = accepted + ?, dropped = dropped + ?", (lost, lost))
        target.execute("COMMIT")
    if Path(f"{new}-wal").exists():  # closing writes the log back; when it could not, the file alone is not all
        raise OSError(errno.ENOSPC, "the fresh file could not be completed")
    return saved


def _write(target: sqlite3.Connection, chunk: list[tuple[Any, ...]]) -> int:
    saved = 0
    target.execute("BEGIN IMMEDIATE")
    for row in chunk:
        target.execute("INSERT OR IGNORE INTO batch VALUES(?, ?, ?, ?, ?, ?, ?)", row)
        if target.execute("SELECT changes()").fetchone()[0]:
            saved += row[1]
            target.execute(
                "UPDATE ledger SET accepted = accepted + ?, stored_bytes = stored_bytes + ?", (row[1], len(row[6]))
            )
    target.execute("COMMIT")
    return saved


def _batches(source: sqlite3.Connection | None) -> Iterator[tuple[Any, ...]]:
    """Every batch that can be read and is whole: from the front up to the damage, then from the end back to it."""
    columns = "SELECT id, stored_s, codec, crc, blob FROM batch"
    last = 0
    for row in _rows(source, columns + " ORDER BY id"):
        if isinstance(row[0], int):
            last = row[0]
        yield from _whole(row)
    for row in _rows(source, columns + " WHERE id > ? ORDER BY id DESC", last):
        yield from _whole(row)


def _rows(source: sqlite3.Connection | None, query: str, *arguments: object) -> Iterator[tuple[Any, ...]]:
    """The rows of a query until it is through or meets the damage."""
    if source is None:
        return
    try:
        cursor = source.execute(query, arguments)
        while (row := cursor.fetchone()) is not None:
            yield row
    except (sqlite3.Error, OverflowError, UnicodeDecodeError):
        return


def _whole(row: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    identity, stored_s, codec, crc, blob = row
    if not (isinstance(identity, int) and identity > 0 and isinstance(blob, bytes) and checksum(blob) == crc):
        return
    try:
        batch = decode(blob)
    except BatchError:
        return
    streams: dict[str, int] = {}
    for message in batch.rows:
        streams[message.stream] = streams.get(message.stream, 0) + 1
    when = stored_s if isinstance(stored_s, int) else None
    yield identity, len(batch.rows), when, codec, crc, json.dumps(streams, separators=(",", ":")), blob


def _remove(path: Path) -> None:
    for suffix in ("", *_SIDE_FILES):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
