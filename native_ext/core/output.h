/* Bytes in, bytes out: a view of bytes that somebody else holds, and a buffer that grows. */
#ifndef HEADGATE_OUTPUT_H
#define HEADGATE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "alloc.h"
#include "inline.h"

struct hg_view {
    const uint8_t *at; /* never NULL but where "absent" is said to be possible */
    uint32_t length;
};

/* A buffer with a bound. Once something did not fit, `failed` stays set and nothing more is added. */
struct hg_output {
    struct hg_alloc alloc;
    uint8_t *data; /* NULL until something is written */
    uint32_t length, capacity, most;
    bool failed; /* over `most`, or no memory */
};

void hg_output_init(struct hg_output *output, const struct hg_alloc *alloc, uint32_t most);
/* Frees the bytes; usable afterwards. */
void hg_output_clear(struct hg_output *output);
HG_RARE uint8_t *hg_output_grow(struct hg_output *output, uint32_t size); /* hg_output_room when there is none yet */
/* -> room for `size` bytes at the end, which count only after hg_output_use; NULL: failed. */
static inline uint8_t *hg_output_room(struct hg_output *output, uint32_t size) {
    return !output->failed && size <= output->capacity - output->length ? output->data + output->length
                                                                        : hg_output_grow(output, size);
}
static inline void hg_output_use(struct hg_output *output, uint32_t size) { output->length += size; }
void hg_output_add(struct hg_output *output, const void *data, uint32_t length);
void hg_output_text(struct hg_output *output, const char *text); /* NUL-terminated */
void hg_output_number(struct hg_output *output, int64_t number); /* decimal */
/* A JSON string with its quotes. `data` is UTF-8, checked before. */
void hg_output_json(struct hg_output *output, const uint8_t *data, uint32_t length);

#endif
