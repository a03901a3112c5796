"""native_ext/core/limits.h has the numbers of headgate/limits.py."""

import re
from pathlib import Path

from headgate import limits

HEADER = Path(__file__).resolve().parents[2] / "native_ext" / "core" / "limits.h"


def test_every_number_of_the_header_is_the_one_in_python() -> None:
    text = HEADER.read_text(encoding="ascii")
    numbers = dict(re.findall(r"^#define HG_(\w+) (\d+)$", text, re.MULTILINE))
    assert len(numbers) == len(re.findall(r"^#define \w+ ", text, re.MULTILINE)), "a line that is not NAME number"
    assert {name: int(value) for name, value in numbers.items()} == {name: getattr(limits, name) for name in numbers}


def test_every_limit_of_a_native_block_is_in_the_header() -> None:
    text = HEADER.read_text(encoding="ascii")
    for name in vars(limits):
        if name.startswith(("LIMITER_", "CACHE_")) and name != "CACHE_BYTES":  # a default of the configuration only
            assert f"#define HG_{name} " in text
