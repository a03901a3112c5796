"""Chooses between a native block and its pure twin; nothing else in Headgate does.

HEADGATE_BACKEND: `auto` (or unset; on CPython that is native), `native`, or `pure`. On CPython a missing native core
is an ImportError that says what to do, never a silent slow path. On MicroPython, which has no such environment, it is
`pure`.

BACKEND is "native" or "pure"; FEATURES names the blocks that run natively. The types are those of the pure twins.
"""

import sys

TYPE_CHECKING = False


def _choose() -> str:
    if sys.implementation.name != "cpython":
        return "pure"
    import os  # noqa: PLC0415  (there is no os.environ on MicroPython)

    wanted = os.environ.get("HEADGATE_BACKEND") or "auto"
    if wanted not in ("auto", "native", "pure"):
        raise ImportError(f"HEADGATE_BACKEND is {wanted!r}; it must be auto, native or pure")
    return "pure" if wanted == "pure" else "native"


BACKEND = _choose()

if TYPE_CHECKING:
    from headgate.core.http1 import Request, RequestParser
    from headgate.core.jwt import Verifier
    from headgate.core.limiter import Limiter
    from headgate.core.schema import Schema, SchemaError
    from headgate.core.store import Store
    from headgate.linux.intake import Intake
    from headgate.linux.libc import clock_synchronised, one_heap, trim_heap

    FEATURES: "tuple[str, ...]" = ()
elif BACKEND == "pure":
    from headgate.core.http1 import Request, RequestParser
    from headgate.core.jwt import Verifier
    from headgate.core.limiter import Limiter
    from headgate.core.schema import Schema, SchemaError

    if sys.implementation.name == "cpython":  # a board has a store of its own (micro/arena.py) and no disk
        from headgate.core.store import Store
        from headgate.linux.intake import Intake
        from headgate.linux.libc import clock_synchronised, one_heap, trim_heap
    FEATURES = ()
else:
    try:
        from headgate_native import Schema, SchemaError
        from headgate_native._native import (
            Intake,
            Limiter,
            Store,
            Verifier,
            clock_synchronised,
            one_heap,
            trim_heap,
        )
        from headgate_native.http1 import Request, RequestParser
    except ImportError as error:
        raise ImportError(
            f"Headgate's native core is missing or stale ({error}): build it with `python setup.py build_ext --inplace`"
            " (or `pip install .`), or ask for the slower pure Python one with HEADGATE_BACKEND=pure"
        ) from error
    FEATURES = ("limiter", "store", "schema", "jwt", "http1", "intake", "server")

__all__ = [
    "BACKEND",
    "FEATURES",
    "Intake",
    "Limiter",
    "Request",
    "RequestParser",
    "Schema",
    "SchemaError",
    "Store",
    "Verifier",
    "clock_synchronised",
    "one_heap",
    "trim_heap",
]
