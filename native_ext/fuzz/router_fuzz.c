/* Invariant: a target's path, decoded, never grows, and leads where a naive matcher says, with the same parameters;
 * nothing is read beyond it. */
#include "../../tests/c/check_router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *const raw = malloc(size + 1), *const decoded = malloc(size + 1);
    uint32_t length;
    CHECK(raw != NULL && decoded != NULL);
    raw[0] = '/';
    memcpy(raw + 1, data, size);
    length = hg_percent_decode((struct hg_view){raw, (uint32_t)size + 1}, decoded);
    CHECK(length <= size + 1 && decoded[0] == '/');
    (void)check_route((struct hg_view){raw, (uint32_t)size + 1});
    uint8_t *const exact = malloc(length); /* so that a byte too far is seen */
    CHECK(exact != NULL);
    memcpy(exact, decoded, length);
    (void)check_route((struct hg_view){exact, length});
    free(exact);
    free(decoded);
    free(raw);
    return 0;
}
