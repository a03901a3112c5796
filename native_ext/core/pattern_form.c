/* hg_pattern_compile: the stages in their order, and the choice of the form that is kept. */
#include <string.h>

#include "pattern.h"
#include "pattern_internal.h"

static void *zeroed(const struct hg_alloc *memory, size_t size) {
    void *block = memory->alloc(memory->context, size);
    if (block != NULL) {
        memset(block, 0, size);
    }
    return block;
}

static uint32_t encode(uint32_t code, uint8_t *out) {
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    const uint32_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    for (uint32_t i = more; i > 0; i--, code >>= 6) {
        out[i] = (uint8_t)(0x80 | (code & 0x3F));
    }
    out[0] = (uint8_t)(0xFF00u >> (more + 1) | code);
    return more + 1;
}

/* ^text and ^text$ -> true with *compiled (NULL: no memory). */
static bool literal(const struct hg_alloc *memory, const struct hg_program_code *program, void **compiled) {
    uint32_t at = 1;
    if (!program->anchored) {
        return false;
    }
    for (; hg_code_op(program->code[at]) == HG_OP_CHAR; at++) {
        const uint32_t code = hg_code_value(program->code[at]);
        if (code >= 0xD800 && code <= 0xDFFF) {
            return false; /* no text has one */
        }
    }
    const uint32_t count = at - 1;
    const bool whole = hg_code_op(program->code[at]) == HG_OP_END;
    if (at + whole + 1 != program->count) {
        return false;
    }
    const size_t size = (sizeof(struct hg_literal) + (size_t)4 * count + 3) & ~(size_t)3;
    struct hg_literal *form = *compiled = zeroed(memory, size);
    if (form != NULL) {
        for (uint32_t i = 0; i < count; i++) {
            form->length += encode(hg_code_value(program->code[1 + i]), form->text + form->length);
        }
        form->base.form = HG_FORM_LITERAL;
        form->base.size = (uint32_t)(sizeof *form + form->length + 3) & ~3u;
        form->whole = whole;
    }
    return true;
}

/* What matches before the first character is looked at: every text begins with the empty one. */
static void *always(const struct hg_alloc *memory) {
    struct hg_literal *form = zeroed(memory, sizeof *form);
    if (form != NULL) {
        form->base = (struct hg_pattern_form){HG_FORM_LITERAL, sizeof *form};
    }
    return form;
}

/* ^[class]{least,most}$ and ^[class]$ -> true with *compiled (NULL: no memory). */
static bool run_form(const struct hg_alloc *memory, const struct hg_tree *tree, void **compiled) {
    const struct hg_tree_node *node = &tree->nodes[tree->root];
    if (node->kind != HG_OP_SEQUENCE || node->a == 0) {
        return false;
    }
    const struct hg_tree_node *begin = &tree->nodes[node->a];
    const struct hg_tree_node *repeat = &tree->nodes[begin->next]; /* [0], which is not used, for none */
    const struct hg_tree_node *end = &tree->nodes[repeat->next];
    const bool once = repeat->kind == HG_OP_CLASS;
    const struct hg_tree_node *class = once ? repeat : &tree->nodes[repeat->a];
    if (begin->kind != HG_OP_BEGIN || begin->next == 0 || (repeat->kind != HG_OP_REPEAT && !once) ||
        repeat->next == 0 || end->kind != HG_OP_END || end->next != 0 || class->kind != HG_OP_CLASS) {
        return false;
    }
    const struct hg_set *set = &tree->sets[class->a];
    const struct hg_range *ranges = tree->ranges + set->first;
    uint32_t skip = 0;
    while (skip < set->count && ranges[skip].high < 0x80) {
        skip++;
    }
    const uint32_t kept = set->count - skip;
    const size_t size = sizeof(struct hg_class_run) + kept * sizeof *ranges;
    struct hg_class_run *run = *compiled = zeroed(memory, size);
    if (run == NULL) {
        return true;
    }
    run->base = (struct hg_pattern_form){HG_FORM_RUN, (uint32_t)size};
    run->least = once ? 1 : (uint32_t)repeat->least;
    run->most = once ? 1 : repeat->most < 0 ? UINT32_MAX : (uint32_t)repeat->most;
    run->ascii = kept == 0;
    run->range_count = kept;
    memcpy(run->ranges, ranges + skip, kept * sizeof *ranges);
    for (uint32_t byte = 0; byte < 256; byte++) {
        struct hg_range lead = {byte, byte};
        bool good = byte >= 0x80 && byte < 0xC0 && !run->ascii; /* a continuation */
        if (byte < 0x80 || hg_lead_range((uint8_t)byte, &lead)) {
            for (uint32_t i = 0; i < set->count; i++) {
                good = good || (ranges[i].low <= lead.low && lead.high <= ranges[i].high);
            }
        }
        run->good[byte >> 5] |= (uint32_t)good << (byte & 31);
    }
    return true;
}

/* The program itself, for what has no small DFA. */
static void *nfa_form(const struct hg_alloc *memory, const struct hg_tree *tree, struct hg_program_code *program) {
    uint32_t set_count = 0, range_count = 0;
    struct hg_set *sets = tree->sets; /* sorted by first; renumbered: only what the program uses is kept */
    uint32_t *numbers = memory->alloc(memory->context, (tree->set_count + 1) * sizeof *numbers);
    if (numbers == NULL) {
        return NULL;
    }
    memset(numbers, 0xFF, (tree->set_count + 1) * sizeof *numbers);
    for (uint32_t i = 0; i < program->count; i++) {
        const uint32_t set = hg_code_value(program->code[i]);
        if (hg_code_op(program->code[i]) == HG_OP_CLASS && numbers[set] == UINT32_MAX) {
            numbers[set] = set_count++;
            range_count += sets[set].count;
        }
    }
    const uint32_t at_sets = (uint32_t)sizeof(struct hg_nfa) + program->count * 4;
    const uint32_t at_ranges = at_sets + set_count * (uint32_t)sizeof(struct hg_nfa_set);
    const uint32_t size = at_ranges + range_count * (uint32_t)sizeof(struct hg_range);
    struct hg_nfa *nfa = zeroed(memory, size);
    if (nfa != NULL) {
        nfa->base = (struct hg_pattern_form){HG_FORM_NFA, size};
        nfa->count = program->count;
        nfa->anchored = program->anchored;
        nfa->sets = at_sets;
        struct hg_nfa_set *out = (struct hg_nfa_set *)(void *)((uint8_t *)nfa + at_sets);
        struct hg_range *ranges = (struct hg_range *)(void *)((uint8_t *)nfa + at_ranges);
        for (uint32_t i = 0; i < program->count; i++) {
            uint32_t code = program->code[i];
            if (hg_code_op(code) == HG_OP_CLASS) {
                const struct hg_set *set = &sets[hg_code_value(code)];
                struct hg_nfa_set *to = &out[numbers[hg_code_value(code)]];
                code = HG_OP_CLASS | numbers[hg_code_value(code)] << 4;
                if (to->ranges == 0) {
                    to->ranges = (uint32_t)((uint8_t *)ranges - (uint8_t *)nfa);
                    to->count = set->count;
                    memcpy(ranges, tree->ranges + set->first, set->count * sizeof *ranges);
                    for (uint32_t c = 0; c < 0x80; c++) {
                        to->ascii[c >> 5] |= (uint32_t)hg_in_ranges(ranges, set->count, c) << (c & 31);
                    }
                    ranges += set->count;
                }
            }
            nfa->code[i] = code;
        }
    }
    memory->release(memory->context, numbers);
    return nfa;
}

static enum hg_status compile(const struct hg_alloc *memory, const struct hg_tree *tree,
                              struct hg_program_code *program, void **compiled) {
    uint32_t entered[HG_WORDS] = {1}, steps = 0;
    if (hg_nfa_settle(program->code, entered, HG_OUTSIDE, &steps)) {
        *compiled = always(memory);
        return *compiled != NULL ? HG_OK : HG_NO_MEMORY;
    }
    if (literal(memory, program, compiled) || run_form(memory, tree, compiled)) {
        return *compiled != NULL ? HG_OK : HG_NO_MEMORY;
    }
    struct hg_classes classes;
    enum hg_status status = hg_pattern_classes(memory, tree, program, &classes);
    if (status != HG_OK) {
        return status;
    }
    if (classes.intervals != NULL) {
        status = hg_pattern_dfa(memory, program, tree, &classes, compiled);
        memory->release(memory->context, classes.intervals);
        if (status != HG_OK || *compiled != NULL) {
            return status;
        }
    }
    *compiled = nfa_form(memory, tree, program);
    return *compiled != NULL ? HG_OK : HG_NO_MEMORY;
}

enum hg_status hg_pattern_compile(const struct hg_alloc *memory, const uint8_t *source, uint32_t length,
                                  void **compiled, uint32_t *size, const char **reason, uint32_t *offset) {
    struct hg_pattern_error error = {"", 0};
    struct hg_tree tree;
    *compiled = NULL;
    *size = 0;
    enum hg_status status = hg_pattern_parse(memory, source, length, &tree, &error);
    struct hg_program_code *program = NULL;
    if (status == HG_OK) {
        program = memory->alloc(memory->context, sizeof *program);
        status = program == NULL ? HG_NO_MEMORY : HG_OK;
    }
    if (status == HG_OK && !hg_pattern_emit(&tree, program, &error)) {
        status = HG_BAD_PATTERN;
    }
    if (status == HG_OK) {
        status = compile(memory, &tree, program, compiled);
    }
    if (status == HG_OK) {
        *size = ((const struct hg_pattern_form *)*compiled)->size;
    }
    if (program != NULL) {
        memory->release(memory->context, program);
    }
    hg_tree_free(memory, &tree);
    *reason = error.reason;
    *offset = error.offset;
    return status;
}
