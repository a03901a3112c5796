/* One connection: what becomes of its answers, and which state it goes to. Its input is request.c's. */
#include "connection.h"

#include <errno.h>

#define WATCHED ((uint32_t)HG_WATCH_IN | HG_WATCH_OUT)

void hg_connection_watch(struct hg_server *server, uint32_t index, uint32_t events) {
    struct hg_connection *connection = hg_connection_at(server, index);
    if ((connection->flags & WATCHED) != events && !connection->virtual) {
        (void)server->net.change(server->net.context, connection->fd, hg_connection_id(connection, index), events);
        connection->flags = (uint8_t)((connection->flags & ~WATCHED) | events);
    }
}

void hg_connection_deadline(struct hg_server *server, uint32_t index, int64_t at_ms) {
    struct hg_connection *connection = hg_connection_at(server, index);
    const uint64_t tick = at_ms == 0 ? 0 : hg_tick_of(at_ms);
    connection->deadline = (uint32_t)tick;
    /* A later deadline is found when the wheel comes by; an earlier one has to move. */
    if (tick != 0 && (connection->timer.slot == 0 || hg_wheel_slot_tick(&server->wheel, connection->timer.slot) > tick)) {
        hg_wheel_set(&server->wheel, index, tick);
    }
}

void hg_connection_close(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    if (connection->state == HG_CARRIER) {
        hg_carrier_close(server, connection);
    }
    hg_session_close(server, connection);
    hg_wheel_remove(&server->wheel, index);
    hg_work_free(server, connection);
    if (connection->virtual) {
        hg_virtual_close(server, connection);
    } else if (connection->fd >= 0) {
        server->net.close(server->net.context, connection->fd);
    }
    hg_server_free_slot(server, index);
}

void hg_connection_broken(struct hg_server *server, uint32_t index) {
    if (hg_connection_at(server, index)->state == HG_LENT) {
        hg_lent_broken(server, index);
    } else {
        hg_connection_close(server, index);
    }
}

/* --- output ---------------------------------------------------------------------------------------------------------- */

static int32_t write_some(struct hg_server *server, const struct hg_connection *connection, const uint8_t *data,
                          uint32_t length) {
    const int32_t count = server->net.write(server->net.context, connection->fd, data, length);
    return count == -EAGAIN || count == -EWOULDBLOCK || count == -EINTR ? 0 : count;
}

bool hg_connection_send(struct hg_server *server, uint32_t index, const uint8_t *data, uint32_t length) {
    struct hg_connection *connection = hg_connection_at(server, index);
    struct hg_view bytes = {data, length};
    int32_t count = 0;
    if (connection->virtual) {
        return hg_virtual_send(server, connection, data, length);
    }
    if (connection->session != NULL) {
        bytes = hg_session_write(server, connection, data, length);
        if (bytes.at == NULL) {
            return false;
        }
    }
    if (bytes.length != 0 && !hg_has_output(connection)) {
        count = write_some(server, connection, bytes.at, bytes.length);
    }
    if (count < 0) {
        return false;
    }
    return (uint32_t)count == bytes.length ||
           (hg_work_of(server, connection) != NULL &&
            hg_work_output(server, connection->work, bytes.at + count, bytes.length - (uint32_t)count));
}

/* RFC 9112 section 9.6: closing while the client still sends could take the answer away before it is read. */
static void linger(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    if ((connection->flags & HG_ENDED) != 0 || connection->virtual || hg_work_of(server, connection) == NULL) {
        hg_connection_close(server, index);
        return;
    }
    server->net.finish(server->net.context, connection->fd);
    hg_work_drop_input(server, connection->work);
    connection->work->skipped = 0;
    connection->state = HG_LINGER;
    hg_connection_watch(server, index, HG_WATCH_IN);
    hg_connection_deadline(server, index, server->now_ms + HG_LINGER_MS);
}

void hg_connection_finish(struct hg_server *server, uint32_t index) {
    hg_session_finish(server, index);
    if ((hg_connection_at(server, index)->flags & HG_LINGERS) != 0) {
        linger(server, index);
    } else {
        hg_connection_close(server, index);
    }
}

/* After a wait for somebody else: the state that its input asks for. */
void hg_connection_resume(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    struct hg_work *work = connection->work;
    if (connection->session != NULL || (connection->flags & HG_ENDED) != 0 ||
        (work != NULL && work->input_length > hg_work_held(work))) {
        connection->state = HG_READY;
        hg_connection_watch(server, index, connection->flags & HG_WATCH_IN); /* who is lent, or waits for a commit, watches on */
        hg_connection_deadline(server, index, 0);
        hg_server_queue(server, index);
        return;
    }
    if (work == NULL || (work->phase == HG_PHASE_HEAD && !work->begun)) {
        if (server->draining) { /* the answer was written when nobody thought of that */
            connection->flags |= HG_LINGERS;
            hg_connection_finish(server, index);
            return;
        }
        hg_work_free(server, connection);
        connection->state = HG_IDLE;
        hg_connection_deadline(server, index, server->now_ms + server->gate->plan->spec.idle_ms);
    } else {
        connection->state = HG_READING;
        work->since_ms = server->now_ms;
        hg_connection_deadline(server, index,
                               server->now_ms + (work->phase == HG_PHASE_HEAD ? server->gate->plan->spec.head_ms
                                                                              : work->budget_ms));
    }
    hg_connection_watch(server, index, HG_WATCH_IN);
}

/* Output that the client did not take at once is waited for, whatever comes next. */
static bool waits_for_client(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    const bool ends = connection->virtual && (connection->flags & HG_ENDS) != 0; /* the library tells when it is over */
    if (!hg_has_output(connection) && !ends) {
        return false;
    }
    if (connection->state == HG_LENT) {
        hg_connection_watch(server, index, (connection->flags & HG_WATCH_IN) | HG_WATCH_OUT);
        return true; /* how long is Python's business */
    }
    if (connection->state != HG_COMMIT && connection->state != HG_GREETING) {
        connection->state = HG_FLUSH;
    }
    hg_connection_watch(server, index, connection->state == HG_GREETING ? HG_WATCH_IN | HG_WATCH_OUT : HG_WATCH_OUT);
    if (connection->state != HG_GREETING) {
        hg_connection_deadline(server, index, server->now_ms + server->gate->plan->spec.body_ms);
    }
    if (ends) {
        hg_virtual_ends(server, connection);
    }
    return true;
}

/* The answers gathered go to the client. false: it is gone. */
static bool send_answers(struct hg_server *server, uint32_t index) {
    struct hg_output *answers = &server->answers;
    const bool sent = !answers->failed &&
                      (answers->length == 0 || hg_connection_send(server, index, answers->data, answers->length));
    answers->length = 0;
    answers->failed = false;
    if (answers->capacity > 2 * HG_SERVER_ANSWERS) { /* a large value went out */
        hg_output_clear(answers);
    }
    if (!sent) {
        hg_connection_broken(server, index);
    }
    return sent;
}

void hg_connection_settle(struct hg_server *server, uint32_t index) {
    const struct hg_connection *connection = hg_connection_at(server, index);
    if (!send_answers(server, index) || waits_for_client(server, index)) {
        return;
    }
    if ((connection->flags & HG_ENDS) != 0) {
        hg_connection_finish(server, index);
    }
}

void hg_connection_answered(struct hg_server *server, uint32_t index, bool keep_alive) {
    struct hg_connection *connection = hg_connection_at(server, index);
    hg_work_done(connection->work);
    if (!keep_alive) { /* as in request.c, answered */
        connection->flags |= (uint8_t)(HG_ENDS | (hg_http1_closed(&connection->work->parser) ? 0 : HG_LINGERS));
    }
    connection->state = HG_IDLE;
    if (!send_answers(server, index) || waits_for_client(server, index)) {
        return;
    }
    if (keep_alive) {
        hg_connection_resume(server, index);
    } else {
        hg_connection_finish(server, index);
    }
}

static void flush_output(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    struct hg_work *work = connection->work;
    const int32_t count = write_some(server, connection, work->output + work->output_at,
                                     work->output_length - work->output_at);
    if (count < 0) {
        hg_connection_broken(server, index);
        return;
    }
    work->output_at += (uint32_t)count;
    if (hg_has_output(connection)) {
        return;
    }
    hg_work_drop_output(server, work);
    switch ((enum hg_state)connection->state) {
    case HG_LENT:
        hg_connection_watch(server, index, (connection->flags & HG_ENDED) != 0 ? 0 : HG_WATCH_IN);
        hg_lent_written(server, index);
        break;
    case HG_GREETING:
    case HG_READING: hg_connection_watch(server, index, HG_WATCH_IN); break;
    case HG_IDLE: hg_connection_resume(server, index); break; /* the last of a handshake is out */
    case HG_CARRIER: hg_carrier_flushed(server, index); break;
    case HG_COMMIT:
        hg_connection_watch(server, index, 0);
        hg_connection_deadline(server, index, 0);
        break;
    case HG_FLUSH:
        if ((connection->flags & HG_ENDS) != 0) {
            hg_connection_finish(server, index);
        } else {
            hg_connection_resume(server, index);
        }
        break;
    case HG_FREE:
    case HG_READY:
    case HG_LINGER: break;
    }
}

void hg_connection_end(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    connection->flags |= HG_ENDED;
    hg_connection_watch(server, index, connection->flags & HG_WATCH_OUT);
    switch ((enum hg_state)connection->state) {
    case HG_LENT: hg_lent_ended(server, index); break;
    case HG_READING: hg_request_kept(server, index); break;
    case HG_READY:
    case HG_COMMIT:
    case HG_FLUSH: break; /* later */
    case HG_GREETING:
    case HG_IDLE:
    case HG_CARRIER:
    case HG_LINGER: hg_connection_close(server, index); break;
    case HG_FREE: break;
    }
}

/* --- events ---------------------------------------------------------------------------------------------------------- */

int32_t hg_connection_read(struct hg_server *server, uint32_t index) {
    const struct hg_connection *connection = hg_connection_at(server, index);
    const uint32_t room = connection->session != NULL ? HG_TLS_PIECE : HG_READ; /* tls.h: feed */
    const int32_t count = server->net.read(server->net.context, connection->fd, server->input, room);
    return count == -EWOULDBLOCK || count == -EINTR ? -EAGAIN : count;
}

static void discard(struct hg_server *server, uint32_t index) {
    struct hg_work *work = hg_connection_at(server, index)->work;
    const int32_t count = hg_connection_read(server, index);
    if (count > 0) {
        work->skipped += (uint32_t)count;
    }
    /* While the server drains, the time is limit enough: what is not read would take the answers away. */
    if (count != -EAGAIN && (count <= 0 || (work->skipped >= HG_LINGER_BYTES && !server->draining))) {
        hg_connection_close(server, index);
    }
}

static void receive(struct hg_server *server, uint32_t index) {
    const struct hg_connection *connection = hg_connection_at(server, index);
    const int32_t count = hg_connection_read(server, index);
    if (count == -EAGAIN) {
        return;
    }
    if (count < 0) {
        hg_connection_broken(server, index);
    } else if (count == 0) {
        hg_connection_end(server, index);
    } else if (connection->session != NULL) {
        hg_session_feed(server, index, (uint32_t)count);
    } else {
        hg_connection_input(server, index, server->input, (uint32_t)count);
    }
}

/* An idle one has no request, and will have none: it ends, once what it was sent before is out. With half a record a request may be on its
 * way, which is waited for as for the rest of a head. */
void hg_connection_drain_idle(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    if (hg_has_output(connection)) {
        connection->flags |= HG_ENDS | HG_LINGERS;
        connection->state = HG_FLUSH;
        (void)waits_for_client(server, index);
    } else if (!hg_session_partial(server, connection)) {
        hg_connection_finish(server, index);
    }
}

void hg_connection_drain(struct hg_server *server, uint32_t index) {
    const struct hg_connection *connection = hg_connection_at(server, index);
    const uint32_t generation = connection->generation;
    if (connection->state == HG_IDLE) { /* a request may be here that nobody has looked at yet */
        receive(server, index);
    }
    if (connection->generation == generation && connection->state == HG_GREETING) {
        hg_connection_finish(server, index);
    } else if (connection->generation == generation && connection->state == HG_IDLE) {
        hg_connection_deadline(server, index, server->now_ms + server->gate->plan->spec.head_ms); /* once, not for each piece */
        hg_connection_drain_idle(server, index);
    }
}

/* READY: goes on with input that is here already. What is still ciphered comes behind what is kept, and would be told of by nobody
 * later: it has left the socket. */
static void go_on(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    connection->state = HG_READING;
    if (connection->work != NULL) {
        connection->work->begun = false; /* READY has no deadline: the rest of a head is given a new one */
        if (connection->session != NULL) {
            connection->work->since_ms = server->now_ms; /* it is we who kept it waiting */
        }
    }
    if (connection->session != NULL) {
        const uint32_t generation = connection->generation;
        hg_session_more(server, index);
        if (connection->generation != generation || connection->state != HG_READING) {
            return;
        }
    }
    hg_request_kept(server, index);
}

void hg_connection_ready(struct hg_server *server, uint32_t index, uint32_t events) {
    const struct hg_connection *connection = hg_connection_at(server, index);
    const uint32_t generation = connection->generation;
    if ((events & HG_NET_OUT) != 0 && hg_has_output(connection)) {
        flush_output(server, index);
        if (connection->generation != generation) {
            return;
        }
    }
    if ((events & (HG_NET_IN | HG_NET_GONE)) == 0) {
        return;
    }
    switch ((enum hg_state)connection->state) {
    case HG_CARRIER:
        if (hg_has_output(connection)) {
            if ((events & HG_NET_GONE) != 0) {
                hg_connection_close(server, index);
            }
            break;
        }
        receive(server, index);
        break;
    case HG_IDLE:
    case HG_READING:
        if (!hg_has_output(connection)) {
            receive(server, index);
        } else if ((events & HG_NET_GONE) != 0) {
            hg_connection_close(server, index);
        } else { /* TLS's own, which a client can ask for without end: RFC 8446 section 4.6.3. It takes that first */
            hg_connection_watch(server, index, HG_WATCH_OUT);
        }
        break;
    case HG_GREETING: /* after those who want less */
        hg_connection_watch(server, index, connection->flags & HG_WATCH_OUT);
        hg_server_queue(server, index);
        break;
    case HG_LENT: hg_lent_ready(server, index, events); break;
    case HG_LINGER: discard(server, index); break;
    case HG_READY:
    case HG_COMMIT:
    case HG_FLUSH:
        if ((events & HG_NET_GONE) != 0) { /* in both directions: there is nobody to answer */
            hg_connection_close(server, index);
        } else { /* it sends more than can be served now */
            hg_connection_watch(server, index, connection->flags & HG_WATCH_OUT);
        }
        break;
    case HG_FREE: break;
    }
}

void hg_connection_turn(struct hg_server *server, uint32_t index) {
    const struct hg_connection *connection = hg_connection_at(server, index);
    if (connection->state == HG_READY) {
        go_on(server, index);
    } else if (connection->state == HG_GREETING) {
        hg_connection_watch(server, index, (connection->flags & HG_WATCH_OUT) | HG_WATCH_IN);
        receive(server, index);
    } else { /* there was no time when it was found ready */
        hg_connection_ready(server, index, HG_NET_IN | HG_NET_OUT);
    }
}

void hg_connection_refuse(struct hg_server *server, uint32_t index) {
    static const struct hg_problem full = {503, HG_P_TOO_MANY_CONNECTIONS, true, ""};
    struct hg_connection *connection = hg_connection_at(server, index);
    hg_serve_problem(server->gate, &full, 1, &server->answers);
    connection->flags |= HG_ENDS | HG_LINGERS;
    connection->state = HG_FLUSH;
    hg_connection_settle(server, index);
}

void hg_connection_open(struct hg_server *server, uint32_t index, bool refused) {
    struct hg_connection *connection = hg_connection_at(server, index);
    const struct hg_plan_spec *spec = &server->gate->plan->spec;
    connection->flags = (uint8_t)(HG_WATCH_IN | (refused ? HG_REFUSED : 0));
    connection->state = connection->tls != NULL ? HG_GREETING : HG_IDLE;
    if (server->net.watch(server->net.context, connection->fd, hg_connection_id(connection, index), HG_WATCH_IN) < 0 ||
        (connection->tls != NULL && !hg_session_open(server, connection))) {
        hg_connection_close(server, index);
        return;
    }
    hg_connection_deadline(server, index, server->now_ms + (connection->tls != NULL ? spec->head_ms : spec->idle_ms));
    if (connection->tls == NULL && refused) {
        hg_connection_refuse(server, index);
    } else if (connection->tls == NULL) {
        receive(server, index); /* who connects has something to say, and it is often here already */
    }
}

void hg_connection_expired(struct hg_server *server, uint32_t index) {
    switch ((enum hg_state)hg_connection_at(server, index)->state) {
    case HG_READING: hg_request_expired(server, index); break;
    case HG_CARRIER: hg_carrier_expired(server, index); break;
    case HG_IDLE: hg_connection_finish(server, index); break; /* TLS says good-bye: RFC 8446 section 6.1 */
    case HG_GREETING:
    case HG_READY:
    case HG_COMMIT:
    case HG_FLUSH:
    case HG_LENT:
    case HG_LINGER: hg_connection_close(server, index); break; /* nothing to be said to who does not listen */
    case HG_FREE: break;
    }
}
