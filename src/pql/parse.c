/* parse.c -- expressions by recursive descent (pql.md 3); each function bears its rule. Times,
 * comprehensions and chains have files of their own. */
#include "pql/syntax_int.h"

/* An expression inside brackets, where `in` is an operator again. */
static const mu_pql *parse_inner(mu_parser *parser)
{
    bool was_off = parser->is_in_off;
    parser->is_in_off = false;
    const mu_pql *inner = mu_parse_expression(parser);
    parser->is_in_off = was_off;
    return inner;
}

static const mu_pql *call(mu_parser *parser, const mu_token *token, mu_str name,
                          const mu_pql *const *args, size_t n_args)
{
    return mu_build_call(&parser->syntax, mu_token_place(token), name, args, n_args);
}

/* -------- let, lambda -------- */

/* let = "let" NAME "=" exprNoIn "in" expr */
static const mu_pql *parse_let(mu_parser *parser)
{
    mu_token let = parser->token;
    mu_advance(parser);
    mu_token name = mu_expect(parser, MU_TOKEN_NAME, "PQL-S01", "the name of a variable");
    mu_expect(parser, MU_TOKEN_EQUAL, "PQL-S01", "'='");
    bool was_off = parser->is_in_off;
    parser->is_in_off = true;
    const mu_pql **args = MU_NEW_ARRAY(parser->syntax.arena, const mu_pql *, 2);
    args[0] = mu_parse_expression(parser);
    parser->is_in_off = was_off;
    mu_expect_word(parser, MU_WORD_IN, "PQL-S07", "'in': let NAME = VALUE in EXPRESSION");
    args[1] = mu_parse_expression(parser);
    mu_pql *node = mu_node_new(&parser->syntax, MU_PQL_LET, mu_token_place(&let));
    node->name = mu_token_name(parser->syntax.arena, &name);
    node->args = args;
    node->n_args = 2;
    return mu_node_done(&parser->syntax, node);
}

/* Whether `NAME =>` or `( NAME, ... ) =>` begins here. */
static bool is_lambda_ahead(const mu_parser *parser)
{
    mu_lexer ahead = parser->lexer;
    mu_token token;
    mu_lexer_next(&ahead, &token);
    if (parser->token.kind == MU_TOKEN_NAME)
        return token.kind == MU_TOKEN_ARROW;
    if (parser->token.kind != MU_TOKEN_LEFT_PARENTHESIS)
        return false;
    while (token.kind == MU_TOKEN_NAME) {
        mu_lexer_next(&ahead, &token);
        if (token.kind == MU_TOKEN_RIGHT_PARENTHESIS) {
            mu_lexer_next(&ahead, &token);
            return token.kind == MU_TOKEN_ARROW;
        }
        if (token.kind != MU_TOKEN_COMMA)
            return false;
        mu_lexer_next(&ahead, &token);
    }
    return false;
}

/* lambda = ( "(" NAME { "," NAME } ")" | NAME ) "=>" expr */
static const mu_pql *parse_lambda(mu_parser *parser)
{
    mu_token first = parser->token;
    mu_list names = {.item_bytes = sizeof(mu_str)};
    mu_arena *arena = parser->syntax.arena;
    bool has_parentheses = mu_take(parser, MU_TOKEN_LEFT_PARENTHESIS);
    do {
        mu_token name = mu_expect(parser, MU_TOKEN_NAME, "PQL-S01", "a parameter's name");
        *(mu_str *)mu_list_add(arena, &names) = mu_token_name(arena, &name);
    } while (has_parentheses && mu_take(parser, MU_TOKEN_COMMA));
    if (has_parentheses)
        mu_expect_close(parser, &first, MU_TOKEN_RIGHT_PARENTHESIS, "PQL-S01");
    mu_expect(parser, MU_TOKEN_ARROW, "PQL-S01", "'=>'");
    mu_check_parameters(&parser->syntax, mu_token_place(&first), names.items, names.n);
    const mu_pql **args = MU_NEW_ARRAY(arena, const mu_pql *, 1);
    args[0] = mu_parse_expression(parser);
    mu_pql *node = mu_node_new(&parser->syntax, MU_PQL_LAMBDA, mu_token_place(&first));
    node->names = names.items;
    node->n_names = (uint32_t)names.n;
    node->args = args;
    node->n_args = 1;
    return mu_node_done(&parser->syntax, node);
}

/* expr = let | lambda | or */
const mu_pql *mu_parse_expression(mu_parser *parser)
{
    mu_enter(parser);
    const mu_pql *expression = mu_at_word(parser, MU_WORD_LET) ? parse_let(parser)
                               : is_lambda_ahead(parser)       ? parse_lambda(parser)
                                                               : mu_parse_or(parser);
    mu_leave(parser);
    return expression;
}

/* -------- primary -------- */

/* args = "(" [ expr { "," expr } ] ")"; the items are added to `args`. */
static void parse_arguments(mu_parser *parser, mu_list *args)
{
    mu_token opener = mu_expect(parser, MU_TOKEN_LEFT_PARENTHESIS, "PQL-S01", "'('");
    if (mu_take(parser, MU_TOKEN_RIGHT_PARENTHESIS))
        return;
    do {
        const mu_pql *argument = parse_inner(parser);
        *(const mu_pql **)mu_list_add(parser->syntax.arena, args) = argument;
    } while (mu_take(parser, MU_TOKEN_COMMA));
    mu_expect_close(parser, &opener, MU_TOKEN_RIGHT_PARENTHESIS, "PQL-S01");
}

/* A call by name, or `sum( e ) over ...`, which is an aggregate (D15). */
static const mu_pql *parse_named_call(mu_parser *parser)
{
    mu_token name = parser->token;
    mu_list args = {.item_bytes = sizeof(const mu_pql *)};
    mu_advance(parser);
    parse_arguments(parser, &args);
    mu_pql_function aggregate = mu_aggregate_function(name.word);
    if (aggregate != MU_FN_UNKNOWN && args.n == 1 && mu_at_word(parser, MU_WORD_OVER))
        return mu_parse_over(parser, mu_token_place(&name), aggregate,
                             *(const mu_pql **)args.items);
    return call(parser, &name, mu_token_name(parser->syntax.arena, &name), args.items, args.n);
}

/* array = "[" [ expr { "," expr } ] "]" */
static const mu_pql *parse_array(mu_parser *parser)
{
    mu_token opener = parser->token;
    mu_list items = {.item_bytes = sizeof(const mu_pql *)};
    mu_advance(parser);
    if (!mu_take(parser, MU_TOKEN_RIGHT_BRACKET)) {
        do {
            const mu_pql *item = parse_inner(parser);
            *(const mu_pql **)mu_list_add(parser->syntax.arena, &items) = item;
        } while (mu_take(parser, MU_TOKEN_COMMA));
        mu_expect_close(parser, &opener, MU_TOKEN_RIGHT_BRACKET, "PQL-S01");
    }
    return mu_build_array(&parser->syntax, mu_token_place(&opener), items.items, items.n);
}

/* object = "{" [ STRING ":" expr { "," STRING ":" expr } ] "}" */
static const mu_pql *parse_object(mu_parser *parser)
{
    mu_token opener = parser->token;
    mu_arena *arena = parser->syntax.arena;
    mu_list names = {.item_bytes = sizeof(mu_str)};
    mu_list values = {.item_bytes = sizeof(const mu_pql *)};
    mu_advance(parser);
    if (!mu_take(parser, MU_TOKEN_RIGHT_BRACE)) {
        do {
            mu_token name = mu_expect(parser, MU_TOKEN_STRING, "PQL-S01", "a name in quotes");
            mu_expect(parser, MU_TOKEN_COLON, "PQL-S01", "':'");
            const mu_pql *value = parse_inner(parser);
            *(mu_str *)mu_list_add(arena, &names) = mu_token_string(arena, &name);
            *(const mu_pql **)mu_list_add(arena, &values) = value;
        } while (mu_take(parser, MU_TOKEN_COMMA));
        mu_expect_close(parser, &opener, MU_TOKEN_RIGHT_BRACE, "PQL-S01");
    }
    return mu_build_object(&parser->syntax, mu_token_place(&opener), names.items, values.items,
                           names.n);
}

/* upRef = "^" { "^" } [ "." ] NAME, and ours: "^" { "^" } "this", the item itself. */
static const mu_pql *parse_up(mu_parser *parser)
{
    mu_place place = mu_token_place(&parser->token);
    uint32_t up = 0;
    for (; mu_take(parser, MU_TOKEN_CARET); up++)
        ;
    const mu_pql *item = mu_build_parameter(&parser->syntax, place, 1, up, MU_PENDING_NONE);
    if (mu_take_word(parser, MU_WORD_THIS))
        return item;
    mu_take(parser, MU_TOKEN_DOT);
    mu_token name = mu_expect(parser, MU_TOKEN_NAME, "PQL-S01", "a name after '^'");
    return mu_build_field(&parser->syntax, mu_token_place(&name), item,
                          mu_token_name(parser->syntax.arena, &name));
}

static const mu_pql *parse_time_word(mu_parser *parser, mu_time_word word)
{
    mu_pql *node = mu_node_new(&parser->syntax, MU_PQL_TIME_WORD, mu_token_place(&parser->token));
    node->time_word = word;
    mu_advance(parser);
    return mu_node_done(&parser->syntax, node);
}

static const mu_pql *parse_literal(mu_parser *parser, mu_value value)
{
    const mu_pql *node = mu_build_literal(&parser->syntax, mu_token_place(&parser->token), value);
    mu_advance(parser);
    return node;
}

/* Whether `next` after an aggregate's word starts its body. `-` and `[` do not: `sum - 1` and
 * `sum[...]` speak of a field. */
static bool starts_body(const mu_token *next)
{
    switch (next->kind) {
    case MU_TOKEN_NAME:
        return !mu_word_goes_on(next->word) && next->word != MU_WORD_FROM;
    case MU_TOKEN_INTEGER:
    case MU_TOKEN_DOUBLE:
    case MU_TOKEN_STRING:
    case MU_TOKEN_PARAMETER:
    case MU_TOKEN_SCHEMA_REFERENCE:
    case MU_TOKEN_CARET:
    case MU_TOKEN_LEFT_BRACE:
        return true;
    default:
        return false;
    }
}

static bool is_quantifier(mu_word word)
{
    return word >= MU_WORD_EXISTS && word <= MU_WORD_ONE;
}

/* A name that no keyword takes: a call, or the start of a path. */
static const mu_pql *parse_name(mu_parser *parser, const mu_token *next)
{
    if (next->kind == MU_TOKEN_LEFT_PARENTHESIS)
        return parse_named_call(parser);
    mu_token name = parser->token;
    mu_advance(parser);
    return mu_build_variable(&parser->syntax, mu_token_place(&name),
                             mu_token_name(parser->syntax.arena, &name), MU_PENDING_NAME);
}

/* The operators that can also be called by their word: in(a, b) is a in b (D14). */
static mu_pql_function called_by(mu_word word)
{
    switch (word) {
    case MU_WORD_AND:
        return MU_FN_AND;
    case MU_WORD_OR:
        return MU_FN_OR;
    case MU_WORD_IN:
        return MU_FN_IN;
    case MU_WORD_NOT_IN:
        return MU_FN_NOT_IN;
    case MU_WORD_LIKE:
        return MU_FN_LIKE;
    case MU_WORD_IF:
        return MU_FN_IF;
    default:
        return MU_FN_UNKNOWN;
    }
}

static const mu_pql *parse_word_call(mu_parser *parser, mu_pql_function function)
{
    mu_token name = parser->token;
    mu_list args = {.item_bytes = sizeof(const mu_pql *)};
    mu_advance(parser);
    parse_arguments(parser, &args);
    return call(parser, &name, mu_pql_function_of(function)->name, args.items, args.n);
}

static const mu_pql *parse_word(mu_parser *parser)
{
    mu_word word = parser->token.word;
    mu_token next = mu_peek(parser);
    bool is_call = next.kind == MU_TOKEN_LEFT_PARENTHESIS;
    if (is_call && called_by(word) != MU_FN_UNKNOWN)
        return parse_word_call(parser, called_by(word));
    switch (word) {
    case MU_WORD_TRUE:
    case MU_WORD_FALSE:
        return parse_literal(parser, mu_value_boolean(word == MU_WORD_TRUE));
    case MU_WORD_NULL:
        return parse_literal(parser, MU_VALUE_NULL);
    case MU_WORD_NOW:
    case MU_WORD_TODAY:
    case MU_WORD_YESTERDAY:
    case MU_WORD_TOMORROW:
        return parse_time_word(parser, (mu_time_word)(word - MU_WORD_NOW));
    case MU_WORD_THIS:
        mu_advance(parser);
        return mu_build_parameter(&parser->syntax, mu_token_place(&parser->previous), 1, 0,
                                  MU_PENDING_NONE);
    case MU_WORD_SELECT:
        return mu_parse_select(parser);
    case MU_WORD_CHAIN:
        return is_call ? mu_parse_chain(parser) : parse_name(parser, &next);
    default:
        break;
    }
    if (mu_word_class_of(word) == MU_WORD_IS_HARD)
        mu_fail_mismatched(parser, "PQL-S01", "an expression");
    if (is_quantifier(word) && next.kind == MU_TOKEN_NAME && !mu_word_goes_on(next.word))
        return mu_parse_quantified(parser);
    if (mu_aggregate_function(word) != MU_FN_UNKNOWN && starts_body(&next))
        return mu_parse_aggregate(parser);
    return parse_name(parser, &next);
}

/* "(" expr ")" */
static const mu_pql *parse_parenthesised(mu_parser *parser)
{
    mu_token opener = parser->token;
    mu_advance(parser);
    const mu_pql *inner = parse_inner(parser);
    mu_expect_close(parser, &opener, MU_TOKEN_RIGHT_PARENTHESIS, "PQL-S01");
    return inner;
}

static const mu_pql *parse_parameter(mu_parser *parser)
{
    mu_token token = parser->token;
    mu_advance(parser);
    return mu_build_parameter(&parser->syntax, mu_token_place(&token), token.integer, 0,
                              token.integer == 1 ? MU_PENDING_ROOT : MU_PENDING_NONE);
}

static const mu_pql *parse_schema_reference(mu_parser *parser)
{
    mu_token token = parser->token;
    mu_str inner = {token.text.ptr + 2, token.text.len - 3};
    mu_advance(parser);
    return mu_build_schema_reference(&parser->syntax, mu_token_place(&token),
                                     mu_arena_copy(parser->syntax.arena, mu_str_trim(inner)));
}

static const mu_pql *parse_primary(mu_parser *parser)
{
    mu_token *token = &parser->token;
    switch (token->kind) {
    case MU_TOKEN_NAME:
        return parse_word(parser);
    case MU_TOKEN_INTEGER:
        if (token->is_int64_min)
            mu_syntax_fail(&parser->syntax, "PQL-L03", mu_token_place(token),
                           MU_STR("an integer has at most 64 bits"));
        return parse_literal(parser, mu_value_integer(token->integer));
    case MU_TOKEN_DOUBLE:
        return parse_literal(parser, mu_value_double(token->number));
    case MU_TOKEN_STRING:
        return parse_literal(parser, mu_value_string(mu_token_string(parser->syntax.arena, token)));
    case MU_TOKEN_PARAMETER:
        return parse_parameter(parser);
    case MU_TOKEN_SCHEMA_REFERENCE:
        return parse_schema_reference(parser);
    case MU_TOKEN_CARET:
        return parse_up(parser);
    case MU_TOKEN_LEFT_PARENTHESIS:
        return parse_parenthesised(parser);
    case MU_TOKEN_LEFT_BRACKET:
        return parse_array(parser);
    case MU_TOKEN_LEFT_BRACE:
        return parse_object(parser);
    default:
        mu_fail_mismatched(parser, "PQL-S01", "an expression");
    }
}

/* -------- operators -------- */

/* What follows a dot: NAME or NAME args. */
static const mu_pql *parse_member(mu_parser *parser, const mu_pql *object)
{
    mu_arena *arena = parser->syntax.arena;
    if (parser->token.kind != MU_TOKEN_NAME)
        mu_fail_mismatched(parser, "PQL-S01", "a name after '.'");
    mu_token name = parser->token;
    mu_advance(parser);
    mu_str text = mu_token_name(arena, &name);
    if (parser->token.kind != MU_TOKEN_LEFT_PARENTHESIS)
        return mu_build_field(&parser->syntax, mu_token_place(&name), object, text);
    mu_list args = {.item_bytes = sizeof(const mu_pql *)};
    *(const mu_pql **)mu_list_add(arena, &args) = object;
    parse_arguments(parser, &args);
    return call(parser, &name, text, args.items, args.n);
}

static const mu_pql *parse_filter(mu_parser *parser, const mu_pql *list)
{
    mu_token opener = parser->previous;
    const mu_pql *args[] = {list, parse_inner(parser)};
    mu_expect_close(parser, &opener, MU_TOKEN_RIGHT_BRACKET, "PQL-S01");
    return call(parser, &opener, MU_STR("filter"), args, 2);
}

/* postfix = primary { "." NAME | "." NAME args | "[" expr "]" } */
static const mu_pql *parse_postfix(mu_parser *parser)
{
    const mu_pql *node = parse_primary(parser);
    for (;;) {
        if (mu_take(parser, MU_TOKEN_DOT))
            node = parse_member(parser, node);
        else if (mu_take(parser, MU_TOKEN_LEFT_BRACKET))
            node = parse_filter(parser, node);
        else
            return node;
    }
}

/* unary = "-" unary | postfix */
static const mu_pql *parse_unary(mu_parser *parser)
{
    if (parser->token.kind != MU_TOKEN_MINUS)
        return parse_postfix(parser);
    mu_token minus = parser->token;
    mu_advance(parser);
    if (parser->token.kind == MU_TOKEN_INTEGER && parser->token.is_int64_min)
        return parse_literal(parser, mu_value_integer(INT64_MIN));
    mu_enter(parser);
    const mu_pql *operand = parse_unary(parser);
    mu_leave(parser);
    return call(parser, &minus, MU_STR("-"), &operand, 1);
}

typedef const mu_pql *parse_operand(mu_parser *parser);

/* operand { op operand }, left associative, for the kinds from `first` to `last`. */
static const mu_pql *parse_left(mu_parser *parser, parse_operand *operand, mu_token_kind first,
                                mu_token_kind last)
{
    const mu_pql *node = operand(parser);
    while (parser->token.kind >= first && parser->token.kind <= last) {
        mu_token op = parser->token;
        mu_advance(parser);
        const mu_pql *args[] = {node, operand(parser)};
        node = call(parser, &op, op.text, args, 2);
    }
    return node;
}

/* multiplicative = unary { ( "*" | "/" | "%" ) unary } */
static const mu_pql *parse_multiplicative(mu_parser *parser)
{
    return parse_left(parser, parse_unary, MU_TOKEN_STAR, MU_TOKEN_PERCENT);
}

/* additive = multiplicative { ( "+" | "-" ) multiplicative } */
const mu_pql *mu_parse_additive(mu_parser *parser)
{
    return parse_left(parser, parse_multiplicative, MU_TOKEN_PLUS, MU_TOKEN_MINUS);
}

static const mu_pql *parse_occurs(mu_parser *parser, const mu_pql *timestamp)
{
    mu_token occurs = parser->token;
    mu_advance(parser);
    const mu_pql **args = MU_NEW_ARRAY(parser->syntax.arena, const mu_pql *, 1);
    args[0] = timestamp;
    mu_pql *node = mu_node_new(&parser->syntax, MU_PQL_OCCURS, mu_token_place(&occurs));
    node->args = args;
    node->n_args = 1;
    node->when = mu_parse_when(parser);
    return mu_node_done(&parser->syntax, node);
}

/* The operator of a comparison at the current token, or MU_FN_UNKNOWN. */
static mu_pql_function comparison_at(const mu_parser *parser)
{
    const mu_token *token = &parser->token;
    if (token->kind >= MU_TOKEN_EQUAL && token->kind <= MU_TOKEN_GREATER_EQUAL)
        return mu_pql_function_find(token->text);
    if (token->kind != MU_TOKEN_NAME)
        return MU_FN_UNKNOWN;
    switch (token->word) {
    case MU_WORD_IN:
        return parser->is_in_off ? MU_FN_UNKNOWN : MU_FN_IN;
    case MU_WORD_NOT_IN:
        return MU_FN_NOT_IN;
    case MU_WORD_LIKE:
        return MU_FN_LIKE;
    default:
        return MU_FN_UNKNOWN;
    }
}

/* comparison = additive [ op additive | "occurs" timeSpec ], non-associative */
static const mu_pql *parse_comparison(mu_parser *parser)
{
    const mu_pql *node = mu_parse_additive(parser);
    mu_pql_function function = comparison_at(parser);
    if (function != MU_FN_UNKNOWN) {
        mu_token op = parser->token;
        mu_advance(parser);
        const mu_pql *args[] = {node, mu_parse_additive(parser)};
        node = call(parser, &op, mu_pql_function_of(function)->name, args, 2);
    } else if (mu_at_word(parser, MU_WORD_OCCURS)) {
        node = parse_occurs(parser, node);
    } else {
        return node;
    }
    if (comparison_at(parser) != MU_FN_UNKNOWN || mu_at_word(parser, MU_WORD_OCCURS))
        mu_fail_mismatched(parser, "PQL-S01",
                           "the end of the comparison (comparisons do not chain)");
    return node;
}

/* not = ( "not" | "!" ) not | comparison */
static const mu_pql *parse_not(mu_parser *parser)
{
    if (!mu_at_word(parser, MU_WORD_NOT) && parser->token.kind != MU_TOKEN_BANG)
        return parse_comparison(parser);
    mu_token op = parser->token;
    mu_advance(parser);
    mu_enter(parser);
    const mu_pql *operand = parse_not(parser);
    mu_leave(parser);
    return call(parser, &op, MU_STR("not"), &operand, 1);
}

/* operand { word operand } as one call of many arguments. */
static const mu_pql *parse_many(mu_parser *parser, parse_operand *operand, mu_word word,
                                mu_str name)
{
    const mu_pql *node = operand(parser);
    if (!mu_at_word(parser, word))
        return node;
    mu_token op = parser->token;
    mu_list args = {.item_bytes = sizeof(const mu_pql *)};
    *(const mu_pql **)mu_list_add(parser->syntax.arena, &args) = node;
    while (mu_take_word(parser, word)) {
        const mu_pql *next = operand(parser);
        *(const mu_pql **)mu_list_add(parser->syntax.arena, &args) = next;
    }
    return call(parser, &op, name, args.items, args.n);
}

/* and = not { "and" not } */
static const mu_pql *parse_and(mu_parser *parser)
{
    return parse_many(parser, parse_not, MU_WORD_AND, MU_STR("and"));
}

/* or = and { "or" and } */
const mu_pql *mu_parse_or(mu_parser *parser)
{
    return parse_many(parser, parse_and, MU_WORD_OR, MU_STR("or"));
}

/* -------- the whole -------- */

/* query = expr EOF */
static const mu_pql *parse_query(mu_parser *parser)
{
    const mu_pql *query = mu_parse_expression(parser);
    if (parser->token.kind != MU_TOKEN_END)
        mu_fail_mismatched(parser, "PQL-S01", "<EOF>");
    return mu_resolve(&parser->syntax, query);
}

mu_code mu_pql_parse_text(mu_arena *arena, mu_str text, const mu_pql **out,
                          mu_pql_diagnostics *diagnostics)
{
    if (text.len > MU_PQL_TEXT_MAX) {
        mu_pql_report(diagnostics, "PQL-S01", 1, 1, MU_STR(""),
                      MU_STR("the expression is longer than 1 MiB"));
        return MU_E_SYNTAX;
    }
    mu_parser *parser = MU_NEW(arena, mu_parser);
    parser->syntax.arena = arena;
    parser->syntax.diagnostics = diagnostics;
    if (setjmp(parser->syntax.failed) != 0)
        return MU_E_SYNTAX;
    mu_lexer_init(&parser->lexer, arena, text);
    mu_advance(parser);
    *out = parse_query(parser);
    return MU_OK;
}
