"""How a value is written in headgate.toml: sizes, durations, rates, addresses, topics, keys.

Each reader is a `Kind`: a name for the documentation and a function from the TOML value to the Python value, which
raises `ValueOf` with a message and, where one can be guessed, what should have been written. Readers are strict: one
spelling per unit, no surrounding space, no number that would be rounded silently.
"""

import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeGuard, TypeVar

from headgate import limits
from headgate.core import base64url
from headgate.tasks.plan import is_name, parse_pointer

SIZE_UNITS = {"B": 1, "kB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}  # bytes
DURATION_UNITS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}  # milliseconds
OTHER_NAMES = {"m": "min", "k": "KiB", "g": "GiB"}  # of units, where the nearest spelling would be another unit
RATE_PERIODS = {"s": 1, "min": 60}  # seconds
RATE_MAX_MILLI = 100_000_000  # 100,000 per second
RATE_MIN_MILLI = 16  # about 1 per minute: below that, thousandths of a token per second are too coarse a step
NAME_MAX = 64  # characters of an appliance, stream or client name
TOPIC_MAX = 512  # bytes of a topic template; MQTT itself allows 65535
PORT_MAX = 65535
HOST_MAX = 253  # characters of a host name, RFC 1035 section 2.3.4
ADDRESSES_MAX = 16
PUBLIC_KEY = 32  # bytes, X25519 (RFC 7748 section 5)
SECOND_MS = 1000
HINT_MAX = 10**15  # the largest number that is said again in a suggestion
MQTT_PORTS, REDIS_PORTS = (1883, 8883), (6379, 6379)  # without TLS, with it

_NUMBER = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]*)", re.ASCII)
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) ?/ ?([A-Za-z]*)", re.ASCII)
_HOST_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class ValueOf(ValueError):
    """A value that cannot be taken. `suggestion` is what to write instead, in TOML spelling, or empty."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class Context:
    """Where relative paths start, and where `{state}` points."""

    base: Path
    state: Path


@dataclass(frozen=True, slots=True)
class Kind:
    """`label` is the type's name in docs/configuration.md; `read` turns a TOML value into the configured one."""

    label: str
    read: Callable[[object, Context], object]
    limits: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address to listen on; `host` without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class BrokerURL:
    """`mqtt://host:1883` or `mqtts://host:8883`."""

    host: str
    port: int
    tls: bool
    schemes: ClassVar[tuple[str, str]] = ("mqtt", "mqtts")

    def __str__(self) -> str:
        return f"{self.schemes[self.tls]}://{Address(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class RedisURL(BrokerURL):
    """`redis://host:6379`, or `rediss` for TLS."""

    schemes: ClassVar[tuple[str, str]] = ("redis", "rediss")


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The one of `known` that `word` was probably meant to be, or ""."""
    from difflib import get_close_matches  # only where something is wrong

    found = get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return found[0] if found else ""


def _scaled(number: str, multiplier: int) -> tuple[int, int]:
    """Decimal text times an integer, exactly: (numerator, denominator)."""
    whole, _, part = number.partition(".")
    return int(whole + part) * multiplier, 10 ** len(part)


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _with_unit(value: int, unit: str) -> str:
    """A suggestion: the number with its unit; "" for one that is too long for a line (Python would not print it)."""
    return f'"{value}{unit}"' if abs(value) < HINT_MAX else ""


def _string(value: object, example: str) -> str:
    if not isinstance(value, str):
        raise ValueOf(f"must be a string such as {example}")
    return value


def show_size(size: int) -> str:
    """1048576 -> "1 MiB": the largest binary unit that says it exactly."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % SIZE_UNITS[unit] == 0:
            return f"{size // SIZE_UNITS[unit]} {unit}"
    return f"{size} B"


def show_duration(milliseconds: int) -> str:
    """90000 -> "90 s": the largest unit that says it exactly."""
    for unit in ("d", "h", "min", "s"):
        if milliseconds and milliseconds % DURATION_UNITS[unit] == 0:
            return f"{milliseconds // DURATION_UNITS[unit]} {unit}"
    return f"{milliseconds} ms"


def _quantity(text: str, units: Mapping[str, int], what: str, example: str) -> int:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueOf(f"{what} is a number and a unit, such as {example}")
    number, unit = match.groups()
    if unit not in units:
        names = ", ".join(units)
        if not unit:
            raise ValueOf(f"has no unit ({names})", f'"{number} {example.strip(chr(34)).split()[1]}"')
        folded = {u.lower(): u for u in units}
        meant = OTHER_NAMES.get(unit.lower(), "") or folded.get(closest(unit.lower(), folded, 0.3), "")
        hint = f'"{number} {meant}"' if meant in units else ""
        raise ValueOf(f'"{unit}" is no unit of {what} ({names})', hint)
    numerator, denominator = _scaled(number, units[unit])
    if numerator % denominator:
        raise ValueOf(f"{text} is not a whole number of {min(units, key=lambda u: units[u])}")
    return numerator // denominator


def size(low: int, high: int, *, positive: bool = True) -> Kind:
    """Bytes: `"64 KiB"`, or an integer of bytes. -> int bytes."""

    def read(value: object, _: Context) -> int:
        if _is_int(value):
            number = value
        else:
            number = _quantity(_string(value, '"64 KiB" (or a number of bytes)'), SIZE_UNITS, "a size", '"64 KiB"')
        if not low <= number <= high:
            raise ValueOf(f"must be {show_size(low)} to {show_size(high)}")
        return number

    return Kind("size", read, f"{show_size(low)} … {show_size(high)}")


def duration(low_ms: int, high_ms: int, *, unit_ms: int = 1, zero: str = "") -> Kind:
    """`"30 s"` -> int, counted in `unit_ms` (1: milliseconds, 1000: seconds). `zero`: what "0 s" means, if allowed."""

    def read(value: object, _: Context) -> int:
        if _is_int(value):
            raise ValueOf("a duration needs a unit (ms, s, min, h, d)", _with_unit(value, " s"))
        number = _quantity(_string(value, '"30 s"'), DURATION_UNITS, "a duration", '"30 s"')
        if not (low_ms <= number <= high_ms or (zero and number == 0)):
            raise ValueOf(
                f"must be {show_duration(low_ms)} to {show_duration(high_ms)}" + (f", or 0 s: {zero}" if zero else "")
            )
        if number % unit_ms:
            raise ValueOf(f"must be a whole number of {'seconds' if unit_ms == SECOND_MS else show_duration(unit_ms)}")
        return number // unit_ms

    bounds = f"{show_duration(low_ms)} … {show_duration(high_ms)}"
    return Kind("duration", read, f"{bounds}, or 0 s: {zero}" if zero else bounds)


def _read_rate(value: object, _: Context) -> int:
    if _is_int(value):
        raise ValueOf("a rate needs a period", _with_unit(value, "/s"))
    text = _string(value, '"10/s" or "600/min"')
    match = _RATE.fullmatch(text)
    if match is None or match.group(2) not in RATE_PERIODS:
        number = re.match(r"\d+(?:\.\d+)?", text)
        period = "min" if "m" in text else "s"
        raise ValueOf('must be a number per s or min, such as "10/s"', f'"{number.group()}/{period}"' if number else "")
    numerator, denominator = _scaled(match.group(1), 1000)
    denominator *= RATE_PERIODS[match.group(2)]
    milli = (numerator + denominator // 2) // denominator
    if not RATE_MIN_MILLI <= milli <= RATE_MAX_MILLI:
        raise ValueOf("must be 1/min to 100000/s")
    return milli


def rate() -> Kind:
    """`"10/s"`, `"600/min"` -> int tokens per 1000 s, as `core.limiter.Limiter.take` wants them."""
    return Kind("rate", _read_rate, "1/min … 100000/s")


def integer(low: int, high: int) -> Kind:
    """A TOML integer from `low` to `high`."""

    def read(value: object, _: Context) -> int:
        if not _is_int(value):
            raise ValueOf("must be an integer, without quotes")
        number = value
        if not low <= number <= high:
            raise ValueOf(f"must be {low} to {high}")
        return number

    return Kind("integer", read, f"{low} … {high}")


def _read_switch(value: object, _: Context) -> bool:
    if not isinstance(value, bool):
        raise ValueOf("must be true or false, without quotes")
    return value


def switch() -> Kind:
    """true or false."""
    return Kind("switch", _read_switch, "`true` · `false`")


def choice(*options: str) -> Kind:
    """One of a few words."""

    def read(value: object, _: Context) -> str:
        names = " or ".join(f'"{o}"' for o in options)
        if not isinstance(value, str):
            raise ValueOf(f"must be {names}")
        if value not in options:
            close = closest(value.lower(), options, 0.5)
            raise ValueOf(f'"{value}" is not {names}', f'"{close}"' if close else "")
        return value

    return Kind("choice", read, " · ".join(f'`"{o}"`' for o in options))


def text(max_length: int = 256) -> Kind:
    """Any printable text of 1 to `max_length` characters."""

    def read(value: object, _: Context) -> str:
        words = _string(value, '"text"')
        if not 0 < len(words) <= max_length or not words.isprintable():
            raise ValueOf(f"must be 1 to {max_length} printable characters")
        return words

    return Kind("text", read, f"1 … {max_length} characters")


def texts(most: int, max_length: int = 256) -> Kind:
    """A list of up to `most` texts -> tuple."""
    one = text(max_length)

    def read(value: object, context: Context) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueOf('must be a list such as ["text"]')
        if len(value) > most:
            raise ValueOf(f"has more than {most} entries")
        return tuple(str(one.read(item, context)) for item in value)

    return Kind("list of texts", read, f"up to {most} of 1 … {max_length} characters")


def is_scope(words: str) -> bool:
    """ACTION:NAME, as a token's claim `scope` may hold it (RFC 6749 section 3.3)."""
    action, _, name = words.partition(":")
    good = action and name and all("!" <= c <= "~" and c not in '"\\' for c in words)
    return bool(good) and len(words) <= limits.TOKEN_SCOPE


def _read_scopes(value: object, _: Context) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    if len(items) > limits.TOKEN_SCOPES:
        raise ValueOf(f"at most {limits.TOKEN_SCOPES} scopes")
    for item in items:
        if not is_scope(_string(item, '"publish:*"')):
            raise ValueOf(f'"{item}" is not ACTION:NAME, such as "publish:weather" or "read:*"')
    return tuple(items)


def scopes() -> Kind:
    """`["publish:*", "read:weather"]` -> tuple[str, ...]"""
    return Kind("scope or list of scopes", _read_scopes, 'ACTION:NAME, such as `"publish:*"`')


def clean_name(words: str) -> str:
    """The nearest name that `is_name` accepts, or ""."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", words).strip("-.")[:NAME_MAX]


def _read_name(value: object, _: Context) -> str:
    words = _string(value, '"gate-1"')
    if not is_name(words):
        cleaned = clean_name(words)
        raise ValueOf(f"must be 1 to {NAME_MAX} letters, digits or . _ -", f'"{cleaned}"' if cleaned else "")
    return words


def name() -> Kind:
    return Kind("name", _read_name, f"1 … {NAME_MAX} of letters, digits, `.` `_` `-`")


def resolve_path(words: str, context: Context) -> Path:
    """`{state}/x` starts in the state directory, `x` beside the configuration file."""
    if words.startswith("{state}"):
        return context.state / words[len("{state}") :].lstrip("/")
    return context.base / words


def _read_path(value: object, context: Context) -> Path:
    words = _string(value, '"keys/device.key"')
    if not words or "\0" in words:
        raise ValueOf("must be the name of a file")
    if words.startswith("~"):  # whose home? a service has none
        raise ValueOf("~ is not expanded; write the whole path")
    return resolve_path(words, context)


def path() -> Kind:
    return Kind("path", _read_path, "relative to this file; `{state}/…` starts in the state directory")


def _read_paths(value: object, context: Context) -> tuple[Path, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(_read_path(item, context) for item in items)


def paths() -> Kind:
    return Kind("path or list of paths", _read_paths, "relative to this file")


def _is_ip(host: str) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host.partition("%")[0])
    except (OSError, ValueError):  # the latter: NUL
        return False
    return True


def _is_host(host: str) -> bool:
    if _is_ip(host):
        return True
    # RFC 1123 names; a name made of digits and dots only was meant as an address and is none.
    labels = host.removesuffix(".").split(".")
    return (
        0 < len(host) <= HOST_MAX
        and not labels[-1].isdigit()
        and all(_HOST_LABEL.fullmatch(label) is not None for label in labels)
    )


def _read_address(words: str) -> Address:
    """host:port, IPv6 in brackets."""
    host, colon, port = words.rpartition(":")
    if not colon and words.isdigit():
        raise ValueOf("must be host:port", f'"0.0.0.0:{words}"')
    if not colon:
        raise ValueOf("must be host:port", f'"{words}:8080"')
    if not (port.isascii() and port.isdigit() and len(port) <= len(str(PORT_MAX)) and int(port) <= PORT_MAX):
        raise ValueOf(f'"{port}" is not a port (0 to {PORT_MAX})')
    if host in ("", "*"):
        raise ValueOf("must be host:port; every IPv4 address is 0.0.0.0, IPv6 [::]", f'"0.0.0.0:{port}"')
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            raise ValueOf("only IPv6 addresses stand in brackets", f'"{host}:{port}"')
    elif ":" in host:
        raise ValueOf("an IPv6 address stands in brackets", f'"[{host}]:{port}"')
    if not _is_host(host):
        raise ValueOf(f'"{host}" is not a host name or address')
    return Address(host, int(port))


def _read_addresses(value: object, _: Context) -> tuple[Address, ...]:
    items = value if isinstance(value, list) else [value]
    if len(items) > ADDRESSES_MAX:
        raise ValueOf(f"at most {ADDRESSES_MAX} addresses")
    return tuple(_read_address(_string(item, '"0.0.0.0:8080"')) for item in items)


def addresses() -> Kind:
    """`"0.0.0.0:8080"` or a list of such -> tuple[Address, ...]; an empty list listens nowhere."""
    return Kind("address or list of addresses", _read_addresses, 'host:port; IPv6 in brackets: `"[::]:8080"`')


_URL = TypeVar("_URL", bound=BrokerURL)


def _server_url(value: object, kind: type[_URL], ports: tuple[int, int], section: str) -> _URL:
    plain, secure = kind.schemes
    form = f"must be {plain}://host:port or {secure}://host:port"
    words = _string(value, f'"{plain}://server.local:{ports[0]}"')
    scheme, slashes, rest = words.partition("://")
    if not slashes:
        raise ValueOf(form, f'"{plain}://{words}"')
    if scheme not in kind.schemes:
        guess = secure if scheme in ("ssl", "tls", "https") else plain
        raise ValueOf(f'"{scheme}" is not {plain} or {secure}', f'"{guess}://{rest}"')
    credentials, at, place = rest.rpartition("@")
    if credentials or at:
        hint = f'"{scheme}://{place}"'
        raise ValueOf(f"no credentials in the URL: use {section}.username and {section}.password_file", hint)
    tls = scheme == secure
    place = place.removesuffix("/")
    if place.endswith("]") or ":" not in place:
        place += f":{ports[tls]}"
    try:
        address = _read_address(place)
    except ValueOf as error:
        raise ValueOf(f"{form}: {error.message}") from None
    if address.port == 0:
        raise ValueOf("0 is not a port to connect to")
    return kind(address.host, address.port, tls)


def broker() -> Kind:
    """-> BrokerURL; the port defaults to 1883, with TLS to 8883."""
    limits = '`"mqtt://host:1883"` or `"mqtts://host:8883"`'
    return Kind("URL", lambda value, _: _server_url(value, BrokerURL, MQTT_PORTS, "uplink"), limits)


def redis() -> Kind:
    """-> RedisURL; the port defaults to 6379."""
    limits = '`"redis://host:6379"` or `"rediss://host:6379"`'
    return Kind("URL", lambda value, _: _server_url(value, RedisURL, REDIS_PORTS, "redis"), limits)


def topic(*placeholders: str) -> Kind:
    """A topic template to publish on: known placeholders, no wildcards (MQTT 5.0 section 4.7)."""

    def read(value: object, _: Context) -> str:
        words = _string(value, '"headgate/{appliance}"')
        if not 0 < len(words.encode()) <= TOPIC_MAX:
            raise ValueOf(f"must be 1 to {TOPIC_MAX} bytes")
        for found in _PLACEHOLDER.findall(words):
            if found not in placeholders:
                known = ", ".join("{" + p + "}" for p in placeholders)
                close = closest(found, placeholders)
                fixed = words.replace("{" + found + "}", "{" + close + "}") if close else ""
                raise ValueOf(f"{{{found}}} is not known here ({known})", f'"{fixed}"' if fixed else "")
        bare = _PLACEHOLDER.sub("", words)
        if "{" in bare or "}" in bare:
            raise ValueOf("has a brace without its partner")
        if "+" in bare or "#" in bare:
            raise ValueOf("+ and # are wildcards for subscribers; nobody can publish on them")
        if not words.isprintable():
            raise ValueOf("has a control character")
        if words.startswith("$"):
            raise ValueOf("topics that start with $ belong to the broker", f'"{words.lstrip("$")}"')
        return words

    known = " ".join("`{" + p + "}`" for p in placeholders)
    return Kind("topic", read, f"placeholders: {known}; no `+`, no `#`")


def _read_pointer(value: object, _: Context) -> str:
    words = _string(value, '"/station"')
    if not words.startswith("/"):
        raise ValueOf("a JSON pointer starts with /", f'"/{words.replace(".", "/")}"')
    try:
        parse_pointer(words)
    except ValueError as error:
        raise ValueOf(f"is no JSON pointer: {error}") from None
    if len(words) > limits.CACHE_KEY:
        raise ValueOf(f"must have at most {limits.CACHE_KEY} characters")
    return words


def pointer() -> Kind:
    return Kind("JSON pointer", _read_pointer, 'RFC 6901, such as `"/station"`')


def _read_public_key(value: object, _: Context) -> bytes:
    words = _string(value, "the content of the receiver's seal.pub")
    try:
        raw = base64url.decode(words.encode())
    except ValueError:
        raise ValueOf("must be one line of base64url without padding, the content of seal.pub") from None
    if len(raw) != PUBLIC_KEY:
        raise ValueOf(f"is {len(raw)} bytes; an X25519 public key has {PUBLIC_KEY} (43 characters of base64url)")
    return raw


def public_key() -> Kind:
    """An X25519 public key in base64url -> 32 bytes."""
    return Kind("key", _read_public_key, "X25519 public key, base64url")


def data_directory() -> Path:
    """The directory of the data files shipped with the package (importlib.resources would cost a running appliance
    half a megabyte for the same answer; Headgate is never run from a zip file)."""
    return Path(limits.__file__).parent / "data"


def _read_schema(value: object, context: Context) -> Path:
    words = _string(value, '"schemas/weather.json"')
    prefix, colon, builtin = words.partition(":")
    if prefix != "builtin" or not colon:
        return _read_path(value, context)
    shipped = {p.name.removesuffix(".schema.json"): p for p in data_directory().glob("*.schema.json")}
    if builtin not in shipped:
        close = closest(builtin, shipped) or min(shipped)
        raise ValueOf(f'no schema named "{builtin}" is built in', f'"builtin:{close}"')
    return shipped[builtin]


def schema_path() -> Kind:
    """A schema file, or `builtin:NAME` for one shipped with the package."""
    return Kind("path", _read_schema, "relative to this file, or `builtin:NAME`")
