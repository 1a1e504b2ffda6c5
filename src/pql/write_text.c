/* write_text.c -- canonical text (pql.md 16): what is printed reads back as the same tree.
 *
 * Each printer gets the loosest level of the grammar its place allows and puts parentheses around a
 * node that binds looser.
 */
#include "base/number.h"
#include "pql/syntax_int.h"

/* From loose to tight. */
typedef enum level {
    LEVEL_WHOLE, /* at the top, alone in an argument or a filter: anything */
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_COMPARISON,
    LEVEL_ADDITIVE,
    LEVEL_MULTIPLICATIVE,
    LEVEL_UNARY,
    LEVEL_POSTFIX
} level;

typedef struct printer {
    mu_buf *buf;
    mu_scope scope;
    bool is_in_off;            /* in the value of a let, outside brackets (D12) */
    size_t aggregate_call_end; /* where the last `sum(...)` and the like ended */
} printer;

static void print(printer *p, const mu_pql *node, level least);
static level level_of(const mu_pql *node);

static void add(printer *p, const char *text)
{
    mu_buf_add_str(p->buf, mu_str_from(text));
}

/* Inside brackets `in` is an operator again. */
static void print_inside(printer *p, const char *open, const mu_pql *node, const char *close)
{
    bool was_off = p->is_in_off;
    p->is_in_off = false;
    add(p, open);
    print(p, node, LEVEL_WHOLE);
    add(p, close);
    p->is_in_off = was_off;
}

/* -------- names and literals -------- */

static void print_name(printer *p, mu_str name, bool is_plain)
{
    if (is_plain) {
        mu_buf_add_str(p->buf, name);
        return;
    }
    mu_buf_add_char(p->buf, '`');
    for (size_t i = 0; i < name.len; i++) {
        mu_buf_add_char(p->buf, name.ptr[i]);
        if (name.ptr[i] == '`')
            mu_buf_add_char(p->buf, '`');
    }
    mu_buf_add_char(p->buf, '`');
}

static void print_member_name(printer *p, mu_str name)
{
    print_name(p, name, mu_name_is_plain_member(name));
}

static void print_variable_name(printer *p, mu_str name)
{
    print_name(p, name, mu_name_is_plain_variable(name));
}

static void print_escaped(printer *p, unsigned char c)
{
    static const char letters[] = "bfnrt\"\\";
    static const char values[] = "\b\f\n\r\t\"\\";
    const char *value = c == '\0' ? NULL : strchr(values, c);
    if (value != NULL)
        mu_buf_add_format(p->buf, "\\%c", letters[value - values]);
    else
        mu_buf_add_format(p->buf, "\\u%04x", c);
}

static void print_string(printer *p, mu_str value)
{
    mu_buf_add_char(p->buf, '"');
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c < 0x20 || c == '"' || c == '\\')
            print_escaped(p, c);
        else
            mu_buf_add_char(p->buf, (char)c);
    }
    mu_buf_add_char(p->buf, '"');
}

static void print_literal(printer *p, mu_value value)
{
    char digits[MU_NUMBER_MAX];
    switch (value.kind) {
    case MU_TYPE_BOOLEAN:
        add(p, value.boolean ? "true" : "false");
        break;
    case MU_TYPE_INTEGER:
        mu_buf_add_format(p->buf, "%lld", (long long)value.integer);
        break;
    case MU_TYPE_DOUBLE:
        mu_buf_add(p->buf, digits, mu_format_double(value.number, digits));
        break;
    case MU_TYPE_STRING:
        print_string(p, value.string);
        break;
    default:
        add(p, "null");
        break;
    }
}

static bool is_number(const mu_pql *node)
{
    return node->kind == MU_PQL_LITERAL &&
           (node->literal.kind == MU_TYPE_INTEGER || node->literal.kind == MU_TYPE_DOUBLE);
}

static bool is_negative(const mu_pql *number)
{
    return number->literal.kind == MU_TYPE_INTEGER ? number->literal.integer < 0
                                                   : __builtin_signbit(number->literal.number);
}

/* -------- paths -------- */

static void print_carets(printer *p, uint32_t up)
{
    for (uint32_t i = 0; i < up; i++)
        mu_buf_add_char(p->buf, '^');
}

static void print_parameter(printer *p, const mu_pql *node)
{
    if (node->position >= 2) {
        mu_buf_add_format(p->buf, "$%u", node->position);
    } else if (node->up == p->scope.n_lambdas && node->up > 0) {
        add(p, "$1");
    } else {
        print_carets(p, node->up);
        add(p, "this");
    }
}

/* A field of an implicit item: bare when that reads back as the same field. */
static void print_implicit_field(printer *p, const mu_pql *item, mu_str name)
{
    bool is_shadowed = mu_scope_has(&p->scope, name);
    bool is_events = mu_str_equal(name, MU_STR("xEvent"));
    bool is_root = item->up == p->scope.n_lambdas;
    if (!is_shadowed && (is_events ? is_root : item->up == 0)) {
        print_name(p, name, mu_name_is_plain_start(name));
        return;
    }
    if (item->up == 0)
        add(p, "this");
    else if (is_events && is_root)
        add(p, "$1");
    else
        print_carets(p, item->up);
    mu_buf_add_char(p->buf, '.');
    print_member_name(p, name);
}

static void print_field(printer *p, const mu_pql *node)
{
    const mu_pql *object = node->args[0];
    if (object->kind == MU_PQL_PARAMETER && object->position == 1) {
        print_implicit_field(p, object, node->name);
        return;
    }
    print(p, object, LEVEL_POSTFIX);
    mu_buf_add_char(p->buf, '.');
    print_member_name(p, node->name);
}

/* -------- calls -------- */

static level binary_level(mu_pql_function function)
{
    switch (function) {
    case MU_FN_ADD:
    case MU_FN_SUBTRACT:
        return LEVEL_ADDITIVE;
    case MU_FN_MULTIPLY:
    case MU_FN_DIVIDE:
    case MU_FN_REMAINDER:
        return LEVEL_MULTIPLICATIVE;
    case MU_FN_EQUAL:
    case MU_FN_NOT_EQUAL:
    case MU_FN_LESS:
    case MU_FN_LESS_EQUAL:
    case MU_FN_GREATER:
    case MU_FN_GREATER_EQUAL:
    case MU_FN_IN:
    case MU_FN_NOT_IN:
    case MU_FN_LIKE:
        return LEVEL_COMPARISON;
    default:
        return LEVEL_POSTFIX;
    }
}

/* The level at which a call is printed: that of its operator, when it has the operands for it. */
static level call_level(const mu_pql *node)
{
    if (node->function == MU_FN_AND && node->n_args >= 2)
        return LEVEL_AND;
    if (node->function == MU_FN_OR && node->n_args >= 2)
        return LEVEL_OR;
    if (node->function == MU_FN_NOT && node->n_args == 1)
        return LEVEL_NOT;
    if (node->function == MU_FN_SUBTRACT && node->n_args == 1)
        return LEVEL_UNARY;
    return node->n_args == 2 ? binary_level(node->function) : LEVEL_POSTFIX;
}

static void print_operator(printer *p, mu_str name)
{
    mu_buf_add_char(p->buf, ' ');
    mu_buf_add_str(p->buf, name);
    mu_buf_add_char(p->buf, ' ');
}

static void print_infix(printer *p, const mu_pql *node, level own)
{
    bool is_left = own == LEVEL_ADDITIVE || own == LEVEL_MULTIPLICATIVE;
    for (uint32_t i = 0; i < node->n_args; i++) {
        if (i > 0)
            print_operator(p, node->name);
        print(p, node->args[i], i == 0 && is_left ? own : own + 1);
    }
}

/* Functions that are not written as methods of their first argument. */
static bool is_prefix(const mu_pql *node)
{
    switch (node->function) {
    case MU_FN_IF:
    case MU_FN_DATE:
    case MU_FN_IN_SEGMENT:
    case MU_FN_RESOLVE:
    case MU_FN_MAP_ENTRY:
    case MU_FN_MODEL_INSTANCES:
        return true;
    default:
        return node->n_args == 0 || is_number(node->args[0]);
    }
}

static void print_arguments(printer *p, const mu_pql *node, uint32_t first)
{
    mu_buf_add_char(p->buf, '(');
    for (uint32_t i = first; i < node->n_args; i++)
        print_inside(p, i > first ? ", " : "", node->args[i], "");
    mu_buf_add_char(p->buf, ')');
}

static void print_function_name(printer *p, const mu_pql *node)
{
    switch (node->function) {
    case MU_FN_IF:
        mu_buf_add_str(p->buf, node->name);
        break;
    case MU_FN_SUM:
    case MU_FN_AVERAGE:
    case MU_FN_MIN:
    case MU_FN_MAX:
    case MU_FN_COUNT:
    case MU_FN_EXISTS:
        mu_buf_add_str(p->buf, node->name);
        break;
    default: {
        mu_word word = mu_word_of(node->name, NULL);
        bool is_plain =
            mu_name_is_plain_start(node->name) && word != MU_WORD_IF && word != MU_WORD_CHAIN;
        print_name(p, node->name, is_plain);
        break;
    }
    }
}

static bool is_aggregate_word(mu_str name)
{
    mu_word word = mu_word_of(name, NULL);
    return word >= MU_WORD_SUM && word <= MU_WORD_COUNT;
}

static void print_call(printer *p, const mu_pql *node)
{
    if (is_prefix(node)) {
        print_function_name(p, node);
        print_arguments(p, node, 0);
        if (is_aggregate_word(node->name))
            p->aggregate_call_end = p->buf->len;
        return;
    }
    print(p, node->args[0], LEVEL_POSTFIX);
    if (node->function == MU_FN_FILTER && node->n_args == 2) {
        print_inside(p, "[", node->args[1], "]");
        return;
    }
    mu_buf_add_char(p->buf, '.');
    print_member_name(p, node->name);
    print_arguments(p, node, 1);
}

static void print_operation(printer *p, const mu_pql *node)
{
    level own = call_level(node);
    if (own == LEVEL_POSTFIX) {
        print_call(p, node);
    } else if (own == LEVEL_NOT) {
        add(p, "not ");
        print(p, node->args[0], LEVEL_NOT);
    } else if (own == LEVEL_UNARY) {
        add(p, "-");
        print(p, node->args[0], LEVEL_UNARY);
    } else {
        print_infix(p, node, own);
    }
}

/* -------- scopes -------- */

static void print_lambda(printer *p, const mu_pql *node, bool is_root)
{
    p->scope.n_lambdas += !is_root;
    for (uint32_t i = 0; i < node->n_names; i++) {
        add(p, i == 0 ? "(" : ", ");
        print_variable_name(p, node->names[i]);
        mu_scope_push(&p->scope, node->names[i]);
    }
    if (node->n_names > 0)
        add(p, ") => ");
    print(p, node->args[0], node->n_names > 0 ? LEVEL_OR : LEVEL_WHOLE);
    for (uint32_t i = 0; i < node->n_names; i++)
        mu_scope_pop(&p->scope, node->names[i]);
    p->scope.n_lambdas -= !is_root;
}

static void print_let(printer *p, const mu_pql *node)
{
    bool was_off = p->is_in_off;
    add(p, "let ");
    print_variable_name(p, node->name);
    add(p, " = ");
    p->is_in_off = true;
    print(p, node->args[0], LEVEL_OR);
    p->is_in_off = was_off;
    add(p, " in ");
    mu_scope_push(&p->scope, node->name);
    print(p, node->args[1], LEVEL_OR);
    mu_scope_pop(&p->scope, node->name);
}

/* Prints the declarations and leaves their variables in scope. */
static void print_declarations(printer *p, const mu_pql *node)
{
    for (uint32_t i = 0; i < node->n_declarations; i++) {
        const mu_pql_declaration *declaration = &node->declarations[i];
        add(p, i > 0 ? ", " : " ");
        print_variable_name(p, declaration->name);
        add(p, " from ");
        print(p, declaration->from, LEVEL_OR);
        mu_scope_push(&p->scope, declaration->name);
        if (declaration->where != NULL) {
            add(p, " where ");
            print(p, declaration->where, LEVEL_OR);
        }
    }
}

static void pop_declarations(printer *p, const mu_pql *node)
{
    for (uint32_t i = 0; i < node->n_declarations; i++)
        mu_scope_pop(&p->scope, node->declarations[i].name);
}

static void print_comprehension(printer *p, const mu_pql *node)
{
    static const char *const words[] = {"exists", "forall", "none", "one"};
    add(p, node->kind == MU_PQL_SELECT ? "select" : words[node->quantifier]);
    print_declarations(p, node);
    pop_declarations(p, node);
}

/* Puts parentheses around what was printed from `start` on. */
static void wrap(printer *p, size_t start)
{
    mu_buf_add_char(p->buf, ')');
    if (mu_buf_reserve(p->buf, 1) == NULL)
        return;
    memmove(p->buf->ptr + start + 1, p->buf->ptr + start, p->buf->len - start);
    p->buf->ptr[start] = '(';
    p->buf->len++;
}

/* Printed before the declarations, but its variables are theirs. A body that starts with a bracket
 * or a minus, or ends with `sum(...)`, would be read another way without parentheses. */
static void print_aggregate(printer *p, const mu_pql *node)
{
    mu_buf_add_str(p->buf, mu_pql_function_of(node->function)->name);
    mu_buf_add_char(p->buf, ' ');
    for (uint32_t i = 0; i < node->n_declarations; i++)
        mu_scope_push(&p->scope, node->declarations[i].name);
    size_t start = p->buf->len;
    p->aggregate_call_end = SIZE_MAX;
    print(p, node->args[0], LEVEL_ADDITIVE);
    char first = p->buf->len > start ? p->buf->ptr[start] : '\0';
    bool is_wrapped = level_of(node->args[0]) < LEVEL_ADDITIVE;
    bool is_misread =
        first == '(' || first == '[' || first == '-' || p->aggregate_call_end == p->buf->len;
    if (is_misread && !is_wrapped)
        wrap(p, start);
    pop_declarations(p, node);
    add(p, " over");
    print_declarations(p, node);
    pop_declarations(p, node);
}

/* -------- time -------- */

static void print_count(printer *p, int64_t count, mu_unit unit)
{
    mu_buf_add_format(p->buf, "%lld ", (long long)count);
    mu_buf_add_str(p->buf, mu_unit_plural(unit));
}

static void print_interval(printer *p, const mu_pql *node)
{
    mu_buf_add_str(p->buf, mu_time_interval_name(node->interval));
    mu_buf_add_char(p->buf, ' ');
    mu_buf_add_str(p->buf, mu_unit_singular(node->unit));
}

static void print_time(printer *p, const mu_pql *node)
{
    if (node->kind == MU_PQL_TIME_INTERVAL) {
        print_interval(p, node);
    } else if (node->kind == MU_PQL_TIME_POINT) {
        print_count(p, node->count, node->unit);
        print_operator(p, mu_direction_name(node->direction));
        print_time(p, node->args[0]);
    } else {
        print(p, node, LEVEL_ADDITIVE);
    }
}

static void print_when(printer *p, const mu_pql_when *when)
{
    bool is_interval =
        when->start->kind == MU_PQL_TIME_WORD || when->start->kind == MU_PQL_TIME_INTERVAL;
    if (when->has_qualification) {
        mu_buf_add_str(p->buf, mu_pql_function_of(when->comparison)->name);
        mu_buf_add_char(p->buf, ' ');
        print_count(p, when->count, when->unit);
        mu_buf_add_char(p->buf, ' ');
    }
    if (when->relation != MU_DIRECTION_ON || !is_interval) {
        mu_buf_add_str(p->buf, mu_direction_name(when->relation));
        mu_buf_add_char(p->buf, ' ');
    }
    print_time(p, when->start);
    if (when->end != NULL) {
        add(p, " and ");
        print_time(p, when->end);
    }
    if (when->ignores_year)
        add(p, " ignoring year");
}

static void print_occurs(printer *p, const mu_pql *node)
{
    print(p, node->args[0], LEVEL_ADDITIVE);
    add(p, " occurs ");
    print_when(p, node->when);
}

/* -------- chains -------- */

static void print_chain_count(printer *p, const mu_pql_chain_item *item)
{
    add(p, " COUNT(");
    if (item->count_is_all) {
        add(p, "all");
    } else if (item->count_is_between) {
        mu_buf_add_format(p->buf, "between %lld and %lld", (long long)item->count,
                          (long long)item->count_max);
    } else {
        if (item->comparison != MU_FN_GREATER_EQUAL) {
            mu_buf_add_str(p->buf, mu_pql_function_of(item->comparison)->name);
            mu_buf_add_char(p->buf, ' ');
        }
        mu_buf_add_format(p->buf, "%lld", (long long)item->count);
    }
    add(p, ")");
}

static void print_element(printer *p, const mu_pql_chain_item *item)
{
    print_inside(p, "WHAT(", item->what, ")");
    if (item->when != NULL) {
        add(p, " WHEN(");
        print_when(p, item->when);
        add(p, ")");
    }
    if (item->where != NULL)
        print_inside(p, " WHERE(", item->where, ")");
    if (item->has_count)
        print_chain_count(p, item);
}

static void print_item(printer *p, const mu_pql_chain_item *item)
{
    switch (item->kind) {
    case MU_ITEM_ELEMENT:
        if (item->name.len > 0) {
            print_variable_name(p, item->name);
            add(p, ": ");
        }
        print_element(p, item);
        break;
    case MU_ITEM_GAP:
        add(p, "GAP(");
        mu_buf_add_str(p->buf, mu_pql_function_of(item->comparison)->name);
        mu_buf_add_char(p->buf, ' ');
        print_count(p, item->count, item->unit);
        add(p, ")");
        break;
    case MU_ITEM_EXCLUDE:
        add(p, "EXCLUDE(");
        print_element(p, item);
        add(p, ")");
        break;
    }
}

static void print_chain(printer *p, const mu_pql *node)
{
    bool was_off = p->is_in_off;
    p->is_in_off = false;
    print_inside(p, "CHAIN(", node->args[0], ", ");
    print_member_name(p, node->name);
    add(p, ", [");
    for (uint32_t i = 0; i < node->n_items; i++) {
        if (i > 0)
            add(p, ", ");
        print_item(p, &node->items[i]);
        mu_scope_push(&p->scope, node->items[i].name);
    }
    for (uint32_t i = 0; i < node->n_items; i++)
        mu_scope_pop(&p->scope, node->items[i].name);
    add(p, "])");
    p->is_in_off = was_off;
}

/* -------- the rest -------- */

static void print_items(printer *p, const mu_pql *node, char open, char close)
{
    bool was_off = p->is_in_off;
    p->is_in_off = false;
    mu_buf_add_char(p->buf, open);
    for (uint32_t i = 0; i < node->n_args; i++) {
        if (i > 0)
            add(p, ", ");
        if (node->kind == MU_PQL_OBJECT) {
            print_string(p, node->names[i]);
            add(p, ": ");
        }
        print(p, node->args[i], LEVEL_OR);
    }
    mu_buf_add_char(p->buf, close);
    p->is_in_off = was_off;
}

static level level_of(const mu_pql *node)
{
    switch (node->kind) {
    case MU_PQL_LAMBDA:
    case MU_PQL_SELECT:
    case MU_PQL_QUANTIFIED:
    case MU_PQL_AGGREGATE:
    case MU_PQL_LET:
        return LEVEL_WHOLE;
    case MU_PQL_OCCURS:
        return LEVEL_COMPARISON;
    case MU_PQL_CALL:
        return call_level(node);
    case MU_PQL_LITERAL:
        return is_number(node) && is_negative(node) ? LEVEL_UNARY : LEVEL_POSTFIX;
    default:
        return LEVEL_POSTFIX;
    }
}

static void print_bare(printer *p, const mu_pql *node)
{
    switch (node->kind) {
    case MU_PQL_LITERAL:
        print_literal(p, node->literal);
        break;
    case MU_PQL_ARRAY:
        print_items(p, node, '[', ']');
        break;
    case MU_PQL_OBJECT:
        print_items(p, node, '{', '}');
        break;
    case MU_PQL_FIELD:
        print_field(p, node);
        break;
    case MU_PQL_PARAMETER:
        print_parameter(p, node);
        break;
    case MU_PQL_VARIABLE:
        print_variable_name(p, node->name);
        break;
    case MU_PQL_SCHEMA_REFERENCE:
        mu_buf_add_format(p->buf, "@{" MU_STR_FMT "}", MU_STR_ARG(node->name));
        break;
    case MU_PQL_FUNCTION_REFERENCE:
        print_variable_name(p, node->name);
        break;
    case MU_PQL_CALL:
        print_operation(p, node);
        break;
    case MU_PQL_LAMBDA:
        print_lambda(p, node, false);
        break;
    case MU_PQL_SELECT:
    case MU_PQL_QUANTIFIED:
        print_comprehension(p, node);
        break;
    case MU_PQL_AGGREGATE:
        print_aggregate(p, node);
        break;
    case MU_PQL_LET:
        print_let(p, node);
        break;
    case MU_PQL_OCCURS:
        print_occurs(p, node);
        break;
    case MU_PQL_TIME_WORD:
        mu_buf_add_str(p->buf, mu_time_word_name(node->time_word));
        break;
    case MU_PQL_TIME_INTERVAL:
    case MU_PQL_TIME_POINT:
        print_time(p, node);
        break;
    case MU_PQL_CHAIN:
        print_chain(p, node);
        break;
    }
}

/* Prints `node` where the grammar asks for `least`. */
static void print(printer *p, const mu_pql *node, level least)
{
    bool is_digit_receiver = least == LEVEL_POSTFIX && is_number(node); /* 5.x is no path */
    bool is_hidden_in = p->is_in_off && node->kind == MU_PQL_CALL && node->function == MU_FN_IN &&
                        node->n_args == 2;
    if (level_of(node) >= least && !is_digit_receiver && !is_hidden_in) {
        print_bare(p, node);
        return;
    }
    bool was_off = p->is_in_off;
    p->is_in_off = false;
    mu_buf_add_char(p->buf, '(');
    print_bare(p, node);
    mu_buf_add_char(p->buf, ')');
    p->is_in_off = was_off;
}

void mu_pql_write_text(mu_buf *buf, const mu_pql *query)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    printer p = {.buf = buf, .scope = {.arena = &arena}};
    if (query->kind == MU_PQL_LAMBDA)
        print_lambda(&p, query, true);
    else
        print(&p, query, LEVEL_WHOLE);
    mu_arena_free(&arena);
}
