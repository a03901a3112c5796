/* What is done with secrets: tokens, keys, signatures. */
#ifndef HEADGATE_SECRET_H
#define HEADGATE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Overwrites a secret; not optimised away. */
void hg_wipe(void *memory, size_t length);
/* Equality in a time that depends on the length only. */
bool hg_same(const uint8_t *a, const uint8_t *b, size_t length);

#endif
