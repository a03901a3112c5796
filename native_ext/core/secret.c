#include "secret.h"

#include <string.h>

void hg_wipe(void *memory, size_t length) {
    memset(memory, 0, length);
    __asm__ volatile("" : : "r"(memory) : "memory"); /* somebody might look: the stores must be made */
}

bool hg_same(const uint8_t *a, const uint8_t *b, size_t length) {
    uint64_t differ = 0, left, right;
    size_t at = 0;
    for (; length - at >= sizeof left; at += sizeof left) {
        memcpy(&left, a + at, sizeof left);
        memcpy(&right, b + at, sizeof right);
        differ |= left ^ right;
    }
    for (; at < length; at++) {
        differ |= (uint64_t)(a[at] ^ b[at]);
    }
    return differ == 0;
}
