/* core/scan.c and scan_find.h: every variant this processor has against a loop over bytes, and strings against rows
 * of the pure twin and a slow decoder. test_scan_swar.c runs all of it again over the plain C variant. */
#include "check_scan.h"

struct string_row {
    const char *bytes; /* after the opening quote */
    uint32_t size;
    enum hg_reason reason;
    uint32_t at; /* offset of the fault; without one: characters */
};
#include "scan_rows.h"

static uint64_t state = 88172645463325252u;

/* xorshift64: the same numbers on every run. */
static uint32_t random_below(uint32_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % limit;
}

/* ---- the inner loops ---- */

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

/* ---- strings ---- */

static void check_text(const uint8_t *bytes, size_t size, size_t alignment) {
    check_string(bytes, size, alignment, 4 + random_below(61));
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
            const uint8_t *after = hg_scan_string(p, p - alignment, p + row->size, &text, &reason, &at);
            CHECK((after == NULL) == (row->reason != HG_NO_FAULT) && reason == row->reason);
            CHECK(after != NULL ? text.characters == row->at : at == p + row->at);
            free(block);
        }
        check_text((const uint8_t *)row->bytes, row->size, 0);
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
        check_text(bytes, size, random_below(17));
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
                        check_text(bytes, sizeof bytes, 0);
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
    CHECK(hg_scan_string(bytes, bytes, bytes + size, &text, &reason, &at) == bytes + size);
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
        CHECK(hg_scan_string(bytes, bytes, bytes + size + 1, &text, &reason, &where) == NULL);
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
