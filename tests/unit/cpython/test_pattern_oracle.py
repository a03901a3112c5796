"""Differential test of the pattern engine against Python's `re` on patterns that mean the same to both."""

import re

from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.pattern import Pattern, PatternError

ALPHABET = "ab01_- \n\u00e9"
SPACE = "\\t-\\r \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff"

# (ECMA-262, the same for `re`)
ATOMS = [
    *[(c, c) for c in "ab01_- \u00e9"],
    (".", "[^\\n\\r\\u2028\\u2029]"),
    ("\\d", "[0-9]"),
    ("\\D", "[^0-9]"),
    ("\\w", "[A-Za-z0-9_]"),
    ("\\W", "[^A-Za-z0-9_]"),
    ("\\s", f"[{SPACE}]"),
    ("\\S", f"[^{SPACE}]"),
    ("\\n", "\\n"),
    ("\\x61", "a"),
    ("\\u00e9", "\u00e9"),
    ("[ab]", "[ab]"),
    ("[^ab]", "[^ab]"),
    ("[^\\d_]", "[^0-9_]"),
    ("[0-9a-]", "[0-9a-]"),
    ("[\\s\\w]", f"[{SPACE}A-Za-z0-9_]"),
]
ASSERTIONS = [("^", "\\A"), ("$", "\\Z"), ("\\b", "(?a:\\b)"), ("\\B", "(?:(?!(?a:\\b)))")]
QUANTIFIERS = ["*", "+", "?", "{2}", "{0}", "{1,}", "{0,2}", "{1,3}", "*?", "+?", "??", "{1,2}?"]

Both = tuple[str, str]


def join(parts: list[Both]) -> Both:
    return "".join(a for a, _ in parts), "".join(b for _, b in parts)


def grow(inner: st.SearchStrategy[Both]) -> st.SearchStrategy[Both]:
    sequences = st.lists(inner, max_size=4).map(join)
    groups = st.builds(
        lambda branches, opening: (
            opening + "|".join(a for a, _ in branches) + ")",
            "(?:" + "|".join(b for _, b in branches) + ")",
        ),
        st.lists(sequences, min_size=1, max_size=3),
        st.sampled_from(["(", "(?:"]),
    )
    quantified = st.builds(
        lambda atom, q: (atom[0] + q, atom[1] + q),
        st.one_of(st.sampled_from(ATOMS), groups),
        st.sampled_from(QUANTIFIERS),
    )
    return st.one_of(quantified, groups, sequences)


PATTERNS = st.recursive(st.one_of(st.sampled_from(ATOMS), st.sampled_from(ASSERTIONS)), grow, max_leaves=10)
ANCHORED = st.tuples(st.sampled_from(["", "^"]), PATTERNS, st.sampled_from(["", "$"])).map(
    lambda t: (t[0] + t[1][0] + t[2], t[0].replace("^", "\\A") + t[1][1] + t[2].replace("$", "\\Z"))
)


@settings(max_examples=examples(250))
@given(st.one_of(PATTERNS, ANCHORED), st.lists(st.text(ALPHABET, max_size=8), min_size=1, max_size=6))
def test_agrees_with_re(both: Both, texts: list[str]) -> None:
    ecma, python = both
    pattern = Pattern(ecma)
    oracle = re.compile(python)
    for text in texts:
        assert pattern.search(text) == (oracle.search(text) is not None), (ecma, python, text)


@settings(max_examples=examples(150))
@given(st.text("ab01[](){}^$|*+?.\\-dwWbBu,<=!:\u00e9", max_size=14), st.text(ALPHABET, max_size=6))
def test_any_source_compiles_or_is_refused(source: str, text: str) -> None:
    pattern, refused_at = compiled(source)
    if pattern is None:
        assert 0 <= refused_at <= len(source)
    else:
        pattern.search(text)
        assert pattern.steps <= (len(text) + 1) * max(1, len(pattern._code))


def compiled(source: str) -> tuple[Pattern | None, int]:
    """The pattern, or None and the offset at which it was refused."""
    try:
        return Pattern(source), 0
    except PatternError as error:
        return None, error.offset


@settings(max_examples=examples(150))
@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_escaped_text_is_literal(before: str, text: str, after: str) -> None:
    source = "".join("\\" + c if c in "^$\\.*+?()[]{}|/" else c for c in text)
    assert Pattern(source).search(before + text + after)
    assert Pattern("^" + source).search(text + after)
    assert Pattern(source + "$").search(before + text)
    # The automaton says the same as the shortcut for plain texts.
    assert Pattern(f"(?:{source})").search(before + text + after)
    assert Pattern(f"^(?:{source})$").search(before + text + after) == (before + after == "")
