/* The words of violations and the pointers to them, as far as they do not depend on the encoding of the document. The words are those
 * of firmware_py/headgate/core/schema_explain.py. Nothing here allocates or recurses. */
#ifndef HEADGATE_EXPLAIN_TEXT_H
#define HEADGATE_EXPLAIN_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "number.h"
#include "program.h"

#define HG_SHOWN 64     /* characters of a value, a name or a keyword's argument; a longer one is cut and ends with "..." */
#define HG_POINTER 2048 /* bytes of a pointer; of a longer one as many whole tokens as fit, then "/..." */
#define HG_MESSAGE 2560 /* bytes of a message: the longest is that of `enum`, six values of HG_SHOWN characters, each "\u001f" */

/* A text being written: at most `room` bytes and a NUL, cut between characters. */
struct hg_words {
    char *text;
    uint32_t length, room;
};

static inline void hg_words_begin(struct hg_words *words, char *text, uint32_t room) {
    *words = (struct hg_words){.text = text, .length = 0, .room = room};
    text[0] = 0;
}

/* UTF-8 as it is. */
void hg_words_bytes(struct hg_words *words, const void *bytes, uint32_t length);
void hg_words_say(struct hg_words *words, const char *text);
void hg_words_count(struct hg_words *words, uint32_t count);
/* JSON text of a number, cut at HG_SHOWN characters. */
void hg_words_number(struct hg_words *words, const struct hg_number *number);
/* A piece of a text (whole characters): as the inside of a JSON string, or (`pointer`) of a token of a JSON pointer (RFC 6901 section 3).
 * *left: characters that may still come; false: there were more of them, and "..." was written. */
bool hg_words_piece(struct hg_words *words, const uint8_t *piece, uint32_t length, uint32_t *left, bool pointer);
/* A text of the schema as a JSON string, cut at HG_SHOWN characters. */
void hg_words_quoted(struct hg_words *words, const void *text, uint32_t length);

/* The sentence about a violation (explain.h: x_violation) is what hg_words_before says, then the value, if it says true, then what
 * hg_words_after says. `detail` as there. */
bool hg_words_before(struct hg_words *words, const struct hg_program *program, const struct hg_node *node,
                     enum hg_keyword keyword, uint32_t detail);
void hg_words_after(struct hg_words *words, const struct hg_program *program, const struct hg_node *node,
                    enum hg_keyword keyword, uint32_t detail);
/* The keyword that the pointers of a violation end with; HG_K_NONE: none. */
enum hg_keyword hg_blamed(enum hg_keyword keyword);

/* JSON pointers that grow and shrink, in a buffer of HG_POINTER + 8 bytes, NUL-terminated. A length has HG_POINTER_CUT added when the
 * pointer ends with "/..."; then nothing more is appended until it is shortened to a length without it. */
#define HG_POINTER_CUT 0x80000000u

static inline uint32_t hg_pointer_bytes(uint32_t length) { return length & ~HG_POINTER_CUT; }
/* Appends one or more tokens, escaped, each with its '/' in front. -> the new length */
uint32_t hg_pointer_push(char *pointer, uint32_t length, const char *tokens, uint32_t count);
uint32_t hg_pointer_keyword(char *pointer, uint32_t length, enum hg_keyword keyword);
void hg_pointer_shorten(char *pointer, uint32_t length);
/* Appends the way from `above` (0: from the top of the document) down to `location`, both hg_location; their chains need not meet below the
 * top. -> the new length, or UINT32_MAX (nothing appended) if they are not of one document. */
uint32_t hg_pointer_down(const struct hg_program *program, hg_ref above, hg_ref location, char *pointer, uint32_t length);
/* The resource that is the document of `location`. */
uint32_t hg_location_document(const struct hg_program *program, hg_ref location);

#endif
