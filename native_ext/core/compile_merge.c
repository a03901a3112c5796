#include <string.h>

#include "compiler.h"

/* One node in place of a node and of what applies to the same value beside it (HG_NODE_MERGED), for those engines that only decide: then
 * the value is read once. allOf and $ref are merged into the node as far as it has room for their rules; anyOf and oneOf whose
 * alternatives are about different types are rules of different kinds of one node. What cannot be merged stays in `same`. */

enum {
    OBJECTS = 16, /* object rules that become one */
    SMALL = 4096, /* bytes that are not worth a limit */
    REFS = 16,    /* of a name, that hg_cost_of_joining has room for */
    WORK = 1 << 22, /* comparisons of names and of what they have, and 16 for a search of a pattern: of all joins of a schema */
    MADE = 256,   /* nodes that are made of several... */
    MADE_BYTES = sizeof(struct hg_node) + (REFS + 1) * sizeof(struct hg_same) + 16, /* ... each with its list */
    ARRAY_BYTES = sizeof(struct hg_array_rules) + 8, /* of two that become one */
    LATER = HG_SCHEMA_CHAIN + 1, /* hg_stop.chain of these */
    NUMBERS = HG_INTEGER | HG_FRACTION
};

struct merge {
    struct hg_compiler *compiler;
    uint32_t left; /* bytes that may still be put into the program */
    uint64_t work; /* that may still be done */
    struct hg_node node;
    hg_ref objects[OBJECTS];
    uint32_t object_count, cost;
    uint32_t names;           /* in all of `objects` together */
    uint32_t longest;         /* bytes of one of them */
    hg_ref rest, names_node;  /* of one of them, or 0 */
    uint32_t rests, patterns; /* how many of them have such */
    uint32_t pattern_rules;   /* of all of them */
    bool both;                /* the same one has both */
    bool changed;
};

static void node_at(const struct hg_compiler *compiler, hg_ref ref, struct hg_node *node) {
    memcpy(node, compiler->program.data + ref, sizeof *node);
}

hg_ref hg_stands_for(const struct hg_compiler *compiler, hg_ref ref) {
    struct hg_node node;
    for (; ref != 0; ref = hg_stand_in((const void *)compiler->program.data, &node)) {
        node_at(compiler, ref, &node);
        if ((node.flags & (HG_NODE_REF | HG_NODE_MERGED)) == 0) {
            break;
        }
    }
    return ref;
}

static bool clash(hg_ref a, hg_ref b) { return a != 0 && b != 0 && a != b; }

static bool accepts_nothing(const struct hg_compiler *compiler, hg_ref ref) {
    struct hg_node node;
    node_at(compiler, ref, &node);
    return node.types == 0;
}

/* Adds object rules to those that become one; false: they do not fit. */
static bool add_object(struct merge *merge, hg_ref ref) {
    struct hg_object_rules rules;
    for (uint32_t i = 0; i < merge->object_count; i++) {
        if (merge->objects[i] == ref) {
            return true;
        }
    }
    memcpy(&rules, merge->compiler->program.data + ref, sizeof rules);
    const uint32_t cost = hg_cost_of_joining(&rules);
    if (merge->object_count == OBJECTS || merge->names + rules.names.count > HG_SCHEMA_NAMES ||
        merge->cost + cost > merge->left || clash(merge->names_node, rules.names_node) ||
        (clash(merge->rest, rules.rest) &&
         !(accepts_nothing(merge->compiler, merge->rest) && accepts_nothing(merge->compiler, rules.rest)))) {
        return false;
    }
    /* What one says of the names that it has no pattern for cannot be said of those that another one has a pattern for. */
    const uint32_t rests = merge->rests + (rules.rest != 0), patterns = merge->patterns + (rules.pattern_count != 0);
    const bool both = merge->both || (rules.rest != 0 && rules.pattern_count != 0);
    if (rests != 0 && patterns != 0 && !(rests == 1 && patterns == 1 && both)) {
        return false;
    }
    merge->objects[merge->object_count++] = ref;
    merge->names += rules.names.count;
    merge->longest = rules.names.longest > merge->longest ? rules.names.longest : merge->longest;
    merge->cost += cost;
    merge->rest = rules.rest != 0 ? rules.rest : merge->rest;
    merge->names_node = rules.names_node != 0 ? rules.names_node : merge->names_node;
    merge->rests = rests;
    merge->patterns = patterns;
    merge->pattern_rules += rules.pattern_count;
    merge->both = both;
    return true;
}

/* Joining the objects would take more work or room than is left: a name may have a node by each pattern, of each of them. */
static bool is_too_much(struct merge *merge) {
    const uint64_t names = merge->names, refs = 2 * (uint64_t)merge->pattern_rules + merge->object_count;
    const uint64_t lists = refs > REFS ? names * refs * sizeof(hg_ref) : 0;
    if (refs > WORK || merge->cost + lists > merge->left) {
        return true;
    }
    const uint64_t work = names * (4 * names + (16 + (uint64_t)merge->longest) * refs + refs * refs);
    if (work > merge->work) {
        return true;
    }
    merge->work -= work;
    return false;
}

hg_ref hg_put_all_of(struct hg_compiler *compiler, const hg_ref *refs, uint32_t count) {
    struct hg_compiled compiled = {.stop = {.chain = LATER}, .takes = HG_ANY};
    struct hg_same list[REFS + 1];
    struct hg_node node;
    if (count > REFS || compiler->made == MADE) {
        return 0;
    }
    memset(list, 0, sizeof list);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = (struct hg_same){.op = HG_SAME_ALL, .keyword = HG_K_ALL_OF, .a = refs[i]};
    }
    node_at(compiler, refs[0], &node);
    node = (struct hg_node){.types = HG_ANY, .flags = HG_NODE_BARE, .resource = node.resource, .location = node.location};
    node.same = hg_put(compiler, list, (count + 1) * (uint32_t)sizeof *list, 8);
    compiled.node = node.same == 0 ? 0 : hg_reserve(compiler, sizeof node, 8);
    if (compiled.node == 0 ||
        (!hg_buffer_append(&compiler->compiled, compiler->memory, &compiled, sizeof compiled) && !hg_no_memory(compiler))) {
        return 0;
    }
    memcpy(compiler->program.data + compiled.node, &node, sizeof node);
    compiler->made++;
    return compiled.node;
}

static struct hg_array_rules array_at(const struct merge *merge, hg_ref ref) {
    struct hg_array_rules rules;
    memcpy(&rules, merge->compiler->program.data + ref, sizeof rules);
    return rules;
}

/* Both can be one, where they are not the same. */
static bool arrays_fit(const struct merge *merge, hg_ref a, hg_ref b) {
    const struct hg_array_rules one = array_at(merge, a), other = array_at(merge, b);
    return merge->compiler->made + 1 < MADE && merge->cost + ARRAY_BYTES <= merge->left &&
           (one.prefix_count | other.prefix_count | one.has_contains | other.has_contains | one.has_unevaluated |
            other.has_unevaluated) == 0;
}

/* Array rules that demand what both do. 0: failed. */
static hg_ref join_arrays(struct merge *merge, hg_ref a, hg_ref b) {
    struct hg_array_rules one = array_at(merge, a);
    const struct hg_array_rules other = array_at(merge, b);
    const hg_ref refs[2] = {one.rest, other.rest};
    one.min = other.min > one.min ? other.min : one.min;
    one.max = other.max < one.max ? other.max : one.max;
    one.unique |= other.unique;
    one.has_rest |= other.has_rest;
    if (clash(one.rest, other.rest)) {
        one.rest = hg_put_all_of(merge->compiler, refs, 2);
        if (one.rest == 0) {
            return 0;
        }
    } else {
        one.rest |= other.rest;
    }
    return hg_put(merge->compiler, &one, sizeof one, 8);
}

/* What `other` itself demands is demanded by the node as well, from now on. false: there is no room for it, nothing has changed. */
static bool add_rules(struct merge *merge, const struct hg_node *other) {
    struct hg_node *node = &merge->node;
    if ((other->flags & HG_NODE_LIST) != 0 || clash(node->number, other->number) ||
        clash(node->string, other->string) || clash(node->choice, other->choice) ||
        (clash(node->array, other->array) && !arrays_fit(merge, node->array, other->array)) ||
        (other->object != 0 && !add_object(merge, other->object))) {
        return false;
    }
    if (clash(node->array, other->array)) {
        merge->cost += ARRAY_BYTES;
        node->array = join_arrays(merge, node->array, other->array);
    } else {
        node->array |= other->array;
    }
    node->types &= other->types;
    node->number |= other->number; /* one of both is 0, or they are the same */
    node->string |= other->string;
    node->choice |= other->choice;
    return merge->compiler->status == HG_OK;
}

/* The types of which the node takes every value. */
static unsigned takes_all_of(const struct hg_node *node) {
    if ((node->same | node->choice) != 0 || (node->flags & HG_NODE_LIST) != 0) {
        return 0;
    }
    return node->types & ~((node->number != 0 ? NUMBERS : 0u) | (node->string != 0 ? HG_STRING : 0u) |
                           (node->array != 0 ? HG_ARRAY : 0u) | (node->object != 0 ? HG_OBJECT : 0u));
}

/* The sum of what alternatives take. */
struct sum {
    struct hg_node node;
    unsigned all;          /* types that one of them takes whatever the value is, and all may */
    unsigned chosen;       /* types that `choice` of the node is about */
};

/* One alternative more; false: it takes a type that another one takes, or nobody can say. */
static bool add_alternative(const struct merge *merge, struct sum *sum, hg_ref ref) {
    struct hg_node node;
    struct hg_choice choice;
    node_at(merge->compiler, ref, &node);
    unsigned types = node.types & merge->node.types;
    if (node.same != 0 || (node.flags & HG_NODE_LIST) != 0) {
        return false;
    }
    if (node.choice != 0) {
        memcpy(&choice, merge->compiler->program.data + node.choice, sizeof choice);
        types &= choice.types | choice.free;
    }
    types &= ~sum->all;
    const unsigned numbers = types & NUMBERS;
    if ((types & sum->node.types) != 0 ||
        (numbers != 0 && (node.number | node.choice) != 0 && ((sum->node.types | sum->all) & NUMBERS) != 0) ||
        (numbers != 0 && (sum->node.number != 0 || (sum->chosen & NUMBERS) != 0))) {
        return false;
    }
    if (types != 0 && node.choice != 0) {
        if (sum->node.choice != 0 || choice.free != 0) {
            return false;
        }
        sum->node.choice = node.choice;
        sum->chosen = types;
    }
    sum->node.types |= (uint8_t)types;
    sum->node.number |= numbers != 0 ? node.number : 0;
    sum->node.string |= (types & HG_STRING) != 0 ? node.string : 0;
    sum->node.array |= (types & HG_ARRAY) != 0 ? node.array : 0;
    sum->node.object |= (types & HG_OBJECT) != 0 ? node.object : 0;
    return true;
}

/* anyOf or oneOf as rules of the node: each of its kinds of values is the affair of one alternative. */
static bool add_alternatives(struct merge *merge, const struct hg_same *rule) {
    const struct hg_compiler *compiler = merge->compiler;
    struct hg_alternative alternative;
    struct sum sum;
    memset(&sum, 0, sizeof sum);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < rule->b; i++) {
            struct hg_node node;
            memcpy(&alternative, compiler->program.data + rule->a + i * sizeof alternative, sizeof alternative);
            const hg_ref ref = hg_stands_for(compiler, alternative.node);
            if (ref == 0) { /* it takes everything: so does anyOf */
                return rule->op == HG_SAME_ANY;
            }
            if (round != 0) {
                if (!add_alternative(merge, &sum, ref)) {
                    return false;
                }
            } else if (rule->op == HG_SAME_ANY) {
                node_at(compiler, ref, &node);
                sum.all |= takes_all_of(&node);
            }
        }
    }
    sum.node.types |= (uint8_t)sum.all;
    if (sum.node.choice != 0 && (sum.node.types & ~sum.chosen) != 0) {
        struct hg_choice choice;
        memcpy(&choice, compiler->program.data + sum.node.choice, sizeof choice);
        if (merge->node.choice != 0 || merge->cost + sizeof choice > merge->left) {
            return false;
        }
        choice.free = (uint16_t)(sum.node.types & ~sum.chosen);
        sum.node.choice = hg_put(merge->compiler, &choice, sizeof choice, 8);
        merge->cost += (uint32_t)sizeof choice;
        if (sum.node.choice == 0) {
            return false;
        }
    }
    return add_rules(merge, &sum.node);
}

static bool keep(struct merge *merge, const struct hg_same *rule) {
    struct hg_compiler *compiler = merge->compiler;
    return hg_buffer_append(&compiler->work, compiler->memory, rule, sizeof *rule) || hg_no_memory(compiler);
}

/* Rules of a list for the same value; those of what is merged are kept as they are. */
static bool add_list(struct merge *merge, hg_ref list, bool inner) {
    const struct hg_compiler *compiler = merge->compiler;
    for (; list != 0; list += (hg_ref)sizeof(struct hg_same)) {
        struct hg_same rule;
        struct hg_node node;
        memcpy(&rule, compiler->program.data + list, sizeof rule);
        if (rule.op == HG_SAME_END) {
            break;
        }
        if (!inner && rule.op == HG_SAME_ALL) {
            const hg_ref ref = hg_stands_for(compiler, rule.a);
            memset(&node, 0, sizeof node);
            if (ref != 0) {
                node_at(compiler, ref, &node);
            }
            if (ref == 0 || add_rules(merge, &node)) {
                merge->changed = true;
                if (!add_list(merge, node.same, true)) {
                    return false;
                }
                continue;
            }
        } else if (!inner && (rule.op == HG_SAME_ANY || rule.op == HG_SAME_ONE) && add_alternatives(merge, &rule)) {
            merge->changed = true;
            continue;
        }
        if (compiler->status != HG_OK || !keep(merge, &rule)) {
            return false;
        }
    }
    return true;
}

/* Bytes of a list of rules, its end included. */
static uint32_t length_of(const struct hg_compiler *compiler, hg_ref list) {
    struct hg_same rule;
    hg_ref at = list;
    do {
        memcpy(&rule, compiler->program.data + at, sizeof rule);
        at += (hg_ref)sizeof rule;
    } while (rule.op != HG_SAME_END);
    return at - list;
}

/* The node's list of rules, and before it the node that stands for it. */
static bool put_stand_in(struct merge *merge, hg_ref ref, hg_ref stand_in) {
    struct hg_compiler *compiler = merge->compiler;
    const struct hg_merged merged = {0, stand_in};
    struct hg_node node;
    node_at(compiler, ref, &node);
    compiler->work.size = 0;
    if (!hg_buffer_append(&compiler->work, compiler->memory, &merged, sizeof merged) ||
        !hg_buffer_append(&compiler->work, compiler->memory, compiler->program.data + node.same,
                          length_of(compiler, node.same))) {
        return hg_no_memory(compiler);
    }
    const hg_ref list = hg_put(compiler, compiler->work.data, compiler->work.size, 8);
    if (list == 0) {
        return false;
    }
    node.same = list + (hg_ref)sizeof merged;
    node.flags |= HG_NODE_MERGED;
    memcpy(compiler->program.data + ref, &node, sizeof node);
    return true;
}

static bool merge_node(struct merge *merge, hg_ref ref) {
    struct hg_compiler *compiler = merge->compiler;
    struct hg_compiled compiled = {.takes = HG_ANY};
    const struct hg_same end = {.op = HG_SAME_END};
    node_at(compiler, ref, &merge->node);
    if (merge->node.same == 0 || (merge->node.flags & (HG_NODE_REF | HG_NODE_LIST)) != 0) {
        return true;
    }
    const hg_ref list = merge->node.same;
    compiler->work.size = 0;
    merge->object_count = merge->cost = merge->names = merge->longest = merge->rests = merge->patterns = merge->pattern_rules = 0;
    merge->rest = merge->names_node = 0;
    merge->both = merge->changed = false;
    if (merge->node.object != 0 && !add_object(merge, merge->node.object)) {
        return true; /* no room for what others say beside it */
    }
    if (!add_list(merge, list, false)) {
        return false;
    }
    /* room for both lists and the node */
    merge->cost += compiler->work.size + length_of(compiler, list) + 512;
    if (!merge->changed || merge->cost > merge->left || (merge->object_count > 1 && is_too_much(merge))) {
        return true;
    }
    merge->node.same = 0;
    merge->node.flags = 0;
    if (compiler->work.size != 0) {
        if (!keep(merge, &end) ||
            (merge->node.same = hg_put(compiler, compiler->work.data, compiler->work.size, 8)) == 0) {
            return false;
        }
    }
    if (merge->object_count > 1) {
        merge->node.object = hg_join_objects(compiler, merge->objects, merge->object_count);
        if (merge->node.object == 0) {
            return compiler->status == HG_OK;
        }
    } else if (merge->object_count == 1) {
        merge->node.object = merge->objects[0];
    }
    if (merge->node.types == HG_ANY && (merge->node.number | merge->node.string | merge->node.array |
                                        merge->node.object | merge->node.choice) == 0) {
        merge->node.flags = HG_NODE_BARE;
    }
    compiled.node = hg_reserve(compiler, sizeof merge->node, 8);
    if (compiled.node == 0) {
        return false;
    }
    memcpy(compiler->program.data + compiled.node, &merge->node, sizeof merge->node);
    return (hg_buffer_append(&compiler->compiled, compiler->memory, &compiled, sizeof compiled) ||
            hg_no_memory(compiler)) &&
           put_stand_in(merge, ref, compiled.node);
}

bool hg_merge(struct hg_compiler *compiler, uint32_t count) {
    struct merge merge = {.compiler = compiler, .work = WORK};
    struct hg_node node;
    for (uint32_t i = 0; i < count; i++) {
        if (hg_compiled_at(compiler, i)->node != 0) {
            node_at(compiler, hg_compiled_at(compiler, i)->node, &node);
            if ((node.flags & HG_NODE_BYTES) != 0) {
                return true; /* which subschema is the value's own says how a byte string is written */
            }
        }
    }
    const uint32_t size = compiler->program.size, more = size + SMALL; /* as much again as there is, at most */
    const uint32_t whole = HG_SCHEMA_PROGRAM - MADE * MADE_BYTES; /* for these are not in what joining is said to cost */
    if (size > whole) {
        return true;
    }
    const uint32_t most = more < whole - size ? size + more : whole;
    for (uint32_t chain = 1; chain <= HG_SCHEMA_CHAIN; chain++) { /* first those that others are merged with */
        for (uint32_t i = 0; i < count; i++) {
            const struct hg_compiled *compiled = hg_compiled_at(compiler, i);
            merge.left = most - compiler->program.size;
            if (compiled->node != 0 && compiled->stop.chain == chain && compiler->program.size < most &&
                !merge_node(&merge, compiled->node)) {
                return false;
            }
        }
    }
    for (uint32_t i = count; i < hg_compiled_count(compiler); i++) {
        merge.left = most - compiler->program.size;
        if (hg_compiled_at(compiler, i)->stop.chain == LATER && compiler->program.size < most &&
            !merge_node(&merge, hg_compiled_at(compiler, i)->node)) {
            return false;
        }
    }
    return true;
}
