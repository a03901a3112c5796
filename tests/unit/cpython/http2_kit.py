"""A server of HTTP/2 that does exactly what a test wants, frame by frame (RFC 9113 section 4). It does not read HPACK:
to it a request is a HEADERS frame with a stream."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from headgate_host.load.target import Target

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
MAX_STREAMS, INITIAL_WINDOW = 3, 4
PIECE = 9_999  # bytes of a DATA frame, which has 16,384 at most
OK, BAD_REQUEST, ERROR = b"\x88", b"\x8c", b"\x8e"  # of HPACK's static table: 200, 400, 500


@dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def ends(self) -> bool:
        return self.kind in (HEADERS, DATA) and bool(self.flags & END_STREAM)


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def setting(name: int, value: int) -> bytes:
    return name.to_bytes(2, "big") + value.to_bytes(4, "big")


def field(name: bytes, value: bytes) -> bytes:
    """Literal, without indexing (RFC 7541 section 6.2.2)."""
    return bytes((0, len(name))) + name + bytes((len(value),)) + value


def answer(stream: int, status: bytes = OK) -> bytes:
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, status)


def grpc_answer(stream: int, data: bytes = b"\0\0\0\0\0", status: bytes = b"0") -> bytes:
    """`data`: with the prefix of each message; none at all: trailers only."""
    head = OK + field(b"content-type", b"application/grpc")
    trailer = field(b"grpc-status", status)
    if not data:
        return frame(HEADERS, END_HEADERS | END_STREAM, stream, head + trailer)
    pieces = (data[at : at + PIECE] for at in range(0, len(data), PIECE))
    return (
        frame(HEADERS, END_HEADERS, stream, head)
        + b"".join(frame(DATA, 0, stream, piece) for piece in pieces)
        + frame(HEADERS, END_HEADERS | END_STREAM, stream, trailer)
    )


def message(body: bytes) -> bytes:
    return b"\0" + len(body).to_bytes(4, "big") + body


class Peer:
    """One connection. `settings` are the server's; `next` gives the client's frames, without those that only keep the
    connection going."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def greet(self, settings: bytes = b"") -> None:
        assert await self._reader.readexactly(len(PREFACE)) == PREFACE
        self.send(frame(SETTINGS, payload=settings))

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def next(self) -> Frame:
        while True:
            head = await self._reader.readexactly(9)
            payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
            found = Frame(head[3], head[4], int.from_bytes(head[5:], "big"), payload)
            if found.kind == SETTINGS and not found.flags & ACK:
                self.send(frame(SETTINGS, ACK))
            elif found.kind not in (SETTINGS, WINDOW_UPDATE):
                return found

    async def requests(self) -> AsyncIterator[int]:
        """The streams of requests that are complete."""
        while True:
            found = await self.next()
            if found.ends:
                yield found.stream


Serve = Callable[[Peer], Awaitable[None]]


def always(made: Callable[[int], bytes] = answer) -> Serve:
    async def serve(peer: Peer) -> None:
        await peer.greet()
        async for stream in peer.requests():
            peer.send(made(stream))

    return serve


def in_turn(*made: Callable[[int], bytes]) -> Serve:
    """Each request gets the next of these answers."""
    turns = itertools.cycle(made)

    def next_one(stream: int) -> bytes:
        return next(turns)(stream)

    return always(next_one)


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Target]:
    tasks: set[asyncio.Task[None]] = set()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serve(Peer(reader, writer))
        writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    async with server:
        yield Target.parse(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
