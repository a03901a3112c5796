/* Messages into requests. What a message may say is decided by whoever serves the request; here it is only made sure that it
 * cannot say anything else than it would have said in a request of its own. */
#include "grpc/grpc_call.h"
#include "core/scan.h"

#define NOTHING {(const uint8_t *)"", 0}

/* What the fields of the requests are to us. */
enum slot { SLOT_NONE, SLOT_NAME, SLOT_BODY, SLOT_TYPE, SLOT_KEY, SLOT_MATCH, SLOT_NONE_MATCH, SLOT_TEXTS, SLOT_NUMBER };
#define USUAL 512 /* bytes of a request's head besides its fields */
#define FIELDS 7 /* numbers 1 to 6 */
static const uint8_t slots[HG_GRPC_METHODS][FIELDS] = {
    /* headgate/data/proto/headgate/v1: the messages' fields by number */
    [HG_GRPC_PUBLISH] = {SLOT_NONE, SLOT_NAME, SLOT_NUMBER, SLOT_BODY, SLOT_KEY},
    [HG_GRPC_VALIDATE] = {SLOT_NONE, SLOT_NAME, SLOT_NUMBER, SLOT_BODY},
    [HG_GRPC_VALIDATE_ONE] = {SLOT_NONE, SLOT_NAME, SLOT_NUMBER, SLOT_BODY},
    [HG_GRPC_GET] = {SLOT_NONE, SLOT_NAME, SLOT_NONE_MATCH, SLOT_MATCH},
    [HG_GRPC_PUT] = {SLOT_NONE, SLOT_NAME, SLOT_BODY, SLOT_TYPE, SLOT_NUMBER, SLOT_MATCH, SLOT_NONE_MATCH},
    [HG_GRPC_DELETE] = {SLOT_NONE, SLOT_NAME, SLOT_MATCH},
    [HG_GRPC_BATCH_GET] = {SLOT_NONE, SLOT_TEXTS},
};

struct line {
    const char *start; /* of the request line, up to the name */
    bool flat;         /* the name is one segment of the path */
    const char *field; /* what the name is called */
};
static const struct line lines[HG_GRPC_METHODS] = {
    [HG_GRPC_PUBLISH] = {"POST /v1/streams/", true, "stream"},
    [HG_GRPC_VALIDATE] = {"POST /v1/validate/", true, "stream"},
    [HG_GRPC_VALIDATE_ONE] = {"POST /v1/validate/", true, "stream"},
    [HG_GRPC_GET] = {"GET /v1/cache/", false, "key"},
    [HG_GRPC_PUT] = {"PUT /v1/cache/", false, "key"},
    [HG_GRPC_DELETE] = {"DELETE /v1/cache/", false, "key"},
    [HG_GRPC_BATCH_GET] = {"GET /v1/cache/", false, "keys"},
};

struct message {
    struct hg_view text[SLOT_TEXTS + 1]; /* by slot; of SLOT_TEXTS the last one */
    uint32_t number;
    uint32_t texts; /* how many of SLOT_TEXTS */
};

static bool is_text(struct hg_view bytes) {
    uint32_t characters = 0;
    return bytes.length == 0 || hg_utf8_fault(bytes.at, bytes.at + bytes.length, &characters) == NULL;
}

/* A field that comes twice counts as it came last; what is not known is passed over. */
static bool read_message(uint8_t method, struct hg_view bytes, struct message *message) {
    static const struct hg_view empty = NOTHING;
    struct hg_pb_field field;
    enum hg_pb_event event;
    uint32_t at = 0;
    *message = (struct message){.number = 0};
    for (uint32_t i = 0; i <= SLOT_TEXTS; i++) {
        message->text[i] = empty;
    }
    while ((event = hg_pb_next(bytes, &at, &field)) == HG_PB_FIELD) {
        const uint8_t slot = field.number < FIELDS ? slots[method][field.number] : SLOT_NONE;
        if (slot == SLOT_NUMBER && field.wire == HG_PB_VARINT) {
            message->number = (uint32_t)field.value;
        } else if (slot != SLOT_NONE && slot != SLOT_NUMBER && field.wire == HG_PB_BYTES) {
            if (slot != SLOT_BODY && !is_text(field.bytes)) { /* proto3: a string is UTF-8 */
                return false;
            }
            message->text[slot] = field.bytes;
            message->texts += slot == SLOT_TEXTS;
        }
    }
    return event == HG_PB_END;
}

static void refuse_field(struct hg_grpc_call *call, const char *field, const char *description) {
    const struct hg_grpc_violation violation = {hg_grpc_text(field), hg_grpc_text(description)};
    const struct hg_grpc_failure failure = {.status = HG_GRPC_INVALID_ARGUMENT, .message = violation.description,
                                            .code = NOTHING, .violations = &violation, .violation_count = 1};
    hg_grpc_end(call, &failure);
}

static bool is_plain(uint8_t c, bool flat) { /* RFC 3986 section 2.3: stays as it is in a path */
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
           c == '~' || (c == '/' && !flat);
}

static void put_name(struct hg_output *out, struct hg_view name, bool flat) {
    static const char hex[] = "0123456789ABCDEF";
    uint32_t from = 0;
    for (uint32_t i = 0; i < name.length; i++) {
        const uint8_t c = name.at[i];
        if (!is_plain(c, flat)) {
            const char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
            hg_output_add(out, name.at + from, i - from);
            hg_output_add(out, escape, sizeof escape);
            from = i + 1;
        }
    }
    hg_output_add(out, name.at + from, name.length - from);
}

/* A name that is a path: not empty, and of a stream without a slash, which would be read as one of the path. Longer ones than any
 * path could hold are not written out. */
static bool name_is_usable(struct hg_view name, bool flat) {
    bool usable = name.length != 0 && name.length <= HG_HTTP_LINE;
    for (uint32_t i = 0; usable && i < name.length; i++) {
        usable = name.at[i] >= 0x20 && name.at[i] != 0x7F && !(flat && name.at[i] == '/');
    }
    return usable;
}

static bool value_is_usable(struct hg_view value) { /* of a field: RFC 9110 section 5.5 */
    bool usable = value.length <= HG_HTTP_LINE;
    for (uint32_t i = 0; usable && i < value.length; i++) {
        usable = (value.at[i] >= 0x20 && value.at[i] != 0x7F) || value.at[i] == '\t';
    }
    return usable;
}

static void put_field(struct hg_output *out, const char *name, struct hg_view value) {
    if (value.length != 0) {
        hg_output_text(out, name);
        hg_output_add(out, value.at, value.length);
        hg_output_text(out, "\r\n");
    }
}

/* The request line and what every request has; Host means nothing to us, but HTTP/1.1 wants one. */
static void begin(struct hg_grpc_call *call, struct hg_view name) {
    const struct line *const line = &lines[call->method];
    struct hg_output *const out = &call->request;
    hg_output_text(out, line->start);
    put_name(out, name, line->flat);
    hg_output_text(out, " HTTP/1.1\r\nHost: grpc\r\n");
    if (call->fields.length != 0) {
        hg_output_add(out, call->fields.data, call->fields.length);
    }
}

static bool is_message(uint8_t method) {
    return method == HG_GRPC_PUBLISH || method == HG_GRPC_VALIDATE || method == HG_GRPC_VALIDATE_ONE;
}

static void put_body(struct hg_output *out, struct hg_view body) {
    hg_output_text(out, "Content-Length: ");
    hg_output_number(out, body.length);
    hg_output_text(out, "\r\n\r\n");
    hg_output_add(out, body.at, body.length);
}

static void finish(struct hg_grpc_call *call) {
    if (call->request.failed) {
        hg_grpc_fail(call, HG_GRPC_UNAVAILABLE, "out of memory, try again");
    } else {
        call->asked = true;
    }
}

static void ask_one(struct hg_grpc_call *call, const struct message *message) {
    struct hg_output *const out = &call->request;
    struct hg_view key = message->text[SLOT_KEY];
    (void)hg_output_room(out, call->fields.length + message->text[SLOT_BODY].length + USUAL); /* as a rule it need not grow */
    begin(call, message->text[SLOT_NAME]);
    if (is_message(call->method)) {
        put_field(out, "Content-Type: ", hg_grpc_text(message->number == 2 ? "application/cbor" : "application/json"));
        if (key.length == 0 && call->key.length != 0) {
            key = (struct hg_view){call->key.data, call->key.length};
        }
        if (key.length == 0 && call->keyed) { /* to be refused: who sends it expects to be stored once */
            hg_output_text(out, "Idempotency-Key: \r\n");
        }
        put_field(out, "Idempotency-Key: ", key);
        put_body(out, message->text[SLOT_BODY]);
    } else {
        put_field(out, "Content-Type: ", message->text[SLOT_TYPE]);
        put_field(out, "If-Match: ", message->text[SLOT_MATCH]);
        put_field(out, "If-None-Match: ", message->text[SLOT_NONE_MATCH]);
        if (call->method == HG_GRPC_PUT) {
            if (message->number != 0) {
                hg_output_text(out, "Cache-Control: max-age=");
                hg_output_number(out, message->number);
                hg_output_text(out, "\r\n");
            }
            put_body(out, message->text[SLOT_BODY]);
        } else {
            hg_output_text(out, "\r\n");
        }
    }
    finish(call);
}

void hg_grpc_ask(struct hg_grpc_call *call, struct hg_view bytes) {
    struct message message;
    if (!read_message(call->method, bytes, &message)) {
        hg_grpc_fail(call, HG_GRPC_INTERNAL, "the message is not well-formed protobuf");
    } else if (call->method == HG_GRPC_BATCH_GET) {
        if (message.texts == 0 || message.texts > HG_MANY_KEYS) {
            refuse_field(call, "keys", "1 to 64 keys");
            return;
        }
        if (call->message.length == 0) { /* a compressed one is there already */
            hg_output_add(&call->message, bytes.at, bytes.length);
        }
        if (call->message.failed) {
            hg_grpc_fail(call, HG_GRPC_UNAVAILABLE, "out of memory, try again");
        } else {
            (void)hg_grpc_ask_next(call);
        }
    } else if (!name_is_usable(message.text[SLOT_NAME], lines[call->method].flat)) {
        refuse_field(call, lines[call->method].field, "no name: empty, too long, or with control characters or slashes");
    } else if (is_message(call->method) && message.number > 2) {
        refuse_field(call, "encoding", "ENCODING_JSON or ENCODING_CBOR");
    } else if (!value_is_usable(message.text[SLOT_TYPE]) || !value_is_usable(message.text[SLOT_KEY]) ||
               !value_is_usable(message.text[SLOT_MATCH]) || !value_is_usable(message.text[SLOT_NONE_MATCH])) {
        hg_grpc_fail(call, HG_GRPC_INVALID_ARGUMENT, "a text with control characters, or too long");
    } else {
        ask_one(call, &message);
    }
}

/* The next key of a BatchGet from *at on; false: there is none. */
static bool next_key(const struct hg_grpc_call *call, uint32_t *at, struct hg_view *key) {
    const struct hg_view message = {call->message.data, call->message.length};
    struct hg_pb_field field;
    while (hg_pb_next(message, at, &field) == HG_PB_FIELD) {
        if (field.number == 1 && field.wire == HG_PB_BYTES) {
            *key = field.bytes;
            return true;
        }
    }
    return false;
}

bool hg_grpc_ask_next(struct hg_grpc_call *call) {
    uint32_t at = call->key_at;
    struct hg_view key;
    if (!next_key(call, &at, &key)) {
        return false;
    }
    if (!name_is_usable(key, false)) {
        refuse_field(call, "keys", "a key is empty, too long, or has control characters");
        return true;
    }
    begin(call, key);
    hg_output_text(&call->request, "\r\n");
    finish(call);
    return true;
}

struct hg_view hg_grpc_key_asked(const struct hg_grpc_call *call) {
    uint32_t at = call->key_at;
    struct hg_view key = NOTHING;
    (void)next_key(call, &at, &key);
    return key;
}

void hg_grpc_key_done(struct hg_grpc_call *call) {
    struct hg_view key;
    (void)next_key(call, &call->key_at, &key);
}
