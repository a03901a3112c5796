"""A gRPC call that Python serves: messages in and out over the body of a lent request, and trailers.

The native server hands HTTP/2 streams over as requests of HTTP/1.1 text whose bodies are chunked both ways; what C does
not serve itself (native_ext/grpc/grpc.c) comes here. Handlers are made routes by `route`.
"""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from headgate import limits
from headgate.core.problem import Problem
from headgate.linux import grpc_status as status
from headgate.linux.grpc_status import Failure
from headgate.linux.protobuf import ProtobufError

if TYPE_CHECKING:
    from headgate.tasks.exchange import Exchange, Response

_PREFIX = 5  # bytes before each message: whether it is compressed, and its length
_GZIP = 31  # zlib: a gzip header, the largest window
_UNIT_S = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")


def timeout_s(value: "bytes | None") -> "float | None":
    """grpc-timeout. Raises Failure when it is not understood."""
    if value is None:
        return None
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise Failure(status.INTERNAL, "grpc-timeout is not understood")
    return int(match[1]) * _UNIT_S[match[2]]


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise Failure(status.RESOURCE_EXHAUSTED, f"a message may have {most} bytes")


def gunzip(data: bytes, most: int = limits.GRPC_MESSAGE) -> bytes:
    """One gzip file, of at most so many bytes. Raises Failure."""
    out = b""
    while data:
        stream = zlib.decompressobj(_GZIP)
        try:
            out += stream.decompress(data, most - len(out) + 1)
        except zlib.error:
            raise Failure(status.INTERNAL, "the message is not well-formed gzip") from None
        _check_size(len(out), most)
        if not stream.eof:
            raise Failure(status.INTERNAL, "the message is not well-formed gzip")
        data = stream.unused_data
    return out


class Call:
    """One call. `x`: its exchange."""

    def __init__(self, x: "Exchange") -> None:
        self.x = x
        self.coding = x.request.header(b"grpc-encoding") or b"identity"

    def _decoded(self, compressed: int, body: bytes, most: int) -> bytes:
        if compressed == 0:
            return body
        if compressed > 1:
            raise Failure(status.INTERNAL, "a message's first byte is neither 0 nor 1")
        if self.coding == b"gzip":
            return gunzip(body, most)
        if self.coding == b"identity":
            raise Failure(status.INTERNAL, "a compressed message, and no grpc-encoding")
        raise Failure(status.UNIMPLEMENTED, "grpc-encoding: identity and gzip are understood")

    async def messages(self, most: int = limits.GRPC_MESSAGE) -> AsyncIterator[bytes]:
        """As they arrive, each of at most `most` bytes. Raises Failure, Problem (time is up) and OSError (the client
        is gone)."""
        held = bytearray()
        while True:
            part = await self.x.read()
            if part is None:
                break
            held += part
            while len(held) >= _PREFIX:
                size = int.from_bytes(held[1:_PREFIX], "big")
                _check_size(size, most)
                if len(held) - _PREFIX < size:
                    break
                message = self._decoded(held[0], bytes(held[_PREFIX : _PREFIX + size]), most)
                del held[: _PREFIX + size]
                yield message
        if held:
            raise Failure(status.INTERNAL, "the stream ends inside a message")

    async def message(self, most: int = limits.GRPC_MESSAGE) -> bytes:
        """Of a method that takes one: with a second one it has ended, for they may be endless."""
        found: bytes | None = None
        async for message in self.messages(most):
            if found is not None:
                raise Failure(status.UNIMPLEMENTED, "this method takes one message")
            found = message
        if found is None:
            raise Failure(status.UNIMPLEMENTED, "this method takes one message, and none came")
        return found

    async def send(self, message: bytes) -> None:
        await self.x.send(b"\0" + len(message).to_bytes(4, "big") + message)


def _end(call: Call, error: Exception) -> Failure:
    """How a call ends after this. An OSError is raised again: the client is gone."""
    if isinstance(error, TimeoutError):
        end = Failure(status.DEADLINE_EXCEEDED, "the call's time is up")
    elif isinstance(error, OSError):
        raise error
    elif isinstance(error, Failure):
        end = error
    elif isinstance(error, Problem):
        end = status.of_problem(error)
    elif isinstance(error, ProtobufError):
        end = Failure(status.INTERNAL, str(error))
    elif isinstance(error, MemoryError):
        end = Failure(status.UNAVAILABLE, "out of memory, try again", retry_s=1)
    else:  # nobody foresaw it
        call.x.gateway.report(error)
        end = Failure(status.INTERNAL, "internal")
    return end


async def _run(call: Call, handler: "Callable[[Call], Awaitable[None]]") -> Failure:
    """-> how it ended"""
    try:
        async with asyncio.timeout(timeout_s(call.x.request.header(b"grpc-timeout"))):
            await handler(call)
    except asyncio.CancelledError:
        if not call.x.gateway.draining:
            raise
        return Failure(status.UNAVAILABLE, "shutting down")  # it took longer than a drain lets it
    except Exception as error:
        return _end(call, error)
    return Failure(status.OK)


def route(
    handler: "Callable[[Call], Awaitable[None]]",
) -> "Callable[[Exchange, dict[str, str]], Awaitable[Response | None]]":
    """A handler of tasks/api.py's router."""

    async def served(x: "Exchange", _params: "dict[str, str]") -> "Response | None":
        kind = (x.request.header(b"content-type") or b"").partition(b";")[0].rstrip(b" \t")
        if kind not in (b"application/grpc", b"application/grpc+proto"):  # the protocol: 415 for what is not gRPC
            raise Problem(415, "unsupported_media_type", "send application/grpc")
        x.begin(200, b"application/grpc", [(b"grpc-accept-encoding", b"identity,gzip")])
        x.trailers = status.trailers(await _run(Call(x), handler))
        return None

    return served
