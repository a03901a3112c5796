#include "pattern.h"

#include <string.h>

#include "pattern_internal.h"

/* Running a compiled pattern (struct hg_pattern_form) over a text. */

_Static_assert(sizeof(struct hg_match) <= 256, "a match is kept on the stack");

static const uint8_t *bytes_at(const void *form, uint32_t offset) {
    return (const uint8_t *)form + offset;
}

/* The class of a character whose first byte does not tell it. */
static uint32_t dfa_class(const struct hg_dfa *dfa, uint32_t code) {
    const uint8_t *intervals = bytes_at(dfa, dfa->intervals);
    uint32_t low = 0, high = dfa->interval_count, word;
    while (high - low > 1) {
        const uint32_t middle = (low + high) / 2;
        memcpy(&word, intervals + 4 * middle, sizeof word);
        if (word >> 8 <= code) {
            low = middle;
        } else {
            high = middle;
        }
    }
    memcpy(&word, intervals + 4 * low, sizeof word);
    return word & 0xFF;
}

/* The state after the text; it stops where the state is HG_DFA_DEAD or HG_DFA_FOUND. */
static uint32_t dfa_run(const struct hg_dfa *dfa, uint32_t from, const uint8_t *p, const uint8_t *end) {
    const uint8_t *map = dfa->map, *next = bytes_at(dfa, dfa->table);
    const size_t states = dfa->states;
    size_t state = from;
    while (p != end) {
        if (end - p >= 4) { /* the first three states stay what they are, so that one look is enough for four bytes */
            size_t ahead = next[map[p[0]] * states + state];
            ahead = next[map[p[1]] * states + ahead];
            ahead = next[map[p[2]] * states + ahead];
            ahead = next[map[p[3]] * states + ahead];
            if (ahead > HG_DFA_DECODE) {
                state = ahead;
                p += 4;
                continue;
            }
            if (ahead != HG_DFA_DECODE) {
                return (uint32_t)ahead;
            }
        }
        const size_t to = next[map[*p] * states + state];
        if (to != HG_DFA_DECODE) {
            state = to;
            p++;
        } else {
            const uint8_t *behind = p; /* a copy: p itself stays in a register */
            state = next[dfa_class(dfa, hg_decode(&behind, end)) * states + state];
            p = behind;
        }
        if (state <= HG_DFA_FOUND) {
            break;
        }
    }
    return (uint32_t)state;
}

static bool dfa_accepts(const struct hg_dfa *dfa, uint32_t state) {
    return bytes_at(dfa, dfa->accepts)[state >> 3] >> (state & 7) & 1;
}

/* Counts the characters of the run into *count; false: one that is not in the class, or too many. */
static bool run_feed(const struct hg_class_run *run, const uint8_t *p, const uint8_t *end, uint32_t *count) {
    uint32_t characters = *count;
    if (run->ascii) { /* a byte is a character, or not in the class */
        if (end - p > (int64_t)run->most - characters) {
            return false;
        }
        *count += (uint32_t)(end - p);
        for (; p != end; p++) {
            if ((run->good[*p >> 5] >> (*p & 31) & 1) == 0) {
                return false;
            }
        }
        return true;
    }
    while (p != end) {
        const uint32_t byte = *p;
        if (run->good[byte >> 5] >> (byte & 31) & 1) {
            characters += (byte & 0xC0) != 0x80;
            p++;
        } else {
            if (byte < 0xC0 || !hg_in_ranges(run->ranges, run->range_count, hg_decode(&p, end))) {
                return false;
            }
            characters++;
        }
        if (characters > run->most) {
            return false;
        }
    }
    *count = characters;
    return true;
}

static bool nfa_takes(const struct hg_nfa *nfa, uint32_t code, uint32_t c) {
    if (hg_code_op(code) == HG_OP_CHAR) {
        return hg_code_value(code) == c;
    }
    const struct hg_nfa_set *set = (const struct hg_nfa_set *)(const void *)bytes_at(nfa, nfa->sets);
    set += hg_code_value(code);
    if (c < 0x80) {
        return set->ascii[c >> 5] >> (c & 31) & 1;
    }
    return hg_in_ranges((const struct hg_range *)(const void *)bytes_at(nfa, set->ranges), set->count, c);
}

static void nfa_feed(struct hg_match *match, const struct hg_nfa *nfa, const uint8_t *p, const uint8_t *end) {
    uint32_t live[HG_WORDS], steps = 0;
    while (p != end) {
        const uint32_t c = *p < 0x80 ? *p++ : hg_decode(&p, end);
        const enum hg_side side = hg_is_word(c) ? HG_WORD_SIDE : HG_OTHER_SIDE;
        if (hg_nfa_close(nfa->code, match->set, (enum hg_side)match->previous, side, live, &steps)) {
            match->decided = match->found = true;
            return;
        }
        uint32_t any = 0;
        memset(match->set, 0, sizeof match->set);
        for (uint32_t word = 0; word < HG_WORDS; word++) {
            for (uint32_t bits = live[word], at = word * 32; bits != 0; bits >>= 1, at++) {
                if ((bits & 1) && nfa_takes(nfa, nfa->code[at], c)) {
                    match->set[(at + 1) >> 5] |= 1u << ((at + 1) & 31);
                    any = 1;
                }
            }
        }
        if (!nfa->anchored) {
            match->set[0] |= 1;
        } else if (!any) {
            match->decided = true;
            return;
        }
        match->previous = side;
    }
}

void hg_match_begin(struct hg_match *match, const void *pattern) {
    const struct hg_pattern_form *form = pattern;
    match->pattern = pattern;
    match->decided = match->found = false;
    match->state = form->form == HG_FORM_DFA ? HG_DFA_START : 0;
    match->previous = HG_OUTSIDE;
    if (form->form == HG_FORM_NFA) {
        memset(match->set, 0, sizeof match->set);
        match->set[0] = 1;
    }
}

static void literal_feed(struct hg_match *match, const struct hg_literal *form, const uint8_t *text, uint32_t length) {
    const uint32_t left = form->length - match->state;
    const uint32_t size = length < left ? length : left;
    if (memcmp(form->text + match->state, text, size) != 0 || (form->whole && length > left)) {
        match->decided = true;
        return;
    }
    match->state += size;
    if (match->state == form->length && !form->whole) {
        match->decided = match->found = true;
    }
}

void hg_match_feed(struct hg_match *match, const uint8_t *text, uint32_t length) {
    if (match->decided || length == 0) {
        return;
    }
    const struct hg_pattern_form *form = match->pattern;
    switch (form->form) {
    case HG_FORM_LITERAL:
        literal_feed(match, match->pattern, text, length);
        break;
    case HG_FORM_RUN:
        match->decided = !run_feed(match->pattern, text, text + length, &match->state);
        break;
    case HG_FORM_DFA:
        match->state = dfa_run(match->pattern, match->state, text, text + length);
        match->decided = match->state <= HG_DFA_FOUND;
        match->found = match->state == HG_DFA_FOUND;
        break;
    default:
        nfa_feed(match, match->pattern, text, text + length);
        break;
    }
}

bool hg_match_end(struct hg_match *match) {
    if (match->decided) {
        return match->found;
    }
    const struct hg_pattern_form *form = match->pattern;
    uint32_t live[HG_WORDS], steps = 0;
    switch (form->form) {
    case HG_FORM_LITERAL:
        return match->state == ((const struct hg_literal *)match->pattern)->length;
    case HG_FORM_RUN:
        return match->state >= ((const struct hg_class_run *)match->pattern)->least;
    case HG_FORM_DFA:
        return dfa_accepts(match->pattern, match->state);
    default:
        return hg_nfa_close(((const struct hg_nfa *)match->pattern)->code, match->set, (enum hg_side)match->previous,
                            HG_OUTSIDE, live, &steps);
    }
}

bool hg_pattern_search(const void *pattern, const uint8_t *text, uint32_t length) {
    const struct hg_pattern_form *form = pattern;
    if (form->form == HG_FORM_DFA) {
        return dfa_accepts(pattern, dfa_run(pattern, HG_DFA_START, text, text + length));
    }
    if (form->form == HG_FORM_LITERAL) {
        const struct hg_literal *literal_form = pattern;
        return (literal_form->whole ? length == literal_form->length : length >= literal_form->length) &&
               memcmp(text, literal_form->text, literal_form->length) == 0;
    }
    struct hg_match match;
    hg_match_begin(&match, pattern);
    hg_match_feed(&match, text, length);
    return hg_match_end(&match);
}
