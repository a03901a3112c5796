"""Keywords that few schemas have: unevaluatedProperties, unevaluatedItems, and schemas that depend on a property.

Apart from schema_check.py, which a small board always holds. Each class has `holds(v, run)`, as `schema_check.holds`,
and `explain(explainer, node, v, at, via)`, which adds to an Explainer what is wrong. Portable.
"""

from headgate.core.schema_check import Node, Run, holds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from headgate.core.schema_explain import Explainer, Path, Via


class Dependents:
    """dependentSchemas, and `dependencies` of draft-07: with a property comes a schema for the whole object."""

    __slots__ = ("nodes",)

    def __init__(self, nodes: "dict[str, Node]") -> None:
        self.nodes = nodes

    def holds(self, v: "Any", run: Run) -> bool:
        for node in self.applied(v):  # noqa: SIM110 (as in schema_check)
            if not holds(node, v, run):
                return False
        return True

    def explain(self, explainer: "Explainer", _: Node, v: "Any", at: "Path", via: "Via") -> None:
        for node in self.applied(v):
            explainer.explain(node, v, at, via)

    def in_place(self) -> "list[Node]":
        return list(self.nodes.values())

    def applied(self, v: "Any") -> "list[Node]":
        return [self.nodes[name] for name in self.nodes if name in v] if isinstance(v, dict) else []


def branches(node: Node, parts: "dict[str, Any]") -> "list[tuple[str, Any]]":
    """What `node` gets into its branches; `parts`: its subschemas by keyword. unevaluated* come last."""
    found: list[tuple[str, Any]] = []
    for keyword in ("dependentSchemas", "dependencies"):
        if parts.get(keyword):
            found.append(("", Dependents(parts[keyword])))
    for keyword in ("unevaluatedProperties", "unevaluatedItems"):
        if keyword in parts:
            found.append(("", Unevaluated(node, parts[keyword], keyword == "unevaluatedItems")))
    return found


class Seen:
    """What keywords have evaluated of one object or array: names or indexes, or all of them."""

    __slots__ = ("all", "parts")

    def __init__(self) -> None:
        self.all = False
        self.parts: set[str | int] = set()


class Unevaluated:
    """unevaluatedProperties (`items` False) or unevaluatedItems of the subschema `node`: `sub` judges what no other
    keyword in it, or in what it applies in place, has evaluated."""

    __slots__ = ("items", "node", "sub")

    def __init__(self, node: Node, sub: Node, items: bool) -> None:
        self.node = node
        self.sub = sub
        self.items = items

    def in_place(self) -> "list[Node]":
        return []

    def left(self, v: "Any", run: Run) -> "list[Any]":
        """Names or indexes that are left for `sub`."""
        if not isinstance(v, list if self.items else dict):
            return []
        seen = Seen()
        _collect(self.node, v, run, seen, self)
        if seen.all:
            return []
        return [part for part in (range(len(v)) if self.items else v) if part not in seen.parts]

    def holds(self, v: "Any", run: Run) -> bool:
        for part in self.left(v, run):  # noqa: SIM110 (likewise)
            if not holds(self.sub, v[part], run):
                return False
        return True

    def explain(self, explainer: "Explainer", node: Node, v: "Any", at: "Path", via: "Via") -> None:
        for part in self.left(v, explainer.run):
            if self.items:
                explainer.explain(self.sub, v[part], (at, part), via)
            else:
                explainer.rest(node, self.sub, "/unevaluatedProperties", part, v[part], (at, part), via)


def _collect(  # noqa: PLR0912 (a branch for each keyword)
    node: Node, v: "Any", run: Run, seen: Seen, asker: Unevaluated
) -> None:
    """Adds what `node`, which holds for v, evaluates of it. (If it does not hold, there is a violation already.)"""
    if isinstance(v, dict):
        _members(node, v, seen)
    else:
        _items(node, v, run, seen)
    for sub in node.every:
        _collect(sub, v, run, seen, asker)
    for keyword, argument in node.branches:
        if seen.all:
            return
        if keyword == "if":
            condition, then, otherwise = argument
            if holds(condition, v, run):
                _collect(condition, v, run, seen, asker)
                otherwise = then
            if otherwise is not None:
                _collect(otherwise, v, run, seen, asker)
        elif keyword in ("anyOf", "oneOf"):
            for sub in argument:
                if holds(sub, v, run):
                    _collect(sub, v, run, seen, asker)
        elif keyword == "" and isinstance(argument, Dependents):
            for sub in argument.applied(v):
                _collect(sub, v, run, seen, asker)
        elif keyword == "" and argument is not asker and argument.items == isinstance(v, list):
            seen.all = True  # it has judged all that was left


def _members(node: Node, v: "dict[str, Any]", seen: Seen) -> None:
    if node.members is None:
        return
    properties, patterns, rest, _ = node.members
    if rest is not None:
        seen.all = True
        return
    for name in v:
        if name in properties:
            seen.parts.add(name)
        for pattern, _, _ in patterns:
            if pattern.search(name):
                seen.parts.add(name)


def _items(node: Node, v: "list[Any]", run: Run, seen: Seen) -> None:
    if node.items is None:
        return
    prefix, rest, contains, _, _ = node.items
    if rest is not None or len(prefix) >= len(v):
        seen.all = True
        return
    for i in range(len(v)):
        if i < len(prefix) or (contains is not None and holds(contains, v[i], run)):
            seen.parts.add(i)
