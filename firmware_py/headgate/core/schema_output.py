"""The standard output form `basic` of a Result. Portable."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from headgate.core.schema_result import Result


def basic(result: "Result") -> "dict[str, object]":
    """JSON Schema 2020-12 core section 12.4.2; each unit also has `offset` (bytes) and `line` (from 1; not in CBOR)."""
    if result.valid:
        return {"valid": True, "keywordLocation": "", "instanceLocation": ""}
    errors: list[dict[str, object]] = []
    for violation in result.errors:
        unit: dict[str, object] = {"valid": False, "keywordLocation": violation.keyword_location}
        if violation.uri or violation.keyword_location != violation.schema:
            unit["absoluteKeywordLocation"] = f"{violation.uri}#{_fragment(violation.schema)}"
        unit["instanceLocation"] = violation.instance
        unit["error"] = violation.message
        unit["offset"] = violation.offset
        if violation.line:
            unit["line"] = violation.line
        errors.append(unit)
    return {"valid": False, "keywordLocation": "", "instanceLocation": "", "errors": errors}


def _fragment(pointer: str) -> str:
    """A JSON Pointer as a URI fragment (RFC 6901 section 6): percent-encoded where RFC 3986 section 3.5 asks for it."""
    out = ""
    for byte in pointer.encode():
        char = chr(byte)
        plain = char in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/?"
        out += char if plain else f"%{byte:02X}"
    return out
