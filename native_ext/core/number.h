/* Exact decimal numbers, as text or as a 64-bit mantissa; never a float where a comparison is asked for. */
#ifndef HEADGATE_NUMBER_H
#define HEADGATE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "inline.h"

/* value = (negative ? -1 : 1) * mantissa * 10^exponent                                  if digits == NULL
 *       = (negative ? -1 : 1) * (the digits, read without their '.') * 10^exponent      otherwise
 * `digits` points into the document or the schema: `count` bytes, ASCII digits with at most one '.' among them; used
 * only for more than 19 significant digits. Not normalised: 10 * 10^-1 and 1 are the same number. */
struct hg_number {
    uint64_t mantissa;
    const uint8_t *digits;
    uint32_t count;
    int32_t exponent;
    bool negative;
};

#define HG_NUMBER_DIGITS 309 /* the most a number has: -1 - n of the largest n in HG_CBOR_BIGNUM bytes */
/* Bytes `hg_number_format` may need: sign, digits, and HG_JSON_NUMBER zeros or point and exponent. */
#define HG_NUMBER_TEXT 448

/* What a byte means behind a number: 0 ends it, anything else belongs to it or makes it malformed. */
enum { HG_NUMBER_END = 0, HG_NUMBER_POINT, HG_NUMBER_DIGIT, HG_NUMBER_OTHER /* e E + - */ };
extern const uint8_t hg_number_class[256] __attribute__((visibility("hidden")));

/* Digits are summed up in a machine word: a 32-bit processor pays for every 64-bit multiplication. */
#if SIZE_MAX > UINT32_MAX
typedef uint64_t hg_number_word;
#define HG_NUMBER_WORD_DIGITS 19 /* 10^19 - 1 < 2^64 */
#define HG_NUMBER_PLAIN_FRACTION 13 /* 12 and the point: times 10^5 at most, as one of them is behind it */
#else
typedef uint32_t hg_number_word;
#define HG_NUMBER_WORD_DIGITS 9
#define HG_NUMBER_PLAIN_FRACTION 10 /* and the point */
#endif

#define HG_NUMBER_PLAIN_DIGITS 18 /* 10^18 - 1 < 2^63 */

/* Adds the digits at p to *value, which may wrap around; -> the byte after them. */
HG_INLINE const uint8_t *hg_number_digits(const uint8_t *p, hg_number_word *value) {
    hg_number_word sum = *value;
    unsigned c;
    for (;; p += 4) { /* four to a turn: a digit is load, subtract, compare, branch, and two steps of times ten plus */
        c = p[0];
        if ((uint8_t)(c - '0') > 9) {
            break;
        }
        sum = sum * 10 + c - '0';
        c = p[1];
        if ((uint8_t)(c - '0') > 9) {
            p += 1;
            break;
        }
        sum = sum * 10 + c - '0';
        c = p[2];
        if ((uint8_t)(c - '0') > 9) {
            p += 2;
            break;
        }
        sum = sum * 10 + c - '0';
        c = p[3];
        if ((uint8_t)(c - '0') > 9) {
            p += 3;
            break;
        }
        sum = sum * 10 + c - '0';
    }
    *value = sum;
    return p;
}

/* `hg_number_scan` for everything: exponents, many digits, and what is no number. */
const uint8_t *hg_number_scan_rare(const uint8_t *p, struct hg_number *number, enum hg_reason *reason,
                                   const uint8_t **at);

/* The digits of a number (its sign is read already) without an exponent, if they fit into a machine word: value =
 * *mantissa * 10^*exponent; -> the byte after it. NULL: it is another one, or none. */
HG_INLINE const uint8_t *hg_number_quick(const uint8_t *p, uint64_t *mantissa, int32_t *exponent) {
    const uint8_t *const first = p;
    hg_number_word value = *p - 0x30u;
    if (HG_UNLIKELY(value > 9)) {
        return NULL;
    }
    p++;
    if (value != 0) {
        p = hg_number_digits(p, &value);
    }
    *exponent = 0;
    unsigned class = hg_number_class[*p];
    if (class == HG_NUMBER_POINT) {
        const uint8_t *const fraction = ++p;
        p = hg_number_digits(p, &value);
        *exponent = (int32_t)(fraction - p);
        class = p == fraction ? HG_NUMBER_OTHER : hg_number_class[*p]; /* a point needs a digit */
    }
    *mantissa = value;
    return HG_LIKELY(class == HG_NUMBER_END && p - first <= HG_NUMBER_WORD_DIGITS) ? p : NULL;
}

/* The same, and the number of millionths is below 2^63. */
HG_INLINE const uint8_t *hg_number_plain(const uint8_t *p, uint64_t *mantissa, int32_t *exponent) {
    const uint8_t *const first = p;
    hg_number_word value = *p - 0x30u;
    if (HG_UNLIKELY(value > 9)) {
        return NULL;
    }
    p++;
    if (value != 0) {
        p = hg_number_digits(p, &value);
    }
    if (*p != '.') {
        *mantissa = value;
        *exponent = 0;
#if HG_NUMBER_WORD_DIGITS < HG_NUMBER_PLAIN_DIGITS
        if (p - first > HG_NUMBER_WORD_DIGITS) { /* as a time in seconds: of the last nine digits, the sum modulo 2^32 tells all */
            uint32_t high = 0;
            for (const uint8_t *q = first; p - q > HG_NUMBER_WORD_DIGITS; q++) {
                high = high * 10 + (*q - 0x30u);
            }
            *mantissa = (uint64_t)high * 1000000000u;
            *mantissa += value - (uint32_t)*mantissa;
        }
#endif
        return HG_LIKELY((*p == ',' || hg_number_class[*p] == HG_NUMBER_END) && p - first <= HG_NUMBER_PLAIN_DIGITS)
                   ? p
                   : NULL;
    }
    const uint8_t *const fraction = ++p;
    p = hg_number_digits(p, &value);
    *mantissa = value;
    *exponent = (int32_t)(fraction - p);
    return HG_LIKELY((*p == ',' || hg_number_class[*p] == HG_NUMBER_END) && (uint32_t)(p - fraction - 1) < 6 &&
                     p - first <= HG_NUMBER_PLAIN_FRACTION)
               ? p
               : NULL; /* a point needs a digit */
}

/* Behind a minus sign at p. Most numbers of a device have the same sign as the one before. */
HG_INLINE const uint8_t *hg_number_sign(const uint8_t *p, bool *negative) {
    *negative = *p == '-';
    if (HG_UNLIKELY(*p == '-')) {
        p++;
        HG_STAY_BRANCH(p);
    }
    return p;
}

/* The JSON number at p (its first byte is '-' or a digit; the text ends with a byte that cannot be part of a number,
 * a NUL at the latest) -> the byte after it, or NULL with *reason and *at set. Bounds: HG_JSON_NUMBER digits,
 * |exponent| as written and in the normal form <= HG_JSON_EXPONENT. In line for the numbers devices send: `number`
 * can stay in registers. */
HG_INLINE const uint8_t *hg_number_scan(const uint8_t *p, struct hg_number *number, enum hg_reason *reason,
                                        const uint8_t **at) {
    bool negative;
    uint64_t mantissa;
    int32_t exponent;
    const uint8_t *after = hg_number_quick(hg_number_sign(p, &negative), &mantissa, &exponent);
    if (HG_LIKELY(after != NULL)) {
        *number = (struct hg_number){.mantissa = mantissa, .exponent = exponent, .negative = negative};
        return after;
    }
    struct hg_number rare; /* not *number itself: its address would leave, and its fields could not live in registers */
    after = hg_number_scan_rare(p, &rare, reason, at);
    *number = rare;
    return after;
}

/* -1, 0, 1 by mathematical value; work bounded by the number of digits. */
int hg_number_compare(const struct hg_number *a, const struct hg_number *b);

/* The same, in line for mantissas with the same exponent, and for small ones with exponents not far apart. */
static inline int hg_number_compare_fast(const struct hg_number *a, const struct hg_number *b) {
    static const uint32_t POWERS[10] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};
    const uint64_t both = a->mantissa | b->mantissa;
    const int32_t shift = a->exponent - b->exponent; /* each within +-(HG_JSON_EXPONENT + digits): no overflow */
    if (a->digits == NULL && b->digits == NULL &&
        (both >> 31 == 0 ? shift >= -9 && shift <= 9 : both >> 63 == 0 && shift == 0)) {
        uint64_t x = a->mantissa, y = b->mantissa;
        if (shift > 0) {
            x = (uint64_t)(uint32_t)x * POWERS[shift];
        } else if (shift < 0) {
            y = (uint64_t)(uint32_t)y * POWERS[-shift];
        }
        const int64_t left = a->negative ? -(int64_t)x : (int64_t)x, right = b->negative ? -(int64_t)y : (int64_t)y;
        return (left > right) - (left < right);
    }
    const struct hg_number copy_a = *a, copy_b = *b; /* as in hg_number_scan */
    return hg_number_compare(&copy_a, &copy_b);
}

/* The rest of `hg_number_is_integer`, which has already looked whether the mantissa has enough factors of two. */
bool hg_number_is_whole(const struct hg_number *number);

static inline bool hg_number_is_integer(const struct hg_number *number) {
    if (number->exponent >= 0) {
        return true;
    }
    /* 10^k divides the mantissa only if 2^k does: most fractions go here. */
    if (number->digits == NULL && number->exponent > -32 &&
        ((uint32_t)number->mantissa & ((UINT32_C(1) << -number->exponent) - 1)) != 0) {
        return false;
    }
    const struct hg_number copy = *number;
    return hg_number_is_whole(&copy);
}

/* value / of is an integer. `of` > 0, with at most 18 significant digits (digits == NULL). */
bool hg_number_is_multiple(const struct hg_number *value, const struct hg_number *of);
/* Equal for equal numbers; keyed, so that nobody can prepare collisions. */
uint64_t hg_number_hash(const struct hg_number *number, const uint8_t seed[16]);

/* True if the value is an integer of 64 bits with sign, or without (negative == false then, or it is -0). */
bool hg_number_int64_rare(const struct hg_number *number, int64_t *value);
bool hg_number_uint64(const struct hg_number *number, uint64_t *value);

static inline bool hg_number_int64(const struct hg_number *number, int64_t *value) {
    if (number->exponent == 0 && number->digits == NULL && number->mantissa <= INT64_MAX) {
        *value = number->negative ? -(int64_t)number->mantissa : (int64_t)number->mantissa;
        return true;
    }
    if (!hg_number_is_integer(number)) {
        return false;
    }
    const struct hg_number copy = *number; /* as in hg_number_scan */
    int64_t rare;
    const bool fits = hg_number_int64_rare(&copy, &rare);
    *value = rare;
    return fits;
}

/* The normal form: trailing zeros of the mantissa go into the exponent (0 is 0 * 10^0). -> significant digits (1 for
 * 0). Leading zeros and '.' of `digits` do not count. With digits != NULL the mantissa stays text:
 * `digits`/`count`/`exponent` are shortened. */
uint32_t hg_number_normalize(struct hg_number *number);

/* A finite double stands for the shortest decimal of 15, 16 or 17 digits that reads back as itself: what JSON would
 * say. The digits always fit in 64 bits, so digits == NULL in the result. */
void hg_number_from_double(double value, struct hg_number *number);
/* The nearest double (ties to even; infinite if out of range). Works without the locale. */
double hg_number_to_double(const struct hg_number *number);
/* True if the number has at most 15 significant digits and 1e-290 <= |value| <= 1e290, or is 0: then the double
 * nearest to it stands for it (hg_number_from_double gives it back), and CBOR carries it as a float. */
bool hg_number_fits_double(const struct hg_number *number);

/* A big-endian unsigned integer of `length` <= HG_CBOR_BIGNUM bytes, plus `add` (0 or 1: -1 - n of CBOR's tag 3), as
 * decimal digits in `text` (HG_NUMBER_TEXT bytes, must outlive the number). */
void hg_number_from_bytes(const uint8_t *bytes, uint32_t length, unsigned add, bool negative, uint8_t *text,
                          struct hg_number *number);
/* The digits (without exponent) as a big-endian unsigned integer minus `less` (0 or 1), in bytes[HG_CBOR_BIGNUM]; ->
 * its length without leading zero bytes. */
uint32_t hg_number_to_bytes(const struct hg_number *number, unsigned less, uint8_t *bytes);

/* The number as `str` of the pure twin writes it (headgate.core.number): JSON text; -> bytes written, at most
 * HG_NUMBER_TEXT. */
uint32_t hg_number_format(const struct hg_number *number, uint8_t *text);
/* The same as `dumps` of the pure twin writes it (headgate.core.json): an integer of more than HG_JSON_NUMBER bytes
 * gives up its trailing zeros for an exponent, so that the parser takes it again if it can. */
uint32_t hg_number_format_json(const struct hg_number *number, uint8_t *text);

#endif
