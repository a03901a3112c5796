/* CBOR -> verdict. */
#include "validate.h"

#include "engine_run.h"
#include "cbor_reader.h"

#include "emit_none.h"
#include "explain_none.h"

#include "engine.h"
#include "values_all.h"

enum hg_verdict hg_validate_cbor(const struct hg_program *program, const uint8_t *data, uint32_t length,
                                 struct hg_fault *fault) {
    struct hg_run run;
    struct hg_scope scope;
    const uint8_t *p = hg_run_start(&run, &scope, program, data, length);
    p = document(&run, p);
    return hg_run_result(&run, p, fault);
}
