/* JSON as the engine reads it (RFC 8259). The document ends with a NUL, which fits no rule of the grammar: no loop needs to ask whether
 * the end is reached. cbor_reader.h has functions of the same names and meanings. */
#ifndef HEADGATE_JSON_READER_H
#define HEADGATE_JSON_READER_H

#include "engine_run.h"

#define HG_R(name) hg_json_##name

/* HG_MALFORMED at p, in the words that fit the place. */
static HG_NOINLINE const uint8_t *r_fault(struct hg_run *run, enum hg_reason reason, const uint8_t *p) {
    if (p >= run->end) {
        reason = HG_UNEXPECTED_END;
        p = run->end;
        if (hg_skip_white(run->data, run->end) == run->end) {
            reason = HG_EMPTY;
        }
    } else if (run->end - run->data >= 3 && memcmp(run->data, "\xef\xbb\xbf", 3) == 0) {
        reason = HG_BYTE_ORDER_MARK;
        p = run->data;
    }
    return hg_malformed(run, reason, p);
}

HG_INLINE const uint8_t *r_white(const struct hg_run *run, const uint8_t *p) {
    return HG_LIKELY(*p > ' ') ? p : hg_skip_white(p, run->end);
}

/* What starts at *p, which may be moved (CBOR: over tags that say nothing here). */
HG_INLINE enum hg_token r_token(struct hg_run *run, const uint8_t **p) {
    (void)run;
    switch (**p) {
    case '"':
        return HG_T_STRING;
    case '{':
        return HG_T_OBJECT;
    case '[':
        return HG_T_ARRAY;
    case 't':
        return HG_T_TRUE;
    case 'f':
        return HG_T_FALSE;
    case 'n':
        return HG_T_NULL;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return HG_T_NUMBER;
    default:
        return HG_T_FAULT;
    }
}

/* Quick looks, without moving p: false may also mean "not easy to tell". */
HG_INLINE bool r_is_string(const struct hg_run *run, const uint8_t *p) {
    (void)run;
    return *p == '"';
}

HG_INLINE bool r_is_object(const struct hg_run *run, const uint8_t *p) {
    (void)run;
    return *p == '{';
}

HG_INLINE bool r_is_array(const struct hg_run *run, const uint8_t *p) {
    (void)run;
    return *p == '[';
}

/* HG_T_FAULT was found at p. */
HG_INLINE const uint8_t *r_no_token(struct hg_run *run, const uint8_t *p) { return r_fault(run, HG_EXPECTED_VALUE, p); }

/* Each of the following: p at the token -> after it, or NULL with the fault noted. */
HG_INLINE const uint8_t *r_literal(struct hg_run *run, const uint8_t *p, enum hg_token token) {
    const char *word = token == HG_T_TRUE ? "true" : token == HG_T_FALSE ? "false" : "null";
    const uint32_t length = token == HG_T_FALSE ? 5 : 4;
    if ((size_t)(run->end - p) < length || memcmp(p, word, length) != 0) {
        /* cut off in the middle of the word, or another word: the twin says the same for both */
        return hg_malformed(run, HG_EXPECTED_VALUE, p);
    }
    return p + length;
}

HG_INLINE const uint8_t *r_string(struct hg_run *run, const uint8_t *p, struct hg_text *text, uint32_t encoding) {
    enum hg_reason reason;
    const uint8_t *at;
    (void)encoding;
    const uint8_t *after = hg_scan_string(p + 1, run->data, run->end, text, &reason, &at);
    return HG_LIKELY(after != NULL) ? after : hg_malformed(run, reason, at);
}

HG_INLINE const uint8_t *r_number(struct hg_run *run, const uint8_t *p, struct hg_number *number, uint8_t *room) {
    enum hg_reason reason;
    const uint8_t *at;
    (void)room;
    const uint8_t *after = hg_number_scan(p, number, &reason, &at);
    return HG_LIKELY(after != NULL) ? after : hg_malformed(run, reason, at);
}

/* The same for the plainest values. NULL: it is none; nothing is noted.
 * Numbers: value = (*negative ? -1 : 1) * *mantissa * 10^*exponent, -6 <= *exponent <= 0, and the mantissa and the
 * number of millionths, if it is a fraction, are at most INT64_MAX. */
HG_INLINE const uint8_t *r_quick_number(const struct hg_run *run, const uint8_t *p, uint64_t *mantissa,
                                        int32_t *exponent, bool *negative) {
    (void)run;
    return hg_number_plain(hg_number_sign(p, negative), mantissa, exponent);
}

HG_INLINE const uint8_t *r_quick_boolean(const struct hg_run *run, const uint8_t *p, enum hg_token *token) {
    if (HG_LIKELY(run->end - p >= 5)) {
        *token = HG_T_TRUE;
        if (memcmp(p, "true", 4) == 0) {
            return p + 4;
        }
        *token = HG_T_FALSE;
        if (memcmp(p, "fals", 4) == 0 && p[4] == 'e') {
            return p + 5;
        }
    }
    return NULL;
}

HG_INLINE const uint8_t *r_foreign(struct hg_run *run, const uint8_t *p) { return r_no_token(run, p); }

/* p at an array or object -> where r_first goes on. The caller gives run->depth back at the end. */
HG_INLINE const uint8_t *r_open(struct hg_run *run, const uint8_t *p, struct hg_iter *iter) {
    (void)iter;
    if (HG_UNLIKELY(run->depth == 0)) {
        return hg_malformed(run, HG_TOO_DEEP, p);
    }
    run->depth--;
    return p + 1;
}

/* 1: an item or name starts at *p (an item after its comma; that it is a value is not known yet). 0: the container ended before *p.
 * -1: fault. */
HG_INLINE int r_first(struct hg_run *run, const uint8_t **p, struct hg_iter *iter, bool object) {
    (void)iter;
    *p = r_white(run, *p);
    if (**p == (object ? '}' : ']')) {
        ++*p;
        return 0;
    }
    return 1;
}

HG_INLINE int r_next(struct hg_run *run, const uint8_t **p, struct hg_iter *iter, bool object) {
    (void)iter;
    const uint8_t *at = *p;
    if (HG_LIKELY(*at == ',')) {
        *p = r_white(run, at + 1);
        return 1;
    }
    at = r_white(run, at);
    if (*at == ',') {
        *p = r_white(run, at + 1);
        return 1;
    }
    if (HG_LIKELY(*at == (object ? '}' : ']'))) {
        *p = at + 1;
        return 0;
    }
    (void)r_fault(run, object ? HG_EXPECTED_COMMA_OR_BRACE : HG_EXPECTED_COMMA_OR_BRACKET, at);
    return -1;
}

/* r_starts where it takes more than one look: long names, close to the end of the document, and names that differ. */
static HG_NOINLINE HG_UNUSED bool r_starts_rare(const struct hg_run *run, const uint8_t *p, const struct hg_name *name,
                                                uint32_t length) {
    const uint8_t *quoted = (const uint8_t *)hg_at(run->program, name->text) - 1;
#if defined(HG_SCAN_SSE2)
    if (length - 17 < 16 && p + length <= run->wide && (name->head & HG_NAME_ESCAPED) == 0) { /* 17 to 32 bytes: two looks */
        return ((hg_differ_sse2(p, quoted) | hg_differ_sse2(p + length - 16, quoted + length - 16)) & 0xFFFF) == 0;
    }
#endif
    return (name->head & HG_NAME_ESCAPED) == 0 && hg_same_bytes(p, (size_t)(run->end - p) + 1, quoted, length);
}

/* At p stand the first `length` bytes of `"name":`, which are all of them less `cut`. */
HG_INLINE bool r_starts(const struct hg_run *run, const uint8_t *p, const struct hg_name *name, uint32_t cut) {
#if defined(HG_SCAN_SSE2)
    if (HG_LIKELY(p <= run->wide)) {
        const uint8_t *quoted = (const uint8_t *)hg_at(run->program, name->text) - 1;
        const uint32_t head = name->head >> cut, differ = hg_differ_sse2(p, quoted);
        if (HG_LIKELY((differ & head) == 0)) { /* with a bit above the first 16, `head` is never done with that */
            return true;
        }
        if ((differ & head & 0xFFFF) != 0) {
            return false;
        }
    }
#endif
    return r_starts_rare(run, p, name, name->length + 3 - cut);
}

/* The name at p is `name`: -> where its value starts. NULL: it is another one, or not easy to tell; nothing is noted. */
HG_INLINE const uint8_t *r_known(const struct hg_run *run, const uint8_t *p, const struct hg_name *name) {
    return HG_LIKELY(r_starts(run, p, name, 0)) ? r_white(run, p + name->length + 3) : NULL;
}

/* The same for a text that is a value: -> the byte after it. */
HG_INLINE const uint8_t *r_known_text(const struct hg_run *run, const uint8_t *p, const struct hg_name *name) {
    return r_starts(run, p, name, 1) ? p + name->length + 2 : NULL;
}

/* The name at p -> where its value starts. */
HG_INLINE const uint8_t *r_name(struct hg_run *run, const uint8_t *p, struct hg_text *text) {
    if (HG_UNLIKELY(*p != '"')) {
        return r_fault(run, HG_EXPECTED_NAME, p);
    }
    p = r_string(run, p, text, 0);
    if (HG_UNLIKELY(p == NULL)) {
        return NULL;
    }
    p = r_white(run, p);
    if (HG_UNLIKELY(*p != ':')) {
        return r_fault(run, HG_EXPECTED_COLON, p);
    }
    return r_white(run, p + 1);
}

/* A name may be given twice. It no longer is in a document that is JSON: duplicates.h has dropped all but the last. */
HG_INLINE bool r_last_counts(const struct hg_run *run) {
    return (run->program->flags & HG_PROGRAM_LAST_DUPLICATE) != 0;
}

#define HG_CAN_PASS

/* p: after the opening quote of a string that was read before -> after the closing one. */
HG_INLINE const uint8_t *r_pass_string(struct hg_run *run, const uint8_t *p) {
    while (p < run->end) {
        if (HG_LIKELY(run->end - p >= HG_SCAN_STEP - 1)) { /* the NUL at the end can be read, too */
            const hg_scan_hits hits = hg_scan_escape(p);
            if (hits == 0) {
                p += HG_SCAN_STEP;
                continue;
            }
            p += hg_scan_first(hits);
        }
        if (*p == '"') {
            return p + 1;
        }
        p += *p == '\\' ? 2 : 1;
    }
    return r_fault(run, HG_UNEXPECTED_END, run->end);
}

static struct hg_passed *r_passed(struct hg_run *run, uint32_t start) {
    if (!run->passing) {
        memset(run->passed, 0, sizeof run->passed);
        run->passing = true;
    }
    return &run->passed[(start ^ start >> 5) % HG_PASSED];
}

/* The array or object at `start` was read, and may be passed over later. */
static HG_NOINLINE HG_UNUSED void r_remember(struct hg_run *run, const uint8_t *start, const uint8_t *after) {
    const uint32_t at = (uint32_t)(start - run->data);
    *r_passed(run, at) = (struct hg_passed){at, (uint32_t)(after - run->data)};
}

/* Over an array or object that was read before: only quotes and brackets need a look. */
static HG_NOINLINE HG_UNUSED const uint8_t *r_pass_container(struct hg_run *run, const uint8_t *p) {
    const uint32_t start = (uint32_t)(p - run->data);
    struct hg_passed *const passed = r_passed(run, start);
    uint32_t depth = 0;
    if (passed->end != 0 && passed->start == start) {
        return run->data + passed->end;
    }
    while (p < run->end) {
        const unsigned c = *p++;
        if (c == '"') {
            if ((p = r_pass_string(run, p)) == NULL) {
                return NULL;
            }
        } else if ((c | 0x20) == '{') { /* [ and { differ in that bit only, and so do ] and } */
            depth++;
        } else if ((c | 0x20) == '}' && --depth == 0) {
            *passed = (struct hg_passed){start, (uint32_t)(p - run->data)};
            return p;
        }
    }
    return r_fault(run, HG_UNEXPECTED_END, run->end);
}

/* Over a value that was read before. */
HG_INLINE const uint8_t *r_pass(struct hg_run *run, const uint8_t *p) {
    if (*p == '"') {
        return r_pass_string(run, p + 1);
    }
    if ((*p | 0x20) == '{') {
        return r_pass_container(run, p);
    }
    while (*p > ' ' && *p != ',' && (*p | 0x20) != '}') { /* a number or a word: up to the comma, bracket or white space behind it */
        p++;
    }
    return p;
}

/* Before the first value: where it starts. */
HG_INLINE const uint8_t *r_start(struct hg_run *run, const uint8_t *p) { return r_white(run, p); }

/* Whether the whole document was read: what may follow its value. */
HG_INLINE const uint8_t *r_end(struct hg_run *run, const uint8_t *p) {
    p = r_white(run, p);
    return p == run->end ? p : hg_malformed(run, HG_DATA_AFTER, p);
}

/* The text in pieces (only if text->escaped). -> bytes in `piece`, 0 at the end. */
HG_INLINE void r_pieces(struct hg_pieces *pieces, const struct hg_text *text, uint32_t encoding) {
    pieces->p = text->start;
    pieces->end = text->start + text->size;
    pieces->encoding = encoding;
}

HG_INLINE uint32_t r_piece(struct hg_pieces *pieces, uint8_t piece[HG_PIECE]) {
    return hg_unescape(&pieces->p, pieces->end, piece, HG_PIECE);
}

/* A constant of the schema in this encoding. */
HG_INLINE const uint8_t *r_container(const struct hg_program *program, const struct hg_container *container,
                                     uint32_t *length) {
    *length = container->json_length;
    return hg_at(program, container->json);
}

#endif
