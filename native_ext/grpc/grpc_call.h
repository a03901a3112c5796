/* What the files of gRPC share. */
#ifndef HEADGATE_GRPC_CALL_H
#define HEADGATE_GRPC_CALL_H

#include "grpc/grpc.h"
#include "core/limits.h"
#include "grpc/protobuf.h"

static inline struct hg_view hg_grpc_text(const char *text) {
    return (struct hg_view){(const uint8_t *)text, (uint32_t)strlen(text)};
}
static inline bool hg_grpc_equals(struct hg_view view, const char *text) {
    return view.length == strlen(text) && memcmp(view.at, text, view.length) == 0;
}

/* grpc.c */
void hg_grpc_end(struct hg_grpc_call *call, const struct hg_grpc_failure *failure); /* with these trailers */
/* A message for the peer, which is written into call->data.bytes between the two. */
uint32_t hg_grpc_reply(struct hg_grpc_call *call);
void hg_grpc_reply_end(struct hg_grpc_call *call, uint32_t mark); /* what hg_grpc_reply said */

/* grpc_request.c: a message into call->request; or the call ends, saying why. */
void hg_grpc_ask(struct hg_grpc_call *call, struct hg_view message);
/* ... the next key of a BatchGet; false: there is none. */
bool hg_grpc_ask_next(struct hg_grpc_call *call);
/* The key that was asked for, and that it is done with. Length 0: there is none left. */
struct hg_view hg_grpc_key_asked(const struct hg_grpc_call *call);
void hg_grpc_key_done(struct hg_grpc_call *call);

/* grpc_answer.c: the answer in call->answer is whole. */
void hg_grpc_answered(struct hg_grpc_call *call);

#endif
