/* From the tree to a program (Thompson's construction), the same one as in firmware_py/headgate/core/pattern_parse.py,
 * so that both twins reach the limits at the same patterns; and the steps that the DFA's construction and the
 * simulation share. */
#include <string.h>

#include "pattern_internal.h"

#define TEXT(x) #x
#define NUMBER(x) TEXT(x)

struct emitter {
    const struct hg_tree *tree;
    struct hg_program_code *program;
    uint32_t visits;
    struct hg_pattern_error *error;
};

static bool refuse(const struct emitter *e, const char *reason) {
    *e->error = (struct hg_pattern_error){reason, e->tree->length};
    return false;
}

static bool add(struct emitter *e, uint32_t op, uint32_t value) {
    struct hg_program_code *program = e->program;
    if (program->count >= HG_PATTERN_STATES) {
        return refuse(e, "the pattern needs more than " NUMBER(HG_PATTERN_STATES) " states");
    }
    program->code[program->count++] = op | value << 4;
    return true;
}

static void patch_either(struct emitter *e, uint32_t at, uint32_t x, uint32_t y) {
    e->program->code[at] = HG_OP_EITHER | x << 4 | y << 16;
}

static bool emit(struct emitter *e, uint32_t node);

static bool emit_either(struct emitter *e, uint32_t branch) {
    const struct hg_tree_node *nodes = e->tree->nodes;
    uint32_t jumps = 0; /* a list through the values of the jumps, to be patched; 0 ends it: a jump is never the first
                           */
    for (; nodes[branch].next != 0; branch = nodes[branch].next) {
        const uint32_t split = e->program->count;
        if (!add(e, HG_OP_EITHER, 0) || !emit(e, branch) || !add(e, HG_OP_JUMP, jumps)) {
            return false;
        }
        jumps = e->program->count - 1;
        patch_either(e, split, split + 1, e->program->count);
    }
    if (!emit(e, branch)) {
        return false;
    }
    while (jumps != 0) {
        const uint32_t next = hg_code_value(e->program->code[jumps]);
        e->program->code[jumps] = HG_OP_JUMP | e->program->count << 4;
        jumps = next;
    }
    return true;
}

static bool emit_repeat(struct emitter *e, const struct hg_tree_node *node) {
    struct hg_program_code *program = e->program;
    uint32_t start = program->count;
    for (int32_t i = 0; i < node->least; i++) {
        start = program->count;
        if (!emit(e, node->a)) {
            return false;
        }
    }
    if (node->most < 0) {
        if (node->least > 0) { /* the last copy is the loop */
            const uint32_t split = program->count;
            if (!add(e, HG_OP_EITHER, 0)) {
                return false;
            }
            patch_either(e, split, start, split + 1);
            return true;
        }
        if (!add(e, HG_OP_EITHER, 0) || !emit(e, node->a) || !add(e, HG_OP_JUMP, start)) {
            return false;
        }
        patch_either(e, start, start + 1, program->count);
        return true;
    }
    uint32_t splits = UINT32_MAX; /* a list through the first targets */
    for (int32_t i = node->least; i < node->most; i++) {
        const uint32_t split = program->count;
        if (!add(e, HG_OP_EITHER, 0)) {
            return false;
        }
        patch_either(e, split, splits & 0xFFF, 0);
        splits = split;
        if (!emit(e, node->a)) {
            return false;
        }
    }
    for (int32_t i = node->least; i < node->most; i++) {
        const uint32_t next = hg_code_x(program->code[splits]);
        patch_either(e, splits, splits + 1, program->count);
        splits = next;
    }
    return true;
}

/* Recursion: at most four frames for each nested group. */
static bool emit(struct emitter *e, uint32_t at) {
    const struct hg_tree_node *node = &e->tree->nodes[at];
    /* Repetitions of nothing make no states; they count here, or ((){1000}){1000} would never end. */
    if (++e->visits > 4 * HG_PATTERN_STATES) {
        return refuse(e, "the pattern repeats too much");
    }
    switch (node->kind) {
    case HG_OP_SEQUENCE:
        for (uint32_t part = node->a; part != 0; part = e->tree->nodes[part].next) {
            if (!emit(e, part)) {
                return false;
            }
        }
        return true;
    case HG_OP_EITHER:
        return emit_either(e, node->a);
    case HG_OP_REPEAT:
        return emit_repeat(e, node);
    case HG_OP_EDGE:
    case HG_OP_NO_EDGE:
        e->program->edges = true;
        return add(e, node->kind, 0);
    default:
        return add(e, node->kind, node->a);
    }
}

bool hg_pattern_emit(const struct hg_tree *tree, struct hg_program_code *program, struct hg_pattern_error *error) {
    struct emitter e = {.tree = tree, .program = program, .error = error};
    program->count = 0;
    program->edges = false;
    if (!emit(&e, tree->root) || !add(&e, HG_OP_MATCH, 0)) {
        return false;
    }
    program->anchored = hg_code_op(program->code[0]) == HG_OP_BEGIN;
    return true;
}

/* ── running ── */

static bool holds(uint32_t op, enum hg_side previous, enum hg_side following) {
    if (op == HG_OP_BEGIN) {
        return previous == HG_OUTSIDE;
    }
    if (op == HG_OP_END) {
        return following == HG_OUTSIDE;
    }
    return ((previous == HG_WORD_SIDE) != (following == HG_WORD_SIDE)) == (op == HG_OP_EDGE);
}

struct work {
    uint16_t todo[HG_PATTERN_STATES]; /* each instruction comes here once at most */
    uint32_t count;
    uint32_t seen[HG_WORDS];
};

static void enter(struct work *work, uint32_t at) {
    const uint32_t bit = 1u << (at & 31);
    if ((work->seen[at >> 5] & bit) == 0) {
        work->seen[at >> 5] |= bit;
        work->todo[work->count++] = (uint16_t)at;
    }
}

static void start(struct work *work, const uint32_t entered[HG_WORDS]) {
    work->count = 0;
    memset(work->seen, 0, sizeof work->seen);
    for (uint32_t word = 0; word < HG_WORDS; word++) {
        for (uint32_t bits = entered[word], at = word * 32; bits != 0; bits >>= 1, at++) {
            if (bits & 1) {
                enter(work, at);
            }
        }
    }
}

/* Walks from `entered`; instructions that wait for a character go to `out`, and the assertions that do not hold with
 * them if `keep`. */
static bool walk(const uint32_t *code, const uint32_t entered[HG_WORDS], enum hg_side previous, enum hg_side following,
                 bool keep, uint32_t out[HG_WORDS], uint32_t *steps) {
    struct work work;
    start(&work, entered);
    memset(out, 0, HG_WORDS * sizeof *out);
    while (work.count > 0) {
        const uint32_t at = work.todo[--work.count];
        const uint32_t op = hg_code_op(code[at]);
        ++*steps;
        switch (op) {
        case HG_OP_CHAR:
        case HG_OP_CLASS:
            out[at >> 5] |= 1u << (at & 31);
            break;
        case HG_OP_EITHER:
            enter(&work, hg_code_x(code[at]));
            enter(&work, hg_code_y(code[at]));
            break;
        case HG_OP_JUMP:
            enter(&work, hg_code_value(code[at]));
            break;
        case HG_OP_MATCH:
            return true;
        default:
            if (!keep) {
                if (holds(op, previous, following)) {
                    enter(&work, at + 1);
                }
            } else if (op != HG_OP_BEGIN) {
                out[at >> 5] |= 1u << (at & 31);
            } else if (previous == HG_OUTSIDE) {
                enter(&work, at + 1);
            }
            break;
        }
    }
    return false;
}

bool hg_nfa_close(const uint32_t *code, const uint32_t entered[HG_WORDS], enum hg_side previous, enum hg_side following,
                  uint32_t live[HG_WORDS], uint32_t *steps) {
    return walk(code, entered, previous, following, false, live, steps);
}

bool hg_nfa_settle(const uint32_t *code, uint32_t entered[HG_WORDS], enum hg_side previous, uint32_t *steps) {
    uint32_t out[HG_WORDS];
    if (walk(code, entered, previous, HG_OTHER_SIDE, true, out, steps)) {
        return true;
    }
    memcpy(entered, out, sizeof out);
    return false;
}
