"""Why a value does not satisfy a schema: each violation with its two JSON Pointers and a sentence. Portable.

It walks the same nodes and asks the same tests as the verdict, so the two cannot disagree.
"""

# ruff: noqa: PLR0913, PLR0917 - an object for value, path and node would cost a board more than arguments do

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
    holds,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Path = tuple["Path", str | int] | None
    Via = tuple[str, int] | None
    Found = tuple[Path, str, str, str, str]

SHOWN = 64  # characters of an offending value or name, and of a keyword's argument: an answer must stay small


class Full(Exception):
    """As many violations as were asked for."""


def show(value: "Any") -> str:
    """The value as JSON text, cut short; containers by their size."""
    if isinstance(value, dict):
        return f"an object with {len(value)} members"
    if isinstance(value, (list, tuple)):
        return f"an array with {len(value)} items"
    if isinstance(value, str):
        return dumps(value if len(value) <= SHOWN else value[:SHOWN] + "...").decode()
    try:
        if hasattr(value, "text"):  # cbor.Bytes: a text only where the schema says so, and then it comes as one
            raise ValueError("bytes")
        text = dumps(value).decode()
    except ValueError:
        return "a value that JSON does not have"
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


class Explainer:
    """Collects up to `limit` violations in `found`, each as (path, pointer in the schema document, its URI, pointer
    through the references that were followed, message).

    A path leads to a value: None is the document, (path, name or index) a part of it. `via`: None until a reference
    was followed; then (location of the last one, length of its target's pointer).
    """

    __slots__ = ("_limit", "found", "run")

    def __init__(self, limit: int, run: Run) -> None:
        self._limit = limit
        self.run = run
        self.found: list[Found] = []

    def add(self, node: Node, at: "Path", via: "Via", tail: str, message: str) -> None:
        """`tail`: what follows the node's pointer, "/minimum". Raises Full."""
        pointer = node.pointer + tail
        self.found.append((at, pointer, node.uri, pointer if via is None else via[0] + pointer[via[1] :], message))
        if len(self.found) >= self._limit:
            raise Full

    def explain(  # noqa: PLR0912 (the order of schema_check.holds)
        self, node: Node, v: "Any", at: "Path" = None, via: "Via" = None
    ) -> None:
        """Adds what is wrong with the value v at the path `at`. Raises Full, or Exhausted when the work ran out."""
        self.run.left -= 1
        if self.run.left < 0:
            raise Exhausted
        given = v
        kind, v = classify(node, v)
        if node.types != ANY and not node.types & kind:
            if node.types == 0:
                self.add(node, at, via, "", f"nothing is allowed here, found {show(v)}")
            else:
                self.add(node, at, via, "/type", f"expected {_type_names(node.types)}, found {show(v)}")
            return  # the other keywords would only say it again
        tests = node.any
        if kind == 0:
            pass
        elif kind <= FRACTION:
            tests = tests + node.number
        elif kind == STRING:
            tests = tests + node.string
        elif kind == OBJECT:
            tests = tests + node.object
        elif kind == ARRAY:
            tests = tests + node.array
        for test, argument, keyword in tests:
            if not test(v, argument):
                self._failed(node, keyword, argument, v, at, via)
        if kind == OBJECT:
            self._members(node, v, at, via)
        elif kind == ARRAY:
            self._items(node, v, at, via)
        for i in range(len(node.every)):
            sub = node.every[i]
            below = via
            if i < len(node.refs):
                below = (
                    (node.pointer if via is None else via[0] + node.pointer[via[1] :]) + "/" + node.refs[i],
                    len(sub.pointer),
                )
            self.explain(sub, given, at, below)
        for keyword, argument in node.branches:
            if keyword:
                self._branch(node, keyword, argument, given, at, via)
            else:
                argument.explain(self, node, given, at, via)

    def _failed(self, node: Node, keyword: str, argument: "Any", v: "Any", at: "Path", via: "Via") -> None:
        """Adds the violation of one keyword; a name that is missing is a violation of its own."""
        tail = "/" + keyword
        if keyword == "required":
            for name in argument:
                if name not in v:
                    self.add(node, at, via, tail, f"the property {show(name)} is missing")
        elif keyword in ("dependentRequired", "dependencies"):
            for name in argument:
                if name in v:
                    for other in argument[name]:
                        if other not in v:
                            self.add(node, at, via, tail, f"with {show(name)} there must be {show(other)}")
        else:
            self.add(node, at, via, tail, _sentence(keyword, argument, v))

    def _members(self, node: Node, v: "dict[str, Any]", at: "Path", via: "Via") -> None:
        if node.members is None:
            return
        properties, patterns, rest, names = node.members
        for name in v:
            here = (at, name)
            known = name in properties
            if names is not None and not holds(names, name, self.run):
                self.add(node, at, via, "/propertyNames", f"{show(name)} is not allowed as a name")
            if known:
                self.explain(properties[name], v[name], here, via)
            for pattern, sub, _ in patterns:
                if pattern.search(name):
                    known = True
                    self.explain(sub, v[name], here, via)
            if not known and rest is not None:
                self.rest(node, rest, "/additionalProperties", name, v[name], here, via)

    def rest(self, node: Node, sub: Node, tail: str, name: str, v: "Any", at: "Path", via: "Via") -> None:
        """The value of a property that no other keyword has judged."""
        if sub.types == 0:
            self.add(node, at, via, tail, f"the property {show(name)} is not allowed")
        else:
            self.explain(sub, v, at, via)

    def _items(self, node: Node, v: "list[Any]", at: "Path", via: "Via") -> None:
        if node.items is None:
            return
        prefix, rest, contains, least, most = node.items
        for i in range(len(v)):
            sub = prefix[i] if i < len(prefix) else rest
            if sub is not None:
                self.explain(sub, v[i], (at, i), via)
        if contains is None:
            return
        found = 0
        for item in v:
            found += holds(contains, item, self.run)
        if found < least:
            self.add(contains, at, via, "", f"{found} items match, there must be {least}")
        if found > most >= 0:
            self.add(node, at, via, "/maxContains", f"{found} items match, there may be {most}")

    def _branch(self, node: Node, keyword: str, argument: "Any", v: "Any", at: "Path", via: "Via") -> None:
        """anyOf, oneOf, not or if."""
        run = self.run
        tail = "/" + keyword
        if keyword == "if":
            condition, then, otherwise = argument
            sub = then if holds(condition, v, run) else otherwise
            if sub is not None:
                self.explain(sub, v, at, via)
            return
        if keyword == "not":
            if holds(argument, v, run):
                self.add(node, at, via, tail, f"{_shown(node, v)} is what is excluded here")
            return
        matching = [sub for sub in argument if holds(sub, v, run)]
        if not matching:
            # Where the type leaves one alternative, that one tells more than "none of them".
            likely = [sub for sub in argument if sub.types & classify(sub, v)[0]]
            if len(likely) == 1:
                self.explain(likely[0], v, at, via)
            else:
                self.add(node, at, via, tail, f"{_shown(node, v)} matches none of the {len(argument)} alternatives")
        elif keyword == "oneOf" and len(matching) > 1:
            self.add(node, at, via, tail, f"{_shown(node, v)} matches {len(matching)} alternatives, there must be one")


def _shown(node: Node, v: "Any") -> str:
    """Bytes as their text at the node whose keyword speaks; its alternatives get them as they came."""
    return show(classify(node, v)[1])


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
