"""Where the gateway hands over accepted messages: the port between tasks/streams.py and an outbox.

A sink has `durable: bool` (it can keep a message over a power cut), `submit(record, durable) -> Ticket` and `stats()`.
`linux/outbox.py` is the one with a disk; `MemorySink` is the one for boards without.
"""

import asyncio
import hashlib

from headgate import limits
from headgate.core.problem import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Sink(Protocol):
        durable: bool

        def submit(self, record: "Record", durable: bool) -> "Ticket": ...

        def stats(self) -> "dict[str, Any]": ...


class Record:
    """One accepted message.

    `stream`, `client` (the token's `sub`): str; `body`: the bytes as the device sent them; `content_type`:
    "application/json" | "application/cbor"; `ts_ms`: Unix ms of arrival, None while the clock is unset; `key`: the
    Idempotency-Key or None, to be scoped by client and stream; `trace`: the W3C traceparent or None.
    """

    __slots__ = ("body", "client", "content_type", "key", "stream", "trace", "ts_ms")

    def __init__(  # noqa: PLR0913, PLR0917 - a row has as many fields as it has
        self,
        stream: str,
        client: str,
        body: bytes,
        content_type: str,
        ts_ms: "int | None",
        key: "str | None" = None,
        trace: "str | None" = None,
    ) -> None:
        self.stream = stream
        self.client = client
        self.body = body
        self.content_type = content_type
        self.ts_ms = ts_ms
        self.key = key
        self.trace = trace


class Receipt:
    """What the device gets: `seq` "boot.sequence", `durability` "fsync" | "memory"; `replayed`: seen before."""

    __slots__ = ("durability", "replayed", "seq")

    def __init__(self, seq: str, replayed: bool, durability: str) -> None:
        self.seq = seq
        self.replayed = replayed
        self.durability = durability


class Ticket:
    """The promise of a receipt. The sink calls `resolve` or `fail` once, in the event loop's thread.

    Memory durability: the sink makes it with the receipt, and nobody waits.
    """

    __slots__ = ("_event", "problem", "receipt")

    def __init__(self, receipt: "Receipt | None" = None) -> None:
        self.receipt = receipt
        self.problem: Problem | None = None
        self._event: asyncio.Event | None = None

    @property
    def done(self) -> bool:
        return self.receipt is not None or self.problem is not None

    def resolve(self, receipt: Receipt) -> None:
        self.receipt = receipt
        if self._event is not None:
            self._event.set()

    def fail(self, problem: Problem) -> None:
        self.problem = problem
        if self._event is not None:
            self._event.set()

    async def wait(self) -> Receipt:
        """The receipt, once it is true. Raises Problem (503 not stored, 422 key reused for another body)."""
        if self.receipt is None and self.problem is None:
            if self._event is None:
                self._event = asyncio.Event()
            await self._event.wait()
        if self.problem is not None:
            raise self.problem
        if self.receipt is None:
            raise RuntimeError("ticket woken without a result")
        return self.receipt


_DIGEST = 8  # bytes
_KEY_SIZE = 2 * _DIGEST


class MemorySink:
    """For boards without a disk: a receipt at once, `durability: "memory"`; only the last value in the cache stays.

    `deliver(record)` is called for every new record (a board's own uplink); without it they count as dropped.
    The last `keys` idempotency keys are remembered, the oldest go first: digests of scope and key and of the body, in
    one block, which the first one takes. As objects they took eight times as much of a board's heap, and broke it up.
    """

    durable = False

    def __init__(
        self, boot: int, deliver: "Callable[[Record], None] | None" = None, keys: int = limits.MEMORY_KEYS
    ) -> None:
        self.boot = boot
        self.accepted = 0
        self.delivered = 0
        self.dropped = 0
        self._deliver = deliver
        self._sequence = 0
        self._max_keys = keys
        self._keys = bytearray()
        self._seqs: list[int] = []  # of each; 0: none
        self._place = 0  # of the next one: the oldest

    def _seen(self, record: Record) -> "Receipt | None":
        """The earlier receipt of the same key; otherwise remembers this record under the number it is about to get."""
        scope = "\0".join((record.stream, record.client, record.key or ""))
        name = hashlib.sha256(scope.encode()).digest()[:_DIGEST]
        body = hashlib.sha256(record.body).digest()[:_DIGEST]
        if not self._keys:
            self._seqs = [0] * self._max_keys
            self._keys = bytearray(self._max_keys * _KEY_SIZE)
        at = self._keys.find(name)
        while at >= 0:
            seq = self._seqs[at // _KEY_SIZE]
            if seq and at % _KEY_SIZE == 0:
                if self._keys[at + _DIGEST : at + _KEY_SIZE] != body:
                    raise Problem(422, "idempotency_key_reused", "this key came before with another body")
                return Receipt(f"{self.boot}.{seq}", True, "memory")
            at = self._keys.find(name, at + 1)
        self._keys[self._place * _KEY_SIZE : (self._place + 1) * _KEY_SIZE] = name + body
        self._seqs[self._place] = self._sequence + 1
        self._place = (self._place + 1) % len(self._seqs)
        return None

    def submit(self, record: Record, durable: bool) -> Ticket:
        """Raises Problem 503 for a durable record: plan.build refuses such streams, so this is a wiring mistake."""
        if durable:
            raise Problem(503, "not_stored", "nothing here survives a power cut")
        # First: it takes memory, and a key that is remembered stays.
        ticket = Ticket(Receipt(f"{self.boot}.{self._sequence + 1}", False, "memory"))
        if record.key is not None and self._max_keys:
            earlier = self._seen(record)
            if earlier is not None:
                ticket.receipt = earlier
                return ticket
        self._sequence += 1
        self.accepted += 1
        if self._deliver is None:
            self.dropped += 1
        else:
            self._deliver(record)
            self.delivered += 1
        return ticket

    def withdraw(self) -> None:
        """The last new record had a key, and could not be kept: when it comes again it is new."""
        self._seqs[self._place - 1] = 0

    def stats(self) -> "dict[str, int]":
        """The ledger: accepted = delivered + stored + expired + dropped."""
        return {
            "accepted": self.accepted,
            "delivered": self.delivered,
            "stored": 0,
            "expired": 0,
            "dropped": self.dropped,
        }
