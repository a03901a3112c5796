"""Where received messages go: lines of JSON on standard output, or a SQLite database.

Both say after `flush` that what they were given is in its place; only then does the broker get its acknowledgement.
"""

import base64
import json
import os
import select
import sqlite3
import sys
import time
from pathlib import Path
from typing import BinaryIO, Protocol

from headgate.errors import MISSING, STATE, CommandError
from headgate.linux.uplink_messages import JSON, as_json
from headgate_host.receive_decode import Received
from headgate_host.receive_seen import Seen

_UNWRITTEN_MAX = 65536  # bytes of lines that wait for a flush
_PATIENCE_S = 5  # with a reader that reads nothing at all
APPLICATION_ID = 0x48475256  # "HGRV"
# `body`: TEXT for JSON, BLOB for anything else. `undecodable`: what could not be read, or came under an id that was
# taken by another message; acknowledged, so this is the only copy.
SCHEMA = """
CREATE TABLE IF NOT EXISTS messages(
  id TEXT NOT NULL UNIQUE, appliance TEXT NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL, stream TEXT NOT NULL,
  client TEXT NOT NULL, ts_ms INTEGER, content_type TEXT NOT NULL, body NOT NULL, trace TEXT,
  received_s INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS undecodable(
  received_s INTEGER NOT NULL, topic TEXT NOT NULL, reason TEXT NOT NULL, payload BLOB NOT NULL);
"""


class Stuck(Exception):
    """Whoever reads the output reads nothing (more), and we were asked to end."""


class Output(Protocol):
    def add(self, message: Received) -> bool:
        """False for a replay."""

    def add_undecodable(self, topic: str, payload: bytes, reason: str) -> None: ...

    def flush(self) -> None: ...

    def hurry(self) -> None:
        """From a signal handler: we are to end, and may give up with Stuck what nobody takes."""

    def close(self) -> None: ...


class Lines:
    """NDJSON. After `flush` the lines are with the operating system (a file, a pipe): a reader that dies with unread
    lines loses them, and replays are known only while this process lives. For more there is `Database`."""

    def __init__(self, out: BinaryIO | None = None) -> None:
        if out is None:
            if getattr(sys.stdout, "name", "") == os.devnull:  # what stands for one that is closed
                raise CommandError(MISSING, "standard output is closed", "Name where it goes, or --sqlite FILE")
            # Without a buffer of Python's, which would go on with what was given up when the interpreter ends.
            out = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
        self._out: BinaryIO = out
        self._unwritten = bytearray()
        self._hurried = False
        self._seen = Seen()

    def add(self, message: Received) -> bool:
        if not self._seen.add(message.appliance, message.boot, message.row.seq):
            return False
        self._add(line(message))
        return True

    def add_undecodable(self, topic: str, payload: bytes, reason: str) -> None:
        document = {"undecodable": reason, "topic": topic, "payload_b64": base64.b64encode(payload).decode()}
        self._add(json.dumps(document).encode() + b"\n")

    def _add(self, text: bytes) -> None:
        self._unwritten += text
        if len(self._unwritten) >= _UNWRITTEN_MAX:
            self.flush()

    def flush(self) -> None:
        unwritten, self._unwritten = self._unwritten, bytearray()
        try:
            while unwritten:  # in pieces there is room for: a slow reader is told from none, and a signal is heard
                if select.select([], [self._out], [], _PATIENCE_S)[1]:
                    del unwritten[: self._out.write(unwritten[: select.PIPE_BUF]) or 0]
                elif self._hurried:
                    raise Stuck
        except OSError as error:
            if self._hurried and isinstance(error, BrokenPipeError):  # Ctrl-C ends whoever reads as well
                raise Stuck from None
            next_step = "Nothing unwritten was acknowledged; the broker keeps it for this --client-id"
            raise CommandError(MISSING, f"cannot write the output: {error.strerror}", next_step) from None

    def hurry(self) -> None:
        self._hurried = True

    def close(self) -> None:
        self.flush()


class Database:
    """SQLite. After `flush` the messages are on disk; an id is stored once, whenever and from wherever it comes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._database = sqlite3.connect(path, isolation_level=None, timeout=30)
        except sqlite3.Error as error:
            raise self._unusable(error) from None
        try:
            self._prepare()
        except BaseException as error:
            self._database.close()
            if isinstance(error, sqlite3.Error):
                raise self._unusable(error) from None
            raise

    def _prepare(self) -> None:
        application = self._database.execute("PRAGMA application_id").fetchone()[0]
        objects = self._database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if application != APPLICATION_ID and objects:
            cause = f"{self._path} is a database of something else"
            raise CommandError(STATE, cause, "Name a new file, or one made by headgate receive")
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.executescript(SCHEMA)
        self._database.execute(f"PRAGMA application_id={APPLICATION_ID}")

    def _unusable(self, error: sqlite3.Error) -> CommandError:
        return CommandError(
            STATE,
            f"cannot store in {self._path}: {error}",
            "Nothing unstored was acknowledged; the broker keeps it for this --client-id",
        )

    def _execute(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        try:
            if not self._database.in_transaction and sql != "COMMIT":
                self._database.execute("BEGIN IMMEDIATE")
            return self._database.execute(sql, values)
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def add(self, message: Received) -> bool:
        body = _column(message)
        done = self._execute(
            "INSERT OR IGNORE INTO messages VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                message.id,
                message.appliance,
                message.boot,
                message.row.seq,
                message.row.stream,
                message.row.client,
                message.row.ts_ms,
                message.row.content_type,
                body,
                message.row.trace,
                int(time.time()),
            ),
        )
        if done.rowcount == 1:
            return True
        stored = self._execute("SELECT body FROM messages WHERE id = ?", (message.id,)).fetchone()[0]
        if stored != body:
            self.add_undecodable(message.id, message.row.body, "another message came before under this id")
        return False

    def add_undecodable(self, topic: str, payload: bytes, reason: str) -> None:
        self._execute("INSERT INTO undecodable VALUES(?, ?, ?, ?)", (int(time.time()), topic, reason, payload))

    def flush(self) -> None:
        if self._database.in_transaction:
            self._execute("COMMIT")

    def hurry(self) -> None:
        """A disk takes what it is given, or fails."""

    def close(self) -> None:
        self.flush()
        self._database.close()


def _column(message: Received) -> str | bytes:
    if message.row.content_type == JSON:
        try:
            return message.row.body.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return message.row.body


def line(message: Received) -> bytes:
    """One line. A JSON body stands in it with the sender's own digits; CBOR is shown as JSON; the rest as base64."""
    head: dict[str, object] = {
        "id": message.id,
        "appliance": message.appliance,
        "stream": message.row.stream,
        "client": message.row.client,
        "ts": message.row.ts_ms,
    }
    if message.row.trace is not None:
        head["trace"] = message.row.trace
    content_type, body = as_json(message.row.content_type, message.row.body)
    if content_type == JSON and _is_json(body):
        # Between tokens only: a JSON string holds no raw line break.
        text = body.replace(b"\r", b" ").replace(b"\n", b" ")
        return json.dumps(head, ensure_ascii=False).encode()[:-1] + b', "body": ' + text + b"}\n"
    head["content_type"] = message.row.content_type
    head["body_b64"] = base64.b64encode(message.row.body).decode()
    return json.dumps(head, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _no_constant(name: str) -> object:
    raise ValueError(name)
