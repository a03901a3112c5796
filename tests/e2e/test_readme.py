"""The README's tour, typed as it stands: each `sh` block goes to one shell, each `text` block is what must come back.

A line of a `text` block must be found in the output of the block before it, in this order; `…` stands for
anything, any number of blanks for any other number.
Only the ports are replaced by free ones, so that the test does not depend on what else runs on the machine.
"""

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import free_port

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK_S = 90  # for one block; a shell that says nothing for so long has failed
END = "--end-of-block--"


def tour() -> list[tuple[str, str]]:
    """(commands, expected output or "") of each sh block."""
    steps: list[tuple[str, str]] = []
    for kind, text in BLOCK.findall(README):
        if kind == "sh":
            steps.append((text, ""))
        elif kind == "text":
            assert steps, "an expected output without commands before it"
            assert not steps[-1][1], "two expected outputs for one block"
            steps[-1] = (steps[-1][0], text)
    return steps


def missing(expected: str, output: str) -> str | None:
    """The first expected line that the output lacks; None when all are there, in order."""
    lines = iter(output.splitlines())
    for wanted in expected.splitlines():
        pattern = re.compile(re.sub(r"(\\ )+", " +", ".*".join(re.escape(part) for part in wanted.split("…"))))
        if wanted and not any(pattern.search(line) for line in lines):
            return wanted
    return None


class Shell:
    """A bash that is fed block by block."""

    def __init__(self, folder: Path, path: str) -> None:
        environment = {
            key: value for key, value in os.environ.items() if key not in ("HEADGATE_CONFIG", "HEADGATE_STATE")
        }
        self.process = subprocess.Popen(
            ["bash", "--norc"], cwd=folder, env={**environment, "PATH": path}, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def type(self, commands: str) -> tuple[str, int]:
        """Output and exit status of the block's last command."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{commands}\nstatus=$?; echo; echo {END} $status\n".encode())
        self.process.stdin.flush()
        output = b""
        deadline = time.monotonic() + BLOCK_S
        while (found := re.search(END.encode() + rb" (\d+)\n", output)) is None:
            ready = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]
            piece = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert piece, f"the shell ended or hangs in:\n{commands}\nafter:\n{output.decode(errors='replace')}"
            output += piece
        return output[: found.start()].decode(), int(found[1])

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self.process.wait()


@pytest.mark.slow_emulated  # the operator's machine
def test_the_tour_does_what_it_says(tmp_path: Path) -> None:
    for program in ("bash", "curl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    folder = tmp_path / "tour"
    folder.mkdir()
    # `headgate` of the interpreter that runs this test, whether or not its console script is installed.
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "headgate").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m headgate "$@"\n')
    (tools / "headgate").chmod(0o755)
    path = f"{tools}:{os.environ['PATH']}:/usr/sbin"
    if shutil.which("mosquitto", path=path) is None:
        pytest.skip("mosquitto is not installed")
    ports = {"8080": str(free_port()), "1883": str(free_port())}
    shell = Shell(folder, path)
    try:
        for commands, expected in tour():
            typed = re.sub("8080|1883", lambda found: ports[found[0]], commands)
            output, status = shell.type(typed)
            log = folder / "headgate.log"
            said = f"\n$ {typed}\n{output}\n-- headgate.log:\n{log.read_text()[-3000:] if log.exists() else ''}"
            assert missing(expected, output) is None, f"not in the output: {missing(expected, output)}{said}"
            assert status == 0, f"exit status {status}{said}"
    finally:
        shell.close()


def test_the_tour_is_there() -> None:
    steps = tour()
    assert len(steps) > 8
    text = "".join(commands for commands, _ in steps)
    for verb in ("check", "run", "token", "outbox", "receive"):
        assert f"headgate {verb}" in text


def test_matching_is_strict() -> None:
    assert missing("a…c\nd", "xabcx\nd\n") is None
    assert missing("a b  c", "a  b c") is None
    assert missing("a b", "ab") == "a b"
    assert missing("d\na", "a\nd\n") == "a"
    assert missing("a.c", "abc") == "a.c"


def test_links_lead_somewhere() -> None:
    for page in [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_license_is_complete() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
