/* HTTP/2: connections that carry others, and those. See http2.h.
 *
 * A carrier (state HG_CARRIER) has no request of its own: what comes goes to the library of frames, what that has to say is sent. While
 * the socket does not take it, nothing is read: so nothing gathers, whatever the peer asks for.
 *
 *     a carrier                      its deadline
 *     without streams                idle_ms, however many frames of other kinds come
 *     in the midst of a request's fields   head_ms from the first of them
 *     whose output is not taken      body_ms
 *     else                           none: its streams have theirs
 *
 * A virtual connection serves one request after the other like any; what it writes the library takes at once or, within the peer's
 * window, when it can. When it is to end (HG_ENDS) and all is written it waits in HG_FLUSH for the library to say that the stream is
 * over, which is when the peer has got the last frame. */
#include "connection.h"

struct hg_carrier {
    struct hg_server *server;
    void *session;       /* the library's */
    uint32_t index;      /* of the connection that carries */
    uint32_t next;       /* in the list of those with something to send */
    uint32_t streams;    /* virtual connections */
    uint32_t grouped;    /* of them, those that the commit of the connection's `group` answered, and nobody took the place of yet */
    int64_t idle_ms;     /* since when there is none */
    bool listed, ends;
};

static struct hg_carrier *carrier_of(const struct hg_http2_stream *stream) { return stream->owner; }

/* It has something to send: hg_carriers_send. */
static void list(struct hg_carrier *carrier) {
    struct hg_server *server = carrier->server;
    if (!carrier->listed) {
        carrier->listed = true;
        carrier->next = server->carriers;
        server->carriers = carrier->index;
    }
}

/* --- what the library asks ------------------------------------------------------------------------------------------- */

static bool host_charge(void *owner, uint32_t size) { return hg_work_charge(((struct hg_carrier *)owner)->server, size); }

static void host_refund(void *owner, uint32_t size) { hg_work_refund(((struct hg_carrier *)owner)->server, size); }

static int64_t host_now_ms(void *owner) { return ((struct hg_carrier *)owner)->server->now_ms; }

static int64_t host_body_ms(void *owner) { return ((struct hg_carrier *)owner)->server->gate->plan->spec.body_ms; }

static bool host_begin(struct hg_http2_stream *stream) {
    struct hg_carrier *carrier = carrier_of(stream);
    struct hg_server *server = carrier->server;
    const uint32_t index = hg_server_new_slot(server, true);
    struct hg_connection *connection;
    if (index == 0) {
        return false;
    }
    connection = hg_connection_at(server, index);
    connection->fd = -1;
    connection->tls = NULL;
    connection->stream = stream;
    connection->state = HG_IDLE;
    hg_connection_deadline(server, index, server->now_ms + server->gate->plan->spec.idle_ms); /* a translator may have nothing to say yet */
    stream->connection = hg_connection_id(connection, index);
    carrier->streams += 1;
    return true;
}

/* DATA that is not in the input any more may be followed by as much. Text may be longer than its DATA, never shorter. */
static void consume_read(struct hg_server *server, struct hg_http2_stream *stream) {
    uint32_t index, left = 0;
    const struct hg_connection *connection = hg_connection_of(server, stream->connection, &index);
    if (connection != NULL && connection->work != NULL) {
        left = connection->work->input_length - (connection->state == HG_LENT ? 0 : hg_work_held(connection->work));
    }
    if (stream->unread > left) {
        server->http2->consume(stream, stream->unread - left);
    }
}

static void host_input(struct hg_http2_stream *stream, uint8_t *text, uint32_t length) {
    struct hg_server *server = carrier_of(stream)->server;
    uint32_t index;
    struct hg_connection *connection = hg_connection_of(server, stream->connection, &index);
    if (connection == NULL) {
        return;
    }
    switch ((enum hg_state)connection->state) {
    case HG_IDLE:
    case HG_READING:
    case HG_LENT: hg_connection_input(server, index, text, length); break;
    case HG_READY:
    case HG_COMMIT: /* one request after the other: this one waits */
    case HG_FLUSH:
        if ((connection->flags & HG_ENDS) == 0 &&
            (hg_work_of(server, connection) == NULL || !hg_work_input(server, connection->work, text, length))) {
            hg_connection_close(server, index);
        }
        break;
    case HG_GREETING:
    case HG_CARRIER:
    case HG_LINGER:
    case HG_FREE: break;
    }
    consume_read(server, stream);
}

static struct hg_view host_output(struct hg_http2_stream *stream, bool *last) {
    const struct hg_server *server = carrier_of(stream)->server;
    struct hg_view output = {(const uint8_t *)"", 0};
    uint32_t index;
    const struct hg_connection *connection = hg_connection_of(server, stream->connection, &index);
    *last = connection == NULL || (connection->state == HG_FLUSH && (connection->flags & HG_ENDS) != 0);
    if (connection != NULL && hg_has_output(connection)) {
        const struct hg_work *work = connection->work;
        output = (struct hg_view){work->output + work->output_at, work->output_length - work->output_at};
    }
    return output;
}

static void host_taken(struct hg_http2_stream *stream, uint32_t length) {
    struct hg_server *server = carrier_of(stream)->server;
    uint32_t index;
    struct hg_connection *connection = hg_connection_of(server, stream->connection, &index);
    if (connection == NULL || !hg_has_output(connection)) {
        return;
    }
    connection->work->output_at += length;
    if (!hg_has_output(connection)) {
        hg_work_drop_output(server, connection->work);
        if (connection->state == HG_LENT) {
            hg_lent_written(server, index);
        } else if (connection->state == HG_FLUSH && (connection->flags & HG_ENDS) == 0) {
            connection->state = HG_READY; /* what comes next is not begun while frames are made */
            hg_connection_deadline(server, index, 0);
            hg_server_queue(server, index);
        }
    }
}

static void host_closed(struct hg_http2_stream *stream) {
    struct hg_server *server = carrier_of(stream)->server;
    uint32_t index;
    if (hg_connection_of(server, stream->connection, &index) != NULL) {
        hg_connection_broken(server, index);
    }
}

static const struct hg_http2_host host = {host_charge, host_refund, host_now_ms, host_body_ms, host_begin,
                                          host_input,  host_output, host_taken,  host_closed};

/* --- virtual connections --------------------------------------------------------------------------------------------- */

bool hg_virtual_send(struct hg_server *server, struct hg_connection *connection, const uint8_t *data, uint32_t length) {
    struct hg_http2_stream *stream = connection->stream;
    uint32_t taken = 0;
    if (stream == NULL) {
        return false;
    }
    list(carrier_of(stream));
    if (!hg_has_output(connection)) {
        taken = server->http2->write(stream, data, length);
        if (taken == length) {
            return true;
        }
    }
    if (hg_work_of(server, connection) == NULL ||
        !hg_work_output(server, connection->work, data + taken, length - taken)) {
        return false;
    }
    server->http2->resume(stream);
    return true;
}

void hg_virtual_ends(struct hg_server *server, const struct hg_connection *connection) {
    if (connection->stream != NULL) {
        list(carrier_of(connection->stream));
        server->http2->resume(connection->stream);
    }
}

void hg_virtual_read(struct hg_server *server, const struct hg_connection *connection) {
    if (connection->stream != NULL) {
        list(carrier_of(connection->stream));
        consume_read(server, connection->stream);
    }
}

void hg_virtual_close(struct hg_server *server, struct hg_connection *connection) {
    struct hg_http2_stream *stream = connection->stream;
    if (stream != NULL) {
        struct hg_carrier *carrier = carrier_of(stream);
        connection->stream = NULL;
        stream->connection = 0;
        carrier->streams -= 1;
        if (carrier->streams == 0) {
            carrier->idle_ms = server->now_ms;
        }
        list(carrier);
        server->http2->drop(stream);
    }
}

struct hg_connection *hg_virtual_carrier(const struct hg_connection *connection) {
    const struct hg_carrier *carrier = connection->stream == NULL ? NULL : carrier_of(connection->stream);
    return carrier == NULL ? NULL : hg_connection_at(carrier->server, carrier->index);
}

/* A stream is a request: whoever answers one of them may expect the next on another. So groups are counted by carrier. */
void hg_virtual_grouped(struct hg_connection *connection, uint8_t group) {
    struct hg_connection *client = hg_virtual_carrier(connection);
    if (client != NULL) {
        client->carrier->grouped = client->group == group ? client->carrier->grouped + 1 : 1;
        client->group = group;
    }
}

bool hg_virtual_joins(struct hg_connection *connection, uint8_t group) {
    struct hg_connection *client = hg_virtual_carrier(connection);
    if (client == NULL || client->group != group || client->carrier->grouped == 0) {
        return false;
    }
    client->carrier->grouped -= 1;
    return true;
}

/* --- carriers -------------------------------------------------------------------------------------------------------- */

void hg_carrier_close(struct hg_server *server, struct hg_connection *connection) {
    struct hg_carrier *carrier = connection->carrier;
    server->http2->close(carrier->session);
    if (carrier->listed) {
        uint32_t *place = &server->carriers;
        while (*place != carrier->index) {
            place = &hg_connection_at(server, *place)->carrier->next;
        }
        *place = carrier->next;
    }
    connection->carrier = NULL;
    hg_work_give(server, carrier, sizeof *carrier);
}

/* All is said. The peer may still be sending: see hg_connection_finish. */
static void finish(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    hg_carrier_close(server, connection);
    connection->state = HG_FLUSH;
    connection->flags |= HG_ENDS | HG_LINGERS;
    hg_connection_finish(server, index);
}

/* Everything was sent: what it waits for now. */
static void rest(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    struct hg_carrier *carrier = connection->carrier;
    const struct hg_plan_spec *spec = &server->gate->plan->spec;
    int64_t at_ms = carrier->streams == 0 ? carrier->idle_ms + spec->idle_ms : 0;
    const int64_t due_ms = server->http2->due_ms(carrier->session), fields_ms = server->http2->fields_ms(carrier->session);
    if ((server->draining && carrier->streams == 0) || carrier->ends || server->http2->ended(carrier->session)) {
        finish(server, index);
        return;
    }
    if (fields_ms != 0 && (at_ms == 0 || fields_ms + spec->head_ms < at_ms)) {
        at_ms = fields_ms + spec->head_ms;
    }
    if (due_ms != 0 && (at_ms == 0 || due_ms < at_ms)) {
        at_ms = due_ms;
    }
    if (connection->work != NULL) {
        hg_work_free(server, connection);
    }
    hg_connection_watch(server, index, HG_WATCH_IN);
    hg_connection_deadline(server, index, at_ms);
}

/* What the library has to say, in pieces of HG_SERVER_ANSWERS. */
static void send_frames(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    struct hg_output *frames = &server->frames;
    bool sent = true;
    while (sent && !hg_has_output(connection)) {
        struct hg_view frame;
        do {
            frame = server->http2->send(connection->carrier->session);
            hg_output_add(frames, frame.at, frame.length);
        } while (frame.length != 0 && frames->length < HG_SERVER_ANSWERS && !frames->failed);
        if (frames->length == 0) {
            break;
        }
        sent = !frames->failed && hg_connection_send(server, index, frames->data, frames->length);
        frames->length = 0;
    }
    frames->failed = false;
    if (!sent) {
        hg_connection_close(server, index);
    } else if (hg_has_output(connection)) {
        hg_connection_watch(server, index, HG_WATCH_OUT);
        hg_connection_deadline(server, index, server->now_ms + server->gate->plan->spec.body_ms);
    } else {
        rest(server, index);
    }
}

void hg_carriers_send(struct hg_server *server) {
    while (server->carriers != 0) {
        const uint32_t index = server->carriers;
        struct hg_carrier *carrier = hg_connection_at(server, index)->carrier;
        server->carriers = carrier->next;
        carrier->listed = false;
        if (!hg_has_output(hg_connection_at(server, index))) { /* else it goes on when that is gone */
            send_frames(server, index);
        }
    }
}

bool hg_carrier_open(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    struct hg_carrier *carrier = hg_work_take(server, sizeof *carrier);
    if (carrier == NULL) {
        return false;
    }
    *carrier = (struct hg_carrier){.server = server, .index = index, .idle_ms = server->now_ms};
    carrier->session = server->http2->open(server->http2->context, &host, carrier);
    if (carrier->session == NULL) {
        hg_work_give(server, carrier, sizeof *carrier);
        return false;
    }
    connection->carrier = carrier;
    connection->state = HG_CARRIER;
    if (server->draining) {
        server->http2->go_away(carrier->session);
    }
    return true;
}

void hg_carrier_input(struct hg_server *server, uint32_t index, const uint8_t *data, uint32_t length) {
    struct hg_connection *connection = hg_connection_at(server, index);
    struct hg_carrier *carrier = connection->carrier;
    if (!server->http2->receive(carrier->session, data, length)) {
        carrier->ends = true;
    }
    list(carrier);
    hg_carriers_send(server);
}

void hg_carrier_flushed(struct hg_server *server, uint32_t index) {
    list(hg_connection_at(server, index)->carrier);
    hg_carriers_send(server);
}

void hg_carrier_expired(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    struct hg_carrier *carrier = connection->carrier;
    const int64_t due_ms = server->http2->due_ms(carrier->session);
    if (hg_has_output(connection)) { /* it does not listen */
        hg_connection_close(server, index);
        return;
    }
    if (due_ms != 0 && due_ms <= server->now_ms) {
        server->http2->expire(carrier->session);
    } else {
        server->http2->go_away(carrier->session);
        carrier->ends = true;
    }
    list(carrier);
    hg_carriers_send(server);
}

void hg_carrier_drain(struct hg_server *server, uint32_t index) {
    struct hg_carrier *carrier = hg_connection_at(server, index)->carrier;
    server->http2->go_away(carrier->session);
    list(carrier);
}
