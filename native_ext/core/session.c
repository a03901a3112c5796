/* TLS around a connection. The calls go to who has the TLS between its enter and leave, which hg_server_leave ends. */
#include "connection.h"

#include <errno.h>

static const struct hg_tls *enter(struct hg_server *server, const struct hg_tls *tls) {
    if (server->entered != tls) {
        hg_server_leave(server);
        tls->enter(tls->context);
        server->entered = tls;
    }
    return tls;
}

static struct hg_output *empty_cipher(struct hg_server *server) {
    struct hg_output *cipher = &server->cipher;
    cipher->length = 0;
    cipher->failed = false;
    if (cipher->capacity > 2 * HG_SERVER_ANSWERS) {
        hg_output_clear(cipher);
    }
    return cipher;
}

bool hg_session_open(struct hg_server *server, struct hg_connection *connection) {
    const struct hg_tls *tls = enter(server, connection->tls);
    connection->session = tls->open(tls->context);
    return connection->session != NULL;
}

void hg_session_close(struct hg_server *server, struct hg_connection *connection) {
    if (connection->session != NULL) {
        const struct hg_tls *tls = enter(server, connection->tls);
        tls->close(tls->context, connection->session);
        connection->session = NULL;
    }
}

/* What TLS itself has to say goes to the socket. false: the connection is broken. */
static bool send_cipher(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    void *session = connection->session;
    bool sent = !server->cipher.failed;
    if (sent && server->cipher.length != 0) {
        connection->session = NULL; /* it is cipher already */
        sent = hg_connection_send(server, index, server->cipher.data, server->cipher.length);
        connection->session = session;
    }
    return sent;
}

/* ... also if the socket takes it later only: the end of a handshake may be among it, and nothing else would be written then. */
static bool deliver_cipher(struct hg_server *server, uint32_t index) {
    const struct hg_connection *connection = hg_connection_at(server, index);
    if (!send_cipher(server, index)) {
        return false;
    }
    if (hg_has_output(connection) && connection->state == HG_CARRIER) { /* as frames that are not taken: it is read no further */
        hg_connection_watch(server, index, HG_WATCH_OUT);
        hg_connection_deadline(server, index, server->now_ms + server->gate->plan->spec.body_ms);
    } else if (hg_has_output(connection)) {
        hg_connection_watch(server, index, (connection->flags & HG_WATCH_IN) | HG_WATCH_OUT);
    }
    return true;
}

/* The handshake is over. false: the connection is. */
static bool greeted(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    if ((connection->flags & HG_REFUSED) != 0) {
        hg_connection_refuse(server, index);
        return false;
    }
    if (server->draining) {
        hg_connection_close(server, index);
        return false;
    }
    connection->state = HG_IDLE;
    hg_connection_deadline(server, index, server->now_ms + server->gate->plan->spec.idle_ms);
    return true;
}

void hg_session_more(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    const uint32_t generation = connection->generation;
    const struct hg_tls *tls = connection->tls;
    /* One that is lent may be broken by now, and wait for its return without a session. */
    while (connection->generation == generation && connection->session != NULL &&
           (connection->state == HG_IDLE || connection->state == HG_READING || connection->state == HG_LENT ||
            connection->state == HG_CARRIER)) {
        enum hg_tls_state state = HG_TLS_OPEN;
        uint32_t count;
        enter(server, tls);
        count = tls->read(tls->context, connection->session, server->plain, HG_RECORD, &state, empty_cipher(server));
        if (!deliver_cipher(server, index) || (count == 0 && state == HG_TLS_BROKEN)) {
            hg_connection_broken(server, index);
            return;
        }
        if (count == 0) {
            if (state == HG_TLS_ENDED && (connection->flags & HG_ENDED) == 0) {
                hg_connection_end(server, index);
            } else if (server->draining && connection->state == HG_IDLE) { /* what its half of a record was waited for */
                hg_connection_drain_idle(server, index);
            }
            return;
        }
        hg_connection_input(server, index, server->plain, count);
    }
}

void hg_session_feed(struct hg_server *server, uint32_t index, uint32_t length) {
    struct hg_connection *connection = hg_connection_at(server, index);
    const struct hg_tls *tls = enter(server, connection->tls);
    const enum hg_tls_state state =
        tls->feed(tls->context, connection->session, server->input, length, empty_cipher(server));
    if (connection->state == HG_GREETING) {
        hg_server_now(server); /* a step of a handshake takes up to milliseconds: serve_found counts them */
    }
    if (!deliver_cipher(server, index) || state == HG_TLS_BROKEN) { /* an alert may have gone out */
        hg_connection_broken(server, index);
        return;
    }
    if (connection->state == HG_GREETING) {
        if (state == HG_TLS_GREETING || !greeted(server, index)) {
            return;
        }
    }
    hg_session_more(server, index);
}

void hg_session_finish(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    if (connection->session != NULL) {
        const struct hg_tls *tls = enter(server, connection->tls);
        tls->finish(tls->context, connection->session, empty_cipher(server));
        (void)send_cipher(server, index); /* a courtesy */
    }
}

bool hg_session_partial(struct hg_server *server, const struct hg_connection *connection) {
    return connection->session != NULL &&
           enter(server, connection->tls)->partial(connection->tls->context, connection->session);
}

struct hg_view hg_session_write(struct hg_server *server, struct hg_connection *connection, const uint8_t *data,
                                uint32_t length) {
    const struct hg_tls *tls = enter(server, connection->tls);
    struct hg_output *cipher = empty_cipher(server);
    if (!tls->write(tls->context, connection->session, data, length, cipher) || cipher->failed) {
        return (struct hg_view){NULL, 0};
    }
    return (struct hg_view){cipher->data != NULL ? cipher->data : data, cipher->length};
}

struct hg_view hg_session_identity(const struct hg_connection *connection) {
    if (connection->virtual) {
        connection = hg_virtual_carrier(connection);
    }
    return connection == NULL || connection->session == NULL
               ? (struct hg_view){(const uint8_t *)"", 0}
               : connection->tls->identity(connection->tls->context, connection->session);
}
