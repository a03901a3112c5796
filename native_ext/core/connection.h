/* What the files of the server share: connections and the server itself. */
#ifndef HEADGATE_CONNECTION_H
#define HEADGATE_CONNECTION_H

#include "limits.h"
#include "server.h"
#include "wheel.h"

enum hg_state { HG_FREE, HG_GREETING, HG_IDLE, HG_READING, HG_COMMIT, HG_FLUSH, HG_LENT, HG_LINGER };

/* Where a request is while it is read. */
enum hg_phase {
    HG_PHASE_HEAD, /* its head */
    HG_PHASE_BODY, /* its body, which is wanted */
    HG_PHASE_SKIP  /* its body, which was answered already */
};

/* Only while something is unfinished.
 *
 * input: [head][body as far as it is decoded][not read yet], the first two only in HG_PHASE_BODY; HG_LENT: what Python has not
 * read yet. output: bytes for the socket. */
struct hg_work {
    struct hg_http1 parser;
    struct hg_visit visit;
    uint8_t *input, *output;
    uint32_t input_length, input_room;
    uint32_t head, body;                   /* bytes of each */
    uint32_t output_at, output_length, output_room; /* [output_at, output_length) is to be sent */
    uint32_t skipped;                      /* bytes read over */
    int64_t deadline_ms, since_ms, budget_ms; /* of the body: tasks/connection.py, receive_body */
    uint8_t phase;
    bool continued; /* 100 Continue is not needed any more */
};

enum {
    HG_WATCH_IN = 1,
    HG_WATCH_OUT = 2,   /* what the set watches now */
    HG_ENDS = 4,        /* closes once the output is gone */
    HG_LINGERS = 8,     /* ... after what is still coming was read over */
    HG_ENDED = 16,      /* the peer has sent its last byte */
    HG_REFUSED = 32,    /* over the limit of connections; it is only told so */
    HG_ABORTED = 64,    /* lent, and broken */
    HG_QUEUED = 128     /* in the queue of those whose turn comes */
};
/* Events of a lent connection that Python was not told of. */
enum { HG_TELL_LENT = 1, HG_TELL_INPUT = 2, HG_TELL_DRAINED = 4, HG_TELL_GONE = 8, HG_TELL_LISTED = 16, HG_TELL_FULL = 32 };

struct hg_connection {
    struct hg_work *work;
    void *session; /* TLS; NULL: none */
    const struct hg_tls *tls;
    struct hg_wheel_link timer;
    uint32_t deadline; /* tick, of 32 bits; 0: none */
    uint32_t next;     /* free list, turn queue */
    uint32_t next_event;
    int32_t fd;
    uint32_t generation;
    uint8_t state, flags, tell;
};
_Static_assert(sizeof(void *) > 8 || sizeof(struct hg_connection) <= 72, "an idle connection is small");

struct hg_listener {
    int fd; /* -1: free */
    const struct hg_tls *tls;
};
#define HG_LISTENERS 16
#define HG_PAGE 256 /* connections in one page of the table */
#define HG_PAGES 256

struct hg_server {
    struct hg_alloc alloc;
    struct hg_net net;
    struct hg_gate *gate;
    struct hg_server_limits limits;
    struct hg_listener listeners[HG_LISTENERS];
    struct hg_connection *pages[HG_PAGES];
    uint32_t page_count, free, count, refusing;
    uint32_t turn_first, turn_last;   /* whose turn comes */
    uint32_t event_first, event_last; /* lent connections with something to tell */
    struct hg_wheel wheel;
    uint64_t memory;
    int64_t now_ms, resume_ms; /* resume_ms: when accepting goes on, 0: it does */
    struct hg_clock clock;
    struct hg_output answers, cipher; /* of the connection being served */
    bool rows_told, waiting_told, full_told, rows, no_files, empty_told, paused, draining;
    uint8_t input[65536 + 1]; /* what was read, and room for a NUL */
    uint8_t plain[16384 + 1];
};

struct hg_connection *hg_connection_at(struct hg_server *server, uint32_t index);
uint64_t hg_connection_id(const struct hg_connection *connection, uint32_t index);
/* NULL: there is none of this id any more. */
struct hg_connection *hg_connection_of(struct hg_server *server, uint64_t id, uint32_t *index);

/* connection.c */
void hg_connection_open(struct hg_server *server, int fd, const struct hg_tls *tls, bool refused);
void hg_connection_ready(struct hg_server *server, uint32_t index, uint32_t events);
void hg_connection_turn(struct hg_server *server, uint32_t index); /* goes on with input that is here already */
void hg_connection_expired(struct hg_server *server, uint32_t index);
void hg_connection_close(struct hg_server *server, uint32_t index);
/* The answers gathered go out; the connection goes on to what comes next. */
void hg_connection_flush(struct hg_server *server, uint32_t index);
void hg_connection_settle(struct hg_server *server, uint32_t index); /* after a commit's answer */
void hg_connection_watch(struct hg_server *server, uint32_t index, uint32_t events);
void hg_connection_deadline(struct hg_server *server, uint32_t index, int64_t at_ms); /* 0: none */
bool hg_connection_send(struct hg_server *server, uint32_t index, const uint8_t *data, uint32_t length);
struct hg_work *hg_connection_work(struct hg_server *server, uint32_t index); /* made if need be; NULL: no memory */
bool hg_work_input(struct hg_server *server, struct hg_work *work, const uint8_t *data, uint32_t length);
void hg_connection_unwork(struct hg_server *server, struct hg_connection *connection);
void hg_server_turn(struct hg_server *server, uint32_t index); /* puts it into the queue */
/* lent.c */
void hg_lend(struct hg_server *server, uint32_t index, const uint8_t *input, uint32_t length);
void hg_lent_ready(struct hg_server *server, uint32_t index, uint32_t events);
void hg_lent_written(struct hg_server *server, uint32_t index);
void hg_tell(struct hg_server *server, uint32_t index, uint8_t what);

#endif
