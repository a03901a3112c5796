"""JSON -> CBOR and back, of valid documents. Portable.

A number keeps its value exactly: an integer of 64 bits is one however it was written; what a double stands for
(core.double) becomes the shortest float; everything else a bignum or a decimal fraction (RFC 8949 section 3.4).
"""

from headgate.core import cbor, json
from headgate.core.double import bits_of, narrow
from headgate.core.number import Dec, make
from headgate.core.schema_check import ANY, Run, holds
from headgate.core.schema_result import InvalidDocument, Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from headgate.core.schema import Data, Schema
    from headgate.core.schema_check import Node
    from headgate.core.schema_explain import Path

_DIGITS = 15  # with at most so many, and a magnitude within 10**+-_RANGE, the nearest double stands for the number
_RANGE = 290
_WORD = 1 << 64


def to_cbor(schema: "Schema", data: "Data", deterministic: bool) -> bytes:
    """Raises InvalidDocument."""
    value = _valid(schema, data, "json")
    out = bytearray()
    _write(out, value, deterministic)
    return bytes(out)


def _valid(schema: "Schema", data: "Data", encoding: str) -> object:
    """The document's value."""
    try:
        value = schema.parse(data, encoding)
        if holds(schema.root, value, Run(schema.limits[1])):
            return value
    except (ValueError, RuntimeError):  # said again, with the reason, by what follows
        pass
    raise InvalidDocument(schema.validate(data, encoding))


def _write(out: bytearray, value: object, deterministic: bool) -> None:
    """Containers are as deep as the parser's limit at most."""
    if isinstance(value, dict):
        cbor.head(out, 5, len(value))
        members = []
        for name in value:
            key = cbor.dumps(name)
            if deterministic:
                members.append((key, name))
            else:
                out.extend(key)
                _write(out, value[name], False)
        for key, name in sorted(members):
            out.extend(key)
            _write(out, value[name], True)
    elif isinstance(value, list):
        cbor.head(out, 4, len(value))
        for item in value:
            _write(out, item, deterministic)
    elif isinstance(value, Dec) or (type(value) is int and not -_WORD <= value < _WORD):
        _number(out, value)
    else:
        out.extend(cbor.dumps(value))


def _number(out: bytearray, value: "int | Dec") -> None:
    """A number that is no integer of 64 bits."""
    mantissa, exponent = (value.mantissa, value.exponent) if isinstance(value, Dec) else (value, 0)
    if exponent >= 0:
        text = str(mantissa)
        digits = text.rstrip("0")
        exponent += len(text) - len(digits)
        mantissa = int(digits)
    digits = str(abs(mantissa))
    top = len(digits) + exponent - 1  # 10**top <= |value| < 10**(top + 1)
    if len(digits) <= _DIGITS and top >= -_RANGE and (top < _RANGE or (top == _RANGE and digits == "1")):
        out.extend(_float(bits_of(make(mantissa, exponent))))
        return
    if exponent:
        out.extend(b"\xc4\x82")
        out.extend(cbor.dumps(exponent))
    out.extend(cbor.dumps(mantissa))


def _float(bits: int) -> bytes:
    half = narrow(bits, 5, 10)
    if half >= 0:
        return b"\xf9" + half.to_bytes(2, "big")
    single = narrow(bits, 8, 23)
    if single >= 0:
        return b"\xfa" + single.to_bytes(4, "big")
    return b"\xfb" + bits.to_bytes(8, "big")


def to_json(schema: "Schema", data: "Data") -> bytes:
    """Raises InvalidDocument, also for a value that JSON does not have."""
    value = _valid(schema, data, "cbor")
    out: list[bytes] = []
    bad = _text(out, value, None, schema.root)
    if bad is not None:
        from headgate.core.locate import offset_of  # noqa: PLC0415
        from headgate.core.schema_result import names_of  # noqa: PLC0415

        result = Result(data, "cbor", schema.duplicates)
        result.refuse("value has no JSON form", offset_of(data, "cbor", names_of(bad[0]), schema.duplicates))
        raise InvalidDocument(result)
    return b"".join(out)


def _text(out: "list[bytes]", value: object, at: "Path", node: "Node | None") -> "tuple[Path] | None":
    """Appends the value as JSON text; or returns the path of the first part that JSON does not have.

    `node`: the subschema that tells what a byte string stands for, by its own contentEncoding.
    """
    while node is not None:  # one that is nothing but another one stands for it
        others = _demands(node)
        if others is None or len(others) != 1:
            break
        node = others[0]
    if isinstance(value, dict):
        mark = b"{"
        for name in value:
            out.append(mark + json.quoted(name) + b":")
            mark = b","
            bad = _text(out, value[name], (at, name), _member(node, name))
            if bad is not None:
                return bad
        out.append(b"}" if value else b"{}")
    elif isinstance(value, list):
        mark = b"["
        for i in range(len(value)):
            out.append(mark)
            mark = b","
            bad = _text(out, value[i], (at, i), _item(node, i))
            if bad is not None:
                return bad
        out.append(b"]" if value else b"[]")
    else:
        if isinstance(value, cbor.Bytes):
            if node is None or node.text_of is None:
                return (at,)
            value = node.text_of(value)
        elif isinstance(value, (cbor.Simple, cbor.Tag, float)):
            return (at,)
        out.append(json.dumps(value))
    return None


def _demands(node: "Node") -> "list[Node] | None":
    """What a node that says nothing by itself refers to; None for one with rules or an encoding of its own."""
    own = node.any or node.number or node.string or node.array or node.object or node.members or node.items
    if own or node.types != ANY or node.text_of is not None:
        return None
    for keyword, argument in node.branches:
        if keyword != "if":
            return None
        for sub in argument:
            if sub is not None and _demands(sub) != []:
                return None
    found = []
    for i in range(len(node.every)):  # $dynamicRef counts, whatever it leads to this time
        if node.refs[i : i + 1] == ("$dynamicRef",) or _demands(node.every[i]) != []:
            found.append(node.every[i])
    return found


def _member(node: "Node | None", name: str) -> "Node | None":
    """The subschema of a member: by its name, or the first pattern (in alphabetic order), or that of the others."""
    if node is None or node.members is None:
        return None
    properties, patterns, rest, _ = node.members
    if name in properties:
        return properties[name]
    for pattern, sub, _ in patterns:
        if pattern.search(name):
            return sub
    return rest


def _item(node: "Node | None", index: int) -> "Node | None":
    if node is None or node.items is None:
        return None
    prefix, rest, *_ = node.items
    return prefix[index] if index < len(prefix) else rest
