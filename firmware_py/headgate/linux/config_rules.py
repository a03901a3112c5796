"""Every key of headgate.toml, once: name, type, default, meaning, and what happens at its limit.

The sections are what the rest of the program reads; each has the rules that `linux/config.py` checks a file by and that
docs/configuration.md is tested against. A field's name says its unit where
the TOML key leaves it to the value: `idle_timeout = "75 s"` becomes `idle_ms`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from headgate import limits
from headgate.linux import config_values as v
from headgate.linux.config_values import Address, BrokerURL, Context, Kind, RedisURL
from headgate.linux.record import REQUIRED, Record

KIB, MIB, GIB = 1024, 1024**2, 1024**3
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000  # milliseconds
YEAR = 365 * DAY
LAST_TTL_MAX = 2_000_000_000  # milliseconds, about 23 days: fits a small integer on 32-bit MicroPython


@dataclass(frozen=True, slots=True)
class Rule:
    """One key: how it is written (`default` in TOML spelling; None: optional, see `meaning`) and read."""

    key: str
    kind: Kind
    default: object
    meaning: str
    at_limit: str


def key(name: str, kind: Kind, default: object, meaning: str, at_limit: str = "") -> Any:
    """A field of a section, read from the TOML key `name`."""
    return Rule(name, kind, default, meaning, at_limit)


class Section(Record):
    """A table of the file. Fields that are no `key` do not stand in it."""

    RULES: ClassVar[dict[str, tuple[str, Rule]]] = {}  # TOML key -> (field name, rule), in the order of the fields

    def __init_subclass__(cls) -> None:
        rules = {name: rule for name, rule in vars(cls).items() if isinstance(rule, Rule)}
        cls.RULES = {rule.key: (name, rule) for name, rule in rules.items()}
        for name, rule in rules.items():
            absent = rule.default is None or rule.default is REQUIRED
            setattr(cls, name, rule.default if absent else rule.kind.read(rule.default, Context(Path(), Path())))
        super().__init_subclass__()


class Appliance(Section):
    """[appliance]"""

    id: str | None = key(
        "id",
        v.name(),
        None,
        "Name of this appliance: part of every message id and topic. Keep it for life. Default: a random one, made at "
        "the first start and kept in the state directory.",
    )
    state_dir: Path | None = key(
        "state_dir",
        v.path(),
        None,
        "Where keys, outbox and boot counter live. Default: `$HEADGATE_STATE`, else `/var/lib/headgate` when it is "
        "writable (or root can create it), else `~/.local/state/headgate`.",
        "A directory that cannot be used stops the start with exit code 6.",
    )


class Listen(Section):
    """[listen]"""

    http: tuple[Address, ...] = key(
        "http",
        v.addresses(),
        "0.0.0.0:8080",
        "Addresses for plain HTTP/1.1. `[]` listens on none.",
        "An address that is taken stops the start with exit code 5.",
    )
    https: tuple[Address, ...] = key(
        "https", v.addresses(), [], "Addresses for HTTP/1.1 over TLS; need `tls_cert` and `tls_key`."
    )
    http2: bool = key(
        "http2",
        v.switch(),
        False,
        "HTTP/2 beside HTTP/1.1 on all of these addresses: by prior knowledge (h2c) on `http`, by ALPN on `https`. "
        "gRPC comes with it. Native backend only, built with libnghttp2; each connection takes 26 KB more of memory "
        "while it speaks it.",
        "32 requests at a time on one connection; floods of frames end it.",
    )
    mqtt: tuple[Address, ...] = key(
        "mqtt", v.addresses(), [], "Addresses where devices may publish over MQTT 3.1.1 and 5 ([MQTT](#mqtt))."
    )
    mqtts: tuple[Address, ...] = key(
        "mqtts",
        v.addresses(),
        [],
        "The same over TLS; need `tls_cert` and `tls_key`, and know clients as `https` does.",
    )
    tls_cert: Path | None = key("tls_cert", v.path(), None, "Certificate chain, PEM.")
    tls_key: Path | None = key("tls_key", v.path(), None, "Its private key, PEM, mode 0600.")
    tls_client_ca: Path | None = key(
        "tls_client_ca",
        v.path(),
        None,
        "CA certificates that may vouch for clients, PEM. If revocation lists stand in it as well, they are obeyed.",
        "The handshake fails with a certificate of another CA, or one that is expired or revoked.",
    )
    tls_client_auth: str | None = key(
        "tls_client_auth",
        v.choice("none", "optional", "required"),
        None,
        "Are clients asked for a certificate? `optional`: one without may still bring a token. Default: `optional` "
        "with `tls_client_ca`, else `none`.",
        "`required`: the handshake fails without one.",
    )
    tls_client_identity: str = key(
        "tls_client_identity",
        v.choice("cn", "san-dns"),
        "cn",
        "What of the certificate is the client's name, as a token's `sub` would be: the subject's common name, or the "
        "DNS name (in lower case) of subjectAltName. There must be exactly one, of 1 to 64 letters, digits, `.` `_` "
        "`~` `-`.",
        "The connection is closed when there is no such name.",
    )
    tls_client_scopes: tuple[str, ...] = key(
        "tls_client_scopes",
        v.scopes(),
        [],
        'What clients may do by their certificate alone, without a token: scopes such as `"publish:*"`. Needed with '
        "`tls_client_ca`. A request with `Authorization` is judged by its token only.",
        "403 for what no scope allows.",
    )
    connections: int = key(
        "connections",
        v.integer(1, 65536),
        limits.CONNECTIONS,
        "Connections open at a time, over all addresses, TLS handshakes included; "
        "fewer if the system allows fewer open files.",
        "One more is answered 503 and closed, many more are just closed.",
    )
    idle_ms: int = key(
        "idle_timeout",
        v.duration(100, DAY),
        v.show_duration(limits.IDLE_MS),
        "How long a connection may stay open without a request.",
        "It is closed.",
    )
    head_ms: int = key(
        "head_timeout",
        v.duration(100, HOUR),
        v.show_duration(limits.HEAD_MS),
        "From the first byte of a request's head to its end.",
        "408, and the connection is closed.",
    )
    body_ms: int = key(
        "body_timeout",
        v.duration(100, HOUR),
        v.show_duration(limits.BODY_MS),
        "Without any byte of a body that was announced.",
        "408, and the connection is closed.",
    )
    drain_ms: int = key(
        "drain_timeout",
        v.duration(0, 10 * MINUTE),
        "10 s",
        "After SIGTERM: how long requests under way may take to finish.",
        "Connections still open are cut; what was acknowledged is safe.",
    )
    mqtt_connections: int = key(
        "mqtt_connections",
        v.integer(1, 65536),
        limits.MQTT_CONNECTIONS,
        "MQTT connections open at a time, over all addresses, beside `connections`; "
        "fewer if the system allows fewer open files.",
        "One more is told that the server is busy, many more are just closed.",
    )
    mqtt_keepalive_ms: int = key(
        "mqtt_keepalive",
        v.duration(SECOND, 18 * HOUR),
        v.show_duration(limits.MQTT_KEEP_ALIVE_MS),
        "The longest keep alive of an MQTT client; one that asks for more, or for none, has this one (and hears so in "
        "MQTT 5).",
        "A client that is silent for one and a half times its keep alive is disconnected.",
    )
    metrics: str = key(
        "metrics",
        v.choice("open", "scope"),
        "open",
        "Who may read `/metrics`: anybody, or tokens with the scope `metrics:read`.",
        "401 or 403 without such a token.",
    )

    @property
    def tls(self) -> bool:
        """Is there a listener with TLS?"""
        return bool(self.https or self.mqtts)

    @property
    def client_auth(self) -> str:
        """none | optional | required"""
        return self.tls_client_auth or ("optional" if self.tls_client_ca is not None else "none")


class Issuer(Section):
    """[[issuer]]"""

    name: str = key("name", v.text(), REQUIRED, "The tokens' `iss`, compared exactly.")
    audience: str = key(
        "audience", v.text(), "headgate", "Must be in the tokens' `aud`.", "401 for tokens made for somebody else."
    )
    secret_file: Path | None = key(
        "secret_file",
        v.path(),
        None,
        "HS256: a file with the shared secret, mode 0600. `headgate run` creates it when it is missing. "
        "One of `secret_file`, `public_keys`, `jwks_file` is needed.",
    )
    public_keys: tuple[Path, ...] | None = key(
        "public_keys",
        v.paths(),
        None,
        "EdDSA: files with one Ed25519 public key each, made by `headgate keys init --eddsa`. Not on MicroPython.",
    )
    jwks_file: Path | None = key(
        "jwks_file", v.path(), None, "A JSON Web Key Set (RFC 7517) with HS256 (`oct`) or EdDSA (`OKP`) keys."
    )
    clock_policy: str = key(
        "clock_policy",
        v.choice("estimate", "refuse", "accept"),
        "estimate",
        "Tokens while the clock is not trusted (no NTP yet): judge them by an estimated clock and refuse them while it "
        "shows a time long past, refuse all, or accept those not expired at the last known good time.",
        "401 with the reason.",
    )
    leeway_s: int = key(
        "leeway",
        v.duration(0, HOUR, unit_ms=1000),
        "30 s",
        "Tolerance for clocks that differ, on `exp`, `nbf` and `iat`.",
    )
    max_ttl_s: int = key(
        "max_ttl",
        v.duration(MINUTE, 10 * YEAR, unit_ms=1000, zero="any"),
        "0 s",
        "The longest `exp - iat` accepted; 0 s accepts any.",
        "401 for tokens that live longer.",
    )
    revoked: tuple[str, ...] = key(
        "revoked",
        v.texts(limits.REVOKED),
        [],
        "Tokens that are refused from now on, by their `jti`; `headgate token --verify` shows it. A token without "
        "`jti` cannot be revoked. Takes effect at the start or reload.",
        "401.",
    )
    revoked_file: Path | None = key(
        "revoked_file",
        v.path(),
        None,
        f"More of them: a text file with one `jti` a line, read at the start and at each reload; {limits.REVOKED} with "
        "those of `revoked`.",
        "The start or reload is refused when there are more, or a line is none.",
    )


class Stream(Section):
    """[streams.NAME]"""

    name: str
    schema: Path | None = key(
        "schema",
        v.schema_path(),
        None,
        'JSON Schema 2020-12 that every message must meet; `"builtin:weather"` is the one of the demo. Without it, '
        "any well-formed JSON or CBOR is accepted (with a warning).",
        "422 with a JSON Pointer for each violation. A keyword that cannot be enforced is refused when loading.",
    )
    rate_milli: int = key(
        "rate", v.rate(), "10/s", "Messages per client (token `sub`).", "429 with `Retry-After` and `RateLimit`."
    )
    burst: int | None = key(
        "burst",
        v.integer(1, 1_000_000),
        None,
        "Messages a client that was quiet may send at once. Default: two seconds of `rate`, at least 1.",
        "429.",
    )
    body_limit: int = key(
        "body_limit",
        v.size(1, limits.HTTP_BODY),
        "64 KiB",
        "One message, or one record of a batch.",
        "413.",
    )
    durability: str = key(
        "durability",
        v.choice("fsync", "memory"),
        "fsync",
        "`fsync`: answered after the commit is on disk. `memory`: answered at once, unless the disk is far behind; a "
        "power cut loses what was not committed yet. MicroPython has only `memory`.",
    )
    cache_key: str | None = key(
        "cache_key",
        v.pointer(),
        None,
        "JSON pointer to the part of the message that names its sender, for `GET …/last/{client}`. Default: the "
        "token's `sub`.",
        "A message that has no text or integer there is accepted, and is nobody's last value.",
    )
    last_ttl_ms: int = key(
        "last_ttl",
        v.duration(SECOND, LAST_TTL_MAX, zero="kept until evicted"),
        "0 s",
        "How long a last value is served.",
        "404 afterwards.",
    )
    topic: str = key(
        "topic",
        v.topic("appliance", "stream", "client"),
        "headgate/{appliance}/{stream}/{client}",
        'MQTT topic of each message when `uplink.mode = "json"`.',
    )


class Cache(Section):
    """[cache]"""

    bytes: int = key(
        "bytes",
        v.size(0, 1900 * MIB),
        v.show_size(limits.CACHE_BYTES),
        "Memory for last values and the key-value cache together, keys and overhead counted.",
        "Entries that were not asked for again go first (SIEVE).",
    )
    value_limit: int = key(
        "value_limit", v.size(1, limits.HTTP_BODY), v.show_size(limits.CACHE_VALUE), "One value.", "413."
    )
    entries: int = key(
        "entries", v.integer(1, 1_000_000), limits.CACHE_ENTRIES, "Entries.", "Eviction, as for `bytes`."
    )
    rate_milli: int = key(
        "rate",
        v.rate(),
        "100/s",
        "Cache requests per client, reads and writes together; of a request for several keys, each counts.",
        "429.",
    )
    burst: int | None = key(
        "burst", v.integer(1, 1_000_000), None, "As for a stream. Default: two seconds of `rate`, at least 1.", "429."
    )
    snapshot_ms: int = key(
        "snapshot",
        v.duration(SECOND, DAY, zero="nothing is kept"),
        "0 s",
        "How often the cache is written to the state directory, if it has changed; `5 min` is a good choice. It is "
        "also written at a clean stop, and read at the start.",
        "A full disk: the old file stays, one line in the log.",
    )


class Redis(Section):
    """[redis]"""

    url: RedisURL | None = key(
        "url", v.redis(), None, "The server; `rediss` is TLS. Without it the cache is the appliance's own."
    )
    username: str | None = key("username", v.text(), None, "Its ACL user. Default, with a password: `default`.")
    password_file: Path | None = key("password_file", v.path(), None, "A file with the password, mode 0600.")
    ca_file: Path | None = key(
        "ca_file", v.path(), None, "CA certificates that may vouch for the server, PEM. Default: the system's."
    )
    cert_file: Path | None = key("cert_file", v.path(), None, "Client certificate, PEM; together with `key_file`.")
    key_file: Path | None = key("key_file", v.path(), None, "Its private key, PEM, mode 0600.")
    namespace: str = key(
        "namespace",
        v.name(),
        "fleet",
        "Appliances with the same one share their entries. A key's name at the server is `headgate:NAMESPACE:KEY`.",
    )
    wait_ms: int = key(
        "timeout",
        v.duration(1, SECOND),
        v.show_duration(limits.SHARED_WAIT_MS),
        "How long a request may wait for the server; so fast must it answer before it is used.",
        "The request is answered from what is here; "
        f"{limits.SHARED_FAILURES} in a row, and the server is left alone for a while.",
    )
    missing_ms: int = key(
        "missing_ttl",
        v.duration(100, HOUR, zero="not at all"),
        v.show_duration(limits.SHARED_MISSING_MS),
        "How long a key that the server does not have is believed to be missing, unless it tells that it came.",
        "It is asked again.",
    )


class Outbox(Section):
    """[outbox]"""

    bytes: int = key(
        "bytes",
        v.size(MIB, 1024 * GIB),
        "256 MiB",
        "Disk space for accepted messages that were not delivered yet.",
        "As `when_full` says.",
    )
    hours: int = key(
        "hours",
        v.integer(1, 87_600),
        168,
        "The age at which an undelivered message is given up.",
        "It is deleted and counted as expired in the ledger.",
    )
    when_full: str = key(
        "when_full",
        v.choice("reject", "drop-oldest"),
        "reject",
        "At the budget: refuse new messages, or delete the oldest ones and count them as dropped.",
        "`reject`: 503 with `Retry-After`.",
    )
    batch_records: int = key(
        "batch_records", v.integer(1, 10_000), limits.BATCH_RECORDS, "Messages of one commit.", "The batch is written."
    )
    batch_bytes: int = key(
        "batch_bytes",
        v.size(KIB, 16 * MIB),
        v.show_size(limits.BATCH_BYTES),
        "Bytes of one commit, before compression.",
        "The batch is written.",
    )
    batch_linger_ms: int = key(
        "batch_linger",
        v.duration(0, SECOND),
        v.show_duration(limits.BATCH_LINGER_MS),
        "How long the first message of a batch waits for company, unless all that got their answers with the last one "
        "wait again. Longer saves writes and flash, and delays answers.",
        "The batch is written.",
    )


class Idempotency(Section):
    """[idempotency]"""

    hours: int = key(
        "hours",
        v.integer(1, 8760),
        limits.IDEMPOTENCY_HOURS,
        "How long an `Idempotency-Key` is remembered.",
        "Afterwards the same key counts as a new message.",
    )
    keys: int = key(
        "keys", v.integer(1, 10_000_000), limits.IDEMPOTENCY_KEYS, "Keys remembered.", "The oldest are forgotten first."
    )


class Uplink(Section):
    """[uplink]"""

    url: BrokerURL | None = key(
        "url", v.broker(), None, "The MQTT 5 broker; `mqtts` is TLS. Without it nothing is forwarded (with a warning)."
    )
    client_id: str | None = key(
        "client_id",
        v.text(128),
        None,
        "MQTT client id; must be unique at the broker. Default: `headgate-` and the appliance's id.",
    )
    username: str | None = key("username", v.text(), None, "Broker user.")
    password_file: Path | None = key("password_file", v.path(), None, "A file with the password, mode 0600.")
    ca_file: Path | None = key(
        "ca_file", v.path(), None, "CA certificates that may vouch for the broker, PEM. Default: the system's."
    )
    cert_file: Path | None = key("cert_file", v.path(), None, "Client certificate, PEM; together with `key_file`.")
    key_file: Path | None = key("key_file", v.path(), None, "Its private key, PEM, mode 0600.")
    mode: str = key(
        "mode",
        v.choice("json", "batch", "sealed"),
        "batch",
        "`json`: one MQTT message for each device message, on the stream's `topic`. `batch`: zstd-compressed CBOR "
        "batches. `sealed`: batches that only the holder of the receiver's private key can open.",
    )
    seal_to: bytes | None = key(
        "seal_to",
        v.public_key(),
        None,
        'The receiver\'s X25519 public key, the content of its `seal.pub`; needed when `mode = "sealed"`.',
    )
    topic: str = key(
        "topic",
        v.topic("appliance"),
        "headgate/{appliance}/batch",
        'MQTT topic of the batches when `mode` is `"batch"` or `"sealed"`.',
    )
    status_topic: str | None = key(
        "status_topic",
        v.topic("appliance"),
        None,
        "Where the retained words `online` and `offline` are published, the latter as the MQTT will; needs a broker "
        "that retains. Default: nowhere.",
    )
    keepalive_s: int = key(
        "keepalive",
        v.duration(5 * SECOND, 18 * HOUR, unit_ms=1000),
        "60 s",
        "MQTT keep-alive. Brokers want a whole packet within one and a half times this: on a slow line, a batch.",
        "A broker that is silent for longer, and takes nothing, is taken for dead; the uplink reconnects.",
    )
    inflight: int = key(
        "inflight",
        v.integer(1, 1000),
        limits.UPLINK_INFLIGHT,
        "MQTT messages published and not acknowledged yet.",
        "Publishing waits; messages stay in the outbox.",
    )
    ack_timeout_ms: int = key(
        "ack_timeout",
        v.duration(SECOND, HOUR),
        v.show_duration(limits.UPLINK_ACK_MS),
        "How long the same message may be the oldest that the broker has taken and not acknowledged.",
        "The connection is given up for a new one; unacknowledged messages are sent again, marked as replays.",
    )
    backoff_max_ms: int = key(
        "backoff_max",
        v.duration(SECOND, DAY),
        v.show_duration(limits.UPLINK_BACKOFF_MAX_MS),
        "The longest pause between two attempts to connect; pauses double up to it, with jitter.",
    )
    session_expiry_s: int = key(
        "session_expiry",
        v.duration(0, 49710 * DAY, unit_ms=1000),
        "24 h",
        "How long the broker keeps our session after a disconnect (MQTT 5).",
        "The session starts anew; nothing is lost, repeats are marked.",
    )


class Watchdog(Section):
    """[watchdog]"""

    device: Path | None = key(
        "device",
        v.path(),
        None,
        "A hardware watchdog to feed, such as `/dev/watchdog`. systemd's watchdog needs no setting.",
        "The board resets when the appliance hangs.",
    )
    timeout_s: int = key(
        "timeout",
        v.duration(2 * SECOND, 10 * MINUTE, unit_ms=1000),
        "15 s",
        "Timeout asked of the device; Raspberry Pi boards allow at most 15 s.",
        "The board resets.",
    )
    stall_s: int = key(
        "stall",
        v.duration(SECOND, 10 * MINUTE, unit_ms=1000),
        "10 s",
        "How long the event loop or a task may fail to make progress.",
        "The watchdogs are fed no more, and the stalled task is named in the log.",
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a configuration. `line` from 1, 0 when the file is meant as a whole; `key` dotted."""

    severity: str  # "error" | "warning"
    file: str
    line: int
    key: str
    message: str
    suggestion: str = ""

    def text(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        hint = f" (did you mean {self.suggestion}?)" if self.suggestion else ""
        return f"{place}: {self.key}: {self.message}{hint}" if self.key else f"{place}: {self.message}{hint}"

    def document(self) -> dict[str, object]:
        return {
            "severity": self.severity,
            "file": self.file,
            "line": self.line,
            "key": self.key,
            "message": self.message,
            "suggestion": self.suggestion,
        }


class Config(Record):
    """A whole configuration. `file` is None for the embedded defaults; `schemas` holds the parsed schema documents."""

    file: Path | None
    appliance_id: str  # empty: not configured; the outbox then knows
    state_dir: Path
    listen: Listen
    issuers: tuple[Issuer, ...]
    streams: dict[str, Stream]
    cache: Cache
    redis: Redis
    outbox: Outbox
    idempotency: Idempotency
    uplink: Uplink
    watchdog: Watchdog
    schemas: dict[str, object]  # stream -> schema document (core.json values)
    warnings: tuple[Finding, ...] = ()

    def client_id(self) -> str:
        return self.uplink.client_id or f"headgate-{self.appliance_id}"


def burst_of(section: Stream | Cache) -> int:
    """The configured burst, or two seconds of the rate, at least 1."""
    return section.burst if section.burst is not None else max(1, section.rate_milli * 2 // 1000)


# TOML name -> (its class, how it is repeated)
SECTIONS: dict[str, tuple[type[Section], str]] = {
    "appliance": (Appliance, "table"),
    "listen": (Listen, "table"),
    "issuer": (Issuer, "array"),
    "streams": (Stream, "named"),
    "cache": (Cache, "table"),
    "redis": (Redis, "table"),
    "outbox": (Outbox, "table"),
    "idempotency": (Idempotency, "table"),
    "uplink": (Uplink, "table"),
    "watchdog": (Watchdog, "table"),
}
