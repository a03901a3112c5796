"""The command line of `headgate load URL` -> a load: one operation, at a constant rate or in a closed loop."""

import argparse
from itertools import islice
from pathlib import Path

from headgate.errors import USAGE, CommandError
from headgate.linux.config_values import Context, Kind, ValueOf, duration
from headgate_host.load import agents, budgets, device_sources, devices, http2
from headgate_host.load.engine import Plan
from headgate_host.load.http2 import STREAMS, STREAMS_MAX
from headgate_host.load.load import CONNECTIONS, CONNECTIONS_MAX, TIMEOUT_S, Load
from headgate_host.load.mqtt_fleet import Login
from headgate_host.load.mqtt_wire import V5, V311, is_text
from headgate_host.load.operation import GRPC, HTTP, HTTP2, MQTT
from headgate_host.load.phases import Schedule, hold
from headgate_host.load.repeated import Requests, body_of
from headgate_host.load.target import Target

DAY_MS = 86_400_000
RATE_MAX = 1_000_000
_LENGTH = duration(1, 30 * DAY_MS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those that say what is sent; all verbs of `load` that send something have them."""
    add = parser.add_argument
    add("--method", metavar="NAME", help="default: GET, or POST with a body")
    add("--header", metavar="'NAME: VALUE'", action="append", default=[], help="may be repeated")
    add("--body", metavar="TEXT|@FILE", help="what is sent; {device} and {n} become its device and a running number")
    add("--batch", metavar="N", type=int, default=0, help="so many bodies in each request, as NDJSON")
    add("--cbor", action="store_true", help="send the JSON body as CBOR")
    add(
        "--expect",
        metavar="STATUS",
        type=int,
        action="append",
        default=[],
        help="right answers (default: 2xx; gRPC: 0)",
    )
    add("--http2", action="store_true", help="HTTP/2: with prior knowledge, or over TLS")
    add("--grpc", metavar="CALL", help="a unary call, package.Service/Method; --body is the message")
    add("--proto", metavar="FILE", type=Path, help="gRPC: the call's .proto file; --body is JSON then")
    add(
        "--streams", metavar="N", type=int, default=STREAMS,
        help="HTTP/2 and gRPC: requests at a time on a connection (default: %(default)s)",
    )  # fmt: skip
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
    device_sources.add_arguments(parser)
    agents.add_share(parser)
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
    protocol = _protocol(args, target)
    number, count = agents.shard(args.shard)
    requests = Requests(args, target, protocol, number, count)
    length = seconds("--for", args.length)
    warm_up = seconds("--warm-up", args.warm_up) if args.warm_up else 0.0
    if not 1 <= args.connections <= CONNECTIONS_MAX or not 0 <= args.closed <= CONNECTIONS_MAX:
        raise CommandError(USAGE, f"--connections and --closed go up to {CONNECTIONS_MAX}")
    plan = Plan(iter(requests), length + warm_up, closed=args.closed, measured_from=warm_up)
    if not args.closed:
        if args.rate is None:
            raise CommandError(USAGE, "how much? --rate is missing", "For instance --rate 500, or --closed 64")
        plan.due = islice(Schedule([hold(rate(args.rate), plan.seconds)]).due(), number, None, count)
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
        streams=args.streams,
        timeout_s=seconds("--timeout", args.timeout),
        budgets=[_budget(text, requests.operation.name) for text in args.budget],
        reads_bodies=bool(args.batch),
        start_at_s=args.start_at,
        leashed=args.leash,
        device=device_sources.Wanted.of(args, args.metrics),
        described=_described(args, target),
    )


def _protocol(args: argparse.Namespace, target: Target) -> str:
    if not 1 <= args.streams <= STREAMS_MAX:
        raise CommandError(USAGE, f"--streams is 1 to {STREAMS_MAX}")
    if target.scheme.startswith(MQTT):
        if args.http2 or args.grpc:
            raise CommandError(USAGE, "--http2 and --grpc go with an http:// or https:// URL")
        return MQTT
    if args.proto is not None and not args.grpc:
        raise CommandError(USAGE, "--proto belongs to --grpc", "For instance --grpc package.Service/Method")
    if args.http2 or args.grpc:
        http2.check()
    return GRPC if args.grpc else HTTP2 if args.http2 else HTTP


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
    if not is_text(args.username or ""):
        raise CommandError(USAGE, "--username is too long, or holds what is no text")
    if args.password_file is None:
        return Login(devices.name_of, tokens, args.username, version)
    password = body_of(f"@{args.password_file}").decode("utf-8", "replace").rstrip("\r\n")
    if not is_text(password):
        raise CommandError(USAGE, f"{args.password_file} holds no password: it is too long, or no text")
    return Login(devices.name_of, lambda _: password, args.username, version)


def _described(args: argparse.Namespace, target: Target) -> dict[str, object]:
    names = (
        "rate",
        "length",
        "warm_up",
        "closed",
        "devices",
        "connections",
        "timeout",
        "batch",
        "cbor",
        "qos",
        "http2",
        "grpc",
        "streams",
    )
    return {"url": target.url, **{name: getattr(args, name) for name in names}}
