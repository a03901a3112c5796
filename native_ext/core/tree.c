#include "tree.h"

#include <string.h>

#include "limits.h"
#include "number.h"
#include "scan.h"
#include "siphash.h"

_Static_assert(HG_POOL_MOST / sizeof(struct hg_item) > HG_SCHEMA_BYTES + 1, "every byte of a document may be an item");

static uint32_t member_hash(const struct hg_tree *tree, uint32_t parent, const uint8_t *name, uint32_t size) {
    return (uint32_t)hg_siphash13(tree->seed, name, size) ^ parent * 0x9E3779B1u;
}

static uint32_t index_hash(uint32_t parent, uint32_t index) {
    return parent * 0x9E3779B1u ^ index * 0x85EBCA6Bu ^ 0x5bd1e995u;
}

uint32_t hg_tree_member(const struct hg_tree *tree, uint32_t object, const uint8_t *name, uint32_t size) {
    const uint32_t hash = member_hash(tree, object, name, size);
    uint32_t at = 0, id;
    while ((id = hg_index_next(&tree->members, hash, &at)) != 0) {
        const struct hg_item *item = &tree->items[id];
        if (item->parent == object && tree->items[object].kind == HG_KIND_OBJECT && item->name_size == size &&
            memcmp(hg_tree_name(tree, item), name, size) == 0) {
            return id;
        }
    }
    return 0;
}

uint32_t hg_tree_item(const struct hg_tree *tree, uint32_t array, uint32_t index) {
    const uint32_t hash = index_hash(array, index);
    uint32_t at = 0, id;
    while ((id = hg_index_next(&tree->members, hash, &at)) != 0) {
        const struct hg_item *item = &tree->items[id];
        if (item->parent == array && tree->items[array].kind == HG_KIND_ARRAY && item->name == index) {
            return id;
        }
    }
    return 0;
}

/* Parsing. The reader holds what is open, so that nesting needs no stack of C. */
struct reader {
    struct hg_tree *tree;
    const struct hg_alloc *memory;
    struct hg_buffer items;
    const uint8_t *p, *end;
    enum hg_reason reason;
    const uint8_t *at;
    bool no_memory;
    uint32_t depth;
    uint32_t open[HG_DOCUMENT_DEPTH + 1],
        last[HG_DOCUMENT_DEPTH + 1]; /* container and its last child so far, by depth */
};

static bool fail(struct reader *reader, enum hg_reason reason, const uint8_t *at) {
    reader->reason = reason;
    reader->at = at;
    return false;
}

static bool out_of_memory(struct reader *reader) {
    reader->no_memory = true;
    return false;
}

static void skip_space(struct reader *reader) {
    while (*reader->p == ' ' || *reader->p == '\n' || *reader->p == '\t' || *reader->p == '\r') {
        reader->p++;
    }
}

/* A string at the opening quote: decoded in place, for what it stands for is never longer than how it is written. */
static bool read_string(struct reader *reader, uint32_t *start, uint32_t *size) {
    struct hg_text text;
    const uint8_t *after = hg_scan_string(reader->p + 1, reader->tree->text, reader->end, &text, &reader->reason, &reader->at);
    if (after == NULL) {
        return false;
    }
    uint8_t *out = reader->tree->text + (text.start - reader->tree->text);
    *start = (uint32_t)(out - reader->tree->text);
    *size = text.size;
    if (text.escaped) {
        uint8_t piece[64];
        const uint8_t *from = text.start;
        uint32_t got;
        while ((got = hg_unescape(&from, text.start + text.size, piece, sizeof piece)) != 0) {
            memcpy(out, piece, got);
            out += got;
        }
        *size = (uint32_t)(out - reader->tree->text) - *start;
    }
    reader->p = after;
    return true;
}

static bool read_word(struct reader *reader, const char *word, uint32_t size, enum hg_kind kind, struct hg_item *item) {
    for (uint32_t i = 1; i < size; i++) {
        if (reader->p[i] != (uint8_t)word[i]) {
            return fail(reader, HG_EXPECTED_VALUE, reader->p);
        }
    }
    item->kind = (uint8_t)kind;
    reader->p += size;
    return true;
}

/* The value at p, of a container only its bracket, into `item`. */
static bool read_value(struct reader *reader, struct hg_item *item) {
    struct hg_number number;
    const uint8_t c = *reader->p;
    switch (c) {
    case '{':
    case '[':
        item->kind = (uint8_t)(c == '{' ? HG_KIND_OBJECT : HG_KIND_ARRAY);
        reader->p++;
        return true;
    case '"':
        item->kind = HG_KIND_STRING;
        return read_string(reader, &item->start, &item->size);
    case 't':
        return read_word(reader, "true", 4, HG_KIND_TRUE, item);
    case 'f':
        return read_word(reader, "false", 5, HG_KIND_FALSE, item);
    case 'n':
        return read_word(reader, "null", 4, HG_KIND_NULL, item);
    default:
        break;
    }
    if (c != '-' && (c < '0' || c > '9')) {
        return fail(reader, reader->p == reader->end ? HG_UNEXPECTED_END : HG_EXPECTED_VALUE, reader->p);
    }
    const uint8_t *after = hg_number_scan(reader->p, &number, &reader->reason, &reader->at);
    if (after == NULL) {
        return false;
    }
    item->kind = HG_KIND_NUMBER;
    item->start = (uint32_t)(reader->p - reader->tree->text);
    item->size = (uint32_t)(after - reader->p);
    reader->p = after;
    return true;
}

/* Name and colon of a member into `item`. */
static bool read_name(struct reader *reader, uint32_t object, struct hg_item *item) {
    const uint8_t *quote = reader->p;
    if (*reader->p != '"') {
        return fail(reader, reader->p == reader->end ? HG_UNEXPECTED_END : HG_EXPECTED_NAME, reader->p);
    }
    if (!read_string(reader, &item->name, &item->name_size)) {
        return false;
    }
    if (hg_tree_member(reader->tree, object, reader->tree->text + item->name, item->name_size) != 0) {
        return fail(reader, HG_DUPLICATE_NAME, quote);
    }
    skip_space(reader);
    if (*reader->p != ':') {
        return fail(reader, reader->p == reader->end ? HG_UNEXPECTED_END : HG_EXPECTED_COLON, reader->p);
    }
    reader->p++;
    skip_space(reader);
    return true;
}

/* Adds `item` to the tree, as the last child of the open container. */
static bool add(struct reader *reader, struct hg_item *item) {
    struct hg_tree *tree = reader->tree;
    const uint32_t id = tree->count;
    const uint32_t parent = item->parent;
    if (!hg_buffer_append(&reader->items, reader->memory, item, sizeof *item)) {
        return out_of_memory(reader);
    }
    tree->items = (struct hg_item *)(void *)reader->items.data;
    tree->count++;
    if (parent == 0) {
        return true;
    }
    struct hg_item *above = &tree->items[parent];
    uint32_t hash = 0;
    if (above->kind == HG_KIND_OBJECT) {
        hash = member_hash(tree, parent, hg_tree_name(tree, item), item->name_size);
    } else {
        tree->items[id].name = above->size;
        hash = index_hash(parent, above->size);
    }
    if (above->size == 0) {
        above->start = id;
    } else {
        tree->items[reader->last[reader->depth]].next = id;
    }
    above->size++;
    reader->last[reader->depth] = id;
    return hg_index_add(&tree->members, reader->memory, hash, id) || out_of_memory(reader);
}

static bool read_document(struct reader *reader) {
    if (reader->end - reader->p >= 3 && memcmp(reader->p, "\xef\xbb\xbf", 3) == 0) {
        return fail(reader, HG_BYTE_ORDER_MARK, reader->p);
    }
    skip_space(reader);
    if (reader->p == reader->end) {
        return fail(reader, HG_EMPTY, reader->p);
    }
    bool first = true; /* nothing was read yet of the container at hand */
    do {
        const uint32_t parent = reader->open[reader->depth];
        const bool object = parent != 0 && reader->tree->items[parent].kind == HG_KIND_OBJECT;
        struct hg_item item = {.parent = parent};
        if (parent != 0 && *reader->p == (object ? '}' : ']') && first) {
            reader->p++;
            reader->depth--;
        } else {
            if (object && !read_name(reader, parent, &item)) {
                return false;
            }
            const uint8_t *start = reader->p;
            const uint32_t id = reader->tree->count;
            if (!read_value(reader, &item) || !add(reader, &item)) {
                return false;
            }
            if (item.kind >= HG_KIND_ARRAY) {
                if (reader->depth == HG_DOCUMENT_DEPTH) {
                    return fail(reader, HG_TOO_DEEP, start);
                }
                reader->open[++reader->depth] = id;
                first = true;
                skip_space(reader);
                continue;
            }
        }
        /* A value is complete: close what ends here, up to the comma before the next one. */
        for (skip_space(reader); reader->depth != 0; skip_space(reader)) {
            const bool in_object = reader->tree->items[reader->open[reader->depth]].kind == HG_KIND_OBJECT;
            if (*reader->p == ',') {
                reader->p++;
                skip_space(reader);
                first = false;
                break;
            }
            if (*reader->p != (in_object ? '}' : ']')) {
                return fail(reader,
                            reader->p == reader->end ? HG_UNEXPECTED_END
                            : in_object              ? HG_EXPECTED_COMMA_OR_BRACE
                                                     : HG_EXPECTED_COMMA_OR_BRACKET,
                            reader->p);
            }
            reader->p++;
            reader->depth--;
        }
    } while (reader->depth != 0);
    return reader->p == reader->end || fail(reader, HG_DATA_AFTER, reader->p);
}

bool hg_tree_parse(struct hg_tree *tree, const struct hg_alloc *memory, const uint8_t *text, uint32_t length,
                   const uint8_t seed[16], struct hg_fault *fault) {
    *fault = (struct hg_fault){HG_NO_FAULT, 0};
    memset(tree, 0, sizeof *tree);
    memcpy(tree->seed, seed, sizeof tree->seed);
    if (length > HG_SCHEMA_BYTES) {
        *fault = (struct hg_fault){HG_TOO_LARGE, HG_SCHEMA_BYTES};
        return false;
    }
    tree->text = memory->alloc(memory->context, length + 1);
    if (tree->text == NULL) {
        return false;
    }
    if (length != 0) {
        memcpy(tree->text, text, length);
    }
    tree->text[length] = 0;
    struct reader *reader = memory->alloc(memory->context, sizeof *reader);
    if (reader == NULL) {
        hg_tree_clear(tree, memory);
        return false;
    }
    memset(reader, 0, sizeof *reader);
    reader->tree = tree;
    reader->memory = memory;
    reader->p = tree->text;
    reader->end = tree->text + length;
    struct hg_item none = {0};
    const bool parsed = add(reader, &none) && read_document(reader);
    if (!parsed && !reader->no_memory) {
        *fault = (struct hg_fault){reader->reason, (uint32_t)(reader->at - tree->text)};
    }
    memory->release(memory->context, reader);
    if (!parsed) {
        hg_tree_clear(tree, memory);
    }
    return parsed;
}

void hg_tree_clear(struct hg_tree *tree, const struct hg_alloc *memory) {
    if (tree->text != NULL) {
        memory->release(memory->context, tree->text);
    }
    if (tree->items != NULL) {
        memory->release(memory->context, tree->items);
    }
    hg_index_clear(&tree->members, memory);
    tree->text = NULL;
    tree->items = NULL;
    tree->count = 0;
}

/* An array index as RFC 6901 section 4 writes it, or UINT32_MAX. */
static uint32_t array_index(const uint8_t *token, uint32_t size) {
    uint32_t index = 0;
    if (size == 0 || size > 9 || (size > 1 && token[0] == '0')) {
        return UINT32_MAX;
    }
    for (uint32_t i = 0; i < size; i++) {
        if (token[i] < '0' || token[i] > '9') {
            return UINT32_MAX;
        }
        index = index * 10 + (token[i] - '0');
    }
    return index;
}

/* The member of `object` whose name is the token, written with ~0 and ~1. */
static uint32_t escaped_member(const struct hg_tree *tree, uint32_t object, const uint8_t *token, uint32_t size,
                               uint8_t *name) {
    uint32_t length = 0;
    for (uint32_t i = 0; i < size; i++) {
        name[length] = token[i];
        if (token[i] == '~' && i + 1 < size && (token[i + 1] == '0' || token[i + 1] == '1')) {
            name[length] = token[++i] == '0' ? '~' : '/';
        }
        length++;
    }
    return hg_tree_member(tree, object, name, length);
}

uint32_t hg_tree_pointer(const struct hg_tree *tree, uint32_t from, const uint8_t *pointer, uint32_t size) {
    uint32_t item = from, i = 0;
    while (item != 0 && i < size) {
        const uint8_t *token = pointer + ++i; /* pointer[i] was the slash */
        uint32_t length = 0;
        bool escaped = false;
        while (i < size && pointer[i] != '/') {
            escaped = escaped || pointer[i] == '~';
            i++;
            length++;
        }
        uint8_t name[HG_SCHEMA_URI];
        switch (tree->items[item].kind) {
        case HG_KIND_ARRAY:
            item = hg_tree_item(tree, item, array_index(token, length));
            break;
        case HG_KIND_OBJECT:
            if (escaped) { /* a URI, and so a pointer in it, is shorter than this */
                item = length > sizeof name ? 0 : escaped_member(tree, item, token, length, name);
            } else {
                item = hg_tree_member(tree, item, token, length);
            }
            break;
        default:
            item = 0;
            break;
        }
    }
    return item;
}

static bool append_token(const struct hg_tree *tree, const struct hg_item *item, bool member, struct hg_buffer *path,
                         const struct hg_alloc *memory) {
    if (!member) {
        uint8_t digits[11];
        uint32_t at = sizeof digits, index = item->name;
        do {
            digits[--at] = (uint8_t)('0' + index % 10);
            index /= 10;
        } while (index != 0);
        digits[--at] = '/';
        return hg_buffer_append(path, memory, digits + at, (uint32_t)sizeof digits - at);
    }
    const uint8_t *name = hg_tree_name(tree, item);
    if (!hg_buffer_reserve(path, memory, 1 + 2 * item->name_size)) {
        return false;
    }
    path->data[path->size++] = '/';
    for (uint32_t i = 0; i < item->name_size; i++) {
        if (name[i] == '~' || name[i] == '/') {
            path->data[path->size++] = '~';
            path->data[path->size++] = name[i] == '~' ? '0' : '1';
        } else {
            path->data[path->size++] = name[i];
        }
    }
    return true;
}

bool hg_tree_path(const struct hg_tree *tree, uint32_t from, uint32_t item, struct hg_buffer *path,
                  const struct hg_alloc *memory) {
    uint32_t steps[HG_DOCUMENT_DEPTH + 1];
    uint32_t depth = 0;
    for (; item != from && depth <= HG_DOCUMENT_DEPTH; item = tree->items[item].parent) {
        steps[depth++] = item;
    }
    while (depth != 0) {
        const struct hg_item *step = &tree->items[steps[--depth]];
        if (!append_token(tree, step, tree->items[step->parent].kind == HG_KIND_OBJECT, path, memory)) {
            return false;
        }
    }
    return true;
}
