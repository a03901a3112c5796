/* What the files of the gateway share: one request being judged. */
#ifndef HEADGATE_SERVE_CALL_H
#define HEADGATE_SERVE_CALL_H

#include "answer.h"
#include "inline.h"
#include "limits.h"
#include "router.h"

struct hg_call {
    struct hg_gate *gate;
    const struct hg_request *request;
    const uint8_t *head;
    struct hg_visit *visit;
    struct hg_output *output;
    bool may_keep; /* the rest of the request can be read over */
    struct hg_view identity;  /* by the client's TLS certificate */
    struct hg_claims granted; /* what it allows */
    struct hg_view path; /* decoded */
    struct hg_view param[2];
    uint8_t decoded[HG_HTTP_LINE];
};

void hg_call_init(struct hg_call *call, struct hg_gate *gate, const struct hg_request *request, const uint8_t *head,
                  struct hg_visit *visit, struct hg_output *output);

static inline bool hg_has(const struct hg_call *call, enum hg_field field) { return call->request->field[field].at != 0; }
/* The value of a field; at == NULL: absent. */
static inline struct hg_view hg_field_of(const struct hg_call *call, enum hg_field field) {
    const struct hg_span span = call->request->field[field];
    return (struct hg_view){span.at == 0 ? NULL : call->head + span.at, span.length};
}
static inline bool hg_view_equals(struct hg_view view, const char *text) {
    return view.length == strlen(text) && memcmp(view.at, text, view.length) == 0;
}
struct hg_view hg_trimmed(struct hg_view text);                      /* without spaces and tabs around */
bool hg_view_equals_any_case(struct hg_view view, const char *text); /* `text` in lower case */

/* Ends: a problem that the client is told; -> HG_SERVED_ANSWER. */
HG_RARE enum hg_served hg_deny(struct hg_call *call, uint16_t status, enum hg_code code, const char *detail);
HG_RARE enum hg_served hg_deny_with(struct hg_call *call, const struct hg_answer *answer);
HG_RARE enum hg_served hg_deny_memory(struct hg_call *call); /* 503 out_of_memory */
/* 411 when no body was announced at all, 415 for a content coding; false: refused. */
bool hg_check_body(struct hg_call *call);
HG_RARE enum hg_served hg_deny_type(struct hg_call *call, const char *detail, const char *fields); /* 415; `fields`: whole lines */
/* Ends: an answer that is no problem. `fields`: whole lines. */
enum hg_served hg_answer_with(struct hg_call *call, uint16_t status, struct hg_view fields, struct hg_view body);

/* The token's claims, or without one the certificate's; valid until the next token is looked at. NULL: refused. */
const struct hg_claims *hg_authenticate(struct hg_call *call);
HG_RARE enum hg_served hg_deny_scope(struct hg_call *call, const char *action, struct hg_view name);
/* Takes one token of the client's bucket; false: refused. */
bool hg_take_rate(struct hg_call *call, struct hg_view bucket, struct hg_view client, int64_t rate_milli, int64_t burst);

/* A text put together within its own bytes, of which `length` count; too much is cut. On the way of every request only `length`
 * is set at first: clearing all of it would cost more than the text does. */
struct hg_line {
    uint32_t length;
    uint8_t text[HG_FIELDS];
};
HG_RARE void hg_line_cut(struct hg_line *line, const void *data); /* adds as much as there is room for */
HG_INLINE void hg_line_add(struct hg_line *line, const void *data, size_t length) {
    if (HG_UNLIKELY(length > sizeof line->text - line->length)) {
        hg_line_cut(line, data);
    } else {
        memcpy(line->text + line->length, data, length); /* of a constant size as a rule, which is no call */
        line->length += (uint32_t)length;
    }
}
HG_INLINE void hg_line_text(struct hg_line *line, const char *text) { hg_line_add(line, text, strlen(text)); }
HG_INLINE void hg_line_view(struct hg_line *line, struct hg_view view) { hg_line_add(line, view.at, view.length); }
void hg_line_number(struct hg_line *line, int64_t number);
HG_RARE void hg_numbers_make(struct hg_numbers *made, int64_t first, int64_t second, char sign);
/* first and sign, and if it is not negative second and sign, neither of which is long. */
HG_INLINE void hg_line_numbers(struct hg_line *line, struct hg_numbers *made, int64_t first, int64_t second, char sign) {
    if (HG_UNLIKELY(made->length == 0 || made->first != first || made->second != second)) {
        hg_numbers_make(made, first, second, sign);
    }
    if (sizeof line->text - line->length < sizeof made->text) {
        hg_line_add(line, made->text, made->length);
    } else {
        memcpy(line->text + line->length, made->text, sizeof made->text); /* of a constant size */
        line->length += made->length;
    }
}
static inline struct hg_view hg_line_of(const struct hg_line *line) { return (struct hg_view){line->text, line->length}; }

/* serve_message.c */
enum hg_served hg_message_head(struct hg_call *call);
enum hg_served hg_message_body(struct hg_call *call, struct hg_view body, uint64_t waiter);
/* serve_cache.c */
enum hg_served hg_cache_head(struct hg_call *call);
enum hg_served hg_cache_put(struct hg_call *call, struct hg_view body);
void hg_put_last(struct hg_gate *gate, const struct hg_row *row);
#define HG_LAST_KEY HG_CACHE_KEY
/* The key of a last value; -> its length. */
uint32_t hg_last_key(struct hg_view stream, struct hg_view name, uint8_t key[HG_LAST_KEY]);

#endif
