"""Runs a plan: feeds the transports, collects once an interval, waits for what is under way, and audits itself.

Open loop: a request is due when the plan says, whatever became of earlier ones, and its latency counts from then on.
Closed loop: each connection sends the next request when the last one is answered; a stalled target then is asked less,
so the latencies of a closed loop say how long answers took and nothing of those who would have had to wait.
"""

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from headgate.errors import INTERRUPTED, USAGE, CommandError
from headgate_host.load.audit import Watched, audit, notes
from headgate_host.load.collect import Collector
from headgate_host.load.distribution import merge
from headgate_host.load.exits import LoadError
from headgate_host.load.histogram import Histogram
from headgate_host.load.operation import Request
from headgate_host.load.record import SECOND_NS, Recorder, Recording
from headgate_host.load.result import Audit, Measured
from headgate_host.load.transport import Transport

LEAD_NS = 50_000_000  # from the end of the preparations to the first due instant
AHEAD_NS = 100_000_000  # requests are made so long before they are due
SLICE = 32  # of them at a time, so that the loop is not held up
TICK_S = 0.02  # how often the loop's own lag is looked at
DRAIN_CHECK_S = 0.01


@dataclass
class Plan:
    """`requests`: what to send, in order; may end early. Open loop: `due`, seconds from the start, ascending, and for
    how long; closed loop: `closed` connections for `seconds`. `measured_from` s: what is due before does not count."""

    requests: Iterator[Request]
    seconds: float
    due: Iterator[float] | None = None
    closed: int = 0
    measured_from: float = 0.0


@dataclass
class Ran:
    """What came of a run."""

    collected: Collector
    audit: Audit
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0  # from the first due instant that counts to the last answer
    interrupted: bool = False

    @property
    def total(self) -> Measured:
        return self.collected.total


@dataclass
class Moment:
    """For those who watch: interval number `interval` has just ended; `measured` is what is known of it."""

    interval: int
    seconds: float
    measured: Measured
    in_flight: int
    device: Mapping[str, float] = field(default_factory=dict)  # what was known of it last


class Engine:
    """`transports`: by protocol. `on_moment`: called after each interval."""

    def __init__(
        self,
        transports: Mapping[str, Transport],
        *,
        timeout_s: float,
        interval_s: float = 1.0,
        on_moment: Callable[[Moment], None] | None = None,
    ) -> None:
        self._transports = transports
        self._recorders: list[Recording] = []
        for recorder in (recorder for transport in transports.values() for recorder in transport.recorders):
            if recorder not in self._recorders:
                self._recorders.append(recorder)
        self._timeout_s = timeout_s
        self._interval_s = interval_s
        self._on_moment = on_moment
        self._lag = Histogram()
        self._asked = 0
        self._on_loop = False  # something was sent and read by this loop
        self._stop = asyncio.Event()
        self._at_once = False

    def stop(self) -> None:
        """Nothing more is sent, and what is under way is waited for; the second time not even that."""
        self._at_once = self._stop.is_set()
        self._stop.set()

    async def run(self, plan: Plan, start_at_s: float = 0.0) -> Ran:
        """`start_at_s`: Unix time, or when everything is ready. Raises Unreachable."""
        try:
            await self._open()
            await self._soon(time.monotonic_ns() + int((start_at_s - time.time()) * SECOND_NS) - LEAD_NS)
            return await self._measure(plan)
        finally:
            for transport in self._transports.values():
                await transport.close()

    async def _open(self) -> None:
        """However long it takes (a target that drops what it is sent), whoever stops it does not wait for it."""
        opening = asyncio.create_task(self._open_each())
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({opening, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            given_up = opening.cancel()
        if given_up:
            await asyncio.wait({opening})
            raise LoadError(INTERRUPTED, "interrupted while connections were opened")
        opening.result()

    async def _open_each(self) -> None:
        for transport in self._transports.values():
            await transport.open()

    async def _measure(self, plan: Plan) -> Ran:
        start_ns = time.monotonic_ns() + LEAD_NS
        warm_up_ns = int(plan.measured_from * SECOND_NS)
        for recorder in self._recorders:
            recorder.begin(start_ns, warm_up_ns, int(self._interval_s * SECOND_NS))
        collected = Collector(self._interval_s)
        watchers = [
            asyncio.create_task(self._watch_lag()),
            asyncio.create_task(self._tick(collected, start_ns + warm_up_ns)),
        ]
        busy_s, cpu_s = time.thread_time(), time.process_time()
        try:
            await (self._feed(plan, start_ns) if plan.due is not None else self._loop(plan, start_ns))
            await self._drain()
            ended_ns = time.monotonic_ns()
        finally:
            for task in watchers:
                task.cancel()
        for task in watchers:
            if task.done():  # not by that: it failed, such as at the output
                task.result()
        busy_s, cpu_s = time.thread_time() - busy_s, time.process_time() - cpu_s
        self._asked -= sum(transport.ahead for transport in self._transports.values())  # interrupted
        for transport in self._transports.values():
            await transport.close()
        busy_s = max(busy_s, *(transport.cpu_s for transport in self._transports.values()))
        self._take(collected)
        collected.finish(math.ceil((plan.seconds - plan.measured_from) / self._interval_s))
        total = collected.total
        seconds = (ended_ns - start_ns) / 1e9 - plan.measured_from
        watched = Watched(
            late=merge(recorder.take_late() for recorder in self._recorders),
            lag=self._lag.take() if self._on_loop else None,
            seconds=(ended_ns - start_ns) / 1e9,
            busiest_s=busy_s,
            cpu_s=cpu_s,
            asked=None if plan.due is None else self._asked,
            done=total.done,
            due=total.due,
        )
        said = notes(watched, total.latency)
        return Ran(collected, audit(watched, total.latency), said, max(seconds, 0.0), self._stop.is_set())

    # -- sending

    async def _feed(self, plan: Plan, start_ns: int) -> None:
        assert plan.due is not None  # noqa: S101 - for mypy
        measured_from_ns = start_ns + int(plan.measured_from * SECOND_NS)
        for number, (due_s, request) in enumerate(zip(plan.due, plan.requests, strict=False)):
            due_ns = start_ns + int(due_s * SECOND_NS)
            if number % SLICE == 0 and not await self._soon(due_ns - AHEAD_NS):
                return
            self._transport(request).push(due_ns, request)
            self._asked += due_ns >= measured_from_ns
        await self._soon(start_ns + int(plan.seconds * SECOND_NS))

    def _transport(self, request: Request) -> Transport:
        transport = self._transports.get(request.operation.protocol)
        if transport is None:
            cause = f"{request.operation.name}: there is no target for {request.operation.protocol}"
            raise CommandError(USAGE, cause, "Name one for each protocol of the scenario")
        return transport

    async def _loop(self, plan: Plan, start_ns: int) -> None:
        transports = list(self._transports.values())
        end_ns = start_ns + int(plan.seconds * SECOND_NS)
        if len(transports) != 1:
            raise CommandError(USAGE, "a closed loop has one protocol", "Leave --closed out")

        def more() -> Request | None:
            return None if self._stop.is_set() or time.monotonic_ns() >= end_ns else next(plan.requests, None)

        await self._soon(start_ns)
        transports[0].close_loop(more)
        await self._soon(end_ns)

    async def _soon(self, at_ns: int) -> bool:
        """Waits until then, or not at all; False when the run is over."""
        wait_s = (at_ns - time.monotonic_ns()) / 1e9
        try:
            async with asyncio.timeout(max(wait_s, 0)):
                await self._stop.wait()
        except TimeoutError:
            return True
        return False

    async def _drain(self) -> None:
        """Until everything is answered, or has had its time."""
        end = time.monotonic() + self._timeout_s + 1
        while self._pending or (not self._stop.is_set() and any(one.ahead for one in self._transports.values())):
            if time.monotonic() > end or self._at_once:
                return
            await asyncio.sleep(DRAIN_CHECK_S)

    # -- watching

    async def _watch_lag(self) -> None:
        while True:
            before = time.monotonic_ns()
            await asyncio.sleep(TICK_S)
            self._lag.add(time.monotonic_ns() - before - int(TICK_S * SECOND_NS))

    @property
    def _pending(self) -> int:
        return sum(recorder.pending for recorder in self._recorders)

    def _take(self, collected: Collector) -> None:
        for recorder in self._recorders:
            found = recorder.take()
            collected.add(found)
            self._on_loop = self._on_loop or (bool(found) and isinstance(recorder, Recorder))

    async def _tick(self, collected: Collector, measured_ns: int) -> None:
        step_ns = int(self._interval_s * SECOND_NS)
        settled = int(self._timeout_s / self._interval_s) + 2  # intervals, until nothing of one can come any more
        for interval in itertools.count():
            await asyncio.sleep((measured_ns + (interval + 1) * step_ns - time.monotonic_ns()) / 1e9)
            self._take(collected)
            collected.series.in_flight.append(self._pending)
            if self._on_moment is not None:
                seconds = (interval + 1) * self._interval_s
                self._on_moment(Moment(interval, seconds, collected.latest(interval), self._pending))
            collected.close(interval - settled)
