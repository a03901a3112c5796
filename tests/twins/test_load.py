"""The native client of `headgate load`: it reads answers as its twin does, and every request has an end. (What both do
with a whole run is in tests/host/test_load_engine.py.)"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_host.load.distribution import Distribution, index_of
from headgate_host.load.histogram import LARGEST_NS
from headgate_host.load.http_wire import Answer, NotHttp

load = pytest.importorskip("headgate_native._load")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PIECES = st.lists(
    st.sampled_from(
        [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"204", b" ", b"\r\n", b"\r\n\r\n", b"Content-Length: 3\r\n", b"abc",
         b"Transfer-Encoding: chunked\r\n", b"3\r\n", b"0\r\n", b"Connection: close\r\n", b"\n", b"x: y\r\n", b";",
         b"\x00", b"HTTP/1.1 100 Continue\r\n\r\n", b"content-length:0\r\n"]
    ),
    max_size=12,
)  # fmt: skip


CHUNKED = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
IN_CHUNKS = st.lists(
    st.sampled_from(
        [b"3", b"0", b"1_0", b"+", b"-", b" ", b"0x3", b"a", b"F", b";", b"x=y", b"\r", b"\n", b"\r\n", b"abc", b"A: b",
         b"3\r\nabc\r\n", b"0\r\n", b"0\r\n\r\n", b"f" * 15, b"0" * 14, b"\t"]
    ),
    max_size=8,
)  # fmt: skip


@given(PIECES, st.booleans())
def test_answers_are_read_alike(pieces: list[bytes], to_head: bool) -> None:
    read_alike(pieces, to_head)


@given(IN_CHUNKS, st.booleans())
def test_chunks_are_read_alike(pieces: list[bytes], whole: bool) -> None:
    read_alike([b"".join(CHUNKED + pieces)] if whole else CHUNKED + pieces, False)


@pytest.mark.parametrize("size", [65_534, 65_535, 65_536, 65_537, 70_000])
@pytest.mark.parametrize(
    ("begin", "end"), [(b"0\r\nA: ", b"\r\n\r\n"), (b"0;", b"\r\n\r\n"), (b"1;", b"\r\na\r\n0\r\n\r\n")]
)
def test_long_lines_in_chunks_are_read_alike(begin: bytes, end: bytes, size: int) -> None:
    body = begin + b"y" * (size - len(begin)) + end
    read_alike([CHUNKED[0] + body], False)
    read_alike([*CHUNKED, *(body[at : at + 1000] for at in range(0, len(body), 1000))], False)


def read_alike(pieces: list[bytes], to_head: bool) -> None:
    answer, done = Answer(), False
    answer.begin(to_head=to_head)
    try:
        for piece in pieces:
            if done:
                raise NotHttp
            done = answer.feed(piece)
        found = "done" if done or answer.eof() else "wrong"
    except NotHttp:
        found = "wrong"
    native = load.read_reply(pieces, to_head, True)
    assert native[0] == found
    if found == "done":
        assert native[1:] == (answer.status, answer.keep_alive, answer.body)


@pytest.mark.parametrize("size", [65_000, 66_000, 200_000])
def test_long_heads_are_read_alike(size: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nX: " + b"y" * size
    pieces = [head[at : at + 1000] for at in range(0, len(head), 1000)] + [b"\r\nContent-Length: 0\r\n\r\n"]
    answer, found = Answer(), "done"
    try:
        for piece in pieces:
            answer.feed(piece)
    except NotHttp:
        found = "wrong"
    assert load.read_reply(pieces, False, False)[0] == found


@contextlib.contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Each connection in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                thread = threading.Thread(target=one, args=(connection,))
                threads.append(thread)
                thread.start()

        def one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                serve(connection)

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()


def answer_always(connection: socket.socket) -> None:
    data = b""
    while got := connection.recv(65536):
        data += got
        while b"\r\n\r\n" in data:
            data = data.partition(b"\r\n\r\n")[2]
            connection.sendall(ANSWER)


def answer_once(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(ANSWER)


def hang_up(connection: socket.socket) -> None:
    connection.recv(65536)


def rubbish(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"\x00" * 100)


def silence(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


@contextlib.contextmanager
def serving(client: load.Client) -> Iterator[None]:
    """Until everything pushed has an end."""
    thread = threading.Thread(target=client.serve)
    thread.start()
    yield
    deadline = time.monotonic() + 30
    while any(client.state()[:2]) and time.monotonic() < deadline:
        time.sleep(0.005)
    client.stop()
    thread.join()


def drive(
    port: int, count: int, *, closed: bool = False, timeout_s: float = 5.0
) -> tuple[int, dict[int, int], list[int]]:
    """-> requests due, answers by status, failures by reason; every histogram fits its counts."""
    client = load.Client(socket.AF_INET, "127.0.0.1", port, 4, 1, 1000, int(timeout_s * 1e9))
    client.open()
    start = time.monotonic_ns()
    client.begin(start, 10**9)
    with serving(client):
        for number in range(count):
            client.push(
                0 if closed else start + number * 1_000_000, number % 2, 0, 0, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
            )
    due, statuses, failures = 0, {}, [0] * 6
    for interval, operation, some_due, sent, some_statuses, some_failures, latency, service in client.take():
        assert interval >= 0
        assert operation in (0, 1)
        due += some_due
        failures = [a + b for a, b in zip(failures, some_failures, strict=True)]
        for status, number in some_statuses.items():
            statuses[status] = statuses.get(status, 0) + number
        timed_out = some_failures[3]
        assert Distribution(*service).count == sum(some_statuses.values()) + timed_out
        assert Distribution(*latency).count >= Distribution(*service).count
        assert sent <= some_due
    assert Distribution(*client.late()).count == due
    assert client.take() == []
    return due, statuses, failures


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize(
    ("serve", "statuses", "failure"),
    [
        (answer_always, {200: 60}, None),
        (hang_up, {}, 1),
        (rubbish, {}, 2),
    ],
)
def test_every_request_has_an_end(
    serve: Callable[[socket.socket], None], statuses: dict[int, int], failure: int | None, closed: bool
) -> None:
    with server(serve) as port:
        due, found, failures = drive(port, 60, closed=closed)
    assert due == 60
    assert found == statuses
    assert failures == [60 if number == failure else 0 for number in range(6)]


def test_a_server_that_closes_after_each() -> None:
    """It does not say so: some requests meet a connection that has just ended."""
    with server(answer_once) as port:
        due, found, failures = drive(port, 60)
    assert due == 60
    assert found[200] + failures[1] == 60
    assert found[200] >= 4


def test_a_connection_that_was_of_use_is_opened_again_at_once() -> None:
    """Not when things are next looked at, every 100 ms: a target that closes with each answer would seem that slow."""
    began, ended = [], []

    def serve(connection: socket.socket) -> None:
        began.append(time.monotonic())
        connection.recv(65536)
        connection.sendall(ANSWER.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        ended.append(time.monotonic())

    with server(serve) as port:
        client = load.Client(socket.AF_INET, "127.0.0.1", port, 1, 1, 1000, 30 * 10**9)
        client.open()
        client.begin(time.monotonic_ns(), 10**9)
        with serving(client):
            for _ in range(20):
                client.push(0, 0, 0, 0, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sum(part[4].get(200, 0) for part in client.take()) == 20
    gaps = sorted(after - before for before, after in zip(ended, began[1:], strict=False))
    assert gaps[len(gaps) // 4] < 0.05


def test_silence() -> None:
    with server(silence) as port:
        due, found, failures = drive(port, 20, timeout_s=0.2)
    assert (due, found) == (20, {})
    assert failures[3] >= 4
    assert failures[3] + failures[4] == 20


def test_nobody_there() -> None:
    with server(silence) as port:
        pass
    client = load.Client(socket.AF_INET, "127.0.0.1", port, 4, 1, 10, 10**9)
    with pytest.raises(ConnectionRefusedError):
        client.open()


def test_never_served() -> None:
    client = load.Client(socket.AF_INET6, "::1", 1, 1, 1, 1, 1)
    client.push(0, 0, 0, 0, b"x" * 100_000)
    client.push(1 << 62, 0, load.JUDGED, 1, b"")
    assert client.state()[0] == 2
    del client


@pytest.mark.parametrize(
    "arguments",
    [
        (socket.AF_INET, "localhost", 80, 1, 1, 1, 1),
        (socket.AF_INET, "::1", 80, 1, 1, 1, 1),
        (socket.AF_UNIX, "127.0.0.1", 80, 1, 1, 1, 1),
        (socket.AF_INET, "127.0.0.1", 0, 1, 1, 1, 1),
        (socket.AF_INET, "127.0.0.1", 65536, 1, 1, 1, 1),
        (socket.AF_INET, "127.0.0.1", 80, 0, 1, 1, 1),
        (socket.AF_INET, "127.0.0.1", 80, 60_001, 1, 1, 1),
        (socket.AF_INET, "127.0.0.1", 80, 1, 0, 1, 1),
        (socket.AF_INET, "127.0.0.1", 80, 1, 1001, 1, 1),
        (socket.AF_INET, "127.0.0.1", 80, 1, 1, -1, 1),
        (socket.AF_INET, "127.0.0.1", 80, 1, 1, 1, 0),
    ],
)
def test_arguments_out_of_range(arguments: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match=r"address|range"):
        load.Client(*arguments)


def test_http1_has_one_request_at_a_time_and_no_tls() -> None:
    for words in ((2, 1, 1), (1, 1, 1, "localhost")):
        with pytest.raises(OSError, match="without TLS"):
            load.Client(socket.AF_INET, "127.0.0.1", 80, 1, *words)


def test_what_is_judged_comes_back() -> None:
    """With its body, whatever became of it, and once."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(ANSWER.replace(b"200", b"422"))
        connection.recv(65536)  # and the end of the connection for an answer

    with server(serve) as port:
        client = load.Client(socket.AF_INET, "127.0.0.1", port, 1, 1, 10, 5 * 10**9)
        client.open()
        client.begin(time.monotonic_ns(), 10**12)
        for ticket in (7, 8):
            client.push(0, 0, load.JUDGED, ticket, b"GET / HTTP/1.1\r\n\r\n")
        with serving(client):
            pass
    assert client.judged() == [(7, 0, 422, b"ok"), (8, 0, -1, b"")]
    assert client.judged() == []
    ((_, _, due, sent, statuses, failures, latency, _),) = client.take()
    assert (due, sent, statuses, failures[1]) == (2, 2, {}, 1)
    assert Distribution(*latency).count == 1


def test_the_buckets_have_room_for_the_largest() -> None:
    assert index_of(LARGEST_NS) < 4608  # HG_BUCKETS
