"""base64url without padding (RFC 4648 section 5, RFC 7515 section 2), strictly: one text for one value.

A lenient decoder makes several tokens or keys out of one signature, so padding, white space, foreign characters and
unused bits that are not zero (RFC 4648 section 3.5) are refused. Whatever the C decoder of the interpreter
tolerates, encoding its result again shows it: only the canonical text comes back unchanged.
"""

import binascii


def encode(data: bytes) -> bytes:
    """The canonical text of `data`, without padding."""
    return binascii.b2a_base64(data).rstrip(b"=\n").replace(b"+", b"-").replace(b"/", b"_")


def decode(text: bytes) -> bytes:
    """The bytes that `text` stands for; ValueError unless it is exactly what `encode` would have made."""
    extra = len(text) % 4
    if extra != 1:  # 4n+1 characters never occur
        padded = text.replace(b"-", b"+").replace(b"_", b"/") + b"=="[: -extra % 4]
        try:
            data = binascii.a2b_base64(padded)
        except ValueError:  # binascii.Error on CPython is one
            data = b""
        if encode(data) == text:
            return data
    raise ValueError("not canonical base64url without padding")
