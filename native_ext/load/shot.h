/* Requests on their way, and the book of what came of them. */
#ifndef HEADGATE_LOAD_SHOT_H
#define HEADGATE_LOAD_SHOT_H

#include <stddef.h>

#include "load/tally.h"

enum {
    HG_TO_HEAD = 1, /* the answer has no body, whatever it announces */
    HG_GRPC = 2,
    HG_JUDGED = 4, /* the answer goes to the caller, who counts its status */
    HG_FLAGS = 8,
};
/* Bytes of one answer's body that are kept for the caller, and of all that he has not taken yet; an answer beyond is kept
 * without a body. */
enum { HG_BODY_KEPT = 1048576, HG_BODIES_KEPT = 67108864 };

/* How a request of HTTP/2 has ended, before its stream is closed. */
enum hg_end { HG_NOT_YET, HG_WHOLE, HG_RESET_BY_PEER, HG_GIVEN_UP };

/* One request. */
struct hg_shot {
    struct hg_shot *next, *previous;
    int64_t due_ns; /* 0 until it is taken up: closed loop */
    int64_t sent_ns;
    uint64_t ticket; /* the caller's, for what is HG_JUDGED */
    uint32_t operation;
    uint32_t flags;
    int32_t stream;  /* HTTP/2 */
    int16_t status;  /* of the answer; -1: it failed. HG_GRPC_OK + N once gRPC has said N */
    uint8_t end;     /* enum hg_end */
    uint8_t prefix;  /* gRPC: bytes of the message's prefix that have come */
    uint32_t left;   /* gRPC: bytes of the message that are still to come */
    uint32_t body_length;
    char *body; /* of the answer, as far as it is kept */
    size_t sent;
    size_t length;
    char data[]; /* as the protocol wants it */
};

/* NULL: no memory. */
struct hg_shot *hg_shot_new(const char *data, size_t length);
void hg_shot_free(struct hg_shot *shot);
/* Keeps a part of the answer's body. */
void hg_shot_keep(struct hg_shot *shot, const char *data, size_t length);

struct hg_queue {
    struct hg_shot *first, *last;
    uint64_t count;
};

void hg_queue_add(struct hg_queue *queue, struct hg_shot *shot);
void hg_queue_remove(struct hg_queue *queue, struct hg_shot *shot);
struct hg_shot *hg_queue_take(struct hg_queue *queue); /* the first, or NULL */
void hg_queue_clear(struct hg_queue *queue);

/* What was due before `measure_from_ns` (the warm-up) leaves no trace in it. */
struct hg_book {
    int64_t measure_from_ns, interval_ns;
    uint64_t pending; /* due and not finished */
    struct hg_tally *tallies;
    struct hg_histogram late; /* how long after their due instants requests were taken up */
    struct hg_queue judged;   /* finished, for the caller */
    size_t bodies;            /* bytes kept in them */
};

void hg_book_begin(struct hg_book *book);
void hg_book_clear(struct hg_book *book);
int64_t hg_book_interval(const struct hg_book *book, const struct hg_shot *shot); /* -1: in the warm-up */
void hg_book_due(struct hg_book *book, struct hg_shot *shot, int64_t now);
void hg_book_sent(struct hg_book *book, struct hg_shot *shot, int64_t now);
/* The end of a request: frees it, or keeps it for the caller. `waited_ns` 0: it was not waited for. */
void hg_book_answered(struct hg_book *book, struct hg_shot *shot, int64_t now);
void hg_book_failed(struct hg_book *book, struct hg_shot *shot, enum hg_failure failure, int64_t waited_ns);

#endif
