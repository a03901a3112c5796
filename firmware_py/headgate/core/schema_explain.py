"""Why a value does not satisfy a schema: each violation with its two JSON Pointers and a sentence. Portable.

It walks the same nodes and asks the same tests as the verdict, so the two cannot disagree.
"""

from headgate.core.json import dumps
from headgate.core.schema_check import (
    ANY,
    ARRAY,
    FRACTION,
    OBJECT,
    STRING,
    TYPES,
    Exhausted,
    Node,
    Run,
    classify,
    escape,
    has_all,
    holds,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SHOWN = 64  # characters of an offending value or name, and of a keyword's argument: an answer must stay small


class Full(Exception):
    """As many violations as were asked for."""


def show(value: "Any") -> str:
    """The value as JSON text, cut short; containers by their size."""
    if isinstance(value, dict):
        return f"an object with {len(value)} members"
    if isinstance(value, (list, tuple)):
        return f"an array with {len(value)} items"
    if isinstance(value, str):
        return dumps(value if len(value) <= _SHOWN else value[:_SHOWN] + "...").decode()
    try:
        text = dumps(value).decode()
    except ValueError:
        return "a value that JSON does not have"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


class Explainer:
    """Collects up to `limit` violations in `found`: (instance pointer, schema pointer, message)."""

    __slots__ = ("_limit", "_run", "found")

    def __init__(self, limit: int, run: Run) -> None:
        self._limit = limit
        self._run = run
        self.found: list[tuple[str, str, str]] = []

    def add(self, at: str, schema: str, message: str) -> None:
        self.found.append((at, schema, message))
        if len(self.found) >= self._limit:
            raise Full

    def explain(self, node: Node, v: "Any", at: str) -> None:  # noqa: PLR0912 (the order of schema_check.holds)
        """Adds what is wrong with the value v at the pointer `at`. Raises Full, or Exhausted when the work ran out."""
        self._run.left -= 1
        if self._run.left < 0:
            raise Exhausted
        kind, v = classify(v)
        if node.types != ANY and not node.types & kind:
            if node.types == 0:
                self.add(at, node.pointer, f"nothing is allowed here, found {show(v)}")
            else:
                self.add(at, node.pointer + "/type", f"expected {_type_names(node.types)}, found {show(v)}")
            return  # the other keywords would only say it again
        tests = node.any
        if kind <= FRACTION:
            if kind:
                tests = tests + node.number
            elif isinstance(v, float) and node.number:
                self.add(at, f"{node.pointer}/{node.number[0][2]}", "not a finite number")
        elif kind == STRING:
            tests = tests + node.string
        elif kind == OBJECT:
            tests = tests + node.object
        elif kind == ARRAY:
            tests = tests + node.array
        for test, argument, keyword in tests:
            if not test(v, argument):
                self._failed(keyword, argument, v, at, f"{node.pointer}/{keyword}")
        if kind == OBJECT:
            self._members(node, v, at)
        elif kind == ARRAY:
            self._items(node, v, at)
        for sub in node.every:
            self.explain(sub, v, at)
        for keyword, argument in node.branches:
            self._branch(f"{node.pointer}/{keyword}", argument, v, at)

    def _failed(self, keyword: str, argument: "Any", v: "Any", at: str, schema: str) -> None:
        """Adds the violation of one keyword; a name that is missing is a violation of its own."""
        if keyword == "required":
            for name in argument:
                if name not in v:
                    self.add(at, schema, f"the property {show(name)} is missing")
        elif keyword == "dependentRequired":
            for name in sorted(argument):
                if name in v and not has_all(v, argument[name]):
                    missing = ", ".join([show(other) for other in argument[name] if other not in v])
                    self.add(at, schema, f"with {show(name)} there must be {missing}")
        else:
            self.add(at, schema, _sentence(keyword, argument, v))

    def _members(self, node: Node, v: "dict[str, Any]", at: str) -> None:
        if node.members is None:
            return
        properties, patterns, rest, names = node.members
        for name in sorted(v):
            here = at + "/" + escape(name if len(name) <= _SHOWN else name[:_SHOWN] + "...")
            known = name in properties
            if names is not None and not holds(names, name, self._run):
                self.add(at, node.pointer + "/propertyNames", f"{show(name)} is not allowed as a name")
            if known:
                self.explain(properties[name], v[name], here)
            for pattern, sub, _ in patterns:
                if pattern.search(name):
                    known = True
                    self.explain(sub, v[name], here)
            if not known and rest is not None:
                if rest.types == 0:
                    self.add(here, node.pointer + "/additionalProperties", f"the property {show(name)} is not allowed")
                else:
                    self.explain(rest, v[name], here)

    def _items(self, node: Node, v: "list[Any]", at: str) -> None:
        if node.items is None:
            return
        prefix, rest, contains, least, most = node.items
        for i in range(len(v)):
            sub = prefix[i] if i < len(prefix) else rest
            if sub is not None:
                self.explain(sub, v[i], f"{at}/{i}")
        if contains is None:
            return
        found = 0
        for item in v:
            found += holds(contains, item, self._run)
        if found < least:
            self.add(at, contains.pointer, f"{found} items match, there must be {least}")
        elif found > most >= 0:
            self.add(at, node.pointer + "/maxContains", f"{found} items match, there may be {most}")

    def _branch(self, schema: str, argument: "Any", v: "Any", at: str) -> None:
        """anyOf, oneOf, not or if: `schema` ends with the keyword."""
        run = self._run
        if schema.endswith("/if"):
            condition, then, otherwise = argument
            sub = then if holds(condition, v, run) else otherwise
            if sub is not None:
                self.explain(sub, v, at)
            return
        if schema.endswith("/not"):
            if holds(argument, v, run):
                self.add(at, schema, f"{show(v)} is what is excluded here")
            return
        matching = [sub for sub in argument if holds(sub, v, run)]
        if not matching:
            # Where the type leaves one alternative, that one tells more than "none of them".
            kind = classify(v)[0]
            likely = [sub for sub in argument if sub.types & kind]
            if len(likely) == 1:
                self.explain(likely[0], v, at)
            else:
                self.add(at, schema, f"{show(v)} matches none of the {len(argument)} alternatives")
        elif schema.endswith("/oneOf") and len(matching) > 1:
            self.add(at, schema, f"{show(v)} matches {len(matching)} alternatives, there must be one")


def _type_names(types: int) -> str:
    names = []
    for name in ("null", "boolean", "number", "string", "array", "object"):
        if types & TYPES[name] == TYPES[name]:
            names.append(name)
        elif name == "number" and types & TYPES["integer"]:
            names.append("integer")
    return " or ".join(names)


def _sentence(keyword: str, argument: "Any", v: "Any") -> str:  # noqa: PLR0911, PLR0912 (a table, row by row)
    value = show(v)
    if keyword == "minimum":
        return f"{value} is less than {show(argument)}"
    if keyword == "maximum":
        return f"{value} is more than {show(argument)}"
    if keyword == "exclusiveMinimum":
        return f"{value} is not more than {show(argument)}"
    if keyword == "exclusiveMaximum":
        return f"{value} is not less than {show(argument)}"
    if keyword == "multipleOf":
        return f"{value} is not a multiple of {show(argument)}"
    if keyword == "minLength":
        return f"{value} is shorter than {argument} characters"
    if keyword == "maxLength":
        return f"{value} is longer than {argument} characters"
    if keyword == "pattern":
        return f"{value} does not match {show(argument.source)}"
    if keyword == "format":
        return f"{value} is not of the format {argument[1]}"
    if keyword in ("minItems", "minProperties"):
        return f"{value}, there must be at least {argument}"
    if keyword in ("maxItems", "maxProperties"):
        return f"{value}, there may be at most {argument}"
    if keyword == "uniqueItems":
        return f"{value} has equal items"
    if keyword == "const":
        return f"{value} is not {show(argument[2])}"
    choices = ", ".join([show(one) for one in argument[2][:5]])
    if len(argument[2]) > 5:  # noqa: PLR2004 (enough to see what was meant)
        choices += ", ..."
    return f"{value} is none of {choices}"
