/* A load for one server on the loopback interface, from one thread: what wrk cannot do (a fixed rate, pipelining that
 * waits for the whole group, a connection for each request, RESP), and the same for every server.
 *
 *     loader PORT SECONDS FILE [-c connections] [-d depth] [-r requests_per_second] [-x] [-R]
 *
 * FILE: requests, each "<length>\n" and so many bytes; connections take them in turn. Closed loop: `depth` requests go
 * out in one write, the next when all are answered. -r: open loop; request i is due at i / rate on connection
 * i % connections whether or not earlier ones are answered, and its latency counts from then. -x: a connection each
 * (the requests should say Connection: close). -R: Redis' protocol instead of HTTP/1.1.
 *
 * One line of JSON when the time is over and what was sent is answered: requests answered, by status (RESP: 200 a value,
 * 404 none, 500 an error), broken connections, requests never answered, latencies in microseconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_NS 5000000000 /* how long answers are waited for in the end */
enum { MOST_CONNECTIONS = 4096, MOST_DEPTH = 64, MOST_REQUESTS = 4096, ANSWER = 16384, GROUP = 65536, STATUSES = 600 };

struct request {
    const char *data;
    size_t length;
};

struct connection {
    int fd;
    uint32_t next;         /* request of the file */
    uint32_t in_flight;    /* requests sent and not answered */
    int64_t sent_ns;       /* of what is in flight; open loop: due */
    uint64_t due;          /* open loop: requests of this connection that were due so far, and sent so far */
    uint64_t sent;
    uint32_t held;         /* bytes of an answer that is not complete */
    char answer[ANSWER];
};

static struct request requests[MOST_REQUESTS];
static uint32_t request_count;
static struct connection *connections;
static uint32_t connection_count = 64, depth = 1;
static double rate;
static bool closes, resp, ending; /* ending: nothing more is sent */
static int set, port;
static int64_t start_ns, end_ns;
static uint64_t answered, statuses[STATUSES], broken;

/* Latencies: 32 steps for each power of two of microseconds. */
enum { STEPS = 32, BUCKETS = 40 * STEPS };
static uint64_t buckets[BUCKETS], slowest_us;

static void die(const char *what) {
    fprintf(stderr, "loader: %s: %s\n", what, errno == 0 ? "refused" : strerror(errno));
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void note_latency(int64_t ns) {
    const uint64_t us = ns < 0 ? 0 : (uint64_t)ns / 1000;
    uint32_t index = (uint32_t)us;
    if (us >= STEPS) {
        const uint32_t power = 63 - (uint32_t)__builtin_clzll(us); /* us / 2^(power - 5) is 32 to 63 */
        index = (power - 4) * STEPS + (uint32_t)(us >> (power - 5)) - STEPS;
    }
    buckets[index < BUCKETS ? index : BUCKETS - 1] += 1;
    slowest_us = us > slowest_us ? us : slowest_us;
}

static uint64_t percentile_us(double share) {
    uint64_t total = 0, seen = 0;
    for (uint32_t i = 0; i < BUCKETS; i++) {
        total += buckets[i];
    }
    for (uint32_t i = 0; i < BUCKETS; i++) {
        seen += buckets[i];
        if (seen > 0 && (double)seen >= share * (double)total) {
            return i < STEPS ? i : (uint64_t)(i % STEPS + STEPS) << (i / STEPS - 1);
        }
    }
    return 0;
}

static void read_requests(const char *path) {
    FILE *file = fopen(path, "rb");
    size_t length;
    if (file == NULL) {
        die(path);
    }
    while (request_count < MOST_REQUESTS && fscanf(file, "%zu", &length) == 1) {
        char *data = malloc(length + 1);
        if (data == NULL || fgetc(file) != '\n' || length > GROUP / MOST_DEPTH || fread(data, 1, length, file) != length) {
            die("a request of the file is cut or too long");
        }
        requests[request_count++] = (struct request){data, length};
    }
    fclose(file);
    if (request_count == 0) {
        die("no requests in the file");
    }
}

static void open_connection(struct connection *connection) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = connection}};
    const int yes = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connection->held = connection->in_flight = 0;
    /* Blocking: on the loopback interface it takes no time, unless the server's queue is full. */
    if (connection->fd < 0 || connect(connection->fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        die("connect");
    }
    (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (fcntl(connection->fd, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(set, EPOLL_CTL_ADD, connection->fd, &event) != 0) {
        die("epoll_ctl");
    }
}

/* A group of requests in one write. They are small beside a socket's buffer, and nothing else is in it. */
static void send_group(struct connection *connection, uint32_t count, int64_t at_ns) {
    static char group[GROUP];
    size_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct request *request = &requests[connection->next];
        memcpy(group + length, request->data, request->length);
        length += request->length;
        connection->next = (connection->next + 1) % request_count;
    }
    connection->in_flight = count;
    connection->sent_ns = at_ns;
    if (send(connection->fd, group, length, MSG_NOSIGNAL) != (ssize_t)length) {
        connection->in_flight = 0; /* reading will tell that it is broken */
    }
}

static int64_t due_ns(const struct connection *connection, uint64_t number) {
    const double index = (double)(connection - connections) + (double)number * connection_count;
    return start_ns + (int64_t)(index * 1e9 / rate);
}

static void send_next(struct connection *connection) {
    if (ending) {
        return;
    }
    if (rate == 0) {
        send_group(connection, depth, now_ns());
    } else if (connection->sent < connection->due) {
        send_group(connection, 1, due_ns(connection, connection->sent));
        connection->sent += 1;
    }
}

static void reopen(struct connection *connection) {
    close(connection->fd);
    connection->in_flight = 0;
    if (!ending) {
        open_connection(connection);
        send_next(connection);
    }
}

/* -> bytes of the complete answer at `data`, and its status; 0: not complete; -1: not understood. */
static long http_answer(const char *data, size_t length, uint32_t *status) {
    const char *end = memmem(data, length, "\r\n\r\n", 4), *line = data;
    size_t content = 0;
    if (end == NULL) {
        return length < ANSWER / 2 ? 0 : -1;
    }
    *status = (uint32_t)atoi(data + 9);
    while ((line = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        line += 1;
        if (strncasecmp(line, "content-length:", 15) == 0) {
            content = strtoul(line + 15, NULL, 10);
        } else if (strncasecmp(line, "transfer-encoding:", 18) == 0) {
            return -1;
        }
    }
    if (content > ANSWER / 2) {
        return -1;
    }
    content += (size_t)(end + 4 - data);
    return content <= length ? (long)content : 0;
}

static long resp_answer(const char *data, size_t length, uint32_t *status) {
    const char *end = memmem(data, length, "\r\n", 2);
    size_t size = 0;
    if (end == NULL) {
        return 0;
    }
    *status = data[0] == '-' ? 500 : 200;
    if (data[0] == '$' && data[1] == '-') {
        *status = 404;
    } else if (data[0] == '$') {
        size = strtoul(data + 1, NULL, 10) + 2;
    }
    size += (size_t)(end + 2 - data);
    return size > ANSWER / 2 ? -1 : size <= length ? (long)size : 0;
}

static void receive(struct connection *connection) {
    const ssize_t got = recv(connection->fd, connection->answer + connection->held, ANSWER - 1 - connection->held, 0);
    const int64_t at_ns = now_ns();
    size_t at = 0;
    long taken;
    uint32_t status = 0;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        broken += connection->in_flight != 0 || !closes;
        reopen(connection);
        return;
    }
    connection->held += (uint32_t)got;
    connection->answer[connection->held] = '\0';
    while (connection->in_flight != 0 && at < connection->held) {
        const char *data = connection->answer + at;
        taken = (resp ? resp_answer : http_answer)(data, connection->held - at, &status);
        if (taken < 0) {
            errno = 0;
            die("an answer that it does not understand");
        }
        if (taken == 0) {
            break;
        }
        at += (size_t)taken;
        answered += 1;
        statuses[status < STATUSES ? status : 0] += 1;
        note_latency(at_ns - connection->sent_ns);
        connection->in_flight -= 1;
    }
    connection->held -= (uint32_t)at;
    memmove(connection->answer, connection->answer + at, connection->held);
    if (connection->in_flight == 0 && !closes) { /* otherwise the server closes, which is how it gets the TIME_WAIT */
        send_next(connection);
    }
}

/* Open loop: sends what has become due -> when the next one does. */
static int64_t send_due(uint64_t *scheduled) {
    for (;;) {
        struct connection *connection = &connections[*scheduled % connection_count];
        const int64_t at_ns = due_ns(connection, *scheduled / connection_count);
        if (at_ns > now_ns()) {
            return at_ns;
        }
        *scheduled += 1;
        connection->due += 1;
        if (connection->in_flight == 0) {
            send_next(connection);
        }
    }
}

static uint32_t in_flight(void) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < connection_count; i++) {
        sum += connections[i].in_flight;
    }
    return sum;
}

static void run(void) {
    struct epoll_event events[256];
    uint64_t scheduled = 0;
    for (uint32_t i = 0; i < connection_count; i++) {
        connections[i].next = i % request_count;
        open_connection(&connections[i]);
    }
    start_ns = now_ns();
    end_ns += start_ns;
    for (uint32_t i = 0; i < connection_count && rate == 0; i++) {
        send_next(&connections[i]);
    }
    for (;;) {
        const int64_t now = now_ns(), stop_ns = ending ? end_ns + DRAIN_NS : end_ns;
        const int64_t next_ns = rate == 0 || ending ? stop_ns : send_due(&scheduled);
        int64_t wait_ns = (next_ns < stop_ns ? next_ns : stop_ns) - now;
        struct timespec wait;
        int count;
        ending = ending || now >= end_ns;
        if (now >= end_ns + DRAIN_NS || (ending && in_flight() == 0)) {
            return;
        }
        wait_ns = wait_ns < 0 ? 0 : wait_ns;
        wait = (struct timespec){wait_ns / 1000000000, wait_ns % 1000000000};
        count = epoll_pwait2(set, events, 256, &wait, NULL);
        for (int i = 0; i < count; i++) {
            receive(events[i].data.ptr);
        }
    }
}

static void report(void) {
    const char *separator = "";
    printf("{\"seconds\":%.6f,\"requests\":%llu,\"statuses\":{", (double)(now_ns() - start_ns) / 1e9,
           (unsigned long long)answered);
    for (uint32_t i = 0; i < STATUSES; i++) {
        if (statuses[i] != 0) {
            printf("%s\"%u\":%llu", separator, i, (unsigned long long)statuses[i]);
            separator = ",";
        }
    }
    printf("},\"broken\":%llu,\"unanswered\":%u,\"latency_us\":{\"p50\":%llu,\"p99\":%llu,\"max\":%llu}}\n", (unsigned long long)broken,
           in_flight(), (unsigned long long)percentile_us(0.5), (unsigned long long)percentile_us(0.99),
           (unsigned long long)slowest_us);
}

int main(int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, "c:d:r:xR")) != -1) {
        switch (option) {
        case 'c': connection_count = (uint32_t)atoi(optarg); break;
        case 'd': depth = (uint32_t)atoi(optarg); break;
        case 'r': rate = atof(optarg); break;
        case 'x': closes = true; break;
        case 'R': resp = true; break;
        default: return 2;
        }
    }
    if (argc - optind != 3 || connection_count < 1 || connection_count > MOST_CONNECTIONS || depth < 1 ||
        depth > MOST_DEPTH || rate < 0) {
        fprintf(stderr, "usage: loader PORT SECONDS FILE [-c connections] [-d depth] [-r rate] [-x] [-R]\n");
        return 2;
    }
    port = atoi(argv[optind]);
    end_ns = (int64_t)(atof(argv[optind + 1]) * 1e9);
    read_requests(argv[optind + 2]);
    connections = calloc(connection_count, sizeof *connections);
    set = epoll_create1(EPOLL_CLOEXEC);
    if (connections == NULL || set < 0) {
        die("start");
    }
    (void)prctl(PR_SET_TIMERSLACK, 1000); /* ns */
    run();
    report();
    return 0;
}
