"""`headgate load run`: a scenario file, carried out."""

import argparse
import json
from itertools import islice
from pathlib import Path
from typing import Any

from headgate.errors import OK, USAGE, CommandError
from headgate_host.load import agents, device_sources, exits, scenario, verb
from headgate_host.load.devices import SCOPES, Issuing, Tokens
from headgate_host.load.engine import Plan
from headgate_host.load.exits import SCENARIO_INVALID, LoadError
from headgate_host.load.http2 import STREAMS
from headgate_host.load.load import CONNECTIONS, Load
from headgate_host.load.mqtt_fleet import Login
from headgate_host.load.operation import MQTT, status_name
from headgate_host.load.phases import Schedule
from headgate_host.load.scenario import Scenario, ScenarioErrors
from headgate_host.load.target import Target

HELP = "carry out a scenario file: phases, a mix of operations, data from a schema, budgets"
EPILOG = """\
docs/load-scenarios.md describes the file. The target may stand in it, or be given here.

examples
  headgate load run day.toml --check
  headgate load run day.toml --target http://board:8080 --out day.json --html day.html
  headgate load run day.toml --junit junit.xml --json
  headgate load run day.toml --agents gen1,gen2

exit codes: as those of 'headgate load'; 5 the scenario is not valid
"""
SHOWN = 200  # characters of a body with --check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("scenario", metavar="FILE.toml", type=Path)
    add("--target", metavar="URL", help="http:// or https://, instead of the file's")
    add("--broker", metavar="URL", help="mqtt:// or mqtts://, instead of the file's")
    add("--ca-file", metavar="FILE", type=Path, help="CA certificates of the target (default: the system's)")
    add("--insecure", action="store_true", help="do not check the target's certificate")
    device_sources.add_arguments(parser)
    add("--check", action="store_true", help="send nothing: check the file, and show what would be sent")
    agents.add_arguments(parser)
    agents.add_share(parser)
    verb.add_outputs(parser)


def main(args: argparse.Namespace) -> int:
    with exits.translated():
        if args.check:
            return check(args.scenario, as_json=args.json)
        return verb.carry_out(load_of(scenario.load(args.scenario), args), args)


def load_of(found: Scenario, args: argparse.Namespace) -> Load:
    """Raises LoadError: for a target that is missing, or data that cannot be made."""
    targets = {one: _target(one, found, args) for one in sorted({line.protocol for line in found.lines})}
    schedule = found.schedule
    try:
        requests = found.requests()
        tokens = tokens_of(found)
    except CommandError as error:
        raise LoadError(SCENARIO_INVALID, error.cause, error.next_step) from None
    number, count = agents.shard(args.shard)  # an agent makes all requests, and sends its own
    plan = Plan(islice(requests, number, None, count), schedule.seconds, measured_from=schedule.measured_from)
    plan.due = islice(schedule.due(), number, None, count)
    return Load(
        targets,
        plan,
        devices=found.devices.count,
        tokens=tokens,
        reads_bodies=any(line.data for line in found.lines),  # of refusals and of batches
        login=Login(found.devices.names(), tokens),
        connections=found.connections or CONNECTIONS,
        streams=found.streams or STREAMS,
        timeout_s=found.timeout_s,
        budgets=found.budgets,
        device=device_sources.Wanted.of(args, found.metrics or None),
        start_at_s=args.start_at,
        leashed=args.leash,
        described={**found.document, "name": found.name, "seed": found.seed, "timeline": timeline(schedule)},
    )


def _target(protocol: str, found: Scenario, args: argparse.Namespace) -> Target:
    to_broker = protocol == MQTT
    url = (args.broker or found.broker) if to_broker else (args.target or found.target)
    if not url:
        key = "broker" if to_broker else "target"
        raise LoadError(USAGE, f"where does it go? The scenario has no `{key}`", f"Write it there, or give --{key} URL")
    target = Target.parse(url, args.ca_file, insecure=args.insecure)
    if target.scheme.startswith(MQTT) != to_broker or target.path != "/":
        kind = "MQTT" if to_broker else "HTTP"
        raise LoadError(USAGE, f"{target.url} is not a URL of {kind} without a path", "Paths stand in the scenario")
    return target


def timeline(schedule: Schedule) -> list[dict[str, Any]]:
    """The phases on the axis of the result, which begins when the warm-up is over."""
    start = schedule.measured_from
    return [{"kind": kind, "from_s": begin - start, "to_s": end - start} for begin, end, kind in schedule.boundaries()]


def tokens_of(found: Scenario) -> Tokens | None:
    devices = found.devices
    if not (devices.config or devices.state or devices.key or devices.issuer):
        return None
    config, state, key = (None if path is None else str(path) for path in (devices.config, devices.state, devices.key))
    return Issuing(config, state, devices.issuer, key, devices.scopes or SCOPES).tokens(devices.names())


def check(file: Path, *, as_json: bool) -> int:
    """Everything that is wrong with the file, or what would be sent."""
    try:
        found = scenario.load(file)
    except ScenarioErrors as errors:
        if as_json:
            print(json.dumps({"findings": [finding.document() for finding in errors.findings]}))
        else:
            print("\n".join(finding.text() for finding in errors.findings))
        return SCENARIO_INVALID
    schedule, names = found.schedule, found.devices.names()
    try:
        first = {one.operation.name: one for one in islice(found.requests(), 2000)}
    except CommandError as error:
        raise LoadError(SCENARIO_INVALID, error.cause, error.next_step) from None
    if as_json:
        document = {"name": found.name, "seconds": schedule.seconds, "requests": round(schedule.expected),
                    "operations": sorted(first), "budgets": [budget.text for budget in found.budgets]}  # fmt: skip
        print(json.dumps(document))
        return OK
    counts = f"{round(schedule.expected):,} requests in {schedule.seconds:g} s, {found.devices.count:,} devices"
    print(f"{found.name}: {counts}")
    for begin, end, kind in schedule.boundaries():
        rates = f"{schedule.rate_at(begin):g} to {schedule.rate_at(end - 1e-9):g} requests/s"
        print(f"  {begin:g} to {end:g} s: {kind}, {rates}{', warm-up' if end <= schedule.measured_from else ''}")
    for name, one in sorted(first.items()):
        owed = (
            ", ".join(status_name(status).removeprefix("status ") for status in one.expect.statuses) or "acknowledged"
        )
        why = f" {one.expect.problem} {one.expect.instance or ''}".rstrip() if one.expect.problem else ""
        print(f"\n{name}, for instance of {names(one.device)}: {one.operation.method} {one.target} -> {owed}{why}")
        if one.body:
            print(f"  {_shown(one.body)}")
    for budget in found.budgets:
        print(f"\nbudget: {budget.text}")
    return OK


def _shown(body: bytes) -> str:
    text = body[:SHOWN].decode("utf-8", "backslashreplace")
    safe = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return safe + (f" ... ({len(body):,} bytes)" if len(body) > SHOWN else "")
