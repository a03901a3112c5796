/* Hash table from byte strings to nodes that the user allocates: keyed hash, one chain for each bucket, and as many
 * buckets as nodes, doubled when full. Growing copies nothing but pointers; when there is no memory for it the table
 * goes on with longer chains. */
#ifndef HEADGATE_TABLE_H
#define HEADGATE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc.h"
#include "siphash.h"

/* First member of the user's structure; its key's bytes stand at `key_offset` of that structure. */
struct hg_table_node {
    struct hg_table_node *chain;
    uint32_t hash;
    uint32_t key_length;
};

struct hg_table {
    struct hg_alloc alloc;
    struct hg_table_node **buckets; /* NULL until the first hg_table_reserve */
    uint32_t size;            /* of buckets: 0 or a power of two */
    uint32_t count;           /* of nodes */
    uint32_t key_offset;
    uint8_t seed[HG_SEED];
};

void hg_table_init(struct hg_table *table, const struct hg_alloc *alloc, const uint8_t seed[HG_SEED],
                   uint32_t key_offset);
/* Frees the buckets, not the nodes. */
void hg_table_clear(struct hg_table *table);
uint32_t hg_table_hash(const struct hg_table *table, const uint8_t *key, uint32_t length);
/* NULL when there is none. `hash` is hg_table_hash of the key. */
struct hg_table_node *hg_table_find(const struct hg_table *table, const uint8_t *key, uint32_t length, uint32_t hash);
/* To be called before hg_table_insert; false when there is no memory for the very first buckets. */
bool hg_table_reserve(struct hg_table *table);
/* The key must not be in the table; node->hash, key_length and the key are set. Cannot fail. */
void hg_table_insert(struct hg_table *table, struct hg_table_node *node);
/* The node must be in the table. */
void hg_table_remove(struct hg_table *table, const struct hg_table_node *node);

#endif
