"""The black-box HTTP tests of tests/wire, unchanged, against the gateway on MicroPython: both words."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import fetch
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("arch", [fetch.native_arch() or "amd64", "armhf"])
def test_wire(arch: str) -> None:
    try:
        fetch.fetch(arch)
        words = fetch.micropython_command(arch)
    except fetch.FetchError as error:
        if os.environ.get("HEADGATE_UPY") == "skip":
            pytest.skip(str(error))
        pytest.fail(str(error))
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
