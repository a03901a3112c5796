/* Code points that every instruction of a program treats alike are one class: the alphabet of the DFA. */
#include <string.h>

#include "pattern_internal.h"

static const struct hg_range WORD[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};

bool hg_in_ranges(const struct hg_range *ranges, uint32_t count, uint32_t code) {
    uint32_t low = 0;
    while (low < count) {
        const uint32_t middle = (low + count) / 2;
        if (code > ranges[middle].high) {
            low = middle + 1;
        } else if (code < ranges[middle].low) {
            count = middle;
        } else {
            return true;
        }
    }
    return false;
}

/* The last interval that begins at or before `code`. */
static uint32_t interval_of(const struct hg_interval *intervals, uint32_t count, uint32_t code) {
    uint32_t low = 0;
    while (count - low > 1) {
        const uint32_t middle = (low + count) / 2;
        if (intervals[middle].low <= code) {
            low = middle;
        } else {
            count = middle;
        }
    }
    return low;
}

uint32_t hg_class_of(const struct hg_interval *intervals, uint32_t count, uint32_t code) {
    return intervals[interval_of(intervals, count, code)].class;
}

/* The ranges an instruction takes; `one` is room for a CHAR. */
static const struct hg_range *ranges_of(const struct hg_tree *tree, uint32_t code, struct hg_range *one,
                                        uint32_t *count) {
    if (hg_code_op(code) == HG_OP_CHAR) {
        *one = (struct hg_range){hg_code_value(code), hg_code_value(code)};
        *count = 1;
        return one;
    }
    if (hg_code_op(code) == HG_OP_CLASS) {
        const struct hg_set *set = &tree->sets[hg_code_value(code)];
        *count = set->count;
        return tree->ranges + set->first;
    }
    *count = 0;
    return one;
}

/* Cut the intervals at `low`; false: too many. The list is short where it matters, so insertion will do. */
static bool cut(struct hg_classes *classes, uint32_t low) {
    if (low > HG_LAST_CODE_POINT) {
        return true;
    }
    struct hg_interval *intervals = classes->intervals;
    const uint32_t at = interval_of(intervals, classes->interval_count, low);
    if (intervals[at].low == low) {
        return true;
    }
    if (classes->interval_count == HG_PATTERN_INTERVALS) {
        return false;
    }
    memmove(intervals + at + 2, intervals + at + 1, (classes->interval_count - at - 1) * sizeof *intervals);
    intervals[at + 1] = (struct hg_interval){low, 0};
    classes->interval_count++;
    return true;
}

/* Split each class into what is in the ranges (whose bounds are cut already) and what is not; false: too many. */
static bool refine(struct hg_classes *classes, const struct hg_range *ranges, uint32_t count) {
    uint32_t total[HG_PATTERN_CLASSES] = {0}, inside[HG_PATTERN_CLASSES] = {0}, split[HG_PATTERN_CLASSES] = {0};
    struct hg_interval *intervals = classes->intervals;
    const uint32_t before = classes->count;
    for (uint32_t i = 0; i < classes->interval_count; i++) {
        total[intervals[i].class]++;
    }
    for (uint32_t turn = 0; turn < 2; turn++) { /* first count what is inside, then move it */
        for (uint32_t r = 0; r < count; r++) {
            for (uint32_t i = interval_of(intervals, classes->interval_count, ranges[r].low);
                 i < classes->interval_count && intervals[i].low <= ranges[r].high; i++) {
                if (turn == 0) {
                    inside[intervals[i].class]++;
                } else if (split[intervals[i].class] != 0) {
                    intervals[i].class = split[intervals[i].class];
                }
            }
        }
        if (turn == 0) {
            for (uint32_t class = 0; class < before; class++) {
                if (inside[class] > 0 && inside[class] < total[class]) {
                    if (classes->count == HG_PATTERN_CLASSES) {
                        return false;
                    }
                    split[class] = classes->count++;
                }
            }
        }
    }
    return true;
}

static bool divide(const struct hg_tree *tree, const struct hg_program_code *program, struct hg_classes *classes) {
    for (uint32_t turn = 0; turn < 2; turn++) { /* first cut, then refine */
        for (uint32_t i = 0; i <= program->count; i++) {
            struct hg_range one;
            uint32_t count = 0;
            const struct hg_range *ranges = WORD;
            if (i < program->count) {
                ranges = ranges_of(tree, program->code[i], &one, &count);
            } else if (program->edges) {
                count = sizeof WORD / sizeof *WORD;
            }
            if (turn == 1) {
                if (count > 0 && !refine(classes, ranges, count)) {
                    return false;
                }
                continue;
            }
            for (uint32_t r = 0; r < count; r++) {
                if (!cut(classes, ranges[r].low) || !cut(classes, ranges[r].high + 1)) {
                    return false;
                }
            }
        }
    }
    return true;
}

enum hg_status hg_pattern_classes(const struct hg_alloc *memory, const struct hg_tree *tree,
                                  const struct hg_program_code *program, struct hg_classes *classes) {
    struct hg_interval *intervals = memory->alloc(memory->context, HG_PATTERN_INTERVALS * sizeof *intervals);
    if (intervals == NULL) {
        return HG_NO_MEMORY;
    }
    intervals[0] = (struct hg_interval){0, 0};
    *classes = (struct hg_classes){.intervals = intervals, .interval_count = 1, .count = 1};
    if (!divide(tree, program, classes)) {
        memory->release(memory->context, intervals);
        classes->intervals = NULL;
        return HG_OK;
    }
    uint32_t out = 0;
    for (uint32_t i = 0; i < classes->interval_count; i++) {
        if (out == 0 || intervals[out - 1].class != intervals[i].class) {
            intervals[out++] = intervals[i];
        }
        classes->sample[intervals[i].class] = intervals[i].low;
    }
    classes->interval_count = out;
    return HG_OK;
}
