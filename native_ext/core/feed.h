/* A stream of documents -> its records, however the bytes were cut. Knows framing only; whoever asks judges the records.
 *
 * HG_NDJSON    lines that end with LF or CRLF; blank ones are skipped, the last one may lack its end.
 * HG_JSON_SEQ  RFC 7464: RS, JSON text, LF. A record is complete with the LF after its outermost value, else with the next RS.
 * HG_CBOR_SEQ  RFC 8742: items one after the other. Once one is broken, nobody can say where the next begins: the stream ends.
 *
 * Each byte is looked at once, so what trickles in costs no more than what comes at once. Memory: one record. */
#ifndef HEADGATE_FEED_H
#define HEADGATE_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc.h"
#include "fault.h"
#include "status.h"

enum hg_framing { HG_NDJSON, HG_JSON_SEQ, HG_CBOR_SEQ };

enum hg_step {
    HG_STEP_MORE,      /* every byte was taken; no further record yet */
    HG_STEP_RECORD,    /* a complete record */
    HG_STEP_CUT,       /* HG_JSON_SEQ: ended without whitespace: a number, true, false or null may be a part of a longer one
                          (RFC 7464 section 2.4), so this is refused unless it is something else that is malformed already */
    HG_STEP_TOO_LARGE, /* a record with more than max_record bytes. Goes on at the next one (HG_CBOR_SEQ: ended) */
    HG_STEP_STRAY,     /* HG_JSON_SEQ: bytes outside of a record. Goes on at the next RS */
    HG_STEP_BROKEN,    /* HG_CBOR_SEQ: `fault` says why this is no item; the stream has ended */
    HG_STEP_NO_MEMORY, /* the stream has ended */
    HG_STEP_ENDED      /* the stream has ended before; no byte was taken */
};

/* For HG_STEP_RECORD and HG_STEP_CUT: its bytes, which stay until the next call; data[length] may be read and, unless
 * HG_CBOR_SEQ, is 0. For HG_STEP_BROKEN: the fault, with its offset in the item. */
struct hg_record {
    const uint8_t *data;
    uint32_t length;
    struct hg_fault fault;
};

/* Where in a JSON text: strings and brackets are told apart so far that a line feed inside of a value does not end it. */
struct hg_text_scan {
    bool started; /* a byte that is not whitespace was seen */
    bool in_string, escaped;
    uint32_t open; /* brackets */
};

/* Where an item ends (RFC 8949 appendix C). Twin: firmware_py/headgate/core/cbor_scan.py. */
struct hg_item_scan {
    uint32_t *open; /* what each open container waits for; the outermost entry is the item itself */
    uint32_t depth, max_depth;
    uint32_t at;    /* bytes of the item seen so far */
    uint32_t skip;  /* of these still to come: the payload of a string */
    uint8_t head[9];
    uint8_t head_used;
};

struct hg_feed {
    struct hg_alloc memory;
    enum hg_framing framing;
    uint32_t max_record;
    uint8_t *buffer; /* the record that is not complete */
    uint32_t used, room;
    enum { HG_FEED_OUTSIDE, HG_FEED_INSIDE, HG_FEED_SKIP, HG_FEED_ENDED } state;
    bool given; /* `buffer` holds the record that was handed out last */
    struct hg_text_scan text; /* HG_JSON_SEQ */
    struct hg_item_scan item; /* HG_CBOR_SEQ */
};

/* max_record: bytes of one record without what frames it, 1 to HG_DOCUMENT_BYTES. max_open: open containers (tags count as
 * such) of a CBOR item, 1 or more. HG_NO_MEMORY: nothing to clear. */
enum hg_status hg_feed_init(struct hg_feed *feed, const struct hg_alloc *memory, enum hg_framing framing,
                            uint32_t max_record, uint32_t max_open);
void hg_feed_clear(struct hg_feed *feed);

/* Take bytes from [*data, end) up to the end of the next record; *data moves on. Until HG_STEP_MORE, call again. */
enum hg_step hg_feed_next(struct hg_feed *feed, const uint8_t **data, const uint8_t *end, struct hg_record *record);
/* No more bytes will come: the last record, if it has no end of its own; HG_STEP_MORE if there is none. To be called once. */
enum hg_step hg_feed_finish(struct hg_feed *feed, struct hg_record *record);

#endif
