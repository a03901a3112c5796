"""core/utf8.py: RFC 3629 on every interpreter, whatever its own decoder tolerates."""

import unittest

from headgate.core import utf8

GOOD = (
    b"",
    b"ascii \x00\x7f",
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf4\x8f\xbf\xbf",
    b"a\xc3\xbcb\xe6\xb0\xb4c\xf0\x90\x85\x91d",
)
BAD = (
    b"\x80",  # continuation without a lead byte
    b"\xbf",
    b"a\x80",
    b"\xc3",  # cut off
    b"\xe6\xb0",
    b"\xf0\x90\x85",
    b"\xc3a",
    b"\xe6a\xb4",
    b"\xe6\xb0a",
    b"\xf0\x90\x85a",
    b"\xc3\xc3",
    b"\xc0\x80",  # overlong
    b"\xc1\xbf",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xed\xa0\x80",  # surrogates
    b"\xed\xbf\xbf",
    b"\xed\xa0\xbd\xed\xb8\x80",
    b"\xf4\x90\x80\x80",  # above U+10FFFF
    b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfe",
    b"\xff",
)


class TestUTF8(unittest.TestCase):
    def test_good(self):
        for data in GOOD:
            self.assertEqual(utf8.fault(data), -1)
            self.assertEqual(utf8.decode(data).encode(), data)

    def test_bad_alone_and_inside(self):
        for data in BAD:
            offset = 1 if data[:1] == b"a" else 0
            for before, after in ((b"", b""), (b"a", b""), (b"", b"a"), (b"\xc3\xbc", b"\xc3\xbc")):
                text = before + data + after
                self.assertEqual(utf8.fault(text), len(before) + offset, str(text))
                with self.assertRaises(ValueError):
                    utf8.decode(text)

    def test_every_pair_of_bytes_is_judged_alike(self):
        for first in range(0x7E, 256):
            for second in range(0x70, 256, 5):
                data = bytes([first, second, 0xA0, 0x80])
                verdicts = [utf8.fault(data) < 0]
                try:
                    utf8.decode(data)
                    verdicts.append(True)
                except ValueError:
                    verdicts.append(False)
                self.assertEqual(verdicts[0], verdicts[1], str(data))

    def test_offsets(self) -> None:
        for text, offset in (
            (b"", -1),
            (b"abc", -1),
            (b"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", -1),
            (b"a\xc3", 1),
            (b"ab\x80", 2),
            (b"\xc3\xa9\xed\xa0\x80", 2),
            (b"\xf0\x9f\x98", 0),
            (b"\xf0\x9f\x98z", 0),
        ):
            self.assertEqual(utf8.fault(text), offset)
        self.assertEqual(utf8.fault(b"\xff\xc3\xa9\xff", 1, 3), -1)
        self.assertEqual(utf8.fault(b"\xff\xc3\xa9\xff", 1, 2), 1)
