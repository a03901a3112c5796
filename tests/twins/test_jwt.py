"""The rules of tests/unit/test_jwt.py hold for both twins; they agree on any token; and what C can get wrong."""

import gc
import importlib.util
import inspect
import json
import os
import random
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headgate import limits
from headgate.core import base64url
from headgate.core import jwt as pure
from headgate.core.jwt import Claims, Issuer, Key, TokenError
from headgate.linux import ed25519
from headgate_native import _native

UNIT = Path(__file__).resolve().parent.parent / "unit"
RULES = runpy.run_path(str(UNIT / "test_jwt.py"))
NOW, SECRET, OTHER, PUBLIC, GOOD = (RULES[name] for name in ("NOW", "SECRET", "OTHER", "PUBLIC", "GOOD"))
token: Callable[..., bytes] = RULES["token"]
claims: Callable[..., bytes] = RULES["claims"]
SEED = bytes(range(32))


class TestNativeAttacks(RULES["TestAttacks"]):
    Verifier = _native.Verifier


class TestNativeAccepted(RULES["TestAccepted"]):
    Verifier = _native.Verifier


class TestNativeRevoked(RULES["TestRevoked"]):
    Verifier = _native.Verifier


class TestNativeClockPolicy(RULES["TestClockPolicy"]):
    Verifier = _native.Verifier


class TestNativeKeys(RULES["TestKeys"]):
    Verifier = _native.Verifier


def plant(kind: Any = _native.Verifier, **options: Any) -> Any:
    return kind([Issuer("plant", "headgate", [Key("k1", "HS256", SECRET)], **options)])


# --- the same verdicts ---


def outcome(verifier: Any, data: bytes, *clock: Any) -> object:
    try:
        found = verifier.verify(data, *(clock or (NOW, "trusted")))
    except TokenError as error:
        return error.code, error.claim, error.detail
    assert type(found) is Claims
    return found.sub, found.iss, found.scopes, found.exp, found.raw


def agree(pair: Any, data: bytes, *clock: Any) -> object:
    """The native twin twice: from scratch, and, if the token is good, from its table."""
    mine, other = pair
    expected = outcome(mine, data, *clock)
    for _ in range(2):
        assert outcome(other, data, *clock) == expected, (data, clock)
    return expected


@pytest.fixture
def pair() -> tuple[Any, Any]:
    rules = RULES["TokenTest"]()
    mine = rules.verifier(revoked=["gone", "caf\u00e9"])
    rules.Verifier = _native.Verifier
    return mine, rules.verifier(revoked=("gone", "caf\u00e9"))


def test_attacks_get_the_same_words(pair: Any) -> None:
    assert len(agree(pair, GOOD)) == 5  # type: ignore[arg-type]
    for what, data, code, claim in RULES["ATTACKS"]:
        assert agree(pair, data)[:2] == (code, claim), what  # type: ignore[index]
    assert pair[1].stats()["entries"] == 1


WORDS = r"""
null true false 0 -1 1 -0 1.5 1e400 1E2 18e8 1800000600.0 1800000601e-0 253402300799 253402300800 99999999999999999999
[] {} [""] ["headgate"] ["headgate",1] ["x","headgate"] {"a":[1]} nul 01 +1 [1,]
"" "." ".." "plant" "pl\u0061nt" "fleet" "both" "headgate" "a\u0000" "\u00e9" "é" "\ud83d\ude00" "\ud83d" "\x" "none"
"gone" "g\u006fne" "caf\u00e9" "café" "HS256" "HS\u003256" "EdDSA" "k1" "k\u0031" "e1" "k2"
"JWT" "at+JWT" "APPLICATION/JWT" "application/"
"""
VALUES = [
    *WORDS.split(),
    *(
        '"a b"',
        '"a  b"',
        '" a"',
        '"a "',
        '"\t"',
        '"\u212aWT"',
        "1" + "0" * 129,
        "[" * 31 + "]" * 31,
        "[" * 32 + "]" * 32,
    ),
    *('"' + letter * count + '"' for letter, count in (("x", 64), ("x", 65), ("s", 128), ("s", 129), ("\u00e9", 129))),
    *('"' + " ".join("a" * count) + '"' for count in (32, 33)),
]
NAMES = {
    "header": ["alg", "typ", "kid", "crit", "b64", "jwk", "jku", "x5u", "x5c", "x5t", "cty", "\\u0061lg"],
    "claims": ["iss", "aud", "sub", "exp", "nbf", "iat", "scope", "jti", "x", "\\u0073ub", "ex\\u0070"],
}
SPACES = ["", "", "", " ", "\n", "\t \r\n", "\u00a0", "\ufeff"]


def document(dice: random.Random, base: dict[str, str], names: list[str]) -> bytes:
    """An object with some members exchanged, left out, doubled or in another order; now and then not JSON at all."""
    members = [[f'"{name}"', value] for name, value in base.items()]
    for _ in range(dice.choice([0, 0, 1, 1, 2, 3])):
        change, name, value = dice.randrange(4), dice.choice(names), dice.choice(VALUES)
        if change == 0 and members:
            members.pop(dice.randrange(len(members)))
        elif change == 1:
            members.append([f'"{name}"', value])
        else:
            members = [[n, value if n == f'"{name}"' else v] for n, v in members]
            if f'"{name}"' not in [n for n, _ in members]:
                members.append([f'"{name}"', value])
    dice.shuffle(members)
    space = dice.choice(SPACES)
    body = f",{space}".join(f"{n}{space}:{space}{v}" for n, v in members)
    return f"{space}{{{body}}}{space}".encode("utf-8", "surrogatepass")


def generated(dice: random.Random) -> bytes:
    header = {
        "alg": dice.choice(['"HS256"', '"HS256"', '"EdDSA"']),
        "kid": dice.choice(['"k1"', '"e1"', '"k2"', "null"]),
    }
    body = {
        "iss": dice.choice(['"plant"', '"fleet"', '"both"']),
        "aud": '"headgate"',
        "sub": '"a"',
        "exp": str(NOW + 600),
    }
    if dice.random() < 0.4:
        body.update(nbf=str(NOW + dice.randrange(-40, 40)), iat=str(NOW + dice.randrange(-40, 40)))
    if dice.random() < 0.3:
        body["jti"] = dice.choice(['"gone"', '"kept"', '"caf\\u00e9"', "null", "1"])
    head, payload = document(dice, header, NAMES["header"]), document(dice, body, NAMES["claims"])
    if header["alg"] == '"EdDSA"':
        return bytes(RULES["eddsa"](payload, head))
    return token(payload, head, dice.choice([SECRET, SECRET, SECRET, OTHER]))


def mutated(dice: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randrange(3)):
        at = dice.randrange(len(changed) + 1)
        if dice.random() < 0.5 and at < len(changed):
            changed[at] = dice.choice(b"AQgw09-_=+/. \n\0\xff")
        elif dice.random() < 0.5:
            changed[at:at] = dice.choice([b".", b"=", b"\n", b"A", b"..", b"\xef\xbb\xbf"])
        else:
            del changed[at : at + dice.randrange(1, 5)]
    return bytes(changed)


CLOCKS = [
    (NOW, "trusted"),
    (NOW, "estimated"),
    (NOW, "unset"),
    (NOW + 700, "estimated", NOW),
    (NOW - 900, "trusted", NOW),
    (NOW, "odd"),
]


@pytest.mark.parametrize("seed", range(8))
def test_generated_tokens_get_the_same_verdict(pair: Any, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    verdicts: dict[object, int] = {}
    for _ in range(600):
        data = generated(dice)
        if dice.random() < 0.3:
            data = mutated(dice, data)
        found: Any = agree(pair, data, *dice.choice(CLOCKS))
        verdict = "accepted" if len(found) == 5 else found[0]
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
    assert {
        "accepted",
        "claim_invalid",
        "signature_invalid",
        "token_malformed",
        "key_unknown",
        "header_refused",
        "alg_refused",
    } <= set(verdicts)


def test_policies_get_the_same_verdict() -> None:
    for policy in pure.CLOCK_POLICIES:
        for life in (0, 600):
            pair = [
                plant(kind, clock_policy=policy, max_ttl_s=life, leeway_s=5)
                for kind in (pure.Verifier, _native.Verifier)
            ]
            for exp in (0, 1, NOW - 5, NOW - 4, NOW, NOW + 600, limits.TOKEN_TIME):
                for nbf in (None, 0, NOW + 5, NOW + 6, NOW + 601):
                    for iat in (None, NOW, NOW + 6):
                        times = {name: value for name, value in (("nbf", nbf), ("iat", iat)) if value is not None}
                        data = token(claims(exp=exp, **times))
                        for clock in (*CLOCKS, (-(2**70), "trusted"), (2**70, "trusted"), (NOW, "trusted", 2**70)):
                            agree(pair, data, *clock)


def test_keys_of_any_size() -> None:
    for size in (32, 55, 56, 63, 64, 65, 128, 1000):
        secret = bytes(range(256)) * 4
        issuers = [Issuer("plant", "headgate", [Key("", "HS256", secret[:size])])]
        data = pure.sign_hs256(json.loads(claims()), issuers[0].keys[0])
        assert len(agree((pure.Verifier(issuers), _native.Verifier(issuers)), data)) == 5  # type: ignore[arg-type]


# --- Ed25519 for real: keys and signatures that a lenient library would accept ---

ORDER = 2**252 + 27742317777372353535851937790883648493  # of the group, RFC 8032 section 5.1
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]
NOT_CANONICAL = [
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0100000000000000000000000000000000000000000000000000000000000080",
]


def both(public: bytes) -> tuple[Any, Any]:
    issuers = [Issuer("fleet", "headgate", [Key("", "EdDSA", public)])]
    return pure.Verifier(issuers, ed25519.verifier()), _native.Verifier(issuers, ed25519.verifier())


def eddsa_token(number: int, sign: Callable[[bytes], bytes]) -> bytes:
    signed = base64url.encode(b'{"alg":"EdDSA"}') + b"." + base64url.encode(claims(iss="fleet", n=number))
    return signed + b"." + base64url.encode(sign(signed))


needs_nacl = pytest.mark.skipif(importlib.util.find_spec("nacl") is None, reason="needs PyNaCl")


@needs_nacl
def test_ed25519_accepts_what_is_signed() -> None:
    pair = both(ed25519.public_key(SEED))
    data = eddsa_token(0, lambda signed: ed25519.sign(SEED, signed))
    assert len(agree(pair, data)) == 5  # type: ignore[arg-type]
    assert pair[1].stats()["hits"] == 1


@needs_nacl
@pytest.mark.parametrize("point", SMALL_ORDER + NOT_CANONICAL)
def test_ed25519_bad_points(point: str) -> None:
    """With A of small order, R = the neutral element and S = 0 satisfy the equation for one message in a few."""
    bad, neutral = bytes.fromhex(point), bytes.fromhex(SMALL_ORDER[0])
    as_key, good_key = both(bad), both(ed25519.public_key(SEED))
    for number in range(16):
        for r in (neutral, bad):
            data = eddsa_token(number, lambda _, r=r: r + bytes(32))  # type: ignore[misc]
            assert agree(as_key, data)[0] == "signature_invalid"  # type: ignore[index]
            assert agree(good_key, data)[0] == "signature_invalid"  # type: ignore[index]


@needs_nacl
def test_ed25519_s_is_reduced() -> None:
    pair = both(ed25519.public_key(SEED))
    for times in (1, 2, 3):

        def sign(signed: bytes, times: int = times) -> bytes:
            good = ed25519.sign(SEED, signed)
            return good[:32] + (int.from_bytes(good[32:], "little") + times * ORDER).to_bytes(32, "little")

        assert agree(pair, eddsa_token(times, sign))[0] == "signature_invalid"  # type: ignore[index]


# --- the table ---


def test_a_hit_is_judged_by_the_clock_of_its_own_time() -> None:
    verifier = plant()
    for now_s, floor_s, clock, said in (
        (NOW, None, "trusted", "station-1"),
        (NOW + 629, None, "trusted", "station-1"),
        (NOW + 630, None, "trusted", "token_expired"),
        (NOW, NOW + 630, "unset", "token_expired"),
        (NOW, None, "unset", "clock_untrusted"),
        (NOW, None, "trusted", "station-1"),
    ):
        assert outcome(verifier, GOOD, now_s, clock, floor_s)[0] == said  # type: ignore[index]
    assert verifier.stats()["hits"] == 5
    assert verifier.stats()["misses"] == 1


def test_the_table_is_bounded() -> None:
    verifier = plant()
    short = [token(claims(jti=number)) for number in range(limits.TOKENS + 50)]
    for data in short:
        verifier.verify(data, NOW, "trusted")
    stats = verifier.stats()
    assert (stats["entries"], stats["evictions"], stats["misses"]) == (limits.TOKENS, 50, limits.TOKENS + 50)
    for number in range(800):  # long ones meet the budget of bytes first
        verifier.verify(token(claims(jti=number, pad="x" * 2800)), NOW, "trusted")
        assert verifier.stats()["bytes"] <= limits.TOKENS_BYTES
    assert verifier.stats()["entries"] < limits.TOKENS
    verifier.verify(short[0], NOW, "trusted")
    assert verifier.stats()["hits"] == 0


def test_refused_tokens_are_not_kept() -> None:
    verifier = plant(revoked=["gone"])
    for data in (token(claims(), RULES["HEADER"], OTHER), token(claims(exp=1)), token(claims(jti="gone")), b""):
        for _ in range(2):
            assert len(outcome(verifier, data)) == 3  # type: ignore[arg-type]
    assert verifier.stats() == {"entries": 0, "bytes": 0, "hits": 0, "misses": 8, "evictions": 0}


def test_other_keys_or_revocations_begin_with_an_empty_table() -> None:
    """What a reload does: another verifier. The old one goes on for the requests under way."""
    old, data = plant(), token(claims(jti="a"))
    for _ in range(2):
        old.verify(data, NOW, "trusted")
    assert old.stats()["hits"] == 1
    rotated = _native.Verifier([Issuer("plant", "headgate", [Key("k1", "HS256", OTHER)])])
    assert rotated.stats()["entries"] == 0
    assert outcome(rotated, data)[0] == "signature_invalid"  # type: ignore[index]
    assert outcome(plant(revoked=["a"]), data)[0] == "token_revoked"  # type: ignore[index]
    assert outcome(old, data)[0] == "station-1"  # type: ignore[index]


def test_the_seed_keys_the_table() -> None:
    with pytest.raises(ValueError, match="seed must be empty or 16 bytes"):
        _native.Verifier([], None, b"short")
    assert _native.Verifier([], None, bytes(16)).stats()["entries"] == 0


# --- ed25519_verify is Python: it may do anything ---


def fleet(verify: Callable[[bytes, bytes, bytes], object]) -> Any:
    return _native.Verifier([Issuer("fleet", "headgate", [Key("", "EdDSA", PUBLIC)])], verify)  # type: ignore[arg-type]


def test_an_exception_of_ed25519_verify_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: told.append(args.exc_value))

    class Bad:
        def __bool__(self) -> bool:
            raise KeyError("mine")

    def fail(_key: bytes, _message: bytes, _signature: bytes) -> bool:
        raise OSError("no library")

    for function in (fail, lambda *_: Bad(), lambda: True):
        assert outcome(fleet(function), RULES["eddsa"](claims(iss="fleet")))[0] == "signature_invalid"  # type: ignore[index]
    assert [type(error) for error in told] == [OSError, KeyError, TypeError]


def test_ed25519_verify_may_call_verify() -> None:
    inner: list[object] = []
    data = RULES["eddsa"](claims(iss="fleet"))
    depth = iter(range(3))

    def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
        assert public_key == PUBLIC
        assert message + b"." + base64url.encode(signature) == data
        if next(depth, None) is not None:
            inner.append(outcome(verifier, data))
        return bool(RULES["fake_ed25519"](public_key, message, signature))

    verifier = fleet(verify)
    assert outcome(verifier, data)[0] == "station-1"  # type: ignore[index]
    assert [found[0] for found in inner] == ["station-1"] * 3  # type: ignore[index]
    assert verifier.stats()["entries"] == 1


def test_other_threads_meanwhile() -> None:
    data = [RULES["eddsa"](claims(iss="fleet", jti=number)) for number in range(30)]
    switch, found = threading.Barrier(3), []

    def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
        switch.wait()  # all three are in here at a time
        return bool(RULES["fake_ed25519"](public_key, message, signature))

    verifier = fleet(verify)
    threads = [
        threading.Thread(target=lambda part=part: found.extend(outcome(verifier, one) for one in data[part::3]))  # type: ignore[misc]
        for part in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one[0] for one in found] == ["station-1"] * 30  # type: ignore[index]


# --- what only a C type can get wrong ---


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        (pure.Verifier, _native.Verifier),
        (pure.Verifier.verify, _native.Verifier.verify),
        (pure.Verifier.stats, _native.Verifier.stats),
    ],
)
def test_the_signatures_are_the_same(mine: Any, other: Any) -> None:
    mine, other = ([(p.name, p.default) for p in inspect.signature(f).parameters.values()] for f in (mine, other))
    assert mine == other


def test_the_stats_are_the_same() -> None:
    assert pure.Verifier([]).stats() == _native.Verifier([]).stats()


@pytest.mark.parametrize(
    ("issuer", "error"),
    [
        (None, AttributeError),
        ({"name": 5}, TypeError),
        ({"name": "\ud800"}, ValueError),
        ({"name": "x" * 65536}, ValueError),
        ({"audience": b"a"}, TypeError),
        ({"keys": None}, TypeError),
        ({"keys": [None]}, AttributeError),
        ({"revoked": [b"x"]}, TypeError),
        ({"revoked": ["x"] * 65536}, ValueError),
        ({"leeway_s": None}, TypeError),
        ({"clock_policy": "maybe"}, ValueError),
        ({"clock_policy": None}, ValueError),
    ],
)
def test_issuers_that_are_none(issuer: Any, error: type[Exception]) -> None:
    wrong: Any = issuer
    if issuer is not None:
        wrong = Issuer("plant", "headgate", [Key("k1", "HS256", SECRET)])
        for name, value in issuer.items():
            setattr(wrong, name, value)
    with pytest.raises(error):
        _native.Verifier([wrong])


@pytest.mark.parametrize(
    ("name", "value"), [("secret", b"short"), ("secret", "text"), ("alg", "none"), ("alg", None), ("kid", None)]
)
def test_keys_that_are_none(name: str, value: Any) -> None:
    key = Key("e1", "EdDSA", PUBLIC)
    setattr(key, name, value)
    with pytest.raises((TypeError, ValueError)):
        _native.Verifier([Issuer("fleet", "headgate", [key])], ed25519.verify)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "verify() missing required argument 'token'"),
        ((GOOD, NOW), "verify() missing required argument 'clock'"),
        ((GOOD, "now", "trusted"), "'str' object cannot be interpreted as an integer"),
        ((GOOD, NOW, "trusted", "floor"), "'str' object cannot be interpreted as an integer"),
        ((5.5, NOW, "trusted"), "cannot convert 'float' object to bytes"),
        ((GOOD.decode(), NOW, "trusted"), "cannot convert 'str' object to bytes"),
    ],
)
def test_wrong_calls(arguments: Any, message: str) -> None:
    verifier = plant()
    with pytest.raises(TypeError) as caught:
        verifier.verify(*arguments)
    assert str(caught.value) == message
    assert outcome(verifier, GOOD)[0] == "station-1"  # type: ignore[index]


def test_the_type_is_closed() -> None:
    with pytest.raises(TypeError):
        type("Mine", (_native.Verifier,), {})
    with pytest.raises(TypeError):
        _native.Verifier.verify = None  # type: ignore[assignment,method-assign]
    with pytest.raises(AttributeError):
        plant().issuers = []


def test_what_it_was_made_of_may_go_and_change() -> None:
    issuer = Issuer("plant", "headgate", [Key("k1", "HS256", SECRET)], revoked=["a"])
    verifier = _native.Verifier(iter([issuer]))
    issuer.name, issuer.keys, issuer.revoked = "other", [], []
    del issuer
    gc.collect()
    assert outcome(verifier, GOOD)[0] == "station-1"  # type: ignore[index]
    assert outcome(verifier, token(claims(jti="a")))[0] == "token_revoked"  # type: ignore[index]


def test_instances_are_collected_with_what_holds_them() -> None:
    gc.collect()
    before = sum(isinstance(o, _native.Verifier) for o in gc.get_objects())
    cycle: dict[str, object] = {}
    cycle["verifier"] = fleet(cycle.get)
    del cycle
    gc.collect()
    assert sum(isinstance(o, _native.Verifier) for o in gc.get_objects()) == before


def test_the_extension_does_not_import_headgate() -> None:
    program = "import sys, headgate_native._native; print([n for n in sys.modules if n.split('.')[0] == 'headgate'])"
    environment = {**os.environ, "PYTHONPATH": str(Path(_native.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
