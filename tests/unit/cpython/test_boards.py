"""Boards are data that meet a schema; our own validator and jsonschema agree on each board and each spoiled one."""

import copy
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from headgate._accel import Schema
from headgate.core import json

BOARDS = Path(__file__).parents[3] / "boards"
FILES = sorted(BOARDS.glob("*/board.toml"))
NAMES = {
    "rpi-zero2w",
    "rpi-3",
    "rpi-4",
    "rpi-5",
    "rpi-1",
    "rpi-zero",
    "rpi-pico-w",
    "qemu-virt-arm64",
    "qemu-virt-armhf",
    "qemu-raspi3b",
}


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads((BOARDS / "schema" / "board.schema.json").read_bytes())


def load(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text())


def verdicts(document: Any, board: object) -> tuple[bool, bool]:
    """(ours, jsonschema's)"""
    oracle = jsonschema.Draft202012Validator(document)
    return Schema(document).is_valid(json.dumps(board)), oracle.is_valid(board)


def test_all_are_there() -> None:
    assert {file.parent.name for file in FILES} == NAMES


def test_the_schema_is_one(document: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(document)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_board(document: Any, file: Path) -> None:
    board = load(file)
    assert board["name"] == file.parent.name
    assert Schema(document).validate(json.dumps(board)).errors == []
    assert verdicts(document, board) == (True, True)
    assert f"`{board['name']}`" in (BOARDS / "README.md").read_text()
    notes = (file.parent / "README.md").read_text()
    assert notes.startswith(f"# {board['title']}\n")
    assert "\n## Bring-up\n" in notes
    assert board["tested_on_hardware"] or "emulator" in board or "Not tested on hardware" in notes


def spoiled() -> "list[tuple[str, dict[str, Any]]]":
    good = load(BOARDS / "rpi-4" / "board.toml")
    pico = load(BOARDS / "rpi-pico-w" / "board.toml")
    emulated = load(BOARDS / "qemu-virt-arm64" / "board.toml")
    found: list[tuple[str, dict[str, Any]]] = []
    for key in sorted(good.keys() - {"image"}):  # an image need not be made of it
        board = copy.deepcopy(good)
        del board[key]
        found.append((f"no {key}", board))
    changes: list[tuple[str, dict[str, Any], tuple[str | int, ...], object]] = [
        ("unknown key", good, ("colour",), "green"),
        ("bad name", good, ("name",), "Raspberry Pi"),
        ("no memory size", good, ("ram_kib",), []),
        ("memory as text", good, ("ram_kib", 0), "1 GiB"),
        ("half a core", good, ("cores",), 0.5),
        ("unknown runner", good, ("flash", "runner"), "floppy"),
        ("no storage", good, ("flash",), {"runner": "disk-image", "max_gib": 64}),
        ("storage twice", good, ("flash", "storage"), ["sd-card", "sd-card"]),
        ("boots by magic", good, ("boot", "method"), "magic"),
        ("no partition table", good, ("boot",), {"method": "u-boot"}),
        ("CPython by mpremote", good, ("flash",), {"runner": "mpremote"}),
        ("a disk for MicroPython", pico, ("flash", "storage"), ["sd-card"]),
        ("a budget without a unit", good, ("budgets", "p99"), 8),
        ("an emulated clock", emulated, ("clock_mhz",), 1000),
        ("tested on hardware that is none", emulated, ("tested_on_hardware",), True),
        ("any program", emulated, ("emulator", "program"), "sh"),
        ("bad tag", good, ("userlands", 0, "wheel_platform"), "win_arm64"),
        ("no tag", good, ("userlands", 0), {"arch": "aarch64", "word_bits": 64}),
        ("48 bits", good, ("userlands", 0, "word_bits"), 48),
        ("console elsewhere", good, ("console", "side"), "moon"),
        ("device outside /dev", good, ("console", "device"), "/etc/passwd"),
        ("wheels for MicroPython", pico, ("userlands", 0, "wheel_platform"), "linux_armv6l"),
        ("an image of everything", good, ("image", "everything"), True),
        ("no kernel", good, ("image",), {"hardware": [], "cmdline": ""}),
        ("a firmware file elsewhere", good, ("image", "firmware"), ["../shadow"]),
        ("runtime", pico, ("runtime",), "lua"),
    ]
    for label, base, path, value in changes:
        board = copy.deepcopy(base)
        node: Any = board
        for part in path[:-1]:
            node = node[part]
        node[path[-1]] = value
        found.append((label, board))
    return found


@pytest.mark.parametrize(("label", "board"), spoiled(), ids=lambda v: v if isinstance(v, str) else "")
def test_spoiled_boards_are_refused(document: Any, label: str, board: dict[str, Any]) -> None:
    assert verdicts(document, board) == (False, False), label
