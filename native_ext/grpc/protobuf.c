#include "grpc/protobuf.h"

#define VARINT 10 /* bytes of the longest */

/* -> false: cut short, or more than 64 bits */
static bool read_varint(struct hg_view message, uint32_t *at, uint64_t *value) {
    *value = 0;
    for (uint32_t i = 0; i < VARINT && *at < message.length; i++) {
        const uint8_t byte = message.at[(*at)++];
        if (i == VARINT - 1 && byte > 1) {
            return false;
        }
        *value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

enum hg_pb_event hg_pb_next(struct hg_view message, uint32_t *at, struct hg_pb_field *field) {
    uint64_t tag, length = 0;
    if (*at >= message.length) {
        return HG_PB_END;
    }
    if (!read_varint(message, at, &tag) || tag > UINT32_MAX || tag >> 3 == 0) {
        return HG_PB_MALFORMED;
    }
    field->number = (uint32_t)(tag >> 3);
    field->wire = (uint8_t)(tag & 7);
    field->value = 0;
    switch (field->wire) {
    case HG_PB_VARINT:
        if (!read_varint(message, at, &field->value)) {
            return HG_PB_MALFORMED;
        }
        break;
    case HG_PB_FIXED64: length = 8; break;
    case HG_PB_FIXED32: length = 4; break;
    case HG_PB_BYTES:
        if (!read_varint(message, at, &length)) {
            return HG_PB_MALFORMED;
        }
        break;
    default: return HG_PB_MALFORMED;
    }
    if (length > message.length - *at) {
        return HG_PB_MALFORMED;
    }
    field->bytes = (struct hg_view){message.at + *at, (uint32_t)length};
    *at += (uint32_t)length;
    return HG_PB_FIELD;
}

static uint32_t put_varint(uint8_t out[VARINT], uint64_t value) {
    uint32_t length = 0;
    for (; value >= 0x80; value >>= 7) {
        out[length++] = (uint8_t)(value | 0x80);
    }
    out[length++] = (uint8_t)value;
    return length;
}

static void add_varint(struct hg_output *output, uint64_t value) {
    uint8_t bytes[VARINT];
    hg_output_add(output, bytes, put_varint(bytes, value));
}

static void add_tag(struct hg_output *output, uint32_t field, enum hg_pb_wire wire) {
    add_varint(output, (uint64_t)field << 3 | wire);
}

void hg_pb_number(struct hg_output *output, uint32_t field, uint64_t value) {
    if (value != 0) {
        add_tag(output, field, HG_PB_VARINT);
        add_varint(output, value);
    }
}

void hg_pb_bytes(struct hg_output *output, uint32_t field, struct hg_view bytes) {
    if (bytes.length != 0) {
        add_tag(output, field, HG_PB_BYTES);
        add_varint(output, bytes.length);
        hg_output_add(output, bytes.at, bytes.length);
    }
}

void hg_pb_text(struct hg_output *output, uint32_t field, const char *text) {
    hg_pb_bytes(output, field, (struct hg_view){(const uint8_t *)text, (uint32_t)strlen(text)});
}

uint32_t hg_pb_open(struct hg_output *output, uint32_t field) {
    add_tag(output, field, HG_PB_BYTES);
    return output->length;
}

/* How long it is is known now: what was written moves up to make room for that. */
void hg_pb_close(struct hg_output *output, uint32_t mark) {
    const uint32_t size = output->length - mark;
    uint8_t length[VARINT];
    const uint32_t count = put_varint(length, size);
    if (hg_output_room(output, count) != NULL) {
        memmove(output->data + mark + count, output->data + mark, size);
        memcpy(output->data + mark, length, count);
        hg_output_use(output, count);
    }
}
