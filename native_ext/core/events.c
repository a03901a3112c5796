/* What Python is told: of the server, and of the connections it was lent. */
#include "connection.h"

void hg_tell(struct hg_server *server, uint32_t index, uint8_t what) {
    struct hg_connection *connection = hg_connection_at(server, index);
    connection->tell |= what;
    if ((connection->tell & HG_TELL_LISTED) == 0) {
        connection->tell |= HG_TELL_LISTED;
        connection->next_event = 0;
        if (server->event_last != 0) {
            hg_connection_at(server, server->event_last)->next_event = index;
        } else {
            server->event_first = index;
        }
        server->event_last = index;
    }
}

static bool has_changes(const struct hg_server *server) {
    return server->gate->changes.length != 0 && !server->changes_told;
}

bool hg_server_has_event(const struct hg_server *server) {
    return server->rows || server->committed || server->no_files || server->empty || has_changes(server) || server->event_first != 0;
}

static bool told(bool *what) {
    const bool was = *what;
    *what = false;
    return was;
}

/* The next lent connection's next event. */
static bool lent_event(struct hg_server *server, struct hg_event *event) {
    static const struct {
        uint8_t tell;
        enum hg_event_kind kind;
    } order[] = {{HG_TELL_LENT, HG_EVENT_LENT},
                 {HG_TELL_INPUT, HG_EVENT_INPUT},
                 {HG_TELL_DRAINED, HG_EVENT_DRAINED},
                 {HG_TELL_GONE, HG_EVENT_GONE}};
    while (server->event_first != 0) {
        const uint32_t index = server->event_first;
        struct hg_connection *connection = hg_connection_at(server, index);
        for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
            if ((connection->tell & order[i].tell) != 0) {
                connection->tell &= (uint8_t)~order[i].tell;
                *event = (struct hg_event){order[i].kind, hg_connection_id(connection, index)};
                return true;
            }
        }
        connection->tell &= (uint8_t)~HG_TELL_LISTED;
        server->event_first = connection->next_event;
        if (server->event_first == 0) {
            server->event_last = 0;
        }
    }
    return false;
}

bool hg_server_event(struct hg_server *server, struct hg_event *event) {
    *event = (struct hg_event){HG_EVENT_NONE, 0};
    if (told(&server->committed)) { /* first: rows are taken when no commit is under way */
        event->kind = HG_EVENT_COMMITTED;
    } else if (told(&server->rows)) {
        event->kind = HG_EVENT_ROWS;
    } else if (has_changes(server)) {
        server->changes_told = true;
        event->kind = HG_EVENT_CHANGES;
    } else if (told(&server->no_files)) {
        event->kind = HG_EVENT_NO_FILES;
    } else if (lent_event(server, event)) {
        return true;
    } else if (told(&server->empty)) {
        event->kind = HG_EVENT_EMPTY;
    }
    return event->kind != HG_EVENT_NONE;
}

struct hg_view hg_server_changes(struct hg_server *server) {
    struct hg_output *changes = &server->gate->changes;
    const struct hg_view taken = {changes->data == NULL ? (const uint8_t *)"" : changes->data, changes->length};
    changes->length = 0;
    server->changes_told = false;
    return taken;
}
