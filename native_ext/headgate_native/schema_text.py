"""A schema as Python objects -> its JSON text, exactly: what JSON cannot say is refused instead of bent.

Not json.dumps: that one has no Decimal, and it turns other names into text without a word.
"""

from headgate_native.result import SchemaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DEPTH = 128  # nested containers of a schema; over it: refused (a schema that contains itself ends here, too)
DIGITS = 128  # of a number, as in any document
BYTES = 1048576  # of the text, as limits.h has it; an object whose parts are shared may come to any number of them


def text_of(schema: "Mapping[str, Any] | bool | str | bytes", uri: str = "") -> bytes:
    """UTF-8 text of a schema given as dict or bool; str and bytes are JSON text already.

    Takes dict, list, tuple, str, bool, None, int, float (by its repr), Decimal and core.number.Dec. Raises SchemaError,
    with `uri`.
    """
    if isinstance(schema, bytes):
        return schema
    if isinstance(schema, str):
        return schema.encode("utf-8", "surrogatepass")  # which is not UTF-8 then, and refused as such
    if isinstance(schema, bool):
        return b"true" if schema else b"false"
    if not isinstance(schema, dict):
        raise SchemaError("", f"a schema is a dict, a bool or JSON text, not {type(schema).__name__}", uri)
    parts: list[str] = []
    _Writer(parts, uri).write(schema, "", 0)
    return "".join(parts).encode()


class _Writer:
    __slots__ = ("_left", "_out", "_quoted", "_uri")

    def __init__(self, out: "list[str]", uri: str) -> None:
        from json import dumps  # noqa: PLC0415 - it brings `re` and `enum` along, which a schema given as text can do without

        self._left = BYTES
        self._out = out
        self._quoted = dumps
        self._uri = uri

    def _put(self, text: str) -> None:
        self._left -= len(text)
        if self._left < 0:
            raise SchemaError("", f"document too large at byte {BYTES}", self._uri)
        self._out.append(text)

    def write(self, value: "Any", pointer: str, depth: int) -> None:
        out = self._put
        if isinstance(value, str):
            if not _is_text(value):
                raise SchemaError(pointer, "a text with a lone surrogate", self._uri)
            out(self._quoted(value))
        elif value is None or isinstance(value, bool):
            out("null" if value is None else "true" if value else "false")
        elif isinstance(value, dict | list | tuple):
            if depth >= DEPTH:
                raise SchemaError(pointer, "nested too deeply", self._uri)
            if isinstance(value, dict):
                self._object(value, pointer, depth)
            else:
                out("[")
                for i, item in enumerate(value):
                    out("," if i else "")
                    self.write(item, f"{pointer}/{i}", depth + 1)
                out("]")
        else:
            out(self._number(value, pointer))

    def _object(self, members: "dict[Any, Any]", pointer: str, depth: int) -> None:
        out = self._put
        out("{")
        comma = ""
        for name, value in members.items():
            if not isinstance(name, str) or not _is_text(name):
                raise SchemaError(pointer, f"the name {name!r} is not text", self._uri)
            out(f"{comma}{self._quoted(name)}:")
            comma = ","
            self.write(value, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", depth + 1)
        out("}")

    def _number(self, value: "Any", pointer: str) -> str:
        try:
            if isinstance(value, int):
                text = int.__repr__(value)
            elif isinstance(value, float):
                text = float.__repr__(value)
            elif type(value).__name__ == "Decimal":  # without the import of decimal, which most programs do without
                text = str(value)
            elif hasattr(value, "mantissa") and hasattr(value, "exponent"):  # core.number.Dec, from core.json
                text = f"{value.mantissa}e{value.exponent}"
            else:
                raise SchemaError(pointer, f"JSON has no {type(value).__name__}", self._uri)
        except ValueError as error:  # an int with more digits than Python writes
            if isinstance(error, SchemaError):
                raise
            raise SchemaError(pointer, "a number with too many digits", self._uri) from None
        if text.lstrip("-")[:1] not in tuple("0123456789"):  # inf, nan, Infinity, NaN, sNaN
            raise SchemaError(pointer, "a number must be finite", self._uri)
        if len(text) > DIGITS and sum(map(str.isdigit, text.lower().partition("e")[0])) > DIGITS:
            raise SchemaError(pointer, "a number with too many digits", self._uri)
        return text


def _is_text(value: str) -> bool:
    """Without surrogates, unless two of them are one character, as in JSON."""
    if value.isascii():
        return True
    try:
        value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return False
    return True
