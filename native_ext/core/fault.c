#include "fault.h"

#include <stddef.h>

static const char *const TEXTS[] = {
    [HG_NO_FAULT] = "",
    [HG_EMPTY] = "empty document",
    [HG_UNEXPECTED_END] = "unexpected end",
    [HG_BYTE_ORDER_MARK] = "byte order mark",
    [HG_INVALID_UTF8] = "invalid UTF-8",
    [HG_CONTROL_CHARACTER] = "control character in a string",
    [HG_INVALID_ESCAPE] = "invalid escape",
    [HG_LONE_SURROGATE] = "lone surrogate",
    [HG_EXPECTED_NAME] = "expected a name in quotes",
    [HG_EXPECTED_COLON] = "expected ':'",
    [HG_EXPECTED_COMMA_OR_BRACKET] = "expected ',' or ']'",
    [HG_EXPECTED_COMMA_OR_BRACE] = "expected ',' or '}'",
    [HG_EXPECTED_VALUE] = "expected a value",
    [HG_DATA_AFTER] = "data after the document",
    [HG_DUPLICATE_NAME] = "duplicate name",
    [HG_TOO_DEEP] = "nested too deeply",
    [HG_LEADING_ZERO] = "leading zero",
    [HG_EXPECTED_DIGIT] = "expected a digit",
    [HG_INVALID_NUMBER] = "malformed number",
    [HG_NUMBER_TOO_LONG] = "number too long",
    [HG_EXPONENT_RANGE] = "exponent too large",
    [HG_CBOR_RESERVED] = "reserved additional information",
    [HG_CBOR_CHUNK] = "chunk is not a definite-length string of the same type",
    [HG_CBOR_BREAK] = "unexpected break",
    [HG_CBOR_TOO_MANY] = "too many items",
    [HG_CBOR_SIMPLE] = "simple value below 32 in two bytes",
    [HG_CBOR_LENGTH] = "declared length is larger than the input",
    [HG_CBOR_BAD_BIGNUM] = "bignum is not a byte string",
    [HG_CBOR_BIGNUM_LONG] = "bignum too long",
    [HG_CBOR_DECIMAL] = "decimal fraction is not an array of two integers",
    [HG_CBOR_DECIMAL_RANGE] = "decimal exponent out of range",
    [HG_CBOR_NAME] = "name is not text",
    [HG_CBOR_TAGGED] = "tag does not suit its value",
    [HG_CBOR_AFTER] = "bytes after the item",
    [HG_CBOR_NO_JSON] = "value has no JSON form",
    [HG_TOO_LARGE] = "document too large",
    [HG_OUT_OF_STEPS] = "too many steps",
};

const char *hg_fault_text(enum hg_reason reason) {
    const size_t index = (size_t)reason;
    return index < sizeof TEXTS / sizeof *TEXTS && TEXTS[index] != NULL ? TEXTS[index] : "";
}
