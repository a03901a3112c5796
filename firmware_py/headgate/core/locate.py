"""At which byte a part of a document begins, found by reading the document once more. Portable."""
# ruff: noqa: PLR2004 - the numbers are those of RFC 8949 section 3

from headgate import limits
from headgate.core import cbor
from headgate.core.cbor_scan import Scanner
from headgate.core.json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from headgate.core.schema import Data

_WHITE = b" \t\r\n"


def offset_of(data: "Data", encoding: str, names: "list[str | int]", last: bool) -> int:
    """Bytes from the start of a well-formed document to the value that the names and indexes lead to. `last`: of equal
    names the last one counts, else there are none."""
    data = bytes(data)
    at = 0
    if encoding == "cbor":
        at = _bare(data, 0)
        for name in names:
            at = _bare(data, _in_cbor(data, at, name, last))
        return at
    at = _skip(data, 0)
    for name in names:
        at = _in_json(data, at, name, last)
    return at


# --- JSON -----------------------------------------------------------------------------------------------------------


def _skip(data: bytes, at: int) -> int:
    while data[at] in _WHITE:
        at += 1
    return at


def _string_end(data: bytes, at: int) -> int:
    """Past the closing quote of the string whose opening quote is at `at`."""
    at += 1
    while True:
        quote = data.find(b'"', at)
        escape = data.find(b"\\", at, quote)
        if escape < 0:
            return quote + 1
        at = escape + 2


def _value_end(data: bytes, at: int) -> int:
    """Past the value that begins at `at`."""
    depth = 0
    size = len(data)
    while True:
        c = data[at : at + 1]
        if c == b'"':
            at = _string_end(data, at)
        elif c in (b"{", b"["):
            depth += 1
            at += 1
        elif c in (b"}", b"]"):
            depth -= 1
            at += 1
        elif c in (b",", b":") or data[at] in _WHITE:
            at += 1
            continue
        else:
            while at < size and data[at] not in b",]} \t\r\n":
                at += 1
        if depth == 0:
            return at


def _in_json(data: bytes, at: int, name: "str | int", last: bool) -> int:
    """Where the member or item of the container at `at` begins."""
    found = -1
    index = 0
    at = _skip(data, at + 1)
    while data[at] not in b"]}":
        match = index == name
        if isinstance(name, str):
            end = _string_end(data, at)
            match = loads(data[at:end]) == name
            at = _skip(data, _skip(data, end) + 1)
        if match:
            found = at
            if not last:
                break
        at = _skip(data, _value_end(data, at))
        if data[at : at + 1] == b",":
            at = _skip(data, at + 1)
        index += 1
    return found


# --- CBOR -----------------------------------------------------------------------------------------------------------


def _end(data: bytes, at: int) -> int:
    return Scanner(4 * limits.DOCUMENT_DEPTH).end(data, at)


def _bare(data: bytes, at: int) -> int:
    """Past the tags that mean nothing here (core.cbor)."""
    while data[at] >> 5 == 6:
        after, number = _head(data, at)
        if number > 1 and (at > 0 or number != 55799):
            break
        at = after
    return at


def _in_cbor(data: bytes, at: int, name: "str | int", last: bool) -> int:
    at, count = _head(data, at)
    found = -1
    index = 0
    while index != count and data[at] != 0xFF:
        match = index == name
        if isinstance(name, str):
            end = _end(data, at)
            match = cbor.loads(data[at:end]) == name
            at = end
        if match:
            found = at
            if not last:
                break
        at = _end(data, at)
        index += 1
    return found


def _head(data: bytes, at: int) -> "tuple[int, int]":
    """The index past the head at `at`, and its argument; -1 for an indefinite length."""
    info = data[at] & 31
    if info < 24:
        return at + 1, info
    if info == 31:
        return at + 1, -1
    end = at + 1 + (1 << (info - 24))
    return end, int.from_bytes(data[at + 1 : end], "big")
