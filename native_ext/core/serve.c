#include "serve.h"

#include "decimal.h"
#include "serve_call.h"

#define NO_MEMBERS {(const uint8_t *)"", 0}

void hg_gate_init(struct hg_gate *gate, const struct hg_alloc *alloc) {
    *gate = (struct hg_gate){.dated_s = HG_UNDATED};
    hg_output_init(&gate->scratch, alloc, HG_SERVER_ANSWERS);
    hg_output_init(&gate->changes, alloc, HG_CHANGES_BYTES);
}

void hg_gate_clear(struct hg_gate *gate) {
    hg_output_clear(&gate->scratch);
    hg_output_clear(&gate->changes);
}

void hg_gate_time(struct hg_gate *gate, int64_t now_ms, const struct hg_clock *clock) {
    const int64_t dated_s = clock->state == HG_CLOCK_UNSET ? HG_UNDATED : clock->now_s;
    gate->now_ms = now_ms;
    gate->clock = *clock;
    if (dated_s != gate->dated_s) {
        gate->dated_s = dated_s;
        for (int i = 0; i < HG_BEGINNINGS; i++) {
            gate->beginnings[i].status = 0;
        }
    }
}

void hg_line_cut(struct hg_line *line, const void *data) {
    memcpy(line->text + line->length, data, sizeof line->text - line->length);
    line->length = sizeof line->text;
}

void hg_line_number(struct hg_line *line, int64_t number) {
    uint8_t digits[HG_DECIMAL];
    uint32_t at;
    if (number >= 0 && sizeof line->text - line->length >= HG_DECIMAL) { /* as a rule */
        line->length += hg_decimal_digits((uint64_t)number);
        (void)hg_decimal_before(line->text + line->length, (uint64_t)number);
        return;
    }
    at = hg_decimal(number, digits);
    hg_line_add(line, digits + at, HG_DECIMAL - at);
}

void hg_numbers_make(struct hg_numbers *made, int64_t first, int64_t second, char sign) {
    const int64_t numbers[2] = {first, second};
    made->first = first;
    made->second = second;
    made->length = 0;
    for (int i = 0; i < (second < 0 ? 1 : 2); i++) {
        uint8_t digits[HG_DECIMAL];
        const uint32_t at = hg_decimal(numbers[i], digits);
        memcpy(made->text + made->length, digits + at, HG_DECIMAL - at);
        made->length += HG_DECIMAL - at;
        made->text[made->length++] = (uint8_t)sign;
    }
}

struct hg_view hg_trimmed(struct hg_view text) {
    while (text.length != 0 && (text.at[text.length - 1] == ' ' || text.at[text.length - 1] == '\t')) {
        text.length -= 1;
    }
    while (text.length != 0 && (text.at[0] == ' ' || text.at[0] == '\t')) {
        text.at += 1;
        text.length -= 1;
    }
    return text;
}

bool hg_view_equals_any_case(struct hg_view view, const char *text) {
    if (view.length != strlen(text)) {
        return false;
    }
    if (memcmp(view.at, text, view.length) == 0) { /* as a rule */
        return true;
    }
    for (uint32_t i = 0; i < view.length; i++) {
        const uint8_t c = view.at[i];
        if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != (uint8_t)text[i]) {
            return false;
        }
    }
    return true;
}

void hg_call_init(struct hg_call *call, struct hg_gate *gate, const struct hg_request *request, const uint8_t *head,
                  struct hg_visit *visit, struct hg_output *output) {
    call->gate = gate;
    call->request = request;
    call->head = head;
    call->visit = visit;
    call->output = output;
    call->identity = (struct hg_view)NO_MEMBERS;
    call->may_keep = true;
    if (request->path_empty) {
        call->path = hg_text_view("/");
    } else {
        call->path = (struct hg_view){head + request->path.at, request->path.length};
        if (!request->path_plain) {
            call->path = (struct hg_view){call->decoded, hg_percent_decode(call->path, call->decoded)};
        }
    }
}

static struct hg_manner manner_of(struct hg_call *call) {
    struct hg_visit *visit = call->visit;
    visit->keep_alive = call->may_keep && call->request->keep_alive && !call->gate->draining;
    return (struct hg_manner){visit->keep_alive, visit->http10, visit->verb == HG_HEAD};
}

static bool is_message(const struct hg_visit *visit) {
    return visit->route == HG_ROUTE_PUBLISH || visit->route == HG_ROUTE_VALIDATE;
}

enum hg_served hg_deny_with(struct hg_call *call, const struct hg_answer *answer) {
    struct hg_gate *gate = call->gate;
    if (is_message(call->visit)) {
        gate->counters.rejected[answer->code] += 1;
    }
    hg_answer_problem(gate, answer, manner_of(call), call->output);
    hg_counters_finish(&gate->counters, answer->status, answer->code, gate->now_ms - call->visit->start_ms);
    return HG_SERVED_ANSWER;
}

enum hg_served hg_deny(struct hg_call *call, uint16_t status, enum hg_code code, const char *detail) {
    const struct hg_answer answer = {status, code, hg_text_view(detail), call->path, NO_MEMBERS, NO_MEMBERS};
    return hg_deny_with(call, &answer);
}

enum hg_served hg_answer_with(struct hg_call *call, uint16_t status, struct hg_view fields, struct hg_view body) {
    struct hg_gate *gate = call->gate;
    const struct hg_manner manner = manner_of(call);
    hg_answer_begin(gate, status, call->output);
    hg_output_add(call->output, fields.at, fields.length);
    hg_answer_end(status, manner, body, call->output);
    hg_counters_finish(&gate->counters, status, HG_P_NONE, gate->now_ms - call->visit->start_ms);
    return HG_SERVED_ANSWER;
}

/* RFC 6750 section 3, naming the claim. */
HG_RARE static void refuse_token(struct hg_call *call, const struct hg_token_error *error) {
    struct hg_line detail = {0, {0}}, fields = {0, {0}}, members = {0, {0}};
    struct hg_answer answer = {401, HG_P_INVALID_TOKEN, NO_MEMBERS, call->path, NO_MEMBERS, NO_MEMBERS};
    if (error->claim[0] != '\0') {
        hg_line_text(&detail, error->claim);
        hg_line_text(&detail, ": ");
    }
    hg_line_text(&detail, error->detail[0] != '\0' ? error->detail : error->code);
    hg_line_text(&fields, "WWW-Authenticate: Bearer error=\"invalid_token\", error_description=\"");
    hg_line_view(&fields, hg_line_of(&detail));
    hg_line_text(&fields, "\"\r\n");
    hg_line_text(&members, ",\"reason\":\"");
    hg_line_text(&members, error->code);
    if (error->claim[0] != '\0') {
        hg_line_text(&members, "\",\"claim\":\"");
        hg_line_text(&members, error->claim);
    }
    hg_line_text(&members, "\"");
    answer.detail = hg_line_of(&detail);
    answer.fields = hg_line_of(&fields);
    answer.members = hg_line_of(&members);
    (void)hg_deny_with(call, &answer);
}

static void set_client(struct hg_visit *visit, struct hg_view sub) {
    memcpy(visit->sub, sub.at, sub.length);
    visit->sub_length = (uint8_t)sub.length;
}

/* What the client's certificate allows; NULL: there is none, or none counts. */
static const struct hg_claims *claims_by_certificate(struct hg_call *call) {
    const struct hg_view scopes = call->visit->plan->spec.certificate_scopes;
    if (call->identity.length == 0 || call->identity.length > HG_TOKEN_SUBJECT || scopes.length == 0) {
        return NULL;
    }
    call->granted = (struct hg_claims){call->identity, scopes, NO_MEMBERS, 0, -1, -1, -1, NULL};
    set_client(call->visit, call->identity);
    return &call->granted;
}

const struct hg_claims *hg_authenticate(struct hg_call *call) {
    const struct hg_view value = hg_field_of(call, HG_FIELD_AUTHORIZATION);
    const struct hg_claims *claims = value.at == NULL ? claims_by_certificate(call) : NULL;
    struct hg_token_error error;
    struct hg_view token;
    if (claims != NULL) {
        return claims;
    }
    if (value.at == NULL || value.length < 7 ||
        (memcmp(value.at, "Bearer ", 7) != 0 && !hg_view_equals_any_case((struct hg_view){value.at, 7}, "bearer "))) {
        const struct hg_answer answer = {401,
                                         HG_P_MISSING_TOKEN,
                                         hg_text_view(value.at == NULL ? "" : "the scheme is Bearer"),
                                         call->path,
                                         hg_text_view("WWW-Authenticate: Bearer\r\n"),
                                         NO_MEMBERS};
        (void)hg_deny_with(call, &answer);
        return NULL;
    }
    token = (struct hg_view){value.at + 7, value.length - 7};
    while (token.length != 0 && token.at[0] == ' ') { /* none at the end: values come without */
        token.at += 1;
        token.length -= 1;
    }
    if (!hg_tokens_verify(call->visit->plan->spec.tokens, token.at, token.length, &call->gate->clock, &claims, &error)) {
        refuse_token(call, &error);
        return NULL;
    }
    set_client(call->visit, claims->sub);
    return claims;
}

enum hg_served hg_deny_scope(struct hg_call *call, const char *action, struct hg_view name) {
    struct hg_output *text = &call->gate->scratch; /* a name may be as long as a path */
    struct hg_answer answer = {403, HG_P_INSUFFICIENT_SCOPE, NO_MEMBERS, call->path, NO_MEMBERS, NO_MEMBERS};
    struct hg_output fields, detail;
    hg_output_init(&fields, &text->alloc, 2 * HG_HTTP_LINE);
    hg_output_init(&detail, &text->alloc, 2 * HG_HTTP_LINE);
    hg_output_text(&fields, "WWW-Authenticate: Bearer error=\"insufficient_scope\", scope=\"");
    hg_output_text(&fields, action);
    hg_output_add(&fields, name.at, name.length);
    hg_output_text(&fields, "\"\r\n");
    hg_output_text(&detail, "needs ");
    hg_output_text(&detail, action);
    hg_output_add(&detail, name.at, name.length);
    if (!fields.failed && !detail.failed) {
        answer.fields = (struct hg_view){fields.data, fields.length};
        answer.detail = (struct hg_view){detail.data, detail.length};
    }
    (void)hg_deny_with(call, &answer);
    hg_output_clear(&fields);
    hg_output_clear(&detail);
    return HG_SERVED_ANSWER;
}

enum hg_served hg_deny_memory(struct hg_call *call) {
    const struct hg_answer answer = {503, HG_P_OUT_OF_MEMORY, NO_MEMBERS, NO_MEMBERS, hg_text_view("Retry-After: 1\r\n"),
                                     NO_MEMBERS};
    return hg_deny_with(call, &answer);
}

enum hg_served hg_deny_type(struct hg_call *call, const char *detail, const char *fields) {
    const struct hg_answer answer = {415, HG_P_UNSUPPORTED_MEDIA_TYPE, hg_text_view(detail), call->path,
                                     hg_text_view(fields), NO_MEMBERS};
    return hg_deny_with(call, &answer);
}

bool hg_check_body(struct hg_call *call) {
    const struct hg_view coding = hg_field_of(call, HG_FIELD_CONTENT_ENCODING);
    if (call->request->length == 0 && !hg_has(call, HG_FIELD_CONTENT_LENGTH)) {
        (void)hg_deny(call, 411, HG_P_LENGTH_REQUIRED, "send Content-Length, or Transfer-Encoding: chunked");
        return false;
    }
    if (coding.at != NULL && !hg_view_equals_any_case(coding, "identity")) { /* RFC 9110 section 12.5.3 */
        (void)hg_deny_type(call, "content codings are not supported", "Accept-Encoding: identity\r\n");
        return false;
    }
    return true;
}

/* RFC 9110 section 10.2.3, draft-ietf-httpapi-ratelimit-headers. */
HG_RARE static void refuse_rate(struct hg_call *call, struct hg_view bucket, int64_t rate_milli, int64_t burst, int64_t wait_ms) {
    struct hg_line fields = {0, {0}}, detail = {0, {0}};
    struct hg_answer answer = {429, HG_P_RATE_LIMITED, NO_MEMBERS, call->path, NO_MEMBERS, NO_MEMBERS};
    const int64_t retry_s = (wait_ms + 999) / 1000;
    hg_line_text(&fields, "Retry-After: ");
    hg_line_number(&fields, retry_s);
    hg_line_text(&fields, "\r\nRateLimit-Policy: \"");
    hg_line_view(&fields, bucket);
    hg_line_text(&fields, "\";q=");
    hg_line_number(&fields, burst);
    hg_line_text(&fields, ";w=");
    hg_line_number(&fields, (burst * 1000 + rate_milli - 1) / rate_milli);
    hg_line_text(&fields, "\r\nRateLimit: \"");
    hg_line_view(&fields, bucket);
    hg_line_text(&fields, "\";r=0;t="); /* one was wanted */
    hg_line_number(&fields, retry_s);
    hg_line_text(&fields, "\r\n");
    hg_line_text(&detail, "wait ");
    hg_line_number(&detail, wait_ms);
    hg_line_text(&detail, " ms");
    answer.fields = hg_line_of(&fields);
    answer.detail = hg_line_of(&detail);
    (void)hg_deny_with(call, &answer);
}

bool hg_take_rate(struct hg_call *call, struct hg_view bucket, struct hg_view client, int64_t rate_milli, int64_t burst) {
    struct hg_line key;
    int64_t wait_ms = 0;
    key.length = 0;
    hg_line_view(&key, bucket);
    hg_line_add(&key, "", 1);
    hg_line_view(&key, client);
    if (hg_limiter_take(call->gate->limiter, key.text, key.length, rate_milli, burst, call->gate->now_ms, 1, &wait_ms,
                        NULL) != HG_OK) {
        (void)hg_deny_memory(call);
        return false;
    }
    if (wait_ms != 0) {
        refuse_rate(call, bucket, rate_milli, burst, wait_ms);
        return false;
    }
    return true;
}

/* Fields that the twin joins when they come more than once. */
#define JOINED                                                                                              \
    (1u << HG_FIELD_AUTHORIZATION | 1u << HG_FIELD_CONTENT_TYPE | 1u << HG_FIELD_CONTENT_ENCODING |         \
     1u << HG_FIELD_IDEMPOTENCY_KEY | 1u << HG_FIELD_TRACEPARENT | 1u << HG_FIELD_CACHE_CONTROL |           \
     1u << HG_FIELD_IF_MATCH | 1u << HG_FIELD_IF_NONE_MATCH)

HG_RARE static enum hg_served refuse_method(struct hg_call *call, enum hg_route route) {
    struct hg_line fields = {0, {0}};
    struct hg_answer answer = {405, HG_P_METHOD_NOT_ALLOWED, NO_MEMBERS, call->path, NO_MEMBERS, NO_MEMBERS};
    hg_line_text(&fields, "Allow: ");
    hg_line_text(&fields, hg_route_allow(route));
    hg_line_text(&fields, "\r\n");
    answer.fields = hg_line_of(&fields);
    call->visit->route = HG_ROUTE_NONE; /* not counted as a message */
    return hg_deny_with(call, &answer);
}

/* A call that grpc.h does not serve: its path is none of ours. */
static bool is_grpc(const struct hg_call *call) {
    static const char type[] = "application/grpc";
    const struct hg_view value = hg_field_of(call, HG_FIELD_CONTENT_TYPE);
    return value.at != NULL && value.length >= sizeof type - 1 && memcmp(value.at, type, sizeof type - 1) == 0;
}

enum hg_served hg_serve_head(struct hg_gate *gate, const struct hg_request *request, const uint8_t *head,
                             struct hg_view identity, bool body_known, struct hg_visit *visit, struct hg_output *output) {
    struct hg_call call;
    enum hg_route route;
    *visit = (struct hg_visit){.plan = gate->plan, .start_ms = gate->now_ms, .verb = request->verb,
                               .http10 = request->http10, .route = HG_ROUTE_NONE};
    if ((request->repeated & JOINED) != 0) {
        return HG_SERVED_ELSEWHERE;
    }
    hg_call_init(&call, gate, request, head, visit, output);
    call.identity = identity;
    call.may_keep = body_known;
    route = hg_route_of(call.path, call.param);
    if (route == HG_ROUTE_NONE && is_grpc(&call)) {
        return HG_SERVED_ELSEWHERE;
    }
    if (route == HG_ROUTE_NONE) {
        return hg_deny(&call, 404, HG_P_NOT_FOUND, "no such resource; GET / lists what there is");
    }
    if (!hg_route_takes(route, request->verb)) {
        return refuse_method(&call, route);
    }
    visit->route = (uint8_t)route;
    switch (route) {
    case HG_ROUTE_PUBLISH:
    case HG_ROUTE_VALIDATE: return hg_message_head(&call);
    case HG_ROUTE_LAST:
    case HG_ROUTE_CACHE: return hg_cache_head(&call);
    case HG_ROUTE_HEALTH:
        return hg_answer_with(&call, 200, hg_text_view("Content-Type: application/json\r\n"),
                              hg_text_view("{\"status\":\"ok\"}"));
    case HG_ROUTE_CACHE_MANY:
    case HG_ROUTE_UPDATE:
    case HG_ROUTE_READY:
    case HG_ROUTE_METRICS:
    case HG_ROUTE_INDEX:
    case HG_ROUTE_COUNT:
    case HG_ROUTE_NONE: break;
    }
    return HG_SERVED_ELSEWHERE;
}

enum hg_served hg_serve_body(struct hg_gate *gate, const struct hg_request *request, const uint8_t *head,
                             struct hg_visit *visit, struct hg_view body, uint64_t waiter, struct hg_output *output) {
    struct hg_call call;
    hg_call_init(&call, gate, request, head, visit, output);
    if (visit->route != HG_ROUTE_CACHE) {
        return hg_message_body(&call, body, waiter); /* its stream is known */
    }
    (void)hg_route_of(call.path, call.param); /* the key */
    return hg_cache_put(&call, body);
}

void hg_serve_refusal(struct hg_gate *gate, const struct hg_request *request, const uint8_t *head, struct hg_visit *visit,
                      const struct hg_problem *problem, bool keep, struct hg_output *output) {
    struct hg_call call;
    struct hg_line detail = {0, {0}};
    struct hg_answer answer = {problem->status, (enum hg_code)problem->code, NO_MEMBERS, NO_MEMBERS, NO_MEMBERS, NO_MEMBERS};
    hg_call_init(&call, gate, request, head, visit, output);
    call.may_keep = keep && !problem->close;
    answer.instance = call.path;
    if (problem->code == HG_P_BODY_TOO_LARGE) {
        hg_line_text(&detail, "this resource takes ");
        hg_line_number(&detail, visit->limit);
        hg_line_text(&detail, " bytes");
        answer.detail = hg_line_of(&detail);
    } else {
        answer.detail = hg_text_view(problem->detail);
    }
    if (problem->code == HG_P_OUT_OF_MEMORY) {
        answer.fields = hg_text_view("Retry-After: 1\r\n");
    }
    (void)hg_deny_with(&call, &answer);
}

void hg_serve_problem(struct hg_gate *gate, const struct hg_problem *problem, uint32_t retry_s, struct hg_output *output) {
    struct hg_line fields = {0, {0}};
    struct hg_answer answer = {problem->status,  (enum hg_code)problem->code, hg_text_view(problem->detail), NO_MEMBERS,
                               NO_MEMBERS, NO_MEMBERS};
    if (retry_s != 0) {
        hg_line_text(&fields, "Retry-After: ");
        hg_line_number(&fields, retry_s);
        hg_line_text(&fields, "\r\n");
        answer.fields = hg_line_of(&fields);
    }
    hg_answer_problem(gate, &answer, (struct hg_manner){false, false, false}, output);
    hg_counters_finish(&gate->counters, answer.status, answer.code, 0);
}
