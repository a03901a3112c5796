"""The provisioning area: what makes one board different from another, in a partition of its own.

    "headgate-provisioning 1\\n"  length in decimal " " SHA-256 in hex "\\n"  document (JSON), then zeros

No file system: it is written and read in one piece, and a half-written one is known by its hash. `headgate flash`
writes it, the first boot reads it, puts it where it belongs and erases it: private key and passwords are then in one
place only. The document is checked against data/provisioning.json on both sides.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Any, cast

from headgate import _accel
from headgate.core import json
from headgate.errors import CONFIG, MISSING, CommandError

FIRST_LINE = b"headgate-provisioning 1\n"
DOCUMENT_MAX = 65536  # bytes
_SECOND_LINE = re.compile(rb"([1-9][0-9]{0,5}) ([0-9a-f]{64})\n")
_HEAD_MAX = len(FIRST_LINE) + 6 + 1 + 64 + 1
_BLOCK = 4096  # bytes; a disk is read and written in whole ones


def encode(document: dict[str, Any]) -> bytes:
    """The record of a document. Raises CommandError(CONFIG) as `check` does."""
    data = json.dumps(document)
    check(data)
    return b"%s%d %s\n%s" % (FIRST_LINE, len(data), hashlib.sha256(data).hexdigest().encode(), data)


def decode(record: bytes) -> dict[str, Any] | None:
    """The document of a record with whatever behind it; None when there is none. CommandError(CONFIG): damaged."""
    if not record.startswith(FIRST_LINE):
        if record.strip(b"\0"):
            raise CommandError(CONFIG, "the provisioning area holds something else", "Flash the board again")
        return None
    found = _SECOND_LINE.match(record, len(FIRST_LINE))
    size = int(found[1]) if found else 0
    data = record[found.end() :][:size] if found else b""
    if found is None or len(data) != size or hashlib.sha256(data).hexdigest().encode() != found[2]:
        raise CommandError(CONFIG, "the provisioning area is damaged", "Flash the board again")
    check(data)
    return cast(dict[str, Any], json.loads(data))


def check(data: bytes) -> None:
    """Raises CommandError(CONFIG) that says where the document breaks which rule, never what stands there."""
    if len(data) > DOCUMENT_MAX:
        raise CommandError(CONFIG, f"the provisioning has {len(data)} bytes; at most {DOCUMENT_MAX} are possible")
    schema = (Path(__file__).parents[1] / "data" / "provisioning.json").read_bytes()
    verdict = _accel.Schema(schema).validate(data)
    if not verdict.valid:
        error = verdict.errors[0]
        cause = f"the provisioning breaks a rule at {error.instance or '/'}: {error.schema.rsplit('/', 1)[-1]}"
        raise CommandError(CONFIG, cause, "docs/flash.md says what it may hold")


def read(place: Path) -> dict[str, Any] | None:
    """The document in the provisioning partition `place`; None: it is empty. CommandError: unreadable or damaged."""
    try:
        with place.open("rb", buffering=0) as file:
            return decode(file.read(_HEAD_MAX + DOCUMENT_MAX))
    except OSError as error:
        cause = f"cannot read the provisioning area {place}: {error.strerror}"
        raise CommandError(MISSING, cause, "Is there a partition named provision?") from None


def erase(place: Path) -> None:
    """Zeros over the record, on the medium when this returns. Raises OSError."""
    with place.open("r+b", buffering=0) as file:
        size = -(-(_HEAD_MAX + DOCUMENT_MAX) // _BLOCK) * _BLOCK
        file.write(bytes(min(size, file.seek(0, os.SEEK_END) - file.seek(0))))
        os.fsync(file.fileno())
