"""General categories of Unicode, for `\\p{...}` in a pattern: all their names, and which characters are of them.

Imported where a pattern asks for a property; a small board may leave it out. Portable.
"""

from headgate.core.unicode_data import RUNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LAST = 0x10FFFF
# In the order of the table (native_ext/tools/unicode_ranges.py), two letters each.
_CATEGORIES = "LuLlLtLmLoMnMcMeNdNlNoPcPdPsPePiPfPoSmScSkSoZsZlZpCcCfCsCoCn"
_COUNT = 30
_CASED = 7  # Lu Ll Lt
_INLINE = 8  # a run of this length or more has the rest of its length behind it
# UAX #44, PropertyValueAliases.txt
_NAMES = (
    "Uppercase_Letter=Lu Lowercase_Letter=Ll Titlecase_Letter=Lt Cased_Letter=LC Modifier_Letter=Lm Other_Letter=Lo "
    "Letter=L Nonspacing_Mark=Mn Spacing_Mark=Mc Enclosing_Mark=Me Mark=M Combining_Mark=M Decimal_Number=Nd digit=Nd "
    "Letter_Number=Nl Other_Number=No Number=N Connector_Punctuation=Pc Dash_Punctuation=Pd Open_Punctuation=Ps "
    "Close_Punctuation=Pe Initial_Punctuation=Pi Final_Punctuation=Pf Other_Punctuation=Po Punctuation=P punct=P "
    "Math_Symbol=Sm Currency_Symbol=Sc Modifier_Symbol=Sk Other_Symbol=So Symbol=S Space_Separator=Zs "
    "Line_Separator=Zl Paragraph_Separator=Zp Separator=Z Control=Cc cntrl=Cc Format=Cf Surrogate=Cs Private_Use=Co "
    "Unassigned=Cn Other=C"
)


def ranges(name: str) -> "tuple[int, ...] | None":
    """Sorted bounds (low, high, low, high, ...) of what `\\p{name}` stands for; None for a property there is not."""
    alone = True
    for prefix in ("gc=", "General_Category="):
        if alone and name.startswith(prefix):
            name = name[len(prefix) :]
            alone = False
    if alone and name == "ASCII":
        return (0, 0x7F)
    if alone and name == "Any":
        mask = (1 << _COUNT) - 1
    elif alone and name == "Assigned":
        mask = (1 << (_COUNT - 1)) - 1  # not Cn, the last one
    else:
        mask = _mask(name)
    if mask == 0:
        return None
    out = []
    low = -1  # of the range that is open
    for start, category in _runs():
        if mask >> category & 1:
            if low < 0:
                low = start
        elif low >= 0:
            out.append(low)
            out.append(start - 1)
            low = -1
    if low >= 0:
        out.append(low)
        out.append(LAST)
    return tuple(out)


def _mask(name: str) -> int:
    """The bits of the categories with that name; 0 if there is none."""
    for pair in _NAMES.split():
        alias = pair.split("=")
        if name == alias[0]:
            name = alias[1]
            break
    if name == "LC":
        return _CASED
    mask = 0
    if 1 <= len(name) <= 2:  # noqa: PLR2004 (a group of categories, or one)
        for i in range(_COUNT):
            if _CATEGORIES[2 * i : 2 * i + len(name)] == name:
                mask |= 1 << i
    return mask


def categories(codes: "list[int]") -> "list[str]":
    """The category of each code point."""
    out = [""] * len(codes)
    for start, category in _runs():
        for i in range(len(codes)):
            if codes[i] >= start:  # the last run that begins before it
                out[i] = _CATEGORIES[2 * category : 2 * category + 2]
    return out


def _runs() -> "Iterator[tuple[int, int]]":
    """(first code point, category) of each run."""
    start = 0
    at = 0
    while at < len(RUNS):
        byte = RUNS[at]
        at += 1
        yield start, byte & 31
        length = (byte >> 5) + 1
        if length == _INLINE:
            shift = 0
            while True:
                length += (RUNS[at] & 0x7F) << shift
                shift += 7
                at += 1
                if RUNS[at - 1] < 0x80:  # noqa: PLR2004 (the last byte of a varint)
                    break
        start += length
