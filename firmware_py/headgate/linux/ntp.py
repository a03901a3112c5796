"""The Linux side of clock trust: is the system clock synchronised, and what time was last known to be good.

No timer: the state is looked at when somebody asks for the time, at most every few seconds. The last known good time is
written when the clock becomes trusted, once a day after that, and at a clean stop: about 400 small writes a year, where
a flash block bears tens of thousands.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from headgate import limits
from headgate.core.clock import TRUSTED, UNSET, Clock
from headgate.linux import atomic_file

log = logging.getLogger("headgate.clock")

FILE = "clock"  # in the state directory: Unix seconds, decimal
CHECK_S = 5  # while not trusted: seconds between two looks at the time source
CHECK_TRUSTED_S = 600

_TIMESYNCD = Path("/run/systemd/timesync")


def kernel_synchronised() -> bool:
    """Whether something (chrony, ntpd, timesyncd, PTP) disciplines the clock, by the kernel's word: adjtimex(2)."""
    try:
        from headgate._accel import clock_synchronised
    except ImportError:  # `headgate doctor` tells of a native core that is missing, and goes on
        from headgate.linux.libc import clock_synchronised
    return clock_synchronised()


def synchronised() -> bool:
    """Whether the system clock has been set from a time source since boot."""
    if _TIMESYNCD.is_dir():  # systemd-timesyncd is in charge and tells so itself
        return (_TIMESYNCD / "synchronized").exists()
    return kernel_synchronised()


def load_floor(path: Path) -> int:
    """The time kept in `path`, or the built-in floor when there is none, it is older, or it is not a time."""
    try:
        text = path.read_bytes()[:32].strip()
    except OSError:
        return limits.CLOCK_FLOOR_S
    saved = int(text) if text.isdigit() else 0
    if not 0 < saved <= limits.TOKEN_TIME:
        log.warning("%s does not hold a time; ignored", path)
        return limits.CLOCK_FLOOR_S
    return max(saved, limits.CLOCK_FLOOR_S)


def save_floor(path: Path, floor_s: int) -> None:
    """Keep a time, in one step. A failure is logged: the next start then begins with an older floor, no worse."""
    try:
        atomic_file.write(path, b"%d\n" % floor_s)
    except OSError as error:
        log.warning("cannot keep the time in %s: %s", path, error.strerror)


class TrustedClock:
    """The appliance's wall clock: core.clock.Clock fed from the system, its floor kept in the state directory."""

    def __init__(
        self,
        state_dir: Path,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        source: Callable[[], bool] | None = None,
    ) -> None:
        self._path = state_dir / FILE
        self._wall = wall
        self._monotonic = monotonic
        self._source = source or synchronised
        self._clock = Clock(load_floor(self._path))
        self._next_look: float | None = None
        self._next_save = 0.0
        self._writer: threading.Thread | None = None

    @property
    def state(self) -> str:
        """ "unset" | "estimated" | "trusted"; looks again if it is time to."""
        return self.read()[1]

    def read(self) -> tuple[int, str]:
        """-> (Unix seconds, state)."""
        now, state, _ = self.reading()
        return now, state

    def reading(self) -> tuple[int, str, int]:
        """-> (Unix seconds, state, floor: a time that has passed for certain)."""
        wall = int(self._wall())
        clock = self._clock
        monotonic = self._monotonic()
        looks = self._next_look is None or monotonic >= self._next_look
        # Between two looks the last verdict holds; but a step of the clock is noticed at once.
        if looks or (clock.state != UNSET and wall < clock.floor_s):
            self._look(wall, monotonic)
        return clock.now_s(wall), clock.state, clock.floor_s

    def _look(self, wall: int, monotonic: float) -> None:
        clock = self._clock
        changed = clock.observe(wall, self._source())
        self._next_look = monotonic + (CHECK_TRUSTED_S if clock.state == TRUSTED else CHECK_S)
        if changed:
            log.info("the clock is %s", clock.state)
        if clock.state == TRUSTED and (changed or monotonic >= self._next_save):
            self._next_save = monotonic + limits.CLOCK_SAVE_S
            # fsync on a memory card can take a second: not in the event loop.
            self._wait_for_writer()
            self._writer = threading.Thread(
                target=save_floor, args=(self._path, clock.floor_s), name="clock", daemon=True
            )
            self._writer.start()

    def _wait_for_writer(self) -> None:
        if self._writer is not None:  # finished long ago but for a stop right after the start
            self._writer.join()
            self._writer = None

    def save(self) -> None:
        """At a clean stop: keep the time if it can be trusted."""
        self._wait_for_writer()
        if self._clock.state == TRUSTED:
            self._clock.observe(int(self._wall()), self._source())
            save_floor(self._path, self._clock.floor_s)
