/* core/rows.c: rows share blocks of memory, which go with the last of them; rows that stay do not hold much more than themselves. */
#include "check.h"
#include "core/intake.h"

#define MOST (8 * HG_ROW_BLOCK) /* bytes of the intake: 16 blocks */
#define ROWS UINT32_MAX

static struct heap heap;
static struct hg_intake intake;

static void open_intake(void) {
    static struct hg_alloc alloc;
    heap = (struct heap){0, -1};
    alloc = heap_of(&heap);
    hg_intake_init(&intake, &alloc, 1, ROWS, MOST);
}

static void add(uint32_t length, uint32_t flags) {
    static char body[2 * HG_ROW_BLOCK];
    const struct hg_row row = {.ts_ms = -1, .flags = flags, .stream = {(const uint8_t *)"s", 1}, .client = {(const uint8_t *)"c", 1},
                               .body = {(const uint8_t *)memset(body, 'a' + (int)(intake.seq % 26), length), length}};
    struct hg_problem problem;
    uint32_t retry_s;
    uint64_t seq;
    CHECK(hg_intake_add(&intake, &row, &seq, &problem, &retry_s) == HG_P_NONE);
}

/* Nobody has written over it. */
static void check_rows(const struct hg_row *row) {
    for (; row != NULL; row = row->next) {
        CHECK((uintptr_t)row % 8 == 0 && row->stream.length == 1 && row->stream.at[0] == 's');
        for (uint32_t i = 0; i < row->body.length; i++) {
            CHECK(row->body.at[i] == 'a' + (row->seq - 1) % 26);
        }
    }
}

static void test_rows_share_blocks_that_go_with_the_last_of_them(void) {
    struct hg_batch batches[3];
    open_intake();
    for (uint32_t i = 0; i < 300; i++) {
        add(i % 97, HG_ROW_PROMISED);
    }
    check_rows(intake.head);
    CHECK(heap.live >= 4 && heap.live <= 8); /* not 300 */
    for (int i = 0; i < 3; i++) {
        hg_intake_take(&intake, 100, MOST, &batches[i]);
    }
    hg_batch_release(&intake, &batches[1]);
    check_rows(batches[0].head);
    hg_batch_release(&intake, &batches[0]);
    check_rows(batches[2].head);
    add(50, HG_ROW_PROMISED);
    check_rows(intake.head);
    hg_batch_release(&intake, &batches[2]);
    CHECK(heap.live == 1); /* of the row that came last */
    hg_intake_take(&intake, ROWS, MOST, &batches[0]);
    hg_batch_release(&intake, &batches[0]);
    CHECK(heap.live == 0); /* nothing is held for rows that may come */
    hg_intake_clear(&intake);
}

static void test_a_large_row_has_a_block_of_its_own(void) {
    struct hg_batch batch;
    open_intake();
    add(10, 0);
    add(HG_ROW_BLOCK, 0);
    add(10, 0); /* beside the first */
    check_rows(intake.head);
    CHECK(heap.live == 2 && intake.rows == 3);
    hg_intake_take(&intake, ROWS, MOST, &batch);
    hg_batch_clear(&batch);
    CHECK(heap.live == 1); /* the open one */
    hg_intake_clear(&intake);
    CHECK(heap.live == 0);
}

/* Every size near the end of a block: what does not fit begins the next one. */
static void test_the_end_of_a_block(void) {
    for (uint32_t length = HG_ROW_BLOCK - 700; length < HG_ROW_BLOCK; length++) {
        open_intake();
        add(length, 0);
        for (int i = 0; i < 6; i++) {
            add(3, 0);
        }
        check_rows(intake.head);
        CHECK(heap.live <= 3);
        hg_intake_clear(&intake);
        CHECK(heap.live == 0);
    }
}

/* One promised row among many that fail, again and again: the blocks of these few are not all that there may ever be. */
static void test_rows_that_stay_hold_a_bounded_number_of_blocks(void) {
    struct hg_batch batch;
    open_intake();
    for (int round = 0; round < 200; round++) {
        add(10, HG_ROW_PROMISED);
        for (int i = 0; i < 90; i++) {
            add(10, 0);
        }
        hg_intake_take(&intake, ROWS, MOST, &batch);
        hg_batch_give_back(&intake, &batch);
    }
    check_rows(intake.head);
    CHECK(intake.rows == 200 && intake.memory.most == 16);
    CHECK(heap.live > 100); /* one each, after the first */
    CHECK(atomic_load(&intake.memory.blocks) == (unsigned)heap.live);
    hg_intake_clear(&intake);
    CHECK(heap.live == 0 && atomic_load(&intake.memory.blocks) == 0);
}

static void test_without_memory_nothing_changes(void) {
    struct hg_row row = {.ts_ms = -1, .stream = {(const uint8_t *)"s", 1}, .client = {(const uint8_t *)"c", 1},
                         .body = {(const uint8_t *)"b", 1}};
    struct hg_problem problem;
    uint32_t retry_s;
    uint64_t seq;
    open_intake();
    add(HG_ROW_BLOCK - 600, 0);
    heap.fail_at = 1;
    row.body = (struct hg_view){intake.head->body.at, 600};
    CHECK(hg_intake_add(&intake, &row, &seq, &problem, &retry_s) == HG_P_OUT_OF_MEMORY);
    CHECK(heap.live == 1 && intake.rows == 1 && intake.seq == 1);
    heap.fail_at = -1;
    add(3, 0); /* into the block that was open */
    CHECK(heap.live == 1);
    check_rows(intake.head);
    hg_intake_clear(&intake);
    CHECK(heap.live == 0);
}

int main(void) {
    test_rows_share_blocks_that_go_with_the_last_of_them();
    test_a_large_row_has_a_block_of_its_own();
    test_the_end_of_a_block();
    test_rows_that_stay_hold_a_bounded_number_of_blocks();
    test_without_memory_nothing_changes();
    return 0;
}
