"""Simulated devices: names, and a token for each, minted here with a key of the appliance."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from headgate.core import base64url
from headgate.errors import USAGE, CommandError
from headgate.linux import config as configuration
from headgate.linux import signing

LIFE_S = 86_400  # of a token, beyond the run
SCOPES = ("publish:*", "read:*", "cache:read", "cache:write")
DEVICES_MAX = 1_000_000
Tokens = Callable[[int], str]


def name_of(device: int) -> str:
    """Also a station's name to the schema of the demo."""
    return f"dev-{device:05d}"


@dataclass(frozen=True)
class Issuing:
    """Whose tokens: of a configuration's issuer, with its key or another one."""

    config: str | None = None
    state: str | None = None
    issuer: str | None = None
    key: str | None = None
    scopes: tuple[str, ...] = SCOPES

    def tokens(self, name: Callable[[int], str] = name_of) -> Tokens:
        """-> the token of a device; each is minted once. Raises CommandError when there is no key."""
        from pathlib import Path

        state = None if self.state is None else Path(self.state)
        config = configuration.load(self.config, state_dir=state)
        issuer, signer = signing.find(config, self.issuer, None if self.key is None else Path(self.key))
        now = int(time.time())
        life = min(LIFE_S, issuer.max_ttl_s or LIFE_S)
        shared = {
            "iss": issuer.name,
            "aud": issuer.audience,
            "iat": now,
            "exp": now + life,
            "scope": " ".join(self.scopes),
        }
        minted: dict[int, str] = {}

        def token(device: int) -> str:
            found = minted.get(device)
            if found is None:
                mark = base64url.encode(b"load-%d" % device).decode()  # so that it could be revoked
                found = minted[device] = signer.sign({"sub": name(device), "jti": mark, **shared}).decode()
            return found

        return token


def mint_all(tokens: Tokens, devices: int) -> None:
    """Before the run: signing takes longer than sending."""
    for device in range(devices):
        tokens(device)


def checked(devices: int) -> int:
    if not 1 <= devices <= DEVICES_MAX:
        raise CommandError(USAGE, f"--devices must be 1 to {DEVICES_MAX}")
    return devices
