"""One server for a module of black-box tests; it must live through all of them and say nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import wire


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wire.Server]:
    running = wire.Server(tmp_path_factory.mktemp("wire"), wire.plan())
    yield running
    assert running.process.poll() is None, running.process.communicate()[0]
    said = running.stop()
    assert "Traceback" not in said, said
