"""Where this machine gets Debian's packages: read from its own apt sources, so that a site's own mirror is used."""

import os
import re
from pathlib import Path

ETC_APT = Path("/etc/apt")


def one_line_uris(text: str) -> list[tuple[str, str]]:
    """(URI, suite) of each `deb` line of a classic sources.list."""
    found = []
    for line in text.splitlines():
        words = re.sub(r"\[[^]]*\]", " ", line.split("#", 1)[0]).split()
        if len(words) >= 3 and words[0] == "deb":  # noqa: PLR2004 - type, URI, suite
            found.append((words[1], words[2]))
    return found


def deb822_uris(text: str) -> list[tuple[str, str]]:
    """(URI, suite) pairs of a deb822 .sources file: every URI of a stanza with every suite of it."""
    found = []
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t"):
                fields[name] = fields.get(name, "") + " " + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() != "no":
            found += [
                (uri, suite) for uri in fields.get("uris", "").split() for suite in fields.get("suites", "").split()
            ]
    return found


def debian_mirrors(etc_apt: Path = ETC_APT, archive: str = "debian") -> list[str]:
    """Mirrors of one of Debian's archives that this machine's apt sources name, in their order, without trailing slash.

    An archive is known by the end of its URI, Debian's published layout: `/debian` is the main one, `/debian-security`
    the other. `mirror+file:` lists are read through. `HEADGATE_DEBIAN_MIRROR` names the main archive by hand, where the
    machine's sources have none (Ubuntu); then there is no other.
    """
    by_hand = os.environ.get("HEADGATE_DEBIAN_MIRROR")
    if by_hand:
        return [by_hand.rstrip("/")] if archive == "debian" else []
    pairs: list[tuple[str, str]] = []
    parts = etc_apt / "sources.list.d"
    for path in [etc_apt / "sources.list", *sorted(parts.glob("*"))]:
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".list":
            pairs += one_line_uris(text)
        elif path.suffix == ".sources":
            pairs += deb822_uris(text)
    mirrors: list[str] = []
    for uri, _suite in pairs:
        candidates = [uri]
        if uri.startswith("mirror+file:"):
            listing = Path(uri[len("mirror+file:") :])
            candidates = listing.read_text(encoding="utf-8").split() if listing.is_file() else []
        for candidate in candidates:
            mirror = candidate.rstrip("/")
            if mirror.endswith(f"/{archive}") and mirror not in mirrors:
                mirrors.append(mirror)
    return mirrors
