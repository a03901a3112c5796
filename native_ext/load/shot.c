#include "load/shot.h"

#include <stdlib.h>
#include <string.h>

struct hg_shot *hg_shot_new(const char *data, size_t length) {
    struct hg_shot *shot = length > SIZE_MAX - sizeof *shot ? NULL : malloc(sizeof *shot + length);
    if (shot != NULL) {
        *shot = (struct hg_shot){.length = length};
        memcpy(shot->data, data, length);
    }
    return shot;
}

void hg_shot_free(struct hg_shot *shot) {
    if (shot != NULL) {
        free(shot->body);
        free(shot);
    }
}

void hg_shot_keep(struct hg_shot *shot, const char *data, size_t length) {
    const size_t room = HG_BODY_KEPT - shot->body_length, part = length < room ? length : room;
    char *grown = part == 0 ? NULL : realloc(shot->body, shot->body_length + part);
    if (grown != NULL) {
        memcpy(grown + shot->body_length, data, part);
        shot->body = grown;
        shot->body_length += (uint32_t)part;
    }
}

/* --- queues --- */

void hg_queue_add(struct hg_queue *queue, struct hg_shot *shot) {
    shot->next = NULL;
    shot->previous = queue->last;
    *(queue->last == NULL ? &queue->first : &queue->last->next) = shot;
    queue->last = shot;
    queue->count += 1;
}

void hg_queue_remove(struct hg_queue *queue, struct hg_shot *shot) {
    *(shot->previous == NULL ? &queue->first : &shot->previous->next) = shot->next;
    *(shot->next == NULL ? &queue->last : &shot->next->previous) = shot->previous;
    queue->count -= 1;
}

struct hg_shot *hg_queue_take(struct hg_queue *queue) {
    struct hg_shot *shot = queue->first;
    if (shot != NULL) {
        hg_queue_remove(queue, shot);
    }
    return shot;
}

void hg_queue_clear(struct hg_queue *queue) {
    struct hg_shot *shot;
    while ((shot = hg_queue_take(queue)) != NULL) {
        hg_shot_free(shot);
    }
}

/* --- the book --- */

void hg_book_begin(struct hg_book *book) {
    *book = (struct hg_book){.interval_ns = 1};
    hg_histogram_begin(&book->late);
}

void hg_book_clear(struct hg_book *book) {
    hg_queue_clear(&book->judged);
    while (book->tallies != NULL) {
        struct hg_tally *next = book->tallies->next;
        free(book->tallies);
        book->tallies = next;
    }
}

int64_t hg_book_interval(const struct hg_book *book, const struct hg_shot *shot) {
    return shot->due_ns < book->measure_from_ns ? -1 : (shot->due_ns - book->measure_from_ns) / book->interval_ns;
}

/* NULL: it was due in the warm-up, or there is no memory. */
static struct hg_tally *tally_of(struct hg_book *book, const struct hg_shot *shot) {
    const int64_t interval = hg_book_interval(book, shot);
    struct hg_tally *tally = interval < 0 ? NULL : book->tallies;
    while (tally != NULL && (tally->interval != interval || tally->operation != shot->operation)) {
        tally = tally->next;
    }
    if (tally == NULL && interval >= 0 && (tally = hg_tally_new(shot->operation, interval)) != NULL) {
        tally->next = book->tallies;
        book->tallies = tally;
    }
    return tally;
}

void hg_book_due(struct hg_book *book, struct hg_shot *shot, int64_t now) {
    struct hg_tally *tally;
    shot->due_ns = shot->due_ns == 0 ? now : shot->due_ns;
    book->pending += 1;
    tally = tally_of(book, shot);
    if (tally != NULL) {
        tally->due += 1;
        hg_histogram_add(&book->late, now - shot->due_ns);
    }
}

void hg_book_sent(struct hg_book *book, struct hg_shot *shot, int64_t now) {
    struct hg_tally *tally = tally_of(book, shot);
    shot->sent_ns = now;
    if (tally != NULL) {
        tally->sent += 1;
    }
}

static void finish(struct hg_book *book, struct hg_shot *shot) {
    book->pending -= 1;
    if ((shot->flags & HG_JUDGED) == 0) {
        hg_shot_free(shot);
        return;
    }
    if (shot->body_length > HG_BODIES_KEPT - book->bodies) {
        free(shot->body);
        shot->body = NULL;
        shot->body_length = 0;
    }
    book->bodies += shot->body_length;
    hg_queue_add(&book->judged, shot);
}

void hg_book_answered(struct hg_book *book, struct hg_shot *shot, int64_t now) {
    struct hg_tally *tally = tally_of(book, shot);
    if (tally != NULL) {
        const bool known = shot->status > 0 && shot->status < HG_STATUSES;
        tally->statuses[known ? shot->status : 0] += (shot->flags & HG_JUDGED) == 0;
        hg_histogram_add(&tally->latency, now - shot->due_ns);
        hg_histogram_add(&tally->service, now - shot->sent_ns);
    }
    finish(book, shot);
}

void hg_book_failed(struct hg_book *book, struct hg_shot *shot, enum hg_failure failure, int64_t waited_ns) {
    struct hg_tally *tally = tally_of(book, shot);
    if (tally != NULL) {
        tally->failures[failure] += 1;
        if (waited_ns != 0) {
            hg_histogram_add(&tally->latency, waited_ns - shot->due_ns);
            if (shot->sent_ns != 0) {
                hg_histogram_add(&tally->service, waited_ns - shot->sent_ns);
            }
        }
    }
    shot->status = -1;
    finish(book, shot);
}
