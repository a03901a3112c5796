"""The rows that measure CPU time for one request: who takes part, under which load; servers take turns."""

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from . import grpc_calls, load, messages, process, servers, verdicts
from .build import say
from .load import Outcome
from .servers import Running

ACCEPTED, FOUND = 202, 200
TOLERATED = 0.01  # share of answers that were not what was asked for, beyond which a figure is worth nothing
FIXED_RATE = 1000  # requests per second
PIPELINED = 16


def _stream(stream: str = "telemetry", **options: Any) -> "Callable[[Running, float], Outcome]":
    def run(running: Running, seconds: float) -> Outcome:
        file = running.site.material.stream_file(stream, close=bool(options.get("close")))
        return load.ours(running.port, seconds, file, ACCEPTED, **options)

    return run


def _ingest_wrk(running: Running, seconds: float) -> Outcome:
    return load.wrk(f"http://127.0.0.1:{running.port}/", seconds, running.site.material.stream_file("telemetry"))


def _ingest_tls(running: Running, seconds: float) -> Outcome:
    return load.wrk(f"https://127.0.0.1:{running.tls_port}/", seconds, running.site.material.stream_file("telemetry"))


def _validate(running: Running, seconds: float) -> Outcome:
    return load.ours(running.port, seconds, running.site.material.file("validate.requests"), FOUND)


def _put(running: Running, seconds: float) -> Outcome:
    """The same value again and again; what a server answers to that is its own business, if it is 2xx."""
    material = running.site.material
    if running.server.name == servers.ARTICLE_CACHE:
        url = f"http://127.0.0.1:{running.port}/v1/cache/{messages.CACHE_KEY}"
        return load.h2load(url, seconds, material.tokens[0], put=material.file("value"))
    if running.server.name == servers.REDIS:
        return load.ours(running.port, seconds, material.file("redis-set.requests"), FOUND, redis=True)
    return load.wrk(f"http://127.0.0.1:{running.port}/", seconds, material.file("put.requests"))


def _durable(running: Running, seconds: float) -> Outcome:
    """The floor has no disk: it takes the same messages, and forgets them."""
    return _stream("durable" if running.server.durable else "telemetry")(running, seconds)


def _get(depth: int = 1) -> "Callable[[Running, float], Outcome]":
    def run(running: Running, seconds: float) -> Outcome:
        name = running.server.name
        material = running.site.material
        if name == servers.ARTICLE_CACHE:
            url = f"http://127.0.0.1:{running.port}/v1/cache/{messages.CACHE_KEY}"
            return load.h2load(url, seconds, material.tokens[0])
        if name == servers.REDIS:
            return load.ours(running.port, seconds, material.file("redis.requests"), FOUND, depth=depth, redis=True)
        return load.ours(running.port, seconds, material.file("get.requests"), FOUND, depth=depth)

    return run


def _http2(path: str, body: str = "") -> "Callable[[Running, float], Outcome]":
    """`body`: the file with what is posted."""

    def run(running: Running, seconds: float) -> Outcome:
        material = running.site.material
        post = material.file(body) if body else None
        return load.h2_streams(f"http://127.0.0.1:{running.port}{path}", seconds, material.tokens[0], post)

    return run


def _grpc(path: str) -> "Callable[[Running, float], Outcome]":
    def run(running: Running, seconds: float) -> Outcome:
        return grpc_calls.run(running, path, seconds)

    return run


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    servers: "tuple[str, ...]"
    load: "Callable[[Running, float], Outcome]"
    seconds: float = 1.5
    rounds: int = 5
    prove: "Callable[[Running], None] | None" = None  # beside what verdicts.prove asks


_S = servers
ROWS = (
    Row("ingest", "Ingest: token, rate, schema; memory durability; 64 connections (wrk)",
        (_S.OURS, _S.FLOOR, _S.FLOOR_CORE, _S.NGINX, _S.HYPER, _S.HYPER + _S.NO_TOKEN_CACHE, _S.ACTIX,
         _S.ACTIX + _S.NO_TOKEN_CACHE, _S.GIN, _S.GIN + _S.NO_TOKEN_CACHE, _S.ARTICLE, _S.ARTICLE + _S.NO_TOKEN_CACHE,
         _S.UVICORN), _ingest_wrk, seconds=2, rounds=4),
    Row("ingest-own", "The same from our own loader",
        (_S.OURS, _S.FLOOR, _S.FLOOR_CORE, _S.HYPER, _S.ARTICLE), _stream(), rounds=4),
    Row("fsync", "Ingest, fsync durability, 64 connections (the floor has no disk)",
        (_S.OURS, _S.FLOOR_CORE), _durable),
    Row("ingest-1000", "Ingest at 1,000 requests/s over 64 connections, open loop",
        (_S.OURS, _S.FLOOR_CORE, _S.HYPER, _S.GIN, _S.ARTICLE), _stream(rate=FIXED_RATE), seconds=3, rounds=3),
    Row("get", "Cache GET, 106 bytes, 64 connections (redis-server and nginx check no token)",
        (_S.OURS, _S.FLOOR, _S.FLOOR_CORE, _S.REDIS, _S.NGINX, _S.HYPER, _S.ACTIX, _S.GIN, _S.ARTICLE,
         _S.ARTICLE_CACHE), _get(), rounds=4),
    Row("put", "Cache PUT, 106 bytes, 64 connections (redis-server checks no token)",
        (_S.OURS, _S.FLOOR_CORE, _S.REDIS, _S.HYPER, _S.ACTIX, _S.GIN, _S.ARTICLE, _S.ARTICLE_CACHE), _put, seconds=2,
        rounds=3),
    Row("validate", "Validate only: token, rate, schema, and the verdict; 64 connections",
        (_S.OURS, _S.FLOOR_CORE), _validate, rounds=3),
    Row("get-x16", "Cache GET, pipelined x16, 64 connections",
        (_S.OURS, _S.FLOOR_CORE, _S.REDIS, _S.HYPER), _get(PIPELINED)),
    Row("tls", "Ingest over TLS, 64 connections, 64 handshakes included (wrk)", (_S.OURS, _S.NGINX), _ingest_tls,
        seconds=4, rounds=3),
    Row("get-http2", "Cache GET, 106 bytes, HTTP/2: 8 connections, 10 streams on each (h2load)",
        (_S.OURS, _S.HYPER_HTTP2, _S.GIN), _http2(f"/v1/cache/{messages.CACHE_KEY}"), seconds=2, rounds=4),
    Row("ingest-http2", "Ingest, HTTP/2: 8 connections, 10 streams on each (h2load)",
        (_S.OURS, _S.HYPER_HTTP2, _S.GIN), _http2("/v1/streams/telemetry", "message"), seconds=2, rounds=4),
    Row("close", "Ingest, a connection for each request", (_S.OURS, _S.FLOOR_CORE, _S.NGINX, _S.HYPER, _S.GIN),
        _stream(close=True), rounds=4),
    Row("grpc-validate", "gRPC, unary ValidateOne: token, rate, schema; 8 connections, 10 calls on each (h2load)",
        (_S.OURS, _S.TONIC, _S.GRPC_GO, _S.GRPCIO), _grpc(grpc_calls.VALIDATE), seconds=2, rounds=4,
        prove=grpc_calls.prove),
    Row("grpc-publish", "gRPC, unary Publish, memory durability; 8 connections, 10 calls on each (h2load)",
        (_S.OURS, _S.TONIC, _S.GRPC_GO, _S.GRPCIO), _grpc(grpc_calls.PUBLISH), seconds=2, rounds=4,
        prove=grpc_calls.prove),
)  # fmt: skip
BY_NAME = {row.name: row for row in ROWS}


def start(
    stack: ExitStack, names: "tuple[str, ...]", material: messages.Material, skipped: "dict[str, str]"
) -> "list[Running]":
    """Those that can be had, each proven to check what it should. Raises WrongVerdict."""
    running = []
    for name in names:
        try:
            one = Running(servers.BY_NAME[name], material)
        except (process.Failed, OSError) as error:
            skipped[name] = str(error)
            continue
        stack.callback(one.stop)
        running.append(one)
    verdicts.prove(running)
    return running


@dataclass
class Sample:
    spent: process.Cpu
    outcome: Outcome

    @property
    def us(self) -> float:
        return self.spent.total_s * 1e6 / self.outcome.requests


def sample(running: Running, run: "Callable[[Running, float], Outcome]", seconds: float) -> Sample:
    pids = running.tree.pids()
    before = process.cpu(pids)
    outcome = run(running, seconds)
    spent = process.cpu(pids).since(before)
    if outcome.requests == 0:
        raise process.Failed("no request was answered")
    wrong = (outcome.refused + outcome.broken) / outcome.requests
    if wrong > TOLERATED:
        raise process.Failed(
            f"{wrong:.1%} of the answers were not what was asked for, or connections broke: {outcome.statuses or 'wrk'}"
        )
    return Sample(spent, outcome)


def summary(samples: "list[Sample]") -> "dict[str, object]":
    """Medians of the rounds."""

    def median(values: "list[float]", digits: int = 2) -> float:
        return round(statistics.median(values), digits)

    us = median([one.us for one in samples])
    # how it divides is sampled by the tick: all rounds together say it best
    user = us * sum(one.spent.user_s for one in samples) / sum(one.spent.total_s for one in samples)
    return {
        "us": us,
        "user_us": round(user, 2),
        "system_us": round(us - user, 2),
        "busy": median([one.spent.total_s / one.outcome.seconds for one in samples]),
        "refused": sum(one.outcome.refused for one in samples),
        "requests_per_s": round(median([one.outcome.requests / one.outcome.seconds for one in samples])),
        "p50_us": median([one.outcome.p50_us for one in samples], 0),
        "p99_us": median([one.outcome.p99_us for one in samples], 0),
        "rounds_us": [round(one.us, 2) for one in samples],
    }


def measure(
    row: Row, names: "tuple[str, ...]", material: messages.Material, rounds: int, seconds: float
) -> "dict[str, Any]":
    skipped: dict[str, str] = {}
    samples: dict[str, list[Sample]] = {}
    with ExitStack() as stack:
        running = start(stack, names, material, skipped)
        if row.prove is not None:
            for one in running:
                row.prove(one)
        say(f"{row.name}: {len(running)} servers")
        for turn in range(rounds + 1):  # the first one warms up
            for one in list(running):
                name = one.server.name
                try:
                    taken = sample(one, row.load, seconds if turn else min(seconds, 1.0))
                except process.Failed as error:
                    skipped[name] = str(error)
                    samples.pop(name, None)
                    running.remove(one)
                    continue
                if turn:
                    samples.setdefault(name, []).append(taken)
    return {
        "title": row.title,
        "rounds": rounds,
        "seconds": seconds,
        "servers": {name: summary(taken) for name, taken in samples.items()},
        "skipped": skipped,
    }
