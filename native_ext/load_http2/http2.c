/* HTTP/2 on a client's connections, by nghttp2: over TLS when it is asked for, else with prior knowledge (RFC 9113
 * section 3.3). A shot's data is the fields, each a name and a value ended by NUL, an empty name after the last, then the
 * body. A connection takes requests until the server allows no more at a time; after a GOAWAY it takes none, and is opened
 * anew when it has been answered. */
#define _GNU_SOURCE
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "load/protocol.h"
#include "load_http2/answer.h"
#include "load_http2/tls.h"

enum {
    FIELDS = 100, /* of a request */
    NAME = 256,   /* bytes of a host's name */
    SENDING = 65536,
    WINDOW = 1 << 30, /* bytes that may come unasked: answers are read as they come, and little of them is kept */
};

struct http2 {
    struct hg_connection base;
    struct hg_client *client;
    nghttp2_session *session;
    SSL *tls;
    bool leaving; /* after a GOAWAY, or without stream numbers */
    uint32_t most; /* requests at a time */
    struct hg_queue flying; /* in the order of sending */
    char *held;             /* what the socket did not take */
    size_t held_length, held_sent;
    int64_t now;
};

/* Of all connections. */
struct shared {
    SSL_CTX *tls; /* NULL: without */
    char name[NAME];
    nghttp2_session_callbacks *callbacks;
    char *out; /* what is being sent */
    size_t out_length, out_capacity;
};

const size_t hg_protocol_size = sizeof(struct http2);

static struct http2 *http2_of(struct hg_connection *connection) { return (struct http2 *)(void *)connection; }
static struct shared *shared_of(struct hg_client *client) { return client->shared; }

static void update_room(struct http2 *http2) {
    hg_client_room(http2->client, &http2->base,
                   http2->base.state == HG_UP && !http2->leaving && http2->flying.count < http2->most);
}

/* --- what nghttp2 calls --- */

static struct hg_shot *shot_of(nghttp2_session *session, int32_t stream) {
    return nghttp2_session_get_stream_user_data(session, stream);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *user) {
    struct hg_shot *shot = shot_of(session, frame->hd.stream_id);
    (void)flags;
    (void)user;
    if (shot != NULL) {
        hg_answer_field(shot, name, name_length, value, value_length);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t length,
                   void *user) {
    struct hg_shot *shot = shot_of(session, stream);
    (void)flags;
    (void)user;
    if (shot != NULL) {
        hg_answer_data(shot, data, length);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct http2 *http2 = user;
    struct hg_shot *shot;
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
            const uint32_t allowed =
                nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
            const uint32_t wanted = http2->client->options.streams;
            http2->most = allowed < wanted ? allowed : wanted;
            if (http2->base.state == HG_GREETING) {
                hg_client_up(http2->client, &http2->base);
            }
        }
        break;
    case NGHTTP2_GOAWAY: http2->leaving = true; break;
    case NGHTTP2_RST_STREAM:
        shot = shot_of(session, frame->hd.stream_id);
        if (shot != NULL && shot->end == HG_NOT_YET) {
            shot->end = HG_RESET_BY_PEER;
        }
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        shot = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 ? shot_of(session, frame->hd.stream_id) : NULL;
        if (shot != NULL && shot->end == HG_NOT_YET) {
            shot->end = HG_WHOLE;
            if (shot->sent < shot->length) { /* it was answered before it had come: RFC 9113 section 8.1 */
                (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, shot->stream, NGHTTP2_NO_ERROR);
            }
        }
        break;
    default: break;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user) {
    struct http2 *http2 = user;
    struct hg_book *book = &http2->client->book;
    struct hg_shot *shot = shot_of(session, stream);
    if (shot == NULL) {
        return 0;
    }
    hg_queue_remove(&http2->flying, shot);
    if (shot->end == HG_WHOLE && hg_answer_is_right(shot)) {
        http2->base.fruitful = true;
        hg_book_answered(book, shot, http2->now);
    } else if (shot->end == HG_GIVEN_UP) {
        hg_book_failed(book, shot, HG_TIMEOUT, http2->now);
    } else { /* REFUSED_STREAM: after a GOAWAY */
        const bool is_reset = shot->end == HG_RESET_BY_PEER || error == NGHTTP2_REFUSED_STREAM;
        hg_book_failed(book, shot, is_reset ? HG_RESET : HG_MALFORMED, 0);
    }
    return 0;
}

/* The body of a request; `sent` is where it goes on. */
static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *data, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *user) {
    struct hg_shot *shot = source->ptr;
    const size_t left = shot->length - shot->sent, part = left < length ? left : length;
    (void)session;
    (void)stream;
    (void)user;
    memcpy(data, shot->data + shot->sent, part);
    shot->sent += part;
    if (part == left) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)part;
}

/* --- what all connections share --- */

bool hg_protocol_prepare(struct hg_client *client, struct hg_refusal *refusal) {
    const struct hg_client_tls *tls = &client->options.tls;
    struct shared *shared = client->shared = calloc(1, sizeof *shared);
    bool fine = shared != NULL && nghttp2_session_callbacks_new(&shared->callbacks) == 0;
    if (fine && tls->name != NULL) {
        strncpy(shared->name, tls->name, NAME - 1);
        shared->tls = hg_tls_context(tls, refusal);
        fine = shared->tls != NULL;
    }
    if (fine) {
        nghttp2_session_callbacks_set_on_header_callback(shared->callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(shared->callbacks, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(shared->callbacks, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(shared->callbacks, on_stream_close);
    }
    return fine;
}

void hg_protocol_forget(struct hg_client *client) {
    struct shared *shared = client->shared;
    if (shared != NULL) {
        SSL_CTX_free(shared->tls);
        nghttp2_session_callbacks_del(shared->callbacks);
        free(shared->out);
        free(shared);
    }
}

/* --- a connection --- */

static void begin_session(struct http2 *http2) {
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
    };
    if (nghttp2_session_client_new(&http2->session, shared_of(http2->client)->callbacks, http2) != 0 ||
        nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof settings[0]) !=
            0 ||
        nghttp2_session_set_local_window_size(http2->session, NGHTTP2_FLAG_NONE, 0, WINDOW) != 0) {
        hg_client_refused(http2->client, &http2->base, ENOMEM, "");
    } else {
        hg_client_unsent(http2->client, &http2->base);
    }
}

static void shake_hands(struct http2 *http2) {
    struct hg_refusal refusal;
    switch (hg_tls_handshake(http2->tls, &refusal)) {
    case HG_TLS_READS: hg_client_watch(http2->client, &http2->base, EPOLLIN); break;
    case HG_TLS_WRITES: hg_client_watch(http2->client, &http2->base, EPOLLOUT); break;
    case HG_TLS_DONE:
        hg_client_watch(http2->client, &http2->base, EPOLLIN);
        begin_session(http2);
        break;
    case HG_TLS_FAILED: hg_client_refused(http2->client, &http2->base, refusal.error, refusal.text); break;
    }
}

void hg_protocol_greet(struct hg_client *client, struct hg_connection *connection) {
    struct http2 *http2 = http2_of(connection);
    const struct shared *shared = shared_of(client);
    http2->client = client;
    http2->leaving = false;
    if (shared->tls == NULL) {
        begin_session(http2);
    } else if ((http2->tls = hg_tls_new(shared->tls, connection->fd, shared->name)) == NULL) {
        hg_client_refused(client, connection, ENOMEM, "");
    } else {
        shake_hands(http2);
    }
}

void hg_protocol_end(struct hg_client *client, struct hg_connection *connection, enum hg_failure failure,
                     int64_t waited_ns) {
    struct http2 *http2 = http2_of(connection);
    struct hg_shot *shot;
    nghttp2_session_del(http2->session); /* it calls nothing any more */
    http2->session = NULL;
    while ((shot = hg_queue_take(&http2->flying)) != NULL) {
        hg_book_failed(&client->book, shot, failure, waited_ns);
    }
    SSL_free(http2->tls);
    http2->tls = NULL;
    free(http2->held);
    http2->held = NULL;
    http2->held_length = http2->held_sent = 0;
}

/* It is of no use any more. */
static void lose(struct http2 *http2, enum hg_failure failure) {
    struct hg_client *client = http2->client;
    if (http2->base.state == HG_GREETING) {
        hg_client_refused(client, &http2->base, EPROTO, "what is there does not speak HTTP/2");
    } else {
        hg_client_down(client, &http2->base, failure, 0, hg_client_now());
    }
}

/* --- sending --- */

/* The fields at the beginning of a shot's data -> how many, or -1; `sent` is then where the body begins. */
static int read_fields(struct hg_shot *shot, nghttp2_nv *fields) {
    const char *at = shot->data, *const end = shot->data + shot->length;
    int count = 0;
    while (at < end && *at != '\0') {
        const char *value = memchr(at, '\0', (size_t)(end - at));
        const char *stop = value == NULL ? NULL : memchr(value + 1, '\0', (size_t)(end - value - 1));
        if (stop == NULL || count == FIELDS) {
            return -1;
        }
        fields[count++] = (nghttp2_nv){
            .name = (uint8_t *)(uintptr_t)at,
            .namelen = (size_t)(value - at),
            .value = (uint8_t *)(uintptr_t)(value + 1),
            .valuelen = (size_t)(stop - value - 1),
            .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
        };
        at = stop + 1;
    }
    shot->sent = (size_t)(at - shot->data) + 1;
    return at < end ? count : -1;
}

void hg_protocol_start(struct hg_client *client, struct hg_connection *connection, struct hg_shot *shot) {
    struct http2 *http2 = http2_of(connection);
    nghttp2_nv fields[FIELDS];
    const int count = read_fields(shot, fields);
    const nghttp2_data_provider body = {.source = {.ptr = shot}, .read_callback = read_body};
    if (count >= 0) {
        shot->stream = nghttp2_submit_request(http2->session, NULL, fields, (size_t)count,
                                              shot->sent < shot->length ? &body : NULL, shot);
    }
    if (count < 0 || shot->stream < 0) {
        http2->leaving = count >= 0; /* for want of stream numbers or memory */
        hg_book_failed(&client->book, shot, HG_UNSENT, 0);
    } else {
        hg_queue_add(&http2->flying, shot);
        hg_client_unsent(client, connection);
    }
    hg_client_room(client, connection, false); /* so that connections take turns */
    update_room(http2);
}

static ssize_t send_some(struct http2 *http2, const char *data, size_t length) {
    return http2->tls == NULL ? send(http2->base.fd, data, length, MSG_NOSIGNAL) : hg_tls_send(http2->tls, data, length);
}

/* -> how much of it went; an error is seen when it is read. */
static size_t send_all(struct http2 *http2, const char *data, size_t length) {
    size_t sent = 0;
    ssize_t part = 1;
    while (sent < length && part > 0) {
        part = send_some(http2, data + sent, length - sent);
        sent += part > 0 ? (size_t)part : 0;
    }
    return sent;
}

static bool append(struct shared *shared, const uint8_t *data, size_t length) {
    if (length > shared->out_capacity - shared->out_length) {
        const size_t capacity = shared->out_length + length + SENDING;
        char *grown = realloc(shared->out, capacity);
        if (grown == NULL) {
            return false;
        }
        shared->out = grown;
        shared->out_capacity = capacity;
    }
    memcpy(shared->out + shared->out_length, data, length);
    shared->out_length += length;
    return true;
}

/* The next frames, up to about SENDING bytes -> false when the session is broken. */
static bool collect(struct http2 *http2) {
    struct shared *shared = shared_of(http2->client);
    bool fine = true;
    shared->out_length = 0;
    while (fine && shared->out_length < SENDING) {
        const uint8_t *data;
        const ssize_t length = nghttp2_session_mem_send(http2->session, &data);
        if (length == 0) {
            break;
        }
        fine = length > 0 && append(shared, data, (size_t)length);
    }
    return fine;
}

static bool send_held(struct http2 *http2) {
    http2->held_sent += send_all(http2, http2->held + http2->held_sent, http2->held_length - http2->held_sent);
    if (http2->held_sent == http2->held_length) {
        free(http2->held);
        http2->held = NULL;
    }
    return http2->held == NULL;
}

/* Sends until there is nothing, or the socket is full -> false when the session is broken. */
static bool send_frames(struct http2 *http2) {
    struct shared *shared = shared_of(http2->client);
    while (http2->held == NULL || send_held(http2)) {
        size_t sent;
        if (!collect(http2)) {
            return false;
        }
        if (shared->out_length == 0) {
            break;
        }
        sent = send_all(http2, shared->out, shared->out_length);
        if (sent < shared->out_length) {
            http2->held_length = shared->out_length - sent;
            http2->held_sent = 0;
            http2->held = malloc(http2->held_length);
            if (http2->held == NULL) {
                return false;
            }
            memcpy(http2->held, shared->out + sent, http2->held_length);
        }
    }
    return true;
}

void hg_protocol_flush(struct hg_client *client, struct hg_connection *connection) {
    struct http2 *http2 = http2_of(connection);
    if (http2->session == NULL) {
        return;
    }
    http2->now = hg_client_now();
    if (!send_frames(http2) ||
        (nghttp2_session_want_read(http2->session) == 0 && nghttp2_session_want_write(http2->session) == 0)) {
        lose(http2, HG_MALFORMED);
    } else if (http2->leaving && http2->flying.count == 0) {
        hg_client_down(client, connection, HG_LOST, 0, http2->now);
    } else {
        hg_client_watch(client, connection, http2->held == NULL ? EPOLLIN : EPOLLIN | EPOLLOUT);
        update_room(http2);
    }
}

/* --- receiving --- */

static void receive(struct http2 *http2) {
    char *const data = http2->client->received;
    ssize_t got;
    do { /* what OpenSSL has read beforehand raises no event */
        got = http2->tls == NULL ? recv(http2->base.fd, data, HG_RECEIVE, 0) : hg_tls_recv(http2->tls, data, HG_RECEIVE);
        http2->now = hg_client_now();
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            lose(http2, HG_LOST);
            return;
        }
        if (got > 0 && nghttp2_session_mem_recv(http2->session, (const uint8_t *)data, (size_t)got) < 0) {
            lose(http2, HG_MALFORMED);
            return;
        }
    } while (got > 0 && http2->tls != NULL);
    update_room(http2);
    hg_client_unsent(http2->client, &http2->base); /* acknowledgements, and what flow control held back */
}

void hg_protocol_ready(struct hg_client *client, struct hg_connection *connection, uint32_t events) {
    struct http2 *http2 = http2_of(connection);
    if (http2->session == NULL) {
        shake_hands(http2);
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        hg_client_unsent(client, connection);
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        receive(http2);
    }
}

void hg_protocol_sweep(struct hg_client *client, struct hg_connection *connection, int64_t before_ns, int64_t now) {
    struct http2 *http2 = http2_of(connection);
    for (struct hg_shot *shot = http2->flying.first; shot != NULL && shot->sent_ns < before_ns; shot = shot->next) {
        if (shot->end == HG_NOT_YET) {
            shot->end = HG_GIVEN_UP;
            (void)nghttp2_submit_rst_stream(http2->session, NGHTTP2_FLAG_NONE, shot->stream, NGHTTP2_CANCEL);
            hg_client_unsent(client, connection);
        }
    }
    if (http2->held != NULL && http2->flying.first != NULL && http2->flying.first->sent_ns < before_ns) {
        hg_client_down(client, connection, HG_TIMEOUT, now, now); /* the server takes nothing at all */
    }
}
