/* JSON text -> verdict, and the document as CBOR. */
#include "validate.h"

#include "engine_run.h"
#include "json_reader.h"

#include "emit_cbor.h"
#include "explain_none.h"

#include "engine.h"

enum hg_verdict hg_json_to_cbor(const struct hg_program *program, const uint8_t *data, uint32_t length, uint8_t *out,
                                uint32_t *written, struct hg_fault *fault) {
    struct hg_run run;
    struct hg_scope scope;
    const uint8_t *p = hg_run_start(&run, &scope, program, data, length);
    run.out = out;
    p = document(&run, p);
    *written = (uint32_t)(run.out - out);
    return hg_run_result(&run, p, fault);
}
