#include <string.h>

#include "compiler.h"

/* The values of const and enum as texts that the engine can read like a document: JSON, and CBOR (RFC 8949, definite
 * lengths; a number that is no integer of 64 bits is a bignum or a decimal fraction). Recursion: down the tree. */

void hg_constant_number_of(const struct hg_tree *tree, uint32_t item, struct hg_number *number) {
    enum hg_reason reason;
    const uint8_t *at;
    hg_number_scan(hg_tree_text(tree, &tree->items[item]), number, &reason,
                   &at); /* the parser did it before: no fault */
    hg_number_normalize(number);
    number->negative = number->negative && (number->digits != NULL || number->mantissa != 0);
}

bool hg_constant_equal(const struct hg_tree *tree, uint32_t a, uint32_t b) {
    const struct hg_item *x = &tree->items[a], *y = &tree->items[b];
    struct hg_number n, m;
    if (x->kind != y->kind) {
        return false;
    }
    switch (x->kind) {
    case HG_KIND_NUMBER:
        hg_constant_number_of(tree, a, &n);
        hg_constant_number_of(tree, b, &m);
        return hg_number_compare(&n, &m) == 0;
    case HG_KIND_STRING:
        return x->size == y->size && memcmp(hg_tree_text(tree, x), hg_tree_text(tree, y), x->size) == 0;
    case HG_KIND_ARRAY:
    case HG_KIND_OBJECT:
        break;
    default:
        return true;
    }
    if (x->size != y->size) {
        return false;
    }
    for (uint32_t i = x->start, k = y->start; i != 0; i = tree->items[i].next, k = tree->items[k].next) {
        const struct hg_item *member = &tree->items[i];
        const uint32_t other = x->kind == HG_KIND_ARRAY
                                   ? k
                                   : hg_tree_member(tree, b, hg_tree_name(tree, member), member->name_size);
        if (other == 0 || !hg_constant_equal(tree, i, other)) {
            return false;
        }
    }
    return true;
}

static bool append(struct hg_compiler *compiler, struct hg_buffer *out, const void *bytes, uint32_t size) {
    return hg_buffer_append(out, compiler->memory, bytes, size) || hg_no_memory(compiler);
}

static bool json_string(struct hg_compiler *compiler, struct hg_buffer *out, const uint8_t *text, uint32_t size) {
    static const char HEX[] = "0123456789abcdef";
    static const uint8_t SHORT[] = {'"', '\\', '\b', '\f', '\n', '\r', '\t'};
    static const char LETTER[] = "\"\\bfnrt";
    uint32_t from = 0;
    if (!append(compiler, out, "\"", 1)) {
        return false;
    }
    for (uint32_t i = 0; i < size; i++) {
        if (text[i] >= 0x20 && text[i] != '"' && text[i] != '\\') {
            continue;
        }
        char escape[6] = {'\\', 'u', '0', '0', HEX[text[i] >> 4], HEX[text[i] & 15]};
        const uint8_t *letter = memchr(SHORT, text[i], sizeof SHORT);
        if (letter != NULL) {
            escape[1] = LETTER[letter - SHORT];
        }
        if (!append(compiler, out, text + from, i - from) || !append(compiler, out, escape, letter != NULL ? 2 : 6)) {
            return false;
        }
        from = i + 1;
    }
    return append(compiler, out, text + from, size - from) && append(compiler, out, "\"", 1);
}

bool hg_constant_json(struct hg_compiler *compiler, const struct hg_tree *tree, uint32_t item, struct hg_buffer *out) {
    const struct hg_item *value = &tree->items[item];
    const bool object = value->kind == HG_KIND_OBJECT;
    struct hg_number number;
    uint8_t text[HG_NUMBER_TEXT];
    switch (value->kind) {
    case HG_KIND_NULL:
        return append(compiler, out, "null", 4);
    case HG_KIND_FALSE:
        return append(compiler, out, "false", 5);
    case HG_KIND_TRUE:
        return append(compiler, out, "true", 4);
    case HG_KIND_NUMBER:
        hg_constant_number_of(tree, item, &number);
        return append(compiler, out, text, hg_number_format_json(&number, text));
    case HG_KIND_STRING:
        return json_string(compiler, out, hg_tree_text(tree, value), value->size);
    default:
        break;
    }
    if (!append(compiler, out, object ? "{" : "[", 1)) {
        return false;
    }
    for (uint32_t i = value->start; i != 0; i = tree->items[i].next) {
        const struct hg_item *child = &tree->items[i];
        if ((i != value->start && !append(compiler, out, ",", 1)) ||
            (object && (!json_string(compiler, out, hg_tree_name(tree, child), child->name_size) ||
                        !append(compiler, out, ":", 1))) ||
            !hg_constant_json(compiler, tree, i, out)) {
            return false;
        }
    }
    return append(compiler, out, object ? "}" : "]", 1);
}

enum {
    MAJOR_UNSIGNED = 0,
    MAJOR_NEGATIVE = 1,
    MAJOR_BYTES = 2,
    MAJOR_TEXT = 3,
    MAJOR_ARRAY = 4,
    MAJOR_MAP = 5,
    MAJOR_TAG = 6
};
enum { TAG_BIGNUM = 2, TAG_NEGATIVE_BIGNUM = 3, TAG_DECIMAL = 4 };

/* The head of an item (section 3): the shortest that holds the argument. */
static bool cbor_head(struct hg_compiler *compiler, struct hg_buffer *out, unsigned major, uint64_t argument) {
    uint8_t head[9];
    uint32_t bytes = argument < 24 ? 0 : argument <= 0xFF ? 1 : argument <= 0xFFFF ? 2 : argument <= 0xFFFFFFFF ? 4 : 8;
    const unsigned low = bytes == 0 ? (unsigned)argument : bytes == 1 ? 24 : bytes == 2 ? 25 : bytes == 4 ? 26 : 27;
    head[0] = (uint8_t)(major << 5 | low);
    for (uint32_t i = bytes; i != 0; i--) {
        head[i] = (uint8_t)argument;
        argument >>= 8;
    }
    return append(compiler, out, head, bytes + 1);
}

/* An integer with its exponent 0: major type 0 or 1 if it has 64 bits, else a bignum (section 3.4.3). */
static bool cbor_integer(struct hg_compiler *compiler, struct hg_buffer *out, const struct hg_number *number) {
    struct hg_number absolute = *number;
    uint64_t value;
    uint8_t bytes[HG_CBOR_BIGNUM];
    absolute.negative = false;
    if (hg_number_uint64(&absolute, &value) && !(number->negative && value == 0)) {
        return cbor_head(compiler, out, number->negative ? MAJOR_NEGATIVE : MAJOR_UNSIGNED,
                         number->negative ? value - 1 : value);
    }
    const uint32_t size = hg_number_to_bytes(number, number->negative, bytes);
    if (size == 8 && number->negative) { /* -2^64 */
        value = 0;
        for (uint32_t i = 0; i < 8; i++) {
            value = value << 8 | bytes[i];
        }
        return cbor_head(compiler, out, MAJOR_NEGATIVE, value);
    }
    return cbor_head(compiler, out, MAJOR_TAG, number->negative ? TAG_NEGATIVE_BIGNUM : TAG_BIGNUM) &&
           cbor_head(compiler, out, MAJOR_BYTES, size) && append(compiler, out, bytes, size);
}

static bool cbor_number(struct hg_compiler *compiler, struct hg_buffer *out, struct hg_number number) {
    struct hg_number exponent = {.mantissa = number.exponent < 0 ? (uint64_t)-(int64_t)number.exponent
                                                                 : (uint64_t)number.exponent,
                                 .negative = number.exponent < 0};
    struct hg_number absolute = number;
    uint64_t value;
    absolute.negative = false;
    if (number.exponent == 0) {
        return cbor_integer(compiler, out, &number);
    }
    if (hg_number_uint64(&absolute, &value)) { /* 1e3 and the like */
        const struct hg_number integer = {.mantissa = value, .negative = number.negative};
        return cbor_integer(compiler, out, &integer);
    }
    number.exponent = 0;
    return cbor_head(compiler, out, MAJOR_TAG, TAG_DECIMAL) && cbor_head(compiler, out, MAJOR_ARRAY, 2) &&
           cbor_integer(compiler, out, &exponent) && cbor_integer(compiler, out, &number);
}

bool hg_constant_cbor(struct hg_compiler *compiler, const struct hg_tree *tree, uint32_t item, struct hg_buffer *out) {
    const struct hg_item *value = &tree->items[item];
    const bool object = value->kind == HG_KIND_OBJECT;
    struct hg_number number;
    switch (value->kind) {
    case HG_KIND_NULL:
        return append(compiler, out, "\xf6", 1);
    case HG_KIND_FALSE:
        return append(compiler, out, "\xf4", 1);
    case HG_KIND_TRUE:
        return append(compiler, out, "\xf5", 1);
    case HG_KIND_NUMBER:
        hg_constant_number_of(tree, item, &number);
        return cbor_number(compiler, out, number);
    case HG_KIND_STRING:
        return cbor_head(compiler, out, MAJOR_TEXT, value->size) &&
               append(compiler, out, hg_tree_text(tree, value), value->size);
    default:
        break;
    }
    if (!cbor_head(compiler, out, object ? MAJOR_MAP : MAJOR_ARRAY, value->size)) {
        return false;
    }
    for (uint32_t i = value->start; i != 0; i = tree->items[i].next) {
        const struct hg_item *child = &tree->items[i];
        if ((object && (!cbor_head(compiler, out, MAJOR_TEXT, child->name_size) ||
                        !append(compiler, out, hg_tree_name(tree, child), child->name_size))) ||
            !hg_constant_cbor(compiler, tree, i, out)) {
            return false;
        }
    }
    return true;
}
