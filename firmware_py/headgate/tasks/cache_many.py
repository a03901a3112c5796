"""Several keys of the cache in one request: GET /v1/cache?key=a&key=b. Loaded by the first one (boards: memory).

The answer is written entry by entry, so that it takes the memory of one value, however many are asked for.
"""

import asyncio
from binascii import b2a_base64

from headgate import limits
from headgate._accel import Schema
from headgate.core import json, utf8
from headgate.core.http1 import percent_decode
from headgate.core.problem import Problem
from headgate.tasks import cache
from headgate.tasks.access import authenticate, insufficient, rate_limit
from headgate.tasks.exchange import JSON, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from headgate.tasks.exchange import Exchange

_CBOR = b"application/cbor"
_HEADERS = [(b"Cache-Control", b"no-cache"), (b"Vary", b"Accept"), (b"X-Content-Type-Options", b"nosniff")]


def _keys(query: str) -> "list[str]":
    """The values of `key` in application/x-www-form-urlencoded, each once. Raises Problem."""
    keys: list[str] = []
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name != "key":
            continue
        key = percent_decode(value.replace("+", " ").encode())  # cannot fail: the whole query was decoded before
        if not key:
            raise Problem(400, "bad_query", "a key is empty")
        if len(cache.PREFIX + key.encode()) > limits.CACHE_KEY:
            raise Problem(414, "uri_too_long", f"a key may have {limits.CACHE_KEY - len(cache.PREFIX)} bytes")
        if key not in keys:
            keys.append(key)
    if not 0 < len(keys) <= limits.MANY_KEYS:
        raise Problem(400, "bad_query", f"send ?key=...&key=..., 1 to {limits.MANY_KEYS} keys")
    return keys


def _quality(accept: bytes, media_type: bytes) -> int:
    """RFC 9110 section 12.4.2, in thousandths; 0: not named, or not wanted."""
    best = 0
    for item in accept.lower().split(b","):
        parts = item.split(b";")
        if parts[0].strip(b" \t") != media_type:
            continue
        quality = 1000
        for parameter in parts[1:]:
            name, _, value = parameter.strip(b" \t").partition(b"=")
            if name == b"q":  # 1, 0, 0.5, 0.125
                digits = (value[:1] + value[2:5] + b"000")[:4]
                quality = int(digits) if digits.isdigit() else 0
        best = max(best, quality)
    return best


class _AsJSON:
    content_type = JSON
    start = b'{"entries":['
    between = b","

    def __init__(self) -> None:
        self._well_formed = Schema(True)

    def entry(self, members: "dict[str, object]", value: bytes) -> bytes:
        """The value as what can be read back exactly: JSON as it is, other UTF-8 as text, the rest as base64."""
        content_type = str(members["content_type"]).partition(";")[0].rstrip().lower()
        is_json = content_type == "application/json" or content_type.endswith("+json")
        if is_json and self._well_formed.is_valid(value):
            return json.dumps(members)[:-1] + b',"value":' + value + b"}"
        try:
            members["text"] = utf8.decode(value)
        except ValueError:
            return json.dumps(members)[:-1] + b',"base64":"' + b2a_base64(value)[:-1] + b'"}'
        return json.dumps(members)

    def end(self, missing: "list[str]", left: "list[str]") -> bytes:
        return b'],"missing":' + json.dumps(missing) + b',"left":' + json.dumps(left) + b"}"


class _AsCBOR:
    """A map of three; `entries` is an array of indefinite length: how many there are is known at the end."""

    content_type = _CBOR
    start = b"\xa3\x67entries\x9f"
    between = b""

    def __init__(self) -> None:
        from headgate.core import cbor  # noqa: PLC0415 - a board pays for it only when it is used

        self._dumps = cbor.dumps

    def entry(self, members: "dict[str, object]", value: bytes) -> bytes:
        members["value"] = value
        return self._dumps(members)

    def end(self, missing: "list[str]", left: "list[str]") -> bytes:
        return b"\xff\x67missing" + self._dumps(missing) + b"\x64left" + self._dumps(left)


async def get(x: "Exchange") -> "Response | None":
    """GET and HEAD. The order of judgement: token, query, scope of each key, rate."""
    claims = authenticate(x)
    keys = _keys(x.request.query)
    for key in keys:
        if not cache.allows(claims, "read", key):
            problem = insufficient("cache:read")
            problem.detail += " for " + key
            raise problem
    plan = x.plan
    cost = min(len(keys), plan.cache_burst)
    rate_limit(x.gateway, cache.BUCKET, claims.sub, plan.cache_rate_milli, plan.cache_burst, cost)
    if x.gateway.second is not None:
        await x.gateway.second.fetch([cache.PREFIX + key.encode() for key in keys])
    accept = x.request.header(b"accept") or b""
    wanted = _quality(accept, _CBOR)
    form = _AsCBOR() if wanted and wanted >= _quality(accept, JSON) else _AsJSON()
    missing: list[str] = []
    left: list[str] = []
    parts = [form.start]
    size = 0  # bytes of `parts`
    values = 0  # bytes of all values
    first = True
    for key in keys:
        if values >= limits.MANY_BYTES:
            left.append(key)
            continue
        now_ms = x.gateway.now_ms()
        found = x.gateway.store.get(cache.PREFIX + key.encode(), now_ms)
        if found is None:
            missing.append(key)
            continue
        value = found[0]
        part = form.entry(_members(x, key, found, now_ms), value)
        values += len(value)
        del found, value
        if not first:
            parts.append(form.between)
        first = False
        parts.append(part)
        size += len(part)
        part = b""
        if size >= limits.READ_CHUNK:
            if not x.started:
                x.begin(200, form.content_type, _HEADERS)
            await x.send(b"".join(parts))
            await asyncio.sleep(0)  # a client that reads fast would not let anybody else run
            parts = []
            size = 0
    parts.append(form.end(missing, left))
    if not x.started:
        return Response(200, b"".join(parts), form.content_type, _HEADERS)
    await x.send(b"".join(parts))
    return None


def _members(x: "Exchange", key: str, found: "tuple[bytes, bytes, int, int]", now_ms: int) -> "dict[str, object]":
    max_age, stored_ms, content_type = found[1].split(b" ", 2)
    members: dict[str, object] = {
        "key": key,
        "etag": cache.etag(x.gateway, found[2]).decode(),
        "age": (now_ms - int(stored_ms)) // 1000,
        "content_type": "".join([chr(byte) for byte in content_type]),  # obs-text (RFC 9110 section 5.5) as Latin-1
    }
    if max_age != b"0":
        members["max_age"] = int(max_age)
    return members
