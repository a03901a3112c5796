"""What an image is made of: data that fits together, and one line for each mistake on the command line."""

import subprocess
import sys
from pathlib import Path

import pytest

from headgate import __version__
from headgate.errors import MISSING, USAGE, CommandError
from headgate_host.flash import boards
from headgate_host.image import disk, recipe, rootless, verb_build

WITH_IMAGES = [board.name for board in boards.every() if "image" in board.facts]


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_every_recipe_is_whole(name: str) -> None:
    plan = recipe.load(name)
    assert set(plan.modules(initrd=True)) < set(plan.modules(initrd=False))
    assert plan.own["kernel"] in plan.part_packages
    assert "systemd" in plan.root_packages
    assert "console=" in plan.cmdline
    assert "root=" not in plan.cmdline  # the boot script adds it, with the slot
    assert plan.architecture in ("arm64", "armhf")


def test_the_partitions_are_those_that_others_count_on() -> None:
    plan = recipe.load("qemu-virt-arm64")
    places = disk.plan(plan.common["partition"], plan.settings["disk_mib"])
    names = [place.name for place in places]
    assert names == ["fw", "bootstate", "boot_a", "boot_b", "root_a", "root_b", "provision", "data"]
    sizes = {place.name: place.size for place in places}
    assert sizes["boot_a"] == sizes["boot_b"]
    assert sizes["root_a"] == sizes["root_b"]
    assert sum(sizes.values()) + 2 * disk.FIRST_MIB == plan.settings["disk_mib"]
    # An empty slot and the holes of ext4 need not be written; a boot state or a record must not be somebody else's.
    assert {place.name for place in places if place.sparse} == {"boot_b", "root_b", "data"}


def test_settings_are_changed() -> None:
    plan = recipe.load("rpi-4", ["disk_mib=512", "extra_packages=strace  tcpdump", "extra_cmdline=loglevel=7"])
    assert plan.settings["disk_mib"] == 512
    assert {"strace", "tcpdump"} <= set(plan.root_packages)
    assert plan.cmdline.endswith(" loglevel=7")
    assert recipe.load("rpi-4").settings["disk_mib"] == 256  # what is embedded stays as it is
    assert recipe.load("rpi-4", ["security=no"]).settings["security"] is False


@pytest.mark.parametrize(
    ("board", "change", "says"),
    [
        ("rpi-9", "disk_mib=512", "there is no board 'rpi-9'"),
        ("rpi-pico-w", "disk_mib=512", "no images are made for rpi-pico-w"),
        ("rpi-5", "disk_mib=512", "no images are made for rpi-5: .*sdhci-brcmstb"),
        ("rpi-4", "colour=green", "no such key"),
        ("rpi-4", "disk_mib", "no such key"),
        ("rpi-4", "disk_mib=many", "not a number"),
        ("rpi-4", "disk_mib=-1", "not a number"),
        ("rpi-4", "security=0", "neither yes nor no"),
    ],
)
def test_mistakes(board: str, change: str, says: str) -> None:
    with pytest.raises(CommandError, match=says) as caught:
        recipe.load(board, [change])
    assert caught.value.code == USAGE
    assert caught.value.next_step


def test_a_disk_that_is_too_small_says_by_how_much() -> None:
    rows = [{"name": "fw", "kind": "fat", "mib": 16}, {"name": "data", "kind": "ext4", "mib": 0}]
    assert [place.size for place in disk.plan(rows, 20)] == [16, 2]
    with pytest.raises(CommandError, match="too small by 3 MiB"):
        disk.plan(rows, 16)


def test_the_time_of_all_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764345600")
    assert verb_build.source_date_epoch() == 1764345600
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(CommandError, match="SOURCE_DATE_EPOCH is 'yesterday'"):
        verb_build.source_date_epoch()
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert verb_build.source_date_epoch() > 1764000000


def unshare(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of that name, before all others."""
    program = folder / "unshare"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_who_is_not_root_goes_on_in_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The namespaces stand for themselves: what is started in them is the same verb with the same words."""
    unshare(tmp_path, 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"', monkeypatch)
    program = "from headgate_host.image import rootless; rootless.again(['--version'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"headgate {__version__}\n")


@pytest.mark.parametrize(
    ("script", "cause"),
    [("echo unshare: not permitted >&2; exit 1", "cannot be had: unshare: not permitted"), ("", "no unshare")],
)
def test_no_namespaces_to_be_had(script: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if script:
        unshare(tmp_path, script, monkeypatch)
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match=cause) as caught:
        rootless.again(["--version"])
    assert caught.value.code == MISSING
    assert "sudo" in caught.value.next_step
