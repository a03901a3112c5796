/* CBOR -> verdict, and the document as JSON text. */
#include "validate.h"

#include "engine_run.h"
#include "cbor_reader.h"

#include "emit_json.h"
#include "explain_none.h"

#include "engine.h"

enum hg_verdict hg_cbor_to_json(const struct hg_program *program, const uint8_t *data, uint32_t length, uint8_t *out,
                                uint32_t capacity, uint32_t *written, struct hg_fault *fault) {
    struct hg_run run;
    struct hg_scope scope;
    const uint8_t *p = hg_run_start(&run, &scope, program, data, length);
    run.out = out;
    run.out_end = out + capacity;
    run.out_lost = 0;
    run.foreign = NULL;
    p = document(&run, p);
    if (p != NULL) {
        const uint64_t needed = (uint64_t)(run.out - out) + run.out_lost;
        if (run.foreign != NULL) {
            p = hg_malformed(&run, HG_CBOR_NO_JSON, run.foreign);
        } else if (needed > UINT32_MAX) {
            p = hg_malformed(&run, HG_TOO_LARGE, data);
        } else {
            *written = (uint32_t)needed;
        }
    }
    return hg_run_result(&run, p, fault);
}
