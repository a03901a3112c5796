/* Things of one life time in one block of memory: the same walk first asks how large it has to be, then lays them out. */
#ifndef HEADGATE_BLOCK_H
#define HEADGATE_BLOCK_H

#include "output.h"

struct hg_block {
    uint8_t *at; /* NULL: only the size is asked for */
    size_t used;
};

/* Aligned as malloc does; NULL while only the size is asked for. */
static inline void *hg_block_part(struct hg_block *block, size_t size) {
    void *memory = block->at == NULL ? NULL : block->at + block->used;
    block->used += (size + 15) & ~(size_t)15;
    return memory;
}

static inline struct hg_view hg_block_text(struct hg_block *block, struct hg_view text) {
    uint8_t *copy = hg_block_part(block, (size_t)text.length + 1);
    if (copy != NULL && text.length != 0) {
        memcpy(copy, text.at, text.length);
    }
    return (struct hg_view){copy, text.length};
}

#endif
