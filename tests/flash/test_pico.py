"""`headgate flash rpi-pico-w` with real mpy-cross, mpremote and MicroPython (unix port) behind a pseudo-terminal."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import tty
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import headgate
from headgate import cli, errors
from headgate.core import base64url
from headgate.errors import CommandError
from headgate_host import micro_pack
from headgate_host.flash import boards, mpremote, pico

from . import kit
from .command import Done

sys.path.append(str(Path(__file__).parents[1] / "upy"))

AS_ON_A_BOARD = "import sys; sys.path[:] = ['', '.frozen', 'lib']"
PLAN: dict[str, Any] = {
    "v": 1,
    "appliance": "pico-1",
    "listen": "127.0.0.1:8080",
    "issuers": [
        {"name": "me", "audience": "headgate", "keys": [{"kid": "k1", "alg": "HS256", "k": "A" * 43}]},
    ],
    "streams": {"weather": {"durability": "memory"}},
}


@pytest.fixture(scope="module")
def micropython() -> list[str]:
    from real import NATIVE, micropython

    return micropython(NATIVE)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mpy-cross makes of the appliance: several seconds, so once."""
    folder = tmp_path_factory.mktemp("compiled")
    micro_pack.compile_tree(Path(headgate.__file__).parent, folder)
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "headgate.json"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path.write_text(change(listen=f"127.0.0.1:{port}"))
    path.chmod(0o600)
    return path


def change(**changes: object) -> str:
    return json.dumps({**PLAN, **changes})


@contextlib.contextmanager
def board(command: list[str], folder: Path) -> Iterator[str]:
    """MicroPython whose files are in `folder`, at a serial port -> the port's name."""
    folder.mkdir(exist_ok=True)
    inside, outside = pty.openpty()
    tty.setraw(outside)
    script = str(Path(__file__).with_name("raw_repl.py"))
    process = subprocess.Popen([*command, script], stdin=inside, stdout=inside, cwd=folder)
    os.close(inside)
    try:
        yield os.ttyname(outside)
    finally:
        process.kill()
        process.wait()
        os.close(outside)


Flash = Callable[..., int]


@pytest.fixture
def flash(compiled: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> Flash:
    """The verb with the files that were compiled before."""

    def copied(_: Path, target: Path) -> int:
        shutil.copytree(compiled, target)
        return 1

    def run(port: str, *words: str) -> int:
        return cli.main(["flash", "rpi-pico-w", "--port", port, "--config", str(config), *words])

    monkeypatch.setattr(micro_pack, "compile_tree", copied)
    return run


def test_files_arrive_and_the_appliance_starts(
    micropython: list[str], flash: Flash, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "board"
    (folder / "lib/headgate/old").mkdir(parents=True)
    (folder / "lib/other").mkdir()
    (folder / "lib/headgate/old/part.mpy").touch()
    (folder / "lib/headgate/limits.py").write_text("raise ImportError('the source of another version')")
    with board(micropython, folder) as port:
        assert flash(port, "--json") == errors.OK
        assert not (folder / "lib/headgate/old").exists()
        assert (folder / "lib/other").exists()
        done = Done(errors.OK, *capsys.readouterr())
        assert [event["name"] for event in done.events("phase")] == ["compiling", "sending", "verifying", "finishing"]
        (end,) = done.events("done")
        sent = [path for path in folder.rglob("*") if path.is_file()]
        assert len(sent) == end["files"] > 40
        assert (folder / "headgate.json").read_bytes() == config.read_bytes()
        assert (folder / "main.py").read_text() == pico.MAIN
        # The same again, over what is there: nothing changed, so little is sent
        before = {path: path.stat().st_mtime_ns for path in sent if path.suffix == ".mpy"}
        assert flash(port) == errors.OK
        assert {path: path.stat().st_mtime_ns for path in before} == before
    command_line = [*micropython, "-c", f"{AS_ON_A_BOARD}; import main"]
    with subprocess.Popen(command_line, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            heard = next(line for line in process.stdout if str(port_of(config)) in line)
            assert "listening" in heard
            with urllib.request.urlopen(f"http://127.0.0.1:{port_of(config)}/healthz") as answer:
                assert json.loads(answer.read()) == {"status": "ok"}
        finally:
            process.kill()


def port_of(config: Path) -> int:
    return int(json.loads(config.read_text())["listen"].rpartition(":")[2])


def test_wlan(micropython: list[str], flash: Flash, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "fleet.toml"
    settings.write_text('[wifi]\nssid = "works"\npassword = "Wifi-Secret"\ncountry = "CH"\n')
    settings.chmod(0o600)
    folder = tmp_path / "board"
    with board(micropython, folder) as port:
        assert flash(port, "--provision", str(settings), "--hostname", "pico-1") == errors.OK
    assert "Wifi-Secret" not in "".join(capsys.readouterr())
    wlan = {"ssid": "works", "key": "Wifi-Secret", "country": "CH", "hostname": "pico-1"}
    assert json.loads((folder / "wlan.json").read_text()) == wlan
    check = f"{AS_ON_A_BOARD}; from headgate.micro import boot; print(boot.connect('wlan.json'))"
    started = subprocess.run([*micropython, "-c", check], cwd=folder, capture_output=True, text=True, check=False)
    assert started.stdout == "False\n", started.stderr  # no radio here


def test_a_file_that_is_not_kept(
    micropython: list[str], flash: Flash, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its name leads to a device that forgets: the hash differs, and there is no main.py to start anything."""
    folder = tmp_path / "board"
    with board(micropython, folder) as port:
        (folder / "headgate.json").symlink_to("/dev/null")
        (folder / "main.py").write_text("old")
        assert flash(port) == errors.DEVICE
        said = capsys.readouterr().err
        assert "holds another headgate.json than was sent" in said
        assert said.count("\n") == 2  # with the line about the board
        assert not (folder / "main.py").exists()


def test_a_full_board(micropython: list[str], flash: Flash, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A board with 64 KiB of flash memory."""
    folder = tmp_path / "board"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "headgate-test", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        with board(micropython, folder) as port:
            assert flash(port) == errors.DEVICE
        assert "will not start the appliance" in capsys.readouterr().err
        assert not (folder / "main.py").exists()
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_nobody_at_the_port(flash: Flash, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert flash(str(tmp_path / "ttyACM9")) == errors.MISSING
    assert "no MicroPython board answers" in capsys.readouterr().err


def test_a_dry_run_needs_no_board(flash: Flash, capsys: pytest.CaptureFixture[str]) -> None:
    assert flash("/dev/nowhere", "--dry-run") == errors.OK
    assert "nothing was sent" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("listed", "port", "reason"),
    [
        ("", "", "no-candidate"),
        ("/dev/ttyS0 None 0000:0000 None None\n", "", "no-candidate"),
        ("/dev/ttyUSB0 A1 1a86:7523 None CH340\n/dev/ttyACM0 E6 2e8a:0005 MicroPython Board\n", "/dev/ttyACM0", ""),
        ("/dev/ttyACM0 E6 2e8a:0005 a b\n/dev/ttyACM1 E7 2E8A:0005 a b\n", "", "several"),
    ],
)
def test_which_board(listed: str, port: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `mpremote connect list` prints it."""
    monkeypatch.setattr(mpremote, "_run", lambda *_: listed)
    try:
        found = mpremote.only_board()
    except mpremote.Refused as refused:
        found, why = "", refused.reason
    else:
        why = ""
    assert (found, why) == (port, reason)


@pytest.mark.parametrize(
    ("file", "words", "refusal"),
    [
        ((change(), 0o644), "", (errors.CONFIG, "others can read it")),
        (("{", 0o600), "", (errors.CONFIG, "headgate.json")),
        ((change(v=9), 0o600), "", (errors.CONFIG, "another version")),
        ((change(uplink={}), 0o600), "", (errors.CONFIG, "no uplink here")),
        ((change(streams={"w": {"durability": "fsync"}}), 0o600), "", (errors.CONFIG, "durability")),
        ((change(), 0o600), "--image x", (errors.USAGE, "has no disk")),
        ((change(), 0o600), "--disk sdb", (errors.USAGE, "has no disk")),
    ],
)
def test_refused(file: tuple[str, int], words: str, refusal: tuple[int, str], tmp_path: Path) -> None:
    """`file`: content and mode; `refusal`: exit code and a part of the cause."""
    (text, mode), (code, cause) = file, refusal
    config = tmp_path / "headgate.json"
    config.write_text(text)
    config.chmod(mode)
    args = kit.arguments("rpi-pico-w", "--config", str(config), *words.split())
    with pytest.raises(CommandError) as caught:
        pico.flash(boards.load("rpi-pico-w"), args)
    assert (caught.value.code, cause in caught.value.cause) == (code, True), caught.value.line()
    assert base64url.encode(bytes(32)).decode() not in caught.value.line()


def test_no_configuration() -> None:
    with pytest.raises(CommandError, match="needs a compiled plan"):
        pico.flash(boards.load("rpi-pico-w"), kit.arguments("rpi-pico-w"))
    with pytest.raises(CommandError, match="No such file"):
        pico.flash(boards.load("rpi-pico-w"), kit.arguments("rpi-pico-w", "--config", "none.json"))
