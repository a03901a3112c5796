"""What an image is made of: data that fits together, and one line for each mistake on the command line."""

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import headgate
import headgate_host
from headgate import __version__
from headgate.errors import MISSING, USAGE, CommandError
from headgate_host.flash import boards
from headgate_host.image import build, disk, recipe, rootless, verb_build

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
        ("rpi-4", "suite=", "no name of a suite"),
        ("rpi-4", "suite=../sid", "no name of a suite"),
        ("rpi-4", "extra_packages=strace /tmp/x.deb", "not names of packages"),
        ("rpi-4", "extra_packages=strace -oX=y", "not names of packages"),
        ("rpi-4", "extra_packages=systemd-", "not names of packages"),  # to apt: without systemd
        ("rpi-4", "extra_cmdline=quiet\nhg_fdt=other.dtb", "ASCII"),  # another variable of the boot script's
        ("rpi-4", "extra_cmdline=" + 513 * "x", "at most 512"),
    ],
)
def test_mistakes(board: str, change: str, says: str) -> None:
    with pytest.raises(CommandError, match=says) as caught:
        recipe.load(board, [change])
    assert caught.value.code == USAGE
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("changes", "wish", "code"),
    [
        (["disk_mib=10"], {}, USAGE),
        (["disk_mib=2097152"], {}, USAGE),  # 2 TiB
        ([], {"wheel": "x-linux_armv6l.whl"}, USAGE),
        ([], {"wheel": "x"}, MISSING),
        ([], {"version": "1.0 "}, USAGE),
        ([], {"version": "\xfc"}, USAGE),
    ],
)
def test_mistakes_are_said_before_minutes_have_passed(
    changes: list[str], wish: dict[str, str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(build, "_job")  # what takes the first minutes
    (tmp_path / "x-linux_armv6l.whl").touch()
    wheel = tmp_path / wish["wheel"] if "wheel" in wish else None
    wished = build.Wish(tmp_path / "x.img.zst", wish.get("version", "1"), 0, wheel=wheel)
    shown = io.StringIO()
    with pytest.raises(CommandError) as caught:
        build.build(
            recipe.load("rpi-4", changes), wished, tmp_path / "cache", verb_build.Steps(as_json=True, out=shown)
        )
    assert (caught.value.code, shown.getvalue(), (tmp_path / "cache").exists()) == (code, "", False)


@pytest.mark.parametrize(("target", "cache"), [("file/x.img.zst", "cache"), ("x.img.zst", "file")])
def test_a_file_where_a_folder_is_wanted(
    target: str, cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(build, "_job")
    (tmp_path / "file").touch()
    wish, steps = build.Wish(tmp_path / target, "1", 0), verb_build.Steps(as_json=True, out=io.StringIO())
    with pytest.raises(CommandError, match="cannot make the folder") as caught:
        build.build(recipe.load("rpi-4"), wish, tmp_path / cache, steps)
    assert caught.value.code == MISSING


def test_a_disk_that_is_too_small_says_by_how_much() -> None:
    rows = [{"name": "fw", "kind": "fat", "mib": 16}, {"name": "data", "kind": "ext4", "mib": 0}]
    assert [place.size for place in disk.plan(rows, 20)] == [16, 2]
    with pytest.raises(CommandError, match="too small by 3 MiB"):
        disk.plan(rows, 16)


def test_the_time_of_all_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764345600")
    assert verb_build.source_date_epoch() == 1764345600
    for wrong in ("yesterday", "1.5", "-1", "100000000000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", wrong)
        with pytest.raises(CommandError, match=f"SOURCE_DATE_EPOCH is '{wrong}'"):
            verb_build.source_date_epoch()
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert verb_build.source_date_epoch() > 1764000000


def unshare(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of that name, before all others."""
    program = folder / "unshare"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


NOBODY = "65534"
OURS = os.pathsep.join(str(Path(package.__path__[0]).parent) for package in (headgate, headgate_host))


def as_nobody(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs it as somebody who has ids in /etc/subuid: in a mount namespace where that is a file of ours."""
    ids = folder / "subids"
    ids.write_text(f"{NOBODY}:100000:65536\n")
    mounts = "".join(f"mount --bind {ids} {file} && " for file in ("/etc/subuid", "/etc/subgid"))
    # The second shell: what `setpriv` itself starts it may still find with the rights of root.
    script = f"""{mounts}exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups sh -c 'exec "$@"' sh "$@\""""
    words = ["unshare", "--mount", "sh", "-c", script, "sh", *command]
    env = {**os.environ, "PYTHONPATH": OURS}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may enter, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_who_is_not_root_goes_on_in_namespaces(folder: Path) -> None:
    """With the real `unshare`. What lies in the folder where it is typed is not taken for ours."""
    programs = ("unshare", "setpriv", "newuidmap", "newgidmap")
    if os.geteuid() != 0 or not all(map(shutil.which, programs)):
        pytest.skip(f"needs root, to become somebody else, and {', '.join(programs)} (util-linux, uidmap)")
    probe = as_nobody(folder, *rootless.NAMESPACES, "true")
    if probe.returncode != 0:
        pytest.skip(f"no user namespaces on this machine: {probe.stderr.strip()}")
    for python in (sys.executable, "/usr/bin/python3"):
        if as_nobody(folder, python, "-P", "-c", "import headgate_host").returncode == 0:
            break
    else:
        pytest.skip("this checkout, or Python, is in a folder that nobody else may enter")
    (folder / "headgate").mkdir()
    (folder / "headgate" / "__init__.py").write_text("raise SystemExit('not ours')")
    program = "from headgate_host.image import rootless; rootless.again(['--version'])"
    done = as_nobody(folder, python, "-P", "-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"headgate {__version__}\n", "")


def test_the_verb_goes_on_with_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that `cli.main` was given."""
    from headgate import cli

    def again(words: list[str]) -> None:
        started.extend(words)
        raise CommandError(MISSING, "it does not return", "")

    started: list[str] = []
    words = ["image", "build", "qemu-virt-arm64", "--set", "security=no", "--json"]
    monkeypatch.setattr(rootless, "again", again)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli.main(words) == MISSING
    assert started == words


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("echo unshare: not permitted >&2; exit 1", "cannot be had: unshare: not permitted"),
        (
            "printf \"unshare: unrecognized option '--map-auto'\\nTry 'unshare --help'\\n\" >&2; exit 1",
            "cannot be had: unshare: unrecognized option '--map-auto'",
        ),
        ("", "no unshare"),
    ],
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
    assert "util-linux 2.38" in caught.value.next_step
