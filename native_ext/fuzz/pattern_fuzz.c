/* Invariant: any pattern is compiled or refused within the limits, with any allocation failing; a text matches or not,
 * whichever form the pattern takes (literal, prefix, DFA or NFA) and in whatever pieces the text comes. What can be
 * compiled is a regular expression for `format: regex`. */
#include "../../native_ext/core/pattern_form.c"
#include "../../tests/c/check.h"
#include "core/scan.h"
#include "input.h"

static bool in_pieces(const void *pattern, const uint8_t *text, uint32_t length, uint32_t step) {
    struct hg_match match;
    uint32_t at = 0;
    hg_match_begin(&match, pattern);
    for (uint32_t i = 1, characters = 0; i <= length; i++) {
        if ((i == length || (text[i] & 0xC0) != 0x80) && (++characters % step == 0 || i == length)) {
            hg_match_feed(&match, text + at, i - at);
            hg_match_feed(&match, text + i, 0);
            at = i;
        }
    }
    return hg_match_end(&match);
}

/* The NFA of the source, whatever form hg_pattern_compile has chosen. */
static void *as_nfa(const struct hg_alloc *memory, const uint8_t *source, uint32_t length) {
    struct hg_tree tree;
    struct hg_pattern_error error;
    static struct hg_program_code program;
    CHECK(hg_pattern_parse(memory, source, length, &tree, &error) == HG_OK);
    CHECK(hg_pattern_emit(&tree, &program, &error));
    void *nfa = nfa_form(memory, &tree, &program);
    hg_tree_free(memory, &tree);
    CHECK(nfa != NULL);
    return nfa;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Input: which allocation fails, the length of the pattern, the pattern, and the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    const uint8_t how = take_byte(&input), want = take_byte(&input);
    const uint32_t length = want < input.left ? want : (uint32_t)input.left;
    const uint32_t text_length = (uint32_t)input.left - length;
    uint32_t characters, compiled_size = 0, offset = 0;
    uint8_t *source = malloc(length + 1), *text = malloc(text_length + 1);
    CHECK(source != NULL && text != NULL);
    memcpy(source, input.data, length);
    memcpy(text, input.data + length, text_length);
    source = realloc(source, length > 0 ? length : 1);
    text = realloc(text, text_length > 0 ? text_length : 1);
    if (hg_utf8_fault(source, source + length, &characters) == NULL &&
        hg_utf8_fault(text, text + text_length, &characters) == NULL) {
        struct heap heap = {0, how >= 224 ? how - 223 : -1};
        const struct hg_alloc memory = heap_of(&heap);
        const char *reason = NULL;
        void *pattern = NULL;
        const enum hg_status status =
            hg_pattern_compile(&memory, source, length, &pattern, &compiled_size, &reason, &offset);
        CHECK(heap.live == (status == HG_OK) && (pattern != NULL) == (status == HG_OK));
        const bool regex = hg_pattern_is_regex(source, length);
        if (status == HG_OK) {
            CHECK(regex && compiled_size % HG_PATTERN_ALIGN == 0 && compiled_size <= 160u * 1024u);
            heap.fail_at = -1;
            void *nfa = as_nfa(&memory, source, length);
            const bool found = hg_pattern_search(pattern, text, text_length);
            CHECK(hg_pattern_search(nfa, text, text_length) == found);
            for (uint32_t step = 1; step <= 4; step += 3) {
                CHECK(in_pieces(pattern, text, text_length, step) == found);
                CHECK(in_pieces(nfa, text, text_length, step) == found);
            }
            heap_release(&heap, nfa);
            heap_release(&heap, pattern);
        } else if (status == HG_BAD_PATTERN) {
            CHECK(reason != NULL && *reason != 0 && offset <= length);
        } else {
            CHECK(status == HG_NO_MEMORY && how >= 224);
        }
        CHECK(heap.live == 0);
    }
    free(source);
    free(text);
    return 0;
}
