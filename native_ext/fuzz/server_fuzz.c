/* Invariant: whatever clients send and however they stall, leave or reset, whatever the outbox and Python do meanwhile: no crash, no
 * leak, answers are whole HTTP in the order of the requests, and when everybody has gone nothing is held any more. What comes in
 * one piece is answered as when it comes byte by byte.
 *
 * Input: options; then a script, operations of two bytes and their arguments; or what one client sends, texts and bytes. */
#include "../../tests/c/check_server.h"
#include "core/connection.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 4, OPERATIONS = 64, LENT = 32, LARGE = 70000, STREAM = 1024 };

/* What clients say, beside bytes of the input: before and after the token, if there is one. */
static const struct text {
    const char *start, *rest; /* rest NULL: without token */
} texts[] = {
    {HEALTH, NULL},
    {METRICS, NULL},
    {"GET /n", NULL}, /* and a number that grows: the answer has it */
    {"PUT /v1/cache/k HTTP/1.1\r\nHost: a\r\n", "Content-Length: 5\r\n\r\nvalue"},
    {"GET /v1/cache/k HTTP/1.1\r\nHost: a\r\n", "\r\n"},
    {"POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\n" JSON_FIELD, "Content-Length: 7\r\n\r\n{\"t\":1}"},
    {"POST /v1/streams/any HTTP/1.1\r\nHost: a\r\n" JSON_FIELD, "Transfer-Encoding: chunked\r\n\r\n"},
    {"POST /v1/streams/safe HTTP/1.1\r\nHost: a\r\n" JSON_FIELD, "Content-Length: 1\r\n\r\n1"},
    {"POST /v1/streams/safe HTTP/1.1\r\nHost: a\r\n" JSON_FIELD, "Idempotency-Key: k\r\nContent-Length: 1\r\n\r\n1"},
    {"POST /v1/streams/any HTTP/1.1\r\nHost: a\r\n" JSON_FIELD, "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n"},
    {"POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", NULL},
    {"POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\n" JSON_FIELD, "Content-Length: 3000\r\n\r\n"},
    {"5\r\n{\"t\":\r\n", NULL},
    {"2\r\n1}\r\n0\r\n\r\n", NULL},
    {"\r\n", NULL},
    {HEALTH_CLOSE, NULL},
};
enum { NUMBERED = 2, TEXTS = sizeof texts / sizeof texts[0] };

/* -> length of text `index`. */
static uint32_t make_text(uint32_t index, uint32_t number, char text[1024]) {
    const struct text *from = &texts[index];
    const int length = index == NUMBERED ? snprintf(text, 1024, "%s%u HTTP/1.1\r\nHost: a\r\n\r\n", from->start, number)
                                         : snprintf(text, 1024, "%s%s%s", from->start, from->rest == NULL ? "" : bearer,
                                                    from->rest == NULL ? "" : from->rest);
    CHECK(length > 0 && length < 1024);
    return (uint32_t)length;
}

/* In upper or lower case; every byte of the text XOR `mask`. */
static bool has_word(const uint8_t *text, uint32_t text_length, uint8_t mask, const char *word) {
    const uint32_t length = (uint32_t)strlen(word);
    for (uint32_t i = 0; i + length <= text_length; i++) {
        uint32_t same = 0;
        while (same < length && ((text[i + same] ^ mask) | 0x20) == (uint8_t)word[same]) {
            same++;
        }
        if (same == length) {
            return true;
        }
    }
    return false;
}

/* --- Python ---------------------------------------------------------------------------------------------------------- */

static int answer_lent(struct world *world, uint64_t id, uint32_t length, const char *more) {
    static char answer[LARGE + 200];
    const int head = snprintf(answer, 200, "HTTP/1.1 200 OK\r\n%sContent-Length: %u\r\n\r\n", more, length);
    memset(answer + head, 'p', length);
    return hg_server_lent_write(world->server, id, (const uint8_t *)answer, (uint32_t)head + length);
}

/* Serves what was lent at once, the same way however much of the input is there. */
static void serve_lent(struct world *world) {
    for (uint32_t i = 0; i < world->event_count; i++) {
        const uint64_t id = world->events[i].id;
        static uint8_t input[65536 * 2];
        if (world->events[i].kind != HG_EVENT_LENT) {
            continue;
        }
        const int32_t length = hg_server_lent_read(world->server, id, input, sizeof input);
        const int32_t head = (int32_t)strlen(METRICS);
        if (length >= head && memcmp(input, METRICS, (size_t)head) == 0) {
            (void)answer_lent(world, id, 6, "");
            (void)hg_server_lent_return(world->server, id, input + head, (uint32_t)(length - head));
        } else {
            (void)answer_lent(world, id, 6, "Connection: close\r\n");
            (void)hg_server_lent_close(world->server, id, false);
        }
    }
    forget_events(world);
}

/* --- the outbox ------------------------------------------------------------------------------------------------------ */

static const char *outcome_of(void *context, uint32_t index) {
    static const char *const outcomes[] = {NULL, "6.5", ""};
    return outcomes[(*(const uint8_t *)context + index) % 3];
}

static void commit(struct world *world, uint8_t choice) {
    struct hg_batch batch;
    hg_intake_take(&world->intake, 8, UINT64_MAX, &batch);
    hg_server_release(world->server, &batch, outcome_of, &choice);
}

/* --- clients --------------------------------------------------------------------------------------------------------- */

struct client {
    int fd; /* 0: none */
    bool secure, raw; /* raw: it has sent bytes of the input, and may have asked for anything */
    uint32_t number;
};

static void client_sends(struct world *world, struct client *client, const uint8_t *data, uint32_t length) {
    static uint8_t record[4096];
    CHECK(length <= sizeof record);
    for (uint32_t i = 0; i < length; i++) {
        record[i] = client->secure && data[i] < TOY_CLOSE ? data[i] ^ TOY_MASK : data[i];
    }
    net_send(&world->net, client->fd, record, length);
}

/* Of a problem about "/n<number>"; -1: it is none. */
static int64_t number_of(const struct answer *answer) {
    static const char mark[] = "\"instance\":\"/n";
    for (uint32_t i = 0; i + sizeof mark <= answer->length; i++) {
        if (memcmp(answer->body + i, mark, sizeof mark - 1) == 0) {
            return strtol((const char *)answer->body + i + sizeof mark - 1, NULL, 10);
        }
    }
    return -1;
}

/* Everything a client has heard: whole answers; half a one, or an alert, only at the end. */
static void check_heard(struct world *world, const struct client *client) {
    struct net_socket *socket = net_of(&world->net, client->fd);
    struct answer answer = {.close = false};
    int64_t last = -1;
    if (client->raw && (client->secure || has_word(socket->in.data, socket->in.length, 0, "head"))) {
        return; /* without the requests the answers cannot be told apart */
    }
    for (uint32_t i = 0; client->secure && i < socket->out.length; i++) {
        const uint8_t byte = socket->out.data[i];
        if (i == 0 || byte == 'A' || byte == TOY_CLOSE) { /* the greeting, the end */
            socket->out.at = i == 0 && byte == 'S' ? 1 : socket->out.at;
            socket->out.length = i == 0 ? socket->out.length : i;
            if (i == 0 && byte != 'S') {
                return;
            }
            continue;
        }
        socket->out.data[i] = byte ^ TOY_MASK;
    }
    while (hears(world, client->fd, false, &answer)) {
        const int64_t number = number_of(&answer);
        CHECK(number < 0 || number > last || client->raw);
        last = number < 0 ? last : number;
        CHECK(!answer.close || is_silent(world, client->fd)); /* the last one */
    }
}

static void open_client(struct world *world, struct client *client, int secure, uint8_t choice) {
    if (client->fd != 0) {
        if (!net_of(&world->net, client->fd)->closed) {
            net_leave(&world->net, client->fd);
        }
        serve(world);
        check_heard(world, client);
    }
    *client = (struct client){.secure = (choice & 1) != 0};
    client->fd = net_connect(&world->net, client->secure ? secure : world->listener);
    struct net_socket *socket = net_of(&world->net, client->fd);
    socket->piece = (choice & 2) != 0 ? 1 + choice / 4 % 8u : NET_ENDLESS;
    socket->stroke = (choice & 64) != 0 ? 1 : NET_ENDLESS;
    if (client->secure) {
        net_send(&world->net, client->fd, (choice & 128) != 0 ? "C" : "H", 1);
    }
}

/* --- a script -------------------------------------------------------------------------------------------------------- */

struct script {
    struct world world;
    int secure;
    struct client clients[CLIENTS];
    uint64_t lent[LENT];
    uint32_t lent_count;
};

static void keep_lent(struct script *run) {
    struct world *world = &run->world;
    for (uint32_t i = 0; i < world->event_count; i++) {
        if (world->events[i].kind == HG_EVENT_LENT) {
            CHECK(run->lent_count < LENT); /* one for each client there ever was, and given back before it is lent again */
            run->lent[run->lent_count++] = world->events[i].id;
        }
    }
    forget_events(world);
}

static void do_lent(struct script *run, uint8_t choice, uint8_t which) {
    struct hg_server *server = run->world.server;
    uint8_t input[256];
    if (run->lent_count == 0) {
        return;
    }
    which = (uint8_t)(which % run->lent_count);
    const uint64_t id = run->lent[which];
    switch (choice % 8) {
    case 0:
    case 1: (void)hg_server_lent_read(server, id, input, 1 + choice / 8u); return;
    case 2: (void)answer_lent(&run->world, id, choice, ""); return;
    case 3: (void)answer_lent(&run->world, id, LARGE, ""); return;
    case 4: (void)hg_server_lent_finish(server, id); return;
    case 5: (void)hg_server_lent_return(server, id, (const uint8_t *)HEALTH, choice / 8u % (uint32_t)sizeof HEALTH); break;
    default: (void)hg_server_lent_close(server, id, choice % 8 == 6); break;
    }
    (void)hg_server_lent_close(server, id, true); /* -EBADF, unless it could not be given back */
    CHECK(hg_server_lent_read(server, id, input, 1) == -EBADF);
    run->lent[which] = run->lent[--run->lent_count];
}

static void operate(struct script *run, struct input *input) {
    static const uint32_t times_ms[] = {1, HG_TICK_MS, HG_LINGER_MS, HEAD_MS, BODY_MS, IDLE_MS};
    struct world *world = &run->world;
    const uint8_t first = take_byte(input), choice = take_byte(input);
    struct client *client = &run->clients[first / 16 % CLIENTS];
    const bool there = client->fd != 0;
    char text[1024];
    switch (first % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (there) {
            const uint32_t length = make_text(choice % TEXTS, client->number++, text);
            client_sends(world, client, (const uint8_t *)text, choice < 224 ? length : length / 2);
        }
        break;
    case 4: {
        const uint32_t length = choice < input->left ? choice : (uint32_t)input->left;
        if (there) {
            client_sends(world, client, input->data, length);
            client->raw = true;
        }
        input->data += length;
        input->left -= length;
        break;
    }
    case 5: open_client(world, client, run->secure, choice); break;
    case 6:
        if (there && choice < 64) {
            net_reset(&world->net, client->fd);
        } else if (there && choice < 128) {
            net_leave(&world->net, client->fd);
        } else if (there) {
            net_end(&world->net, client->fd);
        }
        break;
    case 7:
        if (there) {
            net_of(&world->net, client->fd)->window = choice;
        }
        break;
    case 8:
        if (there) {
            net_widen(&world->net, client->fd, choice == 255 ? NET_ENDLESS : choice * 64u);
        }
        break;
    case 9: world->net.now_us += (int64_t)times_ms[choice % 6] * 1000 + choice; break;
    case 10: commit(world, choice); break;
    case 11: {
        struct hg_batch batch;
        hg_intake_take(&world->intake, choice % 4u, UINT64_MAX, &batch);
        hg_server_fail(world->server, &batch, &(struct hg_problem){503, HG_P_STORAGE_FAILED, false, ""}, choice % 2u);
        break;
    }
    case 12:
    case 13: do_lent(run, choice, first / 16); break;
    case 14:
        if (choice < 8) {
            hg_server_drain(world->server);
        } else if (choice < 16) {
            hg_server_abort(world->server);
        } else if (choice < 64) {
            world->net.no_files = choice % 2 == 0;
        } else if (world->second == NULL) {
            world->second = make_plan(1 + choice % 3u, IDLE_MS);
            hg_server_plan(world->server, world->second);
        }
        break;
    default: (void)turn(world, choice % 4 == 0 ? 2 * IDLE_MS : choice); break;
    }
    if (first < 192) {
        serve(world);
    }
    keep_lent(run);
}

static struct script script; /* of this run */

static void run_script(struct input input, uint8_t options_byte) {
    const struct world_options options = {.connections = 1 + options_byte % 4u,
                                          .turn_us = (options_byte & 4) != 0 ? 50 : 0,
                                          .buffer_bytes = (options_byte & 8) != 0 ? 4096 : (options_byte & 16) != 0 ? 65536 : 0,
                                          .batch_rows = 2,
                                          .batches = 2};
    struct world *world = &script.world;
    script.lent_count = 0;
    memset(script.clients, 0, sizeof script.clients);
    world_prepare(world, &options);
    CHECK(world_serve(world, &options));
    script.secure = net_add(&world->net, NET_LISTENER);
    CHECK(hg_server_listen(world->server, script.secure, &world->tls) == 0);
    world->net.cost_us = (options_byte & 32) != 0 ? 20 : 0;
    world->heap.fail_at = (options_byte & 64) != 0 ? 1 + take_byte(&input) : -1;
    for (int i = 0; i < OPERATIONS && input.left > 0; i++) {
        operate(&script, &input);
    }
    world->net.cost_us = 0;
    world->net.no_files = false;
    world->heap.fail_at = -1;
    for (int i = 0; i < CLIENTS; i++) {
        if (script.clients[i].fd != 0) {
            net_widen(&world->net, script.clients[i].fd, NET_ENDLESS);
            net_of(&world->net, script.clients[i].fd)->stroke = NET_ENDLESS;
        }
    }
    do {
        serve(world);
        keep_lent(&script);
        while (script.lent_count != 0) {
            do_lent(&script, 7, 0);
        }
        commit(world, 0);
        serve(world);
    } while (world->intake.rows != 0 || told(world, HG_EVENT_LENT, NULL) != 0);
    for (int i = 0; i < CLIENTS; i++) {
        if (script.clients[i].fd != 0) {
            check_heard(world, &script.clients[i]);
            net_leave(&world->net, script.clients[i].fd);
        }
    }
    for (int i = 0; i < 3; i++) {
        pass(world, IDLE_MS + HG_LINGER_MS);
        keep_lent(&script);
        while (script.lent_count != 0) {
            do_lent(&script, 6, 0);
        }
        commit(world, 0);
        serve(world);
    }
    CHECK(hg_server_connections(world->server) == 0 && world->plan->users == 0);
    CHECK(hg_server_memory(world->server) <= 2 * HG_PAGE * sizeof(struct hg_connection));
    hg_server_unlisten(world->server, script.secure);
    world_close(world);
}

/* --- the same stream, cut differently -------------------------------------------------------------------------------- */

/* Python and the outbox do at once what there is for them. -> there was something */
static bool attend(struct world *world) {
    const bool busy = world->event_count != 0;
    struct hg_batch batch;
    serve_lent(world);
    hg_intake_take(&world->intake, 8, UINT64_MAX, &batch);
    hg_server_release(world->server, &batch, NULL, NULL);
    return busy;
}

static void deliver(struct world *world, int fd, const uint8_t *data, uint32_t length, uint32_t step) {
    for (uint32_t at = 0; at < length; at += step) {
        net_send(&world->net, fd, data + at, length - at < step ? length - at : step);
        CHECK(turn(world, 0) == 0);
        (void)attend(world);
    }
    do {
        serve(world);
    } while (attend(world));
    net_end(&world->net, fd);
    do {
        serve(world);
    } while (attend(world));
}

static void run_stream(struct input input) {
    static struct net_bytes stream;
    static struct world whole, bytes;
    char text[1024];
    stream.at = stream.length = 0;
    while (input.left > 0 && stream.length < STREAM) {
        const uint8_t choice = take_byte(&input);
        if (choice < 128) {
            net_push(&stream, text, make_text(choice % TEXTS, stream.length, text));
        } else {
            const uint32_t length = choice - 128u < input.left ? choice - 128u : (uint32_t)input.left;
            net_push(&stream, input.data, length);
            input.data += length;
            input.left -= length;
        }
    }
    /* Whether a body is asked for depends on when it comes. */
    if (stream.length == 0 || has_word(stream.data, stream.length, 0, "expect")) {
        return;
    }
    world_open(&whole, NULL);
    world_open(&bytes, NULL);
    const int one = connect_client(&whole), other = connect_client(&bytes);
    net_of(&bytes.net, other)->stroke = 3;
    deliver(&whole, one, stream.data, stream.length, stream.length);
    deliver(&bytes, other, stream.data, stream.length, 1);
    const struct net_bytes *a = &net_of(&whole.net, one)->out, *b = &net_of(&bytes.net, other)->out;
    CHECK(a->length == b->length && (a->length == 0 || memcmp(a->data, b->data, a->length) == 0));
    CHECK(is_closed(&whole, one) == is_closed(&bytes, other));
    CHECK(whole.gate.counters.accepted == bytes.gate.counters.accepted);
    world_close(&whole);
    world_close(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    const uint8_t options = take_byte(&input);
    if ((options & 128) != 0) {
        run_stream(input);
    } else {
        run_script(input, options);
    }
    return 0;
}
