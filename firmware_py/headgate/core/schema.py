"""JSON Schema 2020-12 and draft-07: bytes in, verdict out; exact numbers, bounded work. Portable.

    schema = Schema({"type": "object", "required": ["t"]})
    schema.is_valid(b'{"t": 1}')         # the verdict, at the speed of the first failure
    schema.validate(b"{}").errors        # what is wrong, and where

What happens to values that JSON does not have: schema_check.py. This module is what every user needs; the words of a
violation (schema_explain.py, schema_result.py), transcoding and streams are imported when they are asked for.
"""

from headgate import limits as bounds
from headgate.core import json
from headgate.core.schema_check import Run, SchemaError, holds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from headgate.core.schema_result import Result, Violation
    from headgate.core.stream import Stream

    Data = bytes | bytearray | memoryview

__all__ = ("Schema", "SchemaError")

# depth, steps, bytes, errors
_LIMITS = (bounds.JSON_DEPTH, bounds.SCHEMA_STEPS, bounds.DOCUMENT_BYTES, bounds.SCHEMA_ERRORS)


class Schema:
    """A compiled schema; compiling raises SchemaError for whatever is not well-formed or cannot be enforced.

    `schema`: parsed JSON or JSON text. `draft`: "2020-12" or "7", unless `$schema` says otherwise. `formats`: which
    values of `format` are asserted. `registry`: other documents by URI. `duplicates`: a name given twice is refused, or
    the last one counts. `limits`: "depth" (open containers), "steps" (subschemas applied), "bytes" (of a document),
    "errors" (violations found). `unknown`: keywords and formats that say nothing here are put down in `lints`
    (pointer, reason), or refused.
    """

    __slots__ = ("duplicates", "limits", "lints", "root", "uri")

    def __init__(  # noqa: PLR0913 (each has its default)
        self,
        schema: "dict[str, object] | bool | str | bytes",
        *,
        draft: str = "2020-12",
        formats: "bool | Collection[str]" = True,
        registry: "Mapping[str, dict[str, object] | bool | str | bytes] | None" = None,
        duplicates: str = "refuse",
        limits: "Mapping[str, int] | None" = None,
        unknown: str = "ignore",
    ) -> None:
        # Here, for a board may forget that module once its plan stands.
        from headgate.core.schema_compile import compile_schema  # noqa: PLC0415

        self.duplicates = duplicates != "refuse"
        self.limits = _LIMITS
        found: list[tuple[str, str]] | None = None
        if unknown != "refuse" or limits is not None or formats is not True or draft != "2020-12" or self.duplicates:
            from headgate.core import schema_options  # noqa: PLC0415 - a board gives none

            schema_options.check(draft, formats, duplicates, unknown)
            self.limits = schema_options.limits_of(limits)
            found = [] if unknown == "ignore" else None
        self.root, self.uri = compile_schema(schema, draft == "7", formats, registry, found)
        self.lints = tuple(found or ())

    def is_valid(self, data: "Data", encoding: str = "json") -> bool:
        """The verdict on a JSON or CBOR document; malformed is not valid. One that takes more steps than the limit, or
        more stack than there is, is invalid."""
        try:
            return holds(self.root, self.parse(data, encoding), Run(self.limits[1]))
        except (ValueError, RuntimeError):  # malformed; Exhausted, or the end of the stack
            if encoding not in ("json", "cbor"):
                raise
            return False

    def parse(self, data: "Data", encoding: str) -> object:
        """The document as values of core.json. Raises JSONError or CBORError, which have `reason` and `offset`."""
        depth, _, size, _ = self.limits
        if len(data) > size:
            raise json.JSONError("document too large", size)
        if encoding == "json":
            return json.loads(data, depth, self.duplicates)
        if encoding != "cbor":
            raise ValueError('encoding must be "json" or "cbor"')
        from headgate.core import cbor  # noqa: PLC0415 - a board pays for it only when it is used

        return cbor.loads(data, depth, bounds.CBOR_ITEMS, True)

    def validate(self, data: "Data", encoding: str = "json") -> "Result":
        """The verdict with up to `limits["errors"]` violations, in the order of the document."""
        from headgate.core.schema_result import judge  # noqa: PLC0415 - only for what is refused

        return judge(self, data, encoding)

    def iter_errors(self, data: "Data", encoding: str = "json") -> "Iterator[Violation]":
        return iter(self.validate(data, encoding).errors)

    def to_cbor(self, data: "Data", *, deterministic: bool = False) -> bytes:
        """A valid JSON document as CBOR; `deterministic`: RFC 8949 section 4.2.1. Raises InvalidDocument."""
        from headgate.core.transcode import to_cbor  # noqa: PLC0415 - likewise

        return to_cbor(self, data, deterministic)

    def to_json(self, data: "Data") -> bytes:
        """A valid CBOR document as compact JSON text. Raises InvalidDocument."""
        from headgate.core.transcode import to_json  # noqa: PLC0415

        return to_json(self, data)

    def stream(self, framing: str = "ndjson", *, max_record: int = bounds.HTTP_BODY) -> "Stream":
        """For records one after the other: "ndjson", "json-seq" (RFC 7464) or "cbor-seq" (RFC 8742)."""
        from headgate.core.stream import Stream  # noqa: PLC0415

        return Stream(self, framing, max_record)
