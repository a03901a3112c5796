"""Leaves out of the packed appliance what nothing in it mentions: functions that only other platforms call, and imports
that only annotations needed. In RAM a function is 60 to 100 bytes with its constants, an import is one of a dictionary.

What a name means is not asked: one that occurs anywhere else, in a string as well, stays. So do special methods, what
an interpreter's object may have as an attribute, and the functions of micro/, which a board's own files call.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headgate_host import micro_names

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _mentions(tree: ast.Module) -> Iterator[str]:
    """Names that are used, not given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _drop_functions(tree: ast.Module, mentioned: set[str]) -> None:
    for scope in [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef)]:
        scope.body = [
            node
            for node in scope.body
            if not isinstance(node, Function)
            or node.name in mentioned
            or node.name.startswith("__")
            or node.name in micro_names.FOREIGN
        ]
        if isinstance(scope, ast.ClassDef) and not scope.body:
            scope.body = [ast.Pass()]


def _drop_imports(tree: ast.Module, imported: set[str]) -> None:
    """`imported`: what others take from this module, by `from` or as an attribute."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | imported
    for statement in list(tree.body):
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("headgate"):
            statement.names = [alias for alias in statement.names if (alias.asname or alias.name) in used]
            if not statement.names:
                tree.body.remove(statement)


def drop(trees: dict[str, ast.Module]) -> None:
    """In place. Keys are dotted module names."""
    size = -1
    while size != (now := sum(len(list(ast.walk(tree))) for tree in trees.values())):
        size = now
        mentioned = {name for tree in trees.values() for name in _mentions(tree)}
        attributes = {n.attr for tree in trees.values() for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        given: dict[str, set[str]] = {module: set() for module in trees}
        for tree in trees.values():
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.module in given:
                    given[node.module].update(alias.name for alias in node.names)
        for module, tree in trees.items():
            if ".micro" not in module:
                _drop_functions(tree, mentioned)
            _drop_imports(tree, attributes | given[module])
