"""Where the load goes: one URL, and how to get a TLS connection there."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headgate.errors import USAGE, CommandError

if TYPE_CHECKING:
    import ssl

PORTS = {"http": 80, "https": 443, "mqtt": 1883, "mqtts": 8883}
TLS = ("https", "mqtts")


@dataclass(frozen=True)
class Target:
    """`path`: of the URL, with its query. `ca_file`: who vouches for the target, None: those the system trusts.
    `insecure`: nobody needs to."""

    scheme: str
    host: str
    port: int
    path: str = "/"
    ca_file: Path | None = None
    insecure: bool = False

    @classmethod
    def parse(cls, url: str, ca_file: Path | None = None, *, insecure: bool = False) -> "Target":
        """Raises CommandError(USAGE)."""
        try:
            parts = urlsplit(url)
            port = parts.port
            (parts.hostname or "").encode("idna")  # as whoever looks it up will: no part of it is empty or too long
        except ValueError:
            raise CommandError(USAGE, f"not a URL: {url!r}", "Write http://HOST:PORT/PATH") from None
        if parts.scheme not in PORTS or not parts.hostname or parts.username is not None or not url.isascii():
            schemes = ", ".join(f"{scheme}://" for scheme in PORTS)
            raise CommandError(USAGE, f"not the URL of a target: {url!r}", f"It begins with {schemes}, in ASCII")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if any(character <= " " or character == "\x7f" for character in path):
            raise CommandError(USAGE, f"a space or control character in the URL: {url!r}", "Percent-encode it")
        return cls(parts.scheme, parts.hostname, port or PORTS[parts.scheme], path, ca_file, insecure)

    @property
    def tls(self) -> bool:
        return self.scheme in TLS

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    def context(self) -> "ssl.SSLContext | None":
        """None without TLS. Raises CommandError(USAGE) when the CA file cannot be used."""
        if not self.tls:
            return None
        import ssl

        try:
            context = ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
        except (OSError, ssl.SSLError) as error:
            raise CommandError(
                USAGE, f"cannot use {self.ca_file}: {error}", "--ca-file names PEM certificates"
            ) from None
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
