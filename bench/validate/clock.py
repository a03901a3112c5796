"""CPU time: every peer in its own process, all taking turns within each round, so that a busy machine slows all alike;
the figure is the median of the rounds."""

import contextlib
import json
import select
import statistics
import subprocess
from pathlib import Path

from . import environment, peers

ROUNDS = 7
PATIENCE_S = 90  # for one answer; a peer that compiles a schema longer than that is left out
SAMPLE_MS = 20.0
REFUSALS = ("first value wrong", "last value wrong", "first item bad", "last item bad")  # timed besides the valid ones


class Worker:
    def __init__(self, folder: Path, peer: peers.Peer, extra: "dict[str, str] | None" = None) -> None:
        self.peer = peer
        self._process = subprocess.Popen(  # noqa: S603
            [environment.python(), "-m", "validate.worker", "serve", folder, peer.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment.variables(), **(extra or {})},
        )
        assert self._process.stdin is not None  # noqa: S101 - both are pipes
        assert self._process.stdout is not None  # noqa: S101
        self._requests, self._answers = self._process.stdin, self._process.stdout

    def ask(self, op: str, workload: str, **more: object) -> "tuple[object, str]":
        """-> (answer, "") or (None, why not)."""
        try:
            print(json.dumps({"op": op, "workload": workload, **more}), file=self._requests, flush=True)
        except BrokenPipeError:
            return None, f"is gone, code {self._process.wait()}"
        if not select.select([self._answers], [], [], PATIENCE_S)[0]:  # one line is asked for and comes at once
            self._process.kill()
            self._process.wait()
            return None, f"no answer within {PATIENCE_S} s"
        line = self._answers.readline()
        if not line:
            return None, f"died with code {self._process.wait()}"
        reply = json.loads(line)
        return reply.get("answer"), reply.get("error", "")

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._requests.close()
        self._process.wait()
        self._answers.close()


class Disagreement(Exception):
    """A peer decides a document otherwise than it should: nothing may be compared."""


def agree(workers: "list[Worker]", workload: str) -> "tuple[list[Worker], dict[str, str]]":
    """Those that can take the schema, having decided every document as they should; and why the others cannot."""
    ready, skipped, wrong = [], {}, []
    for worker in workers:
        _, error = worker.ask("load", workload)
        if error:
            skipped[worker.peer.name] = error
            continue
        names, error = worker.ask("verdicts", workload)
        if error:
            wrong.append(f"{worker.peer.name}: {error}")
        elif names:
            wrong.append(f"{worker.peer.name}: {', '.join(names)}")  # type: ignore[arg-type]
        else:
            ready.append(worker)
    if wrong:
        raise Disagreement(f"{workload}: wrong verdicts: " + "; ".join(wrong))
    return ready, skipped


def measure(
    workers: "list[Worker]", workload: str, which: str, rounds: int = ROUNDS, sample_ms: float = SAMPLE_MS
) -> "dict[str, float]":
    """-> name of the peer: nanoseconds for one document, median of the rounds."""
    loops, samples = {}, {worker.peer.name: [] for worker in workers}  # type: ignore[var-annotated]
    for worker in workers:
        answer, error = worker.ask("calibrate", workload, which=which, ms=sample_ms)
        if error:
            raise Disagreement(f"{worker.peer.name} on {workload}: {error}")
        loops[worker.peer.name] = answer
    for _ in range(rounds):
        for worker in workers:
            answer, error = worker.ask("time", workload, which=which, rounds=loops[worker.peer.name])
            if error:
                raise Disagreement(f"{worker.peer.name} on {workload}: {error}")
            samples[worker.peer.name].append(answer)
    return {name: round(statistics.median(values), 1) for name, values in samples.items()}
