/* Frames that cost us more than the peer. All of these end the connection with ENHANCE_YOUR_CALM.
 *
 *     streams reset, by the peer or for its errors (CVE-2023-44487, CVE-2025-8671)   HG_HTTP2_RESETS, HG_HTTP2_RESET_RATE
 *     PING, SETTINGS, PRIORITY, WINDOW_UPDATE, DATA without any                      HG_HTTP2_FRAMES, HG_HTTP2_FRAME_RATE; each
 *                                                                                    frame of an answer allows some more
 *     CONTINUATION (CVE-2024-27316)                                                  HG_HTTP2_CONTINUATIONS of one block
 *     fields that HPACK unfolds from a few bytes                                     HG_HTTP2_FIELDS bytes of one block
 *
 * Frames of unknown types are skipped by libnghttp2 at the price of reading them. What waits to be written needs no bound of its own: while the socket does not take it, nothing is read (core/carrier.c). */
#include "core/limits.h"
#include "session.h"

enum { ONE = 1000, PER_ANSWER = 4 /* two WINDOW_UPDATE, a PING that measures, and one to spare */ };

static void refill(const struct hg_session *session, struct hg_allowance *allowance, int64_t most, int64_t per_s) {
    const int64_t now_ms = session->host->now_ms(session->owner);
    const int64_t gone_ms = now_ms - allowance->at_ms;
    if (gone_ms > 0) {
        allowance->left += gone_ms < 3600000 ? gone_ms * per_s : most * ONE;
        allowance->at_ms = now_ms;
    }
    allowance->left = allowance->left < most * ONE ? allowance->left : most * ONE;
}

static bool take(const struct hg_session *session, struct hg_allowance *allowance, int64_t most, int64_t per_s) {
    if (allowance->left < ONE) {
        refill(session, allowance, most, per_s);
    }
    allowance->left -= ONE;
    return allowance->left >= 0;
}

static bool allowed(struct hg_session *session, bool is, enum hg_flood flood) {
    session->library->counters.floods[flood] += !is;
    return is;
}

void hg_flood_begin(struct hg_session *session) {
    const int64_t now_ms = session->host->now_ms(session->owner);
    session->resets = (struct hg_allowance){(int64_t)HG_HTTP2_RESETS * ONE, now_ms};
    session->idle_frames = (struct hg_allowance){(int64_t)HG_HTTP2_FRAMES * ONE, now_ms};
}

bool hg_flood_reset(struct hg_session *session) {
    return allowed(session, take(session, &session->resets, HG_HTTP2_RESETS, HG_HTTP2_RESET_RATE), HG_FLOOD_RESETS);
}

bool hg_flood_frame(struct hg_session *session, const nghttp2_frame_hd *frame) {
    switch (frame->type) {
    case NGHTTP2_HEADERS: session->continuations = session->block_bytes = 0; return true;
    case NGHTTP2_CONTINUATION:
        session->continuations += 1;
        return allowed(session, session->continuations <= HG_HTTP2_CONTINUATIONS, HG_FLOOD_CONTINUATIONS);
    case NGHTTP2_RST_STREAM: return true; /* counted as what it does */
    case NGHTTP2_DATA:
        if (frame->length != 0 || (frame->flags & NGHTTP2_FLAG_END_STREAM) != 0) {
            return true;
        }
        break;
    default: break;
    }
    return allowed(session, take(session, &session->idle_frames, HG_HTTP2_FRAMES, HG_HTTP2_FRAME_RATE), HG_FLOOD_FRAMES);
}

bool hg_flood_field(struct hg_session *session, size_t name, size_t value) {
    session->block_bytes += (uint32_t)(name + value) + 32; /* RFC 9113 section 6.5.2; libnghttp2 has each below 64 KiB */
    return allowed(session, session->block_bytes <= HG_HTTP2_FIELDS, HG_FLOOD_FIELDS);
}

void hg_flood_answered(struct hg_session *session) {
    const int64_t more = session->idle_frames.left + (int64_t)PER_ANSWER * ONE, most = (int64_t)HG_HTTP2_FRAMES * ONE;
    session->idle_frames.left = more < most ? more : most;
}
