"""Constants of a schema that another JSON parser has read: a float is the decimal that it stands for. Portable."""

import struct

from headgate.core.double import decimal_of
from headgate.core.number import Dec
from headgate.core.schema_check import SchemaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def exact(values: "list[Any]", at: str) -> "list[Any]":
    """The values as those of core.json. Raises SchemaError at the pointer `at` for what is not JSON."""
    return [_exact(value, at) for value in values]


def _exact(value: "Any", at: str) -> "Any":
    """The depth is that of the document; at the end of the stack it is a RuntimeError."""
    if isinstance(value, list):
        return exact(value, at)
    if isinstance(value, dict):
        members = {}
        for name in value:
            if not isinstance(name, str):
                raise SchemaError(at, "a name must be a string")
            members[name] = _exact(value[name], at)
        return members
    if isinstance(value, float):
        value = decimal_of(int.from_bytes(struct.pack(">d", value), "big"))
    elif value is None or isinstance(value, (bool, int, str, Dec)):
        return value
    else:
        value = None
    if value is None:
        raise SchemaError(at, "a value that JSON does not have")
    return value
