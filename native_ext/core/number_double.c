/* Numbers and binary64: the nearest double of a decimal, and the decimal a double stands for. No function here
 * depends on the locale: where the C library is asked, the text has no radix character, or it is skipped whatever it
 * is. */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number_inner.h"

#define FLOAT_DIGITS 15 /* every decimal of so many digits survives the way through a double */

/* Doubles are computed as doubles, not in the wider registers of the x87, which round twice. */
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD == 0
#define EXACT_DOUBLE 1
#else
#define EXACT_DOUBLE 0
#endif

/* The powers of ten that a double holds exactly. */
static const double POWERS[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Exact operands give a result that is rounded once, which is right (Clinger, "How to Read Floating Point Numbers
 * Accurately", 1990). False: not that easy. */
static bool easy_double(uint64_t mantissa, int32_t exponent, double *value) {
    if (!EXACT_DOUBLE || mantissa > UINT64_C(1) << 53 || exponent < -22 || exponent > 22) {
        return false;
    }
    *value = exponent < 0 ? (double)mantissa / POWERS[-exponent] : (double)mantissa * POWERS[exponent];
    return true;
}

double hg_number_to_double(const struct hg_number *number) {
    double value;
    if (number->digits == NULL && easy_double(number->mantissa, number->exponent, &value)) {
        return number->negative ? -value : value;
    }
    struct hg_number copy = *number;
    const uint32_t digits = hg_number_reduce(&copy);
    if (copy.digits != NULL || !easy_double(copy.mantissa, copy.exponent, &value)) {
        char text[HG_NUMBER_TEXT + 16];
        const uint32_t written = hg_number_digits_write(&copy, (uint8_t *)text, HG_NUMBER_TEXT);
        /* Far out of range either way, whatever the digits are; strtod need not cope with such exponents. */
        const int32_t limit = 2000 + (int32_t)digits;
        const int32_t exponent = copy.exponent > limit ? limit : copy.exponent < -limit ? -limit : copy.exponent;
        snprintf(text + written, sizeof text - written, "e%ld", (long)exponent);
        value = strtod(text, NULL);
    }
    return copy.negative ? -value : value;
}

bool hg_number_fits_double(const struct hg_number *number) {
    struct hg_number copy = *number;
    const uint32_t digits = hg_number_reduce(&copy);
    if (copy.digits != NULL || digits > FLOAT_DIGITS) {
        return false;
    }
    if (copy.mantissa == 0) {
        return true;
    }
    const int32_t top = copy.exponent + (int32_t)digits - 1; /* 10^top <= |value| < 10^(top + 1) */
    return top >= -290 && (top < 290 || (top == 290 && copy.mantissa == 1));
}

/* The decimal of at most 15 digits that reads back as value > 0, for values from 1e-7 to 1e36. There is at most one,
 * as these decimals lie further apart than doubles. Where there is one, value times 10^k is so close to its digits
 * (0.11 from the value being a rounded one, 0.07 from the multiplication) that rounding finds them; whether there is
 * one, the way back says. */
static bool short_decimal(double value, struct hg_number *number) {
    if (!EXACT_DOUBLE || !(value >= 1e-7 && value < 1e36)) {
        return false;
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const int32_t power = (int32_t)(bits >> 52) - 1023;        /* 2^power <= value < 2^(power + 1) */
    int32_t k = 14 - ((power * 1233 + 64 * 4096) / 4096 - 64); /* log10(2) is 1233 / 4096: 10^14 <= scaled... */
    double scaled = k >= 0 ? value * POWERS[k] : value / POWERS[-k];
    if (scaled >= 1e15) { /* ... < 10^16: one digit too many */
        k--;
        scaled = k >= 0 ? value * POWERS[k] : value / POWERS[-k];
    }
    const uint64_t digits = (uint64_t)(scaled + 0.5);
    if ((k >= 0 ? (double)digits / POWERS[k] : (double)digits * POWERS[-k]) != value) {
        return false;
    }
    *number = (struct hg_number){.mantissa = digits, .exponent = -k};
    return true;
}

/* `digits` significant digits of value > 0, correctly rounded; true if they read back as value. */
static bool rounded(double value, int digits, struct hg_number *number) {
    char text[40];
    snprintf(text, sizeof text, "%.*e", digits - 1, value);
    uint64_t mantissa = 0;
    const char *p = text;
    for (int left = digits; left > 0; p++) { /* a digit, the radix character, the other digits */
        if (*p >= '0' && *p <= '9') {
            mantissa = mantissa * 10 + (unsigned)(*p - '0');
            left--;
        }
    }
    *number = (struct hg_number){.mantissa = mantissa, .exponent = (int32_t)strtol(p + 1, NULL, 10) - (digits - 1)};
    return hg_number_to_double(number) == value;
}

void hg_number_from_double(double value, struct hg_number *number) {
    const bool negative = value < 0;
    if (negative) {
        value = -value;
    }
    if (value < 9007199254740992.0 && (double)(uint64_t)value == value) { /* 2^53: integers below it are exact */
        *number = (struct hg_number){.mantissa = (uint64_t)value, .negative = negative && value != 0};
        return;
    }
    if (!short_decimal(value, number)) {
        for (int digits = FLOAT_DIGITS; !rounded(value, digits, number) && digits < 17; digits++) {
        }
    }
    hg_number_normalize(number);
    number->negative = negative;
}
