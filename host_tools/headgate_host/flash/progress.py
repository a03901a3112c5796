"""How far it is: a line that changes on a terminal, lines elsewhere, or JSON events. 100 % is flushed and verified."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from headgate_host.flash.disks import readable_size

_SHOW_S = 0.2  # between two updates of a terminal or two events
_LINES = 10  # per cent between two lines where there is no terminal
_WIDTH = 79


class Progress:
    """Phases of work; `done` counts bytes of `total`, which spans the phases between `begin` and `end`."""

    def __init__(
        self,
        *,
        as_json: bool,
        out: TextIO | None = None,
        err: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.as_json = as_json
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._clock = clock
        self._live = not as_json and self._err.isatty()
        self._phase = ""
        self._total = self._done = 0
        self._began = self._shown_at = 0.0
        self._shown_tenth = -1

    def begin(self, total: int) -> None:
        self._total, self._done = total, 0
        self._began = self._clock()
        self._shown_at, self._shown_tenth = self._began - _SHOW_S, -1

    def phase(self, name: str) -> None:
        self._phase = name
        self.event("phase", name=name)

    def advance(self, size: int) -> None:
        self._done += size
        now = self._clock()
        if now - self._shown_at < _SHOW_S and self._done < self._total:
            return
        self._shown_at = now
        rate, eta_s = self._speed(now)
        if self.as_json:
            self.event("progress", phase=self._phase, done=self._done, total=self._total, rate=rate, eta_s=eta_s)
        else:
            self._show(rate, eta_s)

    def at(self, done: int, total: int) -> None:
        """For work that says how far it is: image_open.Progress."""
        self._total = total
        self.advance(done - self._done)

    def _speed(self, now: float) -> tuple[int, int | None]:
        """-> (bytes per second, seconds to go or None when nobody can know)"""
        taken = now - self._began
        rate = int(self._done / taken) if taken > 0 else 0
        return rate, -(-(self._total - self._done) // rate) if rate else None

    def _show(self, rate: int, eta_s: int | None) -> None:
        percent = self._done * 100 // self._total if self._total else 100
        to_go = "" if eta_s is None else f", {eta_s // 60}:{eta_s % 60:02d} to go"
        text = f"{self._phase:<10}{percent:>3} %  {readable_size(self._done)}, {readable_size(rate)}/s{to_go}"
        if self._live:
            self._err.write(f"\r{text:<{_WIDTH}}"[: _WIDTH + 1])
            self._err.flush()
        elif percent // _LINES > self._shown_tenth:
            self._shown_tenth = percent // _LINES
            self._err.write(text + "\n")
            self._err.flush()

    def end(self) -> None:
        """Leave the changing line, if there is one."""
        if self._live:
            self._err.write(f"\r{'':<{_WIDTH}}\r")
            self._err.flush()

    def say(self, text: str) -> None:
        """A line for people; nothing with --json."""
        if not self.as_json:
            self.end()
            self._err.write(text + "\n")
            self._err.flush()

    def event(self, event: str, **more: Any) -> None:
        """A line for machines; nothing without --json."""
        if self.as_json:
            self._out.write(json.dumps({"event": event, **more}) + "\n")
            self._out.flush()
