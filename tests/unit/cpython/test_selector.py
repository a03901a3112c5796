"""linux/selector.py: a selector like any other, with and without a server inside."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import socket
import threading
from collections.abc import Iterator

import pytest
from server_kit import ScriptedServer

from headgate.linux import selector as module
from headgate.linux.selector import NativeSelector

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


def reading() -> tuple[int, str, int]:
    return 1_800_000_000, "trusted", 1_700_000_000


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture(params=["epoll", "plain", "joined", "left"])
def some(request: pytest.FixtureRequest, server: ScriptedServer) -> Iterator[selectors.BaseSelector]:
    """Ours in each of its states, and the standard library's: all must pass the same tests."""
    made = selectors.EpollSelector() if request.param == "epoll" else NativeSelector()
    if isinstance(made, NativeSelector) and request.param != "plain":
        made.join(server, reading)
        if request.param == "left":
            made.leave()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        other.setblocking(False)
        yield one, other


Pair = tuple[socket.socket, socket.socket]


def test_readiness(some: selectors.BaseSelector, pair: Pair) -> None:
    one, other = pair
    key = some.register(one, READ, "mine")
    assert key == selectors.SelectorKey(one, one.fileno(), READ, "mine")
    assert some.select(0) == []
    assert some.select(-1) == []
    other.send(b"x")
    assert some.select(None) == [(key, READ)]
    assert some.modify(one, READ | WRITE, "mine").events == READ | WRITE
    assert some.select(0) == [(some.get_key(one), READ | WRITE)]
    some.modify(one, WRITE, "other")
    assert some.select(0) == [(some.get_key(one.fileno()), WRITE)]
    assert some.get_key(one).data == "other"
    some.unregister(one)
    assert some.select(0) == []


def test_a_hang_up_wakes_whoever_waits_for_anything(some: selectors.BaseSelector) -> None:
    reader, writer = os.pipe()
    try:
        key = some.register(writer, WRITE)
        os.close(reader)
        assert some.select(0) == [(key, WRITE)]
        some.unregister(writer)
        reader, other = os.pipe()
        os.close(other)
        key = some.register(reader, READ)
        assert some.select(0) == [(key, READ)]
        some.unregister(reader)
    finally:
        os.close(writer)
        os.close(reader)


def test_the_map(some: selectors.BaseSelector, pair: Pair) -> None:
    one, other = pair
    keys = some.get_map()
    assert len(keys) == 0
    key = some.register(one, READ)
    assert keys[one] is keys[one.fileno()] is key
    assert list(keys) == [one.fileno()]
    assert one in keys
    assert other not in keys
    assert other.fileno() not in keys
    assert keys.get(other.fileno()) is None
    with pytest.raises(KeyError):
        some.get_key(other)
    some.unregister(one)
    assert len(keys) == 0


def test_mistakes(some: selectors.BaseSelector, pair: Pair) -> None:
    one, _ = pair
    for events in (0, 4, 8):
        with pytest.raises(ValueError, match="Invalid events"):
            some.register(one, events)
    for fileobj in (-1, "a", None, object()):
        with pytest.raises(ValueError, match="Invalid file"):
            some.register(fileobj, READ)  # type: ignore[arg-type]
    for call in (lambda: some.unregister(one), lambda: some.modify(one, READ)):
        with pytest.raises(KeyError):
            call()
    some.register(one, READ)
    with pytest.raises(KeyError):
        some.register(one, READ)
    with pytest.raises(KeyError):
        some.register(one.fileno(), WRITE)


def test_what_was_closed_can_be_unregistered(some: selectors.BaseSelector, pair: Pair) -> None:
    one, _ = pair
    key = some.register(one, READ)
    one.close()
    assert some.unregister(one) is key
    assert len(some.get_map()) == 0


def test_a_closed_selector(some: selectors.BaseSelector, pair: Pair) -> None:
    some.register(pair[0], READ)
    some.close()
    some.close()
    with pytest.raises(RuntimeError):
        some.get_key(pair[0])


def test_joining_and_leaving_take_everything_along(server: ScriptedServer, pair: Pair) -> None:
    one, other = pair
    ours = NativeSelector()
    first = ours.register(one, READ)
    ours.join(server, reading)
    assert server.watched == {one.fileno(): READ}
    second = ours.register(other, WRITE)
    assert server.watched == {one.fileno(): READ, other.fileno(): WRITE}
    assert ours.select(0) == [(second, WRITE)]
    with pytest.raises(RuntimeError, match="already"):
        ours.join(server, reading)
    ours.leave()
    ours.leave()
    assert server.watched == {}
    other.send(b"x")
    assert {key.fd: mask for key, mask in ours.select(0)} == {first.fd: READ, second.fd: WRITE}
    assert len(server.timeouts) == 1
    ours.close()


def test_events_come_by_the_servers_own_descriptor(server: ScriptedServer, pair: Pair) -> None:
    ours = NativeSelector()
    ours.join(server, reading)
    server.tell("rows")
    assert ours.select(0) == []  # nobody watches
    door = ours.register(server.fileno(), READ)
    assert server.watched == {}
    assert ours.select(5) == [(door, READ)]
    assert server.timeouts[-1] == 0.0  # the first one was not taken yet
    ours.modify(server.fileno(), READ, "again")
    door = ours.get_key(server.fileno())
    events = ours.events()
    assert next(events) == ("rows", 0)
    server.tell("lent", 7)
    server.tell("lent", 8)
    assert ours.select(5) == [(door, READ)]
    assert next(events) == ("lent", 7)
    assert ours.select(5) == [(door, READ)]
    assert server.timeouts[-1] == 0.0
    assert list(ours.events()) == [("lent", 8)]
    assert ours.select(0) == []
    with pytest.raises(RuntimeError, match="still registered"):
        ours.leave()
    ours.unregister(server.fileno())
    ours.leave()
    ours.close()


def test_the_server_is_told_the_time_once_a_second(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    ours = NativeSelector()
    ours.join(server, reading)
    for _ in range(3):
        ours.select(0)
    assert server.clocks == [reading()]
    now = 100.9
    ours.select(0)
    assert len(server.clocks) == 1
    now = 101.0
    ours.select(0)
    ours.select(0)
    assert len(server.clocks) == 2
    ours.leave()
    ours.close()


def test_signals(server: ScriptedServer) -> None:
    ours = NativeSelector()
    ours.join(server, reading)
    server.error = InterruptedError()
    assert ours.select(None) == []
    server.error = KeyboardInterrupt()
    server.tell("rows")
    door = ours.register(server.fileno(), READ)
    with pytest.raises(KeyboardInterrupt):
        ours.select(None)
    assert ours.select(None) == [(door, READ)]  # nothing was lost
    ours.unregister(server.fileno())
    ours.leave()
    ours.close()


class Halves:
    """A loop on a selector of ours, which a server joins and leaves while it runs."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.selector = NativeSelector()

    def run(self, story: object) -> None:
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(self.selector)) as runner:
            runner.run(asyncio.wait_for(story, 20))  # type: ignore[arg-type]


async def _usual_things() -> None:
    """Timers, threads, streams, subprocess pipes and signals: what asyncio does with a selector."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.001)
    assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()
    arrived = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, arrived.set)
    loop.call_later(0.001, signal.raise_signal, signal.SIGUSR1)
    await arrived.wait()
    loop.remove_signal_handler(signal.SIGUSR1)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    sent = bytes(range(256)) * 4096  # more than the buffers take: both ways wait

    async def send() -> None:
        writer.write(sent)
        await writer.drain()
        writer.write_eof()

    received, _ = await asyncio.gather(reader.read(), send())
    assert received == sent
    writer.close()
    await writer.wait_closed()
    listening.close()
    await listening.wait_closed()


def test_asyncio_runs_on_it(server: ScriptedServer) -> None:
    halves = Halves(server)
    told: list[tuple[str, int]] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        await _usual_things()
        halves.selector.join(server, reading)
        arrived = asyncio.Event()

        def dispatch() -> None:
            told.extend(halves.selector.events())
            arrived.set()

        loop.add_reader(server.fileno(), dispatch)
        loop.call_later(0.001, server.tell, "rows")
        await _usual_things()
        await arrived.wait()
        loop.remove_reader(server.fileno())
        halves.selector.leave()
        await _usual_things()

    halves.run(story())
    assert told == [("rows", 0)]
    assert server.watched == {}


def test_control_c_ends_it(server: ScriptedServer) -> None:
    halves = Halves(server)
    ended = []

    async def story() -> None:
        halves.selector.join(server, reading)
        try:
            asyncio.get_running_loop().call_later(0.001, signal.raise_signal, signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            ended.append(True)
            halves.selector.leave()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin without it
    try:
        with pytest.raises(KeyboardInterrupt):
            halves.run(story())
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended == [True]
