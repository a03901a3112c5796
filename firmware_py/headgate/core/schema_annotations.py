"""Keywords that assert nothing, and words that nobody knows: their form, and what was probably meant. Portable."""

from headgate.core.schema_check import TYPES, SchemaError
from headgate.core.schema_compile import COUNTS, LISTS, MAPS, SINGLE, TESTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    Lints = list[tuple[str, str]] | None

_TEXTS = ("title", "description", "$comment", "contentMediaType")
_FLAGS = ("deprecated", "readOnly", "writeOnly")
# Their meaning: schema_places.py.
_IDENTIFIERS = ("$schema", "$id", "$anchor", "$dynamicAnchor")
_OTHERS = ("type", "$ref", "$dynamicRef", "contentEncoding", "$vocabulary", "default", "examples")
_RENAMED = {
    "dependencies": "dependentRequired",
    "additionalItems": "items",
    "id": "$id",
    "ref": "$ref",
    "schema": "$schema",
    "comment": "$comment",
    "divisibleBy": "multipleOf",
}
_NEAR = 2  # edits at which a misspelt word is recognised


def look_at(  # noqa: PLR0913, PLR0917
    role: str, keyword: str, value: object, at: str, named: bool, lints: "Lints"
) -> None:
    """A keyword that is no assertion. `role`: the keyword, "" where it means nothing; `named`: there is an $id beside
    it. What is unknown goes to `lints`, or is a SchemaError if that is None."""
    if role in _TEXTS or role in _IDENTIFIERS:
        if not isinstance(value, str):
            raise SchemaError(at, "must be a string")
        if role == "$schema" and at != "/$schema" and not named:
            raise SchemaError(at, "$schema is for the top of a schema resource")
    elif role in _FLAGS:
        if not isinstance(value, bool):
            raise SchemaError(at, "must be true or false")
    elif role == "examples":
        if not isinstance(value, list):
            raise SchemaError(at, "must be a list")
    elif role == "$vocabulary":
        if not isinstance(value, dict):
            raise SchemaError(at, "must be an object")
    elif role != "additionalItems":
        known = list(TESTS)
        for more in (SINGLE, LISTS, MAPS, COUNTS, _TEXTS, _FLAGS, _IDENTIFIERS, _OTHERS):
            known += more
        meant = _RENAMED.get(keyword) or nearest(keyword, known)
        _ignored(at, f'unknown keyword "{keyword}"{_meant(meant)}', lints)


def unknown_format(name: str, at: str, lints: "Lints") -> None:
    from headgate.core.formats import FORMATS  # noqa: PLC0415 - only for this

    _ignored(at, f'unknown format "{name}"{_meant(nearest(name, list(FORMATS)))}', lints)


def unknown_type(name: str, at: str) -> None:
    raise SchemaError(at, f'unknown type "{name}"{_meant(nearest(name, list(TYPES)))}')


def _meant(word: str) -> str:
    return f', did you mean "{word}"?' if word else ""


def _ignored(at: str, reason: str, lints: "Lints") -> None:
    if lints is None:
        raise SchemaError(at, reason)
    lints.append((at, reason))


def nearest(word: str, known: "list[str]") -> str:
    """The entry of `known` that `word` probably means, or an empty string."""
    best = ""
    least = _NEAR + 1
    for candidate in sorted(known):
        if abs(len(candidate) - len(word)) < least:
            distance = _distance(word.lower(), candidate.lower())
            if distance < least and distance * 2 < len(candidate):
                best = candidate
                least = distance
    return best


def _distance(a: str, b: str) -> int:
    """The number of insertions, deletions and replacements that make b of a."""
    row = list(range(len(b) + 1))
    for i in range(len(a)):
        corner = row[0]
        row[0] = i + 1
        for k in range(len(b)):
            above = row[k + 1]
            row[k + 1] = min(above + 1, row[k] + 1, corner + (a[i] != b[k]))
            corner = above
    return row[-1]
