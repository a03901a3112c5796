"""The outbox on a disk that is full or fails: nothing acknowledged is lost, and the service goes on."""

# ruff: noqa: F811  # a fixture and its parameters have one name
from __future__ import annotations

import asyncio
import contextlib
import random
import resource
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from outbox_kit import (  # noqa: F401
    BOUND_S,
    Clock,
    Log,
    drain,
    fill_up,
    folder,
    on_disk,
    opened,
    record,
    some,
    soon,
    store,
    stored_ids,
    until,
    until_stored,
)
from small_disk import small_disk

from headgate import limits
from headgate.core.problem import Problem
from headgate.linux import outbox_db
from headgate.linux.batch import decode
from headgate.linux.outbox import Outbox
from headgate.linux.outbox_schema import StorageFailed


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path, 2) as mounted:
        yield mounted


async def accept_until_full(outbox: Outbox, pad: int = 3000) -> list[str]:
    acked: list[str] = []
    async with asyncio.timeout(BOUND_S):
        while True:
            body = record(len(acked))
            body.body = random.Random(len(acked)).randbytes(pad)  # noqa: S311  # does not compress
            try:
                ticket = outbox.submit(body, True)
                acked.append((await ticket.wait()).seq)
            except Problem as refused:
                problem = refused
                break
    assert (problem.status, problem.code) == (503, "storage_failed")
    assert int(dict(problem.headers)[b"retry-after"]) >= 1
    return acked


@pytest.mark.usefixtures("soon")
def test_a_full_disk_refuses_and_loses_nothing_and_recovers(disk: Path) -> None:
    async def scenario() -> None:
        log = Log()
        state = disk / "state"
        async with opened(state, log=log) as outbox:
            first = (await store(outbox, record(1)))[0].seq
            ballast = fill_up(disk)
            acked = [first, *await accept_until_full(outbox)]
            promised = outbox.submit(record(7), False)  # a memory stream: answered, so it stays in memory
            assert promised.receipt is not None
            assert outbox.stats()["state"] == "failing"
            assert set(acked) <= {identity.partition("/")[2] for identity in stored_ids(state)}
            on_disk(state)
            ballast.unlink()
            (disk / "last").unlink(missing_ok=True)
            acked.append(await until_stored(outbox, 2))
            acked.append(promised.receipt.seq)
            await until(lambda: not outbox.stats()["pending"])
            assert outbox.stats()["state"] == "ok"
            got = {identity.partition("/")[2] for identity, _, _ in await drain(outbox)}
            assert got == set(acked)
            on_disk(state)
        assert any("storing failed" in text for text in log.errors())

    asyncio.run(scenario())


@pytest.mark.usefixtures("soon")
def test_deliveries_are_deleted_on_a_full_disk_and_make_room(disk: Path) -> None:
    async def scenario() -> None:
        state = disk / "state"
        async with opened(state, batch_bytes=40_000) as outbox:
            before = await some(outbox, 20)
            fill_up(disk)
            acked = before + await accept_until_full(outbox)
            got = {identity.partition("/")[2] for identity, _, _ in await drain(outbox)}
            assert got == set(acked)
            ledger = on_disk(state)
            assert (ledger["stored"], ledger["delivered"]) == (0, len(acked))
            # Still not a byte free on the disk, but the file has room inside.
            again = await until_stored(outbox, 5)
            assert {f"{outbox.appliance}/{again}"} == stored_ids(state)

    asyncio.run(scenario())


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("state", ["trusted", "unset"])
def test_what_is_old_does_not_hold_up_the_rest_on_a_full_disk(disk: Path, state: str) -> None:
    """To expire it, and to note when it was stored once the clock is trusted, is writing: before anything is read."""

    async def scenario() -> None:
        clock = Clock(state=state)
        async with opened(disk / "state", batch_bytes=40_000, max_hours=1, clock=clock) as outbox:
            await some(outbox, 20)
            clock.now_s += 1800
            await some(outbox, 6)
            fill_up(disk)
            await accept_until_full(outbox)
            clock.now_s += 1801
            clock.state = "trusted"
            await drain(outbox)
            ledger = on_disk(disk / "state")
            assert ledger["stored"] == 0
            assert ledger["expired"] == (20 if state == "trusted" else 0)
            assert ledger["delivered"] == ledger["accepted"] - ledger["expired"]

    asyncio.run(scenario())


@pytest.mark.usefixtures("soon")
def test_a_damaged_batch_does_not_hold_up_the_rest_on_a_full_disk(disk: Path) -> None:
    async def scenario() -> None:
        state = disk / "state"
        async with opened(state) as outbox:
            await some(outbox, 20)
            _damage_the_first_batch(state)
            fill_up(disk)
            got = await drain(outbox)
            ledger = on_disk(state)
            assert (ledger["stored"], ledger["delivered"]) == (0, len(got))
            assert ledger["dropped"] == 20 - len(got) > 0

    asyncio.run(scenario())


@pytest.mark.usefixtures("soon")
def test_a_damaged_batch_that_cannot_be_put_aside_waits(disk: Path) -> None:
    """The reserve is in use already."""

    async def scenario() -> None:
        state = disk / "state"
        async with opened(state, batch_bytes=40_000) as outbox:
            for _ in range(5):
                await some(outbox, 2)
            _damage_the_first_batch(state)
            (state / "outbox.reserve").unlink()
            fill_up(disk)
            for identity in range(2, 5):
                batch = await asyncio.wait_for(outbox.next_batch(), BOUND_S)
                assert batch.id == identity
                outbox.delivered_soon(batch)
            assert not list(state.glob("*.corrupt*"))

    asyncio.run(scenario())


def _damage_the_first_batch(state: Path) -> None:
    with contextlib.closing(sqlite3.connect(state / "outbox.db")) as database, database:
        database.execute("UPDATE batch SET crc = crc + 1 WHERE id = 1")


@pytest.mark.usefixtures("soon")
def test_a_start_on_a_full_disk_serves_what_it_can_and_recovers(disk: Path) -> None:
    async def scenario() -> None:
        state = disk / "state"
        async with opened(state) as outbox:
            before = await some(outbox, 3)
        ballast = fill_up(disk)
        async with opened(state) as outbox:
            ballast.unlink()
            await until_stored(outbox, 9)
            got = {identity.partition("/")[2] for identity, _, _ in await drain(outbox)}
            assert got > set(before)

    asyncio.run(scenario())


def test_a_start_after_a_power_cut_on_a_full_disk_has_room_for_its_number(disk: Path) -> None:
    """In the log that the cut left behind, once it is written back."""

    async def scenario() -> None:
        state, cut = disk / "state", disk / "cut"
        async with opened(state) as outbox:
            await some(outbox, 9)
            await drain(outbox)  # the file has room inside now
            before = await some(outbox, 3)
            shutil.copytree(state, cut)
        shutil.rmtree(state)
        (cut / "outbox.reserve").unlink(missing_ok=True)  # it was in use
        fill_up(disk)
        async with opened(cut) as outbox:
            assert outbox.boot == 2
            got = {identity.partition("/")[2] for identity, _, _ in await drain(outbox)}
            assert got == set(before)

    asyncio.run(scenario())


@pytest.mark.usefixtures("soon")
def test_a_file_size_limit_is_a_full_disk_too(folder: Path) -> None:
    """RLIMIT_FSIZE: works without root, and SQLite sees an I/O error instead of "full"."""

    async def scenario() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            async with opened(folder) as outbox:
                first = (await store(outbox, record(1)))[0].seq
                resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, hard))
                acked = [first, *await accept_until_full(outbox, 30_000)]
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
                acked.append(await until_stored(outbox, 2))
                assert set(acked) == {identity.partition("/")[2] for identity in stored_ids(folder)}
                on_disk(folder)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, previous)

    asyncio.run(scenario())


@pytest.mark.usefixtures("soon")
def test_a_bug_in_the_commit_is_not_an_acknowledgement(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            with monkeypatch.context() as patch:
                patch.setattr("headgate.linux.outbox_db.encode_rows", lambda *_arguments: 1 // 0)
                with pytest.raises(Problem) as refused:
                    await store(outbox, record(1))
                assert refused.value.status == 503
            await until_stored(outbox, 1)
            assert on_disk(folder)["accepted"] == 1
            assert outbox.stats()["corrupt"] == 0  # it is not the file's

    asyncio.run(scenario())


def promise(outbox: Outbox, numbers: range) -> list[str]:
    receipts = [outbox.submit(record(n), False).receipt for n in numbers]
    return [receipt.seq for receipt in receipts if receipt is not None]


def test_batches_of_a_transaction_fail_together_and_come_back_in_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OUTBOX_RETRY_MS", 500)  # time to look at what has failed, on a busy machine as well

    async def scenario() -> None:
        async with opened(folder, batch_records=2, memory_linger_ms=60_000) as outbox:
            encoded = outbox_db.encode_rows
            counts: list[int] = []

            def third_fails(appliance: str, boot: int, count: int, rows: Any) -> tuple[int, bytes]:
                counts.append(count)
                if len(counts) == 3:
                    raise OSError(5, "Input/output error")
                return encoded(appliance, boot, count, rows)

            monkeypatch.setattr(outbox_db, "encode_rows", third_fails)
            promised = promise(outbox, range(8))
            await until(lambda: outbox.stats()["failures"])
            assert on_disk(folder)["accepted"] == 0
            assert (counts, outbox.intake.rows, outbox.stats()["state"]) == ([2, 2, 2], 8, "failing")
            promised += promise(outbox, range(8, 10))  # behind those that came back
            got = [await asyncio.wait_for(outbox.next_batch(), BOUND_S) for _ in range(5)]
            # The failing disk got one batch to try; then as before.
            assert outbox.stats()["commits"] == 2
            assert counts == [2, 2, 2, *[2] * 5]
            rows = [row.seq for batch in got for row in decode(batch.blob).rows]
            assert [f"1.{seq}" for seq in rows] == promised
            assert on_disk(folder)["accepted"] == 10

    asyncio.run(scenario())


def test_a_disk_that_is_not_read_is_told_of_once(folder: Path, soon: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        log = Log()
        async with opened(folder, log=log) as outbox:
            await store(outbox, record(1))
            fetch, failed = outbox_db.Database.fetch, [0]

            def fails_at_first(database: outbox_db.Database, *arguments: Any) -> Any:
                failed[0] += 1
                if failed[0] <= 4:
                    raise StorageFailed("Input/output error")
                return fetch(database, *arguments)

            monkeypatch.setattr(outbox_db.Database, "fetch", fails_at_first)
            await asyncio.wait_for(outbox.next_batch(), BOUND_S)
            assert (failed[0], log.errors()) == (5, ["reading the outbox failed: Input/output error"])

    asyncio.run(scenario())
