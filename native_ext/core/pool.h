/* What the schema compiler grows while it works: buffers, and hash indexes over things stored elsewhere. */
#ifndef HEADGATE_POOL_H
#define HEADGATE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc.h"

#define HG_POOL_MOST UINT32_C(0x7FFFFFFF) /* bytes of one buffer */

/* All zero: empty. `data` moves when it grows. */
struct hg_buffer {
    uint8_t *data;
    uint32_t size, capacity;
};

/* Room for `more` bytes behind `size`; false: no memory, nothing has changed. */
bool hg_buffer_reserve(struct hg_buffer *buffer, const struct hg_alloc *memory, uint32_t more);
/* Appends; `bytes` must not be of this buffer. */
bool hg_buffer_append(struct hg_buffer *buffer, const struct hg_alloc *memory, const void *bytes, uint32_t size);
void hg_buffer_clear(struct hg_buffer *buffer, const struct hg_alloc *memory);

struct hg_index_slot {
    uint32_t hash;
    uint32_t id; /* of the thing; 0: the slot is free */
};

/* From hashes (keyed, if strangers choose what is hashed) to ids above 0, linear probing. All zero: empty. */
struct hg_index {
    struct hg_index_slot *slots;
    uint32_t size; /* 0 or a power of two */
    uint32_t count;
};

/* The ids that were added with this hash, one by one; 0: no more. *at is 0 for the first. */
uint32_t hg_index_next(const struct hg_index *index, uint32_t hash, uint32_t *at);
bool hg_index_add(struct hg_index *index, const struct hg_alloc *memory, uint32_t hash, uint32_t id);
void hg_index_clear(struct hg_index *index, const struct hg_alloc *memory);

#endif
