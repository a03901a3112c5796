"""gRPC calls that Python serves (linux/grpc_*.py), as lent requests of a scripted server: messages over chunked bodies,
and trailers."""

from __future__ import annotations

import asyncio
import base64
import gzip
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from server_kit import Lent, ScriptedServer, held_tickets

from headgate import limits
from headgate.core.jwt import Key, sign_hs256
from headgate.core.limiter import Limiter
from headgate.core.store import Store
from headgate.linux import grpc_health
from headgate.linux.grpc_call import timeout_s
from headgate.linux.grpc_status import Failure
from headgate.linux.native_gateway import NativeGateway
from headgate.linux.protobuf import fields, put_bytes, put_message, put_number, read
from headgate.linux.selector import NativeSelector
from headgate.tasks.plan import build
from headgate.tasks.sink import MemorySink, Receipt

NOW_S = 1_800_000_000
KEY = Key("k1", "HS256", bytes(range(32)))
SECRET = base64.urlsafe_b64encode(KEY.secret).rstrip(b"=").decode()
TOKEN = sign_hs256({"iss": "i", "aud": "a", "sub": "dev", "exp": NOW_S + 99, "scope": "publish:s publish:slow"}, KEY)
AUTHORIZED = {"authorization": "Bearer " + TOKEN.decode()}
PUBLISH = "/headgate.v1.Ingest/PublishStream"
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


def document() -> dict[str, Any]:
    issuer = {"name": "i", "audience": "a", "keys": [{"kid": "k1", "alg": "HS256", "k": SECRET}]}
    fast = {"durability": "memory", "rate_milli": 1_000_000_000, "burst": 100_000, "body_limit": 64}
    schema = {"type": "object", "properties": {"t": {"maximum": 9}}}
    return {
        "v": 1,
        "appliance": "t",
        "issuers": [issuer],
        "streams": {"s": {**fast, "schema": schema}, "slow": {**fast, "rate_milli": 1, "burst": 1}, "other": fast},
        "limits": {"idle_ms": 60000, "head_ms": 5000, "body_ms": 5000, "connections": 3},
    }


def frame(message: bytes, compressed: int = 0) -> bytes:
    return bytes([compressed]) + len(message).to_bytes(4, "big") + message


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def head(path: str, metadata: dict[str, str]) -> bytes:
    lines = {"host": "h", "content-type": "application/grpc", "transfer-encoding": "chunked", **metadata}
    return f"POST {path} HTTP/1.1\r\n".encode() + "".join(f"{n}: {v}\r\n" for n, v in lines.items()).encode() + b"\r\n"


def publish(body: bytes, stream: str = "s", encoding: int = 0, key: str = "") -> bytes:
    return put_bytes(1, stream) + put_number(2, encoding) + put_bytes(3, body) + put_bytes(4, key)


class Answer:
    """What was sent: the messages, and the trailers."""

    def __init__(self, sent: bytes) -> None:
        first, _, rest = sent.partition(b"\r\n\r\n")
        assert first.startswith(b"HTTP/1.1 200 OK\r\n"), sent
        assert b"Content-Type: application/grpc\r\n" in first
        body = b""
        while True:
            size, _, rest = rest.partition(b"\r\n")
            if not int(size, 16):
                break
            body += rest[: int(size, 16)]
            rest = rest[int(size, 16) + 2 :]
        self.trailers = dict(line.split(": ", 1) for line in rest.decode().split("\r\n") if line)
        self.status = int(self.trailers["grpc-status"])
        self.messages = []
        while body:
            assert body[0] == 0
            size_ = int.from_bytes(body[1:5], "big")
            self.messages.append(body[5 : 5 + size_])
            body = body[5 + size_ :]


def play(
    story: Callable[[NativeGateway, ScriptedServer], Awaitable[None]], info: dict[str, object] | None = None
) -> NativeGateway:
    server, selector = ScriptedServer(), NativeSelector()
    errors: list[Exception] = []
    gateways = []

    async def run() -> None:
        gateway = NativeGateway(
            server,
            selector,
            reading=lambda: (NOW_S, "trusted", 0),
            rows=lambda: None,
            compile_plan=lambda plan: plan,
            plan=build(document(), None, False),
            store=Store(4096),
            limiter=Limiter(8),
            sink=MemorySink(7),
            clock=lambda: (NOW_S, "trusted"),
            now_ms=lambda: 1000,
            info={"unready": []} if info is None else info,
            report=errors.append,
        )
        gateway.serve_grpc()
        gateways.append(gateway)
        try:
            await story(gateway, server)
        finally:
            await gateway.drain(0)

    try:
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
            runner.run(asyncio.wait_for(run(), 20))
    finally:
        server.close()
    assert not errors
    return gateways[0]


async def until(condition: Callable[[], object]) -> None:
    turns = 0
    while not condition():
        turns += 1
        await asyncio.sleep(0 if turns < 50 else 0.001)


async def served_by(gateway: NativeGateway, lent: Lent, left: int = 0) -> None:
    """`left`: other calls that go on."""
    await until(lambda: (lent.returned is not None or lent.closed) and len(gateway._lent) == left)


def call(
    path: str, *parts: bytes, metadata: dict[str, str] | None = None, end: bool = True, info: Any = None
) -> Answer:
    """`parts`: of the body, as they arrive."""
    answers = []

    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        lent = server.lend(5, head(path, metadata or {}))
        for part in parts:
            server.more(5, chunk(part))
        server.more(5, *([b"0\r\n\r\n"] if end else []), None)
        await served_by(gateway, lent)
        answers.append(Answer(lent.sent))

    play(story, info)
    return answers[0]


def summary(message: bytes) -> tuple[list[int], list[dict[str, Any]]]:
    found = read(message, {1: ("accepted", 0), 2: ("replayed", 0), 3: ("refused", 0)})
    refusals = []
    for number, _, value in fields(message):
        if number == 4 and isinstance(value, bytes):
            names = {1: ("index", 0), 2: ("status", 0), 3: ("code", 2), 4: ("detail", 2), 5: ("violation", 2)}
            refusals.append(read(value, names))
    return [int(found.get(name, 0)) for name in ("accepted", "replayed", "refused")], refusals


GOOD = publish(b'{"t":1}')


def test_publish_stream() -> None:
    messages = [
        GOOD,
        publish(b'{"t":10}'),
        publish(b"{"),
        publish(b"\xa0", encoding=2),
        publish(b"{}", "other"),
        publish(b"{}", "none"),
    ]
    messages += [
        publish(b" " * 65),
        publish(b"{}", encoding=3),
        publish(b"{}", "slow"),
        publish(b"{}", "slow"),
        publish(b"{}", key='"'),
    ]
    answer = call(PUBLISH, b"".join(frame(message) for message in messages), metadata=AUTHORIZED)
    assert answer.status == 0
    counts, refusals = summary(answer.messages[0])
    assert counts == [3, 0, 8]
    assert [(refusal.get("index", 0), refusal["status"], refusal["code"]) for refusal in refusals] == [
        (1, 422, b"schema_violation"),
        (2, 400, b"malformed_json"),
        (4, 403, b"insufficient_scope"),
        (5, 403, b"insufficient_scope"),
        (6, 413, b"record_too_large"),
        (7, 415, b"unsupported_media_type"),
        (9, 429, b"rate_limited"),
        (10, 400, b"bad_idempotency_key"),
    ]
    violation = read(refusals[0]["violation"], {1: ("instance", 2), 2: ("schema", 2), 3: ("message", 2)})
    assert violation == {"instance": b"/t", "schema": b"/properties/t/maximum", "message": b"10 is more than 9"}


def test_a_stream_ends_with_its_token() -> None:
    answers = []

    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        lent = server.lend(5, head(PUBLISH, AUTHORIZED))
        server.more(5, chunk(frame(publish(b'{"t":1}'))))
        await until(lambda: gateway.counters.accepted == 1)
        gateway.clock = lambda: (NOW_S + 3600, "trusted")  # type: ignore[method-assign]
        server.more(5, chunk(frame(publish(b'{"t":2}'))) + b"0\r\n\r\n", None)
        await served_by(gateway, lent)
        answers.append(Answer(lent.sent))

    assert play(story).counters.accepted == 1
    assert answers[0].status == 16


def test_a_stream_that_outlasts_a_drain() -> None:
    """What it sent is stored, and the client is told to go elsewhere."""

    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        lent = server.lend(5, head(PUBLISH, AUTHORIZED))
        server.more(5, chunk(frame(publish(b'{"t":1}'))))
        await until(lambda: gateway.counters.accepted == 1)
        await gateway.drain(0)
        answer = Answer(lent.sent)
        assert (answer.status, answer.trailers["grpc-message"]) == (14, "shutting down")

    assert play(story).counters.accepted == 1


def test_keys_are_numbered_or_the_messages_own() -> None:
    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        for identity, expected in ((5, [3, 0, 0]), (6, [0, 3, 0])):
            lent = server.lend(identity, head(PUBLISH, {**AUTHORIZED, "idempotency-key": "K"}))
            body = frame(GOOD) + frame(publish(b'{"t":2}')) + frame(publish(b'{"t":3}', key="own"))
            server.more(identity, chunk(body), b"0\r\n\r\n")
            await served_by(gateway, lent)
            assert summary(Answer(lent.sent).messages[0])[0] == expected
        assert set(gateway.sink._keys) if hasattr(gateway.sink, "_keys") else True

    play(story)


@pytest.mark.parametrize("cut", [1, 3, 7, 64])
def test_however_the_body_is_cut(cut: int) -> None:
    body = frame(GOOD) * 3 + frame(gzip.compress(GOOD), 1)
    parts = [body[at : at + cut] for at in range(0, len(body), cut)]
    answer = call(PUBLISH, *parts, metadata={**AUTHORIZED, "grpc-encoding": "gzip"})
    assert (answer.status, summary(answer.messages[0])) == (0, ([4, 0, 0], []))


def test_more_refusals_than_are_named() -> None:
    answer = call(PUBLISH, frame(publish(b"{")) * 100, metadata=AUTHORIZED)
    counts, refusals = summary(answer.messages[0])
    assert counts == [0, 0, 100]
    assert len(refusals) == limits.GRPC_REFUSALS


@pytest.mark.parametrize(
    ("body", "metadata", "status", "words"),
    [
        (frame(GOOD), {}, 16, "missing_token"),
        (frame(GOOD), {"authorization": "Bearer x"}, 16, ""),
        (frame(GOOD)[:-1], AUTHORIZED, 13, "the stream ends inside a message"),
        (b"\2\0\0\0\0", AUTHORIZED, 13, "a message's first byte is neither 0 nor 1"),
        (frame(b"x", 1), AUTHORIZED, 13, "a compressed message, and no grpc-encoding"),
        (frame(b"x", 1), {**AUTHORIZED, "grpc-encoding": "gzip"}, 13, "the message is not well-formed gzip"),
        (
            frame(b"x", 1),
            {**AUTHORIZED, "grpc-encoding": "zstd"},
            12,
            "grpc-encoding: identity and gzip are understood",
        ),
        (frame(gzip.compress(bytes(limits.GRPC_MESSAGE + 1)), 1), {**AUTHORIZED, "grpc-encoding": "gzip"}, 8, ""),
        (b"\0\xff\xff\xff\xff", AUTHORIZED, 8, f"a message may have {limits.GRPC_MESSAGE} bytes"),
        (frame(b"\x0b"), AUTHORIZED, 13, "no such wire type"),
        (frame(put_message(1, b"\xff")), AUTHORIZED, 13, "a string is not UTF-8"),
        (frame(GOOD), {**AUTHORIZED, "grpc-timeout": "5"}, 13, "grpc-timeout is not understood"),
    ],
)
def test_how_else_a_call_ends(body: bytes, metadata: dict[str, str], status: int, words: str) -> None:
    answer = call(PUBLISH, body, metadata=metadata)
    assert answer.status == status
    assert not answer.messages
    assert words in answer.trailers.get("grpc-message", "")


def test_a_deadline() -> None:
    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        lent = server.lend(5, head(PUBLISH, {**AUTHORIZED, "grpc-timeout": "1m"}))
        server.more(5, chunk(frame(GOOD)))
        await until(lambda: b"grpc-status" in lent.sent)
        assert Answer(lent.sent).status == 4
        server.more(5, None)
        await served_by(gateway, lent)
        assert gateway.counters.accepted <= 1

    play(story)


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("count", [1, limits.RECORDS_IN_FLIGHT + 1])
def test_what_was_accepted_before_the_deadline_counts(count: int, ended: bool) -> None:
    """Its commit is waited for: it is counted, and its last value is kept."""

    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        tickets = held_tickets(gateway)
        lent = server.lend(5, head(PUBLISH, {**AUTHORIZED, "grpc-timeout": "500m"}))
        server.more(5, chunk(frame(GOOD) * count), *([b"0\r\n\r\n"] if ended else []))
        await until(lambda: tickets)
        await asyncio.sleep(0.6)  # as many as are taken until then
        for ticket in tickets:
            ticket.resolve(Receipt("7.1", False, "fsync"))
        await until(lambda: b"grpc-status" in lent.sent)
        assert Answer(lent.sent).status == 4
        await until(lambda: gateway.counters.accepted == len(tickets))
        if lent.returned is None:
            server.more(5, None)
        await served_by(gateway, lent)

    play(story)


@pytest.mark.parametrize(
    ("text", "expected"), [(b"2S", 2), (b"1500m", 1.5), (b"1H", 3600), (b"90u", 9e-5), (b"7n", 7e-9), (b"3M", 180)]
)
def test_timeouts(text: bytes, expected: float) -> None:
    assert timeout_s(text) == pytest.approx(expected)
    assert timeout_s(None) is None
    for wrong in (
        text[:-1],
        b"-" + text,
        text + b" ",
        text.lower() if text[-1:] in b"HMS" and text[-1:] != b"M" else b"1x",
        b"123456789S",
    ):
        with pytest.raises(Failure):
            timeout_s(wrong)


def test_a_client_that_is_gone_leaves_nothing() -> None:
    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        lent = server.lend(5, head(PUBLISH, AUTHORIZED))
        server.more(5, chunk(frame(GOOD)))
        await until(lambda: gateway.counters.accepted)
        lent.broken = True
        server.tell("gone", 5)
        await until(lambda: not gateway._lent)

    play(story)


def test_what_is_no_grpc() -> None:
    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        lent = server.lend(5, head(CHECK, {"content-type": "application/json"}), b"0\r\n\r\n")
        await served_by(gateway, lent)
        assert lent.sent.startswith(b"HTTP/1.1 415 ")

    play(story)


# -- health


@pytest.mark.parametrize(
    ("service", "info", "status", "serving"),
    [
        ("", {"unready": []}, 0, 1),
        ("", {"unready": ["disk"]}, 0, 2),
        ("headgate.v1.Ingest", {"unready": ["disk"]}, 0, 2),
        ("headgate.v1.Validator", {"unready": ["disk"]}, 0, 1),
        ("headgate.v1.Nobody", {}, 5, 0),
    ],
)
def test_health_check(service: str, info: dict[str, object], status: int, serving: int) -> None:
    answer = call(CHECK, frame(put_bytes(1, service)), info=info)
    assert answer.status == status
    assert answer.messages == ([] if status else [put_number(1, serving)])


def test_a_message_of_very_many_fields_is_refused() -> None:
    """They are read in Python before the rate is asked for."""
    for count, status in ((limits.GRPC_FIELDS - 3, 0), (limits.GRPC_FIELDS + 1, 13)):
        answer = call(PUBLISH, frame(GOOD + put_number(99, 1) * count), metadata=AUTHORIZED)
        assert answer.status == status


def test_one_message_is_wanted() -> None:
    assert call(CHECK).status == 12
    assert call(CHECK, frame(b"") * 2).status == 12


def test_messages_that_nobody_wants_are_not_gathered() -> None:
    """Nobody needs a token for this: the second one ends the call, however many follow."""
    answer = call(CHECK, frame(b""), frame(b""), end=False)
    assert (answer.status, answer.messages) == (12, [])


@pytest.mark.parametrize("path", [CHECK, WATCH, REFLECT])
def test_questions_without_a_token_are_short(path: str) -> None:
    """What is read in Python costs the time of others."""
    question = put_bytes(3, b"x" * (limits.GRPC_QUESTION - 2))
    metadata = {"grpc-encoding": "gzip"}
    for asked in (frame(question), frame(gzip.compress(question), 1)):
        answer = call(path, asked, metadata=metadata)
        assert answer.status == 8
        assert answer.trailers["grpc-message"] == f"a message may have {limits.GRPC_QUESTION} bytes"


def test_questions_that_are_here_already_leave_others_their_turn() -> None:
    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        lent = server.lend(5, head(REFLECT, {}), chunk(frame(put_message(7, b"")) * 1000), b"0\r\n\r\n")
        other = server.lend(6, head(CHECK, {}), chunk(frame(b"")), b"0\r\n\r\n")
        await until(lambda: b"grpc-status" in other.sent)
        assert lent.sent.count(b"grpc.health.v1.Health") < 100
        await served_by(gateway, lent)
        assert len(Answer(lent.sent).messages) == 1000

    play(story)


def test_health_watch_tells_changes_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_health, "_LOOK_MS", 0)
    info: dict[str, object] = {"unready": []}

    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        lent = server.lend(5, head(WATCH, {}), chunk(frame(b"")), b"0\r\n\r\n")
        other = server.lend(6, head(WATCH, {}), chunk(frame(put_bytes(1, "x"))), b"0\r\n\r\n")
        await until(lambda: lent.sent.count(frame(put_number(1, 1))) and other.sent.count(frame(put_number(1, 3))))
        info["unready"] = ["disk"]
        await until(lambda: lent.sent.count(frame(put_number(1, 2))))
        info["unready"] = []
        await until(lambda: lent.sent.count(frame(put_number(1, 1))) == 2)
        other.broken = True
        server.tell("gone", 6)
        await until(lambda: len(gateway._lent) == 1)
        gateway.draining = True
        await served_by(gateway, lent)
        answer = Answer(lent.sent)
        assert answer.messages == [put_number(1, serving) for serving in (1, 2, 1, 2)]
        assert answer.status == 14

    play(story, info)


def test_only_so_many_may_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GRPC_WATCHES", 1)
    monkeypatch.setattr(grpc_health, "_LOOK_MS", 0)

    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        first = server.lend(5, head(WATCH, {}), chunk(frame(b"")), b"0\r\n\r\n")
        await until(lambda: first.sent.count(frame(put_number(1, 1))))
        second = server.lend(6, head(WATCH, {}), chunk(frame(b"")), b"0\r\n\r\n", None)
        await served_by(gateway, second, left=1)
        assert Answer(second.sent).status == 8
        first.broken = True
        server.tell("gone", 5)
        await until(lambda: not gateway._lent)
        third = server.lend(7, head(WATCH, {}), chunk(frame(b"")), b"0\r\n\r\n")  # there is room again
        await until(lambda: third.sent.count(frame(put_number(1, 1))))
        gateway.draining = True
        await served_by(gateway, third)

    play(story)


def test_reflection_answers_each_question_as_it_comes() -> None:
    async def story(gateway: NativeGateway, server: ScriptedServer) -> None:
        lent = server.lend(5, head(REFLECT, {}))
        for count in (1, 2):
            server.more(5, chunk(frame(put_message(7, b""))))
            await until(lambda count=count: lent.sent.count(b"grpc.health.v1.Health") == count)
        server.more(5, b"0\r\n\r\n")
        await served_by(gateway, lent)
        assert Answer(lent.sent).status == 0
        assert lent.returned == b""

    play(story)
