"""One load from several machines: each runs the same command for its share, starting at the same moment, and their
results are merged without loss (histograms add up).

An agent is this very command on another machine, by default through ssh. Request number i goes to agent i modulo their
number, so devices and running numbers are used once; the agents' requests are due in turn.
"""

import argparse
import asyncio
import operator
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from itertools import zip_longest

from headgate.errors import USAGE, CommandError
from headgate_host.load import exits, leash
from headgate_host.load.device_sources import command_of
from headgate_host.load.distribution import merge
from headgate_host.load.exits import LoadError
from headgate_host.load.result import INVALID, VALID, Audit, Result, Run, Series, combined

BY_SSH = "ssh -o BatchMode=yes {host} headgate"
HEAD_START_S = 5.0  # from now to the common start: time to connect, to mint tokens and to open connections
AGENTS_MAX = 64
RESULT_MAX = 64 << 20  # bytes of one agent's result
GRACE_S = 60.0  # beyond the length of the run
# Figures of the audit whose worst is not the largest
_JOINED: dict[str, Callable[[float, float], float]] = {"asked": operator.add, "achieved_share": min}
LEAST_ANSWER = 2  # bytes of a result that is one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--agents", metavar="HOST,HOST", help="send from these machines, each its share (the same Headgate, by ssh)")
    add("--agents-by", metavar="COMMAND", default=BY_SSH, help="how to run headgate there (default: %(default)s)")


def add_share(parser: argparse.ArgumentParser) -> None:
    """What an agent is told: which requests are its own, and when they begin."""
    parser.add_argument("--shard", default="0/1", help=argparse.SUPPRESS)
    parser.add_argument("--start-at", metavar="UNIX", type=float, default=0.0, help=argparse.SUPPRESS)
    parser.add_argument("--leash", action="store_true", help=argparse.SUPPRESS)  # ends with standard input


def words_for(words: Sequence[str]) -> list[str]:
    """Of a command line, without what is for this machine alone."""
    parser = argparse.ArgumentParser(add_help=False)
    for option in ("--agents", "--agents-by", "--out", "--hdr", "--html", "--junit", "--markdown"):
        parser.add_argument(option)
    parser.add_argument("--json", action="store_true")
    return parser.parse_known_args(words)[1]


def shard(text: str) -> tuple[int, int]:
    """`--shard 1/3` -> (1, 3). Raises CommandError(USAGE)."""
    number, _, count = text.partition("/")
    if not number.isdigit() or not count.isdigit() or int(number) >= int(count):
        raise CommandError(USAGE, f"--shard {text!r} is none", "For instance 0/2")
    return int(number), int(count)


def hosts_of(text: str) -> list[str]:
    hosts = [host for host in text.split(",") if host]
    if not 1 <= len(hosts) <= AGENTS_MAX or any(host.startswith("-") for host in hosts):
        raise CommandError(USAGE, f"--agents names 1 to {AGENTS_MAX} hosts", "For instance --agents gen1,gen2")
    return hosts


def run(hosts: Sequence[str], by: str, words: Sequence[str], seconds: float) -> Result:
    """`words`: of the command line, without those about agents. Raises LoadError when an agent fails."""
    return asyncio.run(_run(hosts, by, words, seconds))


async def _run(hosts: Sequence[str], by: str, words: Sequence[str], seconds: float) -> Result:
    begun = Run.begin(sys.argv)
    start_at = time.time() + HEAD_START_S
    tries = []
    for number, host in enumerate(hosts):
        more = ["--shard", f"{number}/{len(hosts)}", "--start-at", f"{start_at:.3f}", "--leash", "--out", "-"]
        more += ["--no-metrics"] * (number > 0)
        tries.append(_agent(host, by, [*words, *more], seconds))
    return merged(begun, hosts, await asyncio.gather(*tries))


async def _agent(host: str, by: str, words: Sequence[str], seconds: float) -> Result:
    local = command_of("--agents-by", by, host)
    command = [*local, "load", *(map(shlex.quote, words) if local[0] == "ssh" else words)]  # ssh joins its words
    with leash.held() as held:
        try:
            agent = await asyncio.create_subprocess_exec(
                *command, stdin=held, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
        except OSError as error:
            raise CommandError(
                USAGE, f"cannot start the agent on {host}: {error.strerror}", "See --agents-by"
            ) from None
        try:
            async with asyncio.timeout(seconds + HEAD_START_S + GRACE_S):
                said, failed = await agent.communicate()
        except TimeoutError:
            raise CommandError(USAGE, f"the agent on {host} does not end") from None
        finally:
            if agent.returncode is None:
                agent.kill()
    if len(said) < LEAST_ANSWER or len(said) > RESULT_MAX:
        reason = (failed.decode("utf-8", "replace").strip().splitlines() or [f"exit code {agent.returncode}"])[-1]
        code = agent.returncode or USAGE
        if code not in exits.MEANINGS or code == exits.OVER_BUDGET:  # another program's: without a result no budget
            code = USAGE
        raise LoadError(code, f"the agent on {host} failed: {reason[:300]}")
    return Result.parse(said, f"what the agent on {host} said")


def merged(begun: Run, hosts: Sequence[str], results: Sequence[Result]) -> Result:
    """As if one generator had done it all. The device is that of the first, which alone asks for its figures."""
    first = results[0]
    begun.seconds = max(result.run.seconds for result in results)
    names = sorted({name for result in results for name in result.operations})
    parts = {name: [one.operations[name] for one in results if name in one.operations] for name in names}
    slices = [list(row) for row in zip_longest(*(result.slices for result in results))]
    same = len({result.slice_s for result in results}) == 1
    return Result(
        run=begun,
        target=first.target,
        scenario={**first.scenario, "agents": list(hosts)},
        audit=_audit(hosts, results),
        total=combined(result.total for result in results),
        operations={name: combined(part) for name, part in parts.items()},
        series=_series([result.series for result in results]),
        slice_s=first.slice_s,
        slices=[merge(part for part in row if part is not None) for row in slices] if same else [],
        device=first.device,
        interrupted=any(result.interrupted for result in results),
    )


def _audit(hosts: Sequence[str], results: Sequence[Result]) -> Audit:
    """One that is not to be trusted spoils the whole. Figures are those of the worst; `asked` is a sum."""
    reasons = [f"{host}: {reason}" for host, one in zip(hosts, results, strict=True) for reason in one.audit.reasons]
    figures: dict[str, float] = {}
    for one in results:
        for name, value in one.audit.figures.items():
            known = figures.get(name)
            figures[name] = value if known is None else _JOINED.get(name, max)(known, value)
    return Audit(INVALID if any(one.audit.verdict == INVALID for one in results) else VALID, reasons, figures)


def _series(all_of_them: Sequence[Series]) -> Series:
    """Counts add up. Percentiles of an interval do not: the worst of the agents'."""
    found = Series(all_of_them[0].interval_s)
    for name in ("due", "sent", "done", "errors", "in_flight"):
        rows = zip_longest(*(getattr(one, name) for one in all_of_them), fillvalue=0)
        setattr(found, name, [sum(row) for row in rows])
    for name in ("p50_ms", "p99_ms"):
        columns = zip_longest(*(getattr(one, name) for one in all_of_them))
        setattr(found, name, [max((value for value in row if value is not None), default=None) for row in columns])
    return found
