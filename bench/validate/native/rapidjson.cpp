// RapidJSON's fused validator: Reader (SAX) with a SchemaValidator behind it, no DOM. It asserts no `format`.
#include "driver.h"

#include "rapidjson/document.h"
#include "rapidjson/memorystream.h"
#include "rapidjson/reader.h"
#include "rapidjson/schema.h"

static rapidjson::SchemaDocument *compiled;
static rapidjson::SchemaValidator *validator;

static int prepare(const struct document *schema, size_t) {
    rapidjson::Document parsed;
    if (parsed.Parse(schema->data, schema->size).HasParseError()) {
        return -1;
    }
    compiled = new rapidjson::SchemaDocument(parsed);
    validator = new rapidjson::SchemaValidator(*compiled);
    return 0;
}

static int judge(const struct document *document) {
    rapidjson::Reader reader;
    rapidjson::MemoryStream stream(document->data, document->size);
    validator->Reset();
    return !reader.Parse<rapidjson::kParseValidateEncodingFlag>(stream, *validator).IsError() && validator->IsValid();
}

static void report(void) {}
