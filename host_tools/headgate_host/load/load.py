"""A load, whoever described it (the command line, a scenario, a search for the limit), run from beginning to result."""

import asyncio
import contextlib
import gc
import resource
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from headgate_host.load import exits, http2, http_native, leash
from headgate_host.load.budgets import ERRORS, Budget, judge
from headgate_host.load.device_sources import TARGET_ITSELF, Wanted, sampler_for
from headgate_host.load.devices import Tokens, mint_all, name_of
from headgate_host.load.engine import Engine, Moment, Plan
from headgate_host.load.http_pool import HttpPool
from headgate_host.load.mqtt_fleet import Fleet, Login
from headgate_host.load.operation import HTTP, MQTT, OF_HTTP
from headgate_host.load.record import Recorder
from headgate_host.load.result import Result, Run
from headgate_host.load.target import Target
from headgate_host.load.transport import Transport

Answer = TypeVar("Answer")
CONNECTIONS = 64
EACH_ITS_NAME = Login(name_of)
CONNECTIONS_MAX = 60_000
TIMEOUT_S = 10.0
GC_THRESHOLD = 100_000  # allocations between two looks for cycles: a pause stands in the latencies


@dataclass
class Load:
    """`targets`: by protocol. `tokens`: of a device, None: nobody has one. `described`: for the result file."""

    targets: dict[str, Target]
    plan: Plan
    devices: int = 1
    tokens: Tokens | None = None
    login: Login = EACH_ITS_NAME  # MQTT
    connections: int = CONNECTIONS
    streams: int = http2.STREAMS  # HTTP/2 and gRPC: requests at a time on each
    timeout_s: float = TIMEOUT_S
    reads_bodies: bool = False  # some answers are judged by their bodies
    budgets: Sequence[Budget] = ()
    device: Wanted = TARGET_ITSELF  # where its figures come from
    start_at_s: float = 0.0  # Unix time of the first due instant, with other generators; 0: as soon as possible
    leashed: bool = False  # ends when its standard input does
    described: dict[str, Any] = field(default_factory=dict)


@dataclass
class Finished:
    result: Result
    notes: list[str]


def _http(load: Load, target: Target, recorder: Recorder) -> Transport:
    connections = load.plan.closed or load.connections
    if http_native.usable(target):
        return http_native.NativeHttp(target, connections=connections, token=load.tokens, timeout_s=load.timeout_s)
    return HttpPool(target, recorder, connections=connections, token=load.tokens, timeout_s=load.timeout_s)


def _http2(load: Load, target: Target) -> Transport:
    connections = load.plan.closed or load.connections
    return http2.Http2(
        target, connections=connections, streams=load.streams, token=load.tokens, timeout_s=load.timeout_s
    )


def quiet_loop(load: Load) -> bool:
    """Whether the loop only prepares what another thread sends, and so has time for other things."""
    return not load.reads_bodies and all(
        protocol != MQTT and (protocol != HTTP or http_native.usable(target))
        for protocol, target in load.targets.items()
    )


def transports(load: Load, recorder: Recorder) -> dict[str, Transport]:
    found: dict[str, Transport] = {}
    for protocol, target in load.targets.items():
        if protocol == HTTP:
            found[protocol] = _http(load, target, recorder)
        elif protocol == MQTT:
            found[protocol] = Fleet(target, recorder, devices=load.devices, login=load.login, timeout_s=load.timeout_s)
        else:
            found[protocol] = _http2(load, target)
    return found


async def run(load: Load, command: Sequence[str] = (), on_moment: Callable[[Moment], None] | None = None) -> Finished:
    """SIGINT ends it early, with a result; a second one at once. Raises Unreachable."""
    allow_descriptors()
    if load.tokens is not None:
        mint_all(load.tokens, load.devices)
    begun = Run.begin(command)
    first = next(iter(load.targets.values()))
    asked = next((load.targets[one] for one in OF_HTTP if one in load.targets), first)
    sampler = await sampler_for(asked, load.device)
    recorder = Recorder()

    def moment(now: Moment) -> None:
        if sampler is not None:
            sampler.ask(now.interval)
            now.device = sampler.latest()
        if on_moment is not None:
            on_moment(now)

    engine = Engine(transports(load, recorder), timeout_s=load.timeout_s, on_moment=moment)

    def at_once() -> None:
        engine.stop()
        engine.stop()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, engine.stop)
    loop.add_signal_handler(signal.SIGTERM, engine.stop)
    try:
        with _few_collections(), leash.watched(loop, at_once) if load.leashed else contextlib.nullcontext():
            ran = await engine.run(load.plan, load.start_at_s)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)
    begun.seconds = ran.seconds
    collected = ran.collected
    result = Result(
        run=begun,
        target={protocol: target.url for protocol, target in load.targets.items()},
        scenario=load.described,
        audit=ran.audit,
        total=ran.total,
        operations=collected.operations,
        series=collected.series,
        slice_s=collected.slices.seconds,
        slices=collected.slices.all(),
        interrupted=ran.interrupted,
    )
    if sampler is not None:
        result.device = await sampler.end(len(collected.series.due))
    judge_all(load, result)
    return Finished(result, ran.notes)


def judge_all(load: Load, result: Result) -> None:
    """Budgets and exit code."""
    result.budgets = [judge(budget, result) for budget in load.budgets]
    errors_have_budget = any(budget.figure == ERRORS for budget in load.budgets)
    result.exit_code = exits.code_of(result, errors_have_budget=errors_have_budget)


def allow_descriptors() -> None:
    """As many connections as the system lets this user have."""
    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def _few_collections() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def on_a_loop(main: Coroutine[Any, Any, Answer]) -> Answer:
    """On uvloop where it is installed."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        from asyncio import new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
