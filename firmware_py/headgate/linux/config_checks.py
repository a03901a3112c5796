"""What a configuration must fulfil beyond each key by itself: files, schemas, combinations of keys.

`check` adds findings to a Report; a key that has an error already is not complained about again.
"""

import os
import re
import stat
from pathlib import Path

from headgate import limits
from headgate.core import json
from headgate.errors import CommandError
from headgate.linux.config_plan import issuer_keys, revoked_tokens
from headgate.linux.config_rules import Config, Finding, Issuer, Listen, Redis, Stream, Uplink
from headgate.linux.config_values import Address, show_size
from headgate.linux.toml_lines import Path as KeyPath
from headgate.linux.toml_lines import line_of

SCHEMA_FILE_MAX = 1 << 20  # bytes
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def dotted(path: KeyPath) -> str:
    """("issuer", 0, "name") -> issuer[0].name, names quoted where TOML would quote them."""
    out = ""
    for part in path:
        if isinstance(part, int):
            out += f"[{part}]"
        else:
            name = part if _BARE.fullmatch(part) else json.dumps(part).decode()
            out += f".{name}" if out else name
    return out


class Report:
    """Gathers findings with their places. `places`: id of an issuer or stream object -> its path in the document."""

    def __init__(self, file: str, lines: dict[KeyPath, int]) -> None:
        self.file = file
        self.lines = lines
        self.places: dict[int, KeyPath] = {}
        self.refused: set[KeyPath] = set()
        self.findings: dict[Finding, None] = {}  # an ordered set

    def error(self, path: KeyPath, message: str, suggestion: str = "") -> None:
        if path not in self.refused:
            self._add("error", path, message, suggestion)
            self.refused.add(path)

    def warning(self, path: KeyPath, message: str, suggestion: str = "") -> None:
        if path not in self.refused:
            self._add("warning", path, message, suggestion)

    def in_file(self, file: Path, pointer: str, message: str) -> None:
        """An error inside a file that the configuration names."""
        self.findings[Finding("error", str(file), 0, pointer, message)] = None

    def _add(self, severity: str, path: KeyPath, message: str, suggestion: str) -> None:
        line = line_of(self.lines, path)
        self.findings[Finding(severity, self.file, line, dotted(path), message, suggestion)] = None

    def given(self, path: KeyPath) -> bool:
        """Does the key stand in the document (or is it a default)?"""
        return path in self.lines

    def sorted(self) -> list[Finding]:
        return sorted(self.findings, key=lambda f: (f.file != self.file, f.severity != "error", f.line))


def check(config: Config, report: Report) -> None:
    """Everything that needs more than one key, or a look at the disk. Fills `config.schemas`."""
    _listeners(config, report)
    for issuer in config.issuers:
        _issuer(issuer, report)
    _issuer_names(config, report)
    if not config.issuers and ("issuer",) not in report.lines:
        report.warning(("issuer",), "there is no [[issuer]]: every request that needs a token will get 401")
    for stream in config.streams.values():
        _stream(config, stream, report)
    if not config.streams and ("streams",) not in report.lines:
        report.warning(("streams",), "there is no [streams.NAME]: no message can be posted")
    _cache(config, report)
    _redis(config, report)
    _outbox(config, report)
    _uplink(config, report)
    _watchdog(config, report)


# --- files ----------------------------------------------------------------------------------------------------------


def _readable(path: KeyPath, file: Path, report: Report) -> bool:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would be waited for
    except OSError as error:
        report.error(path, f"cannot read {file}: {error.strerror}")
        return False
    mode = os.fstat(descriptor).st_mode
    os.close(descriptor)
    if not stat.S_ISREG(mode):
        report.error(path, f"{file} is {'a directory' if stat.S_ISDIR(mode) else 'not a regular file'}")
    return stat.S_ISREG(mode)


def secret_mode_problem(file: Path) -> str:
    """Why a file is open to too many, or "". Group-readable is allowed: root's file, read by the service's group."""
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & (stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP):
        return f"{file} has mode {mode:04o}: other users can read or change this secret; type: chmod 600 {file}"
    return ""


def _secret(path: KeyPath, file: Path, report: Report) -> None:
    if _readable(path, file, report):
        try:
            problem = secret_mode_problem(file)
        except OSError as error:
            problem = f"cannot read {file}: {error.strerror}"
        if problem:
            report.error(path, problem)


# --- sections -------------------------------------------------------------------------------------------------------


def _listeners(config: Config, report: Report) -> None:
    listen = config.listen
    if not listen.http and not listen.https:
        report.error(("listen", "http"), "nothing to listen on: http and https are both empty")
    seen: dict[Address, str] = {}
    for key in ("http", "https", "mqtt", "mqtts"):
        addresses: tuple[Address, ...] = getattr(listen, key)
        for number, address in enumerate(addresses):
            path: KeyPath = ("listen", key, number)
            if path not in report.lines:
                path = ("listen", key)
            other = next((a for a in seen if _overlap(a, address)), None)
            if other is not None:
                report.error(path, f"{address} is taken by {other} of listen.{seen[other]} already")
            seen[address] = key
    if listen.http2:
        _http2(report)
    if listen.tls:
        for key, file in (("tls_cert", listen.tls_cert), ("tls_key", listen.tls_key)):
            if file is None:
                report.error(("listen", key), f"is needed for {'https' if listen.https else 'mqtts'}")
    elif listen.tls_cert or listen.tls_key:
        report.warning(("listen", "tls_cert"), "is not used: listen.https and listen.mqtts are empty")
    if listen.tls_cert is not None:
        _readable(("listen", "tls_cert"), listen.tls_cert, report)
    if listen.tls_key is not None:
        _secret(("listen", "tls_key"), listen.tls_key, report)
    _client_certificates(listen, report)


def _http2(report: Report) -> None:
    from headgate import _accel

    path: KeyPath = ("listen", "http2")
    if _accel.BACKEND != "native":
        report.error(path, f"HTTP/2 needs the native backend, and this is {_accel.BACKEND}", "false")
        return
    from headgate.linux.native_gateway import http2_missing

    reason = http2_missing()
    if reason:
        report.error(
            path, f"this installation was built without HTTP/2 ({reason}); install a wheel, or libnghttp2", "false"
        )


def _client_certificates(listen: Listen, report: Report) -> None:
    if listen.tls_client_ca is not None:
        _readable(("listen", "tls_client_ca"), listen.tls_client_ca, report)
    asked = listen.client_auth != "none"
    if asked and not listen.tls:
        report.error(("listen", "https"), "is needed for tls_client_ca and tls_client_auth (or mqtts)")
    elif asked and listen.tls_client_ca is None:
        report.error(("listen", "tls_client_ca"), f'is needed for tls_client_auth = "{listen.client_auth}"')
    elif asked and not listen.tls_client_scopes:
        message = "is needed for tls_client_ca: without it nobody may do anything by a certificate"
        report.error(("listen", "tls_client_scopes"), message, 'tls_client_scopes = ["publish:*"]')
    elif not asked and listen.tls_client_scopes:
        message = "is not used: clients are not asked for a certificate (tls_client_ca)"
        report.warning(("listen", "tls_client_scopes"), message)


def _overlap(one: Address, two: Address) -> bool:
    """Would the second bind fail? Port 0 asks the kernel for any free port and never does."""
    if one.port != two.port or one.port == 0:
        return False
    families = {":" in one.host, ":" in two.host}
    wildcard = one.host in ("0.0.0.0", "::") or two.host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
    return one.host == two.host or (wildcard and len(families) == 1)


def _issuer(issuer: Issuer, report: Report) -> None:
    place = report.places[id(issuer)]
    try:
        revoked_tokens(issuer)
    except CommandError as error:
        report.error((*place, "revoked" if issuer.revoked_file is None else "revoked_file"), error.line())
    sources = {"secret_file": issuer.secret_file, "public_keys": issuer.public_keys, "jwks_file": issuer.jwks_file}
    given = [name for name, value in sources.items() if value]
    if not given and not any((*place, name) in report.refused for name in sources):
        report.error(place, "has no key: give secret_file, public_keys or jwks_file")
        return
    broken = False
    if issuer.secret_file is not None:
        path = (*place, "secret_file")
        try:
            issuer.secret_file.stat()
        except (FileNotFoundError, NotADirectoryError):
            broken = True
            report.warning(path, f"{issuer.secret_file} does not exist yet; the first 'headgate run' makes it")
        except OSError as error:  # such as a folder of another user's, or a name that is too long
            broken = True
            report.error(path, f"cannot read {issuer.secret_file}: {error.strerror}")
    for number, file in enumerate(issuer.public_keys or ()):
        item: KeyPath = (*place, "public_keys", number)
        broken |= not _readable(item if item in report.lines else (*place, "public_keys"), file, report)
    if issuer.jwks_file is not None:
        broken |= not _readable((*place, "jwks_file"), issuer.jwks_file, report)
    if broken or any((*place, name) in report.refused for name in sources):
        return
    try:
        keys = issuer_keys(issuer)
    except CommandError as error:
        report.error((*place, given[0]), error.line())
        return
    kids = [key.kid for key in keys]
    for kid in sorted({k for k in kids if kids.count(k) > 1}):
        report.error((*place, given[-1]), f'two keys have the id "{kid}"')


def _issuer_names(config: Config, report: Report) -> None:
    seen: set[str] = set()
    for issuer in config.issuers:
        if issuer.name in seen:
            report.error((*report.places[id(issuer)], "name"), f'there is an issuer "{issuer.name}" already')
        seen.add(issuer.name)


def _stream(config: Config, stream: Stream, report: Report) -> None:
    place: KeyPath = ("streams", stream.name)
    if stream.schema is None:
        report.warning((*place, "schema"), "is not given: any well-formed JSON or CBOR will be accepted")
    elif (*place, "schema") not in report.refused and _readable((*place, "schema"), stream.schema, report):
        _schema(config, stream, stream.schema, report)
    uplink = config.uplink
    if stream.durability == "memory" and uplink.url is not None:
        message = 'messages answered but not committed yet are lost in a power cut; "fsync" promises delivery'
        report.warning((*place, "durability"), message)
    if uplink.mode != "json" and report.given((*place, "topic")) and uplink.url is not None:
        message = f'is not used: with uplink.mode = "{uplink.mode}" everything goes to uplink.topic'
        report.warning((*place, "topic"), message)
    if uplink.mode == "json" and "{stream}" not in stream.topic and len(config.streams) > 1:
        same = [s.name for s in config.streams.values() if s.topic == stream.topic and s.name != stream.name]
        if same:
            report.warning(
                (*place, "topic"), f"is the topic of stream {same[0]} as well; receivers cannot tell them apart"
            )


def _schema(config: Config, stream: Stream, file: Path, report: Report) -> None:
    path: KeyPath = ("streams", stream.name, "schema")
    try:
        with file.open("rb") as opened:
            data = opened.read(SCHEMA_FILE_MAX + 1)
    except OSError as error:
        report.error(path, f"cannot read {file}: {error.strerror}")
        return
    if len(data) > SCHEMA_FILE_MAX:
        report.error(path, f"{file} is larger than {show_size(SCHEMA_FILE_MAX)}")
        return
    try:
        document = json.loads(data)
    except json.JSONError as error:
        line = data.count(b"\n", 0, error.offset) + 1
        report.in_file(file, "", f"line {line}, byte {error.offset}: not JSON: {error.reason}")
        report.refused.add(path)
        return
    from headgate._accel import Schema, SchemaError

    try:
        Schema(data, unknown="refuse")
    except SchemaError as error:
        report.in_file(file, error.pointer or "/", error.reason)
        report.refused.add(path)
        return
    config.schemas[stream.name] = document


def _cache(config: Config, report: Report) -> None:
    cache = config.cache
    if cache.bytes and cache.value_limit + limits.ENTRY_OVERHEAD > cache.bytes:
        message = f"one value ({show_size(cache.value_limit)}) does not fit in cache.bytes ({show_size(cache.bytes)})"
        report.error(("cache", "value_limit"), message)


def _redis(config: Config, report: Report) -> None:
    redis = config.redis
    if redis.url is None:
        for name in ("username", "password_file", "namespace"):
            if report.given(("redis", name)):
                report.warning(("redis", name), "is not used: there is no redis.url")
    elif not config.cache.bytes:
        report.error(("redis", "url"), "has no first level to work with: cache.bytes is 0")
    if redis.username is not None and redis.password_file is None:
        report.error(("redis", "password_file"), "is needed with username")
    _password(("redis",), redis, report)
    _server_tls(("redis",), redis, report)


def _outbox(config: Config, report: Report) -> None:
    outbox = config.outbox
    if outbox.batch_bytes * 4 > outbox.bytes:
        report.error(("outbox", "batch_bytes"), f"four batches must fit in outbox.bytes ({show_size(outbox.bytes)})")
    for name, stream in config.streams.items():
        if stream.body_limit > outbox.batch_bytes:
            message = f"is larger than one batch (outbox.batch_bytes = {show_size(outbox.batch_bytes)})"
            report.error(("streams", name, "body_limit"), message)


def _uplink(config: Config, report: Report) -> None:
    uplink = config.uplink
    if uplink.url is None:
        report.warning(("uplink", "url"), "is not given: messages are kept until they expire and forwarded nowhere")
    if uplink.mode == "sealed" and uplink.seal_to is None:
        report.error(("uplink", "seal_to"), 'is needed for mode = "sealed": the receiver\'s public key')
    if uplink.mode != "sealed" and uplink.seal_to is not None:
        report.warning(("uplink", "seal_to"), f'is not used with mode = "{uplink.mode}"', 'mode = "sealed"')
    if uplink.mode == "json" and report.given(("uplink", "topic")):
        report.warning(("uplink", "topic"), 'is not used with mode = "json": each stream has its own topic')
    if uplink.password_file is not None and uplink.username is None:
        report.error(("uplink", "username"), "is needed with password_file")
    if uplink.password_file is None and uplink.username is not None:
        report.warning(("uplink", "username"), "has no password_file: the broker must accept the name alone")
    _password(("uplink",), uplink, report)
    _server_tls(("uplink",), uplink, report)


def _password(place: KeyPath, server: Uplink | Redis, report: Report) -> None:
    if server.password_file is None:
        return
    _secret((*place, "password_file"), server.password_file, report)
    if server.url is not None and not server.url.tls:
        secure = server.url.schemes[True]
        message = f"sends the password in clear; use {secure}:// outside a trusted network"
        report.warning((*place, "url"), message)


def _server_tls(place: KeyPath, server: Uplink | Redis, report: Report) -> None:
    files = {"ca_file": server.ca_file, "cert_file": server.cert_file, "key_file": server.key_file}
    if server.url is not None and not server.url.tls:
        for key, file in files.items():
            if file is not None:
                message = f"needs TLS: {place[0]}.url must start with {server.url.schemes[True]}://"
                report.error((*place, key), message)
    if server.ca_file is not None:
        _readable((*place, "ca_file"), server.ca_file, report)
    if (server.cert_file is None) != (server.key_file is None):
        absent = "cert_file" if server.cert_file is None else "key_file"
        report.error((*place, absent), "is needed: a client certificate and its key go together")
    if server.cert_file is not None:
        _readable((*place, "cert_file"), server.cert_file, report)
    if server.key_file is not None:
        _secret((*place, "key_file"), server.key_file, report)


def _watchdog(config: Config, report: Report) -> None:
    watchdog = config.watchdog
    if watchdog.stall_s >= watchdog.timeout_s:
        message = f"must be shorter than watchdog.timeout ({watchdog.timeout_s} s), or the board resets without a word"
        report.error(("watchdog", "stall"), message)
