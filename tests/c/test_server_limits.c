/* The native server at its bounds: connections, descriptors, bytes of buffers, answers nobody takes. */
#include "check_server.h"

static void test_too_many_connections(void) {
    const struct world_options options = {.connections = 3};
    struct world world;
    int fds[3];
    world_open(&world, &options);
    for (int i = 0; i < 3; i++) {
        fds[i] = connect_client(&world);
    }
    const int refused = connect_client(&world);
    const struct answer answer = expect_problem(&world, refused, 503, "too_many_connections");
    CHECK(answer.close && has_field(&answer, "Retry-After", "1"));
    CHECK(net_of(&world.net, refused)->finished && !is_closed(&world, refused));
    say(&world, refused, HEALTH); /* is read over */
    CHECK(is_silent(&world, refused));
    net_end(&world.net, refused);
    serve(&world);
    CHECK(is_closed(&world, refused));
    CHECK(world.gate.counters.refused == 1 && world.gate.counters.opened == 4);
    for (int i = 0; i < 3; i++) { /* the others do not notice */
        say(&world, fds[i], HEALTH);
        (void)expect(&world, fds[i], 200);
    }
    net_end(&world.net, fds[1]);
    serve(&world);
    still_serves(&world);
    world_close(&world);
}

/* HG_REFUSALS are told at a time; more are just closed. */
static void test_flood_of_connections(void) {
    const struct world_options options = {.connections = 1};
    struct world world;
    uint32_t silent = 0, count = 0;
    world_open(&world, &options);
    const int first = connect_client(&world);
    for (int i = 0; i < HG_REFUSALS + 20; i++) {
        const int fd = connect_client(&world);
        count += is_closed(&world, fd) ? 0 : 1;
        silent += is_closed(&world, fd) && is_silent(&world, fd) ? 1 : 0;
    }
    CHECK(count == HG_REFUSALS && silent == 20);
    pass(&world, HG_LINGER_MS + TICKS_MS);
    const int again = connect_client(&world);
    (void)expect_problem(&world, again, 503, "too_many_connections");
    say(&world, first, HEALTH);
    (void)expect(&world, first, 200);
    world_close(&world);
}

static void test_refused_that_does_not_read(void) {
    const struct world_options options = {.connections = 1};
    struct world world;
    world_open(&world, &options);
    (void)connect_client(&world);
    const int refused = net_connect(&world.net, world.listener);
    net_of(&world.net, refused)->window = 5;
    serve(&world);
    CHECK(!is_closed(&world, refused));
    pass(&world, BODY_MS + TICKS_MS);
    CHECK(is_closed(&world, refused));
    world_close(&world);
}

static void test_out_of_files(void) {
    struct world world;
    world_open(&world, NULL);
    const int there = connect_client(&world);
    world.net.no_files = true;
    const int fd = connect_client(&world);
    CHECK(world.net.accept_failures == 1 && told(&world, HG_EVENT_NO_FILES, NULL) == 1);
    say(&world, there, HEALTH); /* who is here is served */
    (void)expect(&world, there, 200);
    pass(&world, 900);
    CHECK(world.net.accept_failures == 1);
    pass(&world, 200);
    CHECK(world.net.accept_failures == 2 && told(&world, HG_EVENT_NO_FILES, NULL) == 1);
    world.net.no_files = false;
    say(&world, fd, HEALTH);
    CHECK(is_silent(&world, fd));
    for (int i = 0; i < 5 && is_silent(&world, fd); i++) { /* it wakes up for that by itself */
        CHECK(turn(&world, 1000) == 0);
    }
    serve(&world);
    (void)expect(&world, fd, 200);
    world_close(&world);
}

/* A client that was gone before it was accepted does not keep the others out. */
static void test_accept_that_fails(void) {
    static const int errors[] = {-EINTR, -ECONNABORTED, -EPROTO, -EAGAIN, -EPERM};
    struct world world;
    world_open(&world, NULL);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        world.net.accept_error = errors[i];
        still_serves(&world);
    }
    CHECK(told(&world, HG_EVENT_NO_FILES, NULL) == 0);
    world_close(&world);
}

/* There may be several; each may go. */
static void test_listeners(void) {
    struct world world;
    world_open(&world, NULL);
    const int second = net_add(&world.net, NET_LISTENER);
    CHECK(hg_server_listen(world.server, second, NULL) == 0);
    const int one = connect_client(&world), other = net_connect(&world.net, second);
    say(&world, one, HEALTH);
    say(&world, other, HEALTH);
    (void)expect(&world, one, 200);
    (void)expect(&world, other, 200);
    hg_server_unlisten(world.server, second);
    CHECK(!net_of(&world.net, second)->watched && !net_of(&world.net, second)->closed);
    const int late = net_connect(&world.net, second);
    serve(&world);
    CHECK(!net_of(&world.net, late)->open);
    say(&world, other, HEALTH); /* was accepted, and stays */
    (void)expect(&world, other, 200);
    still_serves(&world);
    for (int i = 0; i < 40; i++) { /* more than there is room for */
        const int more = net_add(&world.net, NET_LISTENER);
        CHECK((hg_server_listen(world.server, more, NULL) == 0) == net_of(&world.net, more)->watched);
    }
    for (uint32_t i = 0; i < world.net.count; i++) {
        if (world.net.sockets[i].kind == NET_LISTENER && world.net.sockets[i].watched) {
            hg_server_unlisten(world.server, NET_FIRST + (int)i);
        }
    }
    world_close(&world);
}

/* An idle connection holds its slot and nothing else. */
static void test_idle_gives_its_buffers_back(void) {
    enum { COUNT = 512 };
    static int fds[COUNT];
    const struct world_options options = {.connections = COUNT};
    struct world world;
    world_open(&world, &options);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = connect_client(&world);
    }
    const uint64_t idle = hg_server_memory(world.server);
    const long blocks = world.heap.live;
    CHECK(idle <= COUNT * 128u);
    for (int i = 0; i < COUNT; i++) {
        net_of(&world.net, fds[i])->window = i % 4 == 2 ? 10 : NET_ENDLESS;
        switch (i % 4) {
        case 0: say(&world, fds[i], "GET /healthz HTTP/1.1\r\n"); break;
        case 1: say_post(&world, fds[i], "weather", "Content-Length: 7\r\n"); break;
        case 2: say(&world, fds[i], HEALTH); break;
        default: say(&world, fds[i], "POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"); break;
        }
    }
    CHECK(hg_server_memory(world.server) > idle && world.heap.live > blocks);
    for (int i = 0; i < COUNT; i++) {
        static const char *const rest[] = {"Host: a\r\n\r\n", "{\"t\":1}", "", "0123456789"};
        net_widen(&world.net, fds[i], NET_ENDLESS);
        say(&world, fds[i], rest[i % 4]);
        CHECK(!is_silent(&world, fds[i]));
    }
    CHECK(hg_server_memory(world.server) == idle && world.plan->users == 0);
    for (int i = 0; i < COUNT; i++) {
        net_end(&world.net, fds[i]);
    }
    serve(&world);
    CHECK(hg_server_connections(world.server) == 0 && hg_server_memory(world.server) <= idle);
    world_close(&world);
}

/* A slot is used again, and the table does not grow with the number of connections there ever were. */
static void test_slots_are_recycled(void) {
    struct world world;
    world_open(&world, NULL);
    still_serves(&world);
    const uint64_t memory = hg_server_memory(world.server);
    for (int i = 0; i < 1000; i++) {
        still_serves(&world);
    }
    CHECK(hg_server_memory(world.server) == memory);
    world_close(&world);
}

/* All buffers together have a bound; who needs more is told to come back. */
static void test_buffer_bytes(void) {
    enum { COUNT = 12, BOUND = 262144 };
    const struct world_options options = {.buffer_bytes = BOUND};
    struct world world;
    int fds[COUNT];
    uint32_t refused = 0, served = 0;
    world_open(&world, &options);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = connect_client(&world);
    }
    const uint64_t idle = hg_server_memory(world.server);
    for (int i = 0; i < COUNT; i++) {
        say_post(&world, fds[i], "large", "Content-Length: 60000\r\n");
        say(&world, fds[i], "\"");
        say_bytes(&world, fds[i], 'x', 50000);
        CHECK(hg_server_memory(world.server) <= idle + BOUND);
    }
    const int small = connect_client(&world);
    say(&world, small, HEALTH); /* needs no buffer */
    (void)expect(&world, small, 200);
    for (int i = 0; i < COUNT; i++) {
        if (is_silent(&world, fds[i])) {
            say_bytes(&world, fds[i], 'x', 60000 - 50002);
            say(&world, fds[i], "\"");
            (void)expect(&world, fds[i], 202);
            served += 1;
        } else {
            const struct answer answer = expect_problem(&world, fds[i], 503, "out_of_memory");
            CHECK(has_field(&answer, "Retry-After", "1"));
            refused += 1;
        }
    }
    CHECK(served >= 2 && refused >= 2);
    still_serves(&world);
    world_close(&world);
}

/* Who asks and does not read: after HG_SERVER_ANSWERS bytes of answers nothing more is asked of him. When he reads, all he
 * asked for comes, in order. */
static void test_back_pressure(void) {
    enum { REQUESTS = 600, VALUE = 3000 };
    struct world world;
    char length[32];
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    sayf(&world, fd, "PUT /v1/cache/v HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n", bearer, VALUE);
    say_bytes(&world, fd, 'v', VALUE);
    (void)expect(&world, fd, 201);
    const uint64_t idle = hg_server_memory(world.server);
    net_of(&world.net, fd)->window = 0;
    for (int i = 0; i < REQUESTS; i++) {
        sayf(&world, fd, "GET /v1/cache/v HTTP/1.1\r\nHost: a\r\n%s\r\n", bearer);
    }
    const struct net_socket *socket = net_of(&world.net, fd);
    CHECK(socket->in.length - socket->in.at > 50000);
    CHECK(hg_server_memory(world.server) <= idle + 2 * HG_SERVER_ANSWERS + 65536 + 4096);
    CHECK(turn(&world, 1000) == 0); /* sleeps: there is nothing to do until he reads */
    CHECK(world.net.slept_ms > 0);
    still_serves(&world);
    for (int i = 0; i < 50; i++) {
        net_widen(&world.net, fd, 1000);
        serve(&world);
        CHECK(hg_server_memory(world.server) <= idle + 2 * HG_SERVER_ANSWERS + 65536 + 4096);
    }
    net_widen(&world.net, fd, NET_ENDLESS);
    serve(&world);
    for (int i = 0; i < REQUESTS; i++) {
        const struct answer answer = expect(&world, fd, 200);
        snprintf(length, sizeof length, "%d", VALUE);
        CHECK(has_field(&answer, "Content-Length", length) && answer.body[VALUE - 1] == 'v');
    }
    CHECK(is_silent(&world, fd) && hg_server_memory(world.server) == idle);
    world_close(&world);
}

/* Who does not read, and then resets the connection. */
static void test_reset_with_output(void) {
    struct world world;
    world_open(&world, NULL);
    still_serves(&world);
    const uint64_t memory = hg_server_memory(world.server);
    for (int i = 0; i < 2; i++) {
        const int fd = connect_client(&world);
        net_of(&world.net, fd)->window = 10;
        say(&world, fd, i == 0 ? HEALTH HEALTH : "rubbish\n");
        net_reset(&world.net, fd);
        serve(&world);
        CHECK(is_closed(&world, fd));
    }
    CHECK(hg_server_memory(world.server) == memory);
    world_close(&world);
}

int main(void) {
    test_too_many_connections();
    test_flood_of_connections();
    test_refused_that_does_not_read();
    test_out_of_files();
    test_accept_that_fails();
    test_listeners();
    test_idle_gives_its_buffers_back();
    test_slots_are_recycled();
    test_buffer_bytes();
    test_back_pressure();
    test_reset_with_output();
    return 0;
}
