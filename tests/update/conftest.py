"""One image for all tests, and nothing of the developer's own trust."""

from pathlib import Path

import pytest

from . import kit


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed image with two slots; beside it image.raw and image.pub."""
    return kit.make_image(tmp_path_factory.mktemp("update"))


@pytest.fixture
def board(tmp_path: Path) -> kit.Disk:
    return kit.Disk(tmp_path / "partitions")


@pytest.fixture(autouse=True)
def _own_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_TRUST", str(tmp_path / "no-trust"))
    monkeypatch.delenv("HEADGATE_TOKEN", raising=False)
