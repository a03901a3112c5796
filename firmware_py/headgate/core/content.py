"""`contentEncoding`: the text that a CBOR byte string stands for where the schema expects encoded bytes (RFC 4648).

Only the CBOR data model has bytes; a JSON string is never decoded, for the keyword asserts nothing. Portable.
"""

from binascii import b2a_base64, hexlify

from headgate.core.cbor import Bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def encoder(name: str) -> "Callable[[object], str | None] | None":
    """For base16, base32, base64 and base64url, which turns `Bytes` into text and anything else into None."""
    convert = {"base16": _base16, "base32": _base32, "base64": _base64, "base64url": _base64url}.get(name)
    if convert is None:
        return None

    def text_of(value: object) -> "str | None":
        return convert(value.data) if isinstance(value, Bytes) else None

    return text_of


def _base16(data: bytes) -> str:
    return hexlify(data).decode().upper()


def _base32(data: bytes) -> str:
    out = ""
    for i in range(0, len(data), 5):
        group = data[i : i + 5]
        bits = int.from_bytes(group, "big") << (40 - 8 * len(group))
        digits = (8 * len(group) + 4) // 5
        for k in range(digits):
            out += _BASE32[bits >> (35 - 5 * k) & 31]
        out += "=" * (8 - digits)
    return out


def _base64(data: bytes) -> str:
    return b2a_base64(data).decode().rstrip("\n")


def _base64url(data: bytes) -> str:
    """Without padding, as RFC 8949 section 3.4.5.2 has it."""
    return _base64(data).replace("+", "-").replace("/", "_").rstrip("=")
