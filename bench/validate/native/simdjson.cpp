// simdjson, DOM parse without a schema, the parser used again.
#include "simdjson.h"

#include "driver.h"

static simdjson::dom::parser *parser;

static int prepare(const struct document *, size_t) {
    parser = new simdjson::dom::parser;
    return 0;
}

static int judge(const struct document *document) {
    simdjson::dom::element element;
    return parser->parse(document->data, document->size, false).get(element) == simdjson::SUCCESS;
}

static void report(void) {}
