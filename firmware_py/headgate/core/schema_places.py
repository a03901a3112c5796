"""Where a subschema stands: schema resources with their URIs, anchors and dialects; other documents. Portable.

JSON Schema 2020-12 core sections 8 and 9, draft-07 core sections 8 and 9. A `Library` holds the documents of one
schema: the main one, those of the caller's registry and the metaschemas, each read when a reference first leads there;
nothing is ever fetched. A `Place` is a resource in a dynamic scope, of which only the dynamic anchors matter that some
$dynamicRef asks for: for each such name, the outermost resource that has it. Which names these are shows only when
everything has been read, so the compiler begins again while there are new ones (`Library.learned`).
"""

from headgate import limits
from headgate.core.schema_check import SchemaError, escape
from headgate.core.schema_compile import (
    DIALECT,
    LISTS,
    MAPS,
    SINGLE,
    TESTS,
    follow,
    parse_schema,
    refuse,
    role_of,
    unquote,
)
from headgate.core.uri import join, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Target = tuple[object, str, "Place"]  # a schema, its pointer, where it is
    Scope = tuple[tuple[str, int], ...]  # dynamic anchor, number of the resource

DRAFT_7 = "http://json-schema.org/draft-07/schema"
_VOCABULARIES = "https://json-schema.org/draft/2020-12/vocab/"
# fmt: off
_GROUPS = {
    "applicator": ("prefixItems", "items", "contains", "additionalProperties", "properties", "patternProperties",
                   "dependentSchemas", "propertyNames", "if", "then", "else", "allOf", "anyOf", "oneOf", "not"),
    "unevaluated": ("unevaluatedItems", "unevaluatedProperties"),
    "validation": tuple([name for name in TESTS if name != "format"]) + ("type", "minContains", "maxContains"),  # noqa: RUF005 (portable)
    "content": ("contentEncoding", "contentMediaType", "contentSchema"),
}
_NOT_IN_DRAFT_7 = ("$defs", "prefixItems", "dependentRequired", "dependentSchemas", "minContains", "maxContains",
                   "unevaluatedItems", "unevaluatedProperties", "$anchor", "$dynamicAnchor", "$dynamicRef",
                   "$vocabulary", "contentSchema", "deprecated")
# fmt: on


def metaschema(uri: str) -> "str | None":
    """The text of a metaschema or vocabulary that is shipped with the package; None where there are none."""
    try:
        from headgate.data.metaschemas import load  # noqa: PLC0415  # portable: CPython only, elsewhere ImportError
    except ImportError:
        return None
    return load(uri)


class Dialect:
    """Which keywords mean something: `draft7`, and those that are `off` for their vocabulary is not in use."""

    __slots__ = ("draft7", "off")

    def __init__(self, draft7: bool) -> None:
        self.draft7 = draft7
        self.off: list[str] = []


_ANCHOR = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."  # first a letter or _


class Resource:
    """A schema with an identity of its own: a document's top, or a subschema with $id."""

    __slots__ = ("anchors", "base", "dialect", "document", "dynamic", "number", "pointer", "schema", "uri")

    def __init__(  # noqa: PLR0913, PLR0917 (its fields)
        self, number: int, document: int, pointer: str, schema: object, uri: str, base: str
    ) -> None:
        self.number = number
        self.document = document  # number of the document's top resource
        self.pointer = pointer  # in the document
        self.schema = schema
        self.uri = uri  # of the document, as violations say it
        self.base = base  # absolute URI of the resource, what references are relative to
        self.dialect = Dialect(False)
        self.anchors: dict[str, tuple[object, str]] = {}  # name -> schema, its pointer in the document
        self.dynamic: set[str] = set()  # those of them made by $dynamicAnchor


class Place:
    """A resource in a dynamic scope: what the compiler asks about a subschema there. `uri`: of the document."""

    __slots__ = ("_library", "_resource", "draft7", "key", "scope", "uri")

    def __init__(self, library: "Library", resource: Resource, scope: "Scope", number: int) -> None:
        self._library = library
        self._resource = resource
        self.scope = scope
        self.key = f"{number}:"
        self.uri = resource.uri
        self.draft7 = resource.dialect.draft7

    def at(self, pointer: str) -> "Place":
        """The place of a subschema in the same document, one step from here."""
        resource = self._library.embedded.get(f"{self._resource.document}:{pointer}")
        if resource is None or resource is self._resource:
            return self
        return self._library.place(resource, self.scope)

    def keeps(self, role: str, schema: "dict[str, Any]") -> bool:
        """The subschemas of the keyword are not applied to anything."""
        return role in ("$defs", "contentSchema") or (role in ("then", "else") and "if" not in schema)

    def kept(self, pointer: str) -> "Place":
        """The place of such a subschema, one step from here. It is not evaluated here (core section 8.2.4): another one
        may refer to it, from another dynamic scope; it is looked at as if the top did."""
        resource = self._library.embedded.get(f"{self._resource.document}:{pointer}")
        return self._library.place(resource or self._resource, self._library.top)

    def anchored(self) -> "list[Target]":
        """The dynamic anchors of other documents that a $dynamicRef may lead to."""
        return self._library.anchored()

    def role(self, keyword: str, schema: "dict[str, Any]") -> str:
        """The keyword of 2020-12 that does what this one does here; "" if it does nothing."""
        dialect = self._resource.dialect
        if keyword in dialect.off:
            return "default"
        if dialect.draft7:
            return _role(keyword, schema)
        return role_of(keyword)

    def resolve(self, reference: object, at: str) -> "Target":
        """What `$ref` leads to. Raises SchemaError at the pointer `at`."""
        schema, pointer, resource, _ = self._library.find(self._resource, reference, at)
        return schema, pointer, self._library.place(resource, self.scope)

    def dynamic(self, reference: object, at: str) -> "Target":
        """What `$dynamicRef` leads to in this scope (core section 8.2.3.2)."""
        schema, pointer, resource, name = self._library.find(self._resource, reference, at)
        if name in resource.dynamic:
            self._library.ask(name, at)
            for anchor, number in self.scope:
                if anchor == name:
                    resource = self._library.resources[number]
                    schema, pointer = resource.anchors[name]
        return schema, pointer, self._library.place(resource, self.scope)


class Library:
    """The documents that one schema is made of."""

    def __init__(self, draft7: bool, registry: "Mapping[str, object]") -> None:
        self._draft7 = draft7
        self._registry: dict[str, object] = {}
        for uri in registry:
            self._registry[split(uri)[0]] = registry[uri]
        self.resources: list[Resource] = []
        self.embedded: dict[str, Resource] = {}  # by number of the document and pointer
        self.top: Scope = ()  # that of the main document's top
        self._by_uri: dict[str, Resource] = {}
        self._documents = 0
        self._places: dict[tuple[int, Scope], Place] = {}
        self._asked: set[str] = set()  # names of dynamic anchors
        self._kept: list[str] = []  # those of them that scopes keep: asked for before the compiler began (again)
        self._dialects: dict[str, Dialect] = {}

    def main(self, schema: object) -> Place:
        self._places = {}
        place = self.place(self.resources[0] if self.resources else self._add(schema, "", ""), ())
        self.top = place.scope
        return place

    def anchored(self) -> "list[Target]":
        found: list[Target] = []
        for resource in self.resources:
            for name in self._asked:
                if resource.document and name in resource.dynamic:
                    schema, pointer = resource.anchors[name]
                    found.append((schema, pointer, self.place(resource, self.top)))
        return found

    def learned(self) -> bool:
        """Whether names were asked for that the scopes of the places did not keep; the next ones do."""
        before = len(self._kept)
        self._kept = sorted(self._asked)
        return len(self._kept) > before

    def place(self, resource: Resource, scope: "Scope") -> Place:
        """`resource`, entered from `scope`."""
        bound = [anchor for anchor, _ in scope]
        new = [(name, resource.number) for name in self._kept if name in resource.dynamic and name not in bound]
        if new:
            scope = tuple(sorted(list(scope) + new))
        place = self._places.get((resource.number, scope))
        if place is None:
            place = Place(self, resource, scope, len(self._places))
            self._places[resource.number, scope] = place
        return place

    def ask(self, name: str, at: str) -> None:
        """A $dynamicRef asks for the dynamic anchor of that name. Raises SchemaError if there are too many."""
        self._asked.add(name)
        if len(self._asked) > limits.SCHEMA_DYNAMIC:
            raise SchemaError(at, f"more than {limits.SCHEMA_DYNAMIC} different names of dynamic anchors")

    def find(self, here: Resource, reference: object, at: str) -> "tuple[object, str, Resource, str]":
        """-> the schema that is referred to, its pointer in its document, its resource, the anchor's name or ""."""
        if not isinstance(reference, str):
            raise SchemaError(at, "must be a string")
        fragment = unquote(split(reference)[1], at)
        resource = self._resource(join(here.base, reference))
        if resource is None:
            raise SchemaError(at, f"there is no document {join(here.base, reference) or 'without a URI'}")
        if fragment[:1] not in ("", "/"):
            if fragment not in resource.anchors:
                raise SchemaError(at, f"there is nothing at {reference}")
            schema, pointer = resource.anchors[fragment]
            return schema, pointer, resource, fragment
        found = follow(resource.schema, fragment)
        if found is None:
            raise SchemaError(at, f"there is nothing at {reference}")
        top = resource.pointer
        for step in found[1]:
            resource = self.embedded.get(f"{resource.document}:{top}{step}", resource)
        return found[0], top + found[1][-1], resource, ""

    def _resource(self, uri: str) -> "Resource | None":
        resource = self._by_uri.get(uri)
        if resource is None:
            schema = self._document(uri)
            if schema is not None:
                resource = self._add(schema, uri, uri)
        return resource

    def _document(self, uri: str) -> object:
        """The schema document at `uri`; None if it is neither in the registry nor a metaschema."""
        schema = self._registry.get(uri)
        if schema is None:
            schema = metaschema(uri)
        elif isinstance(schema, dict):
            refuse(schema, uri)
        return parse_schema(schema, uri) if isinstance(schema, (str, bytes, bytearray, memoryview)) else schema

    def _add(self, document: object, uri: str, name: str) -> Resource:
        """A new document: its resources and anchors are noted. `name`: what violations call it, "" for the main one."""
        if self._documents >= limits.SCHEMA_DOCUMENTS:
            raise SchemaError("", f"more than {limits.SCHEMA_DOCUMENTS} documents", name)
        self._documents += 1
        number = len(self.resources)
        top = self._new(number, "", document, name, uri)
        top.dialect = Dialect(self._draft7)
        self._by_uri[uri] = top
        todo = [(document, "", top)]
        while todo:
            schema, pointer, resource = todo.pop()
            if isinstance(schema, dict):
                try:
                    resource = self._identify(schema, pointer, resource)
                    found = [(sub, pointer + at, resource) for sub, at in _subschemas(schema, resource.dialect)]
                    todo += reversed(found)  # in the order of the document: of equal $id, the first one counts
                except SchemaError as error:
                    raise SchemaError(error.pointer, error.reason, error.uri or name) from None
        return top

    def _new(self, document: int, pointer: str, schema: object, name: str, base: str) -> Resource:
        resource = Resource(len(self.resources), document, pointer, schema, name, base)
        self.resources.append(resource)
        return resource

    def _identify(self, schema: "dict[str, Any]", pointer: str, resource: Resource) -> Resource:  # noqa: PLR0912 (each keyword has its rule)
        """Takes note of the identifiers of a schema within `resource`. -> the resource it is in, or is."""
        for keyword in ("$id", "$schema"):
            if not isinstance(schema.get(keyword, ""), str):
                raise SchemaError(f"{pointer}/{keyword}", "must be a string")
        dialect = resource.dialect
        if "$schema" in schema and (pointer == "" or "$id" in schema):
            dialect = self._dialect(schema["$schema"], pointer + "/$schema")
        identifier = schema.get("$id", "") if not dialect.draft7 or "$ref" not in schema else ""
        own, fragment = split(identifier)
        if own:
            base = join(resource.base, own)
            if pointer == "":
                resource.base = base
                if resource.uri:
                    resource.uri = base
            else:
                resource = self._new(resource.document, pointer, schema, resource.uri, base)
                self.embedded[f"{resource.document}:{pointer}"] = resource
            if base not in self._by_uri:
                self._by_uri[base] = resource
        if own or pointer == "":
            resource.dialect = dialect
        if not dialect.draft7:
            if fragment:
                raise SchemaError(pointer + "/$id", "must not have a fragment")
            for keyword in ("$anchor", "$dynamicAnchor"):
                name = schema.get(keyword, "_")
                if not isinstance(name, str):
                    raise SchemaError(f"{pointer}/{keyword}", "must be a string")
                if not name or name.strip(_ANCHOR) or name[0] in "-.0123456789":
                    raise SchemaError(f"{pointer}/{keyword}", "must be a name of letters, digits, -, _ and .")
            fragment = schema.get("$anchor", "")
            dynamic = schema.get("$dynamicAnchor", "")
            if dynamic:
                _anchor(resource, dynamic, schema, pointer)
                resource.dynamic.add(dynamic)
        if fragment:
            _anchor(resource, fragment, schema, pointer)
        return resource

    def _dialect(self, uri: str, at: str) -> Dialect:
        """That of the metaschema at `uri`: 2020-12, draft-07, or one whose $vocabulary says what is in use."""
        uri = split(uri)[0]
        dialect = self._dialects.get(uri)
        if dialect is None:
            dialect = self._dialects[uri] = Dialect(uri == DRAFT_7)
            if uri not in (DIALECT, DRAFT_7):
                parsed = self._document(uri)
                if not isinstance(parsed, dict) or parsed.get("$schema") == uri:
                    raise SchemaError(at, f"the dialect {uri} is not supported")
                below = self._dialect(str(parsed.get("$schema", DIALECT)), at)
                dialect.draft7 = below.draft7
                if isinstance(parsed.get("$vocabulary"), dict) and not below.draft7:
                    _use(dialect, parsed["$vocabulary"], at)
        return dialect


def _anchor(resource: Resource, name: str, schema: object, pointer: str) -> None:
    if name in resource.anchors and resource.anchors[name][1] != pointer:
        raise SchemaError(pointer, f'the anchor "{name}" is there twice')
    resource.anchors[name] = (schema, pointer)


def _use(dialect: Dialect, vocabulary: "dict[str, Any]", at: str) -> None:
    """Only the vocabularies named are in use (core section 8.1.2)."""
    known = [_VOCABULARIES + name for name in ("core", "meta-data", "format-annotation", "format-assertion")]
    if known[2] not in vocabulary and known[3] not in vocabulary:
        dialect.off.append("format")
    for group, keywords in _GROUPS.items():
        known.append(_VOCABULARIES + group)
        if known[-1] not in vocabulary:
            dialect.off += keywords
    for uri in sorted(vocabulary):
        if vocabulary[uri] is True and uri not in known:
            raise SchemaError(at, f"the vocabulary {uri} is not supported")


def _role(keyword: str, schema: "dict[str, Any]") -> str:
    """`Place.role` in draft-07."""
    if "$ref" in schema and keyword not in ("$ref", "definitions"):  # section 8.3: all others are ignored
        return "default"
    if keyword == "items" and isinstance(schema[keyword], list):
        return "prefixItems"
    if keyword == "additionalItems":
        return "items" if isinstance(schema.get("items"), list) else "contentSchema"
    if keyword == "definitions":
        return "$defs"
    return "" if keyword in _NOT_IN_DRAFT_7 else keyword


def _subschemas(schema: "dict[str, Any]", dialect: Dialect) -> "list[tuple[object, str]]":
    """The subschemas of a schema with their pointers from there."""
    found: list[tuple[object, str]] = []
    for keyword in schema:
        value = schema[keyword]
        role = "default" if keyword in dialect.off else _role(keyword, schema) if dialect.draft7 else role_of(keyword)
        at = "/" + escape(keyword)
        if role in SINGLE:
            found.append((value, at))
        elif role in LISTS and isinstance(value, list):
            found += [(value[i], f"{at}/{i}") for i in range(len(value))]
        elif isinstance(value, dict) and (role in MAPS or (role == "dependencies" and dialect.draft7)):
            found += [(value[name], at + "/" + escape(name)) for name in value]
    return found
