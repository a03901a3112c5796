/* TLS by somebody else: what the server asks of it. The binding (cpython/tls.c) drives Python's ssl objects, so that there is no
 * OpenSSL to ship; tests have a transform of their own.
 *
 * One feed is at most one step of a handshake that takes long (of a ClientHello in many records each is a short one): the server looks
 * at its time between two of them. */
#ifndef HEADGATE_TLS_H
#define HEADGATE_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "output.h"

enum hg_tls_state {
    HG_TLS_GREETING, /* the handshake is not complete */
    HG_TLS_OPEN,
    HG_TLS_ENDED,    /* the peer said that nothing more will come */
    HG_TLS_BROKEN    /* no TLS, refused, or altered: what is in the output is the alert */
};

/* A session belongs to one connection. `output`: bytes for the peer's socket are appended. Calls are made between enter and leave,
 * for a group of sessions at a time: what costs may be kept from one to the next (the binding's is the interpreter's lock). */
struct hg_tls {
    void *context;
    void (*enter)(void *context);
    void (*leave)(void *context);
    void *(*open)(void *context); /* NULL: no memory */
    void (*close)(void *context, void *session);
    /* Takes all of data[0..length), bytes from the socket, at most HG_TLS_PIECE. Of what is there to be read everything should be
     * read before more is fed: whatever gathers inside stays allocated for as long as the session lives. */
    enum hg_tls_state (*feed)(void *context, void *session, const uint8_t *data, uint32_t length, struct hg_output *output);
    /* -> bytes of plain text put into `plain`, 0: none for now (or for ever: *state). */
    uint32_t (*read)(void *context, void *session, uint8_t *plain, uint32_t room, enum hg_tls_state *state,
                     struct hg_output *output);
    bool (*write)(void *context, void *session, const uint8_t *plain, uint32_t length, struct hg_output *output);
    void (*finish)(void *context, void *session, struct hg_output *output); /* says that nothing more will come */
    /* Who the peer has proved to be by its certificate, as a client's name; length 0: nobody. Final once the session is open,
     * valid while it is. */
    struct hg_view (*identity)(void *context, void *session);
    /* What was fed and not read ends inside of a record, as far as is known: the peer is saying something. */
    bool (*partial)(void *context, void *session);
};

#endif
