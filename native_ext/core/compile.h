/* JSON Schema (2020-12, draft-07) -> program.h. Everything is looked up, resolved and checked here, once; nothing at run time. */
#ifndef HEADGATE_COMPILE_H
#define HEADGATE_COMPILE_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc.h"
#include "program.h"
#include "status.h"

enum hg_draft { HG_DRAFT_7 = 7, HG_DRAFT_2020 = 2020 };

/* The text of the document at `uri` (absolute, no fragment): from the caller's registry, never from the network. -> false if there is
 * none. The text must stay until hg_compile returns. Called at most HG_SCHEMA_DOCUMENTS times. */
typedef bool (*hg_resolve)(void *context, const char *uri, uint32_t uri_length, const uint8_t **text, uint32_t *length);

enum hg_severity { HG_LINT, HG_ERROR };
/* Called for each finding, in the order of the document. `pointer` is the JSON pointer of the keyword in the document `uri` ("" for the main
 * one); `reason` one short sentence without a full stop. Both are gone after the call. */
typedef void (*hg_finding)(void *context, enum hg_severity severity, const char *uri, const char *pointer, const char *reason);

struct hg_compile_options {
    enum hg_draft draft;     /* unless `$schema` says otherwise */
    uint32_t formats;        /* bit 1 << enum hg_format: asserted; others are annotations */
    bool last_duplicate;     /* HG_PROGRAM_LAST_DUPLICATE */
    bool unknown_keywords;   /* true: annotations (with a lint), as the standard has it; false: an error */
    uint32_t max_depth, max_steps, max_bytes, max_errors; /* 0: the defaults of limits.h */
    uint8_t seed[16];
    hg_resolve resolve;      /* may be NULL */
    hg_finding finding;      /* may be NULL */
    void *context;           /* of both */
};

/* `schema`: JSON text, strict, no duplicate names. HG_OK: *program is one block from `memory`. HG_BAD_SCHEMA: `finding` was called with the
 * HG_ERROR. HG_NO_MEMORY: nothing leaks. Bounded by HG_SCHEMA_NODES, HG_SCHEMA_BYTES, HG_SCHEMA_CHAIN, whatever the schema says. */
enum hg_status hg_compile(const struct hg_alloc *memory, const uint8_t *schema, uint32_t length,
                          const struct hg_compile_options *options, struct hg_program **program);

#endif
