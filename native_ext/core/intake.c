#include "intake.h"

#include <string.h>

#include "inline.h"

void hg_intake_init(struct hg_intake *intake, const struct hg_alloc *alloc, uint64_t boot, uint32_t max_rows,
                    uint64_t max_bytes) {
    *intake = (struct hg_intake){.boot = boot, .max_rows = max_rows, .max_bytes = max_bytes};
    hg_rows_init(&intake->memory, alloc, max_bytes);
    intake->room = UINT64_MAX;
    intake->oldest_ms = intake->oldest_waiting_ms = -1;
}

void hg_intake_clear(struct hg_intake *intake) {
    hg_rows_free(intake->head);
    hg_rows_close(&intake->memory);
    intake->head = intake->tail = NULL;
    intake->rows = 0;
    intake->bytes = 0;
    intake->oldest_ms = intake->oldest_waiting_ms = -1;
}

HG_RARE static enum hg_code refuse(struct hg_problem *problem, uint32_t *retry_s, enum hg_code code, const char *detail,
                           int64_t wait_s) {
    *problem = (struct hg_problem){503, (uint8_t)code, false, detail};
    *retry_s = wait_s < 1 ? 1 : wait_s > 3600 ? 3600 : (uint32_t)wait_s;
    return code;
}

static void append(struct hg_intake *intake, struct hg_row *row) {
    row->next = NULL;
    if (intake->tail == NULL) {
        intake->head = row;
    } else {
        intake->tail->next = row;
    }
    intake->tail = row;
    intake->rows += 1;
    if (intake->oldest_ms < 0) {
        intake->oldest_ms = row->at_ms;
    }
    if ((row->flags & HG_ROW_PROMISED) == 0 && intake->oldest_waiting_ms < 0) {
        intake->oldest_waiting_ms = row->at_ms;
    }
}

/* The head of a data item in its shortest form, RFC 8949 section 3; at most HEAD bytes. */
#define HEAD 9
static uint8_t *put_head(uint8_t *at, uint8_t major, uint64_t argument) {
    const uint8_t kind = (uint8_t)(major << 5);
    if (argument < 24) {
        at[0] = (uint8_t)(kind | argument);
        return at + 1;
    }
    if (argument <= 0xFF) {
        at[0] = kind | 24;
        at[1] = (uint8_t)argument;
        return at + 2;
    }
    if (argument <= 0xFFFF) {
        at[0] = kind | 25;
        at[1] = (uint8_t)(argument >> 8);
        at[2] = (uint8_t)argument;
        return at + 3;
    }
    at[0] = kind | (argument <= 0xFFFFFFFF ? 26 : 27);
    at += 1;
    if (argument > 0xFFFFFFFF) {
        at[0] = (uint8_t)(argument >> 56);
        at[1] = (uint8_t)(argument >> 48);
        at[2] = (uint8_t)(argument >> 40);
        at[3] = (uint8_t)(argument >> 32);
        at += 4;
    }
    at[0] = (uint8_t)(argument >> 24);
    at[1] = (uint8_t)(argument >> 16);
    at[2] = (uint8_t)(argument >> 8);
    at[3] = (uint8_t)argument;
    return at + 4;
}

static uint8_t *put_null(uint8_t *at) {
    *at = 0xF6;
    return at + 1;
}

/* The bytes of a text, which is then the one at `at`. */
static uint8_t *put_bytes(uint8_t *at, struct hg_view *text) {
    memcpy(at, text->at, text->length);
    text->at = at;
    return at + text->length;
}

static uint8_t *put_text(uint8_t *at, uint8_t major, struct hg_view *text) {
    return text->at == NULL ? put_null(at) : put_bytes(put_head(at, major, text->length), text);
}

#define TYPE_LENGTH 16 /* of both media types */

/* Seven fields: linux/batch.py, Row. */
static uint8_t *put_row(uint8_t *at, struct hg_row *row) {
    at = put_head(at, 4, 7);
    at = put_head(at, 0, row->seq);
    at = put_text(at, 3, &row->stream);
    at = put_text(at, 3, &row->client);
    at = row->ts_ms < 0 ? put_null(at) : put_head(at, 0, (uint64_t)row->ts_ms);
    at = put_head(at, 3, TYPE_LENGTH);
    memcpy(at, (row->flags & HG_ROW_CBOR) != 0 ? "application/cbor" : "application/json", TYPE_LENGTH);
    at = put_text(at + TYPE_LENGTH, 2, &row->body);
    return put_text(at, 3, &row->trace);
}

/* What put_row adds to the texts. Lengths have 32 bits. */
_Static_assert(1 + 2 * HEAD + 4 * 5 + 1 + TYPE_LENGTH <= HG_ROW_OVERHEAD, "the charge for a row has room for its CBOR");

enum hg_code hg_intake_add(struct hg_intake *intake, const struct hg_row *row, uint64_t *seq, struct hg_problem *problem,
                           uint32_t *retry_s) {
    const uint64_t size = (uint64_t)row->body.length + row->stream.length + row->client.length + HG_ROW_OVERHEAD;
    const uint64_t whole = sizeof *row + size + row->key.length + row->trace.length + row->last.length;
    struct hg_row_block *block;
    struct hg_row *copy;
    uint8_t *at;
    if (intake->closing) {
        return refuse(problem, retry_s, HG_P_DRAINING, "shutting down", 5);
    }
    if ((row->flags & HG_ROW_PROMISED) == 0 && row->at_ms < intake->refuse_until_ms) {
        return refuse(problem, retry_s, HG_P_STORAGE_FAILED, "the disk is full or failing; the message was not stored",
                      (intake->refuse_until_ms - row->at_ms + 999) / 1000);
    }
    if (intake->rows >= intake->max_rows || size > intake->max_bytes || intake->bytes > intake->max_bytes - size ||
        whole > UINT32_MAX) { /* also what 32-bit machines can address */
        return refuse(problem, retry_s, HG_P_OUTBOX_FULL, "too many messages wait for the disk", 1);
    }
    if (size > intake->room || intake->bytes > intake->room - size) {
        intake->overfull += 1;
        return refuse(problem, retry_s, HG_P_OUTBOX_FULL, "the budget for undelivered messages is used up", 30);
    }
    copy = hg_rows_room(&intake->memory, (uint32_t)whole);
    if (copy == NULL) {
        return refuse(problem, retry_s, HG_P_OUT_OF_MEMORY, "", 1);
    }
    block = copy->block;
    *copy = *row;
    copy->block = block;
    copy->size = (uint32_t)size;
    copy->keyed = row->key.at != NULL;
    copy->seq = *seq = ++intake->seq;
    at = put_row((uint8_t *)(copy + 1), copy);
    copy->cbor = (uint32_t)(at - (uint8_t *)(copy + 1));
    at = row->key.at == NULL ? at : put_bytes(at, &copy->key);
    at = row->last.at == NULL ? at : put_bytes(at, &copy->last);
    hg_rows_keep(&intake->memory, copy, (uint32_t)(at - (uint8_t *)copy));
    intake->bytes += size;
    append(intake, copy);
    return HG_P_NONE;
}

/* What the queue's first rows say; after rows have left it, or promised ones have come back. */
static void look_again(struct hg_intake *intake) {
    intake->oldest_ms = intake->head == NULL ? -1 : intake->head->at_ms;
    if (intake->oldest_waiting_ms < 0) {
        return; /* nobody waits, as before */
    }
    intake->oldest_waiting_ms = -1;
    for (const struct hg_row *row = intake->head; row != NULL; row = row->next) {
        if ((row->flags & HG_ROW_PROMISED) == 0) {
            intake->oldest_waiting_ms = row->at_ms;
            break;
        }
    }
}

static void count(struct hg_batch *batch, const struct hg_row *row) {
    const struct hg_view stream = batch->head->stream;
    batch->rows += 1;
    batch->waiting += (row->flags & HG_ROW_PROMISED) == 0;
    batch->keyed += row->keyed;
    batch->mixed += row->stream.length != stream.length || memcmp(row->stream.at, stream.at, stream.length) != 0;
    batch->bytes += row->size;
    batch->cbor += row->cbor;
    batch->payload += row->body.length;
}

void hg_intake_take(struct hg_intake *intake, uint32_t max_rows, uint64_t max_bytes, struct hg_batch *batch) {
    struct hg_row *last = NULL;
    *batch = (struct hg_batch){.head = intake->head};
    while (intake->head != NULL && batch->rows < max_rows &&
           (last == NULL || batch->bytes + intake->head->size <= max_bytes)) {
        last = intake->head;
        hg_row_ahead(last);
        count(batch, last);
        intake->head = last->next;
    }
    if (last != NULL) {
        last->next = NULL;
    } else {
        batch->head = NULL;
    }
    if (intake->head == NULL) {
        intake->tail = NULL;
    }
    intake->rows -= batch->rows;
    intake->takes += batch->rows != 0;
    look_again(intake);
}

void hg_batch_clear(struct hg_batch *batch) {
    hg_rows_free(batch->head);
    *batch = (struct hg_batch){.head = NULL};
}

void hg_batch_release(struct hg_intake *intake, struct hg_batch *batch) {
    intake->bytes -= batch->bytes;
    hg_batch_clear(batch);
    if (intake->bytes == 0) { /* with nothing to do, nothing is held */
        hg_rows_close(&intake->memory);
    }
}

void hg_batch_give_back(struct hg_intake *intake, struct hg_batch *batch) {
    struct hg_row *kept = NULL, **end = &kept, *next;
    for (struct hg_row *row = batch->head; row != NULL; row = next) {
        next = row->next;
        if ((row->flags & HG_ROW_PROMISED) != 0) {
            *end = row;
            end = &row->next;
            intake->rows += 1;
            if (intake->head == NULL) {
                intake->tail = row;
            }
        } else {
            intake->bytes -= row->size;
            row->next = NULL;
            hg_rows_free(row);
        }
    }
    *end = intake->head;
    intake->head = kept;
    *batch = (struct hg_batch){.head = NULL};
    look_again(intake);
}

void hg_intake_take_waiting(struct hg_intake *intake, struct hg_batch *batch) {
    struct hg_row **from = &intake->head, **to = &batch->head;
    *batch = (struct hg_batch){.head = NULL};
    intake->tail = NULL;
    while (*from != NULL) {
        struct hg_row *row = *from;
        if ((row->flags & HG_ROW_PROMISED) != 0) {
            intake->tail = row;
            from = &row->next;
            continue;
        }
        *from = row->next;
        row->next = NULL;
        *to = row;
        to = &row->next;
        count(batch, row);
    }
    intake->rows -= batch->rows;
    look_again(intake);
}

uint64_t hg_batch_cbor_length(const struct hg_batch *batch, const uint8_t *skip) {
    uint64_t length = batch->cbor;
    uint32_t index = 0;
    for (const struct hg_row *row = skip == NULL ? NULL : batch->head; row != NULL; row = row->next, index++) {
        length -= hg_skipped(skip, index) ? row->cbor : 0;
    }
    return length;
}

bool hg_batch_cbor(const struct hg_batch *batch, const uint8_t *skip, struct hg_output *output) {
    uint32_t index = 0;
    for (const struct hg_row *row = batch->head; row != NULL; row = row->next, index++) {
        if (!hg_skipped(skip, index)) {
            uint8_t *room = hg_output_room(output, row->cbor);
            if (room == NULL) {
                return false;
            }
            memcpy(room, row + 1, row->cbor);
            hg_output_use(output, row->cbor);
        }
    }
    return true;
}

/* The first half of the SHA-256 of `length` bytes: linux/outbox_keys.py, digest. */
static void digest(hg_sha256_blocks blocks, const uint8_t *data, size_t length, uint8_t out[HG_KEY_DIGEST]) {
    uint8_t whole[HG_SHA256];
    hg_sha256(blocks, data, length, whole);
    memcpy(out, whole, HG_KEY_DIGEST);
}

bool hg_row_key(const struct hg_row *row, hg_sha256_blocks blocks, struct hg_output *scratch, struct hg_row_key *key) {
    const struct hg_view parts[3] = {row->client, row->stream, row->key};
    scratch->length = 0;
    for (int i = 0; i < 3; i++) {
        const uint32_t n = parts[i].length;
        const uint8_t length[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
        hg_output_add(scratch, length, sizeof length);
        hg_output_add(scratch, parts[i].at, n);
    }
    if (scratch->failed) {
        return false;
    }
    digest(blocks, scratch->data, scratch->length, key->scope);
    digest(blocks, row->body.at, row->body.length, key->body);
    return true;
}
