/* What the C tests share: a CHECK that says where, an allocator that counts and can fail, and walks over the structures
 * that trust nothing. The fuzz targets use it as well. */
#ifndef HEADGATE_TESTS_CHECK_H
#define HEADGATE_TESTS_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limiter.h"
#include "core/limits.h"
#include "core/store.h"

#define CHECK(condition)                                                                    \
    do {                                                                                    \
        if (!(condition)) {                                                                 \
            fprintf(stderr, "%s:%d: %s: not true: %s\n", __FILE__, __LINE__, __func__, #condition); \
            abort();                                                                        \
        }                                                                                   \
    } while (0)

static const uint8_t SEED[HG_SEED] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

/* `fail_at` counts down with each allocation; the one that brings it to 0 fails. Negative: none ever does. */
struct heap {
    long live, fail_at;
};

static void *heap_alloc(void *context, size_t size) {
    struct heap *heap = context;
    void *memory = NULL;
    CHECK(size > 0);
    if (heap->fail_at < 0 || heap->fail_at-- != 1) {
        memory = malloc(size);
        CHECK(memory != NULL);
#ifndef HEAP_PLAIN /* defined by who counts instructions */
        memset(memory, 0xa5, size); /* nothing may rely on zeroed memory */
#endif
        heap->live++;
    }
    return memory;
}

static void heap_release(void *context, void *memory) {
    struct heap *heap = context;
    CHECK(memory != NULL);
    free(memory);
    heap->live--;
}

static inline struct hg_alloc heap_of(struct heap *heap) {
    return (struct hg_alloc){heap_alloc, heap_release, heap};
}

/* The number of nodes in the table, each one found by its own key. */
static inline uint32_t check_table(const struct hg_table *table) {
    uint32_t count = 0;
    CHECK((table->size == 0) == (table->buckets == NULL));
    CHECK((table->size & (table->size - 1)) == 0);
    for (uint32_t i = 0; i < table->size; i++) {
        for (const struct hg_table_node *node = table->buckets[i]; node != NULL; node = node->chain, count++) {
            const uint8_t *key = (const uint8_t *)node + table->key_offset;
            CHECK(node->hash == hg_table_hash(table, key, node->key_length));
            CHECK((node->hash & (table->size - 1)) == i);
            CHECK(hg_table_find(table, key, node->key_length, node->hash) == node);
        }
    }
    CHECK(count == table->count);
    return count;
}

static inline void check_limiter(const struct hg_limiter *limiter) {
    uint32_t count = 0;
    for (const struct hg_link *link = limiter->root.newer; link != &limiter->root; link = link->newer, count++) {
        const struct hg_bucket *bucket = HG_OF(link, struct hg_bucket, link);
        CHECK(link->older->newer == link && link->newer->older == link);
        CHECK(bucket->level >= 0 && bucket->level <= HG_LIMITER_BURST * INT64_C(1000000));
        CHECK(bucket->stamp_ms >= 0 && bucket->stamp_ms <= HG_TIME_MS);
    }
    CHECK(count == check_table(&limiter->table) && count <= limiter->capacity);
}

static inline void check_store(const struct hg_store *store) {
    uint64_t bytes = 0;
    uint32_t count = 0;
    bool hand = store->hand == &store->root, scan = store->scan == &store->root;
    for (const struct hg_link *link = store->root.newer; link != &store->root; link = link->newer, count++) {
        const struct hg_entry *entry = HG_OF(link, struct hg_entry, link);
        CHECK(link->older->newer == link && link->newer->older == link);
        CHECK(entry->version >= 1 && entry->version <= store->version);
        CHECK(entry->value_length <= store->max_value && entry->visited <= 1);
        bytes += (uint64_t)entry->node.key_length + entry->meta_length + entry->value_length + HG_ENTRY_OVERHEAD;
        hand = hand || store->hand == link;
        scan = scan || store->scan == link;
    }
    CHECK(hand && scan);
    CHECK(count == check_table(&store->table) && count <= store->max_entries);
    CHECK(bytes == store->bytes && bytes <= store->max_bytes);
}

#endif
