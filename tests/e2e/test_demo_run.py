"""`headgate run --demo` as a user starts it: a real appliance, broker and receiver, and an account that adds up."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headgate_host import stations
from headgate_host.children import find_mosquitto

pytestmark = pytest.mark.slow_emulated

COMMAND = [sys.executable, "-m", "headgate", "run", "--demo"]
RUN_S = 90  # for a whole run on a busy machine

needs_mosquitto = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")


def environment(folder: Path) -> dict[str, str]:
    """No configuration of the user's, and temporary files where we can see them."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("HEADGATE_CONFIG", "HEADGATE_STATE"))
    }
    return {**kept, "TMPDIR": str(folder)}


def documents(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@needs_mosquitto
def test_every_message_is_accounted_for(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--json", "--demo-count", "700", "--demo-rate", "500", "--demo-stations", "50", "--demo-spoil=0.2"],
        capture_output=True, text=True, timeout=RUN_S, check=False, cwd=tmp_path, env=environment(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    summary = documents(done.stdout)[-1]
    assert summary["event"] == "summary"
    assert summary["findings"] == []
    assert (summary["sent"], summary["accepted"], summary["received"]) == (700, 560, 560)
    assert summary["ledger"] == {"accepted": 560, "delivered": 560, "stored": 0, "expired": 0, "dropped": 0}
    spoiled = summary["spoiled"]
    assert isinstance(spoiled, dict)
    assert set(spoiled) == set(stations.SPOILERS)
    assert list(tmp_path.iterdir()) == [], "something was left behind"


@needs_mosquitto
def test_ctrl_c_ends_with_a_summary_and_leaves_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--demo-rate", "100"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment(tmp_path),
        start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("accepted "):
                break
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=RUN_S)
    text = "".join(lines) + rest
    assert process.returncode == 0, text + said
    assert "TOKEN=" in text
    assert "curl -i http://127.0.0.1:" in text
    assert "broker  mqtt://127.0.0.1:" in text
    assert "Everything adds up" in rest
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_without_a_broker_messages_stay_in_the_outbox(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--demo-no-broker", "--demo-seconds", "2", "--demo-stations", "2", "--demo-rate", "10"],
        capture_output=True, text=True, timeout=RUN_S, check=False, cwd=tmp_path, env=environment(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "delivered 0, stored " in done.stdout
    assert "Everything adds up" in done.stdout


def test_a_configuration_without_the_stream_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "headgate.toml").write_text(
        '[[issuer]]\nname = "a"\naudience = "a"\nsecret_file = "{state}/k"\n[streams.other]\n'
    )
    done = subprocess.run(
        [*COMMAND, "--config", "headgate.toml"],
        capture_output=True, text=True, timeout=RUN_S, check=False, cwd=tmp_path, env=environment(tmp_path),
    )  # fmt: skip
    assert done.returncode == 3
    assert "the demo needs a stream called weather" in done.stderr.splitlines()[-1]
