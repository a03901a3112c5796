/* The gateway in C without connections: text of a request in, text of the answer out. */
#ifndef HEADGATE_TESTS_CHECK_SERVE_H
#define HEADGATE_TESTS_CHECK_SERVE_H

#include "check.h"
#include "core/compile.h"
#include "core/serve.h"
#include "sign_token.h"

enum { BODY_LIMIT = 512, VALUE_LIMIT = 100, BOOT = 7, WAITER = 42, NOW_S = 1800000000 };

#define ALL_SCOPES "publish:* read:* cache:read cache:write"
#define CERTIFICATE_SCOPES "publish:any publish:slow read:any"
#define WEATHER                                                                                    \
    "{\"type\":\"object\",\"required\":[\"t\"],\"properties\":{\"t\":{\"type\":\"number\",\"maximum\":60}," \
    "\"u\":{\"type\":\"number\"}}}"

/* `heap`: of everything that is made while requests are served; allocations of it may fail. `steady`: of what they are served by. */
struct scene {
    struct heap heap, steady;
    struct hg_gate gate;
    struct hg_store store;
    struct hg_limiter limiter;
    struct hg_intake intake;
    struct hg_program *weather, *any;
    struct hg_verifier *verifier;
    struct hg_tokens *tokens;
    struct hg_plan *plan;
    struct hg_clock clock;
    const char *scopes; /* of the next token; NULL: none is sent */
    const char *identity; /* by the client's certificate; it may publish and read "any" */
    bool body_known;
    /* of the last request */
    char head[HG_HTTP_HEAD + 1];
    struct hg_request request;
    struct hg_visit visit;
    struct hg_output output;
    char answer[8192]; /* with a NUL */
};

static inline struct hg_view text_of(const char *text) {
    return (struct hg_view){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static inline struct hg_program *compiled_schema(const struct hg_alloc *alloc, const char *text) {
    const struct hg_compile_options options = {.draft = HG_DRAFT_2020};
    struct hg_program *program = NULL;
    CHECK(hg_compile(alloc, (const uint8_t *)text, (uint32_t)strlen(text), &options, &program) == HG_OK);
    return program;
}

static inline struct hg_plan *scene_plan(struct scene *scene, const struct hg_alloc *steady) {
    const struct hg_view station = text_of("station");
    const struct hg_stream usual = {.schema = scene->any, .rate_milli = 100000000, .burst = 100000, .body_limit = BODY_LIMIT,
                                    .by_client = true};
    struct hg_stream streams[4] = {usual, usual, usual, usual};
    const struct hg_plan_spec spec = {.streams = streams, .stream_count = 4, .tokens = scene->tokens,
                                      .certificate_scopes = text_of(CERTIFICATE_SCOPES), .cache_value = VALUE_LIMIT, .cache_rate_milli = 100000000, .cache_burst = 100000};
    struct hg_plan *plan;
    streams[0].name = text_of("weather");
    streams[0].schema = scene->weather;
    streams[0].by_client = false;
    streams[0].token_count = 1;
    streams[0].tokens = &station;
    streams[0].last_ttl_ms = 5000;
    streams[1].name = text_of("any");
    streams[2].name = text_of("safe");
    streams[2].durable = true;
    streams[3].name = text_of("slow");
    streams[3].rate_milli = 1000;
    streams[3].burst = 2;
    plan = hg_plan_new(steady, &spec);
    CHECK(plan != NULL);
    return plan;
}

static inline void at_ms(struct scene *scene, int64_t now_ms) { hg_gate_time(&scene->gate, now_ms, &scene->clock); }

static inline void scene_open(struct scene *scene, int64_t cache_bytes) {
    const struct hg_alloc alloc = heap_of(&scene->heap), steady = heap_of(&scene->steady);
    const struct hg_key_spec key = {text_of("k1"), HG_HS256, {SECRET, sizeof SECRET}};
    const struct hg_issuer_spec issuer = {.name = text_of("test"), .audience = text_of("headgate"), .policy = HG_POLICY_ACCEPT,
                                          .leeway_s = 5, .keys = &key, .key_count = 1};
    memset(scene, 0, sizeof *scene);
    scene->heap.fail_at = scene->steady.fail_at = -1;
    scene->weather = compiled_schema(&steady, WEATHER);
    scene->any = compiled_schema(&steady, "true");
    scene->verifier = hg_verifier_new(&steady, &issuer, 1, NULL, NULL, SEED);
    CHECK(scene->verifier != NULL);
    scene->tokens = hg_tokens_new(&alloc, scene->verifier, SEED, 4, 4096);
    CHECK(scene->tokens != NULL);
    scene->plan = scene_plan(scene, &steady);
    hg_gate_init(&scene->gate, &alloc);
    CHECK(hg_store_init(&scene->store, &alloc, SEED, cache_bytes, VALUE_LIMIT * 10, 64) == HG_OK);
    CHECK(hg_limiter_init(&scene->limiter, &alloc, SEED, 16) == HG_OK);
    hg_intake_init(&scene->intake, &alloc, BOOT, 8, 4096);
    scene->gate.plan = scene->plan;
    scene->gate.store = &scene->store;
    scene->gate.limiter = &scene->limiter;
    scene->gate.intake = &scene->intake;
    scene->gate.boot = BOOT;
    scene->clock = (struct hg_clock){NOW_S, NOW_S - 1000, HG_CLOCK_TRUSTED};
    scene->scopes = ALL_SCOPES;
    scene->identity = "";
    scene->body_known = true;
    hg_output_init(&scene->output, &alloc, HG_SERVER_ANSWERS);
    at_ms(scene, 1000);
}

static inline void scene_close(struct scene *scene) {
    hg_output_clear(&scene->output);
    hg_intake_clear(&scene->intake);
    check_store(&scene->store);
    hg_store_clear(&scene->store);
    check_limiter(&scene->limiter);
    hg_limiter_clear(&scene->limiter);
    hg_gate_clear(&scene->gate);
    hg_tokens_free(scene->tokens);
    CHECK(scene->heap.live == 0);
    hg_plan_free(scene->plan);
    hg_verifier_free(scene->verifier);
    heap_release(&scene->steady, scene->weather);
    heap_release(&scene->steady, scene->any);
    CHECK(scene->steady.live == 0);
}

/* What is in `output`, as text; a whole answer unless memory failed: its status, or 0. */
static inline int hear(struct scene *scene, bool head_only) {
    const struct hg_output *output = &scene->output;
    const char *end, *length;
    scene->answer[0] = '\0';
    if (output->failed) { /* the connection ends then */
        return 0;
    }
    CHECK(output->length > 15 && output->length < sizeof scene->answer);
    memcpy(scene->answer, output->data, output->length);
    scene->answer[output->length] = '\0';
    CHECK(strlen(scene->answer) == output->length && memcmp(scene->answer, "HTTP/1.1 ", 9) == 0);
    end = strstr(scene->answer, "\r\n\r\n");
    length = strstr(scene->answer, "\r\nContent-Length: ");
    CHECK(end != NULL && strstr(scene->answer, "\n\n") == NULL);
    CHECK((length == NULL) == (strncmp(scene->answer + 9, "204", 3) == 0 || strncmp(scene->answer + 9, "304", 3) == 0));
    CHECK(strlen(end + 4) == (length == NULL || head_only ? 0 : strtoul(length + 18, NULL, 10)));
    CHECK((strstr(scene->answer, "\r\nConnection: close\r\n") == NULL) == scene->visit.keep_alive);
    return (int)strtol(scene->answer + 9, NULL, 10);
}

/* The head of a request with a token; fields: whole lines. `length`: of its body, -1: none announced. */
static inline void say(struct scene *scene, const char *method, const char *path, const char *fields, int length) {
    static const struct hg_http1_limits limits = {HG_HTTP_HEAD, HG_HTTP_LINE, HG_HTTP_HEADERS};
    char token[1024] = "", content[48] = "", claims[512];
    struct hg_http1 parser;
    struct hg_view part;
    uint32_t consumed;
    if (scene->scopes != NULL) {
        snprintf(claims, sizeof claims,
                 "{\"iss\":\"test\",\"aud\":\"headgate\",\"sub\":\"dev-1\",\"exp\":4000000000,\"scope\":\"%s\"}", scene->scopes);
        strcpy(token, "Authorization: Bearer ");
        sign_token("{\"alg\":\"HS256\",\"kid\":\"k1\"}", claims, token + strlen(token));
        strcat(token, "\r\n");
    }
    if (length >= 0) {
        snprintf(content, sizeof content, "Content-Length: %d\r\n", length);
    }
    CHECK(snprintf(scene->head, sizeof scene->head, "%s %s HTTP/1.1\r\nHost: h\r\n%s%s%s\r\n", method, path, token, content,
                   fields) < (int)sizeof scene->head);
    hg_http1_init(&parser, &limits);
    CHECK(hg_http1_next(&parser, (const uint8_t *)scene->head, (uint32_t)strlen(scene->head), &consumed, &part) ==
          HG_HTTP_REQUEST);
    scene->request = parser.request;
    scene->output.length = 0;
    scene->output.failed = false;
}

static inline enum hg_served serve_head(struct scene *scene) {
    return hg_serve_head(&scene->gate, &scene->request, (const uint8_t *)scene->head, text_of(scene->identity),
                         scene->body_known, &scene->visit, &scene->output);
}

static inline enum hg_served serve_body(struct scene *scene, const char *body) {
    /* In a block of its own with the NUL that is promised, so that a sanitizer sees every byte too far. */
    const size_t length = strlen(body);
    char *block = malloc(length + 1);
    enum hg_served served;
    CHECK(block != NULL && length <= scene->visit.limit);
    memcpy(block, body, length + 1);
    served = hg_serve_body(&scene->gate, &scene->request, (const uint8_t *)scene->head, &scene->visit,
                           (struct hg_view){(const uint8_t *)block, (uint32_t)length}, WAITER, &scene->output);
    free(block);
    return served;
}

/* One whole request: -> the status; -1: left to the twin, untouched; -2: queued. `body` NULL: none announced. */
static inline int ask_with(struct scene *scene, const char *method, const char *path, const char *fields, const char *body) {
    const uint32_t buckets = scene->limiter.table.count;
    const uint64_t hits = scene->store.hits, misses = scene->store.misses, rows = scene->intake.seq;
    enum hg_served served;
    say(scene, method, path, fields, body == NULL ? -1 : (int)strlen(body));
    served = serve_head(scene);
    if (served == HG_SERVED_BODY) {
        served = serve_body(scene, body == NULL ? "" : body);
    }
    CHECK(served != HG_SERVED_BODY);
    if (served == HG_SERVED_ELSEWHERE) {
        CHECK(scene->output.length == 0 && buckets == scene->limiter.table.count && hits == scene->store.hits &&
              misses == scene->store.misses && rows == scene->intake.seq);
        return -1;
    }
    if (served == HG_SERVED_LATER) {
        CHECK(scene->output.length == 0 && scene->intake.seq == rows + 1);
        return -2;
    }
    return hear(scene, strcmp(method, "HEAD") == 0);
}

static inline int ask(struct scene *scene, const char *method, const char *path) {
    return ask_with(scene, method, path, "", NULL);
}

static inline bool says(const struct scene *scene, const char *words) { return strstr(scene->answer, words) != NULL; }

static inline bool problem_is(const struct scene *scene, const char *code) {
    char type[80];
    snprintf(type, sizeof type, "{\"type\":\"urn:headgate:problem:%s\",", code);
    return says(scene, type) && says(scene, "\r\nContent-Type: application/problem+json\r\n");
}

static inline const char *body_of(const struct scene *scene) { return strstr(scene->answer, "\r\n\r\n") + 4; }

#endif
