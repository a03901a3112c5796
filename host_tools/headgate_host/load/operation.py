"""What is sent, and what has to come back. The one interface between what a scenario means and how it gets on a wire.

An `Operation` is one line of a mix, fixed for the run: a transport can render everything of it but the body, the target
and the device's token beforehand. A `Request` is one sending of it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

HTTP, HTTP2, GRPC, MQTT = "http", "http2", "grpc", "mqtt"  # HTTP: 1.1
OF_HTTP = (HTTP, HTTP2, GRPC)  # what an http:// target is asked over
PROBLEM = "urn:headgate:problem:"

# Statuses of gRPC share their numbers with HTTP's, which begin at 100: N stands as 1 + N.
GRPC_STATUSES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip


def grpc_status(number: int) -> int:
    return 1 + number


def status_name(status: int) -> str:
    """Of one that was not expected."""
    return f"gRPC {GRPC_STATUSES[status - 1]}" if 0 < status <= len(GRPC_STATUSES) else f"status {status}"


class Expect(NamedTuple):
    """What answers a request of HTTP or gRPC rightly. An invalid message that is refused for the right reason is a
    success."""

    statuses: tuple[int, ...]  # of gRPC: by grpc_status()
    problem: str = ""  # `type` of the problem (RFC 9457), without "urn:headgate:problem:"; "": not looked at
    instance: str | None = None  # JSON pointer of one of the violations; None: not looked at
    lines: tuple[int, ...] = ()  # of a batch: the status of each record, in order
    read: "Callable[[bytes], Mapping[str, Any]] | None" = None  # a body that is not JSON -> what a problem says

    def wrong(self, status: int, body: bytes) -> str:
        """Why this answer is not the right one; "" if it is. Bodies are only read where something of them is owed."""
        if status not in self.statuses:
            return status_name(status)
        if self.problem or self.instance is not None:
            return self._wrong_problem(body)
        if self.lines:
            return _wrong_lines(body, self.lines)
        return ""

    def _wrong_problem(self, body: bytes) -> str:
        document = (self.read or _read)(body)
        named = str(document.get("type", "")).removeprefix(PROBLEM)
        if self.problem and named != self.problem:
            return f"problem {named or 'none'}"
        if self.instance is not None and self.instance not in _instances(document):
            return "another violation"
        return ""


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _instances(problem: Mapping[str, Any]) -> list[object]:
    errors = problem.get("errors")
    return [one.get("instance") for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []


def _wrong_lines(body: bytes, wanted: tuple[int, ...]) -> str:
    found = tuple(_read(line).get("status") for line in body.splitlines())
    return "" if found == wanted else "records of the batch"


ACCEPTED = Expect((202,))
FOUND = Expect((200,))
ANY_SUCCESS = Expect(tuple(range(200, 300)))
ACKNOWLEDGED = Expect(())  # MQTT: the acknowledgement that the quality of service has, and no refusal in it


@dataclass(frozen=True)
class Operation:
    """`headers` are those of HTTP that do not depend on the device or the body: no Host, Authorization,
    Content-Length. `authorize`: the device's token goes with it."""

    name: str
    protocol: str = HTTP
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    authorize: bool = True
    qos: int = 1  # MQTT
    retain: bool = False  # MQTT


class Request(NamedTuple):
    operation: Operation
    device: int  # index into the scenario's devices
    target: str  # HTTP: path with query, percent-encoded; gRPC: /service/method; MQTT: topic
    body: bytes
    expect: Expect
