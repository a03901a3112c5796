/* Invariant: whatever frames a peer sends, however they are cut and wherever memory is refused: no crash, no leak; what the server says
 * are whole frames of types that servers send; others are served meanwhile, and when the peer has gone nothing is held any more.
 *
 * Input: options; then records of a kind and a length: whole frames of the input, requests made here with bytes of the input as a
 * field or as a body, and raw bytes. */
#include "../../tests/c/check_http2.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS = 48 };

/* Every frame it says is whole and one of ours. */
static void check_said(struct world *world, int fd) {
    const struct net_bytes *out = &net_of(&world->net, fd)->out;
    uint32_t at = 0;
    if (out->length >= 5 && memcmp(out->data, "HTTP/", 5) == 0) {
        return; /* the preface was none */
    }
    while (out->length - at >= 9) {
        const uint8_t *head = out->data + at;
        const uint32_t length = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
        CHECK(length <= 16384 && head[3] <= NGHTTP2_CONTINUATION && head[3] != NGHTTP2_PUSH_PROMISE &&
              head[3] != NGHTTP2_PRIORITY);
        CHECK(head[3] != NGHTTP2_GOAWAY || length >= 8);
        if (out->length - at - 9 < length) {
            return; /* cut by the end of the connection */
        }
        at += 9 + length;
    }
}

/* Serves whatever was lent: an answer in chunks with a trailer, cut if the input says so. */
static void serve_lent(struct world *world, bool cut) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\nX-Sum: 1\r\n\r\n";
    for (uint32_t i = 0; i < world->event_count; i++) {
        static uint8_t input[65536];
        const uint64_t id = world->events[i].id;
        if (world->events[i].kind != HG_EVENT_LENT) {
            continue;
        }
        const int32_t length = hg_server_lent_read(world->server, id, input, sizeof input);
        CHECK(length < 0 || (length > 20 && input[0] >= 'A' && input[0] <= 'Z'));
        (void)hg_server_lent_write(world->server, id, (const uint8_t *)answer, sizeof answer - (cut ? 20 : 1));
        (void)hg_server_lent_close(world->server, id, false);
    }
    forget_events(world);
    serve(world);
}

static void commit(struct world *world) {
    struct hg_batch batch;
    hg_intake_take(&world->intake, 8, UINT64_MAX, &batch);
    hg_server_release(world->server, &batch, NULL, NULL);
    serve(world);
}

/* A request whose one field or body is the input's. */
static void request(struct world *world, const struct h2_client *client, uint32_t stream, uint8_t kind, const uint8_t *bytes,
                    uint32_t length) {
    static const char *const paths[] = {"/v1/streams/any", "/v1/streams/safe", "/healthz", "/metrics"};
    uint8_t block[2048];
    uint32_t at = h2_head(block, (kind & 16) != 0 ? "GET" : "POST", paths[kind >> 5 & 3],
                          (kind & 128) != 0 ? "application/x-ndjson" : "application/json");
    if ((kind & 4) != 0) { /* in Huffman code, one byte of which is the input's: what was said before is recalled or not */
        at = h2_coded_head(block, sizeof block, "GET", (kind & 32) != 0 ? "/v1/cache/a-longer-key" : "/v1/cache/another-key", NULL);
        if (length >= 2) {
            block[bytes[0] % at] = bytes[1];
        }
        h2_say(world, client, NGHTTP2_HEADERS, FIN | WHOLE, stream, block, at);
        return;
    }
    if ((kind & 8) != 0) { /* as bytes of the block */
        length = length < sizeof block - at ? length : (uint32_t)sizeof block - at;
        memcpy(block + at, bytes, length);
        h2_say(world, client, NGHTTP2_HEADERS, FIN | WHOLE, stream, block, at + length);
        return;
    }
    h2_say(world, client, NGHTTP2_HEADERS, WHOLE, stream, block, at);
    h2_say(world, client, NGHTTP2_DATA, FIN, stream, bytes, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct world world;
    struct input input = {data, size};
    const uint8_t options = take_byte(&input), starving = take_byte(&input);
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = {.fd = net_connect(&world.net, world.listener)};
    uint32_t stream = 1;
    net_of(&world.net, client.fd)->piece = (options & 1) != 0 ? 1u + (options >> 4) : NET_ENDLESS;
    net_of(&world.net, client.fd)->stroke = (options & 2) != 0 ? 7 : NET_ENDLESS;
    if ((options & 4) == 0) {
        h2_greet(&world, &client);
    }
    serve(&world);
    if ((options & 8) != 0) {
        world.heap.fail_at = 1 + starving;
    }
    for (int i = 0; i < RECORDS && input.left != 0; i++) {
        const uint8_t kind = take_byte(&input), wanted = take_byte(&input), flags = take_byte(&input);
        const uint32_t length = wanted < input.left ? wanted : (uint32_t)input.left;
        switch (kind & 7) {
        case 0: net_send(&world.net, client.fd, input.data, length); break;
        case 1: h2_say(&world, &client, kind >> 3 & 15, flags, (kind & 128) != 0 ? 0 : stream, input.data, length); break;
        case 2: h2_say(&world, &client, kind >> 3 & 15, flags, stream >= 3 ? stream - 2 : 1, input.data, length); break;
        case 3:
        case 4:
            request(&world, &client, stream, flags, input.data, length);
            stream += 2;
            break;
        case 5:
            serve(&world);
            commit(&world);
            break;
        case 6:
            serve(&world);
            serve_lent(&world, (kind & 8) != 0);
            break;
        default: pass(&world, (kind >> 3) * 400); break;
        }
        input.data += length;
        input.left -= length;
    }
    serve(&world);
    serve_lent(&world, false);
    commit(&world);
    check_said(&world, client.fd);
    world.heap.fail_at = -1;
    still_serves(&world);
    net_leave(&world.net, client.fd);
    serve(&world);
    serve_lent(&world, false);
    commit(&world);
    pass(&world, HG_LINGER_MS + TICKS_MS);
    CHECK(hg_server_connections(world.server) == 0);
    h2_world_close(&world, library);
    return 0;
}
