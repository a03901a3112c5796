"""gRPC as its clients see it: grpcio, synchronous and asyncio, all four kinds of calls; frames that no client sends."""

from __future__ import annotations

import asyncio
import base64
import queue
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headgate import limits
from headgate._accel import BACKEND

if BACKEND != "native":
    pytest.skip("gRPC is the native backend's", allow_module_level=True)

from grpc_kit import BAD, GOOD, WAIT_S, Served, details, grpc, started, stubs
from harness import free_port, headgate

pytestmark = pytest.mark.not_emulated(reason="grpcio is not there")
Code = grpc.StatusCode
PAGE = Path(__file__).parents[2] / "docs" / "grpc.md"


@pytest.fixture(scope="module")
def pb(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    return stubs(tmp_path_factory.mktemp("stubs"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from started(tmp_path_factory.mktemp("appliance"))


@pytest.fixture(scope="module")
def channel(served: Served) -> Iterator[Any]:
    with grpc.insecure_channel(served.address) as channel:
        yield channel


def ends(code: Any, call: Any) -> Any:
    """The call's error, which has this code."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() == code, caught.value
    return caught.value


# -- the methods


def test_publish_is_stored_once_for_a_key(served: Served, channel: Any, pb: SimpleNamespace) -> None:
    ingest = pb.IngestStub(channel)
    metadata = (*served.metadata, ("idempotency-key", "k-1"))
    before = served.counted("messages_accepted_total")
    first = ingest.Publish(pb.PublishRequest(stream="weather", body=GOOD), metadata=metadata, timeout=WAIT_S)
    assert (first.durability, first.replayed) == (pb.DURABILITY_FSYNC, False)
    again = ingest.Publish(pb.PublishRequest(stream="weather", body=GOOD), metadata=metadata, timeout=WAIT_S)
    assert (again.seq, again.replayed) == (first.seq, True)
    own = ingest.Publish(
        pb.PublishRequest(stream="weather", body=GOOD, idempotency_key="k-1"), metadata=served.metadata, timeout=WAIT_S
    )
    assert own.seq == first.seq
    assert served.counted("messages_accepted_total") == before + 1
    reused = pb.PublishRequest(stream="weather", body=b'{"station":"st-2","temp_c":1}', idempotency_key="k-1")
    error = ends(Code.ALREADY_EXISTS, lambda: ingest.Publish(reused, metadata=served.metadata, timeout=WAIT_S))
    assert details(error)["ErrorInfo"].reason == "IDEMPOTENCY_KEY_REUSED"
    memory = ingest.Publish(pb.PublishRequest(stream="memory", body=GOOD), metadata=served.metadata, timeout=WAIT_S)
    assert memory.durability == pb.DURABILITY_MEMORY


def test_what_is_wrong_with_a_message_is_said(served: Served, channel: Any, pb: SimpleNamespace) -> None:
    request = pb.PublishRequest(stream="weather", body=BAD)
    error = ends(
        Code.INVALID_ARGUMENT, lambda: pb.IngestStub(channel).Publish(request, metadata=served.metadata, timeout=WAIT_S)
    )
    found = details(error)
    assert found["ErrorInfo"].reason == "SCHEMA_VIOLATION"
    assert found["ErrorInfo"].domain == "headgate"
    (violation,) = found["BadRequest"].field_violations
    assert (violation.field, violation.description) == ("/temp_c", "99 is more than 60")


def test_validate_one(served: Served, channel: Any, pb: SimpleNamespace) -> None:
    validator = pb.ValidatorStub(channel)

    def verdict(body: bytes, **more: Any) -> Any:
        request = pb.ValidateRequest(stream="weather", body=body, **more)
        return validator.ValidateOne(request, metadata=served.metadata, timeout=WAIT_S)

    assert verdict(GOOD) == pb.ValidateResponse(valid=True)
    assert verdict(b"\xa2gstationdst-1ftemp_c\x15", encoding=pb.ENCODING_CBOR) == pb.ValidateResponse(valid=True)
    bad = verdict(BAD)
    assert (bad.valid, bad.code) == (False, "schema_violation")
    assert (bad.violations[0].instance, bad.violations[0].schema) == ("/temp_c", "/properties/temp_c/maximum")
    broken = verdict(b"{")
    assert (broken.valid, broken.code, broken.detail) == (False, "malformed_json", broken.detail)
    assert "at byte 1" in broken.detail
    assert verdict(b"\xff", encoding=pb.ENCODING_CBOR).code == "malformed_cbor"


def test_the_examples_of_the_page(served: Served, channel: Any, pb: SimpleNamespace) -> None:
    """docs/grpc.md, for the stream that there is without a configuration."""
    page = PAGE.read_text(encoding="utf-8")
    (good,) = re.findall(r'"body": "([A-Za-z0-9+/=]+)"', page)
    (bad,) = re.findall(r"body = b'(.*)'", page)
    (said,) = re.findall(r"```text\n(code: .*?)```", page, re.DOTALL)

    def verdict(body: bytes) -> Any:
        request = pb.ValidateRequest(stream="stations", body=body)
        return pb.ValidatorStub(channel).ValidateOne(request, metadata=served.metadata, timeout=WAIT_S)

    assert verdict(base64.b64decode(good)) == pb.ValidateResponse(valid=True)
    assert str(verdict(bad.encode())) == said


def test_validate_answers_each_message_as_it_arrives(served: Served, channel: Any, pb: SimpleNamespace) -> None:
    """The next one is sent only when the verdict on the one before is here."""
    questions: queue.Queue[Any] = queue.Queue()
    answers = pb.ValidatorStub(channel).Validate(iter(questions.get, None), metadata=served.metadata, timeout=WAIT_S)
    for number in range(20):
        questions.put(pb.ValidateRequest(stream="weather", body=GOOD if number % 2 else BAD))
        assert next(answers).valid == bool(number % 2)
    questions.put(None)
    assert list(answers) == []
    assert answers.code() == Code.OK


def test_many_messages_on_one_stream(served: Served, channel: Any, pb: SimpleNamespace) -> None:
    requests = [pb.ValidateRequest(stream="weather", body=GOOD if n % 3 else BAD) for n in range(3000)]
    verdicts = [
        answer.valid
        for answer in pb.ValidatorStub(channel).Validate(iter(requests), metadata=served.metadata, timeout=WAIT_S)
    ]
    assert verdicts == [bool(n % 3) for n in range(3000)]


def test_publish_stream(served: Served, channel: Any, pb: SimpleNamespace) -> None:
    requests = [
        pb.PublishRequest(stream=("weather", "memory")[n % 2], body=BAD if n == 7 else GOOD) for n in range(300)
    ]
    metadata = (*served.metadata, ("idempotency-key", "stream-1"))
    for accepted, replayed in ((299, 0), (0, 299)):
        summary = pb.IngestStub(channel).PublishStream(iter(requests), metadata=metadata, timeout=WAIT_S)
        assert (summary.accepted, summary.replayed, summary.refused) == (accepted, replayed, 1)
        (refusal,) = summary.refusals
        assert (refusal.index, refusal.status, refusal.code) == (7, 422, "schema_violation")
        assert refusal.violations[0].instance == "/temp_c"


def test_cache(served: Served, channel: Any, pb: SimpleNamespace) -> None:
    cache = pb.CacheStub(channel)
    options: dict[str, Any] = {"metadata": served.metadata, "timeout": WAIT_S}
    put = cache.Put(pb.PutRequest(key="site/ü 1%", value=b"\0\xff", content_type="image/png", max_age_s=60), **options)
    assert put.created
    got = cache.Get(pb.GetRequest(key="site/ü 1%"), **options)
    assert (got.entry.value, got.entry.content_type, got.entry.etag, got.entry.max_age_s) == (
        b"\0\xff",
        "image/png",
        put.etag,
        60,
    )
    same = cache.Get(pb.GetRequest(key="site/ü 1%", if_none_match=put.etag), **options)
    assert (same.not_modified, same.entry.value) == (True, b"")
    again = cache.Put(pb.PutRequest(key="site/ü 1%", value=b"2"), **options)
    assert not again.created
    stale = pb.PutRequest(key="site/ü 1%", value=b"3", if_match=put.etag)
    ends(Code.FAILED_PRECONDITION, lambda: cache.Put(stale, **options))
    cache.Put(pb.PutRequest(key="other", value=b""), **options)
    many = cache.BatchGet(pb.BatchGetRequest(keys=["other", "nothing", "site/ü 1%"]), **options)
    assert [(entry.key, entry.value) for entry in many.entries] == [("other", b""), ("site/ü 1%", b"2")]
    assert list(many.missing) == ["nothing"]
    cache.Delete(pb.DeleteRequest(key="other"), **options)
    error = ends(Code.NOT_FOUND, lambda: cache.Delete(pb.DeleteRequest(key="other"), **options))
    assert details(error)["ErrorInfo"].reason == "NOT_CACHED"
    error = ends(Code.INVALID_ARGUMENT, lambda: cache.Get(pb.GetRequest(key="a\r\nX: y"), **options))
    assert details(error)["BadRequest"].field_violations[0].field == "key"


def test_a_batch_of_large_values_leaves_keys(served: Served, channel: Any, pb: SimpleNamespace) -> None:
    cache = pb.CacheStub(channel)
    options: dict[str, Any] = {"metadata": served.metadata, "timeout": WAIT_S}
    keys = [f"large/{n}" for n in range(20)]
    for key in keys:
        cache.Put(pb.PutRequest(key=key, value=bytes(65000)), **options)
    many = cache.BatchGet(pb.BatchGetRequest(keys=keys), **options)
    assert [entry.key for entry in many.entries] + list(many.left) == keys
    assert len(many.entries) == limits.MANY_BYTES // 65000 + 1
    ends(Code.INVALID_ARGUMENT, lambda: cache.BatchGet(pb.BatchGetRequest(keys=["k"] * 65), **options))
    ends(Code.INVALID_ARGUMENT, lambda: cache.BatchGet(pb.BatchGetRequest(), **options))


# -- asyncio


def test_every_kind_of_call_with_asyncio(served: Served, pb: SimpleNamespace) -> None:
    async def calls() -> None:
        async with grpc.aio.insecure_channel(served.address) as channel:
            options: dict[str, Any] = {"metadata": served.metadata, "timeout": WAIT_S}
            request = pb.ValidateRequest(stream="weather", body=GOOD)
            validator = pb.ValidatorStub(channel)
            assert all(
                answer.valid
                for answer in await asyncio.gather(*(validator.ValidateOne(request, **options) for _ in range(200)))
            )
            stream = validator.Validate(**options)
            for _ in range(3):
                await stream.write(request)
                assert (await stream.read()).valid
            await stream.done_writing()
            assert await stream.read() == grpc.aio.EOF
            publishing = pb.IngestStub(channel).PublishStream(**options)
            for _ in range(50):
                await publishing.write(pb.PublishRequest(stream="weather", body=GOOD))
            await publishing.done_writing()
            assert (await publishing).accepted == 50
            health_pb2 = pytest.importorskip("grpc_health.v1.health_pb2")
            health_pb2_grpc = pytest.importorskip("grpc_health.v1.health_pb2_grpc")
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            watch.cancel()

    asyncio.run(calls())


# -- how calls end


def test_tokens_scopes_streams_and_rates(served: Served, channel: Any, pb: SimpleNamespace) -> None:
    ingest, validator = pb.IngestStub(channel), pb.ValidatorStub(channel)
    request = pb.PublishRequest(stream="weather", body=GOOD)
    error = ends(Code.UNAUTHENTICATED, lambda: ingest.Publish(request, timeout=WAIT_S))
    assert details(error)["ErrorInfo"].reason == "MISSING_TOKEN"
    error = ends(Code.UNAUTHENTICATED, lambda: ingest.PublishStream(iter([request]), timeout=WAIT_S))
    assert details(error)["ErrorInfo"].reason == "MISSING_TOKEN"
    ends(
        Code.UNAUTHENTICATED, lambda: ingest.Publish(request, metadata=(("authorization", "Bearer x"),), timeout=WAIT_S)
    )
    none = pb.ValidateRequest(stream="none", body=GOOD)
    ends(Code.PERMISSION_DENIED, lambda: validator.ValidateOne(none, metadata=served.metadata, timeout=WAIT_S))
    every = (("authorization", "Bearer " + served.appliance.token("dev-1", "publish:*")),)
    ends(Code.NOT_FOUND, lambda: validator.ValidateOne(none, metadata=every, timeout=WAIT_S))
    slow = [pb.ValidateRequest(stream="slow", body=GOOD)] * 3
    answers = validator.Validate(iter(slow), metadata=served.metadata, timeout=WAIT_S)
    assert next(answers).valid
    error = ends(Code.RESOURCE_EXHAUSTED, lambda: next(answers))
    assert 0 < details(error)["RetryInfo"].retry_delay.seconds <= 60
    ends(
        Code.INVALID_ARGUMENT,
        lambda: validator.ValidateOne(pb.ValidateRequest(), metadata=served.metadata, timeout=WAIT_S),
    )


def test_methods_that_are_not_there(channel: Any) -> None:
    for path in ("/headgate.v1.Validator/Nothing", "/x.Y/Z", "/v1/streams/weather"):
        call = channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
        ends(Code.UNIMPLEMENTED, lambda call=call: call(b"", timeout=WAIT_S))


def test_compression(served: Served, channel: Any, pb: SimpleNamespace) -> None:
    options: dict[str, Any] = {"metadata": served.metadata, "timeout": WAIT_S}
    validator = pb.ValidatorStub(channel)
    body = b'{"station":"' + b"s" * 20000 + b'","temp_c":1}'
    request = pb.ValidateRequest(stream="weather", body=body)
    assert validator.ValidateOne(request, compression=grpc.Compression.Gzip, **options).valid
    assert [a.valid for a in validator.Validate(iter([request] * 3), compression=grpc.Compression.Gzip, **options)] == [
        True
    ] * 3
    summary = pb.IngestStub(channel).PublishStream(
        iter([pb.PublishRequest(stream="memory", body=body)] * 3), compression=grpc.Compression.Gzip, **options
    )
    assert summary.accepted == 3
    ends(Code.UNIMPLEMENTED, lambda: validator.ValidateOne(request, compression=grpc.Compression.Deflate, **options))


def test_messages_that_are_too_large(served: Served, channel: Any, pb: SimpleNamespace) -> None:
    options: dict[str, Any] = {"metadata": served.metadata, "timeout": WAIT_S}
    validator = pb.ValidatorStub(channel)
    over = b" " * 100_000  # the stream's limit is less
    ends(
        Code.RESOURCE_EXHAUSTED,
        lambda: validator.ValidateOne(pb.ValidateRequest(stream="weather", body=over), **options),
    )
    bomb = pb.ValidateRequest(stream="weather", body=bytes(limits.GRPC_MESSAGE))
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        ends(Code.RESOURCE_EXHAUSTED, lambda c=compression: validator.ValidateOne(bomb, compression=c, **options))
    assert validator.ValidateOne(pb.ValidateRequest(stream="weather", body=GOOD), **options).valid


def test_a_cancelled_call_is_over_and_others_go_on(served: Served, channel: Any, pb: SimpleNamespace) -> None:
    validator = pb.ValidatorStub(channel)
    request = pb.ValidateRequest(stream="weather", body=GOOD)
    for _ in range(20):
        questions: queue.Queue[Any] = queue.Queue()
        questions.put(request)
        answers = validator.Validate(iter(questions.get, None), metadata=served.metadata, timeout=WAIT_S)
        assert next(answers).valid
        answers.cancel()
        questions.put(None)
        ends(Code.CANCELLED, lambda answers=answers: next(answers))
    assert validator.ValidateOne(request, metadata=served.metadata, timeout=WAIT_S).valid


def test_tls_and_a_client_known_by_its_certificate(tmp_path: Path, pb: SimpleNamespace) -> None:
    """Without a token: its certificate says who it is."""
    certificates = pytest.importorskip("certificates", reason="pip install cryptography")
    certs, port = certificates.make(tmp_path / "certs"), free_port()
    listen = f"""https = "127.0.0.1:{port}"
tls_cert = "{certs}/server.pem"
tls_key = "{certs}/server.key"
tls_client_ca = "{certs}/ca.pem"
tls_client_scopes = ["publish:weather"]
"""
    for served in started(tmp_path, listen):
        ca, key, chain = ((certs / name).read_bytes() for name in ("ca.pem", "client.key", "client.pem"))
        request = pb.PublishRequest(stream="weather", body=GOOD)
        with grpc.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(ca, key, chain)) as channel:
            assert pb.IngestStub(channel).Publish(request, timeout=WAIT_S).seq
            assert pb.IngestStub(channel).PublishStream(iter([request]), timeout=WAIT_S).accepted == 1
        with grpc.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(ca)) as channel:
            ends(Code.UNAUTHENTICATED, lambda c=channel, r=request: pb.IngestStub(c).Publish(r, timeout=WAIT_S))
            assert pb.IngestStub(channel).Publish(request, metadata=served.metadata, timeout=WAIT_S).seq


# -- health, reflection


def test_health(channel: Any) -> None:
    health_pb2 = pytest.importorskip("grpc_health.v1.health_pb2")
    health_pb2_grpc = pytest.importorskip("grpc_health.v1.health_pb2_grpc")
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "headgate.v1.Ingest", "headgate.v1.Validator", "headgate.v1.Cache"):
        assert (
            health.Check(health_pb2.HealthCheckRequest(service=service), timeout=WAIT_S).status
            == health_pb2.HealthCheckResponse.SERVING
        )
    ends(Code.NOT_FOUND, lambda: health.Check(health_pb2.HealthCheckRequest(service="x"), timeout=WAIT_S))


def test_a_client_can_find_out_everything_by_reflection(served: Served, channel: Any) -> None:
    """With nothing but the address and a token: services, types, and a call."""
    database = pytest.importorskip("grpc_reflection.v1alpha.proto_reflection_descriptor_database")
    descriptor_pool = pytest.importorskip("google.protobuf.descriptor_pool")
    message_factory = pytest.importorskip("google.protobuf.message_factory")
    known = database.ProtoReflectionDescriptorDatabase(channel)
    assert "headgate.v1.Validator" in known.get_services()
    pool = descriptor_pool.DescriptorPool(known)
    service = pool.FindServiceByName("headgate.v1.Validator")
    method = service.FindMethodByName("ValidateOne")
    ask = message_factory.GetMessageClass(method.input_type)
    answer = message_factory.GetMessageClass(method.output_type)
    call = channel.unary_unary(
        f"/{service.full_name}/{method.name}",
        request_serializer=ask.SerializeToString,
        response_deserializer=answer.FromString,
    )
    assert call(ask(stream="weather", body=GOOD), metadata=served.metadata, timeout=WAIT_S).valid


# -- frames that no client sends


class Raw:
    """A connection of python's h2, which says exactly what it is told to."""

    def __init__(self, served: Served) -> None:
        connection = pytest.importorskip("h2.connection")
        config = pytest.importorskip("h2.config")
        self.h2 = connection.H2Connection(config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.socket = socket.create_connection(("127.0.0.1", served.appliance.port), timeout=WAIT_S)
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def open(self, path: str, **fields: str) -> int:
        """-> the stream of a call that has begun"""
        stream: int = self.h2.get_next_available_stream_id()
        head = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "h",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        head.update({name.replace("_", "-"): value for name, value in fields.items()})
        self.h2.send_headers(stream, list(head.items()))
        return stream

    def events(self) -> list[Any]:
        """What has come, at least one; [] at the end of the connection."""
        events: list[Any] = []
        while not events and (received := self.socket.recv(65536)):
            events = self.h2.receive_data(received)
            self.flush()
        return events

    def call(self, path: str, *data: bytes, end: bool = True, **fields: str) -> dict[str, str]:
        """-> the fields of the answer, trailers included; with `reset` if the stream was reset."""
        stream = self.open(path, **fields)
        for part in data:
            self.h2.send_data(stream, part)
        if end:
            self.h2.end_stream(stream)
        self.flush()
        found: dict[str, str] = {}
        while events := self.events():
            for event in events:
                found.update(getattr(event, "headers", None) or [])
                if type(event).__name__ in ("StreamEnded", "StreamReset") and event.stream_id == stream:
                    if type(event).__name__ == "StreamReset" and "grpc-status" not in found:
                        found["reset"] = str(event.error_code)
                    return found
        return {**found, "lost": "1"}


ONE = "/headgate.v1.Validator/ValidateOne"


@pytest.mark.parametrize(
    ("path", "data", "fields", "status"),
    [
        (ONE, [b"\0\0\0\0"], {}, "13"),
        (ONE, [b"\0\0\0\0\x05ab"], {}, "13"),
        (ONE, [b"\0\xff\xff\xff\xff"], {}, "8"),
        (ONE, [b"\x02\0\0\0\0"], {}, "13"),
        (ONE, [b"\0\0\0\0\x01\x0b"], {}, "13"),
        (ONE, [b"\0\0\0\0\x00" * 2], {}, "3"),
        (ONE, [], {}, "12"),
        (ONE, [b"\x01\0\0\0\x01x"], {"grpc_encoding": "gzip"}, "13"),
        (ONE, [b"\0\0\0\0\0"], {"grpc_timeout": "1x"}, "13"),
        (ONE, [b"\0\0\0\0\0"], {"authorization": "Bearer " + "x" * 9000}, "8"),
        ("/headgate.v1.Ingest/PublishStream", [b"\0\xff\xff\xff\xff"], {}, "16"),
        ("/grpc.health.v1.Health/Check", [b"\0\0\0\0\x01\x0b"], {}, "13"),
        ("/nowhere", [b"\0\0\0\0\0"], {}, "12"),
    ],
)
def test_malformed_input(served: Served, path: str, data: list[bytes], fields: dict[str, str], status: str) -> None:
    with Raw(served) as raw:
        answer = raw.call(path, *data, **fields)
    assert answer.get("grpc-status") == status, answer
    assert (answer[":status"], answer["content-type"]) == ("200", "application/grpc")


def test_other_media_types_are_no_grpc(served: Served) -> None:
    with Raw(served) as raw:
        assert raw.call(ONE, b"{}", content_type="application/grpc+json")[":status"] == "404"
        assert raw.call(ONE, b"{}", content_type="application/json")[":status"] == "404"
        assert raw.call("/grpc.health.v1.Health/Check", b"{}", content_type="application/grpc+json")[":status"] == "415"


def test_a_deadline_ends_a_call_that_waits_for_its_message(served: Served) -> None:
    for path in (ONE, "/headgate.v1.Validator/Validate", "/grpc.health.v1.Health/Check"):
        with Raw(served) as raw:
            assert raw.call(path, b"\0\0", end=False, grpc_timeout="20m")["grpc-status"] == "4"


def test_a_client_that_sends_faster_than_it_takes(served: Served, pb: SimpleNamespace) -> None:
    """Its messages wait in its own window while its answers do: what is not taken is bounded, none is lost."""
    asked = pb.ValidateRequest(stream="weather", body=BAD).SerializeToString()
    question, count, window = b"\0" + len(asked).to_bytes(4, "big") + asked, 10_000, 65535
    left, answers, ended = question * count, bytearray(), False
    deadline = time.monotonic() + 3 * WAIT_S  # its PINGs are answered whatever becomes of the stream
    before = served.counted("messages_rejected_total")
    with Raw(served) as raw:
        stream = raw.open("/headgate.v1.Validator/Validate", authorization=f"Bearer {served.token}")

        def exchange(*, takes: bool) -> None:
            """Sends what its window allows, and hears what there is."""
            nonlocal left, ended
            assert time.monotonic() < deadline, f"{len(answers)} bytes of answers came, {len(left)} are not asked yet"
            while left and (room := min(raw.h2.local_flow_control_window(stream), 16384)) > 0:
                raw.h2.send_data(stream, left[:room], end_stream=room >= len(left))
                left = left[room:]
            raw.h2.ping(b"headgate")  # so that there is something
            raw.flush()
            for event in raw.events():
                name = type(event).__name__
                assert name not in ("StreamReset", "ConnectionTerminated"), event
                ended = ended or name == "StreamEnded"
                if name == "DataReceived":
                    answers.extend(event.data)
                    if takes:
                        raw.h2.acknowledge_received_data(event.flow_controlled_length, stream)

        while len(answers) < window:  # all that it lets come
            exchange(takes=False)
        size = 5 + int.from_bytes(answers[1:5], "big")
        most = -(-(window + limits.GRPC_UNSENT) // size)  # answers on their way, and waiting
        while served.counted("messages_rejected_total") - before < most:
            exchange(takes=False)
        for _ in range(10):
            exchange(takes=False)
        assert served.counted("messages_rejected_total") - before == most, "nothing more is taken from it"
        assert len(question) * (count - most) - len(left) <= window, "but for what its own window holds"
        raw.h2.acknowledge_received_data(len(answers), stream)
        while not ended:
            exchange(takes=True)
    assert bytes(answers) == bytes(answers[:size]) * count


def test_messages_that_do_not_come_are_not_waited_for(tmp_path: Path) -> None:
    """Streams that are opened and say nothing, or half of a message: they end by themselves, the connection goes on."""
    for served in started(tmp_path, 'idle_timeout = "300 ms"\n'):
        with Raw(served) as raw:
            for data in ([], [b"\0\0"], [b"\0\0\4\0\0", *[bytes(15000)] * 4]):
                for path in (ONE, "/headgate.v1.Validator/Validate"):
                    assert raw.call(path, *data, end=False)["grpc-status"] == "14"
            assert raw.call(ONE, b"\0\0\0\0\0")["grpc-status"] == "3"


def test_refused_without_the_native_backend(tmp_path: Path) -> None:
    import os

    file = tmp_path / "headgate.toml"
    file.write_text('[listen]\nhttp = "127.0.0.1:0"\nhttp2 = true\n')
    done = headgate("check", "--config", str(file), env={**os.environ, "HEADGATE_BACKEND": "pure"})
    assert done.returncode == 3
    assert "native backend" in done.stdout + done.stderr
