/* Batches of rows that were committed, or were not: who waits for one of them gets its answer. */
#include "connection.h"

/* Who waits for this row; NULL: nobody does (any more). */
static struct hg_connection *waiter_of(const struct hg_server *server, const struct hg_row *row, uint32_t *index) {
    struct hg_connection *connection = hg_connection_of(server, row->waiter, index);
    return connection != NULL && connection->state == HG_COMMIT ? connection : NULL;
}

/* Promised rows were answered and counted when they came; those without a waiter are answered elsewhere. */
static bool is_ours(const struct hg_row *row) { return (row->flags & HG_ROW_PROMISED) == 0 && row->waiter != 0; }

/* Where to begin to look for somebody who waits: the first row; NULL: nobody does. */
static const struct hg_row *first_waiting(const struct hg_batch *batch) { return batch->waiting == 0 ? NULL : batch->head; }

static void fail_row(struct hg_server *server, const struct hg_row *row, const struct hg_problem *problem,
                     uint32_t retry_s) {
    uint32_t index;
    struct hg_connection *connection = waiter_of(server, row, &index);
    if (connection == NULL) {
        hg_serve_failed(server->gate, row, problem, retry_s, NULL, NULL);
        return;
    }
    hg_serve_failed(server->gate, row, problem, retry_s, &connection->work->visit, &server->answers);
    hg_connection_answered(server, index, connection->work->visit.keep_alive);
}

void hg_connection_commits(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    struct hg_intake *intake = server->gate->intake;
    connection->state = HG_COMMIT;
    hg_connection_deadline(server, index, 0);
    const bool joins = connection->virtual ? hg_virtual_joins(connection, server->group) : connection->group == server->group;
    if (joins && intake->expected != 0) { /* 0: it is of a group of long ago */
        intake->expected -= 1;
    }
    connection->group = 0;
}

/* Whom this commit answers, and who may send the next message. */
static void begin_group(struct hg_server *server, const struct hg_batch *batch) {
    const uint8_t group = (uint8_t)(server->group % UINT8_MAX + 1);
    uint32_t index, members = 0;
    for (const struct hg_row *row = first_waiting(batch); row != NULL; row = row->next) {
        struct hg_connection *connection = waiter_of(server, row, &index);
        if (connection != NULL) {
            if (connection->virtual) {
                hg_virtual_grouped(connection, group);
            } else {
                connection->group = group;
            }
            members += 1;
        }
    }
    if (members != 0) { /* else the last group is still expected */
        server->group = group;
        server->gate->intake->expected = members;
    }
}

static void settle_row(struct hg_server *server, const struct hg_row *row, struct hg_view replayed) {
    uint32_t index;
    struct hg_connection *connection = waiter_of(server, row, &index);
    if (connection == NULL) {
        hg_serve_committed(server->gate, row, replayed, NULL, NULL);
        return;
    }
    hg_serve_committed(server->gate, row, replayed, &connection->work->visit, &server->answers);
    hg_connection_answered(server, index, connection->work->visit.keep_alive);
}

/* What is queued may be no batch now: less than a group, or fewer bytes. */
static void release(struct hg_server *server, struct hg_batch *batch) {
    hg_batch_release(server->gate->intake, batch);
    server->batch_told = false;
}

void hg_server_release(struct hg_server *server, struct hg_batch *batch, hg_outcome outcome, void *context) {
    static const struct hg_problem reused = {422, HG_P_IDEMPOTENCY_KEY_REUSED, false,
                                             "this Idempotency-Key came before with another body"};
    uint32_t i = 0;
    if (batch->rows == 0) {
        return; /* it was released before Python heard of the commit */
    }
    hg_server_now(server);
    begin_group(server, batch);
    for (const struct hg_row *row = first_waiting(batch); row != NULL; row = row->next, i++) {
        const char *text = row->key.at == NULL || outcome == NULL ? NULL : outcome(context, i);
        if (!is_ours(row)) {
            continue;
        }
        if (text != NULL && text[0] == '\0') {
            fail_row(server, row, &reused, 0);
        } else {
            settle_row(server, row, (struct hg_view){(const uint8_t *)text, text == NULL ? 0 : (uint32_t)strlen(text)});
        }
    }
    hg_carriers_send(server);
    hg_server_leave(server);
    release(server, batch);
}

void hg_server_fail(struct hg_server *server, struct hg_batch *batch, const struct hg_problem *problem, uint32_t retry_s) {
    struct hg_intake *intake = server->gate->intake;
    struct hg_batch waiting;
    hg_server_now(server);
    for (const struct hg_row *row = batch->head; row != NULL; row = row->next) {
        if (is_ours(row)) {
            fail_row(server, row, problem, retry_s);
        }
    }
    hg_batch_give_back(intake, batch);
    hg_intake_take_waiting(intake, &waiting); /* they would wait for the next attempt: they hear it now */
    for (const struct hg_row *row = waiting.head; row != NULL; row = row->next) {
        if (is_ours(row)) {
            fail_row(server, row, problem, retry_s);
        }
    }
    hg_carriers_send(server);
    hg_server_leave(server);
    release(server, &waiting);
}
