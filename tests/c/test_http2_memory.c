/* HTTP/2 without memory: any one allocation may fail, libnghttp2's among them, at any point of a conversation that goes through
 * everything. A stream or the connection may end for it; nothing leaks, and afterwards all is as before. */
#include "check_http2.h"

static void be_python(struct world *world) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\npython\r\n0\r\nX-Sum: 1\r\n\r\n";
    for (uint32_t i = 0; i < world->event_count; i++) {
        const uint64_t id = world->events[i].id;
        uint8_t input[4096];
        if (world->events[i].kind != HG_EVENT_LENT) {
            continue;
        }
        (void)hg_server_lent_read(world->server, id, input, sizeof input);
        const bool written = hg_server_lent_write(world->server, id, (const uint8_t *)answer, sizeof answer - 1) >= 0;
        (void)hg_server_lent_close(world->server, id, !written);
    }
    forget_events(world);
    serve(world);
}

static void converse(struct world *world) {
    static char value[16000];
    const struct h2_client client = {.fd = net_connect(&world->net, world->listener)};
    uint8_t block[4096];
    memset(value, 'v', sizeof value);
    net_of(&world->net, client.fd)->piece = 200;
    h2_greet(world, &client);
    h2_ask(world, &client, 1, "GET", "/healthz", NULL, true);
    serve(world);
    const uint32_t length = h2_head(block, "GET", "/healthz", NULL); /* fields in two parts, between which others are served */
    h2_say(world, &client, NGHTTP2_HEADERS, FIN, 3, block, 100);
    serve(world);
    still_serves(world);
    h2_say(world, &client, NGHTTP2_CONTINUATION, WHOLE, 3, block + 100, length - 100);
    h2_post(world, &client, 5, "any", "[1]");
    h2_post(world, &client, 7, "safe", "[1]");
    h2_ask(world, &client, 9, "PUT", "/v1/cache/k", NULL, false);
    serve(world);
    h2_say(world, &client, NGHTTP2_DATA, 0, 9, value, sizeof value);
    serve(world);
    h2_say(world, &client, NGHTTP2_DATA, FIN, 9, value, sizeof value);
    h2_commit(world);
    net_of(&world->net, client.fd)->window = 1000;
    h2_ask(world, &client, 11, "GET", "/v1/cache/k", NULL, true);
    h2_ask(world, &client, 13, "GET", "/metrics", NULL, true);
    h2_ask(world, &client, 15, "POST", "/v1/streams/any", "application/x-ndjson", false);
    h2_say(world, &client, NGHTTP2_DATA, 0, 15, "1\n", 2);
    h2_post(world, &client, 17, "weather", "{}");
    serve(world);
    be_python(world);
    h2_say(world, &client, NGHTTP2_RST_STREAM, 0, 15, "\0\0\0\10", 4);
    net_widen(&world->net, client.fd, NET_ENDLESS);
    serve(world);
    be_python(world);
    for (uint32_t stream = 21; stream <= 27; stream += 2) { /* fields that are known from the second time on */
        h2_say(world, &client, NGHTTP2_HEADERS, FIN | WHOLE, stream, block,
               h2_coded_head(block, sizeof block, "GET", stream == 27 ? "/v1/cache/another-key" : "/v1/cache/a-longer-key", NULL));
        serve(world);
    }
    h2_ask(world, &client, 29, "GET", "/n", NULL, false); /* answered before its body, which then is not wanted */
    serve(world);
    h2_say(world, &client, NGHTTP2_DATA, 0, 29, value, sizeof value);
    serve(world);
    net_leave(&world->net, client.fd);
    serve(world);
}

/* -> the conversation went on to its end with so many allocations, or but for the one of this number. */
static bool goes_well(long number, bool and_all_later) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    still_serves(&world);
    if (and_all_later) {
        world.enough_for = number;
    } else {
        world.heap.fail_at = number;
    }
    const int fd = connect_client(&world);
    (void)fd;
    world.net.sockets[fd - NET_FIRST].ended = true;
    if (and_all_later) { /* nobody else can be served then */
        struct h2_client client = {.fd = net_connect(&world.net, world.listener)};
        h2_greet(&world, &client);
        h2_ask(&world, &client, 1, "GET", "/healthz", NULL, true);
        h2_post(&world, &client, 3, "any", "[1]");
        serve(&world);
        net_leave(&world.net, client.fd);
        serve(&world);
    } else {
        converse(&world);
    }
    const bool untouched = and_all_later ? world.enough_for > 0 : world.heap.fail_at > 0;
    world.heap.fail_at = world.enough_for = -1;
    h2_commit(&world);
    pass(&world, IDLE_MS + TICKS_MS);
    still_serves(&world);
    CHECK(hg_server_connections(world.server) == 0);
    h2_world_close(&world, library);
    return untouched;
}

int main(void) {
    long number = 1;
    while (!goes_well(number, false)) {
        number += 1;
    }
    printf("test_http2_memory: %ld allocations, each refused once\n", number - 1);
    CHECK(number > 60);
    for (number = 0; !goes_well(number, true); number++) {
    }
    CHECK(number > 20);
    return 0;
}
