/* Headgate's own core: HTTP, token, rate, schema, intake and cache by the same plan as the appliance. What is accepted is
 * dropped at the end of the turn: there is no disk here. */
#define _GNU_SOURCE /* clock_gettime */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/compile.h"
#include "core/limits.h"
#include "core/serve.h"
#include "floor.h"

enum { FILE_BYTES = 65536, BODY_BYTES = 65536, TTL_FOR_EVER = 0 };

static const struct hg_http1_limits limits = {HG_HTTP_HEAD, HG_HTTP_LINE, HG_HTTP_HEADERS};
static const uint8_t seed[HG_SEED] = {1, 2, 3}; /* its clients are ours */
static struct hg_gate gate;
static struct hg_intake intake;
static struct hg_store store;
static struct hg_limiter limiter;
static struct hg_http1 parser;

static const char *setting(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) {
        floor_die(name);
    }
    return value;
}

static struct hg_view contents(const char *name) {
    FILE *file = fopen(setting(name), "rb");
    uint8_t *data = malloc(FILE_BYTES);
    size_t length = 0;
    if (file == NULL || data == NULL) {
        floor_die(name);
    } else {
        length = fread(data, 1, FILE_BYTES, file);
        fclose(file);
    }
    while (length != 0 && (data[length - 1] == '\n' || data[length - 1] == ' ')) {
        length -= 1;
    }
    return (struct hg_view){data, (uint32_t)length};
}

static struct hg_view text(const char *value) { return (struct hg_view){(const uint8_t *)value, (uint32_t)strlen(value)}; }

static struct hg_tokens *make_tokens(void) {
    const struct hg_key_spec key = {text(""), HG_HS256, contents("SECRET_FILE")};
    const struct hg_issuer_spec issuer = {.name = text("headgate"),
                                          .audience = text("headgate"),
                                          .policy = HG_POLICY_ESTIMATE,
                                          .leeway_s = 30,
                                          .keys = &key,
                                          .key_count = 1};
    struct hg_verifier *verifier = hg_verifier_new(&floor_memory, &issuer, 1, NULL, NULL, seed);
    return verifier == NULL ? NULL : hg_tokens_new(&floor_memory, verifier, seed, HG_TOKENS, HG_TOKENS_BYTES);
}

void floor_prepare(void) {
    const struct hg_view schema = contents("SCHEMA");
    const struct hg_compile_options options = {.draft = HG_DRAFT_2020, .formats = UINT32_MAX};
    const int64_t rate = strtoll(setting("RATE"), NULL, 10) * 1000, burst = strtoll(setting("BURST"), NULL, 10);
    struct hg_program *program = NULL;
    struct hg_plan_spec spec = {.stream_count = 2,
                                .tokens = make_tokens(),
                                .cache_value = HG_CACHE_VALUE,
                                .cache_rate_milli = rate,
                                .cache_burst = burst};
    if (hg_compile(&floor_memory, schema.at, schema.length, &options, &program) != HG_OK) {
        floor_die("the schema");
    }
    const struct hg_stream streams[] = {
        {text("telemetry"), program, rate, burst, BODY_BYTES, false, true, 0, NULL, TTL_FOR_EVER},
        {text("limited"), program, 1000, 5, BODY_BYTES, false, true, 0, NULL, TTL_FOR_EVER},
    };
    spec.streams = streams;
    hg_gate_init(&gate, &floor_memory);
    hg_intake_init(&intake, &floor_memory, 1, HG_OUTBOX_BUFFER_RECORDS, HG_OUTBOX_BUFFER_BYTES);
    intake.room = UINT64_MAX;
    hg_http1_init(&parser, &limits);
    if (hg_store_init(&store, &floor_memory, seed, 8 << 20, HG_CACHE_VALUE, HG_CACHE_ENTRIES) != HG_OK ||
        hg_limiter_init(&limiter, &floor_memory, seed, HG_LIMITER_CLIENTS) != HG_OK) {
        floor_die("no memory");
    }
    gate.plan = spec.tokens == NULL ? NULL : hg_plan_new(&floor_memory, &spec);
    gate.store = &store;
    gate.limiter = &limiter;
    gate.intake = &intake;
    gate.boot = 1;
    if (gate.plan == NULL) {
        floor_die("no memory");
    }
}

void floor_turn(void) {
    struct timespec wall, monotonic;
    struct hg_clock clock = {.state = HG_CLOCK_TRUSTED};
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    clock.now_s = clock.floor_s = wall.tv_sec;
    hg_gate_time(&gate, monotonic.tv_sec * 1000 + monotonic.tv_nsec / 1000000, &clock);
}

void floor_turned(void) {
    struct hg_batch batch;
    hg_intake_take(&intake, UINT32_MAX, UINT64_MAX, &batch);
    hg_batch_release(&intake, &batch);
}

/* The request at data[0..) whose head has been read, with its whole body. */
static bool answer(uint8_t *data, const struct hg_request *request, struct hg_output *output) {
    const uint32_t size = request->head + (uint32_t)request->length;
    struct hg_visit visit;
    enum hg_served served = hg_serve_head(&gate, request, data, text(""), true, &visit, output);
    if (served == HG_SERVED_BODY) {
        const uint8_t next = data[size];
        data[size] = '\0';
        served = hg_serve_body(&gate, request, data, &visit, (struct hg_view){data + request->head, (uint32_t)request->length},
                               0, output);
        data[size] = next;
    }
    return served == HG_SERVED_ANSWER && visit.keep_alive;
}

uint32_t floor_serve(uint8_t *data, uint32_t length, struct hg_output *output, bool *ends) {
    uint32_t at = 0;
    while (at < length && !*ends) {
        struct hg_view part;
        uint32_t head, consumed;
        const enum hg_http1_event event = hg_http1_next(&parser, data + at, length - at, &head, &part);
        if (event == HG_HTTP_MORE) {
            hg_http1_init(&parser, &limits); /* begins anew when there is more */
            break;
        }
        if (event != HG_HTTP_REQUEST || parser.request.length < 0 || parser.request.length > BODY_BYTES) {
            *ends = true; /* refused, or chunked */
            break;
        }
        if (parser.request.length > length - at - head) {
            hg_http1_init(&parser, &limits);
            break;
        }
        *ends = !answer(data + at, &parser.request, output);
        for (at += head; hg_http1_next(&parser, data + at, length - at, &consumed, &part) == HG_HTTP_PART; at += consumed) {
        }
        at += consumed;
    }
    if (*ends) {
        hg_http1_init(&parser, &limits);
    }
    return at;
}
