"""Keep out of a long-running process what it does not use: a third of the memory of an appliance without TLS.

OpenSSL comes in through `ssl` (over 4 MB) and through hashlib's `_hashlib` (3.4 MB of libcrypto), the HTTP client and
the e-mail parser through paho-mqtt's import of urllib.request (1.3 MB), which it needs for proxies of websockets.
asyncio and paho do without `ssl` when it is absent, hashlib has algorithms of its own, aiomqtt imports `ssl` for its
annotations only. So those imports are done here once, in that order, with the unused modules absent or empty;
afterwards `import` works again for whoever needs them, but asyncio stays without TLS.
"""

import gc
import sys
import types


def without_openssl_hashes() -> None:
    """Make hashlib use CPython's own algorithms. Call before anything has imported it."""
    if "hashlib" not in sys.modules:
        sys.modules["_hashlib"] = None  # type: ignore[assignment]  # documented: makes its import raise ImportError


def import_without_ssl() -> bool:
    """Import asyncio and aiomqtt without `ssl`; False (and nothing done) when asyncio or ssl is loaded already."""
    if "asyncio" in sys.modules or "ssl" in sys.modules:
        return False
    import urllib.parse

    try:
        sys.modules["ssl"] = None  # type: ignore[assignment]
        import asyncio  # noqa: F401

        urllib.request = sys.modules["urllib.request"] = types.ModuleType("urllib.request")
        import paho.mqtt.client  # noqa: F401

        sys.modules["ssl"] = types.ModuleType("ssl")
        import aiomqtt  # noqa: F401
    finally:
        del sys.modules["ssl"]
        sys.modules.pop("urllib.request", None)
    return True


def give_memory_back() -> None:
    """After start-up: what it left behind goes back to the system (5 MB of freed source and byte code with glibc)."""
    gc.collect()
    gc.freeze()  # what start-up made stays: later collections need not look at it
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc; musl returns memory by itself
    if trim is not None:
        trim(0)
