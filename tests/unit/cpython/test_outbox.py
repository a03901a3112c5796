"""The outbox on a healthy disk: durability, order, idempotency, budgets, ledger, clock trust."""

# ruff: noqa: F811  # a fixture and its parameters have one name
from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from outbox_kit import BOUND_S, Clock, drain, folder, on_disk, opened, record, store, stored_ids, until  # noqa: F401

from headgate import limits
from headgate.core.problem import Problem
from headgate.errors import STATE, CommandError
from headgate.linux import intake, outbox_keys
from headgate.linux.batch import Batch, decode
from headgate.linux.outbox import Outbox, OutboxConfig

HOUR = 3600


def test_a_receipt_means_on_disk(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            receipts = await store(outbox, *[record(n) for n in range(5)])
            ids = {f"{outbox.appliance}/{receipt.seq}" for receipt in receipts}
            assert len(ids) == 5
            assert {receipt.durability for receipt in receipts} == {"fsync"}
            assert stored_ids(folder) == ids  # read by another connection, before any close
            assert on_disk(folder)["accepted"] == 5

    asyncio.run(scenario())


def test_messages_of_one_moment_share_a_commit(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            await store(outbox, *[record(n) for n in range(300)])
            assert outbox.stats()["commits"] == 1

    asyncio.run(scenario())


def test_messages_of_one_turn_share_a_commit_without_linger_too(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, linger_ms=0) as outbox:
            await store(outbox, *[record(n) for n in range(5)])
            assert outbox.stats()["commits"] == 1
            await store(outbox, record(5))
            assert outbox.stats()["commits"] == 2

    asyncio.run(scenario())


def test_batches_close_by_count_and_by_bytes(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, batch_records=10, batch_bytes=2000) as outbox:
            await store(outbox, *[record(n) for n in range(25)])
            assert outbox.stats()["commits"] == 3
            await store(outbox, *[record(n, pad=900) for n in range(4)])
            assert outbox.stats()["commits"] == 5
            await store(outbox, record(1, pad=9000))  # larger than a batch may be: alone

    asyncio.run(scenario())


def test_what_comes_out_is_what_went_in_in_order(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, batch_records=7) as outbox:
            sent = [record(n, stream=f"s{n % 3}", client=f"c{n % 2}") for n in range(50)]
            sent[3].trace = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
            sent[4].ts_ms = None
            receipts = await store(outbox, *sent)
            got = await drain(outbox)
            assert [item[0] for item in got] == [f"{outbox.appliance}/{receipt.seq}" for receipt in receipts]
            for want, (_, row, replay) in zip(sent, got, strict=True):
                fields = (want.stream, want.client, want.ts_ms, want.content_type, want.body, want.trace)
                assert row[1:] == fields
                assert not replay
            ledger = on_disk(folder)
            assert (ledger["accepted"], ledger["delivered"], ledger["stored_bytes"]) == (50, 50, 0)

    asyncio.run(scenario())


def test_a_start_never_gives_a_number_again_and_marks_what_it_found(folder: Path) -> None:
    async def scenario() -> None:
        seen: set[str] = set()
        for start in range(1, 4):
            async with opened(folder) as outbox:
                assert outbox.boot == start
                await store(outbox, record(start))
                new = stored_ids(folder)
                assert len(new) == start
                assert new > seen
                seen = new
        async with opened(folder) as outbox:
            await store(outbox, record(4))
            assert [replay for _, _, replay in await drain(outbox)] == [True, True, True, False]

    asyncio.run(scenario())


@pytest.mark.parametrize("lost", ["boot", "outbox.db", "both"])
def test_ids_stay_unique_when_a_memory_is_lost(folder: Path, lost: str) -> None:
    async def scenario() -> None:
        notes: list[str] = []
        async with opened(folder, appliance="mill-7") as outbox:
            before = (await store(outbox, record(1)))[0].seq
        for name in ["boot", "outbox.db"] if lost == "both" else [lost]:
            (folder / name).unlink()
        async with opened(folder, appliance="mill-7", log=lambda _, text: notes.append(text)) as outbox:
            after = (await store(outbox, record(1)))[0].seq
            assert int(after.split(".")[0]) > int(before.split(".")[0])

    asyncio.run(scenario())


def test_memory_durability_answers_at_once_and_is_stored(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, memory_linger_ms=1) as outbox:
            ticket = outbox.submit(record(1), False)
            assert ticket.receipt is not None
            assert ticket.receipt.durability == "memory"
            batch = await asyncio.wait_for(outbox.next_batch(), BOUND_S)
            assert decode(batch.blob).rows[0].seq == int(ticket.receipt.seq.split(".")[1])

    asyncio.run(scenario())


def test_when_the_disk_is_behind_nothing_is_promised(folder: Path) -> None:
    """What comes to a crowded intake waits for its commit, which does not linger."""

    async def scenario() -> None:
        async with opened(folder, buffer_records=4, memory_linger_ms=60_000, linger_ms=60_000) as outbox:
            tickets = [outbox.submit(record(n), False) for n in range(4)]
            assert [ticket.receipt is not None for ticket in tickets] == [True, True, True, False]
            with pytest.raises(Problem, match="too many messages wait for the disk"):
                outbox.submit(record(4), False)
            receipt = await asyncio.wait_for(tickets[3].wait(), BOUND_S)
            assert (receipt.seq, receipt.durability) == (f"{outbox.boot}.4", "memory")
            assert outbox.submit(record(4), False).receipt is not None
        assert on_disk(folder)["accepted"] == 5

    asyncio.run(scenario())


def test_a_disk_that_is_behind_gets_large_transactions_though_somebody_waits(folder: Path) -> None:
    """One batch at a time would keep it behind."""

    async def scenario() -> None:
        async with opened(folder, buffer_records=8, batch_records=2, memory_linger_ms=60_000) as outbox:
            outbox._database.batches = 4  # with so small a buffer they would be fewer
            commits = outbox.stats()["commits"]
            tickets = [outbox.submit(record(n), False) for n in range(8)]
            assert [ticket.receipt is None for ticket in tickets] == [False] * 6 + [True] * 2
            await asyncio.wait_for(tickets[7].wait(), BOUND_S)
            assert outbox.stats()["commits"] == commits + 1

    asyncio.run(scenario())


def test_a_group_that_is_complete_does_not_linger(folder: Path) -> None:
    """The native server counts who is expected. Of tickets it knows nothing: they linger."""

    async def scenario() -> None:
        async with opened(folder, memory_linger_ms=60_000, linger_ms=60_000) as outbox:
            released = asyncio.Event()

            def release(batch: Any, _outcomes: object) -> None:
                batch.release()
                released.set()

            def note_group() -> None:
                for _ in range(limits.GATHERED_ROWS):
                    outbox.intake.add("weather", "c1", b"{}", None, outbox._now_ms(), intake.DURABLE)
                if isinstance(outbox.intake, intake.Intake):
                    outbox.intake.gathered = True
                outbox.note_rows()

            outbox.release = release
            note_group()
            await asyncio.wait_for(released.wait(), BOUND_S)
            ticket = outbox.submit(record(1), True)
            note_group()
            assert outbox.stats()["pending"] == limits.GATHERED_ROWS + 1
        assert (await ticket.wait()).durability == "fsync"
        assert on_disk(folder)["accepted"] == 2 * limits.GATHERED_ROWS + 1

    asyncio.run(scenario())


def test_closing_stores_what_waits(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, memory_linger_ms=60_000, linger_ms=60_000) as outbox:
            memory = outbox.submit(record(1), False)
            durable = outbox.submit(record(2), True)
        assert memory.receipt is not None
        receipt = await durable.wait()
        ids = {f"{outbox.appliance}/{seq}" for seq in (memory.receipt.seq, receipt.seq)}
        assert stored_ids(folder) == ids
        with pytest.raises(Problem) as refused:
            outbox.submit(record(3), True)
        assert refused.value.code == "draining"

    asyncio.run(scenario())


def test_the_age_of_the_oldest_follows_what_is_stored(folder: Path) -> None:
    async def scenario() -> None:
        clock = Clock()

        async def stored_after(seconds: int, number: int) -> object:
            clock.now_s += seconds
            await store(outbox, record(number))
            return outbox.stats()["oldest_s"]

        async with opened(folder, clock=clock) as outbox:
            assert outbox.stats()["oldest_s"] is None
            assert [await stored_after(100, n) for n in range(3)] == [0, 100, 200]
            for age in (100, 0, None):
                await outbox.delivered(await outbox.next_batch())
                assert outbox.stats()["oldest_s"] == age
            assert [await stored_after(10, n) for n in range(2)] == [0, 10]
        clock.state = "unset"
        async with opened(folder, clock=clock) as outbox:
            await store(outbox, record(9))  # its time is not known yet
            await outbox.delivered(await outbox.next_batch())
            await outbox.delivered(await outbox.next_batch())
            clock.state = "trusted"
            assert outbox.stats()["oldest_s"] is None
            assert await stored_after(50, 10) == 0  # and is now that of the commit that learned it
            assert await stored_after(50, 11) == 50

    asyncio.run(scenario())


# -- idempotency


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


def test_scopes_cannot_be_shifted() -> None:
    assert outbox_keys.scope_of("ab", "c", "d") != outbox_keys.scope_of("a", "bc", "d")


# -- rows that do not come by submit: those of the native server, in the same intake


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
            await _fill(outbox)
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


# -- budget


def test_reject_refuses_with_retry_after_and_accepts_again_after_a_delivery(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, max_bytes=1000) as outbox:
            full = await _fill(outbox)
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


async def _fill(outbox: Outbox) -> Problem:
    """Store until it is refused; -> the refusal."""
    for n in range(1000):
        try:
            await store(outbox, record(n))
        except Problem as problem:
            return problem
    raise AssertionError("never full")


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
            await _fill(outbox)
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
            await _fill(outbox)
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


# -- handing out


def test_given_back_batches_come_again_marked_and_in_order(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, batch_records=1) as outbox:
            await store(outbox, *[record(n) for n in range(4)])
            first, second, third = [await outbox.next_batch() for _ in range(3)]
            assert [batch.replay for batch in (first, second, third)] == [False] * 3
            outbox.give_back(second)
            outbox.give_back(first)
            again = [await outbox.next_batch() for _ in range(3)]
            assert [batch.id for batch in again] == [first.id, second.id, third.id + 1]
            assert [batch.replay for batch in again] == [True, True, False]

    asyncio.run(scenario())


def test_deferred_batches_wait_until_offered(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, batch_records=1) as outbox:
            await store(outbox, record(1), record(2))
            first = await outbox.next_batch()
            outbox.defer(first)
            second = await outbox.next_batch()
            assert second.id != first.id
            waiting = asyncio.create_task(outbox.next_batch())
            await outbox.delivered(second)
            assert not waiting.done()
            outbox.offer_deferred()
            again = await asyncio.wait_for(waiting, BOUND_S)
            assert (again.id, again.replay) == (first.id, True)

    asyncio.run(scenario())


@pytest.mark.parametrize("way", ["given back", "offered", "a part"])
def test_what_is_offered_while_another_is_fetched_is_not_forgotten(folder: Path, way: str) -> None:
    async def scenario() -> None:
        async with opened(folder, batch_records=2) as outbox:
            await store(outbox, *[record(n) for n in range(6)])
            first = await outbox.next_batch()
            outbox.give_back(first)  # so that the search begins where it began before
            first = await outbox.next_batch()
            if way == "offered":
                outbox.defer(first)
            done = None
            if way == "a part":
                rest = decode(first.blob)
                done = outbox.delivered_part_soon(first, rest._replace(rows=rest.rows[1:]), offer=True)
                await asyncio.sleep(limits.DELIVERED_LINGER_MS / 1000)
            fetch = asyncio.create_task(outbox.next_batch())
            await asyncio.sleep(0)
            if way == "given back":
                outbox.give_back(first)
            elif way == "offered":
                outbox.offer_deferred()
            found = {(await fetch).id}
            if done is not None:
                await done
            found |= {(await asyncio.wait_for(outbox.next_batch(), BOUND_S)).id for _ in range(2)}
            assert found == {1, 2, 3}

    asyncio.run(scenario())


def test_a_part_of_a_batch_is_delivered(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            await store(outbox, *[record(n) for n in range(10)])
            stored = await outbox.next_batch()
            batch = decode(stored.blob)
            rest = Batch(batch.appliance, batch.boot, batch.rows[3:5])
            await outbox.delivered_part(stored, rest)
            ledger = on_disk(folder)
            assert (ledger["delivered"], ledger["stored"]) == (8, 2)
            outbox.offer_deferred()
            again = await asyncio.wait_for(outbox.next_batch(), BOUND_S)
            assert decode(again.blob) == rest
            assert again.replay

    asyncio.run(scenario())


def test_next_batch_waits_without_polling(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            waiting = asyncio.create_task(outbox.next_batch())
            for _ in range(5):
                await asyncio.sleep(0)
            await store(outbox, record(1))
            assert (await asyncio.wait_for(waiting, BOUND_S)).records == 1

    asyncio.run(scenario())


def test_idle_means_no_timer(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []
        call_at = loop.call_at

        def noted(*arguments: Any, **options: Any) -> asyncio.TimerHandle:
            timers.append(call_at(*arguments, **options))
            return timers[-1]

        monkeypatch.setattr(loop, "call_at", noted)
        outbox = await Outbox.open(folder)
        (ticket,) = [outbox.submit(record(1), True)]
        await ticket.wait()
        await outbox.delivered(await outbox.next_batch())
        waiting = asyncio.create_task(outbox.next_batch())
        for _ in range(20):
            await asyncio.sleep(0)
        assert timers
        assert [timer for timer in timers if not timer.cancelled() and timer.when() > loop.time()] == []
        assert not waiting.done()
        waiting.cancel()
        await outbox.close()

    asyncio.run(scenario())


# -- the directory


def test_a_directory_that_cannot_be_used_is_a_clear_error(folder: Path) -> None:
    (folder / "file").write_text("not a directory")
    with pytest.raises(CommandError) as refused:
        asyncio.run(_open_and_close(folder / "file" / "state"))
    assert refused.value.code == STATE
    assert "--state" in refused.value.next_step


async def _open_and_close(folder: Path) -> None:
    async with opened(folder):
        pass


def test_two_appliances_cannot_share_a_directory(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder):
            with pytest.raises(CommandError) as refused:
                await _open_and_close(folder)
            assert refused.value.code == STATE
            assert "another headgate" in refused.value.cause
        await _open_and_close(folder)

    asyncio.run(scenario())


def test_the_file_stays_as_large_as_it_was_once(folder: Path) -> None:
    """Pages of delivered batches are used again; the log is cut."""

    async def scenario() -> None:
        async with opened(folder, batch_bytes=100_000) as outbox:
            sizes = []
            for _ in range(8):
                await store(outbox, *[record(n, pad=20_000) for n in range(60)])
                await drain(outbox)
                sizes.append(_bytes_on_disk(folder))
            assert max(sizes[4:]) <= max(sizes[:4]) * 1.1, sizes
            stats = outbox.stats()
            assert stats["payload_bytes"] > 0

    asyncio.run(scenario())


def _bytes_on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("outbox.db*"))
