#include "store.h"

#include <string.h>

#include "limits.h"

_Static_assert(sizeof(struct hg_entry) <= HG_ENTRY_OVERHEAD, "the charge for an entry covers what it really takes");
_Static_assert(HG_CACHE_META <= UINT16_MAX && HG_CACHE_VALUE_MAX <= INT32_MAX - HG_CACHE_META - 4096,
               "lengths fit their fields, and an entry fits size_t on 32 bits");

enum hg_status hg_store_init(struct hg_store *store, const struct hg_alloc *alloc, const uint8_t seed[HG_SEED],
                             int64_t max_bytes, int64_t max_value, int64_t max_entries) {
    if (max_bytes < 0 || max_bytes > HG_CACHE_BYTES_MAX) {
        return HG_BAD_MAX_BYTES;
    }
    if (max_value < 1 || max_value > HG_CACHE_VALUE_MAX) {
        return HG_BAD_MAX_VALUE;
    }
    if (max_entries < 1 || max_entries > HG_CACHE_ENTRIES_MAX) {
        return HG_BAD_MAX_ENTRIES;
    }
    memset(store, 0, sizeof *store);
    hg_table_init(&store->table, alloc, seed, offsetof(struct hg_entry, data));
    hg_ring_init(&store->root);
    store->hand = store->scan = &store->root;
    store->max_bytes = (uint64_t)max_bytes;
    store->max_value = (uint32_t)max_value;
    store->max_entries = (uint32_t)max_entries;
    return HG_OK;
}

static uint64_t charge(const struct hg_entry *entry) {
    return (uint64_t)entry->node.key_length + entry->value_length + entry->meta_length + HG_ENTRY_OVERHEAD;
}

static void drop(struct hg_store *store, struct hg_entry *entry) {
    if (store->hand == &entry->link) {
        store->hand = entry->link.newer;
    }
    if (store->scan == &entry->link) {
        store->scan = entry->link.newer;
    }
    hg_ring_remove(&entry->link);
    hg_table_remove(&store->table, &entry->node);
    store->bytes -= charge(entry);
    store->table.alloc.release(store->table.alloc.context, entry);
}

void hg_store_clear(struct hg_store *store) {
    while (store->root.newer != &store->root) {
        drop(store, HG_OF(store->root.newer, struct hg_entry, link));
    }
    hg_table_clear(&store->table);
}

static bool expired(const struct hg_entry *entry, int64_t now_ms) {
    return entry->expires_ms != 0 && now_ms >= entry->expires_ms;
}

/* The live entry of the key, or NULL; an expired one is removed and counted. */
static struct hg_entry *live(struct hg_store *store, const uint8_t *key, size_t key_length, uint32_t hash,
                             int64_t now_ms) {
    struct hg_entry *entry =
        (struct hg_entry *)(void *)hg_table_find(&store->table, key, (uint32_t)key_length, hash);
    if (entry != NULL && expired(entry, now_ms)) {
        drop(store, entry);
        store->expirations++;
        return NULL;
    }
    return entry;
}

/* Move the hand until at most max_bytes and max_entries are left; `keep`, which is not charged, stays as it is. */
static void make_room(struct hg_store *store, uint64_t max_bytes, uint32_t max_entries, const struct hg_entry *keep,
                      int64_t now_ms) {
    while (store->bytes > max_bytes || store->table.count > max_entries) {
        struct hg_link *hand = store->hand;
        struct hg_entry *entry = HG_OF(hand, struct hg_entry, link);
        if (hand == &store->root || entry == keep) {
            store->hand = hand->newer;
        } else if (expired(entry, now_ms)) {
            drop(store, entry);
            store->expirations++;
        } else if (entry->visited) {
            entry->visited = 0;
            store->hand = hand->newer;
        } else {
            drop(store, entry);
            store->evictions++;
        }
    }
}

/* `entry` takes the place of `old`, which has the same key, in every structure. */
static void replace(struct hg_store *store, struct hg_entry *old, struct hg_entry *entry) {
    hg_table_remove(&store->table, &old->node);
    hg_table_insert(&store->table, &entry->node);
    hg_ring_replace(&old->link, &entry->link);
    if (store->hand == &old->link) {
        store->hand = &entry->link;
    }
    if (store->scan == &old->link) {
        store->scan = &entry->link;
    }
    store->table.alloc.release(store->table.alloc.context, old);
}

enum hg_status hg_store_put(struct hg_store *store, const uint8_t *key, size_t key_length, const uint8_t *value,
                            size_t value_length, const uint8_t *meta, size_t meta_length, int64_t ttl_ms,
                            int64_t now_ms, uint64_t *version) {
    if (now_ms < 0 || now_ms > HG_TIME_MS) {
        return HG_BAD_TIME;
    }
    if (ttl_ms < 0 || ttl_ms > HG_CACHE_TTL_MS) {
        return HG_BAD_TTL;
    }
    *version = 0;
    if (key_length > HG_CACHE_KEY || value_length > store->max_value || meta_length > HG_CACHE_META) {
        return HG_OK;
    }
    const size_t data_length = key_length + meta_length + value_length; /* cannot wrap: each one is bounded now */
    const uint64_t cost = (uint64_t)data_length + HG_ENTRY_OVERHEAD;
    if (cost > store->max_bytes) {
        return HG_OK;
    }
    const struct hg_alloc *alloc = &store->table.alloc;
    const uint32_t hash = hg_table_hash(&store->table, key, (uint32_t)key_length);
    struct hg_entry *old = live(store, key, key_length, hash, now_ms);
    /* The old block serves again when the new data takes exactly as much: what a sensor sends every second does. */
    const bool reuse = old != NULL && charge(old) == cost;
    struct hg_entry *entry = old;
    if (!reuse) {
        entry = alloc->alloc(alloc->context, sizeof *entry + data_length);
        if (entry == NULL) {
            return HG_NO_MEMORY;
        }
        entry->node.hash = hash;
        entry->node.key_length = (uint32_t)key_length;
        memcpy(entry->data, key, key_length);
        if (old == NULL && !hg_table_reserve(&store->table)) {
            alloc->release(alloc->context, entry);
            return HG_NO_MEMORY;
        }
    }
    if (old == NULL) {
        make_room(store, store->max_bytes - cost, store->max_entries - 1, NULL, now_ms);
        hg_table_insert(&store->table, &entry->node);
        hg_ring_add(&store->root, &entry->link);
    } else {
        store->bytes -= charge(old);
        make_room(store, store->max_bytes - cost, store->max_entries, old, now_ms);
        if (!reuse) {
            replace(store, old, entry);
        }
    }
    memcpy(entry->data + key_length, meta, meta_length);
    memcpy(entry->data + key_length + meta_length, value, value_length);
    entry->meta_length = (uint16_t)meta_length;
    entry->value_length = (uint32_t)value_length;
    entry->visited = old != NULL;
    entry->expires_ms = ttl_ms != 0 ? now_ms + ttl_ms : 0;
    entry->version = *version = ++store->version;
    store->bytes += cost;
    return HG_OK;
}

static void tell(const struct hg_entry *entry, int64_t now_ms, struct hg_found *found) {
    found->key = entry->data;
    found->key_length = entry->node.key_length;
    found->meta = found->key + found->key_length;
    found->meta_length = entry->meta_length;
    found->value = found->meta + found->meta_length;
    found->value_length = entry->value_length;
    found->version = entry->version;
    found->ttl_ms = entry->expires_ms != 0 ? entry->expires_ms - now_ms : 0;
}

/* *entry: the live one of the key, or NULL. */
static enum hg_status find(struct hg_store *store, const uint8_t *key, size_t key_length, int64_t now_ms,
                           struct hg_entry **entry) {
    *entry = NULL;
    if (now_ms < 0 || now_ms > HG_TIME_MS) {
        return HG_BAD_TIME;
    }
    if (key_length <= HG_CACHE_KEY) {
        *entry = live(store, key, key_length, hg_table_hash(&store->table, key, (uint32_t)key_length), now_ms);
    }
    return HG_OK;
}

enum hg_status hg_store_get(struct hg_store *store, const uint8_t *key, size_t key_length, int64_t now_ms, bool *hit,
                            struct hg_found *found) {
    struct hg_entry *entry;
    const enum hg_status status = find(store, key, key_length, now_ms, &entry);
    *hit = entry != NULL;
    if (entry != NULL) {
        store->hits++;
        entry->visited = 1;
        tell(entry, now_ms, found);
    } else if (status == HG_OK) {
        store->misses++;
    }
    return status;
}

enum hg_status hg_store_peek(struct hg_store *store, const uint8_t *key, size_t key_length, int64_t now_ms, bool *hit,
                             struct hg_found *found) {
    struct hg_entry *entry;
    const enum hg_status status = find(store, key, key_length, now_ms, &entry);
    *hit = entry != NULL;
    if (entry != NULL) {
        tell(entry, now_ms, found);
    }
    return status;
}

enum hg_status hg_store_delete(struct hg_store *store, const uint8_t *key, size_t key_length, int64_t now_ms,
                               bool *deleted) {
    struct hg_entry *entry;
    const enum hg_status status = find(store, key, key_length, now_ms, &entry);
    *deleted = entry != NULL;
    if (entry != NULL) {
        drop(store, entry);
    }
    return status;
}

uint64_t hg_store_drop(struct hg_store *store, const uint8_t *prefix, size_t length, uint64_t version) {
    uint64_t dropped = 0;
    struct hg_link *next;
    for (struct hg_link *link = store->root.newer; link != &store->root; link = next) {
        struct hg_entry *entry = HG_OF(link, struct hg_entry, link);
        next = link->newer;
        if (entry->version <= version && entry->node.key_length >= length && memcmp(entry->data, prefix, length) == 0) {
            drop(store, entry);
            dropped++;
        }
    }
    return dropped;
}

enum hg_status hg_store_scan(struct hg_store *store, bool restart, int64_t now_ms, bool *more, struct hg_found *found) {
    if (now_ms < 0 || now_ms > HG_TIME_MS) {
        return HG_BAD_TIME;
    }
    if (restart) {
        store->scan = store->root.newer;
    }
    *more = false;
    while (store->scan != &store->root && !*more) {
        struct hg_entry *entry = HG_OF(store->scan, struct hg_entry, link);
        if (expired(entry, now_ms)) {
            drop(store, entry);
            store->expirations++;
        } else {
            store->scan = entry->link.newer;
            tell(entry, now_ms, found);
            *more = true;
        }
    }
    return HG_OK;
}
