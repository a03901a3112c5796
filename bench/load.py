"""`headgate load` beside wrk, h2load, hey, k6 and locust, and against what is known for certain.

    python bench/load.py             about six minutes, on a machine that is quiet
    python bench/load.py --quick     short rounds, nothing kept
    python bench/load.py --only tail limit

throughput   closed loop, 64 connections, the same server: requests/s and the generator's CPU for a request. Tools take
             turns within each round; a figure is the median of the rounds
http2        the same over HTTP/2, 16 connections with 10 streams each, nghttpd
agreement    closed loop on a server of known capacity: all have to count what it has answered
percentiles  a server that delays its answers at random and keeps count itself: its percentiles beside the load's
tail         `load selftest`: a server that stalls, with wrk and hey beside it
limit        `load find-limit` on a server of known capacity
devices      10,000 devices over HTTP and 10,000 over MQTT against the appliance: what it has stored is what was sent

The server runs on one core, the load on another (loopback only). The CPU of a tool is user and system time of its
process as the kernel accounts for it, start included; that of `headgate load` is given as it says it itself as well,
without the start of the interpreter. What is not installed is left out, and said: `go install go.k6.io/k6@latest`, with
~/go/bin in PATH; `pip install locust`. Exit code 0; 1 if something that must be equal is not."""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from gateway import process
from gateway.build import ROOT, say, tool
from load.tools import Take, Taken, headgate
from validate import results as files

from headgate_host.load import toy_server
from load import tools

CAPACITY, BUDGET_MS = 500, 50
MUCH = 1000  # capacity that a closed loop always uses up, requests/s
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


# --- tools beside each other ---


def in_turn(known: "Mapping[str, Take]", url: str, rounds: int) -> "dict[str, Any]":
    taken: dict[str, list[Taken]] = {}
    for name in known:
        if tools.there(name):
            taken[name] = []
        else:
            say(f"{name} is not installed: left out")
    for number in range(rounds):
        for name, so_far in taken.items():
            say(f"{number + 1}/{rounds}: {name}")
            try:
                so_far.append(known[name](url))
            except process.Failed as reason:
                say(f"left out this time: {reason}")
    return {
        name: {
            "rate": statistics.median(one.rate for one in all_of_it),
            "cpu_us": statistics.median(one.cpu_us for one in all_of_it),
            "own_cpu_us": statistics.median(one.own_cpu_us for one in all_of_it),
        }
        for name, all_of_it in taken.items()
        if all_of_it
    }


def throughput(folder: Path, rounds: int, seconds: float) -> "dict[str, Any]":
    with appliance(folder) as (urls, _):
        return in_turn(tools.over_http1(seconds), f"{urls['http']}/healthz", rounds)


def http2(folder: Path, rounds: int, seconds: float) -> "dict[str, Any]":
    try:
        program = tool("nghttpd")
    except process.Failed as reason:
        say(f"no HTTP/2: {reason}")
        return {}
    port = process.free_port()
    (folder / "healthz").write_text("ok")
    argv = [program, "--address=127.0.0.1", "--no-tls", f"--htdocs={folder}", str(port)]
    with running("nghttpd", argv, port, folder):
        return in_turn(tools.over_http2(seconds), f"http://127.0.0.1:{port}/healthz", rounds)


def agreement(folder: Path, rounds: int, seconds: float) -> "dict[str, Any]":
    with on_server_core(), toy_server.running("--capacity", str(MUCH)) as toy:
        return in_turn(tools.over_http1(seconds), f"http://127.0.0.1:{toy.port}/healthz", rounds)


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
    for name, row in found.get("agreement", {}).items():
        if name.startswith("headgate") and abs(row["rate"] - MUCH) > NEAR * MUCH:
            yield f"{name} counts {row['rate']:,.0f}/s of a server that answers {MUCH:,}/s"
    both = found.get("percentiles", {})
    for name, known in both.get("server_ms", {}).items() if both.get("valid") else ():
        if abs(both["load_ms"][name] - known) > NEAR * known:
            yield f"{name} is {known:.2f} ms to the server, {both['load_ms'][name]:.2f} ms to the load"
    if "limit" in found and found["limit"]["exit_code"] == 0:
        capacity, limit_found = found["limit"]["capacity"], found["limit"]["found"]
        if abs(limit_found - capacity) > NEAR * capacity:
            yield f"the limit is {capacity}/s, found {limit_found:.1f}/s"


def tables(found: "dict[str, Any]") -> "Iterator[str]":
    for part, title in (
        ("throughput", "64 connections, closed loop"),
        ("http2", "HTTP/2, 16 connections, 10 streams each, closed loop"),
        ("agreement", f"64 connections, closed loop, a server of {MUCH:,}/s"),
    ):
        if part not in found:
            continue
        yield f"| {title} | requests/s | CPU, us a request | without its start |\n|---|---|---|---|"
        for name, row in found[part].items():
            own = f"{row['own_cpu_us']:.1f}" if row["own_cpu_us"] else ""
            yield f"| {name} | {row['rate']:,.0f} | {row['cpu_us']:.1f} | {own} |"
        yield ""
    for part, our, peer in (("throughput", "headgate load", "wrk"), ("http2", "headgate load --http2", "h2load")):
        rows = found.get(part, {})
        if our in rows and peer in rows:
            yield f"- {our} / {peer}: {rows[our]['rate'] / rows[peer]['rate']:.3f} of the requests/s\n"
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
    beside = {"throughput": throughput, "http2": http2, "agreement": agreement}
    parts = (*beside, "percentiles", "tail", "limit", "devices")
    parser.add_argument("--quick", action="store_true", help="short rounds, nothing kept but with --output")
    parser.add_argument("--output", metavar="FILE", type=Path, help="where results are kept (default: bench/results)")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, metavar="PART")
    options = parser.parse_args()
    rounds, seconds = (1, 2.0) if options.quick else (5, 5.0)
    kept = options.output or ROOT / "bench" / "results" / f"load-{os.uname().machine}.json"
    keeps = not options.quick or options.output is not None
    found = files.load(kept) if keeps else {}
    found["machine"] = files.machine()
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as scratch, process.on_core(process.LOAD_CORE):
        for part in options.only:
            say(f"== {part}")
            folder = Path(scratch) / part
            folder.mkdir()
            if part in beside:
                found[part] = beside[part](folder, rounds, seconds)
            else:
                known = {
                    "percentiles": lambda: percentiles(2 * seconds),
                    "tail": tail,
                    "limit": lambda: limit(seconds),
                    "devices": lambda: devices(Path(scratch) / "devices"),
                }
                found[part] = known[part]()
            if keeps:
                files.save(kept, found)
    print("\n".join(tables(found)))
    mistakes = list(wrong(found))
    for one in mistakes:
        say(f"WRONG: {one}")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
