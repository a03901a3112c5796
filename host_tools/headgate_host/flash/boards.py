"""Boards as data: boards/<name>/board.toml, checked against its schema each time it is read."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from headgate import _accel
from headgate.core import json
from headgate.errors import BUG, USAGE, CommandError

DISK_IMAGE, MPREMOTE = "disk-image", "mpremote"  # [flash] runner
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Board:
    """One board: `facts` is all of its board.toml, `notes` its README."""

    facts: dict[str, Any]
    notes: str

    @property
    def name(self) -> str:
        return str(self.facts["name"])

    @property
    def title(self) -> str:
        return str(self.facts["title"])

    @property
    def runner(self) -> str:
        """DISK_IMAGE or MPREMOTE"""
        return str(self.facts["flash"]["runner"])

    @property
    def storage(self) -> list[str]:
        """Kinds of disks (disks.Disk.kind) it boots from; none when its runner writes no disks."""
        return list(self.facts["flash"].get("storage", ()))

    @property
    def max_size(self) -> int:
        """Bytes. A larger disk is probably not meant."""
        return int(self.facts["flash"].get("max_gib", 0)) * GIB


def folder() -> Path:
    """In a checkout its own boards, whatever else is installed."""
    checkout = Path(__file__).parents[3] / "boards"
    return checkout if (checkout / "schema").is_dir() else Path(str(resources.files("headgate_boards")))


@cache
def _schema() -> Any:
    return _accel.Schema((folder() / "schema" / "board.schema.json").read_bytes())


def names() -> list[str]:
    return sorted(entry.name for entry in folder().iterdir() if (entry / "board.toml").is_file())


def load(name: str) -> Board:
    """Raises CommandError(USAGE) for a name that is none."""
    if name not in names():
        import difflib

        close = difflib.get_close_matches(name, names(), n=1)
        hint = f"Did you mean {close[0]}?" if close else "'headgate boards' lists them"
        raise CommandError(USAGE, f"there is no board '{name}'", hint)
    facts = tomllib.loads((folder() / name / "board.toml").read_text(encoding="utf-8"))
    errors = _schema().validate(json.dumps(facts)).errors
    if errors:
        raise CommandError(BUG, f"boards/{name}/board.toml: {errors[0].instance} breaks {errors[0].schema}")
    notes = folder() / name / "README.md"
    return Board(facts, notes.read_text(encoding="utf-8") if notes.is_file() else "")


def every() -> Iterator[Board]:
    return map(load, names())
