"""linux/second_level.py against a scripted server: what a real one does too seldom (tests/e2e has that one)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from redis_kit import Scene, ScriptedServer, bulk, scene, until

from headgate import limits
from headgate.linux.breaker import NUMBERS, OPEN

ENTRY = b"1 0 text/plain\n"


def play(story: Callable[[Scene], Awaitable[None]], **options: object) -> None:
    async def whole() -> None:
        async with scene(**options) as made:  # type: ignore[arg-type]
            await story(made)

    asyncio.run(whole())


async def asked_for(server: ScriptedServer, key: bytes) -> None:
    assert await server.hears() == [b"PTTL", b"p:" + key]
    assert (await server.hears())[:3] == [b"GETRANGE", b"p:" + key, b"0"]


async def told(server: ScriptedServer, key: bytes, value: bytes | None) -> None:
    command = await server.hears()
    wanted = [b"DEL", b"p:" + key] if value is None else [b"SET", b"p:" + key, ENTRY + value]
    assert command == wanted


# --- reading through


def test_one_question_for_everybody() -> None:
    async def story(s: Scene) -> None:
        waits = [s.fetch(b"k"), s.fetch(b"k"), s.fetch(b"k", b"other")]
        await asked_for(s.server, b"k")
        await asked_for(s.server, b"other")
        assert s.level.stats()["in_flight"] == 2
        s.server.say(b":5000\r\n" + bulk(b"1 9 image/png\nvalue") + b":-2\r\n" + bulk(b""))
        await asyncio.gather(*waits)
        assert s.store.peek(b"kv/k", s.ms) == (b"value", b"9 %d image/png" % (s.ms - 4000), 1, 5000)
        assert (s.level.stats()["hits"], s.level.stats()["misses"], s.level.stats()["missing_keys"]) == (1, 1, 1)
        await s.fetch(b"k", b"other")
        assert s.level.stats()["known_missing"] == 1
        s.ms += limits.SHARED_MISSING_MS
        again = s.fetch(b"other")
        await asked_for(s.server, b"other")
        again.cancel()
        assert not s.server.asked

    play(story)


def test_a_late_answer_is_kept() -> None:
    async def story(s: Scene) -> None:
        s.hurry(1)
        await s.fetch(b"k")
        assert (s.value(b"k"), s.level.stats()["timeouts"]) == (None, 1)
        await asked_for(s.server, b"k")
        s.server.say(b":-1\r\n" + bulk(ENTRY + b"late"))
        await s.has(b"k", b"late")

    play(story)


def test_what_was_put_here_meanwhile_stays() -> None:
    async def story(s: Scene) -> None:
        wait = s.fetch(b"k")
        await asked_for(s.server, b"k")
        s.put(b"k", b"ours")
        s.server.say(b":-1\r\n" + bulk(ENTRY + b"theirs"))
        await wait
        assert s.value(b"k") == b"ours"
        await told(s.server, b"k", b"ours")

    play(story)


def test_what_was_deleted_here_meanwhile_does_not_come_back() -> None:
    async def story(s: Scene) -> None:
        wait = s.fetch(b"k")
        await asked_for(s.server, b"k")
        s.delete(b"k")
        await told(s.server, b"k", None)
        s.server.say(b":-1\r\n" + bulk(ENTRY + b"theirs"))
        await wait
        assert s.value(b"k") is None
        await s.fetch(b"k")  # the server is not asked before it has heard of the deletion
        assert not s.server.asked
        s.server.say(b":1\r\n")
        await s.until(written=1)

    play(story)


def test_no_more_than_so_many_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SHARED_IN_FLIGHT", 2)

    async def story(s: Scene) -> None:
        wait = s.fetch(b"1", b"2", b"3")
        await asked_for(s.server, b"1")
        await asked_for(s.server, b"2")
        s.server.say(b":-2\r\n$0\r\n\r\n" * 2)
        await wait
        assert (s.level.stats()["skipped"], s.level.stats()["misses"]) == (1, 2)
        assert not s.server.asked

    play(story)


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        (b"-ERR no\r\n-ERR no\r\n", "errors"),
        (b":-1\r\n-WRONGTYPE x\r\n", "errors"),
        (b"+x\r\n" + bulk(ENTRY), "errors"),
        (b":-1\r\n:7\r\n", "errors"),
        (b":-1\r\n*1\r\n:7\r\n", "errors"),
        (b":-1\r\n" + bulk(b"no entry"), "malformed"),
        (b":-1\r\n" + bulk(ENTRY + b"v" * 1001), "malformed"),
        (b":0\r\n" + bulk(ENTRY), "misses"),
    ],
)
def test_answers_that_are_no_entry(answer: bytes, counted: str) -> None:
    async def story(s: Scene) -> None:
        wait = s.fetch(b"k")
        await asked_for(s.server, b"k")
        s.server.say(answer)
        await wait
        assert s.value(b"k") is None
        assert s.level.stats()[counted] == 1
        assert s.level.stats()["connected"] == 1

    play(story)


# --- the breaker


def test_so_many_in_vain_and_nobody_asks_any_more(caplog: pytest.LogCaptureFixture) -> None:
    async def story(s: Scene) -> None:
        s.server.greetings[b"PING"] = b""  # the next connection is not better
        s.hurry(10)
        for number in range(limits.SHARED_FAILURES):
            await s.fetch(b"%d" % number)
        await s.until(connected=0)
        stats = s.level.stats()
        assert (stats["timeouts"], stats["opened"], stats["breaker"]) == (limits.SHARED_FAILURES, 1, NUMBERS[OPEN])
        await s.fetch(b"one more")
        assert s.level.stats()["skipped"] == 1
        s.server.greetings[b"PING"] = b"+PONG\r\n"
        s.hurry()
        await s.until(connected=1)

    with caplog.at_level(logging.INFO, "headgate.cache"):
        play(story)
    assert "requests in a row waited in vain" in caplog.text


def test_who_lets_us_in_and_is_of_no_use_is_left_alone_for_longer() -> None:
    async def story(s: Scene) -> None:
        for pause_ms in (250, 500, 1000):  # half of them: there is no jitter
            await s.until(connected=1)
            wait = s.fetch(b"k")
            await asked_for(s.server, b"k")
            s.server.hang_up()
            await wait
            await s.until(connected=0)
            assert s.level._breaker.pause_ms() == pause_ms
        await s.until(connected=1)
        wait = s.fetch(b"k")
        await asked_for(s.server, b"k")
        s.server.say(b":-2\r\n" + bulk(b""))
        await wait
        s.server.hang_up()
        await s.until(connected=0)
        assert s.level._breaker.pause_ms() == 250

    play(story)


def test_a_server_that_is_loading_is_not_used() -> None:
    async def story(s: Scene) -> None:
        await until(lambda: s.server.connections >= 2)
        assert s.level.stats()["connections"] == 0
        s.server.greetings[b"PING"] = b"+PONG\r\n"
        await s.until(connected=1)

    play(story, connected=False, PING=b"-LOADING dataset\r\n")


@pytest.mark.parametrize("asked", [True, False])
def test_why_it_hangs_up_is_said(caplog: pytest.LogCaptureFixture, asked: bool) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if asked:
            await reader.read(1000)
        writer.write(b"-DENIED protected mode\r\n")
        await asyncio.sleep(0)
        writer.close()

    async def whole() -> None:
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        scripted = ScriptedServer()
        scripted.port = server.sockets[0].getsockname()[1]
        task = asyncio.create_task(Scene(scripted).level.run())
        async with server, asyncio.timeout(60):
            await until(lambda: "is away" in caplog.text)
        task.cancel()

    asyncio.run(whole())
    assert "it refuses us: DENIED protected mode" in caplog.text


def test_who_waits_is_let_go_when_the_connection_ends() -> None:
    async def story(s: Scene) -> None:
        wait = s.fetch(b"k")
        await asked_for(s.server, b"k")
        s.server.hang_up()
        await wait
        await s.until(connected=0)
        await s.until(connected=1, connections=2, in_flight=0)

    play(story)


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\r\n\r\n", b":1\r\n", b"$99999999\r\n"])
def test_who_does_not_speak_as_it_should_is_left(data: bytes) -> None:
    async def story(s: Scene) -> None:
        s.server.say(data)
        await s.until(connections=2, connected=1)

    play(story)


# --- changes made here


def test_several_changes_of_a_key_are_one() -> None:
    async def story(s: Scene) -> None:
        s.put(b"first", b"1")
        await told(s.server, b"first", b"1")
        for value in (b"1", b"2", b"3"):
            s.put(b"k", value, max_age=60)
        s.put(b"gone", b"1")
        s.delete(b"gone")
        s.ms += 1000
        assert s.level.stats()["queued"] == 2
        s.server.say(b"+OK\r\n")
        assert await s.server.hears() == [b"SET", b"p:k", b"1 60 text/plain\n3", b"PX", b"59000"]
        await told(s.server, b"gone", None)
        s.server.say(b"+OK\r\n:0\r\n")
        await s.until(queued=0, in_flight=0, written=3)

    play(story)


def test_what_was_evicted_is_deleted_there() -> None:
    async def story(s: Scene) -> None:
        s.put(b"first", b"1")
        await told(s.server, b"first", b"1")
        s.put(b"k", b"1")
        s.store.delete(b"kv/k", s.ms)
        s.server.say(b"+OK\r\n")
        await told(s.server, b"k", None)

    play(story)


def test_the_queue_is_bounded() -> None:
    async def story(s: Scene) -> None:
        s.put(b"0", b"v")
        await told(s.server, b"0", b"v")  # and is not answered
        for number in range(1, limits.SHARED_QUEUE + 11):
            s.level.changed(b"kv/%d" % number)
        stats = s.level.stats()
        assert (stats["queued"], stats["dropped"]) == (limits.SHARED_QUEUE, 10)
        s.level.changed(b"kv/11")  # waits already
        assert s.level.stats()["dropped"] == 10
        s.server.say(b"+OK\r\n")
        await told(s.server, b"11", None)

    play(story)


def test_what_is_never_told_does_not_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go on with what the server has, and nobody would ever tell us of that."""
    monkeypatch.setattr(limits, "SHARED_QUEUE", 2)

    async def story(s: Scene) -> None:
        s.put(b"0", b"v")
        await told(s.server, b"0", b"v")  # and is not answered
        for key in (b"1", b"2", b"3"):
            s.put(key, b"new")
        assert s.level.stats()["dropped"] == 1
        assert (s.value(b"1"), s.value(b"2")) == (None, b"new")
        wait = s.fetch(b"1")
        s.server.say(b"+OK\r\n")
        await asked_for(s.server, b"1")
        s.server.say(b":-1\r\n" + bulk(ENTRY + b"old"))
        await wait
        assert s.value(b"1") == b"old"

    play(story)


def test_while_it_is_away_what_is_never_told_stays_until_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SHARED_QUEUE", 2)

    async def story(s: Scene) -> None:
        s.server.greetings[b"PING"] = b""
        s.server.hang_up()
        await s.until(connected=0)
        for key in (b"1", b"2", b"3"):
            s.put(key, b"new")
        assert (s.level.stats()["dropped"], s.value(b"1")) == (1, b"new")

    play(story)


def test_what_was_not_answered_is_told_again() -> None:
    async def story(s: Scene) -> None:
        s.put(b"k", b"1")
        await told(s.server, b"k", b"1")
        s.server.hang_up()
        await s.until(connected=0)
        s.put(b"k", b"2")
        await s.until(connected=1)
        await told(s.server, b"k", b"2")
        s.server.say(b"+OK\r\n")
        await s.until(queued=0, in_flight=0, written=1)

    play(story)


def test_a_refused_change_is_deleted_there() -> None:
    async def story(s: Scene) -> None:
        s.put(b"k", b"1")
        await told(s.server, b"k", b"1")
        s.server.say(b"-OOM no room\r\n")
        await told(s.server, b"k", None)
        s.server.say(b":1\r\n")
        await s.until(refused=1, queued=0, in_flight=0)
        assert s.value(b"k") == b"1"

    play(story)


def test_a_server_that_takes_changes_and_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SHARED_PATIENCE_MS", 20)

    async def story(s: Scene) -> None:
        s.put(b"k", b"1")
        await told(s.server, b"k", b"1")
        await until(lambda: s.level.stats()["connections"] >= 2)
        await told(s.server, b"k", b"1")

    play(story)


def test_a_slow_line_is_not_given_up() -> None:
    step_s = 0.15  # far below the patience, which all of them together outlast
    count = int(1.8 * limits.SHARED_PATIENCE_MS / 1000 / step_s)

    async def story(s: Scene) -> None:
        for number in range(count):
            s.put(b"%d" % number, b"1")
        for number in range(count):
            await told(s.server, b"%d" % number, b"1")
        for _ in range(count):
            await asyncio.sleep(step_s)
            s.server.say(b"+OK\r\n")
        await s.until(queued=0, in_flight=0, written=count)
        assert (s.level.stats()["connected"], s.level.stats()["connections"]) == (1, 1)

    play(story)


def test_the_end_waits_for_what_waits_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(s: Scene) -> None:
        s.put(b"k", b"1")
        end = asyncio.create_task(s.level.close())
        await told(s.server, b"k", b"1")
        assert not end.done()
        s.server.say(b"+OK\r\n")
        await end
        assert s.level.stats()["written"] == 1
        monkeypatch.setattr(limits, "SHARED_PATIENCE_MS", 20)
        s.put(b"k", b"2")
        await s.level.close()

    play(story)


# --- changes made elsewhere


def test_what_others_changed_is_dropped() -> None:
    async def story(s: Scene) -> None:
        for key in (b"k", b"stays"):
            s.put(key, b"1")
            await told(s.server, key, b"1")
            s.server.say(b"+OK\r\n")
        await s.until(queued=0, in_flight=0)
        wait = s.fetch(b"missing")
        await asked_for(s.server, b"missing")
        s.server.say(b":-2\r\n" + bulk(b""))
        await wait
        s.server.tells(b"k", b"missing", b"never-here", b"x" * 300)
        await s.until(invalidated=1, missing_keys=0)
        assert (s.value(b"k"), s.value(b"stays")) == (None, b"1")

    play(story)


def test_what_comes_between_the_two_questions_is_asked_for_again() -> None:
    async def story(s: Scene) -> None:
        wait = s.fetch(b"k")
        await asked_for(s.server, b"k")
        s.server.say(b":-2\r\n")
        s.server.tells(b"k")
        s.server.say(bulk(ENTRY + b"1"))
        await wait
        assert (s.value(b"k"), s.level.stats()["missing_keys"]) == (None, 0)
        wait = s.fetch(b"k")
        await asked_for(s.server, b"k")
        s.server.say(b":-1\r\n" + bulk(ENTRY + b"1"))
        await wait
        assert s.value(b"k") == b"1"

    play(story)


def test_messages_of_other_kinds_say_nothing() -> None:
    async def story(s: Scene) -> None:
        s.put(b"k", b"1")
        await told(s.server, b"k", b"1")
        s.server.say(b">0\r\n>1\r\n+invalidate\r\n>2\r\n+invalidate\r\n:1\r\n>2\r\n:1\r\n_\r\n")
        s.server.say(b">2\r\n+invalidate\r\n*3\r\n:1\r\n_\r\n" + bulk(b"other:k") + b"+OK\r\n")
        await s.until(written=1)
        assert s.value(b"k") == b"1"
        assert s.level.stats()["connected"] == 1

    play(story)


def test_a_change_made_in_c_a_moment_ago_is_heard_of_first() -> None:
    async def story(s: Scene) -> None:
        s.store.put(b"kv/k", b"ours", b"0 0 text/plain", 0, s.ms)
        s.level.gather = lambda: s.level.changed(b"kv/k")
        s.server.tells(b"k")
        await told(s.server, b"k", b"ours")
        assert s.value(b"k") == b"ours"

    play(story)


def test_of_two_at_the_same_time_the_servers_last_one_counts() -> None:
    """Told of a change before the answer to ours: nobody knows which one is there now."""

    async def story(s: Scene) -> None:
        s.put(b"k", b"ours")
        await told(s.server, b"k", b"ours")
        s.server.tells(b"k")
        s.server.say(b"+OK\r\n")
        await s.has(b"k", None)

    play(story)


def test_what_still_waits_overwrites_theirs() -> None:
    async def story(s: Scene) -> None:
        s.put(b"first", b"1")
        await told(s.server, b"first", b"1")
        s.put(b"k", b"ours")
        s.server.tells(b"k")
        s.server.say(b"+OK\r\n")
        await told(s.server, b"k", b"ours")
        s.server.say(b"+OK\r\n")
        await s.until(queued=0, in_flight=0)
        assert s.value(b"k") == b"ours"

    play(story)


def test_all_that_was_here_goes_but_what_waits() -> None:
    """FLUSHALL, as after each new connection."""

    async def story(s: Scene) -> None:
        s.store.put(b"last/s/dev", b"[1]", b"0 0 application/json", 0, s.ms)
        s.put(b"old", b"1")
        await told(s.server, b"old", b"1")
        s.put(b"new", b"2")
        s.server.say(b">2\r\n$10\r\ninvalidate\r\n_\r\n+OK\r\n")
        await told(s.server, b"new", b"2")
        assert s.value(b"new") == b"2"
        s.server.say(b"+OK\r\n")
        await s.has(b"old", None)
        assert s.store.peek(b"last/s/dev", s.ms) is not None
        assert s.value(b"new") is None, "it is there now, to be read again"

    play(story)


def test_a_server_that_does_not_tell(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Version 5: no HELLO. What is here is dropped every so often, however much is going on."""
    monkeypatch.setattr(limits, "SHARED_STALE_MS", 30)

    async def story(s: Scene) -> None:
        assert s.level.stats()["told_of_changes"] == 0
        s.put(b"k", b"1")
        while s.value(b"k") is not None:
            s.put(b"busy", b"1")
            await asyncio.sleep(0.001)
        assert s.level.stats()["written"] >= 1
        await s.fetch(b"none")
        assert (s.level.stats()["misses"], s.level.stats()["errors"]) == (1, 0)
        await s.until(missing_keys=0)  # nobody would tell that it came

    with caplog.at_level(logging.INFO, "headgate.cache"):
        # All is answered at once: the sign of life that is asked for now and then, too.
        play(story, HELLO=b"-ERR unknown command 'HELLO'\r\n", SET=b"+OK\r\n", PTTL=b":-2\r\n", GETRANGE=b"$0\r\n\r\n")
    assert "does not tell of changes (ERR unknown command 'HELLO')" in caplog.text
