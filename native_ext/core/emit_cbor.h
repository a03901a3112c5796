/* The writer JSON -> CBOR (RFC 8949): shortest heads, definite lengths, included after json_reader.h.
 *
 * Nothing asks for room, because hg_cbor_bound(length) = 9/4 length + 32 bytes are always enough. In a document
 * every value and name but the outermost value has a byte of its own behind it (comma, colon, bracket or brace).
 * With that byte,
 *   a float, or an integer of 9 bytes, was written with 4 bytes at least ("0.1,", "5e9,"): 9 <= 9/4 * 4
 *   an integer of 2, 3 or 5 bytes, with 3 at least for 2 or 3 bytes ("24,", but "1e3," is 4) and 4 for 5 ("1e5,")
 *   a decimal fraction is 2 bytes, an exponent of 1 to 5 and a mantissa; either it has 16 digits or more (at most 5
 *   bytes and 0.42 of one for each), or an exponent of 3 or more digits ("1e291,": 6 bytes, "1e-999999999,": 8)
 *   a bignum has 20 digits or more, and 3 bytes and 0.42 of one for each
 *   a text of n bytes is n + 3 bytes of JSON, and n + 1 here (n >= 24: n + 2, n >= 256: n + 3, n >= 65536: n + 5)
 *   an array or object is 3 bytes of JSON and 1 byte here (24 items or more: 2, 256: 3, 65536: 5)
 *
 * so all that was written is at most 9/4 of all that was read, or 2.25 bytes more for an outermost number. Short texts
 * are copied 16 bytes at a time, which is at most 16 bytes beyond their end. */
#ifndef HEADGATE_EMIT_CBOR_H
#define HEADGATE_EMIT_CBOR_H

#include <float.h>

#include "engine_run.h"

#define HG_EMITS 1

/* A word at once: of single bytes, gcc makes one with the byte that was written before them, and is not the faster for it. */
HG_INLINE uint8_t *w_big32(uint8_t *out, uint32_t word) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap32(word);
    memcpy(out, &word, 4);
#else
    out[0] = (uint8_t)(word >> 24);
    out[1] = (uint8_t)(word >> 16);
    out[2] = (uint8_t)(word >> 8);
    out[3] = (uint8_t)word;
#endif
    return out + 4;
}

HG_INLINE uint8_t *w_big64(uint8_t *out, uint64_t word) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
    memcpy(out, &word, 8);
    return out + 8;
#else
    return w_big32(w_big32(out, (uint32_t)(word >> 32)), (uint32_t)word);
#endif
}

/* A head: the major type (RFC 8949 section 3.1) and its argument in the shortest form -> the byte after it. */
HG_INLINE uint8_t *w_head(uint8_t *out, unsigned major, uint64_t argument) {
    const unsigned top = major << 5;
    if (HG_LIKELY(argument < 24)) {
        *out = (uint8_t)(top | (unsigned)argument);
        return out + 1;
    }
    if (argument <= UINT8_MAX) {
        out[0] = (uint8_t)(top | 24);
        out[1] = (uint8_t)argument;
        return out + 2;
    }
    if (argument <= UINT16_MAX) {
        out[0] = (uint8_t)(top | 25);
        out[1] = (uint8_t)(argument >> 8);
        out[2] = (uint8_t)argument;
        return out + 3;
    }
    if (argument <= UINT32_MAX) {
        out[0] = (uint8_t)(top | 26);
        return w_big32(out + 1, (uint32_t)argument);
    }
    out[0] = (uint8_t)(top | 27);
    return w_big64(out + 1, argument);
}

/* A normal binary16, as 0.5 and 21.25, given as double. */
HG_INLINE uint8_t *w_half(uint8_t *out, uint64_t bits) {
    const uint32_t narrow = (uint32_t)(bits >> 48 & 0x8000) | ((uint32_t)(bits >> 42 & 0x1FFFFF) - ((1023u - 15) << 10));
    out[0] = 0xF9;
    out[1] = (uint8_t)(narrow >> 8);
    out[2] = (uint8_t)narrow;
    return out + 3;
}

/* A finite double in the shortest format that holds it (RFC 8949 section 4.1). */
static uint8_t *w_float(uint8_t *out, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    const int power = (int)(bits >> 52 & 2047) - 1023;
    unsigned width = 8;
    if (HG_LIKELY((uint32_t)bits << 3 != 0 && power >= -126)) { /* more than 23 bits, as most decimals */
        *out = 0xFB;
        return w_big64(out + 1, bits);
    }
    if (bits << 22 == 0 && power >= -14 && power <= 15) {
        return w_half(out, bits);
    }
    for (int half = 0; half <= 1 && power > -1023; half++) { /* subnormal doubles are too small for the others */
        const int bias = half ? 15 : 127, kept = half ? 10 : 23;
        const int lost = 52 - kept + (power < 1 - bias ? 1 - bias - power : 0); /* more, if subnormal there */
        const uint64_t full = power < 1 - bias ? fraction | UINT64_C(1) << 52 : fraction;
        if (power > bias || lost > 52 || full >> lost << lost != full) {
            break; /* what does not fit into binary32 does not fit into binary16 */
        }
        const uint64_t exponent = power < 1 - bias ? 0 : (uint64_t)(power + bias) << kept;
        const uint64_t narrow = (uint64_t)(value < 0) << (half ? 15 : 31) | exponent | full >> lost;
        bits = narrow << (half ? 48 : 32);
        width = half ? 2 : 4;
    }
    *out++ = width == 8 ? 0xFB : width == 4 ? 0xFA : 0xF9;
    for (unsigned i = 0; i < width; i++, bits <<= 8) {
        *out++ = (uint8_t)(bits >> 56);
    }
    return out;
}

/* The digits of the number, without its exponent, as integer or bignum. */
static uint8_t *w_integer(uint8_t *out, const struct hg_number *number) {
    uint8_t bytes[HG_CBOR_BIGNUM];
    const unsigned negative = number->negative;
    if (number->digits == NULL) {
        return w_head(out, negative, number->mantissa - negative);
    }
    const uint32_t length = hg_number_to_bytes(number, negative, bytes);
    if (length <= 8) {
        uint64_t value = 0;
        for (uint32_t i = 0; i < length; i++) {
            value = value << 8 | bytes[i];
        }
        return w_head(out, negative, value);
    }
    *out++ = (uint8_t)(0xC2 | negative); /* tags 2 and 3, section 3.4.3 */
    out = w_head(out, 2, length);
    memcpy(out, bytes, length);
    return out + length;
}

/* Any number. Integers of 64 bits as such; else the float that stands for it, if one does; else a bignum or decimal
 * fraction. */
static HG_NOINLINE uint8_t *w_number(uint8_t *out, const struct hg_number *number) {
    struct hg_number normal = *number;
    uint64_t integer;
    if (number->digits == NULL && number->mantissa < UINT64_C(1000000000000000) && number->exponent >= -22 &&
        !hg_number_is_integer(number)) { /* what devices send; it fits a double */
        return w_float(out, hg_number_to_double(number));
    }
    (void)hg_number_normalize(&normal);
    const bool negative = normal.negative;
    normal.negative = false;
    const bool small = hg_number_uint64(&normal, &integer);
    normal.negative = negative;
    if (small) {
        return integer == 0 ? w_head(out, 0, 0) : w_head(out, negative, integer - negative);
    }
    if (hg_number_fits_double(&normal)) {
        return w_float(out, hg_number_to_double(&normal));
    }
    if (normal.exponent != 0) {
        *out++ = 0xC4; /* tag 4 on an array of exponent and mantissa, section 3.4.4 */
        *out++ = 0x82;
        const bool down = normal.exponent < 0;
        out = w_head(out, down, down ? (uint64_t)(-1 - (int64_t)normal.exponent) : (uint64_t)normal.exponent);
    }
    return w_integer(out, &normal); /* -2^64 is no bignum: w_integer knows */
}

/* A decimal fraction of at most 15 digits whose nearest double is `value` >= 0. Only if it is an integer itself, that double is one:
 * otherwise it is at least 1 of its last digits away from the next integer, and the double at most 0.11 of them from it. */
static HG_NOINLINE HG_UNUSED uint8_t *w_short(uint8_t *out, double value, bool negative) {
    const uint64_t whole = (uint64_t)(int64_t)value;
    uint64_t bits;
    if ((double)(int64_t)whole == value) {
        negative = negative && whole != 0; /* -0 is 0 */
        return w_head(out, negative, whole - negative);
    }
    memcpy(&bits, &value, sizeof bits);
    if (HG_LIKELY(bits << 22 == 0 && value >= 0x1p-14 && value < 0x1p16)) {
        return w_half(out, bits | (uint64_t)negative << 63);
    }
    return w_float(out, negative ? -value : value);
}

HG_INLINE void e_literal(struct hg_run *run, enum hg_token token) {
    *run->out++ = token == HG_T_FALSE ? 0xF4 : token == HG_T_TRUE ? 0xF5 : 0xF6;
}

/* An integer as such: of a negative one, -1 - value is in the head, which is all its bits turned over. */
HG_INLINE void e_integer(struct hg_run *run, int64_t value) {
    const uint64_t turn = value < 0 ? UINT64_MAX : 0;
    run->out = w_head(run->out, (unsigned)turn & 1, (uint64_t)value ^ turn);
}

#if FLT_EVAL_METHOD == 0 /* doubles are what they say */
/* mantissa * 10^-places, of 1 to 6 places, without a division, which would take longer than all the rest of the number. 10^-places is the sum
 * of two doubles up to 2^-79 of it. The first has 26 bits, so its product with 27 bits is exact; the product with the second is exact up to
 * 2^-79 of the whole. What lies between two doubles is no nearer to the middle of them than 1 / (2^54 * 10^6) > 2^-74 of it, so the one
 * rounding of the sum is the right one. */
HG_INLINE double w_quotient(uint32_t mantissa, unsigned places) {
    static const double TENTHS[2][7] = {
        {1, 0x1.9999998p-4, 0x1.47ae14p-7, 0x1.0624ddp-10, 0x1.a36e2e8p-14, 0x1.4f8b588p-17, 0x1.0c6f7ap-20},
        {0, 0x1.999999999999ap-32, 0x1.eb851eb851eb8p-33, 0x1.78d4fdf3b645ap-37, 0x1.8e219652bd3c3p-41,
         0x1.c6d1e108c3f3ep-46, 0x1.6bdb1a6d698fep-49}};
    const double whole = (double)(int32_t)mantissa; /* of a signed integer: one instruction on x86 */
    return whole * TENTHS[0][places] + whole * TENTHS[1][places];
}
#endif

/* A fraction of at most 15 digits, 1 to 6 of them behind the point. */
HG_INLINE void e_fraction(struct hg_run *run, const struct hg_number *number) {
#if FLT_EVAL_METHOD == 0
    static const double POWERS[7] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    double value;
    if (HG_LIKELY(number->mantissa < UINT32_C(1) << 27)) {
        uint64_t bits;
        value = w_quotient((uint32_t)number->mantissa, (unsigned)-number->exponent);
        memcpy(&bits, &value, sizeof bits);
        if (HG_LIKELY((uint32_t)bits << 3 != 0)) { /* more than 24 bits: no binary32, and no integer below 2^27 / 10 */
            uint8_t *const out = run->out;
            out[0] = 0xFB;
            run->out = w_big64(out + 1, bits | (uint64_t)number->negative << 63);
            return;
        }
    } else {
        value = (double)(int64_t)number->mantissa / POWERS[-number->exponent]; /* both are exact, so it is the nearest double */
    }
    run->out = w_short(run->out, value, number->negative);
#else
    const struct hg_number copy = *number; /* not *number itself: its address would leave */
    run->out = w_number(run->out, &copy);
#endif
}

HG_INLINE void e_number(struct hg_run *run, const struct hg_number *number) {
    if (number->digits == NULL && number->exponent == 0 && number->mantissa <= INT64_MAX) {
        e_integer(run, number->negative ? -(int64_t)number->mantissa : (int64_t)number->mantissa);
    } else if (number->digits == NULL && number->exponent < 0 && number->exponent >= -6 &&
               number->mantissa < UINT64_C(1000000000000000)) {
        e_fraction(run, number);
    } else {
        const struct hg_number copy = *number; /* as above */
        run->out = w_number(run->out, &copy);
    }
}

/* `size` bytes of the document. A call for few would cost more than they do. */
HG_INLINE uint8_t *w_bytes(const struct hg_run *run, uint8_t *out, const uint8_t *bytes, uint32_t size) {
    if (HG_LIKELY(size <= 16 && bytes <= run->wide)) {
        memcpy(out, bytes, 16);
    } else if (size - 8u <= 8) { /* 8 to 16 at the end of the document: two words, which overlap */
        memcpy(out, bytes, 8);
        memcpy(out + size - 8, bytes + size - 8, 8);
    } else if (size - 16u <= 48) { /* 16 to 64: blocks, of which the last may overlap the one before */
        for (uint32_t i = 0; i < size - 16; i += 16) {
            memcpy(out + i, bytes + i, 16);
        }
        memcpy(out + size - 16, bytes + size - 16, 16);
    } else {
        memcpy(out, bytes, size);
    }
    return out + size;
}

/* A text with escapes. What it stands for is never longer than how it is written, so neither is its head. */
static HG_NOINLINE uint8_t *w_unescaped(uint8_t *out, const struct hg_text *text) {
    const uint8_t *p = text->start;
    uint8_t *const bytes = w_head(out, 3, text->size);
    const uint32_t size = hg_unescape(&p, text->start + text->size, bytes, UINT32_MAX);
    uint8_t *const after = w_head(out, 3, size);
    if (after != bytes) {
        memmove(after, bytes, size);
    }
    return after + size;
}

HG_INLINE void e_text(struct hg_run *run, const struct hg_text *text, uint32_t encoding) {
    (void)encoding; /* as JSON it is the encoded text already */
    if (HG_UNLIKELY(text->escaped)) {
        const struct hg_text copy = *text;
        run->out = w_unescaped(run->out, &copy);
        return;
    }
    run->out = w_bytes(run, w_head(run->out, 3, text->size), text->start, text->size);
}

/* The name of a member with so many before it. */
HG_INLINE void e_name(struct hg_run *run, uint32_t index, const struct hg_text *name) {
    (void)index;
    e_text(run, name, 0);
}

/* A string of the schema as a value. */
HG_INLINE void e_known_text(struct hg_run *run, const struct hg_name *name) {
    uint8_t *const out = run->out;
    const uint8_t *text = hg_at(run->program, name->text);
    const uint32_t length = name->length; /* read once: the compiler cannot know that `out` is not in the program */
    if (HG_LIKELY(length < 16)) {
        memcpy(out, text - 1, 16); /* with the byte before it, in the place of which the head goes */
        *out = (uint8_t)(0x60 + length);
        run->out = out + 1 + length;
    } else {
        uint8_t *const after = w_head(out, 3, length);
        memcpy(after, text, length);
        run->out = after + length;
    }
}

HG_INLINE void e_known_name(struct hg_run *run, uint32_t index, const struct hg_name *name) {
    (void)index;
    e_known_text(run, name);
}

/* -> mark for e_close: one byte is reserved for the head. */
HG_INLINE uint8_t *e_open(struct hg_run *run, bool object) {
    (void)object;
    return run->out++;
}

/* Before each item. */
HG_INLINE void e_item(struct hg_run *run, uint32_t index) { (void)run, (void)index; }

static HG_NOINLINE void w_long_head(struct hg_run *run, uint8_t *mark, bool object, uint32_t count) {
    const size_t more = count <= UINT8_MAX ? 1 : count <= UINT16_MAX ? 2 : 4;
    memmove(mark + 1 + more, mark + 1, (size_t)(run->out - mark) - 1);
    (void)w_head(mark, object ? 5 : 4, count);
    run->out += more;
}

HG_INLINE void e_close(struct hg_run *run, uint8_t *mark, bool object, uint32_t count) {
    if (HG_LIKELY(count < 24)) {
        *mark = (uint8_t)((object ? 0xA0 : 0x80) | count);
    } else {
        w_long_head(run, mark, object, count);
    }
}

/* A value that the other encoding does not have: never in JSON. */
HG_INLINE void e_foreign(struct hg_run *run, const uint8_t *at) { (void)run, (void)at; }

#endif
