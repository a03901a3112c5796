"""Connections the native server lends to Python, for one request each.

What C does not serve (batches, metrics, readiness, anything rare) is served by the portable gateway as ever: a
Connection over a stream whose socket is the server's. As soon as the answer is written the connection goes back, with
the bytes that belong to the next request, and nothing of it stays in Python.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING

from headgate.tasks.connection import Connection

if TYPE_CHECKING:
    from headgate.linux.server_port import Server
    from headgate.tasks.gateway import Gateway

_ENDED = "the connection was given back"


class LentStream:
    """Reader and writer of one lent connection: what tasks/connection.py asks of asyncio's. `id`: the server's."""

    __slots__ = ("_full", "_server", "_waiting", "gone", "id")

    def __init__(self, server: "Server", identity: int) -> None:
        self.id = identity
        self._server: Server | None = server
        self.gone = False
        self._full = False  # so much is written that drain() has to wait
        self._waiting: list[asyncio.Future[None]] = []  # a batch reads and writes at a time

    def wake(self, kind: str) -> None:
        """The server tells something of this connection: "input", "drained" or "gone"."""
        if kind != "input":
            self._full = False  # when it is gone, the next call says so
            self.gone = kind == "gone"
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def _wait(self) -> None:
        """Until wake() is called; whoever waits looks again then."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        finally:
            self._waiting.remove(waiter)

    def _of(self) -> "Server":
        if self._server is None:
            raise ConnectionResetError(_ENDED)
        return self._server

    # -- asyncio.StreamReader

    @property
    def identity(self) -> str:
        """Who the client is by its TLS certificate: tasks/exchange.py."""
        return self._of().lent_identity(self.id)

    def read_now(self) -> bytes | None:
        """What is there; b"": nothing yet; None: nothing more will come. Raises OSError when the client is gone."""
        return self._of().lent_read(self.id)

    async def read(self, n: int) -> bytes:
        """As asyncio's: b"" at the end. `n` is a wish: what the server holds comes in one piece, bounded there."""
        while True:
            data = self.read_now()
            if data is None:
                return b""
            if data:
                return data
            await self._wait()

    # -- asyncio.StreamWriter

    def write(self, data: bytes) -> None:
        self._full = self._of().lent_write(self.id, data)

    async def drain(self) -> None:
        while self._full:
            await self._wait()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._of().lent_finish(self.id)

    def give_back(self, rest: bytes) -> None:
        """The request is served; `rest` is what was read beyond it."""
        self._of().lent_return(self.id, rest)
        self._server = None  # not before: what could not be given back has to be closed

    def close(self) -> None:
        """The connection ends when all is sent. Nothing happens when it was given back, closed or aborted."""
        self._close(abort=False)

    def abort(self) -> None:
        self._close(abort=True)

    def _close(self, *, abort: bool) -> None:
        server, self._server = self._server, None
        if server is not None:
            with contextlib.suppress(OSError):  # the server has closed it before
                server.lent_close(self.id, abort)

    async def wait_closed(self) -> None:
        """What is still to be sent is the server's business."""

    @property
    def transport(self) -> "LentStream":
        """For abort()."""
        return self


class LentConnection(Connection):
    """Serves the one request it was lent for."""

    __slots__ = ("_stream",)

    def __init__(self, gateway: "Gateway", stream: LentStream) -> None:
        super().__init__(gateway, stream, stream)  # type: ignore[arg-type]  # has all that is used of them
        self._stream = stream

    async def _end_unasked(self) -> None:
        """C lingers, when all is written."""

    async def _serve_one(self) -> bool:
        """-> False: it was the last one."""
        first = self._stream.read_now()  # at once: a head that is here must not be taken for an idle connection
        if first:
            self.parser.feed(first)
        if await super()._serve_one():
            self._stream.give_back(self.parser.rest())
        return False
