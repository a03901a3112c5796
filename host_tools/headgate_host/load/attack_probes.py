"""What `load attack` sends: requests that break a rule, each with the answers that are right for it.

`{line}`-like gaps are filled for the target: its authority, path and token. CLOSED among the answers: ending the
connection without a word is fine too (what came could not be answered, or is not HTTP at all).
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

CLOSED = 0
KIB, MIB = 1024, 1024 * 1024
RANDOM_BYTES = 512
CLIENT_ERRORS = tuple(range(400, 500))


class Probe(NamedTuple):
    """`data` in one piece. `right`: statuses; any of them will do."""

    name: str
    data: bytes
    right: tuple[int, ...]


class Place(NamedTuple):
    """Where valid requests would go."""

    authority: str
    path: str
    bearer: str = ""

    def request(self, *, line: str = "", fields: str = "", body: bytes = b"", token: str | None = None) -> bytes:
        bearer = self.bearer if token is None else token
        auth = f"Authorization: Bearer {bearer}\r\n" if bearer else ""
        first = line or f"POST {self.path} HTTP/1.1"
        return f"{first}\r\nHost: {self.authority}\r\n{auth}{fields}\r\n".encode("latin-1") + body

    def message(self, body: bytes, kind: str = "application/json") -> bytes:
        return self.request(fields=f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n", body=body)


def framing(at: Place) -> Iterator[Probe]:
    """RFC 9112: what two readers could understand in two ways, and what is no request at all."""
    yield Probe("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), (400, 408, CLOSED))
    yield Probe("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n", (400, CLOSED))
    yield Probe("no version", at.request(line=f"POST {at.path}"), (400,))
    yield Probe("HTTP/9.9", at.request(line=f"POST {at.path} HTTP/9.9"), (400, 505))
    yield Probe("two lengths", at.request(fields="Content-Length: 2\r\nContent-Length: 3\r\n", body=b"{}x"), (400,))
    both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    yield Probe("length and chunks", at.request(fields=both, body=b"0\r\n\r\n"), (400,))
    yield Probe("negative length", at.request(fields="Content-Length: -1\r\n"), (400,))
    yield Probe("length with a sign", at.request(fields="Content-Length: +2\r\n", body=b"{}"), (400,))
    yield Probe("length beyond 64 bits", at.request(fields=f"Content-Length: {'9' * 30}\r\n"), (400, 413))
    yield Probe("unknown coding", at.request(fields="Transfer-Encoding: gzip\r\n"), (400, 501))
    chunked = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    yield Probe("chunk size that is none", at.request(fields=chunked, body=b"xyz\r\n"), (400,))
    yield Probe("chunk size of 17 digits", at.request(fields=chunked, body=b"1" * 17 + b"\r\n"), (400, 413))
    yield Probe("chunk without its end", at.request(fields=chunked, body=b"2\r\n{}xx0\r\n\r\n"), (400,))
    yield Probe("space before the colon", at.request(fields="Content-Length : 2\r\n", body=b"{}"), (400,))
    yield Probe("folded field", at.request(fields="X-A: b\r\n c\r\n"), (400,))
    yield Probe("bare line feeds", b"GET / HTTP/1.1\nHost: a\n\n", (400,))
    yield Probe("NUL in a field", at.request(fields="X-A: a\x00b\r\n"), (400,))
    yield Probe("no host", b"GET / HTTP/1.1\r\n\r\n", (400,))
    yield Probe("two hosts", at.request(fields="Host: other\r\n"), (400,))


def sizes(at: Place) -> Iterator[Probe]:
    json, too_large = "Content-Type: application/json\r\n", (413, 401, 403)
    yield Probe("a line of 64 KiB", at.request(line=f"GET /{'a' * 64 * KIB} HTTP/1.1"), (414, 400, 431))
    yield Probe("a field of 64 KiB", at.request(fields=f"X-A: {'a' * 64 * KIB}\r\n"), (431, 400))
    yield Probe("a thousand fields", at.request(fields="".join(f"X-{n}: y\r\n" for n in range(1000))), (431, 400))
    yield Probe("1 GiB announced", at.request(fields=f"{json}Content-Length: {1024 * MIB}\r\n"), too_large)
    yield Probe("4 MiB sent", at.message(b'"' + b"a" * 4 * MIB + b'"'), (*too_large, CLOSED))
    yield Probe("a token of 64 KiB", at.request(token="a" * 64 * KIB, fields="Content-Length: 0\r\n"), (401, 431, 400))


def contents(at: Place) -> Iterator[Probe]:
    """Bodies that a parser may trip over."""
    refused = (400, 413, 415, 422, 401, 403)
    bodies = {
        "JSON that ends early": b'{"a":',
        "100,000 brackets": b"[" * 50_000 + b"]" * 50_000,
        "a name twice": b'{"a":1,"a":2}',
        "a lone surrogate": b'"\\ud800"',
        "bytes that are not UTF-8": b'"\xff\xfe"',
        "a number of 60,000 digits": b"1" * 60_000,
        "an exponent without end": b"1e999999999999",
        "an empty body": b"",
        "NUL bytes": bytes(1000),
    }
    for name, body in bodies.items():
        yield Probe(name, at.message(body), refused)
    cbor = {
        "CBOR that ends early": b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        "CBOR of 2^64 bytes": b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
        "CBOR 10,000 deep": b"\x81" * 10_000,
        "CBOR, reserved": b"\x1c",
    }
    for name, body in cbor.items():
        yield Probe(name, at.message(body, "application/cbor"), refused)
    yield Probe("a media type nobody has", at.message(b"x", "application/x-nobody"), (415, 401, 403))


def tokens(at: Place) -> Iterator[Probe]:
    """None of them may pass. (Where nobody needs a token, these are no attack.)"""
    forged = {
        "no token": "",
        "not a token": "abc",
        "alg none": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
        "dots": "." * 1000,
        "a token cut off": at.bearer[:-8],
        "a token changed": at.bearer[:-4] + ("AAAA" if not at.bearer.endswith("AAAA") else "BBBB"),
    }
    for name, token in forged.items():
        fields = "Content-Type: application/json\r\nContent-Length: 2\r\n"
        yield Probe(name, at.request(token=token, fields=fields, body=b"{}"), (401, 403, 400))


def rubbish(at: Place, seed: int, count: int) -> Iterator[Probe]:
    """Valid requests with a few bytes changed, and bytes without any sense."""
    chance = random.Random(seed)  # noqa: S311 - reproducible
    valid = at.message(b'{"a":1}')
    anything = (*range(200, 300), *CLIENT_ERRORS, 501, 505, CLOSED)
    for number in range(count):
        if number % 4 == 0:
            data = chance.randbytes(chance.randrange(1, RANDOM_BYTES)) + b"\r\n\r\n"
        else:
            changed = bytearray(valid)
            for _ in range(chance.randrange(1, 5)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            data = bytes(changed)
        yield Probe(f"rubbish {number}", data, anything)
