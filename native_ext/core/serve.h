/* One request and its answer, without connections: the gateway in C. Twin of firmware_py/headgate/tasks (api, access, streams,
 * cache): the same judgements in the same order with the same answers. What it does not serve (batches, several keys at once, metrics,
 * readiness, the index, anything rare) it leaves to that twin, untouched: nothing taken from the limiter, nothing stored.
 *
 * serve.c: dispatch, token, scope, rate; serve_message.c: ingest and validate; serve_cache.c: key-value and last values;
 * answer.c: heads, problems. */
#ifndef HEADGATE_SERVE_H
#define HEADGATE_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "counters.h"
#include "http1.h"
#include "intake.h"
#include "limiter.h"
#include "plan.h"
#include "store.h"
#include "token.h"

/* How the answers of a status begin, for as long as the second lasts: its line, and Date. */
#define HG_BEGINNINGS 4 /* that are kept, by the last bits of the status */
#define HG_PHRASE 40    /* bytes of a status's phrase at most */
struct hg_beginning {
    uint16_t status; /* 0: none */
    uint16_t length;
    uint8_t text[HG_PHRASE + 56];
};

/* The fields that an answer with a value has, as they were made last: a value that many ask for is asked for again. */
#define HG_FIELDS 480 /* bytes; more are cut */
struct hg_value_fields {
    uint64_t version;      /* of the store's entry; 0: none */
    int64_t until_ms;      /* Age holds until then */
    uint16_t length;
    uint16_t type, etag;   /* bytes of the first line, Content-Type; of the ETag itself, in the second */
    uint8_t text[HG_FIELDS];
};

/* One or two decimal numbers, each with the same sign behind it, as they were written last: most texts begin as the one before. */
struct hg_numbers {
    int64_t first, second; /* second < 0: there is one */
    uint32_t length;       /* 0: nothing was written yet */
    uint8_t text[44];
};

/* What all requests share. One thread. */
struct hg_gate {
    struct hg_plan *plan; /* of new requests */
    struct hg_store *store;
    struct hg_limiter *limiter;
    struct hg_intake *intake;   /* NULL: messages are left to the twin */
    struct hg_counters counters;
    uint64_t boot;              /* part of every ETag */
    bool draining;              /* answers say Connection: close */
    int64_t now_ms;             /* monotonic */
    struct hg_clock clock;
    int64_t dated_s;            /* of `beginnings`; HG_UNDATED: answers have no Date */
    struct hg_beginning beginnings[HG_BEGINNINGS];
    struct hg_value_fields value_fields;
    struct hg_numbers last_begins; /* of the meta of last values: seconds to live and the time */
    struct hg_numbers seq_begins;  /* of a message's number: the boot and a dot */
    struct hg_output scratch;   /* a body whose length has to be known first */
    bool shared;                /* the key-value cache has a second level, which the twin asks for what is not here */
    struct hg_output changes;   /* shared: keys put or deleted here: of each its length - 1 in one byte, then itself */
};
#define HG_UNDATED INT64_MIN
/* `plan`, `store`, `limiter`, `intake`, `boot` and `shared` are for the caller to set. */
void hg_gate_init(struct hg_gate *gate, const struct hg_alloc *alloc);
void hg_gate_clear(struct hg_gate *gate);
/* To be called before requests are served, once for a group of them. */
void hg_gate_time(struct hg_gate *gate, int64_t now_ms, const struct hg_clock *clock);

/* What is remembered of a request until its body is there. Plain data, may be copied. */
struct hg_visit {
    struct hg_plan *plan;
    const struct hg_stream *stream; /* NULL: cache */
    int64_t start_ms;
    uint32_t limit;    /* bytes of body that are wanted; longer: hg_serve_too_large */
    uint8_t route;     /* serve.c's own */
    uint8_t verb;      /* enum hg_method */
    bool binary;       /* CBOR */
    bool keep_alive;   /* the answer lets the connection persist */
    bool http10;
    uint8_t sub_length;
    uint8_t sub[64];   /* HG_TOKEN_SUBJECT */
};

enum hg_served {
    HG_SERVED_ELSEWHERE, /* for the twin; *output is untouched */
    HG_SERVED_BODY,      /* let in: goes on with hg_serve_body, once at most visit->limit bytes of body are there */
    HG_SERVED_ANSWER,    /* the whole answer is in *output; visit->keep_alive says what it told the client */
    HG_SERVED_LATER      /* queued with its waiter; the answer comes with hg_serve_committed or hg_serve_failed */
};

/* A head has been read; `head`: its bytes. `identity`: who the client is by its TLS certificate (hg_tls.identity), length 0:
 * nobody; it counts where there is no token. `body_known`: what is left of the body is certain to come and short enough to be read
 * over (see Exchange.can_skip), so that a refusal may keep the connection. */
enum hg_served hg_serve_head(struct hg_gate *gate, const struct hg_request *request, const uint8_t *head,
                             struct hg_view identity, bool body_known, struct hg_visit *visit, struct hg_output *output);
/* The same request with its whole body. body.at[body.length] must be readable and 0. `waiter`: of the row, if one is queued. */
enum hg_served hg_serve_body(struct hg_gate *gate, const struct hg_request *request, const uint8_t *head,
                             struct hg_visit *visit, struct hg_view body, uint64_t waiter, struct hg_output *output);
/* Refuses a request that was let in, for its body: too long, too slow (HG_P_TIMEOUT), no memory for it. `keep`: as body_known. */
void hg_serve_refusal(struct hg_gate *gate, const struct hg_request *request, const uint8_t *head,
                      struct hg_visit *visit, const struct hg_problem *problem, bool keep, struct hg_output *output);
/* Input that is no request, or a client that is not let in: the answer, with Connection: close. */
void hg_serve_problem(struct hg_gate *gate, const struct hg_problem *problem, uint32_t retry_s, struct hg_output *output);

/* How a queued row ended. `replayed`: "boot.seq" of the first message under its key, length 0: it is stored. Keeps the last
 * value, counts, and if somebody waits (output != NULL) writes the answer. `visit`: what hg_serve_body left. */
void hg_serve_committed(struct hg_gate *gate, const struct hg_row *row, struct hg_view replayed, struct hg_visit *visit,
                        struct hg_output *output);
/* Not stored: code HG_P_STORAGE_FAILED, HG_P_IDEMPOTENCY_KEY_REUSED, HG_P_DRAINING... `retry_s` 0: no Retry-After. */
void hg_serve_failed(struct hg_gate *gate, const struct hg_row *row, const struct hg_problem *problem, uint32_t retry_s,
                     struct hg_visit *visit, struct hg_output *output);

#endif
