/* A ring of links embedded in larger structures; the root, which is in none, stands between the newest and the oldest.
 * The root must not move in memory while the ring is in use. */
#ifndef HEADGATE_RING_H
#define HEADGATE_RING_H

#include <stddef.h>

struct hg_link {
    struct hg_link *older, *newer;
};

/* The structure of `type` whose member `member` is at `link`. */
#define HG_OF(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

static inline void hg_ring_init(struct hg_link *root) { root->older = root->newer = root; }

/* As the newest. */
static inline void hg_ring_add(struct hg_link *root, struct hg_link *link) {
    link->older = root->older;
    link->newer = root;
    link->older->newer = root->older = link;
}

static inline void hg_ring_remove(struct hg_link *link) {
    link->older->newer = link->newer;
    link->newer->older = link->older;
}

/* `link` takes the place of `old`. */
static inline void hg_ring_replace(struct hg_link *old, struct hg_link *link) {
    *link = *old;
    link->older->newer = link;
    link->newer->older = link;
}

#endif
