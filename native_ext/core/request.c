/* The requests in a connection's input: each is read, served in place, answered or handed on, and what has to wait is kept. */
#include "connection.h"
#include "inline.h"

#define LARGE 16384 /* bytes of a body that takes more time to validate than to look at the clock */

static const struct hg_problem no_memory = {503, HG_P_OUT_OF_MEMORY, true, ""};
static const struct hg_problem too_slow = {408, HG_P_TIMEOUT, true, ""};
static const struct hg_problem too_large = {413, HG_P_BODY_TOO_LARGE, false, ""};

/* Input being looked at: data[from..] is the message being read, data[at..length) nobody has seen yet. */
struct serving {
    struct hg_server *server;
    uint32_t index;
    struct hg_connection *connection;
    struct hg_work *work; /* the connection's, or the server's `fresh` */
    uint8_t *data;        /* data[length] may be written */
    uint32_t length, from, at;
};

enum step {
    GO_ON,
    NEED_MORE,
    HOLD, /* it is somebody else's turn; the state says whose */
    CARRY, /* it is HTTP/2 */
    THE_END
};

/* The server's `fresh` work becomes the connection's own. */
static bool own(struct serving *serving) {
    if (serving->work == &serving->server->fresh) {
        struct hg_work *work = hg_work_of(serving->server, serving->connection);
        if (work == NULL) {
            return false;
        }
        *work = serving->server->fresh;
        serving->server->fresh.visit.plan = NULL;
        serving->work = work;
    }
    return true;
}

/* What is still needed of the input stays with the connection. false: no memory. */
static bool keep_input(struct serving *serving) {
    struct hg_work *work = serving->work;
    const uint32_t first = hg_work_held(work), rest = serving->length - serving->at;
    if (serving->data != work->input) {
        return hg_work_input(serving->server, work, serving->data + serving->from, first) &&
               hg_work_input(serving->server, work, serving->data + serving->at, rest);
    }
    if (serving->from != 0) { /* as a rule it is there already: a body that comes in small pieces is not copied with each of them */
        memmove(work->input, work->input + serving->from, first);
    }
    if (serving->at != first) {
        memmove(work->input + first, work->input + serving->at, rest);
    }
    work->input_length = first + rest;
    if (work->input_length == 0) {
        hg_work_drop_input(serving->server, work);
    }
    return true;
}

/* The rest of the request is certain to come and, as far as is known, short enough to be read over: Exchange.can_skip. */
static bool can_skip(const struct hg_work *work) {
    const struct hg_request *request = &work->parser.request;
    return request->length == 0 || (work->continued && request->length <= HG_LINGER_BYTES);
}

HG_RARE static enum step finish(struct serving *serving, bool lingers) {
    serving->connection->flags |= (uint8_t)(HG_ENDS | (lingers ? HG_LINGERS : 0));
    return THE_END;
}

/* The answer is in the output; `complete`: the whole request was read. */
static enum step answered(struct serving *serving, bool complete) {
    struct hg_work *work = serving->work;
    const bool keep_alive = work->visit.keep_alive;
    hg_work_done(work);
    serving->from = serving->at;
    if (!keep_alive) { /* a client that would have gone on may have sent more, here or on its way */
        return finish(serving, !complete || !hg_http1_closed(&work->parser));
    }
    if (!complete) {
        work->phase = HG_PHASE_SKIP;
        work->skipped = 0;
    }
    return GO_ON;
}

HG_RARE static enum step refuse_body(struct serving *serving, const struct hg_problem *problem, bool keep) {
    struct hg_work *work = serving->work;
    hg_serve_refusal(serving->server->gate, &work->parser.request, serving->data + serving->from, &work->visit, problem,
                     keep, &serving->server->answers);
    return answered(serving, false);
}

/* Python serves it; its input from the head on is kept for that. */
HG_RARE static enum step lend(struct serving *serving) {
    serving->at = serving->from;
    hg_work_done(serving->work);
    if (!own(serving) || !keep_input(serving)) {
        hg_serve_problem(serving->server->gate, &no_memory, 1, &serving->server->answers);
        return finish(serving, true);
    }
    hg_lend(serving->server, serving->index);
    return HOLD;
}

static enum step begin_request(struct serving *serving, uint32_t consumed) {
    struct hg_server *server = serving->server;
    struct hg_work *work = serving->work;
    const struct hg_request *request = &work->parser.request;
    struct hg_view part;
    uint32_t nothing;
    enum hg_served served;
    serving->from = serving->at + consumed - request->head;
    serving->at += consumed;
    work->head = request->head;
    work->begun = false;
    work->continued = !request->expect_continue;
    work->budget_ms = server->gate->plan->spec.body_ms;
    served = hg_serve_head(server->gate, request, serving->data + serving->from,
                           hg_session_identity(serving->connection), can_skip(work), &work->visit,
                           &server->answers);
    if (served == HG_SERVED_BODY) {
        work->visit.plan->users += 1;
        work->phase = HG_PHASE_BODY;
        return request->length > (int64_t)work->visit.limit ? refuse_body(serving, &too_large, can_skip(work)) : GO_ON;
    }
    work->visit.plan = NULL; /* nothing goes on with it */
    if (served == HG_SERVED_ELSEWHERE) {
        return lend(serving);
    }
    if (request->length == 0) {
        (void)hg_http1_next(&work->parser, serving->data + serving->at, 0, &nothing, &part); /* its end */
    }
    return answered(serving, request->length == 0);
}

/* Of the first bytes of a connection. Behind others they would be a way to get past a proxy. */
HG_RARE static enum step read_preface(struct serving *serving) {
    const uint32_t whole = (uint32_t)strlen(HG_HTTP2_PREFACE), length = serving->length - serving->at;
    if (memcmp(serving->data + serving->at, HG_HTTP2_PREFACE, length < whole ? length : whole) != 0) {
        serving->connection->fresh = false;
        return GO_ON;
    }
    return length < whole ? NEED_MORE : CARRY;
}

static enum step read_head(struct serving *serving) {
    struct hg_work *work = serving->work;
    struct hg_view part;
    uint32_t consumed;
    if (serving->connection->fresh && serving->length != serving->at) {
        const enum step step = read_preface(serving);
        if (step != GO_ON) {
            return step;
        }
    }
    switch (hg_http1_next(&work->parser, serving->data + serving->at, serving->length - serving->at, &consumed, &part)) {
    case HG_HTTP_REQUEST: return begin_request(serving, consumed);
    case HG_HTTP_MORE:
        serving->at += consumed;
        serving->from = serving->at;
        return NEED_MORE;
    case HG_HTTP_REFUSED:
    case HG_HTTP_PART:
    case HG_HTTP_END: break;
    }
    hg_serve_problem(serving->server->gate, &work->parser.problem, 0, &serving->server->answers);
    return finish(serving, true);
}

/* The whole request is here. */
static enum step serve(struct serving *serving) {
    struct hg_server *server = serving->server;
    struct hg_work *work = serving->work;
    uint8_t *body = serving->data + serving->from + work->head, *after = body + work->body;
    const uint8_t kept = *after;
    enum hg_served served;
    *after = 0; /* the validator's sentinel */
    served = hg_serve_body(server->gate, &work->parser.request, serving->data + serving->from, &work->visit,
                           (struct hg_view){body, work->body}, hg_connection_id(serving->connection, serving->index),
                           &server->answers);
    *after = kept;
    if (work->body > LARGE) {
        hg_server_now(server); /* it has taken up to a millisecond: serve_found counts them */
    }
    if (served != HG_SERVED_LATER) {
        return answered(serving, true);
    }
    work->phase = HG_PHASE_HEAD; /* the message is in the intake; who waits for it needs `visit` only */
    serving->from = serving->at;
    if (!own(serving) || !keep_input(serving)) {
        return finish(serving, false); /* stored all the same: without an answer the client will try again */
    }
    hg_connection_commits(server, serving->index);
    return HOLD;
}

static enum step read_body(struct serving *serving) {
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct hg_work *work = serving->work;
    struct hg_view part;
    uint32_t consumed;
    switch (hg_http1_next(&work->parser, serving->data + serving->at, serving->length - serving->at, &consumed, &part)) {
    case HG_HTTP_PART: {
        uint8_t *to = serving->data + serving->from + work->head + work->body;
        work->continued = true; /* who sends did not wait */
        if (part.length > work->visit.limit - work->body) {
            serving->at += consumed;
            return refuse_body(serving, &too_large, can_skip(work));
        }
        if (to != part.at) { /* between chunks there is what is not body */
            memmove(to, part.at, part.length);
        }
        work->body += part.length;
        serving->at += consumed;
        return GO_ON;
    }
    case HG_HTTP_END: serving->at += consumed; return serve(serving);
    case HG_HTTP_MORE:
        serving->at += consumed;
        if (!work->continued) {
            hg_output_add(&serving->server->answers, go_on, sizeof go_on - 1);
            work->continued = true;
        }
        return NEED_MORE;
    case HG_HTTP_REFUSED:
    case HG_HTTP_REQUEST: break;
    }
    return refuse_body(serving, &work->parser.problem, false);
}

HG_RARE static enum step skip_body(struct serving *serving) {
    struct hg_work *work = serving->work;
    struct hg_view part = {NULL, 0};
    uint32_t consumed;
    const enum hg_http1_event event =
        hg_http1_next(&work->parser, serving->data + serving->at, serving->length - serving->at, &consumed, &part);
    serving->at += consumed;
    serving->from = serving->at;
    switch (event) {
    case HG_HTTP_PART:
        work->skipped += part.length;
        return work->skipped >= HG_LINGER_BYTES ? finish(serving, true) : GO_ON;
    case HG_HTTP_END: hg_work_done(work); return GO_ON;
    case HG_HTTP_MORE: return NEED_MORE;
    case HG_HTTP_REFUSED:
    case HG_HTTP_REQUEST: break;
    }
    return finish(serving, true);
}

/* The input has ended where it may not, or where it may. */
HG_RARE static enum step end_input(struct serving *serving) {
    struct hg_work *work = serving->work;
    const bool may = hg_http1_ended(&work->parser, serving->length - serving->at);
    if (!may && work->phase == HG_PHASE_BODY) {
        return refuse_body(serving, &work->parser.problem, false);
    }
    if (!may && work->phase == HG_PHASE_HEAD) {
        hg_serve_problem(serving->server->gate, &work->parser.problem, 0, &serving->server->answers);
    }
    return finish(serving, false);
}

/* There is no memory for what has to be kept. */
HG_RARE static enum step end_without_memory(struct serving *serving) {
    if (serving->work->phase == HG_PHASE_BODY) {
        return refuse_body(serving, &no_memory, false);
    }
    if (serving->work->phase == HG_PHASE_HEAD) {
        hg_serve_problem(serving->server->gate, &no_memory, 1, &serving->server->answers);
    }
    return finish(serving, true);
}

/* More input is needed: how long for, and what of this one is kept. */
static enum step await_input(struct serving *serving) {
    struct hg_server *server = serving->server;
    struct hg_work *work = serving->work;
    struct hg_connection *connection = serving->connection;
    const struct hg_plan_spec *spec = &server->gate->plan->spec;
    if ((connection->flags & HG_ENDED) != 0) {
        return end_input(serving);
    }
    if (work->phase == HG_PHASE_HEAD && serving->at == serving->length && hg_http1_idle(&work->parser)) {
        if (server->draining) {
            return finish(serving, true);
        }
        connection->state = HG_IDLE;
        if (work->parser.blank) {
            (void)(own(serving) && keep_input(serving)); /* there may be one empty line, however the input is cut */
        } else if (connection->work != NULL && !hg_has_output(connection)) {
            hg_work_free(server, connection);
        }
        hg_connection_deadline(server, serving->index, server->now_ms + spec->idle_ms);
        return NEED_MORE;
    }
    if (!own(serving) || !keep_input(serving)) {
        return end_without_memory(serving);
    }
    work = serving->work;
    connection->state = HG_READING;
    if (work->phase != HG_PHASE_HEAD) {
        work->since_ms = server->now_ms;
        hg_connection_deadline(server, serving->index, server->now_ms + work->budget_ms);
    } else if (!work->begun) {
        work->begun = true;
        hg_connection_deadline(server, serving->index, server->now_ms + spec->head_ms);
    }
    return NEED_MORE;
}

/* All of the input is the library's from now on. */
HG_RARE static void carry(struct serving *serving) {
    struct hg_server *server = serving->server;
    if (!hg_carrier_open(server, serving->index)) {
        hg_connection_close(server, serving->index);
        return;
    }
    hg_carrier_input(server, serving->index, serving->data + serving->at, serving->length - serving->at);
}

static void serve_input(struct serving *serving) {
    static enum step (*const steps[])(struct serving *) = {
        [HG_PHASE_HEAD] = read_head, [HG_PHASE_BODY] = read_body, [HG_PHASE_SKIP] = skip_body};
    struct hg_server *server = serving->server;
    struct hg_connection *connection = serving->connection;
    const uint32_t index = serving->index;
    enum step step;
    do {
        step = steps[serving->work->phase](serving);
        if (step == GO_ON && server->answers.length >= HG_SERVER_ANSWERS) { /* the client takes these first */
            step = own(serving) && keep_input(serving) ? HOLD : end_without_memory(serving);
            connection->state = HG_READY;
        }
    } while (step == GO_ON);
    if (step == CARRY) {
        carry(serving);
        return;
    }
    if (step == NEED_MORE) {
        step = await_input(serving);
    }
    if (step == THE_END) {
        hg_work_done(serving->work);
        connection->state = HG_FLUSH;
    }
    hg_connection_settle(server, index);
    if (connection->state == HG_READY) { /* all was taken */
        hg_connection_resume(server, index);
    } else if (connection->state == HG_IDLE || connection->state == HG_READING) {
        hg_connection_watch(server, index, HG_WATCH_IN);
    }
}

/* The connection's own work, or the server's, which then begins anew. */
static struct hg_work *work_at_hand(struct hg_server *server, const struct hg_connection *connection) {
    struct hg_work *fresh = &server->fresh;
    if (connection->work != NULL) {
        return connection->work;
    }
    hg_http1_init(&fresh->parser, &hg_usual_limits);
    fresh->phase = HG_PHASE_HEAD;
    fresh->begun = false;
    fresh->head = fresh->body = 0;
    return fresh;
}

/* What was not seen of the connection's own input. */
void hg_request_kept(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    struct hg_work *work = work_at_hand(server, connection);
    struct serving serving = {.server = server, .index = index, .connection = connection, .work = work,
                              .data = server->input};
    if (work->input != NULL) {
        serving.data = work->input;
        serving.length = work->input_length;
        serving.at = hg_work_held(work);
    }
    serve_input(&serving);
}

void hg_connection_input(struct hg_server *server, uint32_t index, uint8_t *data, uint32_t length) {
    struct hg_connection *connection = hg_connection_at(server, index);
    struct hg_work *work = work_at_hand(server, connection);
    struct serving serving = {.server = server, .index = index, .connection = connection, .work = work, .data = data,
                              .length = length};
    if (connection->state == HG_LENT) {
        hg_lent_input(server, index, data, length);
        return;
    }
    if (connection->state == HG_CARRIER) {
        hg_carrier_input(server, index, data, length);
        return;
    }
    if (work->phase != HG_PHASE_HEAD) {
        const int64_t most = server->gate->plan->spec.body_ms;
        int64_t budget = work->budget_ms - (server->now_ms - work->since_ms) + (int64_t)length * 1000 / HG_BODY_RATE;
        work->budget_ms = budget < 1 ? 1 : budget > most ? most : budget;
    }
    if (work->input_length == 0) {
        serve_input(&serving);
    } else if (hg_work_input(server, work, data, length)) {
        hg_request_kept(server, index);
    } else {
        serving.data = work->input;
        serving.length = serving.at = work->input_length;
        (void)end_without_memory(&serving);
        connection->state = HG_FLUSH;
        hg_connection_settle(server, index);
    }
}

void hg_request_expired(struct hg_server *server, uint32_t index) {
    struct hg_connection *connection = hg_connection_at(server, index);
    struct hg_work *work = connection->work;
    struct serving serving = {.server = server, .index = index, .connection = connection, .work = work};
    serving.data = work->input != NULL ? work->input : server->input;
    serving.length = serving.at = work->input_length;
    if (work->phase == HG_PHASE_BODY) {
        (void)refuse_body(&serving, &too_slow, false);
    } else if (work->phase == HG_PHASE_HEAD) {
        hg_serve_problem(server->gate, &too_slow, 0, &server->answers);
    }
    (void)finish(&serving, true);
    hg_work_done(work);
    connection->state = HG_FLUSH;
    hg_connection_settle(server, index);
}
