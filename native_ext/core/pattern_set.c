/* The sets of characters that escapes and classes stand for: sorted, disjoint ranges of code points. */
#include "pattern_parse.h"

static const struct hg_range DIGIT[] = {{'0', '9'}};
static const struct hg_range WORD[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
/* WhiteSpace and LineTerminator of ECMA-262 sections 12.2 and 12.3 */
static const struct hg_range SPACE[] = {{9, 13},           {32, 32},         {0xA0, 0xA0},     {0x1680, 0x1680},
                                        {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                                        {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
static const struct hg_range LINE_END[] = {{10, 10}, {13, 13}, {0x2028, 0x2029}};

static struct hg_atom fixed(const struct hg_range *ranges, size_t size, bool negated) {
    return (struct hg_atom){.fixed = ranges, .fixed_count = (uint32_t)(size / sizeof *ranges), .negated = negated};
}

struct hg_atom hg_digits(bool negated) {
    return fixed(DIGIT, sizeof DIGIT, negated);
}
struct hg_atom hg_word(bool negated) {
    return fixed(WORD, sizeof WORD, negated);
}
struct hg_atom hg_space(bool negated) {
    return fixed(SPACE, sizeof SPACE, negated);
}
struct hg_atom hg_line_end(bool negated) {
    return fixed(LINE_END, sizeof LINE_END, negated);
}

static void put(struct hg_parser *s, uint32_t low, uint32_t high) {
    if (s->tree.ranges != NULL) {
        s->tree.ranges[s->tree.range_count] = (struct hg_range){low, high};
    }
    s->tree.range_count++;
}

static bool spend(struct hg_parser *s, uint32_t ranges) {
    s->spent += ranges;
    return s->spent <= HG_PATTERN_RANGES ||
           hg_refuse(s, "the pattern has more than " HG_NUMBER(HG_PATTERN_RANGES) " ranges");
}

bool hg_put_atom(struct hg_parser *s, const struct hg_atom *atom) {
    const uint32_t before = s->tree.range_count;
    if (atom->single) {
        put(s, atom->code, atom->code);
    } else {
        struct hg_property_walk walk;
        struct hg_range range;
        uint32_t low = 0, index = 0;
        if (atom->fixed == NULL) {
            hg_property_begin(&walk, atom->property);
        }
        while (atom->fixed != NULL ? index < atom->fixed_count : hg_property_next(&walk, &range)) {
            if (atom->fixed != NULL) {
                range = atom->fixed[index++];
            }
            if (!atom->negated) {
                put(s, range.low, range.high);
            } else if (low < range.low) {
                put(s, low, range.low - 1);
            }
            low = range.high + 1;
        }
        if (atom->negated && low <= HG_LAST_CODE_POINT) {
            put(s, low, HG_LAST_CODE_POINT);
        }
    }
    return spend(s, s->tree.range_count - before);
}

bool hg_put_range(struct hg_parser *s, uint32_t low, uint32_t high) {
    put(s, low, high);
    return spend(s, 1);
}

static bool after(const struct hg_range *a, const struct hg_range *b) {
    return a->low > b->low;
}

static void sink(struct hg_range *heap, uint32_t at, uint32_t count) {
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && after(&heap[child + 1], &heap[child])) {
            child++;
        }
        if (!after(&heap[child], &heap[at])) {
            return;
        }
        const struct hg_range swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
    }
}

static void sort(struct hg_range *ranges, uint32_t count) {
    uint32_t sorted = 1;
    while (sorted < count && !after(&ranges[sorted - 1], &ranges[sorted])) {
        sorted++;
    }
    if (sorted >= count) {
        return;
    }
    for (uint32_t i = count / 2; i-- > 0;) {
        sink(ranges, i, count);
    }
    for (uint32_t i = count; --i > 0;) {
        const struct hg_range swap = ranges[0];
        ranges[0] = ranges[i];
        ranges[i] = swap;
        sink(ranges, 0, i);
    }
}

uint32_t hg_finish_set(struct hg_parser *s, uint32_t first, bool negated) {
    const uint32_t set = s->tree.set_count++;
    if (s->tree.ranges == NULL) {
        s->tree.range_count += negated; /* room: a complement has at most one range more */
        return hg_add_node(s, HG_OP_CLASS, set);
    }
    struct hg_range *ranges = s->tree.ranges + first;
    const uint32_t count = s->tree.range_count - first;
    uint32_t out = 0;
    sort(ranges, count);
    for (uint32_t i = 0; i < count; i++) {
        if (out > 0 && ranges[i].low <= ranges[out - 1].high + 1) {
            if (ranges[i].high > ranges[out - 1].high) {
                ranges[out - 1].high = ranges[i].high;
            }
        } else {
            ranges[out++] = ranges[i];
        }
    }
    if (negated) {
        const uint32_t merged = out;
        uint32_t low = 0;
        out = 0;
        for (uint32_t i = 0; i < merged; i++) {
            const struct hg_range range = ranges[i];
            if (low < range.low) {
                ranges[out++] = (struct hg_range){low, range.low - 1};
            }
            low = range.high + 1;
        }
        if (low <= HG_LAST_CODE_POINT) {
            ranges[out++] = (struct hg_range){low, HG_LAST_CODE_POINT};
        }
    }
    s->tree.sets[set] = (struct hg_set){first, out};
    s->tree.range_count = first + out;
    return hg_add_node(s, HG_OP_CLASS, set);
}
