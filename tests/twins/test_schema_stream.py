"""Streams: the native twin and the pure one give the same Results, however the bytes were cut."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.schema import Schema as PureSchema
from headgate_native import Schema

from . import schema_kit as kit

SETTINGS = settings(max_examples=kit.EXAMPLES)
OBJECTS = {"type": "object", "properties": {"a": {"type": "integer"}}, "maxProperties": 2}
NATIVE, PURE = Schema(OBJECTS), PureSchema(OBJECTS)

PIECES = {
    "ndjson": st.one_of(kit.json_documents(), kit.mutated(kit.json_documents()), st.sampled_from([b"", b" ", b"{}"])),
    "json-seq": st.one_of(kit.json_documents(), st.sampled_from([b"{}", b"12", b"true", b"\x1e", b'{"a":"tr', b" "])),
    "cbor-seq": st.one_of(kit.cbor_documents(), kit.cbor_documents(), kit.mutated(kit.cbor_documents())),
}
BETWEEN = {"ndjson": [b"\n", b"\r\n", b"\n\n"], "json-seq": [b"\n\x1e", b"\n\x1e", b"\x1e", b"\n"], "cbor-seq": [b""]}


@st.composite
def streams(draw: Any, framing: str) -> bytes:
    parts = [draw(st.sampled_from([b"\x1e", b"\x1e", b""])) if framing == "json-seq" else b""]
    for _ in range(draw(st.integers(0, 6))):
        parts += [draw(PIECES[framing]), draw(st.sampled_from(BETWEEN[framing]))]
    return b"".join(parts)


def run(schema: Any, framing: str, data: bytes, cuts: list[int], max_record: int) -> list[Any]:
    """What is told of each record; where the stream could not go on, that it said so from then on."""
    stream = schema.stream(framing, max_record=max_record)
    results: list[Any] = []
    ended = False
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        try:
            results += stream.feed(data[start:end])
            assert not ended
        except ValueError:
            assert framing == "cbor-seq"
            assert results[-1].malformed
            ended = True
    results += stream.close()
    assert stream.close() == []
    with pytest.raises(ValueError, match="the stream is closed"):
        stream.feed(b"")
    return [(result.valid, result.malformed, kit.told(result)) for result in results]


@pytest.mark.parametrize("framing", PIECES)
def test_the_twins_agree_on_any_stream_cut_anywhere(framing: str) -> None:
    @SETTINGS
    @given(streams(framing), st.data(), st.sampled_from([1, 3, 20, 1000]))
    def check(data: bytes, more: Any, max_record: int) -> None:
        cuts = sorted(more.draw(st.lists(st.integers(0, len(data)), max_size=6)))
        expected = run(PURE, framing, data, [], max_record)
        assert run(NATIVE, framing, data, [], max_record) == expected
        assert run(NATIVE, framing, data, cuts, max_record) == expected
        assert run(NATIVE, framing, data, list(range(len(data))), max_record) == expected

    check()


def test_a_verdict_comes_with_the_last_byte_of_its_record() -> None:
    for framing, data, ends in [
        ("ndjson", b'{"a":1}\n\n[]\r\n{}', [8, 13]),
        ("json-seq", b'\x1e{"a":\n1}\n\x1e[]\n\x1e"x"\x1e', [10, 14, 19]),
        ("cbor-seq", b"\xa0\xa1aa\x01\x80\x62ab", [1, 5, 6, 9]),
    ]:
        stream = NATIVE.stream(framing)  # type: ignore[arg-type]
        assert [i + 1 for i in range(len(data)) if stream.feed(data[i : i + 1])] == ends


def test_a_record_that_is_too_large() -> None:
    stream = NATIVE.stream(max_record=10)
    results = stream.feed(b'{"a":12345}\n{}\n') + stream.feed(b"x" * 1000) + stream.feed(b"\n{}\n")
    assert [result.valid for result in results] == [False, True, False, True]
    assert results[0].malformed
    assert results[0].errors[0].message == "document too large at byte 10"
    stream = NATIVE.stream("cbor-seq", max_record=10)
    (result,) = stream.feed(b"\x4b")
    assert result.malformed
    assert stream.ended
    assert stream.feed(b"\xa0") == []
    assert stream.close() == []


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_chunks_of_any_type(kind: Any) -> None:
    stream = NATIVE.stream()
    assert [result.valid for result in stream.feed(kind(b"{}\n[]\n" * 2000))] == [True, False] * 2000


def test_wrong_calls() -> None:
    for arguments, message in [
        (("lines", 10), 'framing must be "ndjson", "json-seq" or "cbor-seq"'),
        (("ndjson", 0), "max_record must be from 1 to 268435456"),
        (("ndjson", 2**28 + 1), "max_record must be from 1 to 268435456"),
        (("ndjson", 2**70), "max_record must be from 1 to 268435456"),
    ]:
        with pytest.raises(ValueError, match="must be") as caught:
            NATIVE.stream(arguments[0], max_record=arguments[1])  # type: ignore[arg-type]
        assert str(caught.value) == message
    with pytest.raises(TypeError):
        NATIVE.stream().feed("{}\n")  # type: ignore[arg-type]
