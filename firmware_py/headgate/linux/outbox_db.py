"""The disk side of the outbox: transactions, budget, ledger. Everything here runs in the outbox's one worker thread.

Power cuts are SQLite's business (WAL, synchronous=FULL: the log is on disk before a commit returns); what this module
adds is that each promise and its bookkeeping are one transaction, and that no state of the disk stops the service:
a full or failing disk makes a transaction fail as a whole (StorageFailed), a damaged file makes way (outbox_rescue.py),
as soon as there is room for what can be saved of it.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import Any, TypeVar

from headgate import limits
from headgate.errors import STATE, CommandError
from headgate.linux import atomic_file, boot, intake, outbox_keys, outbox_rescue
from headgate.linux import outbox_schema as schema
from headgate.linux.batch import Batch, checksum, encode, encode_rows
from headgate.linux.outbox_reserve import Reserve
from headgate.linux.outbox_schema import Damaged, StorageFailed
from headgate.linux.outbox_types import (
    DROP_OLDEST,
    Committed,
    Fetched,
    Ledger,
    OutboxConfig,
    Outcome,
    StoredBatch,
    Work,
)
from headgate.linux.outbox_wear import Wear
from headgate.tasks.plan import is_name

LOCK = "outbox.lock"
_LOOK = 200  # batches looked at in one transaction for what is stamped with a later time: reading all takes too long
_T = TypeVar("_T")
_LEDGER_SQL = ", ".join(Ledger._fields)
_LEDGER_UPDATE = f"UPDATE ledger SET {', '.join(f'{name} = ?' for name in Ledger._fields)}"  # noqa: S608  # constant
_BATCH_INSERT = "INSERT INTO batch(id, records, stored_s, codec, crc, streams, blob) VALUES(?, ?, ?, ?, ?, ?, ?)"

# Above an id, and stored after a moment; NULL: whenever. When it was stored is not always known.
_NEXT_BATCH = (
    "SELECT id, records, codec, crc, blob FROM batch WHERE id > ? AND coalesce(stored_s > ?, 1) ORDER BY id LIMIT 1"
)


def _no_log(level: str, text: str) -> None:
    """The default log: nobody listens."""


class Database:
    """Single-threaded. Every method raises StorageFailed when the disk will not have it, and changes nothing then."""

    def __init__(self, state_dir: Path, config: OutboxConfig, log: Callable[[str, str], None] = _no_log) -> None:
        self.directory = state_dir
        self.path = state_dir / schema.FILE
        self._file = str(self.path)
        self._reserve = Reserve(state_dir, config.reserve_bytes, log)
        self.identity = boot.Identity("", 0, "")
        self.ledger = Ledger(0, 0, 0, 0, 0, 0, 0, 0)
        self._loaded = False  # ... from the file
        self._config = config
        self._log = log
        self._database: sqlite3.Connection | None = None
        self._inode = (0, 0)
        self._keys = outbox_keys.Keys(config.key_hours, config.keys)
        self._next_id = 1
        self._replay_up_to: int | None = None
        self._unstamped = False
        self._latest_s = 0  # of the trusted clock, at the last look
        self._ahead_after: int | None = 0  # above this id a clock that was set back may have stamped; None: nowhere
        self._lock: int | None = None
        self._wear = Wear()
        self.batches = 1  # in one transaction; more than one only where the reserve covers it
        self.progress_s = 0.0  # monotonic; of what takes longer than a commit
        self._plain = bytearray()  # a batch before it is compressed: as new memory it would be mapped each time
        self._first_s: int | None = None  # stored_s of the first batch, if that is known
        self._first_known = False

    # -- opening and closing

    def open(self, appliance: str) -> boot.Identity:
        """Raises CommandError(STATE) when the directory cannot be used or another appliance uses it; every other
        trouble is survived: a damaged file is replaced, on a full disk the database is opened later."""
        self._claim_directory()
        first_run = not any(self.directory.glob("outbox.db*")) and not (self.directory / boot.FILE).exists()
        try:
            self._guard(lambda: None)
            memory = self._remembered()
        except StorageFailed as failure:
            self._log("error", f"outbox not open yet: {failure}")
            memory = None
        self.identity = boot.start(self.directory, appliance, memory, first_run=first_run)
        self._write_boot()
        if self._database is not None:
            with contextlib.suppress(StorageFailed):
                self._guard(self._remember)
        return self.identity

    def _claim_directory(self) -> None:
        import fcntl

        hint = "Give a directory that this user can write, with --state or appliance.state_dir"
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CommandError(STATE, f"cannot write in {self.directory}: {error.strerror}", hint) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            self._lock = None
            cause = f"another headgate is using {self.directory}"
            raise CommandError(STATE, cause, "Stop it, or give this one its own directory with --state") from None

    def _write_boot(self) -> None:
        for make_room in (self._reserve.release, self._shrink_log, None):
            try:
                boot.write(self.directory, self.identity.appliance, self.identity.boot)
                return
            except OSError as error:
                full = schema.is_full(error)
                if full and make_room is not None:
                    make_room()
                    continue
                cause = f"cannot write {self.directory / boot.FILE}: {error.strerror}"
                hint = "Free some space" if full else "Put that right"
                raise CommandError(STATE, cause, f"{hint}: without it message ids could come twice") from error

    def _remembered(self) -> tuple[str, int] | None:
        appliance, count = self._connection.execute("SELECT appliance, boot FROM ledger").fetchone()
        return (appliance, count) if count > 0 and is_name(appliance) else None

    def _remember(self) -> None:
        with self._transaction() as database:
            database.execute("UPDATE ledger SET appliance = ?, boot = ?", (self.identity.appliance, self.identity.boot))

    def close(self) -> None:
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._save_wear()
            self._disconnect()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._database is None:
            raise StorageFailed("the database is not open")
        return self._database

    def _connect(self) -> None:
        outbox_rescue.finish_replacement(self.path)
        new = not self.path.exists()
        try:
            database = schema.connect(self.path)
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.Error) and schema.is_damage(error):
                raise
            if not self._reserve.release():  # a full disk: SQLite needs some room even to open
                raise
            database = schema.connect(self.path)
        self._database = database
        if new:
            atomic_file.sync(self.directory)
        found = self.path.stat()
        self._inode = (found.st_dev, found.st_ino)
        # The reserve has to cover the log that is not written back yet, and the next transaction; see _delete_only.
        reserve = self._reserve.size()[0]
        pages = max(min(limits.OUTBOX_WAL_PAGES, reserve // schema.PAGE // 2), 8)
        database.execute(f"PRAGMA wal_autocheckpoint={pages}")
        covered = (reserve - pages * schema.PAGE) // self._config.batch_bytes
        self.batches = max(min(self._config.commit_batches, covered), 1)
        self._load()
        self._reconcile()
        last = self._last_id()
        self._next_id = max(self._next_id, last + 1)  # an id given in this life never means another batch
        if self._replay_up_to is None:
            self._replay_up_to = last  # from an earlier life: may have been on its way when that ended
        if self.identity.boot:
            self._remember()
        self._reserve.fill()

    def _load(self) -> None:
        database = self._connection
        row = database.execute(f"SELECT {_LEDGER_SQL} FROM ledger").fetchone()  # noqa: S608  # constant
        if row is None or not all(isinstance(value, int) and value >= 0 for value in row):
            raise Damaged("the ledger is missing or senseless")
        self.ledger = Ledger(*row)
        self._loaded = True
        self._keys.load(database)
        query = "SELECT EXISTS(SELECT 1 FROM batch WHERE stored_s IS NULL)"
        self._unstamped = bool(database.execute(query).fetchone()[0])
        self._first_known = False

    def _reconcile(self) -> None:
        """A ledger that contradicts the batches (a repaired or edited file) is put right, and said."""
        if self.path.stat().st_size > limits.OUTBOX_CHECK_BYTES:
            return
        messages, size = self._connection.execute("SELECT messages, bytes FROM conservation").fetchone()
        if messages == 0 and size == 0:
            return
        ledger = self.ledger._replace(
            accepted=self.ledger.accepted + max(-messages, 0),
            dropped=self.ledger.dropped + max(messages, 0),
            stored_bytes=self.ledger.stored_bytes - size,
        )
        with self._transaction() as database:
            self._save(database, ledger)
        self.ledger = ledger
        self._log("error", f"the ledger was off by {messages} messages and {size} bytes; put right")

    def _last_id(self) -> int:
        return int(self._connection.execute("SELECT coalesce(max(id), 0) FROM batch").fetchone()[0])

    def _disconnect(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(sqlite3.Error):
                database.close()

    # -- what goes wrong

    def _guard(self, operation: Callable[..., _T], *arguments: Any) -> _T:
        """Run it; a damaged file is replaced and the operation tried once more."""
        try:
            return self._try(operation, *arguments)
        except Damaged as damage:
            reason = str(damage)
        try:
            self._replace(reason)
            return self._try(operation, *arguments)
        except Damaged as damage:
            raise StorageFailed(f"damaged again: {damage}") from damage

    def _try(self, operation: Callable[..., _T], *arguments: Any) -> _T:
        try:
            if self._database is None:
                self._connect()
            elif self._file_is_gone():
                raise Damaged("the database file was removed or replaced")
            return operation(*arguments)
        except sqlite3.Error as error:
            self._roll_back()
            if schema.is_damage(error):
                raise Damaged(str(error)) from error
            raise StorageFailed(str(error)) from error
        except OSError as error:
            self._roll_back()
            raise StorageFailed(str(error)) from error
        except UnicodeDecodeError as error:  # SQLite's own error text quotes the damage
            raise Damaged("text in it is not UTF-8") from error
        except (Damaged, StorageFailed):
            raise
        except Exception:  # a bug
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        """To the state of the last commit, in the file and in memory; else reconnect before the next try."""
        if self._database is None:
            return
        try:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._load()
        except (sqlite3.Error, Damaged):
            self._disconnect()

    def _file_is_gone(self) -> bool:
        try:
            found = os.stat(self._file)  # noqa: PTH116 - at each commit
        except OSError:
            return True
        return (found.st_dev, found.st_ino) != self._inode

    def _replace(self, reason: str) -> None:
        try:
            number = outbox_rescue.next_number(self.directory, self.ledger.quarantined)
            if self._database is not None and self._file_is_gone():
                self._making_room(partial(outbox_rescue.copy_out, self._database, self.path, self._note_progress))
                self._disconnect()
                rescued = "all messages were still in reach and are kept"
            else:
                self._disconnect()
                known = self.ledger if self._loaded else None
                rescued = self._making_room(
                    partial(outbox_rescue.rebuild, self.path, known, number, self._note_progress)
                )
            outbox_rescue.put_aside(self.path, number)
            while not self._reserve.fill() and outbox_rescue.give_up_oldest(self.directory, keep=1):
                pass  # without the reserve no message would be accepted
            self._connect()
            with self._transaction() as database:
                ledger = self.ledger._replace(quarantined=number)
                self._save(database, ledger)
            self.ledger = ledger
        except (sqlite3.Error, OSError) as error:
            self._roll_back()
            raise StorageFailed(f"cannot replace the damaged outbox: {error}") from error
        self._log("error", f"outbox was damaged ({reason}); now {schema.FILE}.corrupt-{number}; {rescued}")

    def _making_room(self, write: Callable[[], _T]) -> _T:
        """Write a fresh file; where the disk is full, once more without the reserve and without what was put aside."""
        while True:
            try:
                return write()
            except (sqlite3.Error, OSError) as error:  # a full disk also is why a file cannot be made (SQLITE_CANTOPEN)
                if not self._reserve.release() and not (
                    schema.is_full(error) and outbox_rescue.give_up_oldest(self.directory)
                ):
                    raise

    def _note_progress(self) -> None:
        self.progress_s = time.monotonic()

    # -- a disk that is nearly full

    def _settle_when_low(self) -> None:
        """On a disk that is nearly full, write the log back after each commit: the file then grows while it can, and
        what the reserve has to cover is one transaction."""
        if self._reserve.low:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def _shrink_log(self) -> None:
        """What a power cut left of it takes no room once it is written back, if the file has room inside for that."""
        with contextlib.suppress(sqlite3.Error, StorageFailed):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _room_inside(self) -> int:
        database = self._connection
        return int(database.execute("PRAGMA freelist_count").fetchone()[0]) * schema.PAGE

    # -- transactions

    def _transaction(self) -> sqlite3.Connection:
        """Begun; as a context it is committed, or rolled back by an exception."""
        database = self._connection
        database.execute("BEGIN IMMEDIATE")
        return database

    def commit(self, work: Work) -> Committed:
        """All of it or nothing. On a full disk deletions go through alone, with the help of the reserve."""
        try:
            return self._guard(self._commit, work)
        except StorageFailed:
            if not (work.delivered or work.shrunk):
                raise
            self._guard(self._delete_only, work)
            if work.taken:
                raise
            return Committed((), self.ledger, self._guard(self._oldest))

    def _delete_only(self, work: Work) -> None:
        self._reserve.release()
        # Write the log back first: then the deletions start it anew, in space it has already.
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        self._commit(work._replace(taken=()), stamp=False)

    def _commit(self, work: Work, *, stamp: bool = True) -> Committed:
        # Without a reserve new messages may only use what the file has inside: the disk's last bytes are for deleting.
        most = len(work.taken) * self._config.batch_bytes
        if work.taken and not self._reserve.is_there() and self._room_inside() < 2 * most:
            raise StorageFailed("disk full, and the reserve for deleting is in use")
        with self._transaction() as database:
            ledger, outcomes = self.ledger, list[dict[int, Outcome]]()
            unstamped, after, goes_on = self._unstamped, self._ahead_after, False
            if work.trusted and self._latest_s > work.now_s + limits.CLOCK_SLACK_S:
                after = 0
            if stamp and work.trusted and (unstamped or after is not None):
                most = max(self.batches - len(work.taken), 1)
                if self._reserve.low:  # on a disk that is nearly full alone: the rest may fit where both do not
                    most = int(not (work.taken or work.delivered or work.shrunk))
                unstamped, after = self._stamp(database, work.now_s, most, after)
                goes_on = unstamped or after is not None
            for identity in work.delivered:
                records, size = self._delete(database, identity)
                ledger = ledger._replace(delivered=ledger.delivered + records, stored_bytes=ledger.stored_bytes - size)
            for identity, rest in work.shrunk:
                ledger = self._shrink(database, identity, rest, ledger)
            for taken in work.taken:
                known, ledger = self._append(database, taken, work.now_s if work.trusted else None, ledger)
                outcomes.append(known)
            if work.trusted:
                ledger, more = self._expire(database, work, ledger)
                goes_on = goes_on or more
            if self._config.when_full == DROP_OLDEST:
                ledger = self._drop(database, work.busy, ledger)
            ledger = self._wear.update(ledger)
            if ledger != self.ledger:
                self._save(database, ledger)
            oldest = self._oldest()
        self.ledger = ledger
        if work.taken:
            self._settle_when_low()
        if work.trusted:
            self._latest_s = work.now_s
        self._ahead_after = after
        self._unstamped = unstamped or bool(work.taken and not work.trusted)
        return Committed(outcomes, ledger, oldest, goes_on)

    def _stamp(self, database: sqlite3.Connection, now_s: int, most: int, after: int | None) -> tuple[bool, int | None]:
        """The age of what came before the clock was trusted counts from now on; and of what a clock that was set back
        stamped with a later time: what is behind it would neither expire nor be sent. A few batches at a time, for each
        is written anew as a whole: all of them, after days without a network, would be a transaction as large as the
        file. -> whether there may be more of the former; `_ahead_after`."""
        found = database.execute("SELECT id FROM batch WHERE stored_s IS NULL ORDER BY id LIMIT ?", (most,)).fetchall()
        unstamped = len(found) == most
        if after is not None and not unstamped:
            looked = 0
            query = "SELECT id, stored_s FROM batch WHERE id > ? ORDER BY id LIMIT ?"
            for identity, stored_s in database.execute(query, (after, _LOOK)):
                looked, after = looked + 1, identity
                if stored_s is not None and _number(stored_s) > now_s + limits.CLOCK_SLACK_S:
                    found.append((identity,))
                    if len(found) == most:
                        break
            if looked < _LOOK and len(found) < most:
                after = None
        database.executemany("UPDATE batch SET stored_s = ? WHERE id = ?", [(now_s, identity) for (identity,) in found])
        self._first_known = False
        return unstamped, after

    def _append(
        self, database: sqlite3.Connection, taken: intake.Batch, stored_s: int | None, ledger: Ledger
    ) -> tuple[dict[int, Outcome], Ledger]:
        outcomes = self._known(database, taken)
        count = len(taken) - len(outcomes)
        if count == 0:
            return outcomes, ledger
        payload, streams = taken.totals(outcomes)
        identity = self.identity
        plain = self._plain
        codec, blob = encode_rows(
            identity.appliance, identity.boot, count, lambda head: taken.cbor(head, outcomes, plain)
        )
        # A bytearray: of bytes sqlite3 first asks for an adapter, in vain, which costs more than a copy.
        row = (self._next_id, count, stored_s, codec, checksum(blob), _json(streams), bytearray(blob))
        database.execute(_BATCH_INSERT, row)
        self._next_id += 1
        if ledger.stored == 0:
            self._first_known = False
        return outcomes, ledger._replace(
            accepted=ledger.accepted + count,
            stored_bytes=ledger.stored_bytes + len(blob),
            payload_bytes=ledger.payload_bytes + payload,
        )

    def _known(self, database: sqlite3.Connection, taken: intake.Batch) -> dict[int, Outcome]:
        """Those whose keys came before, in this batch or an earlier one. Remembers the others' keys."""
        outcomes: dict[int, Outcome] = {}
        keyed = taken.keyed()
        now_ms = time.monotonic_ns() // 1_000_000 if keyed else 0
        for index, seq, scope, body in keyed:
            seen = self._keys.seen(database, scope, now_ms)
            if seen is None:
                self._keys.add(database, scope, body, f"{self.identity.boot}.{seq}", now_ms)
            else:
                outcomes[index] = seen[0] if seen[1] == body else False
        return outcomes

    def _shrink(self, database: sqlite3.Connection, identity: int, rest: Batch, ledger: Ledger) -> Ledger:
        found = database.execute("SELECT records, length(blob) FROM batch WHERE id = ?", (identity,)).fetchone()
        if found is None:
            return ledger
        codec, blob = encode(rest)
        streams: dict[str, int] = {}
        for row in rest.rows:
            streams[row.stream] = streams.get(row.stream, 0) + 1
        database.execute(
            "UPDATE batch SET records = ?, codec = ?, crc = ?, streams = ?, blob = ? WHERE id = ?",
            (len(rest.rows), codec, checksum(blob), _json(streams), blob, identity),
        )
        return ledger._replace(
            delivered=ledger.delivered + found[0] - len(rest.rows),
            stored_bytes=ledger.stored_bytes + len(blob) - found[1],
        )

    def _delete(self, database: sqlite3.Connection, identity: int) -> tuple[int, int]:
        found = database.execute("SELECT records, length(blob) FROM batch WHERE id = ?", (identity,)).fetchone()
        if found is None:  # expired or dropped while it was on its way: counted then
            return 0, 0
        database.execute("DELETE FROM batch WHERE id = ?", (identity,))
        self._first_known = False
        return _number(found[0]), _number(found[1])

    def _expire(self, database: sqlite3.Connection, work: Work, ledger: Ledger) -> tuple[Ledger, bool]:
        """-> the ledger, whether there may be more."""
        if self._config.max_hours == 0:
            return ledger, False
        limit_s = self._limit_s(work.now_s)
        oldest_s = self._oldest()
        if oldest_s is None or oldest_s > limit_s:
            return ledger, False
        after = deleted = 0
        while deleted < limits.EXPIRE_BYTES:  # the next transaction goes on
            row = database.execute(
                "SELECT id, stored_s FROM batch WHERE id > ? ORDER BY id LIMIT 1", (after,)
            ).fetchone()
            if row is None or row[1] is None or _number(row[1]) > limit_s:
                break
            after = row[0]
            if after in work.busy:
                continue
            records, size = self._delete(database, after)
            deleted += size
            ledger = ledger._replace(expired=ledger.expired + records, stored_bytes=ledger.stored_bytes - size)
        return ledger, deleted >= limits.EXPIRE_BYTES

    def _limit_s(self, now_s: int) -> int:
        """What was stored then, or before, is too old."""
        return now_s - self._config.max_hours * 3600

    def _drop(self, database: sqlite3.Connection, busy: Collection[int], ledger: Ledger) -> Ledger:
        """The oldest first, those on their way last: they may arrive after all."""
        for spare_busy in (True, False):
            after = 0
            while ledger.stored_bytes > self._config.max_bytes:
                row = database.execute("SELECT min(id) FROM batch WHERE id > ?", (after,)).fetchone()
                if row[0] is None:
                    break
                after = row[0]
                if spare_busy and after in busy:
                    continue
                records, size = self._delete(database, after)
                ledger = ledger._replace(dropped=ledger.dropped + records, stored_bytes=ledger.stored_bytes - size)
        return ledger

    def _save(self, database: sqlite3.Connection, ledger: Ledger) -> None:
        database.execute(_LEDGER_UPDATE, ledger)

    def _save_wear(self) -> None:
        ledger = self._wear.update(self.ledger, now=True)
        if ledger != self.ledger:
            with self._transaction() as database:
                self._save(database, ledger)
            self.ledger = ledger

    def _oldest(self) -> int | None:
        """Unix s at which the first batch was stored; None: there is none, or that is not known."""
        if not self._first_known:
            row = self._connection.execute("SELECT stored_s FROM batch ORDER BY id LIMIT 1").fetchone()
            self._first_s = None if row is None or row[0] is None else _number(row[0])
            self._first_known = True
        return self._first_s

    # -- reading

    def fetch(self, after: int, busy: Collection[int], now_s: int, trusted: bool) -> Fetched:
        """The oldest batch with an id above `after` that is neither `busy` nor too old, its checksum verified. What is
        too old is expired first, if the disk allows; a damaged one is put aside and counted."""
        limit_s, goes_on = None, False
        if trusted and self._config.max_hours:
            limit_s = self._limit_s(now_s)
            due = Work((), (), (), busy, now_s, trusted)
            try:
                goes_on = self._guard(self._expire_due, due)
            except StorageFailed:  # to send a batch makes room on a full disk, and needs none to begin with
                with contextlib.suppress(StorageFailed):
                    self._guard(self._delete_only, due)
        return self._guard(self._fetch, after, busy, limit_s)._replace(goes_on=goes_on)

    def _expire_due(self, due: Work) -> bool:
        """Writes nothing when nothing is due. -> whether more may be."""
        return self.ledger.stored > 0 and self._commit(due, stamp=False).goes_on

    def _fetch(self, after: int, busy: Collection[int], limit_s: int | None) -> Fetched:
        while True:
            row = self._connection.execute(_NEXT_BATCH, (after, limit_s)).fetchone()
            if row is None:
                return Fetched(None, self.ledger, self._oldest())
            identity, records, codec, crc, blob = row
            _number(records)
            if identity in busy:
                after = identity
            elif isinstance(blob, bytes) and checksum(blob) == crc:
                batch = StoredBatch(identity, records, codec, blob, identity <= (self._replay_up_to or 0))
                return Fetched(batch, self.ledger, self._oldest())
            else:
                try:
                    self._put_batch_aside(identity, blob)
                except (sqlite3.Error, OSError) as error:
                    if not schema.is_full(error):
                        raise
                    after = identity  # those behind it make room

    def _put_batch_aside(self, identity: int, blob: object) -> None:
        """A flipped bit in one batch is no reason to give up the file."""
        number = outbox_rescue.next_number(self.directory, self.ledger.quarantined)
        target = self.directory / f"{schema.FILE}.corrupt-{number}-batch"
        content = blob if isinstance(blob, bytes) else repr(blob).encode()
        try:
            atomic_file.write(target, content)
        except OSError:  # on a full disk it would be in the way of all others
            if not self._reserve.release():
                raise
            atomic_file.write(target, content)
        try:
            with self._transaction() as database:
                records, size = self._delete(database, identity)
                ledger = self.ledger._replace(
                    dropped=self.ledger.dropped + records,
                    stored_bytes=self.ledger.stored_bytes - size,
                    quarantined=number,
                )
                self._save(database, ledger)
        except sqlite3.Error:  # it is still there: else each try would leave a copy
            target.unlink(missing_ok=True)
            raise
        self.ledger = ledger
        outbox_rescue.prune(self.directory)
        self._log("error", f"a stored batch was damaged; {records} messages put aside as {target.name}")


def _json(counts: Mapping[str, int]) -> str:
    return "{" + ",".join([f"{encode_basestring_ascii(name)}:{count}" for name, count in counts.items()]) + "}"


def _number(value: object) -> int:
    """A column that was written as an integer. SQLite returns what it finds."""
    if not isinstance(value, int):
        raise Damaged("a number is not a number")
    return value
