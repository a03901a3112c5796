/* The writer CBOR -> JSON: compact UTF-8 text, byte for byte that of headgate.core.json.dumps; included after
 * cbor_reader.h. Writes up to run->out_end and counts in run->out_lost what did not fit, so that the caller knows
 * how much room to make. */
#ifndef HEADGATE_EMIT_JSON_H
#define HEADGATE_EMIT_JSON_H

#include "decimal.h"
#include "engine_run.h"

#define HG_EMITS 1

static HG_NOINLINE void w_lost(struct hg_run *run, const uint8_t *bytes, size_t size) {
    const size_t fits = (size_t)(run->out_end - run->out);
    memcpy(run->out, bytes, fits);
    run->out += fits;
    run->out_lost += size - fits;
}

/* A call for few would cost more than they do: two blocks, which may overlap. */
HG_INLINE void w_bytes(struct hg_run *run, const void *bytes, size_t size) {
    const uint8_t *const from = bytes;
    uint8_t *const out = run->out;
    if (HG_UNLIKELY(size > (size_t)(run->out_end - out))) {
        w_lost(run, from, size);
        return;
    }
    run->out = out + size;
    if (size > 32) {
        memcpy(out, from, size);
    } else if (size >= 16) {
        memcpy(out, from, 16);
        memcpy(out + size - 16, from + size - 16, 16);
    } else if (size >= 8) {
        memcpy(out, from, 8);
        memcpy(out + size - 8, from + size - 8, 8);
    } else if (size >= 4) {
        memcpy(out, from, 4);
        memcpy(out + size - 4, from + size - 4, 4);
    } else if (size != 0) {
        out[0] = from[0];
        out[size / 2] = from[size / 2];
        out[size - 1] = from[size - 1];
    }
}

HG_INLINE void w_byte(struct hg_run *run, char byte) {
    if (HG_UNLIKELY(run->out == run->out_end)) {
        run->out_lost++;
        return;
    }
    *run->out++ = (uint8_t)byte;
}

HG_INLINE void e_literal(struct hg_run *run, enum hg_token token) {
    const char *word = token == HG_T_FALSE ? "false" : token == HG_T_TRUE ? "true" : "null";
    w_bytes(run, word, token == HG_T_FALSE ? 5 : 4);
}

static HG_NOINLINE void w_number(struct hg_run *run, const struct hg_number *number) {
    uint8_t text[HG_NUMBER_TEXT];
    w_bytes(run, text, hg_number_format_json(number, text));
}

HG_INLINE void e_number(struct hg_run *run, const struct hg_number *number) {
    const struct hg_number copy = *number; /* not *number itself: its address would leave */
    w_number(run, &copy);
}

#define PLAIN 32 /* more bytes than the numbers below have */

static HG_NOINLINE void w_integer(struct hg_run *run, int64_t value) {
    w_number(run, &(struct hg_number){.mantissa = value < 0 ? 0 - (uint64_t)value : (uint64_t)value, .negative = value < 0});
}

/* Where there is room for any number. */
HG_INLINE uint8_t *w_digits(uint8_t *out, bool negative, uint64_t magnitude) {
    *out = '-';
    out += negative + hg_decimal_digits(magnitude);
    (void)hg_decimal_before(out, magnitude);
    return out;
}

HG_INLINE void e_integer(struct hg_run *run, int64_t value) {
    if (HG_LIKELY(run->out_end - run->out >= PLAIN)) {
        run->out = w_digits(run->out, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    } else {
        w_integer(run, value);
    }
}

/* Of millionths, as the reader finds them, the last ones are mostly zeros. No fraction of them is written with an exponent. */
HG_INLINE void e_fraction(struct hg_run *run, const struct hg_number *number) {
    const uint64_t whole = number->mantissa / 1000000;
    const uint32_t millionths = (uint32_t)(number->mantissa - whole * 1000000);
    if (HG_UNLIKELY(number->exponent != -6 || millionths == 0 || run->out_end - run->out < PLAIN)) {
        e_number(run, number);
        return;
    }
    const char *const first = HG_PAIRS + 2 * (millionths / 10000), *const middle = HG_PAIRS + 2 * (millionths / 100 % 100),
                     *const last = HG_PAIRS + 2 * (millionths % 100);
    uint8_t *out = w_digits(run->out, number->negative, whole);
    *out = '.';
    memcpy(out + 1, first, 2);
    memcpy(out + 3, middle, 2);
    memcpy(out + 5, last, 2);
    if (last != HG_PAIRS) {
        out += 5 + (last[1] != '0');
    } else if (middle != HG_PAIRS) {
        out += 3 + (middle[1] != '0');
    } else {
        out += 1 + (first[1] != '0');
    }
    run->out = out + 1;
}

HG_INLINE bool w_is_special(uint8_t byte) { return byte < 0x20 || byte == '"' || byte == '\\'; }

/* Whether there is one among 8 bytes: subtracting sets the highest bit of a byte below what is subtracted. */
HG_INLINE bool w_has_special(const uint8_t *p) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t word = hg_load64(p), quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    const uint64_t control = (word - ones * 0x20) & ~word;
    return ((control | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) & ones * 0x80) != 0;
}

/* The first byte of [p, end) that must be escaped in a JSON string (RFC 8259 section 7), or end. */
HG_INLINE const uint8_t *w_find_special(const uint8_t *p, const uint8_t *end) {
    if (end - p >= 8) {
        while (end - p > 8 && !w_has_special(p)) {
            p += 8;
        }
        if (end - p <= 8 && !w_has_special(end - 8)) {
            return end;
        }
    }
    while (p < end && !w_is_special(*p)) {
        p++;
    }
    return p;
}

static void w_escaped(struct hg_run *run, const uint8_t *p, uint32_t size) {
    static const char HEX[] = "0123456789abcdef", ESCAPES[] = "\"\\\b\f\n\r\t", ESCAPED[] = "\"\\bfnrt";
    const uint8_t *const end = p + size;
    for (;;) {
        const uint8_t *special = w_find_special(p, end);
        w_bytes(run, p, (size_t)(special - p));
        if (special == end) {
            return;
        }
        const char *known = *special == 0 ? NULL : strchr(ESCAPES, *special);
        char escape[6] = {'\\', 'u', '0', '0', HEX[*special >> 4], HEX[*special & 15]};
        if (known != NULL) {
            escape[1] = ESCAPED[known - ESCAPES];
        }
        w_bytes(run, escape, known != NULL ? 2 : 6);
        p = special + 1;
    }
}

static void e_text(struct hg_run *run, const struct hg_text *text, uint32_t encoding) {
    w_byte(run, '"');
    if (HG_LIKELY(!text->escaped)) {
        w_escaped(run, text->start, text->size);
    } else {
        struct hg_pieces pieces;
        uint8_t piece[HG_PIECE];
        uint32_t size;
        r_pieces(&pieces, text, encoding);
        while ((size = r_piece(&pieces, piece)) != 0) {
            w_escaped(run, piece, size);
        }
    }
    w_byte(run, '"');
}

HG_INLINE void e_name(struct hg_run *run, const struct hg_text *text) {
    const struct hg_text copy = *text;
    e_text(run, &copy, 0);
    w_byte(run, ':');
}

HG_INLINE void e_known_name(struct hg_run *run, const struct hg_name *name) {
    const uint8_t *text = hg_at(run->program, name->text);
    if (HG_LIKELY((name->head & HG_NAME_ESCAPED) == 0)) {
        w_bytes(run, text - 1, name->length + (size_t)3); /* a quote stands before it, another one and a colon behind it */
        return;
    }
    w_byte(run, '"');
    w_escaped(run, text, name->length);
    w_bytes(run, "\":", 2);
}

HG_INLINE uint8_t *e_open(struct hg_run *run, bool object) {
    w_byte(run, object ? '{' : '[');
    return NULL;
}

/* Before each item or name. */
HG_INLINE void e_item(struct hg_run *run, uint32_t index) {
    if (index != 0) {
        w_byte(run, ',');
    }
}

HG_INLINE void e_close(struct hg_run *run, uint8_t *mark, bool object, uint32_t count) {
    (void)mark, (void)count;
    w_byte(run, object ? '}' : ']');
}

/* A value that JSON does not have: the document may be valid, but it has no JSON text. */
HG_INLINE void e_foreign(struct hg_run *run, const uint8_t *at) {
    if (run->foreign == NULL) {
        run->foreign = at;
    }
}

#endif
