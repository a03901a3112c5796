/* `duplicates="last"`: of members with the same name only the last one is to count. */
#ifndef HEADGATE_DUPLICATES_H
#define HEADGATE_DUPLICATES_H

#include <stdint.h>

#include "alloc.h"
#include "program.h"
#include "status.h"

/* For programs with HG_PROGRAM_LAST_DUPLICATE, before they judge a document: they take a name given twice as it comes.
 * If some object of the JSON text has a name twice: *copy is a block of length + 1 bytes from `memory`, NUL-terminated, with spaces in place of
 * every member that a later one of the same name replaces (line feeds stay); so all that is left stands where it stood. Otherwise, or if the text is not
 * JSON within the program's limits, *copy is NULL. HG_NO_MEMORY: nothing leaks. */
enum hg_status hg_drop_duplicates(const struct hg_alloc *memory, const struct hg_program *program, const uint8_t *data,
                                  uint32_t length, uint8_t **copy);

#endif
