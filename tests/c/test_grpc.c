/* grpc/grpc.c and its parts: each method's requests, answers and ends; what is malformed; flow; deadlines; and no memory. That this is what
 * clients expect: tests/e2e/test_grpc.py. */
#include "check_grpc.h"

#define JSON "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define PROBLEM "\r\nContent-Type: application/problem+json\r\n"
#define VALID JSON "Content-Length: 14\r\n\r\n{\"valid\":true}"
#define STORED "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 37\r\n\r\n" \
    "{\"seq\":\"7.1201\",\"durability\":\"fsync\"}"
#define REPLAYED "HTTP/1.1 202 Accepted\r\nIdempotent-Replayed: true\r\nContent-Length: 35\r\n\r\n" \
    "{\"seq\":\"7.1\",\"durability\":\"memory\"}"
#define MISSING "HTTP/1.1 404 Not Found" PROBLEM "Content-Length: 55\r\n\r\n" \
    "{\"type\":\"urn:headgate:problem:not_cached\",\"status\":404}"
#define MISSING_LAST "HTTP/1.1 404 Not Found" PROBLEM "Connection: close\r\nContent-Length: 55\r\n\r\n" \
    "{\"type\":\"urn:headgate:problem:not_cached\",\"status\":404}"
#define VALUE "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nETag: \"7-12\"\r\nAge: 3\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\n\r\nabc"
#define VIOLATED "HTTP/1.1 422 Unprocessable Content" PROBLEM "Content-Length: 153\r\n\r\n" \
    "{\"type\":\"urn:headgate:problem:schema_violation\",\"status\":422,\"errors\":[{\"instance\":\"/t\",\"schema\":\"/p\",\"message\":\"\\u00fc\"}," \
    "{\"instance\":\"\",\"message\":\"m\"}]}"

struct bytes {
    const char *at;
    uint32_t length;
};
#define BYTES(text) {text, sizeof(text) - 1}
#define FRAME(length, text) "\0\0\0\0" length text

struct row {
    enum hg_grpc_method method;
    struct bytes input;
    const char *fields[8];
    const char *answers[3];
    const char *requests; /* all of them */
    struct bytes data;
    const char *trailers;
};

static const struct row rows[] = {
    {HG_GRPC_PUBLISH, BYTES(FRAME("\x09", "\x0a\x01w\x10\x02\x1a\x02{}")),
     {"authorization", "Bearer t", "traceparent", "00-x", "idempotency-key", "k", "x-other", "y"}, {STORED},
     "POST /v1/streams/w HTTP/1.1\r\nHost: grpc\r\nauthorization: Bearer t\r\ntraceparent: 00-x\r\nContent-Type: application/cbor\r\n"
     "Idempotency-Key: k\r\nContent-Length: 2\r\n\r\n{}",
     BYTES(FRAME("\x0a", "\x0a\x06" "7.1201\x10\x01")), "grpc-status: 0\r\n"},
    {HG_GRPC_PUBLISH, BYTES(FRAME("\x0a", "\x0a\x01w\x1a\x00\x22\x03own")), {"idempotency-key", "k"}, {REPLAYED},
     "POST /v1/streams/w HTTP/1.1\r\nHost: grpc\r\nContent-Type: application/json\r\nIdempotency-Key: own\r\nContent-Length: 0\r\n\r\n",
     BYTES(FRAME("\x09", "\x0a\x03" "7.1\x10\x02\x18\x01")), "grpc-status: 0\r\n"},
    {HG_GRPC_PUBLISH, BYTES(FRAME("\x03", "\x0a\x01w")), {"idempotency-key", "k", "idempotency-key", "l"}, {STORED},
     "POST /v1/streams/w HTTP/1.1\r\nHost: grpc\r\nContent-Type: application/json\r\nIdempotency-Key: k, l\r\nContent-Length: 0\r\n\r\n",
     BYTES(FRAME("\x0a", "\x0a\x06" "7.1201\x10\x01")), "grpc-status: 0\r\n"},
    {HG_GRPC_PUBLISH, BYTES(FRAME("\x03", "\x0a\x01w")), {"idempotency-key", ""}, {STORED},
     "POST /v1/streams/w HTTP/1.1\r\nHost: grpc\r\nContent-Type: application/json\r\nIdempotency-Key: \r\nContent-Length: 0\r\n\r\n",
     BYTES(FRAME("\x0a", "\x0a\x06" "7.1201\x10\x01")), "grpc-status: 0\r\n"},
    {HG_GRPC_VALIDATE_ONE, BYTES(FRAME("\x09", "\x0a\x03" "w w\x1a\x02{}")), {NULL}, {VALID},
     "POST /v1/validate/w%20w HTTP/1.1\r\nHost: grpc\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
     BYTES(FRAME("\x02", "\x08\x01")), "grpc-status: 0\r\n"},
    {HG_GRPC_VALIDATE, BYTES(FRAME("\x03", "\x0a\x01" "a") FRAME("\x03", "\x0a\x01" "b")), {NULL}, {VALID, VIOLATED},
     "POST /v1/validate/a HTTP/1.1\r\nHost: grpc\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
     "POST /v1/validate/b HTTP/1.1\r\nHost: grpc\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n",
     BYTES(FRAME("\x02", "\x08\x01")
           FRAME("\x25", "\x12\x10schema_violation\x22\x0c\x0a\x02/t\x12\x02/p\x1a\x02\xc3\xbc\x22\x03\x1a\x01m")), "grpc-status: 0\r\n"},
    {HG_GRPC_VALIDATE, BYTES(""), {NULL}, {VALID}, "", BYTES(""), "grpc-status: 0\r\n"},
    {HG_GRPC_GET, BYTES(FRAME("\x0c", "\x0a\x03" "a/%\x12\x01*\x1a\x02\"e")), {NULL}, {VALUE},
     "GET /v1/cache/a/%25 HTTP/1.1\r\nHost: grpc\r\nIf-Match: \"e\r\nIf-None-Match: *\r\n\r\n",
     BYTES(FRAME("\x1e", "\x0a\x1c\x12\x03" "abc\x1a\x09image/png\x22\x06\"7-12\"\x28\x03\x30\x3c")), "grpc-status: 0\r\n"},
    {HG_GRPC_GET, BYTES(FRAME("\x03", "\x0a\x01" "a")), {NULL}, {"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nAge: 0\r\n\r\n"},
     "GET /v1/cache/a HTTP/1.1\r\nHost: grpc\r\n\r\n", BYTES(FRAME("\x09", "\x0a\x05\x22\x03\"1\"\x10\x01")), "grpc-status: 0\r\n"},
    {HG_GRPC_PUT, BYTES(FRAME("\x0e", "\x0a\x01" "a\x12\x02" "vv\x1a\x03t/t\x20\x3c")), {NULL}, {"HTTP/1.1 201 Created\r\nETag: \"2\"\r\nContent-Length: 0\r\n\r\n"},
     "PUT /v1/cache/a HTTP/1.1\r\nHost: grpc\r\nContent-Type: t/t\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nvv",
     BYTES(FRAME("\x07", "\x0a\x03\"2\"\x10\x01")), "grpc-status: 0\r\n"},
    {HG_GRPC_DELETE, BYTES(FRAME("\x03", "\x0a\x01" "a")), {NULL}, {"HTTP/1.1 204 No Content\r\n\r\n"},
     "DELETE /v1/cache/a HTTP/1.1\r\nHost: grpc\r\n\r\n", BYTES(FRAME("\x00", "")), "grpc-status: 0\r\n"},
    {HG_GRPC_BATCH_GET, BYTES(FRAME("\x06", "\x0a\x01" "a\x0a\x01" "b")), {NULL}, {VALUE, MISSING},
     "GET /v1/cache/a HTTP/1.1\r\nHost: grpc\r\n\r\nGET /v1/cache/b HTTP/1.1\r\nHost: grpc\r\n\r\n",
     BYTES(FRAME("\x24", "\x0a\x1f\x0a\x01" "a\x12\x03" "abc\x1a\x09image/png\x22\x06\"7-12\"\x28\x03\x30\x3c\x12\x01" "b")), "grpc-status: 0\r\n"},
    /* the appliance stops, and the connection takes no further one: the rest are left */
    {HG_GRPC_BATCH_GET, BYTES(FRAME("\x09", "\x0a\x01" "a\x0a\x01" "b\x0a\x01" "c")), {NULL}, {MISSING_LAST},
     "GET /v1/cache/a HTTP/1.1\r\nHost: grpc\r\n\r\n", BYTES(FRAME("\x09", "\x12\x01" "a\x1a\x01" "b\x1a\x01" "c")), "grpc-status: 0\r\n"},
    /* how a call ends otherwise */
    {HG_GRPC_GET, BYTES(FRAME("\x03", "\x0a\x01" "a")), {NULL}, {MISSING}, "GET /v1/cache/a HTTP/1.1\r\nHost: grpc\r\n\r\n", BYTES(""),
     "grpc-status: 5\r\ngrpc-message: not_cached\r\n"
     "grpc-status-details-bin: CAUSCm5vdF9jYWNoZWQaQgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLkVycm9ySW5mbxIWCgpOT1RfQ0FDSEVEEghoZWFkZ2F0ZQ\r\n"},
    {HG_GRPC_VALIDATE_ONE, BYTES(FRAME("\x03", "\x0a\x01" "a")), {NULL},
     {"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
     "POST /v1/validate/a HTTP/1.1\r\nHost: grpc\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n", BYTES(""),
     "grpc-status: 8\r\ngrpc-status-details-bin: CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAg\r\n"},
    {HG_GRPC_GET, BYTES(FRAME("\x03", "\x0a\x01" "a")), {NULL}, {NULL}, "GET /v1/cache/a HTTP/1.1\r\nHost: grpc\r\n\r\n", BYTES(""),
     "grpc-status: 14\r\ngrpc-message: the connection ended before the answer\r\n"},
    {HG_GRPC_NONE, BYTES(FRAME("\x00", "")), {NULL}, {VALID}, "", BYTES(""),
     "grpc-status: 12\r\ngrpc-message: no such method; the services are in the server's reflection\r\n"},
    {HG_GRPC_GET, BYTES(""), {NULL}, {VALID}, "", BYTES(""), "grpc-status: 12\r\ngrpc-message: this method takes one message, and none came\r\n"},
    {HG_GRPC_DELETE, BYTES(FRAME("\x03", "\x0a\x01" "a") FRAME("\x03", "\x0a\x01" "a")), {NULL}, {"HTTP/1.1 204 No Content\r\n\r\n"},
     "DELETE /v1/cache/a HTTP/1.1\r\nHost: grpc\r\n\r\n", BYTES(FRAME("\x00", "")), "grpc-status: 12\r\ngrpc-message: this method takes one message\r\n"},
    {HG_GRPC_GET, BYTES("\0\0\0\0\x05\x0a\x01" "a"), {NULL}, {VALID}, "", BYTES(""), "grpc-status: 13\r\ngrpc-message: the stream ends inside a message\r\n"},
    {HG_GRPC_GET, BYTES("\0\0\0\0"), {NULL}, {VALID}, "", BYTES(""), "grpc-status: 13\r\ngrpc-message: the stream ends inside a message\r\n"},
    {HG_GRPC_GET, BYTES("\2\0\0\0\0"), {NULL}, {VALID}, "", BYTES(""), "grpc-status: 13\r\ngrpc-message: a message's first byte is neither 0 nor 1\r\n"},
    {HG_GRPC_GET, BYTES("\0\0\4\x10\1"), {NULL}, {VALID}, "", BYTES(""), "grpc-status: 8\r\ngrpc-message: a message may have 266240 bytes\r\n"},
    {HG_GRPC_GET, BYTES("\0\xff\xff\xff\xff"), {NULL}, {VALID}, "", BYTES(""), "grpc-status: 8\r\ngrpc-message: a message may have 266240 bytes\r\n"},
    {HG_GRPC_GET, BYTES(FRAME("\x01", "\x0b")), {NULL}, {VALID}, "", BYTES(""), "grpc-status: 13\r\ngrpc-message: the message is not well-formed protobuf\r\n"},
    {HG_GRPC_GET, BYTES(FRAME("\x03", "\x0a\x01\xff")), {NULL}, {VALID}, "", BYTES(""), "grpc-status: 13\r\ngrpc-message: the message is not well-formed protobuf\r\n"},
    {HG_GRPC_GET, BYTES("\1\0\0\0\1x"), {NULL}, {VALID}, "", BYTES(""), "grpc-status: 13\r\ngrpc-message: a compressed message, and no grpc-encoding\r\n"},
    {HG_GRPC_GET, BYTES("\1\0\0\0\1x"), {"grpc-encoding", "snappy"}, {VALID}, "", BYTES(""), "grpc-status: 12\r\ngrpc-message: grpc-encoding: identity and gzip are understood\r\n"},
    {HG_GRPC_GET, BYTES("\1\0\0\0\1x"), {"grpc-encoding", "gzip"}, {VALID}, "", BYTES(""), "grpc-status: 13\r\ngrpc-message: the message is not well-formed gzip\r\n"},
    {HG_GRPC_GET, BYTES(FRAME("\x03", "\x0a\x01" "a")), {"grpc-timeout", "5"}, {VALID}, "", BYTES(""), "grpc-status: 13\r\ngrpc-message: grpc-timeout is not understood\r\n"},
    {HG_GRPC_VALIDATE_ONE, BYTES(FRAME("\x05", "\x0a\x01" "a\x10\x03")), {NULL}, {VALID}, "", BYTES(""),
     "grpc-status: 3\r\ngrpc-message: ENCODING_JSON or ENCODING_CBOR\r\n"
     "grpc-status-details-bin: CAMSHkVOQ09ESU5HX0pTT04gb3IgRU5DT0RJTkdfQ0JPUhpZCil0eXBlLmdvb2dsZWFwaXMuY29tL2dvb2dsZS5ycGMuQmFkUmVxdWVzdBIsCioKCGVuY29kaW5nEh5FTkNPRElOR19KU09OIG9yIEVOQ09ESU5HX0NCT1I\r\n"},
};

static bool equals(const struct gathered *all, const char *bytes, size_t length) {
    return all->length == length && (length == 0 || memcmp(all->bytes, bytes, length) == 0);
}

static uint32_t count_answers(const struct row *row) {
    uint32_t count = 1;
    while (count < 3 && row->answers[count] != NULL) {
        count++;
    }
    return count;
}

static void test_rows(void) {
    static const uint8_t one[] = {0}, some[] = {2, 0, 6};
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *const row = &rows[i];
        const char *fields[9];
        memcpy(fields, row->fields, sizeof row->fields);
        fields[8] = NULL;
        for (uint32_t cut = 0; cut < 3; cut++) {
            struct outcome outcome;
            run_grpc(&outcome, &alloc, row->method, fields, (const uint8_t *)row->input.at, row->input.length, cut == 1 ? one : some,
                     cut == 0 ? 0 : cut == 1 ? 1 : 3, row->answers, count_answers(row));
            CHECK(equals(&outcome.requests, row->requests, strlen(row->requests)));
            CHECK(equals(&outcome.data, row->data.at, row->data.length));
            CHECK(equals(&outcome.trailers, row->trailers, strlen(row->trailers)));
            CHECK(outcome.credit <= row->input.length);
            free_outcome(&outcome);
            CHECK(heap.live == 0);
        }
        for (long fail_at = 1; fail_at < 40; fail_at++) { /* whatever cannot be had, the call ends and nothing is left */
            struct outcome outcome;
            heap.fail_at = fail_at;
            run_grpc(&outcome, &alloc, row->method, fields, (const uint8_t *)row->input.at, row->input.length, one, 1, row->answers,
                     count_answers(row));
            free_outcome(&outcome);
            CHECK(heap.live == 0);
        }
        heap.fail_at = -1;
    }
}

/* Names that could be something else in a request, and what becomes of them. */
static void test_names(void) {
    static const struct {
        struct bytes name;
        bool taken;
        const char *path;
    } names[] = {
        {BYTES("a b"), true, "a%20b"},       {BYTES("\xc3\xbc"), true, "%C3%BC"}, {BYTES("?x#y"), true, "%3Fx%23y"},
        {BYTES("HTTP/1.1"), false, ""},      {BYTES("a\r\nX: y"), false, ""},     {BYTES("a\0b"), false, ""},
        {BYTES(""), false, ""},              {BYTES("\x7f"), false, ""},          {BYTES("%2F"), true, "%252F"},
    };
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        static const char *const answers[] = {VALID};
        uint8_t input[64] = {0, 0, 0, 0, (uint8_t)(names[i].name.length + 2), 0x0a, (uint8_t)names[i].name.length};
        char start[64] = "POST /v1/validate/";
        struct outcome outcome;
        memcpy(input + 7, names[i].name.at, names[i].name.length);
        run_grpc(&outcome, &alloc, HG_GRPC_VALIDATE_ONE, NULL, input, 7 + names[i].name.length, NULL, 0, answers, 1);
        CHECK(outcome.asked == names[i].taken);
        if (names[i].taken) {
            (void)strcat(strcat(start, names[i].path), " HTTP/1.1\r\n");
            CHECK(memcmp(outcome.requests.bytes, start, strlen(start)) == 0);
        } else {
            CHECK(memcmp(outcome.trailers.bytes, "grpc-status: 3\r\n", 16) == 0);
        }
        free_outcome(&outcome);
    }
    CHECK(heap.live == 0);
}

static void test_timeouts(void) {
    static const struct {
        const char *text;
        uint32_t ms; /* 0: not understood */
    } times[] = {{"1S", 1000},   {"20m", 20},         {"1500u", 2},  {"1n", 1},   {"2M", 120000}, {"1H", 3600000}, {"99999999H", INT32_MAX},
                 {"0S", 1},      {"99999999n", 100},  {"", 0},       {"S", 0},    {"5", 0},       {"-1S", 0},      {"1.5S", 0},
                 {"5s", 0},      {"999999999S", 0},   {"1 S", 0}};
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct hg_grpc_call call;
        hg_grpc_open(&call, &alloc, HG_GRPC_GET);
        hg_grpc_field(&call, view_of("grpc-timeout"), view_of(times[i].text));
        CHECK(call.timeout_ms == times[i].ms && call.done == (times[i].ms == 0));
        hg_grpc_close(&call);
    }
    CHECK(heap.live == 0);
}

static void test_media_types(void) {
    static const struct {
        const char *type;
        bool is;
    } types[] = {{"application/grpc", true},       {"application/grpc+proto", true}, {"application/grpc; a=b", true}, {"application/grpc+proto;a", true},
                 {"application/grpc+json", false}, {"application/grpc-web", false},  {"application/grp", false},      {"application/json", false},
                 {"", false}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        CHECK(hg_grpc_is(view_of(types[i].type)) == types[i].is);
    }
}

/* A client that sends without end and takes nothing gets no further credit, and no further message is asked for. */
static void test_flow(void) {
    static const uint8_t message[] = {0, 0, 0, 0, 3, 0x0a, 1, 'a'};
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_grpc_call call;
    uint32_t sent = 0, credit = 0, asked = 0;
    hg_grpc_open(&call, &alloc, HG_GRPC_VALIDATE);
    while (sent < HG_GRPC_UNSENT + 65536) {
        const uint32_t window = 65536 + credit - sent; /* as a client sees it */
        if (window < sizeof message) {
            break;
        }
        hg_grpc_input(&call, message, sizeof message, false);
        sent += (uint32_t)sizeof message;
        while (call.request.length != 0) {
            call.request.length = 0;
            asked += 1;
            hg_grpc_answer(&call, (const uint8_t *)VALID, sizeof VALID - 1);
        }
        credit += call.credit;
        call.credit = 0;
    }
    const uint32_t unsent = hg_grpc_left(&call.data).length;
    CHECK(!call.done && unsent >= HG_GRPC_UNSENT && unsent < HG_GRPC_UNSENT + 8 && hg_grpc_left(&call.held).length <= 65536);
    CHECK(asked == (HG_GRPC_UNSENT + 6) / 7);
    hg_grpc_sent(&call, unsent); /* it goes on */
    CHECK(call.request.length != 0);
    hg_grpc_fail(&call, HG_GRPC_DEADLINE_EXCEEDED, "late");
    CHECK(call.done && memcmp(call.trailers.data, "grpc-status: 4\r\n", 16) == 0);
    hg_grpc_fail(&call, HG_GRPC_INTERNAL, "later"); /* the first end counts */
    CHECK(memcmp(call.trailers.data, "grpc-status: 4\r\n", 16) == 0);
    hg_grpc_close(&call);
    CHECK(heap.live == 0);
}

/* A large message, of which a narrow window lets only parts through. */
static void test_narrow_window(void) {
    static uint8_t input[5 + HG_GRPC_MESSAGE];
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_grpc_call call;
    uint32_t at = 0, window = 1000;
    const uint32_t body = HG_GRPC_MESSAGE - 3 - 4;
    memset(input, ' ', sizeof input);
    memcpy(input, "\0\0\4\x10\0\x0a\1w\x1a", 9);
    input[9] = (uint8_t)(body | 0x80);
    input[10] = (uint8_t)(body >> 7 | 0x80);
    input[11] = (uint8_t)(body >> 14);
    hg_grpc_open(&call, &alloc, HG_GRPC_PUBLISH);
    while (at < sizeof input && window != 0) {
        const uint32_t size = sizeof input - at < window ? (uint32_t)sizeof input - at : window;
        hg_grpc_input(&call, input + at, size, at + size == sizeof input);
        at += size;
        window = window - size + call.credit;
        call.credit = 0;
    }
    CHECK(at == sizeof input && !call.done && call.request.length > body);
    check_one_request(call.request.data, call.request.length);
    hg_grpc_close(&call);
    CHECK(heap.live == 0);
}

/* Details that no client would take are left out, the last first; texts are cut between two characters. */
static void test_long_details(void) {
    static char text[3001];
    struct hg_grpc_violation violations[HG_SCHEMA_ERRORS];
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_output scratch, lines;
    for (int i = 0; i < 3000; i += 3) {
        memcpy(text + i, "\xe2\x82\xac", 3);
    }
    for (uint32_t size = 0; size <= 3000; size += 250) {
        struct hg_grpc_failure failure = {.status = HG_GRPC_INVALID_ARGUMENT, .code = view_of("schema_violation"),
                                          .violations = violations, .violation_count = HG_SCHEMA_ERRORS, .retry_s = 1};
        failure.message = (struct hg_view){(const uint8_t *)text, size};
        for (uint32_t i = 0; i < HG_SCHEMA_ERRORS; i++) {
            violations[i] = (struct hg_grpc_violation){failure.message, view_of("/pointer")};
        }
        hg_output_init(&scratch, &alloc, HG_GRPC_DETAILS + HG_GRPC_STATUS_TEXT);
        hg_output_init(&lines, &alloc, 4 * HG_GRPC_DETAILS);
        hg_grpc_trailers(&failure, &scratch, &lines);
        CHECK(!scratch.failed && !lines.failed && scratch.length <= HG_GRPC_DETAILS && lines.length < 8192);
        const char *const message = memchr(lines.data, '\n', lines.length);
        const char *const end = memchr(message + 1, '\r', 3 * HG_GRPC_STATUS_TEXT + 20);
        CHECK(size == 0 || (uint32_t)(end - message - 15) / 9 == (size < 512 ? size / 3 : 170)); /* "%E2%82%AC" */
        hg_output_clear(&scratch);
        hg_output_clear(&lines);
    }
    CHECK(heap.live == 0);
}

int main(void) {
    test_rows();
    test_names();
    test_timeouts();
    test_media_types();
    test_flow();
    test_narrow_window();
    test_long_details();
    return 0;
}
