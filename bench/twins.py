"""Native against pure twins, and tokens against PyJWT and PyNaCl: nanoseconds for one operation, and how many times as
much each of the others takes, which is what to quote.

    python bench/twins.py [--rounds N] [--only WORD]     writes bench/results/twins.json (without --only)

The contenders take turns within each round, so that a busy machine slows all; the figure is the median of the rounds.
CPU time of the process, not wall time. The loop around the call is measured alone and taken off.
"""

import argparse
import itertools
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0:0] = [str(ROOT / "firmware_py"), str(ROOT / "native_ext")]

import jwt as pyjwt  # noqa: E402
from nacl.signing import VerifyKey  # noqa: E402

from headgate.core import base64url, jwt, limiter, store  # noqa: E402
from headgate.linux import ed25519  # noqa: E402
from headgate_native import _native  # noqa: E402

Operation = Callable[[int], object]

ROUND_NS = 20_000_000  # CPU time of one contender in one round, about
CLIENTS = 1000
KEYS = [b"stream\x00station-%04d" % i for i in range(2 * CLIENTS)]
VALUE = b"v" * 100


def _take(kind: "type[limiter.Limiter]", capacity: int, clients: int) -> Operation:
    take = kind(capacity).take
    return lambda i: take(KEYS[i % clients], 10000, 20, i)


def _filled(kind: "type[store.Store]") -> "store.Store":
    table = kind(1 << 24)
    for key in KEYS:
        table.put(key, VALUE, b"application/json", 0, 0)
    return table


def _get(kind: "type[store.Store]") -> Operation:
    get = _filled(kind).get
    return lambda i: get(KEYS[i % CLIENTS], 1)


def _replace(kind: "type[store.Store]") -> Operation:
    put = _filled(kind).put
    return lambda i: put(KEYS[i % CLIENTS], VALUE, b"application/json", 60000, i)


def _put_evicting(kind: "type[store.Store]") -> Operation:
    put = kind(200 * CLIENTS).put
    return lambda i: put(KEYS[i % (2 * CLIENTS)], VALUE, b"application/json", 60000, i)


NOW = 1_800_000_000  # Unix seconds
SECRET, SEED = bytes(range(32)), bytes(range(32, 64))
PUBLIC = ed25519.public_key(SEED)
NEW, KNOWN = 5000, 100  # tokens in turn: more than are remembered, so that each is new when it comes again; and fewer


def _tokens(alg: str, count: int) -> "list[bytes]":
    made = []
    for number in range(count):
        claims = {
            "iss": "plant",
            "aud": "headgate",
            "sub": "station-1",
            "exp": 4_000_000_000,
            "scope": "publish:weather",
        }
        signed = jwt.signing_input({**claims, "jti": f"{number:08}"}, alg)
        signature = jwt.Key("", alg, SECRET).hmac(signed) if alg == jwt.HS256 else ed25519.sign(SEED, signed)
        made.append(signed + b"." + base64url.encode(signature))
    return made


def _verify(kind: "type[jwt.Verifier]", alg: str, count: int) -> Operation:
    following = itertools.cycle(_tokens(alg, count)).__next__
    key = jwt.Key("", alg, SECRET if alg == jwt.HS256 else PUBLIC)
    verify = kind([jwt.Issuer("plant", "headgate", [key])], ed25519.verifier()).verify
    return lambda _: verify(following(), NOW, "trusted")


def _pyjwt(alg: str, count: int) -> Operation:
    following = itertools.cycle(_tokens(alg, count)).__next__
    key = (
        SECRET
        if alg == jwt.HS256
        else pyjwt.PyJWK({"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(PUBLIC).decode()})
    )
    decode, algs = pyjwt.decode, [alg]
    return lambda _: decode(following(), key, algs, audience="headgate", issuer="plant")


def _libsodium(count: int) -> Operation:
    """PyNaCl's check of the signature alone."""
    parts = [token.rsplit(b".", 1) for token in _tokens(jwt.EDDSA, count)]
    following = itertools.cycle([(message, base64url.decode(signature)) for message, signature in parts]).__next__
    verify = VerifyKey(PUBLIC).verify
    return lambda _: verify(*following())


def _twins(make: "Callable[..., Operation]", name: str, *arguments: object) -> "dict[str, Callable[[], Operation]]":
    pure = {"Limiter": limiter.Limiter, "Store": store.Store, "Verifier": jwt.Verifier}[name]
    return {
        "native": lambda: make(getattr(_native, name), *arguments),
        "pure": lambda: make(pure, *arguments),
    }


def _token_case(alg: str, count: int) -> "dict[str, Callable[[], Operation]]":
    return {**_twins(_verify, "Verifier", alg, count), "PyJWT": lambda: _pyjwt(alg, count)}


CASES: "dict[str, dict[str, Callable[[], Operation]]]" = {
    "limiter.take": _twins(_take, "Limiter", 2 * CLIENTS, CLIENTS),
    "limiter.take, table full": _twins(_take, "Limiter", CLIENTS, 2 * CLIENTS),
    "store.get, 100 bytes": _twins(_get, "Store"),
    "store.put, same key": _twins(_replace, "Store"),
    "store.put, budget full": _twins(_put_evicting, "Store"),
    "token HS256, new": _token_case(jwt.HS256, NEW),
    "token HS256, known": _token_case(jwt.HS256, KNOWN),
    "token EdDSA, new": {**_token_case(jwt.EDDSA, NEW), "PyNaCl, raw": lambda: _libsodium(NEW)},
    "token EdDSA, known": _token_case(jwt.EDDSA, KNOWN),
}


def _nanoseconds(operation: Operation, loops: int) -> float:
    start = time.process_time_ns()
    for i in range(loops):
        operation(i)
    return (time.process_time_ns() - start) / loops


def measure(rounds: int, only: str) -> "dict[str, dict[str, float]]":
    results = {}
    for name, contenders in CASES.items():
        if only not in name:
            continue
        operations: list[Operation] = [lambda i: KEYS[i % CLIENTS], *(make() for make in contenders.values())]
        loops = []
        for operation in operations:
            _nanoseconds(operation, 2 * NEW if "new" in name and len(loops) == 1 else 20)  # warm: the table is full
            loops.append(max(20, min(20000, int(ROUND_NS / _nanoseconds(operation, 20)))))
        samples = [[_nanoseconds(*pair) for pair in zip(operations, loops, strict=True)] for _ in range(rounds)]
        loop, *taken = (statistics.median(column) for column in zip(*samples, strict=True))
        taken = [nanoseconds - loop for nanoseconds in taken]
        row: dict[str, float] = {}
        for contender, nanoseconds in zip(contenders, taken, strict=True):
            row[contender + "_ns"] = round(nanoseconds)
            if contender != "native":
                row[contender + "_ratio"] = round(nanoseconds / taken[0], 2)
        results[name] = row
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds for each case (15)")
    parser.add_argument(
        "--only", default="", metavar="WORD", help="the cases with this word in their name; keeps nothing"
    )
    arguments = parser.parse_args()
    results = measure(arguments.rounds, arguments.only)
    report = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": {name: version(name) for name in ("PyJWT", "PyNaCl")},
        "rounds": arguments.rounds,
        "results": results,
    }
    if not arguments.only:
        path = ROOT / "bench" / "results" / "twins.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for name, row in results.items():
        others = "".join(
            f"   {key[:-3]} {row[key]:.0f} ns = {row[key[:-3] + '_ratio']}x"
            for key in row
            if key.endswith("_ns") and key != "native_ns"
        )
        print(f"{name:26} native {row['native_ns']:6.0f} ns{others}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
