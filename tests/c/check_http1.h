/* Runs the HTTP parser over an input cut in any way, and keeps what it said. Checks what holds for every event. */
#ifndef HEADGATE_TESTS_CHECK_HTTP1_H
#define HEADGATE_TESTS_CHECK_HTTP1_H

#include "check.h"
#include "core/http1.h"
#include "core/siphash.h"

enum { TOLD = 256 };

/* Parts of a body that follow each other count as one: only how a body is cut may depend on how the input was. */
struct told {
    uint32_t count;
    struct {
        enum hg_http1_event event;
        uint64_t hash;   /* of the request, or of the problem */
        uint32_t length; /* of the body */
    } all[TOLD];
    struct hg_request last;
    struct hg_problem problem;
    uint8_t *body;
    uint32_t body_length;
};

static inline void check_span(const struct hg_request *request, struct hg_span span) {
    CHECK((uint32_t)span.at + span.length <= request->head);
}

/* Everything of a request; spans are relative to its head, wherever that is. */
static inline uint64_t request_hash(const struct hg_request *request) {
    uint32_t words[2 * (4 + HG_FIELD_COUNT) + 10];
    const struct hg_span first[4] = {request->method, request->target, request->path, request->query};
    uint32_t n = 0;
    for (uint32_t i = 0; i < 4 + HG_FIELD_COUNT; i++) {
        const struct hg_span span = i < 4 ? first[i] : request->field[i - 4];
        check_span(request, span);
        words[n++] = span.at;
        words[n++] = span.length;
    }
    CHECK(request->path.length != 0 || request->path_empty);
    words[n++] = request->repeated;
    words[n++] = request->verb;
    words[n++] = request->path_plain;
    words[n++] = request->path_empty;
    words[n++] = request->http10;
    words[n++] = request->keep_alive;
    words[n++] = request->expect_continue;
    words[n++] = (uint32_t)request->length;
    words[n++] = (uint32_t)((uint64_t)request->length >> 32);
    words[n++] = request->head;
    return hg_siphash13(SEED, (const uint8_t *)words, n * sizeof words[0]);
}

static inline void tell(struct told *told, enum hg_http1_event event, const struct hg_http1 *parser,
                        struct hg_view part) {
    uint64_t hash = 0;
    if (event == HG_HTTP_PART) {
        CHECK(part.length > 0);
        memcpy(told->body + told->body_length, part.at, part.length);
        told->body_length += part.length;
        if (told->count > 0 && told->all[told->count - 1].event == HG_HTTP_PART) {
            told->all[told->count - 1].length += part.length;
            return;
        }
    } else if (event == HG_HTTP_REQUEST) {
        told->last = parser->request;
        hash = request_hash(&parser->request);
    } else if (event == HG_HTTP_REFUSED) {
        told->problem = parser->problem;
        CHECK(parser->problem.close && parser->problem.status >= 400);
        hash = (uint64_t)parser->problem.status << 8 | parser->problem.code;
        hash ^= hg_siphash13(SEED, (const uint8_t *)parser->problem.detail, strlen(parser->problem.detail)) << 24;
    }
    CHECK(told->count < TOLD);
    told->all[told->count].event = event;
    told->all[told->count].hash = hash;
    told->all[told->count++].length = part.length;
}

/* Feeds data[0..length) in pieces of sizes[0], sizes[1], ... (over and over; none: in one). Every call sees exactly what
 * is there, in memory of its own, which is gone afterwards. `ends`: the input ends after it. */
static inline void run_http1(struct told *told, const struct hg_http1_limits *limits, const uint8_t *data,
                             uint32_t length, const uint8_t *sizes, uint32_t size_count, bool ends) {
    struct hg_http1 parser;
    uint32_t start = 0, end = 0, turn = 0; /* [start, end) is there */
    enum hg_http1_event event = HG_HTTP_MORE;
    *told = (struct told){.body = malloc(length + 1u)};
    CHECK(told->body != NULL);
    hg_http1_init(&parser, limits);
    CHECK(hg_http1_idle(&parser));
    while (event != HG_HTTP_REFUSED) {
        uint32_t consumed = 0;
        struct hg_view part = {NULL, 0};
        uint8_t *view = malloc(end - start + 1u), *exact;
        CHECK(view != NULL);
        exact = view + 1; /* an input of nothing is not NULL either */
        memcpy(exact, data + start, end - start);
        event = hg_http1_next(&parser, exact, end - start, &consumed, &part);
        CHECK(consumed <= end - start);
        CHECK(event != HG_HTTP_PART ||
              (part.at >= exact && part.length <= consumed && part.at + part.length <= exact + consumed));
        CHECK(event != HG_HTTP_REQUEST || (parser.request.head <= consumed && parser.request.head <= limits->head));
        if (event != HG_HTTP_MORE) {
            tell(told, event, &parser, part);
        }
        free(view);
        start += consumed;
        if (event == HG_HTTP_MORE) {
            if (end == length) {
                break;
            }
            uint32_t size = size_count == 0 ? length : sizes[turn++ % size_count];
            size = size == 0 ? 1 : size;
            end = length - end < size ? length : end + size;
        }
    }
    if (ends && event == HG_HTTP_MORE && !hg_http1_ended(&parser, length - start)) {
        tell(told, HG_HTTP_REFUSED, &parser, (struct hg_view){NULL, 0});
    }
    if (told->count > 0 && told->all[told->count - 1].event == HG_HTTP_REFUSED) {
        uint32_t consumed = 0;
        struct hg_view part;
        CHECK(hg_http1_next(&parser, data, length, &consumed, &part) == HG_HTTP_REFUSED && consumed == length);
        CHECK(!hg_http1_ended(&parser, 0));
    }
}

static inline void check_same_told(const struct told *a, const struct told *b) {
    CHECK(a->count == b->count && a->body_length == b->body_length);
    CHECK(memcmp(a->body, b->body, a->body_length) == 0);
    for (uint32_t i = 0; i < a->count; i++) {
        CHECK(a->all[i].event == b->all[i].event && a->all[i].hash == b->all[i].hash &&
              a->all[i].length == b->all[i].length);
    }
}

#endif
