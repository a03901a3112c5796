"""The "xn--" labels of a hostname: Punycode (RFC 3492) of something IDNA2008 allows (RFC 5891 section 5.4, RFC 5892).

Letters, marks and digits are told by their general category, with the exceptions and the contextual rules of RFC 5892.
Left out, for they need tables of their own: which letters change under normalization or case folding (compatibility
forms such as U+FB01 pass), the Bidi rule (RFC 5893), and joining types (letters of cursive scripts count as joining on
both sides). Portable. Twin: native_ext/core/format_alabel.c.
"""

from headgate.core.unicode import LAST, categories

# RFC 3492 section 5
_BASE = 36
_T_MIN = 1
_T_MAX = 26
_SKEW = 38
_DAMP = 700
_FIRST_BIAS = 72
_FIRST_CODE = 128
_DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789"
_BIG = 0x7FFFFFFF

# Pairs of bounds. RFC 5892 section 2.6, and old Hangul (section 2.9).
# fmt: off
_DISALLOWED = (0x640, 0x640, 0x7FA, 0x7FA, 0x1100, 0x11FF, 0x302E, 0x302F, 0x3031, 0x3035, 0x303B, 0x303B,
               0xA960, 0xA97C, 0xD7B0, 0xD7FB)
_ALLOWED = (0xDF, 0xDF, 0x3C2, 0x3C2, 0x6FD, 0x6FE, 0xF0B, 0xF0B, 0x3007, 0x3007)
# Blocks, close enough to the scripts that the contextual rules of its appendix A ask for.
_GREEK = (0x370, 0x3FF, 0x1F00, 0x1FFF)
_HEBREW = (0x591, 0x5F4, 0xFB1D, 0xFB4F)
_KANA_HAN = (0x3005, 0x3007, 0x3021, 0x3029, 0x3038, 0x303A, 0x3041, 0x3096, 0x309D, 0x309F, 0x30A1, 0x30FA,
             0x30FD, 0x30FF, 0x31F0, 0x31FF, 0x3400, 0x4DBF, 0x4E00, 0x9FFF, 0x20000, 0x3FFFF)
_JOINING = (0x620, 0x64A, 0x66E, 0x6D3, 0x6FA, 0x6FF, 0x710, 0x77F, 0x7CA, 0x7EA, 0x840, 0x8C9, 0x1807, 0x1807,
            0x1820, 0x18AA, 0xA840, 0xA872, 0x10AC0, 0x10AEF, 0x10D00, 0x10D23, 0x1E900, 0x1E943)
# Canonical_Combining_Class 9
_VIRAMA = (0x94D, 0x94D, 0x9CD, 0x9CD, 0xA4D, 0xA4D, 0xACD, 0xACD, 0xB4D, 0xB4D, 0xBCD, 0xBCD, 0xC4D, 0xC4D,
           0xCCD, 0xCCD, 0xD3B, 0xD3C, 0xD4D, 0xD4D, 0xDCA, 0xDCA, 0xE3A, 0xE3A, 0xEBA, 0xEBA, 0xF84, 0xF84,
           0x1039, 0x103A, 0x1714, 0x1715, 0x1734, 0x1734, 0x17D2, 0x17D2, 0x1A60, 0x1A60, 0x1B44, 0x1B44,
           0x1BAA, 0x1BAB, 0x1BF2, 0x1BF3, 0x2D7F, 0x2D7F, 0xA806, 0xA806, 0xA82C, 0xA82C, 0xA8C4, 0xA8C4,
           0xA953, 0xA953, 0xA9C0, 0xA9C0, 0xAAF6, 0xAAF6, 0xABED, 0xABED, 0x10A3F, 0x10A3F, 0x11046, 0x11046,
           0x11070, 0x11070, 0x1107F, 0x1107F, 0x110B9, 0x110B9, 0x11133, 0x11134, 0x111C0, 0x111C0,
           0x11235, 0x11235, 0x112EA, 0x112EA, 0x1134D, 0x1134D, 0x11442, 0x11442, 0x114C2, 0x114C2,
           0x115BF, 0x115BF, 0x1163F, 0x1163F, 0x116B6, 0x116B6, 0x1172B, 0x1172B, 0x11839, 0x11839,
           0x1193D, 0x1193E, 0x119E0, 0x119E0, 0x11A34, 0x11A34, 0x11A47, 0x11A47, 0x11A99, 0x11A99,
           0x11C3F, 0x11C3F, 0x11D44, 0x11D45, 0x11D97, 0x11D97)
# fmt: on


def is_punycode(text: str) -> bool:
    """Whether what stands behind "xn--" is of a label that IDNA2008 allows. `text`: letters, digits, hyphens."""
    codes = _decode(text)
    if not codes or codes[0] == 0x2D or codes[-1] == 0x2D or codes[2:4] == [0x2D, 0x2D]:  # noqa: PLR2004 (hyphens)
        return False
    kinds = categories(codes)
    if kinds[0][0] == "M":
        return False
    for at in range(len(codes)):  # noqa: SIM110 (no generators where a loop does)
        if not _is_allowed(codes, kinds, at):
            return False
    return True


def _decode(text: str) -> "list[int]":
    """The code points, none for what is not Punycode of anything beyond ASCII."""
    end = text.rfind("-")
    if end == 0 or end == len(text) - 1:  # a delimiter with nothing before or behind it, or no text
        return []
    out = [ord(char) for char in text[: max(end, 0)].lower()]
    digits = text[end + 1 :].lower()
    code, at, bias, i = _FIRST_CODE, 0, _FIRST_BIAS, 0
    while i < len(digits):
        before = at
        weight = 1
        k = _BASE
        while True:
            if i == len(digits):
                return []
            digit = _DIGITS.find(digits[i])
            i += 1
            threshold = min(max(k - bias, _T_MIN), _T_MAX)
            if digit > (_BIG - at) // weight:
                return []
            at += digit * weight
            if digit < threshold:
                break
            if weight > _BIG // (_BASE - threshold):
                return []
            weight *= _BASE - threshold
            k += _BASE
        count = len(out) + 1
        bias = _adapt(at - before, count, before == 0)
        code += at // count
        at %= count
        if code > LAST or 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 (surrogates)
            return []
        out.insert(at, code)
        at += 1
    return out


def _adapt(delta: int, count: int, first: bool) -> int:
    delta //= _DAMP if first else 2
    delta += delta // count
    k = 0
    while delta > (_BASE - _T_MIN) * _T_MAX // 2:
        delta //= _BASE - _T_MIN
        k += _BASE
    return k + (_BASE - _T_MIN + 1) * delta // (delta + _SKEW)


def _in(ranges: "tuple[int, ...]", code: int) -> bool:
    for i in range(0, len(ranges), 2):
        if code <= ranges[i + 1]:
            return code >= ranges[i]
    return False


def _any_in(ranges: "tuple[int, ...]", codes: "list[int]") -> bool:
    for code in codes:  # noqa: SIM110 (no generators where a loop does)
        if _in(ranges, code):
            return True
    return False


def _is_allowed(codes: "list[int]", kinds: "list[str]", at: int) -> bool:  # noqa: PLR0911 (a table of rules)
    """Whether the character at `at` is allowed there."""
    code = codes[at]
    before = codes[at - 1] if at > 0 else 0
    behind = codes[at + 1] if at + 1 < len(codes) else 0
    if code < _FIRST_CODE:  # a letter, a digit or a hyphen: checked as part of the hostname
        return True
    if code == 0xB7:  # noqa: PLR2004 (middle dot)
        return before == behind == ord("l")
    if code == 0x375:  # noqa: PLR2004 (Greek keraia)
        return _in(_GREEK, behind)
    if code in (0x5F3, 0x5F4):  # Hebrew geresh and gershayim
        return _in(_HEBREW, before)
    if code == 0x30FB:  # noqa: PLR2004 (Katakana middle dot)
        return _any_in(_KANA_HAN, codes)
    if code in (0x200C, 0x200D):  # zero width non-joiner and joiner
        return _in(_VIRAMA, before) or (code == 0x200C and _between_joining(codes, kinds, at))  # noqa: PLR2004
    if 0x660 <= code <= 0x669:  # noqa: PLR2004 (Arabic-Indic digits, and the extended ones, do not mix)
        return not _any_in((0x6F0, 0x6F9), codes)
    if 0x6F0 <= code <= 0x6F9:  # noqa: PLR2004
        return not _any_in((0x660, 0x669), codes)
    return _in(_ALLOWED, code) or (kinds[at] in ("Ll", "Lm", "Lo", "Mn", "Mc", "Nd") and not _in(_DISALLOWED, code))


def _between_joining(codes: "list[int]", kinds: "list[str]", at: int) -> bool:
    """RFC 5892 appendix A.1: a joining letter on both sides, marks in between not counted."""
    before = at - 1
    behind = at + 1
    while before >= 0 and kinds[before] == "Mn":
        before -= 1
    while behind < len(codes) and kinds[behind] == "Mn":
        behind += 1
    return before >= 0 and behind < len(codes) and _in(_JOINING, codes[before]) and _in(_JOINING, codes[behind])
