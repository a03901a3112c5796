/* core/feed.c: every stream is fed whole, byte by byte and in pieces of every size between; the records must be the same. */
#include "check.h"
#include "core/feed.h"

#define TEXT(literal) (const uint8_t *)(literal), sizeof(literal) - 1

/* What came out, in words: R(record) C(ut) L(too large) S(tray) B(roken)reason@offset N(o memory), a comma after each. */
struct transcript {
    char text[4096];
    size_t length;
};

static void note(struct transcript *out, enum hg_step step, enum hg_framing framing, const struct hg_record *record) {
    static const char *const names[] = {"", "R", "C", "L", "S", "B", "N"};
    out->length += (size_t)snprintf(out->text + out->length, sizeof out->text - out->length, "%s", names[step]);
    if (step == HG_STEP_RECORD || step == HG_STEP_CUT) {
        CHECK(framing == HG_CBOR_SEQ || record->data[record->length] == 0);
        out->text[out->length++] = '(';
        for (uint32_t i = 0; i < record->length; i++) {
            CHECK(out->length + 8 < sizeof out->text);
            out->length += (size_t)snprintf(out->text + out->length, 3, framing == HG_CBOR_SEQ ? "%02x" : "%c",
                                            record->data[i]);
        }
        out->text[out->length++] = ')';
    } else if (step == HG_STEP_BROKEN) {
        CHECK(record->fault.reason != HG_NO_FAULT);
        out->length += (size_t)snprintf(out->text + out->length, sizeof out->text - out->length, "%d@%u",
                                        (int)record->fault.reason, record->fault.offset);
    }
    CHECK(out->length + 2 < sizeof out->text);
    out->text[out->length++] = ',';
    out->text[out->length] = 0;
}

/* Pieces of `size` bytes, each in memory of its own that ends with the piece. */
static void run(struct hg_feed *feed, const uint8_t *data, size_t length, size_t size, struct transcript *out) {
    struct hg_record record;
    enum hg_step step = HG_STEP_MORE;
    bool ended = false;
    out->length = 0;
    out->text[0] = 0;
    for (size_t at = 0; at < length && step == HG_STEP_MORE; at += size) {
        const size_t piece = length - at < size ? length - at : size;
        uint8_t *copy = malloc(piece);
        CHECK(copy != NULL);
        memcpy(copy, data + at, piece);
        const uint8_t *p = copy;
        while ((step = hg_feed_next(feed, &p, copy + piece, &record)) != HG_STEP_MORE && step != HG_STEP_ENDED) {
            CHECK(!ended);
            note(out, step, feed->framing, &record);
            ended = step == HG_STEP_BROKEN || step == HG_STEP_NO_MEMORY ||
                    (step == HG_STEP_TOO_LARGE && feed->framing == HG_CBOR_SEQ);
        }
        CHECK(ended == (step == HG_STEP_ENDED));
        CHECK(step != HG_STEP_MORE || p == copy + piece);
        free(copy);
    }
    step = hg_feed_finish(feed, &record);
    if (step != HG_STEP_MORE && step != HG_STEP_ENDED) {
        note(out, step, feed->framing, &record);
    }
    CHECK(hg_feed_finish(feed, &record) == HG_STEP_ENDED);
}

/* `expected` however the stream is cut, and whichever allocation fails: then the records up to there. */
static void expect(enum hg_framing framing, uint32_t max_record, const uint8_t *data, size_t length,
                   const char *expected) {
    struct hg_feed feed;
    struct transcript out;
    for (size_t size = 1; size <= length + 1; size = size < 9 ? size + 1 : size * 2) {
        for (long fail_at = -1;; fail_at = fail_at < 0 ? 1 : fail_at + 1) {
            struct heap heap = {0, fail_at};
            struct hg_alloc alloc = heap_of(&heap);
            const enum hg_status status = hg_feed_init(&feed, &alloc, framing, max_record, 8);
            if (status == HG_NO_MEMORY) {
                CHECK(fail_at == 1 && heap.live == 0);
                continue;
            }
            CHECK(status == HG_OK);
            run(&feed, data, length, size, &out);
            hg_feed_clear(&feed);
            CHECK(heap.live == 0);
            const char *failed = strstr(out.text, "N,");
            failed = failed == NULL ? strstr(out.text, "N,") : failed;
            if (failed != NULL) {
                CHECK(fail_at > 0 && strncmp(out.text, expected, (size_t)(failed - out.text)) == 0);
            } else if (strcmp(out.text, expected) != 0) {
                fprintf(stderr, "pieces of %zu: %s\n      not: %s\n", size, out.text, expected);
                abort();
            }
            if (fail_at > 0 && heap.fail_at > 0) {
                break; /* none was left to fail */
            }
        }
    }
}

static void test_lines(void) {
    expect(HG_NDJSON, 10, TEXT(""), "");
    expect(HG_NDJSON, 10, TEXT("1\n22\r\n\n \t\r\n\r\n333"), "R(1),R(22),R(333),");
    expect(HG_NDJSON, 10, TEXT("1\n \r"), "R(1),");
    expect(HG_NDJSON, 10, TEXT("1\n\r2\r"), "R(1),R(\r2),"); /* a CR is a part of the end only before it */
    expect(HG_NDJSON, 10, TEXT("1234567890\n1234567890\r\n1234567890\r"), "R(1234567890),R(1234567890),R(1234567890),");
    expect(HG_NDJSON, 10, TEXT("12345678901\n1\n12345678901\r\n2\n123456789012345678901234567890\n3"),
           "L,R(1),L,R(2),L,R(3),");
    expect(HG_NDJSON, 10, TEXT("           \n1"), "L,R(1),"); /* blank, and too large for all that */
    expect(HG_NDJSON, 10, TEXT("1\n1234567890123"), "R(1),L,");
    expect(HG_NDJSON, 10, TEXT("1\n12345678901"), "R(1),L,");
    expect(HG_NDJSON, 1, TEXT("1\n12\n\n3\r\n4"), "R(1),L,R(3),R(4),");
}

static void test_lines_with_nul(void) {
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_feed feed;
    struct hg_record record;
    const uint8_t *data = (const uint8_t *)"\"\0\"\nx", *p = data;
    CHECK(hg_feed_init(&feed, &alloc, HG_NDJSON, 100, 8) == HG_OK);
    CHECK(hg_feed_next(&feed, &p, data + 5, &record) == HG_STEP_RECORD);
    CHECK(record.length == 3 && memcmp(record.data, "\"\0\"", 4) == 0 && p == data + 4);
    CHECK(hg_feed_next(&feed, &p, data + 5, &record) == HG_STEP_MORE && p == data + 5);
    CHECK(hg_feed_finish(&feed, &record) == HG_STEP_RECORD && record.length == 1);
    hg_feed_clear(&feed);
    CHECK(heap.live == 0);
}

#define RS "\x1e"
static void test_sequences(void) {
    expect(HG_JSON_SEQ, 20, TEXT(""), "");
    expect(HG_JSON_SEQ, 20, TEXT(RS), "");
    expect(HG_JSON_SEQ, 20, TEXT(RS "1\n" RS "{}\n" RS "[\n]\n"), "R(1),R({}),R([\n]),");
    expect(HG_JSON_SEQ, 20, TEXT(RS RS RS "1\n" RS), "R(1),"); /* several RS in a row mean nothing */
    expect(HG_JSON_SEQ, 20, TEXT(RS "\n\n1\r\n \n" RS "2\n"), "R(\n\n1\r),R(2),");
    expect(HG_JSON_SEQ, 20, TEXT(RS "\n" RS "2 "), "R(\n),R(2 ),"); /* empty: whoever parses it says so */
    /* Section 2.4: what does not delimit itself may be cut short. */
    expect(HG_JSON_SEQ, 20, TEXT(RS "12" RS "true" RS " null" RS "12 " RS "-"), "C(12),C(true),C( null),R(12 ),C(-),");
    expect(HG_JSON_SEQ, 20, TEXT(RS "{}" RS "\"a\"" RS "[1]"), "R({}),R(\"a\"),R([1]),");
    /* A record that was not finished ends with the next RS, in a string too. */
    expect(HG_JSON_SEQ, 20, TEXT(RS "{\"a\":\"tru\n" RS "1\n"), "R({\"a\":\"tru\n),R(1),");
    expect(HG_JSON_SEQ, 20, TEXT(RS "{\"a\\\"]\n\":\n1}\n" RS "]\n"), "R({\"a\\\"]\n\":\n1}),R(]),");
    /* Bytes between records. */
    expect(HG_JSON_SEQ, 20, TEXT("1\n" RS "2\n"), "S,R(2),");
    expect(HG_JSON_SEQ, 20, TEXT(" \r\n" RS "2\n"), "R(2),");
    expect(HG_JSON_SEQ, 20, TEXT(RS "1\n2\n3\n" RS "4\n"), "R(1),S,R(4),");
    expect(HG_JSON_SEQ, 20, TEXT(RS "1\n }"), "R(1),S,");
    /* max_record counts what stands between RS and LF. */
    expect(HG_JSON_SEQ, 3, TEXT(RS "123\n" RS "1234\n" RS "5\n"), "R(123),L,R(5),");
    expect(HG_JSON_SEQ, 3, TEXT(RS "[1]" RS "[1] " RS " [1]\n" RS "5\n"), "R([1]),L,L,R(5),");
    expect(HG_JSON_SEQ, 3, TEXT(RS "1234567890\n1234\n" RS "5\n"), "L,R(5),");
    expect(HG_JSON_SEQ, 3, TEXT(RS "12345"), "L,");
}

static void test_items(void) {
    expect(HG_CBOR_SEQ, 64, TEXT(""), "");
    expect(HG_CBOR_SEQ, 64, TEXT("\x00\x20\xf6"), "R(00),R(20),R(f6),");
    expect(HG_CBOR_SEQ, 64, TEXT("\x18\x18\x19\x01\x00\x1a\x00\x01\x00\x00\x1b\x00\x00\x00\x01\x00\x00\x00\x00"),
           "R(1818),R(190100),R(1a00010000),R(1b0000000100000000),");
    expect(HG_CBOR_SEQ, 64, TEXT("\xf9\x3c\x00\xfa\x00\x00\x00\x00\xfb\x00\x00\x00\x00\x00\x00\x00\x00\xf8\x20"),
           "R(f93c00),R(fa00000000),R(fb0000000000000000),R(f820),");
    expect(HG_CBOR_SEQ, 64, TEXT("\x60\x63" "abc\x40\x43" "abc\x58\x02" "ab"), "R(60),R(63616263),R(40),R(43616263),R(58026162),");
    expect(HG_CBOR_SEQ, 64, TEXT("\x80\xa0\x82\x01\x81\x02\xa1\x61" "a\x80\xc1\x00\xc0\xc1\xc2\x00"),
           "R(80),R(a0),R(82018102),R(a1616180),R(c100),R(c0c1c200),");
    expect(HG_CBOR_SEQ, 64, TEXT("\x9f\x01\x9f\xff\xff\xbf\x01\x9f\xff\x02\x80\xff\x5f\x40\x41" "a\xff\x7f\xff"),
           "R(9f019fffff),R(bf019fff0280ff),R(5f404161ff),R(7fff),");
    /* Not an item: nobody knows where the next one begins. */
    expect(HG_CBOR_SEQ, 64, TEXT("\x01\x1c\x01"), "R(01),B21@0,");
    expect(HG_CBOR_SEQ, 64, TEXT("\x82\x01\x1f"), "B21@2,");
    CHECK(HG_CBOR_RESERVED == 21); /* as in these words */
}

static void expect_broken(const uint8_t *data, size_t length, enum hg_reason reason, unsigned offset) {
    char words[32];
    snprintf(words, sizeof words, "B%d@%u,", (int)reason, offset);
    expect(HG_CBOR_SEQ, 1000, data, length, words);
}

static void test_broken_items(void) {
    expect_broken(TEXT("\x1c"), HG_CBOR_RESERVED, 0);
    expect_broken(TEXT("\x3f"), HG_CBOR_RESERVED, 0);
    expect_broken(TEXT("\xdf"), HG_CBOR_RESERVED, 0);
    expect_broken(TEXT("\xfe"), HG_CBOR_RESERVED, 0);
    expect_broken(TEXT("\xff"), HG_CBOR_BREAK, 0);
    expect_broken(TEXT("\x81\xff"), HG_CBOR_BREAK, 1);
    expect_broken(TEXT("\xc1\xff"), HG_CBOR_BREAK, 1);
    expect_broken(TEXT("\xbf\x01\xff"), HG_CBOR_BREAK, 2);
    expect_broken(TEXT("\x5f\x61"), HG_CBOR_CHUNK, 1);
    expect_broken(TEXT("\x7f\x60\x7f"), HG_CBOR_CHUNK, 2);
    expect_broken(TEXT("\x7f\x01"), HG_CBOR_CHUNK, 1);
    expect_broken(TEXT("\xf8\x1f"), HG_CBOR_SIMPLE, 0);
    expect_broken(TEXT("\x81\x81\x81\x81\x81\x81\x81\x81\x81"), HG_TOO_DEEP, 8);
    expect_broken(TEXT("\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\x9f"), HG_TOO_DEEP, 8);
    expect(HG_CBOR_SEQ, 64, TEXT("\x81\x81\x81\x81\x81\x81\x81\x81\x80"), "R(818181818181818180),");
    expect(HG_CBOR_SEQ, 64, TEXT("\x81\x81\x81\x81\x81\x81\x81\x81\x01"), "R(818181818181818101),");
    /* the end of the stream in the middle of one */
    expect_broken(TEXT("\x18"), HG_UNEXPECTED_END, 1);
    expect_broken(TEXT("\x82\x01"), HG_UNEXPECTED_END, 2);
    expect_broken(TEXT("\x63" "ab"), HG_UNEXPECTED_END, 3);
    expect_broken(TEXT("\x9f"), HG_UNEXPECTED_END, 1);
}

/* Refused with the head that announces too much, before anything of it is kept. */
static void test_large_items(void) {
    expect(HG_CBOR_SEQ, 4, TEXT("\x43" "abc\x44"), "R(43616263),L,");
    expect(HG_CBOR_SEQ, 4, TEXT("\x83\x01\x02\x03\x84"), "R(83010203),L,");
    expect(HG_CBOR_SEQ, 4, TEXT("\x82\x01\x81\x02\x82\x01\x42"), "R(82018102),L,");
    expect(HG_CBOR_SEQ, 4, TEXT("\x9f\x01\x02\xff\x9f\x01\x02\x03\xff"), "R(9f0102ff),L,");
    expect(HG_CBOR_SEQ, 4, TEXT("\xa1\x01\x02\xa2"), "R(a10102),L,");
    expect(HG_CBOR_SEQ, 4, TEXT("\x1a"), "L,");
    expect(HG_CBOR_SEQ, 4, TEXT("\x19\x01\x02\xc1\xc1\xc1\xc1\x00"), "R(190102),L,");
    expect(HG_CBOR_SEQ, HG_DOCUMENT_BYTES, TEXT("\x5b\xff\xff\xff\xff\xff\xff\xff\xff"), "L,");
    expect(HG_CBOR_SEQ, HG_DOCUMENT_BYTES, TEXT("\x9b\xff\xff\xff\xff\xff\xff\xff\xff"), "L,");
    expect(HG_CBOR_SEQ, HG_DOCUMENT_BYTES, TEXT("\xbb\x80\x00\x00\x00\x00\x00\x00\x01"), "L,"); /* twice that wraps */
    expect(HG_CBOR_SEQ, HG_DOCUMENT_BYTES, TEXT("\xba\x80\x00\x00\x01"), "L,");
    expect(HG_CBOR_SEQ, HG_DOCUMENT_BYTES, TEXT("\xba\x40\x00\x00\x00"), "L,");
}

/* An item that came in one piece is given where it is: no allocation, no copy. */
static void test_items_in_place(void) {
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_feed feed;
    struct hg_record record;
    const uint8_t data[] = {0x82, 1, 2, 0x61, 'a', 0x82, 1}, *p = data;
    CHECK(hg_feed_init(&feed, &alloc, HG_CBOR_SEQ, 100, 8) == HG_OK && heap.live == 1);
    CHECK(hg_feed_next(&feed, &p, data + 7, &record) == HG_STEP_RECORD && record.data == data && record.length == 3);
    CHECK(hg_feed_next(&feed, &p, data + 7, &record) == HG_STEP_RECORD && record.data == data + 3);
    CHECK(heap.live == 1);
    CHECK(hg_feed_next(&feed, &p, data + 7, &record) == HG_STEP_MORE && heap.live == 2);
    const uint8_t *rest = data;
    CHECK(hg_feed_next(&feed, &rest, data + 7, &record) == HG_STEP_RECORD && record.length == 5 && rest == data + 3);
    hg_feed_clear(&feed);
    CHECK(heap.live == 0);
}

struct meter {
    size_t live, most;
};
static void *meter_alloc(void *context, size_t size) {
    struct meter *meter = context;
    size_t *memory = malloc(size + sizeof(max_align_t));
    CHECK(memory != NULL);
    *memory = size;
    meter->live += size;
    meter->most = meter->live > meter->most ? meter->live : meter->most;
    return (uint8_t *)memory + sizeof(max_align_t);
}
static void meter_release(void *context, void *memory) {
    size_t *start = (size_t *)(void *)((uint8_t *)memory - sizeof(max_align_t));
    ((struct meter *)context)->live -= *start;
    free(start);
}

/* Whatever comes, the buffer holds one record; growing it, two of them. */
static void test_memory_is_bounded(void) {
    enum { MOST = 10000 };
    for (int framing = HG_NDJSON; framing <= HG_CBOR_SEQ; framing++) {
        struct meter meter = {0, 0};
        struct hg_alloc alloc = {meter_alloc, meter_release, &meter};
        struct hg_feed feed;
        struct hg_record record;
        uint8_t block[777];
        CHECK(hg_feed_init(&feed, &alloc, (enum hg_framing)framing, MOST, 8) == HG_OK);
        memset(block, framing == HG_CBOR_SEQ ? 0x01 : 'x', sizeof block);
        block[0] = framing == HG_CBOR_SEQ ? 0x9f : 0x1e; /* an array or a text without end */
        for (int i = 0; i < 100; i++) {
            const uint8_t *p = block;
            enum hg_step step;
            while ((step = hg_feed_next(&feed, &p, block + sizeof block, &record)) != HG_STEP_MORE &&
                   step != HG_STEP_ENDED) {
            }
            block[0] = 0x01;
        }
        CHECK(meter.most > MOST / 2 && meter.most <= 2 * MOST + 64);
        hg_feed_clear(&feed);
        CHECK(meter.live == 0);
    }
}

int main(void) {
    test_lines();
    test_lines_with_nul();
    test_sequences();
    test_items();
    test_broken_items();
    test_large_items();
    test_items_in_place();
    test_memory_is_bounded();
    return 0;
}
