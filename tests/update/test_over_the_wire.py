"""`headgate update` -> the appliance -> the update helper, all of them real, with files for partitions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certificates
import pytest
from harness import free_port, headgate, wait_for

from headgate import _accel
from headgate.errors import REFUSED, CommandError
from headgate.linux import boot_state, update_helper, update_relay, update_status
from headgate.linux.native_gateway import http2_missing
from headgate_host.update import board as update_board

from . import kit
from .kit import Disk

CONFIG = """\
[listen]
http = "127.0.0.1:{port}"
[[issuer]]
name = "headgate"
secret_file = "{{state}}/keys/device.key"
[streams.any]
"""


class Board:
    """An appliance in a child process, and the helper in a thread."""

    def __init__(
        self, folder: Path, disk: Disk, machine: update_helper.Machine | None = None, *, listen: str = ""
    ) -> None:
        self.folder, self.disk, self.port = folder, disk, free_port()
        self.config, self.state, self.status = folder / "headgate.toml", folder / "state", folder / "status.json"
        self.config.write_text(CONFIG.format(port=self.port).replace("[listen]\n", f"[listen]\n{listen}\n"))
        self.machine = machine or disk.machine()
        self.restarts = 0
        self.socket = folder / "socket"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.socket))
        self.listener.listen()
        update_status.publish(self.machine.here, confirmed=True, path=self.status, memory=folder / "none")
        self.helper = threading.Thread(target=self._help)
        self.helper.start()
        words = ["run", "--config", str(self.config), "--state", str(self.state)]
        program = Path(__file__).with_name("appliance.py")
        self.process = subprocess.Popen([sys.executable, str(program), str(self.socket), str(self.status), *words])
        wait_for(self._answers, "the appliance answers")

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _help(self) -> None:
        with contextlib.suppress(OSError):  # close() ends it
            while True:
                client, _ = self.listener.accept()
                if update_helper.serve(client, self.machine):
                    self.restarts += 1

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.helper.join()
        self.listener.close()

    def token(self, *scopes: str) -> Path:
        words = [word for scope in scopes for word in ("--scope", scope)]
        done = headgate("token", "--config", str(self.config), "--state", str(self.state), "--sub", "admin", *words)
        file = self.folder / "token"
        file.write_text(done.stdout)
        return file

    def update(
        self, file: Path, *words: str, scopes: tuple[str, ...] = ("update:*",)
    ) -> subprocess.CompletedProcess[str]:
        trust = ["--trust", str(file.parent / "image.pub")]
        token = ["--token", str(self.token(*scopes))]
        return headgate("update", f"127.0.0.1:{self.port}", str(file), *trust, *token, "--no-wait", *words)


@pytest.fixture
def live(tmp_path: Path, board: Disk) -> Iterator[Board]:
    one = Board(tmp_path, board)
    yield one
    one.close()


def test_an_image(image: Path, live: Board) -> None:
    done = live.update(image)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "written slot b" in done.stderr
    assert live.restarts == 1
    assert (live.disk.folder / "root_b").read_bytes() == kit.content(image, "root_a")
    assert boot_state.read(live.disk.state) == boot_state.on_trial("a")


def test_a_bundle(image: Path, live: Board, tmp_path: Path) -> None:
    file = tmp_path / "headgate.hgu"
    done = headgate(
        "update", "bundle", str(image), "-o", str(file), "--trust", str(image.with_name("image.pub")), "--json"
    )
    assert json.loads(done.stdout) == {"version": "1.3.0", "board": "rpi-4", "size": file.stat().st_size}, done.stderr
    assert file.read_bytes() == kit.bundle(image)
    (tmp_path / "image.pub").write_bytes(image.with_name("image.pub").read_bytes())
    done = live.update(file, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["event"] for e in events if e["event"] != "progress"] == ["plan", "phase", "done"]
    assert (done.returncode, events[-1]["slot"]) == (0, "b")


@pytest.mark.skipif(_accel.BACKEND != "native" or bool(http2_missing()), reason="HTTP/2 is the native server's")
def test_over_http2(image: Path, tmp_path: Path, board: Disk) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl (Debian and Ubuntu: apt-get install curl)")
    file = tmp_path / "headgate.hgu"
    file.write_bytes(kit.bundle(image))
    live = Board(tmp_path, board, listen="http2 = true")
    try:
        words = [curl, "-sS", "--http2-prior-knowledge", "-w", " %{http_version} %{http_code}", "-H"]
        words += [f"Authorization: Bearer {live.token('update:*').read_text().strip()}"]
        url = f"http://127.0.0.1:{live.port}/v1/update"
        sent = subprocess.run(
            [*words, "-H", "Content-Type: application/zstd", "-T", str(file), url], capture_output=True, check=True
        )
        assert sent.stdout == b'{"slot":"b","version":"1.3.0"} 2 202', sent
    finally:
        live.close()
    assert (live.disk.folder / "root_b").read_bytes() == kit.content(image, "root_a")


def test_tokens(image: Path, live: Board) -> None:
    for scopes in (("publish:any",), ("update:read",), ("update:install",)):
        done = live.update(image, scopes=scopes)
        assert done.returncode == 4, done.stderr
        assert "does not take this token" in done.stderr
    assert live.disk.changed() == set()


def test_what_the_host_refuses_and_what_the_board_does(image: Path, tmp_path: Path, board: Disk) -> None:
    live = Board(tmp_path, board, board.machine(kit.older()))
    try:
        done = live.update(image)
        assert (done.returncode, "is older than 2.0.0" in done.stderr) == (8, True), done.stderr
        done = live.update(image, "--downgrade", scopes=("update:read", "update:install"))
        assert done.returncode == 8, done.stderr
        assert "refuses" in done.stderr
        assert live.update(image, "--downgrade").returncode == 0
    finally:
        live.close()


def test_a_board_that_trusts_somebody_else(image: Path, tmp_path: Path, board: Disk) -> None:
    """The refusal comes before the bundle is through, and is read all the same."""
    live = Board(tmp_path, board, board.machine(seed=kit.STRANGER))
    try:
        done = live.update(image)
        assert (done.returncode, "is signed by" in done.stderr) == (8, True), done.stderr
        assert "\n" not in done.stderr.splitlines()[-1]
    finally:
        live.close()


def test_a_refusal_over_tls(tmp_path: Path, board: Disk) -> None:
    """What is still being sent when the board has closed fails otherwise than over plain HTTP."""
    kit.make_image(tmp_path)
    certs = certificates.make(tmp_path / "certs")
    port = free_port()
    listen = f'https = "127.0.0.1:{port}"\ntls_cert = "{certs}/server.pem"\ntls_key = "{certs}/server.key"'
    live = Board(tmp_path, board, board.machine(seed=kit.STRANGER), listen=listen)
    token = live.token("update:*").read_text().strip()
    one = update_board.Board(f"https://127.0.0.1:{port}", token, certs / "ca.pem")
    bundle = kit.bundle(tmp_path / "image.img.zst")
    pieces = [bundle, *[bytes(65536)] * 512]  # more than sockets take before the answer is there
    try:
        with pytest.raises(CommandError, match="is signed by") as refused:
            one.install(sum(map(len, pieces)), iter(pieces))
        assert refused.value.code == REFUSED
    finally:
        live.close()


def test_a_helper_that_dies(image: Path, live: Board) -> None:
    live.socket.unlink()
    done = live.update(image)
    assert (done.returncode, "the update helper is not there" in done.stderr) == (6, True), done.stderr


@pytest.mark.parametrize("size", [1, 4 << 20])
def test_a_helper_that_stands_still(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up, before all is sent or after, and the next update is not refused for it."""
    monkeypatch.setattr(update_relay, "_STALL_S", 0.1)
    relay = update_relay.Relay(tmp_path / "socket")

    async def install() -> dict[str, Any]:
        pieces = iter([bytes(size), None])

        async def body() -> bytes | None:
            return next(pieces)

        return await asyncio.wait_for(relay.install(body, size, downgrade=False), 20)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        for _ in range(2):
            assert asyncio.run(install()) == {"failed": "the update helper stands still"}


def test_status(live: Board) -> None:
    token = str(live.token("update:read"))
    done = headgate("update-status", f"127.0.0.1:{live.port}", "--token", token)
    assert (done.returncode, done.stdout) == (0, "slot      a, confirmed\nversion   1.2.0 for rpi-4\n")
    memory = live.folder / "memory"
    update_status.remember_rollback("b", "it was slow", memory)
    update_status.publish(live.machine.here, confirmed=True, path=live.status, memory=memory)
    done = headgate("update-status", f"127.0.0.1:{live.port}", "--token", token)
    assert (done.returncode, "rollback  slot b: it was slow" in done.stdout) == (7, True)
    live.status.unlink()
    done = headgate("update-status", f"127.0.0.1:{live.port}", "--token", token, env={**os.environ})
    assert (done.returncode, "does not know yet" in done.stderr) == (6, True)


@pytest.mark.parametrize(
    ("host", "code"),
    [
        *[("127.0.0.1:1", 5), ("", 2), ("ftp://x", 2), ("x:99999", 2), ("http://x/y", 2)],
        *[("http://two words", 2), ("gate..017", 2), ("x" * 64, 2), ("gate\x01", 2)],
    ],
)
def test_addresses(host: str, code: int, image: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x")
    done = headgate("update", host, str(image), "--token", str(token), "--trust", str(image.with_name("image.pub")))
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize("text", ["secret\r\n{", "secret-ł", "secret two", "{\n}", "\n"])
def test_what_is_no_token_is_not_shown(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    for words, more in ((["--token", str(file)], {}), ([], {"HEADGATE_TOKEN": text})):
        done = headgate("update-status", "127.0.0.1:1", *words, env={**os.environ, **more})
        assert (done.returncode, "does not hold a token" in done.stderr) == (4, True), done.stderr
        assert "secret" not in done.stderr


def test_a_token_with_the_end_of_its_line(live: Board) -> None:
    token = live.token("update:read").read_text().strip()
    for end in ("\n", "\r\n"):
        done = headgate("update-status", f"127.0.0.1:{live.port}", env={**os.environ, "HEADGATE_TOKEN": token + end})
        assert done.returncode == 0, done.stderr
