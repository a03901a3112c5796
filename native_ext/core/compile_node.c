#include <string.h>

#include "compiler.h"
#include "format.h"
#include "siphash.h"

/* One subschema: which keywords it has, the form of those that annotate, and the keywords on strings and types. */

static const struct {
    const char *name;
    uint8_t bits;
} TYPES[] = {
    {"null", HG_NULL},     {"boolean", HG_BOOLEAN}, {"integer", HG_INTEGER}, {"number", HG_INTEGER | HG_FRACTION},
    {"string", HG_STRING}, {"array", HG_ARRAY},     {"object", HG_OBJECT},
};
enum { TYPE_COUNT = sizeof TYPES / sizeof *TYPES };

static bool read_type(struct hg_compiler *compiler, const struct hg_subschema *sub, uint32_t item, uint8_t *types) {
    const struct hg_item *value = &sub->tree->items[item];
    const uint8_t *text = hg_tree_text(sub->tree, value);
    const char *best = NULL;
    uint32_t least = 3;
    char shown[HG_SHORT];
    for (uint32_t i = 0; i < TYPE_COUNT; i++) {
        const uint32_t distance = hg_edit_distance(text, value->size, TYPES[i].name, 3);
        if (strlen(TYPES[i].name) == value->size && memcmp(TYPES[i].name, text, value->size) == 0) {
            *types |= TYPES[i].bits;
            return true;
        }
        if (distance < least && distance * 2 < strlen(TYPES[i].name)) {
            best = TYPES[i].name;
            least = distance;
        }
    }
    hg_shorten(text, value->size, shown);
    return best == NULL ? hg_error(compiler, sub->document, sub->at[HG_K_TYPE], "unknown type %s", shown)
                        : hg_error(compiler, sub->document, sub->at[HG_K_TYPE], "unknown type %s, did you mean \"%s\"?",
                                   shown, best);
}

static bool compile_types(struct hg_compiler *compiler, struct hg_subschema *sub) {
    const uint32_t item = sub->at[HG_K_TYPE];
    const struct hg_item *value = &sub->tree->items[item];
    sub->node.types = HG_ANY;
    if (item == 0) {
        return true;
    }
    sub->node.types = 0;
    if (value->kind == HG_KIND_STRING) {
        return read_type(compiler, sub, item, &sub->node.types);
    }
    if (value->kind != HG_KIND_ARRAY) {
        return hg_error(compiler, sub->document, item, "must be a list of names");
    }
    if (value->size == 0) {
        return hg_error(compiler, sub->document, item, "must name at least one type");
    }
    if (!hg_check_names(compiler, sub, item)) {
        return false;
    }
    for (uint32_t i = value->start; i != 0; i = sub->tree->items[i].next) {
        if (!read_type(compiler, sub, i, &sub->node.types)) {
            return false;
        }
    }
    return true;
}

static enum hg_format asserted_format(const struct hg_compiler *compiler, const struct hg_tree *tree, uint32_t item) {
    const struct hg_item *value = &tree->items[item];
    if (item == 0 || value->kind != HG_KIND_STRING) {
        return HG_FORMAT_NONE;
    }
    const enum hg_format format = hg_format_named(hg_tree_text(tree, value), value->size);
    return compiler->options->formats >> format & 1 ? format : HG_FORMAT_NONE;
}

static uint16_t encoding(const struct hg_tree *tree, uint32_t item) {
    static const char *const NAMES[] = {"base16", "base32", "base64", "base64url"};
    const struct hg_item *value = &tree->items[item];
    for (uint16_t i = 0; item != 0 && value->kind == HG_KIND_STRING && i < 4; i++) {
        if (strlen(NAMES[i]) == value->size && memcmp(hg_tree_text(tree, value), NAMES[i], value->size) == 0) {
            return (uint16_t)(i + HG_BASE16);
        }
    }
    return 0;
}

static bool compile_strings(struct hg_compiler *compiler, struct hg_subschema *sub) {
    const uint32_t pattern = sub->at[HG_K_PATTERN];
    struct hg_string_rules rules = {.min_length = sub->counts[HG_K_MIN_LENGTH],
                                    .max_length = sub->counts[HG_K_MAX_LENGTH]};
    if (pattern != 0) {
        const struct hg_item *source = &sub->tree->items[pattern];
        rules.source_length = source->size;
        if (!hg_put_pattern(compiler, sub->document, pattern, hg_tree_text(sub->tree, source), source->size,
                            &rules.pattern, &rules.source)) {
            return false;
        }
    }
    if (sub->at[HG_K_FORMAT] != 0 && !hg_lint_format(compiler, sub, sub->at[HG_K_FORMAT])) {
        return false;
    }
    rules.format = (uint16_t)asserted_format(compiler, sub->tree, sub->at[HG_K_FORMAT]);
    rules.encoding = encoding(sub->tree, sub->at[HG_K_CONTENT_ENCODING]);
    sub->node.flags |= rules.encoding != 0 ? HG_NODE_BYTES : 0;
    if (rules.min_length != 0 || rules.max_length != UINT32_MAX || pattern != 0 || rules.format != 0 ||
        rules.encoding != 0) {
        sub->node.string = hg_put(compiler, &rules, sizeof rules, 8);
        return sub->node.string != 0;
    }
    return true;
}

bool hg_check_names(struct hg_compiler *compiler, const struct hg_subschema *sub, uint32_t item) {
    const struct hg_tree *tree = sub->tree;
    const struct hg_item *list = &tree->items[item];
    if (list->kind != HG_KIND_ARRAY) {
        return hg_error(compiler, sub->document, item, "must be a list of names");
    }
    if (list->size > HG_SCHEMA_NAMES) {
        return hg_error(compiler, sub->document, sub->item, "more than %d property names", HG_SCHEMA_NAMES);
    }
    /* A table of the names so far, with a keyed hash: slots hold the index plus 1. */
    uint32_t mask = 15;
    while (mask < list->size * 2) {
        mask = mask * 2 + 1;
    }
    memset(compiler->slots, 0, (mask + 1) * sizeof *compiler->slots);
    uint32_t number = 0;
    for (uint32_t i = list->start; i != 0; i = tree->items[i].next) {
        const struct hg_item *name = &tree->items[i];
        if (name->kind != HG_KIND_STRING) {
            return hg_error(compiler, sub->document, i, "must be a string");
        }
        uint32_t at = (uint32_t)hg_siphash13(compiler->options->seed, hg_tree_text(tree, name), name->size) & mask;
        for (; compiler->slots[at] != 0; at = (at + 1) & mask) {
            const struct hg_item *other = &tree->items[compiler->name_items[compiler->slots[at] - 1]];
            if (other->size == name->size &&
                memcmp(hg_tree_text(tree, other), hg_tree_text(tree, name), name->size) == 0) {
                return hg_error(compiler, sub->document, i, "the same name twice");
            }
        }
        compiler->name_items[number++] = i;
        compiler->slots[at] = (uint16_t)number;
    }
    return true;
}

/* The shape of a keyword's value, and the subschemas in it that nothing else looks at. */
static bool check_shape(struct hg_compiler *compiler, const struct hg_subschema *sub, uint32_t item, unsigned shape) {
    const struct hg_item *value = &sub->tree->items[item];
    const char *reason = NULL;
    switch (shape) {
    case HG_SHAPE_STRING:
        reason = value->kind == HG_KIND_STRING ? NULL : "must be a string";
        break;
    case HG_SHAPE_FLAG:
        reason = value->kind == HG_KIND_TRUE || value->kind == HG_KIND_FALSE ? NULL : "must be true or false";
        break;
    case HG_SHAPE_NUMBER:
        reason = value->kind == HG_KIND_NUMBER ? NULL : "must be a number";
        break;
    case HG_SHAPE_NAMES:
        return hg_check_names(compiler, sub, item);
    case HG_SHAPE_OBJECT:
        reason = value->kind == HG_KIND_OBJECT ? NULL : "must be an object";
        break;
    case HG_SHAPE_SCHEMAS:
        reason = value->kind == HG_KIND_ARRAY && value->size != 0 ? NULL : "must be a list of at least one schema";
        break;
    case HG_SHAPE_MAP:
        reason = value->kind == HG_KIND_OBJECT ? NULL : "must be an object of schemas";
        break;
    default:
        break;
    }
    return reason == NULL || hg_error(compiler, sub->document, item, "%s", reason);
}

static bool read_count(struct hg_compiler *compiler, const struct hg_subschema *sub, uint32_t item, uint32_t *count) {
    const struct hg_item *value = &sub->tree->items[item];
    struct hg_number number;
    enum hg_reason reason;
    const uint8_t *at;
    uint64_t n;
    if (value->kind != HG_KIND_NUMBER ||
        hg_number_scan(hg_tree_text(sub->tree, value), &number, &reason, &at) == NULL ||
        !hg_number_is_integer(&number) || (number.negative && !(hg_number_uint64(&number, &n) && n == 0))) {
        return hg_error(compiler, sub->document, item, "must be an integer that is not negative");
    }
    *count = hg_number_uint64(&number, &n) && n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
    return true;
}

bool hg_only_ref(const struct hg_tree *tree, uint32_t item, struct hg_dialect dialect) {
    return dialect.draft == HG_IN_7 && hg_tree_member(tree, item, (const uint8_t *)"$ref", 4) != 0;
}

/* Sorts the keywords into sub->at. */
static bool read_keywords(struct hg_compiler *compiler, struct hg_subschema *sub) {
    const struct hg_tree *tree = sub->tree;
    const bool only_ref = hg_only_ref(tree, sub->item, sub->dialect);
    for (uint32_t i = tree->items[sub->item].start; i != 0; i = tree->items[i].next) {
        const struct hg_item *value = &tree->items[i];
        const struct hg_keyword_row *row = hg_keyword_row(hg_tree_name(tree, value), value->name_size,
                                                          sub->dialect.draft);
        if (row == NULL) {
            if (!hg_lint_unknown(compiler, sub, i)) {
                return false;
            }
            continue;
        }
        if (row->vocabulary & ~sub->dialect.vocabularies) {
            continue;
        }
        if (only_ref && row->id != HG_K_REF && row->id != HG_K_DEFS) {
            if (row->id < HG_K_COUNT && !hg_lint(compiler, sub->document, i, "ignored beside $ref")) {
                return false;
            }
            continue;
        }
        if (!check_shape(compiler, sub, i, row->shape)) {
            return false;
        }
        if (row->id == HG_K_SCHEMA && sub->item != HG_TREE_ROOT &&
            hg_tree_member(tree, sub->item, (const uint8_t *)"$id", 3) == 0) {
            return hg_error(compiler, sub->document, i, "$schema is for the top of a schema resource");
        }
        if (row->id < HG_K_COUNT) {
            sub->at[row->id] = i;
            if (row->shape == HG_SHAPE_COUNT && !read_count(compiler, sub, i, &sub->counts[row->id])) {
                return false;
            }
        } else if (row->id == HG_K_DEFS) {
            for (uint32_t k = value->start; k != 0; k = tree->items[k].next) {
                const uint8_t kind = tree->items[k].kind;
                if (kind != HG_KIND_OBJECT && kind != HG_KIND_TRUE && kind != HG_KIND_FALSE) {
                    return hg_error(compiler, sub->document, k, "a schema must be an object or a boolean");
                }
            }
        }
    }
    return true;
}

bool hg_accepts_everything(struct hg_compiler *compiler, uint32_t document, uint32_t item, struct hg_dialect dialect) {
    const struct hg_tree *tree = &compiler->documents[document].tree;
    for (uint32_t i = tree->items[item].start; i != 0; i = tree->items[i].next) {
        const struct hg_item *value = &tree->items[i];
        const struct hg_keyword_row *row = hg_keyword_row(hg_tree_name(tree, value), value->name_size, dialect.draft);
        if (row == NULL || row->id >= HG_K_COUNT || row->vocabulary & ~dialect.vocabularies) {
            continue;
        }
        switch (row->id) {
        case HG_K_THEN:
        case HG_K_ELSE:
        case HG_K_MIN_CONTAINS:
        case HG_K_MAX_CONTAINS:
            break; /* `if` and `contains` say it */
        case HG_K_FORMAT:
            if (asserted_format(compiler, tree, i) != HG_FORMAT_NONE) {
                return false;
            }
            break;
        case HG_K_CONTENT_ENCODING:
            if (encoding(tree, i) != 0) {
                return false;
            }
            break;
        default:
            return false;
        }
    }
    return true;
}

bool hg_compile_node(struct hg_compiler *compiler, uint32_t number) {
    struct hg_compiled *compiled = hg_compiled_at(compiler, number);
    const hg_ref ref = compiled->node;
    struct hg_subschema sub;
    memset(&sub, 0, sizeof sub);
    sub.document = compiler->document = compiled->stop.document;
    sub.item = compiler->item = compiled->stop.item;
    sub.number = number;
    sub.tree = &compiler->documents[sub.document].tree;
    compiled->stop.edges = compiler->edges.size / (uint32_t)sizeof(uint32_t);
    if (sub.tree->items[sub.item].kind != HG_KIND_OBJECT) {
        return true;
    }
    sub.resource = sub.tree->items[sub.item].owner - 1u;
    sub.dialect = hg_resource_at(compiler, sub.resource)->dialect;
    sub.counts[HG_K_MIN_CONTAINS] = 1;
    sub.counts[HG_K_MAX_LENGTH] = sub.counts[HG_K_MAX_ITEMS] = sub.counts[HG_K_MAX_PROPERTIES] = UINT32_MAX;
    sub.counts[HG_K_MAX_CONTAINS] = UINT32_MAX;
    if (ref != 0) {
        memcpy(&sub.node, compiler->program.data + ref, sizeof sub.node);
    }
    if (!read_keywords(compiler, &sub) || !compile_types(compiler, &sub) || !hg_compile_choice(compiler, &sub) ||
        !hg_compile_numbers(compiler, &sub) || !compile_strings(compiler, &sub) || !hg_compile_object(compiler, &sub) ||
        !hg_compile_array(compiler, &sub) || !hg_compile_same(compiler, &sub) || !hg_lint_subschema(compiler, &sub)) {
        return false;
    }
    const struct hg_node *node = &sub.node;
    if (node->types == HG_ANY && (node->number | node->string | node->array | node->object | node->choice) == 0) {
        sub.node.flags |= HG_NODE_BARE;
    }
    if (ref != 0) {
        memcpy(compiler->program.data + ref, &sub.node, sizeof sub.node);
    }
    return true;
}
