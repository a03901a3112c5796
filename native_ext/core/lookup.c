#include "engine_run.h"

/* What is looked up in a compiled schema, the same for every reader: here once, for the engines call it where a name or a number is
 * not the one expected. */

HG_NOINLINE uint32_t hg_hash_of(const uint8_t *text, uint32_t length) { return hg_name_hash(text, length); }

uint32_t hg_find_name(const struct hg_program *program, const struct hg_names *names, const uint8_t *name, uint32_t length) {
    return hg_find_hashed(program, names, name, length, names->table == 0 ? 0 : hg_hash_of(name, length));
}

uint32_t hg_find_hashed(const struct hg_program *program, const struct hg_names *names, const uint8_t *name,
                        uint32_t length, uint32_t hash) {
    const uint8_t *entries = hg_at(program, names->entries);
    if (length > names->longest || names->count == 0) {
        return UINT32_MAX;
    }
    if (names->table == 0) {
        for (uint32_t i = 0; i < names->count; i++) {
            const struct hg_name *entry = (const void *)(entries + (size_t)i * names->stride);
            if (entry->length == length && hg_equal_bytes(hg_at(program, entry->text), name, length)) {
                return i;
            }
        }
        return UINT32_MAX;
    }
    const uint16_t *table = hg_at(program, names->table);
    for (uint32_t slot = hash & names->mask; table[slot] != 0xFFFF; slot = (slot + 1) & names->mask) {
        const struct hg_name *entry = (const void *)(entries + (size_t)table[slot] * names->stride);
        if (entry->hash == hash && entry->length == length &&
            hg_equal_bytes(hg_at(program, entry->text), name, length)) {
            return table[slot];
        }
    }
    return UINT32_MAX;
}

uint32_t hg_tell_index(const struct hg_program *program, const struct hg_tell *tell, const uint8_t *text, uint32_t length) {
    const uint32_t hash = hg_hash_of(text, length);
    uint32_t i = (tell->want & 1) ^ 1;
    for (; i < tell->count; i++) {
        const struct hg_name *name = hg_at(program, tell->names[i]);
        if (name->hash == hash && name->length == length && memcmp(hg_at(program, name->text), text, length) == 0) {
            break;
        }
    }
    return i;
}

bool hg_is_number_of(const struct hg_program *program, const struct hg_choice *choice, const struct hg_number *number) {
    const struct hg_constant *constants = hg_at(program, choice->numbers); /* they ascend */
    for (uint32_t low = 0, high = choice->number_count; low < high;) {
        const uint32_t middle = low + (high - low) / 2;
        const struct hg_number other = hg_constant_number(program, constants + middle);
        const int order = hg_number_compare_fast(number, &other);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return false;
}
