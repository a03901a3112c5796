"""A compiled JSON Schema and the verdict on a value: `holds(node, value, run)`. Portable.

A schema is a graph of `Node`s (schema_compile.py builds it). The verdict stops at the first assertion that fails and
allocates next to nothing; what failed, and where, is found out by schema_explain.py when somebody asks.

The values are those of core.json and of core.cbor's plain data model, so finite numbers are int or Dec. What JSON does
not have (NaN, infinities, undefined, unknown tags; bytes, unless contentEncoding says what text they stand for) is
foreign: it has no type, equals nothing, and satisfies every keyword that is about values of a type.
"""

from headgate import limits
from headgate.core.number import Dec, compare, is_multiple, make

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from headgate.core.pattern import Pattern

    # Whether a value passes; the keyword's argument; the keyword.
    Test = tuple[Callable[[Any, Any], bool], Any, str]
    # properties, patternProperties, additionalProperties, propertyNames
    Members = tuple[dict[str, "Node"], list[tuple[Pattern, "Node", str]], "Node | None", "Node | None"]
    # prefixItems, items, contains, minContains, maxContains (-1: no limit)
    Items = tuple[list["Node"], "Node | None", "Node | None", int, int]

# The type of a value is one of these bits; the types a schema admits are a sum of them.
INTEGER = 1
FRACTION = 2  # a number that is no integer
STRING = 4
OBJECT = 8
ARRAY = 16
BOOLEAN = 32
NULL = 64
ANY = 255  # what JSON does not have as well: no `type`

TYPES = {
    "null": NULL,
    "boolean": BOOLEAN,
    "integer": INTEGER,
    "number": INTEGER | FRACTION,
    "string": STRING,
    "array": ARRAY,
    "object": OBJECT,
}

_KINDS = {int: INTEGER, str: STRING, dict: OBJECT, list: ARRAY, bool: BOOLEAN, type(None): NULL}
_BIG = 10**100  # beyond it an int may not be in the normal form of core.number


class SchemaError(ValueError):
    """The schema cannot be enforced. `pointer` (RFC 6901) is the place in its document, `reason` says why; `uri` is
    that document's, "" for the one that was given."""

    def __init__(self, pointer: str, reason: str, uri: str = "") -> None:
        super().__init__(f"{reason} at {uri + '#' + pointer if uri else pointer or 'the top'}")
        self.pointer = pointer
        self.reason = reason
        self.uri = uri


class Node:
    """One subschema. The class holds the defaults: an instance has only the fields that its keywords set."""

    types = ANY
    any: "list[Test]" = []  # noqa: RUF012 (replaced, never changed in place)
    number: "list[Test]" = []  # noqa: RUF012
    string: "list[Test]" = []  # noqa: RUF012
    array: "list[Test]" = []  # noqa: RUF012
    object: "list[Test]" = []  # noqa: RUF012
    members: "Members | None" = None
    items: "Items | None" = None
    every: "list[Node]" = []  # noqa: RUF012  $ref, $dynamicRef and allOf
    # (anyOf | oneOf, nodes), (not, node), (if, (if, then, else)), and ("", Rare) for what few schemas have
    branches: "list[tuple[str, Any]]" = []  # noqa: RUF012
    refs: "tuple[str, ...]" = ()  # the keywords that the first nodes in `every` come from, when they are references
    text_of: "Callable[[Any], str | None] | None" = None  # contentEncoding: bytes -> the text they stand for
    uri = ""  # of the schema document, "" for the main one without $id

    def __init__(self, pointer: str) -> None:
        self.pointer = pointer  # where the subschema stands in the schema document


class Exhausted(RuntimeError):
    """The schema was applied more often than the limit allows. A RuntimeError, as is the end of the stack."""


class Run:
    """What is left of the work that one document may cause: recursive branches could multiply with each level."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


def escape(token: str) -> str:
    """One token of a JSON Pointer (RFC 6901 section 3)."""
    return token.replace("~", "~0").replace("/", "~1")


def holds(node: Node, v: "Any", run: Run) -> bool:  # noqa: PLR0911, PLR0912, PLR0915 (one call per level: small stacks)
    """Whether the value satisfies the node. Raises Exhausted."""
    run.left -= 1
    if run.left < 0:
        raise Exhausted
    kind = _KINDS.get(type(v), 0)
    given = v  # to other nodes, bytes are not the text that they stand for here
    if kind == 0:
        kind, v = classify(node, v)
    if node.types != ANY and not node.types & kind:
        return False
    for test, argument, _ in node.any:
        if not test(v, argument):
            return False
    if kind == 0:
        pass
    elif kind <= FRACTION:
        for test, argument, _ in node.number:
            if not test(v, argument):
                return False
    elif kind == STRING:
        for test, argument, _ in node.string:
            if not test(v, argument):
                return False
    elif kind == OBJECT:
        for test, argument, _ in node.object:
            if not test(v, argument):
                return False
        if node.members is not None:
            properties, patterns, rest, names = node.members
            if not patterns and rest is None and names is None:
                for name in properties:
                    if name in v and not holds(properties[name], v[name], run):
                        return False
            else:
                for name in v:
                    if names is not None and not holds(names, name, run):
                        return False
                    sub = properties.get(name)
                    known = sub is not None
                    if sub is not None and not holds(sub, v[name], run):
                        return False
                    for pattern, sub, _ in patterns:
                        if pattern.search(name):
                            known = True
                            if not holds(sub, v[name], run):
                                return False
                    if not known and rest is not None and not holds(rest, v[name], run):
                        return False
    elif kind == ARRAY:
        for test, argument, _ in node.array:
            if not test(v, argument):
                return False
        if node.items is not None:
            prefix, rest, contains, least, most = node.items
            for i in range(min(len(prefix), len(v))):
                if not holds(prefix[i], v[i], run):
                    return False
            if rest is not None:
                for i in range(len(prefix), len(v)):
                    if not holds(rest, v[i], run):
                        return False
            if contains is not None:
                found = 0
                for item in v:
                    found += holds(contains, item, run)
                    if found > (least - 1 if most < 0 else most):
                        break
                if found < least or found > most >= 0:
                    return False
    for sub in node.every:
        if not holds(sub, given, run):
            return False
    for keyword, argument in node.branches:
        if keyword == "if":
            condition, then, otherwise = argument
            sub = then if holds(condition, given, run) else otherwise
            if sub is not None and not holds(sub, given, run):
                return False
        elif keyword == "not":
            if holds(argument, given, run):
                return False
        elif keyword == "":
            if not argument.holds(given, run):
                return False
        else:
            found = 0
            for sub in argument:
                found += holds(sub, given, run)
                if found and (keyword == "anyOf" or found > 1):
                    break
            if found == 0 or (found > 1 and keyword == "oneOf"):
                return False
    return True


def classify(node: Node, v: "Any") -> "tuple[int, Any]":
    """The type bit of any value, 0 if it is foreign; bytes become the text that they stand for at this node."""
    kind = _KINDS.get(type(v), 0)
    if kind == 0:
        if isinstance(v, Dec):
            return (INTEGER if v.exponent > 0 else FRACTION), v
        if node.text_of is not None:
            text = node.text_of(v)
            if text is not None:
                return STRING, text
    return kind, v


def freeze(v: "Any") -> "Any":
    """A hashable stand-in for a value, equal for equal values: 1 and 1.0 are equal, 1 and true are not (section 4.2.2).

    Numbers go in as text, because the hash of text is keyed: nobody can send thousands of values with one hash.
    """
    kind = _KINDS.get(type(v), 0)
    if kind == STRING:
        return v
    if kind == INTEGER or isinstance(v, Dec):
        if kind and not -_BIG < v < _BIG:
            v = make(v, 0)
        return (f"{v.mantissa:x}*{v.exponent}",) if isinstance(v, Dec) else (f"{v:x}",)
    if kind == ARRAY:
        parts = ["["]
        for item in v:
            parts.append(freeze(item))
        return tuple(parts)
    if kind == OBJECT:
        parts = ["{"]
        for name in sorted(v):
            parts.append(name)
            parts.append(freeze(v[name]))
        return tuple(parts)
    if kind:
        return (repr(v),)  # true, false, null
    return ("", id(v))  # what JSON does not have is equal to itself only


# The tests of single keywords: value and argument are of the right type already.


def at_least(v: "int | Dec", bound: "int | Dec") -> bool:
    return v >= bound if type(v) is int and type(bound) is int else compare(v, bound) >= 0


def at_most(v: "int | Dec", bound: "int | Dec") -> bool:
    return v <= bound if type(v) is int and type(bound) is int else compare(v, bound) <= 0


def above(v: "int | Dec", bound: "int | Dec") -> bool:
    return compare(v, bound) > 0


def below(v: "int | Dec", bound: "int | Dec") -> bool:
    return compare(v, bound) < 0


def multiple_of(v: "int | Dec", of: "int | Dec") -> bool:
    return is_multiple(v, of)


def not_shorter(v: "str | list[Any] | dict[str, Any]", least: int) -> bool:
    return len(v) >= least


def not_longer(v: "str | list[Any] | dict[str, Any]", most: int) -> bool:
    return len(v) <= most


def matches(v: str, pattern: "Pattern") -> bool:
    return pattern.search(v)


def has_format(v: str, form: "tuple[Callable[[str], bool], str]") -> bool:
    return (4 * len(v) <= limits.FORMAT_TEXT or len(v.encode()) <= limits.FORMAT_TEXT) and form[0](v)


def unique(v: "list[Any]", wanted: bool) -> bool:
    seen = set()
    if wanted:
        for item in v:
            frozen = freeze(item)
            if frozen in seen:
                return False
            seen.add(frozen)
    return True


def has_all(v: "dict[str, Any]", names: "list[str]") -> bool:
    for name in names:  # noqa: SIM110 (a generator would cost more than the loop)
        if name not in v:
            return False
    return True


def has_dependents(v: "dict[str, Any]", dependents: "dict[str, list[str]]") -> bool:
    for name in dependents:  # noqa: SIM110 (likewise)
        if name in v and not has_all(v, dependents[name]):
            return False
    return True


def is_one_of(v: "Any", choice: "tuple[set[Any], bool, Any]") -> bool:
    """`choice`: the frozen values, whether a container is among them, the values as written."""
    if isinstance(v, (list, dict)) and not choice[1]:
        return False
    return freeze(v) in choice[0]
