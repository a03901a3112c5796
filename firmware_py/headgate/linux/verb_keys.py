"""`headgate keys`: create keys, list them, show what may be shown."""

import argparse
import json
import stat
import sys
from pathlib import Path

from headgate.core import base64url
from headgate.core.jwt import EDDSA
from headgate.errors import MISSING, OK, CommandError
from headgate.linux import config as configuration
from headgate.linux import ed25519, keys

HELP = "create and list keys"
SEAL, IMAGE = "X25519", "image"  # kinds beside EDDSA

EPILOG = """\
Keys are files in STATE/keys, each one line of base64url (32 bytes), private ones with mode 0600:

  device.key         HS256 secret; whoever has it can mint device tokens, and check them
  device-eddsa.key   Ed25519 private key; mints tokens. Keep it off the appliance
  device-eddsa.pub   its public key; all the appliance needs: [[issuer]] public_keys = ["..."]
  seal.key           X25519 private key; opens sealed batches. Belongs to 'headgate receive'
  seal.pub           its public key: [uplink] mode = "sealed", seal_to = "..."
  image.key          Ed25519 private key; signs images. Belongs to who makes them
  image.pub          its public key; 'headgate flash' trusts what it signed

'init' creates what is missing and never overwrites: say --force to replace the kinds that you
name (device.key if you name none). Tokens signed by a replaced key are refused from the next
reload on. A private key that others can read is refused: chmod 600.

examples
  headgate keys init                    the HS256 secret of the embedded defaults
  headgate keys init --eddsa            also an Ed25519 pair, for fleets: appliances hold no secret
  headgate keys init --seal --dir ~/receiver
                                        a pair for the receiver of sealed batches
  headgate keys list                    what there is, and whether it is private enough
  headgate keys show                    public parts, to copy into a configuration
  headgate keys show --jwks             the public keys as a JSON Web Key Set (RFC 7517)

exit codes: 0 fine · 3 configuration refused · 4 a key is missing, unreadable or not private
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("init", "list", "show"), default="list", help="default: list")
    parser.add_argument("--hs256", action="store_true", help="init: the HS256 secret (the default)")
    parser.add_argument("--eddsa", action="store_true", help="init: also an Ed25519 key pair")
    parser.add_argument("--seal", action="store_true", help="init: also an X25519 pair for sealed batches")
    parser.add_argument("--image", action="store_true", help="init: also an Ed25519 pair for signing images")
    parser.add_argument("--force", action="store_true", help="init: replace keys that exist")
    parser.add_argument("--jwks", action="store_true", help="show: Ed25519 public keys as a JSON Web Key Set")
    parser.add_argument("--dir", metavar="DIR", type=Path, help="the directory of the keys (default: STATE/keys)")
    parser.add_argument("--config", metavar="FILE", help="configuration that says where the state is")
    parser.add_argument("--state", metavar="DIR", type=Path, help="state directory, instead of the configuration's")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")


def main(args: argparse.Namespace) -> int:
    directory, secret = _places(args)
    if args.action == "init":
        return _init(args, directory, secret)
    if args.action == "show":
        return _show(args, directory, secret)
    return _list(args, directory, secret)


def _places(args: argparse.Namespace) -> tuple[Path, Path]:
    """-> (directory of the keys, the HS256 secret): the configuration's first secret_file, unless --dir says other."""
    if args.dir is not None:
        return args.dir, args.dir / keys.HS256_FILE
    try:
        config = configuration.load(args.config, state_dir=args.state)
    except configuration.ConfigErrors as error:  # perhaps because of the keys that are about to be made or listed
        if args.state is None:
            next_step = "'headgate check' shows everything; with --state or --dir keys are made and listed all the same"
            raise CommandError(error.code, error.cause, next_step) from None
        return keys.keys_dir(args.state), keys.keys_dir(args.state) / keys.HS256_FILE
    directory = keys.keys_dir(config.state_dir)
    named = [issuer.secret_file for issuer in config.issuers if issuer.secret_file is not None]
    return directory, named[0] if named else directory / keys.HS256_FILE


def _init(args: argparse.Namespace, directory: Path, secret: Path) -> int:
    force_secret = args.force and (args.hs256 or not (args.eddsa or args.seal or args.image))
    done = [(secret, keys.ensure_hs256(secret, force=force_secret))]
    kinds = (
        (args.eddsa, keys.EDDSA_FILE, False),
        (args.seal, keys.SEAL_FILE, True),
        (args.image, keys.IMAGE_FILE, False),
    )
    for wanted, name, seal in kinds:
        if wanted:
            path = directory / name
            done.append((path, keys.create_pair(path, seal=seal, force=args.force)))
    if args.json:
        _print_json({"keys": [{"file": str(path), "created": created} for path, created in done]})
        return OK
    for path, created in done:
        print(f"{'created' if created else 'kept   '}  {path}")
    if args.eddsa:
        file = (directory / keys.EDDSA_FILE).with_suffix(".pub")
        print(f"\nappliances need only:  public_keys = [{json.dumps(str(file))}]")
    if args.seal:
        public = keys.load_public((directory / keys.SEAL_FILE).with_suffix(".pub"))
        print(f'\nappliances need:  seal_to = "{base64url.encode(public).decode()}"')
    print("\nnext: headgate token --sub NAME --scope publish:STREAM")
    return OK


def _entries(directory: Path, secret: Path) -> list[dict[str, object]]:
    """One description per key file that exists; `problem` is "" for a good one. Secrets are never in it."""
    found: list[dict[str, object]] = []
    for path, kind in (
        (secret, "HS256"),
        (directory / keys.EDDSA_FILE, EDDSA),
        (directory / keys.SEAL_FILE, SEAL),
        (directory / keys.IMAGE_FILE, IMAGE),
    ):
        for file in (path, path.with_suffix(".pub")):
            private = file == path
            if not keys.is_there(file) or (kind == "HS256" and not private):
                continue
            entry: dict[str, object] = {"file": str(file), "kind": kind, "private": private, "problem": ""}
            entry["mode"] = f"{stat.S_IMODE(file.stat().st_mode):04o}"
            try:
                _describe(entry, file, kind, private=private)
            except CommandError as error:
                entry["problem"] = error.line()
            found.append(entry)
    return found


def _describe(entry: dict[str, object], file: Path, kind: str, *, private: bool) -> None:
    if kind == "HS256":
        entry["kid"] = keys.load_hs256(file).kid
        return
    if private:
        derive = ed25519.box_public_key if kind == SEAL else ed25519.public_key
        public = derive(keys.load_private(file))
    else:
        public = keys.load_public(file)
    entry["public"] = base64url.encode(public).decode()
    if kind != SEAL:
        entry["kid"] = keys.thumbprint(EDDSA, public)


def _list(args: argparse.Namespace, directory: Path, secret: Path) -> int:
    entries = _entries(directory, secret)
    bad = [entry for entry in entries if entry["problem"]]
    if args.json:
        _print_json({"directory": str(directory), "keys": entries})
    elif not entries:
        print(f"no keys in {directory}; 'headgate keys init' creates them")
    else:
        for entry in entries:
            kind = f"{entry['kind']} {'private' if entry['private'] else 'public'}"
            print(f"{entry['mode']}  {kind:<15}  {entry.get('kid', '-')}  {entry['file']}")
        for entry in bad:
            sys.stderr.write(f"headgate: {entry['problem']}\n")
    return MISSING if bad else OK


def _show(args: argparse.Namespace, directory: Path, secret: Path) -> int:
    entries = [entry for entry in _entries(directory, secret) if not entry["problem"]]
    public = {str(entry["public"]): entry for entry in entries if "public" in entry}
    eddsa = [
        {**keys.jwk(EDDSA, base64url.decode(text.encode())), "kid": entry["kid"], "use": "sig", "alg": EDDSA}
        for text, entry in public.items()
        if entry["kind"] == EDDSA
    ]
    if args.jwks:
        _print_json({"keys": eddsa})
        return OK
    if args.json:
        _print_json({"keys": [{"kind": e["kind"], "kid": e.get("kid"), "public": text} for text, e in public.items()]})
        return OK
    if not public:
        print("there is no key with a public part; 'headgate keys init --eddsa' or '--seal' makes one")
    for text, entry in public.items():
        if entry["kind"] == EDDSA:
            print(f"# Ed25519 public key, kid {entry['kid']}\n{text}")
        elif entry["kind"] == IMAGE:
            print(f"# Ed25519 public key that images are signed with, kid {entry['kid']}\n{text}")
        else:
            print(f'# X25519 public key of the receiver\nseal_to = "{text}"')
    return OK


def _print_json(document: dict[str, object]) -> None:
    print(json.dumps(document))
