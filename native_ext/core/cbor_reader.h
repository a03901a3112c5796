/* CBOR as the engine reads it (RFC 8949): functions of the same names and meanings as in json_reader.h. No byte
 * stands behind the document, so every read asks for the end first. Meaning of numbers, texts and tags: cbor_item.h. */
#ifndef HEADGATE_CBOR_READER_H
#define HEADGATE_CBOR_READER_H

#include <float.h>

#include "cbor_item.h"
#include "engine_run.h"

#define HG_R(name) hg_cbor_##name

HG_INLINE const uint8_t *r_white(const struct hg_run *run, const uint8_t *p) {
    (void)run;
    return p;
}

/* What starts at *p, which is moved over tags that say nothing here. */
HG_INLINE enum hg_token r_token(struct hg_run *run, const uint8_t **p) {
    if (HG_UNLIKELY(*p >= run->stop)) {
        return HG_T_FAULT;
    }
    const uint8_t token = hg_cbor_tokens[**p];
    return HG_LIKELY(token != HG_CBOR_ASK) ? (enum hg_token)token : hg_cbor_token(run, p);
}

/* HG_T_FAULT was found at p. */
HG_INLINE const uint8_t *r_no_token(struct hg_run *run, const uint8_t *p) {
    (void)hg_cbor_judge(run, p);
    return NULL;
}

/* Each of the following: p at the token -> after it, or NULL with the fault noted. */
HG_INLINE const uint8_t *r_literal(struct hg_run *run, const uint8_t *p, enum hg_token token) {
    (void)run, (void)token;
    return p + 1;
}

/* The `size` bytes at p, where `room` can be read, are ASCII. false: some are not, or it is not cheap to tell. */
HG_INLINE bool r_ascii(const uint8_t *p, uint32_t size, size_t room) {
    const uint32_t step = HG_SCAN_STEP;
    if (size < step) {
        return HG_LIKELY(room >= step) && hg_scan_before(hg_scan_high(p), size) == 0;
    }
    hg_scan_hits hits = hg_scan_high(p + size - step); /* blocks, of which the last may overlap the one before */
    for (; size > step; size -= step, p += step) {
        hits |= hg_scan_high(p);
    }
    return hits == 0;
}

/* Texts in one run of bytes are plain; all other strings are `escaped`: start and size are those of the whole item.
 * `encoding` is that in which a byte string stands for a text. */
HG_INLINE const uint8_t *r_string(struct hg_run *run, const uint8_t *p, struct hg_text *text, uint32_t encoding) {
    const uint8_t *start = p + 1;
    uint32_t size = *p - 0x60u;
    if (size == 24 && run->end - start > 0) { /* up to 255 bytes */
        size = *start++;
    } else if (size >= 24) {
        size = UINT32_MAX;
    }
    const size_t room = (size_t)(run->end - start);
    if (HG_LIKELY(size <= UINT8_MAX && size <= room && r_ascii(start, size, room))) {
        *text = (struct hg_text){.start = start, .size = size, .characters = size};
        return start + size;
    }
    struct hg_text rare; /* not *text itself: its address would leave, and its fields could not live in registers */
    p = hg_cbor_string(run, p, &rare, encoding);
    *text = rare;
    return p;
}

/* room: HG_NUMBER_TEXT bytes, which must outlive the number. */
HG_INLINE const uint8_t *r_number(struct hg_run *run, const uint8_t *p, struct hg_number *number, uint8_t *room) {
    if (HG_LIKELY(*p < 0x40)) {
        const bool negative = *p >= 0x20;
        const size_t left = (size_t)(run->end - p);
        const uint32_t info = *p & 31u;
        uint32_t argument = info, size = 1;
        if (info >= 24) {
            if (info == 24 && left >= 2) {
                argument = p[1];
                size = 2;
            } else if (info == 25 && left >= 3) {
                argument = hg_big16(p + 1);
                size = 3;
            } else if (info == 26 && left >= 5) {
                argument = hg_big32(p + 1);
                size = 5;
            } else {
                size = 0;
            }
        }
        if (HG_LIKELY(size != 0)) {
            *number = (struct hg_number){.mantissa = (uint64_t)argument + negative, .negative = negative};
            return p + size;
        }
    }
    struct hg_number rare;
    p = hg_cbor_number(run, p, &rare, room);
    *number = rare;
    return p;
}

HG_INLINE const uint8_t *r_foreign(struct hg_run *run, const uint8_t *p) { return hg_cbor_judge(run, p); }

/* p at an array or map -> where r_first goes on. The caller gives run->depth back at the end: for an empty one as
 * well, which may stand where nothing more may be opened. */
HG_INLINE const uint8_t *r_open(struct hg_run *run, const uint8_t *p, struct hg_iter *iter) {
    struct hg_cbor_head head;
    if (HG_LIKELY(hg_cbor_head(p, run->end, &head) == HG_NO_FAULT &&
                  head.argument <= (size_t)(run->end - head.after))) {
        iter->left = head.indefinite ? UINT32_MAX : (uint32_t)head.argument;
        if (HG_LIKELY(run->depth != 0 || iter->left == 0)) {
            run->depth--;
            return head.after;
        }
    }
    return r_no_token(run, p);
}

/* 1: an item or name starts at *p (that it is one is not known yet). 0: the container ended before *p. -1: fault. */
HG_INLINE int r_next(struct hg_run *run, const uint8_t **p, struct hg_iter *iter, bool object) {
    (void)object;
    if (HG_LIKELY(iter->left - 1 < UINT32_MAX - 1)) { /* neither none nor UINT32_MAX */
        iter->left--;
        return 1;
    }
    if (iter->left == 0) {
        return 0;
    }
    if (HG_UNLIKELY(*p >= run->end)) {
        (void)hg_malformed(run, HG_UNEXPECTED_END, run->end);
        return -1;
    }
    if (**p == HG_CBOR_STOP) {
        ++*p;
        return 0;
    }
    return 1;
}

HG_INLINE int r_first(struct hg_run *run, const uint8_t **p, struct hg_iter *iter, bool object) {
    return r_next(run, p, iter, object);
}

/* r_known where it takes more than one look: long names, and close to the end of the document. */
HG_INLINE const uint8_t *r_known_rare(const struct hg_run *run, const uint8_t *p, const struct hg_name *name) {
    const uint32_t length = name->length;
    if (p >= run->stop || *p != (0x60 | length) || length >= 24 ||
        (length != 0 && !hg_same_bytes(p + 1, (size_t)(run->end - p) - 1, hg_at(run->program, name->text), length))) {
        return NULL;
    }
    return p + 1 + length;
}

/* The name at p is `name`: -> where its value starts. NULL: it is another one, or not easy to tell; nothing is
 * noted. */
HG_INLINE const uint8_t *r_known(const struct hg_run *run, const uint8_t *p, const struct hg_name *name) {
#if defined(HG_SCAN_SSE2)
    if (HG_LIKELY(p < run->wide && (name->head & HG_NAME_LONG) == 0)) {
        const uint8_t *quoted = (const uint8_t *)hg_at(run->program, name->text) - 1;
        const uint32_t letters = name->head >> 2 & 0xFFFE; /* the quote is not there: in its place is the head, with the length */
        if (HG_UNLIKELY(*p != (0x60 | name->length) || (hg_differ_sse2(p, quoted) & letters) != 0)) {
            return NULL;
        }
        return p + 1 + name->length;
    }
#endif
    return r_known_rare(run, p, name);
}

/* The same for a text that is a value. */
HG_INLINE const uint8_t *r_known_text(const struct hg_run *run, const uint8_t *p, const struct hg_name *name) {
    return r_known(run, p, name);
}

/* The name at p -> where its value starts. */
HG_INLINE const uint8_t *r_name(struct hg_run *run, const uint8_t *p, struct hg_text *text) {
    if (HG_UNLIKELY(p >= run->stop || *p >> 5 != HG_CBOR_TEXT)) {
        return hg_cbor_no_name(run, p);
    }
    return r_string(run, p, text, 0);
}

/* Before the first value: where it starts. */
HG_INLINE const uint8_t *r_start(struct hg_run *run, const uint8_t *p) {
    hg_cbor_start(run);
    return p;
}

/* Whether the whole document was read: nothing may follow its value. */
HG_INLINE const uint8_t *r_end(struct hg_run *run, const uint8_t *p) {
    return p == run->end ? p : hg_malformed(run, HG_CBOR_AFTER, p);
}

/* The text in pieces of whole characters (only if text->escaped). -> bytes in `piece`, 0 at the end. */
HG_INLINE void r_pieces(struct hg_pieces *pieces, const struct hg_text *text, uint32_t encoding) {
    hg_cbor_pieces(pieces, text, encoding);
}

HG_INLINE uint32_t r_piece(struct hg_pieces *pieces, uint8_t piece[HG_PIECE]) { return hg_cbor_piece(pieces, piece); }

/* A constant of the schema in this encoding. */
HG_INLINE const uint8_t *r_container(const struct hg_program *program, const struct hg_container *container,
                                     uint32_t *length) {
    *length = container->cbor_length;
    return hg_at(program, container->cbor);
}

/* Quick looks, without moving p: false may also mean "not easy to tell". */
HG_INLINE bool r_is_string(const struct hg_run *run, const uint8_t *p) {
    return p < run->stop && *p >> 5 == HG_CBOR_TEXT;
}

HG_INLINE bool r_is_object(const struct hg_run *run, const uint8_t *p) {
    return p < run->stop && *p >> 5 == HG_CBOR_MAP;
}

HG_INLINE bool r_is_array(const struct hg_run *run, const uint8_t *p) {
    return p < run->stop && *p >> 5 == HG_CBOR_ARRAY;
}

/* The float as a number of millionths, if that is the shortest decimal that reads back as it (number.h): below 10^15
 * of them there is only one decimal of 15 digits that does, and six digits after the point are what devices send. */
HG_INLINE bool r_millionths(double value, uint64_t *mantissa, bool *negative) {
#if FLT_EVAL_METHOD == 0
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint64_t sign = bits >> 63;
    bits &= UINT64_MAX >> 1;
    memcpy(&value, &bits, sizeof bits);
    if (HG_LIKELY(value < 1e9)) { /* not NaN either */
        const int64_t millionths = (int64_t)(value * 1e6 + 0.5);
        *mantissa = (uint64_t)millionths;
        *negative = sign & (0 - *mantissa) >> 63; /* -0 is 0. No comparison: on x86 its byte register waits for the one before */
        return (double)millionths / 1e6 == value;
    }
#else
    (void)value, (void)mantissa, (void)negative;
#endif
    return false;
}

/* The plainest values; see json_reader.h. */
HG_INLINE const uint8_t *r_quick_boolean(const struct hg_run *run, const uint8_t *p, enum hg_token *token) {
    if (HG_UNLIKELY(p >= run->stop)) {
        return NULL;
    }
    *token = *p == 0xF5 ? HG_T_TRUE : HG_T_FALSE;
    return HG_LIKELY((*p | 1) == 0xF5) ? p + 1 : NULL;
}

HG_INLINE const uint8_t *r_quick_number(const struct hg_run *run, const uint8_t *p, uint64_t *mantissa,
                                        int32_t *exponent, bool *negative) {
    const ptrdiff_t room = run->stop - p;
    if (HG_UNLIKELY(room <= 0)) {
        return NULL;
    }
    double value;
    uint32_t size = 1;
    if (*p == 0xFB && HG_LIKELY(room >= 9)) { /* most encoders know no other floats */
        const uint64_t bits = hg_big64(p + 1);
        memcpy(&value, &bits, sizeof value);
        size = 9;
    } else {
        const unsigned major = *p >> 5, info = *p & 31;
        uint64_t argument = info;
        if (info >= 24) {
            if (info == 24 && room >= 2) {
                argument = p[1];
                size = 2;
            } else if (info == 25 && room >= 3) {
                argument = (uint64_t)p[1] << 8 | p[2];
                size = 3;
            } else if (info == 26 && room >= 5) {
                argument = hg_big32(p + 1);
                size = 5;
            } else if (info == 27 && room >= 9) {
                argument = hg_big64(p + 1);
                size = 9;
            } else {
                return NULL;
            }
        }
        if (HG_LIKELY(major <= 1)) {
            *negative = major == 1;
            *exponent = 0;
            *mantissa = argument + major;
            return HG_LIKELY(argument < INT64_MAX) ? p + size : NULL;
        }
        if (major != 7 || (size != 5 && (size != 3 || ((argument >> 10 & 31) - 1) >= 30))) {
            return NULL;
        }
        /* a float, or a half that is normal: 8 bits of exponent */
        const uint32_t half = (uint32_t)argument;
        const uint32_t bits = size == 5 ? half : (half & 0x8000) << 16 | (((half & 0x7FFF) << 13) + (112u << 23));
        float narrow;
        memcpy(&narrow, &bits, sizeof narrow);
        value = narrow;
    }
    *exponent = -6;
    return r_millionths(value, mantissa, negative) ? p + size : NULL;
}

/* A map with a name given twice is not valid (RFC 8949 section 5.6), whatever is wanted of JSON. */
HG_INLINE bool r_last_counts(const struct hg_run *run) {
    (void)run;
    return false;
}

#endif
