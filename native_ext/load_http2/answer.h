/* One answer of HTTP/2 or gRPC, as far as a load has to know it: status, body, and whether a unary call was answered by
 * one message. */
#ifndef HEADGATE_LOAD_HTTP2_ANSWER_H
#define HEADGATE_LOAD_HTTP2_ANSWER_H

#include <stdint.h>

#include "load/shot.h"

void hg_answer_field(struct hg_shot *shot, const uint8_t *name, size_t name_length, const uint8_t *value,
                     size_t value_length);
void hg_answer_data(struct hg_shot *shot, const uint8_t *data, size_t length);
/* All of it has come: is it an answer? */
bool hg_answer_is_right(const struct hg_shot *shot);

#endif
