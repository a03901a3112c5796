#include "compile.h"

#include <stddef.h>
#include <string.h>

#include "compiler.h"
#include "pattern.h"
#include "siphash.h"

_Static_assert(sizeof(struct hg_node) == 32, "the layout that program.h describes");
_Static_assert(HG_SCHEMA_NODES < UINT16_MAX, "resources and owners are counted in 16 bits");
_Static_assert(HG_SCHEMA_VALUES <= 0xFFFF, "the tables of names have 16 bits for an entry");

enum {
    ALIGN = 8,
    PROBES = 1024 /* names of one table that fall into the same place; more are refused */
};

/* The memory of the program */

hg_ref hg_reserve(struct hg_compiler *compiler, uint32_t size, uint32_t align) {
    struct hg_buffer *program = &compiler->program;
    const uint32_t padding = (align - program->size % align) % align;
    if (size > HG_SCHEMA_PROGRAM || program->size > HG_SCHEMA_PROGRAM - padding - size) {
        hg_error(compiler, compiler->document, compiler->item, "the compiled schema is larger than %d bytes",
                 HG_SCHEMA_PROGRAM);
        return 0;
    }
    if (!hg_buffer_reserve(program, compiler->memory, padding + size)) {
        hg_no_memory(compiler);
        return 0;
    }
    memset(program->data + program->size, 0, padding + size);
    program->size += padding + size;
    return program->size - size;
}

hg_ref hg_put(struct hg_compiler *compiler, const void *bytes, uint32_t size, uint32_t align) {
    const uint32_t hash = (uint32_t)hg_siphash13(compiler->options->seed, bytes, size);
    uint32_t at = 0, id;
    while ((id = hg_index_next(&compiler->by_content, hash, &at)) != 0) {
        const struct hg_piece *piece = (struct hg_piece *)(void *)compiler->pieces.data + (id - 1);
        if (piece->size == size && piece->ref % align == 0 &&
            memcmp(compiler->program.data + piece->ref, bytes, size) == 0) {
            return piece->ref;
        }
    }
    const struct hg_piece piece = {hg_reserve(compiler, size, align), size};
    if (piece.ref == 0) {
        return 0;
    }
    memcpy(compiler->program.data + piece.ref, bytes, size);
    if (!hg_buffer_append(&compiler->pieces, compiler->memory, &piece, sizeof piece) ||
        !hg_index_add(&compiler->by_content, compiler->memory, hash, compiler->pieces.size / (uint32_t)sizeof piece)) {
        hg_no_memory(compiler);
        return 0;
    }
    return piece.ref;
}

hg_ref hg_put_name(struct hg_compiler *compiler, const uint8_t *text, uint32_t length, struct hg_name *name) {
    static const uint8_t END[ALIGN + 2] = {'"', ':'};
    uint8_t front[ALIGN] = {0};
    struct hg_buffer *work = &compiler->text;
    const uint32_t size = (length + 2 + ALIGN - 1) / ALIGN * ALIGN;
    name->length = length;
    name->hash = hg_name_hash(text, length);
    name->head = length + 3 > 16 ? 0xFFFF | HG_NAME_LONG : (1u << (length + 3)) - 1;
    for (uint32_t i = 0; i < length; i++) {
        if (text[i] < 0x20 || text[i] == '"' || text[i] == '\\') {
            name->head |= HG_NAME_ESCAPED;
        }
    }
    front[ALIGN - 1] = (name->head & HG_NAME_ESCAPED) != 0 ? 0 : '"';
    work->size = 0;
    if (!hg_buffer_append(work, compiler->memory, front, sizeof front) ||
        !hg_buffer_append(work, compiler->memory, text, length) ||
        !hg_buffer_append(work, compiler->memory, END, size - length)) {
        hg_no_memory(compiler);
        return 0;
    }
    const hg_ref put = hg_put(compiler, work->data, ALIGN + size, ALIGN);
    name->text = put == 0 ? 0 : put + ALIGN;
    return name->text;
}

bool hg_put_names(struct hg_compiler *compiler, struct hg_names *names, const uint8_t *entries) {
    struct hg_buffer *table = &compiler->more;
    uint32_t size = 8;
    struct hg_name name;
    names->longest = names->kinds = 0;
    for (uint32_t i = 0; i < names->count; i++) {
        memcpy(&name, entries + i * names->stride, sizeof name);
        names->longest = name.length > names->longest ? name.length : names->longest;
        names->kinds |= UINT32_C(1) << hg_name_kind(compiler->program.data + name.text, name.length);
    }
    names->table = names->mask = names->entries = 0;
    if (names->count == 0) {
        return true;
    }
    names->entries = hg_put(compiler, entries, names->count * names->stride, ALIGN);
    if (names->entries == 0 || names->count < 5) {
        return names->entries != 0;
    }
    while (size < names->count * 2) {
        size *= 2;
    }
    table->size = 0;
    if (!hg_buffer_reserve(table, compiler->memory, size * (uint32_t)sizeof(uint16_t))) {
        return hg_no_memory(compiler);
    }
    uint16_t *slots = (uint16_t *)(void *)table->data;
    memset(slots, 0xFF, size * sizeof *slots);
    for (uint32_t i = 0; i < names->count; i++) {
        memcpy(&name, entries + i * names->stride, sizeof name);
        uint32_t at = name.hash & (size - 1), probes = 0;
        for (; slots[at] != 0xFFFF; at = (at + 1) & (size - 1)) {
            if (++probes > PROBES) {
                return hg_error(compiler, compiler->document, compiler->item, "more than %d names that look alike",
                                PROBES);
            }
        }
        slots[at] = (uint16_t)i;
    }
    names->mask = size - 1;
    names->table = hg_put(compiler, slots, size * (uint32_t)sizeof *slots, sizeof *slots);
    return names->table != 0;
}

struct known_pattern {
    struct hg_piece source;
    hg_ref pattern;
};

bool hg_put_pattern(struct hg_compiler *compiler, uint32_t document, uint32_t item, const uint8_t *source,
                    uint32_t length, hg_ref *pattern, hg_ref *text) {
    const uint32_t hash = (uint32_t)hg_siphash13(compiler->options->seed, source, length);
    uint32_t at = 0, id, size, offset;
    while ((id = hg_index_next(&compiler->by_pattern, hash, &at)) != 0) {
        const struct known_pattern *known = (struct known_pattern *)(void *)compiler->patterns.data + (id - 1);
        if (known->source.size == length && memcmp(compiler->program.data + known->source.ref, source, length) == 0) {
            *pattern = known->pattern;
            *text = known->source.ref;
            return true;
        }
    }
    if (compiler->by_pattern.count == HG_SCHEMA_PATTERNS) {
        return hg_error(compiler, document, item, "more than %d different patterns", HG_SCHEMA_PATTERNS);
    }
    void *compiled;
    const char *reason;
    switch (hg_pattern_compile(compiler->memory, source, length, &compiled, &size, &reason, &offset)) {
    case HG_OK:
        break;
    case HG_NO_MEMORY:
        return hg_no_memory(compiler);
    default:
        return hg_error(compiler, document, item, "pattern: %s at character %u", reason, (unsigned)offset);
    }
    *pattern = hg_put(compiler, compiled, size, ALIGN);
    compiler->memory->release(compiler->memory->context, compiled);
    if (*pattern == 0) {
        return false;
    }
    *text = hg_put(compiler, length == 0 ? (const uint8_t *)"" : source, length == 0 ? 1 : length, 1);
    const struct known_pattern known = {{*text, length}, *pattern};
    return *text != 0 && ((hg_buffer_append(&compiler->patterns, compiler->memory, &known, sizeof known) &&
                           hg_index_add(&compiler->by_pattern, compiler->memory, hash,
                                        compiler->patterns.size / (uint32_t)sizeof known)) ||
                          hg_no_memory(compiler));
}

/* Subschemas */

/* The number of the resource in the program. */
static bool number_resource(struct hg_compiler *compiler, uint32_t resource, uint32_t *number) {
    struct hg_schema_resource *what = hg_resource_at(compiler, resource);
    if (what->number == 0) {
        what->number = ++compiler->resource_numbers;
    }
    *number = what->number - 1;
    return true;
}

/* The location of an item that gets a node: its nearest ancestor with a location, and the rest of the pointer. */
static hg_ref locate(struct hg_compiler *compiler, uint32_t document, uint32_t item) {
    struct hg_document *what = &compiler->documents[document];
    const struct hg_tree *tree = &what->tree;
    struct hg_location location = {0, 0, 0, 0};
    if (what->location == 0) {
        if (!number_resource(compiler, tree->items[HG_TREE_ROOT].owner - 1u, &location.resource)) {
            return 0;
        }
        what->location = hg_put(compiler, &location, sizeof location, ALIGN);
    }
    if (what->location == 0 || item == HG_TREE_ROOT) {
        return what->location;
    }
    memcpy(&location, compiler->program.data + what->location, sizeof location);
    location.parent = what->location;
    uint32_t above = tree->items[item].parent;
    for (; above != HG_TREE_ROOT; above = tree->items[above].parent) {
        const uint32_t user = tree->items[above].user;
        if (user != 0 && hg_compiled_at(compiler, user - 1)->location != 0) {
            location.parent = hg_compiled_at(compiler, user - 1)->location;
            break;
        }
    }
    compiler->text.size = 0;
    if (!hg_tree_path(tree, above, item, &compiler->text, compiler->memory)) {
        hg_no_memory(compiler);
        return 0;
    }
    location.length = compiler->text.size;
    location.text = hg_put(compiler, compiler->text.data, location.length, 1);
    return location.text == 0 ? 0 : hg_put(compiler, &location, sizeof location, ALIGN);
}

/* The number of the subschema in compiler->compiled. */
static bool number_schema(struct hg_compiler *compiler, uint32_t document, uint32_t item, uint32_t *number) {
    struct hg_item *schema = &compiler->documents[document].tree.items[item];
    struct hg_compiled compiled = {.stop = {.document = document, .item = item}};
    uint32_t owner;
    if (schema->user != 0) {
        *number = schema->user - 1;
        return true;
    }
    if (schema->kind != HG_KIND_OBJECT && schema->kind != HG_KIND_TRUE && schema->kind != HG_KIND_FALSE) {
        return hg_error(compiler, document, item, "a schema must be an object or a boolean");
    }
    *number = hg_compiled_count(compiler);
    if (*number == HG_SCHEMA_NODES) {
        return hg_error(compiler, document, item, HG_TOO_MANY, HG_SCHEMA_NODES);
    }
    if (!hg_owner(compiler, document, item, &owner)) {
        return false;
    }
    if (schema->kind == HG_KIND_FALSE ||
        (schema->kind == HG_KIND_OBJECT &&
         !hg_accepts_everything(compiler, document, item, hg_resource_at(compiler, owner)->dialect))) {
        struct hg_node node = {.types = 0};
        uint32_t resource;
        compiled.location = locate(compiler, document, item);
        compiled.node = compiled.location == 0 ? 0 : hg_reserve(compiler, sizeof node, ALIGN);
        if (compiled.node == 0 || !number_resource(compiler, owner, &resource)) {
            return false;
        }
        node.resource = (uint16_t)resource;
        node.location = compiled.location;
        memcpy(compiler->program.data + compiled.node, &node, sizeof node);
    }
    if (!hg_buffer_append(&compiler->compiled, compiler->memory, &compiled, sizeof compiled)) {
        return hg_no_memory(compiler);
    }
    schema->user = *number + 1;
    return true;
}

bool hg_schema(struct hg_compiler *compiler, uint32_t document, uint32_t item, hg_ref *node) {
    uint32_t number;
    if (!number_schema(compiler, document, item, &number)) {
        return false;
    }
    *node = hg_compiled_at(compiler, number)->node;
    return true;
}

bool hg_in_place(struct hg_compiler *compiler, struct hg_subschema *sub, uint32_t document, uint32_t item,
                 hg_ref *node) {
    uint32_t number;
    if (!number_schema(compiler, document, item, &number)) {
        return false;
    }
    *node = hg_compiled_at(compiler, number)->node;
    if (*node == 0) {
        return true;
    }
    hg_compiled_at(compiler, sub->number)->stop.edge_count++; /* one after the other, from where its edges begin */
    return hg_buffer_append(&compiler->edges, compiler->memory, &number, sizeof number) || hg_no_memory(compiler);
}

static bool work_off(struct hg_compiler *compiler, uint32_t *next) {
    for (; *next < hg_compiled_count(compiler); ++*next) {
        if (!hg_compile_node(compiler, *next)) {
            return false;
        }
    }
    return true;
}

/* Where the dynamic anchors lead whose names a $dynamicRef asks for. Compiling them may find more such names. */
static bool add_dynamic(struct hg_compiler *compiler, uint32_t *next) {
    const struct hg_anchor *anchors;
    hg_ref node;
    uint32_t before;
    do {
        before = hg_compiled_count(compiler);
        for (uint32_t i = 0; i < compiler->anchors.size / sizeof *anchors; i++) {
            anchors = (const struct hg_anchor *)(void *)compiler->anchors.data;
            if (anchors[i].name != 0 &&
                hg_dynamic_name_at(compiler, anchors[i].name - 1)->slot != 0 &&
                !hg_schema(compiler, hg_resource_at(compiler, anchors[i].resource)->document, anchors[i].item, &node)) {
                return false;
            }
        }
        if (!work_off(compiler, next)) {
            return false;
        }
    } while (before != hg_compiled_count(compiler));
    return true;
}

static bool put_dynamic(struct hg_compiler *compiler, struct hg_program *program) {
    const struct hg_anchor *anchors = (const struct hg_anchor *)(void *)compiler->anchors.data;
    const uint32_t anchor_count = compiler->anchors.size / (uint32_t)sizeof *anchors;
    struct hg_dynamic entry;
    compiler->work.size = 0;
    /* Sorted by (name, resource): resources have numbers in the program only if something of theirs is in it. */
    for (uint32_t i = 0; i < anchor_count; i++) {
        const struct hg_schema_resource *resource = hg_resource_at(compiler, anchors[i].resource);
        if (anchors[i].name == 0 || resource->number == 0 ||
            hg_dynamic_name_at(compiler, anchors[i].name - 1)->slot == 0) {
            continue;
        }
        if (!hg_schema(compiler, resource->document, anchors[i].item, &entry.node)) {
            return false;
        }
        entry.anchor = anchors[i].name - 1;
        entry.resource = resource->number - 1;
        if (!hg_buffer_append(&compiler->work, compiler->memory, &entry, sizeof entry)) {
            return hg_no_memory(compiler);
        }
    }
    program->dynamic_count = compiler->work.size / (uint32_t)sizeof entry;
    if (program->dynamic_count == 0) {
        return true;
    }
    struct hg_dynamic *entries = (struct hg_dynamic *)(void *)compiler->work.data;
    for (uint32_t gap = program->dynamic_count / 2; gap != 0; gap /= 2) { /* Shell's sort */
        for (uint32_t i = gap; i < program->dynamic_count; i++) {
            entry = entries[i];
            uint32_t k = i;
            for (; k >= gap && (entries[k - gap].anchor > entry.anchor || (entries[k - gap].anchor == entry.anchor &&
                                                                           entries[k - gap].resource > entry.resource));
                 k -= gap) {
                entries[k] = entries[k - gap];
            }
            entries[k] = entry;
        }
    }
    program->dynamic = hg_put(compiler, compiler->work.data, compiler->work.size, ALIGN);
    return program->dynamic != 0;
}

static bool put_resources(struct hg_compiler *compiler, struct hg_program *program) {
    const uint32_t count = compiler->resources.size / (uint32_t)sizeof(struct hg_schema_resource);
    struct hg_resource entry = {0, 0};
    compiler->work.size = 0;
    program->resource_count = compiler->resource_numbers;
    for (uint32_t i = 0; i < compiler->resource_numbers; i++) {
        if (!hg_buffer_append(&compiler->work, compiler->memory, &entry, sizeof entry)) {
            return hg_no_memory(compiler);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct hg_schema_resource *resource = hg_resource_at(compiler, i);
        if (resource->number != 0) {
            entry.length = resource->uri_length;
            entry.uri = entry.length == 0 ? 0 : hg_put(compiler, compiler->texts.data + resource->uri, entry.length, 1);
            if (entry.length != 0 && entry.uri == 0) {
                return false;
            }
            memcpy(compiler->work.data + (resource->number - 1) * sizeof entry, &entry, sizeof entry);
        }
    }
    if (program->resource_count == 0) {
        return true;
    }
    program->resources = hg_put(compiler, compiler->work.data, compiler->work.size, ALIGN);
    return program->resources != 0;
}

/* The default target accepts everything and may be of a resource of which nothing is in the program, so that it is not among the
 * entries: whether one of these is another target of it. */
static bool leads_elsewhere(const struct hg_same *rule, const struct hg_dynamic *entries, uint32_t count) {
    if (rule->op != HG_SAME_DYNAMIC || rule->a != 0) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (entries[i].anchor == rule->b && entries[i].node != 0) {
            return true;
        }
    }
    return false;
}

/* Whether a $dynamicRef may lead to more than one place. */
static bool is_dynamic(const struct hg_compiler *compiler, const struct hg_program *program, uint32_t count) {
    const struct hg_dynamic *entries = (const void *)(compiler->program.data + program->dynamic);
    struct hg_same rule;
    for (uint32_t i = 1; i < program->dynamic_count; i++) {
        if (entries[i].anchor == entries[i - 1].anchor) {
            return true;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        for (hg_ref at = hg_next_rule(compiler, i, 0, &rule); at != 0; at = hg_next_rule(compiler, i, at, &rule)) {
            if (leads_elsewhere(&rule, entries, program->dynamic_count)) {
                return true;
            }
        }
    }
    return false;
}

/* Where none may, each $dynamicRef is a reference like others. */
static void make_references(struct hg_compiler *compiler, uint32_t count) {
    struct hg_same rule;
    for (uint32_t i = 0; i < count; i++) {
        for (hg_ref at = hg_next_rule(compiler, i, 0, &rule); at != 0; at = hg_next_rule(compiler, i, at, &rule)) {
            if (rule.op == HG_SAME_DYNAMIC) {
                rule.op = HG_SAME_ALL;
                rule.b = hg_compiled_at(compiler, i)->dynamic_to;
                memcpy(compiler->program.data + at, &rule, sizeof rule);
            }
        }
    }
}

/* What nodes are nothing but, once it is known whether there is a dynamic scope. */
static void set_flags(struct hg_compiler *compiler, uint32_t first, uint32_t count, bool dynamic) {
    for (uint32_t i = first; i < count; i++) {
        struct hg_node node, target;
        struct hg_same same[2];
        const hg_ref ref = hg_compiled_at(compiler, i)->node;
        if (ref == 0) {
            continue;
        }
        memcpy(&node, compiler->program.data + ref, sizeof node);
        if (node.same == 0) {
            continue;
        }
        if (node.flags & HG_NODE_BARE) {
            memcpy(&same[0], compiler->program.data + node.same, sizeof same[0]);
            memcpy(&same[1], compiler->program.data + node.same + sizeof same[0], sizeof same[0].op);
            const bool one = same[1].op == HG_SAME_END;
            memcpy(&target, compiler->program.data + same[0].a, sizeof target);
            if (one && same[0].op == HG_SAME_ALL && (!dynamic || target.resource == node.resource)) {
                node.flags |= HG_NODE_REF;
            }
            node.flags |= one && (same[0].op == HG_SAME_ALL || same[0].op == HG_SAME_DYNAMIC) ? HG_NODE_ONE : 0;
        } else if ((node.number | node.string | node.array | node.object | node.choice) == 0) {
            const unsigned numbers = node.types & (HG_INTEGER | HG_FRACTION);
            node.flags |= numbers == 0 || numbers == (HG_INTEGER | HG_FRACTION) ? HG_NODE_TYPED : 0;
        }
        memcpy(compiler->program.data + ref, &node, sizeof node);
    }
}

/* Whatever in the main document nothing refers to (or what has no effect, as `then` without `if`) is checked all the
 * same, and then forgotten. */
static bool check_the_rest(struct hg_compiler *compiler, uint32_t *next) {
    const struct hg_tree *tree = &compiler->documents[0].tree;
    hg_ref node;
    for (uint32_t i = HG_TREE_ROOT; i < tree->count; i++) {
        if (tree->items[i].owner != 0 && tree->items[i].user == 0 &&
            (!hg_schema(compiler, 0, i, &node) || !work_off(compiler, next))) {
            return false;
        }
    }
    return true;
}

static void forget_the_rest(struct hg_compiler *compiler, uint32_t count, uint32_t size) {
    compiler->compiled.size = count * (uint32_t)sizeof(struct hg_compiled);
    compiler->program.size = size;
    compiler->pieces.size = 0; /* some of them are gone */
    hg_index_clear(&compiler->by_content, compiler->memory);
}

static bool compile(struct hg_compiler *compiler, const uint8_t *schema, uint32_t length, struct hg_program *program) {
    const struct hg_compile_options *options = compiler->options;
    uint32_t document, next = 0, count, size, total;
    if (!hg_load(compiler, "", 0, schema, length, &document) || !hg_scan(compiler, document)) {
        return false;
    }
    compiler->dialect.draft =
        hg_resource_at(compiler, compiler->documents[0].tree.items[HG_TREE_ROOT].owner - 1u)->dialect.draft;
    if (!hg_schema(compiler, document, HG_TREE_ROOT, &program->root) || !work_off(compiler, &next) ||
        !add_dynamic(compiler, &next) || !put_dynamic(compiler, program) || !put_resources(compiler, program) ||
        !hg_put_plain_rules(compiler, program->root)) {
        return false;
    }
    program->flags |= options->last_duplicate ? HG_PROGRAM_LAST_DUPLICATE : 0;
    count = hg_compiled_count(compiler);
    size = compiler->program.size;
    if (!check_the_rest(compiler, &next) || !add_dynamic(compiler, &next) || !hg_check_loops(compiler) ||
        !hg_check_scopes(compiler)) {
        return false;
    }
    forget_the_rest(compiler, count, size);
    const bool dynamic = is_dynamic(compiler, program, count);
    if (dynamic) {
        program->flags |= HG_PROGRAM_DYNAMIC;
    } else {
        make_references(compiler, count);
    }
    set_flags(compiler, 0, count, dynamic);
    if (!hg_set_looks(compiler, count, dynamic) || (!dynamic && !hg_merge(compiler, count))) {
        return false;
    }
    total = hg_compiled_count(compiler);
    size = compiler->program.size;
    set_flags(compiler, count, total, dynamic);
    program->road = hg_set_roads(compiler, program->root, total, dynamic);
    for (uint32_t i = 0; i < total; i++) {
        const hg_ref ref = hg_compiled_at(compiler, i)->node;
        const struct hg_node *node = (const void *)(compiler->program.data + ref);
        program->node_count += ref != 0;
        if (ref != 0 && node->same != 0 && (node->flags & (HG_NODE_REF | HG_NODE_MERGED)) == 0) {
            program->flags |= HG_PROGRAM_AGAIN;
        }
    }
    program->size = (size + ALIGN - 1) / ALIGN * ALIGN + 16; /* short names are copied 16 bytes at a time */
    program->max_depth = options->max_depth == 0 ? HG_JSON_DEPTH : options->max_depth;
    program->max_steps = options->max_steps == 0 ? HG_SCHEMA_STEPS : options->max_steps;
    program->max_bytes = options->max_bytes == 0 ? HG_DOCUMENT_BYTES : options->max_bytes;
    program->max_errors = options->max_errors == 0 ? HG_SCHEMA_ERRORS : options->max_errors;
    memcpy(program->seed, options->seed, sizeof program->seed);
    return true;
}

static void clear(struct hg_compiler *compiler) {
    struct hg_buffer *buffers[] = {
        &compiler->texts,    &compiler->resources,  &compiler->addresses, &compiler->anchors, &compiler->dynamic_names,
        &compiler->compiled, &compiler->edges,      &compiler->program,   &compiler->pieces,  &compiler->patterns,
        &compiler->lints,    &compiler->lint_texts, &compiler->work,      &compiler->text,    &compiler->more};
    struct hg_index *indexes[] = {&compiler->by_address, &compiler->by_anchor, &compiler->by_dynamic_name,
                                  &compiler->by_content, &compiler->by_pattern};
    for (uint32_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        hg_buffer_clear(buffers[i], compiler->memory);
    }
    for (uint32_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        hg_index_clear(indexes[i], compiler->memory);
    }
    for (uint32_t i = 0; i < compiler->document_count; i++) {
        hg_tree_clear(&compiler->documents[i].tree, compiler->memory);
    }
    compiler->memory->release(compiler->memory->context, compiler);
}

enum hg_status hg_compile(const struct hg_alloc *memory, const uint8_t *schema, uint32_t length,
                          const struct hg_compile_options *options, struct hg_program **program) {
    struct hg_compiler *compiler = memory->alloc(memory->context, sizeof *compiler);
    struct hg_program header;
    *program = NULL;
    if (compiler == NULL) {
        return HG_NO_MEMORY;
    }
    /* What follows is written before it is read: few schemas come to touch all of its pages. */
    memset(compiler, 0, offsetof(struct hg_compiler, properties));
    memset(&header, 0, sizeof header);
    compiler->memory = memory;
    compiler->options = options;
    compiler->dialect.draft = options->draft == HG_DRAFT_7 ? HG_IN_7 : HG_IN_2020;
    compiler->dialect.vocabularies = HG_VOCABULARY_ALL;
    /* The header stands at 0, so that no ref is. */
    if ((hg_reserve(compiler, sizeof header, ALIGN) == 0 && compiler->status == HG_OK) &&
        compile(compiler, schema, length, &header) && hg_tell_lints(compiler)) {
        struct hg_program *block = memory->alloc(memory->context, header.size);
        if (block == NULL) {
            compiler->status = HG_NO_MEMORY;
        } else {
            const uint32_t used = compiler->program.size < header.size ? compiler->program.size : header.size;
            memset(block, 0, header.size);
            memcpy(block, compiler->program.data, used);
            memcpy(block, &header, sizeof header);
            *program = block;
        }
    }
    const enum hg_status status = compiler->status;
    clear(compiler);
    return status;
}
