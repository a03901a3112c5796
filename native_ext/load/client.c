#define _GNU_SOURCE
#include "load/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "load/protocol.h"

#define MS_NS INT64_C(1000000)
#define CONNECT_NS (10 * HG_SECOND_NS)
#define SWEEP_NS (HG_SECOND_NS / 10) /* how often what has waited too long is looked for */
enum { EVENTS = 256, OPENING = 64 /* connections that are opened at the same time, before the load */ };

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * HG_SECOND_NS + now.tv_nsec;
}

int64_t hg_client_now(void) { return clock_ns(CLOCK_MONOTONIC); }

/* --- connections --- */

static struct hg_connection *connection_at(struct hg_client *client, uint32_t number) {
    return (struct hg_connection *)(void *)(client->connections + number * hg_protocol_size);
}

void hg_client_watch(struct hg_client *client, struct hg_connection *connection, uint32_t events) {
    if (events != connection->events) {
        struct epoll_event event = {.events = events, .data = {.ptr = connection}};
        const int operation = connection->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
        (void)epoll_ctl(client->set, operation, connection->fd, &event);
        connection->events = events;
    }
}

void hg_client_room(struct hg_client *client, struct hg_connection *connection, bool has_room) {
    if (connection->has_room == has_room) {
        return;
    }
    connection->has_room = has_room;
    if (has_room) {
        connection->next = NULL;
        connection->previous = client->last_roomy;
        *(client->last_roomy == NULL ? &client->roomy : &client->last_roomy->next) = connection;
        client->last_roomy = connection;
    } else {
        *(connection->previous == NULL ? &client->roomy : &connection->previous->next) = connection->next;
        *(connection->next == NULL ? &client->last_roomy : &connection->next->previous) = connection->previous;
    }
}

void hg_client_unsent(struct hg_client *client, struct hg_connection *connection) {
    if (!connection->is_unsent) {
        connection->is_unsent = true;
        connection->next_unsent = client->unsent;
        client->unsent = connection;
    }
}

static void flush(struct hg_client *client) {
    while (client->unsent != NULL) {
        struct hg_connection *connection = client->unsent;
        client->unsent = connection->next_unsent;
        connection->is_unsent = false;
        if (connection->state >= HG_GREETING) {
            hg_protocol_flush(client, connection);
        }
    }
}

void hg_client_up(struct hg_client *client, struct hg_connection *connection) {
    connection->state = HG_UP;
    client->up_count += 1;
    client->refusal.error = 0;
    hg_client_room(client, connection, true);
}

void hg_client_down(struct hg_client *client, struct hg_connection *connection, enum hg_failure failure,
                    int64_t waited_ns, int64_t retry_ns) {
    hg_protocol_end(client, connection, failure, waited_ns);
    hg_client_room(client, connection, false);
    client->up_count -= connection->state == HG_UP;
    if (connection->fd >= 0) {
        close(connection->fd);
    }
    if (connection->fruitful && retry_ns <= hg_client_now()) { /* or each would have a request for each sweep */
        connection->next_ended = client->ended;
        client->ended = connection;
    }
    connection->fd = -1;
    connection->events = 0;
    connection->state = HG_DOWN;
    connection->fruitful = false;
    connection->retry_ns = retry_ns;
}

void hg_client_refused(struct hg_client *client, struct hg_connection *connection, int error, const char *text) {
    client->refusal.error = error;
    strncpy(client->refusal.text, text, sizeof client->refusal.text - 1);
    hg_client_down(client, connection, HG_LOST, 0, hg_client_now() + HG_REOPEN_NS);
}

static void start_connecting(struct hg_client *client, struct hg_connection *connection) {
    const struct hg_client_options *options = &client->options;
    const int yes = 1;
    connection->fd = socket(options->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    connection->retry_ns = hg_client_now() + CONNECT_NS;
    if (connection->fd < 0) {
        hg_client_refused(client, connection, errno, "");
        return;
    }
    (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    connection->state = HG_CONNECTING;
    if (connect(connection->fd, (const struct sockaddr *)&options->address, options->address_length) != 0 &&
        errno != EINPROGRESS) {
        hg_client_refused(client, connection, errno, "");
    } else {
        hg_client_watch(client, connection, EPOLLOUT);
    }
}

static void handle(struct hg_client *client, struct hg_connection *connection, uint32_t events) {
    if (connection->state >= HG_GREETING) {
        hg_protocol_ready(client, connection, events);
    } else if (connection->state == HG_CONNECTING) {
        int error = 0;
        socklen_t length = sizeof error;
        if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
            error = errno;
        }
        if (error != 0) {
            hg_client_refused(client, connection, error, "");
        } else {
            connection->state = HG_GREETING;
            hg_client_watch(client, connection, EPOLLIN);
            hg_protocol_greet(client, connection);
        }
    }
}

/* --- requests --- */

/* Gives it to a connection that has room, or false. */
static bool start(struct hg_client *client, struct hg_shot *shot) {
    struct hg_connection *connection = client->roomy;
    if (connection != NULL) {
        hg_book_sent(&client->book, shot, hg_client_now());
        hg_protocol_start(client, connection, shot);
    }
    return connection != NULL;
}

/* Gives connections with room what waits, and in a closed loop what is there. */
static void start_waiting(struct hg_client *client) {
    while (client->waiting.first != NULL && client->roomy != NULL) {
        (void)start(client, hg_queue_take(&client->waiting));
    }
    while (client->coming.first != NULL && client->coming.first->due_ns == 0 && client->roomy != NULL) {
        struct hg_shot *shot = hg_queue_take(&client->coming);
        hg_book_due(&client->book, shot, hg_client_now());
        (void)start(client, shot);
    }
}

/* Takes up what is due -> when the next is, INT64_MAX when there is none. */
static int64_t start_due(struct hg_client *client) {
    start_waiting(client);
    for (;;) {
        struct hg_shot *shot = client->coming.first;
        const int64_t now = hg_client_now();
        if (shot == NULL || shot->due_ns == 0) {
            return INT64_MAX;
        }
        if (shot->due_ns > now) {
            return shot->due_ns;
        }
        (void)hg_queue_take(&client->coming);
        hg_book_due(&client->book, shot, now);
        if (client->waiting.first != NULL || !start(client, shot)) {
            if (client->waiting.count < client->options.queue) {
                hg_queue_add(&client->waiting, shot);
            } else {
                hg_book_failed(&client->book, shot, HG_UNSENT, 0);
            }
        }
    }
}

/* Reopens what ended after it had been of use: servers close connections, after each answer or now and then. */
static void reopen(struct hg_client *client) {
    while (client->ended != NULL) {
        struct hg_connection *connection = client->ended;
        client->ended = connection->next_ended;
        if (connection->state == HG_DOWN) { /* not if a sweep was first */
            start_connecting(client, connection);
        }
    }
}

/* Reopens what else is down, and ends what has waited too long. */
static void sweep(struct hg_client *client, int64_t now) {
    const int64_t before = now - client->options.timeout_ns;
    for (uint32_t i = 0; i < client->options.connections; i++) {
        struct hg_connection *connection = connection_at(client, i);
        if (connection->state == HG_UP) {
            hg_protocol_sweep(client, connection, before, now);
        } else if (connection->state != HG_DOWN && connection->retry_ns < now) {
            hg_client_refused(client, connection, ETIMEDOUT, "");
        } else if (connection->state == HG_DOWN && connection->retry_ns <= now) {
            start_connecting(client, connection);
        }
    }
    while (client->waiting.first != NULL && client->up_count == 0 && client->refusal.error != 0) {
        hg_book_failed(&client->book, hg_queue_take(&client->waiting), HG_REFUSED, 0);
    }
    while (client->waiting.first != NULL && client->waiting.first->due_ns < before) {
        hg_book_failed(&client->book, hg_queue_take(&client->waiting), HG_UNSENT, now);
    }
}

/* --- the loop --- */

/* Waits for events, to the microsecond: epoll_wait counts in milliseconds (and epoll_pwait2 is too new for the C libraries
 * that wheels are built for), so what is left below one is ppoll's. Returns early rather than late. */
static int wait_for(int set, struct epoll_event *events, int64_t wait_ns) {
    struct pollfd ready = {.fd = set, .events = POLLIN};
    const struct timespec wait = {0, (long)(wait_ns % MS_NS)};
    if (wait_ns > 0 && wait_ns < MS_NS && ppoll(&ready, 1, &wait, NULL) <= 0) {
        return 0;
    }
    return epoll_wait(set, events, EVENTS, (int)(wait_ns / MS_NS));
}

/* Sends what is to be sent, waits without the lock, and handles what has happened. */
static void turn(struct hg_client *client, int64_t wait_ns) {
    struct epoll_event events[EVENTS];
    int count;
    flush(client);
    reopen(client);
    pthread_mutex_unlock(&client->lock);
    count = wait_for(client->set, events, wait_ns);
    pthread_mutex_lock(&client->lock);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == NULL) {
            uint64_t rung;
            (void)!read(client->wake, &rung, sizeof rung);
        } else {
            handle(client, events[i].data.ptr, events[i].events);
        }
    }
}

void hg_client_serve(struct hg_client *client) {
    int64_t sweep_ns = 0;
    (void)prctl(PR_SET_TIMERSLACK, 1000UL); /* ns */
    pthread_mutex_lock(&client->lock);
    while (!client->stopping) {
        int64_t next_ns = start_due(client);
        const int64_t now = hg_client_now();
        if (now >= sweep_ns) {
            sweep(client, now);
            client->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
            sweep_ns = now + SWEEP_NS;
        }
        next_ns = next_ns < sweep_ns ? next_ns : sweep_ns;
        turn(client, next_ns > now ? next_ns - now : 0);
    }
    for (uint32_t i = 0; i < client->options.connections; i++) {
        hg_client_down(client, connection_at(client, i), HG_TIMEOUT, hg_client_now(), INT64_MAX);
    }
    while (client->waiting.first != NULL) {
        hg_book_failed(&client->book, hg_queue_take(&client->waiting), HG_UNSENT, hg_client_now());
    }
    client->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    pthread_mutex_unlock(&client->lock);
}

bool hg_client_open(struct hg_client *client, struct hg_refusal *refusal) {
    const uint32_t all = client->options.connections;
    bool fine;
    pthread_mutex_lock(&client->lock);
    for (uint32_t next = 0; next < all && !client->stopping && (next == 0 || client->up_count != 0); next += OPENING) {
        const uint32_t end = all - next < OPENING ? all : next + OPENING;
        uint32_t left = end - next;
        for (uint32_t i = next; i < end; i++) {
            start_connecting(client, connection_at(client, i));
        }
        while (left != 0 && !client->stopping) {
            turn(client, SWEEP_NS);
            left = 0;
            for (uint32_t i = next; i < end; i++) {
                struct hg_connection *connection = connection_at(client, i);
                if ((connection->state == HG_CONNECTING || connection->state == HG_GREETING) &&
                    connection->retry_ns < hg_client_now()) {
                    hg_client_refused(client, connection, ETIMEDOUT, "");
                }
                left += connection->state == HG_CONNECTING || connection->state == HG_GREETING;
            }
        }
    }
    fine = client->up_count != 0;
    *refusal = client->refusal;
    pthread_mutex_unlock(&client->lock);
    return fine;
}

/* --- from outside --- */

static void ring(struct hg_client *client) {
    const uint64_t one = 1;
    (void)!write(client->wake, &one, sizeof one);
}

struct hg_client *hg_client_new(const struct hg_client_options *options, struct hg_refusal *refusal) {
    struct hg_client *client = calloc(1, sizeof *client);
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};
    *refusal = (struct hg_refusal){.error = ENOMEM};
    if (client == NULL) {
        return NULL;
    }
    client->options = *options;
    hg_book_begin(&client->book);
    pthread_mutex_init(&client->lock, NULL);
    client->connections = calloc(options->connections, hg_protocol_size);
    client->set = epoll_create1(EPOLL_CLOEXEC);
    client->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (uint32_t i = 0; client->connections != NULL && i < options->connections; i++) {
        connection_at(client, i)->fd = -1;
    }
    if (client->set < 0 || client->wake < 0 || epoll_ctl(client->set, EPOLL_CTL_ADD, client->wake, &event) != 0) {
        refusal->error = errno;
        hg_client_free(client);
        client = NULL;
    } else if (client->connections == NULL || !hg_protocol_prepare(client, refusal)) {
        hg_client_free(client);
        client = NULL;
    }
    return client;
}

void hg_client_free(struct hg_client *client) {
    for (uint32_t i = 0; client->connections != NULL && i < client->options.connections; i++) {
        hg_client_down(client, connection_at(client, i), HG_LOST, 0, INT64_MAX);
    }
    hg_protocol_forget(client);
    hg_queue_clear(&client->coming);
    hg_queue_clear(&client->waiting);
    hg_book_clear(&client->book);
    if (client->set >= 0) {
        close(client->set);
    }
    if (client->wake >= 0) {
        close(client->wake);
    }
    pthread_mutex_destroy(&client->lock);
    free(client->connections);
    free(client);
}

void hg_client_begin(struct hg_client *client, int64_t measure_from_ns, int64_t interval_ns) {
    pthread_mutex_lock(&client->lock);
    client->book.measure_from_ns = measure_from_ns;
    client->book.interval_ns = interval_ns;
    pthread_mutex_unlock(&client->lock);
}

void hg_client_push(struct hg_client *client, struct hg_shot *shot) {
    bool first;
    pthread_mutex_lock(&client->lock);
    first = client->coming.first == NULL;
    hg_queue_add(&client->coming, shot);
    pthread_mutex_unlock(&client->lock);
    if (first) {
        ring(client);
    }
}

void hg_client_drop(struct hg_client *client) {
    pthread_mutex_lock(&client->lock);
    hg_queue_clear(&client->coming);
    pthread_mutex_unlock(&client->lock);
}

void hg_client_stop(struct hg_client *client) {
    pthread_mutex_lock(&client->lock);
    client->stopping = true;
    pthread_mutex_unlock(&client->lock);
    ring(client);
}

struct hg_tally *hg_client_take(struct hg_client *client) {
    struct hg_tally *taken;
    pthread_mutex_lock(&client->lock);
    taken = client->book.tallies;
    client->book.tallies = NULL;
    pthread_mutex_unlock(&client->lock);
    return taken;
}

struct hg_shot *hg_client_judged(struct hg_client *client) {
    struct hg_shot *taken;
    pthread_mutex_lock(&client->lock);
    taken = client->book.judged.first;
    client->book.judged = (struct hg_queue){0};
    client->book.bodies = 0;
    pthread_mutex_unlock(&client->lock);
    return taken;
}

int64_t hg_client_interval(struct hg_client *client, const struct hg_shot *shot) {
    int64_t interval;
    pthread_mutex_lock(&client->lock);
    interval = hg_book_interval(&client->book, shot);
    pthread_mutex_unlock(&client->lock);
    return interval;
}

struct hg_client_state hg_client_state(struct hg_client *client) {
    struct hg_client_state state;
    pthread_mutex_lock(&client->lock);
    state = (struct hg_client_state){client->coming.count, client->book.pending, client->cpu_ns};
    pthread_mutex_unlock(&client->lock);
    return state;
}

void hg_client_late(struct hg_client *client, struct hg_histogram *late) {
    pthread_mutex_lock(&client->lock);
    *late = client->book.late;
    hg_histogram_begin(&client->book.late);
    pthread_mutex_unlock(&client->lock);
}
