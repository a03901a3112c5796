"""What /metrics says of HTTP/2."""

from __future__ import annotations

from raw_frames import (
    ENHANCE_YOUR_CALM,
    PING,
    PROTOCOL_ERROR,
    RST_STREAM,
    RawClient,
    get,
    headers,
    ping,
    post,
    request,
    reset,
)
from wire import Server

from headgate import limits

PREFIX = "headgate_http2_"


def counted(server: Server) -> dict[str, int]:
    return {
        name.removeprefix(PREFIX): int(value) for name, value in server.metrics().items() if name.startswith(PREFIX)
    }


def grown(server: Server, before: dict[str, int]) -> dict[str, int]:
    return {name: value - before.get(name, 0) for name, value in counted(server).items()}


def test_connections_and_streams(http2_server: Server) -> None:
    before = counted(http2_server)
    with RawClient(http2_server.port) as client:
        for stream in (1, 3, 5):
            client.send(get(stream))
            assert client.status(stream) == "200"
        client.send(post(7))  # whose body is still to come
        client.send(ping())
        client.until(PING)
        after = grown(http2_server, before)
        assert (after["connections_total"], after["streams_total"]) == (1, 4)
        assert counted(http2_server)["connections"] >= 1
        assert counted(http2_server)["streams"] >= 1


def test_resets_of_both_sides(http2_server: Server) -> None:
    before = counted(http2_server)
    with RawClient(http2_server.port) as client:
        client.send(post(1) + reset(1))
        client.send(headers(3, [*request(), ("X-Upper", "case")]))
        client.until(RST_STREAM)
        after = grown(http2_server, before)
    assert sum(count for name, count in after.items() if name.startswith("resets_received_total")) == 1
    assert after['resets_sent_total{reason="PROTOCOL_ERROR"}'] == 1


def test_a_flood_and_its_goaway(http2_server: Server) -> None:
    before = counted(http2_server)
    with RawClient(http2_server.port) as client:
        client.send(b"".join(ping() for _ in range(limits.HTTP2_FRAMES + 200)))
        assert client.end() == ENHANCE_YOUR_CALM
    after = grown(http2_server, before)
    # "frames", or on a machine so slow that this many are not too many in their time, "others": libnghttp2's own limit
    assert sum(count for name, count in after.items() if name.startswith("floods_total")) == 1
    assert after['goaways_sent_total{reason="ENHANCE_YOUR_CALM"}'] == 1


def test_a_broken_connection(http2_server: Server) -> None:
    before = counted(http2_server)
    with RawClient(http2_server.port) as client:
        client.send(headers(2, request()))  # RFC 9113 section 5.1.1: clients have odd numbers
        assert client.end() == PROTOCOL_ERROR
    after = grown(http2_server, before)
    assert after['goaways_sent_total{reason="PROTOCOL_ERROR"}'] == 1
    assert sum(count for name, count in after.items() if name.startswith("floods_total")) == 0
