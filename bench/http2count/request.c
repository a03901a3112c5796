/* What one request over HTTP/2 costs the native server: `program KIND ROUNDS` answers ROUNDS groups of TOGETHER requests of a kind,
 * each group on one connection and in one read, as h2load sends them, and checks that each was answered. The network is scripted
 * (tests/c/net_script.h), so nothing of a kernel is counted. What a client of a real network does is done before the rounds: the
 * frames differ by the numbers of their streams only. */
#include "../../tests/c/check_http2.h"

enum { TOGETHER = 10, GROUP = 16384 };

static const char body[] = "{\"t\":21.57,\"h\":41.3,\"p\":1013.25,\"station\":\"sea-03\",\"at\":\"2027-01-15T08:00:00Z\"}";
static const char grpc_type[] = "application/grpc";

struct kind {
    const char *name, *method, *path, *type, *status; /* type NULL: no body */
};
static const struct kind kinds[] = {
    {"get", "GET", "/v1/cache/bench/value", NULL, "200"},
    {"ingest", "POST", "/v1/streams/weather", "application/json", "202"},
    {"grpc-validate", "POST", "/headgate.v1.Validator/ValidateOne", grpc_type, "0"},
    {"grpc-publish", "POST", "/headgate.v1.Ingest/Publish", grpc_type, "0"},
};

static nghttp2_nv pair(const char *name, const char *value) {
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

/* The fields of a request as nghttp2's own clients encode them: a token is never indexed. -> bytes */
static uint32_t fields_of(nghttp2_hd_deflater *table, const struct kind *kind, uint8_t *to, uint32_t room) {
    static char token[512];
    nghttp2_nv fields[8];
    size_t count = 0;
    ssize_t length;
    snprintf(token, sizeof token, "%.*s", (int)strlen(bearer) - 17, bearer + 15); /* without "Authorization: " and CR LF */
    fields[count++] = pair(":path", kind->path);
    fields[count++] = pair(":scheme", "http");
    fields[count++] = pair(":authority", "127.0.0.1:8080");
    fields[count++] = pair(":method", kind->method);
    fields[count++] = pair("user-agent", "h2load nghttp2/1.52.0");
    fields[count++] = pair("authorization", token);
    if (kind->type != NULL) {
        fields[count++] = pair("content-type", kind->type);
        fields[count++] = pair("te", "trailers");
    }
    length = nghttp2_hd_deflate_hd(table, to, room, fields, count);
    CHECK(length > 0);
    return (uint32_t)length;
}

/* The message of a kind's body. -> bytes */
static uint32_t body_of(const struct kind *kind, uint8_t *to) {
    static const char stream[] = "weather";
    const uint32_t length = sizeof body - 1;
    uint32_t at = 0;
    if (kind->type == grpc_type) { /* one message: fields 1 and 3 */
        to[0] = to[1] = to[2] = to[3] = 0;
        to[4] = (uint8_t)(2 + sizeof stream - 1 + 2 + length);
        to[5] = 1 << 3 | 2;
        to[6] = sizeof stream - 1;
        memcpy(to + 7, stream, sizeof stream - 1);
        at = 7 + sizeof stream - 1;
        to[at++] = 3 << 3 | 2;
        to[at++] = (uint8_t)length;
    }
    memcpy(to + at, body, length);
    return at + length;
}

/* TOGETHER requests; `places`: of the streams' numbers. */
struct group {
    uint8_t bytes[GROUP];
    uint32_t length, count, places[2 * TOGETHER];
};

static void add_frame(struct group *group, uint8_t type, uint8_t flags, const uint8_t *payload, uint32_t length) {
    CHECK(group->length + 9 + length <= GROUP);
    group->places[group->count++] = group->length + 5;
    group->length += h2_put(group->bytes + group->length, type, flags, 0, payload, length);
}

static void fill(struct group *group, nghttp2_hd_deflater *table, const struct kind *kind) {
    uint8_t block[2048], data[1024];
    group->length = group->count = 0;
    for (int i = 0; i < TOGETHER; i++) {
        const uint32_t length = fields_of(table, kind, block, sizeof block);
        add_frame(group, NGHTTP2_HEADERS, kind->type == NULL ? FIN | WHOLE : WHOLE, block, length);
        if (kind->type != NULL) {
            add_frame(group, NGHTTP2_DATA, FIN, data, body_of(kind, data));
        }
    }
}

static void number(struct group *group, uint32_t first, uint32_t each) {
    for (uint32_t i = 0; i < group->count; i++) {
        const uint32_t stream = first + 2 * (i / each);
        uint8_t *at = group->bytes + group->places[i];
        at[0] = (uint8_t)(stream >> 24);
        at[1] = (uint8_t)(stream >> 16);
        at[2] = (uint8_t)(stream >> 8);
        at[3] = (uint8_t)stream;
    }
}

/* Each stream of the group was answered and is over; what its answers say only where they are looked at: the client's HPACK costs more
 * than the server's. */
static void check_answers(struct world *world, const struct h2_client *client, const struct kind *kind, bool look) {
    struct h2_frame frame;
    uint32_t ended = 0, good = 0;
    while (h2_hear(world, client, &frame)) {
        CHECK(frame.type == NGHTTP2_HEADERS || frame.type == NGHTTP2_DATA || frame.type == NGHTTP2_WINDOW_UPDATE ||
              frame.type == NGHTTP2_SETTINGS);
        ended += (frame.type == NGHTTP2_HEADERS || frame.type == NGHTTP2_DATA) && (frame.flags & FIN) != 0;
        for (int flags = 0; look && frame.type == NGHTTP2_HEADERS && (flags & NGHTTP2_HD_INFLATE_FINAL) == 0;) {
            nghttp2_nv field;
            const ssize_t used = nghttp2_hd_inflate_hd2(client->table, &field, &flags, frame.payload, frame.length, 1);
            CHECK(used >= 0);
            frame.payload += used;
            frame.length -= (uint32_t)used;
            if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
                const char *name = kind->type == grpc_type ? "grpc-status" : ":status";
                good += field.namelen == strlen(name) && memcmp(field.name, name, field.namelen) == 0 &&
                        field.valuelen == strlen(kind->status) && memcmp(field.value, kind->status, field.valuelen) == 0;
            }
        }
        if (look && frame.type == NGHTTP2_HEADERS) {
            CHECK(nghttp2_hd_inflate_end_headers(client->table) == 0);
        }
    }
    CHECK(ended == TOGETHER && (!look || good == TOGETHER));
}

/* As linux/outbox.py does for what is only passed on. */
static void store(struct world *world) {
    struct hg_batch batch;
    hg_intake_take(&world->intake, UINT32_MAX, UINT64_MAX, &batch);
    hg_server_release(world->server, &batch, NULL, NULL);
}

static void run(struct world *world, const struct kind *kind, long rounds) {
    static struct group group;
    static const uint8_t wide[4] = {0x7f, 0xfe, 0, 0}; /* the connection's window: as good as endless */
    struct h2_client client = h2_connect(world);
    struct net_socket *socket = net_of(&world->net, client.fd);
    nghttp2_hd_deflater *table;
    uint32_t first = 1;
    CHECK(nghttp2_hd_deflate_new(&table, 4096) == 0);
    h2_say(world, &client, NGHTTP2_WINDOW_UPDATE, 0, 0, wide, sizeof wide);
    h2_say(world, &client, NGHTTP2_SETTINGS, ACKNOWLEDGES, 0, NULL, 0);
    serve(world);
    socket->out.at = socket->out.length = 0;
    for (long i = -2; i < rounds; i++) { /* the first two groups fill the tables */
        if (i <= 0) {
            fill(&group, table, kind);
        }
        number(&group, first, group.count / TOGETHER);
        first += 2 * TOGETHER;
        socket->in.at = socket->in.length = 0;
        socket->out.at = socket->out.length = 0;
        net_send(&world->net, client.fd, group.bytes, group.length);
        for (int turns = 0; turns < 8 && socket->out.length == 0; turns++) {
            (void)turn(world, 0);
        }
        (void)turn(world, 0);
        check_answers(world, &client, kind, i < 0);
        forget_events(world);
        if (i % 4 == 3) {
            store(world);
        }
    }
    nghttp2_hd_deflate_del(table);
    h2_forget(&client);
}

int main(int count, char **arguments) {
    static struct world world;
    for (size_t i = 0; count == 3 && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(arguments[1], kinds[i].name) == 0) {
            struct hg_library *library = h2_world(&world, NULL);
            const int fd = connect_client(&world);
            sayf(&world, fd, "PUT /v1/cache/bench/value HTTP/1.1\r\nHost: h\r\n%sContent-Length: 106\r\n\r\n%0106d", bearer, 7);
            run(&world, &kinds[i], atol(arguments[2]));
            h2_world_close(&world, library);
            return 0;
        }
    }
    fprintf(stderr, "usage: %s get|ingest|grpc-validate|grpc-publish ROUNDS\n", arguments[0]);
    return 2;
}
