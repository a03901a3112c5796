"""Native against pure twins: nanoseconds for one operation, and the ratio, which is what to quote.

    python bench/twins.py [--rounds N]      writes bench/results/twins.json

The two backends take turns within each round, so that a busy machine slows both; the figure is the median of the
rounds. CPU time of the process, not wall time. The loop around the call is measured alone and taken off.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0:0] = [str(ROOT / "firmware_py"), str(ROOT / "native_ext")]

from headgate.core import limiter, store  # noqa: E402
from headgate_native import _native  # noqa: E402

LOOPS = 20000
CLIENTS = 1000
KEYS = [b"stream\x00station-%04d" % i for i in range(2 * CLIENTS)]
VALUE = b"v" * 100


def _nothing() -> Callable[[int], object]:
    return lambda i: KEYS[i % CLIENTS]


def _take(kind: "type[limiter.Limiter]") -> Callable[[int], object]:
    table = kind(2 * CLIENTS)
    take = table.take
    return lambda i: take(KEYS[i % CLIENTS], 10000, 20, i)


def _take_evicting(kind: "type[limiter.Limiter]") -> Callable[[int], object]:
    table = kind(CLIENTS)
    take = table.take
    return lambda i: take(KEYS[i % (2 * CLIENTS)], 10000, 20, i)


def _filled(kind: "type[store.Store]") -> "store.Store":
    table = kind(1 << 24)
    for key in KEYS:
        table.put(key, VALUE, b"application/json", 0, 0)
    return table


def _get(kind: "type[store.Store]") -> Callable[[int], object]:
    get = _filled(kind).get
    return lambda i: get(KEYS[i % CLIENTS], 1)


def _replace(kind: "type[store.Store]") -> Callable[[int], object]:
    put = _filled(kind).put
    return lambda i: put(KEYS[i % CLIENTS], VALUE, b"application/json", 60000, i)


def _put_evicting(kind: "type[store.Store]") -> Callable[[int], object]:
    put = kind(200 * CLIENTS).put
    return lambda i: put(KEYS[i % (2 * CLIENTS)], VALUE, b"application/json", 60000, i)


CASES: "dict[str, tuple[Callable, type, type]]" = {
    "limiter.take": (_take, limiter.Limiter, _native.Limiter),
    "limiter.take, table full": (_take_evicting, limiter.Limiter, _native.Limiter),
    "store.get, 100 bytes": (_get, store.Store, _native.Store),
    "store.put, same key": (_replace, store.Store, _native.Store),
    "store.put, budget full": (_put_evicting, store.Store, _native.Store),
}


def _nanoseconds(operation: Callable[[int], object]) -> float:
    start = time.process_time_ns()
    for i in range(LOOPS):
        operation(i)
    return (time.process_time_ns() - start) / LOOPS


def measure(rounds: int) -> "dict[str, dict[str, float]]":
    results = {}
    for name, (make, pure, native) in CASES.items():
        operations = [_nothing(), make(pure), make(native)]
        for operation in operations:
            _nanoseconds(operation)  # warm
        samples = [[_nanoseconds(operation) for operation in operations] for _ in range(rounds)]
        loop, pure_ns, native_ns = (statistics.median(column) for column in zip(*samples, strict=True))
        pure_ns, native_ns = pure_ns - loop, native_ns - loop
        results[name] = {
            "pure_ns": round(pure_ns),
            "native_ns": round(native_ns),
            "ratio": round(pure_ns / native_ns, 1),
        }
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds for each case (15)")
    arguments = parser.parse_args()
    results = measure(arguments.rounds)
    report = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rounds": arguments.rounds,
        "loops": LOOPS,
        "results": results,
    }
    path = ROOT / "bench" / "results" / "twins.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for name, row in results.items():
        print(f"{name:26} pure {row['pure_ns']:5} ns   native {row['native_ns']:4} ns   ratio {row['ratio']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
