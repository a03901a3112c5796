"""The `headgate` command: finds the verb, imports only that verb, turns failures into one line and an exit code.

Verb modules have four names: HELP (one line), EPILOG (teaching text), add_arguments(parser), main(args) -> int.
Device verbs live in headgate.linux, host verbs in headgate_host; a device never imports a host tool.
"""

from headgate.linux import later

later.put_off()  # before whatever imports them

import argparse
import importlib
import io
import json
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn, TextIO

from headgate import __version__, errors
from headgate.linux.output import unbroken

# verb -> (module, one line). The line stands here so that `headgate --help` imports nothing.
DEVICE_VERBS = {
    "run": ("headgate.linux.verb_run", "start the appliance"),
    "check": ("headgate.linux.verb_check", "check a configuration and report every error at once"),
    "token": ("headgate.linux.verb_token", "mint a device token, or explain why one is refused"),
    "keys": ("headgate.linux.verb_keys", "create and list keys"),
    "outbox": ("headgate.linux.verb_outbox", "show the ledger and what waits in the outbox"),
    "doctor": ("headgate.linux.verb_doctor", "examine this machine and say what to do"),
}
HOST_VERBS = {
    "receive": ("headgate_host.receive", "subscribe to a broker; open, decompress, deduplicate, print or store"),
    "boards": ("headgate_host.flash.verb_boards", "list the boards, or show one with its bring-up notes"),
    "image": ("headgate_host.flash.verb_image", "make the image of a board, pack a raw disk into one, or show one"),
    "disks": ("headgate_host.flash.verb_disks", "list the disks, and which of them could be flashed"),
    "flash": ("headgate_host.flash.verb_flash", "write an image to a disk, read it back, provision the board"),
    "verify": ("headgate_host.flash.verb_verify", "check an image, or a disk against an image"),
    "update": ("headgate_host.update.verb_update", "update a running board; it goes back by itself if that fails"),
    "update-status": ("headgate_host.update.verb_status", "which slot of a board runs, and how its last update ended"),
    "load": ("headgate_host.load.verb", "load a server, with figures that say when not to trust them"),
}


# Packages of others that a verb may miss: module -> what installs it. (32-bit ARM has them from Debian only.)
LIBRARIES = {
    "aiomqtt": "pip install aiomqtt",
    "cbor2": "pip install cbor2, or apt-get install python3-cbor2",
    "paho": "pip install paho-mqtt",
    "zstandard": "pip install zstandard, or apt-get install python3-zstandard",
}


def top_level_help() -> str:
    def listing(verbs: dict[str, tuple[str, str]]) -> str:
        return "\n".join(f"  {name:<13} {line}" for name, (_, line) in verbs.items())

    codes = "\n".join(f"  {code:<4} {meaning}" for code, meaning in errors.EXIT_CODES.items())
    return f"""usage: headgate VERB [options]      headgate VERB --help      headgate --version

Headgate lets in only what is authentic, within its rate and valid; keeps what it
accepted through power cuts and broker outages; and forwards it over MQTT.

on the device
{listing(DEVICE_VERBS)}

on your machine
{listing(HOST_VERBS)}

first steps
  headgate run --demo                       real weather records, real broker, one terminal
  headgate run                              the appliance on its embedded defaults
  headgate token --sub sensor-1 --scope publish:weather
  headgate check --config headgate.toml

Every verb takes --json for machines. Exit codes:
{codes}
"""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """As wide as the terminal. To find that out argparse would import shutil, with all it unpacks, for any option."""

    def __init__(self, prog: str) -> None:
        try:
            columns = int(os.environ.get("COLUMNS", "")) or os.get_terminal_size().columns
        except (ValueError, OSError):
            columns = 80
        super().__init__(prog, width=columns - 2)


class _Parser(argparse.ArgumentParser):
    """Wrong command lines fail like everything else: one line, or JSON."""

    def error(self, message: str) -> NoReturn:
        raise errors.CommandError(errors.USAGE, message, f"'{self.prog} --help' shows what there is")


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns its exit code (docs/exit-codes.md) and never raises."""
    arguments = sys.argv[1:] if argv is None else argv
    sys.stdout = sys.stdout or _nowhere()  # None when it is closed: `headgate … >&-`
    sys.stderr = sys.stderr or _nowhere()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8; stderr is so already
    with unbroken() as output:
        try:
            code = _dispatch(arguments)
        except BrokenPipeError:  # of sys.stdout.buffer: its reader has what it wanted
            code = errors.OK
        sys.stdout.flush()
        lost = output.failure
        # `headgate outbox | head`: the reader has what it wanted. And what `headgate load` found is in its file.
        load = arguments[:1] == ["load"]
        if code == errors.OK and lost and not isinstance(lost, BrokenPipeError) and not (load and "--out" in arguments):
            cause = f"cannot write the output: {lost.strerror}"
            failed = errors.USAGE if load else errors.MISSING  # it has codes of its own
            problem = errors.CommandError(failed, cause, "Is there room where it goes?")
            code = _fail(problem, "--json" in arguments)
    return code


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(top_level_help())
        return errors.OK if arguments else errors.USAGE
    if arguments[0] in ("-V", "--version"):
        sys.stdout.write(f"headgate {__version__}\n")
        return errors.OK
    name, rest = arguments[0], arguments[1:]
    verb = DEVICE_VERBS.get(name) or HOST_VERBS.get(name)
    if verb is None:
        import difflib  # only for this message

        close = difflib.get_close_matches(name, [*DEVICE_VERBS, *HOST_VERBS], n=1)
        hint = f"Did you mean 'headgate {close[0]}'?" if close else "'headgate --help' lists the verbs."
        return _fail(errors.CommandError(errors.USAGE, f"there is no verb '{name}'", hint), "--json" in rest)
    return _run(name, verb[0], rest)


def _run(name: str, module_name: str, rest: list[str]) -> int:
    as_json = "--json" in rest
    try:
        module = importlib.import_module(module_name)
        subverbs = getattr(module, "SUBVERBS", {})  # as HOST_VERBS; `headgate load selftest`
        if rest and rest[0] in subverbs:
            name, rest = f"{name} {rest[0]}", rest[1:]
            module = importlib.import_module(subverbs[name.split()[1]][0])
        parser = _Parser(
            prog=f"headgate {name}",
            description=module.HELP,
            epilog=module.EPILOG,
            formatter_class=_Formatter,
        )
        module.add_arguments(parser)
        parser.set_defaults(words=[*name.split(), *rest])  # for a verb that starts itself again
        return int(module.main(parser.parse_args(rest)))
    except errors.CommandError as problem:
        return _fail(problem, as_json)
    except SystemExit as stop:  # argparse: 0 after --help
        return stop.code if isinstance(stop.code, int) else errors.USAGE
    except KeyboardInterrupt:
        return errors.INTERRUPTED
    except BrokenPipeError:  # no bug; `main` deals with it
        raise
    except Exception as bug:
        return _fail(_unforeseen(name, bug), as_json)


def _unforeseen(verb: str, problem: Exception) -> errors.CommandError:
    """What no verb speaks of: another user's file, a package that is not there, the native core, or a bug."""
    if isinstance(problem, PermissionError) and problem.filename is not None:
        cause = f"cannot use {problem.filename}: {problem.strerror}"
        next_step = "Run it as the user that the appliance runs as, for instance with sudo"
        return errors.CommandError(errors.MISSING, cause, next_step)
    if os.environ.get("HEADGATE_TRACEBACK"):
        traceback.print_exc()
    if isinstance(problem, ImportError) and "HEADGATE_BACKEND" in str(problem):  # of _accel.py, which says what to do
        return errors.CommandError(errors.MISSING, str(problem), "'headgate doctor' looks at the rest")
    module = (problem.name or "") if isinstance(problem, ModuleNotFoundError) else ""
    library = module.partition(".")[0]
    if library in LIBRARIES and not _is_installed(library):
        cause = f"'headgate {verb}' needs {module}, which {sys.executable} does not have"
        return errors.CommandError(errors.MISSING, cause, f"Type: {LIBRARIES[library]}")
    cause = f"unexpected {type(problem).__name__}: {problem}"
    return errors.CommandError(errors.BUG, cause, "Run again with HEADGATE_TRACEBACK=1 and report it")


def _is_installed(library: str) -> bool:
    """If so, a module of it that is missing is one that we name wrongly."""
    from importlib.util import find_spec  # only for this message

    try:
        return find_spec(library) is not None
    except ValueError:  # it is loaded, and says nothing about itself
        return True


def _fail(problem: errors.CommandError, as_json: bool) -> int:
    text = f"headgate: {problem.line()}"
    if as_json:
        text = json.dumps({"error": {"code": problem.code, "cause": problem.cause, "next_step": problem.next_step}})
    sys.stderr.write(text + "\n")
    return problem.code


if __name__ == "__main__":
    sys.exit(main())
