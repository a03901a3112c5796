"""What a case of h2spec is made of: steps, and what has to come of them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from raw_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    Fields,
    RawClient,
    block,
    frame,
    headers,
    post,
    request,
)

Step = bytes | Callable[[RawClient], None]
Expect = Callable[[RawClient], None]


class Case(NamedTuple):
    number: str
    title: str
    steps: list[Step]
    expect: Expect
    first: bytes = b""  # in place of empty SETTINGS
    greet: bool = True


# --- what has to come -------------------------------------------------------------------------------------------------


def connection_error(*codes: int) -> Expect:
    def check(client: RawClient) -> None:
        assert client.end() in codes

    return check


def stream_error(*codes: int, stream: int = 1) -> Expect:
    """RST_STREAM with one of the codes; a connection error with one of them will do."""

    def check(client: RawClient) -> None:
        while (found := client.next()) is not None:
            if found.type == RST_STREAM and found.stream == stream:
                assert int.from_bytes(found.payload, "big") in codes
                assert client.alive(), "the connection goes on"
                return
            if found.type == GOAWAY:
                assert int.from_bytes(found.payload[4:8], "big") in codes
                return
            assert found.type != HEADERS or found.stream != stream, "it was answered"
        raise AssertionError("closed, and nothing said")

    return check


def stream_is_closed(client: RawClient) -> None:
    """RFC 7540 section 5.1 asked for STREAM_CLOSED, RFC 9113 allows it. libnghttp2 forgets streams that are over, and
    ignores what still comes: it may have been on its way."""
    assert client.alive()


def answered(stream: int = 1, status: str = "200") -> Expect:
    def check(client: RawClient) -> None:
        assert client.status(stream) == status
        assert client.alive()

    return check


def ignored(client: RawClient) -> None:
    assert client.alive()


def acknowledged(kind: int) -> Expect:
    def check(client: RawClient) -> None:
        while (found := client.next()) is not None:
            if found.type == kind and found.flags & ACK:
                return
        raise AssertionError("no acknowledgement")

    return check


def until_answered(stream: int = 1) -> Callable[[RawClient], None]:
    """A step: the stream's answer is here, to its end."""

    def step(client: RawClient) -> None:
        while (found := client.next()) is not None:
            if found.stream == stream and found.flags & END_STREAM and found.type in (HEADERS, DATA):
                return
        raise AssertionError("no answer")

    return step


def data_of(client: RawClient, stream: int = 1) -> bytes:
    """The next DATA of the stream."""
    found = client.until(DATA, stream)
    assert found is not None
    return found.payload


def sizes(*wanted: int, grow: bytes = b"") -> Expect:
    """DATA frames of these sizes come, `grow` being said after the first."""

    def check(client: RawClient) -> None:
        for number, size in enumerate(wanted):
            assert len(data_of(client)) == size
            if number == 0:
                client.send(grow)

    return check


def window_then(grow: bytes) -> Expect:
    """No DATA while the window is empty or negative; after `grow` it comes."""

    def check(client: RawClient) -> None:
        assert client.status() == "200"
        assert client.alive()
        assert not any(found.type == DATA and found.payload for found in client.seen)
        client.send(grow)
        assert data_of(client)

    return check


def http1_refusal(client: RawClient) -> None:
    text = b""
    while data := client.socket.recv(4096):
        text += data
    assert text.startswith(b"HTTP/1.1 400 ")


def answered_or(client: RawClient, code: int) -> None:
    """RFC 7540 made it an error, RFC 9113 does not."""
    while (found := client.next()) is not None:
        if found.type == HEADERS:
            return
        if found.type in (RST_STREAM, GOAWAY):
            assert int.from_bytes(found.payload[-4:] if found.type == RST_STREAM else found.payload[4:8], "big") == code
            return
    raise AssertionError("closed, and nothing said")


# --- what is sent -----------------------------------------------------------------------------------------------------


def data(payload: bytes = b"1", flags: int = END_STREAM, stream: int = 1) -> bytes:
    return frame(DATA, flags, stream, payload)


def with_fields(*fields: tuple[str, str], flags: int = END_STREAM | END_HEADERS) -> bytes:
    return headers(1, [*fields], flags)


def without(name: str) -> Fields:
    return [field for field in request() if field[0] != name]


def split(fields: Fields, at: int = 8) -> tuple[bytes, bytes]:
    whole = block(fields)
    return whole[:at], whole[at:]


HALF, REST = split(request())
BEGUN = headers(1, HALF, END_STREAM)  # a block of fields that is to go on
FINISH = frame(CONTINUATION, END_HEADERS, 1, REST)
UNKNOWN = frame(0x16, 0, 0, b"\0" * 8)
PADDING = b"\x05" + b"1" + b"\0" * 5


def many_streams(client: RawClient) -> None:
    """One more than may be open."""
    found = client.until(SETTINGS)
    assert found is not None
    most = dict(struct.iter_unpack(">HI", found.payload))[0x3]
    client.send(frame(SETTINGS, ACK))
    for number in range(most + 1):
        client.send(post(2 * number + 1))


def one_stream_too_many(client: RawClient) -> None:
    while (found := client.next()) is not None:
        if found.type in (RST_STREAM, GOAWAY):
            code = int.from_bytes(found.payload[-4:] if found.type == RST_STREAM else found.payload[4:8], "big")
            assert code in (PROTOCOL_ERROR, REFUSED_STREAM)
            return
    raise AssertionError("closed, and nothing said")


def table_size_update(size: int) -> bytes:
    return bytes([0x3F]) + _varint(size - 31) if size >= 31 else bytes([0x20 | size])


def _varint(number: int) -> bytes:
    encoded = []
    while number >= 128:
        encoded.append(number % 128 + 128)
        number //= 128
    return bytes([*encoded, number])
