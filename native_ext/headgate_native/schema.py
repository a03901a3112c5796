"""The public face of the validator: Schema and Stream. docs/validator.md is its manual."""

from headgate_native import _native
from headgate_native.result import InvalidDocument, Result, SchemaError, Violation, result_of, results_of
from headgate_native.schema_text import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import Any, Literal, NoReturn, Self

    from typing_extensions import Buffer

    from headgate_native.result import Found

    Document = Mapping[str, Any] | bool | str | bytes

__all__ = ["InvalidDocument", "Result", "Schema", "SchemaError", "Stream", "Violation"]

# The limits of one document, and the most that may be asked for. Defaults are those of headgate.limits.
_LIMITS = {
    "depth": 128,  # open containers: they become depth of the C stack
    "steps": 2**30,  # subschemas applied to values; over it: invalid
    "bytes": 2**28,  # of a document; over it: malformed
    "errors": 65536,  # violations reported
}


class Schema(_native.Validator):
    """A compiled JSON Schema, and the verdicts on documents given as bytes of JSON or CBOR.

        schema = Schema({"type": "object", "required": ["t"]})
        schema.is_valid(b'{"t": 20.5}')     # True

    It never changes, so any number of threads may share it. Making one takes far longer than a verdict: keep it.
    """

    __slots__ = ("__weakref__", "_lints")
    _lints: "tuple[tuple[str, str], ...]"

    def __new__(  # noqa: PLR0913 (all but one by name)
        cls,
        schema: "Document",
        *,
        draft: 'Literal["2020-12", "7"]' = "2020-12",
        formats: "bool | Collection[str]" = True,
        registry: "Mapping[str, Document] | None" = None,
        duplicates: 'Literal["refuse", "last"]' = "refuse",
        limits: "Mapping[str, int] | None" = None,
        unknown: 'Literal["ignore", "refuse"]' = "ignore",
    ) -> "Self":
        """Compile a schema: a dict, a bool, or JSON text.

        draft       "2020-12" or "7": what the schema is written in, unless its `$schema` says so itself
        formats     which values of `format` are asserted: True all known ones, False none, or a collection of names
        registry    {absolute URI: schema}: documents that `$ref` may lead to. Nothing ever comes from the network; the
                    metaschemas of both drafts are there without being given
        duplicates  a name given twice in an object of a document: "refuse" it as malformed, or let the "last"
                    one count (JSON only)
        limits      of one document: "depth" open containers (default 32, at most 128), "steps" subschemas applied to
                    values (default 500,000), "bytes" of it (default and at most 268,435,456), "errors" reported for it
                    (default 16, at most 65,536)
        unknown     a keyword that is none of the draft: "ignore" it with a lint, as the standard asks, or "refuse" it

        Raises SchemaError when the schema cannot be enforced as it stands, ValueError for an option that is none.
        """
        findings: list[tuple[bool, str, str, str]] = []
        text = text_of(schema)
        try:
            self = super().__new__(
                cls,
                text,
                7 if _choice("draft", draft, "2020-12", "7") else 2020,
                _format_bits(formats),
                _choice("duplicates", duplicates, "refuse", "last"),
                _choice("unknown", unknown, "refuse", "ignore"),
                _bounds(limits),
                _resolver(registry),
                findings,
            )
        except ValueError:
            for is_error, uri, pointer, reason in findings:
                if is_error:
                    raise SchemaError(pointer, reason, uri) from None
            raise
        self._lints = tuple([(f"{uri}#{pointer}" if uri else pointer, reason) for _, uri, pointer, reason in findings])
        return self

    @property
    def lints(self) -> "tuple[tuple[str, str], ...]":
        """What looks like a mistake, as (JSON Pointer, reason); in documents of the registry the pointer is a URI."""
        return self._lints

    def validate(self, data: "Buffer", encoding: 'Literal["json", "cbor"]' = "json") -> Result:
        """The verdict with all reasons (as many as the limit "errors" says). Arguments as for is_valid."""
        return result_of(self._explain(data, encoding))

    def iter_errors(self, data: "Buffer", encoding: 'Literal["json", "cbor"]' = "json") -> "Iterator[Violation]":
        """The violations in the order of the document; none for a valid one. Arguments as for is_valid."""
        return iter(self.validate(data, encoding).errors)

    def stream(
        self, framing: 'Literal["ndjson", "json-seq", "cbor-seq"]' = "ndjson", *, max_record: int = 262144
    ) -> "Stream":
        """A reader of many documents in a row, see Stream. `max_record`: bytes of one document, 1 to 268,435,456."""
        return Stream(self, framing, max_record=max_record)

    def _refuse(self, found: "Found") -> "NoReturn":
        """Called by the C core when there is no output."""
        raise InvalidDocument(result_of(found))

    def __copy__(self) -> "Self":
        return self

    def __deepcopy__(self, memo: "dict[int, Any]") -> "Self":
        return self

    def __reduce__(self) -> "NoReturn":
        raise TypeError("a Schema cannot be pickled: make it again from its document where it is needed")


class Stream:
    """Documents in a row, fed in chunks that may end anywhere; a Result for each, as soon as its last byte is in.

        stream = schema.stream("ndjson")
        for chunk in source:
            for result in stream.feed(chunk): ...
        for result in stream.close(): ...

    ndjson    lines that end with LF or CRLF; blank ones are skipped, the last one may lack its end
    json-seq  RFC 7464: RS, JSON text, LF. A number, true, false or null without whitespace after it may be cut short,
              and is malformed; so are bytes between two records
    cbor-seq  RFC 8742. After an item that is none, nobody can say where the next one begins: its Result is the last
              one, `ended` is True, and what else is fed is dropped

    A document with more than `max_record` bytes is malformed; reading goes on with the next one (cbor-seq: it ends). No
    more than one record is ever kept. Offsets and lines are those within the record. One thread at a time may use it.
    """

    __slots__ = ("_closed", "_feed")

    def __init__(
        self,
        schema: Schema,
        framing: 'Literal["ndjson", "json-seq", "cbor-seq"]' = "ndjson",
        *,
        max_record: int = 262144,
    ) -> None:
        self._feed = _native.Feed(schema, framing, max_record)
        self._closed = False

    def feed(self, chunk: "Buffer") -> "list[Result]":
        """The results of the documents that end in this chunk, any bytes-like object.

        Raises ValueError when the stream was closed.
        """
        if self._closed:
            raise ValueError("the stream is closed")
        return results_of(self._feed.feed(chunk))

    @property
    def ended(self) -> bool:
        """True after a Result behind which nothing can be read any more."""
        return self._feed.ended

    def close(self) -> "list[Result]":
        """The end of the stream: the Result of a document that had no end of its own. Again: nothing."""
        self._closed = True
        return results_of(self._feed.close())


def _bounds(limits: "Mapping[str, int] | None") -> "tuple[int, int, int, int]":
    """The limits in the order of the C core; 0 stands for its default."""
    given = limits or {}
    for name, value in given.items():
        if name not in _LIMITS:
            raise ValueError(f'unknown limit "{name}"')
        if type(value) is not int or not 1 <= value <= _LIMITS[name]:
            raise ValueError(f'the limit "{name}" must be an integer from 1 to {_LIMITS[name]}')
    return given.get("depth", 0), given.get("steps", 0), given.get("bytes", 0), given.get("errors", 0)


def _format_bits(formats: "bool | Collection[str]") -> int:
    if isinstance(formats, str | bytes):
        raise TypeError("formats is a bool or a collection of names")
    if isinstance(formats, bool):
        return (2 << len(_native.FORMATS)) - 2 if formats else 0
    bits = 0
    for name in formats:
        if name not in _native.FORMATS:
            raise ValueError(f'unknown format "{name}"')
        bits |= 2 << _native.FORMATS.index(name)
    return bits


def _choice(option: str, value: str, one: str, other: str) -> bool:
    """True for the other one."""
    if value not in (one, other):
        raise ValueError(f'{option} must be "{one}" or "{other}"')
    return value == other


def _resolver(registry: "Mapping[str, Document] | None") -> "Callable[[str], bytes | None]":
    """What the compiler asks for the text of a document that a reference leads to."""
    documents: dict[str, Document] = {}
    for uri, document in (registry or {}).items():
        key = uri.removesuffix("#") if isinstance(uri, str) else ""
        if "#" in key or ":" not in key:
            raise ValueError(f"the key {uri!r} of the registry is not an absolute URI without fragment")
        documents[key] = document

    def resolve(uri: str) -> "bytes | None":
        if uri in documents:
            return text_of(documents[uri], uri)
        from headgate.data.metaschemas import load  # noqa: PLC0415 (most schemas never ask)

        text = load(uri)
        return None if text is None else text.encode()

    return resolve
