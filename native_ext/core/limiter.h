/* Token buckets, one for each client, in a bounded table. Twin of firmware_py/headgate/core/limiter.py, which explains
 * the arithmetic; the two give the same answers to the same calls. Pointers are never NULL, whatever the length. */
#ifndef HEADGATE_LIMITER_H
#define HEADGATE_LIMITER_H

#include "ring.h"
#include "status.h"
#include "table.h"

/* The members are for reading by tests only. Must not move in memory once initialised. */
struct hg_limiter {
    struct hg_table table;
    struct hg_link root; /* ordered by last use */
    uint32_t capacity;
    uint64_t evicted;
};

struct hg_bucket {
    struct hg_table_node node;
    struct hg_link link;
    int64_t level; /* micro-tokens at stamp_ms, 0 to HG_LIMITER_BURST * 1000000 */
    int64_t stamp_ms;
    uint8_t key[];
};

/* HG_OK or HG_BAD_CAPACITY; allocates nothing yet. */
enum hg_status hg_limiter_init(struct hg_limiter *limiter, const struct hg_alloc *alloc, const uint8_t seed[HG_SEED],
                               int64_t capacity);
/* Frees everything; the limiter is empty and usable afterwards. */
void hg_limiter_clear(struct hg_limiter *limiter);

/* Any values are safe: what is out of its range is refused. On HG_OK *wait_ms is 0 (taken) or the time after which the
 * same call would succeed, and *left (NULL: nobody asks) is the number of whole tokens left. On anything else nothing has changed. */
enum hg_status hg_limiter_take(struct hg_limiter *limiter, const uint8_t *key, size_t key_length, int64_t rate_milli,
                               int64_t burst, int64_t now_ms, int64_t cost, int64_t *wait_ms, int64_t *left);

#endif
