/* Load from one thread: requests at their due instants over a pool of connections. epoll, Linux. For the operator's
 * machine: it allocates with malloc. What is spoken on the connections is protocol.h's; each extension has one protocol.
 *
 * One thread is in hg_client_serve; others may call the functions marked "any thread". Instants are of CLOCK_MONOTONIC,
 * in nanoseconds. */
#ifndef HEADGATE_LOAD_CLIENT_H
#define HEADGATE_LOAD_CLIENT_H

#include <sys/socket.h>

#include "load/shot.h"

enum { HG_CLIENT_CONNECTIONS = 60000, HG_CLIENT_STREAMS = 1000 };

struct hg_client_tls {
    const char *name;    /* whose certificate it has to be; NULL: no TLS */
    const char *ca_file; /* NULL: those the system trusts */
    bool insecure;       /* any certificate */
};

struct hg_client_options {
    struct sockaddr_storage address;
    socklen_t address_length;
    uint32_t connections;
    uint32_t streams; /* requests at a time on a connection */
    uint32_t queue;   /* requests that are due and wait for a connection; over it they are never sent */
    int64_t timeout_ns;
    struct hg_client_tls tls; /* its strings are needed by hg_client_new alone */
};

struct hg_client; /* opaque */

/* Why there is no client, or no connection. */
struct hg_refusal {
    int error;      /* errno; EPROTO: see `text` */
    char text[256]; /* "" where errno says it all */
};

/* NULL with the reason. */
struct hg_client *hg_client_new(const struct hg_client_options *options, struct hg_refusal *refusal);
void hg_client_free(struct hg_client *client);

/* Opens all connections, each given 10 s, or until hg_client_stop. false when there is not even one. */
bool hg_client_open(struct hg_client *client, struct hg_refusal *refusal);
/* Before anything is pushed: what is due before `measure_from_ns` does not count. */
void hg_client_begin(struct hg_client *client, int64_t measure_from_ns, int64_t interval_ns);

/* Any thread. Takes the shot. `due_ns` 0: whenever a connection has room, which is then its due instant (closed loop). */
void hg_client_push(struct hg_client *client, struct hg_shot *shot);
/* Any thread. Drops what is not due yet. */
void hg_client_drop(struct hg_client *client);

/* Until hg_client_stop. What is under way then is counted as without an answer. */
void hg_client_serve(struct hg_client *client);
void hg_client_stop(struct hg_client *client); /* any thread */

/* Any thread. The tallies since the last time, the caller's to free. */
struct hg_tally *hg_client_take(struct hg_client *client);
/* Any thread. A list of what was HG_JUDGED and has ended since the last time, the caller's to free. */
struct hg_shot *hg_client_judged(struct hg_client *client);
int64_t hg_client_interval(struct hg_client *client, const struct hg_shot *shot); /* -1: in the warm-up */
struct hg_client_state {
    uint64_t ahead;   /* pushed and not due yet */
    uint64_t pending; /* due and not finished */
    int64_t cpu_ns;   /* of the thread in hg_client_serve, as of its last look */
};
struct hg_client_state hg_client_state(struct hg_client *client); /* any thread */
/* Any thread: how long after their due instants requests were taken up. */
void hg_client_late(struct hg_client *client, struct hg_histogram *late);

#endif
