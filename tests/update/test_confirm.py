"""Keep a slot or give it up: what an appliance says of itself, on a real socket, and what becomes of the boot state."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import certificates
import pytest

from headgate.linux import boot_state, update_confirm, update_install, update_status
from headgate.linux.boot_state import BootState

from . import kit
from .kit import Disk

READY = {"/readyz": (200, b'{"ready":true}'), "/metrics": (200, b"headgate_uplink_connected 1\n")}


@pytest.fixture
def says() -> Iterator[dict[str, tuple[int, bytes]]]:
    """What the appliance answers, by path; may be changed."""
    answers = dict(READY)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers[self.path]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        answers["port"] = (server.server_port, b"")
        yield answers
        server.shutdown()
        thread.join()


def asking(says: dict[str, tuple[int, bytes]]) -> update_confirm.Ask:
    return update_confirm.asking("127.0.0.1", says["port"][0])


def test_what_works(says: dict[str, tuple[int, bytes]]) -> None:
    assert update_confirm.lacks(asking(says), uplink=True) == ""


def test_what_is_not_ready(says: dict[str, tuple[int, bytes]]) -> None:
    says["/readyz"] = (503, b'{"ready":false,"reasons":["outbox: failing"]}')
    assert "outbox: failing" in update_confirm.lacks(asking(says), uplink=False)


def test_an_uplink_that_is_not_connected(says: dict[str, tuple[int, bytes]]) -> None:
    says["/metrics"] = (200, b"headgate_uplink_connected 0\n")
    assert update_confirm.lacks(asking(says), uplink=True) == "the uplink is not connected"
    assert update_confirm.lacks(asking(says), uplink=False) == ""


def test_nobody_there() -> None:
    assert "does not answer" in update_confirm.lacks(update_confirm.asking("127.0.0.1", 1), uplink=False)


def test_it_waits_until_it_works(says: dict[str, tuple[int, bytes]]) -> None:
    says["/readyz"] = (503, b"{}")
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            says["/readyz"] = (200, b"{}")

    assert update_confirm.wait(asking(says), uplink=True, seconds=60, pause=pause) == ""
    assert len(pauses) == 3
    says["/readyz"] = (503, b"{}")
    assert update_confirm.wait(asking(says), uplink=True, seconds=0, pause=pause) == "not ready: {}"


def test_an_appliance_that_speaks_tls_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd goes on with what comes after a unit when that has failed, too: whoever was not asked is not ready."""
    certs = certificates.make(tmp_path / "certs")
    listen = f'http = []\nhttps = "127.0.0.1:0"\ntls_cert = "{certs}/server.pem"\ntls_key = "{certs}/server.key"\n'
    config, cmdline, systemctl = tmp_path / "headgate.toml", tmp_path / "cmdline", tmp_path / "systemctl"
    config.write_text(f"[listen]\n{listen}[streams.any]\n")
    cmdline.write_text("headgate.trial=0\n")
    monkeypatch.setenv("HEADGATE_CONFIG", str(config))
    monkeypatch.setenv("HEADGATE_STATE", str(tmp_path))
    monkeypatch.setattr(update_install, "CMDLINE", cmdline)
    monkeypatch.setattr(update_confirm, "_SYSTEMCTL", ("sh", str(systemctl)))
    systemctl.write_text("[ $1 = is-active ] && echo failed; exit 3\n")
    assert update_confirm._watch(on_trial=True) == "not ready: failed"
    systemctl.write_text("[ $1 = is-active ] && echo active\n")
    assert update_confirm._watch(on_trial=True) == ""


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "rollback.json"


def _decided(problem: str, board: Disk, memory: Path) -> bool:
    return update_confirm.decide(problem, kit.HERE, boot_state.read(board.state), board.state, memory)


def test_a_new_slot_that_works(board: Disk, memory: Path) -> None:
    update_status.remember_rollback("b", "of long ago", memory)
    boot_state.write(board.state, boot_state.on_trial("b")._replace(left=(2, 9)))
    assert not _decided("", board, memory)
    assert boot_state.read(board.state) == BootState(("a", "b"), (9, 9))
    assert update_status.load(memory) is None


def test_a_new_slot_that_does_not(board: Disk, memory: Path) -> None:
    boot_state.write(board.state, boot_state.on_trial("b"))
    assert _decided("not ready: x", board, memory)
    assert board.next() == "b"
    assert update_status.load(memory) == {"slot": "a", "reason": "version 1.2.0: not ready: x"}


def test_back_in_the_old_slot(board: Disk, memory: Path) -> None:
    """After the new one had said why, and after one that came to nothing."""
    update_status.remember_rollback("b", "why", memory)
    boot_state.write(board.state, boot_state.failed("b"))
    assert not _decided("", board, memory)
    assert update_status.load(memory)["reason"] == "why"
    boot_state.write(board.state, boot_state.on_trial("a")._replace(left=(8, 0)))
    assert not _decided("", board, memory)
    assert update_status.load(memory) == {"slot": "b", "reason": "slot b did not come up"}
    assert boot_state.read(board.state) == boot_state.FACTORY


def test_an_update_that_ends_meanwhile_is_not_undone(board: Disk, memory: Path) -> None:
    """The slot that runs proves good between the end of the update and the restart into it."""
    for before in (boot_state.FACTORY, boot_state.on_trial("a")._replace(left=(9, 2))):
        boot_state.write(board.state, boot_state.on_trial("a"))
        assert not update_confirm.decide("", kit.HERE, before, board.state, memory)
        assert boot_state.read(board.state) == boot_state.on_trial("a")
        assert update_status.load(memory) is None


def test_nobody_writes_between_reading_and_deciding(board: Disk, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = boot_state.read(board.state)
    boot_state.write(board.state, boot_state.on_trial("b"))
    seen = kit.locks_seen(monkeypatch)
    update_confirm.decide("", kit.HERE, before, board.state, memory)
    update_confirm.decide("not ready", kit.HERE, before, board.state, memory)
    assert seen == [True, True, True]  # the second finds a slot that is confirmed


def test_an_update_that_was_never_started_is_given_up(board: Disk, memory: Path) -> None:
    """Where the boot loader cannot write, no start was counted."""
    boot_state.write(board.state, boot_state.on_trial("a"))
    assert not _decided("", board, memory)
    assert boot_state.read(board.state) == boot_state.FACTORY


def test_a_confirmed_slot_is_never_given_up(board: Disk, memory: Path) -> None:
    before = boot_state.read(board.state)
    assert not _decided("the uplink is not connected", board, memory)
    assert boot_state.read(board.state) == before
    assert update_status.load(memory) is None


def test_what_is_published(tmp_path: Path, memory: Path) -> None:
    path = tmp_path / "status.json"
    update_status.publish(kit.HERE, confirmed=False, problem="p" * 10, path=path, memory=memory)
    status = update_status.load(path)
    assert (status["slot"], status["confirmed"], status["problem"], status["last_rollback"]) == (
        "a",
        False,
        "p" * 10,
        None,
    )
    assert path.stat().st_mode & 0o777 == 0o644
    path.write_text("{")
    assert update_status.load(path) is None
