"""Request smuggling: behind nginx and behind Go's reverse proxy, the server sees what the proxy has sent, and no more.

Each row is one client's input to the proxy; most rows carry a request planted in a body, or where one of the two could
take a body's end to be. A proxy may refuse a row, or clean it; what counts is that both mean the same by what goes on.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections import Counter
from collections.abc import Iterator

import fronts
import pytest
from wire import CPYTHON, PATIENCE_S, Server

pytestmark = pytest.mark.skipif(not CPYTHON, reason="the parser is the same; its unit tests run there")

SILENCE_S = 0.5  # a proxy that says nothing for so long waits for more of a body, which will not come

PLANTED = b"GET /planted HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNK = b"%x\r\n%s\r\n" % (len(PLANTED), PLANTED)
LAST = b"0\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def post(fields: bytes, body: bytes, version: bytes = b"HTTP/1.1", target: bytes = b"/first") -> bytes:
    return b"POST " + target + b" " + version + b"\r\nHost: h\r\n" + fields + b"\r\n" + body


def sized(length: int) -> bytes:
    return b"Content-Length: %d\r\n" % length


ALL = sized(len(PLANTED))
BOTH = LAST + PLANTED  # nothing by its chunks, all of it by a length

ROWS: dict[str, bytes] = {
    # the controls: what is legitimate is forwarded and answered, so the test sees it
    "pipelined": post(sized(0), b"") + PLANTED,
    "pipelined after chunks": post(CHUNKED, CHUNK + LAST) + PLANTED,
    "in a body": post(ALL, PLANTED),
    "in a chunk": post(CHUNKED, CHUNK + LAST),
    "in the body of a GET": b"GET /first HTTP/1.1\r\nHost: h\r\n" + ALL + b"\r\n" + PLANTED,
    # two lengths
    "CL.TE": post(sized(len(BOTH)) + CHUNKED, BOTH),
    "TE.CL": post(CHUNKED + sized(4), CHUNK + LAST),
    "CL 0 and TE": post(sized(0) + CHUNKED, CHUNK + LAST),
    "CL twice, same": post(ALL + ALL, PLANTED),
    "CL twice, 0 first": post(sized(0) + ALL, PLANTED),
    "CL twice, 0 last": post(ALL + sized(0), PLANTED),
    "CL list": post(b"Content-Length: %d, %d\r\n" % (len(PLANTED), len(PLANTED)), PLANTED),
    "CL list with 0": post(b"Content-Length: 0, %d\r\n" % len(PLANTED), PLANTED),
    # numbers that are none
    "CL with plus": post(b"Content-Length: +%d\r\n" % len(PLANTED), PLANTED),
    "CL with minus": post(b"Content-Length: -%d\r\n" % len(PLANTED), PLANTED),
    "CL hexadecimal": post(b"Content-Length: 0x%x\r\n" % len(PLANTED), PLANTED),
    "CL in spaces": post(b"Content-Length:   %d  \r\n" % len(PLANTED), PLANTED),
    "CL with a space inside": post(b"Content-Length: 0 %d\r\n" % len(PLANTED), PLANTED),
    "CL with zeros in front": post(b"Content-Length: 000%d\r\n" % len(PLANTED), PLANTED),
    "CL empty": post(b"Content-Length:\r\n", PLANTED),
    "CL beyond 64 bits": post(b"Content-Length: %d\r\n" % (2**64 + len(PLANTED)), PLANTED),
    # codings that one of the two might not see
    "TE in any case": post(b"tRANSFER-eNCODING: cHuNkEd\r\n", CHUNK + LAST),
    "TE twice": post(CHUNKED + b"Transfer-Encoding: identity\r\n" + sized(len(BOTH)), BOTH),
    "TE identity": post(b"Transfer-Encoding: identity\r\n" + ALL, PLANTED),
    "TE xchunked": post(b"Transfer-Encoding: xchunked\r\n" + sized(len(BOTH)), BOTH),
    "TE chunked, identity": post(b"Transfer-Encoding: chunked, identity\r\n" + sized(len(BOTH)), BOTH),
    "TE with vertical tab": post(b"Transfer-Encoding:\x0bchunked\r\n" + sized(len(BOTH)), BOTH),
    "TE in quotes": post(b'Transfer-Encoding: "chunked"\r\n' + sized(len(BOTH)), BOTH),
    "TE with tab": post(b"Transfer-Encoding:\tchunked\r\n", CHUNK + LAST),
    "TE, space before colon": post(b"Transfer-Encoding : chunked\r\n" + sized(len(BOTH)), BOTH),
    "TE, underscore": post(b"Transfer_Encoding: chunked\r\n" + sized(len(BOTH)), BOTH),
    "TE in a folded line": post(b"X: y\r\n Transfer-Encoding: chunked\r\n" + sized(len(BOTH)), BOTH),
    "TE folded": post(b"Transfer-Encoding:\r\n chunked\r\n" + sized(len(BOTH)), BOTH),
    "TE after a bare LF": post(b"X: y\nTransfer-Encoding: chunked\r\n" + sized(len(BOTH)), BOTH),
    "TE after a bare CR": post(b"X: y\rTransfer-Encoding: chunked\r\n" + sized(len(BOTH)), BOTH),
    "TE in HTTP/1.0": post(CHUNKED + b"Connection: keep-alive\r\n", CHUNK + LAST, b"HTTP/1.0"),
    "TE and CL in HTTP/1.0": post(sized(len(BOTH)) + CHUNKED, BOTH, b"HTTP/1.0"),
    "CL in HTTP/1.0": post(ALL + b"Connection: keep-alive\r\n", PLANTED, b"HTTP/1.0"),
    "CL named by Connection": post(ALL + b"Connection: Content-Length\r\n", PLANTED),
    "TE named by Connection": post(CHUNKED + b"Connection: Transfer-Encoding\r\n", CHUNK + LAST),
    # names and lines
    "CL, space before colon": post(b"Content-Length : %d\r\n" % len(PLANTED), PLANTED),
    "CL folded": post(b"Content-Length:\r\n %d\r\n" % len(PLANTED), PLANTED),
    "CL and NUL": post(b"X: \0\r\n" + ALL, PLANTED),
    "NUL in a name": post(b"Content-Length\0: %d\r\n" % len(PLANTED), PLANTED),
    "lines with bare LF": post(ALL, PLANTED).replace(b"\r\n", b"\n"),
    "head ended by bare LF": post(ALL + b"\n", PLANTED),
    "request in a value": post(b"X: y\n\nGET /planted HTTP/1.1\r\n" + sized(0), b""),
    "empty lines": b"\r\n\r\n" + post(ALL, PLANTED),
    "folded request line": b"POST /first HTTP/1.1\r\n Host: x\r\nHost: h\r\n" + ALL + b"\r\n" + PLANTED,
    "two Hosts": post(b"Host: g\r\n" + ALL, PLANTED),
    "absolute-form and another Host": post(ALL, PLANTED, target=b"http://other.example/first"),
    "space in the target": post(ALL, PLANTED, target=b"/first HTTP/1.1\r\nHost: x\r\n\r\n"),
    "escaped CR LF in the target": post(ALL, PLANTED, target=b"/first%20HTTP/1.1%0d%0aX:%20y"),
    # chunks
    "chunk extension": post(CHUNKED, CHUNK.replace(b"\r\n", b";a=b\r\n", 1) + LAST),
    "chunk extension with bare LF": post(CHUNKED, b"0;a\n\r\n" + PLANTED + LAST),
    "chunk extension, LF and a size": post(CHUNKED, b"1;\n%x\r\n" % len(PLANTED) + PLANTED + b"\r\n" + LAST),
    "chunk lines with bare LF": post(CHUNKED, (CHUNK + LAST).replace(b"\r\n", b"\n")),
    "last chunk with bare LF": post(CHUNKED, b"0\n\n" + PLANTED),
    "chunk longer than said": post(CHUNKED, b"1\r\nxy\r\n" + LAST + PLANTED),
    "chunk size over 64 bits": post(CHUNKED, b"10000000000000000\r\n" + PLANTED + LAST),
    "chunk size over 32 bits": post(CHUNKED, b"100000000\r\n" + PLANTED + LAST),
    "chunk size with 0x": post(CHUNKED, b"0x0\r\n\r\n" + PLANTED),
    "chunk size with minus": post(CHUNKED, b"-1\r\n\r\n" + PLANTED),
    "chunk size with plus": post(CHUNKED, b"+0\r\n\r\n" + PLANTED),
    "chunk size and space": post(CHUNKED, b"0 \r\n\r\n" + PLANTED),
    "trailer with a length": post(CHUNKED, b"0\r\n" + ALL + b"\r\n" + PLANTED),
    "trailer that is a request": post(CHUNKED, b"0\r\nGET /planted HTTP/1.1\r\nHost: h\r\n\r\n"),
    "waiting for 100": post(ALL + b"Expect: 100-continue\r\n", PLANTED),
    "waiting for anything": post(ALL + b"Expect: 200-ok\r\n", PLANTED),
}  # fmt: skip


@pytest.fixture(scope="module", params=["nginx", "nginx, buffering", "Go"])
def front(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[fronts.Front]:
    folder = tmp_path_factory.mktemp("front")
    with contextlib.closing(fronts.Relay(server.port)) as relay:  # also where there is no such front
        if request.param == "Go":
            made = fronts.go(relay, folder)
        else:
            made = fronts.nginx(relay, folder, _buffering(request.param))
        with made as running:
            yield running
            assert running.process.poll() is None


def _buffering(name: str) -> str:
    return "on" if name.endswith("buffering") else "off"


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode()


def told(front: fronts.Front, data: bytes, last: str) -> bool:
    """Sends it on a connection of its own, and reads until the answer to `last` or the end. False: neither came."""
    with socket.create_connection(("127.0.0.1", front.port), timeout=SILENCE_S) as client:
        answers = b""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            client.sendall(data)
            while f'"instance":"{last}"'.encode() not in answers:
                try:
                    more = client.recv(65536)
                except TimeoutError:
                    return False
                if not more:
                    break
                answers += more
    return True


def answered(front: fronts.Front, wanted: int) -> Counter[str]:
    """The paths that were answered since the last call; waits for so many."""
    seen = Counter(front.relay.seen())
    deadline = time.monotonic() + PATIENCE_S
    while seen.total() < wanted and time.monotonic() < deadline:
        time.sleep(0.005)
        seen += Counter(front.relay.seen())
    return seen


@pytest.mark.parametrize("name", ROWS)
def test_nothing_is_smuggled(front: fronts.Front, name: str) -> None:
    """The row, a second request behind it on the same connection, and then one on a connection of its own."""
    number = f"{list(ROWS).index(name):03}"
    first, planted, second, last = f"/f-{number}", f"/pla-{number}", f"/second-{number}", f"/last-{number}"
    data = ROWS[name].replace(b"/first", first.encode()).replace(b"/planted", planted.encode())  # of the same lengths
    assert len(data) == len(ROWS[name])
    complete = told(front, data + get(second), second)
    assert told(front, get(last), last), "the front serves nobody any more"
    forwarded = Counter(front.forwarded(last))
    seen = answered(front, forwarded.total() if complete else 0)
    refused = seen[fronts.REFUSED]
    # Counted over all rows: an answer that nobody waited for may come while the next one is under way.
    front.forwarded_so_far += forwarded
    front.seen_so_far += seen
    known = Counter({path: count for path, count in front.seen_so_far.items() if path != fronts.REFUSED})
    assert known <= front.forwarded_so_far, f"the server saw {dict(seen)}, the front sent {dict(forwarded)}"
    assert front.seen_so_far.total() <= front.forwarded_so_far.total()
    assert seen[last] == 1
    if complete:
        assert seen.total() >= forwarded.total(), (seen, forwarded)
    if name.startswith("pipelined"):
        assert [seen[path] for path in (first, planted, second)] == [1, 1, 1]
    elif name in ("in a body", "in a chunk"):
        assert [seen[path] for path in (first, planted, second)] == [1, 0, 1]
    assert refused == 0 or seen[planted] == 0
