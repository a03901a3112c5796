/* HTTP/2 (RFC 9113) by somebody else: what the server and a library of frames ask of each other. The library (native_ext/http2, on
 * libnghttp2) is an extension of its own and comes as a struct hg_http2: who does not configure HTTP/2 loads neither.
 *
 * A connection whose first bytes are HTTP/2's becomes a *carrier*: its bytes go through the library. Each of its streams is a
 * *virtual connection* of the server, with the same states, deadlines and limits as one of a socket: its input is its request as
 * HTTP/1.1 text, its output our own answer in HTTP/1.1, which the library translates back. So everything behind it is the same, and
 * a request that came out of HPACK is judged once more, by http1.h.
 *
 *     socket -> hg_http2.receive -> frames -> fields, DATA -> text -> host.input -> hg_connection_input ... as ever
 *     socket <- hg_http2.send    <- frames <- fields, DATA <- hg_http2.write, host.output <- hg_connection_send
 *
 * Every other protocol on a stream (gRPC) is a translator between that and this text: http2/stream.h.
 *
 * core/carrier.c is the server's side of it. No call does I/O; one thread calls. The library calls the host from within receive, send,
 * close and expire only; while the host's `input` runs, the server may call write, resume, drop and consume, and no other. */
#ifndef HEADGATE_HTTP2_H
#define HEADGATE_HTTP2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "output.h"

#define HG_HTTP2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" /* RFC 9113 section 3.4; 24 bytes */
#define HG_HTTP2_CAPSULE "headgate_native.http2.v1"        /* name of the capsule with a struct hg_http2 */

/* A stream: the library's, which keeps more behind this. It lives until the library has called host.closed. */
struct hg_http2_stream {
    void *owner;         /* as given to open */
    uint64_t connection; /* the virtual connection's id; 0: none, or none any more */
    uint32_t unread;     /* bytes of DATA that the server has not consumed yet */
};

/* The server, as the library sees it. */
struct hg_http2_host {
    bool (*charge)(void *owner, uint32_t size); /* bytes are held for the connection; false: there may not be so many */
    void (*refund)(void *owner, uint32_t size); /* ... not any more */
    int64_t (*now_ms)(void *owner); /* monotonic */
    int64_t (*body_ms)(void *owner); /* how long a peer may take for what it was sent, where the server has written it already */
    /* A request begins: sets stream->connection. false: nobody can serve it. */
    bool (*begin)(struct hg_http2_stream *stream);
    /* Text for the virtual connection. text[length] may be written. */
    void (*input)(struct hg_http2_stream *stream, uint8_t *text, uint32_t length);
    /* What the server has written and `write` has not taken; *last: nothing more will come. */
    struct hg_view (*output)(struct hg_http2_stream *stream, bool *last);
    void (*taken)(struct hg_http2_stream *stream, uint32_t length); /* so much of that */
    /* The stream is over, and its virtual connection with it. */
    void (*closed)(struct hg_http2_stream *stream);
};

struct hg_http2 {
    void *context;
    void *(*open)(void *context, const struct hg_http2_host *host, void *owner); /* a connection; NULL: no memory */
    void (*close)(void *session);                                                /* with all of its streams */
    /* Bytes from the socket, from the preface's first on. false: the connection is to end, once what there is to say is sent. */
    bool (*receive)(void *session, const uint8_t *data, uint32_t length);
    /* -> bytes for the socket, valid until the next call; length 0: none now. */
    struct hg_view (*send)(void *session);
    bool (*ended)(void *session);      /* after everything was sent: nothing more will be received or sent */
    int64_t (*fields_ms)(void *session); /* since when the peer is in the midst of a block of fields; 0: it is not */
    void (*go_away)(void *session);    /* takes no further streams */
    int64_t (*due_ms)(void *session);  /* when `expire` is to be called; 0: never */
    void (*expire)(void *session);
    /* Of a stream. */
    uint32_t (*write)(struct hg_http2_stream *stream, const uint8_t *text, uint32_t length); /* -> bytes taken now */
    void (*resume)(struct hg_http2_stream *stream); /* there is more output than before, or nothing more will come */
    void (*consume)(struct hg_http2_stream *stream, uint32_t length); /* of `unread`: the peer may send so much more */
    void (*drop)(struct hg_http2_stream *stream);   /* its virtual connection is gone (and its id 0) */
};

#endif
