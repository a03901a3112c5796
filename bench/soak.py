"""Headgate for a long time at a share of its greatest rate: is its memory flat, does its ledger balance?

    python bench/soak.py                           30 minutes at 80 %
    python bench/soak.py --minutes 2               to try it; kept only with --output
    python bench/soak.py --stream durable          the stream with fsync durability

The greatest rate is measured first (closed loop, 64 connections); then an open loop holds the share of it. Messages go
on to a mosquitto of ours where there is one. Every few seconds memory, CPU and the ledger are noted. In the end:

    every request was answered, every answer was 202; the appliance says it accepted as many as the load counted
    accepted = delivered + stored + expired + dropped, and nothing is pending
    memory is flat: a line through the PSS after the first quarter rises by less than 1 MiB over the rest
    SIGTERM ends it with exit code 0

The server runs on one core, load and broker on another; loopback only. Exit code 0; 1 if something does not hold (one
line for each); 2 usage; 3 a wrong verdict."""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from gateway import build, load, messages, process, rows, servers, verdicts
from gateway.build import say
from gateway.servers import Running
from validate import results as files

WRONG_VERDICT = 3
MINUTES, SHARE = 30.0, 0.8
WARM_S, PROBE_S, SETTLE_S, SAMPLES = 3.0, 5.0, 60.0, 120
GROWTH = 1024 * 1024  # bytes of PSS, by the line through the samples
LEDGER = ("accepted", "delivered", "stored", "expired", "dropped", "pending")
STORAGE = """[outbox]
bytes = "256 MiB"
when_full = "drop-oldest"
batch_records = 4000
batch_bytes = "4 MiB"
"""


def broker(stack: ExitStack, folder: Path) -> str:
    """Starts one on the load's core -> the configuration that leads to it."""
    port = process.free_port()
    try:
        program = build.tool("mosquitto")
    except process.Failed as error:
        say(f"{error}: nothing is forwarded, the oldest messages will be dropped")
        return ""
    configuration = folder / "mosquitto.conf"
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    command = process.Command([program, "-c", configuration], port)
    tree = process.Tree("mosquitto", [command], folder / "mosquitto.log", process.LOAD_CORE)
    stack.callback(tree.stop)
    return f'\n[uplink]\nurl = "mqtt://127.0.0.1:{port}"\n'


def metrics(port: int) -> "dict[str, int]":
    """The appliance's own account, by name without `headgate_`."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    values = {}
    for line in lines:
        name, _, value = line.rpartition(" ")
        if name.startswith("headgate_") and value.isdigit():
            values[name.removeprefix("headgate_")] = int(value)
    return values


def ledger(values: "dict[str, int]") -> "dict[str, int]":
    return {name: values.get(f"outbox_{name}_total", values.get(f"outbox_{name}", -1)) for name in LEDGER}


def growth(samples: "Sequence[dict[str, Any]]") -> float:
    """Bytes by which the straight line of least squares through the PSS rises from the first sample to the last."""
    times = [float(one["s"]) for one in samples]
    sizes = [float(one["pss"]) for one in samples]
    middle_t, middle_p = sum(times) / len(times), sum(sizes) / len(sizes)
    spread = sum((t - middle_t) ** 2 for t in times)
    slope = sum((t - middle_t) * (p - middle_p) for t, p in zip(times, sizes, strict=True)) / spread if spread else 0.0
    return slope * (times[-1] - times[0])


def take_samples(running: Running, seconds: float, over: threading.Event) -> "list[dict[str, Any]]":
    """Until the load is over."""
    pids = running.tree.pids()
    every = max(2.0, seconds / SAMPLES)
    began, before, samples = time.monotonic(), process.cpu(pids), []
    while not over.wait(max(0.0, began + every * (len(samples) + 1) - time.monotonic())):
        memory, now = process.memory(pids), process.cpu(pids)
        at = time.monotonic() - began
        samples.append({"s": round(at, 1), "pss": memory.pss, "rss": memory.rss, "uss": memory.uss,
                        "cpu_s": round(now.since(before).total_s, 2), **ledger(metrics(running.port))})  # fmt: skip
    return samples


def settled(running: Running) -> "dict[str, int]":
    """The account once everything accepted is in the ledger."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        values = metrics(running.port)
        if values.get("outbox_pending") == 0 or time.monotonic() > deadline:
            return values
        time.sleep(0.2)


def faults(found: "dict[str, Any]") -> "list[str]":
    """What does not hold."""
    outcome, said = found["load"], []
    if outcome["refused"] or outcome["broken"]:
        said.append(f"not every request was answered 202: {outcome['statuses']}; {outcome['broken']} lost")
    if found["accepted"] != found["answered_202"]:
        said.append(
            f"the appliance accepted {found['accepted']:,} messages, the load counted {found['answered_202']:,}"
        )
    return said + faults_of_appliance(found, found["accepted_ever"])


def faults_of_appliance(found: "dict[str, Any]", acknowledged: int) -> "list[str]":
    """What does not hold of its ledger, its memory and its end."""
    book, said = found["ledger"], []
    if book["accepted"] != acknowledged:
        said.append(f"{acknowledged:,} messages were acknowledged, {book['accepted']:,} are in the ledger")
    if book["accepted"] != sum(book[name] for name in ("delivered", "stored", "expired", "dropped")) or book["pending"]:
        said.append(f"the ledger does not balance: {book}")
    if found["growth"] > GROWTH:
        said.append(f"memory grew by {found['growth'] / 1024:,.0f} KiB after the first quarter")
    if found["exit_code"]:
        said.append(f"SIGTERM ended it with exit code {found['exit_code']}")
    return said


def soak(options: argparse.Namespace, folder: Path) -> "dict[str, Any]":
    """Raises Failed, WrongVerdict."""
    seconds = options.minutes * 60
    material = messages.prepare(folder)
    file = material.stream_file(options.stream)
    with ExitStack() as stack:
        storage = STORAGE + broker(stack, folder)
        running = Running(servers.BY_NAME[servers.OURS], material, storage=storage)
        stack.callback(running.stop)
        verdicts.prove([running])
        load.ours(running.port, WARM_S, file, rows.ACCEPTED)
        probe = load.ours(running.port, PROBE_S, file, rows.ACCEPTED)
        most = (probe.requests - probe.refused) / probe.seconds
        rate = options.rate or round(most * options.share)
        say(f"at most {most:,.0f} requests/s; {options.minutes:g} minutes at {rate:,}")
        before = settled(running)["messages_accepted_total"]
        over = threading.Event()
        outcomes: list[load.Outcome] = []

        def run() -> None:
            try:
                outcomes.append(load.ours(running.port, seconds, file, rows.ACCEPTED, rate=rate))
            finally:
                over.set()

        loading = threading.Thread(target=run)
        loading.start()
        samples = take_samples(running, seconds, over)
        loading.join()
        if not outcomes:
            raise process.Failed(f"the load broke off; the appliance says: {running.tree.last_words()}")
        (outcome,) = outcomes
        after = settled(running)
        exit_code = running.stop()[0]
    return {
        "machine": files.machine(),
        "minutes": options.minutes,
        "stream": options.stream,
        "most_per_s": round(most),
        "rate_per_s": rate,
        "load": {**vars(outcome), "seconds": round(outcome.seconds, 1)},
        "answered_202": outcome.requests - outcome.refused,
        "accepted": after["messages_accepted_total"] - before,
        "accepted_ever": after["messages_accepted_total"],
        "ledger": ledger(after),
        "growth": round(growth(samples[len(samples) // 4 :])) if samples else 0,
        "exit_code": exit_code,
        "samples": samples,
    }


def show(found: "dict[str, Any]") -> None:
    last = found["samples"][-1] if found["samples"] else {"cpu_s": 0.0, "s": 1.0}
    print(f"{found['answered_202']:,} messages accepted in {found['minutes']:g} minutes at {found['rate_per_s']:,}/s")
    show_appliance(found)
    print(f"CPU: {last['cpu_s'] / last['s']:.0%} of a core; p99 {found['load']['p99_us'] / 1000:.1f} ms")


def show_appliance(found: "dict[str, Any]") -> None:
    pss = found["samples"][-1]["pss"] if found["samples"] else 0
    print("ledger: " + ", ".join(f"{name} {count:,}" for name, count in found["ledger"].items()))
    print(f"PSS {pss / 1048576:.1f} MiB, grown by {found['growth'] / 1024:,.0f} KiB after the first quarter")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--minutes", type=float, default=MINUTES, help=f"how long ({MINUTES:g})")
    add("--share", type=float, default=SHARE, help=f"of the greatest rate ({SHARE:g})")
    add("--rate", type=int, default=0, help="requests per second, instead of a share")
    add(
        "--stream", choices=("telemetry", "durable"), default="telemetry", help="memory or fsync durability (telemetry)"
    )
    add("--output", type=Path, help="results file (bench/results/soak-<architecture>.json for 30 minutes and more)")
    return parser.parse_args()


def run(measure: "Callable[[Path], dict[str, Any]]", judge: "Callable[[dict[str, Any]], list[str]]",
        tell: "Callable[[dict[str, Any]], None]", kept: "Path | None") -> int:  # fmt: skip
    """Measures in a scratch folder, on the load's core; keeps and tells what was found -> exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="headgate-soak-") as scratch, process.on_core(process.LOAD_CORE):
            found = measure(Path(scratch))
    except verdicts.WrongVerdict as error:
        say(f"nothing is measured: {error}")
        return WRONG_VERDICT
    except process.Failed as error:
        say(str(error))
        return 1
    wrong = found["faults"] = judge(found)
    if kept is not None:
        kept.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    tell(found)
    for line in wrong:
        print(f"FAIL  {line}")
    return 1 if wrong else 0


def kept(options: argparse.Namespace, name: str, minutes: float) -> "Path | None":
    """Where results go: --output, or if it took as long as it should, among the others."""
    if options.output is None and options.minutes >= minutes:
        return build.ROOT / "bench" / "results" / f"{name}-{os.uname().machine}.json"
    output: Path | None = options.output
    return output


def main() -> int:
    options = arguments()
    return run(lambda folder: soak(options, folder), faults, show, kept(options, "soak", MINUTES))


if __name__ == "__main__":
    sys.exit(main())
