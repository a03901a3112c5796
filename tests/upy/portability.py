"""Static rules for code that must run on MicroPython 1.25: what its compiler takes but its runtime does not have,
and what is silently different there. Used by test_portability.py; also by hand:

    python tests/upy/portability.py firmware_py/headgate/core/json.py ...

A line that needs an exception says so itself, with its reason:  `... # portable: <why this is right>`.
What cannot be seen in the source (dict order, sort stability, bytearray methods that lists have) is left to tests.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

MARKER = re.compile(r"#\s*portable:\s*\S")

# Methods of str, bytes, int, float, memoryview that MicroPython does not have (checked against the real one).
MISSING_METHODS = frozenset(
    [
        "capitalize",
        "casefold",
        "expandtabs",
        "format_map",
        "isalnum",
        "isascii",
        "isdecimal",
        "isidentifier",
        "isnumeric",
        "isprintable",
        "istitle",
        "ljust",
        "maketrans",
        "removeprefix",
        "removesuffix",
        "rjust",
        "swapcase",
        "title",
        "translate",
        "zfill",
        "as_integer_ratio",
        "bit_count",
        "bit_length",
        "conjugate",
        "is_integer",
        "cast",
        "release",
        "tobytes",
        "tolist",
        "toreadonly",
        "hexdigest",
        "move_to_end",
        "with_traceback",
        "add_note",
    ]
)

# Attributes that do not exist there on functions, classes or exceptions.
MISSING_ATTRIBUTES = frozenset(
    ["__doc__", "__cause__", "__context__", "__traceback__", "__qualname__", "__annotations__", "nbytes", "itemsize"]
)

# Builtin names that are a NameError there.
MISSING_NAMES = frozenset(
    [
        "BlockingIOError",
        "BrokenPipeError",
        "BufferError",
        "ChildProcessError",
        "ConnectionAbortedError",
        "ConnectionError",
        "ConnectionRefusedError",
        "ConnectionResetError",
        "EnvironmentError",
        "ExceptionGroup",
        "BaseExceptionGroup",
        "FileExistsError",
        "FileNotFoundError",
        "FloatingPointError",
        "IOError",
        "InterruptedError",
        "IsADirectoryError",
        "ModuleNotFoundError",
        "NotADirectoryError",
        "PermissionError",
        "ProcessLookupError",
        "RecursionError",
        "ReferenceError",
        "SystemError",
        "TimeoutError",
        "UnboundLocalError",
        "UnicodeDecodeError",
        "UnicodeEncodeError",
        "UnicodeTranslateError",
        "Warning",
        "DeprecationWarning",
        "ResourceWarning",
        "RuntimeWarning",
        "UserWarning",
        "aiter",
        "anext",
        "ascii",
        "breakpoint",
        "copyright",
        "credits",
        "exit",
        "format",
        "license",
        "quit",
        "vars",
    ]
)

# Special methods that MicroPython never calls.
UNCALLED_METHODS = frozenset(
    ["__init_subclass__", "__class_getitem__", "__missing__", "__set_name__", "__prepare__", "__index__", "__format__"]
)

# The one set of keyword arguments that each builtin (or method of a builtin) takes on both interpreters.
KEYWORDS = {
    "b2a_base64": {"newline"},
    "dict": None,  # any
    "enumerate": {"start"},
    "max": {"default", "key"},
    "min": {"default", "key"},
    "print": {"end", "sep"},
    "sort": {"key", "reverse"},
    "sorted": {"key", "reverse"},
} | dict.fromkeys(
    [
        "a2b_base64",
        "bytearray",
        "bytes",
        "count",
        "crc32",
        "decode",
        "encode",
        "endswith",
        "expandtabs",
        "find",
        "fromhex",
        "from_bytes",
        "hex",
        "hexlify",
        "index",
        "int",
        "isinstance",
        "iter",
        "join",
        "memoryview",
        "next",
        "open",
        "pack",
        "pack_into",
        "partition",
        "pow",
        "range",
        "replace",
        "reversed",
        "rfind",
        "round",
        "rpartition",
        "rsplit",
        "set",
        "sha256",
        "slice",
        "split",
        "splitlines",
        "startswith",
        "str",
        "strip",
        "sum",
        "to_bytes",
        "tuple",
        "unhexlify",
        "unpack",
        "unpack_from",
        "zip",
    ],
    frozenset(),
)

# What both asyncio modules have, with the same meaning for the way we use it.
ASYNCIO = frozenset(
    [
        "CancelledError",
        "Event",
        "Lock",
        "StreamReader",
        "StreamWriter",
        "Task",
        "TimeoutError",
        "create_task",
        "current_task",
        "gather",
        "open_connection",
        "run",
        "sleep",
        "start_server",
        "wait_for",
    ]
)
ASYNCIO_MICRO = ASYNCIO | {"core", "get_event_loop", "new_event_loop", "sleep_ms", "wait_for_ms", "ThreadSafeFlag"}

PURE = frozenset(("binascii", "hashlib", "struct"))


class Area(NamedTuple):
    """What code of one folder may import (docs/architecture.md, section 1) and use."""

    modules: frozenset[str]  # outside `headgate`
    own: tuple[str, ...]  # prefixes inside `headgate`
    asyncio: frozenset[str] = frozenset()
    floats: bool = False


_CORE = ("headgate.core", "headgate.limits")
AREAS = {
    "top": Area(frozenset(), ()),
    "core": Area(PURE, _CORE),
    "tasks": Area(PURE | {"asyncio", "gc", "sys"}, (*_CORE, "headgate._accel", "headgate.tasks"), ASYNCIO),
    "accel": Area(
        frozenset(("os", "sys", "headgate_native")),
        (*_CORE, "headgate.linux.intake", "headgate.linux.libc"),
        floats=True,
    ),
    "micro": Area(
        PURE
        | {"asyncio", "gc", "sys", "os", "time", "json", "micropython", "machine", "network", "ntptime", "tls", "vfs"}
        | {"ffi", "socket", "uctypes"},
        (*_CORE, "headgate.errors", "headgate.tasks", "headgate.micro"),
        ASYNCIO_MICRO,
        floats=True,
    ),
}


class Finding(NamedTuple):
    line: int
    rule: str
    text: str


def area_of(path: Path, package: Path) -> str:
    """The name in AREAS for a file of the package folder `firmware_py/headgate`; "" for code that is not portable."""
    parts = path.relative_to(package).parts
    if len(parts) == 1:
        return {"_accel.py": "accel", "cli.py": "", "__main__.py": ""}.get(parts[0], "top")
    return parts[0] if parts[0] in AREAS else ""


def portable_files(package: Path) -> list[Path]:
    return [path for path in sorted(package.rglob("*.py")) if area_of(path, package)]


def _is_type_checking(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


class Checker(ast.NodeVisitor):
    """Walks one module. Annotations are not executed on MicroPython and are not looked at."""

    def __init__(self, area: Area) -> None:
        self.area = area
        self.found: list[Finding] = []
        self.functions: set[str] = set()  # names of functions of this module
        self.modules: set[str] = set()  # names bound by import
        self.own_methods: set[str] = set()  # methods that classes or modules of ours define

    def report(self, node: ast.AST, rule: str, text: str) -> None:
        self.found.append(Finding(getattr(node, "lineno", 0), rule, text))

    # ── statements ──

    def visit_If(self, node: ast.If) -> None:
        if _is_type_checking(node.test):
            for statement in node.orelse:
                self.visit(statement)
        else:
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.modules.add((alias.asname or alias.name).split(".", maxsplit=1)[0])
            self.check_import(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level:
            self.report(node, "import", "relative import: name the module in full")
            return
        module = node.module or ""
        for alias in node.names:
            name = f"{module}.{alias.name}" if module in ("headgate", "headgate.core", "headgate.tasks") else module
            if name != module:
                self.modules.add(alias.asname or alias.name)
            self.check_import(node, name)
            if module == "asyncio" and alias.name not in self.area.asyncio:
                self.report(node, "asyncio", f"asyncio.{alias.name} is not in the portable subset")

    def check_import(self, node: ast.AST, name: str) -> None:
        if name.split(".", maxsplit=1)[0] == "headgate":
            allowed = any(name == prefix or name.startswith(prefix + ".") for prefix in self.area.own)
            allowed = allowed or (name == "headgate.__version__")
        else:
            allowed = name.split(".", maxsplit=1)[0] in self.area.modules
        if not allowed:
            self.report(node, "import", f"{name} may not be imported here")

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.args.posonlyargs:
            self.report(node, "syntax", "positional-only parameters")
        if node.name in UNCALLED_METHODS:
            self.report(node, "uncalled", f"{node.name} is never called on MicroPython")
        if isinstance(node, ast.AsyncFunctionDef) and _yields(node):
            self.report(node, "syntax", "async generator")
        for decorator in node.decorator_list:
            self.visit(decorator)
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if node.keywords:
            self.report(node, "syntax", "class keywords (metaclass)")
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if isinstance(node.target, ast.Attribute | ast.Subscript):
            self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_Match(self, node: ast.Match) -> None:
        self.report(node, "syntax", "match statement")

    def visit_TryStar(self, node: ast.AST) -> None:
        self.report(node, "syntax", "except*")

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if (
                isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id in self.functions
            ):
                self.report(node, "attribute", "functions have no attributes")
        self.generic_visit(node)

    # ── expressions ──

    def visit_Dict(self, node: ast.Dict) -> None:
        if None in node.keys:
            self.report(node, "syntax", "{**a}")
        self.generic_visit(node)

    def _display(self, node: ast.List | ast.Tuple | ast.Set) -> None:
        if not isinstance(getattr(node, "ctx", ast.Load()), ast.Store) and any(
            isinstance(e, ast.Starred) for e in node.elts
        ):
            self.report(node, "syntax", "[*a], (*a,) or {*a}")
        self.generic_visit(node)

    visit_List = visit_Tuple = visit_Set = _display

    def visit_comprehension(self, node: ast.comprehension) -> None:
        if node.is_async:
            self.report(node.iter, "syntax", "async comprehension")
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.value, ast.Name) and node.value.id in ("list", "dict", "tuple", "set", "frozenset", "type"):
            self.report(node, "type", f"{node.value.id}[...] is evaluated here; quote it or keep it in an annotation")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, float | complex) and not self.area.floats:
            self.report(node, "float", "a float: small boards have 32-bit ones; use integers")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Div) and not self.area.floats:
            seconds = self.area.asyncio and isinstance(node.right, ast.Constant) and node.right.value == 1000
            if not seconds:  # ms -> s for asyncio is the one division we need
                self.report(node, "float", "true division: use //")
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in MISSING_NAMES and isinstance(node.ctx, ast.Load):
            self.report(node, "name", f"{node.id} does not exist on MicroPython")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in MISSING_ATTRIBUTES:
            self.report(node, "attribute", f".{node.attr} does not exist on MicroPython")
        if isinstance(node.value, ast.Name) and node.value.id == "asyncio" and node.attr not in self.area.asyncio:
            self.report(node, "asyncio", f"asyncio.{node.attr} is not in the portable subset")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        own = False
        name = ""
        if isinstance(function, ast.Name):
            name = function.id
            own = name in self.functions or name in self.modules
        elif isinstance(function, ast.Attribute):
            name = function.attr
            receiver = function.value
            own = name in self.own_methods or (isinstance(receiver, ast.Name) and receiver.id in ("self", "cls"))
            own = own or (
                isinstance(receiver, ast.Name)
                and receiver.id in self.modules - PURE
                and receiver.id not in ("asyncio", "sys", "gc")
            )
            if name in MISSING_METHODS and not own:
                self.report(node, "method", f".{name}() does not exist on MicroPython")
        if not own:
            self.check_arguments(node, name)
        self.generic_visit(node)

    def check_arguments(self, node: ast.Call, name: str) -> None:
        allowed = KEYWORDS.get(name)
        if name in KEYWORDS and allowed is not None:
            for keyword in node.keywords:
                if keyword.arg not in allowed:
                    self.report(
                        node, "keyword", f"{name}({keyword.arg or '**'}=...) takes no such keyword on MicroPython"
                    )
        if name in ("decode", "encode") and node.args:
            first = node.args[0]
            if len(node.args) > 1 or not (
                isinstance(first, ast.Constant) and str(first.value).lower() in ("utf-8", "utf8")
            ):
                self.report(node, "codec", f"{name}() knows UTF-8 only, and no error handler")
        if name == "str" and len(node.args) > 2:
            self.report(node, "codec", "str(..., errors) does not exist on MicroPython")
        if name == "isinstance" and len(node.args) == 2 and isinstance(node.args[1], ast.BinOp):
            self.report(node, "type", "isinstance(x, A | B): use a tuple")


def _yields(function: ast.AsyncFunctionDef) -> bool:
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            todo += ast.iter_child_nodes(node)
    return False


def own_methods(sources: list[str]) -> set[str]:
    """Names of methods that classes in `sources` define: `limiter.release()` of ours is not memoryview.release()."""
    names: set[str] = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                names |= {item.name for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}
    return names & MISSING_METHODS


def check(source: str, area: Area, own: set[str] | None = None) -> list[Finding]:
    """Findings in one module's source, without the lines that carry the marker."""
    tree = ast.parse(source)
    checker = Checker(area)
    checker.own_methods = own or set()
    checker.functions = {
        n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    checker.visit(tree)
    lines = source.splitlines()
    return [f for f in checker.found if not MARKER.search(lines[f.line - 1])]


def main(arguments: list[str]) -> int:
    package = Path(__file__).resolve().parents[2] / "firmware_py/headgate"
    paths = [Path(name).resolve() for name in arguments] or portable_files(package)
    own = own_methods([path.read_text(encoding="utf-8") for path in portable_files(package)])
    count = 0
    for path in paths:
        area = area_of(path, package)
        if area:
            for finding in check(path.read_text(encoding="utf-8"), AREAS[area], own):
                count += 1
                print(f"{path.relative_to(package.parents[1])}:{finding.line}: {finding.rule}: {finding.text}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
