"""Exact numbers without floats: an `int`, or a `Dec` where an int would not do.

JSON numbers are decimals and JSON Schema judges them as numbers, so 600.03 is a multiple of 0.01 and 1.0 is an
integer. Floats cannot tell (on small boards they have 32 bits), decimals can. Every function here does work bounded
by the number of *digits* of its arguments: 1e999999999 is compared and divided, never written out. Portable.
"""

import struct

from headgate import limits

# An integral value is an `int` up to this power of ten and a `Dec` above it. Not less than the longest literal the
# JSON parser takes, so that equal numbers of a document always have the same form and can be compared field by field.
_INT_EXPONENT = limits.JSON_NUMBER
_ZEROS = 6  # more of them in front of a fraction are longer than an exponent
_STEP = 10**_INT_EXPONENT


class Dec:
    """mantissa * 10**exponent, normalised by `make`: the mantissa does not end in zero.

    `==` and `hash` go by the form (equal numbers out of `make` have equal forms); `compare` goes by the value.
    """

    __slots__ = ("exponent", "mantissa")

    def __init__(self, mantissa: int, exponent: int) -> None:
        self.mantissa = mantissa
        self.exponent = exponent

    def __eq__(self, other: object) -> bool:
        return type(other) is Dec and self.mantissa == other.mantissa and self.exponent == other.exponent

    def __hash__(self) -> int:
        return hash((self.mantissa, self.exponent))

    def __str__(self) -> str:
        """The number as JSON text: plain notation for short fractions, an exponent otherwise.

        It never has more digits than the longest literal that the number can have been read from.
        """
        digits = str(abs(self.mantissa))
        sign = "-" if self.mantissa < 0 else ""
        point = len(digits) + self.exponent
        zeros = max(1 - point, 0)  # before the first other digit, the one left of the point included
        if self.exponent > 0 or zeros > _ZEROS or zeros + len(digits) > limits.JSON_NUMBER:
            return f"{sign}{digits}e{self.exponent}"
        if point <= 0:
            return sign + "0." + "0" * -point + digits
        return sign + digits[:point] + "." + digits[point:]

    def __repr__(self) -> str:
        return f"Dec({self.mantissa}, {self.exponent})"


def make(mantissa: int, exponent: int) -> "int | Dec":
    """The number mantissa * 10**exponent in its one normal form."""
    if mantissa == 0:
        return 0
    while mantissa % _STEP == 0:  # a hostile bignum may have thousands of zeros
        mantissa //= _STEP
        exponent += _INT_EXPONENT
    while mantissa % 10 == 0:
        mantissa //= 10
        exponent += 1
    if 0 <= exponent <= _INT_EXPONENT:
        scale: int = 10**exponent
        return mantissa * scale
    return Dec(mantissa, exponent)


def from_float(f: float) -> "int | Dec":
    """The exact value of a finite float (0.1 is 0.1000000000000000055...). NaN and infinities are a ValueError."""
    if f - f != 0:
        raise ValueError("not a finite number")
    high, low = struct.unpack(">II", struct.pack(">d", f))
    power = (high >> 20) & 0x7FF
    mantissa: int = (high & 0xFFFFF) << 32 | low
    if power:
        mantissa |= 1 << 52
    else:
        power = 1  # subnormal
    power -= 1075
    if high >> 31:
        mantissa = -mantissa
    if mantissa == 0:
        return 0
    while power < 0 and mantissa & 1 == 0:
        mantissa >>= 1
        power += 1
    # m / 2**k == m * 5**k / 10**k
    return make(mantissa << power, 0) if power >= 0 else make(mantissa * 5**-power, power)


def _reaches(exponent: int, n: int) -> bool:
    """True if 10**exponent > |n| can be told from the length of n alone; else exponent is small beside that length."""
    return exponent * 10000 > len(f"{abs(n):x}") * 12042  # log10(16) = 1.20411998...


def compare(a: "int | Dec | float", b: "int | Dec | float") -> int:  # noqa: PLR0911 (each answer where it is known)
    """-1, 0 or 1 as a is less than, equal to or greater than b, by mathematical value. NaN is a ValueError."""
    if type(a) is int and type(b) is int:
        return (a > b) - (a < b)
    if isinstance(a, float):
        if a - a != 0:
            return _compare_infinite(a, b)
        a = from_float(a)
    if isinstance(b, float):
        if b - b != 0:
            return -_compare_infinite(b, a)
        b = from_float(b)
    x, x_exp = (a.mantissa, a.exponent) if isinstance(a, Dec) else (a, 0)
    y, y_exp = (b.mantissa, b.exponent) if isinstance(b, Dec) else (b, 0)
    if x == 0 or y == 0 or (x > 0) != (y > 0):
        return (x > y) - (x < y)
    # Same sign, none zero: bring both to the smaller exponent, unless the distance alone decides.
    shift = x_exp - y_exp
    if shift > 0:
        if _reaches(shift, y):
            return 1 if x > 0 else -1
        x *= 10**shift
    elif shift < 0:
        if _reaches(-shift, x):
            return -1 if x > 0 else 1
        y *= 10**-shift
    return (x > y) - (x < y)


def _compare_infinite(a: float, b: "int | Dec | float") -> int:
    """`compare` for an a that is not finite."""
    if not (a > 0 or a < 0) or (isinstance(b, float) and not (b >= 0 or b <= 0)):
        raise ValueError("not a number")
    if isinstance(b, float) and a == b:
        return 0
    return 1 if a > 0 else -1


def is_whole(v: "int | Dec | float") -> bool:
    """True if the value has no fractional part: also for 1e400 and for the float 2.0."""
    if isinstance(v, float):
        if v - v != 0:
            return False
        v = from_float(v)
    return not isinstance(v, Dec) or v.exponent > 0


def is_multiple(v: "int | Dec | float", of: "int | Dec | float") -> bool:
    """True if v / of is an integer. `of` must be finite and above zero (ValueError); a v not finite is no multiple."""
    if compare(of, 0) <= 0:
        raise ValueError("the divisor must be above zero")
    if type(v) is int and type(of) is int:
        return v % of == 0
    if isinstance(of, float):
        of = from_float(of)
    if isinstance(v, float):
        if v - v != 0:
            return False
        v = from_float(v)
    x, x_exp = (v.mantissa, v.exponent) if isinstance(v, Dec) else (v, 0)
    y, y_exp = (of.mantissa, of.exponent) if isinstance(of, Dec) else (of, 0)
    if x == 0:
        return True
    shift = x_exp - y_exp
    if shift >= 0:
        return x * _power_modulo(shift, y) % y == 0
    # y * 10**-shift must divide x, so it cannot be the larger one.
    return not _reaches(-shift, x) and x % (y * 10**-shift) == 0


def _power_modulo(exponent: int, modulus: int) -> int:
    """10**exponent % modulus by squaring (small boards lack the three-argument pow)."""
    result = 1
    base = 10
    while exponent:
        if exponent & 1:
            result = result * base % modulus
        base = base * base % modulus
        exponent >>= 1
    return result % modulus
