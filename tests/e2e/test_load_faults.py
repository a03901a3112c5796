"""`headgate load` attack, powercut and find-limit against the real thing."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from harness import Appliance, environment, headgate, running

from headgate_host.load import find_limit, powercut, toy_server
from headgate_host.load.find_limit import Search

pytestmark = pytest.mark.slow_emulated  # the operator's tool; on a board tests/twins/test_load.py runs its C
STREAM = '[streams.weather]\nschema = "builtin:weather"\n'


def test_an_appliance_under_attack(tmp_path: Path) -> None:
    with running(Appliance(tmp_path, uplink_port=None, config=STREAM)) as appliance:
        done = headgate(
            "load", "attack", f"http://127.0.0.1:{appliance.port}/v1/streams/weather", "--json", "--rubbish", "40",
            "--flood", "1200", "--config", str(appliance.config), "--state", str(appliance.state),
        )  # fmt: skip
        found = json.loads(done.stdout)
        assert [one for one in found["findings"] if not one["passed"]] == []
        assert done.returncode == 0
        names = [one["name"] for one in found["findings"]]
        assert "it was never restarted" in names
        assert "alg none" in names
        assert len(names) > 80


def test_an_attack_on_a_server_that_lets_everything_in() -> None:
    with toy_server.running() as toy:
        done = headgate(
            "load", "attack", f"http://127.0.0.1:{toy.port}/x", "--json", "--rubbish", "0", "--flood", "10",
            "--patience", "300 ms",
        )  # fmt: skip
    found = json.loads(done.stdout)
    assert done.returncode == 4
    failed = {one["name"] for one in found["findings"] if not one["passed"]}
    assert "1 GiB announced" in failed or "100,000 brackets" in failed


def test_power_cuts() -> None:
    done = headgate("load", "powercut", "--cuts", "2", "--most", "0.4", "--devices", "4", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["lost"] == found["twice"] == []
    assert found["cuts"] == 2
    assert found["found"] >= found["acknowledged"] >= 3


def test_what_is_lost_is_seen() -> None:
    outcome = powercut.Outcome({("dev-1", 1), ("dev-1", 2), ("dev-2", 1)}, Counter({"1.1": 1, "1.2": 2}))
    report = powercut.judge(outcome, Counter({("dev-1", 1): 1, ("dev-2", 1): 2, ("dev-2", 9): 1}))
    assert report["lost"] == ["dev-1 2"]
    assert report["twice"] == ["dev-2 1", "id 1.2"]


@pytest.mark.parametrize("limit", [3.0, 99.0, 100.0, 731.0, 12_345.0])
def test_the_search_closes_in(limit: float) -> None:
    search, tries = Search(first=2.0, most=100_000.0, precision=0.02), 0
    while (rate := search.next()) is not None:
        search.note(rate, kept=rate <= limit)
        tries += 1
    assert search.low <= limit <= search.high <= search.low * 1.0201
    assert tries < find_limit.STEPS_MAX


def test_the_search_ends() -> None:
    low = Search(first=100.0, most=1000.0, precision=0.02)
    low.note(100.0, kept=False)
    assert low.next() is None
    high = Search(first=300.0, most=1000.0, precision=0.02)
    rates = []
    while (rate := high.next()) is not None:
        rates.append(rate)
        high.note(rate, kept=True)
    assert rates == [300.0, 600.0, 1000.0]


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize("target", ["2>&1 | head -c 1", ">/dev/full"])
def test_output_that_breaks_ends_no_load(target: str, form: tuple[str, ...], tmp_path: Path) -> None:
    """What was measured is written, and the exit code says what came of it."""
    with toy_server.running("--delay", "20") as toy:
        words = [
            "load",
            f"http://127.0.0.1:{toy.port}/",
            "--rate",
            "50",
            "--for",
            "2 s",
            "--budget",
            "max < 1 ms",
            *form,
        ]
        command = shlex.join([sys.executable, "-m", "headgate", *words, "--no-metrics", "--out", "x.json"])
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", f"{command} {target}"], cwd=tmp_path, capture_output=True, text=True,
            timeout=60, check=False, env=environment(),
        )  # fmt: skip
    result = json.loads((tmp_path / "x.json").read_bytes())
    assert result["total"]["due"] == 100
    assert done.returncode == result["exit_code"]
    assert done.returncode in (1, 7)


@pytest.mark.parametrize("name", ["no/x", ".", "file/x", "x" * 300])
@pytest.mark.parametrize("option", ["--out", "--html", "--junit", "--markdown", "--hdr"])
def test_what_cannot_be_written_is_said_before_the_load(option: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = headgate("load", "http://127.0.0.1:1/", "--rate", "1", option, name, cwd=tmp_path, env=environment())
    assert done.returncode == 2, done.stderr
    assert f"cannot write {name}: " in done.stderr


def test_a_pipe_for_a_result_is_refused_before_the_load(tmp_path: Path) -> None:
    """Nor would it be a good end of an hour that it is no file."""
    os.mkfifo(tmp_path / "pipe")
    done = headgate("load", "http://127.0.0.1:1/", "--rate", "1", "--out", "pipe", cwd=tmp_path, env=environment())
    assert done.returncode == 2
    assert "cannot write pipe: it is no file that could be replaced" in done.stderr


def test_what_was_measured_is_said_whatever_cannot_be_written(tmp_path: Path) -> None:
    with toy_server.running() as toy:
        words = ("--rate", "20", "--for", "1 s", "--no-metrics", "--html", "/dev/full")
        done = headgate("load", f"http://127.0.0.1:{toy.port}/", *words, cwd=tmp_path, env=environment())
    assert done.returncode == 2
    assert "cannot write /dev/full: No space left on device" in done.stderr
    assert "20 due, 20 sent, 20 done, 0 errors" in done.stdout


def test_a_terminal_that_goes_away_ends_no_load(tmp_path: Path) -> None:
    """In the midst of the live view. (The kernel's SIGHUP is for whoever the terminal controls, which this is not.)"""
    pytest.importorskip("rich")
    file = tmp_path / "x.json"
    ours, theirs = pty.openpty()
    with toy_server.running() as toy:
        words = [f"http://127.0.0.1:{toy.port}/", "--rate", "50", "--for", "3 s", "--no-metrics", "--out", str(file)]
        command = [sys.executable, "-m", "headgate", "load", *words]
        errors = subprocess.PIPE
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=errors, env=environment()) as load:
            os.close(theirs)
            shown = b""
            while b"answered" not in shown:
                shown += os.read(ours, 65536)
            os.close(ours)
            assert load.stderr is not None
            assert load.stderr.read() == b""
    result = json.loads(file.read_bytes())
    assert result["total"]["due"] == 150
    assert load.returncode == result["exit_code"]
    assert load.returncode in (0, 7)


def test_the_limit_of_a_server_with_a_known_one(tmp_path: Path) -> None:
    """What the budget allows beyond the capacity is known too: a backlog that grows for the length of a try."""
    capacity = 200
    file = tmp_path / "limit.json"
    with toy_server.running("--capacity", str(capacity)) as toy:
        done = headgate(
            "load", "find-limit", f"http://127.0.0.1:{toy.port}/", "--budget", "p50 < 100 ms", "--for", "1 s",
            "--from", "150", "--precision", "5", "--json", "--out", str(file),
        )  # fmt: skip
    found = json.loads(file.read_bytes())
    if done.returncode == 7:
        pytest.skip("this machine is too busy to find a limit")
    assert done.returncode == 0, done.stderr
    # p50 is that of half the time: the excess of 0.2 + 0.5 s may be 100 ms of work
    assert capacity * 0.95 <= found["limit"] <= capacity * (1 + 0.1 / 0.7) * 1.05
    rates = [step["rate"] for step in found["steps"]]
    assert min(rates) == 150
