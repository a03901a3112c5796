"""The portable unit tests, run by real MicroPython: 64-bit, and 32-bit ARM (under qemu-user where needed).

Each tests/unit/test_*.py runs in a fresh interpreter through run.py. A file that fails, cannot be imported or holds
no test fails here. HEADGATE_UPY=skip skips where no MicroPython can be had; otherwise that is a failure.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import fetch
import pytest
import real

ROOT = Path(__file__).resolve().parents[2]
RUNNER = ROOT / "tests/upy/run.py"
UNIT = sorted((ROOT / "tests/unit").glob("test_*.py"))

# Files that cannot run on MicroPython, each with its reason. Nothing else is left out.
EXCLUDED: dict[str, str] = {}

# Big enough that no unit test runs into it (correctness is tested here; the memory gate tests memory).
HEAP = "heapsize=4M"


def architectures() -> list[str]:
    """This machine's own word first, then 32-bit ARM: the word and float size of small boards."""
    names = [fetch.native_arch() or "amd64"]
    return names if names == ["armhf"] else [*names, "armhf"]


@pytest.fixture(scope="module", params=architectures())
def micropython(request: pytest.FixtureRequest) -> list[str]:
    return real.micropython(request.param)


def run(command: list[str], *arguments: str | Path, timeout_s: float = 300) -> tuple[int, str]:
    """Exit code and output of MicroPython on `arguments`, started in the repository's root."""
    done = subprocess.run(
        [*command, "-X", HEAP, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("path", UNIT, ids=lambda path: path.name)
def test_unit_file(micropython: list[str], path: Path) -> None:
    if path.name in EXCLUDED:
        pytest.skip(EXCLUDED[path.name])
    code, output = run(micropython, RUNNER, path)
    summary = re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped\s*\Z", output, re.MULTILINE)
    assert code == 0, output[-6000:]
    assert summary is not None, output[-6000:]
    assert int(summary[1]) > 0, f"no test ran:\n{output[-2000:]}"


def test_there_are_files() -> None:
    assert len(UNIT) > 10
    assert set(EXCLUDED) <= {path.name for path in UNIT}


SAMPLE = """
import unittest

class T(unittest.TestCase):
    def setUp(self):
        self.x = 1
    def test_good(self):
        self.assertEqual(self.x, 1)
        with self.assertRaises(ValueError) as caught:
            int("x")
        self.assertTrue(isinstance(caught.exception, ValueError))
    def test_skipped(self):
        self.skipTest("not here")
    @unittest.skip("never")
    def test_skipped_too(self):
        self.fail()
%s
"""


def test_runner_counts(micropython: list[str], tmp_path: Path) -> None:
    """The runner itself: it can pass, it can fail, and it does not take an empty file for success."""
    good, bad, empty = tmp_path / "test_good.py", tmp_path / "test_bad.py", tmp_path / "test_empty.py"
    good.write_text(SAMPLE % "")
    bad.write_text(
        SAMPLE % "    def test_bad(self):\n        self.assertEqual(1, 2)\n    def test_error(self):\n        1 / 0\n"
    )
    empty.write_text("import unittest\n")
    code, output = run(micropython, RUNNER, good)
    assert code == 0
    assert output.endswith("1 passed, 0 failed, 2 skipped\n")
    code, output = run(micropython, RUNNER, bad)
    assert code == 1
    assert output.endswith("1 passed, 2 failed, 2 skipped\n")
    code, output = run(micropython, RUNNER, empty)
    assert code == 1


def test_assertions_that_must_fail(micropython: list[str], tmp_path: Path) -> None:
    """Every assertion of the small unittest really fails on wrong input."""
    wrong = [
        "assertEqual(1, 2)",
        "assertNotEqual(1, 1)",
        "assertTrue(0)",
        "assertFalse(1)",
        "assertIs([], [])",
        "assertIsNone(0)",
        "assertIsNotNone(None)",
        "assertIn(1, [])",
        "assertNotIn(1, [1])",
        "assertIsInstance(1, str)",
        "assertGreater(1, 1)",
        "assertGreaterEqual(0, 1)",
        "assertLess(1, 1)",
        "assertLessEqual(1, 0)",
        "assertRaises(ValueError, int, '1')",
        "fail()",
    ]
    body = "".join(f"    def test_{index:02}(self):\n        self.{call}\n" for index, call in enumerate(wrong))
    path = tmp_path / "test_wrong.py"
    path.write_text("import unittest\nclass T(unittest.TestCase):\n" + body)
    _code, output = run(micropython, RUNNER, path)
    assert output.endswith(f"0 passed, {len(wrong)} failed, 0 skipped\n"), output
