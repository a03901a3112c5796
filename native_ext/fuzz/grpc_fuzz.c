/* Invariant: the same requests, messages and end of a call however its input is cut; each request is exactly one for http1.h, whatever
 * the messages and metadata say; without memory the call ends all the same, and nothing is left behind. */
#include "../../tests/c/check_grpc.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const answers[] = {
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"valid\":true}",
    "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 37\r\n\r\n{\"seq\":\"7.1201\",\"durability\":\"fsync\"}",
    "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nETag: \"7-12\"\r\nAge: 3\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/1.1 304 Not Modified\r\nETag: \"7-12\"\r\nAge: 3\r\nCache-Control: no-cache\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nETag: \"7-13\"\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nContent-Length: 67\r\n\r\n"
    "{\"type\":\"urn:headgate:problem:not_cached\",\"title\":\"-\",\"status\":404}",
    "HTTP/1.1 422 Unprocessable Content\r\nContent-Type: application/problem+json\r\nContent-Length: 179\r\n\r\n"
    "{\"type\":\"urn:headgate:problem:schema_violation\",\"title\":\"-\",\"status\":422,\"detail\":\"\\u00e9\",\"errors\":[{\"instance\":\"/a\","
    "\"schema\":\"/b\",\"message\":\"no\"},{\"instance\":\"\",\"message\":\"x\"}]}",
    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    NULL,
};

/* Input: the method, the first answer, metadata (a line of it), how many sizes of pieces, the sizes, the bytes of the stream. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct input input = {data, size};
    struct outcome whole, pieces, poor;
    char key[16] = "", coding[8] = "gzip";
    const enum hg_grpc_method method = (enum hg_grpc_method)(take_byte(&input) % HG_GRPC_METHODS);
    const uint8_t first = take_byte(&input) % (sizeof answers / sizeof answers[0]), options = take_byte(&input);
    const char *const fields[] = {"authorization", "Bearer x", "grpc-encoding", coding, (options & 1) != 0 ? "idempotency-key" : "x", key,
                                  (options & 2) != 0 ? "grpc-timeout" : "y", (options & 4) != 0 ? "5S" : "5", NULL};
    for (int i = 0; i < 15 && input.left > 0; i++) { /* as nghttp2 lets values through */
        const uint8_t c = take_byte(&input);
        key[i] = c >= 0x20 && c != 0x7F ? (char)c : 'k';
    }
    coding[0] = (options & 8) != 0 ? 'g' : 'x';
    const size_t wanted = take_byte(&input) % 8;
    const uint32_t count = (uint32_t)(wanted < input.left ? wanted : input.left);
    const uint8_t *const sizes = input.data;
    input.data += count;
    input.left -= count;
    const uint32_t length = (uint32_t)input.left, answer_count = (uint32_t)(sizeof answers / sizeof answers[0]) - first;
    run_grpc(&whole, &alloc, method, fields, input.data, length, NULL, 0, answers + first, answer_count);
    run_grpc(&pieces, &alloc, method, fields, input.data, length, sizes, count, answers + first, answer_count);
    CHECK(!whole.mute && !pieces.mute && heap.live == 0);
    CHECK(same_bytes(&whole.requests, &pieces.requests) && same_bytes(&whole.data, &pieces.data));
    CHECK(same_bytes(&whole.trailers, &pieces.trailers));
    heap.fail_at = 1 + options % 16;
    run_grpc(&poor, &alloc, method, fields, input.data, length, sizes, count, answers + first, answer_count);
    CHECK(heap.live == 0);
    free_outcome(&whole);
    free_outcome(&pieces);
    free_outcome(&poor);
    return 0;
}
