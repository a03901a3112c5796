"""What a document and a request cost on ARM, in instructions: the same on every machine and on a busy one.

    python bench/armcount.py            counts, prints, and keeps the figures in bench/results/armcount.json
    python bench/armcount.py --check    counts and compares: exit 1 if a row costs more than 3 % more than what is kept,
                                        or misses a target; for CI

AArch64 and ARMv7 programs run under qemu-user, which writes a line for each instruction; a figure is the difference of
two runs that differ in their rounds only. The same compiler must have built what is compared: with another one --check
looks at the targets alone, and says so. Needs gcc-aarch64-linux-gnu, gcc-arm-linux-gnueabihf, qemu-user-static, and
cbor2 (the extra `host`). Two minutes."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from validate import arm, corpus, native, target, workloads

RESULTS = Path(__file__).resolve().parent / "results" / "armcount.json"
REQUESTS = Path(__file__).resolve().parent / "armcount" / "request.c"
WORKLOADS = ("telemetry", "report1k")
# kind of request.c -> what is counted
KINDS = {
    "post": "POST a message, answered from memory",
    "post-fsync": "POST a message, answered after its commit",
    "get": "GET 100 bytes from the cache",
    "get-x16": "GET 100 bytes from the cache, 16 pipelined",
    "token": "verify a token from scratch (HS256, no SHA instructions)",
}
PROGRAMS = {native.OURS: "JSON -> verdict", native.OURS_TO_CBOR: "JSON -> CBOR", native.OURS_CBOR: "CBOR -> verdict"}
ROUNDS = (16, 80)  # of request.c: whole batches
WORSE = 1.03  # times as much is a regression
CANNOT = 2

Figures = dict[str, dict[str, float]]  # target -> row -> instructions


def build_requests(machine: native.Target) -> Path:
    """request.c with the objects that the validator's programs are made of."""
    path = machine.folder() / "request"
    objects = sorted((machine.folder() / "core").glob("*.o"))
    flags = ["-std=gnu11", "-O2", *machine.flags, f"-I{native.CORE}", "-Wl,--wrap=getauxval"]
    native.run(machine.cc, *flags, REQUESTS, *objects, "-lpthread", "-o", path)
    return path


def count(folder: Path) -> Figures:
    """Raises CannotCount, CannotBuild."""
    for workload in workloads.small():
        if workload.name in WORKLOADS:
            corpus.write(folder, workload)
    wanted = [program for program in native.programs(folder, []) if program.name in PROGRAMS]
    figures: Figures = {}
    for machine in arm.TARGETS:
        missing = arm.missing_tools(machine)
        if missing:
            raise arm.CannotCount(f"no {', '.join(missing)}")
        built, refused = native.build(wanted, machine)
        if refused:
            raise native.CannotBuild(str(refused))
        rows = figures[machine.name] = {}
        for program in built:
            for workload in WORKLOADS:
                rows[f"{PROGRAMS[program.program.name]}: {workload}"] = arm.for_one(program, folder, workload)
        requests = build_requests(machine)
        few, many = ROUNDS
        for kind, what in KINDS.items():
            low, high = (arm.executed([*machine.run, str(requests), kind, str(rounds)]) for rounds in ROUNDS)
            rows[what] = round((high - low) / (many - few), 1)
    return figures


def compilers() -> dict[str, str]:
    """target -> version of the compiler, whose code is counted."""

    def version(machine: native.Target) -> str:
        done = subprocess.run([machine.cc, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
        return done.stdout.splitlines()[0]

    return {machine.name: version(machine) for machine in arm.TARGETS}


def targets(figures: Figures) -> "list[target.Row]":
    row = f"{PROGRAMS[native.OURS]}: telemetry"
    ours, narrow = figures["aarch64"][row], figures["armv7"][row]
    return [
        target.at_most("instructions on AArch64", "telemetry", 3000, ours, ""),
        target.at_most("instructions: ARMv7 / AArch64", "telemetry", 1.4, target.ratio(narrow, ours)),
    ]


def regressions(figures: Figures, kept: Figures) -> list[str]:
    """One line for each row that costs more than it did; also for one that nobody counted any more."""
    lines = []
    for name, rows in kept.items():
        for row, before in rows.items():
            now = figures.get(name, {}).get(row)
            if now is None:
                lines.append(f"{name}, {row}: {before:,.0f} instructions are kept, and it is not counted now")
            elif now > before * WORSE:
                lines.append(f"{name}, {row}: {now:,.0f} instructions, {before:,.0f} before: {now / before - 1:+.1%}")
    return lines


def show(figures: Figures, kept: Figures) -> None:
    width = max(len(row) for rows in figures.values() for row in rows)
    for name, rows in figures.items():
        print(f"{name}, instructions")
        for row, now in rows.items():
            before = kept.get(name, {}).get(row)
            print(f"  {row:{width}} {now:12,.0f}" + (f"  {now / before - 1:+7.2%}" if before else ""))


def check(figures: Figures, kept: "dict[str, Any]", built_by: dict[str, str]) -> bool:
    """Prints what is wrong; -> nothing is."""
    rows = targets(figures)
    target.show(rows, 12)
    same = {
        name: figures for name, figures in kept["instructions"].items() if kept["compilers"][name] == built_by[name]
    }
    for name in kept["instructions"].keys() - same.keys():
        print(f"{name}: not compared: kept for {kept['compilers'][name]}, built by {built_by[name]}")
    worse = regressions(figures, same)
    for line in worse:
        print(f"worse: {line}")
    if worse:
        print("If that is the price of something, keep it: python bench/armcount.py, and say why in the commit.")
    return not worse and all(row.met for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with what is kept; 1 if a row is worse")
    options = parser.parse_args()
    kept = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {"instructions": {}, "compilers": {}}
    try:
        with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
            figures = count(Path(folder))
            built_by = compilers()
    except (arm.CannotCount, native.CannotBuild) as error:
        print(f"armcount: cannot count: {error}", file=sys.stderr)
        return CANNOT
    show(figures, kept["instructions"])
    if options.check:
        return 0 if check(figures, kept, built_by) else 1
    target.show(targets(figures), 12)
    RESULTS.write_text(json.dumps({"compilers": built_by, "instructions": figures}, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
