/* The deterministic order of maps (RFC 8949 section 4.2.1): by the bytes of the encoded keys. */
#ifndef HEADGATE_CBOR_SORT_H
#define HEADGATE_CBOR_SORT_H

#include <stdint.h>

#include "alloc.h"
#include "status.h"

/* Sorts the maps of one item as the writer makes it (emit_cbor.h: well-formed, lengths definite, keys text and all
 * different, at most HG_DOCUMENT_DEPTH containers in each other), in place. Time n log n of the keys, and a copy for
 * each map around a byte. HG_NO_MEMORY: nothing has changed. Memory is asked for only if some map is not in order. */
enum hg_status hg_cbor_sort(const struct hg_alloc *memory, uint8_t *data, uint32_t length);

#endif
