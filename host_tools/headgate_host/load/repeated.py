"""The requests of `headgate load URL`: the same operation again and again, by one device after the other."""

import argparse
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from headgate.core import cbor as core_cbor
from headgate.core import json as core_json
from headgate.errors import USAGE, CommandError
from headgate_host.load import devices
from headgate_host.load.grpc_proto import encoder
from headgate_host.load.mqtt_wire import is_topic
from headgate_host.load.operation import (
    ACKNOWLEDGED,
    ANY_SUCCESS,
    GRPC,
    MQTT,
    Expect,
    Operation,
    Request,
    grpc_status,
)
from headgate_host.load.target import Target

BATCH_MAX = 10_000  # records
BODY_MAX = 16_777_216  # bytes of a file for --body
DEVICE, NUMBER = "{device}", "{n}"  # what is filled in, in path and body
_CALL = re.compile(r"[A-Za-z0-9_.]+/[A-Za-z0-9_]+")


class Requests:
    """The same operation again and again, by one device after the other."""

    def __init__(self, args: argparse.Namespace, target: Target, protocol: str, first: int = 0, step: int = 1) -> None:
        """Of the numbers, `first` and every `step`th from there."""
        self._first, self._step = first, step
        self._devices = devices.checked(args.devices)
        self._batch, self._cbor = args.batch, args.cbor
        if not 0 <= self._batch <= BATCH_MAX or (self._batch and self._cbor):
            raise CommandError(USAGE, f"--batch is up to {BATCH_MAX} records of JSON")
        self._body = body_of(args.body)
        self._target = _target(args, target, protocol)
        self.operation = self._operation(args, protocol)
        self._expect = _expect(args, protocol)
        self._message = encoder(args.proto, args.grpc) if args.proto else None
        self._numbered = any(NUMBER in text for text in (_unescaped(self._target), self._body.decode("latin-1")))

    def _operation(self, args: argparse.Namespace, protocol: str) -> Operation:
        if protocol == GRPC:
            return Operation(args.grpc.rpartition("/")[2], protocol, headers=_given(args.header))
        if protocol == MQTT:
            return Operation("publish", protocol, qos=args.qos)
        method = args.method or ("POST" if args.body is not None else "GET")
        if not method.isascii() or not method.isalpha():
            raise CommandError(USAGE, f"--method {method!r} is no method")
        return Operation(method.upper(), protocol, method.upper(), self._headers(args.header))

    def _headers(self, given: list[str]) -> dict[str, str]:
        headers = _given(given)
        known = {name.lower() for name in headers}
        if self._body and "content-type" not in known:
            looks = self._body.lstrip()[:1] in (b"{", b"[", b'"')
            kind = "application/cbor" if self._cbor else "application/json" if looks else "application/octet-stream"
            headers["Content-Type"] = "application/x-ndjson" if self._batch else kind
        return headers

    def __iter__(self) -> Iterator[Request]:
        if not self._numbered:  # made once, which costs the least while it runs
            own = range(self._first, max(self._devices, self._first + 1), self._step)
            yield from itertools.cycle([self._made(device) for device in own])
        for number in itertools.count(self._first, self._step):
            yield self._made(number)

    def _made(self, number: int) -> Request:
        device, records = number % self._devices, max(self._batch, 1)
        name = devices.name_of(device)
        numbers = range(number * records, (number + 1) * records)
        body = self._encode([_filled_bytes(self._body, name, record) for record in numbers])
        return Request(self.operation, device, _filled(self._target, name, number), body, self._expect)

    def _encode(self, bodies: list[bytes]) -> bytes:
        if self._message is not None:
            return self._message(bodies[0])
        if self._cbor:
            try:
                return core_cbor.dumps(core_json.loads(bodies[0]))
            except core_json.JSONError as error:
                raise CommandError(USAGE, f"--cbor: the body is not JSON: {error}") from None
        return b"".join(body.replace(b"\n", b" ") + b"\n" for body in bodies) if self._batch else bodies[0]


def _target(args: argparse.Namespace, target: Target, protocol: str) -> str:
    if protocol == GRPC:
        if target.path != "/" or not _CALL.fullmatch(args.grpc) or args.method or args.batch or args.cbor:
            raise CommandError(
                USAGE,
                "a call of gRPC has no path, method, --batch or --cbor",
                "For instance http://HOST:PORT --grpc package.Service/Method",
            )
        return f"/{args.grpc}"
    if protocol == MQTT:
        topic = unquote(target.path.removeprefix("/"))
        if not topic:
            raise CommandError(USAGE, "which topic?", "Write mqtt://HOST/TOPIC, with {device} in it if you like")
        if not is_topic(topic):
            raise CommandError(USAGE, "nobody can publish to this topic", "It has no + and #, and at most 65535 bytes")
        return topic
    return target.path


def _expect(args: argparse.Namespace, protocol: str) -> Expect:
    if protocol == MQTT:
        return ACKNOWLEDGED
    if protocol == GRPC:
        return Expect(tuple(map(grpc_status, args.expect or [0])))
    lines = (202,) * args.batch if args.batch and not args.expect else ()
    return Expect(tuple(args.expect) or ANY_SUCCESS.statuses, lines=lines)


def _given(headers: list[str]) -> dict[str, str]:
    found = {}
    for text in headers:
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or not (text.isascii() and text.isprintable()):
            raise CommandError(USAGE, f"--header {text!r} is no header", "For instance --header 'Accept: */*'")
        found[name.strip()] = value.strip()
    return found


def _unescaped(target: str) -> str:
    return target.replace("%7B", "{").replace("%7D", "}") if "%7B" in target else target


def _filled(target: str, device: str, number: int) -> str:
    return _unescaped(target).replace(DEVICE, device).replace(NUMBER, str(number))


def _filled_bytes(text: bytes, device: str, number: int) -> bytes:
    if b"{" not in text:
        return text
    return text.replace(DEVICE.encode(), device.encode()).replace(NUMBER.encode(), b"%d" % number)


def body_of(given: str | None) -> bytes:
    if given is None or not given.startswith("@"):
        return (given or "").encode("utf-8", "surrogateescape")  # the bytes that were typed
    path = Path(given[1:])
    try:
        with path.open("rb") as stream:
            data = stream.read(BODY_MAX + 1)
    except OSError as error:
        raise CommandError(USAGE, f"cannot read {path}: {error.strerror}", "--body @FILE") from None
    if len(data) > BODY_MAX:
        raise CommandError(USAGE, f"{path} is larger than {BODY_MAX} bytes")
    return data
