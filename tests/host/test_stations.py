"""The simulated stations: real rows, deterministic, and spoiled exactly as announced (jsonschema is the judge)."""

import collections
import csv
import json
from decimal import Decimal
from typing import Any

import jsonschema
import pytest

from headgate import errors
from headgate._accel import Schema
from headgate_host import stations

SCHEMA = json.loads(stations.schema(), parse_float=Decimal)


def unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("duplicate name")
    return document


@pytest.fixture(scope="module")
def ten_thousand() -> list[stations.Message]:
    return list(stations.messages(10000, 20))


def test_schema_document_is_itself_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_same_arguments_same_messages(ten_thousand: list[stations.Message]) -> None:
    assert list(stations.messages(300, 20)) == ten_thousand[:300]
    assert list(stations.messages(300, 20, seed=2)) != ten_thousand[:300]


def test_share_of_spoiled_messages_is_exact_and_every_way_occurs(ten_thousand: list[stations.Message]) -> None:
    ways = collections.Counter(m.spoiler for m in ten_thousand if m.spoiler)
    assert ways.total() == 300
    assert set(ways) == set(stations.SPOILERS)
    assert len({m.msg_id for m in ten_thousand}) == 10000
    assert not any(m.spoiler for m in stations.messages(500, 3, spoil=0))
    assert all(m.spoiler for m in stations.messages(500, 3, spoil=1))
    assert sum(1 for m in stations.messages(1000, 3, spoil=0.005) if m.spoiler) == 5


def test_honest_messages_are_rows_of_the_files_and_unique(ten_thousand: list[stations.Message]) -> None:
    with (stations.data_folder() / "seattle-weather.csv").open(newline="") as file:
        days = {(r["date"].replace("/", "-"), float(r["wind"]), r["weather"]) for r in csv.DictReader(file)}
    seen = set()
    for message in ten_thousand:
        if message.spoiler:
            continue
        row = json.loads(message.body)
        assert row["station"] == message.client
        if row["kind"] == "daily":
            assert (row["ts"][:10], row["wind_mps"], row["weather"]) in days
        seen.add((row["station"], row["ts"]))
    assert len(seen) == 9700


def test_verdicts_agree_with_jsonschema() -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)  # asserts no format: bad date-times are left to our own tests
    for message in [*stations.messages(200, 20, spoil=0), *stations.messages(3000, 20, spoil=1)]:
        if message.expected_status == 413:
            assert len(message.body) > stations.BODY_LIMIT
            continue
        assert len(message.body) <= stations.BODY_LIMIT
        try:
            document = json.loads(message.body.decode("utf-8"), parse_float=Decimal, object_pairs_hook=unique_names)
            json.dumps(document, ensure_ascii=False, default=str).encode("utf-8")  # a lone surrogate fails here
        except ValueError:
            assert message.expected_status == 400, message
            continue
        pointers = [_pointer(e) for e in validator.iter_errors(document)]
        if message.spoiler == "bad date-time" or (message.spoiler == "bad pattern" and message.body.find(b"\\n") > 0):
            continue  # Python's `$` also matches before a final newline, ECMA-262's does not
        if message.expected_status == 202:
            assert pointers == [], message
        else:
            assert message.expected_status == 422, message
            assert message.expected_pointer in pointers, (message, pointers)


def test_verdicts_agree_with_our_own_validator() -> None:
    schema = Schema(stations.schema())
    for message in [*stations.messages(100, 20, spoil=0), *stations.messages(1000, 20, spoil=1)]:
        if message.expected_status == 413:
            continue
        result = schema.validate(message.body)
        assert schema.is_valid(message.body) == bool(result)
        status = 400 if result.malformed else 422 if result.errors else 202
        assert message.expected_status == status, (message, result.errors)
        if status == 422:
            assert result.errors[0].instance == message.expected_pointer, (message, result.errors)


def _pointer(error: jsonschema.ValidationError) -> str:
    path = [str(step) for step in error.absolute_path]
    if error.validator == "additionalProperties":  # jsonschema reports the object, not the member
        path.append(next(name for name in error.instance if name not in error.schema["properties"]))
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)


def test_stations_share_rows_and_swap_them_when_used_up() -> None:
    names = stations.names(20)
    assert names[:2] == ["sea-01", "sfo-02"]
    assert names[9] == "sea-10"
    two_laps = [json.loads(m.body) for m in stations.messages(2 * 1461 * 2 * 10, 20, spoil=0) if m.client == "sea-10"]
    assert len(two_laps) == 2922
    assert len({r["ts"] for r in two_laps}) == 1461  # 730 or 731 rows each lap, the neighbour's in the next
    assert [r["ts"] for r in two_laps[:700]] == sorted(r["ts"] for r in two_laps[:700])


def test_missing_records_are_one_line_with_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stations.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.CommandError) as caught:
        next(stations.messages(1))
    assert caught.value.code == errors.MISSING
    assert "pip install --no-deps vega_datasets" in caught.value.line()


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="clients"):
        next(stations.messages(1, 0))
