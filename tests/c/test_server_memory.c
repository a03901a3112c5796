/* The native server without memory: any one allocation may fail, at any point of a conversation that goes through everything.
 * Who is affected hears 503 or is cut off; nobody gets half an answer, nothing leaks, and afterwards all is as before. */
#include "check_server.h"
#include "core/connection.h"

enum { CLIENTS = 8 };

static const char *const stored[8] = {NULL};
static const char *outcome_of(void *context, uint32_t index) { return ((const char *const *)context)[index]; }

static void commit(struct world *world, bool fails) {
    struct hg_batch batch;
    hg_intake_take(&world->intake, 8, UINT64_MAX, &batch);
    if (fails) {
        hg_server_fail(world->server, &batch, &(struct hg_problem){503, HG_P_STORAGE_FAILED, false, ""}, 3);
    } else {
        hg_server_release(world->server, &batch, outcome_of, (void *)(uintptr_t)stored);
    }
    serve(world);
}

/* Python, which serves what it is lent: reads it, answers, gives back what it read too much. */
static void be_python(struct world *world) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npython";
    for (uint32_t i = 0; i < world->event_count; i++) {
        const uint64_t id = world->events[i].id;
        uint8_t input[4096];
        if (world->events[i].kind != HG_EVENT_LENT) {
            continue;
        }
        const int32_t length = hg_server_lent_read(world->server, id, input, sizeof input);
        if (length < (int32_t)strlen(METRICS) ||
            hg_server_lent_write(world->server, id, (const uint8_t *)answer, sizeof answer - 1) < 0 ||
            hg_server_lent_return(world->server, id, input + strlen(METRICS), (uint32_t)length - (uint32_t)strlen(METRICS)) <
                0) {
            (void)hg_server_lent_close(world->server, id, true);
        }
    }
    forget_events(world);
    serve(world);
}

static void converse(struct world *world, int secure, int *fds) {
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = net_connect(&world->net, i == 6 ? secure : world->listener);
        net_of(&world->net, fds[i])->window = i >= 4 && i != 6 ? 30 : NET_ENDLESS;
    }
    serve(world);
    say(world, fds[0], "GET /healthz HT");
    say(world, fds[0], "TP/1.1\r\nHost: a\r\n\r\n");
    sayf(world, fds[0], "PUT /v1/cache/k HTTP/1.1\r\nHost: a\r\n%sContent-Length: 5\r\n\r\nva", bearer);
    say(world, fds[0], "lue");
    sayf(world, fds[0], "GET /v1/cache/k HTTP/1.1\r\nHost: a\r\n%s\r\n", bearer);
    say_post(world, fds[1], "weather", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n");
    say(world, fds[1], "4\r\n{\"t\"\r\n3\r\n");
    say(world, fds[1], ":1}\r\n0\r\n\r\n");
    say_post(world, fds[1], "weather", "Content-Length: 4000\r\n");
    say_bytes(world, fds[1], 'x', 4000);
    post(world, fds[2], "safe", "[1]");
    post(world, fds[3], "safe", "[2]");
    net_send(&world->net, fds[3], HEALTH, strlen(HEALTH));
    commit(world, false);
    say(world, fds[4], METRICS HEALTH);
    say(world, fds[5], HEALTH HEALTH "rubbish\n");
    say(world, fds[6], "H");
    for (size_t i = 0; i < strlen(HEALTH); i++) {
        const uint8_t byte = (uint8_t)HEALTH[i] ^ TOY_MASK;
        net_send(&world->net, fds[6], &byte, 1);
    }
    serve(world);
    be_python(world);
    post(world, fds[7], "any", "[3]");
    post(world, fds[2], "safe", "[4]");
    commit(world, true);
    post(world, fds[2], "weather", "{}"); /* a violation, which is explained */
    for (int i = 0; i < CLIENTS; i++) {
        net_widen(&world->net, fds[i], NET_ENDLESS);
    }
    serve(world);
    be_python(world);
}

/* Whole answers, one after the other, of statuses that belong here. */
static void check_answers(struct world *world, int fd) {
    struct answer answer;
    while (hears(world, fd, false, &answer)) {
        static const int known[] = {100, 200, 201, 202, 400, 404, 413, 422, 503};
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            is_known = is_known || answer.status == known[i];
        }
        CHECK(is_known);
    }
    CHECK(is_silent(world, fd) || is_closed(world, fd)); /* half a one only if that is the end */
}

static void test_every_allocation_may_fail(void) {
    static const struct world_options usual = {0};
    long fail_at = 1;
    for (bool failed = true; failed; fail_at++) {
        struct world world;
        int fds[CLIENTS];
        world_prepare(&world, &usual);
        const int secure = net_add(&world.net, NET_LISTENER);
        world.heap.fail_at = fail_at;
        if (world_serve(&world, &usual)) {
            CHECK(hg_server_listen(world.server, secure, &world.tls) == 0);
            converse(&world, secure, fds);
            failed = world.heap.fail_at <= 0;
            world.heap.fail_at = -1;
            for (int i = 0; i < CLIENTS; i++) {
                if (i != 6) {
                    check_answers(&world, fds[i]);
                }
                net_end(&world.net, fds[i]);
            }
            still_serves(&world);
            commit(&world, false); /* who still waits */
            pass(&world, IDLE_MS + TICKS_MS);
            CHECK(hg_server_connections(world.server) == 0 && world.plan->users == 0);
            CHECK(hg_server_memory(world.server) <= HG_PAGE * sizeof(struct hg_connection));
            hg_server_unlisten(world.server, secure);
        }
        world_close(&world);
    }
    CHECK(fail_at > 30); /* there were as many to fail */
}

/* The same with everything failing from some point on: a machine that has no memory left. */
static void test_no_memory_left(void) {
    static const struct world_options usual = {0};
    for (long fail_at = 2; fail_at < 60; fail_at++) {
        struct world world;
        int fds[CLIENTS];
        world_prepare(&world, &usual);
        CHECK(world_serve(&world, &usual));
        const int secure = net_add(&world.net, NET_LISTENER);
        CHECK(hg_server_listen(world.server, secure, &world.tls) == 0);
        world.enough_for = fail_at;
        converse(&world, secure, fds);
        world.enough_for = -1;
        for (int i = 0; i < CLIENTS; i++) {
            if (i != 6) {
                check_answers(&world, fds[i]);
            }
            net_end(&world.net, fds[i]);
        }
        still_serves(&world);
        commit(&world, false);
        pass(&world, IDLE_MS + TICKS_MS);
        CHECK(hg_server_connections(world.server) == 0 && world.plan->users == 0);
        hg_server_unlisten(world.server, secure);
        world_close(&world);
    }
}

int main(void) {
    test_every_allocation_may_fail();
    test_no_memory_left();
    return 0;
}
