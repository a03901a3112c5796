/* The inside of a client, and what a protocol adds to it: which one is decided when an extension is linked
 * (load_http1/http1.c, load_http2/http2.c). All of this runs with the client's lock held. */
#ifndef HEADGATE_LOAD_PROTOCOL_H
#define HEADGATE_LOAD_PROTOCOL_H

#include <pthread.h>

#include "load/client.h"

#define HG_SECOND_NS INT64_C(1000000000)
#define HG_REOPEN_NS (HG_SECOND_NS / 10) /* after a connection could not be opened */
enum { HG_RECEIVE = 65536 };

enum hg_connection_state {
    HG_DOWN,
    HG_CONNECTING,
    HG_GREETING, /* the socket is connected, and the protocol not ready yet */
    HG_UP,
};

/* Every protocol's connection begins with this. */
struct hg_connection {
    int fd; /* -1: DOWN */
    uint8_t state;
    bool has_room, is_unsent;
    bool fruitful;                           /* a request was answered on it since it was opened */
    uint32_t events;                         /* that are watched for */
    int64_t retry_ns;                        /* DOWN: when to open it again; until UP: when that has failed */
    struct hg_connection *next, *previous;   /* of those with room */
    struct hg_connection *next_unsent;
    struct hg_connection *next_ended;
};

struct hg_client {
    struct hg_client_options options;
    pthread_mutex_t lock; /* everything below */
    int set, wake;
    bool stopping;
    struct hg_queue coming, waiting;
    struct hg_book book;
    int64_t cpu_ns;
    char *connections;                       /* hg_protocol_size bytes each */
    struct hg_connection *roomy, *last_roomy; /* the one that got room first is first */
    struct hg_connection *unsent;
    struct hg_connection *ended; /* to be opened again at once */
    uint32_t up_count;
    struct hg_refusal refusal; /* the last; error 0: none since a connection was opened */
    void *shared;              /* of all connections, the protocol's */
    char received[HG_RECEIVE];
};

int64_t hg_client_now(void);
/* The connection can be used from now on. */
void hg_client_up(struct hg_client *client, struct hg_connection *connection);
/* Closes it; `retry_ns`: when a sweep opens it again, or nobody waits for one where it was of use. What was in flight
 * failed, and was waited for until `waited_ns`, 0: not. */
void hg_client_down(struct hg_client *client, struct hg_connection *connection, enum hg_failure failure,
                    int64_t waited_ns, int64_t retry_ns);
/* A connection that could not be opened, and why. */
void hg_client_refused(struct hg_client *client, struct hg_connection *connection, int error, const char *text);
/* Can it take another request? One that gets room goes behind those that have it. */
void hg_client_room(struct hg_client *client, struct hg_connection *connection, bool has_room);
/* hg_protocol_flush is called for it before anything is waited for. */
void hg_client_unsent(struct hg_client *client, struct hg_connection *connection);
void hg_client_watch(struct hg_client *client, struct hg_connection *connection, uint32_t events);

/* --- what a protocol has to have --- */

extern const size_t hg_protocol_size; /* of a connection */
/* Before any connection is opened. false with the reason. */
bool hg_protocol_prepare(struct hg_client *client, struct hg_refusal *refusal);
void hg_protocol_forget(struct hg_client *client); /* the opposite; also if it was never prepared */
/* The socket is connected. Calls hg_client_up, now or later; or hg_client_refused. */
void hg_protocol_greet(struct hg_client *client, struct hg_connection *connection);
/* Sends it. The connection has room, and takes the shot. */
void hg_protocol_start(struct hg_client *client, struct hg_connection *connection, struct hg_shot *shot);
void hg_protocol_flush(struct hg_client *client, struct hg_connection *connection);
void hg_protocol_ready(struct hg_client *client, struct hg_connection *connection, uint32_t events);
/* Now and then: ends what was sent before `before_ns`. */
void hg_protocol_sweep(struct hg_client *client, struct hg_connection *connection, int64_t before_ns, int64_t now);
/* It is about to be closed: everything in flight fails, and what belongs to it is given back. */
void hg_protocol_end(struct hg_client *client, struct hg_connection *connection, enum hg_failure failure,
                     int64_t waited_ns);

#endif
