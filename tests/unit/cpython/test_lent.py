"""linux/lent.py: one request of a connection that belongs to the server."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest
from server_kit import Lent, ScriptedServer

from headgate import limits
from headgate.core.http1 import RequestParser
from headgate.core.limiter import Limiter
from headgate.core.store import Store
from headgate.linux.lent import LentConnection, LentStream
from headgate.linux.native_gateway import NativeGateway
from headgate.linux.selector import NativeSelector
from headgate.tasks.plan import build
from headgate.tasks.sink import MemorySink

INDEX = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
PUT = b"PUT /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
NOW_S = 1_800_000_000


class Scene:
    """A gateway on a scripted server, in a running loop. `ms`: its clock, for the test to move."""

    def __init__(self, server: ScriptedServer, selector: NativeSelector) -> None:
        self.server = server
        self.ms = 1000
        self.rows = 0
        self.errors: list[Exception] = []
        document = {"v": 1, "appliance": "t", "streams": {"s": {"durability": "memory"}}}
        document["limits"] = {"idle_ms": 60000, "head_ms": 5000, "body_ms": 5000, "connections": 3}
        self.gateway = NativeGateway(
            server,
            selector,
            reading=lambda: (NOW_S, "trusted", 0),
            rows=self.count_rows,
            compile_plan=lambda plan: ("native", plan),
            plan=build(document, None, False),
            store=Store(4096),
            limiter=Limiter(8),
            sink=MemorySink(1),
            clock=lambda: (NOW_S, "trusted"),
            now_ms=lambda: self.ms,
            info={"unready": []},
            report=self.errors.append,
        )

    def count_rows(self) -> None:
        self.rows += 1

    async def until(self, condition: Callable[[], object]) -> None:
        """The loop runs on until it holds."""
        turns = 0
        while not condition():
            turns += 1
            await asyncio.sleep(0 if turns < 50 else 0.001)

    async def served(self, lent: Lent) -> None:
        await self.until(lambda: lent.returned is not None or lent.closed)
        await self.until(lambda: not self.gateway._lent)


Story = Callable[[Scene], Awaitable[None]]
Play = Callable[[Story], Scene]


@pytest.fixture
def play() -> Iterator[Play]:
    server = ScriptedServer()

    def whole(story: Story) -> Scene:
        selector = NativeSelector()
        scenes = []

        async def run() -> None:
            scene = Scene(server, selector)
            scenes.append(scene)
            try:
                await story(scene)
            finally:
                await scene.gateway.drain(0)
            assert not scene.gateway._lent
            assert not scene.gateway._connections

        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
            runner.run(asyncio.wait_for(run(), 20))
        return scenes[0]

    yield whole
    server.close()


# -- one request


@pytest.mark.parametrize("cut", [len(INDEX), 1, 7])
def test_one_request_is_served_and_the_rest_goes_back(play: Play, cut: int) -> None:
    async def story(scene: Scene) -> None:
        data = INDEX + HEALTH[:20]
        first = data[: len(INDEX)] if cut == len(INDEX) else data[: len(INDEX) - cut]
        lent = scene.server.lend(5, first)
        await scene.until(lambda: not lent.coming)
        for at in range(len(first), len(data), cut):
            scene.server.more(5, data[at : at + cut])
        await scene.served(lent)
        assert lent.sent.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b'"resources"' in lent.sent
        assert b"Connection:" not in lent.sent
        left = b"".join(part for part in lent.coming if part)  # what the server still holds is behind what it gets back
        assert (lent.returned or b"") + left == HEALTH[:20]
        assert lent.closed is None
        assert scene.gateway.counters.requests == {200: 1}

    play(story)


def test_the_next_request_is_not_served_here(play: Play) -> None:
    async def story(scene: Scene) -> None:
        lent = scene.server.lend(5, INDEX + INDEX + HEALTH)
        await scene.served(lent)
        assert lent.sent.count(b"HTTP/1.1") == 1
        assert lent.returned == INDEX + HEALTH

    play(story)


def test_a_body_that_nobody_wants_is_read_over(play: Play) -> None:
    async def story(scene: Scene) -> None:
        lent = scene.server.lend(5, PUT)
        await scene.until(lambda: lent.sent)
        assert lent.sent.startswith(b"HTTP/1.1 405 ")
        assert lent.returned is None
        scene.server.more(5, b"12")
        scene.server.more(5, b"345GET")
        await scene.served(lent)
        assert lent.returned == b"GET"

    play(story)


@pytest.mark.parametrize("request_", [INDEX[:-2] + b"Connection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"])
def test_a_connection_that_does_not_persist_is_closed(play: Play, request_: bytes) -> None:
    async def story(scene: Scene) -> None:
        lent = scene.server.lend(5, request_)
        await scene.served(lent)
        assert lent.sent.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Connection: close\r\n" in lent.sent
        assert lent.returned is None
        assert lent.closed == "close"
        assert not lent.finished

    play(story)


def test_an_error_lingers(play: Play) -> None:
    """The answer, the end of output, then what still comes, within limits; then the end."""

    async def story(scene: Scene) -> None:
        lent = scene.server.lend(5, b"BROKEN\r\n\r\n")
        await scene.until(lambda: lent.finished)
        assert lent.sent.startswith(b"HTTP/1.1 400 ")
        assert not lent.closed
        scene.server.more(5, b"more", None)
        await scene.served(lent)
        assert lent.closed == "close"

    play(story)


def test_the_end_of_input(play: Play) -> None:
    async def story(scene: Scene) -> None:
        lent = scene.server.lend(5, PUT + b"12", None)
        await scene.served(lent)
        assert lent.sent.startswith(b"HTTP/1.1 405 ")
        assert lent.closed == "close"

    play(story)


def test_a_slow_client(play: Play) -> None:
    async def story(scene: Scene) -> None:
        lent = scene.server.lend(5)
        lent.full = True
        lent.coming.append(INDEX)
        await scene.until(lambda: lent.sent)
        await asyncio.sleep(0)
        assert lent.returned is None  # drain() waits
        scene.server.tell("input", 5)
        for _ in range(5):
            await asyncio.sleep(0)
        assert lent.returned is None  # ... for nothing else
        lent.full = False
        scene.server.tell("drained", 5)
        await scene.served(lent)
        assert lent.returned == b""

    play(story)


def test_a_client_that_takes_nothing_is_cut(play: Play) -> None:
    async def story(scene: Scene) -> None:
        scene.gateway.plan.body_ms = 10  # also the reaper's pace
        lent = scene.server.lend(5)
        lent.full = True
        lent.coming.append(INDEX)
        await scene.until(lambda: lent.sent)
        scene.ms += 11
        await scene.served(lent)
        assert lent.closed == "abort"

    play(story)


def test_a_body_that_does_not_come_ends_the_connection(play: Play) -> None:
    async def story(scene: Scene) -> None:
        scene.gateway.plan.body_ms = 10  # also the reaper's pace
        lent = scene.server.lend(5, PUT)
        await scene.until(lambda: lent.sent)
        assert not lent.finished
        scene.ms += 11
        await scene.until(lambda: lent.finished)
        assert not lent.closed
        scene.ms += limits.LINGER_MS
        await scene.served(lent)
        assert lent.sent.startswith(b"HTTP/1.1 405 ")
        assert lent.closed == "close"  # what the client has not taken yet is C's to send, or to cut

    play(story)


@pytest.mark.parametrize("when", ["at once", "reading", "draining"])
def test_a_client_that_goes_away(play: Play, when: str) -> None:
    async def story(scene: Scene) -> None:
        lent = scene.server.lend(5)
        lent.broken = when == "at once"
        if when == "reading":
            lent.coming.append(PUT)
        elif when == "draining":
            lent.coming.append(PUT + b"12345")
            lent.full = True
        if when != "at once":
            await scene.until(lambda: lent.sent)
            lent.broken = True
            scene.server.tell("gone", 5)
        await scene.until(lambda: lent.closed)
        await scene.until(lambda: not scene.gateway._lent)
        assert lent.returned is None

    assert play(story).errors == []


def test_a_stream_that_was_given_back_is_out_of_reach() -> None:
    server = ScriptedServer()
    lent = server.lend(3, b"x")
    stream = LentStream(server, 3)
    assert stream.transport is stream
    assert stream.can_write_eof()
    stream.give_back(b"rest")
    for call in (lambda: stream.write(b"x"), stream.read_now, stream.write_eof, lambda: stream.give_back(b"")):
        with pytest.raises(ConnectionResetError):
            call()
    stream.close()
    stream.abort()
    assert (lent.returned, lent.closed, lent.sent) == (b"rest", None, b"")
    server.close()


@pytest.mark.parametrize("order", ["read first", "write first"])
def test_reading_and_writing_at_a_time(order: str) -> None:
    """As a batch does, in two tasks: each hears what it waits for."""
    server = ScriptedServer()

    async def story() -> None:
        lent = server.lend(3)
        stream = LentStream(server, 3)
        lent.full = True
        stream.write(b"x")
        first, second = (stream.read(9), stream.drain()) if order == "read first" else (stream.drain(), stream.read(9))
        tasks = [asyncio.create_task(first), asyncio.create_task(second)]
        reading, writing = tasks if order == "read first" else tasks[::-1]
        await asyncio.sleep(0)
        lent.coming.append(b"y")
        stream.wake("input")
        for _ in range(5):
            await asyncio.sleep(0)
        assert (reading.done(), writing.done()) == (True, False)
        again = asyncio.create_task(stream.read(9))
        await asyncio.sleep(0)
        stream.wake("drained")
        for _ in range(5):
            await asyncio.sleep(0)
        assert (writing.done(), again.done()) == (True, False)
        again.cancel()

    asyncio.run(story())
    server.close()


def test_the_parsers_rest() -> None:
    for cut in (1, 1000):
        parser = RequestParser()
        data = PUT + b"12345GET /"
        events = []
        for at in range(0, len(data), cut):
            parser.feed(data[at : at + cut])
            while len(events) < 20 and repr(event := parser.next()) != "NEED_DATA":
                events.append(event)
                if repr(event) == "END":
                    break
            if events and repr(events[-1]) == "END":
                break
        assert parser.rest() == (data[at + 1 :][:0] if cut == 1 else b"GET /")
        assert parser.idle
        assert parser.rest() == b""


# -- the gateway around it


def test_events(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    async def story(scene: Scene) -> None:
        scene.server.tell("rows")
        scene.server.tell("no_files")
        scene.server.tell("input", 99)  # of a connection that is gone
        await scene.until(lambda: scene.rows)

    with caplog.at_level(logging.ERROR):
        assert play(story).rows == 1
    assert "out of file descriptors" in caplog.text


def test_counters_of_both_are_added(play: Play) -> None:
    async def story(scene: Scene) -> None:
        counted = scene.server.counted
        counted.update(accepted=3, opened=4, requests={200: 5, 202: 3}, rejected={"timeout": 1}, latency_ms=9)
        counted["latency"][2] = 6
        scene.server.connections = 2
        lent = scene.server.lend(5, INDEX)
        lent.full = True
        await scene.until(lambda: lent.sent)
        scene.gateway.counters.finish(200, "", 4)
        total = scene.gateway.totals()
        assert (total.accepted, total.opened, total.connections, total.latency_ms) == (3, 4, 3, 13)
        assert total.requests == {200: 6, 202: 3}
        assert (total.latency[2], total.rejected) == (7, {"timeout": 1})
        assert scene.gateway.count() == 3
        info = scene.gateway.info()
        assert (info["unready"], info["server"]) == ([], {"memory_bytes": 4711, "lent": 1})
        assert set(info["verified_tokens"]) == {"entries", "bytes", "hits", "misses", "evictions"}
        scene.server.tell("drained", 5)
        lent.full = False
        await scene.served(lent)
        assert scene.gateway.totals().requests == {200: 7, 202: 3}
        metrics = scene.server.lend(6, b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
        await scene.served(metrics)
        assert b'\nheadgate_requests_total{status="200"} 7\n' in metrics.sent
        assert b"\nheadgate_server_memory_bytes 4711\n" in metrics.sent

    play(story)


class Listener:
    """A second level that only listens."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def fetch(self, keys: object) -> None:
        """It has nothing."""

    def changed(self, key: bytes) -> None:
        self.heard.append(key)


def test_keys_changed_in_c_are_told_to_the_second_level(play: Play) -> None:
    async def story(scene: Scene) -> None:
        scene.gateway.second = second = Listener()
        scene.server.changed = [b"kv/a", b"kv/b"]
        scene.server.tell("changes")
        await scene.until(lambda: second.heard)
        assert second.heard == [b"kv/a", b"kv/b"]
        scene.server.changed = [b"kv/c"]  # the last turn's, of which nobody was told any more
        await scene.gateway.drain(0)
        assert second.heard == [b"kv/a", b"kv/b", b"kv/c"]

    play(story)


def test_a_plan_is_for_both(play: Play) -> None:
    async def story(scene: Scene) -> None:
        plan = build({"v": 1, "appliance": "other"}, None, False)
        scene.gateway.adopt(plan)
        assert scene.gateway.plan is plan
        assert scene.server.plan == ("native", plan)
        lent = scene.server.lend(5, INDEX)
        await scene.served(lent)
        assert b'"appliance":"other"' in lent.sent

    play(story)


def test_listening(play: Play) -> None:
    async def story(scene: Scene) -> None:
        listener = scene.gateway.listener()
        listener.open("127.0.0.1", 0)
        assert scene.server.listening == [listener.sockets[0].fileno()]
        with socket.create_connection(listener.sockets[0].getsockname()):
            accepted, _ = listener.sockets[0].accept()
            with accepted:  # who vanishes is noticed, also by a stream on which nobody has to say anything
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        await scene.gateway.drain(0)
        assert scene.server.listening == []
        assert listener.sockets == []

    play(story)


def test_drain_waits_for_both(play: Play) -> None:
    async def story(scene: Scene) -> None:
        scene.server.connections = 1  # one that C serves
        lent = scene.server.lend(5, PUT)
        await scene.until(lambda: lent.sent)
        ending = asyncio.create_task(scene.gateway.drain(60_000))
        await scene.until(lambda: scene.server.calls == ["drain"])
        late = scene.server.lend(6, INDEX)  # its head came before the drain
        await scene.until(lambda: late.closed)  # the other one goes on
        assert b"Connection: close\r\n" in late.sent
        scene.server.more(5, b"12345")
        await scene.until(lambda: lent.returned is not None)
        scene.server.connections = 0  # C says goodbye to both
        assert not ending.done()
        scene.server.tell("empty")
        await ending
        assert scene.server.calls == ["drain", "abort"]

    play(story)


def test_drain_cuts_what_takes_too_long(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    async def story(scene: Scene) -> None:
        scene.server.connections = 1
        lent = scene.server.lend(5, PUT)
        await scene.until(lambda: lent.sent)
        await scene.gateway.drain(1)
        assert lent.closed == "abort"
        assert scene.server.calls == ["drain", "abort"]

    play(story)
    assert "connections are cut" in caplog.text


def test_a_lent_connection_is_a_connection() -> None:
    """Nothing of the portable class is missing or different but the one request, and that C lingers."""
    own = {name for name in vars(LentConnection) if not name.startswith("__")}
    assert own == {"_end_unasked", "_serve_one", "_stream"}
