/* core/to_cbor.c, to_json.c, cbor_sort.c: what is written, in blocks of exactly the size that was promised. */
#include "check.h"

#include "core/cbor_sort.h"
#include "core/compile.h"
#include "core/validate.h"

struct transcode_row {
    const char *json, *cbor, *sorted, *back;
};
#include "transcode_rows.h"

static struct heap heap = {0, -1};

/* The schema `true`. */
static struct hg_program anything(void) {
    return (struct hg_program){
        .max_depth = HG_JSON_DEPTH, .max_steps = HG_SCHEMA_STEPS, .max_bytes = HG_DOCUMENT_BYTES};
}

static struct hg_program *compiled(const char *schema) {
    const struct hg_alloc memory = heap_of(&heap);
    const struct hg_compile_options options = {.draft = HG_DRAFT_2020};
    struct hg_program *program;
    CHECK(hg_compile(&memory, (const uint8_t *)schema, (uint32_t)strlen(schema), &options, &program) == HG_OK);
    return program;
}

/* A block of the heap: the bytes and a NUL, which JSON wants. */
static uint8_t *text_block(const char *text, size_t length) {
    uint8_t *block = malloc(length + 1);
    CHECK(block != NULL);
    memcpy(block, text, length);
    block[length] = 0;
    return block;
}

/* JSON -> CBOR in a block of the promised size, which the caller frees. */
static uint8_t *to_cbor(const struct hg_program *program, const char *json, size_t length, uint32_t *written,
                        enum hg_verdict *verdict) {
    struct hg_fault fault;
    const size_t bound = (size_t)hg_cbor_bound((uint32_t)length);
    uint8_t *text = text_block(json, length), *out = malloc(bound);
    CHECK(out != NULL);
    *verdict = hg_json_to_cbor(program, text, (uint32_t)length, out, written, &fault);
    CHECK(*verdict != HG_VALID || *written <= bound - 8); /* words are copied */
    free(text);
    return out;
}

/* CBOR -> JSON in exactly the room it needs; -> its length. */
static uint32_t to_json(const struct hg_program *program, const uint8_t *cbor, uint32_t length, uint8_t **json) {
    struct hg_fault fault;
    uint32_t written = 0, again = 0;
    uint8_t none;
    CHECK(hg_cbor_to_json(program, cbor, length, &none, 0, &written, &fault) == HG_VALID);
    *json = malloc(written);
    CHECK(*json != NULL);
    CHECK(hg_cbor_to_json(program, cbor, length, *json, written, &again, &fault) == HG_VALID && again == written);
    return written;
}

static bool is_hex(const uint8_t *bytes, uint32_t length, const char *hex) {
    char text[3];
    if (strlen(hex) != (size_t)2 * length) {
        return false;
    }
    for (uint32_t i = 0; i < length; i++) {
        snprintf(text, sizeof text, "%02x", bytes[i]);
        if (memcmp(text, hex + 2 * i, 2) != 0) {
            return false;
        }
    }
    return true;
}

static void sort(uint8_t *cbor, uint32_t length) {
    const struct hg_alloc memory = heap_of(&heap);
    uint8_t *copy = malloc(length); /* nothing behind it */
    CHECK(copy != NULL);
    memcpy(copy, cbor, length);
    heap.fail_at = -1;
    CHECK(hg_cbor_sort(&memory, copy, length) == HG_OK && heap.live == 0);
    /* without memory it stays as it is; if it is in order, none is needed */
    uint8_t *before = malloc(length);
    CHECK(before != NULL);
    memcpy(before, cbor, length);
    heap.fail_at = 1;
    const bool ordered = memcmp(copy, cbor, length) == 0;
    CHECK(hg_cbor_sort(&memory, cbor, length) == (ordered ? HG_OK : HG_NO_MEMORY));
    CHECK(memcmp(before, cbor, length) == 0);
    heap.fail_at = 1;
    CHECK(hg_cbor_sort(&memory, copy, length) == HG_OK);
    heap.fail_at = -1;
    memcpy(cbor, copy, length);
    free(before);
    free(copy);
}

static void test_rows(void) {
    const struct hg_program program = anything();
    const struct transcode_row *const end = TRANSCODED + sizeof TRANSCODED / sizeof *TRANSCODED;
    for (const struct transcode_row *row = TRANSCODED; row < end; row++) {
        uint32_t written;
        enum hg_verdict verdict;
        const size_t length = strlen(row->json);
        uint8_t *cbor = to_cbor(&program, row->json, length, &written, &verdict), *json;
        CHECK(verdict == HG_VALID);
        if (!is_hex(cbor, written, row->cbor)) {
            fprintf(stderr, "%s\n", row->json);
            CHECK(false);
        }
        const uint32_t size = to_json(&program, cbor, written, &json);
        CHECK(size == strlen(row->back) && memcmp(json, row->back, size) == 0);
        free(json);
        sort(cbor, written);
        CHECK(is_hex(cbor, written, row->sorted != NULL ? row->sorted : row->cbor));
        free(cbor);
        for (size_t cut = 0; cut < length; cut++) { /* less room, and less to write */
            free(to_cbor(&program, row->json, cut, &written, &verdict));
        }
    }
}

/* `count` times the item between brackets: what grows most. */
static void check_bound(const char *item, uint32_t count) {
    const struct hg_program program = anything();
    const size_t size = strlen(item), length = 1 + (size_t)count * (size + 1);
    char *json = malloc(length + 1);
    uint32_t written;
    enum hg_verdict verdict;
    CHECK(json != NULL);
    json[0] = '[';
    for (uint32_t i = 0; i < count; i++) {
        memcpy(json + 1 + i * (size + 1), item, size);
        json[(i + 1) * (size + 1)] = i + 1 < count ? ',' : ']';
    }
    uint8_t *cbor = to_cbor(&program, json, length, &written, &verdict);
    CHECK(verdict == HG_VALID);
    const size_t cuts = length < 300 ? length : count < 65536 ? 20 : 1; /* each goes through all of it */
    for (size_t cut = length; cut-- > length - cuts;) {                 /* refused at its end only */
        free(to_cbor(&program, json, cut, &written, &verdict));
        CHECK(verdict == HG_MALFORMED);
    }
    free(cbor);
    free(json);
}

static void test_bound_of_the_output(void) {
    static const char *const ITEMS[] = {
        "0.1", "1.3", "9e9", "1e5", "1e3", "0",  "24", "256", "65536", "4294967296", "1e-9", "1e20", "1e291", "1e999",
        "1e-999999999", "12345678901234567e-99999", "-0.1234567890123456", "123456789012345678901234567890", "\"\"",
        "\"a\"", "\"\\n\"", "[]", "{}", "{\"\":0.1}", "{\"\":9e9}", "{\"a\":{}}", "[0.1]", "null",
        "\"abcdefghijklmnopqrstuvwx\"", "\"abcdefgh\"", "\"abcdefghi\"", "\"abcdefghijklmnopqrstuvwxyzabcdefg\"",
    };
    for (uint32_t i = 0; i < sizeof ITEMS / sizeof *ITEMS; i++) {
        static const uint32_t COUNTS[] = {1, 2, 3, 23, 24, 255, 256, 1000, 65536};
        for (uint32_t c = 0; c < sizeof COUNTS / sizeof *COUNTS; c++) {
            check_bound(ITEMS[i], COUNTS[c]);
        }
        /* alone: no byte stands behind it */
        const struct hg_program program = anything();
        uint32_t written;
        enum hg_verdict verdict;
        free(to_cbor(&program, ITEMS[i], strlen(ITEMS[i]), &written, &verdict));
        CHECK(verdict == HG_VALID);
    }
    char text[1200];
    for (uint32_t size = 0; size < 1100; size += size < 300 ? 1 : 97) { /* texts of every length, plain and escaped */
        const struct hg_program program = anything();
        uint32_t written;
        enum hg_verdict verdict;
        for (int escaped = 0; escaped <= 1; escaped++) {
            memset(text, 'x', size + 4);
            text[0] = '"';
            memcpy(text + size + 1, escaped ? "\\n\"" : "\"", escaped ? 3 : 1);
            const size_t length = size + (escaped ? 4 : 2);
            uint8_t *cbor = to_cbor(&program, text, length, &written, &verdict), *json;
            const uint32_t bytes = size + (uint32_t)escaped;
            CHECK(verdict == HG_VALID && written == bytes + (bytes < 24 ? 1 : bytes < 256 ? 2 : 3));
            CHECK(to_json(&program, cbor, written, &json) == length && memcmp(json, text, length) == 0);
            free(json);
            free(cbor);
        }
    }
}

/* With a schema: known names, refused documents, what alternatives read again. */
static void test_schemas(void) {
    struct hg_program *program = compiled(
        "{\"properties\":{\"temperature\":{\"anyOf\":[{\"type\":\"null\"},{\"maximum\":99}]},\"a\\\"b\\n\":{},"
        "\"abcdefghijklmnopqrstuvwxyz\":{\"items\":{\"type\":\"integer\"}},\"raw\":{\"contentEncoding\":\"base64\"},"
        "\"unit\":{\"enum\":[\"C\",\"degrees Fahrenheit\",\"\\\"\"]}},"
        "\"patternProperties\":{\"^x\":{},\"y$\":{\"type\":\"integer\"}}}");
    static const char JSON[] = "{\"temperature\":21.5,"
                               "\"a\\\"b\\n\":\"\\u0001\\u007f\\b\\f\\r\\t\",\"abcdefghijklmnopqrstuvwxyz\":[1,2],"
                               "\"raw\":\"AQID\",\"unit\":\"C\",\"xy\":3,\"other\":{\"temperature\":1}}";
    static const char BACK[] = "{\"temperature\":21.5,"
                               "\"a\\\"b\\n\":\"\\u0001\x7f\\b\\f\\r\\t\",\"abcdefghijklmnopqrstuvwxyz\":[1,2],"
                               "\"raw\":\"AQID\",\"unit\":\"C\",\"xy\":3,\"other\":{\"temperature\":1}}";
    uint32_t written;
    enum hg_verdict verdict;
    struct hg_fault fault;
    uint8_t *json, *cbor = to_cbor(program, JSON, sizeof JSON - 1, &written, &verdict), room[512];
    CHECK(verdict == HG_VALID);
    CHECK(to_json(program, cbor, written, &json) == sizeof BACK - 1 && memcmp(json, BACK, sizeof BACK - 1) == 0);
    free(json);
    for (uint32_t size = 0; size <= sizeof BACK + 8; size++) { /* any room */
        uint32_t needed = 0;
        memset(room, 'X', sizeof room);
        CHECK(hg_cbor_to_json(program, cbor, written, room, size, &needed, &fault) == HG_VALID);
        CHECK(needed == sizeof BACK - 1 && memcmp(room, BACK, size < needed ? size : needed) == 0);
        CHECK(room[size] == 'X');
    }
    free(cbor);
    cbor = to_cbor(program, "{\"temperature\":100}", 19, &written, &verdict);
    CHECK(verdict == HG_INVALID);
    free(cbor);
    /* bytes stand for their text where the schema says so, else they have none; the schema is asked first */
    CHECK(to_json(program, (const uint8_t *)"\xa1\x63raw\x43\x01\x02\x03", 9, &json) == 14);
    CHECK(memcmp(json, "{\"raw\":\"AQID\"}", 14) == 0);
    free(json);
    CHECK(hg_cbor_to_json(program, (const uint8_t *)"\xa1\x63raX\x43\x01\x02\x03", 9, room, 99, &written, &fault) ==
          HG_MALFORMED);
    CHECK(fault.reason == HG_CBOR_NO_JSON && fault.offset == 5);
    CHECK(hg_cbor_to_json(program, (const uint8_t *)"\xa2\x63raX\xf7\x61y\x61z", 10, room, 99, &written, &fault) ==
          HG_INVALID);
    CHECK(hg_cbor_to_json(program, (const uint8_t *)"\xa2\x63raX\xf7\x61y\x1c", 9, room, 99, &written, &fault) ==
          HG_MALFORMED);
    CHECK(fault.reason == HG_CBOR_RESERVED && fault.offset == 8);
    heap_release(&heap, program);
    CHECK(heap.live == 0);
}

/* Texts of every length around the blocks that are copied at once, with something to escape in every place, as value, name, and
 * string of the schema; at the end of the document and before it; with every room. */
static void test_texts(void) {
    struct hg_program *program = compiled("{\"properties\":{\"u\":{\"enum\":[\"0123456789abcde\",\"0123456789abcdef0\"]}}}");
    char text[60], json[400];
    uint8_t room[400];
    for (size_t length = 0; length <= 34; length++) {
        for (size_t special = 0; special <= length; special += length < 20 ? 1 : 5) {
            for (unsigned behind = 0; behind < 2; behind++) {
                memset(text, 'a', sizeof text);
                memcpy(text + special, "\\n", 2);
                const int size = snprintf(json, sizeof json, "{\"%.*s\":\"%.*s\",\"u\":\"0123456789abcde%s\"%s}", (int)length + 1,
                                          text, (int)length + 1, text, length % 2 == 0 ? "" : "f0",
                                          behind == 0 ? "" : ",\"v\":[1,2,3,4,5,6,7,8,9,1,1,1,1,1,1,1]");
                uint32_t written, needed = 0;
                enum hg_verdict verdict;
                struct hg_fault fault;
                uint8_t *cbor = to_cbor(program, json, (size_t)size, &written, &verdict), *exact = malloc(written);
                CHECK(verdict == (special == length ? HG_MALFORMED : HG_VALID) && exact != NULL); /* an escape cut off */
                for (uint32_t most = verdict == HG_VALID ? 0 : UINT32_MAX; most <= (uint32_t)size + 40; most += 3) {
                    memcpy(exact, cbor, written);
                    memset(room, 'X', sizeof room);
                    CHECK(hg_cbor_to_json(program, exact, written, room, most, &needed, &fault) == HG_VALID);
                    CHECK(needed == (uint32_t)size && memcmp(room, json, most < needed ? most : needed) == 0 && room[most] == 'X');
                }
                free(exact);
                free(cbor);
            }
        }
    }
    heap_release(&heap, program);
    CHECK(heap.live == 0);
}

/* Integers and fractions around every number of digits, in JSON as they were. */
static void test_numbers(void) {
    struct hg_program *program = compiled("{\"items\":{\"type\":\"number\"}}");
    static const char *const ENDS[] = {"", ".5", ".05", ".25", ".125", ".000001", ".100001", ".99", ".010203", ".999999"};
    char json[64];
    uint64_t number = 1;
    for (unsigned digits = 1; digits <= 18; digits++, number *= 10) {
        for (unsigned i = 0; i < 4 * sizeof ENDS / sizeof *ENDS; i++) {
            const uint64_t whole = i % 2 == 0 ? number : number - 1;
            const char *end = digits <= 9 ? ENDS[i / 4] : "";
            if (i / 2 % 2 == 1 && whole == 0 && *end == 0) {
                continue; /* -0 is 0 */
            }
            const int size = snprintf(json, sizeof json, "[%s%llu%s]", i / 2 % 2 == 0 ? "" : "-", (unsigned long long)whole, end);
            uint32_t written;
            enum hg_verdict verdict;
            uint8_t *back, *cbor = to_cbor(program, json, (size_t)size, &written, &verdict);
            CHECK(verdict == HG_VALID);
            CHECK(to_json(program, cbor, written, &back) == (uint32_t)size && memcmp(back, json, (size_t)size) == 0);
            free(back);
            CHECK(size < 60);
            uint8_t room[128];
            struct hg_fault fault;
            CHECK(hg_cbor_to_json(program, cbor, written, room, sizeof room, &written, &fault) == HG_VALID);
            CHECK(memcmp(room, json, (size_t)size) == 0); /* with room for what is written at once */
            free(cbor);
        }
    }
    heap_release(&heap, program);
    CHECK(heap.live == 0);
}

/* Every three digits: as a number, behind others, and behind the point. */
static void test_triples(void) {
    struct hg_program *program = compiled("{\"items\":{\"type\":\"number\"}}");
    char json[128];
    for (unsigned i = 0; i < 1000; i++) {
        int size = snprintf(json, sizeof json, "[%u,-%u,%u%03u,7%03u", i, i + 1, i + 1, i, i);
        if (i % 10 != 0) { /* a fraction does not end in 0 */
            size += snprintf(json + size, sizeof json - (size_t)size, ",0.%03u,-%u.%03u,1.%03u%03u", i, i, i, 999 - i, i);
        } else if (i % 100 != 0) {
            size += snprintf(json + size, sizeof json - (size_t)size, ",0.%02u,1.000%02u", i / 10, i / 10);
        } else if (i != 0) {
            size += snprintf(json + size, sizeof json - (size_t)size, ",0.%u,1.%03u%u", i / 100, i, i / 100);
        }
        size += snprintf(json + size, sizeof json - (size_t)size, "]");
        uint32_t written;
        enum hg_verdict verdict;
        uint8_t *cbor = to_cbor(program, json, (size_t)size, &written, &verdict), room[sizeof json * 2];
        struct hg_fault fault;
        CHECK(verdict == HG_VALID);
        CHECK(hg_cbor_to_json(program, cbor, written, room, sizeof room, &written, &fault) == HG_VALID);
        CHECK(written == (uint32_t)size && memcmp(room, json, (size_t)size) == 0);
        free(cbor);
    }
    heap_release(&heap, program);
    CHECK(heap.live == 0);
}

/* mantissa * 10^-places in the shortest format, by a division. */
static void check_fraction(const struct hg_program *program, uint32_t mantissa, unsigned places) {
    static const double POWERS[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    const double value = (double)mantissa / POWERS[places];
    char json[32];
    uint32_t written;
    enum hg_verdict verdict;
    const int length = snprintf(json, sizeof json, "%.*f", (int)places, value);
    uint8_t *cbor = to_cbor(program, json, (size_t)length, &written, &verdict);
    CHECK(verdict == HG_VALID);
    if (cbor[0] == 0xFB) {
        uint64_t bits = 0;
        double is;
        for (int i = 1; i <= 8; i++) {
            bits = bits << 8 | cbor[i];
        }
        memcpy(&is, &bits, sizeof is);
        CHECK(written == 9 && is == value && (float)is != is);
    } else { /* shorter, because that is enough */
        CHECK((double)(float)value == value && written < 9);
    }
    free(cbor);
}

/* Fractions are multiplied with tenths, not divided by powers of ten: every result must be the nearest double all the same. */
static void test_fractions(void) {
    struct hg_program *const program = compiled("{\"type\": \"number\"}");
    const struct hg_alloc memory = heap_of(&heap);
    uint32_t random = 1;
    for (unsigned places = 1; places <= 6; places++) {
        for (uint32_t mantissa = 1; mantissa < 1000; mantissa++) {
            check_fraction(program, mantissa, places);
            check_fraction(program, (UINT32_C(1) << 27) - mantissa, places);
            check_fraction(program, (UINT32_C(1) << 27) + mantissa, places); /* these are divided */
            random = random * 1664525 + 1013904223;
            check_fraction(program, random >> 5, places);
        }
    }
    memory.release(memory.context, program);
}

/* Maps in maps, many names, all in the wrong order. */
static void test_sort(void) {
    struct hg_program program = anything();
    program.max_depth = HG_DOCUMENT_DEPTH;
    static char json[300000];
    uint32_t written;
    enum hg_verdict verdict;
    size_t length = 0;
    for (uint32_t i = 0; i < HG_DOCUMENT_DEPTH; i++) {
        length += (size_t)snprintf(json + length, sizeof json - length, "{\"b\":1e400,\"a\":");
    }
    length += (size_t)snprintf(json + length, sizeof json - length, "1e400"); /* an array in the innermost */
    memset(json + length, '}', HG_DOCUMENT_DEPTH);
    length += HG_DOCUMENT_DEPTH;
    uint8_t *cbor = to_cbor(&program, json, length, &written, &verdict);
    CHECK(verdict == HG_VALID);
    sort(cbor, written);
    for (uint32_t i = 0; i < HG_DOCUMENT_DEPTH; i++) {
        CHECK(memcmp(cbor + 3 * i, "\xa2\x61" "a", 3) == 0);
    }
    free(cbor);
    for (uint32_t count = 0; count < 10000; count += 1 + count / 2) {
        uint32_t state = count;
        length = (size_t)snprintf(json, sizeof json, "[7,{");
        for (uint32_t i = 0; i < count; i++) { /* names of 1 to 12 digits, all different */
            state = state * 1664525u + 1013904223u;
            length += (size_t)snprintf(json + length, sizeof json - length, "%s\"%.*s%u\":[%u]", i == 0 ? "" : ",",
                                       (int)(state >> 29), "--------", (unsigned)i, (unsigned)i);
        }
        length += (size_t)snprintf(json + length, sizeof json - length, "},{}]");
        cbor = to_cbor(&program, json, length, &written, &verdict);
        CHECK(verdict == HG_VALID);
        sort(cbor, written);
        /* in order, and each value still with its name */
        uint8_t *back;
        const uint32_t size = to_json(&program, cbor, written, &back);
        CHECK(size == length);
        const char *p = (const char *)back + 4, *last = NULL;
        uint64_t sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            const char *end = strchr(p + 1, '"');
            const unsigned long name = strtoul(p + 1 + strspn(p + 1, "-"), NULL, 10), item = strtoul(end + 3, NULL, 10);
            CHECK(name == item);
            sum += item;
            if (last != NULL) {
                const size_t size_last = strcspn(last + 1, "\""), size_this = (size_t)(end - p - 1);
                CHECK(size_last < size_this ||
                      (size_last == size_this && memcmp(last + 1, p + 1, size_this) < 0));
            }
            last = p;
            p = strchr(end, ']') + 2;
        }
        CHECK(sum == (uint64_t)count * (count - (count > 0)) / 2);
        free(back);
        free(cbor);
    }
}

int main(void) {
    test_fractions();
    test_rows();
    test_bound_of_the_output();
    test_schemas();
    test_texts();
    test_numbers();
    test_triples();
    test_sort();
    return 0;
}
