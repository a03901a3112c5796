/* Invariant: answering by recall = answering the long way. Two servers are told the same; to the one each block of fields comes padded
 * with nothing, so that it is neither recalled nor respelled (http2/recall.c). What they say is the same, byte for byte.
 *
 * Input: records that make blocks out of stock (fields as they are spelled, some of which change HPACK's table), alter a byte of one,
 * send one of them as a request, in two frames or as trailers, send frames of other kinds, and let the servers serve. */
#include "../../tests/c/check_http2.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS = 64, BLOCKS = 3, ROOM = 1024, FIELDS = 12, PADDED_WITH_NOTHING = 1 };

struct block {
    uint8_t bytes[ROOM];
    uint32_t length;
};

#define SPELLED(bytes) {bytes, sizeof(bytes) - 1}
static const struct {
    const char *bytes;
    uint32_t length;
} stock[] = {
    SPELLED("\x82"), SPELLED("\x83"), SPELLED("\x84"), SPELLED("\x86"), SPELLED("\x87"), /* GET, POST, /, http, https */
    SPELLED("\xbe"), SPELLED("\xbf"), SPELLED("\xc0"), SPELLED("\xc1"),                  /* of the table */
    SPELLED("\x20"), SPELLED("\x3f\x11"), SPELLED("\x3f\xe1\x1f"),                       /* its size: 0, 48, 4096 bytes */
    SPELLED("\x41\x01" "a"), SPELLED("\x01\x01" "a"), SPELLED("\x01\x01" "b"),           /* :authority */
    SPELLED("\x02\x04" "HEAD"), SPELLED("\x02\x07" "OPTIONS"), SPELLED("\x02\x07" "CONNECT"), SPELLED("\x42\x03" "PUT"),
    SPELLED("\x04\x10" "/v1/streams/safe"), SPELLED("\x44\x10" "/v1/streams/safe"), SPELLED("\x04\x0f" "/v1/streams/any"),
    SPELLED("\x04\x0c" "/v1/cache/ke"), SPELLED("\x04\x01" "*"), SPELLED("\x04\x08" "/healthz"),
    SPELLED("\x04\x91\x60\x75\x99\x8c\x38\x7b\x21\x91\x8c\x72\x5c\x1c\x8e\x64\x2c\xa1\x7f"), /* Huffman code, or nearly */
    SPELLED("\x0f\x0d\x01" "2"), SPELLED("\x0f\x0d\x01" "9"), SPELLED("\x5c\x01" "2"), SPELLED("\x0f\x0d\x00"), /* content-length */
    SPELLED("\x0f\x10\x10" "application/json"), SPELLED("\x5f\x10" "application/json"), /* content-type */
    SPELLED("\x0f\x10\x10" "application/grpc"),
    SPELLED("\x00\x08" "priority" "\x03" "u=7"), SPELLED("\x40\x08" "priority" "\x03" "u=0"),
    SPELLED("\x00\x02" "te" "\x08" "trailers"), SPELLED("\x00\x02" "te" "\x04" "gzip"),
    SPELLED("\x00\x04" "host" "\x01" "a"), SPELLED("\x00\x04" "host" "\x01" "b"),
    SPELLED("\x00\x01" "x" "\x01" "\n"), SPELLED("\x00\x01" "X" "\x01" "y"), SPELLED("\x40\x01" "x" "\x01" "y"),
    SPELLED("\x00\x0a" "connection" "\x05" "close"), SPELLED("\x00\x0f" "idempotency-key" "\x01" "k"),
};

static void add(struct block *block, const void *bytes, uint32_t length) {
    if (length <= ROOM - block->length) {
        memcpy(block->bytes + block->length, bytes, length);
        block->length += length;
    }
}

static void add_stock(struct block *block, uint8_t choice) {
    uint8_t token[600];
    const uint32_t one = choice % (sizeof stock / sizeof *stock + 1);
    if (one == sizeof stock / sizeof *stock) {
        add(block, token, h2_token(token));
    } else {
        add(block, stock[one].bytes, stock[one].length);
    }
}

/* A request that may be answered, and more fields as the input says. */
static void make(struct block *block, struct input *input) {
    const uint8_t what = take_byte(input);
    block->length = 0;
    if ((what & 1) != 0) {
        block->length = h2_head(block->bytes, (what & 2) != 0 ? "POST" : "GET", (what & 4) != 0 ? "/v1/streams/safe" : "/v1/cache/k",
                                (what & 8) != 0 ? "application/json" : NULL);
    } else if ((what & 2) != 0) {
        block->length = h2_coded_head(block->bytes, ROOM, "GET", (what & 4) != 0 ? "/v1/cache/a-longer-key" : "/v1/cache/k", NULL);
    }
    for (uint32_t i = 0; i < what / 16u % FIELDS; i++) {
        add_stock(block, take_byte(input));
    }
}

struct pair {
    struct world worlds[2]; /* that recalls; that does not */
    struct hg_library *libraries[2];
    struct h2_client clients[2];
    uint32_t looked; /* bytes of what they said */
};

static void tell_both(struct pair *pair, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, uint32_t length) {
    for (int i = 0; i < 2; i++) {
        h2_say(&pair->worlds[i], &pair->clients[i], type, flags, stream, payload, length);
    }
}

/* HEADERS with all of a block. */
static void tell_block(struct pair *pair, uint8_t flags, uint32_t stream, const struct block *block) {
    uint8_t padded[1 + ROOM] = {0};
    h2_say(&pair->worlds[0], &pair->clients[0], NGHTTP2_HEADERS, flags | WHOLE, stream, block->bytes, block->length);
    memcpy(padded + PADDED_WITH_NOTHING, block->bytes, block->length);
    h2_say(&pair->worlds[1], &pair->clients[1], NGHTTP2_HEADERS, flags | WHOLE | NGHTTP2_FLAG_PADDED, stream, padded,
           PADDED_WITH_NOTHING + block->length);
}

static void serve_both(struct pair *pair) {
    const struct net_bytes *said[2];
    for (int i = 0; i < 2; i++) {
        struct world *world = &pair->worlds[i];
        serve(world);
        h2_commit(world);
        forget_events(world);
        said[i] = &net_of(&world->net, pair->clients[i].fd)->out;
    }
    CHECK(said[0]->length == said[1]->length && memcmp(said[0]->data, said[1]->data, said[0]->length) == 0);
}

static void ask(struct pair *pair, uint32_t stream, uint8_t how, const struct block *block, const struct block *trailers) {
    const uint32_t half = block->length / 2;
    const uint8_t ends = (how & 1) != 0 ? FIN : 0;
    if ((how & 6) == 6) {
        tell_both(pair, NGHTTP2_HEADERS, ends, stream, block->bytes, half);
        tell_both(pair, NGHTTP2_CONTINUATION, WHOLE, stream, block->bytes + half, block->length - half);
    } else {
        tell_block(pair, ends, stream, block);
    }
    if (ends == 0) {
        tell_both(pair, NGHTTP2_DATA, (how & 8) != 0 ? FIN : 0, stream, "{}", 2);
        if ((how & 8) == 0) {
            tell_block(pair, FIN, stream, trailers);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct pair pair;
    struct block blocks[BLOCKS] = {0};
    struct input input = {data, size};
    uint32_t stream = 1;
    for (int i = 0; i < 2; i++) {
        pair.libraries[i] = h2_world(&pair.worlds[i], NULL);
        pair.clients[i] = (struct h2_client){.fd = net_connect(&pair.worlds[i].net, pair.worlds[i].listener)};
        h2_greet(&pair.worlds[i], &pair.clients[i]);
        serve(&pair.worlds[i]);
    }
    for (int i = 0; i < RECORDS && input.left != 0; i++) {
        const uint8_t kind = take_byte(&input);
        struct block *block = &blocks[(kind >> 3) % BLOCKS];
        uint8_t payload[8]; /* a GOAWAY's */
        switch (kind & 7) {
        case 0: make(block, &input); break;
        case 1:
            if (block->length != 0) {
                block->bytes[take_byte(&input) % block->length] = take_byte(&input);
            }
            break;
        case 2: /* any frame that is none of the above */
            for (uint32_t at = 0; at < sizeof payload; at++) {
                payload[at] = take_byte(&input);
            }
            tell_both(&pair, payload[6] % 10, payload[7] & 0xf7, (kind & 128) != 0 ? stream : 0, payload, kind / 16u % (sizeof payload + 1));
            break;
        case 3: serve_both(&pair); break;
        default: {
            const uint8_t how = take_byte(&input);
            ask(&pair, stream, how, block, &blocks[how / 16u % BLOCKS]);
            stream += 2;
        }
        }
    }
    serve_both(&pair);
    for (int i = 0; i < 2; i++) {
        still_serves(&pair.worlds[i]);
        h2_world_close(&pair.worlds[i], pair.libraries[i]);
    }
    return 0;
}
