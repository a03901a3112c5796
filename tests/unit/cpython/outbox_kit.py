"""What the outbox tests share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate import limits
from headgate.core.problem import Problem
from headgate.linux.batch import Row, decode
from headgate.linux.outbox import Outbox, OutboxConfig
from headgate.tasks.sink import Receipt, Record

BOUND_S = 20  # of any single wait: reached only when something is broken
QUIET_S = 0.3  # no batch for so long: there is none, or the machine is slow
PATIENCE = 10  # times that


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A fresh directory in memory where there is one: these tests commit often and fsync takes its time."""
    if not os.access("/dev/shm", os.W_OK):  # noqa: S108
        yield tmp_path
        return
    made = Path(tempfile.mkdtemp(prefix="headgate-test-", dir="/dev/shm"))
    yield made
    shutil.rmtree(made)


def record(
    number: int = 1, *, key: str | None = None, stream: str = "weather", client: str = "c1", pad: int = 0
) -> Record:
    body = b'{"n":%d%s}' % (number, b',"pad":"%s"' % (b"x" * pad) if pad else b"")
    return Record(stream, client, body, "application/json", 1_764_000_000_000 + number, key)


class Clock:
    """Settable stand-in for core.clock: -> (Unix s, state)."""

    def __init__(self, now_s: int = 1_764_000_000, state: str = "trusted") -> None:
        self.now_s = now_s
        self.state = state

    def __call__(self) -> tuple[int, str]:
        return self.now_s, self.state


async def until(condition: Callable[[], object]) -> None:
    """Where nothing tells when it is so."""
    async with asyncio.timeout(BOUND_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def opened(folder: Path, **options: Any) -> AsyncIterator[Outbox]:
    """`options`: fields of OutboxConfig, and clock, appliance, log of Outbox.open."""
    own = {name: options.pop(name) for name in ("clock", "appliance", "log") if name in options}
    own.setdefault("clock", Clock())
    outbox = await Outbox.open(folder, OutboxConfig(**options), **own)
    try:
        yield outbox
    finally:
        await asyncio.wait_for(outbox.close(), BOUND_S)


async def store(outbox: Outbox, *records: Record) -> list[Receipt]:
    """Durable, in one go."""
    tickets = [outbox.submit(item, True) for item in records]
    return [await asyncio.wait_for(ticket.wait(), BOUND_S) for ticket in tickets]


async def drain(outbox: Outbox) -> list[tuple[str, Row, bool]]:
    """Deliver all there is: (message id, row, replay)."""
    out: list[tuple[str, Row, bool]] = []
    deletions = []
    quiet = 0
    async with asyncio.timeout(BOUND_S):
        while quiet < PATIENCE:
            try:
                stored = await asyncio.wait_for(outbox.next_batch(), QUIET_S)
            except TimeoutError:
                if int(outbox.stats()["stored"] or 0) <= len(out):
                    break
                quiet += 1
                continue
            batch = decode(stored.blob)
            out.extend((batch.message_id(row), row, stored.replay) for row in batch.rows)
            deletions.append(outbox.delivered_soon(stored))
        await asyncio.gather(*deletions)
    return out


def on_disk(folder: Path) -> dict[str, int]:
    """The ledger as a SELECT sees it; the view says by how many messages and bytes it is off."""
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'outbox.db'}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        ledger = dict(database.execute("SELECT * FROM ledger").fetchone())
        ledger["stored"] = database.execute("SELECT coalesce(sum(records), 0) FROM batch").fetchone()[0]
        off = database.execute("SELECT messages, bytes FROM conservation").fetchone()
        assert tuple(off) == (0, 0)
        return ledger


def stored_ids(folder: Path) -> set[str]:
    """Ids of all messages in the database file, read from outside."""
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'outbox.db'}?mode=ro", uri=True)) as database:
        batches = [decode(blob) for (blob,) in database.execute("SELECT blob FROM batch")]
    return {batch.message_id(row) for batch in batches for row in batch.rows}


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, level: str, text: str) -> None:
        self.lines.append((level, text))

    def errors(self) -> list[str]:
        return [text for level, text in self.lines if level == "error"]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failing commits are tried again quickly."""
    monkeypatch.setattr(limits, "OUTBOX_RETRY_MS", 20)
    monkeypatch.setattr(limits, "OUTBOX_RETRY_MAX_MS", 40)


async def until_stored(outbox: Outbox, number: int) -> str:
    """As a careful device does: the same message again until it is accepted."""
    async with asyncio.timeout(BOUND_S):
        while True:
            ticket = None
            with contextlib.suppress(Problem):
                ticket = outbox.submit(record(number, key=f"k{number}"), True)
                return (await ticket.wait()).seq
            if ticket is not None and ticket.problem is not None:
                assert ticket.problem.status == 503
            await asyncio.sleep(0.01)


async def some(outbox: Outbox, count: int) -> list[str]:
    sent = [record(n) for n in range(count)]
    for item in sent:
        item.body = random.Random(item.body).randbytes(20_000)  # noqa: S311
    return [receipt.seq for receipt in await store(outbox, *sent)]


async def fill_until_refused(outbox: Outbox) -> Problem:
    """Store until it is refused; -> the refusal."""
    for n in range(1000):
        try:
            await store(outbox, record(n))
        except Problem as problem:
            return problem
    raise AssertionError("never full")


def fill_up(disk: Path) -> Path:
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with contextlib.suppress(OSError), (disk / "last").open("wb", buffering=0) as file:
        while True:
            file.write(b"x")
    return ballast
