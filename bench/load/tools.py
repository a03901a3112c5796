"""Generators of load as child processes: what they counted, and the CPU time that they took for it."""

import csv
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import build, process

CONNECTIONS = 64
CONNECTIONS_2, STREAMS = 16, 10  # of HTTP/2
LOCUST_S = 5
LOCUSTFILE = """\
from locust import FastHttpUser, task
class Device(FastHttpUser):
    @task
    def look(self): self.client.get("/healthz")
"""

K6_SCRIPT = """\
import http from "k6/http";
export const options = { vus: %d, duration: "%ds", discardResponseBodies: true, summaryTrendStats: ["count"] };
export default function () { http.get("%s"); }
"""
Take = Callable[[str], "Taken"]  # the URL -> what came of it


@dataclass
class Taken:
    requests: float
    seconds: float
    cpu_s: float
    own_cpu_us: float = 0.0  # a request, as the tool says it

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_s * 1e6 / self.requests


def run(argv: "list[str]", *, pure: bool = False) -> "tuple[str, float]":
    """-> what it printed, and its CPU time. Raises process.Failed."""
    environment = {**os.environ, **({"HEADGATE_BACKEND": "pure"} if pure else {})}
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(argv, stdout=said, stderr=subprocess.DEVNULL, env=environment)  # noqa: S603
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        return said.read(), usage.ru_utime + usage.ru_stime


def headgate(*words: str, pure: bool = False) -> "tuple[dict[str, Any], float]":
    """-> the last event of a verb of `headgate load`."""
    output, cpu_s = run([sys.executable, "-m", "headgate", "load", *words, "--json"], pure=pure)
    if not output:
        raise process.Failed(f"headgate load {' '.join(words)}: said nothing")
    return json.loads(output.splitlines()[-1]), cpu_s


def ours(url: str, seconds: float, *words: str, connections: int = CONNECTIONS, pure: bool = False) -> Taken:
    end, cpu_s = headgate(url, "--closed", str(connections), "--for", f"{seconds:g}s", *words, pure=pure)
    return Taken(end["done"], end["seconds"], cpu_s, end["audit"]["figures"]["cpu_us_per_request"])


def by_text(argv: "list[str]", requests: str, seconds: float) -> Taken:
    output, cpu_s = run(argv)
    found = re.search(requests, output)
    if found is None:
        raise process.Failed(f"{argv[0]}: no counts in its report")
    return Taken(float(found.group(1)), seconds, cpu_s)


def locust(url: str, seconds: int) -> Taken:
    """It needs a second or two of its time to begin, so the rate is its own."""
    seconds = max(seconds, LOCUST_S)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "locustfile.py").write_text(LOCUSTFILE)
        prefix = f"{folder}/out"
        argv = [sys.executable, "-m", "locust", "-f", f"{folder}/locustfile.py", "--headless", "-u", str(CONNECTIONS),
                "-r", "1000", "-t", f"{seconds}s", "-H", url.removesuffix("/healthz"),
                "--csv", prefix]  # fmt: skip
        _, cpu_s = run(argv)
        with Path(f"{prefix}_stats.csv").open() as file:
            row = list(csv.DictReader(file))[-1]  # all of them
    requests, rate = float(row["Request Count"]), float(row["Requests/s"])
    if not requests:
        raise process.Failed("locust: it sent nothing")
    return Taken(requests, requests / rate, cpu_s)


def k6(url: str, seconds: int) -> Taken:
    with tempfile.TemporaryDirectory() as folder:
        script, summary = Path(folder) / "look.js", Path(folder) / "summary.json"
        script.write_text(K6_SCRIPT % (CONNECTIONS, seconds, url))
        _, cpu_s = run(["k6", "run", "--quiet", "--no-usage-report", f"--summary-export={summary}", str(script)])
        return Taken(float(json.loads(summary.read_bytes())["metrics"]["http_reqs"]["count"]), seconds, cpu_s)


def over_http1(seconds: float) -> "dict[str, Take]":
    """Each with CONNECTIONS in a closed loop, by name; the first word is the program."""
    whole = max(1, round(seconds))
    c = str(CONNECTIONS)
    return {
        "headgate load": lambda url: ours(url, seconds),
        "headgate load, pure Python": lambda url: ours(url, seconds, pure=True),
        "wrk": lambda url: by_text(["wrk", "-t1", f"-c{c}", f"-d{whole}s", url], r"(\d+) requests in", whole),
        "h2load --h1": lambda url: by_text(
            ["h2load", "--h1", "-t1", f"-c{c}", f"-D{whole}", url], r"(\d+) done", whole
        ),
        "hey": lambda url: by_text(["hey", "-c", c, "-z", f"{whole}s", url], r"\[200\]\s+(\d+) responses", whole),
        "k6": lambda url: k6(url, whole),
        "locust": lambda url: locust(url, whole),
    }


def over_http2(seconds: float) -> "dict[str, Take]":
    whole = max(1, round(seconds))
    c, m = str(CONNECTIONS_2), str(STREAMS)
    return {
        "headgate load --http2": lambda url: ours(url, seconds, "--http2", "--streams", m, connections=CONNECTIONS_2),
        "h2load": lambda url: by_text(["h2load", "-t1", f"-c{c}", f"-m{m}", f"-D{whole}", url], r"(\d+) done", whole),
    }


def there(name: str) -> bool:
    """What Debian has is installed if that is possible."""
    program = name.partition(" ")[0]
    if program == "locust":
        return importlib.util.find_spec("locust") is not None
    if program == "headgate":
        return "--http2" not in name or importlib.util.find_spec("headgate_native._load_http2") is not None
    try:
        return bool(build.tool(program))
    except process.Failed:
        return False
