"""`headgate load selftest`: shows that the tail is seen, and that a generator that fails says so.

A server of ours stalls once while requests go on being due. What the figures must be follows from the rate and the
length of the stall alone: of the requests due meanwhile each waits until it is over, so their latencies lie evenly
between nothing and the whole stall.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from headgate.errors import OK
from headgate_host.load import exits, load, terminal, toy_server
from headgate_host.load.device_sources import NOTHING
from headgate_host.load.distribution import MS
from headgate_host.load.engine import Moment, Plan
from headgate_host.load.operation import ANY_SUCCESS, HTTP, Operation, Request
from headgate_host.load.phases import Schedule, hold
from headgate_host.load.result import INVALID, Result
from headgate_host.load.target import Target

HELP = "stall a toy server and prove that the tail is seen"
EPILOG = """\
Starts a server that does nothing at all for 1.5 s in the middle of a run at 200 requests a second, and compares the p99
from the due instant with what it must be, about 1.44 s. Beside it the same run timed from the send, and, where they are
installed, what wrk and hey make of the same server. A second run stalls the generator instead: that must be INVALID.

exit codes: 0 passed · 4 the figures are wrong · 7 this machine is too busy to tell
"""
RATE, SECONDS, STALL_AT_S, STALL_S = 200, 6.0, 2.0, 1.5
CONNECTIONS = 2  # what is sent and not answered in the stall: fewer than one in a hundred
TOLERANCE = 0.05
OWN_STALL_S = 0.5


@dataclass
class Check:
    name: str
    passed: bool
    detail: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    parser.add_argument("--no-others", action="store_true", help="do not run wrk and hey beside it")


def main(args: argparse.Namespace) -> int:
    with exits.translated():
        result, stall_s = _stalled_server()
        checks = [*_check_tail(result, expected_p99_ns(stall_s)), _check_own_stall(_stalled_generator())]
        others = {} if args.no_others else dict(_others())
    busy = result.audit.verdict == INVALID
    code = exits.NOT_MEASURED if busy else OK if all(one.passed for one in checks) else exits.TARGET_ERRORS
    if args.json:
        document = {"checks": [vars(one) for one in checks], "others": others, "audit": vars(result.audit)}
        print(json.dumps(document | {"exit_code": code}))
    else:
        _tell(result, checks, others, code)
    return code


def expected_p99_ns(stall_s: float) -> float:
    """Requests due in the stall wait for its end: the one in 100 that waited longest, for all but its own place."""
    slowest = RATE * SECONDS / 100
    return (stall_s - slowest / RATE) * 1e9


def _plan(seconds: float) -> Plan:
    operation = Operation("GET", method="GET")
    request = Request(operation, 0, "/", b"", ANY_SUCCESS)
    return Plan(iter(lambda: request, None), seconds, Schedule([hold(RATE, seconds)]).due())


def _run(port: int, seconds: float, own_stall_s: float = 0.0) -> Result:
    def moment(now: Moment) -> None:
        if own_stall_s and now.interval == 0:
            time.sleep(own_stall_s)

    target = Target.parse(f"http://127.0.0.1:{port}")
    wanted = load.Load({HTTP: target}, _plan(seconds), connections=CONNECTIONS, device=NOTHING)
    return load.on_a_loop(load.run(wanted, sys.argv, moment)).result


def _stalled_server() -> tuple[Result, float]:
    """-> what was measured, and how long the stall was."""
    with toy_server.running("--stall", str(STALL_AT_S), "--stall-for", str(STALL_S)) as toy:
        return _run(toy.port, SECONDS), toy.stalled_s()


def _stalled_generator() -> Result:
    with toy_server.running() as toy:
        return _run(toy.port, 2.0, OWN_STALL_S)


def _check_tail(result: Result, must: float) -> Iterator[Check]:
    total = result.total
    due = round(RATE * SECONDS)
    yield Check("every request was due and answered", total.due == total.done == due, f"{total.done} of {due}")
    found, sent = total.latency.quantile(0.99), total.service.quantile(0.99)
    near = abs(found - must) <= TOLERANCE * must
    yield Check("p99 from the due instant", near, f"{found / MS:.0f} ms, must be {must / MS:.0f}")
    hidden = f"{sent / MS:.2f} ms: what a tool that waits for answers would report"
    yield Check("p99 from the send hides it", sent < must / 10, hidden)


def _check_own_stall(result: Result) -> Check:
    invalid = result.audit.verdict == INVALID
    return Check("a generator that stalls is INVALID", invalid, "; ".join(result.audit.reasons) or "it was not")


def _others() -> Iterator[tuple[str, str]]:
    """Other tools on the same stalled server, with the same connections and, where they have one, rate."""
    seconds, connections = f"{SECONDS:.0f}s", str(CONNECTIONS)
    tools = {
        "wrk": (["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency"], r"99%\s+([0-9.]+\w+)"),
        "hey": (
            ["hey", "-z", seconds, "-c", connections, "-q", str(RATE // CONNECTIONS)],
            r"99%\s+in\s+([0-9.]+\s*\w+)",
        ),
    }
    for name, (command, pattern) in tools.items():
        if shutil.which(name) is None:
            continue
        with toy_server.running("--stall", str(STALL_AT_S), "--stall-for", str(STALL_S)) as toy:
            url = f"http://127.0.0.1:{toy.port}/"
            done = subprocess.run([*command, url], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
        p99 = re.search(pattern, done.stdout)
        rate = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
        if p99 and rate:
            yield name, f"p99 {p99.group(1)}, {rate.group(1)} requests/s"


def _tell(result: Result, checks: list[Check], others: dict[str, str], code: int) -> None:
    print(f"{RATE} requests/s for {SECONDS:g} s; the server stalls for {STALL_S:g} s")
    for one in checks:
        print(f"  {'ok    ' if one.passed else 'FAILED'}  {one.name}: {one.detail}")
    for name, said in others.items():
        print(f"  beside  {name} on the same server: {said}")
    if code == OK:
        print("  " + terminal.gap_sentence(result.total.latency, result.total.service))
    for reason in result.audit.reasons:
        print(f"  INVALID: {reason}")
    print("passed" if code == OK else exits.MEANINGS[code] if code == exits.NOT_MEASURED else "FAILED")
