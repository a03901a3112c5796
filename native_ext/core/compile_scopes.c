#include <string.h>

#include "compiler.h"
#include "siphash.h"

/* Where a $dynamicRef leads depends on the resources that evaluation has entered (core section 8.2.3.2). So what applies to the same value
 * without end is found among states: a subschema, and the resource that each dynamic anchor is bound to where it is reached.
 *
 * What is only kept in a subschema ($defs, section 8.2.4) is not evaluated there: another one may refer to it, from another dynamic
 * scope. In the main document, where all is checked, it is looked at as if the top referred to it; so is each dynamic anchor. */

enum { START = 0 }; /* the scope before anything was entered */

struct state {
    struct hg_stop stop;
    uint32_t number; /* of the subschema */
    uint32_t scope;
};

/* A dynamic anchor whose name is asked for. */
struct bound {
    uint32_t slot;   /* of its name */
    uint32_t number; /* of the subschema */
    uint32_t next;   /* of the same resource, plus 1 */
};

/* The subschemas in the keywords of a subschema, in scopes.parts: first those that are applied, then those that are kept. */
struct within {
    uint32_t first, count;
    uint32_t kept; /* of them */
};

struct scopes {
    struct hg_compiler *compiler;
    struct hg_buffer states, edges; /* struct state; for the same value: uint32_t */
    struct hg_buffer scopes;        /* uint16_t[slots] each: the resource of a name, plus 1; 0: none yet */
    struct hg_buffer bounds, firsts; /* struct bound; uint32_t for each resource: its first one, plus 1 */
    struct hg_buffer within, parts;  /* struct within for each subschema; numbers of subschemas: uint32_t */
    struct hg_index by_state, by_scope;
    uint32_t slots; /* names that are asked for */
};

static struct state *state_at(const struct scopes *scopes, uint32_t number) {
    return (struct state *)(void *)scopes->states.data + number;
}

static const struct bound *bound_at(const struct scopes *scopes, uint32_t number) {
    return (const struct bound *)(const void *)scopes->bounds.data + number;
}

static uint32_t first_bound(const struct scopes *scopes, uint32_t resource) {
    return ((const uint32_t *)(const void *)scopes->firsts.data)[resource];
}

static uint32_t resource_of(const struct scopes *scopes, uint32_t number) {
    const struct hg_compiled *compiled = hg_compiled_at(scopes->compiler, number);
    return scopes->compiler->documents[compiled->stop.document].tree.items[compiled->stop.item].owner - 1u;
}

static bool append(struct scopes *scopes, struct hg_buffer *buffer, const void *bytes, uint32_t size) {
    return hg_buffer_append(buffer, scopes->compiler->memory, bytes, size) || hg_no_memory(scopes->compiler);
}

/* `count` entries of `size` bytes, all zero. */
static bool zeros(struct scopes *scopes, struct hg_buffer *buffer, uint32_t count, uint32_t size) {
    if (!hg_buffer_reserve(buffer, scopes->compiler->memory, count * size)) {
        return hg_no_memory(scopes->compiler);
    }
    buffer->size = count * size;
    if (buffer->size != 0) {
        memset(buffer->data, 0, buffer->size);
    }
    return true;
}

/* The anchors of each resource that a $dynamicRef may ask for. */
static bool list_bounds(struct scopes *scopes) {
    struct hg_compiler *compiler = scopes->compiler;
    const struct hg_anchor *anchors = (const struct hg_anchor *)(const void *)compiler->anchors.data;
    if (!zeros(scopes, &scopes->firsts, compiler->resources.size / (uint32_t)sizeof(struct hg_schema_resource),
               sizeof(uint32_t))) {
        return false;
    }
    for (uint32_t i = 0; i < compiler->anchors.size / sizeof *anchors; i++) {
        const struct hg_anchor *anchor = &anchors[i];
        const uint32_t slot = anchor->name == 0 ? 0 : hg_dynamic_name_at(compiler, anchor->name - 1)->slot;
        if (slot != 0) {
            uint32_t *first = (uint32_t *)(void *)scopes->firsts.data + anchor->resource;
            const struct hg_tree *tree = &compiler->documents[hg_resource_at(compiler, anchor->resource)->document].tree;
            const struct bound bound = {slot - 1, tree->items[anchor->item].user - 1, *first};
            if (!append(scopes, &scopes->bounds, &bound, sizeof bound)) {
                return false;
            }
            *first = scopes->bounds.size / (uint32_t)sizeof bound;
        }
    }
    return true;
}

/* The subschemas of the keyword are not applied to anything. */
static bool keeps(const struct hg_tree *tree, uint32_t item, const struct hg_keyword_row *row) {
    uint32_t items;
    switch (row->id) {
    case HG_K_DEFS:
    case HG_K_ANNOTATION: /* contentSchema */
        return true;
    case HG_K_THEN:
    case HG_K_ELSE:
        return hg_tree_member(tree, item, (const uint8_t *)"if", 2) == 0;
    case HG_K_ADDITIONAL_ITEMS:
        items = hg_tree_member(tree, item, (const uint8_t *)"items", 5);
        return items == 0 || tree->items[items].kind != HG_KIND_ARRAY;
    default:
        return false;
    }
}

static bool add_parts(struct scopes *scopes, uint32_t document, uint32_t item, uint32_t number, bool kept);

/* The subschema at `item` is a part; in place of one that nothing refers to and that is not compiled, its own parts are. */
static bool add_part(struct scopes *scopes, uint32_t document, uint32_t item, uint32_t number, bool kept) {
    const uint32_t user = scopes->compiler->documents[document].tree.items[item].user, part = user - 1;
    if (user == 0) {
        return add_parts(scopes, document, item, number, kept);
    }
    struct within *within = (struct within *)(void *)scopes->within.data + number;
    within->count++;
    within->kept += kept;
    return append(scopes, &scopes->parts, &part, sizeof part);
}

/* What the keywords of the schema at `item` apply, or keep, for that `number`. A subschema may be a part of two: `properties` that a
 * reference takes for a schema has keywords, and its members are those of what it is a keyword of all the same. */
static bool add_parts(struct scopes *scopes, uint32_t document, uint32_t item, uint32_t number, bool kept) {
    const struct hg_tree *tree = &scopes->compiler->documents[document].tree;
    const struct hg_item *schema = &tree->items[item];
    if (schema->kind != HG_KIND_OBJECT || schema->owner == 0) {
        return true;
    }
    const struct hg_dialect dialect = hg_resource_at(scopes->compiler, schema->owner - 1u)->dialect;
    const bool only_ref = hg_only_ref(tree, item, dialect);
    for (uint32_t i = schema->start; i != 0; i = tree->items[i].next) {
        const struct hg_item *value = &tree->items[i];
        const struct hg_keyword_row *row = hg_keyword_row(hg_tree_name(tree, value), value->name_size, dialect.draft);
        if (row == NULL || (row->vocabulary & ~dialect.vocabularies) != 0 || (only_ref && row->id != HG_K_DEFS) ||
            keeps(tree, item, row) != kept) {
            continue;
        }
        const enum hg_schemas schemas = hg_schemas_of(value, row->shape);
        if (schemas == HG_SCHEMA_ITSELF && !add_part(scopes, document, i, number, kept)) {
            return false;
        }
        for (uint32_t k = schemas == HG_SCHEMA_CHILDREN ? value->start : 0; k != 0; k = tree->items[k].next) {
            if (!add_part(scopes, document, k, number, kept)) {
                return false;
            }
        }
    }
    return true;
}

static bool list_within(struct scopes *scopes) {
    const uint32_t count = hg_compiled_count(scopes->compiler);
    if (!zeros(scopes, &scopes->within, count, sizeof(struct within))) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct hg_stop *stop = &hg_compiled_at(scopes->compiler, i)->stop;
        ((struct within *)(void *)scopes->within.data)[i].first = scopes->parts.size / (uint32_t)sizeof(uint32_t);
        if (!add_parts(scopes, stop->document, stop->item, i, false) ||
            (stop->document == 0 && !add_parts(scopes, stop->document, stop->item, i, true))) {
            return false;
        }
    }
    return true;
}

/* The scope where `resource` is entered from `scope`. */
static bool enter(struct scopes *scopes, uint32_t scope, uint32_t resource, uint32_t *entered) {
    struct hg_compiler *compiler = scopes->compiler;
    const uint32_t size = scopes->slots * (uint32_t)sizeof(uint16_t);
    uint16_t names[HG_SCHEMA_DYNAMIC];
    bool changed = false;
    uint32_t at = 0, id;
    memcpy(names, scopes->scopes.data + scope * size, size);
    for (uint32_t i = first_bound(scopes, resource); i != 0; i = bound_at(scopes, i - 1)->next) {
        uint16_t *name = &names[bound_at(scopes, i - 1)->slot];
        if (*name == 0) { /* the outermost one counts */
            *name = (uint16_t)(resource + 1);
            changed = true;
        }
    }
    *entered = scope;
    if (!changed) {
        return true;
    }
    const uint32_t hash = (uint32_t)hg_siphash13(compiler->options->seed, (const uint8_t *)names, size);
    while ((id = hg_index_next(&scopes->by_scope, hash, &at)) != 0) {
        if (memcmp(scopes->scopes.data + id * size, names, size) == 0) {
            *entered = id;
            return true;
        }
    }
    *entered = scopes->scopes.size / size;
    return append(scopes, &scopes->scopes, names, size) &&
           (hg_index_add(&scopes->by_scope, compiler->memory, hash, *entered) || hg_no_memory(compiler));
}

/* The state of a subschema that is reached from `scope`. */
static bool reach(struct scopes *scopes, uint32_t number, uint32_t scope, uint32_t *reached) {
    struct hg_compiler *compiler = scopes->compiler;
    const struct hg_compiled *compiled = hg_compiled_at(compiler, number);
    struct state state = {.stop = {.document = compiled->stop.document, .item = compiled->stop.item}, .number = number};
    uint32_t at = 0, id;
    if (!enter(scopes, scope, resource_of(scopes, number), &state.scope)) {
        return false;
    }
    const uint32_t key[2] = {number, state.scope};
    const uint32_t hash = (uint32_t)hg_siphash13(compiler->options->seed, (const uint8_t *)key, sizeof key);
    while ((id = hg_index_next(&scopes->by_state, hash, &at)) != 0) {
        if (state_at(scopes, id - 1)->number == number && state_at(scopes, id - 1)->scope == state.scope) {
            *reached = id - 1;
            return true;
        }
    }
    *reached = scopes->states.size / (uint32_t)sizeof state;
    if (*reached == HG_SCHEMA_NODES) {
        return hg_error(compiler, state.stop.document, state.stop.item, HG_TOO_MANY, HG_SCHEMA_NODES);
    }
    return append(scopes, &scopes->states, &state, sizeof state) &&
           (hg_index_add(&scopes->by_state, compiler->memory, hash, *reached + 1) || hg_no_memory(compiler));
}

/* One more for the same value as the state at hand, whose edges stand together. */
static bool add_edge(struct scopes *scopes, uint32_t state, uint32_t number) {
    uint32_t to;
    if (!reach(scopes, number, state_at(scopes, state)->scope, &to)) {
        return false;
    }
    state_at(scopes, state)->stop.edge_count++;
    return append(scopes, &scopes->edges, &to, sizeof to);
}

/* The subschema that a $dynamicRef leads to. */
static uint32_t dynamic_target(const struct scopes *scopes, uint32_t scope, const struct hg_compiled *compiled) {
    const uint32_t slot = hg_dynamic_name_at(scopes->compiler, compiled->dynamic_name - 1)->slot - 1;
    const uint32_t resource = ((const uint16_t *)(const void *)scopes->scopes.data)[scope * scopes->slots + slot];
    if (resource != 0) {
        for (uint32_t i = first_bound(scopes, resource - 1); i != 0; i = bound_at(scopes, i - 1)->next) {
            if (bound_at(scopes, i - 1)->slot == slot) {
                return bound_at(scopes, i - 1)->number;
            }
        }
    }
    return compiled->dynamic_to;
}

/* All that is reached from the state at once. */
static bool follow(struct scopes *scopes, uint32_t state) {
    const struct hg_compiler *compiler = scopes->compiler;
    const uint32_t number = state_at(scopes, state)->number, scope = state_at(scopes, state)->scope;
    const struct hg_compiled *compiled = hg_compiled_at(compiler, number);
    const struct within within = ((const struct within *)(const void *)scopes->within.data)[number];
    uint32_t to;
    state_at(scopes, state)->stop.edges = scopes->edges.size / (uint32_t)sizeof(uint32_t);
    for (uint32_t i = 0; i < compiled->stop.edge_count; i++) {
        if (!add_edge(scopes, state, ((const uint32_t *)(const void *)compiler->edges.data)[compiled->stop.edges + i])) {
            return false;
        }
    }
    if (compiled->dynamic_name != 0 && !add_edge(scopes, state, dynamic_target(scopes, scope, compiled))) {
        return false;
    }
    for (uint32_t i = 0; i < within.count; i++) {
        const uint32_t part = ((const uint32_t *)(const void *)scopes->parts.data)[within.first + i];
        const uint32_t from = i < within.count - within.kept ? scope : state_at(scopes, 0)->scope;
        if (!reach(scopes, part, from, &to)) {
            return false;
        }
    }
    return true;
}

/* The dynamic anchors of other documents than the main one, which may be compiled for their name alone. */
static bool reach_bounds(struct scopes *scopes) {
    uint32_t to;
    for (uint32_t i = 0; i < scopes->bounds.size / sizeof(struct bound); i++) {
        const uint32_t number = bound_at(scopes, i)->number;
        if (hg_compiled_at(scopes->compiler, number)->stop.document != 0 &&
            !reach(scopes, number, state_at(scopes, 0)->scope, &to)) {
            return false;
        }
    }
    return true;
}

bool hg_check_scopes(struct hg_compiler *compiler) {
    struct scopes scopes = {.compiler = compiler, .slots = compiler->dynamic_slots};
    const struct hg_graph graph = {&scopes.states, sizeof(struct state), &scopes.edges, NULL};
    struct hg_buffer *buffers[] = {&scopes.states, &scopes.edges,  &scopes.scopes, &scopes.bounds,
                                   &scopes.firsts, &scopes.within, &scopes.parts};
    struct hg_index *indexes[] = {&scopes.by_state, &scopes.by_scope};
    uint32_t root;
    if (scopes.slots == 0) {
        return true;
    }
    bool good = list_bounds(&scopes) && list_within(&scopes) && zeros(&scopes, &scopes.scopes, scopes.slots, sizeof(uint16_t)) &&
           reach(&scopes, 0, START, &root) && reach_bounds(&scopes);
    for (uint32_t i = 0; good && i < scopes.states.size / sizeof(struct state); i++) {
        good = follow(&scopes, i);
    }
    good = good && hg_walk(compiler, &graph);
    for (uint32_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        hg_buffer_clear(buffers[i], compiler->memory);
    }
    for (uint32_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        hg_index_clear(indexes[i], compiler->memory);
    }
    return good;
}
