/* Invariant: the same events and the same refusals however the input is cut, also byte by byte and with any limits;
 * spans are inside the head, parts inside what was consumed, nothing is read beyond what was shown. Decoding never
 * writes more than it reads. */
#include "../../tests/c/check_http1.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const uint8_t *data, size_t size) {
    uint8_t *out = malloc(size + 1);
    CHECK(out != NULL);
    CHECK(hg_percent_decode((struct hg_view){data, (uint32_t)size}, out) <= size);
    free(out);
}

/* Input: limits (0: the usual ones), how many sizes of pieces, the sizes, the bytes of the connection. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    static struct told whole, bytes, pieces;
    const uint8_t small = take_byte(&input);
    const struct hg_http1_limits limits = {
        small & 1 ? 20 + take_byte(&input) : HG_HTTP_HEAD,
        small & 2 ? 1 + take_byte(&input) : HG_HTTP_LINE,
        small & 4 ? take_byte(&input) % 8u : HG_HTTP_HEADERS,
    };
    const bool ends = (small & 8) != 0;
    const size_t wanted = take_byte(&input) % 8;
    const uint32_t count = (uint32_t)(wanted < input.left ? wanted : input.left);
    const uint8_t *const sizes = input.data, one = 1;
    input.data += count;
    input.left -= count;
    const uint32_t length = (uint32_t)input.left;
    run_http1(&whole, &limits, input.data, length, NULL, 0, ends);
    run_http1(&bytes, &limits, input.data, length, &one, 1, ends);
    run_http1(&pieces, &limits, input.data, length, sizes, count, ends);
    check_same_told(&whole, &bytes);
    check_same_told(&whole, &pieces);
    decode(input.data, input.left);
    free(whole.body);
    free(bytes.body);
    free(pieces.body);
    return 0;
}
