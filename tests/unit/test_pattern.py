"""The linear-time pattern engine: what it matches, what it refuses, and that no input makes it slow."""

import unittest

from headgate import limits
from headgate.core.pattern import Pattern, PatternError

# pattern, texts it matches, texts it does not
CASES = [
    ("", ["", "x"], []),
    ("abc", ["abc", "xabcx"], ["", "ab", "abd", "ABC"]),
    ("^abc", ["abc", "abcd"], ["xabc", "ab"]),
    ("abc$", ["abc", "xabc"], ["abcd", "abc\n"]),
    ("^abc$", ["abc"], ["abcabc", "abc\n", ""]),
    ("^$", [""], ["x", "\n"]),
    ("^", ["", "x"], []),
    ("$", ["", "x"], []),
    ("$^", [""], ["x"]),
    ("^\u00e9\u20ac", ["\u00e9\u20acx"], ["e"]),
    # any character
    ("^.$", ["x", "\u00e9", "\U0001f600", "\0", "\x85"], ["", "xx", "\n", "\r", "\u2028", "\u2029"]),
    ("a.c", ["abc", "xa-cx"], ["ac", "a\nc"]),
    # alternation
    ("a|b", ["a", "b", "xb"], ["", "c"]),
    ("^a|b$", ["ax", "xb"], ["xa", "bx"]),
    ("^(a|b)$", ["a", "b"], ["ab", ""]),
    ("^(?:a|b|)$", ["a", "b", ""], ["c"]),
    ("^(a|ab)(c|bcd)$", ["ac", "abcd", "abc", "abbcd"], ["abbc", "ad"]),
    ("(^a|^b)c", ["ac", "bcx"], ["xac"]),
    ("(a$|b)", ["xa", "bx"], ["ax"]),
    ("|a", ["", "b"], []),
    # repetition
    ("^a*$", ["", "a", "aaaa"], ["b", "aab"]),
    ("^a+$", ["a", "aaaa"], ["", "aab"]),
    ("^a?$", ["", "a"], ["aa"]),
    ("^a*?b+?c??$", ["b", "aabbc"], ["a", "bcc"]),
    ("^a{3}$", ["aaa"], ["aa", "aaaa"]),
    ("^a{2,}$", ["aa", "aaaaa"], ["a"]),
    ("^a{2,4}?$", ["aa", "aaa", "aaaa"], ["a", "aaaaa"]),
    ("^a{0}b$", ["b"], ["ab"]),
    ("^a{0,}$", ["", "aaa"], ["b"]),
    ("^a{0,2}$", ["", "a", "aa"], ["aaa"]),
    ("^a{1}$", ["a"], ["", "aa"]),
    ("^a{07}$", ["aaaaaaa"], ["aaaaaa"]),
    ("^(ab){2}$", ["abab"], ["ab", "ababab"]),
    ("^(ab?)*$", ["", "aab", "abab"], ["b", "abb"]),
    ("^(a|b)*c$", ["c", "ababc"], ["abab"]),
    ("^((a*)*)*$", ["", "aaa"], ["b"]),
    ("^(a*)+b$", ["b", "aab"], ["aa"]),
    ("^()*$", [""], ["a"]),
    ("^(){3}a$", ["a"], [""]),
    ("(^a)+b", ["ab"], ["xab", "aab"]),
    ("(^|b)a", ["a", "ba", "cba"], ["ca", "b"]),
    ("a(b|$)", ["ab", "xa"], ["ac"]),
    ("^(?:x(?:y(?:z)?)?)?$", ["", "x", "xy", "xyz"], ["xz", "yz"]),
    # classes
    ("^[abc]$", ["a", "b", "c"], ["d", "", "ab"]),
    ("^[a-c]+$", ["abc"], ["d", "A", "-"]),
    ("^[^a-c]$", ["d", "\n", "\u00e9", "\0"], ["a", "b", "c", ""]),
    ("^[a-cx-z0-9_]$", ["b", "y", "5", "_"], ["d", "-"]),
    ("^[-a]$", ["-", "a"], ["b"]),
    ("^[a-]$", ["-", "a"], ["b"]),
    ("^[a\\-c]$", ["-", "a", "c"], ["b"]),
    ("^[]$", [], ["", "]", "a"]),
    ("^[\\]a]$", ["]", "a"], ["\\"]),
    ("^[^]$", ["x", "\n"], [""]),
    ("^[a^]$", ["a", "^"], ["b"]),
    ("^[.*+?(){}|$]$", [".", "*", "$", "|"], ["a", "\\"]),
    ("^[\\d.]+$", ["1.5"], ["a"]),
    ("^[\\w-]+$", ["a-b_9"], ["a b"]),
    ("^[^\\s]+$", ["ab"], ["a b", "\u00a0"]),
    ("^[\\b]$", ["\b"], ["b"]),
    ("^[\\D\\d]$", ["1", "a"], [""]),
    ("^[z-z]$", ["z"], ["y"]),
    ("^[b-da-c]$", ["a", "b", "c", "d"], ["e"]),
    ("^[\u00e0-\u00ff]$", ["\u00e9"], ["e", "\u0100"]),
    ("^[\U0001f600-\U0001f64f]$", ["\U0001f601"], ["\U0001f650", "\uf601"]),
    # runs of one class from end to end, which need no automaton
    ("^[a-c]{2,3}$", ["ab", "abc"], ["a", "abca", "abd", ""]),
    ("^\\d*$", ["", "0123456789"], ["12a", "a", "1\n"]),
    ("^.{2}$", ["\U0001f600x"], ["\U0001f600", "x\n", "xyz"]),
    ("^[^]+$", ["\n\0"], [""]),
    ("^[]?$", [""], ["x"]),
    ("^\\w{2,}$", ["a_", "a" * 99], ["a", "a-"]),
    # escapes
    ("^\\d{3}-\\d{4}$", ["555-1234"], ["55-1234", "555-123a", "\u0661\u0661\u0661-1234"]),
    ("^\\D$", ["a", "\u0661"], ["1"]),
    ("^\\w+$", ["aZ_09"], ["\u00e9", "-", ""]),
    ("^\\W$", ["\u00e9", "-", " "], ["a", "_", "0"]),
    ("^\\s+$", [" \t\n\v\f\r\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"], ["\u200b", "\x85", "a"]),
    ("^\\S+$", ["a\u200b\x85"], [" ", "\ufeff"]),
    ("^\\f\\n\\r\\t\\v$", ["\f\n\r\t\v"], ["fnrtv"]),
    ("^\\x41\\u0042\\u{43}\\u{1F600}$", ["ABC\U0001f600"], ["abc"]),
    ("^\\ud83d\\ude00$", ["\U0001f600"], ["\U0001f601"]),
    ("^[\\ud83d\\ude00-\\ud83d\\ude02]$", ["\U0001f601"], ["\U0001f603"]),
    ("\\ud83d", [], ["\U0001f600", "d83d"]),
    ("^\\0$", ["\0"], ["0"]),
    ("^\\cA\\cz$", ["\x01\x1a"], ["cAcz"]),
    ("^\\^\\$\\\\\\.\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|\\/$", ["^$\\.*+?()[]{}|/"], ["x"]),
    ("\\.", ["a.b"], ["ab"]),
    ("/", ["a/b"], ["ab"]),
    # properties
    ("^\\p{Letter}+$", ["Hello", "\u03c0", "A\u00e9\u4e2d"], ["123", "", "a1", "e\u0301"]),
    ("^\\p{digit}+$", ["42", "\u09ea\u09e8"], ["-%#", "\u00bd"]),
    ("\\p{L}cole", ["l'\u00e9cole"], ["L'\u00c9COLE", "cole"]),
    ("^\\P{L}$", ["1", "\u0301", "\U0001f600"], ["a", "\u03c0"]),
    ("^[\\p{Lu}\\p{Nd}_]+$", ["A\u00c99_", "\u0663\u0416"], ["a", "\u00e9", "-"]),
    ("^[^\\p{L}\\d]$", ["-", "\u0663"], ["a", "3", "\u03c0"]),
    ("^[\\P{M}]$", ["a"], ["\u0301", "\u20dd"]),
    ("^\\p{gc=Lt}$", ["\u01c5"], ["\u01c4", "\u01c6"]),
    ("^\\p{General_Category=Decimal_Number}$", ["7"], ["a"]),
    ("^\\p{LC}$", ["a", "A", "\u01c5"], ["\u02b0", "\u4e2d"]),
    ("^\\p{Nl}\\p{No}$", ["\u2160\u00b2"], ["12"]),
    ("^\\p{Punctuation}+$", ["!\u00ab\u203f)"], ["$", "a"]),
    ("^\\p{Sc}+$", ["$\u20ac"], ["c"]),
    ("^\\p{S}$", ["+", "\U0001f600"], ["-"]),
    ("^\\p{Z}+$", [" \u00a0\u2028\u2029"], ["\t", "\u200b"]),
    ("^\\p{Zl}$", ["\u2028"], ["\u2029"]),
    ("^\\p{cntrl}$", ["\0", "\x85"], ["a", "\u200b"]),
    ("^\\p{C}$", ["\0", "\u200b", "\ue000", "\u0378", "\U0010ffff"], ["a"]),
    ("^\\p{Surrogate}$", [], ["a", "\U0001f600"]),
    ("^\\p{Assigned}$", ["a", "\ue000"], ["\u0378", "\U0010ffff"]),
    ("^\\p{ASCII}$", ["a", "\x7f"], ["\x80", "\u00e9"]),
    ("^\\p{Any}$", ["a", "\n", "\U0010ffff"], [""]),
    ("^\\P{Any}$", [], ["a", ""]),
    ("^\\p{L}{2,3}(-\\p{L}{1,64}|\\d{3})$", ["\u00e9a-" + "\u03c0" * 64, "abc123"], ["ab-" + "x" * 65, "a-b"]),
    # word edges
    ("\\bfoo\\b", ["foo", "a foo.", "foo-bar"], ["food", "_foo", "afoo"]),
    ("^\\B$", [""], ["a"]),
    ("a\\B", ["ab"], ["a", "a b"]),
    ("\\b", ["a", " a"], ["", " -"]),
    # what devices send
    ("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", ["a", "seattle-3", "a" * 63], ["-a", "a-", "a" * 64, "A"]),
    ("^([0-9A-F]{2}:){5}[0-9A-F]{2}$", ["AA:BB:CC:00:11:22"], ["AA:BB:CC:00:11", "aa:bb:cc:00:11:22"]),
    ("^v\\d+(\\.\\d+){2}(-[\\w.]+)?$", ["v1.2.3", "v10.0.1-rc.1"], ["1.2.3", "v1.2", "v1.2.3-"]),
    # too large for a table of states
    ("^([a-z]{0,200}-){2}$", ["--", "a-b-", "a" * 200 + "-" + "b" * 200 + "-"], ["a-", "a" * 201 + "--", "A--"]),
    ("(a|b)\\w{12}c$", ["xa123456789012c", "ab12345678901bc"], ["xc123456789012c", "a123456789012cc-"]),
]

# pattern, a part of the reason, offset
REFUSED = [
    ("a)", "unmatched ')'", 1),
    ("(a", "unmatched '('", 2),
    ("((a)", "unmatched '('", 4),
    ("[a", "unmatched '['", 2),
    ("[", "unmatched '['", 1),
    ("[a\\", "lone", 3),
    ("a\\", "lone", 2),
    ("*a", "nothing to repeat", 0),
    ("a|+", "nothing to repeat", 2),
    ("(?)", "only '(?:'", 2),
    ("a**", "nothing to repeat", 2),
    ("a+*", "nothing to repeat", 2),
    ("a???", "nothing to repeat", 3),
    ("^*", "cannot be repeated", 1),
    ("\\b+", "cannot be repeated", 2),
    ("a{", "malformed repetition", 2),
    ("a{1", "malformed repetition", 3),
    ("a{1,", "malformed repetition", 4),
    ("a{,3}", "malformed repetition", 2),
    ("a{x}", "malformed repetition", 2),
    ("a{3,2}", "reversed", 6),
    ("a{1001}", "too large", 5),
    ("a{99999999999999}", "too large", 5),
    ("{", "escaped", 0),
    ("}", "escaped", 0),
    ("]", "escaped", 0),
    ("[c-a]", "reversed", 4),
    ("[\\d-z]", "single characters", 5),
    ("[a-\\w]", "single characters", 5),
    ("(?=a)", "lookaround", 2),
    ("(?!a)", "lookaround", 2),
    ("(?<=a)", "lookaround", 2),
    ("(?<!a)", "lookaround", 2),
    ("(?<year>\\d+)", "names", 2),
    ("(a)\\1", "backreferences", 4),
    ("\\k<a>", "backreferences", 1),
    ("\\p", "expected '{' and the name of a property", 2),
    ("\\pL", "expected '{' and the name of a property", 2),
    ("\\P{L", "unmatched '{'", 4),
    ("\\p{}", "unknown property", 3),
    ("\\p{Lx}", "unknown property", 3),
    ("\\p{letter}", "unknown property", 3),
    ("\\p{Lu Ll}", "unknown property", 3),
    ("\\p{=L}", "unknown property", 3),
    ("\\p{Script=Greek}", "unknown property", 3),
    ("\\p{gc=Any}", "unknown property", 3),
    ("\\p{gc=gc=L}", "unknown property", 3),
    ("[\\p{L}-z]", "single characters", 8),
    ("[a-\\p{L}]", "single characters", 8),
    ("\\a", "unknown escape", 1),
    ("\\Z", "unknown escape", 1),
    ("\\-", "unknown escape", 1),
    ("\\e", "unknown escape", 1),
    ("\\_", "unknown escape", 1),
    ("\\00", "unknown escape", 1),
    ("\\c1", "unknown escape", 1),
    ("\\c\u0131", "unknown escape", 1),
    ("\\c", "unknown escape", 1),
    ("[\\B]", "unknown escape", 2),
    ("\\x4", "hexadecimal", 3),
    ("\\xg0", "hexadecimal", 2),
    ("\\u004", "hexadecimal", 5),
    ("\\u{}", "hexadecimal", 3),
    ("\\u{110000}", "too large", 9),
    ("\\u{41", "hexadecimal", 5),
    ("a{1000}b", "more than 1000 states", 8),
    ("(a{100}){100}", "more than 1000 states", 13),
    ("((){1000}){1000}", "repeats too much", 16),
    ("(((){999}){999}){999}", "repeats too much", 21),
    ("(" * 17 + ")" * 17, "16 nested groups", 17),
    ("(" * 5000, "16 nested groups", 17),
    ("(" * 16384, "16 nested groups", 17),
    ("(" * 16385, "longer than 16384 characters", 16384),
    ("\u00e9" * 16385, "longer than 16384 characters", 16384),
    ("[" + "\\p{L}" * 30 + "]", "more than 16384 ranges", 131),
    ("[^" + "\\w" * 5000 + "]", "more than 16384 ranges", 8196),
    ("\\p{L}|" * 30, "more than 16384 ranges", 155),
]


class SearchTest(unittest.TestCase):
    def test_cases(self) -> None:
        for source, yes, no in CASES:
            pattern = Pattern(source)
            self.assertEqual(pattern.source, source)
            for text in yes:
                self.assertEqual((source, text, pattern.search(text)), (source, text, True))
            for text in no:
                self.assertEqual((source, text, pattern.search(text)), (source, text, False))

    def test_again_and_again(self) -> None:
        # The state of one search must not leak into the next, also where the turn counter comes round.
        pattern = Pattern("^(a|b)+$")
        for turn in (0, 5, 0xFFFFFFF - 3, 0xFFFFFFF):
            pattern._turn = turn
            for _ in range(3):
                self.assertTrue(pattern.search("abab"))
                self.assertFalse(pattern.search("abac"))

    def test_long_text_in_many_alphabets(self) -> None:
        text = "\u00e9\u20ac\U0001f600x" * 500
        self.assertTrue(Pattern("^(\u00e9\u20ac\U0001f600x)+$").search(text))
        self.assertFalse(Pattern("^(\u00e9\u20ac\U0001f600x)+$").search(text + "\u00e9"))


class RefusedTest(unittest.TestCase):
    def test_refused(self) -> None:
        for source, reason, offset in REFUSED:
            with self.assertRaises(PatternError) as caught:
                Pattern(source)
            error = caught.exception
            self.assertIn(reason, error.reason)
            self.assertEqual((source, error.offset), (source, offset))
            self.assertEqual(str(error), f"{error.reason} at character {offset}")

    def test_limits_are_reachable(self) -> None:
        Pattern(f"a{{{limits.PATTERN_STATES - 1}}}")
        Pattern("(" * limits.PATTERN_DEPTH + ")" * limits.PATTERN_DEPTH)
        self.assertTrue(Pattern("[" + "a" * (limits.PATTERN_LENGTH - 2) + "]").search("a"))
        self.assertTrue(Pattern("[" + "\\w" * (limits.PATTERN_RANGES // 4) + "]").search("a"))


class LinearTest(unittest.TestCase):
    """Work is counted in states entered, not in time: twice the text, twice the work."""

    def test_classic_explosions(self) -> None:
        for source in (
            "^(a+)+$",
            "^(a*)*$",
            "(a|a)*b",
            "^(a|aa)+$",
            "^(a|a?)+$",
            "^([a-z]+)*[0-9]$",
            "(.*)*x",
            "^(.*a){8}$",
            "a*a*a*a*a*a*c",
        ):
            pattern = Pattern(source)
            steps = []
            for n in (100, 200, 400):
                self.assertFalse(pattern.search("a" * n + "!"))
                steps.append(pattern.steps)
            self.assertGreater(steps[0], 99)
            self.assertTrue(steps[2] - steps[1] <= 2 * (steps[1] - steps[0]) + 20)
            self.assertTrue(steps[2] < 402 * len(pattern._code))

    def test_anchored_patterns_give_up_early(self) -> None:
        pattern = Pattern("^[0-9]+x$")
        self.assertFalse(pattern.search("x" * 10000))
        self.assertLess(pattern.steps, 5)


if __name__ == "__main__":
    unittest.main()
