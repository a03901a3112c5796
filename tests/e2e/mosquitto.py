"""A real mosquitto for tests: own port, own configuration and persistence directory, stopped and frozen at will."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from local_server import LocalServer


def available() -> bool:
    return binary() is not None


def binary() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Mosquitto(LocalServer):
    """`extra`: lines for the configuration. Sessions and queued messages survive `stop`."""

    def __init__(self, folder: Path, extra: str = "", *, anonymous: bool = True) -> None:
        super().__init__(folder, "mosquitto")
        self.config.write_text(
            f"listener {self.port} 127.0.0.1\n"
            f"allow_anonymous {'true' if anonymous else 'false'}\n"
            "persistence true\n"
            f"persistence_location {folder}/\n"
            "max_queued_messages 1000000\n"  # 0 means unlimited, and makes 2.0.11 disconnect whom it refuses a message
            "log_dest stderr\n" + ("user root\n" if _is_root() else "") + f"{extra}\n"
        )

    def command(self) -> list[str]:
        program = binary()
        assert program is not None, "mosquitto is not installed"
        return [program, "-c", str(self.config)]

    def reload(self) -> None:
        """SIGHUP: reads its ACL and password files again."""
        self._signal(signal.SIGHUP)


def _is_root() -> bool:
    import os

    return os.geteuid() == 0
