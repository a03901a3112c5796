/* Invariant: over any bytes, at any alignment, every variant of the inner loops stops at the same byte as a loop over
 * bytes, and the end, the faults and the meaning of a string are those of a slow decoder. */
#include "../../tests/c/check_scan.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    const size_t alignment = take_byte(&input) % 17;
    const uint32_t room = 4 + take_byte(&input) % 61;
    if (input.left > 4000) {
        return 0;
    }
    uint8_t *block;
    uint8_t *p = place(&block, input.data, input.left, alignment);
    const uint8_t *const end = p + input.left;
    for (const uint8_t *start = p; start <= end; start++) {
        check_finders(start, end);
    }
    free(block);
    check_string(input.data, input.left, alignment, room);

    /* Two strings are equal, and hash to the same, if and only if they stand for the same code points. */
    const size_t half = input.left / 2;
    static int32_t codes[2][4096];
    uint32_t counts[2];
    struct hg_text texts[2];
    uint8_t *blocks[2];
    bool good = true;
    for (unsigned i = 0; i < 2; i++) {
        enum hg_reason reason;
        const uint8_t *at;
        p = place(&blocks[i], input.data + i * half, i == 0 ? half : input.left - half, 0);
        const uint8_t *const stop = p + (i == 0 ? half : input.left - half);
        good = hg_scan_string(p, p, stop, &texts[i], &reason, &at) != NULL && good;
        good = slow_string(p, stop, codes[i], &counts[i]) != NULL && good;
    }
    if (good) {
        const bool same = counts[0] == counts[1] && memcmp(codes[0], codes[1], counts[0] * sizeof **codes) == 0;
        CHECK(hg_text_equal(&texts[0], &texts[1]) == same && hg_text_equal(&texts[1], &texts[0]) == same);
        CHECK((hg_text_hash(&texts[0], SEED) == hg_text_hash(&texts[1], SEED)) == same);
    }
    free(blocks[0]);
    free(blocks[1]);
    return 0;
}
