"""What a Result of either twin says, comparable; also for a script beside this file, without a test's packages."""

from typing import Any


def told(result: Any) -> list[tuple[Any, ...]]:
    return sorted((v.offset, v.line, v.instance, v.schema, v.uri, v.keyword_location, v.message) for v in result.errors)


def names_a_duplicate(result: Any, encoding: str) -> bool:
    """The pure twin's. In a map of CBOR under a tag the native one looks for names given twice when the map has ended:
    what else is wrong comes first there, so the twins may name either."""
    return encoding == "cbor" and result.malformed and "duplicate name" in result.errors[0].message
