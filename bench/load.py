"""`headgate load` beside wrk, h2load, hey and locust, and against what is known for certain.

    python bench/load.py             about three minutes, on a machine that is quiet
    python bench/load.py --quick     short rounds, nothing kept
    python bench/load.py --only tail limit

throughput   closed loop, 64 connections, the same server: requests/s and the generator's CPU for a request. Tools take
             turns within each round; a figure is the median of the rounds
percentiles  a server that delays its answers at random and keeps count itself: its percentiles beside the load's
tail         `load selftest`: a server that stalls, with wrk and hey beside it
limit        `load find-limit` on a server of known capacity
devices      10,000 devices over HTTP and 10,000 over MQTT against the appliance: what it has stored is what was sent

The server runs on one core, the load on another (loopback only). The CPU of a tool is user and system time of its
process as the kernel accounts for it, start included; that of `headgate load` is given as it says it itself as well,
without the start of the interpreter. What is not installed is left out, and said. Exit code 0; 1 if something that must
be equal is not."""

import argparse
import contextlib
import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from gateway import process
from gateway.build import ROOT, say
from validate import results as files

from headgate_host.load import toy_server

CONNECTIONS = 64
CAPACITY, BUDGET_MS = 500, 50
DEVICES = 10_000
MANY = ("--devices", str(DEVICES), "--rate", "2000", "--for", "10s")
NEAR = 0.05
CONFIG = """\
[listen]
http = "127.0.0.1:{http}"
connections = 4096
mqtt = "127.0.0.1:{mqtt}"
mqtt_connections = 12000
[[issuer]]
name = "headgate"
secret_file = "{{state}}/keys/device.key"
[streams.weather]
schema = "builtin:weather"
rate = "1000/s"
"""
BODY = '{"station":"{device}","ts":"2026-01-01T00:00:00Z","kind":"hourly","temp_f":50}'
LOCUSTFILE = """\
from locust import FastHttpUser, task
class Device(FastHttpUser):
    @task
    def look(self): self.client.get("/healthz")
"""


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
    return json.loads(output.splitlines()[-1]), cpu_s


# --- throughput ---


def ours(url: str, seconds: float, *, pure: bool = False) -> Taken:
    end, cpu_s = headgate(url, "--closed", str(CONNECTIONS), "--for", f"{seconds:g}s", pure=pure)
    return Taken(end["done"], end["seconds"], cpu_s, end["audit"]["figures"]["cpu_us_per_request"])


def by_text(argv: "list[str]", requests: str, seconds: float) -> Taken:
    output, cpu_s = run(argv)
    found = re.search(requests, output)
    if found is None:
        raise process.Failed(f"{argv[0]}: no counts in its report")
    return Taken(float(found.group(1)), seconds, cpu_s)


def locust(url: str, seconds: float) -> Taken:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "locustfile.py").write_text(LOCUSTFILE)
        prefix = f"{folder}/out"
        argv = [sys.executable, "-m", "locust", "-f", f"{folder}/locustfile.py", "--headless", "-u", str(CONNECTIONS),
                "-r", "1000", "-t", f"{round(seconds)}s", "-H", url.removesuffix("/healthz"),
                "--csv", prefix]  # fmt: skip
        _, cpu_s = run(argv)
        row = Path(f"{prefix}_stats.csv").read_text().splitlines()[-1].split(",")
        return Taken(float(row[2]), seconds, cpu_s)


def tools(seconds: float) -> "dict[str, Callable[[str], Taken]]":
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
        "locust": lambda url: locust(url, whole),
    }


def there(name: str) -> bool:
    program = name.partition(" ")[0]
    if program == "locust":
        return importlib.util.find_spec("locust") is not None
    return program == "headgate" or shutil.which(program) is not None


def throughput(url: str, rounds: int, seconds: float) -> "dict[str, Any]":
    known = {name: take for name, take in tools(seconds).items() if there(name)}
    for name in tools(seconds).keys() - known.keys():
        say(f"{name} is not installed: left out")
    taken: dict[str, list[Taken]] = {name: [] for name in known}
    for number in range(rounds):
        for name, take in known.items():
            say(f"throughput {number + 1}/{rounds}: {name}")
            taken[name].append(take(url))
    return {
        name: {
            "rate": statistics.median(one.rate for one in all_of_it),
            "cpu_us": statistics.median(one.cpu_us for one in all_of_it),
            "own_cpu_us": statistics.median(one.own_cpu_us for one in all_of_it),
        }
        for name, all_of_it in taken.items()
    }


# --- what is known ---


def percentiles(seconds: float) -> "dict[str, Any]":
    with on_server_core(), toy_server.running("--delay", "20", "--trace") as toy:
        words = ("--rate", "400", "--connections", "256", "--for", f"{seconds:g}s")
        end, _ = headgate(f"http://127.0.0.1:{toy.port}/", *words)
        traced = toy.traced()
    shown = ("p50", "p90", "p99")
    measured = end["service_ms"]
    return {
        "server_ms": {name: traced[name] for name in shown},
        "load_ms": {name: measured[name] for name in shown},
        "valid": end["valid"],
    }


def tail() -> "dict[str, Any]":
    found, _ = headgate("selftest")
    return {"checks": found["checks"], "others": found["others"], "exit_code": found["exit_code"]}


def limit(seconds: float) -> "dict[str, Any]":
    with on_server_core(), toy_server.running("--capacity", str(CAPACITY)) as toy:
        url = f"http://127.0.0.1:{toy.port}/"
        words = ("--budget", f"p99 < {BUDGET_MS} ms", "--for", f"{seconds:g}s", "--precision", "2")
        end, _ = headgate("find-limit", url, *words)
    return {"capacity": CAPACITY, "found": end["limit"], "exit_code": end["exit_code"]}


def devices(folder: Path) -> "dict[str, Any]":
    """Each protocol has an appliance of its own, with an empty outbox."""
    found = {}
    for protocol in ("http", "mqtt"):
        place = folder / protocol
        place.mkdir()
        with appliance(place) as (urls, state):
            words = (*MANY, "--body", BODY, "--config", str(place / "headgate.toml"), "--state", str(state))
            words += ("--out", str(place / "result.json"), "--metrics", f"{urls['http']}/metrics")
            end, _ = headgate(f"{urls[protocol]}/v1/streams/weather", *words)
        ledger = json.loads((place / "result.json").read_bytes())["device"]["ledger"]
        found[protocol] = {"ok": end["outcomes"].get("ok", 0), "due": end["due"], "ledger": ledger.get("accepted", 0)}
    return found


# --- servers ---


@contextlib.contextmanager
def on_server_core() -> "Iterator[None]":
    with process.on_core(process.SERVER_CORE):
        yield


@contextlib.contextmanager
def running(name: str, argv: "list[str]", port: int, folder: Path) -> "Iterator[None]":
    tree = process.Tree(name, [process.Command(argv, port)], folder / f"{name}.log")
    try:
        yield
    finally:
        tree.stop()


@contextlib.contextmanager
def appliance(folder: Path) -> "Iterator[tuple[dict[str, str], Path]]":
    """-> (its URLs, its state directory)"""
    http, mqtt, state = process.free_port(), process.free_port(), folder / "state"
    config = folder / "headgate.toml"
    config.write_text(CONFIG.format(http=http, mqtt=mqtt))
    argv = [sys.executable, "-m", "headgate", "run", "--config", str(config), "--state", str(state)]
    with running("headgate", argv, http, folder):
        yield {"http": f"http://127.0.0.1:{http}", "mqtt": f"mqtt://127.0.0.1:{mqtt}"}, state


# --- report ---


def wrong(found: "dict[str, Any]") -> "Iterator[str]":
    """What must be equal and is not."""
    for name, counts in found.get("devices", {}).items():
        if len(set(counts.values())) != 1:
            yield f"{name}: {counts}"
    if "limit" in found and found["limit"]["exit_code"] == 0:
        capacity, limit_found = found["limit"]["capacity"], found["limit"]["found"]
        if abs(limit_found - capacity) > NEAR * capacity:
            yield f"the limit is {capacity}/s, found {limit_found:.1f}/s"


def tables(found: "dict[str, Any]") -> "Iterator[str]":
    if "throughput" in found:
        yield "| 64 connections, closed loop | requests/s | CPU, us a request | without its start |"
        yield "|---|---|---|---|"
        for name, row in found["throughput"].items():
            own = f"{row['own_cpu_us']:.1f}" if row["own_cpu_us"] else ""
            yield f"| {name} | {row['rate']:,.0f} | {row['cpu_us']:.1f} | {own} |"
        yield ""
    if "percentiles" in found:
        both = found["percentiles"]
        yield "| service time, ms | p50 | p90 | p99 |\n|---|---|---|---|"
        for name in ("server", "load"):
            yield f"| {name} | " + " | ".join(f"{value:.2f}" for value in both[f"{name}_ms"].values()) + " |"
        yield ""
    for check in found.get("tail", {}).get("checks", []):
        yield f"- {check['name']}: {check['detail']}"
    for name, said in found.get("tail", {}).get("others", {}).items():
        yield f"- {name} on the same server: {said}"
    if "limit" in found:
        yield f"- find-limit: {found['limit']['found']:.1f}/s, known: {found['limit']['capacity']}/s"
    for name, counts in found.get("devices", {}).items():
        yield f"- {DEVICES:,} devices over {name}: {', '.join(f'{key} {value:,}' for key, value in counts.items())}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("throughput", "percentiles", "tail", "limit", "devices")
    parser.add_argument("--quick", action="store_true", help="short rounds, nothing kept")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, metavar="PART")
    options = parser.parse_args()
    rounds, seconds = (1, 2.0) if options.quick else (5, 5.0)
    kept = ROOT / "bench" / "results" / f"load-{os.uname().machine}.json"
    found = {} if options.quick else files.load(kept)
    found["machine"] = files.machine()
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as scratch, process.on_core(process.LOAD_CORE):
        for part in options.only:
            say(f"== {part}")
            if part == "throughput":
                with appliance(Path(scratch)) as (urls, _):
                    found[part] = throughput(f"{urls['http']}/healthz", rounds, seconds)
            elif part == "devices":
                (Path(scratch) / "devices").mkdir()
                found[part] = devices(Path(scratch) / "devices")
            else:
                found[part] = {"percentiles": lambda: percentiles(2 * seconds), "tail": tail,
                               "limit": lambda: limit(seconds)}[part]()  # fmt: skip
            if not options.quick:
                files.save(kept, found)
    print("\n".join(tables(found)))
    mistakes = list(wrong(found))
    for one in mistakes:
        say(f"WRONG: {one}")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
