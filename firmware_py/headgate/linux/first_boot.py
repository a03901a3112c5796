"""The first boot of an image: what the board was provisioned with is put in place, and the disk's last partition grows.

    /data/config/headgate.toml, schemas/   the configuration: root's, and kept by updates
    /data/config/hostname, wpa_supplicant.conf, ssh/authorized_keys, timesyncd.conf
    /data/headgate                         the appliance's own: keys, outbox, the time it may believe
    /data/update                           what the updater remembers

Order, so that a power cut at any moment ends well: everything is written (each file in one step), then APPLIED; then
the record with its secrets is erased; now the appliance may start, and meanwhile the partition grows; then DONE, after
which this never runs again. Begun anew before APPLIED it writes the same again; after it, there is nothing left to
read, and it only finishes.
"""

import grp
import os
import pwd
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.errors import DEVICE, OK, CommandError
from headgate.linux import atomic_file, ntp, provisioning, systemd

APPLIED, DONE = "config/applied", "config/provisioned"
USER = "headgate"
PARTITIONS = Path("/dev/disk/by-partlabel")
_DEFAULT = Path(__file__).parents[1] / "data" / "default.toml"
_NOT_PROVISIONED = "not provisioned: it starts with the defaults, and looks again at the next boot"


@dataclass(frozen=True, slots=True)
class Place:
    """`data`: where the partition is mounted; `owner`: user and group id of the appliance, None: whoever runs this."""

    data: Path
    owner: tuple[int, int] | None = None

    def folder(self, name: str, mode: int, *, own: bool = False) -> None:
        path = self.data / name
        path.mkdir(mode=mode, exist_ok=True)
        path.chmod(mode)
        if own:
            self._give(path)

    def write(self, name: str, content: bytes, mode: int = 0o644, *, own: bool = False) -> None:
        """In one step, on disk when it returns. `own`: the appliance's, otherwise root's."""
        path = self.data / name
        atomic_file.sweep(path)  # what a power cut left may hold a secret
        new = atomic_file.NewFile(path, mode)
        try:
            new.file.write(content)
            os.fchmod(new.file.fileno(), mode)  # whatever the umask is
            if own and self.owner is not None:
                os.fchown(new.file.fileno(), *self.owner)
        except OSError:
            new.abandon()
            raise
        new.commit()

    def _give(self, path: Path) -> None:
        if self.owner is not None:
            os.chown(path, *self.owner)


def apply(document: Mapping[str, Any] | None, place: Place) -> None:
    """Everything but the marks. None: the board was not provisioned and starts with the defaults. Raises OSError."""
    place.folder("config", 0o755)
    place.folder("config/schemas", 0o755)
    place.folder("update", 0o700)
    place.folder("headgate", 0o700, own=True)
    place.folder("headgate/keys", 0o700, own=True)
    settings = document or {}
    place.write("config/headgate.toml", configuration(settings).encode())
    for name, text in settings.get("schemas", {}).items():
        place.write(f"config/schemas/{name}.json", text.encode())
    if document is None:
        return
    place.write("config/hostname", f"{document['hostname']}\n".encode())
    place.write("headgate/keys/identity.key", document["device"]["private_key"].encode() + b"\n", 0o600, own=True)
    if "issuer" in document:
        place.write("headgate/keys/issuer.pub", document["issuer"]["public_key"].encode() + b"\n", own=True)
    if "password" in document.get("uplink", {}):
        secret = document["uplink"]["password"].encode() + b"\n"
        place.write("headgate/keys/uplink.password", secret, 0o600, own=True)
    if "wifi" in document:
        place.write("config/wpa_supplicant.conf", wpa_supplicant(document["wifi"]).encode(), 0o600)
    if document.get("ssh_keys"):
        place.folder("config/ssh", 0o700)
        place.write("config/ssh/authorized_keys", "".join(f"{key}\n" for key in document["ssh_keys"]).encode(), 0o600)
    if "ntp" in document:
        place.write("config/timesyncd.conf", timesyncd(document["ntp"]).encode())
    if ntp.load_floor(place.data / "headgate" / ntp.FILE) < document["time"]:
        place.write(f"headgate/{ntp.FILE}", b"%d\n" % document["time"], own=True)


def run(place: Place, partition: Path, *, then: Callable[[str], None] = lambda _: None) -> str:
    """-> what was done, in words. `then` is told them as soon as the appliance may start, and ends before DONE.

    Raises CommandError: what stands in `partition` is damaged; OSError.
    """
    said = _settle(place, partition)
    then(said)
    if said != _NOT_PROVISIONED:
        place.write(DONE, b"")
    return said


def _settle(place: Place, partition: Path) -> str:
    if (place.data / APPLIED).exists():
        said = "finished what a power cut had interrupted"
    else:
        document = provisioning.read(partition)
        apply(document, place)
        if document is None:
            return _NOT_PROVISIONED
        place.write(APPLIED, b"")
        said = f"provisioned as {document['hostname']}"
    provisioning.erase(partition)
    return said


# --- texts ---


def configuration(settings: Mapping[str, Any]) -> str:
    """headgate.toml: the provisioned one, or else the defaults, with the provisioned sections in place of its own."""
    own = {"appliance": _appliance, "issuer": _issuer, "uplink": _uplink}
    made = {name: make(settings) for name, make in own.items()}
    base = settings.get("config") or _DEFAULT.read_text(encoding="utf-8")
    kept, name = [], ""
    for line in base.splitlines():
        if line.lstrip().startswith("["):
            name = line.lstrip(" \t[").split("]")[0].strip(" \t\"'")
        if not made.get(name):
            kept.append(line)
    return "\n".join([*kept, "", *(text for text in made.values() if text)]) + "\n"


def _appliance(settings: Mapping[str, Any]) -> str:
    if "hostname" not in settings:
        return ""
    return f"[appliance]\nid = {_text(settings['hostname'])}\n"


def _issuer(settings: Mapping[str, Any]) -> str:
    if "issuer" not in settings:
        return ""
    issuer = settings["issuer"]
    lines = ["[[issuer]]", f"name = {_text(issuer['name'])}", f"audience = {_text(issuer.get('audience', 'headgate'))}"]
    return "\n".join([*lines, 'public_keys = ["{state}/keys/issuer.pub"]', ""])


def _uplink(settings: Mapping[str, Any]) -> str:
    if "uplink" not in settings:
        return ""
    uplink = dict(settings["uplink"])
    if uplink.pop("password", None) is not None:
        uplink["password_file"] = "{state}/keys/uplink.password"  # noqa: S105 - a place
    return "\n".join(["[uplink]", *(f"{key} = {_text(value)}" for key, value in sorted(uplink.items())), ""])


def _text(value: str) -> str:
    """A TOML basic string."""
    return '"' + "".join(f"\\u{ord(c):04X}" if c in '"\\' or ord(c) < 0x20 or c == "\x7f" else c for c in value) + '"'  # noqa: PLR2004


def wpa_supplicant(wifi: Mapping[str, str]) -> str:
    """wpa_supplicant.conf(5). The name is written in hexadecimal: it may hold any bytes. WPA2 or WPA3."""
    lines = [f"country={wifi['country']}", "network={", f"ssid={wifi['ssid'].encode().hex()}", "scan_ssid=1"]
    if "password" in wifi:
        lines += ["key_mgmt=WPA-PSK WPA-PSK-SHA256 SAE", "ieee80211w=1", f'psk="{wifi["password"]}"']
    else:
        lines += ["key_mgmt=NONE"]
    return "\n".join([*lines, "}", ""])


def timesyncd(servers: Sequence[str]) -> str:
    """timesyncd.conf(5): these and no others."""
    return f"[Time]\nNTP={' '.join(servers)}\nFallbackNTP=\n"


def main() -> int:
    try:
        user = pwd.getpwnam(USER)
        place = Place(Path("/data"), (user.pw_uid, grp.getgrnam(USER).gr_gid))
        run(place, PARTITIONS / "provision", then=_start_and_grow)
    except CommandError as error:
        print(f"headgate: {error.line()}", file=sys.stderr)
        return error.code
    except OSError as error:
        print(f"headgate: the first boot failed: {error}. Flash the board again", file=sys.stderr)
        return DEVICE
    return OK


def _start_and_grow(said: str) -> None:
    print(f"headgate: {said}", file=sys.stderr)
    systemd.Notifier().ready(said)
    from headgate.linux import grow  # what it imports is not waited for either

    grow.grow(PARTITIONS / "data")


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
