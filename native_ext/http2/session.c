/* Connections on libnghttp2: its callbacks, and what server and translators call. */
#include "session.h"

#include <string.h>

#include "core/limits.h"
#include "grpc/grpc.h"

static struct hg_stream *stream_of(struct hg_http2_stream *base) { return (struct hg_stream *)base; }

/* --- streams --------------------------------------------------------------------------------------------------------- */

static struct hg_stream *new_stream(struct hg_session *session, int32_t id) {
    struct hg_stream *stream = hg_session_take(session, sizeof *stream);
    if (stream != NULL) {
        memset(stream, 0, sizeof *stream);
        stream->base.owner = session->owner;
        stream->session = session;
        stream->translator = &hg_plain_translator;
        stream->id = id;
        hg_ring_add(&session->streams, &stream->link);
        session->library->counters.streams += 1;
        session->library->counters.streams_total += 1;
    }
    return stream;
}

/* NULL: there is none of this id, or it is over. Frames of one stream often follow each other. */
static struct hg_stream *stream_at(struct hg_session *session, int32_t id) {
    if (session->last == NULL || session->last->id != id) {
        session->last = nghttp2_session_get_stream_user_data(session->frames, id);
    }
    return session->last;
}

/* Its frames are over. */
static void end_stream(struct hg_stream *stream) {
    struct hg_session *session = stream->session;
    stream->closed = true;
    if (session->last == stream) {
        session->last = NULL;
    }
    if (session->library->speaker == stream) {
        session->library->speaker = NULL;
    }
    if (session->reading == stream) {
        hg_fields_end(session);
    }
    if (stream->base.unread != 0) { /* the window of the connection */
        (void)nghttp2_session_consume_connection(session->frames, stream->base.unread);
    }
    if (stream->base.connection != 0) {
        session->host->closed(&stream->base);
    }
    stream->translator->close(stream);
    if (stream->again) {
        hg_ring_remove(&stream->again_link);
    }
    hg_ring_remove(&stream->link);
    session->library->counters.streams -= 1;
    hg_session_give(session, stream, sizeof *stream);
}

bool hg_stream_begin(struct hg_stream *stream) {
    if (stream->base.connection == 0 && !stream->session->host->begin(&stream->base)) {
        hg_stream_reset(stream, NGHTTP2_REFUSED_STREAM);
        return false;
    }
    return true;
}

void hg_text_flush(struct hg_library *library) {
    struct hg_stream *stream = library->speaker;
    library->speaker = NULL;
    if (stream != NULL && stream->base.connection != 0 && library->text_length != 0) {
        stream->session->host->input(&stream->base, library->text + library->text_from, library->text_length);
    }
}

void hg_stream_say(struct hg_stream *stream, const void *text, uint32_t length) {
    struct hg_library *library = stream->session->library;
    const uint8_t *from = text;
    while (length != 0 && stream->base.connection != 0) {
        if (library->speaker != stream || library->text_from + library->text_length == HG_TEXT) {
            hg_text_flush(library);
            library->speaker = stream;
            library->text_from = library->text_length = 0;
            continue; /* being served it may have ended */
        }
        const uint32_t at = library->text_from + library->text_length;
        const uint32_t piece = length < HG_TEXT - at ? length : HG_TEXT - at;
        memcpy(library->text + at, from, piece);
        library->text_length += piece;
        from += piece;
        length -= piece;
    }
}

void hg_stream_consume(struct hg_stream *stream, uint32_t length) {
    length = length < stream->base.unread ? length : stream->base.unread;
    stream->base.unread -= length;
    if (length != 0) {
        (void)nghttp2_session_consume(stream->session->frames, stream->id, length);
    }
}

struct hg_view hg_stream_output(struct hg_stream *stream, bool *last) {
    if (stream->base.connection == 0) {
        *last = true;
        return (struct hg_view){(const uint8_t *)"", 0};
    }
    return stream->session->host->output(&stream->base, last);
}

void hg_stream_taken(struct hg_stream *stream, uint32_t length) {
    if (length != 0 && stream->base.connection != 0) {
        stream->session->host->taken(&stream->base, length);
    }
}

void hg_stream_reset(struct hg_stream *stream, uint32_t code) {
    if (!stream->closed) {
        (void)nghttp2_submit_rst_stream(stream->session->frames, NGHTTP2_FLAG_NONE, stream->id, code);
    }
}

static ssize_t read_data(nghttp2_session *frames, int32_t id, uint8_t *data, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *context) {
    struct hg_stream *stream = source->ptr;
    bool end = false;
    const int32_t length = stream->translator->pull(stream, data, room < UINT16_MAX ? (uint32_t)room : UINT16_MAX, &end);
    (void)frames;
    (void)id;
    (void)context;
    if (length < 0) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* RST_STREAM */
    }
    if (end) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | (stream->trailers ? NGHTTP2_DATA_FLAG_NO_END_STREAM : 0u);
    } else if (length == 0) {
        return NGHTTP2_ERR_DEFERRED;
    }
    return length;
}

void hg_stream_fields(struct hg_stream *stream, const nghttp2_nv *fields, size_t count, bool end) {
    nghttp2_session *frames = stream->session->frames;
    const nghttp2_data_provider provider = {{.ptr = stream}, read_data};
    int error;
    if (stream->closed) {
        return;
    }
    if (fields[0].value[0] == '1') { /* an interim response, RFC 9110 section 15.2 */
        error = nghttp2_submit_headers(frames, NGHTTP2_FLAG_NONE, stream->id, NULL, fields, count, NULL);
    } else {
        error = nghttp2_submit_response(frames, stream->id, fields, count, end ? NULL : &provider);
    }
    if (error != 0) {
        hg_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    }
}

void hg_stream_trailers(struct hg_stream *stream, const nghttp2_nv *fields, size_t count) {
    if (!stream->closed && nghttp2_submit_trailer(stream->session->frames, stream->id, fields, count) != 0) {
        hg_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    stream->trailers = true;
}

void hg_stream_more(struct hg_stream *stream) {
    if (!stream->closed) {
        (void)nghttp2_session_resume_data(stream->session->frames, stream->id); /* it need not wait */
    }
}

void hg_stream_again(struct hg_stream *stream) {
    if (!stream->again) {
        stream->again = true;
        hg_ring_add(&stream->session->agains, &stream->again_link);
    }
}

static void call_again(struct hg_session *session) {
    while (session->agains.newer != &session->agains) {
        struct hg_stream *stream = HG_OF(session->agains.newer, struct hg_stream, again_link);
        hg_ring_remove(&stream->again_link);
        stream->again = false;
        stream->translator->again(stream);
        hg_text_flush(session->library);
    }
}

void hg_stream_due(struct hg_stream *stream, int64_t at_ms) {
    struct hg_session *session = stream->session;
    stream->due_ms = at_ms;
    if (at_ms != 0 && (session->due_ms == 0 || at_ms < session->due_ms)) {
        session->due_ms = at_ms;
    }
}

static void count(uint64_t *by_code, uint32_t code) { by_code[code < HG_HTTP2_CODES ? code : HG_HTTP2_CODES] += 1; }

static void count_goaway(struct hg_session *session, uint32_t code) {
    struct hg_http2_counters *counters = &session->library->counters;
    count(counters->goaways_sent, code);
    counters->floods[HG_FLOOD_OTHERS] += code == NGHTTP2_ENHANCE_YOUR_CALM && !session->flooded;
}

/* --- callbacks ------------------------------------------------------------------------------------------------------- */

static int too_much(struct hg_session *session) {
    session->flooded = true;
    session->code = NGHTTP2_ENHANCE_YOUR_CALM;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin_frame(nghttp2_session *frames, const nghttp2_frame_hd *head, void *context) {
    (void)frames;
    if (((struct hg_session *)context)->starved) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (head->type == NGHTTP2_PRIORITY && head->stream_id == 0) { /* RFC 9113 section 6.3; without priorities it is not looked at */
        ((struct hg_session *)context)->code = NGHTTP2_PROTOCOL_ERROR;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return hg_flood_frame(context, head) ? 0 : too_much(context);
}

static int on_begin_headers(nghttp2_session *frames, const nghttp2_frame *frame, void *context) {
    struct hg_session *session = context;
    struct hg_stream *stream;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        hg_fields_end(session); /* of a request that was refused: these are trailers of another */
        return 0;
    }
    hg_text_flush(session->library);
    stream = new_stream(session, frame->hd.stream_id);
    if (stream == NULL) {
        (void)nghttp2_submit_rst_stream(frames, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    (void)nghttp2_session_set_stream_user_data(frames, frame->hd.stream_id, stream);
    hg_fields_begin(session, stream);
    return 0;
}

static int on_header(nghttp2_session *frames, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                     uint8_t flags, void *context) {
    struct hg_session *session = context;
    (void)frames;
    (void)frame;
    (void)flags;
    if (!hg_flood_field(session, nghttp2_rcbuf_get_buf(name).len, nghttp2_rcbuf_get_buf(value).len)) {
        return too_much(session);
    }
    return session->reading == NULL || hg_block_is_recalled(session) ? 0 : hg_fields_add(session, name, value);
}

static int on_invalid_header(nghttp2_session *frames, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                             uint8_t flags, void *context) {
    (void)name;
    (void)value;
    (void)flags;
    (void)context;
    (void)nghttp2_submit_rst_stream(frames, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_PROTOCOL_ERROR);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void end_of_input(struct hg_stream *stream) {
    stream->received = true;
    stream->translator->end(stream);
}

static void request_head(struct hg_session *session, const nghttp2_frame *frame) {
    struct hg_stream *stream = session->reading;
    struct hg_block block;
    if (stream == NULL) {
        return;
    }
    if (hg_block_is_recalled(session)) {
        block = session->block->fields;
    } else {
        hg_fields_block(session, &block);
        if (session->block != NULL) {
            hg_blocks_learn(session, &block);
        }
    }
    block.ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (hg_grpc_is(block.content_type)) {
        stream->translator = &hg_grpc_translator;
    }
    if (stream->translator->head(stream, &block) && block.ended) {
        end_of_input(stream);
    }
    hg_fields_end(session);
}

static int on_frame(nghttp2_session *frames, const nghttp2_frame *frame, void *context) {
    struct hg_session *session = context;
    struct hg_stream *stream;
    (void)frames;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            request_head(session, frame);
            return 0;
        }
        break;
    case NGHTTP2_DATA: break;
    case NGHTTP2_RST_STREAM:
        count(session->library->counters.resets_received, frame->rst_stream.error_code);
        return hg_flood_reset(session) ? 0 : too_much(session);
    default: return 0;
    }
    stream = stream_at(session, frame->hd.stream_id);
    if (stream != NULL && !stream->received && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        end_of_input(stream);
    }
    return 0;
}

static int on_data(nghttp2_session *frames, uint8_t flags, int32_t id, const uint8_t *data, size_t length, void *context) {
    struct hg_stream *stream = stream_at(context, id);
    (void)flags;
    if (stream == NULL) {
        (void)nghttp2_session_consume_connection(frames, length);
    } else if (stream->sent) { /* the rest of the request is of no interest: RFC 9113 section 8.1 */
        (void)nghttp2_session_consume(frames, id, length);
        hg_stream_reset(stream, NGHTTP2_NO_ERROR);
    } else {
        stream->base.unread += (uint32_t)length; /* within the window */
        stream->translator->data(stream, data, (uint32_t)length);
    }
    return 0;
}

static int on_close(nghttp2_session *frames, int32_t id, uint32_t code, void *context) {
    struct hg_stream *stream = stream_at(context, id);
    (void)code;
    if (stream != NULL) {
        (void)nghttp2_session_set_stream_user_data(frames, id, NULL);
        end_stream(stream);
    }
    return 0;
}

static int on_sent(nghttp2_session *frames, const nghttp2_frame *frame, void *context) {
    struct hg_session *session = context;
    (void)frames;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        count(session->library->counters.resets_sent, frame->rst_stream.error_code);
        if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR && !hg_flood_reset(session)) {
            return too_much(session);
        }
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        count_goaway(session, frame->goaway.error_code);
    } else if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
        struct hg_stream *stream = stream_at(session, frame->hd.stream_id);
        hg_flood_answered(session);
        if (stream != NULL) {
            stream->sent = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
            if (stream->sent && !stream->received && stream->base.connection == 0) { /* nobody waits for the rest: RFC 9113 section 8.1 */
                hg_stream_reset(stream, NGHTTP2_NO_ERROR);
            }
        }
    }
    return 0;
}

/* --- for the server -------------------------------------------------------------------------------------------------- */

static bool greet(const struct hg_session *session) {
    enum { NO_RFC7540_PRIORITIES = 9 }; /* RFC 9218 section 2.1; not in every libnghttp2's header */
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HG_HTTP2_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HG_HTTP2_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, HG_HTTP2_TABLE},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HG_HTTP_HEAD + 32 * HG_HTTP_HEADERS},
        {NO_RFC7540_PRIORITIES, 1}};
    return nghttp2_submit_settings(session->frames, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings) == 0 &&
           nghttp2_session_set_local_window_size(session->frames, NGHTTP2_FLAG_NONE, 0, HG_HTTP2_WINDOW) == 0;
}

static void *open_session(void *context, const struct hg_http2_host *host, void *owner) {
    struct hg_library *library = context;
    struct hg_session *session = hg_memory_take(library, host, owner, sizeof *session);
    nghttp2_mem memory;
    if (session == NULL) {
        return NULL;
    }
    memset(session, 0, sizeof *session);
    session->library = library;
    session->host = host;
    session->owner = owner;
    hg_ring_init(&session->streams);
    hg_ring_init(&session->agains);
    hg_flood_begin(session);
    hg_recall_begin(session);
    memory = hg_memory_of(session);
    if (nghttp2_session_server_new3(&session->frames, library->callbacks, session, library->option, &memory) != 0) {
        hg_memory_give(library, host, owner, session, sizeof *session);
        return NULL;
    }
    if (!greet(session) || session->starved) {
        nghttp2_session_del(session->frames);
        hg_memory_give(library, host, owner, session, sizeof *session);
        return NULL;
    }
    library->counters.connections += 1;
    library->counters.connections_total += 1;
    return session;
}

static void close_session(void *memory) {
    struct hg_session *session = memory;
    while (session->streams.newer != &session->streams) {
        end_stream(HG_OF(session->streams.newer, struct hg_stream, link));
    }
    session->library->counters.connections -= 1;
    hg_fields_end(session);
    hg_recall_end(session);
    nghttp2_session_del(session->frames);
    hg_session_give(session, session, sizeof *session);
}

static void write_32(uint8_t *to, uint32_t number) {
    for (int i = 0; i < 4; i++) {
        to[i] = (uint8_t)(number >> (24 - 8 * i));
    }
}

/* libnghttp2 gives up at once, and says nothing: GOAWAY is written here. */
static void give_up(struct hg_session *session, int error) {
    static const uint8_t head[9] = {0, 0, 8, NGHTTP2_GOAWAY};
    if (session->broken) {
        return;
    }
    if (session->code == NGHTTP2_NO_ERROR) {
        session->code = error == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? NGHTTP2_PROTOCOL_ERROR
                        : error == NGHTTP2_ERR_NOMEM || error == NGHTTP2_ERR_CALLBACK_FAILURE
                            ? NGHTTP2_INTERNAL_ERROR
                            : NGHTTP2_ENHANCE_YOUR_CALM; /* its own limits: ERR_FLOODED, in newer ones ERR_TOO_MANY_CONTINUATIONS */
    }
    session->broken = true;
    count_goaway(session, session->code);
    memcpy(session->goodbye, head, sizeof head);
    write_32(session->goodbye + 9, (uint32_t)nghttp2_session_get_last_proc_stream_id(session->frames));
    write_32(session->goodbye + 13, session->code);
}

static bool receive(void *memory, const uint8_t *data, uint32_t length) {
    struct hg_session *session = memory;
    ssize_t used;
    if (session->broken) {
        return false;
    }
    hg_fields_restore(session);
    used = hg_recall_receive(session, data, length);
    hg_text_flush(session->library);
    if (used < 0) {
        give_up(session, (int)used);
    } else if (session->starved || !hg_fields_keep(session)) {
        give_up(session, NGHTTP2_ERR_NOMEM);
    } else {
        call_again(session);
    }
    return !session->broken;
}

static struct hg_view send(void *memory) {
    struct hg_session *session = memory;
    const uint8_t *data = NULL;
    ssize_t length = 0;
    if (!session->broken) {
        call_again(session);
        length = session->starved ? NGHTTP2_ERR_NOMEM : nghttp2_session_mem_send(session->frames, &data);
        if (length < 0 || session->starved) {
            give_up(session, length < 0 ? (int)length : NGHTTP2_ERR_NOMEM);
        }
    }
    if (session->broken) {
        data = session->goodbye;
        length = session->said ? 0 : (ssize_t)sizeof session->goodbye;
        session->said = true;
    }
    return (struct hg_view){length == 0 ? (const uint8_t *)"" : data, (uint32_t)length};
}

static bool ended(void *memory) {
    const struct hg_session *session = memory;
    return session->broken ? session->said
                           : nghttp2_session_want_read(session->frames) == 0 && nghttp2_session_want_write(session->frames) == 0;
}

static int64_t fields_ms(void *memory) {
    const struct hg_session *session = memory;
    return session->reading == NULL ? 0 : session->reading_ms;
}

static void go_away(void *memory) {
    const struct hg_session *session = memory;
    if (!session->broken) {
        (void)nghttp2_submit_goaway(session->frames, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(session->frames), NGHTTP2_NO_ERROR, NULL, 0);
    }
}

static int64_t due_ms(void *memory) { return ((const struct hg_session *)memory)->due_ms; }

static void expire(void *memory) {
    struct hg_session *session = memory;
    const int64_t now_ms = session->host->now_ms(session->owner);
    struct hg_link *next;
    session->due_ms = 0;
    for (struct hg_link *link = session->streams.newer; link != &session->streams; link = next) {
        struct hg_stream *stream = HG_OF(link, struct hg_stream, link);
        const int64_t at_ms = stream->due_ms;
        next = link->newer;
        if (at_ms != 0 && at_ms <= now_ms) {
            stream->due_ms = 0;
            stream->translator->expire(stream);
        } else {
            hg_stream_due(stream, at_ms);
        }
    }
}

static uint32_t write_text(struct hg_http2_stream *base, const uint8_t *text, uint32_t length) {
    return stream_of(base)->translator->write(stream_of(base), text, length);
}

static void resume(struct hg_http2_stream *base) { stream_of(base)->translator->resume(stream_of(base)); }

static void consume(struct hg_http2_stream *base, uint32_t length) { hg_stream_consume(stream_of(base), length); }

static void drop(struct hg_http2_stream *base) {
    struct hg_stream *stream = stream_of(base);
    if (stream->session->library->speaker == stream) {
        stream->session->library->speaker = NULL;
    }
    if (!stream->closed) {
        hg_stream_consume(stream, base->unread);
        stream->translator->lost(stream);
    }
}

/* --- the library ----------------------------------------------------------------------------------------------------- */

struct hg_library *hg_library_new(const struct hg_alloc *alloc) {
    struct hg_library *library = alloc->alloc(alloc->context, sizeof *library);
    if (library == NULL) {
        return NULL;
    }
    memset(library, 0, offsetof(struct hg_library, text)); /* the rest takes no memory until it is used */
    library->alloc = *alloc;
    library->http2 = (struct hg_http2){library, open_session, close_session, receive, send,   ended,   fields_ms, go_away,
                                       due_ms,  expire,       write_text,    resume,  consume, drop};
    if (nghttp2_session_callbacks_new(&library->callbacks) != 0 || nghttp2_option_new(&library->option) != 0) {
        hg_library_free(library);
        return NULL;
    }
    nghttp2_session_callbacks_set_on_begin_frame_callback(library->callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(library->callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(library->callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(library->callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(library->callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(library->callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(library->callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(library->callbacks, on_sent);
    nghttp2_option_set_no_auto_window_update(library->option, 1); /* as it is consumed */
    return library;
}

const struct hg_http2 *hg_library_http2(const struct hg_library *library) { return &library->http2; }

const struct hg_http2_counters *hg_library_counters(const struct hg_library *library) { return &library->counters; }

void hg_library_free(struct hg_library *library) {
    const struct hg_alloc alloc = library->alloc;
    nghttp2_session_callbacks_del(library->callbacks);
    nghttp2_option_del(library->option);
    hg_memory_clear(library);
    alloc.release(alloc.context, library);
}
