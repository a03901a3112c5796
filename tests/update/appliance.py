"""`headgate run`, the update helper elsewhere: appliance.py SOCKET STATUS, then the words of `headgate`."""

import sys
from pathlib import Path

from headgate import cli
from headgate.linux import app
from headgate.linux.update_relay import Relay

if __name__ == "__main__":
    helper, published = map(Path, sys.argv[1:3])
    app.update_relay = lambda: Relay(helper, published)
    sys.exit(cli.main(sys.argv[3:]))
