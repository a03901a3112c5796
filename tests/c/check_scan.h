/* What the tests and the fuzz target of core/scan.c share: every variant of the inner loops this processor has, loops
 * over bytes to compare them with, and a slow decoder of strings. */
#ifndef HEADGATE_TESTS_CHECK_SCAN_H
#define HEADGATE_TESTS_CHECK_SCAN_H

#include "check.h"

#include "core/fault.h"
#include "core/scan.h"
#if defined(HG_SCAN_AVX2)
#include "core/scan_avx2.h"

static const uint8_t *special_avx2(const uint8_t *p, const uint8_t *end) {
    return hg_avx2_is_there() ? hg_find_special_avx2(p, end) : hg_find_special(p, end);
}

static const uint8_t *high_avx2(const uint8_t *p, const uint8_t *end) {
    return hg_avx2_is_there() ? hg_find_high_avx2(p, end) : hg_find_high(p, end);
}
#endif

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

/* ---- the inner loops ---- */

typedef const uint8_t *(*finder)(const uint8_t *p, const uint8_t *end);

static const uint8_t *special_bytes(const uint8_t *p, const uint8_t *end) {
    while (p < end && *p >= 0x20 && *p != '"' && *p != '\\' && *p < 0x80) {
        p++;
    }
    return p;
}

static const uint8_t *high_bytes(const uint8_t *p, const uint8_t *end) {
    while (p < end && *p < 0x80) {
        p++;
    }
    return p;
}

static const uint8_t *not_white_bytes(const uint8_t *p, const uint8_t *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) {
        p++;
    }
    return p;
}

static const struct {
    const char *name;
    finder special, high, not_white;
} VARIANTS[] = {
    {"plain C", hg_find_special_swar, hg_find_high_swar, hg_find_not_white_swar},
#if defined(HG_HAVE_SSE2)
    {"SSE2", hg_find_special_sse2, hg_find_high_sse2, hg_find_not_white_sse2},
#endif
#if defined(HG_SCAN_AVX2)
    {"AVX2", special_avx2, high_avx2, hg_find_not_white},
#endif
#if defined(HG_HAVE_NEON)
    {"NEON", hg_find_special_neon, hg_find_high_neon, hg_find_not_white_neon},
#endif
    {"in use", hg_find_special, hg_find_high, hg_find_not_white},
    {"in use", hg_find_special, hg_find_high, hg_skip_white},
    {"in use", hg_find_special, hg_find_high, hg_skip_white_run},
};

/* A copy of [bytes, bytes + size) at the end of a block that has nothing behind it, so that a sanitizer sees every
 * byte read too many, and at the given alignment. */
static uint8_t *place(uint8_t **block, const uint8_t *bytes, size_t size, size_t alignment) {
    *block = malloc(alignment + size + 1);
    CHECK(*block != NULL);
    memset(*block, '"', alignment);
    if (size > 0) {
        memcpy(*block + alignment, bytes, size);
    }
    (*block)[alignment + size] = 0;
    return *block + alignment;
}

/* The single step of `escape`: the first hit, and those before any byte. */
static inline void check_escape(const uint8_t *p) {
    const hg_scan_hits hits = hg_scan_escape(p);
    size_t first = 0;
    while (first < HG_SCAN_STEP && p[first] >= 0x20 && p[first] != '"' && p[first] != '\\') {
        first++;
    }
    CHECK(first == HG_SCAN_STEP ? hits == 0 : hits != 0 && hg_scan_first(hits) == first);
    for (size_t n = 0; n < HG_SCAN_STEP; n++) {
        CHECK((hg_scan_before(hits, n) != 0) == (first < n));
    }
}

static inline void check_finders(const uint8_t *p, const uint8_t *end) {
    const uint8_t *const special = special_bytes(p, end), *const high = high_bytes(p, end);
    const uint8_t *const not_white = not_white_bytes(p, end);
    for (size_t v = 0; v < COUNT(VARIANTS); v++) {
        CHECK(VARIANTS[v].special(p, end) == special);
        CHECK(VARIANTS[v].high(p, end) == high);
        CHECK(VARIANTS[v].not_white(p, end) == not_white);
    }
    if (end - p >= HG_SCAN_STEP) {
        check_escape(p);
    }
}

/* ---- strings, slowly ---- */

static const uint8_t ESCAPED[] = "\"\\/bfnrt", ESCAPES[] = "\"\\/\b\f\n\r\t";

/* The code point of the UTF-8 sequence at p by the arithmetic of RFC 3629, or -1. */
static int32_t slow_sequence(const uint8_t *p, const uint8_t *end, unsigned *size) {
    static const int32_t LEAST[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned count = p[0] < 0x80             ? 1
                           : (p[0] & 0xe0) == 0xc0 ? 2
                           : (p[0] & 0xf0) == 0xe0 ? 3
                           : (p[0] & 0xf8) == 0xf0 ? 4
                                                   : 0;
    if (count == 0 || (size_t)(end - p) < count) {
        return -1;
    }
    int32_t code = count == 1 ? p[0] : p[0] & (0x7f >> count);
    for (unsigned i = 1; i < count; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return -1;
        }
        code = code << 6 | (p[i] & 0x3f);
    }
    *size = count;
    return code < LEAST[count] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? -1 : code;
}

static int32_t slow_hex(const uint8_t *p, const uint8_t *end) {
    int32_t code = 0;
    for (int i = 0; i < 4; i++) {
        const char *const digits = "0123456789abcdef0123456789ABCDEF";
        const char *const found = p + i < end && p[i] != 0 ? strchr(digits, p[i]) : NULL;
        if (found == NULL) {
            return -1;
        }
        code = code * 16 + (int32_t)((found - digits) % 16);
    }
    return code;
}

/* The code points of the string at p into `codes`; -> after its closing quote, or NULL. */
static const uint8_t *slow_string(const uint8_t *p, const uint8_t *end, int32_t *codes, uint32_t *count) {
    *count = 0;
    while (p < end && *p != '"') {
        int32_t code;
        unsigned size = 2;
        if (*p == '\\') {
            const uint8_t *found = p + 1 < end && p[1] != 0 ? memchr(ESCAPED, p[1], sizeof ESCAPED - 1) : NULL;
            code = found != NULL ? ESCAPES[found - ESCAPED] : -1;
            if (p + 1 < end && p[1] == 'u') {
                code = slow_hex(p + 2, end);
                size = 6;
                if (code >= 0xd800 && code < 0xe000) {
                    const int32_t low = end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? slow_hex(p + 8, end) : -1;
                    const bool pair = code < 0xdc00 && low >= 0xdc00 && low < 0xe000;
                    code = pair ? 0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00) : -1;
                    size = 12;
                }
            }
        } else {
            code = *p < 0x20 ? -1 : slow_sequence(p, end, &size);
        }
        if (code < 0) {
            return NULL;
        }
        codes[(*count)++] = code;
        p += size;
    }
    return p < end ? p + 1 : NULL;
}

/* What the decoder writes for the text, read back as code points. */
static inline void check_unescape(const struct hg_text *text, const int32_t *codes, uint32_t count, uint32_t room) {
    const uint8_t *p = text->start, *const end = p + text->size;
    uint8_t out[64];
    uint32_t done = 0;
    for (;;) {
        memset(out, 0xee, sizeof out);
        const uint32_t written = hg_unescape(&p, end, out, room);
        if (written == 0) {
            break;
        }
        CHECK(written <= room && (room == sizeof out || out[room] == 0xee));
        for (uint32_t i = 0; i < written; done++) {
            unsigned size;
            CHECK(done < count && slow_sequence(out + i, out + written, &size) == codes[done]);
            i += size;
        }
    }
    CHECK(p == end && done == count);
}

/* `room`: of the pieces in which it is decoded. */
static inline void check_string(const uint8_t *bytes, size_t size, size_t alignment, uint32_t room) {
    static int32_t codes[4096];
    uint32_t count;
    uint8_t *block;
    CHECK(size <= COUNT(codes));
    uint8_t *p = place(&block, bytes, size, alignment);
    struct hg_text text;
    enum hg_reason reason = HG_NO_FAULT;
    const uint8_t *at = NULL;
    const uint8_t *after = hg_scan_string(p, p, p + size, &text, &reason, &at);
    const uint8_t *const slow = slow_string(p, p + size, codes, &count);
    CHECK(after == slow);
    if (alignment != 0) { /* quotes stand before it, which may be read but are not of the string */
        CHECK(hg_scan_string(p, p - alignment, p + size, &text, &reason, &at) == after);
    }
    if (after != NULL) {
        CHECK(text.start == p && text.size == (size_t)(after - p) - 1 && text.characters == count);
        CHECK(text.escaped == (memchr(p, '\\', text.size) != NULL) && reason == HG_NO_FAULT);
        check_unescape(&text, codes, count, room);
    } else {
        CHECK(reason != HG_NO_FAULT && at >= p && at <= p + size);
    }
    free(block);
}

#endif
