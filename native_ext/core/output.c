#include "output.h"

#include "decimal.h"

enum { FIRST = 256 }; /* bytes of a buffer that was empty */

void hg_output_init(struct hg_output *output, const struct hg_alloc *alloc, uint32_t most) {
    *output = (struct hg_output){.alloc = *alloc, .most = most};
}

void hg_output_clear(struct hg_output *output) {
    if (output->data != NULL) {
        output->alloc.release(output->alloc.context, output->data);
    }
    output->data = NULL;
    output->length = output->capacity = 0;
    output->failed = false;
}

uint8_t *hg_output_grow(struct hg_output *output, uint32_t size) {
    if (output->failed || size > output->most - output->length) {
        output->failed = true;
        return NULL;
    }
    if (size > output->capacity - output->length) {
        const uint32_t needed = output->length + size;
        uint32_t capacity = output->capacity == 0 ? FIRST : output->capacity;
        uint8_t *data;
        while (capacity < needed) {
            capacity = capacity > output->most / 2 ? output->most : capacity * 2;
        }
        capacity = capacity < output->most ? capacity : output->most;
        data = output->alloc.alloc(output->alloc.context, capacity);
        if (data == NULL) {
            output->failed = true;
            return NULL;
        }
        if (output->data != NULL) {
            memcpy(data, output->data, output->length);
            output->alloc.release(output->alloc.context, output->data);
        }
        output->data = data;
        output->capacity = capacity;
    }
    return output->data + output->length;
}

void hg_output_add(struct hg_output *output, const void *data, uint32_t length) {
    uint8_t *room = length == 0 ? NULL : hg_output_room(output, length);
    if (room != NULL) {
        memcpy(room, data, length);
        output->length += length;
    }
}

void hg_output_text(struct hg_output *output, const char *text) {
    hg_output_add(output, text, (uint32_t)strlen(text));
}

void hg_output_number(struct hg_output *output, int64_t number) {
    uint8_t digits[HG_DECIMAL];
    const uint32_t at = hg_decimal(number, digits);
    hg_output_add(output, digits + at, HG_DECIMAL - at);
}

void hg_output_json(struct hg_output *output, const uint8_t *data, uint32_t length) {
    static const char hex[] = "0123456789abcdef";
    uint32_t from = 0;
    hg_output_add(output, "\"", 1);
    for (uint32_t i = 0; i < length; i++) {
        const uint8_t c = data[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        hg_output_add(output, data + from, i - from);
        from = i + 1;
        switch (c) {
        case '"': hg_output_add(output, "\\\"", 2); break;
        case '\\': hg_output_add(output, "\\\\", 2); break;
        case '\n': hg_output_add(output, "\\n", 2); break;
        case '\r': hg_output_add(output, "\\r", 2); break;
        case '\t': hg_output_add(output, "\\t", 2); break;
        case '\b': hg_output_add(output, "\\b", 2); break;
        case '\f': hg_output_add(output, "\\f", 2); break;
        default: {
            const char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            hg_output_add(output, escape, sizeof escape);
        }
        }
    }
    hg_output_add(output, data + from, length - from);
    hg_output_add(output, "\"", 1);
}
