/* The scopes of a token, one after the other. */
#ifndef HEADGATE_SCOPES_H
#define HEADGATE_SCOPES_H

#include "inline.h"
#include "token.h"

/* Does one of the scopes allow what is wanted? The first that is asked is the one that did so last: a client wants the same over
 * and over. */
HG_INLINE bool hg_any_scope(const struct hg_claims *claims, bool (*allows)(struct hg_view scope, const void *wanted),
                            const void *wanted) {
    const struct hg_view scopes = claims->scopes;
    struct hg_scope_place *last = claims->last;
    if (last != NULL && last->to != 0 && allows((struct hg_view){scopes.at + last->from, last->to - last->from}, wanted)) {
        return true;
    }
    for (uint32_t from = 0, to; from < scopes.length; from = to + 1) {
        for (to = from; to < scopes.length && scopes.at[to] != ' '; to++) {
        }
        if (allows((struct hg_view){scopes.at + from, to - from}, wanted)) {
            if (last != NULL) {
                *last = (struct hg_scope_place){from, to};
            }
            return true;
        }
    }
    return false;
}

#endif
