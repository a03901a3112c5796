"""Small files that are there as a whole or not at all, whatever is cut off when."""

import contextlib
import errno
import os
from pathlib import Path


def check(path: Path) -> None:
    """Raises OSError for what is there and no file that could be replaced: a folder, a device, /dev/stdout."""
    descriptor = path.is_symlink() and str(path.readlink()).startswith("/proc/")
    if not path.name or descriptor or (path.exists() and not path.is_file()):
        raise OSError(errno.EINVAL, "it is no file that could be replaced", str(path))


class NewFile:
    """A new `path` on its way, to be written piece by piece to `file`, then `commit` or `abandon`.

    The content goes to a new file first (O_EXCL, so nobody else's) that then gets its name: whoever looks at any
    moment, even after a power cut, finds the old file, or all of the new one. Raises OSError; the old one is intact
    then. See `check`.
    """

    def __init__(self, path: Path, mode: int = 0o644) -> None:
        check(path)
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}")
        self._temporary.unlink(missing_ok=True)  # of a process that died
        descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        self.file = os.fdopen(descriptor, "wb")

    def commit(self, *, replace: bool = True) -> bool:
        """On disk when this returns; False (and nothing done) if `path` exists and not `replace`."""
        try:
            with self.file:
                self.file.flush()
                os.fsync(self.file.fileno())
            if replace:
                self._temporary.replace(self._path)
            else:
                os.link(self._temporary, self._path)  # unlike rename, fails when the name is taken
        except FileExistsError:
            return False
        finally:
            self._temporary.unlink(missing_ok=True)
        sync(self._path.parent)
        return True

    def abandon(self) -> None:
        """As if it had never been begun."""
        with contextlib.suppress(OSError):  # what is left in its buffer does not fit either
            self.file.close()
        self._temporary.unlink(missing_ok=True)


def write(path: Path, data: bytes, *, mode: int = 0o644, replace: bool = True) -> bool:
    """Write `path` in one step, see NewFile. Raises OSError."""
    new = NewFile(path, mode)
    try:
        new.file.write(data)
    except OSError:
        new.abandon()
        raise
    return new.commit(replace=replace)


def sweep(path: Path) -> None:
    """Remove what processes that died left of new `path`s. For whoever is the only one to write it."""
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Put on disk what others wrote to a file; of a directory: its names (a new or renamed one is there only then)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
