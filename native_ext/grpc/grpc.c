#include "grpc/gzip.h"
#include "grpc/grpc_call.h"

#define PREFIX 5 /* bytes before each message: whether it is compressed, and its length */
#define NOTHING {(const uint8_t *)"", 0}

static const struct {
    const char *path;
    enum hg_grpc_method method;
} methods[] = {
    {"/headgate.v1.Ingest/Publish", HG_GRPC_PUBLISH},
    {"/headgate.v1.Ingest/PublishStream", HG_GRPC_LENT},
    {"/headgate.v1.Validator/Validate", HG_GRPC_VALIDATE},
    {"/headgate.v1.Validator/ValidateOne", HG_GRPC_VALIDATE_ONE},
    {"/headgate.v1.Cache/Get", HG_GRPC_GET},
    {"/headgate.v1.Cache/Put", HG_GRPC_PUT},
    {"/headgate.v1.Cache/Delete", HG_GRPC_DELETE},
    {"/headgate.v1.Cache/BatchGet", HG_GRPC_BATCH_GET},
    {"/grpc.health.v1.Health/Check", HG_GRPC_LENT},
    {"/grpc.health.v1.Health/Watch", HG_GRPC_LENT},
    {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", HG_GRPC_LENT},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", HG_GRPC_LENT},
};

enum hg_grpc_method hg_grpc_method_of(struct hg_view path) {
    for (uint32_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (hg_grpc_equals(path, methods[i].path)) {
            return methods[i].method;
        }
    }
    return HG_GRPC_NONE;
}

static bool takes_one(const struct hg_grpc_call *call) { return call->method != HG_GRPC_VALIDATE; }

bool hg_grpc_is(struct hg_view type) {
    static const char plain[] = "application/grpc", proto[] = "+proto";
    uint32_t at = sizeof plain - 1;
    if (type.length < at || memcmp(type.at, plain, at) != 0) {
        return false;
    }
    if (type.length - at >= sizeof proto - 1 && memcmp(type.at + at, proto, sizeof proto - 1) == 0) {
        at += (uint32_t)sizeof proto - 1;
    }
    while (at < type.length && (type.at[at] == ' ' || type.at[at] == '\t')) {
        at += 1;
    }
    return at == type.length || type.at[at] == ';';
}

/* --- how it ends --------------------------------------------------------------------------------------------------- */

void hg_grpc_end(struct hg_grpc_call *call, const struct hg_grpc_failure *failure) {
    struct hg_output scratch;
    if (call->done) {
        return;
    }
    hg_output_init(&scratch, &call->answer.alloc, HG_GRPC_DETAILS + HG_GRPC_STATUS_TEXT);
    hg_grpc_trailers(failure, &scratch, &call->trailers);
    hg_output_clear(&scratch);
    call->done = true;
    call->asked = false;
    call->mute = call->trailers.failed;
}

void hg_grpc_fail(struct hg_grpc_call *call, enum hg_grpc_status status, const char *message) {
    const struct hg_grpc_failure failure = {.status = status, .message = hg_grpc_text(message), .code = NOTHING};
    hg_grpc_end(call, &failure);
}

static void no_memory(struct hg_grpc_call *call) { hg_grpc_fail(call, HG_GRPC_UNAVAILABLE, "out of memory, try again"); }

/* --- messages of the peer ------------------------------------------------------------------------------------------ */

static uint32_t big_endian(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void decompress(struct hg_grpc_call *call, struct hg_view frame) {
    hg_output_clear(&call->message);
    if (!call->gzip) {
        if (call->unknown_coding) {
            hg_grpc_fail(call, HG_GRPC_UNIMPLEMENTED, "grpc-encoding: identity and gzip are understood");
        } else {
            hg_grpc_fail(call, HG_GRPC_INTERNAL, "a compressed message, and no grpc-encoding");
        }
    } else if (!hg_gunzip(frame, &call->message)) {
        if (call->message.failed && call->message.length >= HG_GRPC_MESSAGE / 2) {
            hg_grpc_fail(call, HG_GRPC_RESOURCE_EXHAUSTED, "a message may have 266240 bytes");
        } else if (call->message.failed) {
            no_memory(call);
        } else {
            hg_grpc_fail(call, HG_GRPC_INTERNAL, "the message is not well-formed gzip");
        }
    } else {
        const struct hg_view nothing = NOTHING, message = {call->message.data, call->message.length};
        hg_grpc_ask(call, message.length == 0 ? nothing : message);
    }
}

/* The message at the beginning of what is held, if it is whole: asked for. -> its bytes, 0: there is none */
static uint32_t take_message(struct hg_grpc_call *call, const uint8_t *data, uint32_t length) {
    uint32_t size;
    if (length < PREFIX) {
        return 0;
    }
    size = big_endian(data + 1);
    if (data[0] > 1) {
        hg_grpc_fail(call, HG_GRPC_INTERNAL, "a message's first byte is neither 0 nor 1");
    } else if (size > HG_GRPC_MESSAGE) {
        hg_grpc_fail(call, HG_GRPC_RESOURCE_EXHAUSTED, "a message may have 266240 bytes");
    } else if (length - PREFIX < size) {
        return 0;
    } else if (call->count != 0 && takes_one(call)) {
        hg_grpc_fail(call, HG_GRPC_UNIMPLEMENTED, "this method takes one message");
    } else if (call->closed) {
        hg_grpc_fail(call, HG_GRPC_UNAVAILABLE, "shutting down");
    } else {
        call->count += 1;
        if (data[0] != 0) {
            decompress(call, (struct hg_view){data + PREFIX, size});
        } else {
            hg_grpc_ask(call, (struct hg_view){data + PREFIX, size});
        }
        return PREFIX + size;
    }
    return 0;
}

/* Goes on with what is here: the next message, or the end. -> bytes taken of data[0..length) */
static uint32_t go_on(struct hg_grpc_call *call, const uint8_t *data, uint32_t length) {
    uint32_t used = 0;
    if (hg_grpc_left(&call->data).length >= HG_GRPC_UNSENT) { /* the peer takes these first */
        return 0;
    }
    if (!call->done && !call->asked) {
        used = take_message(call, data, length);
    }
    if (!call->done && !call->asked && call->ended) {
        if (length != used) {
            hg_grpc_fail(call, HG_GRPC_INTERNAL, "the stream ends inside a message");
        } else if (call->count == 0 && takes_one(call)) {
            hg_grpc_fail(call, HG_GRPC_UNIMPLEMENTED, "this method takes one message, and none came");
        } else {
            hg_grpc_fail(call, HG_GRPC_OK, "");
        }
    }
    return used;
}

/* The first ones are done with. What is left moves when it is the smaller part, so that no byte moves often. */
static void drop(struct hg_grpc_queue *queue, uint32_t length) {
    struct hg_output *const bytes = &queue->bytes;
    queue->at += length;
    if (queue->at == bytes->length) {
        hg_output_clear(bytes);
        queue->at = 0;
    } else if (queue->at > bytes->length / 2) {
        memmove(bytes->data, bytes->data + queue->at, bytes->length - queue->at);
        bytes->length -= queue->at;
        queue->at = 0;
    }
}

/* ... with what is held. */
static void go_on_held(struct hg_grpc_call *call) {
    const struct hg_view held = hg_grpc_left(&call->held);
    const uint32_t used = go_on(call, held.at, held.length);
    if (used != 0) {
        call->credit += used > call->granted ? used - call->granted : 0;
        call->granted -= used > call->granted ? call->granted : used;
        drop(&call->held, used);
    }
    if (!call->asked && hg_grpc_left(&call->data).length < HG_GRPC_UNSENT) { /* then it is one message, of which more has to come */
        call->credit += held.length - used - call->granted;
        call->granted = held.length - used;
    }
}

/* The peer may send one message, and meanwhile as much as its window has: what is taken is given back as it is taken. */
void hg_grpc_input(struct hg_grpc_call *call, const uint8_t *data, uint32_t length, bool end) {
    call->ended = call->ended || end;
    if (call->done) {
        call->credit += length;
        return;
    }
    if (hg_grpc_left(&call->held).length == 0) { /* as a rule a message comes in one piece */
        const uint32_t used = go_on(call, data, length);
        call->credit += used;
        data += used;
        length -= used;
    }
    if (length != 0 && !call->done) {
        hg_output_add(&call->held.bytes, data, length);
        if (call->held.bytes.failed) {
            no_memory(call);
        }
    }
    if (hg_grpc_left(&call->held).length != 0) {
        go_on_held(call);
    }
}

void hg_grpc_crowded(struct hg_grpc_call *call) {
    hg_grpc_fail(call, HG_GRPC_UNAVAILABLE, "too many large messages at a time, try again");
    call->credit += hg_grpc_left(&call->held).length - call->granted;
    call->granted = 0;
    hg_output_clear(&call->held.bytes);
    call->held.at = 0;
}

/* --- the connection's answers -------------------------------------------------------------------------------------- */

uint32_t hg_grpc_reply(struct hg_grpc_call *call) {
    static const uint8_t prefix[PREFIX] = {0};
    const uint32_t mark = call->data.bytes.length;
    hg_output_add(&call->data.bytes, prefix, PREFIX);
    return mark;
}

void hg_grpc_reply_end(struct hg_grpc_call *call, uint32_t mark) {
    struct hg_output *const bytes = &call->data.bytes;
    if (bytes->failed) {
        bytes->length = mark;
        no_memory(call);
    } else {
        const uint32_t length = bytes->length - mark - PREFIX;
        uint8_t *const at = bytes->data + mark + 1; /* not compressed */
        at[0] = (uint8_t)(length >> 24);
        at[1] = (uint8_t)(length >> 16);
        at[2] = (uint8_t)(length >> 8);
        at[3] = (uint8_t)length;
    }
}

void hg_grpc_sent(struct hg_grpc_call *call, uint32_t length) {
    drop(&call->data, length);
    go_on_held(call);
}

/* Names differ by case only. `name`: in lower case */
static bool is_name(const uint8_t *at, const char *name, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) {
        if ((uint8_t)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] | 0x20 : at[i]) != (uint8_t)name[i]) {
            return false;
        }
    }
    return true;
}

static uint32_t number_in(struct hg_view text) { /* the digits it begins with; more than fit: the most */
    uint64_t number = 0;
    for (uint32_t i = 0; i < text.length && text.at[i] >= '0' && text.at[i] <= '9'; i++) {
        number = number * 10 + (uint64_t)(text.at[i] - '0');
        number = number > UINT32_MAX ? UINT32_MAX : number;
    }
    return (uint32_t)number;
}

/* Fields of an answer that mean something here, by the lengths of their names, which all differ. */
enum meaning { MEANS_NOTHING, MEANS_AGE, MEANS_ETAG, MEANS_CONNECTION, MEANS_RETRY, MEANS_TYPE, MEANS_CACHE, MEANS_LENGTH,
               MEANS_REPLAYED };
static const struct {
    const char *name;
    enum meaning meaning;
} fields[] = {
    [3] = {"age", MEANS_AGE},
    [4] = {"etag", MEANS_ETAG},
    [10] = {"connection", MEANS_CONNECTION},
    [11] = {"retry-after", MEANS_RETRY},
    [12] = {"content-type", MEANS_TYPE},
    [13] = {"cache-control", MEANS_CACHE},
    [14] = {"content-length", MEANS_LENGTH},
    [19] = {"idempotent-replayed", MEANS_REPLAYED},
};

/* "Name: value" */
static void read_line(struct hg_grpc_call *call, struct hg_view line) {
    static const char max_age[] = "max-age=";
    struct hg_grpc_reading *const reading = &call->reading;
    const uint8_t *const colon = memchr(line.at, ':', line.length);
    const uint32_t name = colon == NULL ? 0 : (uint32_t)(colon - line.at);
    struct hg_view value;
    if (name >= sizeof fields / sizeof *fields || fields[name].name == NULL || !is_name(line.at, fields[name].name, name)) {
        return;
    }
    value = (struct hg_view){colon + 1, line.length - name - 1};
    while (value.length != 0 && *value.at == ' ') {
        value.at += 1;
        value.length -= 1;
    }
    switch (fields[name].meaning) {
    case MEANS_LENGTH: reading->length = number_in(value); break;
    case MEANS_RETRY: reading->retry_s = number_in(value); break;
    case MEANS_ETAG:
        reading->etag_at = (uint32_t)(value.at - call->answer.data);
        reading->etag_length = value.length;
        break;
    case MEANS_TYPE:
        reading->type_at = (uint32_t)(value.at - call->answer.data);
        reading->type_length = value.length;
        break;
    case MEANS_AGE: reading->age_s = number_in(value); break;
    case MEANS_CACHE:
        if (value.length >= sizeof max_age - 1 && memcmp(value.at, max_age, sizeof max_age - 1) == 0) {
            value.at += sizeof max_age - 1;
            value.length -= (uint32_t)sizeof max_age - 1;
            reading->max_age_s = number_in(value);
        }
        break;
    case MEANS_REPLAYED: reading->replayed = true; break;
    case MEANS_CONNECTION: reading->closes = hg_grpc_equals(value, "close"); break;
    case MEANS_NOTHING: break;
    }
}

/* The lines of an answer's head that are here. */
static void read_head(struct hg_grpc_call *call) {
    struct hg_grpc_reading *const reading = &call->reading;
    while (reading->head == 0) {
        const uint32_t start = reading->line;
        const struct hg_view left = {call->answer.data + start, call->answer.length - start};
        const uint8_t *const feed = left.length == 0 ? NULL : memchr(left.at, '\n', left.length);
        if (feed == NULL) {
            return;
        }
        reading->line = start + (uint32_t)(feed - left.at) + 1;
        if (reading->line - start <= 2) { /* an empty line */
            reading->head = reading->line;
        } else if (start == 0) {
            reading->status = reading->line > 12 ? (uint16_t)number_in((struct hg_view){left.at + 9, 3}) : 0;
        } else {
            read_line(call, (struct hg_view){left.at, reading->line - start - 2});
        }
    }
}

void hg_grpc_answer(struct hg_grpc_call *call, const uint8_t *data, uint32_t length) {
    struct hg_output *const answer = &call->answer;
    struct hg_grpc_reading *const reading = &call->reading;
    if (call->done || !call->asked) { /* nobody waits for it any more */
        return;
    }
    hg_output_add(answer, data, length);
    if (reading->head == 0 && !answer->failed) {
        read_head(call);
    }
    if (answer->failed || reading->length > HG_GRPC_ANSWER - reading->head - 1) {
        if (answer->length + length < HG_GRPC_ANSWER / 2 && reading->length < HG_GRPC_ANSWER / 2) {
            no_memory(call);
        } else {
            hg_grpc_fail(call, HG_GRPC_RESOURCE_EXHAUSTED, "the answer is larger than 4194304 bytes");
        }
    } else if (reading->head != 0 && answer->length - reading->head >= reading->length) {
        const bool closes = reading->closes;
        if (hg_output_room(answer, 1) == NULL) {
            no_memory(call);
            return;
        }
        answer->data[reading->head + reading->length] = 0; /* find.h wants it; nothing else follows an answer */
        call->asked = false;
        call->closed = call->closed || closes;
        hg_grpc_answered(call);
        answer->length = 0;
        *reading = (struct hg_grpc_reading){.head = 0};
        go_on_held(call);
    }
}

void hg_grpc_lost(struct hg_grpc_call *call) {
    call->closed = true;
    if (!call->asked && call->count != 0 && takes_one(call)) { /* the one message is answered: nothing else was to come */
        hg_grpc_fail(call, HG_GRPC_OK, "");
    } else if (call->asked || !call->ended) {
        hg_grpc_fail(call, HG_GRPC_UNAVAILABLE,
                     call->asked ? "the connection ended before the answer"
                                 : "no message came for too long, or the appliance stops");
    }
}

/* --- metadata ------------------------------------------------------------------------------------------------------ */

/* The protocol, "Timeout": up to 8 digits and a unit -> ms, rounded up; 0: none, or not understood */
static uint32_t timeout_of(struct hg_view text) {
    static const struct {
        char name;
        uint32_t ms, per_ms;
    } units[] = {{'H', 3600000, 1}, {'M', 60000, 1}, {'S', 1000, 1}, {'m', 1, 1}, {'u', 1, 1000}, {'n', 1, 1000000}};
    if (text.length >= 2 && text.length <= 9) {
        const uint64_t number = number_in(text);
        for (uint32_t i = 0; i < text.length - 1; i++) {
            if (text.at[i] < '0' || text.at[i] > '9') {
                return 0;
            }
        }
        for (uint32_t i = 0; i < sizeof units / sizeof *units; i++) {
            if ((char)text.at[text.length - 1] == units[i].name) {
                const uint64_t ms = (number * units[i].ms + units[i].per_ms - 1) / units[i].per_ms;
                return ms == 0 ? 1 : ms > INT32_MAX ? INT32_MAX : (uint32_t)ms;
            }
        }
    }
    return 0;
}

void hg_grpc_field(struct hg_grpc_call *call, struct hg_view name, struct hg_view value) {
    if (hg_grpc_equals(name, "authorization") || hg_grpc_equals(name, "traceparent")) {
        hg_output_add(&call->fields, name.at, name.length);
        hg_output_text(&call->fields, ": ");
        hg_output_add(&call->fields, value.at, value.length);
        hg_output_text(&call->fields, "\r\n");
    } else if (hg_grpc_equals(name, "idempotency-key")) {
        if (call->keyed) { /* several are one with all values, and no key: as in HTTP/1.1 and PublishStream */
            hg_output_text(&call->key, ", ");
        }
        call->keyed = true;
        hg_output_add(&call->key, value.at, value.length);
    } else if (hg_grpc_equals(name, "grpc-timeout")) {
        call->timeout_ms = timeout_of(value);
        if (call->timeout_ms == 0) {
            hg_grpc_fail(call, HG_GRPC_INTERNAL, "grpc-timeout is not understood");
        }
    } else if (hg_grpc_equals(name, "grpc-encoding")) {
        call->gzip = hg_grpc_equals(value, "gzip");
        call->unknown_coding = !call->gzip && !hg_grpc_equals(value, "identity");
    }
    if (call->fields.failed || call->key.failed) {
        hg_grpc_fail(call, HG_GRPC_RESOURCE_EXHAUSTED, "the metadata are too large");
    }
}

void hg_grpc_open(struct hg_grpc_call *call, const struct hg_alloc *alloc, enum hg_grpc_method method) {
    *call = (struct hg_grpc_call){.method = (uint8_t)method};
    hg_output_init(&call->fields, alloc, HG_HTTP_HEAD);
    hg_output_init(&call->key, alloc, HG_HTTP_LINE);
    hg_output_init(&call->held.bytes, alloc, 2 * (HG_GRPC_MESSAGE + PREFIX));
    hg_output_init(&call->message, alloc, HG_GRPC_MESSAGE);
    hg_output_init(&call->answer, alloc, HG_GRPC_ANSWER);
    hg_output_init(&call->reply, alloc, HG_GRPC_ANSWER);
    hg_output_init(&call->request, alloc, HG_GRPC_MESSAGE + 2 * HG_HTTP_HEAD);
    hg_output_init(&call->data.bytes, alloc, 2 * HG_GRPC_ANSWER);
    hg_output_init(&call->trailers, alloc, 4 * HG_GRPC_DETAILS);
    if (method == HG_GRPC_NONE) {
        hg_grpc_fail(call, HG_GRPC_UNIMPLEMENTED, "no such method; the services are in the server's reflection");
    }
}

void hg_grpc_close(struct hg_grpc_call *call) {
    struct hg_output *const outputs[] = {&call->fields, &call->key,     &call->held.bytes, &call->message, &call->answer,
                                         &call->reply,  &call->request, &call->data.bytes, &call->trailers};
    for (uint32_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        hg_output_clear(outputs[i]);
    }
}
