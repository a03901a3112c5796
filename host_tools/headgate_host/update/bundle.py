"""A bundle out of an image, or read from a .hgu file: the bytes that a board is sent. docs/update.md has the format."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from headgate.errors import MISSING, CommandError
from headgate.linux import atomic_file, update_install
from headgate.linux.image_format import BadImage, Manifest

_PIECE = 65536  # bytes


class Bundle:
    """Of an image file, or a file that holds a bundle already. `manifest` is believed; `size` in bytes."""

    def __init__(self, path: Path, trusted: dict[str, bytes]) -> None:
        """Raises BadImage when it is not to be trusted, CommandError when it cannot be read."""
        self.path = path
        if path.is_fifo():  # would be waited for, for ever
            raise CommandError(MISSING, f"cannot read {path}: it is a pipe, no file", "Name another file")
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise CommandError(MISSING, f"cannot read {path}: {error.strerror}", "Name another file") from None
        try:
            self.manifest, self.signer, self._header = update_install.read_manifest(self._file.read, trusted)
            self.size = update_install.bundle_size(len(self._header), self.manifest)
            self._whole = self._is_image()
        except BaseException:
            self._file.close()
            raise

    def _is_image(self) -> bool:
        """Or a bundle. Its length says which: there is no image without anything beside the slot."""
        there = os.fstat(self._file.fileno()).st_size
        if there == self.size:
            return False
        if there == len(self._header) + self.manifest.payload_size:
            return True
        raise BadImage("truncated", f"{self.path} has {there} bytes, and neither an image nor an update of it has")

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "Bundle":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pieces(self) -> Iterator[bytes]:
        yield self._header
        position = len(self._header)
        for piece, _ in update_install.wanted(self.manifest):
            start = len(self._header) + piece.frame_start if self._whole else position
            self._file.seek(start)
            left = piece.frame_size
            position += left
            while left:
                data = self._file.read(min(left, _PIECE))
                if not data:
                    raise BadImage("truncated", f"{self.path} became shorter while it was read")
                left -= len(data)
                yield data

    def save(self, target: Path) -> None:
        """Raises CommandError."""
        try:
            new = atomic_file.NewFile(target)
            with contextlib.ExitStack() as undo:
                undo.callback(new.abandon)
                for data in self.pieces():
                    new.file.write(data)
                undo.pop_all()
            new.commit()
        except OSError as error:
            raise CommandError(MISSING, f"cannot write {target}: {error.strerror}", "Name another file: -o") from None


def describe(manifest: Manifest, signer: str) -> str:
    return f"{manifest.name} {manifest.version} for {manifest.board}, signed by {signer}"
