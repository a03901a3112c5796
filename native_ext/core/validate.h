/* Bytes in, verdict out: one pass over a document with a compiled schema. No allocation, no recursion deeper than the limits. */
#ifndef HEADGATE_VALIDATE_H
#define HEADGATE_VALIDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc.h"
#include "fault.h"
#include "program.h"

enum hg_encoding_of { HG_JSON = 0, HG_CBOR = 1 };

enum hg_verdict {
    HG_VALID = 0,
    HG_INVALID,  /* well-formed as far as it was read, but against the schema; fault->offset: where that was seen */
    HG_MALFORMED /* not JSON or CBOR, or over a limit: fault says what and where */
};

/* JSON: data[length] must be readable and 0 (bytes of CPython are so), no other byte of it is trusted. */
enum hg_verdict hg_validate_json(const struct hg_program *program, const uint8_t *data, uint32_t length,
                                 struct hg_fault *fault);
enum hg_verdict hg_validate_cbor(const struct hg_program *program, const uint8_t *data, uint32_t length,
                                 struct hg_fault *fault);

/* The same, and the document in the other encoding into `out`, which has room for hg_..._bound(length) bytes; *written is set if valid. */
static inline uint64_t hg_cbor_bound(uint32_t json_length) { return (uint64_t)json_length * 9 / 4 + 32; }
enum hg_verdict hg_json_to_cbor(const struct hg_program *program, const uint8_t *data, uint32_t length, uint8_t *out,
                                uint32_t *written, struct hg_fault *fault);
/* CBOR -> JSON text. *written, if valid, is what the whole text needs: if that is more than `capacity`, nothing beyond the room was written and
 * the caller repeats with more of it; if it is less, the bytes behind the text are of no meaning. HG_MALFORMED with HG_CBOR_NO_JSON: valid, but it has a value that JSON does not have. */
enum hg_verdict hg_cbor_to_json(const struct hg_program *program, const uint8_t *data, uint32_t length, uint8_t *out,
                                uint32_t capacity, uint32_t *written, struct hg_fault *fault);

/* One violation. Texts are UTF-8, NUL-terminated (but schema_uri), valid during the call only; the lengths are in bytes and count, for a
 * name in a pointer may contain U+0000. */
struct hg_violation {
    const char *instance; /* JSON pointer; long names are cut short with "...", and so are pointers over 2048 bytes */
    const char *keyword_location; /* JSON pointer through every $ref that was followed */
    const char *schema;   /* JSON pointer of the keyword in the schema document it stands in */
    const char *schema_uri; /* URI of that document, "" for the main one without $id; not NUL-terminated */
    const char *message;
    uint32_t instance_length, keyword_location_length, schema_length, schema_uri_length, message_length;
    uint32_t offset; /* of the value in the document, bytes */
};
/* -> false: no more, please. */
typedef bool (*hg_report)(void *context, const struct hg_violation *violation);

/* Why a document is invalid: the same walk as the verdict, which goes on after a violation. At most program->max_errors reports, as they are
 * found; sorted by offset, then by keyword_location, they are in the order of the document. -> HG_VALID: no report was made. HG_INVALID: at
 * least one; fault->offset is that of the first. HG_MALFORMED: the document is malformed somewhere or over a limit; reports of what stands
 * before that place may have been made, the caller drops them. */
enum hg_verdict hg_explain_json(const struct hg_program *program, const uint8_t *data, uint32_t length,
                                hg_report report, void *context, struct hg_fault *fault);
enum hg_verdict hg_explain_cbor(const struct hg_program *program, const uint8_t *data, uint32_t length,
                                hg_report report, void *context, struct hg_fault *fault);

/* The line of the byte at `offset` in a JSON text, from 1: LF ends a line. */
uint32_t hg_line(const uint8_t *data, uint32_t offset);

#endif
