#include "feed.h"

#include <string.h>

#define RS 0x1e   /* RFC 7464 section 2.2 */
#define FIRST 256 /* bytes of the first buffer */

/* In `open` of an item: items still missing in a definite container, or in an indefinite one of these. Counts stay below them,
 * for a container with more items than max_record has bytes is refused. */
#define OPEN_ARRAY UINT32_MAX
#define OPEN_MAP_KEY (UINT32_MAX - 1)   /* a key or the end comes next */
#define OPEN_MAP_VALUE (UINT32_MAX - 2)
#define OPEN_BYTES (UINT32_MAX - 3)
#define OPEN_TEXT (UINT32_MAX - 4)

enum { MAJOR_BYTES = 2, MAJOR_TEXT, MAJOR_ARRAY, MAJOR_MAP, MAJOR_TAG, MAJOR_SIMPLE };

static void reset_item(struct hg_item_scan *item) {
    item->depth = 1;
    item->open[0] = 1;
    item->at = 0;
    item->skip = 0;
    item->head_used = 0;
}

enum hg_status hg_feed_init(struct hg_feed *feed, const struct hg_alloc *memory, enum hg_framing framing,
                            uint32_t max_record, uint32_t max_open) {
    memset(feed, 0, sizeof *feed);
    feed->memory = *memory;
    feed->framing = framing;
    feed->max_record = max_record;
    feed->state = framing == HG_JSON_SEQ ? HG_FEED_OUTSIDE : HG_FEED_INSIDE;
    if (framing == HG_CBOR_SEQ) {
        feed->item.open = memory->alloc(memory->context, ((size_t)max_open + 1) * sizeof *feed->item.open);
        if (feed->item.open == NULL) {
            return HG_NO_MEMORY;
        }
        feed->item.max_depth = max_open;
        reset_item(&feed->item);
    }
    return HG_OK;
}

void hg_feed_clear(struct hg_feed *feed) {
    if (feed->buffer != NULL) {
        feed->memory.release(feed->memory.context, feed->buffer);
    }
    if (feed->item.open != NULL) {
        feed->memory.release(feed->memory.context, feed->item.open);
    }
    memset(feed, 0, sizeof *feed);
}

/* Keep `length` bytes of the record, with room for a NUL after them. The sum is at most max_record + 1. */
static bool keep(struct hg_feed *feed, const uint8_t *data, uint32_t length) {
    const uint32_t needed = feed->used + length + 1;
    if (needed > feed->room) {
        const uint32_t most = feed->max_record + 2;
        uint32_t room = feed->room < FIRST / 2 ? FIRST : 2 * feed->room;
        room = room > most ? most : room;
        room = room < needed ? needed : room;
        uint8_t *buffer = feed->memory.alloc(feed->memory.context, room);
        if (buffer == NULL) {
            return false;
        }
        if (feed->buffer != NULL) {
            memcpy(buffer, feed->buffer, feed->used);
            feed->memory.release(feed->memory.context, feed->buffer);
        }
        feed->buffer = buffer;
        feed->room = room;
    }
    if (length > 0) {
        memcpy(feed->buffer + feed->used, data, length);
        feed->used += length;
    }
    return true;
}

static enum hg_step no_memory(struct hg_feed *feed) {
    feed->state = HG_FEED_ENDED;
    return HG_STEP_NO_MEMORY;
}

static enum hg_step give(struct hg_feed *feed, enum hg_step step, struct hg_record *record) {
    feed->buffer[feed->used] = 0;
    record->data = feed->buffer;
    record->length = feed->used;
    feed->given = true;
    return step;
}

static bool is_white(uint8_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static bool is_blank(const uint8_t *data, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) {
        if (!is_white(data[i])) {
            return false;
        }
    }
    return true;
}

/* The record has more than max_record bytes: forget it up to its end. */
static enum hg_step too_large(struct hg_feed *feed) {
    feed->used = 0;
    feed->state = HG_FEED_SKIP;
    return HG_STEP_TOO_LARGE;
}

/* --- lines ----------------------------------------------------------------------------------------------------------- */

/* A line is complete in the buffer. HG_STEP_MORE: it was a blank one. */
static enum hg_step end_line(struct hg_feed *feed, struct hg_record *record) {
    if (feed->used > 0 && feed->buffer[feed->used - 1] == '\r') {
        feed->used--;
    }
    if (feed->used > feed->max_record) {
        feed->used = 0;
        return HG_STEP_TOO_LARGE;
    }
    if (is_blank(feed->buffer, feed->used)) {
        feed->used = 0;
        return HG_STEP_MORE;
    }
    return give(feed, HG_STEP_RECORD, record);
}

static enum hg_step next_line(struct hg_feed *feed, const uint8_t **data, const uint8_t *end,
                              struct hg_record *record) {
    while (*data < end) {
        const uint8_t *newline = memchr(*data, '\n', (size_t)(end - *data));
        const uint8_t *stop = newline == NULL ? end : newline;
        const size_t length = (size_t)(stop - *data);
        if (feed->state == HG_FEED_SKIP) {
            *data = newline == NULL ? end : newline + 1;
            if (newline != NULL) {
                feed->state = HG_FEED_INSIDE;
            }
            continue;
        }
        if (length > feed->max_record + 1 - feed->used) { /* the one more may be the CR */
            *data = stop;
            return too_large(feed);
        }
        if (!keep(feed, *data, (uint32_t)length)) {
            return no_memory(feed);
        }
        *data = stop;
        if (newline != NULL) {
            *data = newline + 1;
            const enum hg_step step = end_line(feed, record);
            if (step != HG_STEP_MORE) {
                return step;
            }
        }
    }
    return HG_STEP_MORE;
}

/* --- RFC 7464 -------------------------------------------------------------------------------------------------------- */

/* The end of the record's text that goes on at p: its LF, the next RS, or `end`. Whether it is JSON is for others to say. */
static const uint8_t *text_end(struct hg_text_scan *text, const uint8_t *p, const uint8_t *end) {
    for (; p < end; p++) {
        const uint8_t c = *p;
        if (c == RS) {
            break;
        }
        if (text->in_string) {
            if (text->escaped) {
                text->escaped = false;
            } else if (c == '\\') {
                text->escaped = true;
            } else if (c == '"') {
                text->in_string = false;
            }
        } else if (is_white(c)) {
            if (c == '\n' && text->started && text->open == 0) {
                break;
            }
        } else {
            text->started = true;
            if (c == '"') {
                text->in_string = true;
            } else if (c == '{' || c == '[') {
                text->open++; /* cannot wrap: a record has at most max_record bytes */
            } else if ((c == '}' || c == ']') && text->open > 0) {
                text->open--;
            }
        }
    }
    return p;
}

static void begin_text(struct hg_feed *feed) {
    feed->state = HG_FEED_INSIDE;
    memset(&feed->text, 0, sizeof feed->text);
}

/* The text in the buffer ended with an RS or with the stream, not with an LF. */
static enum hg_step end_text(struct hg_feed *feed, struct hg_record *record) {
    const uint8_t *text = feed->buffer;
    while (text < feed->buffer + feed->used && is_white(*text)) {
        text++;
    }
    const bool whole = is_white(feed->buffer[feed->used - 1]) || *text == '{' || *text == '[' || *text == '"';
    return give(feed, whole ? HG_STEP_RECORD : HG_STEP_CUT, record);
}

/* Bytes outside of records: up to the next RS. */
static enum hg_step next_separator(struct hg_feed *feed, const uint8_t **data, const uint8_t *end) {
    while (feed->state == HG_FEED_OUTSIDE && *data < end && is_white(**data)) {
        (*data)++;
    }
    if (*data == end) {
        return HG_STEP_MORE;
    }
    if (feed->state == HG_FEED_OUTSIDE && **data != RS) {
        feed->state = HG_FEED_SKIP;
        return HG_STEP_STRAY;
    }
    const uint8_t *separator = memchr(*data, RS, (size_t)(end - *data));
    *data = separator == NULL ? end : separator + 1;
    if (separator != NULL) {
        begin_text(feed);
    }
    return HG_STEP_MORE;
}

static enum hg_step next_text(struct hg_feed *feed, const uint8_t **data, const uint8_t *end,
                              struct hg_record *record) {
    while (*data < end) {
        if (feed->state != HG_FEED_INSIDE) {
            const enum hg_step step = next_separator(feed, data, end);
            if (step != HG_STEP_MORE) {
                return step;
            }
            continue;
        }
        const uint32_t left = feed->max_record - feed->used;
        const uint8_t *limit = (size_t)(end - *data) > left ? *data + left + 1 : end;
        const uint8_t *stop = text_end(&feed->text, *data, limit);
        if ((size_t)(stop - *data) > left) {
            *data = stop;
            return too_large(feed);
        }
        if (!keep(feed, *data, (uint32_t)(stop - *data))) {
            return no_memory(feed);
        }
        *data = stop;
        if (stop < limit) { /* at an RS or LF */
            (*data)++;
            if (*stop == '\n') {
                feed->state = HG_FEED_OUTSIDE;
                return give(feed, HG_STEP_RECORD, record);
            }
            begin_text(feed);
            if (feed->used > 0) { /* several RS in a row mean nothing (section 2.1) */
                return end_text(feed, record);
            }
        }
    }
    return HG_STEP_MORE;
}

/* --- RFC 8742 -------------------------------------------------------------------------------------------------------- */

/* Account for one head in the open containers: it may open or close one. *announced: items of a definite container. */
static enum hg_reason take_head(struct hg_item_scan *item, unsigned major, unsigned info, uint64_t argument,
                                uint32_t *announced) {
    static const uint32_t indefinite[] = {OPEN_BYTES, OPEN_TEXT, OPEN_ARRAY, OPEN_MAP_KEY};
    uint32_t *top = &item->open[item->depth - 1];
    uint32_t more = 0;
    *announced = 0;
    if (major == MAJOR_SIMPLE && info == 31) {
        if (*top < OPEN_TEXT || *top == OPEN_MAP_VALUE) {
            return HG_CBOR_BREAK;
        }
        item->depth--;
        return HG_NO_FAULT;
    }
    if (*top < OPEN_TEXT) {
        (*top)--;
    } else if (*top == OPEN_BYTES || *top == OPEN_TEXT) {
        if (major != (*top == OPEN_BYTES ? MAJOR_BYTES : MAJOR_TEXT) || info == 31) {
            return HG_CBOR_CHUNK;
        }
    } else if (*top != OPEN_ARRAY) {
        *top = *top == OPEN_MAP_KEY ? OPEN_MAP_VALUE : OPEN_MAP_KEY;
    }
    if (major == MAJOR_TAG) {
        more = *announced = 1;
    } else if (info == 31) {
        more = indefinite[major - MAJOR_BYTES];
    } else if (major == MAJOR_ARRAY || major == MAJOR_MAP) {
        more = argument > OPEN_TEXT / 4 ? OPEN_TEXT / 2 : (uint32_t)argument * (major == MAJOR_MAP ? 2 : 1);
        *announced = more;
    }
    if (more > 0) {
        if (item->depth > item->max_depth) {
            return HG_TOO_DEEP;
        }
        item->open[item->depth++] = more;
    }
    return HG_NO_FAULT;
}

static bool item_complete(struct hg_item_scan *item) {
    while (item->depth > 0 && item->open[item->depth - 1] == 0) {
        item->depth--;
    }
    return item->depth == 0;
}

/* One byte more of a head: one, and 1, 2, 4 or 8 of its argument. */
static enum hg_step next_of_head(struct hg_item_scan *item, uint8_t byte, uint32_t max_record, struct hg_fault *fault) {
    item->head[item->head_used++] = byte;
    const unsigned major = item->head[0] >> 5, info = item->head[0] & 31;
    const unsigned size = info >= 24 && info < 28 ? 1 + (1u << (info - 24)) : 1;
    uint64_t argument = info;
    uint32_t announced;
    fault->offset = item->at;
    if (info >= 28 && (info != 31 || major < MAJOR_BYTES || major == MAJOR_TAG)) {
        fault->reason = HG_CBOR_RESERVED;
        return HG_STEP_BROKEN;
    }
    if (size > max_record - item->at) {
        return HG_STEP_TOO_LARGE;
    }
    if (item->head_used < size) {
        return HG_STEP_MORE;
    }
    for (unsigned i = 1; i < size; i++) {
        argument = (i == 1 ? 0 : argument << 8) | item->head[i];
    }
    fault->reason = major == MAJOR_SIMPLE && info == 24 && argument < 32
                        ? HG_CBOR_SIMPLE
                        : take_head(item, major, info, argument, &announced);
    if (fault->reason != HG_NO_FAULT) {
        return HG_STEP_BROKEN;
    }
    item->head_used = 0;
    item->at += size;
    if (major != MAJOR_BYTES && major != MAJOR_TEXT) {
        return announced > max_record - item->at ? HG_STEP_TOO_LARGE : HG_STEP_MORE; /* each takes a byte at least */
    }
    if (info != 31 && argument > max_record - item->at) {
        return HG_STEP_TOO_LARGE;
    }
    item->skip = info == 31 ? 0 : (uint32_t)argument;
    return HG_STEP_MORE;
}

/* Follow the item through [*data, end). HG_STEP_RECORD: it ends at *data. */
static enum hg_step follow_item(struct hg_item_scan *item, const uint8_t **data, const uint8_t *end,
                                uint32_t max_record, struct hg_fault *fault) {
    for (;;) {
        const uint32_t passed = (size_t)(end - *data) < item->skip ? (uint32_t)(end - *data) : item->skip;
        *data += passed;
        item->at += passed;
        item->skip -= passed;
        if (item->skip == 0 && item->head_used == 0 && item_complete(item)) {
            return HG_STEP_RECORD;
        }
        if (*data == end) {
            return HG_STEP_MORE;
        }
        const enum hg_step step = next_of_head(item, *(*data)++, max_record, fault);
        if (step != HG_STEP_MORE) {
            return step;
        }
    }
}

/* An item that lies wholly in [*data, end) is given where it is; the bytes of any other one are kept. */
static enum hg_step next_item(struct hg_feed *feed, const uint8_t **data, const uint8_t *end,
                              struct hg_record *record) {
    const uint8_t *start = *data;
    if (start == end) {
        return HG_STEP_MORE;
    }
    if (feed->item.depth == 0) { /* the last one is complete */
        reset_item(&feed->item);
    }
    const enum hg_step step = follow_item(&feed->item, data, end, feed->max_record, &record->fault);
    const uint32_t length = (uint32_t)(*data - start); /* at most max_record: follow_item stops there */
    if (step == HG_STEP_BROKEN || step == HG_STEP_TOO_LARGE) {
        feed->state = HG_FEED_ENDED;
        return step;
    }
    if (step == HG_STEP_RECORD && feed->used == 0) {
        record->data = start;
        record->length = length;
        return step;
    }
    if (!keep(feed, start, length)) {
        return no_memory(feed);
    }
    return step == HG_STEP_RECORD ? give(feed, step, record) : step;
}

/* --------------------------------------------------------------------------------------------------------------------- */

enum hg_step hg_feed_next(struct hg_feed *feed, const uint8_t **data, const uint8_t *end, struct hg_record *record) {
    memset(record, 0, sizeof *record);
    if (feed->given) {
        feed->given = false;
        feed->used = 0;
    }
    if (feed->state == HG_FEED_ENDED) {
        return HG_STEP_ENDED;
    }
    switch (feed->framing) {
    case HG_NDJSON:
        return next_line(feed, data, end, record);
    case HG_JSON_SEQ:
        return next_text(feed, data, end, record);
    case HG_CBOR_SEQ:
        break;
    }
    return next_item(feed, data, end, record);
}

enum hg_step hg_feed_finish(struct hg_feed *feed, struct hg_record *record) {
    const bool ended = feed->state == HG_FEED_ENDED, inside = feed->state == HG_FEED_INSIDE;
    memset(record, 0, sizeof *record);
    if (feed->given) {
        feed->given = false;
        feed->used = 0;
    }
    feed->state = HG_FEED_ENDED;
    if (ended) {
        return HG_STEP_ENDED;
    }
    if (!inside || feed->used == 0) {
        return HG_STEP_MORE;
    }
    switch (feed->framing) {
    case HG_NDJSON:
        return end_line(feed, record);
    case HG_JSON_SEQ:
        return end_text(feed, record);
    case HG_CBOR_SEQ:
        break;
    }
    record->fault = (struct hg_fault){HG_UNEXPECTED_END, feed->used};
    return HG_STEP_BROKEN;
}
