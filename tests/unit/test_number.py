"""Exact numbers: forms, order, divisibility, and bounded work on absurd exponents."""

import unittest

from headgate.core.number import Dec, compare, from_float, is_multiple, is_whole, make

HUGE = Dec(1, 999999999)
TINY = Dec(1, -999999999)


class MakeTest(unittest.TestCase):
    def test_integral_values_are_ints(self) -> None:
        for mantissa, exponent, value in (
            (0, 5, 0),
            (0, -5, 0),
            (10, -1, 1),
            (-250, -1, -25),
            (1, 2, 100),
            (21000, -2, 210),
            (7, 0, 7),
            (1, 128, 10**128),
            (-1000, 125, -(10**128)),
        ):
            made = make(mantissa, exponent)
            self.assertTrue(type(made) is int)
            self.assertEqual(made, value)

    def test_fractions_are_normalised(self) -> None:
        for mantissa, exponent in ((21500, -3), (215, -1), (2150, -2)):
            made = make(mantissa, exponent)
            self.assertEqual(made, Dec(215, -1))
            self.assertEqual(hash(made), hash(Dec(215, -1)))
        self.assertEqual(make(-5, -1), Dec(-5, -1))

    def test_large_powers_stay_apart(self) -> None:
        self.assertEqual(make(1, 129), Dec(1, 129))
        self.assertEqual(make(1000, 400), Dec(1, 403))
        self.assertEqual(make(10**300, 0), Dec(1, 300))
        self.assertEqual(make(3 * 10**1000, -1000), 3)

    def test_form_decides_equality(self) -> None:
        self.assertNotEqual(Dec(1, -1), Dec(1, -2))
        self.assertNotEqual(Dec(1, -1), Dec(2, -1))
        self.assertNotEqual(Dec(1, -1), 0)
        self.assertNotEqual(Dec(1, -1), "0.1")

    def test_text(self) -> None:
        for number, text in (
            (Dec(215, -1), "21.5"),
            (Dec(-5, -1), "-0.5"),
            (Dec(-1234, -2), "-12.34"),
            (Dec(1, -6), "0.000001"),
            (Dec(1, -7), "1e-7"),
            (Dec(-15, 400), "-15e400"),
            (HUGE, "1e999999999"),
            (TINY, "1e-999999999"),
            (Dec(12345678901234567890123, -3), "12345678901234567890.123"),
        ):
            self.assertEqual(str(number), text)
        self.assertEqual(repr(Dec(-5, -1)), "Dec(-5, -1)")


class FromFloatTest(unittest.TestCase):
    def test_exact(self) -> None:
        # Values that a 32-bit float holds as well, so that this passes on small boards.
        for f, value in (
            (0.0, 0),
            (-0.0, 0),
            (1.0, 1),
            (-2.0, -2),
            (0.5, Dec(5, -1)),
            (-0.75, Dec(-75, -2)),
            (12.375, Dec(12375, -3)),
            (1048576.0, 1048576),
            (10.0, 10),
            (0.0009765625, Dec(9765625, -10)),
        ):
            self.assertEqual(from_float(f), value)
            self.assertTrue(type(from_float(f)) is type(value))

    def test_not_finite(self) -> None:
        for f in (float("nan"), float("inf"), -float("inf")):
            with self.assertRaises(ValueError):
                from_float(f)


class CompareTest(unittest.TestCase):
    def test_rising(self) -> None:
        rising = [
            -float("inf"),
            Dec(-1, 999999999),
            Dec(-1, 400),
            -(10**130),
            -12,
            Dec(-115, -1),
            -1.25,
            -1,
            Dec(-1, -400),
            Dec(-1, -999999999),
            0,
            TINY,
            Dec(1, -400),
            Dec(1, -1),
            0.125,
            Dec(9999, -4),
            1,
            Dec(10001, -4),
            12,
            12.25,
            Dec(123, -1),
            10**20,
            10**20 + 1,
            Dec(1, 400),
            Dec(11, 399),
            HUGE,
            float("inf"),
        ]
        for i in range(len(rising)):
            for k in range(len(rising)):
                self.assertEqual(compare(rising[i], rising[k]), (i > k) - (i < k))

    def test_equal_in_different_forms(self) -> None:
        for a, b in ((1, 1.0), (Dec(5, -1), 0.5), (0, -0.0), (10**300, Dec(1, 300)), (2, Dec(20, -1))):
            self.assertEqual(compare(a, b), 0)
            self.assertEqual(compare(b, a), 0)

    def test_nan_has_no_place(self) -> None:
        nan = float("nan")
        for a, b in ((nan, 1), (1, nan), (nan, nan), (nan, Dec(1, -1)), (float("inf"), nan)):
            with self.assertRaises(ValueError):
                compare(a, b)


class IntegerTest(unittest.TestCase):
    def test_integers(self) -> None:
        for v in (0, 5, -5, 10**200, Dec(1, 400), HUGE, 2.0, -0.0):
            self.assertTrue(is_whole(v))
        for v in (Dec(5, -1), TINY, 0.5, float("nan"), float("inf")):
            self.assertFalse(is_whole(v))


class MultipleTest(unittest.TestCase):
    def test_multiples(self) -> None:
        for v, of in (
            (0, 3),
            (9, 3),
            (-9, 3),
            (0, Dec(1, -2)),
            (Dec(60003, -2), Dec(1, -2)),
            (Dec(75, -4), Dec(1, -4)),
            (Dec(45, -1), Dec(15, -1)),
            (3, Dec(15, -1)),
            (HUGE, 1),
            (HUGE, 1024),
            (HUGE, Dec(5, -999999999)),
            (Dec(3, 400), Dec(3, -400)),
            (Dec(1, 400), Dec(1, 400)),
            (Dec(21, 400), Dec(7, 399)),
            (1.5, 0.5),
            (3, 1.5),
            (Dec(15, -1), 0.5),
            (TINY, TINY),
        ):
            self.assertTrue(is_multiple(v, of))

    def test_not_multiples(self) -> None:
        for v, of in (
            (7, 2),
            (Dec(751, -5), Dec(1, -4)),
            (1, Dec(15, -1)),
            (Dec(35, -1), 2),
            (HUGE, 3),
            (HUGE, Dec(3, -999999999)),
            (TINY, 1),
            (1, HUGE),
            (Dec(1, 400), Dec(1, 401)),
            (123456789, Dec(1, 400)),
            (Dec(1, -999999999), Dec(2, -999999999)),
            (1.5, 1),
            (float("inf"), 1),
            (float("nan"), 1),
        ):
            self.assertFalse(is_multiple(v, of))

    def test_divisor_must_be_above_zero(self) -> None:
        for of in (0, -1, Dec(-1, -1), 0.0):
            with self.assertRaises(ValueError):
                is_multiple(3, of)


if __name__ == "__main__":
    unittest.main()
