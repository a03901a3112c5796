/* The bytes of JSON strings: find their end, check UTF-8 (RFC 3629), escapes and surrogates (RFC 8259 section 7, RFC
 * 7493 section 2.1). The inner loop takes 16 bytes at a time with SSE2 or NEON, 32 with AVX2, 8 in plain C; all give
 * the same. */
#ifndef HEADGATE_SCAN_H
#define HEADGATE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "inline.h"
#include "scan_find.h"

/* A text of a document: JSON between the quotes (escapes as written), or the payload of a CBOR text string. */
struct hg_text {
    const uint8_t *start;
    uint32_t size;       /* bytes */
    uint32_t characters; /* code points, each escape (or pair of surrogate escapes) being one */
    bool escaped;        /* JSON with a backslash in it: compare and hash what it stands for, not these bytes */
};

/* The end of the run of white space at p (RFC 8259 section 2), in a document with a NUL at *end. */
const uint8_t *hg_skip_white_run(const uint8_t *p, const uint8_t *end);

/* The same, in line where there is none or a single space. */
static inline const uint8_t *hg_skip_white(const uint8_t *p, const uint8_t *end) {
    if (*p > ' ') {
        return p;
    }
    if (*p == ' ' && p[1] > ' ') { /* as after the colon of pretty-printed JSON */
        return p + 1;
    }
    return hg_skip_white_run(p, end);
}

/* `hg_scan_string` from p on, the bytes before it in the string being plain ASCII that starts at `start`. */
const uint8_t *hg_scan_string_rest(const uint8_t *start, const uint8_t *p, const uint8_t *end, struct hg_text *text,
                                   enum hg_reason *reason, const uint8_t **at);

/* p: after the opening quote of a string in a document [begin, end), where a NUL stands at `end` (*end == 0). -> after
 * the closing quote, or NULL with *reason and *at set: the first byte of a sequence that is not UTF-8, the control
 * character, the backslash of the escape, or `end`. In line for short plain strings: `text` can stay in registers. */
HG_INLINE const uint8_t *hg_scan_string(const uint8_t *p, const uint8_t *begin, const uint8_t *end,
                                        struct hg_text *text, enum hg_reason *reason, const uint8_t **at) {
    const uint8_t *q = p;
    for (int turn = 0; turn < HG_SCAN_TURNS; turn++) {
        if (HG_UNLIKELY(end - q < HG_SCAN_STEP - 1)) { /* *end is read as well; the last bytes are looked at together */
            if (end - begin >= HG_SCAN_STEP - 1) {
                const uint8_t *const last = end - (HG_SCAN_STEP - 1);
                q += hg_scan_first(hg_scan_from(hg_scan_special(last), (size_t)(q - last))); /* the NUL is one */
            }
            break;
        }
        const hg_scan_hits hits = hg_scan_special(q);
        if (hits != 0) {
            q += hg_scan_first(hits);
            break;
        }
        q += HG_SCAN_STEP; /* the NUL at *end was not among them */
    }
    if (*q == '"') {
        const uint32_t size = (uint32_t)(q - p);
        *text = (struct hg_text){.start = p, .size = size, .characters = size};
        return q + 1;
    }
    struct hg_text rest; /* not *text itself: its address would leave, and its fields could not live in registers */
    q = hg_scan_string_rest(p, q, end, &rest, reason, at);
    *text = rest;
    return q;
}

/* The first byte of [p, end) that is not part of well-formed UTF-8, or NULL; counts code points. */
const uint8_t *hg_utf8_fault(const uint8_t *p, const uint8_t *end, uint32_t *characters);

/* Decodes an escaped text (already checked) piece by piece: writes whole code points to out (room >= 4), advances *p
 * up to end. -> bytes written; 0 at the end. */
uint32_t hg_unescape(const uint8_t **p, const uint8_t *end, uint8_t *out, uint32_t room);

/* What two texts stand for is the same. */
bool hg_text_equal(const struct hg_text *a, const struct hg_text *b);
/* Equal for equal texts, however they are escaped; keyed. */
uint64_t hg_text_hash(const struct hg_text *text, const uint8_t seed[16]);

#endif
