"""RESP, the protocol of Valkey and Redis, versions 2 and 3: bytes in, values out, commands to bytes; no I/O.

https://valkey.io/topics/protocol. Whoever answers may be anybody: every length is bounded (limits.RESP_*), whatever is
not of the protocol, or too long, ends the connection. A reply is

    b"text"           a simple, bulk or verbatim text, a number that is no integer
    7, True, None
    [...]             an array or set; a map is the array of its keys and values in turn
    Failure, Push     an error; a message that is no reply
"""

import re
from collections.abc import Callable

from headgate import limits

_INTEGER = re.compile(rb"-?[0-9]{1,18}")  # of 64 bits, whatever the digits
_AGGREGATES = {b"*": 1, b"~": 1, b">": 1, b"%": 2, b"|": 2}  # type -> elements for each one announced
_BULKS = (b"$", b"=", b"!")
_TOLD = 256  # bytes of an error's text
_VERBATIM = 4  # bytes before the text: "txt:" or "mkd:"
_END = b"\r\n"


class RespError(Exception):
    """Not the protocol, or over a limit. The message ends a sentence."""


class Failure:
    """An error reply: a word in capitals and a sentence."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        told = text[:_TOLD].decode("utf-8", "replace")
        self.text = "".join(character if character.isprintable() else "?" for character in told)  # one line of a log

    def __repr__(self) -> str:
        return f"Failure({self.text!r})"


class Push(list["Reply"]):
    """A message that nobody asked for (RESP3): its kind, and what belongs to it."""


Reply = bytes | int | bool | None | Failure | list["Reply"]


class _More:
    """What `Reader.next` gives when bytes are missing."""


MORE = _More()


class _Aggregate:
    """One that is being read: `left` elements are missing."""

    __slots__ = ("items", "kind", "left")

    def __init__(self, kind: bytes, left: int) -> None:
        self.kind = kind
        self.left = left
        self.items: list[Reply] = []

    def value(self) -> "Reply":
        return Push(self.items) if self.kind == b">" else self.items


def command(*words: bytes) -> bytes:
    """A command as the server reads it: an array of bulk texts."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts.append(b"$%d\r\n" % len(word))
        parts.append(word)
        parts.append(_END)
    return b"".join(parts)


class Reader:
    """feed() what came, take replies with next() until it gives MORE. After a RespError it is of no more use."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0
        self._open: list[_Aggregate] = []
        self._bulk: tuple[bytes, int] | None = None  # the text being read: type and length
        self._items = 0  # of this reply
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        del self._data[: self._at]
        self._at = 0
        self._data += data

    def next(self) -> "Reply | _More":
        """The next reply or push, or MORE. Raises RespError."""
        while True:
            found = self._element()
            if isinstance(found, _More):
                return found
            if isinstance(found, _Aggregate):
                self._open.append(found)
                if found.left:
                    continue
                self._open.pop()
                if found.kind == b"|":
                    continue
                value = found.value()
            else:
                value = found
            whole = self._place(value)
            if whole:
                self._items = self._bytes = 0
                return whole[0]

    def _place(self, value: "Reply") -> "tuple[Reply] | None":
        """Into the aggregate it belongs to, which may complete that one; -> the whole reply, if this was its end."""
        while self._open:
            outer = self._open[-1]
            outer.items.append(value)
            outer.left -= 1
            if outer.left:
                return None
            self._open.pop()
            if outer.kind == b"|":  # attributes of what comes next; nobody here asks for any
                return None
            value = outer.value()
        return (value,)

    def _element(self) -> "Reply | _Aggregate | _More":
        if self._bulk is not None:
            return self._text(*self._bulk)
        line = self._line()
        if line is None:
            return MORE
        kind, rest = line[:1], line[1:]
        if kind in _BULKS:
            return self._begin_text(kind, rest)
        if kind in _AGGREGATES:
            return self._begin_aggregate(kind, rest)
        read = _SIMPLE.get(kind)
        if read is None:
            raise RespError("it does not speak RESP")
        self._count(len(rest))
        return read(rest)

    def _line(self) -> bytes | None:
        end = self._data.find(_END, self._at, self._at + limits.RESP_LINE)
        if end < 0:
            if len(self._data) - self._at >= limits.RESP_LINE:
                raise RespError("a line is too long")
            return None
        line = bytes(self._data[self._at : end])
        self._at = end + len(_END)
        return line

    def _count(self, size: int) -> None:
        self._items += 1
        self._bytes += size
        if self._items > limits.RESP_ITEMS or self._bytes > limits.RESP_BYTES:
            raise RespError("a reply is too large")

    def _begin_text(self, kind: bytes, rest: bytes) -> "Reply | _More":
        length = _integer(rest)
        if length == -1 and kind == b"$":  # RESP2's null
            self._count(0)
            return None
        if length < 0:
            raise RespError("a length is negative")
        self._count(length)
        self._bulk = (kind, length)
        return self._text(kind, length)

    def _text(self, kind: bytes, length: int) -> "Reply | _More":
        end = self._at + length
        if len(self._data) < end + len(_END):
            return MORE
        text = bytes(self._data[self._at : end])
        if self._data[end : end + len(_END)] != _END:
            raise RespError("a text does not end where it should")
        self._at = end + len(_END)
        self._bulk = None
        if kind == b"!":
            return Failure(text)
        return text[_VERBATIM:] if kind == b"=" else text

    def _begin_aggregate(self, kind: bytes, rest: bytes) -> "Reply | _Aggregate":
        count = _integer(rest)
        self._count(0)
        if count == -1 and kind == b"*":
            return None
        if count < 0:
            raise RespError("a length is negative")
        count *= _AGGREGATES[kind]
        if count > limits.RESP_ITEMS:
            raise RespError("a reply is too large")
        if len(self._open) >= limits.RESP_DEPTH:
            raise RespError("a reply is nested too deeply")
        if kind == b">" and self._open:
            raise RespError("a message stands inside a reply")
        return _Aggregate(kind, count)


def _integer(text: bytes) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise RespError("a number is none")
    return int(text)


def _boolean(text: bytes) -> bool:
    if text not in (b"t", b"f"):
        raise RespError("a boolean is none")
    return text == b"t"


def _null(text: bytes) -> None:
    if text:
        raise RespError("a null is something")


def _as_it_is(text: bytes) -> bytes:
    return text


_SIMPLE: "dict[bytes, Callable[[bytes], Reply]]" = {
    b"+": _as_it_is,
    b"-": Failure,
    b":": _integer,
    b"#": _boolean,
    b"_": _null,
    b",": _as_it_is,  # doubles and big numbers: nobody here calculates with one
    b"(": _as_it_is,
}
