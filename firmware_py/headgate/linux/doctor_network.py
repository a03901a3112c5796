"""Doctor's look at the network: are the addresses free (or ours), do the broker and the cache's second level answer and
let us in?"""

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from headgate.linux.config_rules import Config
from headgate.linux.config_values import Address, BrokerURL
from headgate.linux.doctor_machine import FAIL, OK, WARN, Check
from headgate.linux.listener import listening_sockets

TIMEOUT_S = 5.0
ANSWER_MAX = 16384  # bytes read of whatever answers on our port


def network_checks(config: Config) -> Iterator[Check]:
    """The listen addresses, the broker and the cache's second level."""
    for address in config.listen.http:
        yield listening(address, tls=False)
    for address in config.listen.https:
        yield listening(address, tls=True)
    for address in config.listen.mqtt:
        yield listening(address, tls=False, mqtt=True)
    for address in config.listen.mqtts:
        yield listening(address, tls=True)
    uplink = config.uplink
    if uplink.url is None:
        yield Check("broker", WARN, "no uplink.url", "messages are kept until they expire and forwarded nowhere")
    else:
        check = reachable(uplink.url)
        yield check
        if check.status == OK:
            yield asyncio.run(login(config))
    if config.redis.url is not None:
        yield asyncio.run(shared_cache(config))


def listening(address: Address, *, tls: bool, mqtt: bool = False) -> Check:
    """Free, or taken by an appliance of ours, or by somebody else."""
    name = f"port {address.port}"
    wrong = "'headgate run' will not start"
    try:
        _try_to_listen(address)
    except PermissionError:
        step = "Choose a port from 1024, or grant CAP_NET_BIND_SERVICE"
        return Check(name, FAIL, f"{address} may not be used by this user", wrong, step)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _taken(name, address, tls=tls, mqtt=mqtt)
        return Check(name, FAIL, f"{address}: {_reason(error)}", wrong, "Correct [listen]")
    return Check(name, OK, f"{address} is free")


def _try_to_listen(address: Address) -> None:
    """As 'headgate run' would; raises OSError."""
    for probe in listening_sockets(address.host, address.port):
        probe.close()


def _taken(name: str, address: Address, *, tls: bool, mqtt: bool) -> Check:
    if tls:
        return Check(name, WARN, f"{address} is in use", "by us, if an appliance runs here; TLS is not asked")
    if _answers_as_headgate(address, mqtt=mqtt):
        return Check(name, OK, f"{address} is served by a running Headgate")
    step = f"Find it with: ss -ltnp 'sport = :{address.port}'; or choose another port"
    return Check(name, FAIL, f"{address} is in use by another program", "'headgate run' will not start", step)


def _answers_as_headgate(address: Address, *, mqtt: bool) -> bool:
    """Ask /v1/ for something that does not exist, or to be let in without a token: only Headgate answers with its kind
    of problem."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - compared, not bound
    request = f"GET /v1/doctor HTTP/1.1\r\nHost: {Address(host, address.port)}\r\nConnection: close\r\n\r\n".encode()
    if mqtt:
        request = b"\x10\x13\x00\x04MQTT\x05\x02\x00\x05\x00\x00\x06doctor"  # CONNECT of version 5, clean, no password
    answer = b""
    with suppress(OSError), socket.create_connection((host, address.port), TIMEOUT_S) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.sendall(request)
        while len(answer) < ANSWER_MAX and (part := connection.recv(4096)):
            answer += part
    return (b"missing_token" if mqtt else b"urn:headgate:problem:") in answer


def reachable(url: BrokerURL) -> Check:
    """Can the broker's port be reached over TCP?"""
    try:
        with socket.create_connection((url.host, url.port), TIMEOUT_S):
            pass
    except OSError as error:
        meaning = "messages stay in the outbox until it answers"
        step = (
            "Is the name right? Try: getent hosts" if isinstance(error, socket.gaierror) else "Is the broker running?"
        )
        return Check("broker", FAIL, f"{url}: {_reason(error)}", meaning, step)
    return Check("broker", OK, f"{url} accepts connections")


async def login(config: Config) -> Check:
    """MQTT 5 CONNECT and DISCONNECT, as a guest of its own: our client id would throw out a running appliance."""
    name = "broker login"
    try:
        from headgate.linux.mqtt import BrokerError, Link
        from headgate.linux.uplink import uplink_config
    except ImportError as error:
        return Check(name, WARN, f"not tried: {error}", "", "Type: pip install aiomqtt")
    broker = replace(uplink_config(config).broker, session_expiry_s=0, connect_timeout_s=TIMEOUT_S)
    try:
        link = Link(broker, f"headgate-doctor-{os.getpid()}")
        await link.open()
    except BrokerError as error:
        meaning = "messages stay in the outbox until the broker lets us in"
        return Check(name, FAIL, str(error), meaning, "Check uplink.username, password_file and the TLS files")
    await link.close()
    return Check(name, OK, "MQTT 5 CONNECT accepted")


async def shared_cache(config: Config) -> Check:
    """Log in, ask for a key and set none: what we may do there is found out without leaving anything behind."""
    from headgate.linux.resp import Failure
    from headgate.linux.resp_link import Link, LinkError
    from headgate.linux.second_level import place_of

    name = "second level"
    place = replace(place_of(config), name="headgate-doctor")
    alone = "until it works, the cache is this appliance's own"
    try:
        link = await Link.open(place, lambda push: None)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await link.ask(b"GETRANGE", place.prefix + b"doctor", b"0", b"0")
        finally:
            link.close()
    except (LinkError, TimeoutError) as error:
        step = "Is it running? Check redis.url, username, password_file and the TLS files"
        return Check(name, FAIL, f"{config.redis.url}: {_reason(error)}", alone, step)
    if isinstance(answer, Failure):
        step = "Give its user the commands and keys of docs/cache-fleet.md"
        return Check(name, FAIL, f"{config.redis.url}: {answer.text}", alone, step)
    if not link.tracking:
        found = f"{config.redis.url} does not tell of changes: {link.untold}"
        return Check(name, WARN, found, "what others change is seen here after seconds", "Use Valkey, or Redis from 6")
    return Check(name, OK, f"{config.redis.url} lets us in, and tells of changes")


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:.0f} s"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
