"""The device on the time axis of the load: CPU, memory, temperature, disk, outbox.

It is asked once an interval, at its end. What it does not answer in time is None for that interval.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from headgate_host.load.result import Device, DeviceSeries

PATIENCE_S = 2.0
LEDGER = ("accepted", "delivered", "stored", "expired", "dropped")  # of the outbox


class Meaning(NamedTuple):
    """Of a metric. `scale`: what one of it is in `unit`. `counts`: it only grows; the figure is its growth a second."""

    name: str
    unit: str
    scale: float = 1.0
    counts: bool = False


MEANINGS = {  # ours first; then what exporters call theirs
    "headgate_process_cpu_ms": Meaning("cpu", "cores", 1e-3, counts=True),
    "headgate_process_resident_bytes": Meaning("rss", "bytes"),
    "headgate_process_proportional_bytes": Meaning("pss", "bytes"),
    "headgate_process_disk_bytes": Meaning("disk", "bytes/s", counts=True),
    "headgate_board_temperature_mc": Meaning("temp", "celsius", 1e-3),
    "headgate_board_throttled": Meaning("throttled", "flags"),
    "headgate_outbox_stored": Meaning("outbox", "messages"),
    "headgate_outbox_pending": Meaning("pending", "messages"),
    "headgate_connections": Meaning("connections", "connections"),
    "process_cpu_seconds_total": Meaning("cpu", "cores", counts=True),
    "process_resident_memory_bytes": Meaning("rss", "bytes"),
    "node_thermal_zone_temp": Meaning("temp", "celsius"),
    "node_hwmon_temp_celsius": Meaning("temp", "celsius"),
    "node_disk_written_bytes_total": Meaning("disk", "bytes/s", counts=True),
}


class Source(Protocol):
    """`read`: metrics by name, for MEANINGS. Raises OSError when there are none now."""

    name: str

    async def read(self) -> Mapping[str, float]: ...

    async def close(self) -> None: ...


class Sampler:
    """Asks the source once an interval and keeps what it says at the interval's place."""

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self._source, self._clock = source, clock
        self._columns: dict[str, tuple[str, dict[int, float]]] = {}  # figure -> unit, value by interval
        self._before: dict[str, tuple[float, float]] = {}  # counter -> when, value
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: Mapping[str, float] = {}

    @property
    def is_headgate(self) -> bool:
        return "headgate_info" in self._last

    async def begin(self) -> None:
        """What counters stand at. Raises OSError, TimeoutError."""
        self._keep(-1, await self._source.read())

    def ask(self, interval: int) -> None:
        """Without waiting for the answer. A source that still answers the look before is left alone."""
        if self._tasks:
            return
        task = asyncio.create_task(self._ask(interval))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, interval: int) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            self._keep(interval, await self._source.read())

    def _keep(self, interval: int, metrics: Mapping[str, float]) -> None:
        now = self._clock()
        self._last = metrics
        for metric, meaning in MEANINGS.items():
            if metric not in metrics:
                continue
            value = metrics[metric]
            if meaning.counts:
                before = self._before.get(metric)
                self._before[metric] = now, value
                if before is None or value < before[1] or now <= before[0]:  # it has been restarted
                    continue
                value = (value - before[1]) / (now - before[0])
            _, values = self._columns.setdefault(meaning.name, (meaning.unit, {}))
            if interval >= 0:
                values.setdefault(interval, value * meaning.scale)

    def latest(self) -> dict[str, float]:
        """For those who watch."""
        return {name: values[max(values)] for name, (_, values) in self._columns.items() if values}

    async def end(self, intervals: int) -> Device:
        """`intervals`: of the run. Asks once more, for the ledger."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=PATIENCE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._ask(intervals)
        await self._source.close()
        series = {
            name: DeviceSeries(unit, [values.get(interval) for interval in range(intervals)])
            for name, (unit, values) in self._columns.items()
        }
        metrics = self._last
        names = {f"headgate_outbox_{name}{total}": name for name in LEDGER for total in ("", "_total")}
        ledger = {name: int(metrics[metric]) for metric, name in names.items() if metric in metrics}
        return Device(self._source.name, series, ledger)
