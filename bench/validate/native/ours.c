/* Headgate's core without Python. -DMODE: 0 JSON -> verdict, 1 CBOR -> verdict, 2 JSON -> verdict and CBOR. The report
 * has the size of the compiled schema and the calls of the allocator that were made while documents were decided. */
#include "core/compile.h"
#include "core/validate.h"
#include "driver.h"

static struct hg_program *program;
static long allocations;
#if MODE == 2
static uint8_t *out;
#endif

static void *counted(void *context, size_t size) {
    (void)context;
    allocations++;
    return malloc(size);
}

static void give_back(void *context, void *memory) {
    (void)context;
    free(memory);
}

static void say(void *context, enum hg_severity severity, const char *uri, const char *pointer, const char *reason) {
    (void)context;
    if (severity == HG_ERROR) {
        fprintf(stderr, "%s#%s: %s\n", uri, pointer, reason);
    }
}

static int prepare(const struct document *schema, size_t largest) {
    static const struct hg_alloc memory = {counted, give_back, NULL};
    struct hg_compile_options options = {.draft = HG_DRAFT_2020,
                                         .formats = UINT32_MAX,
                                         .unknown_keywords = true,
                                         .max_steps = UINT32_MAX,
                                         .finding = say};
    if (hg_compile(&memory, (const uint8_t *)schema->data, (uint32_t)schema->size, &options, &program) != HG_OK) {
        return -1;
    }
    allocations = 0;
#if MODE == 2
    out = malloc((size_t)hg_cbor_bound((uint32_t)largest));
    return out == NULL ? -1 : 0;
#else
    (void)largest;
    return 0;
#endif
}

static int judge(const struct document *document) {
    struct hg_fault fault;
    const uint8_t *data = (const uint8_t *)document->data;
#if MODE == 0
    return hg_validate_json(program, data, (uint32_t)document->size, &fault) == HG_VALID;
#elif MODE == 1
    return hg_validate_cbor(program, data, (uint32_t)document->size, &fault) == HG_VALID;
#else
    uint32_t written;
    return hg_json_to_cbor(program, data, (uint32_t)document->size, out, &written, &fault) == HG_VALID;
#endif
}

static void report(void) {
    printf(", \"program_bytes\": %u, \"allocations\": %ld", program->size, allocations);
}
