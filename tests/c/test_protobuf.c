/* grpc/protobuf.c: what is a field and what is not, at every length; what is written is read again; and no memory. */
#include "check.h"
#include "grpc/protobuf.h"

#define VIEW(text) ((struct hg_view){(const uint8_t *)(text), sizeof(text) - 1})

/* A copy that ends where the message does, so that a byte too far is seen. */
static enum hg_pb_event first(struct hg_view message, struct hg_pb_field *field, uint32_t *at) {
    static uint8_t *copy;
    free(copy);
    copy = malloc(message.length + 1);
    CHECK(copy != NULL);
    memcpy(copy, message.at, message.length);
    *at = 0;
    return hg_pb_next((struct hg_view){copy, message.length}, at, field);
}

static void test_fields(void) {
    static const struct {
        struct hg_view message;
        uint32_t number, wire;
        uint64_t value;
        const char *bytes;
    } rows[] = {
        {VIEW("\x08\x96\x01"), 1, HG_PB_VARINT, 150, ""},
        {VIEW("\x08\x00"), 1, HG_PB_VARINT, 0, ""},
        {VIEW("\x08\x80\x00"), 1, HG_PB_VARINT, 0, ""}, /* longer than need be: as every reader takes it */
        {VIEW("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 1, HG_PB_VARINT, UINT64_MAX, ""},
        {VIEW("\x12\x07testing"), 2, HG_PB_BYTES, 0, "testing"},
        {VIEW("\x12\x00"), 2, HG_PB_BYTES, 0, ""},
        {VIEW("\x1d" "abcd"), 3, HG_PB_FIXED32, 0, "abcd"},
        {VIEW("\x21" "abcdefgh"), 4, HG_PB_FIXED64, 0, "abcdefgh"},
        {VIEW("\xf8\xff\xff\xff\x0f\x01"), 536870911, HG_PB_VARINT, 1, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hg_pb_field field;
        uint32_t at;
        CHECK(first(rows[i].message, &field, &at) == HG_PB_FIELD);
        CHECK(field.number == rows[i].number && field.wire == rows[i].wire && field.value == rows[i].value);
        CHECK(field.bytes.length == strlen(rows[i].bytes) && memcmp(field.bytes.at, rows[i].bytes, field.bytes.length) == 0);
        CHECK(at == rows[i].message.length);
        for (uint32_t length = 1; length < rows[i].message.length; length++) {
            CHECK(first((struct hg_view){rows[i].message.at, length}, &field, &at) == HG_PB_MALFORMED);
        }
    }
}

static void test_malformed(void) {
    static const struct hg_view rows[] = {
        VIEW("\x00\x01"),                                     /* field number 0 */
        VIEW("\x0b"), VIEW("\x0c"), VIEW("\x0e"), VIEW("\x0f"), /* groups; wire types that are none */
        VIEW("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), /* 65 bits */
        VIEW("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"),
        VIEW("\x88\x80\x80\x80\x10\x01"),                     /* a tag of 33 bits */
        VIEW("\x12\xff\xff\xff\xff\x0f" "abc"),               /* lengths that would wrap around */
        VIEW("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" "abc"),
        VIEW("\x12\x04" "abc"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hg_pb_field field;
        uint32_t at;
        CHECK(first(rows[i], &field, &at) == HG_PB_MALFORMED);
    }
}

static void write_all(struct hg_output *out, struct hg_view large) {
    uint32_t outer, inner;
    hg_pb_number(out, 1, 300);
    hg_pb_number(out, 2, 0);
    hg_pb_text(out, 3, "");
    outer = hg_pb_open(out, 4);
    hg_pb_text(out, 1, "a");
    inner = hg_pb_open(out, 16);
    hg_pb_bytes(out, 1, large);
    hg_pb_close(out, inner);
    hg_pb_close(out, outer);
    outer = hg_pb_open(out, 5);
    hg_pb_close(out, outer);
}

static void test_written_and_read(void) {
    static const uint8_t bytes[20000];
    const struct hg_view large = {bytes, sizeof bytes};
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_output out;
    struct hg_pb_field field;
    uint32_t at = 0, deep = 0;
    hg_output_init(&out, &alloc, 40000);
    write_all(&out, large);
    CHECK(!out.failed);
    const struct hg_view message = {out.data, out.length};
    CHECK(hg_pb_next(message, &at, &field) == HG_PB_FIELD && field.number == 1 && field.value == 300);
    CHECK(hg_pb_next(message, &at, &field) == HG_PB_FIELD && field.number == 4);
    const struct hg_view outer = field.bytes;
    CHECK(hg_pb_next(outer, &deep, &field) == HG_PB_FIELD && field.number == 1 && field.bytes.length == 1);
    CHECK(hg_pb_next(outer, &deep, &field) == HG_PB_FIELD && field.number == 16);
    CHECK(hg_pb_next(outer, &deep, &field) == HG_PB_END);
    CHECK(hg_pb_next(message, &at, &field) == HG_PB_FIELD && field.number == 5 && field.bytes.length == 0);
    CHECK(hg_pb_next(message, &at, &field) == HG_PB_END);
    hg_output_clear(&out);
    for (uint32_t most = 0; most < 20030; most += most < 40 || most > 20000 ? 1 : 997) { /* no room, wherever it ends */
        hg_output_init(&out, &alloc, most);
        write_all(&out, large);
        CHECK(out.length <= most);
        hg_output_clear(&out);
    }
    for (long fail_at = 1; fail_at < 10; fail_at++) {
        heap.fail_at = fail_at;
        hg_output_init(&out, &alloc, 40000);
        write_all(&out, large);
        hg_output_clear(&out);
        CHECK(heap.live == 0);
    }
}

int main(void) {
    test_fields();
    test_malformed();
    test_written_and_read();
    return 0;
}
