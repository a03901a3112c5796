"""From a JSON Schema document to `Node`s: every keyword understood and well-formed, or a SchemaError. Portable.

The dialects are JSON Schema 2020-12 and draft-07. What one document without identifiers needs is here; $id, anchors,
dynamic scope, other documents and other dialects are in schema_places.py, loaded when a schema has any of them.
Dynamic scope costs nothing later on: a subschema becomes a Node for each dynamic scope that it can be reached in.
"""

from headgate import limits
from headgate.core import json
from headgate.core import schema_check as check
from headgate.core.number import Dec, compare
from headgate.core.pattern import Pattern, PatternError
from headgate.core.schema_check import TYPES, Node, SchemaError, escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

    from headgate.core.schema_places import Place

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# keyword: (the list of Node that gets the test, what the argument must be, the test)
TESTS = {
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
# fmt: off
SINGLE = ("items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else",
          "unevaluatedItems", "unevaluatedProperties", "contentSchema")
# fmt: on
LISTS = ("prefixItems", "allOf", "anyOf", "oneOf")
MAPS = ("properties", "patternProperties", "$defs", "dependentSchemas")
COUNTS = ("minContains", "maxContains")
OF_DRAFT_7 = ("dependencies", "additionalItems")


def role_of(keyword: str) -> str:
    """What it does in 2020-12, "" for nothing."""
    if keyword == "definitions":  # kept there for compatibility
        return "$defs"
    return "" if keyword in OF_DRAFT_7 else keyword


def compile_schema(
    document: object,
    draft7: bool,
    formats: "bool | Collection[str]",
    registry: "Mapping[str, object] | None",
    lints: "list[tuple[str, str]] | None",
) -> "tuple[Node, str]":
    """The root node of a schema (a parsed JSON object or boolean, or JSON text) and the $id at its top, or "".

    `formats`: True, False or the names that are asserted. `lints` gets (pointer, reason) of what says nothing although
    its author may believe that it does; None: that is refused. Raises SchemaError.
    """
    if isinstance(document, (str, bytes, bytearray, memoryview)):
        document = parse_schema(document, "")
    else:
        refuse(document, "")
    try:
        root = _Compiler(document, draft7, formats, registry, lints).run()
    except RuntimeError:  # the end of the stack: constants may be nested
        raise SchemaError("", "nested too deeply") from None
    identifier = document.get("$id", "") if isinstance(document, dict) else ""
    return root, identifier.partition("#")[0]


def parse_schema(text: "str | bytes | bytearray | memoryview", uri: str) -> object:
    """A schema document given as JSON text."""
    if isinstance(text, str):
        text = text.encode()
    if len(text) > limits.SCHEMA_BYTES:
        raise SchemaError("", f"more than {limits.SCHEMA_BYTES} bytes", uri)
    try:
        return json.loads(text, limits.DOCUMENT_DEPTH)
    except json.JSONError as error:
        raise SchemaError("", f"not JSON: {error}", uri) from None


def refuse(schema: object, uri: str) -> None:
    """What does not end: a dict can contain itself, as no JSON text can. Raises SchemaError."""
    todo = [(schema, 0)]
    left = limits.SCHEMA_BYTES  # a document has no more values than bytes
    while todo:
        one, depth = todo.pop()
        left -= 1
        if isinstance(one, (dict, list, tuple)):
            if depth >= limits.DOCUMENT_DEPTH:
                raise SchemaError("", "nested too deeply", uri)
            if left < 0:
                raise SchemaError("", f"more than {limits.SCHEMA_BYTES} bytes", uri)
            todo += [(inner, depth + 1) for inner in (one.values() if isinstance(one, dict) else one)]


def _is_simple(document: object) -> bool:
    """Whether every reference is a pointer into the document itself, so that schema_places.py is not needed."""
    todo = [document]
    top = True
    while todo:
        one = todo.pop()
        if isinstance(one, list):
            todo += one
        elif isinstance(one, dict):
            if "$anchor" in one or "$dynamicAnchor" in one or "$dynamicRef" in one or "$vocabulary" in one:
                return False
            reference = one.get("$ref", "#")
            if reference != "#" and not (isinstance(reference, str) and reference[:2] == "#/"):
                return False
            if one.get("$schema", DIALECT) not in (DIALECT, DIALECT + "#") or (not top and "$id" in one):
                return False
            todo += list(one.values())
        top = False
    return True


class _Compiler:
    """Nodes are made first and filled from a queue: neither nesting nor recursive references need the stack."""

    def __init__(
        self,
        document: object,
        draft7: bool,
        formats: "bool | Collection[str]",
        registry: "Mapping[str, object] | None",
        lints: "list[tuple[str, str]] | None",
    ) -> None:
        self._document = document
        self._draft7 = draft7
        self._formats = formats
        self._registry = registry
        self._lints = lints
        self._nodes: dict[str, Node] = {}  # by place and pointer
        self._queue: list[tuple[Node, object, Place | None]] = []

    def run(self) -> Node:
        if not self._draft7 and self._registry is None and _is_simple(self._document):
            root = self._compile(None)
        else:
            from headgate.core.schema_places import Library  # noqa: PLC0415 - few schemas need it

            library = Library(self._draft7, self._registry or {})
            root = self._compile(library.main(self._document))
            while library.learned():
                root = self._compile(library.main(self._document))
        _refuse_loops(self._nodes)
        return root

    def _compile(self, place: "Place | None") -> Node:
        self._nodes = {}
        if self._lints is not None:
            self._lints.clear()
        root = self._make(self._document, "", place)
        self._work_off()
        while place is not None:
            for target in place.anchored():
                self._make(*target)
            if not self._queue:
                break
            self._work_off()
        return root

    def _work_off(self) -> None:
        while self._queue:
            node, document, place = self._queue.pop()
            try:
                if isinstance(document, dict):
                    self._fill(node, document, place)
                elif document is False:
                    node.types = 0
                elif document is not True:
                    raise SchemaError(node.pointer, "a schema must be an object or a boolean")
            except SchemaError as error:
                if place is None or not place.uri or error.uri:
                    raise
                raise SchemaError(error.pointer, error.reason, place.uri) from None

    def _node(self, document: object, pointer: str, place: "Place | None") -> Node:
        """The node of a subschema of the document that `place` is in."""
        return self._make(document, pointer, None if place is None else place.at(pointer))

    def _make(self, document: object, pointer: str, place: "Place | None") -> Node:
        key = pointer if place is None else place.key + pointer
        node = self._nodes.get(key)
        if node is None:
            if len(self._nodes) >= limits.SCHEMA_NODES:
                many = f"more than {limits.SCHEMA_NODES} subschemas"
                raise SchemaError(pointer, many + " (each counts once in every dynamic scope it is reached in)")
            node = self._nodes[key] = Node(pointer)
            if place is not None and place.uri:
                node.uri = place.uri
            self._queue.append((node, document, place))
        return node

    def _fill(self, node: Node, document: "dict[Any, Any]", place: "Place | None") -> None:  # noqa: PLR0912 (a table)
        parts: dict[str, Any] = {}
        for keyword in document:
            if not isinstance(keyword, str):
                raise SchemaError(node.pointer, "a keyword must be a string")
        for keyword in sorted(document):
            value = document[keyword]
            at = node.pointer + "/" + escape(keyword)
            role = role_of(keyword) if place is None else place.role(keyword, document)
            if place is not None and place.keeps(role, document):
                self._keep(role, value, at, place)
            elif role in TESTS:
                self._test(node, keyword, TESTS[role], value, at)
            elif role in SINGLE:
                parts[role] = self._node(value, at, place)
            elif role in LISTS:
                parts[role] = self._list(value, at, place, role == keyword)
            elif role in MAPS:
                parts[role] = self._map(value, at, place)
            elif role in COUNTS:
                parts[role] = self._argument("count", value, at)
            elif role == "type":
                node.types = _types(value, at)
            elif role == "$ref":
                parts[role] = self._reference(value, at, place)
            elif role == "$dynamicRef" and place is not None:
                parts[role] = self._make(*place.dynamic(value, at))
            elif role == "contentEncoding":
                if not isinstance(value, str):
                    raise SchemaError(at, "must be a string")
                from headgate.core.content import encoder  # noqa: PLC0415 - few schemas need it

                node.text_of = encoder(value)
            elif role == "dependencies":
                parts[role] = self._dependencies(node, value, at, place)
            elif role != "default":
                from headgate.core.schema_annotations import look_at  # noqa: PLC0415 - a board may forget it

                look_at(keyword if role else "", keyword, value, at, "$id" in document, self._lints)
        _assemble(node, parts)
        if place is None or not place.draft7:
            _count_names(node, parts)

    def _keep(self, role: str, value: object, at: str, place: "Place") -> None:
        """Subschemas that are not applied where they stand. In other documents than the main one only what something
        refers to is compiled."""
        subs = [(value, at)]
        if role in MAPS:
            if not isinstance(value, dict):
                raise SchemaError(at, "must be an object of schemas")
            subs = [(value[name], at + "/" + escape(name)) for name in _sorted_names(value, at)]
        for sub, here in subs:
            if not place.uri:
                self._make(sub, here, place.kept(here))
            elif role in MAPS and not isinstance(sub, (dict, bool)):
                raise SchemaError(here, "a schema must be an object or a boolean")

    def _test(self, node: Node, keyword: str, row: "tuple[str, str, Any]", value: object, at: str) -> None:
        argument = self._argument(row[1], value, at)
        none = not argument and row[1] in ("count", "boolean", "names", "dependents") and row[2] is not check.not_longer
        if argument is not None and not none:
            tests = list(getattr(node, row[0]))
            tests.insert(len(tests) if keyword in _SLOW else 0, (row[2], argument, keyword))
            setattr(node, row[0], tests)

    def _list(self, value: object, at: str, place: "Place | None", filled: bool) -> "list[Node]":
        if not isinstance(value, list) or (filled and not value):
            raise SchemaError(at, "must be a list of at least one schema")
        nodes = []
        for i in range(len(value)):
            nodes.append(self._node(value[i], f"{at}/{i}", place))
        return nodes

    def _map(self, value: object, at: str, place: "Place | None") -> "dict[str, Node]":
        if not isinstance(value, dict):
            raise SchemaError(at, "must be an object of schemas")
        nodes = {}
        for name in _sorted_names(value, at):
            nodes[name] = self._node(value[name], at + "/" + escape(name), place)
        return nodes

    def _dependencies(self, node: Node, value: object, at: str, place: "Place | None") -> "dict[str, Node]":
        """`dependencies` of draft-07: names go to the tests, schemas are returned."""
        if not isinstance(value, dict):
            raise SchemaError(at, "must be an object of schemas and of lists of names")
        names = {}
        nodes = {}
        for name in _sorted_names(value, at):
            here = at + "/" + escape(name)
            if isinstance(value[name], list):
                names[name] = _names(value[name], here)
            else:
                nodes[name] = self._node(value[name], here, place)
        if names:
            self._test(node, "dependencies", TESTS["dependentRequired"], names, at)
        return nodes

    def _reference(self, value: object, at: str, place: "Place | None") -> Node:
        """The node that a reference leads to: `#` or `#/json/pointer` (percent-encoded, RFC 6901 section 6), or what
        schema_places.py knows."""
        if place is not None:
            return self._make(*place.resolve(value, at))
        if not isinstance(value, str):
            raise SchemaError(at, "must be a string")
        steps = follow(self._document, unquote(value[1:], at))
        if steps is None:
            raise SchemaError(at, f"there is nothing at {value}")
        return self._make(steps[0], steps[1][-1], None)

    def _argument(self, what: str, value: "Any", at: str) -> "Any":  # noqa: PLR0911, PLR0912 (a table)
        """The argument of a test, in the form that the test takes; None if there is nothing to test."""
        if what == "count":
            number = exact_values([value], at)[0]
            if type(number) is not int or number < 0:
                raise SchemaError(at, "must be an integer that is not negative")
            return number
        if what in ("number", "positive"):
            number = exact_values([value], at)[0]
            if type(number) is not int and not isinstance(number, Dec):
                raise SchemaError(at, "must be a number")
            if what == "positive" and compare(number, 0) <= 0:
                raise SchemaError(at, "must be above zero")
            digits = str(number.mantissa if isinstance(number, Dec) else number).rstrip("0")
            if what == "positive" and len(digits) > limits.MULTIPLE_DIGITS:
                raise SchemaError(at, f"more than {limits.MULTIPLE_DIGITS} significant digits")
            return number
        if what == "boolean":
            if not isinstance(value, bool):
                raise SchemaError(at, "must be true or false")
            return value
        if what in ("pattern", "format"):
            if not isinstance(value, str):
                raise SchemaError(at, "must be a string")
            return _pattern(value, at) if what == "pattern" else self._format(value, at)
        if what == "names":
            return _names(value, at)
        if what == "dependents":
            if not isinstance(value, dict):
                raise SchemaError(at, "must be an object of lists of names")
            for name in _sorted_names(value, at):
                _names(value[name], at + "/" + escape(name))
            return value
        if what == "values" and not isinstance(value, list):
            raise SchemaError(at, "must be a list of values")
        values = exact_values(value if what == "values" else [value], at)
        frozen = set()
        containers = False
        for one in values:
            frozen.add(check.freeze(one))
            containers = containers or isinstance(one, (list, dict))
        return frozen, containers, values if what == "values" else values[0]

    def _format(self, name: str, at: str) -> "tuple[Callable[[str], bool], str] | None":
        from headgate.core.formats import find  # noqa: PLC0415 - a board may forget it

        known = find(name)
        if known is None:
            from headgate.core.schema_annotations import unknown_format  # noqa: PLC0415

            unknown_format(name, at, self._lints)
            return None
        asserted = self._formats
        return (known, name) if asserted is True or (asserted is not False and name in asserted) else None


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
    for keyword in ("$dynamicRef", "$ref"):
        if keyword in parts:
            every.insert(0, parts[keyword])
            node.refs = (keyword,) + node.refs  # noqa: RUF005 (portable)
    if every:
        node.every = every
    branches: list[tuple[str, Any]] = []
    for keyword in ("anyOf", "oneOf", "not"):
        if keyword in parts:
            branches.append((keyword, parts[keyword]))
    if "if" in parts:
        branches.append(("if", (parts["if"], parts.get("then"), parts.get("else"))))
    if (
        "dependentSchemas" in parts
        or "dependencies" in parts
        or "unevaluatedItems" in parts
        or "unevaluatedProperties" in parts
    ):
        from headgate.core import schema_rare  # noqa: PLC0415 - few schemas need it

        branches += schema_rare.branches(node, parts)
    if branches:
        node.branches = branches


def _count_names(node: Node, parts: "dict[str, Any]") -> None:
    """Refuses more names in one subschema than the limit."""
    names = set(parts.get("properties", ()))
    for name in parts.get("dependentSchemas", ()):
        names.add(name)
    for _, argument, keyword in node.object:
        if keyword in ("required", "dependentRequired"):
            for name in argument:
                names.add(name)
                if keyword == "dependentRequired":
                    names.update(argument[name])
    if len(names) > limits.SCHEMA_NAMES:
        raise SchemaError(node.pointer, f"more than {limits.SCHEMA_NAMES} property names")


def _sorted_names(value: "dict[Any, Any]", at: str) -> "list[str]":
    for name in value:
        if not isinstance(name, str):
            raise SchemaError(at, "a name must be a string")
    return sorted(value)


def exact_values(values: "list[Any]", at: str) -> "list[Any]":
    """The values, which may be of the interpreter's own JSON parser, as those of core.json."""
    if _is_exact(values):
        return values
    from headgate.core.schema_exact import exact  # noqa: PLC0415 - not for documents of core.json

    return exact(values, at)


def _is_exact(values: "list[Any]") -> bool:
    todo: list[Any] = [values]
    while todo:
        one = todo.pop()
        if isinstance(one, list):
            todo += one
        elif isinstance(one, dict):
            todo += list(one.values())
            todo += list(one)
        elif one is not None and not isinstance(one, (bool, int, str, Dec)):
            return False
    return True


def follow(document: "Any", pointer: str) -> "tuple[Any, list[str]] | None":
    """What a JSON Pointer leads to, and the pointers (escaped anew) of all the steps there; None for nothing."""
    steps = [""]
    for raw in pointer.split("/")[1:]:
        token = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and token in document:
            document = document[token]
        elif isinstance(document, list) and _is_index(token, len(document)):
            document = document[int(token)]
        else:
            return None
        steps.append(steps[-1] + "/" + escape(token))
    return document, steps


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
    names = _names([value] if isinstance(value, str) else value, at)
    if not names:
        raise SchemaError(at, "must name at least one type")
    types = 0
    for name in names:
        if name not in TYPES:
            from headgate.core.schema_annotations import unknown_type  # noqa: PLC0415

            unknown_type(name, at)
        types |= TYPES[name]
    return types


def _pattern(source: str, at: str) -> Pattern:
    try:
        return Pattern(source)
    except PatternError as error:
        raise SchemaError(at, f"pattern: {error}") from None


def _is_index(token: str, length: int) -> bool:
    if not token.encode().isdigit() or (len(token) > 1 and token[0] == "0"):
        return False
    return int(token) < length


def unquote(text: str, at: str) -> str:
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
    depth: dict[int, int] = {}  # by id
    for key in sorted(nodes):
        path = [nodes[key]]
        while path:
            node = path[-1]
            if depth.get(id(node)):
                path.pop()
                continue
            longest = 0
            waiting = []
            for sub in _in_place(node):
                below = depth.get(id(sub), -1)
                if below == 0:
                    raise SchemaError(node.pointer, f"the reference to {sub.pointer or 'the top'} never ends", node.uri)
                if below < 0:
                    waiting.append(sub)
                longest = max(longest, below)
            if waiting and id(node) not in depth:
                depth[id(node)] = 0
                path += waiting[:1]
            elif waiting:
                path += waiting[:1]
            else:
                if longest >= limits.SCHEMA_CHAIN:
                    reason = f"more than {limits.SCHEMA_CHAIN} schemas in a chain for one value"
                    raise SchemaError(node.pointer, reason, node.uri)
                depth[id(node)] = longest + 1
                path.pop()


def _in_place(node: Node) -> "list[Node]":
    """The nodes that apply to the same value as this one."""
    found = list(node.every)
    for keyword, argument in node.branches:
        if keyword == "not":
            found.append(argument)
        elif keyword == "":
            found += argument.in_place()
        else:
            found += [sub for sub in argument if sub is not None]
    return found
