#include <string.h>

#include "compiler.h"
#include "format.h"

/* What is allowed but hardly meant: keywords nobody knows, keywords without effect, schemas that nothing satisfies. */

/* A word nobody knows: a lint, or an error if the caller wants no such words. */
static bool unknown(struct hg_compiler *compiler, const struct hg_subschema *sub, uint32_t item, const char *what,
                    const char *shown, const char *meant) {
    const char *ask = meant == NULL ? "" : ", did you mean \"", *end = meant == NULL ? "" : "\"?";
    meant = meant == NULL ? "" : meant;
    return compiler->options->unknown_keywords
               ? hg_lint(compiler, sub->document, item, "unknown %s %s%s%s%s", what, shown, ask, meant, end)
               : hg_error(compiler, sub->document, item, "unknown %s %s%s%s%s", what, shown, ask, meant, end);
}

bool hg_lint_unknown(struct hg_compiler *compiler, const struct hg_subschema *sub, uint32_t item) {
    const struct hg_item *value = &sub->tree->items[item];
    const uint8_t *name = hg_tree_name(sub->tree, value);
    char shown[HG_SHORT];
    if (compiler->options->unknown_keywords &&
        (compiler->options->finding == NULL || compiler->lints.size >= HG_SCHEMA_LINTS * 3 * sizeof(uint32_t))) {
        return true;
    }
    const char *meant = hg_keyword_meant(name, value->name_size, sub->dialect.draft);
    hg_shorten(name, value->name_size, shown);
    return unknown(compiler, sub, item, "keyword", shown, meant);
}

bool hg_lint_format(struct hg_compiler *compiler, const struct hg_subschema *sub, uint32_t item) {
    const struct hg_item *value = &sub->tree->items[item];
    const uint8_t *text = hg_tree_text(sub->tree, value);
    const enum hg_format format = hg_format_named(text, value->size);
    const char *meant = NULL;
    uint32_t least = 3;
    char shown[HG_SHORT];
    if (compiler->options->formats >> format & 1 && format != HG_FORMAT_NONE) {
        return true;
    }
    hg_shorten(text, value->size, shown);
    if (format != HG_FORMAT_NONE) {
        return hg_lint(compiler, sub->document, item, "the format %s is not asserted", shown);
    }
    for (uint32_t i = HG_FORMAT_NONE + 1; i < HG_FORMAT_COUNT; i++) {
        const char *name = hg_format_name((enum hg_format)i);
        const uint32_t distance = hg_edit_distance(text, value->size, name, least);
        if (distance < least && distance * 2 < strlen(name)) {
            meant = name;
            least = distance;
        }
    }
    return unknown(compiler, sub, item, "format", shown, meant);
}

/* A keyword about values that `type` does not let in. */
static bool lint_types(struct hg_compiler *compiler, const struct hg_subschema *sub) {
    const unsigned draft = sub->dialect.draft;
    for (uint32_t keyword = HG_K_NONE + 1; keyword < HG_K_COUNT; keyword++) {
        const uint32_t item = sub->at[keyword];
        if (item == 0) {
            continue;
        }
        const struct hg_item *value = &sub->tree->items[item];
        const struct hg_keyword_row *row = hg_keyword_row(hg_tree_name(sub->tree, value), value->name_size, draft);
        if (row != NULL && !(row->types & sub->node.types) &&
            !hg_lint(compiler, sub->document, item, "keyword does nothing for these types")) {
            return false;
        }
    }
    return true;
}

static bool lint_counts(struct hg_compiler *compiler, const struct hg_subschema *sub) {
    static const struct {
        uint8_t low, high;
    } PAIRS[] = {
        {HG_K_MIN_LENGTH, HG_K_MAX_LENGTH},
        {HG_K_MIN_ITEMS, HG_K_MAX_ITEMS},
        {HG_K_MIN_PROPERTIES, HG_K_MAX_PROPERTIES},
        {HG_K_MIN_CONTAINS, HG_K_MAX_CONTAINS},
    };
    for (uint32_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        const uint32_t low = PAIRS[i].low, high = PAIRS[i].high;
        if (low == HG_K_MIN_CONTAINS && sub->at[HG_K_CONTAINS] == 0) {
            continue;
        }
        if (sub->counts[low] > sub->counts[high] &&
            !hg_lint(compiler, sub->document, sub->at[low] != 0 ? sub->at[low] : sub->at[high],
                     "unsatisfiable: %s is above %s", hg_keyword_name((enum hg_keyword)low),
                     hg_keyword_name((enum hg_keyword)high))) {
            return false;
        }
    }
    return true;
}

static bool lint_bounds(struct hg_compiler *compiler, const struct hg_subschema *sub) {
    static const uint8_t LOW[] = {HG_K_MINIMUM, HG_K_EXCLUSIVE_MINIMUM},
                         HIGH[] = {HG_K_MAXIMUM, HG_K_EXCLUSIVE_MAXIMUM};
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t low = LOW[i / 2], high = HIGH[i % 2];
        if (sub->at[low] == 0 || sub->at[high] == 0) {
            continue;
        }
        const int order = hg_number_compare(&sub->numbers[low], &sub->numbers[high]);
        if ((order > 0 || (order == 0 && i != 0)) &&
            !hg_lint(compiler, sub->document, sub->at[low], "unsatisfiable: %s is %s %s",
                     hg_keyword_name((enum hg_keyword)low), order > 0 ? "above" : "not below",
                     hg_keyword_name((enum hg_keyword)high))) {
            return false;
        }
    }
    return true;
}

/* Keywords that only say something together with another one. */
static bool lint_company(struct hg_compiler *compiler, const struct hg_subschema *sub) {
    static const struct {
        uint8_t keyword, other;
    } PAIRS[] = {
        {HG_K_THEN, HG_K_IF},
        {HG_K_ELSE, HG_K_IF},
        {HG_K_MIN_CONTAINS, HG_K_CONTAINS},
        {HG_K_MAX_CONTAINS, HG_K_CONTAINS},
    };
    for (uint32_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        if (sub->at[PAIRS[i].keyword] != 0 && sub->at[PAIRS[i].other] == 0 &&
            !hg_lint(compiler, sub->document, sub->at[PAIRS[i].keyword], "does nothing without %s",
                     hg_keyword_name((enum hg_keyword)PAIRS[i].other))) {
            return false;
        }
    }
    if (sub->at[HG_K_IF] != 0 && sub->at[HG_K_THEN] == 0 && sub->at[HG_K_ELSE] == 0 && sub->dialect.draft == HG_IN_7 &&
        !hg_lint(compiler, sub->document, sub->at[HG_K_IF], "does nothing without then or else")) {
        return false;
    }
    const uint32_t items = sub->at[HG_K_ITEMS], more = sub->at[HG_K_ADDITIONAL_ITEMS];
    return more == 0 || (items != 0 && sub->tree->items[items].kind == HG_KIND_ARRAY) ||
           hg_lint(compiler, sub->document, more, "does nothing without a list in items");
}

bool hg_lint_subschema(struct hg_compiler *compiler, const struct hg_subschema *sub) {
    const uint32_t values = sub->at[HG_K_ENUM], constant = sub->at[HG_K_CONST];
    const uint32_t choice = values != 0 ? values : constant;
    if (compiler->options->finding == NULL) {
        return true;
    }
    if (values != 0 && sub->tree->items[values].size == 0) {
        if (!hg_lint(compiler, sub->document, values, "unsatisfiable: there is no value")) {
            return false;
        }
    } else if (choice != 0 && sub->choice_types != 0 && !(sub->choice_types & sub->node.types) &&
               !hg_lint(compiler, sub->document, choice, "unsatisfiable: no value has an allowed type")) {
        return false;
    }
    return lint_types(compiler, sub) && lint_counts(compiler, sub) && lint_bounds(compiler, sub) &&
           lint_company(compiler, sub);
}
