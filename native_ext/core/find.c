#include "find.h"

#include "scan.h"

static const uint8_t *after_white(const uint8_t *p) {
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') {
        p++;
    }
    return p;
}

/* p: after the opening quote; -> after the closing one. */
static const uint8_t *after_text(const uint8_t *p) {
    for (;; p += 2) { /* an escape; a loop of its own for the rest: no step waits for the byte before */
        while (*p != '"' && *p != '\\') {
            p++;
        }
        if (*p == '"') {
            return p + 1;
        }
    }
}

static const uint8_t *after_value(const uint8_t *p) {
    uint32_t open = 0;
    if (*p != '{' && *p != '[') {
        if (*p == '"') {
            return after_text(p + 1);
        }
        while (*p > ' ' && *p != ',' && *p != ']' && *p != '}') { /* NUL at the end of the text as well */
            p++;
        }
        return p;
    }
    do {
        if (*p == '"') {
            p = after_text(p + 1);
            continue;
        }
        open += *p == '{' || *p == '[';
        open -= *p == '}' || *p == ']';
        p++;
    } while (open != 0);
    return p;
}

static struct hg_value value_at(const uint8_t *p) { return (struct hg_value){p, after_value(p)}; }

static const struct hg_value none = {NULL, NULL};

struct hg_value hg_find_root(struct hg_view text) {
    const uint8_t *p = after_white(text.at);
    return *p == '{' || *p == '[' ? (struct hg_value){p, text.at + text.length} : value_at(p); /* not walked twice */
}

static struct hg_text text_of(struct hg_value value) {
    const uint32_t size = (uint32_t)(value.end - value.start) - 2;
    return (struct hg_text){value.start + 1, size, 0, memchr(value.start + 1, '\\', size) != NULL};
}

bool hg_value_equals(struct hg_value value, struct hg_view plain) {
    const struct hg_text text = text_of(value), other = {plain.at, plain.length, 0, false};
    return hg_text_equal(&text, &other);
}

uint32_t hg_value_decode(struct hg_value value, uint8_t *out) {
    const struct hg_text text = text_of(value);
    const uint8_t *p = text.start;
    uint32_t length = 0, piece;
    if (!text.escaped) {
        memcpy(out, text.start, text.size);
        return text.size;
    }
    while ((piece = hg_unescape(&p, text.start + text.size, out + length, text.size + 4 - length)) != 0) {
        length += piece;
    }
    return length;
}

struct hg_view hg_value_plain(struct hg_value value) {
    const struct hg_text text = text_of(value);
    return (struct hg_view){text.escaped ? NULL : text.start, text.size};
}

/* The next member at p ('{' or what follows a value) -> its name and value; false: there is none. */
static bool next_member(const uint8_t **p, struct hg_value *name, struct hg_value *value) {
    const uint8_t *q = after_white(*p + 1); /* '{' or ',' */
    if (*q != '"') {
        return false;
    }
    *name = value_at(q);
    q = after_white(name->end);
    *value = value_at(after_white(q + 1)); /* ':' */
    *p = after_white(value->end);
    return true;
}

/* The (decoded) name of a member. */
static bool is_named(const struct hg_text *text, const char *name) {
    if (!text->escaped) { /* no byte of it is NUL */
        return text->size == 0 ? *name == '\0'
                               : *text->start == (uint8_t)*name &&
                                     strncmp((const char *)text->start, name, text->size) == 0 &&
                                     name[text->size] == '\0';
    }
    return hg_text_equal(text, &(struct hg_text){(const uint8_t *)name, (uint32_t)strlen(name), 0, false});
}

void hg_find_members(struct hg_value object, const char *const *names, struct hg_value *values) {
    const uint8_t *p = object.start;
    struct hg_value name, value;
    for (int i = 0; names[i] != NULL; i++) {
        values[i] = none;
    }
    if (p == NULL || *p != '{') {
        return;
    }
    while (*p != '}' && next_member(&p, &name, &value)) {
        const struct hg_text text = text_of(name);
        for (int i = 0; names[i] != NULL; i++) {
            if (is_named(&text, names[i])) {
                values[i] = value;
                break;
            }
        }
    }
}

struct hg_value hg_find_first(struct hg_value array) {
    const uint8_t *p = array.start;
    if (p == NULL || *p != '[') {
        return none;
    }
    p = after_white(p + 1);
    return *p == ']' ? none : value_at(p);
}

struct hg_value hg_find_next(struct hg_value array, struct hg_value element) {
    const uint8_t *p = after_white(element.end);
    (void)array;
    return *p == ',' ? value_at(after_white(p + 1)) : none;
}

struct hg_value hg_find_step(struct hg_value container, struct hg_view token) {
    const uint8_t *p = container.start;
    struct hg_value name, value;
    uint32_t index = 0;
    if (p != NULL && *p == '{') {
        while (*p != '}' && next_member(&p, &name, &value)) {
            if (hg_value_equals(name, token)) {
                return value;
            }
        }
        return none;
    }
    if (p == NULL || *p != '[' || token.length == 0 || token.length > 9 || (token.at[0] == '0' && token.length > 1)) {
        return none;
    }
    for (uint32_t i = 0; i < token.length; i++) {
        if (token.at[i] < '0' || token.at[i] > '9') {
            return none;
        }
        index = index * 10 + (token.at[i] - '0');
    }
    value = hg_find_first(container);
    while (value.start != NULL && index > 0) {
        value = hg_find_next(container, value);
        index -= 1;
    }
    return value;
}
