/* core/find.c on texts of every shape; native_ext/fuzz/find_fuzz.c has any others. */
#include "check_find.h"

static struct hg_value root_of(const char *text) {
    return hg_find_root((struct hg_view){(const uint8_t *)text, (uint32_t)strlen(text)});
}

static void test_shapes(void) {
    static const char *const texts[] = {
        "null", " true ", "\n\t\r false\n", "0", "-0.5e+3", " 12 ", "\"\"", "\"a\\\"b\\\\\"", "\"\\u0000\\ud83d\\ude00\xC3\xA9\"",
        "[]", "[ ]", "{}", "{ }", "[0]", "[ 0 , 1 ]", "[[],[[]],{}]", "[\"]\",\"[\",\",\",\"\\\"\"]", "{\"a\":1}",
        " { \"a\" : { \"b\" : [ 1 , { \"c\" : null } ] } , \"d\" : \"}\" } ", "{\"\":0,\"a\":[],\"{\":\"}\",\"\\\"\":\",\"}",
        "{\"\\u0061b\":\"\\u0063\",\"ab\\u0000\":2}", "[1,2,3,4,5,6,7,8,9,10,11,12]", "{\"1\":\"object\",\"0\":[true,false,null]}",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "[\"\\/\\b\\f\\n\\r\\t\"]", "[-1,0.0,1E5,true]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CHECK(check_find((const uint8_t *)texts[i], (uint32_t)strlen(texts[i])));
    }
}

static void test_many_names_at_once(void) {
    static const char *const names[] = {"iss", "sub", "exp", "aud", "is", NULL};
    const char *const text = "{\"sub\":\"s\",\"x\":{\"exp\":1},\"\\u0069ss\":[\"sub\"], \"aud\" : 7}";
    struct hg_value found[5];
    hg_find_members(root_of(text), names, found);
    CHECK(hg_value_is_text(found[1]) && hg_value_equals(found[1], (struct hg_view){(const uint8_t *)"s", 1}));
    CHECK(found[0].start != NULL && *found[0].start == '[' && found[2].start == NULL && found[4].start == NULL);
    CHECK(found[3].end - found[3].start == 1 && *found[3].start == '7');
    hg_find_members(root_of("[\"iss\"]"), names, found);
    CHECK(found[0].start == NULL && found[4].start == NULL);
    found[0] = found[4] = root_of("1");
    hg_find_members((struct hg_value){NULL, NULL}, names, found);
    CHECK(found[0].start == NULL && found[4].start == NULL);
}

static void test_what_is_not_there_leads_nowhere(void) {
    const struct hg_value none = {NULL, NULL};
    check_absent(none, "a");
    check_absent(none, "0");
    CHECK(!hg_value_is_text(none) && hg_find_first(none).start == NULL);
}

int main(void) {
    test_shapes();
    test_many_names_at_once();
    test_what_is_not_there_leads_nowhere();
    return 0;
}
