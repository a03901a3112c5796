"""Attacks with connections: many at once, none of which means well. Afterwards the server serves, and has none of them.

The deadlines are those of wire.plan(); the number of connections allowed is larger here, so that they are held.
"""

from __future__ import annotations

import contextlib
import resource
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import wire
from wire import Client, Server, head

pytestmark = pytest.mark.skipif(not wire.CPYTHON, reason="a small board has room for a handful of connections")

GOOD = b'{"station":"st-1","temp_c":1}'
POST = "/v1/streams/weather"
JSON = {"Content-Type": wire.JSON_TYPE}
IDLE = 1000
RESETS = 2000
SLOW = 100
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    needed = IDLE + 100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            pytest.skip(f"needs {needed} file descriptors: raise ulimit -n")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    folder: Path = tmp_path_factory.mktemp("storms")
    plan = wire.plan()
    plan["limits"]["connections"] = needed
    running = Server(folder, plan)
    try:
        yield running
        assert running.process.poll() is None, running.process.communicate()[0]
    finally:
        said = running.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "Traceback" not in said, said


def connections(server: Server) -> int:
    """Without the one that asks."""
    return int(server.metrics()["headgate_connections"]) - 1


def until_gone(server: Server) -> None:
    """All of them are gone; how soon the server notices is its business, within reason."""
    end = time.monotonic() + wire.PATIENCE_S
    while (left := connections(server)) and time.monotonic() < end:
        pass  # asked again: nothing tells when a connection's end has arrived
    assert left == 0
    answer = server.request("POST", POST, GOOD, JSON)
    assert answer.status == 202, answer


def message() -> bytes:
    return head("POST", POST, len(GOOD), JSON) + GOOD


def test_reset_storm(server: Server) -> None:
    """Connections that are reset at every point of a request, also while it is answered."""
    whole = message()
    for number in range(RESETS):
        with server.client() as client:
            client.send(whole[: number * 7 % (len(whole) + 1)])
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if number % 200 == 0:
            assert server.request("GET", "/healthz").status == 200
    until_gone(server)


def test_resets_at_once(server: Server) -> None:
    """Hundreds that have asked for something are reset together, before or while they are answered."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for _ in range(300)]
        for number, client in enumerate(clients):
            client.send(message() if number % 2 else head("GET", "/metrics") * 5)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    until_gone(server)


def test_half_closed(server: Server) -> None:
    """Clients that say at once that they will say nothing more: who has asked is answered, who has not is let go."""
    with contextlib.ExitStack() as stack:
        for number in range(200):
            client = stack.enter_context(server.client())
            if number % 2:
                client.send(message())
            client.socket.shutdown(socket.SHUT_WR)
            if number % 2:
                answer = client.answer()
                assert answer is not None
                assert answer.status == 202
            assert client.answer() is None
    until_gone(server)


def trickle(server: Server, beginning: Callable[[], bytes]) -> None:
    """SLOW clients begin, and go on with a byte now and then until they are told to stop. All of them are, and others
    are served meanwhile."""
    end = time.monotonic() + wire.PATIENCE_S
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as waiting:
        for _ in range(SLOW):
            client = stack.enter_context(server.client())
            client.send(beginning())
            waiting.register(client.socket, selectors.EVENT_READ, client)
        while waiting.get_map():
            assert time.monotonic() < end, f"{len(waiting.get_map())} connections are still held"
            answered = waiting.select(0.1)
            for key, _ in answered:
                waiting.unregister(key.fileobj)
                stopped: Client = key.data
                answer = stopped.answer()
                assert answer is not None
                assert answer.status == 408
                assert answer.headers["connection"] == "close"
            if not answered:
                for key in list(waiting.get_map().values()):
                    key.data.send(b" ")
                assert server.request("GET", "/healthz").status == 200
    until_gone(server)


def test_slow_heads(server: Server) -> None:
    trickle(server, lambda: b"GET / HTTP/1.1\r\nHost: wire\r\nX: ")


def test_slow_bodies(server: Server) -> None:
    trickle(server, lambda: head("POST", POST, 2000, JSON))


def test_slow_chunks(server: Server) -> None:
    trickle(server, lambda: head("POST", POST, None, {**JSON, "Transfer-Encoding": "chunked"}) + b"400\r\n")


def test_thousand_idle_connections(server: Server) -> None:
    """They cost their memory and nothing else; who comes on top of them is served, and so is each of them."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for _ in range(IDLE)]
        answer = server.request("POST", POST, GOOD, JSON)
        assert answer.status == 202
        assert connections(server) == IDLE
        for client in clients[:: IDLE // 20]:
            assert client.request("GET", "/healthz").status == 200
        assert connections(server) == IDLE
    until_gone(server)
