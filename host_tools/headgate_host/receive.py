"""`headgate receive`: the other end of the uplink."""

import argparse
import asyncio
import json
import math
import secrets
import signal
import sys
import unicodedata
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from headgate.errors import FINDING, INTERRUPTED, MISSING, NETWORK, OK, USAGE, CommandError
from headgate.linux.mqtt import REASONS, REFUSED_FROM, Broker, BrokerError, Link
from headgate_host.receive_decode import Undecodable, decode_publish
from headgate_host.receive_output import Database, Lines, Output, Stuck

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

HELP = "Receive what appliances forward: open seals, decompress, remove replays, print or store."
EPILOG = """\
examples
  headgate receive --url mqtt://broker.example            print every message, one JSON line each
  headgate receive --sqlite weather.db --client-id cellar store them; nothing is missed over a restart
  headgate receive --seal-key keys/seal.key               open sealed batches
  headgate receive --share loaders --client-id loader-1   one of several that share the work

what is guaranteed
  Messages arrive at least once; replays (same id) are removed. With --sqlite a message is acknowledged to the broker
  after its commit, and replays are known by the table: each message is stored exactly once. Without it a line is
  acknowledged when the operating system has it, and replays are known only while the process runs. With --share, each
  member knows its own messages: a replay can reach another one (with --sqlite on one file they know each other's).
  Only with --client-id does the broker keep messages while nobody receives.

exit codes
  0 done, or stopped by SIGTERM   2 wrong command line   4 a file is missing, or what is printed is not taken
  5 the broker cannot be reached or refuses   6 the database cannot be used
  7 --idle passed before --count messages came   130 interrupted
"""
_AT_ONCE = 200  # PUBLISH packets taken before they are acknowledged
_SHORT_SESSION_S = 300  # without --client-id: long enough for a reconnect
_LONG_SESSION_S = 7 * 86400
_RETRY_S, _RETRY_MAX_S = 1.0, 30.0
_LAST_TWO = 0xFFFE  # of each plane of Unicode: no characters
_TEXT_MAX = 30_000  # bytes; a text of MQTT has at most 65,535, and a group stands before its topic
_RETAIN_NEVER = 2  # MQTT 5 section 3.8.3.1: no retained messages, please


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--url",
        default="mqtt://127.0.0.1:1883",
        help="the broker: mqtt://HOST[:PORT] or mqtts:// (default %(default)s)",
    )
    add("--topic", default="headgate/#", help="what to subscribe to (default %(default)s)")
    add("--share", metavar="GROUP", help="shared subscription: the members of a group divide the messages")
    add("--client-id", metavar="ID", help="keep a session under this name: the broker stores what comes meanwhile")
    add("--username", metavar="NAME", help="broker user")
    add("--password-file", metavar="FILE", type=Path, help="file with the password")
    add("--ca-file", metavar="FILE", type=Path, help="CA certificates for mqtts (default: the system's)")
    add("--cert-file", metavar="FILE", type=Path, help="client certificate, with --key-file")
    add("--key-file", metavar="FILE", type=Path, help="its private key")
    add("--seal-key", metavar="FILE", type=Path, help="private key for sealed batches (headgate keys init --seal)")
    add("--sqlite", metavar="FILE", type=Path, help="append to this database instead of printing")
    add("--count", metavar="N", type=int, default=0, help="end after N messages")
    add("--idle", metavar="SECONDS", type=float, default=0, help="end when nothing came for so long")
    add("--json", action="store_true", help="a summary in JSON on standard error at the end")


@dataclass(slots=True)
class Counts:
    """`packets`: PUBLISHes; `messages`: printed or stored; `replays`: removed; `reconnects`: after the first time."""

    packets: int = 0
    messages: int = 0
    replays: int = 0
    undecodable: int = 0
    reconnects: int = 0


def main(args: argparse.Namespace) -> int:
    if args.count < 0 or not 0 <= args.idle < math.inf:
        raise CommandError(USAGE, "--count and --idle cannot be negative, and are numbers")
    _check_names(args)
    seal_key = None
    if args.seal_key is not None:
        from headgate.linux.keys import load_private

        seal_key = load_private(args.seal_key)
    output: Output = Database(args.sqlite) if args.sqlite is not None else Lines()
    receiver = Receiver(args, output, seal_key)
    try:
        return asyncio.run(receiver.run())
    finally:
        output.close()
        _summary(receiver.counts, as_json=args.json)


def _check_names(args: argparse.Namespace) -> None:
    """MQTT 5 sections 1.5.4, 4.7.1 and 4.8.2: what no broker could make sense of."""
    levels = args.topic.split("/")
    alone = all(level in ("+", "#") or not {"+", "#"} & set(level) for level in levels)
    if not args.topic or not alone or "#" in levels[:-1]:
        raise CommandError(
            USAGE, f"--topic {args.topic!r} is no topic filter", "For instance headgate/# or site/+/batch"
        )
    if args.share and {"/", "+", "#"} & set(args.share):
        raise CommandError(USAGE, f"--share {args.share!r} is no name of a group", "Without / + #, such as loaders")
    for option in ("topic", "share", "client_id", "username"):
        text = getattr(args, option) or ""
        if not _is_text(text) or len(text.encode()) > _TEXT_MAX:
            raise CommandError(USAGE, f"--{option.replace('_', '-')} is too long, or holds what is no text")


def _is_text(text: str) -> bool:
    """MQTT 5 section 1.5.4: no surrogates and no U+0000; brokers may refuse control and non-characters as well."""
    return not any(
        unicodedata.category(one) in ("Cc", "Cs") or "\ufdd0" <= one <= "\ufdef" or ord(one) & 0xFFFF >= _LAST_TWO
        for one in text
    )


def _summary(counts: Counts, *, as_json: bool) -> None:
    if as_json:
        names = Counts.__slots__
        print(json.dumps({name: getattr(counts, name) for name in names}), file=sys.stderr, flush=True)
    else:
        text = f"{counts.messages} messages, {counts.replays} replays removed, {counts.undecodable} undecodable"
        print(text, file=sys.stderr, flush=True)


def broker_of(args: argparse.Namespace) -> Broker:
    """Raises CommandError: USAGE, or MISSING for a file that cannot be read."""
    try:
        parts = urlsplit(args.url)
        port = parts.port
    except ValueError:  # of a port, or of brackets that do not close
        parts, port = urlsplit(""), None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port == 0 or parts.path not in ("", "/"):
        raise CommandError(USAGE, f"not a broker: {args.url!r}", "Write mqtt://HOST:PORT or mqtts://HOST:PORT")
    if parts.username or parts.password:
        raise CommandError(USAGE, "user and password do not belong in --url", "Use --username and --password-file")
    if (args.cert_file is None) != (args.key_file is None):
        raise CommandError(USAGE, "--cert-file and --key-file belong together")
    for name in ("password_file", "ca_file", "cert_file", "key_file"):
        file: Path | None = getattr(args, name)
        try:
            if file is not None:
                file.open("rb").close()
        except OSError as error:
            option = name.replace("_", "-")
            raise CommandError(MISSING, f"cannot read {file}: {error.strerror}", f"See --{option}") from None
    tls = parts.scheme == "mqtts"
    return Broker(
        host=parts.hostname,
        port=port or (8883 if tls else 1883),
        tls=tls,
        username=args.username,
        password_file=args.password_file,
        ca_file=args.ca_file,
        cert_file=args.cert_file,
        key_file=args.key_file,
        session_expiry_s=_LONG_SESSION_S if args.client_id else _SHORT_SESSION_S,
    )


class Receiver:
    def __init__(self, args: argparse.Namespace, output: Output, seal_key: bytes | None) -> None:
        self.counts = Counts()
        self._broker = broker_of(args)
        self._client_id = args.client_id or f"headgate-receive-{secrets.token_hex(6)}"
        self._topic = f"$share/{args.share}/{args.topic}" if args.share else args.topic
        self._wanted = args.count
        self._idle_s = args.idle or None
        self._output = output
        self._seal_key = seal_key
        self._subscribed = False  # ever
        self._queue: deque[MQTTMessage] = deque()

    async def run(self) -> int:
        """-> exit code. Raises CommandError: no first connection, refused subscription, no key, no disk."""
        self._stop: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._arrived = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number, code in ((signal.SIGTERM, OK), (signal.SIGINT, INTERRUPTED)):
            loop.add_signal_handler(number, self._end, code)
            # As well: the loop hears nothing while something is written.
            signal.signal(number, lambda *_: self._output.hurry())
        try:
            return await self._receive()
        except Stuck:
            return await self._stop

    async def _receive(self) -> int:
        retry_s = _RETRY_S
        while True:
            link: Link | None = None
            try:
                link = Link(self._broker, self._client_id, on_message=self._on_message, receive_maximum=_AT_ONCE)
                if not await self._unless_stopped(self._connect(link)):
                    return self._stop.result()
                retry_s = _RETRY_S
                return await self._consume(link)
            except BrokerError as error:
                if not self._subscribed:
                    cause = f"no connection to {self._broker.host}:{self._broker.port}: {error}"
                    raise CommandError(NETWORK, cause, "Is the broker running there? See --url") from None
                print(f"connection lost ({error}); trying again", file=sys.stderr, flush=True)
            finally:
                if link is not None:
                    await link.close()
            self._queue.clear()  # not acknowledged: they come again
            self.counts.reconnects += 1
            await asyncio.wait([self._stop], timeout=retry_s)
            if self._stop.done():
                return self._stop.result()
            retry_s = min(retry_s * 2, _RETRY_MAX_S)

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """False when it was stopped meanwhile: a broker may take its time, whoever stops it has none."""
        task = asyncio.create_task(work)
        ends: set[asyncio.Future[Any]] = {task, self._stop}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return False
        return True

    async def _connect(self, link: Link) -> None:
        await link.open()
        await self._subscribe(link)

    async def _subscribe(self, link: Link) -> None:
        from paho.mqtt.subscribeoptions import SubscribeOptions

        options = SubscribeOptions(qos=1, retainHandling=_RETAIN_NEVER)
        code = await link.subscribe_to(self._topic, options)
        if code >= REFUSED_FROM:
            reason = REASONS.get(code, "refused")
            raise CommandError(NETWORK, f"subscription to {self._topic} refused: {reason} (0x{code:02x})")
        self._subscribed = True
        where = f"{self._broker.host}:{self._broker.port}"
        print(f"subscribed to {self._topic} at {where} as {self._client_id}", file=sys.stderr, flush=True)

    def _end(self, code: int) -> None:
        if not self._stop.done():
            self._stop.set_result(code)

    def _on_message(self, message: "MQTTMessage") -> None:
        self._queue.append(message)
        self._arrived.set()

    async def _consume(self, link: Link) -> int:
        while True:
            arrived = asyncio.create_task(self._arrived.wait())
            ends: set[asyncio.Future[Any]] = {arrived, link.lost, self._stop}
            try:
                done, _ = await asyncio.wait(ends, timeout=self._idle_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                arrived.cancel()
            if self._queue:
                self._arrived.clear()
                self._take(link)
            if self._wanted and self.counts.messages >= self._wanted:
                return OK
            if self._stop.done():
                return self._stop.result()
            if link.lost.done():
                raise link.lost.result()
            if not done:
                return FINDING if self._wanted else OK

    def _take(self, link: Link) -> None:
        """All that has arrived, in one flush; then the acknowledgements, in the order of arrival."""
        finished = []
        while self._queue and not (self._wanted and self.counts.messages >= self._wanted):
            message = self._queue.popleft()
            if not self._one(message):
                break  # --count is reached within it: not acknowledged, it comes again next time
            finished.append(message)
        self._output.flush()
        for message in finished:
            link.acknowledge(message)

    def _one(self, message: "MQTTMessage") -> bool:
        self.counts.packets += 1
        try:
            received = decode_publish(bytes(message.payload), message.properties, self._seal_key)
        except Undecodable as error:
            self.counts.undecodable += 1
            self._output.add_undecodable(_topic_of(message), bytes(message.payload), str(error))
            return True
        for number, item in enumerate(received, 1):
            if self._output.add(item):
                self.counts.messages += 1
                if self._wanted and self.counts.messages >= self._wanted:
                    return number == len(received)
            else:
                self.counts.replays += 1
        return True


def _topic_of(message: "MQTTMessage") -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        return repr(message._topic)
