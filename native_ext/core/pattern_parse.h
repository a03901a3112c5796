/* The parser of patterns in its parts: pattern_parse.c (groups and quantifiers), pattern_escape.c (escapes and
 * classes), pattern_set.c (the sets these stand for), pattern_regex.c (what only `format: regex` takes).
 *
 * It goes over the source twice: the first pass checks and counts (tree.nodes == NULL), the second builds into blocks
 * of the right size. `format: regex` is the first pass alone. */
#ifndef HEADGATE_PATTERN_PARSE_H
#define HEADGATE_PATTERN_PARSE_H

#include "pattern_internal.h"

#define HG_TEXT(x) #x
#define HG_NUMBER(x) HG_TEXT(x)

struct hg_place {
    const uint8_t *p;
    uint32_t width; /* bytes of the character at p */
    uint32_t at;    /* characters before p */
    int32_t now;    /* the character at p, -1 at the end */
};

struct hg_parser {
    struct hg_place here;
    const uint8_t *source, *end;
    bool syntax; /* for `format: regex` */
    struct hg_tree tree;
    uint32_t spent; /* ranges as they were written: HG_PATTERN_RANGES */
    struct hg_pattern_error *error;
};

/* What an escape stands for: one character, or a set. */
struct hg_atom {
    bool single, negated;
    uint32_t code;                /* single */
    const struct hg_range *fixed; /* or NULL */
    uint32_t fixed_count;
    uint32_t property; /* mask */
};

/* Note the reason, at the character that is looked at; -> false. */
bool hg_refuse(const struct hg_parser *s, const char *reason);
void hg_look(struct hg_parser *s); /* `now` and `width` of the character at p */
void hg_advance(struct hg_parser *s);
bool hg_take(struct hg_parser *s, int32_t expected);
bool hg_one_of(int32_t c, const char *set);
static inline bool hg_is_decimal(int32_t c) {
    return c >= '0' && c <= '9';
}
uint32_t hg_add_node(struct hg_parser *s, uint32_t kind, uint32_t a);

/* Behind a backslash. */
bool hg_parse_escape(struct hg_parser *s, bool in_class, struct hg_atom *atom);
/* Behind '[', to behind its ']'; -> a CLASS node. */
bool hg_parse_class(struct hg_parser *s, uint32_t *node);

/* Sets are made of atoms: put them all, then finish. */
struct hg_atom hg_digits(bool negated);
struct hg_atom hg_word(bool negated);
struct hg_atom hg_space(bool negated);
struct hg_atom hg_line_end(bool negated);
bool hg_put_atom(struct hg_parser *s, const struct hg_atom *atom);
bool hg_put_range(struct hg_parser *s, uint32_t low, uint32_t high);
/* The ranges put since there were `first` of them become a set; -> a CLASS node. */
uint32_t hg_finish_set(struct hg_parser *s, uint32_t first, bool negated);

/* `format: regex` only. Behind "(?"; *looks: it is a lookaround. */
bool hg_regex_group(struct hg_parser *s, bool *looks);
/* At the 'k' or the digit of a backreference. */
bool hg_regex_reference(struct hg_parser *s);

#endif
