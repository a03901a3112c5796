/* gRPC as a translation of the wire interface, without I/O: each message of a call becomes a request in HTTP/1.1 text
 * (docs/wire.md), and its answer a message; so tokens, rates, schemas, the outbox and the cache mean the same in both. A stream of
 * messages is a connection that persists: one request after the other, in order.
 *
 *     peer  --DATA-->  hg_grpc_input   -> call->request  --text-->    connection (virtual)
 *     peer  <--DATA--  call->data      <- hg_grpc_answer <--text--    connection
 *           <--end---  call->done, call->trailers
 *
 * PublishStream, health and reflection are Python's (linux/grpc_*.py): their bytes pass through to it as the body of a request.
 *
 * grpc.c: the call; grpc_request.c: messages into requests; grpc_answer.c: answers into messages; grpc_status.c: how it ends.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md is what "the protocol" means in comments. */
#ifndef HEADGATE_GRPC_H
#define HEADGATE_GRPC_H

#include <stdbool.h>
#include <stdint.h>

#include "grpc/grpc_status.h"

enum hg_grpc_method {
    HG_GRPC_PUBLISH,
    HG_GRPC_VALIDATE,
    HG_GRPC_VALIDATE_ONE,
    HG_GRPC_GET,
    HG_GRPC_PUT,
    HG_GRPC_DELETE,
    HG_GRPC_BATCH_GET,
    HG_GRPC_METHODS, /* served here */
    HG_GRPC_LENT,    /* by Python */
    HG_GRPC_NONE     /* nobody serves it: UNIMPLEMENTED */
};

/* A media type of gRPC with protobuf messages: "application/grpc", "application/grpc+proto", with parameters or without. */
bool hg_grpc_is(struct hg_view content_type);
/* `path`: "/headgate.v1.Cache/Get", as received. */
enum hg_grpc_method hg_grpc_method_of(struct hg_view path);

/* An answer of the connection while it is read. Views are into call->answer. */
struct hg_grpc_reading {
    uint32_t head, length; /* bytes of its head, 0: not read yet; and of its body */
    uint32_t line;         /* where the next line of the head begins, in call->answer */
    uint16_t status;
    bool closes, replayed;
    uint32_t retry_s, age_s, max_age_s;
    uint32_t etag_at, etag_length, type_at, type_length; /* in call->answer */
};

/* Bytes that go out in the order in which they came; [at, bytes.length) are there. */
struct hg_grpc_queue {
    struct hg_output bytes;
    uint32_t at;
};
static inline struct hg_view hg_grpc_left(const struct hg_grpc_queue *queue) {
    const struct hg_view none = {(const uint8_t *)"", 0};
    const uint32_t left = queue->bytes.length - queue->at;
    return left == 0 ? none : (struct hg_view){queue->bytes.data + queue->at, left};
}

struct hg_grpc_call {
    uint8_t method;     /* enum hg_grpc_method, below HG_GRPC_METHODS or HG_GRPC_NONE */
    bool gzip;          /* compressed messages are */
    bool unknown_coding;
    bool keyed;         /* the metadata have an Idempotency-Key, be it empty */
    bool ended;         /* the peer has sent its last byte */
    bool asked;         /* a request is under way */
    bool closed;        /* the connection takes no further one */
    bool done;          /* nothing more will come: `trailers` are complete */
    bool mute;          /* no memory for trailers: the stream is to be reset */
    uint32_t count;     /* messages taken */
    uint32_t timeout_ms; /* grpc-timeout; 0: none */
    uint32_t credit;    /* bytes the peer may send more, for the caller to grant and take away */
    uint32_t granted;   /* bytes of `held` for which it may already */
    uint32_t key_at;    /* of a BatchGet: where its next key is in `message` */
    uint32_t value_bytes;
    struct hg_grpc_reading reading;
    struct hg_output fields;  /* lines of every request */
    struct hg_output key;     /* Idempotency-Key of the metadata */
    struct hg_grpc_queue held; /* input not taken yet: frames */
    struct hg_output message; /* of a compressed one, what it was; of a BatchGet, itself */
    struct hg_output answer;  /* text from the connection */
    struct hg_output reply;   /* the message that answers a BatchGet */
    struct hg_output request; /* text for the connection, for the caller to take away */
    struct hg_grpc_queue data; /* DATA for the peer, for the caller to take away: hg_grpc_left, hg_grpc_sent */
    struct hg_output trailers; /* lines of fields */
};

void hg_grpc_open(struct hg_grpc_call *call, const struct hg_alloc *alloc, enum hg_grpc_method method);
void hg_grpc_close(struct hg_grpc_call *call);

/* A field of the request's head, its name in lower case. What has no meaning here is passed over. */
void hg_grpc_field(struct hg_grpc_call *call, struct hg_view name, struct hg_view value);
/* Bytes from the peer; `end`: the last ones. */
void hg_grpc_input(struct hg_grpc_call *call, const uint8_t *data, uint32_t length, bool end);
/* There is no room for the message that is not whole. */
void hg_grpc_crowded(struct hg_grpc_call *call);
/* So much of call->data was taken away. */
void hg_grpc_sent(struct hg_grpc_call *call, uint32_t length);
/* Bytes from the connection. */
void hg_grpc_answer(struct hg_grpc_call *call, const uint8_t *data, uint32_t length);
/* The connection has ended. */
void hg_grpc_lost(struct hg_grpc_call *call);
/* Ends the call: its time is up, for one. */
void hg_grpc_fail(struct hg_grpc_call *call, enum hg_grpc_status status, const char *message);

#endif
