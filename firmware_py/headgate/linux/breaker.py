"""The circuit breaker around something that may be away: who asks is told at once, not after a wait, that it is.

    state       "success"   "tired"    "lost"    "due"
    closed      closed      open       open      closed        used
    open        open        open       open      half open     left alone until its pause is over
    half open   closed      open       open      half open     one probe decides

"tired" comes by itself after so many failures in a row. Each pause after an opening is twice the last one, up to a
bound, with jitter; a success begins anew, but not the probe's: who answers that, and nothing else, is not of use.
"""

from collections.abc import Callable

CLOSED, HALF_OPEN, OPEN = "closed", "half open", "open"
NUMBERS = {CLOSED: 0, HALF_OPEN: 1, OPEN: 2}  # for /metrics

_NEXT = {
    (CLOSED, "success"): CLOSED,
    (CLOSED, "tired"): OPEN,
    (CLOSED, "lost"): OPEN,
    (CLOSED, "due"): CLOSED,
    (OPEN, "success"): OPEN,  # a late answer to who has given up
    (OPEN, "tired"): OPEN,
    (OPEN, "lost"): OPEN,
    (OPEN, "due"): HALF_OPEN,
    (HALF_OPEN, "success"): CLOSED,
    (HALF_OPEN, "tired"): OPEN,
    (HALF_OPEN, "lost"): OPEN,
    (HALF_OPEN, "due"): HALF_OPEN,
}


class Breaker:
    """Begins open, with its pause over. `jitter()`: 0 to 1."""

    def __init__(self, failures: int, pause_ms: int, pause_max_ms: int, jitter: Callable[[], float]) -> None:
        self.state = OPEN
        self.opened = 0  # times, after it was closed
        self._failures = failures
        self._pause_ms = pause_ms
        self._pause_max_ms = pause_max_ms
        self._jitter = jitter
        self._in_a_row = 0
        self._attempts = 0  # since the last success while it was closed
        self._tired = False  # it opened because answers came too late, and none was in time since

    def success(self) -> None:
        """An answer in time."""
        self._in_a_row = 0
        if self.state == CLOSED:
            self._tired = False
        self.of_use()
        self._on("success")

    def of_use(self) -> None:
        """An answer that nobody waited for: the next pause is the first one again, unless others come too late."""
        if self.state == CLOSED and not self._tired:
            self._attempts = 0

    def failure(self) -> bool:
        """No answer in time; True: that was one too many, and the breaker is open."""
        self._in_a_row += 1
        if self._in_a_row >= self._failures:
            self._tired = True
            self._on("tired")
        return self.state == OPEN

    def lost(self) -> None:
        """There is nobody to ask."""
        self._on("lost")

    def due(self) -> None:
        """The pause is over: try."""
        self._on("due")

    def pause_ms(self) -> int:
        """How long to leave it alone, now that it is open: between half of the pause and all of it."""
        pause = min(self._pause_ms << min(max(self._attempts - 1, 0), 16), self._pause_max_ms)
        return pause // 2 + int(self._jitter() * (pause // 2))

    def _on(self, event: str) -> None:
        was, self.state = self.state, _NEXT[self.state, event]
        if self.state == was:
            return
        self._in_a_row = 0
        if self.state == OPEN:
            self._attempts += 1
            self.opened += was == CLOSED
