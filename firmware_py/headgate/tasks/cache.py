"""The key-value cache and the last values: two prefixes of one store, one byte budget.

Meta of an entry: b"<max-age seconds, 0 = none> <monotonic ms of the PUT> <media type>".

The key-value cache may have a second level, which others share (linux/second_level.py). It is asked for keys that are
not here, before they are looked up, and told of changes, after they were made; neither raises nor takes long.
"""

import hashlib

from headgate import limits
from headgate.core.problem import Problem
from headgate.tasks.access import (
    authenticate,
    check_preconditions,
    insufficient,
    media_type,
    rate_limit,
    require,
    whole,
)
from headgate.tasks.exchange import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from headgate.core.jwt import Claims
    from headgate.tasks.exchange import Exchange
    from headgate.tasks.gateway import Gateway

    class SecondLevel(Protocol):
        async def fetch(self, keys: Iterable[bytes]) -> None:
            """Put into the store what of these keys of the store is not there, but in the second level."""

        def changed(self, key: bytes) -> None:
            """This key was put or deleted here."""


BUCKET = "cache:"  # no stream can have this name
PREFIX = b"kv/"
_TYPE_MAX = 128  # bytes of a media type
_MAX_AGE = 2147483647  # seconds; RFC 9111 section 1.2.2 asks for at least 2**31 to be understood


def last_key(stream: str, name: str) -> bytes:
    """Where the last value of `name` in `stream` is kept; a name too long for a key goes by its hash."""
    key = f"last/{stream}/{name}".encode()
    if len(key) > limits.CACHE_KEY:
        key = f"last/{stream}/\0".encode() + hashlib.sha256(name.encode()).digest()
    return key


def put_last(gateway: "Gateway", key: bytes, body: bytes, content_type: str, ttl_ms: int) -> None:
    """Keep an accepted message; one that does not fit is not cached."""
    now_ms = gateway.now_ms()
    meta = f"{ttl_ms // 1000} {now_ms} {content_type}".encode()
    gateway.store.put(key, body, meta, ttl_ms, now_ms)


def etag(gateway: "Gateway", version: int) -> bytes:
    return b'"%d-%d"' % (gateway.boot, version)


def _answer(x: "Exchange", key: bytes, problem: Problem) -> Response:
    gateway = x.gateway
    now_ms = gateway.now_ms()
    found = gateway.store.get(key, now_ms)
    if found is None:
        raise problem  # whatever is asked of the ETag: RFC 9110 section 13.2.1
    value, meta, version, _left_ms = found
    max_age, stored_ms, content_type = meta.split(b" ", 2)
    tag = etag(gateway, version)
    headers = [
        (b"ETag", tag),
        (b"Age", b"%d" % ((now_ms - int(stored_ms)) // 1000)),
        (b"Cache-Control", b"no-cache" if max_age == b"0" else b"max-age=" + max_age),
        (b"X-Content-Type-Options", b"nosniff"),  # the media type is what a client said, and a browser may look
    ]
    if check_preconditions(x, tag):
        return Response(304, b"", b"", headers)
    return Response(200, value, content_type, headers)


async def get_last(x: "Exchange", params: "dict[str, str]") -> Response:
    claims = authenticate(x)
    stream = params["stream"]
    require(claims, "read", stream)
    if stream not in x.plan.streams:
        raise Problem(404, "unknown_stream")
    rate_limit(x.gateway, BUCKET, claims.sub, x.plan.cache_rate_milli, x.plan.cache_burst)
    return _answer(x, last_key(stream, params["client"]), Problem(404, "no_last_value"))


def allows(claims: "Claims", verb: str, name: str) -> bool:
    """Scopes cache:read, cache:write, cache:* for all keys; cache:read:<prefix>, cache:write:<prefix> for some."""
    for scope in claims.scopes:
        if scope in ("cache:" + verb, "cache:*"):
            return True
        prefix = "cache:" + verb + ":"
        if scope.startswith(prefix) and name.startswith(scope[len(prefix) :]):
            return True
    return False


def _admit(x: "Exchange", params: "dict[str, str]", verb: str) -> bytes:
    """Token, scope, rate; -> the store's key."""
    claims = authenticate(x)
    name = params["key"]
    if not allows(claims, verb, name):
        raise insufficient("cache:" + verb)
    rate_limit(x.gateway, BUCKET, claims.sub, x.plan.cache_rate_milli, x.plan.cache_burst)
    key = PREFIX + name.encode()
    if len(key) > limits.CACHE_KEY:
        raise Problem(414, "uri_too_long", f"a key may have {limits.CACHE_KEY - 3} bytes")
    return key


async def get(x: "Exchange", params: "dict[str, str]") -> Response:
    """GET and HEAD."""
    key = _admit(x, params, "read")
    if x.gateway.second is not None:
        await x.gateway.second.fetch((key,))
    return _answer(x, key, Problem(404, "not_cached"))


async def get_many(x: "Exchange", params: "dict[str, str]") -> "Response | None":
    from headgate.tasks import cache_many  # noqa: PLC0415 - a board pays for it only when somebody asks

    return await cache_many.get(x)


def _max_age(x: "Exchange") -> int:
    """Seconds of Cache-Control: max-age on a PUT; 0 = none given. Other directives are for others."""
    seconds = 0
    for directive in (x.request.header(b"cache-control") or b"").lower().split(b","):
        name, equals, value = directive.strip(b" \t").partition(b"=")
        if name != b"max-age":
            continue
        value = value.strip(b'"')
        digits = value.lstrip(b"0")
        if not equals or not value.isdigit() or not digits or seconds:
            raise Problem(
                400, "bad_cache_control", "max-age is one number of seconds, at least 1; DELETE removes a key"
            )
        seconds = min(int(digits), _MAX_AGE) if len(digits) <= 10 else _MAX_AGE  # noqa: PLR2004 - 10 digits, 2**31
    return seconds


async def put(x: "Exchange", params: "dict[str, str]") -> Response:
    """201 for a new key, 204 for a replaced value; both with the ETag. Preconditions are judged when the body is here,
    in one step with the change: between two reads other requests run."""
    key = _admit(x, params, "write")
    media_type(x, ())
    whole(x)
    content_type = x.request.header(b"content-type") or b"application/octet-stream"  # RFC 9110 section 8.3
    if len(content_type) > _TYPE_MAX:
        raise Problem(415, "unsupported_media_type", f"a media type may have {_TYPE_MAX} bytes")
    max_age = _max_age(x)
    body = await x.read_all(x.plan.cache_value)
    gateway = x.gateway
    second = gateway.second
    if second is not None and (x.request.header(b"if-match") or x.request.header(b"if-none-match")):
        await second.fetch((key,))
    now_ms = gateway.now_ms()
    found = gateway.store.get(key, now_ms)
    check_preconditions(x, None if found is None else etag(gateway, found[2]))
    meta = b"%d %d " % (max_age, now_ms) + content_type
    version = gateway.store.put(key, body, meta, min(max_age * 1000, limits.CACHE_TTL_MS), now_ms)
    if not version:
        raise Problem(413, "value_too_large")
    if second is not None:
        second.changed(key)
    return Response(201 if found is None else 204, b"", b"", [(b"ETag", etag(gateway, version))])


async def delete(x: "Exchange", params: "dict[str, str]") -> Response:
    key = _admit(x, params, "write")
    gateway = x.gateway
    second = gateway.second
    if second is not None:
        await second.fetch((key,))
    now_ms = gateway.now_ms()
    found = gateway.store.get(key, now_ms)
    if found is None:
        raise Problem(404, "not_cached")
    check_preconditions(x, etag(gateway, found[2]))
    gateway.store.delete(key, now_ms)
    if second is not None:
        second.changed(key)
    return Response(204)
