"""core/records: every body in one piece, byte by byte and in threes."""

import unittest

from headgate.core.problem import Problem
from headgate.core.records import CBORSeqSplitter, NDJSONSplitter


def split(splitter, data, size=0):
    """Records, then (status, code) when it ends in a Problem."""
    out = []
    size = size or len(data) or 1
    try:
        for start in range(0, len(data), size):
            out.extend(splitter.feed(data[start : start + size]))
        out.extend(splitter.close())
    except Problem as problem:
        out.append((problem.status, problem.code))
    return out


TOO_LARGE = (413, "record_too_large")
BAD_CBOR = (400, "malformed_cbor")


class NDJSON(unittest.TestCase):
    def check(self, data, expected, limit=8):
        for size in (0, 1, 3):
            self.assertEqual(split(NDJSONSplitter(limit), data, size), expected, data)

    def test_lines(self):
        self.check(b"", [])
        self.check(b"\n\r\n \t\r\n\n", [])
        self.check(b"1", [b"1"])
        self.check(b"1\n2\r\n\n3", [b"1", b"2", b"3"])
        self.check(b"1\n2\n", [b"1", b"2"])
        self.check(b"a\rb\n", [b"a\rb"])

    def test_limit(self):
        self.check(b"12345678\n12345678\r\n12345678", [b"12345678"] * 3)
        self.check(b"1\n123456789\n2\n", [b"1", TOO_LARGE])
        self.check(b"123456789", [TOO_LARGE])
        self.check(b"1\n12345678901234567890", [b"1", TOO_LARGE])

    def test_the_problem_is_known_and_stays(self):
        splitter = NDJSONSplitter(2)
        self.assertEqual(splitter.feed(b"1\n123\n2\n"), [b"1"])
        self.assertEqual(splitter.problem.status, 413)
        for call in (lambda: splitter.feed(b"1\n"), splitter.close):
            with self.assertRaises(Problem):
                call()


class CBORSeq(unittest.TestCase):
    def check(self, data, expected, limit=64):
        for size in (0, 1, 3):
            self.assertEqual(split(CBORSeqSplitter(limit), data, size), expected, data)

    def test_items(self):
        items = [
            b"\x00",
            b"\x18\x64",
            b"\x1b" + b"\x01" * 8,
            b"\x39\x03\xe7",
            b"\x43abc",
            b"\x78\x20" + b"t" * 32,
            b"\x40",
            b"\x80",
            b"\x83\x01\x82\x02\x03\x82\x04\x05",
            b"\xa2\x61a\x01\x61b\x82\x02\x03",
            b"\xa0",
            b"\x9f\x01\x9f\xff\x80\xff",
            b"\xbf\x61a\x01\xff",
            b"\x5f\x42ab\x41c\xff",
            b"\xc1\x1a\x51\x4b\x67\xb0",
            b"\xc2\x81\x80",
            b"\xf4",
            b"\xf9\x3c\x00",
            b"\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a",
            b"\xf8\xff",
        ]
        self.check(b"", [])
        self.check(b"".join(items), items)
        for item in items:
            self.check(item, [item])
            if len(item) > 1:
                self.check(b"\x00" + item[:-1], [b"\x00", BAD_CBOR])

    def test_malformed(self):
        for bad in (b"\x1c", b"\x3d", b"\x5e", b"\x1f", b"\x3f", b"\xdf", b"\xff", b"\x81\xff", b"\xa1\x01\xff"):
            self.check(b"\x00" + bad, [b"\x00", BAD_CBOR])

    def test_limits(self):
        self.check(b"\x43abc", [b"\x43abc"], limit=4)
        self.check(b"\x00\x44abcd\x00", [b"\x00", TOO_LARGE], limit=4)
        self.check(b"\x84\x00\x00\x00\x00", [TOO_LARGE], limit=4)
        self.check(b"\x83\x80\x80\x80", [b"\x83\x80\x80\x80"], limit=4)
        self.check(b"\x5b" + b"\xff" * 8, [TOO_LARGE])
        self.check(b"\x9b" + b"\xff" * 8, [TOO_LARGE])
        self.check(b"\xbb" + b"\x7f" * 8, [TOO_LARGE])
        self.check(b"\x81" * 200, [BAD_CBOR], limit=1000)


if __name__ == "__main__":
    unittest.main()
