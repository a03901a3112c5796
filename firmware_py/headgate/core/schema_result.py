"""What a validation says when it says more than yes or no. Portable."""

from headgate.core.schema_check import Run, escape, holds
from headgate.core.schema_explain import SHOWN, Explainer, Full

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from headgate.core.schema import Data, Schema
    from headgate.core.schema_explain import Found, Path

TOO_MANY_STEPS = "too many steps"


class InvalidDocument(ValueError):
    """A document that cannot be transcoded; `result` says why."""

    def __init__(self, result: "Result") -> None:
        super().__init__(result.errors[0].message)
        self.result = result


class Violation:
    """One thing that is wrong.

    `instance`: JSON Pointer of the value, long names cut short. `schema`: JSON Pointer of the keyword in the schema
    document it stands in; `uri` is that document's, "" for a main one without $id. `keyword_location`: JSON Pointer of
    the keyword through every reference that was followed.
    """

    __slots__ = ("_at", "_source", "instance", "keyword_location", "message", "schema", "uri")

    def __init__(  # noqa: PLR0913, PLR0917 (its fields)
        self, source: "Result", at: "Path | int", schema: str, uri: str, location: str, message: str
    ) -> None:
        self._source = source
        self._at = at  # the path of the value, or the offset itself
        self.instance = "" if isinstance(at, int) else pointer_of(at)
        self.schema = schema
        self.uri = uri
        self.keyword_location = location
        self.message = message

    @property
    def offset(self) -> int:
        """Byte at which the value, or what is malformed, begins."""
        if not isinstance(self._at, int):
            from headgate.core.locate import offset_of  # noqa: PLC0415 - few ask

            source = self._source
            self._at = offset_of(source.data, source.encoding, names_of(self._at), source.last)
        return self._at

    @property
    def line(self) -> int:
        """From 1; 0 for CBOR."""
        if self._source.encoding != "json":
            return 0
        return bytes(self._source.data[: self.offset]).count(b"\n") + 1


class Result:
    """The verdict on one document: true if it is valid. `malformed`: it is no JSON or CBOR, or over a limit; then there
    is one violation, without pointers."""

    __slots__ = ("data", "encoding", "errors", "last", "malformed")

    def __init__(self, data: "Data", encoding: str, last: bool) -> None:
        self.data = data
        self.encoding = encoding
        self.last = last  # of equal names, the last one counts
        self.malformed = False
        self.errors: list[Violation] = []

    def __bool__(self) -> bool:
        return not self.errors

    @property
    def valid(self) -> bool:
        return not self.errors

    def refuse(self, reason: str, offset: int) -> None:
        """Notes that the document is malformed."""
        self.malformed = True
        self.errors.append(Violation(self, offset, "", "", "", f"{reason} at byte {offset}"))

    def output(self) -> "dict[str, object]":
        """The `basic` output form (JSON Schema 2020-12 core section 12.4.2)."""
        from headgate.core.schema_output import basic  # noqa: PLC0415 - hosts only

        return basic(self)


def judge(schema: "Schema", data: "Data", encoding: str) -> Result:
    """Schema.validate."""
    result = Result(data, encoding, schema.duplicates)
    try:
        value = schema.parse(data, encoding)
    except ValueError as error:
        if not hasattr(error, "offset"):
            raise
        result.refuse(error.reason, error.offset)  # type: ignore[attr-defined]
        return result
    found = violations(schema, value)
    keys = []
    for i in range(len(found)):
        keys.append((_order(value, found[i][0]), i))
    for _, i in sorted(keys):
        at, pointer, uri, location, message = found[i]
        result.errors.append(Violation(result, at, pointer, uri or schema.uri, location, message))
    return result


def violations(schema: "Schema", value: object) -> "list[Found]":
    """Up to `limits["errors"]` of a value (see Explainer.found); empty exactly for a valid one."""
    _, steps, _, most = schema.limits
    exhausted = False
    try:
        if holds(schema.root, value, Run(steps)):
            return []
    except RuntimeError:  # Exhausted, or the end of the stack
        exhausted = True
    explainer = Explainer(most, Run(steps))
    try:
        explainer.explain(schema.root, value)
    except Full:
        return explainer.found
    except RuntimeError:
        exhausted = True
    if exhausted:
        explainer.found.append((None, "", "", "", TOO_MANY_STEPS))
    return explainer.found


def names_of(at: "Path") -> "list[str | int]":
    names: list[str | int] = []
    while at is not None:
        at, name = at
        names.insert(0, name)
    return names


def pointer_of(at: "Path") -> str:
    pointer = ""
    for name in names_of(at):
        if isinstance(name, str) and len(name) > SHOWN:
            name = name[:SHOWN] + "..."  # noqa: PLW2901
        pointer += "/" + escape(str(name))
    return pointer


def _order(value: "Any", at: "Path") -> "list[int]":
    """Where a value stands in the document (on MicroPython: among the members of its dicts): a sort key."""
    order = []
    for name in names_of(at):
        order.append(list(value).index(name) if isinstance(value, dict) else int(name))
        value = value[name]
    return order
