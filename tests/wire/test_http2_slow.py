"""Peers that do not take what they asked for, do not send what they announced, or make us keep what is theirs."""

from __future__ import annotations

import time

import pytest
import wire
from raw_frames import (
    CANCEL,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    NO_ERROR,
    RST_STREAM,
    WINDOW_UPDATE,
    RawClient,
    block,
    frame,
    get,
    headers,
    literal,
    ping,
    post,
    request,
    settings,
    window_update,
)
from test_http2_floods import others_are_served
from wire import Server

from headgate import limits
from headgate.linux.protobuf import put_bytes

INITIAL_WINDOW_SIZE = 0x4
VALUE = b"v" * 4000


def grpc(stream: int, path: str, message: bytes, flags: int = END_STREAM) -> bytes:
    """A call with one message; without END_STREAM more may follow."""
    fields = (("content-type", "application/grpc"), ("te", "trailers"), ("authorization", "Bearer " + wire.token()))
    head = headers(stream, request("POST", path, *fields), END_HEADERS)
    return head + frame(DATA, flags, stream, b"\0" + len(message).to_bytes(4, "big") + message)


def memory(server: Server) -> int:
    return int(server.metrics()["headgate_server_memory_bytes"])


def cached() -> bytes:
    return headers(1, request("GET", "/v1/cache/slow", ("authorization", "Bearer " + wire.token())))


def put_value(server: Server) -> None:
    assert server.request("PUT", "/v1/cache/slow", VALUE).status in (201, 204)


# Answers by the server, by Python, and by gRPC's translator.
ASKED = {
    "GET": get,
    "GET of a value": cached,
    "a page of Python's": lambda: headers(1, request("GET", "/metrics")),
    "gRPC": lambda: grpc(1, "/headgate.v1.Validator/ValidateOne", put_bytes(1, "any") + put_bytes(3, b"[1]")),
    "gRPC of a value": lambda: grpc(1, "/headgate.v1.Cache/Get", put_bytes(1, "slow")),
    "gRPC of many": lambda: grpc(1, "/headgate.v1.Cache/BatchGet", put_bytes(1, "slow") + put_bytes(1, "none")),
    "gRPC, both ways": lambda: grpc(1, "/headgate.v1.Validator/Validate", put_bytes(1, "any") + put_bytes(3, b"["), 0),
    "gRPC of Python's": lambda: grpc(1, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", put_bytes(7, "")),
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_window_of_zero(http2_server: Server, asked: str) -> None:
    """The answer waits for as long as a body may take (600 ms here), then its stream is reset; others go on."""
    put_value(http2_server)
    with RawClient(http2_server.port, first=settings((INITIAL_WINDOW_SIZE, 0))) as client:
        client.send(ASKED[asked]())
        assert client.status() == "200"
        found = client.until(RST_STREAM, 1)
        assert found is not None, "the connection was closed"
        assert int.from_bytes(found.payload, "big") == CANCEL
        assert not any(seen.type == DATA and seen.payload for seen in client.seen)
        client.send(settings((INITIAL_WINDOW_SIZE, 65535)) + get(3))
        assert client.status(3) == "200"
        assert client.until(DATA, 3) is not None


@pytest.mark.parametrize("asked", ["GET", "gRPC"])
def test_one_byte_at_a_time(http2_server: Server, asked: str) -> None:
    """A window that opens by a byte. (That this does not give it more time: tests/c/test_http2_server.c, _grpc.c.)"""
    with RawClient(http2_server.port, first=settings((INITIAL_WINDOW_SIZE, 1))) as client:
        client.send(ASKED[asked]())
        while (found := client.next()) is not None and not (found.stream == 1 and found.flags & END_STREAM):
            if found.type == DATA:
                assert len(found.payload) == 1
                client.send(window_update(1, 1))
            elif found.type == RST_STREAM:  # a busy machine
                break
        assert found is not None
    others_are_served(http2_server)


def test_a_batch_whose_results_are_not_taken(http2_server: Server) -> None:
    """Results pile up only so far: then the body is not read any more, then the stream is reset."""
    records = b"1\n" * 8000
    fields = (("content-type", wire.NDJSON), ("authorization", "Bearer " + wire.token()))
    with RawClient(http2_server.port, first=settings((INITIAL_WINDOW_SIZE, 0))) as client:
        client.send(headers(1, request("POST", "/v1/streams/any", *fields), END_HEADERS))
        windows, sent = {0: 65535, 1: 65535}, 0
        while True:
            if min(windows.values()) >= len(records):
                client.send(frame(DATA, 0, 1, records))
                sent += len(records)
                windows = {stream: window - len(records) for stream, window in windows.items()}
                assert sent < 10_000_000, "it takes everything"
            found = client.next()
            assert found is not None, "the connection was closed"
            if found.type == WINDOW_UPDATE:
                windows[found.stream] += int.from_bytes(found.payload, "big")
            elif found.type == RST_STREAM:
                break
        assert sent >= len(records)
        client.send(settings((INITIAL_WINDOW_SIZE, 65535)) + get(3))
        assert client.status(3) == "200"


def test_a_socket_that_is_not_read(http2_server: Server) -> None:
    """CVE-2019-9517: windows as large as can be, many answers, and the peer does not read: nothing gathers here."""
    put_value(http2_server)
    wide = settings((INITIAL_WINDOW_SIZE, 2**31 - 1)) + window_update(0, 2**31 - 1 - 65535)
    value = block(request("GET", "/v1/cache/slow", ("authorization", "Bearer " + wire.token())))
    asked = b"".join(
        headers(stream, value) for stream in range(1, 20_000, 2)
    )  # 40 MB of answers: more than sockets hold
    with RawClient(http2_server.port, first=wide) as client:
        deadline, sent, most = time.monotonic() + wire.PATIENCE_S, 0, 0
        client.socket.settimeout(0.1)
        while sent < len(asked):
            assert time.monotonic() < deadline, "it is not closed"
            most = max(most, memory(http2_server))
            try:
                sent += client.socket.send(asked[sent : sent + 65536])
            except TimeoutError:  # it is not read: for now, or any more
                continue
            except OSError:
                break
        assert sent < len(asked), "it is read no further"
        assert most < 4_000_000, "what waits for it is bounded"
        client.socket.settimeout(wire.PATIENCE_S)
        assert client.end() is None, "closed, for no flood"
    others_are_served(http2_server)


def test_acknowledgements_do_not_gather(http2_server: Server) -> None:
    """A peer that asks and does not listen: it ends as any flood, and what waited for it was little."""
    with RawClient(http2_server.port) as client:
        assert client.alive()
        before = memory(http2_server)
        for _ in range(limits.HTTP2_FRAMES * 20 // 100):
            client.send(ping() * 100)
            assert memory(http2_server) < before + 100_000
        assert client.end() in (ENHANCE_YOUR_CALM, None)  # closed while PINGs were still coming: it may be lost
    others_are_served(http2_server)


def test_a_body_that_does_not_come(http2_server: Server) -> None:
    """408 for this stream; others of the connection are served."""
    with RawClient(http2_server.port) as client:
        client.send(post() + get(3))
        assert client.status(3) == "200"
        assert client.status(1) == "408"
        client.send(get(5))
        assert client.status(5) == "200"


def test_fields_that_do_not_end(http2_server: Server) -> None:
    """Nobody else can speak on the connection meanwhile: it ends after head_timeout (600 ms here)."""
    with RawClient(http2_server.port) as client:
        assert client.alive()
        client.send(headers(1, block(request())[:9], END_STREAM))
        assert client.end() == NO_ERROR


# -- HPACK's tables


def indexed(name: bytes, value: bytes) -> bytes:
    """A field that enters the table: RFC 7541 section 6.2.1."""
    return b"\x40" + literal(name, value)[1:]


def test_a_table_that_is_filled_anew_by_each_request(http2_server: Server) -> None:
    """Each throws out what the one before has put in. It is the peer's own table, of 4096 bytes, and stays so large."""
    with RawClient(http2_server.port) as client:
        for turn in range(100):
            filler = indexed(b"x-filler", b"%05d" % turn + b"f" * 3900)
            client.send(headers(2 * turn + 1, block(request()) + filler))
            assert client.status(2 * turn + 1) == "200"
            if turn == 10:
                before = memory(http2_server)
        assert memory(http2_server) <= before + 8192


def test_a_table_that_changes_its_size_without_end(http2_server: Server) -> None:
    """A block of nothing but size updates (RFC 7541 section 6.3), and SETTINGS that ask us for the largest table."""
    with RawClient(http2_server.port, first=settings((0x1, 2**32 - 1))) as client:
        client.send(headers(1, b"\x20" * 16000 + block(request())))
        assert client.status(1) == "200"
        before = memory(http2_server)
        for turn in range(1, 60):  # each followed by an answer, whose block begins with the new size
            client.send(settings((0x1, 0), (0x1, 2**32 - 1)) + get(2 * turn + 1))
            assert client.status(2 * turn + 1) == "200"
        assert memory(http2_server) <= before + 8192
