#include "explain_text.h"

#include <string.h>

#include "format.h"
#include "validate.h"

void hg_words_bytes(struct hg_words *words, const void *bytes, uint32_t length) {
    const uint8_t *from = bytes;
    uint32_t fits = words->room - words->length;
    if (length <= fits) {
        fits = length;
    } else {
        while (fits > 0 && (from[fits] & 0xC0) == 0x80) {
            fits--; /* the character that does not fit starts before */
        }
        words->room = words->length + fits; /* and nothing shorter may follow it */
    }
    if (fits > 0) {
        memcpy(words->text + words->length, from, fits);
    }
    words->length += fits;
    words->text[words->length] = 0;
}

void hg_words_say(struct hg_words *words, const char *text) { hg_words_bytes(words, text, (uint32_t)strlen(text)); }

void hg_words_count(struct hg_words *words, uint32_t count) {
    char digits[10];
    uint32_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + count % 10);
        count /= 10;
    } while (count > 0);
    hg_words_bytes(words, digits + at, (uint32_t)sizeof digits - at);
}

void hg_words_number(struct hg_words *words, const struct hg_number *number) {
    uint8_t text[HG_NUMBER_TEXT];
    const uint32_t length = hg_number_format_json(number, text);
    hg_words_bytes(words, text, length <= HG_SHOWN ? length : HG_SHOWN);
    if (length > HG_SHOWN) {
        hg_words_say(words, "...");
    }
}

/* What stands for the byte c inside a JSON string or a token, if not c itself; else NULL. `room`: 7 bytes. */
static const char *escape(uint8_t c, bool pointer, char *room) {
    static const char digits[] = "0123456789abcdef";
    if (pointer) {
        return c == '~' ? "~0" : c == '/' ? "~1" : NULL;
    }
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (c >= ' ') {
            return NULL;
        }
        memcpy(room, "\\u00", 4);
        room[4] = digits[c >> 4];
        room[5] = digits[c & 15];
        room[6] = 0;
        return room;
    }
}

bool hg_words_piece(struct hg_words *words, const uint8_t *piece, uint32_t length, uint32_t *left, bool pointer) {
    char room[7];
    uint32_t written = 0; /* of the piece */
    for (uint32_t i = 0; i < length; i++) {
        if ((piece[i] & 0xC0) == 0x80) {
            continue; /* goes with the byte before */
        }
        if (*left == 0) {
            hg_words_bytes(words, piece + written, i - written);
            hg_words_say(words, "...");
            return false;
        }
        --*left;
        const char *other = escape(piece[i], pointer, room);
        if (other != NULL) {
            hg_words_bytes(words, piece + written, i - written);
            hg_words_say(words, other);
            written = i + 1;
        }
    }
    hg_words_bytes(words, piece + written, length - written);
    return true;
}

void hg_words_quoted(struct hg_words *words, const void *text, uint32_t length) {
    uint32_t left = HG_SHOWN;
    hg_words_say(words, "\"");
    (void)hg_words_piece(words, text, length, &left, false);
    hg_words_say(words, "\"");
}

static void say_name(struct hg_words *words, const struct hg_program *program, const struct hg_names *names,
                     uint32_t index) {
    const uint8_t *entries = hg_at(program, names->entries);
    const struct hg_name *name = (const void *)(entries + (size_t)index * names->stride);
    hg_words_quoted(words, hg_at(program, name->text), name->length);
}

static void say_types(struct hg_words *words, uint32_t types) {
    static const struct {
        uint8_t bits;
        char name[8];
    } names[] = {{HG_NULL, "null"},       {HG_BOOLEAN, "boolean"}, {HG_INTEGER | HG_FRACTION, "number"},
                 {HG_INTEGER, "integer"}, {HG_STRING, "string"},   {HG_ARRAY, "array"},
                 {HG_OBJECT, "object"}};
    const char *between = "";
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((types & names[i].bits) == names[i].bits) {
            hg_words_say(words, between);
            hg_words_say(words, names[i].name);
            between = " or ";
            types &= ~(uint32_t)names[i].bits; /* a number is not an integer as well */
        }
    }
}

/* The argument of a numeric keyword. */
static void say_bound(struct hg_words *words, const struct hg_program *program, const struct hg_node *node,
                      enum hg_keyword keyword) {
    const struct hg_number_rules *rules = hg_at(program, node->number);
    const struct hg_number_rule *rule = hg_at(program, rules->rules);
    for (uint32_t i = 0; i < rules->count; i++, rule++) {
        if (rule->keyword == (uint32_t)keyword) {
            const struct hg_number number = hg_constant_number(program, hg_at(program, rule->constant));
            hg_words_number(words, &number);
            return;
        }
    }
}

bool hg_words_before(struct hg_words *words, const struct hg_program *program, const struct hg_node *node,
                     enum hg_keyword keyword, uint32_t detail) {
    const struct hg_object_rules *object = hg_at(program, node->object);
    const struct hg_array_rules *array = hg_at(program, node->array);
    switch (keyword) {
    case HG_K_NONE:
    case HG_K_ITEMS:
    case HG_K_ADDITIONAL_ITEMS:
    case HG_K_UNEVALUATED_ITEMS:
        hg_words_say(words, "nothing is allowed here, found ");
        return true;
    case HG_K_TYPE:
        hg_words_say(words, "expected ");
        say_types(words, node->types);
        hg_words_say(words, ", found ");
        return true;
    case HG_K_REQUIRED:
        hg_words_say(words, "the property ");
        say_name(words, program, &object->names, detail);
        hg_words_say(words, " is missing");
        return false;
    case HG_K_DEPENDENT_REQUIRED:
    case HG_K_DEPENDENCIES: {
        const struct hg_dependent *dependents = hg_at(program, object->dependents);
        hg_words_say(words, "with ");
        say_name(words, program, &object->names, dependents[detail >> 16].property);
        hg_words_say(words, " there must be ");
        say_name(words, program, &object->names, detail & 0xFFFF);
        return false;
    }
    case HG_K_ADDITIONAL_PROPERTIES:
    case HG_K_UNEVALUATED_PROPERTIES:
        hg_words_say(words, "the property ");
        return true;
    case HG_K_CONTAINS:
    case HG_K_MIN_CONTAINS:
        hg_words_count(words, detail);
        hg_words_say(words, " items match, there must be ");
        hg_words_count(words, array->min_contains);
        return false;
    case HG_K_MAX_CONTAINS:
        hg_words_count(words, detail);
        hg_words_say(words, " items match, there may be ");
        hg_words_count(words, array->max_contains);
        return false;
    case HG_K_MIN_ITEMS:
    case HG_K_MAX_ITEMS:
        hg_words_say(words, "an array with ");
        hg_words_count(words, detail);
        hg_words_say(words, " items");
        return false;
    case HG_K_MIN_PROPERTIES:
    case HG_K_MAX_PROPERTIES:
        hg_words_say(words, "an object with ");
        hg_words_count(words, detail);
        hg_words_say(words, " members");
        return false;
    default:
        return true;
    }
}

static void say_with_count(struct hg_words *words, const char *before, uint32_t count, const char *after) {
    hg_words_say(words, before);
    hg_words_count(words, count);
    hg_words_say(words, after);
}

void hg_words_after(struct hg_words *words, const struct hg_program *program, const struct hg_node *node,
                    enum hg_keyword keyword, uint32_t detail) {
    const struct hg_string_rules *string = hg_at(program, node->string);
    const struct hg_array_rules *array = hg_at(program, node->array);
    const struct hg_object_rules *object = hg_at(program, node->object);
    const struct hg_choice *choice = hg_at(program, node->choice);
    switch (keyword) {
    case HG_K_ENUM:
    case HG_K_CONST:
        hg_words_say(words, keyword == HG_K_ENUM ? " is none of " : " is not ");
        hg_words_bytes(words, hg_at(program, choice->text), choice->text_length);
        break;
    case HG_K_MINIMUM:
        hg_words_say(words, " is less than ");
        say_bound(words, program, node, keyword);
        break;
    case HG_K_MAXIMUM:
        hg_words_say(words, " is more than ");
        say_bound(words, program, node, keyword);
        break;
    case HG_K_EXCLUSIVE_MINIMUM:
        hg_words_say(words, " is not more than ");
        say_bound(words, program, node, keyword);
        break;
    case HG_K_EXCLUSIVE_MAXIMUM:
        hg_words_say(words, " is not less than ");
        say_bound(words, program, node, keyword);
        break;
    case HG_K_MULTIPLE_OF:
        hg_words_say(words, " is not a multiple of ");
        say_bound(words, program, node, keyword);
        break;
    case HG_K_MIN_LENGTH:
        say_with_count(words, " is shorter than ", string->min_length, " characters");
        break;
    case HG_K_MAX_LENGTH:
        say_with_count(words, " is longer than ", string->max_length, " characters");
        break;
    case HG_K_PATTERN:
        hg_words_say(words, " does not match ");
        hg_words_quoted(words, hg_at(program, string->source), string->source_length);
        break;
    case HG_K_FORMAT:
        hg_words_say(words, " is not of the format ");
        hg_words_say(words, hg_format_name((enum hg_format)string->format));
        break;
    case HG_K_MIN_ITEMS:
        say_with_count(words, ", there must be at least ", array->min, "");
        break;
    case HG_K_MAX_ITEMS:
        say_with_count(words, ", there may be at most ", array->max, "");
        break;
    case HG_K_MIN_PROPERTIES:
        say_with_count(words, ", there must be at least ", object->min, "");
        break;
    case HG_K_MAX_PROPERTIES:
        say_with_count(words, ", there may be at most ", object->max, "");
        break;
    case HG_K_UNIQUE_ITEMS:
        hg_words_say(words, " has equal items");
        break;
    case HG_K_PROPERTY_NAMES:
        hg_words_say(words, " is not allowed as a name");
        break;
    case HG_K_ADDITIONAL_PROPERTIES:
    case HG_K_UNEVALUATED_PROPERTIES:
        hg_words_say(words, " is not allowed");
        break;
    case HG_K_NOT:
        hg_words_say(words, " is what is excluded here");
        break;
    case HG_K_ANY_OF:
        say_with_count(words, " matches none of the ", detail, " alternatives");
        break;
    case HG_K_ONE_OF:
        if ((detail & 0xFFFF) == 0) {
            say_with_count(words, " matches none of the ", detail >> 16, " alternatives");
        } else {
            say_with_count(words, " matches ", detail & 0xFFFF, " alternatives, there must be one");
        }
        break;
    default:
        break;
    }
}

enum hg_keyword hg_blamed(enum hg_keyword keyword) {
    /* `contains` asks for one item, `minContains` changes the number only */
    return keyword == HG_K_MIN_CONTAINS ? HG_K_CONTAINS : keyword;
}

/* The pointer was written as far as index HG_POINTER, and there would be more. */
static uint32_t cut(char *pointer) {
    uint32_t at = HG_POINTER;
    while (at > 0 && pointer[at] != '/') {
        at--;
    }
    memcpy(pointer + at, "/...", 5);
    return (at + 4) | HG_POINTER_CUT;
}

uint32_t hg_pointer_push(char *pointer, uint32_t length, const char *tokens, uint32_t count) {
    if (length & HG_POINTER_CUT || count == 0) {
        return length;
    }
    if (count > HG_POINTER - length) {
        memcpy(pointer + length, tokens, HG_POINTER + 1 - length);
        return cut(pointer);
    }
    memcpy(pointer + length, tokens, count);
    pointer[length + count] = 0;
    return length + count;
}

uint32_t hg_pointer_keyword(char *pointer, uint32_t length, enum hg_keyword keyword) {
    char token[32] = "/"; /* "unevaluatedProperties" is the longest */
    struct hg_words words;
    if (keyword == HG_K_NONE) {
        return length;
    }
    hg_words_begin(&words, token + 1, sizeof token - 2);
    hg_words_say(&words, hg_keyword_name(keyword));
    return hg_pointer_push(pointer, length, token, words.length + 1);
}

void hg_pointer_shorten(char *pointer, uint32_t length) {
    if (!(length & HG_POINTER_CUT)) {
        pointer[length] = 0;
    }
}

/* Bytes of the whole pointer of `location`; *top: the location it begins at. No overflow: each text is in the program once, and that has
 * fewer bytes than 32 bits can count. */
static uint32_t pointer_length(const struct hg_program *program, hg_ref location, hg_ref *top) {
    uint32_t length = 0;
    *top = 0;
    while (location != 0) {
        const struct hg_location *here = hg_at(program, location);
        length += here->length;
        *top = location;
        location = here->parent;
    }
    return length;
}

uint32_t hg_pointer_down(const struct hg_program *program, hg_ref above, hg_ref location, char *pointer, uint32_t length) {
    hg_ref top, top_above;
    uint32_t end = pointer_length(program, location, &top);
    const uint32_t skipped = pointer_length(program, above, &top_above);
    if ((above != 0 && top != top_above) || end < skipped) {
        return UINT32_MAX;
    }
    if ((length & HG_POINTER_CUT) != 0) {
        return length;
    }
    const uint32_t total = end - skipped, room = HG_POINTER - length;
    /* Last piece first: [start, end) of the whole pointer, of which [skipped, skipped + room] goes behind `length`. */
    while (end > skipped) {
        const struct hg_location *here = hg_at(program, location);
        const uint8_t *text = hg_at(program, here->text);
        const uint32_t start = end - here->length;
        const uint32_t from = start > skipped ? start : skipped;
        const uint32_t to = end - skipped <= room ? end : skipped + room + 1;
        if (from < to) {
            memcpy(pointer + length + (from - skipped), text + (from - start), to - from);
        }
        end = start;
        location = here->parent;
    }
    if (total > room) {
        return cut(pointer);
    }
    pointer[length + total] = 0;
    return length + total;
}

uint32_t hg_location_document(const struct hg_program *program, hg_ref location) {
    uint32_t resource = 0;
    while (location != 0) {
        const struct hg_location *here = hg_at(program, location);
        resource = here->resource;
        location = here->parent;
    }
    return resource;
}

uint32_t hg_line(const uint8_t *data, uint32_t offset) {
    uint32_t line = 1;
    const uint8_t *end = data + offset;
    while ((data = memchr(data, '\n', (size_t)(end - data))) != NULL) {
        data++;
        line++;
    }
    return line;
}
