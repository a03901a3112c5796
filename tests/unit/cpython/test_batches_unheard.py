"""tasks/batches.py: a batch whose client is gone before the commit. What was accepted is stored, and counts."""

from __future__ import annotations

import asyncio

import pytest
from server_kit import ScriptedServer
from test_grpc_call import AUTHORIZED, chunk, play, until

from headgate.linux.native_gateway import NativeGateway
from headgate.tasks.sink import Receipt, Record, Ticket

HEAD = b"POST /v1/streams/s HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("ended", [False, True])
def test_what_was_accepted_counts(ended: bool) -> None:
    """`ended`: the batch was whole."""

    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        tickets: list[Ticket] = []

        def submit(_record: Record, _durable: bool) -> Ticket:
            tickets.append(Ticket())
            return tickets[-1]

        gateway.sink.submit = submit  # type: ignore[method-assign]
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
