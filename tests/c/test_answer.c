/* core/answer.c: dates of all years, heads as core/http1.py's response_head has them, problems; and no memory. */
#include <time.h>

#include "check.h"
#include "core/answer.h"

static void put_number(char *out, int digits, int number) {
    while (digits-- > 0) {
        out[digits] = (char)('0' + number % 10);
        number /= 10;
    }
}

/* Day by day from Thursday, 1 January 1970, with nothing but the lengths of months and the leap years' rule. */
static void test_every_date(void) {
    static const char names[] = "ThuFriSatSunMonTueWed", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static const int lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day_number = 0;
    for (int year = 1970; year <= 9999; year++) {
        const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 0; month < 12; month++) {
            for (int day = 1; day <= lengths[month] + (leap && month == 1); day++, day_number++) {
                const int64_t second = day_number * 7919 % 86400, now_s = day_number * 86400 + second;
                char expected[30] = "Thu, 00 Jan 0000 00:00:00 GMT";
                uint8_t date[29];
                memcpy(expected, names + day_number % 7 * 3, 3);
                put_number(expected + 5, 2, day);
                memcpy(expected + 8, months + month * 3, 3);
                put_number(expected + 12, 4, year);
                put_number(expected + 17, 2, (int)(second / 3600));
                put_number(expected + 20, 2, (int)(second / 60 % 60));
                put_number(expected + 23, 2, (int)(second % 60));
                hg_http_date(now_s, date);
                CHECK(memcmp(date, expected, 29) == 0);
            }
        }
    }
    CHECK(day_number * 86400 - 1 == HG_TOKEN_TIME);
}

/* The library's calendar, as far as its time_t goes: the first and the last second of days drawn from all. */
static void test_dates_of_the_library(void) {
    for (int64_t day = 0; day <= HG_TOKEN_TIME / 86400; day += 211) {
        for (int64_t now_s = day * 86400; now_s <= day * 86400 + 86399; now_s += 86399) {
            const time_t seconds = (time_t)now_s;
            uint8_t date[29];
            char expected[40];
            if (seconds < 0 || (int64_t)seconds != now_s) {
                return;
            }
            const struct tm *const parts = gmtime(&seconds);
            CHECK(parts != NULL && strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", parts) == 29);
            hg_http_date(now_s, date);
            CHECK(memcmp(date, expected, 29) == 0);
        }
    }
}

struct scene {
    struct heap heap, scratch;
    struct hg_gate gate;
    struct hg_output output;
};

static void begin(struct scene *scene, enum hg_clock_state state) {
    const struct hg_clock clock = {784111777, 0, state};
    struct hg_alloc alloc;
    scene->heap = scene->scratch = (struct heap){0, -1};
    alloc = heap_of(&scene->scratch);
    hg_gate_init(&scene->gate, &alloc);
    hg_gate_time(&scene->gate, 0, &clock);
    alloc = heap_of(&scene->heap);
    hg_output_init(&scene->output, &alloc, 10000);
}

static void end(struct scene *scene) {
    hg_output_clear(&scene->output);
    hg_gate_clear(&scene->gate);
    CHECK(scene->heap.live == 0 && scene->scratch.live == 0);
}

static bool says(const struct scene *scene, const char *text) {
    return scene->output.length == strlen(text) && memcmp(scene->output.data, text, scene->output.length) == 0;
}

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

static void test_heads(void) {
    static const struct {
        uint16_t status;
        enum hg_clock_state clock;
        struct hg_manner manner;
        const char *body, *expected;
    } rows[] = {
        {200, HG_CLOCK_TRUSTED, {true, false, false}, "abc",
         "HTTP/1.1 200 OK\r\n" DATE "A: b\r\nContent-Length: 3\r\n\r\nabc"},
        {200, HG_CLOCK_ESTIMATED, {false, false, false}, "",
         "HTTP/1.1 200 OK\r\n" DATE "A: b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
        {404, HG_CLOCK_UNSET, {true, true, false}, "x",
         "HTTP/1.1 404 Not Found\r\nA: b\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx"},
        {404, HG_CLOCK_UNSET, {false, true, false}, "x",
         "HTTP/1.1 404 Not Found\r\nA: b\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"},
        {200, HG_CLOCK_UNSET, {true, false, true}, "abc", "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\n"},
        {204, HG_CLOCK_UNSET, {true, false, false}, "", "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"},
        {304, HG_CLOCK_UNSET, {true, false, false}, "", "HTTP/1.1 304 Not Modified\r\nA: b\r\n\r\n"},
        {299, HG_CLOCK_UNSET, {true, false, false}, "", "HTTP/1.1 299 Unknown\r\nA: b\r\nContent-Length: 0\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene scene;
        begin(&scene, rows[i].clock);
        hg_answer_begin(&scene.gate, rows[i].status, &scene.output);
        hg_output_text(&scene.output, "A: b\r\n");
        hg_answer_end(rows[i].status, rows[i].manner, hg_text_view(rows[i].body), &scene.output);
        CHECK(!scene.output.failed && says(&scene, rows[i].expected));
        end(&scene);
    }
}

/* How answers begin is kept from one to the next: of every status, and with the time as it goes on. */
static void test_beginnings(void) {
    static const uint16_t statuses[] = {200, 204, 200, 404, 431, 200, 505, 201};
    struct scene scene;
    begin(&scene, HG_CLOCK_TRUSTED);
    for (uint16_t status = 100; status < 600; status++) {
        CHECK(strlen(hg_status_phrase(status)) <= HG_PHRASE);
    }
    for (uint32_t step = 0; step < 4 * sizeof statuses / sizeof *statuses; step++) {
        const uint16_t status = statuses[step / 4 % (sizeof statuses / sizeof *statuses)];
        const bool unset = step % 5 == 4;
        const struct hg_clock clock = {784111777 + step / 3, 0, unset ? HG_CLOCK_UNSET : HG_CLOCK_ESTIMATED};
        char expected[200];
        uint8_t date[29];
        hg_gate_time(&scene.gate, step, &clock);
        hg_http_date(clock.now_s, date);
        snprintf(expected, sizeof expected, unset ? "HTTP/1.1 %d %s\r\n" : "HTTP/1.1 %d %s\r\nDate: %.29s\r\n", status,
                 hg_status_phrase(status), (const char *)date);
        scene.output.length = 0;
        hg_answer_begin(&scene.gate, status, &scene.output);
        CHECK(says(&scene, expected));
    }
    end(&scene);
}

static const struct hg_answer no_cache_entry = {404, HG_P_NOT_CACHED, {(const uint8_t *)"a \"b\"", 5},
                                                {(const uint8_t *)"/v1/cache/\n", 11}, {(const uint8_t *)"A: b\r\n", 6},
                                                {(const uint8_t *)",\"x\":[1]", 8}};
#define BODY "{\"type\":\"urn:headgate:problem:not_cached\",\"title\":\"No such key in the cache\",\"status\":404," \
             "\"detail\":\"a \\\"b\\\"\",\"instance\":\"/v1/cache/\\n\",\"x\":[1]}"
#define HEAD "HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nA: b\r\nContent-Length: 143\r\n\r\n"

static void test_problems(void) {
    const struct hg_manner manner = {true, false, false}, head_only = {true, false, true};
    struct scene scene;
    CHECK(strlen(BODY) == 143);
    begin(&scene, HG_CLOCK_UNSET);
    for (int again = 0; again < 2; again++) { /* the scratch is used anew */
        scene.output.length = 0;
        hg_answer_problem(&scene.gate, &no_cache_entry, manner, &scene.output);
        CHECK(says(&scene, HEAD BODY));
    }
    scene.output.length = 0;
    hg_answer_problem(&scene.gate, &no_cache_entry, head_only, &scene.output);
    CHECK(says(&scene, HEAD));
    end(&scene);
}

/* An answer that does not fit is none, and says so; one whose body cannot be made is still framed. */
static void test_no_memory(void) {
    const struct hg_manner manner = {true, false, false};
    for (long fail_at = 1; fail_at < 3; fail_at++) {
        struct scene scene;
        begin(&scene, HG_CLOCK_UNSET);
        scene.heap.fail_at = fail_at;
        hg_answer_problem(&scene.gate, &no_cache_entry, manner, &scene.output);
        CHECK(scene.output.failed == (fail_at == 1) && (scene.output.failed || says(&scene, HEAD BODY)));
        end(&scene);
    }
    struct scene scene;
    begin(&scene, HG_CLOCK_UNSET);
    scene.scratch.fail_at = 1;
    hg_answer_problem(&scene.gate, &no_cache_entry, manner, &scene.output);
    CHECK(says(&scene, "HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nA: b\r\n"
                       "Content-Length: 0\r\n\r\n"));
    scene.output.length = 0;
    hg_answer_problem(&scene.gate, &no_cache_entry, manner, &scene.output); /* there is memory again */
    CHECK(says(&scene, HEAD BODY));
    end(&scene);
}

int main(void) {
    test_every_date();
    test_dates_of_the_library();
    test_heads();
    test_beginnings();
    test_problems();
    test_no_memory();
    return 0;
}
