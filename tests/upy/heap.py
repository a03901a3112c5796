"""Where the heap goes on MicroPython: live bytes after each import (run ON MicroPython; see docs/micropython.md).

micropython tests/upy/heap.py firmware_py [module ...]        from source
micropython tests/upy/heap.py headgate.romfs [module ...]     from a ROMFS image, in place
"""

import gc
import sys

MODULES = (
    "headgate.limits headgate.errors asyncio headgate.core.number headgate.core.json headgate.core.problem "
    "headgate.core.jwt headgate.core.clock headgate.core.limiter headgate.core.store headgate.core.pattern "
    "headgate.core.pattern_parse headgate.core.formats headgate.core.schema_check headgate.core.schema_compile "
    "headgate.core.schema_explain headgate.core.schema headgate.core.cbor headgate.core.http1 headgate.core.router "
    "headgate.core.records headgate.tasks.plan headgate.tasks.sink headgate.tasks.metrics headgate.tasks.cache "
    "headgate.tasks.streams headgate.tasks.api headgate.tasks.gateway headgate.micro.arena headgate.micro.appliance"
)


def live() -> int:
    gc.collect()
    return gc.mem_alloc()


def main(arguments: "list[str]") -> None:
    here = sys.argv[0].rsplit("/", 1)[0] if "/" in sys.argv[0] else "."
    place = arguments[0]
    if place.endswith(".romfs"):
        sys.path.insert(0, here + "/../../firmware_py/headgate/micro")
        import rom_start

        rom_start.mount(place, "/rom")
        place = "/rom"
    sys.path[:] = [place, ".frozen"]
    start = before = live()
    print(f"{start:7d}  before any import")
    for name in arguments[1:] or MODULES.split():
        try:
            __import__(name)
        except ImportError as error:
            print(f"        {name}: {error}")
        after = live()
        print(f"{after - before:7d}  {name}")
        before = after
    print(f"{before - start:7d}  all of it")


main(sys.argv[1:])
