#include "load_http2/answer.h"

#include <string.h>

enum {
    PREFIX = 5,            /* bytes before a message of gRPC: is it compressed, and its length */
    PREFIX_WRONG = UINT8_MAX, /* compressed, which nobody asked for; or more than one message */
    STATUS_OK = 200,
};

static bool is(const uint8_t *name, size_t length, const char *wanted) {
    return length == strlen(wanted) && memcmp(name, wanted, length) == 0;
}

/* Up to three digits, or -1. */
static int number(const uint8_t *value, size_t length) {
    int result = length == 0 || length > 3 ? -1 : 0;
    for (size_t i = 0; i < length && result >= 0; i++) {
        result = value[i] >= '0' && value[i] <= '9' ? result * 10 + (value[i] - '0') : -1;
    }
    return result;
}

void hg_answer_field(struct hg_shot *shot, const uint8_t *name, size_t name_length, const uint8_t *value,
                     size_t value_length) {
    const int found = number(value, value_length);
    if (is(name, name_length, ":status")) {
        shot->status = (int16_t)found;
    } else if ((shot->flags & HG_GRPC) != 0 && is(name, name_length, "grpc-status")) {
        shot->status = (int16_t)(found >= 0 && found < HG_GRPC_STATUSES ? HG_GRPC_OK + found : 0);
    }
}

/* The length-prefixed message of a unary answer. */
static void read_message(struct hg_shot *shot, const uint8_t *data, size_t length) {
    size_t at = 0;
    while (at < length && shot->prefix < PREFIX) {
        const bool is_flag = shot->prefix == 0;
        shot->left = is_flag ? 0 : shot->left << 8 | data[at];
        shot->prefix = (uint8_t)(is_flag && data[at] != 0 ? PREFIX_WRONG : shot->prefix + 1);
        at += 1;
    }
    if (length - at > shot->left) {
        shot->prefix = PREFIX_WRONG;
    } else {
        shot->left -= (uint32_t)(length - at);
    }
}

void hg_answer_data(struct hg_shot *shot, const uint8_t *data, size_t length) {
    if ((shot->flags & HG_GRPC) != 0) {
        read_message(shot, data, length);
    }
    if ((shot->flags & HG_JUDGED) != 0) {
        hg_shot_keep(shot, (const char *)data, length);
    }
}

bool hg_answer_is_right(const struct hg_shot *shot) {
    if ((shot->flags & HG_GRPC) == 0) {
        return shot->status >= STATUS_OK;
    }
    return shot->status == HG_GRPC_OK ? shot->prefix == PREFIX && shot->left == 0 : shot->status != STATUS_OK;
}
