"""What came of the requests: kept by the transports, taken by the engine once an interval.

A request belongs to the interval in which it was due, whenever it is answered. Instants are of the monotonic clock, ns.
"""

from collections import Counter
from typing import Protocol

from headgate_host.load.distribution import Distribution
from headgate_host.load.histogram import Histogram
from headgate_host.load.operation import Request
from headgate_host.load.result import OK, Measured

# Why a request has no answer.
REFUSED = "connection refused"
LOST = "connection lost"
MALFORMED = "answer not understood"
TIMEOUT = "timeout"
RESET = "stream reset"  # HTTP/2: RST_STREAM, or a GOAWAY without it
UNSENT = "never sent"  # no connection became free in time, or the queue of those that wait for one was full

SECOND_NS = 1_000_000_000


class Tally:
    """Of one operation, for the requests due in one interval."""

    __slots__ = ("due", "latency", "outcomes", "sent", "service")

    def __init__(self) -> None:
        self.due = self.sent = 0
        self.outcomes: Counter[str] = Counter()
        self.latency, self.service = Histogram(), Histogram()

    def measured(self) -> Measured:
        return Measured(self.due, self.sent, dict(self.outcomes), self.latency.take(), self.service.take())


Found = dict[tuple[int, str], Measured]  # (interval, name of the operation)


class Recording(Protocol):
    """What the engine asks for; a transport may have a recorder of its own."""

    def begin(self, start_ns: int, warm_up_ns: int = 0, interval_ns: int = SECOND_NS) -> None:
        """Before anything is due: what is due before the warm-up is over does not count."""

    @property
    def pending(self) -> int:
        """Requests taken up and not finished."""

    def take(self) -> Found:
        """What came since the last time."""

    def take_late(self) -> Distribution:
        """How long after their due instants requests were taken up by the generator: its own delay, whatever the target
        did then. Since the last time."""


class Recorder(Recording):
    """What was due before `measure_from_ns` (the warm-up) leaves no trace."""

    pending = 0

    def __init__(self) -> None:
        self._late = Histogram()
        self._tallies: dict[tuple[int, str], Tally] = {}
        self.begin(0)

    def begin(self, start_ns: int, warm_up_ns: int = 0, interval_ns: int = SECOND_NS) -> None:
        self.measure_from_ns, self._interval_ns = start_ns + warm_up_ns, interval_ns

    def due(self, request: Request, due_ns: int, now_ns: int) -> None:
        """The generator has taken it up."""
        self.pending += 1
        if due_ns >= self.measure_from_ns:
            self._late.add(now_ns - due_ns)
            self._tally(request, due_ns).due += 1

    def sent(self, request: Request, due_ns: int) -> None:
        if due_ns >= self.measure_from_ns:
            self._tally(request, due_ns).sent += 1

    def answered(self, request: Request, wrong: str, due_ns: int, sent_ns: int, now_ns: int) -> None:
        """`wrong`: what is wrong with the answer; "" if it is as expected."""
        self.pending -= 1
        if due_ns >= self.measure_from_ns:
            tally = self._tally(request, due_ns)
            tally.outcomes[wrong or OK] += 1
            tally.latency.add(now_ns - due_ns)
            tally.service.add(now_ns - sent_ns)

    def failed(self, request: Request, reason: str, due_ns: int, sent_ns: int = 0, now_ns: int = 0) -> None:
        """No answer. `now_ns`: until then it was waited for, since `sent_ns` if it was sent at all; that is in the
        latencies as well, so that what never came cannot make the tail look better."""
        self.pending -= 1
        if due_ns >= self.measure_from_ns:
            tally = self._tally(request, due_ns)
            tally.outcomes[reason] += 1
            if now_ns:
                tally.latency.add(now_ns - due_ns)
                if sent_ns:
                    tally.service.add(now_ns - sent_ns)

    def _tally(self, request: Request, due_ns: int) -> Tally:
        key = ((due_ns - self.measure_from_ns) // self._interval_ns, request.operation.name)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally()
        return tally

    def take_late(self) -> Distribution:
        return self._late.take()

    def take(self) -> Found:
        taken, self._tallies = self._tallies, {}
        return {key: tally.measured() for key, tally in taken.items()}
