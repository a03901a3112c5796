/* RFC 9457 problem details: the one error that reaches the wire. Twin of firmware_py/headgate/core/problem.py. */
#ifndef HEADGATE_PROBLEM_H
#define HEADGATE_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

#include "output.h"

/* In the order of docs/wire.md. The words are in problem.c. */
enum hg_code {
    HG_P_NONE = 0,
    HG_P_BAD_CACHE_CONTROL, HG_P_BAD_CONTENT_RANGE, HG_P_BAD_IDEMPOTENCY_KEY, HG_P_BAD_QUERY, HG_P_BODY_TOO_LARGE,
    HG_P_DRAINING, HG_P_EXPECTATION_FAILED, HG_P_HEAD_TOO_LARGE, HG_P_IDEMPOTENCY_KEY_REUSED, HG_P_INCOMPLETE, HG_P_INSUFFICIENT_SCOPE, HG_P_INTERNAL,
    HG_P_INVALID_TOKEN, HG_P_LENGTH_REQUIRED, HG_P_MALFORMED_CBOR, HG_P_MALFORMED_JSON, HG_P_MALFORMED_REQUEST,
    HG_P_METHOD_NOT_ALLOWED, HG_P_MISSING_TOKEN, HG_P_NO_LAST_VALUE, HG_P_NOT_CACHED, HG_P_NOT_FOUND,
    HG_P_NOT_IMPLEMENTED, HG_P_NOT_STORED, HG_P_OUT_OF_MEMORY, HG_P_OUTBOX_FULL, HG_P_PRECONDITION_FAILED,
    HG_P_RATE_LIMITED, HG_P_RECORD_TOO_LARGE, HG_P_SCHEMA_VIOLATION, HG_P_STORAGE_FAILED, HG_P_TIMEOUT,
    HG_P_TOO_MANY_CONNECTIONS, HG_P_UNKNOWN_STREAM, HG_P_UNSUPPORTED_MEDIA_TYPE, HG_P_UPDATE_FAILED,
    HG_P_UPDATE_REFUSED, HG_P_URI_TOO_LONG, HG_P_VALUE_TOO_LARGE, HG_P_VERSION_NOT_SUPPORTED,
    HG_P_COUNT
};

struct hg_problem {
    uint16_t status;    /* HTTP */
    uint8_t code;       /* enum hg_code */
    bool close;         /* the connection cannot go on after it */
    const char *detail; /* one sentence, static; "" for none */
};

const char *hg_code_slug(enum hg_code code);  /* "body_too_large" */
const char *hg_code_title(enum hg_code code); /* "" where the title is the status text */
const char *hg_status_phrase(uint16_t status); /* "Accepted"; "Unknown" */

/* The application/problem+json body. `detail`, `instance` (the decoded path): left out when empty. `members`: further members
 * of the object as JSON text that begins with a comma, or empty. */
void hg_problem_body(struct hg_output *output, uint16_t status, enum hg_code code, struct hg_view detail,
                     struct hg_view instance, struct hg_view members);

#endif
