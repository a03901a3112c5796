"""Batches: results stream back while the body is still arriving.

A batch (application/x-ndjson, application/cbor-seq) is answered 200 with one JSON line for each record, in order:
`{"index":0,"status":202,"seq":"7.1"}`, `{"index":1,"status":422,"code":"schema_violation","errors":[…]}`; /v1/validate
says `"status":200`. When the batch itself cannot go on (malformed framing, a record over the limit, a token that has
ended, time is up), the last line says why and the connection closes; if no record came before that, the whole request
is refused instead.
"""

import asyncio
import gc

from headgate import limits
from headgate.core import json
from headgate.core.problem import Problem
from headgate.core.records import CBORSeqSplitter, NDJSONSplitter
from headgate.tasks.exchange import Response
from headgate.tasks.streams import NDJSON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from headgate.tasks.exchange import Exchange
    from headgate.tasks.sink import Ticket
    from headgate.tasks.streams import Intake


class Batch:
    """Reads records and, in a second task, writes their results in order as they become known."""

    def __init__(self, intake: "Intake") -> None:
        self._intake = intake
        self._count = 0
        # of one record: (index, its finished line | None, ticket, key of the last value, body)
        self._queue: list[tuple[int, bytes | None, Ticket | None, bytes, bytes]] = []
        self._more = asyncio.Event()  # the queue has grown, or will not grow any more
        self._room = asyncio.Event()  # the queue has shrunk, or writing has failed
        self._closed = False
        self._failed: OSError | None = None
        self._writer: Any = None

    async def run(self, x: "Exchange") -> "Response | None":
        """Raises Problem while no record has been taken."""
        splitter = (CBORSeqSplitter if self._intake.binary else NDJSONSplitter)(self._intake.limit)
        try:
            try:
                await self._read(x, splitter)
            except Problem as problem:
                if not self._count:
                    raise
                x.gateway.counters.reject(problem.code)
                x.broken = True
                self._push(x, (self._count, result_line(self._count, problem), None, b"", b""))
            if self._writer is None:
                return Response(200, b"", NDJSON)  # an empty batch
            self._closed = True
            self._more.set()
            await self._writer
            if self._failed is not None:
                raise self._failed
        except (Exception, asyncio.CancelledError):
            await self._settle_unheard(x)
            raise
        finally:
            if self._writer is not None:
                self._writer.cancel()
        return None

    async def _settle_unheard(self, x: "Exchange") -> None:
        """The client is gone, or does not listen, or there is no memory: what was accepted counts all the same."""
        if self._writer is not None:
            self._writer.cancel()
        while self._queue:
            index, line, ticket, key, body = self._queue[0]
            if line is None and ticket is not None:
                await self._result(x, index, ticket, key, body)
            else:
                self._queue.pop(0)

    async def _read(self, x: "Exchange", splitter: "CBORSeqSplitter | NDJSONSplitter") -> None:
        while True:
            part = await x.read()
            if part is not None:
                self._intake.authenticate(x)
            for record in splitter.close() if part is None else splitter.feed(part):
                while len(self._queue) >= limits.RECORDS_IN_FLIGHT and self._failed is None:
                    self._room.clear()
                    await self._room.wait()
                if self._failed is not None:
                    raise self._failed
                self._take(x, record)
            if splitter.problem is not None:
                raise splitter.problem
            if part is None:
                return
            await asyncio.sleep(0)  # others' turn: a body that is already here would not make us wait

    def _take(self, x: "Exchange", record: bytes) -> None:
        index = self._count
        self._count = index + 1
        intake = self._intake
        line = None
        ticket: Ticket | None = None
        key = b""
        try:
            intake.take_rate()
            ticket, key = intake.accept(record, None if intake.key is None else f"{intake.key}/{index}")
            if ticket is None:
                line = b'{"index":%d,"status":200}\n' % index
        except MemoryError:  # this record is lost for now, the batch goes on
            gc.collect()
            x.gateway.counters.reject("out_of_memory")
            line = result_line(index, Problem(503, "out_of_memory"))
        except Problem as problem:
            x.gateway.counters.reject(problem.code)
            line = result_line(index, problem)
        self._push(x, (index, line, ticket, key, record if key else b""))

    def _push(self, x: "Exchange", entry: "tuple[int, bytes | None, Ticket | None, bytes, bytes]") -> None:
        self._queue.append(entry)
        self._more.set()
        if self._writer is None:
            self._writer = asyncio.create_task(self._write(x))

    async def _write(self, x: "Exchange") -> None:
        """Results, oldest first, as many in one write as are known; ends when the batch is closed and all are sent."""
        queue = self._queue
        try:
            while queue or not self._closed:
                if not queue:
                    self._more.clear()
                    await self._more.wait()
                    continue
                lines: list[bytes] = []
                size = 0
                while queue and size < limits.READ_CHUNK:
                    index, line, ticket, key, body = queue[0]
                    if line is None and ticket is not None:
                        if lines and not ticket.done:
                            break  # first send what is known
                        line = await self._result(x, index, ticket, key, body)
                    else:
                        queue.pop(0)
                    self._room.set()
                    lines.append(line or b"")
                    size += len(lines[-1])
                if not x.started:
                    x.begin(200, NDJSON)
                await x.send(b"".join(lines))
        except OSError as error:  # the client is gone
            self._failed = error
            self._room.set()
        except MemoryError:
            gc.collect()
            self._failed = OSError("out of memory")  # the connection is cut: the client sees that results are missing
            self._room.set()

    async def _result(self, x: "Exchange", index: int, ticket: "Ticket", key: bytes, body: bytes) -> bytes:
        """Of the oldest one, which leaves the queue as soon as it is known: whatever fails then, it counts once."""
        try:
            receipt = await ticket.wait()
        except Problem as problem:
            self._queue.pop(0)
            x.gateway.counters.reject(problem.code)
            return result_line(index, problem)
        self._queue.pop(0)
        self._intake.settle(receipt, key, body)
        replayed = ',"replayed":true' if receipt.replayed else ""
        return f'{{"index":{index},"status":202,"seq":"{receipt.seq}"{replayed}}}\n'.encode()


def result_line(index: int, problem: Problem) -> bytes:
    document: dict[str, object] = {"index": index, "status": problem.status, "code": problem.code}
    if problem.detail:
        document["detail"] = problem.detail
    if problem.errors is not None:
        document["errors"] = problem.errors
    return json.dumps(document) + b"\n"
