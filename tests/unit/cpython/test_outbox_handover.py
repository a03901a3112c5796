"""Batches that the native server hands to the outbox's thread: without the event loop, until that is needed."""

# ruff: noqa: F811  # a fixture and its parameters have one name
from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from commit_server import CommitServer, add_rows
from outbox_kit import BOUND_S, folder, on_disk, opened, record, store, stored_ids  # noqa: F401

from headgate import limits
from headgate.linux import outbox_db
from headgate.linux.batch import decode
from headgate.linux.outbox import Outbox


async def begin(outbox: Outbox, server: CommitServer) -> None:
    """The first commit is the event loop's; after it the thread waits for what is handed over."""
    add_rows(outbox, 1)
    outbox.note_rows()
    await server.until_wanted()


async def hand(outbox: Outbox, server: CommitServer, rows: int, *, key: str | None = None) -> None:
    """... and its commit ends."""
    add_rows(outbox, rows, key=key)
    posted = len(server.posted)
    assert server.hand()
    await server.until(posted + 1)


def test_the_event_loop_is_not_told_until_it_wants_something(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            server = CommitServer(outbox)
            await begin(outbox, server)
            for rows in (2, 3):
                await hand(outbox, server, rows)
            assert server.posted == [(1, False), (2, False), (3, False)]
            assert on_disk(folder)["accepted"] == 6
            assert server.released == []
            assert (outbox.stats()["stored"], outbox.stats()["commits"]) == (6, 3)  # whoever looks hears of it
            assert outbox.intake.bytes == 0
            await store(outbox, record(1))  # a ticket: the order is recalled, and nobody is there to take
            assert not server.hand()
            assert outbox.stats()["accepted"] == 7
            await begin(outbox, server)  # a new order
            await hand(outbox, server, 4)
        assert on_disk(folder)["accepted"] == 12

    asyncio.run(scenario())


def test_a_ticket_is_not_handed_over_before_the_event_loop_looks(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            server = CommitServer(outbox)
            await begin(outbox, server)
            add_rows(outbox, 2)
            ticket = outbox.submit(record(1), True)
            assert not server.hand()  # the server serves before anything else of the event loop runs
            assert (await asyncio.wait_for(ticket.wait(), BOUND_S)).seq == "1.4"

    asyncio.run(scenario())


def test_the_event_loop_hears_in_bounded_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNHEARD_COMMITS", 3)

    async def scenario() -> None:
        async with opened(folder) as outbox:
            server = CommitServer(outbox)
            await begin(outbox, server)
            for _ in range(2):
                await hand(outbox, server, 1)
            assert [tell for _, tell in server.posted] == [False, False, True]
            async with asyncio.timeout(BOUND_S):
                while len(server.released) < 3:  # noqa: ASYNC110  # nothing tells when it is
                    await asyncio.sleep(0)
            await begin(outbox, server)  # it has looked, so the next one begins there
            await hand(outbox, server, 1)
            assert outbox.stats()["commits"] == 5

    asyncio.run(scenario())


def test_a_replay_is_for_the_event_loop_to_answer(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            server = CommitServer(outbox)
            await begin(outbox, server)
            await hand(outbox, server, 1, key="k")
            await hand(outbox, server, 1, key="k")
            assert server.posted[1:] == [(1, False), (0, True)]
            outbox.settle()
            assert server.released[-1] == (1, {0: "1.2"})
            assert not server.hand()  # out of the ordinary: the event loop decides about the next one
        assert on_disk(folder)["accepted"] == 2

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "error", [OSError(5, "Input/output error"), sqlite3.OperationalError("disk I/O error"), ValueError("a bug")]
)
def test_a_commit_that_fails_answers_503_and_stores_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            server = CommitServer(outbox)
            await begin(outbox, server)
            with monkeypatch.context() as patch:

                def fails(*_: Any) -> Any:
                    raise error

                patch.setattr(outbox_db, "encode_rows", fails)
                await hand(outbox, server, 5)
                await server.until_failed(1)
            assert server.posted[1:] == [(0, True)]
            assert server.failed == [(5, "storage_failed")]
            assert (outbox.stats()["state"], outbox.intake.bytes) == ("failing", 0)
            assert on_disk(folder)["accepted"] == 1
            assert not server.hand()
            refused = outbox.intake.add("weather", "c1", b"1", None, outbox._now_ms(), 1)
            assert isinstance(refused, tuple)
            assert refused[0] == "storage_failed"
            outbox.intake.refuse_until_ms = 0  # later
            await begin(outbox, server)
            await hand(outbox, server, 2)
            assert outbox.stats()["state"] == "ok"
        assert on_disk(folder)["accepted"] == 4

    asyncio.run(scenario())


def test_a_full_disk_loses_nothing_that_was_posted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RLIMIT_FSIZE: SQLite sees an I/O error, without root."""
    monkeypatch.setattr(outbox_db, "encode_rows", lambda _a, _b, _n, rows: (0, rows(b"")))  # plain: the file grows

    async def scenario() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            async with opened(folder) as outbox:
                server = CommitServer(outbox)
                await begin(outbox, server)
                resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
                while not server.failed:
                    await hand(outbox, server, 400)
                    if server.posted[-1] == (0, True):
                        await server.until_failed(1)
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
                acknowledged = sum(rows for rows, _ in server.posted)
                assert acknowledged > 400
                assert on_disk(folder)["accepted"] == acknowledged
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, previous)

    asyncio.run(scenario())


def test_closing_while_the_thread_waits(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            server = CommitServer(outbox)
            await begin(outbox, server)
            add_rows(outbox, 3)  # due, and not handed over: the event loop's last commit
            outbox.part()
        assert server.posted == [(1, False)]
        assert server.released == [(1, None), (3, None)]
        assert on_disk(folder)["accepted"] == 4

    asyncio.run(scenario())


def test_closing_during_a_commit_that_was_handed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        begun, go_on = threading.Event(), threading.Event()
        encoded = outbox_db.encode_rows
        async with opened(folder) as outbox:
            server = CommitServer(outbox)
            await begin(outbox, server)

            def encode(*arguments: Any) -> tuple[int, bytes]:
                begun.set()
                assert go_on.wait(BOUND_S)
                return encoded(*arguments)

            monkeypatch.setattr(outbox_db, "encode_rows", encode)
            add_rows(outbox, 2)
            assert server.hand()
            assert await asyncio.to_thread(begun.wait, BOUND_S)
            assert outbox.stalled(0) is not None  # the watchdog sees it
            outbox.part()
            asyncio.get_running_loop().call_soon(go_on.set)  # when it is closing
        assert server.released[1:] == [(2, None)]
        assert on_disk(folder)["accepted"] == 3

    asyncio.run(scenario())


def test_what_the_event_loop_wants_meanwhile_comes_next(folder: Path) -> None:
    """The uplink asks for a batch, and gives its deletion, while the thread waits for the server."""

    async def scenario() -> None:
        async with opened(folder) as outbox:
            server = CommitServer(outbox)
            await begin(outbox, server)
            await hand(outbox, server, 2)
            for rows in (1, 2):
                batch = await asyncio.wait_for(outbox.next_batch(), BOUND_S)
                assert len(decode(batch.blob).rows) == rows
                await asyncio.wait_for(outbox.delivered(batch), BOUND_S)
            consumer = asyncio.create_task(outbox.next_batch())  # there is none
            await asyncio.sleep(0)
            add_rows(outbox, 3)
            assert not server.hand()
            outbox.note_rows()
            batch = await asyncio.wait_for(consumer, BOUND_S)
            assert len(decode(batch.blob).rows) == 3
            assert outbox.stats()["delivered"] == 3

    asyncio.run(scenario())


def test_near_the_budget_the_event_loop_decides(folder: Path) -> None:
    """The intake refuses by what the event loop knows to be stored."""

    async def scenario() -> None:
        async with opened(folder, max_bytes=60_000, buffer_bytes=40_000, batch_bytes=10_000) as outbox:
            server = CommitServer(outbox)
            await begin(outbox, server)
            while server.posted[-1] != (0, True):
                await hand(outbox, server, 100)
            assert int(outbox.stats()["bytes"] or 0) + 50_000 > 60_000
            assert not server.hand()

    asyncio.run(scenario())


def test_without_memory_to_go_on_the_outbox_ends_and_says_so(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            server = CommitServer(outbox)
            server.error = MemoryError()
            add_rows(outbox, 2)
            outbox.note_rows()
            with pytest.raises(MemoryError):
                await asyncio.wait_for(outbox.watch(), BOUND_S)
            assert server.released == [(2, None)]  # stored, so it is answered
        assert len(stored_ids(folder)) == 2

    asyncio.run(scenario())


def test_a_server_that_cannot_be_told_ends_the_outbox(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not its thread, which `close` still needs."""

    async def scenario() -> None:
        async with opened(folder) as outbox:
            server = CommitServer(outbox)

            def fails(*_: Any) -> None:
                raise MemoryError

            monkeypatch.setattr(server, "post", fails)
            add_rows(outbox, 2)
            outbox.note_rows()
            with pytest.raises(MemoryError):
                await asyncio.wait_for(outbox.watch(), BOUND_S)
            assert server.released == [(2, None)]
            outbox.part()
        assert len(stored_ids(folder)) == 2

    asyncio.run(scenario())


def test_what_is_handed_out_is_not_dropped_by_an_order_given_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order knows what was on its way to the broker when it was given: with more on its way it is recalled."""

    async def scenario() -> None:
        go_on = threading.Event()
        encoded = outbox_db.encode_rows

        def encode(*arguments: Any) -> tuple[int, bytes]:
            assert go_on.wait(BOUND_S)
            return encoded(*arguments)

        async with opened(folder, linger_ms=0) as outbox:
            server = CommitServer(outbox)
            await begin(outbox, server)
            monkeypatch.setattr(outbox_db, "encode_rows", encode)
            consumer = asyncio.create_task(outbox.next_batch())
            await asyncio.sleep(0)  # it asks for one
            add_rows(outbox, 1)
            outbox.note_rows()  # a commit with an order, meanwhile
            await asyncio.wait_for(consumer, BOUND_S)
            go_on.set()
            await server.until(3)  # the first row, what was read, the second row
            add_rows(outbox, 1)
            assert not server.hand()
            outbox.part()

    asyncio.run(scenario())


def test_the_ledger_does_not_go_back(folder: Path) -> None:
    """What `next_batch` has read before a commit is heard of before it."""

    async def scenario() -> None:
        async with opened(folder, linger_ms=0) as outbox:
            server = CommitServer(outbox)
            await begin(outbox, server)
            consumer = asyncio.create_task(outbox.next_batch())
            await asyncio.sleep(0)
            add_rows(outbox, 2)
            outbox.note_rows()
            ends = time.monotonic() + BOUND_S
            while len(server.posted) < 3 and time.monotonic() < ends:
                time.sleep(0.001)  # noqa: ASYNC251  # the event loop is busy, until both are done
            outbox.settle()
            await asyncio.wait_for(consumer, BOUND_S)
            assert outbox.stats()["accepted"] == 3

    asyncio.run(scenario())
