"""MQTT on asyncio: each simulated device has a connection of its own. QoS 0 is done when it is written, QoS 1 when its
PUBACK comes. What a broker allows to be in flight on a connection (Receive Maximum) is kept; more waits for it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import NamedTuple

from headgate_host.load import mqtt_wire as wire
from headgate_host.load.record import LOST, MALFORMED, TIMEOUT, UNSENT, Recorder
from headgate_host.load.target import Target
from headgate_host.load.transport import QUEUE_MAX, Clocked, Due, Unreachable, reason_of

CONNECT_S = 15.0
OPENING = 64  # connections that are opened at the same time
REOPEN_S = 1.0


class Login(NamedTuple):
    """`name`: client id (and user name, with a password) of a device; `password`: its token, None: no password."""

    name: Callable[[int], str]
    password: Callable[[int], str] | None = None
    username: str | None = None
    version: int = wire.V5


class Sent(NamedTuple):
    due: Due
    sent_ns: int


class Link(asyncio.Protocol):
    """One device's connection. `in_flight`: by packet identifier, in the order of sending."""

    def __init__(self, fleet: "Fleet", device: int) -> None:
        self.device = device
        self.in_flight: dict[int, Sent] = {}
        self.waiting: deque[Due] = deque()
        self.ready: asyncio.Future[wire.Connack] = asyncio.get_running_loop().create_future()
        self._fleet = fleet
        self._reader = wire.Reader()
        self._last_id = 0
        self._most = wire.IDS
        self._blocked = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for mypy
        self._transport = transport
        transport.write(self._fleet.hello(self.device))

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        try:
            for kind, body in self._reader.feed(data):
                self._packet(kind, body, now)
        except wire.NotMqtt:
            self._over(MALFORMED)

    def _packet(self, kind: int, body: bytes, now: int) -> None:
        if kind == wire.PUBACK:
            packet_id, reason = wire.read_puback(body)
            sent = self.in_flight.pop(packet_id, None)
            if sent is not None:  # else it had run out of time
                wrong = f"reason 0x{reason:02x}" if reason >= wire.REFUSED_FROM else ""
                self._fleet.recorder.answered(sent.due.request, wrong, sent.due.due_ns, sent.sent_ns, now)
            self.more()
        elif kind == wire.CONNACK:
            connack = wire.read_connack(body, self._fleet.version)
            self._most = connack.receive_maximum
            if not self.ready.done():
                self.ready.set_result(connack)
        elif kind == wire.DISCONNECT:
            self._over(LOST)

    def send(self, due: Due) -> None:
        if self._transport is None:
            self._fleet.recorder.failed(due.request, LOST, due.due_ns)
        elif self.waiting or self._full():
            if len(self.waiting) < QUEUE_MAX:
                self.waiting.append(due)
                self._fleet.waited_for.add(self)
            else:
                self._fleet.recorder.failed(due.request, UNSENT, due.due_ns)
        else:
            self._write(due)

    def _full(self) -> bool:
        return self._blocked or len(self.in_flight) >= self._most

    def more(self) -> None:
        """There may be room for what waits."""
        while self.waiting and not self._full():
            self._write(self.waiting.popleft())

    def give_up_before(self, due_ns: int, now: int) -> None:
        """What waits since then or longer is never sent."""
        while self.waiting and self.waiting[0].due_ns < due_ns:
            due = self.waiting.popleft()
            self._fleet.recorder.failed(due.request, UNSENT, due.due_ns, 0, now)

    def pause_writing(self) -> None:
        """The broker does not read: what is due waits here, where it is bounded."""
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        self.more()

    def _write(self, due: Due) -> None:
        if self._transport is None:
            return
        request, recorder = due.request, self._fleet.recorder
        packet_id = self._next_id() if request.operation.qos else 0
        topic = request.target.encode()
        data = wire.publish(
            topic, request.body, packet_id, version=self._fleet.version, retain=request.operation.retain
        )
        recorder.sent(request, due.due_ns)
        sent = Sent(due, time.monotonic_ns())
        if packet_id:
            self.in_flight[packet_id] = sent
            self._fleet.watch(self, packet_id, sent)
        self._transport.write(data)
        if not packet_id:
            recorder.answered(request, "", due.due_ns, sent.sent_ns, time.monotonic_ns())

    def _next_id(self) -> int:
        """`_most` are in flight at most, so one is free."""
        while True:
            self._last_id = self._last_id % wire.IDS + 1
            if self._last_id not in self.in_flight:
                return self._last_id

    def ping(self) -> None:
        if self._transport is not None:
            self._transport.write(wire.PINGREQ_PACKET)

    def connection_lost(self, exc: Exception | None) -> None:
        self._over(LOST)

    def _over(self, reason: str) -> None:
        transport, self._transport = self._transport, None
        for sent in self.in_flight.values():
            self._fleet.recorder.failed(sent.due.request, reason, sent.due.due_ns, sent.sent_ns)
        self.in_flight.clear()
        for due in self.waiting:
            self._fleet.recorder.failed(due.request, UNSENT, due.due_ns)
        self.waiting.clear()
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the broker closed the connection"))
        if transport is not None:
            transport.abort()
            self._fleet.lost(self)

    def give_up(self) -> None:
        self._over(LOST)

    def end(self) -> None:
        if self._transport is not None:
            self._transport.write(wire.DISCONNECT_PACKET)
            self._transport.close()


class Fleet(Clocked):
    def __init__(self, target: Target, recorder: Recorder, *, devices: int, login: Login, timeout_s: float) -> None:
        super().__init__(recorder, timeout_s)
        self.version = login.version
        self._target, self._login = target, login
        self._context = target.context()
        self._links: list[Link | None] = [None] * devices
        self._watched: deque[tuple[Link, int, Sent]] = deque()
        self.waited_for: set[Link] = set()  # something waits for room in it
        self._tasks: set[asyncio.Task[None]] = set()
        self._keep_alive_s = 0
        self._closing = False

    def hello(self, device: int) -> bytes:
        name = self._login.name(device)
        password = None if self._login.password is None else self._login.password(device)
        username = self._login.username or (None if password is None else name)
        return wire.connect(name, version=self.version, username=username, password=password)

    async def open(self) -> None:
        gate = asyncio.Semaphore(OPENING)
        failures: list[str] = []

        async def one(device: int) -> None:
            async with gate:
                if len(failures) >= OPENING and not any(self._links):  # nobody is there: not for each of them anew
                    failures.append(failures[0])
                    return
                try:
                    await self._connect(device)
                except (OSError, TimeoutError) as error:
                    failures.append(reason_of(error))

        await asyncio.gather(*(one(device) for device in range(len(self._links))))
        if failures:
            which = f"{len(failures)} of {len(self._links)} devices: " if len(self._links) > 1 else ""
            raise Unreachable(self._target.url, which + failures[0])
        if self._keep_alive_s:
            self._spawn(self._ping_always())

    async def _connect(self, device: int) -> None:
        """Raises OSError or TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_S):
            _, link = await loop.create_connection(
                lambda: Link(self, device), self._target.host, self._target.port, ssl=self._context
            )
            try:
                connack = await link.ready
            except BaseException:  # nobody waits for it any more
                link.give_up()
                raise
        if connack.reason:
            link.end()
            raise ConnectionRefusedError(f"refused by the broker: reason 0x{connack.reason:02x}")
        self._links[device] = link
        if connack.keep_alive_s:
            self._keep_alive_s = min(self._keep_alive_s or connack.keep_alive_s, connack.keep_alive_s)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ping_always(self) -> None:
        while True:
            await asyncio.sleep(self._keep_alive_s / 2)
            for link in self._links:
                if link is not None:
                    link.ping()

    def lost(self, link: Link) -> None:
        if self._links[link.device] is link:
            self._links[link.device] = None
            if not self._closing:
                self._spawn(self._open_again(link.device))

    async def _open_again(self, device: int) -> None:
        while True:
            await asyncio.sleep(REOPEN_S)
            try:
                return await self._connect(device)
            except (OSError, TimeoutError):
                pass

    @property
    def free(self) -> bool:
        return False  # no closed loop

    def _start(self, due: Due) -> bool:
        link = self._links[due.request.device]
        if link is None:
            self.recorder.failed(due.request, LOST, due.due_ns)
        else:
            link.send(due)
        return True

    def watch(self, link: Link, packet_id: int, sent: Sent) -> None:
        self._watched.append((link, packet_id, sent))

    def _sweep(self, now: int) -> None:
        super()._sweep(now)
        for link in list(self.waited_for):
            link.give_up_before(now - self._timeout_ns, now)
            if not link.waiting:
                self.waited_for.discard(link)
        while self._watched:
            link, packet_id, sent = self._watched[0]
            if link.in_flight.get(packet_id) is sent:
                if sent.sent_ns + self._timeout_ns > now:
                    return
                del link.in_flight[packet_id]
                self.recorder.failed(sent.due.request, TIMEOUT, sent.due.due_ns, sent.sent_ns, now)
                link.more()
            self._watched.popleft()

    async def close(self) -> None:
        self._closing = True
        for task in self._tasks:
            task.cancel()
        now = time.monotonic_ns()
        for link in self._links:
            if link is not None:
                for sent in link.in_flight.values():
                    self.recorder.failed(sent.due.request, TIMEOUT, sent.due.due_ns, sent.sent_ns, now)
                for due in link.waiting:
                    self.recorder.failed(due.request, UNSENT, due.due_ns, 0, now)
                link.in_flight.clear()
                link.waiting.clear()
                link.end()
        await super().close()
