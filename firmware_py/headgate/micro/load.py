"""What a start needs once: files, settings, plan, certificate. Unloaded when the appliance stands."""

import os

from headgate.core import json
from headgate.errors import CONFIG, MISSING, CommandError
from headgate.micro.settings import Settings, take
from headgate.tasks import plan as plans

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read(path: str) -> bytes:
    """Raises CommandError when the file cannot be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - no pathlib here
            return file.read()
    except OSError as error:
        raise CommandError(MISSING, f"cannot read {path} (error {error.args[0]})") from None


def load(path: str) -> "tuple[Settings, plans.Plan]":
    """The settings and the plan of the file at `path`. Raises CommandError: what is wrong, and where."""
    try:
        document: Any = json.loads(read(path))
        settings = take(document)
        plan = plans.build(document, None, False)
        document.clear()  # the collector may take a stale word on the stack for a reference to it
    except json.JSONError as error:
        raise CommandError(CONFIG, f"{path} is not JSON: {error.reason} at byte {error.offset}") from None
    except plans.PlanError as error:
        raise CommandError(CONFIG, f"{path}: {error}") from None
    return settings, plan


def next_boot(path: str) -> int:
    """Count this start in the file at `path`: message ids are boot.sequence. 0 when it cannot be written.

    The new count is written beside the old one, then takes its name. Whatever a power cut leaves, one of them is whole;
    the larger counts, for a number that was cut is smaller."""
    boot = 0
    new = path + ".unfinished"
    for name in (path, new):
        try:
            with open(name) as file:  # noqa: PTH123
                boot = max(boot, int(file.read()))
        except OSError:
            pass
        except ValueError:
            print("headgate:", name, "does not hold a number, and is not counted")
    try:
        with open(new, "w") as file:  # noqa: PTH123
            file.write(str(boot + 1))
        os.rename(new, path)  # noqa: PTH104 - replaces, on FAT and littlefs as well
    except OSError:
        print("headgate: cannot write", path, "- message ids start again with each boot")
        return 0
    return boot + 1


def tls_context(settings: Settings) -> object:
    """A server context of the module `tls`, None without a certificate. Raises CommandError."""
    if not settings.cert:
        return None
    try:
        import tls  # noqa: PLC0415 - costs memory, and not every board has it
    except ImportError:
        raise CommandError(CONFIG, "this MicroPython has no tls module", "Leave tls out") from None
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(read(settings.cert), read(settings.key))
    except (OSError, ValueError) as error:
        raise CommandError(CONFIG, f"certificate or key refused: {error}") from None
    return context
