/* core/intake.c: what the Python tests cannot reach. Its rules are in tests/twins/test_intake.py. */
#include "check.h"
#include "core/intake.h"

#define ROWS 8
#define BYTES 1000

static struct hg_view view(const char *text) {
    return (struct hg_view){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static bool is(struct hg_view text, const char *wanted) {
    return text.length == strlen(wanted) && memcmp(text.at, wanted, text.length) == 0;
}

/* A row of 64 + 2 + 2 + the body's bytes. */
static struct hg_row row_of(const char *body, int64_t at_ms, uint32_t flags) {
    return (struct hg_row){.ts_ms = -1, .at_ms = at_ms, .flags = flags, .stream = view("st"), .client = view("cl"),
                           .body = view(body)};
}

/* All that is said twice is the same. */
static void check_intake(const struct hg_intake *intake, uint64_t taken) {
    const struct hg_row *row = intake->head, *last = NULL, *waiting = NULL;
    uint64_t bytes = taken, seq = 0;
    uint32_t rows = 0;
    for (; row != NULL; last = row, row = row->next) {
        CHECK(row->seq > seq && row->seq <= intake->seq);
        seq = row->seq;
        rows += 1;
        bytes += row->size;
        if (waiting == NULL && (row->flags & HG_ROW_PROMISED) == 0) {
            waiting = row;
        }
    }
    CHECK(intake->tail == last);
    CHECK(intake->rows == rows && rows <= intake->max_rows + ROWS);
    CHECK(intake->bytes == bytes && bytes <= intake->max_bytes);
    CHECK(intake->oldest_ms == (intake->head == NULL ? -1 : intake->head->at_ms));
    CHECK(intake->oldest_waiting_ms == (waiting == NULL ? -1 : waiting->at_ms));
}

static void check_batch(const struct hg_batch *batch) {
    uint64_t bytes = 0;
    uint32_t rows = 0;
    for (const struct hg_row *row = batch->head; row != NULL; row = row->next) {
        rows += 1;
        bytes += row->size;
    }
    CHECK(batch->rows == rows && batch->bytes == bytes);
}

static struct hg_problem problem;
static uint32_t retry_s;

static enum hg_code add(struct hg_intake *intake, const char *body, int64_t at_ms, uint32_t flags) {
    const struct hg_row row = row_of(body, at_ms, flags);
    uint64_t seq = 0;
    const enum hg_code code = hg_intake_add(intake, &row, &seq, &problem, &retry_s);
    CHECK(code != HG_P_NONE || seq == intake->seq);
    CHECK(code == HG_P_NONE || (problem.status == 503 && problem.code == code && retry_s >= 1 && retry_s <= 3600));
    return code;
}

static void test_a_row_is_a_copy_of_its_own(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_intake intake;
    struct hg_batch batch;
    char texts[7][8] = {"stream", "client", "body", "key", "trace", "last", ""};
    struct hg_row row = {.seq = 99, .size = 99, .ts_ms = 5, .at_ms = 6, .waiter = 7, .flags = HG_ROW_CBOR, .last_ttl_ms = 8,
                         .stream = view(texts[0]), .client = view(texts[1]), .body = view(texts[2]),
                         .key = view(texts[3]), .trace = view(texts[4]), .last = view(texts[5])};
    uint64_t seq;
    hg_intake_init(&intake, &alloc, 3, ROWS, BYTES);
    CHECK(hg_intake_add(&intake, &row, &seq, &problem, &retry_s) == HG_P_NONE && seq == 1);
    row.key = row.trace = row.last = (struct hg_view){NULL, 0};
    row.body = view(texts[6]);
    CHECK(hg_intake_add(&intake, &row, &seq, &problem, &retry_s) == HG_P_NONE && seq == 2);
    memset(texts, 'x', sizeof texts);
    hg_intake_take(&intake, ROWS, BYTES, &batch);
    check_batch(&batch);
    CHECK(batch.rows == 2 && heap.live == 2);
    CHECK(batch.head->seq == 1 && batch.head->size == HG_ROW_OVERHEAD + 16 && batch.head->waiter == 7);
    CHECK(batch.head->ts_ms == 5 && batch.head->at_ms == 6 && batch.head->last_ttl_ms == 8);
    CHECK(is(batch.head->stream, "stream") && is(batch.head->client, "client") && is(batch.head->body, "body"));
    CHECK(is(batch.head->key, "key") && is(batch.head->trace, "trace") && is(batch.head->last, "last"));
    CHECK(batch.head->next->body.at != NULL && batch.head->next->body.length == 0);
    CHECK(batch.head->next->key.at == NULL && batch.head->next->trace.at == NULL && batch.head->next->last.at == NULL);
    hg_batch_release(&intake, &batch);
    check_intake(&intake, 0);
    CHECK(heap.live == 0);
}

static void test_limits(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_intake intake;
    struct hg_batch batch;
    char large[BYTES];
    memset(large, 'x', sizeof large);
    large[BYTES - HG_ROW_OVERHEAD - 4] = 0; /* fills it to the byte */
    hg_intake_init(&intake, &alloc, 1, 2, BYTES);
    CHECK(add(&intake, large, 0, 0) == HG_P_NONE && intake.bytes == BYTES);
    CHECK(add(&intake, "", 0, 0) == HG_P_OUTBOX_FULL && retry_s == 1);
    hg_intake_take(&intake, 9, 1, &batch); /* one, however large */
    CHECK(batch.rows == 1 && intake.rows == 0);
    CHECK(add(&intake, "", 0, 0) == HG_P_OUTBOX_FULL); /* what is taken counts */
    hg_batch_release(&intake, &batch);
    large[BYTES - HG_ROW_OVERHEAD - 4] = 'x';
    large[BYTES - 1] = 0;
    CHECK(add(&intake, large, 0, HG_ROW_PROMISED) == HG_P_OUTBOX_FULL);
    CHECK(add(&intake, "a", 0, 0) == HG_P_NONE && add(&intake, "b", 0, 0) == HG_P_NONE);
    CHECK(add(&intake, "c", 0, 0) == HG_P_OUTBOX_FULL && retry_s == 1); /* rows */
    hg_intake_clear(&intake);
    intake.room = HG_ROW_OVERHEAD + 5;
    CHECK(add(&intake, "ab", 0, 0) == HG_P_OUTBOX_FULL && retry_s == 30 && intake.overfull == 1);
    CHECK(add(&intake, "a", 0, 0) == HG_P_NONE && add(&intake, "", 0, 0) == HG_P_OUTBOX_FULL && intake.overfull == 2);
    hg_intake_clear(&intake);
    intake.room = UINT64_MAX;
    intake.refuse_until_ms = 5001;
    CHECK(add(&intake, "a", 2000, 0) == HG_P_STORAGE_FAILED && retry_s == 4);
    CHECK(add(&intake, "a", -9000000, 0) == HG_P_STORAGE_FAILED && retry_s == 3600);
    CHECK(add(&intake, "a", 2000, HG_ROW_PROMISED) == HG_P_NONE);
    CHECK(add(&intake, "a", 5001, 0) == HG_P_NONE);
    intake.closing = true;
    CHECK(add(&intake, "a", 9000, HG_ROW_PROMISED) == HG_P_DRAINING && retry_s == 5);
    CHECK(intake.seq == 6); /* a refused row takes no number */
    check_intake(&intake, 0);
    hg_intake_clear(&intake);
    CHECK(heap.live == 0);
}

/* Lengths that no message has: sums must not wrap, and nothing may be read. */
static void test_lengths_that_cannot_be(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_intake intake;
    struct hg_view *views[6];
    struct hg_row row;
    uint64_t seq;
    hg_intake_init(&intake, &alloc, 1, ROWS, UINT64_MAX);
    for (unsigned mask = 1; mask < 64; mask++) {
        row = row_of("x", 0, 0);
        row.key = row.trace = row.last = view("y");
        views[0] = &row.stream, views[1] = &row.client, views[2] = &row.body;
        views[3] = &row.key, views[4] = &row.trace, views[5] = &row.last;
        for (unsigned i = 0; i < 6; i++) {
            views[i]->length = (mask >> i & 1) != 0 ? UINT32_MAX : views[i]->length;
        }
        CHECK(hg_intake_add(&intake, &row, &seq, &problem, &retry_s) == HG_P_OUTBOX_FULL);
    }
    CHECK(heap.live == 0 && intake.bytes == 0);
}

static void test_a_failing_allocation_changes_nothing(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_intake intake;
    struct hg_batch batch;
    hg_intake_init(&intake, &alloc, 1, ROWS, BYTES);
    CHECK(add(&intake, "a", 3, 0) == HG_P_NONE);
    heap.fail_at = 1;
    CHECK(add(&intake, "b", 4, 0) == HG_P_OUT_OF_MEMORY && retry_s == 1);
    check_intake(&intake, 0);
    CHECK(intake.rows == 1 && intake.seq == 1 && heap.live == 1);
    CHECK(add(&intake, "b", 4, 0) == HG_P_NONE && intake.seq == 2);
    hg_intake_take(&intake, 1, BYTES, &batch);
    hg_intake_clear(&intake);
    hg_batch_release(&intake, &batch);
    CHECK(heap.live == 0);
}

static void test_nothing_may_be_taken(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_intake intake;
    struct hg_batch batch;
    hg_intake_init(&intake, &alloc, 1, ROWS, BYTES);
    hg_intake_take(&intake, ROWS, BYTES, &batch);
    CHECK(batch.head == NULL && batch.rows == 0);
    CHECK(add(&intake, "a", 0, HG_ROW_PROMISED) == HG_P_NONE && add(&intake, "b", 0, 0) == HG_P_NONE);
    hg_intake_take(&intake, 0, BYTES, &batch);
    CHECK(batch.head == NULL && batch.rows == 0 && intake.rows == 2);
    hg_batch_give_back(&intake, &batch);
    check_intake(&intake, 0);
    hg_batch_release(&intake, &batch);
    check_intake(&intake, 0);
    CHECK(intake.rows == 2);
    hg_intake_clear(&intake);
    CHECK(heap.live == 0);
}

/* Every mixture of promised and waiting rows, part of it taken, then the commit fails: the promised are there in their order. */
static void test_what_fails_keeps_the_promised_in_order(void) {
    for (unsigned mix = 0; mix < 64; mix++) {
        for (uint32_t taken = 0; taken <= 6; taken++) {
            struct heap heap = {0, -1};
            const struct hg_alloc alloc = heap_of(&heap);
            struct hg_intake intake;
            struct hg_batch batch, waiting;
            const struct hg_row *row;
            hg_intake_init(&intake, &alloc, 1, ROWS, BYTES);
            for (unsigned i = 0; i < 6; i++) {
                CHECK(add(&intake, "a", i, (mix >> i & 1) != 0 ? HG_ROW_PROMISED : 0u) == HG_P_NONE);
            }
            hg_intake_take(&intake, taken, BYTES, &batch);
            check_batch(&batch);
            check_intake(&intake, batch.bytes);
            CHECK(batch.rows == taken);
            hg_batch_give_back(&intake, &batch);
            check_batch(&batch);
            check_intake(&intake, 0);
            hg_intake_take_waiting(&intake, &waiting);
            check_batch(&waiting);
            check_intake(&intake, waiting.bytes);
            for (row = waiting.head; row != NULL; row = row->next) {
                CHECK((row->flags & HG_ROW_PROMISED) == 0 && row->seq > taken);
            }
            hg_batch_release(&intake, &waiting);
            check_intake(&intake, 0);
            row = intake.head;
            for (unsigned i = 0; i < 6; i++) {
                if ((mix >> i & 1) != 0) {
                    CHECK(row != NULL && row->seq == i + 1);
                    row = row->next;
                }
            }
            CHECK(row == NULL);
            CHECK(add(&intake, "z", 9, 0) == HG_P_NONE); /* the tail is where it should be */
            check_intake(&intake, 0);
            hg_intake_clear(&intake);
            check_intake(&intake, 0);
            CHECK(heap.live == 0);
        }
    }
}

/* Written out by hand: RFC 8949 section 3. */
static void test_cbor(void) {
    static const uint8_t expected[] = "\x87\x01\x62st\x62""cl\xF6\x70" "application/json\x41{\xF6"
                                      "\x87\x02\x62st\x62""cl\x1B\x00\x00\x01\x9A\xB0\xC1\xD2\xE3\x70"
                                      "application/cbor\x58\x1A""abcdefghijklmnopqrstuvwxyz\x63" "tra";
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    const uint8_t first = 1, second = 2;
    struct hg_intake intake;
    struct hg_batch batch;
    struct hg_output output;
    struct hg_row row = row_of("abcdefghijklmnopqrstuvwxyz", 0, HG_ROW_CBOR);
    const uint32_t length = sizeof expected - 1, split = 29;
    uint64_t seq;
    hg_intake_init(&intake, &alloc, 1, ROWS, BYTES);
    CHECK(add(&intake, "{", 0, 0) == HG_P_NONE);
    row.ts_ms = INT64_C(0x19AB0C1D2E3);
    row.trace = view("tra");
    CHECK(hg_intake_add(&intake, &row, &seq, &problem, &retry_s) == HG_P_NONE);
    hg_intake_take(&intake, ROWS, BYTES, &batch);
    hg_output_init(&output, &alloc, 4096);
    CHECK(hg_batch_cbor(&batch, NULL, &output) && hg_batch_cbor_length(&batch, NULL) == length);
    CHECK(output.length == length && memcmp(output.data, expected, length) == 0);
    hg_output_clear(&output);
    CHECK(hg_batch_cbor(&batch, &second, &output) && hg_batch_cbor_length(&batch, &second) == split);
    CHECK(output.length == split && memcmp(output.data, expected, split) == 0);
    hg_output_clear(&output);
    CHECK(hg_batch_cbor(&batch, &first, &output) && hg_batch_cbor_length(&batch, &first) == length - split);
    CHECK(output.length == length - split && memcmp(output.data, expected + split, length - split) == 0);
    hg_output_clear(&output);
    hg_output_init(&output, &alloc, length - 1);
    CHECK(!hg_batch_cbor(&batch, NULL, &output));
    hg_output_clear(&output);
    heap.fail_at = 1;
    hg_output_init(&output, &alloc, 4096);
    CHECK(!hg_batch_cbor(&batch, NULL, &output));
    hg_output_clear(&output);
    hg_batch_release(&intake, &batch);
    CHECK(heap.live == 0);
}

/* The length that is asked first is that of what is written, at every width of a number or a text. */
static void test_the_length_of_cbor(void) {
    static const int64_t edges[] = {-1, 0, 23, 24, 255, 256, 65535, 65536, UINT32_MAX, INT64_C(1) << 32, HG_TIME_MS};
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    static char large[70000];
    memset(large, 'x', sizeof large);
    for (unsigned i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        struct hg_intake intake;
        struct hg_batch batch;
        struct hg_output output;
        struct hg_row row = row_of("", 0, 0);
        uint64_t seq;
        hg_intake_init(&intake, &alloc, 1, ROWS, UINT32_MAX);
        row.ts_ms = edges[i];
        row.body = (struct hg_view){(const uint8_t *)large, edges[i] < 0 || edges[i] > 65536 ? 1 : (uint32_t)edges[i]};
        row.trace = edges[i] % 2 == 0 ? row.body : (struct hg_view){NULL, 0};
        intake.seq = edges[i] < 1 ? 0 : (uint64_t)edges[i] - 1;
        CHECK(hg_intake_add(&intake, &row, &seq, &problem, &retry_s) == HG_P_NONE);
        hg_intake_take(&intake, 1, 0, &batch);
        hg_output_init(&output, &alloc, UINT32_MAX);
        CHECK(hg_batch_cbor(&batch, NULL, &output) && output.length == hg_batch_cbor_length(&batch, NULL));
        hg_output_clear(&output);
        hg_batch_release(&intake, &batch);
    }
    CHECK(heap.live == 0);
}

static void test_digests_of_a_key(void) {
    /* printf '\0\0\0\2cl\0\0\0\2st\0\0\0\1k' | sha256sum; printf abc | sha256sum (FIPS 180-4) */
    static const uint8_t scope[HG_KEY_DIGEST] = {0xe9, 0x1f, 0x8a, 0x63, 0x01, 0xb6, 0xbe, 0x44,
                                                 0xee, 0x58, 0xed, 0x8b, 0xc2, 0x7b, 0x96, 0x75};
    static const uint8_t body[HG_KEY_DIGEST] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                                0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23};
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_row row = row_of("abc", 0, 0);
    struct hg_row_key key;
    struct hg_output scratch;
    row.key = view("k");
    hg_output_init(&scratch, &alloc, UINT32_MAX);
    for (int round = 0; round < 2; round++) { /* the scratch may be used again */
        CHECK(hg_row_key(&row, hg_sha256_plain, &scratch, &key));
        CHECK(memcmp(key.scope, scope, sizeof scope) == 0 && memcmp(key.body, body, sizeof body) == 0);
    }
    hg_output_clear(&scratch);
    heap.fail_at = 1;
    CHECK(!hg_row_key(&row, hg_sha256_plain, &scratch, &key));
    hg_output_clear(&scratch);
    CHECK(heap.live == 0);
}

int main(void) {
    test_a_row_is_a_copy_of_its_own();
    test_limits();
    test_lengths_that_cannot_be();
    test_a_failing_allocation_changes_nothing();
    test_nothing_may_be_taken();
    test_what_fails_keeps_the_promised_in_order();
    test_cbor();
    test_the_length_of_cbor();
    test_digests_of_a_key();
    return 0;
}
