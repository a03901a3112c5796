"""JSON Schema 2020-12 for device messages: the documented subset, exact numbers, bounded work. Portable.

    schema = Schema(loads(b'{"type": "object", "required": ["t"]}'))
    schema.is_valid(value)      # the verdict, at the speed of the first failure
    schema.errors(value)        # for the answer: what is wrong, and where

Which keywords are enforced and what happens to values that JSON does not have: schema_compile.py, schema_check.py.
"""

from headgate import limits
from headgate.core.schema_check import Run, SchemaError, holds
from headgate.core.schema_explain import Explainer, Full

__all__ = ["Schema", "SchemaError"]


class Schema:
    """A compiled schema; compiling raises SchemaError for whatever cannot be enforced."""

    __slots__ = ("_root", "_run")

    def __init__(self, document: object) -> None:
        """`document` is parsed by core.json: a dict or a bool."""
        # Here, for a board may forget that module once its plan stands.
        from headgate.core.schema_compile import compile_schema  # noqa: PLC0415

        self._root = compile_schema(document)
        self._run = Run(0)

    def is_valid(self, value: object) -> bool:
        """The verdict. A value that takes more than limits.SCHEMA_STEPS or more stack than there is, is invalid."""
        self._run.left = limits.SCHEMA_STEPS
        try:
            return holds(self._root, value, self._run)
        except RuntimeError:  # Exhausted, or the end of the stack
            return False

    def errors(self, value: object, limit: int = limits.SCHEMA_ERRORS) -> "list[tuple[str, str, str]]":
        """Up to `limit` violations as (instance pointer, schema pointer, message); empty exactly for a valid value."""
        if self.is_valid(value):
            return []
        self._run.left = limits.SCHEMA_STEPS
        explainer = Explainer(limit, self._run)
        try:
            explainer.explain(self._root, value, "")
        except Full:
            pass
        except RuntimeError:
            explainer.found.append(("", "", "nested or branching too deeply for this schema"))
        return explainer.found
