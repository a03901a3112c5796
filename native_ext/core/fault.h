/* Why a document is not acceptable as JSON or CBOR, and at which byte: found once, in words once. */
#ifndef HEADGATE_FAULT_H
#define HEADGATE_FAULT_H

#include <stdint.h>

enum hg_reason {
    HG_NO_FAULT = 0,
    /* JSON (RFC 8259); the words are those of firmware_py/headgate/core/json.py */
    HG_EMPTY,
    HG_UNEXPECTED_END,
    HG_BYTE_ORDER_MARK,
    HG_INVALID_UTF8,
    HG_CONTROL_CHARACTER,
    HG_INVALID_ESCAPE,
    HG_LONE_SURROGATE,
    HG_EXPECTED_NAME,
    HG_EXPECTED_COLON,
    HG_EXPECTED_COMMA_OR_BRACKET,
    HG_EXPECTED_COMMA_OR_BRACE,
    HG_EXPECTED_VALUE,
    HG_DATA_AFTER,
    HG_DUPLICATE_NAME,
    HG_TOO_DEEP,
    HG_LEADING_ZERO,
    HG_EXPECTED_DIGIT,
    HG_INVALID_NUMBER,
    HG_NUMBER_TOO_LONG,
    HG_EXPONENT_RANGE,
    /* CBOR (RFC 8949); the words are those of firmware_py/headgate/core/cbor.py */
    HG_CBOR_RESERVED,
    HG_CBOR_CHUNK,
    HG_CBOR_BREAK,
    HG_CBOR_TOO_MANY,
    HG_CBOR_SIMPLE,
    HG_CBOR_LENGTH,
    HG_CBOR_BAD_BIGNUM, /* not HG_CBOR_BIGNUM, which is a limit */
    HG_CBOR_BIGNUM_LONG,
    HG_CBOR_DECIMAL,
    HG_CBOR_DECIMAL_RANGE,
    HG_CBOR_NAME,  /* a name that is not text */
    HG_CBOR_TAGGED, /* tag 0 not on text, or tag 1 not on a number */
    HG_CBOR_AFTER,
    HG_CBOR_NO_JSON, /* asked for JSON: a value that JSON does not have */
    /* both */
    HG_TOO_LARGE, /* more bytes than the limit, or than 32 bits can count */
    HG_OUT_OF_STEPS /* the work limit of one document is used up: the verdict is "invalid" */
};

struct hg_fault {
    enum hg_reason reason;
    uint32_t offset; /* bytes from the start of the document */
};

/* A static string; "" for HG_NO_FAULT. */
const char *hg_fault_text(enum hg_reason reason);

#endif
