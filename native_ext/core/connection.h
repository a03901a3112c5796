/* What the files of the server share: connections and the server itself. */
#ifndef HEADGATE_CONNECTION_H
#define HEADGATE_CONNECTION_H

#include "http2.h"
#include "limits.h"
#include "server.h"
#include "wheel.h"

enum hg_state {
    HG_FREE,
    HG_GREETING,
    HG_IDLE,
    HG_READING,
    HG_READY,
    HG_COMMIT,
    HG_FLUSH,
    HG_LENT,
    HG_LINGER,
    HG_CARRIER
};

/* Where a request is while it is read. */
enum hg_phase {
    HG_PHASE_HEAD, /* its head */
    HG_PHASE_BODY, /* its body, which is wanted */
    HG_PHASE_SKIP  /* its body, which was answered already */
};

/* Only while something is unfinished.
 *
 * input: [head][body as far as it is decoded][not looked at yet], the first two only in HG_PHASE_BODY; HG_LENT: what Python has
 * not read yet. output: bytes for the socket. Both have room for one byte more than is counted. */
struct hg_work {
    struct hg_http1 parser;
    struct hg_visit visit; /* visit.plan != NULL: one of that plan's users */
    uint8_t *input, *output;
    uint32_t input_length, input_room;
    uint32_t head, body;                            /* bytes of each */
    uint32_t output_at, output_length, output_room; /* [output_at, output_length) is to be sent */
    uint32_t skipped;                               /* bytes read over */
    int64_t since_ms, budget_ms;                    /* of the body: tasks/connection.py, receive_body */
    uint8_t phase;
    bool begun;     /* the first bytes of a head are here, and its deadline is set */
    bool continued; /* 100 Continue is not needed any more */
};

enum {
    HG_WATCH_IN = 1,
    HG_WATCH_OUT = 2, /* what the set watches now */
    HG_ENDS = 4,      /* closes once the output is gone */
    HG_LINGERS = 8,   /* ... after what is still coming was read over; HG_LENT: no more output once this one is gone */
    HG_ENDED = 16,    /* the peer has sent its last byte */
    HG_REFUSED = 32,  /* over the limit of connections; it is only told so */
    HG_ABORTED = 64,  /* lent, and broken */
    HG_QUEUED = 128   /* in a queue of those whose turn comes */
};
/* Events of a lent connection that Python was not told of; LISTED: it is in the list of those with some; FULL: its writer waits. */
enum { HG_TELL_LENT = 1, HG_TELL_INPUT = 2, HG_TELL_DRAINED = 4, HG_TELL_GONE = 8, HG_TELL_LISTED = 16, HG_TELL_FULL = 32 };

struct hg_carrier;

struct hg_connection {
    struct hg_work *work;
    void *session; /* TLS; NULL: none */
    const struct hg_tls *tls;
    union {
        struct hg_carrier *carrier;     /* in HG_CARRIER */
        struct hg_http2_stream *stream; /* of a virtual one; NULL: it is over */
    };
    struct hg_wheel_link timer;
    uint32_t deadline; /* tick, of 32 bits; 0: none */
    uint32_t next;     /* in the free list, or a queue */
    uint32_t next_event;
    int32_t fd;
    uint32_t generation;
    uint8_t state, flags, tell;
    uint8_t group; /* whom the commit of that number answered, and who has sent no message since; 0: none */
    bool virtual;  /* one of a carrier's streams, http2.h: it has no socket */
    bool fresh;    /* its first bytes may be HTTP/2's */
};
_Static_assert(sizeof(void *) > 8 || sizeof(struct hg_connection) <= 72, "an idle connection is small");

struct hg_listener {
    int fd; /* -1: free */
    const struct hg_tls *tls;
};
/* Of connections, by `next`; each is in one at most. 0: empty. */
struct hg_queue {
    uint32_t first, last;
};
#define HG_LISTENERS 16
#define HG_PAGE 256 /* connections in one page of the table */
#define HG_PAGES 257
#define HG_READ 65536   /* bytes read from a socket at a time */
#define HG_RECORD 16384 /* bytes deciphered at a time: RFC 8446 section 5.1 */

struct hg_server {
    struct hg_alloc alloc;
    struct hg_net net;
    struct hg_gate *gate;
    struct hg_server_limits limits;
    struct hg_listener listeners[HG_LISTENERS];
    struct hg_connection *pages[HG_PAGES]; /* entry i is the page's i % HG_PAGE; entry 0 is nobody's */
    uint32_t page_count, slots, free, count, refusing; /* count: without the virtual ones */
    const struct hg_http2 *http2; /* NULL: HTTP/1.1 only */
    uint32_t carriers;            /* those with something to send: by hg_carrier.next */
    struct hg_queue turns;            /* whose turn comes */
    struct hg_queue greetings;        /* ... with a step of a handshake */
    uint32_t event_first, event_last; /* lent connections with something to tell */
    struct hg_wheel wheel;
    uint64_t memory, buffers; /* bytes held for connections; of them for their work */
    int64_t now_us, now_ms;   /* monotonic */
    int64_t resume_ms;        /* when accepting goes on; 0: it does */
    struct hg_clock clock; /* as it was told at clock_ms, in the second that began at clock_second_us (both monotonic) */
    int64_t clock_ms, clock_second_us;
    const struct hg_tls *entered; /* its enter was called */
    struct hg_output answers;     /* of the connection being served */
    struct hg_output frames;      /* of the carrier being written to */
    struct hg_output cipher;
    struct hg_work fresh;         /* of a connection that is served without a wait */
    int64_t rows_told_ms;       /* Python knows of the rows that were due then; -1: of none */
    bool batch_told, files_told;
    hg_rung rung;               /* hg_server_bell */
    void *rung_context;
    hg_taker take;              /* hg_server_taker; NULL: there is none */
    void *take_context;
    bool rows, no_files, empty, committed; /* to be told */
    bool changes_told;        /* Python knows that the gate has some */
    bool draining, clock_asked;
    uint32_t takes;           /* of the intake, at the last look */
    uint8_t group;            /* the number of the last commit that answered somebody, 1 to 255 over and over */
    uint64_t overfull;        /* of the intake, as Python knows it */
    int64_t overfull_ms;
    uint8_t input[HG_READ + 1];  /* what was read, and room for a NUL */
    uint8_t plain[HG_RECORD + 1]; /* the same, deciphered */
};

static inline struct hg_connection *hg_connection_at(const struct hg_server *server, uint32_t index) {
    return &server->pages[index / HG_PAGE][index % HG_PAGE];
}
static inline uint64_t hg_connection_id(const struct hg_connection *connection, uint32_t index) {
    return (uint64_t)connection->generation << 32 | index;
}
/* NULL: there is none of this id any more. */
struct hg_connection *hg_connection_of(const struct hg_server *server, uint64_t id, uint32_t *index);
static inline bool hg_has_output(const struct hg_connection *connection) {
    return connection->work != NULL && connection->work->output_at < connection->work->output_length;
}

/* server.c */
void hg_server_queue(struct hg_server *server, uint32_t index); /* its turn comes */
uint32_t hg_server_new_slot(struct hg_server *server, bool virtual); /* 0: no memory */
void hg_server_free_slot(struct hg_server *server, uint32_t index);
void hg_server_leave(struct hg_server *server); /* TLS is done with for now */
void hg_server_now(struct hg_server *server);   /* looks at the clocks */

/* connection.c */
void hg_connection_open(struct hg_server *server, uint32_t index, bool refused); /* fd and tls are set */
void hg_connection_ready(struct hg_server *server, uint32_t index, uint32_t events);
void hg_connection_turn(struct hg_server *server, uint32_t index); /* goes on with what is here already */
void hg_connection_expired(struct hg_server *server, uint32_t index);
void hg_connection_drain(struct hg_server *server, uint32_t index); /* the server drains: one without a request ends */
void hg_connection_drain_idle(struct hg_server *server, uint32_t index); /* ... which has nothing to read */
void hg_connection_close(struct hg_server *server, uint32_t index);
/* The answers gathered go out, and the connection goes on to what comes next. */
void hg_connection_settle(struct hg_server *server, uint32_t index);
void hg_connection_end(struct hg_server *server, uint32_t index); /* the peer has sent its last byte */
void hg_connection_refuse(struct hg_server *server, uint32_t index);
void hg_connection_watch(struct hg_server *server, uint32_t index, uint32_t events);
void hg_connection_deadline(struct hg_server *server, uint32_t index, int64_t at_ms); /* 0: none */
/* Plain text for the peer. false: the connection is broken (and not closed yet). */
bool hg_connection_send(struct hg_server *server, uint32_t index, const uint8_t *data, uint32_t length);
/* -> bytes read into server->input, 0: end of input, -EAGAIN: none now, other: broken */
int32_t hg_connection_read(struct hg_server *server, uint32_t index);

void hg_connection_resume(struct hg_server *server, uint32_t index); /* after a wait: the state that its input asks for */
/* Its request was answered after a wait: what comes next. */
void hg_connection_answered(struct hg_server *server, uint32_t index, bool keep_alive);
void hg_connection_broken(struct hg_server *server, uint32_t index);
void hg_connection_finish(struct hg_server *server, uint32_t index); /* everything is sent: good-bye, HG_LINGERS or closed */

/* carrier.c: HTTP/2 */
bool hg_carrier_open(struct hg_server *server, uint32_t index); /* the connection carries from now on; false: no memory */
void hg_carrier_input(struct hg_server *server, uint32_t index, const uint8_t *data, uint32_t length);
void hg_carrier_flushed(struct hg_server *server, uint32_t index); /* its output went out */
void hg_carrier_expired(struct hg_server *server, uint32_t index);
void hg_carrier_drain(struct hg_server *server, uint32_t index);
void hg_carrier_close(struct hg_server *server, struct hg_connection *connection); /* and its virtual ones */
void hg_carriers_send(struct hg_server *server); /* what was written to virtual connections, or asked for */
/* Of a virtual connection, in place of its socket. */
bool hg_virtual_send(struct hg_server *server, struct hg_connection *connection, const uint8_t *data, uint32_t length);
void hg_virtual_ends(struct hg_server *server, const struct hg_connection *connection); /* nothing more will be written */
void hg_virtual_read(struct hg_server *server, const struct hg_connection *connection); /* there is less in its input */
void hg_virtual_close(struct hg_server *server, struct hg_connection *connection);
struct hg_connection *hg_virtual_carrier(const struct hg_connection *connection); /* NULL: it is gone */
void hg_virtual_grouped(struct hg_connection *connection, uint8_t group); /* hg_connection.group */
bool hg_virtual_joins(struct hg_connection *connection, uint8_t group);

/* commits.c */
void hg_connection_commits(struct hg_server *server, uint32_t index); /* its message is in the intake: it waits */

/* request.c */
/* Bytes of plain text from the peer. data[length] may be written. */
void hg_connection_input(struct hg_server *server, uint32_t index, uint8_t *data, uint32_t length);
void hg_request_kept(struct hg_server *server, uint32_t index);    /* goes on with what was not looked at yet */
void hg_request_expired(struct hg_server *server, uint32_t index); /* it did not come in time: 408 */

extern const struct hg_http1_limits hg_usual_limits;
/* Bytes of the input that belong to the message being read; what follows nobody has seen. */
static inline uint32_t hg_work_held(const struct hg_work *work) {
    return work->phase == HG_PHASE_BODY ? work->head + work->body : 0;
}

/* work.c: memory is counted, and bounded by limits.buffer_bytes */
bool hg_work_charge(struct hg_server *server, uint32_t size); /* false: there may not be so much */
void hg_work_refund(struct hg_server *server, uint32_t size);
void *hg_work_take(struct hg_server *server, uint32_t size); /* NULL: there is none */
void hg_work_give(struct hg_server *server, void *memory, uint32_t size);
struct hg_work *hg_work_of(struct hg_server *server, struct hg_connection *connection); /* made if need be; NULL: no memory */
bool hg_work_input(struct hg_server *server, struct hg_work *work, const uint8_t *data, uint32_t length);
/* ... before what is there already. */
bool hg_work_before(struct hg_server *server, struct hg_work *work, const uint8_t *data, uint32_t length);
bool hg_work_output(struct hg_server *server, struct hg_work *work, const uint8_t *data, uint32_t length);
void hg_work_drop_input(struct hg_server *server, struct hg_work *work);
void hg_work_drop_output(struct hg_server *server, struct hg_work *work);
void hg_work_done(struct hg_work *work); /* its request is answered */
void hg_work_free(struct hg_server *server, struct hg_connection *connection);

/* session.c */
bool hg_session_open(struct hg_server *server, struct hg_connection *connection); /* false: no memory */
void hg_session_close(struct hg_server *server, struct hg_connection *connection);
/* Bytes from the socket, in server->input: deciphered and handed to hg_connection_input. */
void hg_session_feed(struct hg_server *server, uint32_t index, uint32_t length);
void hg_session_more(struct hg_server *server, uint32_t index); /* what was deciphered and not taken yet */
void hg_session_finish(struct hg_server *server, uint32_t index); /* says that nothing more will come */
bool hg_session_partial(struct hg_server *server, const struct hg_connection *connection); /* it has half a record */
/* Who the peer is by its certificate; length 0: nobody, or there is no TLS. */
struct hg_view hg_session_identity(const struct hg_connection *connection);
/* -> the bytes for the socket, until the next call; at == NULL: broken */
struct hg_view hg_session_write(struct hg_server *server, struct hg_connection *connection, const uint8_t *data,
                                uint32_t length);

/* lent.c */
void hg_lend(struct hg_server *server, uint32_t index); /* its input begins with the request */
void hg_lent_ready(struct hg_server *server, uint32_t index, uint32_t events);
void hg_lent_input(struct hg_server *server, uint32_t index, const uint8_t *data, uint32_t length);
void hg_lent_ended(struct hg_server *server, uint32_t index);
void hg_lent_written(struct hg_server *server, uint32_t index); /* its output went out */
void hg_lent_broken(struct hg_server *server, uint32_t index);

/* events.c: hg_server_event */
void hg_tell(struct hg_server *server, uint32_t index, uint8_t what); /* HG_TELL_* of a lent connection */
bool hg_server_has_event(const struct hg_server *server);

#endif
