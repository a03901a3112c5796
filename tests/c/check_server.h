/* An appliance without Python and without a kernel: the native server with its gate on a scripted network (net_script.h), and
 * clients that say and hear text. Used by the tests of the server and its fuzz target. */
#ifndef HEADGATE_TESTS_CHECK_SERVER_H
#define HEADGATE_TESTS_CHECK_SERVER_H

#include <stdarg.h>

#include "check.h"
#include "core/compile.h"
#include "core/connection.h"
#include "core/server.h"
#include "core/wheel.h"
#include "net_script.h"
#include "sign_token.h"
#include "toy_tls.h"

/* Of every plan here. Deadlines differ, so that one taken for another is seen. */
enum { IDLE_MS = 60000, HEAD_MS = 5000, BODY_MS = 8000, BODY_LIMIT = 2048, CONNECTIONS = 400 };
enum { TICKS_MS = 2 * HG_TICK_MS }; /* a deadline is kept to within this much */

enum { TOLD_EVENTS = 1024 };

struct world {
    struct heap heap;   /* of server, gate, intake, store and limiter; one allocation of it may fail */
    long enough_for;    /* so many more allocations of it; then all fail. Negative: no end */
    struct net_script net;
    struct hg_net system;
    struct hg_gate gate;
    struct hg_store store;
    struct hg_limiter limiter;
    struct hg_intake intake;
    struct hg_plan *plan, *second; /* second: made by the test that swaps */
    struct hg_server *server;
    int listener;
    struct toy_tls toy;
    struct hg_tls tls;
    struct hg_event events[TOLD_EVENTS]; /* told since the last look */
    uint32_t event_count;
    struct hg_net_ready ready[HG_NET_BATCH]; /* of the last wait */
    int ready_count;
};

struct world_options {
    uint32_t connections, turn_us;
    uint32_t idle_ms; /* 0: IDLE_MS */
    uint64_t buffer_bytes;
    bool tls;
    uint32_t batch_rows;  /* 0: as many as the intake takes */
    uint64_t batch_bytes; /* 0: as many as the intake takes */
    uint32_t batches;     /* 0: one */
    uint32_t linger_ms, memory_linger_ms; /* 0: Python is told of rows as they come */
};

/* What all worlds share: it takes longer to make than most of them live. */
static struct heap lasting = {0, -1}; /* of this, and of plans */
static struct hg_program *weather_schema, *any_schema;
static struct hg_verifier *verifier;
static struct hg_tokens *tokens;
static char bearer[512]; /* "Authorization: Bearer ...\r\n" for everything */

static inline struct hg_view text_of(const char *text) {
    return (struct hg_view){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static void *world_alloc(void *context, size_t size) {
    struct world *world = context;
    if (world->enough_for == 0) {
        return NULL;
    }
    world->enough_for -= world->enough_for > 0 ? 1 : 0;
    return heap_alloc(&world->heap, size);
}

static void world_release(void *context, void *memory) { heap_release(&((struct world *)context)->heap, memory); }

static inline struct hg_alloc world_memory(struct world *world) {
    return (struct hg_alloc){world_alloc, world_release, world};
}

static inline struct hg_program *compiled_schema(const struct hg_alloc *alloc, const char *text) {
    struct hg_compile_options options = {.draft = HG_DRAFT_2020, .unknown_keywords = true};
    struct hg_program *program = NULL;
    memcpy(options.seed, SEED, sizeof options.seed);
    CHECK(hg_compile(alloc, (const uint8_t *)text, (uint32_t)strlen(text), &options, &program) == HG_OK);
    return program;
}

static inline struct hg_plan *make_plan(uint32_t connections, uint32_t idle_ms) {
    const struct hg_alloc alloc = heap_of(&lasting);
    const struct hg_stream usual = {.rate_milli = 100000000, .burst = 100000, .body_limit = BODY_LIMIT, .by_client = true};
    struct hg_stream streams[4] = {usual, usual, usual, usual};
    struct hg_plan_spec spec = {.streams = streams,
                                .stream_count = 4,
                                .tokens = tokens,
                                .certificate_scopes = text_of("publish:any"),
                                .cache_value = 65536,
                                .cache_rate_milli = 100000000,
                                .cache_burst = 100000,
                                .connections = connections,
                                .idle_ms = idle_ms,
                                .head_ms = HEAD_MS,
                                .body_ms = BODY_MS};
    struct hg_plan *plan;
    streams[0].name = text_of("weather");
    streams[0].schema = weather_schema;
    streams[1].name = text_of("any");
    streams[1].schema = any_schema;
    streams[2].name = text_of("large");
    streams[2].schema = any_schema;
    streams[2].body_limit = HG_HTTP_BODY;
    streams[3].name = text_of("safe");
    streams[3].schema = any_schema;
    streams[3].durable = true;
    plan = hg_plan_new(&alloc, &spec);
    CHECK(plan != NULL);
    return plan;
}

static inline void clear_shared(void) {
    hg_tokens_free(tokens);
    hg_verifier_free(verifier);
    heap_release(&lasting, weather_schema);
    heap_release(&lasting, any_schema);
    CHECK(lasting.live == 0);
}

static inline void make_shared(void) {
    const struct hg_alloc alloc = heap_of(&lasting);
    const struct hg_key_spec key = {text_of("k1"), HG_HS256, {SECRET, sizeof SECRET}};
    const struct hg_issuer_spec issuer = {
        .name = text_of("test"), .audience = text_of("headgate"), .leeway_s = 5, .keys = &key, .key_count = 1};
    weather_schema = compiled_schema(&alloc, "{\"type\":\"object\",\"required\":[\"t\"],"
                                             "\"properties\":{\"t\":{\"type\":\"number\"}}}");
    any_schema = compiled_schema(&alloc, "true");
    verifier = hg_verifier_new(&alloc, &issuer, 1, NULL, NULL, SEED);
    CHECK(verifier != NULL);
    tokens = hg_tokens_new(&alloc, verifier, SEED, 64, 65536);
    CHECK(tokens != NULL);
    strcpy(bearer, "Authorization: Bearer ");
    sign_token("{\"alg\":\"HS256\",\"kid\":\"k1\"}",
               "{\"iss\":\"test\",\"aud\":\"headgate\",\"sub\":\"dev-1\",\"exp\":4000000000,"
               "\"scope\":\"publish:* read:* cache:read cache:write\"}",
               bearer + strlen(bearer));
    strcat(bearer, "\r\n");
    CHECK(atexit(clear_shared) == 0);
}

/* Everything but the server, whose making may be refused its memory. */
static inline void world_prepare(struct world *world, const struct world_options *options) {
    const struct hg_alloc alloc = world_memory(world);
    if (tokens == NULL) {
        make_shared();
    }
    memset(world, 0, sizeof *world);
    world->heap.fail_at = world->enough_for = -1;
    net_init(&world->net);
    world->system = net_of_script(&world->net);
    world->plan = make_plan(options->connections != 0 ? options->connections : CONNECTIONS,
                            options->idle_ms != 0 ? options->idle_ms : IDLE_MS);
    hg_gate_init(&world->gate, &alloc);
    CHECK(hg_store_init(&world->store, &alloc, SEED, 1 << 20, 65536, 256) == HG_OK);
    CHECK(hg_limiter_init(&world->limiter, &alloc, SEED, 64) == HG_OK);
    hg_intake_init(&world->intake, &alloc, 7, HG_OUTBOX_BUFFER_RECORDS, HG_OUTBOX_BUFFER_BYTES);
    world->gate.plan = world->plan;
    world->gate.store = &world->store;
    world->gate.limiter = &world->limiter;
    world->gate.intake = &world->intake;
    world->gate.boot = 7;
    world->toy.alloc = alloc;
    world->tls = toy_tls_of(&world->toy);
    world->listener = net_add(&world->net, NET_LISTENER);
}

/* false: no memory. */
static inline bool world_serve(struct world *world, const struct world_options *options) {
    const struct hg_alloc alloc = world_memory(world);
    const struct hg_server_limits limits = {
        .turn_us = options->turn_us != 0 ? options->turn_us : HG_SERVER_TURN_US,
        .buffer_bytes = options->buffer_bytes != 0 ? options->buffer_bytes : HG_SERVER_BYTES,
        .batch_rows = options->batch_rows != 0 ? options->batch_rows : HG_OUTBOX_BUFFER_RECORDS,
        .batch_bytes = options->batch_bytes != 0 ? options->batch_bytes : HG_OUTBOX_BUFFER_BYTES,
        .batches = options->batches != 0 ? options->batches : 1,
        .linger_ms = options->linger_ms,
        .memory_linger_ms = options->memory_linger_ms};
    const struct hg_clock clock = {NET_WALL_S, NET_WALL_S - 1000, HG_CLOCK_TRUSTED};
    world->server = hg_server_new(&alloc, &world->system, &world->gate, &limits);
    if (world->server == NULL) {
        return false;
    }
    hg_server_clock(world->server, &clock);
    CHECK(hg_server_listen(world->server, world->listener, options->tls ? &world->tls : NULL) == 0);
    return true;
}

static inline void world_open(struct world *world, const struct world_options *options) {
    static const struct world_options usual = {0};
    world_prepare(world, options != NULL ? options : &usual);
    CHECK(world_serve(world, options != NULL ? options : &usual));
}

/* Whatever is under way: everything is given back. */
static inline void world_close(struct world *world) {
    if (world->server != NULL) {
        hg_server_unlisten(world->server, world->listener);
        hg_server_free(world->server);
    }
    for (uint32_t i = 0; i < world->net.count; i++) {
        const struct net_socket *socket = &world->net.sockets[i];
        CHECK(socket->kind != NET_STREAM || !socket->open || socket->closed);
        CHECK(!socket->watched || socket->kind == NET_OTHER);
    }
    CHECK(world->plan->users == 0 && (world->second == NULL || world->second->users == 0));
    CHECK(world->toy.sessions == 0 && !world->toy.entered);
    hg_intake_clear(&world->intake);
    hg_store_clear(&world->store);
    hg_limiter_clear(&world->limiter);
    hg_gate_clear(&world->gate);
    CHECK(world->heap.live == 0);
    hg_plan_free(world->plan);
    if (world->second != NULL) {
        hg_plan_free(world->second);
    }
    net_clear(&world->net);
}

/* One wait; -> what it gave. Events are kept. */
static inline int turn(struct world *world, int32_t timeout_ms) {
    struct hg_event event;
    world->ready_count = hg_server_wait(world->server, world->ready, timeout_ms);
    CHECK(!world->toy.entered);
    while (hg_server_event(world->server, &event)) {
        CHECK(event.kind != HG_EVENT_NONE);
        if (event.kind != HG_EVENT_INPUT || world->event_count < TOLD_EVENTS / 2) { /* of small pieces there may be many */
            CHECK(world->event_count < TOLD_EVENTS);
            world->events[world->event_count++] = event;
        }
    }
    return world->ready_count;
}

/* What a connection waits for will come, or its time is up; and the set looks for nothing that nobody waits for: server.h, the states. */
static inline void check_wait_of(const struct hg_connection *connection) {
    const bool output = hg_has_output(connection), timed = connection->deadline != 0 && connection->timer.slot != 0;
    const bool reads = (connection->flags & HG_WATCH_IN) != 0, writes = (connection->flags & HG_WATCH_OUT) != 0;
    switch ((enum hg_state)connection->state) {
    case HG_FREE: return;
    case HG_IDLE:
    case HG_READING: CHECK(timed && (connection->virtual || (output ? writes : reads))); break;
    case HG_GREETING:
    case HG_LINGER: CHECK(timed && reads); break;
    case HG_FLUSH: CHECK(timed && (connection->virtual || output)); break;
    case HG_COMMIT: CHECK(timed || !output); break;
    case HG_CARRIER: CHECK(output ? timed : reads); break;
    case HG_READY: CHECK((connection->flags & HG_QUEUED) != 0); return;
    case HG_LENT: break;
    }
    CHECK(connection->virtual || output == writes || (connection->flags & HG_ABORTED) != 0 ||
          (connection->state == HG_LINGER && !writes)); /* there, its good-bye found no room */
}

static inline void check_waits(const struct world *world) {
    for (uint32_t index = 1; index < world->server->slots; index++) {
        const struct hg_connection *connection = hg_connection_at(world->server, index);
        if ((connection->flags & HG_QUEUED) == 0 || connection->state == HG_READY) { /* else it is looked at soon */
            check_wait_of(connection);
        }
    }
}

/* Until nothing is left to do at this moment. A wait may return without doing anything, to have the clock set. */
static inline void serve(struct world *world) {
    for (uint32_t quiet = 0; quiet < 3;) {
        const uint64_t before = world->net.calls;
        CHECK(turn(world, 0) >= 0);
        quiet = world->net.calls == before ? quiet + 1 : 0;
    }
    check_waits(world);
}

static inline void pass(struct world *world, int64_t ms) {
    world->net.now_us += ms * 1000;
    serve(world);
}

/* How many events of a kind were told since the last look; *id: of the last of them. */
static inline uint32_t told(const struct world *world, enum hg_event_kind kind, uint64_t *id) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->event_count; i++) {
        if (world->events[i].kind == kind) {
            count += 1;
            if (id != NULL) {
                *id = world->events[i].id;
            }
        }
    }
    return count;
}

static inline void forget_events(struct world *world) { world->event_count = 0; }

/* --- clients */

static inline int connect_client(struct world *world) {
    const int fd = net_connect(&world->net, world->listener);
    serve(world);
    return fd;
}

static inline void say(struct world *world, int fd, const char *text) {
    net_send(&world->net, fd, text, strlen(text));
    serve(world);
}

/* As printf; at most 16 KiB. */
__attribute__((format(printf, 3, 4))) static inline void sayf(struct world *world, int fd, const char *format, ...) {
    char text[16384];
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    CHECK(length >= 0 && (size_t)length < sizeof text);
    say(world, fd, text);
}

static inline bool is_closed(struct world *world, int fd) { return net_of(&world->net, fd)->closed; }

struct answer {
    int status;
    bool close, chunked;
    const uint8_t *head, *body;
    uint32_t head_length, length;
};

/* The value of a field; length 0: none. Names as the server writes them. */
static inline struct hg_view field_of(const struct answer *answer, const char *name) {
    const size_t length = strlen(name);
    struct hg_view value = {NULL, 0};
    for (uint32_t i = 0; i + length + 4 < answer->head_length; i++) {
        if (answer->head[i] == '\n' && memcmp(answer->head + i + 1, name, length) == 0 &&
            memcmp(answer->head + i + 1 + length, ": ", 2) == 0) {
            CHECK(value.at == NULL); /* once */
            value.at = answer->head + i + 3 + length;
            while (value.at[value.length] != '\r') {
                value.length += 1;
            }
        }
    }
    return value;
}

static inline bool says(struct hg_view value, const char *text) {
    return value.at != NULL && value.length == strlen(text) && memcmp(value.at, text, value.length) == 0;
}

static inline bool has_field(const struct answer *answer, const char *name, const char *value) {
    return says(field_of(answer, name), value);
}

/* The body contains this text. */
static inline bool mentions(const struct answer *answer, const char *text) {
    const size_t length = strlen(text);
    for (uint32_t i = 0; i + length <= answer->length; i++) {
        if (memcmp(answer->body + i, text, length) == 0) {
            return true;
        }
    }
    return false;
}

/* Takes one whole answer from the front of these bytes; -> its length, 0: there is none yet. What is no answer ends the test.
 * `head_only`: it is one to HEAD. */
static inline uint32_t parse_answer(const uint8_t *data, uint32_t length, bool head_only, struct answer *answer) {
    uint32_t head = 0;
    struct hg_view size;
    for (uint32_t i = 3; i < length && head == 0; i++) {
        head = memcmp(data + i - 3, "\r\n\r\n", 4) == 0 ? i + 1 : 0;
    }
    CHECK(length == 0 || memcmp(data, "HTTP/1.1 ", length < 9 ? length : 9) == 0);
    if (head == 0) {
        return 0;
    }
    *answer = (struct answer){.head = data, .head_length = head, .body = data + head};
    for (uint32_t i = 9; i < 12; i++) {
        CHECK(data[i] >= '0' && data[i] <= '9');
        answer->status = answer->status * 10 + (data[i] - '0');
    }
    CHECK(data[12] == ' ' && answer->status >= 100 && answer->status < 600);
    answer->close = has_field(answer, "Connection", "close");
    answer->chunked = has_field(answer, "Transfer-Encoding", "chunked");
    size = field_of(answer, "Content-Length");
    for (uint32_t i = 0; i < size.length; i++) {
        CHECK(size.at[i] >= '0' && size.at[i] <= '9');
        answer->length = answer->length * 10 + (uint32_t)(size.at[i] - '0');
    }
    if (answer->status == 100 || answer->status == 204 || answer->status == 304) {
        CHECK(size.at == NULL); /* RFC 9110 section 8.6 */
    } else {
        CHECK((size.at != NULL) != answer->chunked);
    }
    if (head_only) {
        answer->length = 0;
    }
    return length - head < answer->length ? 0 : head + answer->length;
}

/* The next answer of a connection that does not speak TLS; false: none is complete yet. */
static inline bool hears(struct world *world, int fd, bool head_only, struct answer *answer) {
    struct net_bytes *out = &net_of(&world->net, fd)->out;
    const uint32_t length =
        out->length == out->at ? 0 : parse_answer(out->data + out->at, out->length - out->at, head_only, answer);
    out->at += length;
    return length != 0;
}

static inline bool is_silent(struct world *world, int fd) {
    const struct net_bytes *out = &net_of(&world->net, fd)->out;
    return out->at == out->length;
}

/* The next answer, which is there, with this status. */
static inline struct answer expect(struct world *world, int fd, int status) {
    struct answer answer;
    CHECK(hears(world, fd, false, &answer));
    if (answer.status != status) {
        fprintf(stderr, "%.*s%.*s\n", (int)answer.head_length, (const char *)answer.head, (int)answer.length,
                (const char *)answer.body);
    }
    CHECK(answer.status == status);
    return answer;
}

/* ... and it is a problem with this code. */
static inline struct answer expect_problem(struct world *world, int fd, int status, const char *code) {
    const struct answer answer = expect(world, fd, status);
    char type[80];
    snprintf(type, sizeof type, "\"urn:headgate:problem:%s\"", code);
    CHECK(has_field(&answer, "Content-Type", "application/problem+json") && mentions(&answer, type));
    return answer;
}

#define HEALTH "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEALTH_CLOSE "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define METRICS "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" /* is left to Python */
#define JSON_FIELD "Content-Type: application/json\r\n"

/* The head of a message to a stream; `fields`: whole lines, its framing among them. */
static inline void say_post(struct world *world, int fd, const char *stream, const char *fields) {
    sayf(world, fd, "POST /v1/streams/%s HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD "%s\r\n", stream, bearer, fields);
}

static inline void post(struct world *world, int fd, const char *stream, const char *body) {
    char length[40];
    snprintf(length, sizeof length, "Content-Length: %u\r\n", (unsigned)strlen(body));
    say_post(world, fd, stream, length);
    say(world, fd, body);
}

/* `length` times the byte; in pieces. */
static inline void say_bytes(struct world *world, int fd, char byte, uint32_t length) {
    char piece[8192];
    memset(piece, byte, sizeof piece);
    for (uint32_t left = length; left != 0;) {
        const uint32_t now = left < sizeof piece ? left : (uint32_t)sizeof piece;
        net_send(&world->net, fd, piece, now);
        serve(world);
        left -= now;
    }
}

/* Somebody else can still be served. */
static inline void still_serves(struct world *world) {
    const int fd = connect_client(world);
    say(world, fd, HEALTH_CLOSE);
    (void)expect(world, fd, 200);
    net_end(&world->net, fd);
    serve(world);
    CHECK(is_closed(world, fd));
}

#endif
