"""Does a busy server let other tasks run? How late a task of the appliance's own loop is that is due every 10 ms, idle
and under each of LOADS."""

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import load, rows, servers, verdicts
from .build import say
from .messages import Material
from .process import Failed
from .servers import Running

HOOK = Path(__file__).resolve().parent / "lateness_hook.py"
WAIT_S = 10.0
STEPS_US = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)


LOADS: "dict[str, Callable[[Running, float], load.Outcome]]" = {
    "memory durability": rows.BY_NAME["ingest-own"].load,
    "fsync durability": rows.BY_NAME["fsync"].load,
    "TLS": rows.BY_NAME["tls"].load,
    "TLS handshakes": lambda running, seconds: load.hellos(running.tls_port, seconds),
}


def _collect(running: Running, file: Path) -> "list[int]":
    file.unlink(missing_ok=True)
    running.tree.signal(signal.SIGUSR1)
    deadline = time.monotonic() + WAIT_S
    while not file.exists():
        if time.monotonic() > deadline:
            raise Failed("the task that measures lateness does not run")
        time.sleep(0.02)
    return json.loads(file.read_bytes())  # type: ignore[no-any-return]


def histogram(late_us: "list[int]") -> "dict[str, Any]":
    ordered = sorted(late_us)

    def percentile(share: float) -> int:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    steps, below = {}, 0
    for step in STEPS_US:
        upto = sum(late < step for late in ordered)
        steps[f"< {step / 1000:g} ms"] = upto - below
        below = upto
    steps["later"] = len(ordered) - below
    return {"samples": len(ordered), "p50_us": percentile(0.5), "p99_us": percentile(0.99), "max_us": ordered[-1],
            "histogram": steps}  # fmt: skip


def measure(material: Material, seconds: float) -> "dict[str, Any]":
    say("lateness: ours, idle and under load")
    file = material.folder / "lateness.json"
    try:
        running = Running(servers.BY_NAME[servers.OURS], material, [sys.executable, str(HOOK), str(file)])
    except (Failed, OSError) as error:
        return {"skipped": {servers.OURS: str(error)}}
    figures: dict[str, Any] = {}
    try:
        verdicts.prove([running])
        _collect(running, file)
        time.sleep(seconds / 2)
        figures["idle"] = histogram(_collect(running, file))
        for name, run in LOADS.items():
            outcome = run(running, seconds)
            late_us = _collect(running, file)
            figures[name] = {**histogram(late_us), "requests_per_s": round(outcome.requests / outcome.seconds)}
    except Failed as error:
        return {**figures, "skipped": {servers.OURS: str(error)}}
    finally:
        running.stop()
    return {**figures, "skipped": {}}
