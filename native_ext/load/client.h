/* HTTP/1.1 load from one thread: requests at their due instants over a pool of keep-alive connections. The twin of
 * headgate_host/load/http_pool.py; epoll, Linux. For the operator's machine: it allocates with malloc.
 *
 * One thread is in hg_client_serve; others may call the functions marked "any thread". Instants are of CLOCK_MONOTONIC,
 * in nanoseconds. */
#ifndef HEADGATE_LOAD_CLIENT_H
#define HEADGATE_LOAD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "load/tally.h"

enum { HG_CLIENT_CONNECTIONS = 60000, HG_CLIENT_OPERATIONS = 256 };

struct hg_client_options {
    struct sockaddr_storage address;
    socklen_t address_length;
    uint32_t connections;
    uint32_t queue; /* requests that are due and wait for a connection; over it they are never sent */
    int64_t timeout_ns;
};

struct hg_client; /* opaque */

/* NULL with errno. */
struct hg_client *hg_client_new(const struct hg_client_options *options);
void hg_client_free(struct hg_client *client);

/* Opens all connections, each given 10 s. 0, or errno when there is not even one. */
int hg_client_open(struct hg_client *client);
/* Before anything is pushed: what is due before `measure_from_ns` does not count. */
void hg_client_begin(struct hg_client *client, int64_t measure_from_ns, int64_t interval_ns);

/* Any thread. Copies the request. `due_ns` 0: whenever a connection is free, which is then its due instant (closed loop).
 * false: no memory. */
bool hg_client_push(struct hg_client *client, int64_t due_ns, uint32_t operation, bool to_head, const char *data,
                    size_t length);
/* Any thread. Drops what is not due yet. */
void hg_client_drop(struct hg_client *client);

/* Until hg_client_stop. What is under way then is counted as without an answer. */
void hg_client_serve(struct hg_client *client);
void hg_client_stop(struct hg_client *client); /* any thread */

/* Any thread. The tallies since the last time, the caller's to free. */
struct hg_tally *hg_client_take(struct hg_client *client);
struct hg_client_state {
    uint64_t ahead;   /* pushed and not due yet */
    uint64_t pending; /* due and not finished */
    int64_t cpu_ns;   /* of the thread in hg_client_serve, as of its last look */
};
struct hg_client_state hg_client_state(struct hg_client *client); /* any thread */
/* Any thread: how long after their due instants requests were taken up. */
void hg_client_late(struct hg_client *client, struct hg_histogram *late);

#endif
