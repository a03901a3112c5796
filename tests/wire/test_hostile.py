"""Hostile requests: each gets its documented status, and the server goes on serving.

A row is (name, bytes to send, status); a callable makes the bytes when it is time (tokens expire).
"""

from __future__ import annotations

import json
import select
from collections.abc import Callable

import pytest
import wire
from wire import Client, Server, b64, chunked, head, token

H = b"Host: wire\r\n"
GOOD = b'{"station":"st-1","temp_c":1}'
POST = "/v1/streams/weather"


def post(
    body: bytes, content_type: str | None = "application/json", path: str = POST, auth: str | None = "", **extra: str
) -> Callable[[], bytes]:
    headers = {name.replace("_", "-"): value for name, value in extra.items()}
    if content_type:
        headers["Content-Type"] = content_type
    return lambda: head("POST", path, len(body), headers, auth) + body  # with a token made when it is sent


def bearer(make: Callable[[], str]) -> Callable[[], bytes]:
    """A good message under a token made now."""

    def row() -> bytes:
        return post(GOOD, auth=make())()

    return row


def raw_token(*parts: bytes) -> str:
    return ".".join(b64(part) for part in parts)


def framed(fields: bytes, rest: bytes = b"") -> bytes:
    return b"POST " + POST.encode() + b" HTTP/1.1\r\n" + H + fields + b"\r\n" + rest


NOW_CLAIMS = {"iss": "test", "aud": "headgate", "sub": "dev-1", "exp": 4000000000, "scope": "publish:*"}
PAYLOAD = json.dumps(NOW_CLAIMS).encode()

ROWS: list[tuple[str, bytes | Callable[[], bytes], int]] = [
    # heads
    ("no HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400),
    ("HTTP/0.9", b"GET /\r\n", 400),
    ("lower-case version", b"GET / http/1.1\r\n" + H + b"\r\n", 400),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("HTTP/3.0", b"GET / HTTP/3.0\r\n" + H + b"\r\n", 505),
    ("two spaces", b"GET  / HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("method no token", b"G(T / HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("NUL in method", b"G\0T / HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("bare LF in request line", b"GET / HTTP/1.1\n" + H + b"\r\n", 400),
    ("bare LF after a field", b"GET / HTTP/1.1\r\nHost: wire\n\r\n", 400),
    ("bare CR in a value", b"GET / HTTP/1.1\r\n" + H + b"X: a\rb\r\n\r\n", 400),
    ("NUL in a value", b"GET / HTTP/1.1\r\n" + H + b"X: a\0b\r\n\r\n", 400),
    ("obs-fold", b"GET / HTTP/1.1\r\n" + H + b" folded\r\n\r\n", 400),
    ("space before colon", b"GET / HTTP/1.1\r\nHost : wire\r\n\r\n", 400),
    ("no colon", b"GET / HTTP/1.1\r\n" + H + b"nonsense\r\n\r\n", 400),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", b"GET / HTTP/1.1\r\n" + H + H + b"\r\n", 400),
    ("empty lines first", b"\r\n\r\nGET / HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("target without slash", b"GET metrics HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("authority-form", b"CONNECT wire:443 HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("asterisk-form", b"OPTIONS * HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("fragment in target", b"GET /#x HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("raw UTF-8 in target", "GET /é HTTP/1.1\r\n".encode() + H + b"\r\n", 400),
    ("cut percent escape", b"GET /%4 HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("escaped NUL", b"GET /v1/cache/a%00b HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("escaped CR LF", b"GET /v1/cache/a%0d%0aX:y HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("escaped overlong UTF-8", b"GET /v1/cache/%c0%af HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("escaped surrogate", b"GET /v1/cache/%ed%a0%80 HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("long request line", b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n" + H + b"\r\n", 414),
    ("endless request line", b"A" * 100000, 414),
    ("long field", b"GET / HTTP/1.1\r\n" + H + b"X: " + b"a" * 20000 + b"\r\n\r\n", 431),
    ("many fields", b"GET / HTTP/1.1\r\n" + H + b"X: y\r\n" * 500 + b"\r\n", 431),
    ("large head", b"GET / HTTP/1.1\r\n" + H + (b"X: " + b"y" * 500 + b"\r\n") * 30 + b"\r\n", 431),
    # framing and smuggling
    ("CL and TE", framed(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    ("TE and CL", framed(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"), 400),
    ("CL twice, same", framed(b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"), 400),
    ("CL twice, differing", framed(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{}"), 400),
    ("CL list", framed(b"Content-Length: 2, 2\r\n", b"{}"), 400),
    ("CL negative", framed(b"Content-Length: -1\r\n"), 400),
    ("CL plus sign", framed(b"Content-Length: +2\r\n", b"{}"), 400),
    ("CL hexadecimal", framed(b"Content-Length: 0x2\r\n", b"{}"), 400),
    ("CL empty", framed(b"Content-Length: \r\n"), 400),
    ("CL beyond all numbers", framed(b"Content-Length: " + b"9" * 40 + b"\r\n"), 413),
    ("TE twice", framed(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    ("TE chunked not last", framed(b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n"), 400),
    ("TE disguised", framed(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), 400),
    ("TE tab and vertical tab", framed(b"Transfer-Encoding:\x0bchunked\r\n", b"0\r\n\r\n"), 400),
    ("TE unknown", framed(b"Transfer-Encoding: gzip\r\n"), 501),
    ("TE gzip, chunked", framed(b"Transfer-Encoding: gzip, chunked\r\n"), 501),
    ("TE in HTTP/1.0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("unknown expectation", framed(b"Content-Length: 2\r\nExpect: 200-maybe\r\n"), 417),
]


def authorised(fields: str, rest: bytes) -> Callable[[], bytes]:
    """Chunked and so on, under a good token: the handler is already reading."""
    return lambda: framed(
        f"Authorization: Bearer {token()}\r\nContent-Type: application/json\r\n{fields}\r\n".encode(), rest
    )


TE = "Transfer-Encoding: chunked"
ROWS += [
    ("chunk size no number", authorised(TE, b"zz\r\n"), 400),
    ("chunk size signed", authorised(TE, b"+5\r\nhello\r\n0\r\n\r\n"), 400),
    ("chunk size with 0x", authorised(TE, b"0x5\r\nhello\r\n0\r\n\r\n"), 400),
    ("chunk size overflows", authorised(TE, b"fffffffffffffffff\r\n"), 400),
    ("chunk longer than said", authorised(TE, b"2\r\nhello\r\n0\r\n\r\n"), 400),
    ("chunk with bare LF", authorised(TE, b"5\nhello\n0\n\n"), 400),
    ("endless chunk extension", authorised(TE, b"5;" + b"x" * 5000), 400),
    ("bad trailer", authorised(TE, b"0\r\nX : y\r\n\r\n"), 400),
    ("endless trailers", authorised(TE, b"0\r\n" + b"X: y\r\n" * 5000), 431),
    ("chunked body over the limit", authorised(TE, chunked(b"x" * 5000)), 413),
    ("announced body over the limit", authorised("Content-Length: 100000", b""), 413),
    ("no length at all", authorised("X: y", b""), 411),
    # tokens
    ("no token", post(GOOD, auth=None), 401),
    ("Basic", post(GOOD, auth=None, Authorization="Basic YTpi"), 401),
    ("empty token", post(GOOD, auth=None, Authorization="Bearer "), 401),
    ("garbage token", bearer(lambda: "garbage"), 401),
    ("alg none", bearer(lambda: raw_token(b'{"alg":"none"}', PAYLOAD) + "."), 401),
    ("alg NoNe with signature", bearer(lambda: token(header={"alg": "NoNe", "kid": "k1"})), 401),
    ("alg missing", bearer(lambda: token(header={"kid": "k1"})), 401),
    ("alg EdDSA on an HMAC key", bearer(lambda: token(header={"alg": "EdDSA", "kid": "k1"})), 401),
    ("alg RS256", bearer(lambda: token(header={"alg": "RS256", "kid": "k1"})), 401),
    ("alg as array", bearer(lambda: token(header={"alg": ["HS256"], "kid": "k1"})), 401),
    ("own key in header", bearer(lambda: token(header={"alg": "HS256", "kid": "k1", "jwk": {"kty": "oct"}})), 401),
    ("unknown kid", bearer(lambda: token(header={"alg": "HS256", "kid": "../../etc/passwd"})), 401),
    ("crit", bearer(lambda: token(header={"alg": "HS256", "kid": "k1", "crit": ["x"]})), 401),
    ("signed with another secret", bearer(lambda: token(secret=b"x" * 32)), 401),
    ("signed with nothing", bearer(lambda: token(secret=b"")), 401),
    ("signature cut off", bearer(lambda: token().rpartition(".")[0] + "."), 401),
    ("two parts", bearer(lambda: token().rpartition(".")[0]), 401),
    ("payload no JSON", bearer(lambda: raw_token(b'{"alg":"HS256","kid":"k1"}', b"{", b"x" * 32)), 401),
    ("padded base64", bearer(lambda: token() + "="), 401),
    ("expired", bearer(lambda: token(exp=1700000000)), 401),
    ("no exp", bearer(lambda: token(exp=None)), 401),
    ("exp as text", bearer(lambda: token(exp="4000000000")), 401),
    ("not yet valid", bearer(lambda: token(nbf=3999999999, exp=4000000000)), 401),
    ("wrong audience", bearer(lambda: token(aud="somebody")), 401),
    ("wrong issuer", bearer(lambda: token(iss="somebody")), 401),
    ("huge token", bearer(lambda: "a" * 3000), 401),
    ("scope of another stream", bearer(lambda: token(scope="publish:other")), 403),
    ("no scope", bearer(lambda: token(scope="")), 403),
    # messages
    ("unknown path", lambda: head("GET", "/v2/streams"), 404),
    ("unknown stream", post(GOOD, path="/v1/streams/none"), 404),
    ("wrong method", lambda: head("DELETE", POST), 405),
    ("invented method", lambda: head("BREW", POST), 405),
    ("no content type", post(GOOD, None), 415),
    ("unknown content type", post(GOOD, "text/plain"), 415),
    ("compressed", post(GOOD, Content_Encoding="gzip"), 415),
    ("empty body", post(b""), 400),
    ("half a message", post(GOOD[:-1]), 400),
    ("two messages", post(GOOD + GOOD), 400),
    ("bad UTF-8", post(b'{"station":"\xff","temp_c":1}'), 400),
    ("overlong UTF-8", post(b'{"station":"\xc0\xaf","temp_c":1}'), 400),
    ("surrogate in UTF-8", post(b'{"station":"\xed\xa0\x80","temp_c":1}'), 400),
    ("lone surrogate escape", post(b'{"station":"\\ud800","temp_c":1}'), 400),
    ("byte order mark", post(b"\xef\xbb\xbf" + GOOD), 400),
    ("NaN", post(b'{"station":"st-1","temp_c":NaN}'), 400),
    ("leading zero", post(b'{"station":"st-1","temp_c":01}'), 400),
    ("name twice", post(b'{"temp_c":1,"station":"st-1","temp_c":2}'), 400),
    ("deep nesting", post(b"[" * 1000 + b"]" * 1000), 400),
    ("deep nesting of objects", post(b'{"a":' * 300 + b"1" + b"}" * 300), 400),
    ("number with many digits", post(b'{"station":"st-1","temp_c":' + b"9" * 1000 + b"}"), 400),
    ("enormous exponent", post(b'{"station":"st-1","temp_c":1e999999}'), 422),
    ("wrong type", post(b'{"station":1,"temp_c":1}'), 422),
    ("member too many", post(b'{"station":"st-1","temp_c":1,"x":1}'), 422),
    ("message too large", post(b'"' + b"x" * 3000 + b'"'), 413),
    ("malformed CBOR", post(b"\xff", "application/cbor"), 400),
    ("CBOR that promises 2**64 bytes", post(b"\x5b" + b"\xff" * 8, "application/cbor"), 400),
    ("CBOR nested deeply", post(b"\x81" * 1000 + b"\x00", "application/cbor"), 400),
    ("first record of a batch too large", post(b"x" * 3000 + b"\n", wire.NDJSON), 413),
    ("malformed CBOR sequence", post(b"\x1c\x00", "application/cbor-seq"), 400),
    ("long idempotency key", post(GOOD, Idempotency_Key="k" * 200), 400),
    ("idempotency key with spaces", post(GOOD, Idempotency_Key="a b"), 400),
    ("max-age 0", lambda: head("PUT", "/v1/cache/k", 0, {"Cache-Control": "max-age=0"}), 400),
    ("max-age no number", lambda: head("PUT", "/v1/cache/k", 0, {"Cache-Control": "max-age=x"}), 400),
    ("cache value too large", lambda: head("PUT", "/v1/cache/k", 5000) + b"x" * 5000, 413),
    ("cache key too long", lambda: head("PUT", "/v1/cache/" + "k" * 300, 0), 414),
    ("cache without scope", lambda: head("GET", "/v1/cache/k", None, None, token(scope="publish:*")), 403),
]


def still_serves(server: Server) -> None:
    assert server.process.poll() is None
    for _ in range(200):  # it may still be finding out that connections are gone
        with server.client() as client:
            client.send(head("GET", "/healthz"))
            health = client.answer()
        if health is not None and health.status == 200:
            break
    answer = server.request("POST", POST, GOOD, {"Content-Type": "application/json"})
    assert answer.status == 202, answer


@pytest.mark.parametrize(("sent", "status"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_hostile(server: Server, sent: bytes | Callable[[], bytes], status: int) -> None:
    with server.client() as client:
        client.send(sent() if callable(sent) else sent)
        answer = client.answer()
        assert answer is not None, "no answer"
        assert answer.status == status, answer
        if answer.status != 200:
            assert answer.headers["content-type"] == "application/problem+json"
            document = answer.json()
            assert document["status"] == status
            assert document["type"].startswith("urn:headgate:problem:")
    still_serves(server)


def test_there_are_enough_rows() -> None:
    assert len(ROWS) >= 60
    assert len({row[0] for row in ROWS}) == len(ROWS)


def trickle(client: Client, data: bytes) -> None:
    """Byte after byte until the server has something to say."""
    for index in range(len(data)):
        client.send(data[index : index + 1])
        if select.select([client.socket], [], [], 0.05)[0]:
            return


def test_slow_head(server: Server) -> None:
    with server.client() as client:
        trickle(client, b"GET / HTTP/1.1\r\nX: " + b"a" * 2000)
        answer = client.answer()
        assert answer is not None
        assert answer.status == 408
        assert client.answer() is None
    still_serves(server)


def test_slow_body(server: Server) -> None:
    """Neither a body that stops nor one that trickles holds the connection."""
    with server.client() as client:
        client.send(head("POST", POST, 1000, {"Content-Type": "application/json"}) + b"{")
        answer = client.answer()
        assert answer is not None
        assert answer.status == 408
    with server.client() as client:
        client.send(head("POST", POST, 2000, {"Content-Type": "application/json"}))
        for _ in range(2000):
            client.send(b" ")
            if select.select([client.socket], [], [], 0.2)[0]:  # 5 bytes a second, under limits.BODY_RATE
                break
        answer = client.answer()
        assert answer is not None
        assert answer.status == 408
    still_serves(server)


def test_gone_in_the_middle(server: Server) -> None:
    whole = post(GOOD)()
    for cut in range(0, len(whole), 37):
        with server.client() as client:
            client.send(whole[:cut])
    still_serves(server)


def test_half_closed_in_the_middle(server: Server) -> None:
    with server.client() as client:
        client.send(post(GOOD)()[:-5])
        client.socket.shutdown(1)
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.json()["type"]) == (400, "urn:headgate:problem:incomplete")
    still_serves(server)


def test_does_not_read_answers(server: Server) -> None:
    """Someone who only asks: the answers pile up in the kernel, then the server stops reading, then it hangs up."""
    request = head("GET", "/metrics") * 10
    with server.client() as client:
        client.socket.settimeout(0.5)
        try:
            for _ in range(2000):
                client.socket.sendall(request)
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass
        still_serves(server)


def test_over_rate(server: Server) -> None:
    auth = token("over-rate")
    with server.client() as client:
        for _ in range(3):
            assert (
                client.request("POST", "/v1/streams/slow", b"1", {"Content-Type": wire.JSON_TYPE}, auth).status == 202
            )
        answer = client.request("POST", "/v1/streams/slow", b"1", {"Content-Type": wire.JSON_TYPE}, auth)
        assert answer.status == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 10
        assert answer.headers["ratelimit-policy"] == '"slow";q=3;w=30'
        assert answer.headers["ratelimit"].startswith('"slow";r=0;t=')
        other = client.request("POST", "/v1/streams/slow", b"1", {"Content-Type": wire.JSON_TYPE}, token("other"))
        assert other.status == 202, "one client's flood is not another's"


def test_too_many_connections(server: Server) -> None:
    limit = wire.plan()["limits"]["connections"]
    clients = []
    try:
        for _ in range(limit):
            client = server.client()
            clients.append(client)
            assert client.request("GET", "/healthz", auth=None).status == 200
        with server.client() as refused:
            answer = refused.answer()
            assert answer is not None
            assert answer.status == 503
            assert answer.headers["retry-after"] == "1"
            assert refused.answer() is None
        assert clients[0].request("GET", "/healthz", auth=None).status == 200
    finally:
        for client in clients:
            client.socket.close()
    still_serves(server)


def test_smuggled_request_is_not_served(server: Server) -> None:
    """What follows a refused message is never read as a request."""
    inner = head("POST", POST, len(GOOD), {"Content-Type": "application/json"}) + GOOD
    before = server.metrics()["headgate_messages_accepted_total"]
    for fields in (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: xchunked\r\n"):
        with server.client() as client:
            client.send(framed(fields, b"0\r\n\r\n" + inner))
            answer = client.answer()
            assert answer is not None
            assert answer.status == 400
            assert client.answer() is None
    assert server.metrics()["headgate_messages_accepted_total"] == before
