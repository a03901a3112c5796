"""`headgate flash` as a process: at a terminal that answers, and on a disk that fails (faults.c)."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 120  # for a process that takes a second; only a hanging one takes so long


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    def events(self, kind: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.out.splitlines()]
        return [event for event in found if event["event"] == kind]


def headgate(*words: object, fault: dict[str, object] | None = None, answer: str | Callable[[], str] = "") -> Done:
    """`answer`: what is typed at the question, or what makes it while the process waits."""
    command = [sys.executable, "-m", "headgate", *map(str, words)]
    environment = {**os.environ, **{key: str(value) for key, value in (fault or {}).items()}}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        os.close(theirs)
        assert process.stdout is not None
        assert process.stderr is not None
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.append(process.stdout.read()))  # type: ignore[union-attr]
        reader.start()
        timer = threading.Timer(PATIENCE_S, process.kill)
        timer.start()
        heard = ""
        while piece := process.stderr.read(1):
            heard += piece
            if heard.endswith("to go on: "):
                text = answer if isinstance(answer, str) else answer()
                os.write(ours, text.encode() + b"\n")
        code = process.wait()
        timer.cancel()
        reader.join()
    os.close(ours)
    return Done(code, said[0], heard)


@dataclass
class Loop:
    """A real block device over a file. `backing`: what stands on it."""

    device: str
    backing: Path

    @property
    def name(self) -> str:
        return Path(self.device).name

    def detach(self) -> None:
        subprocess.run(["losetup", "--detach", self.device], check=True)

    def read(self, start: int, size: int) -> bytes:
        with self.backing.open("rb") as file:
            return os.pread(file.fileno(), size, start)


@contextlib.contextmanager
def loop(backing: Path, size: int, *options: str) -> Iterator[Loop]:
    """Needs root and a kernel with loop devices: skips the test otherwise."""
    if not backing.exists():
        with backing.open("wb") as file:
            file.truncate(size)
    command = ["losetup", "--find", "--show", *options, str(backing)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no losetup on this machine")
    if done.returncode:
        pytest.skip(f"no loop devices here: {done.stderr.strip()}")
    made = Loop(done.stdout.strip(), backing)
    try:
        yield made
    finally:
        subprocess.run(["losetup", "--detach", made.device], capture_output=True, check=False)
