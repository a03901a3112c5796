"""Sealed batches: only the holder of the receiver's private key can read them, not the broker, not another appliance.

NaCl's SealedBox (X25519, XSalsa20-Poly1305) with an ephemeral key for each batch. It hides and protects the content; it
does not prove who sent it: that is the broker's access control.
"""

KEY_BYTES = 32


class SealError(Exception):
    """A key that cannot be used, or a box that does not open with it."""


def seal(blob: bytes, public_key: bytes) -> bytes:
    """`public_key`: X25519, 32 bytes. 48 bytes longer than `blob`. Raises SealError."""
    from nacl.public import PublicKey, SealedBox

    if len(public_key) != KEY_BYTES:
        raise SealError(f"a public key has {KEY_BYTES} bytes, not {len(public_key)}")
    return bytes(SealedBox(PublicKey(public_key)).encrypt(blob))


def unseal(sealed: bytes, private_key: bytes) -> bytes:
    """Raises SealError: another key, damaged, or not a box at all."""
    from nacl.exceptions import CryptoError
    from nacl.public import PrivateKey, SealedBox

    try:
        return bytes(SealedBox(PrivateKey(private_key)).decrypt(sealed))
    except (CryptoError, ValueError, TypeError) as error:
        raise SealError(f"does not open with this key: {error}") from None
