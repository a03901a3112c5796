"""Strict JSON: RFC 8259 with the I-JSON refusals (RFC 7493), exact numbers, bounded depth.

The interpreters' own parsers are too lax to stand at a gate: they let pass NaN, broken UTF-8, a name given twice (so
that two readers of one message may see two different messages), or nest until the stack ends. This one refuses each
of these with the byte offset and a reason. Portable: it works on bytes, and the built-in searches do the long runs.
"""

from headgate import limits
from headgate.core import utf8
from headgate.core.number import Dec, make

_QUOTE = 0x22
_COMMA = 0x2C
_MINUS = 0x2D
_COLON = 0x3A
_OPEN_LIST = 0x5B
_CLOSE_LIST = 0x5D
_LETTER_F = 0x66
_LETTER_N = 0x6E
_LETTER_T = 0x74
_LETTER_U = 0x75
_OPEN_OBJECT = 0x7B
_CLOSE_OBJECT = 0x7D
_SPACE = 0x20  # the first character a string may hold as it is
_LAST_ASCII = 0x7F
_WHITE = b" \t\r\n"
_DIGITS = b"0123456789"
_NUMBER = b"0123456789+-.eE"
_HEX = b"0123456789abcdefABCDEF"
_ESCAPED = b'"\\/bfnrt'
_ESCAPES = '"\\/\b\f\n\r\t'
_EXPONENT_DIGITS = len(str(limits.JSON_EXPONENT))

_SURROGATE = 0xD800
_SURROGATE_LOW = 0xDC00
_SURROGATE_END = 0xE000
_HEX4 = 4


class JSONError(ValueError):
    """Not acceptable JSON. `reason` says why, `offset` is the byte at which it shows."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} at byte {offset}")
        self.reason = reason
        self.offset = offset


def loads(
    data: "bytes | bytearray | memoryview", max_depth: int = limits.JSON_DEPTH, duplicates: bool = False
) -> object:
    """One JSON document as None, bool, int, Dec, str, list or dict; 1.0 and 1e2 are ints, -0 is 0.

    `max_depth` counts nested containers. `duplicates=True` takes the last of several equal names instead of refusing.
    Raises JSONError.
    """
    if not isinstance(data, bytes):
        data = bytes(data)
    if data[:3] == b"\xef\xbb\xbf":
        raise JSONError("byte order mark", 0)
    try:
        return _parse(data, max_depth, duplicates)
    except IndexError:  # the parser reads on until the data ends: no bounds check in its inner loops
        raise JSONError("unexpected end" if data.strip(_WHITE) else "empty document", len(data)) from None
    except UnicodeError:
        raise JSONError("invalid UTF-8", utf8.fault(data)) from None


def _parse(data: bytes, max_depth: int, duplicates: bool) -> object:  # noqa: PLR0912, PLR0915 (calls cost most here)
    # A document with nothing to unescape or to refuse in it lets every string be cut out as it stands. (MicroPython
    # decodes overlong forms and surrogates without complaint: there a string that is not ASCII is walked.)
    plain = data.find(b"\\") < 0 and min(data or b"\0") >= _SPACE and (utf8.STRICT_DECODER or max(data) <= _LAST_ASCII)
    stack: list[object] = []  # the containers around `box`
    box: object = None  # the innermost open container
    items: list[object] = []  # box as a list, or
    members: dict[str, object] = {}  # box as an object, with
    name = ""  # the name the next value belongs to
    value: object
    in_list = True
    i = 0
    while True:
        c = data[i]
        if c <= _SPACE:
            i = _skip(data, i)
            c = data[i]
        if not in_list:
            if c != _QUOTE:
                raise JSONError("expected a name in quotes", i)
            end = data.find(b'"', i + 1)
            if plain and end > 0:
                name = data[i + 1 : end].decode()
                after = end + 1
            else:
                name, after = _string(data, i + 1)
            start = i
            i = after
            if data[i] <= _SPACE:
                i = _skip(data, i)
            if data[i] != _COLON:
                raise JSONError("expected ':'", i)
            if name in members:
                if not duplicates:
                    raise JSONError("duplicate name", start)
                del members[name]  # the last one counts, and it stands where it stands
            i += 1
            c = data[i]
            if c <= _SPACE:
                i = _skip(data, i)
                c = data[i]
        # A value starts at i with c.
        if c == _QUOTE:
            end = data.find(b'"', i + 1)
            if plain and end > 0:
                value = data[i + 1 : end].decode()
                i = end + 1
            else:
                value, i = _string(data, i + 1)
        elif c in _DIGITS or c == _MINUS:
            end = i + 1
            stop = len(data)
            while end < stop and data[end] in _NUMBER:
                end += 1
            value = _number(data[i:end], i)
            i = end
        elif c in (_OPEN_OBJECT, _OPEN_LIST):
            if len(stack) >= max_depth:
                raise JSONError("nested too deeply", i)
            new: list[object] | dict[str, object] = {} if c == _OPEN_OBJECT else []
            if box is None:
                pass
            elif in_list:
                items.append(new)
            else:
                members[name] = new
            stack.append(box)
            box = new
            i += 1
            if data[i] <= _SPACE:
                i = _skip(data, i)
            if isinstance(new, dict):
                in_list = False
                members = new
                if data[i] != _CLOSE_OBJECT:
                    continue
            else:
                in_list = True
                items = new
                if data[i] != _CLOSE_LIST:
                    continue
            value = new
        else:
            value, i = _literal(data, i, c)
        # A value ended before i. If it was an empty container, its bracket is still to come and closes it below.
        if value is not box or box is None:
            if box is None:
                return _only(data, i, value)
            if in_list:
                items.append(value)
            else:
                members[name] = value
        while True:
            c = data[i]
            if c <= _SPACE:
                i = _skip(data, i)
                c = data[i]
            i += 1
            if c == _COMMA:
                break
            if c != (_CLOSE_LIST if in_list else _CLOSE_OBJECT):
                raise JSONError("expected ',' or ']'" if in_list else "expected ',' or '}'", i - 1)
            value = box
            box = stack.pop()
            if box is None:
                return _only(data, i, value)
            if isinstance(box, dict):
                in_list = False
                members = box
            else:
                in_list = True
                items = box  # type: ignore[assignment]  # a container is a dict or a list


def _skip(data: bytes, i: int) -> int:
    """The index of the first byte from i on that is not white space."""
    while data[i] in _WHITE:
        i += 1
    return i


def _only(data: bytes, i: int, value: object) -> object:
    """The document's value, if only white space follows it."""
    stop = len(data)
    while i < stop:
        if data[i] not in _WHITE:
            raise JSONError("data after the document", i)
        i += 1
    return value


def _literal(data: bytes, i: int, c: int) -> "tuple[object, int]":
    if c == _LETTER_T and data.startswith(b"true", i):
        return True, i + 4
    if c == _LETTER_F and data.startswith(b"false", i):
        return False, i + 5
    if c == _LETTER_N and data.startswith(b"null", i):
        return None, i + 4
    raise JSONError("expected a value", i)


def _number(token: bytes, offset: int) -> "int | Dec":  # noqa: PLR0912 (a grammar, in its order)
    """The number written as `token` (RFC 8259 section 6)."""
    digits = token[1:] if token[0] == _MINUS else token
    if digits.isdigit():
        if len(digits) > limits.JSON_NUMBER:
            raise JSONError("number too long", offset)
        if digits[:1] == b"0" and len(digits) > 1:
            raise JSONError("leading zero", offset)
        return int(token)
    exponent = 0
    at = token.find(b"e")
    if at < 0:
        at = token.find(b"E")
    if at >= 0:
        power = token[at + 1 :]
        down = power[:1] == b"-"
        if down or power[:1] == b"+":
            power = power[1:]
        if not power.isdigit():
            raise JSONError("malformed number", offset)
        power = power.lstrip(b"0")
        if len(power) > _EXPONENT_DIGITS:
            raise JSONError("exponent too large", offset)
        exponent = int(power or b"0")
        if down:
            exponent = -exponent
        token = token[:at]
    fraction = b""
    at = token.find(b".")
    if at >= 0:
        fraction = token[at + 1 :]
        if not fraction.isdigit():
            raise JSONError("malformed number", offset)
        token = token[:at]
    digits = token[1:] if token[:1] == b"-" else token
    if not digits.isdigit():
        raise JSONError("malformed number", offset)
    if digits[:1] == b"0" and len(digits) > 1:
        raise JSONError("leading zero", offset)
    if len(digits) + len(fraction) > limits.JSON_NUMBER:
        raise JSONError("number too long", offset)
    number = make(int(token + fraction), exponent - len(fraction))
    if isinstance(number, Dec) and abs(number.exponent) > limits.JSON_EXPONENT:
        raise JSONError("exponent too large", offset)
    return number


def _string(data: bytes, i: int) -> "tuple[str, int]":  # noqa: PLR0912 (a grammar, in its order)
    """The string whose text starts at i, and the index after its closing quote."""
    parts = []
    quote = -1
    while True:
        if quote < i:
            quote = data.find(b'"', i)
            if quote < 0:
                raise JSONError("unexpected end", len(data))
        escape = data.find(b"\\", i, quote)
        end = quote if escape < 0 else escape
        if end > i:
            part = data[i:end]
            if min(part) < _SPACE:
                while data[i] >= _SPACE:
                    i += 1
                raise JSONError("control character in a string", i)
            text = part.decode()
            if not utf8.STRICT_DECODER and len(text) != len(part):
                bad = utf8.fault(data, i, end)
                if bad >= 0:
                    raise JSONError("invalid UTF-8", bad)
            parts.append(text)
        if escape < 0:
            return "".join(parts), quote + 1
        c = data[escape + 1]
        if c == _LETTER_U:
            code = _hex4(data, escape + 2)
            i = escape + 6
            if _SURROGATE <= code < _SURROGATE_END:
                low = _hex4(data, i + 2) if code < _SURROGATE_LOW and data[i : i + 2] == b"\\u" else 0
                if not _SURROGATE_LOW <= low < _SURROGATE_END:
                    raise JSONError("lone surrogate", escape)
                code = 0x10000 + ((code - _SURROGATE) << 10) + (low - _SURROGATE_LOW)
                i += 6
            parts.append(chr(code))
        else:
            at = _ESCAPED.find(data[escape + 1 : escape + 2])
            if at < 0:
                raise JSONError("invalid escape", escape)
            parts.append(_ESCAPES[at])
            i = escape + 2


def _hex4(data: bytes, i: int) -> int:
    text = data[i : i + _HEX4]
    for c in text:
        if c not in _HEX:
            raise JSONError("invalid escape", i - 2)
    if len(text) < _HEX4:
        raise JSONError("unexpected end", len(data))
    return int(text, 16)


def dumps(value: object) -> bytes:
    """Compact UTF-8 JSON text of None, bool, int, Dec, finite float, str, list, tuple or dict with str names.

    Anything else (bytes, NaN) is a ValueError, and so is nesting beyond twice limits.JSON_DEPTH: an answer may wrap a
    device's document, a structure that contains itself must not run for ever.
    """
    out: list[bytes] = []
    stack: list[_Frame] = []
    while True:
        if isinstance(value, dict):
            out.append(b"{")
            stack.append(_Frame(value, list(value)))
        elif isinstance(value, (list, tuple)):
            out.append(b"[")
            stack.append(_Frame(None, value))
        else:
            out.append(_scalar(value))
        if len(stack) > 2 * limits.JSON_DEPTH:
            raise ValueError("nested too deeply")
        while stack:
            frame = stack[-1]
            if frame.index == len(frame.items):
                out.append(b"]" if frame.members is None else b"}")
                stack.pop()
                continue
            if frame.index:
                out.append(b",")
            value = frame.items[frame.index]
            frame.index += 1
            if frame.members is not None:
                if not isinstance(value, str):
                    raise ValueError("a name must be a string")
                out.append(quoted(value))
                out.append(b":")
                value = frame.members[value]
            break
        else:
            return b"".join(out)


class _Frame:
    """A container being written: `items` are its values or, if `members` is not None, its names."""

    __slots__ = ("index", "items", "members")

    def __init__(self, members: "dict[str, object] | None", items: "list[object] | tuple[object, ...]") -> None:
        self.members = members
        self.items = items
        self.index = 0


def _scalar(value: object) -> bytes:  # noqa: PLR0911 (a table, row by row)
    if value is None:
        return b"null"
    if value is True:
        return b"true"
    if value is False:
        return b"false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Dec):
        return str(value).encode()
    if isinstance(value, int):
        text = str(value)
        digits = text.rstrip("0") if len(text) > limits.JSON_NUMBER else text
        return (text if text == digits else f"{digits}e{len(text) - len(digits)}").encode()
    if isinstance(value, float) and value - value == 0:
        return repr(value).encode()
    raise ValueError("JSON has no such value")


def quoted(text: str) -> bytes:
    """`text` as a JSON string, quotes included; only what must be escaped is."""
    raw = text.encode()
    if b"\\" in raw:
        raw = raw.replace(b"\\", b"\\\\")
    if b'"' in raw:
        raw = raw.replace(b'"', b'\\"')
    # A search for each control character costs less than a look at every byte, unless there are few.
    if raw and (len(raw) > _SPACE * _SPACE or min(raw) < _SPACE):
        for c in range(_SPACE):
            one = bytes([c])
            if one in raw:
                at = _ESCAPES.find(chr(c))
                raw = raw.replace(one, b"\\" + _ESCAPED[at : at + 1] if at >= 0 else b"\\u%04x" % c)
    return b'"' + raw + b'"'
