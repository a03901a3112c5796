#include "pool.h"

#include <string.h>

enum { FIRST_BYTES = 256, FIRST_SLOTS = 64 };

bool hg_buffer_reserve(struct hg_buffer *buffer, const struct hg_alloc *memory, uint32_t more) {
    if (more <= buffer->capacity - buffer->size) {
        return true;
    }
    if (more > HG_POOL_MOST - buffer->size) {
        return false;
    }
    const uint32_t least = buffer->size + more;
    uint32_t capacity = buffer->capacity == 0 ? FIRST_BYTES : buffer->capacity;
    while (capacity < least) {
        capacity = capacity > HG_POOL_MOST / 2 ? HG_POOL_MOST : capacity * 2;
    }
    uint8_t *data = memory->alloc(memory->context, capacity);
    if (data == NULL) {
        return false;
    }
    if (buffer->data != NULL) {
        memcpy(data, buffer->data, buffer->size);
        memory->release(memory->context, buffer->data);
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool hg_buffer_append(struct hg_buffer *buffer, const struct hg_alloc *memory, const void *bytes, uint32_t size) {
    if (!hg_buffer_reserve(buffer, memory, size)) {
        return false;
    }
    if (size != 0) {
        memcpy(buffer->data + buffer->size, bytes, size);
        buffer->size += size;
    }
    return true;
}

void hg_buffer_clear(struct hg_buffer *buffer, const struct hg_alloc *memory) {
    if (buffer->data != NULL) {
        memory->release(memory->context, buffer->data);
    }
    *buffer = (struct hg_buffer){0};
}

uint32_t hg_index_next(const struct hg_index *index, uint32_t hash, uint32_t *at) {
    if (index->size == 0) {
        return 0;
    }
    /* *at counts the slots that were looked at */
    for (;;) {
        const struct hg_index_slot *slot = &index->slots[(hash + *at) & (index->size - 1)];
        if (slot->id == 0) {
            return 0;
        }
        *at += 1;
        if (slot->hash == hash) {
            return slot->id;
        }
    }
}

static void place(struct hg_index_slot *slots, uint32_t size, struct hg_index_slot entry) {
    uint32_t at = entry.hash & (size - 1);
    while (slots[at].id != 0) {
        at = (at + 1) & (size - 1);
    }
    slots[at] = entry;
}

bool hg_index_add(struct hg_index *index, const struct hg_alloc *memory, uint32_t hash, uint32_t id) {
    if (index->count >= index->size / 2) { /* never more than half full */
        const uint32_t size = index->size == 0 ? FIRST_SLOTS : index->size * 2;
        if (size > HG_POOL_MOST / sizeof(struct hg_index_slot)) {
            return false;
        }
        struct hg_index_slot *slots = memory->alloc(memory->context, size * sizeof *slots);
        if (slots == NULL) {
            return false;
        }
        memset(slots, 0, size * sizeof *slots);
        for (uint32_t i = 0; i < index->size; i++) {
            if (index->slots[i].id != 0) {
                place(slots, size, index->slots[i]);
            }
        }
        if (index->slots != NULL) {
            memory->release(memory->context, index->slots);
        }
        index->slots = slots;
        index->size = size;
    }
    place(index->slots, index->size, (struct hg_index_slot){hash, id});
    index->count++;
    return true;
}

void hg_index_clear(struct hg_index *index, const struct hg_alloc *memory) {
    if (index->slots != NULL) {
        memory->release(memory->context, index->slots);
    }
    *index = (struct hg_index){0};
}
