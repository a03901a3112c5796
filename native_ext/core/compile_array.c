#include <string.h>

#include "compiler.h"

/* The keywords about items. */

/* compiler->work: hg_ref[]. The schemas of the list at `item`. */
static bool put_prefix(struct hg_compiler *compiler, const struct hg_subschema *sub, uint32_t item,
                       struct hg_array_rules *rules) {
    const struct hg_tree *tree = sub->tree;
    hg_ref node;
    compiler->work.size = 0;
    for (uint32_t i = tree->items[item].start; i != 0; i = tree->items[i].next) {
        if (!hg_schema(compiler, sub->document, i, &node)) {
            return false;
        }
        if (!hg_buffer_append(&compiler->work, compiler->memory, &node, sizeof node)) {
            return hg_no_memory(compiler);
        }
        rules->prefix_count++;
    }
    if (rules->prefix_count != 0) {
        rules->prefix = hg_put(compiler, compiler->work.data, compiler->work.size, 8);
        return rules->prefix != 0;
    }
    return true;
}

static bool put_items(struct hg_compiler *compiler, const struct hg_subschema *sub, struct hg_array_rules *rules) {
    const bool old = sub->dialect.draft == HG_IN_7;
    const uint32_t items = sub->at[HG_K_ITEMS];
    uint32_t rest = items;
    rules->prefix_keyword = old ? HG_K_ITEMS : HG_K_PREFIX_ITEMS;
    rules->rest_keyword = HG_K_ITEMS;
    if (old && items != 0 && sub->tree->items[items].kind == HG_KIND_ARRAY) {
        if (!put_prefix(compiler, sub, items, rules)) {
            return false;
        }
        rest = sub->at[HG_K_ADDITIONAL_ITEMS];
        rules->rest_keyword = HG_K_ADDITIONAL_ITEMS;
    } else if (sub->at[HG_K_PREFIX_ITEMS] != 0 && !put_prefix(compiler, sub, sub->at[HG_K_PREFIX_ITEMS], rules)) {
        return false;
    }
    rules->has_rest = rest != 0;
    return rest == 0 || hg_schema(compiler, sub->document, rest, &rules->rest);
}

bool hg_compile_array(struct hg_compiler *compiler, struct hg_subschema *sub) {
    static const uint8_t KEYWORDS[] = {
        HG_K_PREFIX_ITEMS, HG_K_ITEMS,        HG_K_ADDITIONAL_ITEMS, HG_K_MIN_ITEMS,
        HG_K_MAX_ITEMS,    HG_K_UNIQUE_ITEMS, HG_K_CONTAINS,         HG_K_UNEVALUATED_ITEMS};
    const uint32_t unique = sub->at[HG_K_UNIQUE_ITEMS], contains = sub->at[HG_K_CONTAINS];
    const uint32_t unevaluated = sub->at[HG_K_UNEVALUATED_ITEMS];
    struct hg_array_rules rules;
    uint32_t any = 0;
    for (uint32_t i = 0; i < sizeof KEYWORDS; i++) {
        any |= sub->at[KEYWORDS[i]];
    }
    if (any == 0) {
        return true;
    }
    memset(&rules, 0, sizeof rules);
    rules.min = sub->counts[HG_K_MIN_ITEMS];
    rules.max = sub->counts[HG_K_MAX_ITEMS];
    rules.unique = unique != 0 && sub->tree->items[unique].kind == HG_KIND_TRUE;
    rules.has_contains = contains != 0;
    rules.min_contains = contains == 0 ? 0 : sub->counts[HG_K_MIN_CONTAINS];
    rules.max_contains = sub->counts[HG_K_MAX_CONTAINS];
    rules.has_unevaluated = unevaluated != 0;
    if (!put_items(compiler, sub, &rules) ||
        (contains != 0 && !hg_schema(compiler, sub->document, contains, &rules.contains)) ||
        (unevaluated != 0 && !hg_schema(compiler, sub->document, unevaluated, &rules.unevaluated))) {
        return false;
    }
    if ((rules.prefix_count | rules.has_rest | rules.has_contains | rules.unique | rules.min | rules.has_unevaluated) == 0 &&
        rules.max == UINT32_MAX) {
        return true; /* as of `uniqueItems` false */
    }
    sub->node.flags |= rules.has_unevaluated ? HG_NODE_LIST : 0;
    sub->node.array = hg_put(compiler, &rules, sizeof rules, 8);
    return sub->node.array != 0;
}
