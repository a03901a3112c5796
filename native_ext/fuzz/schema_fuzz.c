/* Invariant: any schema is compiled or refused within bounds, with any allocation failing, and nothing leaks; what
 * compiles is sound, and all passes over any document agree about it, in both encodings. */
#include <stdbool.h>

#include "../../tests/c/check_compile.h"
#include "agree.h"
#include "schema_text.h"

static const struct document REGISTRY[] = {
    {"urn:x:r", "{\"$dynamicAnchor\":\"n\",\"properties\":{\"a\":{\"$dynamicRef\":\"#n\"},\"b\":{\"type\":\"integer\"}},"
                "\"unevaluatedProperties\":false}"},
    {NULL, NULL},
};
static const char *const DOCUMENTS[] = {"{\"a\":1,\"b\":{\"ab\":[1,1.0,\"a\"]},\"x\":null}", "[1,\"ab\",[],{\"a\":{}}]",
                                        "\"2024-02-29\"", "600.03", "null", "{\"a\":{\"a\":{\"a\":{\"b\":2}}}}"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char schema[1 << 16], document[1 << 12];
    struct input input = {data, size};
    struct writer to = {schema, 0, sizeof schema};
    struct run run;
    const uint8_t how = take_byte(&input);
    begin(&run, how & 1 ? HG_DRAFT_7 : HG_DRAFT_2020);
    run.documents = REGISTRY;
    run.options.max_steps = 20000;
    run.heap.fail_at = how >= 192 ? 1 + take_byte(&input) : -1;
    uint8_t *text;
    size_t length;
    if (how & 4) { /* the bytes as they are */
        text = exact_copy(input.data, input.left, false);
        length = input.left;
    } else {
        put_schema(&to, &input, 4);
        text = exact_copy((const uint8_t *)schema, to.used, false);
        length = to.used;
    }
    const enum hg_status status = compile_bytes(&run, (const char *)text, length);
    free(text); /* the program has nothing of it */
    CHECK(status == HG_OK || status == HG_BAD_SCHEMA || (status == HG_NO_MEMORY && how >= 192));
    CHECK(status != HG_BAD_SCHEMA || strstr(run.findings, "E ") != NULL);
    run.heap.fail_at = -1;
    if (status == HG_OK) {
        for (size_t i = 0; i < sizeof DOCUMENTS / sizeof *DOCUMENTS; i++) {
            agree_json(run.program, (const uint8_t *)DOCUMENTS[i], strlen(DOCUMENTS[i]));
        }
        while ((how & 4) == 0 && input.left > 0) {
            to = (struct writer){document, 0, sizeof document};
            put_value(&to, &input, 4);
            agree_json(run.program, (const uint8_t *)document, to.used);
        }
    }
    end(&run);
    return 0;
}
