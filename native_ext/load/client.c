#define _GNU_SOURCE
#include "load/client.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "load/reply.h"

#define SECOND_NS INT64_C(1000000000)
#define MS_NS INT64_C(1000000)
#define CONNECT_MS 10000
#define REOPEN_NS (SECOND_NS / 10) /* after a connection could not be opened */
#define SWEEP_NS (SECOND_NS / 10)  /* how often what has waited too long is looked for */
enum { EVENTS = 256, RECEIVE = 65536 };

struct shot {
    struct shot *next;
    int64_t due_ns; /* 0 until it is taken up: closed loop */
    uint32_t operation;
    bool to_head;
    size_t length;
    char data[];
};

struct queue {
    struct shot *first, **last;
    uint64_t count;
};

enum connection_state { DOWN, CONNECTING, IDLE, BUSY };

struct connection {
    int fd; /* -1: DOWN */
    uint8_t state;
    struct shot *shot; /* in flight */
    size_t sent;       /* bytes of it */
    int64_t sent_ns;
    int64_t retry_ns; /* DOWN: when to open it again; CONNECTING: when that has failed */
    struct connection *next_idle;
    struct hg_reply reply;
};

struct hg_client {
    struct hg_client_options options;
    pthread_mutex_t lock; /* everything below but the connections, which belong to the thread that serves */
    int set, wake;
    bool stopping;
    int64_t measure_from_ns, interval_ns;
    struct queue coming, waiting;
    uint64_t pending;
    int64_t cpu_ns;
    struct hg_tally *tallies;
    struct hg_histogram late;
    struct connection *connections, *idle, **last_idle;
    uint32_t open_count; /* IDLE or BUSY */
    bool nobody;         /* the last attempt to connect failed */
    char received[RECEIVE];
};

static int64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* --- queues --- */

static void queue_begin(struct queue *queue) { *queue = (struct queue){NULL, &queue->first, 0}; }

static void queue_add(struct queue *queue, struct shot *shot) {
    shot->next = NULL;
    *queue->last = shot;
    queue->last = &shot->next;
    queue->count += 1;
}

static struct shot *queue_take(struct queue *queue) {
    struct shot *shot = queue->first;
    if (shot != NULL) {
        queue->first = shot->next;
        queue->count -= 1;
        if (queue->first == NULL) {
            queue->last = &queue->first;
        }
    }
    return shot;
}

static void idle_add(struct hg_client *client, struct connection *connection) {
    connection->state = IDLE;
    connection->next_idle = NULL;
    *client->last_idle = connection;
    client->last_idle = &connection->next_idle;
}

/* The one that was idle for longest, or NULL. */
static struct connection *idle_take(struct hg_client *client) {
    struct connection *connection = client->idle;
    if (connection != NULL) {
        client->idle = connection->next_idle;
        if (client->idle == NULL) {
            client->last_idle = &client->idle;
        }
    }
    return connection;
}

static void idle_remove(struct hg_client *client, const struct connection *connection) {
    struct connection **link = &client->idle;
    while (*link != connection) {
        link = &(*link)->next_idle;
    }
    *link = connection->next_idle;
    if (*link == NULL) {
        client->last_idle = link;
    }
}

/* --- what came of requests --- */

/* NULL: it was due in the warm-up, or there is no memory. */
static struct hg_tally *tally_of(struct hg_client *client, const struct shot *shot) {
    const int64_t interval = (shot->due_ns - client->measure_from_ns) / client->interval_ns;
    struct hg_tally *tally = NULL;
    if (shot->due_ns >= client->measure_from_ns) {
        for (tally = client->tallies; tally != NULL; tally = tally->next) {
            if (tally->interval == interval && tally->operation == shot->operation) {
                return tally;
            }
        }
        tally = hg_tally_new(shot->operation, interval);
        if (tally != NULL) {
            tally->next = client->tallies;
            client->tallies = tally;
        }
    }
    return tally;
}

static void taken_up(struct hg_client *client, struct shot *shot, int64_t now) {
    struct hg_tally *tally;
    shot->due_ns = shot->due_ns == 0 ? now : shot->due_ns;
    client->pending += 1;
    tally = tally_of(client, shot);
    if (tally != NULL) {
        tally->due += 1;
        hg_histogram_add(&client->late, now - shot->due_ns);
    }
}

/* Ends a request; `sent_ns` 0: it was never sent, `waited_ns` 0: it was not waited for. */
static void failed(struct hg_client *client, struct shot *shot, enum hg_failure failure, int64_t sent_ns,
                   int64_t waited_ns) {
    struct hg_tally *tally = tally_of(client, shot);
    client->pending -= 1;
    if (tally != NULL) {
        tally->failures[failure] += 1;
        if (waited_ns != 0) {
            hg_histogram_add(&tally->latency, waited_ns - shot->due_ns);
            if (sent_ns != 0) {
                hg_histogram_add(&tally->service, waited_ns - sent_ns);
            }
        }
    }
    free(shot);
}

static void answered(struct hg_client *client, struct connection *connection, int64_t now) {
    struct shot *shot = connection->shot;
    struct hg_tally *tally = tally_of(client, shot);
    connection->shot = NULL;
    client->pending -= 1;
    if (tally != NULL) {
        tally->statuses[connection->reply.status < HG_STATUSES ? connection->reply.status : 0] += 1;
        hg_histogram_add(&tally->latency, now - shot->due_ns);
        hg_histogram_add(&tally->service, now - connection->sent_ns);
    }
    free(shot);
}

/* --- connections --- */

static void watch(struct hg_client *client, struct connection *connection, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data = {.ptr = connection}};
    (void)epoll_ctl(client->set, operation, connection->fd, &event);
}

/* `retry_ns`: when it is opened again. */
static void go_down(struct hg_client *client, struct connection *connection, enum hg_failure failure, int64_t waited_ns,
                    int64_t retry_ns) {
    if (connection->shot != NULL) {
        failed(client, connection->shot, failure, connection->sent_ns, waited_ns);
        connection->shot = NULL;
    }
    if (connection->state == IDLE) {
        idle_remove(client, connection);
    }
    client->open_count -= connection->state == IDLE || connection->state == BUSY;
    if (connection->fd >= 0) {
        close(connection->fd);
    }
    connection->fd = -1;
    connection->state = DOWN;
    connection->retry_ns = retry_ns;
    hg_reply_clear(&connection->reply);
}

/* Not blocking. 0, or errno. */
static int start_connecting(struct hg_client *client, struct connection *connection) {
    const struct hg_client_options *options = &client->options;
    const int yes = 1;
    int error = 0;
    connection->fd = socket(options->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection->fd < 0) {
        return errno;
    }
    (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    connection->state = CONNECTING;
    connection->retry_ns = now_ns(CLOCK_MONOTONIC) + CONNECT_MS * MS_NS;
    if (connect(connection->fd, (const struct sockaddr *)&options->address, options->address_length) != 0 &&
        errno != EINPROGRESS) {
        error = errno;
        close(connection->fd);
        connection->fd = -1;
        connection->state = DOWN;
    } else {
        watch(client, connection, EPOLL_CTL_ADD, EPOLLOUT);
    }
    return error;
}

static int connect_error(const struct connection *connection) {
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 ? errno : error;
}

static void connected(struct hg_client *client, struct connection *connection) {
    watch(client, connection, EPOLL_CTL_MOD, EPOLLIN);
    client->open_count += 1;
    client->nobody = false;
    idle_add(client, connection);
}

/* As much as the socket takes; the rest when it takes more. */
static void send_rest(struct hg_client *client, struct connection *connection, bool watched) {
    const struct shot *shot = connection->shot;
    const ssize_t sent =
        send(connection->fd, shot->data + connection->sent, shot->length - connection->sent, MSG_NOSIGNAL);
    connection->sent += sent > 0 ? (size_t)sent : 0;
    if (connection->sent < shot->length) { /* an error is seen when it is read */
        watch(client, connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    } else if (watched) {
        watch(client, connection, EPOLL_CTL_MOD, EPOLLIN);
    }
}

static void start(struct hg_client *client, struct connection *connection, struct shot *shot) {
    struct hg_tally *tally = tally_of(client, shot);
    if (tally != NULL) {
        tally->sent += 1;
    }
    connection->state = BUSY;
    connection->shot = shot;
    connection->sent = 0;
    hg_reply_begin(&connection->reply, shot->to_head);
    connection->sent_ns = now_ns(CLOCK_MONOTONIC);
    send_rest(client, connection, false);
}

/* Gives idle connections what waits, and in a closed loop what is there. */
static void start_waiting(struct hg_client *client) {
    struct connection *connection;
    struct shot *shot;
    while (client->waiting.first != NULL && (connection = idle_take(client)) != NULL) {
        start(client, connection, queue_take(&client->waiting));
    }
    while (client->coming.first != NULL && client->coming.first->due_ns == 0 &&
           (connection = idle_take(client)) != NULL) {
        shot = queue_take(&client->coming);
        taken_up(client, shot, now_ns(CLOCK_MONOTONIC));
        start(client, connection, shot);
    }
}

/* Takes up what is due -> when the next is, INT64_MAX when there is none. */
static int64_t start_due(struct hg_client *client) {
    start_waiting(client);
    for (;;) {
        struct shot *shot = client->coming.first;
        const int64_t now = now_ns(CLOCK_MONOTONIC);
        struct connection *connection;
        if (shot == NULL || shot->due_ns == 0) {
            return INT64_MAX;
        }
        if (shot->due_ns > now) {
            return shot->due_ns;
        }
        (void)queue_take(&client->coming);
        taken_up(client, shot, now);
        connection = client->waiting.first == NULL ? idle_take(client) : NULL;
        if (connection != NULL) {
            start(client, connection, shot);
        } else if (client->waiting.count < client->options.queue) {
            queue_add(&client->waiting, shot);
        } else {
            failed(client, shot, HG_UNSENT, 0, 0);
        }
    }
}

static void receive(struct hg_client *client, struct connection *connection) {
    const ssize_t got = recv(connection->fd, client->received, RECEIVE, 0);
    const int64_t now = now_ns(CLOCK_MONOTONIC);
    enum hg_reply_result result;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (connection->state != BUSY) { /* its end, or an answer nobody asked for */
        go_down(client, connection, HG_LOST, 0, now);
        return;
    }
    result = got > 0    ? hg_reply_feed(&connection->reply, client->received, (size_t)got)
             : got == 0 ? hg_reply_eof(&connection->reply)
                        : HG_REPLY_WRONG;
    if (result == HG_REPLY_WRONG) {
        go_down(client, connection, got > 0 ? HG_MALFORMED : HG_LOST, 0, now);
    } else if (result == HG_REPLY_DONE) {
        const bool goes_on = connection->reply.keep_alive && connection->sent == connection->shot->length;
        answered(client, connection, now);
        if (goes_on) {
            idle_add(client, connection);
        } else {
            go_down(client, connection, HG_LOST, 0, now);
        }
    }
}

static void handle(struct hg_client *client, struct connection *connection, uint32_t events) {
    if (connection->state == CONNECTING) {
        if (connect_error(connection) == 0) {
            connected(client, connection);
        } else {
            client->nobody = true;
            go_down(client, connection, HG_LOST, 0, now_ns(CLOCK_MONOTONIC) + REOPEN_NS);
        }
        return;
    }
    if ((events & EPOLLOUT) != 0 && connection->state == BUSY) {
        send_rest(client, connection, true);
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && connection->fd >= 0) {
        receive(client, connection);
    }
}

/* Reopens what is down, and ends what has waited too long. */
static void sweep(struct hg_client *client, int64_t now) {
    const int64_t before = now - client->options.timeout_ns;
    for (uint32_t i = 0; i < client->options.connections; i++) {
        struct connection *connection = &client->connections[i];
        if (connection->state == BUSY && connection->sent_ns < before) {
            go_down(client, connection, HG_TIMEOUT, now, now);
        } else if (connection->state == CONNECTING && connection->retry_ns < now) {
            client->nobody = true;
            go_down(client, connection, HG_LOST, 0, now);
        }
        if (connection->state == DOWN && connection->retry_ns <= now && start_connecting(client, connection) != 0) {
            client->nobody = true;
            connection->retry_ns = now + REOPEN_NS;
        }
    }
    while (client->waiting.first != NULL && client->open_count == 0 && client->nobody) {
        failed(client, queue_take(&client->waiting), HG_REFUSED, 0, 0);
    }
    while (client->waiting.first != NULL && client->waiting.first->due_ns < before) {
        failed(client, queue_take(&client->waiting), HG_UNSENT, 0, now);
    }
}

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

void hg_client_serve(struct hg_client *client) {
    struct epoll_event events[EVENTS];
    int64_t sweep_ns = 0;
    (void)prctl(PR_SET_TIMERSLACK, 1000UL); /* ns */
    pthread_mutex_lock(&client->lock);
    while (!client->stopping) {
        int64_t next_ns = start_due(client), wait_ns;
        const int64_t now = now_ns(CLOCK_MONOTONIC);
        int count;
        if (now >= sweep_ns) {
            sweep(client, now);
            client->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
            sweep_ns = now + SWEEP_NS;
        }
        next_ns = next_ns < sweep_ns ? next_ns : sweep_ns;
        wait_ns = next_ns > now ? next_ns - now : 0;
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
    for (uint32_t i = 0; i < client->options.connections; i++) {
        const int64_t now = now_ns(CLOCK_MONOTONIC);
        go_down(client, &client->connections[i], HG_TIMEOUT, now, INT64_MAX);
    }
    while (client->waiting.first != NULL) {
        failed(client, queue_take(&client->waiting), HG_UNSENT, 0, now_ns(CLOCK_MONOTONIC));
    }
    client->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    pthread_mutex_unlock(&client->lock);
}

/* --- from outside --- */

static void ring(struct hg_client *client) {
    const uint64_t one = 1;
    (void)!write(client->wake, &one, sizeof one);
}

struct hg_client *hg_client_new(const struct hg_client_options *options) {
    struct hg_client *client = calloc(1, sizeof *client);
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};
    if (client == NULL) {
        return NULL;
    }
    client->options = *options;
    client->interval_ns = SECOND_NS;
    client->last_idle = &client->idle;
    queue_begin(&client->coming);
    queue_begin(&client->waiting);
    hg_histogram_begin(&client->late);
    pthread_mutex_init(&client->lock, NULL);
    client->connections = calloc(options->connections, sizeof *client->connections);
    client->set = epoll_create1(EPOLL_CLOEXEC);
    client->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (uint32_t i = 0; client->connections != NULL && i < options->connections; i++) {
        client->connections[i].fd = -1;
    }
    if (client->connections == NULL || client->set < 0 || client->wake < 0 ||
        epoll_ctl(client->set, EPOLL_CTL_ADD, client->wake, &event) != 0) {
        hg_client_free(client);
        client = NULL;
    }
    return client;
}

void hg_client_free(struct hg_client *client) {
    struct shot *shot;
    for (uint32_t i = 0; client->connections != NULL && i < client->options.connections; i++) {
        struct connection *connection = &client->connections[i];
        if (connection->fd >= 0) {
            close(connection->fd);
        }
        free(connection->shot);
        hg_reply_clear(&connection->reply);
    }
    while ((shot = queue_take(&client->coming)) != NULL || (shot = queue_take(&client->waiting)) != NULL) {
        free(shot);
    }
    while (client->tallies != NULL) {
        struct hg_tally *next = client->tallies->next;
        free(client->tallies);
        client->tallies = next;
    }
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

int hg_client_open(struct hg_client *client) {
    int error = 0;
    for (uint32_t i = 0; i < client->options.connections; i++) {
        struct connection *connection = &client->connections[i];
        int failure = start_connecting(client, connection);
        if (failure == 0) {
            struct pollfd ready = {.fd = connection->fd, .events = POLLOUT};
            failure = poll(&ready, 1, CONNECT_MS) == 1 ? connect_error(connection) : ETIMEDOUT;
        }
        if (failure == 0) {
            connected(client, connection);
        } else {
            error = failure;
            go_down(client, connection, HG_LOST, 0, 0);
            if (client->open_count == 0) {
                break;
            }
        }
    }
    return client->open_count == 0 ? error : 0;
}

void hg_client_begin(struct hg_client *client, int64_t measure_from_ns, int64_t interval_ns) {
    pthread_mutex_lock(&client->lock);
    client->measure_from_ns = measure_from_ns;
    client->interval_ns = interval_ns;
    pthread_mutex_unlock(&client->lock);
}

bool hg_client_push(struct hg_client *client, int64_t due_ns, uint32_t operation, bool to_head, const char *data,
                    size_t length) {
    struct shot *shot = length > SIZE_MAX - sizeof *shot ? NULL : malloc(sizeof *shot + length);
    bool first;
    if (shot == NULL) {
        return false;
    }
    *shot = (struct shot){.due_ns = due_ns, .operation = operation, .to_head = to_head, .length = length};
    memcpy(shot->data, data, length);
    pthread_mutex_lock(&client->lock);
    first = client->coming.first == NULL;
    queue_add(&client->coming, shot);
    pthread_mutex_unlock(&client->lock);
    if (first) {
        ring(client);
    }
    return true;
}

void hg_client_drop(struct hg_client *client) {
    struct shot *shot;
    pthread_mutex_lock(&client->lock);
    while ((shot = queue_take(&client->coming)) != NULL) {
        free(shot);
    }
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
    taken = client->tallies;
    client->tallies = NULL;
    pthread_mutex_unlock(&client->lock);
    return taken;
}

struct hg_client_state hg_client_state(struct hg_client *client) {
    struct hg_client_state state;
    pthread_mutex_lock(&client->lock);
    state = (struct hg_client_state){client->coming.count, client->pending, client->cpu_ns};
    pthread_mutex_unlock(&client->lock);
    return state;
}

void hg_client_late(struct hg_client *client, struct hg_histogram *late) {
    pthread_mutex_lock(&client->lock);
    *late = client->late;
    hg_histogram_begin(&client->late);
    pthread_mutex_unlock(&client->lock);
}
