/* write_json.c -- the tree as pql/json, members in the order of pql.md 15.2. */
#include "pql/syntax_int.h"

static void write_node(mu_json_writer *w, const mu_pql *node);

static void member(mu_json_writer *w, const char *name, mu_str value)
{
    mu_json_name(w, mu_str_from(name));
    mu_json_string(w, value);
}

static void child(mu_json_writer *w, const char *name, const mu_pql *node)
{
    mu_json_name(w, mu_str_from(name));
    write_node(w, node);
}

static void begin_node(mu_json_writer *w, const char *type)
{
    mu_json_begin_object(w);
    member(w, "nodeType", mu_str_from(type));
}

static void begin_literal(mu_json_writer *w, const char *type)
{
    begin_node(w, "literal");
    member(w, "literalType", mu_str_from(type));
}

static void write_text_literal(mu_json_writer *w, const char *type, mu_str value)
{
    begin_literal(w, type);
    member(w, "value", value);
    mu_json_end_object(w);
}

static void write_integer_literal(mu_json_writer *w, int64_t value)
{
    begin_literal(w, "Integer");
    mu_json_name(w, MU_STR("value"));
    mu_json_integer(w, value);
    mu_json_end_object(w);
}

static void write_raw(mu_json_writer *w, mu_value value)
{
    switch (value.kind) {
    case MU_TYPE_BOOLEAN:
        mu_json_boolean(w, value.boolean);
        break;
    case MU_TYPE_INTEGER:
        mu_json_integer(w, value.integer);
        break;
    case MU_TYPE_DOUBLE:
        mu_json_double(w, value.number);
        break;
    case MU_TYPE_STRING:
        mu_json_string(w, value.string);
        break;
    default:
        mu_json_null(w);
        break;
    }
}

static const char *literal_type(mu_type_kind kind)
{
    switch (kind) {
    case MU_TYPE_BOOLEAN:
        return "Boolean";
    case MU_TYPE_INTEGER:
        return "Integer";
    case MU_TYPE_DOUBLE:
        return "Double";
    case MU_TYPE_STRING:
        return "String";
    default:
        return "Null";
    }
}

static void write_literal(mu_json_writer *w, mu_value value)
{
    begin_literal(w, literal_type(value.kind));
    mu_json_name(w, MU_STR("value"));
    write_raw(w, value);
    mu_json_end_object(w);
}

static void write_children(mu_json_writer *w, const mu_pql *node)
{
    mu_json_begin_array(w);
    for (uint32_t i = 0; i < node->n_args; i++)
        write_node(w, node->args[i]);
    mu_json_end_array(w);
}

static void write_call(mu_json_writer *w, mu_str name, const mu_pql *node)
{
    begin_node(w, "fnApply");
    member(w, "fnName", name);
    mu_json_name(w, MU_STR("params"));
    write_children(w, node);
    mu_json_end_object(w);
}

static void write_array(mu_json_writer *w, const mu_pql *node)
{
    for (uint32_t i = 0; i < node->n_args; i++) {
        if (node->args[i]->kind != MU_PQL_LITERAL) {
            write_call(w, MU_STR("array"), node);
            return;
        }
    }
    begin_literal(w, "List");
    mu_json_name(w, MU_STR("value"));
    mu_json_begin_array(w);
    for (uint32_t i = 0; i < node->n_args; i++)
        write_raw(w, node->args[i]->literal);
    mu_json_end_array(w);
    mu_json_end_object(w);
}

static void write_object(mu_json_writer *w, const mu_pql *node)
{
    begin_node(w, "object");
    mu_json_name(w, MU_STR("properties"));
    mu_json_begin_array(w);
    for (uint32_t i = 0; i < node->n_args; i++) {
        mu_json_begin_object(w);
        member(w, "name", node->names[i]);
        child(w, "value", node->args[i]);
        mu_json_end_object(w);
    }
    mu_json_end_array(w);
    mu_json_end_object(w);
}

static void write_field(mu_json_writer *w, const mu_pql *node)
{
    begin_node(w, "fieldLookup");
    member(w, "fieldName", node->name);
    child(w, "object", node->args[0]);
    mu_json_end_object(w);
}

static void write_parameter(mu_json_writer *w, const mu_pql *node)
{
    begin_node(w, "parameterReference");
    mu_json_name(w, MU_STR("position"));
    mu_json_integer(w, node->position);
    if (node->up > 0) {
        mu_json_name(w, MU_STR("up"));
        mu_json_integer(w, node->up);
    }
    mu_json_end_object(w);
}

static void write_variable(mu_json_writer *w, mu_str name)
{
    begin_node(w, "varRef");
    member(w, "varName", name);
    mu_json_end_object(w);
}

static void write_function(mu_json_writer *w, mu_str name)
{
    begin_literal(w, "Function");
    member(w, "fnName", name);
    mu_json_end_object(w);
}

static void write_lambda(mu_json_writer *w, const mu_pql *node)
{
    begin_node(w, "lambda");
    if (node->n_names > 0) {
        mu_json_name(w, MU_STR("params"));
        mu_json_begin_array(w);
        for (uint32_t i = 0; i < node->n_names; i++) {
            mu_json_begin_object(w);
            member(w, "varName", node->names[i]);
            mu_json_end_object(w);
        }
        mu_json_end_array(w);
    }
    child(w, "body", node->args[0]);
    mu_json_end_object(w);
}

/* -------- comprehensions -------- */

static void write_declarations(mu_json_writer *w, const mu_pql *node)
{
    mu_json_name(w, MU_STR("variables"));
    mu_json_begin_array(w);
    for (uint32_t i = 0; i < node->n_declarations; i++) {
        const mu_pql_declaration *declaration = &node->declarations[i];
        begin_node(w, "varDecl");
        member(w, "varName", declaration->name);
        child(w, "from", declaration->from);
        if (declaration->where != NULL)
            child(w, "where", declaration->where);
        mu_json_end_object(w);
    }
    mu_json_end_array(w);
}

static void write_comprehension(mu_json_writer *w, const mu_pql *node)
{
    mu_json_begin_object(w);
    if (node->kind == MU_PQL_SELECT) {
        member(w, "nodeType", MU_STR("select"));
    } else if (node->kind == MU_PQL_QUANTIFIED) {
        member(w, "nodeType", MU_STR("quantification"));
        member(w, "quantifier", mu_quantifier_name(node->quantifier));
    } else {
        member(w, "nodeType", mu_pql_function_of(node->function)->name);
        child(w, "aggExpr", node->args[0]);
    }
    write_declarations(w, node);
    mu_json_end_object(w);
}

static void write_let(mu_json_writer *w, const mu_pql *node)
{
    begin_node(w, "let");
    member(w, "varName", node->name);
    child(w, "value", node->args[0]);
    child(w, "body", node->args[1]);
    mu_json_end_object(w);
}

/* -------- time -------- */

static void write_interval(mu_json_writer *w, const mu_pql *node)
{
    begin_literal(w, "TimeInterval");
    member(w, "relation", mu_time_interval_name(node->interval));
    member(w, "unit", mu_unit_singular(node->unit));
    mu_json_end_object(w);
}

/* The members of a duration that it always has. */
static void begin_duration(mu_json_writer *w, int64_t count, mu_unit unit)
{
    begin_node(w, "duration");
    mu_json_name(w, MU_STR("count"));
    write_integer_literal(w, count);
    mu_json_name(w, MU_STR("unit"));
    write_text_literal(w, "TimeUnit", mu_unit_plural(unit));
}

static void write_point(mu_json_writer *w, const mu_pql *node)
{
    begin_duration(w, node->count, node->unit);
    mu_json_name(w, MU_STR("relation"));
    write_text_literal(w, "TimeDirection", mu_direction_name(node->direction));
    child(w, "base", node->args[0]);
    mu_json_end_object(w);
}

static void write_qualification(mu_json_writer *w, mu_pql_function comparison, int64_t count,
                                mu_unit unit)
{
    mu_json_name(w, MU_STR("qualification"));
    begin_node(w, "timeQualification");
    mu_json_name(w, MU_STR("comparison"));
    write_text_literal(w, "Comparison", mu_pql_function_of(comparison)->name);
    mu_json_name(w, MU_STR("duration"));
    begin_duration(w, count, unit);
    mu_json_end_object(w);
    mu_json_end_object(w);
}

static void write_when(mu_json_writer *w, const mu_pql_when *when)
{
    mu_json_name(w, MU_STR("relation"));
    write_text_literal(w, "TimeDirection", mu_direction_name(when->relation));
    if (when->has_qualification)
        write_qualification(w, when->comparison, when->count, when->unit);
    mu_json_name(w, MU_STR("timeinterval"));
    if (when->relation == MU_DIRECTION_BETWEEN) {
        begin_node(w, "range");
        child(w, "start", when->start);
        child(w, "end", when->end);
        mu_json_end_object(w);
    } else {
        write_node(w, when->start);
    }
    if (when->ignores_year) {
        mu_json_name(w, MU_STR("ignoreYear"));
        mu_json_boolean(w, true);
    }
}

static void write_occurs(mu_json_writer *w, const mu_pql *node)
{
    begin_node(w, "occurs");
    child(w, "timestamp", node->args[0]);
    write_when(w, node->when);
    mu_json_end_object(w);
}

/* -------- chains -------- */

static void write_count(mu_json_writer *w, const mu_pql_chain_item *item)
{
    mu_str comparison = item->count_is_all       ? MU_STR("all")
                        : item->count_is_between ? MU_STR("between")
                                                 : mu_pql_function_of(item->comparison)->name;
    mu_json_name(w, MU_STR("count"));
    mu_json_begin_object(w);
    mu_json_name(w, MU_STR("comparison"));
    write_text_literal(w, "Comparison", comparison);
    if (!item->count_is_all) {
        mu_json_name(w, MU_STR("value"));
        write_integer_literal(w, item->count);
    }
    if (item->count_is_between) {
        mu_json_name(w, MU_STR("max"));
        write_integer_literal(w, item->count_max);
    }
    mu_json_end_object(w);
}

static void write_element(mu_json_writer *w, const mu_pql_chain_item *item)
{
    begin_node(w, "element");
    if (item->name.len > 0)
        member(w, "varName", item->name);
    child(w, "what", item->what);
    if (item->when != NULL) {
        mu_json_name(w, MU_STR("when"));
        mu_json_begin_object(w);
        write_when(w, item->when);
        mu_json_end_object(w);
    }
    if (item->where != NULL)
        child(w, "where", item->where);
    if (item->has_count)
        write_count(w, item);
    mu_json_end_object(w);
}

static void write_item(mu_json_writer *w, const mu_pql_chain_item *item)
{
    if (item->kind == MU_ITEM_ELEMENT) {
        write_element(w, item);
        return;
    }
    begin_node(w, "gap");
    if (item->kind == MU_ITEM_GAP) {
        write_qualification(w, item->comparison, item->count, item->unit);
    } else {
        mu_json_name(w, MU_STR("exclude"));
        write_element(w, item);
    }
    mu_json_end_object(w);
}

static void write_chain(mu_json_writer *w, const mu_pql *node)
{
    begin_node(w, "chain");
    child(w, "list", node->args[0]);
    mu_json_name(w, MU_STR("timestamp"));
    write_text_literal(w, "XDMField", node->name);
    mu_json_name(w, MU_STR("elements"));
    mu_json_begin_array(w);
    for (uint32_t i = 0; i < node->n_items; i++)
        write_item(w, &node->items[i]);
    mu_json_end_array(w);
    mu_json_end_object(w);
}

static void write_node(mu_json_writer *w, const mu_pql *node)
{
    switch (node->kind) {
    case MU_PQL_LITERAL:
        write_literal(w, node->literal);
        break;
    case MU_PQL_ARRAY:
        write_array(w, node);
        break;
    case MU_PQL_OBJECT:
        write_object(w, node);
        break;
    case MU_PQL_FIELD:
        write_field(w, node);
        break;
    case MU_PQL_PARAMETER:
        write_parameter(w, node);
        break;
    case MU_PQL_VARIABLE:
        write_variable(w, node->name);
        break;
    case MU_PQL_SCHEMA_REFERENCE:
        write_text_literal(w, "XDMObject", node->name);
        break;
    case MU_PQL_FUNCTION_REFERENCE:
        write_function(w, node->name);
        break;
    case MU_PQL_CALL:
        write_call(w, node->name, node);
        break;
    case MU_PQL_LAMBDA:
        write_lambda(w, node);
        break;
    case MU_PQL_SELECT:
    case MU_PQL_QUANTIFIED:
    case MU_PQL_AGGREGATE:
        write_comprehension(w, node);
        break;
    case MU_PQL_LET:
        write_let(w, node);
        break;
    case MU_PQL_OCCURS:
        write_occurs(w, node);
        break;
    case MU_PQL_TIME_WORD:
        write_text_literal(w, "Timestamp", mu_time_word_name(node->time_word));
        break;
    case MU_PQL_TIME_INTERVAL:
        write_interval(w, node);
        break;
    case MU_PQL_TIME_POINT:
        write_point(w, node);
        break;
    case MU_PQL_CHAIN:
        write_chain(w, node);
        break;
    }
}

void mu_pql_write_json(mu_buf *buf, const mu_pql *query)
{
    mu_json_writer writer;
    mu_json_writer_init(&writer, buf);
    write_node(&writer, query);
}
