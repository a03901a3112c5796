"""Texts that a schema takes: of a pattern, of a format, of a length."""

import random
import string
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from headgate.core import pattern
from headgate.core.pattern_parse import Parser

REPEATS = 6  # at most, of what may be repeated without end
LENGTH = 12  # of a text about which nothing is said
_LETTERS = string.ascii_lowercase + string.digits
_PRINTABLE = (0x20, 0x7E)
_SURROGATES = (0xD800, 0xDFFF)
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_YEAR_S = 365 * 86_400


def of_pattern(source: str, chance: random.Random) -> str:
    """A text that the pattern matches. Raises PatternError for what the validator does not take either."""
    return _walk(Parser(source).parse(), chance)


def _walk(node: tuple[Any, ...], chance: random.Random) -> str:
    kind = node[0]
    if kind == pattern.CHAR:
        return chr(node[1])
    if kind == pattern.CLASS:
        return _one_of(node[1], chance)
    if kind == pattern.SEQUENCE:
        return "".join(_walk(part, chance) for part in node[1])
    if kind == pattern.EITHER:
        return _walk(chance.choice(node[1]), chance)
    if kind == pattern.REPEAT:
        _, part, least, most = node
        count = chance.randint(least, min(most if most >= 0 else least + REPEATS, least + REPEATS))
        return "".join(_walk(part, chance) for _ in range(count))
    return ""  # an assertion: the caller's validator says whether it holds


def _one_of(ranges: tuple[int, ...], chance: random.Random) -> str:
    """Printable ASCII where the class has some."""
    pairs = list(zip(ranges[::2], ranges[1::2], strict=True))
    low, high = _PRINTABLE
    plain = [(max(a, low), min(b, high)) for a, b in pairs if a <= high and b >= low]
    code = chance.randint(*chance.choice(plain or pairs))
    return "\ufffd" if _SURROGATES[0] <= code <= _SURROGATES[1] else chr(code)


def _moment(chance: random.Random) -> datetime:
    return _EPOCH + timedelta(seconds=chance.randrange(_YEAR_S))


def _word(chance: random.Random, length: int = 8) -> str:
    return "".join(chance.choices(string.ascii_lowercase, k=length))


FORMATS: Mapping[str, Callable[[random.Random], str]] = {
    "date-time": lambda chance: _moment(chance).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "date": lambda chance: _moment(chance).strftime("%Y-%m-%d"),
    "time": lambda chance: _moment(chance).strftime("%H:%M:%SZ"),
    "duration": lambda chance: f"PT{chance.randint(1, 59)}M",
    "uuid": lambda chance: str(uuid.UUID(int=chance.getrandbits(128), version=4)),
    "ipv4": lambda chance: f"192.0.2.{chance.randint(1, 254)}",
    "ipv6": lambda chance: f"2001:db8::{chance.randint(1, 0xFFFF):x}",
    "hostname": lambda chance: f"{_word(chance)}.example.com",
    "idn-hostname": lambda chance: f"{_word(chance)}.example.com",
    "email": lambda chance: f"{_word(chance)}@example.com",
    "idn-email": lambda chance: f"{_word(chance)}@example.com",
    "uri": lambda chance: f"https://example.com/{_word(chance)}",
    "uri-reference": lambda chance: f"/{_word(chance)}",
    "iri": lambda chance: f"https://example.com/{_word(chance)}",
    "iri-reference": lambda chance: f"/{_word(chance)}",
    "uri-template": lambda chance: f"/{_word(chance)}/{{id}}",
    "json-pointer": lambda chance: f"/{_word(chance)}",
    "relative-json-pointer": lambda chance: f"1/{_word(chance)}",
    "regex": lambda chance: f"^{_word(chance)}$",
}


def of(schema: Mapping[str, Any], chance: random.Random) -> str:
    """Of what `schema` says about texts, as well as can be: whoever asks validates."""
    if "pattern" in schema:
        return of_pattern(schema["pattern"], chance)
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]](chance)
    least = int(schema.get("minLength", 0))
    most = int(schema.get("maxLength", max(least, LENGTH)))
    length = chance.randint(max(least, min(1, most)), max(least, min(most, least + LENGTH)))
    return "".join(chance.choices(_LETTERS, k=length))
