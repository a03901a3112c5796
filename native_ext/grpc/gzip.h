/* gzip (RFC 1952) of messages, the reading half: bounded in what it writes, no memory of its own beyond the stack's. There is
 * nothing here of speed; who compresses a message of a few hundred bytes has chosen so. */
#ifndef HEADGATE_GZIP_H
#define HEADGATE_GZIP_H

#include "core/output.h"

/* One whole gzip file of one or more members (RFC 1952 section 2.2), appended to `out`. false: malformed, a checksum that does
 * not fit, or out->failed: more than out->most, or no memory. */
bool hg_gunzip(struct hg_view data, struct hg_output *out);

#endif
