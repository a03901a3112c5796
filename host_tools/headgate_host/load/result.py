"""The result of a run: what the generator writes, and every report reads. One JSON file, shaped by result.schema.json.

Times in distributions are nanoseconds, in series milliseconds. Every list over time begins with the first due instant
and has one entry for each interval of the same axis, the device's series too; None: not known. A reader takes any file
of its own version; members may be added within a version.
"""

import json
import math
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from headgate import __version__
from headgate._accel import Schema
from headgate.errors import MISSING, CommandError
from headgate.linux import atomic_file
from headgate_host.load.distribution import Distribution, merge

FORMAT, VERSION = "headgate-load-result", 1
RESULT_MAX = 64 << 20  # bytes of a result file
STEPS = 50_000_000  # of its validation
SLICES = 64  # of the run, each with its own distribution

# Verdicts of the audit
VALID, INVALID = "valid", "invalid"
# Outcomes of a budget
KEPT, BROKEN, UNKNOWN = "kept", "broken", "not measured"
# The outcome of a request that is no error; every other one is named by what happened: "status 503", "timeout", ...
OK = "ok"

Numbers = list[float | None]


@dataclass
class Run:
    """What was run, where and when."""

    command: list[str]
    started: str  # RFC 3339, UTC
    seconds: float  # from the first due instant to the last answer
    tool: str = __version__
    machine: dict[str, str] = field(default_factory=dict)  # of the generator

    @classmethod
    def begin(cls, command: Iterable[str]) -> "Run":
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return cls(list(command), now, 0.0, machine=machine())


def machine() -> dict[str, str]:
    """What figures depend on; nothing that names the machine itself."""
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cores": str(os.cpu_count() or ""),
        "python": platform.python_version(),
    }


@dataclass
class Audit:
    """May the figures be believed? `reasons` say why not; `figures` are what the generator found out about itself."""

    verdict: str = VALID
    reasons: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)


@dataclass
class Measured:
    """What happened to the requests of one operation, or to all. `latency` runs from the due instant, `service` from
    the moment of sending; both have the requests that were answered, rightly or not."""

    due: int = 0
    sent: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    latency: Distribution = field(default_factory=Distribution)
    service: Distribution = field(default_factory=Distribution)

    @property
    def done(self) -> int:
        return sum(self.outcomes.values())

    @property
    def errors(self) -> int:
        return self.done - self.outcomes.get(OK, 0)

    def share_of_errors(self) -> float | None:
        """Of the requests that were due: what was never sent, or not answered, failed too."""
        return (self.due - self.outcomes.get(OK, 0)) / self.due if self.due else None


def combined(parts: Iterable[Measured]) -> Measured:
    """All of them together: operations to a total, or one run's generators."""
    parts = list(parts)
    outcomes: dict[str, int] = {}
    for part in parts:
        for name, count in part.outcomes.items():
            outcomes[name] = outcomes.get(name, 0) + count
    return Measured(
        sum(part.due for part in parts),
        sum(part.sent for part in parts),
        outcomes,
        merge(part.latency for part in parts),
        merge(part.service for part in parts),
    )


@dataclass
class Series:
    """One entry for each interval, by when a request was due (due, p50, p99), sent, done."""

    interval_s: float = 1.0
    due: list[int] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    in_flight: list[int] = field(default_factory=list)  # at the end of the interval
    p50_ms: Numbers = field(default_factory=list)
    p99_ms: Numbers = field(default_factory=list)


@dataclass
class DeviceSeries:
    """One figure of the device on the axis of `Series`: "rss", "cpu", "temp", ..."""

    unit: str  # "bytes", "cores", "celsius", "messages", ...
    values: Numbers


@dataclass
class Device:
    """`source` says where the figures come from, "" if there are none. `ledger`: what the appliance says at the end."""

    source: str = ""
    series: dict[str, DeviceSeries] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)


@dataclass
class BudgetOutcome:
    text: str  # as the scenario has it
    outcome: str  # KEPT, BROKEN, UNKNOWN
    measured: float | None = None  # in the unit of the budget
    unit: str = ""


class Slices:
    """The latency of the run in at most SLICES equal stretches of time, whatever its length: neighbours are merged when
    there would be more. What `load compare` resamples."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds  # of one slice
        self.parts: list[Distribution] = []
        self._waiting: list[Distribution] = []  # of the slice that is not full yet
        self._each = 1  # intervals in one slice

    def add(self, interval: Distribution) -> None:
        """The next interval, all of the same length."""
        self._waiting.append(interval)
        if len(self._waiting) < self._each:
            return
        if len(self.parts) == SLICES:
            self.parts = [merge(self.parts[n : n + 2]) for n in range(0, SLICES, 2)]
            self._each *= 2
            self.seconds *= 2
            return
        self.parts.append(merge(self._waiting))
        self._waiting.clear()

    def all(self) -> list[Distribution]:
        """The last one may be shorter."""
        return [*self.parts, merge(self._waiting)] if self._waiting else self.parts


@dataclass
class Result:
    run: Run
    target: dict[str, Any]  # url, and what the target says of itself
    scenario: dict[str, Any]  # as it was run
    audit: Audit = field(default_factory=Audit)
    total: Measured = field(default_factory=Measured)
    operations: dict[str, Measured] = field(default_factory=dict)
    series: Series = field(default_factory=Series)
    slice_s: float = 1.0
    slices: list[Distribution] = field(default_factory=list)  # latency
    device: Device = field(default_factory=Device)
    budgets: list[BudgetOutcome] = field(default_factory=list)
    interrupted: bool = False
    exit_code: int = 0

    def document(self) -> dict[str, Any]:
        found = {"format": FORMAT, "version": VERSION}
        for one in fields(self):
            found[one.name] = _plain(getattr(self, one.name))
        return found

    def write(self, path: Path) -> None:
        """Whole or not at all: a reader never finds half a file."""
        try:
            atomic_file.write(path, json.dumps(self.document(), separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            raise CommandError(MISSING, f"cannot write {path}: {error.strerror}", "Name another file") from None

    @classmethod
    def read(cls, path: Path) -> "Result":
        """Raises CommandError when there is no such file, or it is not a result of this version."""
        try:
            with path.open("rb") as stream:
                data = stream.read(RESULT_MAX + 1)
        except OSError as error:
            cause = f"cannot read {path}: {error.strerror}"
            raise CommandError(MISSING, cause, "'headgate load --out FILE' writes a result") from None
        return cls.parse(data, str(path))

    @classmethod
    def parse(cls, data: bytes, name: str) -> "Result":
        verdict = Schema(_schema(), limits={"bytes": RESULT_MAX, "steps": STEPS}).validate(data)
        try:
            if verdict:
                return _result(json.loads(data))
            first = verdict.errors[0]
            reason = f"{first.instance}: {first.message}" if first.instance else first.message
        except ValueError as error:  # what a schema cannot say of histograms
            reason = str(error)
        next_step = f"It must be what 'headgate load --out FILE' writes, version {VERSION}"
        raise CommandError(MISSING, f"{name} is not a result of headgate load: {reason}", next_step)


def _schema() -> bytes:
    return resources.files("headgate_host.load").joinpath("result.schema.json").read_bytes()


def _plain(value: Any) -> Any:
    if isinstance(value, Distribution):
        return value.document()
    if is_dataclass(value):  # not asdict(): it would not leave a Distribution whole
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _result(document: Mapping[str, Any]) -> Result:
    return Result(
        run=_known(Run, document["run"]),
        target=document["target"],
        scenario=document["scenario"],
        audit=_known(Audit, document["audit"]),
        total=_measured(document["total"]),
        operations={name: _measured(one) for name, one in document["operations"].items()},
        series=_known(Series, document["series"]),
        slice_s=document["slice_s"],
        slices=[Distribution.read(one) for one in document["slices"]],
        device=_device(document["device"]),
        budgets=[_known(BudgetOutcome, one) for one in document["budgets"]],
        interrupted=document["interrupted"],
        exit_code=document["exit_code"],
    )


def _measured(document: Mapping[str, Any]) -> Measured:
    found: Measured = _known(Measured, document)
    found.latency, found.service = Distribution.read(document["latency"]), Distribution.read(document["service"])
    return found


def _device(document: Mapping[str, Any]) -> Device:
    series = {name: _known(DeviceSeries, one) for name, one in document["series"].items()}
    return Device(document["source"], series, document["ledger"])


def _known(kind: type[Any], document: Mapping[str, Any]) -> Any:
    """A newer minor version may have more members than are known here."""
    return kind(**{one.name: document[one.name] for one in fields(kind) if one.name in document})
