"""Rows that do not come by submit, but from the native server, in the same intake: committed, released, refused."""

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
from headgate.linux import intake
from headgate.linux.batch import decode
from headgate.linux.outbox import Outbox, OutboxConfig

HOUR = 3600


class Waiters:
    """Stands where the server does: hears how rows end, and ends them."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.stored: list[tuple[list[int], Any]] = []
        self.failed: list[tuple[list[int], str, int]] = []
        self.heard = asyncio.Event()
        outbox.release, outbox.fail = self.release, self.fail

    def add(self, number: int, key: str | None = None, flags: int = intake.DURABLE) -> Any:
        row = record(number, key=key)
        now_ms = int(asyncio.get_running_loop().time() * 1000)
        added = self.outbox.intake.add(row.stream, row.client, row.body, row.ts_ms, now_ms, flags, row.key)
        self.outbox.note_rows()
        return added

    def release(self, batch: intake.Batch, outcomes: Any) -> None:
        self.stored.append((batch.seqs(), outcomes))
        batch.release()
        self.heard.set()

    def fail(self, batch: intake.Batch, code: str, _detail: str, retry_s: int) -> None:
        waiting = self.outbox.intake.take_waiting()
        self.failed.append((batch.seqs() + waiting.seqs(), code, retry_s))
        batch.give_back()
        waiting.release()
        self.heard.set()

    async def hear(self) -> None:
        await asyncio.wait_for(self.heard.wait(), BOUND_S)
        self.heard.clear()


def test_rows_of_others_are_committed_and_released(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            waiters = Waiters(outbox)
            assert [waiters.add(n) for n in range(3)] == [1, 2, 3]
            (receipt,) = await store(outbox, record(3))
            assert receipt.seq == "1.4"
            assert waiters.stored == [([1, 2, 3, 4], None)]
            assert stored_ids(folder) == {f"{outbox.appliance}/1.{seq}" for seq in range(1, 5)}
            assert (outbox.intake.rows, outbox.intake.bytes, outbox.stats()["pending"]) == (0, 0, 0)

    asyncio.run(scenario())


def test_keys_of_all_rows_are_decided_in_one_commit(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            waiters = Waiters(outbox)
            waiters.add(0)
            waiters.add(1, "k")
            waiters.add(1, "k")
            waiters.add(2, "k")
            again, other = outbox.submit(record(1, key="k"), True), outbox.submit(record(2, key="k"), True)
            assert ((await again.wait()).seq, (await again.wait()).replayed) == ("1.2", True)
            with pytest.raises(Problem) as refused:
                await other.wait()
            assert (refused.value.status, refused.value.code) == (422, "idempotency_key_reused")
            assert waiters.stored == [([1, 2, 3, 4, 5, 6], {2: "1.2", 3: False, 4: "1.2", 5: False})]
            ledger = on_disk(folder)
            assert (ledger["accepted"], ledger["payload_bytes"]) == (2, len(record(0).body) + len(record(1).body))
        async with opened(folder) as outbox:
            waiters = Waiters(outbox)
            waiters.add(1, "k")
            await waiters.hear()
            assert waiters.stored == [([1], {0: "1.2"})]

    asyncio.run(scenario())


def test_batches_nobody_waits_for_share_a_commit(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, batch_records=3, memory_linger_ms=60_000, linger_ms=60_000) as outbox:
            waiters = Waiters(outbox)
            for n in range(limits.COMMIT_BATCHES * 3):
                assert outbox.stats()["pending"] == n  # none is taken before there are so many
                waiters.add(n, flags=intake.PROMISED)
            await waiters.hear()
            assert waiters.stored == [([n, n + 1, n + 2], None) for n in (1, 4, 7, 10)]
            assert (outbox.stats()["commits"], outbox.intake.bytes) == (1, 0)
            got = [await asyncio.wait_for(outbox.next_batch(), BOUND_S) for _ in range(4)]
            assert [[row.seq for row in decode(batch.blob).rows] for batch in got] == [
                seqs for seqs, _ in waiters.stored
            ]

    asyncio.run(scenario())


def test_who_waits_waits_for_one_batch(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, batch_records=3, memory_linger_ms=60_000, linger_ms=60_000) as outbox:
            waiters = Waiters(outbox)
            for n in range(8):
                waiters.add(n, flags=intake.PROMISED)
            assert waiters.add(8) == 9
            while len(waiters.stored) < 3:
                await waiters.hear()
            assert waiters.stored == [([1, 2, 3], None), ([4, 5, 6], None), ([7, 8, 9], None)]
            assert outbox.stats()["commits"] == 3

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("options", "batches"),
    [
        ({}, limits.COMMIT_BATCHES),
        ({"batch_records": 1}, limits.COMMIT_BATCHES),
        ({"batch_records": 1000}, 2),  # as many again fit into the buffer
        ({"batch_records": 10_000}, 1),
        ({"batch_bytes": limits.COMMIT_BYTES // 2}, 2),
        ({"batch_bytes": 2 * limits.COMMIT_BYTES}, 1),
        ({"buffer_bytes": 2 * limits.BATCH_BYTES}, 1),
    ],
)
def test_a_transaction_is_bounded(options: dict[str, int], batches: int) -> None:
    assert OutboxConfig(**options).commit_batches == batches


def test_a_transaction_is_no_larger_than_the_reserve_covers(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(
            folder, batch_records=2, memory_linger_ms=60_000, reserve_bytes=4 * limits.BATCH_BYTES
        ) as outbox:
            waiters = Waiters(outbox)
            for n in range(4):
                waiters.add(n, flags=intake.PROMISED)
            await waiters.hear()
            assert [seqs for seqs, _ in waiters.stored] == [[1, 2], [3, 4]]
            assert outbox.stats()["commits"] == 1

    asyncio.run(scenario())


def test_a_key_counts_in_every_batch_of_a_transaction(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, batch_records=2, memory_linger_ms=60_000) as outbox:
            waiters = Waiters(outbox)
            for _ in range(8):
                waiters.add(1, "k", flags=intake.PROMISED)
            await waiters.hear()
            replays = {0: "1.1", 1: "1.1"}
            assert [outcomes for _, outcomes in waiters.stored] == [{1: "1.1"}, replays, replays, replays]
            ledger = on_disk(folder)
            assert (ledger["accepted"], ledger["stored"], outbox.stats()["commits"]) == (1, 1, 1)

    asyncio.run(scenario())


def test_rows_of_others_hear_that_the_disk_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with opened(folder, batch_records=3) as outbox:
            waiters = Waiters(outbox)
            with monkeypatch.context() as patch:
                patch.setattr("headgate.linux.outbox_db.encode_rows", lambda *_arguments: 1 // 0)
                waiters.add(0)
                waiters.add(1, flags=intake.PROMISED)
                ticket = outbox.submit(record(2), True)
                waiters.add(3)  # the next batch
                waiters.add(4, flags=intake.PROMISED)
                await waiters.hear()
                assert waiters.failed == [([1, 2, 3, 4], "storage_failed", 1)]
                with pytest.raises(Problem) as refused:
                    await ticket.wait()
                assert (refused.value.status, refused.value.code) == (503, "storage_failed")
            assert waiters.add(5)[0] == "storage_failed"
            assert (outbox.intake.rows, outbox.stats()["state"]) == (2, "failing")
        assert waiters.stored == [([2, 5], None)]  # the last chance: when it closes
        assert stored_ids(folder) == {f"{outbox.appliance}/1.2", f"{outbox.appliance}/1.5"}

    asyncio.run(scenario())


def test_rows_of_others_that_find_it_full_make_it_expire_the_old(folder: Path) -> None:
    async def scenario() -> None:
        clock = Clock()
        async with opened(folder, max_bytes=1000, max_hours=1, clock=clock) as outbox:
            await fill_until_refused(outbox)
            waiters = Waiters(outbox)
            clock.now_s += 2 * HOUR
            large = outbox.intake.add("weather", "c1", bytes(900), None, 0, intake.DURABLE)
            assert large == ("outbox_full", "the budget for undelivered messages is used up", 30)
            commits = outbox.stats()["commits"]
            outbox.note_rows()
            await until(lambda: outbox.stats()["commits"] != commits)
            assert waiters.stored == []
            assert on_disk(folder)["stored"] == 0
            assert isinstance(waiters.add(1), int)

    asyncio.run(scenario())
