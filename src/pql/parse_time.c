/* parse_time.c -- what follows `occurs`, or stands in WHEN (pql.md 3, 10.3). Sugar becomes the `<=`
 * form here. */
#include "pql/syntax_int.h"

#define UNITS     "a unit of time: second, minute, hour, day, week, month, year ..."
#define DIRECTION "'before', 'after' or 'from'"
#define COUNT     "a non-negative integer"

bool mu_take_unit(mu_parser *parser, mu_unit *out)
{
    if (!mu_at_word(parser, MU_WORD_UNIT))
        return false;
    *out = parser->token.unit;
    mu_advance(parser);
    return true;
}

bool mu_take_comparison(mu_parser *parser, mu_pql_function *out)
{
    mu_token_kind kind = parser->token.kind;
    if (kind < MU_TOKEN_EQUAL || kind > MU_TOKEN_GREATER_EQUAL)
        return false;
    *out = mu_pql_function_find(parser->token.text);
    mu_advance(parser);
    return true;
}

static mu_unit expect_unit(mu_parser *parser)
{
    mu_unit unit;
    if (!mu_take_unit(parser, &unit))
        mu_fail_mismatched(parser, "PQL-S03", UNITS);
    return unit;
}

static int64_t expect_count(mu_parser *parser)
{
    mu_token count = mu_expect(parser, MU_TOKEN_INTEGER, "PQL-S03", COUNT);
    if (count.is_int64_min)
        mu_syntax_fail(&parser->syntax, "PQL-L03", mu_token_place(&count),
                       MU_STR("an integer has at most 64 bits"));
    return count.integer;
}

static bool take_direction(mu_parser *parser, mu_direction *out)
{
    if (parser->token.kind != MU_TOKEN_NAME)
        return false;
    switch (parser->token.word) {
    case MU_WORD_BEFORE:
        *out = MU_DIRECTION_BEFORE;
        break;
    case MU_WORD_AFTER:
        *out = MU_DIRECTION_AFTER;
        break;
    case MU_WORD_FROM:
        *out = MU_DIRECTION_FROM;
        break;
    default:
        return false;
    }
    mu_advance(parser);
    return true;
}

static mu_direction expect_direction(mu_parser *parser)
{
    mu_direction direction;
    if (!take_direction(parser, &direction))
        mu_fail_mismatched(parser, "PQL-S03", DIRECTION);
    return direction;
}

static bool is_interval_word(mu_word word)
{
    return word == MU_WORD_THIS || word == MU_WORD_LAST || word == MU_WORD_NEXT;
}

/* Whether two tokens begin a time that is no expression: `this week`, `7 days`. A number before any
 * name but an operator's is taken for a count, so that a wrong unit is named as such. */
static bool starts_time(const mu_token *first, const mu_token *second)
{
    if (second->kind != MU_TOKEN_NAME)
        return false;
    if (first->kind == MU_TOKEN_NAME && is_interval_word(first->word))
        return second->word == MU_WORD_UNIT;
    return first->kind == MU_TOKEN_INTEGER && !mu_word_goes_on(second->word);
}

/* Whether the parentheses that open here hold such a time. */
static bool is_time_in_parentheses(const mu_parser *parser)
{
    mu_lexer ahead = parser->lexer;
    mu_token first = parser->token, second;
    for (int i = 0; first.kind == MU_TOKEN_LEFT_PARENTHESIS && i <= MU_PQL_DEPTH_MAX; i++)
        mu_lexer_next(&ahead, &first);
    mu_lexer_next(&ahead, &second);
    return starts_time(&first, &second);
}

static bool can_start_operand(const mu_token *token)
{
    switch (token->kind) {
    case MU_TOKEN_NAME:
    case MU_TOKEN_INTEGER:
    case MU_TOKEN_DOUBLE:
    case MU_TOKEN_STRING:
    case MU_TOKEN_PARAMETER:
    case MU_TOKEN_SCHEMA_REFERENCE:
    case MU_TOKEN_MINUS:
    case MU_TOKEN_CARET:
    case MU_TOKEN_LEFT_PARENTHESIS:
    case MU_TOKEN_LEFT_BRACKET:
    case MU_TOKEN_LEFT_BRACE:
        return true;
    default:
        return false;
    }
}

static const mu_pql *parse_time(mu_parser *parser);

/* ( "this" | "last" | "next" ) unit */
static const mu_pql *parse_interval(mu_parser *parser)
{
    mu_pql *node =
        mu_node_new(&parser->syntax, MU_PQL_TIME_INTERVAL, mu_token_place(&parser->token));
    mu_word word = parser->token.word;
    node->interval = word == MU_WORD_THIS   ? MU_INTERVAL_THIS
                     : word == MU_WORD_LAST ? MU_INTERVAL_LAST
                                            : MU_INTERVAL_NEXT;
    mu_advance(parser);
    node->unit = expect_unit(parser);
    return mu_node_done(&parser->syntax, node);
}

/* INTEGER unit direction time; `from` means after here (D49). */
static const mu_pql *parse_point(mu_parser *parser)
{
    mu_pql *node = mu_node_new(&parser->syntax, MU_PQL_TIME_POINT, mu_token_place(&parser->token));
    const mu_pql **args = MU_NEW_ARRAY(parser->syntax.arena, const mu_pql *, 1);
    node->count = expect_count(parser);
    node->unit = expect_unit(parser);
    node->direction = expect_direction(parser);
    if (node->direction == MU_DIRECTION_FROM)
        node->direction = MU_DIRECTION_AFTER;
    args[0] = parse_time(parser);
    node->args = args;
    node->n_args = 1;
    return mu_node_done(&parser->syntax, node);
}

static const mu_pql *parse_time_in_parentheses(mu_parser *parser)
{
    mu_token opener = parser->token;
    mu_advance(parser);
    const mu_pql *time = parse_time(parser);
    mu_expect_close(parser, &opener, MU_TOKEN_RIGHT_PARENTHESIS, "PQL-S03");
    return time;
}

/* time = interval | INTEGER unit direction time | "(" time ")" | additive */
static const mu_pql *parse_one_time(mu_parser *parser)
{
    const mu_token *token = &parser->token;
    if (token->kind == MU_TOKEN_LEFT_PARENTHESIS && is_time_in_parentheses(parser))
        return parse_time_in_parentheses(parser);
    mu_token next = mu_peek(parser);
    if (starts_time(token, &next))
        return token->kind == MU_TOKEN_INTEGER ? parse_point(parser) : parse_interval(parser);
    if (!can_start_operand(token))
        mu_fail_mismatched(parser, "PQL-S03", "a time");
    return mu_parse_additive(parser);
}

static const mu_pql *parse_time(mu_parser *parser)
{
    mu_enter(parser);
    const mu_pql *time = parse_one_time(parser);
    mu_leave(parser);
    return time;
}

/* INTEGER unit direction time, after the comparison */
static void parse_qualified(mu_parser *parser, mu_pql_when *when, mu_pql_function comparison)
{
    when->has_qualification = true;
    when->comparison = comparison;
    when->count = expect_count(parser);
    when->unit = expect_unit(parser);
    when->relation = expect_direction(parser);
    when->start = parse_time(parser);
}

/* ( "last" | "next" ) INTEGER unit [ ( "before" | "after" ) "now" ] */
static void parse_rolling(mu_parser *parser, mu_pql_when *when)
{
    bool is_last = mu_at_word(parser, MU_WORD_LAST);
    mu_place place = mu_token_place(&parser->token);
    mu_advance(parser);
    when->has_qualification = true;
    when->comparison = MU_FN_LESS_EQUAL;
    when->count = expect_count(parser);
    when->unit = expect_unit(parser);
    when->relation = is_last ? MU_DIRECTION_BEFORE : MU_DIRECTION_AFTER;
    mu_pql *now = mu_node_new(&parser->syntax, MU_PQL_TIME_WORD, place);
    now->time_word = MU_TIME_NOW;
    when->start = mu_node_done(&parser->syntax, now);
    if (mu_take_word(parser, is_last ? MU_WORD_BEFORE : MU_WORD_AFTER))
        mu_expect_word(parser, MU_WORD_NOW, "PQL-S03", "'now'");
}

/* "between" time "and" time */
static void parse_between(mu_parser *parser, mu_pql_when *when)
{
    when->relation = MU_DIRECTION_BETWEEN;
    when->start = parse_time(parser);
    mu_expect_word(parser, MU_WORD_AND, "PQL-S03", "'and'");
    when->end = parse_time(parser);
}

static bool is_rolling(const mu_parser *parser)
{
    bool is_word = mu_at_word(parser, MU_WORD_LAST) || mu_at_word(parser, MU_WORD_NEXT);
    return is_word && mu_peek(parser).word != MU_WORD_UNIT;
}

/* timeCore, see pql.md 3 */
static void parse_core(mu_parser *parser, mu_pql_when *when)
{
    mu_pql_function comparison;
    if (mu_take_comparison(parser, &comparison)) {
        parse_qualified(parser, when, comparison);
    } else if (mu_take_word(parser, MU_WORD_WITHIN)) {
        parse_qualified(parser, when, MU_FN_LESS_EQUAL);
    } else if (mu_take_word(parser, MU_WORD_IN)) {
        if (!mu_at_word(parser, MU_WORD_LAST) && !mu_at_word(parser, MU_WORD_NEXT))
            mu_fail_mismatched(parser, "PQL-S03", "'last' or 'next'");
        parse_rolling(parser, when);
    } else if (is_rolling(parser)) {
        parse_rolling(parser, when);
    } else if (take_direction(parser, &when->relation)) {
        when->start = parse_time(parser);
    } else if (mu_take_word(parser, MU_WORD_BETWEEN)) {
        parse_between(parser, when);
    } else {
        mu_take_word(parser, MU_WORD_ON);
        when->relation = MU_DIRECTION_ON;
        when->start = parse_time(parser);
    }
}

/* timeSpec = timeCore [ "ignoring" "year" | "ignoreYear" ] */
const mu_pql_when *mu_parse_when(mu_parser *parser)
{
    mu_pql_when *when = MU_NEW(parser->syntax.arena, mu_pql_when);
    parse_core(parser, when);
    if (mu_take_word(parser, MU_WORD_IGNORE_YEAR)) {
        when->ignores_year = true;
    } else if (mu_take_word(parser, MU_WORD_IGNORING)) {
        mu_unit unit;
        if (!mu_at_word(parser, MU_WORD_UNIT) || parser->token.unit != MU_UNIT_YEAR ||
            !mu_take_unit(parser, &unit))
            mu_fail_mismatched(parser, "PQL-S03", "'year'");
        when->ignores_year = true;
    }
    return when;
}
