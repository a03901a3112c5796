"""core/http1 and core/records against independent readers of the same bytes, and cut anywhere."""

from __future__ import annotations

import email.utils
import http.client
import io
import itertools
import sys
import urllib.parse
from typing import Any

import cbor2
import pytest
from examples import examples
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from headgate.core.http1 import (
    END,
    LAST_CHUNK,
    NEED_DATA,
    Request,
    RequestParser,
    chunk,
    http_date,
    percent_decode,
    response_head,
)
from headgate.core.problem import Problem
from headgate.core.records import CBORSeqSplitter, NDJSONSplitter


def parse(data: bytes, cuts: list[int]) -> list[Any]:
    """All events of `data` fed in the pieces the cuts make, then its end; the parts of a body joined."""
    parser = RequestParser(max_head=600, max_line=300, max_headers=8)
    seen: list[Any] = []
    body = b""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces: list[bytes | None] = [data[a:b] for a, b in itertools.pairwise(edges)]
    for piece in [*pieces, None]:
        if piece is None:
            parser.eof()
        else:
            parser.feed(piece)
        while True:
            try:
                event = parser.next()
            except Problem as problem:
                return [*seen, body, (problem.status, problem.code, problem.detail, problem.close)]
            if event is NEED_DATA:
                break
            if event is END:
                seen.append(body)
                body = b""
            elif isinstance(event, Request):
                seen.append((event.method, event.path, event.query, event.headers, event.length, event.keep_alive))
            else:
                assert isinstance(event, bytes)
                assert event
                body += event
    return [*seen, body]


token = st.text("ABCxyz-_09!", min_size=1, max_size=10)
value = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)
path_text = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12)
RESERVED = {"host", "connection", "content-length", "transfer-encoding", "expect"}


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, list[Any]]:
    """A valid request and what the parser must say about it."""
    method = draw(token)
    path = "/" + draw(path_text)
    fields = [("Host", "h")]
    fields += draw(st.lists(st.tuples(token.filter(lambda name: name.lower() not in RESERVED), value), max_size=4))
    body = draw(st.binary(max_size=200))
    chunked = draw(st.booleans())
    if chunked:
        fields.append(("Transfer-Encoding", "chunked"))
    else:
        fields.append(("Content-Length", str(len(body))))
    target = urllib.parse.quote(path, safe="/")
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {text}\r\n" for name, text in fields) + "\r\n"
    assume(len(head) < 500 and len(target) < 250)
    framed = body
    if chunked:
        cut = draw(st.integers(0, len(body)))
        framed = chunk(body[:cut]) + chunk(body[cut:]) + LAST_CHUNK
    expected = (
        method.encode(),
        path,
        "",
        [(name.lower().encode(), text.encode()) for name, text in fields],
        -1 if chunked else len(body),
        True,
    )
    return head.encode() + framed, [expected, body]


cuts = st.lists(st.integers(0, 2000), max_size=8)


@settings(max_examples=examples(50))
@given(st.lists(messages(), min_size=1, max_size=3), cuts)
def test_valid_requests_come_back_as_written(sent: list[tuple[bytes, list[Any]]], where: list[int]) -> None:
    data = b"".join(raw for raw, _ in sent)
    expected = [event for _, events in sent for event in events]
    assert parse(data, where) == [*expected, b""]


PIECES = [
    b"GET / HTTP/1.1\r\n",
    b"POST /a%20b?c HTTP/1.1\r\n",
    b"GET / HTTP/1.0\r\n",
    b"PRI * HTTP/2.0\r\n",
    b"Host: h\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"X: y\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b":",
    b"3\r\nabc\r\n",
    b"0\r\n",
    b"abc",
    b"\x00",
    b"\xff",
    b"a" * 150,
]


@settings(max_examples=examples(200))
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=3)), max_size=14), cuts)
def test_cut_anywhere_hostile_input_says_the_same(pieces: list[bytes], where: list[int]) -> None:
    data = b"".join(pieces)
    whole = parse(data, [])
    assert parse(data, where) == whole
    assert parse(data, list(range(len(data)))) == whole


@settings(max_examples=examples(100))
@given(st.binary(max_size=60).map(lambda raw: raw.replace(b"%", b"%2")))
def test_percent_decode_like_urllib(raw: bytes) -> None:
    try:
        ours = percent_decode(raw)
    except ValueError:
        return  # stricter: control characters, cut escapes
    assert ours == urllib.parse.unquote_to_bytes(raw).decode()


@given(path_text)
def test_percent_decode_takes_what_urllib_quotes(text: str) -> None:
    assert percent_decode(urllib.parse.quote(text).encode()) == text


# The C library's time_t has 32 bits on armhf, up to Debian 12; ours does not go through it.
@given(st.integers(0, 253402300799 if sys.maxsize > 2**32 else 2**31 - 1))
def test_date_like_email_utils(now_s: int) -> None:
    assert http_date(now_s).decode() == email.utils.formatdate(now_s, usegmt=True)


class FakeSocket:
    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)

    def makefile(self, mode: str) -> io.BytesIO:
        return self.file


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("keep_alive", [True, False])
@settings(max_examples=examples(30))
@given(body=st.binary(max_size=100), fields=st.lists(st.tuples(token, value.map(str.strip)), max_size=3))
def test_responses_read_by_http_client(
    known: bool, keep_alive: bool, body: bytes, fields: list[tuple[str, str]]
) -> None:
    head = response_head(202, [(n.encode(), v.encode()) for n, v in fields], len(body) if known else None, keep_alive)
    response = http.client.HTTPResponse(FakeSocket(head + (body if known else chunk(body) + LAST_CHUNK)))  # type: ignore[arg-type]
    response.begin()
    assert (response.status, response.reason) == (202, "Accepted")
    for name, text in fields:
        assert text in (response.headers.get_all(name) or [])
    assert response.will_close is not keep_alive
    assert response.read() == body


def split(splitter: NDJSONSplitter | CBORSeqSplitter, data: bytes, where: list[int]) -> list[Any]:
    out: list[Any] = []
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in where)})
    try:
        for a, b in itertools.pairwise(edges):
            out += splitter.feed(data[a:b])
            if splitter.problem is not None:
                raise splitter.problem
        out += splitter.close()
    except Problem as problem:
        out.append((problem.status, problem.code))
    return out


@settings(max_examples=examples(100))
@given(st.lists(st.sampled_from([b"\n", b"\r\n", b"{}", b"  ", b"abc", b"x" * 9, b"\r"]), max_size=12), cuts)
def test_ndjson_cut_anywhere(pieces: list[bytes], where: list[int]) -> None:
    data = b"".join(pieces)
    whole = split(NDJSONSplitter(10), data, [])
    assert split(NDJSONSplitter(10), data, where) == whole
    assert split(NDJSONSplitter(10), data, list(range(len(data)))) == whole
    if not whole or isinstance(whole[-1], bytes):
        lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
        assert whole == [line for line in lines if line.strip(b" \t\r")]


values = st.recursive(
    st.one_of(
        st.integers(-(2**64), 2**64 - 1), st.binary(max_size=40), st.text(max_size=10), st.booleans(), st.floats()
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=examples(50))
@given(st.lists(values, max_size=4), cuts)
def test_cbor_sequence_written_by_cbor2(items: list[Any], where: list[int]) -> None:
    encoded = [cbor2.dumps(item) for item in items]
    assert split(CBORSeqSplitter(100000), b"".join(encoded), where) == encoded


@settings(max_examples=examples(150))
@given(st.binary(max_size=40), cuts)
def test_cbor_sequence_cut_anywhere(data: bytes, where: list[int]) -> None:
    whole = split(CBORSeqSplitter(24), data, [])
    assert split(CBORSeqSplitter(24), data, where) == whole
    assert split(CBORSeqSplitter(24), data, list(range(len(data)))) == whole
    records = [record for record in whole if isinstance(record, bytes)]
    assert data.startswith(b"".join(records))
