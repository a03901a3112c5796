/* `pattern` in linear time: a DFA over UTF-8 bytes where it stays small, else a simulated NFA. Never backtracks.
 *
 * The subset and its meaning are those of firmware_py/headgate/core/pattern.py (ECMA-262 with the u flag, without
 * lookaround and backreferences), and so are the limits and the words of the errors. */
#ifndef HEADGATE_PATTERN_H
#define HEADGATE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc.h"
#include "limits.h"
#include "status.h"

#define HG_PATTERN_ALIGN 4 /* of a compiled pattern in memory */

/* Compile the UTF-8 `source`. HG_OK: *compiled is one block of *size bytes from `memory`, without pointers inside, that
 * may be copied to anywhere aligned to HG_PATTERN_ALIGN. HG_BAD_PATTERN: *reason is a static text, *offset the
 * character of `source` it is about. HG_NO_MEMORY. Time and memory are bounded by HG_PATTERN_STATES whatever the
 * source. */
enum hg_status hg_pattern_compile(const struct hg_alloc *memory, const uint8_t *source, uint32_t length,
                                  void **compiled, uint32_t *size, const char **reason, uint32_t *offset);

/* Only the syntax (`format: regex`): true if hg_pattern_compile would take it, lookaround and backreferences included,
 * which are syntax of ECMA-262 even if this engine does not run them. Uses no heap. */
bool hg_pattern_is_regex(const uint8_t *source, uint32_t length);

/* A search in progress: feed the decoded UTF-8 text in pieces that end between code points. */
struct hg_match {
    const void *pattern;
    uint32_t state;    /* of the DFA; or bytes or characters that were as they must be */
    uint32_t previous; /* NFA: what lies before the position, for \b */
    bool decided, found; /* decided: no further text changes `found` */
    uint32_t set[(HG_PATTERN_STATES + 31) / 32]; /* NFA: the instructions that wait */
};
void hg_match_begin(struct hg_match *match, const void *pattern);
void hg_match_feed(struct hg_match *match, const uint8_t *text, uint32_t length);
bool hg_match_end(struct hg_match *match);
/* All at once; the DFA's fast path. */
bool hg_pattern_search(const void *pattern, const uint8_t *text, uint32_t length);

#endif
