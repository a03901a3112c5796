#include <string.h>

#include "compiler.h"

/* The short ways to values of one kind (struct hg_road), once all nodes are in the program. */

bool hg_put_plain_rules(struct hg_compiler *compiler, hg_ref root) {
    struct hg_number_rules number;
    struct hg_string_rules string;
    if (root == 0) {
        return true;
    }
    memset(&number, 0, sizeof number);
    memset(&string, 0, sizeof string);
    number.least = number.least6 = INT64_MIN;
    number.most = number.most6 = INT64_MAX;
    number.exact = number.scaled = 1;
    string.max_length = UINT32_MAX;
    compiler->plain_number = hg_put(compiler, &number, sizeof number, 8);
    compiler->plain_string = hg_put(compiler, &string, sizeof string, 8);
    return compiler->plain_number != 0 && compiler->plain_string != 0;
}

static struct hg_road road_to(const struct hg_compiler *compiler, hg_ref ref, bool dynamic) {
    struct hg_road road = {HG_ROAD_NONE, 0};
    struct hg_node node;
    struct hg_number_rules number;
    struct hg_choice choice;
    ref = dynamic ? ref : hg_stands_for(compiler, ref);
    if (ref == 0) {
        return road;
    }
    memcpy(&node, compiler->program.data + ref, sizeof node);
    if (node.flags != 0 || node.same != 0) {
        return road;
    }
    uint32_t types = node.types & ~(uint32_t)HG_NULL;
    if (node.types == HG_ANY) { /* what is it that it has rules for? */
        types = (node.number != 0 ? HG_INTEGER | HG_FRACTION : 0u) | (node.string != 0 ? HG_STRING : 0u) |
                (node.array != 0 ? HG_ARRAY : 0u) | (node.object != 0 ? HG_OBJECT : 0u);
    }
    if (node.choice != 0) {
        memcpy(&choice, compiler->program.data + node.choice, sizeof choice);
        if ((node.types & HG_STRING) != 0 && node.string == 0 && choice.strings.count <= HG_ROAD_CHOICES &&
            choice.strings.count != 0) {
            road = (struct hg_road){HG_ROAD_CHOICE, node.choice};
        }
        return road;
    }
    switch (types) {
    case HG_INTEGER:
    case HG_INTEGER | HG_FRACTION:
        road.rules = node.number != 0 ? node.number : compiler->plain_number;
        memcpy(&number, compiler->program.data + road.rules, sizeof number);
        if (number.exact != 0 && (types == HG_INTEGER || number.scaled != 0)) {
            road.to = types == HG_INTEGER ? HG_ROAD_INTEGER : HG_ROAD_NUMBER;
        }
        break;
    case HG_STRING:
        road = (struct hg_road){HG_ROAD_TEXT, node.string != 0 ? node.string : compiler->plain_string};
        break;
    case HG_BOOLEAN:
        road.to = HG_ROAD_BOOLEAN;
        break;
    case HG_ARRAY: /* $dynamicRef: who enters a node tells its resource */
        road = (struct hg_road){dynamic ? HG_ROAD_NONE : HG_ROAD_ARRAY, ref};
        break;
    case HG_OBJECT:
        road = (struct hg_road){dynamic ? HG_ROAD_NONE : HG_ROAD_OBJECT, ref};
        break;
    default:
        break;
    }
    return road;
}

struct hg_road hg_set_roads(struct hg_compiler *compiler, hg_ref root, uint32_t count, bool dynamic) {
    uint8_t *program = compiler->program.data;
    for (uint32_t i = 0; i < count; i++) {
        const hg_ref ref = hg_compiled_at(compiler, i)->node;
        struct hg_node node;
        struct hg_object_rules members;
        struct hg_array_rules items;
        if (ref == 0) {
            continue;
        }
        memcpy(&node, program + ref, sizeof node);
        if (node.array != 0) {
            memcpy(&items, program + node.array, sizeof items);
            items.road = road_to(compiler, items.rest, dynamic);
            memcpy(program + node.array, &items, sizeof items);
        }
        if (node.object != 0) {
            memcpy(&members, program + node.object, sizeof members);
            members.in_order = 0;
            members.road = road_to(compiler, members.rest, dynamic);
            for (uint32_t k = 0; k < members.pattern_count; k++) {
                struct hg_pattern_rule rule;
                uint8_t *at = program + members.patterns + k * sizeof rule;
                memcpy(&rule, at, sizeof rule);
                rule.road = road_to(compiler, rule.node, dynamic);
                memcpy(at, &rule, sizeof rule);
            }
            for (uint32_t k = 0; k < members.names.count; k++) {
                struct hg_property property;
                uint8_t *at = program + members.names.entries + k * sizeof property;
                memcpy(&property, at, sizeof property);
                property.road = road_to(compiler, property.node, dynamic);
                memcpy(at, &property, sizeof property);
                members.in_order += members.in_order == k && k < 64 && property.more == 0 && members.names_node == 0;
            }
            memcpy(program + node.object, &members, sizeof members);
        }
    }
    return road_to(compiler, root, dynamic);
}
