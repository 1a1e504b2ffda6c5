/* parse_list.c -- comprehensions: select, quantifiers, aggregates over variables (pql.md 11). */
#include "pql/syntax_int.h"

/* Whether `, NAME from` goes on with the declarations (D13). */
static bool is_declaration_next(const mu_parser *parser)
{
    if (parser->token.kind != MU_TOKEN_COMMA)
        return false;
    mu_lexer ahead = parser->lexer;
    mu_token name, from;
    mu_lexer_next(&ahead, &name);
    if (name.kind != MU_TOKEN_NAME)
        return false;
    mu_lexer_next(&ahead, &from);
    return from.kind == MU_TOKEN_NAME && from.word == MU_WORD_FROM;
}

/* NAME, but not the `from` of a declaration whose name is missing. */
static mu_token expect_variable(mu_parser *parser)
{
    bool is_reserved = parser->token.kind == MU_TOKEN_NAME &&
                       mu_word_class_of(parser->token.word) == MU_WORD_IS_HARD;
    bool is_from = false;
    if (mu_at_word(parser, MU_WORD_FROM)) {
        mu_token next = mu_peek(parser);
        is_from = next.kind != MU_TOKEN_NAME || next.word != MU_WORD_FROM;
    }
    if (is_reserved)
        mu_fail_mismatched(parser, "PQL-S01",
                           "the name of a variable (a keyword stands in backticks)");
    if (is_from)
        mu_fail_mismatched(parser, "PQL-S01", "the name of a variable");
    return mu_expect(parser, MU_TOKEN_NAME, "PQL-S01", "the name of a variable");
}

/* decl = NAME "from" or [ ( "where" | ":" ) or ] */
static void parse_declaration(mu_parser *parser, mu_pql_declaration *out)
{
    mu_token name = expect_variable(parser);
    mu_expect_word(parser, MU_WORD_FROM, "PQL-S01", "'from'");
    out->name = mu_token_name(parser->syntax.arena, &name);
    out->line = name.line;
    out->column = name.column;
    out->from = mu_parse_or(parser);
    if (mu_take_word(parser, MU_WORD_WHERE) || mu_take(parser, MU_TOKEN_COLON))
        out->where = mu_parse_or(parser);
}

/* decls = decl { "," decl } */
static void parse_declarations(mu_parser *parser, mu_pql *node)
{
    mu_list list = {.item_bytes = sizeof(mu_pql_declaration)};
    mu_enter(parser);
    for (;;) {
        mu_pql_declaration declaration = {0};
        parse_declaration(parser, &declaration);
        *(mu_pql_declaration *)mu_list_add(parser->syntax.arena, &list) = declaration;
        if (!is_declaration_next(parser))
            break;
        mu_advance(parser);
    }
    mu_leave(parser);
    mu_check_declarations(&parser->syntax, mu_node_place(node), list.items, list.n);
    node->declarations = list.items;
    node->n_declarations = (uint32_t)list.n;
}

/* select = "select" decls */
const mu_pql *mu_parse_select(mu_parser *parser)
{
    mu_pql *node = mu_node_new(&parser->syntax, MU_PQL_SELECT, mu_token_place(&parser->token));
    mu_advance(parser);
    parse_declarations(parser, node);
    return mu_node_done(&parser->syntax, node);
}

/* quantified = ( "exists" | "forall" | "some" | "all" | "none" | "one" ) decls */
const mu_pql *mu_parse_quantified(mu_parser *parser)
{
    mu_pql *node = mu_node_new(&parser->syntax, MU_PQL_QUANTIFIED, mu_token_place(&parser->token));
    mu_word word = parser->token.word;
    node->quantifier = word == MU_WORD_EXISTS || word == MU_WORD_SOME  ? MU_QUANTIFIER_SOME
                       : word == MU_WORD_FORALL || word == MU_WORD_ALL ? MU_QUANTIFIER_ALL
                       : word == MU_WORD_NONE                          ? MU_QUANTIFIER_NONE
                                                                       : MU_QUANTIFIER_ONE;
    mu_advance(parser);
    parse_declarations(parser, node);
    return mu_node_done(&parser->syntax, node);
}

const mu_pql *mu_parse_over(mu_parser *parser, mu_place place, mu_pql_function function,
                            const mu_pql *body)
{
    mu_expect_word(parser, MU_WORD_OVER, "PQL-S01", "'over'");
    mu_pql *node = mu_node_new(&parser->syntax, MU_PQL_AGGREGATE, place);
    const mu_pql **args = MU_NEW_ARRAY(parser->syntax.arena, const mu_pql *, 1);
    args[0] = body;
    node->function = function;
    node->args = args;
    node->n_args = 1;
    parse_declarations(parser, node);
    return mu_node_done(&parser->syntax, node);
}

mu_pql_function mu_aggregate_function(mu_word word)
{
    switch (word) {
    case MU_WORD_SUM:
        return MU_FN_SUM;
    case MU_WORD_MIN:
        return MU_FN_MIN;
    case MU_WORD_MAX:
        return MU_FN_MAX;
    case MU_WORD_AVERAGE:
        return MU_FN_AVERAGE;
    case MU_WORD_COUNT:
        return MU_FN_COUNT;
    default:
        return MU_FN_UNKNOWN;
    }
}

/* aggregate = ( "sum" | "average" | "min" | "max" | "count" ) additive "over" decls */
const mu_pql *mu_parse_aggregate(mu_parser *parser)
{
    mu_token word = parser->token;
    mu_pql_function function = mu_aggregate_function(word.word);
    mu_advance(parser);
    mu_enter(parser);
    const mu_pql *body = mu_parse_additive(parser);
    mu_leave(parser);
    return mu_parse_over(parser, mu_token_place(&word), function, body);
}
