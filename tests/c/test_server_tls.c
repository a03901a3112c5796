/* The native server over TLS: handshakes, records, alerts, closing; by a transform that anybody can follow (toy_tls.h). */
#include "check_server.h"
#include "core/connection.h"

static const struct world_options secure = {.tls = true};

#define NEXT "|" /* in plain text: what follows is in another record */

/* Plain text becomes records; -> it is said. */
static void say_secret(struct world *world, int fd, const char *text) {
    uint8_t record[4096];
    const size_t length = strlen(text);
    CHECK(length <= sizeof record);
    for (size_t i = 0; i < length; i++) {
        record[i] = text[i] == *NEXT ? TOY_RECORD : (uint8_t)text[i] ^ TOY_MASK;
    }
    net_send(&world->net, fd, record, length);
    serve(world);
}

static void say_byte(struct world *world, int fd, uint8_t byte) {
    net_send(&world->net, fd, &byte, 1);
    serve(world);
}

/* Takes the server's greeting. */
static void greet(struct world *world, int fd, char greeting) {
    struct net_bytes *out = &net_of(&world->net, fd)->out;
    say_byte(world, fd, (uint8_t)greeting);
    CHECK(out->length > out->at && out->data[out->at] == 'S');
    out->at += 1;
}

/* The next answer, deciphered in place. */
static struct answer expect_secret(struct world *world, int fd, int status) {
    struct net_bytes *out = &net_of(&world->net, fd)->out;
    for (uint32_t i = out->at; i < out->length && out->data[i] != TOY_CLOSE; i++) {
        CHECK(out->data[i] != 'A');
        out->data[i] ^= TOY_MASK;
    }
    const struct answer answer = expect(world, fd, status);
    for (uint32_t i = out->at; i < out->length && out->data[i] != TOY_CLOSE; i++) {
        out->data[i] ^= TOY_MASK; /* what is not looked at yet */
    }
    return answer;
}

static bool said_goodbye(struct world *world, int fd) {
    const struct net_bytes *out = &net_of(&world->net, fd)->out;
    return out->length == out->at + 1 && out->data[out->at] == TOY_CLOSE;
}

static void test_keep_alive_and_pipelining(void) {
    struct world world;
    world_open(&world, &secure);
    const int fd = connect_client(&world);
    greet(&world, fd, 'H');
    say_secret(&world, fd, HEALTH);
    (void)expect_secret(&world, fd, 200);
    say_secret(&world, fd, HEALTH HEALTH "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n" HEALTH_CLOSE);
    (void)expect_secret(&world, fd, 200);
    (void)expect_secret(&world, fd, 200);
    (void)expect_secret(&world, fd, 404);
    CHECK(expect_secret(&world, fd, 200).close && said_goodbye(&world, fd) && is_closed(&world, fd));
    CHECK(world.toy.sessions == 0 && hg_server_connections(world.server) == 0);
    world_close(&world);
}

/* The greeting and a request in one packet; then everything byte by byte. */
static void test_cuts(void) {
    struct world world;
    uint8_t all[sizeof HEALTH + 1];
    world_open(&world, &secure);
    all[0] = 'H';
    for (size_t i = 0; i < strlen(HEALTH); i++) {
        all[1 + i] = (uint8_t)HEALTH[i] ^ TOY_MASK;
    }
    int fd = net_connect(&world.net, world.listener);
    net_send(&world.net, fd, all, 1 + strlen(HEALTH));
    serve(&world);
    CHECK(net_of(&world.net, fd)->out.data[0] == 'S');
    net_of(&world.net, fd)->out.at = 1;
    (void)expect_secret(&world, fd, 200);
    fd = connect_client(&world);
    net_of(&world.net, fd)->stroke = 1;
    for (size_t i = 0; i < 1 + strlen(HEALTH); i++) {
        net_send(&world.net, fd, all + i, 1);
        serve(&world);
    }
    net_of(&world.net, fd)->out.at = 1;
    (void)expect_secret(&world, fd, 200);
    world_close(&world);
}

static void test_large_bodies(void) {
    static uint8_t piece[20000];
    struct world world;
    struct hg_batch batch;
    char head[1024];
    world_open(&world, &secure);
    const int fd = connect_client(&world);
    greet(&world, fd, 'H');
    snprintf(head, sizeof head, "POST /v1/streams/large HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD "Content-Length: 200002\r\n\r\n\"",
             bearer);
    say_secret(&world, fd, head);
    memset(piece, 'z' ^ TOY_MASK, sizeof piece);
    for (int i = 0; i < 10; i++) {
        net_send(&world.net, fd, piece, sizeof piece);
        if (i % 5 == 4) {
            serve(&world);
        }
    }
    CHECK(is_silent(&world, fd));
    say_secret(&world, fd, "\"");
    (void)expect_secret(&world, fd, 202);
    hg_intake_take(&world.intake, 10, UINT64_MAX, &batch);
    CHECK(batch.rows == 1 && batch.head->body.length == 200002 && batch.head->body.at[200000] == 'z');
    hg_batch_release(&world.intake, &batch);
    world_close(&world);
}

/* Of all that is said in a handshake only the alert is answered. */
static void test_broken(void) {
    struct world world;
    world_open(&world, &secure);
    int fd = connect_client(&world);
    say(&world, fd, "GET / HTTP/1.1\r\n\r\n");
    const struct net_bytes *out = &net_of(&world.net, fd)->out;
    CHECK(out->length == 1 && out->data[0] == 'A' && is_closed(&world, fd));
    fd = connect_client(&world);
    greet(&world, fd, 'H');
    say_secret(&world, fd, "GET /hea");
    say_byte(&world, fd, TOY_RUBBISH);
    out = &net_of(&world.net, fd)->out;
    CHECK(out->length == 2 && out->data[1] == 'A' && is_closed(&world, fd));
    CHECK(world.toy.sessions == 0);
    world_close(&world);
}

static void test_end_of_input(void) {
    struct world world;
    world_open(&world, &secure);
    /* close-notify while idle, after a request, inside one */
    int fd = connect_client(&world);
    greet(&world, fd, 'H');
    say_byte(&world, fd, TOY_CLOSE);
    CHECK(is_closed(&world, fd));
    fd = connect_client(&world);
    greet(&world, fd, 'H');
    say_secret(&world, fd, HEALTH);
    say_byte(&world, fd, TOY_CLOSE);
    (void)expect_secret(&world, fd, 200);
    CHECK(is_closed(&world, fd));
    fd = connect_client(&world);
    greet(&world, fd, 'H');
    say_secret(&world, fd, "GET /hea");
    say_byte(&world, fd, TOY_CLOSE);
    CHECK(expect_secret(&world, fd, 400).close && is_closed(&world, fd));
    /* cut off without one */
    fd = connect_client(&world);
    greet(&world, fd, 'H');
    say_secret(&world, fd, "GET /hea");
    net_end(&world.net, fd);
    serve(&world);
    CHECK(is_closed(&world, fd));
    fd = connect_client(&world);
    net_end(&world.net, fd);
    serve(&world);
    CHECK(is_closed(&world, fd) && world.toy.sessions == 0);
    world_close(&world);
}

static void test_slow_handshake(void) {
    struct world world;
    world_open(&world, &secure);
    const int fd = connect_client(&world), other = connect_client(&world);
    pass(&world, HEAD_MS - 1);
    CHECK(!is_closed(&world, fd));
    greet(&world, other, 'H');
    pass(&world, 1 + TICKS_MS);
    CHECK(is_closed(&world, fd) && !is_closed(&world, other)); /* who has greeted is idle */
    CHECK(net_of(&world.net, fd)->out.length == 0);
    pass(&world, IDLE_MS - 1000);
    CHECK(!is_closed(&world, other));
    say_secret(&world, other, HEALTH);
    (void)expect_secret(&world, other, 200);
    pass(&world, IDLE_MS + TICKS_MS);
    CHECK(is_closed(&world, other) && said_goodbye(&world, other));
    world_close(&world);
}

/* Output of the handshake itself may have to wait. */
static void test_handshake_that_is_not_read(void) {
    struct world world;
    world_open(&world, &secure);
    const int fd = net_connect(&world.net, world.listener);
    net_of(&world.net, fd)->window = 0;
    net_send(&world.net, fd, "H", 1);
    serve(&world);
    CHECK(turn(&world, 100) == 0 && !is_closed(&world, fd));
    net_widen(&world.net, fd, NET_ENDLESS);
    serve(&world);
    CHECK(net_of(&world.net, fd)->out.length == 1);
    net_of(&world.net, fd)->out.at = 1;
    say_secret(&world, fd, HEALTH);
    (void)expect_secret(&world, fd, 200);
    world_close(&world);
}

static void test_refused(void) {
    const struct world_options one = {.tls = true, .connections = 1};
    struct world world;
    world_open(&world, &one);
    const int first = connect_client(&world);
    greet(&world, first, 'H');
    const int refused = connect_client(&world);
    greet(&world, refused, 'H');
    CHECK(expect_secret(&world, refused, 503).close);
    pass(&world, HG_LINGER_MS + TICKS_MS);
    CHECK(is_closed(&world, refused) && world.toy.sessions == 1);
    say_secret(&world, first, HEALTH);
    (void)expect_secret(&world, first, 200);
    world_close(&world);
}

static void test_lent(void) {
    struct world world;
    struct hg_view name;
    uint64_t id = 0;
    char text[256];
    world_open(&world, &secure);
    const int fd = connect_client(&world);
    greet(&world, fd, 'C');
    say_secret(&world, fd, METRICS);
    CHECK(told(&world, HG_EVENT_LENT, &id) == 1);
    CHECK(hg_server_lent_read(world.server, id, (uint8_t *)text, sizeof text) == (int32_t)strlen(METRICS));
    CHECK(memcmp(text, METRICS, strlen(METRICS)) == 0);
    forget_events(&world);
    say_secret(&world, fd, "more");
    CHECK(told(&world, HG_EVENT_INPUT, NULL) == 1);
    CHECK(hg_server_lent_read(world.server, id, (uint8_t *)text, sizeof text) == 4 && memcmp(text, "more", 4) == 0);
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npython";
    CHECK(hg_server_lent_write(world.server, id, (const uint8_t *)answer, sizeof answer - 1) == 0);
    CHECK(hg_server_lent_return(world.server, id, (const uint8_t *)HEALTH, (uint32_t)strlen(HEALTH)) == 0);
    serve(&world);
    const struct answer first = expect_secret(&world, fd, 200);
    CHECK(mentions(&first, "python"));
    (void)expect_secret(&world, fd, 200);
    say_secret(&world, fd, METRICS);
    CHECK(told(&world, HG_EVENT_LENT, &id) == 1);
    CHECK(hg_server_lent_identity(world.server, id, &name) == 0 && says(name, TOY_IDENTITY));
    CHECK(hg_server_lent_finish(world.server, id) == 0);
    CHECK(said_goodbye(&world, fd) && net_of(&world.net, fd)->finished);
    CHECK(hg_server_lent_close(world.server, id, false) == 0 && is_closed(&world, fd));
    world_close(&world);
}

/* All buffers are in use when more of what Python has to read comes: the connection is cut, in the middle of its records. */
static void test_lent_without_memory(void) {
    struct world world;
    uint64_t id = 0;
    char text[256];
    world_open(&world, &secure);
    const int fd = connect_client(&world);
    greet(&world, fd, 'H');
    say_secret(&world, fd, METRICS);
    CHECK(told(&world, HG_EVENT_LENT, &id) == 1);
    CHECK(hg_server_lent_read(world.server, id, (uint8_t *)text, sizeof text) == (int32_t)strlen(METRICS));
    world.server->limits.buffer_bytes = 0;
    say_secret(&world, fd, "more" NEXT "and more");
    CHECK(told(&world, HG_EVENT_GONE, NULL) == 1 && is_closed(&world, fd) && world.toy.sessions == 0);
    CHECK(hg_server_lent_close(world.server, id, true) == 0);
    world_close(&world);
}

/* Back-pressure, with what was deciphered and not served yet. */
static void test_answers_that_are_not_read(void) {
    static char text[40 * sizeof HEALTH];
    struct world world;
    world_open(&world, &secure);
    const int fd = connect_client(&world);
    greet(&world, fd, 'H');
    net_of(&world.net, fd)->window = 100;
    for (int i = 0; i < 40; i++) {
        strcat(text, HEALTH);
    }
    for (int i = 0; i < 100; i++) {
        say_secret(&world, fd, text);
    }
    CHECK(turn(&world, 100) == 0);
    net_widen(&world.net, fd, NET_ENDLESS);
    serve(&world);
    struct net_bytes *out = &net_of(&world.net, fd)->out;
    for (uint32_t i = out->at; i < out->length; i++) {
        out->data[i] ^= TOY_MASK;
    }
    for (int i = 0; i < 4000; i++) {
        (void)expect(&world, fd, 200);
    }
    CHECK(is_silent(&world, fd) && !is_closed(&world, fd));
    world_close(&world);
}

static void test_commit(void) {
    struct world world;
    struct hg_batch batch;
    char text[1024];
    world_open(&world, &secure);
    const int fd = connect_client(&world);
    greet(&world, fd, 'H');
    snprintf(text, sizeof text,
             "POST /v1/streams/safe HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD "Content-Length: 1\r\n\r\n1" HEALTH, bearer);
    say_secret(&world, fd, text);
    CHECK(is_silent(&world, fd));
    hg_intake_take(&world.intake, 10, UINT64_MAX, &batch);
    hg_server_release(world.server, &batch, NULL, NULL);
    serve(&world);
    (void)expect_secret(&world, fd, 202);
    (void)expect_secret(&world, fd, 200);
    world_close(&world);
}

#define SAFE_HEAD "POST /v1/streams/safe HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD "Content-Length: 1\r\n\r\n"

/* Commits what waits, after which nothing more comes from the socket. */
static void commit(struct world *world, uint32_t rows) {
    struct hg_batch batch;
    hg_intake_take(&world->intake, 10, UINT64_MAX, &batch);
    CHECK(batch.rows == rows);
    hg_server_release(world->server, &batch, NULL, NULL);
    serve(world);
}

/* While a message waits for its commit, of what came with it some is kept as plain text and the rest still ciphered. */
static void test_commit_with_records_behind_it(void) {
    struct world world;
    char text[2048];
    uint64_t id = 0;
    world_open(&world, &secure);
    const int fd = connect_client(&world);
    greet(&world, fd, 'H');
    /* a whole request is kept */
    snprintf(text, sizeof text, SAFE_HEAD "1" HEALTH NEXT HEALTH, bearer);
    say_secret(&world, fd, text);
    CHECK(is_silent(&world, fd));
    commit(&world, 1);
    (void)expect_secret(&world, fd, 202);
    (void)expect_secret(&world, fd, 200);
    (void)expect_secret(&world, fd, 200);
    /* ... the head of a message, the beginning of a head */
    snprintf(text, sizeof text, SAFE_HEAD "1" SAFE_HEAD NEXT "2GET /hea" NEXT "lthz HTTP/1.1\r\nHost: a\r\n\r\n", bearer, bearer);
    say_secret(&world, fd, text);
    commit(&world, 1);
    (void)expect_secret(&world, fd, 202);
    commit(&world, 1);
    (void)expect_secret(&world, fd, 202);
    (void)expect_secret(&world, fd, 200);
    /* ... a request for Python */
    snprintf(text, sizeof text, SAFE_HEAD "1" METRICS NEXT HEALTH, bearer);
    say_secret(&world, fd, text);
    commit(&world, 1);
    (void)expect_secret(&world, fd, 202);
    CHECK(told(&world, HG_EVENT_LENT, &id) == 1);
    const int32_t length = hg_server_lent_read(world.server, id, (uint8_t *)text, sizeof text);
    CHECK(length == (int32_t)(strlen(METRICS) + strlen(HEALTH)));
    CHECK(hg_server_lent_return(world.server, id, (const uint8_t *)HEALTH, (uint32_t)strlen(HEALTH)) == 0);
    serve(&world);
    (void)expect_secret(&world, fd, 200);
    /* ... and the client has said that this is all */
    snprintf(text, sizeof text, SAFE_HEAD "1GET /hea" NEXT "lthz HTTP/1.1\r\nHost: a\r\n\r\n", bearer);
    say_secret(&world, fd, text);
    net_end(&world.net, fd);
    serve(&world);
    commit(&world, 1);
    (void)expect_secret(&world, fd, 202);
    (void)expect_secret(&world, fd, 200);
    CHECK(is_closed(&world, fd) && world.toy.sessions == 0);
    world_close(&world);
}

static void test_drain(void) {
    struct world world;
    world_open(&world, &secure);
    const int idle = connect_client(&world), greeting = connect_client(&world), busy = connect_client(&world);
    greet(&world, idle, 'H');
    greet(&world, busy, 'H');
    say_secret(&world, busy, "GET /healthz HTTP/1.1\r\n");
    hg_server_drain(world.server);
    serve(&world);
    CHECK(is_closed(&world, idle) && said_goodbye(&world, idle) && is_closed(&world, greeting));
    say_secret(&world, busy, "Host: a\r\n\r\n");
    CHECK(expect_secret(&world, busy, 200).close && said_goodbye(&world, busy) && !is_closed(&world, busy));
    net_end(&world.net, busy);
    serve(&world);
    CHECK(is_closed(&world, busy));
    CHECK(told(&world, HG_EVENT_EMPTY, NULL) == 1 && world.toy.sessions == 0);
    world_close(&world);
}

/* A request in a record of which half is here is answered; who says nothing after all is not waited for. */
static void test_drain_with_half_a_record(void) {
    struct world world;
    world_open(&world, &secure);
    const int asks = connect_client(&world), says_nothing = connect_client(&world), stops = connect_client(&world);
    greet(&world, asks, 'H');
    greet(&world, says_nothing, 'H');
    greet(&world, stops, 'H');
    say_byte(&world, asks, TOY_HALF);
    say_byte(&world, says_nothing, TOY_HALF);
    say_byte(&world, stops, TOY_HALF);
    hg_server_drain(world.server);
    serve(&world);
    CHECK(!is_closed(&world, asks) && !is_closed(&world, says_nothing) && !is_closed(&world, stops));
    say_secret(&world, asks, HEALTH);
    CHECK(expect_secret(&world, asks, 200).close && said_goodbye(&world, asks));
    say_byte(&world, says_nothing, TOY_RECORD);
    CHECK(said_goodbye(&world, says_nothing) && is_closed(&world, says_nothing));
    net_end(&world.net, asks);
    pass(&world, 10500);
    CHECK(is_closed(&world, asks) && is_closed(&world, stops));
    CHECK(told(&world, HG_EVENT_EMPTY, NULL) == 1 && world.toy.sessions == 0);
    world_close(&world);
}

/* ... nor longer because of each piece of it. */
static void test_drain_with_a_record_that_trickles(void) {
    struct world world;
    world_open(&world, &secure);
    const int fd = connect_client(&world);
    greet(&world, fd, 'H');
    say_byte(&world, fd, TOY_HALF);
    hg_server_drain(world.server);
    pass(&world, HEAD_MS - 1000);
    say_byte(&world, fd, TOY_HALF);
    CHECK(!is_closed(&world, fd));
    pass(&world, 1000 + TICKS_MS);
    CHECK(is_closed(&world, fd) && told(&world, HG_EVENT_EMPTY, NULL) == 1);
    world_close(&world);
}

/* Half a head behind a request whose answer is not taken at first has its deadline when that is taken; with TLS or without. */
static void test_half_a_head_behind_an_answer(void) {
    for (int tls = 0; tls < 2; tls++) {
        struct world world;
        world_open(&world, tls ? &secure : NULL);
        const int fd = connect_client(&world);
        if (tls) {
            greet(&world, fd, 'H');
        }
        net_of(&world.net, fd)->window = 0;
        if (tls) {
            say_secret(&world, fd, HEALTH "GET /he");
        } else {
            say(&world, fd, HEALTH "GET /he");
        }
        net_widen(&world.net, fd, NET_ENDLESS);
        serve(&world);
        pass(&world, HEAD_MS - 1000);
        CHECK(!is_closed(&world, fd));
        pass(&world, 1000 + TICKS_MS);
        pass(&world, HG_LINGER_MS + TICKS_MS); /* behind a 408 */
        CHECK(is_closed(&world, fd));
        world_close(&world);
    }
}

/* A client has TLS answer it (a key update) and takes no answer: idle, amid a body, or lent. It is read no further, and goes on
 * when it takes them. */
static void test_answers_of_tls_that_are_not_read(void) {
    static const char *const begins[] = {"", "POST /v1/streams/any HTTP/1.1\r\nHost: a\r\n" JSON_FIELD "Content-Length: 1\r\n",
                                         "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"};
    enum { ASKED = 1 << 20 };
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        struct world world;
        world_open(&world, &secure);
        const int fd = connect_client(&world);
        struct net_socket *socket = net_of(&world.net, fd);
        uint8_t *asks = malloc(ASKED), head[100];
        uint64_t id;
        CHECK(asks != NULL);
        memset(asks, TOY_ASKS, ASKED);
        greet(&world, fd, 'H');
        say_secret(&world, fd, begins[i]);
        if (told(&world, HG_EVENT_LENT, &id) != 0) {
            CHECK(hg_server_lent_read(world.server, id, head, sizeof head) == (int32_t)strlen(begins[i]));
        }
        socket->window = 0;
        net_send(&world.net, fd, asks, ASKED);
        free(asks);
        serve(&world);
        CHECK(hg_server_memory(world.server) < 400000);
        net_widen(&world.net, fd, NET_ENDLESS);
        serve(&world);
        socket = net_of(&world.net, fd);
        CHECK(!socket->closed && socket->in.at == socket->in.length && socket->out.length - socket->out.at == ASKED);
        socket->out.at = socket->out.length;
        if (i == 0) {
            say_secret(&world, fd, HEALTH);
            (void)expect_secret(&world, fd, 200);
        }
        world_close(&world);
    }
}

/* A plain and a secure listener side by side. */
static void test_plain_beside_it(void) {
    struct world world;
    world_open(&world, NULL);
    const int listener = net_add(&world.net, NET_LISTENER);
    CHECK(hg_server_listen(world.server, listener, &world.tls) == 0);
    const int one = connect_client(&world), other = net_connect(&world.net, listener);
    serve(&world);
    greet(&world, other, 'H');
    say(&world, one, HEALTH);
    say_secret(&world, other, HEALTH);
    (void)expect(&world, one, 200);
    (void)expect_secret(&world, other, 200);
    hg_server_unlisten(world.server, listener);
    world_close(&world);
}

/* The certificate's name is the client's, where there is no token. */
static void test_identity(void) {
    struct world world;
    struct hg_batch batch;
    world_open(&world, &secure);
    const int fd = connect_client(&world), nobody = connect_client(&world);
    greet(&world, fd, 'C');
    greet(&world, nobody, 'H');
    static const char text[] = "POST /v1/streams/any HTTP/1.1\r\nHost: a\r\n" JSON_FIELD "Content-Length: 1\r\n\r\n1";
    say_secret(&world, fd, text);
    (void)expect_secret(&world, fd, 202);
    say_secret(&world, nobody, text);
    (void)expect_secret(&world, nobody, 401);
    hg_intake_take(&world.intake, 10, UINT64_MAX, &batch);
    CHECK(batch.rows == 1 && says(batch.head->client, TOY_IDENTITY));
    hg_batch_release(&world.intake, &batch);
    world_close(&world);
}

int main(void) {
    test_keep_alive_and_pipelining();
    test_cuts();
    test_large_bodies();
    test_broken();
    test_end_of_input();
    test_slow_handshake();
    test_handshake_that_is_not_read();
    test_refused();
    test_lent();
    test_lent_without_memory();
    test_answers_that_are_not_read();
    test_half_a_head_behind_an_answer();
    test_answers_of_tls_that_are_not_read();
    test_commit();
    test_commit_with_records_behind_it();
    test_drain();
    test_drain_with_half_a_record();
    test_drain_with_a_record_that_trickles();
    test_plain_beside_it();
    test_identity();
    return 0;
}
