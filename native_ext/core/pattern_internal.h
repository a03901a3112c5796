/* What the stages of pattern.h share. A pattern goes through
 *
*   source --pattern_parse.c--> tree --pattern_nfa.c--> program --pattern_class.c--> classes of code points
 *                                                                --pattern_dfa.c--> transition table
 *
 * and pattern.c keeps the smallest form that decides it (struct hg_pattern_form) and runs it. */
#ifndef HEADGATE_PATTERN_INTERNAL_H
#define HEADGATE_PATTERN_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc.h"
#include "limits.h"
#include "status.h"

#define HG_LAST_CODE_POINT 0x10FFFFu

struct hg_range {
    uint32_t low, high;
};

/* Of tree nodes and instructions; the same as in firmware_py/headgate/core/pattern.py. */
enum hg_pattern_op {
    HG_OP_CHAR = 0,
    HG_OP_CLASS,
    HG_OP_BEGIN,
    HG_OP_END,
    HG_OP_EDGE,
    HG_OP_NO_EDGE,
    HG_OP_SEQUENCE, /* tree only */
    HG_OP_EITHER,
    HG_OP_REPEAT, /* tree only */
    HG_OP_JUMP,
    HG_OP_MATCH
};

/* ── tree ── */

struct hg_tree_node {
    uint32_t kind;
    uint32_t next; /* sibling; 0: the last one */
    uint32_t a;    /* CHAR: code point; CLASS: set; SEQUENCE, EITHER, REPEAT: first child, 0: none */
    int32_t least, most; /* REPEAT; most -1: no end */
};

struct hg_set { /* sorted, disjoint and not adjacent */
    uint32_t first, count; /* in `ranges` */
};

struct hg_tree {
    struct hg_tree_node *nodes; /* [0] is not used */
    struct hg_set *sets;
    struct hg_range *ranges;
    uint32_t node_count, set_count, range_count;
    uint32_t root;
    uint32_t length; /* of the source in characters */
};

struct hg_pattern_error {
    const char *reason; /* static */
    uint32_t offset;    /* characters */
};

/* HG_OK: the tree is in three blocks of `memory` (hg_tree_free). Work and memory are proportional to `length`, and both
 * are bounded by HG_PATTERN_LENGTH and HG_PATTERN_RANGES. Recursion: three small frames for each of
 * HG_PATTERN_DEPTH groups. */
enum hg_status hg_pattern_parse(const struct hg_alloc *memory, const uint8_t *source, uint32_t length,
                                struct hg_tree *tree, struct hg_pattern_error *error);
void hg_tree_free(const struct hg_alloc *memory, struct hg_tree *tree);

/* ── general categories of Unicode (pattern_property.c, pattern_unicode.c) ── */

/* A bit for each category, or HG_PROPERTY_ASCII alone; 0: no such property. `name`: what stands between { and }. */
uint32_t hg_property_named(const uint8_t *name, uint32_t length);
#define HG_PROPERTY_ASCII (1u << 31)

struct hg_property_walk {
    uint32_t mask;
    const uint8_t *p;   /* in the table */
    uint32_t low;       /* the first code point not looked at */
    uint32_t categories; /* bit of the category of the run that ends before it */
};
void hg_property_begin(struct hg_property_walk *walk, uint32_t mask);
/* The next range of the property, ascending, not adjacent to the one before; false: no more. */
bool hg_property_next(struct hg_property_walk *walk, struct hg_range *range);
/* The category's bit of one code point. */
uint32_t hg_property_of(uint32_t code);

/* Runs of equal category, from U+0000 to U+10FFFF: a byte with the category (5 bits) and the length - 1 (3 bits, 7: a
 * varint of 7 bits a byte, least significant first, with length - 8, follows). Generated: tools/unicode_ranges.py. */
extern const uint8_t hg_unicode_runs[];
extern const uint32_t hg_unicode_runs_size;

/* ── program: an NFA over code points (pattern_nfa.c) ── */

/* An instruction in 32 bits: the op in 4 bits, then a value: CHAR: the code point; CLASS: the set; JUMP: the target;
 * EITHER: two targets of 12 bits. */
#define HG_WORDS ((HG_PATTERN_STATES + 31) / 32) /* of a set of instructions */
_Static_assert(HG_PATTERN_STATES < 4096, "a target fits 12 bits");

static inline uint32_t hg_code_op(uint32_t code) {
    return code & 15;
}
static inline uint32_t hg_code_value(uint32_t code) {
    return code >> 4;
}
static inline uint32_t hg_code_x(uint32_t code) {
    return code >> 4 & 0xFFF;
}
static inline uint32_t hg_code_y(uint32_t code) {
    return code >> 16 & 0xFFF;
}

struct hg_program_code {
    uint32_t code[HG_PATTERN_STATES];
    uint32_t count;
    bool anchored; /* begins with BEGIN: no attempt after the first character */
    bool edges;    /* has \b or \B */
};

bool hg_pattern_emit(const struct hg_tree *tree, struct hg_program_code *program, struct hg_pattern_error *error);

/* What lies on one side of a position. */
enum hg_side { HG_OUTSIDE = 0, HG_WORD_SIDE, HG_OTHER_SIDE };

static inline bool hg_is_word(uint32_t c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 'a' && c <= 'z');
}

/* live := the CHAR and CLASS instructions reached from `entered` at a position between `previous` and `following`. ->
 * true if MATCH is reached. *steps grows by the work done. Stack: 2 KiB. */
bool hg_nfa_close(const uint32_t *code, const uint32_t entered[HG_WORDS], enum hg_side previous, enum hg_side following,
                  uint32_t live[HG_WORDS], uint32_t *steps);
/* `entered` := what waits behind jumps: CHAR, CLASS, assertions, MATCH. BEGIN stays only at the beginning. -> true if
 * MATCH is in it. */
bool hg_nfa_settle(const uint32_t *code, uint32_t entered[HG_WORDS], enum hg_side previous, uint32_t *steps);

/* ── classes of code points that no instruction tells apart (pattern_class.c) ── */

#define HG_PATTERN_CLASSES 128    /* more: no DFA */
#define HG_PATTERN_INTERVALS 4096 /* more: no DFA */

struct hg_interval {
    uint32_t low; /* up to the low of the next one */
    uint32_t class;
};

struct hg_classes {
    struct hg_interval *intervals; /* from U+0000; neighbours differ in class */
    uint32_t interval_count;
    uint32_t count;                                  /* of classes */
    uint32_t sample[HG_PATTERN_CLASSES]; /* a code point of each */
};

/* HG_OK with intervals == NULL: too many, no DFA. */
enum hg_status hg_pattern_classes(const struct hg_alloc *memory, const struct hg_tree *tree,
                                  const struct hg_program_code *program, struct hg_classes *classes);
uint32_t hg_class_of(const struct hg_interval *intervals, uint32_t count, uint32_t code);
bool hg_in_ranges(const struct hg_range *ranges, uint32_t count, uint32_t code);

/* ── compiled forms: one block, offsets in bytes from its start ── */

enum hg_form {
    HG_FORM_LITERAL, /* ^text and ^text$, and what always matches */
    HG_FORM_RUN,     /* ^[class]{least,most}$ */
    HG_FORM_DFA,
    HG_FORM_NFA
};

struct hg_pattern_form {
    uint32_t form;
    uint32_t size; /* bytes of the block */
};

struct hg_literal {
    struct hg_pattern_form base;
    uint32_t whole; /* 1: nothing may follow */
    uint32_t length;
    uint8_t text[]; /* UTF-8 */
};

struct hg_class_run {
    struct hg_pattern_form base;
    uint32_t least, most; /* characters; UINT32_MAX: no end */
    uint32_t ascii;       /* 1: no character beyond ASCII is in the class */
    uint32_t good[8];     /* bits: bytes that need no second look: ASCII in the class; lead bytes all of whose
                             characters are; all continuation bytes */
    uint32_t range_count;
    struct hg_range ranges[]; /* beyond ASCII */
};

/* States: 0 dead, 1 found, 2 a character whose first byte does not tell its class, others. A step: next[map[byte] *
 * states + state]. Continuation bytes are of a class that leaves the state as it is. */
enum { HG_DFA_DEAD = 0, HG_DFA_FOUND = 1, HG_DFA_DECODE = 2, HG_DFA_START = 3 };
#define HG_DFA_STATES 256
#define HG_DFA_TABLE 8192 /* bytes; more: the NFA is kept instead */
#define HG_DFA_STEPS 400000 /* instructions visited while the DFA is made; more: the NFA is kept instead */

struct hg_dfa {
    struct hg_pattern_form base;
    uint32_t states;
    uint32_t table;   /* uint8_t[classes][states] */
    uint32_t accepts; /* uint8_t[(states + 7) / 8], bits: found if the text ends here */
    uint32_t intervals; /* struct hg_interval, packed: low << 8 | class */
    uint32_t interval_count;
    uint8_t map[256];
};

struct hg_nfa_set {
    uint32_t ascii[4]; /* bits */
    uint32_t ranges;   /* offset of struct hg_range[count], beyond ASCII too */
    uint32_t count;
};

struct hg_nfa {
    struct hg_pattern_form base;
    uint32_t count;
    uint32_t anchored;
    uint32_t sets;   /* offset of struct hg_nfa_set[] */
    uint32_t code[]; /* count */
};

/* HG_OK with *compiled == NULL: too big for a DFA. */
enum hg_status hg_pattern_dfa(const struct hg_alloc *memory, const struct hg_program_code *program,
                              const struct hg_tree *tree, const struct hg_classes *classes, void **compiled);

/* The code points that a lead byte may begin, surrogates left out; false: not a lead byte beyond ASCII. */
bool hg_lead_range(uint8_t byte, struct hg_range *range);
/* The code point at *p (p < end, not ASCII), *p moved behind it and never beyond end; U+FFFD for what is not UTF-8. */
uint32_t hg_decode(const uint8_t **p, const uint8_t *end);

#endif
