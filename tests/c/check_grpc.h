/* Runs a gRPC call over input cut in any way, against answers of a table; checks what holds for every call. */
#ifndef HEADGATE_TESTS_CHECK_GRPC_H
#define HEADGATE_TESTS_CHECK_GRPC_H

#include "check.h"
#include "grpc/grpc.h"
#include "core/http1.h"

static inline struct hg_view view_of(const char *text) {
    return (struct hg_view){(const uint8_t *)text, (uint32_t)strlen(text)};
}

/* Bytes gathered, by malloc. */
struct gathered {
    uint8_t *bytes;
    size_t length;
};

static inline void gather(struct gathered *all, const uint8_t *bytes, uint32_t length) {
    if (length != 0) {
        all->bytes = realloc(all->bytes, all->length + length);
        CHECK(all->bytes != NULL);
        memcpy(all->bytes + all->length, bytes, length);
        all->length += length;
    }
}

/* What a call came to. */
struct outcome {
    struct gathered requests, data, trailers;
    uint32_t asked; /* requests */
    bool done, mute;
    uint32_t credit;
};

static inline void free_outcome(struct outcome *outcome) {
    free(outcome->requests.bytes);
    free(outcome->data.bytes);
    free(outcome->trailers.bytes);
    *outcome = (struct outcome){.asked = 0};
}

static inline bool same_bytes(const struct gathered *a, const struct gathered *b) {
    return a->length == b->length && (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
}

/* Whatever a message says, it is exactly one request, and no part of another. */
static inline void check_one_request(const uint8_t *text, uint32_t length) {
    static const struct hg_http1_limits wide = {HG_HTTP1_MOST, HG_HTTP1_MOST, HG_HTTP_HEADERS};
    struct hg_http1 parser;
    uint32_t at = 0, consumed = 0;
    struct hg_view part;
    enum hg_http1_event event;
    hg_http1_init(&parser, &wide);
    event = hg_http1_next(&parser, text, length, &consumed, &part);
    CHECK(event == HG_HTTP_REQUEST && parser.request.keep_alive && parser.request.length >= 0);
    CHECK(parser.request.verb == HG_GET || parser.request.verb == HG_POST || parser.request.verb == HG_PUT ||
          parser.request.verb == HG_DELETE);
    do {
        at += consumed;
        event = hg_http1_next(&parser, text + at, length - at, &consumed, &part);
    } while (event == HG_HTTP_PART);
    CHECK(event == HG_HTTP_END && at + consumed == length);
}

/* Answers what is asked for, in pieces of `size` bytes (0: whole), with `answers` one after the other (over and over; NULL: then the
 * connection ends), and takes what is there for the peer. */
static inline void serve_call(struct hg_grpc_call *call, const char *const *answers, uint32_t count, uint32_t size,
                              struct outcome *outcome) {
    bool moved;
    do {
        moved = false;
        if (call->request.length != 0) {
            const char *answer = answers[outcome->asked % count];
            CHECK(!call->request.failed);
            if (!call->done) { /* otherwise nobody waits for it */
                check_one_request(call->request.data, call->request.length);
            }
            gather(&outcome->requests, call->request.data, call->request.length);
            call->request.length = 0;
            outcome->asked += 1;
            moved = true;
            if (answer == NULL) {
                hg_grpc_lost(call);
            } else {
                const uint32_t length = (uint32_t)strlen(answer), step = size == 0 ? length : size;
                for (uint32_t at = 0; at < length; at += step) {
                    hg_grpc_answer(call, (const uint8_t *)answer + at, length - at < step ? length - at : step);
                }
            }
        }
        if (hg_grpc_left(&call->data).length != 0) {
            const struct hg_view left = hg_grpc_left(&call->data);
            const uint32_t length = size == 0 || left.length < size ? left.length : size;
            gather(&outcome->data, left.at, length);
            hg_grpc_sent(call, length);
            moved = true;
        }
        outcome->credit += call->credit;
        call->credit = 0;
    } while (moved);
}

/* A whole call. `fields`: pairs of name and value, ends with NULL. sizes: of the pieces of input, over and over (none: in one). */
static inline void run_grpc(struct outcome *outcome, const struct hg_alloc *alloc, enum hg_grpc_method method, const char *const *fields,
                            const uint8_t *data, uint32_t length, const uint8_t *sizes, uint32_t size_count,
                            const char *const *answers, uint32_t answer_count) {
    struct hg_grpc_call call;
    uint32_t at = 0, turn = 0;
    *outcome = (struct outcome){.asked = 0};
    hg_grpc_open(&call, alloc, method);
    for (; fields != NULL && *fields != NULL; fields += 2) {
        hg_grpc_field(&call, view_of(fields[0]), view_of(fields[1]));
    }
    do {
        uint32_t size = size_count == 0 ? length : sizes[turn++ % size_count] + 1u;
        uint8_t *piece;
        size = length - at < size ? length - at : size;
        piece = malloc(size + 1u); /* gone afterwards */
        CHECK(piece != NULL);
        memcpy(piece, data + at, size);
        hg_grpc_input(&call, piece, size, size_count == 0);
        free(piece);
        at += size;
        serve_call(&call, answers, answer_count, size_count == 0 ? 0 : 7, outcome);
    } while (at < length);
    if (size_count != 0) { /* the end by itself */
        hg_grpc_input(&call, (const uint8_t *)"", 0, true);
        serve_call(&call, answers, answer_count, 7, outcome);
    }
    CHECK(call.done);
    outcome->done = call.done;
    outcome->mute = call.mute;
    if (!call.mute) {
        CHECK(call.trailers.length > 15 && memcmp(call.trailers.data, "grpc-status: ", 13) == 0);
        CHECK(memcmp(call.trailers.data + call.trailers.length - 2, "\r\n", 2) == 0);
        gather(&outcome->trailers, call.trailers.data, call.trailers.length);
    }
    hg_grpc_close(&call);
}

#endif
