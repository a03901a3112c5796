"""`headgate token`: mint a device token, or explain why one is refused."""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from headgate import limits
from headgate.core import base64url, jwt
from headgate.core import json as core_json
from headgate.errors import FINDING, OK, USAGE, CommandError
from headgate.linux import config as configuration
from headgate.linux import config_plan, ed25519, ntp, signing
from headgate.linux.config_rules import Config
from headgate.linux.config_values import Context, ValueOf, duration, is_scope, text

HELP = "mint a device token, or explain why one is refused"

EPILOG = """\
A token says who a device is (--sub) and what it may do (--scope), signed with a key of an issuer
of the configuration: its secret_file (HS256), or STATE/keys/device-eddsa.key if the issuer knows
that key's public half. --key names another private key, made by 'headgate keys init'.

scopes
  publish:STREAM    post messages to a stream        publish:*   to every stream
  read:STREAM       read its last values             read:*
  cache:read        read the key-value cache         cache:read:PREFIX   some keys of it
  cache:write       change it                        cache:write:PREFIX
  metrics:read      /metrics, where it is not open
  update:read       which slot of the image runs
  update:install    install an update                    update:downgrade    an older one, too

examples
  headgate token --sub sensor-1 --scope publish:weather
  headgate token --sub dash-1 --scope 'read:*' --scope cache:read --ttl '12 h'
  TOKEN=$(headgate token --sub sensor-1 --scope publish:weather)
  headgate token --sub sensor-1 --scope publish:weather --json | jq .claims
  headgate token --verify "$TOKEN"               accepted? if not: what is wrong, with which claim
  headgate token --verify - < token.txt          from standard input: not in the process list

Only the token is printed. There is no list of tokens: a short --ttl limits what a lost one can
do; 'headgate keys init --force' and a reload end all of them.

exit codes: 0 minted, or accepted · 2 wrong claim · 3 configuration refused · 4 no usable key ·
7 --verify: refused, or the clock is not set
"""

YEAR_MS = 365 * 86_400_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sub", metavar="NAME", help="the device: 1 to 64 letters, digits or . _ ~ -")
    parser.add_argument("--scope", metavar="ACTION:NAME", action="append", default=[], help="may be repeated")
    parser.add_argument(
        "--ttl", metavar="TIME", default="30 d", help="how long it is valid: '30 d', '12 h' (default: 30 d)"
    )
    parser.add_argument("--issuer", metavar="NAME", help="whose key signs (default: the first with a private key here)")
    parser.add_argument("--audience", metavar="NAME", help="instead of the issuer's")
    parser.add_argument("--key", metavar="FILE", type=Path, help="private key to sign with")
    parser.add_argument(
        "--verify", metavar="TOKEN", help="explain whether the appliance accepts this token; - reads it"
    )
    parser.add_argument("--config", metavar="FILE", help="configuration (see 'headgate check --help' for the search)")
    parser.add_argument("--state", metavar="DIR", type=Path, help="state directory, instead of the configuration's")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")


def main(args: argparse.Namespace) -> int:
    config = configuration.load(args.config, state_dir=args.state)
    if args.verify is not None:
        return _verify(args, config)
    return _mint(args, config)


# --- mint ------------------------------------------------------------------------------------------------------------


def _mint(args: argparse.Namespace, config: Config) -> int:
    claims = _claims(args)
    issuer, signer = signing.find(config, args.issuer, args.key)
    claims["iss"], claims["aud"] = issuer.name, issuer.audience if args.audience is None else _audience(args.audience)
    life = claims["exp"] - claims["iat"]
    if issuer.max_ttl_s and life > issuer.max_ttl_s:
        raise CommandError(
            USAGE,
            f"issuer {issuer.name} allows tokens of at most {issuer.max_ttl_s} s (max_ttl), not {life} s",
            "Use --ttl",
        )
    token = signer.sign(claims).decode()
    if len(token) > limits.TOKEN:
        raise CommandError(
            USAGE, f"the token would have {len(token)} bytes; {limits.TOKEN} are allowed", "Use fewer scopes"
        )
    if args.json:
        print(json.dumps({"token": token, "alg": signer.alg, "kid": signer.kid, "claims": claims}))
    else:
        print(token)
    return OK


def _audience(given: str) -> str:
    """As an issuer's. Raises CommandError(USAGE)."""
    try:
        return str(text().read(given, Context(Path(), Path())))
    except ValueOf as error:
        raise CommandError(USAGE, f"--audience {error.message}", "For instance --audience headgate") from None


def _claims(args: argparse.Namespace) -> dict[str, Any]:
    """Everything but who issues for whom. Raises CommandError(USAGE) for what the appliance would refuse."""
    if not args.sub:
        raise CommandError(
            USAGE, "--sub is missing", "For instance: headgate token --sub sensor-1 --scope publish:weather"
        )
    if not jwt.is_subject(args.sub):
        raise CommandError(
            USAGE, "--sub must be 1 to 64 letters, digits or . _ ~ -", "It becomes part of URLs and topics"
        )
    if len(args.scope) > limits.TOKEN_SCOPES:
        raise CommandError(USAGE, f"at most {limits.TOKEN_SCOPES} scopes", "Use publish:* or read:*")
    for scope in args.scope:
        if not is_scope(scope):
            raise CommandError(USAGE, f"--scope {scope!r} is not ACTION:NAME", "For instance publish:weather")
    try:
        life: Any = duration(1000, 10 * YEAR_MS, unit_ms=1000).read(args.ttl, Context(Path(), Path()))
    except ValueOf as error:
        raise CommandError(USAGE, f"--ttl {error.message}", "For instance --ttl '30 d'") from None
    now = int(time.time())
    if now < limits.CLOCK_FLOOR_S:
        raise CommandError(
            FINDING, "the clock of this machine is not set", "Set it, or mint the token on another machine"
        )
    name = base64url.encode(os.urandom(9)).decode()  # so that the token can be revoked
    return {"sub": args.sub, "jti": name, "iat": now, "exp": now + life, "scope": " ".join(args.scope)}


# --- verify ----------------------------------------------------------------------------------------------------------


def _verify(args: argparse.Namespace, config: Config) -> int:
    if args.verify == "-" and sys.stdin is None:
        raise CommandError(USAGE, "standard input is closed, where --verify - reads the token", "Write: < token.txt")
    given = sys.stdin.read(2 * limits.TOKEN) if args.verify == "-" else args.verify
    token = given.strip().encode("utf-8", "replace")
    now_s, state, floor_s = ntp.TrustedClock(config.state_dir).reading()
    result: dict[str, Any] = {"accepted": True, "clock": state, "now": now_s}
    try:
        result["claims"] = _verifier(config).verify(token, now_s, state, floor_s).raw
    except jwt.TokenError as error:
        result.update(accepted=False, code=error.code, claim=error.claim, detail=error.detail)
        result["unverified"] = {"header": _peek(token, 0), "claims": _peek(token, 1)}
    if args.json:
        print(core_json.dumps(result).decode())
    else:
        _explain(result)
    return OK if result["accepted"] else FINDING


def _verifier(config: Config) -> jwt.Verifier:
    issuers = []
    for issuer in config.issuers:
        issuers.append(
            jwt.Issuer(
                issuer.name,
                issuer.audience,
                config_plan.issuer_keys(issuer),
                leeway_s=issuer.leeway_s,
                clock_policy=issuer.clock_policy,
                max_ttl_s=issuer.max_ttl_s,
                revoked=config_plan.revoked_tokens(issuer),
            )
        )
    needs_eddsa = any(key.alg == jwt.EDDSA for issuer in issuers for key in issuer.keys)
    return jwt.Verifier(issuers, ed25519.verifier() if needs_eddsa else None)


def _peek(token: bytes, part: int) -> object:
    """Header or claims of a token nobody vouches for; None if it cannot be read."""
    parts = token[: limits.TOKEN].split(b".")
    try:
        return core_json.loads(base64url.decode(parts[part]))
    except (ValueError, IndexError):
        return None


def _explain(result: dict[str, Any]) -> None:
    if result["accepted"]:
        print("accepted")
        claims = result["claims"]
    else:
        about = f" [{result['claim']}]" if result["claim"] else ""
        print(f"refused: {result['code']}{about}: {result['detail']}")
        claims = result["unverified"]["claims"]
        header = result["unverified"]["header"]
        print(f"  header (unverified)  {_show(header)}")
    doubt = "" if result["accepted"] else " (unverified)"
    for name, value in claims.items() if isinstance(claims, dict) else ():
        print(f"  {_show(name)[1:-1]:<9}{doubt}  {_show(value)}{_when(name, value, result['now'])}")
    if result["clock"] != "trusted":
        print(f"  note: the clock of this machine is {result['clock']}, not synchronised")


def _show(value: object) -> str:
    """JSON, in ASCII: what a stranger wrote into a token must not reach the terminal as it is."""
    text = core_json.dumps(value).decode()
    return "".join(c if " " <= c <= "~" else f"\\u{ord(c):04x}" for c in text)


def _when(name: str, value: object, now_s: int) -> str:
    if name not in ("exp", "nbf", "iat") or not isinstance(value, int) or not 0 <= value <= limits.TOKEN_TIME:
        return ""
    distance = abs(value - now_s)
    size, unit = next(
        (s, u) for s, u in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")) if distance >= 2 * s or s == 1
    )
    relative = f"in {distance // size} {unit}" if value >= now_s else f"{distance // size} {unit} ago"
    return f"  ({time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(value))}, {relative})"
