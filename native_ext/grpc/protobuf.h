/* Protocol Buffers as bytes: the fields of one message, one after the other, and what is written of one. What the fields mean is
 * for the caller; nothing is copied, nothing is allocated. https://protobuf.dev/programming-guides/encoding
 * Twin of firmware_py/headgate/linux/protobuf.py. */
#ifndef HEADGATE_PROTOBUF_H
#define HEADGATE_PROTOBUF_H

#include "core/output.h"

enum hg_pb_wire { HG_PB_VARINT = 0, HG_PB_FIXED64 = 1, HG_PB_BYTES = 2, HG_PB_FIXED32 = 5 };

struct hg_pb_field {
    uint32_t number;
    uint8_t wire;         /* enum hg_pb_wire */
    uint64_t value;       /* of HG_PB_VARINT */
    struct hg_view bytes; /* of all others: their bytes in place */
};

enum hg_pb_event { HG_PB_FIELD, HG_PB_END, HG_PB_MALFORMED };

/* The field at *at, which moves on. Malformed: cut short, a varint or tag that is too long, field number 0, groups (wire types 3
 * and 4, which proto3 does not have). */
enum hg_pb_event hg_pb_next(struct hg_view message, uint32_t *at, struct hg_pb_field *field);

/* One field appended. Of a field that has its default (0, false, empty) nothing is written, as proto3 wants it. */
void hg_pb_number(struct hg_output *output, uint32_t field, uint64_t value);
void hg_pb_bytes(struct hg_output *output, uint32_t field, struct hg_view bytes);
void hg_pb_text(struct hg_output *output, uint32_t field, const char *text);
/* A message inside: hg_pb_open, its fields, then hg_pb_close with what hg_pb_open gave. Written even if it is empty. */
uint32_t hg_pb_open(struct hg_output *output, uint32_t field);
void hg_pb_close(struct hg_output *output, uint32_t mark);

#endif
