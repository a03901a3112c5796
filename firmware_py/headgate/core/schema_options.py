"""The arguments of Schema that few give: checked here, so that a small board does not hold the words. Portable."""

from headgate import limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def check(draft: str, formats: "bool | Collection[str]", duplicates: str, unknown: str) -> None:
    """Raises ValueError for a value that the argument does not have."""
    _choice("draft", draft, "2020-12", "7")
    _choice("duplicates", duplicates, "refuse", "last")
    _choice("unknown", unknown, "ignore", "refuse")
    if formats is not True and formats is not False:
        from headgate.core.formats import find  # noqa: PLC0415

        for name in formats:
            if find(name) is None:
                raise ValueError(f'unknown format "{name}"')


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
