"""Result files: what is written is read again; what is not a result is refused in one line."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from load_kit import a_result

from headgate.errors import MISSING, CommandError
from headgate_host.load import result
from headgate_host.load.distribution import Distribution, merge
from headgate_host.load.operation import ACCEPTED, Expect
from headgate_host.load.result import Measured, Result, Slices


def test_written_and_read_again(tmp_path: Path) -> None:
    written = a_result()
    written.write(tmp_path / "r.json")
    read = Result.read(tmp_path / "r.json")
    assert read.document() == written.document()
    assert read.total.latency == written.total.latency
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("audit"), "audit"),
        (lambda d: d.update(version=2), "/version"),
        (lambda d: d["total"]["latency"]["buckets"].append(3), "zip"),
        (lambda d: d["total"]["latency"].update(buckets=[1 << 60, 1]), "bucket"),
        (lambda d: d["series"].update(due=["many"]), "/series/due/0"),
        (lambda d: d["audit"].update(verdict="splendid"), "/audit/verdict"),
    ],
)
def test_what_is_not_a_result_is_refused(tmp_path: Path, change: object, words: str) -> None:
    document = a_result().document()
    change(document)  # type: ignore[operator]
    with pytest.raises(CommandError, match=words) as refused:
        Result.parse(json.dumps(document).encode(), "r.json")
    assert refused.value.code == MISSING
    assert "\n" not in refused.value.line()


def test_a_file_that_is_not_there_or_not_json(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot read"):
        Result.read(tmp_path / "none.json")
    with pytest.raises(CommandError, match="not a result"):
        Result.parse(b"{", "r.json")
    with pytest.raises(CommandError, match="cannot write"):
        a_result().write(tmp_path / "no" / "folder.json")


def test_later_members_do_no_harm() -> None:
    document = a_result().document()
    document["total"]["colour"] = "red"
    document["news"] = []
    assert Result.parse(json.dumps(document).encode(), "r.json").total.due == document["total"]["due"]


def test_numbers_json_does_not_have_are_unknown() -> None:
    found = a_result()
    found.audit.figures["lag_p99_ms"] = float("nan")
    assert json.loads(json.dumps(found.document(), allow_nan=False))["audit"]["figures"]["lag_p99_ms"] is None


def test_a_disk_without_room_keeps_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CommandError, match="No space left"):
        a_result().write(tmp_path / "r.json")
    assert not list(tmp_path.iterdir())


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    """/dev/null, as root."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path()):
        with pytest.raises(CommandError, match="cannot write"):
            a_result().write(path)
    assert (tmp_path / "pipe").is_fifo()


def test_what_was_due_and_not_answered_is_an_error() -> None:
    measured = Measured(due=100, sent=98, outcomes={"ok": 95, "status 503": 2})
    assert (measured.done, measured.errors, measured.share_of_errors()) == (97, 2, 0.05)
    assert Measured().share_of_errors() is None


@given(st.lists(st.lists(st.integers(0, 10**9), max_size=3), max_size=400))
def test_slices_are_few_and_lose_nothing(intervals: list[list[int]]) -> None:
    slices = Slices()
    for values in intervals:
        slices.add(Distribution.of(values))
    found = slices.all()
    assert len(found) <= result.SLICES + 1
    assert merge(found) == merge(Distribution.of(values) for values in intervals)
    assert len(found) * slices.seconds >= len(intervals) > (len(found) - 1) * slices.seconds or not intervals


def test_generators_add_up() -> None:
    one, other = a_result(seed=1).total, a_result(seed=2).total
    both = result.combined([one, other])
    assert both.due == one.due + other.due
    assert both.errors == one.errors + other.errors
    assert both.latency.count == one.latency.count + other.latency.count


PROBLEM = b'{"type":"urn:headgate:problem:schema_violation","errors":[{"instance":"/a"},{"instance":"/b"}]}'


@pytest.mark.parametrize(
    ("expect", "status", "body", "wrong"),
    [
        (ACCEPTED, 202, b"", ""),
        (ACCEPTED, 503, b"", "status 503"),
        (Expect((422,), "schema_violation", "/b"), 422, PROBLEM, ""),
        (Expect((422,), "schema_violation"), 422, PROBLEM, ""),
        (Expect((422,), "schema_violation", "/c"), 422, PROBLEM, "another violation"),
        (Expect((422,), "idempotency_key_reused"), 422, PROBLEM, "problem schema_violation"),
        (Expect((422,), "schema_violation"), 422, b"<html>", "problem none"),
        (Expect((422,), "schema_violation", ""), 422, b'{"type":"urn:headgate:problem:schema_violation","errors":7}',
         "another violation"),
        (Expect((200,), lines=(202, 422)), 200, b'{"status":202}\n{"status":422}\n', ""),
        (Expect((200,), lines=(202, 422)), 200, b'{"status":202}\n', "records of the batch"),
        (Expect((200,), lines=(202,)), 200, b"[" * 100_000, "records of the batch"),
    ],
)  # fmt: skip
def test_what_answers_a_request_rightly(expect: Expect, status: int, body: bytes, wrong: str) -> None:
    assert expect.wrong(status, body) == wrong
