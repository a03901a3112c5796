"""Peers that want to cost more than they pay: each is told to be calm, or waits for itself; others are served."""

from __future__ import annotations

import pytest
from raw_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    PROTOCOL_ERROR,
    RST_STREAM,
    SETTINGS,
    RawClient,
    block,
    frame,
    get,
    headers,
    ping,
    post,
    priority,
    request,
    reset,
    settings,
    window_update,
)
from wire import Server

from headgate import limits

CALM = ENHANCE_YOUR_CALM
TOGETHER = 25  # streams; fewer than may be open


def others_are_served(server: Server) -> None:
    with RawClient(server.port) as other:
        other.send(get())
        assert other.status() == "200"
    assert server.request("GET", "/healthz", auth=None).status == 200


FLOODS = {
    "CONTINUATION, CVE-2024-27316": [
        headers(1, block(request()), END_STREAM),
        *[frame(CONTINUATION, 0, 1, b"") for _ in range(limits.HTTP2_CONTINUATIONS + 1)],
    ],
    "CONTINUATION with fields": [
        headers(1, block(request()), END_STREAM),
        *[frame(CONTINUATION, 0, 1, block([("x-filler", "f" * 16000)])) for _ in range(5)],
    ],
    "PING, CVE-2019-9512": [ping() for _ in range(limits.HTTP2_FRAMES + 200)],
    "SETTINGS, CVE-2019-9515": [settings() for _ in range(limits.HTTP2_FRAMES + 200)],
    "empty DATA, CVE-2019-9518": [post(), *[frame(DATA, 0, 1) for _ in range(limits.HTTP2_FRAMES + 200)]],
    "PRIORITY, CVE-2019-9513": [frame(PRIORITY, 0, 1, priority(3)) for _ in range(limits.HTTP2_FRAMES + 200)],
    "WINDOW_UPDATE": [window_update(0, 1) for _ in range(limits.HTTP2_FRAMES + 200)],
    "answers to no PING": [ping(flags=ACK) for _ in range(limits.HTTP2_FRAMES + 200)],
    "SETTINGS of thousands, CVE-2020-11080": [settings(*[(0x4, 65535)] * 2000)],
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_the_connection(http2_server: Server, name: str) -> None:
    with RawClient(http2_server.port) as client:
        assert client.alive()
        client.send(b"".join(FLOODS[name]))
        assert client.end() == CALM
    others_are_served(http2_server)


@pytest.mark.parametrize("name", ["rapid reset, CVE-2023-44487", "made-you-reset, CVE-2025-8671"])
def test_streams_that_are_reset(http2_server: Server, name: str) -> None:
    """By the peer, or by us for its errors: many at once, and then again."""
    count = 0
    with RawClient(http2_server.port) as client:
        while not any(seen.type == GOAWAY for seen in client.seen) and not client.closed:
            for stream in range(2 * count + 1, 2 * count + 2 * TOGETHER, 2):
                wrong = headers(stream, [*request(), ("X-Upper", "case")])  # what libnghttp2 answers with RST_STREAM
                client.send(post(stream) + reset(stream) if name.startswith("rapid") else wrong)
            client.send(ping())
            client.until(PING)
            count += TOGETHER
        assert client.end() is None, "all was read"
        assert [seen.payload[7] for seen in client.seen if seen.type == GOAWAY] == [CALM]
    assert count > limits.HTTP2_RESETS
    others_are_served(http2_server)


def test_a_block_of_fields_that_unfolds(http2_server: Server) -> None:
    """One entry of the table, named again and again by a byte each."""
    entry = b"\x40\x01a" + bytes([0x7F]) + varint(3900 - 127) + b"b" * 3900
    bomb = block(request()) + entry + b"\xbe" * 1000  # index 62: the newest
    with RawClient(http2_server.port) as client:
        client.send(headers(1, bomb))
        assert client.end() == CALM
    others_are_served(http2_server)


def varint(number: int) -> bytes:
    encoded = []
    while number >= 128:
        encoded.append(number % 128 + 128)
        number //= 128
    return bytes([*encoded, number])


def test_fields_that_are_too_long_for_a_head_are_431(http2_server: Server) -> None:
    with RawClient(http2_server.port) as client:
        client.send(headers(1, [*request(), *[(f"x-{number}", "v" * 3000) for number in range(4)]]))
        assert client.status() == "431"
        client.send(headers(3, request("GET", "/" + "p" * limits.HTTP_LINE)))
        assert client.status(3) == "414"
        client.send(headers(5, [*request(), *[(f"x-{number}", "v") for number in range(limits.HTTP_HEADERS + 1)]]))
        assert client.status(5) == "431"
        client.send(get(7))
        assert client.status(7) == "200"


@pytest.mark.parametrize(
    "fields",
    [
        [*request(), ("host", "another")],
        [*request(), ("x", "a\r\nb: c")],
        [*request(), ("x", "a\nb")],
        [*request(), ("x", "a\0b")],
        [*request(), ("x y", "a")],
        [*request(), *[("", "")] * 1000],  # CVE-2019-9516
        [*request(), ("x:y", "a")],
        [*request(), ("transfer-encoding", "chunked")],
        [*request(), ("content-length", "1"), ("content-length", "1")],
        [*request(), ("content-length", "+1")],
        request("GET", "/a b"),
        request("GET", "/a HTTP/1.1\r\nx: y"),
        request("GET /", "/"),
        request("GET\r\n", "/"),
        [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a\r\nb: c")],
    ],
)
def test_nothing_becomes_another_request(http2_server: Server, fields: list[tuple[str, str]]) -> None:
    """What would say something else in HTTP/1.1 is refused before it is translated."""
    with RawClient(http2_server.port) as client:
        client.send(headers(1, fields))
        found = client.until(RST_STREAM, 1)
        assert found is not None
        assert int.from_bytes(found.payload, "big") == PROTOCOL_ERROR
        assert not any(seen.type == HEADERS for seen in client.seen)
        client.send(get(3))
        assert client.status(3) == "200"


def test_host_alone_and_host_that_agrees(http2_server: Server) -> None:
    with RawClient(http2_server.port) as client:
        client.send(headers(1, [(":method", "GET"), (":scheme", "http"), (":path", "/healthz"), ("host", "wire")]))
        assert client.status(1) == "200"
        client.send(headers(3, [*request(), ("host", "wire")]))
        assert client.status(3) == "200"


def test_byte_by_byte(http2_server: Server) -> None:
    """However the input is cut, the answers are the same."""
    with RawClient(http2_server.port, greet=False) as client:
        for byte in PREFACE + settings() + get(1) + post(3) + frame(DATA, END_STREAM, 3, b"[1]"):
            client.send(bytes([byte]))
        assert client.status(1) == "200"
        assert client.status(3) == "200"


def test_only_the_first_bytes_of_a_connection_may_be_http2(http2_server: Server) -> None:
    """Behind a request it would be a way past a proxy."""
    with http2_server.client() as client:
        assert client.request("GET", "/healthz", auth=None).status == 200
        client.send(PREFACE + settings())
        answer = client.answer()
        assert answer is not None
        assert answer.status == 505


def test_settings_are_acknowledged_in_order(http2_server: Server) -> None:
    with RawClient(http2_server.port) as client:
        client.send(settings((0x4, 1000)) + settings((0x4, 70000)) + get())
        assert client.status() == "200"
        acknowledged = [seen for seen in client.seen if seen.type == SETTINGS and seen.flags & ACK]
        assert len(acknowledged) <= 3
        assert client.alive()
        assert not any(seen.type == GOAWAY for seen in client.seen)
