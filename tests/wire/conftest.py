"""One server for a module of black-box tests; it must live through all of them and say nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import wire

from headgate import _accel


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wire.Server]:
    yield from wire.living(tmp_path_factory.mktemp("wire"), wire.plan())


@pytest.fixture(scope="module")
def http2_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[wire.Server]:
    """The same, with HTTP/2 beside HTTP/1.1. A module may have a PLAN of its own."""
    if not wire.CPYTHON or _accel.BACKEND != "native":
        pytest.skip("HTTP/2 is the native server's")
    from headgate.linux.native_gateway import http2_missing

    if http2_missing():
        pytest.skip(f"built without HTTP/2: {http2_missing()} (Debian: apt-get install libnghttp2-dev)")
    document = getattr(request.module, "PLAN", None) or wire.plan()
    yield from wire.living(tmp_path_factory.mktemp("wire"), document, "http2")
