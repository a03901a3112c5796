"""Idempotency in the outbox: a key gives its first receipt again, for as long as it is remembered."""

# ruff: noqa: F811  # a fixture and its parameters have one name
from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from outbox_kit import BOUND_S, Clock, drain, folder, on_disk, opened, record, store, stored_ids, until  # noqa: F401

from headgate.core.problem import Problem
from headgate.linux import outbox_keys

HOUR = 3600


def test_a_key_gives_its_first_receipt_again(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            first, again = await store(outbox, record(1, key="k"), record(1, key="k"))  # in the same commit
            assert (first.replayed, again.replayed) == (False, True)
            assert again.seq == first.seq
        async with opened(folder) as outbox:  # and in a later life
            (later,) = await store(outbox, record(1, key="k"))
            assert (later.seq, later.replayed) == (first.seq, True)
            assert outbox.stats()["accepted"] == 1

    asyncio.run(scenario())


def test_a_key_with_another_body_is_refused_and_stores_nothing(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            await store(outbox, record(1, key="k"))
            with pytest.raises(Problem) as refused:
                await store(outbox, record(2, key="k"))
            assert (refused.value.status, refused.value.code) == (422, "idempotency_key_reused")
            assert on_disk(folder)["accepted"] == 1

    asyncio.run(scenario())


def test_keys_belong_to_a_client_and_a_stream(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            others = [
                record(1, key="k"),
                record(2, key="k", client="c2"),
                record(3, key="k", stream="other"),
                record(4, key="K"),
                record(5, key="k", client="c1w", stream="eather"),
            ]
            receipts = await store(outbox, *others)
            assert not any(receipt.replayed for receipt in receipts)

    asyncio.run(scenario())


def test_a_race_for_one_key_has_one_winner(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, batch_records=3) as outbox:
            tickets = [outbox.submit(record(n % 2, key="k"), True) for n in range(40)]
            results = await asyncio.gather(*[ticket.wait() for ticket in tickets], return_exceptions=True)
            receipts = [result for result in results if not isinstance(result, BaseException)]
            assert len({receipt.seq for receipt in receipts}) == 1
            assert sum(not receipt.replayed for receipt in receipts) == 1
            problems = [result for result in results if isinstance(result, Problem)]
            assert len(receipts) == len(problems) == 20
            assert on_disk(folder)["accepted"] == 1

    asyncio.run(scenario())


def test_a_key_on_a_memory_stream_is_decided_by_the_commit(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            first = outbox.submit(record(1, key="k"), False)
            assert first.receipt is None
            again = outbox.submit(record(1, key="k"), False)
            assert (await first.wait()).durability == "memory"
            assert (await again.wait()).seq == (await first.wait()).seq

    asyncio.run(scenario())


def test_the_oldest_keys_are_forgotten_first_and_the_rows_bounded(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, keys=32) as outbox:
            for n in range(100):
                outbox.submit(record(n, key=f"k{n}"), True)
            await store(outbox, record(100, key="k100"))
            (old,) = await store(outbox, record(0, key="k0"))
            assert not old.replayed
            (new,) = await store(outbox, record(99, key="k99"))
            assert new.replayed

    asyncio.run(scenario())


def test_keys_age_by_running_time(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The wall clock is not even asked: here it jumps by years, both ways."""
    uptime = time.monotonic_ns()

    async def scenario() -> None:
        nonlocal uptime
        clock = Clock()
        monkeypatch.setattr("headgate.linux.outbox_db.time.monotonic_ns", lambda: uptime)
        async with opened(folder, key_hours=24, clock=clock) as outbox:
            await store(outbox, record(1, key="k1"))
            for wall in (0, 4_000_000_000, clock.now_s):
                clock.now_s = wall
                uptime += 7 * HOUR * 10**9
                await store(outbox, record(wall, key=f"other-{wall}"))
                (again,) = await store(outbox, record(1, key="k1"))
                assert again.replayed
            uptime += 8 * HOUR * 10**9
            await store(outbox, record(9, key="turn"))
            (forgotten,) = await store(outbox, record(1, key="k1"))
            assert not forgotten.replayed

    asyncio.run(scenario())


def test_keys_age_where_none_is_new(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A device that uses one key again and again is alone with it: nothing else makes it forgotten."""
    uptime = time.monotonic_ns()

    async def scenario() -> None:
        nonlocal uptime
        monkeypatch.setattr("headgate.linux.outbox_db.time.monotonic_ns", lambda: uptime)
        async with opened(folder, key_hours=24) as outbox:
            replays = []
            for _ in range(14):
                (receipt,) = await store(outbox, record(1, key="k"))
                replays.append(receipt.replayed)
                uptime += 2 * HOUR * 10**9
            assert replays == [False] + [True] * 12 + [False]
            with pytest.raises(Problem):
                await store(outbox, record(2, key="k"))
            uptime += 26 * HOUR * 10**9
            (other,) = await store(outbox, record(2, key="k"))
            assert not other.replayed

    asyncio.run(scenario())


def test_scopes_cannot_be_shifted() -> None:
    assert outbox_keys.scope_of("ab", "c", "d") != outbox_keys.scope_of("a", "bc", "d")
