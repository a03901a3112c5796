"""The file headgate.json of a MicroPython appliance: a compiled plan (headgate.tasks.plan) and a few keys of the board.

Beside the plan's own keys:

    "listen": "0.0.0.0:8080"               address and port
    "floor_s": 1790000000                  Unix seconds that it certainly is by now (build or last-known-good time)
    "ntp": true                            false: do not ask the network for the time (boards with the module ntptime)
    "watchdog_ms": 0                       0: none; else the hardware watchdog's period (boards with machine.WDT)
    "tls": {"cert": "c.der", "key": "k.der"}    paths; EC P-256 keys fit, RSA ones hardly do

Where the plan leaves a size open, it is a small board's (DEFAULTS), not a Linux machine's.
"""

from headgate import limits
from headgate.tasks.plan import PlanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeGuard

# What the Linux appliance does and this one does not: refused by name, never ignored.
REFUSED = {
    "uplink": "there is no uplink here; leave it out, messages end in the cache of last values",
    "outbox": "there is no outbox here; leave it out",
    "http2": "there is no HTTP/2 here; leave it out",
    "grpc": "there is no gRPC here; leave it out",
    "mqtt": "there is no MQTT listener here; leave it out",
}

# section, key, value: sizes for about 100 KB of free memory.
DEFAULTS = (
    ("cache", "bytes", 32768),
    ("cache", "value_limit", 2048),
    ("cache", "entries", 128),
    ("limits", "connections", 8),
)
STREAM_BODY = 2048  # bytes of one message
CACHE_MIN, CACHE_MAX = 1024, 65536  # bytes: of micro/arena.py


class Settings:
    """The board's own keys, checked."""

    __slots__ = ("cert", "floor_s", "host", "key", "ntp", "port", "watchdog_ms")

    host: str
    port: int
    floor_s: int
    ntp: bool
    watchdog_ms: int
    cert: str
    key: str


def _take(document: "dict[str, object]", key: str, default: object) -> object:
    return document.pop(key) if key in document else default


def _listen(value: object) -> "tuple[str, int]":
    if isinstance(value, str):
        host, colon, port = value.rpartition(":")
        if host and colon and port.isdigit() and 0 < int(port) < 65536:  # noqa: PLR2004 - 16 bits
            return (host[1:-1] if host[0] == "[" else host), int(port)
    raise PlanError("listen", 'must be "address:port"')


def _is_integer(value: object) -> "TypeGuard[int]":
    return isinstance(value, int) and not isinstance(value, bool)


def _integer(document: "dict[str, object]", key: str, default: int) -> int:
    value = _take(document, key, default)
    if not _is_integer(value) or value < 0:
        raise PlanError(key, "must be an integer, 0 or more")
    return value


def _tls(value: object) -> "tuple[str, str]":
    """Paths of certificate and key; two empty strings without TLS."""
    if value is None:
        return "", ""
    if not isinstance(value, dict):
        raise PlanError("tls", "must be an object with cert and key")
    for name in value:
        if name not in ("cert", "key"):
            raise PlanError(f"tls.{name}", "unknown key")
    for name in ("cert", "key"):
        if not isinstance(value.get(name), str) or not value[name]:
            raise PlanError(f"tls.{name}", "must be the path of a file")
    return value["cert"], value["key"]


def take(document: object) -> Settings:
    """Remove the board's keys from `document` (parsed headgate.json) and set the plan's open sizes in it.

    Raises PlanError for a part that does not exist on MicroPython and for a wrong value.
    """
    if not isinstance(document, dict):
        raise PlanError("", "must be an object")
    for name, reason in REFUSED.items():
        if name in document:
            raise PlanError(name, reason)
    settings = Settings()
    settings.host, settings.port = _listen(_take(document, "listen", "0.0.0.0:8080"))
    settings.floor_s = _integer(document, "floor_s", 0)
    ntp = _take(document, "ntp", True)
    if not isinstance(ntp, bool):
        raise PlanError("ntp", "must be true or false")
    settings.ntp = ntp
    settings.watchdog_ms = _integer(document, "watchdog_ms", 0)
    settings.cert, settings.key = _tls(_take(document, "tls", None))
    cache = document.get("cache")
    value_limit = cache.get("value_limit") if isinstance(cache, dict) else None  # as given
    for section, key, value in DEFAULTS:
        part = document.setdefault(section, {})
        if isinstance(part, dict):
            part.setdefault(key, value)
    size = document["cache"].get("bytes") if isinstance(document["cache"], dict) else None
    if _is_integer(size):
        if not CACHE_MIN <= size <= CACHE_MAX:
            raise PlanError("cache.bytes", f"must be an integer from {CACHE_MIN} to {CACHE_MAX}")
        most = size - limits.ENTRY_OVERHEAD
        if _is_integer(value_limit) and value_limit > most:
            raise PlanError("cache.value_limit", f"must be {most} or less, to fit into {size} bytes (cache.bytes)")
    streams = document.get("streams")
    if isinstance(streams, dict):
        for stream in streams.values():
            if isinstance(stream, dict):
                stream.setdefault("body_limit", STREAM_BODY)
                # "fsync" is the plan's own default: here it would be a promise that nobody keeps.
                stream.setdefault("durability", "fsync")
    return settings
