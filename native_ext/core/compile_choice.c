#include <string.h>

#include "compiler.h"

/* const and enum: the values apart by kind, each kind in a form in which it is found quickly. */

enum { SHOWN_VALUES = 5 };

static bool append(struct hg_compiler *compiler, struct hg_buffer *out, const void *bytes, uint32_t size) {
    return hg_buffer_append(out, compiler->memory, bytes, size) || hg_no_memory(compiler);
}

/* The value as a message shows it: cut short, containers by their size (schema_explain.py: show). */
static bool show(struct hg_compiler *compiler, const struct hg_tree *tree, uint32_t item, struct hg_buffer *out) {
    const struct hg_item *value = &tree->items[item];
    char shown[HG_SHORT], count[16];
    uint32_t at = sizeof count, size = value->size;
    if (value->kind == HG_KIND_STRING) {
        hg_shorten(hg_tree_text(tree, value), value->size, shown);
        return append(compiler, out, shown, (uint32_t)strlen(shown));
    }
    if (value->kind < HG_KIND_ARRAY) {
        const uint32_t before = out->size;
        if (!hg_constant_json(compiler, tree, item, out)) {
            return false;
        }
        if (out->size - before > HG_SHOWN) {
            out->size = before + HG_SHOWN;
            return append(compiler, out, "...", 3);
        }
        return true;
    }
    do {
        count[--at] = (char)('0' + size % 10);
        size /= 10;
    } while (size != 0);
    const bool object = value->kind == HG_KIND_OBJECT;
    return append(compiler, out, object ? "an object with " : "an array with ", object ? 15 : 14) &&
           append(compiler, out, count + at, (uint32_t)sizeof count - at) &&
           append(compiler, out, object ? " members" : " items", object ? 8 : 6);
}

static uint32_t type_of(const struct hg_tree *tree, uint32_t item) {
    static const uint8_t TYPES[] = {HG_NULL, HG_BOOLEAN, HG_BOOLEAN, HG_FRACTION, HG_STRING, HG_ARRAY, HG_OBJECT};
    const struct hg_item *value = &tree->items[item];
    struct hg_number number;
    if (value->kind == HG_KIND_NUMBER) {
        hg_constant_number_of(tree, item, &number);
        return hg_number_is_integer(&number) ? HG_INTEGER : HG_FRACTION;
    }
    return TYPES[value->kind];
}

/* Heap sort by value: bounded whatever the order was. */
static void sort_numbers(struct hg_number *numbers, uint32_t count) {
    for (uint32_t start = count / 2, end = count; end > 1;) {
        uint32_t root = 0;
        if (start != 0) {
            root = --start;
        } else {
            const struct hg_number greatest = numbers[0];
            numbers[0] = numbers[--end];
            numbers[end] = greatest;
        }
        while (2 * root + 1 < end) {
            uint32_t child = 2 * root + 1;
            if (child + 1 < end && hg_number_compare(&numbers[child], &numbers[child + 1]) < 0) {
                child++;
            }
            if (hg_number_compare(&numbers[root], &numbers[child]) >= 0) {
                break;
            }
            const struct hg_number swap = numbers[root];
            numbers[root] = numbers[child];
            numbers[child] = swap;
            root = child;
        }
    }
}

/* compiler->work: hg_number[] -> hg_constant[] in compiler->more, ascending, each once. */
static bool put_numbers(struct hg_compiler *compiler, struct hg_choice *choice) {
    struct hg_number *numbers = (struct hg_number *)(void *)compiler->work.data;
    const uint32_t count = compiler->work.size / (uint32_t)sizeof *numbers;
    sort_numbers(numbers, count);
    compiler->more.size = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct hg_constant constant;
        if (i != 0 && hg_number_compare(&numbers[i], &numbers[i - 1]) == 0) {
            continue;
        }
        choice->number_count++;
        if (!hg_put_constant(compiler, &numbers[i], &constant) ||
            !append(compiler, &compiler->more, &constant, sizeof constant)) {
            return false;
        }
    }
    choice->numbers = count == 0 ? 0 : hg_put(compiler, compiler->more.data, compiler->more.size, 8);
    return count == 0 || choice->numbers != 0;
}

/* The strings among `list`, each once, in their order. compiler->work: hg_name[]. */
static bool put_strings(struct hg_compiler *compiler, const struct hg_subschema *sub, uint32_t first, bool one,
                        struct hg_choice *choice) {
    struct hg_index seen = {0};
    bool done = true;
    compiler->work.size = 0;
    for (uint32_t i = first; done && i != 0; i = one ? 0 : sub->tree->items[i].next) {
        const struct hg_item *value = &sub->tree->items[i];
        struct hg_name name;
        uint32_t at = 0, id = 0;
        if (value->kind != HG_KIND_STRING) {
            continue;
        }
        done = hg_put_name(compiler, hg_tree_text(sub->tree, value), value->size, &name) != 0;
        /* Equal strings have one text in the program, so that its place tells them apart. */
        const uint32_t hash = name.text * 0x9E3779B1u;
        while (done && (id = hg_index_next(&seen, hash, &at)) != 0 && id != name.text + name.length + 1) {
        }
        if (done && id == 0) {
            done = append(compiler, &compiler->work, &name, sizeof name) &&
                   (hg_index_add(&seen, compiler->memory, hash, name.text + name.length + 1) || hg_no_memory(compiler));
            choice->strings.count++;
        }
    }
    hg_index_clear(&seen, compiler->memory);
    choice->strings.stride = sizeof(struct hg_name);
    return done && hg_put_names(compiler, &choice->strings, compiler->work.data);
}

static bool put_containers(struct hg_compiler *compiler, const struct hg_subschema *sub, uint32_t first, bool one,
                           struct hg_choice *choice) {
    compiler->work.size = 0;
    for (uint32_t i = first; i != 0; i = one ? 0 : sub->tree->items[i].next) {
        struct hg_container container;
        if (sub->tree->items[i].kind < HG_KIND_ARRAY) {
            continue;
        }
        compiler->more.size = 0;
        if (!hg_constant_json(compiler, sub->tree, i, &compiler->more) || !append(compiler, &compiler->more, "", 1)) {
            return false;
        }
        container.json_length = compiler->more.size - 1;
        container.json = hg_put(compiler, compiler->more.data, compiler->more.size, 1);
        compiler->more.size = 0;
        if (container.json == 0 || !hg_constant_cbor(compiler, sub->tree, i, &compiler->more) ||
            !append(compiler, &compiler->more, "", 1)) {
            return false;
        }
        container.cbor_length = compiler->more.size - 1;
        container.cbor = hg_put(compiler, compiler->more.data, compiler->more.size, 1);
        if (container.cbor == 0 || !append(compiler, &compiler->work, &container, sizeof container)) {
            return false;
        }
        choice->container_count++;
    }
    choice->containers = choice->container_count == 0 ? 0
                                                      : hg_put(compiler, compiler->work.data, compiler->work.size, 8);
    return choice->container_count == 0 || choice->containers != 0;
}

/* The values from the item `first` on (one: it alone). never: they are only what messages speak of, nothing is chosen. */
static bool put_choice(struct hg_compiler *compiler, struct hg_subschema *sub, uint32_t keyword, uint32_t first,
                       bool one, bool never) {
    struct hg_choice choice;
    uint32_t count = 0;
    memset(&choice, 0, sizeof choice);
    choice.keyword = (uint8_t)keyword;
    compiler->work.size = compiler->more.size = 0;
    for (uint32_t i = first; i != 0; i = one ? 0 : sub->tree->items[i].next, count++) {
        const uint8_t kind = sub->tree->items[i].kind;
        choice.types |= type_of(sub->tree, i);
        choice.literals |= kind == HG_KIND_NULL    ? HG_NULL
                           : kind == HG_KIND_TRUE  ? HG_TRUE_LITERAL
                           : kind == HG_KIND_FALSE ? HG_FALSE_LITERAL
                                                   : 0;
        if (kind == HG_KIND_NUMBER) {
            struct hg_number number;
            hg_constant_number_of(sub->tree, i, &number);
            if (!append(compiler, &compiler->work, &number, sizeof number)) {
                return false;
            }
        }
        if (count < SHOWN_VALUES && ((count != 0 && !append(compiler, &compiler->more, ", ", 2)) ||
                                     !show(compiler, sub->tree, i, &compiler->more))) {
            return false;
        }
    }
    if (count > SHOWN_VALUES && !append(compiler, &compiler->more, ", ...", 5)) {
        return false;
    }
    choice.text_length = compiler->more.size;
    choice.text = choice.text_length == 0 ? 0 : hg_put(compiler, compiler->more.data, choice.text_length, 1);
    if (never) {
        choice.literals = 0;
        choice.types = 0;
        compiler->work.size = 0;
        first = 0;
    }
    if ((choice.text_length != 0 && choice.text == 0) || !put_numbers(compiler, &choice) ||
        !put_strings(compiler, sub, first, one, &choice) || !put_containers(compiler, sub, first, one, &choice)) {
        return false;
    }
    sub->choice_types = choice.types;
    sub->node.choice = hg_put(compiler, &choice, sizeof choice, 8);
    return sub->node.choice != 0;
}

bool hg_compile_choice(struct hg_compiler *compiler, struct hg_subschema *sub) {
    const uint32_t values = sub->at[HG_K_ENUM], constant = sub->at[HG_K_CONST];
    const struct hg_item *list = &sub->tree->items[values];
    if (values != 0 && list->kind != HG_KIND_ARRAY) {
        return hg_error(compiler, sub->document, values, "must be a list of values");
    }
    if (values != 0 && list->size > HG_SCHEMA_VALUES) {
        return hg_error(compiler, sub->document, values, "more than %d values", HG_SCHEMA_VALUES);
    }
    if (constant == 0) {
        return values == 0 || put_choice(compiler, sub, HG_K_ENUM, list->start, false, false);
    }
    if (values == 0) {
        return put_choice(compiler, sub, HG_K_CONST, constant, true, false);
    }
    /* Both: the one value if enum has it, else none. */
    for (uint32_t i = list->start; i != 0; i = sub->tree->items[i].next) {
        if (hg_constant_equal(sub->tree, i, constant)) {
            return put_choice(compiler, sub, HG_K_CONST, constant, true, false);
        }
    }
    return hg_lint(compiler, sub->document, values, "unsatisfiable: const is not among the values") &&
           put_choice(compiler, sub, HG_K_CONST, constant, true, true);
}
