"""Private keys that sign tokens for a configuration: what `headgate token` and `headgate load` mint with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headgate.core import base64url, jwt
from headgate.errors import MISSING, USAGE, CommandError
from headgate.linux import config_plan, ed25519, keys
from headgate.linux.config_rules import Config, Issuer


class Signer:
    """A private key and what its tokens say about it."""

    def __init__(self, key: jwt.Key, seed: bytes = b"") -> None:
        self.key = key
        self.alg, self.kid = key.alg, key.kid
        self._seed = seed

    def sign(self, claims: dict[str, Any]) -> bytes:
        if self.alg == jwt.HS256:
            return jwt.sign_hs256(claims, self.key)
        signed = jwt.signing_input(claims, self.alg, self.kid)
        return signed + b"." + base64url.encode(ed25519.sign(self._seed, signed))


def _fitting(config: Config, issuer: Issuer, file: Path | None) -> Iterator[Signer]:
    """The private keys within reach that this issuer's tokens may be signed with.

    A key file does not say what it is for: a private key fits an EdDSA issuer by its public half, else an HS256 issuer
    by its secret.
    """
    default = keys.keys_dir(config.state_dir) / keys.EDDSA_FILE
    if issuer.secret_file is not None and (file is None or file == issuer.secret_file):
        yield Signer(keys.load_hs256(issuer.secret_file))
    if file is None and not default.exists():
        return
    known = [key for key in config_plan.issuer_keys(issuer) if file or key.alg == jwt.EDDSA]
    if not known:
        return
    private = keys.load_private(file or default)
    for key in known:
        if key.alg == jwt.HS256 and key.secret == private:
            yield Signer(key)
        if key.alg == jwt.EDDSA and key.secret == ed25519.public_key(private):
            yield Signer(key, private)


def find(config: Config, name: str | None, file: Path | None) -> tuple[Issuer, Signer]:
    """The issuer of that name (None: any) and a private key of it; `file`: this one. Raises CommandError."""
    issuers = [issuer for issuer in config.issuers if name in (None, issuer.name)]
    if not issuers:
        known = ", ".join(issuer.name for issuer in config.issuers) or "none"
        raise CommandError(
            USAGE, "there is no such issuer in the configuration" if name else "there is no issuer", f"Known: {known}"
        )
    for issuer in issuers:
        for signer in _fitting(config, issuer, file):
            return issuer, signer
    if file is not None:
        cause = f"the public half of {file} is not among the keys of {'this issuer' if name else 'any issuer'}"
        raise CommandError(MISSING, cause, "Add it to [[issuer]] public_keys or jwks_file")
    raise CommandError(MISSING, "there is no private key to sign with", "Name it with --key, or 'headgate keys init'")
