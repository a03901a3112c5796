/* HTTP/1.1 on a client's connections: one request in flight on each. The twin of headgate_host/load/http_pool.py. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "load/protocol.h"
#include "load_http1/reply.h"

struct http1 {
    struct hg_connection base;
    struct hg_shot *shot; /* in flight */
    struct hg_reply reply;
};

const size_t hg_protocol_size = sizeof(struct http1);

static struct http1 *http1_of(struct hg_connection *connection) { return (struct http1 *)(void *)connection; }

bool hg_protocol_prepare(struct hg_client *client, struct hg_refusal *refusal) {
    const bool fine = client->options.tls.name == NULL && client->options.streams == 1;
    if (!fine) {
        *refusal = (struct hg_refusal){EPROTO, "HTTP/1.1 is spoken without TLS, one request at a time"};
    }
    return fine;
}

void hg_protocol_forget(struct hg_client *client) { (void)client; }

void hg_protocol_greet(struct hg_client *client, struct hg_connection *connection) { hg_client_up(client, connection); }

void hg_protocol_end(struct hg_client *client, struct hg_connection *connection, enum hg_failure failure,
                     int64_t waited_ns) {
    struct http1 *http1 = http1_of(connection);
    if (http1->shot != NULL) {
        hg_book_failed(&client->book, http1->shot, failure, waited_ns);
        http1->shot = NULL;
    }
    hg_reply_clear(&http1->reply);
}

/* As much as the socket takes; the rest when it takes more. An error is seen when it is read. */
static void send_rest(struct hg_client *client, struct http1 *http1) {
    struct hg_shot *shot = http1->shot;
    const ssize_t sent = send(http1->base.fd, shot->data + shot->sent, shot->length - shot->sent, MSG_NOSIGNAL);
    shot->sent += sent > 0 ? (size_t)sent : 0;
    hg_client_watch(client, &http1->base, shot->sent < shot->length ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void hg_protocol_start(struct hg_client *client, struct hg_connection *connection, struct hg_shot *shot) {
    struct http1 *http1 = http1_of(connection);
    hg_client_room(client, connection, false);
    http1->shot = shot;
    hg_reply_begin(&http1->reply, (shot->flags & HG_TO_HEAD) != 0, (shot->flags & HG_JUDGED) != 0 ? shot : NULL);
    send_rest(client, http1);
}

void hg_protocol_flush(struct hg_client *client, struct hg_connection *connection) {
    (void)client; /* what is started is sent at once */
    (void)connection;
}

static void receive(struct hg_client *client, struct http1 *http1) {
    const ssize_t got = recv(http1->base.fd, client->received, HG_RECEIVE, 0);
    const int64_t now = hg_client_now();
    enum hg_reply_result result;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (http1->shot == NULL) { /* its end, or an answer nobody asked for */
        hg_client_down(client, &http1->base, HG_LOST, 0, now);
        return;
    }
    result = got > 0    ? hg_reply_feed(&http1->reply, client->received, (size_t)got)
             : got == 0 ? hg_reply_eof(&http1->reply)
                        : HG_REPLY_WRONG;
    if (result == HG_REPLY_WRONG) {
        hg_client_down(client, &http1->base, got > 0 ? HG_MALFORMED : HG_LOST, 0, now);
    } else if (result == HG_REPLY_DONE) {
        struct hg_shot *shot = http1->shot;
        const bool goes_on = http1->reply.keep_alive && shot->sent == shot->length;
        http1->shot = NULL;
        http1->base.fruitful = true;
        shot->status = (int16_t)http1->reply.status;
        hg_book_answered(&client->book, shot, now);
        if (goes_on) {
            hg_client_room(client, &http1->base, true);
        } else {
            hg_client_down(client, &http1->base, HG_LOST, 0, now);
        }
    }
}

void hg_protocol_ready(struct hg_client *client, struct hg_connection *connection, uint32_t events) {
    struct http1 *http1 = http1_of(connection);
    if ((events & EPOLLOUT) != 0 && http1->shot != NULL) {
        send_rest(client, http1);
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        receive(client, http1);
    }
}

void hg_protocol_sweep(struct hg_client *client, struct hg_connection *connection, int64_t before_ns, int64_t now) {
    const struct hg_shot *shot = http1_of(connection)->shot;
    if (shot != NULL && shot->sent_ns < before_ns) {
        hg_client_down(client, connection, HG_TIMEOUT, now, now);
    }
}
