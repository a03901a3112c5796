"""Where the figures of the device come from: the appliance's /metrics or any other endpoint in Prometheus' format; what
the kernel says in /proc and /sys, here or, by ssh, on a board that has no metrics."""

import argparse
import asyncio
import contextlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headgate.errors import USAGE, CommandError
from headgate_host.http_client import AnswerError, Connection
from headgate_host.load import kernel_files
from headgate_host.load.device import PATIENCE_S, Sampler, Source
from headgate_host.load.target import Target

BY_SSH = "ssh -o BatchMode=yes {host}"
LOGIN_S = 15.0  # a small board needs seconds for the key exchange
ANSWER_MAX = 1 << 20  # bytes: all files at one look
END = "# end"
SCRIPT = 'while read -r _; do for file in {files}; do echo "# $file"; cat "$file" 2>/dev/null; done; echo "{end}"; done'
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{[^}]*\})? +([-+.0-9eE]+)(?: |$)", re.MULTILINE | re.ASCII)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--no-metrics", action="store_true", help="no figures of the device")
    add(
        "--pid", metavar="PID", type=int, help="the device is this process, on this machine or, with --ssh, on that one"
    )
    add(
        "--ssh",
        metavar="HOST",
        help="figures of the device by ssh, from what its kernel says; without --pid of all of it",
    )
    add("--ssh-by", metavar="COMMAND", default=BY_SSH, help="how to run sh there (default: %(default)s)")


@dataclass(frozen=True)
class Wanted:
    """Of these the first that is given. `guess`: without any, the target is tried for the metrics of an appliance."""

    host: str | None = None
    pid: int | None = None
    url: str | None = None
    guess: bool = True
    by: str = BY_SSH

    @classmethod
    def of(cls, args: argparse.Namespace, url: str | None) -> "Wanted":
        return NOTHING if args.no_metrics else cls(args.ssh, args.pid, url, by=args.ssh_by)

    def source(self, target: Target) -> Source | None:
        if self.host is not None:
            return Board(self.host, self.pid, self.by)
        if self.pid is not None:
            return Process(self.pid)
        if self.url is not None:
            other = Target.parse(self.url, target.ca_file, insecure=target.insecure)
            return Endpoint(other, other.path)
        if self.guess and target.scheme in ("http", "https"):
            return Endpoint(target, "/metrics")
        return None

    @property
    def is_guess(self) -> bool:
        return self.host is None and self.pid is None and self.url is None


TARGET_ITSELF, NOTHING = Wanted(), Wanted(guess=False)


class Endpoint:
    """Prometheus text format 0.0.4. Of several samples with one name (labels) the first counts."""

    def __init__(self, target: Target, path: str) -> None:
        self._path = path
        self.name = Target(target.scheme, target.host, target.port, path).url
        origin = f"{target.scheme}://{target.authority}"
        self._connection = Connection(origin, target.context())

    async def read(self) -> Mapping[str, float]:
        async with asyncio.timeout(PATIENCE_S):
            answer = await self._connection.request("GET", self._path, {})
        if answer.status != 200:  # noqa: PLR2004
            raise AnswerError(f"status {answer.status}")
        found: dict[str, float] = {}
        for name, value in _SAMPLE.findall(answer.body.decode("utf-8", "replace")):
            with contextlib.suppress(ValueError):
                found.setdefault(name, float(value))
        return found

    async def close(self) -> None:
        self._connection.close()


class Process:
    """A process on this machine, without its children."""

    def __init__(self, pid: int) -> None:
        self.name = f"process {pid}"
        self._pid = pid

    async def read(self) -> Mapping[str, float]:
        return kernel_files.figures(_read(kernel_files.of_process(self._pid)), self._pid)

    async def close(self) -> None:
        """Nothing is open."""


def command_of(option: str, text: str, host: str) -> list[str]:
    """The words of a command with {host} in it. Raises CommandError(USAGE)."""
    try:
        words = shlex.split(text)
    except ValueError:  # a quotation that does not end
        words = []
    if not words:
        raise CommandError(USAGE, f"{option} {text!r} is no command", f"For instance {option} 'ssh {{host}} ...'")
    return [word.replace("{host}", host) for word in words]


class Board:
    """A machine that is asked by ssh: one shell there prints the files whenever it is sent a line. If it is lost, the
    next look connects again."""

    def __init__(self, host: str, pid: int | None, by: str = BY_SSH) -> None:
        self.name = host if pid is None else f"process {pid} on {host}"
        self._pid = pid
        script = SCRIPT.format(files=" ".join(kernel_files.of_machine(pid)), end=END)
        self._command = [*command_of("--ssh-by", by, host), script]
        self._shell: asyncio.subprocess.Process | None = None

    async def read(self) -> Mapping[str, float]:
        patience = LOGIN_S if self._shell is None else PATIENCE_S
        try:
            async with asyncio.timeout(patience):
                text = await self._ask()
        except (OSError, TimeoutError):
            await self.close()
            raise
        return kernel_files.figures(_files(text), self._pid)

    async def _ask(self) -> str:
        """Raises OSError with what the command said."""
        if self._shell is None:
            pipe = asyncio.subprocess.PIPE
            self._shell = await asyncio.create_subprocess_exec(
                *self._command, stdin=pipe, stdout=pipe, stderr=pipe, limit=ANSWER_MAX
            )
        shell = self._shell
        assert shell.stdin is not None and shell.stdout is not None and shell.stderr is not None  # noqa: PT018, S101
        try:
            shell.stdin.write(b"\n")
            await shell.stdin.drain()
            return (await shell.stdout.readuntil(f"{END}\n".encode())).decode("utf-8", "replace")
        except asyncio.LimitOverrunError:
            raise OSError(f"answers with more than {ANSWER_MAX} bytes") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            said = (await shell.stderr.read(ANSWER_MAX)).decode("utf-8", "replace").strip()
            raise OSError(said.rpartition("\n")[2] or f"{self._command[0]} has ended") from None

    async def close(self) -> None:
        shell, self._shell = self._shell, None
        if shell is None:
            return
        with contextlib.suppress(ProcessLookupError, TimeoutError):
            shell.kill()
            async with asyncio.timeout(PATIENCE_S):  # its own children may hold the pipes
                await shell.communicate()  # to the end of its pipes, and of it


def _read(paths: "list[str]") -> dict[str, str]:
    files = {}
    for path in paths:
        with contextlib.suppress(PermissionError):  # smaps_rollup and io of another user's
            files[path] = Path(path).read_text(errors="replace")
    return files


def _files(text: str) -> dict[str, str]:
    """What SCRIPT printed -> text by path."""
    files: dict[str, str] = {}
    for part in text.removesuffix(f"{END}\n").split("# /")[1:]:
        path, _, content = part.partition("\n")
        files[f"/{path}"] = content
    return files


async def sampler_for(target: Target, wanted: Wanted) -> Sampler | None:
    """What was asked for must work (CommandError)."""
    source = wanted.source(target)
    if source is None:
        return None
    found = Sampler(source)
    try:
        await found.begin()
    except (OSError, TimeoutError) as error:
        await source.close()
        if wanted.is_guess:
            return None
        cause = f"no figures of the device from {source.name}: {str(error) or 'no answer'}"
        raise CommandError(USAGE, cause, "Without --metrics, --pid and --ssh the load does without them") from None
    if wanted.is_guess and not found.is_headgate:
        await source.close()
        return None
    return found
