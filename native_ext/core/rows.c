#include "rows.h"

#include <stdbool.h>
#include <stddef.h>

#include "intake.h"

#define OPEN (1u << 30) /* users of a block that more rows may come to, beside those that have gone */
#define ALIGNED(size) (((size) + 7) & ~(uint32_t)7)

struct hg_row_block {
    struct hg_row_memory *memory;
    atomic_uint users;   /* its rows; while it is open: OPEN less those that have gone */
    uint32_t rows;       /* ever put into it */
    uint32_t used, size; /* bytes of it, this included */
};
#define FIRST ALIGNED((uint32_t)sizeof(struct hg_row_block))

_Static_assert(HG_ROW_BLOCK / sizeof(struct hg_row) < OPEN, "users are told from OPEN");

void hg_rows_init(struct hg_row_memory *memory, const struct hg_alloc *alloc, uint64_t max_bytes) {
    const uint64_t most = max_bytes / (HG_ROW_BLOCK / 2); /* the charge of a row is about half of what it takes */
    memory->alloc = *alloc;
    memory->open = NULL;
    memory->most = most > UINT32_MAX ? UINT32_MAX : (uint32_t)most;
    atomic_init(&memory->blocks, 0);
}

/* So many users have gone. */
static void let_go(struct hg_row_block *block, unsigned users) {
    if (atomic_fetch_sub_explicit(&block->users, users, memory_order_acq_rel) == users) {
        struct hg_row_memory *memory = block->memory;
        (void)atomic_fetch_sub_explicit(&memory->blocks, 1, memory_order_relaxed);
        memory->alloc.release(memory->alloc.context, block);
    }
}

static struct hg_row_block *new_block(struct hg_row_memory *memory, uint32_t size, unsigned users) {
    struct hg_row_block *block = memory->alloc.alloc(memory->alloc.context, size);
    if (block != NULL) {
        block->memory = memory;
        block->rows = 0;
        block->used = FIRST;
        block->size = size;
        atomic_init(&block->users, users);
        (void)atomic_fetch_add_explicit(&memory->blocks, 1, memory_order_relaxed);
    }
    return block;
}

static struct hg_row *next_row(struct hg_row_block *block) {
    struct hg_row *row = (struct hg_row *)(void *)((uint8_t *)block + block->used);
    row->block = block;
    return row;
}

struct hg_row *hg_rows_room(struct hg_row_memory *memory, uint32_t size) {
    struct hg_row_block *block = memory->open;
    if (block != NULL && size <= block->size - block->used) {
        return next_row(block);
    }
    if (size > UINT32_MAX - FIRST) {
        return NULL;
    }
    if (size > HG_ROW_BLOCK - FIRST || atomic_load_explicit(&memory->blocks, memory_order_relaxed) >= memory->most) {
        block = new_block(memory, FIRST + size, 1);
        return block == NULL ? NULL : next_row(block);
    }
    block = new_block(memory, HG_ROW_BLOCK, OPEN);
    if (block == NULL) {
        return NULL;
    }
    hg_rows_close(memory);
    memory->open = block;
    return next_row(block);
}

void hg_rows_keep(struct hg_row_memory *memory, const struct hg_row *row, uint32_t size) {
    struct hg_row_block *block = row->block;
    if (block == memory->open) { /* else it is the only one */
        const uint32_t used = block->used + ALIGNED(size);
        block->used = used < block->size ? used : block->size;
        block->rows += 1;
    }
}

void hg_rows_free(struct hg_row *row) {
    while (row != NULL) {
        struct hg_row_block *const block = row->block;
        unsigned rows = 0;
        do {
            hg_row_ahead(row);
            row = row->next;
            rows += 1;
        } while (row != NULL && row->block == block);
        let_go(block, rows);
    }
}

void hg_rows_close(struct hg_row_memory *memory) {
    struct hg_row_block *block = memory->open;
    memory->open = NULL;
    if (block != NULL) {
        let_go(block, OPEN - block->rows);
    }
}
