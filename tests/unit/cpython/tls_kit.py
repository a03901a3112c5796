"""What a native server does with a Tls, by ctypes: struct hg_tls (native_ext/core/tls.h) as it lies in the object.

Calls are made between enter and leave. The interpreter's lock is held already, unlike in the server; what that gives is
that ctypes raises any exception a call leaves behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import ssl
from collections.abc import Iterator
from typing import Any

from headgate import limits

GREETING, OPEN, ENDED, BROKEN = range(4)
ROOM = 16384  # bytes of plain text taken at a time
_P, _U32 = ctypes.c_void_p, ctypes.c_uint32

_libc = ctypes.CDLL(None)


class _Alloc(ctypes.Structure):
    _fields_ = (("alloc", _P), ("release", _P), ("context", _P))


class _Output(ctypes.Structure):
    _fields_ = (
        ("alloc", _Alloc),
        ("data", _P),
        ("length", _U32),
        ("capacity", _U32),
        ("most", _U32),
        ("failed", ctypes.c_bool),
    )


class _View(ctypes.Structure):
    _fields_ = (("at", _P), ("length", _U32))


_OUT = ctypes.POINTER(_Output)
_STATE = ctypes.POINTER(ctypes.c_int)


class _Tls(ctypes.Structure):
    _fields_ = (
        ("context", _P),
        ("enter", ctypes.PYFUNCTYPE(None, _P)),
        ("leave", ctypes.PYFUNCTYPE(None, _P)),
        ("open", ctypes.PYFUNCTYPE(_P, _P)),
        ("close", ctypes.PYFUNCTYPE(None, _P, _P)),
        ("feed", ctypes.PYFUNCTYPE(ctypes.c_int, _P, _P, ctypes.c_char_p, _U32, _OUT)),
        ("read", ctypes.PYFUNCTYPE(_U32, _P, _P, ctypes.c_char_p, _U32, _STATE, _OUT)),
        ("write", ctypes.PYFUNCTYPE(ctypes.c_bool, _P, _P, ctypes.c_char_p, _U32, _OUT)),
        ("finish", ctypes.PYFUNCTYPE(None, _P, _P, _OUT)),
        ("identity", ctypes.PYFUNCTYPE(_View, _P, _P)),
    )


# Memory of struct hg_output: its functions are called with a context, malloc and free are not.
_ALLOC = ctypes.CFUNCTYPE(_P, _P, ctypes.c_size_t)
_RELEASE = ctypes.CFUNCTYPE(None, _P, _P)
_libc.malloc.restype, _libc.malloc.argtypes = _P, [ctypes.c_size_t]
_libc.free.restype, _libc.free.argtypes = None, [_P]
_alloc = _ALLOC(lambda _, size: _libc.malloc(size))
_release = _RELEASE(lambda _, memory: _libc.free(memory))


class Server:
    """One connection of a Tls. Every call gives the bytes for the peer in `sent`."""

    def __init__(self, tls: object, most: int = 1 << 20) -> None:
        self._object = tls
        self._tls = _Tls.from_address(id(tls) + object.__basicsize__)
        self._output = _Output(
            _Alloc(ctypes.cast(_alloc, _P), ctypes.cast(_release, _P), None), None, 0, 0, most, False
        )
        self._plain = ctypes.create_string_buffer(ROOM)
        self.state = GREETING
        self.sent = b""
        with self._entered() as context:
            self.session = self._tls.open(context)

    @contextlib.contextmanager
    def _entered(self) -> Iterator[int]:
        self._tls.enter(self._tls.context)
        try:
            yield self._tls.context
        finally:
            self._tls.leave(self._tls.context)

    def _take(self) -> None:
        output = self._output
        if output.data:
            self.sent += ctypes.string_at(output.data, output.length)
        output.length = 0

    def feed(self, data: bytes) -> int:
        with self._entered() as context:
            self.state = self._tls.feed(context, self.session, data, len(data), self._output)
            self._take()
        return self.state

    def read(self, room: int = ROOM) -> bytes:
        state = ctypes.c_int(-1)
        with self._entered() as context:
            length = self._tls.read(context, self.session, self._plain, room, state, self._output)
            self._take()
        self.state = state.value
        return self._plain.raw[:length]

    def read_all(self, room: int = ROOM) -> bytes:
        whole = b""
        while piece := self.read(room):
            whole += piece
        return whole

    def receive(self, data: bytes) -> bytes:
        """Bytes from the socket -> plain text, in pieces as tls.h asks."""
        plain = b""
        for at in range(0, len(data), limits.TLS_PIECE):
            if self.feed(data[at : at + limits.TLS_PIECE]) == BROKEN:
                break
            plain += self.read_all()
        return plain

    def write(self, data: bytes) -> bool:
        with self._entered() as context:
            done = self._tls.write(context, self.session, data, len(data), self._output)
            self._take()
        return done

    def finish(self) -> None:
        with self._entered() as context:
            self._tls.finish(context, self.session, self._output)
            self._take()

    def identity(self) -> bytes:
        with self._entered() as context:
            view = self._tls.identity(context, self.session)
            return ctypes.string_at(view.at, view.length)

    def close(self) -> None:
        with self._entered() as context:
            if self.session is not None:
                self._tls.close(context, self.session)
            self.session = None
        _libc.free(self._output.data)
        self._output.data = None


class Client:
    """The peer, by Python's ssl."""

    def __init__(self, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1", session=session)

    def turn(self, server: Server, step: Any = None) -> None:
        """What the server has sent comes here; then a step of the handshake, or another one."""
        self.incoming.write(server.sent)
        server.sent = b""
        with contextlib.suppress(ssl.SSLWantReadError):
            (step or self.object.do_handshake)()

    def greet(self, server: Server) -> bytes:
        """The whole handshake. -> plain text the server has read meanwhile."""
        plain = b""
        for _ in range(4):
            self.turn(server)
            plain += server.receive(self.outgoing.read())
        return plain

    def read(self, server: Server) -> bytes:
        """Everything the server has sent."""
        self.incoming.write(server.sent)
        server.sent = b""
        whole = b""
        with contextlib.suppress(ssl.SSLWantReadError):
            while piece := self.object.read(ROOM):
                whole += piece
        return whole
