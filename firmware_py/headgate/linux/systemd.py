"""The service manager's notification protocol (sd_notify(3)) and watchdog (sd_watchdog_enabled(3)), without a library.

Outside systemd every call does nothing. A message that cannot be sent is dropped: a full or vanished socket must not
stop the appliance, and a watchdog message that is lost is repeated soon.
"""

import os
import socket
import time
from collections.abc import Mapping

STATUS_MAX = 200  # characters of one STATUS= line
USEC_DIGITS = 19  # of a 64-bit number


class Notifier:
    """Sends states to $NOTIFY_SOCKET. `watchdog_s`: systemd's watchdog period in seconds, 0 without one."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(environ, os.getpid())

    @property
    def active(self) -> bool:
        """Is there a service manager that listens?"""
        return bool(self._address)

    def ready(self, status: str = "") -> bool:
        """Start-up, or the reload announced before, is done."""
        return self._send("READY=1", status)

    def reloading(self, status: str = "") -> bool:
        """A reload begins; `ready` must follow. Type=notify-reload wants the time of the monotonic clock (us)."""
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        return self._send(f"RELOADING=1\nMONOTONIC_USEC={now_us}", status)

    def stopping(self, status: str = "") -> bool:
        return self._send("STOPPING=1", status)

    def status(self, text: str) -> bool:
        """One line for `systemctl status`."""
        return self._send("", text)

    def watchdog(self) -> bool:
        """Feed systemd's watchdog, when there is one."""
        return self.watchdog_s > 0 and self._send("WATCHDOG=1", "")

    def _send(self, state: str, status: str) -> bool:
        """True when the message was handed over."""
        if not self._address:
            return False
        if status:
            # One line per variable: a line end in the text would start another.
            line = "STATUS=" + " ".join(status.split())[:STATUS_MAX]
            state = f"{state}\n{line}" if state else line
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(state.encode(), self._address)
        except OSError:
            return False
        return True


def _address(path: str) -> str:
    """The socket's address: a path, or with @ a name in the abstract name space, whose first byte is NUL (unix(7))."""
    if path.startswith("@") and len(path) > 1:
        return "\0" + path[1:]
    return path if path.startswith("/") else ""


def _watchdog_s(environ: Mapping[str, str], pid: int) -> float:
    """$WATCHDOG_USEC, unless $WATCHDOG_PID names another process."""
    period_us, owner = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    is_number = period_us.isascii() and period_us.isdigit() and len(period_us) <= USEC_DIGITS
    if not is_number or (owner and owner != str(pid)):
        return 0.0
    return int(period_us) / 1_000_000
