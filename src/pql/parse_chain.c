/* parse_chain.c -- sequences of events (pql.md 12). */
#include "pql/syntax_int.h"

#define ITEM "WHAT, GAP or EXCLUDE"

static mu_token open_parenthesis(mu_parser *parser)
{
    return mu_expect(parser, MU_TOKEN_LEFT_PARENTHESIS, "PQL-S04", "'('");
}

static void close_parenthesis(mu_parser *parser, const mu_token *opener)
{
    mu_expect_close(parser, opener, MU_TOKEN_RIGHT_PARENTHESIS, "PQL-S04");
}

static int64_t expect_count(mu_parser *parser)
{
    mu_token count = mu_expect(parser, MU_TOKEN_INTEGER, "PQL-S04", "a non-negative integer");
    if (count.is_int64_min)
        mu_syntax_fail(&parser->syntax, "PQL-L03", mu_token_place(&count),
                       MU_STR("an integer has at most 64 bits"));
    return count.integer;
}

/* "(" expr ")" as a lambda over the event */
static const mu_pql *parse_condition(mu_parser *parser)
{
    mu_token opener = open_parenthesis(parser);
    const mu_pql *body = mu_parse_expression(parser);
    close_parenthesis(parser, &opener);
    return mu_build_item_lambda(&parser->syntax, mu_token_place(&opener), body);
}

/* countSpec = INTEGER | compOp INTEGER | "between" INTEGER "and" INTEGER | "all" */
static void parse_count(mu_parser *parser, mu_pql_chain_item *item)
{
    mu_token opener = open_parenthesis(parser);
    item->has_count = true;
    item->comparison = MU_FN_GREATER_EQUAL;
    if (mu_take_word(parser, MU_WORD_ALL)) {
        item->count_is_all = true;
    } else if (mu_take_word(parser, MU_WORD_BETWEEN)) {
        item->count_is_between = true;
        item->count = expect_count(parser);
        mu_expect_word(parser, MU_WORD_AND, "PQL-S04", "'and'");
        item->count_max = expect_count(parser);
    } else {
        mu_take_comparison(parser, &item->comparison);
        item->count = expect_count(parser);
    }
    close_parenthesis(parser, &opener);
}

static _Noreturn void fail_twice(mu_parser *parser, const char *clause)
{
    mu_syntax_fail(&parser->syntax, "PQL-S04", mu_token_place(&parser->token),
                   mu_arena_format(parser->syntax.arena, "an element has %s only once", clause));
}

static bool parse_clause(mu_parser *parser, mu_pql_chain_item *item)
{
    if (mu_at_word(parser, MU_WORD_WHEN)) {
        if (item->when != NULL)
            fail_twice(parser, "WHEN");
        mu_advance(parser);
        mu_token opener = open_parenthesis(parser);
        item->when = mu_parse_when(parser);
        close_parenthesis(parser, &opener);
    } else if (mu_at_word(parser, MU_WORD_WHERE)) {
        if (item->where != NULL)
            fail_twice(parser, "WHERE");
        mu_advance(parser);
        item->where = parse_condition(parser);
    } else if (mu_at_word(parser, MU_WORD_COUNT)) {
        if (item->has_count)
            fail_twice(parser, "COUNT");
        mu_advance(parser);
        parse_count(parser, item);
    } else if (mu_at_word(parser, MU_WORD_WHAT)) {
        fail_twice(parser, "WHAT");
    } else {
        return false;
    }
    return true;
}

/* element = "WHAT" "(" expr ")" { clause } */
static void parse_element(mu_parser *parser, mu_pql_chain_item *item, const char *expected)
{
    mu_expect_word(parser, MU_WORD_WHAT, "PQL-S04", expected);
    item->what = parse_condition(parser);
    while (parse_clause(parser, item))
        ;
}

/* "GAP" "(" [ compOp ] INTEGER unit ")" */
static void parse_gap(mu_parser *parser, mu_pql_chain_item *item)
{
    mu_token opener = open_parenthesis(parser);
    item->kind = MU_ITEM_GAP;
    item->comparison = MU_FN_LESS_EQUAL;
    mu_take_comparison(parser, &item->comparison);
    mu_token count = mu_expect(parser, MU_TOKEN_INTEGER, "PQL-S03", "a non-negative integer");
    if (count.is_int64_min)
        mu_syntax_fail(&parser->syntax, "PQL-L03", mu_token_place(&count),
                       MU_STR("an integer has at most 64 bits"));
    item->count = count.integer;
    if (!mu_take_unit(parser, &item->unit))
        mu_fail_mismatched(parser, "PQL-S03", "a unit of time");
    close_parenthesis(parser, &opener);
}

/* "EXCLUDE" "(" element ")" */
static void parse_exclude(mu_parser *parser, mu_pql_chain_item *item)
{
    mu_token opener = open_parenthesis(parser);
    item->kind = MU_ITEM_EXCLUDE;
    parse_element(parser, item, "WHAT");
    close_parenthesis(parser, &opener);
}

/* chainItem = [ NAME ":" ] element | gap | exclude */
static void parse_item(mu_parser *parser, mu_pql_chain_item *item)
{
    item->line = parser->token.line;
    item->column = parser->token.column;
    if (parser->token.kind == MU_TOKEN_NAME && mu_peek(parser).kind == MU_TOKEN_COLON) {
        mu_token alias = parser->token;
        mu_advance(parser);
        mu_advance(parser);
        item->name = mu_token_name(parser->syntax.arena, &alias);
        parse_element(parser, item, "WHAT");
    } else if (mu_take_word(parser, MU_WORD_GAP)) {
        parse_gap(parser, item);
    } else if (mu_take_word(parser, MU_WORD_EXCLUDE)) {
        parse_exclude(parser, item);
    } else {
        parse_element(parser, item, ITEM);
    }
}

static void parse_items(mu_parser *parser, mu_pql *node)
{
    mu_list items = {.item_bytes = sizeof(mu_pql_chain_item)};
    mu_token opener = mu_expect(parser, MU_TOKEN_LEFT_BRACKET, "PQL-S04", "'['");
    do {
        mu_pql_chain_item item = {0};
        parse_item(parser, &item);
        *(mu_pql_chain_item *)mu_list_add(parser->syntax.arena, &items) = item;
    } while (mu_take(parser, MU_TOKEN_COMMA));
    mu_expect_close(parser, &opener, MU_TOKEN_RIGHT_BRACKET, "PQL-S04");
    mu_check_chain(&parser->syntax, mu_node_place(node), items.items, items.n);
    node->items = items.items;
    node->n_items = (uint32_t)items.n;
}

/* chain = "chain" "(" expr "," NAME "," "[" chainItem { "," chainItem } "]" ")" */
const mu_pql *mu_parse_chain(mu_parser *parser)
{
    mu_pql *node = mu_node_new(&parser->syntax, MU_PQL_CHAIN, mu_token_place(&parser->token));
    const mu_pql **args = MU_NEW_ARRAY(parser->syntax.arena, const mu_pql *, 1);
    bool was_off = parser->is_in_off;
    parser->is_in_off = false;
    mu_enter(parser);
    mu_advance(parser);
    mu_token opener = open_parenthesis(parser);
    args[0] = mu_parse_expression(parser);
    mu_expect(parser, MU_TOKEN_COMMA, "PQL-S04", "','");
    mu_token field = mu_expect(parser, MU_TOKEN_NAME, "PQL-S04", "the name of a date field");
    mu_expect(parser, MU_TOKEN_COMMA, "PQL-S04", "','");
    parse_items(parser, node);
    close_parenthesis(parser, &opener);
    mu_leave(parser);
    parser->is_in_off = was_off;
    node->name = mu_token_name(parser->syntax.arena, &field);
    node->args = args;
    node->n_args = 1;
    return mu_node_done(&parser->syntax, node);
}
