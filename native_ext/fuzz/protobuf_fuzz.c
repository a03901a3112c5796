/* Invariant: the fields of a message tile it; what is written of them again is read as the same; nothing is read beyond the message. */
#include "../../tests/c/check.h"
#include "grpc/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One field by the writer, if it writes such: a number that is not 0, bytes that are not empty. */
static void check_written(const struct hg_pb_field *field) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_pb_field again;
    struct hg_output out;
    uint32_t at = 0, mark;
    hg_output_init(&out, &alloc, 1 << 20);
    if (field->wire == HG_PB_VARINT && field->value != 0) {
        hg_pb_number(&out, field->number, field->value);
    } else if (field->wire == HG_PB_BYTES) {
        mark = hg_pb_open(&out, field->number);
        hg_output_add(&out, field->bytes.at, field->bytes.length);
        hg_pb_close(&out, mark);
    } else {
        return; /* no such field is written */
    }
    CHECK(!out.failed);
    CHECK(hg_pb_next((struct hg_view){out.data, out.length}, &at, &again) == HG_PB_FIELD && at == out.length);
    CHECK(again.number == field->number && again.wire == field->wire && again.value == field->value);
    CHECK(again.bytes.length == field->bytes.length && memcmp(again.bytes.at, field->bytes.at, field->bytes.length) == 0);
    hg_output_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *const copy = malloc(size + 1); /* so that a byte too far is seen, whatever libFuzzer has around its own */
    uint8_t *const exact = copy + 1;
    struct hg_pb_field field;
    enum hg_pb_event event;
    uint32_t at = 0, before = 0;
    CHECK(copy != NULL);
    memcpy(exact, data, size);
    while ((event = hg_pb_next((struct hg_view){exact, (uint32_t)size}, &at, &field)) == HG_PB_FIELD) {
        CHECK(at > before && at <= size && field.number != 0);
        CHECK(field.bytes.at + field.bytes.length == exact + at);
        check_written(&field);
        before = at;
    }
    CHECK(event == HG_PB_MALFORMED || at == size);
    free(copy);
    return 0;
}
