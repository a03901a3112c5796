"""Schemas whose references meet in the dynamic scope: what is evaluated where, what is only kept, and how much of it
there may be (core 7.1, 8.2.3.2, 8.2.4). Both twins."""

from typing import Any

import pytest

from headgate.core.schema import Schema as PureSchema
from headgate.core.schema import SchemaError as PureSchemaError
from headgate_native import Schema, SchemaError

TWINS = [pytest.param(Schema, SchemaError, id="native"), pytest.param(PureSchema, PureSchemaError, id="pure")]
both = pytest.mark.parametrize(("twin", "refused"), TWINS)


@both
def test_a_circle_that_the_dynamic_scope_leads_out_of(twin: Any, refused: Any) -> None:
    schema: dict[str, Any] = {
        "$id": "x:a",
        "$ref": "x:b",
        "$defs": {
            "n": {"$dynamicAnchor": "n", "type": "string"},
            "b": {"$id": "x:b", "$dynamicAnchor": "n", "$dynamicRef": "#n"},
        },
    }
    compiled = twin(schema)
    assert compiled.is_valid(b'"a"')
    assert not compiled.is_valid(b"1")


def scopes(asked: bool) -> Any:
    """Each of 13 resources binds a name of its own or not: 2^13 scopes, if the names are asked for."""
    schema: dict[str, Any] = {"$ref": "x:0", "$defs": {}}
    for i in range(13):
        after = {"$ref": f"x:{i + 1}"} if i < 12 else {}
        schema["$defs"][f"{i}"] = {"$id": f"x:{i}", "items": after, "additionalProperties": {"$ref": f"x:{i}b"}}
        schema["$defs"][f"{i}b"] = {
            "$id": f"x:{i}b",
            "items": after,
            "not": {"$dynamicRef": f"#d{i}"} if asked else {"type": "null"},
            "$defs": {"d": {"$dynamicAnchor": f"d{i}", "type": "null"}},
        }
    return schema


@both
def test_scopes_that_multiply(twin: Any, refused: Any) -> None:
    with pytest.raises(refused) as error:
        twin(scopes(asked=True))
    assert "more than 4096 subschemas" in str(error.value)


@both
def test_names_that_nobody_asks_for_make_no_scopes(twin: Any, refused: Any) -> None:
    schema = twin(scopes(asked=False))
    assert schema.is_valid(b'{"a":[[1]]}')
    assert not schema.is_valid(b'{"a":null}')


@both
def test_a_name_that_only_another_name_leads_to(twin: Any, refused: Any) -> None:
    """`m` is asked for where the dynamic scope leads `n` to, and nothing else leads there."""
    leads = {"go": {"$ref": "x:c"}, "n": {"$dynamicAnchor": "n", "$dynamicRef": "x:d#m"}}
    registry = {
        "x:b": {"$id": "x:b", "$defs": leads},
        "x:c": {"$id": "x:c", "$dynamicRef": "#n", "$defs": {"n": {"$dynamicAnchor": "n"}}},
        "x:d": {"$id": "x:d", "$defs": {"m": {"$dynamicAnchor": "m", "type": "string"}}},
    }
    schema = twin(
        {"$id": "x:a", "$ref": "x:b#/$defs/go", "$defs": {"m": {"$dynamicAnchor": "m", "type": "integer"}}},
        registry=registry,
    )
    assert schema.is_valid(b"1")
    assert not schema.is_valid(b'"a"')


@both
@pytest.mark.parametrize("member", ["p", "not"])
def test_circles_in_properties_that_are_a_schema_by_reference(twin: Any, refused: Any, member: str) -> None:
    """Members of `properties`, whatever else it is taken for; `not` is a keyword of that, but in another scope only."""
    circle = {"$id": "x:b", "$dynamicAnchor": "m", "$dynamicRef": "#m"}
    outer = {"$id": "x:c", "$dynamicAnchor": "m", "not": {"$ref": "x:a#/properties"}}
    for schema in (
        {"properties": {member: circle}, "not": {"$ref": "#/properties"}},
        {"$id": "x:a", "properties": {member: circle}, "items": outer},
    ):
        with pytest.raises(refused) as error:
            twin(schema)
        assert "never ends" in str(error.value)


_BOUND = {"$dynamicAnchor": "k", "$dynamicRef": "#n"}
_DRAFT_7 = {"$id": "x:7", "$schema": "http://json-schema.org/draft-07/schema#"}


def _through(target: Any) -> Any:
    """`m` leads to `target`: from there on, and nowhere else, _BOUND in it leads to `m`, and from there to itself."""
    target = {"$id": "x:t", **target}
    target["$defs"] = {**target.get("$defs", {}), "n": {"$dynamicAnchor": "n"}}
    ends = {"$id": "x:d", "$defs": {"k": {"$dynamicAnchor": "k"}}}
    middle = {"$id": "x:m", "$ref": "x:t", "$defs": {"n": {"$dynamicAnchor": "n", "$dynamicRef": "x:d#k"}}}
    return {"$id": "x:a", "$ref": "x:m", "$defs": {"d": ends, "t": target, "m": middle}}


@both
@pytest.mark.parametrize("rest", [{}, {"type": "object"}, {"not": {"type": "string"}}])
@pytest.mark.parametrize(
    "keeps",
    [
        {"$defs": {"q": _BOUND}},
        {"$defs": {"q": {"allOf": [_BOUND]}}},
        {"then": _BOUND},
        {"else": _BOUND},
        {"contentSchema": _BOUND},
        {"$defs": {"old": {**_DRAFT_7, "additionalItems": {"$ref": "x:t#/$defs/q"}}, "q": _BOUND}},
    ],
)
def test_what_is_only_kept_is_not_evaluated_where_it_stands(twin: Any, refused: Any, keeps: Any, rest: Any) -> None:
    """Core section 8.2.4: so it makes no circle in the dynamic scope in which evaluation comes to what keeps it."""
    schema = twin(_through({**keeps, **rest}))
    assert schema.is_valid(b"{}")
    assert schema.is_valid(b'"a"') == (rest == {})


@both
@pytest.mark.parametrize(
    "applies",
    [
        {"allOf": [_BOUND]},
        {"properties": {"a": _BOUND}},
        {"if": True, "then": _BOUND},
        {"$ref": "#/$defs/q", "$defs": {"q": _BOUND}},
        {"items": {"$ref": "#/then"}, "then": _BOUND},
    ],
)
def test_what_is_kept_and_applied_may_make_a_circle(twin: Any, refused: Any, applies: Any) -> None:
    with pytest.raises(refused) as error:
        twin(_through(applies))
    assert "never ends" in str(error.value)


@both
@pytest.mark.parametrize("keyword", ["$defs", "then", "else", "contentSchema"])
@pytest.mark.parametrize("faulty", [{"type": "number of"}, {"$ref": "#/nowhere"}, {"$id": "x:q", "$ref": "x:q"}])
def test_of_other_documents_only_what_is_referred_to_counts(twin: Any, refused: Any, keyword: str, faulty: Any) -> None:
    far = {"$id": "x:far", keyword: {"faulty": faulty} if keyword == "$defs" else faulty, "type": "null"}
    schema = twin({"$ref": "x:far"}, registry={"x:far": far})
    assert schema.is_valid(b"null")
    assert not schema.is_valid(b"1")
    at = "/$defs/faulty" if keyword == "$defs" else "/" + keyword
    with pytest.raises(refused) as error:
        twin({"$ref": "x:far", "not": {"$ref": f"x:far#{at}"}}, registry={"x:far": far})
    assert error.value.uri == "x:far"
    assert error.value.pointer.startswith(at)


@both
def test_anchors_of_other_documents_count_when_their_name_is_asked_for(twin: Any, refused: Any) -> None:
    far = {"$id": "x:far", "$defs": {"o": {"$anchor": "o"}, "k": {"$dynamicAnchor": "k", "type": "number of"}}}
    asked = {"items": {"$dynamicRef": "#k"}, "$defs": {"k": {"$dynamicAnchor": "k"}}}
    assert twin({"$ref": "x:far#o"}, registry={"x:far": far}).is_valid(b"[]")
    with pytest.raises(refused) as error:
        twin({"$ref": "x:far#o", **asked}, registry={"x:far": far})
    assert (error.value.uri, error.value.pointer) == ("x:far", "/$defs/k/type")


@both
def test_names_of_dynamic_anchors_are_counted(twin: Any, refused: Any) -> None:
    def names(count: int) -> Any:
        bound = {str(i): {"$dynamicAnchor": f"n{i}", "type": "null"} for i in range(count)}
        return {"$defs": bound, "prefixItems": [{"$dynamicRef": f"#n{i}"} for i in range(count)]}

    assert not twin(names(64)).is_valid(b"[null,1]")
    with pytest.raises(refused) as error:
        twin(names(65))
    assert "more than 64 different names of dynamic anchors" in str(error.value)


@both
def test_subschemas_are_counted_in_each_scope(twin: Any, refused: Any) -> None:
    """256 subschemas: 48 of them, `t`, are reached in 81 scopes: each of 80 others binds the name they ask for."""
    dynamic = {"$dynamicAnchor": "n", "items": {"$dynamicRef": "#n"}}
    schema: Any = {"$defs": {"t": {"$id": "x:t", **dynamic, "prefixItems": [{"const": i} for i in range(46)]}}}
    for i in range(80):
        schema["$defs"][str(i)] = {"$id": f"x:{i}", "$dynamicAnchor": "n", "items": {"$ref": "x:t"}}
    schema["prefixItems"] = [{"const": i} for i in range(47)]
    assert twin(schema).is_valid(b"[0,1]")
    schema["prefixItems"].append({"const": 47})
    with pytest.raises(refused) as error:
        twin(schema)
    assert "more than 4096 subschemas (each counts once in every dynamic scope it is reached in)" in str(error.value)


@both
@pytest.mark.parametrize("faulty", [{"type": "nonsense"}, {"$ref": "#/nowhere"}])
def test_definitions_are_kept_in_2020_12_as_well(twin: Any, refused: Any, faulty: Any) -> None:
    """The meta-schema keeps them for compatibility: they are looked at as what $defs holds."""
    schema = twin({"definitions": {"a": {"$id": "x:a", "type": "null"}}, "$ref": "x:a"})
    assert schema.is_valid(b"null")
    assert not schema.is_valid(b"1")
    with pytest.raises(refused) as error:
        twin({"definitions": {"a": faulty}})
    assert error.value.pointer.startswith("/definitions/a")


@both
def test_a_default_that_accepts_everything_in_a_resource_without_anything_else(twin: Any, refused: Any) -> None:
    """The reference leads to another place all the same, as the scope says (core 8.2.3.2)."""
    compiled = twin(
        {
            "$id": "x:root",
            "items": {"$dynamicRef": "x:o#n"},
            "$defs": {
                "n": {"$dynamicAnchor": "n", "type": "integer"},
                "o": {"$id": "x:o", "$defs": {"n": {"$dynamicAnchor": "n"}}},
            },
        }
    )
    assert compiled.is_valid(b"[1]")
    assert not compiled.is_valid(b'["a"]')
