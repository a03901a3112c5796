"""Messages out of a schema: the valid ones are valid, the others are refused for the reason they were made for. Both
are held against the jsonschema package, which knows nothing of how they were made."""

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import cbor2
import jsonschema
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.pattern import Pattern
from headgate.errors import CommandError
from headgate_host.load import messages, sample_text, template
from headgate_host.load.messages import Data, Pool
from headgate_host.load.sample import Sampler
from headgate_host.load.spoil import MALFORMED, SPOILERS, spoiled

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = (
    ROOT / "firmware_py/headgate/data/weather.schema.json",
    ROOT / "bench/gateway/telemetry.schema.json",
    ROOT / "boards/schema/board.schema.json",
    ROOT / "host_tools/headgate_host/load/result.schema.json",
)
TELEMETRY = SCHEMAS[1]


class Oracle:
    """The jsonschema package, on decimal numbers: with floats it takes 0.3 for no multiple of 0.1."""

    def __init__(self, schema: Any) -> None:
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        self.validator = jsonschema.Draft202012Validator(decimal(schema), format_checker=checker)

    def errors(self, document: Any) -> list[Any]:
        found = list(self.validator.iter_errors(decimal(document)))
        for error in found:  # grows while we go
            found += error.context or ()
        return found


def decimal(document: Any) -> Any:
    return json.loads(json.dumps(document), parse_float=Decimal)


def pump(device: int) -> str:
    return f"pump-{device}"


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_valid_ones_are_valid_and_differ(path: Path) -> None:
    sampler = Sampler(path.read_bytes(), path.name, 1)
    judge = Oracle(json.loads(path.read_bytes()))
    made = list(islice(sampler.documents(), 30))
    for one in made:
        assert judge.errors(one) == []
    assert len({json.dumps(one) for one in made}) > 25
    assert list(islice(Sampler(path.read_bytes(), path.name, 1).documents(), 30)) == made


@pytest.mark.parametrize("path", SCHEMAS[:2], ids=lambda path: path.name)
def test_spoiled_ones_violate_what_they_say(path: Path) -> None:
    sampler = Sampler(path.read_bytes(), path.name, 2)
    judge = Oracle(json.loads(path.read_bytes()))
    seen: Counter[str] = Counter()
    for document in islice(sampler.documents(), 12):
        for one in spoiled(sampler, document):
            seen[one.keyword] += 1
            if one.keyword == "format":  # jsonschema alone does not know date-time
                continue
            errors = judge.errors(one.document)
            assert any(error.validator == one.keyword for error in errors), (one, errors)
            assert any(sits_at(error, one.instance) for error in errors if error.validator == one.keyword)
    assert {"type", "required", "enum", "pattern", "minimum", "maximum", "additionalProperties"} <= set(seen)


def sits_at(error: Any, instance: str) -> bool:
    """jsonschema names the object, ours the member that is too much in it."""
    place = "".join(f"/{part}" for part in error.absolute_path)
    return instance == place or (error.validator == "additionalProperties" and instance.rpartition("/")[0] == place)


NUMBER = st.integers(-1000, 1000) | st.floats(-1000, 1000).map(lambda x: round(x, 2))


@st.composite
def a_schema(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    """Schemas that have values."""
    kind = draw(st.sampled_from(["integer", "number", "string", "boolean", "enum", *["array", "object"] * (depth > 0)]))
    if kind in ("integer", "number"):
        low = draw(NUMBER)
        made = {"type": kind, "minimum": low, "maximum": low + draw(st.integers(3, 500))}
        if draw(st.booleans()):
            made["multipleOf"] = draw(
                st.sampled_from([1, 2, 0.5, 0.1]) if kind == "number" else st.sampled_from([1, 3])
            )
        return made
    if kind == "string":
        least = draw(st.integers(0, 5))
        texts = [
            {"minLength": least, "maxLength": least + draw(st.integers(0, 9))},
            {"pattern": draw(st.sampled_from(["^[a-z]{2,5}-\\d+$", "^(on|off)$", "x+y?", "^[^/]{3}$", "\\w\\s"]))},
            {"format": draw(st.sampled_from(["date", "uuid", "ipv4"]))},
        ]
        return {"type": "string", **draw(st.sampled_from(texts))}
    if kind == "enum":
        return {"enum": draw(st.lists(st.integers() | st.text(max_size=4), min_size=1, max_size=4))}
    if kind == "array":
        least = draw(st.integers(0, 3))
        return {"type": "array", "items": draw(a_schema(depth - 1)), "minItems": least, "maxItems": least + 2}
    if kind == "object":
        names = draw(st.lists(st.sampled_from("abcdef"), unique=True, max_size=4))
        made = {"type": "object", "properties": {name: draw(a_schema(depth - 1)) for name in names}}
        made["required"] = [name for name in names if draw(st.booleans())]
        made["additionalProperties"] = draw(st.booleans())
        return made
    return {"type": kind}


@given(a_schema(), st.integers(0, 1000))
@settings(max_examples=examples(60))
def test_any_schema(schema: dict[str, Any], seed: int) -> None:
    sampler = Sampler(json.dumps(schema).encode(), "drawn", seed)
    document = sampler.document()
    judge = Oracle(schema)
    assert judge.errors(document) == []
    for one in spoiled(sampler, document):
        assert any(error.validator == one.keyword for error in judge.errors(one.document))


@given(
    st.sampled_from(["^[a-z]+$", "a{2,4}|b*", "^\\d{3}-[^x-z]$", "(ab?c)+", "\\p{L}", "^$", "[\\u{1F600}-\\u{1F64F}]"]),
    st.randoms(),
)
def test_texts_of_patterns(source: str, chance: Any) -> None:
    assert Pattern(source).search(sample_text.of_pattern(source, chance))


@pytest.mark.parametrize("name", sorted(sample_text.FORMATS))
def test_texts_of_formats(name: str) -> None:
    Sampler(json.dumps({"type": "string", "format": name}).encode(), name, 3).document()


def test_a_schema_nothing_satisfies_is_an_error() -> None:
    with pytest.raises(CommandError, match="no valid message") as refused:
        Sampler(b'{"type":"integer","minimum":3,"maximum":2}', "s.json", 1).document()
    assert "replay" in refused.value.line()
    endless = b'{"type":"object","properties":{"next":{"$ref":"#"}},"required":["next"]}'
    for schema in (endless, b'{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}'):
        with pytest.raises(CommandError):
            Sampler(schema, "s.json", 1).document()
    with pytest.raises(CommandError, match="not a usable JSON Schema"):
        Sampler(b'{"type":"intger"}', "s.json", 1)


# --- pools ----------------------------------------------------------------------------------------------------------

FIELDS = {"/device": "{device}", "/seq": {"counter": 100}, "/ts": {"now": "s"}, "/status": "ok"}
DECODE: dict[str, Callable[[bytes], Any]] = {"json": json.loads, "cbor": cbor2.loads}


@pytest.mark.parametrize("encoding", ["json", "cbor"])
def test_fields_are_filled_in(encoding: str) -> None:
    pool = Pool(Data("d", TELEMETRY, fields=FIELDS), encoding, pump, 1)
    judge = Oracle(json.loads(TELEMETRY.read_bytes()))
    for n, message in enumerate(islice(pool.deal(0, 1), 300)):
        document = DECODE[encoding](message.body.render(n % 7, n))
        assert judge.errors(document) == []
        assert (document["device"], document["seq"], document["status"]) == (f"pump-{n % 7}", 100 + n, "ok")
        assert document["ts"] > 1_700_000_000


def test_the_invalid_share_is_exact_and_every_keyword_comes() -> None:
    pool = Pool(Data("d", TELEMETRY, invalid=0.05, fields=FIELDS), "json", pump, 1)
    dealt = list(islice(pool.deal(0.05, 1), messages.DEAL))
    wrong = [message for message in dealt if message.keyword]
    assert len(wrong) == 100
    assert {message.keyword for message in wrong} >= {"type", "required", "pattern", "maximum", MALFORMED}
    judge = Oracle(json.loads(TELEMETRY.read_bytes()))
    for n, message in enumerate(wrong):
        body = message.body.render(3, n)
        if message.keyword == MALFORMED:
            with pytest.raises(ValueError, match=r"."):
                json.loads(body)
        else:
            assert any(error.validator == message.keyword for error in judge.errors(json.loads(body)))
    assert [message.body.render(0, 0) for message in islice(pool.deal(0.05, 2), 50)] != [
        message.body.render(0, 0) for message in dealt[:50]
    ]


def test_only_the_violations_asked_for() -> None:
    pool = Pool(Data("d", TELEMETRY, invalid=0.5, violations=("required", "pattern")), "json", pump, 1)
    assert {message.keyword for message in pool.invalid} == {"required", "pattern"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (Data("d", TELEMETRY, fields={"/nothing/here": 1}), "no such member"),
        (Data("d", TELEMETRY, fields={"/status": "broken"}), "refuses"),
        (Data("d", TELEMETRY, fields={"/device": "{device}!"}), "refuses"),
        (Data("d", TELEMETRY, invalid=0.1, violations=("multipleOf",)), "no message violates 'multipleOf'"),
        (Data("d", Path("/nowhere.json")), "cannot read"),
    ],
)
def test_data_that_cannot_be_made(data: Data, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        Pool(data, "json", pump, 1)


def test_replay_is_what_was_recorded_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "r.ndjson"
    file.write_bytes(b'{"a": 1.50}\r\n\n{"a":"\xc3\xa9"}\n')
    pool = Pool(Data("d", replay=file), "json", pump, 1)
    assert [message.body.render(0, 0) for message in islice(pool.deal(0, 1), 3)] == [
        b'{"a": 1.50}', b'{"a":"\xc3\xa9"}', b'{"a": 1.50}']  # fmt: skip
    packed = Pool(Data("d", replay=file), "cbor", pump, 1)
    assert [cbor2.loads(message.body.render(0, 0)) for message in packed.valid] == [{"a": 1.5}, {"a": "é"}]


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "no messages"), (b"{}\n{", ":2: not a JSON text"), (b"[" * 10**5, ":1: not")]
)
def test_a_recording_that_is_none(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "r.ndjson"
    file.write_bytes(content)
    with pytest.raises(CommandError, match=words):
        Pool(Data("d", replay=file), "json", pump, 1)


@given(
    st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers() | st.none(), min_size=1),
    st.sampled_from(["json", "cbor"]),
)
def test_rendering_is_encoding(document: dict[str, Any], encoding: str) -> None:
    """Whatever the values are: percent signs, placeholders, what looks like a mark."""
    name = next(iter(document))
    body = template.Template(document, [((name,), lambda device, n: f"{device}%b{n}")], template.ENCODINGS[encoding])
    assert DECODE[encoding](body.render(4, 2)) == {**document, name: "4%b2"}


def test_clock_reads_as_rfc3339() -> None:
    moments = iter([1_764_338_400.0, 1_764_338_400.9994, 1_764_338_401.5])
    clock = template.Clock(lambda: next(moments))
    assert [clock.rfc3339() for _ in range(3)] == [
        "2025-11-28T14:00:00.000Z", "2025-11-28T14:00:00.999Z", "2025-11-28T14:00:01.500Z"]  # fmt: skip


def test_a_list_that_may_end_does() -> None:
    schema = b'{"type":"object","properties":{"next":{"$ref":"#"},"n":{"type":"integer"}},"required":["n"]}'
    sampler = Sampler(schema, "s.json", 1)
    depths = {json.dumps(sampler.document()).count("next") for _ in range(50)}
    assert 0 in depths
    assert 1 < max(depths) < 20


def test_every_spoiler_has_a_hint() -> None:
    assert messages.unknown_violation("maximim") == "maximum"
    assert all(messages.unknown_violation(keyword) == "" for keyword in (*SPOILERS, MALFORMED))
