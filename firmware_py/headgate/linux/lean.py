"""Keep OpenSSL's Python binding out of a process that does no TLS: about 4 MB of a 24 MB appliance.

asyncio and paho-mqtt import `ssl` when it is there and do without it when it is not; aiomqtt imports it for its
annotations and defaults only. So the imports are done here once, in that order, with `ssl` absent (asyncio, paho) or
empty (aiomqtt); afterwards `import ssl` works again for whoever needs it, but asyncio stays without TLS.
Call before anything has imported asyncio.
"""

import sys
import types


def import_without_ssl() -> bool:
    """Import asyncio and aiomqtt without `ssl`; False (and nothing done) when asyncio or ssl is loaded already."""
    if "asyncio" in sys.modules or "ssl" in sys.modules:
        return False
    try:
        sys.modules["ssl"] = None  # type: ignore[assignment]  # documented: makes `import ssl` raise ImportError
        import asyncio  # noqa: F401

        import paho.mqtt.client

        sys.modules["ssl"] = types.ModuleType("ssl")
        import aiomqtt  # noqa: F401
    finally:
        del sys.modules["ssl"]
    return True
