"""The outbox's database file: its tables, how it is opened, and what its errors mean.

One row per batch (linux/batch.py), the ledger, and the idempotency records. Everything an acknowledgement depends on
changes in one transaction.
"""

import errno
import sqlite3
from pathlib import Path
from urllib.parse import quote

from headgate import limits

FILE = "outbox.db"
APPLICATION_ID = 0x48474F42  # "HGOB", SQLite header offset 68
USER_VERSION = 1
PAGE = 4096
HEADER = b"SQLite format 3\0"

# batch.stored_s: Unix s of the commit, NULL while the clock was not trusted. `streams`: JSON {stream: messages}.
# ledger: messages, but *_bytes; `stored_bytes`: sum of the blobs; `written_bytes`: what SQLite wrote, 0 unless known.
# idempotency.gen: generations are forgotten as a whole; a key is looked up in each (see outbox_keys.py).
SCHEMA = """
CREATE TABLE batch(
  id INTEGER PRIMARY KEY, records INTEGER NOT NULL, stored_s INTEGER, codec INTEGER NOT NULL, crc INTEGER NOT NULL,
  streams TEXT NOT NULL, blob BLOB NOT NULL);
CREATE INDEX unstamped ON batch(id) WHERE stored_s IS NULL;
CREATE TABLE ledger(
  id INTEGER PRIMARY KEY CHECK(id = 1), appliance TEXT NOT NULL, boot INTEGER NOT NULL,
  accepted INTEGER NOT NULL DEFAULT 0, delivered INTEGER NOT NULL DEFAULT 0, expired INTEGER NOT NULL DEFAULT 0,
  dropped INTEGER NOT NULL DEFAULT 0, stored_bytes INTEGER NOT NULL DEFAULT 0, payload_bytes INTEGER NOT NULL DEFAULT 0,
  written_bytes INTEGER NOT NULL DEFAULT 0, quarantined INTEGER NOT NULL DEFAULT 0);
CREATE TABLE idempotency(
  gen INTEGER NOT NULL, scope BLOB NOT NULL, body BLOB NOT NULL, seq TEXT NOT NULL,
  PRIMARY KEY(gen, scope)) WITHOUT ROWID;
CREATE VIEW conservation AS SELECT
  accepted - delivered - expired - dropped - (SELECT coalesce(sum(records), 0) FROM batch) AS messages,
  stored_bytes - (SELECT coalesce(sum(length(blob)), 0) FROM batch) AS bytes FROM ledger;
"""
COLUMNS = (
    "SELECT id, records, stored_s, codec, crc, streams, blob FROM batch LIMIT 0",
    "SELECT appliance, boot, accepted, delivered, expired, dropped, stored_bytes, payload_bytes, written_bytes, "
    "quarantined FROM ledger LIMIT 0",
    "SELECT gen, scope, body, seq FROM idempotency LIMIT 0",
)
# Primary result codes of sqlite3.h
_CORRUPT = frozenset((11, 26))  # SQLITE_CORRUPT, SQLITE_NOTADB
_FULL = 13  # SQLITE_FULL
_SCHEMA = 1  # SQLITE_ERROR: "no such table" once the file is ours to begin with


class Damaged(Exception):
    """The file is corrupt, or not an outbox; it has to make way for a fresh one."""


class StorageFailed(Exception):
    """A transaction failed and left nothing behind. Disk full, I/O error, locked: it may work later."""


def primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error means the file and not the moment. Our statements are right: SQLITE_ERROR is a wrong schema."""
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return False
    return primary_code(error) in _CORRUPT or (
        isinstance(error, sqlite3.OperationalError) and primary_code(error) == _SCHEMA
    )


def is_full(error: Exception) -> bool:
    """Whether room on the disk would help."""
    if isinstance(error, sqlite3.Error):
        return primary_code(error) == _FULL
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def connect(path: Path) -> sqlite3.Connection:
    """Opens or creates the outbox for writing. Raises Damaged, sqlite3.Error, OSError."""
    _check_header(path)
    database = sqlite3.connect(path, timeout=5.0, isolation_level=None, cached_statements=32)
    try:
        _configure(database)
        _check_schema(database, path)
    except BaseException:
        database.close()
        raise
    return database


def connect_read_only(path: Path) -> sqlite3.Connection:
    """For looking at the file while the appliance writes it. Raises sqlite3.Error."""
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=5.0, isolation_level=None)


def _check_header(path: Path) -> None:
    """A foreign file is found before SQLite gets to touch it."""
    try:
        with path.open("rb") as file:
            start = file.read(len(HEADER))
    except FileNotFoundError:
        return
    if start and start != HEADER:
        raise Damaged("not a SQLite database")


def _configure(database: sqlite3.Connection) -> None:
    execute = database.execute
    execute(f"PRAGMA page_size={PAGE}")
    execute(f"PRAGMA cache_size=-{limits.OUTBOX_CACHE_KIB}")
    execute("PRAGMA temp_store=MEMORY")
    execute("PRAGMA secure_delete=OFF")  # Debian builds it on: zeros written over all that is deleted, twice the wear
    execute("PRAGMA trusted_schema=OFF")
    execute("PRAGMA cell_size_check=ON")
    execute("PRAGMA journal_mode=WAL").fetchone()  # where shared memory is missing it stays a rollback journal: as safe
    execute("PRAGMA synchronous=FULL")  # in WAL mode: fsync of the log in every commit
    execute(f"PRAGMA journal_size_limit={limits.OUTBOX_WAL_PAGES * PAGE * 2}")


def _check_schema(database: sqlite3.Connection, path: Path) -> None:
    objects = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    application = database.execute("PRAGMA application_id").fetchone()[0]
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if objects == 0 and application == 0:
        statements = SCHEMA.split(";\n")
        database.execute("BEGIN IMMEDIATE")
        for statement in statements:
            database.execute(statement)
        database.execute("INSERT INTO ledger(id, appliance, boot) VALUES(1, '', 0)")
        database.execute(f"PRAGMA application_id={APPLICATION_ID}")
        database.execute(f"PRAGMA user_version={USER_VERSION}")
        database.execute("COMMIT")
        return
    if application != APPLICATION_ID or version != USER_VERSION:
        raise Damaged(f"not an outbox of version {USER_VERSION}")
    for query in COLUMNS:
        database.execute(query)
    if path.stat().st_size <= limits.OUTBOX_CHECK_BYTES:
        verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise Damaged(str(verdict))
