"""gRPC unary calls of headgate.v1: what h2load sends, and the proof that a server judges what it is asked."""

from pathlib import Path
from typing import Any

from . import load, messages, process
from .load import Outcome
from .servers import Running
from .verdicts import WrongVerdict, wrong_tokens

VALIDATE, PUBLISH = "/headgate.v1.Validator/ValidateOne", "/headgate.v1.Ingest/Publish"
TIMEOUT_S = 10.0
VALID = b"\x08\x01"  # ValidateResponse { valid: true }


def _field(number: int, value: bytes) -> bytes:
    """One field of bytes, at most 16 KiB."""
    length = len(value)
    return bytes([number << 3 | 2, *([length] if length < 128 else [length & 127 | 128, length >> 7])]) + value  # noqa: PLR2004


def request(body: bytes, stream: str = "telemetry") -> bytes:
    """A ValidateRequest or PublishRequest: they have these fields in common."""
    return _field(1, stream.encode()) + _field(3, body)


def run(running: Running, path: str, seconds: float) -> Outcome:
    material = running.site.material
    message = request(messages.encode(messages.message(0)))
    file: Path = material.file("grpc.message")
    file.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    return load.h2_streams(
        f"http://127.0.0.1:{running.port}{path}", seconds, material.tokens[0], file, "application/grpc"
    )


def prove(running: Running) -> None:
    """Raises WrongVerdict, or Failed when nobody can ask."""
    try:
        import grpc  # noqa: PLC0415
    except ImportError:
        raise process.Failed("to ask by gRPC, grpcio is needed") from None

    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:

        def ask(path: str, bearer: "str | None", body: bytes, stream: str = "telemetry") -> "tuple[Any, bytes]":
            call = channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
            metadata = [] if bearer is None else [("authorization", f"Bearer {bearer}")]
            try:
                return grpc.StatusCode.OK, call(request(body, stream), metadata=metadata, timeout=TIMEOUT_S)
            except grpc.RpcError as error:
                return error.code(), b""  # type: ignore[attr-defined]

        def expect(what: str, wanted: Any, got: Any) -> None:
            if got != wanted:
                raise WrongVerdict(f"{running.server.name}: gRPC: {what}: {got} instead of {wanted}")

        code, good, body = grpc.StatusCode, messages.token("prover"), messages.encode(messages.message(1))
        for _ in range(2):
            expect("a valid message", (code.OK, VALID), ask(VALIDATE, good, body))
            expect("a message to publish", code.OK, ask(PUBLISH, good, body)[0])
        for name, wrong in messages.invalid().items():
            verdict = ask(VALIDATE, good, wrong)
            expect(f"body: {name}", (code.OK, False), (verdict[0], verdict[1].startswith(VALID)))
            expect(f"to publish: {name}", code.INVALID_ARGUMENT, ask(PUBLISH, good, wrong)[0])
        for path in (VALIDATE, PUBLISH):
            for name, bearer in wrong_tokens().items():
                expect(f"token: {name}", code.UNAUTHENTICATED, ask(path, bearer, body)[0])
            expect("no scope", code.PERMISSION_DENIED, ask(path, messages.token("prover", scope="cache:read"), body)[0])
        other = messages.token("by-grpc")  # whose rate nobody has used yet
        limited = [ask(VALIDATE, other, body, "limited")[0] for _ in range(messages.LIMITED_BURST + 3)]
        expect("the rate", code.RESOURCE_EXHAUSTED, limited[-1])
        expect("below the rate", [code.OK] * messages.LIMITED_BURST, limited[: messages.LIMITED_BURST])
