#include "table.h"

#include <string.h>

#define FIRST_SIZE 16
#define MOST_SIZE (UINT32_C(1) << 26) /* buckets; 256 MiB of pointers on 32 bits: more is not asked for */

void hg_table_init(struct hg_table *table, const struct hg_alloc *alloc, const uint8_t seed[HG_SEED],
                   uint32_t key_offset) {
    table->alloc = *alloc;
    table->buckets = NULL;
    table->size = 0;
    table->count = 0;
    table->key_offset = key_offset;
    memcpy(table->seed, seed, HG_SEED);
}

void hg_table_clear(struct hg_table *table) {
    if (table->buckets != NULL) {
        table->alloc.release(table->alloc.context, table->buckets);
    }
    table->buckets = NULL;
    table->size = 0;
    table->count = 0;
}

uint32_t hg_table_hash(const struct hg_table *table, const uint8_t *key, uint32_t length) {
    return (uint32_t)hg_siphash13(table->seed, key, length);
}

static struct hg_table_node **bucket_of(const struct hg_table *table, uint32_t hash) {
    return &table->buckets[hash & (table->size - 1)];
}

struct hg_table_node *hg_table_find(const struct hg_table *table, const uint8_t *key, uint32_t length, uint32_t hash) {
    if (table->size == 0) {
        return NULL;
    }
    struct hg_table_node *node = *bucket_of(table, hash);
    while (node != NULL && (node->hash != hash || node->key_length != length ||
                            memcmp((const char *)node + table->key_offset, key, length) != 0)) {
        node = node->chain;
    }
    return node;
}

static bool resize(struct hg_table *table, uint32_t size) {
    struct hg_table_node **old = table->buckets;
    const uint32_t old_size = table->size;
    struct hg_table_node **buckets = table->alloc.alloc(table->alloc.context, (size_t)size * sizeof(struct hg_table_node *));
    if (buckets == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < size; i++) {
        buckets[i] = NULL;
    }
    table->buckets = buckets;
    table->size = size;
    for (uint32_t i = 0; i < old_size; i++) {
        for (struct hg_table_node *node = old[i], *next; node != NULL; node = next) {
            struct hg_table_node **bucket = bucket_of(table, node->hash);
            next = node->chain;
            node->chain = *bucket;
            *bucket = node;
        }
    }
    if (old != NULL) {
        table->alloc.release(table->alloc.context, old);
    }
    return true;
}

bool hg_table_reserve(struct hg_table *table) {
    if (table->size == 0) {
        return resize(table, FIRST_SIZE);
    }
    if (table->count >= table->size && table->size < MOST_SIZE) {
        (void)resize(table, table->size * 2); /* without memory: longer chains, tried again at the next insert */
    }
    return true;
}

void hg_table_insert(struct hg_table *table, struct hg_table_node *node) {
    struct hg_table_node **bucket = bucket_of(table, node->hash);
    node->chain = *bucket;
    *bucket = node;
    table->count++;
}

void hg_table_remove(struct hg_table *table, const struct hg_table_node *node) {
    struct hg_table_node **place = bucket_of(table, node->hash);
    while (*place != node) {
        place = &(*place)->chain;
    }
    *place = node->chain;
    table->count--;
}
