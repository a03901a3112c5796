/* `format`: each a function over the decoded UTF-8 text. Twin: firmware_py/headgate/core/formats.py. */
#ifndef HEADGATE_FORMAT_H
#define HEADGATE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

enum hg_format {
    HG_FORMAT_NONE = 0,
    HG_FORMAT_DATE_TIME,
    HG_FORMAT_DATE,
    HG_FORMAT_TIME,
    HG_FORMAT_DURATION,
    HG_FORMAT_UUID,
    HG_FORMAT_EMAIL,
    HG_FORMAT_HOSTNAME,
    HG_FORMAT_IPV4,
    HG_FORMAT_IPV6,
    HG_FORMAT_URI,
    HG_FORMAT_URI_REFERENCE,
    HG_FORMAT_JSON_POINTER,
    HG_FORMAT_RELATIVE_JSON_POINTER,
    HG_FORMAT_REGEX,
    HG_FORMAT_COUNT
};

/* The format of that name, or HG_FORMAT_NONE. */
enum hg_format hg_format_named(const uint8_t *name, uint32_t length);
const char *hg_format_name(enum hg_format format);
/* True if the text is of the format. A text longer than HG_FORMAT_TEXT bytes is of no format. */
bool hg_format_holds(enum hg_format format, const uint8_t *text, uint32_t length);

#endif
