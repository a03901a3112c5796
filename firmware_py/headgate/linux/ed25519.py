"""Ed25519 and X25519 by libsodium, through PyNaCl; imported when the first key needs it.

`nacl._sodium` alone costs 0.55 MB of memory, `nacl.bindings` twice that. libsodium's verification is strict: keys and R
of small order, keys that are not canonical and S >= L are refused (RFC 8032 section 5.1.7 leaves some of it open).
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from headgate.errors import MISSING, CommandError

KEY_SIZE = 32  # bytes of a public key, a seed, an X25519 key
SIGNATURE_SIZE = 64


@cache
def _sodium() -> Any:
    """PyNaCl's module of raw bindings (`ffi`, `lib`)."""
    try:
        import nacl._sodium as sodium  # type: ignore[import-not-found]
    except ImportError:
        raise CommandError(
            MISSING,
            "EdDSA and sealed batches need PyNaCl, which is not installed",
            "Type: apt-get install python3-nacl (or pip install PyNaCl), or use HS256",
        ) from None
    if sodium.lib.sodium_init() < 0:
        raise CommandError(MISSING, "libsodium does not start", "Reinstall PyNaCl")
    return sodium


def verifier() -> Callable[[bytes, bytes, bytes], bool]:
    """`verify`, with the library loaded: what core.jwt.Verifier takes. Raises CommandError when PyNaCl is missing."""
    _sodium()
    return verify


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """True if `signature` (64 bytes) is one of `message` under `public_key` (32 bytes)."""
    if len(public_key) != KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    sodium = _sodium()
    signed = signature + message
    opened = sodium.ffi.new("unsigned char[]", len(signed))
    length = sodium.ffi.new("unsigned long long *")
    return bool(sodium.lib.crypto_sign_open(opened, length, signed, len(signed), public_key) == 0)


def _secret_key(seed: bytes) -> tuple[bytes, bytes]:
    """-> (public key, libsodium's 64-byte secret key)."""
    if len(seed) != KEY_SIZE:
        raise ValueError("an Ed25519 private key has 32 bytes")
    sodium = _sodium()
    public = sodium.ffi.new("unsigned char[]", KEY_SIZE)
    secret = sodium.ffi.new("unsigned char[]", 2 * KEY_SIZE)
    sodium.lib.crypto_sign_seed_keypair(public, secret, seed)
    return bytes(sodium.ffi.buffer(public)), bytes(sodium.ffi.buffer(secret))


def public_key(seed: bytes) -> bytes:
    """The public key of a private one (RFC 8032 section 5.1.5: 32 random bytes). ValueError: not 32 bytes."""
    return _secret_key(seed)[0]


def sign(seed: bytes, message: bytes) -> bytes:
    """The signature, 64 bytes. ValueError: the private key does not have 32 bytes."""
    _, secret = _secret_key(seed)
    sodium = _sodium()
    signed = sodium.ffi.new("unsigned char[]", SIGNATURE_SIZE + len(message))
    length = sodium.ffi.new("unsigned long long *")
    sodium.lib.crypto_sign(signed, length, message, len(message), secret)
    return bytes(sodium.ffi.buffer(signed, SIGNATURE_SIZE))


def is_public_key(key: bytes) -> bool:
    """True for a point on the curve in the main subgroup, canonically encoded and not of small order."""
    return len(key) == KEY_SIZE and bool(_sodium().lib.crypto_core_ed25519_is_valid_point(key) == 1)


def box_public_key(private: bytes) -> bytes:
    """The X25519 public key of a receiver's private one (NaCl SealedBox). ValueError: not 32 bytes."""
    if len(private) != KEY_SIZE:
        raise ValueError("an X25519 private key has 32 bytes")
    sodium = _sodium()
    public = sodium.ffi.new("unsigned char[]", KEY_SIZE)
    sodium.lib.crypto_scalarmult_base(public, private)
    return bytes(sodium.ffi.buffer(public))
