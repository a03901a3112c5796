/* Memory for the rows of an intake (intake.h). They come and go by the hundred: so they lie one after the other in blocks, which are
 * freed with the last of their rows. The allocator is asked once for some dozen rows, and who walks over many just reads on.
 *
 * One thread makes rows; any may free them. */
#ifndef HEADGATE_ROWS_H
#define HEADGATE_ROWS_H

#include <stdatomic.h>
#include <stdint.h>

#include "alloc.h"

struct hg_row;
struct hg_row_block;

/* Must not move in memory while there are rows. */
struct hg_row_memory {
    struct hg_alloc alloc;
    struct hg_row_block *open; /* where the next row goes; NULL: there is none */
    uint32_t most;             /* blocks; beyond them each row has memory of its own: a row that stays keeps its block from being freed */
    atomic_uint blocks;
};

void hg_rows_init(struct hg_row_memory *memory, const struct hg_alloc *alloc, uint64_t max_bytes);
/* Room for a row and its texts, `size` bytes in all, aligned for any number; its `block` is set. Nothing has happened until
 * hg_rows_keep. NULL: no memory. */
struct hg_row *hg_rows_room(struct hg_row_memory *memory, uint32_t size);
/* It takes `size` bytes, no more than there is room for. */
void hg_rows_keep(struct hg_row_memory *memory, const struct hg_row *row, uint32_t size);
/* This row and those that follow it. */
void hg_rows_free(struct hg_row *row);
/* No row will be put into the block that is open: it goes with its rows. */
void hg_rows_close(struct hg_row_memory *memory);

#endif
