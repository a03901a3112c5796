"""From the operator's provision.toml to the document of one board: a fresh identity, the fleet's settings, the time."""

import hashlib
import os
import re
import stat
import tempfile
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.core import base64url
from headgate.errors import CONFIG, MISSING, CommandError
from headgate.linux import config, ed25519, first_boot, provisioning
from headgate.linux.keys import FILE_MAX, SECRET_SIZE

_FROM_FILE = "_file"  # password_file = "x" stands for password = (what is in x)
_SECRETS = frozenset({"password"})
_WOULD_NOT_START = "with the configuration of --provision the board would not start"
_NAMES_A_FILE = {
    "ca_file", "cert_file", "jwks_file", "key_file", "password_file", "public_keys", "revoked_file", "schema",
    "secret_file", "tls_cert", "tls_client_ca", "tls_key",
}  # fmt: skip
SSID_MAX = 32  # bytes: IEEE 802.11-2020, 9.4.2.2; the schema counts characters
_OWN = ("v", "time", "device")  # what only this module writes


@dataclass(frozen=True, slots=True)
class Provisioning:
    """`record` holds secrets: it goes to the board and nowhere else."""

    hostname: str
    public_key: bytes
    record: bytes

    @property
    def serial(self) -> str:
        return serial_of(self.public_key)


def serial_of(public_key: bytes) -> str:
    """A board's serial number: 16 hexadecimal digits that follow from its public key."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def make(file: Path | None, hostname: str | None) -> Provisioning:
    """A new identity with the settings of `file`. Raises CommandError, which never quotes what stands in it."""
    given = settings(file) if file is not None else {}
    for key in _OWN:
        if key in given:
            raise CommandError(CONFIG, f"{file}: {key} is written by headgate flash itself", "Take it out")
    seed = os.urandom(SECRET_SIZE)
    public = ed25519.public_key(seed)
    document: dict[str, Any] = {
        "v": 1,
        **given,
        "time": int(time.time()),
        "device": {
            "private_key": base64url.encode(seed).decode(),
            "public_key": base64url.encode(public).decode(),
        },
    }
    if hostname is not None:
        document["hostname"] = hostname
    document.setdefault("hostname", f"headgate-{serial_of(public)}")
    try:
        record = provisioning.encode(document)
    except ValueError:  # a date, which TOML has and JSON has not
        raise CommandError(
            CONFIG, f"{file} has a value that is neither text nor number", "docs/flash.md shows one"
        ) from None
    if len(document.get("wifi", {}).get("ssid", "").encode()) > SSID_MAX:
        raise CommandError(CONFIG, f"wifi.ssid has more than {SSID_MAX} bytes", "No network is called that")
    _check_configuration(document)
    return Provisioning(str(document["hostname"]), public, record)


def _check_configuration(document: dict[str, Any]) -> None:
    """What the first boot makes of it must start there, as far as this machine can know."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = {f"schemas/{one}.json": text for one, text in document.get("schemas", {}).items()}
        texts |= {"headgate.toml": first_boot.configuration(document), "state/keys/uplink.password": "unknown here"}
        if "issuer" in document:
            texts["state/keys/issuer.pub"] = document["issuer"].get("public_key", "")
        for place, text in texts.items():
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
        try:
            config.load(folder / "headgate.toml", state_dir=folder / "state", environ={})
        except config.ConfigErrors as found:
            for one in found.findings:
                if one.severity == "error" and not _is_the_boards_own(one, folder, texts):
                    # Without the line: it is that of the text made here, which nobody has.
                    where = ", ".join(filter(None, (Path(one.file).name, one.key)))
                    cause = f"{_WOULD_NOT_START}: {where}"
                    next_step = "'headgate check --config FILE' says what is wrong there"
                    if "config" not in document:  # of these sections, then
                        next_step = "docs/configuration.md says what may stand there"
                    raise CommandError(CONFIG, cause, next_step) from None


def _is_the_boards_own(one: config.Finding, folder: Path, texts: Mapping[str, str]) -> bool:
    """About a file that only the board will have, or about what its image has and this machine may not."""
    if one.key == "listen.http2":
        return "native backend" in one.message or "built without" in one.message
    key = re.findall(r"[a-z_]+", one.key)[-1:]
    if not _NAMES_A_FILE.issuperset(key) or one.file != str(folder / "headgate.toml"):
        return False
    ours = (folder / "schemas", *(folder / place for place in texts))
    names_a_path = any(word.startswith("/") for word in one.message.split())
    return names_a_path and not any(str(place) in one.message for place in ours)


def settings(file: Path) -> dict[str, Any]:
    """What stands in the operator's file, not checked against the schema yet. Raises CommandError."""
    data, private = _read(file)
    try:
        return _resolved(tomllib.loads(data.decode()), file, private)
    except (ValueError, RecursionError):  # its message could quote a secret
        raise CommandError(CONFIG, f"{file} is not TOML", "docs/flash.md shows one") from None


def _resolved(table: dict[str, Any], file: Path, private: bool) -> dict[str, Any]:
    """With every `…_file` replaced by what is in the file. Secrets stand only in private files."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found[key] = _resolved(value, file, private)
        elif key.endswith(_FROM_FILE) and isinstance(value, str):
            name = key.removesuffix(_FROM_FILE)
            source = file.parent / value
            data, source_private = _read(source)
            _check_private(name, source, source_private)
            found[name] = data.decode("utf-8", "replace").strip()
        else:
            _check_private(key, file, private)
            found[key] = value
    return found


def _check_private(key: str, file: Path, private: bool) -> None:
    if key in _SECRETS and not private:
        raise CommandError(CONFIG, f"{file} holds a password and others can read it", f"Type: chmod 600 {file}")


def _read(file: Path) -> tuple[bytes, bool]:
    """-> (content, nobody else can read it)"""
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            data = opened.read(FILE_MAX + 1)
    except OSError as error:
        raise CommandError(MISSING, f"cannot read {file}: {error.strerror}", "Name another file") from None
    except ValueError:  # NUL in its name
        raise CommandError(MISSING, f"{str(file)!r} is no name of a file", "Name another file") from None
    if len(data) > FILE_MAX:
        raise CommandError(CONFIG, f"{file} has more than {FILE_MAX} bytes", "Name another file")
    return data, not mode & (stat.S_IRWXG | stat.S_IRWXO)
