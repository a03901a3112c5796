#include <string.h>

#include "compiler.h"
#include "engine_run.h"

/* What a first look at a value tells of the alternatives of anyOf and oneOf (struct hg_alternative), so that most need not be tried: which
 * types each takes, and which values of one member, as "kind" in {"oneOf": [{"properties": {"kind": {"const": "a"}}, ...}, ...]}. */

enum {
    CANDIDATES = 4, /* names of members that are thought of */
    NODES = 16      /* subschemas that are asked about one name, for each alternative */
};

static void node_at(const struct hg_compiler *compiler, hg_ref ref, struct hg_node *node) {
    memcpy(node, compiler->program.data + ref, sizeof *node);
}

static struct hg_same rule_at(const struct hg_compiler *compiler, hg_ref ref) {
    struct hg_same rule;
    memcpy(&rule, compiler->program.data + ref, sizeof rule);
    return rule;
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

static hg_ref scalars_of(const struct hg_compiler *compiler, hg_ref ref) {
    struct hg_node node;
    struct hg_choice choice;
    if (target(compiler, ref, &node) == 0 || node.choice == 0) {
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
            uint64_t word = 0;
            if (rules.required != 0) {
                memcpy(&word, compiler->program.data + rules.required + index / 64 * sizeof word, sizeof word);
            }
            fact->needed |= (word >> index % 64 & 1) != 0;
            if (fact->choice == 0) {
                fact->choice = scalars_of(compiler, property_at(compiler, &rules, index).node);
            }
        }
    }
    for (hg_ref at = node.same; at != 0; at += (hg_ref)sizeof rule) {
        rule = rule_at(compiler, at);
        if (rule.op == HG_SAME_END) {
            break;
        }
        if (rule.op == HG_SAME_ALL) { /* these chains are short: hg_check_loops */
            ask(compiler, rule.a, name, left, fact);
        }
    }
}

/* Adds the names of the members of which the alternative wants certain values. `names`: of hg_name. */
static uint32_t propose(const struct hg_compiler *compiler, hg_ref ref, hg_ref *names, uint32_t count) {
    struct hg_node node;
    struct hg_object_rules rules;
    if (target(compiler, ref, &node) == 0 || node.object == 0) {
        return count;
    }
    memcpy(&rules, compiler->program.data + node.object, sizeof rules);
    for (uint32_t i = 0; i < rules.names.count && count < CANDIDATES; i++) {
        const struct hg_property property = property_at(compiler, &rules, i);
        bool known = scalars_of(compiler, property.node) == 0;
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

/* The facts about the member into the alternatives; -> how many want certain values of it, 0 if they do not differ in that. */
static uint32_t note(const struct hg_compiler *compiler, const struct hg_same *rule, hg_ref name_at) {
    struct hg_alternative *alternatives = alternatives_of(compiler, rule);
    struct hg_name name;
    uint32_t found = 0;
    bool differ = false;
    memcpy(&name, compiler->program.data + name_at, sizeof name);
    for (uint32_t i = 0; i < rule->b; i++) {
        struct fact fact = {0, false};
        uint32_t left = NODES;
        ask(compiler, alternatives[i].node, &name, &left, &fact);
        alternatives[i].choice = fact.choice;
        alternatives[i].needs = fact.needed;
        found += fact.choice != 0;
        differ = differ || fact.choice != alternatives[0].choice;
    }
    return differ ? found : 0;
}

/* The member that tells most of the alternatives apart -> its name, or 0: none does so for half of them, and looking for it has its price. */
static hg_ref tell_apart(const struct hg_compiler *compiler, const struct hg_same *rule) {
    const struct hg_alternative *alternatives = alternatives_of(compiler, rule);
    hg_ref names[CANDIDATES], best = 0;
    uint32_t count = 0, most = 0, objects = 0;
    for (uint32_t i = 0; i < rule->b; i++) {
        objects += (alternatives[i].takes & HG_OBJECT) != 0;
        count = i < CANDIDATES ? propose(compiler, alternatives[i].node, names, count) : count;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t found = note(compiler, rule, names[i]);
        if (found > most && found * 2 >= objects) {
            most = found;
            best = names[i];
        }
    }
    if (best != 0) {
        (void)note(compiler, rule, best);
    }
    return best;
}

void hg_set_looks(struct hg_compiler *compiler, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct hg_node node;
        struct hg_same rule;
        if (hg_compiled_at(compiler, i)->node == 0) {
            continue;
        }
        node_at(compiler, hg_compiled_at(compiler, i)->node, &node);
        for (hg_ref at = node.same; at != 0; at += (hg_ref)sizeof rule) {
            rule = rule_at(compiler, at);
            if (rule.op == HG_SAME_END) {
                break;
            }
            if (!chooses(&rule)) {
                continue;
            }
            struct hg_alternative *alternatives = alternatives_of(compiler, &rule);
            for (uint32_t k = 0; k < rule.b; k++) {
                alternatives[k].takes = alternatives[k].node == 0 ? HG_ANY : hg_compiled_at(compiler, alternatives[k].takes)->takes;
            }
            rule.c = tell_apart(compiler, &rule);
            memcpy(compiler->program.data + at, &rule, sizeof rule);
        }
    }
}
