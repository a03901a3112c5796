/* Invariant: for any bytes as a CBOR document, verdict, explanation and transcoding agree, and the JSON text it stands
 * for has the same verdict; nothing is read behind the document or written beyond the room. */
#include "agree.h"
#include "input.h"
#include "table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    const struct hg_program *program = program_of(take_byte(&input));
    agree_cbor(program, input.data, input.left);
    struct hg_program last = anything();
    struct hg_fault fault, other;
    last.flags |= HG_PROGRAM_LAST_DUPLICATE;
    last.max_errors = 3;
    if (check_cbor(&last, input.data, (uint32_t)input.left, &fault) == HG_MALFORMED) {
        const struct hg_program any = anything();
        CHECK(check_cbor(&any, input.data, (uint32_t)input.left, &other) == HG_MALFORMED);
    }
    return 0;
}
