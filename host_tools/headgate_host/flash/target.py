"""A disk or a file, past the page cache: what is read back was on the medium, not in this machine's memory."""

import contextlib
import errno
import fcntl
import mmap
import os
import stat
import struct
import sys
from pathlib import Path
from typing import Self

from headgate.errors import DEVICE, MISSING, REFUSED, USAGE, CommandError
from headgate.linux import atomic_file
from headgate.linux.image_format import RANGE_MAX
from headgate_host.flash.disks import SECTOR, Disk, readable_size
from headgate_host.flash.refusals import ANOTHER, Refused

# <linux/fs.h>: _IO(0x12, 95), _IOR(0x12, 114, size_t), _IOR(0x12, 128, __u64)
_BLKRRPART = 0x125F
_BLKGETSIZE64 = 0x80001272 | struct.calcsize("P") << 16
_BLKGETDISKSEQ = 0x80081280
_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})  # FAT, FUSE
_NO_LOCK = frozenset({errno.ELOOP, errno.EACCES, errno.ENXIO})  # a link, another user's file, a socket: cannot be asked
_CHANGED_NEXT = "Look again: headgate disks"


class Target:
    """`name` for messages; `size` in bytes. Offsets and sizes: multiples of its sectors, at most RANGE_MAX at once."""

    fresh = False  # nothing old is there that could be taken for a system
    remains = "it is half-written and will not boot"  # when writing ends early

    def __init__(self, descriptor: int, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self._fd = descriptor
        self._buffer = mmap.mmap(-1, RANGE_MAX)  # aligned to a page, as O_DIRECT asks
        self._direct = bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._fd)
        self._buffer.close()

    def write(self, start: int, data: bytes) -> None:
        """All of `data`, whatever the kernel takes at a time. Raises OSError."""
        self._buffer[: len(data)] = data
        with memoryview(self._buffer) as view:
            done = 0
            while done < len(data):
                try:
                    count = os.pwrite(self._fd, view[done : len(data)], start + done)
                except OSError as error:
                    self._without_direct(error)
                    continue
                if done + count < len(data):
                    count -= count % SECTOR  # what follows must be aligned, too
                    if not count:
                        raise OSError(errno.EIO, "only a part of a block was taken")
                done += count

    def read(self, start: int, size: int) -> bytes:
        """From the medium. Raises OSError."""
        if not self._direct:
            os.posix_fadvise(self._fd, start, size, os.POSIX_FADV_DONTNEED)  # clean pages only: after `sync`
        with memoryview(self._buffer) as view:
            done = 0
            while done < size:
                try:
                    count = os.preadv(self._fd, [view[done:size]], start + done)
                except OSError as error:
                    self._without_direct(error)
                    continue
                if not count:
                    raise OSError(errno.EIO, "it ends too early")
                done += count
            return bytes(view[:size])

    def sync(self) -> None:
        """Everything written is on the medium, as far as the medium is honest. Raises OSError."""
        os.fsync(self._fd)

    def _without_direct(self, error: OSError) -> None:
        """File systems and drivers without O_DIRECT answer EINVAL: go on through the page cache. Others: raise."""
        if not self._direct or error.errno != errno.EINVAL:
            raise error
        self._direct = False
        fcntl.fcntl(self._fd, fcntl.F_SETFL, fcntl.fcntl(self._fd, fcntl.F_GETFL) & ~os.O_DIRECT)
        self.sync()

    def finish(self) -> None:
        """Written and verified: give it its name."""

    def failure(self, error: OSError, doing: str, offset: int | None = None) -> CommandError:
        """What an OSError while writing or reading means to the user. `offset`: byte, where it is known."""
        if error.errno in _GONE:
            return CommandError(DEVICE, f"{self.name} was unplugged; it will not boot", "Plug it in and flash it again")
        cause = f"cannot {doing} {self.name}{_at(offset)}: {error.strerror}; it will not boot"
        return CommandError(DEVICE, cause, "Likely a failing or fake card: try another one, then another reader")


def _at(offset: int | None) -> str:
    return "" if offset is None else f" at byte {offset}"


class DiskTarget(Target):
    """A whole disk that nobody else has open."""

    @classmethod
    def open(cls, disk: Disk, device: Path) -> Self:
        """The disk that was looked at, or Refused. `device`: where it is opened."""
        try:
            descriptor = _open(device)
        except OSError as error:
            raise _cannot_open(disk, error) from None
        try:
            problem = _other(disk, descriptor)
            if problem:
                raise Refused("changed", f"{disk.path} is another disk now: {problem}", _CHANGED_NEXT)
            return cls(descriptor, str(disk.path), disk.size)
        except BaseException:
            os.close(descriptor)
            raise

    def finish(self) -> None:
        """Let the kernel look at the new partition table; not all disks have partitions, and nothing depends on it."""
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._fd, _BLKRRPART)


def _open(path: Path) -> int:
    """O_EXCL: the kernel refuses a disk that is mounted, swapped on or held, and nobody can mount it meanwhile."""
    flags = os.O_RDWR | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_DIRECT)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.open(path, flags)


def _cannot_open(disk: Disk, error: OSError) -> Refused:
    if error.errno in (errno.EACCES, errno.EPERM):
        return Refused("permission", f"{disk.path} may not be written by you", "Type the same after sudo", MISSING)
    if error.errno == errno.EBUSY:
        return Refused("busy", f"{disk.path} is in use by another program", f"Type: fuser -v {disk.path}")
    if error.errno == errno.EROFS:
        return Refused(
            "read-only", f"{disk.path} is read-only", f"Slide the card's lock, or type: blockdev --setrw {disk.path}"
        )
    if error.errno in _GONE or error.errno == errno.ENOENT:
        return Refused("changed", f"{disk.path} is gone", _CHANGED_NEXT)
    return Refused("busy", f"cannot open {disk.path}: {error.strerror}", ANOTHER)


def _other(disk: Disk, descriptor: int) -> str:
    """What the open descriptor says against being that disk, or ""."""
    status = os.fstat(descriptor)
    if not stat.S_ISBLK(status.st_mode):
        return "it is no block device"
    dev = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    if dev != disk.dev:
        return f"its number was {disk.dev} and is {dev}"
    size = _ask(descriptor, _BLKGETSIZE64)
    if size != disk.size:
        return f"its size was {readable_size(disk.size)} and is {readable_size(size)}"
    if disk.sequence:
        with contextlib.suppress(OSError):  # no such question on kernels before 5.15
            sequence = _ask(descriptor, _BLKGETDISKSEQ)
            if sequence != disk.sequence:
                return "it was unplugged and plugged in again"
    return ""


def _ask(descriptor: int, question: int) -> int:
    return int.from_bytes(fcntl.ioctl(descriptor, question, bytes(8)), sys.byteorder)


class FileTarget(Target):
    """A new file of an image's size; it has its name only when it is complete."""

    fresh = True
    remains = "nothing is left of it"

    def __init__(self, path: Path, size: int, mapped: int) -> None:
        """`mapped`: bytes that will be written. Raises Refused."""
        self._path = path
        self.check(path, mapped)
        self._partial = path.with_name(f".{path.name}.partial")
        try:
            self._remove_old()
            descriptor = _create(self._partial)
        except OSError as error:
            raise self._no_place(error) from None
        super().__init__(descriptor, str(path), size)
        self._locked = False
        try:
            _lock(descriptor)
            self._locked = True
            os.ftruncate(descriptor, size)
        except OSError as error:
            self.close()
            raise self._no_place(error) from None

    def _no_place(self, error: OSError) -> Refused:
        if isinstance(error, BlockingIOError | FileExistsError):  # locked, or made just now
            return Refused("out-exists", f"{self._path} is being written", "Wait, or name another: --out", USAGE)
        return Refused("no-place", f"cannot write {self._path}: {error.strerror}", "Name another place: --out", MISSING)

    def _remove_old(self) -> None:
        """Of a run that was killed; one that still writes it has it locked. Raises OSError."""
        try:
            descriptor = os.open(self._partial, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in _NO_LOCK:
                raise
            self._partial.unlink(missing_ok=True)  # if it is another's, and still written, that run will notice
            return
        try:
            _lock(descriptor)
            self._partial.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    @staticmethod
    def check(path: Path, mapped: int) -> None:
        """Whether it can be made, as far as that is known before. Raises Refused."""
        if path.is_block_device():
            raise Refused(
                "out-is-disk", f"{path} is a disk, not a file", f"Disks are written with --disk {path}", USAGE
            )
        if path.exists() or path.is_symlink():
            raise Refused("out-exists", f"{path} exists", "Remove it, or name another: --out", USAGE)
        if not path.parent.is_dir():
            raise Refused("no-place", f"there is no folder {path.parent}", f"Type: mkdir -p {path.parent}", MISSING)
        state = os.statvfs(path.parent)
        free = state.f_bavail * state.f_frsize
        if free < mapped:
            cause = f"{path.parent} has room for {readable_size(free)}, and {readable_size(mapped)} are needed"
            raise Refused("no-room", cause, "Name another place: --out", REFUSED)

    def finish(self) -> None:
        """Raises Refused when somebody else took the name meanwhile."""
        try:
            self._take_name()
            atomic_file.sync(self._path.parent)
        except FileExistsError:
            raise Refused("out-exists", f"{self._path} exists now", "Name another: --out", USAGE) from None
        except OSError as error:
            raise self.failure(error, "name") from None

    def _take_name(self) -> None:
        """Whatever happens, nobody else's file is lost. Without hard links, the name is taken by an empty file first,
        which a power cut just then would leave. Raises OSError."""
        if not self._is_partial():
            raise FileNotFoundError(errno.ENOENT, f"somebody removed {self._partial.name} meanwhile")
        try:
            os.link(self._partial, self._path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
        else:
            self._partial.unlink()
            return
        os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))  # ours from now on
        try:
            self._partial.replace(self._path)
        except OSError:
            self._path.unlink(missing_ok=True)
            raise

    def _is_partial(self) -> bool:
        """Whether the name of the partial file is that of what was written here, and not of another run's file."""
        try:
            return os.path.samestat(self._partial.lstat(), os.fstat(self._fd))
        except OSError:
            return False

    def close(self) -> None:
        """The partial file goes as long as it is locked: without the lock, another run may be just replacing it."""
        with contextlib.suppress(OSError):  # a file system that has become read-only; why it did is told already
            if self._locked and self._is_partial():
                self._partial.unlink(missing_ok=True)
        super().close()

    def failure(self, error: OSError, doing: str, offset: int | None = None) -> CommandError:
        if error.errno in _FULL:
            return CommandError(DEVICE, f"no room for {self.name}: {error.strerror}", "Name another place: --out")
        cause = f"cannot {doing} {self.name}{_at(offset)}: {error.strerror}"
        return CommandError(DEVICE, cause, "Name another place: --out")


def _lock(descriptor: int) -> None:
    """Raises BlockingIOError when another process has it; some file systems have no locks, and NFS has this one only
    where the file is open for writing."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return
    if not os.fstat(descriptor).st_nlink:  # removed by one that took it for a dead one's, just now
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def _create(path: Path) -> int:
    """O_DIRECT comes later: refused by `open` itself, it would leave a file that nobody has locked."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(OSError):  # a file system without it
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_DIRECT)
    return descriptor
