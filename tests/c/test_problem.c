/* core/problem.c, core/counters.c. That the words are those of core/problem.py: tests/twins/test_c_tables.py. */
#include "check.h"
#include "core/counters.h"
#include "core/problem.h"

static const struct hg_view nothing = {(const uint8_t *)"", 0};

static void check_body(uint16_t status, enum hg_code code, struct hg_view detail, struct hg_view instance,
                       struct hg_view members, const char *expected) {
    for (long fail_at = -1; fail_at < 3; fail_at++) { /* with all memory, and with each allocation failing */
        struct heap heap = {0, fail_at};
        const struct hg_alloc alloc = heap_of(&heap);
        struct hg_output output;
        hg_output_init(&output, &alloc, 512);
        hg_problem_body(&output, status, code, detail, instance, members);
        CHECK(output.failed == (fail_at == 1 || (fail_at == 2 && strlen(expected) > 256)));
        CHECK(output.failed || (output.length == strlen(expected) && memcmp(output.data, expected, output.length) == 0));
        hg_output_clear(&output);
        CHECK(heap.live == 0);
    }
}

static struct hg_view view(const char *text) { return (struct hg_view){(const uint8_t *)text, (uint32_t)strlen(text)}; }

static void test_bodies(void) {
    check_body(413, HG_P_BODY_TOO_LARGE, nothing, nothing, nothing,
               "{\"type\":\"urn:headgate:problem:body_too_large\",\"title\":\"Content Too Large\",\"status\":413}");
    check_body(400, HG_P_MALFORMED_JSON, view("at byte 1"), nothing, nothing,
               "{\"type\":\"urn:headgate:problem:malformed_json\",\"title\":\"The body is not well-formed JSON\","
               "\"status\":400,\"detail\":\"at byte 1\"}");
    check_body(401, HG_P_INVALID_TOKEN, view("\"\x01\\"), view("/\xC3\xA9"), view(",\"reason\":\"x\""),
               "{\"type\":\"urn:headgate:problem:invalid_token\",\"title\":\"The token is not accepted\",\"status\":401,"
               "\"detail\":\"\\\"\\u0001\\\\\",\"instance\":\"/\xC3\xA9\",\"reason\":\"x\"}");
}

static void test_words(void) {
    for (int code = HG_P_NONE + 1; code < HG_P_COUNT; code++) {
        CHECK(hg_code_slug((enum hg_code)code)[0] != '\0' && hg_code_title((enum hg_code)code) != NULL);
    }
    CHECK(hg_code_slug(HG_P_NONE)[0] == '\0' && hg_code_slug(HG_P_COUNT)[0] == '\0');
    CHECK(hg_code_title((enum hg_code)250)[0] == '\0');
    for (unsigned status = 0; status < 1000; status++) {
        CHECK(hg_status_phrase((uint16_t)status)[0] != '\0');
    }
}

static void test_counters(void) {
    static struct hg_counters counters;
    uint64_t all = 0;
    for (int64_t elapsed_ms = 0; elapsed_ms < 1200; elapsed_ms++) {
        hg_counters_finish(&counters, 202, HG_P_NONE, elapsed_ms);
    }
    CHECK(counters.requests[202] == 1200 && counters.latency_ms == 1200 * 1199 / 2);
    for (uint32_t bucket = 0; bucket <= HG_LATENCY_BUCKETS; bucket++) { /* the bounds belong to the bucket below them */
        const uint64_t to = bucket < HG_LATENCY_BUCKETS ? hg_latency_ms[bucket] + 1u : 1200;
        CHECK(all < to && counters.latency[bucket] == to - all);
        all = to;
    }
    for (int code = 0; code < HG_P_COUNT; code++) {
        CHECK(counters.problems[code] == 0);
        hg_counters_finish(&counters, 400, (enum hg_code)code, 0);
        CHECK(counters.problems[code] == (code != HG_P_NONE));
    }
    CHECK(counters.requests[400] == HG_P_COUNT && counters.latency[0] == 2 + HG_P_COUNT);
    hg_counters_finish(&counters, 599, HG_P_NONE, INT64_MAX);
    hg_counters_finish(&counters, 600, HG_P_NONE, 0);
    hg_counters_finish(&counters, UINT16_MAX, HG_P_NONE, 0);
    CHECK(counters.requests[599] == 1 && counters.requests[0] == 2 && counters.rejected[HG_P_TIMEOUT] == 0);
}

int main(void) {
    test_bodies();
    test_words();
    test_counters();
    return 0;
}
