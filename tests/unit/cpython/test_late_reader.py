"""tasks/connection on asyncio: the last answer is whole also for a client that takes its time to read it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from asyncio.sslproto import SSLProtocol
from pathlib import Path
from typing import Any

import pytest
from certificates import make

from headgate import limits
from headgate.core.limiter import Limiter
from headgate.core.store import Store
from headgate.linux import tls
from headgate.tasks.connection import Connection
from headgate.tasks.exchange import Response
from headgate.tasks.gateway import Gateway
from headgate.tasks.plan import build
from headgate.tasks.sink import MemorySink

BODY = b"z" * 50_000  # more than the sockets of the test take, less than asyncio keeps for itself
PLAN = {
    "v": 1,
    "appliance": "t",
    "issuers": [{"name": "me", "audience": "a", "keys": [{"kid": "k", "alg": "HS256", "k": "A" * 43}]}],
    "streams": {},
}


def _read(port: int, context: ssl.SSLContext | None, fields: str, begins: float) -> bytes:
    """All of the answer, of which nothing is taken for so long (s)."""
    with contextlib.closing(socket.socket()) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(10)
        plain.connect(("127.0.0.1", port))
        with contextlib.ExitStack() as stack:
            client: Any = plain
            if context is not None:
                client = stack.enter_context(context.wrap_socket(plain, server_hostname="127.0.0.1"))
            client.sendall(f"GET /large HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
            time.sleep(begins)
            parts = []
            while part := client.recv(65536):
                parts.append(part)
            return b"".join(parts)


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("drains", [False, True])
def test_the_last_answer_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, secure: bool, drains: bool
) -> None:
    monkeypatch.setattr(limits, "LINGER_MS", 100)
    options: dict[str, Any] = {}
    context = None
    if secure:
        tls.bound_asyncio()
        certs = make(tmp_path)
        options["ssl"] = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        options["ssl"].load_cert_chain(certs / "server.pem", certs / "server.key")
        options["ssl_shutdown_timeout"] = limits.LINGER_MS / 1000
        context = ssl.create_default_context(cafile=str(certs / "ca.pem"))

    async def story() -> bytes:
        gateway = Gateway(
            build(PLAN),
            store=Store(1000, 100, 10),
            limiter=Limiter(8),
            sink=MemorySink(7),
            clock=lambda: (1800000000, "trusted"),
            now_ms=lambda: time.monotonic_ns() // 1_000_000,
        )
        asked = asyncio.Event()

        async def large(_x: Any, _params: dict[str, str]) -> Response:
            asked.set()
            return Response(200, BODY)

        gateway._router.add("GET", "/large", large)
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # accepted sockets have it from this one
        gateway.add_server(await asyncio.start_server(gateway.accept, sock=listening, **options))
        port = listening.getsockname()[1]
        fields = "" if drains else "Connection: close\r\n"
        reading = asyncio.create_task(asyncio.to_thread(_read, port, context, fields, 1.5))  # the reaper sleeps 1 s
        if drains:
            await asked.wait()
            await asyncio.sleep(0.1)  # its answer is written
            await gateway.drain(5000)
        got = await reading
        await gateway.drain(5000)
        return got

    head, _, body = asyncio.run(story()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert len(body) == len(BODY)


def test_the_last_byte_is_waited_for_as_well() -> None:
    """The socket takes all but one byte; whether a transport waits then its limits say."""

    async def story() -> None:
        ours, theirs = socket.socketpair()
        with ours:
            reader, writer = await asyncio.open_connection(sock=theirs)
            Connection(None, reader, writer)  # type: ignore[arg-type]
            assert writer.transport.get_write_buffer_limits() == (0, 0)  # type: ignore[attr-defined]
            writer.close()

    asyncio.run(story())


class _Transport(asyncio.Transport):
    """Of a client who does not read: it notes whether it is read from."""

    reads = True

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""

    def write(self, data: Any) -> None:
        self.sent += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def abort(self) -> None: ...

    def _force_close(self, _error: BaseException | None) -> None: ...  # what CPython 3.13 asks for


def test_who_takes_no_answers_of_tls_is_read_no_further(tmp_path: Path) -> None:
    """Key updates, each of which has to be answered."""
    tls.bound_asyncio()
    certs = make(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certs / "server.pem", certs / "server.key")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context(cafile=str(certs / "ca.pem")).wrap_bio(
        incoming, outgoing, server_hostname="127.0.0.1"
    )

    async def story() -> None:
        transport = _Transport()
        protocol: Any = SSLProtocol(asyncio.get_running_loop(), asyncio.Protocol(), context, None, server_side=True)
        protocol.connection_made(transport)

        def say() -> None:
            data = outgoing.read()
            protocol.get_buffer(len(data))[: len(data)] = data
            protocol.buffer_updated(len(data))
            incoming.write(transport.sent)
            transport.sent = b""

        for _ in range(2):
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
            say()
        assert client.version() is not None
        protocol.pause_writing()  # the socket takes no more
        protocol._outgoing.write(b"u" * limits.LENT_OUTPUT)
        client.write(b"a")
        say()
        assert transport.reads
        protocol._outgoing.write(b"u")
        client.write(b"b")
        say()
        assert not transport.reads
        protocol.resume_writing()  # it has taken everything
        assert transport.reads
        protocol._app_transport.abort()

    asyncio.run(story())
