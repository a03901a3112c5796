"""An MQTT gateway on some free port, in this process, and clients for it that say exactly what a test wants said.

The packets of the clients are those of `headgate load`, which shares no code with the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Awaitable, Callable
from typing import Any

from headgate._accel import Limiter, Store
from headgate.core import base64url, jwt
from headgate.core.problem import Problem
from headgate.linux.mqtt_gateway import MqttGateway
from headgate.tasks.gateway import Gateway
from headgate.tasks.plan import Plan, build
from headgate.tasks.sink import Receipt, Record, Ticket
from headgate_host.load import mqtt_wire as wire

SECRET = b"s" * 32
NOW_S = 1800000000
V311, V5 = wire.V311, wire.V5
TOPIC = b"v1/streams/s"
LIMIT_S = 60  # for a whole test; generous, the machine may be emulated


def token(sub: str = "dev", scope: str = "publish:*", life_s: int = 60) -> str:
    claims = {"iss": "me", "aud": "headgate", "sub": sub, "exp": NOW_S + life_s, "scope": scope}
    return jwt.sign_hs256(claims, jwt.Key("k", "HS256", SECRET)).decode()


def document() -> dict[str, Any]:
    issuer = {"name": "me", "audience": "headgate", "leeway_s": 0}
    issuer["keys"] = [{"kid": "k", "alg": "HS256", "k": base64url.encode(SECRET).decode()}]
    schema = {"type": "object", "properties": {"t": {"maximum": 60}}}
    stream = {"rate_milli": 1000000000, "burst": 1000000}
    return {
        "v": 1,
        "appliance": "t",
        "issuers": [issuer],
        "streams": {
            "s": {"schema": schema, "body_limit": 1000, **stream},
            "slow": {"rate_milli": 1000, "burst": 2},
            "soon": {"durability": "memory", **stream},
        },
    }


class HeldSink:
    """Keeps every ticket until the test decides; without `hold` a durable one is stored at once."""

    durable = True

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.tickets: list[Ticket] = []
        self.hold = False
        self.problem: Problem | None = None
        self.arrived = asyncio.Event()

    def submit(self, record: Record, durable: bool) -> Ticket:
        if self.problem is not None:
            raise self.problem
        self.records.append(record)
        ticket = Ticket()
        self.tickets.append(ticket)
        self.arrived.set()
        if not self.hold:
            self.store(len(self.tickets))
        return ticket

    def store(self, *numbers: int) -> None:
        for number in numbers:
            self.tickets[number - 1].resolve(Receipt(f"9.{number}", False, "fsync"))

    async def some(self, count: int) -> None:
        while len(self.tickets) < count:
            self.arrived.clear()
            await self.arrived.wait()

    def stats(self) -> dict[str, Any]:
        return {}


class Peer:
    """One client connection."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], version: int) -> None:
        self.reader, self.writer = streams
        self.version = version
        self._reader = wire.Reader()
        self._packets: list[tuple[int, bytes]] = []

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def publish(self, body: bytes, packet_id: int = 1, topic: bytes = TOPIC) -> None:
        self.send(wire.publish(topic, body, packet_id, version=self.version))

    async def packet(self) -> tuple[int, bytes] | None:
        """(type, body); None at the end."""
        while not self._packets:
            data = await self.reader.read(1000)
            if not data:
                return None
            self._packets += self._reader.feed(data)
        return self._packets.pop(0)

    async def puback(self) -> tuple[int, int]:
        """(packet identifier, reason code)"""
        found = await self.packet()
        assert found is not None, "the connection has ended"
        assert found[0] == wire.PUBACK, found
        return wire.read_puback(found[1])

    async def ended(self) -> int:
        """The reason of the DISCONNECT before the end; 0: there was none."""
        found = await self.packet()
        if found is None:
            return 0
        assert found[0] == wire.DISCONNECT, found
        assert await self.packet() is None
        return found[1][0]

    async def close(self) -> None:
        """At once, if the other side does not take what was sent."""
        transport = self.writer.transport
        if transport.get_write_buffer_size():
            transport.abort()
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


async def until(condition: Callable[[], object]) -> None:
    """Of something that the other side of a connection, in this same loop, will do."""
    while not condition():  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0)


class Scene:
    """`clock` and `ms` are the test's to move."""

    def __init__(self, plan: dict[str, Any] | None = None, **bounds: int) -> None:
        self.sink = HeldSink()
        self.clock = (NOW_S, "trusted")
        self.ms = 1000
        self.errors: list[Exception] = []
        self.gateway = Gateway(
            build(plan or document(), None, True),
            store=Store(1 << 16),
            limiter=Limiter(64),
            sink=self.sink,
            clock=lambda: self.clock,
            now_ms=lambda: self.ms,
            boot=9,
            report=self.errors.append,
        )
        self.mqtt = MqttGateway(self.gateway, self.bounds(self.gateway.plan, **bounds))
        self.identity = ""  # by a certificate, of who connects now
        self.peers: list[Peer] = []

    @staticmethod
    def bounds(plan: Plan, **bounds: int) -> Plan:
        found = copy.copy(plan)
        found.idle_ms, found.head_ms, found.body_ms = 600_000, 10_000, 30_000
        for name, value in bounds.items():
            setattr(found, name, value)
        return found

    async def dial(self, version: int = V5) -> Peer:
        peer = Peer(await asyncio.open_connection("127.0.0.1", self.port), version)
        self.peers.append(peer)
        return peer

    async def connect(self, version: int = V5, name: str = "dev", password: str | None = None) -> Peer:
        """A client that is let in."""
        peer = await self.dial(version)
        peer.send(wire.connect(name, version=version, username="x", password=password or token(name)))
        found = await peer.packet()
        assert found is not None
        assert found[0] == wire.CONNACK
        assert wire.read_connack(found[1], version).reason == 0
        return peer

    async def whole(self, story: Callable[[Scene], Awaitable[None]]) -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            reader.identity = self.identity  # type: ignore[attr-defined]
            await self.mqtt.accept(reader, writer)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.mqtt.add_server(server)
        try:
            await story(self)
        finally:
            for peer in self.peers:
                await peer.close()
            await self.mqtt.drain(2000)
        assert not self.mqtt.count()
        assert not self.mqtt.clients
        assert not self.errors


def play(story: Callable[[Scene], Awaitable[None]], plan: dict[str, Any] | None = None, **bounds: int) -> Scene:
    """Run `story(scene)`; it must end with no connection left."""

    async def whole() -> Scene:
        scene = Scene(plan, **bounds)
        await asyncio.wait_for(scene.whole(story), LIMIT_S)
        return scene

    return asyncio.run(whole())
