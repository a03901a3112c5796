"""From a JSON Schema document to `Node`s: every keyword understood and well-formed, or a SchemaError. Portable.

The dialect is JSON Schema 2020-12 without what needs a second document or dynamic scope ($dynamicRef, $anchor, remote
references) and without unevaluated*, dependentSchemas and content*. A keyword that is not enforced is never ignored.
"""

from headgate import limits
from headgate.core import schema_check as check
from headgate.core.formats import FORMATS
from headgate.core.number import Dec, compare
from headgate.core.pattern import Pattern, PatternError
from headgate.core.schema_check import TYPES, Node, SchemaError, escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# keyword: (the list of Node that gets the test, what the argument must be, the test)
_TESTS = {
    "minimum": ("number", "number", check.at_least),
    "maximum": ("number", "number", check.at_most),
    "exclusiveMinimum": ("number", "number", check.above),
    "exclusiveMaximum": ("number", "number", check.below),
    "multipleOf": ("number", "positive", check.multiple_of),
    "minLength": ("string", "count", check.not_shorter),
    "maxLength": ("string", "count", check.not_longer),
    "pattern": ("string", "pattern", check.matches),
    "format": ("string", "format", check.has_format),
    "minItems": ("array", "count", check.not_shorter),
    "maxItems": ("array", "count", check.not_longer),
    "uniqueItems": ("array", "boolean", check.unique),
    "minProperties": ("object", "count", check.not_shorter),
    "maxProperties": ("object", "count", check.not_longer),
    "required": ("object", "names", check.has_all),
    "dependentRequired": ("object", "dependents", check.has_dependents),
    "enum": ("any", "values", check.is_one_of),
    "const": ("any", "value", check.is_one_of),
}
_SLOW = ("pattern", "format", "uniqueItems")  # tested after the others
_SINGLE = ("items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else")
_LISTS = ("prefixItems", "allOf", "anyOf", "oneOf")
_MAPS = ("properties", "patternProperties", "$defs")
_COUNTS = ("minContains", "maxContains")
_TEXTS = ("title", "description", "$comment")
_FLAGS = ("deprecated", "readOnly", "writeOnly")
_ROOT_ONLY = ("$schema", "$id")
_OTHERS = ("type", "$ref", "default", "examples")
# fmt: off
_UNSUPPORTED = ("$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "unevaluatedItems", "unevaluatedProperties",
                "dependentSchemas", "contentEncoding", "contentMediaType", "contentSchema")
# fmt: on
_RENAMED = {
    "definitions": "$defs",
    "dependencies": "dependentRequired",
    "additionalItems": "items",
    "id": "$id",
    "ref": "$ref",
    "schema": "$schema",
    "comment": "$comment",
    "divisibleBy": "multipleOf",
}
_NEAR = 2  # edits at which a misspelt word is recognised


def compile_schema(document: object) -> Node:
    """The root node of the schema in `document` (a parsed JSON object or boolean). Raises SchemaError."""
    return _Compiler(document).run()


def nearest(word: str, known: "list[str]") -> str:
    """The entry of `known` that `word` probably means, or an empty string."""
    best = ""
    least = _NEAR + 1
    for candidate in sorted(known):
        if abs(len(candidate) - len(word)) < least:
            distance = _distance(word.lower(), candidate.lower())
            if distance < least and distance * 2 < len(candidate):
                best = candidate
                least = distance
    return best


def _distance(a: str, b: str) -> int:
    """The number of insertions, deletions and replacements that make b of a."""
    row = list(range(len(b) + 1))
    for i in range(len(a)):
        corner = row[0]
        row[0] = i + 1
        for k in range(len(b)):
            above = row[k + 1]
            row[k + 1] = min(above + 1, row[k] + 1, corner + (a[i] != b[k]))
            corner = above
    return row[-1]


class _Compiler:
    """Nodes are made first and filled from a queue: neither nesting nor recursive references need the stack."""

    def __init__(self, document: object) -> None:
        self._document = document
        self._nodes: dict[str, Node] = {}  # by pointer
        self._queue: list[tuple[Node, object]] = []

    def run(self) -> Node:
        root = self._node(self._document, "")
        while self._queue:
            node, document = self._queue.pop()
            if isinstance(document, dict):
                self._fill(node, document)
            elif document is False:
                node.types = 0
            elif document is not True:
                raise SchemaError(node.pointer, "a schema must be an object or a boolean")
        _refuse_loops(self._nodes)
        return root

    def _node(self, document: object, pointer: str) -> Node:
        node = self._nodes.get(pointer)
        if node is None:
            if len(self._nodes) >= limits.SCHEMA_NODES:
                raise SchemaError(pointer, f"more than {limits.SCHEMA_NODES} subschemas")
            node = self._nodes[pointer] = Node(pointer)
            self._queue.append((node, document))
        return node

    def _fill(self, node: Node, document: "dict[Any, Any]") -> None:
        parts: dict[str, Any] = {}
        for keyword in document:
            if not isinstance(keyword, str):
                raise SchemaError(node.pointer, "a keyword must be a string")
        for keyword in sorted(document):
            value = document[keyword]
            at = node.pointer + "/" + escape(keyword)
            if keyword in _TESTS:
                where, what, test = _TESTS[keyword]
                tests = list(getattr(node, where))
                tests.insert(len(tests) if keyword in _SLOW else 0, (test, _argument(what, value, at), keyword))
                setattr(node, where, tests)
            elif keyword in _SINGLE:
                parts[keyword] = self._node(value, at)
            elif keyword in _LISTS:
                parts[keyword] = self._list(value, at)
            elif keyword in _MAPS:
                parts[keyword] = self._map(value, at)
            elif keyword in _COUNTS:
                parts[keyword] = _argument("count", value, at)
            elif keyword == "type":
                node.types = _types(value, at)
            elif keyword == "$ref":
                parts[keyword] = self._reference(value, at)
            else:
                _annotation(keyword, value, at)
        _assemble(node, parts)

    def _list(self, value: object, at: str) -> "list[Node]":
        if not isinstance(value, list) or not value:
            raise SchemaError(at, "must be a list of at least one schema")
        nodes = []
        for i in range(len(value)):
            nodes.append(self._node(value[i], f"{at}/{i}"))
        return nodes

    def _map(self, value: object, at: str) -> "dict[str, Node]":
        if not isinstance(value, dict):
            raise SchemaError(at, "must be an object of schemas")
        nodes = {}
        for name in sorted(value):
            nodes[name] = self._node(value[name], at + "/" + escape(name))
        return nodes

    def _reference(self, value: object, at: str) -> Node:
        """The node that `#` or `#/json/pointer` (percent-encoded, RFC 6901 section 6) refers to."""
        if not isinstance(value, str):
            raise SchemaError(at, "must be a string")
        if value[:1] != "#":
            raise SchemaError(at, "only references into this document (#...) are supported")
        if value[1:2] not in ("", "/"):
            raise SchemaError(at, "anchors are not supported")
        target: Any = self._document
        pointer = ""
        for raw in _unquote(value[1:], at).split("/")[1:]:
            token = raw.replace("~1", "/").replace("~0", "~")
            pointer += "/" + escape(token)
            if isinstance(target, dict) and token in target:
                target = target[token]
            elif isinstance(target, list) and _is_index(token, len(target)):
                target = target[int(token)]
            else:
                raise SchemaError(at, f"there is nothing at {value}")
        return self._node(target, pointer)


def _assemble(node: Node, parts: "dict[str, Any]") -> None:
    """The keywords that depend on each other become one field of the node."""
    patterns = []
    for source in sorted(parts.get("patternProperties", ())):
        sub = parts["patternProperties"][source]
        patterns.append((_pattern(source, sub.pointer), sub, source))
    rest = parts.get("additionalProperties")
    names = parts.get("propertyNames")
    properties = parts.get("properties", {})
    if properties or patterns or rest is not None or names is not None:
        node.members = (properties, patterns, rest, names)
    prefix = parts.get("prefixItems", [])
    contains = parts.get("contains")
    if prefix or "items" in parts or contains is not None:
        least = parts.get("minContains", 1)
        node.items = (prefix, parts.get("items"), contains, least, parts.get("maxContains", -1))
    every = list(parts.get("allOf", ()))
    if "$ref" in parts:
        every.insert(0, parts["$ref"])
    if every:
        node.every = every
    branches: list[tuple[str, Any]] = []
    for keyword in ("anyOf", "oneOf", "not"):
        if keyword in parts:
            branches.append((keyword, parts[keyword]))
    if "if" in parts:
        branches.append(("if", (parts["if"], parts.get("then"), parts.get("else"))))
    if branches:
        node.branches = branches


def _argument(what: str, value: "Any", at: str) -> "Any":  # noqa: PLR0911, PLR0912 (a table, row by row)
    """The argument of a test, in the form that the test takes."""
    if what in ("number", "positive"):
        if type(value) is not int and not isinstance(value, Dec):
            raise SchemaError(at, "must be a number")
        if what == "positive" and compare(value, 0) <= 0:
            raise SchemaError(at, "must be above zero")
        return value
    if what == "count":
        if type(value) is not int or value < 0:
            raise SchemaError(at, "must be an integer that is not negative")
        return value
    if what == "boolean":
        if not isinstance(value, bool):
            raise SchemaError(at, "must be true or false")
        return value
    if what == "pattern":
        if not isinstance(value, str):
            raise SchemaError(at, "must be a string")
        return _pattern(value, at)
    if what == "format":
        if not isinstance(value, str):
            raise SchemaError(at, "must be a string")
        if value not in FORMATS:
            raise SchemaError(at, f'unknown format "{value}"' + _meant(nearest(value, list(FORMATS))))
        return FORMATS[value], value
    if what == "names":
        return _names(value, at)
    if what == "dependents":
        if not isinstance(value, dict):
            raise SchemaError(at, "must be an object of lists of names")
        for name in value:
            _names(value[name], at + "/" + escape(name))
        return value
    if what == "values" and not isinstance(value, list):
        raise SchemaError(at, "must be a list of values")
    values = value if what == "values" else [value]
    frozen = set()
    containers = False
    for one in values:
        _refuse_floats(one, at)
        frozen.add(check.freeze(one))
        containers = containers or isinstance(one, (list, dict))
    return frozen, containers, value


def _refuse_floats(value: object, at: str) -> None:
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, float):
            raise SchemaError(at, "a float: parse schemas with headgate.core.json, which keeps decimals exact")
        if isinstance(one, list):
            todo += one
        elif isinstance(one, dict):
            todo += list(one.values())


def _names(value: object, at: str) -> "list[str]":
    if not isinstance(value, list):
        raise SchemaError(at, "must be a list of names")
    for i in range(len(value)):
        if not isinstance(value[i], str):
            raise SchemaError(f"{at}/{i}", "must be a string")
        if value[i] in value[:i]:
            raise SchemaError(f"{at}/{i}", "the same name twice")
    return value


def _types(value: object, at: str) -> int:
    names = value if isinstance(value, list) else [value]
    if not names:
        raise SchemaError(at, "must name at least one type")
    types = 0
    for name in _names(names, at):
        if name not in TYPES:
            raise SchemaError(at, f'unknown type "{name}"' + _meant(nearest(name, list(TYPES))))
        types |= TYPES[name]
    return types


def _pattern(source: str, at: str) -> Pattern:
    try:
        return Pattern(source)
    except PatternError as error:
        raise SchemaError(at, f"pattern: {error}") from None


def _annotation(keyword: str, value: object, at: str) -> None:  # noqa: PLR0912 (a table, row by row)
    """Keywords that assert nothing: only their form is checked. Any other is refused."""
    if keyword in _TEXTS:
        if not isinstance(value, str):
            raise SchemaError(at, "must be a string")
    elif keyword in _FLAGS:
        if not isinstance(value, bool):
            raise SchemaError(at, "must be true or false")
    elif keyword == "examples":
        if not isinstance(value, list):
            raise SchemaError(at, "must be a list")
    elif keyword in _ROOT_ONLY:
        if at != "/" + keyword:
            raise SchemaError(at, f"{keyword} is supported at the top only")
        if not isinstance(value, str):
            raise SchemaError(at, "must be a string")
        if keyword == "$schema" and value not in (DIALECT, DIALECT + "#"):
            raise SchemaError(at, f"only {DIALECT} is supported")
    elif keyword in _UNSUPPORTED:
        raise SchemaError(at, f'the keyword "{keyword}" is not supported')
    elif keyword != "default":
        known = list(_TESTS)
        for more in (_SINGLE, _LISTS, _MAPS, _COUNTS, _TEXTS, _FLAGS, _ROOT_ONLY, _OTHERS):
            known += more
        raise SchemaError(at, f'unknown keyword "{keyword}"' + _meant(_RENAMED.get(keyword) or nearest(keyword, known)))


def _meant(word: str) -> str:
    return f', did you mean "{word}"?' if word else ""


def _is_index(token: str, length: int) -> bool:
    if not token.encode().isdigit() or (len(token) > 1 and token[0] == "0"):
        return False
    return int(token) < length


def _unquote(text: str, at: str) -> str:
    """Percent-decoding (RFC 3986 section 2.1)."""
    parts = text.encode().split(b"%")
    out = parts[0]
    for part in parts[1:]:
        if len(part) < 2 or part[:2].strip(b"0123456789abcdefABCDEF"):  # noqa: PLR2004 (digits)
            raise SchemaError(at, "malformed percent-encoding")
        out += bytes([int(part[:2], 16)]) + part[2:]
    try:
        return out.decode()
    except UnicodeError:
        raise SchemaError(at, "percent-encoding that is not UTF-8") from None


def _refuse_loops(nodes: "dict[str, Node]") -> None:
    """Refuses references that come back to where they began without going into the value, and chains too long.

    Depth-first over the edges that apply to the same value; `depth` holds 0 for nodes on the way, else the chain below.
    """
    depth: dict[str, int] = {}
    for pointer in sorted(nodes):
        path = [nodes[pointer]]
        while path:
            node = path[-1]
            if depth.get(node.pointer):
                path.pop()
                continue
            longest = 0
            waiting = []
            for sub in _in_place(node):
                below = depth.get(sub.pointer, -1)
                if below == 0:
                    raise SchemaError(node.pointer, f"the reference to {sub.pointer or 'the top'} never ends")
                if below < 0:
                    waiting.append(sub)
                longest = max(longest, below)
            if waiting and node.pointer not in depth:
                depth[node.pointer] = 0
                path += waiting[:1]
            elif waiting:
                path += waiting[:1]
            else:
                if longest >= limits.SCHEMA_CHAIN:
                    raise SchemaError(node.pointer, f"more than {limits.SCHEMA_CHAIN} schemas in a chain for one value")
                depth[node.pointer] = longest + 1
                path.pop()


def _in_place(node: Node) -> "list[Node]":
    """The nodes that apply to the same value as this one."""
    found = list(node.every)
    for keyword, argument in node.branches:
        if keyword == "not":
            found.append(argument)
        else:
            found += [sub for sub in argument if sub is not None]
    return found
