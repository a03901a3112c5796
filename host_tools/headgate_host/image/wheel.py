"""The wheel of Headgate for the image's machine: the one that is named, or cross-compiled here from this checkout."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from headgate.errors import MISSING, USAGE, CommandError

CHECKOUT = Path(__file__).resolve().parents[3]
BUILD = CHECKOUT / "native_ext/wheels/build.py"
SOURCES = ("setup.py", "pyproject.toml", "MANIFEST.in", "firmware_py", "host_tools", "native_ext", "boards")


def named(wheel: Path, machine: str) -> Path:
    """`wheel`, if it is one for `machine`. Raises CommandError."""
    if not wheel.is_file():
        raise CommandError(MISSING, f"no wheel {wheel}", "./dev wheels makes some, in dist/")
    if wheel.suffix != ".whl" or not wheel.stem.endswith(f"_{machine}") or "musllinux" in wheel.name:
        raise CommandError(USAGE, f"{wheel.name} is no wheel for {machine}", f"Take headgate-…_{machine}.whl")
    return wheel


def built(machine: str, cache: Path, epoch: int) -> Path:
    """Of this checkout, kept in `cache` for as long as no source changes. Raises CommandError."""
    if not BUILD.is_file():
        raise CommandError(USAGE, "there are no sources to make a wheel of here", "--wheel headgate-….whl")
    folder = cache / f"wheel-{machine}-{_key(epoch)}"
    for wheel in folder.glob("*.whl"):
        return wheel
    command = [sys.executable, str(BUILD), "--zig", "--archs", machine, "--libc", "glibc", "--json"]
    # Under another name until it is checked.
    with tempfile.TemporaryDirectory(dir=cache, prefix=f".{folder.name}.") as making:
        done = subprocess.run(  # noqa: S603 - our own words
            [*command, "--output", making], capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            cause = f"the wheel for {machine} cannot be made: {lines[-1].removeprefix('dev: ')}"
            raise CommandError(MISSING, cause, "./dev wheels --zig installs what it needs; or --wheel headgate-….whl")
        folder.mkdir(exist_ok=True)
        name = str(json.loads(done.stdout)[0]["name"])
        return (Path(making) / name).replace(folder / name)


def _key(epoch: int) -> str:
    digest = hashlib.sha256(str(epoch).encode())
    for path in _files():
        digest.update(f"{path.relative_to(CHECKOUT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _files() -> Iterator[Path]:
    for name in SOURCES:
        top = CHECKOUT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and path.suffix in (".py", ".c", ".h", ".toml", ".json", ".in", ".service", ".pyi"):
                yield path
