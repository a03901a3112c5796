"""Files that scripts write are what the scripts would write, and what they say is true."""

import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from headgate.core import unicode, unicode_data

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "native_ext/tools"


def check(script: str) -> None:
    done = subprocess.run([sys.executable, TOOLS / script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_c_tables_are_those_of_the_unit_tests() -> None:
    check("test_tables.py")


def test_unicode_tables() -> None:
    if unicodedata.unidata_version != unicode_data.VERSION:
        pytest.skip(f"Unicode {unicodedata.unidata_version} here, {unicode_data.VERSION} in the tables")
    check("unicode_ranges.py")


def test_twins_have_the_same_unicode_table() -> None:
    source = (ROOT / "native_ext/core/pattern_unicode.c").read_text(encoding="utf-8")
    assert f"Unicode {unicode_data.VERSION}." in source
    numbers = re.findall(r"\d+", source.split("{", 1)[1].split("}", 1)[0])
    assert bytes(map(int, numbers)) == unicode_data.RUNS


def test_every_code_point_has_its_category() -> None:
    if unicodedata.unidata_version != unicode_data.VERSION:
        pytest.skip(f"Unicode {unicodedata.unidata_version} here, {unicode_data.VERSION} in the tables")
    found = [""] * 0x110000
    for name in {unicodedata.category(chr(code)) for code in range(0x110000)}:
        bounds = unicode.ranges(name)
        assert bounds is not None
        for low, high in zip(bounds[::2], bounds[1::2], strict=True):
            found[low : high + 1] = [name] * (high - low + 1)
    assert found == [unicodedata.category(chr(code)) for code in range(0x110000)]


def test_names_of_properties_are_the_same_in_c() -> None:
    source = (ROOT / "native_ext/core/pattern_property.c").read_text(encoding="utf-8")
    pairs = re.findall(r'\{"(\w+)", "(\w+)"\}', source)
    assert " ".join(f"{name}={category}" for name, category in pairs) == unicode._NAMES
    assert f'CATEGORIES[] = "{unicode._CATEGORIES}"' in source
