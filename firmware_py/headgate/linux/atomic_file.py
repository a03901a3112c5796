"""Small files that are there as a whole or not at all, whatever is cut off when."""

import os
from pathlib import Path


def write(path: Path, data: bytes, *, mode: int = 0o644, replace: bool = True) -> bool:
    """Write `path` in one step, on disk when this returns; False (and nothing done) if it exists and not `replace`.

    The content goes to a new file first (O_EXCL, so nobody else's) that then gets its name: whoever looks at any
    moment, even after a power cut, finds the old file, or all of the new one. Raises OSError; the old one is intact
    then.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)  # of a process that died
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            os.link(temporary, path)  # unlike rename, fails when the name is taken
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)
    return True


def sync(path: Path) -> None:
    """Put on disk what others wrote to a file; of a directory: its names (a new or renamed one is there only then)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
