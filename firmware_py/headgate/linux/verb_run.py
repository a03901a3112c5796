"""`headgate run`: start the appliance. Decides what to import before anything heavy is imported (see lean.py)."""

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from headgate import errors
from headgate.linux import lean

if TYPE_CHECKING:
    from headgate.linux.config import Config

HELP = "Start the appliance: listen, authenticate, limit, validate, store, forward."
EPILOG = """\
Without a configuration file the embedded defaults are used: HTTP on port 8080, one stream
called `weather`, state in /var/lib/headgate or ~/.local/state/headgate, no uplink.
On its first start it creates the key that signs device tokens; there is no default secret.

examples
  headgate run                                     embedded defaults
  headgate run --config /etc/headgate/headgate.toml
  headgate run --demo                              real weather records against a throw-away appliance
  headgate token --sub sensor-1 --scope publish:weather
                                                   then, with that token:
  curl -i http://127.0.0.1:8080/v1/streams/weather -H "Authorization: Bearer $TOKEN" \\
       -H 'Content-Type: application/json' -d @message.json

signals
  SIGHUP    read the configuration again; a bad one is refused and the old one goes on
  SIGTERM   stop accepting, answer what is under way, flush, exit 0 (SIGINT too)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="configuration (see 'headgate check --help' for the search)")
    parser.add_argument("--state", metavar="DIR", help="state directory, instead of the configuration's")
    parser.add_argument("--listen", metavar="HOST:PORT", help="listen here instead (port 0: any free one)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line for events and errors")
    parser.add_argument("--verbose", action="store_true", help="log more")
    demo = parser.add_argument_group("demo", "real weather records of simulated stations, 3 in 100 spoiled on purpose")
    demo.add_argument("--demo", action="store_true", help="play the demo against a throw-away appliance")
    if any(word.startswith("--demo") or word in ("-h", "--help") for word in sys.argv):
        # Only now: a device that runs for years has no host tools, and does not pay for importing them.
        from headgate_host import demo as host

        host.add_options(demo)


class JSONLines(logging.Formatter):
    """Log records as JSON objects, one per line."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "event": "log",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document)


def set_up_log(*, as_json: bool, verbose: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONLines() if as_json else logging.Formatter("headgate: %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])


def main(args: argparse.Namespace) -> int:
    os.umask(0o077)  # what is written is for nobody else: keys, and messages
    if not args.demo:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload: it would end the process
    lean.without_openssl_hashes()
    lean.share_heap()
    from headgate import _accel
    from headgate.linux import config as configuration

    set_up_log(as_json=args.json, verbose=args.verbose)
    with _demo_folder(args.demo) as folder:
        state = Path(args.state) if args.state else folder / "state" if folder else None
        if args.demo and not args.listen:
            args.listen = "127.0.0.1:0"

        def load() -> "Config":
            return overridden(configuration.load(args.config, state_dir=state), args.listen)

        config = load()
        if ensure_keys(config):
            config = load()  # without the warning that there is no key
        if not args.demo:
            for warning in config.warnings:
                logging.getLogger("headgate.config").warning("%s", warning.text())
        listen = config.listen
        if not listen.mqtts and (_accel.BACKEND == "native" or not listen.https):  # else asyncio speaks TLS
            lean.import_asyncio()
        from headgate.linux import app

        if folder is None:
            return app.run(config, load, as_json=args.json)
        from headgate_host import demo

        return demo.run(config, args, folder)


def overridden(config: "Config", listen: str | None) -> "Config":
    """The configuration with the command line's address."""
    if not listen:
        return config
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the largest TCP port
        raise errors.CommandError(errors.USAGE, f"--listen {listen} is not HOST:PORT", "For instance 127.0.0.1:8080")
    address = type(config.listen.http[0])(host.strip("[]"), int(port)) if config.listen.http else None
    if address is None:
        raise errors.CommandError(
            errors.USAGE, "--listen needs an http listener in the configuration", "Add listen.http"
        )
    return config.replace(listen=config.listen.replace(http=(address,)))


def ensure_keys(config: "Config") -> bool:
    """Create the HS256 secrets that are missing (0600), and say how to mint a token with them; True if it did."""
    from headgate.linux import keys

    created = False
    for issuer in config.issuers:
        if issuer.secret_file is not None and keys.ensure_hs256(issuer.secret_file):
            logging.getLogger("headgate.keys").info(
                "created the key %s (0600); mint a device token with: headgate token --sub NAME --scope publish:STREAM",
                issuer.secret_file,
            )
            created = True
    return created


@contextlib.contextmanager
def _demo_folder(demo: bool) -> Iterator[Path | None]:
    """A throw-away directory for the demo's state, keys and broker."""
    if not demo:
        yield None
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="headgate-demo-") as folder:
        yield Path(folder)
