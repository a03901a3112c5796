/* What the files on libnghttp2 share: the library, a session (one connection), a stream (one request), and how a stream's frames
 * become text for the server and its text frames again.
 *
 * That is a struct hg_translator. http2/plain.c is the one of HTTP requests; who speaks another protocol on streams (gRPC) has one of
 * its own, chosen in session.c by the request's content-type. A translator gives the server canonical HTTP/1.1 requests with
 * hg_stream_say, as many as it likes one after the other (a plain one says Connection: close and is done), hears the answers in
 * `write` or takes them with `output`, and answers with hg_stream_fields, `pull` and hg_stream_trailers: so an answer may be fields and
 * trailers only, or end with hg_stream_reset. */
#ifndef HEADGATE_HTTP2_STREAM_H
#define HEADGATE_HTTP2_STREAM_H

#include <nghttp2/nghttp2.h>

#include "core/alloc.h"
#include "core/http2.h"
#include "core/ring.h"
#include "library.h"

struct hg_session;
struct hg_stream;

enum {
    HG_TEXT_START = 3 * 4096 + 128, /* bytes before the fields' lines: a method, a path and an authority of a line each */
    HG_TEXT_LINES = 8192 + 64,      /* of the lines: more than a head may have, so that it is refused as too long */
    HG_TEXT_BODY = 16384 + 64       /* of a body: one frame of DATA, and what chunks need around it */
};
#define HG_TEXT (HG_TEXT_START + HG_TEXT_LINES + HG_TEXT_BODY)

/* A request's fields, checked as RFC 9113 section 8 wants them. Valid during hg_translator.head. */
struct hg_block {
    struct hg_view method, path, authority; /* authority: of the pseudo field or of Host; length 0: absent */
    struct hg_view content_type, content_length; /* parts of `lines`; length 0: absent */
    struct hg_view lines;   /* the other fields, in order: "name: value\r\n", names in lower case. Without te and host */
    bool cut;               /* there were more: HG_TEXT_LINES are full */
    bool has_length;        /* Content-Length is among the lines; the DATA will be as long */
    bool has_special;       /* Host, or Priority (RFC 9218), which libnghttp2 goes by, is among the fields */
    bool ended;             /* there is no body */
};

struct hg_translator {
    /* The fields are here. false: the stream was reset. */
    bool (*head)(struct hg_stream *stream, struct hg_block *block);
    void (*data)(struct hg_stream *stream, const uint8_t *data, uint32_t length); /* has to be consumed: hg_stream_consume, or by the server */
    void (*end)(struct hg_stream *stream);                                        /* of what the peer sends */
    /* The server's text: hg_http2.write, hg_http2.resume. Must not call hg_stream_say: hg_stream_again does later. */
    uint32_t (*write)(struct hg_stream *stream, const uint8_t *text, uint32_t length);
    void (*resume)(struct hg_stream *stream);
    /* DATA for the peer: -> bytes put into `data`; -1: broken. *end: nothing follows but the trailers that were submitted meanwhile
     * with hg_stream_trailers. 0 without *end: none now (hg_stream_more tells when there is). */
    int32_t (*pull)(struct hg_stream *stream, uint8_t *data, uint32_t room, bool *end);
    void (*lost)(struct hg_stream *stream);   /* its virtual connection is gone */
    void (*again)(struct hg_stream *stream);  /* as asked for: the server does not serve now, and may be told more */
    void (*expire)(struct hg_stream *stream); /* stream->due_ms has come (and is 0) */
    void (*close)(struct hg_stream *stream);  /* frees `state` */
};
extern const struct hg_translator hg_plain_translator, hg_grpc_translator;

enum hg_framing { HG_FRAMED_NONE, HG_FRAMED_LENGTH, HG_FRAMED_CHUNKED };

/* The answer of a plain stream, as far as it was read (answer.c). */
struct hg_answer_reader {
    uint8_t framing, step;
    uint64_t left; /* bytes of the body or the chunk */
};

#define HG_INLINE_BODY 256 /* bytes of an answer's body that need no memory but the stream's */

struct hg_stream {
    struct hg_http2_stream base; /* first: what the server sees */
    struct hg_session *session;
    struct hg_link link, again_link; /* of all the session's streams; of those to be called again */
    const struct hg_translator *translator;
    void *state;       /* the translator's */
    int64_t due_ms;    /* when its `expire` is called; 0: never. Set with hg_stream_due */
    int32_t id;
    bool received;     /* the peer has sent its last frame of it */
    bool answered;     /* the answer's fields are submitted */
    bool finished;     /* ... and its end */
    bool sent;         /* ... and that is sent: only the peer's end is missing */
    bool trailers;     /* ... which is in trailers */
    bool closed, again;
    /* of plain.c */
    bool head_only, chunked;
    struct hg_answer_reader reader;
    uint16_t body_at, body_length;
    uint8_t body[HG_INLINE_BODY];
};

/* Bytes, memory.c: */
#define HG_FRAME 16384    /* the largest payload: RFC 9113 section 4.2 */
#define HG_RESERVE 131072 /* more than one frame makes libnghttp2 ask for */
#define HG_KEPT_BYTES 131072 /* of pieces that were given back, all together */
#define HG_KEPT_STEP 64      /* ... each a multiple of this */
#define HG_KEPT_MOST 1024    /* ... and no larger */
#define HG_KEPT_SIZES (HG_KEPT_MOST / HG_KEPT_STEP)

/* The library as one process uses it. */
struct hg_library {
    struct hg_http2 http2; /* for the server; context: this */
    struct hg_alloc alloc;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    struct hg_http2_counters counters;
    /* Of whichever session is receiving: text for one stream, until another one's comes or all is received. While its fields
     * come: their lines, from HG_TEXT_START on. */
    struct hg_stream *speaker; /* whose text it is; NULL: nobody's */
    uint32_t text_from, text_length;
    uint32_t reserve_used, reserve_pieces;
    void *kept[HG_KEPT_SIZES]; /* pieces given back, by size: each begins with the next one */
    uint32_t kept_bytes;
    uint32_t held_bytes; /* of gRPC's input that waits, in all calls: grpc_stream.c */
    uint8_t text[HG_TEXT + 1];
    uint8_t respelled[9 + HG_FRAME]; /* a frame of fields: recall.c */
    _Alignas(max_align_t) uint8_t reserve[HG_RESERVE];
};
/* session.c: for translators. */
/* Text for the virtual connection, which is made if there is none; false: there cannot be one. */
bool hg_stream_begin(struct hg_stream *stream);
void hg_stream_say(struct hg_stream *stream, const void *text, uint32_t length);
void hg_stream_consume(struct hg_stream *stream, uint32_t length); /* DATA the server will not be told of */
struct hg_view hg_stream_output(struct hg_stream *stream, bool *last);
void hg_stream_taken(struct hg_stream *stream, uint32_t length);
/* The answer's fields, :status first (copied); `end`: nothing follows, else `pull` is asked. A status of 1xx may come before. */
void hg_stream_fields(struct hg_stream *stream, const nghttp2_nv *fields, size_t count, bool end);
void hg_stream_trailers(struct hg_stream *stream, const nghttp2_nv *fields, size_t count); /* before `pull` says *end */
void hg_stream_more(struct hg_stream *stream);                                            /* `pull` has something */
void hg_stream_reset(struct hg_stream *stream, uint32_t code);                            /* NGHTTP2_* error code */
void hg_stream_again(struct hg_stream *stream);
void hg_stream_due(struct hg_stream *stream, int64_t at_ms);
static inline nghttp2_nv hg_nv(struct hg_view name, struct hg_view value) {
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.at, (uint8_t *)(uintptr_t)value.at, name.length, value.length,
                        NGHTTP2_NV_FLAG_NONE};
}

/* answer.c: our own answers in HTTP/1.1, trusted. */
enum { HG_ANSWER_FIELDS = 32 };
struct hg_answer_head {
    uint16_t status;
    uint32_t length; /* bytes */
    uint32_t count;  /* of fields, :status first; without those of the connection */
    nghttp2_nv fields[HG_ANSWER_FIELDS];
};
/* false: it is not whole, or none. Sets the reader for what follows. */
bool hg_answer_head(struct hg_view text, bool head_only, struct hg_answer_head *head, struct hg_answer_reader *reader);
/* -> the next bytes of the body, at most `room`, among the text, of which *used are done with; *end: it is complete, but for trailers. Length 0
 * without *end: more text is needed. */
struct hg_view hg_answer_body(struct hg_answer_reader *reader, struct hg_view text, uint32_t room, uint32_t *used,
                              bool *end);
/* After the last chunk: fields up to the empty line. -> bytes; 0: they are not whole. */
uint32_t hg_answer_trailers(struct hg_view text, nghttp2_nv fields[HG_ANSWER_FIELDS], uint32_t *count);

#endif
