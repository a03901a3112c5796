"""What several tests of the packed appliance share."""

from __future__ import annotations

from pathlib import Path

import pytest

import headgate
from headgate_host import micro_pack


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The appliance packed into a ROMFS image."""
    target = tmp_path_factory.mktemp("rom") / "headgate.romfs"
    micro_pack.build_romfs(Path(headgate.__file__).parent, target)
    return target
