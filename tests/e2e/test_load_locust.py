"""The Locust adapter in a real Locust, against the real appliance. Skipped where Locust is not installed."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Appliance, running

pytestmark = pytest.mark.skipif(importlib.util.find_spec("locust") is None, reason="no Locust (pip install locust)")

STREAM = '[streams.weather]\nschema = "builtin:weather"\nrate = "10000/s"\nburst = 100000\n'
LOCUSTFILE = 'from headgate_host.load.locust import scenario\nUser, Shape = scenario("day.toml", per_user=5)\n'
SCENARIO = """
budgets = [{budgets}]
[devices]
count = 10
name = "abc-{{n:03}}"
config = "headgate.toml"
state = "state"
[[phase]]
kind = "hold"
rate = 50
for = "3 s"
[data.weather]
schema = "{schema}"
invalid = "20 %"
fields = {{ "/station" = "{{device}}" }}
[[operation]]
do = "publish"
stream = "weather"
data = "weather"
[[operation]]
do = "http"
path = "/healthz"
expect = [{status}]
[[operation]]
do = "mqtt"
topic = "t"
data = "weather"
"""


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Appliance]:
    with running(Appliance(tmp_path, uplink_port=None, config=STREAM)) as appliance:
        yield appliance


Table = dict[str, tuple[int, int]]  # operation -> requests, failures


def locust(folder: Path, appliance: Appliance, *options: str, budgets: str, status: int) -> tuple[int, Table, str]:
    """-> exit code, Locust's own table by operation, its log."""
    schema = Path(__file__).resolve().parents[2] / "firmware_py/headgate/data/weather.schema.json"
    (folder / "day.toml").write_text(SCENARIO.format(schema=schema, budgets=budgets, status=status))
    (folder / "locustfile.py").write_text(LOCUSTFILE)
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--json", "--host",
               f"http://127.0.0.1:{appliance.port}", "--stop-timeout", "9", *options]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    table: Table = {}
    rest = done.stdout.strip()
    while rest:  # one list of each process, that of a worker is empty
        rows, end = json.JSONDecoder().raw_decode(rest)
        table |= {row["name"]: (row["num_requests"], row["num_failures"]) for row in rows}
        rest = rest[end:].strip()
    return done.returncode, table, done.stderr


def test_a_cluster_sends_the_scenario_and_judges_the_answers(appliance: Appliance, tmp_path: Path) -> None:
    budgets = '"service.p50 < 9 s", "errors < 0.01 %"'
    code, table, log = locust(tmp_path, appliance, "--processes", "2", budgets=budgets, status=200)
    assert code == 0, log
    assert set(table) == {"publish", "publish.invalid", "http"}
    counts = {name: requests for name, (requests, _) in table.items()}
    assert sum(counts.values()) > 60
    assert 0 < counts["publish.invalid"] < counts["publish"]
    assert all(failures == 0 for _, failures in table.values())
    in_flight = 10  # one for each user, when Locust ends them
    assert counts["publish"] <= appliance.ledger()["accepted"] <= counts["publish"] + in_flight
    assert "operations of MQTT, HTTP/2 and gRPC are left out" in log
    assert "budget kept: service.p50 < 9 s" in log


def test_what_it_cannot_judge_or_is_broken_fails(appliance: Appliance, tmp_path: Path) -> None:
    code, table, log = locust(tmp_path, appliance, budgets='"p99 < 9 s", "errors < 1 %"', status=418)
    assert code == 1, log
    assert table["http"][0] == table["http"][1] != 0
    assert "budget not measured: p99 < 9 s" in log
    assert "budget broken: errors < 1 %" in log
