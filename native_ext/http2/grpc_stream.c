/* gRPC on a stream: grpc/grpc.h between its frames and the server's text. */
#include <string.h>

#include "core/limits.h"
#include "grpc/grpc.h"
#include "session.h"

enum { TRAILERS = 8 };

/* stream->state. The server does not see `unread`: it would take what it has been told for all there was, and the peer would
 * be let send more than is taken. */
struct stream_call {
    struct hg_grpc_call call;
    uint32_t unread;  /* bytes of DATA that the peer may not send again yet */
    uint32_t held;    /* bytes of memory for input that waits, as they are in library->held_bytes */
    uint32_t owed;    /* ... that it has to take until taken_ms */
    int64_t taken_ms; /* 0: there is nothing to take */
    int64_t ends_ms;  /* the call's deadline; 0: none */
};

static struct hg_grpc_call *call_of(const struct hg_stream *stream) { return &((struct stream_call *)stream->state)->call; }

static void set_due(struct hg_stream *stream) {
    const struct stream_call *state = stream->state;
    const bool taken_first = state->ends_ms == 0 || (state->taken_ms != 0 && state->taken_ms < state->ends_ms);
    hg_stream_due(stream, taken_first ? state->taken_ms : state->ends_ms);
}

/* What is there for the peer it has to take in the time of a body; then it has as long for what came meanwhile. To the server it is
 * written already. */
static void owe(struct hg_stream *stream) {
    struct stream_call *state = stream->state;
    const struct hg_session *session = stream->session;
    state->owed = hg_grpc_left(&state->call.data).length;
    state->taken_ms = state->owed == 0 ? 0 : session->host->now_ms(session->owner) + session->host->body_ms(session->owner);
    set_due(stream);
}

static void *allocate(void *context, size_t size) { /* as struct hg_alloc has it */
    return hg_memory_allocate(size, context);
}

static void release(void *context, void *bytes) {
    hg_memory_release(bytes, context);
}

/* The next one of lines "name: value" CR LF; false: there is none, or only a part of one. */
static bool next_line(struct hg_view *lines, struct hg_view *name, struct hg_view *value) {
    const uint8_t *const colon = lines->length == 0 ? NULL : memchr(lines->at, ':', lines->length);
    const uint8_t *const stop = colon == NULL ? NULL : memchr(lines->at, '\r', lines->length);
    if (stop == NULL || stop < colon + 2 || lines->length < (uint32_t)(stop - lines->at) + 2) {
        return false;
    }
    *name = (struct hg_view){lines->at, (uint32_t)(colon - lines->at)};
    *value = (struct hg_view){colon + 2, (uint32_t)(stop - colon) - 2};
    lines->length -= (uint32_t)(stop - lines->at) + 2;
    lines->at = stop + 2;
    return true;
}

static size_t trailers_of(const struct hg_grpc_call *call, nghttp2_nv *fields, size_t most) {
    struct hg_view lines = {call->trailers.data, call->trailers.length}, name, value;
    size_t count = 0;
    while (count < most && next_line(&lines, &name, &value)) {
        fields[count++] = hg_nv(name, value);
    }
    return count;
}

/* Of literals, which need not be copied. */
static nghttp2_nv field(const char *name, const char *value) {
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

/* The answer goes on, or ends: what there is of it goes to the peer. */
static void tell(struct hg_stream *stream) {
    struct hg_grpc_call *call = call_of(stream);
    nghttp2_nv fields[3 + TRAILERS] = {field(":status", "200"), field("content-type", "application/grpc"),
                                       field("grpc-accept-encoding", "identity,gzip")};
    size_t count = 3;
    const bool empty = hg_grpc_left(&call->data).length == 0;
    if (stream->finished || (!call->done && empty)) {
        return;
    }
    if (!empty && ((struct stream_call *)stream->state)->taken_ms == 0) {
        owe(stream);
    }
    if (call->mute && empty) { /* there is no memory to say more */
        stream->finished = true;
        hg_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    } else if (!stream->answered) {
        stream->answered = true;
        stream->finished = empty; /* the protocol's "Trailers-Only" */
        if (stream->finished) {
            count += trailers_of(call, fields + 3, TRAILERS);
        }
        hg_stream_fields(stream, fields, count, stream->finished);
    } else {
        hg_stream_more(stream);
    }
}

/* A message is judged when it is whole, its token as well: until then it is anybody's, and must not take what others need. */
static void count_held(struct hg_stream *stream, uint32_t held) {
    struct stream_call *state = stream->state;
    struct hg_library *library = stream->session->library;
    library->held_bytes += held - state->held;
    state->held = held;
}

/* What the call has for the server, the peer and its window. Not while the server serves. */
static void flush(struct hg_stream *stream) {
    struct stream_call *state = stream->state;
    struct hg_grpc_call *call = &state->call;
    count_held(stream, call->held.bytes.capacity);
    if (call->credit != 0) {
        state->unread -= call->credit;
        stream->base.unread += call->credit;
        hg_stream_consume(stream, call->credit);
        call->credit = 0;
    }
    if (call->request.length != 0) {
        const uint32_t length = call->request.length;
        call->request.length = 0;
        if (!call->done) {
            hg_stream_say(stream, call->request.data, length);
            hg_text_flush(stream->session->library);
        }
    }
    tell(stream);
}

static bool head(struct hg_stream *stream, struct hg_block *block) {
    static const char post[] = "POST";
    const bool posted = block->method.length == 4 && memcmp(block->method.at, post, 4) == 0;
    const enum hg_grpc_method method = posted ? hg_grpc_method_of(block->path) : HG_GRPC_NONE;
    const struct hg_alloc alloc = {allocate, release, stream->session};
    struct hg_view lines = block->lines, name, value;
    struct stream_call *state;
    struct hg_grpc_call *call;
    if (method == HG_GRPC_LENT) { /* Python speaks it, in the body of a request */
        stream->translator = &hg_plain_translator;
        return hg_plain_translator.head(stream, block);
    }
    state = allocate(stream->session, sizeof *state);
    if (state == NULL) {
        hg_stream_reset(stream, NGHTTP2_REFUSED_STREAM);
        return false;
    }
    stream->state = state;
    state->unread = state->held = state->owed = 0;
    state->taken_ms = state->ends_ms = 0;
    call = &state->call;
    hg_grpc_open(call, &alloc, method);
    if (block->cut) {
        hg_grpc_fail(call, HG_GRPC_RESOURCE_EXHAUSTED, "the metadata are too large");
    }
    while (next_line(&lines, &name, &value)) {
        hg_grpc_field(call, name, value);
    }
    if (!call->done && !hg_stream_begin(stream)) { /* now, for its deadline: a message need not come */
        return false;
    }
    if (call->timeout_ms != 0) {
        state->ends_ms = stream->session->host->now_ms(stream->session->owner) + call->timeout_ms;
        set_due(stream);
    }
    tell(stream);
    return true;
}

static void data(struct hg_stream *stream, const uint8_t *bytes, uint32_t length) {
    struct stream_call *state = stream->state;
    const uint32_t before = state->held;
    state->unread += length;
    stream->base.unread -= length;
    hg_grpc_input(&state->call, bytes, length, false);
    count_held(stream, state->call.held.bytes.capacity);
    if (state->held > before && stream->session->library->held_bytes > HG_GRPC_HELD) {
        hg_grpc_crowded(&state->call);
    }
    flush(stream);
}

static void end(struct hg_stream *stream) {
    hg_grpc_input(call_of(stream), (const uint8_t *)"", 0, true);
    flush(stream);
}

/* The server serves: what the call has to say next is said later. */
static void hear(struct hg_stream *stream, const uint8_t *text, uint32_t length) {
    struct hg_grpc_call *call = call_of(stream);
    hg_grpc_answer(call, text, length);
    if (call->request.length != 0 || call->credit != 0) {
        hg_stream_again(stream);
    }
    tell(stream);
}

static uint32_t write(struct hg_stream *stream, const uint8_t *text, uint32_t length) {
    if (!stream->closed) {
        hear(stream, text, length);
    }
    return length;
}

static void lost(struct hg_stream *stream) {
    hg_grpc_lost(call_of(stream));
    if (stream->sent) { /* only the peer's end is missing; what is sent from now on ends the stream itself: session.c */
        hg_stream_reset(stream, NGHTTP2_NO_ERROR);
    }
    tell(stream);
}

static void resume(struct hg_stream *stream) {
    bool last;
    const struct hg_view text = hg_stream_output(stream, &last);
    if (text.length != 0) {
        (void)write(stream, text.at, text.length);
        hg_stream_taken(stream, text.length);
    }
    if (last) {
        lost(stream);
    }
}

static int32_t pull(struct hg_stream *stream, uint8_t *to, uint32_t room, bool *over) {
    struct stream_call *state = stream->state;
    struct hg_grpc_call *call = &state->call;
    const struct hg_view left = hg_grpc_left(&call->data);
    const uint32_t length = left.length < room ? left.length : room;
    nghttp2_nv fields[TRAILERS];
    if (length != 0) {
        memcpy(to, left.at, length);
        hg_grpc_sent(call, length);
        state->owed -= length < state->owed ? length : state->owed;
        if (state->owed == 0) {
            owe(stream);
        }
        if (call->request.length != 0 || call->credit != 0) {
            hg_stream_again(stream);
        }
    }
    if (call->done && hg_grpc_left(&call->data).length == 0) {
        if (call->mute) {
            return -1;
        }
        hg_stream_trailers(stream, fields, trailers_of(call, fields, TRAILERS));
        stream->finished = true;
        *over = true;
    }
    return (int32_t)length;
}

static void expire(struct hg_stream *stream) {
    struct stream_call *state = stream->state;
    if (state->taken_ms != 0 && state->taken_ms <= stream->session->host->now_ms(stream->session->owner)) {
        hg_stream_reset(stream, NGHTTP2_CANCEL);
        return;
    }
    hg_grpc_fail(&state->call, HG_GRPC_DEADLINE_EXCEEDED, "the call's time is up");
    state->ends_ms = 0;
    set_due(stream);
    tell(stream);
}

static void close_call(struct hg_stream *stream) {
    struct stream_call *state = stream->state;
    if (state != NULL) {
        if (state->unread != 0) { /* the window of the connection */
            (void)nghttp2_session_consume_connection(stream->session->frames, state->unread);
        }
        count_held(stream, 0);
        hg_grpc_close(&state->call);
        release(stream->session, state);
    }
}

const struct hg_translator hg_grpc_translator = {head, data, end, write, resume, pull, lost, flush, expire, close_call};
