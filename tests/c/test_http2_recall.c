/* Values in Huffman code, and whole blocks of fields, that come again and again (http2/recall.c, recall_block.c): whatever was said
 * before, a request means what it says now. */
#include "check_http2.h"

#define FIRST "/v1/cache/the-first-of-two"
#define SECOND "/v1/cache/the-second-one"

enum { BLOCK = 2048 };

/* Frame number `turn` of a stream, in one of several shapes that mean the same. */
static void ask(struct world *world, const struct h2_client *client, uint32_t stream, uint32_t shape, const uint8_t *block, uint32_t length) {
    uint8_t payload[BLOCK + 16] = {0}, frame[BLOCK + 32];
    switch (shape) {
    case 0: h2_say(world, client, NGHTTP2_HEADERS, FIN | WHOLE, stream, block, length); break;
    case 1: /* priority */
        payload[4] = 15;
        memcpy(payload + 5, block, length);
        h2_say(world, client, NGHTTP2_HEADERS, FIN | WHOLE | NGHTTP2_FLAG_PRIORITY, stream, payload, length + 5);
        break;
    case 2: /* padded */
        payload[0] = 3;
        memcpy(payload + 1, block, length);
        h2_say(world, client, NGHTTP2_HEADERS, FIN | WHOLE | NGHTTP2_FLAG_PADDED, stream, payload, length + 4);
        break;
    case 3: /* in two frames */
        h2_say(world, client, NGHTTP2_HEADERS, FIN, stream, block, length / 2);
        h2_say(world, client, NGHTTP2_CONTINUATION, WHOLE, stream, block + length / 2, length - length / 2);
        break;
    default: /* the frame in two reads, cut in its head or behind it */
        length = h2_put(frame, NGHTTP2_HEADERS, FIN | WHOLE, stream, block, length);
        net_send(&world->net, client->fd, frame, shape);
        serve(world);
        net_send(&world->net, client->fd, frame + shape, length - shape);
    }
}

static struct h2_client connect_with_two(struct world *world) {
    struct h2_client client = h2_connect(world);
    for (uint32_t stream = 1; stream <= 3; stream += 2) {
        h2_ask(world, &client, stream, "PUT", stream == 1 ? FIRST : SECOND, NULL, false);
        h2_say(world, &client, NGHTTP2_DATA, FIN, stream, stream == 1 ? "one" : "two", 3);
        h2_expect(world, &client, stream, 201, "");
    }
    return client;
}

static void test_said_again(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = connect_with_two(&world);
    uint8_t block[BLOCK];
    uint32_t stream = 5;
    for (uint32_t i = 0; i < 60; i++, stream += 2) {
        const bool first = i / 3 % 2 == 0;
        ask(&world, &client, stream, i % 12, block, h2_coded_head(block, sizeof block, "GET", first ? FIRST : SECOND, NULL));
        h2_expect(&world, &client, stream, 200, first ? "one" : "two");
    }
    for (uint32_t i = 0; i < 6; i++, stream += 2) { /* another token, as long as the one before */
        char token[512];
        snprintf(token, sizeof token, "%.*s", (int)strcspn(strchr(bearer, ' ') + 1, "\r"), strchr(bearer, ' ') + 1);
        char *const last = token + strlen(token) - 1;
        *last = *last == 'A' ? 'B' : 'A'; /* both of 6 bits, but for 'B' (7), which is another length */
        ask(&world, &client, stream, 0, block, h2_coded_head(block, sizeof block, "GET", FIRST, i % 3 == 2 ? NULL : token));
        h2_expect(&world, &client, stream, i % 3 == 2 ? 200 : 401, "");
    }
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* Longer than one byte of a length tells, in code and decoded. */
static void test_long_values(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    uint8_t block[BLOCK];
    uint32_t stream = 1;
    for (uint32_t length = 120; length < 420; length += 7) {
        char path[512], known[640];
        memset(path, 'a', length);
        memcpy(path, "/nowhere/", 9);
        path[length] = '\0';
        snprintf(known, sizeof known, "\"instance\":\"%s\"", path);
        for (int i = 0; i < 3; i++, stream += 2) {
            ask(&world, &client, stream, 0, block, h2_coded_head(block, sizeof block, "GET", path, NULL));
            h2_expect(&world, &client, stream, 404, known);
        }
    }
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* What is wrong stays wrong, however often it is said, and libnghttp2 is who says so. */
static void test_wrong_values(void) {
    static const struct {
        const char *block;
        uint32_t length;
    } wrong[] = {
        {"\x82\x86\x04\x8c\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16},     /* the code's end, inside */
        {"\x82\x86\x04\x8d\x60\x60\x60\x60\x60\x60\x60\x60\x60\x60\x60\x60\xff", 17}, /* padding of a whole byte */
        {"\x82\x86\x04\xff\xff\xff\xff\xff\xff\x0f", 10},                               /* a length without end */
        {"\x82\x86\x04\x8f\x60", 5},                                                   /* cut */
        {"\x82\x86\x1f", 3},                                                            /* a number cut */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct world world;
        struct hg_library *library = h2_world(&world, NULL);
        struct h2_client client = h2_connect(&world);
        struct h2_answer answer = {.stream = 1};
        for (uint32_t stream = 1; stream <= 5; stream += 2) {
            h2_say(&world, &client, NGHTTP2_HEADERS, FIN | WHOLE, stream, wrong[i].block, wrong[i].length);
        }
        serve(&world);
        CHECK(h2_listen(&world, &client, &answer, 1) == NGHTTP2_COMPRESSION_ERROR && answer.status == 0);
        h2_forget(&client);
        h2_world_close(&world, library);
    }
}

/* ":path" into HPACK's table, and a whole request. -> bytes */
static uint32_t indexed_path(uint8_t *block, const char *path) {
    uint32_t at = 0;
    block[at++] = 0x82;
    block[at++] = 0x86;
    block[at++] = 0x44;
    block[at++] = (uint8_t)strlen(path);
    memcpy(block + at, path, strlen(path));
    at += (uint32_t)strlen(path);
    at += h2_field(block + at, ":authority", "a");
    return at + h2_token(block + at);
}

/* The same bytes, which name an entry of the table, mean what is there now. */
static void test_the_table_changes(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = connect_with_two(&world);
    struct h2_answer answer;
    uint8_t block[BLOCK], named[BLOCK] = {0x82, 0x86, 0xbe};
    uint32_t stream = 5, length, named_length = 3;
    named_length += h2_field(named + named_length, ":authority", "a");
    named_length += h2_token(named + named_length);
    for (uint32_t turn = 0; turn < 24; turn++) {
        const char *said = turn % 2 == 0 ? "one" : "two";
        length = indexed_path(block, turn % 2 == 0 ? FIRST : SECOND);
        ask(&world, &client, stream, turn % 12, block, length);
        h2_expect(&world, &client, stream, 200, said);
        stream += 2;
        for (int i = 0; i < 4; i++, stream += 2) {
            ask(&world, &client, stream, 0, named, named_length);
            h2_expect(&world, &client, stream, 200, said);
        }
    }
    memcpy(block, "\x20\x3f\xe1\x1f", 4); /* the table is emptied, and has its size again */
    length = 4 + h2_head(block + 4, "GET", FIRST, NULL);
    ask(&world, &client, stream, 0, block, length);
    h2_expect(&world, &client, stream, 200, "one");
    ask(&world, &client, stream + 2, 0, named, named_length);
    serve(&world);
    memset(&answer, 0, sizeof answer);
    CHECK(h2_listen(&world, &client, &answer, 1) == NGHTTP2_COMPRESSION_ERROR);
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* What libnghttp2 holds a request to is said in a block that stands for another, too. */
static void test_a_length_is_kept(void) {
    static const char *const bodies[] = {"{}", "{}", "{}", "{} ", "{", "{}"};
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    uint8_t block[BLOCK];
    uint32_t length = h2_head(block, "POST", "/v1/streams/any", "application/json"), stream = 1;
    length += h2_field(block + length, "content-length", "2");
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++, stream += 2) {
        static struct h2_answer answer;
        const uint32_t body = (uint32_t)strlen(bodies[i]);
        memset(&answer, 0, sizeof answer);
        answer.stream = stream;
        h2_say(&world, &client, NGHTTP2_HEADERS, WHOLE, stream, block, length);
        h2_say(&world, &client, NGHTTP2_DATA, FIN, stream, bodies[i], body);
        serve(&world);
        h2_commit(&world);
        CHECK(h2_listen(&world, &client, &answer, 1) == -1);
        CHECK(body == 2 ? answer.status == 202 && !answer.reset : answer.reset && answer.code == NGHTTP2_PROTOCOL_ERROR);
    }
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* In one read with others, each is what it is. */
static void test_many_in_one_read(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = connect_with_two(&world);
    static struct h2_answer answers[12];
    memset(answers, 0, sizeof answers);
    for (uint32_t i = 0; i < 12; i++) {
        answers[i].stream = 5 + 2 * i;
        h2_ask(&world, &client, answers[i].stream, "GET", i % 5 == 0 ? FIRST : SECOND, NULL, true);
    }
    serve(&world);
    CHECK(h2_listen(&world, &client, answers, 12) == -1);
    for (uint32_t i = 0; i < 12; i++) {
        CHECK(answers[i].status == 200 && strcmp(answers[i].body, i % 5 == 0 ? "one" : "two") == 0);
    }
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* Methods and priorities that libnghttp2 goes by. */
static void test_what_is_never_recalled(void) {
    static const struct {
        const char *method, *path;
        int status;
    } asked[] = {{"HEAD", FIRST, 200}, {"OPTIONS", "*", 400}, {"GET", FIRST, 200}};
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = connect_with_two(&world);
    uint8_t block[BLOCK];
    uint32_t stream = 5;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        uint32_t length = h2_head(block, asked[i].method, asked[i].path, NULL);
        length += h2_field(block + length, "priority", "u=1");
        for (int again = 0; again < 4; again++, stream += 2) {
            ask(&world, &client, stream, 0, block, length);
            h2_expect(&world, &client, stream, asked[i].status, "");
        }
    }
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* Trailers are judged by what the request had. */
static void test_host_twice(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    uint8_t block[BLOCK], trailers[BLOCK];
    const uint32_t length = h2_head(block, "PUT", FIRST, NULL), more = h2_field(block + length, "host", "a");
    const uint32_t trailer = h2_field(trailers, "host", "a");
    for (uint32_t stream = 1; stream < 11; stream += 2) {
        h2_say(&world, &client, NGHTTP2_HEADERS, WHOLE, stream, block, length + more);
        h2_say(&world, &client, NGHTTP2_DATA, 0, stream, "one", 3);
        h2_say(&world, &client, NGHTTP2_HEADERS, FIN | WHOLE, stream, trailers, trailer);
        struct h2_answer answer = {.stream = stream};
        serve(&world);
        CHECK(h2_listen(&world, &client, &answer, 1) == -1);
        CHECK(answer.status == 0 && answer.reset && answer.code == NGHTTP2_PROTOCOL_ERROR);
    }
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* Fields of trailers are nobody's, and no part of a body that is being gathered, though a request was refused before. */
static void test_trailers_behind_a_refused_request(void) {
    static char value[15000];
    static uint8_t frames[16384 + BLOCK];
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    uint8_t block[BLOCK];
    uint32_t length;
    memset(value, '1', sizeof value - 1);
    length = h2_put(frames, NGHTTP2_HEADERS, WHOLE, 1, block, h2_head(block, "PUT", FIRST, NULL));
    uint32_t head = h2_head(block, "PUT", SECOND, NULL);
    head += h2_field(block + head, "content-length", "1");
    head += h2_field(block + head, "content-length", "1");
    length += h2_put(frames + length, NGHTTP2_HEADERS, WHOLE, 3, block, head);
    length += h2_put(frames + length, NGHTTP2_DATA, 0, 1, value, sizeof value - 1);
    length += h2_put(frames + length, NGHTTP2_HEADERS, FIN | WHOLE, 1, block, h2_field(block, "x", "y"));
    net_send(&world.net, client.fd, frames, length);
    h2_expect(&world, &client, 1, 201, "");
    h2_ask(&world, &client, 5, "GET", FIRST, NULL, true);
    h2_expect(&world, &client, 5, 200, value);
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* What comes behind a GOAWAY is served, or not, as without recall. */
static void test_behind_goaway(void) {
    static const uint8_t goaway[8] = {0};
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = connect_with_two(&world);
    for (uint32_t stream = 5; stream < 13; stream += 2) {
        h2_ask(&world, &client, stream, "GET", FIRST, NULL, true);
        h2_expect(&world, &client, stream, 200, "one");
    }
    uint8_t frames[2 * BLOCK], block[BLOCK];
    uint32_t length = h2_put(frames, NGHTTP2_GOAWAY, 0, 0, goaway, sizeof goaway);
    length += h2_put(frames + length, NGHTTP2_HEADERS, FIN | WHOLE, 13, block, h2_head(block, "GET", FIRST, NULL));
    net_send(&world.net, client.fd, frames, length);
    serve(&world);
    h2_expect(&world, &client, 13, 200, "one");
    h2_forget(&client);
    h2_world_close(&world, library);
}

int main(void) {
    test_the_table_changes();
    test_a_length_is_kept();
    test_many_in_one_read();
    test_what_is_never_recalled();
    test_host_twice();
    test_trailers_behind_a_refused_request();
    test_behind_goaway();
    test_said_again();
    test_long_values();
    test_wrong_values();
    return 0;
}
