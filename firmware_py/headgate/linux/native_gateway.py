"""The gateway on the native server: C serves what is frequent and lends the rest to the gateway of tasks/.

The server runs inside the event loop's selector (linux/selector.py). What it has for Python comes as events: requests
to serve, rows for the outbox, notices. There is one Gateway for all of it: its handlers, deadlines and counters are
those of the asyncio driver.
"""

import asyncio
import importlib
import logging
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from headgate import limits
from headgate.linux import tls
from headgate.linux.lent import LentConnection, LentStream
from headgate.linux.listener import listening_sockets
from headgate.tasks.counters import Counters
from headgate.tasks.gateway import Gateway

if TYPE_CHECKING:
    from headgate.linux.outbox import Outbox
    from headgate.linux.selector import NativeSelector, Reading
    from headgate.linux.server_port import Server

log = logging.getLogger("headgate.server")

# A client that vanished without a word is noticed after some two minutes. Every wait has a deadline, but for that of a
# stream on which nobody has to say anything (grpc.health.v1.Health/Watch).
_KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))  # s, s, probes


def added(ours: Counters, others: Mapping[str, Any]) -> Counters:
    """The sum. `others`: Server.counters(), whose names and forms are those of Counters."""
    total = Counters()
    for name in ("accepted", "replayed", "validated", "opened", "refused", "connections", "latency_ms"):
        setattr(total, name, getattr(ours, name) + others[name])
    for name in ("requests", "problems", "rejected"):
        counts = dict(getattr(ours, name))
        for key, count in others[name].items():
            counts[key] = counts.get(key, 0) + count
        setattr(total, name, counts)
    total.latency = [one + other for one, other in zip(ours.latency, others["latency"], strict=True)]
    return total


def _nothing() -> None:
    """Nobody wants to hear of it."""


class NativeListener:
    """The sockets of one address, on which the server accepts. Has what gateway.drain asks for."""

    def __init__(self, server: "Server", secure: Any = None) -> None:
        """`secure`: a native Tls, or None."""
        self._server = server
        self._secure = secure
        self.sockets: list[socket.socket] = []

    def open(self, host: str, port: int) -> None:
        """Listen on every address of `host`. Raises OSError."""
        self.sockets = listening_sockets(host, port)
        for listening in self.sockets:  # what it accepts has its options
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEP_ALIVE:
                listening.setsockopt(socket.IPPROTO_TCP, option, value)
            self._server.listen(listening.fileno(), self._secure)

    def close(self) -> None:
        for listening in self.sockets:
            self._server.unlisten(listening.fileno())
            listening.close()
        self.sockets = []

    async def wait_closed(self) -> None:
        """The server keeps count of its connections itself."""


class NativeGateway(Gateway):
    """`server` serves for this gateway, whose other parts it must share (store, limiter, the sink's intake); to be made
    in the loop whose selector is `selector`; `open_gateway` makes both. `reading()`: TrustedClock.reading; `rows()`:
    called when the intake has some; `compile_plan(plan)`: the native form of a Plan. Further arguments: Gateway's.

    `committed`, `parted`: for who posts commits to the server; called when one has ended that Python waits
    for; when the server serves no more."""

    def __init__(
        self,
        server: "Server",
        selector: "NativeSelector",
        *,
        reading: "Reading",
        rows: Callable[[], None],
        compile_plan: Callable[[Any], Any],
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        self.server = server
        self._selector = selector
        self._rows = rows
        self.committed: Callable[[], None] = _nothing
        self.parted: Callable[[], None] = _nothing
        self.http2_counters: Callable[[], dict[str, Any]] | None = None  # where connections may speak it
        self._compile = compile_plan
        self._lent: dict[int, LentStream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._left = asyncio.Event()  # the server has no connections, and will have none
        self._loop = asyncio.get_running_loop()
        selector.join(server, reading)
        self._joined = True
        self._loop.add_reader(server.fileno(), self._dispatch)

    def listener(self, secure: "tls.ServerTls | None" = None) -> NativeListener:
        listener = NativeListener(self.server, None if secure is None else tls.native_tls(secure))
        self.add_server(listener)
        return listener

    def serve_grpc(self) -> None:
        """Also the methods of gRPC that are Python's: comes with HTTP/2."""
        from headgate.linux.grpc_routes import add_routes

        add_routes(self._router)

    def adopt(self, plan: Any) -> None:
        """For new requests of both drivers, from now on."""
        self.server.plan = self._compile(plan)
        self.plan = plan

    async def drain(self, timeout_ms: int) -> None:
        """As ever, with the server's connections. The server and the selector part at the end."""
        self.server.drain()
        left = self._loop.create_task(self._until_left(timeout_ms))
        try:
            await super().drain(timeout_ms)
            await left
        finally:
            left.cancel()
            self.server.abort()  # lent connections are broken then, and end
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=limits.LINGER_MS / 1000)
            self.tell_changes()  # the last ones may not have been told of
            if self._joined:
                self._joined = False
                self._loop.remove_reader(self.server.fileno())
                self._selector.leave()
                self.parted()

    async def _until_left(self, timeout_ms: int) -> None:
        if self.server.connections:
            try:
                await asyncio.wait_for(self._left.wait(), timeout_ms / 1000)
            except TimeoutError:
                log.warning("%d connections are cut: they took too long to end", self.server.connections)

    def count(self) -> int:
        """Of both drivers; a lent connection is the server's."""
        return super().count() - len(self._lent) + self.server.connections

    def totals(self) -> Counters:
        """What was served by C and by Python."""
        total = added(self.counters, self.server.counters())
        total.connections -= len(self._lent)  # counted by both
        return total

    def info(self) -> dict[str, object]:
        info = dict(super().info())
        info["server"] = {"memory_bytes": self.server.memory, "lent": len(self._lent)}
        info["verified_tokens"] = self.plan.verifier.stats()
        if self.http2_counters is not None:
            info["http2"] = self.http2_counters()
        return info

    # -- what the server has for Python

    def _dispatch(self) -> None:
        """The event loop calls this when there are events."""
        for kind, identity in self._selector.events():
            if kind == "lent":
                self._serve(identity)
            elif kind == "rows":
                self._rows()
            elif kind == "committed":
                self.committed()
            elif kind == "changes":
                self.tell_changes()
            elif kind == "empty":
                self._left.set()
            elif kind == "no_files":
                log.error("cannot accept connections for the moment: out of file descriptors (see ulimit -n)")
            else:
                stream = self._lent.get(identity)
                if stream is not None:
                    stream.wake(kind)

    def tell_changes(self) -> None:
        """The second level hears which keys of the cache were put or deleted in C."""
        if self.second is not None:
            for key in self.server.changes():
                self.second.changed(key)

    def _serve(self, identity: int) -> None:
        stream = self._lent[identity] = LentStream(self.server, identity)
        task = self._loop.create_task(self._serve_lent(stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_lent(self, stream: LentStream) -> None:
        connection = LentConnection(self, stream)
        self._begin(connection)
        try:
            await connection.run()
        finally:
            del self._lent[stream.id]
            self._end(connection)


def http2_missing() -> str:
    """Why this installation cannot serve HTTP/2; "": it can."""
    try:
        importlib.import_module("headgate_native._http2")
    except ImportError as error:
        return str(error)
    return ""


def open_gateway(
    selector: "NativeSelector", plan: Any, outbox: "Outbox", *, reading: "Reading", http2: bool = False, **parts: Any
) -> Gateway:
    """A gateway whose native server puts what it accepts into the outbox's intake and answers when that is committed.
    `http2`: connections may speak it. `parts`: those of Gateway but plan and sink."""
    from headgate_native import _native

    config = outbox.config
    server: Any = _native.Server(
        _native.Plan(plan),
        parts["store"],
        parts["limiter"],
        outbox.intake,  # type: ignore[arg-type]  # the native one, as the backend is
        boot=parts.get("boot", outbox.boot),
        shared=parts.get("second") is not None,
        batch_rows=config.batch_records,
        batch_bytes=config.batch_bytes,
        batches=config.commit_batches,
        linger_ms=config.linger_ms,
        memory_linger_ms=config.memory_linger_ms,
    )
    if http2:
        from headgate_native import _http2  # only here: whoever does not ask for it does not load libnghttp2

        server.http2(_http2.library)
    gateway = NativeGateway(
        server,
        selector,
        reading=reading,
        rows=outbox.note_rows,
        compile_plan=_native.Plan,
        plan=plan,
        sink=outbox,
        **parts,
    )
    if http2:
        gateway.http2_counters = _http2.counters
        gateway.serve_grpc()
    outbox.join(server)
    gateway.committed, gateway.parted = outbox.settle, outbox.part
    if gateway.second is not None:
        parts["second"].gather = gateway.tell_changes
    return gateway
