#define _GNU_SOURCE /* accept4 */
#include "server.h"

#ifdef __linux__
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int net_accept(void *context, int listener) {
    const int on = 1;
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)context;
    if (fd < 0) {
        return -errno;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a Unix socket has no such thing */
    return fd;
}

/* recv, send and epoll_wait without the C library's, which are cancellation points: in a process with threads they are asked for
 * with each call, and nobody is ever cancelled here. */
static int32_t net_read(void *context, int fd, uint8_t *data, uint32_t room) {
    const long count = syscall(SYS_recvfrom, fd, data, (size_t)room, 0, NULL, NULL);
    (void)context;
    return count < 0 ? -errno : (int32_t)count;
}

static int32_t net_write(void *context, int fd, const uint8_t *data, uint32_t length) {
    const long count = syscall(SYS_sendto, fd, data, (size_t)length, MSG_NOSIGNAL, NULL, (size_t)0);
    (void)context;
    return count < 0 ? -errno : (int32_t)count;
}

static void net_finish(void *context, int fd) {
    (void)context;
    (void)shutdown(fd, SHUT_WR);
}

static void net_close(void *context, int fd) {
    (void)context;
    (void)close(fd);
}

static int control(void *context, int operation, int fd, uint64_t tag, uint32_t events) {
    struct epoll_event event = {.events = ((events & HG_NET_IN) != 0 ? EPOLLIN : 0u) |
                                          ((events & HG_NET_OUT) != 0 ? EPOLLOUT : 0u),
                                .data.u64 = tag};
    return epoll_ctl(*(const int *)context, operation, fd, &event) < 0 ? -errno : 0;
}

static int net_watch(void *context, int fd, uint64_t tag, uint32_t events) {
    return control(context, EPOLL_CTL_ADD, fd, tag, events);
}

static int net_change(void *context, int fd, uint64_t tag, uint32_t events) {
    return control(context, EPOLL_CTL_MOD, fd, tag, events);
}

static int net_forget(void *context, int fd) { return control(context, EPOLL_CTL_DEL, fd, 0, 0); }

static int net_wait(void *context, struct hg_net_ready *ready, uint32_t room, int32_t timeout_ms) {
    struct epoll_event events[HG_NET_BATCH];
    const int most = room < HG_NET_BATCH ? (int)room : HG_NET_BATCH;
    /* epoll_pwait: epoll_wait is no system call of newer architectures */
    const int count = (int)syscall(SYS_epoll_pwait, *(const int *)context, events, most, timeout_ms, NULL, (size_t)0);
    for (int i = 0; i < count; i++) {
        ready[i].tag = events[i].data.u64;
        ready[i].events = ((events[i].events & EPOLLIN) != 0 ? HG_NET_IN : 0u) |
                          ((events[i].events & EPOLLOUT) != 0 ? HG_NET_OUT : 0u) |
                          ((events[i].events & (EPOLLHUP | EPOLLERR)) != 0 ? HG_NET_GONE : 0u);
    }
    return count < 0 ? -errno : count;
}

static int64_t net_monotonic_us(void *context) {
    struct timespec now;
    (void)context;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t net_wall_us(void *context) {
    struct timespec now;
    (void)context;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* not _COARSE: it would be late where Python is not */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

const struct hg_net hg_net_linux = {NULL,      net_accept, net_read,   net_write, net_finish, net_close, net_watch,
                                    net_change, net_forget, net_wait, net_monotonic_us, net_wall_us};
#endif
