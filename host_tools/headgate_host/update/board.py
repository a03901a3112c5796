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
from headgate_host.flash.disks import printable

RESOURCE = "/v1/update"
ANSWER_S = 15.0
POLL_S = 1.0
INSTALL_S = 150.0  # a slow card may take a while to write what was sent last
_ANSWER_MAX = 65536  # bytes
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _UNPROCESSABLE = 401, 403, 404, 422
_PORT = 8080
_SCOPES = "headgate token --scope update:install --scope update:read …"
_AGAIN = "Try again in a minute"
# What must be in an answer: update_status.publish, update_helper.install
STATUS: dict[str, tuple[type, ...]] = {
    "slot": (str,), "board": (str,), "version": (str,), "created": (int,), "confirmed": (bool,), "problem": (str,),
    "last_rollback": (dict, type(None)),
}  # fmt: skip
ROLLBACK: dict[str, tuple[type, ...]] = {"slot": (str,), "reason": (str,)}
WRITTEN: dict[str, tuple[type, ...]] = {"slot": (str,), "version": (str,)}


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
        name = url.hostname or ""
        if url.scheme not in ("http", "https") or not _is_name(name) or not port or url.path.strip("/"):
            raise CommandError(USAGE, f"{host} is no board's address", "For instance gate-017:8080")
        self.name = f"{name}:{port}"
        self._address = (name, port)
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
                    return _checked(self.name, answer, STATUS)
                raise NotYet(STATE, f"{self.name} does not know yet which slot it runs", _AGAIN)
            except NotYet:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(POLL_S)

    def install(self, size: int, pieces: Iterator[bytes]) -> dict[str, Any]:
        """-> {"slot", "version"}. Raises CommandError; what runs goes on running then."""
        headers = {"Content-Type": "application/zstd", "Content-Length": str(size)}
        return _checked(self.name, self._exchange("PUT", headers, pieces), WRITTEN)

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(*self._address, timeout=timeout)
        return http.client.HTTPSConnection(*self._address, timeout=timeout, context=self._context)

    def _exchange(self, method: str, headers: dict[str, str], body: Iterator[bytes] | None) -> Any:
        connection = self._connection(ANSWER_S if body is None else INSTALL_S)
        try:
            connection.connect()
            try:
                headers = {**headers, "Authorization": f"Bearer {self._token}"}
                connection.request(method, RESOURCE, body, headers)
            except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):  # the last one is the first one's, in TLS
                pass  # a refusal does not wait for the end: the answer may be there
            answer = connection.getresponse()
            text = answer.read(_ANSWER_MAX)
        except (OSError, http.client.HTTPException) as error:
            reason = _printable(str(getattr(error, "strerror", None) or error)) or "it ended"
            cause = f"no connection to {self.name}: {reason}"
            raise CommandError(NETWORK, cause, "Is the board on, and the address right?") from None
        finally:
            connection.close()
        return _understood(self.name, answer.status, text)


def _is_name(host: str) -> bool:
    """Whether it can be looked up at all: RFC 1035 section 2.3.4 says how long its parts may be."""
    try:
        return bool(host) and host.isprintable() and " " not in host and bool(host.encode("idna"))
    except UnicodeError:
        return False


def _checked(name: str, answer: dict[str, Any], members: dict[str, tuple[type, ...]]) -> dict[str, Any]:
    """`answer` with what is looked at in it, its texts fit to be shown. Raises CommandError."""
    for member, kinds in members.items():
        value = answer.get(member)
        if type(value) not in kinds:
            raise _no_appliance(name, f"does not tell '{member}' as an appliance does")
        if isinstance(value, str):
            answer[member] = _printable(value)
    if answer.get("last_rollback"):
        _checked(name, answer["last_rollback"], ROLLBACK)
    return answer


def _printable(text: str) -> str:
    """In one line, and without what a terminal would obey."""
    return printable(" ".join(text.split()))


def _no_appliance(name: str, what: str) -> CommandError:
    return CommandError(NETWORK, f"{name} {what}", "Is it a Headgate?")


def _understood(name: str, status: int, text: bytes) -> Any:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise _no_appliance(name, f"answers {status}, and not as an appliance does")
    if status < 300:  # noqa: PLR2004 - RFC 9110 section 15: success
        return document
    detail = _printable(str(document.get("detail") or document.get("title") or status))
    if document.get("reason") == "clock_untrusted":  # a board without a clock asks its time servers first
        raise NotYet(STATE, f"{name} cannot judge the token: {detail}", _AGAIN)
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        raise CommandError(MISSING, f"{name} does not take this token: {detail}", _SCOPES)
    if status == _NOT_FOUND:
        raise CommandError(STATE, f"{name} cannot be updated: {detail}", "Only images have slots: docs/update.md")
    if status == _UNPROCESSABLE:
        raise CommandError(REFUSED, f"{name} refuses: {detail}", "What runs goes on running")
    raise CommandError(STATE, f"{name}: {detail}", "What runs goes on running")
