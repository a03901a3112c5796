#include "problem.h"

struct words {
    const char *slug, *title; /* title "": the status text says it */
};

static const struct words words[HG_P_COUNT] = {
    [HG_P_NONE] = {"", ""},
    [HG_P_BAD_CACHE_CONTROL] = {"bad_cache_control", "Cache-Control not understood"},
    [HG_P_BAD_CONTENT_RANGE] = {"bad_content_range", "Content-Range cannot be honoured"},
    [HG_P_BAD_IDEMPOTENCY_KEY] = {"bad_idempotency_key", "Idempotency-Key not usable"},
    [HG_P_BAD_QUERY] = {"bad_query", ""},
    [HG_P_BODY_TOO_LARGE] = {"body_too_large", ""},
    [HG_P_DRAINING] = {"draining", "Shutting down"},
    [HG_P_EXPECTATION_FAILED] = {"expectation_failed", ""},
    [HG_P_HEAD_TOO_LARGE] = {"head_too_large", ""},
    [HG_P_IDEMPOTENCY_KEY_REUSED] = {"idempotency_key_reused", "Idempotency-Key used before with another body"},
    [HG_P_INCOMPLETE] = {"incomplete", "The message ends early"},
    [HG_P_INSUFFICIENT_SCOPE] = {"insufficient_scope", "The token does not allow this"},
    [HG_P_INTERNAL] = {"internal", ""},
    [HG_P_INVALID_TOKEN] = {"invalid_token", "The token is not accepted"},
    [HG_P_LENGTH_REQUIRED] = {"length_required", ""},
    [HG_P_MALFORMED_CBOR] = {"malformed_cbor", "The body is not well-formed CBOR"},
    [HG_P_MALFORMED_JSON] = {"malformed_json", "The body is not well-formed JSON"},
    [HG_P_MALFORMED_REQUEST] = {"malformed_request", "Not a valid HTTP request"},
    [HG_P_METHOD_NOT_ALLOWED] = {"method_not_allowed", ""},
    [HG_P_MISSING_TOKEN] = {"missing_token", "A bearer token is needed"},
    [HG_P_NO_LAST_VALUE] = {"no_last_value", "No last value of this client"},
    [HG_P_NOT_CACHED] = {"not_cached", "No such key in the cache"},
    [HG_P_NOT_FOUND] = {"not_found", ""},
    [HG_P_NOT_IMPLEMENTED] = {"not_implemented", ""},
    [HG_P_NOT_STORED] = {"not_stored", "The message was not stored"},
    [HG_P_OUT_OF_MEMORY] = {"out_of_memory", "Out of memory, try again"},
    [HG_P_OUTBOX_FULL] = {"outbox_full", "The outbox is full"},
    [HG_P_PRECONDITION_FAILED] = {"precondition_failed", ""},
    [HG_P_RATE_LIMITED] = {"rate_limited", "Over the rate"},
    [HG_P_RECORD_TOO_LARGE] = {"record_too_large", "A record is too large"},
    [HG_P_SCHEMA_VIOLATION] = {"schema_violation", "The message violates the stream's schema"},
    [HG_P_STORAGE_FAILED] = {"storage_failed", ""},
    [HG_P_TIMEOUT] = {"timeout", ""},
    [HG_P_TOO_MANY_CONNECTIONS] = {"too_many_connections", "Too many connections"},
    [HG_P_UNKNOWN_STREAM] = {"unknown_stream", "No such stream"},
    [HG_P_UNSUPPORTED_MEDIA_TYPE] = {"unsupported_media_type", ""},
    [HG_P_UPDATE_FAILED] = {"update_failed", "The update could not be written"},
    [HG_P_UPDATE_REFUSED] = {"update_refused", "The update is refused"},
    [HG_P_URI_TOO_LONG] = {"uri_too_long", ""},
    [HG_P_VALUE_TOO_LARGE] = {"value_too_large", "The value does not fit the cache"},
    [HG_P_VERSION_NOT_SUPPORTED] = {"version_not_supported", ""},
};

const char *hg_code_slug(enum hg_code code) { return (unsigned)code < HG_P_COUNT ? words[code].slug : ""; }

const char *hg_code_title(enum hg_code code) { return (unsigned)code < HG_P_COUNT ? words[code].title : ""; }

const char *hg_status_phrase(uint16_t status) {
    switch (status) { /* RFC 9110 section 15; RFC 6585 (429, 431) */
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
    }
}

void hg_problem_body(struct hg_output *output, uint16_t status, enum hg_code code, struct hg_view detail,
                     struct hg_view instance, struct hg_view members) {
    const char *title = hg_code_title(code);
    hg_output_text(output, "{\"type\":\"urn:headgate:problem:");
    hg_output_text(output, hg_code_slug(code));
    hg_output_text(output, "\",\"title\":\"");
    hg_output_text(output, title[0] != '\0' ? title : hg_status_phrase(status));
    hg_output_text(output, "\",\"status\":");
    hg_output_number(output, status);
    if (detail.length != 0) {
        hg_output_text(output, ",\"detail\":");
        hg_output_json(output, detail.at, detail.length);
    }
    if (instance.length != 0) {
        hg_output_text(output, ",\"instance\":");
        hg_output_json(output, instance.at, instance.length);
    }
    hg_output_add(output, members.at, members.length);
    hg_output_add(output, "}", 1);
}
