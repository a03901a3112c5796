"""The outbox on a healthy disk: durability, order, handing out, the directory."""

# ruff: noqa: F811  # a fixture and its parameters have one name
from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from outbox_kit import BOUND_S, Clock, drain, folder, on_disk, opened, record, store, stored_ids, until  # noqa: F401

from headgate import limits
from headgate.core.problem import Problem
from headgate.errors import STATE, CommandError
from headgate.linux import intake
from headgate.linux.batch import Batch, decode
from headgate.linux.outbox import Outbox


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


def test_a_boot_count_that_cannot_be_written_is_no_full_disk(folder: Path) -> None:
    (folder / "boot").mkdir()
    with pytest.raises(CommandError, match="boot: it is no file") as refused:
        asyncio.run(_open_and_close(folder))
    assert refused.value.code == STATE
    assert "space" not in refused.value.next_step
    assert (folder / "outbox.reserve").exists()


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
