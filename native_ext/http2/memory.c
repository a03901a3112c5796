/* libnghttp2's memory is the connection's: counted, and bounded, by the server. Before each piece stands its size.
 *
 * When there is none, not every function of libnghttp2 leaves its structures whole (1.52 frees an item of its queue twice). So what is
 * being done is finished with the library's reserve, and then the connection ends: session.c looks at `starved`. */
#include <string.h>

#include "session.h"

enum { BEFORE = 16 }; /* bytes, so that what follows stays aligned as malloc has it */

static void *from_reserve(struct hg_library *library, uint32_t size) {
    const uint32_t whole = (size + BEFORE - 1) / BEFORE * BEFORE;
    if (whole > HG_RESERVE - library->reserve_used) {
        return NULL;
    }
    library->reserve_used += whole;
    library->reserve_pieces += 1;
    return library->reserve + library->reserve_used - whole;
}

/* false: it is not from there. */
static bool to_reserve(struct hg_library *library, const uint8_t *memory) {
    if ((uintptr_t)memory < (uintptr_t)library->reserve || (uintptr_t)memory >= (uintptr_t)library->reserve + HG_RESERVE) {
        return false;
    }
    library->reserve_pieces -= 1;
    if (library->reserve_pieces == 0) {
        library->reserve_used = 0;
    }
    return true;
}

static void *allocate(size_t size, void *context) {
    struct hg_session *session = context;
    uint8_t *memory;
    if (size > UINT32_MAX / 2) {
        return NULL;
    }
    memory = session->host->allocate(session->owner, size + BEFORE);
    if (memory == NULL) {
        session->starved = true;
        memory = from_reserve(session->library, (uint32_t)size + BEFORE);
    }
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
    if (memory != NULL && !to_reserve(session->library, (uint8_t *)memory - BEFORE)) {
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
