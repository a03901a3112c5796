/* Numbers as text, and as the bytes of CBOR's bignums (RFC 8949 section 3.4.3). */
#include <string.h>

#include "limits.h"
#include "number_inner.h"

#define BILLION 1000000000u
#define LIMBS (HG_CBOR_BIGNUM / 4 + 1) /* of 32 bits: one more than a bignum has, for the carry of -1 - n */
#define ZEROS 6                        /* more of them in front of a fraction are longer than an exponent */

_Static_assert(HG_CBOR_BIGNUM % 4 == 0, "whole limbs");

/* value = value * factor + add, least significant limb first; -> its limbs in use. */
static uint32_t multiply_add(uint32_t *limbs, uint32_t used, uint32_t factor, uint32_t add) {
    uint64_t carry = add;
    for (uint32_t i = 0; i < used; i++) {
        carry += (uint64_t)limbs[i] * factor;
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0 && used < LIMBS) { /* more than LIMBS hold is against the contract, but stays in bounds */
        limbs[used++] = (uint32_t)carry;
    }
    return used;
}

void hg_number_from_bytes(const uint8_t *bytes, uint32_t length, unsigned add, bool negative, uint8_t *text,
                          struct hg_number *number) {
    uint32_t limbs[LIMBS] = {0}, used = 0;
    *number = (struct hg_number){.negative = negative};
    for (; length > 0 && *bytes == 0; length--) {
        bytes++;
    }
    if (length > HG_CBOR_BIGNUM) {
        length = HG_CBOR_BIGNUM;
    }
    for (uint32_t i = 0; i < length; i++) {
        limbs[i / 4] |= (uint32_t)bytes[length - 1 - i] << 8 * (i % 4);
    }
    used = (length + 3) / 4;
    if (add != 0) {
        used = multiply_add(limbs, used, 1, 1);
    }
    if (used <= 2) {
        number->mantissa = (uint64_t)limbs[1] << 32 | limbs[0];
        return;
    }
    uint8_t *p = text + HG_NUMBER_TEXT; /* nine digits at a time from the end */
    while (used > 0) {
        uint64_t rest = 0;
        for (uint32_t i = used; i-- > 0;) {
            rest = rest << 32 | limbs[i];
            limbs[i] = (uint32_t)(rest / BILLION);
            rest %= BILLION;
        }
        while (used > 0 && limbs[used - 1] == 0) {
            used--;
        }
        uint32_t low = (uint32_t)rest;
        for (int i = 0; i < 9; i++, low /= 10) {
            *--p = (uint8_t)('0' + low % 10);
        }
    }
    while (*p == '0') {
        p++;
    }
    number->digits = p;
    number->count = (uint32_t)(text + HG_NUMBER_TEXT - p);
}

uint32_t hg_number_to_bytes(const struct hg_number *number, unsigned less, uint8_t *bytes) {
    uint32_t limbs[LIMBS] = {0}, used = 0;
    if (number->digits == NULL) {
        limbs[0] = (uint32_t)number->mantissa;
        limbs[1] = (uint32_t)(number->mantissa >> 32);
        used = 2;
    } else {
        for (uint32_t i = 0; i < number->count;) {
            uint32_t chunk = 0, scale = 1; /* nine digits at a time */
            for (; i < number->count && scale < BILLION; i++) {
                if (number->digits[i] != '.') {
                    chunk = chunk * 10 + (uint32_t)(number->digits[i] - '0');
                    scale *= 10;
                }
            }
            used = multiply_add(limbs, used, scale, chunk);
        }
    }
    for (uint32_t i = 0; less != 0 && i < used; i++) { /* minus one: borrow from the first limb that has something */
        less = limbs[i] == 0;
        limbs[i]--;
    }
    uint32_t length = HG_CBOR_BIGNUM;
    for (; length > 0 && (limbs[(length - 1) / 4] >> 8 * ((length - 1) % 4) & 0xff) == 0; length--) {
    }
    for (uint32_t i = 0; i < length; i++) {
        bytes[length - 1 - i] = (uint8_t)(limbs[i / 4] >> 8 * (i % 4));
    }
    return length;
}

/* "e" and the exponent. */
static uint8_t *write_exponent(uint8_t *p, int64_t exponent) {
    *p++ = 'e';
    if (exponent < 0) {
        *p++ = '-';
        exponent = -exponent;
    }
    return p + hg_mantissa_write((uint64_t)exponent, p);
}

/* `longest`: bytes up to which an integer is written out with its zeros. */
static uint32_t format(const struct hg_number *number, uint8_t *text, uint32_t longest) {
    struct hg_number copy = *number;
    hg_number_reduce(&copy);
    uint8_t *p = text;
    if (copy.negative) {
        *p++ = '-';
    }
    const uint32_t digits = hg_number_digits_write(&copy, p, HG_NUMBER_DIGITS);
    const int64_t point = (int64_t)copy.exponent + digits; /* digits left of it */
    if (copy.exponent >= 0) {
        /* The pure twin's int: no exponent up to 10^HG_JSON_NUMBER. */
        p += digits;
        if (copy.exponent > HG_JSON_NUMBER || (copy.exponent > 0 && (int64_t)(p - text) + copy.exponent > longest)) {
            return (uint32_t)(write_exponent(p, copy.exponent) - text);
        }
        memset(p, '0', (size_t)copy.exponent);
        return (uint32_t)(p - text) + (uint32_t)copy.exponent;
    }
    const int64_t zeros = point <= 0 ? 1 - point : 0; /* in front, the one left of the point included */
    if (zeros > ZEROS || zeros + digits > HG_JSON_NUMBER) {
        return (uint32_t)(write_exponent(p + digits, copy.exponent) - text);
    }
    if (zeros > 0) {
        memmove(p + 1 + zeros, p, digits);
        memset(p, '0', (size_t)zeros + 1);
        p[1] = '.';
        return (uint32_t)(p - text) + 1 + (uint32_t)zeros + digits;
    }
    memmove(p + point + 1, p + point, digits - (uint32_t)point);
    p[point] = '.';
    return (uint32_t)(p - text) + digits + 1;
}

uint32_t hg_number_format(const struct hg_number *number, uint8_t *text) {
    return format(number, text, UINT32_MAX);
}

uint32_t hg_number_format_json(const struct hg_number *number, uint8_t *text) {
    return format(number, text, HG_JSON_NUMBER);
}
