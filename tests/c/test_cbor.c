/* core/cbor_item.c, cbor_text.c, cbor_reader.h: every kind of item and of fault, each input also cut off at every
 * length, in blocks of exactly its size (nothing stands behind a CBOR document). */
#include "check.h"

#include "core/cbor_reader.h"
#include "core/compile.h"
#include "core/validate.h"

struct cbor_row {
    const char *hex;
    enum hg_reason reason;
    uint32_t offset;
    const char *json;
};
#include "cbor_rows.h"

#define COUNT(rows) (uint32_t)(sizeof(rows) / sizeof *(rows))

/* The schema `true`. */
static struct hg_program anything(void) {
    return (struct hg_program){
        .max_depth = HG_JSON_DEPTH, .max_steps = HG_SCHEMA_STEPS, .max_bytes = HG_DOCUMENT_BYTES};
}

/* A block of the heap with nothing behind it. */
static uint8_t *block_of(const uint8_t *bytes, uint32_t length) {
    uint8_t *block = malloc(length == 0 ? 1 : length);
    CHECK(block != NULL);
    if (length != 0) {
        memcpy(block, bytes, length);
        return block;
    }
    free(block);
    return NULL;
}

static uint32_t bytes_of(const char *hex, uint8_t *bytes) {
    uint32_t length = 0;
    for (; *hex != 0; hex += 2, length++) {
        const char digits[3] = {hex[0], hex[1], 0};
        bytes[length] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return length;
}

/* The verdict on the first `length` bytes under the schema `true`. */
static enum hg_verdict judge(const uint8_t *bytes, uint32_t length, struct hg_fault *fault) {
    const struct hg_program program = anything();
    uint8_t *block = block_of(bytes, length);
    uint8_t nothing[1];
    *fault = (struct hg_fault){HG_NO_FAULT, 0};
    const enum hg_verdict verdict = hg_validate_cbor(&program, block == NULL ? nothing : block, length, fault);
    free(block);
    CHECK(verdict == HG_VALID || (fault->reason != HG_NO_FAULT && fault->offset <= length));
    return verdict;
}

static bool faulty(const char *bytes, size_t length, enum hg_reason reason, uint32_t offset) {
    struct hg_fault fault;
    const enum hg_verdict verdict = judge((const uint8_t *)bytes, (uint32_t)length, &fault);
    return verdict == HG_MALFORMED && fault.reason == reason && fault.offset == offset;
}

/* Its JSON text in exactly as much room as it needs, and in every smaller one if that is not much work. */
static void check_json(const uint8_t *bytes, uint32_t length, const struct cbor_row *row) {
    const struct hg_program program = anything();
    uint8_t *block = block_of(bytes, length), *out, end[1] = {0};
    uint32_t written = 0;
    struct hg_fault fault = {HG_NO_FAULT, 0};
    enum hg_verdict verdict = hg_cbor_to_json(&program, block, length, end, 0, &written, &fault);
    if (row->json == NULL) {
        CHECK(verdict == HG_MALFORMED && fault.reason == row->reason && fault.offset == row->offset);
    } else {
        const uint32_t size = (uint32_t)strlen(row->json);
        CHECK(verdict == HG_VALID && written == size);
        for (uint32_t room = size > 64 ? size - 1 : 1; room <= size; room++) {
            out = malloc(room);
            CHECK(out != NULL);
            memset(out, 'X', room);
            verdict = hg_cbor_to_json(&program, block, length, out, room, &written, &fault);
            CHECK(verdict == HG_VALID && written == size && memcmp(out, row->json, room) == 0);
            free(out);
        }
    }
    free(block);
}

static void check_rows(const struct cbor_row *rows, uint32_t count) {
    for (const struct cbor_row *row = rows; row < rows + count; row++) {
        uint8_t bytes[512];
        struct hg_fault fault;
        const uint32_t length = bytes_of(row->hex, bytes);
        const enum hg_verdict verdict = judge(bytes, length, &fault);
        const bool well = row->reason == HG_NO_FAULT || row->reason == HG_CBOR_NO_JSON;
        if (well ? verdict != HG_VALID
                 : verdict != HG_MALFORMED || fault.reason != row->reason || fault.offset != row->offset) {
            fprintf(stderr, "%s: \"%s\" at byte %u\n", row->hex, hg_fault_text(fault.reason), (unsigned)fault.offset);
            CHECK(false);
        }
        check_json(bytes, length, row);
        for (uint32_t cut = 0; cut < length; cut++) {
            /* no item begins with another one */
            const enum hg_verdict short_verdict = judge(bytes, cut, &fault);
            CHECK(!well || (short_verdict == HG_MALFORMED &&
                            (fault.reason == HG_UNEXPECTED_END || fault.reason == HG_CBOR_LENGTH)));
        }
    }
}

static void test_examples_of_the_standard(void) { check_rows(EXAMPLES, COUNT(EXAMPLES)); }
static void test_not_well_formed(void) { check_rows(NOT_WELL_FORMED, COUNT(NOT_WELL_FORMED)); }
static void test_tags_names_numbers_chunks_depth(void) { check_rows(FURTHER, COUNT(FURTHER)); }

static void test_every_first_byte(void) {
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            struct hg_fault fault;
            const uint8_t bytes[4] = {(uint8_t)first, (uint8_t)second, 0x80, 0x61};
            for (uint32_t length = 1; length <= 4; length++) {
                (void)judge(bytes, length, &fault); /* reads nothing beyond the end */
            }
        }
    }
    CHECK(faulty("", 0, HG_UNEXPECTED_END, 0));
}

/* The limit of items counts every head but "break", and where it is over is told whatever the head is in. */
static void test_number_of_items(void) {
    static uint8_t bytes[HG_CBOR_ITEMS + 64];
    struct hg_fault fault;
    /* [0, 0, ...] */
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, "\x9a\x00\x00\xff\xff", 5);
    CHECK(judge(bytes, HG_CBOR_ITEMS + 4, &fault) == HG_VALID);
    memcpy(bytes, "\x9a\x00\x01\x00\x00", 5);
    CHECK(faulty((const char *)bytes, HG_CBOR_ITEMS + 5, HG_CBOR_TOO_MANY, HG_CBOR_ITEMS + 4));
    /* the same without end, with a tag around it, and foreign */
    memset(bytes, 0, sizeof bytes);
    bytes[0] = 0x9F;
    bytes[HG_CBOR_ITEMS] = HG_CBOR_STOP;
    CHECK(judge(bytes, HG_CBOR_ITEMS + 1, &fault) == HG_VALID);
    bytes[HG_CBOR_ITEMS] = 0xF6;
    bytes[HG_CBOR_ITEMS + 1] = HG_CBOR_STOP;
    CHECK(faulty((const char *)bytes, HG_CBOR_ITEMS + 2, HG_CBOR_TOO_MANY, HG_CBOR_ITEMS));
    memcpy(bytes, "\xd9\xd9\xf7\x9f", 4);
    bytes[HG_CBOR_ITEMS + 1] = 0;
    CHECK(faulty((const char *)bytes, HG_CBOR_ITEMS + 3, HG_CBOR_TOO_MANY, HG_CBOR_ITEMS + 2));
    memcpy(bytes, "\xd8\x20\x9f\x9f", 4);
    CHECK(faulty((const char *)bytes, HG_CBOR_ITEMS + 2, HG_CBOR_TOO_MANY, HG_CBOR_ITEMS + 1));
    /* chunks of a text; names */
    memset(bytes, 0x60, sizeof bytes);
    bytes[0] = 0x7F;
    bytes[HG_CBOR_ITEMS] = HG_CBOR_STOP;
    CHECK(judge(bytes, HG_CBOR_ITEMS + 1, &fault) == HG_VALID);
    bytes[HG_CBOR_ITEMS] = 0x60;
    CHECK(faulty((const char *)bytes, HG_CBOR_ITEMS + 1, HG_CBOR_TOO_MANY, HG_CBOR_ITEMS));
    /* the last item is a text that is cut off: its length is not the first thing that is wrong with it */
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, "\x9a\x00\x01\x00\x00", 5);
    bytes[HG_CBOR_ITEMS + 4] = 0x7B;
    CHECK(faulty((const char *)bytes, HG_CBOR_ITEMS + 8, HG_UNEXPECTED_END, HG_CBOR_ITEMS + 4));
    CHECK(faulty((const char *)bytes, HG_CBOR_ITEMS + 13, HG_CBOR_TOO_MANY, HG_CBOR_ITEMS + 4));
    /* {"": 0, ...}: names count */
    static uint8_t map[2 * HG_CBOR_ITEMS];
    memset(map, 0, sizeof map);
    map[0] = 0xBF;
    uint32_t length = 1;
    for (uint32_t i = 0; i < HG_CBOR_ITEMS / 2; i++) {
        map[length++] = 0x62;
        map[length++] = (uint8_t)(i / 128 % 128);
        map[length++] = (uint8_t)(i % 128);
        if (i / 128 / 128 != 0) {
            map[length - 3]++;
            map[length++] = (uint8_t)('a' + i / 128 / 128);
        }
        if (length > sizeof map - 8) {
            break;
        }
        map[length++] = 0xF6;
    }
    CHECK(length > HG_CBOR_ITEMS);
    CHECK(judge(map, length, &fault) == HG_MALFORMED && fault.reason == HG_UNEXPECTED_END && fault.offset == length);
}

/* Names in foreign maps: nested, so that asking for each map again would take 2^30 steps. */
static void test_names_in_foreign_maps(void) {
    struct hg_program program = anything();
    struct hg_fault fault;
    uint8_t bytes[512];
    uint32_t length = 0;
    for (int i = 0; i < 15; i++) { /* 32({"a": ..., "b": 0}) */
        memcpy(bytes + length, "\xd8\x20\xa2\x61\x61", 5);
        length += 5;
    }
    bytes[length++] = 0;
    for (int i = 0; i < 15; i++) {
        memcpy(bytes + length, "\x61\x62\x00", 3);
        length += 3;
    }
    CHECK(judge(bytes, length, &fault) == HG_VALID);
    bytes[length - 2] = 'a'; /* the outermost */
    CHECK(faulty((const char *)bytes, length, HG_DUPLICATE_NAME, length - 3));
    bytes[length - 2] = 'b';
    bytes[15 * 5 + 2] = 'a'; /* the innermost */
    CHECK(faulty((const char *)bytes, length, HG_DUPLICATE_NAME, 15 * 5 + 1));
    program.flags = HG_PROGRAM_LAST_DUPLICATE; /* is for JSON */
    CHECK(hg_validate_cbor(&program, bytes, length, &fault) == HG_MALFORMED && fault.reason == HG_DUPLICATE_NAME);
    /* beside each other, and read again by alternatives: see test_schemas */
    CHECK(faulty("\x82\xd8\x20\xa1\x61\x61\x01\xd8\x20\xa2\x61\x62\x01\x61\x62\x01", 16, HG_DUPLICATE_NAME, 13));
}

/* ---- the functions of the reader ---- */

static struct hg_program no_schema;

static const uint8_t *begin(struct hg_run *run, const uint8_t *bytes, uint32_t length) {
    struct hg_scope scope;
    no_schema = anything();
    const uint8_t *p = hg_run_start(run, &scope, &no_schema, bytes, length);
    hg_cbor_start(run);
    return p;
}

/* The string is this text, piece by piece; `encoding` of a byte string. */
static void check_string(const uint8_t *bytes, uint32_t length, uint32_t encoding, const char *text) {
    struct hg_run run;
    struct hg_text string;
    uint8_t piece[HG_PIECE], *block = block_of(bytes, length);
    const uint8_t *p = begin(&run, block, length);
    CHECK(r_token(&run, &p) == (*p >> 5 == 2 ? HG_T_BYTES : HG_T_STRING));
    CHECK(r_string(&run, p, &string, encoding) == block + length);
    uint32_t size = 0, written, characters = 0;
    if (string.escaped) {
        struct hg_pieces pieces;
        CHECK(string.start == block && string.size == length);
        r_pieces(&pieces, &string, encoding);
        while ((written = r_piece(&pieces, piece)) != 0) {
            uint32_t count;
            CHECK(written <= HG_PIECE && size + written <= strlen(text));
            CHECK(hg_utf8_fault(piece, piece + written, &count) == NULL); /* whole characters */
            CHECK(memcmp(piece, text + size, written) == 0);
            size += written;
            characters += count;
        }
        CHECK(r_piece(&pieces, piece) == 0);
    } else {
        size = string.size;
        CHECK(hg_utf8_fault(string.start, string.start + size, &characters) == NULL);
        CHECK(size == strlen(text) && memcmp(string.start, text, size) == 0);
    }
    CHECK(size == strlen(text) && characters == string.characters);
    free(block);
}

/* The head of a string and `size` bytes. */
static uint32_t put_string(uint8_t *out, unsigned major, const void *bytes, uint32_t size) {
    uint32_t length = 0;
    if (size < 24) {
        out[length++] = (uint8_t)(major << 5 | size);
    } else {
        out[length++] = (uint8_t)(major << 5 | 25);
        out[length++] = (uint8_t)(size >> 8);
        out[length++] = (uint8_t)size;
    }
    memcpy(out + length, bytes, size);
    return length + size;
}

/* Whole, and in every two and in chunks of 1, 2, ... bytes (of text: characters must not be torn). */
static void check_chunks(unsigned major, const char *content, uint32_t size, uint32_t encoding, const char *text) {
    static uint8_t bytes[8192];
    check_string(bytes, put_string(bytes, major, content, size), encoding, text);
    for (uint32_t step = 1; step <= size + 1; step += step < 16 ? 1 : 37) {
        uint32_t length = 0;
        bytes[length++] = (uint8_t)(major << 5 | 31);
        length += put_string(bytes + length, major, content, 0);
        for (uint32_t at = 0; at < size;) {
            uint32_t end = at + step < size ? at + step : size;
            while (major == HG_CBOR_TEXT && end < size && (content[end] & 0xC0) == 0x80) {
                end++;
            }
            length += put_string(bytes + length, major, content + at, end - at);
            at = end;
        }
        length += put_string(bytes + length, major, content, 0);
        bytes[length++] = HG_CBOR_STOP;
        check_string(bytes, length, encoding, text);
    }
}

static void test_texts(void) {
    char text[1200] = "";
    check_chunks(HG_CBOR_TEXT, "", 0, 0, "");
    check_chunks(HG_CBOR_TEXT, "temperature", 11, 0, "temperature");
    for (uint32_t size = 1; size < 80; size++) {
        memset(text, 'x', size);
        text[size] = 0;
        check_chunks(HG_CBOR_TEXT, text, size, 0, text);
        text[size / 2] = (char)0xC3;
        check_string((const uint8_t *)"\x60", 1, 0, "");
        uint8_t bytes[128];
        const uint32_t length = put_string(bytes, 3, text, size);
        CHECK(faulty((const char *)bytes, length, HG_INVALID_UTF8, length - size));
    }
    text[0] = 0;
    while (strlen(text) < 1100) {
        strcat(text, "ab\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    }
    check_chunks(HG_CBOR_TEXT, text, (uint32_t)strlen(text), 0, text);
    /* a text is what it is under contentEncoding, too */
    check_chunks(HG_CBOR_TEXT, text, (uint32_t)strlen(text), HG_BASE64, text);
}

/* RFC 4648 section 10, for base64url without padding. */
static void test_byte_strings_stand_for_text(void) {
    static const char *const VECTORS[7][4] = {
        {"", "", "", ""},
        {"66", "MY======", "Zg==", "Zg"},
        {"666F", "MZXQ====", "Zm8=", "Zm8"},
        {"666F6F", "MZXW6===", "Zm9v", "Zm9v"},
        {"666F6F62", "MZXW6YQ=", "Zm9vYg==", "Zm9vYg"},
        {"666F6F6261", "MZXW6YTB", "Zm9vYmE=", "Zm9vYmE"},
        {"666F6F626172", "MZXW6YTBOI======", "Zm9vYmFy", "Zm9vYmFy"},
    };
    for (uint32_t size = 0; size <= 6; size++) {
        for (uint32_t encoding = HG_BASE16; encoding <= HG_BASE64URL; encoding++) {
            check_chunks(HG_CBOR_BYTES, "foobar", size, encoding, VECTORS[size][encoding - 1]);
        }
    }
    check_chunks(HG_CBOR_BYTES, "\xfb\xff\xbf", 3, HG_BASE64, "+/+/");
    check_chunks(HG_CBOR_BYTES, "\xfb\xff\xbf", 3, HG_BASE64URL, "-_-_");
    check_chunks(HG_CBOR_BYTES, "\x00\x44\x32\x14\xc7\x42\x54\xb6\x35\xcf", 10, HG_BASE32, "ABCDEFGHIJKLMNOP");
    /* longer than a piece */
    char content[1000], text[2001];
    for (uint32_t i = 0; i < sizeof content; i++) {
        content[i] = (char)(i * 7);
        snprintf(text + 2 * i, 3, "%02X", (unsigned)(uint8_t)content[i]);
    }
    check_chunks(HG_CBOR_BYTES, content, sizeof content, HG_BASE16, text);
    memset(content, 0, sizeof content);
    for (uint32_t size = 150; size <= 200; size++) { /* about the size of a piece */
        memset(text, 'A', sizeof text);
        memcpy(text + (size + 2) / 3 * 4 - (3 - size % 3) % 3, "==", (3 - size % 3) % 3);
        text[(size + 2) / 3 * 4] = 0;
        check_chunks(HG_CBOR_BYTES, content, size, HG_BASE64, text);
        text[size / 3 * 4 + (size % 3 == 0 ? 0 : size % 3 + 1)] = 0;
        check_chunks(HG_CBOR_BYTES, content, size, HG_BASE64URL, text);
        static const uint32_t PADDING[5] = {0, 6, 4, 3, 1};
        memset(text, 'A', sizeof text);
        memcpy(text + (size + 4) / 5 * 8 - PADDING[size % 5], "======", PADDING[size % 5]);
        text[(size + 4) / 5 * 8] = 0;
        check_chunks(HG_CBOR_BYTES, content, size, HG_BASE32, text);
    }
}

static void test_known_names(void) {
    static const char NAME[] = "abcdefghijklmnopqrstuvwxyz";
    struct {
        struct hg_program program;
        uint8_t text[40];
        struct hg_name name;
    } schema;
    for (uint32_t size = 0; size < 26; size++) {
        memset(&schema, 0, sizeof schema);
        memcpy(schema.text, NAME, size);
        memcpy(schema.text + size, "\":", 2);
        schema.name = (struct hg_name){.text = sizeof schema.program, .length = size};
        schema.name.head = size + 3 > 16 ? 0xFFFF | HG_NAME_LONG : (1u << (size + 3)) - 1;
        for (uint32_t behind = 0; behind < 20; behind++) { /* 16 bytes are compared at once where they are there */
            for (uint32_t wrong = 0; wrong <= size + 1; wrong++) {
                uint8_t bytes[64];
                uint32_t length = put_string(bytes, 3, NAME, size);
                if (wrong > 0) {
                    bytes[wrong - 1 == size ? 0 : length - wrong]++;
                }
                memset(bytes + length, 0xF6, behind);
                uint8_t *block = block_of(bytes, length + behind);
                struct hg_run run;
                const uint8_t *p = begin(&run, block, length + behind);
                run.program = &schema.program;
                CHECK(r_known(&run, p, &schema.name) == (wrong == 0 && size < 24 ? block + length : NULL));
                CHECK(r_known(&run, run.end, &schema.name) == NULL);
                for (uint32_t cut = 0; cut < length && wrong == 0; cut++) {
                    run.end = run.stop = block + cut;
                    uint8_t *less = block_of(bytes, cut);
                    if (less != NULL) {
                        p = begin(&run, less, cut);
                        run.program = &schema.program;
                        CHECK(r_known(&run, p, &schema.name) == NULL);
                    }
                    free(less);
                }
                free(block);
            }
        }
    }
}

/* ---- schemas ---- */

static struct heap heap = {0, -1};

static struct hg_program *compiled(const char *schema) {
    const struct hg_alloc memory = heap_of(&heap);
    const struct hg_compile_options options = {.draft = HG_DRAFT_2020};
    struct hg_program *program;
    CHECK(hg_compile(&memory, (const uint8_t *)schema, (uint32_t)strlen(schema), &options, &program) == HG_OK);
    return program;
}

static enum hg_verdict verdict(const char *schema, const char *hex) {
    uint8_t bytes[512];
    struct hg_fault fault;
    struct hg_program *program = compiled(schema);
    const uint32_t length = bytes_of(hex, bytes);
    uint8_t *block = block_of(bytes, length);
    const enum hg_verdict result = hg_validate_cbor(program, block, length, &fault);
    free(block);
    heap_release(&heap, program);
    return result;
}

static void test_schemas(void) {
    /* a document stands for its JSON text */
    CHECK(verdict("{\"multipleOf\":0.01}", "fb4082c03d70a3d70a") == HG_VALID); /* 600.03 */
    CHECK(verdict("{\"type\":\"integer\"}", "f93c00") == HG_VALID);
    CHECK(verdict("{\"type\":\"integer\"}", "f93e00") == HG_INVALID);
    CHECK(verdict("{\"type\":\"integer\",\"maximum\":18446744073709551616}", "c249010000000000000000") == HG_VALID);
    CHECK(verdict("{\"exclusiveMaximum\":18446744073709551616}", "c249010000000000000000") == HG_INVALID);
    CHECK(verdict("{\"minimum\":-18446744073709551616}", "3bffffffffffffffff") == HG_VALID);
    CHECK(verdict("{\"exclusiveMinimum\":-18446744073709551616}", "3bffffffffffffffff") == HG_INVALID);
    CHECK(verdict("{\"const\":1.5}", "c482200f") == HG_VALID);
    CHECK(verdict("{\"const\":{\"a\":[1,\"x\"],\"b\":null}}", "bf6162f661619ff93c007f6178ffffff") == HG_VALID);
    CHECK(verdict("{\"const\":{\"a\":[1,\"x\"],\"b\":null}}", "bf6162f661619ff93e007f6178ffffff") == HG_INVALID);
    CHECK(verdict("{\"type\":\"string\",\"maxLength\":3}", "7f61c3a961ff") == HG_MALFORMED);
    CHECK(verdict("{\"type\":\"string\",\"minLength\":3,\"maxLength\":3,\"pattern\":\"^a.c$\"}",
                  "7f616162c3a96163ff") == HG_VALID);
    CHECK(verdict("{\"type\":\"string\"}", "c06161") == HG_VALID);
    CHECK(verdict("{\"type\":\"number\"}", "c1fb41d452d9ec200000") == HG_VALID);
    CHECK(verdict("{\"maximum\":4}", "c105") == HG_INVALID);
    CHECK(verdict("{\"anyOf\":[{\"type\":\"null\"},{\"items\":{\"type\":\"integer\"}}]}", "d9d9f7820102") == HG_VALID);
    CHECK(verdict("{\"uniqueItems\":true}", "8301f93e00f93c00") == HG_INVALID);
    CHECK(verdict("{\"uniqueItems\":true}", "83c0616161626163") == HG_VALID);
    CHECK(verdict("{\"uniqueItems\":true}", "82c061617f6161ff") == HG_INVALID);
    /* foreign values */
    CHECK(verdict("{}", "f7") == HG_VALID && verdict("{\"minimum\":5}", "f97e00") == HG_VALID);
    CHECK(verdict("{\"type\":[\"null\",\"number\",\"string\",\"boolean\",\"array\",\"object\"]}", "f7") == HG_INVALID);
    CHECK(verdict("{\"type\":\"number\"}", "f97c00") == HG_INVALID);
    CHECK(verdict("{\"enum\":[1,\"a\"]}", "d82061") == HG_MALFORMED);
    CHECK(verdict("{\"enum\":[1,\"a\"]}", "d8206161") == HG_INVALID);
    CHECK(verdict("{\"const\":{}}", "d820a0") == HG_INVALID);
    CHECK(verdict("{\"oneOf\":[{\"type\":\"null\"},{},{\"type\":\"array\"}]}", "d820a2616101616202") == HG_VALID);
    CHECK(verdict("{\"anyOf\":[{\"type\":\"null\"},{},{\"type\":\"array\"}]}", "d820a2616101616102") == HG_MALFORMED);
    /* byte strings */
    CHECK(verdict("{\"type\":\"string\"}", "43010203") == HG_INVALID && verdict("{}", "43010203") == HG_VALID);
    CHECK(verdict("{\"type\":\"string\",\"contentEncoding\":\"base64\",\"minLength\":4,\"maxLength\":4}",
                  "43010203") == HG_VALID);
    CHECK(verdict("{\"type\":\"string\",\"contentEncoding\":\"base16\",\"maxLength\":5}", "43010203") == HG_INVALID);
    CHECK(verdict("{\"contentEncoding\":\"base16\",\"pattern\":\"^0102A$\"}", "5f410142022aff") == HG_INVALID);
    CHECK(verdict("{\"contentEncoding\":\"base16\",\"pattern\":\"^01022A$\"}", "5f410142022aff") == HG_VALID);
    CHECK(verdict("{\"contentEncoding\":\"base64url\",\"enum\":[\"-_-_\"]}", "43fbffbf") == HG_VALID);
    CHECK(verdict("{\"contentEncoding\":\"base64url\",\"enum\":[\"-_-_\"]}", "642d5f2d5f") == HG_VALID);
    /* names */
    CHECK(verdict("{\"properties\":{\"temperature\":{\"type\":\"integer\"}},\"additionalProperties\":false}",
                  "a16b74656d706572617475726501") == HG_VALID);
    CHECK(verdict("{\"properties\":{\"temperature\":{\"type\":\"integer\"}},\"additionalProperties\":false}",
                  "a1780b74656d706572617475726501") == HG_VALID);
    CHECK(verdict("{\"properties\":{\"temperature\":{\"type\":\"integer\"}},\"additionalProperties\":false}",
                  "a17f6474656d70606765726174757265ff01") == HG_VALID);
    CHECK(verdict("{\"properties\":{\"temperature\":{\"type\":\"integer\"}},\"additionalProperties\":false}",
                  "a17f6474656d706067657261747572650165ff01") == HG_MALFORMED);
    CHECK(verdict("{\"properties\":{\"a\":{\"type\":\"null\"}}}", "bf7f6161ff01ff") == HG_INVALID);
    CHECK(verdict("{\"properties\":{\"a\":true}}", "a2616101616102") == HG_MALFORMED);
    CHECK(verdict("{\"properties\":{\"a\":true}}", "a26161017f606161ff02") == HG_MALFORMED);
    CHECK(verdict("{\"propertyNames\":{\"maxLength\":1}}", "a2616101626161f6") == HG_INVALID);
    CHECK(heap.live == 0);
}

/* A value read again (alternatives, uniqueItems) does not count its items again. */
static void test_items_are_counted_once(void) {
    static uint8_t bytes[3 * HG_CBOR_ITEMS + 8];
    struct hg_fault fault;
    struct hg_program *program = compiled("{\"anyOf\":[{\"type\":\"null\"},{\"uniqueItems\":true},{}],"
                                          "\"not\":{\"items\":{\"type\":\"string\"}},\"unevaluatedItems\":{}}");
    uint32_t length = 5;
    memcpy(bytes, "\x9a\x00\x00\xff\xff", 5);
    for (uint32_t i = 0; i < 0xFFFF; i++) {
        bytes[length++] = 0x19;
        bytes[length++] = (uint8_t)(i >> 8);
        bytes[length++] = (uint8_t)i;
    }
    program->max_steps = UINT32_MAX / 2;
    CHECK(hg_validate_cbor(program, bytes, length, &fault) == HG_VALID);
    heap_release(&heap, program);
    CHECK(heap.live == 0);
}

int main(void) {
    test_examples_of_the_standard();
    test_not_well_formed();
    test_tags_names_numbers_chunks_depth();
    test_every_first_byte();
    test_number_of_items();
    test_names_in_foreign_maps();
    test_texts();
    test_byte_strings_stand_for_text();
    test_known_names();
    test_schemas();
    test_items_are_counted_once();
    return 0;
}
