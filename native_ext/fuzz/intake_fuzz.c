/* Invariant: for any calls, with any allocation failing, the intake holds what a plain array of numbers says, in that order, and
 * charges it to the byte, and every text is what was added; refused calls change nothing; what hg_batch_cbor writes is the rows' CBOR, as long as
 * was asked; all memory comes back. */
#include "../../tests/c/check.h"
#include "core/intake.h"
#include "input.h"

enum { MOST = 40, MAX_ROWS = 12, MAX_BYTES = 2000, BATCHES = 3 };

/* Numbers of rows, oldest first. */
struct list {
    unsigned count;
    struct {
        uint64_t seq, bytes;
        uint32_t flags;
        int64_t at_ms;
    } rows[MOST];
};

static uint64_t charged(const struct list *list) {
    uint64_t bytes = 0;
    for (unsigned i = 0; i < list->count; i++) {
        bytes += list->rows[i].bytes;
    }
    return bytes;
}

static void move(struct list *from, unsigned at, struct list *to) {
    CHECK(to->count < MOST);
    to->rows[to->count++] = from->rows[at];
    memmove(&from->rows[at], &from->rows[at + 1], sizeof from->rows[0] * (from->count - at - 1));
    from->count--;
}

/* Texts are cut from here where the row's number says, so that rows in each other's place are seen. */
static uint8_t texts_of[512];

static const uint8_t *of_number(uint64_t seq) { return texts_of + seq % 251; }

static void check_text(const struct hg_view *text, uint64_t seq) {
    CHECK(text->at == NULL || memcmp(text->at, of_number(seq), text->length) == 0);
}

static void compare(const struct hg_row *row, const struct list *list) {
    for (unsigned i = 0; i < list->count; i++, row = row->next) {
        CHECK(row != NULL && row->seq == list->rows[i].seq && row->size == list->rows[i].bytes);
        check_text(&row->body, row->seq);
        check_text(&row->stream, row->seq);
        check_text(&row->client, row->seq);
        check_text(&row->key, row->seq);
        check_text(&row->trace, row->seq);
        check_text(&row->last, row->seq);
        CHECK(row->flags == list->rows[i].flags && row->keyed == (row->key.at != NULL) && row->at_ms == list->rows[i].at_ms);
    }
    CHECK(row == NULL);
}

static void check_all(const struct hg_intake *intake, const struct list *queue, const struct hg_batch *batches,
                      const struct list *taken) {
    uint64_t bytes = charged(queue);
    int64_t waiting_ms = -1;
    for (unsigned i = queue->count; i-- > 0;) {
        waiting_ms = (queue->rows[i].flags & HG_ROW_PROMISED) == 0 ? queue->rows[i].at_ms : waiting_ms;
    }
    compare(intake->head, queue);
    CHECK(queue->count == 0 ? intake->tail == NULL
                            : intake->tail->seq == queue->rows[queue->count - 1].seq && intake->tail->next == NULL);
    for (unsigned i = 0; i < BATCHES; i++) {
        compare(batches[i].head, &taken[i]);
        CHECK(batches[i].rows == taken[i].count && batches[i].bytes == charged(&taken[i]));
        bytes += charged(&taken[i]);
    }
    CHECK(intake->rows == queue->count && intake->bytes == bytes && bytes <= MAX_BYTES);
    CHECK(intake->oldest_ms == (queue->count == 0 ? -1 : queue->rows[0].at_ms));
    CHECK(intake->oldest_waiting_ms == waiting_ms);
}

static void add(struct hg_intake *intake, struct input *input, struct list *queue, int64_t now_ms, bool scarce) {
    const uint8_t *own = of_number(intake->seq + 1);
    const uint8_t texts = take_byte(input);
    const struct hg_view text = {own, texts % 30}, none = {NULL, 0};
    const struct hg_row row = {.ts_ms = take_number(input), .at_ms = now_ms, .flags = take_byte(input) & 7,
                               .stream = text, .client = text, .body = {own, take_byte(input)},
                               .key = (texts & 32) != 0 ? text : none, .trace = (texts & 64) != 0 ? text : none,
                               .last = (texts & 128) != 0 ? text : none};
    const uint64_t size = (uint64_t)row.body.length + 2 * text.length + HG_ROW_OVERHEAD, overfull = intake->overfull;
    const uint64_t room = intake->room, used = intake->bytes, before = intake->seq;
    struct hg_problem problem;
    uint32_t retry_s = 0;
    uint64_t seq;
    const enum hg_code code = hg_intake_add(intake, &row, &seq, &problem, &retry_s);
    const enum hg_code wanted =
        intake->closing                                                                       ? HG_P_DRAINING
        : (row.flags & HG_ROW_PROMISED) == 0 && now_ms < intake->refuse_until_ms              ? HG_P_STORAGE_FAILED
        : queue->count >= MAX_ROWS || used + size > MAX_BYTES || (room != UINT64_MAX && used + size > room)
            ? HG_P_OUTBOX_FULL
            : HG_P_NONE;
    CHECK(code == wanted || (scarce && wanted == HG_P_NONE && code == HG_P_OUT_OF_MEMORY));
    CHECK(intake->seq == before + (code == HG_P_NONE) && intake->overfull - overfull <= (code == HG_P_OUTBOX_FULL));
    CHECK(code == HG_P_NONE || (retry_s >= 1 && retry_s <= 3600 && problem.code == code));
    if (code == HG_P_NONE) {
        queue->rows[queue->count].seq = seq;
        queue->rows[queue->count].bytes = size;
        queue->rows[queue->count].flags = row.flags;
        queue->rows[queue->count++].at_ms = now_ms;
    }
}

static void take(struct hg_intake *intake, struct input *input, struct list *queue, struct hg_batch *batch,
                 struct list *taken) {
    const uint32_t rows = take_byte(input) % 8;
    const uint64_t bytes = (uint64_t)take_byte(input) * 8;
    hg_intake_take(intake, rows, bytes, batch);
    while (queue->count > 0 && taken->count < rows &&
           (taken->count == 0 || charged(taken) + queue->rows[0].bytes <= bytes)) {
        move(queue, 0, taken);
    }
}

static void take_waiting(struct hg_intake *intake, struct list *queue, struct hg_batch *batch, struct list *taken) {
    hg_intake_take_waiting(intake, batch);
    for (unsigned i = 0; i < queue->count;) {
        if ((queue->rows[i].flags & HG_ROW_PROMISED) == 0) {
            move(queue, i, taken);
        } else {
            i++;
        }
    }
}

static void give_back(struct hg_intake *intake, struct list *queue, struct hg_batch *batch, struct list *taken) {
    struct list kept = {0};
    hg_batch_give_back(intake, batch);
    for (unsigned i = 0; i < taken->count; i++) {
        if ((taken->rows[i].flags & HG_ROW_PROMISED) != 0) {
            kept.rows[kept.count++] = taken->rows[i];
        }
    }
    while (queue->count > 0) {
        move(queue, 0, &kept);
    }
    *queue = kept;
    taken->count = 0;
}

static void encode(const struct hg_batch *batch, const struct hg_alloc *alloc, const uint8_t skip[(MOST + 7) / 8],
                   bool scarce) {
    const uint64_t length = hg_batch_cbor_length(batch, skip);
    struct hg_output output;
    hg_output_init(&output, alloc, UINT32_MAX);
    if (hg_batch_cbor(batch, skip, &output)) {
        const uint8_t *at = output.data; /* NULL of nothing */
        uint32_t index = 0;
        CHECK(output.length == length);
        for (const struct hg_row *row = batch->head; row != NULL; row = row->next, index++) {
            if (!hg_skipped(skip, index)) {
                CHECK(memcmp(at, row + 1, row->cbor) == 0);
                at += row->cbor;
            }
        }
        CHECK(index == batch->rows && (length == 0 || at == output.data + length));
    } else {
        CHECK(scarce && output.failed);
    }
    hg_output_clear(&output);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_intake intake;
    struct hg_batch batches[BATCHES] = {0};
    struct list queue = {0}, taken[BATCHES] = {{0}, {0}, {0}};
    int64_t now_ms = 0;
    for (unsigned i = 0; i < sizeof texts_of; i++) {
        texts_of[i] = (uint8_t)(i % 251);
    }
    hg_intake_init(&intake, &alloc, 1, MAX_ROWS, MAX_BYTES);
    intake.memory.most = take_byte(&input) % 4u; /* blocks that rows share: by MAX_BYTES there would be none */
    while (input.left > 0) {
        const uint8_t what = take_byte(&input), which = what / 16 % BATCHES;
        const uint8_t skip[(MOST + 7) / 8] = {what, (uint8_t)(what * 7), what};
        const bool scarce = what >= 192;
        heap.fail_at = scarce ? what - 191 : -1;
        now_ms += what / 16;
        switch (what % 16) {
        case 0: intake.room = what < 64 ? UINT64_MAX : (uint64_t)what * 8; break;
        case 1: intake.refuse_until_ms = what < 64 ? 0 : now_ms + what; break;
        case 2: intake.closing = what >= 240; break;
        case 3: encode(&batches[which], &alloc, skip, scarce); break;
        case 4:
            hg_batch_release(&intake, &batches[which]);
            taken[which].count = 0;
            break;
        case 5: give_back(&intake, &queue, &batches[which], &taken[which]); break;
        case 6:
        case 7:
        case 8:
            if (taken[which].count == 0) {
                if (what % 16 == 8) {
                    take_waiting(&intake, &queue, &batches[which], &taken[which]);
                } else {
                    take(&intake, &input, &queue, &batches[which], &taken[which]);
                }
            }
            break;
        default: add(&intake, &input, &queue, now_ms, scarce); break;
        }
        check_all(&intake, &queue, batches, taken);
    }
    for (unsigned i = 0; i < BATCHES; i++) {
        hg_batch_release(&intake, &batches[i]);
    }
    hg_intake_clear(&intake);
    CHECK(heap.live == 0 && intake.bytes == 0);
    return 0;
}
