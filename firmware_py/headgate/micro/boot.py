"""Joins the Wi-Fi on a board, from its /boot.py:

    from headgate.micro import boot
    boot.connect("wlan.json")

wlan.json: {"ssid": "…", "key": "…", "country": "DE", "hostname": "gate-1", "timeout_s": 20}; only `ssid` is required.
Never tried on a real board: no emulator at hand has a radio. Where there is no module `network` it does nothing.
"""

import time

from headgate.core import json

try:
    import network
except ImportError:
    network = None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

POLL_MS = 200


def settings(path: str) -> "dict[str, Any]":
    """The file at `path`, checked. Raises OSError when it is missing, ValueError when it is not as described."""
    with open(path, "rb") as file:  # noqa: PTH123 - no pathlib here
        document = json.loads(file.read())
    if not isinstance(document, dict) or not isinstance(document.get("ssid"), str) or not document["ssid"]:
        raise ValueError(f"{path}: ssid must be the network's name")
    for name, value in document.items():
        if name == "timeout_s":
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{path}: timeout_s must be a positive integer")
        elif name not in ("ssid", "key", "country", "hostname") or not isinstance(value, str):
            raise ValueError(f"{path}: {name} is unknown or not a string")
    return document


def connect(path: str) -> bool:
    """Join the network named in the file at `path`, waiting up to its timeout_s. True: joined; False: no radio here,
    or no success in time (the radio goes on trying). Raises OSError or ValueError for the file."""
    wanted = settings(path)
    if network is None:
        return False
    if "country" in wanted:
        network.country(wanted["country"])
    if "hostname" in wanted:
        network.hostname(wanted["hostname"])
    wlan = network.WLAN(network.STA_IF)
    wlan.active(True)
    if not wlan.isconnected():
        wlan.connect(wanted["ssid"], wanted.get("key"))
    timeout_s = wanted.get("timeout_s", 20)
    deadline = time.ticks_add(time.ticks_ms(), timeout_s * 1000)
    while not wlan.isconnected():
        if time.ticks_diff(deadline, time.ticks_ms()) <= 0:
            return False
        time.sleep_ms(POLL_MS)
    print("headgate: network", wlan.ifconfig()[0])
    return True
