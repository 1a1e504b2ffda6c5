/* cursor.c -- the parser's place in the text: what it looks at, what it takes, how it complains. */
#include "pql/syntax_int.h"

mu_place mu_token_place(const mu_token *token)
{
    return (mu_place){.line = token->line, .column = token->column};
}

void mu_advance(mu_parser *parser)
{
    parser->previous = parser->token;
    mu_lexer_next(&parser->lexer, &parser->token);
}

bool mu_take(mu_parser *parser, mu_token_kind kind)
{
    if (parser->token.kind != kind)
        return false;
    mu_advance(parser);
    return true;
}

bool mu_at_word(const mu_parser *parser, mu_word word)
{
    return parser->token.kind == MU_TOKEN_NAME && parser->token.word == word;
}

bool mu_take_word(mu_parser *parser, mu_word word)
{
    if (!mu_at_word(parser, word))
        return false;
    mu_advance(parser);
    return true;
}

mu_token mu_peek(const mu_parser *parser)
{
    mu_lexer ahead = parser->lexer;
    mu_token token;
    mu_lexer_next(&ahead, &token);
    return token;
}

/* What may help with the most common slips. */
static const char *advice(const mu_parser *parser)
{
    const mu_token *now = &parser->token, *before = &parser->previous;
    bool is_adjacent = before->text.len > 0 && before->text.ptr + before->text.len == now->text.ptr;
    if (is_adjacent && before->kind == MU_TOKEN_EQUAL && now->kind == MU_TOKEN_EQUAL)
        return "; equality is written with one '='";
    if (is_adjacent && before->kind == MU_TOKEN_LESS && now->kind == MU_TOKEN_GREATER)
        return "; write '!='";
    return "";
}

_Noreturn void mu_fail_mismatched(mu_parser *parser, const char *code, const char *expected)
{
    const mu_token *token = &parser->token;
    mu_place place = mu_token_place(token);
    if (token->kind == MU_TOKEN_ERROR)
        mu_syntax_fail(&parser->syntax, token->code, place, token->message);
    mu_str shown = mu_token_quoted(parser->syntax.arena, token);
    mu_syntax_fail(&parser->syntax, code, place,
                   mu_arena_format(parser->syntax.arena,
                                   "mismatched input " MU_STR_FMT " expecting %s%s",
                                   MU_STR_ARG(shown), expected, advice(parser)));
}

mu_token mu_expect(mu_parser *parser, mu_token_kind kind, const char *code, const char *expected)
{
    if (parser->token.kind != kind)
        mu_fail_mismatched(parser, code, expected);
    mu_token taken = parser->token;
    mu_advance(parser);
    return taken;
}

void mu_expect_word(mu_parser *parser, mu_word word, const char *code, const char *expected)
{
    if (!mu_take_word(parser, word))
        mu_fail_mismatched(parser, code, expected);
}

static const char *bracket_text(mu_token_kind kind)
{
    return kind == MU_TOKEN_RIGHT_PARENTHESIS ? "')'"
           : kind == MU_TOKEN_RIGHT_BRACKET   ? "']'"
                                              : "'}'";
}

void mu_expect_close(mu_parser *parser, const mu_token *opener, mu_token_kind kind,
                     const char *code)
{
    if (mu_take(parser, kind))
        return;
    mu_token_kind found = parser->token.kind;
    bool is_unclosed = found == MU_TOKEN_END || found == MU_TOKEN_RIGHT_PARENTHESIS ||
                       found == MU_TOKEN_RIGHT_BRACKET || found == MU_TOKEN_RIGHT_BRACE;
    if (!is_unclosed)
        mu_fail_mismatched(parser, code, bracket_text(kind));
    mu_arena *arena = parser->syntax.arena;
    mu_str shown = mu_token_quoted(arena, &parser->token);
    mu_syntax_fail(&parser->syntax, "PQL-S02", mu_token_place(&parser->token),
                   mu_arena_format(arena,
                                   "mismatched input " MU_STR_FMT " expecting %s to close '%c' of "
                                   "line %u:%u",
                                   MU_STR_ARG(shown), bracket_text(kind), opener->text.ptr[0],
                                   opener->line, opener->column));
}

void mu_enter(mu_parser *parser)
{
    if (++parser->depth > MU_PQL_DEPTH_MAX + 1) /* the query itself is the first */
        mu_syntax_fail(&parser->syntax, "PQL-S01", mu_token_place(&parser->token),
                       mu_arena_format(parser->syntax.arena, "nested deeper than %d levels",
                                       MU_PQL_DEPTH_MAX));
}

void mu_leave(mu_parser *parser)
{
    parser->depth--;
}
