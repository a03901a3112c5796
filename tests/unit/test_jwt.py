"""core/jwt.py: what is accepted, and what each attack gets. tests/twins runs it again on the native twin."""

import binascii
import hashlib
import unittest

from headgate import limits
from headgate.core import base64url, json, jwt
from headgate.core.jwt import Claims, Issuer, Key, TokenError

NOW = 1800000000
SECRET = b"a secret of 32 bytes at the least"
OTHER = b"another secret, also long enough!"
# RFC 8032 section 7.1 test 1
PUBLIC = binascii.unhexlify("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
PEM = (
    b"-----BEGIN PUBLIC KEY-----\n"
    b"MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
    b"-----END PUBLIC KEY-----\n"
)
DER = binascii.unhexlify("302a300506032b6570032100") + PUBLIC
HEADER = b'{"alg":"HS256","typ":"JWT"}'
VALID = {"iss": "plant", "aud": "headgate", "sub": "station-1", "exp": NOW + 600, "scope": "publish:weather"}


def fake_ed25519(public_key, message, signature):
    """Stands for the injected verifier: not a signature scheme, only something that depends on all three."""
    return signature == hashlib.sha256(public_key + message).digest() * 2


def token(payload, header=HEADER, secret=SECRET):
    """Header and payload as given (bytes), signed for real."""
    signed = base64url.encode(header) + b"." + base64url.encode(payload)
    padded = secret + bytes(max(0, 32 - len(secret)))  # HMAC pads with zeros anyway
    return signed + b"." + base64url.encode(Key("", "HS256", padded).hmac(signed))


def claims(**changes):
    """The valid claims with changes, as JSON; None leaves one out."""
    found = {}
    found.update(VALID)
    found.update(changes)
    for name, value in changes.items():
        if value is None:
            del found[name]
    return json.dumps(found)


GOOD = token(claims())
SIGNED = GOOD[: GOOD.rfind(b".")]
SIGNATURE = GOOD[GOOD.rfind(b".") + 1 :]


def with_header(header):
    return token(claims(), header)


def unsigned(header):
    return base64url.encode(header) + b"." + base64url.encode(claims()) + b"."


def eddsa(payload, header=b'{"alg":"EdDSA"}', public_key=PUBLIC):
    signed = base64url.encode(header) + b"." + base64url.encode(payload)
    return signed + b"." + base64url.encode(hashlib.sha256(public_key + signed).digest() * 2)


def spare_bit(part):
    """`part` with one of the bits set that belong to no byte: base64url of the same, but not the canonical one."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    at = alphabet.find(part[-1:]) + 1
    return part[:-1] + alphabet[at : at + 1]


def spare_bit_in_payload():
    """Signed with it, so that nothing else is wrong."""
    payload = claims()
    while len(payload) % 3 == 0:
        payload += b" "
    signed = base64url.encode(HEADER) + b"." + spare_bit(base64url.encode(payload))
    return signed + b"." + base64url.encode(Key("", "HS256", SECRET).hmac(signed))


# What it is, the token, the code it must get, the claim or header that is named.
ATTACKS = (
    # alg
    ("none", unsigned(b'{"alg":"none"}'), "alg_refused", "alg"),
    ("None", unsigned(b'{"alg":"None"}'), "alg_refused", "alg"),
    ("NONE", unsigned(b'{"alg":"NONE"}'), "alg_refused", "alg"),
    ("nOnE", unsigned(b'{"alg":"nOnE"}'), "alg_refused", "alg"),
    ("none, signed", with_header(b'{"alg":"none"}'), "alg_refused", "alg"),
    ("missing alg", with_header(b'{"typ":"JWT"}'), "alg_refused", "alg"),
    ("alg null", with_header(b'{"alg":null}'), "alg_refused", "alg"),
    ("alg array", with_header(b'{"alg":["HS256"]}'), "alg_refused", "alg"),
    ("alg array with none", with_header(b'{"alg":["none","HS256"]}'), "alg_refused", "alg"),
    ("alg object", with_header(b'{"alg":{"alg":"HS256"}}'), "alg_refused", "alg"),
    ("alg with NUL", with_header(b'{"alg":"HS256\\u0000"}'), "alg_refused", "alg"),
    ("none, escaped", unsigned(b'{"alg":"\\u006eone"}'), "alg_refused", "alg"),
    ("alg twice, escaped", with_header(b'{"alg":"HS256","\\u0061lg":"none"}'), "token_malformed", ""),
    ("alg in another case", with_header(b'{"Alg":"HS256"}'), "alg_refused", "alg"),
    ("alg empty", with_header(b'{"alg":""}'), "alg_refused", "alg"),
    ("alg hs256", with_header(b'{"alg":"hs256"}'), "alg_refused", "alg"),
    ("alg with space", with_header(b'{"alg":"HS256 "}'), "alg_refused", "alg"),
    ("alg HS512", with_header(b'{"alg":"HS512"}'), "alg_refused", "alg"),
    ("alg RS256", with_header(b'{"alg":"RS256"}'), "alg_refused", "alg"),
    ("alg twice", with_header(b'{"alg":"none","alg":"HS256"}'), "token_malformed", ""),
    ("alg EdDSA for an HS256 issuer", with_header(b'{"alg":"EdDSA"}'), "alg_refused", "alg"),
    # key confusion: the public key as HMAC secret
    ("HS256 with the raw public key", token(claims(iss="fleet"), HEADER, PUBLIC), "alg_refused", "alg"),
    ("HS256 with the public key, PEM", token(claims(iss="fleet"), HEADER, PEM), "alg_refused", "alg"),
    ("HS256 with the public key, DER", token(claims(iss="fleet"), HEADER, DER), "alg_refused", "alg"),
    (
        "the same, kid of the EdDSA key",
        token(claims(iss="both"), b'{"alg":"HS256","kid":"e1"}', PUBLIC),
        "key_unknown",
        "kid",
    ),
    (
        "the same, kid of the HS256 key",
        token(claims(iss="both"), b'{"alg":"HS256","kid":"k1"}', PUBLIC),
        "signature_invalid",
        "",
    ),
    ("EdDSA header over an HMAC", token(claims(iss="fleet"), b'{"alg":"EdDSA"}'), "signature_invalid", ""),
    (
        "EdDSA with the kid of the secret",
        token(claims(iss="both"), b'{"alg":"EdDSA","kid":"k1"}'),
        "key_unknown",
        "kid",
    ),
    ("EdDSA with another key", eddsa(claims(iss="fleet"), b'{"alg":"EdDSA"}', bytes(32)), "signature_invalid", ""),
    ("empty secret", token(claims(), HEADER, b""), "signature_invalid", ""),
    ("zeros as secret", token(claims(), HEADER, bytes(32)), "signature_invalid", ""),
    ("another issuer's secret", token(claims(), HEADER, OTHER), "signature_invalid", ""),
    ("two keys fit, no kid", token(claims(iss="both")), "key_unknown", "kid"),
    # signature
    ("empty signature", SIGNED + b".", "signature_invalid", ""),
    ("no third part", SIGNED, "token_malformed", ""),
    ("no second part", base64url.encode(HEADER), "token_malformed", ""),
    ("empty", b"", "token_malformed", ""),
    ("dots", b"..", "token_malformed", ""),
    ("four parts", GOOD + b".", "token_malformed", ""),
    ("five parts (JWE)", GOOD + b".AAAA.AAAA", "token_malformed", ""),
    ("zeros as signature", SIGNED + b"." + base64url.encode(bytes(32)), "signature_invalid", ""),
    ("null as signature", SIGNED + b".null", "signature_invalid", ""),
    ("half a signature", SIGNED + b"." + base64url.encode(base64url.decode(SIGNATURE)[:16]), "signature_invalid", ""),
    (
        "signature and more",
        SIGNED + b"." + base64url.encode(base64url.decode(SIGNATURE) + b"\0"),
        "signature_invalid",
        "",
    ),
    ("signature of another token", SIGNED + token(claims(sub="x"))[-44:], "signature_invalid", ""),
    ("payload exchanged", token(claims(sub="x")).rsplit(b".", 1)[0] + b"." + SIGNATURE, "signature_invalid", ""),
    # keys and parameters in the header
    ("embedded jwk", with_header(b'{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}'), "header_refused", "jwk"),
    ("jku", with_header(b'{"alg":"HS256","jku":"https://evil.example/k"}'), "header_refused", "jku"),
    ("x5u", with_header(b'{"alg":"HS256","x5u":"https://evil.example/k"}'), "header_refused", "x5u"),
    ("x5c", with_header(b'{"alg":"HS256","x5c":["AAAA"]}'), "header_refused", "x5c"),
    ("kid path", with_header(b'{"alg":"HS256","kid":"../../../dev/null"}'), "key_unknown", "kid"),
    ("kid SQL", with_header(b'{"alg":"HS256","kid":"\' UNION SELECT \'x"}'), "key_unknown", "kid"),
    ("kid NUL", with_header(b'{"alg":"HS256","kid":"k1\\u0000"}'), "key_unknown", "kid"),
    ("kid empty", with_header(b'{"alg":"HS256","kid":""}'), "key_unknown", "kid"),
    ("kid number", with_header(b'{"alg":"HS256","kid":1}'), "token_malformed", "kid"),
    ("kid array", with_header(b'{"alg":"HS256","kid":["k1"]}'), "token_malformed", "kid"),
    ("crit unknown", with_header(b'{"alg":"HS256","crit":["exp"]}'), "header_refused", "crit"),
    ("crit empty", with_header(b'{"alg":"HS256","crit":[]}'), "header_refused", "crit"),
    ("crit b64", with_header(b'{"alg":"HS256","b64":false,"crit":["b64"]}'), "header_refused", "crit"),
    ("b64 false", with_header(b'{"alg":"HS256","b64":false}'), "header_refused", "b64"),
    ("typ of another kind", with_header(b'{"alg":"HS256","typ":"secevent+jwt"}'), "header_refused", "typ"),
    ("typ not text", with_header(b'{"alg":"HS256","typ":7}'), "header_refused", "typ"),
    # encodings
    ("oversized", token(claims(pad="x" * limits.TOKEN)), "token_too_large", ""),
    ("padding", GOOD + b"=", "token_malformed", ""),
    ("padded header", base64url.encode(HEADER) + b"=" + GOOD[GOOD.find(b".") :], "token_malformed", ""),
    ("space before", b" " + GOOD, "token_malformed", ""),
    ("newline after", GOOD + b"\n", "token_malformed", ""),
    ("newline inside", SIGNED + b".\n" + SIGNATURE, "token_malformed", ""),
    ("other alphabet", SIGNED + b"." + SIGNATURE[:-2] + b"+/", "token_malformed", ""),
    ("NUL", GOOD + b"\0", "token_malformed", ""),
    # bits of the last character that belong to no byte: RFC 4648 section 3.5
    ("signature not canonical", spare_bit(GOOD), "token_malformed", ""),
    (
        "header not canonical",
        spare_bit(base64url.encode(HEADER + b" ")) + GOOD[GOOD.find(b".") :],
        "token_malformed",
        "",
    ),
    ("payload not canonical", spare_bit_in_payload(), "token_malformed", ""),
    ("padded payload", SIGNED + b"==." + SIGNATURE, "token_malformed", ""),
    ("padding escaped", SIGNED + b"%3D." + SIGNATURE, "token_malformed", ""),
    ("tab inside", SIGNED.replace(b".", b".\t") + b"." + SIGNATURE, "token_malformed", ""),
    ("no-break space after", GOOD + b"\xc2\xa0", "token_malformed", ""),
    ("BOM before the signature", SIGNED + b".\xef\xbb\xbf" + SIGNATURE, "token_malformed", ""),
    ("BOM before the token", b"\xef\xbb\xbf" + GOOD, "token_malformed", ""),
    ("BOM in the header", with_header(b"\xef\xbb\xbf" + HEADER), "token_malformed", ""),
    ("BOM in the payload", token(b"\xef\xbb\xbf" + claims()), "token_malformed", ""),
    ("header is an array", with_header(b'["HS256"]'), "token_malformed", ""),
    ("header is not JSON", with_header(b"{alg:HS256}"), "token_malformed", ""),
    ("header empty", b"." + GOOD[GOOD.find(b".") + 1 :], "token_malformed", ""),
    ("header with more after it", with_header(HEADER + b"{}"), "token_malformed", ""),
    ("header with a lone surrogate", with_header(b'{"alg":"HS256","x":"\\ud800"}'), "token_malformed", ""),
    ("payload empty", token(b""), "token_malformed", ""),
    ("payload null", token(b"null"), "token_malformed", ""),
    ("payload nested", token(b'{"a":' + b"[" * 500 + b"]" * 500 + b"}"), "token_malformed", ""),
    ("payload bad UTF-8", token(b'{"iss":"\xff"}'), "token_malformed", ""),
    ("claims twice", token(claims()[:-1] + b',"sub":"admin"}'), "token_malformed", ""),
    ("claims twice, escaped", token(claims()[:-1] + b',"su\\u0062":"admin"}'), "token_malformed", ""),
    # issuer, audience
    ("no iss", token(claims(iss=None)), "claim_missing", "iss"),
    ("iss null", token(claims()[:-1].replace(b'"plant"', b"null") + b"}"), "claim_missing", "iss"),
    ("iss array", token(claims(iss=["plant"])), "claim_invalid", "iss"),
    ("iss unknown", token(claims(iss="plan")), "issuer_unknown", "iss"),
    ("iss other case", token(claims(iss="Plant")), "issuer_unknown", "iss"),
    ("no aud", token(claims(aud=None)), "claim_missing", "aud"),
    ("aud of somebody else", token(claims(aud="headgat")), "audience_wrong", "aud"),
    ("aud array without us", token(claims(aud=["a", "b"])), "audience_wrong", "aud"),
    ("aud array empty", token(claims(aud=[])), "audience_wrong", "aud"),
    ("aud array with a number", token(claims(aud=["headgate", 1])), "claim_invalid", "aud"),
    ("aud array in an array", token(claims(aud=[["headgate"]])), "claim_invalid", "aud"),
    ("aud null", token(claims(aud=None)[:-1] + b',"aud":null}'), "claim_missing", "aud"),
    ("aud with both in one text", token(claims(aud="headgate other")), "audience_wrong", "aud"),
    ("aud number", token(claims(aud=5)), "claim_invalid", "aud"),
    ("aud object", token(claims(aud={"headgate": 1})), "claim_invalid", "aud"),
    # times
    ("no exp", token(claims(exp=None)), "claim_missing", "exp"),
    ("exp null", token(claims(exp=None)[:-1] + b',"exp":null}'), "claim_invalid", "exp"),
    ("exp text", token(claims(exp=str(NOW + 600))), "claim_invalid", "exp"),
    ("exp fraction", token(claims(exp=None)[:-1] + b',"exp":1800000600.5}'), "claim_invalid", "exp"),
    ("exp 1e400", token(claims(exp=None)[:-1] + b',"exp":1e400}'), "claim_invalid", "exp"),
    ("exp 1e99999", token(claims(exp=None)[:-1] + b',"exp":1e99999}'), "claim_invalid", "exp"),
    ("exp after the year 9999", token(claims(exp=limits.TOKEN_TIME + 1)), "claim_invalid", "exp"),
    ("exp in milliseconds", token(claims(exp=NOW * 1000)), "claim_invalid", "exp"),
    ("exp negative", token(claims(exp=-1)), "claim_invalid", "exp"),
    ("exp beyond 64 bits", token(claims(exp=2**64 + NOW + 600)), "claim_invalid", "exp"),
    ("exp 1e-400", token(claims(exp=None)[:-1] + b',"exp":1e-400}'), "claim_invalid", "exp"),
    ("exp -0", token(claims(exp=None)[:-1] + b',"exp":-0}'), "token_expired", "exp"),
    ("exp Infinity", token(claims(exp=None)[:-1] + b',"exp":Infinity}'), "token_malformed", ""),
    ("exp object", token(claims(exp={"exp": NOW + 600})), "claim_invalid", "exp"),
    ("exp twice", token(claims()[:-1] + b',"exp":1}'), "token_malformed", ""),
    ("iss twice", token(claims()[:-1] + b',"iss":"both"}'), "token_malformed", ""),
    ("exp true", token(claims(exp=True)), "claim_invalid", "exp"),
    ("exp array", token(claims(exp=[NOW + 600])), "claim_invalid", "exp"),
    ("exp zero", token(claims(exp=0)), "token_expired", "exp"),
    ("expired", token(claims(exp=NOW - 30)), "token_expired", "exp"),
    ("nbf in the future", token(claims(nbf=NOW + 31)), "token_not_yet_valid", "nbf"),
    ("nbf after exp", token(claims(nbf=NOW + 601)), "claim_invalid", "nbf"),
    ("nbf text", token(claims(nbf="0")), "claim_invalid", "nbf"),
    ("nbf null", token(claims()[:-1] + b',"nbf":null}'), "claim_invalid", "nbf"),
    ("nbf 1e400", token(claims()[:-1] + b',"nbf":1e400}'), "claim_invalid", "nbf"),
    ("iat in the future", token(claims(iat=NOW + 31)), "token_not_yet_valid", "iat"),
    ("iat text", token(claims(iat="0")), "claim_invalid", "iat"),
    ("iat fraction", token(claims()[:-1] + b',"iat":0.5}'), "claim_invalid", "iat"),
    # sub, scope
    ("no sub", token(claims(sub=None)), "claim_missing", "sub"),
    ("sub number", token(claims(sub=7)), "claim_invalid", "sub"),
    ("sub empty", token(claims(sub="")), "claim_invalid", "sub"),
    ("sub with a slash", token(claims(sub="a/b")), "claim_invalid", "sub"),
    ("sub is a wildcard", token(claims(sub="#")), "claim_invalid", "sub"),
    ("sub with a space", token(claims(sub="a b")), "claim_invalid", "sub"),
    ("sub with a newline", token(claims(sub="a\n")), "claim_invalid", "sub"),
    ("sub not ASCII", token(claims(sub="\u00e9")), "claim_invalid", "sub"),
    ("sub with NUL", token(claims(sub="a\0")), "claim_invalid", "sub"),
    ("sub array", token(claims(sub=["a"])), "claim_invalid", "sub"),
    ("sub dot", token(claims(sub=".")), "claim_invalid", "sub"),
    ("sub dots", token(claims(sub="..")), "claim_invalid", "sub"),
    ("sub too long", token(claims(sub="x" * 65)), "claim_invalid", "sub"),
    ("scope array", token(claims(scope=["publish:weather"])), "claim_invalid", "scope"),
    ("scope with two spaces", token(claims(scope="a  b")), "claim_invalid", "scope"),
    ("scope with a tab", token(claims(scope="a\tb")), "claim_invalid", "scope"),
    ("scope with a quote", token(claims(scope='a"')), "claim_invalid", "scope"),
    ("scope too many", token(claims(scope=" ".join(["a"] * 33))), "claim_invalid", "scope"),
    ("scope too long", token(claims(scope="a" * 129)), "claim_invalid", "scope"),
)


class TokenTest(unittest.TestCase):
    Verifier = jwt.Verifier

    def verifier(self, **options):
        return self.Verifier(
            [
                Issuer("plant", "headgate", [Key("k1", "HS256", SECRET)], **options),
                Issuer("fleet", "headgate", [Key("e1", "EdDSA", PUBLIC)]),
                Issuer(
                    "both",
                    "headgate",
                    [Key("k1", "HS256", SECRET), Key("e1", "EdDSA", PUBLIC), Key("k2", "HS256", OTHER)],
                ),
            ],
            fake_ed25519,
        )


class TestAttacks(TokenTest):
    def test_table(self):
        checker = self.verifier()
        for what, attack, code, claim in ATTACKS:
            with self.assertRaises(TokenError) as caught:
                checker.verify(attack, NOW, "trusted")
            error = caught.exception
            self.assertEqual((what, error.code, error.claim), (what, code, claim))
            self.assertTrue(error.detail, what)

    def test_nothing_of_the_token_or_secret_is_echoed(self):
        checker = self.verifier()
        for what, attack, _, _ in ATTACKS:
            with self.assertRaises(TokenError) as caught:
                checker.verify(attack, NOW, "trusted")
            shown = str(caught.exception) + repr(caught.exception)
            for secret in ("evil.example", "UNION", "plan\\", "admin", "secret of", SIGNATURE.decode()):
                self.assertNotIn(secret, shown, what)
        self.assertNotIn("secret of", repr(Key("k1", "HS256", SECRET)))

    def test_every_changed_byte_is_noticed(self):
        checker = self.verifier()
        for index in range(len(GOOD)):
            changed = bytearray(GOOD)
            changed[index] ^= 1
            with self.assertRaises(TokenError):
                checker.verify(bytes(changed), NOW, "trusted")

    def test_every_cut_is_noticed(self):
        checker = self.verifier()
        for length in range(len(GOOD)):
            with self.assertRaises(TokenError):
                checker.verify(GOOD[:length], NOW, "trusted")


class TestAccepted(TokenTest):
    def accept(self, data, **options):
        found = self.verifier(**options).verify(data, NOW, "trusted")
        self.assertIs(type(found), Claims)
        return found

    def test_claims(self):
        found = self.accept(GOOD)
        self.assertEqual((found.sub, found.iss, found.exp), ("station-1", "plant", NOW + 600))
        self.assertEqual(found.scopes, ("publish:weather",))
        self.assertEqual(found.raw["aud"], "headgate")

    def test_any_buffer(self):
        for view in (bytearray(GOOD), memoryview(GOOD)):
            self.assertEqual(self.accept(view).sub, "station-1")

    def test_headers_that_do_no_harm(self):
        for header in (
            b'{"alg":"HS256"}',
            b'{"alg":"HS256","kid":"k1"}',
            b'{"typ":"at+jwt","alg":"HS256"}',
            b'{"typ":"application/at+jwt","alg":"HS256"}',
            b'{"typ":"jwt","alg":"HS256","cty":"x","x5t":"AAAA","x5t#S256":"AAAA","other":{"a":1}}',
            b' {\r\n "alg" : "HS256" } ',
        ):
            self.accept(with_header(header))

    def test_audiences(self):
        self.accept(token(claims(aud=["other", "headgate"])))
        self.accept(token(claims(aud=["headgate"])))

    def test_times_at_their_edges(self):
        self.accept(token(claims(exp=NOW - 29, nbf=NOW - 30, iat=NOW + 30)))
        self.accept(token(claims(nbf=NOW + 30, exp=NOW + 31)))
        self.accept(token(claims(exp=limits.TOKEN_TIME)))
        self.accept(token(claims(exp=None)[:-1] + b',"exp":18000006e2}'))
        self.accept(token(claims(exp=None)[:-1] + b',"exp":1800000600.0}'))
        with self.assertRaises(TokenError):
            self.accept(token(claims(exp=NOW)), leeway_s=0)
        self.accept(token(claims(exp=NOW + 1)), leeway_s=0)

    def test_subjects(self):
        for name in ("x", "x" * 64, "a.b_c~d-9", "...", ".a"):
            self.assertEqual(self.accept(token(claims(sub=name))).sub, name)

    def test_scopes(self):
        self.assertEqual(self.accept(token(claims(scope=None))).scopes, ())
        self.assertEqual(self.accept(token(claims(scope=""))).scopes, ())
        self.assertEqual(self.accept(token(claims(scope="a b:c"))).scopes, ("a", "b:c"))

    def test_kid_selects_the_key(self):
        self.accept(token(claims(iss="both"), b'{"alg":"HS256","kid":"k2"}', OTHER))
        self.accept(token(claims(iss="both"), b'{"alg":"HS256","kid":"k1"}'))
        self.assertEqual(self.accept(eddsa(claims(iss="both"))).iss, "both")  # the only EdDSA key
        self.assertEqual(self.accept(eddsa(claims(iss="fleet"), b'{"alg":"EdDSA","kid":"e1"}')).iss, "fleet")

    def test_key_without_kid_fits_any(self):
        checker = self.Verifier([Issuer("plant", "headgate", [Key("", "HS256", SECRET), Key("new", "HS256", OTHER)])])
        checker.verify(token(claims(), b'{"alg":"HS256","kid":"theirs"}'), NOW, "trusted")
        checker.verify(token(claims(), b'{"alg":"HS256","kid":"new"}', OTHER), NOW, "trusted")
        with self.assertRaises(TokenError) as caught:
            checker.verify(token(claims(), b'{"alg":"HS256","kid":"new"}'), NOW, "trusted")
        self.assertEqual(caught.exception.code, "signature_invalid")

    def test_longest_life(self):
        self.accept(token(claims(iat=NOW, exp=NOW + 600)), max_ttl_s=600)
        for changes, code, claim in (
            ({"iat": NOW, "exp": NOW + 601}, "ttl_too_long", "exp"),
            ({}, "claim_missing", "iat"),
        ):
            with self.assertRaises(TokenError) as caught:
                self.accept(token(claims(**changes)), max_ttl_s=600)
            self.assertEqual((caught.exception.code, caught.exception.claim), (code, claim))


class TestRevoked(TokenTest):
    def outcome(self, jti, **options):
        payload = claims()[:-1] + b',"jti":' + jti + b"}"
        try:
            self.verifier(**options).verify(token(payload), NOW, "trusted")
        except TokenError as error:
            return error.code, error.claim
        return "accepted"

    def test_table(self):
        revoked = ["gone", "caf\u00e9", "", "a\nb"]
        for jti, outcome in (
            (b'"gone"', ("token_revoked", "jti")),
            (b'"\\u0067one"', ("token_revoked", "jti")),
            (b'"caf\xc3\xa9"', ("token_revoked", "jti")),
            (b'"caf\\u00e9"', ("token_revoked", "jti")),
            (b'""', ("token_revoked", "jti")),
            (b'"a\\nb"', ("token_revoked", "jti")),
            (b'"gon"', "accepted"),
            (b'"gone "', "accepted"),
            (b'"GONE"', "accepted"),
            (b"null", "accepted"),
            (b"7", ("claim_invalid", "jti")),
            (b'["gone"]', ("claim_invalid", "jti")),
        ):
            self.assertEqual((jti, self.outcome(jti, revoked=revoked)), (jti, outcome))
            self.assertEqual((jti, self.outcome(jti)), (jti, "accepted"))

    def test_of_this_issuer_only(self):
        checker = self.Verifier(
            [
                Issuer("plant", "headgate", [Key("", "HS256", SECRET)], revoked=["a"]),
                Issuer("other", "headgate", [Key("", "HS256", SECRET)], revoked=("b",)),
            ]
        )
        for issuer, jti, good in (("plant", "a", 0), ("plant", "b", 1), ("other", "a", 1), ("other", "b", 0)):
            data = token(claims(iss=issuer, jti=jti))
            if good:
                checker.verify(data, NOW, "trusted")
            else:
                with self.assertRaises(TokenError) as caught:
                    checker.verify(data, NOW, "trusted")
                self.assertEqual(caught.exception.code, "token_revoked")

    def test_an_expired_token_is_called_expired(self):
        with self.assertRaises(TokenError) as caught:
            self.verifier(revoked=["a"]).verify(token(claims(jti="a", exp=NOW - 999)), NOW, "trusted")
        self.assertEqual(caught.exception.code, "token_expired")


class TestClockPolicy(TokenTest):
    """While the clock is not trusted, `floor` has passed and `now` is a guess."""

    def outcome(self, data, policy, now_s, clock, floor_s=None):
        try:
            self.verifier(clock_policy=policy).verify(data, now_s, clock, floor_s)
        except TokenError as error:
            return error.code
        return "accepted"

    def test_table(self):
        good = token(claims())
        early = token(claims(nbf=NOW + 500, iat=NOW + 400))
        old = token(claims(exp=NOW - 30))
        for clock in ("unset", "estimated"):
            self.assertEqual(self.outcome(good, "refuse", NOW, clock), "clock_untrusted")
            self.assertEqual(self.outcome(early, "refuse", NOW, clock), "clock_untrusted")
            self.assertEqual(self.outcome(old, "refuse", NOW, clock), "token_expired")
            self.assertEqual(self.outcome(good, "accept", NOW, clock), "accepted")
            self.assertEqual(self.outcome(early, "accept", NOW, clock), "accepted")
            self.assertEqual(self.outcome(old, "accept", NOW, clock), "token_expired")
            self.assertEqual(self.outcome(old, "estimate", NOW, clock), "token_expired")
        for data in (good, early):
            self.assertEqual(self.outcome(data, "estimate", NOW, "unset"), "clock_untrusted")
            self.assertEqual(self.outcome(data, "estimate", NOW, "estimated"), "accepted")
        for policy in ("accept", "refuse", "estimate"):
            self.assertEqual(self.outcome(good, policy, NOW, "trusted"), "accepted")
            self.assertEqual(self.outcome(early, policy, NOW, "trusted"), "token_not_yet_valid")
            self.assertEqual(self.outcome(old, policy, NOW, "trusted"), "token_expired")

    def test_only_the_floor_expires_tokens_of_an_untrusted_clock(self):
        good = token(claims())
        self.assertEqual(self.outcome(good, "accept", NOW + 9999, "estimated", NOW), "accepted")
        self.assertEqual(self.outcome(good, "accept", NOW + 9999, "estimated", NOW + 630), "token_expired")
        self.assertEqual(self.outcome(good, "accept", NOW + 9999, "estimated", NOW + 629), "accepted")
        self.assertEqual(self.outcome(good, "accept", NOW + 9999, "trusted", NOW), "token_expired")

    def test_an_estimated_clock_expires_tokens(self):
        good = token(claims())
        self.assertEqual(self.outcome(good, "estimate", NOW + 9999, "estimated", NOW), "token_expired")
        self.assertEqual(self.outcome(good, "estimate", NOW, "estimated", NOW - 9999), "accepted")

    def test_the_floor_expires_tokens_under_every_policy(self):
        good = token(claims())
        for policy in ("accept", "refuse", "estimate"):
            for clock in ("unset", "estimated", "trusted"):
                self.assertEqual(self.outcome(good, policy, NOW, clock, NOW + 9999), "token_expired")

    def test_a_bad_signature_is_reported_first(self):
        self.assertEqual(self.outcome(token(claims(), HEADER, OTHER), "refuse", NOW, "unset"), "signature_invalid")


class TestKeys(TokenTest):
    def test_refused_keys(self):
        for alg, secret in (
            ("HS256", b""),
            ("HS256", b"x" * 31),
            ("EdDSA", b""),
            ("EdDSA", b"x" * 31),
            ("EdDSA", PEM),
            ("none", b"x" * 32),
            ("RS256", b"x" * 32),
            ("hs256", b"x" * 32),
        ):
            with self.assertRaises(ValueError):
                Key("", alg, secret)

    def test_refused_set_up(self):
        with self.assertRaises(ValueError):
            Issuer("plant", "headgate", [], clock_policy="maybe")
        issuer = Issuer("plant", "headgate", [Key("", "HS256", SECRET)])
        with self.assertRaises(ValueError):
            self.Verifier([issuer, issuer])
        with self.assertRaises(ValueError):
            self.Verifier([Issuer("fleet", "headgate", [Key("", "EdDSA", PUBLIC)])])

    def test_no_issuer_accepts_nothing(self):
        with self.assertRaises(TokenError) as caught:
            self.Verifier([]).verify(GOOD, NOW, "trusted")
        self.assertEqual(caught.exception.code, "issuer_unknown")

    def test_hmac_rfc4231(self):
        for secret, data, mac in (
            (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (
                b"\xaa" * 131,
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ):
            padded = secret + bytes(max(0, 32 - len(secret)))
            self.assertEqual(Key("", "HS256", padded).hmac(data), binascii.unhexlify(mac))

    def test_rfc7515_a1(self):
        key = Key(
            "",
            "HS256",
            base64url.decode(b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
        )
        signed = (
            b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
            b".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        )
        self.assertEqual(base64url.encode(key.hmac(signed)), b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")

    def test_same_bytes(self):
        self.assertTrue(jwt.same_bytes(b"", b""))
        self.assertTrue(jwt.same_bytes(b"abc", b"abc"))
        for other in (b"", b"ab", b"abcd", b"abd", b"bbc", b"ab\xe3"):
            self.assertFalse(jwt.same_bytes(b"abc", other))

    def test_sign(self):
        key = Key("k1", "HS256", SECRET)
        made = jwt.sign_hs256({"iss": "plant", "aud": "headgate", "sub": "a", "exp": NOW + 1}, key)
        self.assertEqual(self.verifier().verify(made, NOW, "trusted").sub, "a")
        with self.assertRaises(ValueError):
            jwt.sign_hs256({}, Key("", "EdDSA", PUBLIC))

    def test_scope_allows(self):
        scopes = ("publish:weather", "cache:*")
        self.assertTrue(jwt.scope_allows(scopes, "publish", "weather"))
        self.assertTrue(jwt.scope_allows(scopes, "cache", "anything"))
        for action, name in (
            ("publish", "weath"),
            ("publish", "*"),
            ("publish", "weather2"),
            ("cach", "x"),
            ("", "weather"),
        ):
            self.assertFalse(jwt.scope_allows(scopes, action, name))
        self.assertFalse(jwt.scope_allows((), "publish", "weather"))
