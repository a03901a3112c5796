#include <string.h>

#include "connection.h"

#define LEAST 1024 /* bytes of a buffer */

const struct hg_http1_limits hg_usual_limits = {HG_HTTP_HEAD, HG_HTTP_LINE, HG_HTTP_HEADERS};

bool hg_work_charge(struct hg_server *server, uint32_t size) {
    if (server->buffers + size > server->limits.buffer_bytes) {
        return false;
    }
    server->buffers += size;
    server->memory += size;
    return true;
}

void hg_work_refund(struct hg_server *server, uint32_t size) {
    server->buffers -= size;
    server->memory -= size;
}

/* Memory for connections' work, within the limit; NULL: there is none. */
void *hg_work_take(struct hg_server *server, uint32_t size) {
    void *memory = NULL;
    if (hg_work_charge(server, size)) {
        memory = server->alloc.alloc(server->alloc.context, size);
        if (memory == NULL) {
            hg_work_refund(server, size);
        }
    }
    return memory;
}

void hg_work_give(struct hg_server *server, void *memory, uint32_t size) {
    if (memory != NULL) {
        server->alloc.release(server->alloc.context, memory);
        hg_work_refund(server, size);
    }
}

struct hg_work *hg_work_of(struct hg_server *server, struct hg_connection *connection) {
    if (connection->work == NULL) {
        connection->work = hg_work_take(server, sizeof *connection->work);
        if (connection->work != NULL) {
            memset(connection->work, 0, sizeof *connection->work);
            hg_http1_init(&connection->work->parser, &hg_usual_limits);
        }
    }
    return connection->work;
}

/* Appends; grows by doubling, so that a client pays for memory with bytes. */
static bool append(struct hg_server *server, uint8_t **buffer, uint32_t *used, uint32_t *room, const uint8_t *data,
                   uint32_t length) {
    if (length == 0) {
        return true;
    }
    if (length >= UINT32_MAX / 4 || *used >= UINT32_MAX / 4) {
        return false;
    }
    if (*used + length + 1 > *room) {
        uint32_t wanted = *room < LEAST ? LEAST : *room;
        uint8_t *larger;
        while (wanted < *used + length + 1) {
            wanted *= 2;
        }
        larger = hg_work_take(server, wanted);
        if (larger == NULL) {
            return false;
        }
        if (*used != 0) {
            memcpy(larger, *buffer, *used);
        }
        hg_work_give(server, *buffer, *room);
        *buffer = larger;
        *room = wanted;
    }
    memcpy(*buffer + *used, data, length);
    *used += length;
    return true;
}

bool hg_work_input(struct hg_server *server, struct hg_work *work, const uint8_t *data, uint32_t length) {
    return append(server, &work->input, &work->input_length, &work->input_room, data, length);
}

bool hg_work_output(struct hg_server *server, struct hg_work *work, const uint8_t *data, uint32_t length) {
    if (work->output_at != 0) { /* what was sent makes room */
        memmove(work->output, work->output + work->output_at, work->output_length - work->output_at);
        work->output_length -= work->output_at;
        work->output_at = 0;
    }
    return append(server, &work->output, &work->output_length, &work->output_room, data, length);
}

void hg_work_drop_input(struct hg_server *server, struct hg_work *work) {
    hg_work_give(server, work->input, work->input_room);
    work->input = NULL;
    work->input_length = work->input_room = 0;
}

void hg_work_drop_output(struct hg_server *server, struct hg_work *work) {
    hg_work_give(server, work->output, work->output_room);
    work->output = NULL;
    work->output_at = work->output_length = work->output_room = 0;
}

void hg_work_done(struct hg_work *work) {
    if (work->visit.plan != NULL) {
        work->visit.plan->users -= 1;
        work->visit.plan = NULL;
    }
    work->head = work->body = 0;
    work->phase = HG_PHASE_HEAD;
    work->begun = false;
}

void hg_work_free(struct hg_server *server, struct hg_connection *connection) {
    struct hg_work *work = connection->work;
    if (work != NULL) {
        hg_work_done(work);
        hg_work_drop_input(server, work);
        hg_work_drop_output(server, work);
        hg_work_give(server, work, sizeof *work);
        connection->work = NULL;
    }
}

bool hg_work_before(struct hg_server *server, struct hg_work *work, const uint8_t *data, uint32_t length) {
    const uint32_t later = work->input_length;
    if (!hg_work_input(server, work, data, length)) { /* makes room */
        return false;
    }
    if (later != 0 && length != 0) {
        memmove(work->input + length, work->input, later);
        memcpy(work->input, data, length);
    }
    return true;
}
