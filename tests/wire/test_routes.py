"""Every route as a client sees it, on a keep-alive connection wherever that is possible."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import wire
from wire import CPYTHON, JSON_TYPE, Server, head, token

from headgate.core import cbor

GOOD = b'{"station":"st-1","temp_c":21.5}'
POST = "/v1/streams/weather"
TYPE = {"Content-Type": JSON_TYPE}
CBOR_GOOD = b"\xa2\x67station\x64st-2\x66temp_c\x15"  # {"station": "st-2", "temp_c": 21}


def test_publish(server: Server) -> None:
    with server.client() as client:
        first = client.request("POST", POST, GOOD, TYPE)
        second = client.request("POST", POST, GOOD, {"Content-Type": "application/json; charset=utf-8"})
        third = client.request("POST", POST, CBOR_GOOD, {"Content-Type": "application/cbor"})
    for answer in (first, second, third):
        assert (answer.status, answer.headers["content-type"]) == (202, JSON_TYPE)
        assert answer.json()["durability"] == "memory"
        assert answer.headers["date"].endswith(" GMT")
        assert "connection" not in answer.headers
    boots, numbers = zip(*(answer.json()["seq"].split(".") for answer in (first, second, third)), strict=True)
    assert set(boots) == {"7"}
    assert [int(number) for number in numbers] == list(range(int(numbers[0]), int(numbers[0]) + 3))


def test_schema_violations_have_pointers(server: Server) -> None:
    bad = b'{"station":"x","temp_c":100,"sky":"green"}'
    answer = server.request("POST", POST, bad, TYPE)
    assert answer.status == 422
    document = answer.json()
    assert document["type"] == "urn:headgate:problem:schema_violation"
    assert document["instance"] == POST
    found = {(error["instance"], error["schema"]) for error in document["errors"]}
    assert found == {
        ("/station", "/properties/station/pattern"),
        ("/temp_c", "/properties/temp_c/maximum"),
        ("/sky", "/properties/sky/enum"),
    }
    assert all(error["message"] for error in document["errors"])


def test_malformed_says_where(server: Server) -> None:
    answer = server.request("POST", POST, b'{"station":x}', TYPE)
    assert answer.status == 400
    assert answer.json()["detail"].endswith("at byte 11")


def test_unauthorised_says_which_claim(server: Server) -> None:
    answer = server.request("POST", POST, GOOD, TYPE, token(exp=1700000000))
    assert answer.status == 401
    assert answer.json()["detail"].startswith("exp: ")
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token", error_description="exp: ')
    bare = server.request("POST", POST, GOOD, TYPE, None)
    assert (bare.status, bare.headers["www-authenticate"]) == (401, "Bearer")
    scope = server.request("POST", POST, GOOD, TYPE, token(scope="publish:any"))
    assert scope.status == 403
    assert scope.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="publish:weather"'


@pytest.mark.parametrize(
    ("claims", "reason", "claim"),
    [
        ({"exp": 1700000000}, "token_expired", "exp"),
        ({"exp": None}, "claim_missing", "exp"),
        ({"exp": "4000000000"}, "claim_invalid", "exp"),
        ({"nbf": 3999999999, "exp": 4000000000}, "token_not_yet_valid", "nbf"),
        ({"sub": "a/b"}, "claim_invalid", "sub"),
        ({"aud": "somebody"}, "audience_wrong", "aud"),
        ({"iss": "somebody"}, "issuer_unknown", "iss"),
        ({"header": {"alg": "none"}}, "alg_refused", "alg"),
        ({"header": {"alg": "HS256", "kid": "k2"}}, "key_unknown", "kid"),
        ({"header": {"alg": "HS256", "crit": ["x"]}}, "header_refused", "crit"),
        ({"secret": b"x" * 32}, "signature_invalid", None),
    ],
)
def test_a_machine_sees_why_a_token_is_refused(
    server: Server, claims: dict[str, Any], reason: str, claim: str | None
) -> None:
    answer = server.request("POST", POST, GOOD, TYPE, token(**claims))
    document = answer.json()
    assert (answer.status, document["type"]) == (401, "urn:headgate:problem:invalid_token")
    assert (document["reason"], document.get("claim")) == (reason, claim)
    assert set(document) - {"claim"} == {"type", "title", "status", "detail", "instance", "reason"}


def test_no_token_has_no_reason(server: Server) -> None:
    document = server.request("POST", POST, GOOD, TYPE, None).json()
    assert document["type"] == "urn:headgate:problem:missing_token"
    assert set(document) == {"type", "title", "status", "instance"}


def test_validate_stores_nothing(server: Server) -> None:
    before = server.metrics()
    with server.client() as client:
        good = client.request("POST", "/v1/validate/weather", b'{"station":"st-77","temp_c":1}', TYPE)
        bad = client.request("POST", "/v1/validate/weather", b"{}", TYPE)
        last = client.request("GET", "/v1/streams/weather/last/st-77")
    assert (good.status, good.json()) == (200, {"valid": True})
    assert bad.status == 422
    assert last.status == 404
    after = server.metrics()
    name = "headgate_messages_accepted_total"
    assert before[name] == after[name]
    assert int(after["headgate_messages_validated_total"]) == int(before["headgate_messages_validated_total"]) + 1


def test_idempotency(server: Server) -> None:
    with server.client() as client:
        first = client.request("POST", POST, GOOD, {**TYPE, "Idempotency-Key": '"abc-1"'})
        again = client.request("POST", POST, GOOD, {**TYPE, "Idempotency-Key": "abc-1"})
        other = client.request("POST", POST, GOOD.replace(b"21.5", b"22"), {**TYPE, "Idempotency-Key": "abc-1"})
        someone = client.request("POST", POST, GOOD, {**TYPE, "Idempotency-Key": "abc-1"}, token("dev-2"))
    assert (first.status, again.status) == (202, 202)
    assert first.body == again.body
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status, other.json()["type"]) == (422, "urn:headgate:problem:idempotency_key_reused")
    assert someone.status == 202
    assert someone.body != first.body


def test_last_value(server: Server) -> None:
    with server.client() as client:
        assert client.request("POST", POST, b'{"station":"st-9","temp_c":1}', TYPE).status == 202
        assert client.request("POST", POST, b'{"temp_c":2,"station":"st-9"}', TYPE).status == 202
        last = client.request("GET", "/v1/streams/weather/last/st-9")
        assert (last.status, last.body) == (200, b'{"temp_c":2,"station":"st-9"}')
        assert last.headers["content-type"] == JSON_TYPE
        same = client.request("GET", "/v1/streams/weather/last/st-9", headers={"If-None-Match": last.headers["etag"]})
        assert same.status == 304
        assert client.request("POST", "/v1/streams/any", b"[3]", TYPE, token("dev-9")).status == 202
        by_client = client.request("GET", "/v1/streams/any/last/dev-9")
        assert by_client.body == b"[3]"
        assert client.request("POST", POST, CBOR_GOOD, {"Content-Type": "application/cbor"}).status == 202
        as_cbor = client.request("GET", "/v1/streams/weather/last/st-2")
        assert (as_cbor.headers["content-type"], as_cbor.body) == ("application/cbor", CBOR_GOOD)
        missing = client.request("GET", "/v1/streams/weather/last/st-404")
        assert (missing.status, missing.json()["type"]) == (404, "urn:headgate:problem:no_last_value")
        assert client.request("GET", "/v1/streams/none/last/x").status == 404
        assert client.request("GET", "/v1/streams/any/last/x", auth=token(scope="read:weather")).status == 403


def test_cache(server: Server) -> None:
    path = "/v1/cache/site/a%20b"
    with server.client() as client:
        assert client.request("GET", path).status == 404
        made = client.request("PUT", path, b"\0one", {"Content-Type": "image/x-made-up", "Cache-Control": "max-age=60"})
        assert made.status == 201
        got = client.request("GET", path)
        assert (got.status, got.body, got.headers["content-type"]) == (200, b"\0one", "image/x-made-up")
        assert got.headers["etag"] == made.headers["etag"]
        assert got.headers["etag"].startswith('"7-')
        assert got.headers["cache-control"] == "max-age=60"
        assert 0 <= int(got.headers["age"]) < 60
        peek = client.request("HEAD", path)
        assert (peek.status, peek.headers["content-length"], peek.body) == (200, "4", b"")
        replaced = client.request("PUT", path, b"two")
        assert replaced.status == 204
        assert replaced.headers["etag"] != made.headers["etag"]
        got = client.request("GET", path)
        assert (got.body, got.headers["content-type"]) == (b"two", "application/octet-stream")
        assert got.headers["cache-control"] == "no-cache"
        assert client.request("DELETE", path).status == 204
        assert client.request("DELETE", path).status == 404
        assert client.request("HEAD", path).status == 404


def test_preconditions(server: Server) -> None:
    path = "/v1/cache/pre"
    with server.client() as client:

        def put(body: bytes, **fields: str) -> wire.Answer:
            return client.request("PUT", path, body, {name.replace("_", "-"): value for name, value in fields.items()})

        assert put(b"0", If_Match="*").status == 412
        etag = put(b"1", If_None_Match="*").headers["etag"]
        assert put(b"2", If_None_Match="*").status == 412
        assert put(b"2", If_None_Match=f'"x", {etag}').status == 412
        assert put(b"2", If_Match='"x"').status == 412
        assert put(b"2", If_Match=f"W/{etag}").status == 412, "If-Match compares strongly"
        answer = put(b"2", If_Match=f'"x", {etag}')
        assert answer.status == 204
        new = answer.headers["etag"]
        assert put(b"3", If_Match=etag).status == 412

        def get(**fields: str) -> int:
            headers = {name.replace("_", "-"): value for name, value in fields.items()}
            return client.request("GET", path, headers=headers).status

        assert get(If_None_Match=new) == 304
        assert get(If_None_Match=f'"x", W/{new}') == 304
        assert get(If_None_Match="*") == 304
        assert get(If_None_Match=etag) == 200
        assert get(If_Match=new) == 200
        assert get(If_Match=etag) == 412
        assert client.request("DELETE", path, headers={"If-Match": etag}).status == 412
        assert client.request("DELETE", path, headers={"If-Match": new}).status == 204
        for method in ("GET", "HEAD", "DELETE"):
            assert client.request(method, path, headers={"If-Match": "*"}).status == 404, "nothing is there to be asked"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"Cache-Control": "max-age=0"}, 400, "bad_cache_control"),
        ({"Cache-Control": "max-age"}, 400, "bad_cache_control"),
        ({"Cache-Control": "max-age="}, 400, "bad_cache_control"),
        ({"Cache-Control": "max-age=-1"}, 400, "bad_cache_control"),
        ({"Cache-Control": "max-age=1.5"}, 400, "bad_cache_control"),
        ({"Cache-Control": "max-age=1, max-age=1"}, 400, "bad_cache_control"),
        ({"Content-Range": "bytes 0-0/9"}, 400, "bad_content_range"),
        ({"Content-Range": ""}, 400, "bad_content_range"),
        ({"Content-Type": "x" * 129}, 415, "unsupported_media_type"),
        ({"Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
    ],
)
def test_a_put_that_is_refused(server: Server, fields: dict[str, str], status: int, code: str) -> None:
    with server.client() as client:
        answer = client.request("PUT", "/v1/cache/refused", b"x", fields)
        assert (answer.status, answer.json()["type"]) == (status, "urn:headgate:problem:" + code)
        assert client.request("GET", "/v1/cache/refused").status == 404


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("max-age=1", "max-age=1"),
        ('MAX-AGE="9"', "max-age=9"),
        ("no-store, private, max-age=10", "max-age=10"),
        ("max-age=0000000000060", "max-age=60"),
        ("max-age=2147483647", "max-age=2147483647"),
        ("max-age=99999999999999999999", "max-age=2147483647"),
        ("s-maxage=5", "no-cache"),
        ("", "no-cache"),
    ],
)
def test_ages(server: Server, said: str, kept: str) -> None:
    with server.client() as client:
        assert client.request("PUT", "/v1/cache/age", b"x", {"Cache-Control": said}).status in (201, 204)
        assert client.request("GET", "/v1/cache/age").headers["cache-control"] == kept


def test_a_value_at_the_limit_and_one_over(server: Server) -> None:
    with server.client() as client:
        assert client.request("PUT", "/v1/cache/big", b"x" * 4096).status == 201
        answer = client.request("PUT", "/v1/cache/big", b"y" * 4097)
        assert (answer.status, answer.json()["type"]) == (413, "urn:headgate:problem:body_too_large")
        assert client.request("GET", "/v1/cache/big").body == b"x" * 4096
        client.send(head("PUT", "/v1/cache/big", None, {"Transfer-Encoding": "chunked"}))
        client.send(wire.chunked(b"y" * 4096, b"y") + b"0\r\n\r\n")
        chunked = client.answer()
        assert chunked is not None
        assert chunked.status == 413
        assert client.request("DELETE", "/v1/cache/big").status == 204


def test_keys_are_paths_decoded(server: Server) -> None:
    with server.client() as client:
        assert client.request("PUT", "/v1/cache/k/%C3%A9/%2F%25", b"x").status == 201
        assert client.request("GET", "/v1/cache/%6B%2F%c3%a9//%25").body == b"x"
        assert client.request("PUT", "/v1/cache/" + "k" * 253, b"x").status == 201
        assert client.request("PUT", "/v1/cache/" + "k" * 254, b"x").status == 414
        assert client.request("GET", "/v1/cache/").status == 404


def test_several_keys(server: Server) -> None:
    values = {
        "m/json": (b'{"a": 1.50}', "application/json; charset=utf-8"),
        "m/bad": (b'{"a":1,"a":2}', "application/json"),
        "m/own": (b"[1]", "application/vnd.x+json"),
        "m/text": ('d\u00e9j\u00e0 "vu"'.encode(), "text/plain"),
        "m/bytes": (b"\0\xff", "image/x-made-up"),
    }
    with server.client() as client:
        tags = {
            key: client.request("PUT", f"/v1/cache/{key}", body, {"Content-Type": kind}).headers["etag"]
            for key, (body, kind) in values.items()
        }
        client.request("PUT", "/v1/cache/m/a%20b%2B", b"", {"Cache-Control": "max-age=60"})
        query = "&".join("key=" + key for key in values) + "&key=m/none&key=m/json&other=1&key=m%2Fa+b%2b"
        answer = client.request("GET", "/v1/cache?" + query)
        assert (answer.status, answer.headers["content-type"]) == (200, JSON_TYPE)
        assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Accept", "no-cache")
        document = answer.json()
        assert (document["missing"], document["left"]) == (["m/none"], [])
        found = {entry.pop("key"): entry for entry in document["entries"]}
        assert list(found) == [*values, "m/a b+"]
        assert all(0 <= entry.pop("age") < 60 for entry in found.values())
        assert {key: found[key].pop("etag") for key in values} == tags
        assert [found[key].pop("content_type") for key in values] == [kind for _, kind in values.values()]
        assert [found[key] for key in values] == [
            {"value": {"a": 1.5}},
            {"text": '{"a":1,"a":2}'},
            {"value": [1]},
            {"text": 'd\u00e9j\u00e0 "vu"'},
            {"base64": "AP8="},
        ]
        assert b'"value":{"a": 1.50}' in answer.body, "as it was put"
        last = found["m/a b+"]
        assert (last.pop("etag")[:3], last) == (
            '"7-',
            {"max_age": 60, "content_type": "application/octet-stream", "text": ""},
        )
        peek = client.request("HEAD", "/v1/cache?" + query)
        assert (peek.status, peek.body) == (200, b"")
        assert client.request("GET", "/v1/cache?key=m/none").json() == {
            "entries": [],
            "missing": ["m/none"],
            "left": [],
        }


def test_several_keys_as_cbor(server: Server) -> None:
    with server.client() as client:
        tag = client.request("PUT", "/v1/cache/c", b"[1]", {"Content-Type": JSON_TYPE}).headers["etag"]
        answer = client.request("GET", "/v1/cache?key=c&key=none", headers={"Accept": "application/cbor"})
        assert answer.headers["content-type"] == "application/cbor"
        document = cbor.loads(answer.body)
        (entry,) = document["entries"]
        assert 0 <= entry.pop("age") < 60
        assert entry == {"key": "c", "etag": tag, "content_type": JSON_TYPE, "value": b"[1]"}
        assert (document["missing"], document["left"]) == (["none"], [])
        for accept, kind in (
            ("application/cbor;q=0.5, application/json;q=0.6", JSON_TYPE),
            ("application/cbor;q=0", JSON_TYPE),
            ("text/html, */*", JSON_TYPE),
            ("application/json, application/cbor", "application/cbor"),
            ("Application/CBOR ; q=0.125,*/*;q=0.1", "application/cbor"),
        ):
            answer = client.request("GET", "/v1/cache?key=c", headers={"Accept": accept})
            assert (accept, answer.headers["content-type"]) == (accept, kind)


def test_an_answer_that_is_streamed(server: Server) -> None:
    with server.client() as client:
        values = {f"s{number}": bytes([97 + number]) * 2000 for number in range(6)}
        for key, value in values.items():
            assert client.request("PUT", "/v1/cache/" + key, value).status in (201, 204)
        query = "/v1/cache?" + "&".join("key=" + key for key in values)
        answer = client.request("GET", query)
        assert answer.headers["transfer-encoding"] == "chunked"
        assert {entry["key"]: entry["text"].encode() for entry in answer.json()["entries"]} == values
        peek = client.request("HEAD", query)
        assert (peek.status, peek.body) == (200, b"")
        assert client.request("GET", "/healthz").status == 200, "no byte of content followed the head"


@pytest.mark.parametrize(
    ("query", "scope", "status", "code"),
    [
        ("", "cache:read", 400, "bad_query"),
        ("?", "cache:read", 400, "bad_query"),
        ("?keys=a", "cache:read", 400, "bad_query"),
        ("?key=a&key=", "cache:read", 400, "bad_query"),
        ("?" + "&".join(f"key={number}" for number in range(65)), "cache:read", 400, "bad_query"),
        ("?" + "&".join(f"key={number}" for number in range(64)), "cache:read", 200, ""),
        ("?key=" + "k" * 253, "cache:read", 200, ""),
        ("?key=" + "k" * 254, "cache:read", 414, "uri_too_long"),
        ("?key=%zz", "cache:read", 400, "malformed_request"),
        ("?key=a/1&key=a/2", "cache:read:a/", 200, ""),
        ("?key=a/1&key=b/1&key=c/1", "cache:read:a/", 403, "insufficient_scope"),
        ("?key=a", "cache:write", 403, "insufficient_scope"),
    ],
)
def test_several_keys_refused(server: Server, query: str, scope: str, status: int, code: str) -> None:
    answer = server.request("GET", "/v1/cache" + query, auth=token(scope=scope))
    assert answer.status == status
    if code:
        assert answer.json()["type"] == "urn:headgate:problem:" + code
    if query.startswith("?key=a/1&key=b/1"):
        assert answer.json()["detail"] == "needs cache:read for b/1"


def test_several_keys_are_a_resource_to_read(server: Server) -> None:
    with server.client() as client:
        answer = client.request("PUT", "/v1/cache", b"x")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
        assert client.request("GET", "/v1/cache?key=a", auth=None).status == 401


def test_the_budget_shows_in_the_metrics(server: Server) -> None:
    """64 entries and 32 KiB; each is charged 64 bytes beside key, value and meta."""
    with server.client() as client:
        for number in range(20):
            assert client.request("PUT", f"/v1/cache/budget-{number}", b"x" * 3000).status in (201, 204)
        client.request("GET", "/v1/cache/budget-19")
        client.request("GET", "/v1/cache/budget-0")
    after = server.metrics()
    assert 3000 * 9 < int(after["headgate_cache_bytes"]) <= 32768
    assert 0 < int(after["headgate_cache_entries"]) <= 64
    assert int(after["headgate_cache_evictions_total"]) >= 10
    assert int(after["headgate_cache_hits_total"]) > 0
    assert int(after["headgate_cache_misses_total"]) > 0
    assert "headgate_cache_expirations_total" in after


def test_cache_scopes(server: Server) -> None:
    def put(key: str, scope: str) -> int:
        return server.request("PUT", f"/v1/cache/{key}", b"x", auth=token(scope=scope)).status

    assert put("a/1", "cache:write:a/") == 201
    assert put("b/1", "cache:write:a/") == 403
    assert put("b/1", "cache:read") == 403
    assert put("b/1", "cache:*") == 201
    assert server.request("GET", "/v1/cache/a/1", auth=token(scope="cache:read:a")).status == 200


def test_health_and_index(server: Server) -> None:
    with server.client() as client:
        assert client.request("GET", "/healthz", auth=None).json() == {"status": "ok"}
        assert client.request("GET", "/readyz", auth=None).json() == {"ready": True, "reasons": []}
        index = client.request("GET", "/", auth=None).json()
        assert (index["name"], index["appliance"]) == ("headgate", "wire")
        allow = client.request("POST", "/healthz", b"", auth=None)
        assert (allow.status, allow.headers["allow"]) == (405, "GET, HEAD")


def test_metrics(server: Server) -> None:
    before = server.metrics()
    with server.client() as client:
        client.request("POST", POST, GOOD, TYPE)
        client.request("POST", POST, b"{", TYPE)
        answer = client.request("GET", "/metrics", auth=None)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert server.request("HEAD", "/metrics", auth=None).status == 200
    after = dict(line.rsplit(" ", 1) for line in answer.body.decode().splitlines() if not line.startswith("#"))

    def grown(name: str) -> int:
        return int(after[name]) - int(before.get(name, "0"))

    assert grown("headgate_messages_accepted_total") == 1
    assert grown('headgate_messages_rejected_total{code="malformed_json"}') == 1
    assert grown('headgate_requests_total{status="202"}') == 1
    assert grown('headgate_problems_total{code="malformed_json"}') == 1
    assert int(after["headgate_connections"]) >= 1
    ledger = {
        key: int(after[f"headgate_outbox_{key}_total"]) for key in ("accepted", "delivered", "expired", "dropped")
    }
    stored = int(after["headgate_outbox_stored"])
    assert ledger["accepted"] == ledger["delivered"] + ledger["expired"] + ledger["dropped"] + stored
    total = after["headgate_request_duration_seconds_count"]
    assert after['headgate_request_duration_seconds_bucket{le="+Inf"}'] == total
    names = [line.split(" ")[2] for line in answer.body.decode().splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)), "a family comes once"


def test_pipelining(server: Server) -> None:
    with server.client() as client:
        post = head("POST", POST, len(GOOD), TYPE) + GOOD
        client.send(head("GET", "/healthz") + post + post + head("GET", "/nowhere") + head("GET", "/healthz"))
        assert [answer.status for answer in (client.answer() for _ in range(5)) if answer] == [200, 202, 202, 404, 200]


def test_keep_alive_survives_refusals(server: Server) -> None:
    """A refused message of known length is read over; the next request on the connection is served."""
    with server.client() as client:
        assert client.request("POST", POST, GOOD, TYPE, None).status == 401
        assert client.request("POST", "/v1/nothing", GOOD, TYPE).status == 404
        assert client.request("POST", POST, b"x" * 3000, TYPE).status == 413
        client.send(
            head("POST", POST, None, {**TYPE, "Transfer-Encoding": "chunked"}, "bad")
            + wire.chunked(GOOD)
            + b"0\r\n\r\n"
        )
        answer = client.answer()
        assert answer is not None
        assert answer.status == 401
        assert client.request("POST", POST, GOOD, TYPE).status == 202


def test_http10(server: Server) -> None:
    with server.client() as client:
        client.send(b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = client.answer()
        assert answer is not None
        assert answer.headers["connection"] == "keep-alive"
        client.send(b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = client.answer()
        assert answer is not None
        assert answer.headers["connection"] == "close"
        assert client.answer() is None


def test_connection_close(server: Server) -> None:
    with server.client() as client:
        answer = client.request("GET", "/healthz", headers={"Connection": "close"})
        assert answer.headers["connection"] == "close"
        assert client.answer() is None


def test_expect_continue(server: Server) -> None:
    with server.client() as client:
        client.send(head("POST", POST, len(GOOD), {**TYPE, "Expect": "100-continue"}))
        interim = client.answer()
        assert interim is not None
        assert (interim.status, interim.headers) == (100, {})
        client.send(GOOD)
        answer = client.answer()
        assert answer is not None
        assert answer.status == 202


@pytest.mark.parametrize(
    ("headers", "auth", "length", "status"),
    [({}, "bad", 10, 401), ({}, "", 100000, 413), ({"Content-Type": "text/plain"}, "", 10, 415)],
    ids=["token", "length", "type"],
)
def test_refused_before_continue(server: Server, headers: dict[str, str], auth: str, length: int, status: int) -> None:
    """What is refused is refused before the client sends its body."""
    with server.client() as client:
        client.send(head("POST", POST, length, {**TYPE, "Expect": "100-continue", **headers}, auth))
        answer = client.answer()
        assert answer is not None
        assert answer.status == status
        assert client.answer() is None


def test_body_with_continue_already_there(server: Server) -> None:
    with server.client() as client:
        client.send(head("POST", POST, len(GOOD), {**TYPE, "Expect": "100-continue"}) + GOOD)
        answer = client.answer()
        if answer is not None and answer.status == 100:
            answer = client.answer()
        assert answer is not None
        assert answer.status == 202


@pytest.mark.skipif(not CPYTHON, reason="MicroPython has no signal handlers; tests/unit/test_gateway.py drains there")
def test_sigterm_drains(tmp_path: Path) -> None:
    server = wire.Server(tmp_path, wire.plan())
    with server.client() as busy, server.client() as idle:
        assert idle.request("GET", "/healthz").status == 200
        busy.send(head("POST", POST, len(GOOD), TYPE) + GOOD[:5])
        assert idle.request("GET", "/healthz").status == 200  # so the other has been read
        server.process.send_signal(signal.SIGTERM)
        assert idle.answer() is None, "an idle connection is closed at once"
        busy.send(GOOD[5:])
        answer = busy.answer()
        assert answer is not None
        assert (answer.status, answer.headers["connection"]) == (202, "close")
    said, _ = server.process.communicate(timeout=wire.PATIENCE_S)
    assert said == b"drained\n"
    assert server.process.returncode == 0


@pytest.mark.skipif(not CPYTHON, reason="as above")
def test_sigterm_takes_no_answer_away(tmp_path: Path) -> None:
    """Who sends without waiting has sent more than is answered: a connection closed at once would be reset by that, and
    with it the answers that are on their way (RFC 9112 section 9.6)."""
    server = wire.Server(tmp_path, wire.plan())
    with server.client() as busy, server.client() as idle:
        busy.send(head("POST", POST, len(GOOD), TYPE) + GOOD[:5])
        assert idle.request("GET", "/healthz").status == 200  # so the other has been read
        server.process.send_signal(signal.SIGTERM)
        assert idle.answer() is None
        busy.send(GOOD[5:])
        answer = busy.answer()
        assert answer is not None
        assert (answer.status, answer.headers["connection"]) == (202, "close")
        for _ in range(2):
            busy.socket.sendall(head("GET", "/healthz"))  # the first one would be reset, and the second fail
            time.sleep(0.05)
        assert busy.answer() is None
    said, _ = server.process.communicate(timeout=wire.PATIENCE_S)
    assert said == b"drained\n"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(server: Server) -> None:
    url = f"http://127.0.0.1:{server.port}"
    command = ["curl", "-sS", "-w", "\n%{http_code} %{num_connects}\n", "-H", f"Authorization: Bearer {token()}"]
    first = [f"{url}{POST}", "-H", "Content-Type: application/json", "-d", '{"station":"st-5","temp_c":5}']
    again = ["--next", *command[1:], f"{url}/v1/streams/weather/last/st-5"]
    command += [*first, *again]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=wire.PATIENCE_S)
    receipt, code, value, code_again = ran.stdout.splitlines()
    assert json.loads(receipt)["durability"] == "memory"
    assert code == "202 1"
    assert json.loads(value) == {"station": "st-5", "temp_c": 5}
    assert code_again == "200 0", "the connection is used again"
