"""The cache's second level killed and frozen under load: does a request fail, and how long does one wait?

    python bench/fleet.py                  5 s of each phase
    python bench/fleet.py --seconds 1      to try it; kept only with --output

Two appliances share a real server (`redis-server`, `valkey-server` or what HEADGATE_REDIS_SERVER names). Four clients
of the one put, get and delete as fast as they are answered; each answer is judged (tests/e2e/fleet_kit.py: CacheLoad).
In the end the other one must give what was put last. Exit code 0; 1 if a request failed or a value is missing."""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "e2e"))

from fleet_kit import Board, CacheLoad, config
from redis_server import Redis, binary

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "bench" / "results" / "fleet-x86_64.json"
TIMEOUT_MS = 200  # of redis.timeout: by default 20, which a machine that is busy with other things does not keep
COUNTED = ("timeouts", "skipped", "opened", "dropped")


def counts(board: Board) -> dict[str, int]:
    return {name: board.metric(name) for name in COUNTED}


def back(act: Callable[[], None], board: Board) -> None:
    """The server is there, and the appliance uses it again: its breaker has a pause of its own."""
    act()
    board.until("connected", lambda value: value == 1)


def phase(name: str, act: Callable[[], None], seconds: float, board: Board, load: CacheLoad) -> dict[str, Any]:
    """What the load saw for so long after it was done."""
    before = counts(board)
    act()
    total, load.slowest_s = load.total(), 0.0
    time.sleep(seconds)
    requests, slowest_s = load.total() - total, load.slowest_s
    grown = {key: value - before[key] for key, value in counts(board).items()}
    row = {
        "phase": name,
        "requests": requests,
        "failed": len(load.wrong),
        "slowest_ms": round(slowest_s * 1000),
        **grown,
    }
    print(row, flush=True)
    return row


def measure(folder: Path, seconds: float) -> list[dict[str, Any]]:
    rows = []
    text = config(0).replace('timeout = "1 s"', f'timeout = "{TIMEOUT_MS} ms"')
    with Redis(folder / "redis") as redis, contextlib.ExitStack() as boards:
        text = text.replace("127.0.0.1:0", f"127.0.0.1:{redis.port}")

        def board(name: str) -> Board:
            started = Board(folder / name, text)
            boards.callback(started.kill)
            return started

        one, other = board("one"), board("other")
        steps: list[tuple[str, Callable[[], None]]] = [
            ("there", one.settled),
            ("killed", redis.kill),
            ("there again", lambda: back(redis.start, one)),
            ("frozen", redis.freeze),
            ("there again", lambda: back(redis.thaw, one)),
        ]
        one.settled()
        other.settled()
        with CacheLoad(one) as load:
            for name, act in steps:
                rows.append(phase(name, act, seconds, one, load))
        if load.wrong:
            raise SystemExit(f"failed: {load.wrong[:3]}")
        one.settled()
        one.put("last", b"1")
        other.gives("last", b"1")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each phase")
    parser.add_argument("--output", type=Path, help=f"instead of {KEPT.relative_to(ROOT)}")
    options = parser.parse_args()
    if binary() is None:
        parser.error("there is no Redis (Debian and Ubuntu: apt-get install redis-server)")
    with tempfile.TemporaryDirectory(prefix="headgate-fleet-") as folder:
        rows = measure(Path(folder), options.seconds)
    output = options.output or (KEPT if options.seconds >= parser.get_default("seconds") else None)
    if output is not None:
        output.write_text(json.dumps({"server": Path(str(binary())).name, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
