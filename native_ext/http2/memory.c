/* Memory of connections, ours and libnghttp2's: counted, and bounded, by the server. What is given back is kept for the next who wants as
 * much, up to HG_KEPT_BYTES in a process: a request takes some twenty small pieces and gives them all back.
 *
 * Before each piece of libnghttp2's stands its size. When there is none, not every function of libnghttp2 leaves its structures whole
 * (1.52 frees an item of its queue twice). So what is being done is finished with the library's reserve, and then the connection ends:
 * session.c looks at `starved`. */
#include <string.h>

#include "session.h"

enum { BEFORE = 16 }; /* bytes, so that what follows stays aligned as malloc has it */

/* Sanitizers are to see each use of what was given back. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEPS false
#endif
#endif
#if !defined(KEEPS) && defined(__SANITIZE_ADDRESS__)
#define KEEPS false
#elif !defined(KEEPS)
#define KEEPS true
#endif

/* Bytes that a piece really has. */
static uint32_t whole_of(uint32_t size) {
    return size > HG_KEPT_MOST ? size : (size + HG_KEPT_STEP - 1) / HG_KEPT_STEP * HG_KEPT_STEP;
}

/* Where pieces of that many bytes are kept; NULL: they are not. */
static void **place_of(struct hg_library *library, uint32_t whole) {
    return whole > HG_KEPT_MOST || whole == 0 ? NULL : &library->kept[whole / HG_KEPT_STEP - 1];
}

void *hg_memory_take(struct hg_library *library, const struct hg_http2_host *host, void *owner, uint32_t size) {
    const uint32_t whole = whole_of(size);
    void **const place = place_of(library, whole), *memory;
    if (!host->charge(owner, whole)) {
        return NULL;
    }
    if (place != NULL && *place != NULL) {
        memory = *place;
        memcpy(place, memory, sizeof *place); /* the next one */
        library->kept_bytes -= whole;
        return memory;
    }
    memory = library->alloc.alloc(library->alloc.context, whole);
    if (memory == NULL) {
        host->refund(owner, whole);
    }
    return memory;
}

void hg_memory_give(struct hg_library *library, const struct hg_http2_host *host, void *owner, void *memory, uint32_t size) {
    const uint32_t whole = whole_of(size);
    void **const place = place_of(library, whole);
    host->refund(owner, whole);
    if (KEEPS && place != NULL && library->kept_bytes + whole <= HG_KEPT_BYTES) {
        memcpy(memory, place, sizeof *place);
        *place = memory;
        library->kept_bytes += whole;
    } else {
        library->alloc.release(library->alloc.context, memory);
    }
}

void hg_memory_clear(struct hg_library *library) {
    for (uint32_t i = 0; i < HG_KEPT_SIZES; i++) {
        while (library->kept[i] != NULL) {
            void *const memory = library->kept[i];
            memcpy(&library->kept[i], memory, sizeof library->kept[i]);
            library->alloc.release(library->alloc.context, memory);
        }
    }
    library->kept_bytes = 0;
}

/* --- libnghttp2's ---------------------------------------------------------------------------------------------------- */

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

void *hg_memory_allocate(size_t size, void *context) {
    struct hg_session *session = context;
    uint8_t *memory;
    if (size > UINT32_MAX / 2) {
        return NULL;
    }
    memory = hg_memory_take(session->library, session->host, session->owner, (uint32_t)size + BEFORE);
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

void hg_memory_release(void *memory, void *context) {
    const struct hg_session *session = context;
    if (memory != NULL && !to_reserve(session->library, (uint8_t *)memory - BEFORE)) {
        hg_memory_give(session->library, session->host, session->owner, (uint8_t *)memory - BEFORE,
                       (uint32_t)size_of(memory) + BEFORE);
    }
}

static void *allocate_zeroed(size_t count, size_t size, void *context) {
    void *memory = size != 0 && count > UINT32_MAX / 2 / size ? NULL : hg_memory_allocate(count * size, context);
    if (memory != NULL) {
        memset(memory, 0, count * size);
    }
    return memory;
}

static void *resize(void *memory, size_t size, void *context) {
    void *larger;
    if (memory == NULL) {
        return hg_memory_allocate(size, context);
    }
    larger = hg_memory_allocate(size, context);
    if (larger != NULL) {
        const size_t old = size_of(memory);
        memcpy(larger, memory, old < size ? old : size);
        hg_memory_release(memory, context);
    }
    return larger;
}

nghttp2_mem hg_memory_of(struct hg_session *session) {
    return (nghttp2_mem){session, hg_memory_allocate, hg_memory_release, allocate_zeroed, resize};
}
