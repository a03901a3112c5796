"""Messages in: one per request here, many per request in batches.py.

The order of judgement: token, scope, stream, rate, media type, body, syntax, schema; then the sink, its receipt, and
the last value. /v1/validate does the same and stops before the sink.
"""

from headgate import limits
from headgate.core import json
from headgate.core.problem import Problem
from headgate.tasks.access import authenticate, bare_type, media_type, rate_limit, require
from headgate.tasks.cache import last_key, put_last
from headgate.tasks.exchange import JSON, Response
from headgate.tasks.sink import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from headgate.core.jwt import Claims
    from headgate.core.schema_result import Result
    from headgate.tasks.exchange import Exchange
    from headgate.tasks.plan import StreamPlan
    from headgate.tasks.sink import Receipt, Ticket

CBOR = b"application/cbor"
NDJSON = b"application/x-ndjson"
CBOR_SEQ = b"application/cbor-seq"
_TYPES = (JSON, CBOR, NDJSON, CBOR_SEQ)


async def publish(x: "Exchange", params: "dict[str, str]") -> "Response | None":
    return await _ingest(x, params["stream"], True)


async def validate(x: "Exchange", params: "dict[str, str]") -> "Response | None":
    return await _ingest(x, params["stream"], False)


async def _ingest(x: "Exchange", name: str, keep: bool) -> "Response | None":
    try:
        intake = begin(x, name, keep)
        if bare_type(x) not in (NDJSON, CBOR_SEQ):
            intake.take_rate()  # of a batch, each record counts
        kind = media_type(x, _TYPES)
        intake.binary = kind in (CBOR, CBOR_SEQ)
        if kind in (NDJSON, CBOR_SEQ):
            from headgate.tasks.batches import Batch  # noqa: PLC0415 - a board pays for it only when one comes

            return await Batch(intake).run(x)
        body = await x.read_all(intake.limit)
        ticket, key = intake.accept(body, intake.key)
        if ticket is None:
            return Response(200, b'{"valid":true}', JSON)
        receipt = await ticket.wait()
    except Problem as problem:
        x.gateway.counters.reject(problem.code)
        raise
    intake.settle(receipt, key, body)
    text = f'{{"seq":"{receipt.seq}","durability":"{receipt.durability}"}}'
    headers = [(b"Idempotent-Replayed", b"true")] if receipt.replayed else None
    return Response(202, text.encode(), JSON, headers)


def begin(x: "Exchange", name: str, keep: bool) -> "Intake":
    """Token, scope, stream and key. Raises Problem."""
    claims = authenticate(x)
    require(claims, "publish", name)
    stream = x.plan.streams.get(name)
    if stream is None:
        raise Problem(404, "unknown_stream")
    return Intake(x, stream, claims, keep)


class Intake:
    """What is the same for all messages of one request. `binary`: CBOR, otherwise JSON; `keep`: False only judges."""

    __slots__ = ("_claims", "_gateway", "_keep", "_stream", "_trace", "binary", "key")

    def __init__(self, x: "Exchange", stream: "StreamPlan", claims: "Claims", keep: bool) -> None:
        self._gateway = x.gateway
        self._stream = stream
        self._claims = claims
        self._keep = keep
        self._trace = traceparent(x.request.header(b"traceparent"))
        self.key = idempotency_key(x.request.header(b"idempotency-key"))
        self.binary = False

    @property
    def limit(self) -> int:
        return self._stream.body_limit

    @property
    def content_type(self) -> str:
        return "application/cbor" if self.binary else "application/json"

    def authenticate(self, x: "Exchange") -> None:
        """Again: a batch may take as long as it likes. Raises Problem."""
        require(authenticate(x, self._claims), "publish", self._stream.name)

    def take_rate(self) -> None:
        stream = self._stream
        rate_limit(self._gateway, stream.name, self._claims.sub, stream.rate_milli, stream.burst)

    def accept(self, body: bytes, key: "str | None") -> "tuple[Ticket | None, bytes]":
        """Parse, validate, submit. -> the sink's ticket (None: only judged) and the key of the last value that `settle`
        is to keep, b"" for none. Raises Problem."""
        stream = self._stream
        encoding = "cbor" if self.binary else "json"
        if not stream.schema.is_valid(body, encoding):
            raise _refusal(stream.schema.validate(body, encoding), encoding)
        if not self._keep:
            self._gateway.counters.validated += 1
            return None, b""
        client = self._claims.sub
        name = client if stream.cache_key is None else _key_at(_parse(body, self.binary), stream.cache_key)
        place = b"" if name is None else last_key(stream.name, name)
        now = self._gateway.clock()
        ts_ms = None if now[1] == "unset" else now[0] * 1000
        record = Record(stream.name, client, body, self.content_type, ts_ms, key, self._trace)
        sink: Any = self._gateway.sink
        ticket = sink.submit(record, stream.durable)
        known = ticket.receipt is not None
        if place and not stream.durable and (key is None or known):
            # At once, though the receipt may wait: a later message need not, and must not be replaced by this one.
            try:
                if not known or not ticket.receipt.replayed:
                    put_last(self._gateway, place, body, self.content_type, stream.last_ttl_ms)
            except MemoryError:  # who sends it again must not be told that it has come before
                if key is not None:
                    sink.withdraw()
                raise
            place = b""
        return ticket, place

    def settle(self, receipt: "Receipt", key: bytes, body: bytes) -> None:
        """The receipt is true: count it, and keep the last value unless the message is an old one come again."""
        counters = self._gateway.counters
        if receipt.replayed:
            counters.replayed += 1
            return
        counters.accepted += 1
        if key:
            put_last(self._gateway, key, body, self.content_type, self._stream.last_ttl_ms)


def _refusal(result: "Result", encoding: str) -> Problem:
    """400 with the byte at which the message goes wrong, or 422 with what is wrong with it."""
    if result.malformed:
        if encoding == "cbor":
            return Problem(400, "malformed_cbor", result.errors[0].message)
        return Problem(400, "malformed_json", result.errors[0].message)
    errors: list[dict[str, object]] = []
    for violation in result.errors:
        errors.append({"instance": violation.instance, "schema": violation.schema, "message": violation.message})
    return Problem(422, "schema_violation", errors=errors)


def _parse(body: bytes, binary: bool) -> object:
    """The value of a message that is valid."""
    if binary:
        from headgate.core import cbor  # noqa: PLC0415 - a board pays for it only when it is used

        return cbor.loads(body, plain=True)
    return json.loads(body)


def _key_at(value: object, pointer: "list[str]") -> "str | None":
    """The text or integer a JSON pointer leads to (RFC 6901), as text; None for anything else."""
    for token in pointer:
        if isinstance(value, dict):
            value = value.get(token)
        elif isinstance(value, list):
            index = 0  # compared as text: only the canonical spelling of an index is one
            while index < len(value) and str(index) != token:
                index += 1
            value = value[index] if index < len(value) else None
        else:
            return None
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and value is not True and value is not False else None


def idempotency_key(value: "bytes | None") -> "str | None":
    """draft-ietf-httpapi-idempotency-key-header: a quoted string; bare is common and means the same."""
    if value is None:
        return None
    if len(value) > 1 and value[:1] == b'"' and value[-1:] == b'"':
        value = value[1:-1]
    if not 0 < len(value) <= limits.IDEMPOTENCY_KEY or min(value) < 0x21 or max(value) > 0x7E or b'"' in value:  # noqa: PLR2004
        raise Problem(400, "bad_idempotency_key", f"1 to {limits.IDEMPOTENCY_KEY} visible ASCII characters")
    return value.decode()


def traceparent(value: "bytes | None") -> "str | None":
    """W3C Trace Context section 3.2; what is not valid is ignored, as it asks."""
    if value is None or len(value) < 55 or (len(value) > 55 and (value[:2] == b"00" or value[55:56] != b"-")):  # noqa: PLR2004
        return None
    head = value[:55]
    parts = head.split(b"-")
    if [len(part) for part in parts] != [2, 32, 16, 2] or parts[0] == b"ff":
        return None
    for byte in head:
        if byte not in b"0123456789abcdef-":
            return None
    if not parts[1].strip(b"0") or not parts[2].strip(b"0"):
        return None
    return head.decode()
