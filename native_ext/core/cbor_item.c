#include "cbor_item.h"

#include "values.h"

#define INDEFINITE UINT32_MAX /* items of a container that ends with "break" */

/* RFC 8949 section 3.4; other tags are foreign. */
enum { TAG_DATE, TAG_EPOCH, TAG_BIGNUM, TAG_NEGATIVE, TAG_DECIMAL, TAG_FOREIGN, TAG_SELF = 55799 };

#define N HG_T_NUMBER
#define B HG_T_BYTES
#define S HG_T_STRING
#define A HG_T_ARRAY
#define O HG_T_OBJECT
#define F HG_T_FOREIGN
#define X HG_T_FAULT
#define Q HG_CBOR_ASK
#define EIGHT(t) t, t, t, t, t, t, t, t
const uint8_t hg_cbor_tokens[256] = {
    EIGHT(N), EIGHT(N), EIGHT(N), N, N, N, N, X, X, X, X, /* 0x00 unsigned */
    EIGHT(N), EIGHT(N), EIGHT(N), N, N, N, N, X, X, X, X, /* 0x20 negative */
    EIGHT(B), EIGHT(B), EIGHT(B), B, B, B, B, X, X, X, B, /* 0x40 byte string */
    EIGHT(S), EIGHT(S), EIGHT(S), S, S, S, S, X, X, X, S, /* 0x60 text string */
    EIGHT(A), EIGHT(A), EIGHT(A), A, A, A, A, X, X, X, A, /* 0x80 array */
    EIGHT(O), EIGHT(O), EIGHT(O), O, O, O, O, X, X, X, O, /* 0xa0 map */
    EIGHT(Q), EIGHT(Q), EIGHT(Q), Q, Q, Q, Q, X, X, X, X, /* 0xc0 tag */
    /* 0xe0 simple values and floats */
    EIGHT(F), EIGHT(F), F, F, F, F, HG_T_FALSE, HG_T_TRUE, HG_T_NULL, F, F, Q, Q, Q, X, X, X, X,
};
#undef N
#undef B
#undef S
#undef A
#undef O
#undef F
#undef X
#undef Q
#undef EIGHT

/* ---- the document as a row of heads ---- */

void hg_cbor_start(struct hg_run *run) {
    const uint8_t *p = run->data;
    struct hg_cbor_head head;
    run->stop = run->end;
    if (run->end - run->data <= HG_CBOR_ITEMS) {
        return; /* each head takes a byte at least */
    }
    for (uint32_t items = 0; hg_cbor_head(p, run->end, &head) == HG_NO_FAULT;) {
        const bool text = head.major == HG_CBOR_BYTES || head.major == HG_CBOR_TEXT;
        if (*p != HG_CBOR_STOP && items++ == HG_CBOR_ITEMS) {
            run->stop = p;
            run->wide = p < run->wide ? p : run->wide;
            return;
        }
        if (text && head.argument > (size_t)(run->end - head.after)) {
            return; /* the reader will not come past it either */
        }
        p = text ? head.after + head.argument : head.after;
    }
}

/* ---- numbers ---- */

/* The float with this head (RFC 8949 section 3.3), as binary64. */
static uint64_t widened(const struct hg_cbor_head *head) {
    if (head->info == 27) {
        return head->argument;
    }
    const bool half = head->info == 25;
    const unsigned lost = half ? 10 : 23, bias = half ? 15 : 127;
    uint64_t fraction = head->argument & (((uint64_t)1 << lost) - 1);
    uint64_t exponent = head->argument >> lost & (half ? 31 : 255);
    const uint64_t sign = head->argument >> (half ? 15 : 31) << 63;
    if (exponent == 2 * bias + 1) {
        exponent = 2047;
    } else if (exponent != 0) {
        exponent += 1023 - bias;
    } else if (fraction != 0) { /* subnormal in its own format only */
        exponent = 1024 - bias;
        for (; fraction >> lost == 0; exponent--) {
            fraction <<= 1;
        }
        fraction &= ((uint64_t)1 << lost) - 1;
    }
    return sign | exponent << 52 | fraction << (52 - lost);
}

static bool is_float(const struct hg_cbor_head *head) {
    return head->major == HG_CBOR_OTHER && head->info >= 25 && head->info <= 27;
}

static bool is_finite(uint64_t bits) { return (bits >> 52 & 2047) != 2047; }

/* The bytes of a checked byte string, definite or not, as far as there is room -> after it; *size: how many there
 * are. */
static const uint8_t *gather(const uint8_t *p, const uint8_t *end, uint8_t *bytes, uint32_t room, uint32_t *size) {
    struct hg_cbor_head head;
    (void)hg_cbor_head(p, end, &head);
    const bool chunked = head.indefinite;
    *size = 0;
    p = head.after;
    do {
        if (chunked) {
            if (*p == HG_CBOR_STOP) {
                return p + 1;
            }
            (void)hg_cbor_head(p, end, &head);
        }
        const uint32_t length = (uint32_t)head.argument, fits = length < room - *size ? length : room - *size;
        memcpy(bytes + *size, head.after, fits);
        *size += fits;
        p = head.after + length;
    } while (chunked);
    return p;
}

/* The integer or bignum at p in a checked item -> after it, or NULL if something else is there. */
static const uint8_t *read_integer(const uint8_t *p, const uint8_t *end, struct hg_number *number, uint8_t *room) {
    static const uint8_t TWO_TO_64[] = "18446744073709551616";
    struct hg_cbor_head head;
    (void)hg_cbor_head(p, end, &head);
    if (head.major <= 1) {
        const bool negative = head.major == 1;
        *number = (struct hg_number){.mantissa = head.argument + negative, .negative = negative};
        if (negative && number->mantissa == 0) {
            number->digits = TWO_TO_64;
            number->count = sizeof TWO_TO_64 - 1;
        }
        return head.after;
    }
    if (head.major == HG_CBOR_TAG && (head.argument == TAG_BIGNUM || head.argument == TAG_NEGATIVE)) {
        uint8_t bytes[HG_CBOR_BIGNUM];
        uint32_t size;
        const bool negative = head.argument == TAG_NEGATIVE;
        p = gather(head.after, end, bytes, sizeof bytes, &size);
        hg_number_from_bytes(bytes, size, negative, negative, room, number);
        return p;
    }
    return NULL;
}

/* p: at the content of tag 4, a checked item. *after and *number are set if there is no fault. */
static enum hg_reason read_decimal(const uint8_t *p, const uint8_t *end, struct hg_number *number, uint8_t *room,
                                   const uint8_t **after) {
    struct hg_cbor_head head;
    struct hg_number exponent;
    int64_t power = 0;
    (void)hg_cbor_head(p, end, &head);
    if (head.major != HG_CBOR_ARRAY || (!head.indefinite && head.argument != 2)) {
        return HG_CBOR_DECIMAL;
    }
    if ((p = read_integer(head.after, end, &exponent, room)) == NULL) { /* so the end of an empty one is none as well */
        return HG_CBOR_DECIMAL;
    }
    const bool in_range =
        hg_number_int64(&exponent, &power) && power >= -HG_JSON_EXPONENT && power <= HG_JSON_EXPONENT;
    if ((p = read_integer(p, end, number, room)) == NULL || (head.indefinite && *p != HG_CBOR_STOP)) {
        return HG_CBOR_DECIMAL;
    }
    if (!in_range) {
        return HG_CBOR_DECIMAL_RANGE;
    }
    number->exponent += (int32_t)power;
    *after = p + head.indefinite;
    return HG_NO_FAULT;
}

const uint8_t *hg_cbor_number(struct hg_run *run, const uint8_t *p, struct hg_number *number, uint8_t *room) {
    struct hg_cbor_head head;
    if (*p <= 0x3B && (*p & 31) == 27 && run->end - p >= 9) { /* an integer of 64 bits */
        return read_integer(p, run->end, number, room);
    }
    if (*p >> 5 == HG_CBOR_OTHER) {
        if (HG_LIKELY(hg_cbor_head(p, run->end, &head) == HG_NO_FAULT)) {
            const uint64_t bits = widened(&head);
            double value;
            memcpy(&value, &bits, sizeof value);
            hg_number_from_double(value, number);
            return head.after;
        }
        return hg_cbor_judge(run, p);
    }
    const uint8_t *after = hg_cbor_judge(run, p);
    if (after != NULL && read_integer(p, run->end, number, room) == NULL) {
        (void)hg_cbor_head(p, run->end, &head);
        (void)read_decimal(head.after, run->end, number, room, &after); /* has been judged */
    }
    return after;
}

/* ---- any item ---- */

/* What the judge remembers of a finished item. */
enum kind { OTHER, TEXT, BYTES, NUMBER };

struct open {
    const uint8_t *start;
    uint32_t left;  /* items (or pairs) to come, or INDEFINITE */
    uint32_t count; /* pairs so far; of a string in chunks: bytes */
    uint8_t major;
    uint8_t tag;   /* TAG_... */
    bool in_value; /* of a map: the name was read */
};

static enum hg_reason judge_tag(const struct hg_run *run, const struct open *tag, enum kind *kind, uint32_t size) {
    uint8_t room[HG_NUMBER_TEXT];
    struct hg_number number;
    struct hg_cbor_head head;
    const uint8_t *after;
    switch (tag->tag) {
    case TAG_DATE:
        return *kind == TEXT ? HG_NO_FAULT : HG_CBOR_TAGGED;
    case TAG_EPOCH:
        return *kind == NUMBER ? HG_NO_FAULT : HG_CBOR_TAGGED;
    case TAG_BIGNUM:
    case TAG_NEGATIVE:
        if (*kind != BYTES) {
            return HG_CBOR_BAD_BIGNUM;
        }
        *kind = NUMBER;
        return size <= HG_CBOR_BIGNUM ? HG_NO_FAULT : HG_CBOR_BIGNUM_LONG;
    case TAG_DECIMAL:
        *kind = NUMBER;
        (void)hg_cbor_head(tag->start, run->end, &head);
        return read_decimal(head.after, run->end, &number, room, &after);
    default:
        *kind = OTHER;
        return HG_NO_FAULT;
    }
}

/* The map that ends before p has no name twice. Foreign maps only: the engine looks after all others. What was found
 * good before, up to `judged`, is not asked again: each map is read again for this, and those in it must not be read
 * again for each map around them. */
static bool names_differ(struct hg_run *run, const struct open *map, const uint8_t *p, const uint8_t *judged) {
    const uint8_t *twice;
    if (map->count < 2 || map->start < judged) {
        return true;
    }
    if (hg_cbor_unique(run, map->start, true, map->count, &twice)) {
        run->judged = p;
        return true;
    }
    run->judged = judged; /* what is in this one was found good, but it must be asked for again where that is explained */
    if (twice != NULL) {
        (void)hg_malformed(run, HG_DUPLICATE_NAME, twice);
    }
    return false;
}

const uint8_t *hg_cbor_judge(struct hg_run *run, const uint8_t *p) {
    struct open stack[HG_DOCUMENT_DEPTH];
    const uint32_t most = run->depth < HG_DOCUMENT_DEPTH ? run->depth : HG_DOCUMENT_DEPTH;
    const uint8_t *const judged = run->judged;
    uint32_t depth = 0;
    for (;;) {
        const uint8_t *start = p;
        struct open *around = depth > 0 ? &stack[depth - 1] : NULL;
        struct hg_cbor_head head;
        enum kind kind = OTHER;
        uint32_t size = 0;
        enum hg_reason reason = hg_cbor_head(p, run->end, &head);
        if (reason != HG_NO_FAULT) {
            return hg_malformed(run, reason, start);
        }
        p = head.after;
        if (*start == HG_CBOR_STOP) {
            if (around == NULL || around->left != INDEFINITE || around->in_value) {
                return hg_malformed(run, HG_CBOR_BREAK, start);
            }
            if (around->major == HG_CBOR_MAP && !names_differ(run, around, p, judged)) {
                return NULL;
            }
            kind = around->major == HG_CBOR_TEXT ? TEXT : around->major == HG_CBOR_BYTES ? BYTES : OTHER;
            size = around->count;
            depth--;
        } else {
            if (around != NULL && around->major < HG_CBOR_ARRAY && (head.major != around->major || head.indefinite)) {
                return hg_malformed(run, HG_CBOR_CHUNK, start);
            }
            if (around != NULL && around->major == HG_CBOR_MAP && !around->in_value && head.major != HG_CBOR_TEXT) {
                return hg_malformed(run, HG_CBOR_NAME, start);
            }
            if (start >= run->stop) {
                return hg_malformed(run, HG_CBOR_TOO_MANY, start);
            }
            struct open new = {.start = start, .left = INDEFINITE, .major = head.major};
            bool opens = head.indefinite;
            if (head.major <= 1) {
                kind = NUMBER;
            } else if (head.major == HG_CBOR_OTHER) {
                if (head.info == 24 && head.argument < 32) {
                    return hg_malformed(run, HG_CBOR_SIMPLE, start);
                }
                kind = is_float(&head) && is_finite(widened(&head)) ? NUMBER : OTHER;
            } else if (head.major == HG_CBOR_TAG) {
                opens = true;
                new.left = 1;
                new.tag = head.argument < TAG_FOREIGN ? (uint8_t)head.argument : TAG_FOREIGN;
            } else if (!head.indefinite) {
                if (head.argument > (size_t)(run->end - p)) { /* each item takes a byte at least */
                    return hg_malformed(run, HG_CBOR_LENGTH, start);
                }
                size = (uint32_t)head.argument;
                if (head.major >= HG_CBOR_ARRAY) {
                    opens = size > 0;
                    new.left = size;
                } else {
                    uint32_t characters;
                    if (head.major == HG_CBOR_TEXT && hg_utf8_fault(p, p + size, &characters) != NULL) {
                        return hg_malformed(run, HG_INVALID_UTF8, p);
                    }
                    kind = head.major == HG_CBOR_TEXT ? TEXT : BYTES;
                    p += size;
                }
            }
            if (opens) {
                if (depth >= most) {
                    return hg_malformed(run, HG_TOO_DEEP, start);
                }
                stack[depth++] = new;
                continue;
            }
        }
        /* Hand the finished item to what it stands in, which may be finished by it. */
        for (; depth > 0; depth--) {
            around = &stack[depth - 1];
            if (around->major == HG_CBOR_TAG) {
                reason = judge_tag(run, around, &kind, size);
                if (reason != HG_NO_FAULT) {
                    return hg_malformed(run, reason, around->start);
                }
                continue;
            }
            if (around->major < HG_CBOR_ARRAY) {
                around->count += size;
                break;
            }
            if (around->major == HG_CBOR_MAP) {
                around->in_value = !around->in_value;
                if (around->in_value) {
                    break;
                }
                around->count++;
            }
            if (around->left == INDEFINITE || --around->left > 0) {
                break;
            }
            if (around->major == HG_CBOR_MAP && !names_differ(run, around, p, judged)) {
                return NULL;
            }
            kind = OTHER;
        }
        if (depth == 0) {
            return p;
        }
    }
}

const uint8_t *hg_cbor_no_name(struct hg_run *run, const uint8_t *p) {
    struct hg_cbor_head head;
    enum hg_reason reason = hg_cbor_head(p, run->end, &head);
    if (reason == HG_NO_FAULT) {
        reason = *p == HG_CBOR_STOP              ? HG_CBOR_BREAK
                 : head.major != HG_CBOR_TEXT ? HG_CBOR_NAME
                                              : HG_CBOR_TOO_MANY;
    }
    return hg_malformed(run, reason, p < run->end ? p : run->end);
}

enum hg_token hg_cbor_token(struct hg_run *run, const uint8_t **p) {
    const uint8_t *q = *p;
    struct hg_cbor_head head;
    if (hg_cbor_head(q, run->end, &head) != HG_NO_FAULT) {
        return HG_T_FAULT;
    }
    if (head.major == HG_CBOR_OTHER) {
        return is_finite(widened(&head)) ? HG_T_NUMBER : HG_T_FOREIGN;
    }
    if (q == run->data && head.argument == TAG_SELF) {
        if (run->depth == 0) {
            return HG_T_FAULT;
        }
        /* The tag counts as a container around the whole document; that may be read from here more than once. */
        if (run->depth == run->program->max_depth) {
            run->depth--;
        }
        *p = head.after;
        if (*p >= run->stop) {
            return HG_T_FAULT;
        }
        const uint8_t token = hg_cbor_tokens[**p];
        return token != HG_CBOR_ASK ? (enum hg_token)token : hg_cbor_token(run, p);
    }
    if (head.argument > TAG_DECIMAL) {
        return HG_T_FOREIGN;
    }
    if (head.argument > TAG_EPOCH) {
        return HG_T_NUMBER;
    }
    /* A date: judged as a whole, then taken for what it is about. */
    if (hg_cbor_judge(run, q) == NULL) {
        return HG_T_FAULT;
    }
    do {
        q = head.after;
        (void)hg_cbor_head(q, run->end, &head);
    } while (head.major == HG_CBOR_TAG && head.argument <= TAG_EPOCH);
    *p = q;
    return head.major == HG_CBOR_TEXT ? HG_T_STRING : HG_T_NUMBER;
}
