"""tasks/plan: the compiled plan is checked, and refused in words."""

import unittest

from headgate import limits
from headgate.core import base64url
from headgate.core.jwt import Key, TokenError, sign_hs256
from headgate.tasks.plan import PlanError, build, is_name, parse_pointer

SECRET = base64url.encode(b"s" * 32).decode()
KEY = {"kid": "k", "alg": "HS256", "k": SECRET}


def document(**changes):
    base = {
        "v": 1,
        "appliance": "gate-1",
        "issuers": [{"name": "me", "audience": "headgate", "keys": [KEY]}],
        "streams": {"weather": {"schema": {"type": "object"}, "cache_key": "/station"}},
    }
    base.update(changes)
    return base


def issuer(**changes):
    base = {"name": "me", "audience": "headgate", "keys": [KEY]}
    base.update(changes)
    return document(issuers=[base])


def stream(**changes):
    return document(streams={"weather": changes})


class PlanTest(unittest.TestCase):
    def test_revoked_tokens(self):
        claims = {"iss": "me", "aud": "headgate", "sub": "a", "exp": 1800000600}
        key = Key("k", "HS256", b"s" * 32)
        for jti, code in (("gone", "token_revoked"), ("other", ""), (None, "")):
            claims["jti"] = jti
            try:
                build(issuer(revoked=["x", "gone"])).verifier.verify(sign_hs256(claims, key), 1800000000, "trusted")
                found = ""
            except TokenError as error:
                found = error.code
            self.assertEqual((jti, found), (jti, code))
        self.refused(issuer(revoked=["x"] * (limits.REVOKED + 1)), "issuers[0].revoked")
        self.refused(issuer(revoked=["x", 1]), "issuers[0].revoked")
        self.refused(issuer(revoked="x"), "issuers[0].revoked")

    def refused(self, value, where, *arguments):
        with self.assertRaises(PlanError) as caught:
            build(value, *arguments)
        self.assertEqual(caught.exception.where, where)
        self.assertTrue(caught.exception.reason)

    def test_defaults(self):
        plan = build(document())
        self.assertEqual(plan.appliance, "gate-1")
        self.assertEqual(plan.cache_bytes, limits.CACHE_BYTES)
        self.assertEqual(plan.connections, limits.CONNECTIONS)
        self.assertTrue(plan.metrics_open)
        self.assertEqual(plan.certificate_scopes, ())
        weather = plan.streams["weather"]
        self.assertEqual(weather.name, "weather")
        self.assertTrue(weather.durable)
        self.assertEqual(weather.cache_key, ["station"])
        self.assertTrue(weather.schema.is_valid(b"{}"))
        self.assertFalse(weather.schema.is_valid(b"[]"))

    def test_all_values_arrive(self):
        plan = build(
            document(
                streams={
                    "s": {
                        "schema": None,
                        "rate_milli": 5,
                        "burst": 6,
                        "body_limit": 7,
                        "durability": "memory",
                        "cache_key": "",
                        "topic": "a/b",
                        "last_ttl_ms": 8,
                    }
                },
                cache={"bytes": 1, "value_limit": 2, "entries": 3, "rate_milli": 4, "burst": 5},
                limits={"connections": 6, "idle_ms": 7, "head_ms": 8, "body_ms": 9},
                certificate_scopes=["publish:s", "read:*"],
                metrics="scope",
            ),
            None,
            False,
        )
        s = plan.streams["s"]
        self.assertTrue(s.schema.is_valid(b"[null]"))  # none: any message
        self.assertEqual((s.rate_milli, s.burst, s.body_limit, s.durable), (5, 6, 7, False))
        self.assertEqual((s.cache_key, s.topic, s.last_ttl_ms), (None, "a/b", 8))
        cache = (plan.cache_bytes, plan.cache_value, plan.cache_entries, plan.cache_rate_milli, plan.cache_burst)
        self.assertEqual(cache, (1, 2, 3, 4, 5))
        self.assertEqual((plan.connections, plan.idle_ms, plan.head_ms, plan.body_ms), (6, 7, 8, 9))
        self.assertEqual(plan.certificate_scopes, ("publish:s", "read:*"))
        self.assertFalse(plan.metrics_open)

    def test_shape(self):
        self.refused([], "")
        self.refused(document(v=2), "v")
        self.refused(document(appliance=""), "appliance")
        self.refused(document(appliance="a b"), "appliance")
        self.refused(document(extra=1), "extra")
        self.refused(document(issuers={}), "issuers")
        self.refused(document(streams=[]), "streams")
        self.refused(document(streams={"a/b": {}}), "streams.a/b")
        self.refused(document(streams={"w": None}), "streams.w")
        self.refused(document(cache={"bytes": -1}), "cache.bytes")
        self.refused(document(limits={"idle_ms": 0}), "limits.idle_ms")
        self.refused(document(limits={"idle": 1}), "limits.idle")
        self.refused(document(metrics="maybe"), "metrics")
        self.refused(document(certificate_scopes="read:*"), "certificate_scopes")
        self.refused(document(certificate_scopes=["read:*", ""]), "certificate_scopes[1]")
        self.refused(document(certificate_scopes=[7]), "certificate_scopes[0]")

    def test_streams(self):
        self.refused(stream(rate=1), "streams.weather.rate")
        self.refused(stream(rate_milli=0), "streams.weather.rate_milli")
        self.refused(stream(rate_milli=True), "streams.weather.rate_milli")
        self.refused(stream(burst="1"), "streams.weather.burst")
        self.refused(stream(body_limit=limits.HTTP_BODY + 1), "streams.weather.body_limit")
        self.refused(stream(durability="disk"), "streams.weather.durability")
        self.refused(stream(cache_key="station"), "streams.weather.cache_key")
        self.refused(stream(schema={"type": "thing"}), "streams.weather.schema")
        self.refused(stream(schema={"unknownKeyword": 1}), "streams.weather.schema")
        self.refused(stream(schema="true"), "streams.weather.schema")
        self.refused(stream(schema=5), "streams.weather.schema")

    def test_what_the_sink_cannot_do(self):
        self.refused(stream(), "streams.weather.durability", None, False)
        self.assertFalse(build(stream(durability="memory"), None, False).streams["weather"].durable)

    def test_issuers(self):
        self.refused(issuer(keys=[]), "issuers[0].keys")
        self.refused(issuer(name=""), "issuers[0].name")
        self.refused(issuer(clock_policy="guess"), "issuers[0].clock_policy")
        self.refused(issuer(leeway_s=-1), "issuers[0].leeway_s")
        self.refused(issuer(realm="x"), "issuers[0].realm")
        self.refused(issuer(keys=[KEY, KEY]), "issuers[0].keys[1].kid")
        both = document()["issuers"]
        self.refused(document(issuers=both + both), "issuers[1].name")

    def test_keys(self):
        for value, where in (
            ({"kid": "k", "alg": "none", "k": SECRET}, "alg"),
            ({"kid": "k", "alg": "HS256", "k": SECRET + "="}, "k"),
            ({"kid": "k", "alg": "HS256", "k": "c2hvcnQ"}, "k"),
            ({"kid": "k", "alg": "HS256"}, "k"),
            ({"kid": "", "alg": "HS256", "k": SECRET}, "kid"),
            ({"kid": "k", "alg": "HS256", "k": SECRET, "x": ""}, "x"),
        ):
            self.refused(issuer(keys=[value]), "issuers[0].keys[0]." + where)

    def test_eddsa_needs_a_verifier(self):
        value = issuer(keys=[{"kid": "e", "alg": "EdDSA", "k": SECRET}])
        self.refused(value, "issuers[0].keys[0].alg")
        plan = build(value, lambda key, message, signature: False)
        self.assertIsNotNone(plan.verifier)
        short = issuer(keys=[{"kid": "e", "alg": "EdDSA", "k": "AAAA"}])
        self.refused(short, "issuers[0].keys[0].k", lambda key, message, signature: False)

    def test_names_and_pointers(self):
        self.assertTrue(is_name("a.B_9-"))
        for bad in ("", ".", "..", "a/b", "é", "a b", "x" * 65, "*"):
            self.assertFalse(is_name(bad))
        self.assertEqual(parse_pointer(""), [])
        self.assertEqual(parse_pointer("/a~1b/~0/0/"), ["a/b", "~", "0", ""])
        for bad in ("a", "/~", "/~2"):
            with self.assertRaises(ValueError):
                parse_pointer(bad)


if __name__ == "__main__":
    unittest.main()
