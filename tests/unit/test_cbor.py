"""core/cbor.py and cbor_scan.py: the vectors of RFC 8949, what is not well-formed, limits, and the end of an item."""

import binascii
import unittest

from headgate import limits
from headgate.core import cbor
from headgate.core.cbor_scan import MORE, TOO_LARGE, Scanner
from headgate.core.number import Dec

INF = float("inf")

# RFC 8949 appendix A. Value, hex; the second group is not the shortest form or has indefinite length: decoded only.
SAME = (
    (0, "00"), (1, "01"), (10, "0a"), (23, "17"), (24, "1818"), (25, "1819"), (100, "1864"), (1000, "1903e8"),
    (1000000, "1a000f4240"), (1000000000000, "1b000000e8d4a51000"), (18446744073709551615, "1bffffffffffffffff"),
    (18446744073709551616, "c249010000000000000000"), (-18446744073709551616, "3bffffffffffffffff"),
    (-18446744073709551617, "c349010000000000000000"), (-1, "20"), (-10, "29"), (-100, "3863"), (-1000, "3903e7"),
    (0.0, "f90000"), (1.0, "f93c00"), (1.1, "fb3ff199999999999a"), (1.5, "f93e00"), (65504.0, "f97bff"),
    (100000.0, "fa47c35000"), (float((1 << 24) - 1 << 104), "fa7f7fffff"), (1e300, "fb7e37e43c8800759c"),
    (5.960464477539063e-8, "f90001"), (0.00006103515625, "f90400"), (-4.0, "f9c400"), (-4.1, "fbc010666666666666"),
    (INF, "f97c00"), (-INF, "f9fc00"), (False, "f4"), (True, "f5"), (None, "f6"), (cbor.undefined, "f7"),
    (cbor.Simple(16), "f0"), (cbor.Simple(255), "f8ff"),
    (cbor.Tag(0, "2013-03-21T20:04:00Z"), "c074323031332d30332d32315432303a30343a30305a"),
    (cbor.Tag(1, 1363896240), "c11a514b67b0"), (cbor.Tag(1, 1363896240.5), "c1fb41d452d9ec200000"),
    (cbor.Tag(23, b"\x01\x02\x03\x04"), "d74401020304"), (cbor.Tag(24, b"dIETF"), "d818456449455446"),
    (cbor.Tag(32, "http://www.example.com"), "d82076687474703a2f2f7777772e6578616d706c652e636f6d"),
    (b"", "40"), (b"\x01\x02\x03\x04", "4401020304"), ("", "60"), ("a", "6161"), ("IETF", "6449455446"),
    ("\"\\", "62225c"), ("\u00fc", "62c3bc"), ("\u6c34", "63e6b0b4"), ("\U00010151", "64f0908591"),
    ([], "80"), ([1, 2, 3], "83010203"), ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"), ({}, "a0"),
    ({1: 2, 3: 4}, "a201020304"), ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    (["a", {"b": "c"}], "826161a161626163"),
    ({"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"}, "a56161614161626142616361436164614461656145"),
)  # fmt: skip
DECODED = (
    (INF, "fa7f800000"), (-INF, "faff800000"), (INF, "fb7ff0000000000000"), (-INF, "fbfff0000000000000"),
    (b"\x01\x02\x03\x04\x05", "5f42010243030405ff"), ("streaming", "7f657374726561646d696e67ff"), ([], "9fff"),
    ([1, [2, 3], [4, 5]], "9f018202039f0405ffff"), ([1, [2, 3], [4, 5]], "9f01820203820405ff"),
    ([1, [2, 3], [4, 5]], "83018202039f0405ff"), ([1, [2, 3], [4, 5]], "83019f0203ff820405"),
    (list(range(1, 26)), "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff"),
    ({"a": 1, "b": [2, 3]}, "bf61610161629f0203ffff"), (["a", {"b": "c"}], "826161bf61626163ff"),
    ({"Fun": True, "Amt": -2}, "bf6346756ef563416d7421ff"),
    (0, "1800"), (0, "1b0000000000000000"), (-1, "3900 00"), ("a", "7a0000000161"), ([1], "9a0000000101"),
    ({}, "bb0000000000000000"), (0, "c240"), (-1, "c340"), (255, "c2420 0ff"), (1, "c25f4101ff"),
    (b"", "5fff"), ("", "7fff"), (b"", "5f4040ff"), (2.0, "fa40000000"), (2.0, "fb4000000000000000"),
    (Dec(27315, -2), "c48221196ab3"), (27315, "c48200196ab3"), (2731500, "c48202196ab3"), (0, "c4822100"),
    (Dec(1, 999999999), "c4821a3b9ac9ff01"), (Dec(-11, -1), "c482202a"), (Dec(11, -1), "c4822118 6e"),
)  # fmt: skip

# RFC 8949 appendix F: not well-formed, by kind; then what is well-formed and refused all the same.
MALFORMED = (
    "", "18", "19", "1a", "1b", "1901", "1a0102", "1b01020304050607", "38", "58", "78", "98", "9a01ff00", "b8", "d8",
    "f8", "f900", "fa0000", "fb000000", "41", "61", "5affffffff00", "5bffffffffffffffff010203", "7affffffff00",
    "7b7fffffffffffffff010203", "81", "818181818181818181", "8200", "a1", "a20102", "a100", "a2000000", "c0",
    "5f4100", "7f6100", "9f", "9f0102", "bf", "bf01020102", "819f", "9f8000", "9f9f9f9f9fffffffff",
    "9f819f819f9fffffff", "1c", "1d", "1e", "3c", "3d", "3e", "5c", "5d", "5e", "7c", "7d", "7e", "9c", "9d", "9e",
    "bc", "bd", "be", "dc", "dd", "de", "fc", "fd", "fe", "f800", "f801", "f818", "f81f", "5f00ff", "5f21ff",
    "5f6100ff",
    "5f80ff", "5fa0ff", "5fc000ff", "5fe0ff", "7f4100ff", "5f5f4100ffff", "7f7f6100ffff", "ff", "81ff", "8200ff",
    "a1ff", "a1ff00", "a100ff", "a20000ff", "9f81ff", "9f829f819f9fffffffff", "bf00ff", "bf000000ff", "1f", "3f", "df",
    "c0ff", "d8ff", "9fc0ff", "bf00c0ff", "9bffffffffffffffff", "bbffffffffffffffff00", "9a7fffffff00",
    "ba7fffffff0000",
)  # fmt: skip
REFUSED = (
    ("0000", "bytes after the item"), ("8000", "bytes after the item"), ("00ff", "bytes after the item"),
    ("61ff", "invalid UTF-8"), ("62c080", "invalid UTF-8"), ("63eda080", "invalid UTF-8"), ("61c3", "invalid UTF-8"),
    ("64f4908080", "invalid UTF-8"), ("63e08080", "invalid UTF-8"), ("64f08080 80", "invalid UTF-8"),
    ("62c328", "invalid UTF-8"), ("6180", "invalid UTF-8"), ("7f61c361bcff", "invalid UTF-8"),
    ("a200010002", "duplicate map key"), ("a2616101616102", "duplicate map key"), ("bf00010002ff", "duplicate map key"),
    ("a20001180002", "duplicate map key"), ("a200 01f9000002", "duplicate map key"),
    ("a201010 1f5", "duplicate map key"),
    ("a1800 0", "unsupported type of map key"), ("a1a000", "unsupported type of map key"),
    ("a1c10000", "unsupported type of map key"), ("a1f97e0000", "unsupported type of map key"),
    ("a1c249010000000000000000 00", "unsupported type of map key"), ("a1c48221196ab300", "unsupported type of map key"),
    ("c200", "bignum is not a byte string"), ("c36161", "bignum is not a byte string"),
    ("c400", "decimal fraction is not an array of two integers"),
    ("c48100", "decimal fraction is not an array of two integers"),
    ("c48261610 0", "decimal fraction is not an array of two integers"),
    ("c482f500", "decimal fraction is not an array of two integers"),
    ("c4821a3b9aca0001", "decimal exponent out of range"), ("c4823a3b9ac9ff01", "decimal exponent out of range"),
    ("c482c25820" + "ff" * 32 + "01", "decimal exponent out of range"),
)  # fmt: skip


def unhex(text):
    return binascii.unhexlify(text.replace(" ", ""))


def nested(depth):
    return b"\x81" * depth + b"\x00"


class TestDecode(unittest.TestCase):
    def test_rfc8949_appendix_a(self):
        for value, text in SAME + DECODED:
            found = cbor.loads(unhex(text))
            self.assertEqual(found, value, text)
            self.assertIs(type(found), type(value), text)

    def test_not_a_number(self):
        for text in ("f97e00", "fa7fc00000", "fb7ff8000000000000", "f97c01", "f9fe01"):
            value = cbor.loads(unhex(text))
            self.assertFalse(value == value)  # noqa: PLR0124 - NaN

    def test_negative_zero(self):
        for text in ("f98000", "fa80000000", "fb8000000000000000"):
            value = cbor.loads(unhex(text))
            self.assertEqual(value, 0.0)
            self.assertEqual(cbor.dumps(value), unhex("f98000"))

    def test_appendix_f_is_refused_whole_and_inside(self):
        for text in MALFORMED:
            with self.assertRaises(cbor.CBORError):
                cbor.loads(unhex(text))
            with self.assertRaises(cbor.CBORError):
                cbor.loads(b"\x82" + unhex(text))

    def test_refused_with_the_reason(self):
        for text, reason in REFUSED:
            with self.assertRaises(cbor.CBORError) as caught:
                cbor.loads(unhex(text))
            self.assertEqual(caught.exception.reason, reason, text)

    def test_offset_points_at_the_fault(self):
        for text, offset in (
            ("8301021c", 3),
            ("820061ff", 3),
            ("8200", 0),
            ("830000 9f", 4),
            ("a200010002", 3),
            ("0000", 1),
            ("8143", 1),
        ):
            with self.assertRaises(cbor.CBORError) as caught:
                cbor.loads(unhex(text))
            self.assertEqual(caught.exception.offset, offset, text)

    def test_every_prefix_of_a_good_item_is_refused(self):
        for _, text in SAME + DECODED:
            data = unhex(text)
            for length in range(len(data)):
                with self.assertRaises(cbor.CBORError):
                    cbor.loads(data[:length])

    def test_depth(self):
        deepest = limits.CBOR_DEPTH
        self.assertEqual(cbor.dumps(cbor.loads(nested(deepest))), nested(deepest))
        for data in (nested(deepest + 1), b"\xc1" * (deepest + 1) + b"\x00", b"\x9f" * 20000, b"\xc1" * 20000):
            with self.assertRaises(cbor.CBORError) as caught:
                cbor.loads(data)
            self.assertEqual(caught.exception.reason, "nested too deeply")
        with self.assertRaises(cbor.CBORError):
            cbor.loads(nested(3), 2)

    def test_number_of_items(self):
        self.assertEqual(len(cbor.loads(b"\x89" + bytes(9), 32, 10)), 9)
        for data in (b"\x89" + bytes(9), b"\x5f" + b"\x40" * 9 + b"\xff", b"\xa5" + unhex("00000100020003000400")):
            with self.assertRaises(cbor.CBORError) as caught:
                cbor.loads(data, 32, 9)
            self.assertEqual(caught.exception.reason, "too many items")

    def test_bignum_length(self):
        good = b"\xc2\x58" + bytes([limits.CBOR_BIGNUM]) + b"\xff" * limits.CBOR_BIGNUM
        self.assertEqual(cbor.loads(good), (1 << 8 * limits.CBOR_BIGNUM) - 1)
        self.assertEqual(cbor.dumps(cbor.loads(good)), good)
        with self.assertRaises(cbor.CBORError) as caught:
            cbor.loads(b"\xc2\x58" + bytes([limits.CBOR_BIGNUM + 1]) + b"\xff" * (limits.CBOR_BIGNUM + 1))
        self.assertEqual(caught.exception.reason, "bignum too long")

    def test_input_may_be_any_buffer(self):
        data = unhex("a26161016162820203")
        for view in (bytearray(data), memoryview(data), memoryview(b"xx" + data)[2:]):
            self.assertEqual(cbor.loads(view), {"a": 1, "b": [2, 3]})
        self.assertIs(type(cbor.loads(memoryview(b"\x42ab"))), bytes)

    def test_every_half(self):
        for bits in range(0, 65536, 7):
            exponent = bits >> 10 & 31
            if exponent == 31:
                continue
            fraction = bits & 1023
            value = fraction / 16777216 if exponent == 0 else (1024 + fraction) / 16777216 * (1 << exponent - 1)
            data = b"\xf9" + bits.to_bytes(2, "big")
            self.assertEqual(cbor.loads(data), -value if bits >> 15 else value)
            self.assertEqual(cbor.dumps(cbor.loads(data)), data)


class TestEncode(unittest.TestCase):
    def test_rfc8949_appendix_a(self):
        for value, text in SAME:
            if not (isinstance(value, dict) and len(value) > 1):  # the order of a dict is not fixed everywhere
                self.assertEqual(cbor.dumps(value), unhex(text), text)
            self.assertEqual(cbor.dumps(value, True), unhex(text), text)

    def test_not_a_number_has_one_form(self):
        self.assertEqual(cbor.dumps(cbor.loads(unhex("fb7ff8000000000001"))), unhex("f97e00"))

    def test_shortest_float(self):
        for text in (
            "f90001", "f903ff", "f90400", "f97bff", "fa47800000", "fa33000000", "fa387fe000", "fa38800001",
            "fa00000001",
            "fa7f7fffff", "fb47efffffe0000001", "fb7fefffffffffffff", "fb0000000000000001", "fb36a0000000000001",
            "fa33800001", "fa38fff000", "f98001", "fac77fe001",
        ):  # fmt: skip
            self.assertEqual(cbor.dumps(cbor.loads(unhex(text))), unhex(text), text)

    def test_decimal_fraction(self):
        for value, text in (
            (Dec(27315, -2), "c48221196ab3"),
            (Dec(-1, -1), "c4822020"),
            (Dec(1, 400), "c48219019001"),
            (Dec((1 << 64) + 1, -20), "c48233c249010000000000000001"),
        ):
            self.assertEqual(cbor.dumps(value), unhex(text))
            self.assertEqual(cbor.loads(unhex(text)), value)

    def test_deterministic_order_is_bytewise(self):
        # RFC 8949 section 4.2.1, the example
        ordered = (10, 100, -1, "z", "aa", False)
        mapping = {}
        for index in (3, 5, 0, 4, 2, 1):
            mapping[ordered[index]] = index
        data = cbor.dumps({"x": mapping}, True)
        self.assertEqual(data, unhex("a16178a60a001864012002617a0362616104f405"))
        self.assertEqual(cbor.loads(data), {"x": mapping})

    def test_deterministic_is_stable_over_a_round_trip(self):
        value = {"m": {str(n): [n, -n, n / 8, b"x" * (n % 3)] for n in range(40)}, "t": cbor.Tag(1, {2: 3, "a": ()})}
        data = cbor.dumps(value, True)
        self.assertEqual(cbor.dumps(cbor.loads(data), True), data)
        self.assertEqual(cbor.loads(cbor.dumps(value)), cbor.loads(data))

    def test_buffers_and_tuples(self):
        self.assertEqual(cbor.dumps((bytearray(b"a"), memoryview(b"bc")[1:])), unhex("8241614163"))

    def test_heads(self):
        for length, head in (
            (23, "57"),
            (24, "5818"),
            (255, "58ff"),
            (256, "590100"),
            (65535, "59ffff"),
            (65536, "5a00010000"),
        ):
            self.assertEqual(cbor.dumps(bytes(length))[: len(head) // 2], unhex(head))

    def test_refused(self):
        endless = []
        endless.append(endless)
        for value in (
            object(),
            cbor.Simple(24),
            cbor.Simple(256),
            {(1, 2): 3},
            {1 << 64: 1},
            {float("nan"): 1},
            endless,
        ):
            with self.assertRaises(cbor.CBORError):
                cbor.dumps(value)
            with self.assertRaises(cbor.CBORError):
                cbor.dumps({"deep": [value]}, True)


def item_end(data, pos=0, max_depth=limits.CBOR_DEPTH):
    return Scanner(max_depth).end(data, pos)


class TestItemEnd(unittest.TestCase):
    def test_end_of_every_vector(self):
        for _, text in SAME + DECODED:
            data = unhex(text)
            self.assertEqual(item_end(data), len(data), text)
            self.assertEqual(item_end(b"\x00\x01" + data + b"\xff", 2), 2 + len(data))
            for length in range(len(data)):
                self.assertEqual(item_end(data[:length]), -1, text)

    def test_byte_by_byte(self):
        for _, text in SAME + DECODED:
            data = unhex(text)
            scanner = Scanner()
            buffer = bytearray(b"pre")
            for byte in data[:-1]:
                buffer.append(byte)
                self.assertEqual(scanner.end(buffer, 3), -1)
            buffer.append(data[-1])
            self.assertEqual(scanner.end(buffer, 3), 3 + len(data))
            self.assertEqual(scanner.end(buffer, 3), 3 + len(data))
            scanner.reset()
            self.assertEqual(scanner.end(b"\x00"), 1)

    def test_malformed_is_refused_or_incomplete(self):
        for text in MALFORMED:
            data = unhex(text)
            found = whole = None
            try:
                self.assertEqual(item_end(data), -1, text)
            except cbor.CBORError as error:
                whole = error.offset
            # The same verdict byte by byte, at the same place.
            scanner = Scanner()
            try:
                for length in range(1, len(data) + 1):
                    scanner.end(data[:length])
            except cbor.CBORError as error:
                found = error.offset
            self.assertEqual(found, whole, text)

    def test_refused_at_once(self):
        for text in ("1c", "ff", "f818", "5f00", "5f7f", "bf00ff", "a1ff", "c0ff"):
            with self.assertRaises(cbor.CBORError):
                item_end(unhex(text))

    def test_depth_agrees_with_loads(self):
        self.assertEqual(item_end(nested(limits.CBOR_DEPTH)), limits.CBOR_DEPTH + 1)
        with self.assertRaises(cbor.CBORError):
            item_end(nested(limits.CBOR_DEPTH + 1))
        self.assertEqual(item_end(b"\x81\x80", 0, 1), 2)
        with self.assertRaises(cbor.CBORError):
            item_end(b"\x81\x81\x00", 0, 1)

    def test_known_length_runs_ahead(self):
        scanner = Scanner()
        self.assertEqual(scanner.end(b"\x82\x5a\x00\x10\x00\x00ab"), -1)
        self.assertEqual(scanner.at, 6 + (1 << 20))
        scanner.reset()
        self.assertEqual(scanner.end(b"\x5b" + b"\xff" * 8), -1)
        self.assertGreater(scanner.at, 1 << 63)

    def test_no_head_is_read_twice(self):
        class Counting:
            """A buffer that counts the single bytes asked of it."""

            def __init__(self, data):
                self.data = data
                self.size = 0
                self.asked = 0

            def __len__(self):
                return self.size

            def __getitem__(self, index):
                self.asked += 1
                return self.data[index]

        count = 3000
        buffer = Counting(b"\x9f" + b"\x00" * count + b"\xff")
        scanner = Scanner()
        while buffer.size < count + 2:
            buffer.size += 1
            scanner.end(buffer)
        self.assertEqual(scanner.end(buffer), count + 2)
        self.assertLess(buffer.asked, count + 10)

    def test_too_large_however_it_is_cut(self):
        for text, size, expected in (
            ("43616263", 4, 4),
            ("43616263", 3, TOO_LARGE),
            ("8400000000", 5, 5),
            ("8400000000", 4, TOO_LARGE),
            ("8400", 5, MORE),  # could still fit
            ("8500", 5, TOO_LARGE),  # not any more: five items of a byte at least
            ("a201", 4, TOO_LARGE),
            ("9bffffffffffffffff1c", 64, TOO_LARGE),  # before the fault behind it is seen
            ("5bffffffffffffffff", 64, TOO_LARGE),
            ("5f41004100ff", 6, 6),
            ("5f41004100ff", 5, TOO_LARGE),
            ("9f0000f818", 4, TOO_LARGE),  # the head does not fit: what it holds is not looked at
            ("c1c1c100", 3, TOO_LARGE),
        ):
            data = unhex(text)
            self.assertEqual(Scanner(max_size=size).end(data), expected, text)
            scanner = Scanner(max_size=size)
            found = MORE
            length = 0
            while found == MORE and length < len(data):
                length += 1
                found = scanner.end(data[:length])
            self.assertEqual(found, expected, text)
