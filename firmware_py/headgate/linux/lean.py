"""Keep out of a long-running process what it does not use: a third of the memory of an appliance without TLS.

OpenSSL comes in through `ssl` (over 4 MB) and through hashlib's `_hashlib` (3.4 MB of libcrypto), the HTTP client and
the e-mail parser through paho-mqtt's import of urllib.request (2.6 MB), which it needs for proxies of websockets.
asyncio and paho do without `ssl` when it is absent, hashlib has algorithms of its own, aiomqtt imports `ssl` for its
annotations only. So those imports are done here once, with the unused modules absent or empty; afterwards `import`
works again for whoever needs them, but asyncio stays without TLS. The native server drives `ssl` without asyncio.
"""

import contextlib
import gc
import sys
import types
from collections.abc import Iterator

from headgate.linux import later


def without_openssl_hashes() -> None:
    """Make hashlib use CPython's own algorithms. Call before anything has imported it."""
    if "hashlib" not in sys.modules:
        sys.modules["_hashlib"] = None  # type: ignore[assignment]  # documented: makes its import raise ImportError


@contextlib.contextmanager
def _instead(name: str, module: types.ModuleType | None) -> Iterator[None]:
    """Within, `import name` gives `module`, or fails for None; not if it is loaded already."""
    if sys.modules.get(name) is not None:
        yield
        return
    sys.modules[name] = module  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(name, None)


def import_asyncio() -> bool:
    """Import asyncio without `ssl`; False (and nothing done) when it is loaded already."""
    if "asyncio" in sys.modules:
        return False
    with _instead("ssl", None):
        import asyncio  # noqa: F401
    return True


def import_mqtt(*, tls: bool) -> None:
    """Import aiomqtt and paho without what they use for websockets only, and without `ssl` unless it is loaded already
    or needed: `tls`."""
    if tls:
        import ssl  # noqa: F401
    with _instead("urllib.request", types.ModuleType("urllib.request")):
        with _instead("ssl", None):
            import paho.mqtt.client  # noqa: F401
        with _instead("ssl", types.ModuleType("ssl")), later.known("inspect", signature=_no_signature):
            import aiomqtt  # noqa: F401


def _no_signature(what: object, **options: object) -> str:
    """Dataclasses without a docstring ask, for a text that nobody reads here. Not an exception: 3.11.2 expects none."""
    return ""


def share_heap() -> None:
    """One heap for all threads (1 MB less with glibc): ours seldom allocate at the same time. What is large stays out
    of it, so that it leaves no holes. Call before the first thread begins, and after `without_openssl_hashes`."""
    from headgate import _accel

    _accel.one_heap()


def give_memory_back() -> None:
    """After start-up: what it left behind goes back to the system (5 MB of freed source and byte code with glibc)."""
    from headgate import _accel

    gc.collect()
    gc.freeze()  # what start-up made stays: later collections need not look at it
    _accel.trim_heap()
