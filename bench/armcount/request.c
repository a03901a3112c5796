/* What one request costs the native server: `program KIND ROUNDS` answers ROUNDS requests of a kind and checks each answer. The
 * network is scripted (tests/c/net_script.h), so nothing of a kernel is counted; the harness adds some hundred instructions. */
#define HEAP_PLAIN
#include "../../tests/c/check_server.h"

#include <sys/auxv.h>

enum { TOGETHER = 16 }; /* messages stored by one commit, requests pipelined */

/* Linked in place of getauxval (--wrap): emulated processors have SHA instructions, those of the boards up to the Raspberry
 * Pi 4 have none. */
unsigned long __wrap_getauxval(unsigned long type);
unsigned long __wrap_getauxval(unsigned long type) {
    (void)type;
    return 0;
}

static void give(struct world *world, int fd, const char *text, size_t length) {
    struct net_socket *socket = net_of(&world->net, fd);
    socket->in.at = socket->in.length = 0;
    socket->out.at = socket->out.length = 0;
    net_send(&world->net, fd, text, length);
}

static void answered(struct world *world, int fd, const char *status) {
    const struct net_bytes *out = &net_of(&world->net, fd)->out;
    for (int i = 0; i < 8 && out->length == 0; i++) {
        (void)turn(world, 0);
    }
    CHECK(out->length > 12 && memcmp(out->data + 9, status, 3) == 0);
    forget_events(world);
}

/* As linux/outbox.py does after a commit, or for what is only passed on. */
static void store(struct world *world) {
    struct hg_batch batch;
    hg_intake_take(&world->intake, UINT32_MAX, UINT64_MAX, &batch);
    hg_server_release(world->server, &batch, NULL, NULL);
}

static size_t message(char *text, size_t room, const char *stream) {
    static const char body[] = "{\"t\":21.57,\"h\":41.3,\"p\":1013.25,\"station\":\"sea-03\",\"at\":\"2027-01-15T08:00:00Z\"}";
    const int length = snprintf(text, room,
                                "POST /v1/streams/%s HTTP/1.1\r\nHost: gate.local:8080\r\nUser-Agent: sensor/1.0\r\n"
                                "%s" JSON_FIELD "Content-Length: %u\r\n\r\n%s",
                                stream, bearer, (unsigned)(sizeof body - 1), body);
    CHECK(length > 0 && (size_t)length < room);
    return (size_t)length;
}

/* Acknowledged from memory; `TOGETHER` are passed on at once. */
static void posts(struct world *world, long rounds) {
    static char text[2048];
    const size_t length = message(text, sizeof text, "weather");
    const int fd = connect_client(world);
    for (long i = 0; i < rounds; i++) {
        give(world, fd, text, length);
        answered(world, fd, "202");
        if (i % TOGETHER == TOGETHER - 1) {
            store(world);
        }
    }
}

/* Acknowledged after a commit, which here costs nothing. */
static void durable_posts(struct world *world, long rounds) {
    static char text[2048];
    const size_t length = message(text, sizeof text, "safe");
    int fds[TOGETHER];
    for (int i = 0; i < TOGETHER; i++) {
        fds[i] = connect_client(world);
    }
    for (long i = 0; i < rounds; i += TOGETHER) {
        for (int k = 0; k < TOGETHER; k++) {
            give(world, fds[k], text, length);
        }
        for (int k = 0; k < 8 && world->intake.rows < TOGETHER; k++) {
            (void)turn(world, 0);
        }
        store(world);
        for (int k = 0; k < TOGETHER; k++) {
            answered(world, fds[k], "202");
        }
    }
}

/* A value of 100 bytes from the cache; so many requests at once. */
static void get_many(struct world *world, long rounds, int together) {
    static char text[1024 * TOGETHER];
    const int fd = connect_client(world);
    int length = snprintf(text, sizeof text, "PUT /v1/cache/k HTTP/1.1\r\nHost: h\r\n%sContent-Length: 100\r\n\r\n%0100d",
                          bearer, 7);
    give(world, fd, text, (size_t)length);
    answered(world, fd, "201");
    length = snprintf(text, sizeof text,
                      "GET /v1/cache/k HTTP/1.1\r\nHost: gate.local:8080\r\nUser-Agent: board/1.0\r\n%s\r\n", bearer);
    CHECK((size_t)length * (size_t)together < sizeof text);
    for (int i = 1; i < together; i++) {
        memcpy(text + i * length, text, (size_t)length);
    }
    for (long i = 0; i < rounds; i += together) {
        give(world, fd, text, (size_t)(length * together));
        answered(world, fd, "200");
    }
}

static void gets(struct world *world, long rounds) { get_many(world, rounds, 1); }

static void pipelined_gets(struct world *world, long rounds) { get_many(world, rounds, TOGETHER); }

/* HS256, from scratch: no table of verified tokens. */
static void verify(struct world *world, long rounds) {
    const struct hg_clock clock = {NET_WALL_S, NET_WALL_S - 1000, HG_CLOCK_TRUSTED};
    const char *token = strrchr(bearer, ' ') + 1;
    const uint32_t length = (uint32_t)strlen(token) - 2; /* "\r\n" */
    static uint8_t scratch[HG_TOKEN_SCRATCH];
    static struct hg_token_header before;
    struct hg_token_error error;
    struct hg_claims claims;
    (void)world;
    for (long i = 0; i < rounds; i++) {
        CHECK(hg_token_verify(verifier, (const uint8_t *)token, length, &clock, scratch, &before, &claims, &error));
    }
}

int main(int count, char **arguments) {
    static const struct {
        const char *name;
        void (*run)(struct world *, long);
    } kinds[] = {{"post", posts}, {"post-fsync", durable_posts}, {"get", gets}, {"get-x16", pipelined_gets}, {"token", verify}};
    static struct world world;
    for (size_t i = 0; count == 3 && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(arguments[1], kinds[i].name) == 0) {
            world_open(&world, NULL);
            kinds[i].run(&world, atol(arguments[2]));
            world_close(&world);
            return 0;
        }
    }
    fprintf(stderr, "usage: %s post|post-fsync|get|get-x16|token ROUNDS\n", arguments[0]);
    return 2;
}
