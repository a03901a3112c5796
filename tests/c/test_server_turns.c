/* The native server shares its thread: with its own connections, and with asyncio, whose descriptors it watches. */
#include "check_server.h"

static int busy_client(struct world *world) {
    const int fd = net_connect(&world->net, world->listener);
    net_of(&world->net, fd)->endless = HEALTH;
    return fd;
}

/* Never stops either, and each read gives little: where only the scripted time of the calls matters. */
static int asking_client(struct world *world) {
    const int fd = busy_client(world);
    net_of(&world->net, fd)->piece = 4 * (uint32_t)strlen(HEALTH);
    return fd;
}

/* Somebody who never stops asking does not keep others from being served. */
static void test_fairness(void) {
    struct world world;
    world_open(&world, NULL);
    world.net.cost_us = 20;
    const int busy = busy_client(&world);
    for (int i = 0; i < 5; i++) {
        CHECK(turn(&world, 0) >= 0);
    }
    CHECK(net_of(&world.net, busy)->out.length > 10000);
    const int fd = net_connect(&world.net, world.listener);
    net_send(&world.net, fd, HEALTH, strlen(HEALTH));
    const uint32_t before = net_of(&world.net, busy)->out.length;
    for (int i = 0; i < 3 && is_silent(&world, fd); i++) {
        CHECK(turn(&world, 0) >= 0);
    }
    (void)expect(&world, fd, 200);
    /* and the busy one goes on */
    for (int i = 0; i < 3; i++) {
        CHECK(turn(&world, 0) >= 0);
    }
    CHECK(net_of(&world.net, busy)->out.length > before);
    /* Two of them get about the same. */
    const int other = busy_client(&world);
    const uint32_t start = net_of(&world.net, busy)->out.length;
    for (int i = 0; i < 50; i++) {
        CHECK(turn(&world, 0) >= 0);
    }
    const uint32_t one = net_of(&world.net, busy)->out.length - start, two = net_of(&world.net, other)->out.length;
    CHECK(one > 0 && two > 0 && one < 3 * two && two < 3 * one);
    world_close(&world);
}

/* Those that always have more to read, and take a whole turn together, do not keep the ones behind them from theirs. */
static void test_fairness_among_many(void) {
    static char body[1200];
    const struct world_options options = {.turn_us = 2000};
    struct world world;
    int fds[40];
    world_open(&world, &options);
    snprintf(body, sizeof body, "POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD "Content-Length: 2\r\n\r\n{}",
             bearer);
    world.net.cost_us = 100;
    for (int i = 0; i < 40; i++) {
        fds[i] = busy_client(&world);
        net_of(&world.net, fds[i])->endless = body;
        net_of(&world.net, fds[i])->piece = (uint32_t)strlen(body); /* never so much that it has to queue */
    }
    uint32_t before[40], least = UINT32_MAX, most = 0;
    for (int i = 0; i < 20; i++) {
        CHECK(turn(&world, 0) == 0);
    }
    for (int i = 0; i < 40; i++) {
        before[i] = net_of(&world.net, fds[i])->out.length; /* all have been accepted */
    }
    for (int i = 0; i < 200; i++) {
        CHECK(turn(&world, 0) == 0);
    }
    for (int i = 0; i < 40; i++) {
        const uint32_t heard = net_of(&world.net, fds[i])->out.length - before[i];
        least = heard < least ? heard : least;
        most = heard > most ? heard : most;
    }
    CHECK(least > 0 && most < 2 * least);
    world_close(&world);
}

/* Deadlines of others are kept while somebody is busy. */
static void test_deadlines_while_busy(void) {
    struct world world;
    world_open(&world, NULL);
    world.net.cost_us = 1000;
    const int fd = connect_client(&world);
    net_send(&world.net, fd, "GET", 3);
    CHECK(turn(&world, 0) >= 0);
    const int64_t start_us = world.net.now_us;
    (void)asking_client(&world);
    while (is_silent(&world, fd) && world.net.now_us - start_us < 2 * HEAD_MS * 1000) {
        CHECK(turn(&world, -1) >= 0);
    }
    (void)expect_problem(&world, fd, 408, "timeout");
    CHECK(world.net.now_us - start_us >= HEAD_MS * 1000 - 1000 && world.net.now_us - start_us < (HEAD_MS + 1000) * 1000);
    world_close(&world);
}

/* However long it may wait, a busy server returns when its turn is over: soon, if asyncio has something to do. */
static void test_turn_ends(void) {
    const struct world_options options = {.turn_us = 2000};
    struct world world;
    world_open(&world, &options);
    world.net.cost_us = 100;
    (void)asking_client(&world);
    for (int i = 0; i < 20; i++) {
        const int64_t start_us = world.net.now_us;
        CHECK(turn(&world, i % 2 == 0 ? -1 : 60000) == 0);
        CHECK(world.net.now_us - start_us <= 2 * HG_TURNS * 2000 && world.net.slept_ms == 0);
    }
    for (int i = 0; i < 20; i++) {
        const int64_t start_us = world.net.now_us;
        CHECK(turn(&world, 0) == 0 && world.net.now_us - start_us <= 2 * 2000);
    }
    world_close(&world);
}

/* ... also with so many that are busy that one round of them takes longer than that. */
static void test_turn_of_many_ends(void) {
    const struct world_options options = {.turn_us = 2000};
    struct world world;
    int fds[100];
    world_open(&world, &options);
    world.net.cost_us = 100;
    for (int i = 0; i < 100; i++) {
        fds[i] = asking_client(&world);
    }
    for (int i = 0; i < 400; i++) {
        const int64_t start_us = world.net.now_us;
        CHECK(turn(&world, 0) == 0 && world.net.now_us - start_us <= 3 * 2000);
    }
    for (int i = 0; i < 100; i++) {
        CHECK(net_of(&world.net, fds[i])->out.length != 0);
    }
    world_close(&world);
}

enum { STEP_US = 500, GREETERS = 2 * HG_NET_BATCH };

/* A server that many greet at once, each step of a handshake takes STEP_US; one client without TLS, on the listener given back. */
static int open_storm(struct world *world, int *plain, uint32_t turn_us) {
    const struct world_options options = {.turn_us = turn_us, .tls = true};
    int listener;
    world_open(world, &options);
    listener = net_add(&world->net, NET_LISTENER);
    world->toy.now_us = &world->net.now_us;
    world->toy.step_us = STEP_US;
    CHECK(hg_server_listen(world->server, listener, NULL) == 0);
    *plain = net_connect(&world->net, listener);
    serve(world);
    for (int i = 0; i < GREETERS; i++) {
        net_send(&world->net, net_connect(&world->net, world->listener), "H", 1);
    }
    return listener;
}

static void close_storm(struct world *world, int listener) {
    hg_server_unlisten(world->server, listener);
    world_close(world);
}

static uint32_t greeted(const struct world *world) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->net.count; i++) {
        const struct net_bytes *out = &world->net.sockets[i].out;
        count += out->length != 0 && out->data[0] == 'S';
    }
    return count;
}

/* Between any two steps of handshakes, who is not greeting gets an answer; and in the end everybody has been greeted. */
static void test_served_between_handshakes(void) {
    struct world world;
    int plain;
    const int listener = open_storm(&world, &plain, 1); /* a turn is one look at who is ready */
    uint32_t before = 0, rounds = 0;
    while (before < GREETERS) {
        net_send(&world.net, plain, HEALTH, strlen(HEALTH));
        CHECK(turn(&world, 0) == 0 && ++rounds < 3 * GREETERS);
        for (int i = 0; i < 3 && is_silent(&world, plain); i++) { /* more are ready than are looked at in one go */
            CHECK(turn(&world, 0) == 0);
        }
        (void)expect(&world, plain, 200);
        CHECK(greeted(&world) - before <= 4);
        before = greeted(&world);
    }
    close_storm(&world, listener);
}

/* However many greet, a wait ends when its turn does, or asyncio's time: one step later at most. */
static void test_handshakes_keep_to_the_turn(void) {
    static const struct {
        int32_t timeout_ms;
        int64_t most_us;
    } rows[] = {{0, 2000}, {1, 1000}, {7, 7000}, {1000, 2000 * HG_TURNS}, {-1, 2000 * HG_TURNS}};
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        struct world world;
        int plain;
        const int listener = open_storm(&world, &plain, 2000);
        uint32_t turns = 0;
        while (greeted(&world) < GREETERS) {
            const int64_t start_us = world.net.now_us;
            const int pairs = turn(&world, rows[row].timeout_ms);
            CHECK((pairs == 0 || greeted(&world) == GREETERS) && ++turns < 3 * GREETERS); /* else interrupted: it is idle */
            CHECK(greeted(&world) == GREETERS || world.net.now_us - start_us <= rows[row].most_us + STEP_US);
        }
        close_storm(&world, listener);
    }
}

/* Who was found ready when the time was over comes first the next time, whoever epoll finds first. */
static void test_the_last_found_are_served(void) {
    const struct world_options options = {.turn_us = 2000};
    struct world world;
    int busy[HG_NET_BATCH / 2], late;
    uint32_t least = UINT32_MAX, most = 0;
    world_open(&world, &options);
    world.net.cost_us = 200; /* some five are served in a turn */
    world.net.same_first = true;
    for (int i = 0; i < HG_NET_BATCH / 2; i++) {
        busy[i] = busy_client(&world);
        net_of(&world.net, busy[i])->piece = (uint32_t)strlen(HEALTH); /* asks again as soon as it is answered */
    }
    for (int i = 0; i < 200; i++) {
        CHECK(turn(&world, 0) == 0);
    }
    for (int i = 0; i < HG_NET_BATCH / 2; i++) {
        const uint32_t length = net_of(&world.net, busy[i])->out.length;
        least = length < least ? length : least;
        most = length > most ? length : most;
    }
    CHECK(least != 0 && most <= 2 * least);
    late = net_connect(&world.net, world.listener);
    net_send(&world.net, late, HEALTH, strlen(HEALTH));
    for (int i = 0; i < 20 && is_silent(&world, late); i++) {
        CHECK(turn(&world, 0) == 0);
    }
    (void)expect(&world, late, 200);
    world_close(&world);
}

/* Asyncio's time ends a wait also in the middle of those that were found ready. */
static void test_time_ends_among_many(void) {
    struct world world;
    world_open(&world, NULL);
    world.net.cost_us = 100;
    for (int i = 0; i < 100; i++) {
        (void)asking_client(&world);
    }
    for (int i = 0; i < 20; i++) { /* until all are there */
        CHECK(turn(&world, 0) == 0);
    }
    for (int i = 0; i < 20; i++) {
        const int64_t start_us = world.net.now_us;
        CHECK(turn(&world, 3) == 0 && world.net.now_us - start_us <= 3000 + 2000);
    }
    world_close(&world);
}

static void test_descriptors_of_asyncio(void) {
    struct world world;
    world_open(&world, NULL);
    const int one = net_add(&world.net, NET_OTHER), two = net_add(&world.net, NET_OTHER);
    CHECK(hg_server_register(world.server, one, HG_NET_IN) == 0);
    CHECK(hg_server_register(world.server, two, HG_NET_IN | HG_NET_OUT) == 0);
    CHECK(hg_server_register(world.server, one, HG_NET_IN) == -EEXIST);
    CHECK(turn(&world, 0) == 0);
    net_of(&world.net, one)->ready = true;
    CHECK(turn(&world, -1) == 1 && world.ready[0].tag == (uint64_t)one && world.ready[0].events == HG_NET_IN);
    CHECK(turn(&world, -1) == 1); /* level-triggered */
    net_of(&world.net, two)->ready = true;
    CHECK(turn(&world, -1) == 2 && world.ready[0].tag + world.ready[1].tag == (uint64_t)one + (uint64_t)two);
    CHECK(hg_server_modify(world.server, one, HG_NET_OUT) == 0);
    CHECK(turn(&world, -1) == 1 && world.ready[0].tag == (uint64_t)two);
    CHECK(hg_server_unregister(world.server, two) == 0);
    CHECK(hg_server_unregister(world.server, two) == -ENOENT);
    CHECK(hg_server_modify(world.server, two, HG_NET_IN) == -ENOENT);
    CHECK(turn(&world, 0) == 0);
    CHECK(hg_server_modify(world.server, one, HG_NET_IN) == 0 && turn(&world, 100) == 1);
    CHECK(hg_server_unregister(world.server, one) == 0);
    world_close(&world);
}

/* More of them than are looked at in one go: the others come the next time. */
static void test_many_descriptors(void) {
    enum { COUNT = 3 * HG_NET_BATCH };
    static bool seen[COUNT];
    struct world world;
    world_open(&world, NULL);
    const int first = net_add(&world.net, NET_OTHER);
    for (int i = 0; i < COUNT; i++) {
        const int fd = i == 0 ? first : net_add(&world.net, NET_OTHER);
        net_of(&world.net, fd)->ready = true;
        CHECK(hg_server_register(world.server, fd, HG_NET_IN) == 0);
    }
    for (int i = 0; i < 6; i++) {
        CHECK(turn(&world, -1) > 0 && world.ready_count <= HG_NET_BATCH);
        for (int j = 0; j < world.ready_count; j++) {
            const uint64_t which = world.ready[j].tag - (uint64_t)first;
            CHECK(which < COUNT);
            seen[which] = true;
        }
    }
    for (int i = 0; i < COUNT; i++) {
        CHECK(seen[i]);
        CHECK(hg_server_unregister(world.server, first + i) == 0);
    }
    world_close(&world);
}

/* asyncio is told within two turns, however busy the connections are. */
static void test_busy_connections_do_not_starve_asyncio(void) {
    struct world world;
    world_open(&world, NULL);
    world.net.cost_us = 50;
    const int fd = net_add(&world.net, NET_OTHER);
    CHECK(hg_server_register(world.server, fd, HG_NET_IN) == 0);
    for (int i = 0; i < 20; i++) {
        (void)asking_client(&world);
    }
    for (int i = 0; i < 10; i++) {
        CHECK(turn(&world, 1000) >= 0);
    }
    for (int round = 0; round < 20; round++) {
        bool came = false;
        net_of(&world.net, fd)->ready = true;
        for (int i = 0; i < 2 && !came; i++) {
            CHECK(turn(&world, 1000) >= 0);
            came = world.ready_count == 1 && world.ready[0].tag == (uint64_t)fd;
        }
        CHECK(came);
        net_of(&world.net, fd)->ready = false;
        CHECK(turn(&world, 0) == 0);
    }
    CHECK(hg_server_unregister(world.server, fd) == 0);
    world_close(&world);
}

/* hg_server_wait comes back for an event at once, whatever its time is. */
static void test_events_end_a_wait(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    net_send(&world.net, fd, METRICS, strlen(METRICS));
    CHECK(turn(&world, -1) == 0 && world.net.slept_ms == 0 && told(&world, HG_EVENT_LENT, NULL) == 1);
    world_close(&world);
}

static void test_timeouts(void) {
    struct world world;
    world_open(&world, NULL);
    const int64_t start_us = world.net.now_us;
    CHECK(turn(&world, 0) == 0 && world.net.now_us == start_us);
    CHECK(turn(&world, 700) == 0 && world.net.now_us == start_us + 700000);
    CHECK(turn(&world, -1) == -EINTR); /* a signal ends it, and is told */
    still_serves(&world);
    world_close(&world);
}

/* Who sleeps is not busy, however short the naps are. */
static void test_naps_are_no_turn(void) {
    const struct world_options options = {.turn_us = 2000};
    struct world world;
    world_open(&world, &options);
    world.net.wake_us = 500;
    const int64_t start_us = world.net.now_us;
    CHECK(turn(&world, 700) == 0 && world.net.now_us == start_us + 700000);
    still_serves(&world);
    world_close(&world);
}

int main(void) {
    test_fairness();
    test_fairness_among_many();
    test_deadlines_while_busy();
    test_turn_ends();
    test_turn_of_many_ends();
    test_served_between_handshakes();
    test_handshakes_keep_to_the_turn();
    test_the_last_found_are_served();
    test_time_ends_among_many();
    test_descriptors_of_asyncio();
    test_many_descriptors();
    test_busy_connections_do_not_starve_asyncio();
    test_events_end_a_wait();
    test_timeouts();
    test_naps_are_no_turn();
    return 0;
}
