"""The programs the demo starts beside the appliance: a real mosquitto and `headgate receive`. They end with it.

Both are in sessions of their own, so that Ctrl-C in the terminal reaches the appliance first and what it still has to
deliver finds broker and receiver alive. If the demo itself dies, the kernel ends them (setpriv --pdeathsig).
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from headgate import errors

START_S = 15.0  # a broker or receiver that is not there after this long is a failure
STOP_S = 5.0  # after SIGTERM; then SIGKILL
TRIES = 3  # a port that was free a moment ago may be taken when mosquitto wants it
LOG_LINES = 50  # last lines of a child's messages, kept to explain its end
LINE_LIMIT = 4194304  # bytes of one line of a child's output

MOSQUITTO_CONFIG = """\
# Made for one run of `headgate run --demo`; deleted afterwards.
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
# Queue without limit: by default mosquitto acknowledges and then drops what exceeds 1000 messages for one subscriber.
max_queued_messages 0
log_dest stderr
log_type error
log_type warning
{user}"""


class Child:
    """A child process whose messages (stderr) are read all the time, so that it never blocks on a full pipe."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, on_line: Callable[[str], None] | None) -> None:
        self.name = name
        self.process = process
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._heard = asyncio.Event()
        self._tasks = [asyncio.create_task(self._read(process.stderr, self._note))]
        if on_line is not None:
            self._tasks.append(asyncio.create_task(self._read(process.stdout, on_line)))

    @classmethod
    async def start(cls, name: str, *command: str, on_line: Callable[[str], None] | None = None) -> Self:
        setpriv = shutil.which("setpriv")
        leash = (setpriv, "--pdeathsig", "TERM", "--") if setpriv else ()
        process = await asyncio.create_subprocess_exec(
            *leash,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if on_line else asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT,
            start_new_session=True,
        )
        return cls(name, process, on_line)

    async def wait_log(self, text: str) -> None:
        """Return when a message contains `text`; CommandError when the child ends or says nothing for START_S."""
        try:
            async with asyncio.timeout(START_S):
                while not any(text in line for line in self.log):
                    if self._tasks[0].done():
                        raise self.failure()
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            raise self.failure() from None

    def failure(self) -> errors.CommandError:
        said = self.log[-1] if self.log else "it said nothing"
        return errors.CommandError(
            errors.NETWORK, f"{self.name} did not start: {said}", "Try again, or --demo-no-broker"
        )

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def stop(self) -> None:
        """SIGTERM, patience, SIGKILL; returns when the process is gone and its output is read."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), STOP_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)  # with what it may have started: it leads a session
                await self.process.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _note(self, line: str) -> None:
        self.log.append(line)
        self._heard.set()

    async def _read(self, stream: asyncio.StreamReader | None, on_line: Callable[[str], None]) -> None:
        try:
            while stream is not None and (line := await stream.readline()):
                on_line(line.decode("utf-8", "replace").rstrip())
        finally:
            self._heard.set()


class Broker(Child):
    """A mosquitto on 127.0.0.1 with a temporary configuration and persistence."""

    port = 0

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"


def find_mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")


async def start_broker(folder: Path) -> Broker | None:
    """Start mosquitto on a free port, its files under `folder`; None when it is not installed."""
    program = find_mosquitto()
    if program is None:
        return None
    place = folder / "mosquitto"
    place.mkdir()
    # As root mosquitto would become the user `mosquitto`, which may not enter our directory.
    user = "user root\n" if os.geteuid() == 0 else ""
    for _ in range(TRIES):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        config = place / "mosquitto.conf"
        config.write_text(MOSQUITTO_CONFIG.format(port=port, folder=place, user=user))
        broker = await Broker.start("mosquitto", program, "-c", str(config))
        broker.port = port
        if await _accepts(broker):
            return broker
        await broker.stop()
    raise broker.failure()


async def _accepts(broker: Broker) -> bool:
    deadline = asyncio.get_running_loop().time() + START_S
    while broker.alive and asyncio.get_running_loop().time() < deadline:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", broker.port)
        except OSError:
            await asyncio.sleep(0.02)  # mosquitto has no way to say that it listens; its process state is checked too
        else:
            writer.close()
            return broker.alive
    return False


class Receiver:
    """`headgate receive` as a child: counts what arrives and keeps the last message."""

    def __init__(self) -> None:
        self.count = 0
        self.last: dict[str, Any] | None = None
        self.unreadable = 0
        self._child: Child | None = None
        self._arrived = asyncio.Event()

    async def start(self, broker_url: str, *extra: str) -> None:
        """Returns once the receiver has subscribed: what is published from now on reaches it."""
        self._child = await Child.start(
            "headgate receive",
            *(sys.executable, "-m", "headgate", "receive", "--url", broker_url, "--client-id", "headgate-demo"),
            *extra,
            on_line=self._on_line,
        )
        await self._child.wait_log("subscribed")

    def _on_line(self, line: str) -> None:
        try:
            document = json.loads(line)
        except ValueError:
            self.unreadable += 1
            return
        self.count += 1
        self.last = document
        self._arrived.set()

    async def wait_count(self, count: int, quiet_s: float) -> bool:
        """Wait until `count` messages have arrived; gives up when none arrives for `quiet_s` seconds."""
        while self.count < count:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), quiet_s)
            except TimeoutError:
                return False
        return True

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop()
