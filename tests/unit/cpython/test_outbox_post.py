"""How a commit ends where a native server answers: what the outbox posts to it, and when the event loop is told. Here
the server hands nothing over: see test_outbox_handover.py."""

# ruff: noqa: F811  # a fixture and its parameters have one name
from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from commit_server import CommitServer, add_rows
from outbox_kit import BOUND_S, folder, on_disk, opened, record, store  # noqa: F401

from headgate.linux import outbox_db
from headgate.linux.batch import decode
from headgate.linux.outbox import Outbox


def add(outbox: Outbox, rows: int) -> None:
    """As the native server does."""
    add_rows(outbox, rows)
    outbox.note_rows()


def test_nobody_is_told_of_what_only_the_server_waits_for(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            server = CommitServer(outbox)
            add(outbox, 3)
            await server.until(1)
            assert server.posted == [(3, False)]
            assert on_disk(folder)["accepted"] == 3
            assert outbox.stats()["stored"] == 3  # whoever looks hears of it
            assert outbox.intake.bytes == 0  # and so it is released, unless the server has done that
            assert outbox.stalled(0) is None
            add(outbox, 2)
            await server.until(2)
            add(outbox, 1)  # the next rows find that the commit has ended
            await server.until(3)
            assert server.posted[1:] == [(2, False), (1, False)]
        assert on_disk(folder)["accepted"] == 6

    asyncio.run(scenario())


def test_a_ticket_is_told_and_its_batch_is_not_released_early(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            server = CommitServer(outbox)
            first, again = await store(outbox, record(1, key="k")), await store(outbox, record(1, key="k"))
            assert (first[0].replayed, again[0].replayed) == (False, True)
            assert server.posted == [(0, True)] * 2

    asyncio.run(scenario())


def test_rows_that_come_during_a_commit_are_not_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        begun, go_on = threading.Event(), threading.Event()
        encoded = outbox_db.encode_rows

        def encode(*arguments: Any) -> tuple[int, bytes]:
            begun.set()
            assert go_on.wait(BOUND_S)
            return encoded(*arguments)

        monkeypatch.setattr(outbox_db, "encode_rows", encode)
        async with opened(folder) as outbox:
            server = CommitServer(outbox)
            add(outbox, 1)
            assert await asyncio.to_thread(begun.wait, BOUND_S)
            add(outbox, 2)
            go_on.set()
            await server.until(2)
            assert server.posted == [(1, True), (2, False)]

    asyncio.run(scenario())


def test_the_uplink_has_a_batch_however_it_was_stored(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            server = CommitServer(outbox)
            for rows in (1, 2):
                consumer = asyncio.create_task(outbox.next_batch())
                if rows == 2:  # it waits already
                    await server.until(len(server.posted) + 1)
                    await asyncio.sleep(0)
                add(outbox, rows)
                batch = await asyncio.wait_for(consumer, BOUND_S)
                assert len(decode(batch.blob).rows) == rows
                await asyncio.wait_for(outbox.delivered(batch), BOUND_S)
            assert outbox.stats()["delivered"] == 3

    asyncio.run(scenario())


def test_a_server_that_parts_is_posted_nothing(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            server = CommitServer(outbox)
            add(outbox, 1)
            await server.until(1)
            outbox.part()
            assert outbox.intake.bytes == 0
            await store(outbox, record(1))
            assert len(server.posted) == 1

    asyncio.run(scenario())
