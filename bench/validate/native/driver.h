/* The loop every native program of the bench has: `program SCHEMA ROUNDS DOCUMENT...` decides all documents ROUNDS
 * times in turn and prints {"ns": CPU time, "documents": so many, "valid": so many, ...}. The program brings `prepare`,
 * `judge` and `report`.
 * Documents stand in memory with 64 zero bytes behind them: yyjson and simdjson need none or some, ours needs one. */
#ifndef HEADGATE_BENCH_DRIVER_H
#define HEADGATE_BENCH_DRIVER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PADDING 64

struct document {
    char *data;
    size_t size;
};

/* -> 0, or -1 if the program cannot take this schema (it says why). `largest`: bytes of the largest document. */
static int prepare(const struct document *schema, size_t largest);
/* 1 valid, 0 not. */
static int judge(const struct document *document);
/* More members for the report, each beginning with ", "; may print nothing. */
static void report(void);

static struct document slurp(const char *path) {
    struct document document = {NULL, 0};
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(2);
    }
    long size = ftell(file);
    document.data = (char *)calloc((size_t)size + PADDING, 1);
    document.size = (size_t)size;
    rewind(file);
    if (document.data == NULL || fread(document.data, 1, document.size, file) != document.size) {
        perror(path);
        exit(2);
    }
    fclose(file);
    return document;
}

static int64_t spent_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int main(int count, char **arguments) {
    if (count < 4) {
        fprintf(stderr, "usage: %s SCHEMA ROUNDS DOCUMENT...\n", arguments[0]);
        return 2;
    }
    struct document schema = slurp(arguments[1]);
    long rounds = atol(arguments[2]);
    size_t documents = (size_t)(count - 3), largest = 0;
    struct document *all = (struct document *)calloc(documents, sizeof *all);
    if (all == NULL) {
        return 2;
    }
    for (size_t i = 0; i < documents; i++) {
        all[i] = slurp(arguments[i + 3]);
        largest = all[i].size > largest ? all[i].size : largest;
    }
    if (prepare(&schema, largest) != 0) {
        return 3;
    }
    long valid = 0;
    int64_t start = spent_ns();
    for (long round = 0; round < rounds; round++) {
        for (size_t i = 0; i < documents; i++) {
            valid += judge(&all[i]);
        }
    }
    int64_t ns = spent_ns() - start;
    long long decided = (long long)rounds * (long long)documents;
    printf("{\"ns\": %lld, \"documents\": %lld, \"valid\": %ld", (long long)ns, decided, valid);
    report();
    puts("}");
    return 0;
}

#endif
