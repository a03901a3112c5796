/* Invariant: an answer in pieces is read as the same answer, with the same body kept, as at once. First byte: is it to a HEAD;
 * second: size of pieces. */
#include "load_http1/reply.c"

#include "load/shot.c"
#include "load/tally.c"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct hg_reply whole = {0}, parts = {0};
    struct hg_shot *one = hg_shot_new("", 0), *other = hg_shot_new("", 0);
    const char *answer = (const char *)data + 2;
    enum hg_reply_result at_once, in_pieces = HG_REPLY_MORE;
    size_t step;
    if (size < 3 || one == NULL || other == NULL) {
        hg_shot_free(one);
        hg_shot_free(other);
        return 0;
    }
    size -= 2;
    step = (size_t)data[1] % size + 1;
    hg_reply_begin(&whole, (data[0] & 1) != 0, one);
    hg_reply_begin(&parts, (data[0] & 1) != 0, other);
    at_once = hg_reply_feed(&whole, answer, size);
    for (size_t at = 0; at < size && in_pieces != HG_REPLY_WRONG; at += step) {
        const size_t length = size - at < step ? size - at : step;
        in_pieces = in_pieces == HG_REPLY_DONE ? HG_REPLY_WRONG : hg_reply_feed(&parts, answer + at, length);
    }
    assert(at_once == in_pieces);
    assert(at_once == HG_REPLY_WRONG || (whole.status == parts.status && whole.keep_alive == parts.keep_alive));
    assert(at_once == HG_REPLY_WRONG || (one->body_length == other->body_length &&
                                         (one->body_length == 0 || memcmp(one->body, other->body, one->body_length) == 0)));
    hg_reply_clear(&whole);
    hg_reply_clear(&parts);
    hg_shot_free(one);
    hg_shot_free(other);
    return 0;
}
