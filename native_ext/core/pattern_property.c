/* \p{...}: the general categories of Unicode by any of their names (UAX #44, PropertyValueAliases.txt), Any, ASCII and
 * Assigned. */
#include <string.h>

#include "pattern_internal.h"

/* In the order of the table's categories; twin: firmware_py/headgate/core/unicode.py. A name of one letter is of all
 * categories that begin with it. */
static const char CATEGORIES[] = "LuLlLtLmLoMnMcMeNdNlNoPcPdPsPePiPfPoSmScSkSoZsZlZpCcCfCsCoCn";
#define CATEGORY_COUNT 30
#define ALL ((1u << CATEGORY_COUNT) - 1)

static const struct {
    const char *name, *category;
} NAMES[] = {
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"},
    {"Cased_Letter", "LC"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Letter", "L"},
    {"Nonspacing_Mark", "Mn"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Mark", "M"},
    {"Combining_Mark", "M"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Number", "N"},
    {"Connector_Punctuation", "Pc"},
    {"Dash_Punctuation", "Pd"},
    {"Open_Punctuation", "Ps"},
    {"Close_Punctuation", "Pe"},
    {"Initial_Punctuation", "Pi"},
    {"Final_Punctuation", "Pf"},
    {"Other_Punctuation", "Po"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"},
    {"Modifier_Symbol", "Sk"},
    {"Other_Symbol", "So"},
    {"Symbol", "S"},
    {"Space_Separator", "Zs"},
    {"Line_Separator", "Zl"},
    {"Paragraph_Separator", "Zp"},
    {"Separator", "Z"},
    {"Control", "Cc"},
    {"cntrl", "Cc"},
    {"Format", "Cf"},
    {"Surrogate", "Cs"},
    {"Private_Use", "Co"},
    {"Unassigned", "Cn"},
    {"Other", "C"},
};

static bool is(const uint8_t *name, uint32_t length, const char *text) {
    return strlen(text) == length && memcmp(name, text, length) == 0;
}

static uint32_t category(const uint8_t *name, uint32_t length) {
    uint32_t mask = 0;
    if (length == 0 || length > 2) {
        return 0;
    }
    if (is(name, length, "LC")) {
        return 7; /* Lu Ll Lt */
    }
    for (unsigned i = 0; i < CATEGORY_COUNT; i++) {
        if (memcmp(name, CATEGORIES + (size_t)2 * i, length) == 0) {
            mask |= 1u << i;
        }
    }
    return mask;
}

uint32_t hg_property_named(const uint8_t *name, uint32_t length) {
    static const char *const PREFIXES[] = {"gc=", "General_Category="};
    bool alone = true;
    for (size_t i = 0; i < sizeof PREFIXES / sizeof *PREFIXES; i++) {
        const uint32_t size = (uint32_t)strlen(PREFIXES[i]);
        if (alone && length > size && memcmp(name, PREFIXES[i], size) == 0) {
            name += size;
            length -= size;
            alone = false;
        }
    }
    if (alone && is(name, length, "Any")) {
        return ALL;
    }
    if (alone && is(name, length, "Assigned")) {
        return ALL >> 1; /* not Cn, the last one */
    }
    if (alone && is(name, length, "ASCII")) {
        return HG_PROPERTY_ASCII;
    }
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (is(name, length, NAMES[i].name)) {
            return category((const uint8_t *)NAMES[i].category, (uint32_t)strlen(NAMES[i].category));
        }
    }
    return category(name, length);
}

/* The run at walk->p: its category's bit in walk->categories; -> its length. */
static uint32_t next_run(struct hg_property_walk *walk) {
    const uint8_t byte = *walk->p++;
    uint32_t length = (uint32_t)(byte >> 5) + 1;
    if (length == 8) {
        unsigned shift = 0;
        do {
            length += (uint32_t)(*walk->p & 0x7F) << shift;
            shift += 7;
        } while (*walk->p++ & 0x80);
    }
    walk->categories = 1u << (byte & 31);
    return length;
}

void hg_property_begin(struct hg_property_walk *walk, uint32_t mask) {
    *walk = (struct hg_property_walk){.mask = mask, .p = hg_unicode_runs};
}

bool hg_property_next(struct hg_property_walk *walk, struct hg_range *range) {
    if (walk->mask == HG_PROPERTY_ASCII) {
        walk->mask = 0;
        *range = (struct hg_range){0, 0x7F};
        return true;
    }
    bool found = false;
    while (walk->low <= HG_LAST_CODE_POINT) {
        const uint32_t low = walk->low;
        walk->low += next_run(walk);
        if ((walk->categories & walk->mask) == 0) {
            if (found) {
                return true;
            }
        } else {
            if (!found) {
                range->low = low;
            }
            range->high = walk->low - 1;
            found = true;
        }
    }
    return found;
}

uint32_t hg_property_of(uint32_t code) {
    struct hg_property_walk walk;
    hg_property_begin(&walk, 0);
    while (walk.low <= code) {
        walk.low += next_run(&walk);
    }
    return walk.categories;
}
