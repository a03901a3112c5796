/* Messages in: one per request. The order of judgement is that of tasks/streams.py: token, scope, stream, key, rate, media type,
 * length; then the body: syntax, schema, intake. */
#include "find.h"
#include "number.h"
#include "serve_call.h"
#include "validate.h"

#define ACCEPTED "application/json, application/cbor, application/x-ndjson, application/cbor-seq"
#define JSON_FIELD "Content-Type: application/json\r\n"
#define NOTHING {(const uint8_t *)"", 0}

enum kind { KIND_JSON, KIND_CBOR, KIND_BATCH, KIND_OTHER };

/* The media type without its parameters. */
static enum kind kind_of(const struct hg_call *call) {
    struct hg_view type = hg_field_of(call, HG_FIELD_CONTENT_TYPE);
    const uint8_t *mark;
    if (type.at == NULL) {
        return KIND_OTHER;
    }
    if (hg_view_equals(type, "application/json")) { /* as a rule */
        return KIND_JSON;
    }
    mark = type.length == 0 ? NULL : memchr(type.at, ';', type.length);
    if (mark != NULL) {
        type = hg_trimmed((struct hg_view){type.at, (uint32_t)(mark - type.at)});
    }
    return hg_view_equals_any_case(type, "application/json")         ? KIND_JSON
           : hg_view_equals_any_case(type, "application/cbor")       ? KIND_CBOR
           : hg_view_equals_any_case(type, "application/x-ndjson")   ? KIND_BATCH
           : hg_view_equals_any_case(type, "application/cbor-seq")   ? KIND_BATCH
                                                                     : KIND_OTHER;
}

/* draft-ietf-httpapi-idempotency-key-header: a quoted string; bare is common and means the same. at == NULL: none was
 * given. false: it cannot be used. */
static bool read_key(const struct hg_call *call, struct hg_view *key) {
    *key = hg_field_of(call, HG_FIELD_IDEMPOTENCY_KEY);
    if (key->at == NULL) {
        return true;
    }
    if (key->length > 1 && key->at[0] == '"' && key->at[key->length - 1] == '"') {
        *key = (struct hg_view){key->at + 1, key->length - 2};
    }
    for (uint32_t i = 0; i < key->length; i++) {
        if (key->at[i] < 0x21 || key->at[i] > 0x7E || key->at[i] == '"') {
            return false;
        }
    }
    return key->length > 0 && key->length <= HG_IDEMPOTENCY_KEY;
}

/* W3C Trace Context section 3.2; at == NULL: none, or not valid, which it asks to ignore. */
static struct hg_view read_trace(const struct hg_call *call) {
    static const struct hg_view none = {NULL, 0};
    const struct hg_view value = hg_field_of(call, HG_FIELD_TRACEPARENT);
    bool parent = false, span = false;
    if (value.at == NULL || value.length < 55 ||
        (value.length > 55 && (memcmp(value.at, "00", 2) == 0 || value.at[55] != '-')) ||
        memcmp(value.at, "ff", 2) == 0) {
        return none;
    }
    for (uint32_t i = 0; i < 55; i++) {
        const uint8_t c = value.at[i];
        const bool dash = i == 2 || i == 35 || i == 52;
        if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return none;
        }
        parent = parent || (i > 2 && i < 35 && c != '0');
        span = span || (i > 35 && i < 52 && c != '0');
    }
    return parent && span ? (struct hg_view){value.at, 55} : none;
}

enum hg_served hg_message_head(struct hg_call *call) {
    struct hg_visit *visit = call->visit;
    const struct hg_view name = call->param[0];
    const struct hg_stream *stream = hg_plan_stream(visit->plan, name);
    const enum kind kind = kind_of(call);
    const struct hg_claims *claims;
    struct hg_view key;
    if (kind == KIND_BATCH || (visit->route == HG_ROUTE_PUBLISH && call->gate->intake == NULL) ||
        (stream != NULL && !stream->by_client && kind == KIND_CBOR)) {
        return HG_SERVED_ELSEWHERE;
    }
    claims = hg_authenticate(call);
    if (claims == NULL) {
        return HG_SERVED_ANSWER;
    }
    if (!hg_scope_allows(claims, "publish", name)) {
        return hg_deny_scope(call, "publish:", name);
    }
    if (stream == NULL) {
        return hg_deny(call, 404, HG_P_UNKNOWN_STREAM, "");
    }
    if (!read_key(call, &key)) {
        return hg_deny(call, 400, HG_P_BAD_IDEMPOTENCY_KEY, "1 to 128 visible ASCII characters");
    }
    if (!hg_take_rate(call, stream->name, (struct hg_view){visit->sub, visit->sub_length}, stream->rate_milli,
                      stream->burst)) {
        return HG_SERVED_ANSWER;
    }
    if (!hg_check_body(call)) {
        return HG_SERVED_ANSWER;
    }
    if (kind == KIND_OTHER) {
        return hg_deny_type(call, "send " ACCEPTED, "Accept-Post: " ACCEPTED "\r\n");
    }
    visit->stream = stream;
    visit->binary = kind == KIND_CBOR;
    visit->limit = stream->body_limit;
    return HG_SERVED_BODY;
}

/* Violations, as the members of the problem's `errors`. */
struct listing {
    struct hg_output *output; /* the texts, one after the other */
    struct {
        uint32_t offset, location_at, location_length, from, to;
    } found[HG_SCHEMA_ERRORS];
    uint32_t count;
};

static bool list_violation(void *context, const struct hg_violation *violation) {
    struct listing *listing = context;
    struct hg_output *output = listing->output;
    const uint32_t location_at = output->length, index = listing->count;
    hg_output_add(output, violation->keyword_location, violation->keyword_location_length);
    listing->found[index].offset = violation->offset;
    listing->found[index].location_at = location_at;
    listing->found[index].location_length = violation->keyword_location_length;
    listing->found[index].from = output->length;
    hg_output_text(output, "{\"instance\":");
    hg_output_json(output, (const uint8_t *)violation->instance, violation->instance_length);
    hg_output_text(output, ",\"schema\":");
    hg_output_json(output, (const uint8_t *)violation->schema, violation->schema_length);
    hg_output_text(output, ",\"message\":");
    hg_output_json(output, (const uint8_t *)violation->message, violation->message_length);
    hg_output_text(output, "}");
    listing->found[index].to = output->length;
    listing->count += 1;
    return listing->count < HG_SCHEMA_ERRORS && !output->failed;
}

/* In the order of the document; of one value, by where the keyword is. */
static bool comes_before(const struct listing *listing, uint32_t a, uint32_t b) {
    const uint32_t la = listing->found[a].location_length, lb = listing->found[b].location_length;
    int order;
    if (listing->found[a].offset != listing->found[b].offset) {
        return listing->found[a].offset < listing->found[b].offset;
    }
    order = memcmp(listing->output->data + listing->found[a].location_at,
                   listing->output->data + listing->found[b].location_at, la < lb ? la : lb);
    return order != 0 ? order < 0 : la < lb;
}

HG_RARE static enum hg_served refuse_malformed(struct hg_call *call, const struct hg_fault *fault) {
    struct hg_line detail = {0, {0}};
    struct hg_answer answer = {400, call->visit->binary ? HG_P_MALFORMED_CBOR : HG_P_MALFORMED_JSON, NOTHING, call->path,
                               NOTHING, NOTHING};
    hg_line_text(&detail, hg_fault_text(fault->reason));
    hg_line_text(&detail, " at byte ");
    hg_line_number(&detail, fault->offset);
    answer.detail = hg_line_of(&detail);
    return hg_deny_with(call, &answer);
}

/* The violations in order -> the member `errors`. */
static void write_errors(struct listing *listing, struct hg_output *members) {
    uint32_t order[HG_SCHEMA_ERRORS];
    for (uint32_t i = 0; i < listing->count; i++) {
        uint32_t at = i;
        for (; at > 0 && comes_before(listing, i, order[at - 1]); at--) {
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    hg_output_text(members, ",\"errors\":[");
    for (uint32_t i = 0; i < listing->count && !listing->output->failed; i++) {
        hg_output_text(members, i == 0 ? "" : ",");
        hg_output_add(members, listing->output->data + listing->found[order[i]].from,
                      listing->found[order[i]].to - listing->found[order[i]].from);
    }
    hg_output_text(members, "]");
}

/* 400 with the byte at which the message goes wrong, or 422 with what is wrong with it. A document that was refused at its first
 * violation may turn out to be malformed further on, which is said then. */
HG_RARE static enum hg_served refuse_body(struct hg_call *call, struct hg_view body, const struct hg_fault *first) {
    const struct hg_program *schema = call->visit->stream->schema;
    struct hg_answer answer = {422, HG_P_SCHEMA_VIOLATION, NOTHING, call->path, NOTHING, NOTHING};
    struct hg_output texts, members;
    struct listing listing = {.output = &texts};
    struct hg_fault fault = *first;
    enum hg_verdict verdict;
    if (body.length > schema->max_bytes) {
        return refuse_malformed(call, first);
    }
    hg_output_init(&texts, &call->gate->scratch.alloc, HG_SERVER_ANSWERS);
    hg_output_init(&members, &call->gate->scratch.alloc, HG_SERVER_ANSWERS);
    verdict = (call->visit->binary ? hg_explain_cbor : hg_explain_json)(schema, body.at, body.length, list_violation,
                                                                        &listing, &fault);
    if (verdict == HG_MALFORMED && fault.reason != HG_OUT_OF_STEPS) {
        (void)refuse_malformed(call, &fault);
    } else {
        if (verdict == HG_MALFORMED || listing.count == 0) { /* about the document as a whole */
            const char *words = hg_fault_text(fault.reason);
            const struct hg_violation whole = {.instance = "", .keyword_location = "", .schema = "", .message = words,
                                               .message_length = (uint32_t)strlen(words)};
            listing.count = 0;
            (void)list_violation(&listing, &whole);
        }
        write_errors(&listing, &members);
        if (!texts.failed && !members.failed) {
            answer.members = (struct hg_view){members.data, members.length};
        }
        (void)hg_deny_with(call, &answer);
    }
    hg_output_clear(&texts);
    hg_output_clear(&members);
    return HG_SERVED_ANSWER;
}

/* The text or integer that the stream's pointer leads to, as text in `out`; length 0: neither. */
static struct hg_view name_in(const struct hg_stream *stream, struct hg_view body, struct hg_output *out) {
    struct hg_value value = hg_find_root(body);
    struct hg_number number;
    enum hg_reason reason;
    const uint8_t *at;
    uint8_t *room;
    uint32_t length = 0;
    for (uint32_t i = 0; i < stream->token_count && value.start != NULL; i++) {
        value = hg_find_step(value, stream->tokens[i]);
    }
    out->length = 0;
    out->failed = false;
    room = value.start == NULL ? NULL : hg_output_room(out, (uint32_t)(value.end - value.start) + HG_NUMBER_TEXT);
    if (room == NULL) {
        return (struct hg_view){(const uint8_t *)"", 0};
    }
    if (hg_value_is_text(value)) {
        length = hg_value_decode(value, room);
    } else if ((*value.start == '-' || (*value.start >= '0' && *value.start <= '9')) &&
               hg_number_scan(value.start, &number, &reason, &at) != NULL) {
        (void)hg_number_normalize(&number);
        if (number.exponent >= 0 && number.exponent <= HG_JSON_NUMBER) { /* core/number.py: then it is an int */
            length = hg_number_format(&number, room);
        }
    }
    return (struct hg_view){room, length};
}

HG_RARE static enum hg_served refuse_intake(struct hg_call *call, const struct hg_problem *problem, uint32_t retry_s) {
    struct hg_line fields = {0, {0}};
    struct hg_answer answer = {problem->status, (enum hg_code)problem->code, hg_text_view(problem->detail), call->path,
                               NOTHING, NOTHING};
    hg_line_text(&fields, "Retry-After: ");
    hg_line_number(&fields, retry_s);
    hg_line_text(&fields, "\r\n");
    answer.fields = hg_line_of(&fields);
    return hg_deny_with(call, &answer);
}

static enum hg_served receipt(struct hg_call *call, struct hg_view seq, bool durable, bool replayed) {
    struct hg_line body;
    body.length = 0;
    hg_line_text(&body, "{\"seq\":\"");
    hg_line_view(&body, seq);
    hg_line_text(&body, durable ? "\",\"durability\":\"fsync\"}" : "\",\"durability\":\"memory\"}");
    return hg_answer_with(call, 202,
                          hg_text_view(replayed ? JSON_FIELD "Idempotent-Replayed: true\r\n" : JSON_FIELD),
                          hg_line_of(&body));
}

static void put_seq(struct hg_line *line, struct hg_gate *gate, uint64_t seq) {
    hg_line_numbers(line, &gate->seq_begins, (int64_t)gate->intake->boot, -1, '.');
    hg_line_number(line, (int64_t)seq);
}

/* When its last value is put: as it is stored, if it could still fail or be an old one come again. Otherwise as it comes, though its
 * answer may wait: that of a later message need not, and its value must not be replaced by this one. */
static bool is_put_by_commit(const struct hg_row *row) { return (row->flags & HG_ROW_DURABLE) != 0 || row->key.at != NULL; }

enum hg_served hg_message_body(struct hg_call *call, struct hg_view body, uint64_t waiter) {
    struct hg_gate *gate = call->gate;
    struct hg_visit *visit = call->visit;
    const struct hg_stream *stream = visit->stream;
    const struct hg_view client = {visit->sub, visit->sub_length};
    uint8_t last[HG_LAST_KEY];
    struct hg_line seq;
    struct hg_problem problem;
    struct hg_fault fault;
    struct hg_view key, name = client;
    uint32_t retry_s;
    uint64_t number;
    const enum hg_verdict verdict = visit->binary ? hg_validate_cbor(stream->schema, body.at, body.length, &fault)
                                                  : hg_validate_json(stream->schema, body.at, body.length, &fault);
    struct hg_row row = {.ts_ms = gate->clock.state == HG_CLOCK_UNSET ? -1 : gate->clock.now_s * 1000,
                         .at_ms = gate->now_ms,
                         .stream = stream->name,
                         .client = client,
                         .body = body,
                         .trace = read_trace(call),
                         .last_ttl_ms = stream->last_ttl_ms};
    if (verdict != HG_VALID) {
        return refuse_body(call, body, &fault);
    }
    if (visit->route == HG_ROUTE_VALIDATE) {
        gate->counters.validated += 1;
        return hg_answer_with(call, 200, hg_text_view(JSON_FIELD), hg_text_view("{\"valid\":true}"));
    }
    (void)read_key(call, &key); /* judged with the head */
    if (!stream->by_client) {
        name = name_in(stream, body, &gate->scratch);
    }
    row.key = key;
    row.flags = (stream->durable ? HG_ROW_DURABLE : 0u) | (visit->binary ? HG_ROW_CBOR : 0u);
    if (name.length != 0) {
        row.last = (struct hg_view){last, hg_last_key(stream->name, name, last)};
    }
    if (!is_put_by_commit(&row) && !hg_intake_crowded(gate->intake)) {
        row.flags |= HG_ROW_PROMISED;
    } else {
        row.waiter = waiter;
    }
    if (hg_intake_add(gate->intake, &row, &number, &problem, &retry_s) != HG_P_NONE) {
        return refuse_intake(call, &problem, retry_s);
    }
    if (!is_put_by_commit(&row)) {
        hg_put_last(gate, &row);
    }
    if ((row.flags & HG_ROW_PROMISED) == 0) {
        visit->keep_alive = call->request->keep_alive; /* all that its answer needs of the request */
        return HG_SERVED_LATER;
    }
    gate->counters.accepted += 1;
    seq.length = 0;
    put_seq(&seq, gate, number);
    return receipt(call, hg_line_of(&seq), false, false);
}

/* Who waits for a row is served as at first, but for the request, which is gone: its path says the stream only. */
static void waiting_call(struct hg_call *call, struct hg_request *request, struct hg_gate *gate, const struct hg_row *row,
                         struct hg_visit *visit, struct hg_output *output) {
    const uint32_t length = row->stream.length < 64 ? row->stream.length : 64; /* tasks/plan.py bounds it */
    *request = (struct hg_request){.keep_alive = visit->keep_alive};
    *call = (struct hg_call){.gate = gate, .request = request, .visit = visit, .output = output, .may_keep = true};
    memcpy(call->decoded, "/v1/streams/", 12);
    memcpy(call->decoded + 12, row->stream.at, length);
    call->path = (struct hg_view){call->decoded, 12 + length};
}

void hg_serve_committed(struct hg_gate *gate, const struct hg_row *row, struct hg_view replayed, struct hg_visit *visit,
                        struct hg_output *output) {
    struct hg_request request;
    struct hg_call call;
    struct hg_line seq;
    seq.length = 0;
    if (replayed.length != 0) {
        gate->counters.replayed += 1;
        hg_line_view(&seq, replayed);
    } else {
        gate->counters.accepted += 1;
        if (is_put_by_commit(row)) {
            hg_put_last(gate, row);
        }
        put_seq(&seq, gate, row->seq);
    }
    if (output != NULL) {
        waiting_call(&call, &request, gate, row, visit, output);
        (void)receipt(&call, hg_line_of(&seq), (row->flags & HG_ROW_DURABLE) != 0, replayed.length != 0);
    }
}

void hg_serve_failed(struct hg_gate *gate, const struct hg_row *row, const struct hg_problem *problem, uint32_t retry_s,
                     struct hg_visit *visit, struct hg_output *output) {
    struct hg_request request;
    struct hg_call call;
    if (output == NULL) {
        gate->counters.rejected[problem->code] += 1;
        return;
    }
    waiting_call(&call, &request, gate, row, visit, output);
    if (retry_s != 0) {
        (void)refuse_intake(&call, problem, retry_s);
    } else {
        (void)hg_deny(&call, problem->status, (enum hg_code)problem->code, problem->detail);
    }
}
