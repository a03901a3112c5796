/* Named groups and what refers to them, for `format: regex`: found by walking over the source, which needs no memory.
 * */
#include <string.h>

#include "pattern_parse.h"

struct name {
    const uint8_t *start;
    uint32_t length; /* bytes */
};

/* p: behind "<" -> behind ">", or NULL if there is no name. RegExpIdentifierName without escapes; any character beyond
 * ASCII is taken for a letter. */
static const uint8_t *name_at(const uint8_t *p, const uint8_t *end, struct name *name) {
    name->start = p;
    while (p < end && (hg_is_word(*p) || *p == '$' || *p >= 0x80) && (p > name->start || *p < '0' || *p > '9')) {
        p++;
    }
    name->length = (uint32_t)(p - name->start);
    return name->length > 0 && p < end && *p == '>' ? p + 1 : NULL;
}

/* From p to the next '(' that opens a capturing group -> behind it, or NULL. *name: where its name begins, NULL for a
 * group without. */
static const uint8_t *next_group(const uint8_t *p, const uint8_t *end, const uint8_t **name) {
    bool in_class = false;
    while (p < end) {
        const uint8_t c = *p++;
        if (c == '\\') {
            p += p < end;
        } else if (in_class) {
            in_class = c != ']';
        } else if (c == '[') {
            in_class = true;
        } else if (c == '(') {
            *name = NULL;
            if (p == end || *p != '?') {
                return p;
            }
            if (end - p > 2 && p[1] == '<' && p[2] != '=' && p[2] != '!') {
                *name = p + 2;
                return p + 2;
            }
        }
    }
    return NULL;
}

static uint32_t count_groups(const uint8_t *source, const uint8_t *end) {
    const uint8_t *name;
    uint32_t count = 0;
    while ((source = next_group(source, end, &name)) != NULL) {
        count++;
    }
    return count;
}

static const uint8_t *find_named(const uint8_t *source, const uint8_t *end, struct name wanted) {
    const uint8_t *start;
    while ((source = next_group(source, end, &start)) != NULL) {
        struct name name;
        if (start != NULL && name_at(start, end, &name) != NULL && name.length == wanted.length &&
            memcmp(name.start, wanted.start, wanted.length) == 0) {
            return start;
        }
    }
    return NULL;
}

bool hg_regex_group(struct hg_parser *s, bool *looks) {
    *looks = false;
    if (hg_take(s, ':')) {
        return true;
    }
    const bool behind = hg_take(s, '<');
    if (hg_take(s, '=') || hg_take(s, '!')) {
        *looks = true;
        return true;
    }
    struct name name;
    const uint8_t *p = behind ? name_at(s->here.p, s->end, &name) : NULL;
    if (p == NULL) {
        return hg_refuse(s, "unknown kind of group");
    }
    if (find_named(s->source, s->end, name) != name.start) {
        return hg_refuse(s, "a group name given twice");
    }
    while (s->here.p < p) {
        hg_advance(s);
    }
    return true;
}

bool hg_regex_reference(struct hg_parser *s) {
    if (hg_take(s, 'k')) {
        struct name name;
        const uint8_t *p = s->here.now == '<' ? name_at(s->here.p + 1, s->end, &name) : NULL;
        if (p == NULL || find_named(s->source, s->end, name) == NULL) {
            return hg_refuse(s, "a reference to no group");
        }
        while (s->here.p < p) {
            hg_advance(s);
        }
        return true;
    }
    const uint32_t groups = count_groups(s->source, s->end);
    uint32_t number = 0;
    while (hg_is_decimal(s->here.now)) {
        number = number * 10 + (uint32_t)(s->here.now - '0');
        if (number > groups) {
            return hg_refuse(s, "a reference to no group");
        }
        hg_advance(s);
    }
    return true;
}
