"""Write the tables of tests/unit/test_pattern.py, test_formats.py and test_formats_more.py as C, for tests/c.

python native_ext/tools/test_tables.py             writes tests/c/pattern_table.h and tests/c/format_table.h
python native_ext/tools/test_tables.py --check     compares instead: exit code 1 if they differ
"""

import importlib
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PIECE = 20  # bytes of a string between two places where the line may be wrapped
QUOTES = '" "'
LONG = 600  # bytes; tests/c makes such sources itself
HEAD = "/* From tests/unit/{} by native_ext/tools/test_tables.py: do not edit. */\n"


def literal(text: str) -> str:
    """S("..."): the UTF-8 bytes as a C string."""
    out = []
    for byte in text.encode():
        char = chr(byte)
        if char in '\\"' or char == "?":  # "??" would begin a trigraph
            out.append("\\" + char)
        else:
            out.append(char if "!" <= char <= "~" else f"\\{byte:03o}")  # no space: lines may be wrapped there
    pieces = ["".join(out[i : i + PIECE]) for i in range(0, len(out), PIECE)]
    return f'S("{QUOTES.join(pieces)}")'


def row(first: str, yes: list[str], no: list[str]) -> str:
    words = f"{{{first}, {{{', '.join([*map(literal, yes), 'END'])}}}, {{{', '.join([*map(literal, no), 'END'])}}}}},"
    return wrapped(words)


def wrapped(words: str) -> str:
    lines = textwrap.wrap(
        words, 120, initial_indent="    ", subsequent_indent="     ", break_on_hyphens=False, break_long_words=False
    )
    return "\n".join(lines) + "\n"


def pattern_table(cases: list[tuple[str, list[str], list[str]]], refused: list[tuple[str, str, int]]) -> str:
    out = HEAD.format("test_pattern.py") + "static const struct pattern_case CASES[] = {\n"
    out += "".join(row(literal(source), yes, no) for source, yes, no in cases)
    out += "};\nstatic const struct refused_case REFUSED[] = {\n"
    for source, reason, offset in refused:
        if len(source.encode()) <= LONG:
            out += wrapped(f"{{{literal(source)}, {literal(reason)[2:-1]}, {offset}}},")
    return out + "};\n"


def format_table(cases: dict[str, tuple[list[str], list[str]]]) -> str:
    out = HEAD.format("test_formats*.py") + "static const struct format_case CASES[] = {\n"
    out += "".join(row(literal(name)[2:-1], yes, no) for name, (yes, no) in cases.items())
    return out + "};\n"


def main() -> int:
    sys.path[:0] = [str(ROOT / "tests/unit"), str(ROOT / "firmware_py")]
    test_pattern, test_formats, test_formats_more = map(
        importlib.import_module, ("test_pattern", "test_formats", "test_formats_more")
    )

    wrong = 0
    for name, text in (
        ("pattern_table.h", pattern_table(test_pattern.CASES, test_pattern.REFUSED)),
        ("format_table.h", format_table(test_formats.CASES | test_formats_more.CASES)),
    ):
        path = ROOT / "tests/c" / name
        if sys.argv[1:] != ["--check"]:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            print(f"{path} is not what this script writes")
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
