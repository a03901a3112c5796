/* The library of frames, for who gives it to a server. */
#ifndef HEADGATE_HTTP2_LIBRARY_H
#define HEADGATE_HTTP2_LIBRARY_H

#include "core/alloc.h"
#include "core/http2.h"

#define HG_HTTP2_CODES 14 /* error codes, RFC 9113 section 7; a peer may send others */

/* Why a connection was ended for what it costs (flood.c); the last one: by libnghttp2, by limits of its own. */
enum hg_flood { HG_FLOOD_RESETS, HG_FLOOD_FRAMES, HG_FLOOD_CONTINUATIONS, HG_FLOOD_FIELDS, HG_FLOOD_OTHERS, HG_FLOODS };

/* What happened, for /metrics. */
struct hg_http2_counters {
    uint32_t connections, streams; /* now */
    uint64_t connections_total, streams_total;
    /* Frames by their error code; the last one: any other. */
    uint64_t resets_received[HG_HTTP2_CODES + 1], resets_sent[HG_HTTP2_CODES + 1], goaways_sent[HG_HTTP2_CODES + 1];
    uint64_t floods[HG_FLOODS];
};

struct hg_library;
struct hg_library *hg_library_new(const struct hg_alloc *alloc); /* NULL: no memory */
const struct hg_http2 *hg_library_http2(const struct hg_library *library);
const struct hg_http2_counters *hg_library_counters(const struct hg_library *library);
void hg_library_free(struct hg_library *library); /* when no session is left */

#endif
