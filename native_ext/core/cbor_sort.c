#include "cbor_sort.h"

#include <stdbool.h>
#include <string.h>

#include "cbor_item.h"
#include "limits.h"

/* A key and its value. */
struct pair {
    uint32_t start, size; /* bytes */
};

struct open {
    uint32_t left;  /* items or pairs to come */
    uint32_t count; /* of the pairs that were begun */
    uint32_t base;  /* where its pairs begin in the row of those of all open maps */
    uint32_t key;   /* where the last key starts */
    uint32_t first; /* where the first one does */
    bool map, in_value, disordered;
};

struct walk {
    uint8_t *data;
    uint32_t length;
    struct pair *pairs; /* NULL: only look */
    uint8_t *scratch;
    uint32_t most_pairs, most_bytes; /* looked for: of all open maps together; of a map that is not in order */
};

/* One pair comes before the other. Keys are different and none begins with another one, so the values are never
 * compared. */
static bool before(const uint8_t *data, const struct pair *a, const struct pair *b) {
    return memcmp(data + a->start, data + b->start, a->size < b->size ? a->size : b->size) < 0;
}

static void sift(const uint8_t *data, struct pair *pairs, uint32_t at, uint32_t count) {
    const struct pair moved = pairs[at];
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && before(data, &pairs[child], &pairs[child + 1]);
        if (!before(data, &moved, &pairs[child])) {
            break;
        }
        pairs[at] = pairs[child];
    }
    pairs[at] = moved;
}

/* Heapsort: no more memory, and no order that makes it slow. */
static void sort(const uint8_t *data, struct pair *pairs, uint32_t count) {
    for (uint32_t at = count / 2; at-- > 0;) {
        sift(data, pairs, at, count);
    }
    while (count > 1) {
        const struct pair last = pairs[--count];
        pairs[count] = pairs[0];
        pairs[0] = last;
        sift(data, pairs, 0, count);
    }
}

static void rearrange(const struct walk *walk, const struct open *map, uint32_t end) {
    struct pair *pairs = walk->pairs + map->base;
    uint8_t *out = walk->scratch;
    sort(walk->data, pairs, map->count);
    for (uint32_t i = 0; i < map->count; i++) {
        memcpy(out, walk->data + pairs[i].start, pairs[i].size);
        out += pairs[i].size;
    }
    memcpy(walk->data + map->first, walk->scratch, end - map->first);
}

/* A key starts at `start`: the second and later ones are compared with the one before. */
static void begin_pair(const struct walk *walk, struct open *map, uint32_t start) {
    if (map->count == 0) {
        map->first = start;
    } else if (!map->disordered) {
        const struct pair last = {map->key, start - map->key}, next = {start, walk->length - start};
        map->disordered = before(walk->data, &next, &last);
    }
    map->key = start;
    if (walk->pairs != NULL) {
        walk->pairs[map->base + map->count].start = start;
    }
    map->count++;
}

static void end_pair(const struct walk *walk, struct open *map, uint32_t end) {
    if (walk->pairs != NULL) {
        walk->pairs[map->base + map->count - 1].size = end - map->key;
    }
}

static void end_map(struct walk *walk, const struct open *map, uint32_t end) {
    if (!map->disordered) {
        return;
    }
    if (walk->pairs != NULL) {
        rearrange(walk, map, end);
    } else if (end - map->first > walk->most_bytes) {
        walk->most_bytes = end - map->first;
    }
}

/* The item, maps being finished from the inside out: those inside have their size already, whatever their order. */
static void walk_item(struct walk *walk) {
    struct open stack[HG_DOCUMENT_DEPTH + 1]; /* and the array in a decimal fraction */
    uint32_t depth = 0, at = 0, live = 0;
    for (;;) {
        struct hg_cbor_head head;
        struct open *around = depth > 0 ? &stack[depth - 1] : NULL;
        (void)hg_cbor_head(walk->data + at, walk->data + walk->length, &head);
        if (around != NULL && around->map && !around->in_value) {
            begin_pair(walk, around, at);
        }
        at = (uint32_t)(head.after - walk->data);
        if (head.major == HG_CBOR_TAG) {
            continue; /* the item goes on */
        }
        if (head.major == HG_CBOR_BYTES || head.major == HG_CBOR_TEXT) {
            at += (uint32_t)head.argument;
        } else if ((head.major == HG_CBOR_ARRAY || head.major == HG_CBOR_MAP) && head.argument != 0) {
            const bool map = head.major == HG_CBOR_MAP;
            stack[depth++] = (struct open){.left = (uint32_t)head.argument, .base = live, .map = map};
            live += map ? (uint32_t)head.argument : 0;
            walk->most_pairs = live > walk->most_pairs ? live : walk->most_pairs;
            continue;
        }
        for (; depth > 0; depth--) {
            around = &stack[depth - 1];
            if (around->map) {
                around->in_value = !around->in_value;
                if (around->in_value) {
                    break;
                }
                end_pair(walk, around, at);
            }
            if (--around->left != 0) {
                break;
            }
            if (around->map) {
                end_map(walk, around, at);
                live = around->base;
            }
        }
        if (depth == 0) {
            return;
        }
    }
}

enum hg_status hg_cbor_sort(const struct hg_alloc *memory, uint8_t *data, uint32_t length) {
    struct walk walk = {.data = data, .length = length};
    walk_item(&walk);
    if (walk.most_bytes == 0) {
        return HG_OK;
    }
    const uint64_t size = (uint64_t)walk.most_pairs * sizeof(struct pair) + walk.most_bytes;
    void *block = size > SIZE_MAX ? NULL : memory->alloc(memory->context, (size_t)size);
    if (block == NULL) {
        return HG_NO_MEMORY;
    }
    walk.pairs = block;
    walk.scratch = (uint8_t *)(walk.pairs + walk.most_pairs);
    walk_item(&walk);
    memory->release(memory->context, block);
    return HG_OK;
}
