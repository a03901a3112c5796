#include <string.h>

#include "compiler.h"

/* Depth first over the edges to subschemas for the same value: an edge back to where one stands would never end, and a
 * long chain would need a long stack. hg_stop.chain: 0 not seen, ON_THE_WAY, else the longest chain from there. */

enum { ON_THE_WAY = HG_SCHEMA_NODES + 1 };

static struct hg_stop *stop_at(const struct hg_graph *graph, uint32_t number) {
    return (struct hg_stop *)(void *)(graph->stops->data + number * graph->stride);
}

static uint32_t edge(const struct hg_buffer *edges, const struct hg_stop *from, uint32_t i) {
    return ((const uint32_t *)(const void *)edges->data)[from->edges + i];
}

static bool refuse_loop(struct hg_compiler *compiler, const struct hg_stop *from, const struct hg_stop *to) {
    struct hg_buffer path = {0};
    char shown[HG_SHORT];
    const struct hg_tree *tree = &compiler->documents[to->document].tree;
    if (!hg_tree_path(tree, HG_TREE_ROOT, to->item, &path, compiler->memory)) {
        hg_buffer_clear(&path, compiler->memory);
        return hg_no_memory(compiler);
    }
    uint32_t size = path.size < sizeof shown ? path.size : (uint32_t)sizeof shown - 1;
    while (size != path.size && (path.data[size] & 0xC0) == 0x80) { /* not within a character */
        size--;
    }
    if (size != 0) {
        memcpy(shown, path.data, size);
    }
    shown[size] = 0;
    hg_buffer_clear(&path, compiler->memory);
    return hg_error(compiler, from->document, from->item, "the reference to %s never ends",
                    size == 0 ? "the top" : shown);
}

static bool demands_nothing(const struct hg_compiler *compiler, const struct hg_compiled *here, hg_ref ref) {
    for (uint32_t i = 0; i < here->stop.edge_count && ref != 0; i++) {
        const struct hg_compiled *there = hg_compiled_at(compiler, edge(&compiler->edges, &here->stop, i));
        if (there->node == ref) {
            return there->nothing;
        }
    }
    return true;
}

/* Drops what applies to the same value, but neither asserts nor evaluates anything. A $dynamicRef may lead to something else. */
static void drop_nothing(struct hg_compiler *compiler, struct hg_compiled *here, struct hg_node *node) {
    hg_ref from = node->same, to = node->same;
    struct hg_same rule = {.op = HG_SAME_END};
    for (; from != 0; from += (hg_ref)sizeof rule) {
        memcpy(&rule, compiler->program.data + from, sizeof rule);
        if ((rule.op == HG_SAME_ALL && rule.keyword != HG_K_DYNAMIC_REF && demands_nothing(compiler, here, rule.a)) ||
            (rule.op == HG_SAME_IF && demands_nothing(compiler, here, rule.a) &&
             demands_nothing(compiler, here, rule.b) && demands_nothing(compiler, here, rule.c))) {
            continue;
        }
        memcpy(compiler->program.data + to, &rule, sizeof rule);
        to += (hg_ref)sizeof rule;
        if (rule.op == HG_SAME_END) {
            break;
        }
    }
    if (to == node->same + sizeof rule) { /* the end alone */
        node->same = 0;
    }
    here->nothing = (node->flags & HG_NODE_BARE) != 0 && node->same == 0;
}

/* What is known of a subschema once all is known that applies to the same value. A $dynamicRef may lead to anything. */
static void settle(struct hg_compiler *compiler, uint32_t number) {
    struct hg_compiled *here = hg_compiled_at(compiler, number);
    struct hg_node node;
    if (here->node != 0) {
        memcpy(&node, compiler->program.data + here->node, sizeof node);
        drop_nothing(compiler, here, &node);
        memcpy(compiler->program.data + here->node, &node, sizeof node);
    }
    here->takes = hg_takes(compiler, here);
}

/* All that can be reached from `start`; `path` and `next` (the edge to take) have room for one more than
 * HG_SCHEMA_CHAIN. */
static bool walk_from(struct hg_compiler *compiler, const struct hg_graph *graph, uint32_t start) {
    uint32_t path[HG_SCHEMA_CHAIN + 1], next[HG_SCHEMA_CHAIN + 1];
    uint32_t depth = 1;
    path[0] = start;
    next[0] = 0;
    if (stop_at(graph, start)->chain != 0) {
        return true;
    }
    stop_at(graph, start)->chain = ON_THE_WAY;
    while (depth != 0) {
        struct hg_stop *here = stop_at(graph, path[depth - 1]);
        if (next[depth - 1] < here->edge_count) {
            const uint32_t to = edge(graph->edges, here, next[depth - 1]++);
            struct hg_stop *there = stop_at(graph, to);
            if (there->chain == ON_THE_WAY) {
                return refuse_loop(compiler, here, there);
            }
            if (there->chain == 0) {
                if (depth == HG_SCHEMA_CHAIN) {
                    return hg_error(compiler, here->document, here->item,
                                    "more than %d schemas in a chain for one value", HG_SCHEMA_CHAIN);
                }
                there->chain = ON_THE_WAY;
                path[depth] = to;
                next[depth++] = 0;
            }
            continue;
        }
        uint32_t longest = 0;
        for (uint32_t i = 0; i < here->edge_count; i++) {
            const uint32_t chain = stop_at(graph, edge(graph->edges, here, i))->chain;
            longest = chain > longest ? chain : longest;
        }
        if (longest >= HG_SCHEMA_CHAIN) {
            return hg_error(compiler, here->document, here->item, "more than %d schemas in a chain for one value",
                            HG_SCHEMA_CHAIN);
        }
        here->chain = longest + 1;
        if (graph->settle != NULL) {
            graph->settle(compiler, path[depth - 1]);
        }
        depth--;
    }
    return true;
}

bool hg_walk(struct hg_compiler *compiler, const struct hg_graph *graph) {
    for (uint32_t i = 0; i < graph->stops->size / graph->stride; i++) {
        if (!walk_from(compiler, graph, i)) {
            return false;
        }
    }
    return true;
}

bool hg_check_loops(struct hg_compiler *compiler) {
    const struct hg_graph graph = {&compiler->compiled, sizeof(struct hg_compiled), &compiler->edges, settle};
    return hg_walk(compiler, &graph);
}
