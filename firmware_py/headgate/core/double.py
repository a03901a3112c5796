"""IEEE 754 binary64 as bits, and the decimals it stands for, in integers: floats of small boards have 32 bits.

A finite double stands for the shortest decimal of 15, 16 or 17 significant digits that reads back as itself: what
JSON text of it would say. So the float 600.03 is a multiple of 0.01 and 2.0 is an integer. Portable.
"""
# ruff: noqa: PLR2004 - the numbers are those of IEEE 754: 52 bits of fraction, 11 of exponent, bias 1023

import struct

from headgate.core.number import Dec, make

_HIDDEN = 1 << 52  # the leading bit that normal numbers do not store
_SMALLEST = -1074  # the power of two of a subnormal's last bit
_PRECISIONS = (15, 16, 17)  # significant digits; with 17 every double reads back
# Only CPython prints and reads doubles correctly rounded whatever they are (and only it has `fromhex`).
_CORRECT_FORMAT = hasattr(float, "fromhex")


def widen(bits: int, exponent_bits: int, fraction_bits: int) -> int:
    """binary16 (5, 10), binary32 (8, 23) or binary64 (11, 52) -> the bits of the double with the same value."""
    if exponent_bits == 11:
        return bits
    fraction = bits & ((1 << fraction_bits) - 1)
    power = bits >> fraction_bits & ((1 << exponent_bits) - 1)
    sign = bits >> (exponent_bits + fraction_bits) << 63
    bias = (1 << (exponent_bits - 1)) - 1
    if power == 2 * bias + 1:
        power = 2047 - 1023 + bias
    elif power == 0:
        if fraction == 0:
            return sign
        power = 1
        while fraction >> fraction_bits == 0:
            fraction <<= 1
            power -= 1
        fraction &= (1 << fraction_bits) - 1
    return sign | (power - bias + 1023) << 52 | fraction << (52 - fraction_bits)


def narrow(bits: int, exponent_bits: int, fraction_bits: int) -> int:
    """The bits of the same value in a smaller format, or -1 if it does not fit there exactly. `bits` is finite."""
    fraction = bits & (_HIDDEN - 1)
    power = (bits >> 52 & 2047) - 1023
    sign = bits >> 63 << (exponent_bits + fraction_bits)
    bias = (1 << (exponent_bits - 1)) - 1
    if power == -1023:
        return -1 if fraction else sign
    lost = 52 - fraction_bits
    if power < 1 - bias:  # subnormal there: fewer bits
        lost += 1 - bias - power
        fraction |= _HIDDEN
        power = -bias
    if power > bias or lost > 53 or fraction >> lost << lost != fraction:
        return -1
    return sign | (power + bias) << fraction_bits | fraction >> lost


def decimal_of(bits: int) -> "int | Dec | None":
    """The decimal that the double stands for; None for NaN and infinities."""
    power = bits >> 52 & 2047
    mantissa = bits & (_HIDDEN - 1)
    if power == 2047:
        return None
    if power:
        mantissa |= _HIDDEN
        power -= 1
    power += _SMALLEST
    if mantissa == 0:
        return 0
    digits, exponent = _formatted(bits & (1 << 63) - 1) if _CORRECT_FORMAT else _shortest(mantissa, power)
    return make(-digits if bits >> 63 else digits, exponent)


def _formatted(bits: int) -> "tuple[int, int]":
    value = struct.unpack(">d", bits.to_bytes(8, "big"))[0]
    for precision in _PRECISIONS:
        text = f"{value:.{precision - 1}e}"
        if float(text) == value:
            break
    digits, _, exponent = text.partition("e")
    return int(digits.replace(".", "")), int(exponent) - precision + 1


def _shortest(mantissa: int, power: int) -> "tuple[int, int]":
    """mantissa * 2**power as (digits, exponent): the first of the precisions that reads back."""
    above = mantissa << power if power > 0 else mantissa
    below = 1 if power > 0 else 1 << -power
    top = 0  # above / below lies in [10**top, 10**(top + 1))
    while above >= below * 10 ** (top + 1):
        top += 1
    while above * 10**-top < below if top <= 0 else above < below * 10**top:
        top -= 1
    digits = exponent = 0
    for precision in _PRECISIONS:
        exponent = top - precision + 1
        up = above * 10**-exponent if exponent < 0 else above
        down = below * 10**exponent if exponent > 0 else below
        digits = (2 * up + down) // (2 * down)
        if (2 * up + down) % (2 * down) == 0 and digits & 1:
            digits -= 1  # half way: to even
        if nearest(digits, exponent) == (mantissa, power):
            break
    return digits, exponent


def nearest(digits: int, exponent: int) -> "tuple[int, int]":
    """(mantissa, power) of the double nearest to digits * 10**exponent, ties to even; `digits` > 0. The power is 972
    or more for what is out of range."""
    above = digits * 10**exponent if exponent > 0 else digits
    below = 10**-exponent if exponent < 0 else 1
    power = (len(f"{above:x}") - len(f"{below:x}")) * 4 - 57  # so that the quotient has 54 to 61 bits
    power = max(power, _SMALLEST)
    while True:
        up = above << -power if power < 0 else above
        down = below << power if power > 0 else below
        mantissa = (2 * up + down) // (2 * down)
        if (2 * up + down) % (2 * down) == 0 and mantissa & 1:
            mantissa -= 1
        if mantissa < 2 * _HIDDEN:
            return mantissa, power
        power += 1


def bits_of(number: "int | Dec") -> int:
    """The bits of the double nearest to a number that is not 0 and within its range."""
    digits, exponent = (number.mantissa, number.exponent) if isinstance(number, Dec) else (number, 0)
    mantissa, power = nearest(abs(digits), exponent)
    power = power - _SMALLEST + 1 if mantissa & _HIDDEN else 0
    return (1 << 63 if digits < 0 else 0) | power << 52 | (mantissa & (_HIDDEN - 1))
