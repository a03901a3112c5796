"""Takes out of a portable module what costs a board's heap and does nothing there, before it is compiled.

MicroPython keeps every module-level name in a dictionary and every identifier in its string pool, in RAM. So, for the
packed appliance only: bounds (`limits.NAME`) and integer constants become literals where they are used;
`if TYPE_CHECKING:` blocks, annotations and `__slots__` (ignored there) are left out; what headgate._accel would choose
is imported from where it is. Nothing else changes: the black-box tests and the memory gate of tests/upy run the packed
appliance.
"""

from __future__ import annotations

import ast
from typing import NamedTuple

# Imported on first use: for CBOR, for batches, for the explanation of a refusal, for a failed start; and, only while a
# plan is built, the compilers of schemas and patterns (headgate.micro.appliance unloads those again).
LAZY = frozenset(
    (
        "headgate.core.cbor",
        "headgate.core.formats",
        "headgate.core.pattern",
        "headgate.core.records",
        "headgate.core.schema_compile",
        "headgate.core.schema_explain",
        "headgate.errors",
        "headgate.tasks.batches",
    )
)


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


def _lazily(module: str, name: str) -> ast.expr:
    """`name` of `module`, imported now; the module itself for an empty name."""
    text = f"__import__({module!r}, None, None, ('*',))"
    return ast.parse(f"{text}.{name}" if name else text, mode="eval").body


Exports = dict[tuple[str, str], tuple[str, str]]


def reexports(sources: dict[str, str]) -> Exports:
    """(module, name) -> (lazy module, name) for names that a module of `sources` takes from a lazy one and others take
    from it. Keys of `sources` are dotted names."""
    found: Exports = {}
    for module, source in sources.items():
        for node in ast.parse(source).body:
            if isinstance(node, ast.ImportFrom) and node.module in LAZY:
                for alias in node.names:
                    found[(module, alias.asname or alias.name)] = (node.module, alias.name)
    return found


CHOOSER = "headgate._accel"  # a board has no native core: what it would choose is known


def twins(chooser: str) -> dict[str, str]:
    """Name -> module of the pure twins, from the source of headgate._accel: its types are theirs."""
    return {
        alias.name: node.module
        for block in ast.parse(chooser).body
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


class Names(NamedTuple):
    """What is known of all modules together; dotted module names."""

    integers: dict[str, dict[str, int]]  # module -> its constants: NAME or _name -> value
    exports: Exports
    twins: dict[str, str]  # what headgate._accel offers: name -> module


def survey(sources: dict[str, str], bounds: dict[str, int]) -> Names:
    """`bounds`: value of each limits.NAME on a board."""
    integers = {}
    for module, source in sources.items():
        found = constants(ast.parse(source))
        integers[module] = {name: value for name, value in found.items() if name.isupper() or name.startswith("_")}
        if module.endswith(".limits"):
            integers[module] = bounds
    return Names(integers, reexports(sources), twins(sources.get(CHOOSER, "")))


class _Lean(ast.NodeTransformer):
    def __init__(self, module: str, names: Names) -> None:
        self.known = names
        self.private = dict(names.integers[module])
        self.aliases: dict[str, str] = {}  # name here -> module
        self.lazy: dict[str, tuple[str, str]] = {}  # name here -> (lazy module, name there or "")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | list[ast.AST] | None:
        if node.module == CHOOSER:
            parts = [self.visit(ast.ImportFrom(self.known.twins[alias.name], [alias], 0)) for alias in node.names]
            return [part for part in parts if part is not None]
        stay = []
        for alias in node.names:
            here, module = alias.asname or alias.name, node.module or ""
            if alias.name in self.known.integers.get(module, {}):
                self.private[here] = self.known.integers[module][alias.name]
            elif module in LAZY:
                self.lazy[here] = (module, alias.name)
            elif f"{module}.{alias.name}" in LAZY:
                self.lazy[here] = (f"{module}.{alias.name}", "")
                self.aliases[here] = f"{module}.{alias.name}"
            elif (module, alias.name) in self.known.exports:
                self.lazy[here] = self.known.exports[(module, alias.name)]
            else:
                if f"{module}.{alias.name}" in self.known.integers:
                    self.aliases[here] = f"{module}.{alias.name}"
                stay.append(alias)
        node.names = stay
        return node if stay else None

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.AST]:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return [self.visit(statement) for statement in node.orelse]
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        target = node.targets[0]
        if isinstance(target, ast.Attribute) and self._integer(target) is not None:
            return None  # a bound that is set where it has been written in everywhere
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        dropped = (*self.private, "TYPE_CHECKING", "__slots__", "__all__")
        if all(isinstance(name, ast.Name) and name.id in dropped for name in names):
            return None
        self.generic_visit(node)
        return node

    def _integer(self, node: ast.Attribute) -> int | None:
        """The value of module.NAME."""
        if not isinstance(node.value, ast.Name):
            return None
        return self.known.integers.get(self.aliases.get(node.value.id, ""), {}).get(node.attr)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        result: ast.AST | None = self.visit(ast.Assign([node.target], node.value))
        return result

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
        if isinstance(node.ctx, ast.Load) and node.id in self.lazy:
            return _lazily(*self.lazy[node.id])
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        value = self._integer(node)
        if value is not None and isinstance(node.ctx, ast.Load):
            return ast.Constant(value)
        return self.generic_visit(node)


MODULE = """
_T = DATA

def t(at, n):
    return _T[at : at + n].decode()

def tb(at, n):
    return _T[at : at + n]

class Table:
    def __init__(self, at, end, raw):
        self.a = (at, end, raw)

    def get(self, key, default=None):
        at, end, raw = self.a
        row = "\\n%s\\t" % key
        at = _T.find(row.encode(), at, end)
        if at < 0:
            return default
        at += len(row)
        data = _T[at : _T.find(b"\\n", at)]
        return data if raw else data.decode()

    def __getitem__(self, key):
        return self.get(key)
"""


class Texts(ast.NodeTransformer):
    """Moves the longer texts in functions into one constant: in RAM each literal is an object, a slice is one only
    while it is used.

    `data` is what the generated module headgate.texts holds; `t(offset, length)` cuts a text out of it, `tb` bytes. An
    f-string becomes t(...).format(...), which is what MicroPython makes of it as well.
    """

    ROWS = 10  # of a table; a smaller one stays a dict
    LEAST = 11  # characters; shorter ones that look like names are identifiers to MicroPython, and shared
    LEAST_BYTES = 9

    def __init__(self) -> None:
        self.data = b""
        self.used: set[str] = set()  # of headgate.texts
        self.depth = 0

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self.depth += 1
        node.body = [self.visit(statement) for statement in node.body]
        self.depth -= 1
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def _moved(self, value: str | bytes) -> ast.expr | None:
        """The expression that gives `value`; None where it stays a literal."""
        raw = value.encode() if isinstance(value, str) else value
        if not self.depth or len(raw) < (self.LEAST if isinstance(value, str) else self.LEAST_BYTES):
            return None
        at = self.data.find(raw)
        if at < 0:
            at = len(self.data)
            self.data += raw
        name = "t" if isinstance(value, str) else "tb"
        self.used.add(name)
        return ast.Call(ast.Name(name, ast.Load()), [ast.Constant(at), ast.Constant(len(raw))], [])

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return (self._moved(node.value) if isinstance(node.value, str | bytes) else None) or node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        text = ""
        values: list[ast.expr] = []
        for part in node.values:
            if isinstance(part, ast.Constant):
                text += str(part.value).replace("{", "{{").replace("}", "}}")
            elif isinstance(part, ast.FormattedValue) and part.conversion < 0 and part.format_spec is None:
                text += "{}"
                values.append(self.visit(part.value))
            else:
                return node
        moved = self._moved(text)
        return ast.Call(ast.Attribute(moved, "format", ast.Load()), values, []) if moved and values else node

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        """A table of constants at module level: its text is searched instead of its keys being kept."""
        keys = [key.value for key in node.keys if isinstance(key, ast.Constant) and not isinstance(key.value, bytes)]
        values = [value.value for value in node.values if isinstance(value, ast.Constant)]
        kind = type(values[0]) if values else None
        if (
            self.depth
            or len(keys) < max(self.ROWS, len(node.keys))
            or len(values) != len(keys)
            or kind not in (str, bytes)
        ):
            return self.generic_visit(node)
        rows = b""
        for key, value in zip(keys, values, strict=True):
            rows += b"\n%s\t%s" % (str(key).encode(), value.encode() if isinstance(value, str) else value)
        at = len(self.data)
        self.data += rows + b"\n"
        self.used.add("Table")
        arguments: list[ast.expr] = [ast.Constant(at), ast.Constant(len(self.data)), ast.Constant(kind is bytes)]
        return ast.Call(ast.Name("Table", ast.Load()), arguments, [])

    def move(self, tree: ast.Module) -> None:
        """Move the texts of `tree`, and import there what it needs of headgate.texts."""
        self.used = set()
        self.visit(tree)
        if self.used:
            first = 1 if ast.get_docstring(tree) is not None else 0
            names = [ast.alias(name) for name in sorted(self.used)]
            tree.body.insert(first, ast.ImportFrom("headgate.texts", names, 0))
            ast.fix_missing_locations(tree)

    def module(self) -> str:
        return MODULE.replace("DATA", repr(self.data))


def lean(module: str, source: str, names: Names) -> ast.Module:
    """The tree of `source` without what a board does not need. Raises KeyError for a module that `names` lacks."""
    transformer = _Lean(module, names)
    tree = ast.parse(source)
    transformer.visit(tree)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for statement in list(tree.body):
        if isinstance(statement, ast.ImportFrom):
            # Its constants are written in: the module itself may not be needed any more.
            statement.names = [
                a for a in statement.names if (a.asname or a.name) not in transformer.aliases.keys() - used
            ]
            if not statement.names:
                tree.body.remove(statement)
    return ast.fix_missing_locations(tree)
