"""What a document or a schema is told: Violation, Result, and the exceptions that carry them."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    # What the C core says of a document that is not valid: malformed, and the fields of each Violation.
    Found = tuple[bool, list[tuple[str, str, str, str, str, int, int]]]


class Violation:
    """One thing that is wrong with a document. Immutable by convention; equal to another one that says the same.

    instance          JSON Pointer (RFC 6901) of the value in the document; a very long name in it is cut short
    schema            JSON Pointer of the keyword in the schema document it stands in
    uri               URI of that document: of the registry, or `$id`; "" for a main schema without one
    keyword_location  JSON Pointer of the keyword on the way that led to it, through every `$ref`
    message           one sentence without a full stop; the value in it is cut short
    offset            bytes from the start of the document to the value (of a malformed document: to the fault)
    line              of that byte, from 1; 0 in CBOR

    All three pointers are "" for a document that is malformed.
    """

    __slots__ = ("instance", "keyword_location", "line", "message", "offset", "schema", "uri")

    def __init__(  # noqa: PLR0913, PLR0917 (a record)
        self, instance: str, schema: str, message: str, keyword_location: str, uri: str, offset: int, line: int
    ) -> None:
        self.instance = instance
        self.schema = schema
        self.message = message
        self.keyword_location = keyword_location
        self.uri = uri
        self.offset = offset
        self.line = line

    def _key(self) -> "tuple[str, str, str, str, str, int, int]":
        return (
            self.instance,
            self.schema,
            self.message,
            self.keyword_location,
            self.uri,
            self.offset,
            self.line,
        )

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Violation) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Violation(instance={self.instance!r}, schema={self.schema!r}, message={self.message!r})"

    def __str__(self) -> str:
        return f"{self.instance}: {self.message}" if self.instance else self.message


class Result:
    """The verdict on one document. True in a condition exactly if the document is valid.

    valid      bool
    malformed  bool: it is not JSON or CBOR at all, or over a limit; then there is one violation, which says where
    errors     list of Violation, in the order of the document, at most as many as the limit "errors" says;
               empty exactly for a valid document
    """

    __slots__ = ("errors", "malformed", "valid")

    def __init__(self, valid: bool, malformed: bool, errors: "list[Violation]") -> None:
        self.valid = valid
        self.malformed = malformed
        self.errors = errors

    def __bool__(self) -> bool:
        return self.valid

    def __repr__(self) -> str:
        if self.valid:
            return "Result(valid)"
        return f"Result({'malformed' if self.malformed else 'invalid'}: {'; '.join(map(str, self.errors))})"

    def output(self) -> "dict[str, object]":
        """The `basic` output form of JSON Schema 2020-12 (core section 12.4.2).

        Units also have `offset` and, in JSON, `line`.
        """
        from headgate.core.schema_output import basic  # noqa: PLC0415 (few ask)

        return basic(self)  # type: ignore[arg-type]  # it asks for what both classes have


def result_of(found: "Found | None") -> Result:
    """None: the document is valid."""
    if found is None:
        return Result(True, False, [])
    errors = [Violation(*raw) for raw in found[1]]
    errors.sort(key=lambda error: error.offset)  # they come as they were found: a name that is missing, last
    return Result(False, found[0], errors)


def results_of(found: "list[Found | None]") -> "list[Result]":
    """Of a piece of a stream. Its valid documents have one Result: there may be thousands of them."""
    valid = Result(True, False, [])
    return [valid if one is None else result_of(one) for one in found]


class SchemaError(ValueError):
    """The schema cannot be enforced, so it is refused as a whole.

    pointer  JSON Pointer of the keyword
    reason   one short sentence
    uri      of the document in the registry it stands in; "" for the schema itself
    """

    def __init__(self, pointer: str, reason: str, uri: str = "") -> None:
        where = f"{uri}#{pointer}" if uri else pointer or "the top"
        super().__init__(f"{reason} at {where}")
        self.pointer = pointer
        self.reason = reason
        self.uri = uri

    def __reduce__(self) -> "tuple[type[SchemaError], tuple[str, str, str]]":
        return type(self), (self.pointer, self.reason, self.uri)


class InvalidDocument(ValueError):
    """There is no output because the input is not valid: `result` says why."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.errors[0].message)
        self.result = result

    def __reduce__(self) -> "tuple[type[InvalidDocument], tuple[Result]]":
        return type(self), (self.result,)
