/* Decimal digits of integers, up to four at a time. */
#ifndef HEADGATE_DECIMAL_H
#define HEADGATE_DECIMAL_H

#include <stdint.h>
#include <string.h>

#include "inline.h"

#define HG_DECIMAL 20 /* bytes: an int64_t with its sign, or a uint64_t */

extern const char HG_PAIRS[201]; /* "00" to "99" */

/* At 4 times a number below 1000 its three digits, then a byte: 16 times how many zeros it has in front (the last digit is none of
 * them), and how many digits are left without the zeros at its end. decimal_triples.c */
extern const uint8_t HG_TRIPLES[4 * 1000];

/* 1 to 20; 0 has one digit. */
HG_INLINE uint32_t hg_decimal_digits(uint64_t number) {
    uint32_t digits = 1, rest;
    for (; number > UINT32_MAX; number /= 10000) {
        digits += 4;
    }
    for (rest = (uint32_t)number; rest >= 10000; rest /= 10000) {
        digits += 4;
    }
    return digits + (rest >= 10) + (rest >= 100) + (rest >= 1000);
}

/* The digits, of which the last one goes before `end`; -> the first one. */
HG_INLINE uint8_t *hg_decimal_before(uint8_t *end, uint64_t number) {
    for (; number > UINT32_MAX; number /= 100) { /* a loop of its own: 32-bit processors divide these by a call */
        end -= 2;
        memcpy(end, HG_PAIRS + 2 * (number % 100), 2);
    }
    uint32_t rest = (uint32_t)number;
    for (; rest >= 10000; rest /= 10000) {
        const uint32_t four = rest % 10000;
        end -= 4;
        memcpy(end, HG_PAIRS + 2 * (four / 100), 2);
        memcpy(end + 2, HG_PAIRS + 2 * (four % 100), 2);
    }
    if (rest >= 100) {
        end -= 2;
        memcpy(end, HG_PAIRS + 2 * (rest % 100), 2);
        rest /= 100;
    }
    if (rest >= 10) {
        end -= 2;
        memcpy(end, HG_PAIRS + 2 * rest, 2);
    } else {
        *--end = (uint8_t)('0' + rest);
    }
    return end;
}

/* With its sign, at the end of `digits`; -> the index of the first byte. */
uint32_t hg_decimal(int64_t number, uint8_t digits[HG_DECIMAL]);

#endif
