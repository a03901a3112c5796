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

#define PLAIN 32 /* more bytes than the numbers below have, and what is written behind them */

static HG_NOINLINE void w_integer(struct hg_run *run, int64_t value) {
    w_number(run, &(struct hg_number){.mantissa = value < 0 ? 0 - (uint64_t)value : (uint64_t)value, .negative = value < 0});
}

/* The digits of a number below 1000; so many bytes more are written that there are four: those of the next one, which there is where
 * this one has zeros in front. */
HG_INLINE uint8_t *w_triple(uint8_t *out, uint32_t number) {
    const uint8_t *const triple = HG_TRIPLES + 4 * number;
    const uint32_t zeros = triple[3] >> 4;
    memcpy(out, triple + zeros, 4);
    return out + 3 - zeros;
}

/* Where there is room for any number. */
HG_INLINE uint8_t *w_digits(uint8_t *out, bool negative, uint64_t magnitude) {
    *out = '-';
    out += negative;
    if (HG_LIKELY(magnitude < 1000)) {
        return w_triple(out, (uint32_t)magnitude);
    }
    if (HG_LIKELY(magnitude < 1000000)) {
        const uint32_t number = (uint32_t)magnitude, high = number / 1000;
        out = w_triple(out, high);
        memcpy(out, HG_TRIPLES + 4 * (number - high * 1000), 4);
        return out + 3;
    }
    out += hg_decimal_digits(magnitude);
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

/* A point and so many of six digits that the last one is not 0; there is one that is not. */
HG_INLINE uint8_t *w_millionths(uint8_t *out, uint32_t millionths) {
    const uint32_t high = millionths / 1000, low = millionths - high * 1000;
    const uint8_t *const first = HG_TRIPLES + 4 * high, *const last = HG_TRIPLES + 4 * low;
    *out = '.';
    memcpy(out + 1, first, 4);
    if (HG_LIKELY(low == 0)) {
        return out + 1 + (first[3] & 3);
    }
    memcpy(out + 4, last, 4);
    return out + 4 + (last[3] & 3);
}

/* A number of millionths, as r_quick_number finds fractions. None of these is written with an exponent. */
HG_INLINE void e_fraction(struct hg_run *run, const struct hg_number *number) {
    const uint64_t whole = number->mantissa / 1000000;
    const uint32_t millionths = (uint32_t)(number->mantissa - whole * 1000000);
    if (HG_UNLIKELY(run->out_end - run->out < PLAIN)) {
        e_number(run, number);
        return;
    }
    run->out = w_digits(run->out, number->negative, whole);
    if (HG_LIKELY(millionths != 0)) {
        run->out = w_millionths(run->out, millionths);
    }
}

/* The first byte of [p, end) that must be escaped in a JSON string (RFC 8259 section 7), or end. */
HG_INLINE const uint8_t *w_find_escape(const uint8_t *p, const uint8_t *end) {
    for (; end - p >= HG_SCAN_STEP; p += HG_SCAN_STEP) {
        const hg_scan_hits hits = hg_scan_escape(p);
        if (hits != 0) {
            return p + hg_scan_first(hits);
        }
    }
    while (p < end && *p >= 0x20 && *p != '"' && *p != '\\') {
        p++;
    }
    return p;
}

static void w_escaped(struct hg_run *run, const uint8_t *p, uint32_t size) {
    static const char HEX[] = "0123456789abcdef", CONTROLS[] = "uuuuuuuubtnufruuuuuuuuuuuuuuuuuu";
    const uint8_t *const end = p + size;
    for (;;) {
        const uint8_t *special = w_find_escape(p, end);
        w_bytes(run, p, (size_t)(special - p));
        if (special == end) {
            return;
        }
        const char second = *special < 0x20 ? CONTROLS[*special] : (char)*special;
        const char escape[6] = {'\\', second, '0', '0', HEX[*special >> 4], HEX[*special & 15]};
        w_bytes(run, escape, second == 'u' ? 6 : 2);
        p = special + 1;
    }
}

/* Any text. */
static HG_NOINLINE void w_text(struct hg_run *run, const struct hg_text *text, uint32_t encoding) {
    w_byte(run, '"');
    if (!text->escaped) {
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

/* A text of which nothing need be escaped is copied in the turn that finds it out, by blocks, of which the last one overlaps the one
 * before or goes on behind the end of the text. false: there is something, or it stands too close to the end of the document. */
HG_INLINE bool w_plain(const struct hg_run *run, uint8_t *out, const uint8_t *p, uint32_t size) {
    const uint32_t step = HG_SCAN_STEP;
    if (size < step) {
        if (HG_UNLIKELY((size_t)(run->end - p) < step)) {
            return false;
        }
        memcpy(out, p, step);
        return HG_LIKELY(hg_scan_before(hg_scan_escape(p), size) == 0);
    }
    const uint8_t *const last = p + size - step;
    uint8_t *const out_last = out + size - step;
    for (; p < last; p += step, out += step) {
        memcpy(out, p, step);
        if (HG_UNLIKELY(hg_scan_escape(p) != 0)) {
            return false;
        }
    }
    memcpy(out_last, last, step);
    return HG_LIKELY(hg_scan_escape(last) == 0);
}

HG_INLINE void e_text(struct hg_run *run, const struct hg_text *text, uint32_t encoding) {
    uint8_t *const out = run->out;
    const uint32_t size = text->size;
    if (HG_LIKELY(!text->escaped && (size_t)(run->out_end - out) >= (size_t)size + HG_SCAN_STEP + 2 &&
                  w_plain(run, out + 1, text->start, size))) {
        out[0] = out[size + 1] = '"';
        run->out = out + size + 2;
        return;
    }
    const struct hg_text copy = *text;
    w_text(run, &copy, encoding);
}

/* Before each item. */
HG_INLINE void e_item(struct hg_run *run, uint32_t index) {
    if (index != 0) {
        w_byte(run, ',');
    }
}

/* The name of a member with so many before it. */
HG_INLINE void e_name(struct hg_run *run, uint32_t index, const struct hg_text *name) {
    e_item(run, index);
    e_text(run, name, 0);
    w_byte(run, ':');
}

/* `cut` 0: `"name":`; 1: without the colon. */
static HG_NOINLINE void w_known(struct hg_run *run, const struct hg_name *name, uint32_t cut) {
    const uint8_t *text = hg_at(run->program, name->text);
    if ((name->head & HG_NAME_ESCAPED) == 0) {
        w_bytes(run, text - 1, name->length + (size_t)3 - cut);
        return;
    }
    w_byte(run, '"');
    w_escaped(run, text, name->length);
    w_byte(run, '"');
    if (cut == 0) {
        w_byte(run, ':');
    }
}

/* w_known_plain may be called: nothing in the name need be escaped, and there is room, for a comma as well. */
HG_INLINE bool w_known_fits(const struct hg_run *run, const struct hg_name *name) {
    return HG_LIKELY((size_t)(run->out_end - run->out) >= (size_t)name->length + 20 && (name->head & HG_NAME_ESCAPED) == 0);
}

/* `"name":` in blocks from the program, which has 16 bytes behind the last name. */
HG_INLINE void w_known_plain(const struct hg_run *run, uint8_t *out, const struct hg_name *name) {
    const uint8_t *const from = (const uint8_t *)hg_at(run->program, name->text) - 1;
    memcpy(out, from, 16);
    for (uint32_t i = 16; HG_UNLIKELY(i < name->length + 3); i += 16) {
        memcpy(out + i, from + i, 16);
    }
}

HG_INLINE void e_known_name(struct hg_run *run, uint32_t index, const struct hg_name *name) {
    if (HG_LIKELY(w_known_fits(run, name))) {
        uint8_t *out = run->out;
        *out = ',';
        out += index != 0;
        w_known_plain(run, out, name);
        run->out = out + name->length + 3;
        return;
    }
    e_item(run, index);
    w_known(run, name, 0);
}

/* A string of the schema as a value. */
HG_INLINE void e_known_text(struct hg_run *run, const struct hg_name *name) {
    if (HG_LIKELY(w_known_fits(run, name))) {
        w_known_plain(run, run->out, name);
        run->out += name->length + 2;
    } else {
        w_known(run, name, 1);
    }
}

HG_INLINE uint8_t *e_open(struct hg_run *run, bool object) {
    w_byte(run, object ? '{' : '[');
    return NULL;
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
