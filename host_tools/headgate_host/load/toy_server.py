"""A server of which everything is known: for `load selftest`, and to try `load find-limit` on.

Answers every request with 200 and two bytes. --capacity: so many a second and no more, one after the other. --stall: at
that many seconds after the first request it does nothing at all for --stall-for. --delay: each answer comes after a
time of its own, exponentially distributed with that mean. Prints its port, then how long it stalled. Ends with its
parent; with --trace it then says how long its answers took.

    python -m headgate_host.load.toy_server --capacity 500 --stall 2 --stall-for 1.5
"""

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headgate._accel import RequestParser
from headgate.core.http1 import END, NEED_DATA
from headgate.core.problem import Problem
from headgate_host.load.alarm import Alarm
from headgate_host.load.distribution import MS
from headgate_host.load.histogram import Histogram

if TYPE_CHECKING:
    import subprocess

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Clerk:
    """Answers in turn, `capacity` a second (0: at once)."""

    def __init__(self, capacity: float, stall_s: float, stall_for_s: float, delay_ms: float = 0.0) -> None:
        self._delay_s = delay_ms / 1000
        self._chance = random.Random(1)  # noqa: S311 - the same every time
        self.trace = Histogram()
        self._each_ns = int(1e9 / capacity) if capacity else 0
        self._stall_s, self._stall_for_s = stall_s, stall_for_s
        self._free_ns = 0
        self._queue: list[tuple[int, asyncio.WriteTransport]] = []
        self._alarm = Alarm(self._ring)
        self._begun = False

    def answer(self, transport: asyncio.WriteTransport) -> None:
        if not self._begun:
            self._begun = True
            if self._stall_for_s:
                asyncio.get_running_loop().call_later(self._stall_s, self._stall)
        if self._delay_s:
            came, delay_s = time.monotonic_ns(), self._chance.expovariate(1 / self._delay_s)
            asyncio.get_running_loop().call_later(delay_s, self._delayed, transport, came)
            return
        if not self._each_ns:
            transport.write(ANSWER)
            return
        self._free_ns = max(self._free_ns, time.monotonic_ns()) + self._each_ns
        self._queue.append((self._free_ns, transport))
        if len(self._queue) == 1:
            self._alarm.set(self._free_ns)

    def _delayed(self, transport: asyncio.WriteTransport, came_ns: int) -> None:
        transport.write(ANSWER)
        self.trace.add(time.monotonic_ns() - came_ns)

    def _stall(self) -> None:
        """On a busy machine it takes longer than asked, so it says how long."""
        began = time.monotonic()
        time.sleep(self._stall_for_s)
        print(time.monotonic() - began, flush=True)

    def _ring(self) -> None:
        now = time.monotonic_ns()
        due = [entry for entry in self._queue if entry[0] <= now]
        del self._queue[: len(due)]
        for _, transport in due:
            transport.write(ANSWER)
        if self._queue:
            self._alarm.set(self._queue[0][0])


class Desk(asyncio.Protocol):
    def __init__(self, clerk: Clerk) -> None:
        self._clerk = clerk
        self._parser = RequestParser()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for mypy
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed(data)
        try:
            while (event := self._parser.next()) is not NEED_DATA:
                if event is END:
                    self._clerk.answer(self._transport)
        except Problem:
            self._transport.write(REFUSAL)
            self._transport.close()


async def serve(args: argparse.Namespace) -> None:
    clerk = Clerk(args.capacity, args.stall, args.stall_for, args.delay)
    server = await asyncio.get_running_loop().create_server(lambda: Desk(clerk), "127.0.0.1", args.port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)  # its end: the parent has gone
    await ended.wait()
    if args.trace:
        took = clerk.trace.take()
        print(json.dumps({f"p{share * 100:g}": took.quantile(share) / MS for share in (0.5, 0.9, 0.99)}), flush=True)


class Toy:
    """One in a child process, so that neither holds up the other."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self.pid = child.pid
        self._child = child
        self.port = int(self._line())

    def _line(self) -> bytes:
        assert self._child.stdout is not None  # noqa: S101 - for mypy
        return self._child.stdout.readline()

    def stalled_s(self) -> float:
        """After the stall: how long it was."""
        return float(self._line())

    def traced(self) -> dict[str, float]:
        """Ends it -> percentiles of how long its answers took, ms."""
        assert self._child.stdin is not None  # noqa: S101 - for mypy
        self._child.stdin.close()
        found: dict[str, float] = json.loads(self._line())
        return found


@contextmanager
def running(*options: str) -> Iterator[Toy]:
    import subprocess

    command = [sys.executable, "-m", "headgate_host.load.toy_server", *options]
    path = os.pathsep.join(part for part in sys.path if part)
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    ) as child:
        try:
            yield Toy(child)
        finally:
            child.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--capacity", type=float, default=0.0)
    parser.add_argument("--stall", type=float, default=0.0)
    parser.add_argument("--stall-for", type=float, default=0.0)
    parser.add_argument("--delay", type=float, default=0.0, help="ms")
    parser.add_argument("--trace", action="store_true")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
