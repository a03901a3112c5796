"""One peer in a process of its own, pinned to one core, which answers requests (a line of JSON each) until its input
ends:

    python -m validate.worker serve CORPUS PEER
        {"op": "load", "workload": W}                       the peer prepares itself for the schema
        {"op": "verdicts", "workload": W}                   names of the documents it decides otherwise than it should
        {"op": "calibrate", "workload": W, "which": X, "ms": T}   how many rounds over the documents X take T ms
        {"op": "time", "workload": W, "which": X, "rounds": N}    nanoseconds of CPU for one document
        {"op": "allocations", "workload": W, "which": X}    heap allocations for one document (allocations.c preloaded)

    python -m validate.worker count CORPUS PEER WORKLOADS WORKLOAD WHICH ROUNDS
        warms up on all WORKLOADS (comma between), then decides WORKLOAD ROUNDS times: what runs under valgrind

`which` is "valid" (all valid documents in turn) or the name of one document."""

import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import corpus, peers

WARM_ROUNDS = 24  # more than the interpreter needs to specialise a loop
COUNTED_ROUNDS = 32


class Bench:
    def __init__(self, folder: Path, peer: peers.Peer) -> None:
        self.folder, self.peer = folder, peer
        self.judges: dict[str, peers.Judge] = {}
        self.documents: dict[str, list[tuple[corpus.Document, bytes]]] = {}

    def load(self, workload: str) -> None:
        self.judges[workload] = self.peer.make(corpus.task(self.folder, workload))
        in_cbor = self.peer.kind in ("cbor", "to_json", "skim")
        self.documents[workload] = []
        for row in corpus.documents(self.folder, workload):
            path = row.cbor if in_cbor else row.path
            if path.exists() and (self.peer.formats or not row.needs_format):
                self.documents[workload].append((row, path.read_bytes()))

    def wrong(self, workload: str) -> "list[str]":
        """Documents on which the peer does not say what it should; without a schema only the valid ones are asked."""
        judge = self.judges[workload]
        if self.peer.schema_free:
            return [row.name for row, data in self.documents[workload] if row.valid and not judge(data)]
        return [row.name for row, data in self.documents[workload] if judge(data) is not row.valid]

    def chosen(self, workload: str, which: str) -> "list[bytes]":
        return [
            data for row, data in self.documents[workload] if (row.valid if which == "valid" else row.name == which)
        ]

    def called(self, workload: str, which: str) -> "Callable[[bytes], object]":
        judge = self.judges[workload]
        return peers.bare(judge) if which == "valid" else judge

    def calibrate(self, workload: str, which: str, budget_ms: float) -> int:
        judge, data = self.called(workload, which), self.chosen(workload, which)
        rounds = 1
        while True:
            spent = spend(judge, data, rounds)
            if spent >= budget_ms * 1e6 / 4 or spent >= 1e8:  # noqa: PLR2004 - 0.1 s: slow enough to be exact
                return max(1, round(rounds * budget_ms * 1e6 / spent))
            rounds *= 2

    def time(self, workload: str, which: str, rounds: int) -> float:
        judge, data = self.called(workload, which), self.chosen(workload, which)
        bare = spend_bare(data, rounds)
        return max(0.0, spend(judge, data, rounds) - bare) / (rounds * len(data))

    def allocations(self, workload: str, which: str) -> float:
        counter = ctypes.CDLL(None).hg_bench_allocations
        counter.restype = ctypes.c_ulonglong
        judge, data = self.judges[workload], self.chosen(workload, which)
        spend(judge, data, WARM_ROUNDS)
        counts = []
        for rounds in (COUNTED_ROUNDS, 2 * COUNTED_ROUNDS):  # the difference leaves the calls around the loop out
            marks = [counter()]
            for run in (lambda n: spend(judge, data, n), lambda n: spend_bare(data, n)):
                run(rounds)
                marks.append(counter())
            counts.append((marks[1] - marks[0]) - (marks[2] - marks[1]))
        return (counts[1] - counts[0]) / (COUNTED_ROUNDS * len(data))


def spend(judge: Callable[[bytes], object], data: "list[bytes]", rounds: int) -> int:
    start = time.process_time_ns()
    for _ in range(rounds):
        for document in data:
            judge(document)
    return time.process_time_ns() - start


def spend_bare(data: "list[bytes]", rounds: int) -> int:
    """The loop alone."""
    start = time.process_time_ns()
    for _ in range(rounds):
        for _document in data:
            pass
    return time.process_time_ns() - start


def pin(core: int) -> None:
    """To that core of those we may use."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[core % len(allowed)]})


def serve(bench: Bench) -> None:
    for line in sys.stdin:
        request = json.loads(line)
        op, workload, which = request["op"], request["workload"], request.get("which", "valid")
        answer: object
        try:
            if op == "load":
                answer = bench.load(workload)
            elif op == "verdicts":
                answer = bench.wrong(workload)
            elif op == "calibrate":
                answer = bench.calibrate(workload, which, request["ms"])
            elif op == "time":
                answer = bench.time(workload, which, request["rounds"])
            else:
                answer = bench.allocations(workload, which)
            reply = {"answer": answer}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(reply), flush=True)


def count(bench: Bench, workloads: "list[str]", workload: str, which: str, rounds: int) -> None:
    for name in workloads:
        bench.load(name)
        spend(bench.called(name, "valid"), bench.chosen(name, "valid"), WARM_ROUNDS // 8 + 2)
    if rounds:
        spend(bench.called(workload, which), bench.chosen(workload, which), rounds)


def main(arguments: "list[str]") -> int:
    mode, folder, name, *rest = arguments
    bench = Bench(Path(folder), peers.BY_NAME[name])
    pin(int(os.environ.get("HEADGATE_BENCH_CORE", "0")))
    if mode == "serve":
        serve(bench)
    else:
        workloads, workload, which, rounds = rest
        count(bench, workloads.split(","), workload, which, int(rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
