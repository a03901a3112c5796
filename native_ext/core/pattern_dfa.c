/* Subset construction: a state of the DFA is a set of instructions that wait at a position, with what lies before it as
 * far as an assertion could ask. It ends early (and the NFA is kept) at HG_DFA_STATES, HG_DFA_TABLE or HG_DFA_STEPS, so
 * that no pattern costs more than about 10 ms and 64 KiB here. */
#include <string.h>

#include "pattern_internal.h"

#define SLOTS 512 /* of the hash of states, a power of two */
#define NO_CLASS 255

struct state {
    uint32_t set[HG_WORDS];
    uint32_t previous; /* enum hg_side */
};

struct builder {
    const struct hg_program_code *program;
    const struct hg_tree *tree;
    const struct hg_classes *classes;
    uint32_t count; /* states, the first three included */
    uint32_t columns; /* classes, and two: continuation bytes, and bytes that do not tell */
    uint32_t steps;
    uint16_t slots[SLOTS]; /* 0: free */
    uint8_t accepts[HG_DFA_STATES / 8];
    uint8_t next[HG_DFA_TABLE]; /* [state][column] */
    struct state states[HG_DFA_STATES];
};

static uint32_t hash(const struct state *state) {
    uint32_t value = state->previous;
    for (uint32_t i = 0; i < HG_WORDS; i++) {
        value = (value ^ state->set[i]) * 0x01000193u;
        value ^= value >> 15;
    }
    return value;
}

/* The number of the state with this set, after settling; UINT32_MAX: too many. */
static uint32_t number(struct builder *b, struct state *state) {
    const struct hg_program_code *program = b->program;
    if (hg_nfa_settle(program->code, state->set, (enum hg_side)state->previous, &b->steps)) {
        return HG_DFA_FOUND;
    }
    bool empty = true, asks = false;
    for (uint32_t word = 0; word < HG_WORDS; word++) {
        empty = empty && state->set[word] == 0;
        for (uint32_t bits = state->set[word], at = word * 32; bits != 0; bits >>= 1, at++) {
            const uint32_t op = bits & 1 ? hg_code_op(program->code[at]) : (uint32_t)HG_OP_CHAR;
            asks = asks || op == HG_OP_EDGE || op == HG_OP_NO_EDGE || op == HG_OP_END;
        }
    }
    if (empty) {
        return HG_DFA_DEAD;
    }
    if (!asks) {
        state->previous = HG_OTHER_SIDE;
    }
    uint32_t slot = hash(state) & (SLOTS - 1);
    for (; b->slots[slot] != 0; slot = (slot + 1) & (SLOTS - 1)) {
        if (memcmp(&b->states[b->slots[slot]], state, sizeof *state) == 0) {
            return b->slots[slot];
        }
    }
    if (b->count == HG_DFA_STATES || (b->count + 1) * b->columns > HG_DFA_TABLE) {
        return UINT32_MAX;
    }
    b->states[b->count] = *state;
    b->slots[slot] = (uint16_t)b->count;
    return b->count++;
}

static bool takes(const struct builder *b, uint32_t code, uint32_t c) {
    if (hg_code_op(code) == HG_OP_CHAR) {
        return hg_code_value(code) == c;
    }
    const struct hg_set *set = &b->tree->sets[hg_code_value(code)];
    return hg_in_ranges(b->tree->ranges + set->first, set->count, c);
}

/* The state after `from` and the character c. */
static uint32_t step(struct builder *b, const struct state *from, uint32_t c) {
    const uint32_t *code = b->program->code;
    const enum hg_side side = hg_is_word(c) ? HG_WORD_SIDE : HG_OTHER_SIDE;
    uint32_t live[HG_WORDS];
    struct state to = {.previous = side};
    if (hg_nfa_close(code, from->set, (enum hg_side)from->previous, side, live, &b->steps)) {
        return HG_DFA_FOUND;
    }
    for (uint32_t word = 0; word < HG_WORDS; word++) {
        for (uint32_t bits = live[word], at = word * 32; bits != 0; bits >>= 1, at++) {
            if ((bits & 1) && takes(b, code[at], c)) {
                to.set[(at + 1) >> 5] |= 1u << ((at + 1) & 31);
            }
        }
    }
    if (!b->program->anchored) {
        to.set[0] |= 1;
    }
    return number(b, &to);
}

static bool build(struct builder *b) {
    struct state first = {.set = {1}, .previous = HG_OUTSIDE};
    b->count = HG_DFA_START;
    if (number(b, &first) == UINT32_MAX) {
        return false;
    }
    for (uint32_t state = HG_DFA_START; state < b->count; state++) {
        uint8_t *row = b->next + (size_t)state * b->columns;
        uint32_t live[HG_WORDS];
        for (uint32_t class = 0; class < b->classes->count; class++) {
            const uint32_t to = step(b, &b->states[state], b->classes->sample[class]);
            if (to == UINT32_MAX || b->steps > HG_DFA_STEPS) {
                return false;
            }
            row[class] = (uint8_t)to;
        }
        row[b->classes->count] = (uint8_t)state;
        row[b->classes->count + 1] = HG_DFA_DECODE;
        if (hg_nfa_close(b->program->code, b->states[state].set, (enum hg_side)b->states[state].previous, HG_OUTSIDE,
                         live, &b->steps)) {
            b->accepts[state / 8] |= (uint8_t)(1u << (state & 7));
        }
    }
    for (uint32_t state = HG_DFA_DEAD; state <= HG_DFA_DECODE; state++) {
        memset(b->next + (size_t)state * b->columns, (int)state, b->columns);
    }
    b->accepts[0] |= 1u << HG_DFA_FOUND;
    return true;
}

/* The class of all characters that begin with the byte, or NO_CLASS. */
static uint32_t byte_class(const struct hg_classes *classes, uint8_t byte) {
    struct hg_range range = {byte, byte};
    if (byte >= 0x80 && !hg_lead_range(byte, &range)) {
        return classes->count; /* a continuation byte; others do not occur in UTF-8 */
    }
    const uint32_t class = hg_class_of(classes->intervals, classes->interval_count, range.low);
    for (uint32_t i = 0; i < classes->interval_count; i++) {
        if (classes->intervals[i].low > range.low && classes->intervals[i].low <= range.high) {
            return NO_CLASS; /* neighbouring intervals differ in class */
        }
    }
    return class;
}

static void *pack(const struct hg_alloc *memory, const struct builder *b) {
    const struct hg_classes *classes = b->classes;
    uint8_t map[256];
    bool mixed = false;
    for (uint32_t byte = 0; byte < 256; byte++) {
        const uint32_t class = byte_class(classes, (uint8_t)byte);
        mixed = mixed || class == NO_CLASS;
        map[byte] = (uint8_t)(class == NO_CLASS ? classes->count + 1 : class);
    }
    const uint32_t columns = classes->count + 1 + mixed;
    const uint32_t intervals = sizeof(struct hg_dfa);
    const uint32_t interval_count = mixed ? classes->interval_count : 0;
    const uint32_t table = intervals + interval_count * 4;
    const uint32_t accepts = table + columns * b->count;
    const uint32_t size = (accepts + (b->count + 7) / 8 + 3) & ~3u;
    struct hg_dfa *dfa = memory->alloc(memory->context, size);
    if (dfa == NULL) {
        return NULL;
    }
    memset(dfa, 0, size);
    dfa->base.form = HG_FORM_DFA;
    dfa->base.size = size;
    dfa->states = b->count;
    dfa->table = table;
    dfa->accepts = accepts;
    dfa->intervals = intervals;
    dfa->interval_count = interval_count;
    memcpy(dfa->map, map, sizeof map);
    uint8_t *bytes = (uint8_t *)dfa;
    for (uint32_t i = 0; i < interval_count; i++) {
        const uint32_t word = classes->intervals[i].low << 8 | classes->intervals[i].class;
        memcpy(bytes + intervals + 4 * i, &word, sizeof word);
    }
    for (uint32_t column = 0; column < columns; column++) {
        for (uint32_t state = 0; state < b->count; state++) {
            bytes[table + column * b->count + state] = b->next[state * b->columns + column];
        }
    }
    memcpy(bytes + accepts, b->accepts, (b->count + 7) / 8);
    return dfa;
}

enum hg_status hg_pattern_dfa(const struct hg_alloc *memory, const struct hg_program_code *program,
                              const struct hg_tree *tree, const struct hg_classes *classes, void **compiled) {
    *compiled = NULL;
    struct builder *b = memory->alloc(memory->context, sizeof *b);
    if (b == NULL) {
        return HG_NO_MEMORY;
    }
    b->program = program;
    b->tree = tree;
    b->classes = classes;
    b->columns = classes->count + 2;
    b->steps = 0;
    memset(b->slots, 0, sizeof b->slots);
    memset(b->accepts, 0, sizeof b->accepts);
    enum hg_status status = HG_OK;
    if (build(b)) {
        *compiled = pack(memory, b);
        if (*compiled == NULL) {
            status = HG_NO_MEMORY;
        }
    }
    memory->release(memory->context, b);
    return status;
}
