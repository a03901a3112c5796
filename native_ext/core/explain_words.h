/* The teller of an engine that explains: each violation with its pointers and a sentence. explain.h says what the functions do,
 * explain_text.h has what does not depend on the encoding. */
#ifndef HEADGATE_EXPLAIN_WORDS_H
#define HEADGATE_EXPLAIN_WORDS_H

#include "engine_run.h"
#include "explain.h"
#include "explain_text.h"
#include "values.h"

#define HG_EXPLAINS 1

/* The first HG_SHOWN characters of a text, as the inside of a JSON string or as a token of a pointer. */
static void x_characters(struct hg_words *words, const struct hg_text *text, uint32_t encoding, bool pointer) {
    uint32_t left = HG_SHOWN;
    if (!text->escaped) {
        (void)hg_words_piece(words, text->start, text->size, &left, pointer);
        return;
    }
    struct hg_pieces pieces;
    uint8_t piece[HG_PIECE];
    uint32_t length;
    r_pieces(&pieces, text, encoding);
    while ((length = r_piece(&pieces, piece)) > 0 && hg_words_piece(words, piece, length, &left, pointer)) {
    }
}

static void x_quoted(struct hg_words *words, const struct hg_text *text, uint32_t encoding) {
    hg_words_say(words, "\"");
    x_characters(words, text, encoding, false);
    hg_words_say(words, "\"");
}

/* How many items or members the container at p has, as far as it can be read: a fault in it is found again by the engine, and then no
 * violation counts. */
static uint32_t x_size(struct hg_run *run, const uint8_t *p, bool object) {
    struct hg_iter iter;
    uint32_t count = 0;
    p = r_open(run, p, &iter);
    if (p == NULL) {
        return 0;
    }
    for (int more = r_first(run, &p, &iter, object); more > 0; more = r_next(run, &p, &iter, object)) {
        struct hg_text name;
        if ((object && (p = r_name(run, p, &name)) == NULL) || (p = HG_R(skip)(run, p)) == NULL) {
            break;
        }
        count++;
    }
    return count;
}

/* The value at p as JSON text, cut short; containers by their size. */
static void x_show(struct hg_run *run, struct hg_words *words, const struct hg_node *node, const uint8_t *p) {
    uint32_t encoding = 0;
    struct hg_number number;
    struct hg_text text;
    uint8_t room[HG_NUMBER_TEXT];
    switch (r_token(run, &p)) {
    case HG_T_FAULT:
        return;
    case HG_T_NULL:
        hg_words_say(words, "null");
        return;
    case HG_T_FALSE:
        hg_words_say(words, "false");
        return;
    case HG_T_TRUE:
        hg_words_say(words, "true");
        return;
    case HG_T_NUMBER:
        if (r_number(run, p, &number, room) != NULL) {
            hg_words_number(words, &number);
        }
        return;
    case HG_T_BYTES:
        if ((node->flags & HG_NODE_BYTES) == 0) {
            break;
        }
        encoding = ((const struct hg_string_rules *)hg_at(run->program, node->string))->encoding;
        /* fall through */
    case HG_T_STRING:
        if (r_string(run, p, &text, encoding) != NULL) {
            x_quoted(words, &text, encoding);
        }
        return;
    case HG_T_ARRAY:
        hg_words_say(words, "an array with ");
        hg_words_count(words, x_size(run, p, false));
        hg_words_say(words, " items");
        return;
    case HG_T_OBJECT:
        hg_words_say(words, "an object with ");
        hg_words_count(words, x_size(run, p, true));
        hg_words_say(words, " members");
        return;
    case HG_T_FOREIGN:
        break;
    }
    hg_words_say(words, "a value that JSON does not have");
}

static HG_NOINLINE uint32_t x_name(struct hg_run *run, const struct hg_text *name) {
    struct hg_explain *explain = run->explain;
    char token[1 + HG_SHOWN * 4 + 3 + 1]; /* "~1" is shorter than the longest character */
    struct hg_words words;
    const uint32_t length = explain->instance_length;
    if (explain->full) {
        return length;
    }
    hg_words_begin(&words, token, sizeof token - 1);
    hg_words_say(&words, "/");
    x_characters(&words, name, 0, true);
    explain->instance_length = hg_pointer_push(explain->instance, length, token, words.length);
    return length;
}

static uint32_t x_index(struct hg_run *run, uint32_t index) {
    struct hg_explain *explain = run->explain;
    char token[12];
    struct hg_words words;
    const uint32_t length = explain->instance_length;
    hg_words_begin(&words, token, sizeof token - 1);
    hg_words_say(&words, "/");
    hg_words_count(&words, index);
    explain->instance_length = hg_pointer_push(explain->instance, length, token, words.length);
    return length;
}

static void x_leave(struct hg_run *run, uint32_t length) {
    struct hg_explain *explain = run->explain;
    explain->instance_length = length;
    hg_pointer_shorten(explain->instance, length);
}

static HG_NOINLINE uint32_t x_into(struct hg_run *run, const struct hg_node *node, enum hg_keyword keyword, hg_ref ref) {
    struct hg_explain *explain = run->explain;
    const uint32_t length = explain->keyword_length;
    uint32_t longer = UINT32_MAX;
    if (ref == 0 || explain->full) {
        return length;
    }
    if (keyword != HG_K_REF && keyword != HG_K_DYNAMIC_REF) {
        const struct hg_node *into = hg_at(run->program, ref);
        longer = hg_pointer_down(run->program, node->location, into->location, explain->keyword, length);
    }
    explain->keyword_length =
        longer != UINT32_MAX ? longer : hg_pointer_keyword(explain->keyword, length, keyword);
    return length;
}

static void x_out(struct hg_run *run, uint32_t length) {
    struct hg_explain *explain = run->explain;
    explain->keyword_length = length;
    hg_pointer_shorten(explain->keyword, length);
}

static HG_NOINLINE void x_violation(struct hg_run *run, const struct hg_node *node, enum hg_keyword keyword,
                                    const uint8_t *at, uint32_t detail, const struct hg_text *name) {
    struct hg_explain *explain = run->explain;
    char message[HG_MESSAGE + 1], schema[HG_POINTER + 8];
    struct hg_words words;
    if (explain->full) {
        explain->violated = true;
        return;
    }
    /* To show a value is to read it again, which must leave no trace. */
    const struct hg_noted before = hg_noted(run);
    const uint32_t steps = run->steps;
    (void)r_token(run, &at); /* the value itself, behind tags that say nothing here */
    hg_words_begin(&words, message, HG_MESSAGE);
    if (hg_words_before(&words, run->program, node, keyword, detail)) {
        if (name != NULL) {
            x_quoted(&words, name, 0);
        } else {
            x_show(run, &words, node, at);
        }
    }
    hg_words_after(&words, run->program, node, keyword, detail);
    hg_forget_since(run, &before);
    run->steps = steps;

    const enum hg_keyword blamed = hg_blamed(keyword);
    const struct hg_resource *resource = hg_at(run->program, run->program->resources);
    resource += hg_location_document(run->program, node->location);
    schema[0] = 0;
    uint32_t schema_length = hg_pointer_down(run->program, 0, node->location, schema, 0);
    schema_length = hg_pointer_keyword(schema, schema_length, blamed);
    const uint32_t outer = explain->keyword_length;
    explain->keyword_length = hg_pointer_keyword(explain->keyword, outer, blamed);
    const struct hg_violation violation = {
        .instance = explain->instance,
        .instance_length = hg_pointer_bytes(explain->instance_length),
        .keyword_location = explain->keyword,
        .keyword_location_length = hg_pointer_bytes(explain->keyword_length),
        .schema = schema,
        .schema_length = hg_pointer_bytes(schema_length),
        .schema_uri = hg_at(run->program, resource->uri),
        .schema_uri_length = resource->length,
        .message = message,
        .message_length = words.length,
        .offset = (uint32_t)(at - run->data),
    };
    if (!explain->violated) {
        explain->violated = true;
        explain->first = violation.offset;
    }
    explain->left--;
    explain->full = !explain->report(explain->context, &violation) || explain->left == 0;
    x_out(run, outer);
}

#endif
