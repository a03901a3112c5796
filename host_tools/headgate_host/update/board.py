"""A running board as the updater sees it: GET and PUT /v1/update, with refusals turned into one line."""

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headgate.errors import MISSING, NETWORK, REFUSED, STATE, USAGE, CommandError

RESOURCE = "/v1/update"
ANSWER_S = 15.0
POLL_S = 1.0
INSTALL_S = 150.0  # a slow card may take a while to write what was sent last
_ANSWER_MAX = 65536  # bytes
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _UNPROCESSABLE = 401, 403, 404, 422
_PORT = 8080
_AGAIN = "Try again in a minute"


class NotYet(CommandError):
    """A board that has just started: it needs some time to know what it is asked."""


class Board:
    """`token`: a bearer token; `ca`: who vouches for an https:// board, None: this machine's own list."""

    def __init__(self, host: str, token: str, ca: Path | None = None) -> None:
        """`host`: gate-017, gate-017:8080, https://gate-017:8443. Raises CommandError."""
        try:
            url = urlsplit(host if "://" in host else f"http://{host}")
            port = url.port or (443 if url.scheme == "https" else _PORT)
        except ValueError:
            url, port = urlsplit(""), 0
        if url.scheme not in ("http", "https") or not url.hostname or not port or url.path.strip("/"):
            raise CommandError(USAGE, f"{host} is no board's address", "For instance gate-017:8080")
        self.name = f"{url.hostname}:{port}"
        self._address = (url.hostname, port)
        try:
            self._context = ssl.create_default_context(cafile=ca) if url.scheme == "https" else None
        except OSError as error:  # also ssl's own
            raise CommandError(MISSING, f"cannot use {ca}: {error.strerror or error}", "See --ca") from None
        self._token = token

    def status(self, patience_s: float = 0) -> dict[str, Any]:
        """What runs; a board that has just started may need `patience_s` to know. Raises CommandError."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                answer: dict[str, Any] = self._exchange("GET", {}, None)
                if answer.get("slot"):
                    return answer
                raise NotYet(STATE, f"{self.name} does not know yet which slot it runs", _AGAIN)
            except NotYet:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(POLL_S)

    def install(self, size: int, pieces: Iterator[bytes]) -> dict[str, Any]:
        """-> {"slot", "version"}. Raises CommandError; what runs goes on running then."""
        headers = {"Content-Type": "application/zstd", "Content-Length": str(size)}
        answer: dict[str, Any] = self._exchange("PUT", headers, pieces)
        return answer

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(*self._address, timeout=timeout)
        return http.client.HTTPSConnection(*self._address, timeout=timeout, context=self._context)

    def _exchange(self, method: str, headers: dict[str, str], body: Iterator[bytes] | None) -> Any:
        connection = self._connection(ANSWER_S if body is None else INSTALL_S)
        try:
            try:
                headers = {**headers, "Authorization": f"Bearer {self._token}"}
                connection.request(method, RESOURCE, body, headers)
            except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):  # the last one is the first one's, in TLS
                pass  # a refusal does not wait for the end: the answer may be there
            answer = connection.getresponse()
            text = answer.read(_ANSWER_MAX)
        except (OSError, http.client.HTTPException) as error:
            cause = f"no connection to {self.name}: {getattr(error, 'strerror', None) or error or 'it ended'}"
            raise CommandError(NETWORK, cause, "Is the board on, and the address right?") from None
        finally:
            connection.close()
        return _understood(self.name, answer.status, text)


def _understood(name: str, status: int, text: bytes) -> Any:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise CommandError(NETWORK, f"{name} answers {status}, and not as an appliance does", "Is it a Headgate?")
    if status < 300:  # noqa: PLR2004 - RFC 9110 section 15: success
        return document
    detail = str(document.get("detail") or document.get("title") or status)
    if document.get("reason") == "clock_untrusted":  # a board without a clock asks its time servers first
        raise NotYet(STATE, f"{name} cannot judge the token: {detail}", _AGAIN)
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        raise CommandError(MISSING, f"{name} does not take this token: {detail}", "headgate token --scope 'update:*' …")
    if status == _NOT_FOUND:
        raise CommandError(STATE, f"{name} cannot be updated: {detail}", "Only images have slots: docs/update.md")
    if status == _UNPROCESSABLE:
        raise CommandError(REFUSED, f"{name} refuses: {detail}", "What runs goes on running")
    raise CommandError(STATE, f"{name}: {detail}", "What runs goes on running")
