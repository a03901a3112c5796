"""The command line of `headgate load URL` -> a load: one operation, at a constant rate or in a closed loop."""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from headgate.core import cbor as core_cbor
from headgate.core import json as core_json
from headgate.errors import USAGE, CommandError
from headgate.linux.config_values import Context, Kind, ValueOf, duration
from headgate_host.load import budgets, devices
from headgate_host.load.agents import shard
from headgate_host.load.engine import Plan
from headgate_host.load.load import CONNECTIONS, CONNECTIONS_MAX, TIMEOUT_S, Load
from headgate_host.load.mqtt_fleet import Login
from headgate_host.load.mqtt_wire import V5, V311
from headgate_host.load.operation import ACKNOWLEDGED, ANY_SUCCESS, HTTP, MQTT, Expect, Operation, Request
from headgate_host.load.phases import Schedule, hold
from headgate_host.load.target import Target

DAY_MS = 86_400_000
RATE_MAX = 1_000_000
BATCH_MAX = 10_000  # records
BODY_MAX = 16_777_216  # bytes of a file for --body
DEVICE, NUMBER = "{device}", "{n}"  # what is filled in, in path and body
_LENGTH = duration(1, 30 * DAY_MS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those that say what is sent; all verbs of `load` that send something have them."""
    add = parser.add_argument
    add("--method", metavar="NAME", help="default: GET, or POST with a body")
    add("--header", metavar="'NAME: VALUE'", action="append", default=[], help="may be repeated")
    add("--body", metavar="TEXT|@FILE", help="what is sent; {device} and {n} become its device and a running number")
    add("--batch", metavar="N", type=int, default=0, help="so many bodies in each request, as NDJSON")
    add("--cbor", action="store_true", help="send the JSON body as CBOR")
    add("--expect", metavar="STATUS", type=int, action="append", default=[], help="right answers (default: 2xx)")
    add("--qos", type=int, choices=(0, 1), default=1, help="MQTT: quality of service (default: 1)")
    add("--devices", metavar="N", type=int, default=1, help="simulated devices, in turn (default: 1)")
    add("--connections", metavar="N", type=int, default=CONNECTIONS, help="HTTP, for all devices (default: 64)")
    add("--timeout", metavar="TIME", default=f"{TIMEOUT_S:g} s", help="longer is no answer (default: 10 s)")
    add("--mqtt", choices=("5", "3.1.1"), default="5", help="version of MQTT (default: 5)")
    add("--username", metavar="NAME", help="MQTT: of all devices (default with a password: the device's name)")
    add("--password-file", metavar="FILE", type=Path, help="MQTT: of all devices (default: the device's token, if any)")
    add(
        "--metrics",
        metavar="URL",
        help="figures of the device, Prometheus format (default: TARGET/metrics, if Headgate)",
    )
    add("--no-metrics", action="store_true", help="do not try")
    add("--shard", default="0/1", help=argparse.SUPPRESS)  # of an agent: which requests are its own
    add("--start-at", metavar="UNIX", type=float, default=0.0, help=argparse.SUPPRESS)
    add("--pid", metavar="PID", type=int, help="the device is this process on this machine")
    add_target_arguments(parser)


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """How to be let in."""
    add = parser.add_argument
    add("--ca-file", metavar="FILE", type=Path, help="CA certificates of the target (default: the system's)")
    add("--insecure", action="store_true", help="do not check the target's certificate")
    tokens = parser.add_argument_group("tokens", "minted here for each device when one of these is given")
    tokens.add_argument("--config", metavar="FILE", help="the appliance's configuration, with a key within reach")
    tokens.add_argument("--state", metavar="DIR", help="its state directory, where its keys are")
    tokens.add_argument("--issuer", metavar="NAME", help="whose key signs")
    tokens.add_argument("--key", metavar="FILE", help="private key to sign with")
    tokens.add_argument("--scope", metavar="ACTION:NAME", action="append", help=f"default: {' '.join(devices.SCOPES)}")


def seconds(option: str, text: str) -> float:
    return int(str(_read(option, text, _LENGTH))) / 1000


def rate(text: str) -> float:
    """Per second: 500, 500/s, 30/min."""
    number, slash, period = text.partition("/")
    periods = {"": 1.0, "s": 1.0, "min": 60.0}
    try:
        value = float(number) / periods[period.strip() if slash else ""]
    except (ValueError, KeyError):
        value = 0.0
    if not 0 < value <= RATE_MAX:
        raise CommandError(
            USAGE, f"--rate {text!r} is no rate up to {RATE_MAX}/s", "For instance --rate 500, or 30/min"
        )
    return value


def _read(option: str, text: str, kind: Kind) -> object:
    try:
        return kind.read(text, Context(Path(), Path()))
    except ValueOf as error:
        raise CommandError(USAGE, f"{option} {text!r} {error.message}", error.suggestion) from None


def load_of(args: argparse.Namespace, url: str) -> Load:
    """Raises CommandError(USAGE)."""
    target = Target.parse(url, args.ca_file, insecure=args.insecure)
    protocol = MQTT if target.scheme.startswith(MQTT) else HTTP
    number, agents = shard(args.shard)
    requests = Requests(args, target, protocol, number, agents)
    length = seconds("--for", args.length)
    warm_up = seconds("--warm-up", args.warm_up) if args.warm_up else 0.0
    if not 1 <= args.connections <= CONNECTIONS_MAX or not 0 <= args.closed <= CONNECTIONS_MAX:
        raise CommandError(USAGE, f"--connections and --closed go up to {CONNECTIONS_MAX}")
    plan = Plan(iter(requests), length + warm_up, closed=args.closed, measured_from=warm_up)
    if not args.closed:
        if args.rate is None:
            raise CommandError(USAGE, "how much? --rate is missing", "For instance --rate 500, or --closed 64")
        all_of_them = rate(args.rate)
        plan.due = (due + number / all_of_them for due in Schedule([hold(all_of_them / agents, plan.seconds)]).due())
    elif protocol == MQTT:
        raise CommandError(USAGE, "there is no closed loop of MQTT", "Use --rate")
    elif args.rate is not None:
        raise CommandError(USAGE, "--rate and --closed exclude each other", "A closed loop is as fast as the target")
    tokens = tokens_of(args)
    return Load(
        {protocol: target},
        plan,
        devices=args.devices,
        tokens=tokens,
        login=_login(args, tokens),
        connections=args.connections,
        timeout_s=seconds("--timeout", args.timeout),
        budgets=[_budget(text, requests.operation.name) for text in args.budget],
        reads_bodies=bool(args.batch),
        start_at_s=args.start_at,
        try_metrics=not args.no_metrics,
        metrics_url=args.metrics,
        device_pid=args.pid,
        described=_described(args, target),
    )


def _budget(text: str, operation: str) -> budgets.Budget:
    try:
        return budgets.parse(text, [operation])
    except ValueOf as error:
        hint = f"For instance --budget '{error.suggestion or 'p99 < 8 ms'}'"
        raise CommandError(USAGE, f"--budget {text!r}: {error.message}", hint) from None


def tokens_of(args: argparse.Namespace) -> devices.Tokens | None:
    if not (args.config or args.state or args.key or args.issuer):
        return None
    scopes = tuple(args.scope or devices.SCOPES)
    return devices.Issuing(args.config, args.state, args.issuer, args.key, scopes).tokens()


def _login(args: argparse.Namespace, tokens: devices.Tokens | None) -> Login:
    version = V5 if args.mqtt == "5" else V311
    if args.password_file is None:
        return Login(devices.name_of, tokens, args.username, version)
    password = _body(f"@{args.password_file}").decode("utf-8", "replace").rstrip("\r\n")
    return Login(devices.name_of, lambda _: password, args.username, version)


def _described(args: argparse.Namespace, target: Target) -> dict[str, object]:
    names = ("rate", "length", "warm_up", "closed", "devices", "connections", "timeout", "batch", "cbor", "qos")
    return {"url": target.url, **{name: getattr(args, name) for name in names}}


class Requests:
    """The same operation again and again, by one device after the other."""

    def __init__(self, args: argparse.Namespace, target: Target, protocol: str, first: int = 0, step: int = 1) -> None:
        """Of the numbers, `first` and every `step`th from there."""
        self._first, self._step = first, step
        self._devices = devices.checked(args.devices)
        self._batch, self._cbor = args.batch, args.cbor
        if not 0 <= self._batch <= BATCH_MAX or (self._batch and self._cbor):
            raise CommandError(USAGE, f"--batch is up to {BATCH_MAX} records of JSON")
        self._body = _body(args.body)
        self._target = target.path if protocol == HTTP else unquote(target.path.removeprefix("/"))
        if protocol == MQTT and not self._target:
            raise CommandError(USAGE, "which topic?", "Write mqtt://HOST/TOPIC, with {device} in it if you like")
        method = args.method or ("POST" if args.body is not None else "GET")
        if not method.isascii() or not method.isalpha():
            raise CommandError(USAGE, f"--method {method!r} is no method")
        name = "publish" if protocol == MQTT else method.upper()
        self.operation = Operation(name, protocol, method.upper(), self._headers(args.header), qos=args.qos)
        statuses = tuple(args.expect) or ANY_SUCCESS.statuses
        lines = (202,) * self._batch if self._batch and not args.expect else ()
        self._expect = Expect(statuses, lines=lines) if protocol == HTTP else ACKNOWLEDGED
        self._numbered = any(NUMBER in text for text in (_unescaped(self._target), self._body.decode("latin-1")))

    def _headers(self, given: list[str]) -> dict[str, str]:
        headers = {}
        for text in given:
            name, colon, value = text.partition(":")
            if not colon or not name.strip() or any(c in text for c in "\r\n") or not text.isascii():
                raise CommandError(USAGE, f"--header {text!r} is no header", "For instance --header 'Accept: */*'")
            headers[name.strip()] = value.strip()
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
        if self._cbor:
            try:
                return core_cbor.dumps(core_json.loads(bodies[0]))
            except core_json.JSONError as error:
                raise CommandError(USAGE, f"--cbor: the body is not JSON: {error}") from None
        return b"".join(body.replace(b"\n", b" ") + b"\n" for body in bodies) if self._batch else bodies[0]


def _unescaped(target: str) -> str:
    return target.replace("%7B", "{").replace("%7D", "}") if "%7B" in target else target


def _filled(target: str, device: str, number: int) -> str:
    return _unescaped(target).replace(DEVICE, device).replace(NUMBER, str(number))


def _filled_bytes(text: bytes, device: str, number: int) -> bytes:
    if b"{" not in text:
        return text
    return text.replace(DEVICE.encode(), device.encode()).replace(NUMBER.encode(), b"%d" % number)


def _body(given: str | None) -> bytes:
    if given is None or not given.startswith("@"):
        return (given or "").encode()
    path = Path(given[1:])
    try:
        with path.open("rb") as stream:
            data = stream.read(BODY_MAX + 1)
    except OSError as error:
        raise CommandError(USAGE, f"cannot read {path}: {error.strerror}", "--body @FILE") from None
    if len(data) > BODY_MAX:
        raise CommandError(USAGE, f"{path} is larger than {BODY_MAX} bytes")
    return data
