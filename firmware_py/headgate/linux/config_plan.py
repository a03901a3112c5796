"""Config -> the plan document of tasks/plan.py, and what MicroPython could not do with it."""

import os
import stat
from collections.abc import Mapping, Sequence

from headgate import limits
from headgate.core import base64url
from headgate.core.jwt import Key
from headgate.errors import CONFIG, MISSING, CommandError
from headgate.linux import keys
from headgate.linux.config_rules import Config, Issuer, burst_of
from headgate.linux.toml_lines import Path as KeyPath
from headgate.tasks.plan import VERSION

_REVOKED_FILE_MAX = 1 << 20  # bytes
_JTI_MAX = 256  # characters, as in `revoked`


def issuer_keys(issuer: Issuer) -> list[Key]:
    """The keys of one issuer from its files. Raises CommandError for a file that is missing or not a key."""
    found: list[Key] = []
    if issuer.secret_file is not None:
        found.append(keys.load_hs256(issuer.secret_file))
    for file in issuer.public_keys or ():
        found.append(keys.load_eddsa_public(file))
    if issuer.jwks_file is not None:
        found.extend(keys.load_jwks(issuer.jwks_file))
    return found


def revoked_tokens(issuer: Issuer) -> list[str]:
    """The `jti` values of one issuer that are refused, each once. CommandError for a file that cannot be used."""
    found = list(issuer.revoked)
    if issuer.revoked_file is not None:
        next_step = "revoked_file has one jti a line, in UTF-8"
        try:
            descriptor = os.open(issuer.revoked_file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # no wait for a pipe
            with os.fdopen(descriptor, "rb") as file:
                regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
                data = file.read(_REVOKED_FILE_MAX + 1) if regular else b""
        except OSError as error:
            raise CommandError(MISSING, f"cannot read {issuer.revoked_file}: {error.strerror}", next_step) from None
        if not regular:
            raise CommandError(CONFIG, f"{issuer.revoked_file} is not a regular file", next_step)
        if len(data) > _REVOKED_FILE_MAX:
            raise CommandError(CONFIG, f"{issuer.revoked_file} has more than {_REVOKED_FILE_MAX} bytes", next_step)
        try:
            lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
        except UnicodeDecodeError:
            raise CommandError(CONFIG, f"{issuer.revoked_file} is not UTF-8 text", next_step) from None
        for number, line in enumerate(lines, 1):
            if len(line) > _JTI_MAX or not line.isprintable():  # such as the zeros that a power cut leaves
                raise CommandError(CONFIG, f"{issuer.revoked_file}: line {number} is no jti", next_step)
        found += [line for line in lines if line]
    found = list(dict.fromkeys(found))
    if len(found) > limits.REVOKED:
        raise CommandError(
            CONFIG,
            f"issuer {issuer.name} has revoked {len(found)} tokens; {limits.REVOKED} are possible",
            "Leave out those that have expired, or exchange the key",
        )
    return found


def load_keys(config: Config) -> dict[str, list[Key]]:
    """Issuer name -> its keys. Raises CommandError as `issuer_keys` does."""
    return {issuer.name: issuer_keys(issuer) for issuer in config.issuers}


def plan_document(config: Config, issuers_keys: Mapping[str, Sequence[Key]]) -> dict[str, object]:
    """The document that `headgate.tasks.plan.build` takes. `issuers_keys`: issuer name -> keys, as from
    `load_keys`.

    The result holds secrets. An issuer without keys is left out: its tokens get 401, as any unknown issuer's. Raises
    CommandError as `revoked_tokens` does.
    """
    return {
        "v": VERSION,
        "appliance": config.appliance_id,
        "issuers": [
            _issuer(issuer, issuers_keys[issuer.name]) for issuer in config.issuers if issuers_keys.get(issuer.name)
        ],
        "streams": {name: _stream(config, name) for name in config.streams},
        "cache": {
            "bytes": config.cache.bytes,
            "value_limit": config.cache.value_limit,
            "entries": config.cache.entries,
            "rate_milli": config.cache.rate_milli,
            "burst": burst_of(config.cache),
        },
        "limits": {
            "connections": config.listen.connections,
            "idle_ms": config.listen.idle_ms,
            "head_ms": config.listen.head_ms,
            "body_ms": config.listen.body_ms,
        },
        "certificate_scopes": list(config.listen.tls_client_scopes) if config.listen.client_auth != "none" else [],
        "metrics": config.listen.metrics,
    }


def _issuer(issuer: Issuer, found: Sequence[Key]) -> dict[str, object]:
    return {
        "name": issuer.name,
        "audience": issuer.audience,
        "clock_policy": issuer.clock_policy,
        "leeway_s": issuer.leeway_s,
        "max_ttl_s": issuer.max_ttl_s,
        "revoked": revoked_tokens(issuer),
        "keys": [{"kid": key.kid, "alg": key.alg, "k": base64url.encode(key.secret).decode()} for key in found],
    }


def _stream(config: Config, name: str) -> dict[str, object]:
    stream = config.streams[name]
    return {
        "schema": config.schemas.get(name),
        "rate_milli": stream.rate_milli,
        "burst": burst_of(stream),
        "body_limit": stream.body_limit,
        "durability": stream.durability,
        "cache_key": stream.cache_key or "",
        "topic": stream.topic,
        "last_ttl_ms": stream.last_ttl_ms,
    }


def micro_problems(config: Config, issuers_keys: Mapping[str, Sequence[Key]]) -> list[tuple[KeyPath, str]]:
    """(path of the key, reason) for everything in a configuration that MicroPython cannot do."""
    problems: list[tuple[KeyPath, str]] = []
    if not config.appliance_id:
        problems.append((("appliance", "id"), "is needed: a MicroPython board has no name of its own"))
    for number, issuer in enumerate(config.issuers):
        if issuer.public_keys or any(key.alg != "HS256" for key in issuers_keys.get(issuer.name, ())):
            source = "public_keys" if issuer.public_keys else "jwks_file"
            reason = "EdDSA is not available on MicroPython; use HS256 (secret_file)"
            problems.append((("issuer", number, source), reason))
    for name, stream in config.streams.items():
        if stream.durability != "memory":
            reason = 'there is no outbox on MicroPython; set durability = "memory" (only the last value is kept)'
            problems.append((("streams", name, "durability"), reason))
    listen, uplink = config.listen, config.uplink
    absent: tuple[tuple[bool, KeyPath, str], ...] = (
        (bool(config.cache.snapshot_ms), ("cache", "snapshot"), "there is no disk on MicroPython"),
        (config.redis.url is not None, ("redis", "url"), "the cache has one level on MicroPython"),
        (len(listen.http) > 1, ("listen", "http"), "MicroPython listens on one address; name one"),
        (
            bool(listen.https),
            ("listen", "https"),
            "TLS on MicroPython is set up by hand (docs/micropython.md); listen on http",
        ),
        (listen.http2, ("listen", "http2"), "HTTP/2 is not served on MicroPython"),
        (bool(listen.mqtt), ("listen", "mqtt"), "MQTT is not served on MicroPython"),
        (bool(listen.mqtts), ("listen", "mqtts"), "MQTT is not served on MicroPython"),
        (uplink.url is not None, ("uplink", "url"), "there is no uplink on MicroPython"),
        (uplink.mode == "sealed", ("uplink", "mode"), "sealed batches are not available on MicroPython"),
    )
    for given, path, reason in absent:
        if given:
            problems.append((path, reason if ";" in reason else f"{reason}; leave it out"))
    return problems
