/* core/scan.c and scan_find.h: every variant this processor has against a loop over bytes, and strings against rows
 * of the pure twin and a slow decoder. test_scan_swar.c runs all of it again over the plain C variant. */
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

struct string_row {
    const char *bytes; /* after the opening quote */
    uint32_t size;
    enum hg_reason reason;
    uint32_t at; /* offset of the fault; without one: characters */
};
#include "scan_rows.h"

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

static uint64_t state = 88172645463325252u;

/* xorshift64: the same numbers on every run. */
static uint32_t random_below(uint32_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % limit;
}

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

static void check_finders(const uint8_t *p, const uint8_t *end) {
    const uint8_t *const special = special_bytes(p, end), *const high = high_bytes(p, end);
    const uint8_t *const not_white = not_white_bytes(p, end);
    for (size_t v = 0; v < COUNT(VARIANTS); v++) {
        CHECK(VARIANTS[v].special(p, end) == special);
        CHECK(VARIANTS[v].high(p, end) == high);
        CHECK(VARIANTS[v].not_white(p, end) == not_white);
    }
}

/* One byte of interest at every place of every length at every alignment, and none at all. */
static void test_every_length_and_alignment(void) {
    static const uint8_t FOUND[] = {'"', '\\', 0, 0x1f, '\n', 0x80, 0xff, 'x', 0xa2, 0xdc};
    for (unsigned plain = 0; plain < 2; plain++) {
        for (size_t alignment = 0; alignment < 17; alignment++) {
            for (size_t size = 0; size <= 80; size++) {
                uint8_t bytes[80], *block;
                memset(bytes, plain ? 'a' : ' ', sizeof bytes);
                uint8_t *p = place(&block, bytes, size, alignment);
                check_finders(p, p + size);
                for (size_t i = 0; i < size; i += alignment < 3 || i > size - 3 ? 1 : 7) {
                    const uint8_t before = p[i];
                    for (size_t k = 0; k < COUNT(FOUND); k++) {
                        p[i] = FOUND[k];
                        check_finders(p, p + size);
                    }
                    p[i] = before;
                }
                free(block);
            }
        }
    }
}

/* Every byte value beside every neighbour that could disturb it: no lane may depend on another. */
static void test_every_pair_of_bytes(void) {
    uint8_t bytes[40], *block;
    memset(bytes, ' ', sizeof bytes);
    uint8_t *p = place(&block, bytes, sizeof bytes, 0);
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            p[5] = (uint8_t)a;
            p[6] = (uint8_t)b;
            check_finders(p, p + sizeof bytes);
            check_finders(p + 6, p + sizeof bytes);
        }
    }
    free(block);
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
static void check_unescape(const struct hg_text *text, const int32_t *codes, uint32_t count, uint32_t room) {
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

static void check_string(const uint8_t *bytes, size_t size, size_t alignment) {
    static int32_t codes[4096];
    uint32_t count;
    uint8_t *block;
    CHECK(size <= COUNT(codes));
    uint8_t *p = place(&block, bytes, size, alignment);
    struct hg_text text;
    enum hg_reason reason = HG_NO_FAULT;
    const uint8_t *at = NULL;
    const uint8_t *after = hg_scan_string(p, p + size, &text, &reason, &at);
    const uint8_t *const slow = slow_string(p, p + size, codes, &count);
    CHECK(after == slow);
    if (after != NULL) {
        CHECK(text.start == p && text.size == (size_t)(after - p) - 1 && text.characters == count);
        CHECK(text.escaped == (memchr(p, '\\', text.size) != NULL) && reason == HG_NO_FAULT);
        check_unescape(&text, codes, count, 4 + random_below(61));
    } else {
        CHECK(reason != HG_NO_FAULT && at >= p && at <= p + size);
    }
    free(block);
}

static void test_rows_of_the_twin(void) {
    for (size_t i = 0; i < COUNT(STRINGS); i++) {
        const struct string_row *row = &STRINGS[i];
        for (size_t alignment = 0; alignment < 17; alignment++) {
            uint8_t *block;
            uint8_t *p = place(&block, (const uint8_t *)row->bytes, row->size, alignment);
            struct hg_text text;
            enum hg_reason reason = HG_NO_FAULT;
            const uint8_t *at = NULL;
            const uint8_t *after = hg_scan_string(p, p + row->size, &text, &reason, &at);
            CHECK((after == NULL) == (row->reason != HG_NO_FAULT) && reason == row->reason);
            CHECK(after != NULL ? text.characters == row->at : at == p + row->at);
            free(block);
        }
        check_string((const uint8_t *)row->bytes, row->size, 0);
    }
}

static const struct {
    const char *bytes;
    unsigned size;
} PIECES[] = {
    {"a", 1}, {"hello", 5}, {"0123456789abcdef", 16}, {"0123456789abcdefghijklmnopqrstuvwxyz", 36}, {"\\n", 2},
    {"\\\"", 2}, {"\\\\", 2}, {"\\u00e9", 6}, {"\\uD83D\\ude00", 12}, {"\xc3\xa9", 2}, {"\xe2\x82\xac", 3},
    {"\xf0\x9f\x98\x80", 4}, {"\x7f", 1}, {" ", 1}, {"\\/\\b\\f\\r\\t", 10},
    /* and broken ones */
    {"\x01", 1}, {"\0", 1}, {"\x80", 1}, {"\xff", 1}, {"\xc3", 1}, {"\xe2\x82", 2}, {"\xc0\x80", 2},
    {"\xed\xa0\x80", 3}, {"\xf4\x90\x80\x80", 4}, {"\\x", 2}, {"\\u12", 4}, {"\\ud800", 6}, {"\\udc00", 6},
    {"\"", 1}, {"\\", 1},
};
enum { GOOD = 15 };

static void test_random_strings(void) {
    for (int round = 0; round < 40000; round++) {
        uint8_t bytes[600];
        size_t size = 0;
        const unsigned pieces = random_below(9), bad = random_below(4);
        for (unsigned i = 0; i < pieces; i++) {
            const size_t k = bad == 0 && random_below(4) == 0 ? random_below(COUNT(PIECES)) : random_below(GOOD);
            memcpy(bytes + size, PIECES[k].bytes, PIECES[k].size);
            size += PIECES[k].size;
        }
        if (random_below(10) != 0) {
            bytes[size++] = '"';
        }
        check_string(bytes, size, random_below(17));
    }
}

/* All sequences of up to three bytes, and of four all that the table tells apart. */
static void test_every_sequence(void) {
    static const uint8_t EDGES[] = {0x00, 0x22, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    for (unsigned lead = 0x80; lead < 0x100; lead++) {
        for (unsigned second = 0; second < 0x100; second++) {
            for (size_t c = 0; c < COUNT(EDGES); c++) {
                for (size_t d = 0; d < COUNT(EDGES); d++) {
                    const uint8_t bytes[] = {(uint8_t)lead, (uint8_t)second, EDGES[c], EDGES[d], '"'};
                    unsigned size = 0;
                    uint32_t characters = 77, expected = 0;
                    const uint8_t *bad = NULL;
                    for (const uint8_t *p = bytes; p < bytes + 4 && bad == NULL; p += size, expected++) {
                        if (slow_sequence(p, bytes + 4, &size) < 0) {
                            bad = p;
                            break;
                        }
                    }
                    CHECK(hg_utf8_fault(bytes, bytes + 4, &characters) == bad && characters == expected);
                    if (c == d) {
                        check_string(bytes, sizeof bytes, 0);
                    }
                }
            }
        }
    }
}

/* Text without a NUL behind it, as in CBOR. */
static void test_utf8_reads_no_further(void) {
    static const char TEXT[] = "0123456789abcdef\xf0\x9f\x98\x80 "
                               "0123456789 \xe2\x82\xac\xc3\xa9 0123456789abcdefghi\xf0\x9f\x98\x80";
    for (size_t first = 0; first < sizeof TEXT - 1; first++) {
        for (size_t last = first; last < sizeof TEXT; last++) {
            uint8_t *block = malloc(last - first == 0 ? 1 : last - first);
            CHECK(block != NULL);
            memcpy(block, TEXT + first, last - first);
            const uint8_t *bad = NULL;
            uint32_t characters = 77, expected = 0;
            unsigned size = 0;
            for (size_t i = 0; i < last - first; i += size, expected++) {
                if (slow_sequence(block + i, block + (last - first), &size) < 0) {
                    bad = block + i;
                    break;
                }
            }
            CHECK(hg_utf8_fault(block, block + (last - first), &characters) == bad && characters == expected);
            free(block);
        }
    }
}

/* ---- what texts stand for ---- */

/* Writes the code points as JSON, each one plain or escaped as chance will have it. */
static size_t spell(const int32_t *codes, uint32_t count, unsigned escapes, uint8_t *out) {
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        const int32_t code = codes[i];
        if (random_below(4) < escapes || code < 0x20 || code == '"' || code == '\\') {
            const unsigned rest = (unsigned)code - 0x10000, high = 0xd800 + (rest >> 10), low = 0xdc00 + (rest & 0x3ff);
            char *const to = (char *)out + size;
            size += (size_t)(code < 0x10000 ? sprintf(to, "\\u%04x", (unsigned)code)
                                            : sprintf(to, "\\u%04X\\u%04x", high, low));
        } else if (code < 0x80) {
            out[size++] = (uint8_t)code;
        } else {
            const unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
            out[size++] = (uint8_t)((0xff80 >> more) | code >> (6 * more));
            for (unsigned k = more; k-- > 0;) {
                out[size++] = (uint8_t)(0x80 | (code >> (6 * k) & 0x3f));
            }
        }
    }
    out[size++] = '"';
    out[size] = 0;
    return size;
}

static struct hg_text text_of(const uint8_t *bytes, size_t size) {
    struct hg_text text;
    enum hg_reason reason;
    const uint8_t *at;
    CHECK(hg_scan_string(bytes, bytes + size, &text, &reason, &at) == bytes + size);
    return text;
}

static void test_texts_by_meaning(void) {
    static const int32_t SOME[] = {'a', 'b', ' ', 0, '\n', '"', '\\', 0x7f,
                                   0xe9, 0x20ac, 0xd7ff, 0xe000, 0x1f600, 0x10ffff};
    static uint8_t left[16000], right[16000];
    for (int round = 0; round < 6000; round++) {
        int32_t codes[1200];
        const uint32_t count = round % 10 == 0 ? 200 + random_below(1000) : random_below(round % 2 == 0 ? 90 : 8);
        for (uint32_t i = 0; i < count; i++) {
            codes[i] = round % 7 == 0 ? 'a' : SOME[random_below(COUNT(SOME))];
        }
        const size_t a_size = spell(codes, count, random_below(4), left);
        bool same = true;
        if (count > 0 && random_below(2) == 0) {
            const uint32_t i = random_below(4) == 0 ? count - 1 : random_below(count);
            const int32_t other = SOME[random_below(COUNT(SOME))];
            same = codes[i] == other;
            codes[i] = other;
        }
        const size_t b_size = spell(codes, count, random_below(4), right);
        const struct hg_text a = text_of(left, a_size), b = text_of(right, b_size);
        CHECK(a.characters == count && b.characters == count);
        CHECK(hg_text_equal(&a, &b) == same && hg_text_equal(&b, &a) == same);
        CHECK((hg_text_hash(&a, SEED) == hg_text_hash(&b, SEED)) == same);
        const size_t c_size = spell(codes, count / 2, 1, left); /* a beginning of it is another text */
        const struct hg_text c = text_of(left, c_size);
        CHECK(hg_text_equal(&c, &b) == (count / 2 == count) && hg_text_equal(&b, &c) == (count / 2 == count));
    }
}

static void test_long_strings(void) {
    const size_t size = 1 << 20;
    uint8_t *bytes = malloc(size + 2);
    CHECK(bytes != NULL);
    memset(bytes, 'x', size);
    bytes[size] = '"';
    bytes[size + 1] = 0;
    struct hg_text text = text_of(bytes, size + 1);
    CHECK(text.size == size && text.characters == size && !text.escaped);
    const uint64_t hash = hg_text_hash(&text, SEED);
    memcpy(bytes + size / 2, "\\u0078", 6); /* an x */
    text = text_of(bytes, size + 1);
    CHECK(text.characters == size - 5 && text.escaped && hg_text_hash(&text, SEED) != hash);
    for (size_t at = size - 200; at < size; at += 13) {
        enum hg_reason reason;
        const uint8_t *where;
        bytes[at] = 7;
        CHECK(hg_scan_string(bytes, bytes + size + 1, &text, &reason, &where) == NULL);
        CHECK(reason == HG_CONTROL_CHARACTER && where == bytes + at);
        bytes[at] = 'x';
    }
    free(bytes);
}

int main(void) {
    test_every_length_and_alignment();
    test_every_pair_of_bytes();
    test_rows_of_the_twin();
    test_random_strings();
    test_every_sequence();
    test_utf8_reads_no_further();
    test_texts_by_meaning();
    test_long_strings();
    return 0;
}
