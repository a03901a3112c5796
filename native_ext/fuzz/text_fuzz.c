/* Invariant: over any text formats decide within the text; a URI resolved once stays as it is; a document is a tree if
 * and only if it is a document, and each of its values is found again by its own pointer. */
#include "agree.h"
#include "core/format.h"
#include "core/tree.h"
#include "core/uri.h"
#include "input.h"

static void check_formats(const uint8_t *text, uint32_t length) {
    uint32_t characters;
    if (hg_utf8_fault(text, text + length, &characters) == NULL) {
        bool holds[HG_FORMAT_COUNT];
        for (int format = HG_FORMAT_NONE + 1; format < HG_FORMAT_COUNT; format++) {
            const char *name = hg_format_name((enum hg_format)format);
            CHECK(hg_format_named((const uint8_t *)name, (uint32_t)strlen(name)) == (enum hg_format)format);
            holds[format] = hg_format_holds((enum hg_format)format, text, length);
        }
        CHECK(!holds[HG_FORMAT_URI] || holds[HG_FORMAT_URI_REFERENCE]);
        CHECK(!(holds[HG_FORMAT_DATE] && (holds[HG_FORMAT_TIME] || holds[HG_FORMAT_DATE_TIME])));
    }
}

static void check_uri(const char *base, const uint8_t *reference, uint32_t length) {
    static struct hg_uri uri, again;
    const uint8_t *fragment = NULL;
    uint32_t fragment_length = 0, written = 0;
    if (hg_uri_resolve(base, (uint32_t)strlen(base), reference, length, &uri, &fragment, &fragment_length)) {
        CHECK(uri.length <= HG_SCHEMA_URI && strlen(uri.text) == uri.length);
        CHECK(fragment == NULL || (fragment > reference && fragment[-1] == '#' &&
                                   fragment + fragment_length == reference + length));
        CHECK(memchr(uri.text, '#', uri.length) == NULL);
        if (*base != 0) { /* it is absolute now */
            CHECK(hg_uri_resolve("x:/y/z", 6, (const uint8_t *)uri.text, uri.length, &again, &fragment,
                                 &fragment_length));
            CHECK(fragment == NULL && again.length == uri.length && memcmp(again.text, uri.text, uri.length) == 0);
        }
    }
    uint8_t *decoded = malloc(length > 0 ? length : 1);
    CHECK(decoded != NULL);
    if (hg_uri_decode(reference, length, decoded, &written) == HG_DECODED) {
        CHECK(written <= length);
        check_text((const char *)decoded, written);
    }
    free(decoded);
}

static void check_tree(const uint8_t *text, uint32_t length, long fail_at) {
    struct heap heap = {0, fail_at};
    const struct hg_alloc memory = heap_of(&heap);
    const struct hg_program any = anything();
    struct hg_fault fault, other = {HG_NO_FAULT, 0};
    struct hg_tree tree;
    struct hg_buffer path = {0};
    uint8_t *copy = exact_copy(text, length, true);
    const bool valid = hg_validate_json(&any, copy, length, &other) == HG_VALID;
    if (hg_tree_parse(&tree, &memory, text, length, SEED, &fault)) {
        heap.fail_at = -1;
        CHECK(valid || other.reason == HG_TOO_DEEP);
        for (uint32_t i = HG_TREE_ROOT; i < tree.count; i++) {
            path.size = 0;
            CHECK(hg_tree_path(&tree, HG_TREE_ROOT, i, &path, &memory));
            CHECK(hg_tree_pointer(&tree, HG_TREE_ROOT, path.data, path.size) == i);
        }
        hg_tree_clear(&tree, &memory);
    } else if (fault.reason != HG_NO_FAULT) {
        CHECK(!valid || fault.reason == HG_TOO_DEEP || fault.reason == HG_TOO_LARGE);
        CHECK(valid || fault.reason == HG_TOO_DEEP || other.reason == HG_TOO_DEEP ||
              (fault.reason == other.reason && fault.offset == other.offset));
    } else {
        CHECK(fail_at > 0);
    }
    hg_buffer_clear(&path, &memory);
    CHECK(heap.live == 0);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const bases[] = {"", "http://h.example/a/b/c?q", "urn:x:y", "a:b", "file:///x/y"};
    struct input input = {data, size};
    const uint8_t how = take_byte(&input);
    uint8_t *text = exact_copy(input.data, input.left, false);
    const uint32_t length = (uint32_t)input.left;
    check_formats(text, length);
    check_uri(bases[how % 5], text, length);
    check_tree(text, length, how >= 224 ? how - 223 : -1);
    free(text);
    return 0;
}
