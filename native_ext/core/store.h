/* Key-value cache with a byte budget, time to live and SIEVE eviction. Twin of firmware_py/headgate/core/store.py,
 * which explains the algorithm; the two give the same answers to the same calls. Pointers are never NULL, whatever the
 * length. */
#ifndef HEADGATE_STORE_H
#define HEADGATE_STORE_H

#include "ring.h"
#include "status.h"
#include "table.h"

/* Must not move in memory once initialised. Read the counters freely; the rest is for reading by tests only. */
struct hg_store {
    struct hg_table table;
    struct hg_link root;  /* ordered by arrival */
    struct hg_link *hand; /* the entry the next sweep starts at; the root: start at the oldest */
    struct hg_link *scan; /* the entry hg_store_scan goes on with; the root: it is through */
    uint64_t max_bytes, bytes, version, hits, misses, evictions, expirations;
    uint32_t max_value, max_entries;
};

/* One block of memory for each entry: this, then key, meta and value. */
struct hg_entry {
    struct hg_table_node node;
    struct hg_link link;
    int64_t expires_ms; /* 0 = never */
    uint64_t version;
    uint32_t value_length;
    uint16_t meta_length;
    uint8_t visited;
    uint8_t data[];
};

struct hg_found {
    const uint8_t *key, *value, *meta; /* valid until the next call on the store */
    size_t key_length, value_length, meta_length;
    uint64_t version;
    int64_t ttl_ms; /* left to live; 0 = for ever */
};

/* HG_OK or HG_BAD_MAX_*; allocates nothing yet. max_bytes 0: nothing is kept. */
enum hg_status hg_store_init(struct hg_store *store, const struct hg_alloc *alloc, const uint8_t seed[HG_SEED],
                             int64_t max_bytes, int64_t max_value, int64_t max_entries);
/* Frees everything; the store is empty and usable afterwards. */
void hg_store_clear(struct hg_store *store);

/* *version is the new version, or 0 when it does not fit. On anything but HG_OK what was stored stays as it was. While
 * a value is being stored, memory for one entry more than the budget is in use. */
enum hg_status hg_store_put(struct hg_store *store, const uint8_t *key, size_t key_length, const uint8_t *value,
                            size_t value_length, const uint8_t *meta, size_t meta_length, int64_t ttl_ms,
                            int64_t now_ms, uint64_t *version);
/* *hit says whether *found was filled. */
enum hg_status hg_store_get(struct hg_store *store, const uint8_t *key, size_t key_length, int64_t now_ms, bool *hit,
                            struct hg_found *found);
/* As hg_store_get, but no hit, no miss and no mark. */
enum hg_status hg_store_peek(struct hg_store *store, const uint8_t *key, size_t key_length, int64_t now_ms, bool *hit,
                             struct hg_found *found);
enum hg_status hg_store_delete(struct hg_store *store, const uint8_t *key, size_t key_length, int64_t now_ms,
                               bool *deleted);
/* The next entry, oldest first: of a new scan if `restart`, otherwise of the last one, whatever was put or removed meanwhile
 * (new ones come at the end). No hit, no mark; expired ones met go. *more: *found was filled; otherwise it is through. */
enum hg_status hg_store_scan(struct hg_store *store, bool restart, int64_t now_ms, bool *more, struct hg_found *found);
/* Removes the entries whose key begins with `prefix` and whose version is at most `version`. -> how many */
uint64_t hg_store_drop(struct hg_store *store, const uint8_t *prefix, size_t length, uint64_t version);

#endif
