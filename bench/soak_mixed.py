"""Headgate over HTTP/1.1, HTTP/2 and gRPC at once, for a long time: is its memory flat, does its ledger balance?

    python bench/soak_mixed.py                20 minutes at 1,000 requests/s
    python bench/soak_mixed.py --minutes 1    to try it; kept only with --output

`headgate load run` sends a mix of everything: messages of both kinds of durability, wrong ones among them, verdicts,
values of the cache, each over the way it names; a mosquitto takes the messages. In the end:

    every answer was the right one; as many messages are in the ledger as the load saw acknowledged
    accepted = delivered + stored + expired + dropped, and nothing is pending
    memory is flat: a line through the PSS after the first quarter rises by less than 1 MiB over the rest
    SIGTERM ends it with exit code 0

Exit code 0; 1 if something does not hold (one line for each); 2 usage; 3 a wrong verdict."""

import argparse
import json
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import soak
from gateway import messages, process, servers, verdicts
from gateway.build import say
from gateway.servers import Running
from validate import results as files

MINUTES, RATE = 20.0, 1000
INVALID = 7  # exit code of `headgate load`: its own latencies are not to be trusted; its counts are
KEEPS = "publish"  # operations whose acknowledged messages are in the ledger begin so
SCENARIO = """\
name = "mixed"
target = "http://127.0.0.1:{port}"
connections = 16
budgets = ["errors <= 0"]

[devices]
count = 64
config = "{config}"

[[phase]]
kind = "soak"
rate = {rate}
for = "{seconds:g} s"

[data.telemetry]
schema = "{schema}"
invalid = "2 %"
"""
OPERATIONS = [
    *({"do": "publish", "over": way, "stream": "telemetry", "weight": 4} for way in ("http/1.1", "http/2", "grpc")),
    *({"do": "publish", "over": way, "stream": "durable", "weight": 1} for way in ("http/1.1", "http/2", "grpc")),
    *({"do": "validate", "over": way, "stream": "telemetry", "weight": 2} for way in ("http/2", "grpc")),
    *({"do": "cache-put", "over": way, "key": "load/{n}", "weight": 1} for way in ("http/2", "grpc")),
    *({"do": "cache-get", "over": way, "key": "load/{n}", "weight": 2} for way in ("http/1.1", "http/2", "grpc")),
    *({"do": "cache-delete", "over": way, "key": "load/{n}", "weight": 1} for way in ("http/2", "grpc")),
]


def scenario(folder: Path, running: Running, rate: int, seconds: float) -> Path:
    config = running.site.folder / "headgate.toml"
    text = SCENARIO.format(port=running.port, config=config, rate=rate, seconds=seconds, schema=messages.SCHEMA)
    for number, wanted in enumerate(OPERATIONS):
        data = {"data": "telemetry"} if wanted["do"] in ("publish", "validate") else {}
        name = {"name": f"{wanted['do']}-{number}-{wanted['over'].replace('/', '-')}"}
        lines = [f"{key} = {json.dumps(value)}" for key, value in {**wanted, **data, **name}.items()]
        text += "\n".join(["", "[[operation]]", *lines, ""])
    file = folder / "mixed.toml"
    file.write_text(text, encoding="utf-8")
    return file


def faults(found: "dict[str, Any]") -> "list[str]":
    """What does not hold."""
    said = []
    if found["load_exit_code"] not in (0, INVALID) or found["wrong"]:
        said.append(f"headgate load ended with {found['load_exit_code']}; wrong answers: {found['wrong']}")
    return said + soak.faults_of_appliance(found, found["acknowledged"])


def run(options: argparse.Namespace, folder: Path) -> "dict[str, Any]":
    """Raises Failed, WrongVerdict."""
    seconds = options.minutes * 60
    material = messages.prepare(folder)
    result = folder / "result.json"
    with ExitStack() as stack:
        storage = soak.STORAGE + soak.broker(stack, folder)
        running = Running(servers.BY_NAME[servers.OURS], material, storage=storage)
        stack.callback(running.stop)
        verdicts.prove([running])
        before = soak.ledger(soak.settled(running))
        file = scenario(folder, running, options.rate, seconds)
        command = [sys.executable, "-m", "headgate", "load", "run", str(file), "--out", str(result), "--json"]
        say(f"{options.minutes:g} minutes at {options.rate:,}/s")
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
        stack.callback(child.kill)
        over = threading.Event()
        waiting = threading.Thread(target=lambda: (child.wait(), over.set()))
        waiting.start()
        samples = soak.take_samples(running, seconds, over)
        waiting.join()
        after = soak.ledger(soak.settled(running))
        exit_code = running.stop()[0]
    if not result.exists():
        raise process.Failed(f"headgate load ended with {child.returncode}, without a result")
    operations = json.loads(result.read_text())["operations"]
    outcomes = {name: one["outcomes"] for name, one in operations.items()}
    acknowledged = sum(
        found.get("ok", 0) for name, found in outcomes.items() if name.startswith(KEEPS) and ".invalid" not in name
    )
    return {
        "machine": files.machine(),
        "minutes": options.minutes,
        "rate_per_s": options.rate,
        "load_exit_code": child.returncode,
        "outcomes": outcomes,
        "wrong": {name: found for name, found in outcomes.items() if set(found) - {"ok"}},
        "acknowledged": acknowledged,
        "ledger": {name: after[name] - (before[name] if name != "pending" else 0) for name in after},
        "growth": round(soak.growth(samples[len(samples) // 4 :])) if samples else 0,
        "exit_code": exit_code,
        "samples": samples,
    }


def show(found: "dict[str, Any]") -> None:
    for name, outcome in found["outcomes"].items():
        print(f"{name}: {outcome}")
    soak.show_appliance(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"how long ({MINUTES:g})")
    parser.add_argument("--rate", type=int, default=RATE, help=f"requests per second ({RATE})")
    parser.add_argument("--output", type=Path, help="results file (default: bench/results, for 20 minutes and more)")
    options = parser.parse_args()
    return soak.run(lambda folder: run(options, folder), faults, show, soak.kept(options, "soak-mixed", MINUTES))


if __name__ == "__main__":
    sys.exit(main())
