/* yyjson, DOM read without a schema. -DPOOL=1: its memory is one buffer that is used again (its fastest way). */
#include "yyjson.h"

#include "driver.h"

#ifndef POOL
#define POOL 0
#endif

#if POOL
static void *pool;
static size_t pool_size;
#endif

static int prepare(const struct document *schema, size_t largest) {
    (void)schema;
#if POOL
    pool_size = yyjson_read_max_memory_usage(largest, 0);
    pool = malloc(pool_size);
    return pool == NULL ? -1 : 0;
#else
    (void)largest;
    return 0;
#endif
}

static int judge(const struct document *document) {
    yyjson_alc *memory = NULL;
#if POOL
    yyjson_alc in_pool;
    yyjson_alc_pool_init(&in_pool, pool, pool_size);
    memory = &in_pool;
#endif
    yyjson_doc *doc = yyjson_read_opts(document->data, document->size, 0, memory, NULL);
    int valid = doc != NULL;
    yyjson_doc_free(doc);
    return valid;
}

static void report(void) {}
