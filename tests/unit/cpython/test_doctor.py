"""`headgate doctor`: each check against a machine that is well, and one that is not."""

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headgate import errors, limits
from headgate.linux import config as configuration
from headgate.linux import doctor_machine, doctor_network, doctor_state, keys, ntp, outbox_schema, verb_doctor
from headgate.linux.config import Config
from headgate.linux.config_values import Address, BrokerURL
from headgate.linux.doctor_machine import FAIL, OK, WARN

TEXT = """
[appliance]
state_dir = "state"
[listen]
http = []
https = []
[[issuer]]
name = "me"
secret_file = "device.key"
[streams.any]
schema = "any.json"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    keys.ensure_hs256(tmp_path / "device.key")
    (tmp_path / "any.json").write_text("true")
    (tmp_path / "headgate.toml").write_text(TEXT.replace("http = []", 'http = "127.0.0.1:0"', 1))
    return tmp_path / "headgate.toml"


@pytest.fixture
def config(file: Path) -> Config:
    return configuration.load(file, environ={"HOME": "/"})


def with_uplink(config: Config, port: int, **more: object) -> Config:
    uplink = config.uplink.replace(url=BrokerURL("127.0.0.1", port, False), **more)  # type: ignore[arg-type]
    return config.replace(uplink=uplink)


# --- the verb -------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser(description=verb_doctor.HELP, epilog=verb_doctor.EPILOG)
    verb_doctor.add_arguments(parser)
    return verb_doctor.main(parser.parse_args(arguments))


def test_all_checks_run(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run("--config", str(file), "--json")
    document = json.loads(capsys.readouterr().out)
    names = [check["check"] for check in document["checks"]]
    expected = ["configuration", "python", "native core", "PyNaCl", "zstandard", "aiomqtt", "word size", "page size"]
    expected += ["clock", "since boot", "watchdog", "state directory", "file system", "disk space", "fsync"]
    expected += ["keys of me", "port 0", "broker"]
    assert names == expected
    failed = [check for check in document["checks"] if check["status"] == "fail"]
    assert document["ok"] is not bool(failed)
    assert code == (errors.FINDING if failed else errors.OK)
    for check in document["checks"]:
        assert check["status"] in (OK, WARN, FAIL)
        assert check["found"]
        if check["status"] != OK:
            assert check["meaning"] or check["next_step"], check


def test_text_says_what_it_means_and_what_to_do(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / "state").write_text("a file")
    assert run("--config", str(file), "--offline") == errors.FINDING
    out = capsys.readouterr().out
    assert "FAIL state directory   " in out
    assert "'headgate run' will not start\n" in out
    assert "-> Set appliance.state_dir\n" in out
    assert "broker" not in out
    assert " failed, " in out.splitlines()[-1]


def test_a_refused_configuration_is_a_finding_and_the_machine_is_examined(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("[lsiten]\n[cach]\n")
    assert run("--config", str(file), "--json") == errors.FINDING
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert [c["status"] for c in checks if c["check"] == "configuration"] == ["fail", "fail"]
    assert "did you mean listen?" in checks[0]["found"]
    assert "python" in [c["check"] for c in checks]


def test_a_missing_configuration_is_a_finding(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", str(file) + "x", "--json") == errors.FINDING
    assert json.loads(capsys.readouterr().out)["checks"][0]["status"] == "fail"


# --- machine --------------------------------------------------------------------------------------------------------


def test_a_library_that_is_missing() -> None:
    lost = doctor_machine.library("Nothing", "headgate_no_such_module", False, "the moon", "python3-moon")
    assert (lost.status, lost.next_step) == (WARN, "Type: apt-get install python3-moon")
    assert "the moon" in lost.meaning
    needed = doctor_machine.library("Nothing", "headgate_no_such_module", True, "the moon", "pip: moon")
    assert (needed.status, needed.next_step) == (FAIL, "Type: pip install moon")
    assert doctor_machine.library("json", "json", True, "x", "y").status == OK


def test_the_native_core(monkeypatch: pytest.MonkeyPatch) -> None:
    from headgate import _accel

    monkeypatch.setattr(_accel, "BACKEND", "pure")
    assert doctor_machine.native_core().status == WARN
    monkeypatch.setattr(_accel, "BACKEND", "native")
    monkeypatch.setattr(_accel, "FEATURES", ("limiter", "store"))
    assert doctor_machine.native_core().found == "backend native: limiter, store"


def test_a_native_core_that_is_not_built() -> None:
    """In a process of its own: the choice is made at import."""
    program = (
        "import sys; sys.modules['headgate_native'] = None; sys.modules['headgate_native._native'] = None\n"
        "from headgate.linux import doctor_machine; print(doctor_machine.native_core().status)"
    )
    environment = {**os.environ, "HEADGATE_BACKEND": "native"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        timeout=60,
    )
    assert done.stdout == "fail\n"


def test_clock(config: Config) -> None:
    assert doctor_machine.clock(True, config).status == OK
    for policy, meaning in (
        ("estimate", "tokens are judged by what it shows"),
        ("refuse", "tokens are refused until it is"),
        ("accept", "only tokens surely expired are refused"),
    ):
        changed = config.replace(issuers=(config.issuers[0].replace(clock_policy=policy),))
        found = doctor_machine.clock(False, changed)
        assert (found.status, found.meaning) == (WARN, meaning)


def test_a_clock_behind_a_time_that_has_passed(config: Config) -> None:
    """It is not believed, synchronised or not, and every token is refused: core/clock.py."""
    now_s = 1_800_000_000
    config.state_dir.mkdir()
    kept = config.state_dir / ntp.FILE
    kept.write_text(f"{now_s + limits.CLOCK_SLACK_S}\n")
    assert doctor_machine.clock(True, config, now_s).status == OK
    assert doctor_machine.clock(False, config, now_s).status == WARN
    kept.write_text("2145916800\n")
    found = doctor_machine.clock(True, config, now_s)
    assert found.status == FAIL
    assert found.found == f"shows 2027-01-15 08:00 UTC, before 2038-01-01 00:00 UTC, which has passed by {kept}"
    assert found.meaning == "it is not believed; tokens are refused"
    kept.unlink()
    found = doctor_machine.clock(False, config, 0)
    assert "1970-01-01" in found.found
    assert found.status == WARN


def test_uptime(tmp_path: Path) -> None:
    file = tmp_path / "uptime"
    file.write_text("93784.5 1.0\n")
    assert doctor_machine.uptime(file).found == "1 d 2 h 3 min"
    file.write_text("12.00 1.0\n")
    assert "just started" in doctor_machine.uptime(file).meaning
    file.write_text("")
    assert doctor_machine.uptime(file).status == WARN
    assert doctor_machine.uptime(tmp_path / "none").status == WARN


def test_watchdog(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def device(path: Path) -> Config:
        return config.replace(watchdog=config.watchdog.replace(device=path))

    assert doctor_machine.watchdog(device(tmp_path / "none")).status == FAIL
    assert doctor_machine.watchdog(device(Path("/dev/null"))).status == OK
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert doctor_machine.watchdog(device(Path("/dev/null"))).status == FAIL
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    assert doctor_machine.watchdog(config).found == "systemd's"
    monkeypatch.delenv("WATCHDOG_USEC")
    assert doctor_machine.watchdog(None).status == OK


# --- state ----------------------------------------------------------------------------------------------------------

MOUNTS = r"""22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:26 / /run rw - tmpfs tmpfs rw
31 22 0:27 / /with\040space rw,nosuid shared:5 master:1 - vfat /dev/sda1 rw
32 31 0:28 / /with\040space/deep rw - nfs4 host:/x rw
33 22 0:29 / /run rw - overlay overlay rw
broken line
"""


@pytest.mark.parametrize(
    ("directory", "kind", "status"),
    [
        ("/var/lib/headgate", "ext4", OK),
        ("/", "ext4", OK),
        ("/run", "overlay", WARN),
        ("/runner", "ext4", OK),
        ("/with space/x", "vfat", WARN),
        ("/with space/deep/x", "nfs4", FAIL),
    ],
)
def test_file_system(tmp_path: Path, directory: str, kind: str, status: str) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    check = doctor_state.file_system(Path(directory), tmp_path / "mounts")
    assert (check.found, check.status) == (kind, status)
    assert bool(check.next_step) == (status != OK)


def test_unknown_file_system(tmp_path: Path) -> None:
    assert doctor_state.file_system(tmp_path, tmp_path / "none").status == WARN


def test_the_file_system_of_this_machine(tmp_path: Path) -> None:
    points = [line.split()[4] for line in doctor_state.MOUNTS.read_text().splitlines()]
    known = any(tmp_path.is_relative_to(point) for point in points)  # not in a chroot whose root is mounted nowhere
    assert (doctor_state.file_system(tmp_path, doctor_state.MOUNTS).found != "unknown") == known


def test_space() -> None:
    assert doctor_state.space(1 << 30, 1 << 28).status == OK
    assert doctor_state.space(1 << 27, 1 << 28).status == WARN
    assert doctor_state.space(1 << 20, 1 << 19).status == FAIL


def test_space_that_the_outbox_has_already(tmp_path: Path) -> None:
    """Three quarters of the budget are used and on the disk: half of it free is enough for the rest."""
    assert doctor_state.OUTBOX == outbox_schema.FILE
    assert doctor_state.in_use(tmp_path) == 0
    with (tmp_path / outbox_schema.FILE).open("wb") as file:
        file.truncate(3 << 26)
    check = doctor_state.space(1 << 27, 1 << 28, doctor_state.in_use(tmp_path))
    assert check.status == OK
    assert check.found == "128 MiB free, outbox budget 256 MiB, 192 MiB of it on the disk"


def test_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = tmp_path / "a" / "b"
    assert doctor_state.existing_part(wanted) == tmp_path
    assert doctor_state.usable(wanted, tmp_path).found == f"{wanted} will be made by the first run"
    assert doctor_state.usable(tmp_path, tmp_path).status == OK
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert doctor_state.usable(tmp_path, tmp_path).status == FAIL


def test_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor_state.fsync(tmp_path).status == OK
    assert list(tmp_path.iterdir()) == []

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    check = doctor_state.fsync(tmp_path)
    assert check.status == FAIL
    assert "Input/output error" in check.found


def test_keys(config: Config) -> None:
    secret = config.issuers[0].secret_file
    assert secret is not None
    (check,) = doctor_state.keys(config)
    assert check.status == OK
    assert check.found.startswith("HS256 ")
    assert secret.read_text().strip() not in check.found
    secret.chmod(0o644)
    (check,) = doctor_state.keys(config)
    assert check.status == FAIL
    assert "chmod 600" in check.next_step
    secret.unlink()
    (check,) = doctor_state.keys(config)
    assert check.status == WARN


# --- network --------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Callable[[bytes], int]]:
    """Starts a server on a free port that answers every connection with the given bytes."""
    sockets = []
    threads = []

    def start(answer: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        threads.append(thread)
        return int(listener.getsockname()[1])

    yield start
    for listener in sockets:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(5)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_ports(server: Callable[[bytes], int]) -> None:
    free = Address("127.0.0.1", free_port())
    assert doctor_network.listening(free, tls=False).status == OK
    other = Address("127.0.0.1", server(b"HTTP/1.1 404 Not Found\r\n\r\nnobody"))
    assert doctor_network.listening(other, tls=False).status == FAIL
    assert doctor_network.listening(other, tls=True).status == WARN
    ours = Address("127.0.0.1", server(b'HTTP/1.1 404 Not Found\r\n\r\n{"type":"urn:headgate:problem:not-found"}'))
    check = doctor_network.listening(ours, tls=False)
    assert (check.status, check.found) == (OK, f"{ours} is served by a running Headgate")
    assert doctor_network.listening(ours, tls=False, mqtt=True).status == FAIL
    ours = Address("127.0.0.1", server(b"\x20\x1b\x00\x86\x18\x26\x00\x07problem\x00\x0dmissing_token"))
    assert doctor_network.listening(ours, tls=False, mqtt=True).status == OK
    assert doctor_network.listening(Address("203.0.113.1", 8080), tls=False).status == FAIL  # not an address of ours
    assert doctor_network.listening(Address("no-such-host.invalid", 8080), tls=False).status == FAIL


def test_privileged_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Address) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor_network, "_try_to_listen", refuse)
    assert "CAP_NET_BIND_SERVICE" in doctor_network.listening(Address("127.0.0.1", 80), tls=False).next_step


def test_no_broker(config: Config) -> None:
    checks = list(doctor_network.network_checks(with_uplink(config, free_port())))
    assert [(c.name, c.status) for c in checks] == [("port 0", OK), ("broker", FAIL)]


def test_something_that_is_no_broker(config: Config, server: Callable[[bytes], int]) -> None:
    checks = list(doctor_network.network_checks(with_uplink(config, server(b"HTTP/1.1 400 Bad Request\r\n\r\n"))))
    assert [(c.name, c.status) for c in checks[1:]] == [("broker", OK), ("broker login", FAIL)]


def test_a_broker_that_refuses_us(config: Config, server: Callable[[bytes], int]) -> None:
    refusal = b"\x20\x03\x00\x87\x00"  # CONNACK, reason 0x87 not authorized, no properties (MQTT 5.0 section 3.2)
    check = asyncio.run(doctor_network.login(with_uplink(config, server(refusal))))
    assert check.status == FAIL
    assert "Not authorized" in check.found


def test_a_password_file_that_is_gone(config: Config, tmp_path: Path) -> None:
    broken = with_uplink(config, free_port(), username="u", password_file=tmp_path / "gone")
    check = asyncio.run(doctor_network.login(broken))
    assert check.status == FAIL
    assert "gone" in check.found


@pytest.mark.skipif(shutil.which("mosquitto") is None, reason="mosquitto is not installed")
def test_a_real_broker(config: Config, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "m.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    mosquitto = shutil.which("mosquitto") or ""
    with subprocess.Popen(
        [mosquitto, "-c", str(tmp_path / "m.conf"), "-v"], stderr=subprocess.PIPE, text=True
    ) as broker:
        assert broker.stderr is not None
        try:
            for line in broker.stderr:
                if "running" in line:
                    break
            checks = list(doctor_network.network_checks(with_uplink(config, port)))
        finally:
            broker.terminate()
    assert [(c.name, c.status) for c in checks[1:]] == [("broker", OK), ("broker login", OK)]
