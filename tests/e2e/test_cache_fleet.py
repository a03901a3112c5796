"""The cache's second level with a real server: two appliances share it, and it is killed and frozen under load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fleet_kit
import pytest
import redis_server
from fleet_kit import PREFIX, Board, CacheLoad
from redis_server import Redis

pytestmark = pytest.mark.slow_emulated

MISSING = 'missing_ttl = "1 h"'  # so that a test can tell what ends it


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    redis_server.need()
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def boards(redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Board, Board]]:
    folder = tmp_path_factory.mktemp("fleet")
    made = [Board(folder / name, fleet_kit.config(redis.port, MISSING)) for name in ("one", "two")]
    for board in made:
        board.settled()
    yield made[0], made[1]
    for board in made:
        assert board.appliance.stop() == 0


@pytest.fixture
def one(boards: tuple[Board, Board]) -> Board:
    return boards[0]


@pytest.fixture
def two(boards: tuple[Board, Board]) -> Board:
    return boards[1]


def test_what_one_puts_the_other_reads(one: Board, two: Board, redis: Redis) -> None:
    put = one.put("shared/a b".replace(" ", "%20"), b"\0value", Content_Type="image/png", Cache_Control="max-age=600")
    one.settled()
    status, fields, body = two.gives("shared/a%20b", b"\0value")
    assert (status, body, fields["content-type"]) == (200, b"\0value", "image/png")
    assert (fields["cache-control"], fields["etag"] != put[1]["etag"]) == ("max-age=600", True)
    assert 0 <= int(fields["age"]) < 600
    left_ms = redis.ask(b"PTTL", PREFIX + b"shared/a b")
    assert isinstance(left_ms, int)
    assert 0 < left_ms <= 600_000
    hits = two.metric("hits")
    assert two.get("shared/a%20b", If_None_Match=fields["etag"])[0] == 304
    assert two.metric("hits") == hits, "it is here now, and nobody is asked"


def test_without_a_time_to_live_it_has_none_anywhere(one: Board, two: Board, redis: Redis) -> None:
    one.put("for-ever", b"1")
    one.settled()
    assert two.gives("for-ever", b"1")[1]["cache-control"] == "no-cache"
    assert redis.ask(b"PTTL", PREFIX + b"for-ever") == -1


def test_it_expires_everywhere(one: Board, two: Board, redis: Redis) -> None:
    one.put("short", b"1", Cache_Control="max-age=2")
    one.settled()
    if redis.ask(b"EXISTS", PREFIX + b"short") == 1:  # else the machine was very slow
        two.get("short")
    one.gives("short", None)
    two.gives("short", None)


def test_changes_and_deletions_reach_the_other(one: Board, two: Board) -> None:
    one.put("changing", b"1")
    two.gives("changing", b"1")
    two.put("changing", b"2")
    one.gives("changing", b"2")
    assert one.ask("DELETE", "/v1/cache/changing")[0] == 204
    two.gives("changing", None)
    assert one.metric("invalidated") >= 1
    assert two.metric("invalidated") >= 1


def test_a_key_that_only_the_other_has_can_be_deleted_and_is_judged(one: Board, two: Board) -> None:
    one.put("theirs", b"1")
    one.settled()
    assert two.ask("PUT", "/v1/cache/theirs", b"2", If_None_Match="*")[0] == 412
    etag = two.get("theirs")[1]["etag"]
    assert two.ask("PUT", "/v1/cache/theirs", b"2", If_Match='"other"')[0] == 412
    assert two.ask("PUT", "/v1/cache/theirs", b"2", If_Match=etag)[0] == 204
    one.gives("theirs", b"2")
    one.put("theirs-too", b"1")
    one.settled()
    assert two.ask("DELETE", "/v1/cache/theirs-too")[0] == 204
    assert two.ask("DELETE", "/v1/cache/theirs-too")[0] == 404
    one.gives("theirs-too", None)


def _put_while_the_other_does(one: Board, two: Board, key: str, field: str) -> int:
    """`field: *`, and the other board changes the key between head and body -> the status."""
    one.put(key, b"1")
    one.settled()
    two.gives(key, b"1")
    connection = two.connect()
    connection.putrequest("PUT", f"/v1/cache/{key}")
    for name, value in (("Authorization", f"Bearer {two.token}"), (field, "*"), ("Content-Length", "1")):
        connection.putheader(name, value)
    connection.endheaders()
    two.get(key)  # by now the head has been read
    dropped = two.metric("invalidated")
    one.put(key, b"2")
    two.until("invalidated", lambda value: value > dropped)
    connection.send(b"3")
    status = int(connection.getresponse().status)
    connection.close()
    return status


def test_a_key_that_goes_while_the_body_comes_is_judged_as_it_is_there(one: Board, two: Board) -> None:
    assert _put_while_the_other_does(one, two, "late", "If-None-Match") == 412
    two.gives("late", b"2")


def test_a_key_that_others_change_while_the_body_comes_is_there_for_if_match(one: Board, two: Board) -> None:
    assert _put_while_the_other_does(one, two, "late-too", "If-Match") == 204


def test_several_keys_at_once(one: Board, two: Board) -> None:
    one.put("many/1", b"one")
    one.put("many/2", b"two")
    one.settled()
    status, _, body = two.ask("GET", "/v1/cache?key=many/1&key=many/2&key=many/3")
    assert status == 200
    assert (body.count(b'"text":"one"'), body.count(b'"text":"two"')) == (1, 1)
    assert b'"missing":["many/3"]' in body


def test_what_is_missing_is_asked_for_once_until_it_comes(one: Board, two: Board) -> None:
    assert two.get("later")[0] == 404
    misses, known = two.metric("misses"), two.metric("known_missing")
    assert two.get("later")[0] == 404
    assert (two.metric("misses"), two.metric("known_missing")) == (misses, known + 1)
    one.put("later", b"1")
    two.gives("later", b"1")


def test_last_values_are_not_shared(one: Board, two: Board, redis: Redis) -> None:
    assert one.ask("POST", "/v1/streams/any", b"1", Content_Type="application/json")[0] == 202
    assert one.ask("GET", "/v1/streams/any/last/dev")[0] == 200
    one.settled()
    assert two.ask("GET", "/v1/streams/any/last/dev")[0] == 404
    assert redis.ask(b"KEYS", b"*last*") == []


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\n",
        b"value",
        b"1 0 text/plain",
        b"2 0 text/plain\nvalue",
        b"1 00 text/plain\nvalue",
        b"1 99999999999 text/plain\nvalue",
        b"1 4000000000 text/plain\nvalue",
        b"1 -1 text/plain\nvalue",
        b"1 0 text/plain\r\nSet-Cookie: x=y\nvalue",
        b"1 0 text/plain\0\nvalue",
        b"1 0 " + b"x" * 129 + b"\nvalue",
        b"1 0 text/plain\n" + b"v" * 65537,
        b"1 0 text/plain\n" + b"v" * 5_000_000,
    ],
    ids=range(14),
)
def test_what_others_write_there_is_not_believed(two: Board, redis: Redis, value: bytes) -> None:
    assert redis.ask(b"SET", PREFIX + b"strange", value) == b"OK"
    status, fields, _ = two.get("strange")
    assert status == 404
    assert "set-cookie" not in fields


def test_nor_is_a_list_or_a_time_that_is_over(two: Board, redis: Redis) -> None:
    redis.ask(b"DEL", PREFIX + b"list")
    assert redis.ask(b"LPUSH", PREFIX + b"list", b"1") == 1
    errors = two.metric("errors")
    assert two.get("list")[0] == 404
    assert two.metric("errors") > errors
    assert redis.ask(b"SET", PREFIX + b"unlimited", b"1 600 a/b\nv") == b"OK"  # nobody of ours wrote it without PX
    assert two.get("unlimited")[1]["cache-control"] == "max-age=600"


def test_everything_is_flushed(one: Board, two: Board, redis: Redis) -> None:
    one.put("flushed", b"1")
    one.settled()
    two.gives("flushed", b"1")
    assert redis.ask(b"FLUSHALL") == b"OK"
    one.gives("flushed", None)
    two.gives("flushed", None)


def test_killed_under_load(one: Board, two: Board, redis: Redis) -> None:
    one.put("before", b"1")
    two.gives("before", b"1")
    opened = two.metric("opened")
    with CacheLoad(two) as load:
        load.more(200)
        redis.kill()
        two.until("connected", lambda value: value == 0)
        assert two.metric("opened") == opened + 1
        load.more(400)
        assert two.get("before")[2] == b"1", "what is here is served"
        one.until("connected", lambda value: value == 0)
        one.put("before", b"2")
        one.put("meanwhile", b"1")
        assert two.get("meanwhile")[0] == 404
        assert two.metric("skipped") > 0, "nobody waits for a server that is away"
        redis.start()
        two.until("connected", lambda value: value == 1)
        load.more(200)
    assert load.wrong == []
    two.gives("meanwhile", b"1")
    two.gives("before", b"2")
    one.settled()
    two.settled()
    assert two.metric("dropped") == 0
    for number in range(4):  # what was written while it was away is there
        assert redis.ask(b"EXISTS", PREFIX + b"hot/%d" % number) == 1
    assert redis.ask(b"KEYS", PREFIX + b"short/*") == []
    lines = [line for line in two.appliance.log.read_text().splitlines() if "is away" in line]
    assert len(set(lines)) == len(lines) <= 4, lines


def test_frozen_under_load(one: Board, two: Board, redis: Redis) -> None:
    one.put("before", b"1")
    two.gives("before", b"1")
    timeouts, opened = two.metric("timeouts"), two.metric("opened")
    with CacheLoad(two) as load:
        load.more(200)
        redis.freeze()
        try:
            two.until("opened", lambda value: value > opened)
            two.until("connected", lambda value: value == 0)
            load.more(400)
            assert two.get("before")[2] == b"1"
        finally:
            redis.thaw()
        two.until("connected", lambda value: value == 1)
        load.more(200)
    assert load.wrong == []
    assert two.metric("timeouts") >= timeouts
    one.settled()  # it has a pause of its own, longer with each attempt while the server was frozen
    two.settled()
    two.put("after", b"1")
    one.gives("after", b"1")


def test_without_a_server_at_the_start(tmp_path: Path) -> None:
    redis_server.need()
    redis = Redis(tmp_path / "redis")
    board = Board(tmp_path / "board", fleet_kit.config(redis.port))
    try:
        board.put("early", b"1")
        assert board.get("early")[2] == b"1"
        assert board.get("none")[0] == 404
        assert (board.metric("connected"), board.metric("breaker"), board.metric("queued")) == (0, 2, 1)
        with redis:
            board.settled()
            assert redis.ask(b"GET", PREFIX + b"early") == b"1 0 application/octet-stream\n1"
            assert board.get("early")[2] == b"1"
            board.put("last", b"1")
            assert board.appliance.stop() == 0
            assert redis.ask(b"EXISTS", PREFIX + b"last") == 1, "what waits is told before the end"
    finally:
        board.kill()


def test_a_restart_reads_from_there(tmp_path: Path, redis: Redis) -> None:
    board = Board(tmp_path / "board", fleet_kit.config(redis.port, 'namespace = "restart"'))
    try:
        board.put("k", b"1")
        board.settled()
        board.appliance.kill()
        board.appliance.start()
        board.until("connected", lambda value: value == 1)
        board.gives("k", b"1")
    finally:
        board.kill()
