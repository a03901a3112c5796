"""`headgate load`: load for one target, and figures a user can trust."""

import argparse
import json
import sys
from pathlib import Path

from headgate.errors import USAGE
from headgate_host.load import agents, display, exits, hdr, load, report, words
from headgate_host.load.exits import LoadError
from headgate_host.load.result import Result

STANDARD_OUTPUT = Path("-")
SUBVERBS = {
    "run": ("headgate_host.load.scenario_run", "carry out a scenario file"),
    "report": ("headgate_host.load.report", "a result as HTML, Markdown or JUnit XML"),
    "compare": ("headgate_host.load.compare", "compare two results; exit code 1 on a regression"),
    "attack": ("headgate_host.load.attack", "malformed, slow, oversized, floods: a status, and never a crash"),
    "find-limit": ("headgate_host.load.find_limit", "the highest rate within the budgets"),
    "powercut": ("headgate_host.load.powercut", "cut the power at random: is anything acknowledged lost?"),
    "selftest": ("headgate_host.load.selftest", "stall a toy server and prove that the tail is seen"),
}
_VERBS = "\n".join(f"  {name:<10} {line}" for name, (_, line) in SUBVERBS.items())
HELP = "load a server: latency from the due instant, and figures that say when they are not to be trusted"
_CODES = "\n".join(f"  {code:<4} {meaning}" for code, meaning in exits.MEANINGS.items())
EPILOG = f"""\
A request is due when the rate says, whatever became of earlier ones, and its latency counts from then on: a server that
stalls for a second has made every request of that second late, and the figures show it. --closed N instead has N
connections that wait for their answers, like wrk.

examples
  headgate load http://127.0.0.1:8080/healthz --rate 500 --for 30s
  headgate load http://127.0.0.1:8080/v1/streams/weather --rate 500 --for 30s --devices 100 --state STATE \\
      --body '{{"station":"{{device}}","ts":"2026-01-01T00:00:00Z","kind":"hourly","temp_f":68}}'
  headgate load http://127.0.0.1:8080/healthz --closed 64 --for 10s
  headgate load https://board:8443/v1/cache/k{{n}} --method PUT --body x --rate 100 --for 1min --budget 'p99 < 8 ms'

more verbs: 'headgate load VERB --help'
{_VERBS}

exit codes (other than those of the other verbs)
{_CODES}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("target", metavar="URL", help="http://, https://, mqtt:// or mqtts://; {device} and {n} are filled in")
    add("--rate", metavar="N", help="requests per second (or 30/min), due at even intervals")
    add(
        "--closed",
        metavar="N",
        type=int,
        default=0,
        help="closed loop instead: N connections, each waits for its answer",
    )
    add("--for", dest="length", metavar="TIME", default="10 s", help="how long, without the warm-up (default: 10 s)")
    add("--warm-up", metavar="TIME", help="so long before, and not in the figures")
    add(
        "--budget", metavar="TEXT", action="append", default=[], help="'p99 < 8 ms', 'errors < 0.1 %%'; may be repeated"
    )
    agents.add_arguments(parser)
    add_outputs(parser)
    words.add_arguments(parser)


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """What all have that carry out a load."""
    add = parser.add_argument
    add(
        "--out",
        metavar="FILE",
        type=Path,
        help="write the result file (JSON); - for standard output, and nothing else there",
    )
    add("--hdr", metavar="FILE", type=Path, help="write the latencies as a log of HdrHistogram (V2)")
    report.add_outputs(parser)
    add("--json", action="store_true", help="events as JSON lines, the summary last")


def main(args: argparse.Namespace) -> int:
    with exits.translated():
        if args.target.endswith(".toml"):
            raise LoadError(USAGE, f"{args.target} is a scenario, not a URL", f"headgate load run {args.target}")
        wanted = words.load_of(args, args.target)
        return carry_out(wanted, args, closed=bool(args.closed))


def carry_out(wanted: load.Load, args: argparse.Namespace, *, closed: bool = False) -> int:
    """Runs it, here or by agents, shows it, and writes what `add_outputs` offers -> exit code."""
    report.check_outputs(args.out, args.hdr, *(getattr(args, name) for name in report.WRITERS))
    finished = _by_agents(wanted, args) if args.agents else None
    show = display.Silence() if args.out == STANDARD_OUTPUT else display.of(wanted, as_json=args.json)
    try:
        finished = finished or load.on_a_loop(load.run(wanted, sys.argv, show.moment))
    finally:
        show.close()
    return _finish(args, show, finished, closed=closed)


def _by_agents(wanted: load.Load, args: argparse.Namespace) -> load.Finished:
    """They have the same command line; what is written, is written here."""
    hosts, words = agents.hosts_of(args.agents), agents.words_for(sys.argv[2:])
    result = agents.run(hosts, args.agents_by, words, wanted.plan.seconds)
    load.judge_all(wanted, result)
    return load.Finished(result, [])


def _finish(args: argparse.Namespace, show: display.Display, finished: load.Finished, *, closed: bool) -> int:
    result = finished.result
    if args.out == STANDARD_OUTPUT:
        try:
            sys.stdout.flush()
            sys.stdout.buffer.write(json.dumps(result.document(), separators=(",", ":")).encode() + b"\n")
            sys.stdout.buffer.flush()
        except OSError as error:
            raise LoadError(USAGE, f"cannot write the result: {error.strerror}", "Name another file: --out") from None
        return result.exit_code
    show.end(result, finished.notes, closed=closed)  # first: what was measured is not lost with a full disk
    if args.out is not None:
        result.write(args.out)
    if args.hdr is not None:
        _write_hdr(args.hdr, result)
    report.write_outputs(args, result)
    return result.exit_code


def _write_hdr(path: Path, result: Result) -> None:
    from datetime import datetime

    started = datetime.fromisoformat(result.run.started).timestamp()
    rows = [("", number * result.slice_s, result.slice_s, part) for number, part in enumerate(result.slices)]
    try:
        path.write_text("\n".join(hdr.log(rows, started)) + "\n", encoding="utf-8")
    except OSError as error:
        raise LoadError(USAGE, f"cannot write {path}: {error.strerror}", "Name another file") from None
