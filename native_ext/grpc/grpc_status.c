#include "grpc/grpc_status.h"

#include "core/limits.h"
#include "grpc/protobuf.h"

#define TYPE_PREFIX "type.googleapis.com/google.rpc."
#define AROUND 32 /* bytes: the tags and lengths of a violation and of what it is in */

static bool is(struct hg_view view, const char *text) {
    return view.length == strlen(text) && memcmp(view.at, text, view.length) == 0;
}

enum hg_grpc_status hg_grpc_status_of(uint16_t status, struct hg_view code) {
    static const struct {
        uint16_t http;
        uint8_t grpc;
    } table[] = {
        {401, HG_GRPC_UNAUTHENTICATED},    {403, HG_GRPC_PERMISSION_DENIED},   {404, HG_GRPC_NOT_FOUND},
        {405, HG_GRPC_UNIMPLEMENTED},      {408, HG_GRPC_DEADLINE_EXCEEDED},   {412, HG_GRPC_FAILED_PRECONDITION},
        {413, HG_GRPC_RESOURCE_EXHAUSTED}, {429, HG_GRPC_RESOURCE_EXHAUSTED},  {431, HG_GRPC_RESOURCE_EXHAUSTED},
        {500, HG_GRPC_INTERNAL},           {501, HG_GRPC_UNIMPLEMENTED},       {503, HG_GRPC_UNAVAILABLE},
        {504, HG_GRPC_DEADLINE_EXCEEDED},
    };
    if (is(code, "idempotency_key_reused")) {
        return HG_GRPC_ALREADY_EXISTS;
    }
    for (uint32_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].http == status) {
            return (enum hg_grpc_status)table[i].grpc;
        }
    }
    return status >= 400 && status < 500 ? HG_GRPC_INVALID_ARGUMENT : HG_GRPC_INTERNAL;
}

/* Cut between two characters where it is too long. */
static struct hg_view shortened(struct hg_view text) {
    uint32_t length = text.length;
    if (length > HG_GRPC_STATUS_TEXT) {
        length = HG_GRPC_STATUS_TEXT;
        while (length > 0 && (text.at[length] & 0xC0) == 0x80) {
            length -= 1;
        }
    }
    return (struct hg_view){text.at, length};
}

/* gRPC over HTTP/2, "Status-Message": percent-encoding of what is not printable ASCII, and of "%". */
static void put_message(struct hg_output *lines, struct hg_view message) {
    static const char hex[] = "0123456789ABCDEF";
    for (uint32_t i = 0; i < message.length; i++) {
        const uint8_t c = message.at[i];
        if (c >= 0x20 && c <= 0x7E && c != '%') {
            hg_output_add(lines, &c, 1);
        } else {
            const char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
            hg_output_add(lines, escape, sizeof escape);
        }
    }
}

/* RFC 4648 section 4, without padding, as gRPC recommends for "-bin" fields. */
static void put_base64(struct hg_output *lines, const uint8_t *data, uint32_t length) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (uint32_t i = 0; i < length; i += 3) {
        const uint32_t left = length - i < 3 ? length - i : 3;
        const uint32_t group =
            (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0u);
        const char text[4] = {digits[group >> 18], digits[group >> 12 & 63], digits[group >> 6 & 63], digits[group & 63]};
        hg_output_add(lines, text, left + 1);
    }
}

static uint32_t open_detail(struct hg_output *out, const char *type) {
    const uint32_t any = hg_pb_open(out, 3); /* google.rpc.Status.details: a google.protobuf.Any */
    hg_pb_text(out, 1, type);
    return any;
}

/* google.rpc.ErrorInfo: the code as an upper-case reason. */
static void put_reason(struct hg_output *out, struct hg_view code) {
    const uint32_t any = open_detail(out, TYPE_PREFIX "ErrorInfo"), info = hg_pb_open(out, 2);
    const uint32_t at = out->length;
    hg_pb_bytes(out, 1, code);
    for (uint32_t i = at + 2; !out->failed && i < out->length; i++) { /* after tag and length, a byte each: codes are short */
        const uint8_t c = out->data[i];
        out->data[i] = c >= 'a' && c <= 'z' ? (uint8_t)(c - 0x20) : c;
    }
    hg_pb_text(out, 2, "headgate");
    hg_pb_close(out, info);
    hg_pb_close(out, any);
}

/* google.rpc.RetryInfo with a google.protobuf.Duration. */
static void put_retry(struct hg_output *out, uint32_t retry_s) {
    const uint32_t any = open_detail(out, TYPE_PREFIX "RetryInfo"), info = hg_pb_open(out, 2), delay = hg_pb_open(out, 1);
    hg_pb_number(out, 1, retry_s);
    hg_pb_close(out, delay);
    hg_pb_close(out, info);
    hg_pb_close(out, any);
}

/* google.rpc.BadRequest: as many of the violations as there is room for. */
static void put_violations(struct hg_output *out, const struct hg_grpc_failure *failure) {
    const uint32_t any = open_detail(out, TYPE_PREFIX "BadRequest"), bad = hg_pb_open(out, 2);
    for (uint32_t i = 0; i < failure->violation_count; i++) {
        const struct hg_grpc_violation *const one = &failure->violations[i];
        uint32_t mark;
        if ((uint64_t)out->length + one->field.length + one->description.length + AROUND > HG_GRPC_DETAILS) {
            break;
        }
        mark = hg_pb_open(out, 1);
        hg_pb_bytes(out, 1, one->field);
        hg_pb_bytes(out, 2, one->description);
        hg_pb_close(out, mark);
    }
    hg_pb_close(out, bad);
    hg_pb_close(out, any);
}

/* google.rpc.Status */
static void put_details(const struct hg_grpc_failure *failure, struct hg_output *out) {
    hg_pb_number(out, 1, (uint64_t)failure->status);
    hg_pb_bytes(out, 2, shortened(failure->message));
    if (failure->code.length != 0) {
        put_reason(out, failure->code);
    }
    if (failure->retry_s != 0) {
        put_retry(out, failure->retry_s);
    }
    if (failure->violation_count != 0) {
        put_violations(out, failure);
    }
}

void hg_grpc_trailers(const struct hg_grpc_failure *failure, struct hg_output *scratch, struct hg_output *lines) {
    hg_output_text(lines, "grpc-status: ");
    hg_output_number(lines, failure->status);
    hg_output_text(lines, "\r\n");
    if (failure->message.length != 0) {
        hg_output_text(lines, "grpc-message: ");
        put_message(lines, shortened(failure->message));
        hg_output_text(lines, "\r\n");
    }
    if (failure->code.length != 0 || failure->retry_s != 0 || failure->violation_count != 0) {
        scratch->length = 0;
        scratch->failed = false;
        put_details(failure, scratch);
        if (!scratch->failed) {
            hg_output_text(lines, "grpc-status-details-bin: ");
            put_base64(lines, scratch->data, scratch->length);
            hg_output_text(lines, "\r\n");
        }
    }
}
