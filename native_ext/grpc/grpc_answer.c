/* Answers into messages. They come from our own gateway, so their form is known: Content-Length, no chunks. */
#include "core/find.h"
#include "grpc/grpc_call.h"

#define PREFIX_LENGTH ((uint32_t)sizeof "urn:headgate:problem:" - 1) /* of a problem's `type` */
#define NOTHING {(const uint8_t *)"", 0}

/* An RFC 9457 body. Views are into call->answer. */
struct problem {
    struct hg_view code;
    struct hg_value detail, errors; /* start == NULL: none */
};

static struct problem read_problem(struct hg_view body) {
    static const char *const names[] = {"type", "detail", "errors", NULL};
    struct problem problem = {NOTHING, {NULL, NULL}, {NULL, NULL}};
    struct hg_value values[3];
    struct hg_view type;
    if (body.length == 0 || *body.at != '{') {
        return problem;
    }
    hg_find_members(hg_find_root(body), names, values);
    type = hg_value_is_text(values[0]) ? hg_value_plain(values[0]) : problem.code;
    if (type.at != NULL && type.length > PREFIX_LENGTH) {
        problem.code = (struct hg_view){type.at + PREFIX_LENGTH, type.length - PREFIX_LENGTH};
    }
    problem.detail = values[1];
    problem.errors = values[2];
    return problem;
}

/* The text of a JSON value, decoded at the end of `out`; a value that is not there is empty. Views into `out` hold until it
 * grows, so room for all is made beforehand. */
static struct hg_view text_of(struct hg_value value, struct hg_output *out) {
    struct hg_view text = NOTHING;
    uint8_t *room;
    if (hg_value_is_text(value)) {
        room = hg_output_room(out, (uint32_t)(value.end - value.start) + 2);
        if (room != NULL) {
            text = (struct hg_view){room, hg_value_decode(value, room)};
            hg_output_use(out, text.length);
        }
    }
    return text;
}

static struct hg_value first_of(struct hg_value errors) { return errors.start == NULL ? errors : hg_find_first(errors); }

/* The members of one of `errors`. */
static void violation_of(struct hg_value element, struct hg_output *texts, struct hg_view out[3]) {
    static const char *const names[] = {"instance", "schema", "message", NULL};
    struct hg_value values[3];
    hg_find_members(element, names, values);
    for (uint32_t i = 0; i < 3; i++) {
        out[i] = text_of(values[i], texts);
    }
}

/* Ends the call as the problem says. */
static void fail(struct hg_grpc_call *call, const struct problem *problem, struct hg_view body) {
    struct hg_grpc_violation violations[HG_SCHEMA_ERRORS];
    struct hg_grpc_failure failure = {.status = hg_grpc_status_of(call->reading.status, problem->code), .message = NOTHING,
                                      .code = problem->code, .violations = violations, .retry_s = call->reading.retry_s};
    struct hg_output texts;
    hg_output_init(&texts, &call->answer.alloc, HG_GRPC_ANSWER);
    (void)hg_output_room(&texts, body.length + 64); /* no text is longer than its JSON; so it does not move */
    failure.message = text_of(problem->detail, &texts);
    if (failure.message.length == 0) {
        failure.message = problem->code;
    }
    for (struct hg_value one = first_of(problem->errors); one.start != NULL && failure.violation_count < HG_SCHEMA_ERRORS;
         one = hg_find_next(problem->errors, one)) {
        struct hg_view members[3];
        violation_of(one, &texts, members);
        violations[failure.violation_count++] = (struct hg_grpc_violation){members[0], members[2]};
    }
    failure.violation_count = texts.failed ? 0 : failure.violation_count;
    hg_grpc_end(call, &failure);
    hg_output_clear(&texts);
}

static void write_verdict(struct hg_grpc_call *call, const struct problem *problem, struct hg_output *out) {
    struct hg_output texts;
    hg_output_init(&texts, &call->answer.alloc, HG_GRPC_ANSWER);
    hg_pb_number(out, 1, problem == NULL);
    if (problem != NULL) {
        hg_pb_bytes(out, 2, problem->code);
        hg_pb_bytes(out, 3, text_of(problem->detail, &texts));
        for (struct hg_value one = first_of(problem->errors); one.start != NULL; one = hg_find_next(problem->errors, one)) {
            struct hg_view members[3];
            const uint32_t mark = hg_pb_open(out, 4);
            texts.length = 0;
            (void)hg_output_room(&texts, (uint32_t)(one.end - one.start) + 8); /* so that no member moves */
            violation_of(one, &texts, members);
            for (uint32_t i = 0; i < 3; i++) {
                hg_pb_bytes(out, i + 1, members[i]);
            }
            hg_pb_close(out, mark);
        }
        out->failed = out->failed || texts.failed;
    }
    hg_output_clear(&texts);
}

static void write_receipt(const struct hg_grpc_reading *reading, struct hg_view body, struct hg_output *out) {
    static const char *const names[] = {"seq", "durability", NULL};
    struct hg_value values[2];
    hg_find_members(hg_find_root(body), names, values);
    if (hg_value_is_text(values[0])) {
        hg_pb_bytes(out, 1, hg_value_plain(values[0])); /* digits and a point */
    }
    hg_pb_number(out, 2, hg_value_is_text(values[1]) && hg_value_equals(values[1], hg_grpc_text("fsync")) ? 1 : 2);
    hg_pb_number(out, 3, reading->replayed);
}

static struct hg_view part(const struct hg_grpc_call *call, uint32_t at, uint32_t length) {
    return (struct hg_view){call->answer.data + at, length};
}

/* An Entry as field 1 of `out`; `key`: how it is called there. */
static void write_entry(const struct hg_grpc_call *call, struct hg_view key, struct hg_view value, struct hg_output *out) {
    const struct hg_grpc_reading *const reading = &call->reading;
    const uint32_t mark = hg_pb_open(out, 1);
    hg_pb_bytes(out, 1, key);
    hg_pb_bytes(out, 2, value);
    hg_pb_bytes(out, 3, part(call, reading->type_at, reading->type_length));
    hg_pb_bytes(out, 4, part(call, reading->etag_at, reading->etag_length));
    hg_pb_number(out, 5, reading->age_s);
    hg_pb_number(out, 6, reading->max_age_s);
    hg_pb_close(out, mark);
}

/* One key of a BatchGet was answered: the next one is asked for, or all that is known goes out. */
static void collect(struct hg_grpc_call *call, struct hg_view body) {
    const struct hg_view key = hg_grpc_key_asked(call);
    struct hg_view left;
    uint32_t mark;
    if (call->reading.status == 404) {
        hg_pb_bytes(&call->reply, 2, key);
    } else {
        write_entry(call, key, body, &call->reply);
        call->value_bytes += body.length;
    }
    hg_grpc_key_done(call);
    if (call->value_bytes < HG_MANY_BYTES && !call->closed && hg_grpc_ask_next(call)) {
        return;
    }
    while ((left = hg_grpc_key_asked(call)).length != 0) {
        hg_pb_bytes(&call->reply, 3, left);
        hg_grpc_key_done(call);
    }
    mark = hg_grpc_reply(call);
    hg_output_add(&call->data.bytes, call->reply.data, call->reply.length);
    call->data.bytes.failed = call->data.bytes.failed || call->reply.failed;
    hg_grpc_reply_end(call, mark);
    call->message.length = 0;
    hg_output_clear(&call->reply);
}

static bool is_verdict(const struct hg_grpc_call *call, struct hg_view code) {
    return (call->method == HG_GRPC_VALIDATE || call->method == HG_GRPC_VALIDATE_ONE) &&
           (hg_grpc_equals(code, "schema_violation") || hg_grpc_equals(code, "malformed_json") ||
            hg_grpc_equals(code, "malformed_cbor"));
}

void hg_grpc_answered(struct hg_grpc_call *call) {
    const struct hg_grpc_reading *const reading = &call->reading;
    const struct hg_view body = part(call, reading->head, reading->length);
    const bool failed = reading->status >= 400 && !(call->method == HG_GRPC_BATCH_GET && reading->status == 404);
    struct problem problem = {NOTHING, {NULL, NULL}, {NULL, NULL}};
    struct hg_output *const message = &call->data.bytes;
    uint32_t mark;
    if (failed) {
        problem = read_problem(body);
        if (!is_verdict(call, problem.code)) {
            fail(call, &problem, body);
            return;
        }
    }
    if (call->method == HG_GRPC_BATCH_GET) {
        collect(call, body);
        return;
    }
    mark = hg_grpc_reply(call);
    switch (call->method) {
    case HG_GRPC_PUBLISH: write_receipt(reading, body, message); break;
    case HG_GRPC_VALIDATE:
    case HG_GRPC_VALIDATE_ONE: write_verdict(call, failed ? &problem : NULL, message); break;
    case HG_GRPC_GET:
        write_entry(call, (struct hg_view)NOTHING, body, message);
        hg_pb_number(message, 2, reading->status == 304);
        break;
    case HG_GRPC_PUT:
        hg_pb_bytes(message, 1, part(call, reading->etag_at, reading->etag_length));
        hg_pb_number(message, 2, reading->status == 201);
        break;
    default: break; /* DeleteResponse is empty */
    }
    hg_grpc_reply_end(call, mark);
}
