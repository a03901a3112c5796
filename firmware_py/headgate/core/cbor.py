"""CBOR (RFC 8949): strict decoder and shortest encoder. Where an item ends in a stream: cbor_scan.py.

Data model: unsigned/negative integers and bignums (tags 2, 3) are int; decimal fractions (tag 4) are int or Dec, both
ways and exactly; byte strings bytes; text str; arrays list; maps dict; false/true/null False/True/None; `undefined`
and other simple values Simple; floats float; every other tag Tag.

Map keys may be integers of at most 64 bits, floats other than NaN, text, byte strings and simple values. Anything
else is refused: equal hashes of bignums, tags and arrays can be computed by a sender, and a dict full of them
takes quadratic time. Keys that Python holds equal (1, 1.0 and true) count as duplicates, and duplicates are refused.

`plain` is the data model of JSON, for documents that stand for JSON text: keys are text only, a finite float is the
decimal that it stands for (core.double), tags 0 (on text), 1 (on a number) and 55799 (at the start) are transparent,
byte strings are `Bytes`.

No recursion: the depth a sender chooses must not become depth of the interpreter's stack.
"""
# ruff: noqa: PLR2004 - the numbers are those of the tables in RFC 8949 and of IEEE 754

import struct

from headgate import limits
from headgate.core import utf8
from headgate.core.cbor_scan import CBORError
from headgate.core.number import Dec, make

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("Bytes", "CBORError", "Simple", "Tag", "dumps", "loads", "undefined")

# Major types, RFC 8949 section 3.1; the open containers of the decoder carry these as their kind.
_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = 2, 3, 4, 5, 6, 7
_INDEFINITE = 31  # additional information of indefinite lengths, and of "break" in major type 7
_BREAK = 0xFF
_TRANSPARENT = (0, 1, 55799)  # RFC 8949 sections 3.4.1, 3.4.2 and 3.4.6
_WORD = 1 << 64  # first value that does not fit the argument of a head


class Tag:
    """A tagged value that has no type of its own here: tag 0 (date text), 1 (epoch time), 32 (URI), ..."""

    __slots__ = ("number", "value")

    def __init__(self, number: int, value: object) -> None:
        self.number = number
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tag) and self.number == other.number and self.value == other.value

    def __hash__(self) -> int:
        return hash((self.number, self.value))

    def __repr__(self) -> str:
        return f"Tag({self.number}, {self.value!r})"


class Simple:
    """A simple value other than false, true and null: 0..19, 23 (`undefined`), 32..255."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Simple) and self.value == other.value

    def __hash__(self) -> int:
        return self.value ^ 0x51  # not the hash of the integer

    def __repr__(self) -> str:
        return f"Simple({self.value})"


class Bytes:
    """A byte string in the plain data model. A schema may take it for a text (core.content)."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


undefined = Simple(23)
_NO_KEY = Simple(-1)  # the map waits for a key


class _Open:
    """A container being decoded. left: items still to come, -1 = until break; extra: pending key, or tag number."""

    __slots__ = ("extra", "kind", "left", "start", "value")

    def __init__(self, kind: int, left: int, value: object, extra: object, start: int) -> None:
        self.kind = kind
        self.left = left
        self.value: list[object] | dict[object, object] | None = value  # type: ignore[assignment]
        self.extra = extra
        self.start = start


def _half(bits: int) -> float:
    """IEEE 754 binary16 -> float, by way of binary32: `struct` of small interpreters has no dependable "e"."""
    exponent = bits >> 10 & 31
    fraction = bits & 1023
    if exponent == 0:
        value = fraction / 16777216  # portable: CBOR has floats; 2**24, exact
        return -value if bits >> 15 else value
    exponent = 255 if exponent == 31 else exponent + 112  # rebias from 15 to 127
    single = bits >> 15 << 31 | exponent << 23 | fraction << 13
    return float(struct.unpack(">f", single.to_bytes(4, "big"))[0])


def _simple(info: int, argument: int, start: int) -> object:
    """The value of an item of major type 7 (RFC 8949 section 3.3)."""
    if info == 25:
        return _half(argument)
    if info == 26:
        return float(struct.unpack(">f", argument.to_bytes(4, "big"))[0])
    if info == 27:
        return float(struct.unpack(">d", argument.to_bytes(8, "big"))[0])
    if info == 24 and argument < 32:
        raise CBORError("simple value below 32 in two bytes", start)
    if argument in (20, 21):
        return argument == 21
    if argument == 22:
        return None
    return Simple(argument)


def _plain_float(info: int, argument: int, start: int) -> object:
    """The decimal that a float stands for; one that is not finite stays a float."""
    from headgate.core import double  # noqa: PLC0415 - few documents of small boards have floats in them

    widths = (5, 10) if info == 25 else (8, 23) if info == 26 else (11, 52)
    number = double.decimal_of(double.widen(argument, widths[0], widths[1]))
    return _simple(info, argument, start) if number is None else number


def _is_int(value: object) -> bool:
    return isinstance(value, int) and value is not True and value is not False


def _tagged(number: int, value: object, start: int, plain: bool) -> object:
    """The value of tag `number` around `value`; the number tags become numbers."""
    if plain and number in _TRANSPARENT:
        fits = isinstance(value, str) if number == 0 else _is_int(value) or isinstance(value, Dec)
        if number < 2 and not fits:
            raise CBORError("tag does not suit its value", start)
        if number < 2 or start == 0:
            return value
    if number in (2, 3):
        if isinstance(value, Bytes):
            value = value.data
        if not isinstance(value, bytes):
            raise CBORError("bignum is not a byte string", start)
        if len(value) > limits.CBOR_BIGNUM:
            raise CBORError("bignum too long", start)
        magnitude = int.from_bytes(value, "big")
        return magnitude if number == 2 else -1 - magnitude
    if number == 4:
        if not (isinstance(value, list) and len(value) == 2 and _is_int(value[0]) and _is_int(value[1])):
            raise CBORError("decimal fraction is not an array of two integers", start)
        if not -limits.JSON_EXPONENT <= value[0] <= limits.JSON_EXPONENT:
            raise CBORError("decimal exponent out of range", start)
        return make(value[1], value[0])
    return Tag(number, value)


def _waits_for_key(frame: "_Open | None") -> bool:
    return frame is not None and frame.kind == _MAP and frame.extra is _NO_KEY


def _check_key(key: object, offset: int) -> None:
    if isinstance(key, float):
        good = key == key  # noqa: PLR0124 - NaN is the one that differs from itself
    elif _is_int(key):
        good = -_WORD <= key < _WORD  # type: ignore[operator]
    else:
        good = key is None or key is True or key is False or isinstance(key, (str, bytes, Simple))
    if not good:
        raise CBORError("unsupported type of map key", offset)


def _join(frame: _Open) -> object:
    """The finished container; chunks of an indefinite-length string become one."""
    if frame.kind == _BYTES:
        return b"".join(frame.value)  # type: ignore[arg-type]
    if frame.kind == _TEXT:
        return "".join(frame.value)  # type: ignore[arg-type]
    return None if frame.kind == _ARRAY and frame.extra is None else frame.value


def _add(frame: _Open, value: object, offset: int, plain: bool) -> bool:
    """Put one finished item into its container; True when that makes the container complete."""
    if frame.kind != _MAP:
        frame.value.append(value)  # type: ignore[union-attr]
    elif frame.extra is _NO_KEY:
        _check_key(value, offset)
        if value in frame.value:  # type: ignore[operator]
            raise CBORError("duplicate name" if plain else "duplicate map key", offset)
        frame.extra = value
    else:
        frame.value[frame.extra] = value  # type: ignore[index,call-overload]
        frame.extra = _NO_KEY
    if frame.left > 0:
        frame.left -= 1
    return frame.left == 0


def loads(  # noqa: PLR0912, PLR0915 - one loop over heads; a call for each would double its cost on small boards
    data: "bytes | bytearray | memoryview",
    max_depth: int = limits.CBOR_DEPTH,
    max_items: int = limits.CBOR_ITEMS,
    plain: bool = False,
) -> object:
    """Decode exactly one item that fills `data` (bytes-like). CBORError: not well-formed (RFC 8949 appendix C), not
    valid (UTF-8, duplicate keys), bytes left over, or over a limit. `max_items` counts every head but "break"; `plain`:
    see above.

    No length from the input is trusted with an allocation before as many bytes are known to be there.
    """
    if not isinstance(data, bytes):
        data = bytes(data)
    size = len(data)
    pos = 0
    items = 0
    stack: list[_Open] = []
    value: object = None
    while True:
        start = pos
        if pos >= size:
            raise CBORError("unexpected end", pos)
        initial = data[pos]
        major = initial >> 5
        info = initial & 31
        argument = info
        pos += 1
        if 24 <= info < 28:
            width = 1 << (info - 24)
            if size - pos < width:
                raise CBORError("unexpected end", start)
            argument = int.from_bytes(data[pos : pos + width], "big")
            pos += width
        elif info >= 28 and (info != _INDEFINITE or major < _BYTES or major == _TAG):
            raise CBORError("reserved additional information", start)
        frame = stack[-1] if stack else None
        if (
            frame is not None
            and frame.kind < _ARRAY
            and initial != _BREAK
            and (major != frame.kind or info == _INDEFINITE)
        ):
            raise CBORError("chunk is not a definite-length string of the same type", start)
        if plain and major != _TEXT and initial != _BREAK and _waits_for_key(frame):
            raise CBORError("name is not text", start)

        if (
            major > 1
            and frame is not None
            and frame.kind == _ARRAY
            and len(stack) > 1
            and initial != _BREAK
            and stack[-2].kind == _TAG
            and stack[-2].extra == 4
            and not (major == _TAG and 2 <= argument <= 3)
        ):
            frame.extra = None  # of a decimal fraction: not an integer, whatever it will stand for

        if initial == _BREAK:
            if frame is None or frame.left >= 0 or (frame.kind == _MAP and frame.extra is not _NO_KEY):
                raise CBORError("unexpected break", start)
            value = _join(frame)
            start = stack.pop().start
        else:
            items += 1
            if items > max_items:
                raise CBORError("too many items", start)
            opened = False
            if major == 0:
                value = argument
            elif major == 1:
                value = -1 - argument
            elif major == _SIMPLE:
                value = (_plain_float if plain and info > 24 else _simple)(info, argument, start)
            elif info == _INDEFINITE:
                opened = True
                argument = -1
                value = {} if major == _MAP else []
            elif major == _TAG:
                opened = True
                value = None
            elif argument > size - pos:  # each item of an array takes a byte at least
                raise CBORError("declared length is larger than the input", start)
            elif major <= _TEXT:
                value = data[pos : pos + argument]
                if major == _TEXT:
                    try:
                        value = utf8.decode(value)
                    except ValueError:
                        raise CBORError("invalid UTF-8", pos) from None
                pos += argument
            else:
                opened = argument > 0
                value = {} if major == _MAP else []
            if opened:
                if len(stack) >= max_depth:
                    raise CBORError("nested too deeply", start)
                left = argument
                extra: object = _NO_KEY
                if major == _TAG:
                    left = 1
                    extra = argument
                elif major == _MAP and argument > 0:
                    left = 2 * argument
                stack.append(_Open(major, left, value, extra, start))
                continue

        if plain and isinstance(value, bytes) and not (stack and stack[-1].kind == _BYTES):
            value = Bytes(value)
        while stack:  # hand the finished item to its container, which may be finished by it
            frame = stack[-1]
            if frame.kind == _TAG:
                value = _tagged(frame.extra, value, frame.start, plain)  # type: ignore[arg-type]
            elif _add(frame, value, start, plain):
                value = _join(frame)
            else:
                break
            start = frame.start
            stack.pop()
        if not stack:
            if pos != size:
                raise CBORError("bytes after the item", pos)
            return value


def head(out: bytearray, major: int, argument: int) -> None:
    """Append a head in its shortest form (RFC 8949 section 4.2.1)."""
    top = major << 5
    if argument < 24:
        out.append(top | argument)
        return
    width = 1
    info = 24
    while argument >> (8 * width):
        width *= 2
        info += 1
    out.append(top | info)
    out.extend(argument.to_bytes(width, "big"))


def _integer(out: bytearray, value: int) -> None:
    major = 0
    if value < 0:
        major = 1
        value = -1 - value
    if value < _WORD:
        head(out, major, value)
        return
    width = 9
    while value >> (8 * width):
        width += 1
    head(out, _TAG, 2 + major)
    head(out, _BYTES, width)
    out.extend(value.to_bytes(width, "big"))


def _float(value: float) -> bytes:
    """The shortest of the three encodings that keeps the value; one NaN for all (RFC 8949 sections 4.1, 4.2.2)."""
    if value != value:  # noqa: PLR0124 - NaN
        return b"\xf9\x7e\x00"
    try:
        single = struct.pack(">f", value)
    except OverflowError:  # CPython; MicroPython gives infinity, which differs from the value as well
        single = b"\x7f\x80\x00\x00"
    if struct.unpack(">f", single)[0] != value:
        return b"\xfb" + struct.pack(">d", value)
    bits = int.from_bytes(single, "big")
    exponent = bits >> 23 & 255  # biased by 127
    fraction = bits & 0x7FFFFF
    half = -1
    if exponent == 255 or bits & 0x7FFFFFFF == 0:  # infinity, zero
        half = exponent >> 3 << 10
    elif 113 <= exponent <= 142:
        if fraction & 0x1FFF == 0:
            half = exponent - 112 << 10 | fraction >> 13
    elif 103 <= exponent < 113:  # subnormal in binary16: units of 2**-24
        unit = 126 - exponent
        fraction |= 0x800000
        if fraction >> unit << unit == fraction:
            half = fraction >> unit
    if half < 0:
        return b"\xfa" + single
    return b"\xf9" + (bits >> 31 << 15 | half).to_bytes(2, "big")


def _members(out: bytearray, mapping: "dict[object, object]", deterministic: bool) -> "Iterator[object]":
    """The values of a map, each yielded after its key has been appended to `out`."""
    if not deterministic:
        for key in mapping:
            _check_key(key, 0)
            _begin(out, key, False)
            yield mapping[key]
        return
    encoded = {}
    for key in mapping:
        _check_key(key, 0)
        buffer = bytearray()
        _begin(buffer, key, True)
        encoded[bytes(buffer)] = mapping[key]
    for name in sorted(encoded):  # bytewise lexicographic; all differ, so a sort that is not stable does no harm
        out.extend(name)
        yield encoded[name]


def _begin(  # noqa: PLR0912 - one branch for each type
    out: bytearray, value: object, deterministic: bool
) -> "Iterator[object] | None":
    """Append a scalar; or append the head of a container and return an iterator over what goes into it."""
    if value is None:
        out.append(0xF6)
    elif value is True:
        out.append(0xF5)
    elif value is False:
        out.append(0xF4)
    elif isinstance(value, int):
        _integer(out, value)
    elif isinstance(value, str):
        try:
            text = value.encode()
        except UnicodeError:
            raise CBORError("text with a lone surrogate") from None
        head(out, _TEXT, len(text))
        out.extend(text)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        head(out, _BYTES, len(value))
        out.extend(value)
    elif isinstance(value, float):
        out.extend(_float(value))
    elif isinstance(value, (list, tuple)):
        head(out, _ARRAY, len(value))
        return iter(value) if value else None
    elif isinstance(value, dict):
        head(out, _MAP, len(value))
        return _members(out, value, deterministic) if value else None
    elif isinstance(value, Dec):
        out.extend(b"\xc4\x82")
        _integer(out, value.exponent)
        _integer(out, value.mantissa)
    elif isinstance(value, Tag):
        head(out, _TAG, value.number)
        return iter((value.value,))
    elif isinstance(value, Simple):
        if not 0 <= value.value < 256 or 24 <= value.value < 32:
            raise CBORError("no such simple value")
        head(out, _SIMPLE, value.value)
    else:
        raise CBORError("a value of this type has no CBOR form")
    return None


def dumps(value: object, deterministic: bool = False) -> bytes:
    """Encode one item. Numbers always take their shortest form; `deterministic` also sorts map keys, which gives the
    core deterministic encoding of RFC 8949 section 4.2.1. CBORError: no CBOR form, or nested deeper than CBOR_DEPTH.
    """
    out = bytearray()
    stack = [iter((value,))]
    while stack:
        for item in stack[-1]:
            inner = _begin(out, item, deterministic)
            if inner is not None:
                if len(stack) > limits.CBOR_DEPTH:
                    raise CBORError("nested too deeply")
                stack.append(inner)
                break
        else:
            stack.pop()
    return bytes(out)
