"""Images cost a second each: one of each kind for all tests, and nothing of the developer's own trust."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import kit


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed image for rpi-4; beside it image.raw and image.pub."""
    folder = tmp_path_factory.mktemp("image")
    kit.trust(folder)
    return kit.make_image(folder)


@pytest.fixture
def tree(tmp_path: Path) -> kit.Tree:
    return kit.Tree(tmp_path / "root")


@pytest.fixture(autouse=True)
def _own_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_TRUST", str(tmp_path / "no-trust"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _hang_ups_end_what_is_started() -> Iterator[None]:
    """Under nohup they are ignored, and `headgate flash` would ignore them as well."""
    old = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, old)
