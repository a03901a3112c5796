"""The server under test, on CPython and MicroPython:   <python> serve.py plan.json port folder [http2] [tls]

The gateway and nothing else: with a memory sink, or, when the native backend is chosen, on the native server with an
outbox in `folder`. Prints "listening" when it does. On CPython SIGTERM drains it.
"""

import asyncio
import gc
import sys
import time

here = sys.argv[0].rpartition("/")[0] or "."
sys.path.insert(0, here + "/../../firmware_py")

from headgate import limits  # noqa: E402 - found through the path above

CPYTHON = sys.implementation.name == "cpython"
if not CPYTHON:  # as headgate.micro.main does: many small steps keep a small heap in one piece
    limits.READ_CHUNK = 512
    limits.RECORDS_IN_FLIGHT = 16
    gc.threshold(4096)

from headgate._accel import BACKEND, Limiter  # noqa: E402
from headgate.core import json  # noqa: E402
from headgate.tasks.gateway import Gateway  # noqa: E402
from headgate.tasks.plan import build  # noqa: E402
from headgate.tasks.sink import MemorySink  # noqa: E402

if CPYTHON:
    from headgate._accel import Store
else:
    from headgate.core.store import Store

HOST = "127.0.0.1"


def now_ms():
    return time.monotonic_ns() // 1000000 if CPYTHON else time.ticks_ms()


def clock():
    return time.time_ns() // 1000000000, "trusted"


def parts(plan):
    return {
        "store": Store(plan.cache_bytes, plan.cache_value, plan.cache_entries),
        "limiter": Limiter(64),
        "clock": clock,
        "now_ms": now_ms,
    }


async def serve(path, port):
    with open(path, "rb") as file:  # noqa: ASYNC230, PTH123 - before anything runs, and there is no pathlib everywhere
        plan = build(json.loads(file.read()), None, False)
    sink = MemorySink(7)
    info = {"unready": [], "outbox": sink.stats(), "interpreter": sys.implementation.name}
    gateway = Gateway(plan, sink=sink, info=lambda: info, **parts(plan))
    await gateway.start(HOST, port)
    stop = asyncio.Event()
    if CPYTHON:
        import signal

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("listening")
    if CPYTHON:
        sys.stdout.flush()
    await stop.wait()
    await gateway.drain(2000)
    print("drained")


if BACKEND == "native":
    from serve_native import run

    run(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:])
else:
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
