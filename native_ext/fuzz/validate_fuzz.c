/* Invariant: for any bytes as a JSON document, verdict, explanation and transcoding agree, the CBOR made of it has the
 * same verdict, and so has the JSON made of that; nothing is read behind the document or written beyond the room. */
#include "agree.h"
#include "input.h"
#include "table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    const uint8_t which = take_byte(&input);
    const struct hg_program *program = program_of(which);
    agree_json(program, input.data, input.left);
    agree_duplicates(program, input.data, input.left, -1);
    if (which >= 240) {
        agree_duplicates(program, input.data, input.left, which - 239);
    }
    return 0;
}
