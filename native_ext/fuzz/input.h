/* Takes a fuzzer's bytes apart; after the end everything is 0. */
#ifndef HEADGATE_FUZZ_INPUT_H
#define HEADGATE_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *data;
    size_t left;
};

static inline uint8_t take_byte(struct input *input) {
    if (input->left == 0) {
        return 0;
    }
    input->left--;
    return *input->data++;
}

/* Mostly small, sometimes any 64-bit number: the first byte says how many more make it up. */
static inline int64_t take_number(struct input *input) {
    const uint8_t first = take_byte(input);
    uint64_t number = 0;
    if (first < 240) {
        return first;
    }
    for (int i = 0; i < first - 239 && i < 8; i++) {
        number = number << 8 | take_byte(input);
    }
    return (int64_t)number;
}

#endif
