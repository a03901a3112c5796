/* A connection that speaks HTTP/2. */
#ifndef HEADGATE_HTTP2_SESSION_H
#define HEADGATE_HTTP2_SESSION_H

#include "stream.h"

/* What a peer may do at no cost but ours: so many at once, and so many more each second. */
struct hg_allowance {
    int64_t left; /* thousandths of one */
    int64_t at_ms;
};

struct hg_session {
    struct hg_library *library;
    const struct hg_http2_host *host;
    void *owner;
    nghttp2_session *frames;
    struct hg_link streams, agains;
    struct hg_allowance resets, idle_frames;
    int64_t due_ms; /* of the streams', the next; 0: none */
    bool broken;    /* nothing is received or sent any more but `goodbye` */
    bool said;
    bool starved;   /* there was no memory: memory.c */
    uint32_t code; /* why */
    uint8_t goodbye[17];
    /* The block of fields being received. */
    struct hg_stream *reading; /* whose request it is; NULL: trailers, or none */
    uint32_t block_bytes, continuations;
    nghttp2_rcbuf *method, *path, *authority;
    uint32_t lines, type_at, type_length; /* bytes; of the content-type, from HG_TEXT_START on */
    bool cut, has_length;
    uint8_t *kept; /* the lines, while somebody else receives */
    uint32_t kept_length;
};

/* fields.c: a request's block of fields becomes a struct hg_block. */
void hg_fields_begin(struct hg_session *session, struct hg_stream *stream);
/* 0, or NGHTTP2_ERR_*: for the callback to return. */
int hg_fields_add(struct hg_session *session, nghttp2_rcbuf *name, nghttp2_rcbuf *value);
void hg_fields_block(const struct hg_session *session, struct hg_block *block);
void hg_fields_end(struct hg_session *session); /* lets go of them */
bool hg_fields_keep(struct hg_session *session); /* false: no memory */
void hg_fields_restore(struct hg_session *session);

/* flood.c: false: too much. */
bool hg_flood_frame(struct hg_session *session, const nghttp2_frame_hd *frame);
bool hg_flood_field(struct hg_session *session, size_t name, size_t value);
bool hg_flood_reset(struct hg_session *session);
void hg_flood_answered(struct hg_session *session); /* a frame of an answer was sent: the peer may acknowledge it */
void hg_flood_begin(struct hg_session *session);

/* memory.c: libnghttp2's memory, by the host's. */
nghttp2_mem hg_memory_of(struct hg_session *session);

/* The text of whoever speaks goes to the server. */
void hg_text_flush(struct hg_library *library);

#endif
