"""The appliance on MicroPython, wired: gateway, validator and cache over the portable tasks; no disk, no uplink.

Import it after `headgate.micro.main` has set the sizes of a small board.
"""

import asyncio
import gc

from headgate.core import json
from headgate.core.clock import Clock
from headgate.core.limiter import Limiter
from headgate.core.store import Store
from headgate.errors import CONFIG, MISSING, NETWORK, CommandError
from headgate.micro import settings as board
from headgate.micro.ticks import Ticks, wall_s
from headgate.tasks import plan as plans
from headgate.tasks.gateway import Gateway
from headgate.tasks.sink import MemorySink

try:
    import machine
except ImportError:
    machine = None
try:
    import ntptime
except ImportError:
    ntptime = None

NTP_RETRY_S = 60  # while the clock is unset
NTP_REFRESH_S = 21600
TICK_S = 1


def read(path: str) -> bytes:
    """Raises CommandError when the file cannot be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - no pathlib here
            return file.read()
    except OSError as error:
        raise CommandError(MISSING, f"cannot read {path} (error {error.args[0]})") from None


def load(path: str) -> "tuple[board.Settings, plans.Plan]":
    """The settings and the plan of the file at `path`. Raises CommandError: what is wrong, and where."""
    try:
        document = json.loads(read(path))
        settings = board.take(document)
        plan = plans.build(document, None, False)
    except json.JSONError as error:
        raise CommandError(CONFIG, f"{path} is not JSON: {error.reason} at byte {error.offset}") from None
    except plans.PlanError as error:
        raise CommandError(CONFIG, f"{path}: {error}") from None
    gc.collect()
    free = gc.mem_free()
    if plan.cache_bytes + board.HEAP_RESERVE > free:
        raise CommandError(
            CONFIG,
            f"{path}: cache.bytes: {plan.cache_bytes} does not fit, {free} bytes of memory are free",
            f"Give it {max(0, free - board.HEAP_RESERVE)} or less",
        )
    return settings, plan


def next_boot(path: str) -> int:
    """Count this start in the file at `path`: message ids are boot.sequence. 0 when it cannot be written."""
    boot = 0
    try:
        with open(path) as file:  # noqa: PTH123
            boot = int(file.read())
    except (OSError, ValueError):
        boot = 0
    try:
        with open(path, "w") as file:  # noqa: PTH123
            file.write(str(boot + 1))
    except OSError:
        print("headgate: cannot write", path, "- message ids start again with each boot")
        return 0
    return boot + 1


def tls_context(settings: "board.Settings") -> object:
    """A server context of the module `tls`, None without a certificate. Raises CommandError."""
    if not settings.cert:
        return None
    try:
        import tls  # noqa: PLC0415 - costs memory, and not every board has it
    except ImportError:
        raise CommandError(CONFIG, "this MicroPython has no tls module", "Leave tls out") from None
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(read(settings.cert), read(settings.key))
    except (OSError, ValueError) as error:
        raise CommandError(CONFIG, f"certificate or key refused: {error}") from None
    return context


class Appliance:
    """Everything that runs, wired. `settings`, `plan`: from `load`."""

    def __init__(self, settings: "board.Settings", plan: "plans.Plan", boot: int) -> None:
        self.settings = settings
        self.now_ms = Ticks()
        self.clock = Clock(settings.floor_s)
        # Where an operating system keeps the clock (no RTC of ours) it is believed once it passes the floor.
        self.hosted = not hasattr(machine, "RTC")
        self.clock.observe(wall_s(), self.hosted)
        self.gateway = Gateway(
            plan,
            store=Store(plan.cache_bytes, plan.cache_value, plan.cache_entries),
            limiter=Limiter(board.LIMITER_CLIENTS),
            sink=MemorySink(boot),
            clock=self.time,
            now_ms=self.now_ms,
            info=self.info,
        )
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
        """One NTP exchange; it may block for a second, which is why it is rare. False when there was no answer."""
        try:
            ntptime.settime()
        except OSError:
            return False
        return True

    async def supervise(self) -> None:
        """Once a second: feed the watchdog, keep the tick counter extended, look after the clock."""
        due_s = 0
        while True:
            now_s = self.now_ms() // 1000
            if self.watchdog is not None:
                self.watchdog.feed()
            if self.settings.ntp and ntptime is not None and now_s >= due_s:
                answered = self.ask_time()
                self.clock.observe(wall_s(), answered)
                due_s = now_s + (NTP_REFRESH_S if answered else NTP_RETRY_S)
            elif self.hosted:
                self.clock.observe(wall_s(), True)
            await asyncio.sleep(TICK_S)

    async def serve(self) -> None:
        """Until cancelled. Raises CommandError when the address cannot be had."""
        host, port = self.settings.host, self.settings.port
        try:
            await self.gateway.start(host, port, ssl=tls_context(self.settings))
        except OSError as error:
            raise CommandError(NETWORK, f"cannot listen on {host}:{port} (error {error.args[0]})") from None
        gc.collect()
        print(f"headgate: listening on {host}:{port}, {gc.mem_alloc()} bytes live, {gc.mem_free()} free")
        await self.supervise()


def serve(path: str) -> None:
    """Serve the plan in the file at `path` until interrupted. Raises CommandError."""
    settings, plan = load(path)
    appliance = Appliance(settings, plan, next_boot(path.rpartition(".")[0] + ".boot"))
    asyncio.run(appliance.serve())
