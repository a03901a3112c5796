/* Accepted messages on their way to the disk: a bounded queue of rows, taken in batches, released when the commit is done.
 * Twin of firmware_py/headgate/linux/intake.py. One thread adds and takes; a batch, once taken, may be read by another. */
#ifndef HEADGATE_INTAKE_H
#define HEADGATE_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc.h"
#include "inline.h"
#include "limits.h"
#include "output.h"
#include "problem.h"
#include "rows.h"
#include "sha256.h"

enum {
    HG_ROW_DURABLE = 1, /* the stream's durability is fsync */
    HG_ROW_PROMISED = 2, /* its receipt was given out: it may not fail any more */
    HG_ROW_CBOR = 4     /* application/cbor, otherwise application/json */
};

/* One accepted message. What it is in a batch's CBOR follows it in memory: `cbor` bytes, into which the views of its texts are. */
struct hg_row {
    struct hg_row *next;
    struct hg_row_block *block; /* rows.h */
    uint32_t flags;
    uint32_t size; /* bytes charged: body, stream, client and HG_ROW_OVERHEAD */
    uint32_t cbor; /* bytes of it in a batch's CBOR */
    bool keyed;    /* it has a key */
    struct hg_view stream, body; /* up to here: all that is asked of each row of a batch */
    struct hg_view client;
    uint64_t seq;
    int64_t ts_ms; /* Unix ms of arrival; -1: the clock was unset */
    int64_t at_ms; /* monotonic, of arrival */
    uint64_t waiter; /* who waits for the commit: the server's id of a connection; 0: nobody there */
    struct hg_view key;   /* Idempotency-Key; at == NULL: none */
    struct hg_view trace; /* traceparent; at == NULL: none */
    struct hg_view last;  /* key of the last value in the store (last/...); at == NULL: it is not kept */
    int64_t last_ttl_ms;
};

/* Who walks over many rows has those fetched that come soon: messages of one kind are about as long, and lie one after the other. */
#define HG_ROWS_AHEAD 10 /* rows */
HG_INLINE void hg_row_ahead(const struct hg_row *row) {
    const uintptr_t next = (uintptr_t)row->next, later = next + HG_ROWS_AHEAD * (next - (uintptr_t)row);
    HG_PREFETCH((const void *)later);
    HG_PREFETCH((const void *)(later + 64));
}

/* Must not move in memory once initialised. */
struct hg_intake {
    struct hg_row_memory memory;
    struct hg_row *head, *tail;
    uint32_t rows, max_rows;   /* queued */
    uint64_t bytes, max_bytes; /* queued and taken but not released */
    uint64_t boot, seq;        /* seq: the last number given out */
    uint64_t room;             /* bytes the disk budget has left beyond what is queued and taken; UINT64_MAX: no bound */
    int64_t refuse_until_ms;   /* monotonic; storing fails: rows that are not promised are refused until then. 0: it works */
    bool closing;              /* HG_P_DRAINING for everything */
    uint32_t takes;            /* times that rows were taken: what comes afterwards is news */
    uint64_t overfull;         /* rows refused for want of `room`: perhaps something has expired */
    int64_t oldest_ms, oldest_waiting_ms; /* at_ms of the first row queued, of the first that is not promised; -1: none */
    uint32_t expected; /* of those whom the last commit answered, who has not sent another message yet: the server's to count */
};

void hg_intake_init(struct hg_intake *intake, const struct hg_alloc *alloc, uint64_t boot, uint32_t max_rows,
                    uint64_t max_bytes);
void hg_intake_clear(struct hg_intake *intake);

/* Queues a copy of *row (whose next, block, seq, size, cbor and keyed are not read) under the next number. -> HG_P_NONE, and *seq; or
 * why not: HG_P_DRAINING, HG_P_STORAGE_FAILED, HG_P_OUTBOX_FULL, HG_P_OUT_OF_MEMORY with the detail and *retry_s, and nothing has
 * changed. */
enum hg_code hg_intake_add(struct hg_intake *intake, const struct hg_row *row, uint64_t *seq, struct hg_problem *problem,
                           uint32_t *retry_s);

/* Everybody whom the last commit answered waits again: nobody who could be expected soon is missing, and a commit need not linger.
 * Small ones do all the same, for the sake of the flash. */
static inline bool hg_intake_gathered(const struct hg_intake *intake) {
    return intake->oldest_waiting_ms >= 0 && intake->expected == 0 && intake->rows >= HG_GATHERED_ROWS;
}

/* Three quarters full: the disk is behind. Then nothing more is promised: whoever sends waits for the commit, which slows him down and
 * leaves the last quarter to those who wait; and the commit is due. */
static inline bool hg_intake_crowded(const struct hg_intake *intake) {
    return intake->rows >= intake->max_rows - intake->max_rows / 4 || intake->bytes >= intake->max_bytes - intake->max_bytes / 4;
}

/* Rows taken together. */
struct hg_batch {
    struct hg_row *head;
    uint32_t rows;
    uint32_t waiting, keyed; /* of them: not promised, with a key. To look at all rows for that would take longer than to store some */
    uint32_t mixed;          /* rows of another stream than the first one's */
    uint64_t bytes, cbor;    /* charged; of its rows' CBOR */
    uint64_t payload;        /* of the bodies */
};
/* The oldest rows: at least one unless there is none or max_rows is 0, then as many as both limits allow. */
void hg_intake_take(struct hg_intake *intake, uint32_t max_rows, uint64_t max_bytes, struct hg_batch *batch);
/* Rows of a batch that are left out: bit i of byte i / 8; NULL: none. */
static inline bool hg_skipped(const uint8_t *skip, uint32_t index) {
    return skip != NULL && (skip[index / 8] >> index % 8 & 1) != 0;
}
/* The rows, but those in `skip`, as the elements of the batch's CBOR array (linux/batch.py). May run in another thread.
 * -> false: no memory. */
bool hg_batch_cbor(const struct hg_batch *batch, const uint8_t *skip, struct hg_output *output);
/* The bytes that this adds. */
uint64_t hg_batch_cbor_length(const struct hg_batch *batch, const uint8_t *skip);

#define HG_KEY_DIGEST 16 /* bytes */
/* What the idempotency records hold of a row (linux/outbox_keys.py). */
struct hg_row_key {
    uint8_t scope[HG_KEY_DIGEST]; /* of client, stream and key */
    uint8_t body[HG_KEY_DIGEST];
};
/* For a row that has a key. `scratch` is overwritten. -> false: no memory. */
bool hg_row_key(const struct hg_row *row, hg_sha256_blocks blocks, struct hg_output *scratch, struct hg_row_key *key);

/* Frees the rows; any thread. Their charge stays. */
void hg_batch_clear(struct hg_batch *batch);
/* Frees the rows and their charge. */
void hg_batch_release(struct hg_intake *intake, struct hg_batch *batch);
/* The commit failed: promised rows go back to the front of the queue, all others are freed (tell who waits first). */
void hg_batch_give_back(struct hg_intake *intake, struct hg_batch *batch);
/* Of the queue as well: rows that are not promised leave it, as *batch. */
void hg_intake_take_waiting(struct hg_intake *intake, struct hg_batch *batch);

#endif
