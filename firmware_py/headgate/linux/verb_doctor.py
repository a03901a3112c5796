"""`headgate doctor`: examines the machine as a colleague would, says what each finding means and what to do."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from headgate.errors import FINDING, OK, CommandError
from headgate.linux import config as configuration
from headgate.linux.config import Config, ConfigErrors
from headgate.linux.doctor_machine import FAIL, Check, machine_checks
from headgate.linux.doctor_machine import OK as FINE

HELP = "examine this machine and say what to do"

EPILOG = """\
Looks at what the appliance needs: Python and the native core, optional libraries and what is
lost without them, state directory, file system, fsync, free space against the outbox's budget,
keys, clock, ports, broker, the cache's second level, watchdog. It changes nothing, and measures but never judges speed.

Each line is ok, warn or FAIL, with what it means and the next step.

examples
  headgate doctor                          with the configuration 'headgate run' would use
  headgate doctor --config headgate.toml
  headgate doctor --offline                do not try the ports, the broker and the second level
  headgate doctor --json | jq '.checks[] | select(.status != "ok")'

exit codes: 0 nothing failed (there may be warnings) · 7 something failed
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration to examine with")
    parser.add_argument("--state", metavar="DIR", type=Path, help="state directory, instead of the configuration's")
    parser.add_argument("--offline", action="store_true", help="leave out the ports, the broker and the second level")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")


def main(args: argparse.Namespace) -> int:
    """Exit code 0, or 7 when a check failed. Text is written as the checks go: some take a moment."""
    checks = []
    for check in examine(args.config, args.state, offline=args.offline):
        checks.append(check)
        if not args.json:
            sys.stdout.write(_line(check))
            sys.stdout.flush()
    failed = sum(check.status == FAIL for check in checks)
    warned = sum(check.status not in (FAIL, FINE) for check in checks)
    if args.json:
        document = {"ok": not failed, "checks": [check.document() for check in checks]}
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        sys.stdout.write(f"\n{len(checks)} checks: {failed} failed, {warned} with a warning\n")
    return FINDING if failed else OK


def examine(path: Path | None, state_dir: Path | None = None, *, offline: bool = False) -> Iterator[Check]:
    """All checks, one by one. A configuration that is refused is a finding; the machine is examined all the same."""
    config: Config | None = None
    try:
        config = configuration.load(path, state_dir=state_dir)
        yield _configuration(config)
    except ConfigErrors as error:
        for finding in error.findings:
            if finding.severity == "error":
                yield Check("configuration", FAIL, finding.text(), "'headgate run' will not start", "Correct that line")
    except ImportError as error:  # of the native core, whose check says why
        if "HEADGATE_BACKEND" not in str(error):
            raise
        yield Check("configuration", FAIL, "cannot be checked without the native core", "", "See 'native core' below")
    except CommandError as error:
        yield Check("configuration", FAIL, error.cause, "'headgate run' will not start", error.next_step)
    yield from machine_checks(config)
    if config is None:
        return
    from headgate.linux.doctor_state import state_checks

    yield from state_checks(config)
    if not offline:
        from headgate.linux.doctor_network import network_checks

        yield from network_checks(config)


def _configuration(config: Config) -> Check:
    name = str(config.file) if config.file else configuration.EMBEDDED
    if config.warnings:
        count = len(config.warnings)
        found = f"{name}: {count} warning{'s' * (count > 1)}"
        return Check("configuration", "warn", found, config.warnings[0].message, "Type: headgate check")
    return Check("configuration", FINE, name)


def _line(check: Check) -> str:
    status = "FAIL" if check.status == FAIL else check.status
    text = f"{status:<5}{check.name:<18}{check.found}\n"
    if check.meaning:
        text += f"{'':<23}{check.meaning}\n"
    if check.next_step:
        text += f"{'':<23}-> {check.next_step}\n"
    return text
