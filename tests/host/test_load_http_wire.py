"""HTTP/1.1 of the load's client: requests as they go out, answers whole and byte by byte."""

from __future__ import annotations

import pytest

from headgate.core.http1 import END, RequestParser
from headgate_host.load.http_wire import BODY_KEPT, Answer, NotHttp, Writer
from headgate_host.load.operation import ANY_SUCCESS, Operation, Request


def answer_of(data: bytes, *, to_head: bool = False, bytewise: bool = False) -> Answer:
    answer = Answer()
    answer.begin(to_head=to_head)
    pieces = [data[at : at + 1] for at in range(len(data))] if bytewise else [data]
    done = [answer.feed(piece) for piece in pieces]
    assert done[:-1] == [False] * (len(done) - 1)
    if not done[-1]:
        assert answer.eof()
    return answer


ANSWERS = {
    "length": (b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nhello", 202, b"hello", True),
    "none": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b"", True),
    "no content": (b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", 204, b"", True),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n",
        200,
        b"abcde",
        True,
    ),
    "closes": (b"HTTP/1.1 503 Busy\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx", 503, b"x", False),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, b"x", True),
    "until close": (b"HTTP/1.1 200 OK\r\n\r\nall of it", 200, b"all of it", False),
    "http/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, b"x", False),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, b"", True),
}


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("name", list(ANSWERS))
def test_answers(name: str, bytewise: bool) -> None:
    data, status, body, keep_alive = ANSWERS[name]
    answer = answer_of(data, bytewise=bytewise)
    assert (answer.status, answer.body, answer.keep_alive) == (status, body, keep_alive)


def test_the_answer_to_head_has_no_body() -> None:
    assert answer_of(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", to_head=True).body == b""


WRONG = {
    "not http": b"SSH-2.0-OpenSSH\r\n\r\n",
    "not http, no end yet": b"220 ready\r\n",
    "another version": b"HTTP/2 200\r\n\r\n",
    "no status": b"HTTP/1.1 abc OK\r\n\r\n",
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "huge length": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 19 + b"\r\n\r\n",
    "coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "negative chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    "chunk size with a sign": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
    "chunk size of Python": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\n",
    "chunk size of C": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
    "huge chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 16,
    "chunk end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    "more": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000,
}


@pytest.mark.parametrize("name", list(WRONG))
def test_what_is_not_an_answer(name: str) -> None:
    with pytest.raises(NotHttp):
        Answer().feed(WRONG[name])


MANY = 20_000  # more than Python calls inside each other


@pytest.mark.parametrize(
    ("begin", "part", "end", "body"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", b"0\r\n\r\n", b"a" * MANY),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a:\r\n" * 10, b"\r\n", None),
    ],
)
def test_many_parts_at_once(begin: bytes, part: bytes, end: bytes, body: bytes | None) -> None:
    data = begin + part * MANY + end
    if body is None:
        with pytest.raises(NotHttp):
            answer_of(data)
    else:
        assert answer_of(data).body == body


@pytest.mark.parametrize("name", [name for name in WRONG if name not in ("more", "endless head")])
def test_what_is_not_an_answer_byte_by_byte(name: str) -> None:
    """(What follows a complete answer then comes when nothing is in flight, and the pool refuses it.)"""
    with pytest.raises(NotHttp):
        answer_of(WRONG[name], bytewise=True)


def test_a_long_body_is_not_kept_whole() -> None:
    answer = Answer()
    length = 5 * BODY_KEPT
    assert not answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
    piece = bytes(BODY_KEPT // 2)
    assert [answer.feed(piece) for _ in range(10)] == [False] * 9 + [True]
    assert len(answer.body) <= BODY_KEPT + len(piece)


def test_cut_off() -> None:
    answer = Answer()
    assert not answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
    assert not answer.eof()


def test_requests_are_what_a_server_reads() -> None:
    tokens: list[int] = []

    def token(device: int) -> str:
        tokens.append(device)
        return f"t{device}"

    writer = Writer("board:8080", token)
    operation = Operation("publish", headers={"Content-Type": "application/json"})
    for device, body in ((3, b"{}"), (4, b""), (3, b"[1]")):
        parser = RequestParser()
        parser.feed(writer.write(Request(operation, device, "/v1/streams/a?b=c", body, ANY_SUCCESS)))
        request = parser.next()
        assert (request.method, request.target) == (b"POST", b"/v1/streams/a?b=c")
        assert request.header(b"host") == b"board:8080"
        assert request.header(b"authorization") == b"Bearer t%d" % device
        assert request.header(b"content-type") == b"application/json"
        assert request.length == len(body)
        got = b""
        while (part := parser.next()) is not END:
            got += part
        assert got == body
    assert tokens == [3, 4]


def test_without_a_body_and_without_a_token() -> None:
    operation = Operation("look", method="GET", authorize=False)
    data = Writer("a", lambda device: "secret").write(Request(operation, 0, "/", b"", ANY_SUCCESS))
    assert data == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
