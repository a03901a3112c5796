"""The image container: an ordinary .zst file whose first, skippable frame is a signed manifest. docs/image-format.md

    u32 0x184D2A5D  u32 length   (little-endian: a skippable frame, RFC 8878 section 3.1.2)
    "headgate-image 1\\n"  signer " " signature "\\n"  manifest (JSON)
    frames of zstd: one for each mapped range, and one for each hole between them, in the order of the disk

`zstd -dc` passes over the first frame and gives the raw disk. The signer is named by the key's thumbprint (RFC 7638);
the signature (Ed25519) is over the first line and the manifest. It is checked before the manifest is parsed; all the
rest is bound to the manifest by hashes. Parsers here do no I/O.
"""

import hashlib
import json
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from headgate import _accel
from headgate.core import base64url
from headgate.core.jwt import EDDSA
from headgate.errors import REFUSED, CommandError
from headgate.linux import ed25519
from headgate.linux.keys import thumbprint

BLOCK = 4096  # bytes; ranges start and end on blocks: the largest logical block of today's disks
RANGE_MAX = 4 << 20  # bytes of a range: what is held in memory, compared and written again at a time
FIRST = 1 << 20  # bytes at the start of a disk that are written last: partition table and boot code
MANIFEST_MAX = 4 << 20  # bytes
FRAME = struct.Struct("<II")
FRAME_MAGIC = 0x184D2A5D
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
FIRST_LINE = b"headgate-image 1\n"
_SIGNATURE_LINE = re.compile(rb"(?:([A-Za-z0-9_-]{43}) ([A-Za-z0-9_-]{86}))?\n")  # empty: not signed
GET_ANOTHER = "Get the image again from where it was made"


class BadImage(CommandError):
    """This file is not an image to be trusted; `code` REFUSED. `reason`: the case in docs/flash.md."""

    def __init__(self, reason: str, cause: str, next_step: str = GET_ANOTHER) -> None:
        super().__init__(REFUSED, cause, next_step)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Extent:
    """`size` bytes of a disk or image from `start` on."""

    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Partition:
    name: str
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Range(Extent):
    """A mapped range: what must stand on the disk, and where its frame is in the payload."""

    sha256: str
    frame_start: int
    frame_size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Sizes and places in bytes. `required_size`: of the smallest disk; `provisioning`: where a board's own data go."""

    board: str
    name: str
    version: str
    created: int  # Unix time, seconds
    size: int
    required_size: int
    sha256: str
    payload_size: int
    payload_sha256: str
    partitions: tuple[Partition, ...]
    provisioning: Extent | None
    ranges: tuple[Range, ...]

    @property
    def mapped_size(self) -> int:
        return sum(piece.size for piece in self.ranges)

    def verify_hash(self) -> str:
        """What `verify_hash` gives for a disk that holds this image."""
        return verify_hash(piece.sha256 for piece in self.ranges)

    def encode(self) -> bytes:
        document: dict[str, Any] = {
            "v": 1,
            "board": self.board,
            "name": self.name,
            "version": self.version,
            "created": self.created,
            "size": self.size,
            "required_size": self.required_size,
            "sha256": self.sha256,
            "payload": {"size": self.payload_size, "sha256": self.payload_sha256},
            "partitions": [{"name": p.name, "start": p.start, "size": p.size} for p in self.partitions],
            "ranges": [[r.start, r.size, r.sha256, r.frame_start, r.frame_size] for r in self.ranges],
        }
        if self.provisioning is not None:
            document["provisioning"] = {"start": self.provisioning.start, "size": self.provisioning.size}
        return json.dumps(document, separators=(",", ":")).encode()


def verify_hash(digests: Iterable[str]) -> str:
    """One hash for all that is mapped: SHA-256 over the ranges' SHA-256 (32 bytes each), in the order of the disk."""
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def header(manifest: bytes, seed: bytes | None) -> bytes:
    """The first frame. `seed`: the signer's Ed25519 private key; None leaves the image unsigned."""
    line = b""
    if seed is not None:
        signature = base64url.encode(ed25519.sign(seed, FIRST_LINE + manifest))
        line = thumbprint(EDDSA, ed25519.public_key(seed)).encode() + b" " + signature
    content = FIRST_LINE + line + b"\n" + manifest
    return FRAME.pack(FRAME_MAGIC, len(content)) + content


def content_size(start: bytes) -> int:
    """The length of the first frame's content, from the file's first 8 bytes. Raises BadImage."""
    if len(start) < FRAME.size or FRAME.unpack(start)[0] != FRAME_MAGIC:
        kind = "a plain zstd file" if start.startswith(ZSTD_MAGIC) else "not a Headgate image"
        raise BadImage(
            "not-an-image", f"this is {kind}: it does not start with a manifest", "'headgate image pack' makes one"
        )
    size = int(FRAME.unpack(start)[1])
    if size > MANIFEST_MAX:
        raise BadImage("malformed", f"its manifest claims {size} bytes; at most {MANIFEST_MAX} are allowed")
    return size


def split(content: bytes) -> tuple[str, bytes, bytes]:
    """-> (signer, signature, the manifest's bytes) of the first frame's content; unsigned: ("", b"", …). BadImage."""
    if not content.startswith(FIRST_LINE):
        if content.startswith(FIRST_LINE[: FIRST_LINE.index(b" ") + 1]):
            raise BadImage("newer-format", "this image has a newer format", "Update Headgate on this machine")
        raise BadImage("not-an-image", "this is not a Headgate image", "'headgate image pack' makes one")
    line = _SIGNATURE_LINE.match(content, len(FIRST_LINE))
    if line is None:
        raise BadImage("altered", "its signature is no signature: the image was altered or damaged")
    try:
        signature = base64url.decode(line[2] or b"")
    except ValueError:  # bits behind the last byte
        raise BadImage("altered", "its signature is no signature: the image was altered or damaged") from None
    return (line[1] or b"").decode(), signature, content[line.end() :]


def check_signature(signer: str, signature: bytes, manifest: bytes, trusted: dict[str, bytes]) -> None:
    """`trusted`: thumbprint -> Ed25519 public key. Raises BadImage: unsigned, signed by a stranger, altered."""
    if not signer:
        raise BadImage("unsigned", "the image is not signed", "Sign it: headgate image pack --sign image.key")
    key = trusted.get(signer)
    if key is None:
        known = f"only {len(trusted)} other keys are trusted" if trusted else "no key is trusted yet"
        raise BadImage(
            "unknown-signer",
            f"the image is signed by {signer}, and {known}",
            "If that is the maker's key, name its file: --trust image.pub",
        )
    if not ed25519.verify(key, FIRST_LINE + manifest, signature):
        raise BadImage("altered", "the signature does not fit the manifest: the image was altered or damaged")


@cache
def _schema() -> Any:
    return _accel.Schema((Path(__file__).parents[1] / "data" / "image.json").read_bytes())


def decode(data: bytes) -> Manifest:
    """A manifest from its JSON, every member and every place checked. Raises BadImage."""
    verdict = _schema().validate(data)
    if not verdict.valid:
        where = verdict.errors[0].instance or "/" if verdict.errors else "/"
        raise BadImage("malformed", f"its manifest is malformed at {where}")
    document = json.loads(data, parse_float=_no_float)
    area = document.get("provisioning")
    manifest = Manifest(
        document["board"],
        document["name"],
        document["version"],
        document["created"],
        document["size"],
        document["required_size"],
        document["sha256"],
        document["payload"]["size"],
        document["payload"]["sha256"],
        tuple(Partition(p["name"], p["start"], p["size"]) for p in document["partitions"]),
        Extent(area["start"], area["size"]) if area else None,
        tuple(Range(*row) for row in document["ranges"]),
    )
    for problem in _misplaced(manifest):
        raise BadImage("malformed", f"its manifest is malformed: {problem}")
    return manifest


def _no_float(text: str) -> int:
    """4096.0 is an integer to JSON Schema, and no offset."""
    raise BadImage("malformed", f"its manifest is malformed: {text} is not written as an integer")


def _misplaced(manifest: Manifest) -> Iterator[str]:
    """What of the manifest lies where it cannot."""
    if manifest.required_size < manifest.size:
        yield "required_size is smaller than the image"
    position = frame = 0
    for piece in manifest.ranges:
        if piece.start < position:
            yield f"the range at {piece.start} overlaps the one before it"
        if piece.start < FIRST < piece.end:
            yield f"the range at {piece.start} crosses the end of the first MiB"
        if piece.frame_start < frame:
            yield f"the frame of the range at {piece.start} overlaps the one before it"
        position, frame = piece.end, piece.frame_start + piece.frame_size
    if position > manifest.size:
        yield "its ranges reach beyond its size"
    if frame > manifest.payload_size:
        yield "its frames reach beyond the payload"
    area = manifest.provisioning
    if area is not None:
        if area.start < FIRST or area.end > manifest.size or area.size < BLOCK:
            yield "the provisioning area lies outside the image or in its first MiB"
        if any(piece.start < area.end and area.start < piece.end for piece in manifest.ranges):
            yield "the provisioning area overlaps what is written"
