"""The HTTP gateway: listens, keeps the table of connections, lets none of them live for ever.

`info()` (or a constant dict) says what the gateway cannot know by itself; every key is optional:

    {"unready": ["uplink: …"],               why /readyz says 503; empty or missing = ready
     "outbox": {"accepted": 1, …},           any other dict is a section: its integers go to /metrics as
     "uplink": {"connected": True, …},       headgate_<section>_<key>
     "boot": 7,                               integers become headgate_<name>
     "interpreter": "micropython"}           texts become labels of headgate_info
"""

import asyncio
import sys

from headgate import limits
from headgate.core.http1 import http_date
from headgate.tasks import api
from headgate.tasks.connection import READ, Connection
from headgate.tasks.counters import Counters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from headgate.core.limiter import Limiter
    from headgate.core.store import Store
    from headgate.tasks.cache import SecondLevel
    from headgate.tasks.exchange import Exchange, Response
    from headgate.tasks.plan import Plan
    from headgate.tasks.sink import Sink

REAP_MS = 1000  # the reaper's longest sleep while somebody is connected


def print_error(error: Exception) -> None:
    """The default `report`: the traceback, on standard error (MicroPython: on its console)."""
    hook = getattr(sys, "excepthook", None)
    if hook is None:
        sys.print_exception(error)  # type: ignore[attr-defined]
    else:
        hook(type(error), error, getattr(error, "__traceback__", None))


class Gateway:
    """`clock()` -> (now_s, state) or (now_s, state, floor_s), see core/clock.py; `now_ms()`: monotonic; `boot`: number
    of this start, part of every ETag (the sink's own by default); `second`: of the key-value cache, see tasks/cache.py.
    `plan` may be replaced at any time; `counters` are for reading. `report(error)` is told of exceptions nobody foresaw
    (answered 500)."""

    connection = Connection  # what serves a client

    def __init__(  # noqa: PLR0913 - the parts of an appliance
        self,
        plan: "Plan",
        *,
        store: "Store",
        limiter: "Limiter",
        sink: "Sink",
        clock: "Callable[[], Any]",
        now_ms: "Callable[[], int]",
        info: "Callable[[], dict[str, object]] | dict[str, object] | None" = None,
        boot: "int | None" = None,
        report: "Callable[[Exception], None]" = print_error,
        second: "SecondLevel | None" = None,
    ) -> None:
        self.plan = plan
        self.store = store
        self.limiter = limiter
        self.sink = sink
        self.clock = clock
        self.now_ms = now_ms
        self.boot: int = getattr(sink, "boot", 0) if boot is None else boot
        self.report = report
        self.second = second
        self.updates: Any = None  # linux/update_relay.py, on a system that has slots
        self.counters = Counters()
        self.draining = False
        self._info = info
        self._router = api.routes()
        self._servers: list[Any] = []
        self._connections: list[Connection] = []
        self._refusing = 0
        self._reaper: Any = None
        self._empty: asyncio.Event | None = None
        self._date = (0, b"")

    async def start(self, host: str, port: int, ssl: "Any" = None, **options: "Any") -> "Any":
        """Listen; may be called several times. `options` go to asyncio.start_server. -> its Server. Raises OSError."""
        if ssl is not None:
            options["ssl"] = ssl
        if hasattr(asyncio, "StreamReaderProtocol"):  # CPython: what asyncio may buffer of one connection is twice this
            options["limit"] = 2 * limits.READ_CHUNK
        server = await asyncio.start_server(self.accept, host, port, **options)
        self.add_server(server)
        return server

    def add_server(self, server: "Any") -> None:
        """Have `drain` close what brings connections to `accept`: close(), async wait_closed()."""
        self._servers.append(server)

    async def drain(self, timeout_ms: int) -> None:
        """Stop listening, finish the requests under way with `Connection: close`, cut what is left after timeout_ms."""
        self.draining = True
        for server in self._servers:
            server.close()
        for _ in range(3):  # whose request is here already is not idle: it is read, its task is woken, and runs
            await asyncio.sleep(0)
        for connection in list(self._connections):
            if connection.idle and connection.read_deadline:
                connection.cancel(READ)
        for wait_ms in (timeout_ms, limits.LINGER_MS):
            if self._connections:
                self._empty = asyncio.Event()
                try:
                    await asyncio.wait_for(self._empty.wait(), wait_ms / 1000)
                except asyncio.TimeoutError:  # noqa: UP041 - MicroPython has no builtin of that name
                    for connection in list(self._connections):
                        connection.cancel(0)
        for server in self._servers:
            await server.wait_closed()  # only now: CPython 3.13 waits for the connections as well
        self._servers = []

    async def handle(self, exchange: "Exchange") -> "Response | None":
        return await api.handle(self._router, exchange)

    def info(self) -> "dict[str, object]":
        info = self._info
        if info is None:
            return {}
        return info if isinstance(info, dict) else info()

    def with_date(self, headers: "list[tuple[bytes, bytes]]") -> "list[tuple[bytes, bytes]]":
        """Adds Date, if there is a clock to believe (RFC 9110 section 6.6.1)."""
        now = self.clock()
        if now[1] == "unset":
            return headers
        if self._date[0] != now[0]:
            self._date = (now[0], http_date(now[0]))
        dated = [(b"Date", self._date[1])]
        dated.extend(headers)
        return dated

    async def accept(self, reader: "asyncio.StreamReader", writer: "asyncio.StreamWriter") -> None:
        """Serve one connection, to its end. For whoever listens by other means than `start`."""
        counters = self.counters
        connection = self.connection(self, reader, writer)
        full = self.count() >= self.plan.connections
        counters.opened += 1
        self._begin(connection)
        try:
            if not full:
                await connection.run()
            else:
                counters.refused += 1
                self._refusing += 1
                try:
                    if self._refusing <= limits.REFUSALS:
                        await connection.refuse()
                    else:
                        writer.close()
                        await writer.wait_closed()
                except OSError:
                    pass
                finally:
                    self._refusing -= 1
        finally:
            self._end(connection)

    def adopt(self, plan: "Plan") -> None:
        """For new requests, from now on."""
        self.plan = plan

    def count(self) -> int:
        """Connections now, without those that are being refused."""
        return len(self._connections) - self._refusing

    def totals(self) -> Counters:
        """What /metrics shows: `counters`, and what others counted who serve for this gateway."""
        return self.counters

    def _begin(self, connection: Connection) -> None:
        if self._reaper is None:  # first: without the memory for it there is no connection
            self._reaper = asyncio.create_task(self._reap())
        self._connections.append(connection)
        self.counters.connections = len(self._connections)

    def _end(self, connection: Connection) -> None:
        self._connections.remove(connection)
        self.counters.connections = len(self._connections)
        if not self._connections and self._empty is not None:
            self._empty.set()

    async def _reap(self) -> None:
        """Cuts what is past its deadline. Runs only while somebody is connected."""
        while self._connections:
            try:
                plan = self.plan
                now_ms = self.now_ms()
                sleep_ms = min(REAP_MS, plan.idle_ms, plan.head_ms, plan.body_ms)
                for connection in list(self._connections):
                    deadline = connection.check(now_ms)
                    if deadline:
                        sleep_ms = min(sleep_ms, deadline - now_ms)
                await asyncio.sleep(max(sleep_ms, 10) / 1000)
            except MemoryError:  # on a board, where a float needs some as well; somebody has to go on looking
                await asyncio.sleep(1)
        self._reaper = None
