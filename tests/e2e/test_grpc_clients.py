"""gRPC clients that have nothing of ours: they learn from the server's reflection what to say. And what of a call
travels on, to the broker and to whoever watches the health."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headgate._accel import BACKEND

if BACKEND != "native":
    pytest.skip("gRPC is the native backend's", allow_module_level=True)

import mosquitto
from grpc_kit import BAD, GOOD, SCHEMA, STREAMS, WAIT_S, Served, grpc, program, start, started, stubs
from harness import START_S, Appliance, running, wait_for

from headgate.linux.protobuf import put_bytes

pytestmark = pytest.mark.not_emulated(reason="grpcio is not there")
ONE, BOTH_WAYS = "headgate.v1.Validator/ValidateOne", "headgate.v1.Validator/Validate"


@pytest.fixture(scope="module")
def pb(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    return stubs(tmp_path_factory.mktemp("stubs"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from started(tmp_path_factory.mktemp("appliance"))


def run(*command: str, text: str = "") -> tuple[int, str]:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=START_S)
    return done.returncode, done.stdout + done.stderr


def question(body: bytes) -> str:
    return json.dumps({"stream": "weather", "body": base64.b64encode(body).decode()})


def test_grpcurl(served: Served) -> None:
    grpcurl = program("grpcurl", "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@latest")

    def ask(*arguments: str) -> str:
        return run(grpcurl, "-plaintext", *arguments)[1]

    assert "headgate.v1.Validator" in ask(served.address, "list").split()
    described = ask(served.address, "describe", "headgate.v1.Validator")
    assert "rpc Validate ( stream .headgate.v1.ValidateRequest )" in described
    token = ("-H", f"authorization: Bearer {served.token}")
    said = ask(*token, "-d", question(BAD) + question(GOOD), served.address, BOTH_WAYS)
    assert "99 is more than 60" in said
    assert '"valid": true' in said
    assert "Code: Unauthenticated" in ask("-d", question(b""), served.address, "headgate.v1.Ingest/Publish")


def test_buf_curl(served: Served) -> None:
    """gRPC, over HTTP/2 by prior knowledge; unary, both ways, and an error with its details."""
    buf = program("buf", "pip install buf-bin")

    def ask(method: str, *bodies: bytes, token: bool = True) -> tuple[int, str]:
        fields = ("-H", f"authorization: Bearer {served.token}") if token else ()
        words = ("curl", "--protocol", "grpc", "--http2-prior-knowledge", *fields, "-d", "@-")
        return run(buf, *words, f"http://{served.address}/{method}", text="".join(map(question, bodies)))

    code, listed = run(
        buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge", "--list-services", f"http://{served.address}"
    )
    assert (code, "headgate.v1.Validator" in listed.split()) == (0, True), listed
    code, said = ask(ONE, GOOD)
    assert (code, json.loads(said)) == (0, {"valid": True})
    code, said = ask(BOTH_WAYS, GOOD, BAD)
    assert code == 0, said
    assert '"valid":true' in said.replace(" ", "")
    assert "99 is more than 60" in said
    code, said = ask("headgate.v1.Ingest/Publish", BAD)
    assert code != 0
    assert json.loads(said)["code"] == "invalid_argument"
    assert "google.rpc.BadRequest" in said
    code, said = ask(ONE, GOOD, token=False)
    assert json.loads(said)["code"] == "unauthenticated"


# Questions of a ServerReflectionRequest, and a part of the answer. -> None: not found
REFLECTION = {
    "list": (put_bytes(7, "*"), b"headgate.v1.Ingest"),
    "file": (put_bytes(3, "headgate/v1/types.proto"), b"ENCODING_CBOR"),
    "service": (put_bytes(4, "headgate.v1.Cache"), b"headgate/v1/cache.proto"),
    "method": (put_bytes(4, "headgate.v1.Cache.BatchGet"), b"headgate/v1/cache.proto"),
    "message": (put_bytes(4, "headgate.v1.PublishRequest"), b"headgate/v1/ingest.proto"),
    "field": (put_bytes(4, "headgate.v1.PublishRequest.body"), b"headgate/v1/ingest.proto"),
    "enum": (put_bytes(4, "headgate.v1.Durability"), b"headgate/v1/ingest.proto"),
    "an enum's value": (put_bytes(4, "headgate.v1.DURABILITY_FSYNC"), b"headgate/v1/ingest.proto"),
    "health": (put_bytes(4, "grpc.health.v1.Health"), b"grpc/health/v1/health.proto"),
    "extensions": (put_bytes(6, "headgate.v1.Entry"), b"headgate.v1.Entry"),
    "no such file": (put_bytes(3, "x.proto"), None),
    "no such symbol": (put_bytes(4, "x.Y"), None),
}


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection(served: Served, version: str) -> None:
    reflection_pb2 = pytest.importorskip("grpc_reflection.v1alpha.reflection_pb2")
    with grpc.insecure_channel(served.address) as channel:
        ask = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=bytes,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        answers = list(ask(iter([request for request, _ in REFLECTION.values()]), timeout=WAIT_S))
    assert len(answers) == len(REFLECTION)
    for answer, (name, (request, part)) in zip(answers, REFLECTION.items(), strict=True):
        assert answer.original_request.SerializeToString() == request, name
        if part is None:
            assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0], name
        else:
            assert answer.error_response.error_code == 0, name
            assert part in answer.SerializeToString(), name


def test_who_watches_the_health_is_told_of_the_end(tmp_path: Path) -> None:
    health_pb2 = pytest.importorskip("grpc_health.v1.health_pb2")
    health_pb2_grpc = pytest.importorskip("grpc_health.v1.health_pb2_grpc")
    for served in started(tmp_path):
        with grpc.insecure_channel(served.address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)

            def watch(service: str, stub: Any = stub) -> Any:
                return stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=10 * WAIT_S)

            seen, unknown = watch("headgate.v1.Validator"), watch("x")
            assert next(seen).status == health_pb2.HealthCheckResponse.SERVING
            assert next(unknown).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
            served.appliance.stop()
            assert next(seen).status == health_pb2.HealthCheckResponse.NOT_SERVING
            with pytest.raises(grpc.RpcError) as caught:
                next(seen)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_who_goes_on_sending_is_told_of_the_end(tmp_path: Path, pb: SimpleNamespace) -> None:
    """Longer than `drain_timeout` lets it."""

    def endless() -> Iterator[Any]:
        while True:
            yield pb.PublishRequest(stream="weather", body=GOOD)
            time.sleep(0.01)

    served = start(tmp_path, 'drain_timeout = "500 ms"\n')
    try:
        with grpc.insecure_channel(served.address) as channel:
            call = pb.IngestStub(channel).PublishStream.future(endless(), metadata=served.metadata, timeout=10 * WAIT_S)
            wait_for(lambda: served.counted("messages_accepted_total"), "a message is accepted")
            served.appliance.stop()
            assert call.exception(timeout=WAIT_S).code() == grpc.StatusCode.UNAVAILABLE
            assert call.exception().details() == "shutting down"
    finally:
        served.appliance.stop()


TRACES = [f"00-{digit * 32}-{'a' * 16}-01" for digit in "123"]


@pytest.mark.skipif(not mosquitto.available(), reason="mosquitto is not installed")
def test_traceparent_reaches_the_broker(tmp_path: Path, pb: SimpleNamespace) -> None:
    """As metadata of both calls, and as a field of HTTP/2."""
    subscribe = program("mosquitto_sub", "apt-get install mosquitto-clients")
    curl = program("curl", "apt-get install curl")
    schema = tmp_path / "weather.schema.json"
    schema.write_text(json.dumps(SCHEMA))
    with mosquitto.Mosquitto(tmp_path / "broker") as broker:
        appliance = Appliance(tmp_path, uplink_port=broker.port, config=STREAMS.format(schema=schema))
        text = appliance.config.read_text().replace("[listen]\n", "[listen]\nhttp2 = true\n")
        appliance.config.write_text(text.replace("[uplink]\n", '[uplink]\nmode = "json"\n'))
        session = ("-V", "5", "-p", str(broker.port), "-c", "-x", "600", "-i", "keeper", "-q", "1", "-t", "#")
        code, said = run(subscribe, *session, "-E")  # what comes from now on is kept for it
        assert code == 0, said
        with running(appliance):
            served = Served(appliance)
            message = pb.PublishRequest(stream="weather", body=GOOD)
            with grpc.insecure_channel(served.address) as channel:
                ingest = pb.IngestStub(channel)
                about = [(*served.metadata, ("traceparent", trace)) for trace in TRACES]
                ingest.Publish(message, metadata=about[0], timeout=WAIT_S)
                ingest.PublishStream(iter([message]), metadata=about[1], timeout=WAIT_S)
            fields = ("Content-Type: application/json", f"Authorization: Bearer {served.token}")
            words = [word for field in (*fields, f"traceparent: {TRACES[2]}") for word in ("-H", field)]
            url = f"http://{served.address}/v1/streams/weather"
            code, said = run(curl, "-sSf", "--http2-prior-knowledge", *words, "-d", GOOD.decode(), url)
            assert code == 0, said
            code, properties = run(subscribe, *session, "-F", "%P", "-C", "3", "-W", str(START_S))
        for trace in TRACES:
            assert f"traceparent:{trace}" in properties, properties
