"""The arguments of Schema that few give: checked here, so that a small board does not hold the words. Portable."""

from headgate import limits
from headgate.core.schema_check import SchemaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def check(schema: object, draft: str, formats: "bool | Collection[str]", duplicates: str, unknown: str) -> None:
    """Raises ValueError for a value that the argument does not have, SchemaError for a schema without an end."""
    _end(schema)
    _choice("draft", draft, "2020-12", "7")
    _choice("duplicates", duplicates, "refuse", "last")
    _choice("unknown", unknown, "ignore", "refuse")
    if formats is not True and formats is not False:
        from headgate.core.formats import find  # noqa: PLC0415

        for name in formats:
            if find(name) is None:
                raise ValueError(f'unknown format "{name}"')


def _end(schema: object) -> None:
    """A dict can contain itself, as no JSON text can: nobody would come to its end."""
    todo = [(schema, 0)]
    left = limits.SCHEMA_BYTES  # a document has no more values than bytes
    while todo:
        one, depth = todo.pop()
        left -= 1
        if isinstance(one, (dict, list, tuple)):
            if depth >= limits.DOCUMENT_DEPTH or left < 0:
                raise SchemaError("", "nested too deeply")
            for inner in one.values() if isinstance(one, dict) else one:
                todo.append((inner, depth + 1))


def _choice(what: str, value: str, one: str, other: str) -> None:
    if value not in (one, other):
        raise ValueError(f'{what} must be "{one}" or "{other}"')


def limits_of(given: "Mapping[str, int] | None") -> "tuple[int, int, int, int]":
    """depth, steps, bytes, errors. Raises ValueError."""
    names = ("depth", "steps", "bytes", "errors")
    found = [limits.JSON_DEPTH, limits.SCHEMA_STEPS, limits.DOCUMENT_BYTES, limits.SCHEMA_ERRORS]
    most = (limits.DOCUMENT_DEPTH, 1 << 30, limits.DOCUMENT_BYTES, 1 << 16)
    for name in given or ():
        if name not in names:
            raise ValueError(f'unknown limit "{name}"')
        i = names.index(name)
        value = (given or {})[name]
        if type(value) is not int or not 1 <= value <= most[i]:
            raise ValueError(f'the limit "{name}" must be an integer from 1 to {most[i]}')
        found[i] = value
    return found[0], found[1], found[2], found[3]
