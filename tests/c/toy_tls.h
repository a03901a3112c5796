/* TLS for the tests: a transform that has every state of struct hg_tls and can be written by hand. The client greets with one
 * byte ('H': anonymous, 'C': with a certificate), the server with 'S'; from then on every byte is plain text XOR 0x5A, but for
 * 0xFB (to be answered with 'K', as a key update is), 0xFC (what comes next is not here yet), 0xFD (a record ends: one read gives no more than one), 0xFE (close-notify) and 0xFF (no TLS at all). The alert is 'A'. Plain
 * text is ASCII, so these never meet. */
#ifndef HEADGATE_TESTS_TOY_TLS_H
#define HEADGATE_TESTS_TOY_TLS_H

#include "check.h"
#include "core/tls.h"

enum { TOY_MASK = 0x5A, TOY_RECORD = 0xFD, TOY_HALF = 0xFC, TOY_ASKS = 0xFB, TOY_CLOSE = 0xFE, TOY_RUBBISH = 0xFF };
#define TOY_IDENTITY "meter-7" /* of the certificate */

struct toy_tls {
    struct hg_alloc alloc; /* of the sessions */
    bool entered;
    uint32_t sessions; /* open */
    uint32_t groups;   /* times entered */
    int64_t *now_us;   /* the clock, which a step of a handshake puts on by step_us; NULL: it takes no time */
    uint32_t step_us;
};

struct toy_session {
    enum hg_tls_state state;
    bool partial; /* the last byte was TOY_HALF */
    bool certificate, closing; /* closing: close-notify came; it is told once the plain text is read */
    uint8_t *plain; /* as it came, with the marks of records */
    uint32_t at, length;
};

static void toy_enter(void *context) {
    struct toy_tls *tls = context;
    CHECK(!tls->entered);
    tls->entered = true;
    tls->groups += 1;
}

static void toy_leave(void *context) {
    struct toy_tls *tls = context;
    CHECK(tls->entered);
    tls->entered = false;
}

static void *toy_open(void *context) {
    struct toy_tls *tls = context;
    struct toy_session *session = tls->alloc.alloc(tls->alloc.context, sizeof *session);
    CHECK(tls->entered);
    if (session != NULL) {
        *session = (struct toy_session){.state = HG_TLS_GREETING};
        tls->sessions += 1;
    }
    return session;
}

static void toy_close(void *context, void *memory) {
    struct toy_tls *tls = context;
    struct toy_session *session = memory;
    CHECK(tls->entered && tls->sessions > 0);
    tls->sessions -= 1;
    free(session->plain);
    tls->alloc.release(tls->alloc.context, session);
}

static void toy_break(struct toy_session *session, struct hg_output *output) {
    if (session->state != HG_TLS_BROKEN) {
        hg_output_text(output, "A");
        session->state = HG_TLS_BROKEN;
    }
}

static enum hg_tls_state toy_feed(void *context, void *memory, const uint8_t *data, uint32_t length,
                                  struct hg_output *output) {
    const struct toy_tls *tls = context;
    struct toy_session *session = memory;
    CHECK(tls->entered && length > 0);
    if (session->state == HG_TLS_GREETING && tls->now_us != NULL) {
        *tls->now_us += tls->step_us;
    }
    session->plain = realloc(session->plain, session->length + length);
    CHECK(session->plain != NULL);
    session->partial = false;
    for (uint32_t i = 0; i < length && session->state != HG_TLS_BROKEN && !session->closing; i++) {
        if (session->state == HG_TLS_GREETING) {
            if (data[i] != 'H' && data[i] != 'C') {
                toy_break(session, output);
            } else {
                session->certificate = data[i] == 'C';
                session->state = HG_TLS_OPEN;
                hg_output_text(output, "S");
            }
        } else if (data[i] == TOY_ASKS) {
            hg_output_text(output, "K");
        } else if (data[i] == TOY_HALF) {
            session->partial = true;
        } else if (data[i] == TOY_RUBBISH) {
            toy_break(session, output);
        } else if (data[i] == TOY_CLOSE) {
            session->closing = true;
        } else {
            session->plain[session->length++] = data[i];
        }
    }
    if (output->failed) {
        session->state = HG_TLS_BROKEN;
    }
    return session->state;
}

static uint32_t toy_read(void *context, void *memory, uint8_t *plain, uint32_t room, enum hg_tls_state *state,
                         struct hg_output *output) {
    struct toy_session *session = memory;
    uint32_t length = 0;
    CHECK(((struct toy_tls *)context)->entered && room > 0);
    (void)output;
    if (session->state != HG_TLS_OPEN) {
        *state = session->state;
        return 0;
    }
    while (length < room && session->at < session->length && (length == 0 || session->plain[session->at] != TOY_RECORD)) {
        const uint8_t byte = session->plain[session->at++];
        if (byte != TOY_RECORD) {
            plain[length++] = byte ^ TOY_MASK;
        }
    }
    if (length == 0 && session->closing) {
        session->state = HG_TLS_ENDED;
    }
    if (session->at == session->length) {
        free(session->plain);
        session->plain = NULL;
        session->at = session->length = 0;
    }
    *state = session->state;
    return length;
}

static bool toy_write(void *context, void *memory, const uint8_t *plain, uint32_t length, struct hg_output *output) {
    struct toy_session *session = memory;
    uint8_t *room;
    CHECK(((struct toy_tls *)context)->entered && session->state != HG_TLS_GREETING);
    room = session->state == HG_TLS_BROKEN ? NULL : hg_output_room(output, length);
    if (room == NULL) {
        session->state = HG_TLS_BROKEN;
        return false;
    }
    for (uint32_t i = 0; i < length; i++) {
        room[i] = plain[i] ^ TOY_MASK;
    }
    hg_output_use(output, length);
    return true;
}

static void toy_finish(void *context, void *memory, struct hg_output *output) {
    const struct toy_session *session = memory;
    const uint8_t mark = TOY_CLOSE;
    CHECK(((struct toy_tls *)context)->entered);
    if (session->state == HG_TLS_OPEN || session->state == HG_TLS_ENDED) {
        hg_output_add(output, &mark, 1);
    }
}

static struct hg_view toy_identity(void *context, void *memory) {
    const struct toy_session *session = memory;
    (void)context;
    return (struct hg_view){(const uint8_t *)TOY_IDENTITY,
                            session->certificate ? (uint32_t)sizeof TOY_IDENTITY - 1 : 0};
}

static bool toy_partial(void *context, void *memory) {
    CHECK(((struct toy_tls *)context)->entered);
    return ((const struct toy_session *)memory)->partial;
}

static inline struct hg_tls toy_tls_of(struct toy_tls *tls) {
    return (struct hg_tls){tls,      toy_enter, toy_leave, toy_open,   toy_close,
                           toy_feed, toy_read,  toy_write, toy_finish, toy_identity, toy_partial};
}

#endif
