/* A bad disk, by LD_PRELOAD: what is written to and read from one file or device goes wrong as the environment says.
 *
 *   FAULT_PATH   which: the end of the path behind the descriptor
 *   FAULT_MODE   how, with FAULT_AT (bytes) and FAULT_TIMES (how often, 0: always):
 *     write-error   pwrite over byte AT: EIO
 *     read-error    preadv over byte AT: EIO
 *     flush-error   fsync: EIO
 *     short         pwrite takes half of what it is given, at least 512 bytes
 *     flip          pwrite over byte AT changes one bit of it
 *     stuck         pwrite over byte AT leaves its block (4096 bytes) as it was
 *     wrap          addresses are taken modulo AT: a card that claims more than it has
 *     drop          what is written behind AT is forgotten, and reads as zeros
 *     unplug        ENODEV once AT bytes were written
 *     full          ENOSPC once AT bytes were written
 *     kill, stop, end, hang-up   SIGKILL, SIGINT, SIGTERM, SIGHUP once AT bytes were written
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BLOCK = 4096, SECTOR = 512 };

static const char *mode;
static const char *path;
static long long at;
static long times;
static long long written;

__attribute__((constructor)) static void setup(void)
{
    const char *at_text = getenv("FAULT_AT");
    const char *times_text = getenv("FAULT_TIMES");

    mode = getenv("FAULT_MODE");
    path = getenv("FAULT_PATH");
    at = at_text ? atoll(at_text) : 0;
    times = times_text ? atol(times_text) : 0;
}

static bool concerned(int fd)
{
    char link[64], place[PATH_MAX];

    if (!mode || !path)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, place, sizeof place - 1);
    size_t wanted = strlen(path);
    return length >= (ssize_t)wanted && !memcmp(place + length - wanted, path, wanted);
}

/* Does the fault happen now? Counts down FAULT_TIMES. */
static bool now(const char *name, off64_t start, size_t size)
{
    static bool spent;

    if (strcmp(mode, name) || spent || at < start || at >= start + (off64_t)size)
        return false;
    if (times && --times == 0)
        spent = true;
    return true;
}

static bool is(const char *name)
{
    return !strcmp(mode, name);
}

static ssize_t real_write(int fd, const void *data, size_t size, off64_t start)
{
    static ssize_t (*next)(int, const void *, size_t, off64_t);

    if (!next)
        next = (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    return next(fd, data, size, start);
}

/* The real write in pieces that end where addresses wrap. */
static ssize_t write_wrapped(int fd, const char *data, size_t size, off64_t start)
{
    size_t done = 0;

    while (done < size) {
        off64_t place = (start + (off64_t)done) % at;
        size_t piece = size - done < (size_t)(at - place) ? size - done : (size_t)(at - place);
        ssize_t count = real_write(fd, data + done, piece, place);
        if (count <= 0)
            return count;
        done += (size_t)count;
    }
    return (ssize_t)done;
}

/* The real write of an aligned copy in which one bit is another one. */
static ssize_t write_flipped(int fd, const void *data, size_t size, off64_t start)
{
    void *copy = NULL;

    if (posix_memalign(&copy, BLOCK, size))
        abort();
    memcpy(copy, data, size);
    ((char *)copy)[at - start] ^= 1;
    ssize_t count = real_write(fd, copy, size, start);
    free(copy);
    return count;
}

/* The real write without the block that holds byte AT. */
static ssize_t write_stuck(int fd, const char *data, size_t size, off64_t start)
{
    off64_t before = at / BLOCK * BLOCK - start, after = before + BLOCK;

    if (before > 0 && real_write(fd, data, (size_t)before, start) != before)
        return -1;
    if (after < (off64_t)size && real_write(fd, data + after, size - (size_t)after, start + after) < 0)
        return -1;
    return (ssize_t)size;
}

static ssize_t bad_write(int fd, const void *data, size_t size, off64_t start)
{
    written += (long long)size;
    if (written > at && (is("kill") || is("stop") || is("end") || is("hang-up"))) {
        int number = is("kill") ? SIGKILL : is("stop") ? SIGINT : is("end") ? SIGTERM : SIGHUP;
        mode = "none";
        kill(getpid(), number);
    }
    if (written > at && (is("full") || is("unplug"))) {
        errno = is("full") ? ENOSPC : ENODEV;
        return -1;
    }
    if (now("write-error", start, size)) {
        errno = EIO;
        return -1;
    }
    if (is("short") && size > SECTOR)
        return real_write(fd, data, size / 2 / SECTOR * SECTOR, start);
    if (is("drop") && start + (off64_t)size > at)
        return start >= at || real_write(fd, data, (size_t)(at - start), start) > 0 ? (ssize_t)size : -1;
    if (is("wrap"))
        return write_wrapped(fd, data, size, start);
    if (now("flip", start, size))
        return write_flipped(fd, data, size, start);
    if (now("stuck", start, size))
        return write_stuck(fd, data, size, start);
    return real_write(fd, data, size, start);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t start)
{
    return concerned(fd) ? bad_write(fd, data, size, start) : real_write(fd, data, size, start);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t start)
{
    return pwrite64(fd, data, size, start);
}

static ssize_t real_readv(int fd, const struct iovec *parts, int count, off64_t start)
{
    static ssize_t (*next)(int, const struct iovec *, int, off64_t);

    if (!next)
        next = (ssize_t(*)(int, const struct iovec *, int, off64_t))dlsym(RTLD_NEXT, "preadv64");
    return next(fd, parts, count, start);
}

/* Of one buffer: all that Python uses. */
static ssize_t bad_readv(int fd, const struct iovec *parts, int count, off64_t start)
{
    if (count != 1)
        abort();
    if (now("read-error", start, parts->iov_len)) {
        errno = EIO;
        return -1;
    }
    if (is("wrap")) {
        off64_t place = start % at;
        struct iovec part = *parts;
        if ((off64_t)part.iov_len > at - place)
            part.iov_len = (size_t)(at - place);
        return real_readv(fd, &part, 1, place);
    }
    ssize_t got = real_readv(fd, parts, count, start);
    if (is("drop") && got > 0 && start + got > at) {
        off64_t from = start > at ? 0 : at - start;
        memset((char *)parts->iov_base + from, 0, (size_t)(got - from));
    }
    return got;
}

ssize_t preadv64(int fd, const struct iovec *parts, int count, off64_t start)
{
    return concerned(fd) ? bad_readv(fd, parts, count, start) : real_readv(fd, parts, count, start);
}

ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off64_t start, int flags)
{
    (void)flags;
    return preadv64(fd, parts, count, start);
}

ssize_t preadv(int fd, const struct iovec *parts, int count, off_t start)
{
    return preadv64(fd, parts, count, start);
}

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t start, int flags)
{
    return preadv64v2(fd, parts, count, start, flags);
}

int fsync(int fd)
{
    static int (*next)(int);

    if (!next)
        next = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    if (concerned(fd) && now("flush-error", at, 1)) {
        errno = EIO;
        return -1;
    }
    return next(fd);
}
