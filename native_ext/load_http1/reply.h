/* One answer of HTTP/1.1 as a client reads it, in pieces; the twin of Answer in headgate_host/load/http_wire.py. Allocates
 * (malloc) only for a head that comes in pieces, and for a body that is to be kept. */
#ifndef HEADGATE_LOAD_REPLY_H
#define HEADGATE_LOAD_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load/shot.h"

enum { HG_REPLY_HEAD_MAX = 65536 }; /* bytes of a head, and of a line of a chunked body; more is wrong */

enum hg_reply_result { HG_REPLY_MORE, HG_REPLY_DONE, HG_REPLY_WRONG };
enum hg_reply_state {
    HG_REPLY_AT_HEAD,
    HG_REPLY_AT_COUNTED,
    HG_REPLY_AT_SIZE,
    HG_REPLY_AT_CHUNK,
    HG_REPLY_AT_CHUNK_END,
    HG_REPLY_AT_TRAILER,
    HG_REPLY_AT_CLOSE,
};

struct hg_reply {
    struct hg_shot *into; /* where the body is kept; NULL: it is only counted */
    char *held; /* of a head that is not complete */
    uint32_t held_length;
    uint32_t line; /* bytes of this line of a chunked body so far */
    uint64_t left; /* bytes of the body or chunk that are still to come; while a size is read, the size so far */
    uint16_t status;
    uint8_t state;   /* enum hg_reply_state */
    uint8_t matched; /* AT_CHUNK_END, AT_TRAILER, AT_SIZE: progress in the line */
    bool to_head, keep_alive;
};

/* Zeroed memory is fine for the first time. `to_head`: the request is a HEAD. */
void hg_reply_begin(struct hg_reply *reply, bool to_head, struct hg_shot *into);
void hg_reply_clear(struct hg_reply *reply);
/* Once DONE, `status` and `keep_alive` are there. Bytes beyond the answer are wrong. */
enum hg_reply_result hg_reply_feed(struct hg_reply *reply, const char *data, size_t length);
/* The server has ended the connection: DONE only where the body goes on until then. */
enum hg_reply_result hg_reply_eof(const struct hg_reply *reply);

#endif
