"""HTTP/2 frames, byte by byte (RFC 9113 section 4.1), and a client that says and reads them. HPACK is not ours."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import NamedTuple

import pytest
import wire

hpack = pytest.importorskip("hpack", reason="needs the Python package hpack (it comes with h2)")

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
(
    NO_ERROR,
    PROTOCOL_ERROR,
    INTERNAL_ERROR,
    FLOW_CONTROL_ERROR,
    SETTINGS_TIMEOUT,
    STREAM_CLOSED,
    FRAME_SIZE_ERROR,
    REFUSED_STREAM,
    CANCEL,
    COMPRESSION_ERROR,
    CONNECT_ERROR,
    ENHANCE_YOUR_CALM,
) = range(12)
Fields = list[tuple[str, str]]


class Frame(NamedTuple):
    type: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"", *, length: int | None = None) -> bytes:
    """`length`: what the head says instead of the truth."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def ping(payload: bytes = b"headgate", flags: int = 0) -> bytes:
    return frame(PING, flags, 0, payload)


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def reset(stream: int, code: int = CANCEL) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def priority(depends: int, weight: int = 15) -> bytes:
    """A payload."""
    return struct.pack(">IB", depends, weight)


def literal(name: bytes, value: bytes) -> bytes:
    """A field without index and Huffman code: RFC 7541 section 6.2.2."""
    assert len(name) < 127
    return b"\x00" + bytes([len(name)]) + name + hpack_length(len(value)) + value


def hpack_length(length: int) -> bytes:
    """An integer with a prefix of 7 bits: RFC 7541 section 5.1."""
    if length < 127:
        return bytes([length])
    encoded, length = [127], length - 127
    while length >= 128:
        encoded.append(length % 128 + 128)
        length //= 128
    return bytes([*encoded, length])


def block(fields: Fields) -> bytes:
    return b"".join(literal(name.encode(), value.encode()) for name, value in fields)


def request(method: str = "GET", path: str = "/healthz", *more: tuple[str, str]) -> Fields:
    return [(":method", method), (":scheme", "http"), (":path", path), (":authority", "wire"), *more]


def headers(stream: int, fields: Fields | bytes, flags: int = END_STREAM | END_HEADERS) -> bytes:
    return frame(HEADERS, flags, stream, fields if isinstance(fields, bytes) else block(fields))


def get(stream: int = 1) -> bytes:
    return headers(stream, request())


def post(stream: int = 1, *more: tuple[str, str]) -> bytes:
    """The head of a message whose body is to come. Tables of cases are made long before they are used."""
    token = wire.token(exp=int(time.time()) + 86400)
    fields = (("content-type", wire.JSON_TYPE), ("authorization", "Bearer " + token))
    return headers(stream, request("POST", "/v1/validate/any", *fields, *more), END_HEADERS)


class RawClient:
    """A connection on which anything may be said. What comes is kept in `seen`; `fields`: of the last HEADERS."""

    def __init__(self, port: int, *, greet: bool = True, first: bytes = b"") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=wire.PATIENCE_S)
        self.decoder = hpack.Decoder()
        self.buffer = b""
        self.seen: list[Frame] = []
        self.fields: dict[str, str] = {}
        self.closed = False
        if greet:
            self.send(PREFACE + (first or settings()))

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # what the server has said before can still be read
            self.socket.sendall(data)

    def next(self) -> Frame | None:
        """The next frame; None: the connection is closed. SETTINGS are acknowledged."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                data = self.socket.recv(65536)
            except OSError as error:
                if isinstance(error, TimeoutError):
                    raise
                data = b""
            if not data:
                self.closed = True
                return None
            self.buffer += data
        length = int.from_bytes(self.buffer[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
        found = Frame(kind, flags, stream & 0x7FFFFFFF, self.buffer[9 : 9 + length])
        self.buffer = self.buffer[9 + length :]
        self.seen.append(found)
        if kind == HEADERS:  # whoever waits for it: each one changes the table
            self.fields = dict(self.decoder.decode(found.payload))
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK))
        return found

    def until(self, kind: int, stream: int | None = None) -> Frame | None:
        """The next frame of this kind; None: the connection was closed before."""
        while True:
            found = self.next()
            if found is None or (found.type == kind and stream in (None, found.stream)):
                return found

    def status(self, stream: int = 1) -> str:
        """Of the answer on this stream, which is waited for; "": there will be none."""
        return "" if self.until(HEADERS, stream) is None else self.fields[":status"]

    def alive(self) -> bool:
        """It answers a PING, and has not said GOAWAY."""
        self.send(ping(b"is alive"))
        while True:
            found = self.next()
            if found is None or found.type == GOAWAY:
                return False
            if found.type == PING and found.flags & ACK and found.payload == b"is alive":
                return True

    def end(self) -> int | None:
        """The code of the GOAWAY after which the connection is closed; None: it is closed without. All is read."""
        code = None
        while (found := self.next()) is not None:
            if found.type == GOAWAY:
                code = int.from_bytes(found.payload[4:8], "big")
        return code
