/* Clients of HTTP/2 for the world of check_server.h: frames byte by byte; what the server's fields say libnghttp2's decoder tells. */
#ifndef HEADGATE_TESTS_CHECK_HTTP2_H
#define HEADGATE_TESTS_CHECK_HTTP2_H

#include <nghttp2/nghttp2.h>

#include "check_server.h"
#include "core/connection.h"
#include "http2/library.h"

enum { FIN = 1, ACKNOWLEDGES = 1, WHOLE = 4 }; /* END_STREAM, ACK, END_HEADERS */

struct h2_frame {
    uint32_t length, stream;
    uint8_t type, flags;
    const uint8_t *payload;
};

struct h2_client {
    int fd;
    nghttp2_hd_inflater *table;
};

struct h2_answer {
    uint32_t stream;
    int status;
    bool ended, reset;
    uint32_t code; /* of the reset */
    uint32_t length;
    char grpc_status[4]; /* "": there was none */
    char body[70000];
};

static inline struct hg_library *h2_world(struct world *world, const struct world_options *options) {
    struct hg_alloc alloc;
    struct hg_library *library;
    world_open(world, options);
    alloc = world_memory(world);
    library = hg_library_new(&alloc);
    CHECK(library != NULL);
    hg_server_http2(world->server, hg_library_http2(library));
    return library;
}

static inline void h2_world_close(struct world *world, struct hg_library *library) {
    hg_server_unlisten(world->server, world->listener);
    hg_server_free(world->server);
    world->server = NULL;
    hg_library_free(library);
    world_close(world);
}

/* -> bytes of the frame. */
static inline uint32_t h2_put(uint8_t *to, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, uint32_t length) {
    const uint8_t head[9] = {(uint8_t)(length >> 16),  (uint8_t)(length >> 8),  (uint8_t)length,         type, flags,
                             (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    memcpy(to, head, sizeof head);
    if (length != 0) {
        memcpy(to + sizeof head, payload, length);
    }
    return (uint32_t)sizeof head + length;
}

static inline void h2_say(struct world *world, const struct h2_client *client, uint8_t type, uint8_t flags, uint32_t stream,
                          const void *payload, uint32_t length) {
    static uint8_t frame[9 + 16384];
    CHECK(length <= 16384);
    net_send(&world->net, client->fd, frame, h2_put(frame, type, flags, stream, payload, length));
}

/* A field without index or Huffman code, RFC 7541 section 6.2.2; -> its bytes. */
static inline uint32_t h2_field(uint8_t *to, const char *name, const char *value) {
    const uint32_t name_length = (uint32_t)strlen(name), length = (uint32_t)strlen(value);
    uint32_t at = 0;
    CHECK(name_length < 127 && length < 127 + 128 * 128);
    to[at++] = 0;
    to[at++] = (uint8_t)name_length;
    memcpy(to + at, name, name_length);
    at += name_length;
    if (length < 127) {
        to[at++] = (uint8_t)length;
    } else {
        to[at++] = 127;
        to[at++] = (uint8_t)((length - 127) % 128 + 128);
        to[at++] = (uint8_t)((length - 127) / 128);
    }
    memcpy(to + at, value, length);
    return at + length;
}

/* The token of `bearer`, as a field. */
static inline uint32_t h2_token(uint8_t *to) {
    char value[512];
    const char *from = strchr(bearer, ' ') + 1;
    const size_t length = strlen(from) - 2;
    CHECK(length < sizeof value);
    memcpy(value, from, length);
    value[length] = '\0';
    return h2_field(to, "authorization", value);
}

static inline uint32_t h2_head(uint8_t *to, const char *method, const char *path, const char *type) {
    uint32_t at = h2_field(to, ":method", method);
    at += h2_field(to + at, ":scheme", "http");
    at += h2_field(to + at, ":path", path);
    at += h2_field(to + at, ":authority", "a");
    at += h2_token(to + at);
    return type == NULL ? at : at + h2_field(to + at, "content-type", type);
}

/* A request as most clients spell it: in Huffman code. No field enters the table, so that each block stands for itself; `token`: NULL:
 * that of `bearer`. -> bytes */
static inline uint32_t h2_coded_head(uint8_t *to, uint32_t room, const char *method, const char *path, const char *token) {
    static char value[512];
    const char *const pairs[][2] = {{":method", method}, {":scheme", "http"}, {":path", path}, {":authority", "gate.local"},
                                    {"authorization", token != NULL ? token : value}};
    nghttp2_nv fields[sizeof pairs / sizeof *pairs];
    nghttp2_hd_deflater *table;
    ssize_t length;
    snprintf(value, sizeof value, "%.*s", (int)strcspn(strchr(bearer, ' ') + 1, "\r"), strchr(bearer, ' ') + 1);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        fields[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)pairs[i][0], (uint8_t *)(uintptr_t)pairs[i][1], strlen(pairs[i][0]),
                                 strlen(pairs[i][1]), NGHTTP2_NV_FLAG_NO_INDEX};
    }
    CHECK(nghttp2_hd_deflate_new(&table, 0) == 0);
    length = nghttp2_hd_deflate_hd(table, to, room, fields, sizeof pairs / sizeof *pairs);
    CHECK(length > 0);
    nghttp2_hd_deflate_del(table);
    return (uint32_t)length;
}

static inline void h2_ask(struct world *world, const struct h2_client *client, uint32_t stream, const char *method,
                          const char *path, const char *type, bool ends) {
    uint8_t block[4096];
    h2_say(world, client, NGHTTP2_HEADERS, ends ? FIN | WHOLE : WHOLE, stream, block, h2_head(block, method, path, type));
}

static inline void h2_post(struct world *world, const struct h2_client *client, uint32_t stream, const char *name,
                           const char *body) {
    char path[64];
    snprintf(path, sizeof path, "/v1/streams/%s", name);
    h2_ask(world, client, stream, "POST", path, "application/json", false);
    h2_say(world, client, NGHTTP2_DATA, FIN, stream, body, (uint32_t)strlen(body));
}

static inline void h2_greet(struct world *world, const struct h2_client *client) {
    net_send(&world->net, client->fd, HG_HTTP2_PREFACE, strlen(HG_HTTP2_PREFACE));
    h2_say(world, client, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

static inline struct h2_client h2_connect(struct world *world) {
    struct h2_client client = {.fd = connect_client(world)};
    CHECK(nghttp2_hd_inflate_new(&client.table) == 0);
    h2_greet(world, &client);
    serve(world);
    return client;
}

/* What waits is on disk. */
static inline void h2_commit(struct world *world) {
    struct hg_batch batch;
    hg_intake_take(&world->intake, 64, UINT64_MAX, &batch);
    hg_server_release(world->server, &batch, NULL, NULL);
    serve(world);
}

static inline void h2_forget(struct h2_client *client) { nghttp2_hd_inflate_del(client->table); }

/* The next frame, whole; false: there is none. */
static inline bool h2_hear(struct world *world, const struct h2_client *client, struct h2_frame *frame) {
    struct net_bytes *out = &net_of(&world->net, client->fd)->out;
    const uint8_t *head = out->data + out->at;
    if (out->length - out->at < 9) {
        CHECK(out->length == out->at);
        return false;
    }
    *frame = (struct h2_frame){.length = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2],
                               .type = head[3],
                               .flags = head[4],
                               .stream = (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8],
                               .payload = head + 9};
    CHECK(frame->length <= 16384 && out->length - out->at >= 9 + frame->length);
    out->at += 9 + frame->length;
    return true;
}

static inline uint32_t h2_number(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void h2_fields(const struct h2_client *client, const struct h2_frame *frame, struct h2_answer *answer) {
    const uint8_t *at = frame->payload;
    size_t left = frame->length;
    int flags = 0;
    while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
        nghttp2_nv field;
        const ssize_t used = nghttp2_hd_inflate_hd2(client->table, &field, &flags, at, left, 1);
        CHECK(used >= 0);
        at += used;
        left -= (size_t)used;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            CHECK(field.namelen != 10 || memcmp(field.name, "connection", 10) != 0);
            for (size_t i = 0; i < field.namelen; i++) {
                CHECK(field.name[i] < 'A' || field.name[i] > 'Z');
            }
            if (field.namelen == 7 && memcmp(field.name, ":status", 7) == 0 && field.value[0] != '1') {
                CHECK(answer->status == 0);
                answer->status = atoi((const char *)field.value);
            } else if (field.namelen == 11 && memcmp(field.name, "grpc-status", 11) == 0) {
                snprintf(answer->grpc_status, sizeof answer->grpc_status, "%s", (const char *)field.value);
            }
        }
    }
    CHECK(nghttp2_hd_inflate_end_headers(client->table) == 0);
}

/* All frames there are, each put to its stream's answer; -> the code of a GOAWAY, -1: none. */
static inline int64_t h2_listen(struct world *world, const struct h2_client *client, struct h2_answer *answers, uint32_t count) {
    struct h2_frame frame;
    int64_t gone = -1;
    while (h2_hear(world, client, &frame)) {
        struct h2_answer *answer = NULL;
        if (frame.type == NGHTTP2_GOAWAY) {
            gone = h2_number(frame.payload + 4);
        }
        for (uint32_t i = 0; i < count; i++) {
            answer = answers[i].stream == frame.stream && frame.stream != 0 ? &answers[i] : answer;
        }
        if (answer == NULL) {
            struct h2_answer nobody = {0};
            if (frame.type == NGHTTP2_HEADERS) { /* the table must not miss it */
                h2_fields(client, &frame, &nobody);
            }
            continue;
        }
        CHECK(!answer->ended || frame.type == NGHTTP2_RST_STREAM);
        if (frame.type == NGHTTP2_HEADERS) {
            h2_fields(client, &frame, answer);
        } else if (frame.type == NGHTTP2_DATA) {
            CHECK(answer->status != 0 && answer->length + frame.length < sizeof answer->body);
            memcpy(answer->body + answer->length, frame.payload, frame.length);
            answer->length += frame.length;
            answer->body[answer->length] = '\0';
        } else if (frame.type == NGHTTP2_RST_STREAM) {
            answer->reset = true;
            answer->code = h2_number(frame.payload);
        }
        answer->ended = answer->ended || ((frame.type == NGHTTP2_HEADERS || frame.type == NGHTTP2_DATA) && (frame.flags & FIN) != 0);
    }
    return gone;
}

/* The whole answer of this stream is here, and nothing else is asked about. */
static inline void h2_expect(struct world *world, const struct h2_client *client, uint32_t stream, int status, const char *text) {
    static struct h2_answer answer;
    memset(&answer, 0, sizeof answer);
    answer.stream = stream;
    serve(world);
    CHECK(h2_listen(world, client, &answer, 1) == -1);
    if (answer.status != status) {
        fprintf(stderr, "stream %u: %d %s\n", stream, answer.status, answer.body);
    }
    CHECK(answer.status == status && answer.ended && !answer.reset && strstr(answer.body, text) != NULL);
}

#endif
