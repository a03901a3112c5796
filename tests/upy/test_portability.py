"""The static portability gate: code in core/, tasks/ and micro/ must be code that MicroPython 1.25 runs.

Four views of the same files: mpy-cross compiles them; the real interpreter's compiler takes them; the rules of
portability.py find nothing; mypy with MicroPython's own stubs finds nothing. Each view is shown to find what it must.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import json
import subprocess
import sys
from pathlib import Path

import fetch
import portability
import pytest

from headgate_host import micro_pack

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "firmware_py/headgate"
FILES = portability.portable_files(PACKAGE)
IDS = [str(path.relative_to(PACKAGE)) for path in FILES]

STUBS = "micropython-unix-stubs==1.25.0.post1"
STUB_FOLDER = ROOT / ".cache/mypy-stubs" / STUBS

# What mypy says because a stub is wrong: (file, part of the message, what is right). An entry that no longer
# matches anything fails, so the list cannot rot.
STUB_ERRORS: list[tuple[str, str, str]] = [
    (
        "micro/boot.py",
        '"network"',
        "boards have it, the unix port whose stubs these are does not; imported with a guard",
    ),
    ("micro/appliance.py", '"ntptime"', "the same"),
    ("micro/turns.py", 'no attribute "core"', "asyncio.core is where MicroPython keeps its IOQueue"),
    ("micro/turns.py", '"yield from" can\'t be applied', "MicroPython's coroutines are generators"),
]


def test_there_is_something_to_check() -> None:
    assert {"core", "tasks", "micro"} <= {name.split("/")[0] for name in IDS}
    assert {"limits.py", "errors.py", "_accel.py"} <= set(IDS)


# ── 1. mpy-cross ──


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_compiles(path: Path, tmp_path: Path) -> None:
    micro_pack.compile_file(micro_pack.compiler(), path, tmp_path / "out.mpy", path.name)
    assert (tmp_path / "out.mpy").read_bytes()[:2] == b"M\x06"


def test_the_compiler_refuses(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def f(a, /):\n    pass\n")
    with pytest.raises(micro_pack.CommandError, match="SyntaxError"):
        micro_pack.compile_file(micro_pack.compiler(), bad, tmp_path / "bad.mpy", "bad.py")


# ── 2. the real interpreter ──


@pytest.fixture(scope="module")
def micropython() -> list[str]:
    arch = fetch.native_arch() or "amd64"
    fetch.fetch(arch)
    return fetch.micropython_command(arch)


def ask(command: list[str], program: str) -> str:
    done = subprocess.run([*command, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_interpreter_compiles_all(micropython: list[str]) -> None:
    program = f"for n in {[str(path) for path in FILES]!r}:\n with open(n) as f: compile(f.read(), n, 'exec')\n"
    ask(micropython, program)


def test_denied_names_are_really_missing(micropython: list[str]) -> None:
    """The deny lists say nothing false: every name exists on CPython and does not on MicroPython."""
    program = (
        "import json, builtins\n"
        "print(json.dumps([sorted(dir(builtins)), sorted(set(sum([dir(v) for v in "
        "('', b'', 5, 1.5, memoryview(b''), ValueError())], [])))]))"
    )
    names, methods = json.loads(ask(micropython, program))
    assert set(names) & portability.MISSING_NAMES == set()
    assert portability.MISSING_NAMES - set(dir(builtins)) - {"copyright", "credits", "license", "exit", "quit"} == set()
    assert set(methods) & portability.MISSING_METHODS == set()


def test_portable_asyncio_is_there(micropython: list[str]) -> None:
    # StreamReader and friends may come lazily: look each one up
    wanted = sorted(portability.ASYNCIO_MICRO)
    program = f"import asyncio\nfor n in {wanted!r}: getattr(asyncio, n)\n"
    ask(micropython, program)
    assert all(hasattr(asyncio, name) for name in portability.ASYNCIO)


# ── 3. rules ──


@pytest.fixture(scope="module")
def own() -> set[str]:
    return portability.own_methods([path.read_text(encoding="utf-8") for path in FILES])


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_rules(path: Path, own: set[str]) -> None:
    area = portability.AREAS[portability.area_of(path, PACKAGE)]
    found = portability.check(path.read_text(encoding="utf-8"), area, own)
    assert not found, "\n".join(f"{path.name}:{f.line}: {f.rule}: {f.text}" for f in found)


BAD = [
    ("def f(a, /): pass", "syntax"),
    ("match x:\n    case 1: pass", "syntax"),
    ("x = {**a}", "syntax"),
    ("x = [*a]", "syntax"),
    ("x = (*a, 1)", "syntax"),
    ("try:\n    pass\nexcept* ValueError:\n    pass", "syntax"),
    ("async def f():\n    yield 1", "syntax"),
    ("async def f():\n    return [x async for x in y]", "syntax"),
    ("class A(metaclass=B): pass", "syntax"),
    ("class A:\n    def __init_subclass__(cls): pass", "uncalled"),
    ("x = n.to_bytes(length=4)", "keyword"),
    ("x = s.split(maxsplit=1)", "keyword"),
    ("x = sum(y, start=1)", "keyword"),
    ("print(1, flush=True)", "keyword"),
    ("x = zip(a, b, strict=True)", "keyword"),
    ("x = int.from_bytes(b, 'big', signed=True)", "keyword"),
    ("x = s.removeprefix('a')", "method"),
    ("x = n.bit_length()", "method"),
    ("x = m.tobytes()", "method"),
    ("x = h.hexdigest()", "method"),
    ("d.move_to_end(k)", "method"),
    ("x = b.decode('utf-8', 'replace')", "codec"),
    ("x = s.encode('latin-1')", "codec"),
    ("x = str(b, 'utf-8', 'ignore')", "codec"),
    ("try:\n    pass\nexcept TimeoutError:\n    pass", "name"),
    ("x = ascii(y)", "name"),
    ("x = f.__doc__", "attribute"),
    ("def f(): pass\nf.x = 1", "attribute"),
    ("x = dict[str, int]", "type"),
    ("x = isinstance(y, int | str)", "type"),
    ("import typing", "import"),
    ("import os", "import"),
    ("from headgate.linux import lean", "import"),
    ("from . import limits", "import"),
    ("def f():\n    import time", "import"),
    ("import asyncio\nx = asyncio.Queue()", "asyncio"),
    ("from asyncio import timeout", "asyncio"),
    ("x = 0.5", "float"),
    ("x = a / b", "float"),
]


@pytest.mark.parametrize(("source", "rule"), BAD)
def test_rules_find(source: str, rule: str) -> None:
    assert rule in {finding.rule for finding in portability.check(source, portability.AREAS["tasks"])}


GOOD = [
    "from headgate import limits\nfrom headgate.core import jwt\nfrom headgate.core.problem import Problem",
    "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from collections.abc import Callable",
    "def f(a: dict[str, int], *, b: 'int | None' = None) -> list[int]:\n    c: dict[str, int] = {}\n    return [1]",
    "import asyncio\nasync def f(ms):\n    await asyncio.sleep(ms / 1000)",
    "try:\n    pass\nexcept TimeoutError:  # portable: CPython only branch\n    pass",
    "a, *b = c\nf(*a, **b)",
    "x = int.from_bytes(b, 'big') + n.to_bytes(4, 'big')[0]",
    "x = b.decode('utf-8') + b.decode()",
    "async def f():\n    def g():\n        yield 1\n    return g",
]


@pytest.mark.parametrize("source", GOOD)
def test_rules_leave_alone(source: str) -> None:
    assert portability.check(source, portability.AREAS["tasks"]) == []


def test_core_is_stricter_than_tasks() -> None:
    assert portability.check("import asyncio", portability.AREAS["tasks"]) == []
    assert portability.check("import asyncio", portability.AREAS["core"]) != []
    assert portability.check("from headgate.tasks import plan", portability.AREAS["core"]) != []
    assert portability.check("x = y / 1000", portability.AREAS["core"]) != []


def imports(path: Path) -> set[str]:
    return imports_of(ast.parse(path.read_text(encoding="utf-8")))


def imports_of(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


# Who may import host tools, inside a function: the command line by verb, and `run --demo`.
HOST_TOOLS = {"cli.py", "linux/verb_run.py"}


def test_nothing_on_the_device_imports_host_tools() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        top = ast.Module(ast.parse(path.read_text(encoding="utf-8")).body, [])
        top.body = [statement for statement in top.body if isinstance(statement, ast.Import | ast.ImportFrom)]
        assert not host_tools(imports_of(top)), name
        assert name in HOST_TOOLS or not host_tools(imports(path)), name


def host_tools(names: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] == "headgate_host"}


# _accel chooses between twins; the server and its TLS sessions have none, asyncio's driver takes their place.
NATIVE = {"_accel.py", "linux/native_gateway.py", "linux/tls.py"}


def test_native_is_reached_through_accel_only() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        if str(path.relative_to(PACKAGE)) not in NATIVE:
            assert not any(name.split(".")[0] == "headgate_native" for name in imports(path)), path


# ── 4. mypy on MicroPython's stubs ──


@pytest.fixture(scope="module")
def mypy_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (STUB_FOLDER / "stdlib/VERSIONS").is_file():
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-warn-script-location",
            "--target",
            str(STUB_FOLDER),
            STUBS,
        ]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    config = tmp_path_factory.mktemp("mypy") / "mypy.ini"
    lines = [
        "[mypy]",
        f"custom_typeshed_dir = {STUB_FOLDER}",
        f"mypy_path = {STUB_FOLDER}:{ROOT / 'firmware_py'}",
        f"cache_dir = {ROOT / '.cache/mypy-micropython'}",
        "python_version = 3.11",
        "check_untyped_defs = True",
        "explicit_package_bases = True",
        "show_column_numbers = False",
        "[mypy-headgate._accel,headgate.data.*]",  # never on a board: CPython's choice and its data
        "follow_imports = skip",
    ]
    config.write_text("\n".join(lines) + "\n")
    return config


def mypy(config: Path, paths: list[Path]) -> list[str]:
    """The errors that mypy reports in `paths` (those inside the stubs themselves are not ours)."""
    command = [sys.executable, "-m", "mypy", "--config-file", str(config), "--no-error-summary", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [
        line
        for line in done.stdout.splitlines()
        if ": error: " in line and "mypy-stubs" not in line.split(": error:")[0]
    ]


def test_mypy_flags_a_bad_file(mypy_config: Path, tmp_path: Path) -> None:
    calls = {
        "time.monotonic()": "monotonic",
        "json.dumps({}, indent=2)": "indent",
        "hashlib.sha512(b'')": "sha512",
        "hashlib.sha256(b'').copy()": "copy",
        "socket.socket().__enter__()": "__enter__",
        "gc.get_referrers(1)": "get_referrers",
        "binascii.b2a_qp(b'')": "b2a_qp",
    }
    modules = "import binascii, gc, hashlib, json, socket, struct, time\n"
    bad = tmp_path / "bad_module.py"
    bad.write_text(modules + "def f() -> None:\n" + "".join(f"    {call}\n" for call in calls))
    errors = mypy(mypy_config, [bad])
    for line, name in enumerate(calls.values(), start=3):
        assert any(f":{line}: error:" in error and name in error for error in errors), (name, errors)


def test_mypy_has_nothing_to_say(mypy_config: Path) -> None:
    errors = mypy(mypy_config, [path for path in FILES if path.name != "_accel.py"])
    used = set()
    left = []
    for error in errors:
        known = [
            entry
            for entry in STUB_ERRORS
            if error.startswith(f"firmware_py/headgate/{entry[0]}:") and entry[1] in error
        ]
        used |= set(known)
        if not known:
            left.append(error)
    assert not left, "\n".join(left)
    assert used == set(STUB_ERRORS), f"no longer needed: {set(STUB_ERRORS) - used}"
