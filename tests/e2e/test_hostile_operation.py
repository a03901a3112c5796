"""A clumsy operator, a hostile device and a worn-out machine: the appliance goes on, or says in one line why not."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import product
from pathlib import Path

import pytest
from harness import START_S, Appliance, Load, cpu_ms, environment, free_port, headgate, running, wait_for
from mosquitto import Mosquitto, available

from headgate_host import stations

pytestmark = pytest.mark.slow_emulated

STREAMS = '\n[streams.weather]\nrate = "100000/s"\nburst = 100000\n'
RSS_GROWTH_KIB = 16 * 1024


def run_command(appliance: Appliance) -> list[str]:
    place = ["--config", str(appliance.config), "--state", str(appliance.state)]
    return [sys.executable, "-m", "headgate", "run", *place]


def rss_kib(appliance: Appliance) -> int:
    assert appliance.process is not None
    pages = int(Path(f"/proc/{appliance.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def connect(appliance: Appliance) -> socket.socket:
    return socket.create_connection(("127.0.0.1", appliance.port), timeout=20)


def batch_head(token: str, kind: str = "application/x-ndjson") -> bytes:
    return (
        f"POST /v1/streams/weather HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


# -- a hostile device


def test_out_of_file_descriptors(tmp_path: Path) -> None:
    """More clients than the process may have open files: no spinning, no flood of log lines, and it recovers."""
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))  # the child inherits it
    try:
        command = f"ulimit -H -n 64; exec {' '.join(run_command(appliance))}"
        with appliance.log.open("ab") as log:
            appliance.process = subprocess.Popen(["sh", "-c", command], stdout=log, stderr=log)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    process = appliance.process
    with contextlib.ExitStack() as stack:
        stack.callback(process.wait)
        stack.callback(process.kill)
        wait_for(appliance._answers, "it answers")
        assert "only 24 connections at a time" in appliance.log.read_text()
        clients = [stack.enter_context(connect(appliance)) for _ in range(150)]
        wait_for(lambda: len(list(Path(f"/proc/{process.pid}/fd").iterdir())) >= 30, "the table is full")
        lines, used = len(appliance.log.read_text().splitlines()), cpu_ms(process.pid)
        time.sleep(2)
        assert cpu_ms(process.pid) - used < 500
        assert len(appliance.log.read_text().splitlines()) - lines < 5
        for client in clients:
            client.close()
        wait_for(lambda: answers(appliance), "it answers again")
        assert "Traceback" not in appliance.log.read_text()


def answers(appliance: Appliance) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return appliance.get("/healthz")[0] == 200
    return False


def test_two_thousand_connections(tmp_path: Path) -> None:
    """Over 1024: told so or closed, at once; the others stay."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("this system allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    try:
        appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS)
        with running(appliance), contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connect(appliance)) for _ in range(2000)]
            wait_for(lambda: sum(map(ended, clients)) >= 2000 - 1024 - 32, "those over the limit are closed")
            first = clients[0]
            first.settimeout(20)
            first.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " in first.recv(1000)
            assert rss_kib(appliance) < 64 * 1024
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def ended(client: socket.socket) -> bool:
    """The other side has closed it, with a word or without."""
    client.settimeout(0)
    try:
        return client.recv(12, socket.MSG_PEEK) in (b"", b"HTTP/1.1 503")
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_clients_that_never_read_their_results(tmp_path: Path) -> None:
    """Batches of thousands of records whose results pile up: reading stops, memory stays."""
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS)
    with running(appliance), contextlib.ExitStack() as stack:
        token = appliance.token("mill")
        start = rss_kib(appliance)
        for _ in range(10):
            client = stack.enter_context(connect(appliance))
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                client.setsockopt(socket.SOL_SOCKET, option, 4096)
            client.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                client.sendall(batch_head(token))
                for _ in range(8000):  # 24 MB, more than the kernel's buffers take
                    client.sendall(chunk(b"{}\n" * 1000))
                pytest.fail("all of it was read")
        growth = rss_kib(appliance) - start
        print(f"RSS growth: {growth} KiB")
        assert growth < RSS_GROWTH_KIB
        assert appliance.get("/healthz")[0] == 200


def test_clients_that_vanish_in_mid_batch(tmp_path: Path) -> None:
    """What was stored before stays stored; the ledger balances; nothing leaks."""
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS)
    with running(appliance):
        assert appliance.process is not None
        token = appliance.token("mill")
        for number in range(60):
            client = connect(appliance)
            client.sendall(batch_head(token) + b"%x\r\n" % 9000 + b"{}\n" * 1000)
            if number % 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST
            client.close()
        wait_for(lambda: b"headgate_connections 1\n" in appliance.get("/metrics")[1], "the connections are gone")
        assert appliance.stop() == 0
        assert "Traceback" not in appliance.log.read_text()
        ledger = appliance.ledger()
        assert ledger["balanced"]
        assert 0 < ledger["accepted"] <= 60_000


# -- a clumsy operator


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_signals_while_it_starts(tmp_path: Path, number: signal.Signals) -> None:
    """SIGHUP would end a process that does not expect it; SIGTERM ends this one properly."""
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS)
    with appliance.log.open("wb") as log:
        process = subprocess.Popen(run_command(appliance), stdout=log, stderr=log)
    try:
        # What it says about the configuration comes before anything listens.
        wait_for(lambda: appliance.log.read_text() or process.poll() is not None, "it has begun")
        process.send_signal(number)
        if number is signal.SIGHUP:
            wait_for(lambda: answers(appliance) or process.poll() is not None, "it answers")
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()


def test_reload_under_load(tmp_path: Path) -> None:
    """Nobody notices: no failed request, no message twice."""
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS)
    with running(appliance):
        assert appliance.process is not None
        good = appliance.config.read_text()
        load = Load(appliance, stations.messages(600, 6, spoil=0), keys=False, pace_s=0.005).start()
        reloads = 0
        while load.running() and reloads < 20:
            reloads += 1
            appliance.config.write_text(good + f"\n[streams.new{reloads}]\n" if reloads % 3 else good + "\nnonsense")
            appliance.process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        outcome = load.join()
        assert (len(outcome.acked), outcome.wrong, outcome.retries) == (600, [], 0)
        assert "reload refused" in appliance.log.read_text()
        assert "reloaded" in appliance.log.read_text()
        assert appliance.ledger()["accepted"] == 600


def test_what_a_reload_cannot_change_is_said(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS + '[appliance]\nid = "mill-1"\n')
    with running(appliance):
        assert appliance.process is not None
        text = (
            appliance.config.read_text().replace("mill-1", "mill-2").replace("[listen]", "[listen]\nconnections = 1", 1)
        )
        appliance.config.write_text(text)
        appliance.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloaded" in appliance.log.read_text(), "it reloads")
        for section in ("appliance", "listen"):
            assert f"[{section}] has changed: takes effect with the next start" in appliance.log.read_text()
        with connect(appliance), connect(appliance):  # the old limit holds
            assert appliance.get("/healthz")[0] == 200


def test_sigterm_with_slow_clients(tmp_path: Path) -> None:
    """A client that stopped in the middle of its body and one that does not read cannot hold the end up."""
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS)
    appliance.config.write_text(
        appliance.config.read_text().replace("[listen]", '[listen]\ndrain_timeout = "500 ms"', 1)
    )
    with running(appliance), connect(appliance) as writer, connect(appliance) as reader:
        token = appliance.token("mill")
        writer.sendall(batch_head(token) + b"40\r\n{")
        reader.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            reader.sendall(batch_head(token))
            while True:
                reader.sendall(chunk(b"{}\n" * 1000))
        started = time.monotonic()
        assert appliance.stop() == 0
        assert time.monotonic() - started < 8
        assert appliance.ledger()["balanced"]


def test_state_directory_vanishes(tmp_path: Path) -> None:
    """503, not ready, no new directory full of lies; it ends properly, and goes on when the directory is back."""
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS)
    with running(appliance):
        load = stations.messages(10, 1, spoil=0)
        assert len(Load(appliance, load).start().join().acked) == 10
        token = appliance.token("mill")
        aside = tmp_path / "aside"
        appliance.state.rename(aside)
        assert publish(appliance, token) == 503
        assert appliance.get("/readyz")[0] == 503
        assert not appliance.state.exists()
        assert appliance.stop() == 0
        aside.rename(appliance.state)
        appliance.start()
        assert publish(appliance, token) == 202
        assert appliance.ledger()["accepted"] == 11


def publish(appliance: Appliance, token: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", appliance.port, timeout=20)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/streams/weather", b"{}", headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_nothing_it_writes_is_for_others(tmp_path: Path) -> None:
    """Whatever the umask: messages and keys belong to the appliance's user."""
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS, state=tmp_path / "made" / "state")
    before = os.umask(0)
    try:
        with running(appliance):
            made = [tmp_path / "made", *(tmp_path / "made").rglob("*")]
            assert len(made) > 4
            assert [path for path in made if path.stat().st_mode & 0o077] == []
        elsewhere = tmp_path / "else" / "where"
        assert headgate("keys", "init", "--eddsa", "--dir", str(elsewhere)).returncode == 0
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "else").rglob("*")}
        assert modes.pop("device-eddsa.pub") == 0o644
        assert modes == {"where": 0o700, "device.key": 0o600, "device-eddsa.key": 0o600}
        assert elsewhere.parent.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)


# -- the command line


@pytest.mark.parametrize("verb", ["run", "check", "token", "keys", "outbox", "doctor", "receive"])
def test_a_wrong_option_is_one_line_also_in_json(verb: str) -> None:
    ended = headgate(verb, "--nonsense")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 1
    assert f"headgate {verb} --help" in ended.stderr
    ended = headgate(verb, "--nonsense", "--json")
    assert ended.returncode == 2
    assert json.loads(ended.stderr)["error"]["code"] == 2


def test_output_that_nobody_takes() -> None:
    """Buffered output fails when the interpreter ends, long after the verb was done."""
    for arguments, full in ((["--help"], 4), (["run", "--help"], 4), (["check"], 4), (["load", "--help"], 2)):
        for target, code in (("| true", 0), ("> /dev/full", full), (">&-", 0)):
            script = f"{sys.executable} -m headgate {' '.join(arguments)} {target}"
            if target == "| true":
                script = f"{{ {sys.executable} -m headgate {' '.join(arguments)}; echo $? >&3; }} 3>&2 | true"
            done = subprocess.run(
                ["sh", "-c", script], text=True, capture_output=True, timeout=60, check=False,
                env=environment(PYTHONUNBUFFERED=""),
            )  # fmt: skip
            assert "Traceback" not in done.stderr
            assert "Exception ignored" not in done.stderr
            found = int(done.stderr.split()[-1]) if target == "| true" else done.returncode
            assert found == code, (arguments, target, done.stderr)


def test_a_failure_that_nobody_reads_is_one(tmp_path: Path) -> None:
    """`headgate check --json | head -1` in a script: what comes back is what was found."""
    (tmp_path / "bad.toml").write_text("".join(f"[nonsense{n}]\n" for n in range(300)))
    config = str(tmp_path / "bad.toml")
    for arguments, unbuffered in product(
        (
            ["check", "--config", config],
            ["check", "--json", "--config", config],
            ["run", "--config", config],
            ["verify", config],
            ["load", "run", config, "--check"],
            ["x"],
        ),
        ("", "1"),
    ):
        command = f"{sys.executable} -m headgate {' '.join(arguments)}"
        right = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False).returncode
        assert right > 1
        for target in ("2>&1", "2>/dev/full >/dev/full"):
            done = subprocess.run(
                ["sh", "-c", f"{{ {command} {target}; echo $? >&3; }} 3>&2 | true"], text=True, capture_output=True,
                timeout=60, check=False, env=environment(PYTHONUNBUFFERED=unbuffered),
            )  # fmt: skip
            assert int(done.stderr.split()[-1]) == right, (arguments, target)


def test_it_serves_when_nobody_reads_its_output(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS)
    reading, writing = os.pipe()
    os.close(reading)
    with appliance.log.open("wb") as log:
        appliance.process = subprocess.Popen(
            run_command(appliance),
            stdout=writing, stderr=log,
        )  # fmt: skip
    os.close(writing)
    try:
        wait_for(appliance._answers, "it answers")
        assert appliance.stop() == 0
    finally:
        appliance.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_receive_ends_while_a_broker_says_nothing(number: signal.Signals, code: int) -> None:
    """It was asked to end while it connected: in that moment, not when the broker has had its 15 s."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [
            sys.executable,
            "-m",
            "headgate",
            "receive",
            "--url",
            f"mqtt://127.0.0.1:{listener.getsockname()[1]}",
        ]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment()) as process:
            connection, _ = listener.accept()
            with connection:
                assert connection.recv(1) == b"\x10"  # CONNECT
                process.send_signal(number)
                assert process.wait(timeout=10) == code


@pytest.mark.skipif(not available(), reason="mosquitto is not installed")
def test_receive_ends_while_its_reader_reads_nothing(tmp_path: Path) -> None:
    """What it could not write is not acknowledged, and comes again."""
    with Mosquitto(tmp_path) as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        command = [sys.executable, "-m", "headgate", "receive", "--url", url, "--client-id", "r"]
        ours, theirs = os.pipe()
        room = fcntl.fcntl(theirs, fcntl.F_GETPIPE_SZ)
        with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=environment()) as process:
            assert process.stderr is not None
            assert b"subscribed" in process.stderr.readline()
            forwarded(broker.port, 3 * room // 1000)
            wait_for(lambda: not select.select([], [theirs], [], 0)[1], "the pipe is full")
            process.send_signal(signal.SIGTERM)
            try:
                assert process.wait(timeout=2 * START_S) == 0
            finally:
                process.kill()
        os.close(theirs)
        with os.fdopen(ours, "rb") as pipe:
            shown = {json.loads(line)["id"] for line in pipe.read().splitlines(keepends=True) if line.endswith(b"\n")}
        again = subprocess.run(
            [*command, "--idle", "3"], capture_output=True, timeout=2 * START_S, check=True, env=environment()
        )
    shown |= {json.loads(line)["id"] for line in again.stdout.splitlines()}
    assert len(shown) == 3 * room // 1000


def forwarded(port: int, count: int) -> None:
    """Messages of 1,000 bytes, as an appliance forwards them."""
    from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = []
    for number in range(1, count + 1):
        properties = Properties(PacketTypes.PUBLISH)
        properties.ContentType = "application/json"
        properties.UserProperty = [("msg-id", f"gate/1.{number}"), ("stream", "w"), ("client", "c")]
        sent.append(client.publish("headgate/x", b'"%b"' % (b"x" * 1000), 1, properties=properties))
    for one in sent:
        one.wait_for_publish(START_S)
    client.disconnect()
    client.loop_stop()


def test_two_on_one_state_directory_started_together(tmp_path: Path) -> None:
    """Whoever comes second ends with 6; message numbers come once."""
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS)
    ends: list[int] = []

    def start() -> None:
        ended = headgate("run", "--config", str(appliance.config), "--state", str(appliance.state), "--listen",
                         f"127.0.0.1:{free_port()}")  # fmt: skip
        ends.append(ended.returncode)

    with running(appliance):
        threads = [threading.Thread(target=start) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ends == [6, 6, 6]
        assert publish(appliance, appliance.token("a")) == 202


def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS)
    place = ["--config", str(appliance.config), "--state", str(appliance.state)]
    done = headgate("run", *place, "--listen", "192.0.2.1:8080")  # RFC 5737: nobody's
    assert done.returncode == 5
    assert "cannot listen on 192.0.2.1:8080" in done.stderr.splitlines()[-1]
    assert "an address of this machine" in done.stderr.splitlines()[-1]


def test_a_terminal_that_is_not_utf8(tmp_path: Path) -> None:
    """Help texts and findings with other letters come out, whatever the encoding."""
    file = tmp_path / "headgate.toml"
    file.write_text('[streams."wärme"]\n[uplink]\nurl = "€"\n')
    ascii_only = environment(PYTHONIOENCODING="ascii")
    for verb in ("run", "check", "token", "keys", "outbox", "doctor", "receive"):
        assert headgate(verb, "--help", env=ascii_only).returncode == 0, verb
    assert headgate("check", "--config", str(file), env=ascii_only).returncode == 3
    done = headgate("check", "--json", "--config", str(file), env=ascii_only)
    assert "wärme" in json.dumps(json.loads(done.stdout), ensure_ascii=False)


def test_what_belongs_to_somebody_else(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The operator is not the appliance's user: no bug to report, but a hint. (As root nothing is refused.)"""
    from headgate import cli

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)
    assert cli.main(["keys", "list", "--state", "/var/lib/other"]) == 4
    assert "sudo" in capsys.readouterr().err
