"""headgate.v1.Ingest/PublishStream: many messages, one summary.

As batches do (tasks/batches.py), messages go to the sink while others still arrive, and at most
limits.RECORDS_IN_FLIGHT wait for their commit.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from headgate import limits
from headgate.core.problem import Problem
from headgate.linux.protobuf import BYTES, VARINT, put_bytes, put_message, put_number, read, text
from headgate.tasks.access import authenticate, require
from headgate.tasks.streams import Intake, idempotency_key

if TYPE_CHECKING:
    from headgate.core.jwt import Claims
    from headgate.linux.grpc_call import Call
    from headgate.tasks.sink import Ticket

_REQUEST = {1: ("stream", BYTES), 2: ("encoding", VARINT), 3: ("body", BYTES), 4: ("key", BYTES)}
_CBOR = 2  # Encoding
_ENCODINGS = 3


def _violation(error: "dict[str, object]") -> bytes:
    return b"".join(put_bytes(i + 1, str(error[name])) for i, name in enumerate(("instance", "schema", "message")))


class Publishing:
    """The messages of one call."""

    def __init__(self, call: "Call", claims: "Claims") -> None:
        self._x = call.x
        self._claims = claims
        self._intakes: dict[tuple[str, bool], Intake] = {}
        self._waiting: deque[tuple[int, Intake, Ticket, bytes, bytes]] = deque()
        self._accepted = self._replayed = self._refused = 0
        self._refusals: list[bytes] = []

    def _intake(self, name: str, binary: bool) -> Intake:
        """Judged once for each stream the call names; a name that is not known is remembered nowhere."""
        intake = self._intakes.get((name, binary))
        if intake is None:
            require(self._claims, "publish", name)
            stream = self._x.plan.streams.get(name)
            if stream is None:
                raise Problem(404, "unknown_stream")
            intake = self._intakes[name, binary] = Intake(self._x, stream, self._claims, True)
            intake.binary = binary
        return intake

    def judge_again(self) -> None:
        """The token, which the call may outlive. Raises Problem."""
        claims = authenticate(self._x, self._claims)
        if claims is not self._claims:
            self._claims = claims
            self._intakes.clear()

    def _refuse(self, index: int, problem: Problem) -> None:
        self._x.gateway.counters.reject(problem.code)
        self._refused += 1
        if len(self._refusals) < limits.GRPC_REFUSALS:
            refusal = put_number(1, index) + put_number(2, problem.status) + put_bytes(3, problem.code)
            refusal += put_bytes(4, problem.detail)
            refusal += b"".join(put_message(5, _violation(error)) for error in problem.errors or ())
            self._refusals.append(refusal)

    async def take(self, index: int, message: bytes) -> None:
        found = read(message, _REQUEST)
        name, own_key = text(found.get("stream", b"")), text(found.get("key", b""))
        body, encoding = found.get("body", b""), found.get("encoding", 0)
        try:
            if not isinstance(encoding, int) or not isinstance(body, bytes) or encoding >= _ENCODINGS:
                raise Problem(415, "unsupported_media_type", "ENCODING_JSON or ENCODING_CBOR")
            intake = self._intake(name, encoding == _CBOR)
            key = f"{intake.key}/{index}" if intake.key else None
            if own_key:
                key = idempotency_key(own_key.encode())
            intake.take_rate()
            if len(body) > intake.limit:
                raise Problem(413, "record_too_large", f"this resource takes {intake.limit} bytes")
            ticket, last = intake.accept(body, key)
            if ticket is not None:
                self._waiting.append((index, intake, ticket, last, body if last else b""))
        except Problem as problem:
            self._refuse(index, problem)
        while len(self._waiting) >= limits.RECORDS_IN_FLIGHT or (self._waiting and self._waiting[0][2].done):
            await self._settle()

    async def _settle(self) -> None:
        """The oldest message's commit. It stays the oldest until that is known, for the wait may be cancelled."""
        index, intake, ticket, last, body = self._waiting[0]
        try:
            receipt = await ticket.wait()
        except Problem as problem:
            self._waiting.popleft()
            self._refuse(index, problem)
            return
        self._waiting.popleft()
        intake.settle(receipt, last, body)
        self._accepted += not receipt.replayed
        self._replayed += receipt.replayed

    async def summary(self) -> bytes:
        while self._waiting:
            await self._settle()
        numbers = put_number(1, self._accepted) + put_number(2, self._replayed) + put_number(3, self._refused)
        return numbers + b"".join(put_message(4, refusal) for refusal in self._refusals)


async def publish_stream(call: "Call") -> None:
    publishing = Publishing(call, authenticate(call.x))
    index = 0
    try:
        async for message in call.messages():
            publishing.judge_again()
            await publishing.take(index, message)
            index += 1
            await asyncio.sleep(0)  # others' turn: a body that is already here would not make us wait
    except (Exception, asyncio.CancelledError):  # the deadline is a cancellation
        await asyncio.shield(publishing.summary())  # whatever ended it: what was accepted counts
        raise
    await call.send(await asyncio.shield(publishing.summary()))  # also if the deadline comes now
