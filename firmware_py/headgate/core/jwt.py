"""JSON Web Tokens (RFC 7515, 7519, 8037) as RFC 8725 wants them: the key decides, the header only asks.

What a token can be refused for is TokenError.code:

    token_too_large      more than limits.TOKEN bytes
    token_malformed      not three parts of canonical base64url around two strict JSON objects (no name twice, no BOM)
    header_refused       crit, b64, or keys that come with the token (jwk, jku, x5u, x5c); a typ of other kinds of token
    alg_refused          no alg, "none", or one that none of the issuer's keys is bound to
    issuer_unknown       nobody configured issues as this `iss`
    key_unknown          no key of the issuer has this `kid`; or no `kid`, and several keys fit
    signature_invalid
    claim_missing        exp, sub, aud or iss is absent (iat, where the issuer has max_ttl_s)
    claim_invalid        wrong type, out of range, or characters that are not allowed
    audience_wrong       made for somebody else
    token_expired, token_not_yet_valid, ttl_too_long
    token_revoked        its `jti` is among those the issuer has revoked
    clock_untrusted      the issuer's policy is to refuse while the clock is not good enough

Of the headers, x5t, x5t#S256, cty and unknown ones are ignored: nothing here reads them, so they cannot do harm, and
real issuers send them. jwk, jku, x5u and x5c could be ignored as well (keys come from the configuration only); they
are refused because a token that brings its own key is an attack or a mistake, and should be seen as one.
"""

import hashlib

from headgate import limits
from headgate.core import base64url, json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

HS256 = "HS256"
EDDSA = "EdDSA"
SECRET_MIN = 32  # bytes, RFC 7518 section 3.2: at least the size of the hash
_ED25519_KEY = 32  # bytes
_ED25519_SIGNATURE = 64
_BLOCK = 64  # bytes, of SHA-256
_PARTS = 3
CLOCK_POLICIES = ("estimate", "refuse", "accept")

_NAME = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-"
_BRINGS_KEY = ("jwk", "jku", "x5u", "x5c")
_TYPES = ("jwt", "at+jwt")  # RFC 7519 section 5.1, RFC 9068 section 2.1


class TokenError(Exception):
    """A refused token. `claim`: the claim or header that is at fault, or ""; `detail`: one sentence for the sender.

    Neither ever holds anything of the token but names known here.
    """

    def __init__(self, code: str, claim: str = "", detail: str = "") -> None:
        super().__init__(detail or code)
        self.code = code
        self.claim = claim
        self.detail = detail


class Claims:
    """What an accepted token says. `exp`: Unix seconds."""

    __slots__ = ("_raw", "exp", "iss", "scopes", "sub")

    def __init__(self, sub: str, iss: str, scopes: "tuple[str, ...]", exp: int, raw: bytes) -> None:
        self.sub = sub
        self.iss = iss
        self.scopes = scopes
        self.exp = exp
        self._raw = raw

    @property
    def raw(self) -> "dict[str, object]":
        """All claims, parsed anew at each use."""
        return json.loads(self._raw)  # type: ignore[return-value]


class Key:
    """A verification key bound to one algorithm. `secret`: the HMAC secret (HS256) or the public key (EdDSA).

    `kid` "" fits tokens with any `kid`. ValueError: unknown algorithm, or a key of unusable size.
    """

    __slots__ = ("_inner", "_outer", "alg", "kid", "secret")

    def __init__(self, kid: str, alg: str, secret: bytes) -> None:
        if alg == HS256:
            if len(secret) < SECRET_MIN:
                raise ValueError("an HS256 secret needs at least 32 bytes")
        elif alg != EDDSA:
            raise ValueError("alg must be HS256 or EdDSA")
        elif len(secret) != _ED25519_KEY:
            raise ValueError("an Ed25519 public key has 32 bytes")
        self.kid = kid
        self.alg = alg
        self.secret = secret
        self._inner = self._outer = b""
        if alg == HS256:  # RFC 2104: both pads, made once
            block = secret if len(secret) <= _BLOCK else hashlib.sha256(secret).digest()
            block += bytes(_BLOCK - len(block))
            self._inner = bytes([byte ^ 0x36 for byte in block])
            self._outer = bytes([byte ^ 0x5C for byte in block])

    def __repr__(self) -> str:
        return f"Key({self.kid!r}, {self.alg!r})"  # never the secret

    def hmac(self, message: bytes) -> bytes:
        """HMAC-SHA-256 of `message` (RFC 2104); for HS256 keys."""
        inner = hashlib.sha256(self._inner)
        inner.update(message)
        return hashlib.sha256(self._outer + inner.digest()).digest()


class Issuer:
    """Who may issue tokens: `name` is their `iss`, `audience` must be (in) their `aud`.

    leeway_s: tolerated difference of clocks, seconds. max_ttl_s: longest exp - iat, 0 = any. clock_policy: what to do
    while the clock is not trusted (core/clock.py); in no case is a token accepted that expired before the floor:

        "estimate"  judge exp by an estimated clock; refuse while it is unset
        "refuse"    refuse until it is trusted
        "accept"    only the floor expires tokens: a board without a clock serves from the first second

    revoked: tokens with one of these as `jti` are refused whatever else they say.
    """

    __slots__ = ("audience", "clock_policy", "keys", "leeway_s", "max_ttl_s", "name", "revoked")

    def __init__(  # noqa: PLR0913 - all but the first three are named
        self,
        name: str,
        audience: str,
        keys: "list[Key]",
        *,
        leeway_s: int = 30,
        clock_policy: str = "estimate",
        max_ttl_s: int = 0,
        revoked: "list[str] | tuple[str, ...]" = (),
    ) -> None:
        if clock_policy not in CLOCK_POLICIES:
            raise ValueError("clock_policy must be one of " + ", ".join(CLOCK_POLICIES))
        self.name = name
        self.audience = audience
        self.keys = keys
        self.leeway_s = leeway_s
        self.clock_policy = clock_policy
        self.max_ttl_s = max_ttl_s
        self.revoked = revoked

    def key_for(self, alg: str, kid: "str | None") -> Key:
        """The one key that a token with this header can be signed by; TokenError if there is none or more than one."""
        bound = [key for key in self.keys if key.alg == alg]
        if not bound:
            raise TokenError("alg_refused", "alg", "no key of this issuer is bound to this alg")
        if kid is not None:
            fit = [key for key in bound if key.kid == kid] or [key for key in bound if not key.kid]
        else:
            fit = bound
        if len(fit) != 1:
            reason = (
                "several keys of this issuer fit; a kid must say which" if fit else "no key of this issuer has this kid"
            )
            raise TokenError("key_unknown", "kid", reason)
        return fit[0]

    def check_times(self, claims: "dict[str, object]", now_s: int, floor_s: int, clock: str) -> int:
        """Judge exp, nbf and iat; returns exp. `floor_s` is a moment that has passed for certain."""
        trusted = clock == "trusted"
        judged = trusted or (clock == "estimated" and self.clock_policy == "estimate")
        exp = _time(claims, "exp")
        if exp is None:
            raise TokenError("claim_missing", "exp", "exp is required")
        nbf = _time(claims, "nbf")
        iat = _time(claims, "iat")
        if exp + self.leeway_s <= (max(now_s, floor_s) if judged else floor_s):
            raise TokenError("token_expired", "exp", "the token has expired")
        if nbf is not None and nbf >= exp:
            raise TokenError("claim_invalid", "nbf", "the token is never valid: nbf is not before exp")
        if self.max_ttl_s:
            if iat is None:
                raise TokenError(
                    "claim_missing", "iat", "iat is required, because this issuer's tokens have a longest life"
                )
            if exp - iat > self.max_ttl_s:
                raise TokenError("ttl_too_long", "exp", "exp - iat is longer than allowed")
        if trusted:  # a clock that runs behind is no reason to refuse what was issued by a right one
            latest = now_s + self.leeway_s
            if nbf is not None and nbf > latest:
                raise TokenError("token_not_yet_valid", "nbf", "the token is not valid yet")
            if iat is not None and iat > latest:
                raise TokenError("token_not_yet_valid", "iat", "the token was issued in the future")
        elif not judged and self.clock_policy != "accept":
            raise TokenError("clock_untrusted", "exp", "the appliance does not know the time yet and cannot judge exp")
        return exp

    def check_revoked(self, claims: "dict[str, object]") -> None:
        """TokenError if this very token has been revoked. A token without `jti` cannot be."""
        jti = claims.get("jti")
        if jti is None or not self.revoked:
            return
        if not isinstance(jti, str):
            raise TokenError("claim_invalid", "jti", "jti must be a text")
        if jti in self.revoked:
            raise TokenError("token_revoked", "jti", "the token has been revoked")


class Verifier:
    """Verifies tokens of the given issuers; `ed25519_verify(public_key, message, signature)` comes from outside.

    `seed` keys the native twin's table of verified tokens; here there is none.
    ValueError: an issuer is given twice, or one has EdDSA keys and there is nothing to verify them with.
    """

    __slots__ = ("_ed25519_verify", "_issuers")

    def __init__(
        self,
        issuers: "list[Issuer]",
        ed25519_verify: "Callable[[bytes, bytes, bytes], bool] | None" = None,
        seed: bytes = b"",
    ) -> None:
        self._issuers: dict[str, Issuer] = {}
        self._ed25519_verify = ed25519_verify
        for issuer in issuers:
            if issuer.name in self._issuers:
                raise ValueError("issuer given twice: " + issuer.name)
            self._issuers[issuer.name] = issuer
            for key in issuer.keys:
                if key.alg == EDDSA and ed25519_verify is None:
                    raise ValueError("EdDSA keys cannot be used here; issuer: " + issuer.name)

    def verify(self, token: bytes, now_s: int, clock: str, floor_s: "int | None" = None) -> Claims:
        """The claims of an authentic, current token for us; TokenError for every other.

        now_s: Unix seconds; clock: "unset" | "estimated" | "trusted" (core/clock.py). floor_s: a moment known to have
        passed; what expires tokens while now_s is no good, by the issuer's clock_policy.
        """
        if len(token) > limits.TOKEN:
            raise TokenError("token_too_large", "", "the token is too long")
        token = bytes(token)
        parts = token.split(b".")
        if len(parts) != _PARTS:
            raise TokenError("token_malformed", "", "a token has three parts")
        alg, kid = _check_header(_object(_decode(parts[0])))
        payload = _decode(parts[1])
        claims = _object(payload)
        issuer = self._issuers.get(_text(claims, "iss"))
        if issuer is None:
            raise TokenError("issuer_unknown", "iss", "tokens of this issuer are not accepted")
        key = issuer.key_for(alg, kid)
        signed = token[: len(parts[0]) + 1 + len(parts[1])]
        if not self._authentic(key, signed, _decode(parts[2])):
            raise TokenError("signature_invalid", "", "the signature does not fit")

        _check_audience(claims, issuer.audience)
        if floor_s is None:
            floor_s = now_s
        exp = issuer.check_times(claims, now_s, floor_s, clock)
        issuer.check_revoked(claims)
        subject = _text(claims, "sub")
        if not is_subject(subject):
            raise TokenError("claim_invalid", "sub", "sub must be 1 to 64 letters, digits or . _ ~ -")
        return Claims(subject, issuer.name, _scopes(claims), exp, payload)

    def stats(self) -> "dict[str, int]":
        """Of the native twin's table of verified tokens: entries bytes hits misses evictions."""
        return {"entries": 0, "bytes": 0, "hits": 0, "misses": 0, "evictions": 0}

    def _authentic(self, key: Key, signed: bytes, signature: bytes) -> bool:
        if key.alg == HS256:
            return same_bytes(key.hmac(signed), signature)
        if self._ed25519_verify is None or len(signature) != _ED25519_SIGNATURE:
            return False
        return self._ed25519_verify(key.secret, signed, signature)


def same_bytes(a: bytes, b: bytes) -> bool:
    """Equality in a time that depends on the lengths only (never on where the first difference is)."""
    difference = len(a) ^ len(b)
    for x, y in zip(a, b):  # noqa: B905 - the lengths are compared above; MicroPython's zip has no keywords
        difference |= x ^ y
    return difference == 0


def is_subject(text: str) -> bool:
    """True for what a client may be called. It becomes part of cache keys, paths and MQTT topics, hence the alphabet
    (RFC 3986 unreserved characters); "." and ".." mean something else in a path."""
    return 0 < len(text) <= limits.TOKEN_SUBJECT and text not in (".", "..") and not text.strip(_NAME)


def scope_allows(scopes: "tuple[str, ...]", action: str, name: str) -> bool:
    """True if one of `scopes` is "action:name" or "action:*"."""
    return action + ":" + name in scopes or action + ":*" in scopes


def signing_input(claims: "dict[str, object]", alg: str, kid: str = "") -> bytes:
    """Header and payload as they are signed (RFC 7515 section 5.1)."""
    header = {"alg": alg, "typ": "JWT"}
    if kid:
        header["kid"] = kid
    return base64url.encode(json.dumps(header)) + b"." + base64url.encode(json.dumps(claims))


def sign_hs256(claims: "dict[str, object]", key: Key) -> bytes:
    """A token with these claims, as they are. ValueError: not an HS256 key."""
    if key.alg != HS256:
        raise ValueError("not an HS256 key")
    signed = signing_input(claims, HS256, key.kid)
    return signed + b"." + base64url.encode(key.hmac(signed))


def _decode(part: bytes) -> bytes:
    try:
        return base64url.decode(part)
    except ValueError:
        raise TokenError("token_malformed", "", "a part is not canonical base64url") from None


def _object(data: bytes) -> "dict[str, object]":
    """The JSON object in one part of a token, decoded."""
    try:
        value = json.loads(data)
    except json.JSONError:
        raise TokenError("token_malformed", "", "a part is not strict JSON") from None
    if not isinstance(value, dict):
        raise TokenError("token_malformed", "", "a part is not a JSON object")
    return value


def _check_header(header: "dict[str, object]") -> "tuple[str, str | None]":
    """alg and kid of a header that asks for nothing we would have to refuse."""
    if "crit" in header:  # RFC 7515 section 4.1.11: all of it must be understood, and we know no extension
        raise TokenError("header_refused", "crit", "no critical header is supported")
    if "b64" in header:  # RFC 7797; without crit it would be ignored by some and honoured by others
        raise TokenError("header_refused", "b64", "b64 is not supported")
    for name in _BRINGS_KEY:
        if name in header:
            raise TokenError("header_refused", name, "keys come from the configuration, never with the token")
    kind = header.get("typ")
    if kind is not None:
        name = kind.lower() if isinstance(kind, str) else ""
        if name.startswith("application/"):
            name = name[12:]
        if name not in _TYPES:  # RFC 8725 section 3.11: a token made for another purpose
            raise TokenError("header_refused", "typ", "typ must be JWT or at+jwt")
    alg = header.get("alg")
    if not isinstance(alg, str):
        raise TokenError("alg_refused", "alg", "alg must be one text")
    if alg not in (HS256, EDDSA):
        raise TokenError("alg_refused", "alg", "only HS256 and EdDSA are supported")
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise TokenError("token_malformed", "kid", "kid must be a text")
    return alg, kid


def _text(claims: "dict[str, object]", name: str) -> str:
    value = claims.get(name)
    if value is None:
        raise TokenError("claim_missing", name, name + " is required")
    if not isinstance(value, str):
        raise TokenError("claim_invalid", name, name + " must be a text")
    return value


def _time(claims: "dict[str, object]", name: str) -> "int | None":
    """A NumericDate as whole Unix seconds; None when absent. (The parser makes 1.7e9 an int, 1.5 not.)"""
    if name not in claims:
        return None
    value = claims[name]
    if not isinstance(value, int) or value is True or value is False or not 0 <= value <= limits.TOKEN_TIME:
        raise TokenError("claim_invalid", name, name + " must be whole Unix seconds before the year 10000")
    return value


def _check_audience(claims: "dict[str, object]", audience: str) -> None:
    value = claims.get("aud")
    if value is None:
        raise TokenError("claim_missing", "aud", "aud is required")
    named = value if isinstance(value, list) else [value]
    for one in named:
        if not isinstance(one, str):
            raise TokenError("claim_invalid", "aud", "aud must be a text or an array of texts")
    if audience not in named:
        raise TokenError("audience_wrong", "aud", "the token is made for another audience")


def _scopes(claims: "dict[str, object]") -> "tuple[str, ...]":
    """RFC 9068 section 2.2.3, RFC 6749 section 3.3: texts of visible ASCII, one space between two."""
    value = claims.get("scope", "")
    if not isinstance(value, str):
        raise TokenError("claim_invalid", "scope", "scope must be one text")
    if not value:
        return ()
    scopes = tuple(value.split(" "))
    if len(scopes) > limits.TOKEN_SCOPES:
        raise TokenError("claim_invalid", "scope", "scope has too many entries")
    for scope in scopes:
        if not 0 < len(scope) <= limits.TOKEN_SCOPE:
            raise TokenError("claim_invalid", "scope", "an entry of scope is empty or too long")
        for character in scope:
            if not "!" <= character <= "~" or character in '"\\':
                raise TokenError("claim_invalid", "scope", "scope has a character that is not allowed")
    return scopes
