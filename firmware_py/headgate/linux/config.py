"""headgate.toml -> Config: find it, read it, and report everything wrong with it at once.

The rules stand in config_rules.py, the spelling of values in config_values.py, checks that look at more than one key
in config_checks.py, and the translation into what the gateway executes in config_plan.py.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headgate.errors import CONFIG, MISSING, STATE, CommandError
from headgate.linux import config_checks
from headgate.linux.config_plan import load_keys, plan_document
from headgate.linux.config_rules import SECTIONS, Config, Finding
from headgate.linux.config_values import NAME_MAX, Context, ValueOf, clean_name, closest, data_directory
from headgate.linux.record import REQUIRED
from headgate.linux.toml_lines import Path as KeyPath
from headgate.linux.toml_lines import locate
from headgate.tasks.plan import is_name

__all__ = ["Config", "ConfigErrors", "Finding", "default_state_dir", "find", "load", "load_keys", "plan_document"]

FILE_MAX = 1 << 20  # bytes of a configuration file
SYSTEM_FILE = Path("/etc/headgate/headgate.toml")
SYSTEM_STATE = Path("/var/lib/headgate")
EMBEDDED = "embedded defaults"

_AT = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.DOTALL)


class ConfigErrors(CommandError):
    """A configuration with errors. `findings` has all of them and the warnings, in the order of the file."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        errors = [f for f in findings if f.severity == "error"]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(CONFIG, errors[0].text() + more, "'headgate check' shows everything")


def find(path: "Path | str | None" = None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The configuration file to use: the one asked for, $HEADGATE_CONFIG, ./headgate.toml, /etc; None: embedded."""
    if path is not None:
        return Path(path)
    if environ.get("HEADGATE_CONFIG"):
        return Path(environ["HEADGATE_CONFIG"])
    for candidate in (Path("headgate.toml"), SYSTEM_FILE):
        if candidate.is_file():
            return candidate
    return None


def default_state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """$HEADGATE_STATE, else /var/lib/headgate when we can use (or as root create) it, else the user's own place."""
    if environ.get("HEADGATE_STATE"):
        return Path(environ["HEADGATE_STATE"]).absolute()
    if SYSTEM_STATE.is_dir():
        if os.access(SYSTEM_STATE, os.W_OK | os.X_OK):
            return SYSTEM_STATE
    elif os.geteuid() == 0 and os.access(SYSTEM_STATE.parent, os.W_OK | os.X_OK):
        return SYSTEM_STATE
    home = environ.get("HOME", "")
    if not Path(home).is_absolute():
        raise CommandError(STATE, "no state directory: $HOME is not set", "Set $HEADGATE_STATE or appliance.state_dir")
    return Path(home) / ".local/state/headgate"


def load(
    path: "Path | str | None" = None,
    *,
    state_dir: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Read and check a configuration; `path` None searches as `find` does. `state_dir` overrides the file's.

    Raises ConfigErrors with every finding, or CommandError(MISSING) when a file that was asked for cannot be read.
    """
    file = find(path, environ)
    state_dir = None if state_dir is None else state_dir.absolute()
    return parse(read(file or data_directory() / "default.toml"), file, state_dir=state_dir, environ=environ)


def read(file: Path) -> bytes:
    """The bytes of a configuration file."""
    try:
        with file.open("rb") as stream:
            data = stream.read(FILE_MAX + 1)
    except OSError as error:
        raise CommandError(MISSING, f"cannot read {file}: {error.strerror}", "Name another with --config") from None
    if len(data) > FILE_MAX:
        raise ConfigErrors([Finding("error", str(file), 0, "", f"is larger than {FILE_MAX} bytes")])
    return data


def parse(
    data: bytes,
    file: Path | None,
    *,
    state_dir: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """The bytes of a configuration -> Config. `file` (None: embedded) is where relative paths start."""
    name = EMBEDDED if file is None else str(file)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigErrors([Finding("error", name, line, "", "is not UTF-8 text")]) from None
    if text.startswith("\ufeff"):
        message = "begins with a byte order mark, which TOML does not have; save it as UTF-8 without"
        raise ConfigErrors([Finding("error", name, 1, "", message)])
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigErrors([_syntax_error(name, text, str(error))]) from None
    except RecursionError:
        raise ConfigErrors([Finding("error", name, 0, "", "is nested too deeply")]) from None
    except ValueError:  # of int(), which reads no more than 4300 digits
        raise ConfigErrors([Finding("error", name, 0, "", "has a number with too many digits")]) from None
    base = (data_directory() if file is None else file.parent).absolute()
    return _Reader(document, locate(text), name, base, environ).config(file, state_dir)


def _syntax_error(name: str, text: str, message: str) -> Finding:
    match = _AT.fullmatch(message)
    if match is None:  # "... (at end of document)"
        return Finding("error", name, text.count("\n") + 1, "", message)
    return Finding("error", name, int(match[2]), "", f"not TOML: {match[1]} (column {match[3]})")


class _Reader:
    """Walks the document along the rules and gathers findings."""

    def __init__(
        self, document: dict[str, Any], lines: dict[KeyPath, int], name: str, base: Path, environ: Mapping[str, str]
    ) -> None:
        self.document = document
        self.environ = environ
        self.context = Context(base, base)
        self.report = config_checks.Report(name, lines)

    def config(self, file: Path | None, state_dir: Path | None) -> Config:
        for key in self.document:
            if key not in SECTIONS:
                self.unknown((key,), key, list(SECTIONS))
        appliance = self.table("appliance")
        if state_dir is None:
            state_dir = appliance["state_dir"] or default_state_dir(self.environ)
        self.context = Context(self.context.base, state_dir)
        built: dict[str, Any] = {}
        for section, (kind, repeated) in SECTIONS.items():
            if repeated == "table":
                built[section] = kind(**self.table(section))
        streams = self.named("streams")
        config = Config(
            file=file,
            appliance_id=built.pop("appliance").id or "",
            state_dir=state_dir,
            issuers=tuple(self.array("issuer")),
            streams=streams,
            schemas={},
            **built,
        )
        config_checks.check(config, self.report)
        findings = self.report.sorted()
        if any(f.severity == "error" for f in findings):
            raise ConfigErrors(findings)
        return config.replace(warnings=tuple(findings))

    def unknown(self, path: KeyPath, key: str, known: list[str]) -> None:
        hint = closest(key.lower(), known)
        message = "unknown key" if hint else f"unknown key; known here: {', '.join(known)}"
        self.report.error(path, message, hint)

    def table(self, section: str) -> dict[str, Any]:
        value = self.document.get(section, {})
        if isinstance(value, list):
            self.report.error((section,), "must be one table", f"[{section}]")
            value = {}
        return self.values((section,), SECTIONS[section][0], value)

    def array(self, section: str) -> list[Any]:
        kind = SECTIONS[section][0]
        value = self.document.get(section, [])
        if not isinstance(value, list):
            self.report.error((section,), "must be an array of tables", f"[[{section}]]")
            return []
        return self.complete(kind, [((section, n), item, {}) for n, item in enumerate(value)])

    def named(self, section: str) -> dict[str, Any]:
        kind = SECTIONS[section][0]
        value = self.document.get(section, {})
        if not isinstance(value, dict):
            self.report.error((section,), "must be tables with a name each", f"[{section}.weather]")
            return {}
        rows: list[tuple[KeyPath, object, dict[str, Any]]] = []
        for name, item in value.items():
            if is_name(name):
                rows.append(((section, name), item, {"name": name}))
            else:
                cleaned = clean_name(name)
                message = f"a stream's name is 1 to {NAME_MAX} letters, digits or . _ -"
                self.report.error((section, name), message, f"[{section}.{cleaned}]" if cleaned else "")
        return {item.name: item for item in self.complete(kind, rows)}

    def complete(self, kind: type[Any], rows: "list[tuple[KeyPath, object, dict[str, Any]]]") -> list[Any]:
        """Build the objects; one that lacks a required key was reported and is left out."""
        built = []
        for path, item, extra in rows:
            values = self.values(path, kind, item)
            if all(values[field] is not REQUIRED for field, _ in kind.RULES.values()):
                built.append(kind(**values, **extra))
                self.report.places[id(built[-1])] = path
        return built

    def values(self, path: KeyPath, kind: type[Any], table: object) -> dict[str, Any]:
        """Field name -> value for one table: what stands there, else the default (also for what was refused)."""
        rules = kind.RULES
        if not isinstance(table, dict):
            self.report.error(path, "must be a table, not a value")
            table = {}
        for key in table:
            if key not in rules:
                self.unknown((*path, key), key, list(rules))
        found: dict[str, Any] = {}
        for key, (field, rule) in rules.items():
            if key in table:
                try:
                    found[field] = rule.kind.read(table[key], self.context)
                    continue
                except ValueOf as error:
                    self.report.error((*path, key), error.message, error.suggestion)
            elif rule.default is REQUIRED:
                self.report.error((*path, key), "is missing")
            if rule.default is REQUIRED or rule.default is None:
                found[field] = rule.default
            else:
                found[field] = rule.kind.read(rule.default, self.context)
        return found
