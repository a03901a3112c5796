"""Key files: created so that they are never half there and never overwritten by accident; loaded only if private.

Every key file of ours is one line of base64url (RFC 4648 section 5, no padding) of 32 bytes:

    device.key         HS256 secret: signs and verifies device tokens          0600
    device-eddsa.key   Ed25519 private key: signs; stays with who mints        0600
    device-eddsa.pub   its public key: all that an appliance needs             0644
    seal.key           X25519 private key of the receiver of sealed batches    0600
    seal.pub           its public key: `uplink.seal_to`                        0644
    image.key          Ed25519 private key: signs images; stays with the maker 0600
    image.pub          its public key: what `headgate flash` trusts            0644

Every error is a CommandError(MISSING) that names the file and never its content.
"""

import errno
import hashlib
import os
import stat
from pathlib import Path

from headgate.core import base64url, json
from headgate.core.jwt import EDDSA, HS256, Key
from headgate.errors import MISSING, CommandError
from headgate.linux import atomic_file, ed25519

HS256_FILE = "device.key"
EDDSA_FILE = "device-eddsa.key"
SEAL_FILE = "seal.key"
IMAGE_FILE = "image.key"
SECRET_SIZE = 32  # bytes of every key made here
FILE_MAX = 65536  # bytes of a key file or key set
_HS256_KID = 16  # characters: enough to tell an appliance's keys apart, and short: it travels with each request
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keys_dir(state_dir: Path) -> Path:
    """Where `headgate keys init` puts keys, and where the embedded defaults look for them."""
    return state_dir / "keys"


# --- writing ---------------------------------------------------------------------------------------------------------


def write_key(path: Path, key: bytes, *, private: bool = True, force: bool = False) -> bool:
    """Write one key file, on disk when this returns; False (and nothing done) if there is one and not `force`."""
    try:
        _make_private(path.parent)
        return atomic_file.write(path, base64url.encode(key) + b"\n", mode=0o600 if private else 0o644, replace=force)
    except OSError as error:
        raise CommandError(
            MISSING, f"cannot write the key {path}: {error.strerror}", "Choose another directory with --dir or --state"
        ) from None


def _make_private(directory: Path) -> None:
    """Make it and what is missing above it, for nobody else: who may write above could put other keys in place."""
    missing = [directory]
    while not missing[-1].exists() and missing[-1].parent != missing[-1]:
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)


def is_there(path: Path) -> bool:
    """Raises OSError; not for a name that is too long, which no file has."""
    try:
        return path.exists()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False


def ensure_hs256(path: Path, *, force: bool = False) -> bool:
    """Create the HS256 secret at `path` if there is none; True if it was created. Raises CommandError for what is there
    and cannot be used."""
    created = (force or not is_there(path)) and write_key(path, os.urandom(SECRET_SIZE), force=force)
    if not created:
        load_hs256(path)
    return created


def ensure_default_keys(state_dir: Path) -> tuple[Path, bool]:
    """-> (the HS256 secret of the embedded defaults, created just now?)."""
    path = keys_dir(state_dir) / HS256_FILE
    return path, ensure_hs256(path)


def create_pair(path: Path, *, seal: bool, force: bool = False) -> bool:
    """A private key at `path` and its public key beside it (.pub): Ed25519, or X25519 for `seal`; True if created.

    The public key is made again from the private one where it is missing, or another's: a power cut between the two.
    """
    derive = ed25519.box_public_key if seal else ed25519.public_key
    public = path.with_suffix(".pub")
    if is_there(path) and not force:
        created = False
        private = load_private(path)
    else:
        private = os.urandom(SECRET_SIZE)
        derive(private)  # PyNaCl missing: say so before there is a file
        created = write_key(path, private, force=force)
        if not created:  # somebody else was quicker
            private = load_private(path)
    if _published(public) != derive(private):
        write_key(public, derive(private), private=False, force=True)
    return created


def _published(path: Path) -> bytes:
    """b"": not there, or not readable as a key."""
    try:
        return load_public(path) if is_there(path) else b""
    except CommandError:
        return b""


# --- reading ---------------------------------------------------------------------------------------------------------


def _read(path: Path) -> tuple[bytes, int]:
    """-> (content, mode) of a regular file; both of the same open file, so that they belong together."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise CommandError(MISSING, f"the key {path} is not a regular file", "Name another file")
            data = file.read(FILE_MAX + 1)
    except FileNotFoundError:
        if path.is_symlink():
            cause = f"the key {path} is a link to {path.readlink()}, which is not there"
            raise CommandError(MISSING, cause, "Is its disk mounted? Or remove the link") from None
        raise CommandError(MISSING, f"the key {path} does not exist", "'headgate keys init' creates keys") from None
    except OSError as error:
        raise CommandError(
            MISSING, f"cannot read the key {path}: {error.strerror}", "Check its owner and mode"
        ) from None
    if len(data) > FILE_MAX:
        raise CommandError(MISSING, f"{path} has more than {FILE_MAX} bytes: not a key", "Name another file")
    return data, mode


def _check_private(path: Path, mode: int) -> None:
    if mode & _OTHERS:
        raise CommandError(
            MISSING,
            f"the key {path} has mode {stat.S_IMODE(mode):04o}: others can read or change it",
            f"Type: chmod 600 {path} (and replace the key if others may have seen it)",
        )


def _unusable(path: Path, reason: str) -> CommandError:
    return CommandError(MISSING, f"the key {path} is not usable: {reason}", "'headgate keys --help' shows the formats")


def _decode(path: Path, data: bytes) -> bytes:
    """The key in one line of base64url; white space around it does not matter."""
    text = data.strip()
    if text.startswith(b"-----"):
        raise _unusable(path, "this is PEM; wanted is one line of base64url")
    try:
        return base64url.decode(text)
    except ValueError:
        raise _unusable(path, "it is not one line of base64url without padding") from None


def load_private(path: Path) -> bytes:
    """The 32 bytes of a private key (Ed25519 or X25519), from a file nobody else can read."""
    data, mode = _read(path)
    _check_private(path, mode)
    key = _decode(path, data)
    if len(key) != SECRET_SIZE:
        raise _unusable(path, f"it has {len(key)} bytes, not {SECRET_SIZE}")
    return key


def load_public(path: Path) -> bytes:
    """The 32 bytes of a public key (Ed25519 or X25519)."""
    key = _decode(path, _read(path)[0])
    if len(key) != SECRET_SIZE:
        raise _unusable(path, f"it has {len(key)} bytes, not {SECRET_SIZE}")
    return key


def load_hs256(path: Path) -> Key:
    """An HS256 secret, from a file nobody else can read. Its kid is the start of its thumbprint (RFC 7638)."""
    data, mode = _read(path)
    _check_private(path, mode)
    secret = _decode(path, data)
    try:
        return Key(thumbprint(HS256, secret)[:_HS256_KID], HS256, secret)
    except ValueError as error:
        raise _unusable(path, str(error)) from None


def load_eddsa_public(path: Path) -> Key:
    """An Ed25519 public key. Its kid is its thumbprint (RFC 8037 appendix A.3)."""
    return _eddsa_key(path, "", load_public(path))


def _eddsa_key(path: Path, kid: str, public: bytes) -> Key:
    if len(public) != ed25519.KEY_SIZE:
        raise _unusable(path, f"an Ed25519 public key has {ed25519.KEY_SIZE} bytes, not {len(public)}")
    if not ed25519.is_public_key(public):
        raise _unusable(path, "not a point of the curve that anybody could sign for")
    return Key(kid or thumbprint(EDDSA, public), EDDSA, public)


def jwk(alg: str, key: bytes) -> dict[str, object]:
    """The members of a JSON Web Key that its thumbprint is made of (RFC 7638 section 3.2, RFC 8037 section 2)."""
    text = base64url.encode(key).decode()
    return {"k": text, "kty": "oct"} if alg == HS256 else {"crv": "Ed25519", "kty": "OKP", "x": text}


def thumbprint(alg: str, key: bytes) -> str:
    """RFC 7638: 43 characters that name a key. `key`: HMAC secret or Ed25519 public key."""
    members = jwk(alg, key)
    canonical = json.dumps({name: members[name] for name in sorted(members)})
    return base64url.encode(hashlib.sha256(canonical).digest()).decode()


def load_jwks(path: Path) -> list[Key]:
    """The keys of a JSON Web Key Set (RFC 7517) that can verify tokens here: `oct` for HS256, `OKP` Ed25519 for EdDSA.

    Keys of other types, curves, algorithms or uses are passed over (RFC 7517 section 5). Refused is a set without any
    for us, and one with a secret or private part that others can read.
    """
    data, mode = _read(path)
    try:
        document = json.loads(data)
    except json.JSONError as error:
        raise _unusable(path, f"not JSON: {error}") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise _unusable(path, 'a key set is an object with an array "keys"')
    found = []
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise _unusable(path, f"keys[{number}] is not an object")
        if "k" in entry or "d" in entry:
            _check_private(path, mode)
        key = _jwk_key(path, f"keys[{number}]", entry)
        if key is not None:
            found.append(key)
    if not found:
        raise _unusable(path, "it has no oct key for HS256 and no Ed25519 key for EdDSA")
    kids = [key.kid for key in found]
    if len(set(kids)) < len(kids):
        raise _unusable(path, "two of its keys have the same kid")
    return found


def _jwk_key(path: Path, where: str, entry: dict[str, object]) -> Key | None:
    """One entry of a key set; None if it is not for verifying tokens of ours."""
    kinds = {("oct", None): (HS256, "k", (HS256,)), ("OKP", "Ed25519"): (EDDSA, "x", (EDDSA, "Ed25519"))}
    kind, curve = entry.get("kty"), entry.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None) or (kind, curve) not in kinds:
        return None
    alg, member, names = kinds[kind, curve]
    operations = entry.get("key_ops")
    if (
        entry.get("alg", alg) not in names
        or entry.get("use", "sig") != "sig"
        or (isinstance(operations, list) and "verify" not in operations)
    ):
        return None
    kid, text = entry.get("kid", ""), entry.get(member)
    if not isinstance(kid, str) or not isinstance(text, str):
        raise _unusable(path, f'{where} needs a text "{member}", and "kid" must be a text')
    try:
        key = base64url.decode(text.encode())
        if alg == HS256:
            return Key(kid or thumbprint(HS256, key)[:_HS256_KID], HS256, key)
    except ValueError as error:
        raise _unusable(path, f"{where}: {error}") from None
    return _eddsa_key(path, kid, key)
