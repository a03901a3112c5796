"""A gateway on some free port, in this process, whose clock, sink and second level are the test's. Portable."""

import asyncio
import time

from headgate.core import base64url, jwt
from headgate.core.limiter import Limiter
from headgate.core.store import Store
from headgate.tasks.gateway import Gateway
from headgate.tasks.plan import build
from headgate.tasks.sink import Ticket

SECRET = b"s" * 32
NOW_S = 1800000000


def document(**limits):
    issuer = {"name": "me", "audience": "headgate"}
    issuer["keys"] = [{"kid": "k", "alg": "HS256", "k": base64url.encode(SECRET).decode()}]
    bounds = {"idle_ms": 60000, "head_ms": 60000, "body_ms": 60000}
    bounds.update(limits)
    return {"v": 1, "appliance": "t", "issuers": [issuer], "streams": {"s": {"cache_key": "/k"}}, "limits": bounds}


def bearer(scope="publish:s read:s cache:*"):
    claims = {"iss": "me", "aud": "headgate", "sub": "dev", "exp": NOW_S + 60, "scope": scope}
    return jwt.sign_hs256(claims, jwt.Key("k", "HS256", SECRET))


class HeldSink:
    """Keeps every ticket until the test decides."""

    durable = True

    def __init__(self):
        self.records = []
        self.tickets = []
        self.problem = None
        self.arrived = asyncio.Event()

    def submit(self, record, durable):
        if self.problem is not None:
            raise self.problem
        ticket = Ticket()
        self.records.append(record)
        self.tickets.append(ticket)
        self.arrived.set()
        return ticket

    async def some(self, count):
        while len(self.tickets) < count:
            self.arrived.clear()
            await self.arrived.wait()


class SecondLevel:
    """Has `values` for who asks; keeps what it was asked for and told."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.values = {}
        self.heard = []

    async def fetch(self, keys):
        for key in keys:
            self.heard.append(b"? " + key)
            value = self.values.pop(key, None)
            if value is not None:
                self.gateway.store.put(key, value, b"0 1000 text/plain", 0, 1000)
        await asyncio.sleep(0)

    def changed(self, key):
        self.heard.append(b"! " + key)


class Peer:
    """A client connection: lines of bytes out, parsed answers in."""

    def __init__(self, streams):
        self.reader, self.writer = streams
        self.buffer = b""

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def until(self, mark):
        """Up to and including `mark`, None at the end of input."""
        while mark not in self.buffer:
            data = await self.reader.read(1000)
            if not data:
                return None
            self.buffer += data
        at = self.buffer.find(mark) + len(mark)
        data, self.buffer = self.buffer[:at], self.buffer[at:]
        return data

    async def answer(self):
        """(status, head, body), None at the end of input."""
        head = await self.until(b"\r\n\r\n")
        if head is None:
            return None
        length = head.find(b"Content-Length: ")
        size = int(head[length + 16 : head.find(b"\r\n", length)].decode()) if length >= 0 else 0
        while len(self.buffer) < size:
            self.buffer += await self.reader.read(1000)
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return int(head[9:12].decode()), head, body

    async def close(self):
        self.writer.close()
        await self.writer.wait_closed()


def post(body, path=b"/v1/streams/s", kind=b"application/json", extra=b""):
    head = (
        b"POST %s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n"
    )
    return head % (path, bearer(), kind, len(body), extra) + body


def cache(method, target, extra=b""):
    """A request to the cache, without a body."""
    head = b"%s /v1/cache%s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\n%s\r\n"
    return head % (method, target, bearer(), extra)


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"


class KnowingGateway(Gateway):
    """Its clients are known, as by a TLS certificate."""

    async def accept(self, reader, writer):
        reader.identity = "cert"
        await super().accept(reader, writer)


class Scene:
    """A gateway on some free port. `clock` and `ms` are the test's to move."""

    def __init__(self, plan=None, sink=None, kind=Gateway):
        self.sink = sink or HeldSink()
        self.clock = (NOW_S, "trusted")
        self.ms = 1000
        self.errors = []
        self.unready = []
        self.gateway = kind(
            build(plan or document(), None, True),
            store=Store(4096),
            limiter=Limiter(8),
            sink=self.sink,
            clock=lambda: self.clock,
            now_ms=lambda: self.ms,
            info=lambda: {"unready": self.unready, "outbox": {"accepted": 3}},
            boot=9,
            report=self.errors.append,
        )
        self.peers = []

    async def start(self):
        port = 20000 + time.time_ns() // 1000 % 40000
        for _ in range(50):
            try:
                await self.gateway.start("127.0.0.1", port)
                break
            except OSError:  # taken
                port = 20000 + (port + 7919) % 40000
        self.port = port

    async def connect(self):
        peer = Peer(await asyncio.open_connection("127.0.0.1", self.port))
        self.peers.append(peer)
        return peer

    async def end(self):
        for peer in self.peers:
            await peer.close()
        await self.gateway.drain(1000)


def play(story, **options):
    """Run `story(scene)` against a gateway; it must end with no connection left."""

    async def whole():
        scene = Scene(**options)
        await scene.start()
        try:
            await story(scene)
        finally:
            await scene.end()
        return scene

    scene = asyncio.run(asyncio.wait_for(whole(), 20))
    if scene.gateway.counters.connections:
        raise AssertionError("a connection is left")
    return scene
