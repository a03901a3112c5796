#include "limiter.h"

#include <string.h>

#include "inline.h"
#include "limits.h"

#define MICRO INT64_C(1000000) /* micro-tokens in a token: one millisecond adds rate_milli of them */

_Static_assert(HG_LIMITER_BURST <= INT64_MAX / 1000000 - HG_LIMITER_RATE, "a full bucket fits, with room to round up");

enum hg_status hg_limiter_init(struct hg_limiter *limiter, const struct hg_alloc *alloc, const uint8_t seed[HG_SEED],
                               int64_t capacity) {
    if (capacity < 1 || capacity > HG_LIMITER_CLIENTS_MAX) {
        return HG_BAD_CAPACITY;
    }
    hg_table_init(&limiter->table, alloc, seed, offsetof(struct hg_bucket, key));
    hg_ring_init(&limiter->root);
    limiter->capacity = (uint32_t)capacity;
    limiter->evicted = 0;
    return HG_OK;
}

static void drop(struct hg_limiter *limiter, struct hg_bucket *bucket) {
    hg_table_remove(&limiter->table, &bucket->node);
    hg_ring_remove(&bucket->link);
    limiter->table.alloc.release(limiter->table.alloc.context, bucket);
}

void hg_limiter_clear(struct hg_limiter *limiter) {
    while (limiter->root.newer != &limiter->root) {
        drop(limiter, HG_OF(limiter->root.newer, struct hg_bucket, link));
    }
    hg_table_clear(&limiter->table);
}

static bool is_of(const struct hg_bucket *bucket, const uint8_t *key, uint32_t length) {
    return bucket->node.key_length == length && memcmp(bucket->key, key, length) == 0;
}

/* A full bucket for a client that has none; NULL: no memory, nothing has changed. */
HG_RARE static struct hg_bucket *add(struct hg_limiter *limiter, const uint8_t *key, uint32_t length, uint32_t hash) {
    struct hg_table *table = &limiter->table;
    struct hg_bucket *bucket = table->alloc.alloc(table->alloc.context, sizeof *bucket + length);
    if (bucket == NULL) {
        return NULL;
    }
    if (!hg_table_reserve(table)) {
        table->alloc.release(table->alloc.context, bucket);
        return NULL;
    }
    if (table->count >= limiter->capacity) {
        drop(limiter, HG_OF(limiter->root.newer, struct hg_bucket, link));
        limiter->evicted++;
    }
    bucket->node.hash = hash;
    bucket->node.key_length = length;
    memcpy(bucket->key, key, length);
    hg_table_insert(table, &bucket->node);
    return bucket;
}

/* The key's bucket, now the one used last; NULL: no memory. */
static struct hg_bucket *bucket_of(struct hg_limiter *limiter, const uint8_t *key, uint32_t length, int64_t full,
                                   int64_t now_ms) {
    struct hg_link *const last = limiter->root.older;
    struct hg_bucket *bucket = HG_OF(last, struct hg_bucket, link);
    uint32_t hash;
    if (last != &limiter->root && is_of(bucket, key, length)) { /* as with several requests on a connection */
        return bucket;
    }
    hash = hg_table_hash(&limiter->table, key, length);
    bucket = (struct hg_bucket *)(void *)hg_table_find(&limiter->table, key, length, hash);
    if (bucket != NULL) {
        hg_ring_remove(&bucket->link);
    } else {
        bucket = add(limiter, key, length, hash);
        if (bucket == NULL) {
            return NULL;
        }
        bucket->level = full;
        bucket->stamp_ms = now_ms;
    }
    hg_ring_add(&limiter->root, &bucket->link);
    return bucket;
}

#define FEW_MS INT64_C(0x7FFFFFFF)

_Static_assert(HG_LIMITER_RATE <= INT64_MAX / FEW_MS, "what a few milliseconds bring fits");

/* What elapsed_ms > 0 adds, up to `full`; the product is only made when it is known to fit. */
static int64_t refill(int64_t level, int64_t full, int64_t rate_milli, int64_t elapsed_ms) {
    if (level >= full) {
        return full;
    }
    if (elapsed_ms > FEW_MS) { /* rare: a division is a call on 32 bits */
        return elapsed_ms >= (full - level + rate_milli - 1) / rate_milli ? full : level + elapsed_ms * rate_milli;
    }
    return elapsed_ms * rate_milli >= full - level ? full : level + elapsed_ms * rate_milli;
}

enum hg_status hg_limiter_take(struct hg_limiter *limiter, const uint8_t *key, size_t key_length, int64_t rate_milli,
                               int64_t burst, int64_t now_ms, int64_t cost, int64_t *wait_ms, int64_t *left) {
    if (key_length > HG_LIMITER_KEY) {
        return HG_BAD_KEY;
    }
    if (rate_milli < 1 || rate_milli > HG_LIMITER_RATE) {
        return HG_BAD_RATE;
    }
    if (burst < 1 || burst > HG_LIMITER_BURST) {
        return HG_BAD_BURST;
    }
    if (now_ms < 0 || now_ms > HG_TIME_MS) {
        return HG_BAD_TIME;
    }
    if (cost < 0 || cost > burst) {
        return HG_BAD_COST;
    }
    const int64_t full = burst * MICRO, price = cost * MICRO;
    struct hg_bucket *bucket = bucket_of(limiter, key, (uint32_t)key_length, full, now_ms);
    if (bucket == NULL) {
        return HG_NO_MEMORY;
    }
    if (now_ms > bucket->stamp_ms) {
        bucket->level = refill(bucket->level, full, rate_milli, now_ms - bucket->stamp_ms);
        bucket->stamp_ms = now_ms;
    } else if (bucket->level > full) {
        bucket->level = full;
    }
    if (price > bucket->level) {
        *wait_ms = (price - bucket->level + rate_milli - 1) / rate_milli;
    } else {
        *wait_ms = 0;
        bucket->level -= price;
    }
    if (left != NULL) {
        *left = bucket->level / MICRO;
    }
    return HG_OK;
}
