"""Nobody is measured who does not check: the same questions to every server, and one wrong answer ends the run."""

import http.client
import json
import socket
import time
from collections.abc import Sequence

from . import load, messages
from .servers import Running

TIMEOUT_S = 10.0
REFUSED_BODY, TOO_MANY = (400, 422), 429
EXPIRES_S = 3.5  # the token of `_judges` has expired after that, leeway and rounding included
PUBLISH, CACHED = "/v1/streams/telemetry", f"/v1/cache/{messages.CACHE_KEY}"


class WrongVerdict(Exception):
    """A faster wrong answer is worth nothing."""


class _Asking:
    def __init__(self, running: Running) -> None:
        self.name = running.server.name
        self.port = running.port

    def ask(self, method: str, path: str, bearer: "str | None", body: "bytes | None" = None) -> "tuple[int, bytes]":
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        fields = {"Content-Type": "application/json"} if body is not None else {}
        if bearer is not None:
            fields["Authorization"] = f"Bearer {bearer}"
        try:
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise WrongVerdict(f"{self.name}: no answer to {method} {path}: {error!r}") from None
        finally:
            connection.close()

    def expect(  # noqa: PLR0913, PLR0917 - reads as a sentence
        self, what: str, wanted: "tuple[int, ...]", method: str, path: str, bearer: "str | None",
               body: "bytes | None" = None) -> bytes:  # fmt: skip
        status, content = self.ask(method, path, bearer, body)
        if status not in wanted:
            raise WrongVerdict(f"{self.name}: {what}: {status} instead of {' or '.join(map(str, wanted))}")
        return content


def wrong_tokens() -> "dict[str, str | None]":
    good = messages.token("prover")
    head, claims, signature = good.split(".")
    other = "A" if signature[0] != "A" else "B"
    return {
        "no token": None,
        "another signature": f"{head}.{claims}.{other}{signature[1:]}",
        "another secret": messages.token("prover", secret=b"x" * 48),
        "expired": messages.token("prover", ttl_s=-3600),
        "another audience": messages.token("prover", aud="somebody"),
        "another issuer": messages.token("prover", iss="somebody"),
        "alg none": ".".join(["eyJhbGciOiJub25lIn0", claims, ""]),
        "no token at all": "none",
    }


def prove(all_running: "Sequence[Running]") -> None:
    """Every server that judges shows that it does; every server that keeps values is given one. Raises WrongVerdict."""
    expiring = []
    for running in all_running:
        if running.server.judges:
            expiring.append((running, _judges(running)))
            _has_cache(running)
        elif running.server.keeps:
            _keep_value(running)
    expired_at = time.monotonic() + EXPIRES_S
    while expiring and time.monotonic() < expired_at:  # a table of verified tokens must not forget that they expire
        time.sleep(0.05)
    for running, bearer in expiring:
        body = messages.encode(messages.message(1))
        _Asking(running).expect("a token accepted before, expired since", (401,), "POST", PUBLISH, bearer, body)


def _judges(running: Running) -> str:
    """-> a token it has accepted, which expires in EXPIRES_S."""
    asking = _Asking(running)
    prover, body = messages.token("prover"), messages.encode(messages.message(1))
    for _ in range(2):  # the second time from a table of verified tokens, where there is one
        receipt = json.loads(asking.expect("a valid message", (202,), "POST", PUBLISH, prover, body))
        if set(receipt) != {"seq", "durability"}:
            raise WrongVerdict(f"{running.server.name}: a receipt without its members")
    if running.server.durable:
        receipt = json.loads(asking.expect("a durable one", (202,), "POST", "/v1/streams/durable", prover, body))
        if receipt["durability"] != "fsync":
            raise WrongVerdict(f"{running.server.name}: a receipt that promises too little")
    for name, bearer in wrong_tokens().items():
        asking.expect(f"token: {name}", (401,), "POST", PUBLISH, bearer, body)
    no_scope = messages.token("prover", scope="cache:read")
    asking.expect("no scope for it", (403,), "POST", PUBLISH, no_scope, body)
    for name, wrong in messages.invalid().items():
        asking.expect(f"body: {name}", REFUSED_BODY, "POST", PUBLISH, prover, wrong)
    burst = messages.LIMITED_BURST
    limited = [asking.ask("POST", "/v1/streams/limited", prover, body)[0] for _ in range(burst + 3)]
    if limited[:burst] != [202] * burst or limited[-1] != TOO_MANY:
        raise WrongVerdict(f"{running.server.name}: the rate: {limited}")
    asking.expect("another client's rate", (202,), "POST", "/v1/streams/limited", messages.token("other"), body)
    short = messages.token("briefly", ttl_s=-28)  # within the leeway of 30 s, for two seconds more
    asking.expect("a token that is about to expire", (202,), "POST", PUBLISH, short, body)
    return short


def _has_cache(running: Running) -> None:
    asking, prover = _Asking(running), messages.token("prover")
    asking.expect("a miss", (404,), "GET", CACHED, prover)
    _keep_value(running)
    if asking.expect("a hit", (200,), "GET", CACHED, prover) != messages.VALUE.encode():
        raise WrongVerdict(f"{running.server.name}: another value than was kept")
    asking.expect("a hit without a token", (401,), "GET", CACHED, None)


def _keep_value(running: Running) -> None:
    """The value that loads of the cache ask for."""
    value = messages.VALUE.encode()
    if running.server.keeps == "http":
        _Asking(running).expect("a value", (200, 201, 204), "PUT", CACHED, messages.token("prover"), value)
    elif running.server.keeps == "http2":
        load.h2_put(f"http://127.0.0.1:{running.port}{CACHED}", running.site.folder / "value", value)
    else:
        key = messages.CACHE_KEY.encode()
        with socket.create_connection(("127.0.0.1", running.port), TIMEOUT_S) as connection:
            connection.sendall(b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(value), value))
            if connection.recv(64) != b"+OK\r\n":
                raise WrongVerdict(f"{running.server.name}: it does not keep a value")
