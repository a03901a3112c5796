"""The real MicroPython for a test, or the reason why there is none."""

from __future__ import annotations

import os

import fetch
import pytest

NATIVE = fetch.native_arch() or "amd64"


def micropython(arch: str) -> list[str]:
    """The command line of the interpreter, fetched if need be. Fails the test, or skips it with HEADGATE_UPY=skip."""
    try:
        fetch.fetch(arch)
        return fetch.micropython_command(arch)
    except fetch.FetchError as error:
        if os.environ.get("HEADGATE_UPY") == "skip":
            pytest.skip(str(error))
        pytest.fail(str(error))
