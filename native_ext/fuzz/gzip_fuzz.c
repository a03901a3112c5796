/* Invariant: a file is read as the same whatever the room, if there is enough; otherwise refused, with no byte more than the room. */
#include "../../tests/c/check.h"
#include "grpc/gzip.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct input input = {data, size};
    const uint32_t most = take_byte(&input) * 8u;
    uint8_t *const exact = malloc(input.left + 1);
    struct hg_output wide, narrow;
    CHECK(exact != NULL);
    memcpy(exact, input.data, input.left);
    const struct hg_view file = {exact, (uint32_t)input.left};
    hg_output_init(&wide, &alloc, 65536);
    hg_output_init(&narrow, &alloc, most);
    const bool read = hg_gunzip(file, &wide), also = hg_gunzip(file, &narrow);
    CHECK(wide.length <= 65536 && narrow.length <= most);
    CHECK(also == (read && wide.length <= most));
    CHECK(!also || (narrow.length == wide.length && (wide.length == 0 || memcmp(narrow.data, wide.data, wide.length) == 0)));
    CHECK(narrow.length == 0 || memcmp(narrow.data, wide.data, narrow.length) == 0);
    hg_output_clear(&wide);
    hg_output_clear(&narrow);
    CHECK(heap.live == 0);
    free(exact);
    return 0;
}
