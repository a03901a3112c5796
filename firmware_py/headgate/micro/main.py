"""Starts the appliance on MicroPython. On a board, /main.py is

    from headgate.micro import main
    main.run("headgate.json")

and on the unix port (not with -m, which leaves Ctrl-C to kill it):

    MICROPYPATH=firmware_py micropython firmware_py/headgate/micro/main.py headgate.json

What this interpreter cannot do is refused at load with one line: EdDSA keys, fsync durability, uplink, HTTP/2.
"""

import gc
import sys

from headgate.errors import CONFIG, INTERRUPTED, OK, USAGE, CommandError
from headgate.micro import sizes


def reserve(path: str) -> "bytearray | None":
    """Memory for the cache of the plan at `path`, before anything else can break the heap into pieces.

    None when that cannot be told: what is wrong with the file is said by whoever loads it.
    """
    import json  # noqa: PLC0415 - the interpreter's own, not strict, and already in memory

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - no pathlib here
            size = json.loads(file.read())["cache"]["bytes"]
        return bytearray(size)
    except (OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError):
        return None


def run(path: str) -> int:
    """Serve the plan in the file at `path` until interrupted; returns an exit code of headgate.errors."""
    gc.collect()
    gc.threshold(sizes.GC_THRESHOLD)
    sizes.apply()
    memory = reserve(path)
    gc.collect()
    from headgate.micro import appliance  # noqa: PLC0415

    try:
        appliance.serve(path, memory)
    except CommandError as error:
        print("headgate:", error.line())
        return error.code
    except MemoryError:
        gc.collect()
        print("headgate:", path, "needs more memory than there is: fewer streams, or a smaller cache.bytes")
        return CONFIG
    except KeyboardInterrupt:
        gc.collect()
        print(f"headgate: stopped, {gc.mem_alloc()} bytes live")
        return INTERRUPTED
    return OK


def main(arguments: "list[str]") -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: micropython headgate/micro/main.py headgate.json")
        return USAGE
    return run(arguments[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
