"""The C core of Headgate for CPython.

On its own it is a validator for JSON Schema that takes bytes of JSON or CBOR, see docs/validator.md:

    from headgate_native import Schema

    Schema({"type": "object"}).is_valid(b"{}")

`_native` holds the types in C. Within Headgate, `headgate._accel` chooses between them and their pure twins.
"""

from headgate_native.result import InvalidDocument, Result, SchemaError, Violation
from headgate_native.schema import Schema, Stream

__all__ = ["InvalidDocument", "Result", "Schema", "SchemaError", "Stream", "Violation"]
