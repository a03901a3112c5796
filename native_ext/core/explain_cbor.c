/* CBOR -> violations. */
#define HG_COLD

#include "validate.h"

#include "engine_run.h"
#include "cbor_reader.h"

#include "emit_none.h"
#include "explain_words.h"

#include "engine.h"
#include "explain_run.h"

enum hg_verdict hg_explain_cbor(const struct hg_program *program, const uint8_t *data, uint32_t length,
                                hg_report report, void *context, struct hg_fault *fault) {
    return explain_document(program, data, length, report, context, fault);
}
