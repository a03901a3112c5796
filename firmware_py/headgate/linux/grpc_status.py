"""How a gRPC call ends: problems of the wire interface as status codes, and the trailers that say so. Twin of
native_ext/grpc/grpc_status.c."""

import base64

from headgate import limits
from headgate.core.problem import Problem
from headgate.linux.protobuf import put_bytes, put_message, put_number

# https://grpc.github.io/grpc/core/md_doc_statuscodes.html
OK = 0
CANCELLED = 1
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
ALREADY_EXISTS = 6
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
FAILED_PRECONDITION = 9
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
UNAUTHENTICATED = 16

_BY_HTTP = {
    401: UNAUTHENTICATED,
    403: PERMISSION_DENIED,
    404: NOT_FOUND,
    405: UNIMPLEMENTED,
    408: DEADLINE_EXCEEDED,
    412: FAILED_PRECONDITION,
    413: RESOURCE_EXHAUSTED,
    429: RESOURCE_EXHAUSTED,
    431: RESOURCE_EXHAUSTED,
    500: INTERNAL,
    501: UNIMPLEMENTED,
    503: UNAVAILABLE,
    504: DEADLINE_EXCEEDED,
}
_TYPE = "type.googleapis.com/google.rpc."
_AROUND = 32  # bytes: the tags and lengths of a violation and of what it is in


class Failure(Exception):
    """A call that ends with this status. `code`: a problem's; `violations`: (field, description) of what is wrong."""

    def __init__(
        self,
        status: int,
        message: str = "",
        *,
        code: str = "",
        violations: "list[tuple[str, str]] | None" = None,
        retry_s: int = 0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.violations = violations or []
        self.retry_s = retry_s


def status_of(status: int, code: str) -> int:
    """Of a problem's HTTP status and its code."""
    if code == "idempotency_key_reused":
        return ALREADY_EXISTS
    return _BY_HTTP.get(status) or (INVALID_ARGUMENT if 400 <= status < 500 else INTERNAL)  # noqa: PLR2004


def of_problem(problem: Problem) -> Failure:
    retry = dict(problem.headers).get(b"Retry-After", b"0")
    violations = [(str(error["instance"]), str(error["message"])) for error in problem.errors or ()]
    status = status_of(problem.status, problem.code)
    message = problem.detail or problem.code
    return Failure(status, message, code=problem.code, violations=violations, retry_s=int(retry))


def _shortened(message: str) -> bytes:
    """Cut between two characters where it is too long."""
    return message.encode()[: limits.GRPC_STATUS_TEXT].decode(errors="ignore").encode()


def _percent(message: bytes) -> bytes:
    """The protocol, "Status-Message": percent-encoding of what is not printable ASCII, and of "%"."""
    return b"".join(b"%c" % c if 0x20 <= c <= 0x7E and c != 0x25 else b"%%%02X" % c for c in message)  # noqa: PLR2004


def _detail(kind: str, value: bytes) -> bytes:
    """A google.protobuf.Any in google.rpc.Status."""
    return put_message(3, put_bytes(1, _TYPE + kind) + put_message(2, value))


def details(failure: Failure) -> bytes:
    """google.rpc.Status."""
    status = put_number(1, failure.status) + put_bytes(2, _shortened(failure.message))
    if failure.code:
        status += _detail("ErrorInfo", put_bytes(1, failure.code.upper()) + put_bytes(2, "headgate"))
    if failure.retry_s:
        status += _detail("RetryInfo", put_message(1, put_number(1, failure.retry_s)))
    if failure.violations:
        size = len(status) + len(_detail("BadRequest", b"")) - 2  # the lengths around it are in _AROUND
        bad = b""
        for field, description in failure.violations:
            if size + len(bad) + len(field.encode()) + len(description.encode()) + _AROUND > limits.GRPC_DETAILS:
                break  # clients take no more
            bad += put_message(1, put_bytes(1, field) + put_bytes(2, description))
        status += _detail("BadRequest", bad)
    return status


def trailers(failure: Failure) -> "list[tuple[bytes, bytes]]":
    lines = [(b"grpc-status", b"%d" % failure.status)]
    if failure.message:
        lines.append((b"grpc-message", _percent(_shortened(failure.message))))
    if failure.code or failure.retry_s or failure.violations:
        lines.append((b"grpc-status-details-bin", base64.b64encode(details(failure)).rstrip(b"=")))
    return lines
