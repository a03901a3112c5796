/* Invariant: in any valid JSON text, every value is found by its name or index, and is what core/tree.h read there; what
 * is not there is not found; nothing is read beyond the text and its NUL. */
#include "../../tests/c/check_find.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    (void)check_find(data, (uint32_t)size);
    return 0;
}
