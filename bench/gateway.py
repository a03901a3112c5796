"""The gateway beside others: CPU time for one request, memory, and what others in the process see of its load.

    python bench/gateway.py                    everything; about ten minutes, on a machine that is quiet
    python bench/gateway.py --quick            one short round of each; about two minutes, nothing is kept
    python bench/gateway.py --only ingest pss  only these rows
    python bench/gateway.py --peers hyper gin  ours and the floors beside peers whose name contains one of these words
    python bench/gateway.py --report           measures nothing: prints tables and targets from the results kept
    python bench/gateway.py --report --docs    ... and writes the tables of docs/gateway-bench.md

The server runs on one core, the load on another (loopback only). A figure is the CPU time of the server's whole process
tree for one request it answered, by the scheduler's own account in /proc; servers take turns within each round, figures
are medians of the rounds. Quote ratios. Before it is measured every server shows that it checks what ours checks: one
wrong verdict ends the run. Peers are built from the public registries into .cache; what cannot be had is left out, and
the report says so. Run it with the interpreter that has Headgate's dependencies (.venv/bin/python).

Each row replaces its part of the results file. Exit code 0; with --check 1 if a measured target is missed; 2 usage; 3 a
server gives a wrong verdict."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from gateway import build, lateness, memory, messages, process, results, rows, servers, targets, verdicts
from gateway.build import say
from validate import results as files

WRONG_VERDICT = 3
QUICK_ROUNDS, QUICK_SECONDS, QUICK_IDLE = 1, 1.0, 500
LATENESS_S, QUICK_LATENESS_S = 5.0, 2.0
ALWAYS = (servers.OURS, servers.FLOOR, servers.FLOOR_CORE)
NOT_QUICK = ("ingest-own",)
RESULTS = build.ROOT / "bench" / "results"


def chosen(names: "tuple[str, ...]", options: argparse.Namespace) -> "tuple[str, ...]":
    words = [word.lower() for word in options.peers or []]
    return tuple(name for name in names if not words or name in ALWAYS or any(word in name.lower() for word in words))


def cpu_row(row: rows.Row, material: messages.Material, options: argparse.Namespace) -> "dict[str, Any]":
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if options.quick else (options.rounds or row.rounds, row.seconds)
    return rows.measure(row, chosen(row.servers, options), material, rounds, seconds)


def takers(material: messages.Material, options: argparse.Namespace) -> "dict[str, Callable[[], dict[str, Any]]]":
    """Every row by its name, in the order they are taken."""
    quick = options.quick
    count = QUICK_IDLE if quick else memory.IDLE
    alone = ALWAYS if quick else memory.AT_64
    found: dict[str, Callable[[], dict[str, Any]]] = {
        row.name: (lambda row=row: cpu_row(row, material, options))  # type: ignore[misc]
        for row in rows.ROWS
        if not (quick and row.name in NOT_QUICK)
    }
    found["pss"] = lambda: memory.at_64(material, chosen(alone, options))
    for name, tls, names in (("idle", False, memory.IDLE_SERVERS), ("idle-tls", True, memory.IDLE_TLS_SERVERS)):
        asked = chosen(names[:1] if quick else names, options)
        found[name] = lambda tls=tls, asked=asked: memory.idle(  # type: ignore[misc]
            material, asked, tls=tls, count=count
        )
    found["held"] = lambda: memory.held(material, quick=quick)
    found["lateness"] = lambda: lateness.measure(material, QUICK_LATENESS_S if quick else LATENESS_S)
    return found


def measure(options: argparse.Namespace, found: "dict[str, Any]", keep: "Callable[[], None]") -> None:
    """Takes the rows asked for into `found`. Raises WrongVerdict."""
    found["machine"], found["versions"] = files.machine(), build.versions()
    found["command"] = files.command()
    if process.SERVER_CORE == process.LOAD_CORE:
        say("there is one core only: the load takes its share of it, and figures are rough")
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as scratch, process.on_core(process.LOAD_CORE):
        all_takers = takers(messages.prepare(Path(scratch)), options)
        for name in options.only or all_takers:
            if name not in all_takers:
                raise SystemExit(f"there is no row {name!r}: {' '.join(all_takers)}")
        for name, take in all_takers.items():
            if not options.only or name in options.only:
                busy = round(os.getloadavg()[0], 1)
                say(f"{name} (load average {busy})")
                found.setdefault("rows", {})[name] = {**take(), "load_average": busy}
                keep()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--quick", action="store_true", help="one short round of each row, nothing kept")
    add("--only", nargs="+", metavar="ROW", help="only these rows")
    add(
        "--peers",
        nargs="+",
        metavar="WORD",
        help="only peers whose name contains one of these; ours and the floors always",
    )
    add("--rounds", type=int, default=0, help="rounds of each row, instead of its own number")
    add("--report", action="store_true", help="measure nothing, print what is kept")
    add("--docs", action="store_true", help="write the tables of docs/gateway-bench.md from the results kept")
    add("--output", type=Path, help="results file (bench/results/gateway-<architecture>.json; with --quick: none kept)")
    add("--json", action="store_true", help="print the results as JSON, targets included")
    add("--check", action="store_true", help="exit 1 if a measured target is missed")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    path: Path | None = options.output
    if path is None and (options.report or not options.quick):
        path = RESULTS / f"gateway-{os.uname().machine}.json"
    found = {} if path is None else files.load(path)
    if not options.report:
        reason = memory.enough_files()
        if reason:
            say(reason)
        try:
            measure(options, found, lambda: None if path is None else files.save(path, found))
        except verdicts.WrongVerdict as error:
            say(f"nothing is compared: {error}")
            return WRONG_VERDICT
    judged = [row.as_json() for row in targets.table(found)]
    if options.docs:
        results.write_docs(found)
    if options.json:
        print(json.dumps({**found, "targets": judged}, indent=2, ensure_ascii=False))
    else:
        results.show(found)
    return 1 if options.check and any(row["met"] is False for row in judged) else 0


if __name__ == "__main__":
    sys.exit(main())
