"""The loads: wrk and h2load of Debian, and our own loader for what they cannot do. All run on the loader's core."""

import contextlib
import json
import re
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from . import build, process

CONNECTIONS = 64
H2_CONNECTIONS, H2_STREAMS = 8, 10
SCRIPT = Path(__file__).resolve().parent / "requests.lua"
GRACE_S = 20.0
HELLOS = 100  # at once


@dataclass(frozen=True)
class Outcome:
    seconds: float
    requests: int  # answered
    refused: int  # of them with another status than wanted
    broken: int  # connections lost, requests never answered
    p50_us: int = 0
    p99_us: int = 0
    max_us: int = 0
    statuses: str = ""  # how many of each, where the loader tells


def ours(  # noqa: PLR0913 - options of a program
    port: int, seconds: float, requests: Path, wanted: int, *, depth: int = 1, rate: int = 0, close: bool = False,
         redis: bool = False, connections: int = CONNECTIONS) -> Outcome:  # fmt: skip
    options = ["-c", str(connections), "-d", str(depth), "-r", str(rate), *["-x"] * close, *["-R"] * redis]
    found = json.loads(process.run([build.loader(), str(port), str(seconds), requests, *options], seconds + GRACE_S))
    latency = found["latency_us"]
    refused = found["requests"] - found["statuses"].get(str(wanted), 0)
    statuses = ", ".join(f"{count:,} of {status}" for status, count in found["statuses"].items())
    return Outcome(found["seconds"], found["requests"], refused, found["broken"] + found["unanswered"],
                   latency["p50"], latency["p99"], latency["max"], statuses)  # fmt: skip


def wrk(url: str, seconds: float, requests: Path) -> Outcome:
    """Any 2xx is what is wanted."""
    argv = [
        build.tool("wrk"),
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{max(1, round(seconds))}s",
        "-s",
        SCRIPT,
        url,
        "--",
        requests,
    ]
    output = process.run(argv, seconds + GRACE_S)
    found = json.loads(output.strip().splitlines()[-1])
    latency = found["latency_us"]
    return Outcome(found["seconds"], found["requests"], found["refused"], found["broken"],
                   latency["p50"], latency["p99"], latency["max"])  # fmt: skip


def h2load(url: str, seconds: float, bearer: str, put: "Path | None" = None) -> Outcome:
    """HTTP/2 without TLS, a stream at a time on each connection. `put`: a file whose content is put."""
    argv = [build.tool("h2load"), "-t1", f"-c{CONNECTIONS}", "-m1", f"-D{max(1, round(seconds))}", "-H",
            f"authorization: Bearer {bearer}", *(["-d", put, "-H", ":method: PUT"] if put else []), url]  # fmt: skip
    return _h2_outcome(process.run(argv, seconds + GRACE_S), seconds)


def _h2_outcome(output: str, seconds: float) -> Outcome:
    counts = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", output)
    if counts is None:
        raise process.Failed("h2load: no counts in its report")
    done, succeeded, _, errored = map(int, counts.groups())
    return Outcome(seconds, done, done - succeeded, errored)


def h2_streams(url: str, seconds: float, bearer: str, post: "Path | None" = None) -> Outcome:
    """HTTP/2 without TLS, H2_STREAMS streams at a time on each of H2_CONNECTIONS. `post`: a file with a message."""
    options = ["-d", post, "-H", "content-type: application/json"] if post else []
    argv = [build.tool("h2load"), "-t1", f"-c{H2_CONNECTIONS}", f"-m{H2_STREAMS}", f"-D{max(1, round(seconds))}", "-H",
            f"authorization: Bearer {bearer}", *options, url]  # fmt: skip
    return _h2_outcome(process.run(argv, seconds + GRACE_S), seconds)


def h2_put(url: str, file: Path, value: bytes) -> None:
    file.write_bytes(value)
    output = process.run([build.tool("h2load"), "-n1", "-c1", "-m1", "-d", file, "-H", ":method: PUT", url], GRACE_S)
    if "1 succeeded" not in output:
        raise process.Failed("the article's cache does not keep a value")


def _client_hello() -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


def hellos(port: int, seconds: float) -> Outcome:
    """Storms of TLS handshakes: HELLOS connections say the same hello at the same moment, and go once the server has
    answered with its signature: that costs the server much and the client next to nothing."""
    hello, answered, broken = _client_hello(), 0, 0
    began = now = time.monotonic()
    while now < began + seconds:
        connections = [socket.create_connection(("127.0.0.1", port), GRACE_S) for _ in range(HELLOS)]
        for connection in connections:
            connection.sendall(hello)
        for connection in connections:
            with connection:
                if connection.recv(1):
                    answered += 1
                else:
                    broken += 1
        now = time.monotonic()
    return Outcome(now - began, answered, 0, broken)
