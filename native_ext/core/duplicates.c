#define HG_COLD

#include "duplicates.h"

#include <stdlib.h>

#include "engine_run.h"
#include "json_reader.h"

struct entry {
    uint64_t hash;
    uint32_t at, next; /* the member's bytes, comma and all, in the document */
};

/* The members of all open objects, innermost last. */
struct cleaner {
    const struct hg_alloc *memory;
    struct hg_run run;
    struct entry *entries;
    uint32_t count, room;
    bool no_memory;
    uint32_t length;
    uint8_t *copy;
};

static bool add_entry(struct cleaner *cleaner, struct entry entry) {
    if (cleaner->count == cleaner->room) {
        const uint32_t room = cleaner->room == 0 ? 64 : cleaner->room * 2;
        struct entry *entries = NULL;
        if (room <= UINT32_MAX / sizeof *entries) {
            entries = cleaner->memory->alloc(cleaner->memory->context, room * sizeof *entries);
        }
        if (entries == NULL) {
            cleaner->no_memory = true;
            return false;
        }
        if (cleaner->entries != NULL) {
            memcpy(entries, cleaner->entries, cleaner->count * sizeof *entries);
            cleaner->memory->release(cleaner->memory->context, cleaner->entries);
        }
        cleaner->entries = entries;
        cleaner->room = room;
    }
    cleaner->entries[cleaner->count++] = entry;
    return true;
}

static int by_hash(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->hash != b->hash) {
        return a->hash < b->hash ? -1 : 1;
    }
    return a->at < b->at ? -1 : 1;
}

static bool same_name(struct cleaner *cleaner, const struct entry *a, const struct entry *b) {
    struct hg_text left, right;
    const uint8_t *data = cleaner->run.data;
    return r_name(&cleaner->run, data + a->at, &left) != NULL && r_name(&cleaner->run, data + b->at, &right) != NULL &&
           hg_text_equal(&left, &right);
}

static bool blank(struct cleaner *cleaner, const struct entry *entry) {
    if (cleaner->copy == NULL) {
        cleaner->copy = cleaner->memory->alloc(cleaner->memory->context, (size_t)cleaner->length + 1);
        if (cleaner->copy == NULL) {
            cleaner->no_memory = true;
            return false;
        }
        memcpy(cleaner->copy, cleaner->run.data, (size_t)cleaner->length + 1);
    }
    for (uint32_t i = entry->at; i < entry->next; i++) { /* lines are counted in the copy as well */
        cleaner->copy[i] = cleaner->copy[i] == '\n' ? '\n' : ' ';
    }
    return true;
}

/* The entries from `first` on are the members of one object. */
static bool blank_replaced(struct cleaner *cleaner, uint32_t first) {
    const uint32_t count = cleaner->count - first;
    if (count < 2) {
        cleaner->count = first;
        return true;
    }
    struct entry *entries = cleaner->entries + first;
    qsort(entries, count, sizeof *entries, by_hash);
    for (uint32_t i = 0; i + 1 < count; i++) {
        /* equal names are neighbours, in the order of the document, unless two names share a keyed 64-bit hash */
        if (entries[i].hash == entries[i + 1].hash && same_name(cleaner, &entries[i], &entries[i + 1]) &&
            !blank(cleaner, &entries[i])) {
            return false;
        }
    }
    cleaner->count = first;
    return true;
}

/* p at a value -> after it, or NULL. Recursion: as deep as the document may be. */
static const uint8_t *clean(struct cleaner *cleaner, const uint8_t *p) {
    struct hg_run *run = &cleaner->run;
    const enum hg_token token = r_token(run, &p);
    const uint32_t first = cleaner->count;
    struct hg_number number;
    struct hg_text text = {0};
    struct hg_iter iter;
    switch (token) {
    case HG_T_NULL:
    case HG_T_FALSE:
    case HG_T_TRUE:
        return r_literal(run, p, token);
    case HG_T_NUMBER:
        return r_number(run, p, &number, run->digits[0]);
    case HG_T_STRING:
        return r_string(run, p, &text, 0);
    case HG_T_ARRAY:
    case HG_T_OBJECT:
        break;
    default:
        return NULL;
    }
    const bool object = token == HG_T_OBJECT;
    if ((p = r_open(run, p, &iter)) == NULL) {
        return NULL;
    }
    int more = r_first(run, &p, &iter, object);
    while (more > 0) {
        struct entry entry = {.at = (uint32_t)(p - run->data)};
        if (object) {
            if ((p = r_name(run, p, &text)) == NULL) {
                return NULL;
            }
            entry.hash = hg_text_hash(&text, run->program->seed);
        }
        if ((p = clean(cleaner, p)) == NULL) {
            return NULL;
        }
        more = r_next(run, &p, &iter, object);
        entry.next = (uint32_t)(p - run->data);
        if (object && !add_entry(cleaner, entry)) {
            return NULL;
        }
    }
    run->depth++;
    return more == 0 && (!object || blank_replaced(cleaner, first)) ? p : NULL;
}

enum hg_status hg_drop_duplicates(const struct hg_alloc *memory, const struct hg_program *program, const uint8_t *data,
                                  uint32_t length, uint8_t **copy) {
    struct cleaner cleaner;
    struct hg_scope scope;
    cleaner.memory = memory;
    cleaner.entries = NULL;
    cleaner.count = cleaner.room = 0;
    cleaner.no_memory = false;
    cleaner.length = length;
    cleaner.copy = NULL;
    const uint8_t *p = hg_run_start(&cleaner.run, &scope, program, data, length);
    if (p != NULL) {
        p = clean(&cleaner, r_white(&cleaner.run, p));
    }
    if (p != NULL) {
        p = r_end(&cleaner.run, p);
    }
    if (cleaner.entries != NULL) {
        memory->release(memory->context, cleaner.entries);
    }
    if (p == NULL && cleaner.copy != NULL) {
        memory->release(memory->context, cleaner.copy);
        cleaner.copy = NULL;
    }
    *copy = cleaner.copy;
    return cleaner.no_memory ? HG_NO_MEMORY : HG_OK;
}
