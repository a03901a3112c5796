"""The appliance on MicroPython, wired: gateway, validator and cache over the portable tasks; no disk, no uplink.

Import it after `headgate.micro.main` has set the sizes of a small board.
"""

import asyncio
import gc
import socket
import sys

from headgate import errors
from headgate.core.clock import Clock
from headgate.core.limiter import Limiter
from headgate.micro.arena import Arena
from headgate.micro.sizes import GC_THRESHOLD
from headgate.micro.ticks import Ticks, wall_s
from headgate.micro.turns import Turns
from headgate.tasks.gateway import Gateway
from headgate.tasks.sink import MemorySink

try:
    import machine
except ImportError:
    machine = None  # type: ignore[assignment]
try:
    import ntptime
except ImportError:
    ntptime = None

NTP_RETRY_S = 60  # while the clock is unset
NTP_REFRESH_S = 21600
TICK_S = 1
BACKLOG = 4  # connections that the system keeps waiting
LIMITER_CLIENTS = 32  # token buckets
HEAP_RESERVE = 22528  # bytes that must be left beside the cache: the gateway, CLIENTS of them, one request (measured)
CLIENTS = 8
CONNECTION = 800  # bytes for each further one, idle (measured: 700; 420 with 32 bits)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from headgate.micro.load import Settings
    from headgate.tasks.plan import Plan


class Appliance:
    """Everything that runs, wired. `settings`, `plan`, `context` (TLS or None): from headgate.micro.load."""

    def __init__(
        self, settings: "Settings", plan: "Plan", context: object, boot: int, memory: "bytearray | None" = None
    ) -> None:
        self.settings = settings
        self.context = context
        self.now_ms = Ticks()
        self.clock = Clock(settings.floor_s)
        # Where an operating system keeps the clock (no RTC of ours) it is believed once it passes the floor.
        self.hosted = not hasattr(machine, "RTC")
        self.clock.observe(wall_s(), self.hosted)
        self.gateway = Gateway(
            plan,
            # The interface of core.store.Store (tests/upy/test_arena.py).
            store=Arena(plan.cache_bytes, plan.cache_value, plan.cache_entries, memory),  # type: ignore[arg-type]
            limiter=Limiter(LIMITER_CLIENTS),
            sink=MemorySink(boot),
            clock=self.time,
            now_ms=self.now_ms,
            info=self.info,
        )
        self.turns = Turns(self.gateway)
        self.watchdog = None
        if settings.watchdog_ms and hasattr(machine, "WDT"):
            self.watchdog = machine.WDT(timeout=settings.watchdog_ms)

    def time(self) -> "tuple[int, str]":
        return self.clock.now_s(wall_s()), self.clock.state

    def info(self) -> "dict[str, object]":
        """For /metrics: the ledger, and the heap as it is after a collection (bytes)."""
        gc.collect()
        heap = {"live_bytes": gc.mem_alloc(), "free_bytes": gc.mem_free()}
        return {"interpreter": "micropython", "heap": heap, "outbox": self.gateway.sink.stats()}

    def ask_time(self) -> bool:
        """One NTP exchange; it may block for a second, which is why it is rare. False when there was no answer, or one
        that is too short (ValueError)."""
        try:
            ntptime.settime()
        except (OSError, ValueError):
            return False
        return True

    async def supervise(self) -> None:
        """Once a second: feed the watchdog, keep the tick counter extended, look after the clock."""
        due_s = 0
        while True:
            try:
                now_s = self.now_ms() // 1000
                if self.watchdog is not None:
                    self.watchdog.feed()
                self.turns.reap()
                if self.settings.ntp and ntptime is not None and now_s >= due_s:
                    answered = self.ask_time()
                    self.clock.observe(wall_s(), answered)
                    due_s = now_s + (NTP_REFRESH_S if answered else NTP_RETRY_S)
                elif self.hosted:
                    self.clock.observe(wall_s(), True)
            except MemoryError:  # a request has all of it just now: that is not the end of the appliance
                gc.collect()
            await asyncio.sleep(TICK_S)

    async def serve(self) -> None:
        """Until cancelled. Raises CommandError when the address cannot be had."""
        host, port = self.settings.host, self.settings.port
        try:
            where = socket.getaddrinfo(host, port)[0]
            listener = socket.socket(where[0])
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where[-1])
            listener.listen(BACKLOG)
        except OSError as error:
            cause = f"cannot listen on {host}:{port} (error {error.args[0]})"
            raise errors.CommandError(errors.NETWORK, cause) from None
        asyncio.create_task(self.turns.listen(listener, self.context))  # noqa: RUF006 - MicroPython keeps tasks
        gc.collect()
        # Where there is room, collect less often: the smallest step is for the smallest boards.
        gc.threshold(max(GC_THRESHOLD, gc.mem_free() // 8))
        print(f"headgate: listening on {host}:{port}, {gc.mem_alloc()} bytes live, {gc.mem_free()} free")
        await self.supervise()


def unload(*names: str) -> None:
    """Forget modules that are not needed after the start. Emptied as well: the collector may take a stale word on the
    stack for a reference to one."""
    for name in names:
        module = sys.modules.pop(name, None)
        package, _, last = name.rpartition(".")
        if module is not None:
            module.__dict__.clear()
            if hasattr(sys.modules[package], last):
                delattr(sys.modules[package], last)


def start(path: str, memory: "bytearray | None") -> Appliance:
    """The appliance of the plan in the file at `path`, ready to serve; `memory` for its cache, if there is some.
    Raises CommandError."""
    from headgate.micro import load  # noqa: PLC0415 - last, so that what it frees is in one piece

    settings, plan = load.load(path)
    context = load.tls_context(settings)
    boot = load.next_boot(path.rpartition(".")[0] + ".boot")
    del load
    unload("headgate.micro.load", "headgate.micro.settings", "headgate.tasks.plan")
    unload("headgate.core.schema_compile", "headgate.core.schema_annotations", "headgate.core.pattern_parse")
    unload("headgate._accel")
    if memory is not None and len(memory) != plan.cache_bytes:
        memory = None
    gc.collect()
    room = gc.mem_free() - HEAP_RESERVE + (0 if memory is None else len(memory)) - plan.cache_bytes
    if room < 0:
        cause = f"{path}: cache.bytes: {plan.cache_bytes} does not fit into the memory that is free"
        most = plan.cache_bytes + room
        raise errors.CommandError(errors.CONFIG, cause, f"Give it {most} or less" if most > 0 else "Leave streams out")
    most = CLIENTS + room // CONNECTION
    if plan.connections > most:
        cause = f"{path}: limits.connections: {plan.connections} do not fit into the memory that is free"
        raise errors.CommandError(errors.CONFIG, cause, f"Give it {most} or less")
    return Appliance(settings, plan, context, boot, memory)


def serve(path: str, memory: "bytearray | None" = None) -> None:
    """Serve the plan in the file at `path` until interrupted. Raises CommandError."""
    asyncio.run(start(path, memory).serve())
