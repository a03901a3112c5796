/* grpc/gzip.c: what zlib has written is read, cut anywhere or changed anywhere it is refused or bounded; and no memory. */
#include "check.h"
#include "grpc/gzip.h"
#include "gzip_rows.h"

enum { ROWS = sizeof gzip_rows / sizeof gzip_rows[0] };

/* From a copy that ends where the file does. */
static bool read_file(const struct gzip_row *row, uint32_t length, int64_t flipped, struct hg_output *out) {
    uint8_t *const copy = malloc(length + 1);
    bool read;
    CHECK(copy != NULL);
    memcpy(copy, row->file, length);
    if (flipped >= 0) {
        copy[flipped / 8] ^= (uint8_t)(1 << flipped % 8);
    }
    read = hg_gunzip((struct hg_view){copy, length}, out);
    free(copy);
    return read;
}

static void test_rows(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_output out;
    for (int i = 0; i < ROWS; i++) {
        const struct gzip_row *const row = &gzip_rows[i];
        hg_output_init(&out, &alloc, 4096);
        CHECK(read_file(row, row->length, -1, &out) == (row->content != NULL));
        if (row->content != NULL) {
            CHECK(out.length == row->size && (row->size == 0 || memcmp(out.data, row->content, row->size) == 0));
        }
        hg_output_clear(&out);
    }
    CHECK(heap.live == 0);
}

static void test_cut_anywhere(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_output out;
    for (int i = 0; i < ROWS; i++) {
        const struct gzip_row *const row = &gzip_rows[i];
        for (uint32_t length = 0; length < row->length; length++) {
            hg_output_init(&out, &alloc, 4096);
            const bool read = read_file(row, length, -1, &out);
            CHECK(!read || strcmp(row->what, "two members") == 0 || strcmp(row->what, "data after it") == 0); /* whole up to there */
            hg_output_clear(&out);
        }
    }
    CHECK(heap.live == 0);
}

/* One bit that is another: the checksum finds it, unless it is in the header, where it means nothing. */
static void test_changed_anywhere(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_output out;
    for (int i = 0; i < ROWS; i++) {
        const struct gzip_row *const row = &gzip_rows[i];
        for (int64_t bit = 0; bit < (int64_t)row->length * 8; bit++) {
            hg_output_init(&out, &alloc, 4096);
            if (read_file(row, row->length, bit, &out) && row->content != NULL) {
                CHECK(out.length == row->size && (row->size == 0 || memcmp(out.data, row->content, row->size) == 0));
            }
            CHECK(out.length <= 4096);
            hg_output_clear(&out);
        }
    }
    CHECK(heap.live == 0);
}

static void test_bounds(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_output out;
    for (int i = 0; i < ROWS; i++) {
        const struct gzip_row *const row = &gzip_rows[i];
        for (uint32_t most = 0; most < row->size; most += 7) {
            hg_output_init(&out, &alloc, most);
            CHECK(!read_file(row, row->length, -1, &out) && out.failed && out.length <= most);
            hg_output_clear(&out);
        }
        for (long fail_at = 1; fail_at < 4; fail_at++) {
            heap.fail_at = fail_at;
            hg_output_init(&out, &alloc, 4096);
            CHECK(read_file(row, row->length, -1, &out) == (row->content != NULL) || out.failed);
            hg_output_clear(&out);
            CHECK(heap.live == 0);
        }
        heap.fail_at = -1;
    }
}

int main(void) {
    test_rows();
    test_cut_anywhere();
    test_changed_anywhere();
    test_bounds();
    return 0;
}
