"""Opens a container: the manifest is trusted before the payload is looked at, the payload's hash before it is used."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import zstandard

from headgate.core.jwt import EDDSA
from headgate.errors import MISSING, CommandError
from headgate.linux import image_format, keys
from headgate.linux.image_format import FRAME, GET_ANOTHER, RANGE_MAX, BadImage, Manifest, Range

_PIECE = 1 << 20  # bytes read at a time
_SUFFIX = ".pub"

Progress = Callable[[int, int], None]  # (done, total), bytes


def trust_folders() -> list[Path]:
    """Where the public keys of those whose images are believed are kept, as *.pub."""
    by_hand = os.environ.get("HEADGATE_TRUST")
    if by_hand:
        return [Path(by_hand)]
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return [config / "headgate" / "trust", Path("/etc/headgate/trust")]


def trusted_keys(named: list[Path]) -> dict[str, bytes]:
    """Thumbprint -> public key: of the files and folders `named`, else of `trust_folders`. CommandError: not a key."""
    found: dict[str, bytes] = {}
    for place in named or [folder for folder in trust_folders() if folder.is_dir()]:
        for file in sorted(place.glob(f"*{_SUFFIX}")) if place.is_dir() else [place]:
            key = keys.load_eddsa_public(file).secret
            found[keys.thumbprint(EDDSA, key)] = key
    return found


class Image:
    """One open image file, signed by `signer` (thumbprint). `manifest` is believed; every byte that `read` gives is
    what the manifest says."""

    def __init__(self, path: Path, trusted: dict[str, bytes]) -> None:
        """Raises BadImage when it is not to be trusted, CommandError when it cannot be read."""
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # of a pipe: an error, at once
        except OSError as error:
            raise CommandError(MISSING, f"cannot read {path}: {error.strerror}", "Name another file: --image") from None
        try:
            self.manifest = self._open(trusted)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, trusted: dict[str, bytes]) -> Manifest:
        size = image_format.content_size(self._at(0, FRAME.size))
        content = self._at(FRAME.size, size)
        if len(content) != size:
            raise BadImage("truncated", f"{self.path} ends in its manifest")
        self._payload = FRAME.size + size
        self.signer, signature, document = image_format.split(content)
        image_format.check_signature(self.signer, signature, document, trusted)
        self.manifest_sha256 = hashlib.sha256(document).hexdigest()
        manifest = image_format.decode(document)
        length = os.fstat(self._fd).st_size - self._payload
        if length < manifest.payload_size:
            missing = manifest.payload_size - length
            raise BadImage("truncated", f"{self.path} is cut short: {missing} bytes are missing")
        if length > manifest.payload_size:
            raise BadImage("altered", f"{self.path} has {length - manifest.payload_size} bytes too many")
        return manifest

    def _at(self, position: int, size: int) -> bytes:
        try:
            return os.pread(self._fd, size, position)
        except OSError as error:
            raise CommandError(MISSING, f"cannot read {self.path}: {error.strerror}", GET_ANOTHER) from None

    def _pieces(self) -> Iterator[bytes]:
        position, end = self._payload, self._payload + self.manifest.payload_size
        while position < end:
            data = self._at(position, min(_PIECE, end - position))
            if not data:
                raise BadImage("truncated", f"{self.path} became shorter while it was read")
            yield data
            position += len(data)

    def check_payload(self, progress: Progress) -> None:
        """Raises BadImage when the compressed bytes are not those that were signed. Nothing is decompressed before."""
        digest, done = hashlib.sha256(), 0
        for data in self._pieces():
            digest.update(data)
            done += len(data)
            progress(done, self.manifest.payload_size)
        if digest.hexdigest() != self.manifest.payload_sha256:
            raise BadImage("altered", f"{self.path} was altered or damaged: its hash is not the signed one")

    def check_whole(self, progress: Progress) -> None:
        """Raises BadImage when what `zstd -dc` gives is not the disk that was signed, or its mapped ranges are not."""
        for piece in self.manifest.ranges:
            self.read(piece)
        digest, done = hashlib.sha256(), 0
        unpacker = zstandard.ZstdDecompressor(max_window_size=RANGE_MAX)
        with os.fdopen(os.dup(self._fd), "rb", buffering=0) as file, contextlib.suppress(zstandard.ZstdError):
            file.seek(self._payload)
            stream = unpacker.stream_reader(file, read_size=_PIECE, read_across_frames=True)
            while done <= self.manifest.size and (part := stream.read(_PIECE)):
                digest.update(part)
                done += len(part)
                progress(min(done, self.manifest.size), self.manifest.size)
        if digest.hexdigest() != self.manifest.sha256:
            raise self._undone()

    def read(self, piece: Range) -> bytes:
        """The bytes of one range. Raises BadImage when they are not those that were signed."""
        frame = self._at(self._payload + piece.frame_start, piece.frame_size)
        try:
            # The frame says how much will be allocated: it is asked before it is believed.
            if zstandard.frame_content_size(frame) != piece.size:
                raise self._undone()
            data = zstandard.ZstdDecompressor(max_window_size=RANGE_MAX).decompress(frame)
        except zstandard.ZstdError:
            raise self._undone() from None
        if hashlib.sha256(data).hexdigest() != piece.sha256:
            raise self._undone()
        return data

    def _undone(self) -> BadImage:
        return BadImage(
            "altered", f"{self.path} does not hold what its manifest says: it was made badly, or changed just now"
        )
