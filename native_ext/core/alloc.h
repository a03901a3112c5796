/* Memory comes from whoever uses the core, so that a test can refuse any one allocation and count every byte. */
#ifndef HEADGATE_ALLOC_H
#define HEADGATE_ALLOC_H

#include <stddef.h>

struct hg_alloc {
    void *(*alloc)(void *context, size_t size); /* size > 0; NULL when there is none; aligned as malloc does */
    void (*release)(void *context, void *memory); /* memory came from alloc and is not NULL */
    void *context;
};

#endif
