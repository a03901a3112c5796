"""scenario.toml: what is asked of whom, how often, and what must not be exceeded (docs/load-scenarios.md).

The shape is checked by scenario.schema.json with our own validator, what a schema cannot say here; every finding has
its line, and all are reported at once.
"""

import json
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from importlib import resources
from pathlib import Path
from typing import Any

from headgate._accel import Schema
from headgate.linux.config_checks import Report
from headgate.linux.config_rules import Finding
from headgate.linux.config_values import DURATION_UNITS, ValueOf, closest
from headgate.linux.toml_lines import Path as KeyPath
from headgate.linux.toml_lines import locate
from headgate_host.load import budgets, messages, mix, mix_grpc, phases
from headgate_host.load.budgets import Budget
from headgate_host.load.exits import SCENARIO_INVALID, LoadError
from headgate_host.load.messages import Data
from headgate_host.load.mix_line import HTTP11, HTTP20, INVALID, Line, Source
from headgate_host.load.operation import GRPC, Request
from headgate_host.load.phases import Phase, Schedule

SCENARIO_MAX = 1 << 20  # bytes
TIMEOUT_S = 10.0
LONGEST_S = 30 * 86_400.0  # as --for
TIMEOUTS_S = (0.001, LONGEST_S)  # as --timeout
NAME = "dev-{n:05}"

_AT = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.DOTALL)
_NUMBER = re.compile(r"\{n(?::0(\d{1,2}))?\}")
_QUANTITY = re.compile(r"([0-9.]+) ?(.*)")


class ScenarioErrors(LoadError):
    """A scenario with errors; `findings` has all of them, in the order of the file."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        super().__init__(
            SCENARIO_INVALID, findings[0].text() + more, "'headgate load run FILE --check' shows everything"
        )


@dataclass(frozen=True)
class Devices:
    """Simulated ones, and whose tokens they have (none without a configuration or key)."""

    count: int = 1
    name: str = NAME
    config: Path | None = None
    state: Path | None = None
    issuer: str | None = None
    key: Path | None = None
    scopes: tuple[str, ...] = ()

    def names(self) -> Callable[[int], str]:
        """Number -> name; remembers them."""
        found: dict[int, str] = {}

        def name(device: int) -> str:
            made = found.get(device)
            if made is None:
                made = found[device] = _NUMBER.sub(lambda m: f"{device:0{int(m[1] or 0)}d}", self.name)
            return made

        return name


@dataclass(frozen=True)
class Scenario:
    name: str
    phases: tuple[Phase, ...]
    lines: tuple[Line, ...]
    data: Mapping[str, Data] = field(default_factory=dict)
    devices: Devices = Devices()
    budgets: tuple[Budget, ...] = ()
    seed: int = 1
    target: str = ""
    broker: str = ""
    metrics: str = ""
    poisson: bool = False
    connections: int = 0  # 0: the default
    streams: int = 0
    timeout_s: float = TIMEOUT_S
    document: Mapping[str, Any] = field(default_factory=dict)  # as it was written

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.phases, poisson=self.poisson, seed=self.seed)

    def requests(self) -> Iterator[Request]:
        """Endless; the same seed gives the same ones. Makes the pools of messages first, which takes a moment.
        Raises CommandError for data that cannot be made."""
        names = self.devices.names()
        pools: dict[tuple[str, str], messages.Pool] = {}
        sources = {}
        for line in self.lines:
            if line.data:
                data, key = self.data[line.data], (line.data, line.encoding)
                if key not in pools:
                    pools[key] = messages.Pool(data, line.encoding, names, self.seed)
                sources[line.name] = Source(pools[key], data.invalid, self.seed)
        return mix.requests(self.lines, sources, names, self.devices.count, self.seed)


def load(path: Path) -> Scenario:
    """Raises ScenarioErrors, or CommandError when there is no such file. Paths in it start at its folder."""
    return parse(messages.read(path, SCENARIO_MAX), path)


def parse(data: bytes, path: Path) -> Scenario:
    name = str(path)
    try:
        text = data.decode()
        loaded = tomllib.loads(text)
        endless = list(_endless(loaded))
        plain = json.dumps(loaded, default=_written)
        document = json.loads(plain)
    except UnicodeDecodeError as error:
        raise ScenarioErrors(
            [Finding("error", name, data.count(b"\n", 0, error.start) + 1, "", "is not UTF-8")]
        ) from None
    except tomllib.TOMLDecodeError as error:
        found = _AT.fullmatch(str(error))
        line = int(found[2]) if found else text.count("\n") + 1
        raise ScenarioErrors([Finding("error", name, line, "", f"not TOML: {found[1] if found else error}")]) from None
    except RecursionError:
        raise ScenarioErrors([Finding("error", name, 0, "", "is nested too deeply")]) from None
    except ValueError:  # of int() and str(), which know no more than 4300 digits
        raise ScenarioErrors([Finding("error", name, 0, "", "has a number with too many digits")]) from None
    report = Report(name, locate(text))
    for place in endless:
        report.error(place, "must not be inf or nan")
    if not endless:
        _check_shape(document, plain.encode(), report)
    scenario = _Reader(document, path.parent, report).scenario(path.stem) if not report.findings else None
    if scenario is None or report.findings:
        raise ScenarioErrors(report.sorted())
    return scenario


def _endless(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Where the numbers are that TOML has and JSON has not."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in members:
        yield from _endless(one, (*path, key))
    if isinstance(value, float) and not math.isfinite(value):
        yield path


def _written(moment: date | time) -> str:
    """TOML has dates and times; to the schema, in a message and in a result they are texts."""
    return moment.isoformat()


def _schema() -> dict[str, Any]:
    text = resources.files("headgate_host.load").joinpath("scenario.schema.json").read_bytes()
    found: dict[str, Any] = json.loads(text)
    return found


def _check_shape(document: Mapping[str, Any], data: bytes, report: Report) -> None:
    schema = _schema()
    found = Schema(schema).validate(data)
    for error in found.errors:
        path = _path(document, error.instance)
        message, hint = error.message, ""
        keyword = error.schema.rpartition("/")[2]
        if keyword == "additionalProperties" and path:
            known = _at(schema, error.schema.rpartition("/")[0]).get("properties", {})
            hint = closest(str(path[-1]), known)
            message = "unknown key" if hint else f"unknown key; known here: {', '.join(known)}"
        elif message.startswith("nothing is allowed"):
            message = "does not go with what the other keys here say"
        elif keyword == "pattern" and path:
            described = _at(schema, error.schema.rpartition("/")[0]).get("description", "")
            message = f"is not written as it has to be. {described}".strip()
        report.error(path, message, hint)


def _at(schema: Any, pointer: str) -> Any:
    for part in messages.place_of(pointer):
        schema = schema[part] if isinstance(schema, dict) else schema[int(part)]
    return schema


def _path(document: Any, pointer: str) -> KeyPath:
    """A JSON pointer -> the path of the same place in the TOML document, where a number may be a name as well."""
    path: list[str | int] = []
    for part in messages.place_of(pointer):
        path.append(str(part) if isinstance(document, dict) else part)
        try:
            document = document[path[-1]]
        except (LookupError, TypeError):
            document = None
    return tuple(path)


class _Reader:
    """From a document of the right shape to a Scenario; what is wrong beyond its shape goes to the report."""

    def __init__(self, document: dict[str, Any], base: Path, report: Report) -> None:
        self.document, self.base, self.report = document, base, report

    def scenario(self, name: str) -> Scenario:
        found = self.document
        lines = self._lines()
        names = [line.name for line in lines]
        return Scenario(
            name=found.get("name", name),
            phases=self._phases(),
            lines=lines,
            data=self._data(),
            devices=self._devices(),
            budgets=self._budgets([*names, *(one + INVALID for one in names)]),
            seed=found.get("seed", 1),
            target=found.get("target", ""),
            broker=found.get("broker", ""),
            metrics=found.get("metrics", ""),
            poisson=found.get("arrival") == "poisson",
            connections=found.get("connections", 0),
            streams=found.get("streams", 0),
            timeout_s=self._timeout(),
            document=found,
        )

    def _timeout(self) -> float:
        found = seconds(self.document["timeout"]) if "timeout" in self.document else TIMEOUT_S
        if not TIMEOUTS_S[0] <= found <= TIMEOUTS_S[1]:
            self.report.error(("timeout",), "must be 1 ms to 30 d")
        return found

    def _phases(self) -> tuple[Phase, ...]:
        made: list[Phase] = []
        for n, one in enumerate(self.document["phase"]):
            length = seconds(one["for"])
            if not 0 < length <= LONGEST_S:
                self.report.error(("phase", n, "for"), "must be more than 0 s, and at most 30 d")
                continue
            warm_up = one.get("warm_up", False)
            if warm_up and (n == 0 or (made and made[-1].warm_up)) is False:
                self.report.error(("phase", n, "warm_up"), "only the first phases can be a warm-up")
            made.append(self._phase(n, one, length, warm_up))
        if made and all(phase.warm_up for phase in made):
            self.report.error(("phase",), "all of it is warm-up: nothing would be measured")
        return tuple(made)

    def _phase(self, n: int, one: Mapping[str, Any], length: float, warm_up: bool) -> Phase:
        match one["kind"]:
            case "ramp":
                made = phases.ramp(one["from"], one["to"], length)
            case "step":
                made = phases.step(one["from"], one["to"], one["steps"], length)
            case "spike":
                peak = seconds(one["peak_for"])
                if not 0 < peak <= length:
                    self.report.error(("phase", n, "peak_for"), "must be more than 0 s, and fit in `for`")
                made = phases.spike(one["rate"], one["peak"], peak, length)
            case "soak":
                made = phases.soak(one["rate"], length)
            case _:
                made = phases.hold(one["rate"], length)
        return Phase(made.kind, made.pieces, warm_up)

    def _lines(self) -> tuple[Line, ...]:
        made: dict[str, Line] = {}
        for n, one in enumerate(self.document["operation"]):
            name = one.get("name", one["do"])
            if name in made or name in budgets.RESERVED:
                why = "another operation has this name" if name in made else "is a word of budgets"
                self.report.error(("operation", n, "name" if "name" in one else "do"), f"{why}; give it another `name`")
            if one.get("data", "") not in ("", *self.document.get("data", {})):
                hint = closest(one["data"], self.document.get("data", {}))
                self.report.error(("operation", n, "data"), f"there is no [data.{one['data']}]", hint)
            over = GRPC if one["do"] == "grpc" else one.get("over", self.document.get("over", HTTP11))
            if over == GRPC and one["do"] not in mix_grpc.MAKERS:
                self.report.error(("operation", n, "over"), f"{one['do']} is not a call of gRPC", f'"{HTTP20}"')
            tuples = {key: tuple(one[key]) for key in ("expect", "expect_invalid") if key in one}
            files = {key: self._file(one[key]) for key in ("proto", "message") if key in one}
            made[name] = Line(**{**one, **tuples, **files, "name": name, "over": over})
        return tuple(made.values())

    def _data(self) -> dict[str, Data]:
        made = {}
        for name, one in self.document.get("data", {}).items():
            for n, word in enumerate(one.get("violations", ())):
                if hint := messages.unknown_violation(word):
                    self.report.error(("data", name, "violations", n), "nothing can be done to violate this", hint)
            share = float(one.get("invalid", "0").rstrip("% ")) / 100
            if share > 1:
                self.report.error(("data", name, "invalid"), "is more than all of them")
            files = {key: self._file(one[key]) for key in ("schema", "replay") if key in one}
            made[name] = Data(
                name, **files, invalid=share, violations=tuple(one.get("violations", ())), fields=one.get("fields", {})
            )
        return made

    def _devices(self) -> Devices:
        found = dict(self.document.get("devices", {}))
        name = found.get("name", NAME)
        if found.get("count", 1) > 1 and not _NUMBER.search(name):
            self.report.error(("devices", "name"), "all devices would have the same name", f'"{name}-{{n}}"')
        for key in ("config", "state", "key"):
            if key in found:
                found[key] = self._file(found[key])
        return Devices(**{**found, "scopes": tuple(found.get("scopes", ()))})

    def _budgets(self, operations: list[str]) -> tuple[Budget, ...]:
        made = []
        for n, text in enumerate(self.document.get("budgets", ())):
            try:
                made.append(budgets.parse(text, operations))
            except ValueOf as error:
                self.report.error(("budgets", n), f'"{text}": {error.message}', error.suggestion)
        return tuple(made)

    def _file(self, words: str) -> Path:
        return self.base / Path(words).expanduser()


def seconds(text: str) -> float:
    """A duration that the schema has let pass."""
    found = _QUANTITY.fullmatch(text)
    assert found is not None  # noqa: S101 - ^[0-9]+(\.[0-9]+)? ?(ms|s|min|h|d)$
    return float(found[1]) * DURATION_UNITS[found[2]] / 1000
