"""How the second level is reached: users, passwords, TLS, and what `headgate doctor` says of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import fleet_kit
import pytest
import redis_server
from fleet_kit import PREFIX, Board
from harness import headgate, wait_for
from redis_server import Redis

pytestmark = pytest.mark.slow_emulated

PAGE = Path(__file__).parents[2] / "docs" / "cache-fleet.md"
PASSWORD = "correct-horse-battery"  # noqa: S105 - the test's


def documented_user() -> str:
    """The line of the page that makes the appliance's user, for the server's configuration."""
    found = re.search(r"^user headgate .*$", PAGE.read_text(), re.MULTILINE)
    assert found is not None
    return found.group().replace("SECRET", PASSWORD)


def login(folder: Path, password: str = PASSWORD) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "password"
    file.write_text(password + "\n")
    file.chmod(0o600)
    return f'username = "headgate"\npassword_file = "{file}"\n'


def doctor(board: Board) -> tuple[int, dict[str, Any]]:
    done = headgate("doctor", "--config", str(board.appliance.config), "--state", str(board.appliance.state), "--json")
    assert PASSWORD not in done.stdout + done.stderr
    checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    return done.returncode, checks["second level"]


def test_a_user_who_may_do_no_more_than_it_needs(tmp_path: Path) -> None:
    redis_server.need()
    with Redis(tmp_path / "redis", f"user default on nopass ~* +@all\n{documented_user()}") as redis:
        board = Board(tmp_path / "board", fleet_kit.config(redis.port, login(tmp_path)))
        try:
            board.put("k", b"1", Cache_Control="max-age=60")
            board.settled()
            assert redis.ask(b"GET", PREFIX + b"k") == b"1 60 application/octet-stream\n1"
            assert board.metric("told_of_changes") == 1
            assert redis.ask(b"SET", PREFIX + b"k", b"1 0 text/plain\n2") == b"OK"
            board.gives("k", b"2")
            assert board.ask("DELETE", "/v1/cache/k")[0] == 204
            board.settled()
            assert redis.ask(b"EXISTS", PREFIX + b"k") == 0
            assert board.metric("refused") == 0
            assert doctor(board)[1]["status"] == "ok"
            # A password that is changed there is read anew from the file here.
            assert redis.ask(b"ACL", b"SETUSER", b"headgate", b"resetpass", b">other") == b"OK"
            assert isinstance(redis.ask(b"CLIENT", b"KILL", b"USER", b"headgate"), int)
            board.until("connected", lambda value: value == 0)
            board.put("k", b"3")
            assert board.get("k")[2] == b"3"
            code, check = doctor(board)
            assert (code, check["status"], "WRONGPASS" in check["found"]) == (7, "fail", True)
            wait_for(lambda: "WRONGPASS" in board.appliance.log.read_text(), "it has tried the old password")
            login(tmp_path, "other")
            board.settled()
            assert redis.ask(b"GETRANGE", PREFIX + b"k", b"-1", b"-1") == b"3"
        finally:
            board.kill()
        log = board.appliance.log.read_text()
        assert PASSWORD not in log


def test_a_server_that_may_not_tell_of_changes(tmp_path: Path) -> None:
    redis_server.need()
    user = documented_user().replace(" +client|tracking", "")
    with Redis(tmp_path / "redis", f"user default on nopass ~* +@all\n{user}") as redis:
        board = Board(tmp_path / "board", fleet_kit.config(redis.port, login(tmp_path)))
        try:
            board.settled()
            assert board.metric("told_of_changes") == 0
            board.put("k", b"1")
            board.settled()
            assert redis.ask(b"SET", PREFIX + b"k", b"1 0 text/plain\n2") == b"OK"
            board.gives("k", b"2")  # within SHARED_STALE_MS
            assert doctor(board)[1]["status"] == "warn"
        finally:
            board.kill()
        assert "does not tell of changes (NOPERM" in board.appliance.log.read_text()


def test_a_server_that_takes_no_more(tmp_path: Path) -> None:
    redis_server.need()
    with Redis(tmp_path / "redis") as redis:
        board = Board(tmp_path / "board", fleet_kit.config(redis.port))
        try:
            board.put("k", b"1")
            board.settled()
            assert redis.ask(b"CONFIG", b"SET", b"maxmemory", b"1") == b"OK"
            board.put("k", b"2")
            board.settled()
            assert board.metric("refused") == 1
            assert redis.ask(b"EXISTS", PREFIX + b"k") == 0, "rather none than an old one"
            assert board.get("k")[2] == b"2"
        finally:
            board.kill()
        assert board.appliance.log.read_text().count("refuses a change: OOM") == 1


def test_tls(tmp_path: Path) -> None:
    redis_server.need()
    pytest.importorskip("cryptography")
    import certificates

    folder = certificates.make(tmp_path / "tls")
    redis = Redis(tmp_path / "redis")
    redis.config.write_text(
        redis.config.read_text().replace(f"port {redis.port}\n", f"port 0\ntls-port {redis.port}\n")
        + f"tls-cert-file {folder}/server.pem\ntls-key-file {folder}/server.key\ntls-ca-cert-file {folder}/ca.pem\n"
    )
    trust = f'ca_file = "{folder}/ca.pem"\n'
    client = f'cert_file = "{folder}/client.pem"\nkey_file = "{folder}/client.key"\n'
    with redis:
        board = Board(tmp_path / "board", fleet_kit.config(redis.port, trust + client, scheme="rediss"))
        stranger = Board(tmp_path / "stranger", fleet_kit.config(redis.port, scheme="rediss"))
        try:
            board.put("k", b"v" * 60000)
            board.settled()
            board.appliance.kill()
            board.appliance.start()
            board.until("connected", lambda value: value == 1)
            assert board.get("k")[2] == b"v" * 60000
            check = doctor(board)[1]
            assert check["status"] == "ok", check["found"]
            stranger.put("k", b"1")
            assert stranger.metric("connected") == 0
            assert "certificate verify failed" in doctor(stranger)[1]["found"]
        finally:
            board.kill()
            stranger.kill()
