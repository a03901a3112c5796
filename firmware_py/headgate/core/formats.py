"""The string formats that schemas may assert: date-time, date, time (RFC 3339), uuid (RFC 9562), ipv4, ipv6, and
those of core/formats_more.py. Portable. Twin: native_ext/core/format.c.

Each check takes the whole string and is exact: no white space around, ASCII digits only, no values out of range. A text
of more than limits.FORMAT_TEXT bytes is of no format.
"""

from headgate import limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_DIGITS = "0123456789"
_HEX = "0123456789abcdefABCDEF"
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DATE_LENGTH = 10  # YYYY-MM-DD
_CLOCK_LENGTH = 8  # hh:mm:ss
_OFFSET_LENGTH = 6  # +hh:mm
_HOURS = 24
_MINUTES = 60
_LEAP_SECOND = 60
_DAY_MINUTES = _HOURS * _MINUTES
_FEBRUARY = 2
_SHORT_FEBRUARY = 28
_UUID_GROUPS = [8, 4, 4, 4, 12]
_IPV4_PARTS = 4
_IPV6_GROUPS = 8
_IPV6_DIGITS = 4
_BYTE = 255


def _number(text: str, start: int, width: int) -> int:
    """The number of exactly `width` ASCII digits at `start`, -1 if they are not all digits."""
    digits = text[start : start + width].encode()  # of bytes, isdigit is about ASCII alone
    return int(digits) if len(digits) == width and digits.isdigit() else -1


def is_date(text: str) -> bool:
    """RFC 3339 full-date: 2026-02-28."""
    if len(text) != _DATE_LENGTH or text[4] != "-" or text[7] != "-":
        return False
    year, month, day = _number(text, 0, 4), _number(text, 5, 2), _number(text, 8, 2)
    if year < 0 or not 1 <= month <= len(_DAYS) or not 1 <= day <= _DAYS[month - 1]:
        return False
    if month == _FEBRUARY and day > _SHORT_FEBRUARY:
        return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return True


def is_time(text: str) -> bool:
    """RFC 3339 full-time: 23:59:60.5+01:00. The second 60 only where it is 23:59 in UTC (section 5.7)."""
    if not _CLOCK_LENGTH < len(text) <= limits.FORMAT_TEXT or text[2] != ":" or text[5] != ":":
        return False
    hour, minute, second = _number(text, 0, 2), _number(text, 3, 2), _number(text, 6, 2)
    if not (0 <= hour < _HOURS and 0 <= minute < _MINUTES and 0 <= second <= _LEAP_SECOND):
        return False
    zone = text[_CLOCK_LENGTH:]
    if zone[0] == ".":
        rest = zone[1:].lstrip(_DIGITS)
        if len(rest) == len(zone) - 1:
            return False
        zone = rest
    offset = 0
    if zone not in ("Z", "z"):
        if len(zone) != _OFFSET_LENGTH or zone[0] not in "+-" or zone[3] != ":":
            return False
        zone_hour, zone_minute = _number(zone, 1, 2), _number(zone, 4, 2)
        if not (0 <= zone_hour < _HOURS and 0 <= zone_minute < _MINUTES):
            return False
        offset = zone_hour * _MINUTES + zone_minute
        if zone[0] == "-":
            offset = -offset
    utc = (hour * _MINUTES + minute - offset) % _DAY_MINUTES
    return second < _LEAP_SECOND or utc == _DAY_MINUTES - 1


def is_date_time(text: str) -> bool:
    """RFC 3339 date-time: a date, a T (or t) and a time with its offset."""
    return (
        len(text) <= limits.FORMAT_TEXT
        and text[_DATE_LENGTH : _DATE_LENGTH + 1] in ("T", "t")
        and is_date(text[:_DATE_LENGTH])
        and is_time(text[_DATE_LENGTH + 1 :])
    )


def is_uuid(text: str) -> bool:
    """RFC 9562 section 4: 8-4-4-4-12 hexadecimal digits of either case, any version."""
    groups = text.split("-")
    if [len(group) for group in groups] != _UUID_GROUPS:
        return False
    return _all_hex("".join(groups))


def _all_hex(text: str) -> bool:
    return text.strip(_HEX) == ""  # what is not stripped away lies at or behind a character of another kind


def is_ipv4(text: str) -> bool:
    """RFC 2673 section 3.2: four decimal numbers up to 255, without leading zeros."""
    parts = text.split(".")
    if len(parts) != _IPV4_PARTS:
        return False
    for part in parts:
        if not 1 <= len(part) <= 3 or _number(part, 0, len(part)) not in range(_BYTE + 1):  # noqa: PLR2004 (digits)
            return False
        if part[0] == "0" and len(part) > 1:
            return False
    return True


def is_ipv6(text: str) -> bool:
    """RFC 4291 section 2.2: hexadecimal groups, at most one `::`, the last 32 bits perhaps as IPv4; no zone."""
    halves = text.split("::")
    if len(halves) > 2:  # noqa: PLR2004 (before and after)
        return False
    count = 0
    for which in range(len(halves)):
        half = halves[which]
        if half == "":
            continue
        groups = half.split(":")
        if "." in groups[-1] and which == len(halves) - 1:
            if not is_ipv4(groups.pop()):
                return False
            count += 2
        for group in groups:
            if not 1 <= len(group) <= _IPV6_DIGITS or not _all_hex(group):
                return False
            count += 1
    # `::` stands for one group at least.
    return count == _IPV6_GROUPS if len(halves) == 1 else count < _IPV6_GROUPS


FORMATS: "dict[str, Callable[[str], bool]]" = {
    "date-time": is_date_time,
    "date": is_date,
    "time": is_time,
    "uuid": is_uuid,
    "ipv4": is_ipv4,
    "ipv6": is_ipv6,
}

# In core/formats_more.py, which is imported when one of them is asked for.
MORE = ("duration", "email", "hostname", "uri", "uri-reference", "json-pointer", "relative-json-pointer", "regex")


def find(name: str) -> "Callable[[str], bool] | None":
    """The check of that name, None for a format that is not known."""
    if name in MORE:
        from headgate.core import formats_more  # noqa: PLC0415 (a board without such a schema never loads it)

        return formats_more.FORMATS[name]
    return FORMATS.get(name)
