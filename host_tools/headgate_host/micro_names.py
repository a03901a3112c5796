"""Fewer identifiers for the packed appliance: MicroPython keeps each one in a RAM table that doubles when it is full.

Names that only the appliance's own modules give and use get short ones (_0, _1, ...); two names may get the same one if
no module has both. Parameters that are never passed by keyword become p0, p1, ... What an interpreter's own object has
as an attribute, what occurs as a string or as a keyword, and what the modules of micro/ mention, stays; except for what
is private to one of those.
"""

from __future__ import annotations

import ast
import asyncio
import binascii
import builtins
import gc
import hashlib
import struct
import sys
from collections.abc import Iterator

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def _identifiers(tree: ast.AST) -> Iterator[str]:
    """Every identifier and every identifier-like string of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.keyword) and node.arg is not None:
            yield str(node.arg)
        elif isinstance(node, ast.alias):
            yield from (node.asname or node.name).split(".")
        elif isinstance(node, ast.Global | ast.Nonlocal):
            yield from node.names


def _foreign() -> set[str]:
    """Attributes that objects which are not ours may have."""
    objects = ["", b"", bytearray(), 0, [], {}, set(), (), memoryview(b""), ValueError(), hashlib.sha256(), builtins]
    objects += [asyncio, asyncio.StreamReader, asyncio.StreamWriter, asyncio.Task, asyncio.Event, asyncio.Lock]
    objects += [asyncio.Server, asyncio.Transport, binascii, hashlib, struct, gc, sys]
    return {name for item in objects for name in dir(item)}


FOREIGN = _foreign()


def _defined(tree: ast.Module) -> set[str]:
    """Names that a module itself gives to functions, classes, globals and attributes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
    for statement in tree.body:
        for node in ast.walk(statement):
            if isinstance(statement, ast.Assign) and isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
    return {name for name in found if not name.startswith("__")} - FOREIGN


def _strings(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def _bases(tree: ast.Module) -> set[str]:
    """Modules of ours whose classes this module's classes derive from."""
    origin: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            origin |= {alias.asname or alias.name: node.module for alias in node.names}
    names = {
        base.id
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if isinstance(base, ast.Name)
    }
    return {origin[name] for name in names if origin.get(name, "").startswith("headgate")}


def _related(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """The modules whose classes derive from classes of another one, and those others: module -> all it shares objects
    with. A name must mean the same in all of them, and no two names of theirs may become one."""
    related: dict[str, set[str]] = {}
    for module, tree in trees.items():
        family = {module} | _bases(tree)
        if len(family) > 1:
            family = family.union(*[related.get(member, set()) for member in family])
            related |= dict.fromkeys(family, family)
    return related


def _short(taken: set[str], prefix: str) -> Iterator[str]:
    number = 0
    while True:
        name = f"{prefix}{number}"
        if name not in taken:
            yield name
        number += 1


class _Rename(ast.NodeTransformer):
    """Renames names, attributes and definitions by one table."""

    def __init__(self, table: dict[str, str]) -> None:
        self.table = table

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.table.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self.table.get(node.attr, node.attr)
        return self.generic_visit(node)

    def _named(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        node.name = self.table.get(node.name, node.name)
        return self.generic_visit(node)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _named

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self.table.get(node.arg, node.arg)
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        node.names = [self.table.get(name, name) for name in node.names]
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        for alias in node.names:
            if alias.asname:
                alias.asname = self.table.get(alias.asname, alias.asname)
            if (node.module or "").startswith("headgate"):
                alias.name = self.table.get(alias.name, alias.name)
        return node


def _bound_inside(function: ast.AST) -> set[str]:
    """Names that scopes nested in `function` bind themselves, or declare nonlocal or global."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Global | ast.Nonlocal):
            found |= set(node.names)
        if node is function:
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef | COMPREHENSIONS):
            for inner in ast.walk(node):
                if isinstance(inner, ast.arg):
                    found.add(inner.arg)
                elif isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
                    found.add(inner.id)
    return found


class _Parameters(ast.NodeTransformer):
    """Gives the parameters of each function the names p0, p1, ... where nobody can tell."""

    def __init__(self, keywords: set[str], taken: set[str]) -> None:
        self.keywords = keywords
        self.taken = taken

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self.generic_visit(node)  # inner functions first
        inside = _bound_inside(node)
        used = self.taken | set(_identifiers(node))
        names = _short(used, "p")
        table = {}
        for argument in node.args.args:
            name = argument.arg
            if name not in self.keywords and name not in inside and name not in ("self", "cls"):
                table[name] = next(names)
        if table:
            for argument in node.args.args:
                argument.arg = table.get(argument.arg, argument.arg)
            for statement in node.body:
                for part in ast.walk(statement):
                    if isinstance(part, ast.Name):
                        part.id = table.get(part.id, part.id)
                    elif isinstance(part, ast.ExceptHandler) and part.name:
                        part.name = table.get(part.name, part.name)
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _function


def _candidates(trees: dict[str, ast.Module]) -> dict[tuple[str, str], set[str]]:
    """What may be renamed: (name, module) -> modules in which it means this. The module is "" for a name that means the
    same in all modules that have it; a private name (`_name`) belongs to each module that defines it."""
    homes: dict[str, set[str]] = {}
    fixed = set(FOREIGN)
    for module, tree in trees.items():
        names = set(_identifiers(tree))
        for name in names:
            homes.setdefault(name, set()).add(module)
        fixed |= _strings(tree) | {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}
        fixed |= set(module.split("."))
        if ".micro" in module:
            fixed |= names - {name for name in _defined(tree) if name.startswith("_")}
    related = _related(trees)
    defined = {module: _defined(tree) - fixed for module, tree in trees.items()}
    found: dict[tuple[str, str], set[str]] = {}
    for name in set().union(*defined.values()):
        givers = {module for module in homes[name] if name in defined[module]}
        if name.startswith("_") and givers == homes[name] and not givers & set(related):
            found |= {(name, module): {module} for module in givers}
        else:
            found[(name, "")] = homes[name]
    return found


def shorten(trees: dict[str, ast.Module]) -> None:
    """Rename in place. Keys are dotted module names."""
    everything = {name for tree in trees.values() for name in _identifiers(tree)}
    keywords = {n.arg for tree in trees.values() for n in ast.walk(tree) if isinstance(n, ast.keyword) and n.arg}
    tables: dict[str, dict[str, str]] = {module: {} for module in trees}
    found = _candidates(trees)
    related = _related(trees)
    for name, giver in sorted(found, key=lambda key: (-len(found[key]), key)):
        where = found[(name, giver)]
        near = where.union(*[related.get(module, set()) for module in where])
        taken = everything.union(*[set(tables[module].values()) for module in near])
        short = next(_short(taken, "_"))
        for module in where:
            tables[module][name] = short
    for module, tree in trees.items():
        _Rename(tables[module]).visit(tree)
        _Parameters(keywords, everything).visit(tree)
