/* From the source of a pattern to its tree: recursive descent over the grammar of ECMA-262 section 22.2.1 in Unicode
 * mode. */
#include <string.h>

#include "pattern.h"
#include "pattern_parse.h"

bool hg_refuse(const struct hg_parser *s, const char *reason) {
    s->error->reason = reason;
    s->error->offset = s->here.at;
    return false;
}

void hg_look(struct hg_parser *s) {
    const uint8_t *p = s->here.p;
    if (p == s->end) {
        s->here.now = -1;
        s->here.width = 0;
        return;
    }
    s->here.now = *p < 0x80 ? *p++ : (int32_t)hg_decode(&p, s->end);
    s->here.width = (uint32_t)(p - s->here.p);
}

void hg_advance(struct hg_parser *s) {
    s->here.p += s->here.width;
    s->here.at++;
    hg_look(s);
}

bool hg_take(struct hg_parser *s, int32_t expected) {
    if (s->here.now != expected) {
        return false;
    }
    hg_advance(s);
    return true;
}

bool hg_one_of(int32_t c, const char *set) {
    return c > 0 && c < 0x80 && strchr(set, c) != NULL;
}

/* ── tree ── */

uint32_t hg_add_node(struct hg_parser *s, uint32_t kind, uint32_t a) {
    const uint32_t index = ++s->tree.node_count;
    if (s->tree.nodes != NULL) {
        s->tree.nodes[index] = (struct hg_tree_node){.kind = kind, .a = a};
    }
    return index;
}

struct list {
    uint32_t first, last, count;
};

static void append(struct hg_parser *s, struct list *list, uint32_t node) {
    if (list->count++ == 0) {
        list->first = node;
    } else if (s->tree.nodes != NULL) {
        s->tree.nodes[list->last].next = node;
    }
    list->last = node;
}

/* ── terms ── */

static bool atom_node(struct hg_parser *s, const struct hg_atom *atom, uint32_t *node) {
    if (atom->single) {
        *node = hg_add_node(s, HG_OP_CHAR, atom->code);
        return true;
    }
    const uint32_t first = s->tree.range_count;
    if (!hg_put_atom(s, atom)) {
        return false;
    }
    *node = hg_finish_set(s, first, false);
    return true;
}

enum { MANY = 1000000000 }; /* what is not run: more are as many */

static bool repetition(struct hg_parser *s, int32_t *value) {
    const uint32_t start = s->here.at;
    *value = 0;
    while (hg_is_decimal(s->here.now)) {
        *value = *value >= MANY / 10 ? MANY : *value * 10 + (s->here.now - '0');
        if (*value > HG_PATTERN_STATES && !s->syntax) {
            return hg_refuse(s, "a repetition too large");
        }
        hg_advance(s);
    }
    return s->here.at != start || hg_refuse(s, "malformed repetition");
}

static bool quantified(struct hg_parser *s, uint32_t *node) {
    const int32_t c = s->here.now;
    if (!hg_one_of(c, "*+?{")) {
        return true;
    }
    hg_advance(s);
    int32_t least = c == '+' ? 1 : 0;
    int32_t most = c == '?' ? 1 : -1;
    if (c == '{') {
        if (!repetition(s, &least)) {
            return false;
        }
        most = least;
        if (hg_take(s, ',')) {
            most = -1;
            if (s->here.now != '}' && !repetition(s, &most)) {
                return false;
            }
        }
        if (!hg_take(s, '}')) {
            return hg_refuse(s, "malformed repetition");
        }
        if (most >= 0 && most < least) {
            return hg_refuse(s, "the bounds of a repetition are reversed");
        }
    }
    hg_take(s, '?');
    *node = hg_add_node(s, HG_OP_REPEAT, *node);
    if (s->tree.nodes != NULL) {
        s->tree.nodes[*node].least = least;
        s->tree.nodes[*node].most = most;
    }
    return true;
}

static bool assertion(struct hg_parser *s, uint32_t kind, uint32_t *node) {
    if (hg_one_of(s->here.now, "*+?{")) {
        return hg_refuse(s, "an assertion cannot be repeated");
    }
    *node = hg_add_node(s, kind, 0);
    return true;
}

static bool disjunction(struct hg_parser *s, unsigned depth, uint32_t *node);

/* Behind '('. */
static bool group(struct hg_parser *s, unsigned depth, uint32_t *node) {
    bool looks = false;
    if (hg_take(s, '?')) {
        if (s->syntax) {
            if (!hg_regex_group(s, &looks)) {
                return false;
            }
        } else if (!hg_take(s, ':')) {
            return hg_refuse(s, "of the groups with '?' only '(?:' is supported, no lookaround and no names");
        }
    }
    if (!disjunction(s, depth + 1, node)) {
        return false;
    }
    if (!hg_take(s, ')')) {
        return hg_refuse(s, "unmatched '('");
    }
    return looks ? assertion(s, HG_OP_BEGIN, node) : quantified(s, node);
}

static bool term(struct hg_parser *s, unsigned depth, uint32_t *node) {
    const int32_t c = s->here.now;
    struct hg_atom atom;
    switch (c) {
    case '*':
    case '+':
    case '?':
        return hg_refuse(s, "nothing to repeat");
    case '{':
        return hg_refuse(s, "'{' must be escaped");
    case '}':
        return hg_refuse(s, "'}' must be escaped");
    case ']':
        return hg_refuse(s, "']' must be escaped");
    default:
        break;
    }
    hg_advance(s);
    switch (c) {
    case '^':
        return assertion(s, HG_OP_BEGIN, node);
    case '$':
        return assertion(s, HG_OP_END, node);
    case '(':
        return group(s, depth, node);
    case '[':
        return hg_parse_class(s, node) && quantified(s, node);
    case '.':
        atom = hg_line_end(true);
        break;
    case '\\':
        if (hg_take(s, 'b')) {
            return assertion(s, HG_OP_EDGE, node);
        }
        if (hg_take(s, 'B')) {
            return assertion(s, HG_OP_NO_EDGE, node);
        }
        if (!hg_parse_escape(s, false, &atom)) {
            return false;
        }
        break;
    default:
        atom = (struct hg_atom){.single = true, .code = (uint32_t)c};
        break;
    }
    return atom_node(s, &atom, node) && quantified(s, node);
}

static bool disjunction(struct hg_parser *s, unsigned depth, uint32_t *node) {
    if (depth > HG_PATTERN_DEPTH) {
        return hg_refuse(s, "more than " HG_NUMBER(HG_PATTERN_DEPTH) " nested groups");
    }
    struct list branches = {0}, terms = {0};
    for (;;) {
        const int32_t c = s->here.now;
        if (c == -1 || c == ')' || c == '|') {
            append(s, &branches, terms.count == 1 ? terms.first : hg_add_node(s, HG_OP_SEQUENCE, terms.first));
            terms = (struct list){0};
            if (c != '|') {
                *node = branches.count == 1 ? branches.first : hg_add_node(s, HG_OP_EITHER, branches.first);
                return true;
            }
            hg_advance(s);
        } else {
            uint32_t next;
            if (!term(s, depth, &next)) {
                return false;
            }
            append(s, &terms, next);
        }
    }
}

static bool parse(struct hg_parser *s) {
    s->here = (struct hg_place){.p = s->source};
    s->tree.node_count = s->tree.set_count = s->tree.range_count = s->spent = 0;
    hg_look(s);
    if (!disjunction(s, 0, &s->tree.root)) {
        return false;
    }
    s->tree.length = s->here.at;
    return s->here.now < 0 || hg_refuse(s, "unmatched ')'");
}

static bool too_long(const uint8_t *source, uint32_t length) {
    uint32_t characters = 0;
    for (uint32_t i = 0; i < length; i++) {
        characters += (source[i] & 0xC0) != 0x80;
    }
    return characters > HG_PATTERN_LENGTH;
}

bool hg_pattern_is_regex(const uint8_t *source, uint32_t length) {
    struct hg_pattern_error error;
    struct hg_parser s = {.source = source, .end = source + length, .syntax = true, .error = &error};
    return !too_long(source, length) && parse(&s);
}

static void *block(const struct hg_alloc *memory, size_t count_of, size_t size) {
    return memory->alloc(memory->context, (count_of + 1) * size);
}

enum hg_status hg_pattern_parse(const struct hg_alloc *memory, const uint8_t *source, uint32_t length,
                                struct hg_tree *tree, struct hg_pattern_error *error) {
    struct hg_parser s = {.source = source, .end = source + length, .error = error};
    memset(tree, 0, sizeof *tree);
    if (too_long(source, length)) {
        *error = (struct hg_pattern_error){"the pattern is longer than " HG_NUMBER(HG_PATTERN_LENGTH) " characters",
                                           HG_PATTERN_LENGTH};
        return HG_BAD_PATTERN;
    }
    if (!parse(&s)) {
        return HG_BAD_PATTERN;
    }
    s.tree.nodes = block(memory, s.tree.node_count, sizeof *s.tree.nodes);
    s.tree.sets = block(memory, s.tree.set_count, sizeof *s.tree.sets);
    s.tree.ranges = block(memory, s.tree.range_count, sizeof *s.tree.ranges);
    if (s.tree.nodes == NULL || s.tree.sets == NULL || s.tree.ranges == NULL) {
        hg_tree_free(memory, &s.tree);
        return HG_NO_MEMORY;
    }
    parse(&s); /* the same source: it cannot fail now */
    *tree = s.tree;
    return HG_OK;
}

void hg_tree_free(const struct hg_alloc *memory, struct hg_tree *tree) {
    void *blocks[] = {tree->nodes, tree->sets, tree->ranges};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        if (blocks[i] != NULL) {
            memory->release(memory->context, blocks[i]);
        }
    }
    tree->nodes = NULL;
    tree->sets = NULL;
    tree->ranges = NULL;
}
