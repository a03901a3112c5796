/* The native server changes its plan, drains and ends, with requests under way. */
#include "check_server.h"

/* Requests finish on the plan they began with; new ones begin on the new. */
static void test_plan_swap(void) {
    struct world world;
    world_open(&world, NULL);
    const int body = connect_client(&world), commit = connect_client(&world), lent = connect_client(&world);
    const int idle = connect_client(&world);
    say_post(&world, body, "weather", "Content-Length: 7\r\n");
    post(&world, commit, "safe", "1");
    say(&world, lent, METRICS);
    const uint32_t users = world.plan->users;
    CHECK(users >= 2); /* of the body, and of who waits */
    world.second = make_plan(CONNECTIONS, IDLE_MS);
    hg_server_plan(world.server, world.second);
    CHECK(world.plan->users == users && world.second->users == 0 && world.gate.plan == world.second);
    say(&world, idle, HEALTH);
    (void)expect(&world, idle, 200);
    say_post(&world, idle, "weather", "Content-Length: 7\r\n");
    CHECK(world.second->users == 1);
    say(&world, body, "{\"t\":1}");
    (void)expect(&world, body, 202);
    struct hg_batch batch;
    hg_intake_take(&world.intake, 10, UINT64_MAX, &batch);
    hg_server_fail(world.server, &batch, &(struct hg_problem){503, HG_P_STORAGE_FAILED, false, ""}, 1);
    uint64_t id = 0;
    CHECK(told(&world, HG_EVENT_LENT, &id) == 1 && hg_server_lent_close(world.server, id, true) == 0);
    serve(&world);
    CHECK(world.plan->users == 0 && world.second->users == 1);
    net_reset(&world.net, idle);
    serve(&world);
    CHECK(world.second->users == 0);
    world_close(&world);
}

/* The number of connections is the new plan's. */
static void test_plan_with_fewer_connections(void) {
    struct world world;
    world_open(&world, NULL);
    const int first = connect_client(&world), second = connect_client(&world);
    world.second = make_plan(1, IDLE_MS);
    hg_server_plan(world.server, world.second);
    const int refused = connect_client(&world);
    (void)expect_problem(&world, refused, 503, "too_many_connections");
    say(&world, first, HEALTH);
    say(&world, second, HEALTH);
    (void)expect(&world, first, 200);
    (void)expect(&world, second, 200);
    world_close(&world);
}

/* The server says nothing more, and waits for the client to say so too: closing would take away what is still on its way, if the
 * client has sent more meanwhile. */
static bool has_ended(struct world *world, int fd) {
    CHECK(net_of(&world->net, fd)->finished && !is_closed(world, fd));
    say(world, fd, HEALTH); /* is not read any more */
    CHECK(is_silent(world, fd) && !is_closed(world, fd));
    net_end(&world->net, fd);
    serve(world);
    return is_silent(world, fd) && is_closed(world, fd);
}

static void test_drain(void) {
    struct world world;
    uint64_t id = 0;
    world_open(&world, NULL);
    const int idle = connect_client(&world), head = connect_client(&world), body = connect_client(&world);
    const int commit = connect_client(&world), lent = connect_client(&world), slow = connect_client(&world);
    say(&world, head, "GET /healthz HTTP/1.1\r\n");
    say_post(&world, body, "weather", "Content-Length: 7\r\n");
    post(&world, commit, "safe", "1");
    say(&world, lent, METRICS);
    net_of(&world.net, slow)->window = 10;
    say(&world, slow, HEALTH);
    CHECK(told(&world, HG_EVENT_LENT, &id) == 1);
    hg_server_drain(world.server);
    serve(&world);
    CHECK(is_closed(&world, idle) && is_silent(&world, idle));
    const int late = net_connect(&world.net, world.listener);
    serve(&world);
    CHECK(!net_of(&world.net, late)->open && told(&world, HG_EVENT_EMPTY, NULL) == 0);
    say(&world, head, "Host: a\r\n\r\n");
    CHECK(expect(&world, head, 200).close && has_ended(&world, head));
    say(&world, body, "{\"t\":1}");
    CHECK(expect(&world, body, 202).close && has_ended(&world, body));
    struct hg_batch batch;
    hg_intake_take(&world.intake, 10, UINT64_MAX, &batch);
    hg_server_fail(world.server, &batch, &(struct hg_problem){503, HG_P_STORAGE_FAILED, false, ""}, 1);
    serve(&world);
    CHECK(expect(&world, commit, 503).close && has_ended(&world, commit));
    net_widen(&world.net, slow, NET_ENDLESS);
    serve(&world);
    (void)expect(&world, slow, 200);
    CHECK(has_ended(&world, slow));
    CHECK(hg_server_connections(world.server) == 1 && told(&world, HG_EVENT_EMPTY, NULL) == 0);
    uint8_t input[256];
    CHECK(hg_server_lent_read(world.server, id, input, sizeof input) == (int32_t)strlen(METRICS));
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    CHECK(hg_server_lent_write(world.server, id, (const uint8_t *)answer, sizeof answer - 1) == 0);
    CHECK(hg_server_lent_return(world.server, id, (const uint8_t *)"", 0) == 0); /* nothing follows */
    serve(&world);
    (void)expect(&world, lent, 200);
    CHECK(has_ended(&world, lent));
    CHECK(told(&world, HG_EVENT_EMPTY, NULL) == 1 && hg_server_connections(world.server) == 0);
    pass(&world, 1000);
    CHECK(told(&world, HG_EVENT_EMPTY, NULL) == 1); /* once */
    world_close(&world);
}

static void test_drain_of_nobody(void) {
    struct world world;
    world_open(&world, NULL);
    hg_server_drain(world.server);
    CHECK(turn(&world, -1) == 0 && told(&world, HG_EVENT_EMPTY, NULL) == 1);
    world_close(&world);
}

/* A request that has come and that nobody has looked at yet is answered; half of one is waited for. */
static void test_drain_with_a_request_in_the_socket(void) {
    struct world world;
    world_open(&world, NULL);
    const int whole = connect_client(&world), half = connect_client(&world), gone = connect_client(&world);
    net_send(&world.net, whole, HEALTH HEALTH, 2 * strlen(HEALTH));
    net_send(&world.net, half, HEALTH, 10);
    net_end(&world.net, gone);
    hg_server_drain(world.server);
    serve(&world);
    CHECK(expect(&world, whole, 200).close && has_ended(&world, whole) && is_closed(&world, gone));
    CHECK(!is_closed(&world, half) && told(&world, HG_EVENT_EMPTY, NULL) == 0);
    say(&world, half, &HEALTH[10]);
    CHECK(expect(&world, half, 200).close);
    for (int i = 0; i < 5; i++) { /* more than is read over otherwise */
        static const uint8_t more[HG_LINGER_BYTES];
        net_send(&world.net, half, more, sizeof more);
        serve(&world);
    }
    CHECK(!is_closed(&world, half));
    pass(&world, HG_LINGER_MS + TICKS_MS); /* it does not end by itself */
    CHECK(is_closed(&world, half) && told(&world, HG_EVENT_EMPTY, NULL) == 1);
    world_close(&world);
}

/* A client that wants it closed has said that nothing more comes. */
static void test_close_is_not_waited_for(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world), old = connect_client(&world);
    say(&world, fd, HEALTH_CLOSE);
    CHECK(expect(&world, fd, 200).close && is_closed(&world, fd));
    say(&world, old, "GET /healthz HTTP/1.0\r\n\r\n");
    CHECK(expect(&world, old, 200).close && is_closed(&world, old));
    world_close(&world);
}

/* A drained server has answered what was pipelined up to the answer that closed. */
static void test_drain_with_pipelined_requests(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    net_of(&world.net, fd)->window = 10;
    say(&world, fd, HEALTH);
    hg_server_drain(world.server);
    net_send(&world.net, fd, HEALTH HEALTH, 2 * strlen(HEALTH));
    net_widen(&world.net, fd, NET_ENDLESS);
    serve(&world);
    struct answer answer = expect(&world, fd, 200);
    for (int i = 0; i < 2 && !answer.close && hears(&world, fd, false, &answer); i++) {
        CHECK(answer.status == 200);
    }
    CHECK(is_silent(&world, fd));
    net_end(&world.net, fd);
    serve(&world);
    CHECK(is_closed(&world, fd) && told(&world, HG_EVENT_EMPTY, NULL) == 1);
    world_close(&world);
}

/* Accepting pauses when the drain begins: it does not go on afterwards, and nobody spins on who would be accepted. */
static void test_drain_without_files(void) {
    struct world world;
    world_open(&world, NULL);
    world.net.no_files = true;
    const int fd = connect_client(&world);
    hg_server_drain(world.server);
    world.net.no_files = false;
    for (int i = 0; i < 4; i++) {
        CHECK(turn(&world, 1000) == 0);
    }
    CHECK(!net_of(&world.net, fd)->open && world.net.slept_ms > 2000 && told(&world, HG_EVENT_EMPTY, NULL) == 1);
    world_close(&world);
}

static void test_abort(void) {
    struct world world;
    uint64_t id = 0;
    uint8_t byte;
    world_open(&world, NULL);
    const int idle = connect_client(&world), body = connect_client(&world), slow = connect_client(&world);
    const int linger = connect_client(&world), lent = connect_client(&world);
    say_post(&world, body, "weather", "Content-Length: 7\r\n");
    net_of(&world.net, slow)->window = 10;
    say(&world, slow, HEALTH);
    say(&world, linger, "rubbish\n");
    say(&world, lent, METRICS);
    CHECK(told(&world, HG_EVENT_LENT, &id) == 1);
    hg_server_drain(world.server);
    hg_server_abort(world.server);
    serve(&world);
    const int fds[] = {idle, body, slow, linger, lent};
    for (int i = 0; i < 4; i++) {
        CHECK(is_closed(&world, fds[i]));
    }
    CHECK(hg_server_lent_read(world.server, id, &byte, 1) < 0);
    (void)hg_server_lent_close(world.server, id, true);
    serve(&world);
    CHECK(is_closed(&world, lent) && hg_server_connections(world.server) == 0);
    CHECK(told(&world, HG_EVENT_EMPTY, NULL) == 1 && world.plan->users == 0);
    world_close(&world);
}

/* Freed as it is, in every state a connection can be in. */
static void test_free(void) {
    struct world world;
    world_open(&world, NULL);
    static const char *const texts[] = {"", "GET", HEALTH, METRICS, "rubbish\n", HEALTH HEALTH METRICS HEALTH,
                                        "POST /v1/streams/any HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const int fd = net_connect(&world.net, world.listener);
        net_of(&world.net, fd)->window = i % 2 == 0 ? 5 : NET_ENDLESS;
        serve(&world);
        say(&world, fd, texts[i]);
    }
    const int body = connect_client(&world), commit = connect_client(&world);
    say_post(&world, body, "weather", "Content-Length: 7\r\n");
    post(&world, commit, "safe", "1");
    (void)net_connect(&world.net, world.listener); /* not accepted yet */
    world_close(&world);
}

int main(void) {
    test_plan_swap();
    test_plan_with_fewer_connections();
    test_drain();
    test_drain_of_nobody();
    test_drain_with_a_request_in_the_socket();
    test_close_is_not_waited_for();
    test_drain_with_pipelined_requests();
    test_drain_without_files();
    test_abort();
    test_free();
    return 0;
}
