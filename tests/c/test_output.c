/* core/output.c: what is added is there, within the bound and within the memory there is; nothing after a failure. */
#include "check.h"
#include "core/output.h"

static bool holds(const struct hg_output *output, const char *text) {
    return output->length == strlen(text) && (text[0] == '\0' || memcmp(output->data, text, output->length) == 0);
}

static void test_adding(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_output output;
    hg_output_init(&output, &alloc, 1000);
    CHECK(output.data == NULL && heap.live == 0);
    hg_output_add(&output, "", 0);
    hg_output_text(&output, "ab");
    hg_output_add(&output, "c\0d", 3);
    hg_output_number(&output, 0);
    CHECK(output.length == 6 && memcmp(output.data, "abc\0d0", 6) == 0 && !output.failed && heap.live == 1);
    hg_output_clear(&output);
    CHECK(output.data == NULL && output.length == 0 && heap.live == 0);
    hg_output_text(&output, "again");
    CHECK(holds(&output, "again"));
    hg_output_clear(&output);
    hg_output_clear(&output);
    CHECK(heap.live == 0);
}

static void test_numbers(void) {
    static const struct {
        int64_t number;
        const char *text;
    } rows[] = {{0, "0"}, {9, "9"}, {10, "10"}, {-1, "-1"}, {INT64_MAX, "9223372036854775807"},
                {INT64_MIN, "-9223372036854775808"}, {UINT32_MAX, "4294967295"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct heap heap = {0, -1};
        const struct hg_alloc alloc = heap_of(&heap);
        struct hg_output output;
        hg_output_init(&output, &alloc, 20);
        hg_output_number(&output, rows[i].number);
        CHECK(holds(&output, rows[i].text));
        hg_output_clear(&output);
    }
}

/* RFC 8259 section 7, with the escapes of core/json.py: each byte alone, and between others. */
static void test_json(void) {
    static const char *const escapes[0x80] = {['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f",
                                              ['\r'] = "\\r", ['"'] = "\\\"", ['\\'] = "\\\\"};
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_output output;
    hg_output_init(&output, &alloc, 100);
    for (unsigned c = 0; c < 256; c++) {
        const uint8_t text[3] = {(uint8_t)c, 'x', (uint8_t)c};
        char escape[8] = {(char)c, '\0'}, expected[20];
        const size_t size = c == 0 ? 6 : strlen(escape);
        if (c < 0x80 && escapes[c] != NULL) {
            (void)snprintf(escape, sizeof escape, "%s", escapes[c]);
        } else if (c < 0x20) {
            (void)snprintf(escape, sizeof escape, "\\u%04x", c);
        }
        CHECK(size != 0);
        (void)snprintf(expected, sizeof expected, "\"%sx%s\"", escape, escape);
        output.length = 0;
        hg_output_json(&output, text, sizeof text);
        CHECK(holds(&output, expected));
    }
    output.length = 0;
    hg_output_json(&output, (const uint8_t *)"", 0);
    CHECK(holds(&output, "\"\""));
    hg_output_clear(&output);
    CHECK(heap.live == 0);
}

/* Pieces of each size, up to bounds of each size: all that fit are there, the first that does not is the last. */
static void test_bounds(void) {
    for (uint32_t most = 0; most < 1100; most += most < 20 ? 1 : 37) {
        for (uint32_t size = 1; size < 600; size = size * 2 + 1) {
            struct heap heap = {0, -1};
            const struct hg_alloc alloc = heap_of(&heap);
            uint8_t piece[600];
            struct hg_output output;
            uint32_t fits = most / size, at = 0;
            hg_output_init(&output, &alloc, most);
            while (!output.failed) {
                memset(piece, (int)at, size);
                hg_output_add(&output, piece, size);
                CHECK(output.length <= most && output.capacity <= most && output.length <= output.capacity);
                at += !output.failed;
            }
            CHECK(at == fits && output.length == fits * size);
            for (uint32_t i = 0; i < output.length; i++) {
                CHECK(output.data[i] == (uint8_t)(i / size));
            }
            hg_output_add(&output, "", 0); /* sticky, even where there is room */
            hg_output_number(&output, 1);
            CHECK(output.failed && output.length == fits * size && hg_output_room(&output, 0) == NULL);
            hg_output_clear(&output);
            CHECK(!output.failed && heap.live == 0);
        }
    }
}

static void test_room(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_output output;
    uint8_t *room;
    hg_output_init(&output, &alloc, UINT32_MAX);
    hg_output_text(&output, "ab");
    room = hg_output_room(&output, 300);
    CHECK(room != NULL && output.length == 2 && output.capacity >= 302);
    memcpy(room, "cd", 2);
    hg_output_use(&output, 2);
    CHECK(holds(&output, "abcd"));
    output.length = UINT32_MAX - 10; /* as if it were that long: no sum wraps */
    output.capacity = UINT32_MAX - 10;
    CHECK(hg_output_room(&output, 11) == NULL && output.failed);
    hg_output_clear(&output);
    CHECK(heap.live == 0);
}

static void test_every_failing_allocation(void) {
    for (long fail_at = 1; fail_at < 8; fail_at++) {
        struct heap heap = {0, fail_at};
        const struct hg_alloc alloc = heap_of(&heap);
        struct hg_output output;
        uint32_t length = 0;
        hg_output_init(&output, &alloc, 4000);
        for (int i = 0; i < 100 && !output.failed; i++) {
            length = output.length;
            hg_output_text(&output, "twenty bytes of text");
        }
        CHECK(output.failed == (fail_at <= 4) && (!output.failed || output.length == length)); /* 256 512 1024 2048 */
        for (uint32_t i = 0; i < output.length; i++) {
            CHECK(output.data[i] == (uint8_t)"twenty bytes of text"[i % 20]);
        }
        hg_output_clear(&output);
        CHECK(heap.live == 0);
    }
}

int main(void) {
    test_adding();
    test_numbers();
    test_json();
    test_bounds();
    test_room();
    test_every_failing_allocation();
    return 0;
}
