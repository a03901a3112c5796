"""RFC 9457 problem details: the one error that reaches the wire.

Whoever refuses raises `Problem`; the gateway alone turns it into a response. `code` is the stable name of the reason:
the last part of the `type` URI, the label in /metrics, the `code` of a record in a batch's answer.
"""

from headgate.core import json

CONTENT_TYPE = b"application/problem+json"
TYPE_PREFIX = "urn:headgate:problem:"

# RFC 9110 section 15; RFC 6585 (429, 431)
STATUS_TEXT = {
    100: b"Continue",
    200: b"OK",
    201: b"Created",
    202: b"Accepted",
    204: b"No Content",
    304: b"Not Modified",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    411: b"Length Required",
    412: b"Precondition Failed",
    413: b"Content Too Large",
    414: b"URI Too Long",
    415: b"Unsupported Media Type",
    417: b"Expectation Failed",
    422: b"Unprocessable Content",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    501: b"Not Implemented",
    503: b"Service Unavailable",
    505: b"HTTP Version Not Supported",
}

# Only where the status text does not say it.
TITLES = {
    "bad_cache_control": "Cache-Control not understood",
    "bad_content_range": "Content-Range cannot be honoured",
    "bad_idempotency_key": "Idempotency-Key not usable",
    "draining": "Shutting down",
    "idempotency_key_reused": "Idempotency-Key used before with another body",
    "incomplete": "The message ends early",
    "insufficient_scope": "The token does not allow this",
    "invalid_token": "The token is not accepted",
    "malformed_cbor": "The body is not well-formed CBOR",
    "malformed_json": "The body is not well-formed JSON",
    "malformed_request": "Not a valid HTTP request",
    "missing_token": "A bearer token is needed",
    "no_last_value": "No last value of this client",
    "not_cached": "No such key in the cache",
    "not_stored": "The message was not stored",
    "outbox_full": "The outbox is full",
    "out_of_memory": "Out of memory, try again",
    "rate_limited": "Over the rate",
    "record_too_large": "A record is too large",
    "schema_violation": "The message violates the stream's schema",
    "too_many_connections": "Too many connections",
    "unknown_stream": "No such stream",
    "update_failed": "The update could not be written",
    "update_refused": "The update is refused",
    "value_too_large": "The value does not fit the cache",
}


class Problem(Exception):
    """`status`: HTTP status; `code`: slug; `detail`: one sentence about this occurrence; `headers`: extra response
    fields; `errors`: violations, each {"instance": pointer, "schema": pointer, "message": text}; `extra`: further
    members of the body (RFC 9457 section 3.2); `close`: the connection cannot go on after it (the rest of the input has
    no known frame)."""

    def __init__(  # noqa: PLR0913 - all but the first two are rare, and named
        self,
        status: int,
        code: str,
        detail: str = "",
        *,
        headers: "list[tuple[bytes, bytes]] | None" = None,
        errors: "list[dict[str, object]] | None" = None,
        extra: "dict[str, object] | None" = None,
        close: bool = False,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or []
        self.errors = errors
        self.extra = extra
        self.close = close

    def title(self) -> str:
        return TITLES.get(self.code) or STATUS_TEXT.get(self.status, b"Error").decode()

    def body(self, instance: str = "") -> bytes:
        """application/problem+json. `instance`: path of the request, left out when empty."""
        document: dict[str, object] = {
            "type": TYPE_PREFIX + self.code,
            "title": self.title(),
            "status": self.status,
        }
        if self.detail:
            document["detail"] = self.detail
        if instance:
            document["instance"] = instance
        if self.errors is not None:
            document["errors"] = self.errors
        if self.extra:
            document.update(self.extra)
        return json.dumps(document)
