#include "scan.h"

#include <string.h>

#include "siphash.h"

#define SURROGATE 0xD800u
#define SURROGATE_LOW 0xDC00u
#define SURROGATE_END 0xE000u

#if defined(HG_SCAN_AVX2)
#include "scan_avx2.h"
#define LONG 100 /* bytes that are left: not fewer are worth the question what the processor can do */

static __attribute__((noinline)) const uint8_t *find_special(const uint8_t *p, const uint8_t *end) {
    const uint8_t *const near = end - p > LONG ? p + LONG : end;
    for (; near - p >= 16; p += 16) {
        const unsigned hits = hg_special_sse2(p);
        if (hits != 0) {
            return p + __builtin_ctz(hits);
        }
    }
    return end - p >= 31 && hg_avx2_is_there() ? hg_find_special_avx2(p, end) : hg_find_special_sse2(p, end);
}

static const uint8_t *find_high(const uint8_t *p, const uint8_t *end) {
    return end - p >= LONG && hg_avx2_is_there() ? hg_find_high_avx2(p, end) : hg_find_high_sse2(p, end);
}
#else
#define find_special hg_find_special
#define find_high hg_find_high
#endif

const uint8_t *hg_skip_white_run(const uint8_t *p, const uint8_t *end) { return hg_find_not_white(p, end); }

/* ---- UTF-8 ---- */

/* Four bytes, the first one lowest. */
static inline uint32_t load4(const uint8_t *p) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return bytes;
#else
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
#endif
}

/* Bytes of the well-formed sequence at p, whose lead byte is above 0x7f, or 0 (RFC 3629, Unicode 15 table 3-7). */
static inline unsigned sequence(const uint8_t *p) {
    const uint32_t bytes = load4(p);
    if ((bytes & 0x00C0C0F0) == 0x008080E0) { /* 1110xxxx 10xxxxxx 10xxxxxx */
        const uint32_t high = bytes & 0x0000200F;
        return high != 0 && high != 0x0000200D ? 3 : 0; /* not below U+0800, not a surrogate */
    }
    if ((bytes & 0x0000C0E0) == 0x000080C0) { /* 110xxxxx 10xxxxxx */
        return (bytes & 0x0000001E) != 0 ? 2 : 0; /* not below U+0080 */
    }
    if ((bytes & 0xC0C0C0F8) == 0x808080F0) { /* 11110xxx 10xxxxxx 10xxxxxx 10xxxxxx */
        const uint32_t high = bytes & 0x00003007;
        return high != 0 && ((high & 4) == 0 || high == 4) ? 4 : 0; /* not below U+10000, not above U+10FFFF */
    }
    return 0;
}

/* The same where fewer than four bytes may be left. */
static __attribute__((noinline)) unsigned last_sequence(const uint8_t *p, const uint8_t *end) {
    uint8_t padded[4] = {0}; /* a NUL continues nothing */
    memcpy(padded, p, (size_t)(end - p) < sizeof padded ? (size_t)(end - p) : sizeof padded);
    return sequence(padded);
}

const uint8_t *hg_utf8_fault(const uint8_t *p, const uint8_t *end, uint32_t *characters) {
    uint32_t count = (uint32_t)(end - p);
    const uint8_t *bad = NULL;
    for (p = find_high(p, end); p < end; p = *p < 0x80 ? find_high(p, end) : p) {
        const unsigned size = end - p >= 4 ? sequence(p) : last_sequence(p, end);
        if (size == 0) {
            bad = p;
            count -= (uint32_t)(end - p); /* those before it */
            break;
        }
        p += size;
        count -= size - 1;
        if (p == end) {
            break;
        }
    }
    *characters = count;
    return bad;
}

/* ---- escapes ---- */

#define HEX_ROW(a) [a] = 10, [a + 1] = 11, [a + 2] = 12, [a + 3] = 13, [a + 4] = 14, [a + 5] = 15
/* Values of hexadecimal digits; 0 for everything else and for '0'. */
static const uint8_t HEX[256] = {['1'] = 1, ['2'] = 2, ['3'] = 3, ['4'] = 4,    ['5'] = 5,    ['6'] = 6,
                                 ['7'] = 7, ['8'] = 8, ['9'] = 9, HEX_ROW('a'), HEX_ROW('A')};

/* Four hexadecimal digits, or -1; stops at the first byte that is none. */
static inline int32_t hex4(const uint8_t *p) {
    int32_t code = 0;
    for (int i = 0; i < 4; i++) {
        const int32_t digit = HEX[p[i]];
        if (digit == 0 && p[i] != '0') {
            return -1;
        }
        code = code * 16 + digit;
    }
    return code;
}

static inline bool is_surrogate(int32_t code) { return code >= (int32_t)SURROGATE && code < (int32_t)SURROGATE_END; }

/* The code point of the escape at p (a backslash) into *code; -> its bytes, or 0: not an escape, or half a pair. */
static unsigned escape(const uint8_t *p, uint32_t *code) {
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
        *code = p[1];
        return 2;
    case 'b':
        *code = '\b';
        return 2;
    case 'f':
        *code = '\f';
        return 2;
    case 'n':
        *code = '\n';
        return 2;
    case 'r':
        *code = '\r';
        return 2;
    case 't':
        *code = '\t';
        return 2;
    case 'u':
        break;
    default:
        return 0;
    }
    const int32_t high = hex4(p + 2);
    if (high < 0) {
        return 0;
    }
    *code = (uint32_t)high;
    if (!is_surrogate(high)) {
        return 6;
    }
    if (high >= (int32_t)SURROGATE_LOW || p[6] != '\\' || p[7] != 'u') {
        return 0;
    }
    const int32_t low = hex4(p + 8);
    if (!is_surrogate(low) || low < (int32_t)SURROGATE_LOW) {
        return 0;
    }
    *code = 0x10000u + (((uint32_t)high - SURROGATE) << 10) + ((uint32_t)low - SURROGATE_LOW);
    return 12;
}

/* ---- strings ---- */

/* Why the string at p is none: the steps of `_string` in json.py in their order, so that the same fault wins if
 * there are several. Each part up to a quote or a backslash is judged as a whole. -> the offending byte. */
static __attribute__((noinline, cold)) const uint8_t *judge(const uint8_t *p, const uint8_t *end,
                                                            enum hg_reason *reason) {
    const uint8_t *quote = NULL;
    for (;;) {
        if (quote == NULL || quote < p) {
            quote = memchr(p, '"', (size_t)(end - p));
            if (quote == NULL) {
                *reason = HG_UNEXPECTED_END;
                return end;
            }
        }
        const uint8_t *const backslash = memchr(p, '\\', (size_t)(quote - p));
        const uint8_t *const stop = backslash == NULL ? quote : backslash;
        for (const uint8_t *control = p; control < stop; control++) {
            if (*control < 0x20) {
                *reason = HG_CONTROL_CHARACTER;
                return control;
            }
        }
        uint32_t characters;
        const uint8_t *const bad = hg_utf8_fault(p, stop, &characters);
        if (bad != NULL || backslash == NULL) { /* the second: never, there is a fault in this string */
            *reason = HG_INVALID_UTF8;
            return bad != NULL ? bad : quote;
        }
        uint32_t code;
        const unsigned size = escape(backslash, &code);
        if (size == 0) {
            *reason = HG_INVALID_ESCAPE;
            const int32_t high = backslash[1] == 'u' ? hex4(backslash + 2) : -1;
            if (high < 0) {
                return backslash;
            }
            p = backslash + 6;
            if (high < (int32_t)SURROGATE_LOW && p[0] == '\\' && p[1] == 'u' && hex4(p + 2) < 0) {
                return p; /* the second half of a pair is the broken one */
            }
            *reason = HG_LONE_SURROGATE;
            return backslash;
        }
        p = backslash + size;
    }
}

const uint8_t *hg_scan_string_rest(const uint8_t *start, const uint8_t *p, const uint8_t *end, struct hg_text *text,
                                   enum hg_reason *reason, const uint8_t **at) {
    uint32_t inner = 0; /* bytes that do not begin a character */
    bool escaped = false;
    for (;;) {
        unsigned size = 1;
        while (*p >= 0x80) {
            size = end - p >= 4 ? sequence(p) : last_sequence(p, end);
            if (size == 0) {
                break;
            }
            p += size;
            inner += size - 1;
        }
        if (*p == '"') {
            const uint32_t bytes = (uint32_t)(p - start);
            *text = (struct hg_text){.start = start, .size = bytes, .characters = bytes - inner, .escaped = escaped};
            return p + 1;
        }
        if (*p == '\\') {
            uint32_t code;
            size = escape(p, &code);
            p += size;
            inner += size - 1;
            escaped = true;
        } else if (*p >= 0x20 && size != 0) {
            p = find_special(p + 1, end);
        } else {
            size = 0;
        }
        if (size == 0) {
            *text = (struct hg_text){.start = start};
            *at = judge(start, end, reason);
            return NULL;
        }
    }
}

/* ---- what a text stands for ---- */

static uint32_t encode(uint32_t code, uint8_t *out) {
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xC0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xE0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (code & 0x3F));
    return 4;
}

uint32_t hg_unescape(const uint8_t **p, const uint8_t *end, uint8_t *out, uint32_t room) {
    const uint8_t *from = *p;
    uint32_t written = 0;
    while (from < end) {
        if (*from == '\\') {
            uint32_t code;
            if (room - written < 4) {
                break;
            }
            from += escape(from, &code); /* checked: not 0 */
            written += encode(code, out + written);
            continue;
        }
        const size_t left = (size_t)(end - from), fits = room - written;
        size_t run = 0;
        if (left >= (size_t)HG_SCAN_STEP && fits >= (size_t)HG_SCAN_STEP) { /* a step is copied, and what is plain of it counts */
            const hg_scan_hits hits = hg_scan_special(from);
            memcpy(out + written, from, HG_SCAN_STEP);
            run = hits == 0 ? (size_t)HG_SCAN_STEP : hg_scan_first(hits);
            if (run == 0) { /* the lead byte of a code point */
                run = 2u + (*from >= 0xE0) + (*from >= 0xF0);
            }
        } else {
            const size_t most = left < fits ? left : fits;
            while (run < most && from[run] != '\\') {
                out[written + run] = from[run];
                run++;
            }
            if (left > fits && run == fits) {
                while (run > 0 && (from[run] & 0xC0) == 0x80) { /* not in the middle of a code point */
                    run--;
                }
            }
        }
        from += run;
        written += (uint32_t)run;
        if (run == 0) {
            break;
        }
    }
    *p = from;
    return written;
}

bool hg_text_equal(const struct hg_text *a, const struct hg_text *b) {
    if (!a->escaped && !b->escaped) {
        return a->size == b->size && memcmp(a->start, b->start, a->size) == 0;
    }
    if (a->characters != b->characters) {
        return false;
    }
    if (!b->escaped) {
        const struct hg_text *const plain = b;
        b = a;
        a = plain;
    }
    /* b has escapes: piece by piece against a, which is either taken as it stands or in pieces as well. */
    uint8_t left[64], right[64];
    const uint8_t *p = a->start, *q = b->start;
    const uint8_t *const p_end = p + a->size, *const q_end = q + b->size;
    const uint8_t *x = p;
    uint32_t have = 0, x_have = a->escaped ? 0 : a->size, done = 0;
    for (;;) {
        if (done == have) {
            have = hg_unescape(&q, q_end, right, sizeof right);
            done = 0;
        }
        if (x_have == 0 && a->escaped) {
            x_have = hg_unescape(&p, p_end, left, sizeof left);
            x = left;
        }
        const uint32_t both = have - done < x_have ? have - done : x_have;
        if (both == 0) {
            return have == done && x_have == 0;
        }
        if (memcmp(right + done, x, both) != 0) {
            return false;
        }
        done += both;
        x += both;
        x_have -= both;
    }
}

#define HASH_BLOCK 256 /* bytes of what the text stands for; longer texts are hashed in a chain of such blocks */

static void chain(const uint8_t seed[HG_SEED], uint8_t block[8 + HASH_BLOCK], uint32_t size) {
    const uint64_t hash = hg_siphash13(seed, block, 8 + size);
    memcpy(block, &hash, 8);
}

uint64_t hg_text_hash(const struct hg_text *text, const uint8_t seed[HG_SEED]) {
    const uint8_t *p = text->start, *const end = p + text->size;
    if (!text->escaped && text->size <= HASH_BLOCK) {
        return hg_siphash13(seed, p, text->size);
    }
    uint8_t block[8 + HASH_BLOCK + 4]; /* the hash of all blocks before, one block, room for a character beyond it */
    uint32_t fill = 0;
    bool first = true;
    for (;;) {
        uint32_t more = 0;
        if (text->escaped) {
            more = hg_unescape(&p, end, block + 8 + fill, HASH_BLOCK + 4 - fill);
        } else {
            more = (uint32_t)(end - p) < HASH_BLOCK + 4 - fill ? (uint32_t)(end - p) : HASH_BLOCK + 4 - fill;
            memcpy(block + 8 + fill, p, more);
            p += more;
        }
        fill += more;
        if (fill <= HASH_BLOCK) {
            if (more != 0) {
                continue;
            }
            break; /* the last block; a text of one block has no chain */
        }
        if (first) {
            memset(block, 0, 8);
            first = false;
        }
        chain(seed, block, HASH_BLOCK);
        fill -= HASH_BLOCK;
        memmove(block + 8, block + 8 + HASH_BLOCK, fill);
    }
    if (first) {
        return hg_siphash13(seed, block + 8, fill);
    }
    return hg_siphash13(seed, block, 8 + fill);
}
