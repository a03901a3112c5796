/* Escapes and classes of a pattern: ECMA-262 section 22.2.1 in Unicode mode. */
#include <string.h>

#include "pattern_parse.h"

static bool hex(struct hg_parser *s, unsigned count, uint32_t *value) {
    *value = 0;
    for (; count > 0; count--) {
        const int32_t c = s->here.now;
        uint32_t digit;
        if (hg_is_decimal(c)) {
            digit = (uint32_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (uint32_t)(c - 'a') + 10;
        } else if (c >= 'A' && c <= 'F') {
            digit = (uint32_t)(c - 'A') + 10;
        } else {
            return hg_refuse(s, "expected a hexadecimal digit");
        }
        *value = *value * 16 + digit;
        hg_advance(s);
    }
    return true;
}

/* Behind "\u". */
static bool unicode(struct hg_parser *s, uint32_t *code) {
    uint32_t digit;
    if (hg_take(s, '{')) {
        *code = 0;
        const uint32_t start = s->here.at;
        while (s->here.now != '}' || s->here.at == start) {
            if (!hex(s, 1, &digit)) {
                return false;
            }
            *code = *code * 16 + digit;
            if (*code > HG_LAST_CODE_POINT) {
                return hg_refuse(s, "a code point too large");
            }
        }
        hg_advance(s);
        return true;
    }
    if (!hex(s, 4, code)) {
        return false;
    }
    if (*code >= 0xD800 && *code <= 0xDBFF && s->here.now == '\\' && s->end - s->here.p >= 2 && s->here.p[1] == 'u') {
        const struct hg_place start = s->here;
        uint32_t low = 0;
        hg_advance(s);
        hg_advance(s);
        if (s->here.now != '{' && !hex(s, 4, &low)) {
            return false;
        }
        if (low >= 0xDC00 && low <= 0xDFFF) { /* a surrogate pair is one character */
            *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
        } else {
            s->here = start;
        }
    }
    return true;
}

/* Behind "\p" or "\P". */
static bool property(struct hg_parser *s, bool negated, struct hg_atom *atom) {
    if (!hg_take(s, '{')) {
        return hg_refuse(s, "expected '{' and the name of a property");
    }
    const struct hg_place start = s->here;
    while (s->here.now >= 0 && s->here.now != '}') {
        hg_advance(s);
    }
    if (s->here.now < 0) {
        return hg_refuse(s, "unmatched '{'");
    }
    const uint32_t mask = hg_property_named(start.p, (uint32_t)(s->here.p - start.p));
    if (mask == 0) {
        s->here = start;
        return hg_refuse(s, "unknown property");
    }
    hg_advance(s);
    *atom = (struct hg_atom){.property = mask, .negated = negated};
    return true;
}

bool hg_parse_escape(struct hg_parser *s, bool in_class, struct hg_atom *atom) {
    static const char CONTROL[] = "fnrtv";
    static const uint8_t CONTROL_CODES[] = {12, 10, 13, 9, 11};
    const int32_t c = s->here.now;
    if (c < 0) {
        return hg_refuse(s, "a lone '\\' at the end");
    }
    if (c == 'k' || (c >= '1' && c <= '9')) {
        *atom = (struct hg_atom){.single = true};
        return s->syntax && !in_class ? hg_regex_reference(s) : hg_refuse(s, "backreferences are not supported");
    }
    const struct hg_place start = s->here;
    hg_advance(s);
    switch (c) {
    case 'd':
    case 'D':
        *atom = hg_digits(c == 'D');
        return true;
    case 'w':
    case 'W':
        *atom = hg_word(c == 'W');
        return true;
    case 's':
    case 'S':
        *atom = hg_space(c == 'S');
        return true;
    case 'p':
    case 'P':
        return property(s, c == 'P', atom);
    default:
        break;
    }
    *atom = (struct hg_atom){.single = true, .code = (uint32_t)c};
    if (hg_one_of(c, "^$\\.*+?()[]{}|/") || (in_class && c == '-')) {
        return true;
    }
    if (hg_one_of(c, CONTROL)) {
        atom->code = CONTROL_CODES[strchr(CONTROL, c) - CONTROL];
        return true;
    }
    if (in_class && c == 'b') {
        atom->code = 8;
        return true;
    }
    if (c == '0' && !hg_is_decimal(s->here.now)) {
        atom->code = 0;
        return true;
    }
    if (c == 'x') {
        return hex(s, 2, &atom->code);
    }
    if (c == 'u') {
        return unicode(s, &atom->code);
    }
    if (c == 'c' && ((s->here.now >= 'a' && s->here.now <= 'z') || (s->here.now >= 'A' && s->here.now <= 'Z'))) {
        atom->code = (uint32_t)s->here.now & 31;
        hg_advance(s);
        return true;
    }
    s->here = start;
    return hg_refuse(s, "unknown escape");
}

/* ── classes ── */

static bool class_atom(struct hg_parser *s, struct hg_atom *atom) {
    const int32_t c = s->here.now;
    if (c < 0) {
        return hg_refuse(s, "unmatched '['");
    }
    hg_advance(s);
    if (c == '\\') {
        return hg_parse_escape(s, true, atom);
    }
    *atom = (struct hg_atom){.single = true, .code = (uint32_t)c};
    return true;
}

bool hg_parse_class(struct hg_parser *s, uint32_t *node) {
    const bool negated = hg_take(s, '^');
    const uint32_t first = s->tree.range_count;
    while (!hg_take(s, ']')) {
        struct hg_atom low, high;
        if (!class_atom(s, &low)) {
            return false;
        }
        if (s->here.now == '-' && !(s->end - s->here.p >= 2 && s->here.p[1] == ']')) {
            hg_advance(s);
            if (!class_atom(s, &high)) {
                return false;
            }
            if (!low.single || !high.single) {
                return hg_refuse(s, "a range needs single characters at its ends");
            }
            if (low.code > high.code) {
                return hg_refuse(s, "the ends of a range are reversed");
            }
            if (!hg_put_range(s, low.code, high.code)) {
                return false;
            }
        } else if (!hg_put_atom(s, &low)) {
            return false;
        }
    }
    *node = hg_finish_set(s, first, negated);
    return true;
}
