/* The native server: connections, deadlines and fairness around http1.h and serve.h, on one epoll set that is also asyncio's
 * selector (linux/selector.py). While asyncio waits for its own descriptors, hg_server_wait serves.
 *
 *     state      waits for                        deadline
 *     GREETING   the end of a TLS handshake       head_ms
 *     IDLE       a request                        idle_ms; holds no buffer
 *     READING    the rest of a head               head_ms from its first byte
 *                ... or of a body                 body_ms, refilled at HG_BODY_RATE bytes per second
 *     READY      its turn: there is input that was not served, for fairness
 *     COMMIT     the commit of its message        none (the outbox answers)
 *     FLUSH      the client to take an answer     body_ms
 *     LENT       Python, which serves this request (hg_server_lent_*)      Python's own
 *     LINGER     the end of what is still coming  HG_LINGER_MS; HG_LINGER_BYTES, unless the server drains
 *     CARRIER    its streams: carrier.c           see there
 *
 * In each look at who is ready, first comes who is queued (READY, or found before when the time was over), then who was found,
 * then one step of one handshake: those take up to milliseconds, and others' latency is bounded by one of them.
 *
 * connection.c: one connection's states and answers; request.c: the requests in its input; work.c: what it holds meanwhile; session.c: TLS around it; lent.c: what
 * Python asks for; events.c: what it is told; carrier.c: HTTP/2; server.c: the table, accepting, turns, commits; wheel.[ch]: deadlines. Everything the system does goes through
 * struct hg_net, so that a test can script it. One thread calls. */
#ifndef HEADGATE_SERVER_H
#define HEADGATE_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "http2.h"
#include "serve.h"
#include "tls.h"

/* The system, as used here; results are those of the calls, errors negative errno. `ready`: pairs of the caller's tag and
 * HG_NET_* bits. */
enum { HG_NET_IN = 1, HG_NET_OUT = 2, HG_NET_GONE = 4 /* hang-up or error: reading will tell */ };
#define HG_NET_BATCH 64 /* ready descriptors looked at in one go; then asyncio's are looked for again */
struct hg_net_ready {
    uint64_t tag;
    uint32_t events;
};
struct hg_net {
    void *context;
    int (*accept)(void *context, int listener);
    int32_t (*read)(void *context, int fd, uint8_t *data, uint32_t room);
    int32_t (*write)(void *context, int fd, const uint8_t *data, uint32_t length); /* never raises SIGPIPE */
    void (*finish)(void *context, int fd);                                        /* no more output: shutdown(SHUT_WR) */
    void (*close)(void *context, int fd);
    int (*watch)(void *context, int fd, uint64_t tag, uint32_t events); /* adds */
    int (*change)(void *context, int fd, uint64_t tag, uint32_t events);
    int (*forget)(void *context, int fd);
    int (*wait)(void *context, struct hg_net_ready *ready, uint32_t room, int32_t timeout_ms); /* -1: for ever */
    int64_t (*monotonic_us)(void *context);
    int64_t (*wall_us)(void *context); /* not negative */
};
/* The real one (epoll); give it a context: &fd of an epoll set. */
extern const struct hg_net hg_net_linux;

#define HG_TURNS 20
struct hg_server_limits {
    uint32_t turn_us;      /* HG_SERVER_TURN_US: busy for so long (sleep does not count), hg_server_wait returns, so that others get
                            * their turn; if they have nothing to do yet (a timeout other than 0) for HG_TURNS times as long */
    uint64_t buffer_bytes; /* HG_SERVER_BYTES: of all connections' buffers together; over it: 503 out_of_memory */
    /* When Python is told of the intake's rows: there is a batch, or the first has waited so long. */
    uint32_t batch_rows;
    uint64_t batch_bytes;
    uint32_t batches;                     /* ... but so many of them, as long as nobody waits for one of the rows */
    uint32_t linger_ms, memory_linger_ms; /* one that somebody waits for; any */
};

struct hg_server;
/* The gate must outlive the server, and its `plan` be set. NULL: no memory. */
struct hg_server *hg_server_new(const struct hg_alloc *alloc, const struct hg_net *net, struct hg_gate *gate,
                                const struct hg_server_limits *limits);
/* Closes every connection. Plans still in use by requests are given back (users). */
void hg_server_free(struct hg_server *server);

/* Connections may turn out to speak HTTP/2 from now on; it must outlive the server. */
void hg_server_http2(struct hg_server *server, const struct hg_http2 *http2);

/* Accept from this listening socket, which stays the caller's. `tls`: its connections speak TLS; NULL: they do not. 0 or -errno. */
int hg_server_listen(struct hg_server *server, int fd, const struct hg_tls *tls);
void hg_server_unlisten(struct hg_server *server, int fd);

/* asyncio's own descriptors. 0 or -errno. */
int hg_server_register(struct hg_server *server, int fd, uint32_t events);
int hg_server_modify(struct hg_server *server, int fd, uint32_t events);
int hg_server_unregister(struct hg_server *server, int fd);

/* Whoever commits batches in another thread: `rung(context)` is called in hg_server_wait when `fd` is readable, makes it unreadable
 * again and may release a batch. true: Python is to be told (HG_EVENT_COMMITTED). One of them, as long as the server lives. 0 or -errno. */
typedef bool (*hg_rung)(void *context);
int hg_server_bell(struct hg_server *server, int fd, hg_rung rung, void *context);

/* It may also take the batches: when rows are due and somebody waits for some of them, `take(context, limits, clock)` is called in
 * hg_server_wait before Python is told. It may take one batch within `limits` from the intake; `clock` says what time it is. */
typedef void (*hg_taker)(void *context, const struct hg_server_limits *limits, const struct hg_clock *clock);
void hg_server_taker(struct hg_server *server, hg_taker take, void *context);

/* What time it is, from now on: `clock` at the moment of the call, which goes on with the monotonic clock; its seconds begin when
 * those of the system's clock do. */
void hg_server_clock(struct hg_server *server, const struct hg_clock *clock);

/* Serve until one of asyncio's descriptors is ready (pairs of fd and HG_NET_* in `ready`, which has room for HG_NET_BATCH), there
 * is an event for Python (hg_server_event), the time is over, or the turn is. When the clock was set more than HG_CLOCK_MS ago, it
 * returns once before it serves, so that it can be set. -> pairs, or -errno. */
#define HG_CLOCK_MS 1000
int hg_server_wait(struct hg_server *server, struct hg_net_ready *ready, int32_t timeout_ms);

enum hg_event_kind {
    HG_EVENT_NONE,
    HG_EVENT_LENT,     /* connection `id` has a request for Python; its input from the head's first byte on is there to be read */
    HG_EVENT_INPUT,    /* a lent connection has more input, or its end */
    HG_EVENT_DRAINED,  /* a lent connection's output, once over HG_LENT_OUTPUT, is written */
    HG_EVENT_GONE,     /* a lent connection is broken; every later call on it says so */
    HG_EVENT_CHANGES,  /* keys of the shared cache were put or deleted: hg_server_changes */
    HG_EVENT_ROWS,     /* the intake's rows are due to be taken (limits), or some were refused for want of room */
    HG_EVENT_COMMITTED, /* a commit has ended, and Python waits for that: hg_server_bell */
    HG_EVENT_NO_FILES, /* out of file descriptors: accepting pauses for a second; told once */
    HG_EVENT_EMPTY     /* draining, and no connection is left */
};
struct hg_event {
    enum hg_event_kind kind;
    uint64_t id;
};
bool hg_server_event(struct hg_server *server, struct hg_event *event); /* false: none */
/* The gate's changes, which are forgotten; valid until the server serves again. */
struct hg_view hg_server_changes(struct hg_server *server);

/* A lent connection. All: -EBADF when it is not there (any more), -EPIPE when it is broken. */
int32_t hg_server_lent_read(struct hg_server *server, uint64_t id, uint8_t *data, uint32_t room); /* 0 and *ended, or 0: wait */
bool hg_server_lent_ended(struct hg_server *server, uint64_t id); /* everything was read, and no more will come */
int hg_server_lent_write(struct hg_server *server, uint64_t id, const uint8_t *data, uint32_t length); /* 1: wait for DRAINED */
/* Served: `rest` is what was read and belongs to the next request. The connection goes on here. */
int hg_server_lent_return(struct hg_server *server, uint64_t id, const uint8_t *rest, uint32_t length);
/* After what is written has gone out: closed, or at once if `abort`. */
int hg_server_lent_close(struct hg_server *server, uint64_t id, bool abort);
/* Who the client is by its TLS certificate; length 0: nobody. */
int hg_server_lent_identity(struct hg_server *server, uint64_t id, struct hg_view *name);
int hg_server_lent_finish(struct hg_server *server, uint64_t id); /* no more output (shutdown) */

/* The batch is committed: answers everybody who waits, keeps last values, frees the rows. outcome(context, i): of row i: NULL: stored,
 * a text "boot.seq": replayed, "": its key was used for another body. */
typedef const char *(*hg_outcome)(void *context, uint32_t index);
void hg_server_release(struct hg_server *server, struct hg_batch *batch, hg_outcome outcome, void *context);
/* It is not: answers 503 to who waits; promised rows go back to the intake. Rows queued behind it that are not promised fail, too. */
void hg_server_fail(struct hg_server *server, struct hg_batch *batch, const struct hg_problem *problem, uint32_t retry_s);

/* Swap the plan for new requests. */
void hg_server_plan(struct hg_server *server, struct hg_plan *plan);
/* Stop accepting, close what is idle and has sent nothing, finish the rest with Connection: close; HG_EVENT_EMPTY when done. */
void hg_server_drain(struct hg_server *server);
/* Close everything now. */
void hg_server_abort(struct hg_server *server);
uint32_t hg_server_connections(const struct hg_server *server);
uint64_t hg_server_memory(const struct hg_server *server); /* bytes held for connections, their slots included */

#endif
