/* The library of frames, for who gives it to a server. */
#ifndef HEADGATE_HTTP2_LIBRARY_H
#define HEADGATE_HTTP2_LIBRARY_H

#include "core/alloc.h"
#include "core/http2.h"

struct hg_library;
struct hg_library *hg_library_new(const struct hg_alloc *alloc); /* NULL: no memory */
const struct hg_http2 *hg_library_http2(const struct hg_library *library);
void hg_library_free(struct hg_library *library); /* when no session is left */

#endif
