"""A scenario against the real appliance: every answer is the one that is owed, and both sides have counted the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from harness import Appliance, headgate, running
from mosquitto import Mosquitto, available

from headgate_host.load import scenario
from headgate_host.load.result import OK, Result

pytestmark = pytest.mark.slow_emulated  # the operator's tool; on a board tests/twins/test_load.py runs its C
STREAM = '[streams.weather]\nschema = "builtin:weather"\nrate = "10000/s"\nburst = 100000\nbody_limit = "64 KiB"\n'
CACHE = '[cache]\nrate = "10000/s"\nburst = 100000\n'
BATCH = 20
JUDGED = (0, 7)  # passed, or: this machine was too busy to tell how fast it was
SCENARIO = """
name = "everything once"
seed = 3
budgets = ["errors < 0.001 %", "publish.invalid.errors < 0.001 %", "rate > 1 /s"]

[devices]
count = 40
name = "abc-{{n:03}}"
config = "headgate.toml"
state = "state"

[[phase]]
kind = "step"
from = 150
to = 300
steps = 2
for = "3 s"

[data.weather]
schema = "{schema}"
invalid = "10 %"
fields = {{ "/station" = "{{device}}", "/ts" = {{ now = "rfc3339" }} }}

[data.recorded]
replay = "recorded.ndjson"
"""
RECORDED = '{"station":"sea-01","ts":"2026-01-01T00:00:00Z","kind":"hourly","temp_f":%d}\n'
OPERATIONS = (
    'do = "publish"\nweight = 6',
    'name = "packed"\ndo = "publish"\nencoding = "cbor"\nweight = 2',
    'name = "replayed"\ndo = "publish"\ndata = "recorded"',
    'do = "validate"',
    f'do = "batch"\nrecords = {BATCH}',
    f'name = "sequence"\ndo = "batch"\nencoding = "cbor"\nrecords = {BATCH}',
    'do = "cache-put"\nkeys = 20',
    'do = "cache-get"\nkeys = 20',
    'do = "cache-delete"\nkeys = 20',
    'do = "http"\npath = "/healthz"\nexpect = [200]',
)


def operation(words: str) -> str:
    stream = 'stream = "weather"\n' if '"publish"' in words or '"validate"' in words or '"batch"' in words else ""
    data = 'data = "weather"\n' if stream and "data =" not in words else ""
    return f"\n[[operation]]\n{words}\n{stream}{data}"


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Appliance]:
    with running(Appliance(tmp_path, uplink_port=None, config=STREAM + CACHE)) as appliance:
        yield appliance


def test_every_answer_is_owed_and_the_ledger_agrees(appliance: Appliance, tmp_path: Path) -> None:
    schema = Path(__file__).resolve().parents[2] / "firmware_py/headgate/data/weather.schema.json"
    file, page, out = tmp_path / "day.toml", tmp_path / "day.html", tmp_path / "day.json"
    (tmp_path / "recorded.ndjson").write_text("".join(RECORDED % n for n in range(30)))
    file.write_text(SCENARIO.format(schema=schema) + "".join(map(operation, OPERATIONS)))

    checked = headgate("load", "run", str(file), "--check", "--json")
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["requests"] == 675

    url = f"http://127.0.0.1:{appliance.port}"
    done = headgate("load", "run", str(file), "--target", url, "--out", str(out), "--html", str(page), "--json")
    assert done.returncode in JUDGED, done.stdout + done.stderr
    result = Result.read(out)
    assert result.total.outcomes == {OK: 675}
    assert [one.outcome for one in result.budgets] == ["kept"] * 3
    assert set(result.operations) >= {"publish", "publish.invalid", "packed.invalid", "sequence", "replayed", "http"}
    assert result.operations["publish.invalid"].due > 10
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")

    sent = list(islice(scenario.load(file).requests(), 675))  # the same seed: the same requests
    stored = sum(one.expect.statuses == (202,) for one in sent) + sum(one.expect.lines.count(202) for one in sent)
    assert 675 < stored < 675 * BATCH
    assert appliance.ledger()["accepted"] == stored

    compared = headgate("load", "compare", str(out), str(out))
    assert compared.returncode == 7, compared.stdout  # 3 s are not enough to compare anything


@pytest.mark.skipif(not available(), reason="no mosquitto")
def test_mqtt_has_a_broker_of_its_own(appliance: Appliance, tmp_path: Path) -> None:
    file, out = tmp_path / "both.toml", tmp_path / "both.json"
    schema = Path(__file__).resolve().parents[2] / "firmware_py/headgate/data/weather.schema.json"
    words = 'do = "mqtt"\ntopic = "site/{device}/weather"\ndata = "weather"\nweight = 2'
    file.write_text(SCENARIO.format(schema=schema) + operation(OPERATIONS[0]) + operation(words))
    refused = headgate("load", "run", str(file), "--target", f"http://127.0.0.1:{appliance.port}")
    assert refused.returncode == 2
    assert "--broker" in refused.stderr
    with Mosquitto(tmp_path / "broker") as broker:
        urls = ["--target", f"http://127.0.0.1:{appliance.port}", "--broker", f"mqtt://127.0.0.1:{broker.port}"]
        assert appliance.process is not None
        pid = str(appliance.process.pid)
        done = headgate("load", "run", str(file), *urls, "--out", str(out), "--pid", pid)
    assert done.returncode in JUDGED, done.stdout + done.stderr
    result = Result.read(out)
    assert result.total.outcomes == {OK: 675}
    assert result.operations["mqtt"].due == pytest.approx(675 / 4, abs=15)
    assert result.device.source == f"process {pid}"
    assert "rss" in result.device.series


def test_a_scenario_with_errors_sends_nothing(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[[phase]]\nkind = "hold"\nrate = 1\nfro = "1 s"\n')
    done = headgate("load", "run", str(file), "--target", "http://127.0.0.1:9")
    assert done.returncode == 5
    assert "(and 2 more)" in done.stderr
    checked = headgate("load", "run", str(file), "--check")
    assert checked.returncode == 5
    assert f"{file}:4: phase[0].fro: unknown key" in checked.stdout
    assert 'the property "operation" is missing' in checked.stdout
