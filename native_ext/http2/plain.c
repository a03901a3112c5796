/* HTTP on a stream: its request as canonical HTTP/1.1 text, its answer as frames. */
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "session.h"

/* --- the request ----------------------------------------------------------------------------------------------------- */

struct pen {
    uint8_t *at;
};

static void pen_view(struct pen *pen, struct hg_view view) {
    if (view.length != 0) {
        memcpy(pen->at, view.at, view.length);
        pen->at += view.length;
    }
}

static void pen_text(struct pen *pen, const char *text) {
    pen_view(pen, (struct hg_view){(const uint8_t *)text, (uint32_t)strlen(text)});
}

/* What is longer than a line may be is refused as that (414, 431), and need not be whole for it. */
static struct hg_view cut(struct hg_view view) {
    return (struct hg_view){view.at, view.length < HG_HTTP_LINE ? view.length : HG_HTTP_LINE};
}

/* Around the fields' lines, which are in the library's text already: before them what the pseudo fields say, behind them the framing.
 * One request is all that this virtual connection will see. */
static bool head(struct hg_stream *stream, struct hg_block *block) {
    struct hg_library *library = stream->session->library;
    const struct hg_view method = cut(block->method), authority = cut(block->authority);
    const struct hg_view target = cut(block->path.length != 0 ? block->path : block->authority); /* CONNECT has no path */
    const uint32_t before = method.length + 1 + target.length + (uint32_t)strlen(" HTTP/1.1\r\nHost: \r\n") + authority.length;
    struct pen pen = {library->text + HG_TEXT_START - before};
    stream->head_only = method.length == 4 && memcmp(method.at, "HEAD", 4) == 0;
    stream->chunked = !block->has_length && !block->ended;
    if (!hg_stream_begin(stream)) {
        return false;
    }
    pen_view(&pen, method);
    pen_text(&pen, " ");
    pen_view(&pen, target);
    pen_text(&pen, " HTTP/1.1\r\nHost: ");
    pen_view(&pen, authority);
    pen_text(&pen, "\r\n");
    if (block->lines.at != pen.at) { /* recalled ones are elsewhere */
        memcpy(pen.at, block->lines.at, block->lines.length);
    }
    pen.at += block->lines.length;
    if (stream->chunked) {
        pen_text(&pen, "transfer-encoding: chunked\r\n");
    } else if (!block->has_length) {
        pen_text(&pen, "content-length: 0\r\n");
    }
    pen_text(&pen, "connection: close\r\n\r\n");
    library->speaker = stream;
    library->text_from = HG_TEXT_START - before;
    library->text_length = (uint32_t)(pen.at - library->text) - library->text_from;
    return true;
}

static void data(struct hg_stream *stream, const uint8_t *bytes, uint32_t length) {
    char size[16];
    if (stream->base.connection == 0) { /* it was answered, and the rest is of no interest */
        hg_stream_consume(stream, length);
        return;
    }
    if (stream->chunked) {
        hg_stream_say(stream, size, (uint32_t)snprintf(size, sizeof size, "%x\r\n", (unsigned)length));
    }
    hg_stream_say(stream, bytes, length);
    if (stream->chunked) {
        hg_stream_say(stream, "\r\n", 2);
    }
}

static void end(struct hg_stream *stream) {
    if (stream->chunked) {
        hg_stream_say(stream, "0\r\n\r\n", 5); /* trailers mean nothing here, as in HTTP/1.1 */
    }
    if (stream->session->library->speaker == stream) {
        hg_text_flush(stream->session->library);
    }
}

/* --- the answer ------------------------------------------------------------------------------------------------------ */

/* A body that is small, whole and framed by its length is kept with the stream: -> bytes taken. */
static uint32_t take_small(struct hg_stream *stream, struct hg_view text) {
    struct hg_answer_reader *reader = &stream->reader;
    const uint32_t length = (uint32_t)reader->left;
    if (reader->framing != HG_FRAMED_LENGTH || reader->left > HG_INLINE_BODY || text.length < length) {
        return 0;
    }
    memcpy(stream->body, text.at, length);
    stream->body_at = 0;
    stream->body_length = (uint16_t)length;
    reader->left = 0;
    return length;
}

static uint32_t write(struct hg_stream *stream, const uint8_t *text, uint32_t length) {
    struct hg_answer_head answer;
    uint32_t used = 0;
    if (stream->closed) {
        return length;
    }
    while (!stream->answered &&
           hg_answer_head((struct hg_view){text + used, length - used}, stream->head_only, &answer, &stream->reader)) {
        used += answer.length;
        stream->answered = answer.status >= 200;
        if (stream->answered) {
            used += take_small(stream, (struct hg_view){text + used, length - used});
        }
        stream->finished = stream->answered && stream->reader.framing == HG_FRAMED_NONE;
        hg_stream_fields(stream, answer.fields, answer.count, stream->finished);
    }
    return used;
}

static void resume(struct hg_stream *stream) {
    bool last;
    if (stream->closed) {
        return;
    }
    if (!stream->answered) {
        const struct hg_view text = hg_stream_output(stream, &last);
        const uint32_t used = text.length == 0 ? 0 : write(stream, text.at, text.length);
        if (used != 0) {
            hg_stream_taken(stream, used);
        }
        if (!stream->answered && last) {
            hg_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
        }
    } else if (!stream->sent || !stream->chunked) { /* of a body with a length the last frame may be on its way, and be empty */
        hg_stream_more(stream);
    } else { /* the whole answer, and its connection ends: nobody waits for the rest of the request */
        hg_stream_reset(stream, NGHTTP2_NO_ERROR);
    }
}

/* The body has ended, but for a chunked one's trailers. -> they are here, and it has. */
static bool pull_trailers(struct hg_stream *stream) {
    nghttp2_nv fields[HG_ANSWER_FIELDS];
    uint32_t count = 0, used;
    bool last;
    if (stream->reader.framing == HG_FRAMED_CHUNKED) {
        used = hg_answer_trailers(hg_stream_output(stream, &last), fields, &count);
        if (used == 0) {
            return false;
        }
        if (count != 0) {
            hg_stream_trailers(stream, fields, count);
        }
        hg_stream_taken(stream, used);
    }
    return true;
}

static int32_t pull(struct hg_stream *stream, uint8_t *to, uint32_t room, bool *over) {
    uint32_t length = 0, used;
    bool last = false, ended = false;
    struct hg_view text = {(const uint8_t *)"", 0};
    while (stream->body_at < stream->body_length && length < room) {
        const uint32_t left = (uint32_t)(stream->body_length - stream->body_at);
        length = left < room ? left : room;
        memcpy(to, stream->body + stream->body_at, length);
        stream->body_at = (uint16_t)(stream->body_at + length);
    }
    ended = stream->body_length != 0 && stream->body_at == stream->body_length;
    while (stream->body_length == 0 && !ended && length < room) {
        text = hg_stream_output(stream, &last);
        const struct hg_view part = hg_answer_body(&stream->reader, text, room - length, &used, &ended);
        if (part.length != 0) {
            memcpy(to + length, part.at, part.length);
            length += part.length;
        }
        if (used == 0 && !ended) {
            break;
        }
        hg_stream_taken(stream, used);
    }
    *over = ended && pull_trailers(stream);
    stream->finished = *over;
    return !*over && length == 0 && last ? -1 : (int32_t)length; /* cut: RFC 9113 section 8.1.1 */
}

/* Its connection in the server has ended before the stream did. */
static void lost(struct hg_stream *stream) {
    hg_stream_reset(stream, stream->sent       ? NGHTTP2_NO_ERROR
                            : stream->answered ? NGHTTP2_CANCEL
                                               : NGHTTP2_INTERNAL_ERROR);
}

static void nothing(struct hg_stream *stream) { (void)stream; }

const struct hg_translator hg_plain_translator = {head, data, end, write, resume, pull, lost, nothing, nothing, nothing};
