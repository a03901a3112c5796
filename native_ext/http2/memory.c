/* libnghttp2's memory is the connection's: counted, and bounded, by the server. Before each piece stands its size. */
#include <string.h>

#include "session.h"

enum { BEFORE = 16 }; /* bytes, so that what follows stays aligned as malloc has it */

static void *allocate(size_t size, void *context) {
    const struct hg_session *session = context;
    uint8_t *memory;
    if (size > UINT32_MAX / 2) {
        return NULL;
    }
    memory = session->host->allocate(session->owner, size + BEFORE);
    if (memory == NULL) {
        return NULL;
    }
    memcpy(memory, &size, sizeof size);
    return memory + BEFORE;
}

static size_t size_of(const void *memory) {
    size_t size;
    memcpy(&size, (const uint8_t *)memory - BEFORE, sizeof size);
    return size;
}

static void release(void *memory, void *context) {
    const struct hg_session *session = context;
    if (memory != NULL) {
        session->host->release(session->owner, (uint8_t *)memory - BEFORE, size_of(memory) + BEFORE);
    }
}

static void *allocate_zeroed(size_t count, size_t size, void *context) {
    void *memory = size != 0 && count > UINT32_MAX / 2 / size ? NULL : allocate(count * size, context);
    if (memory != NULL) {
        memset(memory, 0, count * size);
    }
    return memory;
}

static void *resize(void *memory, size_t size, void *context) {
    void *larger;
    if (memory == NULL) {
        return allocate(size, context);
    }
    larger = allocate(size, context);
    if (larger != NULL) {
        const size_t old = size_of(memory);
        memcpy(larger, memory, old < size ? old : size);
        release(memory, context);
    }
    return larger;
}

nghttp2_mem hg_memory_of(struct hg_session *session) {
    return (nghttp2_mem){session, allocate, release, allocate_zeroed, resize};
}
