"""What is shown while a load runs and when it has ended: lines, JSON events, or the live view on a terminal."""

import json
from dataclasses import asdict
from typing import Protocol

from headgate_host.load import exits, live, load, terminal
from headgate_host.load.distribution import Distribution
from headgate_host.load.engine import Moment
from headgate_host.load.result import INVALID, Result


class Display(Protocol):
    def moment(self, moment: Moment) -> None:
        """An interval has ended."""

    def close(self) -> None:
        """Nothing more is coming, maybe because of a failure."""

    def end(self, result: Result, notes: list[str], *, closed: bool) -> None:
        """What came of it; after `close`."""


def of(wanted: load.Load, *, as_json: bool) -> Display:
    return Events() if as_json else Lines(live.screen(quiet_loop=load.quiet_loop(wanted)))


class Silence:
    """The result goes to standard output."""

    def moment(self, moment: Moment) -> None: ...

    def close(self) -> None: ...

    def end(self, result: Result, notes: list[str], *, closed: bool) -> None: ...


class Lines:
    """Plain text, a line for each interval; or `screen` instead of the lines."""

    def __init__(self, screen: live.Screen | None = None) -> None:
        self._screen = screen

    def moment(self, moment: Moment) -> None:
        if self._screen is not None:
            self._screen.moment(moment)
        else:
            print(terminal.moment_line(moment), flush=True)

    def close(self) -> None:
        if self._screen is not None:
            self._screen.close()

    def end(self, result: Result, notes: list[str], *, closed: bool) -> None:
        print(f"{terminal.summary(result, notes, closed=closed)}\n{exits.MEANINGS[result.exit_code]}")


class Events:
    """One JSON object a line."""

    def close(self) -> None:
        """Nothing is open."""

    def moment(self, moment: Moment) -> None:
        latency = moment.measured.latency
        event = {
            "event": "interval",
            "t": moment.seconds,
            "due": moment.measured.due,
            "done": moment.measured.done,
            "errors": moment.measured.errors,
            "in_flight": moment.in_flight,
            "p50_ms": latency.quantile(0.5) / 1e6 if latency.count else None,
            "p99_ms": latency.quantile(0.99) / 1e6 if latency.count else None,
        }
        print(json.dumps(event), flush=True)

    def end(self, result: Result, notes: list[str], *, closed: bool) -> None:
        total = result.total
        event = {
            "event": "end",
            "due": total.due,
            "sent": total.sent,
            "done": total.done,
            "errors": total.errors,
            "outcomes": total.outcomes,
            "seconds": result.run.seconds,
            "latency_ms": None if closed else _percentiles(total.latency),
            "service_ms": _percentiles(total.service),
            "budgets": [asdict(one) for one in result.budgets],
            "audit": asdict(result.audit) | {"notes": notes},
            "valid": result.audit.verdict != INVALID,
            "exit_code": result.exit_code,
        }
        print(json.dumps(event), flush=True)


def _percentiles(values: Distribution) -> dict[str, float]:
    found = {label: values.quantile(share) / 1e6 for label, share in zip(terminal.LABELS, terminal.SHARES, strict=True)}
    return found | {"max": values.most / 1e6, "mean": values.mean / 1e6}
