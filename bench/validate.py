"""Headgate's validator beside others, on the same documents, on this machine, now.

    python bench/validate.py                 CPU time (through Python, and natively) and memory; about five minutes
    python bench/validate.py --quick         the three small workloads only, few rounds; about a minute
    python bench/validate.py --count         instruction counts by valgrind: exact on a busy machine too; ~15 minutes
    python bench/validate.py --arm           instruction counts on AArch64 and ARMv7, emulated by qemu-user
    python bench/validate.py --real          schemas people use (--sets DIR adds a clone of jsonschema-benchmark)
    python bench/validate.py --all           all of these
    python bench/validate.py --report        measures nothing: prints the targets from the results kept

The first run installs the peers, pinned, into .cache/bench-venv (pip), and builds native programs in .cache/bench-build
from the peers' source packages where gcc, g++ and cargo are there. Before anything is timed every peer decides every
document, valid and invalid; a wrong verdict ends the run, for a faster wrong answer is worth nothing. Peers take turns
within each round, each in a process of its own on one core; figures are medians of CPU time. Quote ratios and
instruction counts, not nanoseconds.

Each part replaces its section of the results file and leaves the others, so parts may be taken one after the other.
Exit code 0; with --check 1 if a measured target is missed; 2 usage; 3 a peer decides a document wrongly."""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from validate import arm, clock, corpus, count, environment, memory, native, peers, real, results, workloads

QUICK_ROUNDS, QUICK_SAMPLE_MS = 3, 5.0
WRONG_VERDICT = 3


def say(text: str) -> None:
    """Progress; the results alone are on standard output."""
    print(text, file=sys.stderr, flush=True)


def chosen_peers(options: argparse.Namespace) -> "list[peers.Peer]":
    """The peers asked for; ours only if it is built."""
    wanted = [peer for peer in peers.PEERS if not options.peers or any(word in peer.name for word in options.peers)]
    if not environment.ours_importable():
        say("headgate_native is not built (python setup.py build_ext --inplace): the peers alone are measured")
        wanted = [peer for peer in wanted if not peer.name.startswith(peers.OURS)]
    return wanted


def time_part(options: argparse.Namespace, folder: Path, names: "list[str]") -> "dict[str, Any]":
    rounds = QUICK_ROUNDS if options.quick else options.rounds
    sample_ms = QUICK_SAMPLE_MS if options.quick else clock.SAMPLE_MS
    wanted = chosen_peers(options)
    workers = [clock.Worker(folder, peer) for peer in wanted]
    figures: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    try:
        for name in names:
            ready, cannot = clock.agree(workers, name)
            skipped.update(cannot)
            documents = corpus.documents(folder, name)
            sizes = [row.path.stat().st_size for row in documents if row.valid]
            figures[name] = {"bytes": round(sum(sizes) / len(sizes))}
            for which in ["valid", *(row.name for row in documents if row.name in clock.REFUSALS)]:
                asked = ready if which == "valid" else [worker for worker in ready if not worker.peer.schema_free]
                say(f"{name}, {which}: {len(asked)} peers")
                figures[name][which] = clock.measure(asked, name, which, rounds, sample_ms)
    finally:
        for worker in workers:
            worker.close()
    return {"rounds": rounds, "workloads": figures, "skipped": skipped}


def native_part(
    options: argparse.Namespace,
    folder: Path,
    names: "list[str]",
    built: "list[native.Built]",
    skipped: "dict[str, str]",
) -> "dict[str, Any]":
    rounds = QUICK_ROUNDS if options.quick else options.rounds
    figures = {}
    for name in names:
        ready = [program for program in built if program.takes(name)]
        for program in list(ready):
            try:
                wrong = program.wrong(folder, name)
            except native.CannotBuild as error:
                skipped[f"{program.program.name} on {name}"] = str(error)
                ready.remove(program)
                continue
            if wrong:
                raise clock.Disagreement(f"{program.program.name} on {name}: wrong verdicts: {', '.join(wrong)}")
        say(f"{name}: {len(ready)} native programs")
        figures[name] = native.measure(ready, folder, name, rounds, 0)
    return {"rounds": rounds, "workloads": figures, "skipped": skipped}


def count_part(
    options: argparse.Namespace, folder: Path, names: "list[str]", built: "list[native.Built]"
) -> "dict[str, Any]":
    figures: dict[str, Any] = {"python": {}, "native": {}, "skipped": {}}
    if not environment.found("valgrind", "setarch"):
        figures["skipped"]["all"] = "no valgrind or no setarch"
        return figures
    for program in built:
        row = figures["native"].setdefault(program.program.name, {})
        for name in names:
            if program.takes(name):
                say(f"counting {program.program.name} on {name}")
                try:
                    row[name] = count.native_count(program, folder, name)
                except count.CannotCount as error:
                    figures["skipped"][f"{program.program.name} on {name}"] = str(error)
    for peer in chosen_peers(options):
        if peer.slow and not options.peers:
            figures["skipped"][peer.name] = "takes minutes under valgrind; ask for it with --peers"
            continue
        say(f"counting {peer.name} through Python")
        try:
            figures["python"][peer.name] = count.python_counts(peer, folder, names)
        except count.CannotCount as error:
            figures["skipped"][peer.name] = str(error)
    return figures


def real_part(options: argparse.Namespace, folder: Path) -> "dict[str, Any]":
    sets, missing = real.gather(options.sets)
    say(f"{len(sets)} real schemas")
    return {"sets": real.measure(sets, folder), "missing": missing}


def measure(options: argparse.Namespace, found: "dict[str, Any]") -> None:
    """Takes the parts asked for into `found`."""
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as scratch:
        folder = Path(scratch)
        every = workloads.all_workloads(options.quick)
        for workload in every:
            corpus.write(folder, workload)
        names = [workload.name for workload in every if not options.workloads or workload.name in options.workloads]
        small = [workload.name for workload in workloads.small() if workload.name in names]
        built: list[native.Built] = []
        skipped: dict[str, str] = {}
        if options.time or options.memory or options.count:
            say("building the native programs")
            built, skipped = native.build(native.programs(folder, small))
        found["machine"], found["packages"] = results.machine(), results.packages()
        found["command"] = results.command()
        if options.time:
            found["time"] = time_part(options, folder, names)
            found["native"] = native_part(options, folder, names, built, skipped)
        if options.memory:
            say("memory")
            found["memory"] = memory.measure(folder, built)
        if options.count:
            found["count"] = count_part(options, folder, small, built)
        if options.arm:
            say("counting on ARM")
            figures, cannot = arm.counts(folder, small)
            found["arm"] = {**figures, "skipped": cannot}
        if options.real:
            found["real"] = real_part(options, folder)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--quick", action="store_true", help="small workloads, few rounds")
    add("--time", action="store_true", help="CPU time (part of the default)")
    add("--memory", action="store_true", help="memory (part of the default)")
    add("--count", action="store_true", help="instruction counts by cachegrind")
    add("--arm", action="store_true", help="instruction counts on ARM")
    add("--real", action="store_true", help="schemas people use")
    add("--sets", type=Path, metavar="DIR", help="folder `schemas` of a clone of jsonschema-benchmark, for --real")
    add("--all", action="store_true", help="all parts")
    add("--report", action="store_true", help="measure nothing, print what is kept")
    add("--workloads", nargs="+", metavar="W", help="only these: telemetry report1k batch10k twitter citm citm-compact")
    add("--peers", nargs="+", metavar="WORD", help="only peers whose name contains one of these")
    add("--rounds", type=int, default=clock.ROUNDS, help=f"rounds of each CPU time ({clock.ROUNDS})")
    add(
        "--output", type=Path, help="results file (bench/results/validate-<architecture>.json; with --quick: none kept)"
    )
    add("--json", action="store_true", help="print the results as JSON, targets included")
    add("--check", action="store_true", help="exit 1 if a measured target is missed")
    options = parser.parse_args()
    if options.all:
        options.time = options.memory = options.count = options.arm = options.real = True
    elif not (options.time or options.memory or options.count or options.arm or options.real or options.report):
        options.time = options.memory = True
    return options


def main() -> int:
    options = arguments()
    if not environment.inside():
        environment.make()
        os.execve(environment.python(), [str(environment.python()), *sys.argv], environment.variables())  # noqa: S606
    path = options.output
    if path is None and not options.quick:
        path = environment.ROOT / "bench" / "results" / f"validate-{os.uname().machine}.json"
    found = {} if path is None else results.load(path)
    if not options.report:
        try:
            measure(options, found)
        except clock.Disagreement as error:
            say(f"nothing is compared: {error}")
            return WRONG_VERDICT
        if path is not None:
            results.save(path, found)
    rows = [row.as_json() for row in results.targets.table(found)]
    if options.json:
        print(json.dumps({**found, "targets": rows}, indent=2, ensure_ascii=False))
    else:
        results.show(found)
        results.print_targets(found)
    return 1 if options.check and any(row["met"] is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
