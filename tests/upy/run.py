"""Run portable test files on MicroPython:   micropython tests/upy/run.py tests/unit/test_json.py ...

Our small `unittest` (tests/upy/lib) takes the place of CPython's. The last line is the summary that the driver
(test_upy.py) reads: "N passed, N failed, N skipped". Exit code: 0 all passed, 1 something failed or nothing ran.
"""

import gc
import sys

here = sys.argv[0].rsplit("/", 1)[0] if "/" in sys.argv[0] else "."
sys.path[0:0] = [here + "/lib", here + "/../../firmware_py"]

import unittest  # noqa: E402 - ours, found through the path above


def load(path):
    """The module of the test file at `path`; its folder comes on sys.path, as with pytest."""
    folder, _, name = path.rpartition("/")
    if (folder or ".") not in sys.path:
        sys.path.insert(0, folder or ".")
    return __import__(name[:-3] if name.endswith(".py") else name)


def main(paths):
    totals = [0, 0, 0]
    for path in paths:
        for index, count in enumerate(unittest.run([load(path)])):
            totals[index] += count
        gc.collect()
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    return 0 if totals[0] and not totals[1] else 1


sys.exit(main(sys.argv[1:]))
