"""scenario.toml: what it means, and what is said about one that is wrong, with its line."""

import json
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import cbor2
import pytest

from headgate.errors import CommandError
from headgate_host.load import exits, mix, scenario, scenario_run
from headgate_host.load.mix_line import INVALID
from headgate_host.load.operation import MQTT, Request
from headgate_host.load.scenario import Scenario, ScenarioErrors

TELEMETRY = Path(__file__).resolve().parents[2] / "bench/gateway/telemetry.schema.json"
WHOLE = f"""
name = "a working day"
seed = 7
target = "http://127.0.0.1:8080"
timeout = "2.5 s"
budgets = ["p99 < 8 ms", "publish.errors < 0.1 %", "publish.invalid.p50 < 1 s", "device.rss < 48 MB"]

[devices]
count = 20
name = "pump-{{n}}"
key = "issuer.key"

[[phase]]
kind = "ramp"
from = 0
to = 200
for = "2 s"
warm_up = true

[[phase]]
kind = "spike"
rate = 100
peak = 400
peak_for = "1 s"
for = "5 s"

[data.telemetry]
schema = "{TELEMETRY}"
invalid = "4 %"

[data.telemetry.fields]
"/device" = "{{device}}"
"/seq" = {{ counter = 1 }}

[[operation]]
do = "publish"
stream = "telemetry"
data = "telemetry"
weight = 70

[[operation]]
name = "packed"
do = "publish"
stream = "telemetry"
data = "telemetry"
encoding = "cbor"
weight = 10

[[operation]]
do = "batch"
stream = "telemetry"
data = "telemetry"
records = 50
weight = 2

[[operation]]
do = "cache-get"
weight = 12
key = "state/{{n}}"
keys = 10

[[operation]]
do = "cache-put"
weight = 3
size = 100

[[operation]]
do = "mqtt"
topic = "plant/{{device}}/telemetry"
data = "telemetry"
weight = 3
"""


def parse(text: str) -> Scenario:
    return scenario.parse(text.encode(), Path("/base/s.toml"))


@pytest.fixture(scope="module")
def whole() -> Scenario:
    return parse(WHOLE)


@pytest.fixture(scope="module")
def sent(whole: Scenario) -> list[Request]:
    return list(islice(whole.requests(), 4 * mix.TURNS))


def test_what_it_says(whole: Scenario) -> None:
    assert (whole.name, whole.seed, whole.timeout_s, whole.devices.count) == ("a working day", 7, 2.5, 20)
    assert whole.devices.key == Path("/base/issuer.key")
    schedule = whole.schedule
    assert (schedule.seconds, schedule.measured_from, schedule.expected) == (7, 2, 200 + 800)
    assert [budget.figure for budget in whole.budgets] == ["p99", "errors", "p50", "rss"]


def test_weights_are_kept(sent: list[Request]) -> None:
    counts = Counter(request.operation.name.removesuffix(INVALID) for request in sent)
    assert counts == {"publish": 2828, "packed": 404, "batch": 80, "cache-get": 484, "cache-put": 120, "mqtt": 120}


def test_all_devices_take_part_alike(sent: list[Request]) -> None:
    assert set(Counter(request.device for request in sent).values()) <= {201, 202}
    for device in range(20):
        assert len({request.operation.name for request in sent if request.device == device}) > 5


def test_the_same_seed_sends_the_same(whole: Scenario, sent: list[Request]) -> None:
    again = list(islice(whole.requests(), len(sent)))
    assert [(one.device, one.target, one.body) for one in again] == [(one.device, one.target, one.body) for one in sent]
    other = list(islice(parse(WHOLE.replace("seed = 7", "seed = 8")).requests(), 100))
    assert [one.body for one in other] != [one.body for one in sent[:100]]


def test_what_is_sent_and_what_is_owed(sent: list[Request]) -> None:
    by_name: dict[str, list[Request]] = {}
    for request in sent:
        by_name.setdefault(request.operation.name, []).append(request)
    publish = by_name["publish"]
    assert {(one.operation.method, one.target, one.expect.statuses) for one in publish} == {
        ("POST", "/v1/streams/telemetry", (202,))}  # fmt: skip
    assert publish[0].operation.headers == {"Content-Type": "application/json"}
    assert all(json.loads(one.body)["device"] == f"pump-{one.device}" for one in publish)
    numbers = [json.loads(one.body)["seq"] for one in publish]
    assert len(set(numbers)) == len(numbers)
    assert by_name["packed"][0].operation.headers == {"Content-Type": "application/cbor"}
    assert cbor2.loads(by_name["packed"][0].body)["device"] == f"pump-{by_name['packed'][0].device}"
    refused = {one.expect.problem: one.expect for one in by_name["publish.invalid"]}
    assert refused["schema_violation"].statuses == (422,)
    assert refused["schema_violation"].instance is not None
    assert refused["malformed_json"].statuses == (400,)
    for one in by_name["batch"]:
        assert len(one.body.splitlines()) == len(one.expect.lines) == 50
    assert {status for one in by_name["batch"] for status in one.expect.lines} == {202, 422, 400}
    assert {one.target for one in by_name["cache-get"]} == {f"/v1/cache/state/{n}" for n in range(10)}
    assert {(one.operation.method, len(one.body)) for one in by_name["cache-put"]} == {("PUT", 100)}
    mqtt = by_name["mqtt"][0]
    assert (mqtt.operation.protocol, mqtt.operation.qos) == (MQTT, 1)
    assert mqtt.target == f"plant/pump-{mqtt.device}/telemetry"


def test_other_servers() -> None:
    found = parse("""
[[phase]]
kind = "hold"
rate = 1
for = "1 s"
[[operation]]
do = "http"
method = "PATCH"
path = "/things/{device}?n={n}"
body = "{}"
expect = [200, 409]
headers = { "Content-Type" = "application/merge-patch+json" }
""")
    first, second = islice(found.requests(), 2)
    assert (first.target, second.target) == ("/things/dev-00000?n=0", "/things/dev-00000?n=1")
    assert (first.operation.method, first.body, first.expect.statuses) == ("PATCH", b"{}", (200, 409))
    assert first.operation.headers == {"Content-Type": "application/merge-patch+json"}


SMALL = """\
budgets = ["p99 < 8 ms"]
[[phase]]
kind = "hold"
rate = 1
for = "1 s"

[data.d]
schema = "s.json"

[[operation]]
do = "publish"
stream = "s"
data = "d"
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("rate = 1", "rat = 1", 4, "unknown key (did you mean rate?)"),
        ("rate = 1", "frequency = 1", 4, "unknown key; known here: kind, for, rate"),
        ("rate = 1", "", 2, '"rate" is missing'),
        ("rate = 1", "rate = 1\nto = 5", 5, "does not go with what the other keys here say"),
        ("rate = 1", "rate = -1", 4, "less than 0"),
        ("rate = 1", "rate = 1\nwarm_up = true", 2, "nothing would be measured"),
        ('"1 s"', '"1 second"', 5, 'Such as "30 s"'),
        ('"1 s"', '"0 s"', 5, "more than 0 s"),
        ('kind = "hold"', 'kind = "hod"', 3, "hold"),
        ('kind = "hold"', 'kind = "spike"\npeak = 9\npeak_for = "2 s"', 5, "fit in `for`"),
        ('data = "d"', 'data = "e"', 13, "there is no [data.e]"),
        ('data = "d"', "", 10, '"data" is missing'),
        ('data = "d"', 'data = "d"\nqos = 1', 14, "does not go with"),
        ('do = "publish"', 'do = "publish"\nname = "errors"', 12, "is a word of budgets"),
        ('schema = "s.json"', 'replay = "r.ndjson"\ninvalid = "3 %"', 9, "does not go with"),
        ('schema = "s.json"', 'schema = "s.json"\ninvalid = "300 %"', 9, "more than all"),
        ('schema = "s.json"', 'schema = "s.json"\nviolations = ["maximim"]', 9, "did you mean maximum?"),
        ('schema = "s.json"', 'schema = "s.json"\nfields = { "a" = 1 }', 9, "not allowed as a name"),
        ("p99 < 8 ms", "p99 < 8", 1, "did you mean p99 < 8 ms?"),
        ("p99 < 8 ms", "publsh.p99 < 8 ms", 1, "did you mean publish.p99?"),
        ("[[phase]]", "[devices]\ncount = 2\nname = 'x'\n[[phase]]", 4, "same name"),
        ("[[phase]]", 'timeout = "0 s"\n[[phase]]', 2, "must be 1 ms to 30 d"),
        ("[[phase]]", 'timeout = "99999999999 d"\n[[phase]]', 2, "must be 1 ms to 30 d"),
        ("rate = 1", "rate = ", 4, "not TOML"),
    ],
)
def test_what_is_wrong_has_its_line(old: str, new: str, line: int, words: str) -> None:
    with pytest.raises(ScenarioErrors) as refused:
        parse(SMALL.replace(old, new, 1))
    texts = [finding.text() for finding in refused.value.findings]
    assert any(text.startswith(f"/base/s.toml:{line}: ") and words in text for text in texts), texts
    assert refused.value.code == exits.SCENARIO_INVALID


def test_all_findings_at_once() -> None:
    with pytest.raises(ScenarioErrors) as refused:
        parse(SMALL.replace("rate = 1", "rate = 1\nfom = 3").replace('stream = "s"', "").replace("schema", "shema"))
    assert [finding.line for finding in refused.value.findings] == sorted(
        {finding.line for finding in refused.value.findings}
    )
    assert len(refused.value.findings) >= 3
    assert f"(and {len(refused.value.findings) - 1} more)" in refused.value.line()


def test_names_of_operations_are_their_own() -> None:
    twice = SMALL + '\n[[operation]]\ndo = "publish"\nstream = "s"\ndata = "d"\n'
    with pytest.raises(ScenarioErrors, match="another operation has this name"):
        parse(twice)


@pytest.mark.parametrize("data", [b"\xff", b"a = [" + b"[" * 100_000, b""])
def test_what_is_no_scenario(data: bytes) -> None:
    with pytest.raises(ScenarioErrors):
        scenario.parse(data, Path("s.toml"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("seed = " + "1" * 5000, "too many digits"),
        ("seed = 0x" + "f" * 5000, "too many digits"),
        (".".join("a" * 3000) + " = 1", "nested too deeply"),
    ],
)
def test_what_is_toml_but_out_of_bounds(line: str, words: str) -> None:
    with pytest.raises(ScenarioErrors, match=words):
        parse(f"{line}\n{SMALL}")


@pytest.mark.parametrize("number", ["inf", "-inf", "nan"])
def test_numbers_json_does_not_have_are_refused(number: str) -> None:
    for old, new, where in (
        ("rate = 1", f"rate = {number}", r"phase\[0\]\.rate"),
        ('"s.json"', f'"s.json"\nfields = {{ "/x" = {number} }}', "data.d.fields"),
        ("[[phase]]", f"name = {number}\n[[phase]]", "name"),
    ):
        text = SMALL.replace(old, new, 1)
        line = text[: text.index(f"= {number}")].count("\n") + 1
        with pytest.raises(ScenarioErrors, match=f":{line}: {where}.*must not be inf or nan"):
            parse(text)


@pytest.mark.parametrize("length", ["0 s", "31 d", "9" * 400 + " d"])
def test_a_phase_ends(length: str) -> None:
    with pytest.raises(ScenarioErrors, match=r"phase\[0\]\.for: must be more than 0 s, and at most 30 d"):
        parse(SMALL.replace('for = "1 s"', f'for = "{length}"'))


def test_dates_are_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """TOML has them, JSON has not: neither the messages, nor what is printed, nor the result."""
    fields = 'fields = { "/ts" = 1979-05-27T07:32:00Z, "/at" = 07:32:00 }'
    text = "name = 1979-05-27\n" + SMALL.replace('"s.json"', f'"s.json"\n{fields}') + "name = 1979-05-28\n"
    found = parse(text)
    assert (found.name, found.lines[0].name) == ("1979-05-27", "1979-05-28")
    assert found.data["d"].fields == {"/ts": "1979-05-27T07:32:00+00:00", "/at": "07:32:00"}
    assert json.loads(json.dumps(found.document))["operation"][0]["name"] == "1979-05-28"

    file = tmp_path / "dates.toml"
    file.write_text(WHOLE.replace('"a working day"', "1979-05-27") + "name = 1979-05-28\n")
    assert scenario_run.check(file, as_json=True) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["name"] == "1979-05-27"
    assert "1979-05-28" in shown["operations"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot read"):
        scenario.load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("weights", "turns", "expected"),
    [
        ([1], 10, [10]),
        ([1, 1, 1], 10, [4, 3, 3]),
        ([999_999, 1], 10, [9, 1]),
        ([1] * 5, 3, [1] * 5),
        ([2, 3, 5], 10, [2, 3, 5]),
    ],
)
def test_shares(weights: list[float], turns: int, expected: list[int]) -> None:
    assert mix.shares(weights, turns) == expected


def test_names_of_devices() -> None:
    names: Any = scenario.Devices(3, "m-{n:04}.{n}").names()
    assert [names(n) for n in (0, 12)] == ["m-0000.0", "m-0012.12"]
