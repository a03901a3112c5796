"""The formats that few devices need: duration, email, hostname, uri, uri-reference, json-pointer,
relative-json-pointer, regex. Imported by core/formats.py when one of them is asked for. Portable.
"""

from headgate import limits
from headgate.core.formats import is_ipv4, is_ipv6

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_DIGITS = "0123456789"
_HEX = "0123456789abcdefABCDEF"
_NAMES = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_LABEL = 63  # bytes of one label, and of a whole name: RFC 1035 section 2.3.4
_NAME = 253
_LOCAL_PART = 64  # RFC 5321 section 4.5.3.1.1


def _fits(text: str) -> bool:
    return len(text) <= limits.FORMAT_TEXT and len(text.encode()) <= limits.FORMAT_TEXT


def is_duration(text: str) -> bool:
    """RFC 3339 appendix A: P3DT12H, P2W. No unit between the largest and the smallest may be left out."""
    if not _fits(text) or text[:1] != "P":
        return False
    if text[-1] == "W":
        return _in_order(text[1:], "W")
    date, _, time = text[1:].partition("T")
    if "T" in text and not _in_order(time, "HMS"):
        return False
    return _in_order(date, "YMD") or (date == "" and time != "")


def _in_order(text: str, units: str) -> bool:
    """One or more of digits and a unit, these a run of `units` without a gap."""
    seen = ""
    while text != "":
        rest = text.lstrip(_DIGITS)
        if rest in (text, ""):
            return False
        seen += rest[0]
        text = rest[1:]
    return seen != "" and seen in units


def is_hostname(text: str) -> bool:
    """RFC 1123 section 2.1, without a dot at the end; labels with "xn--" must be the name of something."""
    if not _is_domain(text):
        return False
    for label in text.split("."):
        if label[:4].lower() == "xn--":
            from headgate.core.a_label import is_punycode  # noqa: PLC0415 (rare, and needs the tables of Unicode)

            if not is_punycode(label[4:]):
                return False
    return True


def _is_domain(text: str) -> bool:
    if len(text) > _NAME:
        return False
    for label in text.split("."):
        if not 1 <= len(label) <= _LABEL or label[0] == "-" or label[-1] == "-" or label.strip(_NAMES + "-") != "":
            return False
    return True


def is_email(text: str) -> bool:
    """RFC 5321 section 4.1.2, Mailbox: the local part may be quoted, the domain may be an address in brackets."""
    at = _quoted(text) if text[:1] == '"' else text.find("@")
    if not 1 <= at <= _LOCAL_PART or text[at : at + 1] != "@":
        return False
    if text[0] != '"':
        for atom in text[:at].split("."):
            if atom == "" or atom.strip(_NAMES + "!#$%&'*+-/=?^_`{|}~") != "":
                return False
    domain = text[at + 1 :]
    if domain[:1] == "[" and domain[-1] == "]":
        address = domain[1:-1]
        return is_ipv6(address[5:]) if address[:5].lower() == "ipv6:" else is_ipv4(address)
    return _is_domain(domain)


def _quoted(text: str) -> int:
    """The index behind the quoted string at the start, 0 if it is none."""
    i = 1
    while text[i : i + 1] != '"':
        if text[i : i + 1] == "\\":
            i += 1
        if not " " <= text[i : i + 1] <= "~" or i > _LOCAL_PART:
            return 0
        i += 1
    return i + 1


def is_uri(text: str) -> bool:
    """RFC 3986 appendix A, URI: with a scheme."""
    scheme, colon, rest = text.partition(":")
    return (
        len(text) <= limits.FORMAT_TEXT
        and colon != ""
        and scheme.strip(_NAMES + "+-.") == ""
        and scheme[:1].strip(_DIGITS + "+-.") != ""
        and _is_rest(rest)
    )


def is_uri_reference(text: str) -> bool:
    """RFC 3986 appendix A, URI-reference. A relative path has no colon in its first segment."""
    if len(text) > limits.FORMAT_TEXT:
        return False
    first = text
    for end in "/?#":
        first = first.partition(end)[0]
    return is_uri(text) if ":" in first else _is_rest(text)


def _is_rest(text: str) -> bool:
    """[ "//" authority ] path [ "?" query ] [ "#" fragment ]"""
    text, _, fragment = text.partition("#")
    text, _, query = text.partition("?")
    if text[:2] == "//":
        authority, slash, path = text[2:].partition("/")
        if not _is_authority(authority):
            return False
        text = slash + path
    return _is_made_of(text, ":@/") and _is_made_of(query, ":@/?") and _is_made_of(fragment, ":@/?")


def _is_made_of(text: str, more: str) -> bool:
    """Nothing but unreserved, sub-delims, percent-encoded and `more`."""
    allowed = _NAMES + "-._~!$&'()*+,;=" + more
    parts = text.split("%")
    if parts[0].strip(allowed) != "":
        return False
    for part in parts[1:]:  # noqa: SIM110 (no generators where a loop does)
        if len(part) < 2 or part[:2].strip(_HEX) != "" or part[2:].strip(allowed) != "":  # noqa: PLR2004 (digits)
            return False
    return True


def _is_authority(text: str) -> bool:
    """[ userinfo "@" ] host [ ":" port ]"""
    user, at, host = text.partition("@")
    if at == "":
        host = text
    elif not _is_made_of(user, ":"):
        return False
    if host[:1] == "[":
        address, close, port = host[1:].partition("]")
        if close == "" or not (is_ipv6(address) or _is_ip_future(address)):
            return False
    else:
        name, colon, port = host.partition(":")
        port = colon + port
        if not _is_made_of(name, ""):
            return False
    return port == "" or (port[0] == ":" and port[1:].strip(_DIGITS) == "")


def _is_ip_future(text: str) -> bool:
    version, _, address = text[1:].partition(".")
    return (
        text[:1] in ("v", "V")
        and version != ""
        and version.strip(_HEX) == ""
        and address != ""
        and "%" not in address
        and _is_made_of(address, ":")
    )


def is_json_pointer(text: str) -> bool:
    """RFC 6901 section 3."""
    if not _fits(text) or text[:1] not in ("", "/"):
        return False
    for part in text.split("~")[1:]:  # noqa: SIM110 (no generators where a loop does)
        if part[:1] not in ("0", "1"):
            return False
    return True


def is_relative_json_pointer(text: str) -> bool:
    """draft-bhutton-relative-json-pointer-00 section 3: 1/name, 0#, 0+1/name."""
    if not _fits(text):
        return False
    rest = _behind_integer(text)
    if rest[:1] in ("+", "-") and rest != text and rest[1:2] != "0":
        text = rest[1:]
        rest = _behind_integer(text)
    return rest != text and (rest == "#" or is_json_pointer(rest))


def _behind_integer(text: str) -> str:
    """What follows the digits; the text itself if there are none, or with a leading zero."""
    rest = text.lstrip(_DIGITS)
    return text if text[:1] == "0" and len(text) - len(rest) > 1 else rest


def is_regex(text: str) -> bool:
    """ECMA-262 section 22.2.1, Unicode mode."""
    from headgate.core import regex_syntax  # noqa: PLC0415 (the parser is only needed here and for compiling)

    return _fits(text) and regex_syntax.is_regex(text)


FORMATS: "dict[str, Callable[[str], bool]]" = {
    "duration": is_duration,
    "email": is_email,
    "hostname": is_hostname,
    "uri": is_uri,
    "uri-reference": is_uri_reference,
    "json-pointer": is_json_pointer,
    "relative-json-pointer": is_relative_json_pointer,
    "regex": is_regex,
}
