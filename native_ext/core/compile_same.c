#include <string.h>

#include "compiler.h"

/* The keywords that apply other subschemas to the same value: $ref, $dynamicRef, allOf, anyOf, oneOf, not, if. */

static bool add_same(struct hg_compiler *compiler, struct hg_same same) {
    return hg_buffer_append(&compiler->more, compiler->memory, &same, sizeof same) || hg_no_memory(compiler);
}

/* The number of the subschema that was added as the last one for the same value. */
static uint32_t last_number(const struct hg_compiler *compiler) {
    return ((const uint32_t *)(const void *)compiler->edges.data)[compiler->edges.size / sizeof(uint32_t) - 1];
}

/* A $dynamicRef to a dynamic anchor: `target` is where it leads if no dynamic scope says otherwise. */
static bool add_dynamic_reference(struct hg_compiler *compiler, const struct hg_subschema *sub, struct hg_target target) {
    struct hg_same same = {.op = HG_SAME_DYNAMIC, .keyword = HG_K_DYNAMIC_REF, .b = target.dynamic - 1};
    struct hg_dynamic_name *name = hg_dynamic_name_at(compiler, same.b);
    if (name->slot == 0) {
        if (compiler->dynamic_slots == HG_SCHEMA_DYNAMIC) {
            return hg_error(compiler, sub->document, sub->at[HG_K_DYNAMIC_REF],
                            "more than %d different names of dynamic anchors", HG_SCHEMA_DYNAMIC);
        }
        name->slot = ++compiler->dynamic_slots;
    }
    if (!hg_schema(compiler, target.document, target.item, &same.a)) {
        return false;
    }
    struct hg_compiled *compiled = hg_compiled_at(compiler, sub->number);
    compiled->dynamic_name = target.dynamic;
    compiled->dynamic_to = compiler->documents[target.document].tree.items[target.item].user - 1;
    return add_same(compiler, same);
}

static bool add_reference(struct hg_compiler *compiler, struct hg_subschema *sub, uint32_t keyword) {
    struct hg_target target;
    struct hg_same same = {.op = HG_SAME_ALL, .keyword = (uint16_t)keyword};
    if (!hg_refer(compiler, sub->document, sub->at[keyword], sub->resource, &target)) {
        return false;
    }
    if (keyword == HG_K_DYNAMIC_REF && target.dynamic != 0) {
        return add_dynamic_reference(compiler, sub, target);
    }
    if (!hg_in_place(compiler, sub, target.document, target.item, &same.a)) {
        return false;
    }
    if (same.a != 0) {
        same.b = last_number(compiler);
    }
    return same.a == 0 && keyword == HG_K_REF ? true : add_same(compiler, same);
}

/* compiler->work: hg_alternative[]. */
static bool add_list(struct hg_compiler *compiler, struct hg_subschema *sub, uint32_t keyword, enum hg_same_op op) {
    const uint32_t item = sub->at[keyword];
    struct hg_same same = {.op = (uint16_t)op, .keyword = (uint16_t)keyword};
    compiler->work.size = 0;
    for (uint32_t i = sub->tree->items[item].start; i != 0; i = sub->tree->items[i].next, same.index++) {
        struct hg_alternative alternative = {0};
        if (!hg_in_place(compiler, sub, sub->document, i, &alternative.node)) {
            return false;
        }
        if (alternative.node != 0) {
            alternative.takes = last_number(compiler); /* compile_look.c makes of it what it takes */
        }
        if (op == HG_SAME_ALL) {
            same.a = alternative.node;
            same.b = alternative.takes;
            if (alternative.node != 0 && !add_same(compiler, same)) {
                return false;
            }
        } else if (!hg_buffer_append(&compiler->work, compiler->memory, &alternative, sizeof alternative)) {
            return hg_no_memory(compiler);
        }
    }
    if (op == HG_SAME_ALL) {
        return true;
    }
    same.b = same.index;
    same.index = 0;
    same.a = hg_reserve(compiler, compiler->work.size, 8); /* not shared with equal bytes: they will be written to */
    if (same.a == 0) {
        return false;
    }
    memcpy(compiler->program.data + same.a, compiler->work.data, compiler->work.size);
    return add_same(compiler, same);
}

static bool add_if(struct hg_compiler *compiler, struct hg_subschema *sub) {
    struct hg_same same = {.op = HG_SAME_IF, .keyword = HG_K_IF};
    const uint32_t condition = sub->at[HG_K_IF], then = sub->at[HG_K_THEN], otherwise = sub->at[HG_K_ELSE];
    if (condition == 0) { /* then and else are without effect */
        return true;
    }
    if (!hg_in_place(compiler, sub, sub->document, condition, &same.a) ||
        (then != 0 && !hg_in_place(compiler, sub, sub->document, then, &same.b)) ||
        (otherwise != 0 && !hg_in_place(compiler, sub, sub->document, otherwise, &same.c))) {
        return false;
    }
    same.flags = (then != 0 ? 1u : 0u) | (otherwise != 0 ? 2u : 0u);
    if ((same.b | same.c) == 0 && (same.a == 0 || sub->dialect.draft == HG_IN_7)) {
        return true; /* in 2020-12, `if` alone still says what it has evaluated */
    }
    return add_same(compiler, same);
}

bool hg_compile_same(struct hg_compiler *compiler, struct hg_subschema *sub) {
    const uint32_t *at = sub->at;
    compiler->more.size = 0;
    if ((at[HG_K_REF] != 0 && !add_reference(compiler, sub, HG_K_REF)) ||
        (at[HG_K_DYNAMIC_REF] != 0 && !add_reference(compiler, sub, HG_K_DYNAMIC_REF)) ||
        (at[HG_K_ALL_OF] != 0 && !add_list(compiler, sub, HG_K_ALL_OF, HG_SAME_ALL)) ||
        (at[HG_K_ANY_OF] != 0 && !add_list(compiler, sub, HG_K_ANY_OF, HG_SAME_ANY)) ||
        (at[HG_K_ONE_OF] != 0 && !add_list(compiler, sub, HG_K_ONE_OF, HG_SAME_ONE))) {
        return false;
    }
    if (at[HG_K_NOT] != 0) {
        struct hg_same same = {.op = HG_SAME_NOT, .keyword = HG_K_NOT};
        if (!hg_in_place(compiler, sub, sub->document, at[HG_K_NOT], &same.a) || !add_same(compiler, same)) {
            return false;
        }
    }
    if (!add_if(compiler, sub)) {
        return false;
    }
    if (compiler->more.size == 0) {
        return true;
    }
    struct hg_same end = {.op = HG_SAME_END};
    if (!add_same(compiler, end)) {
        return false;
    }
    sub->node.same = hg_put(compiler, compiler->more.data, compiler->more.size, 8);
    return sub->node.same != 0;
}
