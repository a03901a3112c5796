#include <string.h>

#include "compiler.h"
#include "engine_run.h"

/* What a first look at a value tells of the alternatives of anyOf and oneOf (struct hg_alternative), so that most need not be tried: which
 * types each takes, which values of one member, as "kind" in {"oneOf": [{"properties": {"kind": {"const": "a"}}, ...}, ...]}, and which
 * members it demands. */

enum {
    CANDIDATES = 4, /* names of members that are thought of as the one of the choices */
    NODES = 16,     /* subschemas that are asked about one name, for each alternative */
    SMALL = 8192,   /* bytes that are not worth a limit */
    LIKELY = 64     /* more alternatives that a rule may come to, where some of its own are nothing but alternatives */
};

/* The rule at hand. */
struct looks {
    struct hg_compiler *compiler;
    struct hg_alternative *list; /* in compiler->work */
    uint32_t count;
    uint32_t left;     /* more that may be written, of all rules; */
    uint32_t room;     /* and of what tells alternatives apart */
    uint32_t resource; /* none but what is in it is gone into; UINT32_MAX: that says nothing */
    struct hg_tell tell;
};

static void node_at(const struct hg_compiler *compiler, hg_ref ref, struct hg_node *node) {
    memcpy(node, compiler->program.data + ref, sizeof *node);
}

static struct hg_same rule_at(const struct hg_compiler *compiler, hg_ref ref) {
    struct hg_same rule;
    memcpy(&rule, compiler->program.data + ref, sizeof rule);
    return rule;
}

hg_ref hg_next_rule(const struct hg_compiler *compiler, uint32_t number, hg_ref at, struct hg_same *rule) {
    const hg_ref ref = hg_compiled_at(compiler, number)->node;
    struct hg_node node;
    if (ref == 0) {
        return 0;
    }
    node_at(compiler, ref, &node);
    at = at == 0 ? node.same : at + (hg_ref)sizeof *rule;
    if (at == 0) {
        return 0;
    }
    *rule = rule_at(compiler, at);
    return rule->op == HG_SAME_END ? 0 : at;
}

static struct hg_alternative *alternatives_of(const struct hg_compiler *compiler, const struct hg_same *rule) {
    return (struct hg_alternative *)(void *)(compiler->program.data + rule->a);
}

static bool chooses(const struct hg_same *rule) { return rule->op == HG_SAME_ANY || rule->op == HG_SAME_ONE; }

uint8_t hg_takes(const struct hg_compiler *compiler, const struct hg_compiled *compiled) {
    struct hg_node node;
    struct hg_same rule;
    if (compiled->node == 0) {
        return HG_ANY;
    }
    node_at(compiler, compiled->node, &node);
    unsigned takes = node.types;
    if (node.choice != 0) {
        struct hg_choice choice;
        memcpy(&choice, compiler->program.data + node.choice, sizeof choice);
        takes &= choice.types;
    }
    for (hg_ref at = node.same; at != 0; at += (hg_ref)sizeof rule) {
        rule = rule_at(compiler, at);
        if (rule.op == HG_SAME_END) {
            break;
        }
        if (rule.op == HG_SAME_ALL) {
            takes &= rule.a == 0 ? HG_ANY : hg_compiled_at(compiler, rule.b)->takes;
        } else if (chooses(&rule)) {
            const struct hg_alternative *alternatives = alternatives_of(compiler, &rule);
            unsigned any = 0;
            for (uint32_t i = 0; i < rule.b; i++) { /* `takes` is still the number of the subschema */
                any |= alternatives[i].node == 0 ? HG_ANY : hg_compiled_at(compiler, alternatives[i].takes)->takes;
            }
            takes &= any;
        }
    }
    return (uint8_t)takes;
}

/* What the member of one name has to be. */
struct fact {
    hg_ref choice; /* hg_choice of scalars; 0: anything */
    bool refused;  /* it must be none of them */
    bool needed;
};

/* The node that `ref` stands for, through what is nothing but a reference. */
static hg_ref target(const struct hg_compiler *compiler, hg_ref ref, struct hg_node *node) {
    memset(node, 0, sizeof *node);
    while (ref != 0) {
        node_at(compiler, ref, node);
        if ((node->flags & HG_NODE_REF) == 0) {
            break;
        }
        ref = rule_at(compiler, node->same).a;
    }
    return ref;
}

/* The choice of scalars that a value must be one of, or (*refused) none of. 0: there is none. */
static hg_ref scalars_of(const struct hg_compiler *compiler, hg_ref ref, bool *refused) {
    struct hg_node node;
    struct hg_choice choice;
    *refused = false;
    if (target(compiler, ref, &node) == 0) {
        return 0;
    }
    if (node.choice == 0 && node.same != 0 && rule_at(compiler, node.same).op == HG_SAME_NOT) {
        *refused = true;
        if (target(compiler, rule_at(compiler, node.same).a, &node) == 0 || node.types != HG_ANY ||
            (node.number | node.string | node.array | node.object | node.same) != 0) {
            return 0; /* it takes less than the choice */
        }
    }
    if (node.choice == 0) {
        return 0;
    }
    memcpy(&choice, compiler->program.data + node.choice, sizeof choice);
    return choice.container_count == 0 ? node.choice : 0;
}

static struct hg_property property_at(const struct hg_compiler *compiler, const struct hg_object_rules *rules,
                                      uint32_t index) {
    struct hg_property property;
    memcpy(&property, compiler->program.data + rules->names.entries + index * sizeof property, sizeof property);
    return property;
}

static bool is_required(const struct hg_compiler *compiler, const struct hg_object_rules *rules, uint32_t index) {
    uint64_t word = 0;
    if (rules->required != 0) {
        memcpy(&word, compiler->program.data + rules->required + index / 64 * sizeof word, sizeof word);
    }
    return (word >> index % 64 & 1) != 0;
}

/* What the subschema asks of the member, itself or through allOf and references. `left`: nodes that may be looked at. */
static void ask(const struct hg_compiler *compiler, hg_ref ref, const struct hg_name *name, uint32_t *left,
                struct fact *fact) {
    struct hg_node node;
    struct hg_object_rules rules;
    struct hg_same rule;
    if (ref == 0 || *left == 0) {
        return;
    }
    --*left;
    node_at(compiler, ref, &node);
    if (node.object != 0) {
        memcpy(&rules, compiler->program.data + node.object, sizeof rules);
        const uint32_t index = hg_find_name((const void *)compiler->program.data, &rules.names,
                                            compiler->program.data + name->text, name->length);
        if (index != UINT32_MAX) {
            fact->needed |= is_required(compiler, &rules, index);
            if (fact->choice == 0) {
                fact->choice = scalars_of(compiler, property_at(compiler, &rules, index).node, &fact->refused);
            }
        }
    }
    for (hg_ref at = node.same; at != 0 && *left != 0; at += (hg_ref)sizeof rule) {
        rule = rule_at(compiler, at);
        if (rule.op == HG_SAME_END) {
            break;
        }
        if (rule.op == HG_SAME_ALL) { /* these chains are short: hg_check_loops */
            ask(compiler, rule.a, name, left, fact);
        }
    }
}

static struct fact fact_of(const struct looks *looks, hg_ref ref, hg_ref name_at) {
    struct fact fact = {0, false, false};
    struct hg_name name;
    uint32_t left = NODES;
    memcpy(&name, looks->compiler->program.data + name_at, sizeof name);
    ask(looks->compiler, ref, &name, &left, &fact);
    return fact;
}

/* The object rules of what `ref` stands for; false: it has none. */
static bool rules_of(const struct hg_compiler *compiler, hg_ref ref, struct hg_object_rules *rules) {
    struct hg_node node;
    if (target(compiler, ref, &node) == 0 || node.object == 0) {
        return false;
    }
    memcpy(rules, compiler->program.data + node.object, sizeof *rules);
    return true;
}

/* Adds the names of the members of which the alternative wants certain values. `names`: of hg_name. */
static uint32_t propose(const struct hg_compiler *compiler, hg_ref ref, hg_ref *names, uint32_t count) {
    struct hg_object_rules rules;
    if (!rules_of(compiler, ref, &rules)) {
        return count;
    }
    for (uint32_t i = 0; i < rules.names.count && count < CANDIDATES; i++) {
        const struct hg_property property = property_at(compiler, &rules, i);
        bool refused, known = scalars_of(compiler, property.node, &refused) == 0;
        for (uint32_t k = 0; k < count && !known; k++) {
            struct hg_name other;
            memcpy(&other, compiler->program.data + names[k], sizeof other);
            known = other.text == property.name.text; /* the same text is in the program once */
        }
        if (!known) {
            names[count++] = rules.names.entries + i * (hg_ref)sizeof property;
        }
    }
    return count;
}

/* The only string of a choice of nothing else: its hash, or 0. */
static uint32_t only_hash(const struct hg_compiler *compiler, hg_ref ref) {
    struct hg_choice choice;
    struct hg_name name;
    memcpy(&choice, compiler->program.data + ref, sizeof choice);
    if (choice.strings.count != 1 || choice.types != HG_STRING) {
        return 0;
    }
    memcpy(&name, compiler->program.data + choice.strings.entries, sizeof name);
    return name.hash;
}

/* What alternatives want of the member of that name into the list, as the first name; -> how many want certain values of it, 0 if they do not
 * differ in that. */
static uint32_t note(struct looks *looks, hg_ref name_at) {
    uint32_t found = 0;
    bool differ = false;
    for (uint32_t i = 0; i < looks->count; i++) {
        struct hg_alternative *one = &looks->list[i];
        const struct fact fact = name_at == 0 ? (struct fact){0, false, false} : fact_of(looks, one->node, name_at);
        one->choice = fact.choice;
        one->needs = fact.needed | (fact.choice != 0 && fact.refused ? HG_TELL_NOT : 0);
        one->hash = fact.choice == 0 || fact.refused ? 0 : only_hash(looks->compiler, fact.choice);
        found += fact.choice != 0;
        differ = differ || fact.choice != looks->list[0].choice || ((one->needs ^ looks->list[0].needs) & HG_TELL_NOT) != 0;
    }
    return differ ? found : 0;
}

/* The member that tells most of the alternatives apart -> its name, or 0: none does so for half of them, and looking for it has its price. */
static hg_ref tell_apart(struct looks *looks, uint32_t objects) {
    hg_ref names[CANDIDATES], best = 0;
    uint32_t count = 0, most = 0;
    for (uint32_t i = 0; i < looks->count; i++) {
        count = propose(looks->compiler, looks->list[i].node, names, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t found = note(looks, names[i]);
        if (found > most && found * 2 >= objects) {
            most = found;
            best = names[i];
        }
    }
    (void)note(looks, best);
    return best;
}

/* A name that the alternative demands and `other` does not, or 0. */
static hg_ref demanded(const struct looks *looks, hg_ref ref, hg_ref other) {
    const uint8_t *const data = looks->compiler->program.data;
    const hg_ref first = looks->tell.names[0];
    struct hg_object_rules rules;
    if (!rules_of(looks->compiler, ref, &rules) || rules.required == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < rules.names.count && i < NODES; i++) {
        const hg_ref name = rules.names.entries + i * (hg_ref)sizeof(struct hg_property);
        if (is_required(looks->compiler, &rules, i) && !fact_of(looks, other, name).needed &&
            memcmp(data + first, data + name, sizeof(struct hg_name)) != 0) { /* of that one it is known; 0: it is no name */
            return name;
        }
    }
    return 0;
}

/* The names to look for. false: that would tell too little. The names that are demanded are for oneOf, where all but one alternative must
 * fail: of anyOf the first one that holds ends the trial, mostly before the object has been looked through. */
static bool choose_names(struct looks *looks, bool one_of) {
    struct hg_tell *tell = &looks->tell;
    uint32_t objects = 0, first = UINT32_MAX, last = 0, told = 0;
    memset(tell, 0, sizeof *tell);
    for (uint32_t i = 0; i < looks->count; i++) {
        if ((looks->list[i].takes & HG_OBJECT) != 0) {
            objects++;
            first = first == UINT32_MAX ? i : first;
            last = i;
        }
    }
    tell->names[0] = tell_apart(looks, objects);
    tell->want = tell->names[0] != 0;
    tell->count = 1;
    for (uint32_t i = 0; i < looks->count; i++) {
        struct hg_alternative *one = &looks->list[i];
        if ((one->takes & HG_OBJECT) == 0 || one->choice != 0) {
            told += one->choice != 0;
            continue;
        }
        if (one_of && (one->needs & ~1u) == 0 && tell->count < HG_TELL_NAMES) {
            const hg_ref name = demanded(looks, one->node, looks->list[i == first ? last : first].node);
            for (uint32_t k = 0; name != 0 && k < looks->count; k++) {
                looks->list[k].needs |= (uint32_t)fact_of(looks, looks->list[k].node, name).needed << tell->count;
            }
            if (name != 0) {
                tell->want |= 1u << tell->count;
                tell->names[tell->count++] = name;
            }
        }
        told += (one->needs & ~1u) != 0;
    }
    return tell->want != 0 && (tell->names[0] != 0 || told > 1) && told * 2 >= objects;
}

/* What the alternative comes to. */
static void go_into(struct looks *looks, hg_ref ref, uint32_t takes, uint32_t of, uint32_t room) {
    const struct hg_compiler *compiler = looks->compiler;
    struct hg_node node;
    struct hg_same rule = {.op = HG_SAME_END};
    ref = target(compiler, ref, &node);
    if ((node.flags & HG_NODE_BARE) != 0 && node.same != 0 && rule_at(compiler, node.same + (hg_ref)sizeof rule).op == HG_SAME_END &&
        (looks->resource == UINT32_MAX || node.resource == looks->resource)) {
        rule = rule_at(compiler, node.same);
    }
    if (!chooses(&rule) || rule.b > room || rule.b == 0) {
        looks->list[looks->count++] = (struct hg_alternative){.node = ref, .takes = takes, .of = of};
        return;
    }
    const struct hg_alternative *list = alternatives_of(compiler, &rule);
    for (uint32_t i = 0; i < rule.b; i++) {
        const uint32_t done = looks->count;
        go_into(looks, list[i].node, takes & list[i].takes, of, room - (rule.b - 1 - i));
        room -= looks->count - done;
    }
}

/* The rule with what is said of its alternatives. */
static bool set_look(struct looks *looks, struct hg_same *rule) {
    struct hg_compiler *compiler = looks->compiler;
    const uint32_t size = (rule->b + LIKELY) * (uint32_t)sizeof *looks->list;
    const uint32_t more = size <= looks->left ? LIKELY : 0; /* at most */
    compiler->work.size = 0;
    if (!hg_buffer_reserve(&compiler->work, compiler->memory, size)) {
        return hg_no_memory(compiler);
    }
    looks->list = (struct hg_alternative *)(void *)compiler->work.data;
    looks->count = 0;
    for (uint32_t i = 0, room = rule->b + more; i < rule->b; i++) {
        const struct hg_alternative one = alternatives_of(compiler, rule)[i];
        const uint32_t done = looks->count;
        go_into(looks, one.node, one.takes, i, room - (rule->b - 1 - i));
        room -= looks->count - done;
    }
    if (looks->room < 2 * sizeof looks->tell || !choose_names(looks, rule->op == HG_SAME_ONE)) {
        (void)note(looks, 0);
    } else {
        rule->c = hg_put(compiler, &looks->tell, sizeof looks->tell, 8);
        if (rule->c == 0) {
            return false;
        }
        looks->room -= (uint32_t)sizeof looks->tell + 8; /* to where the next one may begin */
    }
    const uint32_t written = looks->count * (uint32_t)sizeof *looks->list;
    rule->index = rule->a;
    rule->flags = looks->count;
    if (looks->count != rule->b) {
        rule->index = hg_put(compiler, looks->list, written, 8);
        looks->left -= written;
    } else {
        for (uint32_t i = 0; i < rule->b; i++) { /* but its own node, for messages */
            looks->list[i].node = alternatives_of(compiler, rule)[i].node;
        }
        memcpy(compiler->program.data + rule->a, looks->list, written);
    }
    return rule->index != 0;
}

bool hg_set_looks(struct hg_compiler *compiler, uint32_t count, bool dynamic) {
    const uint32_t size = compiler->program.size, room = (HG_SCHEMA_PROGRAM - size) / 4;
    /* as much again as there is, at most */
    struct looks looks = {.compiler = compiler, .room = room, .left = size + SMALL < room ? size + SMALL : room};
    struct hg_same rule;
    for (uint32_t i = 0; i < count; i++) {
        for (hg_ref at = hg_next_rule(compiler, i, 0, &rule); at != 0; at = hg_next_rule(compiler, i, at, &rule)) {
            for (uint32_t k = 0; k < rule.b && chooses(&rule); k++) {
                struct hg_alternative *one = &alternatives_of(compiler, &rule)[k];
                one->takes = one->node == 0 ? HG_ANY : hg_compiled_at(compiler, one->takes)->takes;
            }
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        for (hg_ref at = hg_next_rule(compiler, i, 0, &rule); at != 0; at = hg_next_rule(compiler, i, at, &rule)) {
            struct hg_node node;
            node_at(compiler, hg_compiled_at(compiler, i)->node, &node);
            looks.resource = dynamic ? node.resource : UINT32_MAX;
            if (chooses(&rule)) {
                if (!set_look(&looks, &rule)) {
                    return false;
                }
                memcpy(compiler->program.data + at, &rule, sizeof rule);
            }
        }
    }
    return true;
}
