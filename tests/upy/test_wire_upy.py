"""The black-box HTTP tests of tests/wire, unchanged, against the gateway on MicroPython: both words."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import real

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("arch", [real.NATIVE, "armhf"])
def test_wire(arch: str) -> None:
    words = real.micropython(arch)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/wire"],
        cwd=ROOT,
        env=os.environ | {"HEADGATE_WIRE_INTERPRETER": shlex.join(words)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout
    assert int(passed[1]) > 100
