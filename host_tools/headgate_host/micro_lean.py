"""Takes out of a portable module what costs a board's heap and does nothing there, before it is compiled.

MicroPython keeps every module-level name in a dictionary and every identifier in its string pool, in RAM. So, for the
packed appliance only: bounds (`limits.NAME`) and private integer constants (`_NAME = 5`) become literals where they
are used; `if TYPE_CHECKING:` blocks, annotations and `__slots__` (ignored there) are left out. Nothing else changes:
the unit tests run on the packed modules as well (tests/upy).
"""

from __future__ import annotations

import ast


def integer(node: ast.expr, known: dict[str, int]) -> int | None:
    """The value of an integer expression of literals and `known` names; None for anything else."""
    result: int | None = None
    if isinstance(node, ast.Constant):
        result = node.value if type(node.value) is int else None
    elif isinstance(node, ast.Name):
        result = known.get(node.id)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = integer(node.operand, known)
        result = None if value is None else -value
    elif isinstance(node, ast.BinOp):
        left, right = integer(node.left, known), integer(node.right, known)
        if left is not None and right is not None:
            operations = {ast.Add: "__add__", ast.Sub: "__sub__", ast.Mult: "__mul__", ast.LShift: "__lshift__"}
            name = operations.get(type(node.op))
            result = getattr(left, name)(right) if name else None
    return result


def constants(tree: ast.Module) -> dict[str, int]:
    """Module-level names that are bound once, to an integer known now."""
    bound: dict[str, int] = {}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            names = [node.id]
        elif isinstance(node, ast.Global):
            names = [*node.names, *node.names]
        elif isinstance(node, ast.arg):
            names = [node.arg]
        for name in names:
            bound[name] = bound.get(name, 0) + 1
    values: dict[str, int] = {}
    for statement in tree.body:
        targets: list[ast.expr] = []
        sources: list[ast.expr] = []
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name):
                targets, sources = [target], [statement.value]
            elif isinstance(target, ast.Tuple):
                targets, sources = target.elts, _elements(statement.value, len(target.elts))
        for name_node, source in zip(targets, sources, strict=False):
            value = integer(source, values)
            if isinstance(name_node, ast.Name) and value is not None and bound[name_node.id] == 1:
                values[name_node.id] = value
    return values


def _elements(value: ast.expr, count: int) -> list[ast.expr]:
    """The elements of a tuple display, or of range(n)."""
    if isinstance(value, ast.Tuple):
        return value.elts
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "range":
        return [ast.Constant(number) for number in range(count)]
    return []


class _Lean(ast.NodeTransformer):
    def __init__(self, private: dict[str, int], bounds: dict[str, int]) -> None:
        self.private = private
        self.bounds = bounds

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return [self.visit(statement) for statement in node.orelse]
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        target = node.targets[0]
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "limits":
            return None if target.attr in self.bounds else self.generic_visit(node)
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        dropped = (*self.private, "TYPE_CHECKING", "__slots__", "__all__")
        if all(isinstance(name, ast.Name) and name.id in dropped for name in names):
            return None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.visit(ast.Assign([node.target], node.value))

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._body(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self._body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._body(node)

    def _body(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load) and node.id in self.private:
            return ast.Constant(self.private[node.id])
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "limits" and isinstance(node.ctx, ast.Load):
            value = self.bounds.get(node.attr)
            if value is not None:
                return ast.Constant(value)
        return self.generic_visit(node)


def _imports_limits(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.ImportFrom)
        and statement.module == "headgate"
        and [alias.name for alias in statement.names] == ["limits"]
    )


def imported_names(sources: list[str]) -> set[str]:
    """Every name that some module takes from another: those must stay where they are."""
    names: set[str] = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.Attribute):
                names.add(node.attr)
    return names


def lean(source: str, bounds: dict[str, int], kept: set[str]) -> str:
    """`source` without what a board does not need. `bounds`: value of each limits.NAME; `kept`: names that other
    modules use, and that therefore stay."""
    tree = ast.parse(source)
    private = {name: value for name, value in constants(tree).items() if name not in kept}
    tree = _Lean(private, bounds).visit(tree)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if "limits" not in used:
        tree.body = [statement for statement in tree.body if not _imports_limits(statement)]
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"
