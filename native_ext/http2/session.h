/* A connection that speaks HTTP/2. */
#ifndef HEADGATE_HTTP2_SESSION_H
#define HEADGATE_HTTP2_SESSION_H

#include "core/secret.h"
#include "stream.h"

/* What a peer may do at no cost but ours: so many at once, and so many more each second. */
struct hg_allowance {
    int64_t left; /* thousandths of one */
    int64_t at_ms;
};

/* A value that came in Huffman code: so, and decoded (recall.c). */
struct hg_recalled {
    uint8_t *bytes;          /* the one after the other */
    uint32_t coded, decoded; /* bytes of each; 0: there is none, or it was not decoded yet */
};
enum { HG_RECALLED = 2 }; /* fields whose values are */

/* A whole block of fields (recall_block.c). */
struct hg_recalled_block {
    uint8_t *bytes;         /* as it came, then the views of `fields` */
    uint32_t coded, text;   /* bytes of each; text 0: it was not decoded yet */
    struct hg_block fields; /* but for `ended` */
};
enum { HG_RECALLED_BLOCKS = 2 };

#define HG_FRAME_HEAD 9 /* bytes before a frame's payload: RFC 9113 section 4.1 */
static inline uint32_t hg_frame_length(const uint8_t *frame) { /* of the payload */
    return (uint32_t)frame[0] << 16 | (uint32_t)frame[1] << 8 | frame[2];
}

/* A part of some text. */
struct hg_part {
    uint32_t at, length;
};

/* Where the next frame begins. */
struct hg_boundary {
    uint32_t left;        /* bytes before it */
    uint32_t head_length; /* of its head, so much has come */
    uint8_t head[HG_FRAME_HEAD];
};

struct hg_session {
    struct hg_library *library;
    const struct hg_http2_host *host;
    void *owner;
    nghttp2_session *frames;
    struct hg_link streams, agains;
    struct hg_stream *last; /* that was looked for; NULL: none, or it is over */
    struct hg_allowance resets, idle_frames;
    int64_t due_ms; /* of the streams', the next; 0: none */
    bool broken;    /* nothing is received or sent any more but `goodbye` */
    bool said;
    bool starved;   /* there was no memory: memory.c */
    bool flooded;   /* and which flood it was is counted */
    bool parting;   /* the client said GOAWAY */
    uint32_t code; /* why */
    uint8_t goodbye[17];
    /* The block of fields being received. */
    struct hg_stream *reading; /* whose request it is; NULL: trailers, or none */
    int64_t reading_ms;        /* since when */
    uint32_t block_bytes, continuations;
    nghttp2_rcbuf *method, *path, *authority;
    uint32_t lines; /* bytes */
    struct hg_part type, length; /* of the lines: what content-type and content-length say */
    bool cut, has_length, has_special;
    struct hg_boundary boundary;
    struct hg_recalled recalled[HG_RECALLED];
    struct hg_recalled_block blocks[HG_RECALLED_BLOCKS];
    struct hg_recalled_block *block; /* of the frame that is being received; NULL: it is none of them */
    uint32_t next_block;             /* to be forgotten for another */
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

/* recall.c: what comes, for libnghttp2 */
void hg_recall_begin(struct hg_session *session);
ssize_t hg_recall_receive(struct hg_session *session, const uint8_t *data, uint32_t length); /* -> negative: NGHTTP2_ERR_* */
void hg_recall_end(struct hg_session *session);

/* recall_block.c. `frame`: HEADERS, whole, a whole block, not padded */
/* -> what goes on in its place, written to `text`; length 0: the frame itself. Sets session->block. */
struct hg_view hg_blocks_recall(struct hg_session *session, const uint8_t *frame, uint8_t *text);
void hg_blocks_remember(struct hg_session *session, const uint8_t *frame);
void hg_blocks_learn(struct hg_session *session, const struct hg_block *block); /* session->block was decoded */
void hg_blocks_forget(struct hg_session *session);
static inline bool hg_block_is_recalled(const struct hg_session *session) {
    return session->block != NULL && session->block->text != 0;
}

/* flood.c: false: too much. */
bool hg_flood_frame(struct hg_session *session, const nghttp2_frame_hd *frame);
bool hg_flood_field(struct hg_session *session, size_t name, size_t value);
bool hg_flood_reset(struct hg_session *session);
void hg_flood_answered(struct hg_session *session); /* a frame of an answer was sent: the peer may acknowledge it */
void hg_flood_begin(struct hg_session *session);

/* memory.c */
void *hg_memory_take(struct hg_library *library, const struct hg_http2_host *host, void *owner, uint32_t size); /* NULL: none */
void hg_memory_give(struct hg_library *library, const struct hg_http2_host *host, void *owner, void *memory, uint32_t size);
void hg_memory_clear(struct hg_library *library); /* gives back what is kept */
nghttp2_mem hg_memory_of(struct hg_session *session); /* libnghttp2's */
void *hg_memory_allocate(size_t size, void *session); /* of that; for who does not say how much it gives back */
void hg_memory_release(void *memory, void *session);
static inline void *hg_session_take(struct hg_session *session, uint32_t size) {
    return hg_memory_take(session->library, session->host, session->owner, size);
}
static inline void hg_session_give(struct hg_session *session, void *memory, uint32_t size) {
    hg_memory_give(session->library, session->host, session->owner, memory, size);
}
/* ... of what may have a token in it, which is a secret while it is valid. */
static inline void hg_session_give_secret(struct hg_session *session, void *memory, uint32_t size) {
    hg_wipe(memory, size);
    hg_session_give(session, memory, size);
}

/* The text of whoever speaks goes to the server. */
void hg_text_flush(struct hg_library *library);

#endif
