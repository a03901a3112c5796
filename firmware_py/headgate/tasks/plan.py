"""The compiled plan: what the gateway executes. It knows no configuration syntax.

`linux/config.py` compiles headgate.toml into the plain JSON document described here; `build` turns that document into
objects, on CPython and MicroPython alike, and refuses what this interpreter or sink cannot do. A reload builds a new
`Plan` and assigns it to `Gateway.plan`; requests already under way finish on the one they started with, but for the
token of a long one (tasks/access.py).

The document (every value is JSON; integers only; a key not listed is refused; *required*, others with their default):

    {
      "v": 1,                                *required*
      "appliance": "gate-1",                 *required*  1..64 of A-Z a-z 0-9 . _ -
      "issuers": [                           []; no issuer: every request that needs a token gets 401
        {
          "name": "https://issuer.example",  *required*  compared with `iss`
          "audience": "headgate",            *required*  must be (in) `aud`
          "clock_policy": "estimate",        "estimate" | "refuse" | "accept": core/jwt.py, Issuer
          "leeway_s": 30,                    0..3600
          "max_ttl_s": 0,                    0..315360000; longest exp - iat; 0 = any
          "revoked": [],                     up to limits.REVOKED values of `jti` that are refused
          "keys": [                          *required*, at least one
            {"kid": "k1", "alg": "HS256", "k": "<secret>"},         alg "HS256" | "EdDSA"; k: base64url without padding,
            {"kid": "k2", "alg": "EdDSA", "k": "<public key>"}      HS256: the secret, 32..128 bytes; EdDSA: 32 bytes
          ]
        }
      ],
      "streams": {
        "weather": {                         1..64 of A-Z a-z 0-9 . _ -
          "schema": {…} | true | null,       null: any well-formed message
          "rate_milli": 10000,               1..1000000000: messages per 1000 s and client
          "burst": 20,                       1..1000000 messages
          "body_limit": 65536,               1..limits.HTTP_BODY: bytes of one message, or of one record of a batch
          "durability": "fsync",             "fsync" | "memory"
          "cache_key": "",                   JSON pointer of the last value's key in the message; "": the token's `sub`
          "topic": "",                       MQTT topic template, for the uplink; "" = its default
          "last_ttl_ms": 0                   0..2000000000: how long a last value is kept; 0 = until evicted
        }
      },
      "cache": {
        "bytes": limits.CACHE_BYTES,         budget of last values and the key-value cache together
        "value_limit": limits.CACHE_VALUE,   bytes of one value
        "entries": limits.CACHE_ENTRIES,
        "rate_milli": 100000, "burst": 200   per client, reads and writes together
      },
      "limits": {
        "connections": limits.CONNECTIONS,
        "idle_ms": limits.IDLE_MS, "head_ms": limits.HEAD_MS, "body_ms": limits.BODY_MS
      },
      "certificate_scopes": [],              what a client may do by its TLS certificate, without a token; [] = nothing
      "metrics": "open"                      "open" | "scope": /metrics needs a token with scope metrics:read
    }
"""

from headgate import limits
from headgate.core import base64url, jwt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate._accel import Schema

VERSION = 1
_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
_NAME_MAX = 64
_RATE_MAX = 1000000000
_BURST_MAX = 1000000
_MS_MAX = 2000000000
_HS256_MIN, _HS256_MAX = 32, 128  # bytes; RFC 7518 section 3.2 asks for at least the hash size
_ED25519 = 32  # bytes of a public key, RFC 8032 section 5.1.5


class PlanError(ValueError):
    """A plan this appliance cannot execute. `where` is a dotted path into the document, `reason` one clear sentence."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason


class StreamPlan:
    """What is done with a message of one stream. `cache_key`: reference tokens of the JSON pointer, None = `sub`."""

    __slots__ = (
        "body_limit",
        "burst",
        "cache_key",
        "durable",
        "last_ttl_ms",
        "name",
        "rate_milli",
        "schema",
        "topic",
    )

    name: str
    schema: "Schema"
    rate_milli: int
    burst: int
    body_limit: int
    durable: bool
    cache_key: "list[str] | None"
    topic: str
    last_ttl_ms: int


class Plan:
    """Everything the gateway asks for, checked. Read only once built."""

    __slots__ = (
        "appliance",
        "body_ms",
        "cache_burst",
        "cache_bytes",
        "cache_entries",
        "cache_rate_milli",
        "cache_value",
        "certificate_scopes",
        "connections",
        "head_ms",
        "idle_ms",
        "metrics_open",
        "streams",
        "verifier",
    )

    appliance: str
    streams: "dict[str, StreamPlan]"
    verifier: "jwt.Verifier"
    cache_bytes: int
    cache_value: int
    cache_entries: int
    cache_rate_milli: int
    cache_burst: int
    certificate_scopes: "tuple[str, ...]"
    connections: int
    idle_ms: int
    head_ms: int
    body_ms: int
    metrics_open: bool


class _Reader:
    """One object of the document: typed access by key, and a refusal of the keys nobody asked for."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise PlanError(where, "must be an object")
        self.value = value
        self.where = where
        self.asked: list[str] = []

    def at(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def get(self, key: str) -> object:
        self.asked.append(key)
        return self.value.get(key)

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        value = self.get(key)
        if value is None and key not in self.value:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise PlanError(self.at(key), f"must be an integer from {low} to {high}")
        return value

    def text(self, key: str, default: "str | None" = None) -> str:
        value = self.get(key)
        if value is None and key not in self.value and default is not None:
            return default
        if not isinstance(value, str) or (default is None and not value):
            raise PlanError(self.at(key), "must be a string" if default is not None else "must be a non-empty string")
        return value

    def choice(self, key: str, choices: "tuple[str, ...]") -> str:
        value = self.text(key, choices[0])
        if value not in choices:
            raise PlanError(self.at(key), 'must be "' + '" or "'.join(choices) + '"')
        return value

    def section(self, key: str) -> "_Reader":
        value = self.get(key)
        return _Reader({} if value is None else value, self.at(key))

    def items(self, key: str) -> "list[object]":
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise PlanError(self.at(key), "must be an array")
        return value

    def done(self) -> None:
        for key in self.value:
            if key not in self.asked:
                raise PlanError(self.at(str(key)), "unknown key")


def is_name(text: str) -> bool:
    """True for what an appliance or a stream may be called; such names need no escaping in URLs, topics or scopes.

    Not "." and "..": clients resolve them as path segments (RFC 3986 section 5.2.4)."""
    return 0 < len(text) <= _NAME_MAX and not text.strip(_NAME) and text not in (".", "..")


def parse_pointer(text: str) -> "list[str]":
    """RFC 6901: reference tokens of a JSON pointer. Raises ValueError for what is none."""
    if text and text[0] != "/":
        raise ValueError("a JSON pointer starts with /")
    tokens = []
    for token in text.split("/")[1:]:
        if "~" in token.replace("~0", "").replace("~1", ""):
            raise ValueError("~ is written ~0, and / is written ~1")
        tokens.append(token.replace("~1", "/").replace("~0", "~"))
    return tokens


def _key(value: object, where: str, can_eddsa: bool) -> "jwt.Key":
    reader = _Reader(value, where)
    kid = reader.text("kid")
    alg = reader.choice("alg", ("HS256", "EdDSA"))
    try:
        secret = base64url.decode(reader.text("k").encode())
    except ValueError as error:
        raise PlanError(reader.at("k"), str(error)) from None
    if alg == "EdDSA":
        if not can_eddsa:
            raise PlanError(reader.at("alg"), "EdDSA is not available on this interpreter; use HS256")
        if len(secret) != _ED25519:
            raise PlanError(reader.at("k"), f"an Ed25519 public key has {_ED25519} bytes")
    elif not _HS256_MIN <= len(secret) <= _HS256_MAX:
        raise PlanError(reader.at("k"), f"an HS256 secret has {_HS256_MIN} to {_HS256_MAX} bytes")
    reader.done()
    return jwt.Key(kid, alg, secret)


def _issuer(value: object, where: str, can_eddsa: bool) -> "jwt.Issuer":
    reader = _Reader(value, where)
    name = reader.text("name")
    audience = reader.text("audience")
    policy = reader.choice("clock_policy", jwt.CLOCK_POLICIES)
    leeway_s = reader.integer("leeway_s", 30, 0, 3600)
    max_ttl_s = reader.integer("max_ttl_s", 0, 0, 315360000)
    revoked = reader.items("revoked")
    if len(revoked) > limits.REVOKED:
        raise PlanError(f"{where}.revoked", f"has more than {limits.REVOKED} entries")
    for jti in revoked:
        if not isinstance(jti, str):
            raise PlanError(f"{where}.revoked", "must be an array of strings")
    keys = []
    kids: list[str] = []
    for index, item in enumerate(reader.items("keys")):
        key = _key(item, f"{where}.keys[{index}]", can_eddsa)
        if key.kid in kids:
            raise PlanError(f"{where}.keys[{index}].kid", "used twice by this issuer")
        kids.append(key.kid)
        keys.append(key)
    if not keys:
        raise PlanError(f"{where}.keys", "needs at least one key")
    reader.done()
    return jwt.Issuer(
        name,
        audience,
        keys,
        leeway_s=leeway_s,
        clock_policy=policy,
        max_ttl_s=max_ttl_s,
        revoked=revoked,  # type: ignore[arg-type]
    )


def _stream(name: str, value: object, where: str, can_fsync: bool) -> StreamPlan:
    reader = _Reader(value, where)
    stream = StreamPlan()
    stream.name = name
    from headgate._accel import Schema, SchemaError  # noqa: PLC0415 - here, where a missing native core is a failure

    document = reader.get("schema")
    if document is None:
        document = True  # any well-formed message
    if not isinstance(document, (bool, dict)):
        raise PlanError(reader.at("schema"), "a schema must be an object or a boolean")
    try:
        stream.schema = Schema(document, unknown="refuse")
    except SchemaError as error:
        raise PlanError(reader.at("schema"), f"{error.reason} at {error.pointer or '/'}") from None
    stream.rate_milli = reader.integer("rate_milli", 10000, 1, _RATE_MAX)
    stream.burst = reader.integer("burst", 20, 1, _BURST_MAX)
    stream.body_limit = reader.integer("body_limit", min(65536, limits.HTTP_BODY), 1, limits.HTTP_BODY)
    stream.durable = reader.choice("durability", ("fsync", "memory")) == "fsync"
    if stream.durable and not can_fsync:
        raise PlanError(reader.at("durability"), 'there is no outbox here; say durability = "memory"')
    pointer = reader.text("cache_key", "")
    try:
        stream.cache_key = parse_pointer(pointer) if pointer else None
    except ValueError as error:
        raise PlanError(reader.at("cache_key"), str(error)) from None
    stream.topic = reader.text("topic", "")
    stream.last_ttl_ms = reader.integer("last_ttl_ms", 0, 0, _MS_MAX)
    reader.done()
    return stream


def build(
    document: object, ed25519_verify: "Callable[[bytes, bytes, bytes], bool] | None" = None, fsync: bool = True
) -> Plan:
    """The document above -> Plan. Raises PlanError, naming the first thing wrong.

    `ed25519_verify(public_key, message, signature)`: None where there is none (MicroPython); then EdDSA keys are
    refused. `fsync`: False when the sink keeps nothing on disk (tasks.sink.MemorySink); then durable streams are.
    """
    reader = _Reader(document, "")
    if reader.get("v") != VERSION:
        raise PlanError("v", f"must be {VERSION}: this plan was made for another version of Headgate")
    plan = Plan()
    plan.appliance = reader.text("appliance")
    if not is_name(plan.appliance):
        raise PlanError("appliance", f"must be 1 to {_NAME_MAX} letters, digits or . _ -")
    issuers: list[jwt.Issuer] = []
    for index, item in enumerate(reader.items("issuers")):
        issuer = _issuer(item, f"issuers[{index}]", ed25519_verify is not None)
        for other in issuers:
            if other.name == issuer.name:
                raise PlanError(f"issuers[{index}].name", "used twice")
        issuers.append(issuer)
    from headgate._accel import Verifier  # noqa: PLC0415 - as in _stream

    plan.verifier = Verifier(issuers, ed25519_verify)
    plan.streams = {}
    streams = reader.section("streams")
    for name in streams.value:
        if not isinstance(name, str) or not is_name(name):
            raise PlanError(f"streams.{name}", f"a stream's name is 1 to {_NAME_MAX} letters, digits or . _ -")
        plan.streams[name] = _stream(name, streams.get(name), f"streams.{name}", fsync)
    cache = reader.section("cache")
    plan.cache_bytes = cache.integer("bytes", limits.CACHE_BYTES, 0, _MS_MAX)
    plan.cache_value = cache.integer("value_limit", min(limits.CACHE_VALUE, limits.HTTP_BODY), 1, limits.HTTP_BODY)
    plan.cache_entries = cache.integer("entries", limits.CACHE_ENTRIES, 1, 1000000)
    plan.cache_rate_milli = cache.integer("rate_milli", 100000, 1, _RATE_MAX)
    plan.cache_burst = cache.integer("burst", 200, 1, _BURST_MAX)
    cache.done()
    bounds = reader.section("limits")
    plan.connections = bounds.integer("connections", limits.CONNECTIONS, 1, 65536)
    plan.idle_ms = bounds.integer("idle_ms", limits.IDLE_MS, 1, _MS_MAX)
    plan.head_ms = bounds.integer("head_ms", limits.HEAD_MS, 1, _MS_MAX)
    plan.body_ms = bounds.integer("body_ms", limits.BODY_MS, 1, _MS_MAX)
    bounds.done()
    scopes = []
    for index, item in enumerate(reader.items("certificate_scopes")):
        if not isinstance(item, str) or not item:
            raise PlanError(f"certificate_scopes[{index}]", "must be a non-empty string")
        scopes.append(item)
    plan.certificate_scopes = tuple(scopes)
    plan.metrics_open = reader.choice("metrics", ("open", "scope")) == "open"
    reader.done()
    return plan
