"""What does not fit any more, and what is too old: budgets, age, trust in the clock."""

# ruff: noqa: F811  # a fixture and its parameters have one name
from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from outbox_kit import (  # noqa: F401
    BOUND_S,
    Clock,
    drain,
    fill_until_refused,
    folder,
    on_disk,
    opened,
    record,
    store,
    stored_ids,
    until,
)

from headgate import limits
from headgate.core.problem import Problem
from headgate.linux import outbox_db
from headgate.linux.batch import decode
from headgate.linux.outbox import Outbox, OutboxConfig
from headgate.linux.outbox_types import Work

HOUR = 3600


# -- budget


def test_reject_refuses_with_retry_after_and_accepts_again_after_a_delivery(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, max_bytes=1000) as outbox:
            full = await fill_until_refused(outbox)
            assert (full.status, full.code) == (503, "outbox_full")
            assert dict(full.headers)[b"retry-after"].isdigit()
            ledger = on_disk(folder)
            assert ledger["stored_bytes"] <= 1000
            assert ledger["dropped"] == 0
            await drain(outbox)
            await store(outbox, record(1))

    asyncio.run(scenario())


def test_drop_oldest_keeps_the_newest_and_counts(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, max_bytes=1000, when_full="drop-oldest") as outbox:
            first = await asyncio.wait_for(_first_batch(outbox), BOUND_S)  # on its way while the others come
            for n in range(20):
                await store(outbox, record(n))
            ledger = on_disk(folder)
            assert ledger["accepted"] == 21
            assert ledger["dropped"] == 21 - ledger["stored"] > 0
            assert ledger["stored_bytes"] <= 1000
            await outbox.delivered(first)
            assert on_disk(folder)["delivered"] == 1
            assert [row.body for _, row, _ in await drain(outbox)][-1] == record(19).body

    asyncio.run(scenario())


async def _first_batch(outbox: Outbox) -> Any:
    await store(outbox, record(1000))
    return await outbox.next_batch()


def test_a_batch_dropped_while_on_its_way_is_counted_once(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, max_bytes=1, when_full="drop-oldest") as outbox:
            await store(outbox, record(1))
            ledger = on_disk(folder)
            assert (ledger["dropped"], ledger["stored"]) == (1, 0)
        async with opened(folder) as outbox:
            await store(outbox, record(2))
            batch = await outbox.next_batch()
            await asyncio.gather(outbox.delivered(batch), outbox.delivered(batch))
            await outbox.delivered(batch)
            assert on_disk(folder)["delivered"] == 1

    asyncio.run(scenario())


def test_the_buffer_in_memory_is_bounded(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, buffer_records=10) as outbox:
            tickets = [outbox.submit(record(n), True) for n in range(10)]
            with pytest.raises(Problem) as full:
                outbox.submit(record(11), True)
            assert full.value.status == 503
            await asyncio.gather(*[ticket.wait() for ticket in tickets])
            await store(outbox, record(11))
        async with opened(folder, buffer_bytes=1000) as outbox:
            with pytest.raises(Problem):
                outbox.submit(record(1, pad=1000), True)

    asyncio.run(scenario())


# -- age and clock trust


def test_messages_expire_by_the_trusted_clock_only(folder: Path) -> None:
    async def scenario() -> None:
        clock = Clock(0, "unset")
        async with opened(folder, max_hours=24, clock=clock) as outbox:
            await store(outbox, record(1))
            assert _stamps(folder) == [None]
            clock.now_s, clock.state = 4_000_000_000, "estimated"  # wrong by far, and not trusted
            await store(outbox, record(2))
            assert _stamps(folder) == [None, None]
            clock.now_s, clock.state = 1_764_000_000, "trusted"
            await store(outbox, record(3))
            assert _stamps(folder) == [1_764_000_000] * 3
            clock.now_s += 23 * HOUR
            await store(outbox, record(4))
            assert on_disk(folder)["expired"] == 0
            clock.now_s += 2 * HOUR
            batch = await outbox.next_batch()  # what is too old is not sent
            assert decode(batch.blob).rows[0].body == record(4).body
            ledger = on_disk(folder)
            assert (ledger["expired"], ledger["stored"]) == (3, 1)

    asyncio.run(scenario())


def test_after_days_without_a_clock_no_transaction_is_as_large_as_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To stamp a batch is to write it anew: it had been all of them at once, while everybody waited."""
    monkeypatch.setattr(limits, "DELIVERED_LINGER_MS", 1000)  # time to look

    async def scenario() -> None:
        clock = Clock(0, "unset")
        async with opened(folder, clock=clock) as outbox:
            for n in range(10):
                await store(outbox, record(n))
            clock.now_s, clock.state = 1_764_000_000, "trusted"
            await store(outbox, record(10))
            assert _stamps(folder).count(None) == 10 - (limits.COMMIT_BATCHES - 1)
            await until(lambda: None not in _stamps(folder))  # without another message

    asyncio.run(scenario())


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_was_set_forward_and_back(folder: Path, restarted: bool) -> None:
    """What was stored meanwhile had been in the way of all that came after: not sent, being too old, nor expired."""

    async def scenario() -> None:
        clock = Clock()
        then = clock.now_s
        async with opened(folder, max_hours=24, clock=clock) as outbox:
            await store(outbox, record(0))
            clock.now_s += 9000 * HOUR
            await store(outbox, record(1))  # the first one is too old by this clock, and goes
            await store(outbox, record(2))
            if not restarted:
                clock.now_s = then
                await store(outbox, record(3))
                assert _stamps(folder) == [then] * 3
        async with opened(folder, max_hours=24, clock=clock) as outbox:
            clock.now_s = then
            await store(outbox, record(4))
            assert set(_stamps(folder)) == {then}
            clock.now_s += 25 * HOUR
            await store(outbox, record(5))
            assert on_disk(folder)["stored"] == 1
            batch = await outbox.next_batch()
            assert decode(batch.blob).rows[0].body == record(5).body

    asyncio.run(scenario())


def test_after_the_clock_was_set_back_no_transaction_is_as_large_as_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DELIVERED_LINGER_MS", 1000)  # time to look

    async def scenario() -> None:
        clock = Clock()
        then = clock.now_s
        async with opened(folder, clock=clock) as outbox:
            clock.now_s += HOUR
            for n in range(10):
                await store(outbox, record(n))
            clock.now_s = then
            await store(outbox, record(10))
            assert _stamps(folder).count(then) == 1 + (limits.COMMIT_BATCHES - 1)
            await until(lambda: set(_stamps(folder)) == {then})  # without another message
            clock.now_s -= limits.CLOCK_SLACK_S  # no more than clocks may differ
            await store(outbox, record(11))
            assert _stamps(folder) == [then] * 11 + [clock.now_s]

    asyncio.run(scenario())


def test_a_restart_does_not_forget_what_is_still_to_be_stamped_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut amid it; or a clock that was not believed for as long as it was behind the floor."""
    monkeypatch.setattr(outbox_db, "_LOOK", 3)

    async def scenario() -> None:
        clock = Clock()
        then = clock.now_s
        async with opened(folder, clock=clock) as outbox:
            await store(outbox, record(0))
            clock.now_s += HOUR
            for n in range(1, 10):
                await store(outbox, record(n))
            clock.now_s = then
            await store(outbox, record(10))
            assert then + HOUR in _stamps(folder)
        async with opened(folder, clock=clock) as outbox:
            await store(outbox, record(11))
            await until(lambda: set(_stamps(folder)) == {then})
            clock.now_s += HOUR
            await store(outbox, record(12))
            clock.now_s, clock.state = then, "unset"
            await store(outbox, record(13))
        clock.state = "trusted"
        async with opened(folder, clock=clock) as outbox:
            await store(outbox, record(14))
            await until(lambda: set(_stamps(folder)) == {then})

    asyncio.run(scenario())


def test_no_commit_looks_at_the_whole_outbox_for_what_was_stamped_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow card that takes seconds, in which nothing is stored, and had been so for each few batches."""
    monkeypatch.setattr(outbox_db, "_LOOK", 5)
    looked: list[int] = []
    number = outbox_db._number

    def counted(value: object) -> int:
        looked.append(1)
        return number(value)

    monkeypatch.setattr(outbox_db, "_number", counted)
    now_s = Clock().now_s
    database = outbox_db.Database(folder, OutboxConfig())
    database.open("gate")
    try:
        rows = [(n, now_s if n < 20 else now_s + HOUR) for n in range(30)]
        insert = "INSERT INTO batch VALUES(?, 1, ?, 0, 0, '{}', x'')"
        database._connection.executemany(insert, [(100 + n, stamp) for n, stamp in rows])
        goes_on, commits = True, 0
        while goes_on:
            before = len(looked)
            goes_on = database.commit(Work((), (), (), frozenset(), now_s, True)).goes_on
            assert len(looked) - before <= 5 + 2  # and the first one's age, before and after
            commits += 1
        assert set(_stamps(folder)) == {now_s}
        assert commits <= 20 // 5 + 10 // (limits.COMMIT_BATCHES - 1) + 1
    finally:
        database.close()


def test_a_full_outbox_with_a_clock_that_was_set_back_takes_messages_when_what_it_has_is_too_old(folder: Path) -> None:
    """It refuses all, so that no commit would come by."""

    async def scenario() -> None:
        clock = Clock()
        then = clock.now_s
        clock.now_s += 9000 * HOUR
        async with opened(folder, max_bytes=1000, max_hours=24, clock=clock) as outbox:
            await fill_until_refused(outbox)
            clock.now_s = then
            with pytest.raises(Problem, match="outbox_full"):
                outbox.submit(record(1, pad=1000), True)
            await until(lambda: set(_stamps(folder)) == {then})

    asyncio.run(scenario())


def test_what_is_too_old_goes_a_part_at_a_time_and_is_not_sent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is deleted is read before: a whole budget of it would keep everybody waiting, and the watchdog."""
    monkeypatch.setattr(limits, "EXPIRE_BYTES", 1)
    monkeypatch.setattr(limits, "DELIVERED_LINGER_MS", 1000)  # time to look

    async def scenario() -> None:
        clock = Clock()
        async with opened(folder, max_hours=1, clock=clock) as outbox:
            for n in range(5):
                await store(outbox, record(n))
            clock.now_s += 2 * HOUR
            await store(outbox, record(5))
            assert on_disk(folder)["expired"] == 1
            batch = await outbox.next_batch()
            assert decode(batch.blob).rows[0].body == record(5).body
            await until(lambda: on_disk(folder)["expired"] >= 5)  # without another message

    asyncio.run(scenario())


def test_a_full_outbox_that_was_stored_without_a_clock_expires_as_a_whole(folder: Path) -> None:
    """A few batches had been stamped each time that others expired: for weeks nearly everything was refused."""

    async def scenario() -> None:
        clock = Clock(0, "unset")
        async with opened(folder, max_bytes=3000, max_hours=1, batch_records=1, clock=clock) as outbox:
            await fill_until_refused(outbox)
            clock.now_s, clock.state = 1_764_000_000, "trusted"
            with pytest.raises(Problem):
                outbox.submit(record(0, pad=900), True)
            await until(lambda: None not in _stamps(folder))
            clock.now_s += HOUR + 1
            with pytest.raises(Problem):
                outbox.submit(record(0, pad=900), True)
            await until(lambda: not outbox.stats()["stored"])

    asyncio.run(scenario())


def test_a_full_outbox_that_refuses_everything_still_expires(folder: Path) -> None:
    async def scenario() -> None:
        clock = Clock()
        async with opened(folder, max_bytes=1000, max_hours=1, clock=clock) as outbox:
            await fill_until_refused(outbox)
            clock.now_s += 2 * HOUR
            with pytest.raises(Problem):
                outbox.submit(record(0, pad=900), True)
            await until(lambda: not outbox.stats()["stored"])
            await store(outbox, record(1))
            assert on_disk(folder)["expired"] > 0

    asyncio.run(scenario())


def _stamps(folder: Path) -> list[int | None]:
    import sqlite3

    database = sqlite3.connect(folder / "outbox.db")
    try:
        return [row[0] for row in database.execute("SELECT stored_s FROM batch ORDER BY id")]
    finally:
        database.close()
