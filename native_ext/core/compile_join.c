#include <string.h>

#include "compiler.h"
#include "engine_run.h"
#include "pattern.h"

/* Several object rules as one that demands what all of them do (compile_merge.c says which can be): each name with the nodes that any of
 * them has for it. */

static void rules_at(const struct hg_compiler *compiler, hg_ref ref, struct hg_object_rules *rules) {
    memcpy(rules, compiler->program.data + ref, sizeof *rules);
}

static struct hg_property property_at(const struct hg_compiler *compiler, const struct hg_object_rules *rules,
                                      uint32_t index) {
    struct hg_property property;
    memcpy(&property, compiler->program.data + rules->names.entries + index * sizeof property, sizeof property);
    return property;
}

static HG_NOINLINE uint32_t index_in(const struct hg_compiler *compiler, const struct hg_object_rules *rules,
                                     const struct hg_name *name) {
    return hg_find_name((const void *)compiler->program.data, &rules->names, compiler->program.data + name->text,
                        name->length);
}

/* Of the same text there is one in the program. */
static uint32_t index_of(const struct hg_compiler *compiler, uint32_t count, hg_ref text, uint32_t length) {
    uint32_t i = 0;
    while (i < count && (compiler->properties[i].name.text != text || compiler->properties[i].name.length != length)) {
        i++;
    }
    return i;
}

uint32_t hg_cost_of_joining(const struct hg_object_rules *rules) {
    return rules->names.count * (uint32_t)(sizeof(struct hg_property) + 64) +
           rules->pattern_count * (uint32_t)sizeof(struct hg_pattern_rule) +
           rules->dependent_count * ((uint32_t)sizeof(struct hg_dependent) + HG_SCHEMA_NAMES / 8) + HG_SCHEMA_NAMES / 8;
}

/* compiler->text: the nodes for a name, behind room for their number. */
static bool add_ref(struct hg_compiler *compiler, hg_ref ref) {
    struct hg_buffer *list = &compiler->text;
    for (uint32_t at = sizeof ref; at < list->size; at += (uint32_t)sizeof ref) {
        if (memcmp(list->data + at, &ref, sizeof ref) == 0) {
            return true;
        }
    }
    return ref == 0 || hg_buffer_append(list, compiler->memory, &ref, sizeof ref) || hg_no_memory(compiler);
}

/* What these rules have for the name. */
static bool add_nodes(struct hg_compiler *compiler, const struct hg_object_rules *rules, const struct hg_name *name) {
    const uint32_t index = index_in(compiler, rules, name);
    bool matched = false;
    if (index != UINT32_MAX) {
        const struct hg_property property = property_at(compiler, rules, index);
        uint32_t count = 0, ref;
        if (property.more != 0) {
            memcpy(&count, compiler->program.data + property.more, sizeof count);
        }
        if (!add_ref(compiler, property.node)) {
            return false;
        }
        for (uint32_t i = 1; i <= count; i++) {
            memcpy(&ref, compiler->program.data + property.more + i * sizeof ref, sizeof ref);
            if (!add_ref(compiler, ref)) {
                return false;
            }
        }
        return true;
    }
    for (uint32_t i = 0; i < rules->pattern_count; i++) {
        struct hg_pattern_rule rule;
        memcpy(&rule, compiler->program.data + rules->patterns + i * sizeof rule, sizeof rule);
        if (hg_pattern_search(compiler->program.data + rule.pattern, compiler->program.data + name->text, name->length)) {
            matched = true;
            if (!add_ref(compiler, rule.node)) {
                return false;
            }
        }
    }
    return matched || add_ref(compiler, rules->rest);
}

/* compiler->properties: every name once. */
static bool join_names(struct hg_compiler *compiler, const hg_ref *tables, uint32_t count, uint32_t *names) {
    struct hg_object_rules rules, other;
    for (uint32_t t = 0; t < count; t++) {
        rules_at(compiler, tables[t], &rules);
        for (uint32_t i = 0; i < rules.names.count; i++) {
            struct hg_property property = property_at(compiler, &rules, i);
            uint32_t refs = 0;
            hg_ref more;
            if (index_of(compiler, *names, property.name.text, property.name.length) != *names) {
                continue;
            }
            compiler->text.size = 0;
            if (!hg_buffer_append(&compiler->text, compiler->memory, &refs, sizeof refs)) {
                return hg_no_memory(compiler);
            }
            for (uint32_t k = 0; k < count; k++) {
                rules_at(compiler, tables[k], &other);
                if (!add_nodes(compiler, &other, &property.name)) {
                    return false;
                }
            }
            property.keyword = HG_K_PROPERTIES;
            property.node = property.more = 0;
            refs = compiler->text.size / (uint32_t)sizeof refs - 1;
            if (refs != 0) {
                memcpy(&property.node, compiler->text.data + sizeof refs, sizeof refs);
            }
            if (refs > 1 && (more = hg_put_all_of(compiler, (const hg_ref *)(const void *)compiler->text.data + 1, refs)) != 0) {
                property.node = more;
            } else if (refs > 1) { /* in place of the first one, the number of the others */
                refs--;
                memcpy(compiler->text.data + sizeof refs, &refs, sizeof refs);
                property.more = hg_put(compiler, compiler->text.data + sizeof refs, (refs + 1) * (uint32_t)sizeof refs,
                                       sizeof refs);
                if (property.more == 0) {
                    return false;
                }
            }
            compiler->properties[(*names)++] = property;
        }
    }
    return true;
}

/* compiler->bits |= a set of names of `rules`, where compiler->name_items says which names those are now. */
static void add_bits(struct hg_compiler *compiler, const struct hg_object_rules *rules, hg_ref set) {
    for (uint32_t i = 0; i < rules->names.count; i++) {
        uint64_t word;
        memcpy(&word, compiler->program.data + set + i / 64 * sizeof word, sizeof word);
        const uint32_t to = compiler->name_items[i];
        compiler->bits[to / 64] |= (word >> i % 64 & 1) << to % 64;
    }
}

static void number_names(struct hg_compiler *compiler, const struct hg_object_rules *rules, uint32_t names) {
    for (uint32_t i = 0; i < rules->names.count; i++) {
        const struct hg_property property = property_at(compiler, rules, i);
        compiler->name_items[i] = index_of(compiler, names, property.name.text, property.name.length);
    }
}

/* The lists of `rules` behind those in compiler->work (hg_pattern_rule) and compiler->more (hg_dependent). */
static bool join_lists(struct hg_compiler *compiler, const struct hg_object_rules *rules, struct hg_object_rules *all) {
    const uint32_t words = all->words * (uint32_t)sizeof(uint64_t);
    if (!hg_buffer_append(&compiler->work, compiler->memory, compiler->program.data + rules->patterns,
                          rules->pattern_count * (uint32_t)sizeof(struct hg_pattern_rule))) {
        return hg_no_memory(compiler);
    }
    for (uint32_t i = 0; i < rules->dependent_count; i++) {
        struct hg_dependent dependent;
        memcpy(&dependent, compiler->program.data + rules->dependents + i * sizeof dependent, sizeof dependent);
        dependent.property = compiler->name_items[dependent.property];
        if (dependent.required != 0) {
            memset(compiler->bits, 0, words);
            add_bits(compiler, rules, dependent.required);
            dependent.required = hg_put(compiler, compiler->bits, words, 8);
            if (dependent.required == 0) {
                return false;
            }
        }
        if (!hg_buffer_append(&compiler->more, compiler->memory, &dependent, sizeof dependent)) {
            return hg_no_memory(compiler);
        }
    }
    all->pattern_count += rules->pattern_count;
    all->dependent_count += rules->dependent_count;
    return true;
}

hg_ref hg_join_objects(struct hg_compiler *compiler, const hg_ref *tables, uint32_t count) {
    struct hg_object_rules all, rules;
    memset(&all, 0, sizeof all);
    all.max = UINT32_MAX;
    all.names.stride = sizeof(struct hg_property);
    if (!join_names(compiler, tables, count, &all.names.count)) {
        return 0;
    }
    all.words = (all.names.count + 63) / 64;
    compiler->work.size = compiler->more.size = 0;
    for (uint32_t t = 0; t < count; t++) {
        rules_at(compiler, tables[t], &rules);
        number_names(compiler, &rules, all.names.count);
        if (!join_lists(compiler, &rules, &all)) {
            return 0;
        }
        all.min = rules.min > all.min ? rules.min : all.min;
        all.max = rules.max < all.max ? rules.max : all.max;
        all.has_rest |= rules.has_rest;
        all.rest = rules.rest != 0 ? rules.rest : all.rest;
        all.names_node = rules.names_node != 0 ? rules.names_node : all.names_node;
        all.required |= rules.required;
    }
    if (all.required != 0) {
        const uint32_t words = all.words * (uint32_t)sizeof(uint64_t);
        memset(compiler->bits, 0, words);
        for (uint32_t t = 0; t < count; t++) {
            rules_at(compiler, tables[t], &rules);
            if (rules.required != 0) {
                number_names(compiler, &rules, all.names.count);
                add_bits(compiler, &rules, rules.required);
            }
        }
        all.required = hg_put(compiler, compiler->bits, words, 8);
    }
    if ((all.pattern_count != 0 &&
         (all.patterns = hg_put(compiler, compiler->work.data, compiler->work.size, 8)) == 0) ||
        (all.dependent_count != 0 &&
         (all.dependents = hg_put(compiler, compiler->more.data, compiler->more.size, 8)) == 0) ||
        compiler->status != HG_OK || !hg_put_names(compiler, &all.names, (const uint8_t *)compiler->properties)) {
        return 0;
    }
    return hg_put(compiler, &all, sizeof all, 8);
}
