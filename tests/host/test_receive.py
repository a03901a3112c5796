"""What `headgate receive` makes of what a broker hands over, and where it puts it."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PrivateKey

from headgate import cli
from headgate.errors import MISSING, NETWORK, STATE, USAGE, CommandError
from headgate.linux import batch, seal
from headgate.linux.batch import Batch, Row
from headgate.linux.uplink_messages import BATCH, CBOR, JSON, SEALED, STATUS
from headgate_host import receive, receive_output
from headgate_host.receive_decode import Received, Undecodable, decode_publish
from headgate_host.receive_output import Database, Lines, Stuck, line
from headgate_host.receive_seen import Seen

ROWS = [Row(n, "weather", "c1", 1_764_000_000_000 + n, JSON, b'{"n": %d.50}' % n, None) for n in range(1, 4)]
SAMPLE = Batch("hg1", 2, ROWS)


def properties(content_type: str = "", **user: str) -> Any:
    pairs = [(name.replace("_", "-"), value) for name, value in user.items()]
    return SimpleNamespace(**({"ContentType": content_type} if content_type else {}), UserProperty=pairs)


def message(seq: int = 1, body: bytes = b"{}", kind: str = JSON) -> Received:
    return Received("hg1", 2, Row(seq, "weather", "c1", None, kind, body, None))


# -- decoding


def test_a_batch() -> None:
    got = decode_publish(batch.encode(SAMPLE)[1], properties(BATCH, count="3"), None)
    assert [item.id for item in got] == ["hg1/2.1", "hg1/2.2", "hg1/2.3"]
    assert [item.row for item in got] == ROWS


def test_a_sealed_batch() -> None:
    key = PrivateKey.generate()
    sealed = seal.seal(batch.encode(SAMPLE)[1], bytes(key.public_key))
    assert [item.row for item in decode_publish(sealed, properties(SEALED), bytes(key))] == ROWS
    with pytest.raises(Undecodable, match="does not open"):
        decode_publish(sealed, properties(SEALED), bytes(PrivateKey.generate()))
    with pytest.raises(Undecodable):
        decode_publish(sealed[:-1], properties(SEALED), bytes(key))
    with pytest.raises(Undecodable):
        decode_publish(b"", properties(SEALED), bytes(key))
    with pytest.raises(CommandError) as refused:
        decode_publish(sealed, properties(SEALED), None)
    assert refused.value.code == MISSING


def test_a_single_message() -> None:
    about = properties(JSON, msg_id="hg1/2.7", stream="weather", client="c/1", ts="17", replay="1", traceparent="00-x")
    (got,) = decode_publish(b'{"t":1}', about, None)
    assert got == Received("hg1", 2, Row(7, "weather", "c/1", 17, JSON, b'{"t":1}', "00-x"))


def test_a_broker_that_strips_the_content_type_still_delivers_batches() -> None:
    assert len(decode_publish(batch.encode(SAMPLE)[1], properties(), None)) == 3


def test_a_status_is_not_a_message() -> None:
    assert decode_publish(b"online", properties(STATUS), None) == []


@pytest.mark.parametrize(
    "identity",
    [
        "",
        "hg1",
        "hg1/2",
        "hg1/2.",
        "hg1/.7",
        "/2.7",
        "hg1/-1.7",
        "hg1/2.x",
        "hg1/2.²",
        f"hg1/2.{2**53}",
        "h" * 65 + "/2.7",
    ],
)
def test_malformed_ids_are_refused(identity: str) -> None:
    with pytest.raises(Undecodable):
        decode_publish(b"{}", properties(JSON, msg_id=identity), None)


def test_long_names_are_refused() -> None:
    """No appliance has one; and what was seen is kept by name."""
    name = "h" * 64
    assert decode_publish(batch.encode(Batch(name, 2, ROWS))[1], properties(BATCH), None)[0].appliance == name
    with pytest.raises(Undecodable, match="more than 64 characters"):
        decode_publish(batch.encode(Batch(name + "h", 2, ROWS))[1], properties(BATCH), None)


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x28\xb5\x2f\xfd", b"\xa4"])
def test_foreign_payloads_are_refused(payload: bytes) -> None:
    with pytest.raises(Undecodable):
        decode_publish(payload, properties(), None)
    with pytest.raises(Undecodable):
        decode_publish(payload, properties(BATCH), None)


# -- replays


@given(st.lists(st.integers(1, 60), max_size=200))
def test_seen_is_a_set(numbers: list[int]) -> None:
    seen, model = Seen(), set[int]()
    for number in numbers:
        assert seen.add("a", 1, number) is (number not in model)
        model.add(number)
    ranges = sum(number - 1 not in model for number in model)
    assert len(seen) == ranges


def test_seen_knows_appliances_and_starts_apart() -> None:
    seen = Seen()
    assert seen.add("a", 1, 1)
    assert seen.add("a", 2, 1)
    assert seen.add("b", 1, 1)
    assert not seen.add("a", 1, 1)


def test_seen_is_small_for_numbers_nearly_in_order() -> None:
    numbers = list(range(1, 50_001))
    chance = random.Random(5)  # noqa: S311
    for start in range(0, len(numbers), 500):
        window = numbers[start : start + 500]
        chance.shuffle(window)
        numbers[start : start + 500] = window
    seen = Seen()
    assert all(seen.add("a", 1, number) for number in numbers)
    assert len(seen) == 1
    assert not any(seen.add("a", 1, number) for number in numbers)


def test_seen_is_bounded_and_forgets_rather_than_swallows() -> None:
    seen = Seen(max_ranges=100)
    for number in range(0, 2000, 2):  # a hostile pattern: no two numbers join
        assert seen.add("a", 1, number)
    assert len(seen) == 100
    assert seen.forgotten == 900
    assert seen.add("a", 1, 0)  # passes again
    assert not seen.add("a", 1, 1998)
    for boot in range(2, 300):
        assert seen.add("a", boot, 1)
    assert len(seen) == 100


# -- output


def test_lines_keep_the_senders_digits() -> None:
    text = line(message(3, b'{"t": 1.50,\n "big": 12345678901234567890.10}'))
    assert text == (
        b'{"id": "hg1/2.3", "appliance": "hg1", "stream": "weather", "client": "c1", "ts": null, '
        b'"body": {"t": 1.50,  "big": 12345678901234567890.10}}\n'
    )
    assert json.loads(text)["body"]["t"] == 1.5


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000, b"{}\n{}"])
def test_a_body_that_is_not_json_cannot_break_the_line(body: bytes) -> None:
    text = line(message(1, body))
    assert text.count(b"\n") == 1
    assert "body_b64" in json.loads(text)


def test_cbor_is_shown_as_json() -> None:
    assert json.loads(line(message(1, b"\xa1\x61t\x01", CBOR)))["body"] == {"t": 1}
    shown = json.loads(line(message(1, b"\xff", CBOR)))
    assert shown["content_type"] == CBOR


def test_names_cannot_break_the_line() -> None:
    bad = Received("hg1", 2, Row(1, "a\nb", 'c"\u2028', None, JSON, b"{}", None))
    text = line(bad)
    assert text.count(b"\n") == 1
    assert json.loads(text)["stream"] == "a\nb"


def test_output_without_room_is_said() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        lines = Lines(full)
        assert lines.add(message())
        with pytest.raises(CommandError, match="No space left") as refused:
            lines.flush()
    assert refused.value.code == MISSING


def test_a_reader_that_has_gone_is_said() -> None:
    """Not 0: whatever starts it would think that all went well."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as out:
        lines = Lines(out)
        assert lines.add(message())
        with pytest.raises(CommandError, match="Broken pipe") as gone:
            lines.flush()
        lines.close()  # what was given up is not tried again
        assert gone.value.code == MISSING
        lines.hurry()  # Ctrl-C ends the reader as well: nothing to complain of
        lines.add(message(2))
        with pytest.raises(Stuck):
            lines.flush()


def test_a_slow_reader_is_waited_for_and_one_that_reads_nothing_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `| xz` on a slow card, in the moment in which receive is to end."""
    monkeypatch.setattr(receive_output, "_PATIENCE_S", 0)
    reading, writing = os.pipe()
    room = fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    read = bytearray()

    def writable(*_: object) -> tuple[list[object], list[object], list[object]]:
        """It reads nothing until it is waited for."""
        read.extend(os.read(reading, room))
        return [], [out], []

    with os.fdopen(reading, "rb", buffering=0), os.fdopen(writing, "wb", buffering=0) as out:
        lines = Lines(out)
        lines.hurry()
        text = b'"%b"' % (b"x" * 30_000)
        assert lines.add(message(1, text))
        out.write(b"?" * room)
        with pytest.raises(Stuck):
            lines.flush()
        lines.close()
        assert lines.add(message(2, text))
        monkeypatch.setattr("select.select", writable)
        lines.flush()
        writable()
    assert bytes(read) == b"?" * room + line(message(2, text))


def test_nothing_is_received_into_an_output_that_is_closed() -> None:
    command = f"'{sys.executable}' -m headgate receive --url mqtt://127.0.0.1:1 >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (
        MISSING,
        "headgate: standard output is closed. Name where it goes, or --sqlite FILE\n",
    )


def test_lines_remove_replays(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb", buffering=0) as out:
        lines = Lines(out)
        assert lines.add(message(1))
        assert not lines.add(message(1))
        lines.add_undecodable("some/topic", b"\xff", "why")
        lines.close()
    first, second = (tmp_path / "out").read_bytes().splitlines()
    assert json.loads(first)["id"] == "hg1/2.1"
    assert json.loads(second) == {"undecodable": "why", "topic": "some/topic", "payload_b64": "/w=="}


def select(path: Path, query: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def test_the_database_stores_each_id_once_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "received.db"
    for _ in range(2):
        database = Database(path)
        added = [database.add(message(seq, b'{"n": 1.50}')) for seq in (1, 2, 1)]
        database.flush()
        database.close()
    assert added == [False, False, False]
    rows = select(path, "SELECT id, client, body, typeof(body) FROM messages ORDER BY rowid")
    assert rows == [("hg1/2.1", "c1", '{"n": 1.50}', "text"), ("hg1/2.2", "c1", '{"n": 1.50}', "text")]


def test_an_id_with_another_body_is_kept_apart(tmp_path: Path) -> None:
    database = Database(tmp_path / "received.db")
    assert database.add(message(1, b"1"))
    assert not database.add(message(1, b"2"))
    database.close()
    rows = select(tmp_path / "received.db", "SELECT topic, payload FROM undecodable")
    assert rows == [("hg1/2.1", b"2")]


def test_unflushed_messages_are_not_stored(tmp_path: Path) -> None:
    path = tmp_path / "received.db"
    database = Database(path)
    database.add(message(1))
    assert select(path, "SELECT count(*) FROM messages") == [(0,)]
    database.flush()
    assert select(path, "SELECT count(*) FROM messages") == [(1,)]
    database.close()


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE t(x)")
    other.close()
    with pytest.raises(CommandError) as refused:
        Database(path)
    assert refused.value.code == STATE
    (tmp_path / "junk").write_bytes(b"x" * 5000)
    with pytest.raises(CommandError) as refused:
        Database(tmp_path / "junk")
    assert refused.value.code == STATE


# -- arguments


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    receive.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--topic", ""),
        ("--topic", "a/#/b"),
        ("--topic", "a+/b"),
        ("--topic", "a\x01b"),
        ("--topic", "a" * 70_000),
        ("--share", "a/b"),  # would be the group a, and a topic that nobody publishes to
        ("--share", "+"),
        ("--client-id", "x" * 70_000),
        ("--client-id", "x\udcff"),
        ("--idle", "nan"),
        ("--idle", "-1"),
    ],
)
def test_what_no_broker_could_understand(option: str, text: str) -> None:
    with pytest.raises(CommandError) as refused:
        receive.main(parsed(f"{option}={text}", "--url", "mqtt://127.0.0.1:1"))
    assert refused.value.code == USAGE


@pytest.mark.parametrize("option", ["--topic", "--share", "--client-id", "--username"])
@pytest.mark.parametrize(
    "code", [0, 0x1F, 0x7F, 0x9F, 0xD800, 0xDFFF, 0xFDD0, 0xFDEF, 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF]
)
def test_what_is_no_text_to_mqtt(option: str, code: int) -> None:
    with pytest.raises(CommandError, match=r"is too long, or holds what is no text") as refused:
        receive.main(parsed(f"{option}=a{chr(code)}b", "--url", "mqtt://127.0.0.1:1"))
    assert refused.value.code == USAGE


@pytest.mark.parametrize("option", ["--topic", "--share", "--client-id", "--username"])
def test_what_is_not_printed_may_be_a_text(option: str) -> None:
    """Spaces of all kinds, what joins letters, what no Unicode knows yet, and what is there for private use."""
    text = "a \xa0\xad\u2028\u200d\u3000\u0378\ue000\ufdcf\ufdf0\ufeff\ufffd\U0010fffd"
    with pytest.raises(CommandError) as refused:
        receive.main(parsed(f"{option}={text}", "--url", "mqtt://127.0.0.1:1"))
    assert refused.value.code == NETWORK


def test_what_a_broker_understands() -> None:
    for words in (("--topic", "#"), ("--topic", "+/a/+/#"), ("--topic", "/"), ("--share", "loaders of x")):
        with pytest.raises(CommandError) as refused:
            receive.main(parsed(*words, "--url", "mqtt://127.0.0.1:1"))
        assert refused.value.code == NETWORK


def test_urls() -> None:
    assert receive.broker_of(parsed("--url", "mqtt://h")).port == 1883
    secure = receive.broker_of(parsed("--url", "mqtts://h", "--client-id", "x"))
    assert (secure.port, secure.tls) == (8883, True)
    assert secure.session_expiry_s > receive.broker_of(parsed("--url", "mqtts://h")).session_expiry_s
    assert receive.broker_of(parsed("--url", "mqtt://[::1]:99")).host == "::1"


@pytest.mark.parametrize(
    "url", ["h", "http://h", "mqtt://", "mqtt://h:x", "mqtt://h:0", "mqtt://h/t", "mqtt://u:p@h", "mqtt://[::1"]
)
def test_wrong_urls_are_explained(url: str) -> None:
    with pytest.raises(CommandError) as refused:
        receive.broker_of(parsed("--url", url))
    assert refused.value.code == USAGE


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        receive.broker_of(parsed("--url", "mqtts://h", "--cert-file", str(tmp_path)))


@pytest.mark.parametrize("option", ["--password-file", "--ca-file"])
def test_a_file_that_is_missing_is_no_bug(tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        cli.main(["receive", "--url", "mqtts://127.0.0.1:1", "--username", "x", option, str(tmp_path / "no")])
        == MISSING
    )
    assert capsys.readouterr().err.endswith(f"cannot read {tmp_path / 'no'}: No such file or directory. See {option}\n")


def test_a_password_that_is_no_text_is_no_bug(tmp_path: Path) -> None:
    (tmp_path / "pw").write_bytes(b"\xff")
    arguments = ["--url", "mqtt://127.0.0.1:1", "--username", "x", "--password-file", str(tmp_path / "pw")]
    assert cli.main(["receive", *arguments]) == NETWORK


def test_a_key_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as refused:
        receive.main(parsed("--seal-key", str(tmp_path / "none")))
    assert refused.value.code == MISSING
