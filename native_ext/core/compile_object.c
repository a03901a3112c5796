#include <string.h>

#include "compiler.h"
#include "pattern.h"
#include "siphash.h"

/* The keywords about members: one table of all names that are mentioned, each with what applies to its value. */

enum { UNSET = HG_K_COUNT }; /* of hg_property.keyword until it is known */

struct table {
    struct hg_subschema *sub;
    uint32_t count; /* of compiler->properties */
    uint32_t mask;  /* of compiler->slots, which hold an index plus 1 */
};

/* The most names the subschema can mention, for the size of the table. */
static uint32_t most_names(const struct hg_subschema *sub) {
    static const uint8_t KEYWORDS[] = {HG_K_PROPERTIES, HG_K_REQUIRED, HG_K_DEPENDENT_REQUIRED, HG_K_DEPENDENT_SCHEMAS,
                                       HG_K_DEPENDENCIES};
    uint32_t most = 0;
    for (uint32_t i = 0; i < sizeof KEYWORDS; i++) {
        const uint32_t item = sub->at[KEYWORDS[i]];
        if (item == 0) {
            continue;
        }
        const struct hg_item *value = &sub->tree->items[item];
        most += value->size;
        if (KEYWORDS[i] == HG_K_DEPENDENT_REQUIRED || KEYWORDS[i] == HG_K_DEPENDENCIES) {
            for (uint32_t k = value->start; k != 0; k = sub->tree->items[k].next) {
                most += sub->tree->items[k].kind == HG_KIND_ARRAY ? sub->tree->items[k].size : 0;
            }
        }
    }
    return most < HG_SCHEMA_NAMES ? most : HG_SCHEMA_NAMES;
}

/* The index of the name, which is added if it is new. */
static bool find_name(struct hg_compiler *compiler, struct table *table, const uint8_t *text, uint32_t length,
                      uint32_t *index) {
    uint32_t at = (uint32_t)hg_siphash13(compiler->options->seed, text, length) & table->mask;
    for (; compiler->slots[at] != 0; at = (at + 1) & table->mask) {
        const struct hg_name *name = &compiler->properties[compiler->slots[at] - 1].name;
        if (name->length == length && memcmp(compiler->program.data + name->text, text, length) == 0) {
            *index = compiler->slots[at] - 1u;
            return true;
        }
    }
    if (table->count == HG_SCHEMA_NAMES) {
        return hg_error(compiler, table->sub->document, table->sub->item, "more than %d property names",
                        HG_SCHEMA_NAMES);
    }
    struct hg_property *property = &compiler->properties[table->count];
    memset(property, 0, sizeof *property);
    property->keyword = UNSET;
    if (hg_put_name(compiler, text, length, &property->name) == 0) {
        return false;
    }
    *index = table->count++;
    compiler->slots[at] = (uint16_t)table->count;
    return true;
}

static bool add_properties(struct hg_compiler *compiler, struct table *table) {
    const struct hg_tree *tree = table->sub->tree;
    const uint32_t keyword = table->sub->at[HG_K_PROPERTIES];
    uint32_t index;
    for (uint32_t i = keyword == 0 ? 0 : tree->items[keyword].start; i != 0; i = tree->items[i].next) {
        const struct hg_item *value = &tree->items[i];
        if (!find_name(compiler, table, hg_tree_name(tree, value), value->name_size, &index) ||
            !hg_schema(compiler, table->sub->document, i, &compiler->properties[index].node)) {
            return false;
        }
        compiler->properties[index].keyword = HG_K_PROPERTIES;
    }
    return true;
}

/* Adds the names in the list, and sets their bits if the table is complete (`bits`). */
static bool add_list(struct hg_compiler *compiler, struct table *table, uint32_t list, uint64_t *bits) {
    const struct hg_tree *tree = table->sub->tree;
    uint32_t index;
    for (uint32_t i = tree->items[list].start; i != 0; i = tree->items[i].next) {
        if (!find_name(compiler, table, hg_tree_text(tree, &tree->items[i]), tree->items[i].size, &index)) {
            return false;
        }
        if (bits != NULL) {
            bits[index / 64] |= UINT64_C(1) << index % 64;
        }
    }
    return true;
}

/* All names, so that the sets of them can have their size. */
static bool collect_names(struct hg_compiler *compiler, struct table *table) {
    static const uint8_t DEPENDENT[] = {HG_K_DEPENDENT_REQUIRED, HG_K_DEPENDENT_SCHEMAS, HG_K_DEPENDENCIES};
    const struct hg_tree *tree = table->sub->tree;
    uint32_t index;
    /* Lists are checked while the table is not in use: they need it, too. */
    for (uint32_t k = 0; k < sizeof DEPENDENT; k++) {
        const uint32_t keyword = table->sub->at[DEPENDENT[k]];
        if (keyword != 0 && DEPENDENT[k] != HG_K_DEPENDENT_SCHEMAS) {
            if (tree->items[keyword].kind != HG_KIND_OBJECT) {
                return hg_error(compiler, table->sub->document, keyword, "must be an object of %slists of names",
                                DEPENDENT[k] == HG_K_DEPENDENCIES ? "schemas and of " : "");
            }
            for (uint32_t i = tree->items[keyword].start; i != 0; i = tree->items[i].next) {
                if ((DEPENDENT[k] == HG_K_DEPENDENT_REQUIRED || tree->items[i].kind == HG_KIND_ARRAY) &&
                    !hg_check_names(compiler, table->sub, i)) {
                    return false;
                }
            }
        }
    }
    const uint32_t most = most_names(table->sub);
    table->mask = 15;
    while (table->mask < most * 2) {
        table->mask = table->mask * 2 + 1;
    }
    memset(compiler->slots, 0, (table->mask + 1) * sizeof *compiler->slots);
    if (!add_properties(compiler, table)) {
        return false;
    }
    const uint32_t required = table->sub->at[HG_K_REQUIRED];
    if (required != 0 && !add_list(compiler, table, required, NULL)) {
        return false;
    }
    for (uint32_t k = 0; k < sizeof DEPENDENT; k++) {
        const uint32_t keyword = table->sub->at[DEPENDENT[k]];
        for (uint32_t i = keyword == 0 ? 0 : tree->items[keyword].start; i != 0; i = tree->items[i].next) {
            const struct hg_item *value = &tree->items[i];
            if (!find_name(compiler, table, hg_tree_name(tree, value), value->name_size, &index) ||
                (value->kind == HG_KIND_ARRAY && !add_list(compiler, table, i, NULL))) {
                return false;
            }
        }
    }
    return true;
}

static bool comes_before(const struct hg_compiler *compiler, const struct hg_pattern_rule *a,
                         const struct hg_pattern_rule *b) {
    const uint32_t both = a->source_length < b->source_length ? a->source_length : b->source_length;
    const int order = memcmp(compiler->program.data + a->source, compiler->program.data + b->source, both);
    return order < 0 || (order == 0 && a->source_length < b->source_length);
}

/* In the order of their bytes, for the first one that a name matches says what a byte string of CBOR stands for. */
static void sort_patterns(const struct hg_compiler *compiler, struct hg_pattern_rule *rules, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) { /* by insertion: most schemas have one or two */
        const struct hg_pattern_rule rule = rules[i];
        uint32_t at = i;
        for (; at > 0 && comes_before(compiler, &rule, &rules[at - 1]); at--) {
            rules[at] = rules[at - 1];
        }
        rules[at] = rule;
    }
}

/* compiler->work: hg_pattern_rule[rules->pattern_count]. */
static bool collect_patterns(struct hg_compiler *compiler, const struct hg_subschema *sub,
                             struct hg_object_rules *rules) {
    const struct hg_tree *tree = sub->tree;
    const uint32_t keyword = sub->at[HG_K_PATTERN_PROPERTIES];
    compiler->work.size = 0;
    for (uint32_t i = keyword == 0 ? 0 : tree->items[keyword].start; i != 0; i = tree->items[i].next) {
        struct hg_pattern_rule rule = {.source_length = tree->items[i].name_size};
        if (rules->pattern_count == HG_SCHEMA_NAMES) {
            return hg_error(compiler, sub->document, keyword, "more than %d patterns", HG_SCHEMA_NAMES);
        }
        if (!hg_put_pattern(compiler, sub->document, i, hg_tree_name(tree, &tree->items[i]), rule.source_length,
                            &rule.pattern, &rule.source) ||
            !hg_schema(compiler, sub->document, i, &rule.node)) {
            return false;
        }
        if (!hg_buffer_append(&compiler->work, compiler->memory, &rule, sizeof rule)) {
            return hg_no_memory(compiler);
        }
        rules->pattern_count++;
    }
    sort_patterns(compiler, (struct hg_pattern_rule *)(void *)compiler->work.data, rules->pattern_count);
    return true;
}

/* Which patterns match the known name, found out once. */
static bool match_name(struct hg_compiler *compiler, const struct hg_subschema *sub,
                       const struct hg_object_rules *rules, struct hg_property *property) {
    uint32_t count = 0; /* of the nodes in compiler->more, behind room for their number */
    const struct hg_pattern_rule *rule = (const struct hg_pattern_rule *)(void *)compiler->work.data;
    compiler->more.size = 0;
    if (!hg_buffer_append(&compiler->more, compiler->memory, &count, sizeof count)) {
        return hg_no_memory(compiler);
    }
    for (uint32_t i = 0; i < rules->pattern_count; i++) {
        compiler->matching += property->name.length + 1;
        if (compiler->matching > HG_SCHEMA_MATCHING) {
            return hg_error(compiler, sub->document, sub->at[HG_K_PATTERN_PROPERTIES],
                            "too many names for so many patterns");
        }
        if (!hg_pattern_search(compiler->program.data + rule[i].pattern, compiler->program.data + property->name.text,
                               property->name.length)) {
            continue;
        }
        if (property->keyword == UNSET) {
            property->keyword = HG_K_PATTERN_PROPERTIES;
            property->node = rule[i].node;
        } else {
            count++;
            if (!hg_buffer_append(&compiler->more, compiler->memory, &rule[i].node, sizeof rule[i].node)) {
                return hg_no_memory(compiler);
            }
        }
    }
    if (property->keyword == UNSET) {
        property->keyword = rules->has_rest ? HG_K_ADDITIONAL_PROPERTIES : HG_K_NONE;
        property->node = rules->rest;
    }
    if (count != 0) {
        memcpy(compiler->more.data, &count, sizeof count);
        property->more = hg_put(compiler, compiler->more.data, compiler->more.size, sizeof count);
        return property->more != 0;
    }
    return true;
}

static bool put_bits(struct hg_compiler *compiler, struct table *table, uint32_t list, uint32_t words, hg_ref *ref) {
    memset(compiler->bits, 0, words * sizeof *compiler->bits);
    if (!add_list(compiler, table, list, compiler->bits)) {
        return false;
    }
    *ref = hg_put(compiler, compiler->bits, words * (uint32_t)sizeof *compiler->bits, 8);
    return *ref != 0;
}

static bool put_dependents(struct hg_compiler *compiler, struct table *table, struct hg_object_rules *rules) {
    static const uint8_t DEPENDENT[] = {HG_K_DEPENDENT_REQUIRED, HG_K_DEPENDENT_SCHEMAS, HG_K_DEPENDENCIES};
    const struct hg_tree *tree = table->sub->tree;
    compiler->work.size = 0;
    for (uint32_t k = 0; k < sizeof DEPENDENT; k++) {
        const uint32_t keyword = table->sub->at[DEPENDENT[k]];
        for (uint32_t i = keyword == 0 ? 0 : tree->items[keyword].start; i != 0; i = tree->items[i].next) {
            const struct hg_item *value = &tree->items[i];
            struct hg_dependent dependent = {0, DEPENDENT[k], 0, 0};
            const bool list = value->kind == HG_KIND_ARRAY && DEPENDENT[k] != HG_K_DEPENDENT_SCHEMAS;
            if (list && value->size == 0) {
                continue;
            }
            if (!find_name(compiler, table, hg_tree_name(tree, value), value->name_size, &dependent.property) ||
                !(list ? put_bits(compiler, table, i, rules->words, &dependent.required)
                       : hg_in_place(compiler, table->sub, table->sub->document, i, &dependent.node))) {
                return false;
            }
            if (dependent.required == 0 && dependent.node == 0) {
                continue;
            }
            if (!hg_buffer_append(&compiler->work, compiler->memory, &dependent, sizeof dependent)) {
                return hg_no_memory(compiler);
            }
            rules->dependent_count++;
        }
    }
    if (rules->dependent_count != 0) {
        rules->dependents = hg_put(compiler, compiler->work.data, compiler->work.size, 8);
        return rules->dependents != 0;
    }
    return true;
}

/* A name that is required and can never be there. */
static bool lint_required(struct hg_compiler *compiler, struct table *table) {
    const struct hg_subschema *sub = table->sub;
    const uint32_t required = sub->at[HG_K_REQUIRED], rest = sub->at[HG_K_ADDITIONAL_PROPERTIES];
    const uint32_t properties = sub->at[HG_K_PROPERTIES];
    const bool closed = rest != 0 && sub->tree->items[rest].kind == HG_KIND_FALSE;
    uint32_t index;
    if (required == 0) {
        return true;
    }
    if (sub->tree->items[required].size > sub->counts[HG_K_MAX_PROPERTIES] &&
        !hg_lint(compiler, sub->document, required,
                 "unsatisfiable: more names are required than maxProperties allows")) {
        return false;
    }
    for (uint32_t i = sub->tree->items[required].start; i != 0; i = sub->tree->items[i].next) {
        const struct hg_item *name = &sub->tree->items[i];
        const uint8_t *text = hg_tree_text(sub->tree, name);
        if (!find_name(compiler, table, text, name->size, &index)) {
            return false;
        }
        const uint32_t declared = properties == 0 ? 0 : hg_tree_member(sub->tree, properties, text, name->size);
        if ((declared != 0 && sub->tree->items[declared].kind == HG_KIND_FALSE) ||
            (closed && compiler->properties[index].keyword == HG_K_ADDITIONAL_PROPERTIES)) {
            char shown[HG_SHORT];
            if (!hg_lint(compiler, sub->document, i, "unsatisfiable: %s is required and not allowed",
                         hg_shorten(text, name->size, shown))) {
                return false;
            }
        }
    }
    return true;
}

/* The keywords with a subschema each. */
static bool compile_single(struct hg_compiler *compiler, const struct hg_subschema *sub, uint32_t keyword, hg_ref *node,
                           uint32_t *has) {
    if (sub->at[keyword] == 0) {
        return true;
    }
    *has = 1;
    return hg_schema(compiler, sub->document, sub->at[keyword], node);
}

bool hg_compile_object(struct hg_compiler *compiler, struct hg_subschema *sub) {
    static const uint8_t KEYWORDS[] = {
        HG_K_REQUIRED,       HG_K_PROPERTIES,        HG_K_PATTERN_PROPERTIES,     HG_K_ADDITIONAL_PROPERTIES,
        HG_K_PROPERTY_NAMES, HG_K_MIN_PROPERTIES,    HG_K_MAX_PROPERTIES,         HG_K_DEPENDENT_REQUIRED,
        HG_K_DEPENDENCIES,   HG_K_DEPENDENT_SCHEMAS, HG_K_UNEVALUATED_PROPERTIES,
    };
    struct hg_object_rules rules;
    struct table table = {.sub = sub};
    uint32_t any = 0, has_names = 0;
    for (uint32_t i = 0; i < sizeof KEYWORDS; i++) {
        any |= sub->at[KEYWORDS[i]];
    }
    if (any == 0) {
        return true;
    }
    memset(&rules, 0, sizeof rules);
    rules.min = sub->counts[HG_K_MIN_PROPERTIES];
    rules.max = sub->counts[HG_K_MAX_PROPERTIES];
    if (!collect_names(compiler, &table) ||
        !compile_single(compiler, sub, HG_K_ADDITIONAL_PROPERTIES, &rules.rest, &rules.has_rest) ||
        !compile_single(compiler, sub, HG_K_PROPERTY_NAMES, &rules.names_node, &has_names) ||
        !compile_single(compiler, sub, HG_K_UNEVALUATED_PROPERTIES, &rules.unevaluated, &rules.has_unevaluated) ||
        !collect_patterns(compiler, sub, &rules)) {
        return false;
    }
    rules.words = (table.count + 63) / 64;
    for (uint32_t i = 0; i < table.count; i++) {
        if (!match_name(compiler, sub, &rules, &compiler->properties[i])) {
            return false;
        }
    }
    if (rules.pattern_count != 0) {
        rules.patterns = hg_put(compiler, compiler->work.data, compiler->work.size, 8);
        if (rules.patterns == 0) {
            return false;
        }
    }
    const uint32_t required = sub->at[HG_K_REQUIRED];
    if (required != 0 && sub->tree->items[required].size != 0 &&
        !put_bits(compiler, &table, required, rules.words, &rules.required)) {
        return false;
    }
    rules.names.count = table.count;
    rules.names.stride = sizeof(struct hg_property);
    if (!put_dependents(compiler, &table, &rules) || !lint_required(compiler, &table) ||
        !hg_put_names(compiler, &rules.names, (const uint8_t *)compiler->properties)) {
        return false;
    }
    if ((rules.names.count | rules.pattern_count | rules.has_rest | has_names | rules.min | rules.has_unevaluated) == 0 &&
        rules.max == UINT32_MAX) {
        return true; /* as of `properties` without any */
    }
    sub->node.flags |= rules.has_unevaluated ? HG_NODE_LIST : 0;
    sub->node.object = hg_put(compiler, &rules, sizeof rules, 8);
    return sub->node.object != 0;
}
