/* Everything core/find.h says about a valid JSON text, against core/tree.h, which read the same text on its own. */
#ifndef HEADGATE_TESTS_CHECK_FIND_H
#define HEADGATE_TESTS_CHECK_FIND_H

#include "check.h"
#include "core/find.h"
#include "core/tree.h"

static inline void check_found(const struct hg_tree *tree, uint32_t id, struct hg_value value);

static inline void check_absent(struct hg_value container, const char *token) {
    CHECK(hg_find_step(container, (struct hg_view){(const uint8_t *)token, (uint32_t)strlen(token)}).start == NULL);
}

static inline void check_text(struct hg_value value, struct hg_view plain) {
    const uint32_t written = (uint32_t)(value.end - value.start);
    uint8_t *const out = malloc(written + 2u), *const other = malloc(plain.length + 1u);
    const struct hg_view in_place = hg_value_plain(value);
    CHECK(out != NULL && other != NULL && hg_value_is_text(value));
    CHECK(hg_value_decode(value, out) == plain.length && memcmp(out, plain.at, plain.length) == 0);
    CHECK((in_place.at == NULL) == (memchr(value.start, '\\', written) != NULL));
    CHECK(in_place.at == NULL ||
          (in_place.length == plain.length && memcmp(in_place.at, plain.at, plain.length) == 0));
    memcpy(other, plain.at, plain.length);
    other[plain.length] = 'x';
    CHECK(hg_value_equals(value, plain) && !hg_value_equals(value, (struct hg_view){other, plain.length + 1}));
    if (plain.length > 0) {
        other[plain.length - 1] ^= 1;
        CHECK(!hg_value_equals(value, (struct hg_view){other, plain.length}));
        CHECK(!hg_value_equals(value, (struct hg_view){other, plain.length - 1}));
    }
    free(other);
    free(out);
}

static inline void check_array(const struct hg_tree *tree, const struct hg_item *array, struct hg_value value) {
    struct hg_value element = hg_find_first(value);
    uint32_t index = 0;
    char token[16];
    for (uint32_t id = array->start; id != 0; id = tree->items[id].next, index++) {
        struct hg_value stepped;
        (void)snprintf(token, sizeof token, "%u", (unsigned)index);
        stepped = hg_find_step(value, (struct hg_view){(const uint8_t *)token, (uint32_t)strlen(token)});
        CHECK(element.start == stepped.start && element.end == stepped.end);
        check_found(tree, id, element);
        element = hg_find_next(value, element);
    }
    CHECK(element.start == NULL);
    (void)snprintf(token, sizeof token, "%u", (unsigned)index);
    check_absent(value, token);
    check_absent(value, "-1");
    check_absent(value, "00");
    check_absent(value, "");
    check_absent(value, "4294967296");
}

static inline void check_object(const struct hg_tree *tree, const struct hg_item *object, struct hg_value value) {
    static const char absent[] = "a name that nobody has";
    const char *names[3] = {absent, absent, NULL};
    struct hg_value members[3] = {value, value, value}; /* the third is not touched */
    check_absent(value, absent);
    hg_find_members(value, names, members);
    CHECK(members[0].start == NULL && members[1].start == NULL);
    for (uint32_t id = object->start; id != 0; id = tree->items[id].next) {
        const struct hg_item *const member = &tree->items[id];
        const struct hg_view name = {hg_tree_name(tree, member), member->name_size};
        check_found(tree, id, hg_find_step(value, name));
        if (memchr(name.at, '\0', name.length) == NULL) {
            char *const text = calloc(name.length + 1u, 1);
            CHECK(text != NULL);
            memcpy(text, name.at, name.length);
            names[0] = text;
            hg_find_members(value, names, members);
            check_found(tree, id, members[0]);
            CHECK(members[1].start == NULL && members[2].start == value.start);
            free(text);
        }
    }
}

/* The last byte of a container; that of a whole text may have white space behind it. */
static inline uint8_t last_byte(struct hg_value value) {
    const uint8_t *end = value.end;
    while (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\n' || end[-1] == '\r') {
        end -= 1;
    }
    return end[-1];
}

/* The value is the tree's item, with all that is in it. */
static inline void check_found(const struct hg_tree *tree, uint32_t id, struct hg_value value) {
    const struct hg_item *const item = &tree->items[id];
    const char *const words[] = {[HG_KIND_NULL] = "null", [HG_KIND_FALSE] = "false", [HG_KIND_TRUE] = "true"};
    CHECK(value.start != NULL && value.end > value.start);
    CHECK(hg_value_is_text(value) == (item->kind == HG_KIND_STRING));
    if (item->kind == HG_KIND_OBJECT) {
        CHECK(*value.start == '{' && last_byte(value) == '}' && hg_find_first(value).start == NULL);
        check_object(tree, item, value);
    } else if (item->kind == HG_KIND_ARRAY) {
        CHECK(*value.start == '[' && last_byte(value) == ']');
        check_array(tree, item, value);
    } else {
        const size_t length = (size_t)(value.end - value.start);
        if (item->kind == HG_KIND_STRING) {
            check_text(value, (struct hg_view){hg_tree_text(tree, item), item->size});
        } else if (item->kind == HG_KIND_NUMBER) {
            CHECK(length == item->size && memcmp(value.start, hg_tree_text(tree, item), length) == 0);
        } else {
            CHECK(length == strlen(words[item->kind]) && memcmp(value.start, words[item->kind], length) == 0);
        }
        CHECK(hg_find_first(value).start == NULL);
        check_absent(value, "0");
        check_absent(value, "a");
    }
}

/* -> false: it is no JSON text, and find.h is not for it. */
static inline bool check_find(const uint8_t *data, uint32_t length) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_tree tree;
    struct hg_fault fault;
    const bool valid = hg_tree_parse(&tree, &alloc, data, length, SEED, &fault);
    if (valid) {
        uint8_t *const text = malloc(length + 1u); /* exactly the text and its NUL, so that a byte too far is seen */
        CHECK(text != NULL);
        memcpy(text, data, length);
        text[length] = 0;
        check_found(&tree, HG_TREE_ROOT, hg_find_root((struct hg_view){text, length}));
        free(text);
    }
    hg_tree_clear(&tree, &alloc);
    CHECK(heap.live == 0);
    return valid;
}

#endif
