/* A network in memory behind struct hg_net, with a clock that moves only when told to: what the tests of the server and its fuzz
 * target script. Sockets are byte queues; whatever the kernel may do to a program (cut, refuse, reset, run out of files) is a
 * member that a test sets. Readiness is level-triggered and computed as epoll's. Misuse of a descriptor ends the test. */
#ifndef HEADGATE_TESTS_NET_SCRIPT_H
#define HEADGATE_TESTS_NET_SCRIPT_H

#include <errno.h>

#include "check.h"
#include "core/server.h"

#define NET_FIRST 100         /* number of the first descriptor */
#define NET_ENDLESS UINT32_MAX
#define NET_SPINS 64          /* so many waits in a row that only find what nobody takes: the server spins */
#define NET_WALL_S 1800000000 /* Unix seconds at the start */

enum net_kind { NET_LISTENER, NET_STREAM, NET_OTHER /* a descriptor of asyncio's */ };

struct net_bytes {
    uint8_t *data;
    uint32_t at, length, room; /* [at, length) is still to be taken */
};

struct net_socket {
    enum net_kind kind;
    /* the client's side */
    struct net_bytes in;   /* sent, not read yet */
    struct net_bytes out;  /* what the server wrote; `at`: what the test has looked at */
    const char *endless;   /* sent again whenever all of `in` was read; NULL: not */
    uint32_t piece;        /* bytes one read gives at most */
    uint32_t stroke;       /* bytes one write takes at most */
    uint32_t window;       /* bytes it takes before it would block; NET_ENDLESS: never */
    bool ended;            /* the client sends nothing more */
    bool gone;             /* it has closed: the first write is answered by a reset */
    bool reset;
    bool ready;            /* NET_OTHER: readable */
    uint32_t pending;      /* NET_LISTENER: connections not accepted yet; their sockets are those with `waits` */
    int waits;             /* the listener's descriptor, 0: accepted, or none */
    /* the server's */
    bool open, finished, closed;
    uint32_t unread;       /* bytes of `in` when it was closed: the kernel would have sent a reset */
    uint64_t first_write, last_write; /* ordinal of the call */
    bool watched;
    uint32_t events;
    uint64_t tag;
};

struct net_script {
    struct net_socket *sockets;
    uint32_t count, room, next; /* next: where wait begins to look */
    int64_t now_us;
    bool same_first;      /* wait looks at the same ones first each time, as epoll does with who is always ready */
    uint32_t cost_us;     /* what every call that moves bytes or accepts takes */
    bool no_files;        /* accept: EMFILE */
    int accept_error;     /* of the next accept; 0: none */
    uint64_t calls;       /* but for wait, forget and the clocks */
    uint32_t accept_failures;
    uint32_t spins;
    uint64_t slept_ms;    /* in wait */
    int64_t wake_us;      /* a wait with nothing to do ends so soon; 0: when its time is over */
    bool for_ever;        /* wait was asked to sleep for ever, and was interrupted instead */
};

static inline struct net_socket *net_of(struct net_script *net, int fd) {
    CHECK(fd >= NET_FIRST && (uint32_t)(fd - NET_FIRST) < net->count);
    return &net->sockets[fd - NET_FIRST];
}

/* A socket that the server may use: one it has not closed. */
static inline struct net_socket *net_open_of(struct net_script *net, int fd) {
    struct net_socket *socket = net_of(net, fd);
    CHECK(socket->open && !socket->closed);
    return socket;
}

static inline void net_push(struct net_bytes *bytes, const void *data, uint32_t length) {
    if (length > bytes->room - bytes->length) {
        bytes->room = (bytes->length + length) * 2;
        bytes->data = realloc(bytes->data, bytes->room);
        CHECK(bytes->data != NULL);
    }
    if (length != 0) {
        memcpy(bytes->data + bytes->length, data, length);
        bytes->length += length;
    }
}

static inline int net_add(struct net_script *net, enum net_kind kind) {
    if (net->count == net->room) {
        net->room = net->room * 2 + 16;
        net->sockets = realloc(net->sockets, net->room * sizeof *net->sockets);
        CHECK(net->sockets != NULL);
    }
    net->sockets[net->count] = (struct net_socket){.kind = kind,
                                                   .piece = NET_ENDLESS,
                                                   .stroke = NET_ENDLESS,
                                                   .window = NET_ENDLESS,
                                                   .open = kind != NET_STREAM};
    return NET_FIRST + (int)net->count++;
}

/* --- what a client does */

static inline int net_connect(struct net_script *net, int listener) {
    const int fd = net_add(net, NET_STREAM);
    net_of(net, fd)->waits = listener;
    net_of(net, listener)->pending += 1;
    return fd;
}

static inline void net_send(struct net_script *net, int fd, const void *data, size_t length) {
    struct net_socket *socket = net_of(net, fd);
    if (!socket->closed && !socket->reset && !socket->ended) { /* else it goes nowhere, as in a kernel */
        net_push(&socket->in, data, (uint32_t)length);
    }
}

static inline void net_end(struct net_script *net, int fd) { net_of(net, fd)->ended = true; }

static inline void net_leave(struct net_script *net, int fd) {
    net_of(net, fd)->ended = true;
    net_of(net, fd)->gone = true;
}

/* What was not read yet is lost. */
static inline void net_reset(struct net_script *net, int fd) {
    struct net_socket *socket = net_of(net, fd);
    socket->reset = true;
    socket->in.at = socket->in.length;
}

/* The client reads: the server can write so much more. */
static inline void net_widen(struct net_script *net, int fd, uint32_t bytes) {
    struct net_socket *socket = net_of(net, fd);
    socket->window = bytes > NET_ENDLESS - socket->window ? NET_ENDLESS : socket->window + bytes;
}

/* --- struct hg_net */

static inline void net_call(struct net_script *net, uint32_t cost_us) {
    net->calls += 1;
    net->spins = 0;
    net->now_us += cost_us;
}

static int script_accept(void *context, int listener) {
    struct net_script *net = context;
    struct net_socket *at = net_open_of(net, listener);
    int found = -EAGAIN;
    CHECK(at->kind == NET_LISTENER);
    net_call(net, net->cost_us);
    if (net->accept_error != 0) {
        const int error = net->accept_error;
        net->accept_error = 0;
        return error;
    }
    if (net->no_files && at->pending != 0) {
        net->accept_failures += 1;
        return -EMFILE;
    }
    for (uint32_t i = 0; i < net->count && at->pending != 0; i++) {
        struct net_socket *socket = &net->sockets[i];
        if (socket->waits == listener) {
            socket->waits = 0;
            socket->open = true;
            at->pending -= 1;
            found = NET_FIRST + (int)i;
            break;
        }
    }
    return found;
}

static int32_t script_read(void *context, int fd, uint8_t *data, uint32_t room) {
    struct net_script *net = context;
    struct net_socket *socket = net_open_of(net, fd);
    struct net_bytes *in = &socket->in;
    uint32_t length;
    CHECK(socket->kind == NET_STREAM && room > 0);
    net_call(net, net->cost_us);
    if (socket->reset) {
        return -ECONNRESET;
    }
    if (in->at == in->length && socket->endless != NULL) {
        in->at = in->length = 0;
        while (in->length < 65536) {
            net_push(in, socket->endless, (uint32_t)strlen(socket->endless));
        }
    }
    length = in->length - in->at;
    if (length == 0) {
        return socket->ended ? 0 : -EAGAIN;
    }
    length = length < room ? length : room;
    length = length < socket->piece ? length : socket->piece;
    memcpy(data, in->data + in->at, length);
    in->at += length;
    return (int32_t)length;
}

static int32_t script_write(void *context, int fd, const uint8_t *data, uint32_t length) {
    struct net_script *net = context;
    struct net_socket *socket = net_open_of(net, fd);
    CHECK(socket->kind == NET_STREAM && length > 0);
    net_call(net, net->cost_us);
    if (socket->reset || socket->finished) {
        return -EPIPE;
    }
    if (socket->gone) {
        net_reset(net, fd);
        return (int32_t)length; /* into the kernel, and then nowhere */
    }
    if (socket->window == 0) {
        return -EAGAIN;
    }
    length = length < socket->window ? length : socket->window;
    length = length < socket->stroke ? length : socket->stroke;
    socket->window -= socket->window == NET_ENDLESS ? 0 : length;
    net_push(&socket->out, data, length);
    socket->last_write = net->calls;
    socket->first_write = socket->first_write == 0 ? net->calls : socket->first_write;
    return (int32_t)length;
}

static void script_finish(void *context, int fd) {
    struct net_script *net = context;
    net_open_of(net, fd)->finished = true;
    net_call(net, 0);
}

static void script_close(void *context, int fd) {
    struct net_script *net = context;
    struct net_socket *socket = net_open_of(net, fd);
    CHECK(socket->kind == NET_STREAM); /* all others are the caller's */
    socket->closed = true;
    socket->unread = socket->in.length - socket->in.at;
    socket->watched = false; /* as the last descriptor of a socket does */
    net_call(net, 0);
}

static int script_watch(void *context, int fd, uint64_t tag, uint32_t events) {
    struct net_script *net = context;
    struct net_socket *socket = net_open_of(net, fd);
    if (socket->watched) {
        return -EEXIST;
    }
    socket->watched = true;
    socket->tag = tag;
    socket->events = events;
    net_call(net, 0);
    return 0;
}

static int script_change(void *context, int fd, uint64_t tag, uint32_t events) {
    struct net_script *net = context;
    struct net_socket *socket = net_open_of(net, fd);
    if (!socket->watched) {
        return -ENOENT;
    }
    socket->tag = tag;
    socket->events = events;
    net_call(net, 0);
    return 0;
}

static int script_forget(void *context, int fd) {
    struct net_socket *socket = net_open_of(context, fd);
    if (!socket->watched) {
        return -ENOENT;
    }
    socket->watched = false;
    return 0;
}

static inline uint32_t net_ready_of(const struct net_socket *socket) {
    const bool input = socket->kind == NET_LISTENER ? socket->pending != 0
                       : socket->kind == NET_OTHER  ? socket->ready
                                                    : socket->in.at < socket->in.length || socket->endless != NULL ||
                                                          socket->ended || socket->reset;
    const bool output = socket->kind == NET_STREAM && (socket->window != 0 || socket->reset);
    const bool gone = socket->reset || (socket->ended && socket->finished);
    return (((input ? HG_NET_IN : 0u) | (output ? HG_NET_OUT : 0u)) & socket->events) | (gone ? HG_NET_GONE : 0u);
}

static int script_wait(void *context, struct hg_net_ready *ready, uint32_t room, int32_t timeout_ms) {
    struct net_script *net = context;
    uint32_t found = 0, looked = 0;
    bool others = false;
    CHECK(room > 0 && timeout_ms >= -1);
    room = room < HG_NET_BATCH ? room : HG_NET_BATCH;
    for (; looked < net->count && found < room; looked++) {
        const struct net_socket *socket = &net->sockets[(net->next + looked) % net->count];
        const uint32_t events = socket->watched ? net_ready_of(socket) : 0;
        if (events != 0) {
            ready[found++] = (struct hg_net_ready){socket->tag, events};
            others = others || socket->kind == NET_OTHER;
        }
    }
    /* As in epoll's list of what is ready, those that stay ready keep their order; after more than fit it goes on behind them,
     * unless the test wants them always in the same order. */
    net->next = net->same_first ? 0 : found == room ? (net->next + looked) % net->count : net->next;
    if (found != 0) {
        net->spins += others ? 0 : 1; /* those are for others to take */
        CHECK(net->spins < NET_SPINS);
    } else if (timeout_ms > 0 && net->wake_us != 0) {
        net->now_us += net->wake_us;
    } else if (timeout_ms > 0) {
        net->now_us += (int64_t)timeout_ms * 1000;
        net->slept_ms += (uint64_t)timeout_ms;
    } else if (timeout_ms < 0) {
        net->for_ever = true;
        return -EINTR; /* a signal: the only thing that ends it */
    }
    return (int)found;
}

static int64_t script_monotonic_us(void *context) { return ((struct net_script *)context)->now_us; }

static int64_t script_wall_us(void *context) { return NET_WALL_S * INT64_C(1000000) + ((struct net_script *)context)->now_us; }

static inline struct hg_net net_of_script(struct net_script *net) {
    return (struct hg_net){net,          script_accept, script_read,   script_write, script_finish,       script_close,
                           script_watch, script_change, script_forget, script_wait,  script_monotonic_us, script_wall_us};
}

static inline void net_init(struct net_script *net) {
    *net = (struct net_script){.now_us = 5000000}; /* a machine that has run for a while */
}

static inline void net_clear(struct net_script *net) {
    for (uint32_t i = 0; i < net->count; i++) {
        free(net->sockets[i].in.data);
        free(net->sockets[i].out.data);
    }
    free(net->sockets);
    *net = (struct net_script){0};
}

#endif
