/* The few values that are read out of a JSON text which is known to be valid: a token's claims, the key of a last value. Nothing
 * is checked again here. All pointers are into the text; a value is [start, end). */
#ifndef HEADGATE_FIND_H
#define HEADGATE_FIND_H

#include <stdbool.h>
#include <stdint.h>

#include "output.h"

struct hg_value {
    const uint8_t *start, *end; /* start == NULL: not there */
};

/* The value of a whole text; text.at[text.length] is readable and 0. An object or array ends where the text does, white space
 * included. */
struct hg_value hg_find_root(struct hg_view text);
/* The members of an object with these (decoded) names; `names` end with NULL. Not an object: none is there. */
void hg_find_members(struct hg_value object, const char *const *names, struct hg_value *values);
/* One member, or one element by the canonical spelling of its index. */
struct hg_value hg_find_step(struct hg_value container, struct hg_view token);
/* Walks an array: *next is its first element's start at first, then after each element; false: no further one. */
struct hg_value hg_find_first(struct hg_value array);
struct hg_value hg_find_next(struct hg_value array, struct hg_value element);

static inline bool hg_value_is_text(struct hg_value value) { return value.start != NULL && *value.start == '"'; }
/* A text's value is exactly these bytes. */
bool hg_value_equals(struct hg_value text, struct hg_view plain);
/* Decodes a text into `out`, which has room for value.end - value.start + 2 bytes. */
uint32_t hg_value_decode(struct hg_value text, uint8_t *out);
/* A text without escapes: its bytes in place. at == NULL: it has some. */
struct hg_view hg_value_plain(struct hg_value text);

#endif
