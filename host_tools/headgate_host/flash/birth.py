"""Birth certificates: one JSON file for each board that was written, for the fleet's books. No secrets in it."""

import json
import os
import time
from pathlib import Path
from typing import Any

from headgate import __version__
from headgate.core import base64url
from headgate.errors import MISSING, CommandError
from headgate.linux import atomic_file
from headgate_host.flash.disks import Disk
from headgate_host.flash.image_open import Image
from headgate_host.flash.provision import Provisioning
from headgate_host.flash.writer import Result

NEXT = "Name another folder: --birth"


def prepare(folder: Path) -> None:
    """Before anything is written to a disk: a board must not be made that nobody's books know. Raises CommandError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(MISSING, f"cannot make {folder}: {error.strerror}", NEXT) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CommandError(MISSING, f"{folder} may not be written", NEXT)


def certificate(image: Image, disk: Disk | None, board: Provisioning | None, result: Result) -> dict[str, Any]:
    """`disk` None: a file was written. `board` None: nothing was provisioned."""
    manifest = image.manifest
    document: dict[str, Any] = {
        "v": 1,
        "board": manifest.board,
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "by": f"headgate {__version__}",
        "image": {
            "name": manifest.name,
            "version": manifest.version,
            "sha256": manifest.sha256,
            "manifest_sha256": image.manifest_sha256,
            "signed_by": image.signer,
        },
        "verify_hash": result.verify_hash,
        "retries": result.retries,
    }
    if board is not None:
        document["serial"] = board.serial
        document["hostname"] = board.hostname
        document["device_public_key"] = base64url.encode(board.public_key).decode()
    if disk is not None:
        document["disk"] = {"model": disk.model, "serial": disk.serial, "size": disk.size}
    return document


def write(folder: Path, document: dict[str, Any]) -> Path:
    """-> the new file. Raises CommandError: the board is fine, and its public key must be noted some other way."""
    name, serial = document["hostname"], document["serial"]
    path = folder / (f"{name}.json" if name.endswith(serial) else f"{name}-{serial}.json")
    try:
        atomic_file.write(path, (json.dumps(document, indent=2) + "\n").encode(), mode=0o600)
    except OSError as error:
        key = document["device_public_key"]
        cause = f"the board is written and verified, but its certificate {path} is not: {error.strerror}"
        raise CommandError(MISSING, cause, f"Note its public key: {key}") from None
    return path
