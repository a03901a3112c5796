"""Load over HTTP/2 and gRPC against a server that does what it should not: every request has an end, and the right one.
Counts are compared, never times."""

from __future__ import annotations

import asyncio
import functools
import itertools

import http2_kit as kit
import pytest
from http2_kit import Peer, Serve, frame, serving

from headgate import _accel
from headgate.errors import CommandError
from headgate_host.load import load, mix_grpc, native, protobuf_wire, record
from headgate_host.load.device_sources import NOTHING
from headgate_host.load.engine import Plan
from headgate_host.load.load import Load
from headgate_host.load.operation import ANY_SUCCESS, GRPC, HTTP2, Expect, Operation, Request, grpc_status
from headgate_host.load.phases import Schedule, hold
from headgate_host.load.result import OK, Measured
from headgate_host.load.transport import Unreachable

pytest.importorskip("headgate_native._load_http2", reason="not built: no nghttp2")
pytestmark = pytest.mark.skipif(_accel.BACKEND != "native", reason="HTTP/2 is native only")

GET = Request(Operation("look", HTTP2, "GET"), 0, "/", b"", ANY_SUCCESS)
CALL = Request(Operation("Call", GRPC), 0, "/a.B/Call", b"message", Expect((grpc_status(0),)))


def post(size: int) -> Request:
    return Request(Operation("put", HTTP2), 0, "/", b"x" * size, ANY_SUCCESS)


async def run(
    serve: Serve, request: Request = GET, *, rate: float = 200, seconds: float = 0.2, **options: object
) -> Measured:
    plan = Plan(itertools.repeat(request), seconds, Schedule([hold(rate, seconds)]).due())
    async with serving(serve) as target:
        one = Load({request.operation.protocol: target}, plan, connections=2, timeout_s=5.0, device=NOTHING)
        for name, value in options.items():
            setattr(one, name, value)
        return (await load.run(one)).result.total


def outcomes(serve: Serve, request: Request = GET, **options: object) -> dict[str, int]:
    return asyncio.run(run(serve, request, **options)).outcomes  # type: ignore[arg-type]


def test_every_request_is_due_sent_and_answered() -> None:
    total = asyncio.run(run(kit.always()))
    assert (total.due, total.sent, total.outcomes) == (40, 40, {OK: 40})
    assert total.latency.count == total.service.count == 40


def test_other_statuses_are_wrong() -> None:
    wrong = kit.in_turn(kit.answer, lambda stream: kit.answer(stream, kit.ERROR))
    assert outcomes(wrong) == {OK: 20, "status 500": 20}


def test_a_closed_loop_keeps_all_streams_busy() -> None:
    """The server answers only when a connection's streams are all taken."""

    async def serve(peer: Peer) -> None:
        await peer.greet()
        waiting: list[int] = []
        async for stream in peer.requests():
            waiting.append(stream)
            if len(waiting) == 7:
                peer.send(b"".join(map(kit.answer, waiting)))
                waiting.clear()

    async def closed() -> Measured:
        plan = Plan(itertools.repeat(GET), 0.5, closed=2)
        async with serving(serve) as target:
            wanted = Load({HTTP2: target}, plan, streams=7, timeout_s=0.5, device=NOTHING)
            return (await load.run(wanted)).result.total

    total = asyncio.run(closed())
    assert total.due == total.sent == total.done
    assert total.outcomes[OK] >= 14
    assert total.outcomes[OK] % 7 == 0
    assert total.outcomes.get(record.TIMEOUT, 0) < 14  # the last, of which there were not seven


def test_a_server_that_allows_one_at_a_time() -> None:
    most = 0

    async def serve(peer: Peer) -> None:
        nonlocal most
        await peer.greet(kit.setting(kit.MAX_STREAMS, 1))
        under_way = 0

        async def later(stream: int) -> None:
            nonlocal under_way
            await asyncio.sleep(0.001)
            under_way -= 1
            peer.send(kit.answer(stream))

        async with asyncio.TaskGroup() as tasks:
            async for stream in peer.requests():
                under_way += 1
                most = max(most, under_way)
                tasks.create_task(later(stream))

    assert outcomes(serve) == {OK: 40}
    assert most == 1


def test_streams_that_are_reset() -> None:
    def reset(stream: int) -> bytes:
        return frame(kit.RST_STREAM, 0, stream, (2).to_bytes(4, "big"))  # INTERNAL_ERROR

    total = asyncio.run(run(kit.in_turn(kit.answer, reset)))
    assert total.outcomes == {OK: 20, record.RESET: 20}
    assert total.latency.count == 20


def test_a_server_that_says_goodbye() -> None:
    """What it will not answer any more is not lost without a word, and new connections take its place."""
    connections = 0

    async def serve(peer: Peer) -> None:
        nonlocal connections
        connections += 1
        await peer.greet()
        count = itertools.count(1)
        async for stream in peer.requests():
            peer.send(kit.answer(stream))
            if next(count) == 5:
                peer.send(frame(kit.GOAWAY, payload=stream.to_bytes(4, "big") + bytes(4)))

    found = outcomes(serve, rate=100, seconds=0.6)
    assert sum(found.values()) == 60
    assert found[OK] >= 10
    assert set(found) <= {OK, record.RESET}
    assert connections > 2


def test_what_is_never_answered_is_in_the_tail_and_cancelled() -> None:
    cancelled = 0

    async def serve(peer: Peer) -> None:
        nonlocal cancelled
        await peer.greet()
        while True:
            found = await peer.next()
            cancelled += found.kind == kit.RST_STREAM and found.payload == (8).to_bytes(4, "big")  # CANCEL

    total = asyncio.run(run(serve, timeout_s=0.2, streams=100))
    assert total.outcomes == {record.TIMEOUT: 40}
    assert total.latency.count == 40
    assert total.latency.least >= 0.2e9
    assert cancelled == 40


def test_a_body_waits_for_the_window() -> None:
    """The server opens it ten bytes at a time."""
    sizes: dict[int, int] = {}

    async def serve(peer: Peer) -> None:
        await peer.greet(kit.setting(kit.INITIAL_WINDOW, 10))
        while True:
            found = await peer.next()
            if found.kind == kit.DATA:
                sizes[found.stream] = sizes.get(found.stream, 0) + len(found.payload)
                assert len(found.payload) <= 10
                peer.send(frame(kit.WINDOW_UPDATE, 0, found.stream, (10).to_bytes(4, "big")))
                if found.ends:
                    peer.send(kit.answer(found.stream))

    assert outcomes(serve, post(95), connections=1) == {OK: 40}
    assert set(sizes.values()) == {95}


def test_an_answer_before_the_body() -> None:
    """RFC 9113 section 8.1: it is complete, and the rest of the request is not sent."""

    async def serve(peer: Peer) -> None:
        await peer.greet(kit.setting(kit.INITIAL_WINDOW, 1))
        while True:
            found = await peer.next()
            if found.kind == kit.HEADERS:
                peer.send(kit.answer(found.stream, kit.BAD_REQUEST))

    assert outcomes(serve, post(1000)) == {"status 400": 40}


def test_a_connection_that_breaks() -> None:
    async def serve(peer: Peer) -> None:
        await peer.greet()
        await peer.next()

    found = outcomes(serve, rate=50)
    assert sum(found.values()) == 10
    assert set(found) <= {record.LOST}


def test_what_is_not_http2_at_all() -> None:
    async def serve(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(Unreachable, match="does not speak HTTP/2"):
        asyncio.run(run(serve))


def test_frames_that_are_wrong() -> None:
    """DATA on a stream that has none: an error of the connection."""
    total = asyncio.run(run(kit.always(lambda stream: frame(kit.DATA, 0, 0, b"x")), rate=50))
    assert total.outcomes == {record.MALFORMED: 10}


def test_calls_of_grpc() -> None:
    bodies: list[bytes] = []

    async def serve(peer: Peer) -> None:
        await peer.greet()
        while True:
            found = await peer.next()
            if found.kind == kit.DATA:
                bodies.append(found.payload)
            if found.ends:
                peer.send(kit.grpc_answer(found.stream, kit.message(b"answer")))

    assert outcomes(serve, CALL) == {OK: 40}
    assert set(bodies) == {b"\0\0\0\0\7message"}


@pytest.mark.parametrize(
    ("data", "status", "outcome"),
    [
        (b"", b"14", "gRPC UNAVAILABLE"),
        (kit.message(b""), b"3", "gRPC INVALID_ARGUMENT"),
        (kit.message(b"x" * 40_000), b"0", OK),
        (b"", b"0", record.MALFORMED),  # succeeded, and no message
        (kit.message(b"x") + kit.message(b"y"), b"0", record.MALFORMED),  # two
        (kit.message(b"xy")[:-1], b"0", record.MALFORMED),  # half of one
        (b"\1" + kit.message(b"x")[1:], b"0", record.MALFORMED),  # compressed, which nobody asked for
        (kit.message(b""), b"99", "status 0"),
    ],
)
def test_answers_of_grpc(data: bytes, status: bytes, outcome: str) -> None:
    serve = kit.always(lambda stream: kit.grpc_answer(stream, data, status))
    assert outcomes(serve, CALL, rate=50) == {outcome: 10}


def test_answers_of_http_to_grpc() -> None:
    """200 without a status of gRPC is none; a proxy's 500 is what it is."""
    serve = kit.in_turn(kit.answer, lambda stream: kit.answer(stream, kit.ERROR))
    assert outcomes(serve, CALL) == {record.MALFORMED: 20, "status 500": 20}


def test_verdicts_are_read() -> None:
    """Of ValidateOne the call succeeds whatever the verdict is."""
    violation = protobuf_wire.sized(1, b"/t") + protobuf_wire.sized(3, b"is too large")
    refused = protobuf_wire.sized(2, b"schema_violation") + protobuf_wire.sized(4, violation)
    answers = map(kit.message, (protobuf_wire.number(1, 1), refused))
    serve = kit.in_turn(*(functools.partial(kit.grpc_answer, data=answer) for answer in answers))
    ok = (grpc_status(0),)
    valid = CALL._replace(expect=Expect(ok, mix_grpc.VALID, read=mix_grpc.verdict))
    assert outcomes(serve, valid) == {OK: 20, "problem schema_violation": 20}
    invalid = CALL._replace(expect=Expect(ok, "schema_violation", "/t", read=mix_grpc.verdict))
    assert outcomes(serve, invalid) == {OK: 20, "problem none": 20}


def test_without_the_extension_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_accel, "BACKEND", "pure")
    with pytest.raises(CommandError, match="native"):
        outcomes(kit.always())


def test_both_sides_have_the_same_constants() -> None:
    from headgate_native import _load, _load_http2

    for module in (_load, _load_http2):
        assert (module.TO_HEAD, module.GRPC, module.JUDGED) == (native.TO_HEAD, native.OF_GRPC, native.JUDGED)
        assert grpc_status(0) == module.GRPC_OK
