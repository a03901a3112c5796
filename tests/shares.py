"""pytest on all processors: each runs its share of the test files, in a process of its own.

    python tests/shares.py [--limit SECONDS] [options of pytest] FILE...      HEADGATE_JOBS: on so many processors

Not pytest-xdist: that wants the same tests in every process, and some here are named by a random seed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NOTHING_SELECTED = 5  # pytest's exit code
TOO_LONG = 124  # that of timeout(1)


def run(command: "list[str]", limit_s: "float | None") -> int:
    """Shows at once all that it said, when it has ended. One that hangs is ended."""
    with tempfile.TemporaryFile() as output:  # not a pipe, which a child of a killed one would keep open
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            output.write(f"\nshares: ended, as it took more than {limit_s:.0f} s\n".encode())
            code = TOO_LONG
        output.seek(0)
        print(output.read().decode(errors="replace"), flush=True)
    return code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--limit", type=float, metavar="SECONDS")
    known, words = parser.parse_known_args()
    files = [word for word in words if Path(word).is_file()]
    options = [word for word in words if word not in files]
    jobs = int(os.environ.get("HEADGATE_JOBS") or os.cpu_count() or 1)
    shares = [share for share in (files[first::jobs] for first in range(jobs)) if share]
    command = [sys.executable, "-m", "pytest", *options]
    with ThreadPoolExecutor(jobs) as pool:
        codes = list(pool.map(lambda share: run([*command, *share], known.limit), shares))
    return next((code for code in codes if code not in {0, NOTHING_SELECTED}), min(codes, default=NOTHING_SELECTED))


if __name__ == "__main__":
    sys.exit(main())
