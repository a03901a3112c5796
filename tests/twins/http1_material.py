"""What the HTTP parsers of both twins are fed with, and what they say to it: for test_http1.py, fuzz_differential.py.

A connection's input is drawn by the grammar of RFC 9112: each part is mostly as usual, sometimes as an attacker would
have it; then, sometimes, a few bytes are changed. All comes from one random.Random, so a seed names a run.
"""

import itertools
import random
from collections.abc import Iterator
from typing import Any

from headgate.core.http1 import END, NEED_DATA
from headgate.core.http1 import RequestParser as PureParser
from headgate.core.problem import Problem
from headgate_native.http1 import RequestParser as NativeParser

_METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"HEAD"]
_ODD_METHODS = [
    b"get",
    b"OPTIONS",
    b"CONNECT",
    b"GETS",
    b"GE",
    b"X",
    b"!#$%&'*+-.^_`|~9",
    b"P(ST",
    b"",
    b"\x80",
    b"G\0T",
]
_TARGETS = [
    b"/",
    b"/healthz",
    b"/v1/streams/weather",
    b"/v1/cache/a%2Fb",
    b"/v1/cache/k?x=1",
    b"/?",
    b"/a?b?c",
    b"/%C3%A9",
]
_ODD_TARGETS = [
    b"http://h/p?q", b"HTTP://h", b"https://h?q", b"http://", b"http:///p", b"http://u@h/", b"http://h/%", b"*",
    b"httpx://h/", b"h:443", b"", b"?", b"a", b"//", b"/#", b"/\\", b"/%", b"/%4", b"/%4g", b"/%00", b"/%7f", b"/%ff",
    b"/%c3%28", b"/%E2%82%AC", b"/%f0%9f%98%80?%f0", b"/%ed%a0%80", b"/%c3?%a9", b"/\xc3\xa9", b"/%25", b"/a%20b",
    b"/[", b"/" + b"a" * 90,
]  # fmt: skip
_ODD_VERSIONS = [
    b"HTTP/1.0", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.", b"HTTP/1.1 ",
    b"HTTP/1.10", b"HTTP/1,1", b"HTTP/x.1", b"HTTP/1.x", b"HTTPS/1.1", b"",
]  # fmt: skip
_FIELDS: list[tuple[bytes, list[bytes]]] = [
    (b"Connection", [b"close", b"keep-alive", b"x, Close", b"upgrade", b", ,close", b"closed", b"keep-alive, close"]),
    (b"Expect", [b"100-continue", b"100-Continue", b"200-ok", b"100-continue, x", b""]),
    (b"Content-Type", [b"application/json", b"application/cbor; a=b", b""]),
    (b"Authorization", [b"Bearer a.b.c", b"Basic xyz"]),
    (b"Idempotency-Key", [b"k-1", b'"k"']),
    (b"traceparent", [b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"]),
    (b"If-Match", [b'"1"', b"*"]),
    (b"If-None-Match", [b'W/"1", "2"']),
    (b"Cache-Control", [b"max-age=5"]),
    (b"Content-Range", [b"bytes 0-0/9"]),
    (b"Content-Encoding", [b"identity"]),
    (b"User-Agent", [b"curl/8"]),
    (b"Accept", [b"*/*"]),
    (b"Accept-Encoding", [b"gzip"]),
    (b"X", [b"y", b"a\tb", b"\x80\xff", b"", b"a\rb", b"a\0b", b"a\x1fb", b"a\x7fb", b"z" * 70]),
    (b"hos", [b"a"]), (b"hostt", [b"a"]), (b"X-Host", [b"a"]), (b"X Y", [b"a"]), (b"", [b"a"]), (b"X\xff", [b"a"]),
    (b"Transfer-Encodin\x67", [b"chunked"]), (b"Content_Length", [b"5"]), (b"\x00Host", [b"a"]),
]  # fmt: skip
_HOSTS = [b"h", b"h:80", b"", b"[::1]"]
_ODD_HOSTS = [b"a b", b"a/b", b"a,b", b"a@b", b"a\xff"]
_ODD_LENGTHS = [
    b"", b"+5", b"-5", b"0x5", b"5 5", b"5,5", b"5, 5", b"05", b"00", b"5.", b"1_0", b"\xb2", b"9" * 18, b"9" * 19,
    b"1" + b"0" * 40,
]  # fmt: skip
_ODD_CODINGS = [
    b"Chunked", b"chunked, chunked", b"chunked,", b",chunked", b"gzip", b"gzip, chunked", b"chunked, gzip", b"identity",
    b"", b"xchunked", b"chunkedx", b"\x0bchunked", b'"chunked"', b"chunked;q=1", b"chun ked", b"CHUNKED\t",
]  # fmt: skip
_ODD_SIZES = [
    b"",
    b"g",
    b"0x1",
    b"+1",
    b" 1",
    b"1 ",
    b"123456789",
    b"00000001",
    b"fffffffff",
    b"-1",
    b"1_0",
    b"ffffffff",
]
_EXTENSIONS = [b"", b"", b"", b";", b";a", b";a=b", b';a="b"', b" ;a", b";\0", b";" + b"e" * 100, b";\x80\t"]
_TRAILERS = [
    b"",
    b"",
    b"Sum: 1\r\n",
    b"X:\r\n",
    b"X : y\r\n",
    b" folded\r\n",
    b"X\r\n",
    b"Host: b\r\n",
    b"Content-Length: 5\r\n",
]
_LINE_ENDS = [b"\n", b"\r", b"\r\r\n", b"", b"\n\r", b" \r\n", b"\r\n ", b"\r\n\r\n", b"\0\r\n"]
_BYTES = b"\r\n\r\n\r\n :;,%?/0159aAfFgG\t\0\x0b\x1f\x7f\x80\xff-+_"


class Connections:
    """Inputs of connections, drawn from `rng`."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.odd = self.odd_frame = 0.0  # how likely a part of a head, of a frame, is an odd one, in this input

    def input(self) -> bytes:
        """One to four messages, in sequence; perhaps with broken bytes."""
        rng = self.rng
        self.odd = rng.choice([0.0, 0.0, 0.02, 0.1])
        self.odd_frame = rng.choice([0.0, 0.05, 0.4])
        data = b"".join(self.message() for _ in range(rng.randrange(1, 5)))
        return self.broken(data) if rng.randrange(4) == 0 else data

    def limits(self) -> dict[str, int]:
        """The limits of the parsers: the usual ones, or some that are reached quickly."""
        rng = self.rng
        if rng.randrange(5):
            return {}
        return {
            "max_head": rng.choice([rng.randrange(400), 8192]),
            "max_line": rng.choice([rng.randrange(120), 4096]),
            "max_headers": rng.choice([rng.randrange(7), 64]),
        }

    def cuts(self, length: int) -> list[int]:
        return sorted(self.rng.randrange(length + 1) for _ in range(self.rng.randrange(1, 7)))

    def _one(self, usual: list[bytes], odd: list[bytes]) -> bytes:
        return self.rng.choice(odd if self.rng.random() < self.odd else usual)

    def _frame(self, usual: list[bytes], odd: list[bytes]) -> bytes:
        return self.rng.choice(odd if self.rng.random() < self.odd_frame else usual)

    def _end(self) -> bytes:
        return self._one([b"\r\n"], _LINE_ENDS)

    def _case(self, name: bytes) -> bytes:
        return self.rng.choice([bytes, bytes.lower, bytes.upper, bytes.swapcase])(name)

    def _field(self, name: bytes, value: bytes) -> bytes:
        colon = self._one([b": ", b":", b":  \t"], [b" : ", b":\t", b"", b"\t:", b": \0", b":\x0b"])
        after = self._one([b"", b"", b" ", b"\t "], [b"\x0b", b"\r", b"\xa0"])
        before = self._one([b""], [b" ", b"\t"])
        return before + self._case(name) + colon + value + after + self._end()

    def message(self) -> bytes:
        rng = self.rng
        body, framing = self._framed()
        space = self._one([b" "], [b"  ", b"\t", b"", b"\x0b"])
        line = self._one(_METHODS, _ODD_METHODS) + space + self._one(_TARGETS, _ODD_TARGETS)
        line += b" " + self._one([b"HTTP/1.1"], _ODD_VERSIONS) + self._end()
        fields = [self._field(b"Host", self._one(_HOSTS, _ODD_HOSTS))] if rng.random() >= self.odd / 2 else []
        for _ in range(rng.choice([0, 1, 2, 5])):
            name, values = rng.choice(_FIELDS[:10] if rng.random() >= self.odd else _FIELDS)
            fields.append(self._field(name, rng.choice(values[: 1 if rng.random() >= self.odd * 2 else None])))
        fields += framing
        if rng.random() < self.odd:
            fields.append(rng.choice(fields or [b"\r\n"]))
        rng.shuffle(fields)
        start = self._one([b""], [b"\r\n", b"\n", b"\r\n\r\n", b" "])
        return start + line + b"".join(fields) + self._end() + body

    def _framed(self) -> tuple[bytes, list[bytes]]:
        """A body, and the fields that say how long it is; mostly true ones."""
        rng = self.rng
        body = bytes(rng.choice(b"ab\r\n\0") for _ in range(rng.choice([0, 1, 5, 40])))
        if rng.random() < self.odd_frame:
            body += b"GET /planted HTTP/1.1\r\nHost: h\r\n\r\n"
        kind = rng.randrange(3)
        fields = []
        if kind == 1 or rng.random() < self.odd_frame / 3:
            fields.append(self._field(b"Content-Length", self._frame([b"%d" % len(body)], [*_ODD_LENGTHS, b"3"])))
        if kind == 2 or rng.random() < self.odd_frame / 3:
            fields.append(self._field(b"Transfer-Encoding", self._frame([b"chunked"], _ODD_CODINGS)))
            body = self._chunks(body)
        return (body if fields or rng.random() < self.odd_frame else b""), fields

    def _chunks(self, body: bytes) -> bytes:
        rng = self.rng
        cuts = sorted({0, len(body), *(rng.randrange(len(body) + 1) for _ in range(rng.randrange(3)))})
        pieces = []
        for start, end in itertools.pairwise(cuts):
            size = self._frame([rng.choice([b"%x", b"%X", b"%03x"]) % (end - start)], _ODD_SIZES)
            pieces += [size, self._frame([b""], _EXTENSIONS), self._end(), body[start:end], self._end()]
        last = self._frame([b"0", b"000"], [b"", b"00000000", b"000000000", b"0;x", b"0 "])
        return b"".join(pieces) + last + self._end() + self._frame([b""], _TRAILERS) + self._end()

    def broken(self, data: bytes) -> bytes:
        """A few bytes changed, put in, taken out, moved or cut off."""
        rng = self.rng
        out = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(out) + 1)
            byte = rng.choice(_BYTES) if rng.randrange(4) else rng.randrange(256)
            how = rng.randrange(9)
            if how < 3:
                out[at : at + 1] = bytes([byte])
            elif how < 5:
                out[at:at] = bytes([byte])
            elif how < 7:
                del out[at : at + rng.randrange(1, 3)]
            elif how == 7:
                other = rng.randrange(len(out) + 1)
                out[at:at] = out[other : other + rng.randrange(1, 30)]
            else:
                del out[at:]
        return bytes(out)


ASKED = (b"connection", b"x", b"content-type", b"if-match", b"absent")  # fields asked for by name


def transcript(parser: Any, pieces: list[bytes], ends: bool) -> list[Any]:
    """All that a parser says to the pieces, fed one by one, and to the end of the input if that is told."""
    said: list[Any] = []
    for piece in [*pieces, None] if ends else pieces:
        if piece is None:
            parser.eof()
        else:
            parser.feed(piece)
        while True:
            try:
                event = parser.next()
            except Problem as problem:
                said.append(("problem", problem.status, problem.code, problem.detail, problem.close))
                break
            if event is NEED_DATA:
                said.append(("idle", parser.idle))
                break
            if event is END:
                said.append(("end",))
            elif isinstance(event, bytes):
                said.append(("part", event))
            else:
                said.append(_request(event))
    said.append(("rest", parser.idle, parser.rest(), parser.idle))
    return said


def _request(r: Any) -> tuple[Any, ...]:
    told = (r.method, r.target, r.path, r.query, r.headers, r.http10, r.keep_alive, r.length, r.expect_continue)
    return ("request", *told, *(r.header(name) for name in ASKED))


def joined(said: list[Any]) -> list[Any]:
    """A transcript without what depends on the cuts: where a body is cut, what is said meanwhile, what is left."""
    out: list[Any] = []
    for event in said:
        if event[0] == "part" and out and out[-1][0] == "part":
            out[-1] = ("part", out[-1][1] + event[1])
        elif event[0] == "problem" and out and out[-1] == event:
            continue  # said again to each further piece
        elif event[0] not in ("idle", "rest"):
            out.append(event)
    return out


def ways(data: bytes, cuts: list[int]) -> Iterator[list[bytes]]:
    """The input as one piece, byte by byte, and cut at the given places."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    edges = [0, *(min(cut, len(data)) for cut in cuts), len(data)]
    yield [data[a:b] for a, b in itertools.pairwise(edges)]


def disagreement(data: bytes, cuts: list[int], limits: dict[str, int], ends: bool) -> str:
    """What the twins do not say alike, or say otherwise when the input is cut in another way; "" for nothing."""
    whole = None
    for pieces in ways(data, cuts):
        native = transcript(NativeParser(**limits), pieces, ends)
        pure = transcript(PureParser(**limits), pieces, ends)
        if native != pure:
            at = next((i for i, pair in enumerate(zip(native, pure, strict=False)) if pair[0] != pair[1]), -1)
            return f"in {len(pieces)} pieces: native {native[at:]}, pure {pure[at:]}"
        if whole is None:
            whole = joined(native)
        elif joined(native) != whole:
            return f"in {len(pieces)} pieces: {joined(native)}, in one: {whole}"
    return ""
