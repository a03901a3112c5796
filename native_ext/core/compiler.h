/* Inside the schema compiler (compile.h is what others see): its state, and what its parts offer each other.
 *
 *   tree.c      JSON text -> tree
 *   resources.c the documents, what is a resource or an anchor in them, what a reference means
 *   findings.c  what is wrong, for the caller
 *   compile.c   the queue of subschemas, the memory of the program
 *   compile_road.c the short ways to values of one kind
 *   compile_node.c, compile_object.c, compile_array.c, compile_number.c, compile_choice.c, compile_same.c: keywords -> records
 *   constants.c the values of const and enum as JSON and CBOR
 *   compile_loops.c, compile_scopes.c: what applies to the same value without end
 *   compile_look.c which alternatives a first look at a value leaves
 *   compile_merge.c, compile_join.c: one node for what applies to the same value
 *   lint.c      what is allowed but hardly meant
 *
 * Functions return false when the compilation has failed (compiler->status says how). Subschemas wait in a queue, so
 * neither their nesting nor their references need the stack; what recurses goes down the tree (HG_DOCUMENT_DEPTH). */
#ifndef HEADGATE_COMPILER_H
#define HEADGATE_COMPILER_H

#include "compile.h"
#include "keywords.h"
#include "limits.h"
#include "pool.h"
#include "tree.h"
#include "uri.h"

struct hg_compiler;

struct hg_dialect {
    uint8_t draft;        /* HG_IN_7 or HG_IN_2020 */
    uint8_t vocabularies; /* HG_VOCABULARY_* */
};

struct hg_document {
    struct hg_tree tree;
    uint32_t uri, uri_length; /* where it was asked for, in compiler->texts; "" for the main document */
    hg_ref location;          /* of its root, once needed */
    bool scanned;
};

/* A subschema with an identity of its own: a document's root, or one with $id. */
struct hg_schema_resource {
    uint32_t document, item;
    uint32_t uri, uri_length; /* in compiler->texts */
    uint32_t number;          /* in the program, plus 1; 0: not in it yet */
    struct hg_dialect dialect;
};

/* A URI under which a resource is known. */
struct hg_address {
    uint32_t uri, uri_length;
    uint32_t resource;
};

struct hg_anchor {
    uint32_t resource, item;
    uint32_t text, length; /* of the name: offset in the text of the resource's document */
    uint32_t name;         /* $dynamicAnchor: number of the name, plus 1 */
};

/* The name of dynamic anchors. */
struct hg_dynamic_name {
    uint32_t document, text, length;
    uint32_t slot; /* among those that a $dynamicRef asks for, plus 1; 0: none does */
};

/* Where the walk over what applies to the same value (compile_loops.c) may come to. */
struct hg_stop {
    uint32_t document, item;
    uint32_t edges, edge_count; /* where the walk may go on */
    uint32_t chain;
};

/* A subschema that is or will be compiled. hg_item.user of its item is its number plus 1. */
struct hg_compiled {
    struct hg_stop stop; /* the edges lead to those for the same value, but for that of $dynamicRef */
    hg_ref node;         /* 0: it accepts everything */
    hg_ref location;
    uint32_t dynamic_name; /* of the anchor that its $dynamicRef asks for, plus 1; 0: it has none, or it leads to the same place always */
    uint32_t dynamic_to;   /* the subschema that it leads to if no scope says otherwise */
    uint8_t takes;         /* bits: types of values that it may accept; known with `chain`, as is */
    bool nothing;          /* it asserts nothing, nor does it evaluate anything for unevaluated... */
};

/* What hg_walk walks over. */
struct hg_graph {
    const struct hg_buffer *stops; /* each begins with its struct hg_stop */
    uint32_t stride;
    const struct hg_buffer *edges;                                     /* numbers of stops */
    void (*settle)(struct hg_compiler *compiler, uint32_t number); /* all that can be reached from there is settled; or NULL */
};

struct hg_piece {
    hg_ref ref;
    uint32_t size;
};

struct hg_compiler {
    const struct hg_alloc *memory;
    const struct hg_compile_options *options;
    enum hg_status status;
    struct hg_document documents[HG_SCHEMA_DOCUMENTS];
    uint32_t document_count;
    uint32_t total;            /* bytes of them */
    struct hg_dialect dialect; /* of documents without $schema */
    struct hg_buffer texts;    /* URIs, each with a NUL */
    struct hg_buffer resources, addresses, anchors, dynamic_names, compiled, edges;
    struct hg_index by_address, by_anchor, by_dynamic_name;
    uint32_t dynamic_slots;    /* given so far, as are */
    uint32_t made; /* nodes that were made of several: compile_merge.c */
    uint32_t resource_numbers;
    struct hg_buffer program;
    hg_ref plain_number, plain_string; /* compile_road.c */
    struct hg_buffer pieces; /* what is in the program and may be used again */
    struct hg_index by_content;
    struct hg_buffer patterns; /* struct hg_piece of the sources, then the pattern's ref */
    struct hg_index by_pattern;
    uint32_t matching; /* bytes of names tried on patterns */
    struct hg_buffer lints, lint_texts;
    struct hg_buffer work, text, more; /* for one function at a time, see there */
    uint32_t document, item;           /* the subschema at hand, for errors about no keyword in particular */
    /* compile_object.c */
    struct hg_property properties[HG_SCHEMA_NAMES];
    uint32_t name_items[HG_SCHEMA_NAMES]; /* hg_check_names */
    uint16_t slots[4 * HG_SCHEMA_NAMES];
    uint64_t bits[HG_SCHEMA_NAMES / 64];
    struct hg_uri uri;
};

/* The subschema being compiled. */
struct hg_subschema {
    uint32_t document, item, number;
    const struct hg_tree *tree;
    uint32_t resource;
    struct hg_dialect dialect;
    uint32_t at[HG_K_COUNT];     /* the item of each keyword's value, or 0 */
    uint32_t counts[HG_K_COUNT]; /* of those that count; the defaults otherwise */
    struct hg_number numbers[HG_K_MULTIPLE_OF + 1];
    uint32_t choice_types; /* of const and enum */
    struct hg_node node;
};

/* findings.c */
bool hg_no_memory(struct hg_compiler *compiler);
/* The finding is about the item (its JSON pointer). `format` as for printf; hg_error always returns false. */
bool hg_error(struct hg_compiler *compiler, uint32_t document, uint32_t item, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool hg_lint(struct hg_compiler *compiler, uint32_t document, uint32_t item, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define HG_TOO_MANY "more than %d subschemas (each counts once in every dynamic scope it is reached in)"
/* Room for hg_shorten: a text of a schema in a message, as JSON string, cut short. */
enum { HG_SHOWN = 64, HG_SHORT = HG_SHOWN * 6 + 8 };
const char *hg_shorten(const uint8_t *text, uint32_t length, char out[HG_SHORT]);
/* The same as it stands. */
const char *hg_plain(const uint8_t *text, uint32_t length, char out[HG_SHORT]);
/* Tells the lints; there are few. */
bool hg_tell_lints(struct hg_compiler *compiler);

/* compile.c */
/* Room in the program, zeros. 0: failed. */
hg_ref hg_reserve(struct hg_compiler *compiler, uint32_t size, uint32_t align);
/* Puts bytes into the program; the same bytes are put there once. 0: failed. */
hg_ref hg_put(struct hg_compiler *compiler, const void *bytes, uint32_t size, uint32_t align);
/* The node of a subschema, compiled later; 0: accepts everything. */
bool hg_schema(struct hg_compiler *compiler, uint32_t document, uint32_t item, hg_ref *node);
/* The same for one that applies to the same value as `sub`. */
bool hg_in_place(struct hg_compiler *compiler, struct hg_subschema *sub, uint32_t document, uint32_t item,
                 hg_ref *node);
hg_ref hg_put_name(struct hg_compiler *compiler, const uint8_t *text, uint32_t length, struct hg_name *name);
/* Puts names->count entries that begin with a struct hg_name, and the table of them; compiler->more is used. */
bool hg_put_names(struct hg_compiler *compiler, struct hg_names *names, const uint8_t *entries);
bool hg_put_pattern(struct hg_compiler *compiler, uint32_t document, uint32_t item, const uint8_t *source,
                    uint32_t length, hg_ref *pattern, hg_ref *text);
static inline struct hg_compiled *hg_compiled_at(const struct hg_compiler *compiler, uint32_t number) {
    return (struct hg_compiled *)(void *)compiler->compiled.data + number;
}
static inline uint32_t hg_compiled_count(const struct hg_compiler *compiler) {
    return compiler->compiled.size / (uint32_t)sizeof(struct hg_compiled);
}

/* resources.c */
static inline struct hg_schema_resource *hg_resource_at(const struct hg_compiler *compiler, uint32_t number) {
    return (struct hg_schema_resource *)(void *)compiler->resources.data + number;
}
static inline struct hg_dynamic_name *hg_dynamic_name_at(const struct hg_compiler *compiler, uint32_t number) {
    return (struct hg_dynamic_name *)(void *)compiler->dynamic_names.data + number;
}
/* Parses a document and finds what is in it; `uri` is where it comes from. */
bool hg_load(struct hg_compiler *compiler, const char *uri, uint32_t uri_length, const uint8_t *text, uint32_t length,
             uint32_t *document);
bool hg_scan(struct hg_compiler *compiler, uint32_t document);
/* Which schemas a keyword of that shape (enum hg_shape) has for its value; lists of names among the children are none. */
enum hg_schemas { HG_SCHEMA_NONE, HG_SCHEMA_ITSELF, HG_SCHEMA_CHILDREN };
enum hg_schemas hg_schemas_of(const struct hg_item *value, unsigned shape);
/* The resource of an item, which is taken for a schema from now on. */
bool hg_owner(struct hg_compiler *compiler, uint32_t document, uint32_t item, uint32_t *resource);
struct hg_target {
    uint32_t document, item;
    uint32_t dynamic; /* number of the name, plus 1, if it is a dynamic anchor */
};
/* What the reference at `item` (a string) of that resource refers to. */
bool hg_refer(struct hg_compiler *compiler, uint32_t document, uint32_t item, uint32_t resource,
              struct hg_target *target);

/* compile_node.c: the record of compiler->compiled[number]. */
bool hg_compile_node(struct hg_compiler *compiler, uint32_t number);
/* Whether $ref is all that counts of the subschema, but for definitions (draft-07 core section 8.3). */
bool hg_only_ref(const struct hg_tree *tree, uint32_t item, struct hg_dialect dialect);
/* True if none of the keywords of the object asserts anything. */
bool hg_accepts_everything(struct hg_compiler *compiler, uint32_t document, uint32_t item, struct hg_dialect dialect);
/* The rest: each sets its part of sub->node. */
bool hg_compile_numbers(struct hg_compiler *compiler, struct hg_subschema *sub);
bool hg_compile_choice(struct hg_compiler *compiler, struct hg_subschema *sub);
bool hg_compile_object(struct hg_compiler *compiler, struct hg_subschema *sub);
bool hg_compile_array(struct hg_compiler *compiler, struct hg_subschema *sub);
bool hg_compile_same(struct hg_compiler *compiler, struct hg_subschema *sub);
/* constants.c: appends the value at `item`, compact, in the order of the schema. */
bool hg_constant_json(struct hg_compiler *compiler, const struct hg_tree *tree, uint32_t item, struct hg_buffer *out);
bool hg_constant_cbor(struct hg_compiler *compiler, const struct hg_tree *tree, uint32_t item, struct hg_buffer *out);
/* The number at `item`, in its normal form. */
void hg_constant_number_of(const struct hg_tree *tree, uint32_t item, struct hg_number *number);
/* Equal as JSON Schema has it. */
bool hg_constant_equal(const struct hg_tree *tree, uint32_t a, uint32_t b);
bool hg_put_constant(struct hg_compiler *compiler, const struct hg_number *number, struct hg_constant *constant);

/* A list of names, each once; `what` goes wrong as the twin says it. */
bool hg_check_names(struct hg_compiler *compiler, const struct hg_subschema *sub, uint32_t item);

/* compile_loops.c: refuses endless and too long chains; drops from `same` what is without effect... */
bool hg_check_loops(struct hg_compiler *compiler);
bool hg_walk(struct hg_compiler *compiler, const struct hg_graph *graph);
/* ... compile_scopes.c: and those that go through a $dynamicRef, in each dynamic scope. */
bool hg_check_scopes(struct hg_compiler *compiler);

/* compile_look.c: hg_compiled.takes, when that of all for the same value is known... */
uint8_t hg_takes(const struct hg_compiler *compiler, const struct hg_compiled *compiled);
/* The rule for the same value after `at` in the list of a subschema, or (0) the first one; 0: there is none. */
hg_ref hg_next_rule(const struct hg_compiler *compiler, uint32_t number, hg_ref at, struct hg_same *rule);
/* ... and what is said of the alternatives in the first `count` subschemas. */
bool hg_set_looks(struct hg_compiler *compiler, uint32_t count, bool dynamic);

/* compile_merge.c: adds nodes that stand for some of the first `count` subschemas, to compiler->compiled as well... */
bool hg_merge(struct hg_compiler *compiler, uint32_t count);
/* ... and tells which node stands for the one at `ref` in an engine that only decides. */
hg_ref hg_stands_for(const struct hg_compiler *compiler, hg_ref ref);
/* ... A node that demands what all of `refs` do, of which none is 0; it is merged after all others. 0: failed, or there may be no more. */
hg_ref hg_put_all_of(struct hg_compiler *compiler, const hg_ref *refs, uint32_t count);
/* compile_join.c: at most so many bytes of the program... */
uint32_t hg_cost_of_joining(const struct hg_object_rules *rules);
/* ... for one hg_object_rules that demands what all of `tables` do. 0: failed. */
hg_ref hg_join_objects(struct hg_compiler *compiler, const hg_ref *tables, uint32_t count);

/* compile_road.c: the rules of numbers and strings that have none, while something can be put into the program... */
bool hg_put_plain_rules(struct hg_compiler *compiler, hg_ref root);
/* ... and the roads to members and items of the first `count` subschemas; -> that to the root. dynamic: the program has a $dynamicRef. */
struct hg_road hg_set_roads(struct hg_compiler *compiler, hg_ref root, uint32_t count, bool dynamic);

/* lint.c */
bool hg_lint_subschema(struct hg_compiler *compiler, const struct hg_subschema *sub);
bool hg_lint_unknown(struct hg_compiler *compiler, const struct hg_subschema *sub, uint32_t item);
bool hg_lint_format(struct hg_compiler *compiler, const struct hg_subschema *sub, uint32_t item);

#endif
