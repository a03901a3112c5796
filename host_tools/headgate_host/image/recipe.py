"""What an image is made of: boards/common/image.toml, the board's own [image], and --set KEY=VALUE over both."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.errors import USAGE, CommandError
from headgate_host.flash import boards
from headgate_host.flash.boards import Board

SWITCH = {"yes": True, "no": False}
CMDLINE_MAX = 512  # characters; a 32-bit kernel takes 1024, with what the board and the boot script say
# What texts are given on to programs and files, which would understand more than is meant: a path, an option, a line.
TEXTS = {
    "suite": (r"[a-z][a-z0-9-]*", "no name of a suite", "trixie"),
    "extra_packages": (r" *([a-z0-9][a-z0-9+.-]*[a-z0-9+.]( +|$))*", "not names of packages", "'strace tcpdump'"),
    "extra_cmdline": (rf"[ -~]{{0,{CMDLINE_MAX}}}", f"not at most {CMDLINE_MAX} characters of ASCII", "loglevel=7"),
}
DEBIAN = {"aarch64": "arm64", "armv7l": "armhf"}  # Python's word for a machine -> Debian's


@dataclass(frozen=True, slots=True)
class Recipe:
    board: Board
    common: Mapping[str, Any]  # image.toml
    settings: Mapping[str, Any]  # its [settings], after --set

    @property
    def own(self) -> dict[str, Any]:
        """The board's [image]"""
        return dict(self.board.facts["image"])

    @property
    def machine(self) -> str:
        """Python's word, as in a wheel's tag"""
        return str(self.board.facts["userlands"][0]["arch"])

    @property
    def architecture(self) -> str:
        """Debian's word"""
        return DEBIAN[self.machine]

    @property
    def root_packages(self) -> list[str]:
        more = [*self.own.get("packages", ()), *str(self.settings["extra_packages"]).split()]
        return sorted({*self.common["root"]["packages"], *more})

    @property
    def part_packages(self) -> list[str]:
        """Of the packages that only single files are taken from."""
        return sorted({*self.common["parts"]["packages"], self.own["kernel"], *self.own.get("parts", ())})

    def modules(self, *, initrd: bool) -> list[str]:
        """Names of the kernel modules for the initrd, or for the root."""
        sets = [self.common["modules"][name] for name in ("base", *self.own["hardware"])]
        return sorted({name for one in sets for name in one["initrd"] + ([] if initrd else one["root"])})

    @property
    def cmdline(self) -> str:
        """Of the kernel, without what depends on the slot."""
        return " ".join(f"{self.own['cmdline']} {self.settings['extra_cmdline']}".split())


def load(board_name: str, changes: Iterable[str] = ()) -> Recipe:
    """`changes`: KEY=VALUE. Raises CommandError(USAGE) for a board without images, which says why where it is
    known, or for a key or value that is none."""
    board = boards.load(board_name)
    if "image" not in board.facts:
        having = ", ".join(one.name for one in boards.every() if "image" in one.facts)
        reason = f": {board.facts['no_image']}" if "no_image" in board.facts else ""
        raise CommandError(USAGE, f"no images are made for {board_name}{reason}", f"Boards that have them: {having}")
    common = tomllib.loads((common_folder() / "image.toml").read_text(encoding="utf-8"))
    return Recipe(board, common, _changed(common["settings"], changes))


def common_folder() -> Path:
    """What all boards share: boards/common"""
    return boards.folder() / "common"


def _changed(settings: Mapping[str, Any], changes: Iterable[str]) -> dict[str, Any]:
    result = dict(settings)
    for change in changes:
        key, separator, text = change.partition("=")
        if not separator or key not in settings:
            raise CommandError(
                USAGE, f"--set {change}: no such key", f"KEY=VALUE, KEY of {', '.join(sorted(settings))}"
            )
        if isinstance(settings[key], bool):
            if text not in SWITCH:
                raise CommandError(USAGE, f"--set {change}: neither yes nor no", f"For example --set {key}=no")
            result[key] = SWITCH[text]
        elif isinstance(settings[key], int):
            if not text.isdecimal():
                raise CommandError(USAGE, f"--set {change}: not a number", f"For example --set {key}={settings[key]}")
            result[key] = int(text)
        else:
            pattern, cause, example = TEXTS[key]
            if not re.fullmatch(pattern, text):
                raise CommandError(USAGE, f"--set {key}: {cause}", f"For example --set {key}={example}")
            result[key] = text
    return result
