/* The key-value cache and the last values: two prefixes of one store, one byte budget. The entries are those of the twin
 * (tasks/cache.py): meta is "<max-age seconds, 0 = none> <monotonic ms of the PUT> <media type>". */
#include "scopes.h"
#include "serve_call.h"
#include "sha256.h"

#define BUCKET "cache:"       /* no stream can have this name */
#define TYPE_MAX 128          /* bytes of a media type */
#define MAX_AGE 2147483647    /* seconds; RFC 9111 section 1.2.2 */
#define PREFIX "kv/"
#define PREFIX_LENGTH 3
#define NOTHING {(const uint8_t *)"", 0}

uint32_t hg_last_key(struct hg_view stream, struct hg_view name, uint8_t key[HG_LAST_KEY]) {
    uint32_t length = 5;
    memcpy(key, "last/", 5);
    memcpy(key + length, stream.at, stream.length);
    length += stream.length;
    key[length++] = '/';
    if (name.length <= HG_LAST_KEY - length) {
        memcpy(key + length, name.at, name.length);
        return length + name.length;
    }
    key[length++] = 0; /* a name too long for a key goes by its hash */
    hg_sha256(hg_sha256_plain, name.at, name.length, key + length);
    return length + HG_SHA256;
}

void hg_put_last(struct hg_gate *gate, const struct hg_row *row) {
    struct hg_line meta;
    uint64_t version;
    if (row->last.length == 0) {
        return;
    }
    meta.length = 0;
    hg_line_numbers(&meta, &gate->last_begins, row->last_ttl_ms / 1000, gate->now_ms, ' ');
    hg_line_text(&meta, (row->flags & HG_ROW_CBOR) != 0 ? "application/cbor" : "application/json");
    /* One that does not fit is not cached. */
    (void)hg_store_put(gate->store, row->last.at, row->last.length, row->body.at, row->body.length, meta.text, meta.length,
                       row->last_ttl_ms, gate->now_ms, &version);
}

static void put_etag(struct hg_line *line, const struct hg_gate *gate, uint64_t version) {
    hg_line_text(line, "\"");
    hg_line_number(line, (int64_t)gate->boot);
    hg_line_text(line, "-");
    hg_line_number(line, (int64_t)version);
    hg_line_text(line, "\"");
}

/* RFC 9110 section 13.1: does If-Match (strong comparison) or If-None-Match (`weak`) name this ETag? Length 0: there is no
 * representation, which nothing matches, "*" neither. */
static bool matches(struct hg_view field, struct hg_view etag, bool weak) {
    uint32_t from = 0;
    if (etag.length == 0) {
        return false;
    }
    for (uint32_t i = 0; i <= field.length; i++) {
        if (i == field.length || field.at[i] == ',') {
            struct hg_view tag = hg_trimmed((struct hg_view){field.at + from, i - from});
            if (hg_view_equals(tag, "*")) {
                return true;
            }
            if (weak && tag.length > 2 && memcmp(tag.at, "W/", 2) == 0) {
                tag = (struct hg_view){tag.at + 2, tag.length - 2};
            }
            if (tag.length == etag.length && memcmp(tag.at, etag.at, tag.length) == 0) {
                return true;
            }
            from = i + 1;
        }
    }
    return false;
}

enum precondition { GO_ON, NOT_MODIFIED, ANSWERED };

/* RFC 9110 section 13.2.2. */
static enum precondition preconditions(struct hg_call *call, struct hg_view etag) {
    const struct hg_view match = hg_field_of(call, HG_FIELD_IF_MATCH);
    const struct hg_view none_match = hg_field_of(call, HG_FIELD_IF_NONE_MATCH);
    struct hg_answer answer;
    struct hg_line fields;
    if (match.at == NULL && none_match.at == NULL) { /* as a rule */
        return GO_ON;
    }
    answer = (struct hg_answer){412, HG_P_PRECONDITION_FAILED, NOTHING, call->path, NOTHING, NOTHING};
    if (match.at != NULL && !matches(match, etag, false)) {
        answer.detail = hg_text_view("If-Match");
    } else if (none_match.at != NULL && matches(none_match, etag, true)) {
        if (call->visit->verb == HG_GET || call->visit->verb == HG_HEAD) {
            return NOT_MODIFIED;
        }
        answer.detail = hg_text_view("If-None-Match");
    } else {
        return GO_ON;
    }
    fields.length = 0;
    if (etag.length != 0) {
        hg_line_text(&fields, "ETag: ");
        hg_line_view(&fields, etag);
        hg_line_text(&fields, "\r\n");
        answer.fields = hg_line_of(&fields);
    }
    (void)hg_deny_with(call, &answer);
    return ANSWERED;
}

/* The parts of an entry's meta. A restored entry may have been put before the monotonic clock's zero. */
static void split_meta(struct hg_view meta, struct hg_view *max_age, int64_t *stored_ms, struct hg_view *type) {
    const uint8_t *first = memchr(meta.at, ' ', meta.length);
    const uint32_t one = first == NULL ? meta.length : (uint32_t)(first - meta.at);
    uint32_t at = one + 1;
    const bool negative = at < meta.length && meta.at[at] == '-';
    *max_age = (struct hg_view){meta.at, one};
    *stored_ms = 0;
    for (at += negative; at < meta.length && meta.at[at] >= '0' && meta.at[at] <= '9'; at++) {
        *stored_ms = *stored_ms * 10 + (meta.at[at] - '0');
    }
    *stored_ms = negative ? -*stored_ms : *stored_ms;
    at = at < meta.length ? at + 1 : meta.length;
    *type = (struct hg_view){meta.at + at, meta.length - at};
}

#define TAG "ETag: "

static void make_fields(const struct hg_gate *gate, const struct hg_found *found, struct hg_value_fields *fields) {
    struct hg_view max_age, type;
    struct hg_line line;
    int64_t stored_ms, age_s;
    line.length = 0;
    split_meta((struct hg_view){found->meta, (uint32_t)found->meta_length}, &max_age, &stored_ms, &type);
    age_s = (gate->now_ms - stored_ms) / 1000;
    type.length = type.length < TYPE_MAX ? type.length : TYPE_MAX; /* as put_head lets in: so the ETag always fits */
    hg_line_text(&line, "Content-Type: ");
    hg_line_view(&line, type);
    hg_line_text(&line, "\r\n");
    fields->type = (uint16_t)line.length;
    hg_line_text(&line, TAG);
    put_etag(&line, gate, found->version);
    fields->etag = (uint16_t)(line.length - fields->type - (sizeof TAG - 1));
    hg_line_text(&line, "\r\nAge: ");
    hg_line_number(&line, age_s);
    hg_line_text(&line, "\r\nCache-Control: ");
    if (hg_view_equals(max_age, "0")) {
        hg_line_text(&line, "no-cache");
    } else {
        hg_line_text(&line, "max-age=");
        hg_line_view(&line, max_age);
    }
    /* The media type is what a client said, and a browser may look. */
    hg_line_text(&line, "\r\nX-Content-Type-Options: nosniff\r\n");
    fields->version = found->version;
    fields->until_ms = stored_ms + (age_s + 1) * 1000;
    fields->length = (uint16_t)line.length;
    memcpy(fields->text, line.text, line.length);
}

static enum hg_served answer_value(struct hg_call *call, const uint8_t *key, uint32_t length, enum hg_code missing) {
    struct hg_gate *gate = call->gate;
    struct hg_value_fields *fields = &gate->value_fields;
    struct hg_view shown;
    struct hg_found found;
    bool hit = false;
    if (hg_store_get(gate->store, key, length, gate->now_ms, &hit, &found) != HG_OK || !hit) {
        return hg_deny(call, 404, missing, ""); /* whatever is asked of the ETag: RFC 9110 section 13.2.1 */
    }
    if (fields->version != found.version || gate->now_ms >= fields->until_ms) {
        make_fields(gate, &found, fields);
    }
    switch (preconditions(call, (struct hg_view){fields->text + fields->type + sizeof TAG - 1, fields->etag})) {
    case ANSWERED: return HG_SERVED_ANSWER;
    case NOT_MODIFIED:
        shown = (struct hg_view){fields->text + fields->type, (uint32_t)(fields->length - fields->type)};
        return hg_answer_with(call, 304, shown, (struct hg_view)NOTHING);
    case GO_ON:
    default: break;
    }
    shown = (struct hg_view){fields->text, fields->length};
    return hg_answer_with(call, 200, shown, (struct hg_view){found.value, (uint32_t)found.value_length});
}

struct wanted {
    const char *verb;
    struct hg_view name;
};

/* Scopes cache:read, cache:write, cache:* for all keys; cache:read:<prefix>, cache:write:<prefix> for some. */
static bool allows(struct hg_view scope, const void *wanted) {
    const struct hg_view name = ((const struct wanted *)wanted)->name;
    const char *verb = ((const struct wanted *)wanted)->verb;
    const uint32_t verb_length = (uint32_t)strlen(verb);
    struct hg_view rest;
    if (scope.length < 7 || memcmp(scope.at, "cache:", 6) != 0) {
        return false;
    }
    rest = (struct hg_view){scope.at + 6, scope.length - 6};
    if (rest.length == 1 && *rest.at == '*') {
        return true;
    }
    if (rest.length < verb_length || memcmp(rest.at, verb, verb_length) != 0) {
        return false;
    }
    rest = (struct hg_view){rest.at + verb_length, rest.length - verb_length};
    return rest.length == 0 ||
           (*rest.at == ':' && rest.length - 1 <= name.length && memcmp(rest.at + 1, name.at, rest.length - 1) == 0);
}

static bool is_allowed(const struct hg_claims *claims, const char *verb, struct hg_view name) {
    const struct wanted wanted = {verb, name};
    return hg_any_scope(claims, allows, &wanted);
}

static bool take_cache_rate(struct hg_call *call) {
    const struct hg_plan_spec *spec = &call->visit->plan->spec;
    return hg_take_rate(call, hg_text_view(BUCKET), (struct hg_view){call->visit->sub, call->visit->sub_length},
                        spec->cache_rate_milli, spec->cache_burst);
}

/* The store's key of a path's; -> its length. */
static uint32_t cache_key(struct hg_view name, uint8_t key[HG_CACHE_KEY]) {
    memcpy(key, PREFIX, PREFIX_LENGTH);
    memcpy(key + PREFIX_LENGTH, name.at, name.length);
    return PREFIX_LENGTH + name.length;
}

static enum hg_served get_last(struct hg_call *call, const struct hg_claims *claims) {
    uint8_t key[HG_LAST_KEY];
    if (!hg_scope_allows(claims, "read", call->param[0])) {
        return hg_deny_scope(call, "read:", call->param[0]);
    }
    if (hg_plan_stream(call->visit->plan, call->param[0]) == NULL) {
        return hg_deny(call, 404, HG_P_UNKNOWN_STREAM, "");
    }
    if (!take_cache_rate(call)) {
        return HG_SERVED_ANSWER;
    }
    return answer_value(call, key, hg_last_key(call->param[0], call->param[1], key), HG_P_NO_LAST_VALUE);
}

/* max-age of a PUT in seconds, 0: none given; -1: refused. Other directives are for others. */
static int64_t max_age_of(struct hg_call *call) {
    const struct hg_view field = hg_field_of(call, HG_FIELD_CACHE_CONTROL);
    int64_t seconds = 0;
    uint32_t from = 0;
    for (uint32_t i = 0; field.at != NULL && i <= field.length; i++) {
        struct hg_view directive, value;
        const uint8_t *mark;
        int64_t number = 0;
        bool digits = true;
        if (i != field.length && field.at[i] != ',') {
            continue;
        }
        directive = hg_trimmed((struct hg_view){field.at + from, i - from});
        from = i + 1;
        mark = directive.length == 0 ? NULL : memchr(directive.at, '=', directive.length);
        value = (struct hg_view){directive.at + directive.length, 0};
        if (mark != NULL) {
            value = (struct hg_view){mark + 1, directive.length - (uint32_t)(mark - directive.at) - 1};
            directive.length = (uint32_t)(mark - directive.at);
        }
        if (!hg_view_equals_any_case(directive, "max-age")) {
            continue;
        }
        while (value.length != 0 && value.at[0] == '"') {
            value = (struct hg_view){value.at + 1, value.length - 1};
        }
        while (value.length != 0 && value.at[value.length - 1] == '"') {
            value.length -= 1;
        }
        while (value.length > 1 && value.at[0] == '0') {
            value = (struct hg_view){value.at + 1, value.length - 1};
        }
        for (uint32_t j = 0; j < value.length; j++) {
            digits = digits && value.at[j] >= '0' && value.at[j] <= '9';
            number = value.length <= 10 ? number * 10 + (value.at[j] - '0') : number | (value.at[j] - '0');
        }
        if (!digits || number == 0 || seconds != 0) { /* also when there is no value */
            (void)hg_deny(call, 400, HG_P_BAD_CACHE_CONTROL,
                            "max-age is one number of seconds, at least 1; DELETE removes a key");
            return -1;
        }
        seconds = value.length > 10 || number > MAX_AGE ? MAX_AGE : number;
    }
    return seconds;
}

/* What can be judged of a PUT before its body. */
static enum hg_served put_head(struct hg_call *call) {
    if (!hg_check_body(call)) {
        return HG_SERVED_ANSWER;
    }
    if (hg_has(call, HG_FIELD_CONTENT_RANGE)) { /* RFC 9110 section 14.5 */
        return hg_deny(call, 400, HG_P_BAD_CONTENT_RANGE, "a PUT replaces all there is: send it whole, without Content-Range");
    }
    if (hg_field_of(call, HG_FIELD_CONTENT_TYPE).length > TYPE_MAX) {
        return hg_deny_type(call, "a media type may have 128 bytes", "");
    }
    if (max_age_of(call) < 0) {
        return HG_SERVED_ANSWER;
    }
    call->visit->limit = call->visit->plan->spec.cache_value;
    return HG_SERVED_BODY;
}

static enum hg_served answer_change(struct hg_call *call, uint16_t status, uint64_t version) {
    struct hg_line fields;
    fields.length = 0;
    if (version != 0) {
        hg_line_text(&fields, "ETag: ");
        put_etag(&fields, call->gate, version);
        hg_line_text(&fields, "\r\n");
    }
    return hg_answer_with(call, status, hg_line_of(&fields), (struct hg_view){(const uint8_t *)"", 0});
}

/* Judges the preconditions against what is stored; *present: something is. `makes`: also against nothing, for the answer would be
 * no 404 (RFC 9110 section 13.2.1). */
static bool may_change(struct hg_call *call, const uint8_t *key, uint32_t length, bool makes, bool *present) {
    struct hg_line etag;
    struct hg_found found;
    etag.length = 0;
    *present = false;
    if (hg_store_get(call->gate->store, key, length, call->gate->now_ms, present, &found) == HG_OK && *present) {
        put_etag(&etag, call->gate, found.version);
    }
    return (!*present && !makes) || preconditions(call, hg_line_of(&etag)) != ANSWERED;
}

/* For the second level. false: there is no room to note it. */
static bool note_change(struct hg_gate *gate, const uint8_t *key, uint32_t length) {
    const uint8_t prefix = (uint8_t)(length - 1);
    uint8_t *at;
    if (!gate->shared) {
        return true;
    }
    at = hg_output_room(&gate->changes, length + 1);
    if (at == NULL) {
        gate->changes.failed = false; /* what is there is whole, and will be taken */
        return false;
    }
    at[0] = prefix;
    memcpy(at + 1, key, length);
    hg_output_use(&gate->changes, length + 1);
    return true;
}

enum hg_served hg_cache_put(struct hg_call *call, struct hg_view body) {
    struct hg_gate *gate = call->gate;
    const struct hg_view type = hg_field_of(call, HG_FIELD_CONTENT_TYPE);
    const int64_t max_age = max_age_of(call);
    const int64_t ttl_ms = max_age * 1000 < HG_CACHE_TTL_MS ? max_age * 1000 : HG_CACHE_TTL_MS;
    struct hg_line meta;
    uint8_t key[HG_CACHE_KEY];
    const uint32_t length = cache_key(call->param[0], key);
    const uint32_t noted = gate->changes.length;
    uint64_t version = 0;
    bool present;
    if (!may_change(call, key, length, true, &present)) {
        return HG_SERVED_ANSWER;
    }
    meta.length = 0;
    hg_line_number(&meta, max_age);
    hg_line_text(&meta, " ");
    hg_line_number(&meta, gate->now_ms);
    hg_line_text(&meta, " ");
    hg_line_view(&meta, type.length != 0 ? type : hg_text_view("application/octet-stream")); /* RFC 9110 section 8.3 */
    /* Noted first, for it must be; what is not stored after all is not told: of a key that is not here, that deletes it there. */
    if (!note_change(gate, key, length) ||
        hg_store_put(gate->store, key, length, body.at, body.length, meta.text, meta.length, ttl_ms, gate->now_ms,
                     &version) != HG_OK) {
        gate->changes.length = noted;
        return hg_deny_memory(call);
    }
    if (version == 0) {
        gate->changes.length = noted;
        return hg_deny(call, 413, HG_P_VALUE_TOO_LARGE, "");
    }
    return answer_change(call, present ? 204 : 201, version);
}

static enum hg_served delete_key(struct hg_call *call, const uint8_t *key, uint32_t length) {
    bool present, deleted;
    if (!may_change(call, key, length, false, &present)) {
        return HG_SERVED_ANSWER;
    }
    if (!present) {
        return hg_deny(call, 404, HG_P_NOT_CACHED, "");
    }
    if (!note_change(call->gate, key, length)) {
        return hg_deny_memory(call);
    }
    (void)hg_store_delete(call->gate->store, key, length, call->gate->now_ms, &deleted);
    return answer_change(call, 204, 0);
}

/* The key is not here, a second level may have it, and the answer depends on that. A PUT's does by its preconditions: it is the
 * twin's in any case then, for a key that goes while the body comes has to be asked for, which only the twin can. */
static bool is_elsewhere(struct hg_call *call) {
    const struct hg_view name = call->param[0];
    uint8_t key[HG_CACHE_KEY];
    struct hg_found found;
    uint32_t length;
    bool present;
    if (!call->gate->shared || name.length > HG_CACHE_KEY - PREFIX_LENGTH) {
        return false;
    }
    if (call->visit->verb == HG_PUT) {
        return hg_has(call, HG_FIELD_IF_MATCH) || hg_has(call, HG_FIELD_IF_NONE_MATCH);
    }
    length = cache_key(name, key);
    return hg_store_peek(call->gate->store, key, length, call->gate->now_ms, &present, &found) == HG_OK && !present;
}

enum hg_served hg_cache_head(struct hg_call *call) {
    const uint8_t verb = call->visit->verb;
    const bool writes = verb == HG_PUT || verb == HG_DELETE;
    const struct hg_claims *claims = hg_authenticate(call);
    uint8_t key[HG_CACHE_KEY];
    uint32_t length;
    if (claims == NULL) {
        return HG_SERVED_ANSWER;
    }
    if (call->visit->route == HG_ROUTE_LAST) {
        return get_last(call, claims);
    }
    if (!is_allowed(claims, writes ? "write" : "read", call->param[0])) {
        return hg_deny_scope(call, writes ? "cache:write" : "cache:read", (struct hg_view){(const uint8_t *)"", 0});
    }
    if (is_elsewhere(call)) {
        return HG_SERVED_ELSEWHERE;
    }
    if (!take_cache_rate(call)) {
        return HG_SERVED_ANSWER;
    }
    if (call->param[0].length > HG_CACHE_KEY - PREFIX_LENGTH) {
        return hg_deny(call, 414, HG_P_URI_TOO_LONG, "a key may have 253 bytes");
    }
    if (verb == HG_PUT) {
        return put_head(call);
    }
    length = cache_key(call->param[0], key);
    return verb == HG_DELETE ? delete_key(call, key, length) : answer_value(call, key, length, HG_P_NOT_CACHED);
}
