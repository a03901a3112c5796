/* The server tells Python which keys of a shared cache have changed: once for a turn's worth of them, and again when there are more. */
#include "check_server.h"

static void put(struct world *world, int fd, const char *key) {
    sayf(world, fd, "PUT /v1/cache/%s HTTP/1.1\r\nHost: a\r\n%sContent-Length: 1\r\n\r\nx", key, bearer);
    (void)expect(world, fd, 201);
}

static void check_changes(struct world *world, const char *text) {
    const struct hg_view taken = hg_server_changes(world->server);
    CHECK(taken.length == strlen(text) && memcmp(taken.at, text, taken.length) == 0);
}

static void test_told_once_until_they_are_taken(void) {
    struct world world;
    world_open(&world, NULL);
    world.gate.shared = true;
    const int fd = connect_client(&world);
    check_changes(&world, "");
    forget_events(&world);
    put(&world, fd, "a");
    put(&world, fd, "bc");
    CHECK(told(&world, HG_EVENT_CHANGES, NULL) == 1);
    check_changes(&world, "\3kv/a\4kv/bc");
    check_changes(&world, "");
    forget_events(&world);
    put(&world, fd, "d");
    CHECK(told(&world, HG_EVENT_CHANGES, NULL) == 1);
    check_changes(&world, "\3kv/d");
    forget_events(&world);
    say(&world, fd, HEALTH);
    (void)expect(&world, fd, 200);
    CHECK(told(&world, HG_EVENT_CHANGES, NULL) == 0);
    world_close(&world);
}

static void test_a_wait_ends_with_them(void) {
    struct world world;
    world_open(&world, NULL);
    world.gate.shared = true;
    const int fd = connect_client(&world);
    serve(&world);
    forget_events(&world);
    char text[1200];
    const int length = snprintf(text, sizeof text, "PUT /v1/cache/k HTTP/1.1\r\nHost: a\r\n%sContent-Length: 1\r\n\r\nx", bearer);
    CHECK(length > 0 && length < (int)sizeof text);
    net_send(&world.net, fd, text, (size_t)length);
    CHECK(turn(&world, -1) == 0 && told(&world, HG_EVENT_CHANGES, NULL) == 1 && world.net.slept_ms == 0);
    (void)expect(&world, fd, 201);
    world_close(&world);
}

static void test_what_is_not_here_is_lent(void) {
    struct world world;
    uint64_t id;
    world_open(&world, NULL);
    world.gate.shared = true;
    const int fd = connect_client(&world);
    forget_events(&world);
    sayf(&world, fd, "GET /v1/cache/k HTTP/1.1\r\nHost: a\r\n%s\r\n", bearer);
    CHECK(told(&world, HG_EVENT_LENT, &id) == 1 && is_silent(&world, fd));
    CHECK(hg_server_lent_close(world.server, id, true) == 0);
    world_close(&world);
}

int main(void) {
    test_told_once_until_they_are_taken();
    test_a_wait_ends_with_them();
    test_what_is_not_here_is_lent();
    return 0;
}
