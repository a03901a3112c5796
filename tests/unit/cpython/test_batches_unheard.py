"""tasks/batches.py: a batch whose client is gone before the commit. What was accepted is stored, and counts."""

from __future__ import annotations

import asyncio

import pytest
from server_kit import ScriptedServer, held_tickets
from test_grpc_call import AUTHORIZED, chunk, play, until

from headgate.linux.native_gateway import NativeGateway
from headgate.tasks.batches import NDJSONSplitter
from headgate.tasks.sink import Receipt
from headgate.tasks.streams import Intake

HEAD = b"POST /v1/streams/s HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("ended", [False, True])
def test_what_was_accepted_counts(ended: bool) -> None:
    """`ended`: the batch was whole."""

    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        tickets = held_tickets(gateway)
        lent = server.lend(5, HEAD + b"Authorization: " + AUTHORIZED["authorization"].encode() + b"\r\n\r\n")
        server.more(5, chunk(b'{"t":1}\n' * 3), *([b"0\r\n\r\n"] if ended else []))
        await until(lambda: len(tickets) == 3)
        lent.broken = True
        server.tell("gone", 5)
        for ticket in tickets:  # of several commits: the first result is not taken any more
            ticket.resolve(Receipt("7.1", False, "fsync"))
            await asyncio.sleep(0.01)
        await until(lambda: not gateway._lent)
        assert gateway.counters.accepted == 3

    play(story)


@pytest.mark.parametrize("reading", [False, True])
def test_what_was_accepted_counts_once_where_memory_ends(monkeypatch: pytest.MonkeyPatch, reading: bool) -> None:
    """`reading`: where more of the batch is read; otherwise where a last value is kept."""
    settle = Intake.settle
    failed: list[str] = []

    def settle_first(intake: Intake, receipt: Receipt, key: bytes, body: bytes) -> None:
        settle(intake, receipt, key, body)
        if not failed and not reading:
            failed.append(receipt.seq)
            raise MemoryError

    def feed(_splitter: NDJSONSplitter, _part: bytes) -> list[bytes]:
        raise MemoryError

    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        tickets = held_tickets(gateway)
        server.lend(5, HEAD + b"Authorization: " + AUTHORIZED["authorization"].encode() + b"\r\n\r\n")
        server.more(5, chunk(b'{"t":1}\n' * 3))
        await until(lambda: len(tickets) == 3)
        with monkeypatch.context() as patch:
            patch.setattr(Intake, "settle", settle_first)
            if reading:
                patch.setattr(NDJSONSplitter, "feed", feed)
                server.more(5, chunk(b'{"t":1}\n'))
                await asyncio.sleep(0.01)
            for ticket in tickets:
                ticket.resolve(Receipt("7.1", False, "fsync"))
            await asyncio.sleep(0.01)
            server.more(5, b"0\r\n\r\n", None)
            await until(lambda: not gateway._lent)
        assert gateway.counters.accepted == 3

    play(story)
