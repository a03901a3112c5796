"""Accepts connections for the gateway, within bounds that hold before a connection costs anything.

asyncio.start_server does not do here: it starts a TLS handshake, and its memory, for whoever connects, before anybody
counts; and when the process is out of file descriptors it tries a hundred times in a row and logs each.
"""

import asyncio
import contextlib
import errno
import logging
import os
import resource
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from headgate import limits

if TYPE_CHECKING:
    from headgate.linux.tls import ServerTls
    from headgate.tasks.gateway import Gateway

log = logging.getLogger("headgate.listener")

Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

BACKLOG = 1024  # connections the kernel keeps until they are accepted
AT_ONCE = 32  # accepted in one turn of the event loop
RESERVE = 40  # file descriptors that are not for clients: outbox, uplink, key files, pipes
PAUSE_S = 1.0  # without a free descriptor: no attempt for so long
OUT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # an address of another machine, or of a family that is off here


def allow_descriptors(wanted: int) -> int:
    """Raise the soft limit of open files to `wanted`, as far as the hard one lets us. -> what we have
    of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    return soft


def listening_sockets(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on every address of `host` that this machine has, on one port. Raises OSError, also when it
    has none of them."""
    sockets: list[socket.socket] = []
    failure = OSError("no address")
    try:
        # A str would go through the codec for foreign names, which takes 0.3 MB.
        name = host.encode() if host.isascii() else host
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            # One family to a socket: "::" is not "0.0.0.0" as well, each can be configured.
            try:
                server = socket.create_server((address[0], port, *address[2:]), family=family, backlog=BACKLOG)
            except OSError as error:
                if error.errno not in NOT_HERE:  # "localhost" is ::1 as well, also where IPv6 is switched off
                    raise
                log.warning("not listening on %s, an address of %s: %s", address[0], host, os.strerror(error.errno))
                failure = error
                continue
            server.setblocking(False)
            sockets.append(server)
            port = server.getsockname()[1]
        if not sockets:
            raise failure
    except BaseException:
        for server in sockets:
            server.close()
        raise
    return sockets


class _Reader(asyncio.StreamReader):
    """`identity`: who the client is by its certificate, see tasks/access.py."""

    identity = ""


def _without_cycles(serve: Accept) -> Accept:
    """`serve`, after which nothing of the connection waits for the garbage collector: a storm of connections that are
    reset would be collected by the thousand, and all others wait for that."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        error = reader.exception()
        if error is not None:  # the reader holds it, it the frames, and they the reader
            error.__traceback__ = error.__context__ = None

    return accept


class _Protocol(asyncio.StreamReaderProtocol):
    """Looks at the client's certificate, and tells its listener when the connection is gone."""

    def __init__(self, listener: "Listener") -> None:
        self._reader: _Reader | None = _Reader(limit=2 * limits.READ_CHUNK)
        super().__init__(self._reader, listener.accept)
        self._listener: Listener | None = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """With TLS: when the handshake is complete."""
        session = transport.get_extra_info("ssl_object")
        reader, self._reader = self._reader, None
        if session is not None and self._listener is not None and self._listener.tls is not None and reader is not None:
            identity = self._listener.tls.identify(session)
            if identity is None:
                transport.abort()  # type: ignore[attr-defined]  # it is a Transport
                return
            reader.identity = identity
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.gone()

    def gone(self) -> None:
        if self._listener is not None:
            self._listener.table.discard(self)
        self._listener = None


class Listener:
    """The sockets of one address. `table`: the connections of all listeners of a gateway, `maximum` of them at most;
    one more is closed unread. Has what gateway.drain needs of an asyncio.Server: `close`, `wait_closed`."""

    def __init__(
        self,
        gateway: "Gateway",
        table: "set[_Protocol]",
        maximum: int,
        *,
        tls: "ServerTls | None" = None,
        handshake_s: float = limits.HEAD_MS / 1000,
    ) -> None:
        self.gateway = gateway
        self.accept = _without_cycles(gateway.accept)
        self.table = table
        self.sockets: list[socket.socket] = []
        self._maximum = maximum
        self._loop = asyncio.get_running_loop()
        self.tls = tls
        self._handshake_s = handshake_s
        self._beginning: set[asyncio.Task[None]] = set()
        self._paused: set[asyncio.TimerHandle] = set()
        self._short = False  # of descriptors, and said so

    def open(self, host: str, port: int) -> None:
        """Listen on every address of `host`. Raises OSError."""
        self.sockets = listening_sockets(host, port)
        for server in self.sockets:
            self._resume(server)

    def close(self) -> None:
        for timer in self._paused:
            timer.cancel()
        for server in self.sockets:
            self._loop.remove_reader(server.fileno())
            server.close()
        for task in self._beginning:
            task.cancel()
        self.sockets = []

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._beginning, return_exceptions=True)

    def _resume(self, server: socket.socket) -> None:
        self._loop.add_reader(server.fileno(), self._acceptable, server)

    def _acceptable(self, server: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = server.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in OUT_OF:
                    raise
                self._pause(server, error)
                return
            self._short = False
            connection.setblocking(False)
            if len(self.table) >= self._maximum:
                self.gateway.counters.refused += 1
                connection.close()
                continue
            protocol = _Protocol(self)
            self.table.add(protocol)
            task = self._loop.create_task(self._begin(protocol, connection))
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)

    def _pause(self, server: socket.socket, error: OSError) -> None:
        if not self._short:
            log.error("cannot accept connections for the moment: %s (see ulimit -n)", error.strerror)
        self._short = True
        self._loop.remove_reader(server.fileno())

        def resume() -> None:
            self._paused.discard(timer)
            self._resume(server)

        timer = self._loop.call_later(PAUSE_S, resume)
        self._paused.add(timer)

    async def _begin(self, protocol: _Protocol, connection: socket.socket) -> None:
        """The handshake, when there is one; from then on the gateway serves the connection."""
        options: dict[str, Any] = {}
        if self.tls is not None:
            options["ssl"] = self.tls.context()
            options["ssl_handshake_timeout"] = self._handshake_s
            options["ssl_shutdown_timeout"] = limits.LINGER_MS / 1000
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection, **options)
        except (Exception, asyncio.CancelledError) as error:  # gone again, or no TLS, or not in time, ...; or we stop
            protocol.gone()  # asyncio closes the socket: it may still be sending an alert
            if self.tls is not None and isinstance(error, Exception):
                self.tls.failed(error)
            # asyncio's frame and this error hold each other, and all buffers of the connection: free them now.
            error.__traceback__ = None
