"""`headgate check`: every error of a configuration at once; with --micro, the compiled plan for MicroPython."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from headgate.core import json as core_json
from headgate.errors import CONFIG, MISSING, OK, CommandError
from headgate.linux import atomic_file
from headgate.linux import config as configuration
from headgate.linux.config import Config, ConfigErrors, Finding
from headgate.linux.config_checks import Report
from headgate.linux.config_plan import load_keys, micro_problems, plan_document
from headgate.linux.config_values import data_directory, show_size
from headgate.linux.toml_lines import Path as KeyPath
from headgate.linux.toml_lines import locate
from headgate.micro.settings import DEFAULTS, take
from headgate.tasks.plan import PlanError, build

HELP = "check a configuration and report every error at once"

EPILOG = """\
Reads headgate.toml as 'headgate run' would (--config, $HEADGATE_CONFIG, ./headgate.toml,
/etc/headgate/headgate.toml, else the embedded defaults) with the schemas and keys it names,
and reports every error with file, line and a suggestion. Nothing is changed.

examples
  headgate check                                   the configuration that 'headgate run' would use
  headgate check && systemctl reload headgate      a bad file is refused by the reload, too
  headgate check --json | jq '.findings[].key'
  headgate check --config pico.toml --micro plan.json
                                                   the compiled plan for a MicroPython board

A plan for MicroPython holds the secrets of its issuers; the file gets mode 0600.

exit codes: 0 usable (perhaps with warnings) · 3 refused · 4 a file is missing or unreadable
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration to check")
    parser.add_argument("--state", metavar="DIR", type=Path, help="state directory, instead of the configuration's")
    parser.add_argument("--micro", metavar="OUT.json", type=Path, help="write the compiled plan for MicroPython")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")


def main(args: argparse.Namespace) -> int:
    """Exit code 0 or 3; raises CommandError(MISSING) when the configuration cannot be read."""
    config: Config | None = None
    try:
        config = configuration.load(args.config, state_dir=args.state)
        findings = list(config.warnings)
    except ConfigErrors as error:
        findings = error.findings
    plan = None
    if config is not None and args.micro is not None:
        keys = load_keys(config)
        refused = _micro_findings(config, micro_problems(config, keys))
        if refused:
            findings = refused + findings
        else:
            plan = _for_board(config, plan_document(config, keys))
            _write_private(args.micro, _serialise(plan))
    code = CONFIG if any(f.severity == "error" for f in findings) else OK
    if args.json:
        document = {
            "ok": code == OK,
            "config": _name(config, findings),
            "findings": [finding.document() for finding in findings],
            "micro": str(args.micro) if plan is not None else None,
        }
        sys.stdout.write(json.dumps(document) + "\n")
        return code
    for finding in findings:
        stream = sys.stderr if finding.severity == "error" else sys.stdout
        stream.write(_line(finding) + "\n")
    sys.stdout.write(_summary(config, findings, code) + "\n")
    if plan is not None and config is not None:
        sys.stdout.write(f"plan for MicroPython: {args.micro} (holds secrets; mode 0600)\n")
        size = show_size(plan["cache"].get("bytes", DEFAULTS[0][2]))
        sys.stdout.write(f"note: the cache may take {size}; a Pico W has about 100 KiB to give\n")
    return code


def _line(finding: Finding) -> str:
    return finding.text() if finding.severity == "error" else f"warning: {finding.text()}"


def _name(config: Config | None, findings: list[Finding]) -> str:
    if config is None:
        return findings[0].file if findings else ""
    return str(config.file) if config.file else configuration.EMBEDDED


def _summary(config: Config | None, findings: list[Finding], code: int) -> str:
    errors = sum(f.severity == "error" for f in findings)
    warnings = len(findings) - errors
    counted = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    if code != OK or config is None:
        return f"refused: {counted}"
    streams = ", ".join(config.streams) or "none"
    listen = [f"{kind} {a}" for kind in ("http", "https", "mqtt", "mqtts") for a in getattr(config.listen, kind)]
    outbox = config.outbox
    uplink = f"{config.uplink.url} ({config.uplink.mode})" if config.uplink.url else "none"
    return "\n".join(
        [
            f"usable: {counted}",
            f"  config   {_name(config, findings)}",
            f"  state    {config.state_dir}",
            f"  id       {config.appliance_id or 'made at the first start'}",
            f"  listen   {', '.join(listen)}",
            f"  issuers  {', '.join(i.name for i in config.issuers) or 'none'}",
            f"  streams  {streams}",
            f"  outbox   {show_size(outbox.bytes)}, {outbox.hours} h, when full: {outbox.when_full}",
            f"  uplink   {uplink}",
        ]
    )


def _micro_findings(config: Config, problems: list[tuple[KeyPath, str]]) -> list[Finding]:
    report = Report(str(config.file) if config.file else configuration.EMBEDDED, locate(_text(config)))
    for path, reason in problems:
        report.error(path, reason)
    return report.sorted()


def _for_board(config: Config, plan: dict[str, Any]) -> dict[str, Any]:
    """The plan with the board's own keys, and without what the file does not say: a board has smaller sizes for it."""
    given = locate(_text(config))
    plan["listen"] = str(config.listen.http[0])
    for section, key, _ in DEFAULTS:
        if ({"limits": "listen"}.get(section, section), key) not in given:
            del plan[section][key]
    for name, stream in plan["streams"].items():
        if ("streams", name, "body_limit") not in given:
            del stream["body_limit"]
    return plan


def _text(config: Config) -> str:
    return configuration.read(config.file or data_directory() / "default.toml").decode()


def _serialise(plan: dict[str, object]) -> bytes:
    """The plan as MicroPython will read it, after proof that it can be built there."""
    data = core_json.dumps(plan)
    try:
        document = core_json.loads(data)
        take(document)  # what is the board's own in it
        build(document, None, fsync=False)
    except PlanError as error:
        raise CommandError(CONFIG, f"MicroPython would refuse the plan: {error}", "Change that key") from None
    return data + b"\n"


def _write_private(file: Path, data: bytes) -> None:
    """Write `file` with mode 0600 in one step: readers see the old content or the new one."""
    try:
        atomic_file.write(file, data, mode=0o600)
    except OSError as error:
        raise CommandError(
            MISSING, f"cannot write {file}: {error.strerror}", "Name another file with --micro"
        ) from None
