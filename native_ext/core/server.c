/* The table of connections, the set they are watched by, and whose turn it is. */
#include "connection.h"

#include <errno.h>
#include <stddef.h>

#define GENERATIONS 0x1FFFFFFFu /* in a tag they are below TAG_BELL */
#define TAG_ASYNCIO (UINT64_C(1) << 63) /* of asyncio's descriptors; the rest of the tag is the descriptor */
#define TAG_LISTENER (UINT64_C(1) << 62)
#define TAG_BELL (UINT64_C(1) << 61)
_Static_assert(((uint64_t)GENERATIONS << 32) < TAG_BELL, "the tag of a connection is none of the others");
#define ACCEPTS 16     /* connections accepted in a row */
#define ACCEPTS_LATE 4 /* ... when there is no time left */
#define LOOK_EVERY 8   /* connections served between two looks at the clock */
#define EXPIRIES 256   /* deadlines seen to in a row */
#define PAUSE_MS 1000  /* without descriptors */

static struct hg_wheel_link *link_of(void *context, uint32_t entry) {
    return &hg_connection_at(context, entry)->timer;
}

struct hg_server *hg_server_new(const struct hg_alloc *alloc, const struct hg_net *net, struct hg_gate *gate,
                                const struct hg_server_limits *limits) {
    struct hg_server *server = alloc->alloc(alloc->context, sizeof *server);
    if (server == NULL) {
        return NULL;
    }
    memset(server, 0, offsetof(struct hg_server, input)); /* the pages behind it are touched when they are used */
    server->alloc = *alloc;
    server->net = *net;
    server->gate = gate;
    server->limits = *limits;
    server->slots = 1;
    server->rows_told_ms = -1;
    server->clock_ms = INT64_MIN / 2;
    for (int i = 0; i < HG_LISTENERS; i++) {
        server->listeners[i].fd = -1;
    }
    hg_output_init(&server->answers, alloc, HG_SERVER_ANSWERS + HG_HTTP_BODY + 2 * HG_HTTP_HEAD);
    hg_output_init(&server->frames, alloc, 2 * HG_SERVER_ANSWERS);
    hg_output_init(&server->cipher, alloc, 2 * (HG_SERVER_ANSWERS + HG_HTTP_BODY));
    hg_server_now(server);
    hg_wheel_init(&server->wheel, server->now_ms, link_of, server);
    return server;
}

void hg_server_free(struct hg_server *server) {
    const struct hg_alloc alloc = server->alloc;
    for (uint32_t index = 1; index < server->slots; index++) {
        if (hg_connection_at(server, index)->state != HG_FREE) {
            hg_connection_close(server, index);
        }
    }
    hg_server_leave(server);
    for (uint32_t page = 0; page < server->page_count; page++) {
        alloc.release(alloc.context, server->pages[page]);
    }
    hg_output_clear(&server->answers);
    hg_output_clear(&server->frames);
    hg_output_clear(&server->cipher);
    alloc.release(alloc.context, server);
}

/* --- clocks ---------------------------------------------------------------------------------------------------------- */

/* How long it has been busy: of interest to nobody but the turn. */
static void look_at_turn(struct hg_server *server) {
    server->now_us = server->net.monotonic_us(server->net.context);
    server->now_ms = server->now_us / 1000;
}

void hg_server_now(struct hg_server *server) {
    struct hg_clock clock = server->clock;
    look_at_turn(server);
    if (clock.state != HG_CLOCK_UNSET) {
        clock.now_s += (server->now_us - server->clock_second_us) / 1000000;
    }
    hg_gate_time(server->gate, server->now_ms, &clock);
}

void hg_server_clock(struct hg_server *server, const struct hg_clock *clock) {
    const int64_t now_us = server->net.monotonic_us(server->net.context);
    server->clock = *clock;
    server->clock_ms = now_us / 1000;
    server->clock_second_us = now_us - server->net.wall_us(server->net.context) % 1000000;
    server->clock_asked = false;
    hg_server_now(server);
}

/* --- the table ------------------------------------------------------------------------------------------------------- */

struct hg_connection *hg_connection_of(const struct hg_server *server, uint64_t id, uint32_t *index) {
    struct hg_connection *connection;
    *index = (uint32_t)id;
    if (*index == 0 || *index >= server->slots) {
        return NULL;
    }
    connection = hg_connection_at(server, *index);
    return connection->state != HG_FREE && hg_connection_id(connection, *index) == id ? connection : NULL;
}

uint32_t hg_server_new_slot(struct hg_server *server, bool virtual) {
    uint32_t index = server->free;
    struct hg_connection *connection;
    if (index == 0) {
        const uint32_t page = server->slots / HG_PAGE;
        if (page >= HG_PAGES) {
            return 0;
        }
        if (page == server->page_count) {
            const size_t size = HG_PAGE * sizeof(struct hg_connection);
            server->pages[page] = server->alloc.alloc(server->alloc.context, size);
            if (server->pages[page] == NULL) {
                return 0;
            }
            memset(server->pages[page], 0, size);
            server->page_count += 1;
            server->memory += size;
        }
        index = server->slots++;
        hg_connection_at(server, index)->generation = 1;
    } else {
        server->free = hg_connection_at(server, index)->next;
    }
    connection = hg_connection_at(server, index);
    connection->flags = 0;
    connection->deadline = connection->next = 0;
    connection->group = 0;
    connection->work = NULL;
    connection->session = NULL;
    connection->stream = NULL;
    connection->virtual = virtual;
    connection->fresh = false;
    server->count += !virtual;
    server->gate->counters.connections = server->count;
    return index;
}

static void link_free(struct hg_server *server, uint32_t index) {
    hg_connection_at(server, index)->next = server->free;
    server->free = index;
}

void hg_server_free_slot(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    server->refusing -= (connection->flags & HG_REFUSED) != 0;
    server->count -= !connection->virtual;
    server->gate->counters.connections = server->count;
    server->empty = server->empty || (server->draining && server->count == 0);
    connection->state = HG_FREE;
    connection->fd = -1;
    connection->generation = (connection->generation + 1) & GENERATIONS;
    connection->tell &= HG_TELL_LISTED; /* its place in that list stays, and tells nothing */
    if ((connection->flags & HG_QUEUED) == 0) { /* else when it leaves the queue */
        link_free(server, index);
    }
}

void hg_server_queue(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    struct hg_queue *queue = connection->state == HG_GREETING ? &server->greetings : &server->turns;
    if ((connection->flags & HG_QUEUED) != 0) {
        return;
    }
    connection->flags |= HG_QUEUED;
    connection->next = 0;
    if (queue->last != 0) {
        hg_connection_at(server, queue->last)->next = index;
    } else {
        queue->first = index;
    }
    queue->last = index;
}

/* The first of a queue leaves it, for its turn. false: it was closed meanwhile. */
static bool turn_of_first(struct hg_server *server, struct hg_queue *queue) {
    const uint32_t index = queue->first;
    struct hg_connection *connection = hg_connection_at(server, index);
    queue->first = connection->next;
    if (queue->first == 0) {
        queue->last = 0;
    }
    connection->flags &= (uint8_t)~HG_QUEUED;
    if (connection->state == HG_FREE) {
        link_free(server, index);
        return false;
    }
    hg_connection_turn(server, index);
    return true;
}

/* Those in the queue now get their turn as long as there is time (one of them in any case), those that come meanwhile later. */
static void take_turns(struct hg_server *server, int64_t end_us) {
    const uint32_t last = server->turns.last;
    uint32_t index;
    if (last == 0) {
        return;
    }
    do {
        index = server->turns.first;
        (void)turn_of_first(server, &server->turns);
        hg_server_now(server);
    } while (index != last && server->now_us < end_us);
}

/* One step of one handshake, which takes as long as a hundred requests: then whoever else is ready is looked for again. */
static void greet_one(struct hg_server *server) {
    while (server->greetings.first != 0 && !turn_of_first(server, &server->greetings)) {
    }
}

/* --- accepting ------------------------------------------------------------------------------------------------------- */

static void watch_listeners(struct hg_server *server, uint32_t events) {
    for (uint32_t i = 0; i < HG_LISTENERS; i++) {
        if (server->listeners[i].fd >= 0) {
            (void)server->net.change(server->net.context, server->listeners[i].fd, TAG_LISTENER | i, events);
        }
    }
}

static void accepted(struct hg_server *server, int fd, const struct hg_tls *tls) {
    const bool refused = server->count - server->refusing >= server->gate->plan->spec.connections;
    uint32_t index = 0;
    server->gate->counters.opened += 1;
    server->gate->counters.refused += refused;
    if (!refused || server->refusing < HG_REFUSALS) {
        index = hg_server_new_slot(server, false);
    }
    if (index == 0) {
        server->net.close(server->net.context, fd);
        return;
    }
    server->refusing += refused;
    hg_connection_at(server, index)->fd = fd;
    hg_connection_at(server, index)->tls = tls;
    hg_connection_at(server, index)->fresh = server->http2 != NULL;
    hg_connection_open(server, index, refused);
}

static void accept_some(struct hg_server *server, const struct hg_listener *listener, int64_t end_us) {
    for (int i = 0; i < ACCEPTS && listener->fd >= 0 && !server->draining; i++) {
        if (i >= ACCEPTS_LATE && server->now_us >= end_us) {
            break;
        }
        const int fd = server->net.accept(server->net.context, listener->fd);
        switch (fd < 0 ? -fd : 0) {
        case 0:
            server->files_told = false;
            accepted(server, fd, listener->tls);
            hg_server_now(server); /* TLS is not opened for nothing, and what came with the connection was served */
            break;
        case EINTR:
        case ECONNABORTED:
        case EPROTO: break;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            server->no_files = server->no_files || !server->files_told;
            server->files_told = true;
            server->resume_ms = server->now_ms + PAUSE_MS;
            watch_listeners(server, 0);
            return;
        default: return;
        }
    }
}

int hg_server_listen(struct hg_server *server, int fd, const struct hg_tls *tls) {
    for (uint32_t i = 0; i < HG_LISTENERS; i++) {
        if (server->listeners[i].fd < 0) {
            const uint32_t events = server->resume_ms == 0 && !server->draining ? HG_NET_IN : 0;
            const int error = server->net.watch(server->net.context, fd, TAG_LISTENER | i, events);
            if (error == 0) {
                server->listeners[i] = (struct hg_listener){fd, tls};
            }
            return error;
        }
    }
    return -ENOSPC;
}

void hg_server_unlisten(struct hg_server *server, int fd) {
    for (uint32_t i = 0; i < HG_LISTENERS; i++) {
        if (server->listeners[i].fd == fd) {
            (void)server->net.forget(server->net.context, fd);
            server->listeners[i].fd = -1;
        }
    }
}

/* --- asyncio's ------------------------------------------------------------------------------------------------------- */

int hg_server_register(struct hg_server *server, int fd, uint32_t events) {
    return server->net.watch(server->net.context, fd, TAG_ASYNCIO | (uint32_t)fd, events);
}

int hg_server_modify(struct hg_server *server, int fd, uint32_t events) {
    return server->net.change(server->net.context, fd, TAG_ASYNCIO | (uint32_t)fd, events);
}

int hg_server_unregister(struct hg_server *server, int fd) { return server->net.forget(server->net.context, fd); }

int hg_server_bell(struct hg_server *server, int fd, hg_rung rung, void *context) {
    server->rung = rung;
    server->rung_context = context;
    return server->net.watch(server->net.context, fd, TAG_BELL, HG_NET_IN);
}

void hg_server_taker(struct hg_server *server, hg_taker take, void *context) {
    server->take = take;
    server->take_context = context;
}

/* --- serving --------------------------------------------------------------------------------------------------------- */

void hg_server_leave(struct hg_server *server) {
    if (server->entered != NULL) {
        server->entered->leave(server->entered->context);
        server->entered = NULL;
    }
}

static void see_to_deadlines(struct hg_server *server) {
    const uint32_t now = (uint32_t)((uint64_t)server->now_ms / HG_TICK_MS);
    for (int i = 0; i < EXPIRIES; i++) {
        const uint32_t index = hg_wheel_due(&server->wheel, server->now_ms);
        const struct hg_connection *connection;
        if (index == 0) {
            break;
        }
        connection = hg_connection_at(server, index);
        if (connection->deadline == 0) {
            continue; /* it has none any more */
        }
        if ((int32_t)(connection->deadline - now) > 0) { /* it has moved */
            hg_wheel_set(&server->wheel, index, (uint64_t)server->now_ms / HG_TICK_MS + (connection->deadline - now));
        } else {
            hg_connection_expired(server, index);
        }
    }
    if (server->resume_ms != 0 && server->now_ms >= server->resume_ms) {
        server->resume_ms = 0;
        watch_listeners(server, HG_NET_IN);
    }
}

static bool has_batch(const struct hg_server *server) {
    const struct hg_intake *intake = server->gate->intake;
    const uint64_t batches = intake->oldest_waiting_ms >= 0 ? 1 : server->limits.batches;
    return intake->rows >= batches * server->limits.batch_rows ||
           (intake->rows != 0 && (intake->bytes >= batches * server->limits.batch_bytes || hg_intake_crowded(intake))) ||
           hg_intake_gathered(intake);
}

/* When Python is to be told of the intake's rows; -1: there are none, or it knows. */
static int64_t rows_due_ms(const struct hg_server *server) {
    const struct hg_intake *intake = server->gate->intake;
    int64_t due_ms;
    if (intake == NULL || intake->rows == 0) {
        return -1;
    }
    if (has_batch(server)) {
        return server->batch_told ? -1 : 0;
    }
    due_ms = intake->oldest_ms + server->limits.memory_linger_ms;
    if (intake->oldest_waiting_ms >= 0 && intake->oldest_waiting_ms + server->limits.linger_ms < due_ms) {
        due_ms = intake->oldest_waiting_ms + server->limits.linger_ms;
    }
    return due_ms == server->rows_told_ms ? -1 : due_ms;
}

/* When rows are due that Python does not know of; -1: none are. */
static int64_t news_due_ms(struct hg_server *server) {
    const struct hg_intake *intake = server->gate->intake;
    if (server->takes != intake->takes) { /* rows may have gone and others come since the last look */
        server->takes = intake->takes;
        server->batch_told = false;
        server->rows_told_ms = -1;
    }
    return rows_due_ms(server);
}

static void look_at_intake(struct hg_server *server) {
    const struct hg_intake *intake = server->gate->intake;
    int64_t due_ms;
    if (intake == NULL) {
        return;
    }
    due_ms = news_due_ms(server);
    if (due_ms >= 0 && due_ms <= server->now_ms && server->take != NULL && intake->oldest_waiting_ms >= 0 &&
        !hg_intake_crowded(intake)) { /* a crowd is for Python, which puts several batches into one transaction */
        server->take(server->take_context, &server->limits, &server->gate->clock);
        due_ms = news_due_ms(server); /* of those that are left */
    }
    if (due_ms >= 0 && due_ms <= server->now_ms) {
        server->rows = true;
        server->rows_told_ms = due_ms;
    }
    server->batch_told = has_batch(server);
    if (intake->overfull != server->overfull && server->now_ms >= server->overfull_ms) { /* something may have expired */
        server->overfull = intake->overfull;
        server->overfull_ms = server->now_ms + HG_CLOCK_MS;
        server->rows = true;
    }
}

static int32_t sleep_ms(struct hg_server *server, int64_t until_us) {
    int64_t wait_ms = until_us == INT64_MAX ? -1 : (until_us - server->now_us + 999) / 1000;
    const int32_t wheel_ms = hg_wheel_wait(&server->wheel, server->now_ms);
    const int64_t due_ms = rows_due_ms(server);
    if (hg_server_has_event(server) || server->turns.first != 0 || server->greetings.first != 0) {
        return 0;
    }
    if (wheel_ms >= 0 && (wait_ms < 0 || wheel_ms < wait_ms)) {
        wait_ms = wheel_ms;
    }
    if (due_ms >= 0) {
        const int64_t rows_ms = due_ms > server->now_ms ? due_ms - server->now_ms : 0;
        wait_ms = wait_ms < 0 || rows_ms < wait_ms ? rows_ms : wait_ms;
    }
    if (server->resume_ms != 0) {
        const int64_t pause_ms = server->resume_ms > server->now_ms ? server->resume_ms - server->now_ms : 0;
        wait_ms = wait_ms < 0 || pause_ms < wait_ms ? pause_ms : wait_ms;
    }
    return wait_ms > INT32_MAX ? INT32_MAX : (int32_t)wait_ms;
}

/* What is ready: asyncio's goes to *ready; the server's own is served as long as there is time (one in any case, if none is
 * queued), and the rest is queued: epoll may find those first again who were served. -> pairs */
static uint32_t serve_found(struct hg_server *server, const struct hg_net_ready *found, int count, int64_t end_us,
                            struct hg_net_ready *ready) {
    uint32_t pairs = 0, served = 0;
    for (int i = 0; i < count; i++) {
        const uint64_t tag = found[i].tag;
        const struct hg_connection *connection;
        uint32_t index;
        if ((tag & TAG_ASYNCIO) != 0) {
            ready[pairs++] = (struct hg_net_ready){tag & ~TAG_ASYNCIO, found[i].events};
            continue;
        }
        if ((tag & TAG_LISTENER) != 0) {
            accept_some(server, &server->listeners[tag & ~TAG_LISTENER], end_us);
            continue;
        }
        if ((tag & TAG_BELL) != 0) {
            server->committed = server->rung(server->rung_context) || server->committed;
            continue;
        }
        connection = hg_connection_of(server, tag, &index);
        if (connection == NULL || (connection->flags & HG_QUEUED) != 0) {
            continue; /* it is gone, or its turn comes */
        }
        if (++served % LOOK_EVERY == 0) {
            hg_server_now(server);
        }
        if (server->now_us < end_us || (served == 1 && server->turns.first == 0)) {
            hg_connection_ready(server, index, found[i].events);
        } else {
            hg_server_queue(server, index);
        }
    }
    return pairs;
}

int hg_server_wait(struct hg_server *server, struct hg_net_ready *ready, int32_t timeout_ms) {
    const int64_t turn_us = (int64_t)server->limits.turn_us * (timeout_ms == 0 ? 1 : HG_TURNS);
    struct hg_net_ready found[HG_NET_BATCH];
    int64_t until_us, began_us;
    uint32_t pairs = 0;
    hg_server_now(server);
    began_us = server->now_us;
    until_us = timeout_ms < 0 ? INT64_MAX : began_us + (int64_t)timeout_ms * 1000;
    for (;;) {
        const int32_t wait_ms = sleep_ms(server, until_us);
        const int64_t before_us = server->now_us;
        int64_t end_us;
        const int count = server->net.wait(server->net.context, found, HG_NET_BATCH, wait_ms);
        if (count < 0) {
            return count;
        }
        hg_server_now(server);
        if (wait_ms != 0) {
            began_us += server->now_us - before_us; /* who sleeps is not busy */
        }
        if (!server->clock_asked && server->now_ms - server->clock_ms > HG_CLOCK_MS) {
            server->clock_asked = true;
            return 0; /* what was found will be found again */
        }
        end_us = began_us + turn_us;
        if (timeout_ms != 0 && end_us > until_us) {
            end_us = until_us;
        }
        see_to_deadlines(server);
        take_turns(server, end_us);
        pairs = serve_found(server, found, count, end_us, ready);
        greet_one(server);
        hg_carriers_send(server);
        hg_server_leave(server);
        look_at_intake(server);
        look_at_turn(server);
        if (pairs != 0 || hg_server_has_event(server) || server->now_us >= until_us || server->now_us >= end_us) {
            return (int)pairs;
        }
    }
}

/* --- the rest -------------------------------------------------------------------------------------------------------- */

void hg_server_http2(struct hg_server *server, const struct hg_http2 *http2) { server->http2 = http2; }

void hg_server_plan(struct hg_server *server, struct hg_plan *plan) { server->gate->plan = plan; }

void hg_server_drain(struct hg_server *server) {
    server->draining = server->gate->draining = true;
    server->resume_ms = 0; /* accepting does not go on */
    hg_server_now(server);
    watch_listeners(server, 0);
    for (uint32_t index = 1; index < server->slots; index++) {
        const struct hg_connection *connection = hg_connection_at(server, index);
        const uint8_t state = connection->state;
        if (state == HG_CARRIER) {
            hg_carrier_drain(server, index);
        } else if ((state == HG_IDLE && !connection->virtual) || state == HG_GREETING) {
            hg_connection_drain(server, index);
        }
    }
    hg_carriers_send(server);
    hg_server_leave(server);
    server->empty = server->count == 0;
}

void hg_server_abort(struct hg_server *server) {
    for (uint32_t index = 1; index < server->slots; index++) {
        if (hg_connection_at(server, index)->state != HG_FREE) {
            hg_connection_broken(server, index);
        }
    }
    hg_server_leave(server);
}

uint32_t hg_server_connections(const struct hg_server *server) { return server->count; }

uint64_t hg_server_memory(const struct hg_server *server) { return server->memory; }
