"""core/jwt.py and linux/ed25519.py against PyJWT and cryptography, both ways; hostile Ed25519 keys and signatures."""

import base64
import json
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core import base64url, jwt
from headgate.linux import ed25519

NOW = 1_800_000_000
SECRET = bytes(range(32))
SEED = bytes(range(32, 64))
PRIVATE = Ed25519PrivateKey.from_private_bytes(SEED)
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
CLAIMS: dict[str, Any] = {"iss": "plant", "aud": "headgate", "sub": "station-1", "exp": NOW + 60, "scope": "publish:x"}
# The order of the group, RFC 8032 section 5.1.
ORDER = 2**252 + 27742317777372353535851937790883648493
CHECK_NOTHING_BUT_SIGNATURE = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}


def verifier() -> jwt.Verifier:
    keys = [jwt.Key("h", "HS256", SECRET), jwt.Key("e", "EdDSA", PUBLIC)]
    return jwt.Verifier([jwt.Issuer("plant", "headgate", keys)], ed25519.verifier())


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=8),
        st.one_of(st.text(st.characters(codec="utf-8"), max_size=12), st.integers(-(2**70), 2**70), st.booleans()),
        max_size=4,
    ),
    st.binary(min_size=32, max_size=160),
)
def test_pyjwt_signs_hs256(extra: dict[str, Any], secret: bytes) -> None:
    token = pyjwt.encode({**extra, **CLAIMS, "nbf": NOW, "iat": NOW}, secret, "HS256", headers={"kid": "h"}).encode()
    issuer = jwt.Issuer("plant", "headgate", [jwt.Key("h", "HS256", secret)])
    claims = jwt.Verifier([issuer]).verify(token, NOW, "trusted")
    assert claims.sub == "station-1"
    assert claims.raw == {**extra, **CLAIMS, "nbf": NOW, "iat": NOW}


@given(st.binary(min_size=32, max_size=160), st.text(st.characters(codec="utf-8"), max_size=12))
def test_pyjwt_verifies_hs256(secret: bytes, text: str) -> None:
    claims = {**CLAIMS, "note": text}
    token = jwt.sign_hs256(claims, jwt.Key("k\u00e9", "HS256", secret))
    assert pyjwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": "k\u00e9"}
    found = pyjwt.decode(token, secret, ["HS256"], audience="headgate", options=CHECK_NOTHING_BUT_SIGNATURE)
    assert found == claims


def test_pyjwt_signs_eddsa() -> None:
    pem = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    token = pyjwt.encode(CLAIMS, pem, "EdDSA", headers={"kid": "e"}).encode()
    assert verifier().verify(token, NOW, "trusted").raw == CLAIMS
    for index in range(len(token) - 86, len(token)):
        changed = bytearray(token)
        changed[index] ^= 1
        with pytest.raises(jwt.TokenError):
            verifier().verify(bytes(changed), NOW, "trusted")


def test_pyjwt_verifies_eddsa() -> None:
    signed = jwt.signing_input(CLAIMS, "EdDSA", "e")
    token = signed + b"." + base64url.encode(ed25519.sign(SEED, signed))
    public = PRIVATE.public_key()
    found = pyjwt.decode(token, public, ["EdDSA"], audience="headgate", options=CHECK_NOTHING_BUT_SIGNATURE)
    assert found == CLAIMS


def test_public_key_as_hmac_secret() -> None:
    """Algorithm confusion with each form of the public key an attacker can have."""
    public = PRIVATE.public_key()
    forms = [
        PUBLIC,
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        base64.b64encode(PUBLIC),
    ]
    fleet = jwt.Verifier([jwt.Issuer("plant", "headgate", [jwt.Key("e", "EdDSA", PUBLIC)])], ed25519.verifier())
    for form in forms:
        for kid in ("e", ""):
            token = jwt.sign_hs256(CLAIMS, jwt.Key(kid, "HS256", form))
            with pytest.raises(jwt.TokenError) as caught:
                fleet.verify(token, NOW, "trusted")
            assert caught.value.code == "alg_refused"


@given(st.binary(max_size=200))
def test_ed25519_agrees_with_cryptography(message: bytes) -> None:
    signature = ed25519.sign(SEED, message)
    assert signature == PRIVATE.sign(message)
    assert ed25519.public_key(SEED) == PUBLIC
    assert ed25519.verify(PUBLIC, message, signature)
    assert not ed25519.verify(PUBLIC, message + b"\0", signature)


def test_rfc8032_test_3() -> None:
    seed = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
    assert ed25519.public_key(seed).hex() == "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
    assert ed25519.sign(seed, b"\xaf\x82").hex() == (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )


def test_rfc8037_a4() -> None:
    seed = base64url.decode(b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
    signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    assert base64url.encode(ed25519.sign(seed, signed)) == (
        b"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )


# Points of small order, and encodings with y >= p: "signatures" under such keys hold for many messages.
BAD_POINTS = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0100000000000000000000000000000000000000000000000000000000000080",
]


@pytest.mark.parametrize("point", BAD_POINTS)
def test_bad_points(point: str) -> None:
    key = bytes.fromhex(point)
    assert not ed25519.is_public_key(key)
    # With A of small order, R = the neutral element and S = 0 satisfy the equation for one message in a few.
    neutral = bytes.fromhex(BAD_POINTS[0])
    for number in range(64):
        message = b"%d" % number
        assert not ed25519.verify(key, message, neutral + bytes(32))
        assert not ed25519.verify(key, message, key + bytes(32))
        assert not ed25519.verify(PUBLIC, message, key + bytes(32))


def test_s_is_reduced() -> None:
    signature = ed25519.sign(SEED, b"message")
    s = int.from_bytes(signature[32:], "little")
    for other in (s + ORDER, s + 2 * ORDER):
        assert not ed25519.verify(PUBLIC, b"message", signature[:32] + other.to_bytes(32, "little"))
    assert ed25519.verify(PUBLIC, b"message", signature)


def test_wrong_sizes() -> None:
    signature = ed25519.sign(SEED, b"message")
    for key, sig in (
        (b"", signature),
        (PUBLIC[:31], signature),
        (PUBLIC + b"\0", signature),
        (PUBLIC, b""),
        (PUBLIC, signature[:63]),
    ):
        assert not ed25519.verify(key, b"message", sig)
    for function in (ed25519.public_key, ed25519.box_public_key):
        with pytest.raises(ValueError, match="32 bytes"):
            function(b"short")
    assert not ed25519.is_public_key(b"")
    assert ed25519.is_public_key(PUBLIC)


def test_box_key_opens_a_sealed_box() -> None:
    from nacl.public import PrivateKey, PublicKey, SealedBox

    private = bytes(range(1, 33))
    public = ed25519.box_public_key(private)
    assert SealedBox(PrivateKey(private)).decrypt(SealedBox(PublicKey(public)).encrypt(b"batch")) == b"batch"


@settings(max_examples=examples(200))
@given(st.binary(max_size=300))
def test_garbage_is_a_token_error(data: bytes) -> None:
    with pytest.raises(jwt.TokenError):
        verifier().verify(data, NOW, "trusted")


@settings(max_examples=examples(200))
@given(
    st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(max_size=9),
        ),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
        max_leaves=8,
    ),
    st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "scope"]),
)
def test_any_value_for_a_claim_is_judged(value: Any, claim: str) -> None:
    """Signed for real, so that every check of the claims is reached: a verdict, never another exception."""
    try:
        payload = json.dumps({**CLAIMS, claim: value}, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    signed = base64url.encode(b'{"alg":"HS256"}') + b"." + base64url.encode(payload)
    token = signed + b"." + base64url.encode(jwt.Key("", "HS256", SECRET).hmac(signed))
    blamed = ""
    try:
        claims = verifier().verify(token, NOW, "trusted")
        assert claims.exp > NOW - 31
        assert jwt.is_subject(claims.sub)
    except jwt.TokenError as error:
        blamed = error.claim
    assert blamed in ("", claim) or (blamed, claim) == ("nbf", "exp")


def test_public_key_is_what_cryptography_makes_of_it() -> None:
    assert Ed25519PublicKey.from_public_bytes(ed25519.public_key(SEED)) == PRIVATE.public_key()
