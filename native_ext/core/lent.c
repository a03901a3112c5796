/* Connections that Python serves one request of. */
#include "connection.h"

#include <errno.h>

void hg_lend(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    connection->state = HG_LENT;
    hg_connection_deadline(server, index, 0);
    hg_tell(server, index, HG_TELL_LENT);
}

void hg_lent_broken(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    if ((connection->flags & HG_ABORTED) == 0) {
        connection->flags |= HG_ABORTED;
        hg_session_close(server, connection);
        hg_work_free(server, connection);
        if (connection->virtual) {
            hg_virtual_close(server, connection);
        } else {
            server->net.close(server->net.context, connection->fd);
            connection->fd = -1;
        }
        hg_tell(server, index, HG_TELL_GONE);
    }
}

void hg_lent_ended(struct hg_server *server, uint32_t index) { hg_tell(server, index, HG_TELL_INPUT); }

void hg_lent_input(struct hg_server *server, uint32_t index, const uint8_t *data, uint32_t length) {
    struct hg_connection *connection = hg_connection_at(server, index);
    if (hg_work_of(server, connection) == NULL || !hg_work_input(server, connection->work, data, length)) {
        hg_lent_broken(server, index);
        return;
    }
    hg_tell(server, index, HG_TELL_INPUT);
}

/* Nothing more will be written. */
static void finish(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    hg_session_finish(server, index);
    if (connection->work != NULL) {
        hg_work_drop_output(server, connection->work); /* a courtesy that found no room */
    }
    if (!connection->virtual) { /* a stream ends with its answer */
        server->net.finish(server->net.context, connection->fd);
    }
}

void hg_lent_written(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    if ((connection->flags & HG_LINGERS) != 0) {
        finish(server, index);
    }
    if ((connection->tell & HG_TELL_FULL) != 0) {
        connection->tell &= (uint8_t)~HG_TELL_FULL;
        hg_tell(server, index, HG_TELL_DRAINED);
    }
}

static bool has_input(const struct hg_connection *connection) {
    return connection->work != NULL && connection->work->input_length != 0;
}

/* What TLS itself answers is among it, and Python does not wait for that. */
static bool is_full(const struct hg_connection *connection) {
    return connection->session != NULL && connection->work != NULL &&
           connection->work->output_length - connection->work->output_at > HG_LENT_OUTPUT;
}

void hg_lent_ready(struct hg_server *server, uint32_t index, uint32_t events) {
    struct hg_connection *connection = hg_connection_at(server, index);
    int32_t count;
    if ((connection->flags & HG_ABORTED) != 0) {
        return;
    }
    if ((events & HG_NET_GONE) == 0 && (has_input(connection) || is_full(connection))) {
        hg_connection_watch(server, index, connection->flags & HG_WATCH_OUT); /* Python reads that first, or the client this */
        return;
    }
    count = hg_connection_read(server, index);
    if (count == 0) {
        if ((events & HG_NET_GONE) != 0 && (connection->flags & HG_ENDED) != 0) { /* in both directions */
            hg_lent_broken(server, index);
        } else {
            hg_connection_end(server, index);
        }
    } else if (count > 0 && connection->session != NULL) {
        hg_session_feed(server, index, (uint32_t)count);
    } else if (count > 0) {
        hg_lent_input(server, index, server->input, (uint32_t)count);
    } else if (count != -EAGAIN) {
        hg_lent_broken(server, index);
    }
}

/* The lent connection of this id; NULL: *error says why not. */
static struct hg_connection *lent(const struct hg_server *server, uint64_t id, uint32_t *index, int *error) {
    struct hg_connection *connection = hg_connection_of(server, id, index);
    if (connection == NULL || connection->state != HG_LENT) {
        *error = -EBADF;
        return NULL;
    }
    if ((connection->flags & HG_ABORTED) != 0) {
        *error = -EPIPE;
        return NULL;
    }
    *error = 0;
    return connection;
}

int32_t hg_server_lent_read(struct hg_server *server, uint64_t id, uint8_t *data, uint32_t room) {
    uint32_t index, length;
    int error;
    struct hg_connection *connection = lent(server, id, &index, &error);
    struct hg_work *work;
    if (connection == NULL) {
        return error;
    }
    work = connection->work;
    length = work == NULL ? 0 : work->input_length < room ? work->input_length : room;
    if (length != 0) {
        memcpy(data, work->input, length);
        memmove(work->input, work->input + length, work->input_length - length);
        work->input_length -= length;
        if (work->input_length == 0) {
            hg_work_drop_input(server, work);
        }
    }
    if (connection->virtual) {
        hg_virtual_read(server, connection);
        hg_carriers_send(server);
        hg_server_leave(server);
    } else if ((connection->flags & HG_ENDED) == 0) {
        hg_connection_watch(server, index, HG_WATCH_IN | (connection->flags & HG_WATCH_OUT));
    }
    return (int32_t)length;
}

bool hg_server_lent_ended(struct hg_server *server, uint64_t id) {
    uint32_t index;
    int error;
    const struct hg_connection *connection = lent(server, id, &index, &error);
    return connection != NULL && (connection->flags & HG_ENDED) != 0 &&
           (connection->work == NULL || connection->work->input_length == 0);
}

int hg_server_lent_write(struct hg_server *server, uint64_t id, const uint8_t *data, uint32_t length) {
    uint32_t index;
    int error;
    struct hg_connection *connection = lent(server, id, &index, &error);
    if (connection == NULL) {
        return error;
    }
    error = 0;
    if (!hg_connection_send(server, index, data, length)) {
        hg_lent_broken(server, index);
        error = -EPIPE;
    }
    hg_carriers_send(server);
    if (hg_has_output(connection)) { /* not when it is broken */
        hg_connection_watch(server, index, (connection->flags & HG_WATCH_IN) | HG_WATCH_OUT);
        if (connection->work->output_length - connection->work->output_at > HG_LENT_OUTPUT) {
            connection->tell |= HG_TELL_FULL;
            error = 1;
        }
    }
    hg_server_leave(server);
    return error;
}

int hg_server_lent_return(struct hg_server *server, uint64_t id, const uint8_t *rest, uint32_t length) {
    uint32_t index;
    int error;
    struct hg_connection *connection = lent(server, id, &index, &error);
    struct hg_work *work;
    if (connection == NULL) {
        return error;
    }
    work = hg_work_of(server, connection);
    if (work == NULL || !hg_work_before(server, work, rest, length)) {
        hg_connection_close(server, index);
        hg_carriers_send(server);
        hg_server_leave(server);
        return -EPIPE;
    }
    hg_http1_init(&work->parser, &hg_usual_limits);
    connection->tell &= HG_TELL_LISTED;
    hg_connection_answered(server, index, true);
    hg_carriers_send(server);
    hg_server_leave(server);
    return 0;
}

int hg_server_lent_close(struct hg_server *server, uint64_t id, bool abort) {
    uint32_t index;
    struct hg_connection *connection = hg_connection_of(server, id, &index);
    if (connection == NULL || connection->state != HG_LENT) {
        return -EBADF;
    }
    connection->tell &= HG_TELL_LISTED;
    if (abort || (connection->flags & HG_ABORTED) != 0) {
        hg_connection_close(server, index);
    } else {
        /* The client may have sent more. When the output was finished Python has waited for that. */
        const bool lingers = (connection->flags & HG_LINGERS) != 0 ? hg_has_output(connection) : server->draining;
        connection->state = HG_FLUSH;
        connection->flags = (uint8_t)((connection->flags & ~HG_LINGERS) | HG_ENDS | (lingers ? HG_LINGERS : 0));
        hg_connection_settle(server, index);
    }
    hg_carriers_send(server);
    hg_server_leave(server);
    return 0;
}

int hg_server_lent_finish(struct hg_server *server, uint64_t id) {
    uint32_t index;
    int error;
    struct hg_connection *connection = lent(server, id, &index, &error);
    if (connection == NULL) {
        return error;
    }
    connection->flags |= HG_LINGERS;
    if (!hg_has_output(connection)) { /* else once that is written */
        finish(server, index);
        hg_server_leave(server);
    }
    return 0;
}

int hg_server_lent_identity(struct hg_server *server, uint64_t id, struct hg_view *name) {
    uint32_t index;
    int error;
    const struct hg_connection *connection = lent(server, id, &index, &error);
    if (connection != NULL) {
        *name = hg_session_identity(connection);
    }
    return error;
}
