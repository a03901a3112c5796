"""What is sent to every server: tokens, messages right and wrong, and the files the loaders read them from."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).resolve().parent / "telemetry.schema.json"
CLIENTS = 64
SECRET = b"a secret of the bench, which guards nothing but loopback"
RATE, BURST = 100_000, 1_000_000  # of each client and second: no server may refuse a load for its rate
LIMITED_BURST = 5  # of the stream `limited`, which has one message per second
TOKEN_S = 86_400
SCOPES = "publish:telemetry publish:limited publish:durable cache:read cache:write"
CACHE_KEY = "state-pump"  # one segment: peers route it so
VALUE = json.dumps(
    {"mode": "auto", "setpoint_c": 21.5, "fan": 3, "since": 1764338400, "by": "operator-7", "note": "n" * 7}
)


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(sub: str, *, secret: bytes = SECRET, ttl_s: int = TOKEN_S, **claims: object) -> str:
    body = {
        "iss": "headgate",
        "aud": "headgate",
        "sub": sub,
        "exp": int(time.time()) + ttl_s,
        "scope": SCOPES,
        **claims,
    }
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in ({"alg": "HS256", "typ": "JWT"}, body)]
    signed = b".".join(map(_base64url, parts))
    return (signed + b"." + _base64url(hmac.new(secret, signed, hashlib.sha256).digest())).decode()


def message(number: int) -> "dict[str, Any]":
    """A valid one of about 250 bytes."""
    return {
        "device": f"pump-{number}",
        "ts": 1764338400 + number,
        "seq": 41000 + number,
        "temperature_c": 21.75 + number % 10,
        "humidity_pct": 48.2,
        "pressure_hpa": 1013.25,
        "battery_mv": 3712 + number,
        "status": ("ok", "degraded", "failed")[number % 3],
        "location": {"lat": 52.5163, "lon": 13.3777},
        "firmware": "1.4.2",
        "tags": ["roof", "north", "line-2"],
    }


def encode(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def invalid() -> "dict[str, bytes]":
    """Bodies that are wrong in one place each."""
    wrong = {
        "temperature over its maximum": {"temperature_c": 85.5},
        "battery below its minimum": {"battery_mv": -1},
        "device against its pattern": {"device": "PUMP-1"},
        "firmware against its pattern": {"firmware": "1.4"},
        "status none of its values": {"status": "broken"},
        "ts a text": {"ts": "1764338400"},
        "latitude over its maximum": {"location": {"lat": 90.5, "lon": 0}},
        "longitude missing": {"location": {"lat": 0}},
        "too many tags": {"tags": ["t"] * 9},
        "a tag too long": {"tags": ["t" * 17]},
        "a member too many": {"owner": "nobody"},
    }
    bodies = {name: encode({**message(1), **change}) for name, change in wrong.items()}
    bodies["a member missing"] = encode({name: value for name, value in message(1).items() if name != "seq"})
    bodies["cut"] = encode(message(1))[:-1]
    bodies["two documents"] = encode(message(1)) + b"{}"
    return bodies


def request(method: str, path: str, bearer: str, body: "bytes | None" = None, *, close: bool = False) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {bearer}"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


@dataclass(frozen=True)
class Material:
    """Files in the scratch folder: secrets, a certificate, and requests as the loaders want them."""

    folder: Path
    tokens: "list[str]"

    def file(self, name: str) -> Path:
        return self.folder / name

    @property
    def secret(self) -> Path:
        return self.folder / "secret"

    def stream_file(self, stream: str, *, close: bool = False) -> Path:
        return self.file(f"{stream}{'-close' if close else ''}.requests")


def _write_requests(path: Path, requests: "list[bytes]") -> None:
    path.write_bytes(b"".join(b"%d\n%b" % (len(one), one) for one in requests))


def prepare(folder: Path) -> Material:
    made = Material(folder, [token(f"pump-{i}") for i in range(CLIENTS)])
    made.secret.write_bytes(SECRET)
    ours = made.file("secret.key")  # as `headgate keys` writes them
    ours.write_bytes(_base64url(SECRET) + b"\n")
    ours.chmod(0o600)
    bodies = [encode(message(i)) for i in range(CLIENTS)]
    for stream in ("telemetry", "durable"):
        for close in (False, True):
            path = f"/v1/streams/{stream}"
            rows = [request("POST", path, made.tokens[i], bodies[i], close=close) for i in range(CLIENTS)]
            _write_requests(made.stream_file(stream, close=close), rows)
    made.file("message").write_bytes(bodies[0])
    key = CACHE_KEY
    _write_requests(made.file("get.requests"), [request("GET", f"/v1/cache/{key}", one) for one in made.tokens])
    value, route = VALUE.encode(), "/v1/validate/telemetry"
    made.file("value").write_bytes(value)
    _write_requests(made.file("put.requests"), [request("PUT", f"/v1/cache/{key}", one, value) for one in made.tokens])
    checked = [request("POST", route, made.tokens[i], bodies[i]) for i in range(CLIENTS)]
    _write_requests(made.file("validate.requests"), checked)
    setting = b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key.encode(), len(value), value)
    _write_requests(made.file("redis-set.requests"), [setting])
    _write_requests(made.file("redis.requests"), [b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key.encode())])
    return made
