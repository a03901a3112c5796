/* A JSON document as a read-only tree, for schemas: parsed once, strictly (no duplicate names), then looked at in any
 * order. */
#ifndef HEADGATE_TREE_H
#define HEADGATE_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc.h"
#include "fault.h"
#include "pool.h"

enum hg_kind {
    HG_KIND_NULL,
    HG_KIND_FALSE,
    HG_KIND_TRUE,
    HG_KIND_NUMBER,
    HG_KIND_STRING,
    HG_KIND_ARRAY,
    HG_KIND_OBJECT
};

/* A value. Items are numbered in the order of the document from HG_TREE_ROOT on; 0 is "no item". */
struct hg_item {
    uint8_t kind;   /* enum hg_kind */
    uint8_t mark;   /* for the user; 0 at first */
    uint16_t owner; /* likewise */
    uint32_t user;  /* likewise */
    uint32_t parent;
    uint32_t next;      /* sibling */
    uint32_t start;     /* containers: the first child; strings and numbers: offset in `text` */
    uint32_t size;      /* containers: children; strings (decoded) and numbers (as written): bytes */
    uint32_t name;      /* of a member: offset in `text`; of an item of an array: its index */
    uint32_t name_size; /* bytes */
};
enum { HG_TREE_ROOT = 1 };

struct hg_tree {
    uint8_t *text; /* the document, its strings decoded where they stood; ends with a NUL */
    struct hg_item *items;
    uint32_t count;          /* of items, item 0 included */
    struct hg_index members; /* every value by its parent and its name or index */
    uint8_t seed[16];
};

/* Parses `length` bytes. false: *fault says why, or is HG_NO_FAULT if there was no memory; the tree is empty then. */
bool hg_tree_parse(struct hg_tree *tree, const struct hg_alloc *memory, const uint8_t *text, uint32_t length,
                   const uint8_t seed[16], struct hg_fault *fault);
void hg_tree_clear(struct hg_tree *tree, const struct hg_alloc *memory);

/* The member of an object, or the item of an array; 0 if there is none. */
uint32_t hg_tree_member(const struct hg_tree *tree, uint32_t object, const uint8_t *name, uint32_t size);
uint32_t hg_tree_item(const struct hg_tree *tree, uint32_t array, uint32_t index);
/* What the tokens of a JSON pointer (RFC 6901, not percent-encoded; "" or "/...") lead to, or 0. */
uint32_t hg_tree_pointer(const struct hg_tree *tree, uint32_t from, const uint8_t *pointer, uint32_t size);
/* Appends the JSON pointer of `item` as seen from its ancestor `from` (not NUL-terminated). */
bool hg_tree_path(const struct hg_tree *tree, uint32_t from, uint32_t item, struct hg_buffer *path,
                  const struct hg_alloc *memory);

static inline const uint8_t *hg_tree_text(const struct hg_tree *tree, const struct hg_item *item) {
    return tree->text + item->start;
}
static inline const uint8_t *hg_tree_name(const struct hg_tree *tree, const struct hg_item *item) {
    return tree->text + item->name;
}

#endif
