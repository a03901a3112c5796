/* What one validation carries along, for the engine (engine.h) and the readers and writers it is made of.
 *
 * The engine is a template: engine.h is included once for each combination of
 *     reader   json_reader.h or cbor_reader.h                    how a document is read
 *     writer   emit_none.h, emit_cbor.h (JSON -> CBOR) or emit_json.h (CBOR -> JSON)
 *     teller   explain_none.h, or explain_words.h: goes on after a violation and reports each
 * HG_R(name) is the name of what exists once for each reader, whatever the mode: hg_json_name, hg_cbor_name. */
#ifndef HEADGATE_ENGINE_RUN_H
#define HEADGATE_ENGINE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fault.h"
#include "inline.h"
#include "limits.h"
#include "number.h"
#include "program.h"
#include "scan.h"
#include "validate.h"

/* The dynamic scope of $dynamicRef: the schema resources that evaluation has entered, the innermost first. */
struct hg_scope {
    const struct hg_scope *outer;
    uint32_t resource;
};

struct hg_explain; /* explain.h */

/* Where an array or object ends that was passed over: most are passed over several times. */
struct hg_passed {
    uint32_t start, end; /* offsets in the document; end 0: none */
};
#define HG_PASSED 32 /* a power of two */

struct hg_run {
    const struct hg_program *program;
    const uint8_t *data, *end;
    const uint8_t *stop;          /* CBOR: the end, or the head of the first item over HG_CBOR_ITEMS: nothing may start there */
    const uint8_t *wide;          /* before it 16 bytes can be read at once, in JSON at it as well; not behind `stop`; NULL: nowhere */
    const uint8_t *judged;        /* CBOR: foreign maps before it are known to have no name twice (cbor_item.c) */
    const struct hg_scope *scope; /* NULL: the program has no $dynamicRef */
    uint32_t depth;               /* containers that may still be opened */
    uint32_t frames;              /* calls that may still be nested: bounds the C stack, whatever the schema */
    uint32_t steps;               /* left of the work limit, in units of one subschema applied again to up to 16 bytes */
    bool again;                   /* the value was read before: its syntax and its names are good */
    const uint8_t *only;          /* what is asked of the value here is only whether it is valid, not where it ends; or NULL */
    enum hg_verdict verdict;      /* why the last call failed: HG_INVALID or HG_MALFORMED */
    enum hg_reason reason;        /* of HG_MALFORMED */
    const uint8_t *at;            /* where it failed */
    uint8_t *out;                 /* mode EMIT: where the next byte goes */
    uint8_t *out_end;             /* CBOR -> JSON: the end of the room; nothing is written from there on, only counted by `out_lost` */
    uint64_t out_lost;
    const uint8_t *foreign;       /* CBOR -> JSON: the first value that JSON does not have */
    struct hg_explain *explain;             /* mode EXPLAIN */
    bool passing;                           /* `passed` is in use */
    struct hg_passed passed[HG_PASSED];     /* JSON: arrays and objects that were read again or may be, by where they start */
    uint8_t digits[2][HG_NUMBER_TEXT];      /* room for CBOR numbers that are read as text, two at a time */
};

/* What stands at a place in a document. HG_T_BYTES: a CBOR byte string. */
enum hg_token { HG_T_FAULT, HG_T_NULL, HG_T_FALSE, HG_T_TRUE, HG_T_NUMBER, HG_T_STRING, HG_T_BYTES, HG_T_ARRAY, HG_T_OBJECT, HG_T_FOREIGN };

/* An open container. JSON needs nothing; CBOR: items (or pairs) to come, UINT32_MAX: until break. */
struct hg_iter {
    uint32_t left;
};

/* A text read piece by piece, when it is not one run of bytes (struct hg_text.escaped): JSON escapes, CBOR chunks, bytes that stand for
 * their encoded text. */
struct hg_pieces {
    const uint8_t *p, *end;
    uint32_t encoding; /* enum hg_encoding: of a CBOR byte string */
    uint32_t chunk;    /* CBOR: bytes left of the chunk */
    bool chunked;
};
#define HG_PIECE 256 /* bytes of one piece, at most */

HG_INLINE const uint8_t *hg_invalid(struct hg_run *run, const uint8_t *at) {
    run->verdict = HG_INVALID;
    run->at = at;
    return NULL;
}

HG_INLINE const uint8_t *hg_malformed(struct hg_run *run, enum hg_reason reason, const uint8_t *at) {
    run->verdict = HG_MALFORMED;
    run->reason = reason;
    run->at = at;
    return NULL;
}

/* What reading leaves in a run, for who reads a value only to look at it. */
struct hg_noted {
    uint32_t depth, frames;
    enum hg_verdict verdict;
    enum hg_reason reason;
    const uint8_t *at, *judged;
};

HG_INLINE struct hg_noted hg_noted(const struct hg_run *run) {
    return (struct hg_noted){run->depth, run->frames, run->verdict, run->reason, run->at, run->judged};
}

/* As if nothing had been read since. */
HG_INLINE void hg_forget_since(struct hg_run *run, const struct hg_noted *before) {
    run->depth = before->depth;
    run->frames = before->frames;
    run->verdict = before->verdict;
    run->reason = before->reason;
    run->at = before->at;
    run->judged = before->judged;
}

#define HG_FRAMES 1024 /* calls of the engine on the stack, at most 530 bytes each (tests/c/test_stack.c) */

/* -> the first byte to read, or NULL: the document is too large. */
HG_INLINE const uint8_t *hg_run_start(struct hg_run *run, struct hg_scope *scope, const struct hg_program *program,
                                      const uint8_t *data, uint32_t length) {
    run->program = program;
    run->data = data;
    run->end = run->stop = data + length;
    run->wide = length >= 15 ? run->end - 15 : NULL; /* in JSON the NUL can be read, too */
    run->judged = data;
    run->scope = NULL;
    if (HG_UNLIKELY((program->flags & HG_PROGRAM_DYNAMIC) != 0)) {
        *scope = (struct hg_scope){NULL, ((const struct hg_node *)hg_at(program, program->root))->resource};
        run->scope = scope;
    }
    run->depth = program->max_depth;
    run->frames = HG_FRAMES;
    /* each byte may be read again often, and a small document may be asked many questions */
    run->steps = length > (UINT32_MAX - program->max_steps) / 16 ? UINT32_MAX : program->max_steps + 16 * length;
    run->again = false;
    run->only = NULL;
    run->passing = false;
    run->verdict = HG_VALID;
    run->reason = HG_NO_FAULT;
    run->at = data;
    return HG_LIKELY(length <= program->max_bytes) ? data : hg_malformed(run, HG_TOO_LARGE, data);
}

/* after: what the engine gave for the whole document. */
HG_INLINE enum hg_verdict hg_run_result(const struct hg_run *run, const uint8_t *after, struct hg_fault *fault) {
    if (HG_LIKELY(after != NULL)) {
        return HG_VALID;
    }
    fault->reason = run->verdict == HG_MALFORMED ? run->reason : HG_NO_FAULT;
    fault->offset = (uint32_t)(run->at - run->data);
    return run->verdict;
}

HG_INLINE uint64_t hg_load64(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* A 64-bit word whose first n bytes in memory are ones; 1 <= n <= 8. */
HG_INLINE uint64_t hg_first_bytes(uint32_t n) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return UINT64_MAX << (64 - 8 * n);
#else
    return UINT64_MAX >> (64 - 8 * n);
#endif
}

/* The n > 0 bytes at p are those at `text`, where 8 can be read whatever n is; at p `room` can. */
HG_INLINE bool hg_same_bytes(const uint8_t *p, size_t room, const uint8_t *text, uint32_t n) {
    if (n <= 8) {
        return HG_LIKELY(room >= 8) ? ((hg_load64(p) ^ hg_load64(text)) & hg_first_bytes(n)) == 0
                                    : room >= n && memcmp(p, text, n) == 0;
    }
    if (HG_UNLIKELY(room < n)) {
        return false;
    }
    uint32_t i = 0;
    do {
        if (hg_load64(p + i) != hg_load64(text + i)) {
            return false;
        }
        i += 8;
    } while (i + 8 < n);
    return hg_load64(p + n - 8) == hg_load64(text + n - 8);
}

/* The n bytes at p and q are the same, of short names mostly: a call would cost more than the comparison. */
HG_INLINE bool hg_equal_bytes(const uint8_t *p, const uint8_t *q, uint32_t n) {
    if (n >= 8) {
        uint32_t i = 0;
        for (; i < n - 8; i += 8) {
            if (hg_load64(p + i) != hg_load64(q + i)) {
                return false;
            }
        }
        return hg_load64(p + n - 8) == hg_load64(q + n - 8);
    }
    if (n >= 4) {
        uint32_t words[4];
        memcpy(&words[0], p, 4);
        memcpy(&words[1], q, 4);
        memcpy(&words[2], p + n - 4, 4);
        memcpy(&words[3], q + n - 4, 4);
        return ((words[0] ^ words[1]) | (words[2] ^ words[3])) == 0;
    }
    return n == 0 || (p[0] == q[0] && p[n / 2] == q[n / 2] && p[n - 1] == q[n - 1]);
}

/* lookup.c */
/* The entry of `names` that is the `length` bytes at `name`, or UINT32_MAX. */
uint32_t hg_find_name(const struct hg_program *program, const struct hg_names *names, const uint8_t *name, uint32_t length);
/* The same, of which hg_name_hash is known. */
uint32_t hg_find_hashed(const struct hg_program *program, const struct hg_names *names, const uint8_t *name,
                        uint32_t length, uint32_t hash);
/* hg_name_hash, where a call does not matter. */
uint32_t hg_hash_of(const uint8_t *text, uint32_t length);
/* Which of the names the text is; tell->count: none. */
uint32_t hg_tell_index(const struct hg_program *program, const struct hg_tell *tell, const uint8_t *text, uint32_t length);
/* The number is one of the choice. */
bool hg_is_number_of(const struct hg_program *program, const struct hg_choice *choice, const struct hg_number *number);

#endif
