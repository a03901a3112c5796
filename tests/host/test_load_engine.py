"""The engine against servers of which everything is known. Counts are compared, never times: what a busy machine does
to the times, the audit says."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from headgate import _accel
from headgate_host.load import http_native, load, record
from headgate_host.load.device_sources import NOTHING
from headgate_host.load.engine import Moment, Plan
from headgate_host.load.exits import LoadError
from headgate_host.load.load import Load
from headgate_host.load.operation import ANY_SUCCESS, HTTP, Expect, Operation, Request
from headgate_host.load.phases import Schedule, hold
from headgate_host.load.result import OK, Result
from headgate_host.load.target import Target
from headgate_host.load.transport import Unreachable

CLIENTS = ("pure", "native") if _accel.BACKEND == "native" else ("pure",)


@pytest.fixture(autouse=True, params=CLIENTS)
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which of the twins sends."""
    native = request.param == "native"
    monkeypatch.setattr(http_native, "usable", lambda target: native)
    return str(request.param)


LOOK = Operation("look", method="GET")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(status: int = 200, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n%s\r\nok" % (status, more)


@dataclass
class Server:
    target: Target
    vanish: Callable[[], None]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Server]:
    writers, tasks = set(), set()

    def vanish() -> None:
        server.close()
        for writer in list(writers):
            writer.transport.abort()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        tasks.add(asyncio.current_task())
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    async with server:
        yield Server(Target.parse(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"), vanish)
        vanish()
        await asyncio.gather(*tasks, return_exceptions=True)


def always(data: bytes, *, close: bool = False) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            if close:
                return

    return serve


def plan(rate: float = 200, seconds: float = 0.5, *, warm_up: float = 0.0, expect: Expect = ANY_SUCCESS) -> Plan:
    request = Request(LOOK, 0, "/", b"", expect)
    due = Schedule([hold(rate, seconds + warm_up)]).due()
    return Plan(itertools.repeat(request), seconds + warm_up, due, measured_from=warm_up)


async def run(serve: Serve, wanted: Plan, **options: object) -> Result:
    async with serving(serve) as server:
        one = Load({HTTP: server.target}, wanted, connections=4, timeout_s=5.0, device=NOTHING)
        for name, value in options.items():
            setattr(one, name, value)
        return (await load.run(one)).result


def test_every_request_is_due_sent_and_answered() -> None:
    result = asyncio.run(run(always(answer()), plan()))
    total = result.total
    assert (total.due, total.sent, total.outcomes) == (100, 100, {OK: 100})
    assert total.latency.count == total.service.count == 100
    assert sum(result.series.due) == sum(result.series.done) == 100
    assert len(result.series.due) == len(result.series.in_flight) == len(result.slices)


def test_latency_is_never_less_than_service() -> None:
    total = asyncio.run(run(always(answer()), plan())).total
    for share in (0.5, 0.9, 0.99, 1.0):
        assert total.latency.quantile(share) >= total.service.quantile(share)


def test_the_warm_up_is_not_in_the_figures() -> None:
    result = asyncio.run(run(always(answer()), plan(warm_up=0.25)))
    assert result.total.due == result.total.done == 100


def test_other_statuses_are_wrong() -> None:
    result = asyncio.run(run(always(answer(503)), plan(seconds=0.1)))
    assert result.total.outcomes == {"status 503": 20}
    expected = asyncio.run(run(always(answer(503)), plan(seconds=0.1, expect=Expect((503,)))))
    assert expected.total.outcomes == {OK: 20}


def test_a_server_that_closes_each_time() -> None:
    result = asyncio.run(run(always(answer(200, b"Connection: close\r\n"), close=True), plan(rate=50)))
    assert result.total.outcomes == {OK: 25}


def test_a_server_that_breaks_connections() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    result = asyncio.run(run(serve, plan(rate=50)))
    assert result.total.outcomes == {record.LOST: 25}
    assert result.total.latency.count == 0


def test_a_server_that_takes_no_more_connections_is_not_stormed() -> None:
    """It closes all but one at once; what is closed is not opened again and again without a pause."""
    opened = itertools.count(1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if next(opened) == 1:
            await always(answer())(reader, writer)

    result = asyncio.run(run(serve, plan(rate=100, seconds=1)))
    assert result.total.due == 100
    assert next(opened) <= 500


def test_a_server_that_speaks_something_else() -> None:
    result = asyncio.run(run(always(b"hello there\r\n\r\n"), plan(rate=50, seconds=0.2)))
    assert result.total.outcomes == {record.MALFORMED: 10}


def test_what_is_never_answered_is_in_the_tail() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    result = asyncio.run(run(serve, plan(rate=100, seconds=0.2), timeout_s=0.3))
    total = result.total
    assert set(total.outcomes) <= {record.TIMEOUT, record.UNSENT}
    assert total.errors == total.due == 20
    assert total.sent < total.due  # four connections
    assert total.latency.count == 20  # with what they had waited
    assert total.latency.least >= 0.3e9


def test_nobody_there() -> None:
    async def refused() -> None:
        async with serving(always(b"")) as server:
            pass
        await load.run(Load({HTTP: server.target}, plan()))

    with pytest.raises(Unreachable) as failure:
        asyncio.run(refused())
    assert failure.value.code == 3
    assert "refused" in failure.value.cause


def test_a_server_that_goes_away() -> None:
    async def scenario() -> Result:
        async with serving(always(answer())) as server:
            one = Load({HTTP: server.target}, plan(rate=100, seconds=2), connections=2, timeout_s=2.0)
            return (await load.run(one, on_moment=lambda moment: server.vanish())).result

    total = asyncio.run(scenario()).total
    assert total.outcomes[OK] >= 50
    assert total.outcomes[OK] + total.errors == total.due == 200
    assert set(total.outcomes) <= {OK, record.REFUSED, record.LOST, record.UNSENT}
    assert total.outcomes[record.REFUSED] > 0


def test_closed_loop_sends_when_answered() -> None:
    seen = itertools.count()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            next(seen)
            writer.write(answer())

    wanted = plan(seconds=0.3)
    wanted.due, wanted.closed = None, 3
    total = asyncio.run(run(serve, wanted)).total
    assert total.due == total.sent == total.done == next(seen)
    assert total.latency.count == total.service.count == total.due > 3


def test_an_interrupted_run_has_a_result() -> None:
    async def scenario() -> Result:
        def moment(now: Moment) -> None:
            os.kill(os.getpid(), signal.SIGINT)

        async with serving(always(answer())) as server:
            return (await load.run(Load({HTTP: server.target}, plan(seconds=600)), on_moment=moment)).result

    result = asyncio.run(scenario())
    assert (result.interrupted, result.exit_code) == (True, 130)
    assert 0 < result.total.done < 1000


def test_whoever_stops_it_does_not_wait_for_connections() -> None:
    """Of a target that is there, and takes no more of them."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            opening = asyncio.Event()
            loop.add_reader(full, opening.set)
            target = Target.parse(f"http://127.0.0.1:{full.getsockname()[1]}/")
            one = Load({HTTP: target}, plan(), connections=200, device=NOTHING)
            running = asyncio.create_task(load.run(one))
            await opening.wait()
            loop.remove_reader(full)
            os.kill(os.getpid(), signal.SIGINT)
            await running

    with pytest.raises(LoadError) as failure:
        asyncio.run(scenario())
    assert failure.value.code == 130


def test_a_generator_that_stalls_is_invalid() -> None:
    """Also where another thread sends: it has nothing to send meanwhile."""
    result = asyncio.run(scenario_with_stall(time.sleep))
    assert (result.audit.verdict, result.exit_code) == ("invalid", 7)


async def scenario_with_stall(sleep: Callable[[float], None]) -> Result:
    """The server is in the same process here: what stalls is the loop of both, which no figure may hide."""
    async with serving(always(answer())) as server:

        def moment(now: Moment) -> None:
            if now.interval == 0:
                sleep(0.3)

        return (await load.run(Load({HTTP: server.target}, plan(seconds=2)), on_moment=moment)).result
