/* explain_write.c -- an explanation as JSON (docs/explain.md). */
#include "eval/explain_int.h"

/* A list of so many scalars is written whole; a larger value by its size. */
#define LIST_ITEMS_MAX 20

static const char *kind_name(mu_pql_kind kind)
{
    static const char *const names[] = {
        [MU_PQL_LITERAL] = "literal",
        [MU_PQL_ARRAY] = "array",
        [MU_PQL_OBJECT] = "object",
        [MU_PQL_FIELD] = "field",
        [MU_PQL_PARAMETER] = "parameter",
        [MU_PQL_VARIABLE] = "variable",
        [MU_PQL_SCHEMA_REFERENCE] = "schemaReference",
        [MU_PQL_FUNCTION_REFERENCE] = "functionReference",
        [MU_PQL_CALL] = "call",
        [MU_PQL_LAMBDA] = "lambda",
        [MU_PQL_SELECT] = "select",
        [MU_PQL_QUANTIFIED] = "quantified",
        [MU_PQL_AGGREGATE] = "aggregate",
        [MU_PQL_LET] = "let",
        [MU_PQL_OCCURS] = "occurs",
        [MU_PQL_TIME_WORD] = "timeWord",
        [MU_PQL_TIME_INTERVAL] = "timeInterval",
        [MU_PQL_TIME_POINT] = "timePoint",
        [MU_PQL_CHAIN] = "chain",
    };
    return names[kind];
}

static bool is_composite(mu_value value)
{
    return value.kind == MU_TYPE_LIST || value.kind == MU_TYPE_MAP || value.kind == MU_TYPE_OBJECT;
}

static bool is_short_list(mu_value value)
{
    if (value.kind != MU_TYPE_LIST || value.n > LIST_ITEMS_MAX)
        return false;
    for (uint32_t i = 0; i < value.n; i++)
        if (is_composite(value.items[i]))
            return false;
    return true;
}

static void write_node_value(mu_json_writer *writer, mu_value value)
{
    if (!is_composite(value) || is_short_list(value)) {
        mu_json_name(writer, MU_STR("value"));
        mu_value_write(writer, value);
        return;
    }
    mu_json_name(writer, MU_STR("type"));
    mu_json_string(writer, mu_str_from(mu_type_kind_name(value.kind)));
    mu_json_name(writer, MU_STR("size"));
    mu_json_integer(writer, value.n);
}

typedef struct node_writer {
    mu_json_writer *writer;
    const mu_explanation *explanation;
    mu_buf text;
} node_writer;

/* Nodes that say nothing of their own: the implicit item in front of a field, and a lambda around
 * its body. */
static bool is_silent(const node_writer *w, const mu_pql *parent, const mu_pql *node)
{
    bool is_receiver =
        parent != NULL && parent->kind == MU_PQL_FIELD && node->kind == MU_PQL_PARAMETER;
    return is_receiver || node->id >= w->explanation->n_nodes;
}

static void write_node(node_writer *w, const mu_pql *node);

typedef struct child_writer {
    node_writer *writer;
    const mu_pql *parent;
    bool has_children;
} child_writer;

static void write_child(void *context, const mu_pql *child)
{
    child_writer *c = context;
    if (child->kind == MU_PQL_LAMBDA)
        child = child->args[0];
    if (is_silent(c->writer, c->parent, child))
        return;
    if (!c->has_children) {
        mu_json_name(c->writer->writer, MU_STR("children"));
        mu_json_begin_array(c->writer->writer);
    }
    c->has_children = true;
    write_node(c->writer, child);
}

/* Recursion is as deep as the tree. */
static void write_node(node_writer *w, const mu_pql *node)
{
    mu_json_writer *writer = w->writer;
    const mu_explanation_node *seen = &w->explanation->nodes[node->id];
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("id"));
    mu_json_integer(writer, node->id);
    mu_buf_clear(&w->text);
    mu_pql_write_text(&w->text, node);
    mu_json_name(writer, MU_STR("text"));
    mu_json_string(writer, mu_buf_str(&w->text));
    mu_json_name(writer, MU_STR("kind"));
    mu_json_string(writer, mu_str_from(kind_name(node->kind)));
    if (node->kind == MU_PQL_CALL) {
        mu_json_name(writer, MU_STR("function"));
        mu_json_string(writer, mu_pql_function_of(node->function)->name);
    }
    if (seen->in_item_scope || seen->n_evaluated == 0) {
        mu_json_name(writer, MU_STR("trueFor"));
        mu_json_integer(writer, (int64_t)seen->n_true);
        mu_json_name(writer, MU_STR("of"));
        mu_json_integer(writer, (int64_t)seen->n_evaluated);
    } else {
        write_node_value(writer, seen->value);
    }
    child_writer children = {.writer = w, .parent = node};
    mu_reference_children(node, write_child, &children);
    if (children.has_children)
        mu_json_end_array(writer);
    mu_json_end_object(writer);
}

/* -------- the whole -------- */

static void write_member(mu_json_writer *writer, mu_value event, const char *name)
{
    mu_value value = mu_value_member(event, mu_str_from(name));
    if (mu_value_is_null(value))
        return;
    mu_json_name(writer, mu_str_from(name));
    mu_value_write(writer, value);
}

static void write_witnesses(mu_json_writer *writer, const mu_explanation *explanation)
{
    mu_json_name(writer, MU_STR("witnesses"));
    mu_json_begin_array(writer);
    for (uint32_t i = 0; i < explanation->n_witnesses; i++) {
        mu_value event = explanation->events.items[explanation->witnesses[i]];
        mu_json_begin_object(writer);
        mu_json_name(writer, MU_STR("index"));
        mu_json_integer(writer, explanation->witnesses[i]);
        write_member(writer, event, "_id");
        write_member(writer, event, "timestamp");
        write_member(writer, event, "eventType");
        mu_json_end_object(writer);
    }
    mu_json_end_array(writer);
}

static void write_guards(mu_json_writer *writer, uint32_t trips)
{
    if (trips == 0)
        return;
    mu_json_name(writer, MU_STR("guards"));
    mu_json_begin_array(writer);
    for (unsigned guard = 0; guard < MU_GUARD_COUNT_; guard++)
        if (trips >> guard & 1)
            mu_json_string(writer, mu_str_from(mu_guard_name((mu_guard)guard)));
    mu_json_end_array(writer);
}

static void write_conditions(mu_json_writer *writer, const mu_explanation *explanation)
{
    mu_json_name(writer, MU_STR("eventConditions"));
    mu_json_begin_array(writer);
    for (uint32_t i = 0; i < explanation->n_conditions; i++)
        mu_json_integer(writer, explanation->conditions[i]->id);
    mu_json_end_array(writer);
}

void mu_explain_write(mu_json_writer *writer, const mu_reference_context *context,
                      const mu_pql *query, mu_str identity, const mu_explanation *explanation)
{
    node_writer w = {.writer = writer, .explanation = explanation};
    mu_json_begin_object(writer);
    if (identity.len > 0) {
        mu_json_name(writer, MU_STR("identity"));
        mu_json_string(writer, identity);
    }
    mu_json_name(writer, MU_STR("member"));
    mu_json_boolean(writer, explanation->is_member);
    if (explanation->is_excluded) {
        mu_json_name(writer, MU_STR("excluded"));
        mu_json_boolean(writer, true);
    }
    mu_json_name(writer, MU_STR("now"));
    mu_value_write(writer, mu_value_timestamp(context->now_ms));
    write_guards(writer, explanation->trips);
    mu_json_name(writer, MU_STR("rule"));
    mu_buf_init(&w.text, 2 * MU_PQL_TEXT_MAX);
    write_node(&w, query);
    mu_buf_free(&w.text);
    write_conditions(writer, explanation);
    write_witnesses(writer, explanation);
    mu_json_end_object(writer);
}
