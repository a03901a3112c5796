/* HTTP/1.1 server side without I/O (RFC 9112). Twin of firmware_py/headgate/core/http1.py, which has the state table
 * and the choices that leave no room for smuggling; the two give the same events for the same bytes, however these are
 * cut.
 *
 * The parser owns no bytes: the caller shows it what it has of the input from the first byte not consumed on, and keeps
 * what was not consumed for the next call. A head is consumed as a whole, so that a request can refer to its bytes; its
 * lines are judged as they become complete, once each. */
#ifndef HEADGATE_HTTP1_H
#define HEADGATE_HTTP1_H

#include <stdbool.h>
#include <stdint.h>

#include "output.h"
#include "problem.h"

enum hg_method { HG_METHOD_OTHER, HG_GET, HG_HEAD, HG_POST, HG_PUT, HG_DELETE, HG_METHOD_COUNT };

/* The fields that are looked at by anyone; of others only the syntax is checked. */
enum hg_field {
    HG_FIELD_HOST, HG_FIELD_CONTENT_TYPE, HG_FIELD_CONTENT_LENGTH, HG_FIELD_TRANSFER_ENCODING, HG_FIELD_AUTHORIZATION,
    HG_FIELD_CONNECTION, HG_FIELD_EXPECT, HG_FIELD_IDEMPOTENCY_KEY, HG_FIELD_TRACEPARENT, HG_FIELD_CONTENT_ENCODING,
    HG_FIELD_CACHE_CONTROL, HG_FIELD_IF_MATCH, HG_FIELD_IF_NONE_MATCH, HG_FIELD_CONTENT_RANGE, HG_FIELD_COUNT
};

/* Bytes of a head, by their place in it: heads are at most HG_HTTP_HEAD bytes, and may move between two calls. */
struct hg_span {
    uint16_t at, length;
};

struct hg_request {
    struct hg_span method, target;
    struct hg_span path;    /* as received, of an absolute-form target the part after the authority */
    struct hg_span query;   /* as received, without the "?" */
    struct hg_span field[HG_FIELD_COUNT]; /* values without white space around; at 0: absent (a field that is there is
                                           * never at 0, but may be empty) */
    uint32_t repeated;      /* bit 1 << field: came more than once; `field` has the first */
    uint8_t verb;           /* enum hg_method */
    bool path_plain;        /* nothing in the path is percent-encoded */
    bool path_empty;        /* an absolute-form target without a path: it is "/", and `path` says nothing */
    bool http10, keep_alive, expect_continue;
    int64_t length;         /* bytes of body announced; 0 none, -1 chunked */
    uint32_t head;          /* bytes of the head, the empty line included */
};

#define HG_HTTP1_MOST 65535 /* spans have 16 bits */
struct hg_http1_limits {
    uint32_t head, line, fields; /* HG_HTTP_HEAD, HG_HTTP_LINE, HG_HTTP_HEADERS; none above HG_HTTP1_MOST */
};

struct hg_http1 {
    struct hg_request request; /* of the message being read; complete from HG_HTTP_REQUEST on */
    uint64_t left;             /* bytes left of the body or the chunk */
    uint32_t seen;             /* bytes of the head that were read already, up to the end of a line */
    uint32_t used;             /* bytes of this head, or of all chunk extensions, or of the trailers */
    uint16_t fields;
    uint8_t state;
    uint8_t options;           /* of Connection, in all its lines */
    bool blank;                /* the one empty line before a request line was seen */
    const struct hg_http1_limits *limits;
    struct hg_problem problem; /* after HG_HTTP_REFUSED; `close` is set */
};

enum hg_http1_event {
    HG_HTTP_MORE,    /* nothing until there are more bytes than were shown */
    HG_HTTP_REQUEST, /* parser->request; *consumed is its head */
    HG_HTTP_PART,    /* *part: bytes of the body, not empty, among those consumed */
    HG_HTTP_END,     /* the message is complete */
    HG_HTTP_REFUSED  /* parser->problem, again and again */
};

void hg_http1_init(struct hg_http1 *parser, const struct hg_http1_limits *limits);
/* One event. data[0..length): everything not consumed yet; not NULL. *consumed bytes are done with, also with
 * HG_HTTP_MORE (an empty line before a request, what follows the last one). */
enum hg_http1_event hg_http1_next(struct hg_http1 *parser, const uint8_t *data, uint32_t length, uint32_t *consumed,
                                  struct hg_view *part);
/* The input has ended, and `length` bytes of it are not consumed -> true: at a place where it may; false:
 * parser->problem. To be asked after HG_HTTP_MORE. */
bool hg_http1_ended(struct hg_http1 *parser, uint32_t length);
/* Between two messages (with no byte of the next one, if the caller has none left over). */
bool hg_http1_idle(const struct hg_http1 *parser);
/* Nothing more will be read: the last message did not let the connection persist. */
bool hg_http1_closed(const struct hg_http1 *parser);

/* The fields of a request that was read, in order: *at is 0 at first; *value without white space around. false: no
 * further one. */
bool hg_http1_each_field(const struct hg_request *request, const uint8_t *head, uint32_t *at, struct hg_view *name,
                         struct hg_view *value);

/* RFC 3986 section 2.1, strictly (two hex digits, UTF-8, no control characters), for a path the parser has let through:
 * -> bytes written to `out`, which has room for raw.length. */
uint32_t hg_percent_decode(struct hg_view raw, uint8_t *out);

#endif
