/* What the gateway executes: the compiled form of firmware_py/headgate/tasks/plan.py's Plan, made by the binding. Nothing in it
 * changes afterwards; a reload makes a new one, and requests under way finish on theirs. */
#ifndef HEADGATE_PLAN_H
#define HEADGATE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc.h"
#include "output.h"
#include "program.h"
#include "token.h"

struct hg_stream {
    struct hg_view name;
    const struct hg_program *schema;
    int64_t rate_milli, burst; /* limiter.h */
    uint32_t body_limit;       /* bytes of one message */
    bool durable;
    bool by_client;            /* the last value's key is the token's `sub`; otherwise what the pointer leads to */
    uint32_t token_count;      /* reference tokens of the JSON pointer, decoded */
    const struct hg_view *tokens;
    int64_t last_ttl_ms;
};

struct hg_plan_spec {
    const struct hg_stream *streams; /* copied with their names and tokens; the programs must outlive the plan */
    uint32_t stream_count;
    struct hg_tokens *tokens; /* and their verifier; must outlive the plan */
    struct hg_view certificate_scopes;  /* of clients known by their TLS certificate; as in hg_claims; copied */
    uint32_t cache_value;               /* bytes of one value */
    int64_t cache_rate_milli, cache_burst;
    uint32_t connections;
    uint32_t idle_ms, head_ms, body_ms;
};

struct hg_plan {
    struct hg_alloc alloc;
    struct hg_plan_spec spec; /* streams: the plan's own copies, sorted by length and name */
    uint32_t users; /* requests under way that began on it; for who frees it */
};

/* NULL: no memory. */
struct hg_plan *hg_plan_new(const struct hg_alloc *alloc, const struct hg_plan_spec *spec);
void hg_plan_free(struct hg_plan *plan);
const struct hg_stream *hg_plan_stream(const struct hg_plan *plan, struct hg_view name); /* NULL: unknown */

#endif
