/* A walk over a compiled schema that trusts nothing in it: every reference is in range, aligned and of what it should
 * be. */
#ifndef HEADGATE_TESTS_CHECK_PROGRAM_H
#define HEADGATE_TESTS_CHECK_PROGRAM_H

#include "check.h"
#include "core/program.h"

static inline const uint8_t *check_at(const struct hg_program *program, hg_ref ref, uint64_t size, uint32_t align) {
    CHECK(ref >= sizeof *program && ref % align == 0 && ref + size <= program->size);
    return (const uint8_t *)program + ref;
}

static inline void check_node_ref(const struct hg_program *program, hg_ref ref) {
    if (ref != 0) {
        const struct hg_node *node = (const void *)check_at(program, ref, sizeof *node, 8);
        CHECK(node->resource < program->resource_count);
        hg_ref at = node->location;
        for (int depth = 0; at != 0; depth++) {
            const struct hg_location *location = (const void *)check_at(program, at, sizeof *location, 8);
            CHECK(depth <= HG_DOCUMENT_DEPTH && location->resource < program->resource_count);
            if (location->length != 0) {
                CHECK(*check_at(program, location->text, location->length, 1) == '/');
            }
            at = location->parent;
        }
    }
}

static inline void check_name(const struct hg_program *program, const struct hg_name *name) {
    const uint32_t size = (name->length + 2 + 7) / 8 * 8;
    const uint8_t *text = check_at(program, name->text, size, 8);
    CHECK(text[name->length] == '"' && text[name->length + 1] == ':');
    for (uint32_t i = name->length + 2; i < size; i++) {
        CHECK(text[i] == 0);
    }
    CHECK(name->hash == hg_name_hash(text, name->length));
}

static inline void check_names(const struct hg_program *program, const struct hg_names *names) {
    CHECK((names->count == 0) == (names->entries == 0) && (names->count < 5) == (names->table == 0));
    if (names->count == 0) {
        return;
    }
    const uint8_t *entries = check_at(program, names->entries, (uint64_t)names->count * names->stride, 8);
    for (uint32_t i = 0; i < names->count; i++) {
        const struct hg_name *name = (const void *)(entries + i * names->stride);
        check_name(program, name);
        CHECK(name->length <= names->longest);
        if (names->table != 0) { /* every name is found, and found as itself: no name is there twice */
            const uint16_t *table = (const void *)check_at(program, names->table, (names->mask + 1) * UINT64_C(2), 2);
            uint32_t at = name->hash & names->mask;
            for (;; at = (at + 1) & names->mask) {
                CHECK(table[at] < names->count);
                const struct hg_name *other = (const void *)(entries + table[at] * names->stride);
                if (other->length == name->length && other->text == name->text) {
                    break;
                }
            }
            CHECK(table[at] == i);
        }
    }
}

static inline void check_object(const struct hg_program *program, const struct hg_object_rules *rules) {
    check_names(program, &rules->names);
    CHECK(rules->words == (rules->names.count + 63) / 64 && rules->names.count <= HG_SCHEMA_NAMES);
    check_node_ref(program, rules->rest);
    check_node_ref(program, rules->names_node);
    check_node_ref(program, rules->unevaluated);
    if (rules->required != 0) {
        check_at(program, rules->required, rules->words * UINT64_C(8), 8);
    }
    for (uint32_t i = 0; i < rules->names.count; i++) {
        const struct hg_property *property = (const void *)(check_at(program, rules->names.entries, 1, 8) +
                                                            i * rules->names.stride);
        check_node_ref(program, property->node);
        CHECK(property->keyword == HG_K_PROPERTIES || property->keyword == HG_K_PATTERN_PROPERTIES ||
              property->keyword == HG_K_NONE || (property->keyword == HG_K_ADDITIONAL_PROPERTIES && rules->has_rest));
        if (property->more != 0) {
            const uint32_t *more = (const void *)check_at(program, property->more, 4, 4);
            check_at(program, property->more, (1 + more[0]) * UINT64_C(4), 4);
            for (uint32_t k = 1; k <= more[0]; k++) {
                check_node_ref(program, more[k]);
            }
        }
    }
    for (uint32_t i = 0; i < rules->pattern_count; i++) {
        const struct hg_pattern_rule *rule = (const struct hg_pattern_rule *)(const void *)check_at(
                                                 program, rules->patterns, rules->pattern_count * sizeof *rule, 8) +
                                             i;
        check_node_ref(program, rule->node);
        check_at(program, rule->pattern, 4, 8);
        check_at(program, rule->source, rule->source_length, 1);
    }
    for (uint32_t i = 0; i < rules->dependent_count; i++) {
        const struct hg_dependent *dependent = (const struct hg_dependent *)(const void *)check_at(
                                                   program, rules->dependents,
                                                   rules->dependent_count * sizeof *dependent, 8) +
                                               i;
        CHECK(dependent->property < rules->names.count && (dependent->required != 0) != (dependent->node != 0));
        check_node_ref(program, dependent->node);
        if (dependent->required != 0) {
            check_at(program, dependent->required, rules->words * UINT64_C(8), 8);
        }
    }
}

static inline void check_refs(const struct hg_program *program, hg_ref list, uint32_t count) {
    const hg_ref *refs = (const void *)check_at(program, list, count * UINT64_C(4), 4);
    for (uint32_t i = 0; i < count; i++) {
        check_node_ref(program, refs[i]);
    }
}

static inline void check_constant(const struct hg_program *program, hg_ref ref) {
    const struct hg_constant *constant = (const void *)check_at(program, ref, sizeof *constant, 8);
    if (constant->digits != 0) {
        check_at(program, constant->digits, constant->count, 1);
    }
}

static inline void check_choice(const struct hg_program *program, const struct hg_choice *choice) {
    check_names(program, &choice->strings);
    for (uint32_t i = 0; i < choice->number_count; i++) {
        check_constant(program, choice->numbers + i * (uint32_t)sizeof(struct hg_constant));
    }
    for (uint32_t i = 0; i < choice->container_count; i++) {
        const struct hg_container *container = (const struct hg_container *)(const void *)check_at(
                                                   program, choice->containers,
                                                   choice->container_count * sizeof *container, 8) +
                                               i;
        CHECK(check_at(program, container->json, container->json_length + UINT64_C(1), 1)[container->json_length] == 0);
        CHECK(check_at(program, container->cbor, container->cbor_length + UINT64_C(1), 1)[container->cbor_length] == 0);
    }
    if (choice->text_length != 0) {
        check_at(program, choice->text, choice->text_length, 1);
    }
}

static inline void check_likely(const struct hg_program *program, const struct hg_same *same, hg_ref ref, uint32_t count) {
    const struct hg_alternative *list = (const void *)check_at(program, ref, count * (uint64_t)sizeof *list, 8);
    const struct hg_tell *tell = same->c == 0 ? NULL : (const void *)check_at(program, same->c, sizeof *tell, 8);
    for (uint32_t i = 0; i < count; i++) {
        check_node_ref(program, list[i].node);
        CHECK(list[i].takes <= HG_ANY && list[i].of < same->b);
        CHECK(list[i].of == (i == 0 ? 0 : list[i - 1].of) || (i != 0 && list[i].of == list[i - 1].of + 1));
        CHECK((list[i].needs & ~HG_TELL_NOT & ~(tell == NULL ? 0 : tell->want)) == 0);
        CHECK(list[i].choice != 0 || (list[i].hash == 0 && (list[i].needs & HG_TELL_NOT) == 0));
        if (list[i].choice != 0) {
            const struct hg_choice *choice = (const void *)check_at(program, list[i].choice, sizeof *choice, 8);
            CHECK(tell != NULL && tell->names[0] != 0);
            check_choice(program, choice);
            CHECK(choice->container_count == 0);
        }
    }
}

static inline void check_alternatives(const struct hg_program *program, const struct hg_same *same) {
    CHECK(same->flags >= same->b);
    if (same->index != same->a) { /* then what is said of them is said of what they come to */
        const struct hg_alternative *list = (const void *)check_at(program, same->a, same->b * (uint64_t)sizeof *list, 8);
        for (uint32_t i = 0; i < same->b; i++) {
            check_node_ref(program, list[i].node);
            CHECK(list[i].takes <= HG_ANY);
        }
    }
    check_likely(program, same, same->index, same->flags);
    if (same->c == 0) {
        return;
    }
    const struct hg_tell *tell = (const void *)check_at(program, same->c, sizeof *tell, 4);
    CHECK(tell->count <= HG_TELL_NAMES && tell->want != 0 && tell->want >> tell->count == 0);
    CHECK(((tell->want & 1) != 0) == (tell->names[0] != 0));
    for (uint32_t i = 0; i < tell->count; i++) {
        if ((tell->want >> i & 1) != 0) {
            check_name(program, (const void *)check_at(program, tell->names[i], sizeof(struct hg_name), 4));
        }
    }
}

static inline void check_same(const struct hg_program *program, hg_ref ref) {
    for (;; ref += (hg_ref)sizeof(struct hg_same)) {
        const struct hg_same *same = (const void *)check_at(program, ref, sizeof *same, 8);
        switch (same->op) {
        case HG_SAME_END:
            return;
        case HG_SAME_ANY:
        case HG_SAME_ONE:
            check_alternatives(program, same);
            break;
        case HG_SAME_IF:
            check_node_ref(program, same->b);
            check_node_ref(program, same->c);
            check_node_ref(program, same->a);
            break;
        case HG_SAME_DYNAMIC:
            CHECK((program->flags & HG_PROGRAM_DYNAMIC) != 0);
            check_node_ref(program, same->a);
            break;
        default:
            CHECK(same->op == HG_SAME_ALL || same->op == HG_SAME_NOT);
            check_node_ref(program, same->a);
        }
    }
}

/* The records of one node; nodes that it refers to are looked at on the surface only. */
static inline void check_node(const struct hg_program *program, hg_ref ref) {
    const struct hg_node *node = (const void *)check_at(program, ref, sizeof *node, 8);
    check_node_ref(program, ref);
    if (node->number != 0) {
        const struct hg_number_rules *rules = (const void *)check_at(program, node->number, sizeof *rules, 8);
        const struct hg_number_rule *rule = (const void *)check_at(program, rules->rules, rules->count * sizeof *rule,
                                                                   8);
        for (uint32_t i = 0; i < rules->count; i++) {
            check_constant(program, rule[i].constant);
        }
    }
    if (node->string != 0) {
        const struct hg_string_rules *rules = (const void *)check_at(program, node->string, sizeof *rules, 8);
        if (rules->pattern != 0) {
            check_at(program, rules->pattern, 4, 8);
            check_at(program, rules->source, rules->source_length, 1);
        }
    }
    if (node->array != 0) {
        const struct hg_array_rules *rules = (const void *)check_at(program, node->array, sizeof *rules, 8);
        if (rules->prefix_count != 0) {
            check_refs(program, rules->prefix, rules->prefix_count);
        }
        check_node_ref(program, rules->rest);
        check_node_ref(program, rules->contains);
        check_node_ref(program, rules->unevaluated);
    }
    if (node->object != 0) {
        check_object(program, (const void *)check_at(program, node->object, sizeof(struct hg_object_rules), 8));
    }
    if (node->choice != 0) {
        check_choice(program, (const void *)check_at(program, node->choice, sizeof(struct hg_choice), 8));
    }
    if (node->same != 0) {
        check_same(program, node->same);
    }
    if (node->flags & HG_NODE_REF) {
        CHECK((node->flags & HG_NODE_BARE) != 0 && node->same != 0);
    }
    if (node->flags & HG_NODE_MERGED) {
        const struct hg_merged *merged = (const void *)check_at(program, node->same - (hg_ref)sizeof *merged,
                                                                sizeof *merged, 8);
        CHECK((node->flags & (HG_NODE_REF | HG_NODE_LIST)) == 0 && merged->node != ref);
        check_node(program, merged->node);
    }
    if (node->flags & HG_NODE_ONE) {
        CHECK((node->flags & HG_NODE_BARE) != 0 && node->same != 0);
    }
    if (node->flags & HG_NODE_TYPED) {
        CHECK((node->number | node->string | node->array | node->object | node->choice) == 0 && node->same != 0);
    }
    if (node->flags & HG_NODE_BARE) {
        CHECK(node->types == HG_ANY && (node->number | node->string | node->array | node->object | node->choice) == 0);
    }
}

/* All that is not a node's, and every node that can be reached (at most 64, breadth first: enough for a test). */
static inline void check_program(const struct hg_program *program) {
    CHECK(program->size % 8 == 0 && program->size >= sizeof *program);
    for (uint32_t i = 0; i < program->resource_count; i++) {
        const struct hg_resource *resource = (const struct hg_resource *)(const void *)check_at(
                                                 program, program->resources,
                                                 program->resource_count * sizeof *resource, 8) +
                                             i;
        if (resource->length != 0) {
            check_at(program, resource->uri, resource->length, 1);
        }
    }
    const struct hg_dynamic *before = NULL;
    for (uint32_t i = 0; i < program->dynamic_count; i++) {
        const struct hg_dynamic *entry = (const struct hg_dynamic *)(const void *)check_at(
                                             program, program->dynamic, program->dynamic_count * sizeof *entry, 8) +
                                         i;
        CHECK(entry->resource < program->resource_count);
        CHECK(before == NULL || before->anchor < entry->anchor ||
              (before->anchor == entry->anchor && before->resource < entry->resource));
        check_node_ref(program, entry->node);
        before = entry;
    }
    if (program->root != 0) {
        check_node(program, program->root);
        const struct hg_node *root = hg_at(program, program->root);
        const struct hg_object_rules *rules = root->object == 0 ? NULL : hg_at(program, root->object);
        for (uint32_t i = 0; rules != NULL && i < rules->names.count; i++) {
            const struct hg_property *property = (const void *)((const uint8_t *)hg_at(program, rules->names.entries) +
                                                                i * rules->names.stride);
            if (property->node != 0) {
                check_node(program, property->node);
            }
        }
    }
}

#endif
