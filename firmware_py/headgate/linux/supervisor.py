"""Keeps the appliance honest about its own health: restarts what may be restarted, feeds the watchdogs.

A watchdog is fed only while the event loop turns and every probe says it makes progress. Without a watchdog there is
no timer: an idle appliance does not wake up. The probes are also what /readyz reports.

A board's watchdog counts from the moment its device is opened, which is before the outbox is, so it is fed from then
on: a damaged outbox is replaced at the start, and that takes longer. systemd's counts from READY=1.
"""

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import stat
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from headgate import errors
from headgate.linux import systemd

log = logging.getLogger("headgate.supervisor")

RESTART_FIRST_S = 1.0
RESTART_MAX_S = 60.0
START_S = 180.0  # a start that takes longer hangs; as TimeoutStartSec of data/headgate.service
STABLE_S = 300.0  # a task that ran this long starts again at RESTART_FIRST_S

Probe = Callable[[], "str | None"]  # why no progress is made, or None


class Watchdog:
    """A hardware watchdog device (Linux watchdog API, Documentation/watchdog/watchdog-api.rst)."""

    _SETTIMEOUT = 0xC0045706  # WDIOC_SETTIMEOUT, _IOWR('W', 6, int); the same on every Linux ARM and x86
    _MAGIC_CLOSE = b"V"  # disarms it on close, where the driver allows

    def __init__(self, device: Path, timeout_s: int) -> None:
        """Raises CommandError(MISSING) when the device cannot be used."""
        try:
            if not stat.S_ISCHR(device.stat().st_mode):  # a pipe would wait for a reader, a file lose its first byte
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
            self._file = os.open(device, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise errors.CommandError(
                errors.MISSING,
                f"cannot open the watchdog {device}: {error.strerror}",
                "Remove [watchdog] device or fix it",
            ) from None
        try:
            real = fcntl.ioctl(self._file, self._SETTIMEOUT, struct.pack("i", timeout_s))
            self.timeout_s: int = struct.unpack("i", real)[0]  # what the hardware made of it
        except OSError as error:
            self.close()
            raise errors.CommandError(
                errors.MISSING,
                f"the watchdog {device} does not take a timeout of {timeout_s} s: {error.strerror}",
                "Choose a smaller [watchdog] timeout",
            ) from None

    def feed(self) -> None:
        """Raises OSError."""
        os.write(self._file, b"\0")

    def close(self) -> None:
        with contextlib.suppress(OSError):  # whoever stops has more to do
            os.write(self._file, self._MAGIC_CLOSE)
        os.close(self._file)


class Supervisor:
    """Owns the long-running tasks. `failed` resolves with the error of a task the appliance cannot go on without."""

    def __init__(self, notifier: "systemd.Notifier", watchdog: Watchdog | None) -> None:
        self._notifier = notifier
        self._watchdog = watchdog
        self._probes: dict[str, Probe] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._feeder: asyncio.Task[None] | None = None
        self._stalled: set[str] = set()
        periods = [notifier.watchdog_s] if notifier.watchdog_s else []
        if watchdog is not None:
            periods.append(watchdog.timeout_s)
        # systemd asks for half the period at most (sd_watchdog_enabled(3)); a third leaves room for one late turn.
        self._feed_every_s = min(periods) / 3 if periods else 0.0
        self._ready = False
        self._broken = False  # the device was not to be fed; told
        self.restarts: dict[str, int] = {}
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def probe(self, name: str, probe: Probe) -> None:
        self._probes[name] = probe

    def stalled(self) -> list[str]:
        """One line for each part that makes no progress."""
        return [f"{name}: {reason}" for name, probe in self._probes.items() if (reason := probe()) is not None]

    def start(self) -> None:
        """Feed the board's watchdog from now on; systemd's as well once it is `ready`."""
        if self._feed_every_s:
            self._feeder = asyncio.create_task(self._feed(), name="watchdog")

    def ready(self) -> None:
        """The start is over."""
        self._ready = True

    def feed_board(self) -> None:
        """For what keeps the event loop for long at the start, and goes on."""
        if self._watchdog is None:
            return
        try:
            self._watchdog.feed()
        except OSError as error:  # systemd's may still be there
            if not self._broken:
                log.error("the watchdog device cannot be fed: %s", error.strerror)
            self._broken = True

    def run(self, name: str, body: Callable[[], Awaitable[None]], *, essential: bool) -> None:
        """Keep `body()` running. It is started anew when it fails, unless the appliance cannot go on without it."""
        self.restarts[name] = 0
        self._tasks[name] = asyncio.create_task(self._keep(name, body, essential), name=name)

    async def end(self, name: str) -> None:
        """Cancel one task and wait for its end."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def stop(self) -> None:
        for name in list(self._tasks):
            await self.end(name)
        if self._feeder is not None:
            self._feeder.cancel()
            await asyncio.gather(self._feeder, return_exceptions=True)
        if self._watchdog is not None:
            self._watchdog.close()

    async def _keep(self, name: str, body: Callable[[], Awaitable[None]], essential: bool) -> None:
        pause_s = RESTART_FIRST_S
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                await body()
                return
            except Exception as error:
                log.exception("the task %s failed", name)
                if essential:
                    if not self.failed.done():
                        self.failed.set_exception(error)
                    return
            if loop.time() - started > STABLE_S:
                pause_s = RESTART_FIRST_S
            self.restarts[name] += 1
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RESTART_MAX_S)

    async def _feed(self) -> None:
        """This coroutine running at all proves that the event loop turns."""
        began = time.monotonic()
        while True:
            try:
                stalled = set(self.stalled())
            except Exception as error:  # whoever cannot say how it stands does not stand well
                stalled = {f"{type(error).__name__}: {error}"}
            if not self._ready and time.monotonic() - began > START_S:
                stalled.add(f"the start has taken {START_S:g} s")
            for line in stalled - self._stalled:
                log.error("no progress, the watchdogs are fed no more: %s", line)
            self._stalled = stalled
            if not stalled:
                if self._ready:
                    self._notifier.watchdog()
                self.feed_board()
            await asyncio.sleep(self._feed_every_s)
