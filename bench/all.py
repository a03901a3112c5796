"""Headgate beside its peers, all of it: gateway.py, validate.py and load.py, and one page of what they found.

    ./dev bench                       everything; about 20 minutes, and 12 more for building the peers the first time
    ./dev bench --quick               one short round of each: what works here? Kept under .cache only
    ./dev bench --only ingest tls     these rows of the gateway; the rest as it was kept
    ./dev bench --page                measures nothing: writes the page again from the results kept

Results are gateway-<architecture>.json, validate-... and load-... under bench/results, the page beside them is
bench-<architecture>.md with a picture: a board's do not replace anybody else's. What cannot be built or installed here
is left out, and the page says so and why. Exit code 0; 3 a server or validator judges wrongly, so nothing is compared;
otherwise that of the part that failed."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from gateway.build import ROOT, say
from page import page
from validate import results as files

WRONG_VERDICT = 3  # exit code of both
RESULTS, QUICK_RESULTS = ROOT / "bench" / "results", ROOT / ".cache" / "bench-quick"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="one short round of each, kept under .cache only")
    add("--only", nargs="+", metavar="ROW", help="only these rows of the gateway, and nothing else")
    add("--peers", nargs="+", metavar="WORD", help="only servers whose name contains one of these; ours always")
    add("--page", action="store_true", help="measure nothing, write the page from the results kept")
    return parser.parse_args()


def commands(options: argparse.Namespace, folder: Path) -> "dict[str, list[str]]":
    """What measures, in turn."""
    quick = ["--quick"] if options.quick else []
    peers = ["--peers", *options.peers] if options.peers else []
    only = ["--only", *options.only] if options.only else []
    parts = {"gateway": [*quick, *only, *peers, "--output", str(results(folder, "gateway"))]}
    if not options.only:
        parts["validate"] = [*quick, "--output", str(results(folder, "validate"))]
    if not options.only:
        parts["load"] = [*quick, "--output", str(results(folder, "load"))]
    return {name: [sys.executable, str(ROOT / "bench" / f"{name}.py"), *words] for name, words in parts.items()}


def results(folder: Path, part: str) -> Path:
    return folder / f"{part}-{os.uname().machine}.json"


def main() -> int:
    options = arguments()
    folder = QUICK_RESULTS if options.quick else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    failed: dict[str, int] = {}
    for name, command in ({} if options.page else commands(options, folder)).items():
        say(f"== {name}.py")
        code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode  # noqa: S603 - ours
        if code:
            failed[name] = code
        if code == WRONG_VERDICT:
            break
    found = {part: files.load(results(folder, part)) for part in ("gateway", "validate", "load")}
    if not found["gateway"]:
        say(f"there are no results of {os.uname().machine} in {folder.relative_to(ROOT)}: nothing to write of")
        return max(failed.values(), default=1)
    if WRONG_VERDICT not in failed.values():
        print(page.write(folder, **found).relative_to(ROOT))
    for name, code in failed.items():
        say(f"{name}.py ended with {code}: its part is as it was kept, or missing")
    return max(failed.values(), default=0)


if __name__ == "__main__":
    sys.exit(main())
