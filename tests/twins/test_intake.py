"""The intake, native and pure: the rules, random operations side by side, and what only a C type can get wrong."""

import gc
import inspect
import random
import sys
from typing import Any

import pytest

from headgate import limits
from headgate.core import cbor
from headgate.linux import intake as pure
from headgate.linux.intake import CBOR, DURABLE, PROMISED
from headgate.linux.outbox_keys import digest, scope_of
from headgate_native import _native

ROW = len("st") + len("cl") + limits.ROW_OVERHEAD  # charged for a message with an empty body


@pytest.fixture(params=[pure.Intake, _native.Intake], ids=["pure", "native"])
def make(request: pytest.FixtureRequest) -> Any:
    return request.param


def add(intake: Any, body: bytes = b"", at_ms: int = 0, flags: int = 0, **more: Any) -> Any:
    return intake.add("st", "cl", body, None, at_ms, flags, **more)


def rows(batch: Any) -> list[list[Any]]:
    """What would be stored."""
    head = b"\x99" + len(batch).to_bytes(2, "big")  # RFC 8949 section 3: an array with a length of two bytes
    return cbor.loads(batch.cbor(head))


# -- rules


def test_rows_come_out_in_order_with_all_their_fields(make) -> None:
    intake = make(1, 10, 10_000)
    assert intake.add("s1", "c1", b"{}", 1_764_000_000_000, 5, DURABLE, "key", "trace") == 1
    assert intake.add("s2", "c2", b"\xa0", None, 6, CBOR) == 2
    assert (intake.rows, intake.oldest_ms, intake.oldest_waiting_ms) == (2, 5, 5)
    batch = intake.take(10, 10_000)
    assert (intake.rows, intake.oldest_ms, intake.oldest_waiting_ms) == (0, None, None)
    assert rows(batch) == [
        [1, "s1", "c1", 1_764_000_000_000, "application/json", b"{}", "trace"],
        [2, "s2", "c2", None, "application/cbor", b"\xa0", None],
    ]
    assert (len(batch), batch.seqs()) == (2, [1, 2])
    assert intake.bytes == 2 * 64 + 4 + 4 + 3
    batch.release()
    assert (len(batch), batch.seqs(), batch.keyed(), batch.totals(), batch.cbor(b"x")) == (0, [], [], (0, {}), b"x")
    assert intake.bytes == 0


def test_a_batch_closes_by_rows_and_by_bytes_and_has_at_least_one(make) -> None:
    intake = make(1, 10, 10_000)
    for size in (0, 0, 500, 0):
        add(intake, bytes(size))
    assert intake.take(1, 10_000).seqs() == [1]
    assert intake.take(10, ROW + 499).seqs() == [2]
    assert intake.take(10, 1).seqs() == [3]
    assert intake.take(0, 10_000).seqs() == []
    assert intake.take(10, 10_000).seqs() == [4]
    assert intake.take(10, 10_000).seqs() == []


def test_refusals_say_why_and_when_to_come_again(make) -> None:
    intake = make(1, 2, 10_000)
    intake.refuse_until_ms = 3500
    assert add(intake, at_ms=1000) == (
        "storage_failed",
        "the disk is full or failing; the message was not stored",
        3,
    )
    assert add(intake, at_ms=1000, flags=PROMISED) == 1
    assert add(intake, at_ms=3500) == 2
    full = "too many messages wait for the disk"
    assert add(intake, at_ms=4000) == ("outbox_full", full, 1)
    batch = intake.take(1, 1)
    assert add(intake, bytes(10_000 - 3 * ROW), 4000) == 3
    batch.release()
    intake = make(1, 10, 2 * ROW)
    batches = [add(intake) and intake.take(1, 1) for _ in range(2)]
    assert add(intake) == ("outbox_full", full, 1)  # bytes, of what is taken
    batches[0].release()
    intake.room = 2 * ROW - 1
    assert add(intake) == ("outbox_full", "the budget for undelivered messages is used up", 30)
    assert intake.overfull == 1
    intake.room = 2 * ROW
    assert add(intake) == 3
    intake.closing = True
    assert add(intake, flags=PROMISED) == ("draining", "shutting down", 5)


def test_three_quarters_are_a_crowd(make) -> None:
    intake = make(1, 7, 8 * ROW)
    for rows in range(6):
        assert intake.crowded is False
        assert add(intake) == rows + 1
    assert intake.crowded is True  # rows: 6 of 7
    batch = intake.take(1, ROW)
    assert intake.crowded is True  # bytes, of what is taken as well: 6 of 8
    batch.release()
    assert intake.crowded is False
    assert make(1, 1, ROW).crowded is False


def test_a_failed_commit_keeps_the_promised_in_their_order(make) -> None:
    intake = make(1, 10, 10_000)
    for n in range(8):
        add(intake, at_ms=n, flags=PROMISED * (n % 2))
    batch = intake.take(5, 10_000)
    batch.give_back()
    assert len(batch) == 0
    assert (intake.rows, intake.oldest_ms, intake.oldest_waiting_ms) == (5, 1, 6)
    waiting = intake.take_waiting()
    assert waiting.seqs() == [7]
    waiting.release()
    assert (intake.rows, intake.bytes, intake.oldest_waiting_ms) == (4, 4 * ROW, None)
    assert intake.take(10, 10_000).seqs() == [2, 4, 6, 8]


def test_batches_of_a_failed_commit_come_back_in_their_order(make) -> None:
    """The last of them first: each goes before what is queued."""
    intake = make(1, 20, 10_000)
    for n in range(9):
        add(intake, at_ms=n, flags=PROMISED * (n != 5))
    batches = [intake.take(3, 10_000) for _ in range(3)]
    assert (intake.oldest_ms, intake.oldest_waiting_ms) == (None, None)
    add(intake, at_ms=9, flags=PROMISED)
    for batch in reversed(batches):
        batch.give_back()
    assert (intake.rows, intake.bytes) == (9, 9 * ROW)
    assert (intake.oldest_ms, intake.oldest_waiting_ms) == (0, None)
    add(intake, at_ms=10)
    assert intake.oldest_waiting_ms == 10
    assert intake.take(20, 10_000).seqs() == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11]


def test_rows_with_a_key_and_rows_left_out(make) -> None:
    intake = make(1, 100, 1_000_000)
    streams = [f"stream-{n % 20}" for n in range(50)]
    for n, stream in enumerate(streams):
        key = f"k/{n}" * (n + 1) if n % 3 == 0 else None
        intake.add(stream, "cl", b"x" * n, None, 0, 0, key)
    batch = intake.take(100, 1_000_000)
    assert batch.keyed() == [
        (n, n + 1, scope_of("cl", streams[n], f"k/{n}" * (n + 1)), digest(b"x" * n)) for n in range(0, 50, 3)
    ]
    left_out = {0: "1.1", 7: False, 8: "1.2", 49: False}
    kept = [n for n in range(50) if n not in left_out]
    payload, counts = batch.totals(left_out)
    assert payload == sum(kept)
    assert counts == {name: sum(streams[n] == name for n in kept) for name in streams}
    whole = rows(batch)
    assert batch.cbor(b"", left_out) == b"".join(cbor.dumps(whole[n]) for n in kept)
    assert batch.cbor(b"head", range(50)) == b"head"
    for skip in ([50], [-1], {2**70: None}):
        with pytest.raises(IndexError):
            batch.cbor(b"", skip)
        with pytest.raises(IndexError):
            batch.totals(skip)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("st", "cl", b"", -1, 0, 0), ValueError),
        (("st", "cl", b"", limits.TIME_MS + 1, 0, 0), ValueError),
        (("st", "cl", b"", None, -1, 0), ValueError),
        (("st", "cl", b"", None, 2**80, 0), ValueError),
        (("\ud800", "cl", b"", None, 0, 0), UnicodeEncodeError),
        (("st", "\ud800", b"", None, 0, 0), UnicodeEncodeError),
        (("st", "cl", b"", None, 0, 0, "\ud800"), UnicodeEncodeError),
        (("st", "cl", b"", None, 0, 0, "k", "\ud800"), UnicodeEncodeError),
    ],
)
def test_what_no_message_has_is_an_error_and_adds_nothing(make, arguments, error) -> None:
    intake = make(1, 10, 10_000)
    with pytest.raises(error):
        intake.add(*arguments)
    assert (intake.rows, intake.bytes, add(intake)) == (0, 0, 1)


@pytest.mark.parametrize(
    "arguments", [(0, 1, 1), (2**53, 1, 1), (1, 0, 1), (1, 2**32, 1), (1, 1, 0), (1, 1, 2**32), (1, 1, 2**90)]
)
def test_limits_that_make_no_sense(make, arguments) -> None:
    with pytest.raises(ValueError, match="out of range"):
        make(*arguments)


# -- side by side


def look(intake: Any) -> tuple[Any, ...]:
    return (intake.rows, intake.bytes, intake.overfull, intake.oldest_ms, intake.oldest_waiting_ms, intake.room)


def read(batch: Any, skip: list[int]) -> tuple[Any, ...]:
    return (len(batch), batch.seqs(), batch.keyed(), batch.totals(skip), batch.cbor(b"head", skip))


@pytest.mark.parametrize("seed", range(20))
def test_random_operations(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    pair = (pure.Intake(7, 30, 8000), _native.Intake(7, 30, 8000))
    batches: list[tuple[Any, Any]] = []
    now_ms = 0
    for _ in range(400):
        now_ms += dice.randrange(50)
        what = dice.randrange(20)
        if what < 12:
            arguments = (
                dice.choice(["weather", "s", "größe"]),
                dice.choice(["c1", "a-client-with-a-longer-name-than-23"]),
                dice.randbytes(dice.choice([0, 1, 23, 24, 200, 300])),
                dice.choice([None, 0, 1_764_000_000_000 + now_ms]),
                now_ms,
                dice.randrange(8),
                dice.choice([None, None, "", "k1", "k" * 128]),
                dice.choice([None, "00-" + "1" * 32 + "-" + "2" * 16 + "-01"]),
            )
            assert pair[0].add(*arguments) == pair[1].add(*arguments)
        elif what < 15:
            limit = (dice.randrange(12), dice.randrange(3000))
            batches.append((pair[0].take(*limit), pair[1].take(*limit)))
        elif what == 15:
            batches.append((pair[0].take_waiting(), pair[1].take_waiting()))
        elif what == 16:
            room, until_ms = dice.choice([None, 0, 500, 4000]), dice.choice([0, now_ms + 100])
            for intake in pair:
                intake.room, intake.refuse_until_ms = room, until_ms
        elif batches:
            both = batches.pop() if what == 17 else batches.pop(0)
            skip = [index for index in range(len(both[0])) if dice.random() < 0.2]
            assert read(both[0], skip) == read(both[1], skip)
            for batch in both:
                if what == 18:
                    batch.give_back()
                else:
                    batch.release()
            assert read(both[0], []) == read(both[1], [])
        assert look(pair[0]) == look(pair[1])
    assert len(batches) > 0 or pair[0].rows > 0


# -- the C types


@pytest.mark.parametrize("name", ["add", "take", "take_waiting"])
def test_the_signatures_of_intake_are_the_same(name: str) -> None:
    assert parameters(getattr(pure.Intake, name)) == parameters(getattr(_native.Intake, name))


@pytest.mark.parametrize("name", ["seqs", "keyed", "totals", "cbor", "release", "give_back"])
def test_the_signatures_of_batch_are_the_same(name: str) -> None:
    assert parameters(getattr(pure.Batch, name)) == parameters(getattr(_native.Batch, name))


def parameters(function: Any) -> list[tuple[str, Any]]:
    return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]


def test_the_types_are_closed() -> None:
    with pytest.raises(TypeError):
        _native.Batch()
    for kind in (_native.Intake, _native.Batch):
        with pytest.raises(TypeError):
            type("Mine", (kind,), {})
    intake = _native.Intake(1, 1, 1)
    for name in ("boot", "rows", "bytes", "overfull", "oldest_ms", "oldest_waiting_ms"):
        with pytest.raises(AttributeError):
            setattr(intake, name, 1)
    for name in ("room", "refuse_until_ms", "closing"):
        with pytest.raises(AttributeError):
            delattr(intake, name)
    for name, value in (("room", -1), ("refuse_until_ms", -1)):
        with pytest.raises(ValueError, match=name):
            setattr(intake, name, value)
    with pytest.raises(TypeError):
        intake.refuse_until_ms = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "arguments",
    [
        (b"st", "cl", b"", None, 0, 0),
        ("st", None, b"", None, 0, 0),
        ("st", "cl", bytearray(), None, 0, 0),
        ("st", "cl", b"", 0.5, 0, 0),
        ("st", "cl", b"", None, None, 0),
        ("st", "cl", b"", None, 0, 0, 5),
        ("st", "cl", b"", None, 0, 0, None, b"t"),
        ("st", "cl", b"", None, 0),
    ],
)
def test_wrong_calls(arguments: Any) -> None:
    intake = _native.Intake(1, 10, 10_000)
    with pytest.raises(TypeError):
        intake.add(*arguments)
    with pytest.raises(ValueError, match="flags"):
        add(intake, flags=8)
    assert intake.rows == 0


def test_cbor_into_memory_that_was_used_before(make) -> None:
    intake = make(1, 100, 1_000_000)
    intake.add("st", "cl", b"x" * 1000, None, 0, 0)
    intake.add("st", "cl", b"y", None, 0, 0)
    long, short = intake.take(1, 1_000_000), intake.take(1, 1_000_000)
    memory = bytearray(b"what was there")
    for batch in (long, short, long):
        assert batch.cbor(b"head", into=memory) is memory
        assert memory == batch.cbor(b"head")
        assert batch.cbor(b"head", {0: False}, memory) is memory
        assert memory == b"head"
    with memoryview(memory), pytest.raises(BufferError):
        long.cbor(b"head", into=memory)
    assert memory == b"head"


def test_into_must_be_a_bytearray() -> None:
    intake = _native.Intake(1, 10, 10_000)
    add(intake, b"body")
    with pytest.raises(TypeError, match="bytearray"):
        intake.take(1, 10_000).cbor(b"", (), b"bytes")


def test_totals_of_one_stream_and_of_several(make) -> None:
    intake = make(1, 100, 1_000_000)
    for stream, length in (("st", 5), ("st", 7), ("su", 1), ("st", 0), ("stream", 2), ("su", 3)):
        intake.add(stream, "cl", b"x" * length, None, 0, 0)
    for count, wanted in (
        (2, (12, {"st": 2})),
        (1, (1, {"su": 1})),
        (2, (2, {"st": 1, "stream": 1})),
        (1, (3, {"su": 1})),
    ):
        batch = intake.take(count, 1_000_000)
        assert batch.totals() == wanted
    intake.add("st", "cl", b"x", None, 0, 0)
    intake.add("st", "cl", b"xyz", None, 0, 0)
    batch = intake.take(2, 1_000_000)
    assert batch.totals({0: False}) == (3, {"st": 1})
    batch.release()
    assert batch.totals() == (0, {})


def test_a_batch_cannot_go_while_it_is_read() -> None:
    """Here by an iterator that the reading runs; in the appliance another thread reads."""
    intake = _native.Intake(1, 10, 10_000)
    add(intake, b"body")
    batch = intake.take(10, 10_000)

    def meddle(end: str) -> Any:
        getattr(batch, end)()
        yield 0

    for end in ("release", "give_back"):
        for reading in (lambda skip: batch.cbor(b"", skip), batch.totals):
            with pytest.raises(RuntimeError, match="being read"):
                reading(meddle(end))
    assert len(batch) == 1
    batch.release()
    assert intake.bytes == 0


def test_a_batch_outlives_its_intake_and_a_lost_one_frees_its_rows() -> None:
    intake = _native.Intake(1, 10, 10_000)
    for _ in range(3):
        add(intake, b"x" * 100, key="k")
    batch = intake.take(1, 10_000)
    lost = intake.take(1, 10_000)
    del intake, lost
    gc.collect()
    assert rows(batch)[0][5] == b"x" * 100
    batch.give_back()
    assert len(batch) == 0


def test_nothing_is_leaked() -> None:
    intake = _native.Intake(1, 100, 100_000)
    key = "a key that nobody else holds"
    body = b"a body that nobody else holds"
    memory = bytearray()
    counts = sys.getrefcount(key), sys.getrefcount(body)

    def work() -> None:
        for n in range(20):
            add(intake, body, n, key=key)
        batch = intake.take(10, 10_000)
        skip = {2: False}
        batch.seqs(), batch.keyed(), batch.totals(skip), batch.cbor(b"head", skip), batch.cbor(b"head", into=memory)
        with pytest.raises(IndexError):
            batch.cbor(b"", [10])
        batch.release()
        intake.take_waiting().release()

    work()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(200):
        work()
    gc.collect()
    assert sys.getallocatedblocks() - before < 200
    assert (sys.getrefcount(key), sys.getrefcount(body)) == counts
    assert (intake.rows, intake.bytes) == (0, 0)
