"""What carries requests to the target: the interface of every transport, and what those on asyncio share.

A transport is given requests shortly before they are due and keeps the time itself. One that is due and finds no
connection free waits in a queue of bounded length, and its latency counts all the while; over the bound it is
counted as never sent. Nothing is sent twice.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from headgate_host.load.alarm import Alarm
from headgate_host.load.exits import UNREACHABLE, LoadError
from headgate_host.load.operation import Request
from headgate_host.load.record import UNSENT, Recorder, Recording

QUEUE_MAX = 100_000  # requests that are due and wait for a connection
SWEEP_S = 0.1  # how often what has waited too long is looked for


class Unreachable(LoadError):
    """There is no connection to the target, not even at the start."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(UNREACHABLE, f"no connection to {url}: {reason}", "Is it running there?")


def reason_of(error: BaseException) -> str:
    """One word or two for a connection that failed."""
    refused = getattr(error, "verify_message", "") or getattr(error, "reason", "")  # of TLS, whose errno is none
    if refused:
        return (
            f"TLS: {refused} (its certificate: see --ca-file)"
            if hasattr(error, "verify_message")
            else f"TLS: {refused}"
        )
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or "no answer in time"


class Due(NamedTuple):
    due_ns: int
    request: Request


class Transport(Protocol):
    @property
    def recorders(self) -> Sequence[Recording]:
        """Where it counts; transports on the loop share one."""

    @property
    def cpu_s(self) -> float:
        """CPU time of a thread of its own so far."""

    async def open(self) -> None:
        """Connections are there afterwards. Raises Unreachable when none can be had."""

    def push(self, due_ns: int, request: Request) -> None:
        """In the order of `due_ns` (monotonic clock)."""

    @property
    def ahead(self) -> int:
        """Requests pushed and not due yet."""

    def close_loop(self, more: Callable[[], Request | None]) -> None:
        """Closed loop instead of `push`: whatever is free takes what `more` gives, until that is None."""

    async def close(self) -> None:
        """Ends at once; what is under way is counted as without an answer."""


class Clocked:
    """A queue of requests that are not due yet, and one of those that wait for a connection.

    Subclasses have `_start(due)`: send it now, or False when nothing is free for it; `free`: is anything; and call
    `_next` when something became free.
    """

    cpu_s = 0.0  # all on the loop

    def __init__(self, recorder: Recorder, timeout_s: float) -> None:
        self.recorder = recorder
        self._timeout_ns = int(timeout_s * 1e9)
        self._coming: deque[Due] = deque()
        self._waiting: deque[Due] = deque()
        self._alarm = Alarm(self._ring)
        self._more: Callable[[], Request | None] | None = None
        self._sweeper = asyncio.create_task(self._sweep_always())

    @property
    def recorders(self) -> list[Recording]:
        return [self.recorder]

    @property
    def ahead(self) -> int:
        return len(self._coming)

    def push(self, due_ns: int, request: Request) -> None:
        self._coming.append(Due(due_ns, request))
        if len(self._coming) == 1:
            self._alarm.set(due_ns)

    def _start(self, due: Due) -> bool:
        raise NotImplementedError

    @property
    def free(self) -> bool:
        raise NotImplementedError

    def _ring(self) -> None:
        coming = self._coming
        now = time.monotonic_ns()
        while coming and coming[0].due_ns <= now:
            due = coming.popleft()
            self.recorder.due(due.request, due.due_ns, now)
            if self._waiting or not self._start(due):
                self._wait(due)
            now = time.monotonic_ns()
        if coming:
            self._alarm.set(coming[0].due_ns)

    def _wait(self, due: Due) -> None:
        if len(self._waiting) >= QUEUE_MAX:
            self.recorder.failed(due.request, UNSENT, due.due_ns)
        else:
            self._waiting.append(due)

    def close_loop(self, more: Callable[[], Request | None]) -> None:
        """From now on whatever is free takes what `more` gives, due in that moment, until it gives None."""
        self._more = more
        self._next()

    def _next(self) -> None:
        """Something became free."""
        while self._waiting and self._start(self._waiting[0]):
            self._waiting.popleft()
        if self._more is not None and not self._waiting:
            self._take_more(self._more)

    def _take_more(self, more: Callable[[], Request | None]) -> None:
        while self.free and (request := more()) is not None:
            now = time.monotonic_ns()
            self.recorder.due(request, now, now)
            self._start(Due(now, request))

    async def _sweep_always(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self._sweep(time.monotonic_ns())

    def _sweep(self, now: int) -> None:
        while self._waiting and self._waiting[0].due_ns + self._timeout_ns < now:
            due = self._waiting.popleft()
            self.recorder.failed(due.request, UNSENT, due.due_ns, 0, now)

    async def close(self) -> None:
        self._more = None
        self._sweeper.cancel()
        self._alarm.close()
        now = time.monotonic_ns()
        for due in self._waiting:
            self.recorder.failed(due.request, UNSENT, due.due_ns, 0, now)
        self._waiting.clear()
        self._coming.clear()
