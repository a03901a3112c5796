"""What a request costs the generator: `headgate load` beside wrk, h2load, hey and Locust; the server does nothing.

    python bench/generators.py [--rounds N] [--seconds S]      writes bench/results/generators-<architecture>.json

64 connections without a pause (closed loop: what all of them can do), GET, answered by the fixed-answer floor on
another core; `headgate load` in the open loop as well, with 2,000 requests/s. Each generator runs for S and for 3 S
seconds, and the difference counts: starting up and what Python imports are left out. CPU time is that of the
generator's processes with all their threads; generators take turns, figures are medians. What is not installed and
cannot be is left out, and said so. Locust is measured with FastHttpUser, its faster client."""

import argparse
import csv
import json
import os
import re
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from gateway import build, messages, process, servers
from gateway.build import ROOT, say
from validate import results as files

CONNECTIONS = 64
OPEN_RATE = 2000
GRACE_S = 30.0
LOCUSTFILE = """
from locust import FastHttpUser, task
class Visitor(FastHttpUser):
    @task
    def get(self):
        self.client.get("/")
"""

Generator = Callable[[str, float, Path], int]  # (URL, seconds, scratch folder) -> requests that were answered


def _wrk(url: str, seconds: float, _: Path) -> int:
    output = process.run([build.tool("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", url], seconds + GRACE_S)
    return _found(r"(\d+) requests in", output)


def _h2load(url: str, seconds: float, _: Path) -> int:
    argv = [build.tool("h2load"), "--h1", "-t1", f"-c{CONNECTIONS}", f"-D{seconds:.0f}", url]
    return _found(r"(\d+) succeeded", process.run(argv, seconds + GRACE_S))


def _hey(url: str, seconds: float, _: Path) -> int:
    argv = [build.tool("hey"), "-c", str(CONNECTIONS), "-z", f"{seconds:.0f}s", "-cpus", "1", url]
    return _found(r"\[202\]\s+(\d+) responses", process.run(argv, seconds + GRACE_S))


def _ours(*options: str) -> Generator:
    def run(url: str, seconds: float, _: Path) -> int:
        argv = [sys.executable, "-m", "headgate", "load", url, "--for", f"{seconds:.0f} s", "--json", *options]
        # Full speed is "not valid" as a measurement of the server, which is not what is measured here.
        output = process.run(argv, seconds + GRACE_S, accept=(0, 7))
        return int(json.loads(output.splitlines()[-1])["outcomes"]["ok"])

    return run


def _locust(url: str, seconds: float, folder: Path) -> int:
    (folder / "locustfile.py").write_text(LOCUSTFILE)
    stem = folder / "locust"
    argv = [build.locust(), "--headless", "--only-summary", "-f", folder / "locustfile.py", "--host", url, "-u",
            str(CONNECTIONS), "-r", str(CONNECTIONS), "-t", f"{seconds:.0f}s", "--csv", stem]  # fmt: skip
    process.run(argv, seconds + GRACE_S)
    with Path(f"{stem}_stats.csv").open(newline="", encoding="utf-8") as stream:
        return int(next(row["Request Count"] for row in csv.DictReader(stream) if row["Name"] == "Aggregated"))


def _found(pattern: str, output: str) -> int:
    match = re.search(pattern, output)
    if match is None:
        raise process.Failed(f"no count in its report: {output.strip()[-100:]!r}")
    return int(match[1])


GENERATORS: "dict[str, Generator]" = {
    "wrk": _wrk,
    "h2load --h1": _h2load,
    "hey": _hey,
    "headgate load --closed": _ours("--closed", str(CONNECTIONS)),
    f"headgate load --rate {OPEN_RATE}": _ours("--rate", str(OPEN_RATE)),
    "Locust, FastHttpUser": _locust,
}


def cpu_of_children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def once(generator: Generator, url: str, seconds: float, folder: Path) -> "tuple[float, int]":
    """-> CPU seconds, requests."""
    before = cpu_of_children()
    requests = generator(url, seconds, folder)
    return cpu_of_children() - before, requests


def sample(generator: Generator, url: str, seconds: float, folder: Path) -> "dict[str, float]":
    """Of what a long run does beyond a short one."""
    short, long = once(generator, url, seconds, folder), once(generator, url, 3 * seconds, folder)
    requests = long[1] - short[1]
    if requests <= 0:
        raise process.Failed("it answers no more in three times the time")
    return {"us": (long[0] - short[0]) * 1e6 / requests, "requests_per_s": requests / (2 * seconds)}


def measure(rounds: int, seconds: float) -> "dict[str, Any]":
    found: dict[str, list[dict[str, float]]] = {}
    skipped: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as scratch, ExitStack() as stack:
        folder = Path(scratch)
        running = servers.Running(servers.BY_NAME[servers.FLOOR], messages.prepare(folder))
        stack.callback(running.stop)
        url = f"http://127.0.0.1:{running.port}/"
        for turn in range(rounds):
            for name, generator in GENERATORS.items():
                if name in skipped:
                    continue
                try:
                    found.setdefault(name, []).append(sample(generator, url, seconds, folder))
                except process.Failed as error:
                    skipped[name] = str(error)
                    found.pop(name, None)
            say(f"round {turn + 1} of {rounds}")
    medians = {name: {key: round(statistics.median(one[key] for one in taken), 2) for key in taken[0]}
               for name, taken in found.items()}  # fmt: skip
    return {"generators": medians, "skipped": skipped, "rounds": rounds, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of the short run (2)")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--output", type=Path, help="results file")
    options = parser.parse_args()
    rounds, seconds = (1, 1.0) if options.quick else (options.rounds, options.seconds)
    path = os.pathsep.join(str(ROOT / part) for part in ("firmware_py", "native_ext", "host_tools"))
    os.environ["PYTHONPATH"] = path  # of `headgate load`
    result = {"machine": files.machine(), "versions": build.versions(), **measure(rounds, seconds)}
    files.save(options.output or ROOT / "bench" / "results" / f"generators-{os.uname().machine}.json", result)
    for name, figures in sorted(result["generators"].items(), key=lambda item: float(item[1]["us"])):
        print(f"{name:32} {figures['us']:8.1f} us CPU a request  {figures['requests_per_s']:10,.0f} requests/s")
    for name, reason in result["skipped"].items():
        print(f"left out: {name}: {reason}")


if __name__ == "__main__":
    main()
