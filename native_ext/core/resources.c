#include <string.h>

#include "compiler.h"
#include "siphash.h"

/* The documents of a schema, the resources ($id) and anchors in them, and what references mean (2020-12 core sections 8
 * and 9, draft-07 core section 8). */

enum { METASCHEMA_DEPTH = 8 }; /* metaschemas of metaschemas */

static const char DRAFT_2020[] = "https://json-schema.org/draft/2020-12/schema";
static const char DRAFT_7[] = "http://json-schema.org/draft-07/schema";
static const char VOCABULARY[] = "https://json-schema.org/draft/2020-12/vocab/";
static const struct {
    const char *name;
    uint8_t bit;
} VOCABULARIES[] = {
    {"core", 0},
    {"applicator", HG_VOCABULARY_APPLICATOR},
    {"unevaluated", HG_VOCABULARY_UNEVALUATED},
    {"validation", HG_VOCABULARY_VALIDATION},
    {"content", HG_VOCABULARY_CONTENT},
    {"meta-data", 0},
    {"format-annotation", HG_VOCABULARY_FORMAT},
    {"format-assertion", HG_VOCABULARY_FORMAT},
};

static bool is_text(const uint8_t *text, uint32_t size, const char *word) {
    return strlen(word) == size && memcmp(text, word, size) == 0;
}

static uint32_t text_hash(const struct hg_compiler *compiler, const void *text, uint32_t size, uint32_t salt) {
    return (uint32_t)hg_siphash13(compiler->options->seed, text, size) ^ salt * 0x9E3779B1u;
}

static struct hg_address *address_at(const struct hg_compiler *compiler, uint32_t number) {
    return (struct hg_address *)(void *)compiler->addresses.data + number;
}

static struct hg_anchor *anchor_at(const struct hg_compiler *compiler, uint32_t number) {
    return (struct hg_anchor *)(void *)compiler->anchors.data + number;
}

/* The resource of that URI, plus 1; 0: none. */
static uint32_t find_address(const struct hg_compiler *compiler, const char *uri, uint32_t length) {
    const uint32_t hash = text_hash(compiler, uri, length, 0);
    uint32_t at = 0, id;
    while ((id = hg_index_next(&compiler->by_address, hash, &at)) != 0) {
        const struct hg_address *address = address_at(compiler, id - 1);
        if (address->uri_length == length && memcmp(compiler->texts.data + address->uri, uri, length) == 0) {
            return address->resource + 1;
        }
    }
    return 0;
}

static bool keep_uri(struct hg_compiler *compiler, const char *uri, uint32_t length, uint32_t *at) {
    *at = compiler->texts.size;
    if (!hg_buffer_reserve(&compiler->texts, compiler->memory, length + 1)) {
        return hg_no_memory(compiler);
    }
    memcpy(compiler->texts.data + *at, uri, length);
    compiler->texts.data[*at + length] = 0;
    compiler->texts.size += length + 1;
    return true;
}

/* The first resource of a URI has it. */
static bool add_address(struct hg_compiler *compiler, uint32_t uri, uint32_t length, uint32_t resource, uint32_t item) {
    const char *text = (const char *)compiler->texts.data + uri;
    const uint32_t found = find_address(compiler, text, length);
    const uint32_t document = hg_resource_at(compiler, resource)->document;
    if (found != 0) {
        const struct hg_schema_resource *other = hg_resource_at(compiler, found - 1);
        if (other->document == document && other->item != hg_resource_at(compiler, resource)->item) {
            return hg_lint(compiler, document, item, "the same $id twice: the first one has it");
        }
        return true;
    }
    const struct hg_address address = {uri, length, resource};
    const uint32_t hash = text_hash(compiler, text, length, 0);
    return (hg_buffer_append(&compiler->addresses, compiler->memory, &address, sizeof address) &&
            hg_index_add(&compiler->by_address, compiler->memory, hash,
                         compiler->addresses.size / (uint32_t)sizeof address)) ||
           hg_no_memory(compiler);
}

/* The document that was loaded from a URI, plus 1. */
static uint32_t find_document(const struct hg_compiler *compiler, const char *uri, uint32_t length) {
    for (uint32_t i = 0; i < compiler->document_count; i++) {
        const struct hg_document *document = &compiler->documents[i];
        if (document->uri_length == length && memcmp(compiler->texts.data + document->uri, uri, length) == 0) {
            return i + 1;
        }
    }
    return 0;
}

bool hg_load(struct hg_compiler *compiler, const char *uri, uint32_t uri_length, const uint8_t *text, uint32_t length,
             uint32_t *number) {
    struct hg_fault fault;
    *number = compiler->document_count;
    struct hg_document *document = &compiler->documents[*number];
    memset(document, 0, sizeof *document);
    if (!keep_uri(compiler, uri, uri_length, &document->uri)) {
        return false;
    }
    document->uri_length = uri_length;
    compiler->document_count++;
    if (length > HG_SCHEMA_TOTAL - compiler->total) {
        return hg_error(compiler, *number, 0, "more than %d bytes of schemas", HG_SCHEMA_TOTAL);
    }
    compiler->total += length;
    if (!hg_tree_parse(&document->tree, compiler->memory, text, length, compiler->options->seed, &fault)) {
        return fault.reason == HG_NO_FAULT ? hg_no_memory(compiler)
                                           : hg_error(compiler, *number, 0, "%s at byte %u",
                                                      hg_fault_text(fault.reason), (unsigned)fault.offset);
    }
    return true;
}

/* Asks the caller for a document that `item` of `from` refers to; false without an error: there is none. */
static bool fetch(struct hg_compiler *compiler, uint32_t from, uint32_t item, const char *uri, uint32_t length,
                  uint32_t *document) {
    const uint8_t *text;
    uint32_t size;
    const uint32_t known = find_document(compiler, uri, length);
    if (known != 0) {
        *document = known - 1;
        return true;
    }
    if (compiler->options->resolve == NULL ||
        !compiler->options->resolve(compiler->options->context, uri, length, &text, &size)) {
        return false;
    }
    if (compiler->document_count == HG_SCHEMA_DOCUMENTS) {
        return hg_error(compiler, from, item, "more than %d documents", HG_SCHEMA_DOCUMENTS);
    }
    return hg_load(compiler, uri, length, text, size, document);
}

static uint32_t string_member(const struct hg_tree *tree, uint32_t object, const char *name) {
    const uint32_t item = hg_tree_member(tree, object, (const uint8_t *)name, (uint32_t)strlen(name));
    return item != 0 && tree->items[item].kind == HG_KIND_STRING ? item : 0;
}

/* The vocabularies that the $vocabulary of a metaschema lists. `from`, `item`: who asks. */
static bool read_vocabulary(struct hg_compiler *compiler, uint32_t from, uint32_t item, const struct hg_tree *tree,
                            uint32_t object, uint8_t *vocabularies) {
    *vocabularies = 0;
    for (uint32_t i = tree->items[object].start; i != 0; i = tree->items[i].next) {
        const uint8_t *name = hg_tree_name(tree, &tree->items[i]);
        const uint32_t size = tree->items[i].name_size, prefix = sizeof VOCABULARY - 1;
        bool known = false;
        if (size > prefix && memcmp(name, VOCABULARY, prefix) == 0) {
            for (uint32_t k = 0; k < sizeof VOCABULARIES / sizeof *VOCABULARIES; k++) {
                if (is_text(name + prefix, size - prefix, VOCABULARIES[k].name)) {
                    known = true;
                    *vocabularies |= VOCABULARIES[k].bit;
                }
            }
        }
        if (!known && tree->items[i].kind == HG_KIND_TRUE) { /* core section 8.1.2.1 */
            char shown[HG_SHORT];
            return hg_error(compiler, from, item, "the vocabulary %s is not supported", hg_plain(name, size, shown));
        }
    }
    return true;
}

/* A metaschema of json-schema.org that is not of the two drafts, even if the caller has it. */
static bool is_other_draft(const uint8_t *text, uint32_t size) {
    static const char OTHERS[] = "json-schema.org/draft", OURS[] = "json-schema.org/draft/2020-12/";
    const uint32_t at = size > 8 && memcmp(text, "https://", 8) == 0  ? 8
                        : size > 7 && memcmp(text, "http://", 7) == 0 ? 7
                                                                      : size;
    return size - at >= sizeof OTHERS - 1 && memcmp(text + at, OTHERS, sizeof OTHERS - 1) == 0 &&
           !(size - at >= sizeof OURS - 1 && memcmp(text + at, OURS, sizeof OURS - 1) == 0);
}

/* What the `$schema` at `item` says. Metaschemas of one's own are looked up for their $schema and $vocabulary. */
static bool read_dialect(struct hg_compiler *compiler, uint32_t document, uint32_t item, struct hg_dialect *dialect) {
    uint32_t in = document, at = item;
    bool first = true;
    for (int depth = 0; depth < METASCHEMA_DEPTH; depth++) {
        const struct hg_tree *tree = &compiler->documents[in].tree;
        const uint8_t *text = hg_tree_text(tree, &tree->items[at]);
        uint32_t size = tree->items[at].size, next;
        size -= size != 0 && text[size - 1] == '#';
        if (is_text(text, size, DRAFT_2020) || is_text(text, size, DRAFT_7)) {
            dialect->draft = is_text(text, size, DRAFT_7) ? HG_IN_7 : HG_IN_2020;
            return true;
        }
        if (size > HG_SCHEMA_URI || memchr(text, 0, size) != NULL || is_other_draft(text, size) ||
            !fetch(compiler, document, item, (const char *)memcpy(compiler->uri.text, text, size), size, &next)) {
            break;
        }
        tree = &compiler->documents[next].tree;
        const uint32_t vocabulary = hg_tree_member(tree, HG_TREE_ROOT, (const uint8_t *)"$vocabulary", 11);
        if (first && tree->items[HG_TREE_ROOT].kind == HG_KIND_OBJECT && vocabulary != 0 &&
            tree->items[vocabulary].kind == HG_KIND_OBJECT &&
            !read_vocabulary(compiler, document, item, tree, vocabulary, &dialect->vocabularies)) {
            return false;
        }
        first = false;
        const uint32_t above = string_member(tree, HG_TREE_ROOT, "$schema");
        if (above == 0 || (in == next && at == above)) { /* as the others */
            return true;
        }
        in = next;
        at = above;
    }
    if (compiler->status == HG_OK) {
        const struct hg_tree *tree = &compiler->documents[document].tree;
        char shown[HG_SHORT];
        hg_error(compiler, document, item, "the dialect %s is not supported",
                 hg_plain(hg_tree_text(tree, &tree->items[item]), tree->items[item].size, shown));
    }
    return false;
}

/* Core section 8.2.2. */
static bool is_anchor(const uint8_t *text, uint32_t size) {
    for (uint32_t i = 0; i < size; i++) {
        const uint8_t c = text[i], letter = c | 0x20;
        const bool start = (letter >= 'a' && letter <= 'z') || c == '_';
        if (!start && (i == 0 || !((c >= '0' && c <= '9') || c == '-' || c == '.'))) {
            return false;
        }
    }
    return size != 0;
}

/* The anchor's number, plus 1. */
static uint32_t find_anchor(const struct hg_compiler *compiler, uint32_t resource, const uint8_t *text, uint32_t size) {
    const struct hg_tree *tree = &compiler->documents[hg_resource_at(compiler, resource)->document].tree;
    const uint32_t hash = text_hash(compiler, text, size, resource + 1);
    uint32_t at = 0, id;
    while ((id = hg_index_next(&compiler->by_anchor, hash, &at)) != 0) {
        const struct hg_anchor *anchor = anchor_at(compiler, id - 1);
        if (anchor->resource == resource && anchor->length == size &&
            memcmp(tree->text + anchor->text, text, size) == 0) {
            return id;
        }
    }
    return 0;
}

/* The number of a dynamic anchor's name, plus 1; 0: no memory. */
static uint32_t dynamic_name(struct hg_compiler *compiler, uint32_t document, uint32_t text, uint32_t size) {
    const uint8_t *bytes = compiler->documents[document].tree.text + text;
    const uint32_t hash = text_hash(compiler, bytes, size, 0);
    uint32_t at = 0, id;
    while ((id = hg_index_next(&compiler->by_dynamic_name, hash, &at)) != 0) {
        const struct hg_dynamic_name *name = hg_dynamic_name_at(compiler, id - 1);
        if (name->length == size &&
            memcmp(compiler->documents[name->document].tree.text + name->text, bytes, size) == 0) {
            return id;
        }
    }
    const struct hg_dynamic_name name = {document, text, size, 0};
    id = compiler->dynamic_names.size / (uint32_t)sizeof name + 1;
    if (!hg_buffer_append(&compiler->dynamic_names, compiler->memory, &name, sizeof name) ||
        !hg_index_add(&compiler->by_dynamic_name, compiler->memory, hash, id)) {
        hg_no_memory(compiler);
        return 0;
    }
    return id;
}

/* The text[..] of document is an anchor of the resource, for the subschema `item`; `keyword`: the item that says so. */
static bool add_anchor(struct hg_compiler *compiler, uint32_t resource, uint32_t item, uint32_t keyword, uint32_t text,
                       uint32_t size, bool dynamic) {
    const uint32_t document = hg_resource_at(compiler, resource)->document;
    const uint8_t *bytes = compiler->documents[document].tree.text + text;
    if (hg_resource_at(compiler, resource)->dialect.draft == HG_IN_2020 && !is_anchor(bytes, size)) {
        return hg_error(compiler, document, keyword, "must be a name of letters, digits, -, _ and .");
    }
    struct hg_anchor anchor = {resource, item, text, size, 0};
    if (dynamic) {
        anchor.name = dynamic_name(compiler, document, text, size);
        if (anchor.name == 0) {
            return false;
        }
    }
    const uint32_t known = find_anchor(compiler, resource, bytes, size);
    if (known != 0) {
        struct hg_anchor *other = anchor_at(compiler, known - 1);
        if (other->item != item) {
            char shown[HG_SHORT];
            return hg_error(compiler, document, item, "the anchor %s is there twice", hg_shorten(bytes, size, shown));
        }
        other->name = dynamic ? anchor.name : other->name; /* both $anchor and $dynamicAnchor */
        return true;
    }
    const uint32_t hash = text_hash(compiler, bytes, size, resource + 1);
    return (hg_buffer_append(&compiler->anchors, compiler->memory, &anchor, sizeof anchor) &&
            hg_index_add(&compiler->by_anchor, compiler->memory, hash,
                         compiler->anchors.size / (uint32_t)sizeof anchor)) ||
           hg_no_memory(compiler);
}

/* A new resource at `item`. */
static bool add_resource(struct hg_compiler *compiler, uint32_t document, uint32_t item, const char *uri,
                         uint32_t length, struct hg_dialect dialect, uint32_t *number) {
    struct hg_schema_resource resource = {.document = document, .item = item, .uri_length = length, .dialect = dialect};
    *number = compiler->resources.size / (uint32_t)sizeof resource;
    if (*number == HG_SCHEMA_NODES) {
        return hg_error(compiler, document, item, "more than %d schemas with $id", HG_SCHEMA_NODES);
    }
    return keep_uri(compiler, uri, length, &resource.uri) &&
           (hg_buffer_append(&compiler->resources, compiler->memory, &resource, sizeof resource) ||
            hg_no_memory(compiler)) &&
           add_address(compiler, resource.uri, length, *number, item);
}

/* The $id at `id` of the subschema `item`: a resource of its own (*owner changes), an anchor of draft-07, or both. */
static bool read_id(struct hg_compiler *compiler, uint32_t document, uint32_t item, uint32_t id,
                    struct hg_dialect dialect, uint32_t *owner) {
    const struct hg_tree *tree = &compiler->documents[document].tree;
    const struct hg_item *value = &tree->items[id];
    const struct hg_schema_resource *base = hg_resource_at(compiler, *owner);
    const uint8_t *text = hg_tree_text(tree, value), *fragment;
    uint32_t fragment_length;
    if (!hg_uri_resolve((const char *)compiler->texts.data + base->uri, base->uri_length, text, value->size,
                        &compiler->uri, &fragment, &fragment_length)) {
        return hg_error(compiler, document, id, "a URI must be at most %d bytes", HG_SCHEMA_URI);
    }
    if (fragment_length != 0 && dialect.draft == HG_IN_2020) {
        return hg_error(compiler, document, id, "must not have a fragment");
    }
    const bool identity = fragment_length == 0 || fragment_length + 1 < value->size;
    if (item == HG_TREE_ROOT) {
        struct hg_schema_resource *root = hg_resource_at(compiler, *owner); /* keeps the address it was found at, too */
        root->dialect = dialect;
        if (identity) {
            const uint32_t length = compiler->uri.length;
            uint32_t uri;
            if (!keep_uri(compiler, compiler->uri.text, length, &uri)) {
                return false;
            }
            root = hg_resource_at(compiler, *owner);
            root->uri = uri;
            root->uri_length = length;
            if (!add_address(compiler, uri, length, *owner, id)) {
                return false;
            }
        }
    } else if (identity &&
               !add_resource(compiler, document, item, compiler->uri.text, compiler->uri.length, dialect, owner)) {
        return false;
    }
    if (fragment_length != 0 && fragment[0] != '/') {
        return add_anchor(compiler, *owner, item, id, (uint32_t)(fragment - tree->text), fragment_length, false);
    }
    return true;
}

enum hg_schemas hg_schemas_of(const struct hg_item *value, unsigned shape) {
    switch (shape) {
    case HG_SHAPE_SCHEMA:
        return HG_SCHEMA_ITSELF;
    case HG_SHAPE_SCHEMAS:
        return value->kind == HG_KIND_ARRAY ? HG_SCHEMA_CHILDREN : HG_SCHEMA_NONE;
    case HG_SHAPE_ITEMS:
        return value->kind == HG_KIND_ARRAY ? HG_SCHEMA_CHILDREN : HG_SCHEMA_ITSELF;
    case HG_SHAPE_MAP:
    case HG_SHAPE_DEPENDENCIES:
        return value->kind == HG_KIND_OBJECT ? HG_SCHEMA_CHILDREN : HG_SCHEMA_NONE;
    default:
        return HG_SCHEMA_NONE;
    }
}

static bool scan(struct hg_compiler *compiler, uint32_t document, uint32_t item, uint32_t owner);

/* The children of the item are schemas. */
static bool scan_children(struct hg_compiler *compiler, uint32_t document, uint32_t item, uint32_t owner) {
    const struct hg_tree *tree = &compiler->documents[document].tree;
    for (uint32_t i = tree->items[item].start; i != 0; i = tree->items[i].next) {
        if (!scan(compiler, document, i, owner)) {
            return false;
        }
    }
    return true;
}

/* What identifies the subschema: `$schema`, `$id` and anchors. *owner: the resource around it -> its own. */
static bool scan_identity(struct hg_compiler *compiler, uint32_t document, uint32_t item, uint32_t *owner) {
    static const char *const NAMES[] = {"$id", "$schema", "$anchor", "$dynamicAnchor"};
    const struct hg_tree *tree = &compiler->documents[document].tree;
    struct hg_dialect dialect = hg_resource_at(compiler, *owner)->dialect;
    uint32_t found[4];
    for (uint32_t i = 0; i < 4; i++) {
        found[i] = hg_tree_member(tree, item, (const uint8_t *)NAMES[i], (uint32_t)strlen(NAMES[i]));
        const bool known = i < 2 || dialect.draft == HG_IN_2020;
        if (known && found[i] != 0 && tree->items[found[i]].kind != HG_KIND_STRING) {
            return hg_error(compiler, document, found[i], "must be a string");
        }
    }
    if (found[1] != 0 && (found[0] != 0 || item == HG_TREE_ROOT)) {
        dialect.vocabularies = HG_VOCABULARY_ALL;
        if (!read_dialect(compiler, document, found[1], &dialect)) {
            return false;
        }
        if (item == HG_TREE_ROOT) {
            hg_resource_at(compiler, *owner)->dialect = dialect;
        }
    }
    if (dialect.draft == HG_IN_7 && string_member(tree, item, "$ref") != 0) {
        return true; /* its siblings, $id among them, do not count */
    }
    if (found[0] != 0 && !read_id(compiler, document, item, found[0], dialect, owner)) {
        return false;
    }
    for (uint32_t i = 2; dialect.draft == HG_IN_2020 && i < 4; i++) {
        if (found[i] != 0 && !add_anchor(compiler, *owner, item, found[i], tree->items[found[i]].start,
                                         tree->items[found[i]].size, i == 3)) {
            return false;
        }
    }
    return true;
}

/* The item is a schema of the resource `owner`, and so are those in it (one level of C stack for two of the tree at
 * most). */
static bool scan(struct hg_compiler *compiler, uint32_t document, uint32_t item, uint32_t owner) {
    const struct hg_tree *tree = &compiler->documents[document].tree;
    struct hg_item *schema = &tree->items[item];
    if (schema->owner != 0) { /* a reference led here before */
        return true;
    }
    if (schema->kind == HG_KIND_ARRAY && item != HG_TREE_ROOT) { /* a list of names in `dependencies` */
        return true;
    }
    if (schema->kind == HG_KIND_OBJECT && !scan_identity(compiler, document, item, &owner)) {
        return false;
    }
    schema->owner = (uint16_t)(owner + 1);
    if (schema->kind != HG_KIND_OBJECT) {
        return true;
    }
    const struct hg_dialect dialect = hg_resource_at(compiler, owner)->dialect;
    const bool only_ref = hg_only_ref(tree, item, dialect);
    for (uint32_t i = schema->start; i != 0; i = tree->items[i].next) {
        const struct hg_item *value = &tree->items[i];
        const struct hg_keyword_row *row = hg_keyword_row(hg_tree_name(tree, value), value->name_size, dialect.draft);
        if (row == NULL || (row->vocabulary & ~dialect.vocabularies) != 0 || (only_ref && row->id != HG_K_DEFS)) {
            continue; /* what is in there is no schema, unless a reference leads to it */
        }
        const enum hg_schemas schemas = hg_schemas_of(value, row->shape);
        if ((schemas == HG_SCHEMA_ITSELF && !scan(compiler, document, i, owner)) ||
            (schemas == HG_SCHEMA_CHILDREN && !scan_children(compiler, document, i, owner))) {
            return false;
        }
    }
    return true;
}

bool hg_scan(struct hg_compiler *compiler, uint32_t document) {
    struct hg_document *what = &compiler->documents[document];
    struct hg_uri uri;
    uint32_t owner;
    if (what->scanned) {
        return true;
    }
    what->scanned = true;
    uri.length = what->uri_length;
    memcpy(uri.text, compiler->texts.data + what->uri, uri.length);
    return add_resource(compiler, document, HG_TREE_ROOT, uri.text, uri.length, compiler->dialect, &owner) &&
           scan(compiler, document, HG_TREE_ROOT, owner);
}

bool hg_owner(struct hg_compiler *compiler, uint32_t document, uint32_t item, uint32_t *resource) {
    const struct hg_tree *tree = &compiler->documents[document].tree;
    uint32_t known = item;
    while (tree->items[known].owner == 0) {
        known = tree->items[known].parent;
    }
    if (known != item && !scan(compiler, document, item, tree->items[known].owner - 1u)) {
        return false;
    }
    *resource = tree->items[item].owner - 1u;
    return true;
}

/* The resource of a URI; loads its document if need be. */
static bool locate(struct hg_compiler *compiler, uint32_t document, uint32_t item, const struct hg_uri *uri,
                   uint32_t *resource) {
    uint32_t found = find_address(compiler, uri->text, uri->length), loaded;
    if (found == 0) {
        if (!fetch(compiler, document, item, uri->text, uri->length, &loaded)) {
            char shown[HG_SHORT];
            hg_plain((const uint8_t *)uri->text, uri->length, shown);
            return compiler->status == HG_OK && hg_error(compiler, document, item, "there is no document %s",
                                                         uri->length == 0 ? "without a URI" : shown);
        }
        if (!hg_scan(compiler, loaded)) {
            return false;
        }
        found = find_address(compiler, uri->text, uri->length);
    }
    *resource = found - 1;
    return true;
}

static bool nothing(struct hg_compiler *compiler, uint32_t document, uint32_t item) {
    const struct hg_tree *tree = &compiler->documents[document].tree;
    char shown[HG_SHORT];
    return hg_error(compiler, document, item, "there is nothing at %s",
                    hg_plain(hg_tree_text(tree, &tree->items[item]), tree->items[item].size, shown));
}

bool hg_refer(struct hg_compiler *compiler, uint32_t document, uint32_t item, uint32_t resource,
              struct hg_target *target) {
    const struct hg_tree *tree = &compiler->documents[document].tree;
    const struct hg_schema_resource *base = hg_resource_at(compiler, resource);
    const uint8_t *fragment;
    uint32_t length, found = 0;
    struct hg_uri uri;
    *target = (struct hg_target){0, 0, 0};
    if (tree->items[item].kind != HG_KIND_STRING) {
        return hg_error(compiler, document, item, "must be a string");
    }
    if (!hg_uri_resolve((const char *)compiler->texts.data + base->uri, base->uri_length,
                        hg_tree_text(tree, &tree->items[item]), tree->items[item].size, &uri, &fragment, &length)) {
        return hg_error(compiler, document, item, "a URI must be at most %d bytes", HG_SCHEMA_URI);
    }
    if (!locate(compiler, document, item, &uri, &found)) {
        return false;
    }
    target->document = hg_resource_at(compiler, found)->document;
    target->item = hg_resource_at(compiler, found)->item;
    if (length == 0) {
        return true;
    }
    if (length > HG_SCHEMA_URI) {
        return hg_error(compiler, document, item, "a URI must be at most %d bytes", HG_SCHEMA_URI);
    }
    uint8_t decoded[HG_SCHEMA_URI];
    switch (hg_uri_decode(fragment, length, decoded, &length)) {
    case HG_NOT_PERCENT:
        return hg_error(compiler, document, item, "malformed percent-encoding");
    case HG_NOT_UTF8:
        return hg_error(compiler, document, item, "percent-encoding that is not UTF-8");
    case HG_DECODED:
        break;
    }
    const struct hg_tree *there = &compiler->documents[target->document].tree;
    if (decoded[0] == '/') {
        target->item = hg_tree_pointer(there, target->item, decoded, length);
        return target->item != 0 || nothing(compiler, document, item);
    }
    const uint32_t anchor = find_anchor(compiler, found, decoded, length);
    if (anchor == 0) {
        return nothing(compiler, document, item);
    }
    target->item = anchor_at(compiler, anchor - 1)->item;
    target->dynamic = anchor_at(compiler, anchor - 1)->name;
    return true;
}
