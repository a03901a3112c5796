"""`headgate load` against the real appliance and a real broker: what it counts is what they count."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import certificates
import pytest
from harness import START_S, Appliance, environment, headgate, running, wait_for
from https_kit import https
from mosquitto import Mosquitto, available

from headgate_host.load import toy_server

pytestmark = pytest.mark.slow_emulated  # the operator's tool; on a board tests/twins/test_load.py runs its C
BODY = '{"station":"{device}","ts":"2026-01-01T00:00:00Z","kind":"hourly","temp_f":50}'
STREAM = '[streams.weather]\nschema = "builtin:weather"\nrate = "1000/s"\nbody_limit = "64 KiB"\n'
DEVICES = 3000
JUDGED = (0, 7)  # passed, or: this machine was too busy to tell how fast it was


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    """-> exit code, and the last event."""
    done = headgate("load", *arguments, "--json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def tokens(appliance: Appliance) -> list[str]:
    return ["--config", str(appliance.config), "--state", str(appliance.state)]


def stored(appliance: Appliance) -> int:
    text = appliance.get("/metrics")[1].decode()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return int(lines["headgate_outbox_accepted_total"])


def test_thousands_of_devices_and_the_ledger(tmp_path: Path) -> None:
    with running(Appliance(tmp_path, uplink_port=None, config=STREAM)) as appliance:
        url = f"http://127.0.0.1:{appliance.port}/v1/streams/weather"
        file = tmp_path / "result.json"
        code, end = run(
            url, "--rate", str(DEVICES // 3), "--for", "3 s", "--devices", str(DEVICES), "--body", BODY,
            "--out", str(file), *tokens(appliance),
        )  # fmt: skip
        assert code in JUDGED, end
        assert end["due"] == end["sent"] == end["done"] == end["outcomes"]["ok"] == DEVICES
        assert stored(appliance) == DEVICES
        result = json.loads(file.read_bytes())
        assert result["total"]["outcomes"] == {"ok": DEVICES}
        assert result["exit_code"] == code

        code, end = run(
            url, "--rate", "50", "--for", "1 s", "--batch", "20", "--devices", "10", "--body", BODY, *tokens(appliance)
        )
        assert code in JUDGED, end
        assert end["outcomes"] == {"ok": 50}
        assert stored(appliance) == DEVICES + 50 * 20

        code, end = run(url, "--rate", "50", "--for", "1 s", "--cbor", "--body", BODY, *tokens(appliance))
        assert code in JUDGED, end
        assert stored(appliance) == DEVICES + 50 * 20 + 50

    assert appliance.stop() is not None
    assert appliance.ledger()["accepted"] == DEVICES + 50 * 20 + 50


def test_the_cache_and_what_is_refused(tmp_path: Path) -> None:
    with running(Appliance(tmp_path, uplink_port=None, config=STREAM)) as appliance:
        origin = f"http://127.0.0.1:{appliance.port}"
        slow = ("--rate", "20", "--for", "1 s")
        code, end = run(
            origin + "/v1/cache/k{n}", *slow, "--method", "PUT", "--body", "v{n}", "--devices", "20", *tokens(appliance)
        )
        assert (code in JUDGED, end["outcomes"]) == (True, {"ok": 20}), end
        code, end = run(origin + "/v1/cache/k{n}", *slow, "--devices", "20", *tokens(appliance))
        assert (code in JUDGED, end["outcomes"]) == (True, {"ok": 20}), end
        # without a token; the code says that the target failed, unless the machine was too busy for any figure
        code, end = run(origin + "/v1/cache/k1", *slow)
        assert (code in (4, 7), end["outcomes"]) == (True, {"status 401": 20}), end
        code, end = run(origin + "/v1/cache/k1", *slow, "--expect", "401", "--budget", "errors < 1 %")
        assert (code in JUDGED, end["outcomes"], end["budgets"][0]["outcome"]) == (True, {"ok": 20}, "kept"), end
        code, end = run(origin + "/healthz", *slow, "--budget", "p50 < 1 ns")
        assert (code in (1, 7), end["budgets"][0]["outcome"]) == (True, "broken"), end
    code = headgate("load", origin + "/healthz", "--rate", "20").returncode
    assert code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("http://127.0.0.1:1/",),
        ("http://127.0.0.1:1/", "--rate", "0"),
        ("http://127.0.0.1:1/", "--rate", "5", "--closed", "5"),
        ("http://127.0.0.1:1/", "--rate", "5", "--for", "soon"),
        ("ftp://127.0.0.1/", "--rate", "5"),
        ("day.toml",),
        ("mqtt://127.0.0.1:1/", "--rate", "5"),
        ("http://127.0.0.1:1/", "--rate", "5", "--budget", "p99 fast"),
        ("http://127.0.0.1:1/", "--rate", "5", "--header", "nothing"),
        ("http://127.0.0.1:1/", "--rate", "5", "--body", "@/nowhere"),
        ("http://127.0.0.1:1/", "--rate", "5", "--config", "/nowhere.toml"),
        ("http://127.0.0.1:1/", "--rate", "5", "--agents", "one", "--agents-by", ""),
        ("http://127.0.0.1:1/", "--rate", "5", "--agents", "one", "--agents-by", "'"),
        ("http://127.0.0.1:1/", "--rate", "5", "--ssh", "one", "--ssh-by", "'"),
        ("mqtt://127.0.0.1:1/a/%23", "--rate", "5"),
        ("mqtt://127.0.0.1:1/a%00", "--rate", "5"),
        ("mqtt://127.0.0.1:1/" + "a" * 65536, "--rate", "5"),
        ("mqtt://127.0.0.1:1/a", "--rate", "5", "--username", "\udcff"),
        ("mqtt://127.0.0.1:1/a", "--rate", "5", "--username", "x" * 65536),
        ("compare", "a.json", "b.json", "--tolerance", "nan"),
    ],
)
def test_command_lines_that_are_wrong(arguments: tuple[str, ...]) -> None:
    done = headgate("load", *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("headgate: ")


class Subscriber:
    """Counts what a broker gives out, by topic."""

    def __init__(self, port: int, count: int) -> None:
        from paho.mqtt.client import CallbackAPIVersion, Client

        self.topics: Counter[str] = Counter()
        self._subscribed, self._complete = threading.Event(), threading.Event()
        self._wanted = count
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("load/#", 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._count
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(START_S)

    def _count(self, client: object, data: object, message: Any) -> None:
        self.topics[message.topic] += 1
        if self.topics.total() >= self._wanted:
            self._complete.set()

    def all(self) -> Counter[str]:
        assert self._complete.wait(START_S), self.topics.total()
        self._client.disconnect()
        self._client.loop_stop()
        return self.topics


@pytest.mark.skipif(not available(), reason="mosquitto is not installed")
@pytest.mark.parametrize(("version", "qos"), [("5", "1"), ("3.1.1", "1"), ("5", "0")])
def test_what_a_broker_got(tmp_path: Path, version: str, qos: str) -> None:
    devices, each = 300, 2
    with Mosquitto(tmp_path / "broker") as broker:
        subscriber = Subscriber(broker.port, devices * each)
        code, end = run(
            f"mqtt://127.0.0.1:{broker.port}/load/{{device}}", "--rate", str(devices), "--for", f"{each} s",
            "--devices", str(devices), "--body", "{n}", "--qos", qos, "--mqtt", version,
        )  # fmt: skip
        assert code in JUDGED, end
        assert end["outcomes"] == {"ok": devices * each}
        topics = subscriber.all()
    assert len(topics) == devices
    assert set(topics.values()) == {each}


@pytest.mark.skipif(not available(), reason="mosquitto is not installed")
def test_a_broker_that_wants_a_password(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", anonymous=False) as broker:
        done = headgate("load", f"mqtt://127.0.0.1:{broker.port}/t", "--rate", "10", "--for", "1 s")
    assert done.returncode == 3
    assert "refused by the broker" in done.stderr


def test_the_selftest(tmp_path: Path) -> None:
    done = headgate("load", "selftest", "--json", "--no-others", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert done.returncode in JUDGED, found
    if done.returncode == 0:
        assert all(check["passed"] for check in found["checks"])
    # whatever the machine does, a generator that stalls must say so
    assert found["checks"][-1] == found["checks"][-1] | {"passed": True}


def test_agents_share_a_load(tmp_path: Path) -> None:
    """Two on this machine: every number is sent once, by one of them, and the results add up."""
    with running(Appliance(tmp_path, uplink_port=None, config=STREAM)) as appliance:
        url = f"http://127.0.0.1:{appliance.port}/v1/cache/k{{n}}"
        file = tmp_path / "result.json"
        code, end = run(
            url, "--rate", "60", "--for", "1 s", "--method", "PUT", "--body", "{device}", "--devices", "20",
            "--agents", "one,two", "--agents-by", f"{sys.executable} -m headgate", "--out", str(file),
            *tokens(appliance),
        )  # fmt: skip
        assert code in JUDGED, end
        assert end["due"] == end["outcomes"]["ok"] == 60
        token = appliance.token("reader", "cache:read")
        for number in range(60):
            found = appliance.get(f"/v1/cache/k{number}", token)
            assert found == (200, f"dev-{number % 20:05}".encode())
    result = json.loads(file.read_bytes())
    assert sum(result["series"]["due"]) == 60
    assert result["scenario"]["agents"] == ["one", "two"]
    assert result["device"]["series"]["rss"]["unit"] == "bytes"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_agents_end_with_whoever_started_them(number: signal.Signals, tmp_path: Path) -> None:
    """A pipeline that is cancelled leaves nobody behind who goes on with the load."""
    script = tmp_path / "agent.sh"
    script.write_text(f'echo $$ >> pids\nexec "{sys.executable}" -m headgate "$@"\n')
    with toy_server.running() as toy:
        words = ("load", f"http://127.0.0.1:{toy.port}/", "--rate", "20", "--for", "10 min", "--no-metrics")
        command = [sys.executable, "-m", "headgate", *words, "--agents", "one,two", "--agents-by", f"sh {script}"]
        pids = tmp_path / "pids"
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, env=environment()) as process:
            wait_for(lambda: pids.exists() and pids.read_text().count("\n") == 2, "both have started")
            process.send_signal(number)
        wait_for(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()), "both have ended")


def test_an_agent_that_is_not_there() -> None:
    done = headgate("load", "http://127.0.0.1:1/", "--rate", "1", "--agents", "one", "--agents-by", "/nowhere/{host}")
    assert done.returncode == 2
    assert "cannot start the agent on one" in done.stderr
    words = ("http://127.0.0.1:1/", "--rate", "1", "--for", "1 s")
    done = headgate("load", *words, "--agents", "one", "--agents-by", f"{sys.executable} -m nothing_of_this_name")
    assert done.returncode == 2, done.stderr  # its own 1 is no broken budget
    done = headgate("load", *words, "--agents", "one", "--agents-by", f"{sys.executable} -m headgate")
    assert done.returncode == 3, done.stderr
    assert "the agent on one failed" in done.stderr


def test_over_tls(tmp_path: Path) -> None:
    certs = certificates.make(tmp_path)
    appliance, port = https(tmp_path, certs)
    slow = ("--rate", "30", "--for", "1 s")
    with running(appliance):
        url = f"https://127.0.0.1:{port}/v1/streams/weather"
        code, end = run(url, *slow, "--body", '{"t":{n}}', "--ca-file", str(certs / "ca.pem"), *tokens(appliance))
        assert (code in JUDGED, end["outcomes"]) == (True, {"ok": 30}), end
        code, end = run(f"https://127.0.0.1:{port}/healthz", *slow, "--insecure")
        assert (code in JUDGED, end["outcomes"]) == (True, {"ok": 30}), end
        done = headgate("load", f"https://127.0.0.1:{port}/healthz", *slow)  # nobody vouches for it
        assert done.returncode == 3
        assert "certificate" in done.stderr.lower()
        assert stored(appliance) == 30
