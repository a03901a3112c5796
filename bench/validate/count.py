"""Instruction counts by valgrind's cachegrind: the same on a busy machine as on a quiet one. Each figure is the
difference of two runs that differ in the number of rounds only, divided by the documents of that difference."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from . import corpus, environment, native, peers

VALGRIND = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
STILL = ("setarch", "-R")  # no address randomisation
NATIVE_ROUNDS = (4, 24)
BYTES = 4_000_000  # of documents to decide for one figure of a Python peer; slow ones get less
FEWEST, MOST = 2, 200  # rounds


class CannotCount(Exception):
    """Why there is no figure."""


def instructions(command: "list[str]") -> int:
    """Instructions of a whole run."""
    done = subprocess.run(  # noqa: S603
        [*STILL, *VALGRIND, *command], capture_output=True, text=True, env=environment.variables(), check=False
    )
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if done.returncode or not found:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise CannotCount(last[-200:])
    return int(found.group(1).replace(",", ""))


def native_count(
    built: native.Built,
    folder: Path,
    workload: str,
    count: "Callable[[list[str]], int]" = instructions,
    rounds: "tuple[int, int]" = NATIVE_ROUNDS,
) -> float:
    """Instructions for one document; `count`: of a whole run. Raises CannotCount."""
    few, many = rounds
    documents = len(corpus.valid_files(folder, workload, built.program.suffix))
    low = count(built.command(folder, workload, few))
    high = count(built.command(folder, workload, many))
    return round((high - low) / ((many - few) * documents), 1)


def rounds_for(folder: Path, workload: str, slow: bool) -> int:
    files = corpus.valid_files(folder, workload)
    size = sum(Path(file).stat().st_size for file in files)
    return max(FEWEST, min(MOST, BYTES // size // (20 if slow else 1)))


def python_counts(peer: peers.Peer, folder: Path, workloads: "list[str]") -> "dict[str, float]":
    """-> workload: instructions for one document, the call from Python and the loop around it included."""

    def whole_run(workload: str, rounds: int) -> int:
        return instructions(
            [str(environment.python()), "-m", "validate.worker", "count", str(folder), peer.name, ",".join(workloads),
             workload, "valid", str(rounds)]
        )  # fmt: skip

    low = whole_run(
        workloads[0], 0
    )  # every run prepares and warms up for all workloads: one run without rounds serves all
    figures = {}
    for workload in workloads:
        rounds = rounds_for(folder, workload, peer.slow)
        documents = rounds * len(corpus.valid_files(folder, workload))
        figures[workload] = round((whole_run(workload, rounds) - low) / documents)
    return figures
