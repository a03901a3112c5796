#define _GNU_SOURCE /* accept4 */
#include "floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, INPUT = 65536, OUTPUT = 1 << 20, DESCRIPTORS = 32768 };

/* What a connection has sent of a request that is not complete; NULL: nothing. */
static struct {
    uint8_t *data;
    uint32_t length;
} held[DESCRIPTORS];

static void *take(void *context, size_t size) {
    (void)context;
    return malloc(size);
}

static void give_back(void *context, void *memory) {
    (void)context;
    free(memory);
}

const struct hg_alloc floor_memory = {take, give_back, NULL};

void floor_die(const char *what) {
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

static int listening(void) {
    const char *port = getenv("PORT");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address.sin_port = htons((uint16_t)(port == NULL ? 0 : atoi(port)));
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, SOMAXCONN) != 0) {
        floor_die("cannot listen on PORT");
    }
    return fd;
}

static void accept_all(int set, int listener) {
    const int yes = 1;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (fd >= DESCRIPTORS || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0) {
            close(fd);
        }
    }
}

static void hold(int fd, const uint8_t *data, uint32_t length) {
    free(held[fd].data);
    held[fd].data = length == 0 ? NULL : malloc(length);
    held[fd].length = length;
    if (length != 0 && held[fd].data == NULL) {
        floor_die("no memory");
    }
    if (length != 0) {
        memcpy(held[fd].data, data, length);
    }
}

static void serve(int fd, struct hg_output *output) {
    static uint8_t input[INPUT + 1];
    const uint32_t before = held[fd].length;
    bool ends = false;
    uint32_t length, used;
    ssize_t got;
    if (before != 0) {
        memcpy(input, held[fd].data, before);
    }
    got = recv(fd, input + before, INPUT - before, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    ends = got <= 0;
    if (!ends) {
        length = before + (uint32_t)got;
        output->length = 0;
        used = floor_serve(input, length, output, &ends);
        if (output->length != 0 && send(fd, output->data, output->length, MSG_NOSIGNAL) != (ssize_t)output->length) {
            ends = true; /* a client that does not read its answers is of no interest here */
        }
        if (before != 0 || used != length) {
            hold(fd, input + used, length - used);
        }
    }
    if (ends) {
        hold(fd, input, 0);
        close(fd);
    }
}

int main(void) {
    const int listener = listening(), set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = listener}}, events[EVENTS];
    struct hg_output output;
    if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) != 0) {
        floor_die("no epoll set");
    }
    hg_output_init(&output, &floor_memory, OUTPUT);
    floor_prepare();
    for (;;) {
        const int count = epoll_wait(set, events, EVENTS, -1);
        floor_turn();
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener) {
                accept_all(set, listener);
            } else {
                serve(events[i].data.fd, &output);
            }
        }
        floor_turned();
    }
}
