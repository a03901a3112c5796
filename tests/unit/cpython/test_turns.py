"""tasks/connection on asyncio: one client's requests, however many it sends at once, leave others their turn."""

from __future__ import annotations

import asyncio
import time

from headgate import limits
from headgate.core.limiter import Limiter
from headgate.core.store import Store
from headgate.tasks.gateway import Gateway
from headgate.tasks.plan import build
from headgate.tasks.sink import MemorySink

PLAN = {
    "v": 1,
    "appliance": "t",
    "issuers": [{"name": "me", "audience": "a", "keys": [{"kid": "k", "alg": "HS256", "k": "A" * 43}]}],
    "streams": {},
}
MANY = 5000
LIMIT_S = 60


def request(fill: int = 0) -> bytes:
    return b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + (b"X: " + b"x" * fill + b"\r\n" if fill else b"") + b"\r\n"


async def served_before_another(gateway: Gateway, ask: bytes) -> int:
    """How many of MANY requests, all sent at once, are answered before the one of a client that asks later."""
    server = await gateway.start("127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        one = await asyncio.open_connection("127.0.0.1", port)
        other = await asyncio.open_connection("127.0.0.1", port)
        other[1].write(request())
        await other[0].readuntil(b"}")
        one[1].write(ask * MANY)
        other[1].write(request())
        await other[0].readuntil(b"}")
        served = sum(gateway.counters.requests.values())
        for _, writer in (one, other):
            writer.transport.abort()
        return served - 2
    finally:
        await gateway.drain(1000)


def scenario(ask: bytes) -> int:
    async def main() -> int:
        gateway = Gateway(
            build(PLAN),
            store=Store(65536),
            limiter=Limiter(16),
            sink=MemorySink(7),
            clock=lambda: (1800000000, "trusted"),
            now_ms=lambda: time.monotonic_ns() // 1_000_000,
        )
        return await asyncio.wait_for(served_before_another(gateway, ask), LIMIT_S)

    return asyncio.run(main())


def test_small_requests() -> None:
    assert scenario(request()) < 100


def test_requests_that_fill_what_is_read_at_a_time() -> None:
    """Nothing is left in the parser then, and yet the next one is here."""
    fill = limits.READ_CHUNK - len(request(1)) + 1
    assert len(request(fill)) == limits.READ_CHUNK
    assert scenario(request(fill)) < 30
