"""The group commit: CPU microseconds for one message, from the intake to the database and back, native and pure.

    python bench/commit.py [--rounds N] [--folder DIR]      writes bench/results/commit.json
    python bench/commit.py --count [--folder DIR]           prints instructions for one commit; needs valgrind

Messages are in the intake already, as the native server puts them there. Each commit is timed in both threads: the
event loop's and the outbox's own, where it is also known what it is spent on. `--folder`: where the database is made;
by default in memory, so that the disk's driver is left out. Backends take turns; a figure is the median of the rounds.
`--count` is the difference of two runs of the native backend that differ in their commits only: the same on a busy
machine, and the way to see what a change is worth.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0:0] = [str(ROOT / "firmware_py"), str(ROOT / "native_ext")]

from headgate import limits  # noqa: E402
from headgate.linux import intake, outbox_db  # noqa: E402
from headgate.linux.outbox import Outbox, OutboxConfig  # noqa: E402

# Rows of a commit: as 64 devices that wait for their answers make it; a large batch; batches that nobody waits for.
CASES = {
    "64 waiting": (64, intake.DURABLE),
    "500 waiting": (500, intake.DURABLE),
    "2000 promised": (2000, intake.PROMISED),
}
ROWS = 60_000  # of each case, in all
COUNTED = (20, 120)  # commits of the two runs whose difference is taken
WARM_UP = 5  # commits not counted
BODY = b'{"station":"st-%d","temp_c":%d.5,"humidity":%d,"wind":{"speed":3.25,"dir":%d}}'


def timed(owner: Any, name: str, label: str, spent: dict[str, float]) -> None:
    """Adds the thread's CPU time within owner.name to spent[label]."""
    inner: Callable[..., Any] = getattr(owner, name)

    def outer(*arguments: Any) -> Any:
        start = time.thread_time()
        try:
            return inner(*arguments)
        finally:
            spent[label] = spent.get(label, 0.0) + time.thread_time() - start

    setattr(owner, name, outer)


async def measure(folder: Path, size: int, flags: int, commits: int, spent: dict[str, float]) -> dict[str, float]:
    """-> microseconds for one message."""
    outbox = await Outbox.open(folder, OutboxConfig(batch_records=min(size, limits.BATCH_RECORDS)))
    released = asyncio.Event()

    def release(taken: intake.Batch, _outcomes: object) -> None:
        taken.release()
        if not outbox.intake.bytes:
            released.set()

    outbox.release = release
    bodies = [BODY % (n % 64, n % 40, n % 100, n % 360) for n in range(size)]
    spent["process"] = spent["event loop"] = 0.0
    for commit in range(-WARM_UP, commits):
        if commit == 0:
            spent.update(dict.fromkeys(spent, 0.0))
        now_ms = int(asyncio.get_running_loop().time() * 1000)
        for n, body in enumerate(bodies):
            outbox.intake.add(f"stream-{n % 3}", f"c{n % 64}", body, 1_764_000_000_000, now_ms, flags)
        process, loop = time.process_time(), time.thread_time()
        outbox.note_rows()
        await released.wait()
        released.clear()
        spent["process"] += time.process_time() - process
        spent["event loop"] += time.thread_time() - loop
    await outbox.close()
    return {label: seconds / commits / size * 1e6 for label, seconds in spent.items()}


def child(folder: str | None, only: str, commits: int) -> None:
    """One backend, chosen by the environment: prints its figures as JSON. `only`: this case, with so many commits."""
    spent: dict[str, float] = {}
    timed(outbox_db.Database, "commit", "worker", spent)
    timed(outbox_db, "encode_rows", "worker: CBOR and zstd", spent)
    figures = {}
    for name, (size, flags) in CASES.items():
        if only in ("", name):
            with tempfile.TemporaryDirectory(dir=folder) as made:
                spent.clear()
                figures[name] = asyncio.run(measure(Path(made), size, flags, commits or ROWS // size, spent))
    print(json.dumps(figures))


def instructions(command: list[str]) -> int:
    """Of the whole run, user mode."""
    counted = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
    environment = os.environ | {"HEADGATE_BACKEND": "native", "PYTHONHASHSEED": "0"}
    try:
        done = subprocess.run(counted, env=environment, capture_output=True, text=True, check=True)  # noqa: S603  # this file
    except FileNotFoundError:
        sys.exit("commit.py: --count takes valgrind: apt-get install valgrind")
    return int(done.stderr.rpartition("Collected :")[2].split()[0])


def count(command: list[str]) -> None:
    for name in CASES:
        few, many = (instructions([*command, "--only", name, "--commits", str(n)]) for n in COUNTED)
        print(f"{name:13} {(many - few) / (COUNTED[1] - COUNTED[0]):,.0f} instructions")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)  # noqa: S108
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only", default="", help=argparse.SUPPRESS)
    parser.add_argument("--commits", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--count", action="store_true", help="instructions instead of time")
    options = parser.parse_args()
    if options.child:
        child(options.folder, options.only, options.commits)
        return
    command = [sys.executable, __file__, "--child"] + (["--folder", options.folder] if options.folder else [])
    if options.count:
        count(command)
        return
    rounds: dict[str, list[Any]] = {"native": [], "pure": []}
    for _ in range(options.rounds):
        for backend, found in rounds.items():
            environment = os.environ | {"HEADGATE_BACKEND": backend}
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)  # noqa: S603  # this file
            found.append(json.loads(done.stdout))
    result = {
        backend: {
            case: {label: round(statistics.median(one[case][label] for one in found), 3) for label in found[0][case]}
            for case in found[0]
        }
        for backend, found in rounds.items()
    }
    for backend, cases in result.items():
        for case, figures in cases.items():
            print(f"{backend:6} {case:13} " + ", ".join(f"{label} {us:.2f}" for label, us in figures.items()))
    document = {"machine": platform.machine(), "python": platform.python_version(), "us_per_message": result}
    (ROOT / "bench" / "results" / "commit.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
